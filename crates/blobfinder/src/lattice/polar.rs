//! Vectors as length and direction.

use ndarray::{Array, ArrayView, Axis, Dimension};
use nonius_core::{Result, check_shape};

/// `(r, φ)` of a vector `(y, x)`: `r = √(y² + x²)`, `φ = atan2(y, x)` in radians, −π < φ ≤ π: 0 along +x, π/2 along
/// +y, which is downwards on the screen.
pub fn polar([y, x]: [f64; 2]) -> [f64; 2] {
    [y.hypot(x), y.atan2(x)]
}

/// `(y, x) = (r sin φ, r cos φ)`: the inverse of [`polar`].
pub fn cartesian([r, phi]: [f64; 2]) -> [f64; 2] {
    [r * phi.sin(), r * phi.cos()]
}

/// [`polar`] of every vector of an array whose last axis is `(y, x)`.
///
/// # Errors
/// [`Error::Shape`](nonius_core::Error::Shape) if there is no last axis, or it has not length 2.
pub fn polar_array<D: Dimension>(vectors: ArrayView<'_, f64, D>) -> Result<Array<f64, D>> {
    each(vectors, polar)
}

/// [`cartesian`] of every vector of an array whose last axis is `(r, φ)`.
///
/// # Errors
/// As [`polar_array`].
pub fn cartesian_array<D: Dimension>(vectors: ArrayView<'_, f64, D>) -> Result<Array<f64, D>> {
    each(vectors, cartesian)
}

fn each<D: Dimension>(
    vectors: ArrayView<'_, f64, D>,
    of: impl Fn([f64; 2]) -> [f64; 2],
) -> Result<Array<f64, D>> {
    let last = vectors.shape().last().copied();
    check_shape("vectors, last axis", &[2], last.as_slice())?;
    let mut result = vectors.to_owned();
    let axis = Axis(result.ndim() - 1);
    for mut vector in result.lanes_mut(axis) {
        let [first, second] = of([vector[0], vector[1]]);
        (vector[0], vector[1]) = (first, second);
    }
    Ok(result)
}
