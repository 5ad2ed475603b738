//! Registration of images with missing pixels.

use ndarray::{Array2, ArrayView2, Zip};
use nonius_core::{
    Error, Nuisance, OverlapFit, OverlapProblem, OverlapScratch, Real, Result, RunnerUp, SplineDegree,
    SplineImage, Status, WeightedImage, WeightedSums, check_not_empty, check_shape, fill_missing,
    taylor_peak, trusted_places,
};
use serde::{Deserialize, Serialize};

use crate::masked_lags::{Neighbourhood, Peak};
use crate::params::Refinement;
use crate::result::Registration;
use crate::templates::Templates;

/// Parameters of [`register_masked`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MaskedParams {
    /// Least overlap of valid pixels that is considered, as a part of the largest there is, in (0, 1].
    /// Default: 0.3.
    pub overlap_ratio: f64,
    /// Sub-pixel refinement; a grid rounds the continuous result. Default: continuous.
    pub refinement: Refinement,
    /// Degree of the splines that interpolate. Default: 7.
    pub degree: SplineDegree,
    /// As [`RegistrationParams::ambiguity`](crate::RegistrationParams::ambiguity). Default: 9.
    pub ambiguity: f64,
}

impl Default for MaskedParams {
    fn default() -> Self {
        MaskedParams {
            overlap_ratio: 0.3,
            refinement: Refinement::default(),
            degree: SplineDegree::default(),
            ambiguity: 9.0,
        }
    }
}

impl MaskedParams {
    /// Checks every parameter.
    ///
    /// # Errors
    /// [`Error::Parameter`] names the first that cannot be.
    pub fn validate(&self) -> Result<()> {
        if !(self.overlap_ratio > 0.0 && self.overlap_ratio <= 1.0) {
            return Err(Error::parameter("overlap_ratio", "above 0 and at most 1", self.overlap_ratio));
        }
        if let Refinement::Upsampled { factor } = self.refinement
            && !(1.0..=1e3).contains(&factor)
        {
            return Err(Error::parameter(
                "upsample_factor",
                "between 1 and 1000 (or take the continuous refinement)",
                factor,
            ));
        }
        if self.ambiguity.is_nan() || self.ambiguity < 0.0 {
            return Err(Error::parameter("ambiguity", "not negative", self.ambiguity));
        }
        Ok(())
    }
}

/// Correlation coefficients of two masked images at every whole-pixel displacement.
#[derive(Debug, Clone, PartialEq)]
pub struct MaskedCorrelation<F> {
    /// Correlation coefficient, −1 to 1, of shape `(h₁ + h₂ − 1, w₁ + w₂ − 1)`; element `i` stands for the
    /// displacement `i − (n_reference − 1)` along its axis. 0 where fewer pixels overlap than were asked
    /// for, or where they have no contrast.
    pub map: Array2<F>,
    /// Valid pixels that overlap.
    pub overlap: Array2<F>,
    /// Shape of the reference.
    pub reference_shape: (usize, usize),
}

impl<F: Real> MaskedCorrelation<F> {
    /// Displacement `(y, x)` px that an element stands for: of the moving image's origin against the
    /// reference's.
    pub fn lag(&self, index: (usize, usize)) -> [isize; 2] {
        let (h, w) = self.reference_shape;
        [index.0 as isize + 1 - h as isize, index.1 as isize + 1 - w as isize]
    }

    /// Sets the map to 0 where fewer pixels overlap than `ratio` times the most that do.
    fn limit(&mut self, ratio: f64) {
        let most = self.overlap.fold(F::zero(), |a, &b| a.max(b));
        let enough = F::of(ratio) * most;
        Zip::from(&mut self.map).and(&self.overlap).for_each(|c, &n| {
            if n < enough {
                *c = F::zero();
            }
        });
    }

    /// The largest likelihood ratio of all displacements.
    fn best_likelihood(&self) -> f64 {
        const FEWEST: f64 = 16.0;
        let of = |(rho, n): (&F, &F)| {
            if n.f64() < FEWEST { 0.0 } else { likelihood(rho.f64().max(0.0), n.f64()) }
        };
        self.map.iter().zip(&self.overlap).map(of).fold(0.0, f64::max)
    }
}

