//! Images with what is known of their pixels.

use ndarray::{Array2, ArrayView2, s};
use nonius_core::{Error, Real, Result, check_not_empty, check_shape};
use serde::{Deserialize, Serialize};

use crate::spectrum::NoiseSpectrum;

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

    pub(crate) fn check_spectrum(&self) -> Result<()> {
        self.spectrum.map_or(Ok(()), |spectrum| spectrum.check_shape(self.image.shape()))
    }

    /// Whether its noise was given.
    pub(crate) fn is_noise_known(&self) -> bool {
        !matches!(self.noise, Noise::Unknown)
    }

    /// Checks shapes and numbers; a copy of the pixels in double precision.
    pub(crate) fn prepared(&self, what: &'static str) -> Result<Prepared<f64>> {
        self.less(what, 0.0)
    }

    /// The same in the type of the pixels, their mean taken out so that its digits do not take up theirs.
    pub(crate) fn centred(&self, what: &'static str) -> Result<Prepared<F>> {
        self.check(what)?;
        let rows = (0..self.image.nrows()).map(|y| {
            let valid = |x: &usize| self.sigma([y, *x]).is_finite() && self.image[[y, *x]].is_finite();
            (0..self.image.ncols())
                .filter(valid)
                .fold((0.0, 0), |(sum, n), x| (sum + self.image[[y, x]].f64(), n + 1))
        });
        let (sum, n) = rows.fold((0.0, 0), |(sum, n), (s, k)| (sum + s, n + k));
        self.less(what, sum / f64::from(n.max(1)))
    }

    /// Standard deviation of a pixel, 1 if it is unknown, infinite for one that says nothing.
    fn sigma(&self, at: [usize; 2]) -> f64 {
        match &self.noise {
            _ if self.mask.is_some_and(|mask| !mask[at]) => f64::INFINITY,
            Noise::Unknown => 1.0,
            Noise::Uniform(sigma) => *sigma,
            Noise::PerPixel(sigmas) => sigmas[at].f64(),
        }
    }

    fn less<G: Real>(&self, what: &'static str, mean: f64) -> Result<Prepared<G>> {
        self.check(what)?;
        let known = self.is_noise_known();
        if self.mask.is_none() && !matches!(self.noise, Noise::PerPixel(_)) {
            nonius_core::check_finite(what, self.image)?;
            let variance = Variance::Uniform(self.sigma([0, 0]).powi(2));
            let pixels = self.image.mapv(|v| G::of(v.f64() - mean));
            return Ok(Prepared { pixels, variance, known, mean });
        }
        let mut variance = Array2::from_elem(self.image.dim(), G::infinity());
        let mut pixels = Array2::zeros(self.image.dim());
        for ((y, x), &v) in self.image.indexed_iter() {
            let sigma = self.sigma([y, x]);
            if sigma.is_nan() || sigma <= 0.0 {
                let must_be = "above 0 (infinite for a pixel that says nothing)";
                return Err(Error::parameter("sigma", must_be, format!("{sigma} at [{y}, {x}]")));
            }
            if sigma.is_finite() {
                if !v.is_finite() {
                    return Err(Error::NotFinite { what, index: vec![y, x] });
                }
                pixels[[y, x]] = G::of(v.f64() - mean);
                variance[[y, x]] = G::of(sigma * sigma);
            }
        }
        Ok(Prepared { pixels, variance: Variance::PerPixel(variance), known, mean })
    }
}

/// Variances of pixels: infinite for a missing one, 1 for the others if the noise is unknown.
#[derive(Debug, Clone)]
pub(crate) enum Variance<F> {
    Uniform(f64),
    PerPixel(Array2<F>),
}

/// Pixels less `mean`, 0 where one is missing, with their variances.
#[derive(Debug, Clone)]
pub(crate) struct Prepared<F> {
    pub(crate) pixels: Array2<F>,
    pub(crate) variance: Variance<F>,
    /// Whether the noise was given.
    pub(crate) known: bool,
    pub(crate) mean: f64,
}

impl<F: Real> Prepared<F> {
    pub(crate) fn variance(&self, at: [usize; 2]) -> f64 {
        match &self.variance {
            Variance::Uniform(variance) => *variance,
            Variance::PerPixel(variances) => variances[at].f64(),
        }
    }

    pub(crate) fn variances(&self) -> Array2<F> {
        self.of_variance(F::of)
    }

    pub(crate) fn weights(&self) -> Array2<F> {
        self.of_variance(|v| F::of(1.0 / v))
    }

    pub(crate) fn valid(&self) -> Array2<bool> {
        self.of_variance(f64::is_finite)
    }

    /// Whether no pixel is missing.
    pub(crate) fn is_complete(&self) -> bool {
        match &self.variance {
            Variance::Uniform(_) => true,
            Variance::PerPixel(variances) => variances.iter().all(|v| v.is_finite()),
        }
    }

    /// Mean variance of the pixels that are there, 1 if there is none.
    pub(crate) fn mean_variance(&self) -> f64 {
        match &self.variance {
            Variance::Uniform(variance) => *variance,
            Variance::PerPixel(variances) => {
                let finite = variances.iter().filter(|v| v.is_finite());
                let (sum, n) = finite.fold((0.0, 0.0), |(sum, n), v| (sum + v.f64(), n + 1.0));
                if n > 0.0 { sum / n } else { 1.0 }
            }
        }
    }

    /// Whether all pixels that are there are as noisy as each other.
    pub(crate) fn is_even(&self) -> bool {
        match &self.variance {
            Variance::Uniform(_) => true,
            Variance::PerPixel(variances) => {
                let mut finite = variances.iter().filter(|v| v.is_finite());
                finite.next().is_none_or(|first| finite.all(|v| v == first))
            }
        }
    }

    /// Makes the pixels that are not `usable` missing ones.
    pub(crate) fn hide(&mut self, usable: &Array2<bool>) {
        let mut variances = self.variances();
        for ((at, variance), _) in variances.indexed_iter_mut().zip(usable).filter(|(_, usable)| !**usable) {
            *variance = F::infinity();
            self.pixels[at] = F::zero();
        }
        self.variance = Variance::PerPixel(variances);
    }

    /// Without so many rows and columns at every border.
    pub(crate) fn cropped(self, border: usize) -> Self {
        let inside = |image: &Array2<F>| {
            let (h, w) = image.dim();
            image.slice(s![border..h - border, border..w - border]).to_owned()
        };
        let variance = match &self.variance {
            Variance::Uniform(variance) => Variance::Uniform(*variance),
            Variance::PerPixel(variances) => Variance::PerPixel(inside(variances)),
        };
        Prepared { pixels: inside(&self.pixels), variance, ..self }
    }

    fn of_variance<T: Clone>(&self, of: impl Fn(f64) -> T) -> Array2<T> {
        match &self.variance {
            Variance::Uniform(variance) => Array2::from_elem(self.pixels.dim(), of(*variance)),
            Variance::PerPixel(variances) => variances.map(|v| of(v.f64())),
        }
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
