//! Preconditioned gradient descent with momentum: MITRA and SIRT.

use multiversion::multiversion;
use ndarray::{Array4, ArrayView4};
use nonius_core::{
    Error, Progress, Real, Result, check_finite, check_not_negative, check_positive, check_shape,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::objective::{BLOCK, Loss, Objective, TotalVariation, Unseen};
use super::scratch::{ReconstructionScratch, zeroed};
use super::{Reconstruction, Reconstructor, Stop};
use crate::Projector;

/// How steps carry on.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Momentum {
    /// 0.8 of every step at first, k/(k + 6) once that is more, k counted from the last step that led uphill. The
    /// default: of 30 noisy views its loss is that of 0.8, the best fixed part, after 20 iterations, and within 1 % of
    /// the best after 100 (0.9) and 200 (0.95).
    #[default]
    Adaptive,
    /// This part of every step carries on, 0 to below 1. Best near 0.8 for 20 iterations; 0 is SIRT.
    Fixed(f64),
}

/// What carries on where k/(k + 6), which begins with 0, would be too careful.
const FIRST_PART: f64 = 0.8;

/// Iterative reconstruction by preconditioned gradient descent with momentum (MITRA).
///
/// With `w = 1/(A 1)` for every pixel and `c = 1/(Aᵀ 1)` for every voxel, minimises
///
/// ```text
/// L(x) = Σ w ρ(Ax − d) + λ TV(x)
/// ```
///
/// by steps `x ← x − v` with `v ← β v + α c Aᵀ w ρ'(A(x − v) − d)`. Voxels that no ray meets keep the value they
/// began with.
///
/// # Source
/// Y. Nesterov, *A method for solving the convex programming problem with convergence rate O(1/k²)*, 1983; growth as k/(k + a):
/// A. Chambolle, C. Dossal, J. Optim. Theory Appl. 166 (2015) 968–982; restart: B. O'Donoghue, E. Candès, Found. Comput. Math. 15 (2015) 715–732; preconditioner: J. Gregor, T. Benson, IEEE
/// Trans. Med. Imaging 27 (2008) 918–924. With [`Momentum::Fixed`] the recurrence is that of mumott.
///
/// # Example
/// ```
/// use nonius_core::NoProgress;
/// use nonius_tomography::{Geometry, MitraParams, Projector, Reconstructor};
/// use ndarray::Array4;
/// let angles: Vec<f64> = (0..12).map(|i| 0.26 * i as f64).collect();
/// let geometry = Geometry::single_axis([0.0, 0.0, 1.0].into(), &angles, [8, 4], [8, 8, 4])?;
/// let projector = Projector::<f64>::new(&geometry)?;
/// let mut volume = Array4::zeros((8, 8, 4, 1));
/// volume[[3, 4, 2, 0]] = 1.0;
/// let mut images = Array4::zeros((12, 8, 4, 1));
/// projector.forward(volume.view(), None, images.view_mut())?;
/// let params = MitraParams { iterations: 200, ..Default::default() };
/// let found = params.reconstruct(&projector, images.view(), None, None, &NoProgress)?;
/// assert!((found.volume - volume).iter().all(|difference| difference.abs() < 0.02));
/// # Ok::<(), nonius_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MitraParams {
    /// Most iterations. Default: 20.
    pub iterations: usize,
    /// Length α of a step, above 0. Default 1; from 2 on it diverges.
    pub step: f64,
    /// Default: [`Momentum::Adaptive`].
    pub momentum: Momentum,
    /// Whether voxels below 0 are set to 0. Default: true.
    pub non_negative: bool,
    /// Ends once the loss changes by less than this part of it, after seven iterations at the earliest. Default:
    /// none, all iterations are done.
    pub ftol: Option<f64>,
    /// Default: [`Loss::Squared`].
    pub loss: Loss,
    /// Weight λ of the total variation. Its gradient joins after preconditioning, so that it is in units of the
    /// volume: around a thousandth of a typical voxel. Default: 0. Costs one more volume of memory.
    pub total_variation: f64,
    /// Slope, per voxel, below which total variation becomes quadratic; above 0, and best a tenth of a typical voxel or
    /// less. Steps diverge where `total_variation` is more than about an eighth of it. Default: 0.001.
    pub smoothing: f64,
    /// Rays and voxels with a length in each other of no more than this, px, are left out. Default: 0.1.
    pub min_length: f64,
    /// Part of the views, at least 0 and below 1, that a voxel must lie in; others stay as they are at the start. Where
    /// images do not hold all of the sample, voxels at the rim are in few of them, and take up what those cannot place;
    /// with a missing wedge 0.3 is usual. A voxel half seen counts half, whatever is masked. Default: 0.
    pub min_views: f64,
}

