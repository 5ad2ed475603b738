//! Displacements of frames that do not wrap.

use ndarray::{Array2, ArrayView2};
use nonius_core::{
    Nuisance, OverlapFit, OverlapProblem, OverlapScatter, OverlapScratch, Real, Result, SplineImage,
    invert_free,
};

use crate::coherent::{coherent_images, sandwich};
use crate::lags::{Lag, LagScratch, LagSearch};
use crate::moments::Moments;
use crate::params::{Refinement, RegistrationParams};
use crate::result::{Registration, RunnerUp, Status};

/// Set-up shared by all pairs of one shape.
#[derive(Debug)]
pub(crate) struct Overlap {
    search: LagSearch,
    params: RegistrationParams,
    shape: (usize, usize),
}

/// Working memory of one thread.
#[derive(Debug)]
pub(crate) struct OverlapFrameScratch<F> {
    lags: LagScratch,
    fit: OverlapScratch<F>,
    /// Both images less their mean, over their deviation.
    images: [Array2<F>; 2],
}

/// Displacements that are refined and compared, at most.
const CANDIDATES: usize = 3;

/// What is fitted beside the displacement.
const NUISANCE: Nuisance = Nuisance { gain: true, offset: true };

impl Overlap {
    pub(crate) fn new(shape: (usize, usize), params: RegistrationParams) -> Result<Self> {
        Ok(Overlap { search: LagSearch::new(shape, params.min_overlap, params.max_shift)?, params, shape })
    }

    pub(crate) fn scratch<F: Real>(&self) -> OverlapFrameScratch<F> {
        OverlapFrameScratch {
            lags: self.search.scratch(),
            fit: OverlapScratch::default(),
            images: [Array2::zeros(self.shape), Array2::zeros(self.shape)],
        }
    }

