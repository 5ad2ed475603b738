//! Ctrl-C.
#![cfg(unix)]

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use ndarray::Array3;
use nonius::io::write_npy;

use crate::names;

/// A run of the program that is told to stop after a while, and how long it then took to end.
fn interrupted(folder: &Path, args: &[&str]) -> (Output, Duration) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_nonius"))
        .args(args)
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Long enough for the program to start, much shorter than its work.
    std::thread::sleep(Duration::from_millis(700));
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let when = Instant::now();
    assert!(sent.success() && child.try_wait().is_ok());
    (child.wait_with_output().unwrap(), when.elapsed())
}

#[test]
fn an_interrupted_run_fails_and_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    // A texture that wanders; enough frames for many seconds.
    let frames = Array3::from_shape_fn((3000, 64, 64), |(k, y, x)| {
        let (y, x) = (y + k % 5, x + k % 3);
        ((y * y * 7 + x * x * 13 + y * x * 31) % 251) as u8
    });
    write_npy(folder.path().join("long.npy"), &frames).unwrap();
    let args = ["register", "long.npy", "--json", "--out", "r.json", "--apply", "reg"];
    let (output, _) = interrupted(folder.path(), &args);
    let said = String::from_utf8_lossy(&output.stderr);
    // Without a code the signal came before the program listened, which kills it as well.
    assert!(matches!(output.status.code(), Some(130) | None), "{:?} {said}", output.status);
    assert!(output.stdout.is_empty());
    if output.status.code().is_some() {
        assert_eq!(said.trim(), "error: cancelled");
    }
    assert_eq!(names(folder.path()), ["long.npy"]);
}

#[test]
fn a_pass_over_a_long_scan_ends_within_a_second() {
    let folder = tempfile::tempdir().unwrap();
    // Frames of nothing, for many seconds of logarithms.
    let file = std::fs::File::create(folder.path().join("long.bin")).unwrap();
    file.set_len(8 << 30).unwrap();
    drop(file);
    let raw = ["stats", "long.bin", "--frame-shape", "256,256", "--dtype", "float32"];
    let (output, took) =
        interrupted(folder.path(), &[&raw[..], &["--maps", "logsum", "--out", "maps.h5"]].concat());
    assert!(took < Duration::from_secs(1));
    assert!(matches!(output.status.code(), Some(130) | None), "{:?}", output.status);
    assert_eq!(names(folder.path()), ["long.bin"]);
}

#[test]
fn a_search_for_disks_ends_within_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(folder.path().join("long.bin")).unwrap();
    file.set_len(8 << 30).unwrap();
    drop(file);
    std::fs::write(folder.path().join("where.csv"), "100,100\n").unwrap();
    let raw = ["peaks", "long.bin", "--frame-shape", "256,256", "--dtype", "float32", "--radius", "9"];
    let more = ["--positions", "where.csv", "--method", "full", "--out", "disks.h5"];
    let (output, took) = interrupted(folder.path(), &[&raw[..], &more].concat());
    assert!(took < Duration::from_secs(1));
    assert!(matches!(output.status.code(), Some(130) | None), "{:?}", output.status);
    assert_eq!(names(folder.path()), ["long.bin", "where.csv"]);
}

#[test]
fn an_alignment_ends_within_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let series = nonius::synthetic::TiltSeriesParams::default().generate().unwrap().series;
    let path = folder.path().join("scan.h5");
    nonius::io::TiltSeriesWriter::new(&series).unwrap().write(path).unwrap();
    let args = ["align", "scan.h5", "--method", "reprojection", "--tolerance", "1e-9", "--out", "aligned.h5"];
    let (output, took) = interrupted(folder.path(), &args);
    // A step is not cut short; the optimised program does one in a tenth of a second.
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert!(matches!(output.status.code(), Some(130) | None), "{:?}", output.status);
    assert_eq!(names(folder.path()), ["scan.h5"]);
}
