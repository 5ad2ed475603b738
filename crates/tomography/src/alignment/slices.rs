//! Offsets across the axis, and the axis itself, from the centres of mass of slices.

use nalgebra::{Matrix3, Vector3};
use ndarray::{Array1, Array2, ArrayView3, Axis};
use nonius_core::tilt_series::Geometry;
use nonius_core::{Error, Real, Result, SplineDegree, SplineImage};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::axis::{ImageAxis, untilted};
use super::footprint::{Footprint, footprints};

/// Parameters of [`align_slices`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SlicesParams {
    /// As [`MomentsParams::threshold`](super::MomentsParams::threshold). Default: 5.
    pub threshold: Option<f64>,
    /// Part of the slices in view from all sides that is used: those whose mass changes least, in (0, 1].
    /// Default: 0.5.
    pub part: f64,
    /// Whether offsets also move the axis of rotation into the middle of the images; otherwise it stays where it
    /// is. A scan over a small range of angles cannot tell where it is. Default: true.
    pub center_axis: bool,
}

impl Default for SlicesParams {
    fn default() -> Self {
        SlicesParams { threshold: Some(5.0), part: 0.5, center_axis: true }
    }
}

impl SlicesParams {
    /// Checks every parameter.
    ///
    /// # Errors
    /// [`Error::Parameter`] names the first that cannot be.
    pub fn validate(&self) -> Result<()> {
        if let Some(threshold) = self.threshold {
            nonius_core::check_positive("threshold", threshold)?;
        }
        if !(self.part > 0.0 && self.part <= 1.0) {
            return Err(Error::parameter("part", "above 0 and at most 1", self.part));
        }
        Ok(())
    }
}

/// What [`align_slices`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct SliceAlignment {
    /// `[j, k]` offset of every view, px: across the axis what was found, along it what the geometry had.
    pub offsets: Vec<[f64; 2]>,
    /// Standard error of each offset across the axis, px, from how slices disagree; infinite with one slice.
    pub standard_errors: Vec<f64>,
    /// Indices along the axis, after the geometry's offsets, of the slices used.
    pub slices: Vec<usize>,
    /// Root mean square over views and slices of centres of mass about the sinusoid of each slice, px, with the
    /// offsets found.
    pub residual: f64,
    /// The same with the geometry's offsets: what the correction took away, and what is left.
    pub residual_before: f64,
    /// Where the axis of rotation lies, with the geometry's offsets.
    pub axis: TiltAxis,
}

/// The axis of rotation in the images, against the line in their middle that the geometry takes for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TiltAxis {
    /// Displacement across the axis, px, in the middle of its length.
    pub offset: f64,
    /// Its standard error.
    pub offset_error: f64,
    /// Angle rad: the displacement grows by its tangent per px along the axis. Turning the images' content by
    /// minus this angle from the index across towards the index along makes the axis straight.
    pub inclination: f64,
    /// Its standard error.
    pub inclination_error: f64,
}

