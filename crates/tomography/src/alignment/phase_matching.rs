//! Alignment by registering each image with its re-projection.

use nalgebra::Vector3;
use ndarray::{Array2, ArrayView2, Axis, Zip, s};
use nonius_core::tilt_series::Geometry;
use nonius_core::{
    Border, Error, Real, Result, Window, center_of_mass, check_not_negative, check_positive, gaussian_filter,
    gaussian_kernel,
};
use nonius_registration::{
    MaskedParams, Method, Refinement, Registration, RegistrationParams, RegistrationPlan,
    RegistrationScratch, Weighting, register_masked,
};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_distr::StandardNormal;
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::iteration::{Aligner, Comparison, Correction, IterationParams, Now, Stage};

/// Parameters of the alignment by phase matching.
///
/// Each step reconstructs, projects the volume, finds the displacement δ that moves every image onto its
/// re-projection, and adds it to the offsets. With an upsampling of 1, δ is the best whole pixel by the
/// correlation coefficient of what is not masked; above that the best point on a grid of 1/u px by plain
/// cross-correlation of tapered images without their means.
///
/// # Source
/// L. C. Nielsen and others, *Small-angle scattering tensor tomography algorithm for robust reconstruction of
/// complex textures*, Acta Cryst. A79 (2023) 515–526, as built in mumott 2.3; there frequencies are also
/// normalised ([`Method::Phase`]), which the noise then makes swing between two states.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PhaseMatchingParams {
    /// What alignments share. Its tolerance is not used: a stage is over when every correction is below one step
    /// of its grid.
    pub iteration: IterationParams,
    /// Points per pixel u, from coarse to fine, each 1 to 1000. Default: 1, 10, 100.
    pub upsampling: Vec<usize>,
    /// Plain cross-correlation, or phase correlation. Default: cross.
    pub method: Method,
    /// Longest correction of one step, in steps of the grid, 1/u px. Default: 5.
    pub shift_cutoff: f64,
    /// Rows and columns `[j, k]` cut off at each side before images are compared. Default: none.
    pub cropping: [usize; 2],
    /// Part of each image's length over which it is tapered for u above 1. Default: 0.2.
    pub taper: f64,
    /// Standard deviation px of the Gaussian low-pass of both images for u above 1. Default: 1. Voxels are blurred
    /// by interpolation where the images are not, so the finest detail misleads.
    pub smoothing: f64,
    /// Least overlap for u = 1, as a part of the largest. Default: 0.3.
    pub min_overlap: f64,
    /// Part of the projections that is corrected in each step, above 0 and at most 1: a random part of them,
    /// each once before any comes again. Default: 1.
    pub sample_size: f64,
    /// Weight λ of a random pull of offsets towards their mean. Default: 0.
    pub relaxation: f64,
    /// Weight μ of the pull of the images' centres of mass towards that of the volume, px. Default: 0.
    pub center_of_mass_weight: f64,
    /// Seed of sampling and relaxation. Default: 0.
    pub seed: u64,
}

impl Default for PhaseMatchingParams {
    fn default() -> Self {
        PhaseMatchingParams {
            iteration: IterationParams::default(),
            upsampling: vec![1, 10, 100],
            method: Method::Cross,
            shift_cutoff: 5.0,
            cropping: [0, 0],
            taper: 0.2,
            smoothing: 1.0,
            min_overlap: 0.3,
            sample_size: 1.0,
            relaxation: 0.0,
            center_of_mass_weight: 0.0,
            seed: 0,
        }
    }
}

impl PhaseMatchingParams {
    /// Checks every parameter by itself.
    ///
    /// # Errors
    /// [`Error::Parameter`] names the first that cannot be.
    pub fn validate(&self) -> Result<()> {
        self.iteration.validate()?;
        if self.upsampling.is_empty() {
            return Err(Error::parameter("upsampling", "one number at least", "none"));
        }
        if let Some(bad) = self.upsampling.iter().find(|u| !(1..=1000).contains(*u)) {
            return Err(Error::parameter("upsampling", "between 1 and 1000", bad));
        }
        check_positive("shift_cutoff", self.shift_cutoff)?;
        check_not_negative("relaxation", self.relaxation)?;
        check_not_negative("center_of_mass_weight", self.center_of_mass_weight)?;
        if !(0.0..=1.0).contains(&self.taper) {
            return Err(Error::parameter("taper", "between 0 and 1", self.taper));
        }
        gaussian_kernel(self.smoothing)?;
        for (name, part) in [("min_overlap", self.min_overlap), ("sample_size", self.sample_size)] {
            if !(part > 0.0 && part <= 1.0) {
                return Err(Error::parameter(name, "above 0 and at most 1", part));
            }
        }
        Ok(())
    }

