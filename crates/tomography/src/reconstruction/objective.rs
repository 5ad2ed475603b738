//! What reconstructions minimise: `L(x) = Σ w ρ(Ax − d) + λ TV(x)`.

use multiversion::multiversion;
use ndarray::{ArrayView4, ArrayViewMut4, CowArray, Ix4};
use nonius_core::{Error, Real, Result, check_not_empty, check_not_negative, check_positive, check_shape};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::scratch::{ReconstructionScratch, zeroed};
use super::total_variation::add_total_variation;
use crate::Projector;

/// Elements that are summed in one go; fixed, so that sums do not depend on threads.
pub(super) const BLOCK: usize = 1 << 13;

/// What a residual r costs.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// `½ r²`. The default.
    #[default]
    Squared,
    /// `½ r²` up to |r| = δ, then `δ (|r| − δ/2)`: outliers pull with the force of δ. In units of the data, above 0.
    Huber(f64),
}

/// `L(x) = Σ w ρ(Ax − d) + λ TV(x)` with `w = 1/(A 1)` where the pixel is seen and not masked.
pub(super) struct Objective<'p, 'd, F: Real> {
    projector: &'p Projector<F>,
    data: CowArray<'d, F, Ix4>,
    loss: Loss,
    total_variation: TotalVariation,
}

/// What is too little seen to take part.
#[derive(Clone, Copy)]
pub(super) struct Unseen {
    /// Rays and voxels with a length in each other of no more than this, px.
    pub(super) min_length: f64,
    /// Voxels in fewer than this part of the views.
    pub(super) min_views: f64,
}

impl Unseen {
    pub(super) fn validate(self) -> Result<()> {
        check_not_negative("min_length", self.min_length)?;
        if !(0.0..1.0).contains(&self.min_views) {
            return Err(Error::parameter("min_views", "at least 0 and below 1", self.min_views));
        }
        Ok(())
    }
}

/// λ and the smallest slope that is told from a flat, both in units of the volume.
#[derive(Clone, Copy)]
pub(super) struct TotalVariation {
    pub(super) weight: f64,
    pub(super) smoothing: f64,
}

impl<'p, 'd, F: Real> Objective<'p, 'd, F> {
    /// Checks everything, and fills weights and preconditioner of `scratch`: the inverses of `A 1` and `Aᵀ 1`, but 0
    /// of what is `unseen`.
    pub(super) fn new(
        projector: &'p Projector<F>,
        data: ArrayView4<'d, F>,
        mask: Option<ArrayView4<'_, F>>,
        loss: Loss,
        total_variation: TotalVariation,
        unseen: Unseen,
        scratch: &mut ReconstructionScratch<F>,
    ) -> Result<Self> {
        if let Loss::Huber(delta) = loss {
            check_positive("huber", delta)?;
        }
        check_not_negative("total_variation", total_variation.weight)?;
        check_positive("smoothing", total_variation.smoothing)?;
        unseen.validate()?;
        let [n, j, k] = projector.stack_shape();
        let [x, y, z] = projector.volume_shape();
        check_not_empty("data", data.shape())?;
        let channels = data.dim().3;
        check_shape("data", &[n, j, k, channels], data.shape())?;
        let (pixels, voxels) = (n * j * k, x * y * z);

        // A 1 and Aᵀ 1 need buffers of one channel only.
        let ones = zeroed(&mut scratch.gradient, voxels * channels);
        ones[..voxels].fill(F::one());
        zeroed(&mut scratch.images, pixels * channels);
        projector.forward(
            view([x, y, z, 1], &scratch.gradient[..voxels]),
            None,
            view_mut([n, j, k, 1], &mut scratch.images[..pixels]),
        )?;
        let mask_channels = mask.as_ref().map_or(1, |mask| mask.dim().3);
        if let Some(mask) = &mask {
            let allowed = if mask_channels == channels { channels } else { 1 };
            check_shape("weights", &[n, j, k, allowed], mask.shape())?;
        }
        let inverse = |length: F, above: F| if length > above { F::one() / length } else { F::zero() };
        let min_length = F::of(unseen.min_length);
        let weights = zeroed(&mut scratch.weights, pixels * mask_channels);
        for (weights, length) in weights.chunks_exact_mut(mask_channels).zip(&scratch.images) {
            weights.fill(inverse(*length, min_length));
        }
        if let Some(mask) = &mask {
            for (weight, mask) in weights.iter_mut().zip(mask) {
                if mask.is_nan() || *mask <= F::zero() {
                    *weight = F::zero();
                }
            }
        }

        scratch.images[..pixels].fill(F::one());
        zeroed(&mut scratch.preconditioner, voxels);
        projector.adjoint(
            view([n, j, k, 1], &scratch.images[..pixels]),
            None,
            view_mut([x, y, z, 1], &mut scratch.preconditioner),
        )?;
        // Each view that sees a voxel whole adds 1, on average.
        let min_length = F::of(unseen.min_length.max(unseen.min_views * n as f64));
        for length in &mut scratch.preconditioner {
            *length = inverse(*length, min_length);
        }

        for ((index, value), at) in data.indexed_iter().zip(0..) {
            let weight = scratch.weights[at / channels * mask_channels + (at % channels) % mask_channels];
            if !value.is_finite() && weight > F::zero() {
                let (i, a, b, c) = index;
                return Err(Error::NotFinite { what: "data", index: vec![i, a, b, c] });
            }
        }
        Ok(Objective { projector, data: into_standard(data), loss, total_variation })
    }

