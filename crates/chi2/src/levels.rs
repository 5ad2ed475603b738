//! Δχ² of confidence regions.

use nonius_core::{Error, Result};
use statrs::function::gamma::ln_gamma;

/// Rise of χ² above its minimum that bounds a region as probable as ±`n_sigma` of a normal distribution.
///
/// The Δχ² whose upper tail, of a χ² distribution with `n_parameters` degrees of freedom, equals the two
/// tails of a normal distribution beyond `n_sigma` standard deviations:
///
/// ```text
/// Q(ν/2, Δχ²/2) = erfc(n/√2),   ν = n_parameters
/// ```
///
/// ν = 1 gives n², the limits of one parameter whatever the others are; ν = 2 gives 2.30, 6.18, 11.83 for
/// 1, 2, 3 σ, a region that holds both parameters jointly. Logarithms of tails are compared, so that nothing
/// is lost far out: relative accuracy 1e-9 or better, also above 8 σ.
///
/// # Errors
/// [`Error::Parameter`] unless `n_sigma` is between 0 and 1e6 and `n_parameters` between 1 and 1000000.
///
/// # Source
/// Y. Avni, "Energy spectra of X-ray clusters of galaxies", Astrophys. J. 210, 642 (1976). The starts of the
/// iteration: B. Laurent, P. Massart, Ann. Statist. 28, 1302 (2000), lemma 1; the first term of the series.
///
/// # Example
/// ```
/// let joint = nonius_chi2::delta_chi2(1.0, 2)?;
/// assert!((joint - 2.295748928898636).abs() < 1e-12);
/// # Ok::<(), nonius_core::Error>(())
/// ```
pub fn delta_chi2(n_sigma: f64, n_parameters: usize) -> Result<f64> {
    if !(0.0..=1e6).contains(&n_sigma) {
        return Err(Error::parameter("n_sigma", "between 0 and 1e6", n_sigma));
    }
    if !(1..=1_000_000).contains(&n_parameters) {
        return Err(Error::parameter("n_parameters", "between 1 and 1000000", n_parameters));
    }
    let half_square = 0.5 * n_sigma * n_sigma;
    if n_parameters == 1 || half_square == 0.0 {
        return Ok(2.0 * half_square);
    }
    let ln_tails = ln_upper(0.5, half_square);
    let a = 0.5 * n_parameters as f64;
    Ok(2.0
        * match n_parameters {
            2 => -ln_tails,
            _ if ln_tails > -std::f64::consts::LN_2 => lower_quantile(a, ln_lower(0.5, half_square)),
            _ => upper_quantile(a, ln_tails),
        })
}

/// The x ≥ a − 1/3 at which ln Q(a, x) has the value `ln_q`, for a ≥ 1.
///
/// ln Q is concave there: Newton's steps from above never pass the root.
fn upper_quantile(a: f64, ln_q: f64) -> f64 {
    let mut x = a + (2.0 * a * -ln_q).sqrt() - ln_q;
    for _ in 0..200 {
        let ln_tail = ln_upper(a, x);
        let step = (ln_q - ln_tail) / (ln_density(a, x) - ln_tail).exp();
        x -= step;
        if step.abs() <= 1e-14 * x {
            break;
        }
    }
    x
}

/// The x at which ln P(a, x) has the value `ln_p`. ln P is concave in ln x: steps from below never pass.
fn lower_quantile(a: f64, ln_p: f64) -> f64 {
    let mut ln_x = (ln_p + ln_gamma(a + 1.0)) / a;
    for _ in 0..200 {
        let x = ln_x.exp();
        let ln_mass = ln_lower(a, x);
        let step = (ln_p - ln_mass) / (ln_density(a, x) + ln_x - ln_mass).exp();
        ln_x += step;
        if step.abs() <= 1e-14 {
            break;
        }
    }
    ln_x.exp()
}

/// ln of the density of the gamma distribution, x^(a−1) e^(−x) / Γ(a).
fn ln_density(a: f64, x: f64) -> f64 {
    (a - 1.0) * x.ln() - x - ln_gamma(a)
}

/// ln P(a, x), the lower incomplete gamma function over Γ(a), by its series.
fn ln_lower(a: f64, x: f64) -> f64 {
    let (mut term, mut sum, mut n) = (1.0, 1.0, a);
    while term > 1e-17 * sum {
        n += 1.0;
        term *= x / n;
        sum += term;
    }
    ln_density(a, x) + (x / a * sum).ln()
}

/// ln Q(a, x), the upper incomplete gamma function over Γ(a): by Legendre's continued fraction where that
/// converges quickly, else from P.
fn ln_upper(a: f64, x: f64) -> f64 {
    if x < a + 1.0 {
        return (-ln_lower(a, x).exp()).ln_1p();
    }
    // Lentz's method; every partial denominator is positive for x > a.
    let mut b = x + 1.0 - a;
    let (mut c, mut d) = (f64::INFINITY, 1.0 / b);
    let mut fraction = d;
    for i in 1..100_000 {
        let i = f64::from(i);
        let numerator = i * (a - i);
        b += 2.0;
        d = 1.0 / (numerator * d + b);
        c = b + numerator / c;
        fraction *= c * d;
        if (c * d - 1.0).abs() < 1e-16 {
            break;
        }
    }
    ln_density(a, x) + (x * fraction).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn close(n_sigma: f64, n_parameters: usize, expected: f64) {
        let found = delta_chi2(n_sigma, n_parameters).unwrap();
        let off = (found / expected - 1.0).abs();
        assert!(off < 1e-9, "{n_sigma} σ, {n_parameters}: {found}, not {expected}");
    }

    #[test]
    fn one_and_two_parameters() {
        for n in [1.0, 2.0, 3.0, 30.0] {
            close(n, 1, n * n);
        }
        close(1.0, 2, 2.295748928898636);
        close(2.0, 2, 6.180074306244174);
        close(3.0, 2, 11.82915808190081);
        assert_eq!(delta_chi2(0.0, 5), Ok(0.0));
    }

    #[test]
    fn the_general_way_agrees_with_the_closed_forms() {
        for n in [1e-3, 0.3, 0.67, 0.68, 1.0, 5.0, 12.0, 30.0, 100.0_f64] {
            let x = 0.5 * n * n;
            let ln_q = ln_upper(0.5, x);
            if n < 0.6745 {
                assert!((lower_quantile(0.5, ln_lower(0.5, x)) / x - 1.0).abs() < 1e-10, "{n}");
                assert!((lower_quantile(1.0, ln_lower(0.5, x)) / -ln_q - 1.0).abs() < 1e-10, "{n}");
            } else {
                assert!((upper_quantile(1.0, ln_q) / -ln_q - 1.0).abs() < 1e-12, "{n}");
            }
            // Four parameters: Q = (1 + x) e^(−x).
            let four = 0.5 * delta_chi2(n, 4).unwrap();
            let tail = four.ln_1p() - four;
            assert!((tail - ln_q).abs() < 1e-9 * ln_q.abs().max(1e-3), "{n}: {tail}, not {ln_q}");
        }
    }

    #[test]
    fn bad_parameters_are_named() {
        assert!(delta_chi2(-1.0, 2).is_err());
        assert!(delta_chi2(f64::NAN, 2).is_err());
        assert!(delta_chi2(1.0, 0).is_err());
        for (n, parameters) in [(1e6, 3), (1e6, 1_000_000), (1e-100, 3), (1e-200, 1000), (30.0, 1_000_000)] {
            assert!(delta_chi2(n, parameters).unwrap().is_finite(), "{n}, {parameters}");
        }
    }
}
