//! What every alignment by re-projection shares: reconstruct, project, correct, repeat.

use ndarray::{Array3, ArrayView2, ArrayView3, ArrayView4, Axis};
use nonius_core::tilt_series::Geometry;
use nonius_core::{Error, Progress, Real, Result, Silent, check_finite, check_positive};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::footprint::check_stack;
use super::level::Level;
use super::report::{AlignmentReport, StepReport, StopReason};
use crate::reconstruction::{MitraParams, ReconstructionScratch};

/// Which reconstructions begin from the volume of the step before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarmStart {
    /// None: each begins from nothing.
    Never,
    /// Those after steps without a correction above half a pixel. The default: the volume then converges along with
    /// the offsets, which makes both better, and is not held back by what it was when images lay far off.
    #[default]
    WhenClose,
    /// All: the volume is never quite right, nor quite wrong, and one iteration per step is enough.
    Always,
}

/// What every alignment by re-projection may be told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IterationParams {
    /// The reconstruction of each step. Default: MITRA with 10 iterations.
    pub reconstruction: MitraParams,
    /// Whether reconstructions begin from the volume of the step before. Default: [`WarmStart::WhenClose`].
    pub warm_start: WarmStart,
    /// Most steps in all, at least 1. Default: 40.
    pub max_iterations: usize,
    /// Largest correction of any projection, px, that counts as none. Default: 0.005.
    pub tolerance: f64,
    /// Whether offsets along j change. Default: true.
    pub align_j: bool,
    /// Whether offsets along k change. Default: true.
    pub align_k: bool,
    /// Projections whose offsets stay; they take part in the reconstruction. Default: none.
    pub ignored: Vec<usize>,
    /// Whether the sample's centre of mass is brought to the middle of the volume. Default: true. It changes what
    /// no alignment can know, and keeps the sample inside.
    pub center: bool,
    /// Iterations of the reconstruction with the final offsets, from which residuals, standard errors and the
    /// loss are taken. Default: 20. It is done three times: with the offsets found, with those at the start, and to
    /// see what noise the volume follows.
    pub final_iterations: usize,
}

impl Default for IterationParams {
    fn default() -> Self {
        IterationParams {
            reconstruction: MitraParams { iterations: 10, ..MitraParams::default() },
            warm_start: WarmStart::default(),
            max_iterations: 40,
            tolerance: 0.005,
            align_j: true,
            align_k: true,
            ignored: Vec::new(),
            center: true,
            final_iterations: 20,
        }
    }
}

impl IterationParams {
    /// Checks every parameter by itself.
    ///
    /// # Errors
    /// [`Error::Parameter`] names the first that cannot be.
    pub fn validate(&self) -> Result<()> {
        self.reconstruction.validate()?;
        check_positive("tolerance", self.tolerance)?;
        for (name, iterations) in
            [("max_iterations", self.max_iterations), ("final_iterations", self.final_iterations)]
        {
            if iterations == 0 {
                return Err(Error::parameter(name, "at least 1", iterations));
            }
        }
        if !(self.align_j || self.align_k) {
            return Err(Error::parameter("align_j or align_k", "true", "false for both"));
        }
        Ok(())
    }
}

/// A way to correct offsets by comparing images with re-projections.
pub trait Aligner<F: Real>: Sync {
    /// What it shares with the others.
    fn iteration(&self) -> &IterationParams;

    /// Name in reports.
    fn name(&self) -> &'static str;

    /// From coarse to fine; each begins where the one before it stopped.
    ///
    /// # Errors
    /// If a parameter cannot be.
    fn stages(&self, geometry: &Geometry) -> Result<Vec<Stage>>;

    /// Which projections are corrected in step `step`; `None`: all.
    fn sample(&self, step: usize, n: usize) -> Option<Vec<usize>> {
        let _ = (step, n);
        None
    }

    /// Steps within which [`sample`](Self::sample) names every projection.
    fn epoch(&self) -> usize {
        1
    }

    /// The displacement that moves each image onto its re-projection.
    ///
    /// # Errors
    /// If the images are not of one shape.
    fn corrections(&self, stage: &Stage, images: &Comparison<'_, F>) -> Result<Vec<Correction>>;

    /// Changes corrections, px of the images, before they are added to the offsets.
    fn regularise(&self, now: &Now<'_, F>, corrections: &mut [[f64; 2]]) {
        let _ = (now, corrections);
    }

    /// Part of the last step's correction that is added to the next one, 0 to 1.
    fn momentum(&self) -> f64 {
        0.0
    }
}

/// A stage of an alignment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stage {
    /// Pixels made one along each axis.
    pub binning: usize,
    /// How fine the comparison is: the standard deviation of the low-pass, or the step of the grid, in binned
    /// pixels.
    pub scale: f64,
    /// Largest correction, in pixels, that ends the stage.
    pub tolerance: f64,
    /// Longest correction of one step, in pixels.
    pub max_step: f64,
}

