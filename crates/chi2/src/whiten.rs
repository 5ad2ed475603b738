//! A pair of images made ready for a fit, whitened if asked for: passed through one filter after which the noise
//! is white, or as white as a short kernel can make it.
//!
//! As both images pass through it, the displacement stays what it was.

use ndarray::{Array2, ArrayView2};
use nonius_core::{
    Error, Frame, Real, RealFft2, Result, check_finite, check_shape, frequency, trusted_places,
};

use crate::image::{Chi2Image, Prepared};
use crate::noise::SharedNoise;
use crate::params::{Chi2Params, CorrelatedNoise};
use crate::spectrum::{NoiseSpectrum, filtered, half_layout, periodogram};

/// Reaches of kernels that are tried, px.
const REACHES: [usize; 9] = [1, 2, 3, 4, 6, 8, 10, 13, 16];

/// By how much the least of the power that a kernel balances lies below the largest.
const DEPTHS: [f64; 9] = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9];

/// Side of the grid of frequencies on which kernels are judged.
const DESIGN: usize = 64;

/// Two images ready to be compared.
pub(crate) struct Pair<F> {
    pub(crate) reference: Prepared<F>,
    pub(crate) moving: Prepared<F>,
    /// That of both images' noise.
    pub(crate) correlation: Correlation,
    /// What the filter makes of a constant of 1.
    pub(crate) constant: f64,
    /// Rows and columns at every border that the filter spoils: those of `moving` and `reference` are hidden.
    reach: usize,
}

/// What a covariance has to allow for.
#[derive(Debug, Clone)]
pub(crate) enum Correlation {
    /// White noise, or noise that is taken for it.
    None,
    /// Noise whose spectrum the residuals have to tell.
    Residuals,
    /// Noise whose spectrum is known.
    Known(NoisePower),
}

/// Noise whose spectrum is known, per pixel of variance 1.
#[derive(Debug, Clone)]
pub(crate) struct NoisePower {
    spectrum: NoiseSpectrum,
    /// Through which the noise went, `(2·reach + 1)²`; None for none.
    kernel: Option<Array2<f64>>,
}

impl NoisePower {
    /// In the layout of `fft`'s spectra.
    pub(crate) fn on(&self, fft: &RealFft2<f64>) -> Result<Vec<f64>> {
        let mut power = self.spectrum.on(fft.shape());
        if let Some(kernel) = &self.kernel {
            power *= &response(kernel, fft.shape())?.mapv(|h| h * h);
        }
        Ok(half_layout(fft, &power))
    }
}

/// What is to be made of the noise of a pair.
#[derive(Debug)]
pub(crate) struct Treatment {
    /// The spectrum that images are divided by the root of.
    pub(crate) whitening: Option<NoiseSpectrum>,
    /// What is left to allow for after that.
    pub(crate) correlation: Correlation,
}

impl Treatment {
    /// As `params` ask for, of images with these mean variances of a pixel.
    pub(crate) fn of<F: Real>(
        reference: &Chi2Image<'_, F>,
        moving: &Chi2Image<'_, F>,
        variances: [f64; 2],
        params: &Chi2Params,
    ) -> Result<Self> {
        let spectrum = spectrum_of_both(reference, moving, variances)?;
        let allowing = |correlation| Treatment { whitening: None, correlation };
        Ok(match (params.correlated_noise, spectrum) {
            (CorrelatedNoise::Whiten, None) => {
                let must_be = "given, to whiten by (or take the sandwich)";
                return Err(Error::parameter("noise spectrum", must_be, "none"));
            }
            (CorrelatedNoise::Ignore, _) => allowing(Correlation::None),
            (_, Some(spectrum)) if spectrum.is_white() => allowing(Correlation::None),
            (CorrelatedNoise::Sandwich, Some(spectrum)) => {
                allowing(Correlation::Known(NoisePower { spectrum, kernel: None }))
            }
            (CorrelatedNoise::Sandwich, None) => allowing(Correlation::Residuals),
            (CorrelatedNoise::Whiten, Some(spectrum)) => {
                // A measured spectrum is as good as the measurement: errors then come from what is left.
                let correlation =
                    if spectrum.is_measured() { Correlation::Residuals } else { Correlation::None };
                Treatment { whitening: Some(spectrum), correlation }
            }
        })
    }
}

/// `1/√P` in the full layout of a transform, of images with pixels of mean square `square` and of the variance
/// `variance`, if that is known, rounded to a relative `epsilon`: then
/// `χ²(d) = Σ_k |G − gain·F e^(−ik·d)|²/(N σ² P)`.
pub(crate) fn exact_response(
    spectrum: &NoiseSpectrum,
    square: f64,
    variance: Option<f64>,
    epsilon: f64,
) -> Array2<f64> {
    // Pixels are rounded: noise, too, even where the spectrum says next to none.
    let signal = variance.map_or(1e4, |variance| square / variance);
    let rounding = 16.0 * epsilon * epsilon * signal;
    spectrum.power().mapv(|p| 1.0 / (p + rounding).sqrt())
}

