//! Numbers of other programs: `testdata/clustering`, whose README names them.

#[path = "../../../testdata/golden.rs"]
mod cases;

use std::collections::HashMap;
use std::path::Path;

use ndarray::{Array2, Array3, ArrayD, Axis, Ix4};
use nonius_clustering::{
    CenterOfMass, DeflectionField, DeflectionParams, Detector, LogSum, PixelMaps, PixelStatistics,
    Regression, guess_scan_rotation,
};
use nonius_core::{FrameSource, NoProgress, PassParams, Roi, Scan, ScanParams, pass};

pub(crate) fn archive(name: &str) -> HashMap<String, ArrayD<f64>> {
    cases::npz(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/clustering").join(name))
}

/// A scan `(scan y, scan x, y, x)` of the number type that it was recorded in.
fn scan(data: &ArrayD<f64>, dtype: &str) -> Scan<'static> {
    let data = data.view().into_dimensionality::<Ix4>().unwrap();
    let (ny, nx, h, w) = data.dim();
    let frames = data.to_shape((ny * nx, h, w)).unwrap();
    fn cast<T: Copy + 'static>(frames: &Array3<f64>, to: impl Fn(f64) -> T) -> Array3<T> {
        frames.mapv(to)
    }
    let frames = frames.to_owned();
    let frames: Box<dyn FrameSource> = match dtype {
        "u8" => Box::new(cast(&frames, |v| v as u8)),
        "u16" => Box::new(cast(&frames, |v| v as u16)),
        "i32" => Box::new(cast(&frames, |v| v as i32)),
        "f32" => Box::new(cast(&frames, |v| v as f32)),
        _ => Box::new(frames),
    };
    Scan::new(frames, &ScanParams { shape: Some(vec![ny, nx]), ..Default::default() }).unwrap()
}

pub(crate) fn roi(mask: &ArrayD<f64>) -> Roi {
    Roi::from_mask(mask.mapv(|v| v != 0.0).view())
}

#[track_caller]
fn close(what: &str, found: &ArrayD<f64>, expected: &ArrayD<f64>, tolerance: f64) {
    assert_eq!(found.shape(), expected.shape(), "{what}");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        let same = (f - e).abs() <= tolerance || (f.is_nan() && e.is_nan());
        assert!(same, "{what}, element {i}: {f}, expected {e}, tolerance {tolerance:e}");
    }
}

fn greatest(map: &ArrayD<f64>) -> f64 {
    map.iter().fold(0.0, |m: f64, v| m.max(v.abs()))
}

#[test]
fn statistics_of_five_number_types() {
    let golden = archive("stats.npz");
    for dtype in ["f32", "u16", "offset", "i32", "u8"] {
        let scan = scan(&golden[&format!("{dtype}_data")], dtype);
        for (part, roi) in [("all", None), ("roi", Some(roi(&golden[&format!("{dtype}_roi")])))] {
            let selection = scan.select(roi.as_ref()).unwrap();
            let both = (PixelStatistics::default(), LogSum);
            let (maps, logsum) = pass(&selection, &both, &PassParams::default(), &NoProgress).unwrap();
            let n = maps.n_frames as f64;
            assert_eq!(n, golden[&format!("{dtype}_{part}_num_frames")].sum());
            let expected = |name: &str| &golden[&format!("{dtype}_{part}_{name}")];
            let loose = if dtype == "offset" { 1e-9 } else { 1e-12 };
            let check = |name: &str, map: Array2<f64>, relative: f64| {
                let (map, expected) = (map.into_dyn(), expected(name));
                close(&format!("{dtype} {part} {name}"), &map, expected, relative * greatest(expected));
            };
            check("sum", maps.sum.clone(), 1e-12);
            check("sum_f32udf", maps.sum.clone(), 2e-5);
            check("mean", maps.mean.clone(), 1e-12);
            check("varsum", &maps.variance * n, loose);
            check("var", maps.variance.clone(), loose);
            check("std", maps.standard_deviation(), loose);
            check("std_two_pass", maps.standard_deviation(), loose);
            check("logsum_f64", logsum.clone(), 1e-12);
            check("logsum_f32", logsum, 2e-5);
        }
    }
}

