//! Who is near whom.

use std::sync::atomic::{AtomicU64, Ordering};

use linfa_nn::distance::L2Dist;
use linfa_nn::{KdTree, NearestNeighbour};
use ndarray::ArrayView2;
use nonius_core::{Error, Progress, Result, Rows};
use rayon::prelude::*;

/// With more columns a tree looks at nearly everything, and comparing all pairs is faster: measured from 10 000 to 65 000
/// samples.
const TREE_COLUMNS: usize = 4;

/// The samples within `eps` of every sample, itself among them, ascending. `rows` are the `features`, Euclidean.
pub(super) fn neighbor_lists(
    features: ArrayView2<'_, f64>,
    rows: &Rows,
    eps: f64,
    memory_limit: u64,
    progress: &dyn Progress,
) -> Result<Vec<Vec<u32>>> {
    progress.start("neighbours", rows.n_rows() as u64);
    let memory = Memory { need: AtomicU64::new(0), limit: memory_limit };
    let lists = match rows.width() <= TREE_COLUMNS {
        true => by_tree(features, rows, eps, &memory, progress),
        false => by_comparison(rows, eps, &memory, progress),
    };
    progress.finish();
    let lists = lists?;
    let need = memory.need.into_inner();
    if need > memory_limit {
        let got = format!("{memory_limit} bytes, and neighbours within eps = {eps} take {need}");
        return Err(Error::parameter("memory_limit", "enough for all neighbours", got));
    }
    Ok(lists)
}

/// Bytes of all lists. Beyond the limit neighbours are only counted, so that the error can say how many there are.
struct Memory {
    need: AtomicU64,
    limit: u64,
}

impl Memory {
    fn is_left(&self) -> bool {
        self.need.load(Ordering::Relaxed) <= self.limit
    }

    fn take(&self, n_neighbors: usize) {
        self.need.fetch_add(4 * n_neighbors as u64, Ordering::Relaxed);
    }
}

fn by_tree(
    features: ArrayView2<'_, f64>,
    rows: &Rows,
    eps: f64,
    memory: &Memory,
    progress: &dyn Progress,
) -> Result<Vec<Vec<u32>>> {
    let points = features.as_standard_layout();
    let tree = KdTree.from_batch(&points, L2Dist);
    let tree = tree.map_err(|error| Error::parameter("features", "fit for a tree", error))?;
    // Somewhat farther, by rounding of sums and of small squares: distances are compared below.
    let reach = eps * (1.0 + 1e-9) + 1e-150;
    let near = |i: usize| {
        if progress.cancelled() {
            return Err(Error::Cancelled);
        }
        let found = tree.within_range(points.row(i), reach);
        let found = found.map_err(|error| Error::parameter("features", "fit for a tree", error))?;
        let mut near: Vec<u32> = found.iter().map(|(_, j)| *j as u32).collect();
        near.retain(|&j| rows.distance(i, j as usize) <= eps);
        near.sort_unstable();
        let list = if memory.is_left() { near.clone() } else { Vec::new() };
        memory.take(near.len());
        progress.advance(1);
        Ok(list)
    };
    (0..rows.n_rows()).into_par_iter().map(near).collect()
}

fn by_comparison(rows: &Rows, eps: f64, memory: &Memory, progress: &dyn Progress) -> Result<Vec<Vec<u32>>> {
    let n = rows.n_rows();
    let later_neighbors = |start: usize| {
        if progress.cancelled() {
            return Err(Error::Cancelled);
        }
        let end = (start + Rows::SWEEP).min(n);
        let mut lists = vec![Vec::new(); end - start];
        let keep = memory.is_left();
        let mut n_pairs = 0;
        rows.sweep(start..end, start..n, |at, first, distances| {
            let later = (start + at + 1).saturating_sub(first).min(distances.len());
            let near = ((first + later) as u32..).zip(&distances[later..]).filter(|(_, d)| **d <= eps);
            if keep {
                lists[at].extend(near.map(|(j, _)| j));
            } else {
                n_pairs += near.count();
            }
        });
        n_pairs += lists.iter().map(Vec::len).sum::<usize>();
        memory.take(2 * n_pairs + end - start);
        progress.advance((end - start) as u64);
        Ok(lists)
    };
    let starts: Vec<usize> = (0..n).step_by(Rows::SWEEP).collect();
    let later: Vec<Vec<Vec<u32>>> = starts.into_par_iter().map(later_neighbors).collect::<Result<_>>()?;
    let mut lists: Vec<Vec<u32>> = vec![Vec::new(); n];
    for (i, later) in later.into_iter().flatten().enumerate() {
        later.iter().for_each(|&j| lists[j as usize].push(i as u32));
        lists[i].push(i as u32);
        lists[i].extend(later);
    }
    Ok(lists)
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use nonius_core::{Metric, NoProgress};

    use super::*;

    #[test]
    fn both_ways_find_the_same() {
        for (n, width, eps) in
            [(1, 1, 1.0), (33, 1, 2.0), (400, 2, 3.0), (300, 3, 5f64.sqrt()), (90, 4, 1e9), (90, 2, 1e-170)]
        {
            let x = Array2::from_shape_fn((n, width), |(i, k)| ((i * 31 + k * 17 + i * i) % 23) as f64);
            // Fortran order, which the tree cannot read as it is.
            let x = x.t().as_standard_layout().into_owned().reversed_axes();
            let rows = Rows::new(x.view(), Metric::Euclidean).unwrap();
            let memory = || Memory { need: AtomicU64::new(0), limit: u64::MAX };
            let (by_tree_memory, by_comparison_memory) = (memory(), memory());
            let found = by_tree(x.view(), &rows, eps, &by_tree_memory, &NoProgress).unwrap();
            let expected = by_comparison(&rows, eps, &by_comparison_memory, &NoProgress).unwrap();
            assert_eq!(found, expected, "{n}x{width}");
            let bytes = 4 * expected.iter().map(Vec::len).sum::<usize>() as u64;
            assert_eq!([by_tree_memory, by_comparison_memory].map(|m| m.need.into_inner()), [bytes; 2]);
        }
    }

    #[test]
    fn the_tree_stands_what_is_hard_to_split() {
        // Ever closer to 0, neighbours in the last bit, and a heap on one place.
        let values =
            (0..1000).map(|k| 2f64.powi(-k)).chain((0..100).map(|k| 1.0 + f64::EPSILON * f64::from(k % 2)));
        let values: Vec<f64> = values.chain(std::iter::repeat_n(7.0, 1000)).collect();
        let x = Array2::from_shape_vec((values.len(), 1), values).unwrap();
        let rows = Rows::new(x.view(), Metric::Euclidean).unwrap();
        let lists = neighbor_lists(x.view(), &rows, 0.25, u64::MAX, &NoProgress).unwrap();
        assert_eq!((lists[0].len(), lists[1].len(), lists[1500].len()), (101, 2, 1000));
    }
}