impl Pair<f64> {
    /// Checks both images; copies in double precision, whitened if `params` say so.
    pub(crate) fn prepared<F: Real>(
        reference: &Chi2Image<'_, F>,
        moving: &Chi2Image<'_, F>,
        params: &Chi2Params,
    ) -> Result<Self> {
        let pixels = [reference.prepared("reference")?, moving.prepared("moving")?];
        Self::treated(reference, moving, pixels, params)
    }
}

impl<F: Real> Pair<F> {
    /// The same in the type of the pixels, less their means.
    pub(crate) fn centred(
        reference: &Chi2Image<'_, F>,
        moving: &Chi2Image<'_, F>,
        params: &Chi2Params,
    ) -> Result<Self> {
        let pixels = [reference.centred("reference")?, moving.centred("moving")?];
        Self::treated(reference, moving, pixels, params)
    }

    fn treated<G: Real>(
        reference: &Chi2Image<'_, G>,
        moving: &Chi2Image<'_, G>,
        pixels: [Prepared<F>; 2],
        params: &Chi2Params,
    ) -> Result<Self> {
        let variances = pixels.each_ref().map(Prepared::mean_variance);
        let Treatment { whitening, correlation } = Treatment::of(reference, moving, variances, params)?;
        let [reference, moving] = pixels;
        let pair = Pair { reference, moving, correlation, constant: 1.0, reach: 0 };
        match (whitening, params.frame) {
            (None, _) => Ok(pair),
            (Some(spectrum), Frame::Periodic) => pair.whitened_exactly(&spectrum, G::epsilon().f64()),
            (Some(spectrum), Frame::Overlap) => pair.whitened_by_a_kernel(spectrum, params),
        }
    }

