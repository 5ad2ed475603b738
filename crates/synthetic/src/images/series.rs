//! Frames of one scene that drifts.

use std::ops::Range;

use ndarray::parallel::prelude::*;
use ndarray::{Array2, Array3, Axis};
use nonius_core::{DType, Error, FrameSource, NoProgress, PixelsMut, Progress, check_frames, check_room};
use rand::Rng;
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};

use super::{Motion, Scene, SceneParams};
use crate::random::{Purpose, stream};
use crate::{NoiseParams, Result, check};

/// A series of frames of one scene, such as a drifting microscope or a wandering telescope records.
///
/// Frame i is displaced, relative to frame 0, by
///
/// ```text
/// shift_i = i · drift + Σ_{j ≤ i} walk · n_j + jitter · m_i,   shift_0 = 0
/// ```
///
/// where n and m are independent normal numbers per axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImageSeriesParams {
    /// What there is to see. An open boundary's margin must hold the largest shift.
    pub scene: SceneParams,
    /// Number of frames, 1 to 2²⁴; default 20.
    pub n_frames: usize,
    /// Steady motion `(y, x)` in px per frame; default (0.1, −0.05).
    pub drift: [f64; 2],
    /// Standard deviation of a step of the random walk, px per axis; default 0.2.
    pub walk: f64,
    /// Standard deviation of the jitter of each frame on its own, px per axis; default 0.1.
    pub jitter: f64,
    /// Noise of every frame, frame 0 included; default white with sigma 0.1.
    pub noise: NoiseParams,
    /// Seed of scene, path and noise; default 0.
    pub seed: u64,
}

impl Default for ImageSeriesParams {
    fn default() -> Self {
        ImageSeriesParams {
            scene: SceneParams::default(),
            n_frames: 20,
            drift: [0.1, -0.05],
            walk: 0.2,
            jitter: 0.1,
            noise: NoiseParams::white(0.1),
            seed: 0,
        }
    }
}

impl ImageSeriesParams {
    /// Checks every field; whether the margin holds the path, [`ImageSeriesPlan::new`] finds out.
    ///
    /// # Errors
    /// Those of [`SceneParams::validate`] and [`NoiseParams::validate`]; [`Error::Parameter`] if
    /// `n_frames`, `drift`, `walk` or `jitter` is outside what it may be.
    pub fn validate(&self) -> Result<()> {
        self.scene.validate()?;
        self.noise.validate()?;
        check((1..=1 << 24).contains(&self.n_frames), "n_frames", "1 to 2^24", self.n_frames)?;
        let steady = self.drift.iter().all(|d| d.is_finite());
        check(steady, "drift", "finite", format!("{:?}", self.drift))?;
        let not_negative = "finite and at least 0";
        check(self.walk >= 0.0 && self.walk.is_finite(), "walk", not_negative, self.walk)?;
        check(self.jitter >= 0.0 && self.jitter.is_finite(), "jitter", not_negative, self.jitter)
    }

    fn path(&self) -> Vec<[f64; 2]> {
        let mut rng = stream(self.seed, Purpose::Path, 0);
        let mut normal = || -> [f64; 2] { [rng.sample(StandardNormal), rng.sample(StandardNormal)] };
        let mut walked = [0.0; 2];
        let mut path = vec![[0.0; 2]];
        for i in 1..self.n_frames {
            let (step, tremor) = (normal(), normal());
            path.push(std::array::from_fn(|a| {
                walked[a] += self.walk * step[a];
                i as f64 * self.drift[a] + walked[a] + self.jitter * tremor[a]
            }));
        }
        path
    }
}

/// Frames and what is true of them.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageSeries {
    /// The frames, `(frame, y, x)`.
    pub frames: Array3<f64>,
    /// Displacement `(y, x)` in px of each frame's content relative to frame 0, whose own is 0:
    /// `frame_i[r] = frame_0[r − shift_i]` without noise.
    pub shifts: Vec<[f64; 2]>,
}

