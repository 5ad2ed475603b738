//! `nonius peaks` on scans whose lattices are known.

use std::path::Path;

use ndarray::{Array2, Array3, Array4, ArrayD, Axis, s};
use nonius::core::ReadFrames;
use nonius::io::{read_array, write_npy};
use nonius::synthetic::{DiffractionBackground, DiffractionParams, DiffractionScan, DiffractionScanParams};
use serde_json::json;

use crate::{json as run, names, nonius, stdout};

const SCAN: [usize; 2] = [3, 4];

/// 3 × 4 positions, 96 × 90 px, 21 disks of radius 5 px within the frame; the lattice is strained and wanders.
fn made() -> DiffractionScan {
    DiffractionScan::new(&DiffractionScanParams {
        scan: SCAN,
        frame: DiffractionParams {
            shape: [96, 90],
            zero: [48.0, 45.0],
            a: [19.0, 1.0],
            b: [-1.5, 18.0],
            electrons: 5000.0,
            falloff: Some(60.0),
            background: DiffractionBackground { constant: 4.0, ..Default::default() },
            ..Default::default()
        },
        ..Default::default()
    })
    .unwrap()
}

fn folder() -> (tempfile::TempDir, DiffractionScan) {
    let (folder, made) = (tempfile::tempdir().unwrap(), made());
    let mut frames = Array4::<u16>::zeros((SCAN[0], SCAN[1], 96, 90));
    for k in 0..SCAN[0] * SCAN[1] {
        let frame = made.frame::<f32>(k).unwrap().mapv(|v| v.max(0.0) as u16);
        frames.slice_mut(s![k / SCAN[1], k % SCAN[1], .., ..]).assign(&frame);
    }
    write_npy(folder.path().join("scan.npy"), &frames).unwrap();
    (folder, made)
}

fn array(folder: &Path, file: &str, name: &str) -> ArrayD<f64> {
    read_array::<f64>(&format!("{}:/peaks/{name}/data", folder.join(file).display())).unwrap()
}

#[test]
fn disks_are_where_they_were_put() {
    let (folder, made) = folder();
    let args = ["peaks", "scan.npy", "--radius", "5", "--num-peaks", "9", "--out", "disks.h5", "--json"];
    let found = run(folder.path(), &args);
    assert_eq!((&found["n_frames"], &found["n_peaks"]), (&json!(12), &json!(9)));
    assert_eq!(found["result"], "disks.h5");
    assert_eq!((&found["scan_shape"], &found["sig_shape"]), (&json!([3, 4]), &json!([96, 90])));
    assert_eq!(found["status"]["found"], 1.0);
    let refineds = array(folder.path(), "disks.h5", "refineds");
    let errors = array(folder.path(), "disks.h5", "refined_errors");
    assert_eq!((refineds.shape(), errors.shape()), (&[3, 4, 9, 2][..], &[3, 4, 9, 2][..]));
    let mut pulls = 0.0;
    for k in 0..12 {
        let truth = made.frame_with_truth(k).unwrap().truth.positions;
        for disk in 0..9 {
            let at = |axis: usize| refineds[[k / 4, k % 4, disk, axis]];
            let far = |t: &&[f64; 2]| (t[0] - at(0)).hypot(t[1] - at(1));
            let near = truth.iter().min_by(|p, q| far(p).total_cmp(&far(q))).unwrap();
            assert!(far(&near) < 0.1, "frame {k}: {:?}", [at(0), at(1)]);
            pulls += ((near[0] - at(0)) / errors[[k / 4, k % 4, disk, 0]]).powi(2);
        }
    }
    // Bars are too small where the background is exactly 0; 108 standardised errors squared scatter by 14 % about 1.
    assert!((0.5..1.7).contains(&(pulls / 108.0)), "{}", pulls / 108.0);
    assert_eq!(names(folder.path()), ["disks.frame.png", "disks.h5", "disks.sum.png", "scan.npy"]);
    assert_eq!(array(folder.path(), "disks.h5", "status").sum(), 0.0);
    assert_eq!(array(folder.path(), "disks.h5", "centers").shape(), [3, 4, 9, 2]);
    assert_eq!(array(folder.path(), "disks.h5", "positions").shape(), [9, 2]);
}

