//! TIFF directories: what each page says about itself.
//!
//! Format: TIFF revision 6.0 (Adobe 1992), BigTIFF, the floating-point predictor of Adobe's technical
//! note 3. Read here rather than through the `tiff` crate, whose decoder needs `&mut` for every frame,
//! and was seen to panic on planar tiles (0.11.3); that crate writes, and checks this in tests.

use std::collections::HashSet;

use crate::dtype::Encoding;
use crate::header::{Header, Value};
use crate::source::Source;
use crate::{Error, Result};
use nonius_core::DType;

/// Most numbers of one tag that are shown as metadata.
const MAX_SHOWN: u64 = 4096;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Compression {
    None,
    Lzw,
    Deflate,
    PackBits,
}

impl Compression {
    /// Unpacked bytes that one packed byte can give at most. Deflate: RFC 1951. LZW: strings of at most
    /// 3838 bytes from 12 bits. PackBits: 128 bytes from 2.
    fn max_ratio(self) -> u128 {
        match self {
            Compression::None => 1,
            Compression::Lzw => 2560,
            Compression::Deflate => 1032,
            Compression::PackBits => 64,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Predictor {
    None,
    Horizontal,
    Float,
}

/// One entry of a directory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    tag: u16,
    kind: u16,
    count: u64,
    /// Where the values stand in the file.
    at: u64,
}

/// One page and how its pixels are stored.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) number: usize,
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Samples of a pixel: 1, or the colours.
    pub(crate) samples: usize,
    pub(crate) bits: usize,
    pub(crate) encoding: Encoding,
    pub(crate) compression: Compression,
    pub(crate) predictor: Predictor,
    /// Each colour in chunks of its own, rather than side by side.
    pub(crate) planar: bool,
    /// Shape of a strip or tile.
    pub(crate) chunk: (usize, usize),
    pub(crate) photometric: u64,
    /// A smaller copy of another page.
    pub(crate) reduced: bool,
    /// Added to every offset: planes of an ImageJ stack that has one directory.
    pub(crate) shift: u64,
    offsets: Entry,
    counts: Entry,
    entries: Vec<Entry>,
}

/// A TIFF file's byte order and width of offsets.
pub(crate) struct Directories<'a> {
    source: &'a Source,
    big_endian: bool,
    /// BigTIFF: offsets and counts of 64 bits.
    big: bool,
}

