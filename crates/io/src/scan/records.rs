//! Frames at known places in files: what every format but TIFF comes down to.

use std::ops::Range;
use std::sync::Arc;

use nonius_core::{DType, FrameSource, Pixels, PixelsMut, check_frames, check_room};

use super::ScanWarning;
use super::bytes::FileBytes;
use super::counters::Counters;
use crate::dtype::Encoding;
use crate::{Error, Result};

/// Frames at equal distances in one file.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) file: Arc<FileBytes>,
    /// Where the pixels of the first frame begin, in bytes.
    pub(crate) first: u64,
    /// Bytes from one frame to the next.
    pub(crate) stride: u64,
    pub(crate) n: usize,
}

/// Bytes that must stand before the pixels of every frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Marker {
    pub(crate) bytes: [u8; 2],
    /// How far before the pixels.
    pub(crate) before: u64,
}

/// How the pixels of one frame are stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Stored {
    /// Numbers in C order.
    Numbers(Encoding),
    /// The counters of a detector, as it read them out.
    Counters(Counters),
}

impl Stored {
    fn delivered(&self) -> DType {
        match self {
            Stored::Numbers(encoding) => encoding.delivered(),
            Stored::Counters(counters) => counters.delivered(),
        }
    }

    /// Bytes of `n` pixels in the file; None if they cannot be counted.
    pub(crate) fn bytes(&self, (h, w): (usize, usize)) -> Option<usize> {
        let n = h.checked_mul(w)?;
        // Delivered pixels must be countable, too.
        isize::try_from(n.checked_mul(8)?).ok()?;
        match self {
            Stored::Numbers(encoding) => Some(n * encoding.dtype.size()),
            Stored::Counters(counters) => counters.bytes(n),
        }
    }
}

/// Frames at known places.
#[derive(Debug)]
pub(crate) struct Records {
    segments: Vec<Segment>,
    /// Number of the first frame of each segment, and of all.
    starts: Vec<usize>,
    shape: (usize, usize),
    stored: Stored,
    frame_bytes: usize,
    pub(crate) marker: Option<Marker>,
    /// Number in file order of each frame, where that is not the order of delivery.
    pub(crate) order: Option<Vec<usize>>,
}

/// What of the frames that should be there is in a file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Extent {
    /// Whole frames.
    pub(crate) complete: usize,
    /// Frames that the file should hold.
    pub(crate) expected: usize,
    /// Bytes behind the last whole frame.
    pub(crate) rest: u64,
}

/// How many records of `record` bytes (above 0) a file of `len` bytes holds from `first` on, of `expected`;
/// if that is unknown, every record that has begun was meant to be there.
pub(crate) fn extent(len: u64, first: u64, record: u64, expected: Option<usize>) -> Extent {
    let available = len.saturating_sub(first);
    let complete = usize::try_from(available / record.max(1)).unwrap_or(usize::MAX);
    let rest = available % record.max(1);
    let begun = complete.saturating_add(usize::from(rest > 0));
    Extent { complete, expected: expected.unwrap_or(begun), rest }
}

impl Extent {
    /// A frame that is cut, or bytes that belong to nothing.
    pub(crate) fn warn(&self, record: u64, warnings: &mut Vec<ScanWarning>) {
        match self.rest {
            0 => {}
            bytes if self.complete < self.expected => {
                warnings.push(ScanWarning::CutFrame { bytes, expected: record });
            }
            bytes => warnings.push(ScanWarning::TrailingBytes { bytes }),
        }
    }
}

impl Records {
    /// Frames of the segments, all of which were compared with the lengths of their files. The size of a
    /// frame must have been found countable by [`Stored::bytes`].
    pub(crate) fn new(segments: Vec<Segment>, shape: (usize, usize), stored: Stored) -> Self {
        let mut starts = vec![0usize];
        for segment in &segments {
            starts.push(starts[starts.len() - 1].saturating_add(segment.n));
        }
        let frame_bytes = stored.bytes(shape).unwrap_or(0);
        Records { segments, starts, shape, stored, frame_bytes, marker: None, order: None }
    }

    /// One segment.
    pub(crate) fn in_file(segment: Segment, shape: (usize, usize), stored: Stored) -> Self {
        Records::new(vec![segment], shape, stored)
    }

