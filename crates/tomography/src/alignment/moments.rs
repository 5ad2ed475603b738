//! Offsets from the centre of mass, and what masses and second moments say of the series.

use nalgebra::{Matrix3, SMatrix, SVector, Vector3};
use ndarray::ArrayView3;
use nonius_core::tilt_series::{Directions, Geometry};
use nonius_core::{Real, Result};
use serde::{Deserialize, Serialize};

use super::footprint::{Footprint, footprints, noise_correlation};

/// Parameters of [`align_moments`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MomentsParams {
    /// The sample is where the image, smoothed by 1 px, differs from air by this many standard deviations of
    /// its noise, above 0, and one pixel beyond; the rest is air, whose mean is subtracted and which has no
    /// weight. Default: 5. `None` takes all pixels as they are: right for images without noise only, as far
    /// pixels add most of it.
    pub threshold: Option<f64>,
    /// A larger spread of mass, relative, means that part of the sample left the view, above 0. Default: 0.02.
    pub max_mass_spread: f64,
}

impl Default for MomentsParams {
    fn default() -> Self {
        MomentsParams { threshold: Some(5.0), max_mass_spread: 0.02 }
    }
}

impl MomentsParams {
    /// Checks every parameter.
    ///
    /// # Errors
    /// [`Error::Parameter`](nonius_core::Error::Parameter) names the first that cannot be.
    pub fn validate(&self) -> Result<()> {
        if let Some(threshold) = self.threshold {
            nonius_core::check_positive("threshold", threshold)?;
        }
        nonius_core::check_positive("max_mass_spread", self.max_mass_spread)
    }
}

/// What [`align_moments`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct MomentAlignment {
    /// `[j, k]` offset of every view, px: they put the sample's centre of mass into the middle of the volume.
    pub offsets: Vec<[f64; 2]>,
    /// Standard error of each, px; NaN for a degenerate view.
    pub standard_errors: Vec<[f64; 2]>,
    /// Mass of every image: the sum of its values less the pedestal.
    pub masses: Vec<f64>,
    /// Standard error of each.
    pub mass_errors: Vec<f64>,
    /// Standard deviation of the masses over their mean. Far more than the errors explain: truncation, a sample
    /// that changes, or a beam that does.
    pub mass_spread: f64,
    /// Whether the spread exceeds the limit, so that the offsets are not to be trusted.
    pub truncated: bool,
    /// Mean of the air in every image, which was subtracted.
    pub pedestals: Vec<f64>,
    /// Standard deviation of the noise of one pixel, for every image.
    pub noise: Vec<f64>,
    /// Views without significant mass: they keep the offsets that they had.
    pub degenerate: Vec<usize>,
    /// The check of angles by second moments; `None` if fewer than six views have mass.
    pub second: Option<SecondMoments>,
}

/// Second moments of the images against those of one sample.
#[derive(Debug, Clone, PartialEq)]
pub struct SecondMoments {
    /// Covariance matrix of the sample's mass, px², in its own frame; least squares over all views.
    pub covariance: Matrix3<f64>,
    /// What it leaves of every view's jj, jk and kk moments, px²; NaN for degenerate views.
    pub residuals: Vec<[f64; 3]>,
    /// Root of their mean square.
    pub residual_rms: f64,
    /// For a series about one axis n: the angle ε rad by which each view seems to be turned further than its
    /// geometry says, `R_true = R · exp(ε [n]×)`; empty without one axis. A common angle cannot be seen.
    pub angle_errors: Vec<f64>,
    /// Standard error of each; infinite where a sample that is round shows nothing.
    pub angle_standard_errors: Vec<f64>,
}

