//! From a 4D-STEM scan of a polycrystal to maps of its grains, lattices and strain.
//!
//! ```text
//! scan ── deviation ── spots ── regions ─────── lattices ── crystals ── boundaries ── frames ── strain
//!         std map      peaks    connected       one per     phases,     settled       refined   against one
//!                      of it    clusters of     region      grains                    in each   reference
//!                               sums per spot                                                   per phase
//! ```
//!
//! Each stage is a function that takes what the one before it found, so that a stage can be run again with other
//! parameters, or with a result from elsewhere: [`deviation`], [`find_spots`], [`find_regions`], [`find_lattices`],
//! [`find_crystals`], [`settle_boundaries`], [`refine_frames`], [`map_strain`]. [`run`] is all of them.
//!
//! ```
//! use nonius::synthetic::{PolycrystalParams, PolycrystalScan};
//! use nonius::workflow::strain::{StrainWorkflowParams, run};
//! use nonius::{NoProgress, Scan};
//!
//! let made = PolycrystalScan::new(&PolycrystalParams { scan: [12, 16], grains: 2, ..Default::default() })?;
//! let scan = Scan::new(Box::new(made), &nonius::core::ScanParams { shape: Some(vec![12, 16]), ..Default::default() })?;
//! let mut params = StrainWorkflowParams::default();
//! params.regions.clusters = 4;
//! let found = run(&scan.select(None)?, &params, &NoProgress)?;
//! assert_eq!(found.regions.labels.n_clusters(), 4);
//! assert_eq!(found.frames.a.shape(), [12, 16, 2]);
//! assert_eq!(found.strain.xx.shape(), [12, 16]);
//! # Ok::<(), nonius::Error>(())
//! ```
//!
//! Source: the polycrystalline example of LiberTEM (clustering of feature vectors) and of LiberTEM-blobfinder
//! (refinement), whose steps these are, with every cluster processed, one rule for the zero of all lattices, and the
//! strain that follows from them.

mod boundaries;
mod frames;
mod grains;
mod lattices;
mod regions;
mod superlattice;

use nonius_clustering::LabelMap;
use nonius_core::{Error, PassParams, Progress, Result, Selection};
use serde::{Deserialize, Serialize};

pub use boundaries::{BoundaryParams, settle_boundaries};
pub use frames::{FrameLattices, FrameParams, Region, refine_frames};
pub use grains::{Crystals, Phase, ReferenceParams, StrainMaps, find_crystals, map_strain};
pub use lattices::{LatticeParams, RegionLattice, RegionLattices, find_lattices};
pub use regions::{Deviation, RegionParams, Regions, SpotParams, deviation, find_regions, find_spots};
pub use superlattice::{SuperlatticeMaps, measure_superlattice};

/// Parameters of every stage.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct StrainWorkflowParams {
    /// Where feature vectors look.
    pub spots: SpotParams,
    /// Feature vectors and how frames are gathered to regions.
    pub regions: RegionParams,
    /// The lattice of each region.
    pub lattices: LatticeParams,
    /// Frames that show more than one grain.
    pub boundaries: BoundaryParams,
    /// The lattice of each frame.
    pub frames: FrameParams,
    /// What strain is measured against, and which regions are one grain.
    pub reference: ReferenceParams,
    /// How passes over the frames are cut into pieces.
    pub pass: PassParams,
}

impl StrainWorkflowParams {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn validate(&self) -> Result<()> {
        self.spots.validate()?;
        self.regions.validate()?;
        self.lattices.validate()?;
        self.frames.validate()?;
        self.reference.validate()?;
        self.pass.validate()
    }

    /// The parameters for spots of another radius, px: templates, windows and distances that depend on it.
    pub fn with_radius(mut self, radius: f64) -> Self {
        self.spots.template = SpotParams::template_of(radius);
        self.spots.peaks.min_distance = radius;
        self.regions.features.template = SpotParams::template_of(radius);
        self.lattices.template = LatticeParams::template_of(radius);
        self.lattices.peaks.min_distance = 2.0 * radius;
        self.frames.template = FrameParams::template_of(radius);
        self
    }
}

/// What every stage found.
#[derive(Debug, Clone)]
pub struct StrainResult {
    /// Sum and standard deviation of every pixel.
    pub deviation: Deviation,
    /// Regions of frames that resemble one another.
    pub regions: Regions,
    /// Their lattices.
    pub lattices: RegionLattices,
    /// Which of them are one phase, and one grain.
    pub crystals: Crystals,
    /// The regions, frames at boundaries between grains given to the one that they show most of.
    pub labels: LabelMap,
    /// The grains of these.
    pub grains: LabelMap,
    /// The lattices of single frames.
    pub frames: FrameLattices,
    /// Strain against a reference for each phase.
    pub strain: StrainMaps,
}

/// All stages, one after the other.
///
/// # Errors
/// [`Error::Parameter`], [`Error::Frame`], [`Error::Cancelled`]; [`Error::Empty`] if the scan shows no spot at all.
pub fn run(
    selection: &Selection<'_>,
    params: &StrainWorkflowParams,
    progress: &dyn Progress,
) -> Result<StrainResult> {
    params.validate()?;
    let deviation = deviation(selection, &params.pass, progress)?;
    let spots = find_spots(&deviation, &params.spots)?;
    let regions = find_regions(selection, spots, &params.regions, &params.pass, progress)?;
    let lattices =
        find_lattices(selection, &regions.labels, &deviation, &params.lattices, &params.pass, progress)?;
    let crystals = find_crystals(&regions.labels, &lattices, &params.reference)?;
    let labels = settle_boundaries(
        selection,
        &regions,
        &crystals,
        &params.boundaries,
        &params.regions,
        &params.pass,
        progress,
    )?;
    let grains = crystals.grains(&labels)?;
    let frames = refine_frames(selection, &labels, &lattices, &params.frames, &params.pass, progress)?;
    let strain = map_strain(selection.roi().shape(), &crystals, &frames, &params.reference)?;
    Ok(StrainResult { deviation, regions, lattices, crystals, labels, grains, frames, strain })
}

/// [`Error::Cancelled`] if `progress` asks for it.
fn check_cancelled(progress: &dyn Progress) -> Result<()> {
    if progress.cancelled() { Err(Error::Cancelled) } else { Ok(()) }
}