    pub(crate) fn register<'a, F: Real>(
        &self,
        reference: ArrayView2<'a, F>,
        moving: ArrayView2<'a, F>,
        scratch: &mut OverlapFrameScratch<F>,
    ) -> Result<Registration> {
        let moments = [Moments::of("reference", reference)?, Moments::of("moving", moving)?];
        if moments.iter().any(Moments::is_constant) {
            return Ok(Registration::undetermined(0));
        }
        let lags = self.search.best(
            (reference, &moments[0]),
            (moving, &moments[1]),
            CANDIDATES,
            &mut scratch.lags,
        )?;
        if lags.is_empty() {
            return Ok(Registration::undetermined(0));
        }
        for ((out, image), m) in scratch.images.iter_mut().zip([reference, moving]).zip(&moments) {
            let (mean, scale) = (F::of(m.mean), F::of(1.0 / m.deviation));
            out.zip_mut_with(&image, |o, &v| *o = (v - mean) * scale);
        }
        self.refine(&lags, scratch)
    }

    fn refine<F: Real>(&self, lags: &[Lag], scratch: &mut OverlapFrameScratch<F>) -> Result<Registration> {
        let OverlapFrameScratch { images: [reference, moving], fit, .. } = scratch;
        // The quieter image is interpolated; swapping the images then only changes the sign.
        let swapped = roughness(moving) < roughness(reference);
        let (still, other) = if swapped { (&*moving, &*reference) } else { (&*reference, &*moving) };
        let towards = if swapped { -1.0 } else { 1.0 };
        let starts: Vec<_> =
            lags.iter().map(|l| (l.lag.map(|d| towards * d as f64), 2.0 * l.score as f64)).collect();
        let spline = SplineImage::new(still.view(), self.params.degree)?;
        let problem = pair_of(&spline, other);
        let fits = self.fits(&problem, &starts, fit)?;
        let Some(best) = fits.first() else { return Ok(self.at_whole_pixel(lags[0])) };
        let mut best = *best;
        let FitCovariance { mut matrix, reference_noise } = covariance(&problem, &best, fit);
        if reference_noise > 0.0 {
            (best, matrix) = self.with_noisy_reference(&problem, best, reference_noise, other, still, fit)?;
        }
        Ok(self.result(&best, matrix, fits.get(1).map(|second| (fits[0], *second)), towards))
    }

    /// Fits again where both images are noisy: what they have in common if that pays, else all of them with
    /// the interpolated noise taken into account.
    fn with_noisy_reference<F: Real>(
        &self,
        problem: &OverlapProblem<'_, F>,
        plain: OverlapFit,
        reference_noise: f64,
        other: &Array2<F>,
        still: &Array2<F>,
        scratch: &mut OverlapScratch<F>,
    ) -> Result<(OverlapFit, [[f64; 2]; 2])> {
        let near = |fit: &OverlapFit| (0..2).all(|a| (fit.shift[a] - plain.shift[a]).abs() < 2.0);
        if let Some(images) = coherent_images([still, other], plain.shift)? {
            let spline = SplineImage::new(images.reference.view(), self.params.degree)?;
            let filtered = pair_of(&spline, &images.moving);
            if let Some(fit) = filtered.fit(plain.shift, scratch)?.filter(near) {
                let information = images.information.map(|row| row.map(|v| v * fit.count as f64));
                let seen = scattered_covariance(&filtered, &fit, 2 * BLOCK, scratch);
                if let Some(expected) = invert_free(information, [true; 2]) {
                    // Spectra estimated from these very images flatter; residuals in blocks miss what
                    // reaches beyond a block. The larger of the two is believed.
                    let size = |m: &[[f64; 2]; 2]| m[0][0] + m[1][1];
                    let matrix = if size(&seen) > size(&expected) { seen } else { expected };
                    return Ok((OverlapFit { correlation: plain.correlation, ..fit }, matrix));
                }
            }
        }
        let problem = OverlapProblem { reference_noise, ..problem.clone() };
        let fit = problem.fit(plain.shift, scratch)?.filter(near).unwrap_or(plain);
        let mut matrix = covariance(&problem, &fit, scratch).matrix;
        // The noise level is itself an estimate: half of what it moved the result counts as uncertain.
        let moved = [0, 1].map(|a| 0.5 * (fit.shift[a] - plain.shift[a]));
        for (row, a) in matrix.iter_mut().zip(moved) {
            for (v, b) in row.iter_mut().zip(moved) {
                *v += a * b;
            }
        }
        Ok((fit, matrix))
    }

    /// Fits from each start (with its whole-pixel score) that may still win, best first.
    fn fits<F: Real>(
        &self,
        problem: &OverlapProblem<'_, F>,
        starts: &[([f64; 2], f64)],
        scratch: &mut OverlapScratch<F>,
    ) -> Result<Vec<OverlapFit>> {
        let mut fits: Vec<OverlapFit> = Vec::new();
        for &(start, score) in starts {
            // A poorer whole-pixel score may still win below the pixel, but not from far below.
            if fits.first().is_some_and(|best| likelihood(best) > score + self.params.ambiguity) {
                continue;
            }
            if let Some(fit) = problem.fit(start, scratch)?
                && fits.iter().all(|f| (0..2).any(|a| (f.shift[a] - fit.shift[a]).abs() > 0.5))
                && fit.correlation > 0.0
                && self.within_limits(fit.shift)
            {
                let at = fits.iter().position(|f| likelihood(&fit) > likelihood(f)).unwrap_or(fits.len());
                fits.insert(at, fit);
            }
        }
        Ok(fits)
    }

    fn within_limits(&self, shift: [f64; 2]) -> bool {
        (0..2).all(|a| shift[a].abs() <= self.search.limit()[a] as f64 + 1.0)
    }

    /// No fit led anywhere: the whole-pixel optimum lies at the border of what was searched.
    fn at_whole_pixel(&self, lag: Lag) -> Registration {
        let mut result = Registration::undetermined(0);
        if (0..2).any(|a| lag.lag[a].unsigned_abs() >= self.search.limit()[a]) {
            result.shift = lag.lag.map(|d| d as f64);
            result.status = Status::AtSearchLimit;
        }
        result
    }

    fn result(
        &self,
        best: &OverlapFit,
        mut covariance: [[f64; 2]; 2],
        rivals: Option<(OverlapFit, OverlapFit)>,
        towards: f64,
    ) -> Registration {
        if covariance[0][0].is_nan() {
            return Registration::undetermined(best.count);
        }
        let mut shift = best.shift.map(|d| towards * d);
        match self.params.refinement {
            Refinement::Continuous => {}
            Refinement::Upsampled { factor } => on_grid(&mut shift, &mut covariance, 1.0 / factor),
            Refinement::WholePixel => on_grid(&mut shift, &mut covariance, 1.0),
        }
        let runner_up = rivals
            .map(|(best, other)| RunnerUp {
                shift: other.shift.map(|d| towards * d),
                delta_chi2: likelihood(&best) - likelihood(&other),
            })
            .filter(|other| other.delta_chi2 < self.params.ambiguity);
        let at_limit = (0..2).any(|a| {
            let limit = self.search.limit()[a] as f64;
            limit > 0.0 && best.shift[a].abs() > limit - 0.5
        });
        let status = match () {
            _ if at_limit => Status::AtSearchLimit,
            _ if runner_up.is_some() || !best.converged => Status::Ambiguous,
            _ => Status::Converged,
        };
        Registration { shift, covariance, score: best.correlation, overlap: best.count, status, runner_up }
    }
}

fn pair_of<'a, F: Real>(still: &'a SplineImage<F>, other: &'a Array2<F>) -> OverlapProblem<'a, F> {
    OverlapProblem {
        reference: still,
        moving: other.view(),
        weights: None,
        trusted: None,
        nuisance: NUISANCE,
        reference_noise: 0.0,
    }
}

