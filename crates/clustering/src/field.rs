//! The field of deflections that centres of mass make over a scan.

use ndarray::{Array2, ArrayView2};
use nonius_core::{Error, Result, Roi, check_shape};
use serde::{Deserialize, Serialize};

use crate::center_of_mass::middle;

/// What is taken off a field of deflections: beam shift by the scan coils, mistilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Regression {
    /// Nothing.
    #[default]
    None,
    /// The mean.
    Mean,
    /// A plane, by least squares.
    Plane,
}

/// How centres of mass become deflections.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DeflectionParams {
    /// Where the undeflected beam hits, `(y, x)` px. None: `⌊size / 2⌋` of the frame.
    pub center: Option<[f64; 2]>,
    /// Rotation θ of the frame against the scan, degrees, applied as
    /// `(y', x') = [[cos θ, sin θ], [−sin θ, cos θ]] · (y, x)`.
    pub scan_rotation: f64,
    /// The frame's y axis points the other way; undone before the rotation.
    pub flip_y: bool,
    /// What is taken off in the end.
    pub regression: Regression,
}

/// Deflections over a scan of two axes, `(scan y, scan x)`, NaN outside the region of interest.
#[derive(Debug, Clone, PartialEq)]
pub struct DeflectionField {
    /// Deflection along y, px.
    pub y: Array2<f64>,
    /// Deflection along x, px.
    pub x: Array2<f64>,
    /// What was taken off: constant, slope along scan y, slope along scan x, each `(y, x)` px.
    pub removed: [[f64; 2]; 3],
}

impl DeflectionField {
    /// Deflections from `centers`, one row `(y, x)` per sample of `roi`.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the scan has not two axes, or for a centre or rotation that is not finite;
    /// [`Error::Shape`] if there is not one centre per sample.
    pub fn new(
        centers: ArrayView2<'_, f64>,
        roi: &Roi,
        frame_shape: (usize, usize),
        params: &DeflectionParams,
    ) -> Result<Self> {
        check_shape("centers", &[roi.len(), 2], centers.shape())?;
        let &[ny, nx] = roi.shape() else {
            let got = format!("{:?}", roi.shape());
            return Err(Error::parameter("scan shape", "two axes, where deflections make a field", got));
        };
        let center = params.center.unwrap_or_else(|| middle(frame_shape));
        if !center.iter().all(|c| c.is_finite()) {
            return Err(Error::parameter("center", "finite", format!("{center:?}")));
        }
        if !params.scan_rotation.is_finite() {
            return Err(Error::parameter("scan_rotation", "finite", params.scan_rotation));
        }
        let (mut y, mut x) = (Array2::from_elem((ny, nx), f64::NAN), Array2::from_elem((ny, nx), f64::NAN));
        for (i, found) in centers.outer_iter().enumerate() {
            let p = roi.position(i);
            let place = (p / nx, p % nx);
            let shift = [found[0] - center[0], found[1] - center[1]];
            [y[place], x[place]] = turned(shift, params.scan_rotation, params.flip_y);
        }
        let mut field = DeflectionField { y, x, removed: [[0.0; 2]; 3] };
        field.regress(params.regression);
        Ok(field)
    }

    /// √(y² + x²).
    pub fn magnitude(&self) -> Array2<f64> {
        Array2::from_shape_fn(self.y.dim(), |p| self.y[p].hypot(self.x[p]))
    }

    /// `∂y/∂y + ∂x/∂x` per scan step: in proportion to the projected charge.
    ///
    /// Derivatives are central differences, one-sided where one neighbour is missing (the edge of the scan or
    /// of the region of interest), 0 where both are.
    pub fn divergence(&self) -> Array2<f64> {
        derivative(&self.y, 0) + derivative(&self.x, 1)
    }

    /// `∂y/∂x − ∂x/∂y` per scan step: 0 for a field that comes from a potential. Derivatives as for the
    /// [`divergence`](Self::divergence).
    pub fn curl(&self) -> Array2<f64> {
        derivative(&self.y, 1) - derivative(&self.x, 0)
    }

    /// Takes the mean or a plane off, over the places with a deflection.
    fn regress(&mut self, regression: Regression) {
        if regression == Regression::None {
            return;
        }
        for (axis, map) in [&mut self.y, &mut self.x].into_iter().enumerate() {
            let plane = regression == Regression::Plane;
            let fitted = fit(map, plane);
            for ((y, x), v) in map.indexed_iter_mut() {
                *v -= fitted[0] + fitted[1] * y as f64 + fitted[2] * x as f64;
            }
            for (removed, fitted) in self.removed.iter_mut().zip(fitted) {
                removed[axis] = fitted;
            }
        }
    }
}

