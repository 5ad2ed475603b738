//! Images with what is known of their pixels.

use ndarray::{Array2, ArrayView2};
use nonius_core::{Error, Real, Result, check_not_empty, check_shape};
use serde::{Deserialize, Serialize};

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
}

impl<'a, F: Real> Chi2Image<'a, F> {
    /// An image of which nothing else is known.
    pub fn new(image: ArrayView2<'a, F>) -> Self {
        Chi2Image { image, mask: None, noise: Noise::Unknown }
    }

    /// The same with noise of standard deviation `sigma` in every pixel.
    pub fn with_sigma(self, sigma: f64) -> Self {
        Chi2Image { noise: Noise::Uniform(sigma), ..self }
    }

    /// The same with the noise of every pixel.
    pub fn with_sigmas(self, sigmas: ArrayView2<'a, F>) -> Self {
        Chi2Image { noise: Noise::PerPixel(sigmas), ..self }
    }

    /// The same with a mask, `true` for valid pixels.
    pub fn with_mask(self, mask: ArrayView2<'a, bool>) -> Self {
        Chi2Image { mask: Some(mask), ..self }
    }

    /// Checks shapes and a uniform σ.
    fn check(&self, what: &'static str) -> Result<()> {
        check_not_empty(what, self.image.shape())?;
        if let Some(mask) = &self.mask {
            check_shape("mask", self.image.shape(), mask.shape())?;
        }
        match self.noise {
            Noise::PerPixel(sigmas) => check_shape("sigma", self.image.shape(), sigmas.shape()),
            Noise::Uniform(sigma) if !(sigma > 0.0 && sigma.is_finite()) => {
                Err(Error::parameter("sigma", "above 0 and finite", sigma))
            }
            _ => Ok(()),
        }
    }

    /// The variance of all pixels (1 if the noise is unknown), if all are valid and as noisy as each other.
    pub(crate) fn uniform_variance(&self, what: &'static str) -> Result<Option<f64>> {
        self.check(what)?;
        if self.mask.is_some_and(|mask| mask.iter().any(|valid| !valid)) {
            return Ok(None);
        }
        let sigma = match self.noise {
            Noise::Unknown => 1.0,
            Noise::Uniform(sigma) => sigma,
            Noise::PerPixel(sigmas) => {
                let first = sigmas[[0, 0]];
                let alike = first > F::zero() && first.is_finite() && sigmas.iter().all(|&v| v == first);
                if alike { first.f64() } else { return Ok(None) }
            }
        };
        Ok(Some(sigma * sigma))
    }

    /// Whether its noise was given.
    pub(crate) fn is_noise_known(&self) -> bool {
        !matches!(self.noise, Noise::Unknown)
    }

    /// Checks shapes and numbers; a copy of the pixels with 0 for missing ones, and their variances with
    /// infinity for those (1 everywhere else if the noise is unknown).
    pub(crate) fn prepared(&self, what: &'static str) -> Result<Prepared> {
        self.check(what)?;
        let known = self.is_noise_known();
        if self.mask.is_none() && !matches!(self.noise, Noise::PerPixel(_)) {
            nonius_core::check_finite(what, self.image)?;
            let sigma = if let Noise::Uniform(sigma) = self.noise { sigma } else { 1.0 };
            let variance = Array2::from_elem(self.image.dim(), sigma * sigma);
            return Ok(Prepared { pixels: self.image.mapv(F::f64), variance, known });
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
        Ok(Prepared { pixels, variance, known })
    }
}

/// Pixels in double precision with their variances; a missing pixel is 0 with an infinite variance.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    pub(crate) pixels: Array2<f64>,
    pub(crate) variance: Array2<f64>,
    /// Whether the noise was given.
    pub(crate) known: bool,
}

impl Prepared {
    pub(crate) fn weights(&self) -> Array2<f64> {
        self.variance.mapv(|v| 1.0 / v)
    }

    pub(crate) fn valid(&self) -> Array2<bool> {
        self.variance.mapv(f64::is_finite)
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
