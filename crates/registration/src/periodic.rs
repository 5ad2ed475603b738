//! Displacements of frames that wrap.

use ndarray::{Array2, ArrayView2};
use nonius_core::{
    Real, RealFft2, RealFft2Scratch, Result, TrigonometricPolynomial, paraboloid_peak, wrapped_lag,
};
use num_complex::Complex;

use crate::moments::Moments;
use crate::params::{Method, Refinement, RegistrationParams, Weighting};
use crate::result::{Registration, RunnerUp, Status};
use crate::spectral::{CrossSpectrum, Rings};
use crate::upsampled;

/// Set-up shared by all pairs of one shape.
#[derive(Debug)]
pub(crate) struct Periodic<F: Real> {
    fft: RealFft2<F>,
    params: RegistrationParams,
    window: [Vec<F>; 2],
    rings: Rings,
}

/// Working memory of one thread.
#[derive(Debug)]
pub(crate) struct PeriodicScratch<F> {
    reference: Vec<Complex<F>>,
    moving: Vec<Complex<F>>,
    /// The (weighted) cross-spectrum whose polynomial is maximised.
    cross: Vec<Complex<F>>,
    used_up: Vec<Complex<F>>,
    map: Array2<F>,
    fft: RealFft2Scratch<F>,
}

/// A local maximum of `sign · correlation`.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    lag: [f64; 2],
    value: f64,
    /// Sub-pixel start and the height that a paraboloid promises there.
    start: [f64; 2],
    promise: f64,
}

/// How many local maxima are looked at, at most.
const CANDIDATES: usize = 4;

impl<F: Real> Periodic<F> {
    pub(crate) fn new(shape: (usize, usize), params: RegistrationParams) -> Result<Self> {
        Ok(Periodic {
            fft: RealFft2::new(shape)?,
            window: [params.window.samples(shape.0), params.window.samples(shape.1)],
            rings: Rings::new(shape),
            params,
        })
    }

    pub(crate) fn scratch(&self) -> PeriodicScratch<F> {
        PeriodicScratch {
            reference: self.fft.spectrum(),
            moving: self.fft.spectrum(),
            cross: self.fft.spectrum(),
            used_up: self.fft.spectrum(),
            map: Array2::zeros(self.fft.shape()),
            fft: self.fft.scratch(),
        }
    }

    pub(crate) fn register(
        &self,
        reference: ArrayView2<'_, F>,
        moving: ArrayView2<'_, F>,
        scratch: &mut PeriodicScratch<F>,
    ) -> Result<Registration> {
        let n = reference.len();
        let moments = [Moments::of("reference", reference)?, Moments::of("moving", moving)?];
        if moments.iter().any(Moments::is_constant) {
            return Ok(Registration::undetermined(n));
        }
        self.transform(reference, &moments[0], &mut scratch.reference, &mut scratch.fft)?;
        self.transform(moving, &moments[1], &mut scratch.moving, &mut scratch.fft)?;
        self.correlate(scratch)?;
        // The means were taken away before; what they add to the correlation is the same everywhere.
        let pedestal = (n * n) as f64 * moments[0].mean_over_deviation() * moments[1].mean_over_deviation();
        let pedestal = if self.params.window == nonius_core::Window::None { pedestal } else { 0.0 };
        let (sign, candidates) = self.search(&scratch.map, pedestal);
        let Some(&first) = candidates.first() else { return Ok(Registration::undetermined(n)) };
        Ok(self.refine(sign, first, &candidates, scratch))
    }

    /// Transforms `(image − mean) / deviation · window`.
    fn transform(
        &self,
        image: ArrayView2<'_, F>,
        moments: &Moments,
        spectrum: &mut [Complex<F>],
        scratch: &mut RealFft2Scratch<F>,
    ) -> Result<()> {
        let (mean, scale) = (F::of(moments.mean), F::of(1.0 / moments.deviation));
        let windowed = self.params.window != nonius_core::Window::None;
        let fill = |y: usize, row: &mut [F]| {
            for (out, &v) in row.iter_mut().zip(image.row(y)) {
                *out = (v - mean) * scale;
            }
            if windowed {
                for (out, &w) in row.iter_mut().zip(&self.window[1]) {
                    *out *= w * self.window[0][y];
                }
            }
        };
        self.fft.forward_rows(fill, spectrum, scratch)
    }

