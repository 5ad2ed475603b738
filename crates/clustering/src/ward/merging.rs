//! The cheapest merge, again and again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use ndarray::Array2;
use nonius_core::{Error, Progress, Result};
use rayon::prelude::*;

use super::cost::{Arithmetic, Cluster, PAIRS, costs};
use crate::Graph;

/// Products between two looks at whether to stop: some milliseconds.
const PRODUCTS_PER_LOOK: usize = 1 << 21;

/// New costs are computed in all threads if they take more products than this: fewer take less time than to wake a
/// thread.
const PRODUCTS_IN_PARALLEL: usize = 1 << 18;

/// Merges and their distances, until `n_clusters` or no edges are left.
pub(super) fn merge(
    mut features: Array2<f64>,
    graph: &Graph,
    n_clusters: usize,
    arithmetic: Arithmetic,
    progress: &dyn Progress,
) -> Result<(Vec<[u32; 2]>, Vec<f64>)> {
    let n_features = features.ncols();
    let Some(sums) = features.as_slice_mut() else { return Ok((Vec::new(), Vec::new())) };
    let mut forest = Forest::new(sums, n_features, graph, arithmetic);
    progress.start("comparing neighbours", graph.edges().len() as u64);
    let candidates = forest.candidates(graph, progress);
    progress.finish();
    let candidates = candidates?;

    progress.start("merging clusters", (graph.n_samples() - n_clusters) as u64);
    let merged = forest.merge(candidates, n_clusters, progress);
    progress.finish();
    merged
}

/// A pair of nodes that could be merged, ordered by `(cost, larger node, smaller node)`.
///
/// Costs are not negative, so that their bits ascend as they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    cost: u64,
    nodes: [u32; 2],
}

impl Candidate {
    fn new(cost: f64, a: u32, b: u32) -> Result<Reverse<Self>> {
        if !(2.0 * cost).is_finite() {
            let must_be = "so small that the squares of their differences are finite";
            return Err(Error::parameter("features", must_be, format!("a cost of {cost}")));
        }
        Ok(Reverse(Candidate { cost: cost.to_bits(), nodes: [a.max(b), a.min(b)] }))
    }

    fn distance(&self) -> f64 {
        (2.0 * f64::from_bits(self.cost)).sqrt()
    }
}

/// Clusters as they are at some time. A merged cluster takes the row of one of its parts.
struct Forest<'a> {
    n_features: usize,
    arithmetic: Arithmetic,
    /// Sum of the samples of each cluster, by row.
    sums: &'a mut [f64],
    /// Number of samples, by row.
    counts: Vec<f64>,
    /// Neighbours, by row, as nodes that they are or once were.
    neighbors: Vec<Vec<u32>>,
    /// Row of each node that is a cluster.
    row: Vec<u32>,
    /// Node into which each was merged, at first or later; clusters are their own.
    parent: Vec<u32>,
}

impl<'a> Forest<'a> {
    fn new(sums: &'a mut [f64], n_features: usize, graph: &Graph, arithmetic: Arithmetic) -> Self {
        let n = graph.n_samples();
        let n_nodes = 2 * n - 1;
        Forest {
            n_features,
            arithmetic,
            sums,
            counts: vec![1.0; n],
            neighbors: graph.neighbors(),
            row: (0..n_nodes as u32).collect(),
            parent: (0..n_nodes as u32).collect(),
        }
    }

