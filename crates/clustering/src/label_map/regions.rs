//! What neighbours have to do with labels.

use ndarray::ArrayD;
use nonius_core::{Result, check_shape};

use super::LabelMap;
use crate::Graph;

impl LabelMap {
    /// True at positions of which a neighbour is in another cluster; noise counts as one. The border of the scan and of the
    /// region of interest are none.
    ///
    /// # Errors
    /// [`Error::Shape`](nonius_core::Error::Shape) unless the graph is of the samples of this map.
    pub fn boundaries(&self, graph: &Graph) -> Result<ArrayD<bool>> {
        self.check(graph)?;
        let mut is_boundary = vec![false; self.labels.len()];
        for [a, b] in graph.edges().iter().map(|edge| edge.map(|node| node as usize)) {
            if self.labels[a] != self.labels[b] {
                (is_boundary[a], is_boundary[b]) = (true, true);
            }
        }
        Ok(self.spread(is_boundary, false))
    }

    /// Every connected part of a cluster as a cluster, numbered in the order of their first samples.
    ///
    /// # Errors
    /// As [`boundaries`](LabelMap::boundaries).
    pub fn split(&self, graph: &Graph) -> Result<LabelMap> {
        self.check(graph)?;
        let parts = self.within_clusters(graph).components().of_sample;
        let labels = self.labels.iter().zip(parts).map(|(label, part)| label.map(|_| part)).collect();
        Ok(LabelMap::closed_up(self.roi.clone(), labels))
    }

    /// Every sample takes the label that most of its neighbours and itself have, noise being one of the labels. Where
    /// several have as many, a sample keeps its own if that is among them, and else takes the smallest; a cluster that
    /// has no sample left is gone, and the numbers are closed up.
    ///
    /// # Errors
    /// As [`boundaries`](LabelMap::boundaries).
    pub fn majority_filtered(&self, graph: &Graph) -> Result<LabelMap> {
        self.check(graph)?;
        let mut votes = Vec::new();
        let neighbors = graph.neighbors();
        let labels = neighbors.iter().zip(&self.labels).map(|(neighbors, own)| {
            votes.clear();
            votes.push(*own);
            votes.extend(neighbors.iter().map(|&node| self.labels[node as usize]));
            // Noise last.
            votes.sort_unstable_by_key(|label| label.unwrap_or(usize::MAX));
            let mut best = (0, *own);
            for same in votes.chunk_by(|a, b| a == b) {
                if same.len() > best.0 || (same.len() == best.0 && same[0] == *own) {
                    best = (same.len(), same[0]);
                }
            }
            best.1
        });
        let labels = labels.collect();
        Ok(LabelMap::closed_up(self.roi.clone(), labels))
    }

    pub(super) fn check(&self, graph: &Graph) -> Result<()> {
        check_shape("samples of a graph", &[self.labels.len()], &[graph.n_samples()])
    }

    /// The edges that do not leave a cluster.
    pub(super) fn within_clusters(&self, graph: &Graph) -> Graph {
        graph.filtered(|[a, b]| self.labels[a as usize] == self.labels[b as usize])
    }
}