    /// Cross-spectrum `conj(F)·G`, without its mean, and the correlation map.
    fn correlate(&self, scratch: &mut PeriodicScratch<F>) -> Result<()> {
        for ((x, f), g) in scratch.cross.iter_mut().zip(&scratch.reference).zip(&scratch.moving) {
            *x = f.conj() * g;
        }
        scratch.cross[0] = Complex::new(F::zero(), F::zero());
        if self.params.method == Method::Phase {
            whiten(&mut scratch.cross);
        }
        scratch.used_up.copy_from_slice(&scratch.cross);
        self.fft.inverse(&mut scratch.used_up, scratch.map.view_mut(), &mut scratch.fft)
    }

    fn allowed(&self, lag: [isize; 2]) -> bool {
        self.params.max_shift.is_none_or(|limit| lag.iter().all(|&d| d.unsigned_abs() as f64 <= limit))
    }

    /// The sign under which |correlation| is largest, and the largest local maxima of sign · correlation.
    fn search(&self, map: &Array2<F>, pedestal: f64) -> (f64, Vec<Candidate>) {
        let (h, w) = map.dim();
        let lag = |y: usize, x: usize| [wrapped_lag(y, h), wrapped_lag(x, w)];
        let columns: Vec<usize> = (0..w).filter(|&x| self.allowed([0, wrapped_lag(x, w)])).collect();
        let rows: Vec<(usize, F, F)> = (0..h)
            .filter(|&y| self.allowed([wrapped_lag(y, h), 0]))
            .map(|y| {
                let row = map.row(y);
                let row = row.to_slice().expect("a map in C order");
                let (high, low) = if columns.len() == w {
                    extremes(row.iter().copied())
                } else {
                    extremes(columns.iter().map(|&x| row[x]))
                };
                (y, high, low)
            })
            .collect();
        let high = rows.iter().fold(F::neg_infinity(), |m, r| m.max(r.1));
        let low = rows.iter().fold(F::infinity(), |m, r| m.min(r.2));
        if high < low {
            return (1.0, Vec::new());
        }
        let inverted = -(low.f64() + pedestal) > high.f64() + pedestal;
        let (sign, top) = if inverted { (-F::one(), -low) } else { (F::one(), high) };
        // A peak between four pixels of a texture shows them no less than (2/π)² of its height.
        let threshold = if top > F::zero() { top * F::of(0.4) } else { top };
        let mut found: Vec<Candidate> = Vec::new();
        for (y, high, low) in rows {
            if (if inverted { -low } else { high }) < threshold {
                continue;
            }
            for &x in &columns {
                if sign * map[[y, x]] < threshold {
                    continue;
                }
                let patch: [[F; 3]; 3] = std::array::from_fn(|i| {
                    std::array::from_fn(|j| sign * map[[(y + h + i - 1) % h, (x + w + j - 1) % w]])
                });
                if is_top(&patch) {
                    keep_largest(&mut found, candidate(lag(y, x), &patch, [h, w]));
                }
            }
        }
        (sign.f64(), found)
    }

    fn refine(
        &self,
        sign: f64,
        first: Candidate,
        candidates: &[Candidate],
        scratch: &mut PeriodicScratch<F>,
    ) -> Registration {
        let n = self.fft.shape().0 * self.fft.shape().1;
        let (mut shift, mut value, mut converged) = self.locate(sign, first, scratch);
        let mut runner_up: Option<([f64; 2], f64)> = None;
        for other in candidates.iter().filter(|c| c.lag != first.lag) {
            if 1.3 * other.promise <= value {
                continue;
            }
            let (place, height, ok) = self.locate(sign, *other, scratch);
            if (0..2).all(|a| (place[a] - shift[a]).abs() < 0.5) {
                continue;
            }
            let mut loser = (place, height);
            if height > value {
                loser = (shift, value);
                (shift, value, converged) = (place, height, ok);
            }
            if runner_up.is_none_or(|(_, best)| loser.1 > best) {
                runner_up = Some(loser);
            }
        }
        let mut cross = CrossSpectrum {
            fft: &self.fft,
            rings: &self.rings,
            reference: &scratch.reference,
            moving: &scratch.moving,
            cross: &mut scratch.cross,
            whitened: self.params.method == Method::Phase,
        };
        let mut model = cross.model(shift, sign);
        let coherent = self.params.method == Method::Cross
            && self.params.refinement == Refinement::Continuous
            && match self.params.weighting {
                Weighting::Plain => false,
                Weighting::Auto => model.coherence_gain() > 1.1,
                Weighting::Coherence => model.has_coherence(),
            };
        if coherent {
            for _ in 0..2 {
                cross.weight(&model);
                let top = TrigonometricPolynomial::new(&self.fft, cross.cross).maximum(shift, sign);
                if !top.converged {
                    break;
                }
                shift = top.position;
                model = cross.model(shift, sign).weighted_like(&model);
            }
        }
        let top = TrigonometricPolynomial::new(&self.fft, cross.cross).evaluate(shift);
        let curvature = top.hessian.map(|row| row.map(|v| -sign * v));
        let covariance = with_grid(cross.covariance(shift, curvature, &model), self.params.refinement);
        let score = model.correlation;
        let chi2 = |relative: f64| (1.0 - (score * relative).powi(2)) * n as f64;
        let noise = (1.0 - score * score).max(f64::MIN_POSITIVE);
        let runner_up = runner_up
            .map(|(place, height)| RunnerUp {
                shift: place,
                delta_chi2: (chi2(height / value) - chi2(1.0)) / noise,
            })
            .filter(|other| other.delta_chi2 < self.params.ambiguity);
        let at_limit = self.params.max_shift.is_some_and(|limit| shift.iter().any(|d| d.abs() > limit - 0.5));
        let known = covariance.iter().flatten().all(|v| v.is_finite());
        let status = match () {
            _ if !known => Status::Undetermined,
            _ if at_limit => Status::AtSearchLimit,
            _ if runner_up.is_some() || !converged => Status::Ambiguous,
            _ => Status::Converged,
        };
        if status == Status::Undetermined {
            return Registration::undetermined(n);
        }
        Registration { shift, covariance, score: sign * score.abs(), overlap: n, status, runner_up }
    }

