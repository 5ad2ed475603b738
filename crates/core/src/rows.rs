//! Distances between the rows of a matrix.

use std::ops::Range;

use multiversion::multiversion;
use ndarray::ArrayView2;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{check_finite, check_not_empty};
use crate::{Error, Progress, Result};

/// How far two rows x, y are from one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// `√Σ (x − y)²`.
    #[default]
    Euclidean,
    /// `Σ (x − y)²`; not a distance by the triangle inequality.
    SquaredEuclidean,
    /// `Σ |x − y|`.
    Manhattan,
    /// `max |x − y|`.
    Chebyshev,
    /// `1 − x·y/(|x| |y|)`, computed without cancellation as half the squared distance of the rows at unit length. A row
    /// of zeros has none.
    Cosine,
}

/// Rows that share an instruction.
const LANES: usize = 16;
/// Bytes of rows that stay in a processor's cache while several others are compared with them.
const TILE_BYTES: usize = 256 << 10;
/// Values above this could have squares whose sum is infinite.
const GREATEST: f64 = 1e150;

/// The rows of a matrix, stored so that distances from one to many are fast.
///
/// Sums run over the columns in ascending order in one `f64` each, without fused multiplication: a distance has the
/// same bits wherever it is computed, and those of a plain loop.
///
/// ```
/// use nonius_core::{Metric, Rows};
///
/// let rows = Rows::new(ndarray::array![[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]].view(), Metric::Euclidean)?;
/// let mut distances = [0.0; 2];
/// rows.distances(&[0.0, 0.0], 1..3, &mut distances);
/// assert_eq!(distances, [5.0, 10.0]);
/// # Ok::<(), nonius_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Rows {
    metric: Metric,
    n: usize,
    width: usize,
    /// Groups of `LANES` rows, within each the columns one after the other; the last group is filled with zeros.
    panels: Vec<f64>,
}

impl Rows {
    /// Copies `matrix`, one row per sample.
    ///
    /// # Errors
    /// As [`check_rows`]; [`Error::Parameter`] for a row of zeros with [`Metric::Cosine`].
    pub fn new(matrix: ArrayView2<'_, f64>, metric: Metric) -> Result<Self> {
        check_rows("features", matrix)?;
        let (n, width) = matrix.dim();
        let mut panels = vec![0.0; n.div_ceil(LANES) * LANES * width];
        for (i, row) in matrix.outer_iter().enumerate() {
            let scale = if metric == Metric::Cosine { length(row.iter().copied()) } else { 1.0 };
            if scale == 0.0 {
                return Err(Error::parameter(
                    "features",
                    "no row of zeros, with the cosine",
                    format!("row {i}"),
                ));
            }
            let start = i / LANES * LANES * width + i % LANES;
            row.iter().enumerate().for_each(|(k, v)| panels[start + k * LANES] = v / scale);
        }
        Ok(Rows { metric, n, width, panels })
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.n
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Row `i`, of unit length with [`Metric::Cosine`].
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, i: usize) -> Vec<f64> {
        assert!(i < self.n, "row {i} of {}", self.n);
        let start = i / LANES * LANES * self.width + i % LANES;
        (0..self.width).map(|k| self.panels[start + k * LANES]).collect()
    }

    /// Distance of two rows.
    ///
    /// # Panics
    /// If there are no such rows.
    pub fn distance(&self, i: usize, j: usize) -> f64 {
        assert!(i.max(j) < self.n, "rows {i} and {j} of {}", self.n);
        let [x, y] = [i, j].map(|i| {
            let start = i / LANES * LANES * self.width + i % LANES;
            self.panels[start..].iter().step_by(LANES).take(self.width)
        });
        let differences = x.zip(y).map(|(x, y)| x - y);
        match self.metric {
            Metric::Manhattan => differences.fold(0.0, |sum, d| sum + d.abs()),
            Metric::Chebyshev => differences.fold(0.0, |greatest, d| f64::max(greatest, d.abs())),
            Metric::SquaredEuclidean => differences.fold(0.0, |sum, d| sum + d * d),
            Metric::Euclidean => differences.fold(0.0, |sum, d| sum + d * d).sqrt(),
            Metric::Cosine => differences.fold(0.0, |sum, d| sum + d * d) * 0.5,
        }
    }