    fn generator(&self, step: usize) -> Xoshiro256PlusPlus {
        // Steps draw from streams of their own, so that no step depends on how many numbers another took.
        Xoshiro256PlusPlus::seed_from_u64(self.seed ^ (step as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn registration(&self, upsampling: f64) -> RegistrationParams {
        RegistrationParams {
            method: self.method,
            refinement: Refinement::Upsampled { factor: upsampling },
            weighting: Weighting::Plain,
            window: Window::Tukey(self.taper),
            ..RegistrationParams::periodic()
        }
    }

    fn masked(&self, upsampling: f64) -> MaskedParams {
        let refinement = match upsampling {
            1.0 => Refinement::WholePixel,
            factor => Refinement::Upsampled { factor },
        };
        MaskedParams { overlap_ratio: self.min_overlap, refinement, ..MaskedParams::default() }
    }
}

impl<F: Real> Aligner<F> for PhaseMatchingParams {
    fn iteration(&self) -> &IterationParams {
        &self.iteration
    }

    fn name(&self) -> &'static str {
        "phase matching"
    }

    fn stages(&self, geometry: &Geometry) -> Result<Vec<Stage>> {
        self.validate()?;
        for (length, cropped) in geometry.projection_shape.into_iter().zip(self.cropping) {
            if cropped.saturating_mul(2) >= length {
                return Err(Error::parameter(
                    "cropping",
                    "less than half of the image on each side",
                    cropped,
                ));
            }
        }
        let stage = |u: &usize| {
            let step = 1.0 / *u as f64;
            // On a grid, a correction below one step is none.
            Stage { binning: 1, scale: step, tolerance: 0.999 * step, max_step: self.shift_cutoff * step }
        };
        Ok(self.upsampling.iter().map(stage).collect())
    }

    fn epoch(&self) -> usize {
        (1.0 / self.sample_size).ceil() as usize
    }

    fn sample(&self, step: usize, n: usize) -> Option<Vec<usize>> {
        if self.sample_size >= 1.0 {
            return None;
        }
        let epoch = Aligner::<F>::epoch(self);
        let mut order: Vec<usize> = (0..n).collect();
        order.shuffle(&mut self.generator(step / epoch));
        let size = n.div_ceil(epoch);
        let first = (step % epoch * size).min(n);
        Some(order[first..(first + size).min(n)].to_vec())
    }

    fn corrections(&self, stage: &Stage, images: &Comparison<'_, F>) -> Result<Vec<Correction>> {
        let [cut_j, cut_k] = self.cropping;
        let (_, n_j, n_k) = images.images.dim();
        let shape = (n_j - 2 * cut_j, n_k - 2 * cut_k);
        let upsampling = (1.0 / stage.scale).round();
        let plan = RegistrationPlan::<F>::new(shape, self.registration(upsampling))?;
        let inner =
            |image: ArrayView2<'_, F>| image.slice(s![cut_j..n_j - cut_j, cut_k..n_k - cut_k]).to_owned();
        let smooth = |image: &Array2<F>| gaussian_filter(image.view(), self.smoothing, Border::Mirror);
        by_registration(images, &plan, &inner, |reprojection, image, valid, scratch| {
            if upsampling == 1.0 || valid.iter().any(|valid| !valid) {
                let (image, params) = (image.view(), &self.masked(upsampling));
                return register_masked(reprojection.view(), image, None, Some(valid.view()), params);
            }
            plan.register_with(smooth(reprojection)?.view(), smooth(image)?.view(), scratch)
        })
    }

    fn regularise(&self, now: &Now<'_, F>, corrections: &mut [[f64; 2]]) {
        if self.relaxation > 0.0 {
            self.relax(now.step, now.offsets, corrections);
        }
        if self.center_of_mass_weight > 0.0 {
            self.pull_to_center_of_mass(now, corrections);
        }
    }
}

impl PhaseMatchingParams {
    /// Pulls offsets that lie farther from their mean than a random part of their deviation back by `relaxation`.
    fn relax(&self, step: usize, offsets: &[[f64; 2]], corrections: &mut [[f64; 2]]) {
        let mut generator = self.generator(usize::MAX - step);
        let n = offsets.len() as f64;
        for axis in 0..2 {
            let mean = offsets.iter().map(|offset| offset[axis]).sum::<f64>() / n;
            let variance = offsets.iter().map(|o| (o[axis] - mean).powi(2)).sum::<f64>() / n;
            for (correction, offset) in corrections.iter_mut().zip(offsets) {
                let away = offset[axis] - mean;
                let normal: f64 = generator.sample(StandardNormal);
                let excess = (away.abs() - variance.sqrt() * normal.abs()).max(0.0);
                correction[axis] -= self.relaxation * (away.signum() * excess).clamp(-1.0, 1.0);
            }
        }
    }

    fn pull_to_center_of_mass<F: Real>(&self, now: &Now<'_, F>, corrections: &mut [[f64; 2]]) {
        let Some(center) = now.center_of_mass().map(Vector3::from) else { return };
        for (i, correction) in corrections.iter_mut().enumerate() {
            let weights = now.weights.map(|weights| weights.index_axis_move(Axis(0), i));
            let Some(of_image) = center_of_image(now.images.index_axis(Axis(0), i), weights) else {
                continue;
            };
            let directions = now.geometry.directions(i);
            let of_volume = [directions.j.dot(&center), directions.k.dot(&center)];
            for axis in 0..2 {
                let pull = of_volume[axis] - (of_image[axis] + now.offsets[i][axis]);
                correction[axis] += self.center_of_mass_weight * pull.clamp(-1.0, 1.0);
            }
        }
    }
}

/// Registers every image with its re-projection, after `inner` has cut both; `register` takes the re-projection, the
/// image and its valid pixels.
pub(super) fn by_registration<F: Real>(
    images: &Comparison<'_, F>,
    plan: &RegistrationPlan<F>,
    inner: &(impl Fn(ArrayView2<'_, F>) -> Array2<F> + Sync),
    register: impl Fn(&Array2<F>, &Array2<F>, &Array2<bool>, &mut RegistrationScratch<F>) -> Result<Registration>
    + Sync,
) -> Result<Vec<Correction>> {
    let constant = |image: &Array2<F>| image.iter().all(|v| *v == image[[0, 0]]);
    (0..images.images.len_of(Axis(0)))
        .into_par_iter()
        .map_init(
            || plan.scratch(),
            |scratch, i| {
                let mut image = inner(images.images.index_axis(Axis(0), i));
                let reprojection = inner(images.reprojections.index_axis(Axis(0), i));
                let weights = images.weights.as_ref().map(|weights| inner(weights.index_axis(Axis(0), i)));
                let valid = match &weights {
                    Some(weights) => weights.mapv(|w| w > F::zero()),
                    None => Array2::from_elem(image.dim(), true),
                };
                // What is masked may be NaN.
                Zip::from(&mut image).and(&valid).and(&reprojection).for_each(|pixel, valid, reprojected| {
                    if !valid {
                        *pixel = *reprojected;
                    }
                });
                if constant(&reprojection) || constant(&image) || !valid.iter().any(|valid| *valid) {
                    return Ok(Correction::none());
                }
                Ok(correction(&register(&reprojection, &image, &valid, scratch)?))
            },
        )
        .collect()
}

fn correction(found: &Registration) -> Correction {
    if !found.shift.iter().all(|s| s.is_finite()) {
        return Correction::none();
    }
    // The image is the re-projection displaced by `shift`; moving it back is the correction.
    Correction { shift: found.shift.map(|s| -s), covariance: found.covariance, determined: true }
}

/// Centre of mass `[j, k]` of what is measured of an image, px from its middle; `None` without mass.
fn center_of_image<F: Real>(
    image: ArrayView2<'_, F>,
    weights: Option<ArrayView2<'_, F>>,
) -> Option<[f64; 2]> {
    let mut measured = image.to_owned();
    if let Some(weights) = weights {
        // What is masked may be NaN.
        measured.zip_mut_with(&weights, |value, weight| {
            if *weight == F::zero() {
                *value = F::zero();
            }
        });
    }
    let [j, k] = center_of_mass(measured.view())?;
    let middle = |n: usize| 0.5 * (n as f64 - 1.0);
    (measured.sum() > F::zero()).then(|| [j - middle(image.nrows()), k - middle(image.ncols())])
}
