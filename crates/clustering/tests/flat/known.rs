//! Answers that are true by construction.

use ndarray::{Array2, array};
use nonius_clustering::{
    Covariances, DbscanParams, Graph, HdbscanParams, KMeansParams, LabelMap, MixtureParams, Neighbors,
    OpticsParams, adjusted_rand_index, dbscan, gaussian_mixture, gaussian_mixture_from, hdbscan, k_means,
    k_means_from, optics, principal_components,
};
use nonius_core::{NoProgress, Roi};
use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{blobs, numbers};

const FAR: [&[f64]; 3] = [&[0.0, 0.0], &[20.0, 0.0], &[0.0, 30.0]];

/// The truth of `blobs`.
fn truth(n_clusters: usize, n_each: usize) -> Vec<Option<usize>> {
    (0..n_clusters * n_each).map(|i| Some(i / n_each)).collect()
}

#[test]
fn blobs_far_apart_are_found_by_all() {
    let x = blobs(&FAR, 40);
    let expected = truth(3, 40);
    assert_eq!(k_means(x.view(), 3, &KMeansParams::default(), &NoProgress).unwrap().labels, expected);
    assert_eq!(dbscan(x.view(), 2.0, &DbscanParams::default(), &NoProgress).unwrap().labels, expected);
    let ordering = optics(x.view(), &OpticsParams::default(), &NoProgress).unwrap();
    assert_eq!(ordering.clusters_at(2.0).unwrap(), expected);
    // A square has corners, where samples are far from others.
    let found =
        hdbscan(x.view(), &HdbscanParams { min_cluster_size: 15, min_samples: 5 }, &NoProgress).unwrap();
    assert_eq!(found.stabilities.len(), 3);
    assert!(found.labels.iter().zip(&expected).all(|(f, e)| f.is_none() || f == e));
    let found = gaussian_mixture(x.view(), 3, &MixtureParams::default(), &NoProgress).unwrap();
    assert_eq!(found.labels, expected);
    assert!(found.weights.iter().all(|w| (w - 1.0 / 3.0).abs() < 1e-12));
}

#[test]
fn a_centre_without_a_sample_moves_to_the_farthest_one() {
    let x = array![[0.0], [1.0], [10.0], [11.0], [30.0]];
    let start = array![[0.0], [10.0], [1e6]];
    let found = k_means_from(x.view(), start.view(), &KMeansParams::default(), &NoProgress).unwrap();
    assert_eq!(numbers(&found.labels), [0, 0, 1, 1, 2]);
    assert_eq!(found.centers, array![[0.5], [10.5], [30.0]]);
    assert_eq!((found.sizes, found.sum_of_squares), (vec![2, 2, 1], 1.0));
    // Two of them, and one move only: there is never an empty cluster.
    let start = array![[5.0], [1e6], [2e6]];
    let params = KMeansParams { max_iterations: 1, ..Default::default() };
    let found = k_means_from(x.view(), start.view(), &params, &NoProgress).unwrap();
    assert!(found.sizes.iter().all(|&n| n > 0), "{:?}", found.sizes);
    assert!(!found.converged);
    // Equal centres: the first takes all.
    let start = array![[5.0], [5.0], [5.0], [5.0], [5.0]];
    let found = k_means_from(x.view(), start.view(), &KMeansParams::default(), &NoProgress).unwrap();
    assert_eq!((found.sum_of_squares, found.sizes), (0.0, vec![1; 5]));
}

#[test]
fn as_many_clusters_as_different_rows() {
    let x = array![[1.0, 0.0], [2.0, 0.0], [1.0, 0.0], [2.0, 0.0], [3.0, -0.0], [3.0, 0.0]];
    for seed in 0..20 {
        let params = KMeansParams { seed, n_starts: 1, ..Default::default() };
        let found = k_means(x.view(), 3, &params, &NoProgress).unwrap();
        assert_eq!(numbers(&found.labels), [0, 1, 0, 1, 2, 2]);
        assert_eq!(found.sum_of_squares, 0.0);
    }
    let found = k_means(x.view(), 1, &KMeansParams::default(), &NoProgress).unwrap();
    assert_eq!((found.centers, found.sum_of_squares), (array![[2.0, 0.0]], 4.0));
}

