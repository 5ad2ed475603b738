//! The tests of this crate, one binary.

#[path = "../../../testdata/golden.rs"]
mod golden;
mod series_with_truth;

mod absorbance;
mod alignment;
mod axial_profile;
mod geometry;
mod moments;
mod needle;
mod projector;
mod reconstruction;
