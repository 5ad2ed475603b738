//! Small parts of clusters go to their neighbours.

use std::collections::BTreeSet;

use ndarray::ArrayView2;
use nonius_core::{NoProgress, Result};

use super::LabelMap;
use crate::Graph;
use crate::features::check_features;
use crate::ward::{Cluster, merge_cost};

/// A connected part of a cluster.
struct Part {
    label: usize,
    n: f64,
    /// Sum of the rows of its samples.
    sum: Vec<f64>,
    /// Parts of other clusters that it touches.
    around: BTreeSet<usize>,
    /// The part that it was joined to.
    joined: Option<usize>,
}

impl Part {
    fn cluster(&self) -> Cluster<'_> {
        Cluster { sum: &self.sum, n: self.n }
    }
}

impl LabelMap {
    /// Connected parts of clusters with fewer than `min_size` samples go to the neighbouring part of another cluster to
    /// which they add least (the cost of [`ward`](crate::ward())), the smallest first; of parts of one size, and of equal
    /// costs, the one whose first sample comes first. A part that has no neighbour stays, noise stays noise. The numbers of
    /// clusters without samples are closed up.
    ///
    /// A cluster of several parts remains one; to have each part on its own, [`split`](LabelMap::split) before.
    ///
    /// # Errors
    /// As [`boundaries`](LabelMap::boundaries); [`Error::Shape`](nonius_core::Error::Shape) unless `features` have one row
    /// per sample, [`Error::Parameter`](nonius_core::Error::Parameter) unless they are finite.
    pub fn absorbed(
        &self,
        graph: &Graph,
        features: ArrayView2<'_, f64>,
        min_size: usize,
    ) -> Result<LabelMap> {
        self.check(graph)?;
        check_features(features, self.labels.len(), &NoProgress)?;
        let of_sample = self.within_clusters(graph).components().of_sample;
        let mut parts = self.parts(graph, features, &of_sample);
        let size = |part: &Part| part.n as usize;
        let is_small = |part: &Part| size(part) < min_size && !part.around.is_empty();
        let mut small: BTreeSet<(usize, usize)> =
            parts.iter().enumerate().filter(|(_, p)| is_small(p)).map(|(k, p)| (size(p), k)).collect();
        while let Some((_, k)) = small.pop_first() {
            let cost = |other: &usize| merge_cost(parts[k].cluster(), parts[*other].cluster());
            let costs: Vec<(f64, usize)> =
                parts[k].around.iter().map(|other| (cost(other), *other)).collect();
            let Some((_, nearest)) = costs.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)) else { continue };
            // What it joins may now touch other parts of its own cluster.
            let label = parts[nearest].label;
            let mut same: Vec<usize> =
                parts[k].around.iter().copied().filter(|&p| parts[p].label == label).collect();
            same.retain(|&p| p != nearest);
            same.push(k);
            for other in same {
                small.remove(&(size(&parts[other]), other));
                small.remove(&(size(&parts[nearest]), nearest));
                join(&mut parts, nearest, other);
                if is_small(&parts[nearest]) {
                    small.insert((size(&parts[nearest]), nearest));
                }
            }
        }
        let label = |mut part: usize| {
            while let Some(next) = parts[part].joined {
                part = next;
            }
            parts[part].label
        };
        let labels = self.labels.iter().zip(of_sample).map(|(l, part)| l.map(|_| label(part))).collect();
        Ok(LabelMap::closed_up(self.roi.clone(), labels))
    }

    fn parts(&self, graph: &Graph, features: ArrayView2<'_, f64>, of_sample: &[usize]) -> Vec<Part> {
        let mut parts = Vec::<Part>::new();
        for (i, row) in features.outer_iter().enumerate() {
            if of_sample[i] == parts.len() {
                let (sum, around) = (vec![0.0; features.ncols()], BTreeSet::new());
                parts.push(Part { label: self.labels[i].unwrap_or(0), n: 0.0, sum, around, joined: None });
            }
            let part = &mut parts[of_sample[i]];
            part.n += 1.0;
            part.sum.iter_mut().zip(row).for_each(|(s, v)| *s += v);
        }
        for [a, b] in graph.edges().iter().map(|edge| edge.map(|node| node as usize)) {
            let (p, q) = (of_sample[a], of_sample[b]);
            if p != q && self.labels[a].is_some() && self.labels[b].is_some() {
                parts[p].around.insert(q);
                parts[q].around.insert(p);
            }
        }
        parts
    }
}

/// Joins part `other` to part `to`.
fn join(parts: &mut [Part], to: usize, other: usize) {
    let (around, sum) = (std::mem::take(&mut parts[other].around), std::mem::take(&mut parts[other].sum));
    for &p in &around {
        parts[p].around.remove(&other);
        if p != to {
            parts[p].around.insert(to);
            parts[to].around.insert(p);
        }
    }
    parts[other].joined = Some(to);
    parts[to].n += parts[other].n;
    parts[to].sum.iter_mut().zip(sum).for_each(|(s, v)| *s += v);
}
