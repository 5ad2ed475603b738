//! Maxima of an image.

use ndarray::{Array2, ArrayView2};
use nonius_core::{Error, Real, Result, check_not_empty, check_not_negative, check_positive};
use serde::{Deserialize, Serialize};

use crate::correlation::{Peak, PeakStatus};

/// What becomes of neighbouring pixels that share the greatest value, as those of a saturated disk do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Plateau {
    /// They are one peak, at their centre of mass; none if any of them has a greater neighbour.
    #[default]
    Merge,
    /// Each of them without a greater neighbour is a peak, as in LiberTEM-blobfinder.
    EachPixel,
}

/// Parameters of [`find_peaks`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PeakParams {
    /// How many peaks at most. Default: 20.
    pub n_peaks: usize,
    /// Least distance between two peaks, px, at least 0; of two that are closer the higher one stays. Default: 0, so
    /// that any two maxima may stand.
    pub min_distance: f64,
    /// Least height of a peak, in units of the image. Default: none.
    pub threshold_abs: Option<f64>,
    /// Least height of a peak, from 0 to 1 of the way from the least to the greatest pixel. Default: none, so that
    /// where there are fewer disks than `n_peaks`, the list is filled with whatever noise left.
    pub threshold_rel: Option<f64>,
    /// Width of the border in which no peak is reported, px. 0 lets peaks stand at the very edge, higher than those
    /// neighbours that there are. Unless it is 0, pixels beside a NaN are left out too. Default: 1.
    pub border: usize,
    /// Default: merged.
    pub plateau: Plateau,
    /// Whether positions are refined by a paraboloid through 3 × 3 pixels; else they are whole pixels, or centres of
    /// plateaus. Default: true.
    pub refine: bool,
    /// How far around a peak the [elevation](Peak::elevation) looks, px, at least 1.5; the radius of a disk suits.
    /// Default: 5.
    pub elevation_radius: f64,
}

impl Default for PeakParams {
    fn default() -> Self {
        PeakParams {
            n_peaks: 20,
            min_distance: 0.0,
            threshold_abs: None,
            threshold_rel: None,
            border: 1,
            plateau: Plateau::Merge,
            refine: true,
            elevation_radius: 5.0,
        }
    }
}

impl PeakParams {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a field outside the range that stands beside it.
    pub fn validate(&self) -> Result<()> {
        check_not_negative("min_distance", self.min_distance)?;
        if self.threshold_abs.is_some_and(f64::is_nan) {
            return Err(Error::parameter("threshold_abs", "a number", f64::NAN));
        }
        if let Some(threshold) = self.threshold_rel.filter(|t| !(0.0..=1.0).contains(t)) {
            return Err(Error::parameter("threshold_rel", "from 0 to 1", threshold));
        }
        check_positive("elevation_radius", self.elevation_radius)?;
        if self.elevation_radius < 1.5 {
            return Err(Error::parameter("elevation_radius", "at least 1.5", self.elevation_radius));
        }
        Ok(())
    }
}

