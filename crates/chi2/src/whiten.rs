//! A pair of images made ready for a fit, whitened if asked for: passed through one filter after which the noise
//! is white, or as white as a short kernel can make it.
//!
//! As both images pass through it, the displacement stays what it was.

use ndarray::{Array2, ArrayView2, s};
use nonius_core::{Error, Frame, Real, RealFft2, Result, check_finite, frequency, trusted_places};

use crate::image::{Chi2Image, Prepared};
use crate::params::{Chi2Params, CorrelatedNoise};
use crate::spectrum::{NoiseSpectrum, filtered, half_layout, periodogram};

/// Reaches of kernels that are tried, px.
const REACHES: [usize; 9] = [1, 2, 3, 4, 6, 8, 10, 13, 16];

/// By how much the least of the power that a kernel balances lies below the largest.
const DEPTHS: [f64; 9] = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9];

/// Side of the grid of frequencies on which kernels are judged.
const DESIGN: usize = 64;

/// Two images ready to be compared.
pub(crate) struct Pair {
    pub(crate) reference: Prepared,
    pub(crate) moving: Prepared,
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

impl Pair {
    /// Checks both images; whitens them if `params` say so.
    pub(crate) fn new<F: Real>(
        reference: &Chi2Image<'_, F>,
        moving: &Chi2Image<'_, F>,
        params: &Chi2Params,
    ) -> Result<Self> {
        let (fixed, other) = (reference.prepared("reference")?, moving.prepared("moving")?);
        let spectrum = spectrum_of_both(reference, moving, &fixed, &other)?;
        let pair = |correlation| Pair {
            reference: fixed,
            moving: Prepared { correlation, ..other },
            constant: 1.0,
            reach: 0,
        };
        let whiten = params.correlated_noise == CorrelatedNoise::Whiten;
        match spectrum {
            None if whiten => {
                Err(Error::parameter("noise spectrum", "given, to whiten by (or take the sandwich)", "none"))
            }
            Some(spectrum) if !spectrum.is_white() && params.correlated_noise != CorrelatedNoise::Ignore => {
                let noise = NoisePower { spectrum: spectrum.clone(), kernel: None };
                let unfiltered = pair(Correlation::Known(noise));
                match (whiten, params.frame) {
                    (false, _) => Ok(unfiltered),
                    (true, Frame::Periodic) => unfiltered.whitened_exactly(&spectrum, F::epsilon().f64()),
                    (true, Frame::Overlap) => unfiltered.whitened_by_a_kernel(spectrum, params),
                }
            }
            None if params.correlated_noise == CorrelatedNoise::Sandwich => Ok(pair(Correlation::Residuals)),
            _ => Ok(pair(Correlation::None)),
        }
    }

    /// Without the border that the filter spoiled.
    pub(crate) fn cropped(self) -> Self {
        let cut = |part: Prepared| {
            let inside = |image: &Array2<f64>| {
                let (h, w) = image.dim();
                image.slice(s![self.reach..h - self.reach, self.reach..w - self.reach]).to_owned()
            };
            Prepared { pixels: inside(&part.pixels), variance: inside(&part.variance), ..part }
        };
        if self.reach == 0 {
            return self;
        }
        Pair { reference: cut(self.reference), moving: cut(self.moving), constant: self.constant, reach: 0 }
    }

    /// Whether σ is the same wherever there is a pixel.
    fn is_even(&self) -> bool {
        let even = |part: &Prepared| {
            let mut finite = part.variance.iter().filter(|v| v.is_finite());
            finite.next().is_none_or(|first| finite.all(|v| v == first))
        };
        even(&self.moving) && (!self.reference.known || even(&self.reference))
    }