#[test]
fn lattices_and_strain_are_those_of_the_frames() {
    let (folder, made) = folder();
    for (k, lattice) in ["auto", "48,45,19,1,-1.5,18"].into_iter().enumerate() {
        let out = format!("strain{k}.h5");
        let args = [
            "peaks",
            "scan.npy",
            "--radius",
            "5",
            "--lattice",
            lattice,
            "--zero",
            "48,45",
            "--out",
            &out,
            "--json",
        ];
        let found = run(folder.path(), &args);
        let lattice = &found["lattice"];
        assert_eq!(lattice["n_matched"], 12, "{found}");
        assert_eq!(lattice["log10_accidental"].is_number(), k == 0);
        let zero = array(folder.path(), &out, "zero");
        // Whichever vectors were taken, their cell is that of the truth.
        let [a, b] = ["a", "b"].map(|name| array(folder.path(), &out, name));
        let area = |a: [f64; 2], b: [f64; 2]| (a[1] * b[0] - a[0] * b[1]).abs();
        for y in 0..3 {
            for x in 0..4 {
                let of = |v: &ArrayD<f64>| [0, 1].map(|axis| v[[y, x, axis]]);
                let truth = |v: ndarray::ArrayView3<'_, f64>| [0, 1].map(|axis| v[[y, x, axis]]);
                for axis in 0..2 {
                    assert!((of(&zero)[axis] - truth(made.zero())[axis]).abs() < 0.05);
                }
                let (found, expected) = (area(of(&a), of(&b)), area(truth(made.a()), truth(made.b())));
                assert!((found / expected - 1.0).abs() < 0.002, "{found} {expected}");
            }
        }
        let n = found["n_peaks"].as_u64().unwrap() as usize;
        assert_eq!(array(folder.path(), &out, "selector").shape(), [3, 4, n]);
        assert_eq!(array(folder.path(), &out, "indices").shape(), [n, 2]);
        assert_eq!(array(folder.path(), &out, "strain_xx").shape(), [3, 4]);
        assert_eq!(array(folder.path(), &out, "strain_errors").shape(), [3, 4, 4]);
        assert!(array(folder.path(), &out, "a_errors").iter().all(|e| *e > 0.0 && *e < 0.05));
    }
    let pictures: Vec<String> = names(folder.path())
        .into_iter()
        .filter(|n| n.starts_with("strain0.") && n.ends_with("png"))
        .collect();
    let parts =
        ["a_length", "angle", "b_length", "frame", "rotation", "strain_xx", "strain_xy", "strain_yy", "sum"];
    assert_eq!(pictures, parts.map(|part| format!("strain0.{part}.png")));
}

/// The lattice turns by 0.3 rad from the middle of a row of nine frames to its ends.
#[test]
fn lattices_are_followed_over_the_scan() {
    let folder = tempfile::tempdir().unwrap();
    let turned = |k: usize| (0.3 * (k as f64 / 4.0 - 1.0)).sin_cos();
    let of =
        |vector: &dyn Fn(usize) -> [f64; 2]| Array3::from_shape_fn((1, 9, 2), |(_, k, axis)| vector(k)[axis]);
    let a = of(&|k| [20.0 * turned(k).1, 20.0 * turned(k).0]);
    let b = of(&|k| [-20.0 * turned(k).0, 20.0 * turned(k).1]);
    let frame = DiffractionParams { electrons: 5000.0, max_index: 3, ..Default::default() };
    let made = DiffractionScan::with_lattices(&frame, of(&|_| [64.0; 2]), a.clone(), b).unwrap();
    let mut frames = Array4::<f32>::zeros((1, 9, 128, 128));
    (0..9).for_each(|k| frames.slice_mut(s![0, k, .., ..]).assign(&made.frame(k).unwrap()));
    write_npy(folder.path().join("bent.npy"), &frames).unwrap();
    let with = |more: &[&str]| {
        let args = ["peaks", "bent.npy", "--radius", "5", "--search", "8", "--lattice", "64,64,20,0,0,20"];
        run(folder.path(), &[&args[..], &["--out", "bent.h5", "--no-pictures", "--json"], more].concat())
    };
    let right = || {
        let found: Vec<f64> = array(folder.path(), "bent.h5", "a").iter().copied().collect();
        (0..9).filter(|&k| (0..2).all(|i| (found[2 * k + i] - a[[0, k, i]]).abs() < 0.05)).count()
    };
    with(&[]);
    assert!(right() < 7, "{}", right());
    let found = with(&["--from-neighbors"]);
    assert_eq!((right(), &found["lattice"]["n_matched"]), (9, &json!(9)));
    let n = array(folder.path(), "bent.h5", "round").iter().filter(|r| **r > 0.0).count();
    assert!(n >= 3 && found["lattice"]["n_from_neighbors"] == n);
    with(&["--from-neighbors=0"]);
    assert!(right() < 7);
}