/// Aligns views across their one axis of rotation, which must lie along j or k: the centre of mass of every slice
/// perpendicular to the axis must follow a sinusoid of the angle. The sample may leave the view along the axis, not
/// across it; along the axis views must be aligned already ([`align_cascade`](super::align_cascade),
/// [`align_axial_profile`](super::align_axial_profile)): their offsets are the geometry's.
///
/// ```text
/// c_is + o_i = r_s + x_s cos θ_i + z_s sin θ_i
/// ```
///
/// for the centre of mass c of slice s in view i. The offsets o take away what all slices have left in common; which
/// part of them is a constant, a cosine or a sine cannot be known and is taken to be 0, but for the constant if the
/// axis is to come to the middle. The line through r_s is the axis. `images` and `weights` as for
/// [`align_moments`](super::align_moments).
///
/// # Errors
/// [`Error::Parameter`] unless there is one axis along j or k, with angles at three or more places, and at least one
/// slice is in view from all sides and has mass; the others as of [`align_moments`](super::align_moments).
///
/// # Source
/// The centre-of-mass and tilt-axis estimators of ETSpy 1.3, where the constant is 0 and one slice at a time is
/// fitted.
pub fn align_slices<F: Real>(
    geometry: &Geometry,
    images: ArrayView3<'_, F>,
    weights: Option<ArrayView3<'_, F>>,
    params: &SlicesParams,
) -> Result<SliceAlignment> {
    params.validate()?;
    let axis = ImageAxis::of(geometry)?;
    let along = axis.image_index()?;
    let footprints = footprints(geometry, images, weights, params.threshold)?;
    let offsets = geometry.offsets();
    let lines: Vec<Lines> = footprints
        .par_iter()
        .zip(&offsets)
        .map(|(footprint, offset)| Lines::of(footprint, along, *offset))
        .collect::<Vec<_>>()
        .into_iter()
        .collect::<Result<_>>()?;
    let first = untilted(geometry);
    let angles: Vec<f64> = (0..geometry.len()).map(|i| axis.angle(geometry, i, first)).collect();
    let sinusoid = Sinusoid::new(&angles)?;

    let slices = best_slices(&lines, params.part);
    if slices.is_empty() {
        return Err(Error::parameter("images", "of a sample with a slice in view from all sides", "none"));
    }
    // What the sinusoid leaves of every slice's centres.
    let mut left = Array2::<f64>::zeros((geometry.len(), slices.len()));
    let mut constants = Vec::with_capacity(slices.len());
    for (column, s) in slices.iter().enumerate() {
        let centers: Vec<f64> = lines.iter().map(|line| line.center[*s]).collect();
        let fit = sinusoid.fit(&centers);
        constants.push(fit.x);
        for (i, c) in centers.iter().enumerate() {
            left[[i, column]] = c - sinusoid.value(i, fit);
        }
    }
    let n_slices = slices.len() as f64;
    let common: Array1<f64> = left.mean_axis(Axis(1)).expect("a slice");
    let own = &left - &common.view().insert_axis(Axis(1));
    let rms = |a: &Array2<f64>| (a.iter().map(|v| v * v).sum::<f64>() / a.len() as f64).sqrt();
    let middle = 0.5 * (geometry.projection_shape[along] as f64 - 1.0);
    let places: Vec<f64> = slices.iter().map(|s| *s as f64 - middle).collect();
    let tilt_axis = TiltAxis::through(&places, &constants, sinusoid.constant_error(&common));

    let mut found = SliceAlignment {
        offsets,
        standard_errors: own
            .rows()
            .into_iter()
            .map(|row| (row.iter().map(|v| v * v).sum::<f64>() / (n_slices - 1.0).max(0.0) / n_slices).sqrt())
            .map(|error| if error.is_nan() { f64::INFINITY } else { error })
            .collect(),
        slices,
        residual: rms(&own),
        residual_before: rms(&left),
        axis: tilt_axis,
    };
    for (offset, common) in found.offsets.iter_mut().zip(&common) {
        offset[1 - along] -= common;
        if params.center_axis {
            offset[1 - along] -= found.axis.offset;
        }
    }
    Ok(found)
}

/// Mass and centre of mass, across the axis, of every line of pixels across it, after the offsets.
struct Lines {
    mass: Vec<f64>,
    /// px from the middle; NaN without mass and where the line is out of view.
    center: Vec<f64>,
}

impl Lines {
    fn of(footprint: &Footprint, along: usize, offset: [f64; 2]) -> Result<Self> {
        let n = footprint.image.len_of(Axis(along));
        let middle = 0.5 * (footprint.image.len_of(Axis(1 - along)) as f64 - 1.0);
        let mut sums = [Array2::zeros((1, n)), Array2::zeros((1, n))];
        for ((at, value), inside) in footprint.image.indexed_iter().zip(&footprint.inside) {
            if *inside && footprint.measured {
                let [across, line] = if along == 1 { [at.0, at.1] } else { [at.1, at.0] };
                sums[0][[0, line]] += value;
                sums[1][[0, line]] += value * (across as f64 - middle);
            }
        }
        let [mass, first] = [
            SplineImage::new(sums[0].view(), SplineDegree::Cubic)?,
            SplineImage::new(sums[1].view(), SplineDegree::Cubic)?,
        ];
        // Line s after alignment was recorded at s − offset.
        let value = |of: &SplineImage<f64>, s: usize| {
            of.value_at([0.0, s as f64 - offset[along]]).unwrap_or(f64::NAN)
        };
        let masses: Vec<f64> = (0..n).map(|s| value(&mass, s)).collect();
        let center = |s: usize| value(&first, s) / masses[s] + offset[1 - along];
        Ok(Lines { center: (0..n).map(center).collect(), mass: masses })
    }
}