    fn cluster(&self, node: u32) -> Cluster<'_> {
        let row = self.row[node as usize] as usize;
        Cluster { sum: &self.sums[row * self.n_features..][..self.n_features], n: self.counts[row] }
    }

    fn is_alive(&self, node: u32) -> bool {
        self.parent[node as usize] == node
    }

    /// The cluster that a node belongs to by now; the way there is halved.
    fn root(&mut self, mut node: u32) -> u32 {
        while !self.is_alive(node) {
            let above = self.parent[self.parent[node as usize] as usize];
            self.parent[node as usize] = above;
            node = above;
        }
        node
    }

    /// The costs of all edges of samples.
    fn candidates(&self, graph: &Graph, progress: &dyn Progress) -> Result<Vec<Reverse<Candidate>>> {
        let edges_per_look = (PRODUCTS_PER_LOOK / self.n_features).max(1);
        let of_edges = |edges: &[[u32; 2]]| {
            if progress.cancelled() {
                return Err(Error::Cancelled);
            }
            let mut candidates = Vec::with_capacity(edges.len());
            for same in edges.chunk_by(|e, f| e[0] == f[0]) {
                let a = self.cluster(same[0][0]);
                for few in same.chunks(PAIRS) {
                    let b = std::array::from_fn(|p| self.cluster(few.get(p).unwrap_or(&few[0])[1]));
                    let costs = costs(self.arithmetic, a.sum, a.n, b);
                    for (edge, cost) in few.iter().zip(costs) {
                        candidates.push(Candidate::new(cost, edge[0], edge[1])?);
                    }
                }
            }
            progress.advance(edges.len() as u64);
            Ok(candidates)
        };
        let parts: Vec<Vec<_>> =
            graph.edges().par_chunks(edges_per_look).map(of_edges).collect::<Result<_>>()?;
        Ok(parts.concat())
    }

    fn merge(
        &mut self,
        candidates: Vec<Reverse<Candidate>>,
        n_clusters: usize,
        progress: &dyn Progress,
    ) -> Result<(Vec<[u32; 2]>, Vec<f64>)> {
        let n = self.counts.len();
        let mut heap = BinaryHeap::from(candidates);
        let (mut merges, mut distances) =
            (Vec::with_capacity(n - n_clusters), Vec::with_capacity(n - n_clusters));
        // The last merge that saw each node among its neighbours.
        let mut seen_by = vec![0; self.parent.len()];
        let (mut around, mut mean, mut new_costs) = (Vec::new(), vec![0.0; self.n_features], Vec::new());
        let mut look = Look { progress, products: 0, merges: 0 };
        while merges.len() < n - n_clusters {
            let Some(Reverse(cheapest)) = heap.pop() else { break };
            let [b, a] = cheapest.nodes;
            if !(self.is_alive(a) && self.is_alive(b)) {
                continue;
            }
            let new = (n + merges.len()) as u32;
            merges.push([a, b]);
            distances.push(cheapest.distance());
            self.join(a, b, new, &mut seen_by, &mut around);

            let merged = self.cluster(new);
            mean.iter_mut().zip(merged.sum).for_each(|(mean, sum)| *mean = sum / merged.n);
            let nodes_per_look = (PRODUCTS_PER_LOOK / self.n_features).max(PAIRS);
            for nodes in around.chunks(nodes_per_look) {
                self.costs_into(&mean, merged.n, nodes, &mut new_costs);
                for (&node, &cost) in nodes.iter().zip(&new_costs) {
                    heap.push(Candidate::new(cost, new, node)?);
                }
                look.after(nodes.len() * self.n_features)?;
            }
            look.merges += 1;
            look.after(self.n_features)?;
        }
        progress.advance(look.merges);
        Ok((merges, distances))
    }

    /// Makes `new` of a and b, and writes the clusters around it into `around`.
    fn join(&mut self, a: u32, b: u32, new: u32, seen_by: &mut [u32], around: &mut Vec<u32>) {
        let [row, other] = [a, b].map(|node| self.row[node as usize] as usize);
        self.row[new as usize] = row as u32;
        (self.parent[a as usize], self.parent[b as usize]) = (new, new);
        self.counts[row] += self.counts[other];
        let f = self.n_features;
        let (low, high) = self.sums.split_at_mut(row.max(other) * f);
        let (low, high) = (&mut low[row.min(other) * f..][..f], &mut high[..f]);
        let (sum, addend) = if row < other { (low, high) } else { (high, low) };
        sum.iter_mut().zip(addend).for_each(|(s, t)| *s += *t);

        around.clear();
        seen_by[new as usize] = new;
        let lists = [row, other].map(|row| std::mem::take(&mut self.neighbors[row]));
        for &node in lists.iter().flatten() {
            let node = self.root(node);
            if seen_by[node as usize] != new {
                seen_by[node as usize] = new;
                around.push(node);
            }
        }
        // The roomier list is used again.
        let [p, q] = lists;
        let mut list = if p.capacity() < q.capacity() { q } else { p };
        list.clear();
        list.extend_from_slice(around);
        self.neighbors[row] = list;
    }

    /// Costs of merging the cluster of this mean with each of `nodes`.
    fn costs_into(&self, mean: &[f64], n: f64, nodes: &[u32], out: &mut Vec<f64>) {
        out.clear();
        out.resize(nodes.len(), 0.0);
        let few = |(out, nodes): (&mut [f64], &[u32])| {
            let b = std::array::from_fn(|p| self.cluster(*nodes.get(p).unwrap_or(&nodes[0])));
            out.copy_from_slice(&costs(self.arithmetic, mean, n, b)[..out.len()]);
        };
        if nodes.len() * self.n_features > PRODUCTS_IN_PARALLEL && rayon::current_num_threads() > 1 {
            out.par_chunks_mut(PAIRS).zip(nodes.par_chunks(PAIRS)).for_each(few);
        } else {
            out.chunks_mut(PAIRS).zip(nodes.chunks(PAIRS)).for_each(few);
        }
    }
}

/// Tells how far the work is, and asks whether to stop, now and then.
struct Look<'a> {
    progress: &'a dyn Progress,
    products: usize,
    merges: u64,
}

impl Look<'_> {
    fn after(&mut self, products: usize) -> Result<()> {
        self.products += products;
        if self.products < PRODUCTS_PER_LOOK {
            return Ok(());
        }
        self.products = 0;
        self.progress.advance(std::mem::take(&mut self.merges));
        if self.progress.cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }
}
