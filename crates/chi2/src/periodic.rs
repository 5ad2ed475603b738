//! χ² of frames that wrap, as the trigonometric polynomial that it is.

use ndarray::{Array2, ArrayView2};
use nonius_core::{
    Derivatives, Error, OverlapResiduals, RealFft2, Result, TrigonometricPolynomial, check_shape,
    fourier_shift, frequency, invert_free, sandwich, wrapped_lag,
};
use num_complex::Complex;

use crate::image::Prepared;
use crate::noise::{
    correlation_is_visible, gradient_covariance, is_correlated, power_covariance, residual_power,
};
use crate::params::Chi2Params;
use crate::shift::{Chi2Shift, judged, level, profile_limits};

/// Minima that are refined, at most.
const CANDIDATES: usize = 4;

pub(crate) fn shift(reference: &Prepared, moving: &Prepared, params: &Chi2Params) -> Result<Chi2Shift> {
    if reference.variance.iter().any(|v| v.is_infinite()) {
        let must_be = "without a mask in a periodic frame: what is missing would move (take overlap frames)";
        return Err(Error::parameter("reference", must_be, "a mask"));
    }
    let n_used = moving.variance.iter().filter(|v| v.is_finite()).count();
    let degrees_of_freedom = n_used as f64 - params.n_fitted();
    if degrees_of_freedom <= 0.0 {
        return Ok(Chi2Shift::undetermined());
    }
    let chi2 = PeriodicChi2::new(reference, moving, params)?;
    let minima = chi2.coarse_minima(params)?;
    let mut found: Vec<Minimum> = Vec::new();
    for (value, start) in minima {
        // Below the pixel a minimum may explain more of the image than at it, but not half as much again.
        let explained = |chi2_there: f64| chi2.unexplained() - chi2_there;
        let hopeless = |best: &Minimum| 1.5 * explained(value) < explained(best.at.value) - params.competing;
        if found.iter().any(hopeless) {
            continue;
        }
        let Some(minimum) = chi2.minimum(start) else { continue };
        if found.iter().all(|m| (0..2).any(|a| (m.shift[a] - minimum.shift[a]).abs() > 0.5)) {
            found.push(minimum);
        }
    }
    found.sort_by(|a, b| a.at.value.total_cmp(&b.at.value));
    let Some(&best) = found.first() else { return Ok(Chi2Shift::undetermined()) };
    let (gain, offset) = chi2.nuisance(best.shift);
    let scale = if moving.known { 1.0 } else { best.at.value / degrees_of_freedom };
    let (h, w) = reference.pixels.dim();
    let Some(inverse) = invert_free(best.at.hessian.map(|row| row.map(|v| 0.5 * v)), [h > 1, w > 1]) else {
        return Ok(Chi2Shift::undetermined());
    };
    let (correlated, gradient) =
        chi2.residual_correlation(reference, moving, best.shift, (gain, offset), moving.wants_sandwich())?;
    let covariance = match gradient {
        Some(gradient) => sandwich(inverse, gradient),
        None => inverse.map(|row| row.map(|v| scale * v)),
    };
    let level = level(params, scale)?;
    let errors = if params.profile {
        profile_limits(best.shift, inverse, level, |at| Some(chi2.derivatives(at).value))
    } else {
        [0, 1].map(|a| [(level / scale * covariance[a][a]).sqrt(); 2])
    };
    let others = found[1..].iter().map(|m| (m.shift, (m.at.value - best.at.value) / scale));
    let (status, competing) = judged(best.shift, best.converged, others, params);
    Ok(Chi2Shift {
        shift: best.shift,
        covariance,
        errors,
        chi2: best.at.value.max(0.0),
        degrees_of_freedom,
        gain,
        offset,
        overlap: n_used,
        status,
        competing,
        scaled_by_residuals: !moving.known,
        correlated,
    })
}