/// Aligns views by their first moments: the centre of mass of a projection is the projection of the centre of mass,
/// for any rotation and any tilt. The whole sample must be in view, and air must have the value 0 or, with a
/// threshold, one value in each image.
///
/// `images` are absorbances or thicknesses, `(N, J, K)`. A weight of 0 makes a pixel missing: it takes its neighbours'
/// value, and may be NaN. Other weights count alike.
///
/// ```text
/// M = Σ P,   oj = −Σ a P / M,   ok = −Σ b P / M,   var oj = σ² [Σ (a + oj)² + (Σ (a + oj))²/n] f / M²
/// ```
///
/// where (a, b) are centred pixel coordinates of the pixels that the sample covers, σ is the noise of the air, n its
/// number of pixels, and f how much more blocks of 4 × 4 of them vary than independent pixels would.
///
/// # Errors
/// [`Error::Shape`](nonius_core::Error::Shape) unless images and weights are of the geometry's shape;
/// [`Error::Parameter`](nonius_core::Error::Parameter); [`Error::Frame`](nonius_core::Error::Frame)
/// with the index of an image that has a NaN or a weight that is negative.
///
/// # Source
/// S. Helgason, *The Radon Transform* (1980), and D. Ludwig, Comm. Pure Appl. Math. 19, 49 (1966): moments of order n
/// are homogeneous polynomials of degree n in the components of j and k.
///
/// ```
/// use nalgebra::Vector3;
/// use ndarray::Array3;
/// use nonius_tomography::{Geometry, alignment::align_moments};
///
/// let geometry = Geometry::single_axis(Vector3::z(), &[0.0, 1.0], [9, 9], [9, 9, 9])?;
/// let mut images = Array3::<f64>::zeros((2, 9, 9));
/// images[[0, 4, 4]] = 1.0; // in the middle
/// images[[1, 6, 3]] = 1.0; // must be moved by (−2, +1)
/// let found = align_moments(&geometry, images.view(), None, &Default::default())?;
/// assert!((found.offsets[1][0] + 2.0).abs() < 1e-12 && (found.offsets[1][1] - 1.0).abs() < 1e-12);
/// # Ok::<(), nonius_core::Error>(())
/// ```
pub fn align_moments<F: Real>(
    geometry: &Geometry,
    images: ArrayView3<'_, F>,
    weights: Option<ArrayView3<'_, F>>,
    params: &MomentsParams,
) -> Result<MomentAlignment> {
    params.validate()?;
    let footprints = footprints(geometry, images, weights, params.threshold)?;
    let correlation = noise_correlation(&footprints);
    let views: Vec<ViewMoments> = footprints.iter().map(|f| ViewMoments::of(f, correlation)).collect();
    let degenerate: Vec<usize> = (0..views.len()).filter(|i| !views[*i].significant()).collect();

    let masses: Vec<f64> = views.iter().map(|view| view.mass).collect();
    let sound: Vec<f64> = views.iter().filter(|view| view.significant()).map(|view| view.mass).collect();
    let mass_spread = relative_spread(&sound);
    let offset = |(view, kept): (&ViewMoments, [f64; 2])| {
        if view.significant() { view.center.map(|c| -c) } else { kept }
    };
    let error = |view: &ViewMoments| if view.significant() { view.center_error } else { [f64::NAN; 2] };
    Ok(MomentAlignment {
        offsets: views.iter().zip(geometry.offsets()).map(offset).collect(),
        standard_errors: views.iter().map(error).collect(),
        mass_errors: views.iter().map(|view| view.mass_error).collect(),
        masses,
        mass_spread,
        truncated: mass_spread > params.max_mass_spread,
        pedestals: footprints.iter().map(|f| f.pedestal).collect(),
        noise: footprints.iter().map(|f| f.noise).collect(),
        second: SecondMoments::of(geometry, &views),
        degenerate,
    })
}

/// Standard deviation over mean; 0 of nothing.
fn relative_spread(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let spread = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt() / mean.abs();
    if spread.is_nan() { 0.0 } else { spread }
}

/// Moments of one image, in px from its middle, with their standard errors.
struct ViewMoments {
    mass: f64,
    mass_error: f64,
    center: [f64; 2],
    center_error: [f64; 2],
    /// Central moments jj, jk, kk.
    second: [f64; 3],
    second_error: [f64; 3],
}

impl ViewMoments {
    fn of(footprint: &Footprint, correlation: f64) -> Self {
        let Footprint { image, inside, n_air, .. } = footprint;
        let middle = [image.nrows(), image.ncols()].map(|n| 0.5 * (n as f64 - 1.0));
        let pixels = || {
            image
                .indexed_iter()
                .zip(inside)
                .filter(|(_, inside)| **inside)
                .map(|(((a, b), value), _)| ([a as f64 - middle[0], b as f64 - middle[1]], *value))
        };
        let (mut mass, mut first) = (0.0, [0.0; 2]);
        for (at, value) in pixels() {
            mass += value;
            first = [first[0] + at[0] * value, first[1] + at[1] * value];
        }
        let center = first.map(|sum| sum / mass);
        let products = |at: [f64; 2]| {
            let [a, b] = [at[0] - center[0], at[1] - center[1]];
            [a * a, a * b, b * b]
        };
        let mut second = [0.0; 3];
        for (at, value) in pixels() {
            let products = products(at);
            second = std::array::from_fn(|m| second[m] + products[m] * value / mass);
        }
        // Each moment m is Σ f_m(a, b) P / M; noise acts on the sums of f² and, through the pedestal, of f.
        let (mut squares, mut sums) = ([0.0; 6], [0.0; 6]);
        for (at, _) in pixels() {
            let [jj, jk, kk] = products(at);
            let factors =
                [1.0, at[0] - center[0], at[1] - center[1], jj - second[0], jk - second[1], kk - second[2]];
            for (m, f) in factors.into_iter().enumerate() {
                squares[m] += f * f;
                sums[m] += f;
            }
        }
        let variance = footprint.noise * footprint.noise * correlation;
        let error = |m: usize| {
            let pedestal = if *n_air > 0 { sums[m] * sums[m] / *n_air as f64 } else { 0.0 };
            (variance * (squares[m] + pedestal)).sqrt()
        };
        let mass = if footprint.measured { mass } else { 0.0 };
        ViewMoments {
            mass,
            mass_error: error(0),
            center,
            center_error: [error(1), error(2)].map(|e| e / mass.abs()),
            second,
            second_error: [error(3), error(4), error(5)].map(|e| e / mass.abs()),
        }
    }

