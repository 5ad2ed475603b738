//! What is said of offsets once they are found.

use ndarray::{ArrayView2, ArrayView3, Axis};
use nonius_core::tilt_series::Geometry;
use nonius_core::{Progress, Real, Result, Silent, check_shape};

use super::iteration::{Aligned, Aligner, Alignment, Correction, IterationParams, Stage};
use super::level::Level;
use super::optical_flow::OpticalFlowParams;
use super::report::{StopReason, outliers};

/// Judges `offsets` that come from elsewhere as [`align`](super::align) judges those that it finds: the loss with them
/// and with those of `geometry`, the residual and the standard error of each, what moved the sample as a whole. Its
/// reconstructions are those of `params`, with `final_iterations`; nothing else of them counts.
///
/// The report has no steps, and its history is the offsets of `geometry` and those given.
///
/// # Errors
/// As [`Alignment::new`]; [`Error::Shape`](nonius_core::Error::Shape) unless there is one pair for each view, an error
/// that names the view for one that is not finite; [`Error::Cancelled`](nonius_core::Error::Cancelled).
///
/// # Example
/// ```
/// use nonius_core::NoProgress;
/// use nonius_synthetic::TiltSeriesParams;
/// use nonius_tomography::alignment::{IterationParams, MomentsParams, align_moments, judge_offsets};
/// use nonius_tomography::{AbsorbanceParams, absorbance};
///
/// let series = TiltSeriesParams::default().generate()?.series;
/// let images = absorbance(&AbsorbanceParams::default(), series.images.as_ref().unwrap().view())?.absorbance;
/// let moments = align_moments(&series.geometry, images.view(), None, &MomentsParams::default())?;
///
/// let params = IterationParams::default();
/// let judged =
///     judge_offsets(&params, &series.geometry, &moments.offsets, images.view(), None, &NoProgress)?;
/// assert!(judged.report.loss < 0.1 * judged.report.loss_at_start);
/// # Ok::<(), nonius_core::Error>(())
/// ```
pub fn judge_offsets<F: Real>(
    params: &IterationParams,
    geometry: &Geometry,
    offsets: &[[f64; 2]],
    images: ArrayView3<'_, F>,
    weights: Option<ArrayView3<'_, F>>,
    progress: &dyn Progress,
) -> Result<Aligned<F>> {
    check_shape("offsets", &[geometry.len(), 2], &[offsets.len(), 2])?;
    // The finest stage alone.
    let flow = OpticalFlowParams {
        iteration: params.clone(),
        coarse_smoothing: Vec::new(),
        binning: Some(Vec::new()),
        ..OpticalFlowParams::default()
    };
    let mut alignment =
        Alignment::new(&flow, geometry, images.view(), weights.as_ref().map(|weights| weights.view()))?;
    alignment.offsets = offsets.to_vec();
    let report = &mut alignment.report;
    report.method = "given offsets".to_owned();
    report.history.push(offsets.to_vec());
    report.stop = StopReason::Tolerance;
    progress.start("judging offsets", 1);
    let judged = alignment.judge(progress);
    progress.advance(1);
    progress.finish();
    judged
}