/// χ² at `center + (y, x)` for all y and x of `places`.
pub(crate) fn surface(
    reference: &Prepared,
    moving: &Prepared,
    params: &Chi2Params,
    center: [f64; 2],
    places: [&[f64]; 2],
) -> Result<Array2<f64>> {
    let chi2 = PeriodicChi2::new(reference, moving, params)?;
    Ok(Array2::from_shape_fn((places[0].len(), places[1].len()), |(y, x)| {
        chi2.derivatives([center[0] + places[0][y], center[1] + places[1][x]]).value
    }))
}

/// `χ²(d) = Σ w (m − g f(r − d) − o)²`, g and o fixed or at their best for every d.
struct PeriodicChi2 {
    fft: RealFft2<f64>,
    weights: Array2<f64>,
    /// Σw, Σwm, Σwm².
    moving: [f64; 3],
    /// Σ w m f(r − d).
    product: Vec<Complex<f64>>,
    reference: ReferenceTerms,
    gain: bool,
    offset: bool,
}

/// Σ w f(r − d) and Σ w f²(r − d).
enum ReferenceTerms {
    /// All pixels weigh alike: both are constants. With the spectra of both images.
    Constant { linear: f64, square: f64, spectra: [Vec<Complex<f64>>; 2] },
    /// Polynomials; the second of twice the band.
    Polynomials { linear: Vec<Complex<f64>>, square: Vec<Complex<f64>>, doubled: RealFft2<f64> },
}

/// A minimum of χ².
#[derive(Clone, Copy)]
struct Minimum {
    shift: [f64; 2],
    at: Derivatives,
    converged: bool,
}

