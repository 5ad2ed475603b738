//! What an alignment says about itself.

use nonius_core::median;
use serde::{Deserialize, Serialize};

/// Why an alignment stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// Every correction fell below the tolerance.
    Tolerance,
    /// The number of steps was used up.
    MaxIterations,
    /// The largest correction has not shrunk by a tenth for several steps.
    Stalled,
    /// As stalled, after steps that took each other back had been halved more than once.
    Oscillating,
}

/// One step of an alignment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// Number of the stage, from 0.
    pub stage: usize,
    /// Pixels that were made one along each axis.
    pub binning: usize,
    /// Loss of the reconstruction with the offsets before the step.
    pub loss: f64,
    /// Length of the largest correction, px, before any limit.
    pub largest: f64,
    /// Root mean square of the corrections' lengths, px.
    pub rms: f64,
}

/// How an alignment went, and how far to believe it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlignmentReport {
    /// The method's name.
    pub method: String,
    /// `[j, k]` offsets found, px.
    pub offsets: Vec<[f64; 2]>,
    /// 1σ of each offset, px: the noise of the residual, less what the volume followed, through the normal
    /// equations with the volume held. NaN for projections that say nothing.
    pub standard_errors: Vec<[f64; 2]>,
    /// Offsets before the first step and after each.
    pub history: Vec<Vec<[f64; 2]>>,
    /// The steps.
    pub steps: Vec<StepReport>,
    /// Why it stopped.
    pub stop: StopReason,
    /// How often steps were halved because they took each other back.
    pub halvings: usize,
    /// Loss of the final reconstruction with the offsets found.
    pub loss: f64,
    /// Loss of the same reconstruction with the offsets at the start: the check that needs no truth.
    pub loss_at_start: f64,
    /// Root-mean-square difference of each image and its re-projection, in units of the images.
    pub residuals: Vec<f64>,
    /// Projections whose residual is more than 5 median absolute deviations (each at least a twentieth of the
    /// median) above the median.
    pub outliers: Vec<usize>,
    /// Projections that say nothing (flat, or masked wholly): they kept their offsets.
    pub degenerate: Vec<usize>,
    /// Standard deviation of the images' sums over their mean; above 0.02 the sample leaves the field of view.
    pub mass_spread: f64,
    /// Translation (x, y, z) of the sample in the offsets found less those at the start, voxels; what no
    /// alignment can know.
    pub translation: [f64; 3],
    /// The part of it that centring put there.
    pub centred_by: [f64; 3],
    /// Singular values of the translation's effect on offsets, largest first, per root of view: see
    /// [`Translated`](nonius_core::tilt_series::Translated).
    pub gauge_singular_values: [f64; 3],
}

impl AlignmentReport {
    pub(super) fn begin(method: &str, offsets: &[[f64; 2]]) -> Self {
        AlignmentReport {
            method: method.to_owned(),
            offsets: offsets.to_vec(),
            standard_errors: Vec::new(),
            history: vec![offsets.to_vec()],
            steps: Vec::new(),
            stop: StopReason::MaxIterations,
            halvings: 0,
            loss: f64::NAN,
            loss_at_start: f64::NAN,
            residuals: Vec::new(),
            outliers: Vec::new(),
            degenerate: Vec::new(),
            mass_spread: f64::NAN,
            translation: [0.0; 3],
            centred_by: [0.0; 3],
            gauge_singular_values: [0.0; 3],
        }
    }

    pub(super) fn record(&mut self, step: StepReport, offsets: &[[f64; 2]]) {
        self.steps.push(step);
        self.history.push(offsets.to_vec());
    }
}

/// Indices of values more than 5 median absolute deviations above the median; deviations below a twentieth of
/// the median count as that.
pub fn outliers(values: &[f64]) -> Vec<usize> {
    let middle = median(values.iter().copied());
    let deviation = median(values.iter().map(|v| (v - middle).abs()));
    let limit = middle + 5.0 * deviation.max(0.05 * middle.abs());
    (0..values.len()).filter(|i| values[*i] > limit).collect()
}
