//! The tests of this crate, one binary.

#[path = "../../../testdata/golden.rs"]
mod golden;

mod geometry;
mod projector;
