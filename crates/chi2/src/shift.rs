//! The displacement at least χ², and its errors.

use nonius_core::{Real, Result, RunnerUp, Status};
use serde::{Deserialize, Serialize};

use crate::image::{Chi2Image, Region};
use crate::levels::delta_chi2;
use crate::params::Chi2Params;
use crate::plan::Chi2Plan;

/// What χ² says of the displacement between two images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chi2Shift {
    /// Displacement `(y, x)` px of the moving image's content, `moving[r] = gain · reference[r − shift] +
    /// offset`. NaN if undetermined.
    pub shift: [f64; 2],
    /// Covariance `(y, x)` px² of the shift.
    pub covariance: [[f64; 2]; 2],
    /// Distances `[below, above]` px to the limits along y and x, at the σ and for the region that were asked
    /// for.
    pub errors: [[f64; 2]; 2],
    /// Least χ².
    pub chi2: f64,
    /// Pixels compared less parameters fitted.
    pub degrees_of_freedom: f64,
    /// Factor on the reference; 1 unless fitted.
    pub gain: f64,
    /// Constant added to it; 0 unless fitted.
    pub offset: f64,
    /// Pixels compared.
    pub overlap: usize,
    /// How far to believe it.
    pub status: Status,
    /// Other minima of χ², with how much higher they are, least first.
    pub competing: Vec<RunnerUp>,
    /// The noise was not given: errors were scaled by the residuals, as if they were all noise.
    pub scaled_by_residuals: bool,
    /// Neighbouring residuals are visibly alike: errors that take noise for white are too small or too large,
    /// unless [`Chi2Params::correlated_noise`] was asked for. In whitened periodic frames: the spectrum is not that
    /// of the noise.
    pub correlated: bool,
}

impl Chi2Shift {
    /// χ² per degree of freedom; NaN if there is none.
    pub fn reduced_chi2(&self) -> f64 {
        if self.degrees_of_freedom > 0.0 { self.chi2 / self.degrees_of_freedom } else { f64::NAN }
    }

    /// Standard errors `(y, x)` px: roots of the diagonal of the covariance.
    pub fn standard_errors(&self) -> [f64; 2] {
        [self.covariance[0][0].sqrt(), self.covariance[1][1].sqrt()]
    }

    pub(crate) fn undetermined() -> Self {
        Chi2Shift {
            shift: [f64::NAN; 2],
            covariance: [[f64::NAN; 2]; 2],
            errors: [[f64::NAN; 2]; 2],
            chi2: f64::NAN,
            degrees_of_freedom: f64::NAN,
            gain: f64::NAN,
            offset: f64::NAN,
            overlap: 0,
            status: Status::Undetermined,
            competing: Vec::new(),
            scaled_by_residuals: false,
            correlated: false,
        }
    }
}

/// The displacement of `moving` against `reference` at least
///
/// ```text
/// χ²(d) = Σ_r (moving[r] − gain · reference[r − d] − offset)² / σ²[r]
/// ```
///
/// with its covariance. σ is that of the moving image, to whose variance that of the reference is added if
/// it is given; the reference is the model. In frames that do not wrap (the default) only places that both
/// images show are compared, the reference interpolated by splines; in periodic ones χ² is the exact
/// trigonometric polynomial. Gauss–Newton or Newton from the whole-pixel minimum; no grid. Of many pairs of
/// one shape a [`Chi2Plan`] is quicker.
///
/// Images that fix no displacement (constant, all hidden) are no error but have the status
/// [`Undetermined`](Status::Undetermined).
///
/// # Errors
/// [`Error::Shape`](nonius_core::Error::Shape) for masks or σ of another shape than their image and for
/// periodic images of different shapes; [`Error::Parameter`](nonius_core::Error::Parameter) for a σ of a
/// valid pixel that is 0, negative or NaN, and for a mask on a periodic reference, whose missing places
/// would move; also for a whitening that cannot be ([`CorrelatedNoise::Whiten`](crate::CorrelatedNoise::Whiten));
/// [`Error::NotFinite`](nonius_core::Error::NotFinite), [`Error::Empty`](nonius_core::Error::Empty).
///
/// ```
/// use nonius_chi2::{Chi2Image, Chi2Params, chi2_shift};
/// use nonius_synthetic::ImagePairParams;
///
/// let pair = ImagePairParams::scene_c([1.37, -2.62], 0.1, 7).generate()?;
/// let moving = Chi2Image::new(pair.moving.view()).with_sigma(0.1);
/// let found = chi2_shift(&Chi2Image::new(pair.reference.view()), &moving, &Chi2Params::default())?;
/// for axis in 0..2 {
///     let error = found.shift[axis] - pair.truth.shift[axis];
///     assert!(error.abs() < 4.0 * found.standard_errors()[axis]);
/// }
/// assert!((found.reduced_chi2() - 1.0).abs() < 0.1);
/// # Ok::<(), nonius_core::Error>(())
/// ```
pub fn chi2_shift<F: Real>(
    reference: &Chi2Image<'_, F>,
    moving: &Chi2Image<'_, F>,
    params: &Chi2Params,
) -> Result<Chi2Shift> {
    Chi2Plan::new(reference.image.dim(), *params)?.shift(reference, moving)
}

