//! From a tilt series to its aligned geometry and a volume.
//!
//! ```text
//! series ──line_integrals──▶ images, weights ──align_series──▶ offsets, report, volume
//!                                            └─reconstruct───▶ volume
//! ```
//!
//! ```
//! use nonius::NoProgress;
//! use nonius::synthetic::{TiltScheme, TiltSeriesParams};
//! use nonius::workflow::tomography::{AlignmentMethod, AlignmentParams, align_series, line_integrals};
//!
//! let made = TiltSeriesParams { seed: 3, ..Default::default() }.generate()?;
//! let integrals = line_integrals(&made.series, &Default::default())?;
//! let params = AlignmentParams { method: AlignmentMethod::Moments, ..Default::default() };
//! let found = align_series(&made.series.geometry, &integrals, &params, &NoProgress)?;
//! assert!(found.report.loss < 0.1 * found.report.loss_at_start);
//! # Ok::<(), nonius::Error>(())
//! ```

mod align;
mod images;
mod reconstruct;
mod sinogram;

pub use align::{AlignedSeries, AlignmentMethod, AlignmentParams, RefinedAngles, Start, align_series};
pub use images::{LineIntegralParams, LineIntegrals, Signal, line_integrals};
pub use reconstruct::{Reconstructed, ReconstructionMethod, ReconstructionParams, reconstruct_series};
pub use sinogram::sinogram;