/// What a step compares.
#[derive(Debug)]
pub struct Comparison<'a, F> {
    /// Measured images, `(N, J, K)`.
    pub images: ArrayView3<'a, F>,
    /// Their weights, 0 where masked.
    pub weights: Option<ArrayView3<'a, F>>,
    /// The volume's images.
    pub reprojections: ArrayView3<'a, F>,
}

impl<F: Real> Comparison<'_, F> {
    /// Root of the weighted mean square of each image less its re-projection; NaN where all is masked.
    pub fn residuals(&self) -> Vec<f64> {
        (0..self.images.len_of(Axis(0)))
            .into_par_iter()
            .map(|i| {
                let [image, reprojection] =
                    [&self.images, &self.reprojections].map(|stack| stack.index_axis(Axis(0), i));
                let weights = self.weights.as_ref().map(|weights| weights.index_axis(Axis(0), i));
                mean_square(image, weights, reprojection).sqrt()
            })
            .collect()
    }
}

/// The weighted mean square of an image less its re-projection; NaN where all is masked.
pub(super) fn mean_square<F: Real>(
    image: ArrayView2<'_, F>,
    weights: Option<ArrayView2<'_, F>>,
    reprojection: ArrayView2<'_, F>,
) -> f64 {
    let (mut squares, mut total) = (0.0, 0.0);
    for (index, value) in image.indexed_iter() {
        let weight = weights.map_or(F::one(), |weights| weights[index]);
        // What is masked may be NaN.
        if weight > F::zero() {
            let difference = *value - reprojection[index];
            squares += (weight * difference * difference).f64();
            total += weight.f64();
        }
    }
    squares / total
}

/// An alignment in the middle of a step.
#[derive(Debug)]
pub struct Now<'a, F> {
    /// Number of the step, from 0.
    pub step: usize,
    /// Present `[j, k]` offsets, px.
    pub offsets: &'a [[f64; 2]],
    /// Rotations of the views, with the offsets at the start.
    pub geometry: &'a Geometry,
    /// The measured images.
    pub images: ArrayView3<'a, F>,
    /// Their weights.
    pub weights: Option<ArrayView3<'a, F>>,
    /// The volume of the step, `(X, Y, Z, 1)`.
    pub volume: ArrayView4<'a, F>,
    /// Voxels of the series that were made one of the volume's, along each axis.
    pub binning: usize,
}

impl<F: Real> Now<'_, F> {
    /// Centre of mass of the volume, voxels of the series, centred; `None` for an empty one. Negative voxels count as 0.
    pub fn center_of_mass(&self) -> Option<[f64; 3]> {
        center_of_mass(self.volume).map(|center| center.map(|c| c * self.binning as f64))
    }
}

/// What one image asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Correction {
    /// Displacement `[j, k]` px that moves the image onto its re-projection.
    pub shift: [f64; 2],
    /// Covariance of the shift, px²; NaN where the method knows none.
    pub covariance: [[f64; 2]; 2],
    /// False for images that say nothing (flat, or masked wholly); the shift is then 0.
    pub determined: bool,
}

impl Correction {
    /// Of an image that says nothing.
    pub fn none() -> Self {
        Correction { shift: [0.0; 2], covariance: [[f64::NAN; 2]; 2], determined: false }
    }
}

/// An alignment under way.
pub struct Alignment<'a, F> {
    pub(super) aligner: &'a dyn Aligner<F>,
    pub(super) images: ArrayView3<'a, F>,
    pub(super) weights: Option<ArrayView3<'a, F>>,
    pub(super) start: Geometry,
    pub(super) offsets: Vec<[f64; 2]>,
    pub(super) stages: Vec<Stage>,
    stage: usize,
    pub(super) level: Level<'a, F>,
    step_length: f64,
    last: Vec<[f64; 2]>,
    /// The step in which each projection last asked for no correction.
    quiet: Vec<Option<usize>>,
    best: f64,
    since_best: usize,
    centred: bool,
    pub(super) scratch: ReconstructionScratch<F>,
    pub(super) report: AlignmentReport,
}