/// Masked normalised cross-correlation: for every displacement, the correlation coefficient of the pixels
/// that are valid in both images.
///
/// `true` in a mask is a valid pixel; None is all valid. Values under a mask, NaN included, never matter.
/// The images may differ in shape; displacements refer to their origins.
///
/// ```text
/// N   = m₁⋆m₂
/// ρ   = [f₁⋆f₂ − (f₁⋆m₂)(m₁⋆f₂)/N] / √([f₁²⋆m₂ − (f₁⋆m₂)²/N] · [m₁⋆f₂² − (m₁⋆f₂)²/N])
/// ```
///
/// Cost: six transforms each way of the padded images.
///
/// # Errors
/// [`Error::Shape`] for a mask of another shape than its image, [`Error::NotFinite`] for a valid pixel
/// that is NaN or infinite, [`Error::Empty`], [`Error::Parameter`] for a ratio outside (0, 1].
///
/// # Source
/// D. Padfield, "Masked object registration in the Fourier domain", IEEE Trans. Image Process. 21, 2706
/// (2012).
pub fn masked_correlation<F: Real>(
    reference: ArrayView2<'_, F>,
    moving: ArrayView2<'_, F>,
    reference_mask: Option<ArrayView2<'_, bool>>,
    moving_mask: Option<ArrayView2<'_, bool>>,
    overlap_ratio: f64,
) -> Result<MaskedCorrelation<F>> {
    MaskedParams { overlap_ratio, ..Default::default() }.validate()?;
    let fixed = MaskedImage::new("reference", reference, reference_mask)?;
    let other = MaskedImage::new("moving", moving, moving_mask)?;
    let mut correlation = correlate(&weighted(&fixed), &weighted(&other))?;
    correlation.limit(overlap_ratio);
    Ok(correlation)
}

/// An image with its missing pixels set to 0, its valid ones less their mean and over their deviation.
pub(crate) struct MaskedImage<F> {
    pub(crate) image: Array2<F>,
    pub(crate) mask: Array2<bool>,
    valid: usize,
    constant: bool,
}

impl<F: Real> MaskedImage<F> {
    fn new(what: &'static str, image: ArrayView2<'_, F>, mask: Option<ArrayView2<'_, bool>>) -> Result<Self> {
        check_not_empty(what, image.shape())?;
        let mask = match mask {
            Some(mask) => {
                check_shape(
                    if what == "moving" { "moving mask" } else { "reference mask" },
                    image.shape(),
                    mask.shape(),
                )?;
                mask.to_owned()
            }
            None => Array2::from_elem(image.dim(), true),
        };
        for ((y, x), &v) in image.indexed_iter() {
            if !v.is_finite() && mask[[y, x]] {
                return Err(Error::NotFinite { what, index: vec![y, x] });
            }
        }
        let mut sums = [0.0; 2];
        let (mut valid, mut largest) = (0, 0.0_f64);
        let origin = Zip::from(&image).and(&mask).fold(None, |first, &v, &ok| first.or(ok.then_some(v)));
        let origin = origin.unwrap_or_else(F::zero);
        Zip::from(&image).and(&mask).for_each(|&v, &ok| {
            if ok {
                let d = (v - origin).f64();
                sums[0] += d;
                sums[1] += d * d;
                largest = largest.max(v.f64().abs());
                valid += 1;
            }
        });
        let n = valid as f64;
        let mean = sums[0] / n;
        let deviation = (sums[1] / n - mean * mean).max(0.0).sqrt();
        let mean = mean + origin.f64();
        let constant = valid == 0 || deviation <= 8.0 * F::epsilon().f64() * largest;
        let (mean, scale) = (F::of(mean), F::of(1.0 / deviation));
        let image = Zip::from(image)
            .and(&mask)
            .map_collect(|&v, &ok| if ok && !constant { (v - mean) * scale } else { F::zero() });
        Ok(MaskedImage { image, mask, valid, constant })
    }
}

/// The valid pixels with weight 1.
fn weighted<F: Real, G: Real>(part: &MaskedImage<G>) -> WeightedImage<F> {
    let mask = part.mask.mapv(|ok| F::of(f64::from(u8::from(ok))));
    WeightedImage::new(part.image.mapv(|v| F::of(v.f64())), mask)
}

