//! Answers that are true by construction.

use ndarray::{Array2, array};
use nonius_clustering::{
    Cut, Disconnected, Graph, GraphLinkage, GraphLinkageParams, Linkage, LinkageParams, Neighbors, Numbering,
    graph_linkage, linkage,
};
use nonius_core::{Metric, NoProgress, Roi};

fn of(linkage: Linkage) -> LinkageParams {
    LinkageParams { linkage, ..Default::default() }
}

#[test]
fn by_hand() {
    // 0 1 | 5 6.5: what the two pairs are apart.
    let x = array![[0.0], [1.0], [5.0], [6.5]];
    let cases = [
        (Linkage::Single(Metric::Euclidean), 4.0),
        (Linkage::Complete(Metric::Euclidean), 6.5),
        (Linkage::Average(Metric::Euclidean), (5.0 + 6.5 + 4.0 + 5.5) / 4.0),
        (Linkage::Weighted(Metric::Euclidean), 5.25),
        (Linkage::Single(Metric::SquaredEuclidean), 16.0),
        (Linkage::Complete(Metric::SquaredEuclidean), 42.25),
    ];
    for (linkage_, last) in cases {
        let tree = linkage(x.view(), &of(linkage_), &NoProgress).unwrap();
        assert_eq!(tree.merges(), [[0, 1], [2, 3], [4, 5]], "{linkage_:?}");
        assert_eq!(tree.distances()[2], last, "{linkage_:?}");
    }
    // √(2·2·2/4)·5.25
    let tree = linkage(x.view(), &of(Linkage::Ward), &NoProgress).unwrap();
    assert!((tree.distances()[2] - 2f64.sqrt() * 5.25).abs() < 1e-14);
}

#[test]
fn weighted_forgets_sizes() {
    let x = array![[0.0], [1.0], [2.5], [9.0]];
    let tree = |l| linkage(x.view(), &of(l), &NoProgress).unwrap();
    // {0, 1} at 1; 2.5 joins at 2; then 9 at (9 + 8)/2 and 6.5, halves against thirds.
    assert_eq!(tree(Linkage::Weighted(Metric::Manhattan)).distances(), [1.0, 2.0, 7.5]);
    let average = tree(Linkage::Average(Metric::Manhattan));
    assert!((average.distances()[2] - (9.0 + 8.0 + 6.5) / 3.0).abs() < 1e-14);
}

#[test]
fn one_sample_is_one_cluster() {
    let x = array![[1.0, 2.0]];
    for l in [Linkage::Ward, Linkage::Single(Metric::Cosine), Linkage::Average(Metric::Chebyshev)] {
        let tree = linkage(x.view(), &of(l), &NoProgress).unwrap();
        assert!(tree.merges().is_empty());
        assert_eq!(tree.labels(Cut::Clusters(1), Numbering::Canonical).unwrap(), [0]);
    }
    let graph = Graph::from_edges(1, []).unwrap();
    let tree = graph_linkage(x.view(), &graph, &GraphLinkageParams::default(), &NoProgress).unwrap();
    assert_eq!((tree.n_roots(), tree.merges().len()), (1, 0));
}

#[test]
fn samples_that_coincide_merge_at_0() {
    let x = Array2::from_elem((6, 2), 3.0);
    for l in [Linkage::Ward, Linkage::Single(Metric::Cosine), Linkage::Average(Metric::Manhattan)] {
        assert_eq!(linkage(x.view(), &of(l), &NoProgress).unwrap().distances(), [0.0; 5]);
    }
    let graph = Graph::grid(&Roi::all(&[2, 3]), Neighbors::Direct).unwrap();
    let tree = graph_linkage(x.view(), &graph, &GraphLinkageParams::default(), &NoProgress).unwrap();
    assert_eq!(tree.distances(), [0.0; 5]);
    // Ties by the larger node, then the smaller.
    assert_eq!(tree.merges(), [[0, 1], [3, 4], [2, 5], [6, 7], [8, 9]]);
}

#[test]
fn a_neighbour_of_one_part_keeps_its_distance() {
    // A ring 0 1 2 3: 0 and 1 merge first. 3 neighbours 0 alone, 2 neighbours 1 alone.
    let x = array![[0.0], [1.0], [7.0], [3.0]];
    let graph = Graph::from_edges(4, [[0, 1], [1, 2], [2, 3], [3, 0]]).unwrap();
    let tree = |linkage| {
        let params = GraphLinkageParams { linkage, ..Default::default() };
        graph_linkage(x.view(), &graph, &params, &NoProgress).unwrap()
    };
    // Distances 1, 6, 4, 3. After 0 and 1: 3 is at 3 (not at 2 as well), 2 at 6. After 3 joins: 2 neighbours both parts.
    for (linkage, last) in [
        (GraphLinkage::Single, 4.0),
        (GraphLinkage::Complete, 6.0),
        (GraphLinkage::Average, (2.0 * 6.0 + 4.0) / 3.0),
    ] {
        let tree = tree(linkage);
        assert_eq!(tree.merges(), [[0, 1], [3, 4], [2, 5]], "{linkage:?}");
        assert_eq!(tree.distances(), [1.0, 3.0, last], "{linkage:?}");
    }
}

#[test]
fn components_are_joined_or_not() {
    let x = array![[0.0], [1.0], [5.0], [9.0]];
    let graph = Graph::from_edges(4, [[0, 1], [2, 3]]).unwrap();
    let tree = |disconnected| {
        let params = GraphLinkageParams { disconnected, ..Default::default() };
        graph_linkage(x.view(), &graph, &params, &NoProgress)
    };
    let joined = tree(Disconnected::Complete).unwrap();
    assert_eq!((joined.n_components(), joined.added_edges()), (2, [[1, 2]].as_slice()));
    assert_eq!(joined.distances(), [1.0, 4.0, 4.0]);
    let apart = tree(Disconnected::Forest).unwrap();
    assert_eq!((apart.n_roots(), apart.merges()), (2, [[0, 1], [2, 3]].as_slice()));
    assert!(tree(Disconnected::Error).is_err());
}
