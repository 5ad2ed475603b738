//! Registration of images with missing pixels.

use ndarray::{Array2, ArrayView2, Zip};
use nonius_core::{
    Border, Error, Nuisance, OverlapFit, OverlapProblem, OverlapScratch, Real, RealFft2, Result,
    SplineDegree, SplineImage, check_not_empty, check_shape, gaussian_filter, invert_symmetric, taylor_peak,
    trusted_places,
};
use num_complex::Complex;
use serde::{Deserialize, Serialize};

use crate::params::Refinement;
use crate::result::{Registration, RunnerUp, Status};
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
    let mut correlation = correlate(&fixed, &other)?;
    correlation.limit(overlap_ratio);
    Ok(correlation)
}

/// An image with its missing pixels set to 0, its valid ones less their mean and over their deviation.
struct MaskedImage<F> {
    image: Array2<F>,
    mask: Array2<bool>,
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
        let valid: nonius_core::RunningStatistics = {
            let mut statistics = nonius_core::RunningStatistics::default();
            for ((y, x), &v) in image.indexed_iter() {
                if mask[[y, x]] {
                    if !v.is_finite() {
                        return Err(Error::NotFinite { what, index: vec![y, x] });
                    }
                    statistics.push(v.f64());
                }
            }
            statistics
        };
        let (mean, deviation) = (valid.mean(), valid.standard_deviation());
        let largest = valid.max().abs().max(valid.min().abs());
        let constant = valid.count() == 0 || deviation <= 8.0 * F::epsilon().f64() * largest;
        let (mean, scale) = (F::of(mean), F::of(1.0 / deviation));
        let image = Zip::from(image)
            .and(&mask)
            .map_collect(|&v, &ok| if ok && !constant { (v - mean) * scale } else { F::zero() });
        Ok(MaskedImage { image, mask, valid: valid.count() as usize, constant })
    }
}

impl<F: Real> MaskedImage<F> {
    fn single(&self) -> MaskedImage<f32> {
        MaskedImage {
            image: self.image.mapv(|v| v.f64() as f32),
            mask: self.mask.clone(),
            valid: self.valid,
            constant: self.constant,
        }
    }
}

