//! Samples of a correlation map between its elements.

use std::f64::consts::TAU;

use nonius_core::{Real, frequency};
use num_complex::Complex;

/// What is sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sampled {
    /// The map, the real part of the whole spectrum's sum, frequencies −n/2 … for even n; samples −⌊⌈1.5u⌉/2⌋ …
    /// +⌊⌈1.5u⌉/2⌋.
    Map,
    /// `|Σ C e|` over kₓ ≥ 0 alone, ⌈1.5u⌉ samples: LiberTEM-blobfinder 0.6.1.
    Envelope,
}

/// Working memory of one thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct UpsampleScratch {
    /// Partial sums over k_y, `(kx, j)`.
    sums: Vec<Complex<f64>>,
    waves: Vec<Complex<f64>>,
}

/// The greatest of samples 1/`factor` px apart around element `center` of the map of `shape` whose half spectrum is
/// given; the first in row-major order.
pub(crate) fn greatest_sample<F: Real>(
    spectrum: &[Complex<F>],
    shape: (usize, usize),
    center: [usize; 2],
    factor: usize,
    sampled: Sampled,
    scratch: &mut UpsampleScratch,
) -> [f64; 2] {
    let (h, w) = shape;
    let n_kx = w / 2 + 1;
    // ⌈1.5u⌉ for the whole numbers that factors are.
    let n = (3 * factor).div_ceil(2);
    let offset = (n / 2) as f64;
    let n = if sampled == Sampled::Map { 2 * (n / 2) + 1 } else { n };
    let place = |axis: usize, j: usize| center[axis] as f64 + (j as f64 - offset) / factor as f64;

    scratch.sums.clear();
    scratch.sums.resize(n_kx * n, Complex::default());
    scratch.waves.resize(h.max(n_kx), Complex::default());
    for j in 0..n {
        let y = place(0, j);
        for (ky, wave) in scratch.waves[..h].iter_mut().enumerate() {
            *wave = Complex::cis(TAU * frequency(ky, h) as f64 * y / h as f64);
        }
        // In columns that stand for two, the row of Nyquist's frequency stands for waves of both directions.
        let nyquist = (sampled == Sampled::Map && h % 2 == 0).then(|| scratch.waves[h / 2].im);
        if nyquist.is_some() {
            scratch.waves[h / 2].im = 0.0;
        }
        for (kx, column) in spectrum.chunks_exact(h).enumerate() {
            scratch.sums[kx * n + j] = column
                .iter()
                .zip(&scratch.waves)
                .map(|(c, wave)| Complex::new(c.re.f64(), c.im.f64()) * wave)
                .sum();
            if let Some(im) = nyquist
                && 2 * kx == w
            {
                let c = column[h / 2];
                scratch.sums[kx * n + j] += Complex::new(c.re.f64(), c.im.f64()) * Complex::new(0.0, im);
            }
        }
    }
    let (mut best, mut at) = (f64::NEG_INFINITY, [usize::MAX; 2]);
    for j in 0..n {
        let x = place(1, j);
        for (kx, wave) in scratch.waves[..n_kx].iter_mut().enumerate() {
            let twice = sampled == Sampled::Map && kx > 0 && 2 * kx != w;
            let k = if sampled == Sampled::Map { frequency(kx, w) } else { kx as isize };
            *wave = Complex::cis(TAU * k as f64 * x / w as f64) * if twice { 2.0 } else { 1.0 };
        }
        for i in 0..n {
            let sum: Complex<f64> = (0..n_kx).map(|kx| scratch.sums[kx * n + i] * scratch.waves[kx]).sum();
            let value = if sampled == Sampled::Map { sum.re } else { sum.norm() };
            if value > best || (value == best && [i, j] < at) {
                (best, at) = (value, [i, j]);
            }
        }
    }
    [0, 1].map(|axis| match at[axis] {
        usize::MAX => center[axis] as f64,
        j => center[axis] as f64 + (j as f64 - offset) / factor as f64,
    })
}
