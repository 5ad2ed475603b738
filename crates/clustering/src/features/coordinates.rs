//! Where a frame was taken, as features.

use ndarray::Array2;
use nonius_core::{Result, Roi, check_not_negative, check_shape};

/// Appends the position of each sample, times `weight`: one column for each axis of the scan, slowest first, `α y` and
/// `α x` in a plane. A weight of 0 appends nothing.
///
/// The cost of merging two clusters ([`ward`](crate::ward())) then has a part that is α² times the squared distance of
/// their centroids in steps of the scan. It weighs as much between neighbours as the features do for
/// `α ≈ √F · (typical difference of a scaled feature)`. Usual is 0.2.
///
/// The memory of `features` is used again.
///
/// ```
/// use nonius_clustering::with_coordinates;
/// use nonius_core::Roi;
///
/// let roi = Roi::from_positions(&[2, 3], [[0, 1], [1, 2]])?;
/// let features = with_coordinates(ndarray::array![[7.0], [8.0]], &roi, 0.5)?;
/// assert_eq!(features, ndarray::array![[7.0, 0.0, 0.5], [8.0, 0.5, 1.0]]);
/// # Ok::<(), nonius_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Shape`](nonius_core::Error::Shape) unless there is one row per sample,
/// [`Error::Parameter`](nonius_core::Error::Parameter) for a weight that is negative or not finite.
pub fn with_coordinates(features: Array2<f64>, roi: &Roi, weight: f64) -> Result<Array2<f64>> {
    check_not_negative("weight of coordinates", weight)?;
    check_shape("rows of features", &[roi.len()], &[features.nrows()])?;
    if weight == 0.0 {
        return Ok(features);
    }
    let (n, before) = features.dim();
    let after = before + roi.shape().len();
    let mut values = in_order(features);
    values.resize(n * after, 0.0);
    // From the last row on, so that none is written over before it has moved.
    for i in (0..n).rev() {
        values.copy_within(i * before..(i + 1) * before, i * after);
        let mut position = roi.position(i);
        for (axis, size) in roi.shape().iter().enumerate().rev() {
            values[i * after + before + axis] = weight * (position % size) as f64;
            position /= size;
        }
    }
    Ok(Array2::from_shape_vec((n, after), values).expect("as many values as rows and columns"))
}

/// The elements in C order, in their own memory if they lie so.
fn in_order(features: Array2<f64>) -> Vec<f64> {
    if features.is_standard_layout() {
        let n = features.len();
        let (mut values, first) = features.into_raw_vec_and_offset();
        values.drain(..first.unwrap_or(0));
        values.truncate(n);
        return values;
    }
    features.iter().copied().collect()
}
