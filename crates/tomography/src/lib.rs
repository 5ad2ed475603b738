//! Tilt series: a projector with its exact adjoint, reconstruction, and alignment of projections.
//!
//! Geometry, signs and axes: [`nonius_core::tilt_series`].

pub mod alignment;
mod projector;

pub use nonius_core::tilt_series::{Geometry, Laboratory, TiltSeries, View, ViewAngles};
pub use projector::Projector;
