//! How disks are looked for.

use nonius_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::disk_fit::FitParams;
use crate::Intensity;

/// How a [`CorrelationPlan`](crate::CorrelationPlan) looks for disks.
///
/// The default is what `cargo xtask accuracy` favours: windows of their own, the logarithm for finding a disk, and
/// the counts themselves for its position.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct CorrelationParams {
    /// What is correlated with the template. Default: windows.
    pub method: Method,
    /// Transform of pixel values before correlation. Default: logarithm.
    pub intensity: Intensity,
    /// Whether maps are of correlation coefficients, −1 to 1, in place of sums of products. Default: false.
    ///
    /// The coefficient is that of the template with the pixels beneath it and in a ring of half a radius around it,
    /// missing pixels and those beyond the frame left out: of a beam stop it sees nothing, where sums of products see
    /// its edge. Neither gain nor offset of [linear](Intensity::Linear) pixels changes it, nor does a slow background
    /// much; but a faint disk counts as much as a bright one, and noise without a disk reaches about 3/√n of n pixels. 0
    /// where all pixels are the same, or where those that there are show less than a quarter of the template's
    /// contrast. It takes about three times as long, and has no refinement by a spectrum; elevations are of
    /// coefficients, far below those of products, so that weights should be heights.
    pub normalized: bool,
    /// What stands beyond the frame. Default: the least value.
    pub border: Border,
    /// How the position is refined below a pixel. Default: a fit to the pixels.
    pub refinement: Refinement,
}

/// What is correlated with the template. `s` is the template's `⌈search⌉`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Method {
    /// A window of 2s × 2s pixels around each position, by Fourier transform: the map wraps at its edges. Quickest
    /// for few disks on large frames.
    #[default]
    Crop,
    /// The whole frame once, by Fourier transform, of which each position sees its window.
    Full,
    /// Sums for each of `(2·steps + 1)²` displacements, pixels beyond the frame left out. Nothing wraps.
    Direct {
        /// Greatest displacement along an axis, px.
        steps: usize,
    },
}

/// What stands where a frame has no pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Border {
    /// The least value of the window; maxima beyond the frame are not looked for in whole-frame maps.
    #[default]
    Minimum,
    /// 0, before the transform of intensities as well as in whole-frame maps, and windows without signal answer with
    /// their first pixel: for comparison with LiberTEM-blobfinder 0.6.1, which a bright background thereby draws away
    /// from the border.
    Zero,
}

/// How a position is refined below a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Refinement {
    /// The pixel of the maximum.
    Pixel,
    /// Centre of mass of the map within ±`radius` px of the maximum, its least value subtracted.
    CenterOfMass {
        /// Half the side of the square, px; less near the map's edge.
        radius: usize,
    },
    /// Vertex of the least-squares paraboloid through 3 × 3 elements.
    Paraboloid,
    /// Maximum of the map as a trigonometric polynomial, by Newton's method.
    Continuous,
    /// The greatest of samples of that polynomial 1/`factor` px apart.
    Upsampled {
        /// Samples per pixel.
        factor: usize,
    },
    /// As LiberTEM-blobfinder 0.6.1 upsamples: the modulus of the polynomial's half with kₓ ≥ 0, which is the
    /// envelope of the map and has its maximum elsewhere where the template has structure of its own. For
    /// comparison only.
    Envelope {
        /// Samples per pixel.
        factor: usize,
    },
    /// Least χ² between the pixels and the template on a local background; with a covariance. See [`FitParams`].
    Fit(FitParams),
}

impl Default for Refinement {
    fn default() -> Self {
        Refinement::Fit(FitParams::default())
    }
}

impl CorrelationParams {
    /// The parameters that reproduce LiberTEM-blobfinder 0.6.1, number for number: for comparing with results of old.
    /// `upsample_factor` 0 or 1: centre of mass.
    pub fn compatible(method: Method, upsample_factor: usize) -> Self {
        CorrelationParams {
            method,
            intensity: Intensity::Log,
            normalized: false,
            border: Border::Zero,
            refinement: match upsample_factor {
                0 | 1 => Refinement::CenterOfMass { radius: 2 },
                factor => Refinement::Envelope { factor },
            },
        }
    }

    /// Checks each field.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn validate(&self) -> Result<()> {
        self.intensity.validate()?;
        if let Method::Direct { steps } = self.method
            && steps > 1024
        {
            return Err(Error::parameter("steps", "1024 or less", steps));
        }
        if self.normalized && self.border == Border::Zero {
            return Err(Error::parameter(
                "border",
                "minimum, for coefficients leave out what is beyond",
                "zero",
            ));
        }
        let without_spectrum = match self.method {
            Method::Direct { .. } => Some("one that needs no spectrum, for the direct method has none"),
            _ if self.normalized => Some("one that needs no spectrum, for coefficients have none"),
            _ => None,
        };
        match self.refinement {
            Refinement::Upsampled { factor } | Refinement::Envelope { factor } => {
                if !(2..=1000).contains(&factor) {
                    return Err(Error::parameter("upsample factor", "2 to 1000", factor));
                }
                if let Some(expected) = without_spectrum {
                    return Err(Error::parameter("refinement", expected, "an upsampled map"));
                }
            }
            Refinement::Continuous => {
                if let Some(expected) = without_spectrum {
                    return Err(Error::parameter("refinement", expected, "a continuous maximum"));
                }
            }
            Refinement::Fit(fit) => fit.validate()?,
            _ => {}
        }
        Ok(())
    }
}
