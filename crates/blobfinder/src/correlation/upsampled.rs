//! Samples of a correlation map between its elements.

use std::f64::consts::TAU;

use multiversion::multiversion;
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
    waves: Option<Waves>,
    /// Waves of the displacement of the row in question.
    to_row: Vec<Complex<f64>>,
    /// Partial sums over k_y, real and imaginary, `(kx, j)`.
    sums: [Vec<f64>; 2],
    /// Of the samples of one x.
    column: [Vec<f64>; 2],
}

/// `exp(2πi k (j − offset)/(u n))` along both axes: the same around every element.
#[derive(Debug, Clone)]
struct Waves {
    of: (usize, usize, usize, Sampled),
    /// Samples along an axis.
    n: usize,
    offset: f64,
    /// Real and imaginary, `(ky, j)`.
    rows: [Vec<f64>; 2],
    /// `(i, kx)`, columns that stand for two counted twice.
    columns: Vec<Complex<f64>>,
}

impl Waves {
    fn new(shape @ (h, w): (usize, usize), factor: usize, sampled: Sampled) -> Self {
        // ⌈1.5u⌉ for the whole numbers that factors are.
        let n = (3 * factor).div_ceil(2);
        let offset = (n / 2) as f64;
        let n = if sampled == Sampled::Map { 2 * (n / 2) + 1 } else { n };
        let place = |j: usize| (j as f64 - offset) / factor as f64;
        let row = |k: usize| {
            let (ky, j) = (k / n, k % n);
            TAU * frequency(ky, h) as f64 * place(j) / h as f64
        };
        let rows = [f64::cos, f64::sin].map(|of| (0..h * n).map(|k| of(row(k))).collect());
        let n_kx = w / 2 + 1;
        let column = |k: usize| {
            let (i, kx) = (k / n_kx, k % n_kx);
            let twice = sampled == Sampled::Map && kx > 0 && 2 * kx != w;
            Complex::cis(TAU * wave_number(kx, w, sampled) * place(i) / w as f64)
                * if twice { 2.0 } else { 1.0 }
        };
        let columns = (0..n * n_kx).map(column).collect();
        Waves { of: (shape.0, shape.1, factor, sampled), n, offset, rows, columns }
    }
}

/// Along x.
fn wave_number(kx: usize, w: usize, sampled: Sampled) -> f64 {
    if sampled == Sampled::Map { frequency(kx, w) as f64 } else { kx as f64 }
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
    let UpsampleScratch { waves, to_row, sums, column } = scratch;
    if waves.as_ref().is_none_or(|waves| waves.of != (h, w, factor, sampled)) {
        *waves = Some(Waves::new(shape, factor, sampled));
    }
    let Some(Waves { n, offset, rows, columns, .. }) = waves else { return center.map(|c| c as f64) };
    let n = *n;
    // Waves of whole displacements, those of Nyquist's frequency ±1.
    let cycle = |k: f64, c: usize, n: usize| Complex::cis(TAU * (k * c as f64 % n as f64) / n as f64);
    to_row.clear();
    to_row.extend((0..h).map(|ky| cycle(frequency(ky, h) as f64, center[0], h)));
    for sum in sums.iter_mut() {
        sum.clear();
        sum.resize((w / 2 + 1) * n, 0.0);
    }
    let [re, im] = sums;
    for (kx, spectrum) in spectrum.chunks_exact(h).enumerate() {
        let to_column = cycle(wave_number(kx, w, sampled), center[1], w);
        let (re, im) = (&mut re[kx * n..][..n], &mut im[kx * n..][..n]);
        for (ky, c) in spectrum.iter().enumerate() {
            let c = Complex::new(c.re.f64(), c.im.f64()) * to_row[ky] * to_column;
            let (cos, sin) = (&rows[0][ky * n..][..n], &rows[1][ky * n..][..n]);
            // In columns that stand for two, the row of Nyquist's frequency stands for waves of both directions.
            if sampled == Sampled::Map && 2 * ky == h && 2 * kx != w {
                add_scaled(re, cos, c.re);
                add_scaled(im, cos, c.im);
            } else {
                add_product(re, im, c, cos, sin);
            }
        }
    }
    let (mut best, mut at) = (f64::NEG_INFINITY, [usize::MAX; 2]);
    let [column, imaginary] = column;
    for (j, waves) in columns.chunks_exact(w / 2 + 1).enumerate() {
        for values in [&mut *column, &mut *imaginary] {
            values.clear();
            values.resize(n, 0.0);
        }
        for (kx, wave) in waves.iter().enumerate() {
            let (re, im) = (&re[kx * n..][..n], &im[kx * n..][..n]);
            match sampled {
                Sampled::Map => {
                    add_scaled(column, re, wave.re);
                    add_scaled(column, im, -wave.im);
                }
                Sampled::Envelope => add_product(column, imaginary, *wave, re, im),
            }
        }
        for i in 0..n {
            let value = match sampled {
                Sampled::Map => column[i],
                Sampled::Envelope => column[i].hypot(imaginary[i]),
            };
            if value > best || (value == best && [i, j] < at) {
                (best, at) = (value, [i, j]);
            }
        }
    }
    [0, 1].map(|axis| match at[axis] {
        usize::MAX => center[axis] as f64,
        j => center[axis] as f64 + (j as f64 - *offset) / factor as f64,
    })
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn add_scaled(sum: &mut [f64], values: &[f64], by: f64) {
    for (s, v) in sum.iter_mut().zip(values) {
        *s += by * v;
    }
}

/// Adds `c · (values_re + i values_im)`.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn add_product(re: &mut [f64], im: &mut [f64], c: Complex<f64>, values_re: &[f64], values_im: &[f64]) {
    for ((re, im), (u, v)) in re.iter_mut().zip(im).zip(values_re.iter().zip(values_im)) {
        *re += c.re * u - c.im * v;
        *im += c.re * v + c.im * u;
    }
}