/// The highest maxima of an image, such as the correlation of a frame with a template, the highest first.
///
/// A pixel is a maximum if none of its eight neighbours is greater and it is greater than the least pixel of the image;
/// a constant image has none. Maxima of equal height come in the order of rows. Then thresholds apply, then the
/// distance, then the number.
///
/// NaN and infinite pixels are no peaks and no neighbours. Covariances are NaN: an image alone does not know its noise.
///
/// ```
/// use ndarray::Array2;
/// use nonius_blobfinder::{PeakParams, find_peaks};
///
/// let blob = |y: f64, x: f64| (-(y * y + x * x) / 8.0_f64).exp();
/// let image = Array2::from_shape_fn((32, 32), |(y, x)| {
///     let (y, x) = (y as f64, x as f64);
///     blob(y - 8.0, x - 10.25) + 0.5 * blob(y - 22.0, x - 20.0)
/// });
/// let peaks = find_peaks(image.view(), &PeakParams { threshold_rel: Some(0.1), ..Default::default() })?;
/// assert_eq!(peaks.len(), 2);
/// assert_eq!(peaks[1].center, [22, 20]);
/// assert!((peaks[0].refined[1] - 10.25).abs() < 0.03);
/// # Ok::<(), nonius_core::Error>(())
/// ```
///
/// # Errors
/// Those of [`PeakParams::validate`]; [`Error::Empty`] for an image without pixels, [`Error::Parameter`] for one of 2³¹
/// or more rows or columns.
pub fn find_peaks<F: Real>(image: ArrayView2<'_, F>, params: &PeakParams) -> Result<Vec<Peak>> {
    params.validate()?;
    check_not_empty("image", image.shape())?;
    if image.shape().iter().any(|&n| i32::try_from(n).is_err()) {
        return Err(Error::parameter(
            "image",
            "of less than 2^31 rows and columns",
            format!("{:?}", image.dim()),
        ));
    }
    let image = image.mapv(F::f64);
    let (least, greatest) = range(&image);
    let mut candidates = candidates(&image, least, params);
    let of_range = params.threshold_rel.map(|t| least + t * (greatest - least));
    for threshold in [params.threshold_abs, of_range].into_iter().flatten() {
        candidates.retain(|c| c.height >= threshold);
    }
    // Stable: equal heights stay in the order of rows.
    candidates.sort_by(|a, b| b.height.total_cmp(&a.height));
    let mut chosen: Vec<Candidate> = Vec::new();
    for candidate in candidates {
        if chosen.len() == params.n_peaks {
            break;
        }
        let apart = |other: &Candidate| distance(other.place, candidate.place) >= params.min_distance;
        if chosen.iter().all(apart) {
            chosen.push(candidate);
        }
    }
    Ok(chosen.iter().map(|candidate| measured(&image, candidate, params)).collect())
}

struct Candidate {
    pixel: [usize; 2],
    /// The pixel, or the centre of mass of a plateau.
    place: [f64; 2],
    height: f64,
    single: bool,
}

/// The least and the greatest finite value; NaN if there is none.
fn range(image: &Array2<f64>) -> (f64, f64) {
    let finite = image.iter().filter(|v| v.is_finite());
    finite.fold((f64::NAN, f64::NAN), |(low, high), &v| (v.min(low), v.max(high)))
}

/// All maxima in the order of rows.
fn candidates(image: &Array2<f64>, least: f64, params: &PeakParams) -> Vec<Candidate> {
    let mut seen = Array2::from_elem(image.dim(), false);
    let mut found = Vec::new();
    for ((y, x), &height) in image.indexed_iter() {
        // Most pixels go here: a neighbour is greater.
        if seen[[y, x]] || height <= least || !is_maximum(image, [y, x]) {
            continue;
        }
        let level = match params.plateau {
            Plateau::Merge => plateau(image, [y, x], &mut seen),
            Plateau::EachPixel => vec![[y, x]],
        };
        if !level.iter().all(|&pixel| is_maximum(image, pixel)) {
            continue;
        }
        let n = level.len() as f64;
        let place = [0, 1].map(|axis| level.iter().map(|p| p[axis] as f64).sum::<f64>() / n);
        let off = |p: &[usize; 2]| distance(p.map(|p| p as f64), place);
        let Some(&pixel) = level.iter().min_by(|a, b| off(a).total_cmp(&off(b)).then(a.cmp(b))) else {
            continue;
        };
        if !in_border(image, pixel, params.border) {
            found.push(Candidate { pixel, place, height, single: level.len() == 1 });
        }
    }
    found
}

/// Whether a pixel is finite and none of its neighbours is finite and greater.
fn is_maximum(image: &Array2<f64>, pixel: [usize; 2]) -> bool {
    let height = image[pixel];
    height.is_finite() && neighbours(image, pixel).all(|p| image[p] <= height || !image[p].is_finite())
}

/// The pixel and up to eight around it.
fn neighbours(image: &Array2<f64>, [y, x]: [usize; 2]) -> impl Iterator<Item = [usize; 2]> {
    let (h, w) = image.dim();
    let columns = x.saturating_sub(1)..(x + 2).min(w);
    (y.saturating_sub(1)..(y + 2).min(h)).flat_map(move |y| columns.clone().map(move |x| [y, x]))
}

