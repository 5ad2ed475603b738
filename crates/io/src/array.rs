//! Numbers one after another in a file: what NPY, FITS, MRC and a stored NPZ member are.

use std::ops::Range;
use std::sync::Arc;

use nonius_core::Real;

use crate::deflated::Deflated;
use crate::dtype::Encoding;
use crate::source::Source;
use crate::{Error, Result};

/// Bytes converted at a time.
const TILE: usize = 1 << 16;

/// Where the bytes of an array lie.
#[derive(Debug)]
pub(crate) enum Bytes {
    /// In the file as they are, from this byte on.
    Plain { source: Arc<Source>, start: u64 },
    /// Packed, from this byte of the unpacked member on.
    Deflated { member: Deflated, start: u64 },
}

/// CRC-32 of a whole NPZ member: checked when the whole array is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Checksum {
    pub(crate) crc: u32,
    /// Bytes of the member before and after the numbers.
    pub(crate) before: u64,
    pub(crate) after: u64,
}

/// An array of numbers in C or Fortran order.
#[derive(Debug)]
pub(crate) struct RawArray {
    pub(crate) bytes: Bytes,
    pub(crate) shape: Vec<usize>,
    pub(crate) encoding: Encoding,
    pub(crate) fortran: bool,
    pub(crate) checksum: Option<Checksum>,
}

/// Shape `(y, x)` of the last two axes (1 where an axis is missing) and the number of such frames.
pub(crate) fn frames_of(shape: &[usize]) -> (usize, (usize, usize)) {
    match *shape {
        [] => (1, (1, 1)),
        [x] => (1, (1, x)),
        [ref lead @ .., y, x] => (lead.iter().product(), (y, x)),
    }
}

/// Number of bytes of an array. `None` if its axes, those of length 0 aside, make more than memory can
/// address: what passes can be multiplied without care.
pub(crate) fn byte_size(shape: &[usize], size: usize) -> Option<u64> {
    let bytes = shape.iter().try_fold(size, |n, &s| n.checked_mul(s.max(1)))?;
    let addressable = isize::try_from(bytes).ok()?;
    Some(if shape.contains(&0) { 0 } else { addressable as u64 })
}

impl RawArray {
    /// Number of bytes in the file, checked against the room there is.
    pub(crate) fn check_size(&self, place: &str, room: u64) -> Result<u64> {
        let size = self.encoding.dtype.size();
        let source = self.bytes.source();
        let impossible = || {
            let problem = format!("shape {:?} is more than memory can address", self.shape);
            Error::damaged(source.path(), place, problem)
        };
        let needed = byte_size(&self.shape, size).ok_or_else(impossible)?;
        if needed <= room {
            return Ok(needed);
        }
        Err(match self.bytes {
            Bytes::Plain { start, .. } if start + room == source.len() => {
                let what = format!("{place} of shape {:?} and type {}", self.shape, self.encoding.dtype);
                Error::Truncated {
                    path: source.path().into(),
                    what,
                    offset: start,
                    needed,
                    length: source.len(),
                }
            }
            _ => {
                let problem = format!("shape {:?} needs {needed} bytes, there are {room}", self.shape);
                Error::damaged(source.path(), place, problem)
            }
        })
    }

    /// Frames `range`, one after another in C order, into `out`.
    pub(crate) fn read_frames<F: Real>(&self, range: Range<usize>, out: &mut [F]) -> Result<()> {
        let (n, (y, x)) = frames_of(&self.shape);
        if n * y * x == 0 {
            return Ok(());
        }
        let whole = range == (0..n);
        if !self.fortran {
            let first = range.start * y * x;
            return self.run(first, out.len(), whole, |at, v| out[at - first] = v);
        }
        // In Fortran order frame m holds the elements m + n·(row + y·column).
        let lead = &self.shape[..self.shape.len().saturating_sub(2)];
        let c_index = fortran_to_c(lead);
        self.run(0, n * y * x, whole, |at, v| {
            let (frame, pixel) = (c_index[at % n], at / n);
            if range.contains(&frame) {
                out[((frame - range.start) * y + pixel % y) * x + pixel / y] = v;
            }
        })
    }

    /// Frames `range` as delivered, one after another in C order, into the bytes of `out`; for encodings
    /// that [have the size](Encoding::has_size_of_delivered) of what is delivered.
    pub(crate) fn read_stored(&self, range: Range<usize>, out: &mut [u8]) -> Result<()> {
        let (n, (y, x)) = frames_of(&self.shape);
        let size = self.encoding.dtype.size();
        if n * y * x == 0 {
            return Ok(());
        }
        let whole = range == (0..n);
        if !self.fortran {
            let first = range.start * y * x;
            self.tiles(first, range.len() * y * x, whole, |at, bytes| {
                out[(at - first) * size..][..bytes.len()].copy_from_slice(bytes);
            })?;
        } else {
            let c_index = fortran_to_c(&self.shape[..self.shape.len().saturating_sub(2)]);
            self.tiles(0, n * y * x, whole, |first, bytes| {
                for (at, number) in (first..).zip(bytes.chunks_exact(size)) {
                    let (frame, pixel) = (c_index[at % n], at / n);
                    if range.contains(&frame) {
                        let to = ((frame - range.start) * y + pixel % y) * x + pixel / y;
                        out[to * size..][..size].copy_from_slice(number);
                    }
                }
            })?;
        }
        self.encoding.put_right(out);
        Ok(())
    }

