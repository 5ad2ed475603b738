//! How many clusters a tree suggests.

use nonius_core::{Error, Result};

use crate::Dendrogram;

/// What [`suggest_clusters`] found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClusterSuggestion {
    /// Number of clusters before the jump.
    pub n_clusters: usize,
    /// Distance of the merge after which there would be one fewer, over that of the merge before; above 1. Infinite if
    /// that was 0: the clusters' samples coincide.
    pub jump: f64,
}

/// The number of clusters, from 2 to `max_clusters`, whose next merge has the largest distance for the one before it.
///
/// ```text
/// K with the greatest d(K → K − 1)/d(K + 1 → K)
/// ```
///
/// Distances of merges as they are on a graph, not always ascending, are replaced by their greatest so far. Of several
/// equal jumps the one to the fewest clusters counts. None if no merge is farther than that before it, or if there are not
/// two merges to compare. A jump of 2 and more is plain to see in a drawing of the tree; smaller ones say little.
///
/// ```
/// use nonius_clustering::{LinkageParams, linkage, suggest_clusters};
/// use nonius_core::NoProgress;
///
/// let features = ndarray::array![[0.0], [1.0], [2.0], [50.0], [51.0], [90.0], [91.5]];
/// let tree = linkage(features.view(), &LinkageParams::default(), &NoProgress)?;
/// assert_eq!(suggest_clusters(&tree, 6)?.unwrap().n_clusters, 3);
/// # Ok::<(), nonius_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Parameter`] unless `max_clusters` is at least 2.
pub fn suggest_clusters(tree: &Dendrogram, max_clusters: usize) -> Result<Option<ClusterSuggestion>> {
    if max_clusters < 2 {
        return Err(Error::parameter("max_clusters", "at least 2", max_clusters));
    }
    let mut greatest: f64 = 0.0;
    let ascending: Vec<f64> = tree
        .distances()
        .iter()
        .map(|d| {
            greatest = greatest.max(*d);
            greatest
        })
        .collect();
    let mut best: Option<ClusterSuggestion> = None;
    // Merge m leads from n − m clusters to one fewer; from the last merge back, clusters become more.
    for m in (1..ascending.len()).rev() {
        let n_clusters = tree.n_samples() - m;
        if n_clusters > max_clusters {
            break;
        }
        let jump = ascending[m] / ascending[m - 1];
        if jump > best.map_or(1.0, |best| best.jump) {
            best = Some(ClusterSuggestion { n_clusters, jump });
        }
    }
    Ok(best)
}
