//! What must hold whatever the answer is.

use ndarray::{Array2, Axis};
use nonius_clustering::{Cut, Dendrogram, Disconnected, Graph, Neighbors, Numbering, WardParams, ward};
use nonius_core::{NoProgress, Roi};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

use super::graph;

/// Few cases and always the same ones.
fn config() -> Config {
    Config {
        cases: 48,
        rng_seed: RngSeed::Fixed(0x7761_7264),
        failure_persistence: None,
        ..Config::default()
    }
}

fn run(features: &Array2<f64>, graph: &Graph) -> Dendrogram {
    ward(features.clone(), graph, &WardParams::default(), &NoProgress).unwrap()
}

/// A scan with a region of interest, and features of its samples: real numbers or small integers.
fn scans() -> impl Strategy<Value = (Roi, Array2<f64>)> {
    (1..9_usize, 1..9_usize, 1..5_usize, any::<bool>()).prop_flat_map(|(ny, nx, n_features, integers)| {
        let used = prop::collection::vec(prop::bool::weighted(0.8), ny * nx);
        let values = prop::collection::vec(-3.0..3.0_f64, ny * nx * n_features);
        (used, values).prop_map(move |(mut used, values)| {
            used[0] = true;
            let mask = ndarray::ArrayD::from_shape_vec(vec![ny, nx], used).unwrap();
            let roi = Roi::from_mask(mask.view());
            let value = |(i, f): (usize, usize)| values[i * n_features + f];
            let value = |at| if integers { f64::from(value(at) as i32) } else { value(at) };
            let features = Array2::from_shape_fn((roi.len(), n_features), value);
            (roi, features)
        })
    })
}

/// The increase of the sum of squares by the textbook: that of both less that of each.
fn sum_of_squares(features: &Array2<f64>, samples: &[usize]) -> f64 {
    let rows = features.select(Axis(0), samples);
    let mean = rows.mean_axis(Axis(0)).unwrap();
    rows.outer_iter().map(|row| (&row - &mean).mapv(|d| d * d).sum()).sum()
}

/// Ward's method by a full scan of all neighbouring pairs at every merge; costs as the formula stands.
fn by_full_scan(features: &Array2<f64>, graph: &Graph) -> (Vec<[u32; 2]>, Vec<f64>) {
    let n = features.nrows();
    let mut clusters: Vec<(usize, Vec<usize>)> = (0..n).map(|i| (i, vec![i])).collect();
    let (mut merges, mut distances) = (Vec::new(), Vec::new());
    let touch = |a: &[usize], b: &[usize]| {
        graph
            .edges()
            .iter()
            .map(|e| e.map(|node| node as usize))
            .any(|[p, q]| (a.contains(&p) && b.contains(&q)) || (a.contains(&q) && b.contains(&p)))
    };
    loop {
        let mut best: Option<(f64, usize, usize)> = None;
        for (x, (p, a)) in clusters.iter().enumerate() {
            for (q, b) in clusters[..x].iter().filter(|(_, b)| touch(a, b)) {
                let (m, n) = (a.len() as f64, b.len() as f64);
                let sum = |samples: &[usize], f| samples.iter().map(|&i| features[[i, f]]).sum::<f64>();
                let squares: f64 = (0..features.ncols())
                    .map(|f| {
                        let d = sum(a, f) / m - sum(b, f) / n;
                        d * d
                    })
                    .sum();
                let candidate = (squares * ((m * n) / (m + n)), *p.max(q), *p.min(q));
                if best.is_none_or(|best| candidate < best) {
                    best = Some(candidate);
                }
            }
        }
        let Some((cost, larger, smaller)) = best else { return (merges, distances) };
        let members = |node| clusters.iter().find(|(p, _)| *p == node).unwrap().1.clone();
        let joined = [members(smaller), members(larger)].concat();
        clusters.retain(|(p, _)| *p != larger && *p != smaller);
        clusters.push((n + merges.len(), joined));
        merges.push([smaller as u32, larger as u32]);
        distances.push((2.0 * cost).sqrt());
    }
}

