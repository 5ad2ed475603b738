//! Signal and noise of two aligned images, frequency by frequency.
//!
//! With both images transformed and the displacement taken out, the cross-spectrum is the scene's power
//! where the images agree and noise around zero where they do not. Its averages over rings of equal
//! frequency give the scene's spectrum, both noise levels, the coherence, and from them the weights that
//! make best use of the images and the covariance of the displacement that was found.

use nonius_core::{Real, RealFft2, frequency, invert_free, sandwich};
use num_complex::Complex;

/// Rings of equal spatial frequency, one period per (longer) frame side wide.
#[derive(Debug, Clone)]
pub(crate) struct Rings {
    /// Ring of every element of the half spectrum.
    of: Vec<u16>,
    count: usize,
    /// Rings per cycle per pixel.
    scale: f64,
    /// Columns k_x that averages are taken over, and how many columns each stands for.
    columns: Vec<(usize, f64)>,
}

/// Low columns, few and telling, are all looked at; of the others, if there are many, about this many.
const LOW_COLUMNS: usize = 32;
const HIGH_COLUMNS: usize = 64;

impl Rings {
    pub(crate) fn new((h, w): (usize, usize)) -> Self {
        let side = h.max(w) as f64;
        // More rings than a u16 counts are merged.
        let scale = (60_000.0 / side).min(1.0) * side;
        let mut of = Vec::with_capacity((w / 2 + 1) * h);
        for kx in 0..=w / 2 {
            let x = kx as f64 / w as f64;
            for ky in 0..h {
                let y = frequency(ky, h) as f64 / h as f64;
                of.push((x.hypot(y) * scale).round() as u16);
            }
        }
        let count = of.iter().max().map_or(0, |&r| r as usize + 1);
        Rings { of, count, scale, columns: sampled_columns(w) }
    }
}

/// Columns of the half spectrum of width `w` that stand for all, each with its multiplicity.
fn sampled_columns(w: usize) -> Vec<(usize, f64)> {
    let n = w / 2 + 1;
    let low = LOW_COLUMNS.min(n);
    let stride = ((n - low) / HIGH_COLUMNS).max(1);
    let multiplicity = |kx: usize| if kx == 0 || 2 * kx == w { 1.0 } else { 2.0 };
    let mut columns: Vec<_> = (0..low).map(|kx| (kx, multiplicity(kx))).collect();
    for first in (low..n).step_by(stride) {
        let stands_for = first..(first + stride).min(n);
        let weight = stands_for.clone().map(multiplicity).sum();
        columns.push(((stands_for.start + stands_for.end - 1) / 2, weight));
    }
    columns
}

/// Transforms of two images and their (weighted) cross-spectrum.
pub(crate) struct CrossSpectrum<'a, F: Real> {
    pub(crate) fft: &'a RealFft2<F>,
    pub(crate) rings: &'a Rings,
    pub(crate) reference: &'a [Complex<F>],
    pub(crate) moving: &'a [Complex<F>],
    pub(crate) cross: &'a mut [Complex<F>],
    /// The cross-spectrum was brought to modulus 1.
    pub(crate) whitened: bool,
}

/// White noise in two images of one scene.
#[derive(Debug, Clone)]
pub(crate) struct NoiseModel {
    /// Amplitude of the scene in the moving image over that in the reference.
    gain: f64,
    /// Noise power per element of the spectrum, reference and moving image.
    noise: [f64; 2],
    /// Scene power per ring, in units of the reference.
    scene: Vec<f64>,
    /// Σ|ω|² per ring.
    omega2: Vec<f64>,
    /// Correlation coefficient at the displacement.
    pub(crate) correlation: f64,
    /// What [`CrossSpectrum::weight`] multiplied each ring by.
    weights: Option<Vec<f64>>,
}

impl NoiseModel {
    /// Variance of the cross-spectrum in a ring: what noise adds to the imaginary part (twice over).
    fn variance(&self, ring: usize) -> f64 {
        let [n1, n2] = self.noise;
        self.scene[ring] * (n2 + self.gain * self.gain * n1) + n1 * n2
    }

    /// `γ²/(1−γ²)` over the scene's spectrum, up to a factor.
    fn weight(&self, ring: usize) -> f64 {
        let variance = self.variance(ring);
        if variance > 0.0 { self.scene[ring] / variance } else { 0.0 }
    }

    /// By how much coherence weights would reduce the variance of the displacement: 1 is nothing.
    pub(crate) fn coherence_gain(&self) -> f64 {
        let (mut h0, mut m0, mut hc) = (0.0, 0.0, 0.0);
        for r in 0..self.scene.len() {
            let (signal, variance) = (self.gain * self.scene[r], self.variance(r));
            h0 += self.omega2[r] * signal;
            m0 += self.omega2[r] * variance;
            hc += if variance > 0.0 { self.omega2[r] * signal * signal / variance } else { 0.0 };
        }
        if h0 > 0.0 && m0 > 0.0 { m0 * hc / (h0 * h0) } else { 1.0 }
    }

