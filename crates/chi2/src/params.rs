//! What a χ² registration may be told.

use nonius_core::{Error, Frame, Nuisance, Result, SplineDegree};
use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::image::Region;

/// What is made of noise that is correlated between pixels.
///
/// In a file: `ignore`, `sandwich` or `whiten`; false and true stand for the first two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CorrelatedNoise {
    /// Nothing: errors hold for white noise. The default.
    #[default]
    Ignore,
    /// Least squares as for white noise, with the covariance that they have under the noise there is: H⁻¹ M H⁻¹,
    /// `H = Σ ω ωᵀ |F|²/N`, `M = Σ ω ωᵀ |F|² P/N²`. P is the spectrum given with the images
    /// ([`Chi2Image::with_spectrum`](crate::Chi2Image::with_spectrum)), else that of the residuals.
    Sandwich,
    /// Both images are passed through a filter that makes the noise white: least squares weighted with 1/P, which
    /// have the least errors there are. The spectrum must be given with the images, and σ be one number.
    ///
    /// In periodic frames the filter is `1/√P`, exactly, and no pixel may be masked. In overlap frames it is a
    /// short kernel: of those up to 33 px wide the one that promises the least errors, none included; a border as
    /// wide as it reaches takes no part, nor do pixels that near a masked one. What it leaves of the noise'
    /// correlation is in the covariance, by the sandwich; what a spectrum from a blank region misjudges, too, as the
    /// residuals show it. χ², gain and competing minima are those of the filtered
    /// images.
    Whiten,
}

impl<'de> Deserialize<'de> for CorrelatedNoise {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Words;
        impl Visitor<'_> for Words {
            type Value = CorrelatedNoise;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("`ignore`, `sandwich`, `whiten`, true or false")
            }

            fn visit_bool<E: serde::de::Error>(self, allow: bool) -> std::result::Result<CorrelatedNoise, E> {
                Ok(if allow { CorrelatedNoise::Sandwich } else { CorrelatedNoise::Ignore })
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> std::result::Result<CorrelatedNoise, E> {
                match word {
                    "ignore" => Ok(CorrelatedNoise::Ignore),
                    "sandwich" => Ok(CorrelatedNoise::Sandwich),
                    "whiten" => Ok(CorrelatedNoise::Whiten),
                    _ => Err(E::invalid_value(Unexpected::Str(word), &self)),
                }
            }
        }
        deserializer.deserialize_any(Words)
    }
}

/// Parameters of [`chi2_shift`](crate::chi2_shift).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Chi2Params {
    /// Whether frames wrap. Default: [`Frame::Overlap`].
    pub frame: Frame,
    /// Fit a factor between the images. Default: no.
    pub gain: bool,
    /// Fit a constant between the images, as subtracting means would. Default: yes.
    pub offset: bool,
    /// Limits at so many standard deviations. Default: 1.
    pub n_sigma: f64,
    /// Marginal or joint limits. Default: marginal.
    pub region: Region,
    /// Limits where χ² itself has risen by the level, asymmetric; else from the covariance. Default: no.
    pub profile: bool,
    /// What is made of noise that is correlated between pixels. Default: nothing;
    /// [`Chi2Shift::correlated`](crate::Chi2Shift::correlated) says when something is called for.
    pub correlated_noise: CorrelatedNoise,
    /// Other minima are reported if their χ² comes within so much of the least. Default: 25.
    pub competing: f64,
    /// Least overlap that is considered, as a part of the smaller frame, in (0, 1]. Default: 0.3.
    pub min_overlap: f64,
    /// Largest displacement along each axis that is considered, px. Default: none but the frame's.
    pub max_shift: Option<f64>,
    /// Degree of the splines that interpolate frames that do not wrap. Default: 7.
    pub degree: SplineDegree,
}

impl Default for Chi2Params {
    fn default() -> Self {
        Chi2Params {
            frame: Frame::default(),
            gain: false,
            offset: true,
            n_sigma: 1.0,
            region: Region::default(),
            profile: false,
            correlated_noise: CorrelatedNoise::Ignore,
            competing: 25.0,
            min_overlap: 0.3,
            max_shift: None,
            degree: SplineDegree::default(),
        }
    }
}

impl Chi2Params {
    /// The defaults for frames that wrap.
    pub fn periodic() -> Self {
        Chi2Params { frame: Frame::Periodic, ..Default::default() }
    }

    /// Checks every parameter.
    ///
    /// # Errors
    /// [`Error::Parameter`] names the first that cannot be.
    pub fn validate(&self) -> Result<()> {
        let above_0 = |name: &'static str, value: f64| {
            if value > 0.0 && value.is_finite() {
                Ok(())
            } else {
                Err(Error::parameter(name, "above 0 and finite", value))
            }
        };
        above_0("n_sigma", self.n_sigma)?;
        if self.competing.is_nan() || self.competing < 0.0 {
            return Err(Error::parameter("competing", "not negative", self.competing));
        }
        if !(self.min_overlap > 0.0 && self.min_overlap <= 1.0) {
            return Err(Error::parameter("min_overlap", "above 0 and at most 1", self.min_overlap));
        }
        match self.max_shift {
            Some(d) if d.is_nan() || d < 0.0 => Err(Error::parameter("max_shift", "not negative", d)),
            _ => Ok(()),
        }
    }

    pub(crate) fn nuisance(&self) -> Nuisance {
        Nuisance { gain: self.gain, offset: self.offset }
    }

    /// Number of fitted parameters.
    pub(crate) fn n_fitted(&self) -> f64 {
        2.0 + f64::from(u8::from(self.gain)) + f64::from(u8::from(self.offset))
    }
}