/// Correlation coefficients for every overlap, however small.
fn correlate<F: Real>(fixed: &MaskedImage<F>, other: &MaskedImage<F>) -> Result<MaskedCorrelation<F>> {
    let (h1, w1) = fixed.image.dim();
    let (h2, w2) = other.image.dim();
    let (h, w) = (h1 + h2 - 1, w1 + w2 - 1);
    let fft = RealFft2::<F>::new((nonius_core::fast_length(h), nonius_core::fast_length(w)))?;
    let mut scratch = fft.scratch();
    let mut transform = |part: &MaskedImage<F>, power: i32| -> Result<Vec<Complex<F>>> {
        let mut spectrum = fft.spectrum();
        let (rows, columns) = part.image.dim();
        let fill = |y: usize, row: &mut [F]| {
            row.fill(F::zero());
            if y < rows {
                let pixels = part.image.row(y);
                let row = row[..columns].iter_mut();
                match power {
                    0 => row.zip(part.mask.row(y)).for_each(|(r, &ok)| *r = F::of(f64::from(u8::from(ok)))),
                    1 => row.zip(pixels).for_each(|(r, &v)| *r = v),
                    _ => row.zip(pixels).for_each(|(r, &v)| *r = v * v),
                }
            }
        };
        fft.forward_rows(fill, &mut spectrum, &mut scratch)?;
        Ok(spectrum)
    };
    let [m1, f1, q1] = [transform(fixed, 0)?, transform(fixed, 1)?, transform(fixed, 2)?];
    let [m2, f2, q2] = [transform(other, 0)?, transform(other, 1)?, transform(other, 2)?];
    let (hp, wp) = fft.shape();
    let norm = F::of(1.0 / (hp * wp) as f64);
    let mut product = fft.spectrum();
    let mut correlation = |a: &[Complex<F>], b: &[Complex<F>]| -> Result<Array2<F>> {
        for ((p, a), b) in product.iter_mut().zip(a).zip(b) {
            *p = a.conj() * b * norm;
        }
        let mut out = Array2::zeros((h, w));
        // Displacement d stands at d modulo the padded length; element i is d = i − (n₁ − 1).
        fft.inverse_rows(&mut product, &mut scratch, |y, row| {
            let i = (y + h1 - 1) % hp;
            if i < h {
                let out = out.row_mut(i).into_slice().expect("a map in C order");
                let (negative, others) = out.split_at_mut(w1 - 1);
                negative.copy_from_slice(&row[wp - (w1 - 1)..]);
                others.copy_from_slice(&row[..w2]);
            }
        })?;
        Ok(out)
    };
    let overlap = correlation(&m1, &m2)?.mapv(F::round);
    let [f1m2, m1f2] = [correlation(&f1, &m2)?, correlation(&m1, &f2)?];
    let [q1m2, m1q2, f1f2] = [correlation(&q1, &m2)?, correlation(&m1, &q2)?, correlation(&f1, &f2)?];
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
    Ok(MaskedCorrelation { map, overlap, reference_shape: (h1, w1) })
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
    // Single precision finds the pixel.
    let mut correlation = correlate(&fixed.single(), &other.single())?;
    let best_of_all = correlation.best_likelihood();
    correlation.limit(params.overlap_ratio);
    let peaks = stand_out(&correlation);
    let Some(&first) = peaks.first() else { return Ok(Registration::undetermined(0)) };
    // A smaller overlap than was allowed explains the images better.
    let limited = best_of_all > 1.05 * correlation.best_likelihood();
    let mut result = refine(&fixed, &other, &correlation, first, params)?;
    if let Some(second) = peaks.get(1) {
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

/// A local maximum of the correlation coefficient.
#[derive(Debug, Clone, Copy)]
struct Peak {
    index: (usize, usize),
    lag: [isize; 2],
    value: f64,
    /// `−n ln(1 − ρ²)`.
    likelihood: f64,
}

/// The largest local maxima, at most two; the first of equal ones first.
fn stand_out<F: Real>(correlation: &MaskedCorrelation<F>) -> Vec<Peak> {
    let map = &correlation.map;
    let (h, w) = map.dim();
    let best = map.fold(F::zero(), |a, &b| a.max(b));
    let mut found: Vec<Peak> = Vec::new();
    for ((y, x), &v) in map.indexed_iter().filter(|(_, v)| **v > F::zero() && **v >= best * F::of(0.5)) {
        let rows = y.saturating_sub(1)..(y + 2).min(h);
        let columns = x.saturating_sub(1)..(x + 2).min(w);
        if map.slice(ndarray::s![rows, columns]).iter().all(|&other| other <= v) {
            let likelihood = likelihood(v.f64(), correlation.overlap[[y, x]].f64());
            let peak = Peak { index: (y, x), lag: correlation.lag((y, x)), value: v.f64(), likelihood };
            let at = found.iter().position(|p| peak.value > p.value).unwrap_or(found.len());
            found.insert(at, peak);
            found.truncate(2);
        }
    }
    found
}

fn likelihood(rho: f64, n: f64) -> f64 {
    -n * (1.0 - (rho * rho).min(1.0 - 1e-12)).ln()
}

/// Sub-pixel refinement of a whole-pixel peak.
fn refine<F: Real>(
    fixed: &MaskedImage<F>,
    other: &MaskedImage<F>,
    correlation: &MaskedCorrelation<f32>,
    peak: Peak,
    params: &MaskedParams,
) -> Result<Registration> {
    let start = peak.lag.map(|d| d as f64);
    let mut result = match least_squares(fixed, other, start, peak, params)? {
        Some(result) => result,
        None => taylor(correlation, peak),
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

/// Least squares over pixels valid in both, whichever image has more places to interpolate interpolated.
fn least_squares<F: Real>(
    fixed: &MaskedImage<F>,
    other: &MaskedImage<F>,
    start: [f64; 2],
    peak: Peak,
    params: &MaskedParams,
) -> Result<Option<Registration>> {
    // Places that need no missing pixel, for the whole reach of the interpolation or less.
    let taps = params.degree.taps();
    for (reach, degree) in [(taps / 2 + 3, params.degree), (3, SplineDegree::Cubic)] {
        let places = [fixed, other].map(|part| trusted_places(part.mask.view(), reach));
        let counts = [0, 1].map(|i| places[i].iter().filter(|&&ok| ok).count());
        let rough = |part: &MaskedImage<F>, place: &Array2<bool>| roughness(part, place);
        let swapped = match counts[0].cmp(&counts[1]) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Greater => false,
            std::cmp::Ordering::Equal => rough(fixed, &places[0]) < rough(other, &places[1]),
        };
        let [still, still_places, moved] =
            if swapped { [(other, 1), (other, 1), (fixed, 0)] } else { [(fixed, 0), (fixed, 0), (other, 1)] };
        if counts[still_places.1] * 4 < still.0.valid {
            continue;
        }
        let spline = SplineImage::new(filled(still.0)?.view(), degree)?;
        let weights = moved.0.mask.mapv(|ok| if ok { F::one() } else { F::zero() });
        let templates = Templates::plain(filled(moved.0)?.view());
        let problem = OverlapProblem {
            reference: &spline,
            moving: moved.0.image.view(),
            slopes: Some(templates.slopes.each_ref().map(Array2::view)),
            weights: Some(weights.view()),
            trusted: Some(places[still_places.1].view()),
            nuisance: NUISANCE,
            moving_noise: 0.0,
        };
        let towards = if swapped { -1.0 } else { 1.0 };
        let fit = problem.fit(start.map(|d| towards * d), &mut OverlapScratch::default())?;
        let near = |fit: &OverlapFit| (0..2).all(|a| (towards * fit.shift[a] - start[a]).abs() < 2.0);
        if let Some(fit) = fit.filter(near) {
            let covariance =
                crate::overlap::covariance(&problem, &fit, &templates, &mut OverlapScratch::default()).matrix;
            return Ok(Some(Registration {
                shift: fit.shift.map(|d| towards * d),
                covariance,
                score: peak.value.max(fit.correlation),
                overlap: fit.count,
                status: if fit.converged { Status::Converged } else { Status::Ambiguous },
                runner_up: None,
            }));
        }
    }
    Ok(None)
}

/// The correlation map's own maximum, where nothing can be interpolated. With n pixels χ² is about
/// n (1 − ρ)/(1 − ρ_max) times 2, which gives the covariance from the map's curvature.
fn taylor(correlation: &MaskedCorrelation<f32>, peak: Peak) -> Registration {
    let (y, x) = peak.index;
    let (h, w) = correlation.map.dim();
    let n = correlation.overlap[[y, x]].f64();
    let mut result = Registration {
        shift: peak.lag.map(|d| d as f64),
        covariance: [[1.0 / 12.0, 0.0], [0.0, 1.0 / 12.0]],
        score: peak.value,
        overlap: n as usize,
        status: Status::AtSearchLimit,
        runner_up: None,
    };
    if (1..h - 1).contains(&y) && (1..w - 1).contains(&x) {
        let patch: [[f32; 3]; 3] =
            std::array::from_fn(|i| std::array::from_fn(|j| correlation.map[[y + i - 1, x + j - 1]]));
        let f = patch.map(|row| row.map(f64::from));
        let mixed = 0.25 * (f[2][2] + f[0][0] - f[2][0] - f[0][2]);
        let curvature =
            [[2.0 * f[1][1] - f[0][1] - f[2][1], -mixed], [-mixed, 2.0 * f[1][1] - f[1][0] - f[1][2]]];
        if let Some(inverse) = invert_symmetric(curvature) {
            let noise = (1.0 - peak.value).max(f64::EPSILON) / n.max(1.0);
            result.covariance = inverse.map(|row| row.map(|v| v * noise));
        }
        if let Some(offset) = taylor_peak(&patch).filter(|o| o.iter().all(|v| v.abs() <= 1.0)) {
            result.shift = [result.shift[0] + offset[0], result.shift[1] + offset[1]];
            result.status = Status::Converged;
        }
    }
    result
}

/// The image with smooth values where it has none, so that interpolation beside a gap rings little.
fn filled<F: Real>(part: &MaskedImage<F>) -> Result<Array2<F>> {
    if part.mask.iter().all(|&ok| ok) {
        return Ok(part.image.clone());
    }
    let weights = part.mask.mapv(|ok| if ok { F::one() } else { F::zero() });
    let smooth = gaussian_filter(part.image.view(), 2.0, Border::Mirror)?;
    let norm = gaussian_filter(weights.view(), 2.0, Border::Mirror)?;
    let mut out = part.image.clone();
    Zip::from(&mut out).and(&part.mask).and(&smooth).and(&norm).for_each(|o, &ok, &s, &n| {
        if !ok && n > F::of(1e-3) {
            *o = s / n;
        }
    });
    Ok(out)
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
