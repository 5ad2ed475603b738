//! Gaussian sources, known at every point of the plane.

use ndarray::ArrayViewMut2;
use serde::{Deserialize, Serialize};

use super::motion::{Motion, rotate};
use crate::{Result, check};

/// Widths at which a source is cut off: what is left out is below 3e-18 of the peak.
const REACH: f64 = 9.0;

/// An elliptical Gaussian `peak · exp(−(u²/σ₀² + v²/σ₁²)/2)`, sampled at pixel centres.
///
/// The width of the default (3 px) makes it band-limited to 5e-20 of its peak spectrum, so that a Fourier
/// shift of the samples and samples of the moved source agree to rounding.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GaussianSource {
    /// Position `(y, x)` in px, zero at the centre of the first pixel; default (31.5, 31.5), the middle
    /// of a 64×64 frame. It may lie outside the frame.
    pub center: [f64; 2],
    /// Value at the centre; default 1.
    pub peak: f64,
    /// Widths (standard deviations) in px along the source's own axes; default (3, 3).
    pub sigma: [f64; 2],
    /// Degrees from +y towards +x by which the axis of `sigma[0]` is turned; default 0.
    pub angle: f64,
}

impl Default for GaussianSource {
    fn default() -> Self {
        GaussianSource { center: [31.5; 2], peak: 1.0, sigma: [3.0; 2], angle: 0.0 }
    }
}

impl GaussianSource {
    /// A round source of width `sigma` and peak 1 at `center` `(y, x)`.
    pub fn round(center: [f64; 2], sigma: f64) -> Self {
        GaussianSource { center, sigma: [sigma; 2], ..Default::default() }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Parameter`](nonius_core::Error::Parameter) if a number is not finite, the centre beyond
    /// 1e6 px or a width outside 0.01 … 1e6 px.
    pub fn validate(&self) -> Result<()> {
        let near = self.center.iter().all(|c| c.abs() <= 1e6);
        check(near, "source center", "finite and within 1e6 px", format!("{:?}", self.center))?;
        check(self.peak.is_finite(), "source peak", "finite", self.peak)?;
        let wide = self.sigma.iter().all(|s| (0.01..=1e6).contains(s));
        check(wide, "source sigma", "between 0.01 and 1e6 px", format!("{:?}", self.sigma))?;
        check(self.angle.is_finite(), "source angle", "finite", self.angle)
    }

    /// Value at the point `(y, x)`.
    pub fn value(&self, point: [f64; 2]) -> f64 {
        let from = [point[0] - self.center[0], point[1] - self.center[1]];
        let [u, v] = rotate(-self.angle, from);
        self.peak * (-0.5 * ((u / self.sigma[0]).powi(2) + (v / self.sigma[1]).powi(2))).exp()
    }

    /// The source where `motion` takes it, in a frame of shape `shape`.
    pub fn moved(&self, motion: &Motion, shape: [usize; 2]) -> Self {
        GaussianSource {
            center: motion.apply(self.center, shape),
            peak: self.peak,
            sigma: self.sigma.map(|s| s * motion.scale),
            angle: self.angle + motion.angle,
        }
    }

    /// Half sides `(y, x)` of the box around the ellipse of [`REACH`] widths.
    fn half_box(&self) -> [f64; 2] {
        let (sin, cos) = self.angle.to_radians().sin_cos();
        let [a, b] = self.sigma;
        [REACH * (a * cos).hypot(b * sin), REACH * (a * sin).hypot(b * cos)]
    }

    /// Adds the source to `image`; what lies outside the frame is cut off.
    pub(crate) fn paint(&self, image: &mut ArrayViewMut2<'_, f64>) {
        let half = self.half_box();
        let span = |axis: usize, n: usize| {
            let first = (self.center[axis] - half[axis]).ceil().max(0.0) as usize;
            let end = ((self.center[axis] + half[axis]).floor() + 1.0).clamp(0.0, n as f64) as usize;
            first..end
        };
        for y in span(0, image.nrows()) {
            for x in span(1, image.ncols()) {
                image[[y, x]] += self.value([y as f64, x as f64]);
            }
        }
    }

    /// Adds the source and all its periodic copies to `image`.
    ///
    /// One source is walked through over its whole reach and each value added where the frame wraps it
    /// to: the same sum as over copies. The reach must be small enough for that, see
    /// [`SceneParams::validate`](super::SceneParams::validate).
    pub(crate) fn paint_periodic(&self, image: &mut ArrayViewMut2<'_, f64>) {
        let sides = [image.nrows() as i64, image.ncols() as i64];
        let half = self.half_box();
        let span = |axis: usize| {
            let first = (self.center[axis] - half[axis]).ceil() as i64;
            first..=(self.center[axis] + half[axis]).floor() as i64
        };
        for y in span(0) {
            let row = y.rem_euclid(sides[0]) as usize;
            for x in span(1) {
                let column = x.rem_euclid(sides[1]) as usize;
                image[[row, column]] += self.value([y as f64, x as f64]);
            }
        }
    }
}
