//! Alignment without choosing: the data say where to begin and how to go on.

use ndarray::{ArrayView3, Axis};
use nonius_core::tilt_series::Geometry;
use nonius_core::{Progress, Real, Result, Silent};
use serde::{Deserialize, Serialize};

use super::binning::Binned;
use super::cascade::{CascadeParams, align_cascade};
use super::iteration::{Aligned, align, check_images};
use super::judgement::judge_offsets;
use super::moments::{MomentsParams, align_moments};
use super::optical_flow::OpticalFlowParams;
use super::report::AlignmentReport;
use super::slices::{SlicesParams, align_slices};
use crate::projector::Projector;
use crate::reconstruction::{MitraParams, Reconstructor};

/// Parameters of [`align_auto`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct AutoParams {
    /// The refinement.
    pub refinement: OpticalFlowParams,
    /// The first moments.
    pub moments: MomentsParams,
    /// The cascade of neighbours.
    pub cascade: CascadeParams,
    /// Centres of mass of slices, after the cascade.
    pub slices: SlicesParams,
}

/// Offsets that the refinement may begin from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartingPoint {
    /// Those of the geometry given.
    Given,
    /// First moments.
    Moments,
    /// Neighbours registered one after the other.
    Cascade,
    /// The same, then centres of mass of slices.
    CascadeAndSlices,
}

impl std::fmt::Display for StartingPoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            StartingPoint::Given => "the offsets given",
            StartingPoint::Moments => "first moments",
            StartingPoint::Cascade => "the cascade of neighbours",
            StartingPoint::CascadeAndSlices => "the cascade of neighbours and centres of mass of slices",
        })
    }
}

/// What [`align_auto`] found and why.
#[derive(Debug, Clone, PartialEq)]
pub struct AutoAligned<F> {
    /// The aligned series.
    pub aligned: Aligned<F>,
    /// Where the refinement began.
    pub start: StartingPoint,
    /// Every starting point tried, with the loss of a short reconstruction from it.
    pub tried: Vec<(StartingPoint, f64)>,
    /// What was chosen and why, a sentence each.
    pub reasons: Vec<String>,
}

/// Aligns a series with what suits it.
///
/// Begins from whichever makes a short reconstruction fit the images best: the offsets given, first moments,
/// or the cascade of neighbours, for one axis also followed by centres of mass of slices. Then refines by optical flow,
/// with a high-pass where the sample leaves the field of view, for then no volume explains the slow changes. Keeps the
/// starting point's offsets should the refinement not fit better: what the report says of offsets is then said of those,
/// and its steps are those of the refinement.
///
/// # Errors
/// As [`Alignment::new`](super::Alignment::new) and [`Alignment::run`](super::Alignment::run).
pub fn align_auto<F: Real>(
    geometry: &Geometry,
    images: ArrayView3<'_, F>,
    weights: Option<ArrayView3<'_, F>>,
    params: &AutoParams,
    progress: &dyn Progress,
) -> Result<AutoAligned<F>> {
    check_images(geometry, images, weights)?;
    params.refinement.validate()?;
    let mut reasons = Vec::new();

    let moments = align_moments(geometry, images, weights, &params.moments)?;
    let percent = 100.0 * moments.mass_spread;
    reasons.push(match moments.truncated {
        true => format!("the sample leaves the field of view: sums of images vary by {percent:.1} %"),
        false => format!("the whole sample is in view: sums of images vary by {percent:.2} %"),
    });
    let mut candidates =
        vec![(StartingPoint::Given, geometry.offsets()), (StartingPoint::Moments, moments.offsets)];
    // The cascade costs a registration per image, and moments of a whole sample need no rival.
    if moments.truncated && geometry.len() > 1 {
        let cascade = align_cascade(geometry, images, weights, &params.cascade, progress)?;
        let after = geometry.clone().with_offsets(&cascade.offsets)?;
        candidates.push((StartingPoint::Cascade, cascade.offsets));
        if geometry.rotation_axis().is_some() {
            match align_slices(&after, images, weights, &params.slices) {
                Ok(slices) => candidates.push((StartingPoint::CascadeAndSlices, slices.offsets)),
                Err(error) => reasons.push(format!("centres of mass of slices were not used: {error}")),
            }
        }
    }
    let mut tried = Vec::new();
    for (start, offsets) in &candidates {
        tried.push((*start, short_loss(geometry, offsets, images, weights, progress)?));
    }
    // The first of equals: candidates stand from simple to elaborate.
    let best = (0..tried.len()).min_by(|a, b| tried[*a].1.total_cmp(&tried[*b].1)).unwrap_or(0);
    let start = candidates[best].0;
    let losses: Vec<String> = tried.iter().map(|(start, loss)| format!("{start} {loss:.3e}")).collect();
    reasons.push(format!("began from {start}: least loss of a short reconstruction ({})", losses.join(", ")));

    let mut refinement = params.refinement.clone();
    if moments.truncated && refinement.high_pass == 0.0 {
        refinement.high_pass = 0.01;
        reasons.push("refined by optical flow with a high-pass of 0.01".to_owned());
    } else {
        reasons.push("refined by optical flow".to_owned());
    }
    let begun = geometry.clone().with_offsets(&candidates[best].1)?;
    let (images, weights) = (images.view(), weights.as_ref().map(|weights| weights.view()));
    let mut aligned = align(&refinement, &begun, images, weights, progress)?;
    if aligned.report.loss > aligned.report.loss_at_start {
        reasons.push(format!("the refinement did not fit better: kept the offsets of {start}"));
        let AlignmentReport { method, history, steps, stop, halvings, .. } = aligned.report;
        aligned = judge_offsets(&refinement.iteration, &begun, &begun.offsets(), images, weights, progress)?;
        aligned.report = AlignmentReport { method, history, steps, stop, halvings, ..aligned.report };
    }
    Ok(AutoAligned { aligned, start, tried, reasons })
}

/// Loss of a reconstruction of 10 iterations from coarse images.
fn short_loss<F: Real>(
    geometry: &Geometry,
    offsets: &[[f64; 2]],
    images: ArrayView3<'_, F>,
    weights: Option<ArrayView3<'_, F>>,
    progress: &dyn Progress,
) -> Result<f64> {
    let geometry = geometry.clone().with_offsets(offsets)?;
    let shortest = geometry.projection_shape[0].min(geometry.projection_shape[1]);
    let factor = (shortest / 32).clamp(1, 8);
    let binned = Binned::new(factor, &geometry, images, weights)?;
    let projector = Projector::new(&binned.geometry)?;
    let reconstruction = MitraParams { iterations: 10, ..MitraParams::default() }.reconstruct(
        &projector,
        binned.images.view().insert_axis(Axis(3)),
        binned.weights.as_ref().map(|weights| weights.view().insert_axis(Axis(3))),
        None,
        &Silent(progress),
    )?;
    Ok(reconstruction.losses.last().copied().unwrap_or(f64::INFINITY))
}
