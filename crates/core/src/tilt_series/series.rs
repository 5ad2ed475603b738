use ndarray::{Array3, Array4};

use super::Geometry;
use crate::{Error, Real, Result, check_shape};

/// Images of a sample under known rotations, with what is known of each.
///
/// At least one of `images` and `scattering` is present.
#[derive(Debug, Clone, PartialEq)]
pub struct TiltSeries<F> {
    /// Rotations, offsets, shapes.
    pub geometry: Geometry,
    /// One number per pixel, `(N, J, K)`: transmitted intensity ("diode"), or an intensity in proportion to
    /// thickness.
    pub images: Option<Array3<F>>,
    /// Scattering channels, `(N, J, K, C)`.
    pub scattering: Option<Array4<F>>,
    /// Weights, `(N, J, K, 1)` or `(N, J, K, C)`, not negative; 0 masks a pixel.
    pub weights: Array4<F>,
}

impl<F: Real> TiltSeries<F> {
    /// A series of images with all weights 1.
    ///
    /// # Errors
    /// [`Error::Shape`] if the images are not of the geometry's shape; what [`Geometry::validate`] finds.
    pub fn new(geometry: Geometry, images: Array3<F>) -> Result<Self> {
        let (n, j, k) = images.dim();
        let series = TiltSeries {
            geometry,
            images: Some(images),
            scattering: None,
            weights: Array4::from_elem((n, j, k, 1), F::one()),
        };
        series.validate()?;
        Ok(series)
    }

    /// Number of projections.
    pub fn len(&self) -> usize {
        self.geometry.len()
    }

    /// True without any projection.
    pub fn is_empty(&self) -> bool {
        self.geometry.is_empty()
    }

    /// Checks the geometry, every shape, and that weights are finite and not negative.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::Parameter`] naming what does not fit.
    pub fn validate(&self) -> Result<()> {
        self.geometry.validate()?;
        let [j, k] = self.geometry.projection_shape;
        let n = self.geometry.len();
        if let Some(images) = &self.images {
            check_shape("images", &[n, j, k], images.shape())?;
        }
        let mut channels = 1;
        if let Some(scattering) = &self.scattering {
            channels = scattering.dim().3;
            check_shape("scattering", &[n, j, k, channels.max(1)], scattering.shape())?;
        }
        if self.images.is_none() && self.scattering.is_none() {
            return Err(Error::parameter("images", "given unless scattering is", "neither"));
        }
        let weights = self.weights.shape();
        if weights[3] != 1 {
            check_shape("weights", &[n, j, k, channels], weights)?;
        } else {
            check_shape("weights", &[n, j, k, 1], weights)?;
        }
        if let Some(bad) = self.weights.iter().find(|w| !(w.is_finite() && **w >= F::zero())) {
            return Err(Error::parameter("weights", "finite and not negative", bad));
        }
        Ok(())
    }
}
