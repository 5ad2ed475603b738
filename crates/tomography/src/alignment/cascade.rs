//! Offsets from registering each image with its neighbour.

use ndarray::{Array2, ArrayView3, Axis};
use nonius_core::tilt_series::Geometry;
use nonius_core::{Error, Progress, Real, Result, SplineDegree, SplineImage, Status};
use nonius_registration::{Registration, RegistrationParams, RegistrationPlan};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::axis::{ImageAxis, untilted};
use super::footprint::{check_stack, measured};

/// Smallest ratio of cosines of tilts between neighbours that stretching makes up for.
const MAX_STRETCH: f64 = 4.0;

/// Parameters of [`align_cascade`].
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CascadeParams {
    /// How two neighbours are registered. Default: cross-correlation over what they share, without wrapping, to
    /// the continuous optimum.
    pub registration: RegistrationParams,
    /// Whether images are stretched by 1/cos(tilt) across the axis before they are compared: right for flat
    /// samples, wrong for round ones. The tilt is counted from the view nearest to no rotation. Default: false.
    pub stretch: bool,
}

/// What [`align_cascade`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct CascadeAlignment {
    /// `[j, k]` offset of every view, px; the first view keeps the one it had.
    pub offsets: Vec<[f64; 2]>,
    /// Standard error of each against the first view, px: variances add up along the chain. Only the noise of
    /// the images is in it, not that neighbours differ.
    pub standard_errors: Vec<[f64; 2]>,
    /// The view from which the chains go out: nearest to no rotation.
    pub first: usize,
    /// Each compared pair: neighbour nearer to the first view, view, what the comparison said.
    pub pairs: Vec<(usize, usize, Registration)>,
    /// Views whose comparison led nowhere: they are taken to lie like their neighbour.
    pub degenerate: Vec<usize>,
}

/// Aligns views by registering each image with its neighbour in tilt, outwards from the view nearest to no rotation,
/// and adding up. Neighbours are those in angle about the one axis, or in the order of recording without one.
///
/// Small rotations move what lies off the axis; a cascade takes part of that for displacement, and errors add up like
/// √n: follow it with [`align_slices`](super::align_slices) or with re-projection. `images` and `weights` as for
/// [`align_moments`](super::align_moments).
///
/// # Errors
/// [`Error::Parameter`] if a parameter cannot be, or for stretching unless there is one axis along j or k;
/// [`Error::Cancelled`]; the others as of [`align_moments`](super::align_moments).
pub fn align_cascade<F: Real>(
    geometry: &Geometry,
    images: ArrayView3<'_, F>,
    weights: Option<ArrayView3<'_, F>>,
    params: &CascadeParams,
    progress: &dyn Progress,
) -> Result<CascadeAlignment> {
    check_stack(geometry, images, weights)?;
    let [n_j, n_k] = geometry.projection_shape;
    let plan = RegistrationPlan::<F>::new((n_j, n_k), params.registration)?;
    let first = untilted(geometry);
    let pairs = chains(geometry, first);
    let stretch = if params.stretch { Some(Stretch::of(geometry, first)?) } else { None };
    let image = |i: usize| -> Result<Array2<F>> {
        let weight = weights.as_ref().map(|w| w.index_axis(Axis(0), i));
        let in_view = |error: Error| Error::Frame { index: i, reason: error.to_string() };
        Ok(measured(images.index_axis(Axis(0), i), weight).map_err(in_view)?.0.mapv(F::of))
    };
    progress.start("registering neighbours", pairs.len() as u64);
    let results: Vec<Result<(Registration, [f64; 2])>> = pairs
        .par_iter()
        .map_init(
            || plan.scratch(),
            |scratch, &(reference, moving)| {
                if progress.cancelled() {
                    return Err(Error::Cancelled);
                }
                let (fixed, mut moved) = (image(reference)?, image(moving)?);
                let mut factor = [1.0; 2];
                if let Some(stretch) = &stretch {
                    factor[stretch.across] = stretch.factor(reference, moving);
                    moved = stretched(&moved, factor)?;
                }
                let mut found = plan.register_with(fixed.view(), moved.view(), scratch)?;
                for a in 0..2 {
                    found.shift[a] /= factor[a];
                    for b in 0..2 {
                        found.covariance[a][b] /= factor[a] * factor[b];
                    }
                }
                progress.advance(1);
                Ok((found, factor))
            },
        )
        .collect();
    progress.finish();

    let mut found = CascadeAlignment {
        offsets: geometry.offsets(),
        standard_errors: vec![[0.0; 2]; geometry.len()],
        first,
        pairs: vec![],
        degenerate: vec![],
    };
    // Pairs are in the order of the chains, so that each reference is settled before it is used.
    for ((reference, moving), result) in pairs.into_iter().zip(results) {
        let (registration, factor) = result?;
        let settled =
            registration.status != Status::Undetermined && registration.shift.iter().all(|d| d.is_finite());
        let (shift, variance) = if settled {
            (registration.shift, [0, 1].map(|a| registration.covariance[a][a]))
        } else {
            found.degenerate.push(moving);
            ([0.0; 2], [f64::NAN; 2])
        };
        // Content that is displaced by d must be moved by −d. What was stretched about the middle of an image is
        // narrower there, and so is what its neighbour must be moved by.
        let of_reference = |values: &[[f64; 2]], a: usize| values[reference][a] / factor[a];
        found.offsets[moving] = [0, 1].map(|a| of_reference(&found.offsets, a) - shift[a]);
        found.standard_errors[moving] =
            [0, 1].map(|a| (of_reference(&found.standard_errors, a).powi(2) + variance[a]).sqrt());
        found.pairs.push((reference, moving, registration));
    }
    found.degenerate.sort_unstable();
    Ok(found)
}

