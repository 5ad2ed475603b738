//! A volume by a method that is chosen by name.

use ndarray::{Array3, Array4, Axis};
use nonius_core::tilt_series::Geometry;
use nonius_core::{Progress, Real, Result};
use nonius_tomography::{FbpParams, LbfgsParams, MitraParams, Projector, Reconstructor, SirtParams, Stop};
use serde::{Deserialize, Serialize};

use super::images::LineIntegrals;

/// How a volume is made of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReconstructionMethod {
    /// Preconditioned descent with momentum, voxels not below 0. The default.
    #[default]
    Mitra,
    /// The same without momentum or bound.
    Sirt,
    /// Filtered back-projection, for views about one axis.
    Fbp,
    /// A quasi-Newton method.
    Lbfgs,
}

/// Parameters of [`reconstruct_series`]: a method, and those of each.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReconstructionParams {
    /// Which method.
    pub method: ReconstructionMethod,
    /// For [`ReconstructionMethod::Mitra`].
    pub mitra: MitraParams,
    /// For [`ReconstructionMethod::Sirt`].
    pub sirt: SirtParams,
    /// For [`ReconstructionMethod::Fbp`].
    pub fbp: FbpParams,
    /// For [`ReconstructionMethod::Lbfgs`].
    pub lbfgs: LbfgsParams,
}

impl ReconstructionParams {
    /// Checks the parameters of every method.
    ///
    /// # Errors
    /// [`nonius_core::Error::Parameter`] names the first that cannot be.
    pub fn validate(&self) -> Result<()> {
        self.mitra.validate()?;
        self.sirt.validate()?;
        self.fbp.validate()?;
        self.lbfgs.validate()
    }

    fn method<F: Real>(&self) -> &dyn Reconstructor<F> {
        match self.method {
            ReconstructionMethod::Mitra => &self.mitra,
            ReconstructionMethod::Sirt => &self.sirt,
            ReconstructionMethod::Fbp => &self.fbp,
            ReconstructionMethod::Lbfgs => &self.lbfgs,
        }
    }
}

/// A volume and how well it explains the images.
#[derive(Debug, Clone, PartialEq)]
pub struct Reconstructed<F> {
    /// The volume, `(X, Y, Z)`, per voxel edge.
    pub volume: Array3<F>,
    /// Its images, `(N, J, K)`.
    pub reprojections: Array3<F>,
    /// Loss of every iteration before its step; empty for a method without iterations.
    pub losses: Vec<f64>,
    /// Why it ended.
    pub stop: Stop,
    /// Root-mean-square difference of each image and its re-projection over pixels that count; NaN without one.
    pub residuals: Vec<f64>,
}

/// Reconstructs a series with the offsets of `geometry`.
///
/// # Errors
/// [`nonius_core::Error::Parameter`] for parameters out of range, those of the method,
/// [`nonius_core::Error::Cancelled`].
pub fn reconstruct_series<F: Real>(
    geometry: &Geometry,
    integrals: &LineIntegrals<F>,
    params: &ReconstructionParams,
    progress: &dyn Progress,
) -> Result<Reconstructed<F>> {
    params.validate()?;
    let projector = Projector::<F>::new(geometry)?;
    let LineIntegrals { images, weights, .. } = integrals;
    let found = params.method().reconstruct(
        &projector,
        images.view().insert_axis(Axis(3)),
        weights.as_ref().map(|w| w.view().insert_axis(Axis(3))),
        None,
        progress,
    );
    progress.finish();
    let found = found?;
    let [n, j, k] = projector.stack_shape();
    let mut reprojections = Array4::zeros((n, j, k, 1));
    projector.forward(found.volume.view(), None, reprojections.view_mut())?;
    let reprojections = reprojections.remove_axis(Axis(3));
    let residual = |i: usize| {
        let (mut sum, mut count) = (0.0, 0usize);
        for (index, value) in images.index_axis(Axis(0), i).indexed_iter() {
            let at = [i, index.0, index.1];
            if weights.as_ref().is_none_or(|w| w[at] > F::zero()) {
                sum += (value.f64() - reprojections[at].f64()).powi(2);
                count += 1;
            }
        }
        (sum / count as f64).sqrt()
    };
    let residuals = (0..n).map(residual).collect();
    let volume = found.volume.remove_axis(Axis(3));
    Ok(Reconstructed { volume, reprojections, losses: found.losses, stop: found.stop, residuals })
}
