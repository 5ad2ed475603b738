//! The tests of this crate, one binary.

#[path = "../../../testdata/golden.rs"]
mod golden;
mod series_with_truth;

mod absorbance;
mod alignment;
mod axial_profile;
mod cascade;
mod fbp;
mod geometry;
mod image_operations;
mod line;
mod moments;
mod needle;
mod projector;
mod reconstruction;
mod rotation_center;
