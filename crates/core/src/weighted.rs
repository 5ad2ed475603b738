//! Sums over the overlap of two weighted images, for every whole-pixel displacement at once.

use ndarray::{Array2, Zip};
use num_complex::Complex;

use crate::{Real, RealFft2, Result, fast_length};

/// Pixels, or blocks of pixels: the weight of each, its weight times its value, and times its value squared.
#[derive(Debug, Clone)]
pub struct WeightedImage<F> {
    weight: Array2<F>,
    sum: Array2<F>,
    square: Array2<F>,
}

impl<F: Real> WeightedImage<F> {
    /// An image with a weight for every pixel, 0 for a missing one, whose value must be finite all the same.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn new(image: Array2<F>, weight: Array2<F>) -> Self {
        let sum = &image * &weight;
        let square = image * &sum;
        WeightedImage { weight, sum, square }
    }

    /// Blocks of `side` × `side` pixels of an image of shape `(y, x)`, with their weighted means for values, from
    /// the value and the weight that `pixel` gives; rows and columns that fill no block are left out.
    pub fn of_blocks(shape: (usize, usize), side: usize, pixel: impl Fn([usize; 2]) -> (F, F)) -> Self {
        let side = side.max(1);
        let dim = (shape.0 / side, shape.1 / side);
        let (mut weight, mut sum) = (Array2::zeros(dim), Array2::<F>::zeros(dim));
        for y in 0..dim.0 * side {
            for x in 0..dim.1 * side {
                let (value, w) = pixel([y, x]);
                weight[[y / side, x / side]] += w;
                sum[[y / side, x / side]] += w * value;
            }
        }
        Self::of_means(weight, sum)
    }

    /// Weights, and weights times values.
    fn of_means(weight: Array2<F>, sum: Array2<F>) -> Self {
        let mean_square = |&n: &F, &s: &F| if n > F::zero() { s * s / n } else { F::zero() };
        let square = Zip::from(&weight).and(&sum).map_collect(mean_square);
        WeightedImage { weight, sum, square }
    }

    /// Shape `(y, x)`.
    pub fn shape(&self) -> (usize, usize) {
        self.weight.dim()
    }

    /// Blocks of 2×2 of these with their weighted means for values; an odd last row or column is left out.
    fn halved(&self) -> Self {
        let (h, w) = self.weight.dim();
        let blocks = |from: &Array2<F>| {
            let mut out = Array2::zeros((h / 2, w / 2));
            for (y, mut out) in out.rows_mut().into_iter().enumerate() {
                let from = from.as_slice().expect("an array in C order");
                let row = |y: usize| from[y * w..(y + 1) * w].as_chunks::<2>().0;
                for ((o, a), b) in out.iter_mut().zip(row(2 * y)).zip(row(2 * y + 1)) {
                    *o = a[0] + a[1] + b[0] + b[1];
                }
            }
            out
        };
        Self::of_means(blocks(&self.weight), blocks(&self.sum))
    }

    /// Two images as blocks of their pixels, as large as both are smooth, for a search to be quick; and the side
    /// of the blocks, a power of 2 not above `largest` px. Neither has less than `fewest` blocks a side.
    pub fn smooth_blocks(pixels: [Self; 2], fewest: usize, largest: f64) -> ([Self; 2], usize) {
        /// Part of the images' content that blocks must keep.
        const SMOOTH: f64 = 1.0 / 3.0;
        let mut blocks: Option<[Self; 2]> = None;
        let mut side = 1;
        loop {
            let halved = blocks.as_ref().unwrap_or(&pixels).each_ref().map(Self::halved);
            let enough = halved.iter().all(|part| part.shape().0.min(part.shape().1) >= fewest);
            if !enough
                || 2.0 * side as f64 > largest
                || (0..2).any(|i| halved[i].smoothness(&pixels[i]) < SMOOTH)
            {
                return (blocks.unwrap_or(pixels), side);
            }
            (blocks, side) = (Some(halved), 2 * side);
        }
    }

    /// How much of the content of `pixels` is in the means of these blocks of it: 1 if it is smooth, about 0 if
    /// it is white noise.
    fn smoothness(&self, pixels: &Self) -> f64 {
        let total = |array: &Array2<F>| array.iter().map(|v| v.f64()).sum::<f64>();
        let used = |part: &Self| part.weight.iter().filter(|w| **w > F::zero()).count() as f64;
        let mean_square = |part: &Self| total(&part.square) / total(&part.weight).max(f64::MIN_POSITIVE);
        let kept = mean_square(self) / mean_square(pixels).max(f64::MIN_POSITIVE);
        let by_chance = used(self) / used(pixels).max(1.0);
        (kept - by_chance) / (1.0 - by_chance)
    }
}

