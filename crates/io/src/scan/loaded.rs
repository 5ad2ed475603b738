//! Frames in memory, for arrays that cannot be read frame by frame.

use std::ops::Range;

use nonius_core::{DType, FrameSource, PixelBuffer, Pixels, PixelsMut, check_frames, check_room};

use crate::open::Pixels as Stored;
use crate::source::Source;
use crate::{Error, Result};

#[derive(Debug)]
pub(super) struct Loaded {
    pixels: PixelBuffer,
    dtype: DType,
    n: usize,
    shape: (usize, usize),
}

impl Loaded {
    /// All `n` frames of `stored`, if they take no more than `limit` bytes; `why` says why they must be
    /// loaded and how to do without.
    pub(super) fn new(
        source: &Source,
        stored: &Stored,
        (n, shape): (usize, (usize, usize)),
        limit: u64,
        (why, hint): (&str, &str),
    ) -> Result<Self> {
        let dtype = stored.delivered();
        let pixels = n as u128 * shape.0 as u128 * shape.1 as u128;
        let bytes = pixels * dtype.size() as u128;
        if bytes > u128::from(limit) {
            let what = format!("{why}, {bytes} bytes to load at once where the limit is {limit}");
            return Err(Error::unsupported(source.path(), what, hint));
        }
        let mut buffer = source.allocate_pixels("array", dtype, pixels)?;
        let room = buffer.room(dtype, pixels as usize);
        stored.deliver(0..n, room)?;
        Ok(Loaded { pixels: buffer, dtype, n, shape })
    }

    fn all(&self) -> Pixels<'_> {
        self.pixels.pixels(self.n * self.shape.0 * self.shape.1)
    }
}

impl FrameSource for Loaded {
    fn n_frames(&self) -> usize {
        self.n
    }

    fn frame_shape(&self) -> (usize, usize) {
        self.shape
    }

    fn dtype(&self) -> DType {
        self.dtype
    }

    fn read(&self, frames: Range<usize>, mut out: PixelsMut<'_>) -> nonius_core::Result<()> {
        check_frames(&frames, self.n)?;
        let pixels = self.shape.0 * self.shape.1;
        check_room(frames.start, &out, self.dtype, frames.len() * pixels)?;
        let copied = out.copy_from(self.all().slice(frames.start * pixels..frames.end * pixels));
        debug_assert!(copied, "type and length were checked");
        Ok(())
    }

    fn lend(&self, frames: Range<usize>) -> Option<Pixels<'_>> {
        let pixels = self.shape.0 * self.shape.1;
        (frames.start <= frames.end && frames.end <= self.n)
            .then(|| self.all().slice(frames.start * pixels..frames.end * pixels))
    }
}