    /// Hands elements `first..first + count`, in stored order, with their places to `put`.
    fn run<F: Real>(
        &self,
        first: usize,
        count: usize,
        whole: bool,
        mut put: impl FnMut(usize, F),
    ) -> Result<()> {
        self.tiles(first, count, whole, |at, bytes| self.encoding.decode(bytes, |i, v| put(at + i, v)))
    }

    /// Hands the bytes of elements `first..first + count`, some at a time, with the place of the first of
    /// them to `put`.
    fn tiles(
        &self,
        first: usize,
        count: usize,
        whole: bool,
        mut put: impl FnMut(usize, &[u8]),
    ) -> Result<()> {
        let size = self.encoding.dtype.size();
        let mut reader = self.bytes.reader();
        let mut check = self.checksum.filter(|_| whole).map(|c| (c, flate2::Crc::new()));
        let mut tile = [0u8; TILE];
        if let Some((c, crc)) = &mut check {
            reader.digest(-(c.before as i64), c.before, &mut tile, crc)?;
        }
        let per_tile = TILE / size;
        let mut done = 0;
        while done < count {
            let n = per_tile.min(count - done);
            let bytes = &mut tile[..n * size];
            reader.read((first + done) as u64 * size as u64, bytes)?;
            if let Some((_, crc)) = &mut check {
                crc.update(bytes);
            }
            put(first + done, bytes);
            done += n;
        }
        if let Some((c, mut crc)) = check {
            reader.digest((count * size) as i64, c.after, &mut tile, &mut crc)?;
            if crc.sum() != c.crc {
                let problem =
                    format!("checksum is {:08x}, expected {:08x}: the data are damaged", crc.sum(), c.crc);
                return Err(Error::damaged(self.bytes.source().path(), "member", problem));
            }
        }
        reader.finish();
        Ok(())
    }
}

/// For each position of the leading axes in Fortran order, its position in C order.
fn fortran_to_c(lead: &[usize]) -> Vec<usize> {
    let n: usize = lead.iter().product();
    let c_index = |mut m: usize| {
        let index: Vec<usize> = lead.iter().map(|&s| (m % s, m /= s).0).collect();
        index.iter().zip(lead).fold(0, |k, (&i, &s)| k * s + i)
    };
    (0..n).map(c_index).collect()
}

impl Bytes {
    pub(crate) fn source(&self) -> &Arc<Source> {
        match self {
            Bytes::Plain { source, .. } => source,
            Bytes::Deflated { member, .. } => member.source(),
        }
    }

    fn reader(&self) -> Reader<'_> {
        match self {
            Bytes::Plain { source, start } => Reader::Plain { source, start: *start },
            Bytes::Deflated { member, start } => Reader::Deflated { member, start: *start, cursor: None },
        }
    }
}

/// Positions count from the first byte of the array.
enum Reader<'a> {
    Plain { source: &'a Source, start: u64 },
    Deflated { member: &'a Deflated, start: u64, cursor: Option<crate::deflated::Cursor> },
}

impl Reader<'_> {
    fn read(&mut self, at: u64, out: &mut [u8]) -> Result<()> {
        match self {
            Reader::Plain { source, start } => source.read_at("pixels", *start + at, out),
            Reader::Deflated { member, start, cursor } => {
                let at = *start + at;
                let mut at_hand = match cursor.take() {
                    Some(c) if c.position() <= at => c,
                    _ => member.cursor(at),
                };
                at_hand.read(member, at, out)?;
                *cursor = Some(at_hand);
                Ok(())
            }
        }
    }

    /// Adds `len` bytes, from `at` on (negative: before the array), to a checksum.
    fn digest(&mut self, at: i64, len: u64, tile: &mut [u8], crc: &mut flate2::Crc) -> Result<()> {
        let start = match self {
            Reader::Plain { start, .. } | Reader::Deflated { start, .. } => start,
        };
        let origin = *start;
        *start = origin.saturating_add_signed(at);
        let mut done = 0;
        while done < len {
            let n = (len - done).min(tile.len() as u64) as usize;
            self.read(done, &mut tile[..n])?;
            crc.update(&tile[..n]);
            done += n as u64;
        }
        match self {
            Reader::Plain { start, .. } | Reader::Deflated { start, .. } => *start = origin,
        }
        Ok(())
    }

    /// Gives the place in a packed member back for whoever reads on.
    fn finish(self) {
        if let Reader::Deflated { member, cursor: Some(cursor), .. } = self {
            member.put_back(cursor);
        }
    }
}