    /// The segment of a frame, its first byte, and how many frames from this one on lie in a row as they
    /// are delivered.
    fn place(&self, frame: usize) -> (&Segment, u64, usize) {
        let frame = self.order.as_ref().map_or(frame, |order| order[frame]);
        let k = self.starts.partition_point(|&start| start <= frame) - 1;
        let (segment, inside) = (&self.segments[k], frame - self.starts[k]);
        let plain = self.order.is_none() && segment.stride == self.frame_bytes as u64;
        let in_a_row = if plain { segment.n - inside } else { 1 };
        (segment, segment.first + inside as u64 * segment.stride, in_a_row)
    }

    /// [`Error::Damaged`] unless the marker of a frame is right.
    fn check_marker(&self, frame: usize) -> Result<()> {
        let Some(marker) = self.marker else { return Ok(()) };
        let (segment, at, _) = self.place(frame);
        let mut found = [0u8; 2];
        let at = at.saturating_sub(marker.before);
        segment.file.read("frame marker", at, &mut found)?;
        if found == marker.bytes {
            return Ok(());
        }
        let problem = format!(
            "begins with {found:02x?} at byte {at}, expected {:02x?}; ignore_markers reads it all the same",
            marker.bytes
        );
        Err(Error::damaged(segment.file.source().path(), format!("frame {frame}"), problem))
    }

    /// Frames that lie in a row into `out`.
    fn read_row(&self, file: &FileBytes, at: u64, mut out: PixelsMut<'_>) -> Result<()> {
        let n = out.len() / (self.shape.0 * self.shape.1).max(1);
        let len = n * self.frame_bytes;
        match (self.stored, file.mapped(at, len)) {
            (Stored::Numbers(encoding), Some(bytes)) => encoding.deliver(bytes, out),
            (Stored::Numbers(encoding), None) if encoding.has_size_of_delivered() => {
                let bytes = out.reborrow().bytes();
                file.read("frame", at, bytes)?;
                encoding.put_right(bytes);
            }
            (stored, mapped) => {
                let read;
                let bytes = match mapped {
                    Some(bytes) => bytes,
                    None => {
                        read = file.source().bytes("frame", at, len as u64)?;
                        &read
                    }
                };
                match stored {
                    Stored::Numbers(encoding) => encoding.deliver(bytes, out),
                    Stored::Counters(counters) => counters.deliver(bytes, out),
                }
            }
        }
        Ok(())
    }
}

impl FrameSource for Records {
    fn n_frames(&self) -> usize {
        self.order.as_ref().map_or(self.starts[self.starts.len() - 1], Vec::len)
    }

    fn frame_shape(&self) -> (usize, usize) {
        self.shape
    }

    fn dtype(&self) -> DType {
        self.stored.delivered()
    }

    fn read(&self, frames: Range<usize>, mut out: PixelsMut<'_>) -> nonius_core::Result<()> {
        check_frames(&frames, self.n_frames())?;
        let (h, w) = self.shape;
        check_room(frames.start, &out, self.dtype(), frames.len() * h * w)?;
        let mut index = frames.start;
        while index < frames.end {
            let failed = |e: Error| nonius_core::Error::Frame { index, reason: e.to_string() };
            let (segment, at, in_a_row) = self.place(index);
            let n = in_a_row.min(frames.end - index);
            self.check_marker(index).map_err(failed)?;
            let first = (index - frames.start) * h * w;
            let room = out.reborrow().slice(first..first + n * h * w);
            self.read_row(&segment.file, at, room).map_err(failed)?;
            index += n;
        }
        Ok(())
    }

    fn lend(&self, frames: Range<usize>) -> Option<Pixels<'_>> {
        let Stored::Numbers(encoding) = self.stored else { return None };
        if !encoding.is_native() || frames.is_empty() || frames.end > self.n_frames() {
            return None;
        }
        let (segment, at, in_a_row) = self.place(frames.start);
        if frames.len() > in_a_row || self.check_marker(frames.start).is_err() {
            return None;
        }
        let bytes = segment.file.mapped(at, frames.len() * self.frame_bytes)?;
        Pixels::from_bytes(encoding.delivered(), bytes)
    }
}
