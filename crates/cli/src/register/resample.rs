//! A moving image laid upon the reference.

use ndarray::Array2;
use nonius::Result;
use nonius::core::{SplineDegree, fourier_shift, spline_shift};

use super::outcome::Row;

/// The image of `row` laid upon a reference of shape `shape`.
pub(crate) fn brought_back(
    moving: &Array2<f64>,
    row: &Row,
    shape: (usize, usize),
    periodic: bool,
) -> Result<Array2<f64>> {
    match row.pose() {
        Some(pose) => pose.bring_back(moving.view(), SplineDegree::default(), f64::NAN),
        None => onto_reference(moving, row.shift, shape, periodic),
    }
}

/// `moving` shifted by `−shift`, on the pixels of a reference of shape `shape`.
///
/// Periodic images by a Fourier shift; others by splines of degree 7, NaN where `moving` has nothing. Near
/// missing pixels of `moving` values are less exact.
fn onto_reference(
    moving: &Array2<f64>,
    shift: [f64; 2],
    shape: (usize, usize),
    periodic: bool,
) -> Result<Array2<f64>> {
    if periodic {
        return fourier_shift(moving.view(), &shift.map(|d| -d));
    }
    let whole = shift.map(f64::floor);
    let part = [whole[0] - shift[0], whole[1] - shift[1]];
    let valid: Vec<f64> = moving.iter().copied().filter(|v| v.is_finite()).collect();
    let missing = valid.len() < moving.len();
    let mean = valid.iter().sum::<f64>() / valid.len().max(1) as f64;
    let filled = moving.mapv(|v| if v.is_finite() { v } else { mean });
    let mut shifted = spline_shift(filled.view(), part, SplineDegree::default(), f64::NAN)?;
    if missing {
        let weight = moving.mapv(|v| if v.is_finite() { 1.0 } else { 0.0 });
        let weight = spline_shift(weight.view(), part, SplineDegree::Linear, 0.0)?;
        shifted.zip_mut_with(&weight, |v, &w| *v = if w > 0.999 { *v } else { f64::NAN });
    }
    let from = |r: usize, axis: usize| {
        let at = r as f64 + whole[axis];
        (at >= 0.0 && at < shifted.shape()[axis] as f64).then_some(at as usize)
    };
    Ok(Array2::from_shape_fn(shape, |(y, x)| match (from(y, 0), from(x, 1)) {
        (Some(y), Some(x)) => shifted[(y, x)],
        _ => f64::NAN,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_lands_where_the_reference_has_it() {
        let scene = |y: f64, x: f64| (0.3 * y).sin() + (0.2 * x).cos();
        let shift = [-3.25, 5.75];
        let moving =
            Array2::from_shape_fn((40, 50), |(y, x)| scene(y as f64 - shift[0], x as f64 - shift[1]));
        let back = onto_reference(&moving, shift, (44, 48), false).unwrap();
        for ((y, x), v) in back.indexed_iter() {
            // Rows below 3.25 − and columns beyond 49 − 5.75 were not recorded.
            let seen = y as f64 >= 3.25 && y as f64 <= 42.25 && x as f64 <= 43.25;
            assert_eq!(v.is_finite(), seen, "({y}, {x})");
            // At the border splines see one side only.
            assert!(!seen || (v - scene(y as f64, x as f64)).abs() < 0.02, "({y}, {x})");
        }
    }

    #[test]
    fn a_missing_pixel_stays_missing() {
        let mut moving = Array2::from_elem((16, 16), 2.0);
        moving[(8, 8)] = f64::NAN;
        let back = onto_reference(&moving, [1.0, 0.0], (16, 16), false).unwrap();
        assert!(back[(7, 8)].is_nan() && (back[(7, 9)] - 2.0).abs() < 1e-9);
    }
}
