//! `nonius align`: offsets against those that were put there.

use std::collections::BTreeMap;
use std::path::Path;

use hdf5_writer::{DatasetBuilder, Hdf5Builder};
use nonius::core::tilt_series::Geometry;
use nonius::io::{
    TiltSeriesFile, TiltSeriesOptions, TiltSeriesWriter, open_tilt_series, read_array, read_offsets,
};
use nonius::synthetic::{AngleRange, Recording, SyntheticTiltSeries, TiltScheme, TiltSeriesParams};
use serde_json::Value;
use tempfile::TempDir;

use crate::{json, names, nonius, stdout};

/// 24 views over half a turn, small enough for an unoptimised program.
fn params() -> TiltSeriesParams {
    TiltSeriesParams {
        volume_shape: [24, 24, 20],
        projection_shape: [24, 20],
        scheme: TiltScheme::SingleAxis { axis: [0.0, 0.0, 1.0], angles: AngleRange::half_turn(24) },
        seed: 8,
        ..Default::default()
    }
}

/// A folder with `scan.h5`.
fn series(params: &TiltSeriesParams) -> (TempDir, SyntheticTiltSeries) {
    let folder = tempfile::tempdir().unwrap();
    let made = params.generate().unwrap();
    TiltSeriesWriter::new(&made.series).unwrap().write(folder.path().join("scan.h5")).unwrap();
    (folder, made)
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap_or(f64::NAN)).collect()
}

fn offsets(found: &Value) -> Vec<[f64; 2]> {
    let [j, k] = ["j", "k"].map(|axis| numbers(&found["offsets"][axis]));
    j.into_iter().zip(k).map(|(j, k)| [j, k]).collect()
}

/// Errors without the translation that no alignment can know.
fn misses(geometry: &Geometry, found: &[[f64; 2]], truth: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let errors: Vec<[f64; 2]> = found.iter().zip(truth).map(|(f, t)| [f[0] - t[0], f[1] - t[1]]).collect();
    geometry.remove_translation(&errors).unwrap().residuals
}

fn rms(misses: &[[f64; 2]], axis: usize) -> f64 {
    (misses.iter().map(|m| m[axis] * m[axis]).sum::<f64>() / misses.len() as f64).sqrt()
}

fn reopened(path: &Path) -> TiltSeriesFile<f32> {
    open_tilt_series::<f32>(path, &TiltSeriesOptions::default()).unwrap()
}

#[test]
fn the_series_is_aligned_and_written_with_its_offsets() {
    let (folder, made) = series(&params());
    let here = folder.path();
    let found = json(here, &["align", "scan.h5", "--json", "--out", "aligned.h5"]);
    let geometry = &made.truth.geometry;
    let misses = misses(geometry, &offsets(&found), &made.truth.offsets);
    // Standard errors are 0.005 px: noise of 0.2 % over a sample of some 15 px.
    for axis in 0..2 {
        assert!(rms(&misses, axis) < 0.02, "{axis}: {}", rms(&misses, axis));
    }
    let errors = ["j", "k"].map(|axis| numbers(&found["standard_errors"][axis]));
    assert!(errors.iter().flatten().all(|e| *e > 0.0 && *e < 0.05), "{errors:?}");
    assert!(found["loss"].as_f64().unwrap() < 0.1 * found["loss_at_start"].as_f64().unwrap());
    assert_eq!(found["stop"], "tolerance");
    let iterations = found["iterations"].as_u64().unwrap();
    assert_eq!(found["max_step"].as_array().unwrap().len() as u64, iterations);
    assert!(found["max_shift"].as_f64().unwrap() > 1.0 && found["residual"].as_f64().unwrap() < 0.01);
    assert!(!found["reasons"].as_array().unwrap().is_empty());
    assert_eq!(found["result"], "aligned.h5");
    assert_eq!(
        names(here),
        [
            "aligned.h5",
            "aligned.offsets.png",
            "aligned.report.html",
            "aligned.sinogram.png",
            "aligned.slices.png",
            "aligned.steps.png",
            "scan.h5"
        ]
    );

    // The result is a tilt series again: the same images with the offsets found.
    let again = reopened(&here.join("aligned.h5"));
    // JSON is read to the last digit but one.
    let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
    let (written, said) = (again.series.geometry.offsets(), offsets(&found));
    assert!(written.iter().flatten().zip(said.iter().flatten()).all(|(a, b)| close(*a, *b)));
    assert_eq!(again.series.images, made.series.images);
    let array =
        |path: &str| read_array::<f64>(&format!("{}:/{path}", here.join("aligned.h5").display())).unwrap();
    assert_eq!(array("alignment/history").shape(), [iterations as usize + 1, 24, 2]);
    assert_eq!(read_offsets(here.join("aligned.h5"), "alignment").unwrap(), written);
    assert_eq!(array("reconstruction/volume").shape(), [24, 24, 20]);

    // Aligned already: nothing is left to move.
    let args = ["align", "aligned.h5", "--json", "--method", "optical-flow", "--no-centering"];
    let twice = json(here, &args);
    assert!(twice["max_shift"].as_f64().unwrap() < 0.02, "{}", twice["max_shift"]);
}

