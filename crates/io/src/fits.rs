//! FITS: primary image and IMAGE extensions of every BITPIX.
//!
//! Format: FITS standard 4.0 (Pence et al. 2018), with the unsigned-integer convention of its
//! section 5.2.5 and the CONTINUE convention of 4.2.1.2.

use crate::dtype::Encoding;
use crate::fits_card::{self, CARD};
use crate::header::{Header, Value};
use crate::source::Source;
use crate::{Error, Result};
use nonius_core::DType;

/// Headers and data fill whole blocks of this many bytes.
pub(crate) const BLOCK: u64 = 2880;

/// A header-data unit.
#[derive(Debug)]
pub(crate) struct Hdu {
    pub(crate) number: usize,
    /// `EXTNAME`.
    pub(crate) name: Option<String>,
    /// `EXTVER`, 1 if absent.
    pub(crate) version: i64,
    pub(crate) header: Header,
    /// Where the data begin, in bytes, and how many there are before padding.
    pub(crate) data: u64,
    pub(crate) data_len: u64,
    pub(crate) content: Content,
}

/// What an HDU holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    /// An image; shape with the slowest axis (`NAXISn`) first.
    Image { shape: Vec<usize>, encoding: Encoding },
    /// A header alone.
    Nothing,
    /// Something else, named for a message.
    Other(String),
}

/// Reads the HDU whose header begins at byte `start`.
pub(crate) fn read_hdu(source: &Source, number: usize, start: u64) -> Result<Hdu> {
    let place = format!("HDU {number} header");
    let mut header = Header::default();
    let mut at = start;
    'blocks: loop {
        let mut block = [0u8; BLOCK as usize];
        source.read_at(&place, at, &mut block)?;
        at += BLOCK;
        for card in block.as_chunks::<CARD>().0 {
            if card.starts_with(b"END     ") {
                break 'blocks;
            }
            fits_card::append(card, &mut header);
        }
        let wrong_start = match number {
            0 => !block.starts_with(b"SIMPLE  ="),
            _ => !block.starts_with(b"XTENSION="),
        };
        if at == start + BLOCK && wrong_start {
            let first = String::from_utf8_lossy(&block[..8]).into_owned();
            let expected = if number == 0 { "SIMPLE" } else { "XTENSION" };
            let problem = format!("byte {start}: first card is {first:?}, expected {expected:?}");
            return Err(Error::damaged(source.path(), place, problem));
        }
    }
    let cards = Cards { source, place: &place, header: &header };
    let shape = cards.shape()?;
    let bitpix = cards.integer("BITPIX", 8)?;
    let dtype = stored_type(bitpix).ok_or_else(|| {
        cards.damaged(format!("card BITPIX is {bitpix}, expected 8, 16, 32, 64, -32 or -64"))
    })?;
    let data_len = cards.data_len(&shape, dtype)?;
    let content = cards.content(shape, dtype)?;
    let name = header.find("EXTNAME").and_then(Value::text).map(str::to_string);
    let version = cards.integer("EXTVER", 1)?;
    Ok(Hdu { number, name, version, header, data: at, data_len, content })
}

fn stored_type(bitpix: i64) -> Option<DType> {
    Some(match bitpix {
        8 => DType::U8,
        16 => DType::I16,
        32 => DType::I32,
        64 => DType::I64,
        -32 => DType::F32,
        -64 => DType::F64,
        _ => return None,
    })
}

impl Hdu {
    /// Where the next HDU begins, if the file goes on that far.
    pub(crate) fn next(&self, source: &Source) -> Option<u64> {
        let end = self.data.checked_add(self.data_len)?.checked_next_multiple_of(BLOCK)?;
        (end < source.len()).then_some(end)
    }
}

/// The header under examination.
struct Cards<'a> {
    source: &'a Source,
    place: &'a str,
    header: &'a Header,
}

