//! χ² of frames that wrap, as the trigonometric polynomial that it is.

use ndarray::{Array2, ArrayView2};
use nonius_core::{
    CyclicMaximum, Derivatives, Error, OverlapResiduals, RealFft2, Result, TrigonometricPolynomial,
    check_shape, cyclic_maxima, fourier_shift, frequency, invert_free, sandwich,
};
use num_complex::Complex;

use crate::image::Prepared;
use crate::model::Model;
use crate::noise::{gradient_covariance, is_correlated};
use crate::params::Chi2Params;
use crate::shift::{Chi2Shift, judged, level, profile_limits};
use crate::whiten::Pair;

/// Minima that are refined, at most.
pub(crate) const CANDIDATES: usize = 4;

/// A minimum of χ².
#[derive(Debug, Clone, Copy)]
pub(crate) struct Minimum {
    pub(crate) shift: [f64; 2],
    /// χ² there.
    pub(crate) value: f64,
    /// That of χ².
    pub(crate) hessian: [[f64; 2]; 2],
    /// Gain and offset.
    pub(crate) nuisance: [f64; 2],
    pub(crate) converged: bool,
}

impl Minimum {
    /// Whether none of these is the same.
    pub(crate) fn is_new(&self, found: &[Minimum]) -> bool {
        found.iter().all(|m| (0..2).any(|a| (m.shift[a] - self.shift[a]).abs() > 0.5))
    }
}

/// All that a result is made of.
pub(crate) struct Outcome<'a> {
    /// At least one, lowest first.
    pub(crate) minima: &'a [Minimum],
    pub(crate) chi2: f64,
    pub(crate) degrees_of_freedom: f64,
    pub(crate) nuisance: [f64; 2],
    pub(crate) overlap: usize,
    /// Whether the moving image's noise was given.
    pub(crate) known: bool,
    pub(crate) correlated: bool,
    /// Covariance of half the gradient of χ² where noise is correlated.
    pub(crate) gradient: Option<[[f64; 2]; 2]>,
    /// Axes along which there is room to move.
    pub(crate) free: [bool; 2],
}

impl Outcome<'_> {
    /// The result, with `chi2_at` for limits from the profile.
    pub(crate) fn judged(
        self,
        params: &Chi2Params,
        mut chi2_at: impl FnMut([f64; 2]) -> f64,
    ) -> Result<Chi2Shift> {
        let [best, others @ ..] = self.minima else { return Ok(Chi2Shift::undetermined()) };
        let scale = if self.known { 1.0 } else { self.chi2 / self.degrees_of_freedom };
        let Some(inverse) = invert_free(best.hessian.map(|row| row.map(|v| 0.5 * v)), self.free) else {
            return Ok(Chi2Shift::undetermined());
        };
        let covariance = match self.gradient {
            Some(gradient) => sandwich(inverse, gradient),
            None => inverse.map(|row| row.map(|v| scale * v)),
        };
        let level = level(params, scale)?;
        let errors = if params.profile {
            profile_limits(best.shift, inverse, level, |at| Some(chi2_at(at)))
        } else {
            [0, 1].map(|a| [(level / scale * covariance[a][a]).sqrt(); 2])
        };
        let others = others.iter().map(|m| (m.shift, (m.value - best.value) / scale));
        let (status, competing) = judged(best.shift, best.converged, others, params);
        let [gain, offset] = self.nuisance;
        Ok(Chi2Shift {
            shift: best.shift,
            covariance,
            errors,
            chi2: self.chi2.max(0.0),
            degrees_of_freedom: self.degrees_of_freedom,
            gain,
            offset,
            overlap: self.overlap,
            status,
            competing,
            scaled_by_residuals: !self.known,
            correlated: self.correlated,
        })
    }
}

