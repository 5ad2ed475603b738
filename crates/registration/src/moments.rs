//! Mean and spread of an image, and whether it has any.

use ndarray::ArrayView2;
use nonius_core::{Error, Real, Result};

/// Mean and standard deviation of an image.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moments {
    pub(crate) mean: f64,
    pub(crate) deviation: f64,
    /// Deviations below this are rounding.
    rounding: f64,
}

impl Moments {
    /// One pass, about the first pixel so that a large mean costs no digits.
    ///
    /// # Errors
    /// [`Error::NotFinite`] if a pixel is NaN or infinite.
    pub(crate) fn of<F: Real>(what: &'static str, image: ArrayView2<'_, F>) -> Result<Self> {
        let origin = image[[0, 0]];
        let (mut sum, mut squares) = (0.0, 0.0);
        for row in image.rows() {
            let (s, q) = row_sums(row, origin);
            sum += s;
            squares += q;
        }
        if !(sum.is_finite() && squares.is_finite()) {
            nonius_core::check_finite(what, image)?;
            return Err(Error::parameter(what, "small enough for its squares", "values that overflow"));
        }
        let n = image.len() as f64;
        let mean = sum / n;
        let deviation = (squares / n - mean * mean).max(0.0).sqrt();
        let largest = origin.f64().abs() + mean.abs() + deviation;
        Ok(Moments { mean: mean + origin.f64(), deviation, rounding: 8.0 * F::epsilon().f64() * largest })
    }

    pub(crate) fn is_constant(&self) -> bool {
        self.deviation <= self.rounding
    }

    pub(crate) fn mean_over_deviation(&self) -> f64 {
        self.mean / self.deviation
    }
}

/// Sum and sum of squares of `row − origin`.
fn row_sums<F: Real>(row: ndarray::ArrayView1<'_, F>, origin: F) -> (f64, f64) {
    const LANES: usize = 16;
    let mut sums = [[0.0_f64; LANES]; 2];
    let add = |sums: &mut [[f64; LANES]; 2], l: usize, v: F| {
        let d = (v - origin).f64();
        sums[0][l] += d;
        sums[1][l] += d * d;
    };
    match row.to_slice() {
        Some(row) => {
            let (blocks, rest) = row.as_chunks::<LANES>();
            for block in blocks {
                for l in 0..LANES {
                    add(&mut sums, l, block[l]);
                }
            }
            rest.iter().enumerate().for_each(|(l, &v)| add(&mut sums, l, v));
        }
        None => row.iter().enumerate().for_each(|(x, &v)| add(&mut sums, x % LANES, v)),
    }
    (sums[0].iter().sum(), sums[1].iter().sum())
}
