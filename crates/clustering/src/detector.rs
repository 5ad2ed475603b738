//! Virtual detectors.

use ndarray::{Array2, ArrayView2};
use nonius_core::{Consumer, Error, Result, Sample, Scope, Tile, check_finite, check_shape, with_pixels};
use serde::{Deserialize, Serialize};

/// Where a virtual detector is sensitive. Positions `(y, x)` and radii in pixels; r is the distance of a
/// pixel's centre from `center`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Detector {
    /// Every pixel.
    Whole,
    /// Pixels with r ≤ radius.
    Disk {
        /// Centre.
        center: [f64; 2],
        /// Radius; 0 or more.
        radius: f64,
    },
    /// Pixels with inner < r ≤ outer.
    Ring {
        /// Centre.
        center: [f64; 2],
        /// Inner radius; 0 or more.
        inner: f64,
        /// Outer radius, above the inner one.
        outer: f64,
    },
    /// One pixel.
    Point {
        /// Which.
        pixel: [usize; 2],
    },
    /// Any weights, of the shape of the frame.
    Mask(Array2<f64>),
}

/// Pixels of one row with their weights; None: all 1.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Run {
    pub(crate) y: usize,
    pub(crate) x: usize,
    pub(crate) len: usize,
    pub(crate) weights: Option<Vec<f64>>,
}

impl Detector {
    /// Weight of each pixel of a frame of `shape`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for radii that are negative, NaN or in the wrong order, a centre that is not finite, a
    /// detector that meets no pixel of the frame; [`Error::Shape`] for a mask of another shape,
    /// [`Error::NotFinite`] for one with NaN.
    pub fn weights(&self, shape: (usize, usize)) -> Result<Array2<f64>> {
        let ring = |center: &[f64; 2], inner: f64, outer: f64| {
            if !center.iter().all(|c| c.is_finite()) {
                return Err(Error::parameter("detector center", "finite", format!("{center:?}")));
            }
            // −1 is the inner radius of a disk, whose centre belongs to it.
            if !(outer >= 0.0 && inner < outer && (inner >= 0.0 || inner == -1.0)) {
                let got = if inner < 0.0 { outer.to_string() } else { format!("{inner} to {outer}") };
                return Err(Error::parameter("detector radius", "0 or more, the outer above the inner", got));
            }
            let weight = |(y, x): (usize, usize)| {
                let r2 = (y as f64 - center[0]).powi(2) + (x as f64 - center[1]).powi(2);
                let inside = r2 <= outer * outer && (inner < 0.0 || r2 > inner * inner);
                f64::from(u8::from(inside))
            };
            Ok(Array2::from_shape_fn(shape, weight))
        };
        let weights = match self {
            Detector::Whole => Array2::ones(shape),
            Detector::Disk { center, radius } => ring(center, -1.0, *radius)?,
            Detector::Ring { center, inner, outer } => {
                if inner.is_nan() || *inner < 0.0 {
                    return Err(Error::parameter("detector radius", "0 or more", inner));
                }
                ring(center, *inner, *outer)?
            }
            Detector::Point { pixel } => {
                if pixel[0] >= shape.0 || pixel[1] >= shape.1 {
                    let got = format!("{pixel:?} of {shape:?}");
                    return Err(Error::parameter("detector pixel", "inside the frame", got));
                }
                let mut weights = Array2::zeros(shape);
                weights[*pixel] = 1.0;
                weights
            }
            Detector::Mask(mask) => {
                check_shape("detector mask", &[shape.0, shape.1], mask.shape())?;
                check_finite("detector mask", mask.view())?;
                mask.clone()
            }
        };
        if weights.iter().all(|&w| w == 0.0) {
            return Err(Error::parameter("detector", "such that it meets a pixel", format!("{self:?}")));
        }
        Ok(weights)
    }

    pub(crate) fn runs(&self, shape: (usize, usize)) -> Result<Vec<Run>> {
        Ok(runs(self.weights(shape)?.view()))
    }
}

/// Consecutive pixels with a weight other than 0.
fn runs(weights: ArrayView2<'_, f64>) -> Vec<Run> {
    let mut out = Vec::new();
    for (y, row) in weights.outer_iter().enumerate() {
        let mut x = 0;
        while x < row.len() {
            let len = row.iter().skip(x).take_while(|w| **w != 0.0).count();
            if len > 0 {
                let values: Vec<f64> = row.iter().skip(x).take(len).copied().collect();
                let weights = values.iter().any(|&w| w != 1.0).then_some(values);
                out.push(Run { y, x, len, weights });
            }
            x += len + 1;
        }
    }
    out
}

