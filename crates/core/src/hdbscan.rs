//! Clusters of points by density, whatever their number and shape: HDBSCAN, exact.

use std::collections::VecDeque;

use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use crate::error::check_finite;
use crate::{Error, Metric, PairDistances, Progress, Result, Rows};

/// Bytes of distances that are kept rather than computed again: those of 16 000 points.
const KEPT: u64 = 1 << 30;

/// Parameters of [`hdbscan`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct HdbscanParams {
    /// Fewer points than this make no cluster. At least 2. Default: 5.
    pub min_cluster_size: usize,
    /// The core distance of a point is that to its `min_samples`-th nearest other point: the more, the smoother the
    /// density and the more points are noise. At least 1; more than there are other points counts as all of them.
    /// Default: 5.
    pub min_samples: usize,
}

impl Default for HdbscanParams {
    fn default() -> Self {
        HdbscanParams { min_cluster_size: 5, min_samples: 5 }
    }
}

impl HdbscanParams {
    /// [`Error::Parameter`] for the first field that is out of range.
    pub fn validate(&self) -> Result<()> {
        if self.min_cluster_size < 2 {
            return Err(Error::parameter("min_cluster_size", "at least 2", self.min_cluster_size));
        }
        if self.min_samples < 1 {
            return Err(Error::parameter("min_samples", "at least 1", self.min_samples));
        }
        Ok(())
    }
}

/// What [`hdbscan`] found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HdbscanClusters {
    /// Cluster of each point, numbered from 0; None: noise.
    pub labels: Vec<Option<usize>>,
    /// How deep in its cluster each point is, 0 to 1; 0 for noise.
    pub probabilities: Vec<f64>,
    /// Excess of mass of each cluster, `Σ (λ − λ_birth)` over its points with `λ = 1/distance`: the greater, the more
    /// it stands out. Infinite for a cluster of points that coincide.
    pub stabilities: Vec<f64>,
}

/// Clusters of `points` (one row each, any number of columns) by density, Euclidean distance.
///
/// ```text
/// core_i = distance to the min_samples-th nearest other point
/// d'_ij  = max(d_ij, core_i, core_j)              mutual reachability
/// ```
///
/// The minimum spanning tree of d′ is cut from its longest edge down. Where both sides keep `min_cluster_size`
/// points, two clusters are born at `λ = 1/d'`; a smaller side is points that leave. Those clusters are taken whose
/// excess of mass `S = Σ (λ_leave − λ_birth)` is at least the sum of those within them (never all points as one
/// cluster). The probability of a point is `min(λ_point, λ_max)/λ_max`, with λ_max the last departure from its
/// cluster. Source: Campello, Moulavi and Sander, *Density-based clustering based on hierarchical density estimates*,
/// PAKDD 2013.
///
/// The tree is exact, and edges of equal weight are taken away together, as the source says: the order of the rows does
/// not matter. (scikit-learn and the package hdbscan take them one after the other in an order that their sorting
/// leaves, so that a point which leaves at the very weight at which two clusters are born may fall to one of them; here
/// it is noise.) Time grows as n²; so does memory up to 16 000 points, and as n beyond.
///
/// ```
/// use ndarray::array;
/// use nonius_core::{HdbscanParams, NoProgress, hdbscan};
///
/// let points = array![[0.0], [0.1], [0.2], [5.0], [5.1], [5.2], [50.0]];
/// let found = hdbscan(points.view(), &HdbscanParams { min_cluster_size: 3, min_samples: 1 }, &NoProgress)?;
/// assert_eq!(found.labels, [Some(0), Some(0), Some(0), Some(1), Some(1), Some(1), None]);
/// # Ok::<(), nonius_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Parameter`] as [`HdbscanParams::validate`]; [`Error::NotFinite`];
/// [`Error::Empty`] for several points without coordinates; [`Error::Cancelled`]. No point is no error, nor is one:
/// noise.
pub fn hdbscan(
    points: ArrayView2<'_, f64>,
    params: &HdbscanParams,
    progress: &dyn Progress,
) -> Result<HdbscanClusters> {
    params.validate()?;
    check_finite("points", points)?;
    let n = points.nrows();
    if n < 2 {
        return Ok(HdbscanClusters {
            labels: vec![None; n],
            probabilities: vec![0.0; n],
            stabilities: vec![],
        });
    }
    // Squares of greater numbers could be infinite.
    let unit = if points.iter().any(|v| v.abs() > 1e150) { 2f64.powi(600) } else { 1.0 };
    let rows = Rows::new((&points / unit).view(), Metric::Euclidean)?;
    let pairs = PairDistances::new(rows, KEPT, progress)?;
    // Itself is the nearest of all.
    let core = pairs.nearest_distances(params.min_samples.saturating_add(1).min(n), progress)?;
    let mut edges = spanning_tree(&pairs, &core, progress)?;
    edges.iter_mut().for_each(|(_, _, distance)| *distance *= unit);
    let merges = merge_tree(edges, n);
    let tree = CondensedTree::new(&merges, n, params.min_cluster_size);
    Ok(tree.clusters(n))
}