#[test]
fn every_method_is_offered_and_judged_alike() {
    let (folder, made) = series(&params());
    // Error rms along j and k that the method may have; the axis lies along k. Those that know one axis leave the other
    // as it was: jitter of 2 px and 1.5 px, even, has an rms of 1.15 and 0.87 px.
    let rows: &[(&str, &[&str], [f64; 2])] = &[
        ("phase-matching", &["--upsampling", "1,10", "--reconstruction-iterations", "5"], [0.1, 0.1]),
        ("reprojection", &["--iterations", "60", "--start", "moments"], [0.1, 0.1]),
        ("moments", &[], [0.03, 0.03]),
        ("axial-profile", &[], [2.0, 0.03]),
        ("line", &[], [0.8, 1.5]),
        // Neighbours differ by 7.5°, far more than the cascade is made for.
        ("cascade", &[], [2.0, 1.5]),
        ("slices", &["--start", "moments"], [0.05, 0.05]),
    ];
    for (method, options, limits) in rows {
        let args = [&["align", "scan.h5", "--json", "--method", method][..], options].concat();
        let found = json(folder.path(), &args);
        let misses = misses(&made.truth.geometry, &offsets(&found), &made.truth.offsets);
        for axis in 0..2 {
            assert!(rms(&misses, axis) < limits[axis], "{method}, {axis}: {}", rms(&misses, axis));
        }
        assert_eq!(found["method"].as_str().unwrap().replace([' ', '-'], ""), method.replace('-', ""));
        assert!(found["loss"].is_f64() && found["loss_at_start"].is_f64() && found["residual"].is_f64());
    }
    assert_eq!(names(folder.path()), ["scan.h5"], "nothing is written unasked");
}

#[test]
fn what_is_ignored_stays_and_one_axis_may_be_left_alone() {
    let (folder, _) = series(&params());
    let args = ["align", "scan.h5", "--json", "--method", "optical-flow", "--only", "k", "--ignore", "0,7"];
    let found = json(folder.path(), &args);
    let offsets = offsets(&found);
    assert!(offsets.iter().all(|o| o[0] == 0.0), "j is left alone");
    assert_eq!((offsets[0], offsets[7]), ([0.0; 2], [0.0; 2]));
    assert!(offsets.iter().any(|o| o[1].abs() > 0.5));
}

#[test]
fn thickness_needs_no_logarithm_and_stacks_their_angles() {
    let made = TiltSeriesParams { recording: Recording::Thickness { gain: 700.0 }, ..params() };
    let made = made.generate().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    nonius::io::write_npy(here.join("stack.npy"), made.series.images.as_ref().unwrap()).unwrap();
    let angles: Vec<String> = (0..24).map(|i| format!("{}\n", 7.5 * f64::from(i))).collect();
    std::fs::write(here.join("tilt.txt"), angles.concat()).unwrap();
    let args = ["align", "stack.npy", "--json", "--angles", "tilt.txt", "--thickness", "--method", "moments"];
    let found = json(here, &args);
    let misses = misses(&made.truth.geometry, &offsets(&found), &made.truth.offsets);
    assert!(rms(&misses, 0) < 0.05 && rms(&misses, 1) < 0.05, "{misses:?}");
}

