//! A tree from merges in any order.

use nonius_core::Result;

use crate::Dendrogram;

/// The clusters of two samples become one at a distance.
#[derive(Debug, Clone, Copy)]
pub(super) struct Merge {
    pub(super) samples: [u32; 2],
    pub(super) distance: f64,
}

/// The tree of `merges`, those of equal distance in the order given.
pub(super) fn ascending(n: usize, mut merges: Vec<Merge>) -> Result<Dendrogram> {
    merges.sort_by(|a, b| a.distance.total_cmp(&b.distance));
    let mut parent: Vec<u32> = (0..(n + merges.len()) as u32).collect();
    let mut root = |mut node: u32, new: u32| {
        while parent[node as usize] != node {
            let above = parent[parent[node as usize] as usize];
            parent[node as usize] = above;
            node = above;
        }
        parent[node as usize] = new;
        node
    };
    let nodes =
        merges.iter().zip(n as u32..).map(|(merge, new)| merge.samples.map(|i| root(i, new))).collect();
    Dendrogram::new(n, nodes, merges.iter().map(|merge| merge.distance).collect())
}