#[test]
fn threads_leave_no_trace_and_what_is_outside_is_nan() {
    let (folder, _) = folder();
    let at = |threads: &str, out: &str| {
        let args = [
            "peaks",
            "scan.npy",
            "--radius",
            "5",
            "--roi",
            "1:3,0:2",
            "--threads",
            threads,
            "--out",
            out,
            "--no-pictures",
            "--json",
        ];
        assert_eq!(run(folder.path(), &args)["n_frames"], 4);
        array(folder.path(), out, "refineds")
    };
    let (one, many) = (at("1", "one.h5"), at("5", "many.h5"));
    assert!(one.iter().zip(&many).all(|(a, b)| a.to_bits() == b.to_bits()));
    let finite: Vec<bool> =
        one.index_axis(Axis(2), 0).index_axis(Axis(2), 0).iter().map(|v| v.is_finite()).collect();
    let (f, t) = (false, true);
    assert_eq!(finite, [f, f, f, f, t, t, f, f, t, t, f, f]);
    let status = array(folder.path(), "one.h5", "status");
    assert_eq!((status[[0, 0, 0]], status[[2, 1, 0]]), (255.0, 0.0));
}

#[test]
fn methods_templates_and_refinements_agree() {
    let (folder, _) = folder();
    // Where the strongest disk is in the first frame, by as many ways as there are.
    write_npy(folder.path().join("all.npy"), &Array2::<u8>::ones((96, 90))).unwrap();
    let disk = Array2::from_shape_fn((13, 13), |(y, x)| {
        f64::from(u8::from((y as f64 - 6.0).hypot(x as f64 - 6.0) <= 5.0))
    });
    write_npy(folder.path().join("disk.npy"), &disk).unwrap();
    std::fs::write(folder.path().join("where.csv"), "y,x\n48,45\n67,46\n").unwrap();
    let first = |extra: &[&str]| {
        let args: Vec<&str> = [&["peaks", "scan.npy", "--positions", "where.csv", "--json"], extra].concat();
        let found = run(folder.path(), &args);
        assert_eq!(found["n_peaks"], 2);
        let p = &found["positions"][0];
        assert!(p["found"].as_f64().unwrap() > 0.99, "{extra:?} {found}");
        let out: Vec<&str> = [&args[..], &["--no-pictures", "--out", "a.h5"]].concat();
        run(folder.path(), &out);
        let refineds = array(folder.path(), "a.h5", "refineds");
        [0, 1].map(|axis| refineds[[0, 0, 0, axis]])
    };
    let radius = ["--radius", "5"];
    let expected = first(&radius);
    let ways: [(&[&str], f64); 15] = [
        (&["--method", "full"], 0.01),
        (&["--method", "sparse"], 0.01),
        (&["--method", "crop", "--mask", "all.npy"], 0.0),
        (&["--method", "direct", "--steps", "4", "--refinement", "paraboloid"], 0.1),
        (&["--upsample", "50"], 0.1),
        (&["--upsample", "continuous", "--intensity", "linear"], 0.1),
        (&["--refinement", "paraboloid", "--intensity", "square-root"], 0.1),
        (&["--refinement", "center-of-mass"], 0.3),
        (&["--refinement", "pixel"], 0.51),
        (&["--template", "radial-gradient"], 0.01),
        (&["--template", "background-subtraction", "--radius-outer", "8"], 0.01),
        (&["--template", "radial-gradient-background-subtraction", "--delta", "1.5"], 0.01),
        (&["--search", "12"], 0.01),
        (&["--compatible"], 0.3),
        (&["--compatible", "--upsample", "20"], 0.2),
    ];
    for (way, tolerance) in ways {
        let found = first(&[&radius, way].concat());
        let miss = (found[0] - expected[0]).hypot(found[1] - expected[1]);
        assert!(miss <= tolerance, "{way:?}: {found:?}, expected {expected:?}");
    }
    let found = first(&["--template", "disk.npy", "--search", "10"]);
    assert!((found[0] - expected[0]).hypot(found[1] - expected[1]) < 0.2, "{found:?}");
}

