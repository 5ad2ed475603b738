//! The sum of all frames.

use ndarray::Array2;
use nonius_core::{Consumer, Result, Scope, Tile};

/// The sum of all frames: `f64`, of the frames' shape, of recorded values as they are.
#[derive(Debug, Clone, Copy, Default)]
pub struct FrameSum;

impl Consumer for FrameSum {
    type Partial = (Array2<f64>, Vec<f64>);
    type Output = Array2<f64>;

    fn start(&self, scope: &Scope) -> Result<Self::Partial> {
        let (h, w) = scope.frame_shape;
        Ok((Array2::zeros(scope.frame_shape), vec![0.0; h * w]))
    }

    fn process(&self, tile: &Tile<'_>, (sum, frame): &mut Self::Partial) -> Result<()> {
        for k in 0..tile.n_frames() {
            tile.frame(k, frame);
            sum.iter_mut().zip(&*frame).for_each(|(s, v)| *s += v);
        }
        Ok(())
    }

    fn merge(&self, earlier: Self::Partial, later: Self::Partial) -> Self::Partial {
        (earlier.0 + later.0, earlier.1)
    }

    fn finish(&self, whole: Self::Partial) -> Array2<f64> {
        whole.0
    }
}