impl<'a, F: Real> Alignment<'a, F> {
    /// Begins from the offsets of `geometry`. `images` are absorbances or thicknesses `(N, J, K)`; `weights`
    /// of the same shape are 0 where a pixel is masked.
    ///
    /// # Errors
    /// [`Error::Shape`] for images or weights of another shape, [`Error::NotFinite`] for a NaN where the weight
    /// is not 0, [`Error::Parameter`] for parameters that cannot be, what [`Geometry::validate`] finds.
    pub fn new(
        aligner: &'a dyn Aligner<F>,
        geometry: &Geometry,
        images: ArrayView3<'a, F>,
        weights: Option<ArrayView3<'a, F>>,
    ) -> Result<Self> {
        check_images(geometry, images, weights)?;
        let params = aligner.iteration();
        params.validate()?;
        if let Some(missing) = params.ignored.iter().find(|i| **i >= geometry.len()) {
            return Err(Error::parameter("ignored", "indices of projections", missing));
        }
        let stages = aligner.stages(geometry)?;
        let level = Level::new(stages[0].binning, geometry, (images, weights))?;
        let n = geometry.len();
        let offsets = geometry.offsets();
        Ok(Alignment {
            aligner,
            images,
            weights,
            start: geometry.clone(),
            report: AlignmentReport::begin(aligner.name(), &offsets),
            offsets,
            stages,
            stage: 0,
            level,
            step_length: 1.0,
            last: vec![[0.0; 2]; n],
            quiet: vec![None; n],
            best: f64::INFINITY,
            since_best: 0,
            centred: false,
            scratch: ReconstructionScratch::default(),
        })
    }

    /// Offsets as they are now, `[j, k]` px.
    pub fn offsets(&self) -> &[[f64; 2]] {
        &self.offsets
    }

