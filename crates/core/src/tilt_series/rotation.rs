use nalgebra::{Matrix3, Vector3};

use crate::{Error, Result};

/// How far from orthonormal a rotation or a triple of directions may be.
pub(super) const ORTHONORMAL: f64 = 1e-6;

/// The rotation by `angle` rad about `axis`, right-handed (Rodrigues): `R = cos φ + sin φ [n]× + (1 − cos φ) n nᵀ`.
/// The axis need not be of length 1.
///
/// # Errors
/// [`Error::Parameter`] if the angle is not finite, or the axis has no direction.
pub fn rotation_about(axis: Vector3<f64>, angle: f64) -> Result<Matrix3<f64>> {
    if !angle.is_finite() {
        return Err(Error::parameter("angle", "finite", angle));
    }
    let length = axis.norm();
    if !(length.is_finite() && length > 1e-12) {
        return Err(Error::parameter("axis", "a direction", format_args!("{:?}", axis.as_slice())));
    }
    Ok(rotation_by(axis * (angle / length)))
}

/// The rotation about the direction of `vector` by its length in rad; none for the vector 0.
pub fn rotation_by(vector: Vector3<f64>) -> Matrix3<f64> {
    let angle = vector.norm();
    let skew = vector.cross_matrix();
    // sin φ/φ and (1 − cos φ)/φ², the latter without cancellation.
    let half = 0.5 * angle;
    let sinc = if angle == 0.0 { 1.0 } else { angle.sin() / angle };
    let half_sinc = if half == 0.0 { 1.0 } else { half.sin() / half };
    Matrix3::identity() + skew * sinc + skew * skew * (0.5 * half_sinc * half_sinc)
}

/// [`Error::Parameter`] unless `RRᵀ = 1` within 1e-6 and det R = 1.
pub fn check_rotation(name: &'static str, rotation: &Matrix3<f64>) -> Result<()> {
    let deviation = (rotation * rotation.transpose() - Matrix3::identity()).amax();
    if deviation.is_nan() || deviation > ORTHONORMAL {
        return Err(Error::parameter(
            name,
            "orthonormal within 1e-6",
            format_args!("a matrix whose RRᵀ differs from 1 by {deviation:.3e}"),
        ));
    }
    if rotation.determinant() < 0.0 {
        return Err(Error::parameter(name, "a rotation", "a reflection (determinant −1)"));
    }
    Ok(())
}
