//! A shift from repeated magnification of the χ² map.

use ndarray::{Array1, Array2, ArrayView2};
use nonius_core::{Result, Sample, zoom, zoom_positions};
use serde::{Deserialize, Serialize};

use super::{GridShift, PixelError, argmin, check_positive, check_side, chi2n_map};

/// Parameters of [`chi2_shift_iterzoom`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IterativeZoomParams {
    /// Subtract each image's mean first. Default: no.
    pub zeromean: bool,
    /// Magnification ends when a sample other than the least comes so near it in χ². Default: 1.
    pub mindiff: f64,
    /// Samples `(y, x)` of each magnified part. Default: 10 × 10.
    pub zoom_shape: [usize; 2],
    /// Samples `(y, x)` of the map that the errors are read from. Default: 100 × 100.
    pub rezoom_shape: [usize; 2],
    /// How much finer than the last part that map is. Default: 5.
    pub rezoom_factor: f64,
}

impl Default for IterativeZoomParams {
    fn default() -> Self {
        IterativeZoomParams {
            zeromean: false,
            mindiff: 1.0,
            zoom_shape: [10, 10],
            rezoom_shape: [100, 100],
            rezoom_factor: 5.0,
        }
    }
}

/// Displacement of periodic images by magnifying their χ² map twofold about its minimum, again and again.
///
/// The map of whole pixels ([`chi2n_map`]) is searched, then parts of 2, 4, 8 … samples per px about the last
/// minimum, until the second least sample of a part lies within `mindiff` of the least. The answer is the
/// minimum of the part *before* the last, measured from the middle (n − 1)/2 of the map: it is 0.5 px too
/// large along axes of even length, and 0 if the map of whole pixels ends the search already. Errors come from
/// one more magnification, whose window is half a pixel off its aim along even axes; see [`GridShift`].
///
/// Images that fix no shift (constant, or all NaN) give NaN for the shift and its errors.
///
/// # Errors
/// Those of [`chi2n_map`]; [`Error::Parameter`](nonius_core::Error::Parameter) for a side that is not between
/// 1 and 4096 and for a `mindiff` or a `rezoom_factor` that is not finite or not above 0.
///
/// # Source
/// image_registration 0.2.10, `chi2_shift_iterzoom` with `boundary='wrap'` and the missing name supplied.
pub fn chi2_shift_iterzoom<T: Sample>(
    reference: ArrayView2<'_, T>,
    moving: ArrayView2<'_, T>,
    err: PixelError<'_>,
    params: &IterativeZoomParams,
) -> Result<GridShift> {
    params.zoom_shape.iter().try_for_each(|&n| check_side("zoom_shape", n))?;
    params.rezoom_shape.iter().try_for_each(|&n| check_side("rezoom_shape", n))?;
    check_positive("mindiff", params.mindiff)?;
    check_positive("rezoom_factor", params.rezoom_factor)?;
    let chi2 = chi2n_map(reference, moving, err, params.zeromean, false)?;
    let n = [chi2.map.nrows(), chi2.map.ncols()];
    let middle = n.map(|n| (n as f64 - 1.0) / 2.0);

    let mut factor = 1.0;
    let mut offset = [0.0; 2];
    let mut positions = n.map(|n| Array1::from_shape_fn(n, |i| i as f64));
    let mut part = chi2.map.clone();
    // At 2⁶⁰ samples per px all of them are one.
    while least_difference(&part) > params.mindiff && factor < f64::from(1 << 30).powi(2) {
        let best = argmin(part.view());
        offset = std::array::from_fn(|axis| positions[axis][best[axis]] - middle[axis]);
        factor *= 2.0;
        positions = [0, 1].map(|axis| zoom_positions(n[axis], params.zoom_shape[axis], factor, offset[axis]));
        part = zoom(chi2.map.view(), factor, &params.zoom_shape, &offset)?;
    }

    let fine = factor * params.rezoom_factor;
    let sampled = if part.iter().all(|&v| v == 0.0) { factor } else { fine };
    // The window is put about ⌊(n − 1)/2⌋ + offset.
    let aim: [f64; 2] = std::array::from_fn(|axis| offset[axis] - middle[axis].fract());
    let map = zoom(chi2.map.view(), sampled, &params.rezoom_shape, &aim)?;
    let [y, x] = [0, 1].map(|axis| {
        zoom_positions(n[axis], params.rezoom_shape[axis], sampled, aim[axis])
            .mapv(|position| middle[axis] - position)
    });
    let shift = if chi2.is_flat() { None } else { Some(offset.map(|o| 0.0 - o)) };
    GridShift::new(shift, fine, [y, x], map)
}

/// By how much the least sample is below the least that differs from it; 0 if all are equal.
fn least_difference(map: &Array2<f64>) -> f64 {
    let least = map[argmin(map.view())];
    let others = map.iter().map(|v| v - least).filter(|&d| d > 0.0);
    others.min_by(f64::total_cmp).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_on_any_input() {
        let f = Array2::from_shape_fn((9, 11), |(y, x)| ((y * y + 3 * x) % 7) as f64);
        let found = |f: &Array2<f64>, mindiff| {
            let params = IterativeZoomParams { mindiff, ..Default::default() };
            chi2_shift_iterzoom(f.view(), f.view(), PixelError::Uniform(0.1), &params)
        };
        let same = found(&f, 1e-300).unwrap();
        assert!(same.dx.abs() < 1e-3 && same.dy.abs() < 1e-3, "{} {}", same.dx, same.dy);
        assert!(found(&Array2::ones((5, 5)), 1.0).unwrap().dx.is_nan());
        assert_eq!(found(&f, 1e300).unwrap().dx, 0.0);
        assert!(found(&f, f64::NAN).is_err());
    }
}
