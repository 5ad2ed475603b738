//! Symmetric separable filters: the windows of Lucas–Kanade, the smoothing of the pyramid.

use multiversion::multiversion;
use nonius_core::Real;

/// How an image continues beyond its first and last pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Border {
    /// `c b | a b c | b a`: mirrored about the pixel (scipy `mirror`).
    Mirror,
    /// `b a | a b c | c b`: mirrored about the pixel's outer side (scipy `reflect`).
    Reflect,
}

impl Border {
    /// The pixel of `0..n` that stands at `i`.
    pub(super) fn index(self, i: isize, n: usize) -> usize {
        let n = n as isize;
        let folded = match self {
            Border::Mirror if n == 1 => 0,
            Border::Mirror => {
                let m = i.rem_euclid(2 * (n - 1));
                m.min(2 * (n - 1) - m)
            }
            Border::Reflect => {
                let m = i.rem_euclid(2 * n);
                m.min(2 * n - 1 - m)
            }
        };
        folded as usize
    }
}

/// A symmetric one-dimensional kernel of unit sum.
#[derive(Debug, Clone)]
pub(super) struct Kernel<F> {
    /// Weight at distance 0, 1, …, radius.
    half: Vec<F>,
    border: Border,
}

impl<F: Real> Kernel<F> {
    /// Equal weights over `2 radius + 1` pixels.
    pub(super) fn uniform(radius: usize, border: Border) -> Self {
        Kernel { half: vec![F::of(1.0 / (2 * radius + 1) as f64); radius + 1], border }
    }

    /// A Gaussian of `sigma` px, cut at 4 σ.
    pub(super) fn gaussian(sigma: f64, border: Border) -> Self {
        let radius = (4.0 * sigma + 0.5) as usize;
        let weight = |k: usize| (-0.5 * (k as f64 / sigma).powi(2)).exp();
        let sum: f64 = 1.0 + 2.0 * (1..=radius).map(weight).sum::<f64>();
        Kernel { half: (0..=radius).map(|k| F::of(weight(k) / sum)).collect(), border }
    }

    fn radius(&self) -> usize {
        self.half.len() - 1
    }

    /// Room for a row of `width` and its continuation on both sides; see [`Self::row_of`].
    pub(super) fn padded_row(&self, width: usize) -> Vec<F> {
        vec![F::zero(); width + 2 * self.radius()]
    }

    /// The part of a padded row where its pixels go.
    pub(super) fn row_of<'a>(&self, padded: &'a mut [F]) -> &'a mut [F] {
        let end = padded.len() - self.radius();
        &mut padded[self.radius()..end]
    }

    /// Filters the row that stands in `padded` along `x`.
    pub(super) fn along_x(&self, padded: &mut [F], out: &mut [F]) {
        let (radius, width) = (self.radius(), out.len());
        for k in 1..=radius {
            padded[radius - k] = padded[radius + self.border.index(-(k as isize), width)];
            padded[radius + width - 1 + k] =
                padded[radius + self.border.index((width - 1 + k) as isize, width)];
        }
        convolve_row(&self.half, padded, out);
    }

    /// Filters along `y` at row `y`: row `i` of the `height` rows begins at `source[i * stride]`.
    pub(super) fn along_y(&self, source: &[F], stride: usize, height: usize, y: usize, out: &mut [F]) {
        let width = out.len();
        let row = |i: isize| &source[self.border.index(i, height) * stride..][..width];
        scale_row(self.half[0], row(y as isize), out);
        for (k, &weight) in self.half.iter().enumerate().skip(1) {
            add_pair(weight, row(y as isize - k as isize), row((y + k) as isize), out);
        }
    }
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn convolve_row<F: Real>(half: &[F], padded: &[F], out: &mut [F]) {
    let (radius, width) = (half.len() - 1, out.len());
    let from = |i: usize| &padded[i..][..width];
    for (o, &v) in out.iter_mut().zip(from(radius)) {
        *o = half[0] * v;
    }
    for k in 1..=radius {
        for ((o, &a), &b) in out.iter_mut().zip(from(radius - k)).zip(from(radius + k)) {
            *o += half[k] * (a + b);
        }
    }
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn scale_row<F: Real>(weight: F, row: &[F], out: &mut [F]) {
    for (o, &v) in out.iter_mut().zip(row) {
        *o = weight * v;
    }
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn add_pair<F: Real>(weight: F, above: &[F], below: &[F], out: &mut [F]) {
    for ((o, &a), &b) in out.iter_mut().zip(above).zip(below) {
        *o += weight * (a + b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_continue_as_drawn() {
        let drawn = |border: Border| (-4..7).map(|i| border.index(i, 3)).collect::<Vec<_>>();
        assert_eq!(drawn(Border::Mirror), [0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2]);
        assert_eq!(drawn(Border::Reflect), [2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0]);
        assert_eq!(Border::Mirror.index(-5, 1), 0);
    }

    #[test]
    fn both_directions_equal_the_plain_sum() {
        let kernel = Kernel::<f64>::gaussian(1.5, Border::Mirror);
        let (radius, n) = (kernel.radius() as isize, 4);
        let row = [1.0, -2.0, 0.5, 8.0];
        let plain = |i: isize| -> f64 {
            (-radius..=radius)
                .map(|k| kernel.half[k.unsigned_abs()] * row[Border::Mirror.index(i + k, n)])
                .sum()
        };
        let mut padded = kernel.padded_row(n);
        let (mut along_x, mut along_y) = ([0.0; 4], [0.0; 1]);
        kernel.row_of(&mut padded).copy_from_slice(&row);
        kernel.along_x(&mut padded, &mut along_x);
        for i in 0..n {
            kernel.along_y(&row, 1, n, i, &mut along_y);
            // A dozen additions of numbers below 8.
            assert!((along_x[i] - plain(i as isize)).abs() < 1e-14);
            assert!((along_y[0] - plain(i as isize)).abs() < 1e-14);
        }
    }
}
