//! NPY, versions 1 to 3: one array with a Python dictionary for a header.
//!
//! Format: NumPy enhancement proposal 1 and `numpy.lib.format`. The dictionary is parsed here: the parser
//! of `ndarray-npy` 0.9.1 takes time exponential in nested brackets (18 s for 18 of them).

use std::path::Path;

use crate::dtype::Encoding;
use crate::{Error, Result};
use nonius_core::DType;

pub(crate) const SIGNATURE: &[u8] = b"\x93NUMPY";
/// Longest header read. A plain array needs some 100 bytes.
const MAX_HEADER: usize = 1 << 16;
/// As many axes as NumPy 2 allows.
const MAX_AXES: usize = 64;

/// What an NPY header says.
#[derive(Debug, PartialEq)]
pub(crate) struct NpyHeader {
    pub(crate) encoding: Encoding,
    pub(crate) fortran: bool,
    pub(crate) shape: Vec<usize>,
    /// Where the numbers begin, in bytes.
    pub(crate) data: u64,
}

/// Reads a header through `read(offset, out)`; `place` is put before messages.
pub(crate) fn read_header(
    path: &Path,
    place: &str,
    mut read: impl FnMut(u64, &mut [u8]) -> Result<()>,
) -> Result<NpyHeader> {
    let damaged = |problem: String| Error::damaged(path, format!("{place}NPY header"), problem);
    let mut start = [0u8; 8];
    read(0, &mut start)?;
    if &start[..6] != SIGNATURE {
        return Err(damaged(format!("begins with {:02x?}, expected {SIGNATURE:02x?}", &start[..6])));
    }
    let (len, at) = match start[6] {
        1 => {
            let mut len = [0u8; 2];
            read(8, &mut len)?;
            (u16::from_le_bytes(len) as usize, 10)
        }
        2 | 3 => {
            let mut len = [0u8; 4];
            read(8, &mut len)?;
            (u32::from_le_bytes(len) as usize, 12)
        }
        v => {
            return Err(Error::unsupported(
                path,
                format!("{place}NPY version {v}"),
                "versions 1, 2 and 3 are read",
            ));
        }
    };
    if len > MAX_HEADER {
        return Err(damaged(format!("is {len} bytes long, expected at most {MAX_HEADER}")));
    }
    let mut text = vec![0u8; len];
    read(at, &mut text)?;
    let text = std::str::from_utf8(&text)
        .map_err(|e| damaged(format!("is not text at byte {}", e.valid_up_to())))?;
    let dict = Dict::parse(text)
        .map_err(|(offset, problem)| damaged(format!("byte {}: {problem}", at + offset as u64)))?;
    let missing = |key: &str| damaged(format!("has no {key:?}"));
    let descr = dict.descr.ok_or_else(|| missing("descr"))?;
    Ok(NpyHeader {
        encoding: encoding(descr)
            .ok_or_else(|| Error::unsupported(path, format!("{place}dtype {descr:?}"), hint(descr)))?,
        fortran: dict.fortran.ok_or_else(|| missing("fortran_order"))?,
        shape: dict.shape.ok_or_else(|| missing("shape"))?,
        data: at + len as u64,
    })
}

/// `<u2`, `>f4`, `|b1` …; `None` for what is not a real number of at most 64 bits.
fn encoding(descr: &str) -> Option<Encoding> {
    let (order, kind) = match descr.as_bytes() {
        [b'<' | b'>' | b'|' | b'=', ..] => descr.split_at(1),
        _ => ("=", descr),
    };
    let dtype = match kind {
        "b1" => DType::Bool,
        "u1" => DType::U8,
        "i1" => DType::I8,
        "u2" => DType::U16,
        "i2" => DType::I16,
        "u4" => DType::U32,
        "i4" => DType::I32,
        "u8" => DType::U64,
        "i8" => DType::I64,
        "f2" => DType::F16,
        "f4" => DType::F32,
        "f8" => DType::F64,
        _ => return None,
    };
    let big_endian = order == ">" || (order == "=" && cfg!(target_endian = "big"));
    Some(Encoding::plain(dtype, big_endian))
}

fn hint(descr: &str) -> &'static str {
    match descr.trim_start_matches(['<', '>', '|', '=']).bytes().next() {
        Some(b'c') => "complex numbers are not an image: save the real part, the modulus or the phase",
        Some(b'[') => "structured arrays are not read: save one field",
        Some(b'O') => "Python objects are not read: save numbers",
        _ => "bool, integers of 8 to 64 bits and floats of 16, 32, 64 bits are read",
    }
}