    pub(crate) fn has_coherence(&self) -> bool {
        self.noise[0] > 0.0 && self.noise[1] > 0.0 && self.scene.iter().any(|&s| s > 0.0)
    }

    /// Coherence weights as a function of the frequency in cycles per pixel, largest 1, between rings
    /// linear, beyond the last ring constant.
    pub(crate) fn weight_at(&self, rings: &Rings) -> impl Fn(f64) -> f64 + use<> {
        let (weights, scale) = (self.normalised_weights(), rings.scale);
        move |frequency| {
            let at = (frequency * scale).min((weights.len() - 1) as f64);
            let ring = at.floor() as usize;
            let next = (ring + 1).min(weights.len() - 1);
            weights[ring] + (at - ring as f64) * (weights[next] - weights[ring])
        }
    }

    /// Noise power per element of the spectrum, of the reference and the moving image.
    pub(crate) fn noise(&self) -> [f64; 2] {
        self.noise
    }

    /// Remembers the weights that the cross-spectrum has now.
    pub(crate) fn weighted_like(mut self, applied: &NoiseModel) -> Self {
        self.weights = Some(applied.normalised_weights());
        self
    }

    fn normalised_weights(&self) -> Vec<f64> {
        let weights: Vec<f64> = (0..self.scene.len()).map(|r| self.weight(r)).collect();
        let largest = weights.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        weights.into_iter().map(|w| w / largest).collect()
    }
}

impl<F: Real> CrossSpectrum<'_, F> {
    /// Averages over rings at displacement `shift`.
    pub(crate) fn model(&self, shift: [f64; 2], sign: f64) -> NoiseModel {
        let (h, w) = self.fft.shape();
        let n = self.rings.count;
        let (mut p1, mut p2, mut cross) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
        let (mut omega2, mut members) = (vec![0.0; n], vec![0.0; n]);
        let wave_y = waves::<F>(h, shift[0]);
        let omega2_y: Vec<f64> = (0..h).map(|ky| omega(ky, h).powi(2)).collect();
        for &(kx, weight) in &self.rings.columns {
            let column = kx * h..(kx + 1) * h;
            let (f, g, rings) =
                (&self.reference[column.clone()], &self.moving[column.clone()], &self.rings.of[column]);
            let wave_x = wave::<F>(kx, w, shift[1]);
            let wx = omega(kx, w);
            for ky in 0..h {
                let r = rings[ky] as usize;
                let turned = f[ky].conj() * g[ky] * (wave_y[ky] * wave_x);
                p1[r] += weight * f[ky].norm_sqr().f64();
                p2[r] += weight * g[ky].norm_sqr().f64();
                cross[r] += weight * sign * turned.re.f64();
                omega2[r] += weight * (omega2_y[ky] + wx * wx);
                members[r] += weight;
            }
        }
        // The mean is not part of the comparison.
        members[0] -= 1.0;
        let correlation =
            cross.iter().sum::<f64>() / (p1.iter().sum::<f64>() * p2.iter().sum::<f64>()).sqrt();
        let (gain, noise) = gain_and_noise(&p1, &p2, &cross, members.iter().sum());
        let scene = (0..n).map(|r| scene_power(r, &cross, &members, gain, noise)).collect();
        NoiseModel { gain, noise, scene, omega2, correlation, weights: None }
    }

    /// Multiplies the plain cross-spectrum by the model's coherence weights, largest 1.
    pub(crate) fn weight(&mut self, model: &NoiseModel) {
        let weights: Vec<F> = model.normalised_weights().into_iter().map(F::of).collect();
        for (((x, f), g), &ring) in
            self.cross.iter_mut().zip(self.reference).zip(self.moving).zip(&self.rings.of)
        {
            *x = f.conj() * g * weights[ring as usize];
        }
        self.cross[0] = Complex::new(F::zero(), F::zero());
    }

    /// Covariance of the maximum at `shift`, px²: `H⁻¹ M H⁻¹` with
    ///
    /// ```text
    /// H = Σ_k ω ωᵀ Re X_k,   M = Σ_k ω ωᵀ w_k² (N₂|F_k|² + N₁|G_k|² − N₁N₂)
    /// ```
    ///
    /// where X is the weighted cross-spectrum with the displacement taken out, w its weights and N₁, N₂
    /// the noise powers; `curvature` is H. Where the imaginary parts of X, which are noise alone, scatter
    /// significantly more or less than white noise would let them, M is scaled to what they show: noise
    /// that is correlated between pixels does that.
    pub(crate) fn covariance(
        &self,
        shift: [f64; 2],
        curvature: [[f64; 2]; 2],
        model: &NoiseModel,
    ) -> [[f64; 2]; 2] {
        let (h, w) = self.fft.shape();
        let wave_y = waves::<F>(h, shift[0]);
        let omega_y: Vec<f64> = (0..h).map(|ky| omega(ky, h)).collect();
        let [n1, n2] = model.noise;
        let mut scatter = [0.0; 3];
        let (mut seen, mut expected, mut expected2) = (0.0, 0.0, 0.0);
        for &(kx, multiplicity) in &self.rings.columns {
            let wave_x = wave::<F>(kx, w, shift[1]);
            let wx = omega(kx, w);
            let nyquist_x = 2 * kx == w;
            for ky in usize::from(kx == 0)..h {
                let at = kx * h + ky;
                let wy = omega_y[ky];
                let (f, g) = (self.reference[at].norm_sqr().f64(), self.moving[at].norm_sqr().f64());
                let turned = self.cross[at] * (wave_y[ky] * wave_x);
                let weight2 = if self.whitened {
                    if f * g > 0.0 { turned.norm_sqr().f64() / (f * g) } else { 0.0 }
                } else {
                    model.weights.as_ref().map_or(1.0, |w| w[self.rings.of[at] as usize].powi(2))
                };
                let noise = multiplicity * weight2 * (n2 * f + n1 * g - n1 * n2);
                let omega2 = wy * wy + wx * wx;
                scatter[0] += wy * wy * noise;
                // A Nyquist row or column stands for both signs.
                scatter[1] += if nyquist_x || 2 * ky == h { 0.0 } else { wy * wx * noise };
                scatter[2] += wx * wx * noise;
                seen += omega2 * multiplicity * 2.0 * turned.im.f64().powi(2);
                expected += omega2 * noise;
                expected2 += (omega2 * noise).powi(2);
            }
        }
        // Each conjugate pair scatters like one squared normal number.
        let spread = (2.0 * expected2).sqrt() / expected;
        let ratio = seen / expected;
        let correction = if expected > 0.0 && (ratio - 1.0).abs() > 4.0 * spread { ratio } else { 1.0 };
        let [yy, yx, xx] = scatter.map(|v| v * correction);
        match invert_free(curvature, [h > 1, w > 1]) {
            Some(inverse) => sandwich(inverse, [[yy, yx], [yx, xx]]),
            None => [[f64::NAN; 2]; 2],
        }
    }
}

