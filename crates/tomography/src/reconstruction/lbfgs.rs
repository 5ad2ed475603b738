//! Limited-memory BFGS.

use std::collections::VecDeque;

use ndarray::ArrayView4;
use nonius_core::{Error, Progress, Real, Result, check_not_negative, dot};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::descent::start;
use super::objective::{BLOCK, Loss, Objective, TotalVariation, Unseen};
use super::scratch::ReconstructionScratch;
use super::{MitraParams, Reconstruction, Reconstructor, Stop};
use crate::Projector;

/// Iterative reconstruction by L-BFGS with the preconditioner of [`MitraParams`] as its first guess of the inverse
/// Hessian. Voxels held at the bound 0 leave the quasi-Newton step.
///
/// Faster than momentum per iteration where many are done or the loss is not quadratic, at the price of two volumes of
/// memory for each pair of steps it remembers.
///
/// # Source
/// J. Nocedal, S. Wright, *Numerical Optimization* (2006), algorithms 7.4 and 7.5; the bound: D. Bertsekas, SIAM J.
/// Control Optim. 20 (1982) 221–246.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LbfgsParams {
    /// Most iterations. Default: 20.
    pub iterations: usize,
    /// Pairs of steps and gradients that are remembered. Default: 5.
    pub memory: usize,
    /// As [`MitraParams::non_negative`]. Default: true.
    pub non_negative: bool,
    /// Ends once the loss falls by less than this part of it. Default: none.
    pub ftol: Option<f64>,
    /// Default: [`Loss::Squared`].
    pub loss: Loss,
    /// Weight λ of the total variation, in units of the loss (here it is not preconditioned). Default: 0.
    pub total_variation: f64,
    /// As [`MitraParams::smoothing`]. Default: 0.001.
    pub smoothing: f64,
    /// As [`MitraParams::min_length`]. Default: 0.1.
    pub min_length: f64,
    /// As [`MitraParams::min_views`]. Default: 0.
    pub min_views: f64,
}

impl Default for LbfgsParams {
    fn default() -> Self {
        let MitraParams {
            iterations,
            non_negative,
            ftol,
            loss,
            total_variation,
            smoothing,
            min_length,
            min_views,
            ..
        } = MitraParams::default();
        LbfgsParams {
            iterations,
            memory: 5,
            non_negative,
            ftol,
            loss,
            total_variation,
            smoothing,
            min_length,
            min_views,
        }
    }
}

