//! What a search for rotation and scale may be told.

use nonius_core::{Error, Result, SplineDegree};
use serde::{Deserialize, Serialize};

/// Parameters of a [`SimilarityPlan`](super::SimilarityPlan).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimilarityParams {
    /// Smallest scale that is searched, above 0 and at most 1. Default: 0.5.
    pub min_scale: f64,
    /// Largest scale that is searched, at least 1 and at most 8. Default: 2.
    pub max_scale: f64,
    /// Angular samples of the spectra over half a turn, 32 to 4096; the radial step is chosen so that
    /// both are the same logarithmic step. Default: 256, which is 0.7° and 1.2 % in scale.
    pub angular_samples: usize,
    /// Lowest frequency that takes part, in cycles per frame, at least 1. Default: 4. Below it there is
    /// the window's own spectrum.
    pub min_cycles: f64,
    /// Highest frequency that takes part, in cycles per px, up to 0.5. Default: 0.4.
    pub max_frequency: f64,
    /// Pairs of angle and scale that the spectra propose, 1 to 64; each is tried with half a turn added,
    /// too. Default: 8.
    pub candidates: usize,
    /// Least part of the smaller of both images (at the scale in question) that both must show, in
    /// (0, 1]. Default: 0.3.
    pub min_overlap: f64,
    /// Refine angle, scale and displacement together by least squares on the pixels. Default: true.
    /// Without it the result is that of the spectra, good to about a degree, and has no covariance.
    pub refine: bool,
    /// Width in px of the Gaussian that both images are smoothed with for the last refinement, 0 to 10.
    /// Default: 0.7. It takes little of the scene but most of the noise, which interpolation would
    /// colour, and of the detail that no interpolation renders.
    pub smoothing: f64,
    /// Degree of the splines whose slopes the interpolation uses. Default: 7.
    pub degree: SplineDegree,
}

impl Default for SimilarityParams {
    fn default() -> Self {
        SimilarityParams {
            min_scale: 0.5,
            max_scale: 2.0,
            angular_samples: 256,
            min_cycles: 4.0,
            max_frequency: 0.4,
            candidates: 8,
            min_overlap: 0.3,
            refine: true,
            smoothing: 0.7,
            degree: SplineDegree::default(),
        }
    }
}

impl SimilarityParams {
    /// Checks every parameter.
    ///
    /// # Errors
    /// [`Error::Parameter`] names the first that cannot be.
    pub fn validate(&self) -> Result<()> {
        let rows = [
            (
                self.min_scale >= 0.125 && self.min_scale <= 1.0,
                "min_scale",
                "from 0.125 to 1",
                self.min_scale,
            ),
            (self.max_scale >= 1.0 && self.max_scale <= 8.0, "max_scale", "from 1 to 8", self.max_scale),
            (
                (32..=4096).contains(&self.angular_samples),
                "angular_samples",
                "from 32 to 4096",
                self.angular_samples as f64,
            ),
            (
                self.min_cycles >= 1.0 && self.min_cycles.is_finite(),
                "min_cycles",
                "finite and at least 1",
                self.min_cycles,
            ),
            (
                self.max_frequency > 0.0 && self.max_frequency <= 0.5,
                "max_frequency",
                "above 0 and at most 0.5 cycles per px",
                self.max_frequency,
            ),
            ((1..=64).contains(&self.candidates), "candidates", "from 1 to 64", self.candidates as f64),
            (
                self.min_overlap > 0.0 && self.min_overlap <= 1.0,
                "min_overlap",
                "above 0 and at most 1",
                self.min_overlap,
            ),
        ];
        let smoothing = (0.0..=10.0).contains(&self.smoothing);
        if !smoothing {
            return Err(Error::parameter("smoothing", "from 0 to 10 px", self.smoothing));
        }
        match rows.into_iter().find(|(holds, ..)| !holds) {
            Some((_, name, must_be, got)) => Err(Error::parameter(name, must_be, got)),
            None => Ok(()),
        }
    }
}
