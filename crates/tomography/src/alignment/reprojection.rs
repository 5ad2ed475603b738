//! Alignment by sequential or joint re-projection.

use ndarray::{Array2, ArrayView2};
use nonius_core::tilt_series::Geometry;
use nonius_core::{Border, Error, Real, Result, check_positive, gaussian_filter, gaussian_kernel};
use nonius_registration::{Method, Refinement, RegistrationParams, RegistrationPlan, Weighting};
use serde::{Deserialize, Serialize};

use super::iteration::{Aligner, Comparison, Correction, IterationParams, Stage, WarmStart};
use super::phase_matching::by_registration;
use crate::reconstruction::{MitraParams, Momentum};

/// Parameters of the alignment by re-projection.
///
/// The default is the joint variant: one iteration of the reconstruction per step, carried on from step to step.
/// [`sequential`](Self::sequential) reconstructs anew in each. Image and re-projection are multiplied by a ramp that
/// falls from 1 to 0 with the distance from the middle, and registered by plain cross-correlation. Offsets go into
/// the projector: data are never resampled.
///
/// # Source
/// D. Gürsoy and others, *Rapid alignment of nanotomography data using joint iterative reconstruction and
/// reprojection*, Sci. Rep. 7 (2017) 11818.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReprojectionParams {
    /// What alignments share. Default: one iteration without momentum per step from the volume of the step before,
    /// at most 200 steps, tolerance 0.005 px.
    pub iteration: IterationParams,
    /// Plain cross-correlation, or phase correlation. Default: cross.
    pub method: Method,
    /// Points per pixel, 1 to 1000. Default: 100.
    pub upsampling: usize,
    /// Where the ramp begins to fall, as a part of the distance from the middle to a corner. Default: 0.5.
    pub inner_radius: f64,
    /// Where it reaches 0. Default: 0.8.
    pub outer_radius: f64,
    /// Standard deviation px of the Gaussian low-pass of both images. Default: 1.
    pub smoothing: f64,
    /// Longest correction of one step, px. Default: 5.
    pub max_step: f64,
}

impl Default for ReprojectionParams {
    fn default() -> Self {
        let reconstruction =
            MitraParams { iterations: 1, momentum: Momentum::Fixed(0.0), ..MitraParams::default() };
        ReprojectionParams {
            iteration: IterationParams {
                reconstruction,
                warm_start: WarmStart::Always,
                max_iterations: 200,
                tolerance: 0.005,
                ..IterationParams::default()
            },
            method: Method::Cross,
            upsampling: 100,
            inner_radius: 0.5,
            outer_radius: 0.8,
            smoothing: 1.0,
            max_step: 5.0,
        }
    }
}

impl ReprojectionParams {
    /// The sequential variant: 20 iterations from nothing in each of at most 10 steps.
    pub fn sequential() -> Self {
        let joint = Self::default();
        let reconstruction = MitraParams { iterations: 20, ..joint.iteration.reconstruction.clone() };
        let iteration = IterationParams {
            reconstruction,
            warm_start: WarmStart::Never,
            max_iterations: 10,
            ..joint.iteration.clone()
        };
        ReprojectionParams { iteration, ..joint }
    }

    /// Checks every parameter by itself.
    ///
    /// # Errors
    /// [`Error::Parameter`] names the first that cannot be.
    pub fn validate(&self) -> Result<()> {
        self.iteration.validate()?;
        check_positive("max_step", self.max_step)?;
        gaussian_kernel(self.smoothing)?;
        if !(1..=1000).contains(&self.upsampling) {
            return Err(Error::parameter("upsampling", "between 1 and 1000", self.upsampling));
        }
        if !(self.inner_radius >= 0.0
            && self.inner_radius < self.outer_radius
            && self.outer_radius.is_finite())
        {
            let got = format_args!("{} and {}", self.inner_radius, self.outer_radius).to_string();
            return Err(Error::parameter("inner_radius", "at least 0 and below outer_radius", got));
        }
        Ok(())
    }

    /// 1 within the inner radius, 0 beyond the outer one, linear between.
    fn ramp<F: Real>(&self, (n_j, n_k): (usize, usize)) -> Array2<F> {
        let middle = [n_j, n_k].map(|n| 0.5 * (n as f64 - 1.0));
        let corner = middle[0].hypot(middle[1]).max(1.0);
        Array2::from_shape_fn((n_j, n_k), |(a, b)| {
            let r = (a as f64 - middle[0]).hypot(b as f64 - middle[1]) / corner;
            F::of(((self.outer_radius - r) / (self.outer_radius - self.inner_radius)).clamp(0.0, 1.0))
        })
    }
}

impl<F: Real> Aligner<F> for ReprojectionParams {
    fn iteration(&self) -> &IterationParams {
        &self.iteration
    }

    fn name(&self) -> &'static str {
        "reprojection"
    }

    fn stages(&self, _geometry: &Geometry) -> Result<Vec<Stage>> {
        self.validate()?;
        let scale = 1.0 / self.upsampling as f64;
        Ok(vec![Stage { binning: 1, scale, tolerance: self.iteration.tolerance, max_step: self.max_step }])
    }

    fn corrections(&self, _stage: &Stage, images: &Comparison<'_, F>) -> Result<Vec<Correction>> {
        let (_, n_j, n_k) = images.images.dim();
        let params = RegistrationParams {
            method: self.method,
            refinement: Refinement::Upsampled { factor: self.upsampling as f64 },
            weighting: Weighting::Plain,
            ..RegistrationParams::periodic()
        };
        let plan = RegistrationPlan::<F>::new((n_j, n_k), params)?;
        let ramp = self.ramp::<F>((n_j, n_k));
        let whole = |image: ArrayView2<'_, F>| image.to_owned();
        by_registration(images, &plan, &whole, |reprojection, image, _, scratch| {
            let [reprojection, image] = [reprojection, image]
                .map(|image| gaussian_filter((image * &ramp).view(), self.smoothing, Border::Mirror));
            plan.register_with(reprojection?.view(), image?.view(), scratch)
        })
    }
}
