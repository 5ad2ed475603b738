//! Answers that are true by construction, and what is no question.

use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{Array2, array};
use nonius_clustering::{Cut, Dendrogram, Disconnected, Graph, Neighbors, Numbering, WardParams, ward};
use nonius_core::{Error, NoProgress, Progress, Result, Roi};

use super::graph;

fn line(n: usize) -> Graph {
    Graph::grid(&Roi::all(&[n]), Neighbors::Direct).unwrap()
}

#[track_caller]
fn fails_at<T: std::fmt::Debug>(result: Result<T>, field: &str, got_has: &str) {
    match result {
        Err(Error::Parameter { name, got, .. }) => {
            assert_eq!(name, field);
            assert!(got.contains(got_has), "{got:?} does not say {got_has:?}");
        }
        other => panic!("expected an error at {field}, got {other:?}"),
    }
}

#[test]
fn costs_by_hand() {
    // 0 | 3, 4 merge first; their mean 3.5 is 3.5 from 0: c = (1·2)/3 · 3.5².
    let tree = ward(array![[0.0], [3.0], [4.0]], &line(3), &WardParams::default(), &NoProgress).unwrap();
    assert_eq!(tree.merges(), [[1, 2], [0, 3]]);
    assert_eq!(tree.distances(), [1.0, f64::sqrt(2.0 * (3.5 * 3.5 * (2.0 / 3.0)))]);
    assert_eq!(tree.sizes(), [1, 1, 1, 2, 3]);
    assert_eq!(tree.parents(), [4, 3, 3, 4, 4]);
    assert_eq!(tree.cophenetic(2, 1).unwrap(), 1.0);
    assert_eq!(tree.cophenetic(0, 2).unwrap(), tree.distances()[1]);
    assert_eq!(tree.cophenetic(1, 1).unwrap(), 0.0);
    fails_at(tree.cophenetic(0, 3), "sample", "3 of 3");
    assert_eq!(tree.linkage_matrix().row(1).to_vec(), [0.0, 3.0, tree.distances()[1], 3.0]);
}

#[test]
fn of_equal_costs_the_pair_with_the_lower_numbers_is_merged() {
    // Larger node first, then the smaller one: (0, 1) before (1, 2) before (0, 3) and (2, 3).
    let grid = Graph::grid(&Roi::all(&[2, 2]), Neighbors::Direct).unwrap();
    let tree = ward(Array2::zeros((4, 2)), &grid, &WardParams::default(), &NoProgress).unwrap();
    assert_eq!(tree.merges(), [[0, 1], [2, 3], [4, 5]]);
    assert_eq!((tree.distances(), tree.inversions()), (&[0.0; 3][..], 0));
}

#[test]
fn grids_of_any_number_of_axes() {
    let n_edges =
        |shape: &[usize], neighbors| Graph::grid(&Roi::all(shape), neighbors).unwrap().edges().len();
    assert_eq!(n_edges(&[90, 121], Neighbors::Direct), 21_569);
    assert_eq!(n_edges(&[7], Neighbors::Diagonal), 6);
    // Three per position less those that leave the grid.
    assert_eq!(n_edges(&[3, 4, 5], Neighbors::Direct), 2 * 20 + 3 * 3 * 5 + 3 * 4 * 4);
    // 13 steps forward per position: pairs of positions that differ by at most one along each axis.
    let near = |n: usize| n + 2 * (n - 1);
    assert_eq!(n_edges(&[3, 4, 5], Neighbors::Diagonal), (near(3) * near(4) * near(5) - 60) / 2);
    let four_axes = Graph::grid(&Roi::all(&[2, 2, 2, 2]), Neighbors::Direct);
    fails_at(four_axes, "number of axes of a scan", "4");
    // A scan that is much larger than its region of interest costs nothing.
    let large = Roi::from_positions(&[1 << 20, 1 << 40], [[5, 7], [5, 8], [6, 8]]).unwrap();
    assert_eq!(Graph::grid(&large, Neighbors::Diagonal).unwrap().edges(), [[0, 1], [0, 2], [1, 2]]);
    // Every second position; steps count both ways.
    let second = Graph::from_offsets(&Roi::all(&[1, 5]), &[vec![0, -2]]).unwrap();
    assert_eq!(second.edges(), [[0, 2], [1, 3], [2, 4]]);
    for neighbors in ["direct", "four", "six"] {
        assert_eq!(serde_json::from_str::<Neighbors>(&format!("{neighbors:?}")).unwrap(), Neighbors::Direct);
    }
}

