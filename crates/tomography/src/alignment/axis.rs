//! The axis of rotation as the images show it.

use nalgebra::Vector3;
use nonius_core::tilt_series::Geometry;
use nonius_core::{Error, Result};

/// Largest deviation from a right angle between beam and axis, rad: beyond it what lies in one line along the
/// image changes from view to view.
const MAX_INCLINATION: f64 = 0.02;

/// Largest component across of an axis that counts as along j or along k.
const ALONG: f64 = 1e-3;

/// The one axis of a series, which lies in the plane of its images.
pub(super) struct ImageAxis {
    /// In the sample, of length 1.
    pub(super) sample: Vector3<f64>,
    /// In the images, `[j, k]`, of length 1; its larger component is positive.
    pub(super) direction: [f64; 2],
}

impl ImageAxis {
    pub(super) fn of(geometry: &Geometry) -> Result<Self> {
        let sample = geometry.rotation_axis().ok_or_else(|| {
            Error::parameter("geometry", "a series about one axis", "views about none or several")
        })?;
        let first = geometry.directions(0);
        let inclination = sample.dot(&first.p).clamp(-1.0, 1.0).asin();
        if inclination.abs() > MAX_INCLINATION {
            return Err(Error::parameter(
                "geometry",
                "a series whose axis is perpendicular to the beam within 0.02 rad",
                format_args!("an axis inclined by {inclination:.3} rad"),
            ));
        }
        let [j, k] = [sample.dot(&first.j), sample.dot(&first.k)];
        Ok(ImageAxis { sample, direction: [j / j.hypot(k), k / j.hypot(k)] })
    }

    /// The image index that runs along the axis, 0 for j or 1 for k.
    pub(super) fn image_index(&self) -> Result<usize> {
        let [j, k] = self.direction;
        match () {
            _ if k.abs() < ALONG => Ok(0),
            _ if j.abs() < ALONG => Ok(1),
            _ => Err(Error::parameter(
                "geometry",
                "a series whose axis lies along j or k within 0.001",
                format_args!("an axis along ({j:.4}, {k:.4})"),
            )),
        }
    }

    /// Angle rad, −π to π, by which a view is turned about the axis, against another.
    pub(super) fn angle(&self, geometry: &Geometry, view: usize, from: usize) -> f64 {
        let turned = geometry.views[from].rotation.transpose() * geometry.views[view].rotation;
        let skew = turned - turned.transpose();
        let sine = 0.5 * self.sample.dot(&Vector3::new(skew[(2, 1)], skew[(0, 2)], skew[(1, 0)]));
        sine.atan2(0.5 * (turned.trace() - 1.0))
    }
}

/// The view whose rotation is nearest to none: the first of largest trace.
pub(super) fn untilted(geometry: &Geometry) -> usize {
    let trace = |i: usize| geometry.views[i].rotation.trace();
    (0..geometry.len()).fold(0, |best, i| if trace(i) > trace(best) + 1e-12 { i } else { best })
}