/// Constant and slopes along y and x at least squares over the finite values; a slope that nothing fixes is 0.
fn fit(map: &Array2<f64>, plane: bool) -> [f64; 3] {
    let places =
        || map.indexed_iter().filter(|(_, v)| v.is_finite()).map(|((y, x), &v)| (y as f64, x as f64, v));
    let n = places().count() as f64;
    if n == 0.0 {
        return [0.0; 3];
    }
    let mean = |of: &dyn Fn((f64, f64, f64)) -> f64| places().map(of).sum::<f64>() / n;
    let (my, mx, mv) = (mean(&|p| p.0), mean(&|p| p.1), mean(&|p| p.2));
    if !plane {
        return [mv, 0.0, 0.0];
    }
    // Normal equations about the centre of the places.
    let (yy, xx, yx) =
        (mean(&|p| (p.0 - my).powi(2)), mean(&|p| (p.1 - mx).powi(2)), mean(&|p| (p.0 - my) * (p.1 - mx)));
    let (yv, xv) = (mean(&|p| (p.0 - my) * (p.2 - mv)), mean(&|p| (p.1 - mx) * (p.2 - mv)));
    let determinant = yy * xx - yx * yx;
    let [by, bx] = if determinant > 1e-12 * yy * xx {
        [(yv * xx - xv * yx) / determinant, (xv * yy - yv * yx) / determinant]
    } else {
        // All places on one line: the slope along it, of least norm, C v / (tr C)².
        let spread = (yy + xx).powi(2).max(f64::MIN_POSITIVE);
        [(yy * yv + yx * xv) / spread, (yx * yv + xx * xv) / spread]
    };
    [mv - by * my - bx * mx, by, bx]
}

/// Flip and rotation of one deflection.
fn turned([y, x]: [f64; 2], degrees: f64, flip_y: bool) -> [f64; 2] {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let y = if flip_y { -y } else { y };
    [cos * y + sin * x, -sin * y + cos * x]
}

/// Differences along an axis, by the neighbours that exist.
fn derivative(map: &Array2<f64>, axis: usize) -> Array2<f64> {
    let n = map.shape()[axis];
    Array2::from_shape_fn(map.dim(), |(y, x)| {
        let here = map[(y, x)];
        if !here.is_finite() {
            return f64::NAN;
        }
        let k = [y, x][axis];
        let at = |k: usize| if axis == 0 { map[(k, x)] } else { map[(y, k)] };
        let before = (k > 0).then(|| at(k - 1)).filter(|v| v.is_finite());
        let after = (k + 1 < n).then(|| at(k + 1)).filter(|v| v.is_finite());
        match (before, after) {
            (Some(before), Some(after)) => 0.5 * (after - before),
            (None, Some(after)) => after - here,
            (Some(before), None) => here - before,
            (None, None) => 0.0,
        }
    })
}

/// Rotation and flip that make the curl of a field least, and the divergence the way electrons have it.
///
/// For θ = 0° … 359° with and without a flip of y the root of the mean squared curl is computed over the map without
/// its last row and column; the least wins, with a flip only if it is strictly less. Where a histogram of
/// the divergence in five bins over ±max |div| has fewer values in the first than in the last, the field points
/// the other way and 180° are added. Result: θ in (−180°, 180°] and the flip for [`DeflectionParams`], with the mean
/// centre of mass over the same part of the map.
///
/// # Errors
/// As [`DeflectionField::new`].
pub fn guess_scan_rotation(
    centers: ArrayView2<'_, f64>,
    roi: &Roi,
    frame_shape: (usize, usize),
) -> Result<DeflectionParams> {
    let raw = DeflectionField::new(centers, roi, frame_shape, &DeflectionParams::default())?;
    let field = |degrees: f64, flip_y: bool| {
        let mut out = raw.clone();
        for (y, x) in out.y.iter_mut().zip(&mut out.x) {
            [*y, *x] = turned([*y, *x], degrees, flip_y);
        }
        out
    };
    let roughness = |degrees: usize, flip_y: bool| {
        let curl = field(degrees as f64, flip_y).curl();
        let known: Vec<f64> = inner(&curl).iter().copied().filter(|v| v.is_finite()).collect();
        (known.iter().map(|v| v * v).sum::<f64>() / known.len().max(1) as f64).sqrt()
    };
    let least = |flip_y: bool| {
        (0..360).map(|d| (roughness(d, flip_y), d)).min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((0.0, 0))
    };
    let (straight, flipped) = (least(false), least(true));
    let (degrees, flip_y) = if flipped.0 < straight.0 { (flipped.1, true) } else { (straight.1, false) };
    let mut degrees = degrees as f64;
    let divergence = field(degrees, flip_y).divergence();
    let known = || divergence.iter().copied().filter(|v| v.is_finite());
    let range = known().fold(0.0, |m: f64, v| m.max(v.abs()));
    let (first, last) =
        (known().filter(|v| *v < -0.6 * range).count(), known().filter(|v| *v >= 0.6 * range).count());
    if first < last {
        degrees += 180.0;
    }
    if degrees > 180.0 {
        degrees -= 360.0;
    }
    let [my, mx] = [&raw.y, &raw.x].map(|map| fit(&inner(map).to_owned(), false)[0]);
    let middle = middle(frame_shape);
    Ok(DeflectionParams {
        center: Some([middle[0] + my, middle[1] + mx]),
        scan_rotation: degrees,
        flip_y,
        regression: Regression::None,
    })
}

/// A map without its last row and column, where it has more than one.
fn inner(map: &Array2<f64>) -> ArrayView2<'_, f64> {
    let [ny, nx] = [map.nrows(), map.ncols()].map(|n| n.saturating_sub(1).max(1));
    map.slice(ndarray::s![..ny, ..nx])
}
