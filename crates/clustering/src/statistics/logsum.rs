//! Sum of logarithms.

use std::sync::OnceLock;

use ndarray::{Array2, Array3, ArrayViewD, Axis};
use nonius_core::{Consumer, Pixels, Result, Scope, Tile};

use super::labels::Labels;

/// `Σ_t ln(I_t − min I_t + 1)` per pixel, the minimum over the pixels of frame t that are not NaN: a mean frame
/// in which weak disks are seen beside strong ones. Result `(y, x)` of the frame, `f64`.
///
/// A pixel is NaN where it is NaN in any frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogSum;

/// `ln(1 + d)` for the differences d that 16 bits can have.
fn table() -> &'static [f64] {
    static TABLE: OnceLock<Vec<f64>> = OnceLock::new();
    TABLE.get_or_init(|| (1..=1u32 << 16).map(|v| f64::from(v).ln()).collect())
}

/// Logarithms of integers of up to 16 bits come from the table.
fn add_small<T: Copy + Ord + Into<i32>>(sum: &mut [f64], frame: &[T]) {
    let Some(least) = frame.iter().min() else { return };
    let (least, logarithms): (i32, _) = ((*least).into(), table());
    sum.iter_mut().zip(frame).for_each(|(s, &v)| *s += logarithms[(v.into() - least) as usize]);
}

fn add_integers<T: Copy + Ord + Into<i128>>(sum: &mut [f64], frame: &[T]) {
    let Some(least) = frame.iter().min() else { return };
    let least: i128 = (*least).into();
    // The difference is exact, whatever the sign.
    sum.iter_mut().zip(frame).for_each(|(s, &v)| *s += ((v.into() - least + 1) as f64).ln());
}

fn add_real<T: Copy + Into<f64>>(sum: &mut [f64], frame: &[T]) {
    // `min` ignores NaN.
    let least = frame.iter().fold(f64::INFINITY, |least, &v| least.min(v.into()));
    sum.iter_mut().zip(frame).for_each(|(s, &v)| *s += (v.into() - least + 1.0).ln());
}

/// Adds frame `k` of a tile.
fn add_frame(sum: &mut [f64], tile: &Tile<'_>, k: usize) {
    let n = tile.frame_len();
    match tile.pixels().slice(k * n..(k + 1) * n) {
        Pixels::U8(frame) => add_small(sum, frame),
        Pixels::I8(frame) => add_small(sum, frame),
        Pixels::U16(frame) => add_small(sum, frame),
        Pixels::I16(frame) => add_small(sum, frame),
        Pixels::U32(frame) => add_integers(sum, frame),
        Pixels::I32(frame) => add_integers(sum, frame),
        Pixels::U64(frame) => add_integers(sum, frame),
        Pixels::I64(frame) => add_integers(sum, frame),
        Pixels::F32(frame) => add_real(sum, frame),
        Pixels::F64(frame) => add_real(sum, frame),
    }
}

impl Consumer for LogSum {
    type Partial = Array2<f64>;
    type Output = Array2<f64>;

    fn start(&self, scope: &Scope) -> Result<Array2<f64>> {
        Ok(Array2::zeros(scope.frame_shape))
    }

    fn process(&self, tile: &Tile<'_>, sum: &mut Array2<f64>) -> Result<()> {
        let Some(sum) = sum.as_slice_mut() else { return Ok(()) };
        (0..tile.n_frames()).for_each(|k| add_frame(sum, tile, k));
        Ok(())
    }

    fn merge(&self, earlier: Array2<f64>, later: Array2<f64>) -> Array2<f64> {
        earlier + later
    }

    fn finish(&self, whole: Array2<f64>) -> Array2<f64> {
        whole
    }
}

/// [`LogSum`] of several groups of frames in one pass: `(group, y, x)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledLogSum(Labels);

impl LabelledLogSum {
    /// `labels` has the shape of the scan; frames without a label belong to no group. Groups are numbered from 0 to the
    /// greatest label.
    ///
    /// # Errors
    /// [`Error::Parameter`](nonius_core::Error::Parameter) if no frame has a label, or a label is not below the number of
    /// positions.
    pub fn new(labels: ArrayViewD<'_, Option<usize>>) -> Result<Self> {
        Ok(LabelledLogSum(Labels::new(labels)?))
    }
}

impl Consumer for LabelledLogSum {
    type Partial = Array3<f64>;
    type Output = Array3<f64>;

    fn start(&self, scope: &Scope) -> Result<Array3<f64>> {
        self.0.check(scope)?;
        let (h, w) = scope.frame_shape;
        Ok(Array3::zeros((self.0.n_labels, h, w)))
    }

    fn process(&self, tile: &Tile<'_>, sums: &mut Array3<f64>) -> Result<()> {
        for k in 0..tile.n_frames() {
            if let Some(label) = self.0.of(tile.position(k))
                && let Some(sum) = sums.index_axis_mut(Axis(0), label).as_slice_mut()
            {
                add_frame(sum, tile, k);
            }
        }
        Ok(())
    }

    fn merge(&self, earlier: Array3<f64>, later: Array3<f64>) -> Array3<f64> {
        earlier + later
    }

    fn finish(&self, whole: Array3<f64>) -> Array3<f64> {
        whole
    }
}