    /// Place, height and success of the sub-pixel refinement of one candidate.
    fn locate(&self, sign: f64, c: Candidate, scratch: &mut PeriodicScratch<F>) -> ([f64; 2], f64, bool) {
        match self.params.refinement {
            Refinement::WholePixel => (c.lag, c.value, true),
            Refinement::Upsampled { factor } => {
                let (place, value) = upsampled::maximum(&self.fft, &scratch.cross, c.lag, factor, sign);
                (place, value, true)
            }
            Refinement::Continuous => {
                let top = TrigonometricPolynomial::new(&self.fft, &scratch.cross).maximum(c.start, sign);
                if top.converged {
                    (top.position, sign * top.at.value, true)
                } else {
                    (c.lag, c.value, false)
                }
            }
        }
    }
}

/// Largest and least value.
fn extremes<F: Real>(values: impl Iterator<Item = F>) -> (F, F) {
    values.fold((F::neg_infinity(), F::infinity()), |(high, low), v| {
        (if v > high { v } else { high }, if v < low { v } else { low })
    })
}

/// Adds the variance s²/12 of a grid of step s.
fn with_grid(mut covariance: [[f64; 2]; 2], refinement: Refinement) -> [[f64; 2]; 2] {
    let step = match refinement {
        Refinement::Continuous => 0.0,
        Refinement::Upsampled { factor } => 1.0 / factor,
        Refinement::WholePixel => 1.0,
    };
    for axis in 0..2 {
        covariance[axis][axis] += step * step / 12.0;
    }
    covariance
}

/// Brings every element to modulus 1, but for those that are rounding beside the strongest one.
fn whiten<F: Real>(cross: &mut [Complex<F>]) {
    let strongest = cross.iter().fold(F::zero(), |m, x| m.max(x.norm_sqr())).sqrt();
    let floor = strongest * F::epsilon() * F::of(16.0);
    for x in cross {
        *x /= x.norm_sqr().sqrt().max(floor);
    }
}

/// No neighbour is larger.
fn is_top<F: Real>(patch: &[[F; 3]; 3]) -> bool {
    patch.iter().flatten().all(|&v| v <= patch[1][1])
}

fn candidate<F: Real>(lag: [isize; 2], patch: &[[F; 3]; 3], shape: [usize; 2]) -> Candidate {
    let lag = lag.map(|d| d as f64);
    let value = patch[1][1].f64();
    let mut offset = paraboloid_peak(patch).unwrap_or([0.0; 2]).map(|o| o.clamp(-0.6, 0.6));
    for axis in 0..2 {
        if shape[axis] == 1 {
            offset[axis] = 0.0;
        }
    }
    let slope = [0.5 * (patch[2][1] - patch[0][1]).f64(), 0.5 * (patch[1][2] - patch[1][0]).f64()];
    // Height of a paraboloid: value at the centre plus half of gradient times offset.
    let promise = value + 0.5 * (slope[0] * offset[0] + slope[1] * offset[1]).max(0.0);
    Candidate { lag, value, start: [lag[0] + offset[0], lag[1] + offset[1]], promise }
}

/// Keeps the list sorted, largest first, first in reading order on ties.
fn keep_largest(found: &mut Vec<Candidate>, new: Candidate) {
    let at = found.iter().position(|c| new.value > c.value).unwrap_or(found.len());
    found.insert(at, new);
    found.truncate(CANDIDATES);
}
