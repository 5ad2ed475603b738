//! Elementary operations on images that the published optical-flow alignment is made of.
//!
//! # Source
//! M. Odstrčil and others, Optics Express 27 (2019) 36637–36652, as built in mumott 2.3.

use std::f64::consts::{PI, TAU};

use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis};
use nonius_core::{FftNd, Real, Result, check_not_empty, check_not_negative};
use num_complex::Complex;

/// Frequency of element `k` of a transform of length `n`, cycles per pixel, in −½ … ½.
fn frequency(k: usize, n: usize) -> f64 {
    nonius_core::frequency(k, n) as f64 / n as f64
}

/// Multiplies the transform of every line along `axis` by `gain(frequency)` and keeps the real part.
fn along_axis<F: Real>(
    image: ArrayView2<'_, F>,
    axis: usize,
    gain: impl Fn(f64) -> Complex<f64>,
) -> Result<Array2<F>> {
    check_not_empty("image", image.shape())?;
    let n = image.len_of(Axis(axis));
    let plan = FftNd::new(&[n])?;
    let gains: Vec<Complex<F>> = (0..n)
        .map(|k| {
            // Transforms there and back multiply by n.
            let g = gain(frequency(k, n)) / n as f64;
            Complex::new(F::of(g.re), F::of(g.im))
        })
        .collect();
    let mut out = image.to_owned();
    let mut line = ndarray::Array1::zeros(n);
    for lane in out.lanes_mut(Axis(axis)) {
        filter_line(&plan, &gains, lane, &mut line)?;
    }
    Ok(out)
}

fn filter_line<F: Real>(
    plan: &FftNd<F>,
    gains: &[Complex<F>],
    mut lane: ArrayViewMut1<'_, F>,
    line: &mut ndarray::Array1<Complex<F>>,
) -> Result<()> {
    line.zip_mut_with(&lane, |z, v| *z = Complex::new(*v, F::zero()));
    plan.forward(line.view_mut())?;
    line.iter_mut().zip(gains).for_each(|(z, gain)| *z *= *gain);
    plan.inverse(line.view_mut())?;
    lane.zip_mut_with(line, |v, z| *v = z.re);
    Ok(())
}

/// The derivative px⁻¹ along `axis` (0: j, 1: k) of a periodic image, by `2πi f` in its transform; the highest
/// frequency of an even length, whose derivative is not real, is left out.
///
/// # Errors
/// [`Error::Empty`](nonius_core::Error::Empty).
pub fn spectral_gradient<F: Real>(image: ArrayView2<'_, F>, axis: usize) -> Result<Array2<F>> {
    along_axis(image, axis, |f| if f.abs() == 0.5 { Complex::default() } else { Complex::new(0.0, TAU * f) })
}

/// Takes low frequencies along `axis` away: multiplies the transform by `exp(−σ²/f²)`, 0 at f = 0. σ = 0
/// returns a copy.
///
/// # Errors
/// [`Error::Empty`](nonius_core::Error::Empty); [`Error::Parameter`](nonius_core::Error::Parameter) for a σ that
/// is negative or not finite.
pub fn high_pass_along<F: Real>(image: ArrayView2<'_, F>, axis: usize, sigma: f64) -> Result<Array2<F>> {
    check_not_negative("sigma", sigma)?;
    if sigma == 0.0 {
        return Ok(image.to_owned());
    }
    along_axis(image, axis, |f| Complex::from(high_pass_gain(f, sigma)))
}

fn high_pass_gain(f: f64, sigma: f64) -> f64 {
    if f == 0.0 { 0.0 } else { (-(sigma / f).powi(2)).exp() }
}

/// [`high_pass_along`] both axes, its plans kept.
pub(super) struct HighPass<F: Real> {
    along: [(FftNd<F>, Vec<Complex<F>>); 2],
}

impl<F: Real> HighPass<F> {
    pub(super) fn new(shape: [usize; 2], sigma: f64) -> Result<Self> {
        let along = |n: usize| -> Result<_> {
            let gain = |k| Complex::new(F::of(high_pass_gain(frequency(k, n), sigma) / n as f64), F::zero());
            Ok((FftNd::new(&[n])?, (0..n).map(gain).collect()))
        };
        Ok(HighPass { along: [along(shape[0])?, along(shape[1])?] })
    }

    pub(super) fn apply(&self, mut image: ArrayViewMut2<'_, F>) {
        for (axis, (plan, gains)) in self.along.iter().enumerate() {
            let mut line = ndarray::Array1::zeros(gains.len());
            for lane in image.lanes_mut(Axis(axis)) {
                filter_line(plan, gains, lane, &mut line).expect("lines of the plan's length");
            }
        }
    }
}

/// Tukey's window with the ends at 0, `½(1 + cos(π(2x/α − 1)))` for x = i/(n − 1) below α/2, as an outer product
/// over both axes.
pub fn tukey_window<F: Real>(shape: [usize; 2], alpha: f64) -> Array2<F> {
    let line = |n: usize, i: usize| {
        let x = if n > 1 { i.min(n - 1 - i) as f64 / (n - 1) as f64 } else { 0.5 };
        if n > 1 && x < 0.5 * alpha { 0.5 * (1.0 + (PI * (2.0 * x / alpha - 1.0)).cos()) } else { 1.0 }
    };
    Array2::from_shape_fn(shape, |(a, b)| F::of(line(shape[0], a) * line(shape[1], b)))
}

/// Smooths the seam of an image that is taken as periodic: of the seven lines around the border of each axis,
/// every one becomes the mean of itself and its neighbours among them.
///
/// # Errors
/// [`Error::Empty`](nonius_core::Error::Empty).
pub fn smooth_edges<F: Real>(image: ArrayView2<'_, F>) -> Result<Array2<F>> {
    check_not_empty("image", image.shape())?;
    let mut out = image.to_owned();
    for axis in 0..2 {
        let n = out.len_of(Axis(axis));
        let half = n / 2;
        let middle = n.div_ceil(2) as isize - 1;
        // Indices of the lines in the image rolled by half, clipped to it; and where they are in the image itself.
        let rolled: Vec<usize> =
            (middle - 3..=middle + 3).filter(|i| (0..n as isize).contains(i)).map(|i| i as usize).collect();
        let place = |i: usize| (i + n - half) % n;
        let before = out.clone();
        for (i, &line) in rolled.iter().enumerate() {
            let neighbours = &rolled[i.saturating_sub(1)..(i + 2).min(rolled.len())];
            let mut target = out.index_axis_mut(Axis(axis), place(line));
            target.fill(F::zero());
            for &neighbour in neighbours {
                let from: ArrayView1<'_, F> = before.index_axis(Axis(axis), place(neighbour));
                target.scaled_add(F::of(1.0 / neighbours.len() as f64), &from);
            }
        }
    }
    Ok(out)
}
