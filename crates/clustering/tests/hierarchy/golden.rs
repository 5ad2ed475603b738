//! SciPy's trees, `scipy_linkage.npz`, and scikit-learn's, `linkages.npz`.

use std::collections::HashMap;

use ndarray::{Array2, ArrayD, Ix2};
use nonius_clustering::{
    Cut, Dendrogram, Graph, GraphLinkage, GraphLinkageParams, Linkage, LinkageParams, Neighbors, Numbering,
    graph_linkage, linkage,
};
use nonius_core::{Metric, NoProgress};

use crate::golden::{archive, roi};

fn matrix(array: &ArrayD<f64>) -> Array2<f64> {
    array.clone().into_dimensionality::<Ix2>().unwrap()
}

fn of_name(method: &str, metric: Metric) -> Linkage {
    match method {
        "ward" => Linkage::Ward,
        "average" => Linkage::Average(metric),
        "complete" => Linkage::Complete(metric),
        "weighted" => Linkage::Weighted(metric),
        "single" => Linkage::Single(metric),
        other => panic!("no linkage {other}"),
    }
}

fn tree(x: &Array2<f64>, linkage_: Linkage) -> Dendrogram {
    linkage(x.view(), &LinkageParams { linkage: linkage_, ..Default::default() }, &NoProgress).unwrap()
}

#[test]
fn every_bit_is_scipys() {
    let golden = archive("scipy_linkage.npz");
    let mut n_trees = 0;
    for (key, expected) in &golden {
        let [name, method, metric] = key.split('/').collect::<Vec<_>>()[..] else { continue };
        // The relative tolerance of distances. The cosine is computed in another way here, and smaller differences of
        // directions are thus exact; normal vectors are far apart.
        let (metric, tolerance) = match metric {
            "euclidean" => (Metric::Euclidean, 0.0),
            "cityblock" => (Metric::Manhattan, 0.0),
            "chebyshev" => (Metric::Chebyshev, 0.0),
            "sqeuclidean" => (Metric::SquaredEuclidean, 0.0),
            "cosine" => (Metric::Cosine, 1e-13),
            other => panic!("no metric {other}"),
        };
        let found = tree(&matrix(&golden[&format!("{name}/x")]), of_name(method, metric)).linkage_matrix();
        for (k, (f, e)) in found.outer_iter().zip(matrix(expected).outer_iter()).enumerate() {
            assert!((f[2] - e[2]).abs() <= tolerance * e[2], "{key}, merge {k}: {f} {e}");
            for column in [0, 1, 3] {
                assert_eq!(f[column], e[column], "{key}, merge {k}");
            }
        }
        n_trees += 1;
    }
    assert_eq!(n_trees, 41);
}

/// Compares a tree with the arrays of a case: merges, distances, cuts.
fn check(golden: &HashMap<String, ArrayD<f64>>, case: &str, found: &Dendrogram, cuts: &[usize], exact: bool) {
    let merges: Vec<f64> = found.merges().iter().flatten().map(|&node| node.into()).collect();
    let array = |key: &str| &golden[&format!("{case}_{key}")];
    for (f, e) in found.distances().iter().zip(array("distances")) {
        // The archive's rule.
        assert!((f - e).abs() <= 1e-10 * e.abs(), "{case}: {f} {e}");
    }
    if !exact {
        return;
    }
    assert_eq!(merges, array("children").iter().copied().collect::<Vec<_>>(), "{case}");
    for (row, &k) in matrix(array("labels_canonical")).outer_iter().zip(cuts) {
        let labels = found.labels(Cut::Clusters(k), Numbering::Canonical).unwrap();
        assert!(labels.iter().zip(row).all(|(&f, &e)| f as f64 == e), "{case}, {k} clusters");
    }
}

#[test]
fn without_a_graph() {
    let golden = archive("linkages.npz");
    for name in ["u01_normal_60x4", "u02_normal_120x10", "u03_integer_ties_50x3", "u04_blobs_90x2"] {
        let x = matrix(&golden[&format!("{name}/x")]);
        for method in ["ward", "average", "complete", "single"] {
            let found = tree(&x, of_name(method, Metric::Euclidean));
            // Where distances are equal only Ward's order is a rule of the archive.
            let exact = method == "ward" || !name.contains("ties");
            check(&golden, &format!("{name}/{method}"), &found, &[1, 2, 4, 10, x.nrows()], exact);
        }
    }
}

#[test]
fn on_a_graph() {
    let golden = archive("linkages.npz");
    for name in ["s1", "s2"] {
        let x = matrix(&golden[&format!("{name}/x")]);
        let graph = Graph::grid(&roi(&golden[&format!("{name}/mask")]), Neighbors::Direct).unwrap();
        let methods = [
            ("average", GraphLinkage::Average),
            ("complete", GraphLinkage::Complete),
            ("single", GraphLinkage::Single),
        ];
        for (method, linkage) in methods {
            let params = GraphLinkageParams { linkage, ..Default::default() };
            let found = graph_linkage(x.view(), &graph, &params, &NoProgress).unwrap();
            check(&golden, &format!("{name}/{method}"), &found, &[2, 4, 9], true);
        }
    }
}
