//! The minimum spanning tree.

use nonius_core::{Error, PairDistances, Progress, Result};

use super::tree::Merge;

/// Merges of single linkage: the tree grows from the first sample, always by the sample nearest to it, of several by the
/// first.
pub(super) fn merges(pairs: &PairDistances, progress: &dyn Progress) -> Result<Vec<Merge>> {
    let n = pairs.rows().n_rows();
    let mut to_tree = vec![f64::INFINITY; n];
    let mut outside: Vec<usize> = (1..n).collect();
    let mut distances = vec![0.0; n];
    let mut merges = Vec::with_capacity(n - 1);
    let mut last = 0;
    progress.start("spanning tree", n as u64 - 1);
    while !outside.is_empty() {
        if progress.cancelled() {
            progress.finish();
            return Err(Error::Cancelled);
        }
        pairs.from_row(last, &mut distances);
        let mut best = 0;
        for (at, &k) in outside.iter().enumerate() {
            to_tree[k] = to_tree[k].min(distances[k]);
            if to_tree[k] < to_tree[outside[best]] {
                best = at;
            }
        }
        let next = outside.remove(best);
        // Whichever sample of the tree is the nearest: what joined last is in its cluster at any distance at which the
        // next one is.
        merges.push(Merge { samples: [last as u32, next as u32], distance: to_tree[next] });
        last = next;
        progress.advance(1);
    }
    progress.finish();
    Ok(merges)
}
