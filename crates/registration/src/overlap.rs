//! Displacements of frames that do not wrap.

use ndarray::{Array2, ArrayView2};
use nonius_core::{
    Nuisance, OverlapFit, OverlapProblem, OverlapScratch, Real, Result, SplineImage, invert_free,
};

use crate::lags::{Lag, LagScratch, LagSearch};
use crate::moments::Moments;
use crate::params::{Refinement, RegistrationParams};
use crate::result::{Registration, RunnerUp, Status};
use crate::templates::Templates;

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
        // The slopes are those of the quieter image, the other is interpolated; exchanging the images then
        // only changes the sign.
        let swapped = roughness(reference) < roughness(moving);
        let (noisier, quieter) = if swapped { (&*moving, &*reference) } else { (&*reference, &*moving) };
        let towards = if swapped { -1.0 } else { 1.0 };
        let starts: Vec<_> =
            lags.iter().map(|l| (l.lag.map(|d| towards * d as f64), 2.0 * l.score as f64)).collect();
        let spline = SplineImage::new(noisier.view(), self.params.degree)?;
        let mut templates = Templates::plain(quieter.view());
        let fits = self.fits(&pair_of(&spline, quieter, &templates), &starts, fit)?;
        let Some(&first) = fits.first() else { return Ok(self.at_whole_pixel(lags[0])) };
        let mut best = first;
        let mut found = covariance(&pair_of(&spline, quieter, &templates), &best, &templates, fit);
        if found.noise > 0.0
            && let Some(coherent) = Templates::coherent(noisier, quieter, best.shift)?
        {
            templates = coherent;
            let problem = pair_of(&spline, quieter, &templates);
            let near = |fit: &OverlapFit| (0..2).all(|a| (fit.shift[a] - first.shift[a]).abs() < 2.0);
            if let Some(better) = problem.fit(best.shift, fit)?.filter(near) {
                found = covariance(&problem, &better, &templates, fit);
                best = better;
            }
        }
        Ok(self.result(&best, found.matrix, fits.get(1).map(|second| (first, *second)), towards))
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

fn pair_of<'a, F: Real>(
    interpolated: &'a SplineImage<F>,
    other: &'a Array2<F>,
    templates: &'a Templates<F>,
) -> OverlapProblem<'a, F> {
    OverlapProblem {
        reference: interpolated,
        moving: other.view(),
        slopes: Some(templates.slopes.each_ref().map(Array2::view)),
        weights: None,
        trusted: None,
        nuisance: NUISANCE,
        moving_noise: templates.noise.unwrap_or(0.0),
    }
}

/// Covariance of a fit, and what it says about the noise of the image whose slopes were taken.
pub(crate) struct FitCovariance {
    /// `(y, x)` px²; NaN if the fit fixes no displacement.
    pub(crate) matrix: [[f64; 2]; 2],
    /// Variance of that noise; 0 if it is not significant.
    pub(crate) noise: f64,
}

/// Side of the blocks within which noise may be correlated.
const BLOCK: usize = 8;

/// `A⁻¹ M A⁻¹` with A the curvature `Σ t ∇modelᵀ` that both images share and M the variance of `Σ t e`.
///
/// For white noise of variances N₁ in the interpolated image and N₂ in the one whose slopes t are taken,
/// `M = (N₁ + N₂) Σ t tᵀ − n N₂² K`, K the variance that noise has in the slopes: what the residual e and
/// the slope have in common. Where the residuals are not as white as that, M is what blocks of 8 × 8 pixels
/// show.
pub(crate) fn covariance<F: Real>(
    problem: &OverlapProblem<'_, F>,
    fit: &OverlapFit,
    templates: &Templates<F>,
    scratch: &mut OverlapScratch<F>,
) -> FitCovariance {
    let (h, w) = problem.reference.shape();
    let free = [h > 1 || problem.moving.nrows() > 1, w > 1 || problem.moving.ncols() > 1];
    let axes = || (0..2).filter(|&a| free[a]);
    let scatter = problem.scatter(fit, BLOCK, scratch);
    let residual = fit.reduced_chi2(problem.nuisance);
    let gain = problem.reference.noise_gain(fit.shift);
    let n = fit.count as f64;
    // What noise makes of the slopes is not shared; the other image's noise makes that uncertain.
    let own: f64 = axes().map(|a| fit.curvature[a][a] - scatter.shared_curvature[a][a]).sum();
    let uncertainty: f64 =
        axes().map(|a| fit.curvature[a][a] * gain.slope[a] * residual / scatter.part).sum();
    let significant = own > 3.0 * uncertainty.sqrt();
    let seen =
        if significant { own / axes().map(|a| n * templates.slope_noise[a]).sum::<f64>() } else { 0.0 };
    let noise = templates.noise.unwrap_or(seen).min(residual);
    let shared =
        if significant || templates.noise.is_some() { scatter.shared_curvature } else { fit.curvature };
    let nan = FitCovariance { matrix: [[f64::NAN; 2]; 2], noise };
    let (Some(inverse), Some(whole)) = (invert_free(shared, free), invert_free(fit.curvature, free)) else {
        return nan;
    };
    if residual.is_nan() {
        return nan;
    }
    // Interpolation made the noise of its image look weaker than it is.
    let total = noise + (residual - noise) / gain.variance;
    let white: [[f64; 2]; 2] = std::array::from_fn(|i| {
        std::array::from_fn(|j| {
            let plain = total * fit.curvature[i][j];
            let common = if i == j { n * noise * noise * templates.slope_noise[i] } else { 0.0 };
            if i == j { (plain - common).max(0.1 * plain) } else { plain }
        })
    });
    let trace = |m: &[[f64; 2]; 2]| -> f64 {
        (0..2).flat_map(|i| (0..2).map(move |j| (i, j))).map(|(i, j)| whole[i][j] * m[j][i]).sum()
    };
    let excess = trace(&scatter.gradient) / trace(&white);
    // The excess is a mean of squares over blocks and axes.
    let spread = (2.0 / (axes().count() as f64 * scatter.effective_blocks).max(1.0)).sqrt();
    let correlated = total > 0.0 && (excess - 1.0).abs() > 4.0 * spread;
    FitCovariance { matrix: sandwich(inverse, if correlated { scatter.gradient } else { white }), noise }
}

/// `A M A`.
pub(crate) fn sandwich(a: [[f64; 2]; 2], m: [[f64; 2]; 2]) -> [[f64; 2]; 2] {
    let times = |a: [[f64; 2]; 2], b: [[f64; 2]; 2]| -> [[f64; 2]; 2] {
        std::array::from_fn(|i| std::array::from_fn(|j| a[i][0] * b[0][j] + a[i][1] * b[1][j]))
    };
    times(times(a, m), a)
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
