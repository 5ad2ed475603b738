//! One image each.

use crate::{Error, Result, check_finite, check_not_empty, check_not_negative, check_positive};
use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

/// What becomes of the pixels that an edge runs through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edge {
    /// A linear transition one pixel wide.
    #[default]
    AntiAliased,
    /// In or out, by the pixel's centre.
    Hard,
}

/// A circle that is stretched along one direction.
///
/// Distances are taken between places that were turned and squeezed:
/// `y' = (dy cos θ − dx sin θ)/stretch`, `x' = dx cos θ + dy sin θ`. So the half axes of the image of a circle of
/// radius R are `stretch · R` along the direction `(y, x) = (cos θ, −sin θ)` and R across it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Ellipse {
    /// Ratio of the half axes, above 0. Default: 1, a circle.
    pub stretch: f64,
    /// θ in rad: 0 stretches along y, π/2 along x. Default: 0.
    pub angle: f64,
}

impl Default for Ellipse {
    fn default() -> Self {
        Ellipse { stretch: 1.0, angle: 0.0 }
    }
}

impl Ellipse {
    /// Checks both fields.
    ///
    /// # Errors
    /// [`Error::Parameter`] if `stretch` is not finite and above 0, or `angle` not finite.
    pub fn validate(&self) -> Result<()> {
        check_positive("ellipse stretch", self.stretch)?;
        if self.angle.is_finite() {
            return Ok(());
        }
        Err(Error::parameter("ellipse angle", "finite", self.angle))
    }
}

/// Distances and directions from a centre.
#[derive(Debug, Clone)]
pub struct PolarMap {
    /// Distance r of every pixel, px of the unstretched circle.
    pub radius: Array2<f64>,
    /// Direction φ of every pixel, `atan2(dy, dx)`: 0 along +x, π/2 along +y.
    pub angle: Array2<f64>,
}

/// Places seen from a centre.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around {
    pub(super) center: [f64; 2],
    pub(super) ellipse: Option<Ellipse>,
}

impl Around {
    fn circle(center: [f64; 2]) -> Self {
        Around { center, ellipse: None }
    }

    /// `(y', x')` of a pixel.
    fn place(&self, (y, x): (usize, usize)) -> [f64; 2] {
        let (dy, dx) = (y as f64 - self.center[0], x as f64 - self.center[1]);
        match self.ellipse {
            Some(Ellipse { stretch, angle }) if stretch != 1.0 || angle != 0.0 => {
                let (sin, cos) = angle.sin_cos();
                [(dy * cos - dx * sin) / stretch, dx * cos + dy * sin]
            }
            _ => [dy, dx],
        }
    }

    /// Distance of a pixel.
    pub(super) fn radius(&self, pixel: (usize, usize)) -> f64 {
        let [y, x] = self.place(pixel);
        (y * y + x * x).sqrt()
    }

    /// The pixel that holds the centre, half-way ones to even.
    pub(super) fn pixel(&self, shape: (usize, usize)) -> Option<(usize, usize)> {
        let [y, x] = self.center.map(f64::round_ties_even);
        let inside = 0.0 <= y && y < shape.0 as f64 && 0.0 <= x && x < shape.1 as f64;
        inside.then_some((y as usize, x as usize))
    }

    pub(super) fn disk(&self, shape: (usize, usize), radius: f64, edge: Edge) -> Array2<f64> {
        match edge {
            Edge::Hard => {
                Array2::from_shape_fn(shape, |p| f64::from(u8::from(within(self.radius(p), radius))))
            }
            // A pixel closer than ½ to the centre is full, whichever it is: with an ellipse there are several.
            Edge::AntiAliased if radius >= 1.0 => {
                Array2::from_shape_fn(shape, |p| (radius + 0.5 - self.radius(p)).clamp(0.0, 1.0))
            }
            Edge::AntiAliased => {
                let mut mask = Array2::from_shape_fn(shape, |p| band(self.radius(p), 0.0, radius));
                self.pixel(shape).into_iter().for_each(|p| mask[p] = 1.0);
                mask
            }
        }
    }

    pub(super) fn ring(&self, shape: (usize, usize), inner: f64, outer: f64, edge: Edge) -> Array2<f64> {
        match edge {
            Edge::Hard => Array2::from_shape_fn(shape, |p| {
                let r = self.radius(p);
                f64::from(u8::from(within(r, outer) && !within(r, inner)))
            }),
            Edge::AntiAliased => {
                let mut mask = Array2::from_shape_fn(shape, |p| band(self.radius(p), inner, outer));
                if inner < 0.5 {
                    self.pixel(shape).into_iter().for_each(|p| mask[p] = 1.0 - inner);
                }
                mask
            }
        }
    }

