//! Where things are in images, to a small fraction of a pixel, and how sure that is.
//!
//! A nonius is the second scale of a caliper, by which the eye reads a tenth of a division. This is the
//! façade of the workspace of that name: each crate as a module behind a feature of its name, all of them
//! on by default.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`core`] | transforms, interpolation, statistics; errors, progress, sources of frames |
//! | [`chi2`] | the displacement at least χ², for noise that is known, with its confidence limits |
//! | [`blobfinder`] | diffraction disks, lattices and strain |
//! | [`clustering`] | maps of statistics over a 4D-STEM scan, feature vectors, regions of frames that are alike |
//! | [`registration`] | the displacement between images, with its covariance and a status |
//! | [`io`] | NPY, FITS, TIFF, PNG, MRC: images in, results out |
//! | [`tomography`] | tilt series: projector, reconstruction, alignment of projections |
//! | [`synthetic`] | images whose displacement is known because it was put there |
//! | [`plot`] | pictures: before and after, shifts with error bars |
//! | [`report`] | pictures, tables, maps with the frames behind them as one HTML file |
//! | [`workflow`] | pipelines that join several: from a scan to grains and strain, from a tilt series to a volume |
//!
//! ```
//! use nonius::registration::{RegistrationParams, register};
//! use nonius::synthetic::ImagePairParams;
//!
//! // Two noisy images of a scene that moved by (1.25, −0.5) px.
//! let pair = ImagePairParams::scene_c([1.25, -0.5], 0.1, 42).generate()?;
//! let found = register(pair.reference.view(), pair.moving.view(), &RegistrationParams::default())?;
//!
//! for axis in 0..2 {
//!     let error = found.shift[axis] - pair.truth.shift[axis];
//!     assert!(error.abs() < 4.0 * found.errors()[axis] && error.abs() < 0.02);
//! }
//! # Ok::<(), nonius::Error>(())
//! ```
//!
//! Conventions: arrays are `(y, x)`; a shift is the displacement in px of the moving image's content,
//! `moving[r] = reference[r − shift]`, so that shifting the moving image by `−shift` lays it upon the
//! reference.

#[doc(inline)]
#[cfg(feature = "blobfinder")]
pub use nonius_blobfinder as blobfinder;
#[doc(inline)]
#[cfg(feature = "chi2")]
pub use nonius_chi2 as chi2;
#[doc(inline)]
#[cfg(feature = "clustering")]
pub use nonius_clustering as clustering;
#[doc(inline)]
pub use nonius_core as core;
#[doc(inline)]
#[cfg(feature = "io")]
pub use nonius_io as io;
#[cfg(feature = "registration")]
pub use nonius_registration as registration;
#[doc(inline)]
#[cfg(feature = "synthetic")]
pub use nonius_synthetic as synthetic;
#[doc(inline)]
#[cfg(feature = "tomography")]
pub use nonius_tomography as tomography;

#[cfg(feature = "plot")]
pub mod plot;
#[cfg(feature = "report")]
pub mod report;
#[cfg(feature = "workflow")]
pub mod workflow;

pub use nonius_core::{Error, FrameSource, NoProgress, Progress, ReadFrames, Real, Result, Roi, Scan};
