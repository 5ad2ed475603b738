//! What `nonius peaks` may be told.

use anyhow::Result;
use clap::{Args, ValueEnum};
use nonius::blobfinder::{
    CorrelationParams, FitParams, Intensity, LatticeSearchParams, MatchParams, Method, Refinement,
    StrainParams, ZeroRule,
};
use nonius::core::PassParams;
use nonius::io::ScanOptions;
use serde::{Deserialize, Serialize};

use crate::Usage;
use crate::scan::ScanArgs;

const EXAMPLES: &str = "\
Examples:
  nonius peaks crystal.blo --radius 5                       20 disks, in numbers
  nonius peaks crystal.blo --radius 5 --out disks.h5        their positions in every frame, and pictures
  nonius peaks scan.h5 --template radial-gradient --radius 6.5 --search 12 --num-peaks 40 --out disks.h5
  nonius peaks scan.h5 --radius 6.5 --num-peaks 40 --lattice auto --out strain.h5
  nonius peaks scan.h5 --radius 6.5 --lattice 64,64,16.2,0.4,-0.5,16.1 --out strain.h5
  nonius peaks bent.h5 --radius 6.5 --lattice auto --from-neighbors --out strain.h5
  nonius peaks run.mib --scan-shape 256,256 --radius 4 --mask stop.npy --roi 0:64,0:64 --out disks.h5
  nonius peaks scan.npy --template vacuum.npy --positions where.csv --refinement continuous --out disks.h5
  nonius peaks scan.npy --radius 4 --compatible --upsample 20 --out as_before.h5

Positions come from the sum of all frames; around each of them every frame is searched. With --lattice these are the
lattice's places, and zero, a, b of every frame are fitted, with strain against the median.
FILE.h5 opens in h5py, py4DSTEM, HyperSpy: arrays over the scan, NaN outside the region of interest.";

