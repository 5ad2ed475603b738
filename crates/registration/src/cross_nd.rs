//! The cross-spectrum of two arrays with any number of axes.

use nalgebra::DMatrix;
use ndarray::{Array, ArrayD, Dimension, IxDyn};
use nonius_core::{
    Error, FftNd, Real, Result, check_not_empty, check_shape, frequency, upsampled_dft, wrapped_lag,
};
use num_complex::Complex;

use crate::element::largest_part;

/// `X = F·conj(G)`, scaled so that neither tiny nor huge images leave the range of numbers.
///
/// Its inverse transform has its maximum at *minus* the displacement of G's content.
#[derive(Debug, Clone)]
pub(crate) struct CrossNd<F> {
    pub(crate) values: ArrayD<Complex<F>>,
    /// Σ|F|² · Σ|G|².
    pub(crate) power: f64,
    /// The same without the means (zero frequencies).
    pub(crate) structure: f64,
    /// Both arrays have structure along every axis, and in common.
    pub(crate) determined: bool,
}

/// More points than this in a refinement window are refused: 1 GiB in double precision.
const MOST_POINTS: usize = 1 << 26;

impl<F: Real> CrossNd<F> {
    /// From two arrays of one shape, or (`transformed`) from their transforms.
    pub(crate) fn new(
        reference: ArrayD<Complex<F>>,
        moving: ArrayD<Complex<F>>,
        transformed: bool,
    ) -> Result<Self> {
        check_not_empty("reference", reference.shape())?;
        check_shape("moving", reference.shape(), moving.shape())?;
        let mut values = spectrum("reference", reference, transformed)?;
        let other = spectrum("moving", moving, transformed)?;
        let powers = [&values, &other].map(power_and_structure);
        values.zip_mut_with(&other, |f, g| *f *= g.conj());
        let [(power, structure), (other_power, other_structure)] = powers;
        let (power, structure) = (power * other_power, structure * other_structure);
        let mut cross = CrossNd { values, power, structure, determined: false };
        let flat = 8.0 * F::epsilon().f64();
        cross.determined = powers.iter().all(|(power, structure)| *structure > flat * flat * power)
            && cross.is_structured(structure.sqrt());
        Ok(cross)
    }

    /// Whether `Σ ω ωᵀ |X|` is definite beyond rounding; `scale` is the most that Σ|X| could be.
    fn is_structured(&self, scale: f64) -> bool {
        let shape = self.values.shape();
        let free: Vec<usize> = (0..shape.len()).filter(|&axis| shape[axis] > 1).collect();
        let mut information = DMatrix::<f64>::zeros(free.len(), free.len());
        for (k, x) in self.values.indexed_iter() {
            let modulus = x.norm_sqr().f64().sqrt() / scale;
            for (i, &a) in free.iter().enumerate() {
                for (j, &b) in free.iter().enumerate() {
                    // A Nyquist term stands for both signs: its mixed products cancel.
                    if i == j || (2 * k[a] != shape[a] && 2 * k[b] != shape[b]) {
                        information[(i, j)] += omega(k[a], shape[a]) * omega(k[b], shape[b]) * modulus;
                    }
                }
            }
        }
        let least = information.symmetric_eigenvalues().iter().copied().fold(f64::INFINITY, f64::min);
        least.is_finite() && least > (1000.0 * F::epsilon().f64()).powi(2)
    }

    /// Brings every element to modulus 1, but for those that are rounding beside the strongest one.
    pub(crate) fn whitened(&self) -> ArrayD<Complex<F>> {
        let strongest = self.values.iter().fold(F::zero(), |m, x| m.max(x.norm_sqr())).sqrt();
        let floor = strongest * F::epsilon() * F::of(16.0);
        self.values.mapv(|x| x / x.norm_sqr().sqrt().max(floor))
    }

    /// The unnormalised correlation `Σ_k X_k exp(2πi k·lag/n)`.
    pub(crate) fn at(&self, lag: &[f64]) -> Result<Complex<F>> {
        let offset: Vec<f64> = lag.iter().map(|d| -d).collect();
        let one = vec![1; lag.len()];
        Ok(upsampled_dft(self.values.mapv(|x| x.conj()).view(), 1.0, &one, &offset)?.sum().conj())
    }
}

/// The transform of an array brought to a largest part of 1 (zeros if it is zero).
fn spectrum<F: Real>(
    what: &'static str,
    mut array: ArrayD<Complex<F>>,
    transformed: bool,
) -> Result<ArrayD<Complex<F>>> {
    let largest = largest_part(what, array.view())?;
    if largest > F::zero() {
        array.mapv_inplace(|z| z / largest);
    }
    if !transformed {
        FftNd::new(array.shape())?.forward(array.view_mut())?;
    }
    Ok(array)
}

