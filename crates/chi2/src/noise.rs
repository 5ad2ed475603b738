//! Noise that is correlated between pixels.

use ndarray::Array2;
use nonius_core::{OverlapResiduals, Real, RealFft2, Result, fast_length, frequency};
use num_complex::Complex;

use crate::whiten::Correlation;

/// Lag-1 autocorrelation of residuals of unit weight above which noise counts as correlated, if it is also
/// four standard errors.
const VISIBLE: f64 = 0.05;

/// Whether neighbouring residuals are visibly alike.
pub(crate) fn is_correlated(residual: &Array2<f64>) -> bool {
    let power: f64 = residual.iter().map(|v| v * v).sum();
    let used = residual.iter().filter(|v| **v != 0.0).count() as f64;
    let neighbours = |axis: usize| -> f64 {
        let pairs = residual.axis_windows(ndarray::Axis(axis), 2);
        pairs
            .into_iter()
            .map(|w| &w.index_axis(ndarray::Axis(axis), 0) * &w.index_axis(ndarray::Axis(axis), 1))
            .map(|p| p.sum())
            .sum()
    };
    correlation_is_visible(&[0, 1].map(|axis| neighbours(axis) / power), used)
}

/// Whether lag-1 autocorrelations of n residuals are more than chance.
pub(crate) fn correlation_is_visible(correlations: &[f64; 2], n: f64) -> bool {
    correlations.iter().any(|r| r.abs() > VISIBLE && r.abs() > 4.0 / n.sqrt())
}

/// Covariance `Σ_rr' t(r) C(r − r') t(r')` of `Σ t e` for noise of autocorrelation C; t and e both times the root of
/// the weight, so that C is the same everywhere where the noise is. `weights` are given if an offset is fitted.
/// None if noise is taken for white.
pub(crate) fn gradient_covariance<F: Real>(
    of: &OverlapResiduals,
    weights: Option<&Array2<F>>,
    noise: SharedNoise<'_>,
) -> Result<Option<[[f64; 2]; 2]>> {
    if matches!(noise.correlation, Correlation::None) {
        return Ok(None);
    }
    let (h, w) = of.residual.dim();
    let fft = RealFft2::<f64>::new((fast_length(h + h / 4), fast_length(w + w / 4)))?;
    let mut scratch = fft.scratch();
    let mut transform = |image: &Array2<f64>| -> Result<Vec<_>> {
        let mut spectrum = fft.spectrum();
        let fill = |y: usize, row: &mut [f64]| {
            row.fill(0.0);
            if y < h {
                row[..w].iter_mut().zip(image.row(y)).for_each(|(r, &v)| *r = v);
            }
        };
        fft.forward_rows(fill, &mut spectrum, &mut scratch)?;
        Ok(spectrum)
    };
    let e = transform(&of.residual)?;
    let t = of.slopes.each_ref().map(|slope| match weights {
        Some(weights) => transform(&less_mean(slope, &of.residual, weights)),
        None => transform(slope),
    });
    let [y, x] = t;
    let used = of.residual.iter().filter(|v| **v != 0.0).count().max(1) as f64;
    spectral_covariance(&fft, h.max(w), &e, [&y?, &x?], used, noise)
}

/// Slopes less their weighted mean where there are residuals: an offset takes up what noise does to that. All times
/// the root of the weight.
fn less_mean<F: Real>(slope: &Array2<f64>, residual: &Array2<f64>, weights: &Array2<F>) -> Array2<f64> {
    let used = || slope.iter().zip(weights).zip(residual).filter(|(_, e)| **e != 0.0);
    let (sum, weight) = used().fold((0.0, 0.0), |(s, n), ((t, w), _)| (s + w.f64().sqrt() * t, n + w.f64()));
    let mean = if weight > 0.0 { sum / weight } else { 0.0 };
    let mut out = slope.clone();
    ndarray::Zip::from(&mut out).and(residual).and(weights).for_each(|t, &e, &w| {
        *t -= if e != 0.0 { w.f64().sqrt() * mean } else { 0.0 };
    });
    out
}

/// What is known of the noise of a pair beside its variances.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SharedNoise<'a> {
    pub(crate) correlation: &'a Correlation,
    /// Whether the moving image's σ was given.
    pub(crate) known: bool,
}

/// Covariance of `Σ t e` from the spectra of e, the residuals of n pixels, and of t, both times the root of the
/// weight; of frames with a longer side of `side` px. None if noise is taken for white.
pub(crate) fn spectral_covariance(
    fft: &RealFft2<f64>,
    side: usize,
    e: &[Complex<f64>],
    t: [&[Complex<f64>]; 2],
    n: f64,
    noise: SharedNoise<'_>,
) -> Result<Option<[[f64; 2]; 2]>> {
    Ok(match noise.correlation {
        Correlation::None => None,
        Correlation::Residuals => Some(power_covariance(fft, &ring_power(fft, side, e, n), t)),
        Correlation::Known(power) => {
            let mut power = power.on(fft)?;
            if !noise.known {
                let (h, w) = fft.shape();
                let column = |kx: usize| e[kx * h..(kx + 1) * h].iter().map(|v| v.norm_sqr()).sum::<f64>();
                let sum: f64 = (0..fft.n_kx()).map(|kx| fft.multiplicity(kx) * column(kx)).sum();
                power.iter_mut().for_each(|p| *p *= sum / (n * (h * w) as f64));
            }
            Some(power_covariance(fft, &power, t))
        }
    })
}

/// Power per pixel of residuals with the spectrum e, n of which count, averaged over rings of equal frequency.
fn ring_power(fft: &RealFft2<f64>, side: usize, e: &[Complex<f64>], n: f64) -> Vec<f64> {
    let (h, w) = fft.shape();
    let each = || (0..fft.n_kx()).flat_map(|kx| (0..h).map(move |ky| (kx, ky)));
    // Rings two periods of the frame wide: enough members in the lowest, too.
    let rings = 0.5 * side as f64;
    let ring = |kx: usize, ky: usize| {
        let (y, x) = (frequency(ky, h) as f64 / h as f64, kx as f64 / w as f64);
        (y.hypot(x) * rings) as usize
    };
    let mut power = vec![[0.0; 2]; rings as usize + 2];
    for (kx, ky) in each().skip(1) {
        let sums = &mut power[ring(kx, ky)];
        sums[0] += fft.multiplicity(kx) * e[kx * h + ky].norm_sqr();
        sums[1] += fft.multiplicity(kx);
    }
    each()
        .map(|(kx, ky)| {
            let [sum, members] = power[ring(kx, ky)];
            sum / (members.max(1.0) * n)
        })
        .collect()
}

/// Covariance of `Σ t e` from the power of e per pixel and the spectra of t.
fn power_covariance(fft: &RealFft2<f64>, power: &[f64], t: [&[Complex<f64>]; 2]) -> [[f64; 2]; 2] {
    let (h, w) = fft.shape();
    let mut out = [[0.0; 2]; 2];
    for kx in 0..fft.n_kx() {
        for at in kx * h..(kx + 1) * h {
            let part = fft.multiplicity(kx) * power[at] / (h * w) as f64;
            let (a, b) = (t[0][at], t[1][at]);
            out[0][0] += part * a.norm_sqr();
            out[0][1] += part * (a * b.conj()).re;
            out[1][1] += part * b.norm_sqr();
        }
    }
    out[1][0] = out[0][1];
    out
}