impl Default for MitraParams {
    fn default() -> Self {
        MitraParams {
            iterations: 20,
            step: 1.0,
            momentum: Momentum::default(),
            non_negative: true,
            ftol: None,
            loss: Loss::default(),
            total_variation: 0.0,
            smoothing: 0.001,
            min_length: 0.1,
            min_views: 0.0,
        }
    }
}

impl MitraParams {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Parameter`] naming the first that is out of range.
    pub fn validate(&self) -> Result<()> {
        check_positive("step", self.step)?;
        if let Momentum::Fixed(part) = self.momentum
            && !(0.0..1.0).contains(&part)
        {
            return Err(Error::parameter("momentum", "at least 0 and below 1", part));
        }
        if let Some(ftol) = self.ftol {
            check_not_negative("ftol", ftol)?;
        }
        if let Loss::Huber(delta) = self.loss {
            check_positive("loss.huber", delta)?;
        }
        check_not_negative("total_variation", self.total_variation)?;
        check_positive("smoothing", self.smoothing)?;
        self.unseen().validate()
    }

    fn unseen(&self) -> Unseen {
        Unseen { min_length: self.min_length, min_views: self.min_views }
    }
}

/// Simultaneous iterative reconstruction: [`MitraParams`] without momentum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SirtParams {
    /// Most iterations. Default: 20.
    pub iterations: usize,
    /// Length of a step, above 0. Default 1; from 2 on it diverges.
    pub step: f64,
    /// Whether voxels below 0 are set to 0. Default: false.
    pub non_negative: bool,
    /// As [`MitraParams::ftol`]. Default: none.
    pub ftol: Option<f64>,
}

impl Default for SirtParams {
    fn default() -> Self {
        SirtParams { iterations: 20, step: 1.0, non_negative: false, ftol: None }
    }
}

impl SirtParams {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Parameter`] naming the first that is out of range.
    pub fn validate(&self) -> Result<()> {
        self.descent().validate()
    }

    fn descent(&self) -> MitraParams {
        let SirtParams { iterations, step, non_negative, ftol } = *self;
        let momentum = Momentum::Fixed(0.0);
        MitraParams { iterations, step, non_negative, ftol, momentum, ..Default::default() }
    }
}

impl<F: Real> Reconstructor<F> for SirtParams {
    fn reconstruct_with(
        &self,
        projector: &Projector<F>,
        data: ArrayView4<'_, F>,
        weights: Option<ArrayView4<'_, F>>,
        warm_start: Option<ArrayView4<'_, F>>,
        progress: &dyn Progress,
        scratch: &mut ReconstructionScratch<F>,
    ) -> Result<Reconstruction<F>> {
        self.descent().reconstruct_with(projector, data, weights, warm_start, progress, scratch)
    }
}

impl<F: Real> Reconstructor<F> for MitraParams {
    fn reconstruct_with(
        &self,
        projector: &Projector<F>,
        data: ArrayView4<'_, F>,
        weights: Option<ArrayView4<'_, F>>,
        warm_start: Option<ArrayView4<'_, F>>,
        progress: &dyn Progress,
        scratch: &mut ReconstructionScratch<F>,
    ) -> Result<Reconstruction<F>> {
        self.validate()?;
        let total_variation = TotalVariation { weight: self.total_variation, smoothing: self.smoothing };
        let objective =
            Objective::new(projector, data, weights, self.loss, total_variation, self.unseen(), scratch)?;
        let mut volume = start(projector, objective.channels(), warm_start)?;
        let x = volume.as_slice_mut().expect("made in C order");
        zeroed(&mut scratch.velocity, x.len());
        if total_variation.weight == 0.0 {
            zeroed(&mut scratch.regularizer, 0);
        }

        progress.start("reconstruction", self.iterations as u64);
        let (mut losses, mut stop) = (Vec::with_capacity(self.iterations.min(1000)), Stop::MaxIterations);
        // Since momentum began.
        let mut steps = 0.0_f64;
        for iteration in 0..self.iterations {
            if progress.cancelled() {
                return Err(Error::Cancelled);
            }
            ahead(x, &scratch.velocity, &mut scratch.gradient);
            let loss = objective.evaluate(scratch)?;
            if !loss.is_finite() {
                return Err(Error::parameter("step", "a length at which the loss stays finite", self.step));
            }
            let previous = losses.last().copied();
            losses.push(loss);

            let carried = match self.momentum {
                Momentum::Fixed(part) => part,
                Momentum::Adaptive => (steps / (steps + 6.0)).max(FIRST_PART),
            };
            let downhill = self.step(objective.channels(), carried, x, scratch);
            steps += 1.0;
            if self.momentum == Momentum::Adaptive && carried > FIRST_PART && downhill < 0.0 {
                scratch.velocity.fill(F::zero());
                steps = 0.0;
            }
            progress.advance(1);
            if let (Some(ftol), Some(previous)) = (self.ftol, previous)
                && iteration > 5
                && (previous - loss).abs() <= ftol * loss
            {
                stop = Stop::Tolerance;
                break;
            }
        }
        progress.finish();
        Ok(Reconstruction { volume, losses, stop })
    }
}