#[test]
fn any_number_of_partitions_gives_the_same_deviation() {
    let golden = archive("stats.npz");
    let scan = scan(&golden["merge_data"], "f64");
    for n in [1, 2, 7, 40] {
        let params = PassParams { min_partitions: n, ..Default::default() };
        let maps: PixelMaps =
            pass(&scan.select(None).unwrap(), &PixelStatistics::default(), &params, &NoProgress).unwrap();
        let found = maps.standard_deviation().into_dyn();
        for name in [format!("merge_std_{n}"), "merge_std_two_pass".to_string()] {
            close(&name, &found, &golden[&name], 1e-9 * greatest(&golden[&name]));
        }
    }
}

fn centers(
    scan: &Scan<'_>,
    roi: Option<&Roi>,
    detector: Detector,
    reference: Option<[f64; 2]>,
) -> Array2<f64> {
    let consumer = CenterOfMass { detector, reference };
    pass(&scan.select(roi).unwrap(), &consumer, &PassParams::default(), &NoProgress).unwrap()
}

#[test]
fn centres_of_mass_and_their_field() {
    let golden = archive("com.npz");
    let scan = scan(&golden["data"], "f32");
    let (center, all) = ([7.0, 8.5], Roi::all(&[6, 7]));
    let disk = Detector::Disk { center, radius: 5.0 };
    let ring = Detector::Ring { center, inner: 2.0, outer: 6.0 };
    let plain = DeflectionParams::default();
    let cases = [
        ("default", Detector::Whole, plain),
        ("disk", disk, DeflectionParams { center: Some(center), ..plain }),
        ("ring", ring, DeflectionParams { center: Some(center), ..plain }),
        (
            "rotated",
            Detector::Whole,
            DeflectionParams { center: Some([7.2, 8.1]), scan_rotation: 33.0, flip_y: true, ..plain },
        ),
        ("mean", Detector::Whole, DeflectionParams { regression: Regression::Mean, ..plain }),
        ("linear", Detector::Whole, DeflectionParams { regression: Regression::Plane, ..plain }),
    ];
    for (name, detector, params) in cases {
        let expected = |part: &str| &golden[&format!("{name}_{part}")];
        let found = centers(&scan, None, detector, params.center);
        let grid = found.to_shape((6, 7, 2)).unwrap().into_dyn().into_owned();
        close(&format!("{name} raw_com"), &grid, expected("raw_com"), 2e-4);
        let field = DeflectionField::new(found.view(), &all, (15, 18), &params).unwrap();
        let both = ndarray::stack![Axis(2), field.y, field.x].into_dyn();
        close(&format!("{name} field"), &both, expected("field"), 2e-4);
        close(&format!("{name} magnitude"), &field.magnitude().into_dyn(), expected("magnitude"), 2e-4);
        close(&format!("{name} divergence"), &field.divergence().into_dyn(), expected("divergence"), 4e-4);
        close(&format!("{name} curl"), &field.curl().into_dyn(), expected("curl"), 4e-4);
        let removed = ndarray::arr2(&field.removed).into_dyn();
        close(&format!("{name} regression"), &removed, expected("regression"), 2e-4);
    }
    let found = centers(&scan, None, Detector::Whole, None);
    let grid = found.to_shape((6, 7, 2)).unwrap().into_dyn().into_owned();
    close("default_raw_com_f64", &grid, &golden["default_raw_com_f64"], 1e-10);
}

#[test]
fn centres_within_a_region_of_interest() {
    let golden = archive("com.npz");
    let scan = scan(&golden["data"], "f32");
    let roi = roi(&golden["roi"]);
    // There the centre of the frame of zeros is (size − 1) / 2.
    let found = centers(&scan, Some(&roi), Detector::Whole, Some([7.0, 8.5]));
    for axis in 0..2 {
        let map = roi.spread(found.column(axis), f64::NAN).unwrap();
        let expected = golden["roi_raw_com"].index_axis(Axis(2), axis).to_owned();
        close("roi", &map.into_owned(), &expected, 2e-4);
    }
}

#[test]
fn the_rotation_is_guessed() {
    let golden = archive("com.npz");
    let scan = scan(&golden["data"], "f32");
    let found = centers(&scan, None, Detector::Whole, None);
    let guess = guess_scan_rotation(found.view(), &Roi::all(&[6, 7]), (15, 18)).unwrap();
    assert_eq!((guess.scan_rotation, guess.flip_y), (-23.0, false));
    let center = guess.center.unwrap();
    assert!((center[0] - 7.0 - 0.4706236720085144).abs() < 2e-4, "{center:?}");
    assert!((center[1] - 9.0 + 0.5301794409751892).abs() < 2e-4, "{center:?}");
}