    /// `F/√P` and `G/√P`: then `χ²(d) = Σ_k |G − gain·F e^(−ik·d)|²/(N σ² P)`.
    fn whitened_exactly(self, spectrum: &NoiseSpectrum, epsilon: f64) -> Result<Self> {
        let missing = |part: &Prepared| part.variance.iter().any(|v| v.is_infinite());
        if !self.is_even() || missing(&self.moving) || missing(&self.reference) {
            let must_be = "one number and no pixel masked, to whiten periodic frames (take the sandwich)";
            return Err(Error::parameter("sigma", must_be, "several, or a mask"));
        }
        // Pixels are rounded: noise, too, even where the spectrum says next to none.
        let square = |part: &Prepared| part.pixels.iter().map(|v| v * v).sum::<f64>();
        let rounded = (square(&self.reference) + square(&self.moving)) / self.moving.pixels.len() as f64;
        let signal = if self.moving.known { rounded / self.moving.variance[[0, 0]] } else { 1e4 };
        let rounding = 16.0 * epsilon * epsilon * signal;
        let response = spectrum.power().mapv(|p| 1.0 / (p + rounding).sqrt());
        // A measured spectrum is as good as the measurement: errors then come from what is left.
        let correlation = if spectrum.is_measured() { Correlation::Residuals } else { Correlation::None };
        let whiten = |part: Prepared| -> Result<Prepared> {
            Ok(Prepared {
                pixels: filtered(&part.pixels, &response)?,
                correlation: correlation.clone(),
                ..part
            })
        };
        let constant = response[[0, 0]];
        let reference = self.reference;
        check_same_shape(&reference, &self.moving)?;
        Ok(Pair { reference: whiten(reference)?, moving: whiten(self.moving)?, constant, reach: 0 })
    }

    /// Both images through the kernel that promises the least variance, none included; what the kernel reaches
    /// beyond the border or into missing pixels is hidden.
    fn whitened_by_a_kernel(mut self, spectrum: NoiseSpectrum, params: &Chi2Params) -> Result<Self> {
        if !self.is_even() {
            let must_be = "one number, to whiten (take the sandwich)";
            return Err(Error::parameter("sigma", must_be, "several"));
        }
        let Some(kernel) = self.best_kernel(&spectrum, params)? else { return Ok(self) };
        self.reach = kernel.nrows() / 2;
        self.constant = kernel.sum();
        for part in [&mut self.reference, &mut self.moving] {
            let usable = usable(part, self.reach);
            part.pixels = filtered(&part.pixels, &response(&kernel, part.pixels.dim())?)?;
            for ((at, v), &usable) in part.variance.indexed_iter_mut().zip(&usable) {
                if !usable {
                    *v = f64::INFINITY;
                    part.pixels[at] = 0.0;
                }
            }
        }
        self.moving.correlation = match spectrum.is_measured() {
            true => Correlation::Residuals,
            false => Correlation::Known(NoisePower { spectrum, kernel: Some(kernel) }),
        };
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
            let count = |part: &Prepared| usable(part, reach).iter().filter(|ok| **ok).count();
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
        let of = |part: &Prepared| {
            let known = part.variance.iter().find(|v| part.known && v.is_finite());
            known.copied().unwrap_or(0.0)
        };
        of(&self.moving) + of(&self.reference)
    }
}

fn check_same_shape(reference: &Prepared, moving: &Prepared) -> Result<()> {
    nonius_core::check_shape("moving", reference.pixels.shape(), moving.pixels.shape())
}

/// The spectrum of the noise of both images together, if any was given.
fn spectrum_of_both<F: Real>(
    reference: &Chi2Image<'_, F>,
    moving: &Chi2Image<'_, F>,
    fixed: &Prepared,
    other: &Prepared,
) -> Result<Option<NoiseSpectrum>> {
    for (spectrum, shape) in
        [(reference.spectrum, reference.image.shape()), (moving.spectrum, moving.image.shape())]
    {
        spectrum.map_or(Ok(()), |spectrum| spectrum.check_shape(shape))?;
    }
    let mean = |part: &Prepared| {
        let finite = part.variance.iter().filter(|v| v.is_finite());
        let (sum, n) = finite.fold((0.0, 0.0), |(sum, n), v| (sum + v, n + 1.0));
        if n > 0.0 { sum / n } else { 1.0 }
    };
    Ok(match (moving.spectrum, reference.spectrum) {
        (_, Some(_)) if !fixed.known => {
            return Err(Error::parameter(
                "sigma",
                "given with the spectrum of the reference's noise",
                "none",
            ));
        }
        (Some(own), others) if fixed.known => Some(own.and(mean(other), others, mean(fixed))),
        (Some(own), _) => Some(own.clone()),
        (None, Some(others)) => Some(others.and(mean(fixed), None, mean(other))),
        (None, None) => None,
    })
}

/// Pixels that a kernel of this reach makes of valid pixels alone.
fn usable(part: &Prepared, reach: usize) -> Array2<bool> {
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
fn scene_power(part: &Prepared) -> Result<Array2<f64>> {
    let valid = part.valid();
    let n = valid.iter().filter(|ok| **ok).count().max(1) as f64;
    let mean = part.pixels.sum() / n;
    let centred =
        Array2::from_shape_fn(valid.dim(), |at| if valid[at] { part.pixels[at] - mean } else { 0.0 });
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