#[test]
fn one_sample() {
    let x = array![[3.0, 4.0]];
    let found = k_means(x.view(), 1, &KMeansParams::default(), &NoProgress).unwrap();
    assert_eq!((found.labels, found.sum_of_squares), (vec![Some(0)], 0.0));
    let min_samples = |min_samples| DbscanParams { min_samples, ..Default::default() };
    assert_eq!(dbscan(x.view(), 1.0, &min_samples(1), &NoProgress).unwrap().labels, [Some(0)]);
    assert_eq!(dbscan(x.view(), 1.0, &min_samples(2), &NoProgress).unwrap().labels, [None]);
    let found = optics(x.view(), &OpticsParams::default(), &NoProgress).unwrap();
    assert_eq!(
        (found.order.as_slice(), found.core_distances.as_slice()),
        ([0].as_slice(), [f64::INFINITY].as_slice())
    );
    assert_eq!(found.clusters_at(1.0).unwrap(), [None]);
    assert_eq!(hdbscan(x.view(), &HdbscanParams::default(), &NoProgress).unwrap().labels, [None]);
    let found = gaussian_mixture(x.view(), 1, &MixtureParams::default(), &NoProgress).unwrap();
    assert_eq!((found.labels, found.means), (vec![Some(0)], x));
}

#[test]
fn a_neighbour_at_exactly_eps_counts() {
    let x = Array2::from_shape_fn((5, 1), |(i, _)| i as f64);
    let params = DbscanParams { min_samples: 3, ..Default::default() };
    let found = dbscan(x.view(), 1.0, &params, &NoProgress).unwrap();
    assert_eq!(found.cores, [false, true, true, true, false]);
    assert_eq!((numbers(&found.labels), found.n_clusters), (vec![0; 5], 1));
    let found = dbscan(x.view(), 1.0 - f64::EPSILON, &params, &NoProgress).unwrap();
    assert_eq!((numbers(&found.labels), found.n_clusters), (vec![-1; 5], 0));
}

#[test]
fn samples_between_clusters_go_to_the_first() {
    // 0 and 2 are cores; 1 is within reach of both and none itself.
    let at = [-1.0, -0.5, -0.5, 0.0, 1.0, 2.0, 2.5, 2.5, 3.0];
    let params = DbscanParams { min_samples: 5, ..Default::default() };
    for order in [[0, 1, 2, 3, 4, 5, 6, 7, 8], [4, 8, 7, 6, 5, 3, 2, 1, 0]] {
        let x = Array2::from_shape_fn((9, 1), |(i, _)| at[order[i]]);
        let found = dbscan(x.view(), 1.0, &params, &NoProgress).unwrap();
        let cores: Vec<f64> = (0..9).filter(|&i| found.cores[i]).map(|i| x[[i, 0]]).collect();
        assert_eq!(cores, if order[0] == 0 { [0.0, 2.0] } else { [2.0, 0.0] });
        assert_eq!(numbers(&found.labels), [0, 0, 0, 0, 0, 1, 1, 1, 1]);
    }
}

#[test]
fn every_sample_may_be_a_core_and_none() {
    let x = array![[0.0], [1.0], [5.0], [9.0], [6.0]];
    let all = DbscanParams { min_samples: 1, ..Default::default() };
    assert_eq!(numbers(&dbscan(x.view(), 1.0, &all, &NoProgress).unwrap().labels), [0, 0, 1, 2, 1]);
    for min_samples in [6, usize::MAX] {
        let none = DbscanParams { min_samples, ..Default::default() };
        assert_eq!(numbers(&dbscan(x.view(), 1.0, &none, &NoProgress).unwrap().labels), [-1; 5]);
        let none = OpticsParams { min_samples, ..Default::default() };
        let found = optics(x.view(), &none, &NoProgress).unwrap();
        assert_eq!(found.order, [0, 1, 2, 3, 4]);
        assert!(found.reachability.iter().all(|r| r.is_infinite()));
    }
    let all = OpticsParams { min_samples: 1, max_eps: 2.0, ..Default::default() };
    let found = optics(x.view(), &all, &NoProgress).unwrap();
    assert_eq!(found.order, [0, 1, 2, 4, 3]);
    assert_eq!(found.core_distances, [0.0; 5]);
    assert_eq!(found.reachability, [f64::INFINITY, 1.0, f64::INFINITY, f64::INFINITY, 1.0]);
    assert_eq!(found.predecessors, [None, Some(0), None, None, Some(2)]);
    assert_eq!(numbers(&found.clusters_at(1.0).unwrap()), [0, 0, 1, 2, 1]);
}