/// Unrestricted Ward by the update of distances (Lance and Williams), by a full scan: heights alone.
fn heights_by_updates(features: &Array2<f64>) -> Vec<f64> {
    let n = features.nrows();
    let mut squares =
        Array2::from_shape_fn((n, n), |(i, j)| (&features.row(i) - &features.row(j)).mapv(|d| d * d).sum());
    let mut sizes = vec![1.0; n];
    let mut alive: Vec<usize> = (0..n).collect();
    let mut heights = Vec::new();
    while alive.len() > 1 {
        let pairs = alive.iter().flat_map(|&i| alive.iter().filter(move |&&j| j < i).map(move |&j| (i, j)));
        let (i, j) = pairs.min_by(|p, q| squares[*p].total_cmp(&squares[*q])).unwrap();
        heights.push(squares[[i, j]].sqrt());
        alive.retain(|&k| k != i);
        for &k in alive.iter().filter(|&&k| k != j) {
            let (a, b, c): (f64, f64, f64) = (sizes[i], sizes[j], sizes[k]);
            let updated =
                ((c + a) * squares[[i, k]] + (c + b) * squares[[j, k]] - c * squares[[i, j]]) / (a + b + c);
            (squares[[j, k]], squares[[k, j]]) = (updated, updated);
        }
        sizes[j] += sizes[i];
    }
    heights
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn equals_a_full_scan((roi, features) in scans(), diagonal in any::<bool>()) {
        let neighbors = if diagonal { Neighbors::Diagonal } else { Neighbors::Direct };
        let graph = Graph::grid(&roi, neighbors).unwrap();
        let params = WardParams { disconnected: Disconnected::Forest, ..Default::default() };
        let tree = ward(features.clone(), &graph, &params, &NoProgress).unwrap();
        let (merges, distances) = by_full_scan(&features, &graph);
        // Sums of integers have no rounding, so that ties come out alike; others differ in the order of sums.
        if features.iter().all(|v| v.fract() == 0.0) {
            prop_assert_eq!(tree.merges(), &merges[..]);
            prop_assert_eq!(tree.distances(), &distances[..]);
        } else if tree.merges() == merges {
            let close = tree.distances().iter().zip(&distances).all(|(a, b)| (a - b).abs() <= 1e-12 * (1.0 + b));
            prop_assert!(close);
        } else {
            prop_assert_eq!(tree.merges(), &merges[..]);
        }
    }

    #[test]
    fn every_tree_is_sound((roi, features) in scans()) {
        let n = roi.len();
        let grid = Graph::grid(&roi, Neighbors::Direct).unwrap();
        let completed = grid.completed(features.view(), Disconnected::Complete, &NoProgress).unwrap();
        let tree = run(&features, &grid);
        prop_assert_eq!(tree.added_edges(), &completed.added_edges[..]);
        let n_components = grid.components().n;
        prop_assert_eq!(completed.added_edges.len(), n_components * (n_components - 1) / 2);
        prop_assert_eq!(completed.graph.components().n, 1);
        prop_assert_eq!((tree.n_roots(), tree.sizes()[2 * n - 2]), (1, n));
        prop_assert!(tree.distances().iter().all(|d| *d >= 0.0));
        // What all mergers add is the sum of squares about the mean.
        let all: Vec<usize> = (0..n).collect();
        let total = sum_of_squares(&features, &all);
        let added: f64 = tree.distances().iter().map(|d| d * d / 2.0).sum();
        prop_assert!((added - total).abs() <= 1e-10 * (1.0 + total), "{} of {}", added, total);
        for k in [1, 2, n / 3, n].into_iter().filter(|&k| (1..=n).contains(&k)) {
            let labels = tree.labels(Cut::Clusters(k), Numbering::Canonical).unwrap();
            prop_assert_eq!(labels.iter().max().unwrap() + 1, k);
            for other in [Numbering::BySize, Numbering::ScikitLearn] {
                let same = tree.labels(Cut::Clusters(k), other).unwrap();
                let pairs: std::collections::BTreeSet<_> = labels.iter().zip(&same).collect();
                prop_assert_eq!(pairs.len(), k);
            }
            // Clusters hang together.
            let inner = completed.graph.edges().iter().filter(|e| labels[e[0] as usize] == labels[e[1] as usize]);
            let inner: Vec<[u32; 2]> = inner.copied().collect();
            prop_assert_eq!(graph(n, &inner).components().n, k);
            let stopped = WardParams { n_clusters: Some(k), ..Default::default() };
            let stopped = ward(features.clone(), &grid, &stopped, &NoProgress).unwrap();
            prop_assert_eq!(stopped.merges(), &tree.merges()[..n - k]);
        }
        // Ultrametric on trees without inversions: the greater two of three are equal.
        if tree.inversions() == 0 && n >= 3 {
            let d = |i, j| tree.cophenetic(i, j).unwrap();
            let mut three = [d(0, 1), d(0, n - 1), d(1, n - 1)];
            three.sort_by(f64::total_cmp);
            prop_assert_eq!(three[1], three[2]);
        }
    }

    #[test]
    fn renumbering_the_samples_renumbers_the_partition((roi, features) in scans(), seed in any::<u64>()) {
        let n = roi.len();
        prop_assume!(features.iter().any(|v| v.fract() != 0.0));
        let grid = Graph::grid(&roi, Neighbors::Direct).unwrap();
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by_key(|&i| (i as u64 + 1).wrapping_mul(seed | 1).rotate_left(23));
        // Sample i stands in row to[i].
        let mut to = vec![0; n];
        order.iter().enumerate().for_each(|(row, &i)| to[i] = row);
        let moved = Graph::from_edges(n, grid.edges().iter().map(|e| e.map(|i| to[i as usize]))).unwrap();
        let params = WardParams { disconnected: Disconnected::Forest, ..Default::default() };
        let tree = ward(features.clone(), &grid, &params, &NoProgress).unwrap();
        let other = ward(features.select(Axis(0), &order), &moved, &params, &NoProgress).unwrap();
        prop_assert_eq!(tree.n_roots(), other.n_roots());
        for k in tree.n_roots()..=n {
            let labels = tree.labels(Cut::Clusters(k), Numbering::Canonical).unwrap();
            let moved = other.labels(Cut::Clusters(k), Numbering::Canonical).unwrap();
            let pairs: std::collections::BTreeSet<_> = (0..n).map(|i| (labels[i], moved[to[i]])).collect();
            prop_assert_eq!(pairs.len(), k);
        }
    }

    #[test]
    fn a_far_sample_changes_no_other_merge((roi, features) in scans()) {
        let n = roi.len();
        let grid = Graph::grid(&roi, Neighbors::Direct).unwrap();
        prop_assume!(grid.components().n == 1 && n > 1);
        let tree = run(&features, &grid);
        let far = Array2::from_elem((1, features.ncols()), 1e6);
        let with_far = ndarray::concatenate(Axis(0), &[features.view(), far.view()]).unwrap();
        let edges = grid.edges().iter().map(|e| e.map(|i| i as usize)).chain([[0, n]]);
        let tree_with = run(&with_far, &Graph::from_edges(n + 1, edges).unwrap());
        prop_assert_eq!(&tree_with.distances()[..n - 1], tree.distances());
        let shifted: Vec<[u32; 2]> =
            tree.merges().iter().map(|m| m.map(|node| if (node as usize) < n { node } else { node + 1 })).collect();
        prop_assert_eq!(&tree_with.merges()[..n - 1], &shifted[..]);
    }

    #[test]
    fn on_a_complete_graph_it_is_unrestricted(n in 2..16_usize, values in prop::collection::vec(-1.0..1.0_f64, 48)) {
        let features = Array2::from_shape_fn((n, 3), |(i, f)| values[i * 3 + f]);
        let all = (0..n).flat_map(|i| (0..i).map(move |j| [i, j]));
        let tree = run(&features, &Graph::from_edges(n, all).unwrap());
        prop_assert_eq!(tree.inversions(), 0);
        for (found, expected) in tree.distances().iter().zip(heights_by_updates(&features)) {
            prop_assert!((found - expected).abs() < 1e-10);
        }
    }
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    // A hub whose new costs are many enough for all threads, and islands.
    let n = 1500;
    let x = Array2::from_shape_fn((n, 200), |(i, f)| ((i * 7919 + f * 104_729) % 1013) as f64 / 7.0);
    let hub = Graph::from_edges(n, (1..n - 3).map(|i| [0, i])).unwrap();
    let tree = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let params = WardParams { n_clusters: Some(n - 60), ..Default::default() };
        pool.install(|| ward(x.clone(), &hub, &params, &NoProgress).unwrap())
    };
    let expected = tree(1);
    assert_eq!(expected.added_edges().len(), 6);
    assert_eq!(tree(2), expected);
    assert_eq!(tree(7), expected);
}

#[test]
fn the_fast_mode_gives_the_same_merges_where_costs_differ() {
    let mut state = 1u64;
    let x = Array2::from_shape_simple_fn((400, 37), || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f64 / 1e6
    });
    let grid = Graph::grid(&Roi::all(&[20, 20]), Neighbors::Diagonal).unwrap();
    let fast = WardParams { fast: true, ..Default::default() };
    let (exact, fast) = (run(&x, &grid), ward(x.clone(), &grid, &fast, &NoProgress).unwrap());
    assert_eq!(exact.merges(), fast.merges());
    for (a, b) in exact.distances().iter().zip(fast.distances()) {
        assert!((a - b).abs() < 1e-12 * a);
    }
}