pub(crate) fn has_signature(start: &[u8]) -> bool {
    [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"].iter().any(|s| start.starts_with(*s))
}

impl<'a> Directories<'a> {
    pub(crate) fn new(source: &'a Source) -> Result<Self> {
        let mut start = [0u8; 4];
        source.read_at("TIFF signature", 0, &mut start)?;
        Ok(Directories { source, big_endian: start[0] == b'M', big: start.contains(&b'+') })
    }

    /// Every page, in file order.
    pub(crate) fn pages(&self) -> Result<Vec<Page>> {
        let mut seen = HashSet::new();
        let mut pages = Vec::new();
        let mut at =
            if self.big { self.number("TIFF header", 8, 8)? } else { self.number("TIFF header", 4, 4)? };
        while at != 0 {
            if !seen.insert(at) {
                let problem =
                    format!("next directory is at byte {at}, which was read before: the chain is a loop");
                return Err(self.damaged(pages.len(), problem));
            }
            let (entries, next) = self.entries(pages.len(), at)?;
            pages.push(self.page(pages.len(), entries)?);
            at = next;
        }
        match pages.is_empty() {
            true => Err(Error::damaged(self.source.path(), "TIFF header", "names no page")),
            false => Ok(pages),
        }
    }

    fn damaged(&self, page: usize, problem: impl Into<String>) -> Error {
        Error::damaged(self.source.path(), format!("page {page}"), problem)
    }

    /// The whole number of up to 8 bytes, in the file's byte order.
    fn fold(&self, bytes: &[u8]) -> u64 {
        let join = |n: u64, &byte: &u8| n << 8 | u64::from(byte);
        if self.big_endian { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) }
    }

    /// The whole number of `size` bytes at byte `at`.
    fn number(&self, what: &str, at: u64, size: usize) -> Result<u64> {
        let mut bytes = [0u8; 8];
        self.source.read_at(what, at, &mut bytes[..size])?;
        Ok(self.fold(&bytes[..size]))
    }

    /// The entries of the directory at byte `at`, and where the next directory is.
    fn entries(&self, page: usize, at: u64) -> Result<(Vec<Entry>, u64)> {
        let what = format!("directory of page {page}");
        let width = if self.big { 8 } else { 2 };
        let (n, first) = (self.number(&what, at, width)?, at.saturating_add(width as u64));
        let (size, inline) = if self.big { (20, 8) } else { (12, 4) };
        let end = first.saturating_add(n.saturating_mul(size));
        self.source.check_range(&what, first, end.saturating_sub(first).saturating_add(inline))?;
        let block = self.source.bytes(&what, first, end - first + inline)?;
        let field = |at: u64, size: u64| self.fold(&block[(at - first) as usize..][..size as usize]);
        let mut entries = Vec::new();
        for start in (first..end).step_by(size as usize) {
            let (tag, kind) = (field(start, 2) as u16, field(start + 2, 2) as u16);
            let count = field(start + 4, inline);
            let value = start + size - inline;
            let fits = count.checked_mul(type_size(kind)).is_some_and(|len| len <= inline);
            let at = if fits { value } else { field(value, inline) };
            entries.push(Entry { tag, kind, count, at });
        }
        Ok((entries, field(end, inline)))
    }

    /// All numbers of an entry, which must be whole and not negative.
    fn integers(&self, page: usize, entry: &Entry) -> Result<Vec<u64>> {
        let size = type_size(entry.kind);
        let what = format!("page {page}, tag {}", tag_name(entry.tag));
        if !matches!(entry.kind, 1 | 3 | 4 | 13 | 16 | 18) {
            let problem =
                format!("tag {} has type {}, expected whole numbers", tag_name(entry.tag), entry.kind);
            return Err(self.damaged(page, problem));
        }
        let bytes = self.source.bytes(&what, entry.at, entry.count.saturating_mul(size))?;
        Ok(bytes.chunks_exact(size as usize).map(|b| self.fold(b)).collect())
    }

    /// The numbers of a tag that all must agree, as `BitsPerSample` of the colours.
    fn uniform(&self, page: usize, entries: &[Entry], tag: u16, default: u64) -> Result<u64> {
        let Some(entry) = entries.iter().find(|e| e.tag == tag) else { return Ok(default) };
        let values = self.integers(page, entry)?;
        match values.first() {
            Some(&first) if values.iter().all(|&v| v == first) => Ok(first),
            None => Err(self.damaged(page, format!("tag {} is empty", tag_name(tag)))),
            Some(_) => {
                let what = format!("page {page}: samples with different {}: {values:?}", tag_name(tag));
                Err(Error::unsupported(self.source.path(), what, "all samples must be of one type"))
            }
        }
    }

    fn page(&self, number: usize, entries: Vec<Entry>) -> Result<Page> {
        let one = |tag, default| self.uniform(number, &entries, tag, default);
        let required = |tag| match one(tag, 0)? {
            0 => Err(self.damaged(number, format!("tag {} is 0 or missing", tag_name(tag)))),
            v => Ok(v as usize),
        };
        let refuse = |what: String, hint: &str| {
            Error::unsupported(self.source.path(), format!("page {number}: {what}"), hint)
        };
        let (width, height) = (required(256)?, required(257)?);
        let compression = match one(259, 1)? {
            1 => Compression::None,
            5 => Compression::Lzw,
            8 | 32_946 => Compression::Deflate,
            32_773 => Compression::PackBits,
            n => return Err(refuse(format!("compression {n}"), "none, LZW, deflate and PackBits are read")),
        };
        let predictor = match one(317, 1)? {
            _ if compression == Compression::None => Predictor::None,
            1 => Predictor::None,
            2 => Predictor::Horizontal,
            3 => Predictor::Float,
            n => return Err(refuse(format!("predictor {n}"), "predictors 1, 2 and 3 are read")),
        };
        let (bits, format, samples) = (one(258, 1)?, one(339, 1)?, one(277, 1)?);
        let dtype = sample_type(bits, format).ok_or_else(|| {
            let hint = "integers of 1, 2, 4, 8, 16, 32, 64 bits and floats of 16, 32, 64 bits are read";
            refuse(format!("samples of {bits} bits in format {format}"), hint)
        })?;
        if !(1..=65_535).contains(&samples) {
            return Err(self.damaged(number, format!("has {samples} samples per pixel, expected 1 to 65535")));
        }
        if bits < 8 && samples > 1 {
            return Err(refuse(
                format!("{samples} samples of {bits} bits"),
                "colours of 8 bits or more are read",
            ));
        }
        if predictor != Predictor::None && (bits < 8 || (predictor == Predictor::Float && !is_float(dtype))) {
            return Err(
                self.damaged(number, format!("predictor {predictor:?} with samples {dtype} of {bits} bits"))
            );
        }
        let find = |tag| entries.iter().find(|e| e.tag == tag).copied();
        let (offsets, counts, chunk) = match (find(273), find(279), find(324), find(325)) {
            (_, _, Some(offsets), Some(counts)) => (offsets, counts, (required(323)?, required(322)?)),
            (Some(offsets), Some(counts), _, _) => {
                let rows = one(278, height as u64)?.min(height as u64) as usize;
                (offsets, counts, (rows.max(1), width))
            }
            _ => {
                return Err(self.damaged(number, "has neither strips nor tiles with offsets and byte counts"));
            }
        };
        let page = Page {
            number,
            width,
            height,
            samples: samples as usize,
            bits: bits as usize,
            encoding: Encoding::plain(dtype, self.big_endian),
            compression,
            predictor,
            planar: samples > 1 && one(284, 1)? == 2,
            chunk,
            photometric: one(262, 1)?,
            reduced: one(254, 0)? & 1 == 1,
            shift: 0,
            offsets,
            counts,
            entries: Vec::new(),
        };
        page.check_size(self.source)?;
        Ok(Page { entries, ..page })
    }

    /// Offset and length of every strip or tile.
    pub(crate) fn chunks(&self, page: &Page) -> Result<Vec<(u64, u64)>> {
        let (offsets, counts) =
            (self.integers(page.number, &page.offsets)?, self.integers(page.number, &page.counts)?);
        let (down, across) = page.grid();
        let expected = down * across * if page.planar { page.samples } else { 1 };
        if offsets.len() != expected || counts.len() != expected {
            let problem = format!(
                "has {} offsets and {} byte counts for {expected} strips or tiles",
                offsets.len(),
                counts.len()
            );
            return Err(self.damaged(page.number, problem));
        }
        Ok(offsets.into_iter().map(|o| o.saturating_add(page.shift)).zip(counts).collect())
    }

    /// The tags as cards; numbers of long lists and binary blocks are left out.
    pub(crate) fn header(&self, page: &Page) -> Header {
        let mut header = Header::default();
        for entry in &page.entries {
            let storage = [273, 279, 324, 325, 320].contains(&entry.tag);
            if storage || entry.count > MAX_SHOWN && entry.kind != 2 || entry.count > self.source.len() {
                continue;
            }
            if let Some(value) = self.value(page.number, entry) {
                header.push(tag_name(entry.tag), value, "");
            }
        }
        header
    }

    fn value(&self, page: usize, entry: &Entry) -> Option<Value> {
        match entry.kind {
            2 => {
                let bytes = self.source.bytes("text", entry.at, entry.count).ok()?;
                Some(Value::Text(
                    String::from_utf8_lossy(&bytes).trim_end_matches('\0').trim_end().to_string(),
                ))
            }
            5 if entry.count == 1 => {
                let (a, b) =
                    (self.number("ratio", entry.at, 4).ok()?, self.number("ratio", entry.at + 4, 4).ok()?);
                Some(Value::Real(a as f64 / b as f64))
            }
            12 if entry.count == 1 => {
                Some(Value::Real(f64::from_bits(self.number("number", entry.at, 8).ok()?)))
            }
            _ => match self.integers(page, entry).ok()?[..] {
                [v] => i64::try_from(v).ok().map(Value::Integer),
                ref many => Some(Value::Text(many.iter().map(u64::to_string).collect::<Vec<_>>().join(" "))),
            },
        }
    }
}