/// Gain between the images and the noise power of each.
///
/// The gain is taken where the images agree: weights γ⁴ fade out what is noise. With it, noise is the
/// power that the cross-spectrum does not explain, `N₁ = ⟨P₁ − X/g⟩`, `N₂ = ⟨P₂ − gX⟩`, never negative.
fn gain_and_noise(p1: &[f64], p2: &[f64], cross: &[f64], members: f64) -> (f64, [f64; 2]) {
    let (mut a, mut b) = (0.0, 0.0);
    for r in 0..p1.len() {
        if p1[r] > 0.0 && p2[r] > 0.0 && cross[r] > 0.0 {
            let coherence = (cross[r] * cross[r] / (p1[r] * p2[r])).min(1.0);
            let weight = coherence * coherence;
            a += weight * p1[r];
            b += weight * p2[r];
        }
    }
    let gain = if a > 0.0 && b > 0.0 { (b / a).sqrt() } else { 1.0 };
    let total: f64 = cross.iter().sum();
    let unexplained = |p: &[f64], g: f64| ((p.iter().sum::<f64>() - g * total) / members).max(0.0);
    (gain, [unexplained(p1, 1.0 / gain), unexplained(p2, gain)])
}

/// Scene power of a ring, averaged with its neighbours and shrunk by its own uncertainty.
fn scene_power(r: usize, cross: &[f64], members: &[f64], gain: f64, noise: [f64; 2]) -> f64 {
    let neighbours = r.saturating_sub(1)..(r + 2).min(cross.len());
    let count: f64 = members[neighbours.clone()].iter().sum();
    if count <= 0.0 {
        return 0.0;
    }
    let power = (cross[neighbours].iter().sum::<f64>() / count / gain).max(0.0);
    let variance =
        (power * (noise[1] + gain * gain * noise[0]) + noise[0] * noise[1]) / (gain * gain * count);
    power * power * power / (power * power + variance).max(f64::MIN_POSITIVE)
}

pub(crate) fn omega(k: usize, n: usize) -> f64 {
    std::f64::consts::TAU * frequency(k, n) as f64 / n as f64
}

fn wave<F: Real>(k: usize, n: usize, d: f64) -> Complex<F> {
    let wave = Complex::cis(omega(k, n) * d);
    let wave = if 2 * k == n { wave.re.into() } else { wave };
    Complex::new(F::of(wave.re), F::of(wave.im))
}

fn waves<F: Real>(n: usize, d: f64) -> Vec<Complex<F>> {
    (0..n).map(|k| wave(k, n, d)).collect()
}
