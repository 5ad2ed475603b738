//! Noise that is correlated between pixels.

use ndarray::Array2;
use nonius_core::{OverlapResiduals, RealFft2, Result, fast_length, frequency};
use num_complex::Complex;

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

/// Covariance `Σ_rr' t(r) C(r − r') t(r')` of `Σ t e` for noise whose autocorrelation C is that of the
/// residuals e, from their power averaged over rings of equal frequency; t and e both times the root of
/// the weight, so that C is the same everywhere where the noise is.
pub(crate) fn gradient_covariance(of: &OverlapResiduals) -> Result<[[f64; 2]; 2]> {
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
    let t = [transform(&of.slopes[0])?, transform(&of.slopes[1])?];
    let used = of.residual.iter().filter(|v| **v != 0.0).count().max(1) as f64;
    Ok(ring_covariance(&fft, h.max(w), &e, [&t[0], &t[1]], used))
}

/// The same from the spectra of e and t, of a frame with a longer side of `side` px, n of whose pixels count.
pub(crate) fn ring_covariance(
    fft: &RealFft2<f64>,
    side: usize,
    e: &[Complex<f64>],
    t: [&[Complex<f64>]; 2],
    n: f64,
) -> [[f64; 2]; 2] {
    let (h, w) = fft.shape();
    // Rings two periods of the frame wide: enough members in the lowest, too.
    let rings = 0.5 * side as f64;
    let ring = |kx: usize, ky: usize| {
        let (y, x) = (frequency(ky, h) as f64 / h as f64, kx as f64 / w as f64);
        (y.hypot(x) * rings) as usize
    };
    let mut power = vec![[0.0; 2]; rings as usize + 2];
    for kx in 0..fft.n_kx() {
        for ky in usize::from(kx == 0)..h {
            let sums = &mut power[ring(kx, ky)];
            sums[0] += fft.multiplicity(kx) * e[kx * h + ky].norm_sqr();
            sums[1] += fft.multiplicity(kx);
        }
    }
    let mut out = [[0.0; 2]; 2];
    for kx in 0..fft.n_kx() {
        for ky in 0..h {
            let [sum, members] = power[ring(kx, ky)];
            let part = fft.multiplicity(kx) * sum / (members.max(1.0) * n * (h * w) as f64);
            let (a, b) = (t[0][kx * h + ky], t[1][kx * h + ky]);
            out[0][0] += part * a.norm_sqr();
            out[0][1] += part * (a * b.conj()).re;
            out[1][1] += part * b.norm_sqr();
        }
    }
    out[1][0] = out[0][1];
    out
}