impl Page {
    /// Rows and columns of strips or tiles.
    pub(crate) fn grid(&self) -> (usize, usize) {
        (self.height.div_ceil(self.chunk.0), self.width.div_ceil(self.chunk.1))
    }

    /// Samples that lie side by side in one chunk.
    pub(crate) fn interleaved(&self) -> usize {
        if self.planar { 1 } else { self.samples }
    }

    /// Bytes of one row of a chunk.
    pub(crate) fn chunk_row(&self) -> usize {
        (self.chunk.1 * self.interleaved() * self.bits).div_ceil(8)
    }

    /// Refuses sizes that the file, at the best ratio of its compression, cannot hold. What passes can
    /// be multiplied without care.
    fn check_size(&self, source: &Source) -> Result<()> {
        let possible = self.compression.max_ratio() * source.len() as u128;
        let product = |factors: &[usize]| factors.iter().fold(1u128, |p, &f| p.saturating_mul(f as u128));
        let page = product(&[self.width, self.height, self.samples, self.bits]) / 8;
        let chunk = product(&[self.chunk.0, self.chunk.1, self.interleaved(), self.bits]) / 8;
        if page > possible || chunk > possible || page.max(chunk) > isize::MAX as u128 / 8 {
            let problem = format!(
                "claims {} × {} pixels of {} × {} bits in chunks of {} × {}, which a file of {} bytes cannot hold",
                self.height,
                self.width,
                self.samples,
                self.bits,
                self.chunk.0,
                self.chunk.1,
                source.len()
            );
            return Err(Error::damaged(source.path(), format!("page {}", self.number), problem));
        }
        Ok(())
    }

