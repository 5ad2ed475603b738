//! What `nonius reconstruct` may be told.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueEnum};
use nonius::io::TiltSeriesOptions;
use nonius::tomography::Filter;
use nonius::workflow::tomography::{LineIntegralParams, ReconstructionMethod, ReconstructionParams};
use serde::{Deserialize, Serialize};

use crate::Usage;
use crate::tilt::TiltArgs;

const EXAMPLES: &str = "\
Examples:
  nonius reconstruct aligned.h5 --out volume.h5         20 iterations, with the offsets in the file
  nonius reconstruct aligned.h5 --method sirt --iterations 100 --out volume.h5
  nonius reconstruct aligned.h5 --method fbp --filter hann --out volume.h5
  nonius reconstruct needle.mrc --angles needle.rawtlt --tilt-axis 90 --thickness --out volume.h5
  nonius reconstruct --print-config > volume.toml       all parameters of all methods, for --config

FILE.h5 holds the volume (x, y, z) as /reconstruction/volume/data, to open in napari, HyperSpy or h5py; beside it stands
a picture of three cuts. Values are absorbance (to base 10), or thickness, per voxel.";

/// Reconstruct the volume of a tilt series
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReconstructArgs {
    /// The tilt series: HDF5 with a group per projection, or a stack (.mrc, .tif, .npy, .h5:/dataset) with angles
    #[arg(value_name = "PROJECTIONS", required_unless_present = "print_config")]
    projections: Option<String>,
    /// How [default: mitra]
    #[arg(long, value_enum)]
    method: Option<MethodArg>,
    /// Most iterations [default: 20]
    #[arg(long, value_name = "N")]
    iterations: Option<usize>,
    /// End once the loss changes by less than this part of it [default: all iterations]
    #[arg(long, value_name = "PART")]
    ftol: Option<f64>,
    /// Whether voxels may be below 0 [default: only with sirt]
    #[arg(long, value_name = "true|false")]
    non_negative: Option<bool>,
    /// Weight of the total variation, with mitra and lbfgs [default: 0]
    #[arg(long, value_name = "WEIGHT")]
    total_variation: Option<f64>,
    /// Window of the ramp of fbp [default: ram-lak]
    #[arg(long, value_enum)]
    filter: Option<FilterArg>,
    /// Three cuts through the volume [default with --out: beside it]
    #[arg(long, value_name = "FILE.png")]
    picture: Option<PathBuf>,
    #[command(flatten)]
    source: TiltArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum MethodArg {
    /// Descent with momentum, voxels not below 0
    Mitra,
    /// The same without momentum or bound
    Sirt,
    /// Filtered back-projection of views about one axis
    Fbp,
    /// A quasi-Newton method
    Lbfgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FilterArg {
    RamLak,
    SheppLogan,
    Cosine,
    Hamming,
    Hann,
}

/// The table `[reconstruct]` of a configuration file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ReconstructConfig {
    /// The method and its parameters.
    pub(crate) reconstruction: ReconstructionParams,
    /// How images become line integrals.
    pub(crate) integrals: LineIntegralParams,
    /// How the file is read.
    pub(crate) series: TiltSeriesOptions,
}

impl ReconstructArgs {
    /// `config` with what was given here.
    pub(crate) fn applied_to(&self, mut config: ReconstructConfig) -> Result<ReconstructConfig> {
        config.series = self.source.options(config.series)?;
        config.integrals = self.source.integrals(config.integrals)?;
        let params = &mut config.reconstruction;
        params.method = match self.method {
            Some(MethodArg::Mitra) => ReconstructionMethod::Mitra,
            Some(MethodArg::Sirt) => ReconstructionMethod::Sirt,
            Some(MethodArg::Fbp) => ReconstructionMethod::Fbp,
            Some(MethodArg::Lbfgs) => ReconstructionMethod::Lbfgs,
            None => params.method,
        };
        let ReconstructionParams { mitra, sirt, lbfgs, fbp, .. } = params;
        for iterations in [&mut mitra.iterations, &mut sirt.iterations, &mut lbfgs.iterations] {
            *iterations = self.iterations.unwrap_or(*iterations);
        }
        for ftol in [&mut mitra.ftol, &mut sirt.ftol, &mut lbfgs.ftol] {
            *ftol = self.ftol.or(*ftol);
        }
        for bound in [&mut mitra.non_negative, &mut sirt.non_negative, &mut lbfgs.non_negative] {
            *bound = self.non_negative.unwrap_or(*bound);
        }
        for weight in [&mut mitra.total_variation, &mut lbfgs.total_variation] {
            *weight = self.total_variation.unwrap_or(*weight);
        }
        fbp.filter = match self.filter {
            Some(FilterArg::RamLak) => Filter::RamLak,
            Some(FilterArg::SheppLogan) => Filter::SheppLogan,
            Some(FilterArg::Cosine) => Filter::Cosine,
            Some(FilterArg::Hamming) => Filter::Hamming,
            Some(FilterArg::Hann) => Filter::Hann,
            None => fbp.filter,
        };
        params.validate().map_err(|e| Usage(e.to_string()))?;
        Ok(config)
    }

    pub(crate) fn projections(&self) -> Result<String> {
        self.projections.clone().ok_or_else(|| Usage("which projections?".into()).into())
    }

    pub(crate) fn picture(&self) -> Option<&Path> {
        self.picture.as_deref()
    }
}
