//! From frames to a map of regions.

use std::path::Path;

use ndarray::{Array2, ArrayD, Axis, Ix2};
use nonius_clustering::{
    CenterOfMass, Cut, FeatureParams, FeaturePlan, Graph, LabelMap, LabelledStatistics, LogSum, NanPolicy,
    Neighbors, Numbering, Overlap, PixelStatistics, Scaling, WardParams, merge_rows, scale, ward,
    with_coordinates,
};
use nonius_core::{NoProgress, PassParams, Roi, Scan, pass};

use crate::golden::{archive, cases, close, greatest, scan};

const SHAPE: [usize; 2] = [24, 30];

fn matrix(array: &ArrayD<f64>) -> Array2<f64> {
    array.clone().into_dimensionality::<Ix2>().unwrap()
}

fn regions(features: Array2<f64>, n_clusters: usize) -> LabelMap {
    let roi = Roi::all(&SHAPE);
    let graph = Graph::grid(&roi, Neighbors::Direct).unwrap();
    let tree = ward(features, &graph, &WardParams::default(), &NoProgress).unwrap();
    tree.label_map(&roi, Cut::Clusters(n_clusters), Numbering::Canonical).unwrap()
}

#[test]
fn merges_and_regions_of_the_features_there() {
    let golden = archive("pipeline.npz");
    let features = matrix(&golden["features"]);
    let roi = Roi::all(&SHAPE);
    let graph = Graph::grid(&roi, Neighbors::Direct).unwrap();
    let tree = ward(features, &graph, &WardParams::default(), &NoProgress).unwrap();
    assert_eq!(tree.merges(), crate::ward::pairs(&golden["children"]));
    assert!(tree.distances().iter().zip(&golden["distances"]).all(|(a, b)| a.to_bits() == b.to_bits()));
    let map = tree.label_map(&roi, Cut::Clusters(5), Numbering::Canonical).unwrap();
    assert_eq!(map.numbers().mapv(f64::from), golden["labels_canonical"]);
    // The regions are the grains.
    let truth: Vec<i64> = golden["truth"].iter().map(|&k| k as i64).collect();
    let truth = LabelMap::from_numbers(roi, &truth).unwrap();
    assert_eq!(map.matched(&truth).unwrap().overlap.iter().sum::<usize>(), 720);
}

/// The archive with frames is too large for the repository.
#[test]
#[allow(clippy::print_stderr, reason = "a reader of the output wants to know what was compared")]
fn from_frames_to_regions_as_there() {
    let shared =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/goldens/clustering/pipeline.npz");
    if !shared.exists() {
        eprintln!(
            "the shared reference data, ../shared, are absent: the pipeline from its frames is not compared"
        );
        return;
    }
    let golden = cases::npz(&shared);
    let scan: Scan<'_> = scan(&golden["data"], "u8");
    let peaks: Vec<[i64; 2]> =
        golden["peaks"].rows().into_iter().map(|p| [p[0] as i64, p[1] as i64]).collect();
    let plan = FeaturePlan::new((48, 48), &peaks, &FeatureParams::default()).unwrap();
    let everything = (PixelStatistics::default(), plan, CenterOfMass::default());
    let selection = scan.select(None).unwrap();
    let (maps, features, centers) =
        pass(&selection, &everything, &PassParams::default(), &NoProgress).unwrap();
    close("std", &maps.standard_deviation().into_dyn(), &golden["std"], 1e-12 * greatest(&golden["std"]));
    let scaled = scale(features, &Scaling::default()).unwrap();
    let features = with_coordinates(scaled.features, selection.roi(), 0.2).unwrap();
    let expected = &golden["features"];
    close("features", &features.clone().into_dyn(), expected, 1e-10 * greatest(expected));
    let map = regions(features, 5);
    assert_eq!(map.numbers().mapv(f64::from), golden["labels_canonical"]);

    // Centres of mass of each region on its own, put together, are those of all.
    let parts: Vec<(Roi, ArrayD<f64>)> = map
        .iter()
        .map(|(k, roi, _)| {
            let selection = scan.select(Some(&roi)).unwrap();
            let both = (LogSum, CenterOfMass::default());
            let (logsum, centers) = pass(&selection, &both, &PassParams::default(), &NoProgress).unwrap();
            let expected = golden["cluster_logsum"].index_axis(Axis(0), k).to_owned();
            close("logsum", &logsum.into_dyn(), &expected, 2e-5 * greatest(&expected));
            (roi, centers.into_dyn())
        })
        .collect();
    let parts = parts.iter().map(|(roi, rows)| (roi, rows.view()));
    let merged = merge_rows(&SHAPE, parts, Overlap::Error).unwrap();
    assert_eq!(merged.values.to_shape((720, 2)).unwrap(), centers);
    // Single precision there.
    close("centres", &merged.values, &golden["com_map"], 2e-5);
    // The same statistics of all regions in one pass.
    let labelled = LabelledStatistics::new(map.groups().view(), NanPolicy::Propagate).unwrap();
    let of_regions = pass(&selection, &labelled, &PassParams::default(), &NoProgress).unwrap();
    assert_eq!(of_regions.iter().map(|maps| maps.n_frames as usize).collect::<Vec<_>>(), map.sizes());
}