    /// Distances from `x`, a row as [`row`](Rows::row) gives them, to `rows`.
    ///
    /// # Panics
    /// If there are no such rows, or unless there is one place in `out` for each, or if `x` has another width.
    pub fn distances(&self, x: &[f64], rows: Range<usize>, out: &mut [f64]) {
        assert!(rows.start <= rows.end && rows.end <= self.n, "rows {rows:?} of {}", self.n);
        assert!(x.len() == self.width && out.len() == rows.len(), "one place per row, one number per column");
        let panel = LANES * self.width;
        let mut at = rows.start;
        while at < rows.end {
            let (number, lane) = (at / LANES, at % LANES);
            let whole = if lane == 0 { (rows.end - at) / LANES } else { 0 };
            let filled = at - rows.start;
            if whole > 0 {
                let panels = &self.panels[number * panel..][..whole * panel];
                self.sum(x, panels, &mut out[filled..][..whole * LANES]);
                at += whole * LANES;
            } else {
                let mut edge = [0.0; LANES];
                self.sum(x, &self.panels[number * panel..][..panel], &mut edge);
                let n = (LANES - lane).min(rows.end - at);
                out[filled..][..n].copy_from_slice(&edge[lane..][..n]);
                at += n;
            }
        }
        match self.metric {
            Metric::Euclidean => out.iter_mut().for_each(|d| *d = d.sqrt()),
            Metric::Cosine => out.iter_mut().for_each(|d| *d *= 0.5),
            _ => {}
        }
    }

    fn sum(&self, x: &[f64], panels: &[f64], out: &mut [f64]) {
        match self.metric {
            Metric::Manhattan => manhattan(x, panels, out),
            Metric::Chebyshev => chebyshev(x, panels, out),
            Metric::Euclidean | Metric::SquaredEuclidean | Metric::Cosine => squared(x, panels, out),
        }
    }

    /// Distances from each of `from` to each of `to`, a piece at a time: `visit(n, first, distances)` with the distances
    /// from the `n`-th row of `from` to those from `first` on. For one row, pieces come in ascending order.
    ///
    /// Faster than one row after the other, which would read the whole matrix from memory for each.
    ///
    /// # Panics
    /// If there are no such rows.
    pub fn sweep(
        &self,
        from: impl IntoIterator<Item = usize>,
        to: Range<usize>,
        mut visit: impl FnMut(usize, usize, &[f64]),
    ) {
        let from: Vec<Vec<f64>> = from.into_iter().map(|i| self.row(i)).collect();
        let tile = (TILE_BYTES / (8 * self.width)).clamp(LANES, 64 * LANES) / LANES * LANES;
        let mut distances = vec![0.0; tile];
        let mut start = to.start;
        while start < to.end {
            let end = (start / LANES * LANES + tile).min(to.end);
            let distances = &mut distances[..end - start];
            for (n, x) in from.iter().enumerate() {
                self.distances(x, start..end, distances);
                visit(n, start, distances);
            }
            start = end;
        }
    }

    /// A good number of rows for one [`sweep`](Rows::sweep).
    pub const SWEEP: usize = 32;

