//! Line integrals through voxels.

use nalgebra::Vector3;
use ndarray::parallel::prelude::*;
use ndarray::{Array3, ArrayView3, Axis};
use nonius_core::tilt_series::Geometry;
use nonius_core::{Error, check_shape};

use super::params::check_voxels;
use crate::Result;

/// Samples along a ray, per voxel edge.
const DENSITY: usize = 4;

/// Line integrals `(N, J, K)` through a volume `(X, Y, Z)`, interpolated linearly between voxel centres and 0 outside:
/// its value is taken every quarter of a voxel along the ray through the middle of each pixel.
///
/// Plain and slow, and unlike the projectors that it is meant to check.
///
/// # Errors
/// Those of [`Geometry::validate`]; [`Error::Shape`] unless the volume is of the geometry's shape,
/// [`Error::NotFinite`] for such a voxel, [`Error::Parameter`] for more than 2³¹ pixels.
pub fn project_voxels(volume: ArrayView3<'_, f32>, geometry: &Geometry) -> Result<Array3<f64>> {
    geometry.validate()?;
    check_shape("volume", &geometry.volume_shape, volume.shape())?;
    check_voxels("shape of the images", geometry.stack_shape())?;
    if let Some((index, _)) = volume.indexed_iter().find(|(_, v)| !v.is_finite()) {
        return Err(Error::NotFinite { what: "volume", index: vec![index.0, index.1, index.2] });
    }
    let half = Vector3::from(geometry.volume_shape).map(|n| n as f64 / 2.0);
    // The volume ends one voxel beyond its outermost centres, everywhere within this ball.
    let reach = half.add_scalar(1.0).norm();
    let n = (2.0 * reach).ceil() as usize * DENSITY;
    let step = 1.0 / DENSITY as f64;
    let [_, n_j, n_k] = geometry.stack_shape();
    let mut images = Array3::zeros(geometry.stack_shape());
    images.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(index, mut image)| {
        let view = geometry.views[index];
        let seen = geometry.directions(index);
        for ((a, b), pixel) in image.indexed_iter_mut() {
            let along_j = a as f64 + 0.5 - n_j as f64 / 2.0 + view.j_offset;
            let along_k = b as f64 + 0.5 - n_k as f64 / 2.0 + view.k_offset;
            let c = seen.j * along_j + seen.k * along_k;
            let first = -0.5 * n as f64 * step;
            let along = |s: usize| c + seen.p * (first + (s as f64 + 0.5) * step) + half.add_scalar(-0.5);
            *pixel = step * (0..n).map(|s| trilinear(&volume, along(s))).sum::<f64>();
        }
    });
    Ok(images)
}

/// The value at voxel index `q`, a fraction.
fn trilinear(volume: &ArrayView3<'_, f32>, q: Vector3<f64>) -> f64 {
    let below = q.map(f64::floor);
    let f = q - below;
    let mut sum = 0.0;
    for corner in 0..8 {
        let step = Vector3::new(corner >> 2, corner >> 1 & 1, corner & 1).map(f64::from);
        let at = below + step;
        let weight: f64 = (0..3).map(|k| if step[k] == 1.0 { f[k] } else { 1.0 - f[k] }).product();
        let inside = (0..3).all(|k| at[k] >= 0.0 && at[k] < volume.shape()[k] as f64);
        if inside && weight > 0.0 {
            sum += weight * f64::from(volume[(at.x as usize, at.y as usize, at.z as usize)]);
        }
    }
    sum
}
