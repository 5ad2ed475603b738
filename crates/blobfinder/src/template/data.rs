//! Templates made from a picture of a disk.

use ndarray::{Array2, ArrayView2, s};
use nonius_core::{Error, Result, center_of_mass, check_finite, check_not_empty};
use serde::{Deserialize, Serialize};

use super::Template;

/// How a template is made from the picture of a disk, see [`Template::from_data`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DataTemplateParams {
    /// What counts as disk: pixels brighter than this fraction of the way from the darkest to the brightest, between 0
    /// and 1. Default: 0.5.
    pub threshold: f64,
    /// Whether the disk rises towards its edge, in proportion to the distance from its centre. Default: true.
    pub gradient: bool,
    /// How far to look, px. Default: 2 radii of the disk that was found.
    pub search: Option<f64>,
}

impl Default for DataTemplateParams {
    fn default() -> Self {
        DataTemplateParams { threshold: 0.5, gradient: true, search: None }
    }
}

impl Template {
    /// A template of the shape that the disk has in `frame`: the average of frames taken without a sample, or of many
    /// disks moved onto one another. An aperture that is not round is thereby told as it is.
    ///
    /// The frame is passed through a median of 3 × 3 pixels, which single hot pixels do not survive. The disk is the
    /// piece above the threshold that holds the brightest pixel, joined over sides, with its holes filled; it has the
    /// value 1, or rises as `r/R` to its edge, where R is the radius of the circle of the same area. Its centre is its
    /// centre of mass.
    ///
    /// ```
    /// use nonius_blobfinder::masks::{Edge, disk};
    /// use nonius_blobfinder::{DataTemplateParams, Template};
    ///
    /// let vacuum = disk((64, 64), [30.0, 33.0], 8.0, Edge::AntiAliased)? * 1000.0;
    /// let template = Template::from_data(vacuum.view(), &DataTemplateParams::default())?;
    /// let mask = template.mask((32, 32), [16.0, 16.0]);
    /// assert!((mask[[16, 23]] - 7.0 / 8.0).abs() < 0.02 && mask[[16, 26]] == 0.0);
    /// # Ok::<(), nonius_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Empty`] or [`Error::NotFinite`] for such a frame; [`Error::Parameter`] for a threshold that is not
    /// between 0 and 1, for a frame without contrast, and where the disk reaches the border of the frame.
    pub fn from_data(frame: ArrayView2<'_, f64>, params: &DataTemplateParams) -> Result<Self> {
        check_not_empty("frame of a disk", frame.shape())?;
        check_finite("frame of a disk", frame)?;
        if !(0.0 < params.threshold && params.threshold < 1.0) {
            return Err(Error::parameter("threshold", "above 0 and below 1", params.threshold));
        }
        let smooth = median_3x3(frame);
        let (mut brightest, mut low, mut high) = ((0, 0), f64::INFINITY, f64::NEG_INFINITY);
        for (pixel, &v) in smooth.indexed_iter() {
            low = low.min(v);
            if v > high {
                (high, brightest) = (v, pixel);
            }
        }
        if low >= high {
            return Err(Error::parameter("frame of a disk", "brighter in a disk than around it", high));
        }
        let level = low + params.threshold * (high - low);
        let disk = filled(&piece(&smooth.mapv(|v| v > level), [brightest]));
        let (h, w) = disk.dim();
        let rows: Vec<usize> = (0..h).filter(|&y| disk.row(y).iter().any(|v| *v)).collect();
        let columns: Vec<usize> = (0..w).filter(|&x| disk.column(x).iter().any(|v| *v)).collect();
        let (Some((&top, &bottom)), Some((&left, &right))) =
            (rows.first().zip(rows.last()), columns.first().zip(columns.last()))
        else {
            return Err(Error::parameter("frame of a disk", "brighter in a disk than around it", high));
        };
        if top == 0 || left == 0 || bottom + 1 == h || right + 1 == w {
            let where_it_is = format!("one in rows {top} to {bottom}, columns {left} to {right}");
            return Err(Error::parameter(
                "frame of a disk",
                "of a disk wholly within the frame",
                where_it_is,
            ));
        }
        // One row and column of zeros around it, so that even a disk of one pixel has an edge.
        let disk = disk.slice(s![top - 1..bottom + 2, left - 1..right + 2]).mapv(|v| f64::from(u8::from(v)));
        let radius = (disk.sum() / std::f64::consts::PI).sqrt();
        let Some([cy, cx]) = center_of_mass(disk.view()) else {
            return Err(Error::parameter("frame of a disk", "brighter in a disk than around it", high));
        };
        let template = if params.gradient {
            let rise = |(y, x): (usize, usize)| (y as f64 - cy).hypot(x as f64 - cx) / radius;
            Array2::from_shape_fn(disk.dim(), |p| disk[p] * rise(p))
        } else {
            disk
        };
        Template::from_image(template.view(), Some([cy, cx]), Some(params.search.unwrap_or(2.0 * radius)))
    }
}

/// Median of every pixel and its neighbours, those in the frame; of an even number of them, at the edges, the upper one,
/// a value that was measured, unlike [`nonius_core::median`]'s.
fn median_3x3(frame: ArrayView2<'_, f64>) -> Array2<f64> {
    let (h, w) = frame.dim();
    Array2::from_shape_fn((h, w), |(y, x)| {
        let (rows, columns) = (y.saturating_sub(1)..(y + 2).min(h), x.saturating_sub(1)..(x + 2).min(w));
        let mut near: Vec<f64> = frame.slice(s![rows, columns]).iter().copied().collect();
        let middle = near.len() / 2;
        *near.select_nth_unstable_by(middle, f64::total_cmp).1
    })
}

/// The pixels of `mask` that are joined with one of `seeds` over sides.
fn piece(mask: &Array2<bool>, seeds: impl IntoIterator<Item = (usize, usize)>) -> Array2<bool> {
    let mut found = Array2::from_elem(mask.dim(), false);
    let mut open: Vec<(usize, usize)> = seeds.into_iter().collect();
    while let Some((y, x)) = open.pop() {
        if !mask.get((y, x)).is_some_and(|inside| *inside) || found[[y, x]] {
            continue;
        }
        found[[y, x]] = true;
        open.extend([(y + 1, x), (y, x + 1), (y.wrapping_sub(1), x), (y, x.wrapping_sub(1))]);
    }
    found
}

/// `mask` and whatever cannot be reached from the border without crossing it.
fn filled(mask: &Array2<bool>) -> Array2<bool> {
    let (h, w) = mask.dim();
    let border = (0..h).flat_map(|y| [(y, 0), (y, w - 1)]).chain((0..w).flat_map(|x| [(0, x), (h - 1, x)]));
    piece(&mask.mapv(|v| !v), border).mapv(|outside| !outside)
}