    /// The volume that the last step reconstructed, `(X, Y, Z, 1)`, binned as its stage is.
    pub fn volume(&self) -> Option<ArrayView4<'_, F>> {
        self.level.volume.as_ref().map(|volume| volume.view())
    }

    /// One step: reconstructs, projects, corrects the offsets.
    ///
    /// # Errors
    /// [`Error::Cancelled`]; what the reconstruction says.
    pub fn step(&mut self, progress: &dyn Progress) -> Result<StepReport> {
        let params = self.aligner.iteration();
        let stage = self.stages[self.stage];
        let loss = self.reconstruct(params.reconstruction.iterations, progress)?;
        if params.center && !self.centred {
            self.move_to_the_middle();
        }
        if progress.cancelled() {
            return Err(Error::Cancelled);
        }
        let found = self.aligner.corrections(&stage, &self.level.comparison())?;
        let step = self.report.steps.len();
        let n = self.offsets.len();
        let sampled = self.aligner.sample(step, n);
        let is_moved: Vec<bool> = (0..n)
            .map(|i| {
                !params.ignored.contains(&i) && sampled.as_ref().is_none_or(|sampled| sampled.contains(&i))
            })
            .collect();
        let mut shifts = self.shifts(&found, &is_moved, sampled.is_none(), stage.binning)?;
        let largest = shifts.iter().map(length).fold(0.0, f64::max);
        let rms = (shifts.iter().map(|s| s[0] * s[0] + s[1] * s[1]).sum::<f64>() / n as f64).sqrt();
        for i in (0..n).filter(|i| is_moved[*i]) {
            self.quiet[i] = (length(&shifts[i]) <= stage.tolerance).then_some(step);
        }
        self.restrain(&stage, step, &mut shifts);
        self.apply(shifts, &is_moved, largest > stage.tolerance);
        self.level.warm = match params.warm_start {
            WarmStart::Never => false,
            WarmStart::WhenClose => largest <= 0.5 * stage.binning as f64,
            WarmStart::Always => true,
        };
        let report = StepReport { stage: self.stage, binning: stage.binning, loss, largest, rms };
        self.report.record(report, &self.offsets);
        Ok(report)
    }

    /// Corrections of the images that are moved, px of the series, along the axes that are aligned.
    fn shifts(
        &self,
        found: &[Correction],
        is_moved: &[bool],
        all_sampled: bool,
        binning: usize,
    ) -> Result<Vec<[f64; 2]>> {
        let params = self.aligner.iteration();
        let enabled = [params.align_j, params.align_k];
        let mut shifts: Vec<[f64; 2]> = found
            .iter()
            .zip(is_moved)
            .map(|(correction, is_moved)| match correction.determined && *is_moved {
                true => [0, 1]
                    .map(|axis| if enabled[axis] { correction.shift[axis] * binning as f64 } else { 0.0 }),
                false => [0.0; 2],
            })
            .collect();
        // A common translation of the sample is no correction; it can only be taken off where all move.
        if params.ignored.is_empty() && all_sampled && enabled == [true, true] {
            shifts = self.start.remove_translation(&shifts)?.residuals;
            for (shift, correction) in shifts.iter_mut().zip(found) {
                if !correction.determined {
                    *shift = [0.0; 2];
                }
            }
        }
        Ok(shifts)
    }

    /// No step longer than the stage allows, and what the method makes of it.
    fn restrain(&self, stage: &Stage, step: usize, shifts: &mut [[f64; 2]]) {
        for shift in shifts.iter_mut() {
            let too_long = length(shift) / stage.max_step;
            if too_long > 1.0 {
                *shift = shift.map(|s| s / too_long);
            }
        }
        let now = Now {
            step,
            offsets: &self.offsets,
            geometry: &self.start,
            images: self.images.view(),
            weights: self.weights.as_ref().map(|weights| weights.view()),
            volume: self.volume().expect("it was reconstructed"),
            binning: stage.binning,
        };
        self.aligner.regularise(&now, shifts);
        let params = self.aligner.iteration();
        for (axis, enabled) in [params.align_j, params.align_k].into_iter().enumerate() {
            if !enabled {
                shifts.iter_mut().for_each(|shift| shift[axis] = 0.0);
            }
        }
    }

    /// Adds corrections to the offsets, shorter after steps that took each other back. `is_far`: some correction is
    /// above the tolerance.
    fn apply(&mut self, mut shifts: Vec<[f64; 2]>, is_moved: &[bool], is_far: bool) {
        let along = alignment_of(&shifts, &self.last);
        if along < -0.8 * norm(&shifts) * norm(&self.last) && is_far {
            // Two states that follow each other.
            self.step_length = (0.5 * self.step_length).max(1.0 / 64.0);
            self.report.halvings += 1;
        }
        let momentum = if along > 0.0 { self.aligner.momentum() } else { 0.0 };
        for i in (0..shifts.len()).filter(|i| is_moved[*i]) {
            for axis in 0..2 {
                shifts[i][axis] = self.step_length * shifts[i][axis] + momentum * self.last[i][axis];
                self.offsets[i][axis] += shifts[i][axis];
            }
        }
        self.last = shifts;
    }

    /// Steps until the stages are done, then reconstructs once more and judges the result.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn run(mut self, progress: &dyn Progress) -> Result<Aligned<F>> {
        let params = self.aligner.iteration();
        progress.start("aligning projections", params.max_iterations as u64);
        let result = self.run_stages(progress).and_then(|()| self.judge(progress));
        progress.finish();
        result
    }

    fn run_stages(&mut self, progress: &dyn Progress) -> Result<()> {
        let params = self.aligner.iteration();
        while self.report.steps.len() < params.max_iterations {
            let step = self.step(progress)?;
            progress.advance(1);
            progress.message(&format!(
                "step {}: largest correction {:.4} px, loss {:.4e}",
                self.report.steps.len(),
                step.largest,
                step.loss
            ));
            let Some(reason) = self.stage_ends(&step) else { continue };
            if self.stage + 1 == self.stages.len() {
                self.report.stop = reason;
                return Ok(());
            }
            self.next_stage()?;
        }
        self.report.stop = StopReason::MaxIterations;
        Ok(())
    }

    fn stage_ends(&mut self, step: &StepReport) -> Option<StopReason> {
        let stage = self.stages[self.stage];
        let ignored = &self.aligner.iteration().ignored;
        let now = self.report.steps.len();
        let recently = |step: usize| now - step <= self.aligner.epoch();
        if (0..self.quiet.len()).all(|i| self.quiet[i].is_some_and(recently) || ignored.contains(&i)) {
            return Some(StopReason::Tolerance);
        }
        if step.largest < 0.9 * self.best {
            (self.best, self.since_best) = (step.largest, 0);
        } else {
            self.since_best += 1;
        }
        let patience = if stage.binning > 1 || self.stage + 1 < self.stages.len() { 3 } else { 6 };
        if self.since_best < patience {
            return None;
        }
        Some(if self.report.halvings > 1 { StopReason::Oscillating } else { StopReason::Stalled })
    }

    fn next_stage(&mut self) -> Result<()> {
        self.stage += 1;
        (self.best, self.since_best, self.step_length) = (f64::INFINITY, 0, 1.0);
        self.quiet.fill(None);
        let binning = self.stages[self.stage].binning;
        if binning != self.level.binning {
            let geometry = self.start.clone().with_offsets(&self.offsets)?;
            self.level = Level::new(binning, &geometry, (self.images, self.weights))?;
        }
        Ok(())
    }

    /// Reconstructs with the present offsets and projects; the loss.
    pub(super) fn reconstruct(&mut self, iterations: usize, progress: &dyn Progress) -> Result<f64> {
        let method = self.method(iterations);
        self.level.reconstruct(&method, &self.offsets, None, &Silent(progress), &mut self.scratch)
    }

    pub(super) fn method(&self, iterations: usize) -> MitraParams {
        MitraParams { iterations, ..self.aligner.iteration().reconstruction.clone() }
    }

    /// Moves the sample by whole voxels to the middle of the volume; the reconstruction of the next step follows.
    fn move_to_the_middle(&mut self) {
        self.centred = true;
        let Some(volume) = &self.level.volume else { return };
        let Some(center) = center_of_mass(volume.view()) else { return };
        // Whole voxels, so that the volume could be moved without interpolation; smaller ones are no harm.
        let t = nalgebra::Vector3::from(center).map(|c| -(c * self.level.binning as f64).round());
        if t.amax() < 1.0 {
            return;
        }
        if let Ok(geometry) = self.start.clone().with_offsets(&self.offsets) {
            self.offsets = geometry.translated(t);
            self.report.centred_by = t.into();
        }
    }
}

