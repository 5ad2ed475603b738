//! SER: series of TIA (Emispec).

use std::sync::Arc;

use nonius_core::{Axis, DType};

use super::bytes::FileBytes;
use super::fields::{Fields, latin1};
use super::records::{Records, Segment, Stored};
use super::{Found, ScanFormat, ScanOptions, ScanWarning, check_signature, frame_bytes, positions};
use crate::dtype::Encoding;
use crate::header::Header;
use crate::source::Source;
use crate::{Error, Result};

pub(super) const SIGNATURE: &[u8] = b"II\x97\x01";
/// What an element is: an image, not a spectrum.
const IMAGES: u32 = 0x4122;
/// Bytes before the pixels of an element: two calibrations, type, width, height.
const BEFORE_PIXELS: u64 = 50;
/// Texts and dimensions are not longer and not more.
const MAX_TEXT: u64 = 1 << 12;
const MAX_DIMENSIONS: u32 = 8;

pub(super) fn open(source: Arc<Source>, options: &ScanOptions) -> Result<Found> {
    check_signature(&source, ScanFormat::Ser, SIGNATURE)?;
    let start = source.bytes("SER header", 0, 22)?;
    let f = Fields(&start);
    let damaged = |problem: String| Error::damaged(source.path(), "SER header", problem);
    let wide = match f.u16(4) {
        0x0210 => false,
        0x0220 => true,
        v => {
            let what = format!("SER version {v:#06x}");
            return Err(Error::unsupported(source.path(), what, "versions 0x0210 and 0x0220 are read"));
        }
    };
    if f.u32(6) != IMAGES {
        let what = format!("SER elements of type {:#06x}", f.u32(6));
        return Err(Error::unsupported(source.path(), what, "images (0x4122) are read, spectra are not"));
    }
    let (total, valid) = (f.u32(14), f.u32(18));
    if valid == 0 || valid > total {
        return Err(damaged(format!("{valid} valid elements of {total}, expected 1 to {total}")));
    }
    let offset_size = if wide { 8 } else { 4 };
    let rest = source.bytes("SER header", 22, offset_size + 4)?;
    let table = if wide { Fields(&rest).u64(0) } else { Fields(&rest).u32(0).into() };
    let n_dimensions = Fields(&rest).u32(offset_size as usize);
    let dimensions = dimensions(&source, 26 + offset_size, n_dimensions)?;
    // A file with dimensions in pieces may have no more elements than these give.
    let places = source.bytes("SER offsets", table, u64::from(valid) * offset_size)?;
    let place = |k: usize| {
        let f = Fields(&places);
        if wide { f.u64(8 * k) } else { f.u32(4 * k).into() }
    };
    let first = element(&source, 0, place(0))?;
    let stored = Stored::Numbers(Encoding::plain(first.dtype, false));
    let bytes = frame_bytes(&source, "SER element 0", first.shape, stored)?;
    let file = FileBytes::new(source.clone(), options.access)?;
    let mut segments: Vec<Segment> = Vec::new();
    let mut cut = None;
    for k in 0..valid as usize {
        let here = element(&source, k, place(k)).and_then(|here| {
            source.check_range(&format!("SER element {k}"), here.pixels, bytes)?;
            Ok(here)
        });
        match here {
            // The data were cut: frames up to here are whole.
            Err(e @ Error::Truncated { .. }) if k > 0 => {
                cut = Some(e);
                break;
            }
            Err(e) => return Err(e),
            Ok(here) if (here.shape, here.dtype) != (first.shape, first.dtype) => {
                let problem = format!(
                    "is {} × {} {}, the first is {} × {} {}",
                    here.shape.0, here.shape.1, here.dtype, first.shape.0, first.shape.1, first.dtype
                );
                return Err(Error::damaged(source.path(), format!("SER element {k}"), problem));
            }
            Ok(here) => push(&mut segments, &file, here.pixels, bytes),
        }
    }
    let records = Records::new(segments, first.shape, stored);
    let mut warnings: Vec<ScanWarning> = Vec::new();
    let sizes: Vec<usize> = dimensions.iter().rev().map(|a| a.size).collect();
    let agrees = (1..=3).contains(&sizes.len())
        && positions(&source, "SER dimensions", &sizes).is_ok_and(|n| n == total as usize);
    let shape = if agrees { sizes } else { vec![total as usize] };
    if !agrees && dimensions.len() > 1 {
        warnings.push(format!("dimensions {sizes:?} do not make {total} elements", sizes = shape).into());
    }
    if valid < total && cut.is_none() {
        let problem = format!("{valid} of {total} elements are valid");
        cut = Some(Error::damaged(source.path(), "SER header", problem));
    }
    let scan_axes = agrees.then(|| dimensions.into_iter().rev().collect());
    let mut metadata = Header::default();
    metadata.push("ELEMENTS", i64::from(total), "");
    metadata.push("VALID_ELEMENTS", i64::from(valid), "");
    let frame_axes = Some([first.axes[1].clone(), first.axes[0].clone()]);
    Ok(Found { cut, scan_axes, frame_axes, metadata, warnings, ..Found::new(records, shape) })
}

