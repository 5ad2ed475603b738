//! Feature vectors of frames.

use ndarray::ArrayView2;
use nonius_core::{Error, Result, check_not_empty, check_shape};

/// One row for each of `n_samples`, at least one column, all finite.
///
/// # Errors
/// [`Error::Shape`], [`Error::Empty`]; [`Error::Parameter`] with the first value that is not finite, and how many there
/// are.
pub(crate) fn check_features(features: ArrayView2<'_, f64>, n_samples: usize) -> Result<()> {
    check_shape("rows of features", &[n_samples], &[features.nrows()])?;
    check_not_empty("features", features.shape())?;
    // A sum is finite only if every element is; the search runs only when it is not.
    if features.sum().is_finite() {
        return Ok(());
    }
    let mut wrong = features.indexed_iter().filter(|(_, v)| !v.is_finite());
    let Some(((row, column), value)) = wrong.next() else { return Ok(()) };
    let got = format!("{value} in row {row}, column {column}, one of {}", 1 + wrong.count());
    Err(Error::parameter("features", "finite", got))
}
