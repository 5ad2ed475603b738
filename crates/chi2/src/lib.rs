//! Shifts between images by χ², with error bars that tell the truth.
//!
//! [`chi2_shift`] measures how far the content of a moving image lies from that of a reference, with the
//! covariance that the noise of the pixels implies: one σ for all ([`Chi2Image::with_sigma`]), one for each
//! ([`Chi2Image::with_sigmas`]), or none, when the residuals have to tell. Pixels may be masked. Frames are
//! crops of a larger scene unless declared periodic.
//!
//! ```
//! use nonius_chi2::{Chi2Image, Chi2Params, chi2_shift};
//! use nonius_synthetic::ImagePairParams;
//!
//! let pair = ImagePairParams::scene_a([1.37, -2.62], 0.1, 7).generate()?;
//! let found = chi2_shift(
//!     &Chi2Image::new(pair.reference.view()),
//!     &Chi2Image::new(pair.moving.view()).with_sigma(0.1),
//!     &Chi2Params { n_sigma: 2.0, ..Chi2Params::periodic() },
//! )?;
//! println!("dy = {:.4} −{:.4} +{:.4} px", found.shift[0], found.errors[0][0], found.errors[0][1]);
//! assert!((found.shift[0] - 1.37).abs() < found.errors[0][1]);
//! # Ok::<(), nonius_core::Error>(())
//! ```
//!
//! Errors are of the displacement alone, other parameters left free ([`Region::Marginal`]). What neighbouring
//! pixels' noise has in common is not in them unless asked for ([`CorrelatedNoise`]: from the residuals, from a
//! [`NoiseSpectrum`], or by whitening, which lowers the errors, too), but it is looked for
//! ([`Chi2Shift::correlated`]).
//!
//! The procedures of the Python package image_registration, to compare with old results, are in
//! [`compatible`].

mod coarse;
mod image;
mod levels;
mod map;
mod model;
mod noise;
mod overlap;
mod params;
mod periodic;
mod plan;
mod shift;
mod spectrum;
mod uniform;
mod whiten;

pub mod compatible;

pub use image::{Chi2Image, Noise, Region};
pub use levels::delta_chi2;
pub use map::{Chi2Map, chi2_map, chi2_surface};
pub use params::{Chi2Params, CorrelatedNoise};
pub use plan::{Chi2Plan, Chi2Scratch};
pub use shift::{Chi2Shift, chi2_shift};
pub use spectrum::NoiseSpectrum;
