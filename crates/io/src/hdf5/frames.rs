//! Frames of an HDF5 dataset.

use std::ops::Range;
use std::path::Path;

use nonius_core::{DType, FrameSource, PixelsMut, check_frames, check_room};

use super::container::Dataset;
use super::pure::{EXPANSION, LEAST_ROOM};
use crate::{Error, Result};

/// Frames beyond this size, with those stored in one piece with them, are not read at once.
const LARGEST_PIECE: usize = 64 << 20;

/// The last two axes of a dataset (those of length 1 may stand between) as frames, the others as the scan.
#[derive(Debug)]
pub(crate) struct Hdf5Frames {
    data: Box<dyn Dataset>,
    name: String,
    /// Axes of the dataset that count frames; the others are those of a frame.
    scan_axes: Vec<usize>,
    frame_shape: (usize, usize),
    n: usize,
    per_chunk: usize,
}

impl Hdf5Frames {
    pub(crate) fn new(
        path: &Path,
        data: Box<dyn Dataset>,
        name: String,
        frame_axes: [usize; 2],
    ) -> Result<Self> {
        let shape = data.shape();
        let scan_axes: Vec<usize> = (0..shape.len()).filter(|a| !frame_axes.contains(a)).collect();
        let [h, w] = frame_axes.map(|a| shape[a]);
        let n = scan_axes.iter().try_fold(1usize, |n, &a| n.checked_mul(shape[a]));
        let bytes = |n: usize| n.checked_mul(h)?.checked_mul(w)?.checked_mul(8);
        let possible = n.filter(|&n| n > 0 && bytes(n).is_some_and(|b| b > 0 && isize::try_from(b).is_ok()));
        let len = std::fs::metadata(path).map_err(|e| Error::io(path, "open", e))?.len() as u128;
        // What is not in the file is filled in, but nobody records a frame of nothing.
        let room = LEAST_ROOM as u128 + EXPANSION as u128 * len;
        let Some(n) = possible.filter(|_| bytes(1).is_some_and(|frame| frame as u128 <= room)) else {
            return Err(Error::damaged(path, &name, format!("shape {shape:?} is no scan that can be")));
        };
        let mut frames = Hdf5Frames { data, name, scan_axes, frame_shape: (h, w), n, per_chunk: 1 };
        frames.per_chunk = frames.frames_in_a_chunk();
        Ok(frames)
    }

    /// Type of the numbers in the file.
    pub(crate) fn stored(&self) -> DType {
        self.data.encoding().dtype
    }

    /// Frames in file order that fill whole chunks, if that is bearable; else those along the last scan axis.
    fn frames_in_a_chunk(&self) -> usize {
        let Some(chunk) = self.data.chunk() else { return 1 };
        let shape = self.data.shape();
        let frame_bytes = (self.frame_shape.0 * self.frame_shape.1 * self.dtype().size()).max(1);
        let mut frames = 1;
        let mut inner = 1usize;
        for &axis in self.scan_axes.iter().rev() {
            if chunk[axis] > 1 {
                let all = inner.saturating_mul(chunk[axis].min(shape[axis]));
                if all.saturating_mul(frame_bytes) > LARGEST_PIECE {
                    break;
                }
                frames = all;
            }
            inner = inner.saturating_mul(shape[axis]);
        }
        frames.min(self.n)
    }

    /// Boxes of frames that follow one another: first index and number along every scan axis.
    fn boxes(&self, frames: Range<usize>) -> Vec<(Vec<usize>, Vec<usize>)> {
        let sizes: Vec<usize> = self.scan_axes.iter().map(|&a| self.data.shape()[a]).collect();
        let mut out = Vec::new();
        let mut first = frames.start;
        while first < frames.end {
            let index: Vec<usize> = sizes
                .iter()
                .rev()
                .scan(first, |rest, &n| {
                    let at = *rest % n;
                    *rest /= n;
                    Some(at)
                })
                .collect::<Vec<_>>()
                .into_iter()
                .rev()
                .collect();
            let mut count = vec![1; sizes.len()];
            let mut taken = 1;
            // As many whole inner axes as fit, then a part of the next.
            for axis in (0..sizes.len()).rev() {
                let most = ((frames.end - first) / taken).min(sizes[axis] - index[axis]);
                count[axis] = most.max(1);
                taken *= count[axis];
                if index[axis] != 0 || count[axis] != sizes[axis] {
                    break;
                }
            }
            out.push((index, count));
            first += taken;
        }
        out
    }
}

impl FrameSource for Hdf5Frames {
    fn n_frames(&self) -> usize {
        self.n
    }

    fn frame_shape(&self) -> (usize, usize) {
        self.frame_shape
    }

    fn dtype(&self) -> DType {
        self.data.encoding().delivered()
    }

    fn read(&self, frames: Range<usize>, mut out: PixelsMut<'_>) -> nonius_core::Result<()> {
        check_frames(&frames, self.n)?;
        let (h, w) = self.frame_shape;
        check_room(frames.start, &out, self.dtype(), frames.len() * h * w)?;
        let (mut at, mut first) = (0, frames.start);
        for (index, count) in self.boxes(frames) {
            let mut start = vec![0; self.data.shape().len()];
            let mut size = self.data.shape().to_vec();
            for ((&axis, &index), &count) in self.scan_axes.iter().zip(&index).zip(&count) {
                (start[axis], size[axis]) = (index, count);
            }
            let n_frames: usize = count.iter().product();
            let failed = |reason: String| nonius_core::Error::Frame {
                index: first,
                reason: format!("{}: {reason}", self.name),
            };
            let stored = self.data.read(&start, &size).map_err(failed)?;
            let n = n_frames * h * w;
            if stored.len() != n * self.data.encoding().dtype.size() {
                return Err(failed(format!("{} bytes for {n} pixels", stored.len())));
            }
            self.data.encoding().deliver(&stored, out.reborrow().slice(at..at + n));
            at += n;
            first += n_frames;
        }
        Ok(())
    }

    fn frames_per_chunk(&self) -> usize {
        self.per_chunk
    }
}
