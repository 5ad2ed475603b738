//! Edges between components that none joins.

use ndarray::ArrayView2;
use nonius_core::{Progress, Result};
use serde::{Deserialize, Serialize};

use super::Graph;

/// What becomes of a graph whose samples do not all hang together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disconnected {
    /// Every two components are joined by an edge between their closest samples: C (C − 1)/2 edges for C components,
    /// which takes distances between all samples.
    #[default]
    Complete,
    /// Components stay apart: there are never fewer clusters.
    Forest,
    /// They are an error.
    Error,
}

/// A graph with the edges that were added to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompletedGraph {
    /// The graph, added edges among the others.
    pub graph: Graph,
    /// Edges that were added, the smaller node first, ascending.
    pub added_edges: Vec<[u32; 2]>,
    /// Number of components before that.
    pub n_components: usize,
}

impl Graph {
    /// Deals with components as `disconnected` says. For two components, the edge added joins the samples of least
    /// Euclidean distance of their rows in `features`; of several such pairs the first, by the sample of the later
    /// component, then by that of the earlier.
    ///
    /// # Errors
    /// [`Error::Shape`](nonius_core::Error::Shape) unless there is one row per sample;
    /// [`Error::Parameter`](nonius_core::Error::Parameter) for several components under [`Disconnected::Error`];
    /// [`Error::Cancelled`](nonius_core::Error::Cancelled).
    pub fn completed(
        self,
        features: ArrayView2<'_, f64>,
        disconnected: Disconnected,
        progress: &dyn Progress,
    ) -> Result<CompletedGraph> {
        let _ = (features, disconnected, progress);
        unimplemented!("follows")
    }
}
