//! Displacements of periodic volumes.

use nalgebra::{Matrix3, Vector3};
use ndarray::{Array2, Array3, ArrayD, ArrayView2, ArrayView3, Ix3, s};
use nonius_core::{
    Error, FftNd, Frame, Moments, Real, Result, Status, check_finite, check_not_empty, check_shape,
    wrapped_lag,
};
use num_complex::Complex;

use crate::cross_nd::{CrossNd, omega, refined_lag};
use crate::element::complex_of_real;
use crate::nd::NdRegistration;
use crate::params::{Method, Refinement, RegistrationParams, Weighting};
use crate::polynomial3::{Maximum3, Polynomial3, multiplicity, waves};

/// How many local maxima are refined and compared, at most.
const CANDIDATES: usize = 4;

/// What [`RegistrationParams`] offer beyond this is for images.
fn validate(params: &RegistrationParams) -> Result<()> {
    params.validate()?;
    let for_images = [
        (params.frame != Frame::Periodic, "frame", "periodic for arrays of three axes", "overlap"),
        (params.disambiguate, "disambiguate", "false for arrays of three axes", "true"),
        (
            params.weighting == Weighting::Coherence,
            "weighting",
            "auto or plain for arrays of three axes",
            "coherence",
        ),
    ];
    match for_images.into_iter().find(|(given, ..)| *given) {
        Some((_, name, must_be, got)) => Err(Error::parameter(name, must_be, got)),
        None => Ok(()),
    }
}

pub(crate) fn register<F: Real>(
    reference: ArrayView3<'_, F>,
    moving: ArrayView3<'_, F>,
    params: &RegistrationParams,
) -> Result<NdRegistration> {
    validate(params)?;
    check_not_empty("reference", reference.shape())?;
    check_shape("moving", reference.shape(), moving.shape())?;
    let n = reference.len();
    let (Some(f), Some(g)) =
        (standardised("reference", reference, params)?, standardised("moving", moving, params)?)
    else {
        return Ok(NdRegistration::undetermined(3, n));
    };
    // The displacement itself, not its negative, is where conj(F)·G has its maximum.
    let mut cross = CrossNd::new(complex_of_real(g.view()), complex_of_real(f.view()), false)?;
    if !cross.determined {
        return Ok(NdRegistration::undetermined(3, n));
    }
    cross.values[[0, 0, 0]] = Complex::new(F::zero(), F::zero());
    let searched = match params.method {
        Method::Cross => cross.values.clone(),
        Method::Phase => cross.whitened(),
    };
    let pair = Pair {
        plain: with_three_axes(cross.values),
        searched: with_three_axes(searched),
        structure: cross.structure,
        params,
    };
    Ok(pair.register()?.unwrap_or_else(|| NdRegistration::undetermined(3, n)))
}

/// `(volume − mean) / deviation · window`; None if the volume is constant.
fn standardised<F: Real>(
    what: &'static str,
    volume: ArrayView3<'_, F>,
    params: &RegistrationParams,
) -> Result<Option<Array3<F>>> {
    let (n0, n1, n2) = volume.dim();
    let mut out = volume.as_standard_layout().into_owned();
    let rows = ArrayView2::from_shape((n0 * n1, n2), out.as_slice().expect("standard layout"));
    let moments = match Moments::of(what, rows.expect("as many rows")) {
        // With the place in the volume rather than among its rows.
        Err(Error::NotFinite { .. }) => return Err(check_finite(what, volume).expect_err("NaN was met")),
        moments => moments?,
    };
    if moments.is_constant() {
        return Ok(None);
    }
    let (mean, scale) = (F::of(moments.mean), F::of(1.0 / moments.deviation));
    let [w0, w1, w2] = [n0, n1, n2].map(|n| params.window.samples::<F>(n));
    for ((i, j, k), v) in out.indexed_iter_mut() {
        *v = (*v - mean) * scale * (w0[i] * w1[j] * w2[k]);
    }
    Ok(Some(out))
}

