//! Tilt series of samples whose every line integral is known.

mod misalignment;
mod params;
mod phantom;
mod scheme;
mod voxels;

pub use misalignment::{Jitter, MisalignmentParams};
pub use params::{Directions, Recording, SyntheticTiltSeries, TiltSeriesParams, TiltSeriesTruth};
pub use phantom::{Body, BodyShape, Phantom};
pub use scheme::{AngleRange, TiltScheme};
pub use voxels::project_voxels;
