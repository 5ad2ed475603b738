//! What an instrument recorded, as line integrals.

use ndarray::{Array3, ArrayView3, Axis, Zip};
use nonius_core::tilt_series::TiltSeries;
use nonius_core::{Error, Real, Result};
use nonius_tomography::{AbsorbanceParams, Reference, absorbance};
use serde::{Deserialize, Serialize};

/// Which part of a series is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signal {
    /// The images: transmitted intensity, or an intensity in proportion to thickness. The default.
    #[default]
    Images,
    /// The mean of the scattering channels, which grows with thickness: no logarithm.
    Scattering,
}

/// How images become line integrals.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LineIntegralParams {
    /// Default: [`Signal::Images`].
    pub signal: Signal,
    /// What is subtracted from images in proportion to thickness: their value without a sample. Default: nothing, or
    /// the least pixel of the series if that is below 0.
    pub zero: Option<f64>,
    /// How transmitted intensity becomes absorbance; its [`Reference::Thickness`] takes images as they are.
    pub absorbance: AbsorbanceParams,
}

/// Images that are sums along rays, and which of their pixels count.
#[derive(Debug, Clone, PartialEq)]
pub struct LineIntegrals<F> {
    /// `(N, J, K)`, finite everywhere.
    pub images: Array3<F>,
    /// The same shape, 0 where a pixel is masked; `None` if all count alike.
    pub weights: Option<Array3<F>>,
    /// Pixels that are masked.
    pub n_masked: usize,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// The line integrals of a series. Pixels of weight 0, padding among them, take no part.
///
/// # Errors
/// [`Error::Parameter`] if the series lacks the signal or a parameter is out of range, what [`absorbance()`] and
/// [`TiltSeries::validate`] say.
pub fn line_integrals<F: Real>(
    series: &TiltSeries<F>,
    params: &LineIntegralParams,
) -> Result<LineIntegrals<F>> {
    series.validate()?;
    params.absorbance.validate()?;
    let weights = series
        .weights
        .mean_axis(Axis(3))
        .ok_or(Error::Empty { what: "weights", got: series.weights.shape().to_vec() })?;
    let mut warnings = Vec::new();
    let (images, mask) = match params.signal {
        Signal::Images => {
            let images = series.images.as_ref().ok_or_else(|| {
                Error::parameter("images", "in the series (diode), or scattering to be asked for", "none")
            })?;
            measured(images.view(), weights.view(), params, &mut warnings)?
        }
        Signal::Scattering => {
            let channels = series.scattering.as_ref().and_then(|channels| channels.mean_axis(Axis(3)));
            let images = channels
                .ok_or_else(|| Error::parameter("scattering channels", "in the series (data)", "none"))?;
            let thickness = AbsorbanceParams { reference: Reference::Thickness, ..params.absorbance.clone() };
            let params = LineIntegralParams { absorbance: thickness, ..params.clone() };
            measured(images.view(), weights.view(), &params, &mut warnings)?
        }
    };
    let mut weights = weights;
    Zip::from(&mut weights).and(&mask).for_each(|weight, usable| {
        if !usable {
            *weight = F::zero();
        }
    });
    let n_masked = weights.iter().filter(|w| **w == F::zero()).count();
    if n_masked == weights.len() {
        return Err(Error::parameter("images", "with a pixel that is not masked", "none"));
    }
    let alike = weights.iter().all(|w| *w == F::one());
    Ok(LineIntegrals { images, weights: (!alike).then_some(weights), n_masked, warnings })
}

/// Line integrals, and which pixels are usable.
fn measured<F: Real>(
    images: ArrayView3<'_, F>,
    weights: ArrayView3<'_, F>,
    params: &LineIntegralParams,
    warnings: &mut Vec<String>,
) -> Result<(Array3<F>, Array3<bool>)> {
    // What is not a number is in no median of air, and masked.
    let mut seen = images.to_owned();
    Zip::from(&mut seen).and(weights).for_each(|pixel, weight| {
        if *weight == F::zero() {
            *pixel = F::nan();
        }
    });
    let found = absorbance(&params.absorbance, seen.view())?;
    let mut values = found.absorbance;
    if params.absorbance.reference == Reference::Thickness {
        let least = seen.iter().filter(|v| v.is_finite()).fold(f64::INFINITY, |least, v| least.min(v.f64()));
        if params.zero.is_none() && least < 0.0 {
            warnings.push(format!("thicknesses are counted from the least pixel, {least}"));
        }
        let zero = F::of(params.zero.unwrap_or(if least.is_finite() { least.min(0.0) } else { 0.0 }));
        if !zero.is_finite() {
            return Err(Error::parameter("zero", "finite", zero));
        }
        Zip::from(&mut values).and(&found.mask).for_each(|value, usable| {
            if *usable {
                *value -= zero;
            }
        });
    }
    Ok((values, found.mask))
}