impl PeriodicChi2 {
    fn new(reference: &Prepared, moving: &Prepared, params: &Chi2Params) -> Result<Self> {
        check_shape("moving", reference.pixels.shape(), moving.pixels.shape())?;
        let (h, w) = reference.pixels.dim();
        let n = (h * w) as f64;
        let fft = RealFft2::new((h, w))?;
        let mut variance = moving.variance.clone();
        if reference.known {
            variance += &reference.variance;
        }
        let weights = variance.mapv(|v| 1.0 / v);
        let transform = |image: ArrayView2<'_, f64>| -> Result<Vec<Complex<f64>>> {
            let mut spectrum = fft.spectrum();
            fft.forward(image, &mut spectrum, &mut fft.scratch())?;
            Ok(spectrum)
        };
        let wm = &weights * &moving.pixels;
        let f = transform(reference.pixels.view())?;
        let correlation = |b: &[Complex<f64>], scale: f64| -> Vec<Complex<f64>> {
            f.iter().zip(b).map(|(f, b)| f.conj() * b * scale).collect()
        };
        let (product, terms) = if moving.is_uniform() && (!reference.known || reference.is_uniform()) {
            let weight = weights[[0, 0]];
            let g = transform(moving.pixels.view())?;
            let product = correlation(&g, weight / n);
            let linear = weight * reference.pixels.sum();
            let square = weight * reference.pixels.iter().map(|v| v * v).sum::<f64>();
            (product, ReferenceTerms::Constant { linear, square, spectra: [f, g] })
        } else {
            let product = correlation(&transform(wm.view())?, 1.0 / n);
            let spectrum = transform(weights.view())?;
            let (doubled, square) = weighted_square(&fft, &f, &spectrum)?;
            let linear = correlation(&spectrum, 1.0 / n);
            (product, ReferenceTerms::Polynomials { linear, square, doubled })
        };
        let moments = [weights.sum(), wm.sum(), (&wm * &moving.pixels).sum()];
        Ok(PeriodicChi2 {
            fft,
            weights,
            moving: moments,
            product,
            reference: terms,
            gain: params.gain,
            offset: params.offset,
        })
    }

    /// χ² without a model, but for an offset if one is fitted.
    fn unexplained(&self) -> f64 {
        let [s, m, mm] = self.moving;
        if self.offset { mm - m * m / s } else { mm }
    }

    /// The lowest minima of χ² at whole pixels, and where they are.
    fn coarse_minima(&self, params: &Chi2Params) -> Result<Vec<(f64, [f64; 2])>> {
        let (h, w) = self.fft.shape();
        let map = |fft: &RealFft2<f64>, spectrum: &[Complex<f64>]| -> Result<Array2<f64>> {
            let mut out = Array2::zeros(fft.shape());
            fft.inverse(&mut spectrum.to_vec(), out.view_mut(), &mut fft.scratch())?;
            Ok(out)
        };
        let mut chi2 = map(&self.fft, &self.product)?;
        match &self.reference {
            ReferenceTerms::Constant { linear, square, .. } => {
                chi2.mapv_inplace(|b| self.chi2_of(b, *linear, *square))
            }
            ReferenceTerms::Polynomials { linear, square, doubled } => {
                let (linear, square) = (map(&self.fft, linear)?, map(doubled, square)?);
                for ((at, b), u) in chi2.indexed_iter_mut().zip(&linear) {
                    *b = self.chi2_of(*b, *u, square[[2 * at.0, 2 * at.1]]);
                }
            }
        }
        let limit = params.max_shift.unwrap_or(f64::INFINITY);
        let mut found: Vec<(f64, [f64; 2])> = Vec::new();
        for ((y, x), &v) in chi2.indexed_iter() {
            let lag = [wrapped_lag(y, h), wrapped_lag(x, w)].map(|d| d as f64);
            let worse = found.len() == CANDIDATES && v >= found[CANDIDATES - 1].0;
            if v.is_nan() || worse || lag.iter().any(|d| d.abs() > limit) {
                continue;
            }
            let lowest =
                [(h - 1, 0), (1, 0), (0, w - 1), (0, 1), (1, 1), (h - 1, w - 1), (1, w - 1), (h - 1, 1)]
                    .iter()
                    .all(|&(i, j)| chi2[[(y + i) % h, (x + j) % w]] >= v);
            if lowest {
                let at = found.iter().position(|p| v < p.0).unwrap_or(found.len());
                found.insert(at, (v, lag));
                found.truncate(CANDIDATES);
            }
        }
        let flat = found.first().is_none_or(|(least, _)| {
            chi2.iter().all(|v| (v - least).abs() <= 1e-12 * self.moving[2].abs().max(least.abs()))
        });
        Ok(if flat { Vec::new() } else { found })
    }

    /// χ² for Σwmf, Σwf and Σwf².
    fn chi2_of(&self, b: f64, u: f64, q: f64) -> f64 {
        let [s, m, mm] = self.moving;
        let (fm, ff, mm) =
            if self.offset { (b - u * m / s, q - u * u / s, mm - m * m / s) } else { (b, q, mm) };
        match self.gain {
            true if fm > 0.0 && ff > 0.0 => mm - fm * fm / ff,
            true => mm,
            false => mm - 2.0 * fm + ff,
        }
    }

    /// Σwmf, Σwf, Σwf² with their derivatives.
    fn terms(&self, at: [f64; 2]) -> [Derivatives; 3] {
        let product = TrigonometricPolynomial::new(&self.fft, &self.product).evaluate(at);
        match &self.reference {
            ReferenceTerms::Constant { linear, square, .. } => {
                let constant = |value: f64| Derivatives { value, ..Default::default() };
                [product, constant(*linear), constant(*square)]
            }
            ReferenceTerms::Polynomials { linear, square, doubled } => {
                let linear = TrigonometricPolynomial::new(&self.fft, linear).evaluate(at);
                let twice = TrigonometricPolynomial::new(doubled, square).evaluate(at.map(|d| 2.0 * d));
                let square = Derivatives {
                    value: twice.value,
                    gradient: twice.gradient.map(|g| 2.0 * g),
                    hessian: twice.hessian.map(|row| row.map(|v| 4.0 * v)),
                };
                [product, linear, square]
            }
        }
    }

    /// χ² with gradient and Hessian.
    fn derivatives(&self, at: [f64; 2]) -> Derivatives {
        let [b, u, q] = self.terms(at);
        let [s, m, _] = self.moving;
        // Centred products where an offset is fitted.
        let (mut x, mut y) = (b, q);
        if self.offset {
            for i in 0..2 {
                x.gradient[i] -= u.gradient[i] * m / s;
                y.gradient[i] -= 2.0 * u.value * u.gradient[i] / s;
                for j in 0..2 {
                    x.hessian[i][j] -= u.hessian[i][j] * m / s;
                    y.hessian[i][j] -= 2.0 * (u.gradient[i] * u.gradient[j] + u.value * u.hessian[i][j]) / s;
                }
            }
            x.value -= u.value * m / s;
            y.value -= u.value * u.value / s;
        }
        let mut chi2 = Derivatives { value: self.chi2_of(b.value, u.value, q.value), ..Default::default() };
        let (fm, ff) = (x.value, y.value);
        for i in 0..2 {
            chi2.gradient[i] = if self.gain {
                -(2.0 * fm * x.gradient[i] / ff - fm * fm * y.gradient[i] / (ff * ff))
            } else {
                y.gradient[i] - 2.0 * x.gradient[i]
            };
            for j in 0..2 {
                chi2.hessian[i][j] = if self.gain {
                    let (xi, xj, yi, yj) = (x.gradient[i], x.gradient[j], y.gradient[i], y.gradient[j]);
                    -(2.0 * xi * xj / ff + 2.0 * fm * x.hessian[i][j] / ff
                        - 2.0 * fm * (xi * yj + xj * yi) / (ff * ff)
                        - fm * fm * y.hessian[i][j] / (ff * ff)
                        + 2.0 * fm * fm * yi * yj / ff.powi(3))
                } else {
                    y.hessian[i][j] - 2.0 * x.hessian[i][j]
                };
            }
        }
        chi2
    }

    /// Damped Newton to the minimum in whose valley `start` lies; None if it has none.
    fn minimum(&self, start: [f64; 2]) -> Option<Minimum> {
        const STEPS: usize = 40;
        const SMALL: f64 = 1e-6;
        let (h, w) = self.fft.shape();
        let mut here = Minimum { shift: start, at: self.derivatives(start), converged: false };
        for _ in 0..STEPS {
            let mut step = step(&here.at, [h > 1, w > 1])?;
            let length = step[0].hypot(step[1]);
            if length <= SMALL {
                // Convergence is quadratic: after this step rounding is left.
                here.shift = [here.shift[0] + step[0], here.shift[1] + step[1]];
                here.converged = true;
                return Some(here);
            }
            let mut lower = None;
            for _ in 0..10 {
                let there = [here.shift[0] + step[0], here.shift[1] + step[1]];
                let at = self.derivatives(there);
                if at.value <= here.at.value + 1e-13 * self.moving[2].abs() {
                    lower = Some((there, at));
                    break;
                }
                step = step.map(|s| 0.5 * s);
            }
            let Some((shift, at)) = lower else {
                here.converged = length < 1e-3;
                return Some(here);
            };
            if (0..2).any(|a| (shift[a] - start[a]).abs() > 2.0) {
                return None;
            }
            here = Minimum { shift, at, converged: false };
        }
        Some(here)
    }

    /// Whether neighbouring residuals are visibly alike, and if asked for, the covariance of half the gradient of
    /// χ² if their spectrum is that of the noise.
    fn residual_correlation(
        &self,
        reference: &Prepared,
        moving: &Prepared,
        shift: [f64; 2],
        (gain, offset): (f64, f64),
        asked: bool,
    ) -> Result<(bool, Option<[[f64; 2]; 2]>)> {
        let ReferenceTerms::Constant { spectra: [f, g], .. } = &self.reference else {
            let of = residuals(reference, &self.weights, moving, shift, gain, offset)?;
            let gradient = asked
                .then(|| gradient_covariance(&of, self.offset.then_some(&self.weights), moving))
                .transpose()?;
            return Ok((is_correlated(&of.residual), gradient));
        };
        let (h, w) = self.fft.shape();
        let n = (h * w) as f64;
        let weight = self.weights[[0, 0]];
        let turns = |n: usize, d: f64| -> Vec<Complex<f64>> {
            (0..n).map(|k| Complex::cis(-omega(k, n) * d)).collect()
        };
        let (turn_y, turn_x) = (turns(h, shift[0]), turns(w, shift[1]));
        let (cos_y, cos_x): (Vec<f64>, Vec<f64>) =
            ((0..h).map(|k| omega(k, h).cos()).collect(), (0..w).map(|k| omega(k, w).cos()).collect());
        // Σ e², and Σ e e' for neighbours e' along y and x, all by Parseval's theorem.
        let mut sums = [0.0; 3];
        let residual =
            |kx: usize, ky: usize| g[kx * h + ky] - f[kx * h + ky] * turn_y[ky] * turn_x[kx] * gain;
        for kx in 0..self.fft.n_kx() {
            for ky in usize::from(kx == 0)..h {
                let e = residual(kx, ky).norm_sqr() * self.fft.multiplicity(kx);
                sums[0] += e;
                sums[1] += e * cos_y[ky];
                sums[2] += e * cos_x[kx];
            }
        }
        let correlated = correlation_is_visible(&[sums[1] / sums[0], sums[2] / sums[0]], n);
        if !asked {
            return Ok((correlated, None));
        }
        let root = weight.sqrt();
        let spectrum = |value: &dyn Fn(usize, usize) -> Complex<f64>| -> Vec<Complex<f64>> {
            (0..self.fft.n_kx()).flat_map(|kx| (0..h).map(move |ky| value(kx, ky))).collect()
        };
        // The phase of the slopes is of no account, only that both have the same.
        let slope = |omega: f64, at: usize| f[at] * (omega * gain * root);
        let e = spectrum(&|kx, ky| residual(kx, ky) * root);
        let along_y = spectrum(&|kx, ky| slope(slope_frequency(ky, h), kx * h + ky));
        let along_x = spectrum(&|kx, ky| slope(slope_frequency(kx, w), kx * h + ky));
        let power = residual_power(&self.fft, h.max(w), &e, n, moving)?;
        Ok((correlated, Some(power_covariance(&self.fft, &power, [&along_y, &along_x]))))
    }

    /// Gain and offset at a displacement.
    fn nuisance(&self, at: [f64; 2]) -> (f64, f64) {
        let [b, u, q] = self.terms(at).map(|d| d.value);
        let [s, m, _] = self.moving;
        let (fm, ff) = if self.offset { (b - u * m / s, q - u * u / s) } else { (b, q) };
        let gain = if self.gain { fm / ff } else { 1.0 };
        (gain, if self.offset { (m - gain * u) / s } else { 0.0 })
    }
}

