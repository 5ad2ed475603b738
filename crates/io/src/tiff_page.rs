//! TIFF pixels: chunks unpacked, differences undone, samples converted.

use std::ops::Range;
use std::sync::Arc;

use nonius_core::Real;

use crate::color::Channel;
use crate::source::Source;
use crate::tiff_directory::{Compression, Directories, Page, Predictor};
use crate::{Error, Result};

/// Pages of one shape and type.
#[derive(Debug)]
pub(crate) struct TiffPages {
    pub(crate) source: Arc<Source>,
    pub(crate) pages: Vec<Page>,
    pub(crate) channel: Channel,
}

impl TiffPages {
    /// Pages `range`, one after another, into `out`.
    pub(crate) fn read_frames<F: Real>(&self, range: Range<usize>, out: &mut [F]) -> Result<()> {
        let pages = &self.pages[range];
        let pixels = out.len().checked_div(pages.len()).unwrap_or(0);
        for (page, out) in pages.iter().zip(out.chunks_mut(pixels.max(1))) {
            self.rows(page, |plane, stored, at, n| self.convert(page, plane, stored, &mut out[at..at + n]))?;
        }
        Ok(())
    }

    /// Pages `range` as delivered into the bytes of `out`, for a channel that is stored.
    pub(crate) fn read_stored(&self, range: Range<usize>, out: &mut [u8]) -> Result<()> {
        let pages = &self.pages[range];
        let frame = out.len().checked_div(pages.len()).unwrap_or(0);
        for (page, out) in pages.iter().zip(out.chunks_mut(frame.max(1))) {
            let (n, size) = (page.interleaved(), page.encoding.dtype.size());
            // Of planar files only the wanted plane comes, alone.
            let channel = if page.planar { Channel::At(0) } else { self.channel };
            self.rows(page, |_, stored, at, count| {
                let out = &mut out[at * size..][..count * size];
                match page.bits < 8 {
                    true => self.unpack_bits(page, stored, |i, v| {
                        if i < count {
                            out[i] = v
                        }
                    }),
                    false => channel.pick_stored(n, size, stored, out),
                }
            })?;
            page.encoding.put_right(out);
        }
        Ok(())
    }

    /// Hands each piece of a row of a page to `put`: the colour plane, the stored bytes, the pixel where it
    /// begins, the number of pixels.
    fn rows(&self, page: &Page, mut put: impl FnMut(usize, &[u8], usize, usize)) -> Result<()> {
        let chunks = Directories::new(&self.source)?.chunks(page)?;
        let (down, across) = page.grid();
        let (rows, columns) = page.chunk;
        let place = format!("page {}", page.number);
        let mut bytes = self.source.allocate(&place, (rows * page.chunk_row()) as u128)?;
        // Planar files hold each colour in a set of chunks of its own.
        let planes = if page.planar { 0..page.samples } else { 0..1 };
        for plane in planes {
            let wanted = !page.planar || self.channel.weight(plane) != 0.0;
            for (k, &(offset, len)) in chunks[plane * down * across..][..down * across].iter().enumerate() {
                let (y, x) = (k / across * rows, k % across * columns);
                let (ny, nx) = (rows.min(page.height - y), columns.min(page.width - x));
                if !wanted {
                    continue;
                }
                // A last strip may be short; a tile is always whole.
                let stored_rows = if across == 1 && columns == page.width { ny } else { rows };
                let chunk = &mut bytes[..stored_rows * page.chunk_row()];
                self.unpack(page, k, (offset, len), chunk)?;
                undo_predictor(page, chunk);
                for row in 0..ny {
                    let stored = &chunk[row * page.chunk_row()..][..page.chunk_row()];
                    put(plane, stored, (y + row) * page.width + x, nx);
                }
            }
        }
        Ok(())
    }

    /// Fills `out` with the unpacked bytes of one strip or tile.
    fn unpack(&self, page: &Page, chunk: usize, (offset, len): (u64, u64), out: &mut [u8]) -> Result<()> {
        let what = format!("page {}, strip or tile {chunk}", page.number);
        if page.compression == Compression::None {
            return self.source.read_at(&what, offset, out);
        }
        let packed = self.source.bytes(&what, offset, len)?;
        let done = match page.compression {
            Compression::None => Ok(()),
            Compression::Deflate => unpack_zlib(&packed, out),
            Compression::Lzw => unpack_lzw(&packed, out),
            Compression::PackBits => unpack_packbits(&packed, out),
        };
        done.map_err(|e| {
            let problem = format!("cannot unpack {} bytes from {len} at byte {offset}: {e}", out.len());
            Error::damaged(self.source.path(), what, problem)
        })
    }

    /// Hands every sample of a row of 1, 2 or 4 bits per sample with its place to `put`.
    fn unpack_bits(&self, page: &Page, stored: &[u8], mut put: impl FnMut(usize, u8)) {
        let mask = (1u16 << page.bits) as u8 - 1;
        for i in 0..stored.len() * 8 / page.bits {
            let bit = i * page.bits;
            put(i, stored[bit / 8] >> (8 - page.bits - bit % 8) & mask);
        }
    }

    /// One stored row into pixels.
    fn convert<F: Real>(&self, page: &Page, plane: usize, stored: &[u8], out: &mut [F]) {
        let n = page.interleaved();
        if page.bits < 8 {
            let count = out.len();
            self.unpack_bits(page, stored, |i, v| {
                if i < count {
                    out[i] = F::of(v.into())
                }
            });
        } else if page.planar {
            self.channel.add_plane(plane, page.encoding, stored, out);
        } else {
            self.channel.pick(n, page.encoding, stored, out);
        }
    }
}

