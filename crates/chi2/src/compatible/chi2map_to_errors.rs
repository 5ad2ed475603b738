//! Errors from the extent of a region of low χ².

use ndarray::{ArrayView2, Axis};
use nonius_core::{Result, check_finite, check_not_empty};

use super::{argmin, check_positive};
use crate::delta_chi2;

/// How far a region of low χ² reaches from the minimum, px.
///
/// Low and high are the sides of lower and of higher index in the map. Maps of [`chi2n_map`](super::chi2n_map)
/// and what is magnified from them run against the displacement: there low is the side of the *larger* shift.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MapErrors {
    /// Along x: to the low side, to the high side.
    pub x_low_high: [f64; 2],
    /// Along y: to the low side, to the high side.
    pub y_low_high: [f64; 2],
}

/// Half extents of the region in which χ² lies less than a level above its minimum.
///
/// `map` has shape `(y, x)` and `zoomfactor` samples per px; the level is that of
/// [`delta_chi2`]`(n_sigma, n_parameters)`. All samples below the level count, wherever they are, and only
/// samples count: distances are whole multiples of `1/zoomfactor`, 0 where the grid is coarser than the
/// region. For two parameters the region holds both jointly and is projected on each axis: 1.515 times a
/// standard deviation at 1 σ.
///
/// # Errors
/// [`Error::Empty`](nonius_core::Error::Empty), [`Error::NotFinite`](nonius_core::Error::NotFinite);
/// [`Error::Parameter`](nonius_core::Error::Parameter) for a `zoomfactor` or an `n_sigma` that is not finite
/// or not above 0 and for what [`delta_chi2`] refuses.
///
/// # Source
/// image_registration 0.2.10, `chi2map_to_errors`, which takes `1.594·n_sigma^1.805` as the level from 8 σ up.
///
/// # Example
/// ```
/// use ndarray::Array2;
/// use nonius_chi2::compatible::chi2map_to_errors;
///
/// // σ = 1 px along y, 2 px along x, ten samples per px.
/// let at = |i: usize| 0.1 * (i as f64 - 50.0);
/// let map = Array2::from_shape_fn((101, 101), |(y, x)| at(y).powi(2) + (at(x) / 2.0).powi(2));
/// let joint = chi2map_to_errors(map.view(), 10.0, 1.0, 2)?;
/// assert!((joint.y_low_high[0] - 1.5).abs() < 1e-12 && (joint.x_low_high[1] - 3.0).abs() < 1e-12);
/// # Ok::<(), nonius_core::Error>(())
/// ```
pub fn chi2map_to_errors(
    map: ArrayView2<'_, f64>,
    zoomfactor: f64,
    n_sigma: f64,
    n_parameters: usize,
) -> Result<MapErrors> {
    check_not_empty("map", map.shape())?;
    check_finite("map", map)?;
    check_positive("zoomfactor", zoomfactor)?;
    check_positive("n_sigma", n_sigma)?;
    let center = argmin(map);
    let level = delta_chi2(n_sigma, n_parameters)?;
    let [y, x] = extent(map, level).map_or([[0.0; 2]; 2], |extent| {
        std::array::from_fn(|axis| {
            let [first, last] = extent[axis];
            [center[axis] - first, last - center[axis]].map(|samples| samples as f64 / zoomfactor)
        })
    });
    Ok(MapErrors { x_low_high: x, y_low_high: y })
}

/// First and last index along each axis of the samples that lie less than `level` above the minimum; None if
/// not even the minimum does.
pub(super) fn extent(map: ArrayView2<'_, f64>, level: f64) -> Option<[[usize; 2]; 2]> {
    let least = map[argmin(map)];
    let along = |axis: usize| {
        let below = |i: &usize| map.index_axis(Axis(axis), *i).iter().any(|v| v - least < level);
        let n = map.shape()[axis];
        Some([(0..n).find(below)?, (0..n).rfind(below)?])
    };
    Some([along(0)?, along(1)?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn bad_input_is_an_error() {
        let map = array![[1.0, 0.0, 5.0]];
        let found = chi2map_to_errors(map.view(), 2.0, 1.0, 2).unwrap();
        assert_eq!((found.x_low_high, found.y_low_high), ([0.5, 0.0], [0.0, 0.0]));
        assert!(chi2map_to_errors(map.view(), 0.0, 1.0, 2).is_err());
        assert!(chi2map_to_errors(map.view(), 1.0, f64::NAN, 2).is_err());
        assert!(chi2map_to_errors(map.view(), 1.0, 1.0, 0).is_err());
        assert!(chi2map_to_errors((map * f64::NAN).view(), 1.0, 1.0, 2).is_err());
    }
}
