//! Quality of clusters.

use ndarray::{Array2, ArrayD, Ix2, array};
use nonius_clustering::{
    Dendrogram, LinkageParams, SilhouetteParams, adjusted_rand_index, davies_bouldin, linkage, silhouette,
    suggest_clusters, within_cluster_sum_of_squares,
};
use nonius_core::{Error, NoProgress, Progress};
use proptest::prelude::*;

use crate::flat::blobs;
use crate::golden::archive;

fn labels(array: &ArrayD<f64>) -> Vec<Option<usize>> {
    array.iter().map(|&v| (v >= 0.0).then_some(v as usize)).collect()
}

fn matrix(array: &ArrayD<f64>) -> Array2<f64> {
    array.clone().into_dimensionality::<Ix2>().unwrap()
}

#[track_caller]
fn close(what: &str, found: f64, expected: f64) {
    // Rounding of sums of some hundred terms.
    assert!((found - expected).abs() <= 1e-12 * (1.0 + expected.abs()), "{what}: {found} {expected}");
}

fn all(x: &Array2<f64>, labels: &[Option<usize>]) -> nonius_clustering::Silhouette {
    silhouette(x.view(), labels, &SilhouetteParams::default(), &NoProgress).unwrap()
}

#[test]
fn figures_are_those_of_scikit_learn() {
    let (flat, golden) = (archive("flat.npz"), archive("quality.npz"));
    let mut cases = vec![(
        "singletons".to_owned(),
        matrix(&golden["singletons/x"]),
        labels(&golden["singletons/labels"]),
    )];
    for case in ["c01_blobs_3d", "c02_blobs_8d", "c03_elongated_2d"] {
        for name in ["kmeans_labels", "kmeans_best_labels_canonical", "gmm_labels"] {
            let key = format!("{case}/{name}");
            cases.push((key.clone(), matrix(&flat[&format!("{case}/x")]), labels(&flat[&key])));
        }
    }
    for (key, x, labels) in &cases {
        let expected = &golden[&format!("{key}/silhouette_samples")];
        let found = all(x, labels);
        assert_eq!((found.values.len(), found.standard_error), (expected.len(), 0.0));
        found.values.iter().zip(expected).for_each(|(f, e)| close(key, *f, *e));
        close(key, found.mean.unwrap(), expected.mean().unwrap());
        let found = davies_bouldin(x.view(), labels).unwrap().unwrap();
        close(key, found, golden[&format!("{key}/davies_bouldin")].sum());
        if let Some(expected) = golden.get(&format!("{key}/within")) {
            close(key, within_cluster_sum_of_squares(x.view(), labels).unwrap(), expected.sum());
        }
    }
    let mut n_pairs = 0;
    for (key, expected) in &golden {
        if let [case, "rand", a, b] = key.split('/').collect::<Vec<_>>()[..] {
            let of = |name: &str| labels(&flat[&format!("{case}/{name}")]);
            close(key, adjusted_rand_index(&of(a), &of(b)).unwrap(), expected.sum());
            n_pairs += 1;
        }
    }
    assert_eq!((cases.len(), n_pairs), (10, 30));
}

#[test]
fn few_clusters_have_no_separation() {
    let x = array![[0.0], [1.0], [5.0]];
    for labels in [[None; 3], [Some(4); 3], [None, Some(usize::MAX), None]] {
        let found = all(&x, &labels);
        assert_eq!((found.mean, found.values.len(), found.samples.len()), (None, 0, 0));
        assert_eq!(davies_bouldin(x.view(), &labels).unwrap(), None);
    }
    assert_eq!(within_cluster_sum_of_squares(x.view(), &[None; 3]).unwrap(), 0.0);
    assert_eq!(within_cluster_sum_of_squares(x.view(), &[Some(7), Some(7), None]).unwrap(), 0.5);
    // Each alone: no silhouette to speak of, no width.
    let alone = [Some(2), Some(0), Some(9)];
    assert_eq!(all(&x, &alone).values, [0.0; 3]);
    assert_eq!(davies_bouldin(x.view(), &alone).unwrap(), Some(0.0));
    // Clusters that cannot be told apart.
    let same = array![[1.0], [1.0], [1.0], [1.0]];
    let two = [Some(0), Some(0), Some(1), Some(1)];
    assert_eq!(all(&same, &two).values, [0.0; 4]);
    assert_eq!(davies_bouldin(same.view(), &two).unwrap(), Some(f64::INFINITY));
}

