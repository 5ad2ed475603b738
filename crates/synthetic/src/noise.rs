//! Noise whose size and spectrum are known.

use ndarray::{Array2, ArrayView2};
use nonius_core::{Error, check_finite, check_not_empty, frequency};
use rand::Rng;
use rand_distr::{Distribution, Poisson};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

use crate::random::{Purpose, stream};
use crate::spectrum::{coloured_noise, gaussian_response, white_noise};
use crate::{Result, check};

/// Counts per pixel beyond which a Poisson number is refused: its relative scatter is below 3e-5
/// there, which `sigma` describes as well.
const MAX_COUNTS: f64 = 1e9;

/// Noise added to a clean image: counting noise, then additive Gaussian noise, white or blurred.
///
/// ```text
/// noisy = Poisson(counts_per_unit · clean) / counts_per_unit + sigma · n,   ⟨n⟩ = 0, ⟨n²⟩ = 1
/// ```
///
/// The default adds nothing.
///
/// ```
/// use ndarray::Array2;
/// use nonius_synthetic::NoiseParams;
///
/// let clean = Array2::from_elem((64, 64), 5.0);
/// let noise = NoiseParams { counts_per_unit: Some(4.0), sigma: 0.5, ..Default::default() };
/// let noisy = noise.add(clean.view(), 1)?;
/// assert!((noisy.mean().unwrap() - 5.0).abs() < 0.1);
/// // √(5/4 + 0.5²) in each pixel
/// assert!((noise.sigma_map(clean.view())?[[0, 0]] - 1.5f64.sqrt()).abs() < 1e-12);
/// # Ok::<(), nonius_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NoiseParams {
    /// Standard deviation of the additive noise in every pixel, in units of the image; default 0, none.
    pub sigma: f64,
    /// Width in px (standard deviation of the Gaussian kernel) by which the additive noise is blurred;
    /// default 0, white. `sigma` is what a pixel scatters *after* the blur. The blur is periodic and
    /// done in the Fourier domain, so that the spectrum is known exactly
    /// ([`power_spectrum`](NoiseParams::power_spectrum)) and opposite edges are correlated.
    pub blur: f64,
    /// Mean number of counts that one unit of the image stands for; default none, no counting noise.
    /// The clean image must not be negative then.
    pub counts_per_unit: Option<f64>,
}

impl NoiseParams {
    /// White Gaussian noise.
    pub fn white(sigma: f64) -> Self {
        NoiseParams { sigma, ..Default::default() }
    }

    /// Counting noise alone.
    pub fn poisson(counts_per_unit: f64) -> Self {
        NoiseParams { counts_per_unit: Some(counts_per_unit), ..Default::default() }
    }