/// Slices with mass in every view, by how little it changes; the best part of them, in order.
fn best_slices(lines: &[Lines], part: f64) -> Vec<usize> {
    let n = lines.first().map_or(0, |line| line.mass.len());
    let count = lines.len() as f64;
    let mean = |s: usize| lines.iter().map(|line| line.mass[s]).sum::<f64>() / count;
    let largest = (0..n).map(mean).filter(|m| m.is_finite()).fold(0.0, f64::max);
    let steadiness = |s: usize| {
        let mean = mean(s);
        let variance = lines.iter().map(|line| (line.mass[s] - mean).powi(2)).sum::<f64>() / count;
        mean / variance.sqrt().max(1e-9 * mean)
    };
    let in_view = |s: &usize| {
        mean(*s) > 1e-3 * largest
            && lines.iter().all(|line| line.center[*s].is_finite() && line.mass[*s] > 0.0)
    };
    let mut slices: Vec<usize> = (0..n).filter(in_view).collect();
    slices.sort_by(|a, b| steadiness(*b).total_cmp(&steadiness(*a)));
    slices.truncate((slices.len() as f64 * part).ceil() as usize);
    slices.sort_unstable();
    slices
}

/// Least squares of `r + x cos θ + z sin θ`.
struct Sinusoid {
    rows: Vec<Vector3<f64>>,
    inverse: Matrix3<f64>,
}

impl Sinusoid {
    fn new(angles: &[f64]) -> Result<Self> {
        let rows: Vec<Vector3<f64>> = angles.iter().map(|a| Vector3::new(1.0, a.cos(), a.sin())).collect();
        let normal: Matrix3<f64> = rows.iter().map(|row| row * row.transpose()).sum();
        let eigen = normal.symmetric_eigenvalues();
        if eigen.min() <= 1e-9 * eigen.max() {
            return Err(Error::parameter(
                "geometry",
                "views at three different angles or more",
                format_args!("{} views", angles.len()),
            ));
        }
        let inverse = normal.try_inverse().expect("a matrix with eigenvalues above 0");
        Ok(Sinusoid { rows, inverse })
    }

    fn fit(&self, values: &[f64]) -> Vector3<f64> {
        let right: Vector3<f64> = self.rows.iter().zip(values).map(|(row, v)| row * *v).sum();
        self.inverse * right
    }

    fn value(&self, i: usize, fit: Vector3<f64>) -> f64 {
        self.rows[i].dot(&fit)
    }

    /// Standard error of the constant if views have these errors.
    fn constant_error(&self, left: &Array1<f64>) -> f64 {
        let variance = left.iter().map(|v| v * v).sum::<f64>() / (left.len() as f64 - 3.0).max(1.0);
        (variance * self.inverse[(0, 0)]).sqrt()
    }
}

impl TiltAxis {
    /// The line through displacements at places along the axis; `common_error` is what they share.
    fn through(places: &[f64], constants: &[f64], common_error: f64) -> Self {
        let n = places.len() as f64;
        let [place, constant] = [places, constants].map(|v| v.iter().sum::<f64>() / n);
        let spread: f64 = places.iter().map(|p| (p - place).powi(2)).sum();
        let product: f64 = places.iter().zip(constants).map(|(p, c)| (p - place) * (c - constant)).sum();
        let slope = if spread > 0.0 { product / spread } else { 0.0 };
        let left = |(p, c): (&f64, &f64)| (c - constant - slope * (p - place)).powi(2);
        let variance = places.iter().zip(constants).map(left).sum::<f64>() / (n - 2.0);
        let infinite = |v: f64| if v.is_nan() { f64::INFINITY } else { v };
        let slope_variance = if variance >= 0.0 { infinite(variance / spread) } else { f64::INFINITY };
        TiltAxis {
            offset: constant - slope * place,
            offset_error: infinite(
                (common_error.powi(2) + variance / n + place * place * slope_variance).sqrt(),
            ),
            inclination: slope.atan(),
            inclination_error: slope_variance.sqrt() / (1.0 + slope * slope),
        }
    }
}