/// Blocks a side from which blocks are searched instead of pixels.
const COARSEST: usize = 64;

/// The correlation of the images, or of blocks of their pixels if both are smooth, in single precision, and
/// the side of the blocks.
fn search<F: Real>(
    fixed: &MaskedImage<F>,
    other: &MaskedImage<F>,
) -> Result<(MaskedCorrelation<f32>, usize)> {
    let pixels = [weighted::<f32, F>(fixed), weighted(other)];
    let ([fixed, other], side) = WeightedImage::smooth_blocks(pixels, COARSEST, f64::INFINITY);
    Ok((correlate(&fixed, &other)?, side))
}

/// Correlation coefficients for every overlap, however small.
fn correlate<F: Real>(fixed: &WeightedImage<F>, other: &WeightedImage<F>) -> Result<MaskedCorrelation<F>> {
    let WeightedSums {
        weight,
        reference: f1m2,
        moving: m1f2,
        reference2: q1m2,
        moving2: m1q2,
        product: f1f2,
    } = WeightedSums::of(fixed, other)?;
    let overlap = weight.mapv(F::round);
    let contrast = |sum: F, square: F, n: F| (square - sum * sum / n).max(F::zero());
    let count = |n: F| n.max(F::epsilon());
    let mut denominator = overlap.clone();
    Zip::from(&mut denominator).and(&f1m2).and(&q1m2).and(&m1f2).and(&m1q2).for_each(
        |d, &s1, &q1, &s2, &q2| {
            let n = count(*d);
            *d = (contrast(s1, q1, n) * contrast(s2, q2, n)).sqrt();
        },
    );
    let least = denominator.fold(F::zero(), |a, &b| a.max(b)) * F::epsilon() * F::of(1e3);
    let mut map = f1f2;
    Zip::from(&mut map).and(&f1m2).and(&m1f2).and(&overlap).and(&denominator).for_each(
        |c, &s1, &s2, &n, &d| {
            let rho = ((*c - s1 * s2 / count(n)) / d).max(-F::one()).min(F::one());
            *c = if d > least { rho } else { F::zero() };
        },
    );
    Ok(MaskedCorrelation { map, overlap, reference_shape: fixed.shape() })
}

/// The displacement of `moving` against `reference`, both with missing pixels.
///
/// `true` in a mask is a valid pixel; None is all valid. The images may differ in shape; the displacement is
/// that of the moving image's origin: pixel `r` of the moving image shows what the reference has at
/// `r − shift`. The best whole-pixel displacement is the maximum of [`masked_correlation`]; it is refined by
/// least squares over the pixels that are valid in both images, the better interpolable one interpolated.
/// Where masks leave no connected pixels to interpolate, the maximum's Taylor expansion has to do.
///
/// Undetermined if a mask hides everything or an image is constant where it is valid;
/// [`AtSearchLimit`](Status::AtSearchLimit) if a smaller overlap than was allowed would explain the images
/// better.
///
/// # Errors
/// As [`masked_correlation`].
///
/// ```
/// use ndarray::{Array2, s};
/// use nonius_registration::{MaskedParams, register_masked};
/// use nonius_synthetic::ImagePairParams;
///
/// let mut pair = ImagePairParams::scene_c([2.3, -1.4], 0.05, 3).generate()?;
/// let mut mask = Array2::from_elem(pair.moving.dim(), true);
/// mask.slice_mut(s![10..30, 20..50]).fill(false);
/// pair.moving.slice_mut(s![10..30, 20..50]).fill(f64::NAN);
/// let found =
///     register_masked(pair.reference.view(), pair.moving.view(), None, Some(mask.view()), &MaskedParams::default())?;
/// assert!((found.shift[0] - 2.3).abs() < 0.02 && (found.shift[1] + 1.4).abs() < 0.02);
/// # Ok::<(), nonius_core::Error>(())
/// ```
pub fn register_masked<F: Real>(
    reference: ArrayView2<'_, F>,
    moving: ArrayView2<'_, F>,
    reference_mask: Option<ArrayView2<'_, bool>>,
    moving_mask: Option<ArrayView2<'_, bool>>,
    params: &MaskedParams,
) -> Result<Registration> {
    params.validate()?;
    let fixed = MaskedImage::new("reference", reference, reference_mask)?;
    let other = MaskedImage::new("moving", moving, moving_mask)?;
    if fixed.constant || other.constant {
        return Ok(Registration::undetermined(0));
    }
    let (mut correlation, side) = search(&fixed, &other)?;
    let best_of_all = correlation.best_likelihood();
    correlation.limit(params.overlap_ratio);
    let neighbourhood = Neighbourhood::new(&fixed, &other);
    let climb = |start: [f64; 2]| neighbourhood.peak_from(start.map(|d| (side as f64 * d).round() as isize));
    let mut peaks: Vec<Peak> = stand_out(&correlation).into_iter().filter_map(climb).collect();
    peaks.sort_by(|a, b| b.likelihood.total_cmp(&a.likelihood));
    let Some(first) = peaks.first() else { return Ok(Registration::undetermined(0)) };
    // A smaller overlap than was allowed explains the images better.
    let limited = best_of_all > 1.05 * correlation.best_likelihood();
    let mut result = refine(&fixed, &other, first, params)?;
    if let Some(second) = peaks.get(1).filter(|second| second.lag != first.lag) {
        let delta_chi2 = first.likelihood - second.likelihood;
        if delta_chi2 < params.ambiguity {
            result.runner_up = Some(RunnerUp { shift: second.lag.map(|d| d as f64), delta_chi2 });
            result.status = Status::Ambiguous;
        }
    }
    if limited && result.status != Status::Undetermined {
        result.status = Status::AtSearchLimit;
    }
    Ok(result)
}

