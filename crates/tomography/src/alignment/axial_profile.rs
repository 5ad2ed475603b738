//! Offsets along the axis of rotation from the sample's mass per length of axis.

use std::f64::consts::TAU;

use ndarray::{Array1, ArrayView3};
use nonius_core::tilt_series::Geometry;
use nonius_core::{Error, FftNd, Real, Result, fast_length};
use num_complex::Complex;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::axis::ImageAxis;
use super::footprint::{Footprint, footprints, noise_correlation};

/// Parameters of [`align_axial_profile`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AxialProfileParams {
    /// As [`MomentsParams::threshold`](super::MomentsParams::threshold). Default: 5.
    pub threshold: Option<f64>,
    /// Most rounds of registering all profiles with their mean, at least 1. Default: 20; five suffice nearly
    /// always.
    pub max_iterations: usize,
    /// Rounds end when no offset changes by more than this, px, not negative. Default: 10⁻⁴.
    pub tolerance: f64,
}

impl Default for AxialProfileParams {
    fn default() -> Self {
        AxialProfileParams { threshold: Some(5.0), max_iterations: 20, tolerance: 1e-4 }
    }
}

impl AxialProfileParams {
    /// Checks every parameter.
    ///
    /// # Errors
    /// [`Error::Parameter`] names the first that cannot be.
    pub fn validate(&self) -> Result<()> {
        if let Some(threshold) = self.threshold {
            nonius_core::check_positive("threshold", threshold)?;
        }
        if self.max_iterations == 0 {
            return Err(Error::parameter("max_iterations", "at least 1", 0));
        }
        nonius_core::check_not_negative("tolerance", self.tolerance)
    }
}

/// What [`align_axial_profile`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct AxialProfileAlignment {
    /// `[j, k]` offset of every view, px: along the axis what was found, across it what the geometry had.
    pub offsets: Vec<[f64; 2]>,
    /// Offset of each view along `direction`, px; their mean is 0.
    pub along: Vec<f64>,
    /// Standard error of each, px; NaN for a degenerate view.
    pub standard_errors: Vec<f64>,
    /// The axis of rotation in the images, `[j, k]`, of length 1; its larger component is positive.
    pub direction: [f64; 2],
    /// Mean of the aligned profiles: mass per px along the axis. Its middle is the middle of the images.
    pub profile: Array1<f64>,
    /// Correlation coefficient of each view's profile with the mean; below the others: truncation across the axis.
    pub scores: Vec<f64>,
    /// Views whose profile is flat: they keep the offsets that they had.
    pub degenerate: Vec<usize>,
    /// Rounds that were made.
    pub iterations: usize,
    /// Largest change of the last round, px.
    pub last_change: f64,
}

/// Aligns views along their one axis of rotation: the sample's mass per length of that axis is the same from all
/// sides. No part of the sample may leave the view across the axis; it should not along it. The axis may lie along
/// j, along k or between them, in the plane of the images within 0.02 rad.
///
/// `images` and `weights` as for [`align_moments`](super::align_moments). Profiles are padded with zeros and
/// registered with their mean by the continuous maximum of their correlation, which is the maximum of likelihood
/// for white noise, whatever the brightness of each; with the new mean again, until nothing moves.
///
/// ```text
/// var s = χ² Σ T′(b)² var v(b) / (Σ T′(b)²)²
/// ```
///
/// where T is the mean profile, `var v(b)` the noise of the pixels of the sample in line b, and χ² what is left of
/// all profiles, over what noise leaves; at least 1.
///
/// # Errors
/// [`Error::Parameter`] if the geometry has no one axis, or the axis is inclined towards the beam, or a parameter
/// cannot be; the others as of [`align_moments`](super::align_moments).
pub fn align_axial_profile<F: Real>(
    geometry: &Geometry,
    images: ArrayView3<'_, F>,
    weights: Option<ArrayView3<'_, F>>,
    params: &AxialProfileParams,
) -> Result<AxialProfileAlignment> {
    params.validate()?;
    let footprints = footprints(geometry, images, weights, params.threshold)?;
    let direction = ImageAxis::of(geometry)?.direction;
    let correlation = noise_correlation(&footprints);
    let profiles: Vec<Profile> =
        footprints.par_iter().map(|f| Profile::of(f, direction, correlation)).collect();
    let degenerate: Vec<usize> = (0..profiles.len()).filter(|i| !profiles[*i].significant()).collect();
    let sound: Vec<usize> = (0..profiles.len()).filter(|i| profiles[*i].significant()).collect();

    let spectra = Spectra::of(&sound.iter().map(|i| &profiles[*i]).collect::<Vec<_>>())?;
    let (mut shifts, mut iterations, mut last_change) = (spectra.start(), 0, f64::INFINITY);
    while iterations < params.max_iterations && last_change > params.tolerance {
        let mean = spectra.mean(&shifts);
        let mut next: Vec<f64> = spectra
            .frames
            .par_iter()
            .zip(&shifts)
            .map(|(frame, s)| spectra.refine(frame, &mean, *s))
            .collect();
        remove_mean(&mut next);
        last_change = next.iter().zip(&shifts).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        shifts = next;
        iterations += 1;
    }

    let mean = spectra.mean(&shifts);
    let slope = spectra.real(mean.iter().enumerate().map(|(q, m)| m * Complex::new(0.0, spectra.wave(q))));
    let mut found = AxialProfileAlignment {
        offsets: geometry.offsets(),
        along: vec![0.0; geometry.len()],
        standard_errors: vec![f64::NAN; geometry.len()],
        direction,
        profile: spectra.real(mean.iter().copied()).into(),
        scores: vec![f64::NAN; geometry.len()],
        degenerate,
        iterations,
        last_change: if sound.is_empty() { 0.0 } else { last_change },
    };
    let misfit = spectra.misfit(&mean, &shifts, sound.iter().map(|i| profiles[*i].variances.iter().sum()));
    for ((i, shift), frame) in sound.into_iter().zip(shifts).zip(&spectra.frames) {
        let [oj, ok] = found.offsets[i];
        let across = -oj * direction[1] + ok * direction[0];
        found.offsets[i] =
            [shift * direction[0] - across * direction[1], shift * direction[1] + across * direction[0]];
        found.along[i] = shift;
        found.standard_errors[i] = profiles[i].shift_error(&slope, shift) * misfit.sqrt();
        found.scores[i] = spectra.score(frame, &mean, shift);
    }
    Ok(found)
}

