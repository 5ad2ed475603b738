//! Angle and scale from the magnitudes of the spectra, which a displacement leaves alone.

use std::f64::consts::PI;

use ndarray::{Array2, ArrayView2, Axis, s};
use nonius_core::{RealFft2, Result, fast_length, paraboloid_peak, wrapped_lag};
use num_complex::Complex;

use super::SimilarityParams;
use super::polar::sample_rays;

/// Set-up for the spectra of images of one shape.
#[derive(Debug)]
pub(super) struct Spectra {
    window: Array2<f64>,
    fft: RealFft2<f64>,
    /// Of the log-polar spectra, zero-padded along the radius.
    polar_fft: RealFft2<f64>,
    directions: Vec<[f64; 2]>,
    /// In elements of the padded spectrum, one logarithmic step apart.
    radii: Vec<f64>,
    /// Lags along the radius that the range of scales allows: from, to.
    lags: [isize; 2],
    candidates: usize,
}

/// The log-polar spectrum of an image, ready to be correlated.
pub(super) struct LogPolar {
    transform: Vec<Complex<f64>>,
    /// Sum of squares of the first j columns.
    energy: Vec<f64>,
}

/// Angle, modulo half a turn, and scale that the spectra propose.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Proposal {
    /// Degrees, within ±90.
    pub(super) angle: f64,
    pub(super) scale: f64,
}

impl Spectra {
    pub(super) fn new(shape: (usize, usize), params: &SimilarityParams) -> Result<Self> {
        let size = fast_length(2 * shape.0.max(shape.1));
        let step = PI / params.angular_samples as f64;
        let ratio = params.max_frequency * shape.0.min(shape.1) as f64 / params.min_cycles;
        let columns = ((ratio.ln() / step).floor().max(0.0) as usize + 1).max(2);
        let innermost = params.min_cycles * size as f64 / shape.0.min(shape.1) as f64;
        let radii = (0..columns).map(|j| innermost * (j as f64 * step).exp()).collect();
        let directions = (0..params.angular_samples)
            .map(|i| (i as f64 * step).sin_cos())
            .map(|(sin, cos)| [cos, sin])
            .collect();
        // At least a quarter of the radii must be common to both spectra.
        let most = (3 * columns / 4) as isize;
        let lag = |scale: f64| -(scale.ln() / step).round() as isize;
        Ok(Spectra {
            window: round_window(shape),
            fft: RealFft2::new((size, size))?,
            polar_fft: RealFft2::new((params.angular_samples, fast_length(2 * columns)))?,
            directions,
            radii,
            lags: [lag(params.max_scale).max(-most), lag(params.min_scale).min(most)],
            candidates: params.candidates,
        })
    }

    /// Log magnitude on rays through the origin, its mean over the angle subtracted at each radius: what
    /// all directions share says nothing about angle, and little about scale.
    pub(super) fn log_polar(&self, image: ArrayView2<'_, f64>) -> Result<LogPolar> {
        let (h, w) = image.dim();
        let mut spectrum = self.fft.spectrum();
        let windowed = |y: usize, row: &mut [f64]| {
            row.fill(0.0);
            if y < h {
                for x in 0..w {
                    row[x] = image[[y, x]] * self.window[[y, x]];
                }
            }
        };
        self.fft.forward_rows(windowed, &mut spectrum, &mut self.fft.scratch())?;
        let mut polar = sample_rays(
            self.half_plane(&spectrum).view(),
            [(self.fft.shape().0 / 2) as f64, 0.0],
            &self.directions,
            &self.radii,
        );
        for mut ring in polar.axis_iter_mut(Axis(1)) {
            let mean = ring.mean().unwrap_or(0.0);
            ring.mapv_inplace(|v| v - mean);
        }
        let mut energy = vec![0.0];
        for ring in polar.axis_iter(Axis(1)) {
            energy.push(energy[energy.len() - 1] + ring.iter().map(|v| v * v).sum::<f64>());
        }
        let mut padded = Array2::zeros(self.polar_fft.shape());
        padded.slice_mut(s![.., ..self.radii.len()]).assign(&polar);
        let mut transform = self.polar_fft.spectrum();
        self.polar_fft.forward(padded.view(), &mut transform, &mut self.polar_fft.scratch())?;
        Ok(LogPolar { transform, energy })
    }