impl LbfgsParams {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Parameter`] naming the first that is out of range.
    pub fn validate(&self) -> Result<()> {
        if !(1..=1000).contains(&self.memory) {
            return Err(Error::parameter("memory", "1 to 1000", self.memory));
        }
        let LbfgsParams { ftol, loss, total_variation, smoothing, min_length, min_views, .. } = *self;
        MitraParams { ftol, loss, total_variation, smoothing, min_length, min_views, ..Default::default() }
            .validate()?;
        check_not_negative("ftol", ftol.unwrap_or(0.0))
    }
}

/// A step s with the change y of the gradient along it.
struct Pair<F> {
    step: Vec<F>,
    change: Vec<F>,
    /// `1/(s·y)`.
    inverse: f64,
}

impl<F: Real> Reconstructor<F> for LbfgsParams {
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
        let unseen = Unseen { min_length: self.min_length, min_views: self.min_views };
        let objective =
            Objective::new(projector, data, weights, self.loss, total_variation, unseen, scratch)?;
        let mut volume = start(projector, objective.channels(), warm_start)?;
        let x = volume.as_slice_mut().expect("made in C order");
        if self.non_negative {
            each(x, |x, _| *x = x.max(F::zero()));
        }

        progress.start("reconstruction", self.iterations as u64);
        let (mut losses, mut stop) = (Vec::new(), Stop::MaxIterations);
        let mut loss = self.evaluate(&objective, x, scratch)?;
        if !loss.is_finite() {
            return Err(Error::parameter("loss", "finite at the start", loss));
        }
        let mut gradient = scratch.gradient.clone();
        let mut direction = vec![F::zero(); x.len()];
        let mut before = x.to_vec();
        let mut pairs: VecDeque<Pair<F>> = VecDeque::new();
        for _ in 0..self.iterations {
            if progress.cancelled() {
                return Err(Error::Cancelled);
            }
            losses.push(loss);
            self.free(x, &mut gradient, &scratch.preconditioner, objective.channels());
            two_loops(&gradient, &pairs, &scratch.preconditioner, objective.channels(), &mut direction);
            // Held voxels stay, whatever the remembered steps say.
            each(&mut direction, |d, at| *d = if gradient[at] == F::zero() { F::zero() } else { *d });
            if dot(&direction, &gradient) <= 0.0 {
                pairs.clear();
                two_loops(&gradient, &pairs, &scratch.preconditioner, objective.channels(), &mut direction);
            }

            before.copy_from_slice(x);
            let Some(next) = self.search(&objective, &before, &direction, &gradient, loss, x, scratch)?
            else {
                x.copy_from_slice(&before);
                stop = Stop::NoDescent;
                break;
            };
            remember(&mut pairs, self.memory, x, &before, &scratch.gradient, &gradient);
            gradient.copy_from_slice(&scratch.gradient);
            let fallen = loss - next;
            loss = next;
            progress.advance(1);
            if self.ftol.is_some_and(|ftol| fallen <= ftol * loss) {
                stop = Stop::Tolerance;
                break;
            }
        }
        progress.finish();
        Ok(Reconstruction { volume, losses, stop })
    }
}

impl LbfgsParams {
    /// The loss at x; its gradient is left in `scratch.gradient`.
    fn evaluate<F: Real>(
        &self,
        objective: &Objective<'_, '_, F>,
        x: &[F],
        scratch: &mut ReconstructionScratch<F>,
    ) -> Result<f64> {
        scratch.gradient.copy_from_slice(x);
        let loss = objective.evaluate(scratch)?;
        let ReconstructionScratch { gradient, regularizer, .. } = scratch;
        if self.total_variation > 0.0 {
            each(gradient, |gradient, at| *gradient += regularizer[at]);
        }
        Ok(loss)
    }

    /// Sets the gradient to 0 where the voxel is seen by no ray, or held at the bound.
    fn free<F: Real>(&self, x: &[F], gradient: &mut [F], preconditioner: &[F], channels: usize) {
        each(gradient, |gradient, at| {
            let held = self.non_negative && x[at] <= F::zero() && *gradient > F::zero();
            if held || preconditioner[at / channels] == F::zero() {
                *gradient = F::zero();
            }
        });
    }

    /// Steps to `before − t·direction`, held at the bound, with the first t of 1, ½, ¼ … that makes the loss small
    /// enough (Armijo). Leaves x and its gradient there.
    fn search<F: Real>(
        &self,
        objective: &Objective<'_, '_, F>,
        before: &[F],
        direction: &[F],
        gradient: &[F],
        loss: f64,
        x: &mut [F],
        scratch: &mut ReconstructionScratch<F>,
    ) -> Result<Option<f64>> {
        const ENOUGH: f64 = 1e-4;
        let mut length = 1.0;
        for _ in 0..20 {
            let t = F::of(length);
            each(x, |x, at| {
                let moved = before[at] - t * direction[at];
                *x = if self.non_negative { moved.max(F::zero()) } else { moved };
            });
            let found = self.evaluate(objective, x, scratch)?;
            let expected = dot(gradient, before) - dot(gradient, x);
            if found < loss && found <= loss - ENOUGH * expected {
                return Ok(Some(found));
            }
            length *= 0.5;
        }
        Ok(None)
    }
}

fn remember<F: Real>(
    pairs: &mut VecDeque<Pair<F>>,
    memory: usize,
    x: &[F],
    before: &[F],
    gradient: &[F],
    gradient_before: &[F],
) {
    let forgotten = if pairs.len() == memory { pairs.pop_front() } else { None };
    let new = || Pair { step: vec![F::zero(); x.len()], change: vec![F::zero(); x.len()], inverse: 0.0 };
    let mut pair = forgotten.unwrap_or_else(new);
    each(&mut pair.step, |step, at| *step = x[at] - before[at]);
    // The gradient before is 0 where a voxel was held, and did not move.
    each(&mut pair.change, |change, at| {
        let moved = x[at] != before[at];
        *change = if moved { gradient[at] - gradient_before[at] } else { F::zero() };
    });
    let curvature = dot(&pair.step, &pair.change);
    // Rounding can leave none; such a pair would only spoil the others.
    if curvature > 1e-10 * (dot(&pair.step, &pair.step) * dot(&pair.change, &pair.change)).sqrt() {
        pair.inverse = 1.0 / curvature;
        pairs.push_back(pair);
    }
}

/// `out = H g` (algorithm 7.4), with the preconditioner c, scaled to the last pair, as H₀.
fn two_loops<F: Real>(
    gradient: &[F],
    pairs: &VecDeque<Pair<F>>,
    preconditioner: &[F],
    channels: usize,
    out: &mut [F],
) {
    out.copy_from_slice(gradient);
    let mut factors = Vec::with_capacity(pairs.len());
    for pair in pairs.iter().rev() {
        let factor = pair.inverse * dot(&pair.step, out);
        factors.push(factor);
        each(out, |out, at| *out -= F::of(factor) * pair.change[at]);
    }
    let scale = pairs.back().map_or(1.0, |pair| {
        let weighted: f64 = pair
            .change
            .par_chunks(BLOCK * channels)
            .zip(preconditioner.par_chunks(BLOCK))
            .map(|(change, c)| {
                change.iter().enumerate().map(|(i, y)| c[i / channels].f64() * y.f64() * y.f64()).sum::<f64>()
            })
            .collect::<Vec<_>>()
            .iter()
            .sum();
        1.0 / (pair.inverse * weighted).max(f64::MIN_POSITIVE)
    });
    each(out, |out, at| *out *= F::of(scale) * preconditioner[at / channels]);
    for (pair, factor) in pairs.iter().zip(factors.iter().rev()) {
        let back = factor - pair.inverse * dot(&pair.change, out);
        each(out, |out, at| *out += F::of(back) * pair.step[at]);
    }
}

/// `change` of every element and its index.
fn each<F: Real>(values: &mut [F], change: impl Fn(&mut F, usize) + Sync) {
    values.par_chunks_mut(BLOCK).enumerate().for_each(|(block, values)| {
        for (i, value) in values.iter_mut().enumerate() {
            change(value, block * BLOCK + i);
        }
    });
}
