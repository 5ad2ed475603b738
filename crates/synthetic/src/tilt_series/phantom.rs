//! Samples made of ellipsoids and Gaussians.

use nalgebra::{Matrix3, Vector3};
use ndarray::parallel::prelude::*;
use ndarray::{Array3, Axis};
use nonius_core::check_finite;
use nonius_core::tilt_series::{Geometry, rotation_by};
use serde::{Deserialize, Serialize};

use super::params::check_voxels;
use crate::{Result, check};

/// How the density of a [`Body`] falls off, in terms of u = Rᵀ (r − center) / semi_axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BodyShape {
    /// `value` where |u| ≤ 1, else 0.
    #[default]
    Ellipsoid,
    /// `value · exp(−|u|²/2)`: the semi-axes are standard deviations.
    Gaussian,
}

/// An ellipsoid or a Gaussian of any orientation. Its line integrals have a closed form.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Body {
    /// Ellipsoid (default) or Gaussian.
    pub shape: BodyShape,
    /// Centre (x, y, z) in voxels from the middle of the volume; default 0.
    pub center: [f64; 3],
    /// Semi-axes, or standard deviations, along x, y, z before the rotation, voxels, above 0; default 1.
    pub semi_axes: [f64; 3],
    /// The rotation R of the body: about this vector by its length in rad, right-handed; default none.
    pub rotation: [f64; 3],
    /// Density, per voxel edge; it may be negative. Default 1.
    pub value: f64,
}

impl Default for Body {
    fn default() -> Self {
        Body {
            shape: BodyShape::Ellipsoid,
            center: [0.0; 3],
            semi_axes: [1.0; 3],
            rotation: [0.0; 3],
            value: 1.0,
        }
    }
}

impl Body {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Parameter`](nonius_core::Error::Parameter) if a number is not finite or beyond 1e9, or a
    /// semi-axis not between 1e-6 and 1e9.
    pub fn validate(&self) -> Result<()> {
        let moderate = |v: &[f64]| v.iter().all(|v| v.abs() <= 1e9);
        let finite = "finite and at most 1e9";
        check(moderate(&self.center), "center of a body", finite, format!("{:?}", self.center))?;
        check(moderate(&self.rotation), "rotation of a body", finite, format!("{:?}", self.rotation))?;
        check(moderate(&[self.value]), "value of a body", finite, self.value)?;
        let extended = self.semi_axes.iter().all(|s| (1e-6..=1e9).contains(s));
        check(extended, "semi_axes of a body", "between 1e-6 and 1e9", format!("{:?}", self.semi_axes))
    }

    /// The integral of the density over space: 4/3 π abc, or (2π)^(3/2) abc, times `value`.
    pub fn mass(&self) -> f64 {
        use std::f64::consts::PI;
        let [a, b, c] = self.semi_axes;
        let volume = match self.shape {
            BodyShape::Ellipsoid => 4.0 / 3.0 * PI,
            BodyShape::Gaussian => (2.0 * PI).powf(1.5),
        };
        volume * a * b * c * self.value
    }

    fn prepared(&self) -> Prepared {
        let scale = Matrix3::from_diagonal(&Vector3::from(self.semi_axes).map(f64::recip));
        Prepared {
            shape: self.shape,
            center: self.center.into(),
            to_unit: scale * rotation_by(self.rotation.into()).transpose(),
            value: self.value,
        }
    }
}

/// A body with the map r → u = `to_unit` (r − center) worked out.
struct Prepared {
    shape: BodyShape,
    center: Vector3<f64>,
    to_unit: Matrix3<f64>,
    value: f64,
}

impl Prepared {
    fn density(&self, r: Vector3<f64>) -> f64 {
        let u2 = (self.to_unit * (r - self.center)).norm_squared();
        match self.shape {
            BodyShape::Ellipsoid if u2 <= 1.0 => self.value,
            BodyShape::Ellipsoid => 0.0,
            BodyShape::Gaussian => self.value * (-0.5 * u2).exp(),
        }
    }

    /// The integral along c + t p, |p| = 1. In units of the semi-axes the line is o + t d; with A = d·d and the
    /// distance h of the line from the centre, h² = o·o − (o·d)²/A,
    ///
    /// ```text
    /// ellipsoid: 2 √((1 − h²)/A)    Gaussian: √(2π/A) exp(−h²/2)
    /// ```
    fn line_integral(&self, c: Vector3<f64>, p: Vector3<f64>) -> f64 {
        let (o, d) = (self.to_unit * (c - self.center), self.to_unit * p);
        let a = d.norm_squared();
        // The foot of the perpendicular, squared: o·o − (o·d)²/A would cancel far from the body.
        let h2 = (o - d * (o.dot(&d) / a)).norm_squared();
        let length = match self.shape {
            BodyShape::Ellipsoid => 2.0 * ((1.0 - h2).max(0.0) / a).sqrt(),
            BodyShape::Gaussian => (std::f64::consts::TAU / a).sqrt() * (-0.5 * h2).exp(),
        };
        self.value * length
    }
}