#[test]
fn graphs_of_ones_own() {
    let graph = Graph::from_edges(4, [[3, 1], [1, 3], [0, 0], [2, 1]]).unwrap();
    assert_eq!(graph.edges(), [[1, 2], [1, 3]]);
    fails_at(Graph::from_edges(3, [[0, 3]]), "edge", "[0, 3] of 3");
    assert!(matches!(Graph::from_edges(0, []), Err(Error::Empty { .. })));
    fails_at(Graph::from_edges(1 << 32, []), "number of samples", "4294967296");
    let nowhere = Roi::from_positions(&[3, 3], [[0usize; 2]; 0]).unwrap();
    assert!(matches!(Graph::grid(&nowhere, Neighbors::Direct), Err(Error::Empty { .. })));
    for step in [vec![], vec![1], vec![0, 0], vec![1, 1, 1]] {
        fails_at(Graph::from_offsets(&Roi::all(&[3, 3]), &[step]), "offset", "");
    }
    let far = vec![isize::MAX, isize::MIN];
    assert_eq!(Graph::from_offsets(&Roi::all(&[3, 3]), &[far]).unwrap().edges().len(), 0);
}

#[test]
fn components_are_joined_left_or_refused() {
    let features = array![[0.0], [1.0], [10.0], [11.0], [1.5]];
    let islands = graph(5, &[[0, 1], [2, 3]]);
    let run = |disconnected, n_clusters| {
        let params = WardParams { disconnected, n_clusters, ..Default::default() };
        ward(features.clone(), &islands, &params, &NoProgress)
    };
    let tree = run(Disconnected::Complete, None).unwrap();
    assert_eq!((tree.n_components(), tree.added_edges()), (3, &[[1, 2], [1, 4], [2, 4]][..]));
    assert_eq!((tree.n_roots(), tree.merges().len()), (1, 4));

    let forest = run(Disconnected::Forest, None).unwrap();
    assert_eq!((forest.n_components(), forest.added_edges().len(), forest.n_roots()), (3, 0, 3));
    assert_eq!(forest.labels(Cut::Clusters(3), Numbering::Canonical).unwrap(), [0, 0, 1, 1, 2]);
    assert_eq!(forest.labels(Cut::Distance(2.0), Numbering::Canonical).unwrap(), [0, 0, 1, 1, 2]);
    assert_eq!(forest.labels(Cut::Distance(1.0), Numbering::Canonical).unwrap(), [0, 1, 2, 3, 4]);
    assert_eq!(forest.cophenetic(0, 4).unwrap(), f64::INFINITY);
    fails_at(forest.labels(Cut::Clusters(2), Numbering::Canonical), "number of clusters", "2, with 3 and 5");
    fails_at(run(Disconnected::Forest, Some(2)), "number of clusters", "2 for 3 components");
    assert_eq!(run(Disconnected::Forest, Some(4)).unwrap().n_roots(), 4);
    fails_at(run(Disconnected::Error, None), "graph", "3 components of 5");
    // Edges between very many components would not fit.
    let points = Graph::from_edges(20_000, []).unwrap();
    let many = ward(Array2::zeros((20_000, 1)), &points, &WardParams::default(), &NoProgress);
    fails_at(many, "number of components to join", "bytes");
    let apart = WardParams { disconnected: Disconnected::Forest, ..Default::default() };
    assert_eq!(ward(Array2::zeros((20_000, 1)), &points, &apart, &NoProgress).unwrap().merges().len(), 0);
}

#[test]
fn of_equally_close_pairs_the_first_is_joined() {
    // Every pair of samples is as close as every other.
    let completed = graph(5, &[[0, 3], [1, 2]])
        .completed(Array2::zeros((5, 3)).view(), Disconnected::Complete, &NoProgress)
        .unwrap();
    assert_eq!(completed.added_edges, [[0, 1], [0, 4], [1, 4]]);
    assert_eq!(completed.graph.components().n, 1);
}

