//! How the content of the moving image lies relative to the reference.

use serde::{Deserialize, Serialize};

use crate::{Result, check};

/// Displacement, rotation and scale of the moving image's content.
///
/// A point `p` of the reference is found at
///
/// ```text
/// p' = c + scale · R (p − c) + shift,   R = [[cos, −sin], [sin, cos]] in (y, x),   c = (n − 1)/2
/// ```
///
/// in the moving image, where `c` is the centre of the frame. Without rotation and scale that is
/// `moving[r] = reference[r − shift]`. A positive angle turns the +y axis towards +x: counter-clockwise
/// on a screen whose rows run down.
///
/// ```
/// use nonius_synthetic::Motion;
///
/// let quarter = Motion { angle: 90.0, ..Default::default() };
/// // What was right of the centre (16, 16) is now above it.
/// let [y, x] = quarter.apply([16.0, 20.0], [33, 33]);
/// assert!((y - 12.0).abs() < 1e-12 && (x - 16.0).abs() < 1e-12);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Motion {
    /// Displacement `(y, x)` in px; default 0.
    pub shift: [f64; 2],
    /// Rotation about the centre of the frame in degrees; default 0.
    pub angle: f64,
    /// Magnification about the centre of the frame; default 1.
    pub scale: f64,
}

impl Default for Motion {
    fn default() -> Self {
        Motion { shift: [0.0; 2], angle: 0.0, scale: 1.0 }
    }
}

impl Motion {
    /// A displacement `(y, x)` in px, without rotation or scale.
    pub fn shift(shift: [f64; 2]) -> Self {
        Motion { shift, ..Default::default() }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Parameter`](nonius_core::Error::Parameter) if the shift is not finite or beyond 1e6 px,
    /// the angle not finite, or the scale outside 0.01 … 100.
    pub fn validate(&self) -> Result<()> {
        let small = self.shift.iter().all(|d| d.abs() <= 1e6);
        check(small, "shift", "finite and at most 1e6 px", format!("{:?}", self.shift))?;
        check(self.angle.is_finite(), "angle", "finite", self.angle)?;
        check((0.01..=100.0).contains(&self.scale), "scale", "between 0.01 and 100", self.scale)
    }

    /// Whether there is neither rotation nor scale.
    pub fn is_shift(&self) -> bool {
        self.angle == 0.0 && self.scale == 1.0
    }

    /// Where the point `(y, x)` of a reference of shape `shape` is found in the moving image.
    pub fn apply(&self, point: [f64; 2], shape: [usize; 2]) -> [f64; 2] {
        if self.is_shift() {
            return [point[0] + self.shift[0], point[1] + self.shift[1]];
        }
        let c = center(shape);
        let [y, x] = rotate(self.angle, [point[0] - c[0], point[1] - c[1]]);
        [c[0] + self.scale * y + self.shift[0], c[1] + self.scale * x + self.shift[1]]
    }

    /// Which point of the reference is found at `point` `(y, x)` of the moving image.
    pub fn invert(&self, point: [f64; 2], shape: [usize; 2]) -> [f64; 2] {
        let c = center(shape);
        let from = [point[0] - self.shift[0] - c[0], point[1] - self.shift[1] - c[1]];
        let [y, x] = rotate(-self.angle, from);
        [c[0] + y / self.scale, c[1] + x / self.scale]
    }
}

/// Centre of a frame, between the middle pixels if there are two.
pub(crate) fn center(shape: [usize; 2]) -> [f64; 2] {
    shape.map(|n| (n as f64 - 1.0) / 2.0)
}

/// The vector `(y, x)` turned by `angle` degrees, +y towards +x.
pub(crate) fn rotate(angle: f64, v: [f64; 2]) -> [f64; 2] {
    let (sin, cos) = angle.to_radians().sin_cos();
    [cos * v[0] - sin * v[1], sin * v[0] + cos * v[1]]
}