    /// What its covariance has to allow for.
    pub(crate) fn noise(&self) -> SharedNoise<'_> {
        SharedNoise { correlation: &self.correlation, known: self.moving.known }
    }

    /// Without the border that the filter spoiled.
    pub(crate) fn cropped(self) -> Self {
        let cut = |part: Prepared<F>| if self.reach == 0 { part } else { part.cropped(self.reach) };
        Pair { reference: cut(self.reference), moving: cut(self.moving), reach: 0, ..self }
    }

    /// Whether σ is the same wherever there is a pixel.
    fn is_even(&self) -> bool {
        self.moving.is_even() && (!self.reference.known || self.reference.is_even())
    }

    /// `F/√P` and `G/√P`.
    fn whitened_exactly(mut self, spectrum: &NoiseSpectrum, epsilon: f64) -> Result<Self> {
        if !(self.is_even() && self.moving.is_complete() && self.reference.is_complete()) {
            let must_be = "one number and no pixel masked, to whiten periodic frames (take the sandwich)";
            return Err(Error::parameter("sigma", must_be, "several, or a mask"));
        }
        check_shape("moving", self.reference.pixels.shape(), self.moving.pixels.shape())?;
        let square = |part: &Prepared<F>| part.pixels.iter().map(|v| v.f64() * v.f64()).sum::<f64>();
        let squares = (square(&self.reference) + square(&self.moving)) / self.moving.pixels.len() as f64;
        let variance = self.moving.known.then(|| self.moving.mean_variance());
        let response = exact_response(spectrum, squares, variance, epsilon);
        self.constant = response[[0, 0]];
        self.filter(&response, &response)?;
        Ok(self)
    }

    /// Passes both images through a filter, given as its response in the layout of either.
    fn filter(&mut self, reference: &Array2<f64>, moving: &Array2<f64>) -> Result<()> {
        for (part, response) in [(&mut self.reference, reference), (&mut self.moving, moving)] {
            part.pixels = filtered(&part.pixels.mapv(F::f64), response)?.mapv(F::of);
            part.mean *= self.constant;
        }
        Ok(())
    }

    /// Both images through the kernel that promises the least variance, none included; what the kernel reaches
    /// beyond the border or into missing pixels is hidden.
    fn whitened_by_a_kernel(mut self, spectrum: NoiseSpectrum, params: &Chi2Params) -> Result<Self> {
        if !self.is_even() {
            let must_be = "one number, to whiten (take the sandwich)";
            return Err(Error::parameter("sigma", must_be, "several"));
        }
        let kernel = self.best_kernel(&spectrum, params)?;
        if kernel.is_none() || !spectrum.is_measured() {
            self.correlation = Correlation::Known(NoisePower { spectrum, kernel: kernel.clone() });
        }
        let Some(kernel) = kernel else { return Ok(self) };
        self.reach = kernel.nrows() / 2;
        self.constant = kernel.sum();
        let of = |part: &Prepared<F>| response(&kernel, part.pixels.dim());
        self.filter(&of(&self.reference)?, &of(&self.moving)?)?;
        for part in [&mut self.reference, &mut self.moving] {
            part.hide(&usable(part, self.reach));
        }
        Ok(self)
    }

    /// The kernel with the least predicted variance of the displacement; None where that is no kernel.
    ///
    /// A filter H before least squares gives, for a scene of spectrum S and noise of spectrum P (the sandwich),
    ///
    /// ```text
    /// variance ∝ Σ ω² S H⁴ (P + S ε²) / (Σ ω² S H²)² / pixels left
    /// ```
    ///
    /// ε is what interpolation gets wrong, which counts as noise here.
    fn best_kernel(&self, spectrum: &NoiseSpectrum, params: &Chi2Params) -> Result<Option<Array2<f64>>> {
        let scene = scene_power(&self.reference)?;
        let power = spectrum.on((DESIGN, DESIGN));
        let sigma2 = match self.moving.known {
            true => self.variance_of_both(),
            false => {
                let moving = scene_power(&self.moving)?;
                moving.iter().zip(&power).map(|(m, p)| m / p).fold(f64::INFINITY, f64::min)
            }
        };
        let omega = |k: usize| std::f64::consts::TAU * frequency(k, DESIGN) as f64 / DESIGN as f64;
        let missed = |k: usize| interpolation_error(omega(k), params.degree.taps() as i32);
        let variance = |response: Option<&Array2<f64>>, left: f64| {
            let (mut scatter, mut slope) = (0.0, 0.0);
            for ((y, x), &s) in scene.indexed_iter() {
                let h2 = response.map_or(1.0, |h| h[[y, x]] * h[[y, x]]);
                let steepness = s * h2 * (omega(y).powi(2) + omega(x).powi(2));
                slope += steepness;
                scatter += steepness * h2 * (sigma2 * power[[y, x]] + s * (missed(y) + missed(x)));
            }
            scatter / (slope * slope * left)
        };
        let largest = power.iter().copied().fold(0.0, f64::max);
        let sides = [self.reference.pixels.dim(), self.moving.pixels.dim()];
        let shortest = sides.iter().map(|(h, w)| *h.min(w)).min().unwrap_or(0);
        let left = |reach: usize| {
            let count = |part: &Prepared<F>| usable(part, reach).iter().filter(|ok| **ok).count();
            count(&self.reference).min(count(&self.moving)) as f64
        };
        let (mut least, mut best) = (variance(None, left(0)), None);
        for reach in REACHES.into_iter().filter(|r| 4 * r < shortest) {
            let left = left(reach);
            for depth in DEPTHS {
                let kernel = kernel(&power, depth * largest, reach)?;
                let promised = variance(Some(&response(&kernel, (DESIGN, DESIGN))?), left);
                if promised < least {
                    (least, best) = (promised, Some(kernel));
                }
            }
        }
        // The noise of a pixel stays as strong as it was.
        let Some(kernel) = best else { return Ok(None) };
        let white = (response(&kernel, (DESIGN, DESIGN))?.mapv(|h| h * h) * &power).sum();
        let scale = (white / power.len() as f64).sqrt();
        Ok(Some(kernel / scale))
    }

    /// Variance of a pixel of both images, where it is one number.
    fn variance_of_both(&self) -> f64 {
        let of = |part: &Prepared<F>| if part.known { part.mean_variance() } else { 0.0 };
        of(&self.moving) + of(&self.reference)
    }
}

/// The spectrum of the noise of both images together, if any was given.
fn spectrum_of_both<F: Real>(
    reference: &Chi2Image<'_, F>,
    moving: &Chi2Image<'_, F>,
    [behind, own]: [f64; 2],
) -> Result<Option<NoiseSpectrum>> {
    reference.check_spectrum()?;
    moving.check_spectrum()?;
    Ok(match (moving.spectrum, reference.spectrum) {
        (_, Some(_)) if !reference.is_noise_known() => {
            return Err(Error::parameter(
                "sigma",
                "given with the spectrum of the reference's noise",
                "none",
            ));
        }
        (Some(spectrum), others) if reference.is_noise_known() => Some(spectrum.and(own, others, behind)),
        (Some(spectrum), _) => Some(spectrum.clone()),
        (None, Some(others)) => Some(others.and(behind, None, own)),
        (None, None) => None,
    })
}