impl Cards<'_> {
    fn damaged(&self, problem: String) -> Error {
        Error::damaged(self.source.path(), self.place, problem)
    }

    fn integer(&self, keyword: &str, default: i64) -> Result<i64> {
        match self.header.find(keyword) {
            None => Ok(default),
            Some(v) => v.integer().ok_or_else(|| {
                self.damaged(format!("card {keyword} is {:?}, expected a whole number", v.to_string()))
            }),
        }
    }

    fn real(&self, keyword: &str, default: f64) -> Result<f64> {
        match self.header.find(keyword) {
            None => Ok(default),
            Some(v) => v.real().ok_or_else(|| {
                self.damaged(format!("card {keyword} is {:?}, expected a number", v.to_string()))
            }),
        }
    }

    /// The axes, slowest first.
    fn shape(&self) -> Result<Vec<usize>> {
        let n = self.integer("NAXIS", -1)?;
        if !(0..=999).contains(&n) {
            return Err(self.damaged(format!("card NAXIS is {n}, expected 0 to 999")));
        }
        let axis = |i: i64| {
            let keyword = format!("NAXIS{i}");
            let length = self.integer(&keyword, -1)?;
            usize::try_from(length).map_err(|_| {
                self.damaged(format!("card {keyword} is {length} or missing, expected a length"))
            })
        };
        (1..=n).rev().map(axis).collect()
    }

    /// Bytes of data: |BITPIX|/8 · GCOUNT · (PCOUNT + NAXIS1 · … · NAXISm).
    fn data_len(&self, shape: &[usize], dtype: DType) -> Result<u64> {
        let (groups, parameters) = (self.integer("GCOUNT", 1)?, self.integer("PCOUNT", 0)?);
        // Random groups: NAXIS1 = 0 is not a length.
        let axes = if self.is_random_groups(shape) { &shape[..shape.len() - 1] } else { shape };
        let pixels = if axes.is_empty() { Some(0) } else { crate::array::byte_size(axes, 1) };
        let len = || {
            let groups = u64::try_from(groups).ok()?;
            let all = pixels?.checked_add(u64::try_from(parameters).ok()?)?;
            all.checked_mul(groups)?.checked_mul(dtype.size() as u64)
        };
        len().ok_or_else(|| {
            let problem =
                format!("axes {shape:?}, PCOUNT {parameters}, GCOUNT {groups} make no possible size");
            self.damaged(problem)
        })
    }

    fn is_random_groups(&self, shape: &[usize]) -> bool {
        shape.last() == Some(&0) && self.header.find("GROUPS") == Some(&Value::Logical(true))
    }

    fn content(&self, shape: Vec<usize>, dtype: DType) -> Result<Content> {
        let extension = self.header.find("XTENSION").and_then(Value::text).unwrap_or("IMAGE").trim();
        Ok(match extension {
            _ if self.is_random_groups(&shape) => Content::Other("random groups".into()),
            "IMAGE" | "IUEIMAGE" if shape.is_empty() || shape.contains(&0) => Content::Nothing,
            "IMAGE" | "IUEIMAGE" => Content::Image { shape, encoding: self.encoding(dtype)? },
            "BINTABLE" if self.header.find("ZIMAGE") == Some(&Value::Logical(true)) => {
                let how = self.header.find("ZCMPTYPE").map(Value::to_string).unwrap_or_default();
                Content::Other(format!("tile-compressed image ({how})"))
            }
            "BINTABLE" => Content::Other("binary table".into()),
            "TABLE" => Content::Other("text table".into()),
            other => Content::Other(format!("extension {other:?}")),
        })
    }

    /// physical = BZERO + BSCALE · stored; BLANK is compared with what is stored.
    fn encoding(&self, stored: DType) -> Result<Encoding> {
        let (slope, zero) = (self.real("BSCALE", 1.0)?, self.real("BZERO", 0.0)?);
        let unsigned = match (stored, slope, zero) {
            (DType::U8, 1.0, -128.0) => Some(DType::I8),
            (DType::I16, 1.0, 32_768.0) => Some(DType::U16),
            (DType::I32, 1.0, 2_147_483_648.0) => Some(DType::U32),
            (DType::I64, 1.0, 9_223_372_036_854_775_808.0) => Some(DType::U64),
            _ => None,
        };
        let is_integer = !matches!(stored, DType::F32 | DType::F64);
        let blank = self.header.find("BLANK").filter(|_| is_integer).and_then(Value::integer).map(i128::from);
        let plain = Encoding::plain(unsigned.unwrap_or(stored), true);
        Ok(match unsigned {
            // The sign bit alone differs, so 64-bit values stay exact; BLANK moves along.
            Some(_) => Encoding { flip_sign: true, blank: blank.map(|b| b + zero as i128), ..plain },
            None => {
                Encoding { blank, scale: (slope != 1.0 || zero != 0.0).then_some((slope, zero)), ..plain }
            }
        })
    }
}
