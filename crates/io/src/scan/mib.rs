//! MIB: frames of Merlin detectors, each behind a text header.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nonius_core::DType;

use super::bytes::FileBytes;
use super::counters::Counters;
use super::fields::latin1;
use super::files::{beside, numeric_order, series_of};
use super::records::{Marker, Records, Segment, Stored, extent};
use super::{Found, ScanFormat, ScanOptions, check_signature, cut, frame_bytes, ordered, positions};
use crate::dtype::Encoding;
use crate::header::Header;
use crate::source::Source;
use crate::{Error, Result};

/// No frame header or `.hdr` file is longer.
const MAX_HEADER: u64 = 1 << 16;

/// What the header of a frame says.
#[derive(Debug)]
struct FrameHeader {
    sequence: u32,
    bytes: u64,
    shape: (usize, usize),
    stored: Stored,
    fields: Vec<String>,
}

pub(super) fn open(source: Arc<Source>, options: &ScanOptions) -> Result<Found> {
    let is_header = source.path().extension().is_some_and(|e| e.eq_ignore_ascii_case("hdr"));
    if is_header {
        let paths = series_of(source.path())?;
        let sources: Result<_> = paths.iter().map(|p| Source::open(p)).collect();
        return open_series(sources?, Some(source.path().to_path_buf()), options);
    }
    let header = beside(source.path(), "hdr");
    open_series(vec![source], header, options)
}

/// The frames of several files, in the order of their first frames.
pub(super) fn open_series(
    sources: Vec<Arc<Source>>,
    header: Option<PathBuf>,
    options: &ScanOptions,
) -> Result<Found> {
    let mut files = Vec::new();
    for source in sources {
        let first = frame_header(&source)?;
        files.push((first, source));
    }
    let name = |source: &Source| source.path().file_name().and_then(OsStr::to_str).unwrap_or("").to_string();
    files.sort_by(|(a, s), (b, t)| {
        a.sequence.cmp(&b.sequence).then_with(|| numeric_order(&name(s), &name(t)))
    });
    let Some((first, first_source)) = files.first() else {
        return Err(Error::selection("scan", "no file was given"));
    };
    let (acquisition, mut metadata) = match &header {
        Some(path) => acquisition(path)?,
        None => (None, Header::default()),
    };
    let place = "MIB header";
    let pixels = frame_bytes(first_source, place, first.shape, first.stored)?;
    let record = first.bytes + pixels;
    let mut segments = Vec::new();
    let mut warnings = Vec::new();
    let (mut n, mut rest) = (0, 0);
    for (k, (h, source)) in files.iter().enumerate() {
        let alike = h.bytes == first.bytes && h.stored == first.stored;
        if h.shape != first.shape || !alike {
            let shape = |s: (usize, usize)| vec![s.0, s.1];
            return Err(match h.shape == first.shape {
                false => Error::Shape {
                    path: source.path().into(),
                    expected: shape(first.shape),
                    got: shape(h.shape),
                },
                true => Error::damaged(
                    source.path(),
                    place,
                    "differs in length or pixel type from the first file",
                ),
            });
        }
        let here = extent(source.len(), 0, record, None);
        if here.rest > 0 && k + 1 < files.len() {
            let problem = format!("{} bytes of a cut frame end this file, and the series goes on", here.rest);
            return Err(Error::damaged(source.path(), "last frame", problem));
        }
        let file = FileBytes::new(source.clone(), options.access)?;
        segments.push(Segment { file, first: first.bytes, stride: record, n: here.complete });
        (n, rest) = (n + here.complete, here.rest);
    }
    let shape = acquisition.unwrap_or_else(|| vec![n + usize::from(rest > 0)]);
    let expected = positions(first_source, "hdr file", &shape)?;
    let extent = super::records::Extent { complete: n, expected, rest };
    extent.warn(record, &mut warnings);
    let cut = files.last().and_then(|(_, last)| cut(last, 0, record, extent));
    let mut records = Records::new(segments.clone(), first.shape, first.stored);
    if !options.ignore_markers {
        records.marker = Some(Marker { bytes: *b"MQ", before: first.bytes });
    }
    let mut frame_numbers = Vec::new();
    if options.check_numbers || options.order_by_number {
        frame_numbers = sequence_numbers(&segments, first.bytes)?;
        records.order = ordered(&frame_numbers, options, &mut warnings);
    }
    if matches!(first.stored, Stored::Counters(_)) {
        let text = "raw counters: the order of their bits has not been verified on a recorded file";
        warnings.push(super::ScanWarning::Remark(text.into()));
    }
    metadata.cards.extend(cards(&first.fields).cards);
    Ok(Found { cut, metadata, warnings, frame_numbers, ..Found::new(records, shape) })
}

