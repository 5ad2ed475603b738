//! Centre of mass of every frame.

use std::sync::Arc;

use ndarray::Array2;
use nonius_core::{Consumer, Result, Sample, Scope, Tile, with_pixels};

use crate::detector::{Detector, Run, sum, weighted_sum};

/// Centre of mass of every frame within a detector, weights w:
///
/// ```text
/// (Σ y w I, Σ x w I) / Σ w I
/// ```
///
/// Result: one row `(y, x)` px per sample, `f64`. A frame whose Σ w I is 0 has its centre at `reference`, a frame with
/// NaN under the detector has NaN.
///
/// ```
/// use ndarray::Array3;
/// use nonius_clustering::CenterOfMass;
/// use nonius_core::{NoProgress, PassParams, Scan, pass};
///
/// let frames = Array3::from_shape_fn((2, 8, 9), |(k, y, x)| if (y, x) == (3, 4 + k) { 7u16 } else { 0 });
/// let scan = Scan::new(Box::new(frames), &Default::default())?;
/// let centers = pass(&scan.select(None)?, &CenterOfMass::default(), &PassParams::default(), &NoProgress)?;
/// assert_eq!(centers, ndarray::array![[3.0, 4.0], [3.0, 5.0]]);
/// # Ok::<(), nonius_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct CenterOfMass {
    /// Pixels that count. Default: all.
    pub detector: Detector,
    /// Centre `(y, x)` px of frames without any signal. None (the default): `⌊size / 2⌋`, the pixel of frequency
    /// zero.
    pub reference: Option<[f64; 2]>,
}

impl Default for CenterOfMass {
    fn default() -> Self {
        CenterOfMass { detector: Detector::Whole, reference: None }
    }
}

/// `⌊size / 2⌋` along both axes of a frame.
pub(crate) fn middle(shape: (usize, usize)) -> [f64; 2] {
    [(shape.0 / 2) as f64, (shape.1 / 2) as f64]
}

/// Centres of some of the frames.
#[derive(Debug, Clone)]
pub struct Centers {
    runs: Arc<Vec<Run>>,
    columns: Arc<Vec<f64>>,
    reference: [f64; 2],
    centers: Vec<[f64; 2]>,
}

impl Consumer for CenterOfMass {
    type Partial = Centers;
    type Output = Array2<f64>;

    fn start(&self, scope: &Scope) -> Result<Centers> {
        Ok(Centers {
            runs: Arc::new(self.detector.runs(scope.frame_shape)?),
            columns: Arc::new((0..scope.frame_shape.1).map(|x| x as f64).collect()),
            reference: self.reference.unwrap_or_else(|| middle(scope.frame_shape)),
            centers: Vec::new(),
        })
    }

    fn process(&self, tile: &Tile<'_>, partial: &mut Centers) -> Result<()> {
        with_pixels!(Pixels, tile.pixels(), pixels => {
            for frame in pixels.chunks_exact(tile.frame_len()) {
                let center = center(frame, tile.frame_shape().1, partial);
                partial.centers.push(center);
            }
        });
        Ok(())
    }

    fn merge(&self, mut earlier: Centers, later: Centers) -> Centers {
        earlier.centers.extend(later.centers);
        earlier
    }

    fn finish(&self, whole: Centers) -> Array2<f64> {
        Array2::from_shape_fn((whole.centers.len(), 2), |(i, axis)| whole.centers[i][axis])
    }
}

fn center<T: Sample>(frame: &[T], width: usize, of: &Centers) -> [f64; 2] {
    let (mut mass, mut moment) = (0.0, [0.0; 2]);
    for run in of.runs.iter() {
        let pixels = &frame[run.y * width + run.x..][..run.len];
        let columns = &of.columns[run.x..run.x + run.len];
        let (in_row, along_x) = match &run.weights {
            None => (sum(pixels), weighted_sum(pixels, columns)),
            Some(weights) => (
                weighted_sum(pixels, weights),
                pixels.iter().zip(weights).zip(columns).map(|((v, w), x)| v.real::<f64>() * w * x).sum(),
            ),
        };
        mass += in_row;
        moment[0] += run.y as f64 * in_row;
        moment[1] += along_x;
    }
    if mass == 0.0 { of.reference } else { moment.map(|m| m / mass) }
}