/// Find diffraction disks in every frame of a scan; optionally their lattice, and strain
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PeaksArgs {
    /// The scan: .blo, .mib, .hdr, .npy, .npz, .h5, .emd, .hspy, .mrc, .tif, .ser, .dm3, .dm4, .tvips, EMPAD's .xml, …
    #[arg(value_name = "SCAN", required_unless_present = "print_config")]
    scan: Option<String>,
    /// What a disk looks like: circular, radial-gradient, background-subtraction, radial-gradient-background-subtraction,
    /// or an image with the disk in its middle [default: circular]
    #[arg(long, value_name = "NAME|FILE")]
    template: Option<String>,
    /// Radius of the disks, px
    #[arg(long, value_name = "PX")]
    radius: Option<f64>,
    /// Outer radius of the ring of templates that subtract background, px [default: 1.5 radii]
    #[arg(long, value_name = "PX")]
    radius_outer: Option<f64>,
    /// How far from its position a disk is looked for, px [default: 2 radii]
    #[arg(long, value_name = "PX")]
    search: Option<f64>,
    /// Width of the edge of radial-gradient-background-subtraction, px [default: 1]
    #[arg(long, value_name = "PX")]
    delta: Option<f64>,
    /// How many disks at most [default: 20]
    #[arg(long, value_name = "N")]
    num_peaks: Option<usize>,
    /// Least distance between two of them, px [default: the radius]
    #[arg(long, value_name = "PX")]
    min_distance: Option<f64>,
    /// Least correlation of a disk of the summed frame, from 0 to 1 of the way from least to greatest [default: none]
    #[arg(long, value_name = "PART")]
    threshold: Option<f64>,
    /// Look around these positions instead: rows `y,x` of a CSV file, or an array of two columns
    #[arg(long, value_name = "FILE", conflicts_with_all = ["num_peaks", "min_distance", "threshold"])]
    positions: Option<String>,
    /// Pixels of the detector that count: an image that is 0 elsewhere [default: all]
    #[arg(long, value_name = "FILE")]
    mask: Option<String>,
    /// Correlate windows around the positions (fast, also crop), whole frames (full), or by direct sums
    /// (sparse, also direct) [default: fast]
    #[arg(long, value_enum)]
    method: Option<MethodArg>,
    /// Greatest displacement of the sparse method, px [default: 5]
    #[arg(long, value_name = "PX")]
    steps: Option<usize>,
    /// What is done to pixels before they are correlated [default: log]
    #[arg(long, value_enum, conflicts_with = "compatible")]
    intensity: Option<IntensityArg>,
    /// What the logarithm adds to a pixel's excess over the darkest, above 0 [default: 1]
    #[arg(long, value_name = "C", conflicts_with = "compatible")]
    log_offset: Option<f64>,
    /// Look for the shape of a disk rather than for brightness, by correlation coefficients: what --mask leaves out is
    /// left out altogether, so that a beam stop has no edge
    #[arg(long, conflicts_with = "compatible")]
    normalized: bool,
    /// How positions are refined below a pixel [default: fit]
    #[arg(long, value_enum, conflicts_with_all = ["upsample", "compatible"])]
    refinement: Option<RefinementArg>,
    /// Refine by the map of correlation, N samples per pixel or continuously
    #[arg(long, value_name = "N|continuous", value_parser = upsample)]
    upsample: Option<Upsample>,
    /// The numbers of LiberTEM-blobfinder 0.6.1, to compare with old results; with --upsample N its envelope
    #[arg(long)]
    compatible: bool,
    /// Fit a lattice to the disks of every frame: one that is looked for, or starting from this one, px
    #[arg(long, value_name = "auto|ZY,ZX,AY,AX,BY,BX", allow_negative_numbers = true)]
    lattice: Option<String>,
    /// The place that is to have index (0, 0), where the lattice is looked for [default: the strongest disk]
    #[arg(long, value_name = "Y,X", value_delimiter = ',')]
    zero: Option<Vec<f64>>,
    /// Greatest index of the places that are looked at [default: 10]
    #[arg(long, value_name = "N")]
    max_index: Option<u32>,
    /// Places nearer than this to the frame's edge are left out, px [default: --search]
    #[arg(long, value_name = "PX", allow_negative_numbers = true)]
    margin: Option<f64>,
    /// How far from its place a disk may lie to belong to the lattice, px [default: 3]
    #[arg(long, value_name = "PX")]
    tolerance: Option<f64>,
    /// Follow the lattice over the scan: frames that have none, or one unlike their neighbours', start anew from theirs,
    /// N times at most [default: never; without N: 100]
    #[arg(
        long,
        value_name = "N",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "100",
        requires = "lattice"
    )]
    from_neighbors: Option<usize>,
    /// Positions of the scan that are used: a box, or an image that is 0 elsewhere [default: all]
    #[arg(long, value_name = "Y0:Y1,X0:X1|FILE")]
    roi: Option<String>,
    /// Draw no pictures
    #[arg(long)]
    no_pictures: bool,
    #[command(flatten)]
    source: ScanArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum MethodArg {
    #[value(alias = "crop")]
    Fast,
    #[value(alias = "fullframe")]
    Full,
    #[value(alias = "direct")]
    Sparse,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum IntensityArg {
    Log,
    SquareRoot,
    Linear,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RefinementArg {
    Fit,
    Paraboloid,
    CenterOfMass,
    Continuous,
    Pixel,
}

#[derive(Debug, Clone, Copy)]
enum Upsample {
    Continuous,
    Factor(usize),
}

fn upsample(text: &str) -> Result<Upsample, String> {
    match text {
        "continuous" => Ok(Upsample::Continuous),
        n => n.parse().map(Upsample::Factor).map_err(|_| "expected a whole number or `continuous`".into()),
    }
}

/// The parameters, as `--config` has them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct PeaksConfig {
    /// A kind of template, or a file.
    pub(crate) template: String,
    pub(crate) radius: Option<f64>,
    pub(crate) radius_outer: Option<f64>,
    pub(crate) search: Option<f64>,
    pub(crate) delta: Option<f64>,
    pub(crate) num_peaks: usize,
    pub(crate) min_distance: Option<f64>,
    pub(crate) threshold: Option<f64>,
    pub(crate) positions: Option<String>,
    pub(crate) mask: Option<String>,
    /// Templates, peaks and weights as LiberTEM-blobfinder has them, too.
    pub(crate) compatible: bool,
    /// `auto`, or six numbers.
    pub(crate) lattice: Option<String>,
    pub(crate) max_index: u32,
    pub(crate) margin: Option<f64>,
    pub(crate) neighbor_rounds: usize,
    pub(crate) roi: Option<String>,
    pub(crate) pictures: bool,
    pub(crate) correlation: CorrelationParams,
    pub(crate) matching: MatchParams,
    pub(crate) lattice_search: LatticeSearchParams,
    pub(crate) strain: StrainParams,
    pub(crate) pass: PassParams,
    pub(crate) scan: ScanOptions,
}

impl Default for PeaksConfig {
    fn default() -> Self {
        PeaksConfig {
            template: "circular".into(),
            radius: None,
            radius_outer: None,
            search: None,
            delta: None,
            num_peaks: 20,
            min_distance: None,
            threshold: None,
            positions: None,
            mask: None,
            compatible: false,
            lattice: None,
            max_index: 10,
            margin: None,
            neighbor_rounds: 0,
            roi: None,
            pictures: true,
            correlation: CorrelationParams::default(),
            matching: MatchParams::default(),
            lattice_search: LatticeSearchParams::default(),
            strain: StrainParams::default(),
            pass: PassParams::default(),
            scan: ScanOptions::default(),
        }
    }
}

impl PeaksArgs {
    pub(crate) fn scan(&self) -> Result<String> {
        self.scan.clone().ok_or_else(|| Usage("which scan?".into()).into())
    }

    /// `config` with what was given here.
    pub(crate) fn applied_to(&self, mut config: PeaksConfig) -> Result<PeaksConfig> {
        config.template = self.template.clone().unwrap_or(config.template);
        config.radius = self.radius.or(config.radius);
        config.radius_outer = self.radius_outer.or(config.radius_outer);
        config.search = self.search.or(config.search);
        config.delta = self.delta.or(config.delta);
        config.num_peaks = self.num_peaks.unwrap_or(config.num_peaks);
        config.min_distance = self.min_distance.or(config.min_distance);
        config.threshold = self.threshold.or(config.threshold);
        config.positions = self.positions.clone().or(config.positions);
        config.mask = self.mask.clone().or(config.mask);
        config.compatible |= self.compatible;
        config.lattice = self.lattice.clone().or(config.lattice);
        config.max_index = self.max_index.unwrap_or(config.max_index);
        config.margin = self.margin.or(config.margin);
        config.neighbor_rounds = self.from_neighbors.unwrap_or(config.neighbor_rounds);
        config.matching.tolerance = self.tolerance.unwrap_or(config.matching.tolerance);
        if let Some(zero) = &self.zero {
            let &[y, x] = &zero[..] else {
                return Err(Usage(format!("--zero: expected Y,X, got {} numbers", zero.len())).into());
            };
            config.lattice_search.zero = ZeroRule::Given([y, x]);
        }
        config.roi = self.roi.clone().or(config.roi);
        config.pictures &= !self.no_pictures;
        config.correlation = self.correlation(&config)?;
        config.scan = self.source.applied_to(config.scan)?;
        Ok(config)
    }

    fn correlation(&self, config: &PeaksConfig) -> Result<CorrelationParams> {
        let mut correlation = config.correlation.clone();
        correlation.method = match (self.method, correlation.method, self.steps) {
            (Some(MethodArg::Fast), ..) => Method::Crop,
            (Some(MethodArg::Full), ..) => Method::Full,
            (Some(MethodArg::Sparse), _, steps) => Method::Direct { steps: steps.unwrap_or(5) },
            (None, Method::Direct { .. }, Some(steps)) => Method::Direct { steps },
            (None, method, _) => method,
        };
        if self.steps.is_some() && !matches!(correlation.method, Method::Direct { .. }) {
            return Err(Usage("--steps: only --method sparse knows steps".into()).into());
        }
        if config.compatible {
            let factor = match self.upsample {
                Some(Upsample::Continuous) => {
                    let said = "--upsample: with --compatible expected a whole number, got continuous";
                    return Err(Usage(said.into()).into());
                }
                Some(Upsample::Factor(factor)) => factor,
                None => match correlation.refinement {
                    Refinement::Envelope { factor } => factor,
                    _ => 0,
                },
            };
            return Ok(CorrelationParams::compatible(correlation.method, factor));
        }
        correlation.intensity = self.intensity.map_or(correlation.intensity, |intensity| match intensity {
            IntensityArg::Log => match correlation.intensity {
                log @ Intensity::LogOffset(_) => log,
                _ => Intensity::Log,
            },
            IntensityArg::SquareRoot => Intensity::SquareRoot,
            IntensityArg::Linear => Intensity::Linear,
        });
        if let Some(offset) = self.log_offset {
            if !matches!(correlation.intensity, Intensity::Log | Intensity::LogOffset(_)) {
                return Err(Usage("--log-offset: only --intensity log knows an offset".into()).into());
            }
            correlation.intensity = Intensity::LogOffset(offset);
        }
        correlation.normalized |= self.normalized;
        correlation.refinement = match (self.refinement, self.upsample) {
            (Some(RefinementArg::Fit), _) => match correlation.refinement {
                fit @ Refinement::Fit(_) => fit,
                _ => Refinement::Fit(FitParams::default()),
            },
            (Some(RefinementArg::Paraboloid), _) => Refinement::Paraboloid,
            (Some(RefinementArg::CenterOfMass), _) => Refinement::CenterOfMass { radius: 2 },
            (Some(RefinementArg::Continuous), _) | (_, Some(Upsample::Continuous)) => Refinement::Continuous,
            (Some(RefinementArg::Pixel), _) => Refinement::Pixel,
            (None, Some(Upsample::Factor(factor))) => Refinement::Upsampled { factor },
            (None, None) => correlation.refinement,
        };
        Ok(correlation)
    }
}
