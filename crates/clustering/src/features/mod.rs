//! Feature vectors of frames: one number for each of some places in the frame.

mod coordinates;
mod scaling;

use ndarray::{Array2, ArrayView2, Axis};
use nonius_core::masks::{CutMasks, PlacedStamps, Stamps, TemplateKind, TemplateParams};
use nonius_core::{
    Consumer, Error, Metric, NoProgress, Progress, Result, Rows, Scope, Tile, check_not_empty, check_rows,
    check_shape, with_pixels,
};
use serde::{Deserialize, Serialize};

use crate::Detector;
pub use coordinates::with_coordinates;
pub use scaling::{ScaledFeatures, Scales, Scaling, scale};

/// How feature vectors are taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct FeatureParams {
    /// The weights around each position. Default: a disk of radius 1.5 px less the ring around it to 2.5 px, for sharp
    /// spots: a smooth background gives nothing.
    pub template: TemplateParams,
    /// What becomes of masks that the border of the frame cuts off. Default: they keep the weights that lie inside.
    pub border: CutMasks,
}

impl Default for FeatureParams {
    fn default() -> Self {
        let template = TemplateParams::new(TemplateKind::BackgroundSubtraction, 1.5);
        FeatureParams {
            template: TemplateParams { radius_outer: Some(2.5), ..template },
            border: CutMasks::Keep,
        }
    }
}

impl FeatureParams {
    /// Checks every field.
    ///
    /// # Errors
    /// Those of [`TemplateParams::validate`].
    pub fn validate(&self) -> Result<()> {
        self.template.validate()
    }
}

/// Takes a feature vector from every frame: `f_k = Σ_pixels mask_k · I`, where mask k is the template with its centre on
/// position k. A consumer for [`pass`](nonius_core::pass); result: one row per sample, one column per mask, `f64`.
///
/// Products and sums are `f64` whatever the pixels are, in an order that depends on nothing but the mask. A pixel that is
/// NaN makes those features NaN whose masks are not 0 there.
///
/// ```
/// use ndarray::Array3;
/// use nonius_clustering::{FeatureParams, FeaturePlan};
/// use nonius_core::{NoProgress, PassParams, Scan, pass};
///
/// // A spot that brightens from frame to frame, on a background of 7.
/// let frames = Array3::from_shape_fn((4, 16, 16), |(k, y, x)| if (y, x) == (5, 6) { 7 + 10 * k as u16 } else { 7 });
/// let scan = Scan::new(Box::new(frames), &Default::default())?;
/// let plan = FeaturePlan::new((16, 16), &[[5, 6], [10, 10]], &FeatureParams::default())?;
/// let features = pass(&scan.select(None)?, &plan, &PassParams::default(), &NoProgress)?;
/// assert!(features.column(0).iter().zip([0.0, 10.0, 20.0, 30.0]).all(|(f, e)| (f - e).abs() < 1e-12));
/// assert!(features.column(1).iter().all(|f| f.abs() < 1e-12));
/// # Ok::<(), nonius_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct FeaturePlan {
    placed: PlacedStamps,
    shifts: Option<Vec<[i64; 2]>>,
}

impl FeaturePlan {
    /// Masks for frames of `frame_shape`, their centres on the pixels `positions` `(y, x)`, which may lie outside, be
    /// close to one another, or the same.
    ///
    /// # Errors
    /// Those of [`FeatureParams::validate`]; [`Error::Empty`] without positions or for frames without pixels;
    /// [`Error::Parameter`] if the border cuts every mask and none is left, or any under [`CutMasks::Error`].
    pub fn new(frame_shape: (usize, usize), positions: &[[i64; 2]], params: &FeatureParams) -> Result<Self> {
        params.validate()?;
        let c = params.template.crop_size();
        let template = params.template.mask((2 * c + 1, 2 * c + 1), [c as f64; 2]);
        FeaturePlan::with_template(template, frame_shape, positions, params.border)
    }

    /// The same with any weights; their pixel `⌊size/2⌋` comes to lie on the positions.
    ///
    /// # Errors
    /// As [`new`](FeaturePlan::new); [`Error::Empty`] and [`Error::NotFinite`] for such weights.
    pub fn with_template(
        template: Array2<f64>,
        frame_shape: (usize, usize),
        positions: &[[i64; 2]],
        border: CutMasks,
    ) -> Result<Self> {
        check_not_empty("frames", &[frame_shape.0, frame_shape.1])?;
        check_not_empty("positions of masks", &[positions.len()])?;
        let middle = [template.nrows() / 2, template.ncols() / 2];
        let corner = |p: &[i64; 2]| [0, 1].map(|axis| p[axis].saturating_sub(middle[axis] as i64));
        let corners: Vec<_> = positions.iter().map(corner).collect();
        let placed = Stamps::bordered(template, frame_shape, &corners, border)?;
        if placed.stamps.is_empty() {
            let got = format!("{} masks, each cut by the border of {frame_shape:?}", positions.len());
            return Err(Error::parameter("positions of masks", "such that a mask is left", got));
        }
        Ok(FeaturePlan { placed, shifts: None })
    }

    /// The same with all masks moved in each frame: `shifts` `(y, x)` px, one per sample; positive y moves them down. What
    /// comes to lie outside the frame is left out.
    pub fn shifted(self, shifts: Vec<[i64; 2]>) -> Self {
        FeaturePlan { shifts: Some(shifts), ..self }
    }

