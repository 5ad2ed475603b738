//! Where frames come from.

use std::ops::Range;

use ndarray::{Array2, Array3, ArrayView3, ArrayViewMut2, s};

use crate::{DType, Error, Pixel, PixelBuffer, Pixels, PixelsMut, Real, Result, check_shape};

/// A sequence of frames of one shape, delivered in any order, from any thread, in the number type in which
/// they were recorded.
///
/// Files implement it (`nonius-io`), arrays in memory do, simulations may. Method crates take
/// `&dyn FrameSource` and never learn where a frame came from. Single frames in a number type of one's own
/// come by [`ReadFrames`].
pub trait FrameSource: Send + Sync {
    /// Number of frames.
    fn n_frames(&self) -> usize;

    /// Shape `(y, x)` of every frame.
    fn frame_shape(&self) -> (usize, usize);

    /// Type of the numbers, one of those of [`Pixels`].
    fn dtype(&self) -> DType;

    /// Writes frames `frames`, one after another, into `out`.
    ///
    /// # Errors
    /// [`Error::Frame`] with the first frame that there is not or that cannot be read, or if `out` is not
    /// of type [`dtype`](FrameSource::dtype) and as long as the frames.
    fn read(&self, frames: Range<usize>, out: PixelsMut<'_>) -> Result<()>;

    /// The same without a copy, where the frames lie in memory one after another.
    fn lend(&self, frames: Range<usize>) -> Option<Pixels<'_>> {
        let _ = frames;
        None
    }

    /// Number of frames that are stored as one piece, from frame 0 on: reading any of them costs as much
    /// as reading all.
    fn frames_per_chunk(&self) -> usize {
        1
    }
}

/// Frames one by one as arrays of `f32` or `f64`: for every [`FrameSource`].
pub trait ReadFrames: FrameSource {
    /// Writes frame `index` into `out`, converted to `F`; `buffer` is room that is used again.
    ///
    /// # Errors
    /// [`Error::Frame`] if there is no such frame or it cannot be read, [`Error::Shape`] if `out` has
    /// another shape than the frames.
    fn read_frame<F: Real>(
        &self,
        index: usize,
        mut out: ArrayViewMut2<'_, F>,
        buffer: &mut PixelBuffer,
    ) -> Result<()> {
        let (h, w) = self.frame_shape();
        check_shape("frame buffer", &[h, w], out.shape())?;
        check_frames(&(index..index.saturating_add(1)), self.n_frames())?;
        let pixels = match self.lend(index..index + 1) {
            Some(pixels) => pixels,
            None => {
                self.read(index..index + 1, buffer.room(self.dtype(), h * w))?;
                buffer.pixels(h * w)
            }
        };
        match out.as_slice_mut() {
            Some(out) => pixels.convert(out),
            None => {
                let mut frame = vec![F::zero(); h * w];
                pixels.convert(&mut frame);
                out.iter_mut().zip(frame).for_each(|(o, v)| *o = v);
            }
        }
        Ok(())
    }

    /// Frame `index` in an array of its own.
    ///
    /// # Errors
    /// As [`read_frame`](ReadFrames::read_frame).
    fn frame<F: Real>(&self, index: usize) -> Result<Array2<F>> {
        let mut out = Array2::zeros(self.frame_shape());
        self.read_frame(index, out.view_mut(), &mut PixelBuffer::default())?;
        Ok(out)
    }
}

impl<S: FrameSource + ?Sized> ReadFrames for S {}

/// [`Error::Frame`] at the first of `frames` that is not below `n`.
pub fn check_frames(frames: &Range<usize>, n: usize) -> Result<()> {
    if frames.end <= n {
        return Ok(());
    }
    Err(Error::Frame { index: frames.start.max(n), reason: format!("there are {n} frames") })
}

/// [`Error::Frame`] unless `out` is of type `dtype` and has room for `n` pixels.
pub fn check_room(index: usize, out: &PixelsMut<'_>, dtype: DType, n: usize) -> Result<()> {
    if out.dtype() == dtype && out.len() == n {
        return Ok(());
    }
    let reason = format!("expected room for {n} pixels of {dtype}, got {} of {}", out.len(), out.dtype());
    Err(Error::Frame { index, reason })
}

/// A stack `(frame, y, x)` in memory.
impl<T: Pixel> FrameSource for ArrayView3<'_, T> {
    fn n_frames(&self) -> usize {
        self.dim().0
    }

    fn frame_shape(&self) -> (usize, usize) {
        (self.dim().1, self.dim().2)
    }

    fn dtype(&self) -> DType {
        T::DTYPE
    }

    fn read(&self, frames: Range<usize>, out: PixelsMut<'_>) -> Result<()> {
        check_frames(&frames, self.dim().0)?;
        let chosen = self.slice(s![frames.clone(), .., ..]);
        check_room(frames.start, &out, T::DTYPE, chosen.len())?;
        if let Some(out) = T::slice_mut(out) {
            out.iter_mut().zip(&chosen).for_each(|(o, &v)| *o = v);
        }
        Ok(())
    }

    fn lend(&self, frames: Range<usize>) -> Option<Pixels<'_>> {
        let (n, h, w) = self.dim();
        let all = (frames.end <= n).then(|| self.as_slice())??;
        all.get(frames.start * h * w..frames.end * h * w).map(T::pixels)
    }
}

/// A stack `(frame, y, x)` that owns its samples.
impl<T: Pixel> FrameSource for Array3<T> {
    fn n_frames(&self) -> usize {
        self.dim().0
    }

    fn frame_shape(&self) -> (usize, usize) {
        (self.dim().1, self.dim().2)
    }

    fn dtype(&self) -> DType {
        T::DTYPE
    }

    fn read(&self, frames: Range<usize>, out: PixelsMut<'_>) -> Result<()> {
        self.view().read(frames, out)
    }

    fn lend(&self, frames: Range<usize>) -> Option<Pixels<'_>> {
        let (n, h, w) = self.dim();
        let all = (frames.end <= n).then(|| self.as_slice())??;
        all.get(frames.start * h * w..frames.end * h * w).map(T::pixels)
    }
}

impl<S: FrameSource + ?Sized> FrameSource for &S {
    fn n_frames(&self) -> usize {
        (**self).n_frames()
    }

    fn frame_shape(&self) -> (usize, usize) {
        (**self).frame_shape()
    }

    fn dtype(&self) -> DType {
        (**self).dtype()
    }

    fn read(&self, frames: Range<usize>, out: PixelsMut<'_>) -> Result<()> {
        (**self).read(frames, out)
    }

    fn lend(&self, frames: Range<usize>) -> Option<Pixels<'_>> {
        (**self).lend(frames)
    }

    fn frames_per_chunk(&self) -> usize {
        (**self).frames_per_chunk()
    }
}
