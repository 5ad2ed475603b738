//! Numbers of scikit-learn and LiberTEM: `testdata/clustering`.

use std::collections::{BTreeSet, HashMap};

use ndarray::ArrayD;
use nonius_clustering::{Cut, Disconnected, Graph, Neighbors, Numbering, WardParams, ward};
use nonius_core::{NoProgress, Roi};

use super::{graph, labels, matrix, pairs};
use crate::golden::{archive, roi};

#[test]
fn edges_of_grids_and_regions() {
    let golden = archive("grid_graph.npz");
    let regions = [
        ("g_1x1", Roi::all(&[1, 1])),
        ("g_1x6", Roi::all(&[1, 6])),
        ("g_4x5", Roi::all(&[4, 5])),
        ("g_9x12", Roi::all(&[9, 12])),
        ("roi_connected", roi(&golden["roi_connected_mask"])),
        ("roi_two", roi(&golden["roi_two_mask"])),
        ("roi_many", roi(&golden["roi_many_mask"])),
    ];
    for (name, roi) in regions {
        for (neighbors, n) in [(Neighbors::Direct, 4), (Neighbors::Diagonal, 8)] {
            let mut expected = pairs(&golden[&format!("{name}_edges{n}")]);
            expected.sort_unstable();
            assert_eq!(Graph::grid(&roi, neighbors).unwrap().edges(), expected, "{name}, {n} neighbours");
        }
    }
}

/// Names of the cases of an archive: what stands before the slash.
fn cases(golden: &HashMap<String, ArrayD<f64>>) -> BTreeSet<String> {
    golden.keys().filter_map(|key| Some(key.split_once('/')?.0.to_string())).collect()
}

#[test]
fn ward_on_a_graph() {
    let golden = archive("ward_structured.npz");
    let cases = cases(&golden);
    assert_eq!(cases.len(), 15);
    for name in cases {
        let array = |part: &str| &golden[&format!("{name}/{part}")];
        let roi = roi(array("mask"));
        let edges = pairs(array("edges"));
        let neighbors = if name.contains("eight_neighbour") { Neighbors::Diagonal } else { Neighbors::Direct };
        let mut sorted = edges.clone();
        sorted.sort_unstable();
        let grid = Graph::grid(&roi, neighbors).unwrap();
        assert!(grid.edges() == sorted, "{name}");
        // Whatever the order in which neighbours are listed.
        let backwards: Vec<[u32; 2]> = edges.iter().rev().map(|e| [e[1], e[0]]).collect();
        assert_eq!(grid, graph(roi.len(), &backwards));

        let x = matrix(array("x"));
        let tree = ward(x.clone(), &grid, &WardParams::default(), &NoProgress).unwrap();
        assert_eq!(tree.merges(), pairs(array("children")), "{name}");
        let bits = |d: &mut dyn Iterator<Item = f64>| d.map(f64::to_bits).collect::<Vec<_>>();
        let expected = bits(&mut array("distances").iter().copied());
        assert_eq!(bits(&mut tree.distances().iter().copied()), expected, "{name}");
        assert_eq!(tree.added_edges(), pairs(array("added_edges")), "{name}");
        let parents: Vec<f64> = tree.parents().into_iter().map(f64::from).collect();
        assert_eq!(parents, array("parents").iter().copied().collect::<Vec<_>>());

        let cuts = labels(array("n_clusters"));
        for (row, &k) in cuts.iter().enumerate() {
            let expected = |part: &str| labels(&array(part).index_axis(ndarray::Axis(0), row).to_owned());
            let cut = Cut::Clusters(k);
            assert_eq!(
                tree.labels(cut, Numbering::Canonical).unwrap(),
                expected("labels_canonical"),
                "{name} {k}"
            );
            assert_eq!(tree.labels(cut, Numbering::ScikitLearn).unwrap(), expected("labels"), "{name} {k}");
            // Stopped early, the tree is the beginning of the full one.
            let stopped = WardParams { n_clusters: Some(k), ..Default::default() };
            let stopped = ward(x.clone(), &grid, &stopped, &NoProgress).unwrap();
            assert_eq!(stopped.merges(), &tree.merges()[..roi.len() - k]);
            assert_eq!(stopped.labels(cut, Numbering::Canonical).unwrap(), expected("labels_canonical"));
        }
        let at = Cut::Distance(array("threshold").sum());
        let expected = labels(array("threshold_labels_canonical"));
        assert_eq!(tree.labels(at, Numbering::Canonical).unwrap(), expected, "{name}");
    }
}

#[test]
fn a_tree_that_was_stopped_early() {
    let golden = archive("ward_structured.npz");
    let array = |part: &str| &golden[&format!("w08_early_stop_15x10/{part}")];
    let grid = Graph::grid(&Roi::all(&[15, 10]), Neighbors::Direct).unwrap();
    let params = WardParams { n_clusters: Some(110), ..Default::default() };
    let tree = ward(matrix(array("x")), &grid, &params, &NoProgress).unwrap();
    assert_eq!(tree.merges(), pairs(array("early_children")));
    let found = tree.labels(Cut::Clusters(110), Numbering::ScikitLearn).unwrap();
    assert_eq!(found, labels(array("early_labels")));
}

#[test]
fn inversions_as_counted_there() {
    let golden = archive("ward_structured.npz");
    for (name, shape, inversions) in [
        ("w02_normal_12x9", [12, 9], 15),
        ("w05_binary_16x16", [16, 16], 42),
        ("w13_coords_weight_18x16", [18, 16], 49),
    ] {
        let x = matrix(&golden[&format!("{name}/x")]);
        let grid = Graph::grid(&Roi::all(&shape), Neighbors::Direct).unwrap();
        let params = WardParams { disconnected: Disconnected::Error, ..Default::default() };
        assert_eq!(ward(x, &grid, &params, &NoProgress).unwrap().inversions(), inversions, "{name}");
    }
}
