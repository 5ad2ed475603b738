//! TVIPS: image series of CMOS cameras.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nonius_core::{Axis, DType};

use super::bytes::FileBytes;
use super::fields::Fields;
use super::records::{Extent, Records, Segment, Stored, extent};
use super::{Found, ScanOptions, ScanWarning, cut, frame_bytes};
use crate::dtype::Encoding;
use crate::header::Header;
use crate::source::Source;
use crate::{Error, Result};

/// Bytes of the series header.
const HEADER: u64 = 256;
/// Bytes before each image in version 1.
const HEADER_1: i32 = 12;
/// Where a header of version 2 holds the position of the beam: two `f32`, x first.
const POSITION: u64 = 68;
/// As many images are compared with their positions; what follows is taken to go on alike.
const MAX_COMPARED: usize = 1 << 16;
/// Value of the mode field of an image: diffraction.
const DIFFRACTION: u32 = 2;

/// True if a file that begins like this is a TVIPS series: its header length, then its version.
pub(super) fn has_signature(start: &[u8]) -> bool {
    start.len() >= 52 && Fields(start).u32(0) == HEADER as u32 && matches!(Fields(start).u32(4), 1 | 2)
}

pub(super) fn open(source: Arc<Source>, options: &ScanOptions) -> Result<Found> {
    let bytes = source.bytes("TVIPS header", 0, HEADER)?;
    let f = Fields(&bytes);
    let damaged = |problem: String| Error::damaged(source.path(), "TVIPS header", problem);
    if f.u32(0) != HEADER as u32 {
        return Err(damaged(format!("begins with the number {}, expected its length {HEADER}", f.u32(0))));
    }
    let version = f.u32(4);
    if !matches!(version, 1 | 2) {
        let what = format!("TVIPS version {version}");
        return Err(Error::unsupported(source.path(), what, "versions 1 and 2 are read"));
    }
    let positive = |name: &str, at: usize| match usize::try_from(f.i32(at)) {
        Ok(n) if n > 0 => Ok(n),
        _ => Err(damaged(format!("byte {at}: {name} is {}, expected a number above 0", f.i32(at)))),
    };
    let shape = (positive("height", 12)?, positive("width", 8)?);
    let dtype = match f.i32(16) {
        8 => DType::U8,
        16 => DType::U16,
        n => {
            let what = format!("TVIPS images of {n} bits");
            return Err(Error::unsupported(source.path(), what, "8 and 16 bits are read"));
        }
    };
    let image_header = if version == 1 { HEADER_1 } else { f.i32(48) };
    let image_header = u64::try_from(image_header).map_err(|_| {
        damaged(format!("byte 48: image headers of {image_header} bytes, expected 0 or more"))
    })?;
    let stored = Stored::Numbers(Encoding::plain(dtype, false));
    let record = image_header + frame_bytes(&source, "TVIPS header", shape, stored)?;
    let (mut segments, mut n, mut rest) = (Vec::new(), 0usize, 0);
    let mut sources = vec![source.clone()];
    for path in continuations(source.path()) {
        sources.push(Source::open(&path)?);
    }
    for (k, part) in sources.iter().enumerate() {
        let first = if k == 0 { HEADER } else { 0 };
        let here = extent(part.len(), first, record, None);
        if here.rest > 0 && k + 1 < sources.len() {
            let problem = format!("{} bytes of a cut image end this file, and the series goes on", here.rest);
            return Err(Error::damaged(part.path(), "last image", problem));
        }
        let file = FileBytes::new(part.clone(), options.access)?;
        segments.push(Segment { file, first: first + image_header, stride: record, n: here.complete });
        (n, rest) = (n + here.complete, here.rest);
    }
    let whole = Extent { complete: n, expected: n + usize::from(rest > 0), rest };
    let mut warnings: Vec<ScanWarning> = Vec::new();
    whole.warn(record, &mut warnings);
    let cut = sources.last().and_then(|last| cut(last, 0, record, whole));
    let records = Records::new(segments.clone(), shape, stored);
    let mode = match version == 2 && image_header >= 28 && n > 0 {
        true => Some(Fields(&source.bytes("image header", HEADER, 28)?).u32(24)),
        false => None,
    };
    let axis = |name: &str, size: usize, binning: i32| Axis {
        scale: f64::from(f.i32(36)) * f64::from(binning.max(1)),
        unit: "nm".into(),
        ..Axis::pixels(name, size)
    };
    // In diffraction the number is no length in the specimen.
    let frame_axes = (f.i32(36) > 0 && mode != Some(DIFFRACTION))
        .then(|| [axis("y", shape.0, f.i32(32)), axis("x", shape.1, f.i32(28))]);
    let metadata = cards(&f, mode);
    let mut found =
        Found { cut, frame_axes, metadata, warnings, ..Found::new(records, vec![whole.expected]) };
    if version == 2 && image_header >= POSITION + 8 {
        let positions = positions(&segments, image_header)?;
        match Rows::of(&positions, n) {
            Some(rows) if rows.agree => {
                found.shape = vec![rows.n, rows.width];
                found.first_frame = rows.first;
                // A cut image is behind the rows that are taken.
                found.cut = None;
            }
            Some(rows) => found.warnings.push(ScanWarning::Remark(format!(
                "rows of {} positions begin at image {}, but do not go on to the end: give the shape of the scan",
                rows.width, rows.first
            ))),
            None => {}
        }
    }
    Ok(found)
}