/// Mass per px along the axis in one image, and its variance.
struct Profile {
    values: Vec<f64>,
    variances: Vec<f64>,
}

impl Profile {
    /// A pixel between two lines is split among them.
    fn of(footprint: &Footprint, [u_j, u_k]: [f64; 2], correlation: f64) -> Self {
        let image = &footprint.image;
        let middle = [image.nrows(), image.ncols()].map(|n| 0.5 * (n as f64 - 1.0));
        let reach = u_j.abs() * middle[0] + u_k.abs() * middle[1];
        let n = (2.0 * reach - 1e-9).ceil().max(0.0) as usize + 1;
        let (mut values, mut variances) = (vec![0.0; n], vec![0.0; n]);
        let noise = footprint.noise * footprint.noise * correlation;
        for (((a, b), value), inside) in image.indexed_iter().zip(&footprint.inside) {
            if !(*inside && footprint.measured) {
                continue;
            }
            let place = (a as f64 - middle[0]) * u_j + (b as f64 - middle[1]) * u_k + 0.5 * (n as f64 - 1.0);
            let line = (place + 1e-9).floor().clamp(0.0, (n - 1) as f64);
            let part = (place - line).clamp(0.0, 1.0);
            for (line, part) in [(line as usize, 1.0 - part), (line as usize + 1, part)] {
                if line < n {
                    values[line] += part * value;
                    variances[line] += part * part * noise;
                }
            }
        }
        Profile { values, variances }
    }

    /// Whether it has structure to register: more power than noise explains.
    fn significant(&self) -> bool {
        let power: f64 = self.values.iter().map(|v| v * v).sum();
        let noise: f64 = self.variances.iter().sum();
        power.is_finite() && power > 25.0 * noise && power > 0.0
    }

    /// Standard error of the displacement that aligns this with a template of this slope.
    fn shift_error(&self, slope: &[f64], shift: f64) -> f64 {
        let (mut information, mut variance) = (0.0, 0.0);
        for (b, noise) in self.variances.iter().enumerate() {
            // The template's line that lies over line b.
            let at = (b as f64 + shift).round();
            if at >= 0.0 && (at as usize) < slope.len() {
                let slope = slope[at as usize];
                information += slope * slope;
                variance += slope * slope * noise;
            }
        }
        variance.sqrt() / information
    }
}

/// Profiles padded with zeros to more than twice their length, transformed.
struct Spectra {
    plan: FftNd<f64>,
    /// Length of a profile.
    n: usize,
    length: usize,
    /// The half spectrum of each, without the frequency that cannot be shifted.
    frames: Vec<Vec<Complex<f64>>>,
}

impl Spectra {
    fn of(profiles: &[&Profile]) -> Result<Self> {
        let n = profiles.first().map_or(1, |profile| profile.values.len());
        let length = fast_length(2 * n + 16);
        let plan = FftNd::new(&[length])?;
        let transformed = |profile: &&Profile| {
            let mut data = Array1::zeros(length);
            for (to, from) in data.iter_mut().zip(&profile.values) {
                *to = Complex::new(*from, 0.0);
            }
            plan.forward(data.view_mut())?;
            Ok(data.iter().take(length.div_ceil(2)).copied().collect())
        };
        let frames = profiles.iter().map(transformed).collect::<Result<_>>()?;
        Ok(Spectra { plan, n, length, frames })
    }

