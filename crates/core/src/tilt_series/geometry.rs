use nalgebra::{Matrix3, Vector3};

use super::rotation::{ORTHONORMAL, check_rotation, rotation_about};
use crate::{Error, Result};

/// Directions of the laboratory before any rotation, of length 1 and perpendicular to each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Laboratory {
    /// Along the beam. Default: (0, 1, 0).
    pub p: Vector3<f64>,
    /// Along the first image index. Default: (1, 0, 0).
    pub j: Vector3<f64>,
    /// Along the second image index. Default: (0, 0, 1).
    pub k: Vector3<f64>,
}

impl Default for Laboratory {
    fn default() -> Self {
        Laboratory { p: Vector3::y(), j: Vector3::x(), k: Vector3::z() }
    }
}

impl Laboratory {
    /// Checks that the triple is orthonormal within 1e-6; either handedness is right.
    ///
    /// # Errors
    /// [`Error::Parameter`] with the deviation.
    pub fn validate(&self) -> Result<()> {
        let columns = Matrix3::from_columns(&[self.p, self.j, self.k]);
        let deviation = (columns.transpose() * columns - Matrix3::identity()).amax();
        if deviation <= ORTHONORMAL {
            return Ok(());
        }
        Err(Error::parameter(
            "p, j and k directions",
            "orthonormal within 1e-6",
            format_args!("a triple that is off by {deviation:.3e}"),
        ))
    }

    /// The triple turned by `rotation`: every direction v becomes `rotation · v`.
    pub fn rotated(&self, rotation: &Matrix3<f64>) -> Self {
        Laboratory { p: rotation * self.p, j: rotation * self.j, k: rotation * self.k }
    }
}

/// The angles by which a goniometer made a rotation: `R = R(outer) · R(inner)`, right-handed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ViewAngles {
    /// Rotation about the inner axis, rad.
    pub inner_angle: f64,
    /// The axis that is turned first. Default: (0, 0, −1).
    pub inner_axis: Vector3<f64>,
    /// Rotation about the outer axis, rad.
    pub outer_angle: f64,
    /// The axis that is turned last. Default: (1, 0, 0).
    pub outer_axis: Vector3<f64>,
}

impl Default for ViewAngles {
    fn default() -> Self {
        ViewAngles { inner_angle: 0.0, inner_axis: -Vector3::z(), outer_angle: 0.0, outer_axis: Vector3::x() }
    }
}

impl ViewAngles {
    /// The rotation of the sample in the laboratory, `R(outer) · R(inner)`.
    ///
    /// # Errors
    /// [`Error::Parameter`] if an angle is not finite or an axis has no direction.
    pub fn rotation(&self) -> Result<Matrix3<f64>> {
        Ok(rotation_about(self.outer_axis, self.outer_angle)?
            * rotation_about(self.inner_axis, self.inner_angle)?)
    }
}

/// One projection: how the sample was turned, and where its image lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// Rotation R of the sample in the laboratory.
    pub rotation: Matrix3<f64>,
    /// Displacement px along j that aligns the image.
    pub j_offset: f64,
    /// Displacement px along k that aligns the image.
    pub k_offset: f64,
    /// Angles that the rotation was made from, where they are known.
    pub angles: Option<ViewAngles>,
}

impl View {
    /// A view with this rotation and no offset.
    pub fn from_rotation(rotation: Matrix3<f64>) -> Self {
        View { rotation, j_offset: 0.0, k_offset: 0.0, angles: None }
    }

    /// A view by angles, with no offset.
    ///
    /// # Errors
    /// Those of [`ViewAngles::rotation`].
    pub fn from_angles(angles: ViewAngles) -> Result<Self> {
        Ok(View { angles: Some(angles), ..View::from_rotation(angles.rotation()?) })
    }
}

/// What only scattering channels need.
#[derive(Debug, Clone, PartialEq)]
pub struct Scattering {
    /// Centres of the detector's segments, rad.
    pub detector_angles: Vec<f64>,
    /// Direction of detector angle 0. Default: (1, 0, 0).
    pub direction_origin: Vector3<f64>,
    /// Direction of detector angle π/2. Default: (0, 0, 1).
    pub direction_positive_90: Vector3<f64>,
    /// Scattering angles 2θ, rad.
    pub two_theta: Vec<f64>,
    /// Whether the segments go around the whole circle.
    pub full_circle_covered: bool,
}

/// The directions of a view, seen from the sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Directions {
    /// Along the beam.
    pub p: Vector3<f64>,
    /// Along the first image index.
    pub j: Vector3<f64>,
    /// Along the second image index.
    pub k: Vector3<f64>,
}

