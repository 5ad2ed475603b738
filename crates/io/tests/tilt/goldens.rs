//! What the reader of mumott makes of its files, and where it is wrong, the truth.

use std::collections::HashMap;

use ndarray::{ArrayD, Axis};
use nonius_core::tilt_series::Laboratory;
use nonius_io::{TiltFormat, TiltSeriesOptions, open_tilt_series};

use super::{data, error_with, read};

fn expected(name: &str) -> HashMap<String, ArrayD<f64>> {
    crate::arrays::npz(&data(name))
}

#[track_caller]
fn check(what: &str, found: impl IntoIterator<Item = f64>, expected: &ArrayD<f64>, tolerance: f64) {
    let found: Vec<f64> = found.into_iter().collect();
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= tolerance, "{what}: {found}, expected {expected}");
    }
}

#[test]
fn the_complete_layout() {
    let file = read(&data("mini_dataset.h5"), &TiltSeriesOptions::default()).unwrap();
    let truth = expected("mini_dataset_expected.npz");
    let (series, geometry) = (&file.series, &file.series.geometry);
    assert_eq!((file.format, geometry.stack_shape()), (TiltFormat::Projections, [4, 7, 6]));
    assert_eq!((geometry.volume_shape, geometry.laboratory), ([7, 7, 6], Laboratory::default()));
    // Stored numbers are widened and nothing else.
    check("diode", series.images.clone().unwrap(), &truth["diode"], 0.0);
    check("data", series.scattering.clone().unwrap(), &truth["data"], 0.0);
    check("weights", series.weights.clone(), &truth["weights_corrected"], 0.0);
    let offsets = geometry.offsets();
    check("j_offset", offsets.iter().map(|o| o[0]), &truth["j_offset_corrected"], 0.0);
    check("k_offset", offsets.iter().map(|o| o[1]), &truth["k_offset_corrected"], 0.0);
    check("padding", file.padding.iter().flatten().map(|&q| q as f64), &truth["padding"], 0.0);
    for (index, view) in geometry.views.iter().enumerate() {
        let rotation = truth["rotations"].index_axis(Axis(0), index).to_owned();
        // Rodrigues' formula in another order.
        check("rotation", view.rotation.transpose().iter().copied(), &rotation, 1e-15);
        let row = |name: &str| truth[name].index_axis(Axis(0), index).to_owned();
        let Some(angles) = view.angles else {
            assert_eq!(index, 3, "the matrix of the last projection overrides its angles");
            continue;
        };
        check("inner axis", angles.inner_axis.iter().copied(), &row("inner_axis"), 0.0);
        check("outer axis", angles.outer_axis.iter().copied(), &row("outer_axis"), 0.0);
        assert_eq!(angles.inner_angle, truth["inner_angle"][index]);
        assert_eq!(angles.outer_angle, truth["outer_angle"][index]);
    }
    let scattering = geometry.scattering.as_ref().unwrap();
    check("detector", scattering.detector_angles.iter().copied(), &truth["detector_angles"], 0.0);
    check("two theta", scattering.two_theta.iter().copied(), &truth["two_theta"], 0.0);
    assert!(!scattering.full_circle_covered);
    let warnings = file.warnings.join("\n");
    assert!(warnings.contains("projections 1, 2 are smaller than 7 × 6 pixels"), "{warnings}");
    assert!(warnings.contains("projections/3: its rotation matrix is not that of its angles"), "{warnings}");

    let single = open_tilt_series::<f32>(data("mini_dataset.h5"), &TiltSeriesOptions::default()).unwrap();
    assert_eq!(single.series.geometry, *geometry);
    let widened = single.series.images.unwrap().mapv(f64::from);
    assert_eq!(&widened, series.images.as_ref().unwrap(), "the file has single precision");
}

#[test]
fn without_scattering_weights_keep_their_shape() {
    let options = TiltSeriesOptions { skip_scattering: true, ..Default::default() };
    let file = read(&data("mini_dataset.h5"), &options).unwrap();
    let truth = expected("mini_dataset_expected.npz");
    assert!(file.series.scattering.is_none());
    check("diode", file.series.images.unwrap(), &truth["diode"], 0.0);
    // The mean over channels: exact but for the rounding of a sum of four.
    let mean = truth["weights_corrected"].mean_axis(Axis(3)).unwrap();
    check("weights", file.series.weights, &mean, 1e-15);
}

#[test]
fn deprecated_names_and_numbers_that_are_none() {
    let path = data("mini_dataset_legacy.h5");
    let error = error_with(&path, &TiltSeriesOptions::default());
    assert!(error.contains("/diode: element [") && error.contains("replace_non_finite"), "{error}");
    let options = TiltSeriesOptions { replace_non_finite: Some(-1.0), ..Default::default() };
    let file = read(&path, &options).unwrap();
    let truth = expected("mini_dataset_legacy_expected.npz");
    let geometry = &file.series.geometry;
    check("diode", file.series.images.clone().unwrap(), &truth["diode"], 0.0);
    let offsets = geometry.offsets();
    check("j_offset", offsets.iter().map(|o| o[0]), &truth["j_offset"], 0.0);
    check("k_offset", offsets.iter().map(|o| o[1]), &truth["k_offset"], 0.0);
    let rotations = geometry.views.iter().flat_map(|v| v.rotation.transpose().as_slice().to_vec());
    check("rotations", rotations, &truth["rotations"], 1e-15);
    check("volume", geometry.volume_shape.map(|n| n as f64), &truth["volume_shape"], 0.0);
    assert!(file.series.weights.iter().all(|w| *w == 1.0));
    assert!(geometry.scattering.as_ref().unwrap().full_circle_covered && file.padding.is_empty());
}

/// The shared reference data and the recorded series, where they are.
#[test]
#[allow(clippy::print_stderr, reason = "a reader of the output wants to know what was looked at")]
fn the_full_files_can_be_read() {
    let shared = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let series = shared.join("goldens/tomography/align_square.h5");
    if !series.exists() {
        eprintln!("the shared reference data, ../shared, are absent");
        return;
    }
    for (name, n) in [("align_single_axis", 60), ("align_limited_angle", 57), ("align_square", 45)] {
        let path = shared.join(format!("goldens/tomography/{name}.h5"));
        let file = read(&path, &TiltSeriesOptions::default()).unwrap();
        assert!(file.warnings.is_empty(), "{:?}", file.warnings);
        assert_eq!(file.series.len(), n);
        assert!((file.series.geometry.rotation_axis().unwrap().z.abs() - 1.0).abs() < 1e-12);
    }
    let needle =
        read(&shared.join("data/tomography/needle_haadf_tilt_series.h5"), &TiltSeriesOptions::default())
            .unwrap();
    assert_eq!(needle.series.geometry.stack_shape(), [77, 256, 256]);
    assert_eq!(needle.pixel_size_nm, Some(3.36));
    let first = needle.series.geometry.views[0].angles.unwrap();
    assert_eq!(first.inner_angle, (-76.0f64).to_radians());
    assert!(needle.warnings[0].contains("-31908"), "{:?}", needle.warnings);
}