/// The pixels of one value that are joined with `pixel`, over corners too.
fn plateau(image: &Array2<f64>, pixel: [usize; 2], seen: &mut Array2<bool>) -> Vec<[usize; 2]> {
    let (mut level, mut done) = (vec![pixel], 0);
    seen[pixel] = true;
    while let Some(&here) = level.get(done) {
        done += 1;
        for p in neighbours(image, here) {
            if image[p] == image[pixel] && !seen[p] {
                seen[p] = true;
                level.push(p);
            }
        }
    }
    level
}

fn in_border(image: &Array2<f64>, pixel: [usize; 2], border: usize) -> bool {
    let (h, w) = image.dim();
    let near_edge = |p: usize, n: usize| p < border || p >= n.saturating_sub(border);
    let near_nan = || neighbours(image, pixel).any(|p| !image[p].is_finite());
    near_edge(pixel[0], h) || near_edge(pixel[1], w) || (border > 0 && near_nan())
}

fn measured(image: &Array2<f64>, candidate: &Candidate, params: &PeakParams) -> Peak {
    let Candidate { pixel, place, height, single } = *candidate;
    let offset = if params.refine && single { paraboloid_offset(image, pixel) } else { [0.0; 2] };
    let refined = [place[0] + offset[0], place[1] + offset[1]];
    Peak {
        // The shape was checked to fit.
        center: pixel.map(|p| p as i32),
        refined,
        height,
        elevation: elevation(image, refined, height, params.elevation_radius),
        covariance: [[f64::NAN; 2]; 2],
        status: PeakStatus::Found,
    }
}

/// Top of the least-squares paraboloid through 3 × 3 pixels, relative to the one in the middle and at most a pixel from
/// it; none at the edge of the image, beside NaN, and where the paraboloid has no top.
fn paraboloid_offset(image: &Array2<f64>, [y, x]: [usize; 2]) -> [f64; 2] {
    let (h, w) = image.dim();
    if y == 0 || x == 0 || y + 1 >= h || x + 1 >= w {
        return [0.0; 2];
    }
    let v = |dy: usize, dx: usize| image[[y + dy - 1, x + dx - 1]];
    let row = |dy: usize| v(dy, 0) + v(dy, 1) + v(dy, 2);
    let column = |dx: usize| v(0, dx) + v(1, dx) + v(2, dx);
    let (g_y, g_x) = ((row(2) - row(0)) / 6.0, (column(2) - column(0)) / 6.0);
    let h_yy = (row(0) - 2.0 * row(1) + row(2)) / 3.0;
    let h_xx = (column(0) - 2.0 * column(1) + column(2)) / 3.0;
    let h_xy = (v(0, 0) - v(0, 2) - v(2, 0) + v(2, 2)) / 4.0;
    let det = h_yy * h_xx - h_xy * h_xy;
    // NaN compares with nothing.
    if !(det > 0.0 && h_yy < 0.0) {
        return [0.0; 2];
    }
    [-(h_xx * g_y - h_xy * g_x) / det, -(h_yy * g_x - h_xy * g_y) / det].map(|d| d.clamp(-1.0, 1.0))
}

/// Slope of the tightest cone around `refined` that stays above the image, from 1.5 px to `radius`; 0 if there is no
/// pixel to judge by.
fn elevation(image: &Array2<f64>, refined: [f64; 2], height: f64, radius: f64) -> f64 {
    let (h, w) = image.dim();
    let reach = |c: f64, n: usize| {
        let from = (c - radius).floor().max(0.0) as usize;
        from..((c + radius).ceil() + 1.0).clamp(0.0, n as f64) as usize
    };
    let mut slope = f64::INFINITY;
    for y in reach(refined[0], h) {
        for x in reach(refined[1], w) {
            let d = distance([y as f64, x as f64], refined);
            let drop = (height - image[[y, x]]) / d;
            if 1.5 <= d && d < radius && drop.is_finite() {
                slope = slope.min(drop);
            }
        }
    }
    if slope.is_finite() { slope.max(0.0) } else { 0.0 }
}

fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}