/// The header of the first frame of a file.
fn frame_header(source: &Arc<Source>) -> Result<FrameHeader> {
    check_signature(source, ScanFormat::Mib, b"MQ1,")?;
    let text = source.bytes("MIB header", 0, source.len().min(MAX_HEADER))?;
    let damaged = |problem: String| Error::damaged(source.path(), "MIB header", problem);
    let number = |text: &str, k: usize| -> Result<u32> {
        let word = text.split(',').nth(k).unwrap_or("").trim();
        word.parse().map_err(|_| damaged(format!("field {k} is {word:?}, expected a number")))
    };
    let whole = latin1(&text);
    let bytes = number(&whole, 2)?;
    // Pixels follow the header at once, and may look like text.
    let header = text.get(..bytes as usize).map(latin1).filter(|h| h.split(',').count() > 7);
    let header = header.ok_or_else(|| {
        damaged(format!("is {bytes} bytes long by its field 2, of a file of {} bytes", source.len()))
    })?;
    let fields: Vec<String> = header.split(',').map(|f| f.trim().to_string()).collect();
    let (sequence, w, h) = (number(&header, 1)?, number(&header, 4)?, number(&header, 5)?);
    let big_endian = |dtype| Stored::Numbers(Encoding::plain(dtype, true));
    let stored = match fields[6].as_str() {
        "U08" => big_endian(DType::U8),
        "U16" => big_endian(DType::U16),
        "U32" => big_endian(DType::U32),
        "R64" => Stored::Counters(counters(source, &fields)?),
        other => {
            let hint = "U08, U16, U32 and R64 are read";
            return Err(Error::unsupported(source.path(), format!("MIB pixel type {other:?}"), hint));
        }
    };
    Ok(FrameHeader { sequence, bytes: bytes.into(), shape: (h as usize, w as usize), stored, fields })
}

/// The counters of raw frames, by the last field that is a number.
fn counters(source: &Source, fields: &[String]) -> Result<Counters> {
    let refuse = |what: String| {
        let hint = "raw frames of one chip with counters of 1, 6, 12 or 24 bits are read; others save as U08, U16, U32";
        Error::unsupported(source.path(), what, hint)
    };
    if fields[3].parse() != Ok(1) {
        return Err(refuse(format!("MIB raw frames of {} chips", fields[3])));
    }
    let depth = fields[8..].iter().rev().find_map(|f| f.parse::<u32>().ok());
    depth
        .and_then(Counters::of_depth)
        .ok_or_else(|| refuse(format!("MIB raw frames with counters of {depth:?} bits")))
}

/// The sequence numbers of all frames; 0 where there is none.
fn sequence_numbers(segments: &[Segment], header: u64) -> Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for segment in segments {
        for k in 0..segment.n as u64 {
            let mut field = [0u8; 10];
            let at = segment.first - header + k * segment.stride + 4;
            let field = &mut field[..header.saturating_sub(4).min(10) as usize];
            segment.file.read("sequence number", at, field)?;
            let text = latin1(field);
            numbers.push(text.split(',').next().and_then(|t| t.trim().parse().ok()).unwrap_or(0));
        }
    }
    Ok(numbers)
}

/// Scan shape and statements of a `.hdr` file: lines of a key, a colon and a value.
fn acquisition(path: &Path) -> Result<(Option<Vec<usize>>, Header)> {
    let source = Source::open(path)?;
    let text = latin1(&source.bytes("hdr file", 0, source.len().min(MAX_HEADER))?);
    let mut header = Header::default();
    for line in text.lines() {
        if let Some((key, value)) = line.split_once(':') {
            header.push(key.trim(), value.trim(), "");
        }
    }
    let number = |key: &str| {
        let text = header.find(key).and_then(|v| v.text()).unwrap_or("");
        text.parse::<usize>().ok().filter(|&n| n > 0)
    };
    let (frames, trigger) = (number("Frames in Acquisition (Number)"), number("Frames per Trigger (Number)"));
    let shape = match (number("ScanY"), number("ScanX"), frames, trigger) {
        (Some(y), Some(x), ..) => Some(vec![y, x]),
        (_, _, Some(n), Some(row)) if row > 1 && n % row == 0 => Some(vec![n / row, row]),
        (_, _, Some(n), _) => Some(vec![n]),
        _ => None,
    };
    Ok((shape, header))
}

fn cards(fields: &[String]) -> Header {
    let names = [
        (1, "SEQUENCE", "number of the first frame"),
        (2, "HEADER_BYTES", ""),
        (3, "CHIPS", ""),
        (4, "WIDTH", "pixels"),
        (5, "HEIGHT", "pixels"),
        (6, "PIXEL_TYPE", ""),
        (7, "LAYOUT", ""),
        (9, "TIME", "of the first frame"),
        (10, "EXPOSURE", "s"),
    ];
    let mut header = Header::default();
    for (k, name, comment) in names {
        match fields.get(k).map(|f| (f, f.parse::<i64>())) {
            Some((_, Ok(n))) => header.push(name, n, comment),
            Some((text, _)) => header.push(name, text.as_str(), comment),
            None => {}
        }
    }
    header
}
