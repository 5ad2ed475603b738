//! MRC: images and tilt series of electron microscopy.
//!
//! Format: MRC2014 (Cheng et al., J. Struct. Biol. 192, 146, 2015, doi:10.1016/j.jsb.2015.04.002),
//! with IMOD's flag for unsigned bytes.

use crate::dtype::Encoding;
use crate::header::{Header, Value};
use crate::source::Source;
use crate::{Error, Result};
use nonius_core::DType;

/// Bytes of the fixed header.
const HEADER: usize = 1024;
/// `imodStamp`, the number 1146047817 at byte 152: the bytes `IMOD`.
const IMOD_STAMP: i32 = 1_146_047_817;

/// What an MRC header says.
#[derive(Debug)]
pub(crate) struct MrcHeader {
    pub(crate) encoding: Encoding,
    /// `(section, y, x)`, or `(y, x)` if there is one section.
    pub(crate) shape: Vec<usize>,
    /// Where the numbers begin, in bytes.
    pub(crate) data: u64,
    pub(crate) header: Header,
    pub(crate) warnings: Vec<String>,
}

/// A field of the header.
struct Fields<'a> {
    bytes: &'a [u8; HEADER],
    big_endian: bool,
}

impl Fields<'_> {
    fn word(&self, at: usize) -> [u8; 4] {
        [self.bytes[at], self.bytes[at + 1], self.bytes[at + 2], self.bytes[at + 3]]
    }

    fn int(&self, at: usize) -> i32 {
        if self.big_endian { i32::from_be_bytes(self.word(at)) } else { i32::from_le_bytes(self.word(at)) }
    }

    fn float(&self, at: usize) -> f64 {
        f32::from_bits(self.int(at) as u32).into()
    }

    fn text(&self, at: usize, len: usize) -> String {
        let bytes = &self.bytes[at..at + len];
        bytes.iter().map(|&b| b as char).collect::<String>().trim_matches(['\0', ' ']).to_string()
    }
}

/// True if a file that begins like this is MRC: it says `MAP ` at byte 208.
pub(crate) fn has_signature(start: &[u8]) -> bool {
    start.get(208..212).is_some_and(|s| s.starts_with(b"MAP"))
}

/// Reads and checks the header. A file without `MAP ` is accepted, with a warning, if its length
/// agrees with its sizes in one byte order.
pub(crate) fn read_header(source: &Source) -> Result<MrcHeader> {
    let mut bytes = [0u8; HEADER];
    source.read_at("MRC header", 0, &mut bytes)?;
    let mut warnings = Vec::new();
    let stamp = &bytes[212..214];
    let orders = match (has_signature(&bytes), stamp) {
        (true, [0x44, _]) => [false, false],
        (true, [0x11, 0x11]) => [true, true],
        // Without a stamp, whichever order gives a mode that exists.
        _ => [false, true],
    };
    let plausible = |&big_endian: &bool| {
        let f = Fields { bytes: &bytes, big_endian };
        (0..=127).contains(&f.int(12)) && (0..12).step_by(4).all(|at| f.int(at) > 0)
    };
    let big_endian = orders.into_iter().find(plausible).unwrap_or(orders[0]);
    let f = Fields { bytes: &bytes, big_endian };
    let damaged = |problem: String| Error::damaged(source.path(), "MRC header", problem);
    if !has_signature(&bytes) {
        warnings.push("no \"MAP \" at byte 208: an old MRC file, taken on the word of its size".to_string());
    }

    let [nx, ny, nz] = [0, 4, 8].map(|at| f.int(at));
    if nx <= 0 || ny <= 0 || nz <= 0 {
        return Err(damaged(format!(
            "bytes 0 to 11: nx, ny, nz are {nx}, {ny}, {nz}, expected numbers above 0"
        )));
    }
    let dtype = dtype(&f, &mut warnings)
        .map_err(|hint| Error::unsupported(source.path(), format!("MRC mode {}", f.int(12)), hint))?;
    let extended = u32::try_from(f.int(92)).map_err(|_| {
        damaged(format!("byte 92: the extended header has {} bytes, expected 0 or more", f.int(92)))
    })?;
    let (nz, ny, nx) = (nz as usize, ny as usize, nx as usize);
    Ok(MrcHeader {
        encoding: Encoding::plain(dtype, big_endian),
        shape: if nz == 1 { vec![ny, nx] } else { vec![nz, ny, nx] },
        data: HEADER as u64 + extended as u64,
        header: cards(&f),
        warnings,
    })
}

/// The stored type, or a hint on what to do about a mode that is not read.
fn dtype(f: &Fields<'_>, warnings: &mut Vec<String>) -> std::result::Result<DType, &'static str> {
    let imod = f.int(152) == IMOD_STAMP;
    match f.int(12) {
        0 if imod && f.int(156) & 1 == 0 => {
            warnings.push("mode 0 with IMOD's flag for unsigned bytes: read as uint8".into());
            Ok(DType::U8)
        }
        0 => Ok(DType::I8),
        1 => Ok(DType::I16),
        2 => Ok(DType::F32),
        6 => Ok(DType::U16),
        12 => Ok(DType::F16),
        3 | 4 => Err("complex transforms are not an image: save the modulus or the phase"),
        _ => Err("modes 0 (int8), 1 (int16), 2 (float32), 6 (uint16) and 12 (float16) are read"),
    }
}

fn cards(f: &Fields<'_>) -> Header {
    let mut header = Header::default();
    let size = [0, 4, 8].map(|at| f.int(at));
    for (name, at) in
        [("NX", 0), ("NY", 4), ("NZ", 8), ("MODE", 12), ("NXSTART", 16), ("NYSTART", 20), ("NZSTART", 24)]
    {
        header.push(name, i64::from(f.int(at)), "");
    }
    for (i, name) in ["x", "y", "z"].into_iter().enumerate() {
        let (intervals, cell) = (f.int(28 + 4 * i), f.float(40 + 4 * i));
        header.push(
            format!("CELL_{}", name.to_uppercase()),
            cell,
            format!("length of the cell along {name}, angstrom"),
        );
        if intervals > 0 && size[i] > 0 {
            let comment = format!("pixel size along {name}, angstrom");
            header.push(format!("VOXEL_{}", name.to_uppercase()), cell / f64::from(intervals), comment);
        }
    }
    for (name, at) in [("DMIN", 76), ("DMAX", 80), ("DMEAN", 84), ("RMS", 216)] {
        header.push(name, f.float(at), "as stored, not computed");
    }
    header.push("ISPG", i64::from(f.int(88)), "space group; 0 for images and stacks, 1 for volumes");
    header.push("NSYMBT", i64::from(f.int(92)), "bytes of the extended header");
    header.push("EXTTYP", f.text(104, 4), "type of the extended header");
    header.push("NVERSION", i64::from(f.int(108)), "");
    for k in 0..f.int(220).clamp(0, 10) as usize {
        header.push("LABEL", Value::Text(f.text(224 + 80 * k, 80)), "");
    }
    header
}
