//! DM3 and DM4: the tag trees of DigitalMicrograph.

use std::io::{BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;

use nonius_core::{Axis, DType};

use super::bytes::FileBytes;
use super::loaded::Loaded;
use super::records::{Records, Segment, Stored};
use super::{Found, ScanOptions, ScanWarning, frame_bytes, positions};
use crate::array::{Bytes, RawArray};
use crate::dtype::Encoding;
use crate::header::{Header, Value};
use crate::open::Pixels;
use crate::source::{Source, SourceReader};
use crate::{Error, Result};

/// Groups within groups, at most.
const MAX_DEPTH: usize = 32;
/// Tags that are kept, and the longest text of one.
const MAX_KEPT: usize = 20_000;
const MAX_TEXT: u64 = 512;

const BY_PIXEL: (&str, &str) = (
    "a DM file of scans, one for every pixel of the detector",
    "raise memory_limit, or save it frame by frame",
);

/// True if a file that begins like this is DM3 or DM4: its version, and whether numbers are little endian.
pub(super) fn has_signature(start: &[u8]) -> bool {
    let word = |at: usize| start.get(at..at + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    match word(0) {
        Some(3) => matches!(word(8), Some(0 | 1)),
        Some(4) => matches!(word(12), Some(0 | 1)),
        _ => false,
    }
}

/// A value of the tree, by its path: names joined by `.`, numbers where there is no name.
#[derive(Debug)]
enum Tag {
    Number(f64),
    Text(String),
    /// An array: type of its numbers, first byte, number of them.
    Array {
        kind: u64,
        at: u64,
        len: u64,
    },
}

/// The tree being read.
struct Tree {
    reader: BufReader<SourceReader>,
    source: Arc<Source>,
    version: u32,
    little_endian: bool,
    position: u64,
    tags: Vec<(String, Tag)>,
}

pub(super) fn open(source: Arc<Source>, options: &ScanOptions) -> Result<Found> {
    let tree = Tree::read(&source)?;
    let mut image = tree.image()?;
    let order = tree.find_number(&format!("{}.ImageTags.Meta Data.Data Order Swapped", image.path));
    // The file counts up the positions of the scan first, then the pixels of a frame.
    let by_pixel = image.sizes.len() == 4 && order == Some(0.0);
    if by_pixel {
        image.sizes.rotate_left(2);
    }
    let encoding = Encoding::plain(image.dtype, !tree.little_endian);
    let stored = Stored::Numbers(encoding);
    let (w, h) = (image.sizes[0], image.sizes.get(1).copied().unwrap_or(1));
    let scan: Vec<usize> = match image.sizes.len() {
        0..=2 => vec![1],
        n => image.sizes[2..n].iter().rev().copied().collect(),
    };
    let n = positions(&source, "DM dimensions", &scan)?;
    let record = frame_bytes(&source, "DM dimensions", (h, w), stored)?;
    let needed = (n as u64).checked_mul(record);
    if needed.is_none_or(|needed| needed > image.bytes) {
        let problem = format!(
            "dimensions {:?} of {} need more than the {} bytes of the data",
            image.sizes, image.dtype, image.bytes
        );
        return Err(Error::damaged(source.path(), "DM image", problem));
    }
    let mut warnings: Vec<ScanWarning> = Vec::new();
    if scan.len() > 1 && order.is_none() {
        let text = "which axes are the scan is not certain in DM files: the first two dimensions are taken as frames";
        warnings.push(ScanWarning::Remark(text.into()));
    }
    let axis = |k: usize, name: &str| {
        let stored = if by_pixel { (k + 2) % 4 } else { k };
        tree.axis(&image.path, stored, name, image.sizes.get(k).copied().unwrap_or(1))
    };
    let frame_axes = Some([axis(1, "y"), axis(0, "x")]);
    let names: &[&str] = match scan.len() {
        1 => &["scan"],
        2 => &["scan y", "scan x"],
        _ => &["series", "scan y", "scan x"],
    };
    let last = image.sizes.len().saturating_sub(1);
    let scan_axes = (image.sizes.len() > 2 && scan.len() <= 3)
        .then(|| names.iter().enumerate().map(|(k, name)| axis(last - k, name)).collect());
    let metadata = tree.header();
    let found = if by_pixel {
        // As an array whose first index, that of the position, runs fastest.
        let bytes = Bytes::Plain { source: source.clone(), start: image.at };
        let array = RawArray { bytes, shape: vec![n, 1, h * w], encoding, fortran: true, checksum: None };
        let loaded = Loaded::new(&source, &Pixels::Raw(array), (n, (h, w)), options.memory_limit, BY_PIXEL)?;
        Found::new(loaded, scan)
    } else {
        let file = FileBytes::new(source, options.access)?;
        let segment = Segment { file, first: image.at, stride: record, n };
        Found::new(Records::in_file(segment, (h, w), stored), scan)
    };
    Ok(Found { scan_axes, frame_axes, metadata, warnings, ..found })
}

/// The image of a file.
struct ImageData {
    path: String,
    /// Fastest first.
    sizes: Vec<usize>,
    dtype: DType,
    at: u64,
    bytes: u64,
}

/// Type of the numbers of an image by its `DataType`.
fn image_type(data_type: i64) -> Option<DType> {
    Some(match data_type {
        1 => DType::I16,
        2 => DType::F32,
        6 => DType::U8,
        7 => DType::I32,
        9 => DType::I8,
        10 => DType::U16,
        11 => DType::U32,
        12 => DType::F64,
        14 => DType::Bool,
        39 => DType::I64,
        40 => DType::U64,
        _ => return None,
    })
}

/// Bytes of a number of a tag by its type.
fn tag_size(kind: u64) -> Option<u64> {
    Some(match kind {
        8..=10 => 1,
        2 | 4 => 2,
        3 | 5 | 6 => 4,
        7 | 11 | 12 => 8,
        _ => return None,
    })
}

impl Tree {
    fn read(source: &Arc<Source>) -> Result<Self> {
        let reader = BufReader::new(source.reader());
        let (little_endian, tags) = (false, Vec::new());
        let mut tree = Tree { reader, source: source.clone(), version: 3, little_endian, position: 0, tags };
        tree.version = tree.u32()?;
        if !matches!(tree.version, 3 | 4) {
            let what = format!("DM version {}", tree.version);
            return Err(Error::unsupported(source.path(), what, "versions 3 and 4 are read"));
        }
        tree.wide()?;
        tree.little_endian = match tree.u32()? {
            0 => false,
            1 => true,
            n => return Err(tree.damaged(format!("byte order is {n}, expected 0 or 1"))),
        };
        tree.group("", 0)?;
        Ok(tree)
    }

    fn damaged(&self, problem: impl Into<String>) -> Error {
        Error::damaged(self.source.path(), format!("DM tags, byte {}", self.position), problem)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut out = [0; N];
        self.source.check_range("DM tags", self.position, N as u64)?;
        self.reader.read_exact(&mut out).map_err(|e| Error::io(self.source.path(), "read DM tags", e))?;
        self.position += N as u64;
        Ok(out)
    }

    fn u8(&mut self) -> Result<u8> {
        Ok(self.bytes::<1>()?[0])
    }

    fn u16(&mut self) -> Result<u16> {
        self.bytes().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32> {
        self.bytes().map(u32::from_be_bytes)
    }

    /// A count or length: four bytes in version 3, eight in version 4.
    fn wide(&mut self) -> Result<u64> {
        if self.version == 3 { self.u32().map(u64::from) } else { self.bytes().map(u64::from_be_bytes) }
    }

    fn skip(&mut self, n: u64) -> Result<()> {
        self.source.check_range("DM tags", self.position, n)?;
        self.position += n;
        self.reader
            .seek(SeekFrom::Start(self.position))
            .map(|_| ())
            .map_err(|e| Error::io(self.source.path(), "seek in DM tags", e))
    }

    fn text(&mut self, len: u64) -> Result<String> {
        let text = self.source.bytes("DM tags", self.position, len.min(MAX_TEXT))?;
        self.skip(len)?;
        Ok(text.iter().map(|&b| b as char).collect())
    }

    fn group(&mut self, path: &str, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(self.damaged(format!("groups are nested more than {MAX_DEPTH} deep")));
        }
        self.skip(2)?; // sorted, open
        let n = self.wide()?;
        for k in 0..n {
            let kind = self.u8()?;
            let len = self.u16()?;
            let name = self.text(len.into())?;
            let name = if name.is_empty() { k.to_string() } else { name };
            let path = if path.is_empty() { name } else { format!("{path}.{name}") };
            if path.len() > 4 * MAX_TEXT as usize {
                return Err(self.damaged("names of nested groups are too long"));
            }
            if self.version == 4 {
                self.skip(8)?; // bytes of the whole tag
            }
            match kind {
                20 => self.group(&path, depth + 1)?,
                21 => self.data(path)?,
                other => return Err(self.damaged(format!("tag of kind {other}, expected 20 or 21"))),
            }
        }
        Ok(())
    }

    fn data(&mut self, path: String) -> Result<()> {
        let mark = self.bytes::<4>()?;
        if &mark != b"%%%%" {
            return Err(self.damaged(format!("{path}: {mark:02x?} where %%%% is expected")));
        }
        let n = self.wide()?;
        if n == 0 || n > self.source.len() {
            return Err(self.damaged(format!("{path}: a description of {n} numbers")));
        }
        let kind = self.wide()?;
        let tag = match (kind, n) {
            (18, 2) => {
                let len = self.wide()?;
                Some(Tag::Text(self.text(len)?))
            }
            (20, 3) => {
                let (kind, len) = (self.wide()?, self.wide()?);
                let size =
                    tag_size(kind).ok_or_else(|| self.damaged(format!("{path}: numbers of type {kind}")))?;
                let is_text = kind == 4 && len <= MAX_TEXT && !path.ends_with(".ImageData.Data");
                self.array(kind, len, len.checked_mul(size), is_text)?
            }
            // Structures, and arrays of these, are passed over.
            (15, _) => {
                let (fields, _) = self.structure(n - 1)?;
                self.skip(fields)?;
                None
            }
            (20, _) if n > 4 => {
                if self.wide()? != 15 {
                    return Err(self.damaged(format!("{path}: an array of arrays")));
                }
                let (fields, used) = self.structure(n - 2)?;
                if used + 3 != n {
                    return Err(self.damaged(format!("{path}: an array described by {n} numbers")));
                }
                let len = self.wide()?;
                let all =
                    fields.checked_mul(len).ok_or_else(|| self.damaged(format!("{path}: is too long")))?;
                self.skip(all)?;
                None
            }
            (_, 1) => Some(Tag::Number(self.number(kind)?)),
            _ => return Err(self.damaged(format!("{path}: type {kind} described by {n} numbers"))),
        };
        if let Some(tag) = tag
            && self.tags.len() < MAX_KEPT
        {
            self.tags.push((path, tag));
        }
        Ok(())
    }

    /// An array of numbers, or a text of UTF-16.
    fn array(&mut self, kind: u64, len: u64, bytes: Option<u64>, is_text: bool) -> Result<Option<Tag>> {
        let at = self.position;
        let bytes = bytes.ok_or_else(|| self.damaged("an array that is too long"))?;
        if is_text {
            let stored = self.source.bytes("DM tags", at, bytes)?;
            self.skip(bytes)?;
            let unit = |b: &[u8; 2]| {
                if self.little_endian { u16::from_le_bytes(*b) } else { u16::from_be_bytes(*b) }
            };
            let units: Vec<u16> = stored.as_chunks::<2>().0.iter().map(unit).collect();
            return Ok(Some(Tag::Text(String::from_utf16_lossy(&units))));
        }
        self.skip(bytes)?;
        Ok(Some(Tag::Array { kind, at, len }))
    }

    /// Bytes of a structure and how many numbers described it, of at most `most`.
    fn structure(&mut self, most: u64) -> Result<(u64, u64)> {
        self.wide()?; // length of its name
        let n = self.wide()?;
        if n.saturating_mul(2).saturating_add(2) > most {
            return Err(self.damaged(format!("a structure of {n} fields in a description of {most} numbers")));
        }
        let mut bytes = 0u64;
        for _ in 0..n {
            self.wide()?; // length of its name, which is not stored
            let kind = self.wide()?;
            bytes += tag_size(kind).ok_or_else(|| self.damaged(format!("a field of type {kind}")))?;
        }
        Ok((bytes, 2 + 2 * n))
    }

    fn number(&mut self, kind: u64) -> Result<f64> {
        macro_rules! number {
            ($t:ty) => {{
                let b = self.bytes()?;
                (if self.little_endian { <$t>::from_le_bytes(b) } else { <$t>::from_be_bytes(b) }) as f64
            }};
        }
        Ok(match kind {
            2 => number!(i16),
            3 => number!(i32),
            4 => number!(u16),
            5 => number!(u32),
            6 => number!(f32),
            7 => number!(f64),
            8 | 10 => number!(u8),
            9 => number!(i8),
            11 => number!(i64),
            12 => number!(u64),
            other => return Err(self.damaged(format!("a number of type {other}"))),
        })
    }

    fn find(&self, path: &str) -> Option<&Tag> {
        self.tags.iter().find(|(p, _)| p == path).map(|(_, tag)| tag)
    }

    fn find_number(&self, path: &str) -> Option<f64> {
        match self.find(path) {
            Some(&Tag::Number(v)) => Some(v),
            _ => None,
        }
    }

    /// The image with the most bytes; the others are thumbnails.
    fn image(&self) -> Result<ImageData> {
        let mut best: Option<ImageData> = None;
        let mut refused = Vec::new();
        for (path, tag) in &self.tags {
            let (Some(path), Tag::Array { kind, at, len }) = (path.strip_suffix(".ImageData.Data"), tag)
            else {
                continue;
            };
            let data_type = self.find_number(&format!("{path}.ImageData.DataType")).unwrap_or(-1.0) as i64;
            let Some(dtype) = image_type(data_type) else {
                refused.push(data_type.to_string());
                continue;
            };
            let bytes = len.saturating_mul(tag_size(*kind).unwrap_or(1));
            let sizes: Vec<usize> = (0..6)
                .map_while(|k| self.find_number(&format!("{path}.ImageData.Dimensions.{k}")))
                .map(|size| size as usize)
                .collect();
            if !sizes.is_empty() && best.as_ref().is_none_or(|b| b.bytes < bytes) {
                best = Some(ImageData { path: path.into(), sizes, dtype, at: *at, bytes });
            }
        }
        best.ok_or_else(|| match refused.is_empty() {
            true => Error::damaged(self.source.path(), "DM tags", "no image with type and dimensions"),
            false => {
                let what = format!("DM images of type {}", refused.join(", "));
                let hint = "whole and real numbers are read, complex ones and colours are not";
                Error::unsupported(self.source.path(), what, hint)
            }
        })
    }

    /// Axis `k` of an image; the first element lies at −origin · scale.
    fn axis(&self, image: &str, k: usize, name: &str, size: usize) -> Axis {
        let path = |what: &str| format!("{image}.ImageData.Calibrations.Dimension.{k}.{what}");
        let (scale, origin) = (self.find_number(&path("Scale")), self.find_number(&path("Origin")));
        match (scale, origin, self.find(&path("Units"))) {
            (Some(scale), Some(origin), Some(Tag::Text(unit)))
                if !unit.is_empty() && scale.is_finite() && scale != 0.0 && origin.is_finite() =>
            {
                Axis { scale, offset: -origin * scale, unit: unit.clone(), ..Axis::pixels(name, size) }
            }
            _ => Axis::pixels(name, size),
        }
    }

    fn header(&self) -> Header {
        let mut header = Header::default();
        for (path, tag) in &self.tags {
            match tag {
                Tag::Number(v) => header.push(path.as_str(), Value::Real(*v), ""),
                Tag::Text(t) => header.push(path.as_str(), t.as_str(), ""),
                Tag::Array { .. } => {}
            }
        }
        header
    }
}
