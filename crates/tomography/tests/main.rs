//! The tests of this crate, one binary.

mod axial_profile;
mod geometry;
#[path = "../../../testdata/golden.rs"]
mod golden;
mod moments;
mod needle;
mod series_with_truth;
