//! Mean and spread of an image, and whether it has any.

use multiversion::multiversion;
use ndarray::ArrayView2;

use crate::{Error, Real, Result, check_finite};

/// Mean and standard deviation of an image.
#[derive(Debug, Clone, Copy)]
pub struct Moments {
    /// Mean of the pixels.
    pub mean: f64,
    /// Standard deviation of the pixels, over their number.
    pub deviation: f64,
    /// Deviations below this are rounding.
    rounding: f64,
}

impl Moments {
    /// One pass, about the first pixel so that a large mean costs no digits.
    ///
    /// # Errors
    /// [`Error::NotFinite`] if a pixel is NaN or infinite, [`Error::Parameter`] if squares overflow,
    /// [`Error::Empty`].
    pub fn of<F: Real>(what: &'static str, image: ArrayView2<'_, F>) -> Result<Self> {
        crate::check_not_empty(what, image.shape())?;
        let origin = image[[0, 0]];
        let (mut sum, mut squares) = (0.0, 0.0);
        for row in image.rows() {
            let (s, q) = row_sums(row, origin);
            sum += s;
            squares += q;
        }
        if !(sum.is_finite() && squares.is_finite()) {
            check_finite(what, image)?;
            return Err(Error::parameter(what, "small enough for its squares", "values that overflow"));
        }
        let n = image.len() as f64;
        let mean = sum / n;
        let deviation = (squares / n - mean * mean).max(0.0).sqrt();
        let largest = origin.f64().abs() + mean.abs() + deviation;
        Ok(Moments { mean: mean + origin.f64(), deviation, rounding: 8.0 * F::epsilon().f64() * largest })
    }

    /// Whether the pixels differ by rounding at most.
    pub fn is_constant(&self) -> bool {
        self.deviation <= self.rounding
    }

    /// Mean in units of the deviation.
    pub fn mean_over_deviation(&self) -> f64 {
        self.mean / self.deviation
    }
}

/// Sum and sum of squares of `row − origin`.
fn row_sums<F: Real>(row: ndarray::ArrayView1<'_, F>, origin: F) -> (f64, f64) {
    let row = row.as_standard_layout();
    slice_sums(row.as_slice().expect("a row in C order"), origin)
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn slice_sums<F: Real>(row: &[F], origin: F) -> (f64, f64) {
    // Sums of F are emptied into f64 after every block, which keeps those of f32 exact enough.
    const BLOCK: usize = 512;
    let (mut sum, mut square) = (0.0, 0.0);
    for block in row.chunks(BLOCK) {
        sum += lane_sum(block, |v| v - origin);
        square += lane_sum(block, |v| (v - origin) * (v - origin));
    }
    (sum, square)
}

#[inline(always)]
fn lane_sum<F: Real>(values: &[F], of: impl Fn(F) -> F) -> f64 {
    const LANES: usize = 16;
    let mut sums = [F::zero(); LANES];
    let (blocks, rest) = values.as_chunks::<LANES>();
    for block in blocks {
        for l in 0..LANES {
            sums[l] += of(block[l]);
        }
    }
    for (sum, &v) in sums.iter_mut().zip(rest) {
        *sum += of(v);
    }
    sums.iter().map(|v| v.f64()).sum()
}

/// `out = (row − mean) · scale`, as far as both reach.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub fn normalise<F: Real>(row: &[F], mean: F, scale: F, out: &mut [F]) {
    for (o, &v) in out.iter_mut().zip(row) {
        *o = (v - mean) * scale;
    }
}