/// The geometry of a tilt series. Plain data: copy it, change it, compare it.
#[derive(Debug, Clone, PartialEq)]
pub struct Geometry {
    /// Directions before any rotation.
    pub laboratory: Laboratory,
    /// One entry per projection.
    pub views: Vec<View>,
    /// Shape (X, Y, Z) of the volume.
    pub volume_shape: [usize; 3],
    /// Shape (J, K) of every image.
    pub projection_shape: [usize; 2],
    /// For scattering channels.
    pub scattering: Option<Scattering>,
}

/// Offsets after a common translation of the sample has been taken off.
#[derive(Debug, Clone, PartialEq)]
pub struct Translated {
    /// What is left of each view's `[j, k]`, px.
    pub residuals: Vec<[f64; 2]>,
    /// The translation t, voxels; 0 along directions that no view can see.
    pub translation: Vector3<f64>,
    /// Singular values of the map from t to offsets, largest first, over the root of the number of views.
    /// A small ratio of the last to the first: the translation along that direction is weakly known.
    pub singular_values: [f64; 3],
}

impl Geometry {
    /// A series about one axis of the sample: view i is turned by `angles[i]` rad about `axis`, right-handed.
    ///
    /// # Errors
    /// [`Error::Parameter`] if an angle is not finite or the axis has no direction.
    pub fn single_axis(
        axis: Vector3<f64>,
        angles: &[f64],
        projection_shape: [usize; 2],
        volume_shape: [usize; 3],
    ) -> Result<Self> {
        let view = |angle: &f64| {
            View::from_angles(ViewAngles { inner_angle: *angle, inner_axis: axis, ..Default::default() })
        };
        let views = angles.iter().map(view).collect::<Result<_>>()?;
        Ok(Geometry {
            laboratory: Laboratory::default(),
            views,
            volume_shape,
            projection_shape,
            scattering: None,
        })
    }

    /// Number of projections.
    pub fn len(&self) -> usize {
        self.views.len()
    }

    /// True without any projection.
    pub fn is_empty(&self) -> bool {
        self.views.is_empty()
    }

    /// Shape (N, J, K) of the images.
    pub fn stack_shape(&self) -> [usize; 3] {
        let [j, k] = self.projection_shape;
        [self.len(), j, k]
    }

    /// The directions of view `index`, seen from the sample.
    ///
    /// # Panics
    /// If there is no such view.
    pub fn directions(&self, index: usize) -> Directions {
        let back = self.views[index].rotation.transpose();
        let Laboratory { p, j, k } = self.laboratory;
        Directions { p: back * p, j: back * j, k: back * k }
    }

    /// `[j, k]` offsets of every view, px.
    pub fn offsets(&self) -> Vec<[f64; 2]> {
        self.views.iter().map(|view| [view.j_offset, view.k_offset]).collect()
    }

    /// The same geometry with these `[j, k]` offsets.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is one per view.
    pub fn with_offsets(mut self, offsets: &[[f64; 2]]) -> Result<Self> {
        crate::check_shape("offsets", &[self.len(), 2], &[offsets.len(), 2])?;
        for (view, [j, k]) in self.views.iter_mut().zip(offsets) {
            (view.j_offset, view.k_offset) = (*j, *k);
        }
        Ok(self)
    }

    /// The same series of views, `indices` only, in that order.
    ///
    /// # Errors
    /// [`Error::Parameter`] if there is no such view.
    pub fn subset(&self, indices: &[usize]) -> Result<Self> {
        if let Some(missing) = indices.iter().find(|index| **index >= self.len()) {
            return Err(Error::parameter("indices", "indices of views", missing));
        }
        let views = indices.iter().map(|index| self.views[*index]).collect();
        Ok(Geometry { views, ..self.clone() })
    }

    /// Turns the reconstruction: every rotation becomes `R · rotation`, and angles are forgotten.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless `rotation` is one.
    pub fn rotate_reconstruction(&mut self, rotation: &Matrix3<f64>) -> Result<()> {
        check_rotation("rotation", rotation)?;
        for view in &mut self.views {
            view.rotation *= rotation;
            view.angles = None;
        }
        Ok(())
    }

    /// Turns the laboratory: every direction v becomes `rotation · v`. Turning by A, then by B, is turning by BA.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless `rotation` is one.
    pub fn rotate_laboratory(&mut self, rotation: &Matrix3<f64>) -> Result<()> {
        check_rotation("rotation", rotation)?;
        self.laboratory = self.laboratory.rotated(rotation);
        Ok(())
    }