impl MitraParams {
    /// One step of x with the gradient in `scratch`, of whose velocity the part `carried` carries on. Returns
    /// `Σ ∇L · (x before − x after)`, above 0 where the step went downhill.
    fn step<F: Real>(
        &self,
        channels: usize,
        carried: f64,
        x: &mut [F],
        scratch: &mut ReconstructionScratch<F>,
    ) -> f64 {
        let ReconstructionScratch { preconditioner, gradient, velocity, regularizer, partial, .. } = scratch;
        let terms = Terms {
            step: F::of(self.step),
            carried: F::of(carried),
            non_negative: self.non_negative,
            through_the_bound: self.momentum != Momentum::Adaptive,
            channels,
        };
        let block = BLOCK / channels + 1;
        let regularizer: &[F] = regularizer;
        x.par_chunks_mut(block * channels)
            .zip(velocity.par_chunks_mut(block * channels))
            .zip(gradient.par_chunks(block * channels))
            .zip(preconditioner.par_chunks(block))
            .enumerate()
            .map(|(i, (((x, velocity), gradient), preconditioner))| {
                let regularizer = regularizer.get(i * block * channels..).unwrap_or_default();
                step_block(terms, x, velocity, gradient, preconditioner, regularizer)
            })
            .collect_into_vec(partial);
        partial.iter().sum()
    }
}

#[derive(Clone, Copy)]
struct Terms<F> {
    step: F,
    carried: F,
    non_negative: bool,
    /// Momentum is that of the step as it was before voxels below 0 were set to 0.
    through_the_bound: bool,
    channels: usize,
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn step_block<F: Real>(
    terms: Terms<F>,
    x: &mut [F],
    velocity: &mut [F],
    gradient: &[F],
    preconditioner: &[F],
    regularizer: &[F],
) -> f64 {
    let mut downhill = 0.0;
    for i in 0..x.len() {
        let c = preconditioner[i / terms.channels];
        let mut direction = c * gradient[i];
        let mut slope = gradient[i];
        if let Some(regularizer) = regularizer.get(i)
            && c > F::zero()
        {
            direction += *regularizer;
            slope += *regularizer / c;
        }
        let moved = velocity[i] + terms.step * direction;
        let mut after = x[i] - moved;
        if terms.non_negative {
            after = after.max(F::zero());
        }
        let change = x[i] - after;
        downhill += (slope * change).f64();
        velocity[i] = terms.carried * if terms.through_the_bound { moved } else { change };
        x[i] = after;
    }
    downhill
}

/// `out = x − v`, where the gradient is taken.
fn ahead<F: Real>(x: &[F], velocity: &[F], out: &mut [F]) {
    let blocks = x.par_chunks(BLOCK).zip(velocity.par_chunks(BLOCK)).zip(out.par_chunks_mut(BLOCK));
    blocks.for_each(|((x, velocity), out)| {
        for ((x, velocity), out) in x.iter().zip(velocity).zip(out) {
            *out = *x - *velocity;
        }
    });
}

/// The volume to begin with.
pub(super) fn start<F: Real>(
    projector: &Projector<F>,
    channels: usize,
    warm_start: Option<ArrayView4<'_, F>>,
) -> Result<Array4<F>> {
    let [x, y, z] = projector.volume_shape();
    let Some(warm_start) = warm_start else { return Ok(Array4::zeros((x, y, z, channels))) };
    check_shape("warm start", &[x, y, z, channels], warm_start.shape())?;
    check_finite("warm start", warm_start)?;
    Ok(warm_start.as_standard_layout().into_owned())
}
