//! Images whose truth is known.
//!
//! Whoever measures displacements to a hundredth of a pixel needs images that were displaced by exactly
//! that, and whoever quotes an error needs noise of exactly that size. This crate makes both: scenes
//! ([`SceneParams`], [`Content`]) that move without resampling, periodic or with content that enters
//! and leaves ([`Boundary`]), noise ([`NoiseParams`]) white, counting or blurred, and the truth beside
//! them.
//!
//! * [`DiffractionParams`] makes diffraction patterns with disks on a lattice, [`DiffractionScan`] scans of them,
//!   [`PolycrystalScan`] scans over grains of several phases.
//! * [`TiltSeriesParams`] makes misaligned tilt series of a [`Phantom`] whose line integrals have a closed form.
//! * [`ImagePairParams`] makes two images, [`ImageSeriesPlan`] many, [`Scene`] any view you like.
//! * One sign: **shift `(y, x)` in px is the displacement of the moving image's content**,
//!   `moving[r] = reference[r − shift]`. Rotation and scale as in [`Motion`].
//! * Random fields are band-limited and without Nyquist terms, so their Fourier shift is exact;
//!   sources are evaluated where they have moved to. Nothing is interpolated.
//! * Randomness comes from one `u64` seed (generator Xoshiro256++); the same seed gives the same bits
//!   whatever the number of threads. Scene and noise draw from independent streams.
//! * Parameters (de)serialise with serde, so that a TOML file can hold them.
//!
//! ```
//! use nonius_synthetic::{Boundary, Content, ImagePairParams, Motion, NoiseParams, SceneParams};
//!
//! let pair = ImagePairParams {
//!     scene: SceneParams {
//!         shape: [96, 128],
//!         content: Content::ExtendedEmission { exponent: 3.0, cutoff: 0.5 },
//!         boundary: Boundary::Open { margin: 8 },
//!         ..Default::default()
//!     },
//!     motion: Motion::shift([3.0, -2.0]),
//!     moving_noise: NoiseParams::poisson(50.0),
//!     seed: 1,
//!     ..Default::default()
//! }
//! .generate()?;
//!
//! assert_eq!(pair.moving.dim(), (96, 128));
//! assert!((pair.truth.moving[[40, 40]] - pair.truth.reference[[37, 42]]).abs() < 1e-12);
//! # Ok::<(), nonius_core::Error>(())
//! ```

mod diffraction;
mod images;
mod noise;
mod poisson;
mod random;
mod spectrum;
mod tilt_series;

pub use diffraction::{
    AmorphousRing, CbedFrame, CbedParams, CentralBackground, CoreParams, DiffractionBackground,
    DiffractionFrame, DiffractionParams, DiffractionScan, DiffractionScanParams, DiffractionTruth, DiskShape,
    DiskTexture, Grain, PhaseParams, PixelDepth, PolycrystalFrame, PolycrystalParams, PolycrystalScan,
    PolycrystalSpot, PolycrystalTruth, SpotBrightness,
};
pub use images::{
    Boundary, Content, GaussianSource, ImagePair, ImagePairParams, ImagePairTruth, ImageSeries,
    ImageSeriesParams, ImageSeriesPlan, Motion, Scene, SceneParams, near_repetitions,
};
pub use noise::NoiseParams;
pub use tilt_series::{
    AngleRange, Body, BodyShape, Directions, Jitter, MisalignmentParams, Phantom, Recording,
    SyntheticTiltSeries, TiltScheme, TiltSeriesParams, TiltSeriesTruth, project_voxels,
};

use nonius_core::{Error, Result};

/// [`Error::Parameter`] unless `holds`.
fn check(holds: bool, name: &'static str, must_be: &'static str, got: impl std::fmt::Display) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::parameter(name, must_be, got)) }
}
