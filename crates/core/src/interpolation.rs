//! Shifts by fractions of a pixel, exact for periodic band-limited arrays.

use ndarray::{Array, ArrayView, Axis, Dimension};
use num_complex::Complex;

use crate::error::{check_finite, check_not_empty, check_shape};
use crate::{Error, FftNd, Real, Result, frequency};

/// Moves the content of a periodic array by `shift` px along each axis: `out[r] = array[r − shift]`.
///
/// The Fourier coefficients are multiplied by `exp(−2πi Σ k_j shift_j / n_j)`. The Nyquist term of an
/// even axis is one-sided and the real part is taken, so a fractional shift attenuates it: a round trip
/// by half a pixel loses the Nyquist content of even axes and is exact on odd ones.
///
/// # Errors
/// [`Error::Shape`] if `shift` has another length than the array has axes, [`Error::NotFinite`] for NaN
/// or infinity in the array (fill or mask missing data first), [`Error::Parameter`] for a shift that is
/// not finite, [`Error::Empty`].
///
/// # Example
/// ```
/// use ndarray::array;
/// let moved = nonius_core::fourier_shift(array![1.0, 2.0, 4.0].view(), &[1.0])?;
/// assert!(moved.iter().zip([4.0, 1.0, 2.0]).all(|(a, b): (&f64, f64)| (a - b).abs() < 1e-12));
/// # Ok::<(), nonius_core::Error>(())
/// ```
pub fn fourier_shift<F: Real, D: Dimension + ndarray::RemoveAxis>(
    array: ArrayView<'_, F, D>,
    shift: &[f64],
) -> Result<Array<F, D>> {
    check_finite("array", array.view())?;
    let complex = array.mapv(|v| Complex::new(v, F::zero()));
    Ok(fourier_shift_complex(complex.view(), shift, 0.0)?.mapv(|z| z.re))
}

/// [`fourier_shift`] of a complex array, multiplied by `exp(−i·phase)`; `phase` in radians.
///
/// # Errors
/// As [`fourier_shift`], but values that are not finite are not looked for.
pub fn fourier_shift_complex<F: Real, D: Dimension + ndarray::RemoveAxis>(
    array: ArrayView<'_, Complex<F>, D>,
    shift: &[f64],
    phase: f64,
) -> Result<Array<Complex<F>, D>> {
    check_not_empty("array", array.shape())?;
    check_shape("shift", &[array.ndim()], &[shift.len()])?;
    if let Some(bad) = shift.iter().chain([&phase]).find(|s| !s.is_finite()) {
        return Err(Error::parameter("shift", "finite", bad));
    }
    let plan = FftNd::new(array.shape())?;
    let mut spectrum = array.to_owned();
    plan.forward(spectrum.view_mut())?;
    let overall = Complex::cis(-phase) / array.len() as f64;
    spectrum.mapv_inplace(|z| z * Complex::new(F::of(overall.re), F::of(overall.im)));
    for (axis, &d) in shift.iter().enumerate() {
        let n = spectrum.len_of(Axis(axis));
        for (k, mut lane) in spectrum.axis_iter_mut(Axis(axis)).enumerate() {
            let ramp = Complex::cis(-std::f64::consts::TAU * frequency(k, n) as f64 * d / n as f64);
            let ramp = Complex::new(F::of(ramp.re), F::of(ramp.im));
            lane.mapv_inplace(|z| z * ramp);
        }
    }
    plan.inverse(spectrum.view_mut())?;
    Ok(spectrum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array1, Array2};

    #[test]
    fn whole_pixels_roll() {
        let f = Array2::from_shape_fn((6, 5), |(y, x)| (y * y + 3 * x) as f64);
        let moved = fourier_shift(f.view(), &[2.0, -1.0]).unwrap();
        for ((y, x), v) in moved.indexed_iter() {
            assert!((v - f[[(y + 4) % 6, (x + 1) % 5]]).abs() < 1e-12);
        }
    }

    #[test]
    fn nan_and_wrong_lengths_are_errors() {
        let mut f = Array1::<f64>::zeros(8);
        assert!(fourier_shift(f.view(), &[1.0, 2.0]).is_err());
        assert!(fourier_shift(f.view(), &[f64::NAN]).is_err());
        f[3] = f64::NAN;
        assert_eq!(
            fourier_shift(f.view(), &[1.0]).unwrap_err(),
            Error::NotFinite { what: "array", index: vec![3] }
        );
    }
}