#[test]
fn parameters_of_all_methods_stand_in_one_table() {
    let (folder, _) = series(&params());
    let here = folder.path();
    let options =
        ["--method", "phase-matching", "--upsampling", "1,5", "--tilt-axis", "90", "--percentile", "99.5"];
    let printed = stdout(here, &[&["align", "--print-config"][..], &options].concat());
    std::fs::write(here.join("p.toml"), &printed).unwrap();
    assert_eq!(stdout(here, &["align", "--print-config", "--config", "p.toml"]), printed);
    assert!(printed.contains("[align.alignment.optical_flow.iteration.reconstruction]"), "{printed}");
    std::fs::write(here.join("p.toml"), "[align.alignment.optical_flow]\nsmooth = 1\n").unwrap();
    let output = nonius(here, &["align", "scan.h5", "--config", "p.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("smooth"));
}

/// The datasets of a file of projections: each with its shape.
type Datasets = BTreeMap<String, (Vec<u64>, Vec<f64>)>;

/// Four projections with a block in their middle.
fn good() -> Datasets {
    let mut made = Datasets::new();
    for index in 0..4u32 {
        let inside = |n: usize| (5..10).contains(&(n / 12)) && (4..8).contains(&(n % 12));
        let image = (0..15 * 12).map(|n| if inside(n) { 60.0 } else { 100.0 }).collect();
        made.insert(format!("projections/{index}/diode"), (vec![15, 12], image));
        made.insert(format!("projections/{index}/inner_angle"), (vec![], vec![0.7 * f64::from(index)]));
    }
    made
}

fn bytes(made: &Datasets) -> Vec<u8> {
    let mut file = Hdf5Builder::new();
    for (path, (shape, values)) in made {
        file = file.dataset(DatasetBuilder::typed_data(path.clone(), shape.clone(), values).unwrap());
    }
    file.into_plan().unwrap().encode(Default::default()).unwrap()
}

#[test]
fn images_of_unequal_size_are_padded_and_masked() {
    let folder = tempfile::tempdir().unwrap();
    let mut made = good();
    let (_, image) = &made["projections/1/diode"];
    let smaller = (0..14 * 11).map(|n| image[n / 11 * 12 + n % 11]).collect();
    made.insert("projections/1/diode".into(), (vec![14, 11], smaller));
    std::fs::write(folder.path().join("scan.h5"), bytes(&made)).unwrap();
    let found = json(folder.path(), &["align", "scan.h5", "--json", "--method", "moments"]);
    assert_eq!(found["n_masked"], 15 * 12 - 14 * 11);
    // The sample stands at the same pixels in all images; padding counted as measured, or put on the wrong side, is half a
    // pixel and more. What is missing beside so small a sample costs a tenth.
    let offsets = offsets(&found);
    assert!(
        offsets.iter().all(|o| (o[0] - offsets[0][0]).abs() + (o[1] - offsets[0][1]).abs() < 0.2),
        "{offsets:?}"
    );
}

#[test]
fn rotations_are_refined_when_asked() {
    let (folder, _) = series(&params());
    let args = ["align", "scan.h5", "--json", "--method", "moments", "--refine-angles", "--out", "turned.h5"];
    let found = json(folder.path(), &[&args[..], &["--final-iterations", "10", "--no-pictures"]].concat());
    let angles = found["angles"].as_array().unwrap();
    assert_eq!(angles.len(), 24);
    // The rotations were right: a prior of 0.02 rad holds what 24 small images do not tell.
    assert!(angles.iter().flat_map(numbers).all(|a| a.abs() < 0.1), "{angles:?}");
    assert_eq!(names(folder.path()), ["scan.h5", "turned.h5"]);
    let again = reopened(&folder.path().join("turned.h5"));
    assert!(again.series.geometry.validate().is_ok());
}

#[test]
fn wrong_files_are_named_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let write = |name: &str, change: &dyn Fn(&mut Datasets)| {
        let mut made = good();
        change(&mut made);
        std::fs::write(here.join(name), bytes(&made)).unwrap();
    };
    write("good.h5", &|_| {});
    write("missing.h5", &|made| made.retain(|path, _| !path.starts_with("projections/2/")));
    write("unequal.h5", &|made| {
        made.insert("projections/1/diode".into(), (vec![15, 12, 2], vec![1.0; 360]));
    });
    write("diodeless.h5", &|made| {
        made.retain(|path, _| !path.ends_with("diode"));
        made.insert("detector_angles".into(), (vec![2], vec![0.0, 1.5]));
        for index in 0..4 {
            made.insert(format!("projections/{index}/data"), (vec![15, 12, 2], vec![1.0; 360]));
        }
    });
    write("pixelless.h5", &|made| made.retain(|path, _| !path.ends_with("diode")));
    write("nan.h5", &|made| made.get_mut("projections/3/diode").unwrap().1[17] = f64::NAN);
    write("skewed.h5", &|made| {
        let rows = vec![1.0, 0.1, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        made.insert("projections/1/rotation_matrix".into(), (vec![3, 3], rows));
    });
    write("degrees.h5", &|made| {
        made.get_mut("projections/3/inner_angle").unwrap().1[0] = 120.0;
    });
    write("uneven.h5", &|made| {
        made.get_mut("projections/2/diode").unwrap().1[..24].fill(20.0);
    });
    write("dark.h5", &|made| made.get_mut("projections/0/diode").unwrap().1.fill(0.0));
    let whole = std::fs::read(here.join("good.h5")).unwrap();
    std::fs::write(here.join("cut.h5"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(here.join("empty.h5"), b"").unwrap();
    std::fs::write(here.join("few.tlt"), "0\n1\n").unwrap();
    nonius::io::write_npy(here.join("stack.npy"), &ndarray::Array3::<f32>::ones((4, 8, 8))).unwrap();
    let before = names(here);

    let rows: &[(&str, i32, &[&str])] = &[
        ("missing.h5", 1, &["missing.h5", "2"]),
        ("unequal.h5", 1, &["unequal.h5", "projections/1/diode"]),
        ("diodeless.h5", 1, &["diodeless.h5", "diode", "--scattering"]),
        ("pixelless.h5", 1, &["pixelless.h5", "diode"]),
        ("nan.h5", 1, &["nan.h5", "projections/3/diode", "NaN"]),
        ("skewed.h5", 1, &["skewed.h5", "projections/1/rotation_matrix"]),
        ("degrees.h5", 1, &["degrees.h5", "projections/3/inner_angle", "degrees"]),
        ("uneven.h5", 1, &["uneven.h5", "frame 2", "air", "--thickness"]),
        ("dark.h5", 1, &["dark.h5", "frame 0"]),
        ("cut.h5", 1, &["cut.h5"]),
        ("empty.h5", 1, &["empty.h5"]),
        ("none.h5", 1, &["none.h5", "No such file"]),
        ("stack.npy", 1, &["stack.npy", "angle"]),
        ("stack.npy --angles few.tlt", 1, &["few.tlt", "4"]),
        ("good.h5 --geometry few.tlt", 1, &["few.tlt"]),
        ("good.h5 --ignore 4", 1, &["ignored", "got 4"]),
        ("good.h5 --pictures few.tlt", 1, &["--pictures", "few.tlt is no folder"]),
        ("good.h5 --tolerance 0", 2, &["tolerance"]),
        ("good.h5 --upsampling 0", 2, &["upsampling"]),
        ("good.h5 --volume-shape 4,5", 2, &["--volume-shape", "X,Y,Z"]),
        ("good.h5 --volume-shape 4,5,0", 1, &["good.h5", "volume"]),
        ("good.h5 --thickness --percentile 99", 2, &["--percentile"]),
        ("good.h5 --percentile 200", 2, &["percentile"]),
        ("good.h5 --method magic", 2, &["--method", "phase-matching"]),
    ];
    for (line, code, words) in rows {
        let mut args = vec!["align"];
        args.extend(line.split(' '));
        args.extend(["--json", "--out", "result.h5"]);
        let output = nonius(here, &args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(*code), "{line}: {said}");
        assert!(output.stdout.is_empty(), "{line}");
        let error = said.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
        assert!(
            words.iter().all(|word| error.contains(word) || *code == 2 && said.contains(word)),
            "{line}: {said}"
        );
        assert!(!said.contains("panicked"), "{line}: {said}");
        assert_eq!(names(here), before, "{line}");
    }
}
