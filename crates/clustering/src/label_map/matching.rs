//! Which clusters of two maps are the same.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use nonius_core::{Result, check_shape};

use super::LabelMap;

/// What [`LabelMap::matched`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchedClusters {
    /// For every cluster the one of the other map that it corresponds to; None if it shares no position with one that is
    /// left.
    pub partner: Vec<Option<usize>>,
    /// Number of positions that every cluster shares with its partner.
    pub overlap: Vec<usize>,
    /// Number of positions that are used in both maps, noise among them.
    pub n_common: usize,
}

impl LabelMap {
    /// Pairs the clusters of this map with those of another one of the same scan, each with one at most, so that partners
    /// share as many positions as possible in total.
    ///
    /// ```
    /// use nonius_clustering::LabelMap;
    /// use nonius_core::Roi;
    ///
    /// let map = |numbers: &[i64]| LabelMap::from_numbers(Roi::all(&[8]), numbers);
    /// let found = map(&[0, 0, 0, 0, 0, 1, 1, 2])?.matched(&map(&[5, 5, 5, 7, 7, 7, 7, -1])?)?;
    /// assert_eq!((found.partner, found.overlap), (vec![Some(0), Some(1), None], vec![3, 2, 0]));
    /// # Ok::<(), nonius_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`](nonius_core::Error::Shape) unless both are of scans of one shape.
    pub fn matched(&self, other: &LabelMap) -> Result<MatchedClusters> {
        check_shape("scan of the other label map", self.roi.shape(), other.roi.shape())?;
        let is_used = other.roi.mask();
        let n_common = self.roi.gather(is_used.view())?.into_iter().filter(|used| *used).count();
        let mut table = vec![BTreeMap::new(); self.n_clusters];
        for (own, its) in self.labels.iter().zip(self.roi.gather(other.groups().view())?) {
            if let (Some(own), Some(its)) = (own, its) {
                *table[*own].entry(its).or_insert(0) += 1;
            }
        }
        let partner = assignment(&table, other.n_clusters);
        let shared = |(k, partner): (usize, &Option<usize>)| partner.map_or(0, |p| table[k][&p] as usize);
        let overlap = partner.iter().enumerate().map(shared).collect();
        Ok(MatchedClusters { partner, overlap, n_common })
    }
}

/// For every row its column of the assignment with the greatest sum of weights. `table` holds, by row and column, those
/// that are not 0.
///
/// Shortest augmenting paths: Jonker and Volgenant, Computing 38 (1987) 325. Costs are negative weights; column
/// `n_columns + row`, of cost 0, is for the row that stays alone.
fn assignment(table: &[BTreeMap<usize, i64>], n_columns: usize) -> Vec<Option<usize>> {
    let n_all = n_columns + table.len();
    let edges = |row: usize| table[row].iter().map(|(c, w)| (*c, -w)).chain([(n_columns + row, 0)]);
    // Dual variables: cost − u − v is never negative, and 0 for pairs.
    let mut u: Vec<i64> = (0..table.len()).map(|row| edges(row).map(|e| e.1).min().unwrap_or(0)).collect();
    let mut v = vec![0; n_all];
    let mut row_of: Vec<Option<usize>> = vec![None; n_all];
    let mut column_of: Vec<Option<usize>> = vec![None; table.len()];
    for first in 0..table.len() {
        // Shortest way to each column so far, and the row before it.
        let mut reached = BTreeMap::<usize, (i64, usize)>::new();
        let mut open = BinaryHeap::new();
        let mut done = Vec::new();
        let (mut row, mut so_far) = (first, 0);
        let (end, length) = loop {
            for (column, cost) in edges(row) {
                let through = so_far + cost - u[row] - v[column];
                if reached.get(&column).is_none_or(|(d, _)| through < *d) {
                    reached.insert(column, (through, row));
                    open.push(Reverse((through, column)));
                }
            }
            // Each row has a column of its own, so that there is always a free one.
            let Some(Reverse((d, column))) = open.pop() else { return vec![None; table.len()] };
            if reached[&column].0 < d {
                continue;
            }
            match row_of[column] {
                None => break (column, d),
                Some(next) => {
                    done.push((column, d));
                    (row, so_far) = (next, d);
                }
            }
        };
        u[first] += length;
        for (column, d) in done {
            v[column] -= length - d;
            if let Some(row) = row_of[column] {
                u[row] += length - d;
            }
        }
        // Every row on the way moves on to the column that it reached.
        let mut column = Some(end);
        while let Some(free) = column {
            let row = reached[&free].1;
            row_of[free] = Some(row);
            column = column_of[row].replace(free);
        }
    }
    column_of.into_iter().map(|column| column.filter(|c| *c < n_columns)).collect()
}
