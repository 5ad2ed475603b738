//! Sum of logarithms.

use std::sync::OnceLock;

use ndarray::Array2;
use nonius_core::{Consumer, Pixels, Result, Scope, Tile};

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

impl Consumer for LogSum {
    type Partial = Array2<f64>;
    type Output = Array2<f64>;

    fn start(&self, scope: &Scope) -> Result<Array2<f64>> {
        Ok(Array2::zeros(scope.frame_shape))
    }

    fn process(&self, tile: &Tile<'_>, sum: &mut Array2<f64>) -> Result<()> {
        let n = tile.frame_len();
        let Some(sum) = sum.as_slice_mut() else { return Ok(()) };
        match tile.pixels() {
            Pixels::U8(p) => p.chunks_exact(n).for_each(|f| add_small(sum, f)),
            Pixels::I8(p) => p.chunks_exact(n).for_each(|f| add_small(sum, f)),
            Pixels::U16(p) => p.chunks_exact(n).for_each(|f| add_small(sum, f)),
            Pixels::I16(p) => p.chunks_exact(n).for_each(|f| add_small(sum, f)),
            Pixels::U32(p) => p.chunks_exact(n).for_each(|f| add_integers(sum, f)),
            Pixels::I32(p) => p.chunks_exact(n).for_each(|f| add_integers(sum, f)),
            Pixels::U64(p) => p.chunks_exact(n).for_each(|f| add_integers(sum, f)),
            Pixels::I64(p) => p.chunks_exact(n).for_each(|f| add_integers(sum, f)),
            Pixels::F32(p) => p.chunks_exact(n).for_each(|f| add_real(sum, f)),
            Pixels::F64(p) => p.chunks_exact(n).for_each(|f| add_real(sum, f)),
        }
        Ok(())
    }

    fn merge(&self, earlier: Array2<f64>, later: Array2<f64>) -> Array2<f64> {
        earlier + later
    }

    fn finish(&self, whole: Array2<f64>) -> Array2<f64> {
        whole
    }
}
