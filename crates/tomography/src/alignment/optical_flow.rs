//! Alignment by the optical flow from each image to its re-projection.

use nalgebra::{SMatrix, SVector};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis};
use nonius_core::tilt_series::Geometry;
use nonius_core::{
    Error, Real, Result, Window, check_not_negative, check_positive, gaussian_kernel, slopes_into,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::image_operations::HighPass;
use super::iteration::{Aligner, Comparison, Correction, IterationParams, Stage, mean_square};

/// Parameters of the alignment by optical flow.
///
/// Each step reconstructs, projects the volume, and takes one Gauss–Newton step of the displacement (δj, δk)
/// between every image D and its re-projection Q, both components together:
///
/// ```text
/// δ = argmin ‖ F w (D − Q − δj ∂Q/∂j − δk ∂Q/∂k) ‖²
/// ```
///
/// with the weights and taper w, and the low-pass F that compares what both can show: voxels are blurred by
/// interpolation where the images are not, so the finest detail misleads. Data are never resampled: offsets go
/// into the projector.
///
/// # Source
/// M. Odstrčil and others, *Alignment methods for nanotomography with deep subpixel accuracy*, Optics Express 27
/// (2019) 36637–36652; there the components are solved apart, of images shifted by interpolation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpticalFlowParams {
    /// What alignments share.
    pub iteration: IterationParams,
    /// Standard deviation px of the Gaussian low-pass of the last stage, within images only. Default: 1.
    /// On sharp phantoms without it the error along the axis of rotation is three times as large.
    pub smoothing: f64,
    /// Standard deviations px of the low-pass of the stages before, on images as coarse as the coarsest binning.
    /// Default: 4 and 2. They catch displacements of about that many px.
    pub coarse_smoothing: Vec<f64>,
    /// Pixels made one along each axis in the stages before the last, from coarse to fine. Default: powers of 2
    /// that leave images of 48 px or more along both axes, at most 8.
    pub binning: Option<Vec<usize>>,
    /// Strength σ of the high-pass `exp(−σ²/f²)` along both axes, with f in cycles per pixel; 0: none. Default: 0.
    /// For images whose background varies, 0.01; it costs a third of the accuracy where it does not.
    pub high_pass: f64,
    /// Part of each image's length over which it is tapered (Tukey's window). Default: 0.2.
    pub taper: f64,
    /// Longest correction of one step, in pixels of its stage. Default: 2.
    pub max_step: f64,
    /// Part of the last correction that is added to the next while they agree, 0 to below 1. Default: 0.
    pub momentum: f64,
}

impl Default for OpticalFlowParams {
    fn default() -> Self {
        OpticalFlowParams {
            iteration: IterationParams::default(),
            smoothing: 1.0,
            coarse_smoothing: vec![4.0, 2.0],
            binning: None,
            high_pass: 0.0,
            taper: 0.2,
            max_step: 2.0,
            momentum: 0.0,
        }
    }
}

impl OpticalFlowParams {
    /// Checks every parameter by itself.
    ///
    /// # Errors
    /// [`Error::Parameter`] names the first that cannot be.
    pub fn validate(&self) -> Result<()> {
        self.iteration.validate()?;
        for sigma in self.coarse_smoothing.iter().chain([&self.smoothing]) {
            gaussian_kernel(*sigma)?;
        }
        check_not_negative("high_pass", self.high_pass)?;
        check_positive("max_step", self.max_step)?;
        if !(0.0..=1.0).contains(&self.taper) {
            return Err(Error::parameter("taper", "between 0 and 1", self.taper));
        }
        if !(0.0..1.0).contains(&self.momentum) {
            return Err(Error::parameter("momentum", "at least 0 and below 1", self.momentum));
        }
        Ok(())
    }

    fn binnings(&self, shape: [usize; 2]) -> Result<Vec<usize>> {
        let shortest = shape[0].min(shape[1]);
        let Some(given) = &self.binning else {
            return Ok([8, 4, 2].into_iter().filter(|b| shortest / b >= 48).collect());
        };
        match given.iter().find(|b| **b == 0 || **b > shortest) {
            Some(bad) => Err(Error::parameter("binning", "at least 1 and within the images", bad)),
            None => Ok(given.clone()),
        }
    }
}

impl<F: Real> Aligner<F> for OpticalFlowParams {
    fn iteration(&self) -> &IterationParams {
        &self.iteration
    }