    /// Distance of every row to its `rank`-th nearest, itself the first; infinite if there are not so many rows.
    ///
    /// Time grows as N² F.
    ///
    /// # Errors
    /// [`Error::Parameter`] for rank 0; [`Error::Cancelled`].
    pub fn nearest_distances(&self, rank: usize, progress: &dyn Progress) -> Result<Vec<f64>> {
        if rank == 0 {
            return Err(Error::parameter("rank", "at least 1", rank));
        }
        if rank > self.n {
            return Ok(vec![f64::INFINITY; self.n]);
        }
        let mut out = vec![0.0; self.n];
        out.par_chunks_mut(Self::SWEEP).enumerate().for_each(|(block, out)| {
            if progress.cancelled() {
                return;
            }
            let start = block * Self::SWEEP;
            let mut nearest = vec![Vec::with_capacity(rank + 1); out.len()];
            self.sweep(start..start + out.len(), 0..self.n, |at, _, distances| {
                let nearest: &mut Vec<f64> = &mut nearest[at];
                for &d in distances {
                    if nearest.len() < rank || d < nearest[rank - 1] {
                        nearest.insert(nearest.partition_point(|v| *v <= d), d);
                        nearest.truncate(rank);
                    }
                }
            });
            out.iter_mut().zip(nearest).for_each(|(out, nearest)| *out = nearest[rank - 1]);
        });
        if progress.cancelled() { Err(Error::Cancelled) } else { Ok(out) }
    }
}

/// What distances between rows need.
///
/// # Errors
/// [`Error::Empty`] without rows or columns; [`Error::NotFinite`]; [`Error::Parameter`] for a value above 1e150, whose
/// square could not be summed.
pub fn check_rows(what: &'static str, matrix: ArrayView2<'_, f64>) -> Result<()> {
    check_not_empty(what, matrix.shape())?;
    check_finite(what, matrix)?;
    match matrix.iter().find(|v| v.abs() > GREATEST) {
        Some(v) => Err(Error::parameter(what, "at most 1e150 in size, or squares are infinite", v)),
        None => Ok(()),
    }
}

/// `√Σ v²`, scaled so that small numbers count.
fn length(row: impl Iterator<Item = f64> + Clone) -> f64 {
    let greatest = row.clone().fold(0.0, |m: f64, v| m.max(v.abs()));
    if greatest == 0.0 { 0.0 } else { greatest * row.map(|v| (v / greatest).powi(2)).sum::<f64>().sqrt() }
}

macro_rules! kernel {
    ($name:ident, |$sum:ident, $difference:ident| $add:expr) => {
        #[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
        fn $name(x: &[f64], panels: &[f64], out: &mut [f64]) {
            for (panel, out) in panels.chunks_exact(LANES * x.len()).zip(out.chunks_exact_mut(LANES)) {
                let mut sums = [0.0; LANES];
                for (x, column) in x.iter().zip(panel.as_chunks::<LANES>().0) {
                    for l in 0..LANES {
                        let ($sum, $difference): (f64, f64) = (sums[l], x - column[l]);
                        sums[l] = $add;
                    }
                }
                out.copy_from_slice(&sums);
            }
        }
    };
}

