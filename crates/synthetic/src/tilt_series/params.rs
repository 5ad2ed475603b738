//! Tilt series with noise, and the truth about them.

use ndarray::parallel::prelude::*;
use ndarray::{Array2, Array3, ArrayView3, Axis};
use nonius_core::tilt_series::{Geometry, Laboratory, TiltSeries};
use nonius_core::{Error, check_finite, check_not_empty, check_shape};
use rand::Rng;
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

use super::{MisalignmentParams, Phantom, TiltScheme, project_voxels};
use crate::random::{Purpose, stream};
use crate::{NoiseParams, Result, check};

/// Directions of the laboratory: an orthonormal triple of either handedness.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Directions {
    /// Along the beam; default (0, 1, 0).
    pub p: [f64; 3],
    /// Along the first image index; default (1, 0, 0).
    pub j: [f64; 3],
    /// Along the second image index; default (0, 0, 1).
    pub k: [f64; 3],
}

impl Default for Directions {
    fn default() -> Self {
        let Laboratory { p, j, k } = Laboratory::default();
        Directions { p: p.into(), j: j.into(), k: k.into() }
    }
}

/// What the detector records of the line integral A.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Recording {
    /// Transmitted intensity `incident · 10^(−A)`: A is an absorbance, to base 10.
    Transmission {
        /// Intensity beside the sample.
        incident: f64,
    },
    /// `gain · A`, in proportion to thickness, as HAADF-STEM records.
    Thickness {
        /// Intensity for a line integral of 1.
        gain: f64,
    },
}

impl Default for Recording {
    fn default() -> Self {
        Recording::Transmission { incident: 1.0 }
    }
}

/// A misaligned tilt series of a known sample.
///
/// The images are line integrals in closed form, so that no projector takes part in making what projectors are
/// tested with. A field of view smaller than the sample truncates it; angles that leave out a wedge leave it out.
///
/// ```
/// use nonius_synthetic::{MisalignmentParams, TiltSeriesParams};
///
/// let params = TiltSeriesParams { seed: 3, ..Default::default() };
/// let made = params.generate()?;
/// assert_eq!(made.series.images.as_ref().map(|i| i.dim()), Some((60, 40, 32)));
/// // What is written down knows nothing of the offsets; the truth has those that align the images.
/// assert_eq!(made.series.geometry.views[7].j_offset, 0.0);
/// assert!(made.truth.offsets[7][0].abs() <= 2.0);
/// # Ok::<(), nonius_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TiltSeriesParams {
    /// The sample, lengths in voxels; default [`Phantom::within`] the volume.
    pub phantom: Option<Phantom>,
    /// Shape (X, Y, Z) of the volume; default (40, 40, 32).
    pub volume_shape: [usize; 3],
    /// Shape (J, K) of the images; default (40, 32).
    pub projection_shape: [usize; 2],
    /// Directions of the laboratory; default those of the field.
    pub directions: Directions,
    /// Which views; default 60 over half a turn about (0, 0, 1).
    pub scheme: TiltScheme,
    /// Jitter, drift, wrong angles; default jitter of 2 and 1.5 px.
    pub misalignment: MisalignmentParams,
    /// What the detector records; default transmission with intensity 1 beside the sample.
    pub recording: Recording,
    /// Noise in units of the image: with transmission, `counts_per_unit` times `incident` counts arrive beside
    /// the sample. Default none.
    pub noise: NoiseParams,
    /// Each pixel is multiplied by 1 + `relative_noise` · n with a normal number n, before `noise`; default 0.002.
    pub relative_noise: f64,
    /// Rays along each side of a pixel, 1 to 16; default 3.
    pub samples_per_pixel: usize,
    /// Points along each side of a voxel of the true volume, 1 to 16; default 3.
    pub samples_per_voxel: usize,
    /// Seed of misalignment and noise; default 0.
    pub seed: u64,
}

impl Default for TiltSeriesParams {
    fn default() -> Self {
        TiltSeriesParams {
            phantom: None,
            volume_shape: [40, 40, 32],
            projection_shape: [40, 32],
            directions: Directions::default(),
            scheme: TiltScheme::default(),
            misalignment: MisalignmentParams::default(),
            recording: Recording::default(),
            noise: NoiseParams::default(),
            relative_noise: 0.002,
            samples_per_pixel: 3,
            samples_per_voxel: 3,
            seed: 0,
        }
    }
}

/// A tilt series and what is true of it.
#[derive(Debug, Clone, PartialEq)]
pub struct SyntheticTiltSeries {
    /// What an instrument would hand over: noisy images, the nominal rotations, all offsets 0.
    pub series: TiltSeries<f32>,
    /// What is true.
    pub truth: TiltSeriesTruth,
}

/// What is true of a synthetic tilt series.
#[derive(Debug, Clone, PartialEq)]
pub struct TiltSeriesTruth {
    /// True rotations, and the offsets that align the images.
    pub geometry: Geometry,
    /// The offsets `[j, k]` px that align the images, those of `geometry`. Compare only after
    /// [`Geometry::remove_translation`].
    pub offsets: Vec<[f64; 2]>,
    /// Errors ω of the nominal rotations, rad about the laboratory's `[p, j, k]`: the true rotation is
    /// `exp([ω]×)` times the nominal one.
    pub rotation_errors: Vec<[f64; 3]>,
    /// The density in every voxel, `(X, Y, Z)`.
    pub volume: Array3<f32>,
    /// Line integrals without noise, `(N, J, K)`.
    pub line_integrals: Array3<f64>,
}

