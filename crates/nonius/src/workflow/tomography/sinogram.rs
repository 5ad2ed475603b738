//! One line of every projection, to look at.

use ndarray::{Array2, ArrayView3, Axis};
use nonius_core::tilt_series::Geometry;
use nonius_core::{Error, Real, Result, SplineDegree, check_shape, spline_shift};

/// The line of pixels in the middle of the axis of rotation, across it, of every projection moved by its offset:
/// `(position across, projection)`, NaN where a projection has no content. Without one axis the line runs along j.
///
/// In a series that is aligned its features are sinusoids.
///
/// # Errors
/// [`Error::Shape`] unless `images` and `offsets` are those of the geometry; what [`Geometry::validate`] finds.
pub fn sinogram<F: Real>(
    geometry: &Geometry,
    images: ArrayView3<'_, F>,
    offsets: &[[f64; 2]],
) -> Result<Array2<f64>> {
    geometry.validate()?;
    check_shape("images", &geometry.stack_shape(), images.shape())?;
    check_shape("offsets", &[geometry.len(), 2], &[offsets.len(), 2])?;
    if offsets.iter().flatten().any(|v| !v.is_finite()) {
        return Err(Error::parameter("offsets", "finite", "one that is not"));
    }
    let along_j = geometry.rotation_axis().is_some_and(|axis| {
        let directions = geometry.directions(0);
        directions.j.dot(&axis).abs() > directions.k.dot(&axis).abs()
    });
    // The image index along the axis, and the one across it.
    let (along, across) = if along_j { (0, 1) } else { (1, 0) };
    let [n_j, n_k] = geometry.projection_shape;
    let middle = [n_j, n_k][along] / 2;
    let mut lines = Array2::from_elem(([n_j, n_k][across], geometry.len()), f64::NAN);
    for (i, (mut line, offset)) in lines.columns_mut().into_iter().zip(offsets).enumerate() {
        if offset[0].abs() >= n_j as f64 || offset[1].abs() >= n_k as f64 {
            continue;
        }
        let image = images.index_axis(Axis(0), i).mapv(|v| v.f64());
        let moved = spline_shift(image.view(), *offset, SplineDegree::Linear, f64::NAN)?;
        line.assign(&moved.index_axis(Axis(along), middle));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    #[test]
    fn lines_are_moved_by_their_offsets() {
        let geometry = Geometry::single_axis(nalgebra::Vector3::z(), &[0.0, 0.5], [6, 3], [6, 6, 3]).unwrap();
        let images = Array3::from_shape_fn((2, 6, 3), |(_, j, _)| j as f64);
        let lines = sinogram(&geometry, images.view(), &[[0.0; 2], [1.0, 0.0]]).unwrap();
        assert_eq!(lines.dim(), (6, 2));
        assert_eq!(lines[(3, 0)], 3.0);
        assert_eq!(lines[(3, 1)], 2.0);
        assert!(lines[(0, 1)].is_nan());
        let far = sinogram(&geometry, images.view(), &[[0.0; 2], [1e12, 0.0]]).unwrap();
        assert!(far.column(1).iter().all(|v| v.is_nan()));
        assert!(sinogram(&geometry, images.view(), &[[0.0; 2]]).is_err());
    }
}
