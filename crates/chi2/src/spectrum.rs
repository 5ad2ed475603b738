//! The power spectrum of noise that is correlated between pixels.

use ndarray::{Array2, ArrayView2};
use nonius_core::{
    Error, Real, RealFft2, Result, Window, check_finite, check_not_empty, check_shape, frequency,
};
use num_complex::Complex;

/// Least side of a blank region, px.
const LEAST_REGION: usize = 16;

/// Largest side of the segments whose periodograms are averaged, px.
const SEGMENT: usize = 64;

/// Frequencies on either side over which the logarithm of a periodogram is averaged.
const SMOOTHING: isize = 2;

/// How the power of an image's noise is spread over frequencies.
///
/// Only the form counts: the power is divided by its mean, so that white noise has 1 everywhere, and how strong
/// the noise is says the σ of the image ([`Chi2Image::with_sigma`](crate::Chi2Image::with_sigma)).
/// [`sigma`](Self::sigma) keeps the size that the power had. Where σ varies from pixel to pixel, it scales noise
/// of this spectrum.
///
/// ```
/// use nonius_chi2::{Chi2Image, Chi2Params, CorrelatedNoise, NoiseSpectrum, chi2_shift};
/// use nonius_synthetic::{ImagePairParams, NoiseParams};
///
/// let noise = NoiseParams::blurred(0.1, 0.7);
/// let pair = ImagePairParams { moving_noise: noise, ..ImagePairParams::scene_c([1.37, -2.62], 0.1, 7) };
/// let pair = pair.generate()?;
/// // A part of the sky without sources, from the same instrument:
/// let blank = noise.add(ndarray::Array2::zeros((96, 96)).view(), 8)?;
/// let spectrum = NoiseSpectrum::from_blank_region(blank.view(), pair.moving.dim())?;
///
/// let moving = Chi2Image::new(pair.moving.view()).with_sigma(spectrum.sigma()).with_spectrum(&spectrum);
/// let reference = Chi2Image::new(pair.reference.view());
/// let params = Chi2Params { correlated_noise: CorrelatedNoise::Whiten, ..Default::default() };
/// let found = chi2_shift(&reference, &moving, &params)?;
/// assert!((found.shift[0] - 1.37).abs() < 4.0 * found.standard_errors()[0]);
/// # Ok::<(), nonius_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct NoiseSpectrum {
    /// In the layout of a discrete Fourier transform, mean 1.
    power: Array2<f64>,
    sigma: f64,
    measured: bool,
}

impl NoiseSpectrum {
    /// The spectrum `power[k_y, k_x]` at the frequencies of a discrete Fourier transform of the frame, `(y, x)`,
    /// zero frequency first: `⟨|DFT of the noise|²⟩/N`, whose mean is the variance of a pixel, or any multiple.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a power that is 0, negative, not finite, or not the same at k and −k, as that of
    /// real noise is; [`Error::Empty`].
    pub fn new(power: ArrayView2<'_, f64>) -> Result<Self> {
        const NAME: &str = "noise spectrum";
        check_not_empty(NAME, power.shape())?;
        let (h, w) = power.dim();
        for ((y, x), &p) in power.indexed_iter() {
            if !(p > 0.0 && p.is_finite()) {
                return Err(Error::parameter(NAME, "above 0 and finite", format!("{p} at [{y}, {x}]")));
            }
            let mirrored = power[[(h - y) % h, (w - x) % w]];
            if (p - mirrored).abs() > 1e-6 * p.max(mirrored) {
                let got = format!("{p} at [{y}, {x}], {mirrored} at the opposite frequency");
                return Err(Error::parameter(NAME, "the same at opposite frequencies", got));
            }
        }
        let largest = power.iter().copied().fold(0.0, f64::max);
        let relative = power.mapv(|p| p / largest);
        let mean = relative.sum() / power.len() as f64;
        Ok(NoiseSpectrum { power: relative / mean, sigma: mean.sqrt() * largest.sqrt(), measured: false })
    }

    /// A spectrum that is `power(f)` at the frequency f, cycles per px, in every direction; for frames of
    /// `shape`.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    ///
    /// ```
    /// use nonius_chi2::NoiseSpectrum;
    /// // White noise blurred by a Gaussian of 0.7 px:
    /// let blurred = |f: f64| (-(2.0 * std::f64::consts::PI * 0.7 * f).powi(2)).exp();
    /// let spectrum = NoiseSpectrum::isotropic((64, 64), blurred)?;
    /// assert!(spectrum.power()[[0, 0]] > spectrum.power()[[32, 0]]);
    /// # Ok::<(), nonius_core::Error>(())
    /// ```
    pub fn isotropic(shape: (usize, usize), power: impl Fn(f64) -> f64) -> Result<Self> {
        let along = |k: usize, n: usize| frequency(k, n) as f64 / n as f64;
        let power = Array2::from_shape_fn(shape, |(y, x)| power(along(y, shape.0).hypot(along(x, shape.1))));
        Self::new(power.view())
    }