#[test]
fn what_cannot_be_clustered() {
    let run = |features: Array2<f64>, n_clusters| {
        let params = WardParams { n_clusters, ..Default::default() };
        ward(features, &line(3), &params, &NoProgress)
    };
    fails_at(
        run(array![[0.0], [f64::NAN], [f64::INFINITY]], None),
        "features",
        "NaN in row 1, column 0, one of 2",
    );
    assert!(matches!(run(array![[0.0], [1.0]], None), Err(Error::Shape { .. })));
    assert!(matches!(run(Array2::zeros((3, 0)), None), Err(Error::Empty { .. })));
    fails_at(run(Array2::zeros((3, 1)), Some(0)), "number of clusters", "0 for 3");
    fails_at(run(Array2::zeros((3, 1)), Some(4)), "number of clusters", "4 for 3");
    fails_at(run(array![[1e200], [-1e200], [0.0]], None), "features", "cost");
    fails_at(run(array![[1.7e308], [1.7e308], [1.7e308]], None), "features", "cost");
    assert_eq!(run(Array2::zeros((3, 1)), Some(3)).unwrap().merges().len(), 0);
    // A sum that overflows although every feature is finite is no reason to refuse them.
    assert!(run(array![[1.7e308], [1.7e308], [1.7e308]], Some(3)).is_ok());
    let one = ward(array![[5.0]], &line(1), &WardParams::default(), &NoProgress).unwrap();
    assert_eq!(one.labels(Cut::Clusters(1), Numbering::ScikitLearn).unwrap(), [0]);
    assert_eq!((one.n_roots(), one.parents(), one.inversions()), (1, vec![0], 0));
}

#[test]
fn features_in_any_layout() {
    let x = Array2::from_shape_fn((12, 5), |(i, f)| ((i * 7 + f * 5) % 13) as f64);
    let grid = Graph::grid(&Roi::all(&[3, 4]), Neighbors::Direct).unwrap();
    let run = |x: Array2<f64>| ward(x, &grid, &WardParams::default(), &NoProgress).unwrap();
    let expected = run(x.clone());
    assert_eq!(run(x.t().as_standard_layout().into_owned().reversed_axes()), expected);
    let mut wide = Array2::zeros((14, 5));
    wide.slice_mut(ndarray::s![1..13, ..]).assign(&x);
    wide.slice_collapse(ndarray::s![1..13, ..]);
    assert_eq!(run(wide), expected);
}

#[test]
fn cuts_where_distances_do_not_ascend() {
    // Distances 1, 5, 2, 4, 3 on a chain of six.
    let tree =
        Dendrogram::new(6, vec![[0, 1], [2, 6], [3, 7], [4, 8], [5, 9]], vec![1.0, 5.0, 2.0, 4.0, 3.0])
            .unwrap();
    assert_eq!(tree.inversions(), 2);
    for (t, by_count, by_running_maximum) in
        [(0.0, 6, 6), (1.5, 5, 5), (2.5, 4, 5), (4.0, 3, 5), (5.0, 2, 5), (5.5, 1, 1), (f64::INFINITY, 1, 1)]
    {
        assert_eq!(tree.n_clusters(Cut::Distance(t)).unwrap(), by_count, "{t}");
        assert_eq!(tree.n_clusters(Cut::DistanceMonotone(t)).unwrap(), by_running_maximum, "{t}");
    }
    for t in [-1.0, f64::NAN] {
        fails_at(tree.labels(Cut::Distance(t), Numbering::Canonical), "distance of a cut", "");
        fails_at(tree.labels(Cut::DistanceMonotone(t), Numbering::Canonical), "distance of a cut", "");
    }
    for k in [0, 7] {
        fails_at(tree.labels(Cut::Clusters(k), Numbering::BySize), "number of clusters", "");
    }
}

