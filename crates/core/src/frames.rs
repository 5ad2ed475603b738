//! Where frames come from.

use ndarray::{Array2, Array3, ArrayView2, ArrayView3, ArrayViewMut2};

use crate::{Error, Real, Result, Sample};

/// A sequence of frames of one shape, delivered one by one in any order and from any thread.
///
/// Files implement it (`nonius-io`), arrays in memory do, simulations may. Method crates take
/// `&dyn FrameSource<F>` and never learn where a frame came from.
pub trait FrameSource<F: Real>: Sync {
    /// Number of frames.
    fn n_frames(&self) -> usize;

    /// Shape `(y, x)` of every frame.
    fn frame_shape(&self) -> (usize, usize);

    /// Writes frame `index` into `out`, converted to `F`.
    ///
    /// # Errors
    /// [`Error::Frame`] if there is no such frame or it cannot be read, [`Error::Shape`] if `out` has
    /// another shape than the frames.
    fn read_frame(&self, index: usize, out: ArrayViewMut2<'_, F>) -> Result<()>;

    /// Frame `index` in an array of its own.
    ///
    /// # Errors
    /// As [`read_frame`](FrameSource::read_frame).
    fn frame(&self, index: usize) -> Result<Array2<F>> {
        let mut out = Array2::zeros(self.frame_shape());
        self.read_frame(index, out.view_mut())?;
        Ok(out)
    }
}

/// A stack `(frame, y, x)` in memory, of any sample type.
impl<F: Real, T: Sample> FrameSource<F> for ArrayView3<'_, T> {
    fn n_frames(&self) -> usize {
        self.dim().0
    }

    fn frame_shape(&self) -> (usize, usize) {
        (self.dim().1, self.dim().2)
    }

    fn read_frame(&self, index: usize, mut out: ArrayViewMut2<'_, F>) -> Result<()> {
        let n = self.dim().0;
        if index >= n {
            return Err(Error::Frame { index, reason: format!("there are {n} frames") });
        }
        let frame: ArrayView2<'_, T> = self.index_axis(ndarray::Axis(0), index);
        crate::error::check_shape("frame buffer", frame.shape(), out.shape())?;
        out.zip_mut_with(&frame, |o, &v| *o = v.real());
        Ok(())
    }
}

/// A stack `(frame, y, x)` that owns its samples.
impl<F: Real, T: Sample> FrameSource<F> for Array3<T> {
    fn n_frames(&self) -> usize {
        self.dim().0
    }

    fn frame_shape(&self) -> (usize, usize) {
        (self.dim().1, self.dim().2)
    }

    fn read_frame(&self, index: usize, out: ArrayViewMut2<'_, F>) -> Result<()> {
        self.view().read_frame(index, out)
    }
}