impl TiltSeriesParams {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Parameter`] or [`Error::Empty`] naming the field; those of the fields' own checks.
    pub fn validate(&self) -> Result<()> {
        self.phantom.as_ref().map_or(Ok(()), Phantom::validate)?;
        self.misalignment.validate()?;
        self.noise.validate()?;
        let in_range = (0.0..=10.0).contains(&self.relative_noise);
        check(in_range, "relative_noise", "between 0 and 10", self.relative_noise)?;
        let (name, unit) = match self.recording {
            Recording::Transmission { incident } => ("incident", incident),
            Recording::Thickness { gain } => ("gain", gain),
        };
        check((1e-30..=1e30).contains(&unit), name, "between 1e-30 and 1e30", unit)?;
        for (name, samples) in
            [("samples_per_pixel", self.samples_per_pixel), ("samples_per_voxel", self.samples_per_voxel)]
        {
            check((1..=16).contains(&samples), name, "1 to 16", samples)?;
        }
        self.nominal().map(|_| ())
    }

    /// The geometry that is written down: nominal rotations, all offsets 0.
    ///
    /// # Errors
    /// Those of [`TiltScheme::views`] and [`Geometry::validate`]; [`Error::Parameter`] for more than 2³¹ pixels or
    /// voxels.
    pub fn nominal(&self) -> Result<Geometry> {
        let Directions { p, j, k } = self.directions;
        let geometry = Geometry {
            laboratory: Laboratory { p: p.into(), j: j.into(), k: k.into() },
            views: self.scheme.views()?,
            volume_shape: self.volume_shape,
            projection_shape: self.projection_shape,
            scattering: None,
        };
        check_voxels("shape of the images", geometry.stack_shape())?;
        check_voxels("shape of the volume", geometry.volume_shape)?;
        geometry.validate()?;
        Ok(geometry)
    }

    /// The series of the phantom.
    ///
    /// # Errors
    /// Those of [`TiltSeriesParams::validate`] and [`NoiseParams::add`].
    pub fn generate(&self) -> Result<SyntheticTiltSeries> {
        self.validate()?;
        let chosen = self.phantom.clone();
        let phantom = chosen.unwrap_or_else(|| Phantom::within(self.volume_shape));
        let volume = phantom.voxelised(self.volume_shape, self.samples_per_voxel)?;
        self.record(volume, |geometry| phantom.project(geometry, self.samples_per_pixel))
    }

    /// The series of a sample given as voxels `(X, Y, Z)`, projected by [`project_voxels`]; `phantom` is not looked
    /// at.
    ///
    /// # Errors
    /// As [`TiltSeriesParams::generate`]; [`Error::Shape`] unless the volume is of `volume_shape`,
    /// [`Error::NotFinite`] for such a voxel.
    pub fn generate_of(&self, volume: ArrayView3<'_, f32>) -> Result<SyntheticTiltSeries> {
        self.validate()?;
        check_shape("volume", &self.volume_shape, volume.shape())?;
        self.record(volume.to_owned(), |geometry| project_voxels(volume, geometry))
    }

    fn record(
        &self,
        volume: Array3<f32>,
        project: impl FnOnce(&Geometry) -> Result<Array3<f64>>,
    ) -> Result<SyntheticTiltSeries> {
        let nominal = self.nominal()?;
        let (geometry, rotation_errors) = self.misalignment.apply(&nominal, self.seed);
        let line_integrals = project(&geometry)?;
        let mut images = Array3::<f32>::zeros(line_integrals.raw_dim());
        images
            .axis_iter_mut(Axis(0))
            .into_par_iter()
            .zip(line_integrals.axis_iter(Axis(0)))
            .enumerate()
            .try_for_each(|(index, (mut image, integrals))| {
                let in_view = |e: Error| Error::Frame { index, reason: e.to_string() };
                let noisy = self.detect(integrals.to_owned(), index).map_err(in_view)?;
                image.zip_mut_with(&noisy, |pixel, value| *pixel = *value as f32);
                check_finite("image", image.view()).map_err(in_view)
            })?;
        let offsets = geometry.offsets();
        Ok(SyntheticTiltSeries {
            series: TiltSeries::new(nominal, images)?,
            truth: TiltSeriesTruth { geometry, offsets, rotation_errors, volume, line_integrals },
        })
    }

    /// What the detector makes of the line integrals of view `index`.
    fn detect(&self, mut image: Array2<f64>, index: usize) -> Result<Array2<f64>> {
        match self.recording {
            Recording::Transmission { incident } => image.mapv_inplace(|a| incident * 10f64.powf(-a)),
            Recording::Thickness { gain } => image.mapv_inplace(|a| gain * a),
        }
        let mut rng = stream(self.seed, Purpose::FrameNoise, index);
        if self.relative_noise > 0.0 {
            image.mapv_inplace(|v| {
                // Never below 0 where there was light: no detector counts backwards.
                let factor = 1.0 + self.relative_noise * rng.sample::<f64, _>(StandardNormal);
                v * factor.max(0.0)
            });
        }
        self.noise.add_from(image.view(), &mut rng)
    }
}

/// [`Error::Empty`] for a side of 0, [`Error::Parameter`] for more than 2³¹ elements.
pub(super) fn check_voxels(name: &'static str, shape: [usize; 3]) -> Result<()> {
    check_not_empty(name, &shape)?;
    let n = shape.iter().try_fold(1usize, |n, &side| n.checked_mul(side));
    check(n.is_some_and(|n| n <= 1 << 31), name, "at most 2^31 elements", format!("{shape:?}"))
}