    /// The offsets that differ from the present ones by a translation t of the sample: those of view i by
    /// `(j·t, k·t)`.
    pub fn translated(&self, t: Vector3<f64>) -> Vec<[f64; 2]> {
        let moved = |(index, view): (usize, &View)| {
            let Directions { j, k, .. } = self.directions(index);
            [view.j_offset + j.dot(&t), view.k_offset + k.dot(&t)]
        };
        self.views.iter().enumerate().map(moved).collect()
    }

    /// Takes the common translation off offsets (or differences of offsets): t minimises
    /// `Σ (j_offset − j·t)² + (k_offset − k·t)²`.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is one per view; those of [`Geometry::validate`].
    pub fn remove_translation(&self, offsets: &[[f64; 2]]) -> Result<Translated> {
        self.validate()?;
        crate::check_shape("offsets", &[self.len(), 2], &[offsets.len(), 2])?;
        let mut normal = Matrix3::zeros();
        let mut right = Vector3::zeros();
        for (index, [oj, ok]) in offsets.iter().enumerate() {
            let Directions { j, k, .. } = self.directions(index);
            normal += j * j.transpose() + k * k.transpose();
            right += j * *oj + k * *ok;
        }
        let eigen = normal.symmetric_eigen();
        let largest = eigen.eigenvalues.amax();
        let mut translation = Vector3::zeros();
        for axis in 0..3 {
            // Directions along which every view looks do not show in any offset.
            if eigen.eigenvalues[axis] > 1e-12 * largest {
                let direction = eigen.eigenvectors.column(axis);
                translation += direction * (direction.dot(&right) / eigen.eigenvalues[axis]);
            }
        }
        let residual = |(index, [oj, ok]): (usize, &[f64; 2])| {
            let Directions { j, k, .. } = self.directions(index);
            [oj - j.dot(&translation), ok - k.dot(&translation)]
        };
        let residuals = offsets.iter().enumerate().map(residual).collect();
        let mut singular_values =
            [0, 1, 2].map(|axis| (eigen.eigenvalues[axis].max(0.0) / self.len().max(1) as f64).sqrt());
        singular_values.sort_by(|a, b| b.total_cmp(a));
        Ok(Translated { residuals, translation, singular_values })
    }

    /// The direction about which the views are turned against each other, in the sample, of length 1 and
    /// along +j or +k rather than against; `None` if there is no one axis (a scan about two, or one view).
    ///
    /// A direction n is the axis if every view sees it alike: `R₀ᵀ`-relative rotations leave it in place within
    /// 1e-3.
    pub fn rotation_axis(&self) -> Option<Vector3<f64>> {
        self.validate().ok()?;
        let first = self.views.first()?.rotation;
        // n with (RᵢᵀR₀ − 1) n = 0 for all i: the null direction of the sum of squares.
        let mut squares = Matrix3::zeros();
        for view in &self.views {
            let turned = view.rotation.transpose() * first - Matrix3::identity();
            squares += turned.transpose() * turned;
        }
        squares /= self.len() as f64;
        let eigen = squares.symmetric_eigen();
        let mut order = [0, 1, 2];
        order.sort_by(|a, b| eigen.eigenvalues[*a].total_cmp(&eigen.eigenvalues[*b]));
        let [smallest, middle] = [order[0], order[1]].map(|axis| eigen.eigenvalues[axis].max(0.0).sqrt());
        if !(smallest <= 1e-3 && middle > 1e-2) {
            return None;
        }
        let axis: Vector3<f64> = eigen.eigenvectors.column(order[0]).into_owned();
        let Directions { j, k, .. } = self.directions(0);
        let along = [axis.dot(&j), axis.dot(&k)];
        let larger = if along[0].abs() > along[1].abs() { along[0] } else { along[1] };
        Some(if larger < 0.0 { -axis } else { axis })
    }

    /// Checks shapes, the laboratory's directions, every rotation and every offset.
    ///
    /// # Errors
    /// [`Error::Empty`] without views or with an empty axis; [`Error::Frame`] with the number of the view
    /// whose rotation or offset is wrong.
    pub fn validate(&self) -> Result<()> {
        crate::check_not_empty("projections", &self.stack_shape())?;
        crate::check_not_empty("volume", &self.volume_shape)?;
        self.laboratory.validate()?;
        for (index, view) in self.views.iter().enumerate() {
            let in_view = |error: Error| Error::Frame { index, reason: error.to_string() };
            check_rotation("rotation", &view.rotation).map_err(in_view)?;
            for (name, offset) in [("j_offset", view.j_offset), ("k_offset", view.k_offset)] {
                if !offset.is_finite() {
                    return Err(in_view(Error::parameter(name, "finite", offset)));
                }
            }
        }
        Ok(())
    }
}