/// The minimum spanning tree of the mutual reachability, grown from the first point: edges ascending.
fn spanning_tree(
    pairs: &PairDistances,
    core: &[f64],
    progress: &dyn Progress,
) -> Result<Vec<(usize, usize, f64)>> {
    let n = core.len();
    // For each point outside the tree: the nearest within, and its distance.
    let mut nearest = vec![(0, f64::INFINITY); n];
    let mut outside: Vec<usize> = (1..n).collect();
    let mut edges = Vec::with_capacity(n - 1);
    let mut distances = vec![0.0; n];
    let mut last = 0;
    progress.start("spanning tree", n as u64 - 1);
    while !outside.is_empty() {
        if progress.cancelled() {
            progress.finish();
            return Err(Error::Cancelled);
        }
        pairs.from_row(last, &mut distances);
        let mut best = 0;
        for (at, &j) in outside.iter().enumerate() {
            let d = distances[j].max(core[last]).max(core[j]);
            if d < nearest[j].1 {
                nearest[j] = (last, d);
            }
            if nearest[j].1 < nearest[outside[best]].1 {
                best = at;
            }
        }
        // Not swapped: the order of the rest decides ties.
        last = outside.remove(best);
        edges.push((nearest[last].0, last, nearest[last].1));
        progress.advance(1);
    }
    progress.finish();
    edges.sort_by(|a, b| a.2.total_cmp(&b.2));
    Ok(edges)
}

/// Two nodes become one at a distance. Nodes below n are points; `n + k` is the k-th merge.
struct Merge {
    children: [usize; 2],
    distance: f64,
    size: usize,
}

/// The binary tree that the edges, ascending, make.
fn merge_tree(edges: Vec<(usize, usize, f64)>, n: usize) -> Vec<Merge> {
    let mut parent: Vec<usize> = (0..2 * n).collect();
    fn root(parent: &mut [usize], mut node: usize) -> usize {
        while parent[node] != node {
            parent[node] = parent[parent[node]];
            node = parent[node];
        }
        node
    }
    let mut merges: Vec<Merge> = Vec::with_capacity(n - 1);
    for (i, j, distance) in edges {
        let children = [root(&mut parent, i), root(&mut parent, j)];
        let size = children.iter().map(|&c| node_size(&merges, n, c)).sum();
        let node = n + merges.len();
        for child in children {
            parent[child] = node;
        }
        merges.push(Merge { children, distance, size });
    }
    merges
}

fn node_size(merges: &[Merge], n: usize, node: usize) -> usize {
    if node < n { 1 } else { merges[node - n].size }
}

/// What is left of a node when all its edges of the greatest weight are taken away: more than two parts if several have
/// it, whichever of them came first.
fn parts(merges: &[Merge], n: usize, node: usize) -> Vec<usize> {
    let distance = merges[node - n].distance;
    let mut parts = merges[node - n].children.to_vec();
    let mut at = 0;
    while at < parts.len() {
        match parts[at].checked_sub(n) {
            Some(merge) if merges[merge].distance == distance => {
                let [first, second] = merges[merge].children;
                parts[at] = first;
                parts.push(second);
            }
            _ => at += 1,
        }
    }
    parts
}