    /// Angular frequency of element q, rad/px.
    fn wave(&self, q: usize) -> f64 {
        TAU * q as f64 / self.length as f64
    }

    /// The content of a frame moved by +s: `F_q exp(−i ω s)`.
    fn moved<'a>(&'a self, frame: &'a [Complex<f64>], s: f64) -> impl Iterator<Item = Complex<f64>> + 'a {
        frame.iter().enumerate().map(move |(q, f)| f * Complex::cis(-self.wave(q) * s))
    }

    /// Mean of all frames, each moved by its shift.
    fn mean(&self, shifts: &[f64]) -> Vec<Complex<f64>> {
        let mut mean = vec![Complex::default(); self.length.div_ceil(2)];
        for (frame, s) in self.frames.iter().zip(shifts) {
            for (m, f) in mean.iter_mut().zip(self.moved(frame, *s)) {
                *m += f / self.frames.len() as f64;
            }
        }
        mean
    }

    /// The real signal of a half spectrum, over the length of a profile.
    fn real(&self, half: impl Iterator<Item = Complex<f64>>) -> Vec<f64> {
        let mut data = self.all(half);
        data.truncate(self.n);
        data
    }

    fn all(&self, half: impl Iterator<Item = Complex<f64>>) -> Vec<f64> {
        let mut data = Array1::zeros(self.length);
        for (q, f) in half.enumerate() {
            data[q] = if q == 0 { f } else { 2.0 * f };
        }
        self.plan.inverse(data.view_mut()).expect("an array of the plan's shape");
        data.iter().map(|v| v.re / self.length as f64).collect()
    }

    /// Whole-pixel displacements of all frames: against the middle one, then against the mean.
    fn start(&self) -> Vec<f64> {
        let mut shifts = vec![0.0; self.frames.len()];
        let Some(mut mean) = self.frames.get(self.frames.len() / 2).cloned() else { return shifts };
        for _ in 0..2 {
            for (frame, shift) in self.frames.iter().zip(&mut shifts) {
                let correlation = self.all(mean.iter().zip(frame).map(|(m, f)| m * f.conj()));
                let best = (0..self.length)
                    .fold(0, |best, s| if correlation[s] > correlation[best] { s } else { best });
                *shift = if 2 * best > self.length { best as f64 - self.length as f64 } else { best as f64 };
            }
            mean = self.mean(&shifts);
        }
        remove_mean(&mut shifts);
        shifts
    }

    /// The maximum near s of the correlation `c(s) = Σ Re(F exp(−iωs) T*)`, by Newton's method.
    fn refine(&self, frame: &[Complex<f64>], mean: &[Complex<f64>], mut s: f64) -> f64 {
        for _ in 0..10 {
            let (mut slope, mut curvature) = (0.0, 0.0);
            for (q, (moved, m)) in self.moved(frame, s).zip(mean).enumerate() {
                let product = moved * m.conj();
                slope += self.wave(q) * product.im;
                curvature -= self.wave(q).powi(2) * product.re;
            }
            // Where c is not concave, half a pixel uphill.
            let step = if curvature < 0.0 { -slope / curvature } else { 0.5 * slope.signum() };
            s += step.clamp(-0.5, 0.5);
            if step.abs() < 1e-9 {
                break;
            }
        }
        s
    }

    /// What is left of all frames but for the mean, each as bright as it fits best, over what noise leaves; at least 1.
    fn misfit(&self, mean: &[Complex<f64>], shifts: &[f64], noise: impl Iterator<Item = f64>) -> f64 {
        let (mut left, mut expected) = (0.0, 0.0);
        for ((frame, s), noise) in self.frames.iter().zip(shifts).zip(noise) {
            left += self.power(frame) * (1.0 - self.score(frame, mean, *s).powi(2));
            expected += noise;
        }
        if expected > 0.0 { (left / expected).max(1.0) } else { 1.0 }
    }

    /// Sum of squares of a signal over all its length.
    fn power(&self, half: &[Complex<f64>]) -> f64 {
        let both: f64 = half.iter().skip(1).map(Complex::norm_sqr).sum();
        (half.first().map_or(0.0, Complex::norm_sqr) + 2.0 * both) / self.length as f64
    }

    /// Correlation coefficient, means included: air is 0.
    fn score(&self, frame: &[Complex<f64>], mean: &[Complex<f64>], s: f64) -> f64 {
        let products = self.moved(frame, s).zip(mean).map(|(f, m)| (f * m.conj()).re);
        let sum: f64 = products.enumerate().map(|(q, p)| if q == 0 { p } else { 2.0 * p }).sum();
        sum / self.length as f64 / (self.power(frame) * self.power(mean)).sqrt()
    }
}

fn remove_mean(values: &mut [f64]) {
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    values.iter_mut().for_each(|v| *v -= mean);
}
