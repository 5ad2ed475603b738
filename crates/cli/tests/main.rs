//! The program as a user meets it: files in, tables, JSON, messages and exit codes out.

mod align;
mod bad_input;
mod chi2;
mod config;
mod demo;
mod info;
mod interrupt;
mod peaks;
mod reconstruct;
mod register;
mod scans;
mod strain;

use std::path::Path;
use std::process::{Command, Output};

use ndarray::Array2;
use nonius::synthetic::{Boundary, Content, ImagePair, ImagePairParams, Motion, NoiseParams, SceneParams};
use serde_json::Value;
use tempfile::TempDir;

/// Runs the program in `folder`.
fn nonius(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nonius")).args(args).current_dir(folder).output().expect("nonius starts")
}

/// What a run that must succeed says on standard output.
#[track_caller]
fn stdout(folder: &Path, args: &[&str]) -> String {
    let output = nonius(folder, args);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {complaint}");
    String::from_utf8(output.stdout).expect("output is UTF-8")
}

/// The one JSON object of a run that must succeed.
#[track_caller]
fn json(folder: &Path, args: &[&str]) -> Value {
    let text = stdout(folder, args);
    assert_eq!(text.lines().count(), 1, "{text}");
    let value: Value = serde_json::from_str(&text).expect("output is JSON");
    assert!(value.is_object());
    value
}

/// A folder with `a.npy` and `b.npy`, scene C: content enters and leaves.
fn pair(shift: [f64; 2]) -> (TempDir, ImagePair) {
    let folder = tempfile::tempdir().expect("a folder");
    let pair = ImagePairParams::scene_c(shift, 0.1, 5).generate().expect("a scene");
    write(folder.path(), "a.npy", &pair.reference);
    write(folder.path(), "b.npy", &pair.moving);
    (folder, pair)
}

/// A folder with `a.npy` and `b.npy`, 96 × 96 px of sources; those of `b` are moved.
fn turned_pair(motion: Motion) -> (TempDir, ImagePair) {
    let folder = tempfile::tempdir().expect("a folder");
    let scene = SceneParams {
        shape: [96, 96],
        content: Content::SourceField { density: 0.01, sigma: [1.5, 4.0] },
        boundary: Boundary::Open { margin: 80 },
        ..Default::default()
    };
    let moving_noise = NoiseParams::white(0.05);
    let pair = ImagePairParams { scene, motion, moving_noise, seed: 3, ..Default::default() };
    let pair = pair.generate().expect("a scene");
    write(folder.path(), "a.npy", &pair.reference);
    write(folder.path(), "b.npy", &pair.moving);
    (folder, pair)
}

fn write(folder: &Path, name: &str, image: &Array2<f64>) {
    nonius::io::write_npy(folder.join(name), image).expect("an image is written");
}

/// The names in a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> =
        entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A pair of numbers in JSON.
fn two(value: &Value) -> [f64; 2] {
    [0, 1].map(|i| value[i].as_f64().expect("a number"))
}