    /// Values per voxel.
    pub(super) fn channels(&self) -> usize {
        self.data.dim().3
    }

    fn volume_dim(&self) -> [usize; 4] {
        let [x, y, z] = self.projector.volume_shape();
        [x, y, z, self.channels()]
    }

    /// The loss at the volume in `scratch.gradient`, which `∇L` of the data replaces; that of the total variation is
    /// left in `scratch.regularizer`.
    pub(super) fn evaluate(&self, scratch: &mut ReconstructionScratch<F>) -> Result<f64> {
        let ReconstructionScratch { weights, gradient, images, regularizer, partial, .. } = scratch;
        let (i, a, b, c) = self.data.dim();
        let (stack, volume) = ([i, a, b, c], self.volume_dim());
        self.projector.forward(view(volume, gradient), None, view_mut(stack, images))?;
        let data = self.data.as_slice().unwrap_or_default();
        let mask_channels = weights.len() / (i * a * b);
        let pixels = BLOCK / c + 1;
        images
            .par_chunks_mut(pixels * c)
            .zip(data.par_chunks(pixels * c))
            .zip(weights.par_chunks(pixels * mask_channels))
            .map(|((images, data), weights)| weigh_residuals(self.loss, images, data, weights))
            .collect_into_vec(partial);
        let mut loss: f64 = partial.iter().sum();
        if self.total_variation.weight > 0.0 {
            zeroed(regularizer, gradient.len());
            loss += add_total_variation(gradient, volume, self.total_variation, regularizer, partial);
        }
        self.projector.adjoint(view(stack, images), None, view_mut(volume, gradient))?;
        Ok(loss)
    }
}

/// Replaces images by `w ρ'(image − data)` and returns `Σ w ρ`.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn weigh_residuals<F: Real>(loss: Loss, images: &mut [F], data: &[F], weights: &[F]) -> f64 {
    let channels = data.len() / weights.len().max(1);
    let mut sum = 0.0;
    match loss {
        Loss::Squared if channels == 1 => {
            let mut lanes = [0.0; 16];
            for ((images, data), weights) in
                images.chunks_mut(16).zip(data.chunks(16)).zip(weights.chunks(16))
            {
                for (((image, data), weight), lane) in
                    images.iter_mut().zip(data).zip(weights).zip(&mut lanes)
                {
                    // What is masked may be NaN.
                    let residual = if *weight > F::zero() { *image - *data } else { F::zero() };
                    *image = *weight * residual;
                    *lane += (*image * residual).f64();
                }
            }
            sum += 0.5 * lanes.iter().sum::<f64>();
        }
        _ => {
            let delta = if let Loss::Huber(delta) = loss { delta } else { f64::INFINITY };
            for ((image, data), at) in images.iter_mut().zip(data).zip(0..) {
                let weight = weights[at / channels.max(1)];
                if weight == F::zero() {
                    *image = F::zero();
                    continue;
                }
                let residual = (*image - *data).f64();
                let pull = residual.clamp(-delta, delta);
                sum += weight.f64() * pull * (residual - 0.5 * pull);
                *image = weight * F::of(pull);
            }
        }
    }
    sum
}

/// An array in C order: as it is, or copied.
fn into_standard<F: Real>(array: ArrayView4<'_, F>) -> CowArray<'_, F, Ix4> {
    if array.is_standard_layout() { array.into() } else { array.as_standard_layout().into_owned().into() }
}

pub(super) fn view<F: Real>(dim: [usize; 4], data: &[F]) -> ArrayView4<'_, F> {
    ArrayView4::from_shape(dim, data).expect("buffers are made for their shape")
}

pub(super) fn view_mut<F: Real>(dim: [usize; 4], data: &mut [F]) -> ArrayViewMut4<'_, F> {
    ArrayViewMut4::from_shape(dim, data).expect("buffers are made for their shape")
}
