//! Ward's method on a graph.

mod cost;
mod merging;

use ndarray::Array2;
use nonius_core::{Error, Progress, Result};
use serde::{Deserialize, Serialize};

use crate::features::check_features;
use crate::{Dendrogram, Disconnected, Graph};

pub(crate) use cost::Arithmetic;

/// Parameters of [`ward`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct WardParams {
    /// Merging ends when so many clusters are left, from 1 to the number of samples. The merges until then are those of
    /// the full tree. Default: none, merging goes on as long as there are edges.
    pub n_clusters: Option<usize>,
    /// What becomes of a graph of several components. Default: it is completed.
    pub disconnected: Disconnected,
    /// Whether costs are summed in another order and with reciprocals: they then differ in the last bits, merges where
    /// two costs agree to about 10⁻¹². Default: false, the bits of scikit-learn.
    pub fast: bool,
}

/// Merges neighbouring clusters, each time the two whose merger adds least to the sum of squares within clusters.
///
/// `features` are `(sample, feature)`, their samples those of `graph`. With `m` samples and the sum `S` of their rows,
///
/// ```text
/// c(a, b) = m_a m_b/(m_a + m_b) · Σ_f (S_a,f/m_a − S_b,f/m_b)²
/// ```
///
/// is what the merger of a and b adds, and `√(2 c)` its distance: that of two samples is Euclidean. The pair of least
/// `(c, larger node, smaller node)` of all edges is merged. Distances do not always ascend: a merger can bring a centroid
/// nearer to a third cluster ([`Dendrogram::inversions`]).
///
/// Costs are evaluated and compared such that merges and distances are bit for bit those of scikit-learn 1.9.1
/// (`ward_tree`, `AgglomerativeClustering`), which is slower by an order of magnitude; the same for any number of
/// threads.
///
/// Sums replace the features in their memory, which is why these are taken by value: lists and heap add a few per cent
/// for hundreds of features. Time grows about as n log n · features; a cluster that touches many others, as on a graph
/// whose nodes all neighbour one another, makes that n².
///
/// ```
/// use ndarray::array;
/// use nonius_clustering::{Cut, Graph, Neighbors, Numbering, ward};
/// use nonius_core::{NoProgress, Roi};
///
/// // A line of five samples: 0 and 4 are alike, but no neighbours.
/// let features = array![[0.0], [5.0], [6.0], [5.5], [0.0]];
/// let graph = Graph::grid(&Roi::all(&[5]), Neighbors::Direct)?;
/// let tree = ward(features, &graph, &Default::default(), &NoProgress)?;
/// assert_eq!(tree.merges(), [[2, 3], [1, 5], [0, 6], [4, 7]]);
/// assert_eq!(tree.distances()[0], 0.5);
/// assert_eq!(tree.labels(Cut::Clusters(3), Numbering::Canonical)?, [0, 1, 1, 1, 2]);
/// # Ok::<(), nonius_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Shape`] unless there is one row per sample of the graph, [`Error::Empty`] without features;
/// [`Error::Parameter`] for features that are not finite, or so large that a cost is not; for a number of clusters that
/// is 0, above that of samples, or below that of components that stay apart; and for components under
/// [`Disconnected::Error`]. [`Error::Cancelled`].
///
/// # Source
/// Ward, *Hierarchical grouping to optimize an objective function*, J. Am. Stat. Assoc. 58 (1963) 236.
pub fn ward(
    features: Array2<f64>,
    graph: &Graph,
    params: &WardParams,
    progress: &dyn Progress,
) -> Result<Dendrogram> {
    check_features(features.view(), graph.n_samples())?;
    let n_clusters = params.n_clusters.unwrap_or(1);
    if n_clusters == 0 || n_clusters > graph.n_samples() {
        let got = format!("{n_clusters} for {} samples", graph.n_samples());
        return Err(Error::parameter("number of clusters", "from 1 to the number of samples", got));
    }
    let completed = graph.completed(features.view(), params.disconnected, progress)?;
    if params.disconnected == Disconnected::Forest
        && params.n_clusters.is_some_and(|k| k < completed.n_components)
    {
        let got = format!("{n_clusters} for {} components that stay apart", completed.n_components);
        return Err(Error::parameter("number of clusters", "at least the number of components", got));
    }
    let features = match features.is_standard_layout() {
        true => features,
        false => features.as_standard_layout().into_owned(),
    };
    let arithmetic = if params.fast { Arithmetic::Fast } else { Arithmetic::Exact };
    let (merges, distances) = merging::merge(features, &completed.graph, n_clusters, arithmetic, progress)?;
    Ok(Dendrogram::new(graph.n_samples(), merges, distances)?
        .on_graph(completed.n_components, completed.added_edges))
}
