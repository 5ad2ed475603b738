//! Files that contradict themselves: what is wrong, and where.

use std::panic::{AssertUnwindSafe, catch_unwind};

use nonius_io::{TiltSeriesOptions, open_tilt_series, read_geometry};

use super::{Made, data, error_with, read};

/// Fails unless the error for the changed file has all these words.
#[track_caller]
fn check(change: impl FnOnce(&mut Made), words: &[&str]) {
    check_with(change, &TiltSeriesOptions::default(), words);
}

#[track_caller]
fn check_with(change: impl FnOnce(&mut Made), options: &TiltSeriesOptions, words: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let mut made = Made::new();
    change(&mut made);
    let message = error_with(&made.write(&folder), options);
    assert!(message.contains("made.h5"), "the file is not named: {message}");
    for word in words {
        assert!(message.contains(word), "expected {word:?}: {message}");
    }
}

#[test]
fn the_unchanged_file_is_good() {
    let folder = tempfile::tempdir().unwrap();
    let file = read(&Made::new().write(&folder), &TiltSeriesOptions::default()).unwrap();
    assert_eq!(file.series.geometry.stack_shape(), [3, 4, 3]);
    assert_eq!(file.series.geometry.volume_shape, [4, 4, 3]);
    assert_eq!(file.series.geometry.offsets(), [[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]]);
    assert_eq!(file.series.images.unwrap()[(2, 3, 2)], 12.0);
}

#[test]
fn missing_projections_are_named() {
    let lacking = |made: &mut Made| {
        made.remove("projections/1/");
    };
    check(lacking, &["projections", "missing are 1", "allow_missing"]);
    check(
        |made| {
            made.set("projections/9/diode", &[4, 3], &[1.0; 12]).remove("projections/0/");
        },
        &["3 groups, but missing are 0, 3 to 8"],
    );
    check(
        |made| {
            made.set("projections/18446744073709551615/diode", &[4, 3], &[1.0; 12]);
        },
        &["missing are 3 to 18446744073709551614"],
    );
    check(
        |made| {
            made.set("projections/01/diode", &[4, 3], &[1.0; 12]);
        },
        &["01 and 1 are the same projection"],
    );
    let folder = tempfile::tempdir().unwrap();
    let mut made = Made::new();
    lacking(&mut made);
    made.set("projections/x/diode", &[4, 3], &[1.0; 12]);
    let options = TiltSeriesOptions { allow_missing: true, ..Default::default() };
    let file = read(&made.write(&folder), &options).unwrap();
    assert_eq!(file.series.geometry.offsets(), [[1.0, 0.0], [3.0, 0.0]]);
    assert!(file.warnings[0].contains("projections/x is not the number"), "{:?}", file.warnings);
    assert!(file.warnings[1].contains("missing are 1"), "{:?}", file.warnings);
}

#[test]
fn without_projections_there_is_no_series() {
    check(
        |made| {
            made.remove("projections/").set("projections/a/diode", &[4, 3], &[1.0; 12]);
        },
        &["there is no projection"],
    );
    check(
        |made| {
            made.remove("projections/1/diode");
        },
        &["projections/1", "no pixels, expected diode or data"],
    );
}

#[test]
fn images_of_unequal_size_are_padded_and_masked() {
    let folder = tempfile::tempdir().unwrap();
    let mut made = Made::new();
    made.set("projections/1/diode", &[2, 3], &[5.0; 6]);
    made.set("projections/1/weights", &[2, 3, 1], &[0.5; 6]);
    let file = read(&made.write(&folder), &TiltSeriesOptions::default()).unwrap();
    assert_eq!(file.padding, [[0, 0], [2, 0], [0, 0]]);
    // A measured pixel a of 2 stays where it was: a + ½ − 2/2 + 2 = a + ½ − 4/2 + 3.
    assert_eq!(file.series.geometry.views[1].j_offset, 3.0);
    let (images, weights) = (file.series.images.unwrap(), file.series.weights);
    assert_eq!((images[(1, 1, 2)], weights[(1, 1, 2, 0)]), (5.0, 0.5));
    assert_eq!((images[(1, 2, 0)], weights[(1, 2, 0, 0)]), (0.0, 0.0));
    assert_eq!(weights[(0, 3, 2, 0)], 1.0);
}