kernel!(squared, |sum, d| sum + d * d);
kernel!(manhattan, |sum, d| sum + d.abs());
kernel!(chebyshev, |greatest, d| if d.abs() > greatest { d.abs() } else { greatest });

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;
    use crate::NoProgress;

    const ALL: [Metric; 5] =
        [Metric::Euclidean, Metric::SquaredEuclidean, Metric::Manhattan, Metric::Chebyshev, Metric::Cosine];

    fn matrix(n: usize, width: usize) -> Array2<f64> {
        Array2::from_shape_fn((n, width), |(i, k)| ((i * 37 + k * 11) % 101) as f64 / 7.0 - 3.0)
    }

    /// The formula, in one loop.
    fn plain(metric: Metric, x: &[f64], y: &[f64]) -> f64 {
        let differences = || x.iter().zip(y).map(|(x, y)| x - y);
        let squares = || differences().map(|d| d * d).sum::<f64>();
        match metric {
            Metric::Euclidean => squares().sqrt(),
            Metric::SquaredEuclidean => squares(),
            Metric::Manhattan => differences().map(f64::abs).sum(),
            Metric::Chebyshev => differences().map(f64::abs).fold(0.0, f64::max),
            Metric::Cosine => squares() * 0.5,
        }
    }

    #[test]
    fn any_piece_has_the_bits_of_a_plain_loop() {
        for (n, width) in [(1, 1), (15, 3), (16, 2), (17, 5), (70, 9), (100, 400)] {
            for metric in ALL {
                let rows = Rows::new(matrix(n, width).view(), metric).unwrap();
                let row: Vec<_> = (0..n).map(|i| rows.row(i)).collect();
                for (from, to) in [(0..n, 0..n), (n / 2..n, n / 3..n), (0..1, n - 1..n), (0..n, n..n)] {
                    let mut found = vec![vec![]; n];
                    rows.sweep(from.clone(), to.clone(), |at, first, distances| {
                        let i = from.start + at;
                        assert_eq!(first, to.start + found[i].len());
                        found[i].extend_from_slice(distances);
                    });
                    for i in from {
                        let expected: Vec<f64> =
                            to.clone().map(|j| plain(metric, &row[i], &row[j])).collect();
                        assert_eq!(found[i], expected, "{metric:?} {n}x{width}, row {i}");
                        let one: Vec<f64> = to.clone().map(|j| rows.distance(i, j)).collect();
                        assert_eq!(one, expected, "{metric:?} {n}x{width}, row {i}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_cosine_is_one_less_the_scaled_product() {
        let rows =
            Rows::new(array![[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0], [1e-9, 1e-9]].view(), Metric::Cosine);
        let rows = rows.unwrap();
        let mut d = [0.0; 4];
        rows.distances(&rows.row(0), 0..4, &mut d);
        for (d, expected) in d.iter().zip([0.0, 1.0, 2.0, 1.0 - 0.5f64.sqrt()]) {
            assert!((d - expected).abs() < 1e-15, "{d} {expected}");
        }
        // Directions 1e-9 apart: 1 − cos would be 0.
        let near = Rows::new(array![[1.0, 0.0], [1.0, 1e-9]].view(), Metric::Cosine).unwrap();
        let mut d = [0.0];
        near.distances(&near.row(0), 1..2, &mut d);
        assert!((d[0] / 0.5e-18 - 1.0).abs() < 1e-6, "{}", d[0]);
    }

    #[test]
    fn nearest_distances_are_those_of_sorted_rows() {
        let rows = Rows::new(matrix(150, 3).view(), Metric::Manhattan).unwrap();
        for rank in [1, 2, 7, 150] {
            let found = rows.nearest_distances(rank, &NoProgress).unwrap();
            rows.sweep(0..150, 0..150, |i, first, distances| {
                let mut sorted = distances.to_vec();
                assert_eq!((first, sorted.len()), (0, 150));
                sorted.sort_by(f64::total_cmp);
                assert_eq!(found[i], sorted[rank - 1]);
            });
        }
        assert!(rows.nearest_distances(151, &NoProgress).unwrap().iter().all(|d| d.is_infinite()));
        assert!(rows.nearest_distances(0, &NoProgress).is_err());
    }

    #[test]
    fn bad_matrices_are_errors() {
        for metric in ALL {
            assert!(matches!(Rows::new(Array2::zeros((0, 3)).view(), metric), Err(Error::Empty { .. })));
            assert!(matches!(Rows::new(Array2::zeros((3, 0)).view(), metric), Err(Error::Empty { .. })));
            let not_finite = Rows::new(array![[1.0, f64::NAN]].view(), metric);
            assert!(matches!(not_finite, Err(Error::NotFinite { .. })));
            assert!(matches!(Rows::new(array![[1e151]].view(), metric), Err(Error::Parameter { .. })));
        }
        assert!(matches!(
            Rows::new(Array2::zeros((2, 2)).view(), Metric::Cosine),
            Err(Error::Parameter { .. })
        ));
        // Not that the sums overflow where every value is finite.
        let rows = Rows::new(Array2::from_elem((2, 50), 1e150).view(), Metric::Euclidean).unwrap();
        let mut d = [0.0];
        rows.distances(&[-1e150; 50], 0..1, &mut d);
        assert!(d[0].is_finite());
    }
}
