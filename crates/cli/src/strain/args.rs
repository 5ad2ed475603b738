//! What `nonius strain` and `nonius cluster` may be told.

use anyhow::Result;
use clap::{Args, ValueEnum};
use nonius::blobfinder::{Lattice, StrainAxes};
use nonius::clustering::Neighbors;
use nonius::io::ScanOptions;
use nonius::report::FramePictureParams;
use nonius::workflow::strain::{RegionParams, StrainWorkflowParams};
use serde::{Deserialize, Serialize};

use crate::Usage;
use crate::scan::ScanArgs;

const EXAMPLES: &str = "\
Examples:
  nonius strain crystal.blo                                  regions, lattices and strain, in numbers
  nonius strain crystal.blo --out strain.h5                  maps, pictures, and strain.report.html
  nonius strain crystal.blo --radius 2.5 --clusters 40 --out strain.h5
  nonius strain scan.h5 --cell 0,17.6,21.9,0 --cell 0,15.8,23.9,-5.9 --out strain.h5
  nonius strain run.mib --scan-shape 256,256 --max-index 6 --num-peaks 60 --superlattice 0.5,0.5 --out strain.h5
  nonius strain crystal.blo --resume strain.h5 --from lattices --num-peaks 60 --out again.h5
  nonius strain --print-config > strain.toml                 all parameters of all stages, for --config

Stages: the standard deviation of every pixel; its maxima, the spots; sums under each spot, by which frames are
gathered to connected regions; the lattice of each region; phases and grains; frames at boundaries, shared out; the
lattice of every frame; strain, against the median cell of each phase unless cells are given.
FILE.h5 opens in h5py, py4DSTEM, HyperSpy: arrays over the scan, NaN where there is no lattice. Beside it stand maps and
each region's frames as PNG, and a report to look around in: maps with their values, and the frame at every position.";

/// From a 4D-STEM scan to grains, lattices and strain, in one go
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StrainArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// Spots of each region's summed frames that its lattice is looked for in [default: 40]
    #[arg(long, value_name = "N")]
    num_peaks: Option<usize>,
    /// Position of the direct beam, px, which is every lattice's zero [default: where the sum is brightest]
    #[arg(long, value_name = "Y,X", value_delimiter = ',', allow_negative_numbers = true)]
    direct_beam: Option<Vec<f64>>,
    /// How far from its place a spot may lie to belong to a lattice, px [default: 3]
    #[arg(long, value_name = "PX")]
    tolerance: Option<f64>,
    /// Greatest index of the places that are looked at in each frame [default: 4]
    #[arg(long, value_name = "N")]
    max_index: Option<u32>,
    /// The pattern's vectors of an unstrained phase, px; once for each phase [default: the median of each]
    #[arg(long, value_name = "AY,AX,BY,BX", allow_negative_numbers = true)]
    cell: Vec<String>,
    /// Strain up to which two cells are one phase [default: 0.04]
    #[arg(long, value_name = "STRAIN")]
    phase_tolerance: Option<f64>,
    /// Angle up to which touching regions of one phase are one grain, degrees [default: 3]
    #[arg(long, value_name = "DEG")]
    grain_tolerance: Option<f64>,
    /// Angle of the axis along which ε_xx is measured, degrees from x towards y [default: 0]
    #[arg(long, value_name = "DEG", allow_negative_numbers = true, conflicts_with = "along_a")]
    strain_axis: Option<f64>,
    /// Measure ε_xx along the vector a of the reference
    #[arg(long)]
    along_a: bool,
    /// Fractional indices at which a superlattice has spots; may be given several times
    #[arg(long, value_name = "I,J", allow_negative_numbers = true)]
    superlattice: Vec<String>,
    /// How many steps from a boundary a frame may show more than one grain; 0 leaves regions as they are [default: 2]
    #[arg(long, value_name = "N")]
    boundary_width: Option<usize>,
    /// An earlier result whose first stages are taken over
    #[arg(long, value_name = "FILE.h5")]
    resume: Option<String>,
    /// The first stage that is run anew with --resume [default: lattices]
    #[arg(long, value_enum, requires = "resume")]
    from: Option<Stage>,
    /// Draw no pictures
    #[arg(long)]
    no_pictures: bool,
    /// Write no report
    #[arg(long)]
    no_report: bool,
    /// About what frames may take in the report, MB [default: 60]
    #[arg(long, value_name = "MB")]
    report_size: Option<f64>,
    #[command(flatten)]
    source: ScanArgs,
}

