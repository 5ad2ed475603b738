//! Filters that HDF5 files of this field use and that the library does not bring.

use hdf5_reader::error::{Error, Result};
use hdf5_reader::filters::FilterRegistry;
use hdf5_reader::messages::filter_pipeline::FilterDescription;

/// LZF, h5py's fast compression.
const LZF: u16 = 32000;
/// Bitshuffle with LZ4, as Dectris and Arina detectors write.
const BITSHUFFLE: u16 = 32008;
/// No chunk unfolds to more than this many times its packed size, and this much besides.
const EXPANSION: usize = 300;
const BESIDES: usize = 1 << 20;

/// The library's filters and these.
pub(crate) fn registry() -> FilterRegistry {
    let mut registry = FilterRegistry::new();
    registry.register(LZF, Box::new(|filter, data, _| lzf(filter, data)));
    registry.register(BITSHUFFLE, Box::new(bitshuffle));
    registry
}

fn damaged(what: &str) -> Error {
    Error::DecompressionError(what.into())
}

/// LZF: a byte below 32 announces so many literal bytes and one more, any other a repetition.
///
/// # Source
/// M. Lehmann, LibLZF, the stream as `lzf_d.c` reads it.
fn lzf(filter: &FilterDescription, data: &[u8]) -> Result<Vec<u8>> {
    let limit = filter.client_data.get(2).map_or(usize::MAX, |&n| n as usize);
    let limit = limit.min(data.len().saturating_mul(EXPANSION) + BESIDES);
    let mut out = Vec::new();
    let mut at = 0;
    let next = |at: &mut usize| {
        let byte = data.get(*at).copied().ok_or_else(|| damaged("LZF data end too early"));
        *at += 1;
        byte.map(usize::from)
    };
    while at < data.len() {
        let control = next(&mut at)?;
        if control < 32 {
            let literal = data.get(at..at + control + 1).ok_or_else(|| damaged("LZF data end too early"))?;
            out.extend_from_slice(literal);
            at += control + 1;
        } else {
            let mut length = control >> 5;
            if length == 7 {
                length += next(&mut at)?;
            }
            let back = ((control & 31) << 8) + next(&mut at)? + 1;
            let from = out.len().checked_sub(back).ok_or_else(|| damaged("LZF repeats what is not there"))?;
            // The repetition may overlap what it makes.
            for k in 0..length + 2 {
                out.push(out[from + k]);
            }
        }
        if out.len() > limit {
            return Err(damaged("LZF data unfold to more than a chunk"));
        }
    }
    Ok(out)
}

/// Bitshuffle: blocks of elements, the first bits of all of them, then the second ones and so on; packed by LZ4 if
/// the filter says so.
///
/// # Source
/// K. Masui et al., Astronomy and Computing 12, 181 (2015), doi:10.1016/j.ascom.2015.07.002; block format of
/// `bshuf_h5filter.c`.
fn bitshuffle(filter: &FilterDescription, data: &[u8], element: usize) -> Result<Vec<u8>> {
    let option = |k: usize| filter.client_data.get(k).map(|&v| v as usize);
    let element = option(2).filter(|&n| n > 0).unwrap_or(element).max(1);
    if element > 64 {
        return Err(damaged("bitshuffle elements of more than 64 bytes"));
    }
    // Elements per block, a multiple of 8: about 8192 bytes unless told.
    let usual = (8192 / element / 8 * 8).max(128);
    match option(4).unwrap_or(0) {
        0 => {
            let block = option(3).filter(|&n| n > 0 && n % 8 == 0).unwrap_or(usual);
            let mut out = Vec::with_capacity(data.len());
            for part in data.chunks(block.saturating_mul(element)) {
                unshuffle(part, element, &mut out);
            }
            Ok(out)
        }
        2 => {
            let number = |at: usize, n: usize| -> Result<usize> {
                let bytes = data.get(at..at + n).ok_or_else(|| damaged("bitshuffle data end too early"))?;
                let value = bytes.iter().fold(0u64, |v, &b| v << 8 | u64::from(b));
                usize::try_from(value).map_err(|_| damaged("bitshuffle sizes beyond memory"))
            };
            let (total, block) = (number(0, 8)?, number(8, 4)?);
            if total > data.len().saturating_mul(EXPANSION) + BESIDES || block == 0 || block % element != 0 {
                return Err(damaged("bitshuffle sizes that cannot be"));
            }
            let mut out = Vec::with_capacity(total);
            let mut at = 12;
            // The last elements, fewer than eight, stand unpacked at the end.
            let loose = total % (8 * element);
            while out.len() < total - loose {
                let packed = number(at, 4)?;
                let size = block.min(total - loose - out.len());
                let part = data
                    .get(at + 4..(at + 4).saturating_add(packed))
                    .ok_or_else(|| damaged("bitshuffle data end too early"))?;
                let unpacked =
                    lz4_flex::block::decompress(part, size).map_err(|e| damaged(&e.to_string()))?;
                if unpacked.len() != size {
                    return Err(damaged("a bitshuffle block of another size than it should have"));
                }
                unshuffle(&unpacked, element, &mut out);
                at += 4 + packed;
            }
            let rest = data.get(at..at + loose).ok_or_else(|| damaged("bitshuffle data end too early"))?;
            out.extend_from_slice(rest);
            Ok(out)
        }
        other => Err(Error::UnsupportedFilter(format!("{BITSHUFFLE} (bitshuffle) with compression {other}"))),
    }
}

/// Puts the bits of a block back together; what does not fill eight elements stands as it is.
fn unshuffle(block: &[u8], element: usize, out: &mut Vec<u8>) {
    let n = block.len() / element / 8 * 8;
    let start = out.len();
    out.resize(start + n * element, 0);
    let bytes_per_bit = n / 8;
    for bit in 0..8 * element {
        let row = &block[bit * bytes_per_bit..][..bytes_per_bit];
        for (k, &byte) in row.iter().enumerate() {
            for within in 0..8 {
                let to = start + (8 * k + within) * element + bit / 8;
                out[to] |= (byte >> within & 1) << (bit % 8);
            }
        }
    }
    out.extend_from_slice(&block[n * element..]);
}