/// Where points leave and clusters are born. Cluster 0 is the root.
struct CondensedTree {
    /// `(point, cluster that it leaves, λ)`, one per point.
    departures: Vec<(usize, usize, f64)>,
    clusters: Vec<Cluster>,
}

struct Cluster {
    parent: usize,
    birth: f64,
    size: usize,
}

impl CondensedTree {
    fn new(merges: &[Merge], n: usize, min_cluster_size: usize) -> Self {
        let top = n + merges.len() - 1;
        let mut tree = CondensedTree {
            departures: Vec::with_capacity(n),
            clusters: vec![Cluster { parent: 0, birth: 0.0, size: n }],
        };
        let mut queue = VecDeque::from([(top, 0)]);
        while let Some((node, cluster)) = queue.pop_front() {
            let lambda = 1.0 / merges[node - n].distance;
            let parts = parts(merges, n, node);
            let large = |part: usize| node_size(merges, n, part) >= min_cluster_size;
            let split = parts.iter().filter(|&&part| large(part)).count() > 1;
            for part in parts {
                if !large(part) {
                    tree.leave(merges, n, part, cluster, lambda);
                } else if split {
                    let size = node_size(merges, n, part);
                    queue.push_back((part, tree.clusters.len()));
                    tree.clusters.push(Cluster { parent: cluster, birth: lambda, size });
                } else {
                    queue.push_back((part, cluster));
                }
            }
        }
        tree
    }

    /// All points below `node` leave `cluster`.
    fn leave(&mut self, merges: &[Merge], n: usize, node: usize, cluster: usize, lambda: f64) {
        let mut stack = vec![node];
        while let Some(node) = stack.pop() {
            if node < n {
                self.departures.push((node, cluster, lambda));
            } else {
                stack.extend(merges[node - n].children);
            }
        }
    }

    /// Excess of mass of each cluster.
    fn stabilities(&self) -> Vec<f64> {
        // Points that coincide: born and gone at infinity, nothing in between.
        let lifetime = |lambda: f64, birth: f64| if birth.is_finite() { lambda - birth } else { 0.0 };
        let mut stability = vec![0.0; self.clusters.len()];
        for &(_, cluster, lambda) in &self.departures {
            stability[cluster] += lifetime(lambda, self.clusters[cluster].birth);
        }
        for child in &self.clusters[1..] {
            stability[child.parent] +=
                lifetime(child.birth, self.clusters[child.parent].birth) * child.size as f64;
        }
        stability
    }