/// Newton's step downhill, no longer than half a pixel; along the slope where χ² is not convex. None where
/// it is no number.
fn step(at: &Derivatives, free: [bool; 2]) -> Option<[f64; 2]> {
    let g = at.gradient;
    let step = match invert_free(at.hessian, free) {
        Some(inverse) => inverse.map(|[a, b]| -(a * g[0] + b * g[1])),
        None => {
            let steepness = g[0].hypot(g[1]).max(f64::MIN_POSITIVE);
            g.map(|v| -0.25 * v / steepness)
        }
    };
    let length = step[0].hypot(step[1]);
    let step = if length > 0.5 { step.map(|s| 0.5 * s / length) } else { step };
    length.is_finite().then_some(step)
}

/// Spectrum, on a grid of twice as many points, of `Σ_r w(r) f²(r − d)`: squares have twice the band of f.
fn weighted_square(
    fft: &RealFft2<f64>,
    f: &[Complex<f64>],
    weights: &[Complex<f64>],
) -> Result<(RealFft2<f64>, Vec<Complex<f64>>)> {
    let (h, w) = fft.shape();
    let doubled = RealFft2::new((2 * h, 2 * w))?;
    let mut scratch = doubled.scratch();
    let n = (h * w) as f64;
    let mut spectrum = doubled.spectrum();
    for kx in 0..fft.n_kx() {
        // A Nyquist frequency stands for both signs, which the larger grid keeps apart.
        let half_x = if 2 * kx == w { 0.5 } else { 1.0 };
        for ky in 0..h {
            let value = f[kx * h + ky] * half_x / n;
            if 2 * ky == h {
                spectrum[kx * 2 * h + ky] += 0.5 * value;
                spectrum[kx * 2 * h + 2 * h - ky] += 0.5 * value;
            } else {
                let k = frequency(ky, h).rem_euclid(2 * h as isize) as usize;
                spectrum[kx * 2 * h + k] += value;
            }
        }
    }
    let mut fine = Array2::zeros((2 * h, 2 * w));
    doubled.inverse(&mut spectrum, fine.view_mut(), &mut scratch)?;
    fine.mapv_inplace(|v| v * v);
    doubled.forward(fine.view(), &mut spectrum, &mut scratch)?;
    // W of the frequency modulo the small grid; half of it is stored, the rest is its mirror image.
    let weight = |kx: usize, ky: usize| {
        let (kx, ky) = (kx % w, ky % h);
        if kx <= w / 2 { weights[kx * h + ky] } else { weights[(w - kx) * h + (h - ky) % h].conj() }
    };
    for kx in 0..doubled.n_kx() {
        for ky in 0..2 * h {
            let q = &mut spectrum[kx * 2 * h + ky];
            *q = q.conj() * weight(kx, ky) / (4.0 * n);
        }
    }
    Ok((doubled, spectrum))
}