/// Gather the frames of a scan to connected regions that resemble one another
#[derive(Debug, Clone, Args)]
#[command(after_help = CLUSTER_EXAMPLES)]
pub(crate) struct ClusterArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// Draw no pictures
    #[arg(long)]
    no_pictures: bool,
    #[command(flatten)]
    source: ScanArgs,
}

const CLUSTER_EXAMPLES: &str = "\
Examples:
  nonius cluster crystal.blo                                 30 regions and their sizes
  nonius cluster crystal.blo --clusters 15 --out regions.h5  the label map, and its picture
  nonius cluster crystal.blo --clusters 15 --spots 200 --neighbors eight --coordinate-weight 0 --out regions.h5

The first stages of `nonius strain`, which goes on from them with --resume; parameters stand in the same table.";

#[derive(Debug, Clone, Args)]
struct CommonArgs {
    /// The scan: .blo, .mib, .hdr, .npy, .npz, .h5, .emd, .hspy, .mrc, .tif, .ser, .dm3, .dm4, .tvips, EMPAD's .xml, …
    #[arg(value_name = "SCAN", required_unless_present = "print_config")]
    scan: Option<String>,
    /// Radius of the spots, px [default: 1.5 where they are found, 2 where they are measured]
    #[arg(long, value_name = "PX")]
    radius: Option<f64>,
    /// How many spots of the deviation map make a frame's features [default: 300]
    #[arg(long, value_name = "N")]
    spots: Option<usize>,
    /// How many regions; those of one grain are recognised later [default: 30]
    #[arg(long, value_name = "N")]
    clusters: Option<usize>,
    /// Weight of a position's coordinates beside its features [default: 0.2]
    #[arg(long, value_name = "WEIGHT")]
    coordinate_weight: Option<f64>,
    /// Which positions may be joined [default: four]
    #[arg(long, value_enum)]
    neighbors: Option<NeighborsArg>,
    /// Regions of fewer frames go to the neighbour that they resemble most [default: 1]
    #[arg(long, value_name = "N")]
    min_size: Option<usize>,
    /// Positions of the scan that are used: a box, or an image that is 0 elsewhere [default: all]
    #[arg(long, value_name = "Y0:Y1,X0:X1|FILE")]
    roi: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum NeighborsArg {
    Four,
    Eight,
}

/// Where a resumed run begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stage {
    /// The spots of the deviation map.
    Spots,
    /// Features and regions.
    Regions,
    /// The lattices of regions.
    Lattices,
}

/// The parameters, as `--config` has them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct StrainConfig {
    pub(crate) roi: Option<String>,
    /// Fractional indices `[i, j]` of superlattice spots.
    pub(crate) superlattice: Vec<[f64; 2]>,
    pub(crate) pictures: bool,
    pub(crate) report: bool,
    pub(crate) workflow: StrainWorkflowParams,
    pub(crate) frame_pictures: FramePictureParams,
    pub(crate) scan: ScanOptions,
}

impl Default for StrainConfig {
    fn default() -> Self {
        StrainConfig {
            roi: None,
            superlattice: Vec::new(),
            pictures: true,
            report: true,
            workflow: StrainWorkflowParams::default(),
            frame_pictures: FramePictureParams::default(),
            scan: ScanOptions::default(),
        }
    }
}

impl CommonArgs {
    fn scan(&self) -> Result<String> {
        self.scan.clone().ok_or_else(|| Usage("which scan?".into()).into())
    }

    fn applied_to(&self, mut config: StrainConfig) -> StrainConfig {
        if let Some(radius) = self.radius {
            config.workflow = config.workflow.with_radius(radius);
            config.frame_pictures.radius = radius + 2.0;
        }
        let workflow = &mut config.workflow;
        workflow.spots.peaks.n_peaks = self.spots.unwrap_or(workflow.spots.peaks.n_peaks);
        let regions: &mut RegionParams = &mut workflow.regions;
        regions.clusters = self.clusters.unwrap_or(regions.clusters);
        regions.coordinate_weight = self.coordinate_weight.unwrap_or(regions.coordinate_weight);
        regions.min_size = self.min_size.unwrap_or(regions.min_size);
        regions.neighbors = match self.neighbors {
            Some(NeighborsArg::Four) => Neighbors::Direct,
            Some(NeighborsArg::Eight) => Neighbors::Diagonal,
            None => regions.neighbors,
        };
        config.roi = self.roi.clone().or(config.roi);
        config
    }
}