fn with_three_axes<F: Real>(spectrum: ArrayD<Complex<F>>) -> Array3<Complex<F>> {
    let spectrum = spectrum.into_dimensionality::<Ix3>().expect("three axes");
    // Rows contiguous, whatever the layout of the volumes was.
    if spectrum.is_standard_layout() { spectrum } else { spectrum.as_standard_layout().into_owned() }
}

/// Two volumes, as their cross-spectrum `conj(F)·G` without its mean.
struct Pair<'a, F> {
    plain: Array3<Complex<F>>,
    /// What is maximised: the plain cross-spectrum or the one of modulus 1.
    searched: Array3<Complex<F>>,
    /// Σ|F|² · Σ|G|² without the means.
    structure: f64,
    params: &'a RegistrationParams,
}

impl<F: Real> Pair<'_, F> {
    fn register(&self) -> Result<Option<NdRegistration>> {
        let n = self.plain.len();
        let (sign, lags) = self.search()?;
        let mut tops = Vec::new();
        for lag in lags {
            tops.push(self.refine(lag, sign)?);
        }
        tops.sort_by(|a: &Maximum3, b| b.value.total_cmp(&a.value));
        let Some(&best) = tops.first() else { return Ok(None) };
        let shift = best.position;
        let Some(mut covariance) = self.covariance(shift, sign) else { return Ok(None) };
        let step = match self.params.refinement {
            Refinement::Continuous => 0.0,
            Refinement::Upsampled { factor } => 1.0 / factor,
            Refinement::WholePixel => 1.0,
        };
        for axis in (0..3).filter(|&axis| self.plain.shape()[axis] > 1) {
            covariance[(axis, axis)] += step * step / 12.0;
        }
        let score = Polynomial3 { spectrum: &self.plain }.evaluate(shift).value / self.structure.sqrt();
        // χ² above the best one's, in units of the residual variance.
        let noise = (1.0 - score * score).max(f64::MIN_POSITIVE);
        let delta_chi2 =
            |other: &Maximum3| score * score * (1.0 - (other.value / best.value).powi(2)) * n as f64 / noise;
        let elsewhere = |other: &&Maximum3| (0..3).any(|a| (other.position[a] - shift[a]).abs() >= 0.5);
        let rivalled = tops.iter().filter(elsewhere).any(|other| delta_chi2(other) < self.params.ambiguity);
        let at_limit = |limit: f64| shift.iter().any(|d| d.abs() > limit - 0.5);
        let status = match () {
            _ if self.params.max_shift.is_some_and(at_limit) => Status::AtSearchLimit,
            _ if rivalled || !best.converged => Status::Ambiguous,
            _ => Status::Converged,
        };
        Ok(Some(NdRegistration {
            shift: shift.to_vec(),
            covariance: Array2::from_shape_fn((3, 3), |at| covariance[at]),
            score,
            overlap: n,
            status,
        }))
    }

    /// The sign under which |correlation| is largest and the largest whole-pixel maxima of sign ·
    /// correlation, largest first, the first in reading order on ties.
    fn search(&self) -> Result<(f64, Vec<[usize; 3]>)> {
        let mut map = self.searched.clone();
        FftNd::new(map.shape())?.inverse(map.view_mut())?;
        let (n0, n1, n2) = map.dim();
        let allowed = |at: [usize; 3]| {
            let far = |limit: f64| lag_of(at, [n0, n1, n2]).iter().any(|d| d.abs() > limit);
            !self.params.max_shift.is_some_and(far)
        };
        let (mut high, mut low) = (F::neg_infinity(), F::infinity());
        for ((i, j, k), z) in map.indexed_iter() {
            if allowed([i, j, k]) {
                high = high.max(z.re);
                low = low.min(z.re);
            }
        }
        let sign = if -low > high { -F::one() } else { F::one() };
        let top = high.max(-low);
        let mut found: Vec<([usize; 3], F)> = Vec::new();
        // A peak between eight pixels of a texture shows them no less than (2/π)³ of its height.
        let threshold = top * F::of(0.25);
        for ((i, j, k), z) in map.indexed_iter() {
            let (at, v) = ([i, j, k], sign * z.re);
            if v >= threshold && allowed(at) && is_top(&map, at, sign) {
                let place = found.iter().position(|other| v > other.1).unwrap_or(found.len());
                found.insert(place, (at, v));
                found.truncate(CANDIDATES);
            }
        }
        Ok((sign.f64(), found.into_iter().map(|(at, _)| at).collect()))
    }

    fn refine(&self, at: [usize; 3], sign: f64) -> Result<Maximum3> {
        let (n0, n1, n2) = self.searched.dim();
        let lag = lag_of(at, [n0, n1, n2]);
        let polynomial = Polynomial3 { spectrum: &self.searched };
        let standing = |position: [f64; 3], converged| Maximum3 {
            position,
            value: sign * polynomial.evaluate(position).value,
            converged,
        };
        Ok(match self.params.refinement {
            Refinement::WholePixel => standing(lag, true),
            Refinement::Upsampled { factor } => {
                let fine = refined_lag(&self.searched.clone().into_dyn(), &lag, factor)?;
                standing([fine[0], fine[1], fine[2]], true)
            }
            Refinement::Continuous => {
                let top = polynomial.maximum(lag, sign);
                if top.converged { top } else { standing(lag, false) }
            }
        })
    }

    /// Covariance of the maximum at `shift`, px²: `H⁻¹ M H⁻¹` with
    ///
    /// ```text
    /// H = Σ_k ω ωᵀ Re Y_k,   M = 2 Σ_k ω ωᵀ (Im Y_k)²,   Y_k = X_k exp(iω·d)
    /// ```
    ///
    /// Where the volumes agree Y is real and positive; what is imaginary is noise of either, at the
    /// strength it has at that frequency. None if H is not definite.
    fn covariance(&self, shift: [f64; 3], sign: f64) -> Option<Matrix3<f64>> {
        let (n0, n1, n2) = self.searched.dim();
        let [e0, e1, e2] = [waves(n0, shift[0]), waves(n1, shift[1]), waves(n2, shift[2])];
        let (mut curvature, mut scatter) = (Matrix3::zeros(), Matrix3::zeros());
        for ((i, j, k), x) in self.searched.slice(s![.., .., ..n2 / 2 + 1]).indexed_iter() {
            let w = Vector3::new(omega(i, n0), omega(j, n1), omega(k, n2));
            let y = Complex::new(x.re.f64(), x.im.f64()) * e0[i][0] * e1[j][0] * e2[k][0];
            let mut products = w * w.transpose() * multiplicity(k, n2);
            // A Nyquist term stands for both signs: its mixed products cancel.
            for (axis, _) in [(i, n0), (j, n1), (k, n2)].iter().enumerate().filter(|(_, (k, n))| 2 * k == *n)
            {
                for other in (0..3).filter(|&other| other != axis) {
                    products[(axis, other)] = 0.0;
                    products[(other, axis)] = 0.0;
                }
            }
            curvature += products * (sign * y.re);
            scatter += products * (2.0 * y.im * y.im);
        }
        // An axis of one pixel is known: variance 0.
        for axis in (0..3).filter(|&axis| self.searched.shape()[axis] == 1) {
            curvature[(axis, axis)] = 1.0;
        }
        let inverse = curvature.cholesky()?.inverse();
        let covariance = inverse * scatter * inverse;
        covariance.iter().all(|v| v.is_finite()).then_some(covariance)
    }
}

fn lag_of(at: [usize; 3], shape: [usize; 3]) -> [f64; 3] {
    std::array::from_fn(|axis| wrapped_lag(at[axis], shape[axis]) as f64)
}

/// No neighbour is larger, and of equal ones the first in reading order counts.
fn is_top<F: Real>(map: &Array3<Complex<F>>, at: [usize; 3], sign: F) -> bool {
    let v = sign * map[at].re;
    let (n0, n1, n2) = map.dim();
    let near = |axis: usize, n: usize, step: usize| (at[axis] + n + step - 1) % n;
    (0..27).filter(|&i| i != 13).all(|i| {
        let other = [near(0, n0, i / 9), near(1, n1, i / 3 % 3), near(2, n2, i % 3)];
        let value = sign * map[other].re;
        value < v || (value == v && at <= other)
    })
}
