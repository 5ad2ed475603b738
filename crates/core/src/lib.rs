//! What every nonius crate stands on.

mod error;
mod frames;
mod progress;
mod scalar;
mod transform;

pub use error::{Error, Result, check_finite, check_not_empty, check_shape};
pub use frames::FrameSource;
pub use progress::{NoProgress, Progress};
pub use scalar::{Real, Sample};
pub use transform::{FftNd, RealFft2, RealFft2Scratch, fast_length, frequency, wrapped_lag};
