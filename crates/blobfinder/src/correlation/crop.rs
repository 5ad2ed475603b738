//! Windows around positions, correlated two at a time.

use std::sync::Arc;

use ndarray::Array2;
use nonius_core::{Real, sum};
use num_complex::Complex;
use rustfft::{Fft, FftPlanner};

/// Circular correlation of windows of `n × n` pixels with templates.
///
/// ```text
/// c[p] = Σ_q m[q] w[p + q − h],   h = ⌊n/2⌋, indices modulo n
/// ```
///
/// The template is real, so that of two windows one travels as the real, the other as the imaginary part.
#[derive(Clone)]
pub(crate) struct Crop<F: Real> {
    side: usize,
    forward: Arc<dyn Fft<F>>,
    inverse: Arc<dyn Fft<F>>,
    /// Conjugate spectra of the templates over n², element `(kx, ky)` at `kx·n + ky`.
    kernels: Vec<Vec<Complex<F>>>,
    /// Sums of the templates.
    totals: Vec<F>,
}

/// Working memory of one thread.
#[derive(Debug, Clone)]
pub(crate) struct CropScratch<F> {
    upright: Vec<Complex<F>>,
    transposed: Vec<Complex<F>>,
    fft: Vec<Complex<F>>,
    /// The spectrum of both maps, `(kx, ky)` at `kx·n + ky`.
    product: Vec<Complex<F>>,
}

impl<F: Real> Crop<F> {
    /// `masks` are `side × side`, centres at `⌊side/2⌋`.
    pub(crate) fn new(side: usize, masks: &[Array2<f64>]) -> Self {
        let mut planner = FftPlanner::new();
        let mut crop = Crop {
            side,
            forward: planner.plan_fft_forward(side),
            inverse: planner.plan_fft_inverse(side),
            kernels: Vec::new(),
            totals: masks.iter().map(|mask| F::of(mask.sum())).collect(),
        };
        crop.kernels = masks.iter().map(|mask| crop.kernel(mask)).collect();
        crop
    }

    /// In double precision, whatever `F` is.
    fn kernel(&self, mask: &Array2<f64>) -> Vec<Complex<F>> {
        let (n, h) = (self.side, self.side / 2);
        let fft = FftPlanner::<f64>::new().plan_fft_forward(n);
        // The template's centre at element (0, 0).
        let mut rows: Vec<Complex<f64>> =
            (0..n * n).map(|i| mask[[(i / n + h) % n, (i % n + h) % n]].into()).collect();
        let mut columns = vec![Complex::default(); n * n];
        fft.process(&mut rows);
        transpose(&rows, &mut columns, n);
        fft.process(&mut columns);
        let scale = 1.0 / (n * n) as f64;
        columns.iter().map(|m| Complex::new(F::of(m.re * scale), F::of(-m.im * scale))).collect()
    }

    pub(crate) fn scratch(&self) -> CropScratch<F> {
        let fft = self.forward.get_inplace_scratch_len().max(self.inverse.get_inplace_scratch_len());
        let zeros = |n: usize| vec![Complex::default(); n];
        let area = self.side * self.side;
        CropScratch { upright: zeros(area), transposed: zeros(area), fft: zeros(fft), product: zeros(area) }
    }

    /// Correlates two windows with template `k` and writes the maps in their places. What is correlated are
    /// deviations from the means, which leaves less to rounding.
    pub(crate) fn correlate(&self, k: usize, windows: &mut [Vec<F>; 2], scratch: &mut CropScratch<F>) {
        let CropScratch { upright, transposed, fft, product } = scratch;
        let [first, second] = windows;
        let mean = [sum(first), sum(second)].map(|s| F::of(s / first.len() as f64));
        for (z, (&re, &im)) in upright.iter_mut().zip(first.iter().zip(second.iter())) {
            *z = Complex::new(re - mean[0], im - mean[1]);
        }
        self.forward.process_with_scratch(upright, fft);
        transpose(upright, transposed, self.side);
        self.forward.process_with_scratch(transposed, fft);
        for (p, (&z, &m)) in product.iter_mut().zip(transposed.iter().zip(&self.kernels[k])) {
            *p = z * m;
        }
        transposed.copy_from_slice(product);
        let level = mean.map(|m| m * self.totals[k]);
        product[0] += Complex::new(level[0], level[1]);
        self.inverse.process_with_scratch(transposed, fft);
        transpose(transposed, upright, self.side);
        self.inverse.process_with_scratch(upright, fft);
        for (z, (re, im)) in upright.iter().zip(first.iter_mut().zip(second.iter_mut())) {
            (*re, *im) = (z.re + level[0], z.im + level[1]);
        }
    }

    /// The half spectrum (layout of [`nonius_core::RealFft2`]) of the first or second map that was made last.
    pub(crate) fn spectrum_of(&self, which: usize, scratch: &CropScratch<F>, out: &mut [Complex<F>]) {
        let n = self.side;
        let half = F::of(0.5);
        for (kx, column) in out.chunks_exact_mut(n).enumerate() {
            let there = &scratch.product[kx * n..][..n];
            let opposite = &scratch.product[(n - kx) % n * n..][..n];
            for ky in 0..n {
                let (z, c) = (there[ky], opposite[(n - ky) % n].conj());
                column[ky] = match which {
                    0 => (z + c) * half,
                    // Over i.
                    _ => Complex::new((z - c).im, -(z - c).re) * half,
                };
            }
        }
    }
}

/// Blocks of 8 × 8 keep both sides in few cache lines.
fn transpose<T: Copy>(from: &[T], to: &mut [T], n: usize) {
    const BLOCK: usize = 8;
    for y0 in (0..n).step_by(BLOCK) {
        for x0 in (0..n).step_by(BLOCK) {
            for x in x0..(x0 + BLOCK).min(n) {
                for y in y0..(y0 + BLOCK).min(n) {
                    to[x * n + y] = from[y * n + x];
                }
            }
        }
    }
}

impl<F: Real> std::fmt::Debug for Crop<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Crop({0} × {0}, {1} templates)", self.side, self.kernels.len())
    }
}
