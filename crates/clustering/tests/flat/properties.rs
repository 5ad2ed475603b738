//! What must hold for any samples.

use std::sync::atomic::{AtomicBool, Ordering};

use ndarray::{Array2, ArrayView2};
use nonius_clustering::{
    DbscanParams, HdbscanParams, KMeansParams, MixtureParams, OpticsParams, dbscan, gaussian_mixture,
    hdbscan, k_means, k_means_from, optics, principal_components, within_cluster_sum_of_squares,
};
use nonius_core::{Error, NoProgress, Progress};
use proptest::prelude::*;

use super::blobs;

const CENTERS: [&[f64]; 4] = [&[0.0, 0.0, 1.0], &[1.5, 0.5, 0.0], &[4.0, 0.0, -1.0], &[0.5, 3.0, 3.0]];

#[test]
fn the_bits_do_not_depend_on_threads() {
    // More samples than any block has.
    let x = blobs(&CENTERS, 700);
    let few = blobs(&CENTERS, 100);
    let all = || {
        let optics = |memory_limit| {
            optics(few.view(), &OpticsParams { memory_limit, ..Default::default() }, &NoProgress)
        };
        (
            k_means(x.view(), 5, &KMeansParams { n_starts: 2, ..Default::default() }, &NoProgress).unwrap(),
            dbscan(x.view(), 0.2, &DbscanParams::default(), &NoProgress).unwrap(),
            optics(1 << 30).unwrap(),
            optics(0).unwrap(),
            gaussian_mixture(
                x.view(),
                4,
                &MixtureParams { max_iterations: 20, ..Default::default() },
                &NoProgress,
            )
            .unwrap(),
            hdbscan(few.view(), &HdbscanParams::default(), &NoProgress).unwrap(),
            principal_components(x.view(), 2).unwrap(),
        )
    };
    let with = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(all);
    let one = with(1);
    assert_eq!(one.2, one.3, "OPTICS with distances kept and computed again");
    assert!(one == with(2) && one == with(7));
}

#[test]
fn seeds_are_all_the_chance_there_is() {
    let x = blobs(&CENTERS, 60);
    let of = |seed| {
        k_means(x.view(), 7, &KMeansParams { seed, n_starts: 1, ..Default::default() }, &NoProgress).unwrap()
    };
    assert_eq!(of(3), of(3));
    let sums: Vec<u64> = (0..6).map(|seed| of(seed).sum_of_squares.to_bits()).collect();
    assert!(sums.iter().any(|s| *s != sums[0]));
    // More starts are never worse, since the first are the same.
    let of = |n_starts| {
        k_means(x.view(), 7, &KMeansParams { n_starts, ..Default::default() }, &NoProgress).unwrap()
    };
    assert!((1..6).all(|n| of(n + 1).sum_of_squares <= of(n).sum_of_squares));
}

struct Cancelled;

impl Progress for Cancelled {
    fn cancelled(&self) -> bool {
        true
    }
}

/// Cancelled once something is done.
#[derive(Default)]
struct CancelledLater(AtomicBool);

