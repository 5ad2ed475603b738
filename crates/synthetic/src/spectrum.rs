//! Real images shaped in the Fourier domain.

use ndarray::Array2;
use nonius_core::{RealFft2, frequency};
use num_complex::Complex;
use rand::Rng;
use rand_distr::StandardNormal;

use crate::{Result, check};

/// White Gaussian noise of unit variance, drawn row by row.
pub(crate) fn white_noise(shape: [usize; 2], rng: &mut impl Rng) -> Array2<f64> {
    Array2::from_shape_simple_fn(shape, || rng.sample(StandardNormal))
}

/// Multiplies each term of a spectrum (in the layout of [`RealFft2`]) by `response(f_y, f_x)`,
/// frequencies in cycles per px.
pub(crate) fn multiply(
    plan: &RealFft2<f64>,
    spectrum: &mut [Complex<f64>],
    response: impl Fn(f64, f64) -> f64,
) {
    let (h, w) = plan.shape();
    for (kx, column) in spectrum.chunks_exact_mut(h).enumerate() {
        let fx = kx as f64 / w as f64;
        for (ky, value) in column.iter_mut().enumerate() {
            *value *= response(frequency(ky, h) as f64 / h as f64, fx);
        }
    }
}

/// What blurring by a Gaussian of `sigma` px leaves of a frequency: exp(−2π² σ² |f|²).
pub(crate) fn gaussian_response(sigma: f64, fy: f64, fx: f64) -> f64 {
    (-2.0 * std::f64::consts::PI.powi(2) * sigma * sigma * (fy * fy + fx * fx)).exp()
}

/// White noise of unit variance times `response`, in real space.
pub(crate) fn coloured_noise(
    shape: [usize; 2],
    rng: &mut impl Rng,
    response: impl Fn(f64, f64) -> f64,
) -> Result<Array2<f64>> {
    let plan = RealFft2::new((shape[0], shape[1]))?;
    let mut scratch = plan.scratch();
    let mut spectrum = plan.spectrum();
    let mut image = white_noise(shape, rng);
    plan.forward(image.view(), &mut spectrum, &mut scratch)?;
    let pixels = image.len() as f64;
    multiply(&plan, &mut spectrum, |fy, fx| response(fy, fx) / pixels);
    plan.inverse(&mut spectrum, image.view_mut(), &mut scratch)?;
    Ok(image)
}

/// Checks the sides of an image before it is allocated.
pub(crate) fn check_size(name: &'static str, shape: [usize; 2]) -> Result<()> {
    nonius_core::check_not_empty(name, &shape)?;
    let pixels = shape[0].checked_mul(shape[1]);
    check(
        pixels.is_some_and(|n| n <= MAX_PIXELS),
        name,
        "at most 2^28 pixels, margins included",
        format!("{shape:?}"),
    )
}

const MAX_PIXELS: usize = 1 << 28;
