//! What the merger of two clusters costs.

use multiversion::multiversion;

/// Pairs whose costs are summed side by side: sums of one pair wait for one another, those of several do not.
pub(crate) const PAIRS: usize = 4;

/// Features whose squares are made at once.
const BLOCK: usize = 64;

/// How costs are summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    /// In ascending order of features, by division: the order of scikit-learn.
    Exact,
    /// In eight sums, with reciprocals.
    Fast,
}

/// A cluster: the sum of its rows, and its number of samples.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cluster<'a> {
    pub(crate) sum: &'a [f64],
    pub(crate) n: f64,
}

/// `c(a, b)` for each b. `mean` is the sum of a divided by its number of samples `n`.
pub(crate) fn costs(arithmetic: Arithmetic, mean: &[f64], n: f64, b: [Cluster<'_>; PAIRS]) -> [f64; PAIRS] {
    let squares = match arithmetic {
        Arithmetic::Exact => squares_in_order(mean, b),
        Arithmetic::Fast => squares_in_lanes(mean, b),
    };
    std::array::from_fn(|p| squares[p] * ((n * b[p].n) / (n + b[p].n)))
}

/// `Σ_f (mean_f − S_f/m)²`, each sum in ascending f.
#[multiversion(targets("x86_64+avx2", "aarch64+neon"))]
fn squares_in_order(mean: &[f64], b: [Cluster<'_>; PAIRS]) -> [f64; PAIRS] {
    let mut sums = [0.0; PAIRS];
    let mut terms = [[0.0; BLOCK]; PAIRS];
    for (at, mean) in (0..).step_by(BLOCK).zip(mean.chunks(BLOCK)) {
        for (terms, b) in terms.iter_mut().zip(b) {
            let of_b = terms.iter_mut().zip(mean).zip(&b.sum[at..]);
            // Division by 1 changes nothing but takes its time.
            if b.n == 1.0 {
                of_b.for_each(|((t, a), s)| *t = (a - s) * (a - s));
            } else {
                of_b.for_each(|((t, a), s)| *t = (a - s / b.n) * (a - s / b.n));
            }
        }
        for f in 0..mean.len() {
            for p in 0..PAIRS {
                sums[p] += terms[p][f];
            }
        }
    }
    sums
}

/// The same in eight sums for each.
#[multiversion(targets("x86_64+avx2", "aarch64+neon"))]
fn squares_in_lanes(mean: &[f64], b: [Cluster<'_>; PAIRS]) -> [f64; PAIRS] {
    b.map(|b| {
        let reciprocal = 1.0 / b.n;
        let (mean, mean_rest) = mean.as_chunks::<8>();
        let (sum, sum_rest) = b.sum.as_chunks::<8>();
        let mut sums = [0.0; 8];
        for (a, s) in mean.iter().zip(sum) {
            for i in 0..8 {
                let d = a[i] - s[i] * reciprocal;
                sums[i] += d * d;
            }
        }
        let rest = mean_rest.iter().zip(sum_rest).map(|(a, s)| (a - s * reciprocal).powi(2));
        sums.iter().sum::<f64>() + rest.sum::<f64>()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_plain_sum_bit_for_bit_at_every_length() {
        for n in [1, 2, 63, 64, 65, 302] {
            let row =
                |seed: usize| (0..n).map(|f| ((f * 7 + seed * 13) % 31) as f64 / 7.3).collect::<Vec<f64>>();
            let rows: [Vec<f64>; PAIRS] = std::array::from_fn(|p| row(p + 1));
            let counts = [1.0, 3.0, 7.0, 1.0];
            let b = std::array::from_fn(|p| Cluster { sum: &rows[p], n: counts[p] });
            let (a, m): (Vec<f64>, f64) = (row(0), 5.0);
            let mean: Vec<f64> = a.iter().map(|s| s / m).collect();
            let exact = costs(Arithmetic::Exact, &mean, m, b);
            let fast = costs(Arithmetic::Fast, &mean, m, b);
            for p in 0..PAIRS {
                let mut sum = 0.0;
                for f in 0..n {
                    let d = a[f] / m - rows[p][f] / counts[p];
                    sum += d * d;
                }
                let expected = sum * ((m * counts[p]) / (m + counts[p]));
                assert_eq!(exact[p].to_bits(), expected.to_bits(), "{n} features, pair {p}");
                // Rounding of n terms in another order.
                assert!((fast[p] - expected).abs() <= 1e-13 * expected);
            }
        }
    }
}
