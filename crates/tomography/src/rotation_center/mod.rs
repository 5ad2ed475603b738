//! Where the axis of rotation stands in the images of a series about one axis.

mod entropy;
mod mirror;
mod sinusoid;
mod wedge;

use std::f64::consts::PI;

use ndarray::{Array2, ArrayView3, Axis};
use nonius_core::{Error, Real, Result, check_finite, check_not_empty, check_shape};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::alignment::Footprint;

/// Less than this part of the largest value at an end of a row is the tail of a sample in view.
const TRACE: f64 = 1e-3;

/// How the centre is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CenterMethod {
    /// The constant of the sinusoid that the centre of mass follows. Needs the whole sample in view; the most exact
    /// then.
    Sinusoid,
    /// Images half a turn apart are mirror images of each other about the centre. Needs such pairs.
    MirrorPairs,
    /// The sinogram and its mirror image, moved to where they make a full turn without a seam: N. T. Vo and others,
    /// Opt. Express 22, 19078 (2014). Needs angles in equal steps over half a turn or more, and the whole sample in
    /// view.
    DoubleWedge,
    /// The reconstruction whose grey values have the least entropy: T. Donath and others, J. Opt. Soc. Am. A 23, 1048
    /// (2006). A sharp sample is sharpest there. The least exact; looks for a minimum near the others'.
    Entropy,
}

/// Parameters of [`rotation_center`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RotationCenterParams {
    /// Which estimators are asked, at least one. Default: all four.
    pub methods: Vec<CenterMethod>,
    /// Largest distance px of the centre from the middle column, above 0. Default: two fifths of the width.
    pub max_distance: Option<f64>,
}

impl Default for RotationCenterParams {
    fn default() -> Self {
        use CenterMethod::*;
        RotationCenterParams {
            methods: vec![Sinusoid, MirrorPairs, DoubleWedge, Entropy],
            max_distance: None,
        }
    }
}

impl RotationCenterParams {
    /// Checks every parameter.
    ///
    /// # Errors
    /// [`Error::Parameter`] names the first that cannot be.
    pub fn validate(&self) -> Result<()> {
        if self.methods.is_empty() {
            return Err(Error::parameter("methods", "at least one method", "none"));
        }
        self.max_distance.map_or(Ok(()), |limit| nonius_core::check_positive("max_distance", limit))
    }
}

/// What one estimator says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CenterEstimate {
    /// Which estimator.
    pub method: CenterMethod,
    /// Column index of the axis, px; fractions lie between the middles of columns.
    pub center: f64,
    /// Its standard error, px.
    pub standard_error: f64,
}

/// Where the axis of rotation stands.
#[derive(Debug, Clone, PartialEq)]
pub struct RotationCenter {
    /// Column index of the axis, px: the mean of the estimates that agree, each by its variance.
    pub center: f64,
    /// Its standard error, px: that of the best estimate, as all share the noise, or more where they disagree.
    pub standard_error: f64,
    /// What each estimator says that could be asked.
    pub estimates: Vec<CenterEstimate>,
    /// Difference of the largest and the smallest estimate, px.
    pub spread: f64,
}

