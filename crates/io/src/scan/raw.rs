//! Frames without a header of their own, described by the caller or by a ripple header (`.rpl`).

use std::sync::Arc;

use nonius_core::DType;

use super::bytes::FileBytes;
use super::files::beside;
use super::records::{Records, Segment, Stored, extent};
use super::{Found, RawLayout, ScanOptions, frame_bytes};
use crate::dtype::Encoding;
use crate::header::Header;
use crate::source::Source;
use crate::{Error, Result};

/// A text header is not longer.
const MAX_HEADER: u64 = 1 << 16;
/// As many shapes are proposed where one does not fit.
const MAX_PROPOSED: usize = 3;

pub(super) fn open(source: Arc<Source>, options: &ScanOptions) -> Result<Found> {
    if let Some(layout) = &options.raw {
        return open_layout(source, layout, None, options);
    }
    let is_header = source.path().extension().is_some_and(|e| e.eq_ignore_ascii_case("rpl"));
    let (header, data) = if is_header {
        let data = beside(source.path(), "raw").ok_or_else(|| {
            Error::damaged(source.path(), "ripple header", "no .raw file of this name stands beside it")
        })?;
        (source, Source::open(&data)?)
    } else {
        let header = beside(source.path(), "rpl").ok_or_else(|| {
            let hint = "say how it is laid out: the raw option";
            Error::unsupported(source.path(), "a raw file without a header", hint)
        })?;
        (Source::open(&header)?, source)
    };
    let (layout, n, metadata) = ripple(&header)?;
    Ok(Found { metadata, ..open_layout(data, &layout, Some(n), options)? })
}

/// Frames laid out as told; `expected` of them, if that is known.
pub(super) fn open_layout(
    source: Arc<Source>,
    layout: &RawLayout,
    expected: Option<usize>,
    options: &ScanOptions,
) -> Result<Found> {
    let stored = Stored::Numbers(Encoding::plain(layout.dtype, layout.big_endian));
    let pixels = frame_bytes(&source, "raw layout", layout.frame_shape, stored)?;
    let around = layout.frame_header.checked_add(layout.frame_footer);
    let record = around.and_then(|n| n.checked_add(pixels)).ok_or_else(|| {
        Error::damaged(source.path(), "raw layout", "header and footer of a frame cannot be that long")
    })?;
    if layout.offset >= source.len() {
        let problem = format!("offset {} in a file of {} bytes", layout.offset, source.len());
        return Err(Error::damaged(source.path(), "raw layout", problem));
    }
    let extent = extent(source.len(), layout.offset, record, expected);
    let mut warnings = Vec::new();
    // Without a count, a rest is most often a wrong shape or type and not a cut frame.
    if expected.is_none() && extent.rest > 0 {
        if !layout.allow_tail {
            return Err(misfit(&source, layout, record, extent.rest));
        }
        warnings.push(super::ScanWarning::TrailingBytes { bytes: extent.rest });
    } else {
        extent.warn(record, &mut warnings);
    }
    let shape = vec![expected.unwrap_or(extent.complete)];
    let cut = expected.and_then(|_| super::cut(&source, layout.offset, record, extent));
    let first = layout.offset.saturating_add(layout.frame_header);
    let file = FileBytes::new(source, options.access)?;
    let segment = Segment { file, first, stride: record, n: extent.complete };
    let records = Records::in_file(segment, layout.frame_shape, stored);
    Ok(Found { cut, warnings, ..Found::new(records, shape) })
}

/// The error for a file that is no whole number of frames, with the nearest square shapes that would fit.
fn misfit(source: &Source, layout: &RawLayout, record: u64, rest: u64) -> Error {
    let available = source.len() - layout.offset;
    let around = record - (layout.frame_shape.0 * layout.frame_shape.1 * layout.dtype.size()) as u64;
    let edge = (layout.frame_shape.0 * layout.frame_shape.1).isqrt() as u64;
    let fits = |edge: u64| {
        let bytes = (edge * edge).checked_mul(layout.dtype.size() as u64)?.checked_add(around)?;
        (edge > 1 && bytes <= available && available.is_multiple_of(bytes)).then_some(edge)
    };
    let near = (0..edge.min(4096)).flat_map(|d| [edge - d, edge + d]).filter_map(fits);
    let mut proposed: Vec<u64> = near.take(2 * MAX_PROPOSED).collect();
    proposed.dedup();
    proposed.truncate(MAX_PROPOSED);
    let fitting = match &proposed[..] {
        [] => String::new(),
        some => {
            let shapes: Vec<String> = some.iter().map(|e| format!("{e} × {e}")).collect();
            format!("; of {} these shapes would fit: {}", layout.dtype, shapes.join(", "))
        }
    };
    let problem = format!(
        "{available} bytes from byte {} on are no whole number of frames of {record} bytes ({} × {} {}): {rest} \
         are left over{fitting}; allow_tail accepts that",
        layout.offset, layout.frame_shape.0, layout.frame_shape.1, layout.dtype
    );
    Error::damaged(source.path(), "raw layout", problem)
}

/// Layout, number of frames and all statements of a ripple header.
fn ripple(source: &Source) -> Result<(RawLayout, usize, Header)> {
    let text = source.bytes("ripple header", 0, source.len().min(MAX_HEADER))?;
    let text = super::fields::latin1(&text);
    let mut header = Header::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if let (Some(key), Some(value)) = (words.next(), words.next())
            && !key.starts_with(';')
        {
            header.push(key.to_lowercase(), value, "");
        }
    }
    let damaged = |problem: String| Error::damaged(source.path(), "ripple header", problem);
    let word = |key: &str| header.find(key).and_then(|v| v.text());
    let number = |key: &str| -> Result<usize> {
        let word = word(key).ok_or_else(|| damaged(format!("has no {key:?}")))?;
        word.parse().map_err(|_| damaged(format!("{key} is {word:?}, expected a whole number")))
    };
    let size = number("data-length")?;
    let kind = word("data-type").unwrap_or("unsigned");
    let dtype = match (kind, size) {
        ("unsigned", 1) => DType::U8,
        ("unsigned", 2) => DType::U16,
        ("unsigned", 4) => DType::U32,
        ("unsigned", 8) => DType::U64,
        ("signed", 1) => DType::I8,
        ("signed", 2) => DType::I16,
        ("signed", 4) => DType::I32,
        ("signed", 8) => DType::I64,
        ("float", 4) => DType::F32,
        ("float", 8) => DType::F64,
        _ => return Err(damaged(format!("numbers of type {kind:?} and {size} bytes are not read"))),
    };
    if word("record-by") == Some("vector") {
        let hint = "record-by image is read; reorder the axes first";
        return Err(Error::unsupported(source.path(), "record-by vector, not frame after frame", hint));
    }
    let layout = RawLayout {
        big_endian: word("byte-order") == Some("big-endian"),
        offset: if word("offset").is_some() { number("offset")? as u64 } else { 0 },
        ..RawLayout::new((number("height")?, number("width")?), dtype)
    };
    let n = number("depth")?.max(1);
    Ok((layout, n, header))
}
