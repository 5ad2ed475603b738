//! Two images of one scene.

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::{Boundary, Content, GaussianSource, Motion, Scene, SceneParams};
use crate::{NoiseParams, Result};

/// A reference image and a moving image whose truth is known.
///
/// The named scenes are those on which accuracy is measured: 64×64 px, and
///
/// | | content | edges | noise |
/// |---|---|---|---|
/// | [`scene_a`](ImagePairParams::scene_a) | smooth field, blur 2 px, unit rms | periodic | moving |
/// | [`scene_ab`](ImagePairParams::scene_ab) | same | periodic | both |
/// | [`scene_b`](ImagePairParams::scene_b) | Gaussian source, width 3 px, peak 1 | open, far away | moving |
/// | [`scene_c`](ImagePairParams::scene_c) | as A, from a larger field | open | moving |
///
/// ```
/// use nonius_synthetic::ImagePairParams;
///
/// let pair = ImagePairParams::scene_c([1.25, -0.5], 0.1, 42).generate()?;
/// assert_eq!(pair.truth.shift, [1.25, -0.5]);
/// assert_eq!(pair.moving.dim(), (64, 64));
/// // The reference is free of noise, the moving image is not.
/// assert_eq!(pair.reference, pair.truth.reference);
/// assert!(pair.moving != pair.truth.moving);
/// # Ok::<(), nonius_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImagePairParams {
    /// What there is to see.
    pub scene: SceneParams,
    /// How the content of the moving image is displaced; default not at all.
    pub motion: Motion,
    /// Noise of the reference; default none.
    pub reference_noise: NoiseParams,
    /// Noise of the moving image; default none.
    pub moving_noise: NoiseParams,
    /// Seed of scene and noise; default 0. Streams for the scene and for either noise are independent.
    pub seed: u64,
}

/// Two images and what is true of them. Arrays are `(y, x)`, both of the same shape.
#[derive(Debug, Clone, PartialEq)]
pub struct ImagePair {
    /// The image that stays.
    pub reference: Array2<f64>,
    /// The image whose content is displaced: `moving[r] = reference[r − shift]` without noise.
    pub moving: Array2<f64>,
    /// What is true.
    pub truth: ImagePairTruth,
}

/// What is true of an [`ImagePair`].
#[derive(Debug, Clone, PartialEq)]
pub struct ImagePairTruth {
    /// Displacement `(y, x)` in px of the moving image's content.
    pub shift: [f64; 2],
    /// Rotation of the moving image's content in degrees, +y towards +x.
    pub angle: f64,
    /// Magnification of the moving image's content.
    pub scale: f64,
    /// The reference without noise.
    pub reference: Array2<f64>,
    /// The moving image without noise.
    pub moving: Array2<f64>,
    /// Standard deviation of the noise in every pixel of the reference.
    pub reference_sigma: Array2<f64>,
    /// Standard deviation of the noise in every pixel of the moving image.
    pub moving_sigma: Array2<f64>,
}

impl ImagePairParams {
    /// Scene A: a periodic smooth field; white noise of `sigma` in the moving image.
    pub fn scene_a(shift: [f64; 2], sigma: f64, seed: u64) -> Self {
        let scene = SceneParams { boundary: Boundary::Periodic, ..Default::default() };
        ImagePairParams {
            scene,
            motion: Motion::shift(shift),
            moving_noise: NoiseParams::white(sigma),
            seed,
            ..Default::default()
        }
    }

    /// Scene Ab: as A, with white noise of `sigma` in both images.
    pub fn scene_ab(shift: [f64; 2], sigma: f64, seed: u64) -> Self {
        ImagePairParams {
            reference_noise: NoiseParams::white(sigma),
            ..ImagePairParams::scene_a(shift, sigma, seed)
        }
    }

    /// Scene B: one Gaussian source of width 3 px and peak 1 in the middle of the frame, evaluated where
    /// it has moved to; white noise of `sigma` in the moving image. The frame may be taken for periodic:
    /// at a shift of 4 px the source has sunk to 1e-18 at the edge.
    pub fn scene_b(shift: [f64; 2], sigma: f64, seed: u64) -> Self {
        let mut params = ImagePairParams::scene_a(shift, sigma, seed);
        params.scene.content = Content::Sources { sources: vec![GaussianSource::default()] };
        params.scene.boundary = Boundary::Open { margin: 0 };
        params
    }

    /// Scene C: as A, but both frames are cut from a field 16 px larger on every side, so that content
    /// enters and leaves.
    pub fn scene_c(shift: [f64; 2], sigma: f64, seed: u64) -> Self {
        let mut params = ImagePairParams::scene_a(shift, sigma, seed);
        params.scene.boundary = Boundary::Open { margin: 16 };
        params
    }

    /// Checks every field, and that the scene can follow the motion.
    ///
    /// # Errors
    /// Those of [`SceneParams::validate`], [`SceneParams::check_motion`] and [`NoiseParams::validate`].
    pub fn validate(&self) -> Result<()> {
        self.scene.validate()?;
        self.scene.check_motion(&self.motion)?;
        self.reference_noise.validate()?;
        self.moving_noise.validate()
    }

    /// Makes the two images; the same parameters give the same bits.
    ///
    /// # Errors
    /// Those of [`validate`](ImagePairParams::validate), [`Scene::new`] and [`NoiseParams::add`].
    pub fn generate(&self) -> Result<ImagePair> {
        self.validate()?;
        let scene = Scene::new(&self.scene, self.seed)?;
        scene.pair(&self.motion, &self.reference_noise, &self.moving_noise, self.seed)
    }
}