/// The largest local maxima of the correlation coefficient, at most two, in elements of the map and refined
/// below them; the first of equal ones first.
fn stand_out(correlation: &MaskedCorrelation<f32>) -> Vec<[f64; 2]> {
    let map = &correlation.map;
    let (h, w) = map.dim();
    let best = map.fold(0.0_f32, |a, &b| a.max(b));
    let mut found: Vec<(f32, (usize, usize))> = Vec::new();
    for ((y, x), &v) in map.indexed_iter().filter(|(_, v)| **v > 0.0 && **v >= 0.5 * best) {
        let rows = y.saturating_sub(1)..(y + 2).min(h);
        let columns = x.saturating_sub(1)..(x + 2).min(w);
        if map.slice(ndarray::s![rows, columns]).iter().all(|&other| other <= v) {
            let at = found.iter().position(|p| v > p.0).unwrap_or(found.len());
            found.insert(at, (v, (y, x)));
            found.truncate(2);
        }
    }
    let below = |(y, x): (usize, usize)| {
        if y == 0 || x == 0 || y + 1 == h || x + 1 == w {
            return [0.0; 2];
        }
        let patch: [[f32; 3]; 3] =
            std::array::from_fn(|i| std::array::from_fn(|j| map[[y + i - 1, x + j - 1]]));
        taylor_peak(&patch).filter(|o| o.iter().all(|v| v.abs() <= 1.0)).unwrap_or([0.0; 2])
    };
    let refined = |(_, at): (f32, (usize, usize))| {
        let (lag, below) = (correlation.lag(at), below(at));
        std::array::from_fn(|axis| lag[axis] as f64 + below[axis])
    };
    found.into_iter().map(refined).collect()
}

pub(crate) fn likelihood(rho: f64, n: f64) -> f64 {
    -n * (1.0 - (rho * rho).min(1.0 - 1e-12)).ln()
}

/// Sub-pixel refinement of a whole-pixel peak.
fn refine<F: Real>(
    fixed: &MaskedImage<F>,
    other: &MaskedImage<F>,
    peak: &Peak,
    params: &MaskedParams,
) -> Result<Registration> {
    let start = peak.lag.map(|d| d as f64);
    let mut result = match least_squares(fixed, other, start, peak, params)? {
        Some(result) => result,
        None => peak.registration(),
    };
    let step = match params.refinement {
        Refinement::Continuous => return Ok(result),
        Refinement::Upsampled { factor } => 1.0 / factor,
        Refinement::WholePixel => 1.0,
    };
    crate::overlap::on_grid(&mut result.shift, &mut result.covariance, step);
    Ok(result)
}