/// How far the minimum at `shift` can be believed, given the others with how much higher they are, and those
/// of them that compete.
pub(crate) fn judged(
    shift: [f64; 2],
    converged: bool,
    others: impl Iterator<Item = ([f64; 2], f64)>,
    params: &Chi2Params,
) -> (Status, Vec<RunnerUp>) {
    let competing: Vec<RunnerUp> = others
        .map(|(shift, delta_chi2)| RunnerUp { shift, delta_chi2 })
        .filter(|other| other.delta_chi2 < params.competing)
        .collect();
    let at_limit = params.max_shift.is_some_and(|limit| shift.iter().any(|d| d.abs() > limit - 0.5));
    let status = match () {
        _ if at_limit => Status::AtSearchLimit,
        _ if !competing.is_empty() || !converged => Status::Ambiguous,
        _ => Status::Converged,
    };
    (status, competing)
}

/// By how much χ² rises to the limits that were asked for, in units of the residuals' variance `scale`.
pub(crate) fn level(params: &Chi2Params, scale: f64) -> Result<f64> {
    let n_parameters = match params.region {
        Region::Marginal => 1,
        Region::Joint => 2,
    };
    Ok(scale * delta_chi2(params.n_sigma, n_parameters)?)
}

/// Where χ² along one axis, the least over the other one, has risen by `level` on either side.
///
/// `chi2(d)` is None where it cannot be had; the limit then is what the covariance says.
pub(crate) fn profile_limits(
    shift: [f64; 2],
    covariance: [[f64; 2]; 2],
    level: f64,
    mut chi2: impl FnMut([f64; 2]) -> Option<f64>,
) -> [[f64; 2]; 2] {
    let least = chi2(shift);
    std::array::from_fn(|axis| {
        [-1.0, 1.0].map(|sign| {
            let straight = (level * covariance[axis][axis]).sqrt();
            let mut reach = straight;
            for _ in 0..8 {
                let risen = least.and_then(|least| {
                    Some(least_over_other(shift, covariance, axis, sign * reach, &mut chi2)? - least)
                });
                match risen {
                    Some(risen) if risen > 0.0 => {
                        let step = (level / risen).sqrt().clamp(0.5, 2.0);
                        reach *= step;
                        if (step - 1.0).abs() < 1e-3 {
                            break;
                        }
                    }
                    _ => return straight,
                }
            }
            reach
        })
    })
}

/// χ² at `shift + along` on one axis, least over the other: a parabola through three places.
fn least_over_other(
    shift: [f64; 2],
    covariance: [[f64; 2]; 2],
    axis: usize,
    along: f64,
    chi2: &mut impl FnMut([f64; 2]) -> Option<f64>,
) -> Option<f64> {
    let other = 1 - axis;
    let mut at = shift;
    at[axis] += along;
    at[other] += along * covariance[0][1] / covariance[axis][axis];
    let free = covariance[other][other] - covariance[0][1].powi(2) / covariance[axis][axis];
    let step = 0.3 * free.max(0.0).sqrt();
    let here = chi2(at)?;
    if step == 0.0 {
        return Some(here);
    }
    let mut beside = [at, at];
    beside[0][other] -= step;
    beside[1][other] += step;
    let [before, after] = [chi2(beside[0])?, chi2(beside[1])?];
    let (slope, bend) = (0.5 * (after - before), after - 2.0 * here + before);
    Some(if bend > 0.0 { here - 0.5 * slope * slope / bend } else { here })
}
