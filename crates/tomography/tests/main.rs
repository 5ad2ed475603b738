//! The tests of this crate, one binary.

#[path = "../../../testdata/golden.rs"]
mod golden;

mod absorbance;
mod fbp;
mod geometry;
mod projector;
mod reconstruction;
