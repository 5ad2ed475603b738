//! What must hold for any map.

use std::collections::BTreeSet;

use ndarray::{Array, Array2};
use nonius_clustering::{Graph, LabelMap, Neighbors, Numbering, Overlap, merge_rows};
use nonius_core::Roi;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

fn config() -> Config {
    Config {
        cases: 64,
        rng_seed: RngSeed::Fixed(0x6d61_7073),
        failure_persistence: None,
        ..Config::default()
    }
}

/// Maps with noise (−1) and positions outside (−2).
fn maps() -> impl Strategy<Value = LabelMap> {
    (1..9_usize, 1..9_usize).prop_flat_map(|(h, w)| {
        prop::collection::vec(-2..5_i64, h * w).prop_map(move |mut numbers| {
            numbers[0] = 0;
            let numbers = Array2::from_shape_vec((h, w), numbers).unwrap();
            let roi = Roi::from_mask(numbers.mapv(|k| k != -2).into_dyn().view());
            let used: Vec<i64> = numbers.iter().copied().filter(|k| *k != -2).collect();
            LabelMap::from_numbers(roi, &used).unwrap()
        })
    })
}

fn pairs(a: &LabelMap, b: &LabelMap) -> BTreeSet<(Option<usize>, Option<usize>)> {
    a.labels().iter().copied().zip(b.labels().iter().copied()).collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn clusters_share_the_region(map in maps()) {
        let all: usize = map.iter().map(|(_, _, size)| size).sum();
        prop_assert_eq!(all + map.n_noise(), map.roi().len());
        prop_assert_eq!(map.sizes(), map.iter().map(|(_, _, size)| size).collect::<Vec<_>>());
        for ((_, roi, _), ranges) in map.iter().zip(map.bounding_boxes()) {
            let inside = Roi::rectangle(map.roi().shape(), &ranges).unwrap().mask();
            prop_assert!(roi.mask().iter().zip(&inside).all(|(used, inside)| *inside || !used));
        }
        let again = LabelMap::from_numbers(
            map.roi().clone(),
            &map.labels().iter().map(|l| l.map_or(-1, |k| k as i64)).collect::<Vec<_>>(),
        );
        prop_assert_eq!(again.unwrap(), map.clone());
        let by_size = map.renumbered(Numbering::BySize);
        prop_assert!(by_size.sizes().is_sorted_by(|a, b| a >= b));
        prop_assert_eq!(by_size.renumbered(Numbering::Canonical), map);
    }

    #[test]
    fn parts_hang_together_and_no_more(map in maps(), diagonal in any::<bool>()) {
        let neighbors = if diagonal { Neighbors::Diagonal } else { Neighbors::Direct };
        let graph = Graph::grid(map.roi(), neighbors).unwrap();
        let parts = map.split(&graph).unwrap();
        prop_assert_eq!(parts.n_noise(), map.n_noise());
        // Each part lies in one cluster; splitting again changes nothing.
        prop_assert_eq!(pairs(&parts, &map).len(), parts.n_clusters() + usize::from(map.n_noise() > 0));
        prop_assert_eq!(&parts.split(&graph).unwrap(), &parts);
        for [a, b] in graph.edges().iter().map(|e| e.map(|i| i as usize)) {
            if map.labels()[a] == map.labels()[b] {
                prop_assert_eq!(parts.labels()[a], parts.labels()[b]);
            }
        }
    }

    #[test]
    fn nothing_small_is_left_that_could_go(map in maps(), min_size in 0..7_usize) {
        let graph = Graph::grid(map.roi(), Neighbors::Direct).unwrap();
        let n = map.roi().len();
        let features = Array2::from_shape_fn((n, 2), |(i, f)| ((i * 37 + f * 11) % 17) as f64);
        let found = map.absorbed(&graph, features.view(), min_size).unwrap();
        prop_assert_eq!(found.n_noise(), map.n_noise());
        let parts = found.split(&graph).unwrap();
        for (k, size) in parts.sizes().into_iter().enumerate().filter(|(_, size)| *size < min_size) {
            let alone = graph.edges().iter().map(|e| e.map(|i| parts.labels()[i as usize])).all(|[a, b]| {
                !(a == Some(k) && b.is_some_and(|b| b != k) || b == Some(k) && a.is_some_and(|a| a != k))
            });
            prop_assert!(alone, "part {} of {} has a neighbour", k, size);
        }
    }

    #[test]
    fn boundaries_are_where_labels_change(map in maps()) {
        let graph = Graph::grid(map.roi(), Neighbors::Direct).unwrap();
        let boundaries = map.roi().gather(map.boundaries(&graph).unwrap().view()).unwrap();
        for (i, is_boundary) in boundaries.into_iter().enumerate() {
            let changes = graph.edges().iter().map(|e| e.map(|i| i as usize)).any(|[a, b]| {
                (a == i || b == i) && map.labels()[a] != map.labels()[b]
            });
            prop_assert_eq!(is_boundary, changes);
        }
    }

    #[test]
    fn partners_are_the_best_of_all_assignments(
        a in prop::collection::vec(-1..4_i64, 24), b in prop::collection::vec(-1..4_i64, 24),
    ) {
        let map = |numbers: &[i64]| LabelMap::from_numbers(Roi::all(&[24]), numbers).unwrap();
        let (a, b) = (map(&a), map(&b));
        let found = a.matched(&b).unwrap();
        let shared = |p, q| (0..24).filter(|&i| a.labels()[i] == Some(p) && b.labels()[i] == Some(q)).count();
        // Every assignment of the clusters, one by one.
        fn best(p: usize, n: usize, free: &[usize], shared: &dyn Fn(usize, usize) -> usize) -> usize {
            if p == n {
                return 0;
            }
            let taken = free.iter().map(|&q| {
                let rest: Vec<usize> = free.iter().copied().filter(|&r| r != q).collect();
                shared(p, q) + best(p + 1, n, &rest, shared)
            });
            taken.max().unwrap_or(0).max(best(p + 1, n, free, shared))
        }
        let columns: Vec<usize> = (0..b.n_clusters()).collect();
        prop_assert_eq!(found.overlap.iter().sum::<usize>(), best(0, a.n_clusters(), &columns, &shared));
        let partners: Vec<usize> = found.partner.iter().flatten().copied().collect();
        prop_assert_eq!(partners.iter().collect::<BTreeSet<_>>().len(), partners.len());
        for (p, partner) in found.partner.iter().enumerate() {
            prop_assert_eq!(found.overlap[p], partner.map_or(0, |q| shared(p, q)));
            prop_assert!(partner.is_none() || found.overlap[p] > 0);
        }
        // A permutation is found.
        let turned = a.relabeled(&(0..a.n_clusters()).rev().map(Some).collect::<Vec<_>>()).unwrap();
        let back: Vec<_> = (0..a.n_clusters()).rev().map(Some).collect();
        prop_assert_eq!(a.matched(&turned).unwrap().partner, back);
    }

    #[test]
    fn splitting_and_merging_give_the_map_back(map in maps()) {
        let whole = Array::from_shape_fn(map.roi().mask().raw_dim(), |at| at[0] as f64 - 0.5 * at[1] as f64);
        let mut parts: Vec<Roi> = map.iter().map(|(_, roi, _)| roi).collect();
        parts.push(map.noise());
        let rows: Vec<_> =
            parts.iter().map(|roi| Array::from(roi.gather(whole.view()).unwrap()).into_dyn()).collect();
        let pieces = parts.iter().zip(&rows).map(|(roi, rows)| (roi, rows.view()));
        let merged = merge_rows(map.roi().shape(), pieces, Overlap::Error).unwrap();
        prop_assert_eq!(merged.n_missing, whole.len() - map.roi().len());
        let found = map.roi().gather(merged.values.view()).unwrap();
        prop_assert_eq!(found, map.roi().gather(whole.view()).unwrap());
    }
}
