//! Gaussian filters.

use multiversion::multiversion;
use ndarray::{Array2, ArrayView2, Zip};
use serde::{Deserialize, Serialize};

use crate::error::{check_finite, check_not_empty};
use crate::{Error, Real, Result};

/// What lies beyond the border of an image that is filtered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Border {
    /// The image mirrored about its edge, `… b a | a b …`. The default.
    #[default]
    Mirror,
    /// The image again.
    Wrap,
    /// The nearest pixel.
    Nearest,
}

impl Border {
    /// Index within `0..n` of the pixel that stands at `i`; 0 if there is no pixel.
    pub fn index(self, i: isize, n: usize) -> usize {
        let m = n.max(1) as isize;
        let inside = match self {
            Border::Wrap => i.rem_euclid(m),
            Border::Nearest => i.clamp(0, m - 1),
            Border::Mirror => {
                let j = i.rem_euclid(2 * m);
                if j < m { j } else { 2 * m - 1 - j }
            }
        };
        inside as usize
    }
}

/// Smooths an image with a Gaussian of standard deviation `sigma` px, cut at 4 σ.
///
/// A constant image stays as it is. σ = 0 returns a copy.
///
/// # Errors
/// [`Error::Parameter`] if σ is negative, not finite or above 10⁴ px; [`Error::Empty`];
/// [`Error::NotFinite`].
pub fn gaussian_filter<F: Real>(image: ArrayView2<'_, F>, sigma: f64, border: Border) -> Result<Array2<F>> {
    check_not_empty("image", image.shape())?;
    check_finite("image", image)?;
    let kernel = gaussian_kernel(sigma)?;
    let reach = (kernel.len() / 2) as isize;
    let image = image.as_standard_layout();
    let (h, w) = image.dim();
    let mut out = Array2::zeros((h, w));
    let mut blurred = vec![F::zero(); w];
    let mut extended = vec![F::zero(); w + kernel.len() - 1];
    let sources: Vec<usize> = (-reach..w as isize + reach).map(|x| border.index(x, w)).collect();
    for (y, mut out) in out.rows_mut().into_iter().enumerate() {
        blurred.fill(F::zero());
        for (j, &weight) in kernel.iter().enumerate() {
            let from = border.index(y as isize + j as isize - reach, h);
            add_scaled(&mut blurred, image.row(from).as_slice().expect("an image in C order"), F::of(weight));
        }
        extended.iter_mut().zip(&sources).for_each(|(v, &from)| *v = blurred[from]);
        let out = out.as_slice_mut().expect("an array in C order");
        for (j, &weight) in kernel.iter().enumerate() {
            add_scaled(out, &extended[j..j + w], F::of(weight));
        }
    }
    Ok(out)
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn add_scaled<F: Real>(out: &mut [F], values: &[F], weight: F) {
    for (o, &v) in out.iter_mut().zip(values) {
        *o += weight * v;
    }
}

/// What [`gaussian_filter`] takes away: the image less its smoothed self.
///
/// # Errors
/// As [`gaussian_filter`].
///
/// ```
/// use ndarray::Array2;
/// use nonius_core::{Border, high_pass};
/// let flat = Array2::from_elem((5, 7), 3.0_f64);
/// assert!(high_pass(flat.view(), 1.5, Border::Mirror)?.iter().all(|v| v.abs() < 1e-12));
/// # Ok::<(), nonius_core::Error>(())
/// ```
pub fn high_pass<F: Real>(image: ArrayView2<'_, F>, sigma: f64, border: Border) -> Result<Array2<F>> {
    let smooth = gaussian_filter(image, sigma, border)?;
    Ok(&image - &smooth)
}

/// The image with smooth values, from neighbours within 8 px, where it has none, so that interpolation
/// beside a gap rings little; 0 deep inside a large gap.
///
/// # Errors
/// [`Error::Shape`] for a mask of another shape, [`Error::Empty`]; [`Error::NotFinite`], a missing pixel
/// included: set those to some number.
pub fn fill_missing<F: Real>(image: ArrayView2<'_, F>, valid: ArrayView2<'_, bool>) -> Result<Array2<F>> {
    crate::check_shape("mask", image.shape(), valid.shape())?;
    check_finite("image", image)?;
    let mut out = image.to_owned();
    if valid.iter().all(|&ok| ok) {
        return Ok(out);
    }
    let weights = valid.mapv(|ok| if ok { F::one() } else { F::zero() });
    out *= &weights;
    let smooth = gaussian_filter(out.view(), 2.0, Border::Mirror)?;
    let norm = gaussian_filter(weights.view(), 2.0, Border::Mirror)?;
    Zip::from(&mut out).and(valid).and(&smooth).and(&norm).for_each(|o, &ok, &s, &n| {
        if !ok && n > F::of(1e-3) {
            *o = s / n;
        }
    });
    Ok(out)
}

/// Samples of a Gaussian at whole pixels up to 4 σ on either side, with sum 1.
///
/// # Errors
/// [`Error::Parameter`] if σ is negative, not finite or above 10⁴ px.
pub fn gaussian_kernel(sigma: f64) -> Result<Vec<f64>> {
    if !(0.0..=1e4).contains(&sigma) {
        return Err(Error::parameter("sigma", "between 0 and 10000 px", sigma));
    }
    let reach = (4.0 * sigma).ceil() as isize;
    let mut kernel: Vec<f64> = (-reach..=reach)
        .map(|i| if sigma > 0.0 { (-0.5 * (i as f64 / sigma).powi(2)).exp() } else { 1.0 })
        .collect();
    let sum: f64 = kernel.iter().sum();
    kernel.iter_mut().for_each(|k| *k /= sum);
    Ok(kernel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_impulse_becomes_a_gaussian_and_keeps_its_sum() {
        let mut image = Array2::<f64>::zeros((21, 25));
        image[[10, 12]] = 2.0;
        let out = gaussian_filter(image.view(), 1.7, Border::Wrap).unwrap();
        assert!((out.sum() - 2.0).abs() < 1e-12);
        let ratio = out[[10, 13]] / out[[10, 12]];
        assert!((ratio - (-0.5_f64 / (1.7 * 1.7)).exp()).abs() < 1e-12);
    }

    #[test]
    fn borders() {
        let at = |b: Border| (-3..7).map(|i| b.index(i, 4)).collect::<Vec<_>>();
        assert_eq!(at(Border::Mirror), [2, 1, 0, 0, 1, 2, 3, 3, 2, 1]);
        assert_eq!(at(Border::Wrap), [1, 2, 3, 0, 1, 2, 3, 0, 1, 2]);
        assert_eq!(at(Border::Nearest), [0, 0, 0, 0, 1, 2, 3, 3, 3, 3]);
    }

    #[test]
    fn bad_sigma_is_named() {
        let image = Array2::<f64>::zeros((3, 3));
        for sigma in [-1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert!(gaussian_filter(image.view(), sigma, Border::Mirror).is_err());
        }
    }
}
