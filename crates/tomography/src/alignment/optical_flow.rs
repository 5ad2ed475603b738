//! Alignment by the optical flow from each image to its re-projection.

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis};
use nonius_core::tilt_series::Geometry;
use nonius_core::{
    Error, Real, Result, Window, check_not_negative, check_positive, gaussian_kernel, slopes_into,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::image_operations::HighPass;
use super::iteration::{Aligner, Comparison, Correction, IterationParams, Stage};

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
                || plan.scratch(),
                |scratch, i| {
                    plan.correction(
                        images.images.index_axis(Axis(0), i),
                        images.weights.map(|weights| weights.index_axis_move(Axis(0), i)),
                        images.reprojections.index_axis(Axis(0), i),
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

struct FlowScratch<F> {
    slopes: [Array2<F>; 2],
    difference: Array2<F>,
    filtered: [Array2<F>; 3],
    rows: Array2<F>,
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

    fn scratch(&self) -> FlowScratch<F> {
        let image = || Array2::zeros(self.shape);
        FlowScratch {
            slopes: [image(), image()],
            difference: image(),
            filtered: [image(), image(), image()],
            rows: image(),
        }
    }

    fn correction(
        &self,
        image: ArrayView2<'_, F>,
        weights: Option<ArrayView2<'_, F>>,
        reprojection: ArrayView2<'_, F>,
        scratch: &mut FlowScratch<F>,
    ) -> Correction {
        let FlowScratch { slopes, difference, filtered, rows } = scratch;
        slopes_into(reprojection, slopes);
        let (mut squares, mut total) = (0.0, 0.0);
        for ((a, b), difference) in difference.indexed_iter_mut() {
            let weight = weights.map_or(F::one(), |weights| weights[[a, b]]);
            let taper = self.taper[0][a] * self.taper[1][b];
            // What is masked may be NaN.
            let d = if weight > F::zero() { image[[a, b]] - reprojection[[a, b]] } else { F::zero() };
            squares += (weight * d * d).f64();
            total += weight.f64();
            *difference = weight * taper * d;
            for slope in slopes.iter_mut() {
                slope[[a, b]] *= weight * taper;
            }
        }
        if total <= 0.0 {
            return Correction::none(f64::NAN);
        }
        let variance = squares / total;
        let residual = variance.sqrt();
        let [slope_j, slope_k] = slopes;
        for (from, to) in [&*slope_j, &*slope_k, &*difference].into_iter().zip(filtered.iter_mut()) {
            to.assign(from);
            self.filter(to.view_mut(), rows);
        }
        let [f_j, f_k, f_d] = &*filtered;
        let normal = [[dot(f_j, f_j), dot(f_j, f_k)], [dot(f_j, f_k), dot(f_k, f_k)]];
        let right = [dot(f_j, f_d), dot(f_k, f_d)];
        let Some(inverse) = inverse(normal) else { return Correction::none(residual) };
        let shift = [0, 1].map(|axis| inverse[axis][0] * right[0] + inverse[axis][1] * right[1]);
        // The right side is ⟨F w G, F w E⟩ = ⟨w FᵀF w G, E⟩: what white noise in E does to it.
        for slope in &mut filtered[..2] {
            self.filter(slope.view_mut(), rows);
        }
        let mut noise = [[0.0; 2]; 2];
        for ((a, b), f_j) in filtered[0].indexed_iter() {
            let weight = weights.map_or(F::one(), |weights| weights[[a, b]]);
            let weight = weight * self.taper[0][a] * self.taper[1][b];
            let g = [(weight * *f_j).f64(), (weight * filtered[1][[a, b]]).f64()];
            for (row, g_row) in noise.iter_mut().zip(g) {
                row[0] += g_row * g[0];
                row[1] += g_row * g[1];
            }
        }
        let covariance = product(product(inverse, noise), inverse).map(|row| row.map(|c| variance * c));
        Correction { shift, covariance, residual, determined: shift.iter().all(|s| s.is_finite()) }
    }

    /// Multiplies an image by its weights and the taper.
    pub(super) fn weigh(&self, image: &mut Array2<F>, weights: Option<ArrayView2<'_, F>>) {
        for ((a, b), value) in image.indexed_iter_mut() {
            let weight = weights.map_or(F::one(), |weights| weights[[a, b]]);
            *value *= weight * self.taper[0][a] * self.taper[1][b];
        }
    }

    /// Image less re-projection, weighted and tapered, and its weighted mean square; `None` if all is masked.
    pub(super) fn difference(
        &self,
        image: ArrayView2<'_, F>,
        weights: Option<ArrayView2<'_, F>>,
        reprojection: ArrayView2<'_, F>,
    ) -> Option<(Array2<F>, f64)> {
        let mut difference = Array2::zeros(self.shape);
        let (mut squares, mut total) = (0.0, 0.0);
        for ((a, b), difference) in difference.indexed_iter_mut() {
            let weight = weights.map_or(F::one(), |weights| weights[[a, b]]);
            // What is masked may be NaN.
            if weight > F::zero() {
                *difference = image[[a, b]] - reprojection[[a, b]];
                squares += (weight * *difference * *difference).f64();
                total += weight.f64();
            }
        }
        self.weigh(&mut difference, weights);
        (total > 0.0).then(|| (difference, squares / total))
    }

    /// Low-pass (zero outside the image) and high-pass; its own transpose.
    pub(super) fn filter(&self, mut image: ArrayViewMut2<'_, F>, rows: &mut Array2<F>) {
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

pub(super) fn dot<F: Real>(a: &Array2<F>, b: &Array2<F>) -> f64 {
    a.rows()
        .into_iter()
        .zip(b.rows())
        .map(|(a, b)| a.iter().zip(b).map(|(a, b)| a.f64() * b.f64()).sum::<f64>())
        .sum()
}

/// The inverse of a symmetric matrix, unless it is 0 or has no inverse.
fn inverse([[a, b], [_, d]]: [[f64; 2]; 2]) -> Option<[[f64; 2]; 2]> {
    let determinant = a * d - b * b;
    // NaN is neither.
    let regular = determinant > 1e-12 * a * d && a * d > 0.0;
    regular.then(|| [[d / determinant, -b / determinant], [-b / determinant, a / determinant]])
}

fn product(a: [[f64; 2]; 2], b: [[f64; 2]; 2]) -> [[f64; 2]; 2] {
    [0, 1].map(|row| [0, 1].map(|column| a[row][0] * b[0][column] + a[row][1] * b[1][column]))
}