/// Covariance of a fit, and what it says about the interpolated image.
pub(crate) struct FitCovariance {
    /// `(y, x)` px²; NaN if the fit fixes no displacement.
    pub(crate) matrix: [[f64; 2]; 2],
    /// Variance of the noise that the interpolated image seems to have; 0 if that is not significant.
    pub(crate) reference_noise: f64,
}

/// `H⁻¹ M H⁻¹` with M as blocks of `block` × `block` pixels show it, NaN if the fit fixes nothing.
fn scattered_covariance<F: Real>(
    problem: &OverlapProblem<'_, F>,
    fit: &OverlapFit,
    block: usize,
    scratch: &mut OverlapScratch<F>,
) -> [[f64; 2]; 2] {
    let scatter = problem.scatter(fit, block, scratch);
    match invert_free(shared_curvature(fit, &scatter), [true; 2]) {
        Some(inverse) => sandwich(inverse, scatter.gradient),
        None => [[f64::NAN; 2]; 2],
    }
}

/// The part of the curvature that the scene makes, not the interpolated image's noise.
fn shared_curvature(fit: &OverlapFit, scatter: &OverlapScatter) -> [[f64; 2]; 2] {
    let share = scatter.shared_slope.map(|s| if s.is_finite() { s.clamp(0.05, 1.0) } else { 1.0 });
    std::array::from_fn(|i| std::array::from_fn(|j| fit.curvature[i][j] * (share[i] * share[j]).sqrt()))
}

/// Side of the blocks within which noise may be correlated.
const BLOCK: usize = 8;

/// `H⁻¹ M H⁻¹`, where H is the curvature that both images share and M the scatter of the gradient:
/// the residuals' variance times the curvature if they are as white as they look, else what blocks of
/// 8 × 8 pixels show.
pub(crate) fn covariance<F: Real>(
    problem: &OverlapProblem<'_, F>,
    fit: &OverlapFit,
    scratch: &mut OverlapScratch<F>,
) -> FitCovariance {
    let (h, w) = problem.reference.shape();
    let free = [h > 1 || problem.moving.nrows() > 1, w > 1 || problem.moving.ncols() > 1];
    let scatter = problem.scatter(fit, BLOCK, scratch);
    let reference_noise = scatter.reference_noise;
    let nan = FitCovariance { matrix: [[f64::NAN; 2]; 2], reference_noise };
    let shared = shared_curvature(fit, &scatter);
    let (Some(inverse), Some(whole)) = (invert_free(shared, free), invert_free(fit.curvature, free)) else {
        return nan;
    };
    let variance = fit.reduced_chi2(problem.nuisance);
    if variance.is_nan() {
        return nan;
    }
    let white = fit.curvature.map(|row| row.map(|v| v * variance));
    let axes = free.iter().filter(|f| **f).count() as f64;
    let trace: f64 = (0..2)
        .flat_map(|i| (0..2).map(move |j| (i, j)))
        .map(|(i, j)| whole[i][j] * scatter.gradient[j][i])
        .sum();
    let excess = trace / (axes * variance);
    // The excess is a mean of squares over blocks and axes.
    let spread = (2.0 / (axes * scatter.effective_blocks).max(1.0)).sqrt();
    let correlated = variance > 0.0 && (excess - 1.0).abs() > 4.0 * spread;
    let gradient = if correlated { scatter.gradient } else { white };
    FitCovariance { matrix: sandwich(inverse, gradient), reference_noise }
}

/// Twice the logarithm of the likelihood ratio between this displacement and none that fits.
fn likelihood(fit: &OverlapFit) -> f64 {
    let rho2 = (fit.correlation * fit.correlation).min(1.0 - 1e-12);
    -(fit.count as f64) * (1.0 - rho2).ln()
}

/// Rounds to a grid of step s and adds its variance s²/12.
pub(crate) fn on_grid(shift: &mut [f64; 2], covariance: &mut [[f64; 2]; 2], step: f64) {
    for axis in 0..2 {
        shift[axis] = (shift[axis] / step).round() * step;
        covariance[axis][axis] += step * step / 12.0;
    }
}

/// Mean square of second differences of an image of unit deviation: of two images of one scene the
/// noisier has more.
fn roughness<F: Real>(image: &Array2<F>) -> f64 {
    let two = F::of(2.0);
    let mut sum = 0.0;
    for row in image.rows() {
        let row = row.to_slice().expect("an image in C order");
        sum += row.windows(3).map(|v| (v[0] - two * v[1] + v[2]).powi(2)).fold(F::zero(), |a, b| a + b).f64();
    }
    for rows in image.axis_windows(ndarray::Axis(0), 3) {
        let line = |i: usize| rows.row(i).to_slice().expect("an image in C order");
        let (a, b, c) = (line(0), line(1), line(2));
        let mut part = F::zero();
        for x in 0..a.len() {
            part += (a[x] - two * b[x] + c[x]).powi(2);
        }
        sum += part.f64();
    }
    sum / image.len() as f64
}