/// Σ of some numbers, in eight sums that are added in the end: the same order whatever they are.
#[inline]
pub(crate) fn sum<T: Sample>(pixels: &[T]) -> f64 {
    let (eights, rest) = pixels.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for chunk in eights {
        for i in 0..8 {
            sums[i] += chunk[i].real::<f64>();
        }
    }
    sums.iter().sum::<f64>() + rest.iter().map(|v| v.real::<f64>()).sum::<f64>()
}

/// Σ of products with weights, in the same order.
#[inline]
pub(crate) fn weighted_sum<T: Sample>(pixels: &[T], weights: &[f64]) -> f64 {
    let ((eights, rest), (weights, of_rest)) = (pixels.as_chunks::<8>(), weights.as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (chunk, weights) in eights.iter().zip(weights) {
        for i in 0..8 {
            sums[i] += chunk[i].real::<f64>() * weights[i];
        }
    }
    sums.iter().sum::<f64>() + rest.iter().zip(of_rest).map(|(v, w)| v.real::<f64>() * w).sum::<f64>()
}

/// The signal of virtual detectors at every position: `Σ_pixels weight · I`, result `(sample, detector)`, `f64`.
///
/// ```
/// use ndarray::Array3;
/// use nonius_clustering::{Detector, VirtualDetectors};
/// use nonius_core::{NoProgress, PassParams, Scan, ScanParams, pass};
///
/// let frames = Array3::from_shape_fn((6, 9, 9), |(k, y, x)| if (y, x) == (4, 4) { k as u8 } else { 1 });
/// let scan = Scan::new(Box::new(frames), &ScanParams { shape: Some(vec![2, 3]), ..Default::default() })?;
/// let detectors = [
///     Detector::Disk { center: [4.0, 4.0], radius: 0.5 },
///     Detector::Ring { center: [4.0, 4.0], inner: 0.5, outer: 1.0 },
/// ];
/// let selection = scan.select(None)?;
/// let signals = pass(&selection, &VirtualDetectors::new(&detectors), &PassParams::default(), &NoProgress)?;
/// assert_eq!(signals.row(5).to_vec(), [5.0, 4.0]);
/// # Ok::<(), nonius_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct VirtualDetectors {
    detectors: Vec<Detector>,
}

impl VirtualDetectors {
    /// One column of the result for each of `detectors`.
    pub fn new(detectors: &[Detector]) -> Self {
        VirtualDetectors { detectors: detectors.to_vec() }
    }
}

/// Signals of some of the frames, frame after frame.
#[derive(Debug, Clone)]
pub struct DetectorSignals {
    detectors: std::sync::Arc<Vec<Vec<Run>>>,
    signals: Vec<f64>,
}

impl Consumer for VirtualDetectors {
    type Partial = DetectorSignals;
    type Output = Array2<f64>;

    fn start(&self, scope: &Scope) -> Result<DetectorSignals> {
        let detectors = self.detectors.iter().map(|d| d.runs(scope.frame_shape)).collect::<Result<_>>()?;
        Ok(DetectorSignals { detectors: std::sync::Arc::new(detectors), signals: Vec::new() })
    }

    fn process(&self, tile: &Tile<'_>, partial: &mut DetectorSignals) -> Result<()> {
        let (_, w) = tile.frame_shape();
        with_pixels!(Pixels, tile.pixels(), pixels => {
            for frame in pixels.chunks_exact(tile.frame_len()) {
                for runs in partial.detectors.iter() {
                    let signal = runs.iter().map(|run| {
                        let pixels = &frame[run.y * w + run.x..][..run.len];
                        match &run.weights {
                            None => sum(pixels),
                            Some(weights) => weighted_sum(pixels, weights),
                        }
                    });
                    partial.signals.push(signal.sum());
                }
            }
        });
        Ok(())
    }

    fn merge(&self, mut earlier: DetectorSignals, later: DetectorSignals) -> DetectorSignals {
        earlier.signals.extend(later.signals);
        earlier
    }

    fn finish(&self, whole: DetectorSignals) -> Array2<f64> {
        let n = self.detectors.len();
        let rows = whole.signals.len().checked_div(n).unwrap_or(0);
        Array2::from_shape_fn((rows, n), |(i, k)| whole.signals[i * n + k])
    }
}