/// Σ|F|² with and without the mean.
fn power_and_structure<F: Real>(spectrum: &ArrayD<Complex<F>>) -> (f64, f64) {
    let mut powers = spectrum.iter().map(|z| z.re.f64().powi(2) + z.im.f64().powi(2));
    let mean = powers.next().unwrap_or(0.0);
    let structure: f64 = powers.sum();
    (mean + structure, structure)
}

/// Angular frequency of element `k`, rad/px.
pub(crate) fn omega(k: usize, n: usize) -> f64 {
    std::f64::consts::TAU * frequency(k, n) as f64 / n as f64
}

/// The inverse transform of `cross`, unnormalised: the correlation by displacement, wrapped.
///
/// With `doubled` the spectrum is embedded in one of twice the lengths, and steps are half pixels.
pub(crate) fn correlation_map<F: Real>(
    cross: &ArrayD<Complex<F>>,
    doubled: bool,
) -> Result<ArrayD<Complex<F>>> {
    let mut map = cross.clone();
    if doubled {
        let shape: Vec<usize> = cross.shape().iter().map(|n| 2 * n).collect();
        map = Array::zeros(IxDyn(&shape));
        for (k, &x) in cross.indexed_iter() {
            let place = |axis: usize| {
                frequency(k[axis], cross.shape()[axis]).rem_euclid(shape[axis] as isize) as usize
            };
            map[IxDyn(&(0..shape.len()).map(place).collect::<Vec<_>>())] = x;
        }
    }
    FftNd::new(map.shape())?.inverse(map.view_mut())?;
    Ok(map)
}

/// Displacement with the largest |inverse transform| of `cross`, the first of equal ones, none of its
/// components beyond `limit`; in whole pixels or, `doubled`, in half pixels.
pub(crate) fn largest_lag<F: Real>(
    cross: &ArrayD<Complex<F>>,
    doubled: bool,
    limit: Option<f64>,
) -> Result<Vec<f64>> {
    let map = correlation_map(cross, doubled)?;
    let lags = |place: &[usize]| -> Vec<f64> {
        let scale = if doubled { 0.5 } else { 1.0 };
        place.iter().zip(map.shape()).map(|(&i, &n)| scale * wrapped_lag(i, n) as f64).collect()
    };
    let allowed = |place: &[usize]| limit.is_none_or(|limit| lags(place).iter().all(|d| d.abs() <= limit));
    Ok(lags(&first_largest(&map, |z| z.norm_sqr(), allowed)))
}

/// The largest |inverse transform| on a grid of `factor` points per pixel over ⌈1.5 factor⌉ points per axis
/// about `coarse`, the first of equal ones.
///
/// # Source
/// Guizar-Sicairos, Thurman, Fienup 2008; the window is placed as scikit-image places it.
pub(crate) fn refined_lag<F: Real>(
    cross: &ArrayD<Complex<F>>,
    coarse: &[f64],
    factor: f64,
) -> Result<Vec<f64>> {
    let points = (1.5 * factor).ceil();
    let middle = (0.5 * points).trunc();
    let shape = cross.shape();
    let region: Vec<usize> = shape.iter().map(|&n| if n == 1 { 1 } else { points as usize }).collect();
    let largest = region.iter().zip(shape).try_fold(1_usize, |p, (&r, &n)| p.checked_mul(r.max(n)));
    if largest.is_none_or(|l| l > MOST_POINTS.max(cross.len())) {
        let must_be = "small enough for a refinement window of 2^26 points; refine continuously instead";
        return Err(Error::parameter("upsample_factor", must_be, factor));
    }
    let start: Vec<f64> = coarse.iter().map(|d| (d * factor).round_ties_even() / factor).collect();
    let along = |axis: usize| if shape[axis] == 1 { 0.0 } else { middle - start[axis] * factor };
    let offset: Vec<f64> = (0..shape.len()).map(along).collect();
    let fine = upsampled_dft(cross.mapv(|x| x.conj()).view(), factor, &region, &offset)?;
    let place = first_largest(&fine, |z| z.norm_sqr(), |_| true);
    let lag = |axis: usize| {
        if shape[axis] == 1 { 0.0 } else { start[axis] + (place[axis] as f64 - middle) / factor }
    };
    Ok((0..shape.len()).map(lag).collect())
}

/// Where the height of `map` is largest among the places that are allowed, the first of equal ones.
pub(crate) fn first_largest<F: Real>(
    map: &ArrayD<Complex<F>>,
    height: impl Fn(Complex<F>) -> F,
    allowed: impl Fn(&[usize]) -> bool,
) -> Vec<usize> {
    let mut best = (vec![0; map.ndim()], F::neg_infinity());
    for (place, &z) in map.indexed_iter() {
        let height = height(z);
        if height > best.1 && allowed(Dimension::slice(&place)) {
            best = (Dimension::slice(&place).to_vec(), height);
        }
    }
    best.0
}