/// The shift between images whose pixels are of unequal noise.
pub(crate) fn shift(pair: &Pair<f64>, params: &Chi2Params) -> Result<Chi2Shift> {
    let Pair { reference, moving, .. } = pair;
    if !reference.is_complete() {
        let must_be = "without a mask in a periodic frame: what is missing would move (take overlap frames)";
        return Err(Error::parameter("reference", must_be, "a mask"));
    }
    let n_used = moving.valid().iter().filter(|ok| **ok).count();
    let degrees_of_freedom = n_used as f64 - params.n_fitted();
    if degrees_of_freedom <= 0.0 {
        return Ok(Chi2Shift::undetermined());
    }
    let chi2 = PeriodicChi2::new(reference, moving, params)?;
    let mut found: Vec<Minimum> = Vec::new();
    for start in chi2.coarse_minima(params)? {
        if found.iter().any(|m| chi2.model.is_hopeless(-start.promise, m.value, params.competing)) {
            continue;
        }
        found.extend(chi2.minimum(start.start).filter(|minimum| minimum.is_new(&found)));
    }
    found.sort_by(|a, b| a.value.total_cmp(&b.value));
    let Some(&best) = found.first() else { return Ok(Chi2Shift::undetermined()) };
    let residuals = residuals(reference, &chi2.weights, moving, best.shift, best.nuisance)?;
    let gradient = gradient_covariance(&residuals, params.offset.then_some(&chi2.weights), pair.noise())?;
    let (h, w) = reference.pixels.dim();
    Outcome {
        minima: &found,
        chi2: best.value,
        degrees_of_freedom,
        nuisance: best.nuisance,
        overlap: n_used,
        known: moving.known,
        correlated: is_correlated(&residuals.residual),
        gradient,
        free: [h > 1, w > 1],
    }
    .judged(params, |at| chi2.derivatives(at).value)
}

/// χ² at `center + (y, x)` for all y and x of `places`.
pub(crate) fn surface(
    Pair { reference, moving, .. }: &Pair<f64>,
    params: &Chi2Params,
    center: [f64; 2],
    places: [&[f64]; 2],
) -> Result<Array2<f64>> {
    let chi2 = PeriodicChi2::new(reference, moving, params)?;
    Ok(Array2::from_shape_fn((places[0].len(), places[1].len()), |(y, x)| {
        chi2.derivatives([center[0] + places[0][y], center[1] + places[1][x]]).value
    }))
}

/// `χ²(d) = Σ w (m − g f(r − d) − o)²` for any weights, g and o fixed or at their best for every d.
struct PeriodicChi2 {
    fft: RealFft2<f64>,
    doubled: RealFft2<f64>,
    weights: Array2<f64>,
    model: Model,
    /// Σ w m f(r − d).
    product: Vec<Complex<f64>>,
    /// Σ w f(r − d).
    linear: Vec<Complex<f64>>,
    /// Σ w f²(r − d), of twice the band.
    square: Vec<Complex<f64>>,
}