/// The dictionary literal of the header: three known keys, in any order.
#[derive(Default)]
struct Dict<'a> {
    descr: Option<&'a str>,
    fortran: Option<bool>,
    shape: Option<Vec<usize>>,
}

type Parsed<T> = std::result::Result<T, (usize, String)>;

/// A place in the header's text.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Dict<'a> {
    fn parse(text: &'a str) -> Parsed<Self> {
        let mut c = Cursor { text, at: 0 };
        let mut dict = Dict::default();
        c.expect("{")?;
        while !c.take("}") {
            let key = c.string()?;
            c.expect(":")?;
            match key {
                "descr" => dict.descr = Some(c.descr()?),
                "fortran_order" => dict.fortran = Some(c.boolean()?),
                "shape" => dict.shape = Some(c.tuple()?),
                _ => {
                    return Err((
                        c.at,
                        format!("unknown key {key:?}; expected descr, fortran_order or shape"),
                    ));
                }
            }
            if !c.take(",") {
                c.expect("}")?;
                break;
            }
        }
        Ok(dict)
    }
}

impl<'a> Cursor<'a> {
    fn rest(&mut self) -> &'a str {
        let rest = self.text[self.at..].trim_start();
        self.at = self.text.len() - rest.len();
        rest
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found
    }

    fn expect(&mut self, token: &str) -> Parsed<()> {
        if self.take(token) { Ok(()) } else { Err((self.at, format!("expected {token:?}"))) }
    }

    fn string(&mut self) -> Parsed<&'a str> {
        let rest = self.rest();
        let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'));
        let inside = quote.and_then(|q| rest[1..].split_once(q)).map(|(inside, _)| inside);
        let inside = inside.ok_or_else(|| (self.at, "expected a quoted text".to_string()))?;
        self.at += inside.len() + 2;
        Ok(inside)
    }

    /// A quoted type, or the whole list that describes a structured one.
    fn descr(&mut self) -> Parsed<&'a str> {
        let rest = self.rest();
        if !rest.starts_with('[') {
            return self.string();
        }
        let len = rest.rfind(']').map_or(rest.len(), |i| i + 1);
        self.at += len;
        Ok(&rest[..len])
    }

    fn boolean(&mut self) -> Parsed<bool> {
        if self.take("True") {
            Ok(true)
        } else if self.take("False") {
            Ok(false)
        } else {
            Err((self.at, "expected True or False".into()))
        }
    }

    /// `()`, `(3,)`, `(3, 4)`; Python 2 wrote `3L`.
    fn tuple(&mut self) -> Parsed<Vec<usize>> {
        let mut shape = Vec::new();
        self.expect("(")?;
        while !self.take(")") {
            let rest = self.rest();
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let length = rest[..digits]
                .parse()
                .map_err(|_| (self.at, "expected the length of an axis".to_string()))?;
            if shape.len() == MAX_AXES {
                return Err((self.at, format!("more than {} axes", MAX_AXES)));
            }
            shape.push(length);
            self.at += digits;
            self.take("L");
            if !self.take(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(dict: &str) -> Result<NpyHeader> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((dict.len() as u16).to_le_bytes());
        bytes.extend(dict.as_bytes());
        read_header(Path::new("a.npy"), "", |at, out| {
            out.copy_from_slice(&bytes[at as usize..at as usize + out.len()]);
            Ok(())
        })
    }

    #[test]
    fn any_order_of_keys_and_either_quote() {
        let header = parse("{\"shape\": (2, 3L, ), 'fortran_order': True, 'descr': '>u2'}  \n").unwrap();
        assert_eq!((header.shape, header.fortran), (vec![2, 3], true));
        assert_eq!(header.encoding, Encoding::plain(DType::U16, true));
    }

    #[test]
    fn scalars_and_vectors() {
        assert_eq!(parse("{'descr': '<f8', 'fortran_order': False, 'shape': ()}").unwrap().shape, [0; 0]);
        assert_eq!(parse("{'descr': '<f8', 'fortran_order': False, 'shape': (7,)}").unwrap().shape, [7]);
    }

    #[test]
    fn messages_say_what_was_expected() {
        for (dict, words) in [
            ("{'descr': '<c16', 'fortran_order': False, 'shape': (1,)}", "save the real part"),
            ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "save one field"),
            ("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "Python objects"),
            ("{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}", "byte 44: expected True or False"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "expected the length of an axis"),
            ("{'descr': '<f4', 'fortran_order': False}", "has no \"shape\""),
            ("{'descr': '<f4'", "expected \"}\""),
            ("{'é", "expected a quoted text"),
        ] {
            let message = parse(dict).unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        }
    }
}
