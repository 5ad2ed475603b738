//! What `nonius align` may be told.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueEnum};
use nonius::io::TiltSeriesOptions;
use nonius::workflow::tomography::{AlignmentMethod, AlignmentParams, LineIntegralParams, Start};
use serde::{Deserialize, Serialize};

use crate::Usage;
use crate::tilt::TiltArgs;

const EXAMPLES: &str = "\
Examples:
  nonius align scan.h5                                  what must be moved by how much, and how sure that is
  nonius align scan.h5 --out aligned.h5                 the series with its offsets, pictures and a report
  nonius align scan.h5 --method optical-flow --start moments --out aligned.h5
  nonius align scan.h5 --method phase-matching --upsampling 1,10 --ignore 3,17 --json
  nonius align needle.mrc --angles needle.rawtlt --tilt-axis 90 --thickness --method cascade
  nonius align --print-config > align.toml              all parameters of all methods, for --config

Offsets are px along j and k, the first and the second index of an image: an image that must be moved by +s along j
has the offset +s. What they have in common with a translation of the sample no alignment can know. The check that
needs no truth is the loss of one reconstruction before and after.";

/// Align the projections of a tilt series
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct AlignArgs {
    /// The tilt series: HDF5 with a group per projection, or a stack (.mrc, .tif, .npy, .h5:/dataset) with angles
    #[arg(value_name = "PROJECTIONS", required_unless_present = "print_config")]
    projections: Option<String>,
    /// How [default: auto]
    #[arg(long, value_enum)]
    method: Option<MethodArg>,
    /// Offsets to begin with [default: file]
    #[arg(long, value_enum)]
    start: Option<StartArg>,
    /// Most steps of a method by re-projection [default: 40; 200 for reprojection]
    #[arg(long, value_name = "N")]
    iterations: Option<usize>,
    /// Largest correction that counts as none, px [default: 0.005; 0.02 for reprojection]
    #[arg(long, value_name = "PX")]
    tolerance: Option<f64>,
    /// Iterations of the reconstruction within each step [default: 10; 1 for reprojection]
    #[arg(long, value_name = "N")]
    reconstruction_iterations: Option<usize>,
    /// Iterations of the reconstruction by which any method is judged, before and after [default: 40]
    #[arg(long, value_name = "N")]
    final_iterations: Option<usize>,
    /// Steps per px of phase matching, from coarse to fine [default: 1,10,100]
    #[arg(long, value_name = "U,…", value_delimiter = ',')]
    upsampling: Option<Vec<usize>>,
    /// Standard deviation of the low-pass of images and re-projections, px [default: 1]
    #[arg(long, value_name = "PX")]
    smoothing: Option<f64>,
    /// Strength of the high-pass of optical flow, for images whose background varies: 0.01 [default: 0]
    #[arg(long, value_name = "STRENGTH")]
    high_pass: Option<f64>,
    /// Pixels made one in the first stages of optical flow, from coarse to fine [default: by the size of images]
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    binning: Option<Vec<usize>>,
    /// Rows and columns cut off at each side before images are compared by phase matching [default: 0,0]
    #[arg(long, value_name = "J,K", value_delimiter = ',')]
    crop: Option<Vec<usize>>,
    /// Projections whose offsets stay as they are
    #[arg(long, value_name = "I,…", value_delimiter = ',')]
    ignore: Option<Vec<usize>>,
    /// Change offsets along one axis only
    #[arg(long, value_enum)]
    only: Option<AxisArg>,
    /// Refine rotations after the offsets
    #[arg(long)]
    refine_angles: bool,
    /// Leave the sample where it is in the volume
    #[arg(long)]
    no_centering: bool,
    /// Where pictures go [default with --out: beside it]
    #[arg(long, value_name = "DIR")]
    pictures: Option<PathBuf>,
    /// Draw no pictures
    #[arg(long, conflicts_with = "pictures")]
    no_pictures: bool,
    /// Write no report
    #[arg(long)]
    no_report: bool,
    #[command(flatten)]
    source: TiltArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum MethodArg {
    /// The start that suits the data, then optical flow
    Auto,
    /// Displacement by the differences of images and re-projections
    OpticalFlow,
    /// Registration of images with re-projections
    PhaseMatching,
    /// The same with one reconstruction that goes on from step to step
    Reprojection,
    /// Centres of mass, for a sample that is in view from all sides
    Moments,
    /// Mass profiles along the axis of rotation
    AxialProfile,
    /// Centre of mass of the middle line across the axis
    Line,
    /// Registration of neighbours
    Cascade,
    /// Centres of mass of all slices across the axis
    Slices,
}

impl From<MethodArg> for AlignmentMethod {
    fn from(method: MethodArg) -> Self {
        match method {
            MethodArg::Auto => AlignmentMethod::Auto,
            MethodArg::OpticalFlow => AlignmentMethod::OpticalFlow,
            MethodArg::PhaseMatching => AlignmentMethod::PhaseMatching,
            MethodArg::Reprojection => AlignmentMethod::Reprojection,
            MethodArg::Moments => AlignmentMethod::Moments,
            MethodArg::AxialProfile => AlignmentMethod::AxialProfile,
            MethodArg::Line => AlignmentMethod::Line,
            MethodArg::Cascade => AlignmentMethod::Cascade,
            MethodArg::Slices => AlignmentMethod::Slices,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StartArg {
    /// All 0
    None,
    /// Those in the file
    File,
    /// By the middle line
    Line,
    /// By centres of mass
    Moments,
    /// By neighbours
    Cascade,
}

impl From<StartArg> for Start {
    fn from(start: StartArg) -> Self {
        match start {
            StartArg::None => Start::None,
            StartArg::File => Start::File,
            StartArg::Line => Start::Line,
            StartArg::Moments => Start::Moments,
            StartArg::Cascade => Start::Cascade,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum AxisArg {
    J,
    K,
}

/// The table `[align]` of a configuration file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AlignConfig {
    /// Whether pictures are drawn where results are written.
    pub(crate) pictures: bool,
    /// Whether a report is.
    pub(crate) report: bool,
    /// The method and its parameters.
    pub(crate) alignment: AlignmentParams,
    /// How images become line integrals.
    pub(crate) integrals: LineIntegralParams,
    /// How the file is read.
    pub(crate) series: TiltSeriesOptions,
}

impl Default for AlignConfig {
    fn default() -> Self {
        AlignConfig {
            pictures: true,
            report: true,
            alignment: AlignmentParams::default(),
            integrals: LineIntegralParams::default(),
            series: TiltSeriesOptions::default(),
        }
    }
}

/// What an alignment reads and writes.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    pub(crate) projections: String,
    pub(crate) out: Option<PathBuf>,
    /// The folder of pictures.
    pub(crate) pictures: Option<PathBuf>,
}

impl AlignArgs {
    /// `config` with what was given here.
    pub(crate) fn applied_to(&self, mut config: AlignConfig) -> Result<AlignConfig> {
        config.series = self.source.options(config.series)?;
        config.integrals = self.source.integrals(config.integrals)?;
        config.pictures &= !self.no_pictures;
        config.report &= !self.no_report;
        let params = &mut config.alignment;
        params.method = self.method.map_or(params.method, Into::into);
        params.start = self.start.map_or(params.start, Into::into);
        params.refine_angles |= self.refine_angles;
        for iteration in params.iterations_mut() {
            iteration.max_iterations = self.iterations.unwrap_or(iteration.max_iterations);
            iteration.tolerance = self.tolerance.unwrap_or(iteration.tolerance);
            let inner = &mut iteration.reconstruction.iterations;
            *inner = self.reconstruction_iterations.unwrap_or(*inner);
            let last = &mut iteration.final_iterations;
            *last = self.final_iterations.unwrap_or(*last);
            iteration.ignored = self.ignore.clone().unwrap_or_else(|| std::mem::take(&mut iteration.ignored));
            match self.only {
                Some(AxisArg::J) => (iteration.align_j, iteration.align_k) = (true, false),
                Some(AxisArg::K) => (iteration.align_j, iteration.align_k) = (false, true),
                None => {}
            }
            iteration.center &= !self.no_centering;
        }
        let (flow, phase) = (&mut params.optical_flow, &mut params.phase_matching);
        flow.smoothing = self.smoothing.unwrap_or(flow.smoothing);
        phase.smoothing = self.smoothing.unwrap_or(phase.smoothing);
        flow.high_pass = self.high_pass.unwrap_or(flow.high_pass);
        flow.binning = self.binning.clone().or(flow.binning.take());
        if let Some(upsampling) = &self.upsampling {
            phase.upsampling.clone_from(upsampling);
        }
        if let Some(crop) = &self.crop {
            let &[j, k] = &crop[..] else {
                return Err(Usage(format!("--crop: expected J,K, got {} numbers", crop.len())).into());
            };
            phase.cropping = [j, k];
        }
        params.validate().map_err(|e| Usage(e.to_string()))?;
        Ok(config)
    }

    /// What is read and written; `out` is where results go.
    pub(crate) fn files(&self, out: Option<&Path>) -> Result<Files> {
        let projections = self.projections.clone().ok_or_else(|| Usage("which projections?".into()))?;
        let beside = || {
            let folder = out?.parent()?;
            Some(if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_path_buf() })
        };
        let pictures = self.pictures.clone().or_else(beside);
        Ok(Files { projections, out: out.map(Path::to_path_buf), pictures })
    }
}
