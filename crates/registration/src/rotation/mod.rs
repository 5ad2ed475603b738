//! Rotation, scale and displacement of images, and images in polar coordinates.

mod level;
mod params;
mod placement;
mod plan;
mod polar;
mod pose;
mod refine;
mod spectra;
mod surface;

pub use params::SimilarityParams;
pub use plan::{Candidate, Similarity, SimilarityPlan, register_similarity};
pub use polar::{Scaling, warp_polar};
pub use pose::Pose;
