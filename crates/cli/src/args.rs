//! What can be written on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use nonius::core::Frame;

use crate::{align, chi2, convert, demo, info, peaks, reconstruct, register, stats, strain};

/// Says where things are in images, to a small fraction of a pixel, and how sure that is.
#[derive(Debug, Parser)]
#[command(name = "nonius", version, max_term_width = 100, after_help = SELECTORS)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Shown below the list of commands.
const SELECTORS: &str = "\
Images: .npy, .npz, .fits, .tif, .png, .mrc and .h5 files; part of a file is chosen by
  night.fits[1]  stack.tif[3]  scan.npz:frames[7]  photo.png:green  cube.npy[:,:,1]  scan.h5:/entry/data

Coordinates are (y, x) in pixels. Exit codes: 0 done, 1 failed, 2 wrong use, 130 interrupted.";

#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// Print exactly one JSON object on standard output instead of a table
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// No progress and no remarks
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Threads to compute with; results do not depend on it [default: all cores]
    #[arg(long, global = true, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Parameters from a TOML file, one table per command; options given here count more
    #[arg(long, global = true, value_name = "FILE.toml")]
    pub(crate) config: Option<PathBuf>,
    /// Print the parameters that would be used, as TOML for --config, and stop
    #[arg(long, global = true)]
    pub(crate) print_config: bool,
    /// Where results go: a JSON file, for scans an HDF5 file, for `demo` a folder
    #[arg(long, short, global = true, value_name = "PATH")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Info(Box<info::InfoArgs>),
    Register(Box<register::RegisterArgs>),
    Chi2(Box<chi2::Chi2Args>),
    Stats(Box<stats::StatsArgs>),
    Peaks(Box<peaks::PeaksArgs>),
    Strain(Box<strain::StrainArgs>),
    Cluster(Box<strain::ClusterArgs>),
    Align(Box<align::AlignArgs>),
    Reconstruct(Box<reconstruct::ReconstructArgs>),
    Convert(Box<convert::ConvertArgs>),
    Demo(demo::DemoArgs),
}

/// Whether frames wrap, as an option says it.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum FrameArg {
    Overlap,
    Periodic,
}

impl From<FrameArg> for Frame {
    fn from(frame: FrameArg) -> Self {
        match frame {
            FrameArg::Overlap => Frame::Overlap,
            FrameArg::Periodic => Frame::Periodic,
        }
    }
}