impl Progress for CancelledLater {
    fn advance(&self, _: u64) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn no_start_is_made_after_one_that_was_cancelled() {
    let features = Array2::from_shape_fn((30, 2), |(i, j)| ((7 * i + 3 * j) % 11) as f64);
    let params = KMeansParams { n_starts: usize::MAX, ..KMeansParams::default() };
    let found = k_means(features.view(), 3, &params, &CancelledLater::default());
    assert_eq!(found.err(), Some(Error::Cancelled));
}

#[test]
fn cancelled_work_is_an_error() {
    let x = blobs(&CENTERS, 20);
    let view = x.view();
    assert_eq!(k_means(view, 3, &KMeansParams::default(), &Cancelled).err(), Some(Error::Cancelled));
    assert_eq!(dbscan(view, 1.0, &DbscanParams::default(), &Cancelled).err(), Some(Error::Cancelled));
    assert_eq!(hdbscan(view, &HdbscanParams::default(), &Cancelled).err(), Some(Error::Cancelled));
    assert_eq!(optics(view, &OpticsParams::default(), &Cancelled).err(), Some(Error::Cancelled));
    assert_eq!(
        gaussian_mixture(view, 3, &MixtureParams::default(), &Cancelled).err(),
        Some(Error::Cancelled)
    );
}

/// Whole numbers, many of whose distances are equal.
fn samples() -> impl Strategy<Value = Array2<f64>> {
    (1..40_usize, 1..4_usize).prop_flat_map(|(n, width)| {
        prop::collection::vec(0..6_u8, n * width)
            .prop_map(move |v| Array2::from_shape_fn((n, width), |(i, k)| f64::from(v[i * width + k])))
    })
}

fn distance(x: ArrayView2<'_, f64>, i: usize, j: usize) -> f64 {
    (&x.row(i) - &x.row(j)).mapv(|v| v * v).sum().sqrt()
}

/// DBSCAN from its definition: cores, then the clusters that cores reach, in order.
fn plain_dbscan(x: ArrayView2<'_, f64>, eps: f64, min_samples: usize) -> (Vec<bool>, Vec<Option<usize>>) {
    let n = x.nrows();
    let near = |i: usize, j: usize| distance(x, i, j) <= eps;
    let cores: Vec<bool> = (0..n).map(|i| (0..n).filter(|&j| near(i, j)).count() >= min_samples).collect();
    let mut labels = vec![None; n];
    let mut n_clusters = 0;
    for first in (0..n).filter(|&i| cores[i]) {
        if labels[first].is_some() {
            continue;
        }
        let mut reached = vec![first];
        while let Some(i) = reached.pop() {
            if labels[i].is_none() {
                labels[i] = Some(n_clusters);
                if cores[i] {
                    reached.extend((0..n).filter(|&j| near(i, j)));
                }
            }
        }
        n_clusters += 1;
    }
    (cores, labels)
}

/// The order, reachabilities and predecessors of OPTICS, from the definition.
fn plain_optics(x: ArrayView2<'_, f64>, min_samples: usize, max_eps: f64) -> (Vec<usize>, Vec<f64>) {
    let n = x.nrows();
    let core = |i: usize| {
        let mut d: Vec<f64> = (0..n).map(|j| distance(x, i, j)).collect();
        d.sort_by(f64::total_cmp);
        d.get(min_samples - 1).copied().filter(|d| *d <= max_eps)
    };
    let mut order: Vec<usize> = vec![];
    let mut reachability = vec![f64::INFINITY; n];
    while order.len() < n {
        let rest = (0..n).filter(|i| !order.contains(i));
        let next = rest.min_by(|&i, &j| reachability[i].total_cmp(&reachability[j])).unwrap();
        order.push(next);
        let Some(core) = core(next) else { continue };
        for o in (0..n).filter(|o| !order.contains(o) && distance(x, next, *o) <= max_eps) {
            reachability[o] = reachability[o].min(core.max(distance(x, next, o)));
        }
    }
    (order, reachability)
}

proptest! {
    #[test]
    fn dbscan_is_its_definition(x in samples(), eps in 0..9_usize, min_samples in 1..7_usize) {
        // Distances that occur, and others.
        let eps = [0.5, 1.0, 2f64.sqrt(), 1.5, 3f64.sqrt(), 2.0, 5f64.sqrt(), 3.0, 20.0][eps];
        let params = DbscanParams { min_samples, ..Default::default() };
        let found = dbscan(x.view(), eps, &params, &NoProgress).unwrap();
        let (cores, labels) = plain_dbscan(x.view(), eps, min_samples);
        prop_assert_eq!(found.cores, cores);
        prop_assert_eq!(found.labels, labels);
    }

    #[test]
    fn optics_is_its_definition(x in samples(), max_eps in 0..4_usize, min_samples in 1..7_usize) {
        let max_eps = [1.0, 2f64.sqrt(), 2.0, f64::INFINITY][max_eps];
        let params = OpticsParams { min_samples, max_eps, ..Default::default() };
        let found = optics(x.view(), &params, &NoProgress).unwrap();
        let (order, reachability) = plain_optics(x.view(), min_samples, max_eps);
        prop_assert_eq!(&found.order, &order);
        prop_assert_eq!(&found.reachability, &reachability);
        // Cut at a distance, cores are in the clusters that DBSCAN gives them.
        let eps = max_eps.min(1.5);
        let labels = found.clusters_at(eps).unwrap();
        let (cores, plain) = plain_dbscan(x.view(), eps, min_samples);
        for i in 0..cores.len() {
            for j in (0..cores.len()).filter(|&j| cores[i] && cores[j]) {
                prop_assert_eq!(labels[i] == labels[j], plain[i] == plain[j]);
            }
        }
    }

    #[test]
    fn k_means_rests_where_nothing_can_move(x in samples(), k in 1..6_usize, seed in 0..100_u64) {
        let params = KMeansParams { n_starts: 1, tolerance: 0.0, seed, ..Default::default() };
        let Ok(found) = k_means(x.view(), k, &params, &NoProgress) else {
            let different = (0..x.nrows()).filter(|&i| (0..i).all(|j| distance(x.view(), i, j) > 0.0)).count();
            prop_assert!(k > different);
            return Ok(());
        };
        prop_assert!(found.converged);
        prop_assert!(found.sizes.iter().all(|&n| n > 0));
        prop_assert_eq!(found.sizes.iter().sum::<usize>(), x.nrows());
        let to_center = |i: usize, k: usize| (&x.row(i) - &found.centers.row(k)).mapv(|v| v * v).sum();
        for (i, label) in found.labels.iter().enumerate() {
            let own: f64 = to_center(i, label.unwrap());
            prop_assert!((0..k).all(|k| own <= to_center(i, k)));
        }
        let expected = within_cluster_sum_of_squares(x.view(), &found.labels).unwrap();
        prop_assert!((found.sum_of_squares - expected).abs() <= 1e-12 * (1.0 + expected));
        // From where it rests nothing gets worse; samples between two centres may change sides.
        let again = k_means_from(x.view(), found.centers.view(), &params, &NoProgress).unwrap();
        prop_assert!(again.sum_of_squares <= found.sum_of_squares);
    }

    #[test]
    fn an_update_never_lowers_the_bound(seed in 0..50_u64, k in 1..5_usize) {
        let x = blobs(&CENTERS, 30);
        let mut before = f64::NEG_INFINITY;
        for max_iterations in 1..8 {
            let params = MixtureParams { max_iterations, seed, ..Default::default() };
            let found = gaussian_mixture(x.view(), k, &params, &NoProgress).unwrap();
            // Regularisation takes 1e-6 of a variance of about 0.3.
            prop_assert!(found.lower_bound >= before - 1e-5, "{} after {before}", found.lower_bound);
            before = found.lower_bound;
        }
    }
}