#[test]
fn an_image_as_template_finds_the_lattice_too() {
    let (folder, _) = folder();
    let disk = Array2::from_shape_fn((13, 13), |(y, x)| {
        f64::from(u8::from((y as f64 - 6.0).hypot(x as f64 - 6.0) <= 5.0))
    });
    write_npy(folder.path().join("disk.npy"), &disk).unwrap();
    let args = ["peaks", "scan.npy", "--template", "disk.npy", "--lattice", "auto", "--json"];
    let found = run(folder.path(), &args);
    assert_eq!(found["lattice"]["n_matched"], 12);
    assert!(found["median_error"].as_f64().unwrap() < 0.2, "{found}");
}

#[test]
fn what_is_hidden_does_not_count() {
    let (folder, _) = folder();
    // A disk that is none: brighter than any, in all frames.
    let path = folder.path().join("scan.npy");
    let mut frames = read_array::<f64>(&path.display().to_string()).unwrap();
    frames
        .slice_each_axis_mut(|axis| match axis.axis.index() {
            2 => (4..9).into(),
            3 => (60..65).into(),
            _ => (..).into(),
        })
        .fill(60_000.0);
    let frames = frames.mapv(|v| v as u16);
    write_npy(folder.path().join("hot.npy"), &frames).unwrap();
    let mask = Array2::from_shape_fn((96, 90), |(y, x)| u8::from(!(y < 12 && (57..68).contains(&x))));
    write_npy(folder.path().join("mask.npy"), &mask).unwrap();
    let places = |extra: &[&str]| {
        let args: Vec<&str> =
            [&["peaks", "hot.npy", "--radius", "5", "--num-peaks", "5", "--json"], extra].concat();
        let found = run(folder.path(), &args);
        let near = |p: &serde_json::Value| {
            (p["position"][0].as_f64().unwrap() - 6.0).abs() < 5.0
                && (p["position"][1].as_f64().unwrap() - 62.0).abs() < 5.0
        };
        found["positions"].as_array().unwrap().iter().filter(|p| near(p)).count()
    };
    assert_eq!((places(&[]), places(&["--mask", "mask.npy"])), (1, 0));
    let args = [
        "peaks",
        "hot.npy",
        "--radius",
        "5",
        "--lattice",
        "48,45,19,1,-1.5,18",
        "--mask",
        "mask.npy",
        "--json",
    ];
    assert_eq!(run(folder.path(), &args)["lattice"]["n_matched"], 12);
}

#[test]
fn a_line_and_a_single_frame_are_scans() {
    let (folder, made) = folder();
    let mut line = Array3::<f32>::zeros((3, 96, 90));
    for (k, mut frame) in line.outer_iter_mut().enumerate() {
        frame.assign(&made.frame::<f32>(k).unwrap());
    }
    write_npy(folder.path().join("line.npy"), &line).unwrap();
    write_npy(folder.path().join("one.npy"), &line.slice(s![..1, .., ..]).to_owned()).unwrap();
    for (name, n) in [("line.npy", 3), ("one.npy", 1)] {
        let out = format!("{name}.h5");
        let args = ["peaks", name, "--radius", "5", "--lattice", "auto", "--out", &out, "--json"];
        let found = run(folder.path(), &args);
        assert_eq!((&found["n_frames"], &found["lattice"]["n_matched"]), (&json!(n), &json!(n)));
        assert_eq!(array(folder.path(), &out, "a").shape(), [n, 2]);
        let text = stdout(folder.path(), &args[..args.len() - 1]);
        assert!(text.contains("places of the lattice") && text.contains("rotation / mrad"), "{text}");
    }
}