/// Sums over the overlap of two weighted images for every displacement. From [`of`](Self::of), element `i` of
/// a map stands for the displacement `i − (n_reference − 1)` along its axis and the shape is
/// `(h₁ + h₂ − 1, w₁ + w₂ − 1)`.
#[derive(Debug, Clone)]
pub struct WeightedSums<F> {
    /// `Σ w₁w₂`
    pub weight: Array2<F>,
    /// `Σ w₁w₂f₁`
    pub reference: Array2<F>,
    /// `Σ w₁w₂f₂`
    pub moving: Array2<F>,
    /// `Σ w₁w₂f₁²`
    pub reference2: Array2<F>,
    /// `Σ w₁w₂f₂²`
    pub moving2: Array2<F>,
    /// `Σ w₁w₂f₁f₂`
    pub product: Array2<F>,
}

impl<F: Real> WeightedSums<F> {
    /// Over what both frames show. Six transforms each way.
    ///
    /// # Errors
    /// [`Error::Empty`](crate::Error::Empty).
    pub fn of(fixed: &WeightedImage<F>, other: &WeightedImage<F>) -> Result<Self> {
        let ((h1, w1), (h2, w2)) = (fixed.shape(), other.shape());
        crate::check_not_empty("weighted images", &[h1, w1, h2, w2])?;
        let (h, w) = (h1 + h2 - 1, w1 + w2 - 1);
        let fft = RealFft2::<F>::new((fast_length(h), fast_length(w)))?;
        let (hp, wp) = fft.shape();
        // Displacement d stands at d modulo the padded length.
        let place = |y: usize, row: &[F], out: &mut Array2<F>| {
            let i = (y + h1 - 1) % hp;
            if i < h {
                let out = out.row_mut(i).into_slice().expect("a map in C order");
                let (negative, others) = out.split_at_mut(w1 - 1);
                negative.copy_from_slice(&row[wp - (w1 - 1)..]);
                others.copy_from_slice(&row[..w2]);
            }
        };
        Self::correlated(fixed, other, &fft, (h, w), place)
    }

    /// For frames of one shape that wrap: element `i` stands for the displacement `i` modulo the length of its
    /// axis, and the shape is that of the images.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape), [`Error::Empty`](crate::Error::Empty).
    pub fn cyclic(fixed: &WeightedImage<F>, other: &WeightedImage<F>) -> Result<Self> {
        let (h, w) = fixed.shape();
        crate::check_shape("moving", &[h, w], other.weight.shape())?;
        let place = |y: usize, row: &[F], out: &mut Array2<F>| {
            out.row_mut(y).iter_mut().zip(row).for_each(|(o, &v)| *o = v);
        };
        Self::correlated(fixed, other, &RealFft2::new((h, w))?, (h, w), place)
    }

