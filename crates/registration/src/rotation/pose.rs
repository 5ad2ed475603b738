//! How the content of one image lies in another: turned, magnified, displaced.

use ndarray::{Array2, ArrayView2};
use nonius_core::{Error, Real, Result, SplineDegree};
use serde::{Deserialize, Serialize};

use super::surface::Surface;

/// Rotation, scale and displacement of the moving image's content.
///
/// A point `p` of the reference is found at
///
/// ```text
/// p' = c + scale · R (p − c) + shift,   R = [[cos, −sin], [sin, cos]] in (y, x),   c = (n − 1)/2
/// ```
///
/// in the moving image, `c` being the centre of the frame. A positive angle turns the +y axis towards
/// +x: counter-clockwise on a screen whose rows run down. The same as `Motion` of nonius-synthetic.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pose {
    /// Rotation about the centre of the frame, degrees.
    pub angle: f64,
    /// Magnification about the centre of the frame.
    pub scale: f64,
    /// Displacement `(y, x)` px that follows.
    pub shift: [f64; 2],
}

impl Default for Pose {
    /// Everything stays where it is.
    fn default() -> Self {
        Pose { angle: 0.0, scale: 1.0, shift: [0.0; 2] }
    }
}

impl Pose {
    /// Where the point `(y, x)` of a reference of shape `shape` is found in the moving image.
    ///
    /// ```
    /// use nonius_registration::rotation::Pose;
    /// let pose = Pose { angle: 90.0, scale: 2.0, shift: [1.0, 0.0] };
    /// // What was 3 px to the right of the centre (10, 10) is 6 px above it, less the shift.
    /// let [y, x] = pose.apply([10.0, 13.0], (21, 21));
    /// assert!((y - 5.0).abs() < 1e-12 && (x - 10.0).abs() < 1e-12);
    /// ```
    pub fn apply(&self, point: [f64; 2], shape: (usize, usize)) -> [f64; 2] {
        Linear::of(self).apply(point, center(shape))
    }

    /// The pose of the reference's content in the moving image: `inverse().apply` undoes `apply`.
    pub fn inverse(&self) -> Pose {
        Linear::of(self).inverse().pose()
    }

    /// Brings a moving image back onto its reference: `out[p] = image(apply(p))`, `fill` where that lies
    /// outside the frame.
    ///
    /// Fine detail that a scale above 1 had magnified is not smoothed before it is sampled more coarsely.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a pose that is not finite or has no positive scale; [`Error::Empty`],
    /// [`Error::NotFinite`] for the image.
    pub fn bring_back<F: Real>(
        &self,
        image: ArrayView2<'_, F>,
        degree: SplineDegree,
        fill: F,
    ) -> Result<Array2<F>> {
        self.validate()?;
        let surface = Surface::new(image.mapv(F::f64).view(), degree)?;
        let (linear, c) = (Linear::of(self), center(image.dim()));
        Ok(Array2::from_shape_fn(image.dim(), |(y, x)| {
            surface.value(linear.apply([y as f64, x as f64], c)).map_or(fill, F::of)
        }))
    }

    /// Moves the content of an image by this pose: `out[apply(p)] = image(p)`, `fill` where nothing comes
    /// to lie. The inverse of [`bring_back`](Self::bring_back), up to interpolation.
    ///
    /// # Errors
    /// As [`bring_back`](Self::bring_back).
    pub fn carry<F: Real>(
        &self,
        image: ArrayView2<'_, F>,
        degree: SplineDegree,
        fill: F,
    ) -> Result<Array2<F>> {
        self.validate()?;
        self.inverse().bring_back(image, degree, fill)
    }

    /// Whether two poses lead to the same optimum.
    pub(super) fn is_near(&self, other: &Pose) -> bool {
        let turn = (self.angle - other.angle + 180.0).rem_euclid(360.0) - 180.0;
        turn.abs() < 1.0
            && (self.scale / other.scale).ln().abs() < 0.02
            && (0..2).all(|a| (self.shift[a] - other.shift[a]).abs() < 2.0)
    }

    fn validate(&self) -> Result<()> {
        if !(self.scale.is_finite() && self.scale > 0.0) {
            return Err(Error::parameter("scale", "finite and above 0", self.scale));
        }
        if !self.angle.is_finite() {
            return Err(Error::parameter("angle", "finite", self.angle));
        }
        match self.shift.iter().find(|d| !d.is_finite()) {
            Some(bad) => Err(Error::parameter("shift", "finite", bad)),
            None => Ok(()),
        }
    }
}

/// Centre of a frame, between the middle pixels if there are two.
pub(super) fn center(shape: (usize, usize)) -> [f64; 2] {
    [(shape.0 as f64 - 1.0) / 2.0, (shape.1 as f64 - 1.0) / 2.0]
}

/// A similarity in the four numbers that it is linear in: `p' = c + [[a, −b], [b, a]] (p − c) + t`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Linear {
    pub(super) a: f64,
    pub(super) b: f64,
    pub(super) t: [f64; 2],
}

impl Linear {
    pub(super) fn of(pose: &Pose) -> Self {
        let (sin, cos) = pose.angle.to_radians().sin_cos();
        Linear { a: pose.scale * cos, b: pose.scale * sin, t: pose.shift }
    }

    pub(super) fn pose(&self) -> Pose {
        Pose { angle: self.b.atan2(self.a).to_degrees(), scale: self.scale(), shift: self.t }
    }

    pub(super) fn scale(&self) -> f64 {
        self.a.hypot(self.b)
    }

    pub(super) fn apply(&self, p: [f64; 2], c: [f64; 2]) -> [f64; 2] {
        let [y, x] = self.turn([p[0] - c[0], p[1] - c[1]]);
        [c[0] + self.t[0] + y, c[1] + self.t[1] + x]
    }

    /// `[[a, −b], [b, a]] v`.
    pub(super) fn turn(&self, v: [f64; 2]) -> [f64; 2] {
        [self.a * v[0] - self.b * v[1], self.b * v[0] + self.a * v[1]]
    }

    pub(super) fn inverse(&self) -> Self {
        let norm = self.a * self.a + self.b * self.b;
        let back = Linear { a: self.a / norm, b: -self.b / norm, t: [0.0; 2] };
        Linear { t: back.turn(self.t).map(|d| -d), ..back }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inverse_undoes() {
        let pose = Pose { angle: 130.0, scale: 0.8, shift: [3.0, -7.5] };
        let there = pose.apply([4.0, 9.0], (20, 31));
        let back = pose.inverse().apply(there, (20, 31));
        assert!((back[0] - 4.0).abs() < 1e-12 && (back[1] - 9.0).abs() < 1e-12);
        assert!((pose.inverse().angle + 130.0).abs() < 1e-12 && (pose.inverse().scale - 1.25).abs() < 1e-12);
    }
}