/// The column of the axis of rotation, perpendicular to the rows of a sinogram `(angle, row, column)` of absorbances.
/// `angles` rad, one per image, in any order; half a turn or a whole one. Rows are slices of one sample; one is
/// enough. The centre is at column index c if a sample point on the axis stays there: (W − 1)/2 is the middle of W columns.
///
/// What an estimator needs and does not find, it is left out for.
///
/// # Errors
/// [`Error::Shape`] unless there is an angle per image, [`Error::Empty`], [`Error::NotFinite`], [`Error::Parameter`]
/// for a parameter or an angle that cannot be, and if no estimator has what it needs.
///
/// ```
/// use ndarray::Array3;
/// use nonius_tomography::rotation_center::rotation_center;
///
/// // A ball that turns about column 21.3.
/// let angles: Vec<f64> = (0..90).map(|i| (2.0 * i as f64).to_radians()).collect();
/// let sinogram = Array3::from_shape_fn((90, 1, 40), |(i, _, x)| {
///     let at = 21.3 + 5.0 * angles[i].cos() + 2.0 * angles[i].sin();
///     (-0.5 * (x as f64 - at).powi(2) / 6.0).exp()
/// });
/// let found = rotation_center(sinogram.view(), &angles, &Default::default())?;
/// assert!((found.center - 21.3).abs() < 0.01);
/// # Ok::<(), nonius_core::Error>(())
/// ```
pub fn rotation_center<F: Real>(
    sinogram: ArrayView3<'_, F>,
    angles: &[f64],
    params: &RotationCenterParams,
) -> Result<RotationCenter> {
    params.validate()?;
    check_not_empty("sinogram", sinogram.shape())?;
    check_shape("angles", &[sinogram.dim().0], &[angles.len()])?;
    check_finite("sinogram", sinogram)?;
    if let Some(bad) = angles.iter().find(|angle| !angle.is_finite()) {
        return Err(Error::parameter("angles", "finite", bad));
    }
    let scan = Scan::new(sinogram, angles, params);
    let mut estimates = Vec::new();
    // Entropy comes last: it starts from the others.
    let mut methods = params.methods.clone();
    methods.sort_by_key(|method| *method == CenterMethod::Entropy);
    for method in methods {
        let found = match method {
            CenterMethod::Sinusoid => sinusoid::estimate(&scan)?,
            CenterMethod::MirrorPairs => mirror::estimate(&scan)?,
            CenterMethod::DoubleWedge => wedge::estimate(&scan)?,
            CenterMethod::Entropy => {
                let start = combined(&estimates).map_or(scan.middle(), |[center, _]| center);
                entropy::estimate(&scan, start)?
            }
        };
        let sound = |[center, error]: &[f64; 2]| {
            (center - scan.middle()).abs() <= scan.max_distance && error.is_finite()
        };
        if let Some([center, standard_error]) = found.filter(sound) {
            estimates.push(CenterEstimate { method, center, standard_error });
        }
    }
    let [center, standard_error] = combined(&estimates).ok_or_else(|| {
        Error::parameter("sinogram", "one that a method can find a centre in", "none that any of them can")
    })?;
    let centers = || estimates.iter().map(|estimate| estimate.center);
    let spread = centers().fold(f64::NEG_INFINITY, f64::max) - centers().fold(f64::INFINITY, f64::min);
    Ok(RotationCenter { center, standard_error, spread, estimates })
}

/// A mean of values `[value, standard error]` by their variances, its error, and χ² per degree of freedom.
fn weighted_mean(values: &[[f64; 2]]) -> Option<[f64; 3]> {
    let weight = |error: f64| error.max(1e-9).powi(-2);
    let total: f64 = values.iter().map(|[_, error]| weight(*error)).sum();
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().map(|[value, error]| value * weight(*error)).sum::<f64>() / total;
    let chi2: f64 = values.iter().map(|[value, error]| (value - mean).powi(2) * weight(*error)).sum();
    Some([mean, total.sqrt().recip(), chi2 / (values.len() as f64 - 1.0).max(1.0)])
}

/// The mean of the estimates that agree with the best half of weight within five standard errors.
fn combined(estimates: &[CenterEstimate]) -> Option<[f64; 2]> {
    // No estimator is better than its model of the sample: 0.002 px.
    let error = |estimate: &CenterEstimate| estimate.standard_error.max(2e-3);
    let agree = |with: &CenterEstimate| -> Vec<[f64; 2]> {
        let near = |e: &&CenterEstimate| (e.center - with.center).abs() <= 5.0 * error(e).hypot(error(with));
        estimates.iter().filter(near).map(|e| [e.center, error(e)]).collect()
    };
    // The estimate that most others agree with; of equals the most exact.
    let best = estimates
        .iter()
        .max_by(|a, b| agree(a).len().cmp(&agree(b).len()).then(error(b).total_cmp(&error(a))))?;
    let agreeing = agree(best);
    let [mean, _, chi2] = weighted_mean(&agreeing)?;
    let least = agreeing.iter().map(|[_, error]| *error).fold(f64::INFINITY, f64::min);
    Some([mean, least * chi2.max(1.0).sqrt()])
}

