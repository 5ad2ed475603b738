//! Graphs, trees of merges, Ward's method.

mod golden;

use ndarray::{Array2, ArrayD, Ix2};
use nonius_clustering::Graph;

/// A golden array of pairs of nodes.
pub(crate) fn pairs(array: &ArrayD<f64>) -> Vec<[u32; 2]> {
    array.rows().into_iter().map(|pair| [pair[0] as u32, pair[1] as u32]).collect()
}

/// A golden array of labels.
pub(crate) fn labels(array: &ArrayD<f64>) -> Vec<usize> {
    array.iter().map(|&label| label as usize).collect()
}

pub(crate) fn matrix(array: &ArrayD<f64>) -> Array2<f64> {
    array.clone().into_dimensionality::<Ix2>().unwrap()
}

pub(crate) fn graph(n_samples: usize, edges: &[[u32; 2]]) -> Graph {
    Graph::from_edges(n_samples, edges.iter().map(|e| e.map(|node| node as usize))).unwrap()
}