    /// Whether there is a mass to speak of, and a centre of it.
    fn significant(&self) -> bool {
        self.mass.abs() > 5.0 * self.mass_error && self.center.iter().all(|c| c.is_finite())
    }
}

impl SecondMoments {
    fn of(geometry: &Geometry, views: &[ViewMoments]) -> Option<Self> {
        let sound: Vec<usize> = (0..views.len()).filter(|i| views[*i].significant()).collect();
        if sound.len() < 6 {
            return None;
        }
        let mut normal = SMatrix::<f64, 6, 6>::zeros();
        let mut right = SVector::<f64, 6>::zeros();
        for &i in &sound {
            let Directions { j, k, .. } = geometry.directions(i);
            for (row, moment) in [(j, j), (j, k), (k, k)].into_iter().zip(views[i].second) {
                let row = quadratic(row.0, row.1);
                normal += row * row.transpose();
                right += row * moment;
            }
        }
        let eigen = normal.symmetric_eigen();
        let largest = eigen.eigenvalues.amax();
        let mut c = SVector::<f64, 6>::zeros();
        for m in 0..6 {
            // What no view shows stays 0.
            if eigen.eigenvalues[m] > 1e-9 * largest {
                let direction = eigen.eigenvectors.column(m);
                c += direction * (direction.dot(&right) / eigen.eigenvalues[m]);
            }
        }
        let covariance = Matrix3::new(c[0], c[1], c[2], c[1], c[3], c[4], c[2], c[4], c[5]);
        let residual = |i: usize| {
            if !views[i].significant() {
                return [f64::NAN; 3];
            }
            let Directions { j, k, .. } = geometry.directions(i);
            let model = [(j, j), (j, k), (k, k)].map(|(a, b)| (a.transpose() * covariance * b)[0]);
            std::array::from_fn(|m| views[i].second[m] - model[m])
        };
        let residuals: Vec<[f64; 3]> = (0..views.len()).map(residual).collect();
        let squares: f64 = sound.iter().flat_map(|i| residuals[*i]).map(|r| r * r).sum();
        let mut moments = SecondMoments {
            covariance,
            residual_rms: (squares / (3 * sound.len()) as f64).sqrt(),
            residuals,
            angle_errors: vec![],
            angle_standard_errors: vec![],
        };
        if let Some(axis) = geometry.rotation_axis() {
            for (i, view) in views.iter().enumerate() {
                let [angle, error] = moments.angle_error(geometry, i, axis, view);
                moments.angle_errors.push(angle);
                moments.angle_standard_errors.push(error);
            }
        }
        Some(moments)
    }

    /// The angle about the axis that explains a view's residuals best, and its standard error.
    fn angle_error(&self, geometry: &Geometry, i: usize, axis: Vector3<f64>, view: &ViewMoments) -> [f64; 2] {
        if !view.significant() {
            return [f64::NAN; 2];
        }
        let Directions { j, k, .. } = geometry.directions(i);
        // j = exp(−ε [n]×) Rᵀ j₀
        let (dj, dk) = (-axis.cross(&j), -axis.cross(&k));
        let c = |a: Vector3<f64>, b: Vector3<f64>| (a.transpose() * self.covariance * b)[0];
        let slopes = [2.0 * c(j, dj), c(dj, k) + c(j, dk), 2.0 * c(k, dk)];
        let (mut information, mut score) = (0.0, 0.0);
        for m in 0..3 {
            // Without noise every moment counts alike.
            let variance = view.second_error[m].powi(2).max(f64::MIN_POSITIVE.sqrt());
            information += slopes[m] * slopes[m] / variance;
            score += slopes[m] * self.residuals[i][m] / variance;
        }
        if information > 0.0 {
            [score / information, information.sqrt().recip()]
        } else {
            [0.0, f64::INFINITY]
        }
    }
}

/// The row of `aᵀ C b` in the elements xx, xy, xz, yy, yz, zz of a symmetric C.
fn quadratic(a: Vector3<f64>, b: Vector3<f64>) -> SVector<f64, 6> {
    SVector::from([
        a.x * b.x,
        a.x * b.y + a.y * b.x,
        a.x * b.z + a.z * b.x,
        a.y * b.y,
        a.y * b.z + a.z * b.y,
        a.z * b.z,
    ])
}