    /// Log magnitude for k_x ≥ 0; row n/2 is k_y = 0, and the last row repeats the first.
    fn half_plane(&self, spectrum: &[Complex<f64>]) -> Array2<f64> {
        let n = self.fft.shape().0;
        let strongest = spectrum.iter().fold(0.0_f64, |m, v| m.max(v.norm_sqr()));
        // What lies this far below the strongest is rounding.
        let floor = strongest * 1e-20;
        Array2::from_shape_fn((n + 1, self.fft.n_kx()), |(y, x)| {
            let ky = (y + n - n / 2) % n;
            0.5 * (spectrum[x * n + ky].norm_sqr() + floor).ln()
        })
    }

    /// The best angles and scales, best first.
    ///
    /// `G(φ, ρ) = F(φ − angle, ρ + ln scale)`: the content's turn is the spectrum's, its magnification
    /// shrinks the spectrum.
    pub(super) fn propose(&self, reference: &LogPolar, moving: &LogPolar) -> Result<Vec<Proposal>> {
        let mut cross: Vec<_> =
            reference.transform.iter().zip(&moving.transform).map(|(f, g)| f.conj() * g).collect();
        let (rows, padded) = self.polar_fft.shape();
        let mut map = Array2::zeros((rows, padded));
        self.polar_fft.inverse(&mut cross, map.view_mut(), &mut self.polar_fft.scratch())?;
        let cells = (rows * padded) as f64;
        let columns = self.radii.len() as isize;
        let coefficient = |i: usize, lag: isize| {
            // Columns of `moving` whose partner `column − lag` exists.
            let (from, to) = (lag.max(0) as usize, (columns + lag).min(columns) as usize);
            let common = |e: &[f64], shift: isize| {
                e[(to as isize - shift) as usize] - e[(from as isize - shift) as usize]
            };
            let norm = (common(&reference.energy, lag) * common(&moving.energy, 0)).sqrt();
            let sum = map[[i % rows, lag.rem_euclid(padded as isize) as usize]] / cells;
            if norm > 0.0 { sum / norm } else { 0.0 }
        };
        let mut found: Vec<(f64, Proposal)> = Vec::new();
        let step = PI / rows as f64;
        for i in 0..rows {
            for lag in self.lags[0]..=self.lags[1] {
                let patch: [[f64; 3]; 3] = std::array::from_fn(|a| {
                    std::array::from_fn(|b| coefficient(i + rows + a - 1, lag + b as isize - 1))
                });
                let top = patch[1][1];
                if top <= 0.0 || patch.iter().flatten().any(|&v| v > top) {
                    continue;
                }
                let [di, dl] = paraboloid_peak(&patch).unwrap_or([0.0; 2]).map(|o| o.clamp(-0.6, 0.6));
                let proposal = Proposal {
                    angle: ((wrapped_lag(i, rows) as f64 + di) * step).to_degrees(),
                    scale: (-(lag as f64 + dl) * step).exp(),
                };
                // A coefficient of fewer radii is larger by chance.
                let weight = top * (1.0 - lag.unsigned_abs() as f64 / columns as f64).sqrt();
                let at = found.iter().position(|f| weight > f.0).unwrap_or(found.len());
                found.insert(at, (weight, proposal));
                found.truncate(self.candidates);
            }
        }
        Ok(found.into_iter().map(|f| f.1).collect())
    }
}

/// A Hann window of the distance from the centre: the same seen from all sides.
fn round_window(shape: (usize, usize)) -> Array2<f64> {
    let center = super::pose::center(shape);
    let radius = shape.0.min(shape.1) as f64 / 2.0;
    Array2::from_shape_fn(shape, |(y, x)| {
        let r = (y as f64 - center[0]).hypot(x as f64 - center[1]) / radius;
        if r < 1.0 { 0.5 + 0.5 * (PI * r).cos() } else { 0.0 }
    })
}