#[test]
fn noise_counts_for_nothing() {
    let x = array![[0.0], [1.0], [500.0], [10.0], [12.0]];
    let labels = [Some(1), Some(1), None, Some(0), Some(0)];
    let found = all(&x, &labels);
    assert_eq!(found.samples, [0, 1, 3, 4]);
    let without = array![[0.0], [1.0], [10.0], [12.0]];
    let others = [Some(0), Some(0), Some(1), Some(1)];
    assert_eq!(found.values, all(&without, &others).values);
    assert_eq!(davies_bouldin(x.view(), &labels).unwrap(), davies_bouldin(without.view(), &others).unwrap());
}

#[test]
fn drawn_silhouettes_estimate_the_mean() {
    let x = blobs(&[&[0.0, 0.0], &[2.0, 1.0], &[5.0, 0.0]], 1000);
    let labels: Vec<_> = (0..3000).map(|i| (i % 50 != 7).then_some(i / 1000)).collect();
    let exact = all(&x, &labels);
    assert_eq!((exact.values.len(), exact.standard_error), (2940, 0.0));
    let mut off = vec![];
    for seed in 0..20 {
        let params = SilhouetteParams { exact_up_to: 900, seed };
        let found = silhouette(x.view(), &labels, &params, &NoProgress).unwrap();
        assert_eq!(found.values.len(), 900 * 900 / 2940);
        assert_eq!(found, silhouette(x.view(), &labels, &params, &NoProgress).unwrap());
        for (i, value) in found.samples.iter().zip(&found.values) {
            let at = exact.samples.iter().position(|j| j == i).unwrap();
            assert_eq!(*value, exact.values[at]);
        }
        off.push((found.mean.unwrap() - exact.mean.unwrap()) / found.standard_error);
    }
    // Twenty normal deviates: their mean square is below 2 but for one time in a hundred.
    assert!(off.iter().map(|d| d * d).sum::<f64>() / 20.0 < 2.0, "{off:?}");
    let few = SilhouetteParams { exact_up_to: 1, seed: 0 };
    assert_eq!(silhouette(x.view(), &labels, &few, &NoProgress).unwrap().values.len(), 100);
}

#[test]
fn agreement_of_labellings() {
    let of = |a: &[usize], b: &[usize]| {
        let some = |l: &[usize]| l.iter().map(|&k| Some(k)).collect::<Vec<_>>();
        adjusted_rand_index(&some(a), &some(b)).unwrap()
    };
    assert_eq!(of(&[], &[]), 1.0);
    assert_eq!(of(&[3], &[8]), 1.0);
    assert_eq!(of(&[0, 0, 0], &[5, 5, 5]), 1.0);
    assert_eq!(of(&[0, 1, 2], &[2, 0, 1]), 1.0);
    assert_eq!(of(&[0, 0, 0], &[0, 1, 2]), 0.0);
    // One pair of six agrees in both: (1 − 1/3)/(3/2 − 1/3).
    close("four samples", of(&[0, 0, 1, 1], &[0, 0, 1, 2]), (1.0 - 1.0 / 3.0) / (1.5 - 1.0 / 3.0));
    // Noise is a cluster.
    assert_eq!(adjusted_rand_index(&[None, None, Some(0)], &[Some(1), Some(1), None]).unwrap(), 1.0);
    let error = adjusted_rand_index(&[None], &[]).unwrap_err();
    assert_eq!(error.to_string(), "labels: expected shape [1], got [0]");
}