/// Pixels that a kernel of this reach makes of valid pixels alone.
fn usable<F: Real>(part: &Prepared<F>, reach: usize) -> Array2<bool> {
    let valid = part.valid();
    if reach == 0 {
        return valid;
    }
    let (h, w) = valid.dim();
    let inside = |i: usize, n: usize| i >= reach && i + reach < n;
    let mut usable = match valid.iter().all(|&ok| ok) {
        true => valid,
        false => trusted_places(valid.view(), reach),
    };
    usable.indexed_iter_mut().for_each(|((y, x), ok)| *ok &= inside(y, h) && inside(x, w));
    usable
}

/// Power of an image on the design grid, less its mean.
fn scene_power<F: Real>(part: &Prepared<F>) -> Result<Array2<f64>> {
    let valid = part.valid();
    let n = valid.iter().filter(|ok| **ok).count().max(1) as f64;
    let mean = part.pixels.iter().map(|v| v.f64()).sum::<f64>() / n;
    let centred =
        Array2::from_shape_fn(valid.dim(), |at| if valid[at] { part.pixels[at].f64() - mean } else { 0.0 });
    let power = periodogram(&centred, (DESIGN, DESIGN))?;
    let largest = power.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let spectrum = NoiseSpectrum::new(power.mapv(|p| p.max(1e-20 * largest).max(f64::MIN_POSITIVE)).view())?;
    Ok(spectrum.on((DESIGN, DESIGN)) * spectrum.sigma().powi(2))
}

/// `1/√(P + floor)` as a kernel that ends at `reach` with a Hann taper.
fn kernel(power: &Array2<f64>, floor: f64, reach: usize) -> Result<Array2<f64>> {
    let mut point = Array2::zeros(power.dim());
    point[[0, 0]] = 1.0;
    let long = filtered(&point, &power.mapv(|p| 1.0 / (p + floor).sqrt()))?;
    let taper = |i: usize| {
        let from_middle = i as f64 - reach as f64;
        0.5 + 0.5 * (std::f64::consts::PI * from_middle / (reach as f64 + 1.0)).cos()
    };
    let (h, w) = power.dim();
    Ok(Array2::from_shape_fn((2 * reach + 1, 2 * reach + 1), |(i, j)| {
        taper(i) * taper(j) * long[[(h + i - reach) % h, (w + j - reach) % w]]
    }))
}

/// What a kernel with its middle at the origin does to waves, in the full layout of a transform.
fn response(kernel: &Array2<f64>, shape: (usize, usize)) -> Result<Array2<f64>> {
    let reach = kernel.nrows() / 2;
    let (h, w) = shape;
    let mut around = Array2::zeros(shape);
    for ((i, j), v) in kernel.indexed_iter() {
        around[[(i + h * reach - reach) % h, (j + w * reach - reach) % w]] += v;
    }
    even_transform(around.view())
}

/// Transform of an image that is even, which is real.
fn even_transform(image: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
    check_finite("kernel", image)?;
    let fft = RealFft2::<f64>::new(image.dim())?;
    let mut spectrum = fft.spectrum();
    fft.forward(image, &mut spectrum, &mut fft.scratch())?;
    let (h, w) = image.dim();
    Ok(Array2::from_shape_fn((h, w), |(y, x)| {
        if x < fft.n_kx() { spectrum[x * h + y].re } else { spectrum[(w - x) * h + (h - y) % h].re }
    }))
}

/// Mean square over displacements of what splines get wrong of a wave, relative: at half a pixel they are off by
/// `2r/(1 + r)`, `r = (ω/(2π − ω))^taps`, the ratio of the wave to its strongest alias in the space of splines
/// (M. Unser, IEEE Signal Process. Mag. 16(6), 22 (1999)).
fn interpolation_error(omega: f64, taps: i32) -> f64 {
    let r = (omega.abs() / (std::f64::consts::TAU - omega.abs())).powi(taps);
    0.5 * (2.0 * r / (1.0 + r)).powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_interpolation_is_that_of_the_splines() {
        // 20, 9, 3 and 1 % at three quarters of the Nyquist frequency.
        for (taps, percent) in [(4, 20.0), (6, 9.0), (8, 3.0), (10, 1.0)] {
            let off = 100.0 * (2.0 * interpolation_error(0.75 * std::f64::consts::PI, taps)).sqrt();
            assert!((off / percent - 1.0).abs() < 0.25, "{taps}: {off}");
        }
    }

    #[test]
    fn a_kernel_of_white_noise_is_a_point() {
        let kernel = kernel(&Array2::ones((64, 64)), 0.0, 3).unwrap();
        assert!((kernel[[3, 3]] - 1.0).abs() < 1e-12);
        assert!((kernel.sum() - 1.0).abs() < 1e-12);
        assert!(response(&kernel, (9, 5)).unwrap().iter().all(|h| (h - 1.0).abs() < 1e-12));
    }
}