    /// Gaussian noise blurred by `blur` px, which scatters by `sigma` in every pixel.
    pub fn blurred(sigma: f64, blur: f64) -> Self {
        NoiseParams { sigma, blur, ..Default::default() }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Parameter`] if `sigma` or `blur` is negative or not finite, or `counts_per_unit` not
    /// above 0.
    pub fn validate(&self) -> Result<()> {
        let not_negative = "finite and at least 0";
        check(self.sigma >= 0.0 && self.sigma.is_finite(), "noise sigma", not_negative, self.sigma)?;
        check(self.blur >= 0.0 && self.blur.is_finite(), "noise blur", not_negative, self.blur)?;
        self.counts_per_unit
            .map_or(Ok(()), |c| check(c > 0.0 && c.is_finite(), "counts_per_unit", "finite and above 0", c))
    }

    /// `clean` with noise of this kind; the same seed gives the same bits.
    ///
    /// # Errors
    /// Those of [`validate`](NoiseParams::validate); [`Error::Empty`] and [`Error::NotFinite`] for such
    /// an image; [`Error::Parameter`] if counting noise is asked for and a pixel of `clean` is negative
    /// (by more than rounding, 1e-9 of the brightest) or stands for more than 1e9 counts.
    pub fn add(&self, clean: ArrayView2<'_, f64>, seed: u64) -> Result<Array2<f64>> {
        self.add_from(clean, &mut stream(seed, Purpose::Noise, 0))
    }

    /// As [`add`](NoiseParams::add), from a stream that is already open.
    pub(crate) fn add_from(
        &self,
        clean: ArrayView2<'_, f64>,
        rng: &mut Xoshiro256PlusPlus,
    ) -> Result<Array2<f64>> {
        self.add_counted(clean, rng, poisson)
    }

    /// The same with a sampler of one's own for Poisson numbers of a given mean.
    pub(crate) fn add_counted(
        &self,
        clean: ArrayView2<'_, f64>,
        rng: &mut Xoshiro256PlusPlus,
        poisson: impl Fn(f64, &mut Xoshiro256PlusPlus) -> f64,
    ) -> Result<Array2<f64>> {
        self.validate()?;
        check_not_empty("clean image", clean.shape())?;
        check_finite("clean image", clean)?;
        let mut noisy = match self.counts_per_unit {
            Some(counts) => count(clean, counts, rng, poisson)?,
            None => clean.to_owned(),
        };
        if self.sigma > 0.0 {
            noisy.scaled_add(self.sigma, &self.unit_noise([clean.nrows(), clean.ncols()], rng)?);
        }
        Ok(noisy)
    }

    /// Standard deviation of every pixel of `clean` under this noise: √(sigma² + clean/counts_per_unit).
    ///
    /// # Errors
    /// Those of [`validate`](NoiseParams::validate).
    pub fn sigma_map(&self, clean: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        self.validate()?;
        let per_unit = self.counts_per_unit.map_or(0.0, f64::recip);
        Ok(clean.mapv(|v| (self.sigma * self.sigma + v.max(0.0) * per_unit).sqrt()))
    }

    /// Expected power of the additive noise at every frequency, ⟨|DFT|²⟩ of an unnormalised transform of
    /// shape `(y, x)`, zero frequency first. Its mean is `sigma²` times the number of pixels. Counting
    /// noise, white in expectation, is not in it.
    ///
    /// # Errors
    /// Those of [`validate`](NoiseParams::validate); [`Error::Empty`] for a side of 0,
    /// [`Error::Parameter`] above 2²⁸ pixels.
    pub fn power_spectrum(&self, shape: [usize; 2]) -> Result<Array2<f64>> {
        self.validate()?;
        crate::spectrum::check_size("shape of a spectrum", shape)?;
        let [h, w] = shape;
        let mut power = Array2::from_shape_fn(shape, |(ky, kx)| {
            let (fy, fx) = (frequency(ky, h) as f64 / h as f64, frequency(kx, w) as f64 / w as f64);
            gaussian_response(self.blur, fy, fx).powi(2)
        });
        power *= self.sigma * self.sigma * power.len() as f64 / mean_power(self.blur, shape);
        Ok(power)
    }

    fn unit_noise(&self, shape: [usize; 2], rng: &mut impl Rng) -> Result<Array2<f64>> {
        if self.blur == 0.0 {
            return Ok(white_noise(shape, rng));
        }
        // Normalised by what the kernel does to white noise on average, not by this draw's own scatter:
        // only then is `sigma` the standard deviation of a pixel.
        let gain = mean_power(self.blur, shape).sqrt().recip();
        coloured_noise(shape, rng, |fy, fx| gain * gaussian_response(self.blur, fy, fx))
    }
}

/// Mean over all frequencies of the squared response: the variance that blurring leaves of 1.
/// At least 1/N, because zero frequency passes whole.
fn mean_power(blur: f64, shape: [usize; 2]) -> f64 {
    // The response separates, so its mean is a product of means along the axes.
    let along = |n: usize| {
        let power = |k| gaussian_response(blur, frequency(k, n) as f64 / n as f64, 0.0).powi(2);
        (0..n).map(power).sum::<f64>() / n as f64
    };
    along(shape[0]) * along(shape[1])
}

/// Poisson numbers of mean `clean · counts`, in units of the image.
fn count(
    clean: ArrayView2<'_, f64>,
    counts: f64,
    rng: &mut Xoshiro256PlusPlus,
    poisson: impl Fn(f64, &mut Xoshiro256PlusPlus) -> f64,
) -> Result<Array2<f64>> {
    let brightest = clean.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    let mut noisy = clean.to_owned();
    for ((y, x), value) in noisy.indexed_iter_mut() {
        let mean = *value * counts;
        if *value < -1e-9 * brightest || mean > MAX_COUNTS {
            return Err(Error::parameter(
                "clean image with counting noise",
                "0 to 1e9 counts in every pixel (raise the background or lower counts_per_unit)",
                format!("{mean} counts at [{y}, {x}]"),
            ));
        }
        *value = poisson(mean, rng) / counts;
    }
    Ok(noisy)
}

/// A Poisson number; 0 for a mean of 0, or below it by rounding.
fn poisson(mean: f64, rng: &mut Xoshiro256PlusPlus) -> f64 {
    Poisson::new(mean).map_or(0.0, |distribution| distribution.sample(rng))
}
