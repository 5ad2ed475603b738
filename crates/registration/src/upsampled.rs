//! The best point of a fine grid around a whole-pixel maximum.

use ndarray::{Array2, ArrayView2};
use nonius_core::{Real, RealFft2, frequency};
use num_complex::Complex;

/// Place and height of the maximum of `sign · correlation` on the grid of `factor` points per pixel over
/// ⌈1.5 factor⌉ points per axis about `lag`.
///
/// `cross` is the half cross-spectrum in the layout of [`RealFft2`]. The sum is two products of matrices
/// (Guizar-Sicairos, Thurman, Fienup 2008) over half the frequencies, since the correlation is real.
pub(crate) fn maximum<F: Real>(
    fft: &RealFft2<F>,
    cross: &[Complex<F>],
    lag: [f64; 2],
    factor: f64,
    sign: f64,
) -> ([f64; 2], f64) {
    let (h, w) = fft.shape();
    let points = (1.5 * factor).ceil() as usize;
    let middle = (points / 2) as f64;
    let place = |axis: usize, i: usize| lag[axis] + (i as f64 - middle) / factor;
    let wave = |k: usize, n: usize, at: f64| {
        let turns = std::f64::consts::TAU * frequency(k, n) as f64 / n as f64 * at;
        if 2 * k == n { Complex::new(turns.cos(), 0.0) } else { Complex::cis(turns) }
    };
    let cast = |z: Complex<f64>| Complex::new(F::of(z.re), F::of(z.im));
    let [rows, columns] = [points_along(h, points), points_along(w, points)];
    let along_y =
        Array2::from_shape_fn((h, rows), |(ky, i)| cast(wave(ky, h, place_of(h, place(0, i), lag[0]))));
    let along_x = Array2::from_shape_fn((columns, fft.n_kx()), |(i, kx)| {
        cast(wave(kx, w, place_of(w, place(1, i), lag[1])) * fft.multiplicity(kx))
    });
    let spectrum = ArrayView2::from_shape((fft.n_kx(), h), cross).expect("a spectrum of this plan");
    let values = along_x.dot(&spectrum.dot(&along_y));
    let sign = F::of(sign);
    let mut best = ([0, 0], F::neg_infinity());
    // In reading order of (y, x): the first of equal values counts.
    for iy in 0..rows {
        for ix in 0..columns {
            let v = sign * values[[ix, iy]].re;
            if v > best.1 {
                best = ([iy, ix], v);
            }
        }
    }
    let [iy, ix] = best.0;
    ([place_of(h, place(0, iy), lag[0]), place_of(w, place(1, ix), lag[1])], best.1.f64())
}

/// An axis of one pixel has no displacement to find.
fn points_along(n: usize, points: usize) -> usize {
    if n == 1 { 1 } else { points }
}

fn place_of(n: usize, place: f64, lag: f64) -> f64 {
    if n == 1 { lag } else { place }
}