/// A sample: the sum of bodies.
///
/// ```
/// use nonius_synthetic::{Body, Phantom};
///
/// let ball = Body { semi_axes: [3.0; 3], center: [0.0, 0.0, 1.0], value: 0.5, ..Default::default() };
/// let phantom = Phantom { bodies: vec![ball] };
/// // Through the centre: 6 voxels of 0.5. Beside it by 1.8: 2 √(3² − 1.8²) = 4.8 voxels.
/// assert!((phantom.line_integral([0.0, -50.0, 1.0], [0.0, 1.0, 0.0])? - 3.0).abs() < 1e-12);
/// assert!((phantom.line_integral([1.8, 0.0, 1.0], [0.0, 2.0, 0.0])? - 2.4).abs() < 1e-12);
/// # Ok::<(), nonius_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Phantom {
    /// The bodies, at most 65 536; default none.
    pub bodies: Vec<Body>,
}

impl Phantom {
    /// A cell with inclusions, a void and grains, inside the ball that touches the sides of a volume of this
    /// shape. Lengths grow with the smallest side s and densities as 1/s, so that the largest line integral stays
    /// about 0.35 whatever the size. It has no symmetry.
    pub fn within(volume_shape: [usize; 3]) -> Self {
        use BodyShape::{Ellipsoid, Gaussian};
        let side = volume_shape.into_iter().min().unwrap_or(0).max(1) as f64;
        // Lengths for a side of 100, and line integrals along 100 voxels.
        let body = |shape, center, semi_axes, rotation, value| {
            Body { shape, center, semi_axes, rotation, value }.scaled(side / 100.0)
        };
        let bodies = vec![
            body(Ellipsoid, [0.0, 0.0, 0.0], [41.0, 34.0, 36.0], [0.15, 0.25, 0.4], 0.0028),
            body(Ellipsoid, [16.0, -8.0, 12.0], [10.0, 13.0, 8.0], [0.3, 0.0, 0.8], 0.0052),
            body(Ellipsoid, [-19.0, 11.0, -9.0], [8.0, 9.0, 13.0], [0.0, 0.5, 0.2], 0.0042),
            body(Ellipsoid, [6.0, 17.0, -18.0], [7.0, 6.0, 5.5], [0.0, 0.0, 0.0], 0.008),
            body(Ellipsoid, [-4.0, 3.0, 2.0], [8.0, 5.5, 11.0], [0.2, 0.9, 0.1], -0.0022),
            body(Gaussian, [25.0, 8.0, -10.0], [3.6, 4.4, 5.0], [0.0, 0.3, 0.0], 0.008),
            body(Gaussian, [-21.0, -12.0, 5.0], [3.5, 5.0, 4.0], [0.0, 0.0, 0.4], 0.008),
            body(Gaussian, [7.0, -21.0, -17.0], [4.5, 3.5, 3.5], [0.5, 0.0, 0.0], 0.007),
        ];
        Phantom { bodies }
    }

    /// The same sample `factor` times as large, with the same line integrals through it: lengths times `factor`,
    /// densities divided by it.
    pub fn scaled(&self, factor: f64) -> Self {
        Phantom { bodies: self.bodies.iter().map(|body| body.scaled(factor)).collect() }
    }

    /// Checks every body.
    ///
    /// # Errors
    /// [`Error::Parameter`](nonius_core::Error::Parameter) for too many, and those of [`Body::validate`].
    pub fn validate(&self) -> Result<()> {
        check(self.bodies.len() <= 1 << 16, "number of bodies", "at most 65536", self.bodies.len())?;
        self.bodies.iter().try_for_each(Body::validate)
    }

    /// The integral of the density over space.
    pub fn mass(&self) -> f64 {
        self.bodies.iter().map(Body::mass).sum()
    }

