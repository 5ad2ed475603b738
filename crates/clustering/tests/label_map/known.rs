//! Answers by hand.

use ndarray::{Array, Array2, ArrayD, array};
use nonius_clustering::{
    Cut, Dendrogram, Graph, LabelMap, LabelledStatistics, NanPolicy, Neighbors, Numbering, Overlap, Place,
    merge_rows,
};
use nonius_core::{Error, Result, Roi, Scan, ScanParams, pass};

/// A map from its picture: −2 outside, −1 noise.
fn map(numbers: Array2<i64>) -> LabelMap {
    let roi = Roi::from_mask(numbers.mapv(|k| k != -2).into_dyn().view());
    let labels = numbers.iter().filter(|k| **k != -2).map(|k| usize::try_from(*k).ok()).collect();
    LabelMap::new(roi, labels).unwrap()
}

fn grid(map: &LabelMap) -> Graph {
    Graph::grid(map.roi(), Neighbors::Direct).unwrap()
}

fn picture(map: &LabelMap) -> Array2<i64> {
    map.numbers().mapv(i64::from).into_dimensionality().unwrap()
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
fn every_cluster_in_turn() {
    let map = map(array![[0, 0, -2], [1, -1, 2], [1, 1, 2]]);
    assert_eq!((map.n_clusters(), map.n_noise(), map.roi().len()), (3, 1, 8));
    assert_eq!(map.sizes(), [2, 3, 2]);
    let places = map.places();
    assert_eq!(
        [places[[0, 2]], places[[1, 1]], places[[2, 2]]],
        [Place::Outside, Place::Noise, Place::Cluster(2)]
    );
    assert_eq!(map.noise().mask().iter().filter(|used| **used).count(), 1);
    let mut n = 0;
    for (k, roi, size) in map.iter() {
        assert_eq!((k, roi.len(), &roi), (n, size, &map.cluster(k)));
        n += 1;
    }
    assert_eq!((n, map.iter().len(), map.cluster(3).len()), (3, 3, 0));
    assert_eq!(map.bounding_boxes(), [[0..1, 0..2], [1..3, 0..2], [1..3, 2..3]]);
}

#[test]
fn maps_of_trees_and_of_numbers() {
    let tree = Dendrogram::new(4, vec![[2, 3]], vec![1.0]).unwrap();
    let found = tree.label_map(&Roi::all(&[2, 2]), Cut::Clusters(3), Numbering::BySize).unwrap();
    assert_eq!(picture(&found), array![[1, 2], [0, 0]]);
    assert!(matches!(
        tree.label_map(&Roi::all(&[5]), Cut::Clusters(3), Numbering::BySize),
        Err(Error::Shape { .. })
    ));
    let found = LabelMap::from_numbers(Roi::all(&[1, 5]), &[7, -3, i64::MAX, 7, 0]).unwrap();
    assert_eq!(picture(&found), array![[0, -1, 1, 0, 2]]);
    let noise = LabelMap::from_numbers(Roi::all(&[2]), &[-1, -1]).unwrap();
    assert_eq!((noise.n_clusters(), noise.iter().count()), (0, 0));
}

#[test]
fn what_is_no_label_map() {
    let new = |labels: Vec<Option<usize>>| LabelMap::new(Roi::all(&[2, 2]), labels);
    assert!(matches!(new(vec![Some(0); 3]), Err(Error::Shape { .. })));
    fails_at(new(vec![Some(0), Some(2), None, Some(2)]), "labels", "none of them 1");
    fails_at(new(vec![Some(0), Some(usize::MAX), None, None]), "labels", "for 4 samples");
    let nowhere = Roi::from_positions(&[2, 2], [[0usize; 2]; 0]).unwrap();
    assert!(matches!(LabelMap::new(nowhere, vec![]), Err(Error::Empty { .. })));
}

#[test]
fn clusters_are_united_renumbered_and_removed() {
    let map = map(array![[2, 2, 0], [3, 1, -1], [3, 3, 1]]);
    assert_eq!(picture(&map.united(3, 1).unwrap()), array![[2, 2, 0], [1, 1, -1], [1, 1, 1]]);
    assert_eq!(map.united(2, 2).unwrap(), map);
    fails_at(map.united(1, 4), "cluster", "4 of 4");
    assert_eq!(picture(&map.renumbered(Numbering::Canonical)), array![[0, 0, 1], [2, 3, -1], [2, 2, 3]]);
    assert_eq!(picture(&map.renumbered(Numbering::BySize)), array![[1, 1, 3], [0, 2, -1], [0, 0, 2]]);
    let relabeled = map.relabeled(&[None, Some(9), Some(4), Some(9)]).unwrap();
    assert_eq!(picture(&relabeled), array![[0, 0, -1], [1, 1, -1], [1, 1, 1]]);
    assert!(matches!(map.relabeled(&[None]), Err(Error::Shape { .. })));
}

#[test]
fn parts_and_boundaries() {
    let map = map(array![[0, 1, 0], [0, 1, 0], [-1, 1, -1]]);
    let graph = grid(&map);
    assert_eq!(picture(&map.split(&graph).unwrap()), array![[0, 1, 2], [0, 1, 2], [-1, 1, -1]]);
    // Diagonally, the parts still do not touch.
    let diagonal = Graph::grid(map.roi(), Neighbors::Diagonal).unwrap();
    assert_eq!(map.split(&diagonal).unwrap().n_clusters(), 3);
    let boundaries = map.boundaries(&graph).unwrap();
    assert!(boundaries.iter().all(|b| *b));
    let halves = self::map(array![[0, 0, 1, 1], [0, 0, 1, -2]]);
    let expected = array![[false, true, true, false], [false, true, true, false]];
    assert_eq!(halves.boundaries(&grid(&halves)).unwrap(), expected.into_dyn());
    let other = Graph::from_edges(5, []).unwrap();
    assert!(matches!(map.split(&other), Err(Error::Shape { .. })));
    assert!(matches!(map.boundaries(&other), Err(Error::Shape { .. })));
    assert!(matches!(map.majority_filtered(&other), Err(Error::Shape { .. })));
    assert!(matches!(map.absorbed(&other, Array2::zeros((9, 1)).view(), 2), Err(Error::Shape { .. })));
}

#[test]
fn the_majority_of_neighbours() {
    let speckled = map(array![[0, 0, 0, 1], [0, 2, 0, 1], [0, 0, 1, 1], [-1, 0, 1, 1]]);
    let found = speckled.majority_filtered(&grid(&speckled)).unwrap();
    // The lone 2 is gone; the noise in the corner gives way to its two neighbours; ties keep their own.
    assert_eq!(picture(&found), array![[0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 1, 1], [0, 0, 1, 1]]);
    let even = map(array![[0, 1], [1, 0]]);
    // Two of three have the other label.
    assert_eq!(
        picture(&even.majority_filtered(&grid(&even)).unwrap()),
        array![[0, 1], [1, 0]].mapv(|k| 1 - k)
    );
}

#[test]
fn small_parts_go_where_they_cost_least() {
    // One sample of cluster 1 between 0 and 2, nearer to 2; one of 0 apart, within 2.
    let map = map(array![[0, 0, 1, 2, 2], [0, 0, 2, 2, 0]]);
    let features = array![[0.0], [0.0], [0.7], [1.0], [1.0], [0.0], [0.0], [1.0], [1.0], [0.9]];
    let graph = grid(&map);
    let found = map.absorbed(&graph, features.view(), 2).unwrap();
    assert_eq!(picture(&found), array![[0, 0, 1, 1, 1], [0, 0, 1, 1, 1]]);
    // The cost counts samples: c = m n/(m + n) d². Nearer to one sample than to four.
    let line = self::map(array![[0, 0, 0, 0, 1, 2]]);
    let features = array![[0.0], [0.0], [0.0], [0.0], [0.45], [1.0]];
    // 4/5 · 0.45² = 0.162 against 1/2 · 0.55² = 0.151; then the pair (mean 0.725) is large enough.
    let found = line.absorbed(&grid(&line), features.view(), 2).unwrap();
    assert_eq!(picture(&found), array![[0, 0, 0, 0, 1, 1]]);
    // The smallest first, and what has grown is looked at again: 1 and 2 unite, and remain too small.
    let found = line.absorbed(&grid(&line), features.view(), 3).unwrap();
    assert_eq!(picture(&found), array![[0, 0, 0, 0, 0, 0]]);
    assert_eq!(line.absorbed(&grid(&line), features.view(), 1).unwrap(), line);
    // Two parts of one cluster become one by what lies between them.
    let bridge = self::map(array![[0, 1, 0, 2]]);
    let features = array![[0.0], [0.1], [0.0], [9.0]];
    assert_eq!(picture(&bridge.absorbed(&grid(&bridge), features.view(), 2).unwrap()), array![[0, 0, 0, 0]]);
    // Nobody to go to: an island, and noise all around.
    let alone = self::map(array![[0, -2, 1, 1], [-1, -2, 1, 1]]);
    let features = Array2::zeros((6, 2));
    assert_eq!(alone.absorbed(&grid(&alone), features.view(), 4).unwrap(), alone);
    fails_at(alone.absorbed(&grid(&alone), Array2::from_elem((6, 2), f64::NAN).view(), 4), "features", "NaN");
    assert!(matches!(
        alone.absorbed(&grid(&alone), Array2::zeros((5, 2)).view(), 4),
        Err(Error::Shape { .. })
    ));
}

#[test]
fn partners_share_as_much_as_possible_in_total() {
    // Taking the largest overlap first, 0 with 0 (3), would leave 1 alone: 3 instead of 2 + 2.
    let a = map(array![[0, 0, 0, 0, 0, 1, 1, 2, -1]]);
    let b = map(array![[0, 0, 0, 1, 1, 0, 0, -1, 1]]);
    let found = a.matched(&b).unwrap();
    assert_eq!(found.partner, [Some(1), Some(0), None]);
    assert_eq!((found.overlap, found.n_common), (vec![2, 2, 0], 9));
    let itself = a.matched(&a).unwrap();
    assert_eq!(itself.partner, [Some(0), Some(1), Some(2)]);
    let elsewhere = map(array![[-2, -2, 0, 0, 0, -2, -2, -2, -2]]);
    let found = elsewhere.matched(&a).unwrap();
    assert_eq!((found.partner, found.overlap, found.n_common), (vec![Some(0)], vec![3], 3));
    assert!(matches!(a.matched(&map(array![[0], [0]])), Err(Error::Shape { .. })));
}

#[test]
fn results_of_clusters_are_put_together() {
    let shape = [2, 3];
    let left = Roi::from_positions(&shape, [[0, 0], [1, 0], [1, 1]]).unwrap();
    let right = Roi::from_positions(&shape, [[1, 1], [0, 2]]).unwrap();
    let (of_left, of_right) = (array![1.0, 2.0, 3.0].into_dyn(), array![7.0, 5.0].into_dyn());
    let merge = |overlap| merge_rows(&shape, [(&left, of_left.view()), (&right, of_right.view())], overlap);
    fails_at(merge(Overlap::Error), "parts", "[1, 1] twice");
    for (overlap, at_both) in [(Overlap::FirstWins, 3.0), (Overlap::LastWins, 5.0), (Overlap::Mean, 4.0)] {
        let merged = merge(overlap).unwrap();
        assert_eq!((merged.n_missing, merged.n_overlapping), (2, 1));
        let values: Vec<f64> = merged.values.iter().copied().collect();
        assert!(values[1].is_nan() && values[5].is_nan());
        assert_eq!([values[0], values[2], values[3], values[4]], [1.0, 7.0, 2.0, at_both]);
    }
    // Rows may be arrays of any shape, of one in all parts.
    let arrays = Array::from_shape_fn((3, 2, 2), |(i, y, x)| (100 * i + 10 * y + x) as f64).into_dyn();
    let merged = merge_rows(&shape, [(&left, arrays.view())], Overlap::Error).unwrap();
    assert_eq!((merged.values.shape(), merged.values[[1, 1, 1, 0]]), (&[2, 3, 2, 2][..], 210.0));
    let mixed = merge_rows(&shape, [(&left, arrays.view()), (&right, of_right.view())], Overlap::Mean);
    assert!(matches!(mixed, Err(Error::Shape { .. })));
    assert!(matches!(
        merge_rows(&shape, [(&left, of_right.view())], Overlap::Mean),
        Err(Error::Shape { .. })
    ));
    assert!(matches!(
        merge_rows(&[3, 2], [(&left, of_left.view())], Overlap::Mean),
        Err(Error::Shape { .. })
    ));
    assert!(matches!(merge_rows(&shape, [], Overlap::Mean), Err(Error::Empty { .. })));
}

#[test]
fn statistics_of_all_clusters_in_one_pass() {
    let map = map(array![[0, 0, 1], [-2, 1, 1]]);
    let frames = ndarray::Array3::from_shape_fn((6, 2, 2), |(k, y, x)| (k * k + y + x) as u16);
    let scan =
        Scan::new(Box::new(frames), &ScanParams { shape: Some(vec![2, 3]), ..Default::default() }).unwrap();
    let all = LabelledStatistics::new(map.groups().view(), NanPolicy::Propagate).unwrap();
    let found =
        pass(&scan.select(None).unwrap(), &all, &Default::default(), &nonius_core::NoProgress).unwrap();
    assert_eq!(found.iter().map(|maps| maps.n_frames).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(found[1].sum[[0, 0]], (4 + 16 + 25) as f64);
}

#[test]
fn split_and_merge_give_the_map_back() {
    let map = map(array![[0, 2, 1, -2], [2, -1, 1, 1], [0, 0, 2, 2]]);
    let whole: ArrayD<f64> = Array::from_shape_fn((3, 4), |(y, x)| (10 * y + x) as f64).into_dyn();
    let mut parts: Vec<_> = map.iter().map(|(_, roi, _)| roi).collect();
    parts.push(map.noise());
    let rows: Vec<_> =
        parts.iter().map(|roi| Array::from(roi.gather(whole.view()).unwrap()).into_dyn()).collect();
    let merged =
        merge_rows(&[3, 4], parts.iter().zip(&rows).map(|(p, r)| (p, r.view())), Overlap::Error).unwrap();
    assert_eq!((merged.n_missing, merged.n_overlapping), (1, 0));
    for ((at, value), used) in merged.values.indexed_iter().zip(map.roi().mask()) {
        assert!(if used { *value == whole[at] } else { value.is_nan() });
    }
}
