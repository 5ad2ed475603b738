//! A magnified part of a periodic array.

use std::f64::consts::{PI, TAU};

use ndarray::{Array, Array1, Array2, ArrayView, ArrayView2, Dimension, Ix2, s};
use num_complex::Complex;

use crate::error::{check_finite, check_not_empty, check_shape};
use crate::{Error, FftNd, Real, RealFft2, Result, frequency, upsampled_dft, zoom_positions};

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
    if array.ndim() == 2 {
        check_grid(factor, offset)?;
        let positions = std::array::from_fn(|axis| {
            zoom_positions(array.shape()[axis], shape[axis], factor, offset[axis])
        });
        let image = array.into_dimensionality::<Ix2>().expect("an array of two axes");
        let zoomed = image_at(image, &positions)?;
        return Ok(zoomed.into_dimensionality().expect("as many axes as the array has"));
    }
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

/// An image's Fourier series at all pairs of positions along y and x, as products of real matrices: half of
/// the frequencies tell all.
fn image_at<F: Real>(image: ArrayView2<'_, F>, positions: &[Array1<f64>; 2]) -> Result<Array2<F>> {
    let (h, w) = image.dim();
    let fft = RealFft2::new((h, w))?;
    let mut spectrum = fft.spectrum();
    fft.forward(image, &mut spectrum, &mut fft.scratch())?;
    // A Nyquist frequency beside its own mirror image is a cosine.
    let turn = |k: usize, n: usize, at: f64| {
        let (sin, cos) = (TAU * frequency(k, n) as f64 / n as f64 * at).sin_cos();
        (if 2 * k == n { 0.0 } else { sin }, cos)
    };
    let [y, x] = positions;
    let m = y.len();
    // Real parts of Σ_ky X exp(iω y) in the first m columns, imaginary ones in the others.
    let mut along_y = Array2::zeros((2 * h, 2 * m));
    for k in 0..h {
        for (u, &at) in y.iter().enumerate() {
            let (sin, cos) = turn(k, h, at);
            (along_y[[2 * k, u]], along_y[[2 * k, m + u]]) = (F::of(cos), F::of(sin));
            (along_y[[2 * k + 1, u]], along_y[[2 * k + 1, m + u]]) = (F::of(-sin), F::of(cos));
        }
    }
    let rows: &[F] = bytemuck::cast_slice(&spectrum);
    let rows = ArrayView2::from_shape((fft.n_kx(), 2 * h), rows).expect("a spectrum in whole columns");
    let sums = rows.dot(&along_y);
    let mut along_x = [Array2::zeros((fft.n_kx(), x.len())), Array2::zeros((fft.n_kx(), x.len()))];
    for kx in 0..fft.n_kx() {
        let unit = fft.multiplicity(kx) / (h * w) as f64;
        for (v, &at) in x.iter().enumerate() {
            let (sin, cos) = turn(kx, w, at);
            (along_x[0][[kx, v]], along_x[1][[kx, v]]) = (F::of(unit * cos), F::of(-unit * sin));
        }
    }
    let (re, im) = (sums.slice(s![.., ..m]), sums.slice(s![.., m..]));
    let mut out = re.t().dot(&along_x[0]) + im.t().dot(&along_x[1]);
    if h.is_multiple_of(2) && w.is_multiple_of(2) {
        // One-sided along both axes, the corner is cos(πy + πx).
        let corner = spectrum[w / 2 * h + h / 2].re.f64() / (h * w) as f64;
        let sine = |at: f64| (PI * at).sin();
        for ((u, v), out) in out.indexed_iter_mut() {
            *out -= F::of(corner * sine(y[u]) * sine(x[v]));
        }
    }
    Ok(out)
}

fn check_grid(factor: f64, offset: &[f64]) -> Result<()> {
    if !(factor.is_finite() && factor > 0.0) {
        return Err(Error::parameter("upsample_factor", "finite and above 0", factor));
    }
    match offset.iter().find(|o| !o.is_finite()) {
        Some(bad) => Err(Error::parameter("offset", "finite", bad)),
        None => Ok(()),
    }
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
    fn images_are_as_any_array() {
        for (h, w) in [(8, 6), (7, 6), (8, 5), (1, 4), (9, 1)] {
            let f = Array2::from_shape_fn((h, w), |(y, x)| ((y * 7 + x * x * 3 + y * x) % 11) as f64);
            let volume = f.clone().insert_axis(ndarray::Axis(0));
            let image = zoom(f.view(), 3.3, &[5, 4], &[0.3, -1.2]).unwrap();
            let slice = zoom(volume.view(), 3.3, &[1, 5, 4], &[0.0, 0.3, -1.2]).unwrap();
            assert!(image.iter().zip(&slice).all(|(a, b)| (a - b).abs() < 1e-12), "{h}×{w}");
        }
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