    /// The spectrum of a part of an image where there is nothing but noise, for frames of `shape`.
    ///
    /// Periodograms of segments of half its sides, at most 64 px, which overlap by half, are averaged (P. D. Welch, IEEE Trans.
    /// Audio Electroacoust. 15, 70 (1967)); their logarithm is smoothed over 5 × 5 frequencies and interpolated.
    /// The squared Hann taper leaks less than 10⁻¹¹ of the power from 20 frequencies away, so that steep spectra
    /// can be told; structure finer than 3 cycles per segment cannot. [`sigma`](Self::sigma) is the standard
    /// deviation of the region's pixels.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a region of fewer than 16 px on a side, one whose pixels are all alike, or an
    /// empty `shape`; [`Error::NotFinite`] for NaN.
    pub fn from_blank_region<F: Real>(region: ArrayView2<'_, F>, shape: (usize, usize)) -> Result<Self> {
        const NAME: &str = "blank region";
        check_not_empty("shape of a noise spectrum", &[shape.0, shape.1])?;
        let (h, w) = region.dim();
        if h.min(w) < LEAST_REGION {
            return Err(Error::parameter(NAME, "at least 16 × 16 px", format!("{h} × {w} px")));
        }
        check_finite(NAME, region)?;
        let mut noise = region.mapv(F::f64);
        let mean = noise.sum() / noise.len() as f64;
        noise -= mean;
        let variance = noise.iter().map(|v| v * v).sum::<f64>() / (noise.len() - 1) as f64;
        // What rounding leaves of a constant is no noise.
        if variance.sqrt() <= 4.0 * f64::EPSILON * mean.abs() || !variance.is_normal() {
            return Err(Error::parameter(NAME, "noise that can be measured", "pixels that are all alike"));
        }
        // Several segments rather than one, as far as they can tell frequencies apart.
        let segment = |n: usize| (n / 2).clamp(LEAST_REGION, SEGMENT);
        let smooth = smoothed(&periodogram(&noise, (segment(h), segment(w)))?);
        let spectrum = Self::new(resampled(&smooth, shape).view())?;
        Ok(NoiseSpectrum { sigma: variance.sqrt(), measured: true, ..spectrum })
    }

    /// Power at the frequencies of a discrete Fourier transform, `(y, x)`, zero frequency first; its mean is 1.
    pub fn power(&self) -> ArrayView2<'_, f64> {
        self.power.view()
    }

    /// Standard deviation of a pixel that the power had as it was given or measured.
    pub fn sigma(&self) -> f64 {
        self.sigma
    }

    /// Whether it was measured, not given.
    pub(crate) fn is_measured(&self) -> bool {
        self.measured
    }

    /// Whether all frequencies have the same power, to rounding.
    pub(crate) fn is_white(&self) -> bool {
        self.power.iter().all(|p| (p - 1.0).abs() < 1e-12)
    }

    /// The power at the frequencies of frames of another shape, by interpolation.
    pub(crate) fn on(&self, shape: (usize, usize)) -> Array2<f64> {
        resampled(&self.power, shape)
    }

    /// The spectrum of the sum of this noise, of variance `own`, and `other`, of variance `others`, which is white
    /// if there is none.
    pub(crate) fn and(&self, own: f64, other: Option<&NoiseSpectrum>, others: f64) -> Self {
        let shape = self.power.dim();
        let beside = other.map_or_else(|| Array2::ones(shape), |o| o.on(shape));
        let power = (&self.power * own + beside * others) / (own + others);
        let measured = self.measured || other.is_some_and(|o| o.measured);
        NoiseSpectrum { power, sigma: (own + others).sqrt(), measured }
    }

    pub(crate) fn check_shape(&self, image: &[usize]) -> Result<()> {
        check_shape("noise spectrum", image, self.power.shape())
    }
}

/// Averaged periodogram `|DFT|²/N` of segments of up to `side` px `(y, x)`, in the full layout of a transform; its
/// mean is about the mean square of the image, whose mean should be 0.
pub(crate) fn periodogram(image: &Array2<f64>, side: (usize, usize)) -> Result<Array2<f64>> {
    let (h, w) = image.dim();
    let side = (side.0.min(h), side.1.min(w));
    let taper = |n: usize| -> Vec<f64> { Window::Hann.samples::<f64>(n).iter().map(|v| v * v).collect() };
    let (taper_y, taper_x) = (taper(side.0), taper(side.1));
    let starts = |n: usize, side: usize| -> Vec<usize> {
        let steps = (n - side).div_ceil((side / 2).max(1));
        (0..=steps).map(|i| (n - side) * i / steps.max(1)).collect()
    };
    let fft = RealFft2::<f64>::new(side)?;
    let (mut spectrum, mut scratch) = (fft.spectrum(), fft.scratch());
    let mut half = vec![0.0; fft.spectrum_len()];
    let (rows, columns) = (starts(h, side.0), starts(w, side.1));
    for &top in &rows {
        for &left in &columns {
            let fill = |y: usize, row: &mut [f64]| {
                let pixels = image.row(top + y);
                for (x, v) in row.iter_mut().enumerate() {
                    *v = taper_y[y] * taper_x[x] * pixels[left + x];
                }
            };
            fft.forward_rows(fill, &mut spectrum, &mut scratch)?;
            half.iter_mut().zip(&spectrum).for_each(|(p, v)| *p += v.norm_sqr());
        }
    }
    let squares = |taper: &[f64]| taper.iter().map(|v| v * v).sum::<f64>();
    let scale = 1.0 / (squares(&taper_y) * squares(&taper_x) * (rows.len() * columns.len()) as f64);
    Ok(Array2::from_shape_fn(side, |(y, x)| scale * half[half_index(&fft, y, x)]))
}

