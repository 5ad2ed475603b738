//! A magnified part of a periodic array.

use ndarray::{Array, ArrayView, Dimension};
use num_complex::Complex;

use crate::error::{check_finite, check_not_empty, check_shape};
use crate::{FftNd, Real, Result, upsampled_dft, zoom_positions};

/// Samples a periodic array by its Fourier series on a grid of step `1/factor` about its middle.
///
/// The result has shape `shape`; along each axis its samples lie at [`zoom_positions`]: the middle one at
/// `(n − 1)/2 + offset` px. `factor` may be fractional. Nyquist terms of even axes are one-sided and the
/// real part is taken, as in [`fourier_shift`](crate::fourier_shift). Any number of axes.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if `shape` or `offset` have another length than the array has axes,
/// [`Error::Parameter`](crate::Error::Parameter) for a factor that is not a finite number above 0 or an
/// offset that is not finite, [`Error::Empty`](crate::Error::Empty),
/// [`Error::NotFinite`](crate::Error::NotFinite).
///
/// # Source
/// image_registration, `zoomnd`, which stops at two axes.
///
/// # Example
/// One wave over six samples, magnified twice about its middle, 2.5 px:
/// ```
/// use ndarray::Array1;
///
/// let wave = |x: f64| (std::f64::consts::TAU * x / 6.0).cos();
/// let zoomed = nonius_core::zoom(Array1::from_shape_fn(6, |x| wave(x as f64)).view(), 2.0, &[3], &[0.0])?;
/// for (value, x) in zoomed.iter().zip([2.0, 2.5, 3.0]) {
///     assert!((value - wave(x)).abs() < 1e-12);
/// }
/// # Ok::<(), nonius_core::Error>(())
/// ```
pub fn zoom<F: Real, D: Dimension>(
    array: ArrayView<'_, F, D>,
    factor: f64,
    shape: &[usize],
    offset: &[f64],
) -> Result<Array<F, D>> {
    check_not_empty("array", array.shape())?;
    check_not_empty("shape", shape)?;
    check_finite("array", array.view())?;
    check_shape("shape", &[array.ndim()], &[shape.len()])?;
    check_shape("offset", &[array.ndim()], &[offset.len()])?;
    let mut spectrum = array.mapv(|v| Complex::new(v, F::zero()));
    FftNd::new(array.shape())?.forward(spectrum.view_mut())?;
    spectrum.mapv_inplace(|z| z.conj());
    // The first sample lies at `first`, sample u at first + u/factor = (u − origin)/factor.
    let origin: Vec<f64> = (0..shape.len())
        .map(|axis| -factor * zoom_positions(array.shape()[axis], shape[axis], factor, offset[axis])[0])
        .collect();
    let scale = F::of(1.0 / array.len() as f64);
    let zoomed = upsampled_dft(spectrum.view(), factor, shape, &origin)?.mapv(|z| z.re * scale);
    Ok(zoomed.into_dimensionality().expect("as many axes as the array has"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fourier_shift;
    use ndarray::{Array2, Array3};

    #[test]
    fn at_factor_one_it_is_a_shift_in_any_number_of_axes() {
        let f = Array3::from_shape_fn((3, 4, 5), |(z, y, x)| ((z * 7 + y * y * 3 + x * x) % 11) as f64);
        let offset = [0.25, -1.5, 0.75];
        let zoomed = zoom(f.view(), 1.0, &[3, 4, 5], &offset).unwrap();
        let shifted = fourier_shift(f.view(), &offset.map(|d| -d)).unwrap();
        assert!(zoomed.iter().zip(&shifted).all(|(a, b)| (a - b).abs() < 1e-12));
    }

    #[test]
    fn bad_input_is_an_error() {
        let f = Array2::<f64>::ones((4, 4));
        assert!(zoom(f.view(), 2.0, &[3], &[0.0, 0.0]).is_err());
        assert!(zoom(f.view(), 2.0, &[3, 0], &[0.0, 0.0]).is_err());
        assert!(zoom(f.view(), 0.0, &[3, 3], &[0.0, 0.0]).is_err());
        assert!(zoom(f.view(), 2.0, &[3, 3], &[0.0, f64::NAN]).is_err());
        assert!(zoom((f * f64::NAN).view(), 2.0, &[3, 3], &[0.0, 0.0]).is_err());
    }
}