    pub(super) fn gradient(&self, shape: (usize, usize), radius: f64, outer: f64, delta: f64) -> Array2<f64> {
        Array2::from_shape_fn(shape, |p| gradient_profile(self.radius(p), radius, outer, delta))
    }
}

/// `r ≤ R`, compared as squares: whole numbers are then exact.
fn within(r: f64, radius: f64) -> bool {
    r * r <= radius * radius
}

/// How much of a pixel at distance `r` lies between two radii.
fn band(r: f64, inner: f64, outer: f64) -> f64 {
    let width = outer - inner;
    (0.5 * width + 0.5 - (r - inner - 0.5 * width).abs()).clamp(0.0, 1.0)
}

/// A disk of value 1.
///
/// # Errors
/// [`Error::Parameter`] for a radius that is not finite and above 0, or a centre that is not finite; [`Error::Empty`]
/// for a side of 0.
pub fn disk(shape: (usize, usize), center: [f64; 2], radius: f64, edge: Edge) -> Result<Array2<f64>> {
    check_image(shape, center)?;
    check_positive("radius", radius)?;
    Ok(Around::circle(center).disk(shape, radius, edge))
}

/// A ring of value 1 between two radii. Anti-aliased, it may be thinner than a pixel: its values then stay below 1.
///
/// # Errors
/// [`Error::Parameter`] unless `0 ≤ inner < outer`, both finite, or for a centre that is not finite; [`Error::Empty`]
/// for a side of 0.
pub fn ring(
    shape: (usize, usize),
    center: [f64; 2],
    inner: f64,
    outer: f64,
    edge: Edge,
) -> Result<Array2<f64>> {
    check_image(shape, center)?;
    check_ring(inner, outer)?;
    Ok(Around::circle(center).ring(shape, inner, outer, edge))
}

/// A disk whose value rises from 0 in its middle to 1 at its edge: `r/R`. It answers to the edge of a disk and little
/// to what is inside.
///
/// Anti-aliased, it has a lip: `2 (R − r)` from `r = R − ½` to `r = R + ½`, which is −1 at its outer end.
///
/// # Errors
/// As [`disk`].
pub fn radial_gradient(
    shape: (usize, usize),
    center: [f64; 2],
    radius: f64,
    edge: Edge,
) -> Result<Array2<f64>> {
    check_image(shape, center)?;
    check_positive("radius", radius)?;
    let around = Around::circle(center);
    Ok(match edge {
        Edge::AntiAliased => around.gradient(shape, radius, 0.0, 1.0),
        Edge::Hard => Array2::from_shape_fn(shape, |p| {
            let r = around.radius(p);
            if within(r, radius) { r / radius } else { 0.0 }
        }),
    })
}

/// Profile of a rising disk within a ring of −1, at distance `r`:
///
/// ```text
/// r/R             r < R − δ/2
/// 2 (R − r)/δ     R − δ/2 ≤ r < R + δ/2
/// −1              R + δ/2 ≤ r ≤ R_o
/// 0               beyond
/// ```
///
/// for `radius` R, `outer` R_o and `delta` δ ≥ 0. NaN for a distance that is NaN.
pub fn gradient_profile(r: f64, radius: f64, outer: f64, delta: f64) -> f64 {
    if r.is_nan() {
        r
    } else if r < radius - 0.5 * delta {
        r / radius
    } else if r < radius + 0.5 * delta {
        2.0 * (radius - r) / delta
    } else if r <= outer {
        -1.0
    } else {
        0.0
    }
}

/// [`gradient_profile`] of every element of a map of distances, for example [`PolarMap::radius`].
///
/// # Errors
/// [`Error::Parameter`] for a radius that is not finite and above 0, an outer radius or a delta that is not finite and
/// at least 0; [`Error::NotFinite`] and [`Error::Empty`] for such a map.
pub fn gradient_profile_of(
    distances: ArrayView2<'_, f64>,
    radius: f64,
    outer: f64,
    delta: f64,
) -> Result<Array2<f64>> {
    check_not_empty("map of distances", distances.shape())?;
    check_finite("map of distances", distances)?;
    check_positive("radius", radius)?;
    check_not_negative("radius_outer", outer)?;
    check_not_negative("delta", delta)?;
    Ok(distances.mapv(|r| gradient_profile(r, radius, outer, delta)))
}

