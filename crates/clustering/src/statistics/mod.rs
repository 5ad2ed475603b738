//! Statistics of every pixel over the frames of a scan.

mod accumulator;
mod labels;
mod logsum;

use ndarray::{Array2, ArrayViewD};
use nonius_core::{Consumer, Error, Pixels, Result, Roi, Scope, Tile};
use serde::{Deserialize, Serialize};

use accumulator::Accumulator;
use labels::Labels;
pub use logsum::{LabelledLogSum, LogSum};

/// What NaN in a frame does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NanPolicy {
    /// The maps are NaN at that pixel, and there alone.
    #[default]
    Propagate,
    /// The value is left out; [`PixelMaps::counts`] says how many are left.
    Skip,
    /// [`Error::Frame`] with the scan position and the pixel.
    Error,
}

/// Maps `(y, x)` of the frame, over the frames visited.
#[derive(Debug, Clone, PartialEq)]
pub struct PixelMaps {
    /// Number of frames.
    pub n_frames: u64,
    /// Values per pixel, where NaN was skipped.
    pub counts: Option<Array2<u64>>,
    /// Σ I.
    pub sum: Array2<f64>,
    /// Σ I without rounding, for integers of up to 32 bits.
    pub integer_sum: Option<Array2<i64>>,
    /// Σ I / n; NaN where there is no value.
    pub mean: Array2<f64>,
    /// Σ (I − mean)² / n: of the population, divisor n.
    pub variance: Array2<f64>,
    /// Least value; +∞ where there is none.
    pub min: Array2<f64>,
    /// Greatest value; −∞ where there is none.
    pub max: Array2<f64>,
}

impl PixelMaps {
    /// Root of the variance.
    pub fn standard_deviation(&self) -> Array2<f64> {
        self.variance.mapv(f64::sqrt)
    }
}

/// Sum, mean, variance, least and greatest value of every pixel, in one pass.
///
/// The result has the same bits for any number of threads and any size of tiles. Integers of up to 16 bits
/// are summed without any rounding, wider ones give the sum so; all else is `f64`.
///
/// ```
/// use ndarray::Array3;
/// use nonius_clustering::PixelStatistics;
/// use nonius_core::{NoProgress, PassParams, Scan, pass};
///
/// let frames = Array3::from_shape_fn((5, 2, 2), |(k, y, x)| (10 * y + k * x) as u16);
/// let scan = Scan::new(Box::new(frames), &Default::default())?;
/// let maps = pass(&scan.select(None)?, &PixelStatistics::default(), &PassParams::default(), &NoProgress)?;
/// assert_eq!(maps.mean, ndarray::array![[0.0, 2.0], [10.0, 12.0]]);
/// assert_eq!(maps.standard_deviation()[(0, 1)], 2.0_f64.sqrt());
/// # Ok::<(), nonius_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PixelStatistics {
    /// What NaN does.
    pub nan: NanPolicy,
}

/// [`PixelStatistics`] of several groups of frames in one pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledStatistics {
    nan: NanPolicy,
    labels: Labels,
}

impl LabelledStatistics {
    /// `labels` has the shape of the scan; frames without a label belong to no group. Groups are numbered
    /// from 0 to the greatest label.
    ///
    /// # Errors
    /// [`Error::Parameter`] if no frame has a label, or a label is not below the number of positions.
    pub fn new(labels: ArrayViewD<'_, Option<usize>>, nan: NanPolicy) -> Result<Self> {
        Ok(LabelledStatistics { nan, labels: Labels::new(labels)? })
    }
}

/// What is known of the pixels after some of the frames.
#[derive(Debug, Clone)]
pub struct PixelSums {
    shape: (usize, usize),
    groups: Vec<Accumulator>,
    /// Frames of a tile that belong to a group.
    members: Vec<u32>,
}