const NUISANCE: Nuisance = Nuisance { gain: true, offset: true };

/// Least squares over pixels valid in both; the image with more places to interpolate is interpolated, of
/// equal ones the noisier. None if neither has enough of them.
fn least_squares<F: Real>(
    fixed: &MaskedImage<F>,
    other: &MaskedImage<F>,
    start: [f64; 2],
    peak: &Peak,
    params: &MaskedParams,
) -> Result<Option<Registration>> {
    // Places that need no missing pixel, for the whole reach of the interpolation or less.
    let taps = params.degree.taps();
    for (reach, degree) in [(taps / 2 + 3, params.degree), (3, SplineDegree::Cubic)] {
        let places = [fixed, other].map(|part| trusted_places(part.mask.view(), reach));
        let counts = places.each_ref().map(|places| places.iter().filter(|&&ok| ok).count());
        let swapped = match counts[0].cmp(&counts[1]) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Greater => false,
            std::cmp::Ordering::Equal => roughness(fixed, &places[0]) < roughness(other, &places[1]),
        };
        let (still, moved) = if swapped { (other, fixed) } else { (fixed, other) };
        let trusted = &places[usize::from(swapped)];
        if counts[usize::from(swapped)] * 4 < still.valid {
            continue;
        }
        let towards = if swapped { -1.0 } else { 1.0 };
        let spline = SplineImage::new(fill_missing(still.image.view(), still.mask.view())?.view(), degree)?;
        let smooth = fill_missing(moved.image.view(), moved.mask.view())?;
        let weights = moved.mask.mapv(|ok| if ok { F::one() } else { F::zero() });
        let mut scratch = OverlapScratch::default();
        let mut fit_with = |templates: &Templates<F>, start: [f64; 2]| -> Result<_> {
            let problem = OverlapProblem {
                reference: &spline,
                moving: moved.image.view(),
                slopes: Some(templates.slopes.each_ref().map(Array2::view)),
                weights: Some(weights.view()),
                trusted: Some(trusted.view()),
                nuisance: NUISANCE,
                moving_noise: templates.noise.unwrap_or(0.0),
            };
            let near = |fit: &OverlapFit| (0..2).all(|a| (fit.shift[a] - start[a]).abs() < 2.0);
            let fit = problem.fit(start, &mut scratch)?.filter(near);
            Ok(fit.map(|fit| (fit, crate::overlap::covariance(&problem, &fit, templates, &mut scratch))))
        };
        let Some((mut fit, mut found)) =
            fit_with(&Templates::plain(smooth.view()), start.map(|d| towards * d))?
        else {
            continue;
        };
        // Noisy slopes are smoothed.
        if found.noise > 0.0 {
            let templates = Templates::smoothed(smooth.view(), found.noise)?;
            if let Some((better, found_then)) = fit_with(&templates, fit.shift)?
                && found_then.matrix[0][0] + found_then.matrix[1][1] < found.matrix[0][0] + found.matrix[1][1]
            {
                (fit, found) = (better, found_then);
            }
        }
        return Ok(Some(Registration {
            shift: fit.shift.map(|d| towards * d),
            covariance: found.matrix,
            score: peak.value.max(fit.correlation),
            overlap: fit.count,
            status: if fit.converged { Status::Converged } else { Status::Ambiguous },
            runner_up: None,
        }));
    }
    Ok(None)
}

/// Mean square of the second differences along x of valid runs: of two images of one scene the noisier
/// has more.
fn roughness<F: Real>(part: &MaskedImage<F>, places: &Array2<bool>) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for (image, place) in part.image.rows().into_iter().zip(places.rows()) {
        for x in 1..image.len().saturating_sub(1) {
            if place[x] {
                sum += (image[x - 1] - F::of(2.0) * image[x] + image[x + 1]).powi(2).f64();
                count += 1.0;
            }
        }
    }
    if count > 0.0 { sum / count } else { f64::INFINITY }
}