/// Angular frequency, px⁻¹.
fn omega(k: usize, n: usize) -> f64 {
    std::f64::consts::TAU * frequency(k, n) as f64 / n as f64
}

/// The same for a derivative, which has no Nyquist term.
fn slope_frequency(k: usize, n: usize) -> f64 {
    if 2 * k == n { 0.0 } else { omega(k, n) }
}

/// Residuals and slopes of the model, both times the root of the weight.
fn residuals(
    reference: &Prepared,
    weights: &Array2<f64>,
    moving: &Prepared,
    shift: [f64; 2],
    gain: f64,
    offset: f64,
) -> Result<OverlapResiduals> {
    let (h, w) = reference.pixels.dim();
    let fft = RealFft2::new((h, w))?;
    let mut scratch = fft.scratch();
    let mut spectrum = fft.spectrum();
    fft.forward(reference.pixels.view(), &mut spectrum, &mut scratch)?;
    let root = weights.mapv(f64::sqrt);
    let mut slope = |axis: usize| -> Result<Array2<f64>> {
        let mut product = spectrum.clone();
        for kx in 0..fft.n_kx() {
            for ky in 0..h {
                let (k, n) = if axis == 0 { (ky, h) } else { (kx, w) };
                product[kx * h + ky] *= Complex::new(0.0, gain * slope_frequency(k, n) / (h * w) as f64);
            }
        }
        let mut out = Array2::zeros((h, w));
        fft.inverse(&mut product, out.view_mut(), &mut scratch)?;
        Ok(fourier_shift(out.view(), &shift)? * &root)
    };
    let slopes = [slope(0)?, slope(1)?];
    let model = fourier_shift(reference.pixels.view(), &shift)? * gain + offset;
    Ok(OverlapResiduals { residual: (&moving.pixels - &model) * &root, slopes })
}