#[test]
fn what_is_asked_wrongly_is_said() {
    let (folder, _) = folder();
    write_npy(folder.path().join("zeros.npy"), &Array2::<f32>::zeros((9, 9))).unwrap();
    write_npy(folder.path().join("dark.npy"), &Array3::<u8>::zeros((2, 32, 32))).unwrap();
    write_npy(folder.path().join("three.npy"), &Array2::<f32>::zeros((9, 3))).unwrap();
    std::fs::write(folder.path().join("bad.csv"), "y,x\n1,2\n3\n").unwrap();
    std::fs::write(folder.path().join("empty.csv"), "y,x\n").unwrap();
    let radius = ["peaks", "scan.npy", "--radius", "5"];
    let with = |extra: &[&'static str]| [&radius, extra].concat();
    for (args, code, part) in [
        (vec!["peaks"], 2, "SCAN"),
        (vec!["peaks", "scan.npy"], 2, "needs the radius"),
        (vec!["peaks", "none.blo", "--radius", "5"], 1, "none.blo"),
        (vec!["peaks", "scan.npy", "--radius", "0"], 1, "radius"),
        (vec!["peaks", "scan.npy", "--template", "square"], 1, "--template square: expected circular"),
        (vec!["peaks", "scan.npy", "--template", "zeros.npy"], 1, "other than 0 somewhere"),
        (vec!["peaks", "scan.npy", "--template", "bad.csv"], 1, "--template bad.csv"),
        (vec!["peaks", "dark.npy", "--radius", "5"], 1, "shows no disk"),
        (with(&["--search", "3"]), 1, "search must be at least the radius"),
        (with(&["--template", "zeros.npy"]), 2, "has a shape of its own"),
        (with(&["--radius-outer", "8"]), 2, "has no ring"),
        (with(&["--template", "background-subtraction", "--radius-outer", "4"]), 1, "above the radius"),
        (with(&["--threshold", "2"]), 1, "from 0 to 1"),
        (with(&["--method", "slow"]), 2, "slow"),
        (with(&["--upsample", "1"]), 1, "2 to 1000"),
        (with(&["--upsample", "no"]), 2, "`continuous`"),
        (with(&["--upsample", "9", "--method", "sparse"]), 1, "needs no spectrum"),
        (with(&["--compatible", "--upsample", "continuous"]), 2, "whole number"),
        (with(&["--compatible", "--intensity", "linear"]), 2, "cannot be used with"),
        (with(&["--steps", "3"]), 2, "only --method sparse"),
        (with(&["--positions", "none.csv"]), 1, "none.csv: cannot read"),
        (with(&["--positions", "bad.csv"]), 1, "line 3: expected two numbers"),
        (with(&["--positions", "empty.csv"]), 1, "no position"),
        (with(&["--positions", "three.npy"]), 1, "two columns"),
        (with(&["--mask", "zeros.npy"]), 1, "frames' shape (96, 90), got (9, 9)"),
        (with(&["--lattice", "1,2,3"]), 2, "expected auto or six numbers"),
        (with(&["--lattice", "48,45,19,0,19,0"]), 1, "lattice"),
        (with(&["--lattice", "1e5,45,19,0,0,19"]), 1, "position in the frame"),
        (with(&["--lattice", "auto", "--num-peaks", "3"]), 1, "show no lattice"),
        (with(&["--zero", "3"]), 2, "expected Y,X"),
        (with(&["--tolerance", "0", "--lattice", "auto"]), 1, "tolerance"),
        (with(&["--roi", "5:9,0:1"]), 1, "region of interest"),
        (with(&["--out", "no/where.h5"]), 1, "there is no folder no"),
    ] {
        let output = nonius(folder.path(), &args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(part), "{args:?}: {said}");
        assert!(output.stdout.is_empty());
    }
    assert!(!names(folder.path()).iter().any(|n| n.ends_with("h5") || n.ends_with("png")));
}

#[test]
fn parameters_come_from_a_file_too() {
    let (folder, _) = folder();
    let args = [
        "peaks",
        "--print-config",
        "--radius",
        "5",
        "--num-peaks",
        "7",
        "--method",
        "sparse",
        "--compatible",
        "--tolerance",
        "2",
        "--template",
        "radial-gradient",
    ];
    let printed = stdout(folder.path(), &args);
    std::fs::write(folder.path().join("p.toml"), &printed).unwrap();
    assert_eq!(stdout(folder.path(), &["peaks", "--print-config", "--config", "p.toml"]), printed);
    let found = run(folder.path(), &["peaks", "scan.npy", "--config", "p.toml", "--json"]);
    assert_eq!(found["n_peaks"], 7);
    let refused = nonius(folder.path(), &["peaks", "scan.npy", "--config", "p.toml", "--upsample", "20"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("needs no spectrum"));
}
