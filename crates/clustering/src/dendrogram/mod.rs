//! A tree of merges.

mod cut;

use ndarray::Array2;
use nonius_core::{Error, Result, check_shape};

pub use cut::{Cut, Numbering};

/// The order in which samples were merged into clusters.
///
/// Nodes 0 to `n_samples − 1` are the samples; merge k makes node `n_samples + k`. Merges stand in the order in which they
/// were made, which for trees on a graph is not that of ascending distances ([`inversions`](Dendrogram::inversions)). A
/// tree that was stopped early, or one of components that were never joined, has several roots.
#[derive(Debug, Clone, PartialEq)]
pub struct Dendrogram {
    n_samples: usize,
    merges: Vec<[u32; 2]>,
    distances: Vec<f64>,
    added_edges: Vec<[u32; 2]>,
    n_components: usize,
}

impl Dendrogram {
    /// A tree of `merges`, each of two nodes that exist by then and were not merged before; which of them stands first
    /// does not matter.
    ///
    /// # Errors
    /// [`Error::Parameter`] for no samples or more than 2³¹, for merges of other nodes, for distances that are negative
    /// or not finite; [`Error::Shape`] unless there is one distance for each merge.
    pub fn new(n_samples: usize, merges: Vec<[u32; 2]>, distances: Vec<f64>) -> Result<Self> {
        if n_samples == 0 || n_samples > 1 << 31 {
            return Err(Error::parameter("number of samples", "at least 1 and at most 2^31", n_samples));
        }
        check_shape("distances of merges", &[merges.len()], &[distances.len()])?;
        let mut merges = merges;
        let mut merged = vec![false; n_samples + merges.len()];
        for (k, merge) in merges.iter_mut().enumerate() {
            merge.sort_unstable();
            let [a, b] = merge.map(|node| node as usize);
            if a == b || b >= n_samples + k || merged[a] || merged[b] {
                let must_be = "of two nodes that were made before and not merged yet";
                return Err(Error::parameter("merge", must_be, format!("{merge:?} as number {k}")));
            }
            (merged[a], merged[b]) = (true, true);
        }
        if let Some(d) = distances.iter().find(|d| !(d.is_finite() && **d >= 0.0)) {
            return Err(Error::parameter("distance of a merge", "finite and at least 0", d));
        }
        Ok(Dendrogram { n_samples, merges, distances, added_edges: Vec::new(), n_components: 1 })
    }

    /// The same tree, with what became of a graph of `n_components` components before it was made.
    pub(crate) fn on_graph(mut self, n_components: usize, added_edges: Vec<[u32; 2]>) -> Self {
        self.n_components = n_components;
        self.added_edges = added_edges;
        self
    }

    /// Number of samples.
    pub fn n_samples(&self) -> usize {
        self.n_samples
    }

    /// The two nodes of every merge, the smaller first.
    pub fn merges(&self) -> &[[u32; 2]] {
        &self.merges
    }

    /// Distance of the two nodes of every merge; what it measures depends on the method.
    pub fn distances(&self) -> &[f64] {
        &self.distances
    }

    /// Edges that were added to a graph of several components, the smaller node first, ascending.
    pub fn added_edges(&self) -> &[[u32; 2]] {
        &self.added_edges
    }

    /// Number of components of the graph before edges were added; 1 without a graph.
    pub fn n_components(&self) -> usize {
        self.n_components
    }

    /// Number of nodes that were not merged: 1 for a full tree.
    pub fn n_roots(&self) -> usize {
        self.n_samples - self.merges.len()
    }

    /// How many merges have a smaller distance than the one before.
    pub fn inversions(&self) -> usize {
        self.distances.windows(2).filter(|d| d[1] < d[0]).count()
    }

    /// Parent of every node; a root is its own.
    pub fn parents(&self) -> Vec<u32> {
        let n = self.n_samples;
        let mut parents: Vec<u32> = (0..(n + self.merges.len()) as u32).collect();
        for (k, merge) in self.merges.iter().enumerate() {
            merge.iter().for_each(|&node| parents[node as usize] = (n + k) as u32);
        }
        parents
    }

    /// Number of samples of every node.
    pub fn sizes(&self) -> Vec<usize> {
        let mut sizes = vec![1; self.n_samples];
        for &[a, b] in &self.merges {
            sizes.push(sizes[a as usize] + sizes[b as usize]);
        }
        sizes
    }

    /// Distance of the merge that brought two samples together: 0 for a sample and itself, infinite for samples under
    /// different roots.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a number that is no sample.
    pub fn cophenetic(&self, i: usize, j: usize) -> Result<f64> {
        let n = self.n_samples;
        if i.max(j) >= n {
            return Err(Error::parameter(
                "sample",
                "below the number of samples",
                format!("{} of {n}", i.max(j)),
            ));
        }
        if i == j {
            return Ok(0.0);
        }
        // Merges in order: the first that finds both.
        let (mut i, mut j) = (i, j);
        for (k, merge) in self.merges.iter().enumerate() {
            let [a, b] = merge.map(|node| node as usize);
            let (holds_i, holds_j) = (i == a || i == b, j == a || j == b);
            if holds_i && holds_j {
                return Ok(self.distances[k]);
            }
            if holds_i {
                i = n + k;
            }
            if holds_j {
                j = n + k;
            }
        }
        Ok(f64::INFINITY)
    }

    /// The merges as rows `(left, right, distance, size)`, as SciPy and its drawing of trees have them. SciPy wants
    /// ascending distances, which a tree on a graph does not always have.
    pub fn linkage_matrix(&self) -> Array2<f64> {
        let sizes = self.sizes();
        Array2::from_shape_fn((self.merges.len(), 4), |(k, column)| match column {
            0 | 1 => f64::from(self.merges[k][column]),
            2 => self.distances[k],
            _ => sizes[self.n_samples + k] as f64,
        })
    }
}
