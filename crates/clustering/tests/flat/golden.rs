//! scikit-learn's results: `flat.npz`.

use std::collections::HashMap;

use ndarray::{Array2, ArrayD, Ix2};
use nonius_clustering::{
    DbscanParams, HdbscanParams, KMeansParams, MixtureParams, OpticsParams, dbscan, gaussian_mixture_from,
    hdbscan, k_means, k_means_from, optics,
};
use nonius_core::NoProgress;

use super::{canonical, numbers};
use crate::golden::archive;

struct Case {
    name: &'static str,
    /// Of DBSCAN and of OPTICS's clusters.
    eps: f64,
    best_inertia: f64,
    lower_bound: f64,
    kmeans_iterations: usize,
    arrays: HashMap<String, ArrayD<f64>>,
}

impl Case {
    fn array(&self, key: &str) -> &ArrayD<f64> {
        &self.arrays[&format!("{}/{key}", self.name)]
    }

    fn matrix(&self, key: &str) -> Array2<f64> {
        self.array(key).clone().into_dimensionality::<Ix2>().unwrap()
    }

    fn numbers(&self, key: &str) -> Vec<i64> {
        self.array(key).iter().map(|&v| v as i64).collect()
    }
}

/// The cases, with the parameters that the archive does not hold.
fn cases() -> Vec<Case> {
    let case = |name, eps, kmeans_iterations, best_inertia, lower_bound| {
        let arrays = archive("flat.npz");
        Case { name, eps, best_inertia, lower_bound, kmeans_iterations, arrays }
    };
    vec![
        case("c01_blobs_3d", 1.1312706208434569, 4, 244.7657740032813, -4.737379478378219),
        case("c02_blobs_8d", 4.714337573725371, 5, 2473.9616111775795, -14.212292074514364),
        case("c03_elongated_2d", 0.40343791303181353, 6, 270.0644269863319, -3.050520046162085),
    ]
}

#[test]
fn k_means_from_given_centres() {
    for case in cases() {
        let x = case.matrix("x");
        let start = case.matrix("kmeans_init");
        let found = k_means_from(x.view(), start.view(), &KMeansParams::default(), &NoProgress).unwrap();
        assert_eq!(numbers(&found.labels), case.numbers("kmeans_labels"), "{}", case.name);
        for (f, e) in found.centers.iter().zip(case.array("kmeans_centers")) {
            assert!((f - e).abs() <= 1e-9 * e.abs(), "{}: {f} {e}", case.name);
        }
        assert_eq!(found.n_iterations, case.kmeans_iterations, "{}", case.name);
        assert!(found.converged);
    }
}

#[test]
fn the_best_of_ten_starts_is_that_of_fifty() {
    for case in cases() {
        let k = case.matrix("kmeans_init").nrows();
        let x = case.matrix("x");
        for seed in 0..4 {
            let params = KMeansParams { seed, ..Default::default() };
            let found = k_means(x.view(), k, &params, &NoProgress).unwrap();
            // What the archive allows to any search with several starts.
            assert!(found.sum_of_squares <= 1.001 * case.best_inertia, "{} seed {seed}", case.name);
            if found.sum_of_squares <= case.best_inertia * (1.0 + 1e-9) {
                assert_eq!(numbers(&found.labels), case.numbers("kmeans_best_labels_canonical"));
            }
        }
    }
}

#[test]
fn dbscan_has_the_same_cores_clusters_and_noise() {
    for case in cases() {
        let found = dbscan(case.matrix("x").view(), case.eps, &DbscanParams::default(), &NoProgress).unwrap();
        let cores: Vec<i64> = found.cores.iter().map(|&core| core.into()).collect();
        assert_eq!(cores, case.numbers("dbscan_core"), "{}", case.name);
        assert_eq!(numbers(&found.labels), case.numbers("dbscan_labels"), "{}", case.name);
    }
}

#[test]
fn optics_visits_in_the_same_order() {
    for case in cases() {
        let found = optics(case.matrix("x").view(), &OpticsParams::default(), &NoProgress).unwrap();
        let order: Vec<i64> = found.order.iter().map(|&i| i as i64).collect();
        assert_eq!(order, case.numbers("optics_ordering"), "{}", case.name);
        let predecessors = numbers(&found.predecessors);
        assert_eq!(predecessors, case.numbers("optics_predecessor"), "{}", case.name);
        for (key, found) in
            [("optics_reachability", &found.reachability), ("optics_core_distances", &found.core_distances)]
        {
            for (f, e) in found.iter().zip(case.array(key)) {
                // scikit-learn rounds them to 15 places.
                assert!(f == e || (f - e).abs() <= 1e-12 * e.abs(), "{} {key}: {f} {e}", case.name);
            }
        }
        let labels = found.clusters_at(case.eps).unwrap();
        assert_eq!(numbers(&labels), canonical(case.numbers("optics_dbscan_labels")), "{}", case.name);
    }
}

#[test]
fn hdbscan_has_the_same_clusters_and_memberships() {
    for case in cases() {
        let params = HdbscanParams { min_cluster_size: 8, min_samples: 5 };
        let found = hdbscan(case.matrix("x").view(), &params, &NoProgress).unwrap();
        let (labels, expected) = (numbers(&found.labels), case.numbers("hdbscan_labels_canonical"));
        for i in 0..labels.len() {
            // Leaves at the weight at which its cluster is born: noise by the definition; scikit-learn sorts that edge
            // behind the one of the birth.
            if (case.name, i) == ("c03_elongated_2d", 146) {
                assert_eq!((labels[i], expected[i]), (-1, 2));
                continue;
            }
            assert_eq!(labels[i], expected[i], "{}, sample {i}", case.name);
            let (f, e) = (found.memberships[i], case.array("hdbscan_probabilities")[i]);
            assert!((f - e).abs() <= 1e-9, "{}, sample {i}: {f} {e}", case.name);
        }
    }
}

#[test]
fn a_mixture_from_given_means_converges_to_the_same() {
    for case in cases() {
        // scikit-learn started from these with equal weights and the covariance of all samples, tolerance 1e-10.
        let means = case.matrix("kmeans_centers");
        let x = case.matrix("x");
        let found =
            gaussian_mixture_from(x.view(), means.view(), &MixtureParams::default(), &NoProgress).unwrap();
        assert!(found.converged);
        assert_eq!(numbers(&found.labels), case.numbers("gmm_labels"), "{}", case.name);
        let (f, e) = (found.lower_bound, case.lower_bound);
        assert!((f - e).abs() <= 1e-6 * e.abs(), "{}: {f} {e}", case.name);
        // Iterations need not end with the same one, so that these agree as far as they have converged.
        let close = |key: &str, found: &[f64], tolerance: f64| {
            for (f, e) in found.iter().zip(case.array(key)) {
                assert!((f - e).abs() <= tolerance, "{} {key}: {f} {e}", case.name);
            }
        };
        close("gmm_weights", found.weights.as_slice().unwrap(), 1e-4);
        close("gmm_means", found.means.as_slice().unwrap(), 1e-4);
        close("gmm_covariances", found.covariances.as_slice().unwrap(), 1e-3);
    }
}
