//! One binary for everything that looks at the crate from outside.

/// Arrays of other programs.
#[path = "../../../testdata/golden.rs"]
mod arrays;
/// Files of other programs, whose pixels are true by construction.
mod golden;
/// Cut, changed and lying files.
mod hostile;
/// Small files of every scan format, made byte by byte.
mod made;
/// What is written reads back; selectors; frames in any order.
mod properties;

/// Simulated scans, written and read back.
mod simulated;

/// Scans from every format, and what becomes of bad files.
mod scans;

/// Tilt series.
mod tilt;

use std::path::PathBuf;

/// The files under `testdata/io`; `make.py` there writes them.
fn testdata(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/io").join(name)
}

/// Row-major ramp of the files: 7 y + x for 5 × 7 pixels.
fn ramp(y: usize, x: usize) -> f64 {
    (7 * y + x) as f64
}