#[test]
fn a_file_without_diodes_has_its_channels() {
    let folder = tempfile::tempdir().unwrap();
    let mut made = Made::new();
    for index in 0..3 {
        made.remove(&format!("projections/{index}/diode"));
        made.set(&format!("projections/{index}/data"), &[4, 3, 2], &[1.5; 24]);
    }
    made.set("projections/0/weights", &[4, 3, 2], &[1.0, 3.0].repeat(12));
    let without = made.write(&folder);
    let message = error_with(&without, &TiltSeriesOptions::default());
    assert!(message.contains("detector_angles") && message.contains("missing"), "{message}");
    made.set("detector_angles", &[2], &[0.0, 1.5]);
    let path = made.write(&folder);
    let series = read(&path, &TiltSeriesOptions::default()).unwrap().series;
    assert!(series.images.is_none() && series.geometry.projection_shape == [4, 3]);
    assert_eq!(series.scattering.unwrap().dim(), (3, 4, 3, 2));
    assert_eq!((series.weights[(0, 1, 1, 1)], series.weights[(2, 1, 1, 1)]), (3.0, 1.0));
    let options = TiltSeriesOptions { skip_scattering: true, ..Default::default() };
    let message = error_with(&path, &options);
    assert!(message.contains("no projection has a diode"), "{message}");
}

#[test]
fn pixels_that_do_not_fit() {
    check(
        |made| {
            made.remove("projections/2/diode").set("projections/2/data", &[4, 3, 1], &[1.0; 12]);
        },
        &["projections/2/diode", "missing"],
    );
    check(
        |made| {
            made.set("projections/2/weights", &[4, 2], &[1.0; 8]);
        },
        &["projections/2/weights", "[4, 2]", "diode is [4, 3]"],
    );
    check(
        |made| {
            made.set("projections/0/diode", &[12], &[1.0; 12]);
        },
        &["projections/0/diode", "shape [12], expected (J, K)"],
    );
    check(
        |made| {
            made.set("projections/0/diode", &[4, 0], &[]);
        },
        &["projections/0/diode", "no element"],
    );
    check(
        |made| {
            made.set("projections/0/weights", &[4, 3], &[-1.0; 12]);
        },
        &["projections/0/weights", "[0, 0, 0] is -1", "0 or more"],
    );
    check(
        |made| {
            made.set("projections/1/data", &[4, 3, 1], &[1.0; 12]).set("detector_angles", &[1], &[0.0]);
        },
        &["projections/0/data", "missing"],
    );
    check(
        |made| {
            for index in 0..3u64 {
                let (path, c) = (format!("projections/{index}/data"), index / 2 + 1);
                made.set(&path, &[4, 3, c], &vec![1.0; 12 * c as usize]);
            }
            made.set("detector_angles", &[1], &[0.0]);
        },
        &["projections/2/data", "2 channels"],
    );
}

#[test]
fn numbers_that_are_not_finite() {
    let mut pixels = [1.0; 12];
    pixels[7] = f64::NAN;
    let change = |made: &mut Made| {
        made.set("projections/1/diode", &[4, 3], &pixels);
    };
    check(change, &["projections/1/diode", "element [2, 1] is NaN", "replace_non_finite"]);
    let endless = TiltSeriesOptions { replace_non_finite: Some(f64::INFINITY), ..Default::default() };
    check_with(change, &endless, &["replace_non_finite must be finite"]);
    check(
        |made| {
            made.set("projections/1/weights", &[4, 3], &[f64::INFINITY; 12]);
        },
        &["projections/1/weights", "inf"],
    );
    check(
        |made| {
            made.set("projections/1/j_offset", &[], &[f64::NAN]);
        },
        &["projections/1/j_offset", "NaN"],
    );
    check(
        |made| {
            made.set("projections/1/inner_angle", &[0], &[]);
        },
        &["projections/1/inner_angle", "no number"],
    );
}

