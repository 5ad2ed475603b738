//! Displacements of frames that do not wrap.

use ndarray::{Array2, ArrayView2};
use nonius_core::{
    Moments, Nuisance, OverlapFit, OverlapProblem, OverlapScratch, Real, Result, RunnerUp, SplineImage,
    Status, invert_free, normalise, sandwich,
};

use crate::lags::{LagScratch, LagSearch};
use crate::params::{Refinement, RegistrationParams};
use crate::result::Registration;
use crate::templates::Templates;

/// Set-up shared by all pairs of one shape.
#[derive(Debug)]
pub(crate) struct Overlap {
    /// Searches in the images and in ever coarser ones, each of half the size.
    searches: Vec<LagSearch>,
    params: RegistrationParams,
    shape: (usize, usize),
}

/// Working memory of one thread.
#[derive(Debug)]
pub(crate) struct OverlapFrameScratch<F> {
    /// Of each level that was searched.
    lags: Vec<Option<LagScratch>>,
    fit: OverlapScratch<F>,
    /// Both images less their mean, over their deviation; then ever coarser ones.
    levels: Vec<[Array2<F>; 2]>,
    spline: SplineImage<F>,
    templates: Templates<F>,
}

/// Where a fit starts, px, and how well it may be expected to do.
#[derive(Debug, Clone, Copy)]
struct Start {
    shift: [f64; 2],
    likelihood: f64,
}

/// Displacements that are refined and compared, at most.
const CANDIDATES: usize = 3;

/// What is fitted beside the displacement.
const NUISANCE: Nuisance = Nuisance { gain: true, offset: true };

/// Coarser images are searched down to this size, px a side.
const COARSEST: usize = 64;

/// Part of both images' variance that a coarser image must keep to be searched instead of them.
const KEPT: f64 = 0.5;

impl Overlap {
    pub(crate) fn new(shape: (usize, usize), params: RegistrationParams) -> Result<Self> {
        let search = |level: u32| {
            let scale = 2_usize.pow(level);
            let max_shift = params.max_shift.map(|d| (d / scale as f64).ceil());
            LagSearch::new((shape.0 / scale, shape.1 / scale), params.min_overlap, max_shift)
        };
        let worth = |level: &u32| {
            let scale = 2_usize.pow(*level);
            shape.0.min(shape.1) / scale >= COARSEST
                && params.max_shift.is_none_or(|d| d >= 4.0 * scale as f64)
        };
        let searches =
            std::iter::once(0).chain((1..16).take_while(worth)).map(search).collect::<Result<_>>()?;
        Ok(Overlap { searches, params, shape })
    }

