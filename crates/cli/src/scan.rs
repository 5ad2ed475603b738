//! How a scan is opened from the command line.

use std::ops::Range;

use anyhow::{Context, Result};
use clap::Args;
use nonius::core::{DType, Missing, ScanParams, Selection};
use nonius::io::{self, Access, RawLayout, ScanFile, ScanFormat, ScanOptions};
use nonius::{Roi, Scan};

use crate::Usage;

/// Which frames make the scan.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "The scan")]
pub(crate) struct ScanArgs {
    /// Positions along each scan axis, slowest first [default: what the file says]
    #[arg(long, value_name = "NY,NX", value_delimiter = ',')]
    scan_shape: Option<Vec<usize>>,
    /// N > 0: the first N frames belong to no position; N < 0: the first |N| positions have no frame
    /// [default: 0]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    sync_offset: Option<isize>,
    /// Positions without a frame are an error, left out, or have this value everywhere [default: error]
    #[arg(long, value_name = "error|skip|VALUE", value_parser = missing, allow_negative_numbers = true)]
    missing: Option<Missing>,
    /// The format, where the content does not tell it
    #[arg(long, value_name = "raw|npy|blo|mib|hdf5|…", value_parser = format)]
    format: Option<ScanFormat>,
    /// Shape of the frames of a file without a header
    #[arg(long, value_name = "H,W", value_delimiter = ',', requires = "dtype")]
    frame_shape: Option<Vec<usize>>,
    /// Number type of a file without a header: uint16, float32, …
    #[arg(long, value_name = "TYPE", value_parser = dtype, requires = "frame_shape")]
    dtype: Option<DType>,
    /// Its most significant byte comes first
    #[arg(long, requires = "frame_shape")]
    big_endian: bool,
    /// Bytes before its first frame [default: 0]
    #[arg(long, value_name = "BYTES", requires = "frame_shape")]
    offset: Option<u64>,
    /// Bytes before the pixels of each of its frames [default: 0]
    #[arg(long, value_name = "BYTES", requires = "frame_shape")]
    frame_header: Option<u64>,
    /// Bytes behind the pixels of each of its frames [default: 0]
    #[arg(long, value_name = "BYTES", requires = "frame_shape")]
    frame_footer: Option<u64>,
    /// Accept bytes behind its last whole frame
    #[arg(long, requires = "frame_shape")]
    allow_tail: bool,
    /// Put the last row of every frame first
    #[arg(long)]
    flip_y: bool,
    /// Image of what the detector records without a signal, taken off every frame
    #[arg(long, value_name = "FILE")]
    dark: Option<String>,
    /// Image of factors that every frame, less the dark image, is multiplied by
    #[arg(long, value_name = "FILE")]
    gain: Option<String>,
    /// Image that is not 0 at dead pixels, which are replaced by the mean of their live neighbours
    #[arg(long, value_name = "FILE")]
    dead: Option<String>,
    /// Deliver frames in the order of their numbers (BLO, MIB)
    #[arg(long)]
    order_by_number: bool,
    /// Read frames whose marker is wrong (BLO)
    #[arg(long)]
    ignore_markers: bool,
    /// Read by position instead of mapping the file, for files that are being written
    #[arg(long)]
    positioned: bool,
}

fn missing(text: &str) -> Result<Missing, String> {
    match text {
        "error" => Ok(Missing::Error),
        "skip" => Ok(Missing::Skip),
        value => match value.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Missing::Fill(value)),
            _ => Err("expected `error`, `skip` or a number".into()),
        },
    }
}

fn dtype(text: &str) -> Result<DType, String> {
    DType::from_name(text).ok_or_else(|| "expected uint8, int16, float32 and the like".into())
}

fn format(text: &str) -> Result<ScanFormat, String> {
    let name = serde_json::Value::String(text.to_lowercase());
    serde_json::from_value(name).map_err(|_| {
        "expected raw, npy, npz, blo, mib, mrc, tiff, fits, empad, tvips, ser, dm or hdf5".into()
    })
}

/// The two numbers of a frame's shape.
fn pair(numbers: &[usize]) -> Result<(usize, usize)> {
    match *numbers {
        [h, w] => Ok((h, w)),
        _ => Err(Usage(format!("--frame-shape: expected two numbers H,W, got {}", numbers.len())).into()),
    }
}

impl ScanArgs {
    /// `options` with what was given here.
    pub(crate) fn applied_to(&self, mut options: ScanOptions) -> Result<ScanOptions> {
        let ScanParams { shape, sync_offset, missing } = &mut options.scan;
        if self.scan_shape.is_some() {
            shape.clone_from(&self.scan_shape);
        }
        *sync_offset = self.sync_offset.unwrap_or(*sync_offset);
        *missing = self.missing.unwrap_or(*missing);
        options.format = self.format.or(options.format);
        options.flip_y |= self.flip_y;
        for (option, given) in [
            (&mut options.dark, &self.dark),
            (&mut options.gain, &self.gain),
            (&mut options.dead, &self.dead),
        ] {
            if given.is_some() {
                option.clone_from(given);
            }
        }
        options.order_by_number |= self.order_by_number;
        options.ignore_markers |= self.ignore_markers;
        if self.positioned {
            options.access = Access::Positioned;
        }
        if let (Some(shape), Some(dtype)) = (&self.frame_shape, self.dtype) {
            options.raw = Some(RawLayout {
                big_endian: self.big_endian,
                offset: self.offset.unwrap_or(0),
                frame_header: self.frame_header.unwrap_or(0),
                frame_footer: self.frame_footer.unwrap_or(0),
                allow_tail: self.allow_tail,
                ..RawLayout::new(pair(shape)?, dtype)
            });
        }
        Ok(options)
    }
}

/// Opens the scan that `text` names.
pub(crate) fn open(text: &str, options: &ScanOptions) -> Result<ScanFile> {
    Ok(io::open_scan(text, options)?)
}

/// The positions that `roi` means: all without it, a box `Y0:Y1,X0:X1`, or where an image is not 0.
pub(crate) fn select<'a>(scan: &'a Scan<'a>, roi: Option<&str>) -> Result<Selection<'a>> {
    let roi = roi.map(|text| region(scan, text).with_context(|| format!("--roi {text}"))).transpose()?;
    scan.select(roi.as_ref()).map_err(|e| match roi {
        Some(_) => anyhow::anyhow!("--roi: {e}"),
        None => e.into(),
    })
}

fn region(scan: &Scan<'_>, text: &str) -> Result<Roi> {
    let range = |part: &str| -> Option<Range<usize>> {
        let (start, end) = part.split_once(':')?;
        Some(start.trim().parse().ok()?..end.trim().parse().ok()?)
    };
    if let Some(ranges) = text.split(',').map(range).collect::<Option<Vec<_>>>() {
        return Ok(Roi::rectangle(scan.shape(), &ranges)?);
    }
    let mask = io::read_array::<f64>(text)?;
    // NaN in a mask is nothing used.
    Ok(Roi::from_mask(mask.mapv(|v| v != 0.0 && !v.is_nan()).view()))
}

/// The warnings as text.
pub(crate) fn warnings(file: &ScanFile) -> Vec<String> {
    file.warnings.iter().map(ToString::to_string).collect()
}