/// The sinogram by rows, in order of angle.
struct Scan {
    /// Images `(angle, column)` of every row.
    rows: Vec<Array2<f64>>,
    /// Ascending.
    angles: Vec<f64>,
    max_distance: f64,
}

impl Scan {
    fn new<F: Real>(sinogram: ArrayView3<'_, F>, angles: &[f64], params: &RotationCenterParams) -> Self {
        let (n, n_rows, width) = sinogram.dim();
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|a, b| angles[*a].total_cmp(&angles[*b]));
        let row = |r: usize| {
            let row = sinogram.index_axis(Axis(1), r);
            Array2::from_shape_fn((n, width), |(i, x)| row[[order[i], x]].f64())
        };
        Scan {
            rows: (0..n_rows).map(row).collect(),
            angles: order.iter().map(|i| angles[*i]).collect(),
            max_distance: params.max_distance.unwrap_or(0.4 * width as f64),
        }
    }

    fn width(&self) -> usize {
        self.rows[0].ncols()
    }

    /// Column index of the middle.
    fn middle(&self) -> f64 {
        0.5 * (self.width() as f64 - 1.0)
    }

    /// Mean angle between neighbours; 0 of one image.
    fn step(&self) -> f64 {
        let n = self.angles.len();
        (self.angles[n - 1] - self.angles[0]) / (n as f64 - 1.0).max(1.0)
    }

    /// First and last of neighbouring images between which the angle lies, and the part of the second; none if it
    /// lies outside by more than half a step.
    fn at(&self, angle: f64) -> Option<(usize, usize, f64)> {
        let n = self.angles.len();
        let after = self.angles.partition_point(|a| *a <= angle);
        let near = 0.5 * self.step() + 1e-9;
        match after {
            0 => (self.angles[0] - angle <= near).then_some((0, 0, 0.0)),
            _ if after == n => (angle - self.angles[n - 1] <= near).then_some((n - 1, n - 1, 0.0)),
            _ => {
                let (a, b) = (self.angles[after - 1], self.angles[after]);
                // A gap is not to be bridged.
                (b - a <= 4.0 * near).then_some((after - 1, after, (angle - a) / (b - a)))
            }
        }
    }

    /// The sample and its air in one row; none if it reaches an end of the row in more than one view of fifty, so
    /// that part of it is out of view.
    fn in_view(&self, row: &Array2<f64>) -> Result<Option<Footprint>> {
        let footprint = Footprint::of_whole(row.clone(), Some(5.0))?;
        let Footprint { image, inside, .. } = &footprint;
        let trace = TRACE * image.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        let last = row.ncols() - 1;
        let cut = |i: &usize| [0, last].iter().any(|x| inside[[*i, *x]] && image[[*i, *x]].abs() > trace);
        let n_cut = (0..row.nrows()).filter(cut).count();
        Ok((50 * n_cut <= row.nrows()).then_some(footprint))
    }

    /// Ranges of images that make half a turn in equal steps, its end left out: one, or two of a whole turn.
    fn half_turns(&self) -> Vec<std::ops::Range<usize>> {
        let step = self.step();
        let count = (PI / step).round();
        // Half a turn within a tenth of a step, and no angle off by more than that.
        let even = (count * step - PI).abs() < 0.1 * step
            && self
                .angles
                .iter()
                .enumerate()
                .all(|(i, a)| (a - self.angles[0] - i as f64 * step).abs() < 0.1 * step);
        if !(even && count >= 2.0) {
            return vec![];
        }
        let count = count as usize;
        (0..self.angles.len() / count).take(2).map(|half| half * count..(half + 1) * count).collect()
    }

    /// One estimate per row, combined; disagreement of rows widens the error.
    fn over_rows(
        &self,
        of: impl Fn(&Array2<f64>) -> Result<Option<[f64; 2]>> + Send + Sync,
    ) -> Result<Option<[f64; 2]>> {
        let found: Vec<Result<Option<[f64; 2]>>> = self.rows.par_iter().map(of).collect();
        let found: Vec<[f64; 2]> =
            found.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
        Ok(weighted_mean(&found).map(|[mean, error, chi2]| [mean, error * chi2.max(1.0).sqrt()]))
    }
}
