//! What a registration may be told.

use nonius_core::{Error, Frame, Result, SplineDegree, Window};
use serde::{Deserialize, Serialize};

/// What is maximised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Cross-correlation: the maximum-likelihood displacement under white noise. The default.
    #[default]
    Cross,
    /// Phase correlation: every frequency counts alike, whatever its strength. Sharp on textures and under
    /// changes of lighting; on smooth scenes most frequencies are noise and errors grow tenfold or more.
    Phase,
}

/// How far below one pixel.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refinement {
    /// The continuous optimum, on no grid. The default.
    #[default]
    Continuous,
    /// The best point of a grid of `factor` points per pixel (Guizar-Sicairos and others, 2008).
    Upsampled {
        /// Points per pixel, 1 to 1000.
        factor: f64,
    },
    /// Whole pixels.
    WholePixel,
}

/// How frequencies are weighted in a periodic cross-correlation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weighting {
    /// By coherence where the data show that both images are noisy, else plainly. The default.
    #[default]
    Auto,
    /// All alike: right where the reference is free of noise.
    Plain,
    /// By `γ²/(1−γ²)` over the scene's spectrum, both estimated from the images: right where both are noisy.
    Coherence,
}

/// Parameters of a [`RegistrationPlan`](crate::RegistrationPlan).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistrationParams {
    /// Whether frames wrap. Default: [`Frame::Overlap`].
    pub frame: Frame,
    /// Cross or phase correlation. Default: [`Method::Cross`].
    pub method: Method,
    /// Sub-pixel refinement. Default: [`Refinement::Continuous`].
    pub refinement: Refinement,
    /// Weights of frequencies in periodic frames. Default: [`Weighting::Auto`].
    pub weighting: Weighting,
    /// Least overlap of the frames that is considered, as a part of the smaller frame, in (0, 1].
    /// Default: 0.3. Smaller overlaps match by chance more often.
    pub min_overlap: f64,
    /// Largest displacement along each axis that is considered, px. Default: none but the frame's.
    pub max_shift: Option<f64>,
    /// Window that both images are multiplied by, after their mean is subtracted; periodic frames only.
    /// Default: none.
    pub window: Window,
    /// For periodic correlation of frames that do not truly wrap: of the displacements that the wrapped
    /// maximum may stand for (d, d − n, d + n along each axis), take the one whose overlap correlates best.
    /// Default: false.
    pub disambiguate: bool,
    /// Degree of the splines that interpolate frames that do not wrap. Default: 7.
    pub degree: SplineDegree,
    /// A second optimum whose χ² lies less than this above the best one makes the result
    /// [`Status::Ambiguous`](crate::Status::Ambiguous). Default: 9, three standard deviations.
    pub ambiguity: f64,
}

impl Default for RegistrationParams {
    fn default() -> Self {
        RegistrationParams {
            frame: Frame::default(),
            method: Method::default(),
            refinement: Refinement::default(),
            weighting: Weighting::default(),
            min_overlap: 0.3,
            max_shift: None,
            window: Window::default(),
            disambiguate: false,
            degree: SplineDegree::default(),
            ambiguity: 9.0,
        }
    }
}

impl RegistrationParams {
    /// The defaults for frames that wrap.
    pub fn periodic() -> Self {
        RegistrationParams { frame: Frame::Periodic, ..Self::default() }
    }

    /// Checks every parameter by itself and against the others.
    ///
    /// # Errors
    /// [`Error::Parameter`] names the first that cannot be.
    pub fn validate(&self) -> Result<()> {
        if !(self.min_overlap > 0.0 && self.min_overlap <= 1.0) {
            return Err(Error::parameter("min_overlap", "above 0 and at most 1", self.min_overlap));
        }
        if let Some(limit) = self.max_shift
            && !(limit.is_finite() && limit >= 0.0)
        {
            return Err(Error::parameter("max_shift", "finite and not negative", limit));
        }
        if self.ambiguity.is_nan() || self.ambiguity < 0.0 {
            return Err(Error::parameter("ambiguity", "not negative", self.ambiguity));
        }
        if let Refinement::Upsampled { factor } = self.refinement
            && !(1.0..=1e3).contains(&factor)
        {
            return Err(Error::parameter(
                "upsample_factor",
                "between 1 and 1000 (or take the continuous refinement)",
                factor,
            ));
        }
        if self.frame == Frame::Overlap {
            let periodic_only = [
                (self.method == Method::Phase, "method", "cross unless the frame is periodic", "phase"),
                (self.window != Window::None, "window", "none unless the frame is periodic", "a window"),
                (self.disambiguate, "disambiguate", "false unless the frame is periodic", "true"),
            ];
            if let Some((_, name, must_be, got)) = periodic_only.into_iter().find(|(given, ..)| *given) {
                return Err(Error::parameter(name, must_be, got));
            }
        }
        Ok(())
    }
}
