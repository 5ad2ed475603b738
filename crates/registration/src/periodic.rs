//! Displacements of frames that wrap.

use ndarray::{Array2, ArrayView2};
use nonius_core::{
    CyclicMaximum, LowBand, Moments, Real, RealFft2, RealFft2Scratch, Result, RunnerUp, Status,
    TrigonometricPolynomial, cross_spectrum, cyclic_maxima, extremes, normalise, wrapped_lag,
};
use num_complex::Complex;

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
    /// The lower frequencies, where they may do to find the maximum.
    coarse: Option<LowBand<F>>,
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

/// How many local maxima are looked at, at most.
const CANDIDATES: usize = 4;

impl<F: Real> Periodic<F> {
    pub(crate) fn new(shape: (usize, usize), params: RegistrationParams) -> Result<Self> {
        Ok(Periodic {
            fft: RealFft2::new(shape)?,
            window: [params.window.samples(shape.0), params.window.samples(shape.1)],
            rings: Rings::new(shape),
            coarse: low_band(shape, &params)?,
            params,
        })
    }

    pub(crate) fn scratch(&self) -> PeriodicScratch<F> {
        PeriodicScratch {
            reference: self.fft.spectrum(),
            moving: self.fft.spectrum(),
            cross: self.fft.spectrum(),
            full: None,
            coarse: self.coarse.as_ref().map(|low| Map::new(low.transform())),
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
        let missing = self.correlate(scratch)?;
        // The means were taken away before; what they add to the correlation is the same everywhere.
        let pedestal = (n * n) as f64 * moments[0].mean_over_deviation() * moments[1].mean_over_deviation();
        let pedestal = if self.params.window == nonius_core::Window::None { pedestal } else { 0.0 };
        if let Some((sign, candidates)) = self.search_coarsely(missing, pedestal, scratch)? {
            let result = self.refine(sign, &candidates, scratch);
            // Without a rival, ambiguous means that no maximum was found near the coarse one.
            if result.status != Status::Ambiguous || result.runner_up.is_some() {
                return Ok(result);
            }
            self.correlate(scratch)?;
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
    fn correlate(&self, scratch: &mut PeriodicScratch<F>) -> Result<f64> {
        let PeriodicScratch { reference, moving, cross, .. } = scratch;
        let missing = cross_spectrum(&self.fft, reference, moving, cross, self.coarse.as_ref())?;
        cross[0] = Complex::new(F::zero(), F::zero());
        if self.params.method == Method::Phase {
            whiten(cross);
        }
        Ok(missing)
    }

    /// Searches the correlation of the lower frequencies alone, a quarter of the work; None if the higher
    /// ones, which can change it by up to `missing`, could put the maximum elsewhere.
    fn search_coarsely(
        &self,
        missing: f64,
        pedestal: f64,
        scratch: &mut PeriodicScratch<F>,
    ) -> Result<Option<(f64, Vec<CyclicMaximum>)>> {
        let (Some(low), Some(coarse)) = (&self.coarse, &mut scratch.coarse) else { return Ok(None) };
        low.take(&scratch.cross, &mut coarse.spectrum)?;
        low.transform().inverse(&mut coarse.spectrum, coarse.map.view_mut(), &mut coarse.fft)?;
        let (sign, mut candidates) = self.search(&coarse.map, pedestal);
        let Some(first) = candidates.first() else { return Ok(None) };
        let opposite = coarse.map.iter().fold(0.0, |m: f64, v| m.max(-sign * v.f64()));
        if missing > 0.5 * first.value || opposite + missing + pedestal.abs() > 0.5 * first.value {
            return Ok(None);
        }
        for candidate in &mut candidates {
            candidate.promise += missing;
            for axis in 0..2 {
                candidate.lag[axis] *= low.scale()[axis];
                candidate.start[axis] *= low.scale()[axis];
            }
        }
        Ok(Some((sign, candidates)))
    }

    fn allowed(&self, lag: isize) -> bool {
        self.params.max_shift.is_none_or(|limit| lag.unsigned_abs() as f64 <= limit)
    }

    /// The sign under which |correlation| is largest, and the local maxima of sign · correlation that promise most.
    fn search(&self, map: &Array2<F>, pedestal: f64) -> (f64, Vec<CyclicMaximum>) {
        let (h, w) = map.dim();
        let columns: Vec<usize> = (0..w).filter(|&x| self.allowed(wrapped_lag(x, w))).collect();
        let (mut high, mut low) = (F::neg_infinity(), F::infinity());
        for y in (0..h).filter(|&y| self.allowed(wrapped_lag(y, h))) {
            let row = map.row(y);
            let (row_high, row_low) = match row.to_slice() {
                Some(row) if columns.len() == w => extremes(row),
                _ => extremes(&columns.iter().map(|&x| row[x]).collect::<Vec<_>>()),
            };
            (high, low) = (high.max(row_high), low.min(row_low));
        }
        if high < low {
            return (1.0, Vec::new());
        }
        let inverted = -(low.f64() + pedestal) > high.f64() + pedestal;
        let (sign, top) = if inverted { (-F::one(), -low) } else { (F::one(), high) };
        // A peak between four pixels of a texture shows them no less than (2/π)² of its height.
        let least = if top > F::zero() { top * F::of(0.4) } else { top };
        let rank = |m: &CyclicMaximum| match self.params.refinement {
            Refinement::WholePixel => m.value,
            _ => m.promise,
        };
        (sign.f64(), cyclic_maxima(map, sign, least, |lag| self.allowed(lag), CANDIDATES, rank))
    }

    fn refine(
        &self,
        sign: f64,
        candidates: &[CyclicMaximum],
        scratch: &mut PeriodicScratch<F>,
    ) -> Registration {
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
    fn locate(&self, sign: f64, c: CyclicMaximum, scratch: &mut PeriodicScratch<F>) -> Located {
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

fn low_band<F: Real>(shape: (usize, usize), params: &RegistrationParams) -> Result<Option<LowBand<F>>> {
    let asked = params.method == Method::Cross
        && params.refinement == Refinement::Continuous
        && params.max_shift.is_none();
    (asked && shape.0.min(shape.1) >= COARSE_FROM).then(|| LowBand::new(shape)).transpose()
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