/// Adds a frame: to the last segment, if it lies at the same distance as the frames of that.
fn push(segments: &mut Vec<Segment>, file: &Arc<FileBytes>, first: u64, bytes: u64) {
    if let Some(last) = segments.last_mut() {
        let distance = first.checked_sub(last.first + (last.n as u64 - 1) * last.stride);
        match distance {
            Some(distance) if last.n == 1 && distance >= bytes => {
                (last.stride, last.n) = (distance, 2);
                return;
            }
            Some(distance) if last.n > 1 && distance == last.stride => {
                last.n += 1;
                return;
            }
            _ => {}
        }
    }
    segments.push(Segment { file: file.clone(), first, stride: bytes, n: 1 });
}

struct Element {
    shape: (usize, usize),
    dtype: DType,
    pixels: u64,
    /// x, then y.
    axes: [Axis; 2],
}

fn element(source: &Source, k: usize, at: u64) -> Result<Element> {
    let place = format!("SER element {k}");
    let bytes = source.bytes(&place, at, BEFORE_PIXELS)?;
    let f = Fields(&bytes);
    let dtype = match f.u16(40) {
        1 => DType::U8,
        2 => DType::U16,
        3 => DType::U32,
        4 => DType::I8,
        5 => DType::I16,
        6 => DType::I32,
        7 => DType::F32,
        8 => DType::F64,
        n => {
            let what = format!("{place}: pixel type {n}");
            return Err(Error::unsupported(source.path(), what, "types 1 to 8 are read"));
        }
    };
    let (w, h) = match (usize::try_from(f.i32(42)), usize::try_from(f.i32(46))) {
        (Ok(w), Ok(h)) if w > 0 && h > 0 => (w, h),
        _ => {
            let problem =
                format!("width and height are {}, {}, expected numbers above 0", f.i32(42), f.i32(46));
            return Err(Error::damaged(source.path(), place, problem));
        }
    };
    let axes = [("x", 0, w), ("y", 20, h)]
        .map(|(name, at, size)| calibrated(name, size, (f.f64(at), f.f64(at + 8), f.i32(at + 16)), ""));
    Ok(Element { shape: (h, w), dtype, pixels: at.saturating_add(BEFORE_PIXELS), axes })
}

/// An axis where element `index` lies at `offset`. The file gives no unit of pixels: it is metre, or one over
/// metre for steps above 1.
fn calibrated(name: &str, size: usize, (offset, step, index): (f64, f64, i32), unit: &str) -> Axis {
    if !offset.is_finite() || !step.is_finite() || step == 0.0 {
        return Axis::pixels(name, size);
    }
    let guess = if step.abs() > 1.0 { "1/m" } else { "m" };
    let unit = if unit.is_empty() { guess } else { unit };
    let offset = offset - f64::from(index) * step;
    Axis { scale: step, offset, unit: unit.into(), ..Axis::pixels(name, size) }
}

/// The dimensions of the series from byte `at` on, fastest first.
fn dimensions(source: &Source, mut at: u64, n: u32) -> Result<Vec<Axis>> {
    if n > MAX_DIMENSIONS {
        let problem = format!("{n} dimensions, expected at most {MAX_DIMENSIONS}");
        return Err(Error::damaged(source.path(), "SER header", problem));
    }
    let mut axes = Vec::new();
    for _ in 0..n {
        let bytes = source.bytes("SER dimension", at, 24)?;
        let f = Fields(&bytes);
        at += 24;
        let mut text = || -> Result<String> {
            let len = u64::from(Fields(&source.bytes("SER dimension", at, 4)?).u32(0));
            if len > MAX_TEXT {
                let problem = format!("a text of {len} bytes at byte {at}, expected at most {MAX_TEXT}");
                return Err(Error::damaged(source.path(), "SER dimension", problem));
            }
            let text = latin1(&source.bytes("SER dimension", at + 4, len)?);
            at += 4 + len;
            Ok(text)
        };
        let (name, unit) = (text()?, text()?);
        let size = f.u32(0) as usize;
        axes.push(match unit.is_empty() {
            true => Axis::pixels(name, size),
            false => calibrated(&name, size, (f.f64(4), f.f64(12), f.i32(20)), &unit),
        });
    }
    Ok(axes)
}