/// Pairs (neighbour, view) outwards from the first view.
fn chains(geometry: &Geometry, first: usize) -> Vec<(usize, usize)> {
    let mut order: Vec<usize> = (0..geometry.len()).collect();
    if let Ok(axis) = ImageAxis::of(geometry) {
        let angles: Vec<f64> = order.iter().map(|i| axis.angle(geometry, *i, first)).collect();
        order.sort_by(|a, b| angles[*a].total_cmp(&angles[*b]));
    }
    let start = order.iter().position(|i| *i == first).expect("the first view is one of them");
    let up = order[start..].windows(2).map(|pair| (pair[0], pair[1]));
    let down = order[..=start].windows(2).rev().map(|pair| (pair[1], pair[0]));
    up.chain(down).collect()
}

/// What a flat sample needs to look the same from two sides.
struct Stretch {
    /// Image index that runs across the axis.
    across: usize,
    /// cos(tilt) of each view.
    cosines: Vec<f64>,
}

impl Stretch {
    fn of(geometry: &Geometry, first: usize) -> Result<Self> {
        let axis = ImageAxis::of(geometry)?;
        let cosines = (0..geometry.len()).map(|i| axis.angle(geometry, i, first).cos().abs()).collect();
        Ok(Stretch { across: 1 - axis.image_index()?, cosines })
    }

    /// How much longer the moving image must become to match the reference.
    fn factor(&self, reference: usize, moving: usize) -> f64 {
        let ratio = self.cosines[reference] / self.cosines[moving];
        // Edge on nothing helps.
        if ratio.is_finite() { ratio.clamp(1.0 / MAX_STRETCH, MAX_STRETCH) } else { 1.0 }
    }
}

/// The image made longer by these factors about its middle; beyond its edge the edge goes on.
fn stretched<F: Real>(image: &Array2<F>, factor: [f64; 2]) -> Result<Array2<F>> {
    let spline = SplineImage::new(image.view(), SplineDegree::Cubic)?;
    let last = [image.nrows(), image.ncols()].map(|n| n as f64 - 1.0);
    Ok(Array2::from_shape_fn(image.dim(), |(a, b)| {
        let at = |axis: usize, place: usize| {
            let middle = 0.5 * last[axis];
            (middle + (place as f64 - middle) / factor[axis]).clamp(0.0, last[axis])
        };
        spline.value_at([at(0, a), at(1, b)]).unwrap_or(F::zero())
    }))
}
