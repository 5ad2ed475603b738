//! Tilt series: a projector with its exact adjoint, reconstruction, and alignment of projections.
//!
//! Geometry, signs and axes: [`nonius_core::tilt_series`].

pub mod alignment;
pub mod rotation_center;

pub use nonius_core::tilt_series::{Geometry, Laboratory, TiltSeries, View, ViewAngles};
