//! Edges between components that none joins.

use ndarray::ArrayView2;
use nonius_core::{Error, Progress, Result};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Graph;
use crate::features::check_features;

/// Bytes that an added edge takes while clusters are merged: itself, twice in lists of neighbours, in a heap.
const BYTES_PER_EDGE: usize = 48;

/// Bytes that added edges may take.
const MAX_BYTES: usize = 4 << 30;

/// Products between two looks at whether to stop: some milliseconds.
const PRODUCTS_PER_LOOK: usize = 1 << 21;

/// What becomes of a graph whose samples do not all hang together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disconnected {
    /// Every two components are joined by an edge between their closest samples: C (C − 1)/2 edges for C components,
    /// found by comparing all samples of different components.
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
    /// [`Error::Shape`] unless there is one row per sample, [`Error::Empty`] without features; [`Error::Parameter`] for
    /// features that are not finite, for several components under [`Disconnected::Error`], and for so many that the
    /// edges between them would take more than 4 GiB; [`Error::Cancelled`].
    pub fn completed(
        &self,
        features: ArrayView2<'_, f64>,
        disconnected: Disconnected,
        progress: &dyn Progress,
    ) -> Result<CompletedGraph> {
        check_features(features, self.n_samples)?;
        let components = self.components();
        let n_components = components.n;
        let mut completed = CompletedGraph { graph: self.clone(), added_edges: Vec::new(), n_components };
        match disconnected {
            _ if n_components == 1 => return Ok(completed),
            Disconnected::Forest => return Ok(completed),
            Disconnected::Error => {
                let got = format!("{n_components} components of {} samples", self.n_samples);
                return Err(Error::parameter("graph", "connected", got));
            }
            Disconnected::Complete => {}
        }
        let n_pairs = n_components.saturating_mul(n_components - 1) / 2;
        if n_pairs.saturating_mul(BYTES_PER_EDGE) > MAX_BYTES {
            let need = n_pairs.saturating_mul(BYTES_PER_EDGE);
            let got =
                format!("{n_components}, whose {n_pairs} edges take {need} bytes; leave them apart (forest)");
            return Err(Error::parameter(
                "number of components to join",
                "such that memory holds their edges",
                got,
            ));
        }

        let mut members = vec![Vec::new(); n_components];
        components.of_sample.iter().enumerate().for_each(|(i, &c)| members[c].push(i as u32));
        progress.start("joining components", n_pairs as u64);
        let rows = features.as_standard_layout();
        let closest =
            Closest { rows: rows.as_slice().unwrap_or_default(), n_features: features.ncols(), progress };
        let of_component = |b: usize| (0..b).into_par_iter().map(move |a| (a, b));
        let edge = |(a, b): (usize, usize)| closest.edge(&members[a], &members[b]);
        let added: Result<Vec<[u32; 2]>> =
            (1..n_components).into_par_iter().flat_map(of_component).map(edge).collect();
        progress.finish();

        completed.added_edges = added?;
        completed.added_edges.sort_unstable();
        let edges = [self.edges.as_slice(), &completed.added_edges].concat();
        completed.graph = Graph::new(self.n_samples, edges);
        Ok(completed)
    }
}

/// Finds the closest samples of two components.
struct Closest<'a> {
    rows: &'a [f64],
    n_features: usize,
    progress: &'a dyn Progress,
}

impl Closest<'_> {
    fn row(&self, sample: u32) -> &[f64] {
        &self.rows[sample as usize * self.n_features..][..self.n_features]
    }

    fn edge(&self, a: &[u32], b: &[u32]) -> Result<[u32; 2]> {
        let closest_of = |&q: &u32| self.closest(a, q);
        // The least (distance, sample of b, sample of a): whoever finds it first.
        let least = |p: (f64, u32, u32), q: (f64, u32, u32)| match p.partial_cmp(&q) {
            Some(std::cmp::Ordering::Greater) => q,
            _ => p,
        };
        let closest = b
            .par_iter()
            .map(closest_of)
            .try_reduce(|| (f64::INFINITY, u32::MAX, u32::MAX), |p, q| Ok(least(p, q)));
        let (_, q, p) = closest?;
        self.progress.advance(1);
        Ok([p.min(q), p.max(q)])
    }

    /// The sample among `a` that is closest to `q`, as (squared distance, q, sample).
    fn closest(&self, a: &[u32], q: u32) -> Result<(f64, u32, u32)> {
        let row = self.row(q);
        let mut closest = (f64::INFINITY, q, a.first().copied().unwrap_or(q));
        for samples in a.chunks((PRODUCTS_PER_LOOK / self.n_features).max(1)) {
            if self.progress.cancelled() {
                return Err(Error::Cancelled);
            }
            for &p in samples {
                let d = squared_distance(row, self.row(p), closest.0);
                if d < closest.0 {
                    closest = (d, q, p);
                }
            }
        }
        Ok(closest)
    }
}

/// `Σ (x − y)²`, in ascending order of features; given up, with what there is, once it is above `limit`.
fn squared_distance(x: &[f64], y: &[f64], limit: f64) -> f64 {
    let mut sum = 0.0;
    for (x, y) in x.chunks(32).zip(y.chunks(32)) {
        sum += x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum::<f64>();
        if sum > limit {
            break;
        }
    }
    sum
}