    /// Planes of an ImageJ stack that follow this page without directories of their own: `images=` of
    /// the description, if the file holds that many.
    pub(crate) fn imagej_planes(&self, directories: &Directories<'_>) -> Result<Option<Vec<Page>>> {
        let header = directories.header(self);
        let description = header.find("ImageDescription").and_then(Value::text).unwrap_or("");
        let images = description.lines().find_map(|l| l.strip_prefix("images="));
        let n = images.and_then(|n| n.trim().parse::<u64>().ok()).unwrap_or(1);
        if !description.starts_with("ImageJ=") || n < 2 || self.compression != Compression::None {
            return Ok(None);
        }
        let plane: u64 = (self.height * self.chunk_row()) as u64;
        let chunks = directories.chunks(self)?;
        let contiguous = chunks.windows(2).all(|w| w[0].0.saturating_add(w[0].1) == w[1].0);
        let start = chunks.first().map_or(0, |c| c.0);
        if !contiguous || self.planar || self.grid().1 != 1 {
            return Ok(None);
        }
        let what = format!("ImageJ stack of {n} planes");
        directories.source.check_range(&what, start, n.saturating_mul(plane))?;
        Ok(Some((0..n).map(|k| Page { number: k as usize, shift: k * plane, ..self.clone() }).collect()))
    }
}

fn is_float(dtype: DType) -> bool {
    matches!(dtype, DType::F16 | DType::F32 | DType::F64)
}

fn sample_type(bits: u64, format: u64) -> Option<DType> {
    Some(match (bits, format) {
        // Format 4 is "undefined", which software reads as unsigned.
        (1 | 2 | 4 | 8, 1 | 4) => DType::U8,
        (16, 1 | 4) => DType::U16,
        (32, 1 | 4) => DType::U32,
        (64, 1 | 4) => DType::U64,
        (8, 2) => DType::I8,
        (16, 2) => DType::I16,
        (32, 2) => DType::I32,
        (64, 2) => DType::I64,
        (16, 3) => DType::F16,
        (32, 3) => DType::F32,
        (64, 3) => DType::F64,
        _ => return None,
    })
}

fn type_size(kind: u16) -> u64 {
    match kind {
        1 | 2 | 6 | 7 => 1,
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16 | 17 | 18 => 8,
        _ => 1,
    }
}

fn tag_name(tag: u16) -> String {
    let name = match tag {
        254 => "NewSubfileType",
        256 => "ImageWidth",
        257 => "ImageLength",
        258 => "BitsPerSample",
        259 => "Compression",
        262 => "PhotometricInterpretation",
        270 => "ImageDescription",
        271 => "Make",
        272 => "Model",
        273 => "StripOffsets",
        277 => "SamplesPerPixel",
        278 => "RowsPerStrip",
        279 => "StripByteCounts",
        282 => "XResolution",
        283 => "YResolution",
        284 => "PlanarConfiguration",
        296 => "ResolutionUnit",
        305 => "Software",
        306 => "DateTime",
        317 => "Predictor",
        322 => "TileWidth",
        323 => "TileLength",
        324 => "TileOffsets",
        325 => "TileByteCounts",
        338 => "ExtraSamples",
        339 => "SampleFormat",
        _ => return format!("Tag{tag}"),
    };
    name.into()
}