/// Where the beam stood when each image was taken, `(y, x)`.
fn positions(segments: &[Segment], image_header: u64) -> Result<Vec<(f32, f32)>> {
    let mut out = Vec::new();
    for segment in segments {
        for k in 0..segment.n.min(MAX_COMPARED - out.len()) {
            let at = segment.first - image_header + k as u64 * segment.stride + POSITION;
            let mut bytes = [0u8; 8];
            segment.file.read("image header", at, &mut bytes)?;
            let [x0, x1, x2, x3, y0, y1, y2, y3] = bytes;
            out.push((f32::from_le_bytes([y0, y1, y2, y3]), f32::from_le_bytes([x0, x1, x2, x3])));
        }
    }
    Ok(out)
}

/// The rows of a scan among positions that count up along x, then along y, both from 0. Before the scan the beam
/// rests at its first position, behind it anywhere.
#[derive(Debug, PartialEq)]
struct Rows {
    first: usize,
    width: usize,
    /// Whole rows.
    n: usize,
    /// True if no position of these rows is another than it should be.
    agree: bool,
}

impl Rows {
    /// `positions` are those of the first of `n_images` images.
    fn of(positions: &[(f32, f32)], n_images: usize) -> Option<Rows> {
        let first = positions.windows(2).position(|p| p == [(0.0, 0.0), (0.0, 1.0)])?;
        let scan = &positions[first..];
        let width = scan.iter().position(|&p| p == (1.0, 0.0))?;
        let expected = |k: usize| ((k / width) as f32, (k % width) as f32);
        let as_expected = scan.iter().enumerate().take_while(|&(k, &p)| p == expected(k)).count();
        let to_the_end = as_expected == scan.len();
        let n = if to_the_end { (n_images - first) / width } else { as_expected / width };
        // Behind the scan the beam does not go on to rows that were not seen.
        let ended = scan[as_expected..].iter().all(|&(y, _)| y < n as f32);
        Some(Rows { first, width, n, agree: to_the_end || (as_expected % width == 0 && ended) })
    }
}

/// `name_001.tvips` and so on behind `name_000.tvips`.
fn continuations(path: &Path) -> Vec<PathBuf> {
    let stem = path.file_stem().and_then(OsStr::to_str).and_then(|s| s.strip_suffix("_000"));
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or("tvips");
    let Some(stem) = stem else { return Vec::new() };
    let nth = |k: usize| path.with_file_name(format!("{stem}_{k:03}.{extension}"));
    (1..).map(nth).take_while(|p| p.is_file()).collect()
}

fn cards(f: &Fields<'_>, mode: Option<u32>) -> Header {
    let mut header = Header::default();
    for (name, at, comment) in [
        ("VERSION", 4, ""),
        ("WIDTH", 8, "pixels"),
        ("HEIGHT", 12, "pixels"),
        ("BITS", 16, ""),
        ("OFFSET_X", 20, "pixels"),
        ("OFFSET_Y", 24, "pixels"),
        ("BINNING_X", 28, ""),
        ("BINNING_Y", 32, ""),
        ("PIXEL_SIZE", 36, "nm"),
        ("HIGH_VOLTAGE", 40, "kV"),
        ("MAGNIFICATION", 44, ""),
    ] {
        header.push(name, i64::from(f.i32(at)), comment);
    }
    if let Some(mode) = mode {
        header.push("MODE", i64::from(mode), "of the first image: 1 image, 2 diffraction");
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(n: usize, width: usize) -> impl Iterator<Item = (f32, f32)> {
        (0..n * width).map(move |k| ((k / width) as f32, (k % width) as f32))
    }

    #[test]
    fn rows_are_found_where_positions_count_up() {
        let rows = |positions: Vec<(f32, f32)>| Rows::of(&positions, positions.len());
        let found = |first, width, n, agree| Some(Rows { first, width, n, agree });
        let resting = |n: usize| std::iter::repeat_n((0.0, 0.0), n);
        assert_eq!(rows(grid(3, 4).collect()), found(0, 4, 3, true));
        assert_eq!(rows(resting(5).chain(grid(3, 4)).collect()), found(5, 4, 3, true));
        assert_eq!(rows(grid(3, 4).chain(resting(5)).collect()), found(0, 4, 3, true));
        // The recording ends within a row.
        assert_eq!(rows(grid(3, 4).take(11).collect()), found(0, 4, 2, true));
        // An image is missing within the scan, or was taken twice.
        let lost = grid(4, 4).enumerate().filter(|(k, _)| *k != 6).map(|(_, p)| p);
        assert!(!rows(lost.collect()).unwrap().agree);
        let twice = grid(4, 4).flat_map(|p| std::iter::repeat_n(p, if p == (2.0, 0.0) { 2 } else { 1 }));
        assert!(!rows(twice.collect()).unwrap().agree);
        // No scan at all.
        for none in
            [vec![], vec![(0.0, 0.0)], resting(9).collect(), grid(1, 9).collect(), vec![(f32::NAN, 0.0); 9]]
        {
            assert_eq!(rows(none), None);
        }
        // More images than were compared.
        assert_eq!(Rows::of(&grid(3, 4).collect::<Vec<_>>(), 4001), found(0, 4, 1000, true));
    }
}