impl PixelSums {
    fn new(scope: &Scope, nan: NanPolicy, n_groups: usize) -> Self {
        let n = scope.frame_shape.0 * scope.frame_shape.1;
        let group = || Accumulator::new(scope.dtype, n, nan == NanPolicy::Skip);
        PixelSums {
            shape: scope.frame_shape,
            groups: (0..n_groups).map(|_| group()).collect(),
            members: Vec::new(),
        }
    }

    fn merged(mut self, later: PixelSums) -> Self {
        self.groups.iter_mut().zip(later.groups).for_each(|(a, b)| a.merge(b));
        self
    }
}

impl Consumer for PixelStatistics {
    type Partial = PixelSums;
    type Output = PixelMaps;

    fn start(&self, scope: &Scope) -> Result<PixelSums> {
        Ok(PixelSums::new(scope, self.nan, 1))
    }

    fn process(&self, tile: &Tile<'_>, sums: &mut PixelSums) -> Result<()> {
        check_nan(tile, self.nan)?;
        sums.members.clear();
        sums.members.extend(0..tile.n_frames() as u32);
        sums.groups[0].add(tile.pixels(), &sums.members);
        Ok(())
    }

    fn merge(&self, earlier: PixelSums, later: PixelSums) -> PixelSums {
        earlier.merged(later)
    }

    fn finish(&self, mut whole: PixelSums) -> PixelMaps {
        whole.groups.remove(0).finish(whole.shape)
    }
}

impl Consumer for LabelledStatistics {
    type Partial = PixelSums;
    type Output = Vec<PixelMaps>;

    fn start(&self, scope: &Scope) -> Result<PixelSums> {
        self.labels.check(scope)?;
        Ok(PixelSums::new(scope, self.nan, self.labels.n_labels))
    }

    fn process(&self, tile: &Tile<'_>, sums: &mut PixelSums) -> Result<()> {
        check_nan(tile, self.nan)?;
        let PixelSums { groups, members, .. } = sums;
        let label = |k: usize| self.labels.of(tile.position(k));
        let mut previous: Option<usize> = None;
        // Ascending labels of the tile, each with its frames.
        while let Some(next) =
            (0..tile.n_frames()).filter_map(label).filter(|l| previous.is_none_or(|p| *l > p)).min()
        {
            members.clear();
            members.extend((0..tile.n_frames()).filter(|&k| label(k) == Some(next)).map(|k| k as u32));
            groups[next].add(tile.pixels(), members);
            previous = Some(next);
        }
        Ok(())
    }

    fn merge(&self, earlier: PixelSums, later: PixelSums) -> PixelSums {
        earlier.merged(later)
    }

    fn finish(&self, whole: PixelSums) -> Vec<PixelMaps> {
        whole.groups.into_iter().map(|g| g.finish(whole.shape)).collect()
    }
}

/// [`Error::Frame`] at the first NaN if the policy says so.
fn check_nan(tile: &Tile<'_>, nan: NanPolicy) -> Result<()> {
    if nan != NanPolicy::Error {
        return Ok(());
    }
    let at = match tile.pixels() {
        Pixels::F32(p) => p.iter().position(|v| v.is_nan()),
        Pixels::F64(p) => p.iter().position(|v| v.is_nan()),
        _ => None,
    };
    let Some(at) = at else { return Ok(()) };
    let (frame, pixel) = (at / tile.frame_len(), at % tile.frame_len());
    let (y, x) = (pixel / tile.frame_shape().1, pixel % tile.frame_shape().1);
    Err(Error::Frame { index: tile.position(frame), reason: format!("pixel [{y}, {x}] is NaN") })
}

/// The mean, standard deviation and so on of each pixel over the frames of `roi`: [`PixelStatistics`] in a
/// pass of its own.
///
/// # Errors
/// As [`Scan::select`](nonius_core::Scan::select) and [`pass`](nonius_core::pass).
pub fn pixel_statistics(scan: &nonius_core::Scan<'_>, roi: Option<&Roi>) -> Result<PixelMaps> {
    let selection = scan.select(roi)?;
    nonius_core::pass(&selection, &PixelStatistics::default(), &Default::default(), &nonius_core::NoProgress)
}
