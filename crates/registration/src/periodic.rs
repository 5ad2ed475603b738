//! Displacements of frames that wrap.

use multiversion::multiversion;
use ndarray::{Array2, ArrayView2};
use nonius_core::{
    Real, RealFft2, RealFft2Scratch, Result, RunnerUp, Status, TrigonometricPolynomial, fast_length,
    paraboloid_peak, wrapped_lag,
};
use num_complex::Complex;

use crate::moments::{Moments, normalise};
use crate::params::{Method, Refinement, RegistrationParams, Weighting};
use crate::result::Registration;
use crate::spectral::{CrossSpectrum, Rings};
use crate::upsampled;

/// Set-up shared by all pairs of one shape.
#[derive(Debug)]
pub(crate) struct Periodic<F: Real> {
    fft: RealFft2<F>,
    params: RegistrationParams,
    window: [Vec<F>; 2],
    rings: Rings,
    /// Inverse transform of the lower half of the frequencies along each axis, where that may do to find
    /// the maximum.
    coarse: Option<RealFft2<F>>,
}

/// Working memory of one thread.
#[derive(Debug)]
pub(crate) struct PeriodicScratch<F> {
    reference: Vec<Complex<F>>,
    moving: Vec<Complex<F>>,
    /// The (weighted) cross-spectrum whose polynomial is maximised.
    cross: Vec<Complex<F>>,
    /// The correlation map and what it is made from.
    full: Option<Map<F>>,
    /// The same of the lower frequencies.
    coarse: Option<Map<F>>,
    fft: RealFft2Scratch<F>,
}

/// A correlation map, a spectrum that is used up in making it, and working memory.
#[derive(Debug)]
struct Map<F> {
    spectrum: Vec<Complex<F>>,
    map: Array2<F>,
    fft: RealFft2Scratch<F>,
}