/// An aligned series.
#[derive(Debug, Clone, PartialEq)]
pub struct Aligned<F> {
    /// The geometry with the offsets found.
    pub geometry: Geometry,
    /// How they came about, and how far to believe them.
    pub report: AlignmentReport,
    /// The volume reconstructed with them, `(X, Y, Z)`.
    pub volume: Array3<F>,
    /// Its images, `(N, J, K)`.
    pub reprojections: Array3<F>,
}

/// Aligns by `aligner`: [`Alignment::new`] and [`Alignment::run`].
///
/// # Errors
/// Theirs.
pub fn align<'a, F: Real>(
    aligner: &'a dyn Aligner<F>,
    geometry: &Geometry,
    images: ArrayView3<'a, F>,
    weights: Option<ArrayView3<'a, F>>,
    progress: &dyn Progress,
) -> Result<Aligned<F>> {
    Alignment::new(aligner, geometry, images, weights)?.run(progress)
}

/// Checks the geometry, shapes, that weights are weights, and that what counts is finite.
pub(super) fn check_images<F: Real>(
    geometry: &Geometry,
    images: ArrayView3<'_, F>,
    weights: Option<ArrayView3<'_, F>>,
) -> Result<()> {
    check_stack(geometry, images, weights)?;
    let Some(weights) = weights else { return check_finite("images", images) };
    for ((index, value), weight) in images.indexed_iter().zip(weights) {
        if !(weight.is_finite() && *weight >= F::zero()) {
            return Err(Error::parameter("weights", "finite and not negative", weight));
        }
        if *weight > F::zero() && !value.is_finite() {
            return Err(Error::NotFinite { what: "images", index: vec![index.0, index.1, index.2] });
        }
    }
    Ok(())
}

/// Centre of mass of a volume, in centred coordinates; negative voxels count as 0.
fn center_of_mass<F: Real>(volume: ArrayView4<'_, F>) -> Option<[f64; 3]> {
    let (nx, ny, nz, _) = volume.dim();
    let middle = [nx, ny, nz].map(|n| 0.5 - 0.5 * n as f64);
    let slabs: Vec<[f64; 4]> = (0..nx)
        .into_par_iter()
        .map(|x| {
            let mut sums = [0.0; 4];
            for ((y, z, _), value) in volume.index_axis(Axis(0), x).indexed_iter() {
                let value = value.f64().max(0.0);
                sums[0] += value;
                sums[1] += value * (x as f64 + middle[0]);
                sums[2] += value * (y as f64 + middle[1]);
                sums[3] += value * (z as f64 + middle[2]);
            }
            sums
        })
        .collect();
    let total = |i: usize| slabs.iter().map(|sums| sums[i]).sum::<f64>();
    let mass = total(0);
    (mass > 0.0).then(|| [1, 2, 3].map(|axis| total(axis) / mass))
}

fn length(shift: &[f64; 2]) -> f64 {
    shift[0].hypot(shift[1])
}

fn norm(shifts: &[[f64; 2]]) -> f64 {
    alignment_of(shifts, shifts).sqrt()
}

/// The scalar product of two sets of corrections.
fn alignment_of(a: &[[f64; 2]], b: &[[f64; 2]]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a[0] * b[0] + a[1] * b[1]).sum()
}