#[test]
fn rotations_that_are_none() {
    let matrix = |elements: [f64; 9]| {
        move |made: &mut Made| {
            made.set("projections/1/rotation_matrix", &[3, 3], &elements);
        }
    };
    check(
        matrix([1.0, 1e-5, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]),
        &["projections/1/rotation_matrix", "orthonormal"],
    );
    check(
        matrix([-1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]),
        &["projections/1/rotation_matrix", "reflection"],
    );
    check(
        |made| {
            made.set("projections/1/rot_mat", &[2, 2], &[1.0; 4]);
        },
        &["projections/1/rot_mat", "holds 4 numbers, expected 9"],
    );
    check(
        |made| {
            made.set("inner_axis", &[3], &[0.0; 3]);
        },
        &["inner_axis", "no direction"],
    );
    check(
        |made| {
            made.set("p_direction_0", &[3], &[0.0, 1.0, 0.0]);
        },
        &["j_direction_0", "is missing"],
    );
    check(
        |made| {
            made.set("p_direction_0", &[3], &[0.0, 1.0, 0.0])
                .set("j_direction_0", &[3], &[1.0, 0.1, 0.0])
                .set("k_direction_0", &[3], &[0.0, 0.0, 1.0]);
        },
        &["p_direction_0", "orthonormal"],
    );
}

#[test]
fn degrees_are_not_radians() {
    let change = |made: &mut Made| {
        made.set("projections/2/inner_angle", &[], &[60.0]);
    };
    check(change, &["projections/2/inner_angle", "60 looks like degrees", "angles_in_degrees"]);
    check(
        |made| {
            made.remove("projections/2/inner_angle").set("projections/2/tilts", &[1], &[-30.0]);
        },
        &["projections/2/tilts", "-30 looks like degrees"],
    );
    let folder = tempfile::tempdir().unwrap();
    let mut made = Made::new();
    change(&mut made);
    let options = TiltSeriesOptions { angles_in_degrees: true, ..Default::default() };
    let file = read(&made.write(&folder), &options).unwrap();
    assert_eq!(file.series.geometry.views[2].angles.unwrap().inner_angle, 60f64.to_radians());
}

#[test]
fn volumes_and_detectors_that_cannot_be() {
    for shape in [[4.0, 4.0, 0.0], [4.0, 4.5, 3.0], [-4.0, 4.0, 3.0], [4.0, f64::NAN, 3.0]] {
        check(
            |made| {
                made.set("volume_shape", &[3], &shape);
            },
            &["volume_shape"],
        );
    }
    let options = TiltSeriesOptions { volume_shape: Some([0, 3, 3]), ..Default::default() };
    check_with(|_| {}, &options, &["volume is empty"]);
    let channels = |made: &mut Made, n: u64| {
        for index in 0..3 {
            made.set(&format!("projections/{index}/data"), &[4, 3, 2], &[1.0; 24]);
        }
        made.set("detector_angles", &[n], &vec![0.1; n as usize]);
    };
    check(|made| channels(made, 3), &["detector_angles", "3 angles for 2 channels"]);
    check(
        |made| {
            channels(made, 2);
            made.set("detector_direction_origin", &[3], &[1.0, 0.0, 0.0]);
        },
        &["detector_direction_positive_90", "is missing"],
    );
}

#[test]
fn text_in_the_place_of_numbers() {
    use hdf5_writer::{DatasetBuilder, Hdf5Builder};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.h5");
    for name in ["diode", "inner_angle"] {
        let good = DatasetBuilder::typed_data("projections/0/data", vec![2, 2, 1], &[1.0; 4]).unwrap();
        let text = DatasetBuilder::fixed_string_data(format!("projections/0/{name}"), vec![1], &["abc"]);
        let file = Hdf5Builder::new().dataset(good).dataset(text.unwrap());
        std::fs::write(&path, file.into_plan().unwrap().encode(Default::default()).unwrap()).unwrap();
        let message = error_with(&path, &TiltSeriesOptions::default());
        assert!(message.contains(&format!("projections/0/{name}")), "{message}");
        assert!(message.contains("numbers and truth values are read"), "{message}");
    }
}