    /// The masks; which of the positions are cut by the border, lie outside, are repeated, or were left out.
    pub fn placed(&self) -> &PlacedStamps {
        &self.placed
    }

    /// Number of features.
    pub fn n_features(&self) -> usize {
        self.placed.stamps.len()
    }

    /// All masks as one detector: its signal is the sum of all features, a dark-field image of all positions together.
    ///
    /// # Errors
    /// [`Error::Parameter`] for frames of more than 2 GiB.
    pub fn dark_field(&self) -> Result<Detector> {
        Ok(Detector::Mask(self.placed.stamps.total()?))
    }
}

/// Feature vectors of some of the frames.
#[derive(Debug, Clone)]
pub struct FeatureRows {
    /// Rows of consecutive samples, piece after piece: joined only in the end, so that they are copied once.
    pieces: Vec<Vec<f64>>,
}

impl Consumer for FeaturePlan {
    type Partial = FeatureRows;
    type Output = Array2<f64>;

    fn start(&self, scope: &Scope) -> Result<FeatureRows> {
        let [h, w] = [self.placed.stamps.shape().0, self.placed.stamps.shape().1];
        check_shape("frames", &[h, w], &[scope.frame_shape.0, scope.frame_shape.1])?;
        if let Some(shifts) = &self.shifts {
            check_shape("shifts of masks", &[scope.n_samples], &[shifts.len()])?;
        }
        Ok(FeatureRows { pieces: vec![Vec::new()] })
    }

    fn process(&self, tile: &Tile<'_>, partial: &mut FeatureRows) -> Result<()> {
        let Some(rows) = partial.pieces.last_mut() else { return Ok(()) };
        let mut sample = tile.first_sample();
        with_pixels!(Pixels, tile.pixels(), pixels => {
            for frame in pixels.chunks_exact(tile.frame_len()) {
                let shift = self.shifts.as_ref().map_or([0, 0], |shifts| shifts[sample]);
                let end = rows.len();
                rows.resize(end + self.n_features(), 0.0);
                self.placed.stamps.sums_into(frame, shift, &mut rows[end..])?;
                sample += 1;
            }
        });
        Ok(())
    }

    fn merge(&self, mut earlier: FeatureRows, later: FeatureRows) -> FeatureRows {
        earlier.pieces.extend(later.pieces);
        earlier
    }

    fn finish(&self, whole: FeatureRows) -> Array2<f64> {
        let n = whole.pieces.iter().map(Vec::len).sum();
        let mut all = Vec::with_capacity(n);
        // Each piece is given back once it is copied.
        whole.pieces.into_iter().for_each(|piece| all.extend_from_slice(&piece));
        let shape = (n / self.n_features(), self.n_features());
        Array2::from_shape_vec(shape, all).expect("a feature for every frame and mask")
    }
}

/// Elements between two looks at whether to stop.
const ELEMENTS_PER_LOOK: usize = 1 << 21;

/// One row for each of `n_samples`, at least one column, all finite.
///
/// # Errors
/// [`Error::Shape`], [`Error::Empty`]; [`Error::Parameter`] with the first value that is not finite, and how many there
/// are; [`Error::Cancelled`].
pub(crate) fn check_features(
    features: ArrayView2<'_, f64>,
    n_samples: usize,
    progress: &dyn Progress,
) -> Result<()> {
    check_shape("rows of features", &[n_samples], &[features.nrows()])?;
    check_not_empty("features", features.shape())?;
    let rows = (ELEMENTS_PER_LOOK / features.ncols()).max(1);
    let mut are_finite = true;
    for block in features.axis_chunks_iter(Axis(0), rows) {
        if progress.cancelled() {
            return Err(Error::Cancelled);
        }
        // A sum is finite only if every element is; the search runs only when it is not.
        are_finite &= block.sum().is_finite();
    }
    if are_finite {
        return Ok(());
    }
    let mut wrong = features.indexed_iter().filter(|(_, v)| !v.is_finite());
    let Some(((row, column), value)) = wrong.next() else { return Ok(()) };
    let got = format!("{value} in row {row}, column {column}, one of {}", 1 + wrong.count());
    Err(Error::parameter("features", "finite", got))
}

/// Nodes of trees and neighbours in lists have numbers of 32 bits.
fn check_size(n_samples: usize) -> Result<()> {
    if n_samples > 1 << 31 {
        return Err(Error::parameter("number of samples", "at most 2^31", n_samples));
    }
    Ok(())
}

/// What methods that compare samples with one another need of their rows.
///
/// # Errors
/// [`Error::Empty`]; [`Error::Parameter`] with the first value that is not finite, or above 1e150 and so without a square.
pub(crate) fn check_samples(features: ArrayView2<'_, f64>) -> Result<()> {
    check_features(features, features.nrows(), &NoProgress)?;
    check_size(features.nrows())?;
    check_rows("features", features)
}

/// The same rows, ready to be compared.
pub(crate) fn rows_of(features: ArrayView2<'_, f64>, metric: Metric) -> Result<Rows> {
    check_features(features, features.nrows(), &NoProgress)?;
    check_size(features.nrows())?;
    Rows::new(features, metric)
}