fn unpack_zlib(packed: &[u8], out: &mut [u8]) -> std::result::Result<(), String> {
    let mut decoder = flate2::Decompress::new(true);
    // With everything at hand in one call the decoder works in `out`, without a window of its own.
    let status = decoder.decompress(packed, out, flate2::FlushDecompress::Finish);
    match (status, decoder.total_out()) {
        (Err(e), n) => Err(format!("{e} after {n} bytes")),
        // A strip may hold more than its rows: that is not an error.
        (Ok(_), n) if n == out.len() as u64 => Ok(()),
        (Ok(_), n) => Err(format!("the data end after {n} bytes")),
    }
}

fn unpack_lzw(packed: &[u8], out: &mut [u8]) -> std::result::Result<(), String> {
    // Before TIFF 5 codes began at the low bit; such strips start with bytes 0 and an odd one.
    let old = matches!(packed, [0, b, ..] if b & 1 == 1);
    let mut decoder = match old {
        true => weezl::decode::Decoder::new(weezl::BitOrder::Lsb, 8),
        false => weezl::decode::Decoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8),
    };
    let (mut read, mut written) = (0, 0);
    while written < out.len() {
        let step = decoder.decode_bytes(&packed[read..], &mut out[written..]);
        read += step.consumed_in;
        written += step.consumed_out;
        match step.status {
            Err(e) => return Err(e.to_string()),
            Ok(weezl::LzwStatus::Ok) if step.consumed_in + step.consumed_out > 0 => {}
            Ok(_) if written < out.len() => return Err(format!("the data end after {written} bytes")),
            Ok(_) => {}
        }
    }
    Ok(())
}

fn unpack_packbits(packed: &[u8], out: &mut [u8]) -> std::result::Result<(), String> {
    let (mut read, mut written) = (0, 0);
    while written < out.len() {
        let ended = || format!("the data end after {written} bytes");
        let control = *packed.get(read).ok_or_else(ended)? as i8;
        read += 1;
        if control >= 0 {
            let n = (control as usize + 1).min(out.len() - written);
            let literal = packed.get(read..read + n).ok_or_else(ended)?;
            out[written..written + n].copy_from_slice(literal);
            read += n;
            written += n;
        } else if control != -128 {
            let n = (1 - control as isize) as usize;
            let n = n.min(out.len() - written);
            out[written..written + n].fill(*packed.get(read).ok_or_else(ended)?);
            read += 1;
            written += n;
        }
    }
    Ok(())
}

/// Turns differences between neighbours of a row back into samples, in the file's byte order.
fn undo_predictor(page: &Page, chunk: &mut [u8]) {
    let (size, step) = (page.bits / 8, page.interleaved());
    match page.predictor {
        Predictor::None => {}
        Predictor::Horizontal => {
            for row in chunk.chunks_exact_mut(page.chunk_row()) {
                add_left(row, size, step, page.encoding.big_endian);
            }
        }
        Predictor::Float => {
            let mut planes = vec![0u8; page.chunk_row()];
            for row in chunk.chunks_exact_mut(page.chunk_row()) {
                add_left(row, 1, step, true);
                // Most significant bytes of all samples first, then the next …
                planes.copy_from_slice(row);
                let n = row.len() / size;
                for (i, sample) in row.chunks_exact_mut(size).enumerate() {
                    for k in 0..size {
                        let byte = if page.encoding.big_endian { k } else { size - 1 - k };
                        sample[byte] = planes[k * n + i];
                    }
                }
            }
        }
    }
}

/// Adds to every sample of `size` bytes the sample `step` before it.
fn add_left(row: &mut [u8], size: usize, step: usize, big_endian: bool) {
    for at in (step * size..row.len()).step_by(size) {
        let mut carry = 0u16;
        for k in 0..size {
            let byte = at + if big_endian { size - 1 - k } else { k };
            let sum = u16::from(row[byte]) + u16::from(row[byte - step * size]) + carry;
            row[byte] = sum as u8;
            carry = sum >> 8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packbits_of_the_specification() {
        let packed =
            [0xfe, 0xaa, 0x02, 0x80, 0x00, 0x2a, 0xfd, 0xaa, 0x03, 0x80, 0x00, 0x2a, 0x22, 0xf7, 0xaa];
        let mut out = [0u8; 24];
        unpack_packbits(&packed, &mut out).unwrap();
        assert_eq!(out[..8], [0xaa, 0xaa, 0xaa, 0x80, 0, 0x2a, 0xaa, 0xaa]);
        assert_eq!(out[14..], [0xaa; 10]);
        assert!(unpack_packbits(&packed[..9], &mut out).is_err());
    }

    #[test]
    fn zlib_checks_its_sum() {
        let mut packed = Vec::new();
        let mut encoder = flate2::read::ZlibEncoder::new(&b"some pixels"[..], flate2::Compression::default());
        std::io::Read::read_to_end(&mut encoder, &mut packed).unwrap();
        let mut out = [0u8; 11];
        unpack_zlib(&packed, &mut out).unwrap();
        assert_eq!(&out, b"some pixels");
        unpack_zlib(&packed, &mut out[..4]).unwrap();
        assert!(unpack_zlib(&packed, &mut [0u8; 12]).unwrap_err().contains("end after 11 bytes"));
        *packed.last_mut().unwrap() ^= 1;
        assert!(unpack_zlib(&packed, &mut out).is_err());
    }

    #[test]
    fn differences_carry_over_bytes() {
        let mut row = [0xff, 0x00, 0x01, 0x00, 0x00, 0x01];
        add_left(&mut row, 2, 1, false);
        assert_eq!(row, [0xff, 0x00, 0x00, 0x01, 0x00, 0x02]);
    }
}
