//! χ² of frames that do not wrap.

use ndarray::Array2;
use nonius_core::{
    Border, OverlapFit, OverlapProblem, OverlapScratch, Real, Result, SplineImage, fill_missing,
    gaussian_filter, invert_free, sandwich, slopes, trusted_places,
};

use crate::coarse::coarse_minima;
use crate::image::Prepared;
use crate::noise::{gradient_covariance, is_correlated};
use crate::params::Chi2Params;
use crate::shift::{Chi2Shift, judged, level, profile_limits};
use crate::whiten::Pair;

/// Smoothing of the moving image's slopes, px, where both images are noisy.
const SMOOTHING: f64 = 1.0;

/// What fits at any displacement have in common.
struct Comparison<'a, F> {
    spline: SplineImage<F>,
    moving: &'a Prepared<F>,
    trusted: Option<Array2<bool>>,
    /// Slopes of the moving image, where the reference's noise is known: it would draw displacements, but does
    /// not draw those that these slopes find.
    slopes: Option<[Array2<F>; 2]>,
    params: &'a Chi2Params,
}

impl<'a, F: Real> Comparison<'a, F> {
    fn new(reference: &Prepared<F>, moving: &'a Prepared<F>, params: &'a Chi2Params) -> Result<Self> {
        let valid = reference.valid();
        let complete = valid.iter().all(|&ok| ok);
        let filled = fill_missing(reference.pixels.view(), valid.view())?;
        let slopes = if reference.known {
            let moving = fill_missing(moving.pixels.view(), moving.valid().view())?;
            Some(slopes(gaussian_filter(moving.view(), SMOOTHING, Border::Mirror)?.view()))
        } else {
            None
        };
        Ok(Comparison {
            spline: SplineImage::new(filled.view(), params.degree)?,
            moving,
            trusted: (!complete).then(|| trusted_places(valid.view(), params.degree.taps() / 2 + 3)),
            slopes,
            params,
        })
    }

    fn problem<'b>(&'b self, weights: &'b Array2<F>) -> OverlapProblem<'b, F> {
        OverlapProblem {
            reference: &self.spline,
            moving: self.moving.pixels.view(),
            slopes: self.slopes.as_ref().map(|s| s.each_ref().map(Array2::view)),
            weights: Some(weights.view()),
            trusted: self.trusted.as_ref().map(Array2::view),
            nuisance: self.params.nuisance(),
            moving_noise: 0.0,
        }
    }
}

/// χ² at `center + (y, x)` for all y and x of `places`; NaN where too little overlaps.
pub(crate) fn surface(
    Pair { reference, moving, .. }: &Pair<f64>,
    params: &Chi2Params,
    center: [f64; 2],
    places: [&[f64]; 2],
) -> Result<Array2<f64>> {
    let comparison = Comparison::new(reference, moving, params)?;
    let weights = weights(reference, moving, center);
    let problem = comparison.problem(&weights);
    let mut scratch = OverlapScratch::default();
    Ok(Array2::from_shape_fn((places[0].len(), places[1].len()), |(y, x)| {
        let at = [center[0] + places[0][y], center[1] + places[1][x]];
        problem.chi2(at, center, &mut scratch).unwrap_or(f64::NAN)
    }))
}

pub(crate) fn shift<F: Real>(pair: &Pair<F>, params: &Chi2Params) -> Result<Chi2Shift> {
    let Pair { reference, moving, .. } = pair;
    let starts = coarse_minima(reference, moving, params)?;
    if starts.is_empty() {
        return Ok(Chi2Shift::undetermined());
    }
    let comparison = Comparison::new(reference, moving, params)?;
    let mut scratch = OverlapScratch::default();
    let mut found: Vec<(OverlapFit, [f64; 2])> = Vec::new();
    for start in starts {
        let weights = weights(reference, moving, start);
        let problem = comparison.problem(&weights);
        let allowed = |fit: &OverlapFit| {
            let within = fit.shift.iter().all(|d| d.abs() <= params.max_shift.unwrap_or(f64::INFINITY) + 1.0);
            let new = found.iter().all(|(f, _)| (0..2).any(|a| (f.shift[a] - fit.shift[a]).abs() > 0.5));
            within && new && fit.correlation > 0.0
        };
        if let Some(fit) = problem.fit(start, &mut scratch)?.filter(allowed) {
            found.push((fit, start));
        }
    }
    found.sort_by(|(a, _), (b, _)| per_pixel(a).total_cmp(&per_pixel(b)));
    let Some((best, start)) = found.first() else { return Ok(Chi2Shift::undetermined()) };
    let weights = weights(reference, moving, *start);
    let problem = comparison.problem(&weights);
    let degrees_of_freedom = best.count as f64 - params.n_fitted();
    let scale = if moving.known { 1.0 } else { best.chi2 / degrees_of_freedom };
    let residuals = problem.residuals(best, &mut scratch);
    let free = [0, 1].map(|a| reference.pixels.shape()[a] > 1 || moving.pixels.shape()[a] > 1);
    let curvature = match &problem.slopes {
        Some(_) => problem.scatter(best, 8, &mut scratch).shared_curvature,
        None => best.curvature,
    };
    let Some(inverse) = invert_free(curvature, free).filter(|_| degrees_of_freedom > 0.0) else {
        return Ok(Chi2Shift::undetermined());
    };
    let gradient = gradient_covariance(&residuals, params.offset.then_some(&weights), pair.noise())?;
    let white = || best.curvature.map(|row| row.map(|v| scale * v));
    let covariance = sandwich(inverse, gradient.unwrap_or_else(white));
    let level = level(params, scale)?;
    let errors = if params.profile {
        profile_limits(best.shift, inverse, level, |at| problem.chi2(at, best.shift, &mut scratch))
    } else {
        [0, 1].map(|a| [(level / scale * covariance[a][a]).sqrt(); 2])
    };
    let rise = |fit: &OverlapFit| (per_pixel(fit) - per_pixel(best)) * best.count as f64 / scale;
    let others = found[1..].iter().map(|(fit, _)| (fit.shift, rise(fit)));
    let (status, competing) = judged(best.shift, best.converged, others, params);
    Ok(Chi2Shift {
        shift: best.shift,
        covariance,
        errors,
        chi2: best.chi2,
        degrees_of_freedom,
        gain: best.gain,
        offset: (best.offset + moving.mean - best.gain * reference.mean) / pair.constant,
        overlap: best.count,
        status,
        competing,
        scaled_by_residuals: !moving.known,
        correlated: is_correlated(&residuals.residual),
    })
}

/// `1/σ²` of the moving image's pixels, with the reference's variance added where that is known.
fn weights<F: Real>(reference: &Prepared<F>, moving: &Prepared<F>, shift: [f64; 2]) -> Array2<F> {
    if !reference.known {
        return moving.weights();
    }
    let (h, w) = reference.pixels.dim();
    let place = |at: usize, d: f64, n: usize| (at as f64 - d.round()).clamp(0.0, n as f64 - 1.0) as usize;
    Array2::from_shape_fn(moving.pixels.dim(), |(y, x)| {
        let behind = reference.variance([place(y, shift[0], h), place(x, shift[1], w)]);
        F::of(1.0 / (moving.variance([y, x]) + if behind.is_finite() { behind } else { 0.0 }))
    })
}

fn per_pixel(fit: &OverlapFit) -> f64 {
    fit.chi2 / fit.count as f64
}
