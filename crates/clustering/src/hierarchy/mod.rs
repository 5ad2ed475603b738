//! Trees of merges by other linkages than Ward's on a graph.

mod chain;
mod on_graph;
mod spanning_tree;
mod tree;

use ndarray::ArrayView2;
use nonius_core::{Error, Metric, PairDistances, Progress, Result, condensed_distances, condensed_size};
use serde::{Deserialize, Serialize};

use crate::Dendrogram;
use crate::features::rows_of;

pub use on_graph::{GraphLinkage, GraphLinkageParams, graph_linkage};

/// How far two clusters are from one another, by the distances d of their samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Linkage {
    /// `√(2 m_a m_b/(m_a + m_b)) · |mean_a − mean_b|`: each merge adds as little as possible to the sum of squares within
    /// clusters. Euclidean.
    #[default]
    Ward,
    /// Mean of d over all pairs of samples.
    Average(Metric),
    /// Greatest d.
    Complete(Metric),
    /// Mean of the distances of the two parts that were merged last, however many samples they have.
    Weighted(Metric),
    /// Least d: the edges of the minimum spanning tree.
    Single(Metric),
}

impl Linkage {
    fn metric(self) -> Metric {
        match self {
            Linkage::Ward => Metric::Euclidean,
            Linkage::Average(m) | Linkage::Complete(m) | Linkage::Weighted(m) | Linkage::Single(m) => m,
        }
    }
}

/// Parameters of [`linkage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LinkageParams {
    /// How far clusters are from one another. Default: Ward.
    pub linkage: Linkage,
    /// Bytes that the distances of all pairs may take: 4 n (n − 1). Default: 4 GiB, enough for 32 000 samples. Single
    /// linkage needs none: what does not fit it computes again.
    pub memory_limit: u64,
}

impl Default for LinkageParams {
    fn default() -> Self {
        LinkageParams { linkage: Linkage::Ward, memory_limit: 4 << 30 }
    }
}

/// Merges the closest clusters of `features` (one row per sample) again and again, wherever in the scan they lie.
///
/// The tree is that of SciPy 1.17's `linkage`, bit for bit, ties among them: merges ascend in distance. It is found by
/// chains of nearest neighbours, for single linkage by a minimum spanning tree. With d(i∪j, k) for the distance of a
/// cluster k to one just made of i and j, which have n samples each:
///
/// ```text
/// complete  max(d_ik, d_jk)
/// average   (n_i d_ik + n_j d_jk)/(n_i + n_j)
/// weighted  (d_ik + d_jk)/2
/// ward      √(((n_k + n_i) d_ik² + (n_k + n_j) d_jk² − n_k d_ij²)/(n_i + n_j + n_k))
/// ```
///
/// Time and memory grow as n²: for a scan [`ward`](crate::ward) on the [`Graph`](crate::Graph) of its neighbours costs a
/// small part of that, and its clusters hang together.
///
/// ```
/// use ndarray::array;
/// use nonius_clustering::{Cut, Linkage, LinkageParams, Numbering, linkage};
/// use nonius_core::{Metric, NoProgress};
///
/// let features = array![[0.0], [5.0], [6.0], [0.5]];
/// let params = LinkageParams { linkage: Linkage::Average(Metric::Manhattan), ..Default::default() };
/// let tree = linkage(features.view(), &params, &NoProgress)?;
/// assert_eq!(tree.merges(), [[0, 3], [1, 2], [4, 5]]);
/// assert_eq!(tree.distances(), [0.5, 1.0, 5.25]);
/// assert_eq!(tree.labels(Cut::Clusters(2), Numbering::Canonical)?, [0, 1, 1, 0]);
/// # Ok::<(), nonius_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Empty`] without samples or columns; [`Error::Parameter`] for features that are not finite or above 1e150, for
/// rows of zeros with the cosine, and if the distances take more than `memory_limit`; [`Error::Cancelled`].
///
/// # Source
/// D. Müllner, *Modern hierarchical, agglomerative clustering algorithms*, arXiv:1109.2378 (2011), figures 2, 3 and 6.
pub fn linkage(
    features: ArrayView2<'_, f64>,
    params: &LinkageParams,
    progress: &dyn Progress,
) -> Result<Dendrogram> {
    let rows = rows_of(features, params.linkage.metric())?;
    let n = rows.n_rows();
    let merges = match params.linkage {
        Linkage::Single(_) => {
            spanning_tree::merges(&PairDistances::new(rows, params.memory_limit, progress)?, progress)?
        }
        linkage => {
            let need = condensed_size(n);
            if need > u128::from(params.memory_limit) {
                let got = format!(
                    "{} bytes, and the distances of {n} samples take {need}; Ward's method on a graph needs none",
                    params.memory_limit
                );
                return Err(Error::parameter("memory_limit", "enough for the distances of all pairs", got));
            }
            let distances = condensed_distances(&rows, progress)?;
            drop(rows);
            match linkage {
                Linkage::Ward => chain::merges(distances, n, chain::ward, progress)?,
                Linkage::Average(_) => chain::merges(distances, n, chain::average, progress)?,
                Linkage::Weighted(_) => chain::merges(distances, n, chain::weighted, progress)?,
                _ => chain::merges(distances, n, chain::complete, progress)?,
            }
        }
    };
    tree::ascending(n, merges)
}