    fn name(&self) -> &'static str {
        "optical flow"
    }

    fn momentum(&self) -> f64 {
        self.momentum
    }

    fn stages(&self, geometry: &Geometry) -> Result<Vec<Stage>> {
        self.validate()?;
        let mut binnings = self.binnings(geometry.projection_shape)?;
        binnings.push(1);
        let tolerance = self.iteration.tolerance;
        let stage = |binning: usize, sigma: f64| {
            let size = binning as f64;
            Stage {
                binning,
                scale: sigma,
                tolerance: 0.1 * size * sigma.max(1.0),
                max_step: self.max_step * size,
            }
        };
        let mut stages: Vec<Stage> =
            self.coarse_smoothing.iter().map(|sigma| stage(binnings[0], *sigma)).collect();
        stages.extend(binnings.iter().map(|binning| stage(*binning, self.smoothing)));
        stages.last_mut().expect("the finest").tolerance = tolerance;
        Ok(stages)
    }

    fn corrections(&self, stage: &Stage, images: &Comparison<'_, F>) -> Result<Vec<Correction>> {
        let (n, j, k) = images.images.dim();
        let plan = FlowPlan::<F>::new([j, k], stage.scale, self.high_pass, self.taper)?;
        Ok((0..n)
            .into_par_iter()
            .map_init(
                || ([plan.image(), plan.image()], plan.scratch()),
                |(slopes, scratch), i| {
                    plan.correction(
                        images.images.index_axis(Axis(0), i),
                        images.weights.map(|weights| weights.index_axis_move(Axis(0), i)),
                        images.reprojections.index_axis(Axis(0), i),
                        slopes,
                        scratch,
                    )
                },
            )
            .collect())
    }
}

/// Gauss–Newton steps between images of one shape.
pub(super) struct FlowPlan<F: Real> {
    shape: [usize; 2],
    taper: [Vec<F>; 2],
    kernel: Vec<F>,
    high_pass: Option<HighPass<F>>,
}

/// Memory for the images of one view.
pub(super) struct FlowScratch<F> {
    difference: Array2<F>,
    rows: Array2<F>,
}

/// What one image says of N numbers, of which the re-projection has the derivatives G; E is the image less the
/// re-projection, w its weights and taper, F the filter.
pub(super) struct NormalEquations<const N: usize> {
    /// `⟨F w G_m, F w G_n⟩`.
    pub(super) normal: SMatrix<f64, N, N>,
    /// `⟨F w G_m, F w E⟩`.
    pub(super) right: SVector<f64, N>,
    /// Covariance of the right side if E is white noise of variance 1: the side is `⟨w FᵀF w G, E⟩`.
    pub(super) noise: SMatrix<f64, N, N>,
    /// Weighted mean square of E.
    pub(super) variance: f64,
}

impl<F: Real> FlowPlan<F> {
    pub(super) fn new(shape: [usize; 2], sigma: f64, high_pass: f64, taper: f64) -> Result<Self> {
        Ok(FlowPlan {
            shape,
            taper: shape.map(|n| Window::Tukey(taper).samples(n)),
            kernel: gaussian_kernel(sigma)?.into_iter().map(F::of).collect(),
            high_pass: if high_pass > 0.0 { Some(HighPass::new(shape, high_pass)?) } else { None },
        })
    }

    pub(super) fn scratch(&self) -> FlowScratch<F> {
        FlowScratch { difference: self.image(), rows: self.image() }
    }

    /// An image of the plan's shape.
    pub(super) fn image(&self) -> Array2<F> {
        Array2::zeros(self.shape)
    }

    fn correction(
        &self,
        image: ArrayView2<'_, F>,
        weights: Option<ArrayView2<'_, F>>,
        reprojection: ArrayView2<'_, F>,
        slopes: &mut [Array2<F>; 2],
        scratch: &mut FlowScratch<F>,
    ) -> Correction {
        slopes_into(reprojection, slopes);
        let Some(equations) = self.normal_equations(image, weights, reprojection, slopes, scratch) else {
            return Correction::none();
        };
        let Some(inverse) = inverse(&equations.normal) else { return Correction::none() };
        let shift: [f64; 2] = (inverse * equations.right).into();
        let covariance: [[f64; 2]; 2] = (inverse * equations.noise * inverse * equations.variance).into();
        Correction { shift, covariance, determined: shift.iter().all(|s| s.is_finite()) }
    }

