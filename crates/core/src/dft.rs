//! A Fourier sum on a fine grid, near one place.

use ndarray::{Array1, Array2, ArrayD, ArrayView, Axis, Dimension, IxDyn};
use num_complex::Complex;

use crate::error::{check_not_empty, check_shape};
use crate::{Error, Real, Result, frequency};

/// Evaluates the Fourier sum of `spectrum` on a grid of step `1/factor` as products of matrices.
///
/// `spectrum` has any number of axes, frequencies in the order of a transform. Along each axis
///
/// ```text
/// out[u] = Σ_k spectrum[k] · exp(−2πi · k/n · (u − offset)/factor),   u = 0 … region−1
/// ```
///
/// where `k` is the signed frequency (one-sided Nyquist for even n) and `n` the length of the axis.
/// `factor` may be fractional; the offset is subtracted. The sum is a *forward* one: for an inverse
/// transform conjugate the spectrum before and the result after. Cost: the whole transform at
/// `factor` would take factor² times the image, this takes `region · n` per row.
///
/// # Errors
/// [`Error::Parameter`] if `factor` is not a finite number above 0 or an offset is not finite,
/// [`Error::Shape`] if `region` or `offset` have another length than the spectrum has axes,
/// [`Error::Empty`] if the spectrum or the region is empty.
///
/// # Source
/// M. Guizar-Sicairos, S. T. Thurman, J. R. Fienup, "Efficient subpixel image registration
/// algorithms", Opt. Lett. 33, 156 (2008).
///
/// # Example
/// A single wave of frequency 1 over 4 samples, evaluated at half steps:
/// ```
/// use ndarray::array;
/// use num_complex::Complex;
///
/// let wave = array![0., 1., 0., 0.].mapv(|re| Complex::new(re, 0.));
/// let fine = nonius_core::upsampled_dft(wave.view(), 2.0, &[8], &[0.0])?;
/// assert!((fine[2] - Complex::new(0.0, -1.0)).norm() < 1e-12); // a quarter turn after one sample
/// # Ok::<(), nonius_core::Error>(())
/// ```
pub fn upsampled_dft<F: Real, D: Dimension>(
    spectrum: ArrayView<'_, Complex<F>, D>,
    factor: f64,
    region: &[usize],
    offset: &[f64],
) -> Result<ArrayD<Complex<F>>> {
    check_not_empty("spectrum", spectrum.shape())?;
    check_not_empty("region", region)?;
    check_shape("region", &[spectrum.ndim()], &[region.len()])?;
    check_shape("offset", &[spectrum.ndim()], &[offset.len()])?;
    if !(factor.is_finite() && factor > 0.0) {
        return Err(Error::parameter("upsample_factor", "finite and above 0", factor));
    }
    if let Some(bad) = offset.iter().find(|o| !o.is_finite()) {
        return Err(Error::parameter("offset", "finite", bad));
    }
    let mut data = spectrum.to_owned().into_dyn();
    for axis in 0..region.len() {
        let n = data.len_of(Axis(axis));
        let kernel = Array2::from_shape_fn((n, region[axis]), |(k, u)| {
            let turns = frequency(k, n) as f64 / n as f64 * (u as f64 - offset[axis]) / factor;
            let wave = Complex::cis(-std::f64::consts::TAU * turns);
            Complex::new(F::of(wave.re), F::of(wave.im))
        });
        data = contract(data, axis, &kernel);
    }
    Ok(data)
}

/// Replaces `axis` of `data` by its product with `kernel` (old length × new length).
fn contract<F: Real>(
    data: ArrayD<Complex<F>>,
    axis: usize,
    kernel: &Array2<Complex<F>>,
) -> ArrayD<Complex<F>> {
    let last = data.ndim() - 1;
    let mut swapped = data;
    swapped.swap_axes(axis, last);
    let mut shape = swapped.shape().to_vec();
    let n = shape[last];
    let rows = swapped.len() / n;
    let flat = Array2::from_shape_vec((rows, n), swapped.iter().copied().collect())
        .expect("as many elements as the array has");
    shape[last] = kernel.ncols();
    let product = flat.dot(kernel);
    let mut out = ArrayD::from_shape_vec(IxDyn(&shape), product.into_raw_vec_and_offset().0)
        .expect("rows of the new length");
    out.swap_axes(axis, last);
    out
}

/// Positions, in whole pixels and fractions, of `m` samples of spacing `1/factor` around the centre
/// of `n` pixels moved by `offset`: from `(n−1)/2 + offset − (m−1)/(2·factor)` upwards.
pub fn zoom_positions(n: usize, m: usize, factor: f64, offset: f64) -> Array1<f64> {
    let start = (n as f64 - 1.0) / 2.0 + offset - (m as f64 - 1.0) / (2.0 * factor);
    Array1::from_shape_fn(m, |i| start + i as f64 / factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    #[test]
    fn equals_the_sum_along_three_axes() {
        let shape = (3, 4, 5);
        let f =
            Array3::from_shape_fn(shape, |(z, y, x)| Complex::new((z + 2 * y) as f64, (x * y) as f64 - 1.0));
        let (factor, offset) = (2.5, [0.5, -1.0, 3.25]);
        let out = upsampled_dft(f.view(), factor, &[2, 3, 4], &offset).unwrap();
        for (at, &value) in out.indexed_iter() {
            let turns = |k: usize, n: usize, axis: usize| {
                frequency(k, n) as f64 / n as f64 * (at[axis] as f64 - offset[axis]) / factor
            };
            let sum: Complex<f64> = f
                .indexed_iter()
                .map(|((z, y, x), &v)| {
                    v * Complex::cis(
                        -std::f64::consts::TAU * (turns(z, 3, 0) + turns(y, 4, 1) + turns(x, 5, 2)),
                    )
                })
                .sum();
            assert!((sum - value).norm() < 1e-10);
        }
    }

    #[test]
    fn bad_parameters_are_named() {
        let f = Array2::<Complex<f64>>::zeros((3, 3));
        assert!(upsampled_dft(f.view(), 0.0, &[2, 2], &[0.0, 0.0]).is_err());
        assert!(upsampled_dft(f.view(), 1.0, &[2], &[0.0, 0.0]).is_err());
        assert!(upsampled_dft(f.view(), 1.0, &[2, 2], &[f64::NAN, 0.0]).is_err());
    }
}
