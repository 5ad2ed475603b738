//! The lattice of each frame.

use ndarray::{Array1, Array2, ArrayD};
use nonius_blobfinder::{
    CorrelationParams, Intensity, Lattice, LatticeRefiner, RefineParams, RefinedLattices, Refinement,
    Template, TemplateKind, TemplateParams, ZeroShift,
};
use nonius_clustering::{LabelMap, Overlap, merge_rows};
use nonius_core::{PassParams, Progress, Result, Roi, Selection, pass};
use serde::{Deserialize, Serialize};

use super::RegionLattices;

/// How the lattice of each frame is refined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct FrameParams {
    /// What spots look like. Default: a disk of radius 2 px less the ring around it to 4.5 px, for the halo of the direct
    /// beam slopes.
    pub template: TemplateParams,
    /// How they are found, and a lattice fitted to them. Default: the continuous maximum of the correlation with the
    /// counts, which is as precise as a fit for spots that have no sharp edge and twenty times as fast; indices up to 4.
    pub refine: RefineParams,
}

impl Default for FrameParams {
    fn default() -> Self {
        FrameParams {
            template: FrameParams::template_of(2.0),
            refine: RefineParams {
                max_index: 4,
                correlation: CorrelationParams {
                    intensity: Intensity::Linear,
                    refinement: Refinement::Continuous,
                    ..CorrelationParams::default()
                },
                ..RefineParams::default()
            },
        }
    }
}

impl FrameParams {
    pub(super) fn template_of(radius: f64) -> TemplateParams {
        let template = TemplateParams::new(TemplateKind::BackgroundSubtraction, radius);
        TemplateParams { radius_outer: Some(radius + 2.5), ..template }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Parameter`](nonius_core::Error::Parameter).
    pub fn validate(&self) -> Result<()> {
        self.template.validate()?;
        self.refine.validate()
    }
}

/// The frames of one region.
#[derive(Debug, Clone)]
pub struct Region {
    /// Number of the region.
    pub label: usize,
    /// Its positions.
    pub roi: Roi,
    /// The lattice from which frames started.
    pub start: Lattice,
    /// What was found in each.
    pub refined: RefinedLattices,
}

/// Lattices of all frames: arrays of the scan's shape, NaN where there is none.
#[derive(Debug, Clone)]
pub struct FrameLattices {
    /// Regions that have a lattice, frame by frame.
    pub regions: Vec<Region>,
    /// Position `(y, x)` px of index (0, 0), last axis of 2.
    pub zero: ArrayD<f64>,
    /// First vector.
    pub a: ArrayD<f64>,
    /// Second vector.
    pub b: ArrayD<f64>,
    /// Covariance of `(zero_y, zero_x, a_y, a_x, b_y, b_x)`, px², last axes of 6 × 6.
    pub covariance: ArrayD<f64>,
    /// Number of spots that belong to the lattice.
    pub n_matched: ArrayD<f64>,
    /// Weighted mean distance of these from it, px.
    pub distance: ArrayD<f64>,
}

impl FrameLattices {
    /// Number of frames with a lattice.
    pub fn n_matched_frames(&self) -> usize {
        self.a.iter().step_by(2).filter(|v| v.is_finite()).count()
    }

    /// The region that holds a position of the scan, and the position's sample in it.
    pub fn find(&self, position: usize) -> Option<(&Region, usize)> {
        self.regions.iter().find_map(|region| {
            let place = |sample: usize| region.roi.position(sample);
            let (mut low, mut high) = (0, region.roi.len());
            while low < high {
                let middle = low + (high - low) / 2;
                if place(middle) < position { low = middle + 1 } else { high = middle }
            }
            (low < region.roi.len() && place(low) == position).then_some((region, low))
        })
    }
}

/// Finds the spots of each frame around the places of its region's lattice, and fits the lattice to them.
///
/// # Errors
/// [`Error::Parameter`](nonius_core::Error::Parameter), [`Error::Frame`](nonius_core::Error::Frame),
/// [`Error::Cancelled`](nonius_core::Error::Cancelled).
pub fn refine_frames(
    selection: &Selection<'_>,
    labels: &LabelMap,
    lattices: &RegionLattices,
    params: &FrameParams,
    pass_params: &PassParams,
    progress: &dyn Progress,
) -> Result<FrameLattices> {
    params.validate()?;
    let template = Template::new(&params.template)?;
    let scan = selection.scan();
    let mut regions = Vec::new();
    for ((label, roi, _), lattice) in labels.iter().zip(&lattices.regions) {
        let Some(best) = lattice.found.first() else { continue };
        let start = best.matched.lattice;
        let refiner = LatticeRefiner::<f32>::new(
            scan.frame_shape(),
            &template,
            &start,
            &params.refine,
            ZeroShift::None,
        )?;
        let refined = pass(&scan.select(Some(&roi))?, &refiner, pass_params, progress)?;
        regions.push(Region { label, roi, start, refined });
    }
    let over = |tail: &[usize], of: &dyn Fn(&Region) -> ArrayD<f64>| -> Result<ArrayD<f64>> {
        if regions.is_empty() {
            return Ok(ArrayD::from_elem([scan.shape(), tail].concat(), f64::NAN));
        }
        let rows: Vec<ArrayD<f64>> = regions.iter().map(of).collect();
        let parts = regions.iter().zip(&rows).map(|(region, rows)| (&region.roi, rows.view()));
        Ok(merge_rows(scan.shape(), parts, Overlap::Error)?.values)
    };
    let vector = |of: fn(&RefinedLattices) -> &Array2<f64>| {
        over(&[2], &move |region| of(&region.refined).to_owned().into_dyn())
    };
    let count = |region: &Region| {
        let rows = region.refined.selector.outer_iter();
        rows.map(|row| row.iter().filter(|s| **s).count() as f64).collect::<Array1<f64>>().into_dyn()
    };
    Ok(FrameLattices {
        zero: vector(|r| &r.zero)?,
        a: vector(|r| &r.a)?,
        b: vector(|r| &r.b)?,
        covariance: over(&[6, 6], &|region| region.refined.covariance.to_owned().into_dyn())?,
        n_matched: over(&[], &count)?,
        distance: over(&[], &|region| region.refined.error.mapv(finite).into_dyn())?,
        regions,
    })
}

/// Infinity says that nothing was matched, which a map shows as no value.
fn finite(v: f64) -> f64 {
    if v.is_finite() { v } else { f64::NAN }
}
