//! Which views of the sample are taken.

use nalgebra::Vector3;
use nonius_core::tilt_series::{View, ViewAngles};
use serde::{Deserialize, Serialize};

use crate::{Result, check};

/// Angles in equal steps: `first + i · step`, rad, i = 0 … n − 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AngleRange {
    /// The first angle, rad.
    pub first: f64,
    /// From one angle to the next, rad; negative turns the other way.
    pub step: f64,
    /// Number of angles.
    pub n: usize,
}

impl AngleRange {
    /// `n` angles over half a turn, from 0; π itself, which shows what 0 shows, is left out.
    pub fn half_turn(n: usize) -> Self {
        AngleRange { first: 0.0, step: std::f64::consts::PI / n.max(1) as f64, n }
    }

    /// `n` angles from −`largest` to +`largest` rad, both included: what a holder in a microscope can do. Between
    /// ±`largest` and ±π/2 lies the missing wedge.
    pub fn symmetric(largest: f64, n: usize) -> Self {
        AngleRange { first: -largest, step: 2.0 * largest / n.saturating_sub(1).max(1) as f64, n }
    }

    fn angles(&self) -> impl Iterator<Item = f64> + use<> {
        let AngleRange { first, step, n } = *self;
        (0..n).map(move |i| first + i as f64 * step)
    }
}

/// How the sample is turned from view to view. Angles in rad, axes of any length but 0; the rotation of a view is
/// `R(outer) · R(inner)`, right-handed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum TiltScheme {
    /// About one axis.
    SingleAxis {
        /// The axis. With the default directions (0, 0, ±1) lies along the images' k, (±1, 0, 0) along j.
        axis: [f64; 3],
        /// The angles.
        angles: AngleRange,
    },
    /// About two axes: for each outer angle all inner ones.
    TwoAxes {
        /// The axis that is turned first.
        inner_axis: [f64; 3],
        /// Angles about it.
        inner: AngleRange,
        /// The axis that is turned last.
        outer_axis: [f64; 3],
        /// Angles about it.
        outer: AngleRange,
    },
    /// Any views about two axes.
    Listed {
        /// The axis that is turned first.
        inner_axis: [f64; 3],
        /// The axis that is turned last.
        outer_axis: [f64; 3],
        /// The angles (inner, outer) of each view.
        angles: Vec<[f64; 2]>,
    },
}

impl Default for TiltScheme {
    /// 60 views over half a turn about (0, 0, 1).
    fn default() -> Self {
        TiltScheme::SingleAxis { axis: [0.0, 0.0, 1.0], angles: AngleRange::half_turn(60) }
    }
}

impl TiltScheme {
    /// Number of views; `None` if it is beyond all numbers.
    fn n_views(&self) -> Option<usize> {
        match self {
            TiltScheme::SingleAxis { angles, .. } => Some(angles.n),
            TiltScheme::TwoAxes { inner, outer, .. } => inner.n.checked_mul(outer.n),
            TiltScheme::Listed { angles, .. } => Some(angles.len()),
        }
    }

    /// The views, all offsets 0.
    ///
    /// # Errors
    /// [`Error::Parameter`](nonius_core::Error::Parameter) for other than 1 to 65 536 views, an angle that is not
    /// finite, or an axis without direction.
    pub fn views(&self) -> Result<Vec<View>> {
        let n = self.n_views();
        let shown = n.map_or("more than a number holds".into(), |n| n.to_string());
        check(n.is_some_and(|n| (1..=1 << 16).contains(&n)), "number of views", "1 to 65536", shown)?;
        let (inner_axis, outer_axis) = match self {
            TiltScheme::SingleAxis { axis, .. } => (*axis, ViewAngles::default().outer_axis.into()),
            TiltScheme::TwoAxes { inner_axis, outer_axis, .. }
            | TiltScheme::Listed { inner_axis, outer_axis, .. } => (*inner_axis, *outer_axis),
        };
        let view = |[inner_angle, outer_angle]: [f64; 2]| {
            View::from_angles(ViewAngles {
                inner_angle,
                inner_axis: Vector3::from(inner_axis),
                outer_angle,
                outer_axis: Vector3::from(outer_axis),
            })
        };
        match self {
            TiltScheme::SingleAxis { angles, .. } => angles.angles().map(|a| view([a, 0.0])).collect(),
            TiltScheme::TwoAxes { inner, outer, .. } => {
                outer.angles().flat_map(|o| inner.angles().map(move |i| [i, o])).map(view).collect()
            }
            TiltScheme::Listed { angles, .. } => angles.iter().copied().map(view).collect(),
        }
    }
}
