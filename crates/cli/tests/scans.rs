//! `nonius stats`, `convert` and `info` on scans whose frames are known.

use std::path::Path;

use ndarray::{Array2, Array4, Axis};
use nonius::io::{read_array, read_image, write_npy};
use serde_json::{Value, json};

use crate::{json as run, names, nonius, stdout};

/// 3 × 4 positions, 12 × 10 px: a ramp, and a spot that moves with the position.
fn scan() -> Array4<u16> {
    Array4::from_shape_fn((3, 4, 12, 10), |(i, j, y, x)| {
        let spot = if (y, x) == (4 + i, 3 + j) { 5000 } else { 0 };
        (10 * i + j + y * x) as u16 + spot
    })
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_npy(folder.path().join("scan.npy"), &scan()).unwrap();
    folder
}

fn map(folder: &Path, name: &str) -> Array2<f64> {
    let file = folder.join("maps.h5");
    read_image::<f64>(&format!("{}:/maps/{name}/data", file.display())).unwrap().pixels
}

#[test]
fn maps_are_those_of_the_frames() {
    let folder = folder();
    let all = "sum,mean,std,variance,min,max,logsum,com,magnitude,divergence,curl";
    let found = run(
        folder.path(),
        &[
            "stats",
            "scan.npy",
            "--maps",
            all,
            "--detector",
            "spot=disk:5,4,2",
            "--detector",
            "point:0,0",
            "--detector",
            "point:1,1",
            "--out",
            "maps.h5",
            "--json",
        ],
    );
    assert_eq!((&found["scan_shape"], &found["sig_shape"]), (&json!([3, 4]), &json!([12, 10])));
    assert_eq!((&found["dtype"], &found["n_frames"]), (&json!("uint16"), &json!(12)));
    let flat = scan().mapv(f64::from).into_shape_with_order((12, 12, 10)).unwrap();
    let close = |name: &str, expected: &Array2<f64>| {
        let found = map(folder.path(), name);
        for (f, e) in found.iter().zip(expected) {
            assert!((f - e).abs() <= 1e-9 * e.abs().max(1.0), "{name}: {f}, expected {e}");
        }
    };
    close("sum", &flat.sum_axis(Axis(0)));
    close("mean", &flat.mean_axis(Axis(0)).unwrap());
    close("variance", &flat.var_axis(Axis(0), 0.0));
    close("std", &flat.std_axis(Axis(0), 0.0));
    close("max", &flat.fold_axis(Axis(0), f64::MIN, |a, b| a.max(*b)));
    close("min", &flat.fold_axis(Axis(0), f64::MAX, |a, b| a.min(*b)));
    let mut logsum = Array2::<f64>::zeros((12, 10));
    for frame in flat.outer_iter() {
        let least = frame.fold(f64::MAX, |a, b| a.min(*b));
        logsum += &frame.mapv(|v| (v - least + 1.0).ln());
    }
    close("logsum", &logsum);
    close("point", &Array2::from_shape_fn((3, 4), |(i, j)| f64::from(scan()[(i, j, 0, 0)])));
    close("point_2", &Array2::from_shape_fn((3, 4), |(i, j)| f64::from(scan()[(i, j, 1, 1)])));
    let com = |axis: usize| {
        Array2::from_shape_fn((3, 4), |(i, j)| {
            let frame = flat.index_axis(Axis(0), 4 * i + j);
            let moment: f64 = frame.indexed_iter().map(|(at, v)| [at.0, at.1][axis] as f64 * v).sum();
            moment / frame.sum() - [6.0, 5.0][axis]
        })
    };
    close("com_y", &com(0));
    close("com_x", &com(1));
    let pictures: Vec<String> = names(folder.path()).into_iter().filter(|n| n.ends_with(".png")).collect();
    assert_eq!(pictures.len(), found["maps"].as_array().map_or(0, Vec::len));
    assert_eq!(pictures.len(), found["pictures"].as_array().map_or(0, Vec::len));
    assert!(pictures.contains(&"maps.spot.png".to_owned()), "{pictures:?}");
}