#[test]
fn constant_and_equal_columns_do_no_harm() {
    let x = blobs(&FAR, 30);
    let more = ndarray::concatenate![ndarray::Axis(1), x, x, Array2::from_elem((90, 2), 7.5)];
    let expected = truth(3, 30);
    assert_eq!(k_means(more.view(), 3, &KMeansParams::default(), &NoProgress).unwrap().labels, expected);
    assert_eq!(dbscan(more.view(), 2.0, &DbscanParams::default(), &NoProgress).unwrap().labels, expected);
    for covariances in [Covariances::Full, Covariances::Diagonal] {
        let params = MixtureParams { covariances, ..Default::default() };
        let found = gaussian_mixture(more.view(), 3, &params, &NoProgress).unwrap();
        assert_eq!(found.labels, expected, "{covariances:?}");
        assert!((found.covariances[[0, 5, 5]] - 1e-6).abs() < 1e-12);
    }
    let found = principal_components(more.view(), 6).unwrap();
    assert!(found.variances.iter().skip(2).all(|&v| v == 0.0), "{}", found.variances);
    // Nothing but one point.
    let same = Array2::from_elem((8, 3), 2.0);
    assert_eq!(
        numbers(&dbscan(same.view(), 0.1, &DbscanParams::default(), &NoProgress).unwrap().labels),
        [0; 8]
    );
    let found = optics(same.view(), &OpticsParams::default(), &NoProgress).unwrap();
    assert_eq!(found.order, [0, 1, 2, 3, 4, 5, 6, 7]);
    assert!(
        hdbscan(same.view(), &HdbscanParams::default(), &NoProgress)
            .unwrap()
            .memberships
            .iter()
            .all(|m| m.is_finite())
    );
    let found = gaussian_mixture(same.view(), 1, &MixtureParams::default(), &NoProgress).unwrap();
    assert!(found.converged && found.lower_bound.is_finite());
    assert_eq!(principal_components(same.view(), 2).unwrap().total_variance, 0.0);
}

/// `n` samples of a Gaussian with this mean and these factors of its covariance L Lᵀ.
fn normal(random: &mut Xoshiro256PlusPlus, n: usize, mean: [f64; 2], factor: [[f64; 2]; 2]) -> Vec<[f64; 2]> {
    let mut draw = || StandardNormal.sample(random);
    (0..n)
        .map(|_| {
            let z: [f64; 2] = [draw(), draw()];
            [0, 1].map(|f| mean[f] + factor[f][0] * z[0] + factor[f][1] * z[1])
        })
        .collect()
}

#[test]
fn a_mixture_finds_what_was_put_in() {
    // Two needles side by side, which k-means cuts across, and one Gaussian within another.
    let mut random = Xoshiro256PlusPlus::seed_from_u64(5);
    let n = 4000;
    let needle = [[6.0, 0.0], [0.0, 0.3]];
    let mut rows = normal(&mut random, n, [0.0, 0.0], needle);
    rows.extend(normal(&mut random, n, [1.0, 4.0], needle));
    let x = Array2::from(rows);
    let start = array![[0.0, 1.0], [0.0, 3.0]];
    let found =
        gaussian_mixture_from(x.view(), start.view(), &MixtureParams::default(), &NoProgress).unwrap();
    assert!(found.converged);
    assert!(adjusted_rand_index(&found.labels, &truth(2, n)).unwrap() > 0.99);
    // Four standard errors of means and variances.
    let error = 4.0 / (n as f64).sqrt();
    for (k, mean) in [[0.0, 0.0], [1.0, 4.0]].into_iter().enumerate() {
        assert!((found.means[[k, 0]] - mean[0]).abs() < 6.0 * error);
        assert!((found.means[[k, 1]] - mean[1]).abs() < 0.3 * error);
        assert!((found.covariances[[k, 0, 0]] / 36.0 - 1.0).abs() < 1.5 * error);
        assert!((found.covariances[[k, 1, 1]] / 0.09 - 1.0).abs() < 1.5 * error);
        assert!(found.covariances[[k, 0, 1]].abs() < 6.0 * 0.3 * error);
    }
    for row in found.probabilities.outer_iter() {
        assert!((row.sum() - 1.0).abs() < 1e-12);
    }
    let diagonal = MixtureParams { covariances: Covariances::Diagonal, ..Default::default() };
    let found = gaussian_mixture_from(x.view(), start.view(), &diagonal, &NoProgress).unwrap();
    assert_eq!(found.covariances[[0, 0, 1]], 0.0);
    assert!(adjusted_rand_index(&found.labels, &truth(2, n)).unwrap() > 0.99);
}