/// A disk less the ring around it: `D − B ΣD/ΣB`, so that the sum over the image is 0 and a uniform background gives
/// nothing. The disk reaches to `inner`, the ring from there to `outer`.
///
/// # Errors
/// [`Error::Parameter`] unless `0 < inner < outer`, both finite, for a centre that is not finite, or if no pixel of the
/// ring lies in the image, so that there is nothing to balance with; [`Error::Empty`] for a side of 0.
pub fn background_subtraction(
    shape: (usize, usize),
    center: [f64; 2],
    inner: f64,
    outer: f64,
    edge: Edge,
) -> Result<Array2<f64>> {
    check_image(shape, center)?;
    check_positive("radius", inner)?;
    check_ring(inner, outer)?;
    let around = Around::circle(center);
    let disk = around.disk(shape, inner, edge);
    let ring = around.ring(shape, inner, outer, edge);
    if ring.sum() == 0.0 {
        return Err(Error::parameter(
            "radius_outer",
            "so large that a pixel of the image is in the ring",
            outer,
        ));
    }
    Ok(subtract_ring(disk, &ring))
}

/// `D − B ΣD/ΣB`; D if there is no ring in the image.
pub(super) fn subtract_ring(disk: Array2<f64>, ring: &Array2<f64>) -> Array2<f64> {
    let (of_disk, of_ring) = (disk.sum(), ring.sum());
    if of_ring == 0.0 { disk } else { disk - &(ring * (of_disk / of_ring)) }
}

/// Scales the negative elements so that the sum becomes 0.
///
/// # Errors
/// [`Error::Parameter`] if the mask has no negative or no positive element; [`Error::NotFinite`].
pub fn balance(mut mask: Array2<f64>) -> Result<Array2<f64>> {
    check_finite("mask to balance", mask.view())?;
    let positive: f64 = mask.iter().filter(|v| **v > 0.0).sum();
    let negative: f64 = mask.iter().filter(|v| **v < 0.0).sum();
    if positive == 0.0 || negative == 0.0 {
        let sums = format!("sums {positive} and {negative}");
        return Err(Error::parameter("mask to balance", "of positive and negative elements", sums));
    }
    mask.mapv_inplace(|v| if v < 0.0 { v * (positive / -negative) } else { v });
    Ok(mask)
}

/// 1 on the rows from `corner[0]` to `corner[0] + size[0]`, both truncated to whole pixels and both included, and on
/// columns alike; a negative size goes to the other side. A size of 0 gives no pixel at all.
///
/// # Errors
/// [`Error::Parameter`] for a corner or a size that is not finite; [`Error::Empty`] for a side of 0 of the image.
pub fn rectangle(shape: (usize, usize), corner: [f64; 2], size: [f64; 2]) -> Result<Array2<f64>> {
    check_image(shape, corner)?;
    if size.iter().any(|s| !s.is_finite()) {
        return Err(Error::parameter("rectangle size", "finite", format!("{size:?}")));
    }
    if size.contains(&0.0) {
        return Ok(Array2::zeros(shape));
    }
    let covers = |axis: usize, p: usize| {
        let (from, to) = (corner[axis], corner[axis] + size[axis]);
        (from.min(to).trunc()..=from.max(to).trunc()).contains(&(p as f64))
    };
    Ok(Array2::from_shape_fn(shape, |(y, x)| f64::from(u8::from(covers(0, y) && covers(1, x)))))
}

/// The row of every pixel: its sum with a frame is the first moment along y.
pub fn ramp_y(shape: (usize, usize)) -> Array2<f64> {
    Array2::from_shape_fn(shape, |(y, _)| y as f64)
}

/// The column of every pixel.
pub fn ramp_x(shape: (usize, usize)) -> Array2<f64> {
    Array2::from_shape_fn(shape, |(_, x)| x as f64)
}

/// Distance and direction of every pixel from a centre, as an [`Ellipse`] sees them.
///
/// # Errors
/// [`Error::Parameter`] for a centre that is not finite, and those of [`Ellipse::validate`]; [`Error::Empty`] for a
/// side of 0.
pub fn polar_map(shape: (usize, usize), center: [f64; 2], ellipse: Ellipse) -> Result<PolarMap> {
    check_image(shape, center)?;
    ellipse.validate()?;
    let around = Around { center, ellipse: Some(ellipse) };
    Ok(PolarMap {
        radius: Array2::from_shape_fn(shape, |p| around.radius(p)),
        angle: Array2::from_shape_fn(shape, |p| {
            let [y, x] = around.place(p);
            y.atan2(x)
        }),
    })
}

pub(super) fn check_image(shape: (usize, usize), center: [f64; 2]) -> Result<()> {
    check_not_empty("image of a mask", &[shape.0, shape.1])?;
    if center.iter().all(|c| c.is_finite()) {
        return Ok(());
    }
    Err(Error::parameter("center", "finite", format!("{center:?}")))
}

/// `0 ≤ inner < outer`.
pub(super) fn check_ring(inner: f64, outer: f64) -> Result<()> {
    check_not_negative("radius_inner", inner)?;
    if outer > inner && outer.is_finite() {
        return Ok(());
    }
    Err(Error::parameter("radius_outer", "finite and above the inner radius", outer))
}