impl<F: Real> Map<F> {
    fn new(fft: &RealFft2<F>) -> Self {
        Map { spectrum: fft.spectrum(), map: Array2::zeros(fft.shape()), fft: fft.scratch() }
    }
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
            coarse: coarse_transform(shape, &params)?,
            params,
        })
    }

    pub(crate) fn scratch(&self) -> PeriodicScratch<F> {
        PeriodicScratch {
            reference: self.fft.spectrum(),
            moving: self.fft.spectrum(),
            cross: self.fft.spectrum(),
            full: None,
            coarse: self.coarse.as_ref().map(Map::new),
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
        let missing = self.correlate(scratch);
        // The means were taken away before; what they add to the correlation is the same everywhere.
        let pedestal = (n * n) as f64 * moments[0].mean_over_deviation() * moments[1].mean_over_deviation();
        let pedestal = if self.params.window == nonius_core::Window::None { pedestal } else { 0.0 };
        if let Some((sign, candidates)) = self.search_coarsely(missing, pedestal, scratch)? {
            let result = self.refine(sign, &candidates, scratch);
            // Without a rival, ambiguous means that no maximum was found near the coarse one.
            if result.status != Status::Ambiguous || result.runner_up.is_some() {
                return Ok(result);
            }
            self.correlate(scratch);
        }
        let full = scratch.full.get_or_insert_with(|| Map::new(&self.fft));
        full.spectrum.copy_from_slice(&scratch.cross);
        self.fft.inverse(&mut full.spectrum, full.map.view_mut(), &mut full.fft)?;
        let (sign, candidates) = self.search(&full.map, pedestal);
        if candidates.is_empty() {
            return Ok(Registration::undetermined(n));
        }
        Ok(self.refine(sign, &candidates, scratch))
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
            match image.row(y).to_slice() {
                Some(pixels) => normalise(pixels, mean, scale, row),
                None => row.iter_mut().zip(image.row(y)).for_each(|(out, &v)| *out = (v - mean) * scale),
            }
            if windowed {
                for (out, &w) in row.iter_mut().zip(&self.window[1]) {
                    *out *= w * self.window[0][y];
                }
            }
        };
        self.fft.forward_rows(fill, spectrum, scratch)
    }

    /// Cross-spectrum `conj(F)·G`, without its mean. Returns by how much at most its higher frequencies can
    /// change the correlation anywhere, 0 if nobody asks.
    fn correlate(&self, scratch: &mut PeriodicScratch<F>) -> f64 {
        let PeriodicScratch { reference, moving, cross, .. } = scratch;
        let (h, w) = self.fft.shape();
        let low = self.coarse.as_ref().map_or([h, w], |fft| low_frequencies(fft.shape()));
        let mut missing = 0.0;
        for kx in 0..self.fft.n_kx() {
            let column = kx * h..(kx + 1) * h;
            let high = if kx < low[1] {
                low[0].min(h)..(h + 1).saturating_sub(low[0]).max(low[0].min(h))
            } else {
                0..h
            };
            let (f, g, x) = (&reference[column.clone()], &moving[column.clone()], &mut cross[column]);
            let mut part = 0.0;
            for range in [0..high.start, high.clone(), high.end..h] {
                let moduli = multiply(&f[range.clone()], &g[range.clone()], &mut x[range.clone()]);
                part += if range == high { moduli } else { 0.0 };
            }
            missing += self.fft.multiplicity(kx) * part;
        }
        cross[0] = Complex::new(F::zero(), F::zero());
        if self.params.method == Method::Phase {
            whiten(cross);
        }
        missing
    }

    /// Searches the correlation of the lower frequencies alone, a quarter of the work; None if the higher
    /// ones, which can change it by up to `missing`, could put the maximum elsewhere.
    fn search_coarsely(
        &self,
        missing: f64,
        pedestal: f64,
        scratch: &mut PeriodicScratch<F>,
    ) -> Result<Option<(f64, Vec<Candidate>)>> {
        let (Some(fft), Some(coarse)) = (&self.coarse, &mut scratch.coarse) else { return Ok(None) };
        let ((h, w), (low_h, low_w)) = (self.fft.shape(), fft.shape());
        let low = low_frequencies((low_h, low_w));
        coarse.spectrum.fill(Complex::new(F::zero(), F::zero()));
        for kx in 0..low[1] {
            let (from, to) =
                (&scratch.cross[kx * h..(kx + 1) * h], &mut coarse.spectrum[kx * low_h..(kx + 1) * low_h]);
            to[..low[0]].copy_from_slice(&from[..low[0]]);
            to[low_h + 1 - low[0]..].copy_from_slice(&from[h + 1 - low[0]..]);
        }
        fft.inverse(&mut coarse.spectrum, coarse.map.view_mut(), &mut coarse.fft)?;
        let (sign, mut candidates) = self.search(&coarse.map, pedestal);
        let Some(first) = candidates.first() else { return Ok(None) };
        let opposite = coarse.map.iter().fold(0.0, |m: f64, v| m.max(-sign * v.f64()));
        if missing > 0.5 * first.value || opposite + missing + pedestal.abs() > 0.5 * first.value {
            return Ok(None);
        }
        let scale = [h as f64 / low_h as f64, w as f64 / low_w as f64];
        for candidate in &mut candidates {
            candidate.promise += missing;
            for axis in 0..2 {
                candidate.lag[axis] *= scale[axis];
                candidate.start[axis] *= scale[axis];
            }
        }
        Ok(Some((sign, candidates)))
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
                    extremes(row)
                } else {
                    extremes(&columns.iter().map(|&x| row[x]).collect::<Vec<_>>())
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

    fn refine(&self, sign: f64, candidates: &[Candidate], scratch: &mut PeriodicScratch<F>) -> Registration {
        let n = self.fft.shape().0 * self.fft.shape().1;
        let first = candidates[0];
        let Located { place: mut shift, height: mut value, mut converged, mut hessian } =
            self.locate(sign, first, scratch);
        let mut runner_up: Option<([f64; 2], f64)> = None;
        for other in candidates.iter().filter(|c| c.lag != first.lag) {
            if 1.3 * other.promise <= value {
                continue;
            }
            let Located { place, height, converged: ok, hessian: curved } =
                self.locate(sign, *other, scratch);
            if (0..2).all(|a| (place[a] - shift[a]).abs() < 0.5) {
                continue;
            }
            let mut loser = (place, height);
            if height > value {
                loser = (shift, value);
                (shift, value, converged, hessian) = (place, height, ok, curved);
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
                (shift, hessian) = (top.position, Some(top.at.hessian));
                model = cross.model(shift, sign).weighted_like(&model);
            }
        }
        let hessian = hessian
            .unwrap_or_else(|| TrigonometricPolynomial::new(&self.fft, cross.cross).evaluate(shift).hessian);
        let curvature = hessian.map(|row| row.map(|v| -sign * v));
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

    /// The sub-pixel refinement of one candidate.
    fn locate(&self, sign: f64, c: Candidate, scratch: &mut PeriodicScratch<F>) -> Located {
        let unrefined = Located { place: c.lag, height: c.value, converged: true, hessian: None };
        match self.params.refinement {
            Refinement::WholePixel => unrefined,
            Refinement::Upsampled { factor } => {
                let (place, height) = upsampled::maximum(&self.fft, &scratch.cross, c.lag, factor, sign);
                Located { place, height, ..unrefined }
            }
            Refinement::Continuous => {
                let top = TrigonometricPolynomial::new(&self.fft, &scratch.cross).maximum(c.start, sign);
                if top.converged {
                    let (height, hessian) = (sign * top.at.value, Some(top.at.hessian));
                    Located { place: top.position, height, converged: true, hessian }
                } else {
                    Located { converged: false, ..unrefined }
                }
            }
        }
    }
}

/// A refined candidate.
struct Located {
    place: [f64; 2],
    height: f64,
    converged: bool,
    /// That of the correlation within a thousandth of a pixel of the place, if it was come by.
    hessian: Option<[[f64; 2]; 2]>,
}

/// Fewest pixels a side from which the lower frequencies are searched first.
const COARSE_FROM: usize = 128;

fn coarse_transform<F: Real>(
    (h, w): (usize, usize),
    params: &RegistrationParams,
) -> Result<Option<RealFft2<F>>> {
    let asked = params.method == Method::Cross
        && params.refinement == Refinement::Continuous
        && params.max_shift.is_none();
    if !asked || h.min(w) < COARSE_FROM {
        return Ok(None);
    }
    RealFft2::new((fast_length(h.div_ceil(2)), fast_length(w.div_ceil(2)))).map(Some)
}

/// How many frequencies, from 0 on, a transform of this shape holds along y (and as many negative ones but
/// for 0) and x, its Nyquist frequency left out.
fn low_frequencies((h, w): (usize, usize)) -> [usize; 2] {
    [h.div_ceil(2), w.div_ceil(2)]
}

/// `conj(f)·g`; returns the sum of its moduli.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn multiply<F: Real>(f: &[Complex<F>], g: &[Complex<F>], product: &mut [Complex<F>]) -> f64 {
    const LANES: usize = 8;
    let n = product.len();
    let (f, g) = (&f[..n], &g[..n]);
    let mut moduli = [F::zero(); LANES];
    let whole = n - n % LANES;
    for start in (0..whole).step_by(LANES) {
        for l in 0..LANES {
            let x = f[start + l].conj() * g[start + l];
            product[start + l] = x;
            moduli[l] += x.norm_sqr().sqrt();
        }
    }
    for i in whole..n {
        product[i] = f[i].conj() * g[i];
        moduli[0] += product[i].norm_sqr().sqrt();
    }
    moduli.iter().map(|v| v.f64()).sum()
}

/// Largest and least value.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn extremes<F: Real>(values: &[F]) -> (F, F) {
    const LANES: usize = 16;
    let (mut high, mut low) = ([F::neg_infinity(); LANES], [F::infinity(); LANES]);
    let (blocks, rest) = values.as_chunks::<LANES>();
    for block in blocks {
        for l in 0..LANES {
            high[l] = if block[l] > high[l] { block[l] } else { high[l] };
            low[l] = if block[l] < low[l] { block[l] } else { low[l] };
        }
    }
    for (l, &v) in rest.iter().enumerate() {
        high[l] = if v > high[l] { v } else { high[l] };
        low[l] = if v < low[l] { v } else { low[l] };
    }
    let highest = high.into_iter().fold(F::neg_infinity(), |m, v| if v > m { v } else { m });
    (highest, low.into_iter().fold(F::infinity(), |m, v| if v < m { v } else { m }))
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