    pub(crate) fn scratch<F: Real>(&self) -> OverlapFrameScratch<F> {
        let level = |level: usize| {
            let shape = (self.shape.0 >> level, self.shape.1 >> level);
            [Array2::zeros(shape), Array2::zeros(shape)]
        };
        OverlapFrameScratch {
            lags: self.searches.iter().map(|_| None).collect(),
            fit: OverlapScratch::default(),
            levels: (0..self.searches.len()).map(level).collect(),
            spline: SplineImage::empty(self.params.degree),
            templates: Templates::empty(),
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
        for ((out, image), m) in scratch.levels[0].iter_mut().zip([reference, moving]).zip(&moments) {
            let (mean, scale) = (F::of(m.mean), F::of(1.0 / m.deviation));
            for (mut out, row) in out.rows_mut().into_iter().zip(image.rows()) {
                match (row.to_slice(), out.as_slice_mut()) {
                    (Some(row), Some(out)) => normalise(row, mean, scale, out),
                    _ => out.zip_mut_with(&row, |o, &v| *o = (v - mean) * scale),
                }
            }
        }
        let level = coarsen(&mut scratch.levels);
        let mut starts = self.starts(level, scratch)?;
        if starts.is_empty() && level > 0 {
            starts = self.starts(0, scratch)?;
        }
        if starts.is_empty() {
            return Ok(Registration::undetermined(0));
        }
        self.refine(&starts, scratch)
    }

    /// The displacements that stand out among the whole-pixel ones of a level, refined there unless it is
    /// that of the images themselves.
    fn starts<F: Real>(&self, level: usize, scratch: &mut OverlapFrameScratch<F>) -> Result<Vec<Start>> {
        let OverlapFrameScratch { lags, fit, levels, spline, templates } = scratch;
        let [reference, moving] = &levels[level];
        let search = &self.searches[level];
        let lags = lags[level].get_or_insert_with(|| search.scratch());
        let lags = search.best(reference, moving, CANDIDATES, lags)?;
        let scale = (1_usize << level) as f64;
        let whole = lags.iter().map(|l| Start {
            shift: l.lag.map(|d| scale * d as f64),
            // Fits do better than whole pixels, but not by more than this.
            likelihood: 2.0 * l.score as f64,
        });
        if level == 0 || lags.is_empty() {
            return Ok(whole.collect());
        }
        spline.set(reference.view())?;
        templates.set(moving.view());
        let problem = pair_of(spline, moving, templates);
        let mut starts: Vec<Start> = Vec::new();
        for start in whole {
            let fitted = problem.fit(start.shift.map(|d| d / scale), fit)?;
            let shift = fitted.map_or(start.shift, |f| f.shift.map(|d| d * scale));
            if starts.iter().all(|s| (0..2).any(|a| (s.shift[a] - shift[a]).abs() > 0.5 * scale)) {
                starts.push(Start { shift, ..start });
            }
        }
        Ok(starts)
    }

    fn refine<F: Real>(
        &self,
        starts: &[Start],
        scratch: &mut OverlapFrameScratch<F>,
    ) -> Result<Registration> {
        let OverlapFrameScratch { levels, fit, spline, templates, .. } = scratch;
        let [reference, moving] = &levels[0];
        // The slopes are those of the quieter image, the other is interpolated; exchanging the images then
        // only changes the sign.
        let swapped = roughness(reference) < roughness(moving);
        let (noisier, quieter) = if swapped { (moving, reference) } else { (reference, moving) };
        let towards = if swapped { -1.0 } else { 1.0 };
        spline.set(noisier.view())?;
        templates.set(quieter.view());
        let fits = self.fits(&pair_of(spline, quieter, templates), starts, towards, fit)?;
        let Some(&first) = fits.first() else { return Ok(self.at_whole_pixel(starts[0])) };
        let mut best = first;
        let mut found = covariance(&pair_of(spline, quieter, templates), &best, templates, fit);
        if found.noise > 0.0
            && let Some(coherent) = Templates::coherent(noisier, quieter, best.shift)?
        {
            let problem = pair_of(spline, quieter, &coherent);
            let near = |fit: &OverlapFit| (0..2).all(|a| (fit.shift[a] - first.shift[a]).abs() < 2.0);
            if let Some(better) = problem.fit(best.shift, fit)?.filter(near) {
                found = covariance(&problem, &better, &coherent, fit);
                best = better;
            }
        }
        Ok(self.result(&best, found.matrix, fits.get(1).map(|second| (first, *second)), towards))
    }

    /// Fits from each start that may still win, best first.
    fn fits<F: Real>(
        &self,
        problem: &OverlapProblem<'_, F>,
        starts: &[Start],
        towards: f64,
        scratch: &mut OverlapScratch<F>,
    ) -> Result<Vec<OverlapFit>> {
        let mut fits: Vec<OverlapFit> = Vec::new();
        for start in starts {
            if fits.first().is_some_and(|best| likelihood(best) > start.likelihood + self.params.ambiguity) {
                continue;
            }
            let start = start.shift.map(|d| towards * d);
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
        (0..2).all(|a| shift[a].abs() <= self.limit()[a] + 1.0)
    }

    /// Largest displacement along y and x, px.
    fn limit(&self) -> [f64; 2] {
        self.searches[0].limit().map(|d| d as f64)
    }

    /// No fit led anywhere: the whole-pixel optimum lies at the border of what was searched.
    fn at_whole_pixel(&self, start: Start) -> Registration {
        let mut result = Registration::undetermined(0);
        let limit = self.limit();
        if (0..2).any(|a| start.shift[a].abs() >= limit[a]) {
            result.shift = std::array::from_fn(|a| start.shift[a].round().clamp(-limit[a], limit[a]));
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
            let limit = self.limit()[a];
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

/// Halves the first images again and again, into the levels there are, while both keep enough of their
/// variance; says the last level that was made.
fn coarsen<F: Real>(levels: &mut [[Array2<F>; 2]]) -> usize {
    for level in 1..levels.len() {
        let (finer, coarser) = levels.split_at_mut(level);
        for (out, image) in coarser[0].iter_mut().zip(&finer[level - 1]) {
            if halve(image, out) < KEPT {
                return level - 1;
            }
        }
    }
    levels.len() - 1
}

/// Means of blocks of 2×2 pixels; returns their mean square. An odd last row or column is left out.
fn halve<F: Real>(image: &Array2<F>, out: &mut Array2<F>) -> f64 {
    let mut squares = 0.0;
    for (y, mut out) in out.rows_mut().into_iter().enumerate() {
        let row = |y: usize| image.row(y).to_slice().expect("an image in C order");
        let out = out.as_slice_mut().expect("an image in C order");
        squares += halve_rows(row(2 * y), row(2 * y + 1), out);
    }
    squares / out.len() as f64
}

fn halve_rows<F: Real>(above: &[F], below: &[F], out: &mut [F]) -> f64 {
    let quarter = F::of(0.25);
    let mut squares = F::zero();
    let (above, below) = (above.as_chunks::<2>().0, below.as_chunks::<2>().0);
    for ((out, a), b) in out.iter_mut().zip(above).zip(below) {
        *out = (a[0] + a[1] + b[0] + b[1]) * quarter;
        squares += *out * *out;
    }
    squares.f64()
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

/// Part of the slopes' power below which noise does not matter, nor can be told from what interpolation does.
const TELLING: f64 = 0.01;

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
    let all: f64 = axes().map(|a| fit.curvature[a][a]).sum();
    let significant = own > (3.0 * uncertainty.sqrt()).max(TELLING * all);
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
