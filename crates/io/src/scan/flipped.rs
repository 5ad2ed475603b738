//! Frames whose rows were recorded from below.

use std::ops::Range;

use nonius_core::{DType, FrameSource, PixelsMut};

/// Frames with the last row first.
pub(super) struct Flipped(pub(super) Box<dyn FrameSource>);

impl FrameSource for Flipped {
    fn n_frames(&self) -> usize {
        self.0.n_frames()
    }

    fn frame_shape(&self) -> (usize, usize) {
        self.0.frame_shape()
    }

    fn dtype(&self) -> DType {
        self.0.dtype()
    }

    fn read(&self, frames: Range<usize>, mut out: PixelsMut<'_>) -> nonius_core::Result<()> {
        self.0.read(frames, out.reborrow())?;
        let (h, w) = self.0.frame_shape();
        let row = w * self.0.dtype().size();
        for frame in out.bytes().chunks_mut(h * row) {
            for y in 0..h / 2 {
                let (above, below) = frame.split_at_mut((h - 1 - y) * row);
                above[y * row..][..row].swap_with_slice(&mut below[..row]);
            }
        }
        Ok(())
    }

    fn frames_per_chunk(&self) -> usize {
        self.0.frames_per_chunk()
    }
}