#[test]
fn clusters_are_numbered_as_asked() {
    // 0 | 1 | 2 3 4 | 5 6
    let tree = Dendrogram::new(7, vec![[2, 3], [4, 7], [5, 6]], vec![1.0; 3]).unwrap();
    let labels = |numbering| tree.labels(Cut::Clusters(4), numbering).unwrap();
    assert_eq!(labels(Numbering::Canonical), [0, 1, 2, 2, 2, 3, 3]);
    assert_eq!(labels(Numbering::BySize), [2, 3, 0, 0, 0, 1, 1]);
    // Nodes 0, 1, 8, 9.
    assert_eq!(labels(Numbering::ScikitLearn), [0, 1, 2, 2, 2, 3, 3]);
}

#[test]
fn what_is_no_tree() {
    let new = |merges: Vec<[u32; 2]>, distances: Vec<f64>| Dendrogram::new(3, merges, distances);
    fails_at(new(vec![[0, 0]], vec![1.0]), "merge", "[0, 0] as number 0");
    fails_at(new(vec![[0, 3]], vec![1.0]), "merge", "number 0");
    fails_at(new(vec![[0, 1], [1, 2]], vec![1.0; 2]), "merge", "number 1");
    fails_at(new(vec![[0, 1], [3, 2], [4, 4]], vec![1.0; 3]), "merge", "number 2");
    fails_at(new(vec![[1, 0]], vec![f64::NAN]), "distance of a merge", "NaN");
    fails_at(new(vec![[1, 0]], vec![-1.0]), "distance of a merge", "-1");
    assert!(matches!(new(vec![[1, 0]], vec![]), Err(Error::Shape { .. })));
    assert!(Dendrogram::new(0, vec![], vec![]).is_err());
    assert_eq!(new(vec![[1, 0], [3, 2]], vec![1.0, 1.0]).unwrap().merges(), [[0, 1], [2, 3]]);
}

/// Cancels once it was asked so often.
struct Cancelling {
    after: usize,
    asked: AtomicUsize,
    advanced: AtomicUsize,
}

impl Cancelling {
    fn new(after: usize) -> Self {
        Cancelling { after, asked: AtomicUsize::new(0), advanced: AtomicUsize::new(0) }
    }
}

impl Progress for Cancelling {
    fn advance(&self, n: u64) {
        self.advanced.fetch_add(n as usize, Ordering::Relaxed);
    }

    fn cancelled(&self) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed) >= self.after
    }
}

#[test]
fn it_can_be_stopped_and_asks_often() {
    let x = Array2::from_shape_fn((900, 400), |(i, f)| ((i * 31 + f * 17) % 101) as f64);
    let grid = Graph::grid(&Roi::all(&[30, 30]), Neighbors::Direct).unwrap();
    let run = |progress: &Cancelling| ward(x.clone(), &grid, &WardParams::default(), progress);
    let patient = Cancelling::new(usize::MAX);
    assert!(run(&patient).is_ok());
    // Edges and merges.
    assert_eq!(patient.advanced.into_inner(), 2 * 30 * 29 + 899);
    let asked = patient.asked.into_inner();
    // 1.7·10⁶ products of edges and some 10⁶ of merges, 2·10⁶ between questions; each thread asks.
    assert!(asked >= 2, "{asked}");
    for after in 0..asked {
        assert_eq!(run(&Cancelling::new(after)).unwrap_err(), Error::Cancelled);
    }
    // A cluster that touches all others is no longer without a question than any other.
    let star = Graph::from_edges(6000, (1..6000).map(|i| [0, i])).unwrap();
    let x = Array2::from_shape_fn((6000, 400), |(i, f)| ((i * 31 + f * 17) % 101) as f64);
    let params = WardParams { n_clusters: Some(5990), ..Default::default() };
    let patient = Cancelling::new(usize::MAX);
    ward(x, &star, &params, &patient).unwrap();
    let products = 10 * 6000 * 400;
    assert!(patient.asked.into_inner() >= products / (1 << 22));
    let islands = Graph::from_edges(900, []).unwrap();
    let x = Array2::from_shape_fn((900, 3), |(i, f)| ((i * 31 + f * 17) % 101) as f64);
    assert_eq!(ward(x, &islands, &WardParams::default(), &Cancelling::new(7)).unwrap_err(), Error::Cancelled);
}