#[test]
fn a_sample_far_from_every_component_has_a_probability() {
    let mut x = blobs(&FAR[..2], 200);
    x.row_mut(7).fill(-1e7);
    let start = array![[0.0, 0.0], [20.0, 0.0]];
    let found =
        gaussian_mixture_from(x.view(), start.view(), &MixtureParams::default(), &NoProgress).unwrap();
    assert!(found.probabilities.iter().all(|p| p.is_finite()) && found.lower_bound.is_finite());
    let one = MixtureParams { max_iterations: 1, ..Default::default() };
    assert!(!gaussian_mixture_from(x.view(), start.view(), &one, &NoProgress).unwrap().converged);
}

#[test]
fn principal_components_are_directions_of_variance() {
    // Along (3, 4)/5 with ten times the deviation of what is across.
    let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
    let x = Array2::from(normal(&mut random, 2000, [50.0, -7.0], [[6.0, -0.8], [8.0, 0.6]]));
    let found = principal_components(x.view(), 2).unwrap();
    assert!((found.components[[0, 0]] - 0.6).abs() < 0.01 && (found.components[[0, 1]] - 0.8).abs() < 0.01);
    assert!((found.variances.sum() / found.total_variance - 1.0).abs() < 1e-12);
    assert!((found.variances[0] / 100.0 - 1.0).abs() < 4.0 * (2.0f64 / 2000.0).sqrt());
    let again = found.scores_of(x.view()).unwrap();
    assert!(again.iter().zip(&found.scores).all(|(a, s)| (a - s).abs() < 1e-12 * (1.0 + s.abs())));
    // All of them turn without stretching.
    for (i, j) in [(0, 1), (5, 1700), (800, 801)] {
        let length = |a: &Array2<f64>| (&a.row(i) - &a.row(j)).mapv(|v| v * v).sum();
        assert!((length(&found.scores) / length(&x) - 1.0).abs() < 1e-12);
    }
    // Fewer samples than columns: three points have two directions.
    let wide = array![[1.0, 0.0, 0.0, 2.0, 0.0], [0.0, 3.0, 0.0, 0.0, 1.0], [0.0, 0.0, 5.0, 0.0, 0.0]];
    let found = principal_components(wide.view(), 3).unwrap();
    assert_eq!(found.variances[2], 0.0);
    assert!(found.components.row(2).iter().all(|&v| v == 0.0));
    let products = found.components.dot(&found.components.t());
    for (i, j) in [(0, 0), (0, 1), (1, 1)] {
        assert!((products[[i, j]] - f64::from(u8::from(i == j))).abs() < 1e-12);
    }
    let back = found.scores.dot(&found.components) + &found.mean;
    assert!(back.iter().zip(&wide).all(|(b, w)| (b - w).abs() < 1e-12));
}

#[test]
fn labels_become_a_map_whose_parts_hang_together() {
    // 0 0 1 1 0 0
    // 0 0 1 1 0 1
    let features = array![[0., 0., 9., 9., 0., 0.], [0., 0., 9., 9., 0., 9.]];
    let roi = Roi::all(&[2, 6]);
    let column = features.to_shape((12, 1)).unwrap();
    let found = k_means(column.view(), 2, &KMeansParams::default(), &NoProgress).unwrap();
    let map = LabelMap::new(roi.clone(), found.labels).unwrap();
    assert_eq!(map.n_clusters(), 2);
    let graph = Graph::grid(&roi, Neighbors::Direct).unwrap();
    let parts = map.split(&graph).unwrap();
    assert_eq!(parts.sizes(), [4, 4, 3, 1]);
    let params = DbscanParams { min_samples: 6, ..Default::default() };
    let found = dbscan(column.view(), 1.0, &params, &NoProgress).unwrap();
    let map = LabelMap::new(roi, found.labels).unwrap();
    assert_eq!((map.n_clusters(), map.n_noise()), (1, 5));
    assert_eq!(map.split(&graph).unwrap().sizes(), [4, 3]);
}