    /// The normal equations of an image; `None` if all of it is masked. Other images take the place of `derivatives`.
    pub(super) fn normal_equations<const N: usize>(
        &self,
        image: ArrayView2<'_, F>,
        weights: Option<ArrayView2<'_, F>>,
        reprojection: ArrayView2<'_, F>,
        derivatives: &mut [Array2<F>; N],
        scratch: &mut FlowScratch<F>,
    ) -> Option<NormalEquations<N>> {
        let variance = mean_square(image, weights, reprojection);
        if variance.is_nan() {
            return None;
        }
        let FlowScratch { difference, rows } = scratch;
        for (index, difference) in difference.indexed_iter_mut() {
            // What is masked may be NaN.
            let masked = weights.is_some_and(|weights| weights[index] == F::zero());
            *difference = if masked { F::zero() } else { image[index] - reprojection[index] };
        }
        for image in derivatives.iter_mut().chain([&mut *difference]) {
            self.weigh(image, weights);
            self.filter(image.view_mut(), rows);
        }
        let normal = products(derivatives);
        let right = SVector::from_fn(|m, _| dot(&derivatives[m], difference));
        for image in derivatives.iter_mut() {
            self.filter(image.view_mut(), rows);
            self.weigh(image, weights);
        }
        Some(NormalEquations { normal, right, noise: products(derivatives), variance })
    }

    /// Multiplies an image by its weights and the taper.
    fn weigh(&self, image: &mut Array2<F>, weights: Option<ArrayView2<'_, F>>) {
        for ((a, b), value) in image.indexed_iter_mut() {
            let weight = weights.map_or(F::one(), |weights| weights[[a, b]]);
            *value *= weight * (self.taper[0][a] * self.taper[1][b]);
        }
    }

    /// Low-pass (zero outside the image) and high-pass; its own transpose.
    fn filter(&self, mut image: ArrayViewMut2<'_, F>, rows: &mut Array2<F>) {
        if self.kernel.len() > 1 {
            for axis in 0..2 {
                rows.assign(&image);
                blur_along(axis, rows, &self.kernel, image.view_mut());
            }
        }
        if let Some(high_pass) = &self.high_pass {
            high_pass.apply(image);
        }
    }
}

/// `out[r] = Σ kernel[i] image[r + i − reach]` along an axis, with zeros outside.
fn blur_along<F: Real>(axis: usize, image: &Array2<F>, kernel: &[F], mut out: ArrayViewMut2<'_, F>) {
    let reach = kernel.len() / 2;
    let n = image.len_of(Axis(axis));
    out.fill(F::zero());
    for (i, weight) in kernel.iter().enumerate() {
        // Target r takes from r + i − reach.
        let (target, source) = if i < reach { (reach - i, 0) } else { (0, i - reach) };
        let length = n.saturating_sub(target.max(source));
        if length == 0 {
            continue;
        }
        let mut to = out.slice_axis_mut(Axis(axis), (target..target + length).into());
        let from = image.slice_axis(Axis(axis), (source..source + length).into());
        to.scaled_add(*weight, &from);
    }
}

/// Scalar products of all pairs.
fn products<F: Real, const N: usize>(images: &[Array2<F>; N]) -> SMatrix<f64, N, N> {
    let mut products = SMatrix::zeros();
    for m in 0..N {
        for n in m..N {
            products[(m, n)] = dot(&images[m], &images[n]);
            products[(n, m)] = products[(m, n)];
        }
    }
    products
}

fn dot<F: Real>(a: &Array2<F>, b: &Array2<F>) -> f64 {
    a.rows()
        .into_iter()
        .zip(b.rows())
        .map(|(a, b)| a.iter().zip(b).map(|(a, b)| a.f64() * b.f64()).sum::<f64>())
        .sum()
}

/// The inverse of normal equations, unless a derivative is 0 or, to rounding, a sum of others.
pub(super) fn inverse<const N: usize>(normal: &SMatrix<f64, N, N>) -> Option<SMatrix<f64, N, N>> {
    let factor = normal.cholesky()?.l();
    // The square of a pivot is what the derivatives before it leave of a derivative's.
    let regular = (0..N).all(|m| factor[(m, m)].powi(2) > 1e-12 * normal[(m, m)]);
    if regular { normal.try_inverse() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_determined_to_rounding_only_has_no_inverse() {
        let matrix = |b: f64| SMatrix::<f64, 2, 2>::new(4.0, b, b, 1.0);
        let found = inverse(&matrix(1.0)).unwrap();
        assert!((found * matrix(1.0) - SMatrix::identity()).amax() < 1e-15);
        for bad in [2.0, 2.0 - 1e-13, 3.0, f64::NAN, f64::INFINITY] {
            assert_eq!(inverse(&matrix(bad)), None, "{bad}");
        }
        assert_eq!(inverse(&SMatrix::<f64, 3, 3>::zeros()), None);
        // However small the numbers are.
        assert!(inverse(&(matrix(1.0) * 1e-100)).is_some());
    }
}
