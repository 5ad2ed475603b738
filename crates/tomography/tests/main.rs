//! The tests of this crate, one binary.

mod axial_profile;
mod cascade;
mod geometry;
#[path = "../../../testdata/golden.rs"]
mod golden;
mod line;
mod moments;
mod needle;
mod rotation_center;
mod series_with_truth;