#[test]
fn the_largest_jump_suggests_a_number() {
    for k in 2..6 {
        let centers: Vec<[f64; 2]> = (0..k).map(|i| [30.0 * i as f64, 17.0 * (i * i) as f64]).collect();
        let centers: Vec<&[f64]> = centers.iter().map(|c| c.as_slice()).collect();
        let tree = linkage(blobs(&centers, 30).view(), &LinkageParams::default(), &NoProgress).unwrap();
        let found = suggest_clusters(&tree, 20).unwrap().unwrap();
        assert_eq!(found.n_clusters, k);
        assert!(found.jump > 3.0);
    }
    let of = |distances: &[f64], max| {
        let n = distances.len() + 1;
        let merges =
            (0..n as u32 - 1).map(|k| if k == 0 { [0, 1] } else { [k + 1, n as u32 + k - 1] }).collect();
        let tree = Dendrogram::new(n, merges, distances.to_vec()).unwrap();
        suggest_clusters(&tree, max).unwrap().map(|s| (s.n_clusters, s.jump))
    };
    assert_eq!(of(&[1.0, 2.0, 10.0, 12.0], 9), Some((3, 5.0)));
    assert_eq!(of(&[1.0, 2.0, 10.0, 12.0], 2), Some((2, 1.2)));
    // Merges below those before them are no jumps, and none comes after them.
    assert_eq!(of(&[1.0, 4.0, 0.5, 4.0, 6.0], 9), Some((5, 4.0)));
    assert_eq!(of(&[0.0, 0.0, 3.0], 9), Some((2, f64::INFINITY)));
    assert_eq!(of(&[2.0, 2.0, 2.0], 9), None);
    assert_eq!(of(&[0.0, 0.0, 0.0], 9), None);
    assert_eq!(of(&[5.0], 9), None);
    let one = Dendrogram::new(1, vec![], vec![]).unwrap();
    assert_eq!(suggest_clusters(&one, 5).unwrap(), None);
    assert!(matches!(suggest_clusters(&one, 1), Err(Error::Parameter { .. })));
}

struct Cancelled;

impl Progress for Cancelled {
    fn cancelled(&self) -> bool {
        true
    }
}

#[test]
fn bad_input_is_an_error() {
    let x = array![[0.0], [1.0]];
    let two = [Some(0), Some(1)];
    let of = |x: &Array2<f64>, labels: &[Option<usize>]| {
        [
            silhouette(x.view(), labels, &SilhouetteParams::default(), &NoProgress).err(),
            davies_bouldin(x.view(), labels).err(),
            within_cluster_sum_of_squares(x.view(), labels).err(),
        ]
    };
    for error in of(&x, &[Some(0)]) {
        assert!(matches!(error, Some(Error::Shape { .. })));
    }
    for error in of(&array![[0.0], [f64::NAN]], &two) {
        assert!(matches!(error, Some(Error::Parameter { .. })));
    }
    for error in of(&Array2::zeros((0, 1)), &[]) {
        assert!(matches!(error, Some(Error::Empty { .. })));
    }
    let none = SilhouetteParams { exact_up_to: 0, seed: 0 };
    let error = silhouette(x.view(), &two, &none, &NoProgress).unwrap_err();
    assert_eq!(error.to_string(), "exact_up_to must be at least 1, got 0");
    let cancelled = silhouette(x.view(), &two, &SilhouetteParams::default(), &Cancelled);
    assert_eq!(cancelled.err(), Some(Error::Cancelled));
}

proptest! {
    #[test]
    fn figures_do_not_depend_on_numbers_or_order(
        values in prop::collection::vec((0..9_u8, 0..9_u8, 0..4_usize), 4..40),
        turn in 1..7_usize,
    ) {
        let n = values.len();
        let x = Array2::from_shape_fn((n, 2), |(i, k)| f64::from(if k == 0 { values[i].0 } else { values[i].1 }));
        let labels: Vec<_> = values.iter().map(|v| (v.2 > 0).then_some(v.2)).collect();
        let other: Vec<_> = labels.iter().map(|l| l.map(|k| 77 - k)).collect();
        prop_assert_eq!(adjusted_rand_index(&labels, &other).unwrap(), 1.0);
        let found = all(&x, &labels);
        prop_assert_eq!(&found, &all(&x, &other));
        prop_assert!(found.values.iter().all(|s| (-1.0..=1.0).contains(s)));
        let turned: Vec<usize> = (0..n).map(|i| (i + turn) % n).collect();
        let turned_labels: Vec<_> = turned.iter().map(|&i| labels[i]).collect();
        let turned = all(&x.select(ndarray::Axis(0), &turned), &turned_labels);
        prop_assert!((found.mean.unwrap_or(0.0) - turned.mean.unwrap_or(0.0)).abs() < 1e-12);
    }
}