#[test]
fn threads_and_access_leave_no_trace() {
    let folder = folder();
    let maps = |extra: &[&str]| {
        let mut args = vec!["stats", "scan.npy", "--maps", "std,logsum,com", "--json"];
        args.extend(extra);
        run(folder.path(), &args)["maps"].clone()
    };
    let expected = maps(&[]);
    for extra in [&["--threads", "1"][..], &["--threads", "7"], &["--positioned"]] {
        assert_eq!(maps(extra), expected, "{extra:?}");
    }
}

#[test]
fn formats_are_changed_without_a_loss() {
    let folder = folder();
    let narrow = scan().mapv(|v| (v % 251) as u8);
    let square = narrow.slice_move(ndarray::s![.., .., ..10, ..]);
    write_npy(folder.path().join("square.npy"), &square).unwrap();
    for (from, to) in [("square.npy", "a.blo"), ("a.blo", "b.h5"), ("b.h5", "c.npy")] {
        let found = run(folder.path(), &["convert", from, to, "--json"]);
        assert_eq!((&found["scan_shape"], &found["n_frames"]), (&json!([3, 4]), &json!(12)), "{found}");
    }
    let back = read_array::<f64>(&folder.path().join("c.npy").display().to_string()).unwrap();
    assert_eq!(back, square.mapv(f64::from).into_dyn());
    run(folder.path(), &["convert", "scan.npy", "part.npy", "--roi", "1:3,0:2", "--json"]);
    let part = read_array::<f64>(&folder.path().join("part.npy").display().to_string()).unwrap();
    assert_eq!(part.shape(), [4, 12, 10]);
    assert_eq!(part[[2, 0, 0]], f64::from(scan()[(2, 0, 0, 0)]));
    // 16 bits into 8, frames that are not square: refused, and no file.
    for args in [["convert", "scan.npy", "wide.blo"], ["convert", "scan.npy", "scan.xyz"]] {
        let output = nonius(folder.path(), &args);
        assert!(!output.status.success());
    }
    assert!(
        !names(folder.path()).iter().any(|n| n.contains("wide") || n.contains("xyz") || n.contains(".tmp"))
    );
}

#[test]
fn detectors_are_corrected_for_every_command() {
    let folder = folder();
    let write = |name: &str, image: &Array2<f32>| write_npy(folder.path().join(name), image).unwrap();
    write("dark.npy", &Array2::from_shape_fn((12, 10), |(y, x)| (y * x) as f32));
    write("gain.npy", &Array2::from_elem((12, 10), 2.0));
    let mut dead = Array2::zeros((12, 10));
    (dead[(0, 0)], dead[(11, 4)]) = (1.0, f32::NAN);
    write("dead.npy", &dead);
    write("small.npy", &Array2::zeros((3, 3)));
    write("all.npy", &Array2::ones((12, 10)));
    let given = ["--dark", "dark.npy", "--gain", "gain.npy", "--dead", "dead.npy"];
    let all = |first: &[&str]| run(folder.path(), &[first, &given[..], &["--json"]].concat());
    let found = all(&["convert", "scan.npy", "corrected.npy"]);
    assert_eq!((&found["dtype"], &found["n_frames"]), (&json!("float32"), &json!(12)));
    let frames = read_array::<f64>(&folder.path().join("corrected.npy").display().to_string()).unwrap();
    for (at, &v) in frames.indexed_iter() {
        let (i, j, y, x) = (at[0], at[1], at[2], at[3]);
        let spot = if (y, x) == (4 + i, 3 + j) { 5000 } else { 0 };
        assert_eq!(v, f64::from(2 * (10 * i as u32 + j as u32 + spot)), "{at:?}");
    }
    let found = all(&["stats", "scan.npy", "--detector", "point:11,4", "--detector", "point:5,5"]);
    assert_eq!((&found["dtype"], &found["maps"][0]["max"]), (&json!("float32"), &json!(46.0)));
    assert_eq!(all(&["info", "scan.npy"])["dtype"], "float32");
    // By a file of parameters, too.
    let printed = stdout(folder.path(), &[&["stats", "--print-config"], &given[..]].concat());
    std::fs::write(folder.path().join("p.toml"), printed).unwrap();
    let found = run(folder.path(), &["stats", "scan.npy", "--config", "p.toml", "--json"]);
    assert_eq!(found["dtype"], "float32");
    for (args, part) in [
        (["--dark", "small.npy"], "dark: expected shape [12, 10], got [3, 3]"),
        (["--gain", "dead.npy"], "gain: element [11, 4] is not finite"),
        (["--dead", "all.npy"], "dead pixels must be not all"),
        (["--dead", "none.npy"], "none.npy"),
    ] {
        let output = nonius(folder.path(), &[&["stats", "scan.npy"], &args[..]].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.contains(part), "{args:?}: {said}");
    }
}