impl PeriodicChi2 {
    fn new(reference: &Prepared<f64>, moving: &Prepared<f64>, params: &Chi2Params) -> Result<Self> {
        check_shape("moving", reference.pixels.shape(), moving.pixels.shape())?;
        let (h, w) = reference.pixels.dim();
        let n = (h * w) as f64;
        let fft = RealFft2::new((h, w))?;
        let mut variance = moving.variances();
        if reference.known {
            variance += &reference.variances();
        }
        let weights = variance.mapv(|v| 1.0 / v);
        let transform = |image: ArrayView2<'_, f64>| -> Result<Vec<Complex<f64>>> {
            let mut spectrum = fft.spectrum();
            fft.forward(image, &mut spectrum, &mut fft.scratch())?;
            Ok(spectrum)
        };
        let wm = &weights * &moving.pixels;
        let f = transform(reference.pixels.view())?;
        let correlation = |b: &[Complex<f64>]| -> Vec<Complex<f64>> {
            f.iter().zip(b).map(|(f, b)| f.conj() * b / n).collect()
        };
        let product = correlation(&transform(wm.view())?);
        let spectrum = transform(weights.view())?;
        let (doubled, square) = weighted_square(&fft, &f, &spectrum)?;
        let linear = correlation(&spectrum);
        let moving = [weights.sum(), wm.sum(), (&wm * &moving.pixels).sum()];
        let model = Model { moving, gain: params.gain, offset: params.offset };
        Ok(PeriodicChi2 { fft, doubled, weights, model, product, linear, square })
    }

    /// The minima of χ² at whole pixels that promise the lowest between them, as maxima of −χ².
    fn coarse_minima(&self, params: &Chi2Params) -> Result<Vec<CyclicMaximum>> {
        let map = |fft: &RealFft2<f64>, spectrum: &[Complex<f64>]| -> Result<Array2<f64>> {
            let mut out = Array2::zeros(fft.shape());
            fft.inverse(&mut spectrum.to_vec(), out.view_mut(), &mut fft.scratch())?;
            Ok(out)
        };
        let mut chi2 = map(&self.fft, &self.product)?;
        let (linear, square) = (map(&self.fft, &self.linear)?, map(&self.doubled, &self.square)?);
        for ((at, b), u) in chi2.indexed_iter_mut().zip(&linear) {
            *b = self.model.chi2_of([*b, *u, square[[2 * at.0, 2 * at.1]]]);
        }
        let limit = params.max_shift.unwrap_or(f64::INFINITY);
        let allowed = |lag: isize| lag.unsigned_abs() as f64 <= limit;
        let found = cyclic_maxima(&chi2, -1.0, f64::NEG_INFINITY, allowed, CANDIDATES, |m| m.promise);
        let flat = found.first().is_none_or(|best| {
            let scale = self.model.moving[2].abs().max(best.value.abs());
            chi2.iter().all(|v| (v + best.value).abs() <= 1e-12 * scale)
        });
        Ok(if flat { Vec::new() } else { found })
    }

    /// Σwmf, Σwf, Σwf² with their derivatives.
    fn terms(&self, at: [f64; 2]) -> [Derivatives; 3] {
        let product = TrigonometricPolynomial::new(&self.fft, &self.product).evaluate(at);
        let linear = TrigonometricPolynomial::new(&self.fft, &self.linear).evaluate(at);
        let twice = TrigonometricPolynomial::new(&self.doubled, &self.square).evaluate(at.map(|d| 2.0 * d));
        let square = Derivatives {
            value: twice.value,
            gradient: twice.gradient.map(|g| 2.0 * g),
            hessian: twice.hessian.map(|row| row.map(|v| 4.0 * v)),
        };
        [product, linear, square]
    }

    /// χ² with gradient and Hessian.
    fn derivatives(&self, at: [f64; 2]) -> Derivatives {
        self.model.derivatives(&self.terms(at))
    }

    /// Damped Newton to the minimum in whose valley `start` lies; None if it has none.
    fn minimum(&self, start: [f64; 2]) -> Option<Minimum> {
        const STEPS: usize = 40;
        const SMALL: f64 = 1e-6;
        let (h, w) = self.fft.shape();
        let (mut shift, mut at, mut converged) = (start, self.derivatives(start), false);
        for _ in 0..STEPS {
            let mut step = step(&at, [h > 1, w > 1])?;
            let length = step[0].hypot(step[1]);
            if length <= SMALL {
                // Convergence is quadratic: after this step rounding is left.
                shift = [shift[0] + step[0], shift[1] + step[1]];
                converged = true;
                break;
            }
            let mut lower = None;
            for _ in 0..10 {
                let there = [shift[0] + step[0], shift[1] + step[1]];
                let next = self.derivatives(there);
                if next.value <= at.value + 1e-13 * self.model.moving[2].abs() {
                    lower = Some((there, next));
                    break;
                }
                step = step.map(|s| 0.5 * s);
            }
            let Some(better) = lower else {
                converged = length < 1e-3;
                break;
            };
            (shift, at) = better;
            if (0..2).any(|a| (shift[a] - start[a]).abs() > 2.0) {
                return None;
            }
        }
        let nuisance = self.model.nuisance(self.terms(shift).map(|d| d.value));
        Some(Minimum { shift, value: at.value, hessian: at.hessian, nuisance, converged })
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
pub(crate) fn omega(k: usize, n: usize) -> f64 {
    std::f64::consts::TAU * frequency(k, n) as f64 / n as f64
}

/// The same for a derivative, which has no Nyquist term.
pub(crate) fn slope_frequency(k: usize, n: usize) -> f64 {
    if 2 * k == n { 0.0 } else { omega(k, n) }
}

/// Residuals and slopes of the model, both times the root of the weight.
fn residuals(
    reference: &Prepared<f64>,
    weights: &Array2<f64>,
    moving: &Prepared<f64>,
    shift: [f64; 2],
    [gain, offset]: [f64; 2],
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