impl<F: Real> Alignment<'_, F> {
    /// Reconstructs with the offsets at the start and with those found, and completes the report.
    pub(super) fn judge(mut self, progress: &dyn Progress) -> Result<Aligned<F>> {
        let finest = *self.stages.last().expect("a stage");
        if self.level.binning != finest.binning {
            let geometry = self.start.clone().with_offsets(&self.offsets)?;
            self.level = Level::new(finest.binning, &geometry, (self.images, self.weights))?;
        }
        let iterations = self.aligner.iteration().final_iterations;
        self.level.warm = false;
        let at_start = self.start.offsets();
        let moved = self.offsets != at_start;
        if moved {
            let found = std::mem::replace(&mut self.offsets, at_start);
            self.report.loss_at_start = self.reconstruct(iterations, progress)?;
            self.offsets = found;
        }
        self.report.loss = self.reconstruct(iterations, progress)?;
        if !moved {
            self.report.loss_at_start = self.report.loss;
        }
        // How well each image is placed does not depend on the method that placed it.
        let found = Aligner::<F>::corrections(
            &OpticalFlowParams::default(),
            &Stage { scale: OpticalFlowParams::default().smoothing, ..finest },
            &self.level.comparison(),
        )?;
        self.report.residuals = self.level.comparison().residuals();
        self.report.outliers = outliers(&self.report.residuals);
        let volume = self.level.volume.take().expect("it was reconstructed");
        let freedom = self.freedom(iterations, progress)?;
        self.level.project(volume)?;
        self.complete_report(&found, &freedom, finest.binning)?;
        let (volume, reprojections) = self.level.into_parts();
        let geometry = self.start.with_offsets(&self.offsets)?;
        Ok(Aligned { geometry, report: self.report, volume, reprojections })
    }

    fn complete_report(&mut self, found: &[Correction], freedom: &[f64], binning: usize) -> Result<()> {
        let change: Vec<[f64; 2]> = self
            .offsets
            .iter()
            .zip(self.start.offsets())
            .map(|(now, before)| [now[0] - before[0], now[1] - before[1]])
            .collect();
        let gauge = self.start.remove_translation(&change)?;
        let report = &mut self.report;
        report.offsets = self.offsets.clone();
        report.translation = gauge.translation.into();
        report.gauge_singular_values = gauge.singular_values;
        let scale = binning as f64;
        report.standard_errors = found
            .iter()
            .zip(freedom)
            .map(|(c, freedom)| [0, 1].map(|axis| scale * (c.covariance[axis][axis] / freedom).sqrt()))
            .collect();
        report.degenerate = (0..found.len()).filter(|i| !found[*i].determined).collect();
        report.mass_spread = spread(&masses(self.images, self.weights));
        Ok(())
    }

    /// The part of each image's noise that its residual still shows, 0.05 to 1: the volume follows the rest.
    ///
    /// Signs of the size of a tenth of the residuals are added to the images at random; the part of them that the
    /// re-projections take up is the influence of an image on its own prediction (S. Ramani and others, IEEE Trans.
    /// Image Process. 17 (2008) 1540–1554).
    fn freedom(&mut self, iterations: usize, progress: &dyn Progress) -> Result<Vec<f64>> {
        let comparison = self.level.comparison();
        let before = &comparison.reprojections;
        let mut squares = 0.0;
        for (index, value) in comparison.images.indexed_iter() {
            if comparison.weights.as_ref().is_none_or(|weights| weights[index] > F::zero()) {
                squares += (value.f64() - before[index].f64()).powi(2);
            }
        }
        let (n, n_j, n_k) = before.dim();
        let size = 0.1 * (squares / before.len() as f64).sqrt();
        let sign = |index: (usize, usize, usize)| if random_bit(index.into()) { size } else { -size };
        let signed_sum = |image: ArrayView2<'_, F>, i: usize| -> f64 {
            image.indexed_iter().map(|((j, k), value)| sign((i, j, k)) * value.f64()).sum()
        };
        let sums: Vec<f64> = (0..n).map(|i| signed_sum(before.index_axis(Axis(0), i), i)).collect();
        let mut perturbed = comparison.images.to_owned();
        perturbed.indexed_iter_mut().for_each(|(index, value)| *value += F::of(sign(index)));
        let (method, progress) = (self.method(iterations), Silent(progress));
        self.level.reconstruct(&method, &self.offsets, Some(perturbed), &progress, &mut self.scratch)?;
        let after = self.level.comparison().reprojections;
        let freedom = |i: usize| {
            let taken_up = signed_sum(after.index_axis(Axis(0), i), i) - sums[i];
            // Without residuals there is nothing to scale.
            let influence = if size > 0.0 { taken_up / (size * size * (n_j * n_k) as f64) } else { 0.0 };
            (1.0 - influence).clamp(0.05, 1.0)
        };
        Ok((0..n).map(freedom).collect())
    }
}

fn masses<F: Real>(images: ArrayView3<'_, F>, weights: Option<ArrayView3<'_, F>>) -> Vec<f64> {
    let mass = |i: usize| match weights {
        None => images.index_axis(Axis(0), i).iter().map(|v| v.f64()).sum(),
        Some(weights) => {
            let pixels = images.index_axis(Axis(0), i);
            let weights = weights.index_axis(Axis(0), i);
            pixels.iter().zip(weights).filter(|(_, w)| **w > F::zero()).map(|(v, _)| v.f64()).sum()
        }
    };
    (0..images.len_of(Axis(0))).map(mass).collect()
}

/// Standard deviation over mean; NaN where the mean is not above 0.
fn spread(masses: &[f64]) -> f64 {
    let n = masses.len() as f64;
    let mean = masses.iter().sum::<f64>() / n;
    let variance = masses.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / n;
    if mean > 0.0 { variance.sqrt() / mean } else { f64::NAN }
}

/// A bit that depends on an index alone: SplitMix64 of it.
fn random_bit([i, j, k]: [usize; 3]) -> bool {
    let mut z = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ (j as u64).wrapping_mul(0xbf58_476d_1ce4_e5b9)
        ^ (k as u64).wrapping_mul(0x94d0_49bb_1331_11eb);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) & 1 == 1
}
