//! NPY arrays and NPZ members as scans: the last two axes are a frame, those before them the scan.

use std::sync::Arc;

use super::bytes::FileBytes;
use super::loaded::Loaded;
use super::records::{Records, Segment, Stored, extent};
use super::{Found, ScanOptions, cut, frame_bytes, positions};
use crate::array::{Bytes, RawArray};
use crate::open::{Format, Pixels};
use crate::selector::Selector;
use crate::source::Source;
use crate::{Error, Result, element, npy};

const FORTRAN: (&str, &str) = (
    "an array in Fortran order",
    "convert it: numpy.save(\"converted.npy\", numpy.ascontiguousarray(array)), or raise memory_limit",
);
const DEFLATED: (&str, &str) =
    ("a compressed array", "save it without compression: numpy.savez, or numpy.save, or raise memory_limit");

/// Axes of the scan and shape of the frames: a single frame is a scan of one.
fn split(source: &Source, shape: &[usize]) -> Result<(Vec<usize>, (usize, usize))> {
    match *shape {
        [h, w] => Ok((vec![1], (h, w))),
        [ref scan @ .., h, w] if (1..=3).contains(&scan.len()) => Ok((scan.to_vec(), (h, w))),
        _ => {
            let what = format!("array of shape {shape:?}");
            Err(Error::unsupported(source.path(), what, "a scan has 1 to 3 axes, and each frame 2"))
        }
    }
}

pub(super) fn open(source: Arc<Source>, options: &ScanOptions) -> Result<Found> {
    let h = npy::read_header(source.path(), "", |at, out| source.read_at("NPY header", at, out))?;
    let (scan, frame) = split(&source, &h.shape)?;
    let expected = positions(&source, "NPY header", &scan)?;
    let stored = Stored::Numbers(h.encoding);
    let record = frame_bytes(&source, "NPY header", frame, stored)?;
    let mut extent = extent(source.len(), h.data, record, Some(expected));
    if h.fortran && extent.complete < expected {
        // What is cut off are the last pixels of every frame: none is whole, and none can be had.
        extent.complete = 0;
    }
    let (mut warnings, n) = (Vec::new(), extent.complete.min(expected));
    if extent.complete < expected {
        extent.warn(record, &mut warnings);
    } else if source.len() - h.data > expected as u64 * record {
        let bytes = source.len() - h.data - expected as u64 * record;
        warnings.push(super::ScanWarning::TrailingBytes { bytes });
    }
    let cut = cut(&source, h.data, record, extent);
    let mut found = if h.fortran {
        if let Some(cut) = cut {
            return Err(cut);
        }
        let bytes = Bytes::Plain { source: source.clone(), start: h.data };
        let array = RawArray { bytes, shape: h.shape, encoding: h.encoding, fortran: true, checksum: None };
        load_array(&source, array, options)?
    } else {
        let file = FileBytes::new(source, options.access)?;
        let records = Records::in_file(Segment { file, first: h.data, stride: record, n }, frame, stored);
        Found { cut, ..Found::new(records, scan) }
    };
    found.warnings = warnings;
    Ok(found)
}

fn load_array(source: &Arc<Source>, array: RawArray, options: &ScanOptions) -> Result<Found> {
    let (scan, frame) = split(source, &array.shape)?;
    let n = positions(source, "array", &scan)?;
    frame_bytes(source, "array", frame, Stored::Numbers(array.encoding))?;
    let why = if array.fortran { FORTRAN } else { DEFLATED };
    let loaded = Loaded::new(source, &Pixels::Raw(array), (n, frame), options.memory_limit, why)?;
    Ok(Found::new(loaded, scan))
}

/// The member that the selector names, or the only one.
pub(super) fn open_member(source: Arc<Source>, selector: &Selector, options: &ScanOptions) -> Result<Found> {
    let member = element::open(Format::Npz, &source, selector)?;
    let Pixels::Raw(array) = member.pixels else { unreachable!("NPZ members are plain arrays") };
    let (Bytes::Plain { start, .. }, false) = (&array.bytes, array.fortran) else {
        return load_array(&source, array, options);
    };
    let (scan, frame) = split(&source, &array.shape)?;
    let n = positions(&source, "array", &scan)?;
    let stored = Stored::Numbers(array.encoding);
    let stride = frame_bytes(&source, "array", frame, stored)?;
    let segment = Segment { file: FileBytes::new(source, options.access)?, first: *start, stride, n };
    Ok(Found::new(Records::in_file(segment, frame, stored), scan))
}