/// A series that makes any of its frames on demand: a [`FrameSource`] that needs no memory for them.
///
/// Frame i has the same bits in whatever order, and from however many threads, frames are read.
///
/// ```
/// use nonius_core::ReadFrames;
/// use nonius_synthetic::{ImageSeriesParams, ImageSeriesPlan};
///
/// let plan = ImageSeriesPlan::new(&ImageSeriesParams { n_frames: 5, seed: 3, ..Default::default() })?;
/// let series = plan.run()?;
/// assert_eq!(series.frames.dim(), (5, 64, 64));
/// assert_eq!(series.shifts[0], [0.0, 0.0]);
///
/// let fourth: ndarray::Array2<f64> = plan.frame(4)?;
/// assert_eq!(fourth, series.frames.index_axis(ndarray::Axis(0), 4));
/// # Ok::<(), nonius_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ImageSeriesPlan {
    scene: Scene,
    noise: NoiseParams,
    seed: u64,
    shifts: Vec<[f64; 2]>,
}

impl ImageSeriesPlan {
    /// Draws the scene and the path.
    ///
    /// # Errors
    /// Those of [`ImageSeriesParams::validate`] and [`Scene::new`]; [`Error::Parameter`] if the path
    /// leaves the margin.
    pub fn new(params: &ImageSeriesParams) -> Result<Self> {
        params.validate()?;
        let shifts = params.path();
        for &shift in &shifts {
            params.scene.check_motion(&Motion::shift(shift))?;
        }
        let scene = Scene::new(&params.scene, params.seed)?;
        Ok(ImageSeriesPlan { scene, noise: params.noise, seed: params.seed, shifts })
    }

    /// Displacement `(y, x)` of each frame in px, relative to frame 0.
    pub fn shifts(&self) -> &[[f64; 2]] {
        &self.shifts
    }

    /// Frame `index` without noise.
    ///
    /// # Errors
    /// [`Error::Frame`] if there is no such frame.
    pub fn clean_frame(&self, index: usize) -> Result<Array2<f64>> {
        let n = self.shifts.len();
        let shift = self
            .shifts
            .get(index)
            .ok_or_else(|| Error::Frame { index, reason: format!("there are {n} frames") })?;
        self.scene.view(&Motion::shift(*shift))
    }

    fn noisy_frame(&self, index: usize) -> Result<Array2<f64>> {
        let clean = self.clean_frame(index)?;
        self.noise.add_from(clean.view(), &mut stream(self.seed, Purpose::FrameNoise, index))
    }

    /// Makes all frames, in parallel.
    ///
    /// # Errors
    /// As [`run_with`](ImageSeriesPlan::run_with).
    pub fn run(&self) -> Result<ImageSeries> {
        self.run_with(&NoProgress)
    }

    /// Makes all frames, in parallel, and tells `progress` about each.
    ///
    /// # Errors
    /// [`Error::Parameter`] if all frames together have more than 2³² px (read them one by one then),
    /// [`Error::Cancelled`], and those of [`NoiseParams::add`].
    pub fn run_with(&self, progress: &dyn Progress) -> Result<ImageSeries> {
        let [h, w] = self.scene.params().shape;
        let n = self.shifts.len();
        let total = n as u64 * h as u64 * w as u64;
        check(total <= 1 << 32, "n_frames", "such that all frames have at most 2^32 px", n)?;
        let mut frames = Array3::zeros((n, h, w));
        progress.start("making frames", n as u64);
        let made =
            frames.axis_iter_mut(Axis(0)).into_par_iter().enumerate().try_for_each(|(i, mut frame)| {
                if progress.cancelled() {
                    return Err(Error::Cancelled);
                }
                frame.assign(&self.noisy_frame(i)?);
                progress.advance(1);
                Ok(())
            });
        progress.finish();
        made.map(|()| ImageSeries { frames, shifts: self.shifts.clone() })
    }
}

impl FrameSource for ImageSeriesPlan {
    fn n_frames(&self) -> usize {
        self.shifts.len()
    }

    fn frame_shape(&self) -> (usize, usize) {
        let [h, w] = self.scene.params().shape;
        (h, w)
    }

    fn dtype(&self) -> DType {
        DType::F64
    }

    fn read(&self, frames: Range<usize>, out: PixelsMut<'_>) -> Result<()> {
        check_frames(&frames, self.shifts.len())?;
        let [h, w] = self.scene.params().shape;
        check_room(frames.start, &out, DType::F64, frames.len() * h * w)?;
        let PixelsMut::F64(out) = out else { return Ok(()) };
        for (index, out) in frames.zip(out.chunks_mut(h * w)) {
            out.iter_mut().zip(&self.noisy_frame(index)?).for_each(|(o, &v)| *o = v);
        }
        Ok(())
    }
}