    fn clusters(&self, n: usize) -> HdbscanClusters {
        let mut stability = self.stabilities();
        let mut selected = vec![false; self.clusters.len()];
        let mut below = vec![0.0; self.clusters.len()];
        // Children are younger than their parents.
        for c in (1..self.clusters.len()).rev() {
            selected[c] = stability[c] >= below[c];
            stability[c] = stability[c].max(below[c]);
            below[self.clusters[c].parent] += stability[c];
        }
        // The selected cluster on the path to the root; the topmost wins.
        let mut label: Vec<Option<usize>> = vec![None; self.clusters.len()];
        let mut found =
            HdbscanClusters { labels: vec![None; n], probabilities: vec![0.0; n], stabilities: vec![] };
        let mut last_departure = vec![];
        let mut label_of_selected = vec![None; self.clusters.len()];
        for c in 1..self.clusters.len() {
            label[c] = label[self.clusters[c].parent];
            if label[c].is_none() && selected[c] {
                label[c] = Some(found.stabilities.len());
                label_of_selected[c] = label[c];
                found.stabilities.push(stability[c]);
                last_departure.push(0.0_f64);
            }
        }
        let directly_below = self.departures.iter().map(|&(_, cluster, lambda)| (cluster, lambda));
        let born = self.clusters[1..].iter().map(|c| (c.parent, c.birth));
        for (cluster, lambda) in directly_below.chain(born) {
            if let Some(own) = label_of_selected[cluster] {
                last_departure[own] = last_departure[own].max(lambda);
            }
        }
        for &(point, cluster, lambda) in &self.departures {
            found.labels[point] = label[cluster];
            if let Some(own) = label[cluster] {
                let last = last_departure[own];
                let certain = last == 0.0 || lambda.is_infinite();
                found.probabilities[point] = if certain { 1.0 } else { lambda.min(last) / last };
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    use super::*;
    use crate::NoProgress;

    /// Kruskal's tree, edge by edge over all pairs.
    fn plain_tree_weight(pairs: &PairDistances, core: &[f64]) -> Vec<f64> {
        let n = core.len();
        let distance = |i: usize, j: usize| {
            let mut row = vec![0.0; n];
            pairs.from_row(i, &mut row);
            row[j]
        };
        let mut all: Vec<(usize, usize, f64)> = (0..n)
            .flat_map(|i| (0..i).map(move |j| (i, j)))
            .map(|(i, j)| (i, j, distance(i, j).max(core[i]).max(core[j])))
            .collect();
        all.sort_by(|a, b| a.2.total_cmp(&b.2));
        let mut group: Vec<usize> = (0..n).collect();
        let mut weights = vec![];
        for (i, j, d) in all {
            let (from, to) = (group[i], group[j]);
            if from != to {
                group.iter_mut().filter(|g| **g == from).for_each(|g| *g = to);
                weights.push(d);
            }
        }
        weights
    }

    proptest! {
        #[test]
        fn the_tree_is_minimal(values in prop::collection::vec(-9.0..9.0_f64, 6..60), k in 1..4_usize) {
            let n = values.len() / 3;
            let points = Array2::from_shape_vec((n, 3), values[..3 * n].to_vec()).unwrap();
            prop_assume!(n >= 2);
            let rows = Rows::new(points.view(), Metric::Euclidean).unwrap();
            let pairs = PairDistances::new(rows, 0, &NoProgress).unwrap();
            let core = pairs.nearest_distances((k + 1).min(n), &NoProgress).unwrap();
            let edges = spanning_tree(&pairs, &core, &NoProgress).unwrap();
            let plain = plain_tree_weight(&pairs, &core);
            prop_assert_eq!(edges.iter().map(|e| e.2).collect::<Vec<_>>(), plain);
        }

        #[test]
        fn scaling_and_shifting_change_no_label(values in prop::collection::vec(-9.0..9.0_f64, 20..60)) {
            let n = values.len() / 2;
            let points = Array2::from_shape_vec((n, 2), values[..2 * n].to_vec()).unwrap();
            let params = HdbscanParams { min_cluster_size: 3, min_samples: 2 };
            let found = hdbscan(points.view(), &params, &NoProgress).unwrap();
            let scaled = hdbscan((&points * 4.0).view(), &params, &NoProgress).unwrap();
            prop_assert_eq!(&found.labels, &scaled.labels);
            for (label, p) in found.labels.iter().zip(&found.probabilities) {
                prop_assert!((0.0..=1.0).contains(p));
                prop_assert_eq!(label.is_none(), *p == 0.0);
            }
        }
    }

    proptest! {
        /// Whole numbers, many of whose distances are equal.
        #[test]
        fn the_order_of_rows_does_not_matter(values in prop::collection::vec(0..7_u8, 20..80), turn in 1..9_usize) {
            let n = values.len() / 2;
            let points = Array2::from_shape_fn((n, 2), |(i, k)| f64::from(values[2 * i + k]));
            let step = (turn..).find(|&step| gcd(step, n) == 1).unwrap();
            let order: Vec<usize> = (0..n).map(|i| i * step % n).collect();
            let params = HdbscanParams { min_cluster_size: 4, min_samples: 2 };
            let found = hdbscan(points.view(), &params, &NoProgress).unwrap();
            let turned = hdbscan(points.select(ndarray::Axis(0), &order).view(), &params, &NoProgress).unwrap();
            for (a, &i) in order.iter().enumerate() {
                prop_assert_eq!(turned.probabilities[a], found.probabilities[i]);
                for (b, &j) in order.iter().enumerate() {
                    let together = |l: &[Option<usize>], i: usize, j: usize| l[i].is_some() && l[i] == l[j];
                    prop_assert_eq!(together(&turned.labels, a, b), together(&found.labels, i, j));
                }
            }
        }
    }

    fn gcd(a: usize, b: usize) -> usize {
        if b == 0 { a } else { gcd(b, a % b) }
    }

    #[test]
    fn two_blobs_and_noise() {
        let blob =
            |cy: f64, cx: f64| (0..9).map(move |k| [cy + (k / 3) as f64 * 0.1, cx + (k % 3) as f64 * 0.1]);
        let mut rows: Vec<[f64; 2]> = blob(0.0, 0.0).chain(blob(4.0, 3.0)).collect();
        rows.push([20.0, -20.0]);
        let points: Array2<f64> = rows.into();
        let found =
            hdbscan(points.view(), &HdbscanParams { min_cluster_size: 4, min_samples: 2 }, &NoProgress)
                .unwrap();
        assert_eq!(found.stabilities.len(), 2);
        assert!(found.labels[..9].iter().all(|l| *l == found.labels[0] && l.is_some()));
        assert!(found.labels[9..18].iter().all(|l| *l == found.labels[9] && l.is_some()));
        assert_ne!(found.labels[0], found.labels[9]);
        assert_eq!(found.labels[18], None);
        assert!(found.probabilities[..18].iter().all(|&p| p > 0.9));
    }

    #[test]
    fn a_hierarchy_by_hand() {
        // min_samples 1, so core distances are those to the nearest; leaves of size 2 at distances 1 and 1, joined at 3;
        // another pair far away at 2: S of the first two (1 − 1/3)·2 each, of their parent (1/3 − 1/100)·4 = 1.293 < 2.67.
        let points = array![[0.0], [1.0], [4.0], [5.0], [105.0], [107.0]];
        let found =
            hdbscan(points.view(), &HdbscanParams { min_cluster_size: 2, min_samples: 1 }, &NoProgress)
                .unwrap();
        let l = &found.labels;
        assert!(l.iter().all(Option::is_some));
        assert!(l[0] == l[1] && l[2] == l[3] && l[4] == l[5] && l[0] != l[2] && l[2] != l[4]);
        let mut s = found.stabilities.clone();
        s.sort_by(f64::total_cmp);
        let expected = [(0.5 - 0.01) * 2.0, (1.0 - 1.0 / 3.0) * 2.0, (1.0 - 1.0 / 3.0) * 2.0];
        for (s, e) in s.iter().zip(expected) {
            assert!((s - e).abs() < 1e-12, "{s} {e}");
        }
    }

    #[test]
    fn little_or_bad_input_has_an_outcome() {
        let params = HdbscanParams { min_cluster_size: 2, min_samples: 9 };
        assert_eq!(
            hdbscan(Array2::zeros((0, 2)).view(), &params, &NoProgress).unwrap(),
            HdbscanClusters::default()
        );
        assert_eq!(hdbscan(Array2::zeros((1, 2)).view(), &params, &NoProgress).unwrap().labels, [None]);
        assert_eq!(hdbscan(array![[0.0], [1.0]].view(), &params, &NoProgress).unwrap().labels, [None, None]);
        assert!(hdbscan(array![[0.0], [f64::NAN]].view(), &params, &NoProgress).is_err());
        assert!(
            hdbscan(
                array![[0.0]].view(),
                &HdbscanParams { min_cluster_size: 1, min_samples: 1 },
                &NoProgress
            )
            .is_err()
        );
        assert!(
            hdbscan(
                array![[0.0]].view(),
                &HdbscanParams { min_cluster_size: 2, min_samples: 0 },
                &NoProgress
            )
            .is_err()
        );
        // Great numbers, with squares that are none.
        let blobs = array![[0.0], [1.0], [2.0], [10.0], [11.0], [12.0]];
        let params = HdbscanParams { min_cluster_size: 2, min_samples: 1 };
        let expected = hdbscan(blobs.view(), &params, &NoProgress).unwrap();
        let great = hdbscan((&blobs * 2f64.powi(1000)).view(), &params, &NoProgress).unwrap();
        assert_eq!((great.labels, great.probabilities), (expected.labels, expected.probabilities));
        // Points that all coincide split at distance 0 without a NaN.
        let same = hdbscan(
            Array2::ones((8, 2)).view(),
            &HdbscanParams { min_cluster_size: 2, min_samples: 1 },
            &NoProgress,
        );
        assert!(same.unwrap().probabilities.iter().all(|p| (0.0..=1.0).contains(p)));
    }
}
