//! Flat methods.

mod bad_input;
mod golden;
mod known;
mod properties;

use ndarray::Array2;

/// Clusters numbered in the order of their first samples; noise is −1.
pub(crate) fn canonical(labels: impl IntoIterator<Item = i64>) -> Vec<i64> {
    let mut seen = vec![];
    let number = |label: i64| {
        if label < 0 {
            return -1;
        }
        let known = seen.iter().position(|&s| s == label);
        known.unwrap_or_else(|| {
            seen.push(label);
            seen.len() - 1
        }) as i64
    };
    labels.into_iter().map(number).collect()
}

/// Labels as numbers; noise is −1.
pub(crate) fn numbers(labels: &[Option<usize>]) -> Vec<i64> {
    labels.iter().map(|label| label.map_or(-1, |k| k as i64)).collect()
}

/// `n_each` samples about each of `centers`, from −1 to 1 along each axis.
pub(crate) fn blobs(centers: &[&[f64]], n_each: usize) -> Array2<f64> {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut random = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    Array2::from_shape_fn((centers.len() * n_each, centers[0].len()), |(i, k)| {
        centers[i / n_each][k] + random()
    })
}
