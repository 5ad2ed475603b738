//! The plain versions that the benches set beside ours: complex transforms of every row and every column,
//! and registration as the papers write it down.

use std::sync::Arc;

use ndarray::{Array2, ArrayView2};
use nonius::core::Real;
use num_complex::Complex;
use rustfft::{Fft, FftDirection, FftPlanner};

/// A complex transform of square images: rows, transposition, rows, transposition.
pub(crate) struct PlainFft<F: Real> {
    forward: Arc<dyn Fft<F>>,
    inverse: Arc<dyn Fft<F>>,
}

impl<F: Real> PlainFft<F> {
    pub(crate) fn new(n: usize) -> Self {
        let mut planner = FftPlanner::new();
        PlainFft {
            forward: planner.plan_fft(n, FftDirection::Forward),
            inverse: planner.plan_fft(n, FftDirection::Inverse),
        }
    }

    pub(crate) fn forward(&self, image: &Array2<F>) -> Array2<Complex<F>> {
        transform(&*self.forward, image.mapv(|v| Complex::new(v, F::zero())))
    }

    pub(crate) fn inverse(&self, spectrum: Array2<Complex<F>>) -> Array2<F> {
        transform(&*self.inverse, spectrum).mapv(|z| z.re)
    }
}

fn transform<F: Real>(fft: &dyn Fft<F>, mut data: Array2<Complex<F>>) -> Array2<Complex<F>> {
    for _ in 0..2 {
        fft.process(data.as_slice_mut().expect("C order"));
        data = data.t().as_standard_layout().into_owned();
    }
    data
}

/// Whole-pixel maximum of the cyclic cross-correlation, then the best point of a grid of 1/100 px within
/// 0.75 px of it, by the upsampled transform as two matrix products.
pub(crate) fn register<F: Real>(fft: &PlainFft<F>, reference: &Array2<F>, moving: &Array2<F>) -> [f64; 2] {
    const FACTOR: f64 = 100.0;
    const REGION: usize = 150;
    let cross = fft.forward(moving) * fft.forward(reference).mapv(|z| z.conj());
    let n = cross.nrows();
    let peak = highest(fft.inverse(cross.clone()).view());
    let waves = peak.map(|p| {
        Array2::from_shape_fn((REGION, n), |(u, k)| {
            let place = p as f64 + (u as f64 - 0.5 * REGION as f64) / FACTOR;
            let wave = Complex::cis(std::f64::consts::TAU * signed(k, n) * place / n as f64);
            Complex::new(F::of(wave.re), F::of(wave.im))
        })
    });
    let fine = waves[0].dot(&cross).dot(&waves[1].t()).mapv(|z| z.re);
    let best = highest(fine.view());
    std::array::from_fn(|axis| signed(peak[axis], n) + (best[axis] as f64 - 0.5 * REGION as f64) / FACTOR)
}

/// Masked normalised correlation at whole pixels (D. Padfield, IEEE Trans. Image Process. 21, 2706 (2012)):
/// six sums over the overlap for every displacement, by transforms of frames that are padded to twice
/// their size. One mask, 1 and 0, for both images, which are 0 under it.
pub(crate) fn register_masked<F: Real>(
    fft: &PlainFft<F>,
    reference: &Array2<F>,
    moving: &Array2<F>,
    mask: &Array2<F>,
) -> [f64; 2] {
    let n = 2 * mask.nrows();
    let spectrum = |image: &Array2<F>| {
        let mut padded = Array2::zeros((n, n));
        padded.slice_mut(ndarray::s![..n / 2, ..n / 2]).assign(image);
        fft.forward(&padded)
    };
    let [m, f, g, ff, gg] =
        [mask, reference, moving, &(reference * reference), &(moving * moving)].map(spectrum);
    let scale = F::of(1.0 / (n * n) as f64);
    let sum = |moving: &Array2<Complex<F>>, fixed: &Array2<Complex<F>>| {
        fft.inverse(moving * &fixed.mapv(|z| z.conj())).mapv_into(|v| v * scale)
    };
    let (count, fg) = (sum(&m, &m), sum(&g, &f));
    let (sum_f, sum_ff, sum_g, sum_gg) = (sum(&m, &f), sum(&m, &ff), sum(&g, &m), sum(&gg, &m));
    let least = F::of(0.3) * count[[0, 0]];
    let score = Array2::from_shape_fn((n, n), |at| {
        let pixels = count[at];
        if pixels < least {
            return F::zero();
        }
        let covariance = fg[at] - sum_f[at] * sum_g[at] / pixels;
        let f = sum_ff[at] - sum_f[at] * sum_f[at] / pixels;
        let g = sum_gg[at] - sum_g[at] * sum_g[at] / pixels;
        if f > F::zero() && g > F::zero() { covariance / (f * g).sqrt() } else { F::zero() }
    });
    highest(score.view()).map(|p| signed(p, n))
}

fn highest<F: Real>(map: ArrayView2<'_, F>) -> [usize; 2] {
    let first = ([0, 0], F::neg_infinity());
    map.indexed_iter().fold(first, |best, ((y, x), &v)| if v > best.1 { ([y, x], v) } else { best }).0
}

fn signed(k: usize, n: usize) -> f64 {
    if 2 * k < n { k as f64 } else { k as f64 - n as f64 }
}