/// Where the half spectrum of a real image keeps a frequency or its mirror image.
fn half_index(fft: &RealFft2<f64>, y: usize, x: usize) -> usize {
    let (h, w) = fft.shape();
    if x < fft.n_kx() { x * h + y } else { (w - x) * h + (h - y) % h }
}

/// A power in the full layout as a half spectrum.
pub(crate) fn half_layout<F: Real>(fft: &RealFft2<F>, power: &Array2<f64>) -> Vec<f64> {
    let h = fft.shape().0;
    (0..fft.n_kx()).flat_map(|kx| (0..h).map(move |ky| power[[ky, kx]])).collect()
}

/// Geometric mean over neighbouring frequencies, zero frequency aside: that of the mean, which was removed.
fn smoothed(power: &Array2<f64>) -> Array2<f64> {
    let (h, w) = power.dim();
    let largest = power.iter().copied().fold(0.0, f64::max);
    let ln = power.mapv(|p| p.max(1e-30 * largest).ln());
    let near = |k: usize, j: isize, n: usize| (k as isize + j).rem_euclid(n as isize) as usize;
    Array2::from_shape_fn((h, w), |(y, x)| {
        let (mut sum, mut n) = (0.0, 0.0);
        for i in -SMOOTHING..=SMOOTHING {
            for j in -SMOOTHING..=SMOOTHING {
                let at = (near(y, i, h), near(x, j, w));
                if at != (0, 0) {
                    sum += ln[at];
                    n += 1.0;
                }
            }
        }
        f64::exp(sum / n)
    })
}

/// The logarithm interpolated linearly between frequencies; exact where the frequencies are the same.
fn resampled(power: &Array2<f64>, shape: (usize, usize)) -> Array2<f64> {
    let (h, w) = power.dim();
    if shape == (h, w) {
        return power.clone();
    }
    let ln = power.mapv(f64::ln);
    let place = |k: usize, n: usize, own: usize| {
        let at = (k as f64 / n as f64) * own as f64;
        let below = at.floor();
        (below as usize % own, (below as usize + 1) % own, at - below)
    };
    Array2::from_shape_fn(shape, |(y, x)| {
        let ((y0, y1, t), (x0, x1, s)) = (place(y, shape.0, h), place(x, shape.1, w));
        let along_x = |y: usize| (1.0 - s) * ln[[y, x0]] + s * ln[[y, x1]];
        ((1.0 - t) * along_x(y0) + t * along_x(y1)).exp()
    })
}

/// Multiplies the transform of a real image by `response` in the full layout, even in k; periodic.
pub(crate) fn filtered(image: &Array2<f64>, response: &Array2<f64>) -> Result<Array2<f64>> {
    let fft = RealFft2::<f64>::new(image.dim())?;
    let (mut spectrum, mut scratch) = (fft.spectrum(), fft.scratch());
    fft.forward(image.view(), &mut spectrum, &mut scratch)?;
    let n = image.len() as f64;
    let response = half_layout(&fft, response);
    spectrum.iter_mut().zip(&response).for_each(|(v, r)| *v *= Complex::from(r / n));
    let mut out = Array2::zeros(image.dim());
    fft.inverse(&mut spectrum, out.view_mut(), &mut scratch)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpolation_keeps_what_is_there_and_lies_between() {
        let spectrum = NoiseSpectrum::isotropic((48, 40), |f| (-20.0 * f * f).exp()).unwrap();
        assert!((spectrum.power.mean().unwrap() - 1.0).abs() < 1e-12);
        let finer = spectrum.on((96, 80));
        for ((y, x), p) in spectrum.power.indexed_iter() {
            assert!((finer[[2 * y, 2 * x]] / p - 1.0).abs() < 1e-12);
            let mirrored = finer[[(96 - 2 * y) % 96, (80 - 2 * x) % 80]];
            assert!((mirrored / p - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn the_periodogram_of_a_wave_stands_where_the_wave_is_and_nowhere_else() {
        let wave = |x: usize| (std::f64::consts::TAU * 8.3 * x as f64 / 64.0).cos();
        let power = periodogram(&Array2::from_shape_fn((64, 64), |(_, x)| wave(x)), (64, 64)).unwrap();
        assert!(power[[0, 8]] > 1e10 * power[[0, 30]], "{} {}", power[[0, 8]], power[[0, 30]]);
        assert_eq!(power[[0, 8]], power[[0, 56]]);
    }
}
