//! `nonius convert`: a scan in another format.

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use nonius::core::{DType, Pixels, PixelsMut, ScanParams};
use nonius::io::{self, BloParams, OutOfRange, ScanOptions};
use nonius::{FrameSource, Progress, Scan};
use serde::Serialize;

use crate::Usage;
use crate::output::{check_folder, print, print_json};
use crate::scan::{self, ScanArgs};
use crate::session::Session;

const EXAMPLES: &str = "\
Examples:
  nonius convert crystal.blo crystal.npy             for NumPy; memory holds a few MiB at a time
  nonius convert run.mib run.h5 --scan-shape 256,256 EMD 1.0, for py4DSTEM, HyperSpy, h5py
  nonius convert scan.h5:/entry/data/counts scan.blo --out-of-range clip
  nonius convert scan.npy part.npy --roi 0:10,0:20   the frames of some positions, one after another";

/// Write a scan in another format: .npy, .h5 (EMD 1.0) or .blo, by the name of the output
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ConvertArgs {
    /// The scan
    #[arg(value_name = "SCAN")]
    input: String,
    /// The file to write; it is replaced when the new one is complete
    #[arg(value_name = "OUTPUT")]
    output: PathBuf,
    /// Positions that are written: a box, or an image that is 0 elsewhere [default: all]
    #[arg(long, value_name = "Y0:Y1,X0:X1|FILE")]
    roi: Option<String>,
    /// What becomes of values that a .blo file cannot hold
    #[arg(long, value_enum, default_value = "error")]
    out_of_range: OutOfRangeArg,
    /// .blo files of 16 bits
    #[arg(long)]
    wide: bool,
    #[command(flatten)]
    source: ScanArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OutOfRangeArg {
    Error,
    Clip,
    Scale,
}

/// The JSON object.
#[derive(Debug, Serialize)]
struct Converted {
    file: String,
    result: PathBuf,
    scan_shape: Vec<usize>,
    sig_shape: [usize; 2],
    dtype: DType,
    n_frames: usize,
    bytes: u64,
    warnings: Vec<String>,
}

pub(crate) fn run(session: &Session, args: &ConvertArgs) -> Result<()> {
    if session.print_config || session.out.is_some() {
        return Err(Usage(
            "convert takes its output as the second file, and has no parameters to print".into(),
        )
        .into());
    }
    check_folder("output", &args.output)?;
    let file = scan::open(&args.input, &args.source.applied_to(ScanOptions::default())?)?;
    let selection = scan::select(&file.scan, args.roi.as_deref())?;
    let extension = args.output.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
    let written = match &extension[..] {
        "npy" => io::write_npy_scan(&args.output, &selection, session),
        "h5" | "hdf5" | "emd" => io::write_hdf5_scan(&args.output, &selection, session),
        "blo" => {
            if args.roi.is_some() {
                return Err(Usage("--roi: .blo files hold whole scans; write a .npy file".into()).into());
            }
            if selection.len() < file.scan.len() {
                let hint = "give them a value with --missing VALUE, or write a .npy file";
                anyhow::bail!("{}: .blo files hold a frame at every position: {hint}", args.input);
            }
            write_blo(session, &file.scan, args)
        }
        _ => {
            let name = args.output.display();
            return Err(Usage(format!("{name}: expected a name that ends in .npy, .h5 or .blo")).into());
        }
    };
    session.check_cancelled()?;
    written.with_context(|| args.input.clone())?;
    let (h, w) = file.scan.frame_shape();
    let found = Converted {
        file: args.input.clone(),
        result: args.output.clone(),
        scan_shape: file.scan.shape().to_vec(),
        sig_shape: [h, w],
        dtype: file.scan.dtype(),
        n_frames: selection.len(),
        bytes: std::fs::metadata(&args.output)?.len(),
        warnings: scan::warnings(&file),
    };
    for warning in &found.warnings {
        session.remark(&format!("warning: {warning}"));
    }
    if session.json {
        return print_json(&found);
    }
    let (n, bytes) = (found.n_frames, found.bytes);
    print(&format!("{}: {n} frames of {h} × {w} px, {}, {bytes} bytes\n", show(&args.output), found.dtype))
}

fn show(path: &Path) -> String {
    path.display().to_string()
}

fn write_blo(session: &Session, scan: &Scan<'_>, args: &ConvertArgs) -> io::Result<()> {
    let params = BloParams {
        wide: args.wide,
        out_of_range: match args.out_of_range {
            OutOfRangeArg::Error => OutOfRange::Error,
            OutOfRangeArg::Clip => OutOfRange::Clip,
            OutOfRangeArg::Scale => OutOfRange::Scale,
        },
        ..BloParams::default()
    };
    let wrong = |reason| io::Error::Scan { path: args.output.clone(), reason };
    // The writer visits frames more than once; each visit asks whether to stop.
    let watched = Watched { scan, session };
    let shape = Some(scan.shape().to_vec());
    let copy = Scan::new(Box::new(watched), &ScanParams { shape, ..ScanParams::default() }).map_err(wrong)?;
    let copy = copy.with_axes(scan.axes().to_vec()).map_err(wrong)?;
    io::write_blo(&args.output, &copy, &params)
}

/// The frames at the positions of a scan, until somebody presses Ctrl-C.
struct Watched<'a> {
    scan: &'a Scan<'a>,
    session: &'a Session,
}

impl FrameSource for Watched<'_> {
    fn n_frames(&self) -> usize {
        self.scan.len()
    }

    fn frame_shape(&self) -> (usize, usize) {
        self.scan.frame_shape()
    }

    fn dtype(&self) -> DType {
        self.scan.dtype()
    }

    fn read(&self, frames: Range<usize>, out: PixelsMut<'_>) -> nonius::Result<()> {
        if self.session.cancelled() {
            return Err(nonius::Error::Cancelled);
        }
        let (mut buffer, mut out) = (nonius::core::PixelBuffer::default(), out);
        let selection = self.scan.select(None)?;
        let read: Pixels<'_> = selection.read(frames.clone(), &mut buffer)?;
        let fits = out.copy_from(read);
        let reason = "another number of pixels than asked for".to_owned();
        if fits { Ok(()) } else { Err(nonius::Error::Frame { index: frames.start, reason }) }
    }
}
