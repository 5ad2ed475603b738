//! Slopes of an image at its own pixels.

use multiversion::multiversion;
use ndarray::{Array2, ArrayView2, Axis};

use crate::Real;

/// The widest difference reaches this many pixels to each side.
const REACH: usize = 5;

/// Variance that white noise of variance 1 has in the slopes inside a frame, px⁻².
pub const SLOPE_NOISE: f64 = 1.509_551_8;

/// Slopes of `image` along y and x, px⁻¹, by central differences of order 10; nearer the border of the
/// lower order that fits; 0 on the first and last row (for y) and column (for x).
///
/// A central difference leaves the pixel itself out, so the noise of a pixel and the noise of the slope
/// there are uncorrelated, whatever the noise is: what makes slopes fit for [`OverlapProblem::slopes`].
///
/// [`OverlapProblem::slopes`]: crate::OverlapProblem::slopes
pub fn slopes<F: Real>(image: ArrayView2<'_, F>) -> [Array2<F>; 2] {
    let mut out = Default::default();
    slopes_into(image, &mut out);
    out
}

/// As [`slopes`], into arrays that are used again if they have the shape of the image.
pub fn slopes_into<F: Real>(image: ArrayView2<'_, F>, [along_y, along_x]: &mut [Array2<F>; 2]) {
    for out in [&mut *along_y, &mut *along_x] {
        if out.dim() == image.dim() && out.is_standard_layout() {
            out.fill(F::zero());
        } else {
            *out = Array2::zeros(image.dim());
        }
    }
    let image = image.as_standard_layout();
    let (h, w) = image.dim();
    let all = image.as_slice().expect("an image in C order");
    let row = |y: usize| &all[y * w..(y + 1) * w];
    for (y, mut out) in along_y.axis_iter_mut(Axis(0)).enumerate() {
        let out = out.as_slice_mut().expect("a row in C order");
        let reach = y.min(h - 1 - y).min(REACH);
        for (j, weight) in (1..=reach).zip(difference(reach)) {
            add_difference(out, row(y + j), row(y - j), F::of(weight));
        }
    }
    let inside = difference(REACH).map(F::of);
    for (y, mut out) in along_x.axis_iter_mut(Axis(0)).enumerate() {
        let (out, row) = (out.as_slice_mut().expect("a row in C order"), row(y));
        if w > 2 * REACH {
            differences(row, inside, &mut out[REACH..w - REACH]);
        }
        for x in (0..w).filter(|&x| x.min(w - 1 - x) < REACH) {
            let reach = x.min(w - 1 - x);
            for (j, weight) in (1..=reach).zip(difference(reach)) {
                out[x] += F::of(weight) * (row[x + j] - row[x - j]);
            }
        }
    }
}

/// Weights of `f(j) − f(−j)` for j from 1 to `reach` that give the slope of polynomials up to degree
/// 2·reach exactly: `(−1)^(j+1) (m!)² / (j (m−j)! (m+j)!)`. The others are 0.
fn difference(reach: usize) -> [f64; REACH] {
    let m = reach as f64;
    let mut ratio = 1.0;
    std::array::from_fn(|i| {
        let j = (i + 1) as f64;
        ratio *= -(m - j + 1.0) / (m + j);
        if i < reach { -ratio / j } else { 0.0 }
    })
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn add_difference<F: Real>(out: &mut [F], after: &[F], before: &[F], weight: F) {
    for ((o, &a), &b) in out.iter_mut().zip(after).zip(before) {
        *o += weight * (a - b);
    }
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn differences<F: Real>(row: &[F], weights: [F; REACH], out: &mut [F]) {
    let n = out.len();
    let row = &row[..n + 2 * REACH];
    for x in 0..n {
        let mut sum = F::zero();
        for j in 0..REACH {
            sum += weights[j] * (row[x + REACH + 1 + j] - row[x + REACH - 1 - j]);
        }
        out[x] = sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polynomials_have_their_slopes() {
        let at = |y: usize, x: usize| 1.0 + 2.0 * y as f64 - (x as f64).powi(2) + 0.5 * (x * y) as f64;
        let [sy, sx] = slopes(Array2::from_shape_fn((13, 14), |(y, x)| at(y, x)).view());
        for ((y, x), &v) in sy.indexed_iter() {
            let want = if y == 0 || y == 12 { 0.0 } else { 2.0 + 0.5 * x as f64 };
            assert!((v - want).abs() < 1e-11, "slope along y at {y} {x}: {v}");
        }
        for ((y, x), &v) in sx.indexed_iter() {
            let want = if x == 0 || x == 13 { 0.0 } else { -2.0 * x as f64 + 0.5 * y as f64 };
            assert!((v - want).abs() < 1e-11, "slope along x at {y} {x}: {v}");
        }
    }

    #[test]
    fn noise_in_slopes_is_what_the_constant_says() {
        let power: f64 = difference(REACH).iter().map(|w| 2.0 * w * w).sum();
        assert!((power - SLOPE_NOISE).abs() < 1e-6, "{power}");
    }

    #[test]
    fn small_frames() {
        for shape in [(1, 1), (1, 9), (2, 2), (3, 1)] {
            let [sy, sx] = slopes(Array2::from_shape_fn(shape, |(y, x)| (3 * y + x) as f64).view());
            assert_eq!(sy.sum(), if shape == (3, 1) { 3.0 } else { 0.0 });
            assert_eq!(sx.sum(), if shape == (1, 9) { 7.0 } else { 0.0 });
        }
    }
}
