//! Distances of all pairs of rows.

use rayon::prelude::*;

use crate::{Error, Progress, Result, Rows};

/// Bytes of the distances of all pairs of `n` rows.
pub fn condensed_size(n: usize) -> u128 {
    4 * n as u128 * n.saturating_sub(1) as u128
}

/// Place of the distances of row `i` to those that follow it.
fn start(n: usize, i: usize) -> usize {
    i * (2 * n - i - 1) / 2
}

/// The distance of every pair of rows once: (0, 1), (0, 2), … (0, n − 1), (1, 2), … (n − 2, n − 1).
///
/// They take [`condensed_size`] bytes, which the caller compares with what there is.
///
/// # Errors
/// [`Error::Cancelled`]; [`Error::Parameter`] if there is no such memory.
pub fn condensed_distances(rows: &Rows, progress: &dyn Progress) -> Result<Vec<f64>> {
    let n = rows.n_rows();
    let len = n * (n - 1) / 2;
    let mut condensed = Vec::new();
    if condensed.try_reserve_exact(len).is_err() {
        let got = format!("{n}, whose distances take {} bytes", condensed_size(n));
        return Err(Error::parameter(
            "number of rows",
            "such that the distances of all pairs fit in memory",
            got,
        ));
    }
    condensed.resize(len, 0.0);
    let mut blocks = Vec::with_capacity(n.div_ceil(Rows::SWEEP));
    let mut rest = condensed.as_mut_slice();
    for first in (0..n).step_by(Rows::SWEEP) {
        let block = first..(first + Rows::SWEEP).min(n);
        let (own, others) = rest.split_at_mut(start(n, block.end) - start(n, block.start));
        blocks.push((block, own));
        rest = others;
    }
    progress.start("distances of pairs", len as u64);
    blocks.into_par_iter().for_each(|(block, own)| {
        if progress.cancelled() {
            return;
        }
        let origin = start(n, block.start);
        rows.sweep(block.clone(), block.start..n, |at, first, distances| {
            let i = block.start + at;
            let skipped = (i + 1).saturating_sub(first).min(distances.len());
            let distances = &distances[skipped..];
            if !distances.is_empty() {
                let place = start(n, i) - origin + (first + skipped - i - 1);
                own[place..place + distances.len()].copy_from_slice(distances);
            }
        });
        progress.advance(own.len() as u64);
    });
    progress.finish();
    if progress.cancelled() { Err(Error::Cancelled) } else { Ok(condensed) }
}

/// Distances from any row to all others: kept if they fit into memory, otherwise computed whenever they are asked for.
/// The bits are the same.
#[derive(Debug)]
pub struct PairDistances {
    rows: Rows,
    kept: Option<Vec<f64>>,
}

/// Rows to which distances are computed at a time.
const CHUNK: usize = 1024;

impl PairDistances {
    /// Distances of the pairs of `rows`, kept if they take at most `memory_limit` bytes.
    ///
    /// # Errors
    /// [`Error::Cancelled`].
    pub fn new(rows: Rows, memory_limit: u64, progress: &dyn Progress) -> Result<Self> {
        let fits = condensed_size(rows.n_rows()) <= u128::from(memory_limit);
        let kept = match fits.then(|| condensed_distances(&rows, progress)) {
            Some(Err(Error::Cancelled)) => return Err(Error::Cancelled),
            kept => kept.and_then(Result::ok),
        };
        Ok(PairDistances { rows, kept })
    }

    /// The rows.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Distance of every row to its `rank`-th nearest, as [`Rows::nearest_distances`] gives it.
    ///
    /// # Errors
    /// [`Error::Parameter`] for rank 0; [`Error::Cancelled`].
    pub fn nearest_distances(&self, rank: usize, progress: &dyn Progress) -> Result<Vec<f64>> {
        let n = self.rows.n_rows();
        if self.kept.is_none() || rank == 0 || rank > n {
            return self.rows.nearest_distances(rank, progress);
        }
        let mut nearest = vec![0.0; n];
        nearest.par_chunks_mut(Rows::SWEEP).enumerate().for_each(|(block, nearest)| {
            if progress.cancelled() {
                return;
            }
            let mut distances = vec![0.0; n];
            for (at, nearest) in nearest.iter_mut().enumerate() {
                self.from_row(block * Rows::SWEEP + at, &mut distances);
                *nearest = *distances.select_nth_unstable_by(rank - 1, f64::total_cmp).1;
            }
        });
        if progress.cancelled() { Err(Error::Cancelled) } else { Ok(nearest) }
    }

    /// Distances from row `i` to every row.
    ///
    /// # Panics
    /// If there is no such row, or unless there is one place in `out` for each.
    pub fn from_row(&self, i: usize, out: &mut [f64]) {
        let n = self.rows.n_rows();
        assert_eq!(out.len(), n, "one place per row");
        match &self.kept {
            None => {
                let x = self.rows.row(i);
                out.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, out)| {
                    let first = chunk * CHUNK;
                    self.rows.distances(&x, first..first + out.len(), out);
                });
            }
            Some(kept) => {
                let mut place = i.saturating_sub(1);
                for (j, out) in out[..i].iter_mut().enumerate() {
                    *out = kept[place];
                    place += n - j - 2;
                }
                out[i] = 0.0;
                out[i + 1..].copy_from_slice(&kept[start(n, i)..][..n - i - 1]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::{Metric, NoProgress};

    #[test]
    fn kept_or_not_the_bits_are_the_same() {
        for n in [1, 2, 3, 31, 32, 33, 1100] {
            let matrix = Array2::from_shape_fn((n, 3), |(i, k)| ((i * 37 + k * 11) % 101) as f64 / 7.0);
            let rows = Rows::new(matrix.view(), Metric::Euclidean).unwrap();
            let kept = PairDistances::new(rows.clone(), condensed_size(n) as u64, &NoProgress).unwrap();
            let again = PairDistances::new(rows.clone(), 0, &NoProgress).unwrap();
            assert!(kept.kept.is_some() && (again.kept.is_none() || n == 1));
            let (mut a, mut b) = (vec![f64::NAN; n], vec![f64::NAN; n]);
            for i in 0..n {
                kept.from_row(i, &mut a);
                again.from_row(i, &mut b);
                assert_eq!(a, b, "row {i} of {n}");
            }
            for rank in [1, n.div_ceil(2), n, n + 1] {
                let of = |pairs: &PairDistances| pairs.nearest_distances(rank, &NoProgress).unwrap();
                assert_eq!(of(&kept), of(&again), "rank {rank} of {n}");
            }
            assert!(kept.nearest_distances(0, &NoProgress).is_err());
            let condensed = condensed_distances(&rows, &NoProgress).unwrap();
            assert_eq!(condensed.len() * 8, condensed_size(n) as usize);
        }
    }
}