#[test]
fn raw_frames_and_missing_ones() {
    let folder = folder();
    let bytes: Vec<u8> = scan().iter().take(10 * 120).flat_map(|v| v.to_be_bytes()).collect();
    std::fs::write(folder.path().join("frames.bin"), bytes).unwrap();
    let raw = ["--frame-shape", "12,10", "--dtype", "uint16", "--big-endian", "--scan-shape", "3,4"];
    let stats = |extra: &[&str]| {
        let args: Vec<&str> =
            [&["stats", "frames.bin", "--detector", "point:0,0", "--json"], &raw[..], extra].concat();
        nonius(folder.path(), &args)
    };
    let refused = stats(&[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("12 positions of which 2 have none"));
    let skipped: Value = serde_json::from_slice(&stats(&["--missing", "skip"]).stdout).unwrap();
    assert_eq!((&skipped["n_frames"], &skipped["n_missing"]), (&json!(10), &json!(2)));
    let filled: Value = serde_json::from_slice(&stats(&["--missing", "-1"]).stdout).unwrap();
    assert_eq!(filled["n_frames"], 12);
    assert_eq!(filled["maps"][0]["min"], 0.0, "−1 is 0 among unsigned numbers");
    let info: Vec<&str> = [&["info", "frames.bin", "--missing", "skip", "--json"], &raw[..]].concat();
    let info = run(folder.path(), &info);
    assert_eq!((&info["scan_shape"], &info["n_frames"]), (&json!([3, 4]), &json!(10)));
}

#[test]
fn what_is_asked_wrongly_is_said() {
    let folder = folder();
    for (args, code, part) in [
        (&["stats", "none.blo"][..], 1, "none.blo"),
        (&["stats", "scan.npy", "--detector", "disk:1,2"], 2, "expected disk:Y,X,R"),
        (&["stats", "scan.npy", "--detector", "disk:-90,0,1"], 1, "such that it meets a pixel"),
        (&["stats", "scan.npy", "--detector", "ring:5,5,3,2"], 1, "the outer above the inner"),
        (&["stats", "scan.npy", "--roi", "0:9,0:1"], 1, "region of interest"),
        (&["stats", "scan.npy", "--roi", "1:1,0:1"], 1, "is empty"),
        (&["stats", "scan.npy", "--maps", "median"], 2, "median"),
        (&["stats", "scan.npy", "--scan-shape", "12", "--maps", "curl"], 1, "two (--scan-shape)"),
        (&["stats", "scan.npy", "--scan-shape", "0,4"], 1, "numbers above 0"),
        (&["stats", "scan.npy", "--out", "no/where.h5"], 1, "there is no folder no"),
        (&["stats", "scan.npy", "--com-center", "1"], 2, "expected Y,X"),
        (&["convert", "scan.npy", "no/where.npy"], 1, "there is no folder no"),
        (&["convert", "scan.npy", "scan.txt"], 2, ".npy, .h5 or .blo"),
    ] {
        let output = nonius(folder.path(), args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(part), "{args:?}: {said}");
        assert!(output.stdout.is_empty());
    }
    assert_eq!(names(folder.path()), ["scan.npy"]);
}

#[test]
fn parameters_come_from_a_file_too() {
    let folder = folder();
    let printed =
        stdout(folder.path(), &["stats", "--print-config", "--maps", "mean,com", "--scan-rotation", "30"]);
    std::fs::write(folder.path().join("p.toml"), printed).unwrap();
    let found = run(folder.path(), &["stats", "scan.npy", "--config", "p.toml", "--json"]);
    let names: Vec<&str> =
        found["maps"].as_array().unwrap().iter().filter_map(|m| m["name"].as_str()).collect();
    assert_eq!(names, ["mean", "com_y", "com_x"]);
    assert_eq!(found["deflection"]["scan-rotation"], 30.0);
}
