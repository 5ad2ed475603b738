//! Linkages that know the distances of neighbours only.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use ndarray::ArrayView2;
use nonius_core::{Error, Metric, Progress, Result};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::features::{check_features, rows_of};
use crate::{Dendrogram, Disconnected, Graph};

/// How far a cluster is from its neighbours in a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GraphLinkage {
    /// `(n_i d_ik + n_j d_jk)/(n_i + n_j)` where k neighbours both parts. Not the mean over all pairs of samples.
    #[default]
    Average,
    /// `max(d_ik, d_jk)` where k neighbours both parts. Not the greatest over all pairs of samples.
    Complete,
    /// `min(d_ik, d_jk)`: the minimum spanning tree of the graph.
    Single,
}

/// Parameters of [`graph_linkage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct GraphLinkageParams {
    /// How far clusters are from one another. Default: average.
    pub linkage: GraphLinkage,
    /// How far samples are from one another. Default: Euclidean.
    pub metric: Metric,
    /// What becomes of a graph of several components; edges are added by Euclidean distance whatever the metric. Default:
    /// it is completed.
    pub disconnected: Disconnected,
}

/// Merges the closest neighbours of a graph again and again, by linkages of neighbours.
///
/// Distances are known for edges only, and remain so: where a cluster neighbours one of two parts that are merged, its
/// distance to that part is its distance to both; where it neighbours both, the rule of [`GraphLinkage`] holds. Average
/// and complete linkage are thus what these names mean without a graph only where every sample neighbours every other;
/// they are what scikit-learn does. The pair of least `(distance, larger node, smaller node)` is
/// merged; scikit-learn's choice between equal distances depends on how its heap happens to lie.
///
/// Time grows as n log n for the graph of a scan, and as n² where a cluster touches many others.
///
/// ```
/// use ndarray::array;
/// use nonius_clustering::{Graph, GraphLinkage, GraphLinkageParams, Neighbors, graph_linkage};
/// use nonius_core::{NoProgress, Roi};
///
/// // A line: what is at its ends is alike, but no neighbours.
/// let features = array![[0.0], [5.0], [6.5], [0.0]];
/// let graph = Graph::grid(&Roi::all(&[4]), Neighbors::Direct)?;
/// let params = GraphLinkageParams { linkage: GraphLinkage::Complete, ..Default::default() };
/// let tree = graph_linkage(features.view(), &graph, &params, &NoProgress)?;
/// assert_eq!(tree.merges(), [[1, 2], [0, 4], [3, 5]]);
/// assert_eq!(tree.distances(), [1.5, 5.0, 6.5]);
/// # Ok::<(), nonius_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Shape`] unless there is one row per sample of the graph, [`Error::Empty`] without columns;
/// [`Error::Parameter`] for features that are not finite or above 1e150, for rows of zeros with the cosine, and for
/// components under [`Disconnected::Error`]; [`Error::Cancelled`].
pub fn graph_linkage(
    features: ArrayView2<'_, f64>,
    graph: &Graph,
    params: &GraphLinkageParams,
    progress: &dyn Progress,
) -> Result<Dendrogram> {
    check_features(features, graph.n_samples(), progress)?;
    let rows = rows_of(features, params.metric)?;
    let completed = graph.completed(features, params.disconnected, progress)?;
    let edges = completed.graph.edges();
    let distances: Vec<f64> = edges.par_iter().map(|e| rows.distance(e[0] as usize, e[1] as usize)).collect();
    let forest = Forest::new(graph.n_samples(), edges, &distances, params.linkage);
    let (merges, distances) = forest.merge(progress)?;
    Ok(Dendrogram::new(graph.n_samples(), merges, distances)?
        .on_graph(completed.n_components, completed.added_edges))
}

/// A pair of nodes that could be merged, ordered by `(distance, larger node, smaller node)`.
///
/// Distances are not negative, so that their bits ascend as they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    distance: u64,
    nodes: [u32; 2],
}

impl Candidate {
    fn new(distance: f64, a: u32, b: u32) -> Reverse<Self> {
        Reverse(Candidate { distance: distance.to_bits(), nodes: [a.max(b), a.min(b)] })
    }
}

/// Clusters as they are at some time.
struct Forest {
    linkage: GraphLinkage,
    /// Number of samples of every node; 0 once it is merged.
    size: Vec<f64>,
    /// Neighbours of every node and their distances, ascending by node; among them some that are merged by now.
    neighbors: Vec<Vec<(u32, f64)>>,
    heap: BinaryHeap<Reverse<Candidate>>,
}

impl Forest {
    fn new(n: usize, edges: &[[u32; 2]], distances: &[f64], linkage: GraphLinkage) -> Self {
        let mut neighbors = vec![Vec::new(); n];
        for (&[a, b], &d) in edges.iter().zip(distances) {
            neighbors[a as usize].push((b, d));
            neighbors[b as usize].push((a, d));
        }
        neighbors.iter_mut().for_each(|list| list.sort_unstable_by_key(|(node, _)| *node));
        let heap = edges.iter().zip(distances).map(|(&[a, b], &d)| Candidate::new(d, a, b)).collect();
        Forest { linkage, size: vec![1.0; n], neighbors, heap }
    }

    fn merge(mut self, progress: &dyn Progress) -> Result<(Vec<[u32; 2]>, Vec<f64>)> {
        let n = self.size.len();
        let (mut merges, mut distances) = (Vec::with_capacity(n - 1), Vec::with_capacity(n - 1));
        progress.start("merging clusters", n as u64 - 1);
        while let Some(Reverse(closest)) = self.heap.pop() {
            let [b, a] = closest.nodes;
            if self.size[a as usize] == 0.0 || self.size[b as usize] == 0.0 {
                continue;
            }
            if progress.cancelled() {
                progress.finish();
                return Err(Error::Cancelled);
            }
            self.join(a, b);
            merges.push([a, b]);
            distances.push(f64::from_bits(closest.distance));
            progress.advance(1);
        }
        progress.finish();
        Ok((merges, distances))
    }

    /// Makes a new node of a and b.
    fn join(&mut self, a: u32, b: u32) {
        let new = self.size.len() as u32;
        let [n_a, n_b] = [a, b].map(|node| std::mem::take(&mut self.size[node as usize]));
        self.size.push(n_a + n_b);
        let [of_a, of_b] = [a, b].map(|node| {
            let mut list = std::mem::take(&mut self.neighbors[node as usize]);
            list.retain(|(k, _)| self.size[*k as usize] > 0.0);
            list
        });
        let mut around = Vec::with_capacity(of_a.len() + of_b.len());
        let (mut of_a, mut of_b) = (of_a.into_iter().peekable(), of_b.into_iter().peekable());
        while let Some(k) = of_a.peek().into_iter().chain(of_b.peek()).map(|(k, _)| *k).min() {
            let from_a = of_a.next_if(|(node, _)| *node == k);
            let from_b = of_b.next_if(|(node, _)| *node == k);
            let d = match (from_a, from_b) {
                (Some((_, d_a)), Some((_, d_b))) => match self.linkage {
                    GraphLinkage::Average => (n_a * d_a + n_b * d_b) / (n_a + n_b),
                    GraphLinkage::Complete => d_a.max(d_b),
                    GraphLinkage::Single => d_a.min(d_b),
                },
                (from_a, from_b) => from_a.or(from_b).map_or(f64::INFINITY, |(_, d)| d),
            };
            around.push((k, d));
        }
        for &(k, d) in &around {
            self.neighbors[k as usize].push((new, d));
            self.heap.push(Candidate::new(d, new, k));
        }
        self.neighbors.push(around);
    }
}
