//! Images with what is known of their pixels.

use ndarray::{Array2, ArrayView2};
use nonius_core::{Error, Real, Result, check_not_empty, check_shape};
use serde::{Deserialize, Serialize};

use crate::spectrum::NoiseSpectrum;
use crate::whiten::Correlation;

/// What is known of the noise of an image: standard deviations in the units of its pixels.
#[derive(Debug, Clone, Copy, Default)]
pub enum Noise<'a, F> {
    /// Nothing, but that it is the same everywhere: errors are then scaled by the residuals.
    #[default]
    Unknown,
    /// One standard deviation for all pixels.
    Uniform(f64),
    /// One for each pixel; infinity for a pixel that says nothing.
    PerPixel(ArrayView2<'a, F>),
}

/// An image to be compared.
#[derive(Debug, Clone, Copy)]
pub struct Chi2Image<'a, F> {
    /// Pixels `(y, x)`.
    pub image: ArrayView2<'a, F>,
    /// `true` where a pixel is valid; None if all are. Values under a mask, NaN included, never matter.
    pub mask: Option<ArrayView2<'a, bool>>,
    /// Noise of the pixels.
    pub noise: Noise<'a, F>,
    /// What the noise of neighbouring pixels has in common; None for nothing, or nothing that is known. Of no
    /// account unless [`Chi2Params::correlated_noise`](crate::Chi2Params::correlated_noise) asks for it.
    pub spectrum: Option<&'a NoiseSpectrum>,
}

impl<'a, F: Real> Chi2Image<'a, F> {
    /// An image of which nothing else is known.
    pub fn new(image: ArrayView2<'a, F>) -> Self {
        Chi2Image { image, mask: None, noise: Noise::Unknown, spectrum: None }
    }

    /// The same with noise of standard deviation `sigma` in every pixel.
    pub fn with_sigma(self, sigma: f64) -> Self {
        Chi2Image { noise: Noise::Uniform(sigma), ..self }
    }

    /// The same with the noise of every pixel.
    pub fn with_sigmas(self, sigmas: ArrayView2<'a, F>) -> Self {
        Chi2Image { noise: Noise::PerPixel(sigmas), ..self }
    }

    /// The same with the spectrum of its noise, for frames of this shape.
    pub fn with_spectrum(self, spectrum: &'a NoiseSpectrum) -> Self {
        Chi2Image { spectrum: Some(spectrum), ..self }
    }

    /// The same with a mask, `true` for valid pixels.
    pub fn with_mask(self, mask: ArrayView2<'a, bool>) -> Self {
        Chi2Image { mask: Some(mask), ..self }
    }

    /// Checks shapes and numbers; a copy of the pixels with 0 for missing ones, and their variances with
    /// infinity for those (1 everywhere else if the noise is unknown).
    pub(crate) fn prepared(&self, what: &'static str) -> Result<Prepared> {
        check_not_empty(what, self.image.shape())?;
        if let Some(mask) = &self.mask {
            check_shape("mask", self.image.shape(), mask.shape())?;
        }
        if let Noise::PerPixel(sigmas) = &self.noise {
            check_shape("sigma", self.image.shape(), sigmas.shape())?;
        }
        if let Noise::Uniform(sigma) = self.noise
            && !(sigma > 0.0 && sigma.is_finite())
        {
            return Err(Error::parameter("sigma", "above 0 and finite", sigma));
        }
        let known = !matches!(self.noise, Noise::Unknown);
        if self.mask.is_none() && !matches!(self.noise, Noise::PerPixel(_)) {
            nonius_core::check_finite(what, self.image)?;
            let sigma = if let Noise::Uniform(sigma) = self.noise { sigma } else { 1.0 };
            let variance = Array2::from_elem(self.image.dim(), sigma * sigma);
            return Ok(Prepared {
                pixels: self.image.mapv(F::f64),
                variance,
                known,
                correlation: Correlation::None,
            });
        }
        let mut variance = Array2::from_elem(self.image.dim(), f64::INFINITY);
        let mut pixels = Array2::zeros(self.image.dim());
        for ((y, x), &v) in self.image.indexed_iter() {
            if self.mask.is_some_and(|mask| !mask[[y, x]]) {
                continue;
            }
            let sigma = match &self.noise {
                Noise::Unknown => 1.0,
                Noise::Uniform(sigma) => *sigma,
                Noise::PerPixel(sigmas) => sigmas[[y, x]].f64(),
            };
            if sigma.is_nan() || sigma <= 0.0 {
                let must_be = "above 0 (infinite for a pixel that says nothing)";
                return Err(Error::parameter("sigma", must_be, format!("{sigma} at [{y}, {x}]")));
            }
            if sigma.is_finite() {
                if !v.is_finite() {
                    return Err(Error::NotFinite { what, index: vec![y, x] });
                }
                pixels[[y, x]] = v.f64();
                variance[[y, x]] = sigma * sigma;
            }
        }
        Ok(Prepared { pixels, variance, known, correlation: Correlation::None })
    }
}

/// Pixels in double precision with their variances; a missing pixel is 0 with an infinite variance.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    pub(crate) pixels: Array2<f64>,
    pub(crate) variance: Array2<f64>,
    /// Whether the noise was given.
    pub(crate) known: bool,
    /// Of the moving image: the correlation of both images' noise.
    pub(crate) correlation: Correlation,
}

impl Prepared {
    /// Whether the covariance is to be that under correlated noise.
    pub(crate) fn wants_sandwich(&self) -> bool {
        !matches!(self.correlation, Correlation::None)
    }

    pub(crate) fn weights(&self) -> Array2<f64> {
        self.variance.mapv(|v| 1.0 / v)
    }

    pub(crate) fn valid(&self) -> Array2<bool> {
        self.variance.mapv(f64::is_finite)
    }

    /// Whether every pixel is valid and as noisy as every other.
    pub(crate) fn is_uniform(&self) -> bool {
        let first = self.variance[[0, 0]];
        first.is_finite() && self.variance.iter().all(|&v| v == first)
    }
}

/// Which region the quoted limits enclose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Region {
    /// Each component by itself, the other left free: at 1 σ it holds the truth in 68.3 %. The default.
    #[default]
    Marginal,
    /// The projection of the region that both components share: at 1 σ 1.515 times as wide.
    Joint,
}