impl ClusterArgs {
    pub(crate) fn scan(&self) -> Result<String> {
        self.common.scan()
    }

    /// `config` with what was given here.
    pub(crate) fn applied_to(&self, config: StrainConfig) -> Result<StrainConfig> {
        let mut config = self.common.applied_to(config);
        config.pictures &= !self.no_pictures;
        config.scan = self.source.applied_to(config.scan)?;
        Ok(config)
    }
}

impl StrainArgs {
    pub(crate) fn scan(&self) -> Result<String> {
        self.common.scan()
    }

    /// The earlier result, and from where on it is not used.
    pub(crate) fn resume(&self) -> Result<Option<(String, Stage)>> {
        Ok(self.resume.clone().map(|file| (file, self.from.unwrap_or(Stage::Lattices))))
    }

    /// `config` with what was given here.
    pub(crate) fn applied_to(&self, config: StrainConfig) -> Result<StrainConfig> {
        let mut config = self.common.applied_to(config);
        let workflow = &mut config.workflow;
        workflow.lattices.peaks.n_peaks = self.num_peaks.unwrap_or(workflow.lattices.peaks.n_peaks);
        if let Some(beam) = &self.direct_beam {
            let &[y, x] = &beam[..] else {
                return Err(Usage(format!("--direct-beam: expected Y,X, got {} numbers", beam.len())).into());
            };
            workflow.lattices.direct_beam = Some([y, x]);
        }
        if let Some(tolerance) = self.tolerance {
            workflow.lattices.search.tolerance = tolerance;
            if let nonius::blobfinder::Matching::Fast(matching) = &mut workflow.frames.refine.matching {
                matching.tolerance = tolerance;
            }
        }
        let refine = &mut workflow.frames.refine;
        refine.max_index = self.max_index.unwrap_or(refine.max_index);
        let reference = &mut workflow.reference;
        if !self.cell.is_empty() {
            reference.cells = self.cell.iter().map(|text| cell(text)).collect::<Result<_>>()?;
        }
        reference.phase_tolerance = self.phase_tolerance.unwrap_or(reference.phase_tolerance);
        reference.grain_tolerance = self.grain_tolerance.unwrap_or(reference.grain_tolerance);
        reference.axes = match (self.strain_axis, self.along_a) {
            (Some(degrees), _) => StrainAxes::Angle(degrees),
            (None, true) => StrainAxes::AlongA,
            (None, false) => reference.axes,
        };
        workflow.boundaries.width = self.boundary_width.unwrap_or(workflow.boundaries.width);
        if !self.superlattice.is_empty() {
            let pair = |text: &String| match numbers(text).as_deref() {
                Some(&[i, j]) => Ok([i, j]),
                _ => Err(Usage(format!("--superlattice {text}: expected two numbers I,J"))),
            };
            config.superlattice = self.superlattice.iter().map(pair).collect::<Result<_, _>>()?;
        }
        config.pictures &= !self.no_pictures;
        config.report &= !self.no_report;
        config.frame_pictures.max_megabytes = self.report_size.unwrap_or(config.frame_pictures.max_megabytes);
        config.scan = self.source.applied_to(config.scan)?;
        Ok(config)
    }
}

fn numbers(text: &str) -> Option<Vec<f64>> {
    text.split(',').map(|n| n.trim().parse().ok().filter(|v: &f64| v.is_finite())).collect()
}

fn cell(text: &str) -> Result<[[f64; 2]; 2]> {
    match numbers(text).as_deref() {
        Some(&[ay, ax, by, bx])
            if (Lattice { zero: [0.0; 2], a: [ay, ax], b: [by, bx] }).reduced_basis().is_some() =>
        {
            Ok([[ay, ax], [by, bx]])
        }
        _ => {
            let said =
                format!("--cell {text}: expected four numbers a y,x, b y,x, px, of vectors not parallel");
            Err(Usage(said).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_have_four_numbers_and_an_area() {
        assert_eq!(cell("0,17.6, 21.9,0").unwrap(), [[0.0, 17.6], [21.9, 0.0]]);
        for wrong in ["1,2,3", "1,2,2,4", "a,b,c,d", "1,2,3,inf"] {
            assert!(cell(wrong).is_err(), "{wrong}");
        }
    }
}