    /// All six correlations; `place(y, row, map)` takes row y of one into its map.
    fn correlated(
        fixed: &WeightedImage<F>,
        other: &WeightedImage<F>,
        fft: &RealFft2<F>,
        shape: (usize, usize),
        place: impl Fn(usize, &[F], &mut Array2<F>),
    ) -> Result<Self> {
        let mut scratch = fft.scratch();
        let mut transform = |part: &Array2<F>| -> Result<Vec<Complex<F>>> {
            let mut spectrum = fft.spectrum();
            let (rows, columns) = part.dim();
            let fill = |y: usize, row: &mut [F]| {
                row.fill(F::zero());
                if y < rows {
                    row[..columns].iter_mut().zip(part.row(y)).for_each(|(r, &v)| *r = v);
                }
            };
            fft.forward_rows(fill, &mut spectrum, &mut scratch)?;
            Ok(spectrum)
        };
        let [m1, f1, q1] = [transform(&fixed.weight)?, transform(&fixed.sum)?, transform(&fixed.square)?];
        let [m2, f2, q2] = [transform(&other.weight)?, transform(&other.sum)?, transform(&other.square)?];
        let (hp, wp) = fft.shape();
        let norm = F::of(1.0 / (hp * wp) as f64);
        let mut product = fft.spectrum();
        let mut correlation = |a: &[Complex<F>], b: &[Complex<F>]| -> Result<Array2<F>> {
            for ((p, a), b) in product.iter_mut().zip(a).zip(b) {
                *p = a.conj() * b * norm;
            }
            let mut out = Array2::zeros(shape);
            fft.inverse_rows(&mut product, &mut scratch, |y, row| place(y, row, &mut out))?;
            Ok(out)
        };
        Ok(WeightedSums {
            weight: correlation(&m1, &m2)?,
            reference: correlation(&f1, &m2)?,
            moving: correlation(&m1, &f2)?,
            reference2: correlation(&q1, &m2)?,
            moving2: correlation(&m1, &q2)?,
            product: correlation(&f1, &f2)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_sums() {
        let image =
            |h, w, seed: usize| Array2::from_shape_fn((h, w), |(y, x)| ((y * 7 + x * 5 + seed) % 11) as f64);
        let weight = |h, w| Array2::from_shape_fn((h, w), |(y, x)| ((y + 2 * x) % 3) as f64);
        let (f, m) = (image(5, 6, 1), image(4, 7, 3));
        let (u, v) = (weight(5, 6), weight(4, 7));
        let sums = WeightedSums::of(
            &WeightedImage::new(f.clone(), u.clone()),
            &WeightedImage::new(m.clone(), v.clone()),
        )
        .unwrap();
        for (i, j) in [(0, 0), (3, 5), (4, 6), (7, 11), (5, 2)] {
            let (dy, dx) = (i as isize - 4, j as isize - 5);
            let mut want = [0.0; 6];
            for ((y, x), &b) in m.indexed_iter() {
                let (ry, rx) = (y as isize - dy, x as isize - dx);
                if (0..5).contains(&ry) && (0..6).contains(&rx) {
                    let at = (ry as usize, rx as usize);
                    let (a, w) = (f[at], u[at] * v[(y, x)]);
                    let terms = [w, w * a, w * b, w * a * a, w * b * b, w * a * b];
                    want.iter_mut().zip(terms).for_each(|(s, t)| *s += t);
                }
            }
            let found =
                [&sums.weight, &sums.reference, &sums.moving, &sums.reference2, &sums.moving2, &sums.product];
            for (map, want) in found.iter().zip(want) {
                assert!((map[[i, j]] - want).abs() < 1e-9, "{i} {j}: {} {want}", map[[i, j]]);
            }
        }
    }

    #[test]
    fn blocks_keep_sums_and_lose_white_noise() {
        let noise =
            Array2::from_shape_fn(
                (64, 64),
                |(y, x)| if (y * 31 + x * 17 + y * x) % 7 < 3 { 1.0 } else { -1.0 },
            );
        let white = WeightedImage::new(noise, Array2::ones((64, 64)));
        let smooth = Array2::from_shape_fn((64, 64), |(y, _)| 2_f64.sqrt() * (y as f64 * 0.2).sin());
        let smooth = WeightedImage::new(smooth, Array2::ones((64, 64)));
        assert_eq!(white.halved().shape(), (32, 32));
        let pixel = |[y, x]: [usize; 2]| (smooth.sum[[y, x]], 1.0);
        assert_eq!(
            WeightedImage::of_blocks((65, 64), 2, |[y, x]| pixel([y.min(63), x])).sum,
            smooth.halved().sum
        );
        assert!(smooth.halved().smoothness(&smooth) > 0.9 && white.halved().smoothness(&white) < 0.3);
    }
}
