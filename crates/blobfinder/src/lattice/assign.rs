//! Which point stands at which index.

use nonius_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::{Lattice, length};

/// How the distance between a point and the nearest index is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DistanceRule {
    /// `√(d_i² + d_j²)` with `d_i = |i − round i|·|a|/√max(1, |i|)`, likewise j: the rule of libertem-blobfinder.
    /// Far-out points are judged more leniently, so that a start whose vectors are slightly off still gathers them.
    /// For oblique cells it is not the distance in the plane.
    #[default]
    IndexScaled,
    /// `|(i − round i)·a + (j − round j)·b|`, px.
    Euclidean,
}

impl DistanceRule {
    /// Distance in px of the fractional index from the nearest whole one, and that one.
    #[inline]
    pub(crate) fn judge(self, lattice: &Lattice, fractional: [f64; 2]) -> (f64, [f64; 2]) {
        let index = fractional.map(|i| i.round_ties_even() + 0.0);
        let rest = [fractional[0] - index[0], fractional[1] - index[1]];
        let distance = match self {
            DistanceRule::IndexScaled => {
                let scaled = |k: usize, v| rest[k].abs() * length(v) / fractional[k].abs().max(1.0).sqrt();
                scaled(0, lattice.a).hypot(scaled(1, lattice.b))
            }
            DistanceRule::Euclidean => {
                let at = |axis| rest[0] * lattice.a[axis] + rest[1] * lattice.b[axis];
                f64::hypot(at(0), at(1))
            }
        };
        (distance, index)
    }
}

/// The index `(i, j)` at which each point `(y, x)` stands: the nearest (half to even) if it is less than `tolerance`
/// px away, judged by `rule`; None otherwise, and for points that are not finite.
///
/// # Errors
/// [`Error::Parameter`] if a and b are parallel or not finite, or the tolerance is not above 0.
pub fn assign_indices(
    points: &[[f64; 2]],
    lattice: &Lattice,
    tolerance: f64,
    rule: DistanceRule,
) -> Result<Vec<Option<[i32; 2]>>> {
    check_tolerance(tolerance)?;
    let inverse = lattice.inverse()?;
    let assigned = |&point: &[f64; 2]| {
        let (distance, index) = rule.judge(lattice, inverse.indices(point));
        (distance < tolerance).then(|| index.map(|i| i as i32))
    };
    Ok(points.iter().map(assigned).collect())
}

pub(crate) fn check_tolerance(tolerance: f64) -> Result<()> {
    if tolerance > 0.0 { Ok(()) } else { Err(Error::parameter("tolerance", "above 0", tolerance)) }
}
