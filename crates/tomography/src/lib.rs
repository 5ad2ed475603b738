//! Tilt series: a projector with its exact adjoint, reconstruction, and alignment of projections.
//!
//! * **Geometry** is plain data, with its axes and signs in [`nonius_core::tilt_series`]: an image that must be moved
//!   by +s px to be aligned has the offset +s.
//! * [`absorbance()`] makes line integrals of transmitted intensity. What is in proportion to thickness needs none of it.
//! * [`Projector`]: line integrals by Joseph's method and their exact transpose, for any rotation and any offset.
//! * [`Reconstructor`]s: [`MitraParams`], [`SirtParams`], [`LbfgsParams`], [`FbpParams`].
//! * [`alignment`]: offsets by moments, profiles, lines, neighbours; then by comparing images with re-projections
//!   (optical flow, phase matching, joint re-projection), with standard errors; errors of angles;
//!   [`align_auto`](alignment::align_auto) chooses.
//! * [`rotation_center`]: where the axis of rotation meets the detector, by four estimators and their spread.
//!
//! ```
//! use nonius_core::NoProgress;
//! use nonius_synthetic::TiltSeriesParams;
//! use nonius_tomography::alignment::{OpticalFlowParams, align};
//! use nonius_tomography::{AbsorbanceParams, absorbance};
//!
//! // 60 transmission images of 40 × 32 px, displaced by up to 2 px.
//! let made = TiltSeriesParams::default().generate()?;
//! let series = &made.series;
//! let images = absorbance(&AbsorbanceParams::default(), series.images.as_ref().unwrap().view())?.absorbance;
//!
//! let found = align(&OpticalFlowParams::default(), &series.geometry, images.view(), None, &NoProgress)?;
//!
//! // What no alignment can know, a translation of the sample, is taken off before offsets are compared.
//! let error: Vec<[f64; 2]> = std::iter::zip(&found.report.offsets, &made.truth.offsets)
//!     .map(|(found, truth)| [found[0] - truth[0], found[1] - truth[1]])
//!     .collect();
//! let error = made.truth.geometry.remove_translation(&error)?.residuals;
//! assert!(error.iter().flatten().all(|error| error.abs() < 0.02));
//! # Ok::<(), nonius_core::Error>(())
//! ```

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