#[test]
fn empty_cut_and_changed_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.h5");
    std::fs::write(&path, []).unwrap();
    let message = error_with(&path, &TiltSeriesOptions::default());
    assert!(message.contains("empty.h5") && message.contains("the file is empty"), "{message}");
    let message = error_with(&folder.path().join("none.h5"), &TiltSeriesOptions::default());
    assert!(message.contains("none.h5"), "{message}");

    let attempt = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let used = catch_unwind(AssertUnwindSafe(|| {
            let file = open_tilt_series::<f32>(path.as_path(), &TiltSeriesOptions::default());
            let _ = read_geometry(&path);
            file.is_ok()
        }));
        used.unwrap_or_else(|_| panic!("{name}: a panic"))
    };
    let good = Made::new().bytes();
    for cut in (0..good.len()).step_by(131) {
        assert!(!attempt("cut.h5", &good[..cut]), "cut at {cut} of {}", good.len());
    }
    let message = error_with(&folder.path().join("cut.h5"), &TiltSeriesOptions::default());
    assert!(message.contains("cut.h5"), "{message}");
    let legacy = std::fs::read(data("mini_dataset.h5")).unwrap();
    for cut in (0..legacy.len()).step_by(577) {
        attempt("cut.h5", &legacy[..cut]);
    }
    for (good, step) in [(&good, 41), (&legacy, 307)] {
        for at in (0..good.len()).step_by(step) {
            for value in [0x00, 0x7f, 0xff] {
                let mut bad = good.clone();
                bad[at] = value;
                attempt("bad.h5", &bad);
            }
        }
    }
    let geo = std::fs::read(data("two_axes.geo")).unwrap();
    for at in (0..geo.len()).step_by(53) {
        attempt("cut.geo", &geo[..at]);
        let mut bad = geo.clone();
        bad[at] ^= 0x55;
        attempt("bad.geo", &bad);
    }
}

#[test]
fn options_are_text() {
    let options = TiltSeriesOptions {
        skip_scattering: true,
        tilt_degrees: Some(vec![1.0, 2.0]),
        tilt_axis_degrees: -2.8,
        ..Default::default()
    };
    let text = serde_json::to_string(&options).unwrap();
    assert_eq!(serde_json::from_str::<TiltSeriesOptions>(&text).unwrap(), options);
    let short: TiltSeriesOptions = serde_json::from_str("{\"angles-in-degrees\": true}").unwrap();
    assert!(short.angles_in_degrees && !short.skip_scattering);
    let message = serde_json::from_str::<TiltSeriesOptions>("{\"angle\": 1}").unwrap_err().to_string();
    assert!(message.contains("unknown field `angle`"), "{message}");
}

#[test]
fn offsets_that_do_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let mut made = Made::new();
    made.set("truth/j_offset", &[3], &[1.0, 2.0, 3.0]).set("truth/k_offset", &[2], &[1.0, 2.0]);
    let message = nonius_io::read_offsets(made.write(&folder), "truth").unwrap_err().to_string();
    assert!(message.contains("truth/k_offset: 2 offsets, and j_offset has 3"), "{message}");
    let message = nonius_io::read_offsets(data("two_axes.geo"), "truth").unwrap_err().to_string();
    assert!(message.contains("two_axes.geo"), "{message}");
}

/// Axes of the file, of the first projection, of the projection itself.
#[test]
fn the_nearest_axis_holds() {
    let folder = tempfile::tempdir().unwrap();
    let axes = |made: &Made| {
        let file = read(&made.write(&folder), &TiltSeriesOptions::default()).unwrap();
        let inner = |view: &nonius_core::tilt_series::View| view.angles.unwrap().inner_axis;
        file.series.geometry.views.iter().map(|view| inner(view).into()).collect::<Vec<[f64; 3]>>()
    };
    let [x, y, z] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    let mut made = Made::new();
    assert_eq!(axes(&made), [[0.0, 0.0, -1.0]; 3]);
    made.set("projections/0/inner_axis", &[3], &x);
    assert_eq!(axes(&made), [x; 3]);
    made.set("projections/1/inner_axis", &[3], &y);
    assert_eq!(axes(&made), [x, y, x]);
    made.set("inner_axis", &[3], &z);
    assert_eq!(axes(&made), [x, y, z]);
    // One angle alone: the other is 0.
    made.remove("projections/2/inner_angle").set("projections/2/outer_angle", &[1], &[0.3]);
    let file = read(&made.write(&folder), &TiltSeriesOptions::default()).unwrap();
    let angles = file.series.geometry.views[2].angles.unwrap();
    assert_eq!((angles.inner_angle, angles.outer_angle, angles.outer_axis.x), (0.0, 0.3, 1.0));
    // None: not turned.
    made.remove("projections/2/outer_angle");
    let file = read(&made.write(&folder), &TiltSeriesOptions::default()).unwrap();
    assert_eq!(file.series.geometry.views[2].rotation, nalgebra::Matrix3::identity());
}