    /// The integral of the density along the line through `point`, voxels from the middle of the volume, along
    /// `direction`, of any length but 0.
    ///
    /// # Errors
    /// Those of [`Phantom::validate`]; [`Error::Parameter`](nonius_core::Error::Parameter) if the point is not
    /// finite or the direction is none.
    pub fn line_integral(&self, point: [f64; 3], direction: [f64; 3]) -> Result<f64> {
        self.validate()?;
        let finite = point.iter().all(|v| v.is_finite());
        check(finite, "point of a line", "finite", format!("{point:?}"))?;
        let p = Vector3::from(direction);
        let length = p.norm();
        let is_direction = length.is_finite() && length > 1e-12;
        check(is_direction, "direction of a line", "a vector above 0", format!("{direction:?}"))?;
        let along = p / length;
        Ok(self.bodies.iter().map(|body| body.prepared().line_integral(point.into(), along)).sum())
    }

    /// The line integrals that a series of this geometry shows, `(N, J, K)`: in every pixel the mean over
    /// `samples_per_pixel` × `samples_per_pixel` rays. Offsets of the geometry are those that align the images: a
    /// point r appears at pixel index `a = r·j − j_offset + J/2 − ½`.
    ///
    /// # Errors
    /// Those of [`Phantom::validate`] and [`Geometry::validate`];
    /// [`Error::Parameter`](nonius_core::Error::Parameter) for other than 1 to 16 samples, or more than 2³¹
    /// pixels.
    pub fn project(&self, geometry: &Geometry, samples_per_pixel: usize) -> Result<Array3<f64>> {
        self.validate()?;
        geometry.validate()?;
        check_samples("samples_per_pixel", samples_per_pixel)?;
        check_voxels("shape of the images", geometry.stack_shape())?;
        let bodies: Vec<Prepared> = self.bodies.iter().map(Body::prepared).collect();
        let [_, n_j, n_k] = geometry.stack_shape();
        let n = samples_per_pixel;
        // Middle of sub-pixel s of n, relative to the middle of the pixel.
        let beside = |s: usize| (s as f64 + 0.5) / n as f64 - 0.5;
        let mut images = Array3::zeros(geometry.stack_shape());
        images.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(index, mut image)| {
            let view = geometry.views[index];
            let seen = geometry.directions(index);
            for ((a, b), pixel) in image.indexed_iter_mut() {
                let mut sum = 0.0;
                for s in 0..n * n {
                    let (da, db) = (beside(s / n), beside(s % n));
                    let along_j = a as f64 + 0.5 - n_j as f64 / 2.0 + da + view.j_offset;
                    let along_k = b as f64 + 0.5 - n_k as f64 / 2.0 + db + view.k_offset;
                    let c = seen.j * along_j + seen.k * along_k;
                    sum += bodies.iter().map(|body| body.line_integral(c, seen.p)).sum::<f64>();
                }
                *pixel = sum / (n * n) as f64;
            }
        });
        check_finite("line integrals", images.view())?;
        Ok(images)
    }

    /// The density in the voxels of a volume `(X, Y, Z)`, each the mean over `samples_per_voxel`³ points.
    ///
    /// # Errors
    /// Those of [`Phantom::validate`]; [`Error::Empty`](nonius_core::Error::Empty) for a side of 0;
    /// [`Error::Parameter`](nonius_core::Error::Parameter) for other than 1 to 16 samples, or more than 2³¹ voxels.
    pub fn voxelised(&self, shape: [usize; 3], samples_per_voxel: usize) -> Result<Array3<f32>> {
        self.validate()?;
        check_samples("samples_per_voxel", samples_per_voxel)?;
        check_voxels("shape of the volume", shape)?;
        let bodies: Vec<Prepared> = self.bodies.iter().map(Body::prepared).collect();
        let n = samples_per_voxel;
        let mut volume = Array3::zeros(shape);
        volume.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(x, mut slab)| {
            for ((y, z), voxel) in slab.indexed_iter_mut() {
                let at = |axis: usize, index: usize, s: usize| {
                    index as f64 + (s as f64 + 0.5) / n as f64 - shape[axis] as f64 / 2.0
                };
                let mut sum = 0.0;
                for s in 0..n * n * n {
                    let r = Vector3::new(at(0, x, s / (n * n)), at(1, y, s / n % n), at(2, z, s % n));
                    sum += bodies.iter().map(|body| body.density(r)).sum::<f64>();
                }
                *voxel = (sum / (n * n * n) as f64) as f32;
            }
        });
        Ok(volume)
    }
}

impl Body {
    fn scaled(self, factor: f64) -> Self {
        Body {
            center: self.center.map(|v| v * factor),
            semi_axes: self.semi_axes.map(|v| v * factor),
            value: self.value / factor,
            ..self
        }
    }
}

fn check_samples(name: &'static str, samples: usize) -> Result<()> {
    check((1..=16).contains(&samples), name, "1 to 16", samples)
}
