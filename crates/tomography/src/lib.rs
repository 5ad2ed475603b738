//! Tilt series: a projector with its exact adjoint, reconstruction, and alignment of projections.
//!
//! Geometry, signs and axes: [`nonius_core::tilt_series`].

mod absorbance;
pub mod alignment;
mod projector;
mod reconstruction;
pub mod rotation_center;

pub use absorbance::{Absorbance, AbsorbanceParams, Reference, absorbance, absorbance_by_fields};
pub use nonius_core::tilt_series::{Geometry, Laboratory, TiltSeries, View, ViewAngles};
pub use projector::Projector;
pub use reconstruction::{
    FbpParams, Filter, LbfgsParams, Loss, MitraParams, Momentum, Reconstruction, ReconstructionScratch,
    Reconstructor, SirtParams, Stop,
};
