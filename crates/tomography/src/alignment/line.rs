//! Offsets across the axis of rotation from one line of pixels.

use ndarray::{ArrayView3, Axis};
use nonius_core::tilt_series::Geometry;
use nonius_core::{Error, Real, Result};

use super::axis::ImageAxis;
use super::footprint::{check_stack, measured};

/// What [`align_line`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct LineAlignment {
    /// `[j, k]` offset of every view, px: across the axis what was found, along it what the geometry had.
    pub offsets: Vec<[f64; 2]>,
    /// Index of the line along the axis.
    pub line: usize,
    /// Views whose line has no mass: they keep the offsets that they had.
    pub degenerate: Vec<usize>,
}

/// Aligns views across their axis of rotation by the centre of mass of the line of pixels in the middle of the axis, as
/// the "line vertical alignment" of mumott 2.3 does: index round(size/2), halves to even; the offset is the mean of
/// the centres over all views less the view's own.
///
/// Right only for a sample in the middle of the axis that is not displaced along it, to a quarter of a pixel perhaps;
/// [`align_moments`](super::align_moments) asks for less and gives more. `images` and `weights` as there.
///
/// # Errors
/// [`Error::Parameter`] unless the views are turned about one axis along j or along k; the others as of
/// [`align_moments`](super::align_moments).
pub fn align_line<F: Real>(
    geometry: &Geometry,
    images: ArrayView3<'_, F>,
    weights: Option<ArrayView3<'_, F>>,
) -> Result<LineAlignment> {
    check_stack(geometry, images, weights)?;
    let along = ImageAxis::of(geometry)?.image_index()?;
    let line = (geometry.projection_shape[along] as f64 / 2.0).round_ties_even() as usize;
    // One pixel has its middle at index 0.
    let line = line.min(geometry.projection_shape[along] - 1);
    let center = |i: usize| -> Result<f64> {
        let weight = weights.as_ref().map(|w| w.index_axis(Axis(0), i));
        let (image, _) = measured(images.index_axis(Axis(0), i), weight)
            .map_err(|error| Error::Frame { index: i, reason: error.to_string() })?;
        let (mut mass, mut first) = (0.0, 0.0);
        for (at, value) in image.index_axis(Axis(along), line).iter().enumerate() {
            mass += value;
            first += at as f64 * value;
        }
        Ok(first / mass)
    };
    let centers = (0..geometry.len()).map(center).collect::<Result<Vec<f64>>>()?;
    let sound = || centers.iter().filter(|c| c.is_finite());
    let mean = sound().sum::<f64>() / sound().count() as f64;
    let mut found = LineAlignment { offsets: geometry.offsets(), line, degenerate: vec![] };
    for (i, center) in centers.iter().enumerate() {
        if center.is_finite() {
            found.offsets[i][1 - along] = mean - center;
        } else {
            found.degenerate.push(i);
        }
    }
    Ok(found)
}
