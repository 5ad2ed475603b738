//! One disk on a raster of pixels.

use std::f64::consts::{FRAC_1_SQRT_2, PI, TAU};

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::{Result, check};

/// An ellipse: the image of a circle that is stretched along one direction.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiskShape {
    /// Ratio of the half axes, from 0.01 to 100; default 1, a circle. That of the stretched direction is
    /// `stretch · radius`, the other one `radius`.
    pub stretch: f64,
    /// Angle θ in rad: the stretched direction is `(y, x) = (cos θ, −sin θ)`; default 0, along y.
    pub angle: f64,
}

impl Default for DiskShape {
    fn default() -> Self {
        DiskShape { stretch: 1.0, angle: 0.0 }
    }
}

/// Stripes within a disk: its brightness is multiplied by `1 + modulation · sin(2π u/period + phase)`, where u is the
/// distance from the disk's centre along a direction. The phase of each disk is drawn from the seed.
///
/// The sine is taken at the pixels' centres, not averaged over them: periods below 4 px are coarse.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiskTexture {
    /// From 0, none, to 1; default 0.8.
    pub modulation: f64,
    /// Length of a period, px, at least 1; default 5.
    pub period: f64,
    /// Direction in rad: `(y, x) = (sin, cos)` of it; default 0, along x.
    pub angle: f64,
}

impl Default for DiskTexture {
    fn default() -> Self {
        DiskTexture { modulation: 0.8, period: 5.0, angle: 0.0 }
    }
}

impl DiskShape {
    pub(super) fn validate(&self) -> Result<()> {
        let stretch = (0.01..=100.0).contains(&self.stretch);
        check(stretch, "disk stretch", "between 0.01 and 100", self.stretch)?;
        check(self.angle.is_finite(), "disk angle", "finite", self.angle)
    }
}

impl DiskTexture {
    pub(super) fn validate(&self) -> Result<()> {
        let modulation = (0.0..=1.0).contains(&self.modulation);
        check(modulation, "texture modulation", "between 0 and 1", self.modulation)?;
        let period = self.period >= 1.0 && self.period.is_finite();
        check(period, "texture period", "finite and at least 1 px", self.period)?;
        check(self.angle.is_finite(), "texture angle", "finite", self.angle)
    }

    fn brightness(&self, [dy, dx]: [f64; 2], phase: f64) -> f64 {
        let (sin, cos) = self.angle.sin_cos();
        1.0 + self.modulation * (TAU * (dy * sin + dx * cos) / self.period + phase).sin()
    }
}

/// What all disks of a frame have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Disk {
    pub(super) radius: f64,
    pub(super) shape: DiskShape,
    pub(super) texture: Option<DiskTexture>,
}

impl Disk {
    pub(super) fn area(&self) -> f64 {
        PI * self.radius * self.radius * self.shape.stretch
    }

    /// Furthest that the disk reaches from its centre, px.
    pub(super) fn reach(&self) -> f64 {
        self.radius * self.shape.stretch.max(1.0)
    }

    /// Adds the disk with `value` in every pixel that lies within it, and the share that is covered of those that its
    /// edge runs through.
    pub(super) fn add(&self, frame: &mut Array2<f64>, center: [f64; 2], value: f64, phase: f64) {
        let (h, w) = frame.dim();
        let rows = |c: f64, n: usize| {
            let from = (c - self.reach() - 0.5).floor().clamp(0.0, n as f64) as usize;
            from..(c + self.reach() + 1.5).ceil().clamp(0.0, n as f64) as usize
        };
        for y in rows(center[0], h) {
            for x in rows(center[1], w) {
                let offset = [y as f64 - center[0], x as f64 - center[1]];
                let share = self.coverage(offset);
                if share > 0.0 {
                    let bright = self.texture.map_or(1.0, |texture| texture.brightness(offset, phase));
                    frame[[y, x]] += value * share * bright;
                }
            }
        }
    }

    /// Share of a pixel within the disk, exactly; its centre is at `(dy, dx)` from the disk's.
    pub(super) fn coverage(&self, [dy, dx]: [f64; 2]) -> f64 {
        // Coordinates in which the disk is the unit circle.
        let DiskShape { stretch, angle } = self.shape;
        let (sin, cos) = angle.sin_cos();
        let unit = |dy: f64, dx: f64| {
            [(dy * cos - dx * sin) / (stretch * self.radius), (dx * cos + dy * sin) / self.radius]
        };
        let [v, u] = unit(dy, dx);
        let half_diagonal = FRAC_1_SQRT_2 / (self.radius * stretch.min(1.0));
        let r = v.hypot(u);
        if r > 1.0 + half_diagonal {
            return 0.0;
        }
        if r < 1.0 - half_diagonal {
            return 1.0;
        }
        let corners = [(-0.5, -0.5), (-0.5, 0.5), (0.5, 0.5), (0.5, -0.5)].map(|(y, x)| unit(dy + y, dx + x));
        let area: f64 = (0..4).map(|k| under_edge(corners[k], corners[(k + 1) % 4])).sum();
        // Areas shrink by the determinant of the map.
        (area.abs() * self.radius * self.radius * stretch).clamp(0.0, 1.0)
    }
}

/// Signed area within the unit circle of the triangle from the origin over `p` to `q`. Over the edges of a polygon
/// they add up to what of the polygon lies within the circle.
fn under_edge(p: [f64; 2], q: [f64; 2]) -> f64 {
    let cross = |a: [f64; 2], b: [f64; 2]| a[0] * b[1] - a[1] * b[0];
    let dot = |a: [f64; 2], b: [f64; 2]| a[0] * b[0] + a[1] * b[1];
    let sector = |a, b| 0.5 * cross(a, b).atan2(dot(a, b));
    let d = [q[0] - p[0], q[1] - p[1]];
    // |p + t d| = 1
    let (a, half_b, c) = (dot(d, d), dot(p, d), dot(p, p) - 1.0);
    let discriminant = half_b * half_b - a * c;
    if a == 0.0 || discriminant <= 0.0 {
        return sector(p, q);
    }
    let root = discriminant.sqrt();
    let [enter, leave] = [-half_b - root, -half_b + root].map(|t| (t / a).clamp(0.0, 1.0));
    if enter >= leave {
        return sector(p, q);
    }
    let at = |t: f64| [p[0] + t * d[0], p[1] + t * d[1]];
    sector(p, at(enter)) + 0.5 * cross(at(enter), at(leave)) + sector(at(leave), q)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(radius: f64, stretch: f64, angle: f64) -> Disk {
        Disk { radius, shape: DiskShape { stretch, angle }, texture: None }
    }

    #[test]
    fn coverage_is_that_of_fine_samples() {
        for disk in [disk(3.0, 1.0, 0.0), disk(0.4, 1.0, 0.0), disk(2.3, 1.7, 0.6), disk(0.7, 0.3, -2.0)] {
            for offset in [[0.0, 0.0], [2.9, 0.3], [0.2, 0.1], [-1.3, 2.4], [0.7, 0.7], [3.2, -1.9]] {
                let n = 400;
                let sample = |k: usize| (k as f64 + 0.5) / n as f64 - 0.5;
                let (sin, cos) = disk.shape.angle.sin_cos();
                let inside = |(j, k)| {
                    let (y, x) = (offset[0] + sample(j), offset[1] + sample(k));
                    let v = (y * cos - x * sin) / disk.shape.stretch;
                    v.hypot(x * cos + y * sin) <= disk.radius
                };
                let hits = (0..n).flat_map(|j| (0..n).map(move |k| (j, k))).filter(|&p| inside(p)).count();
                let share = hits as f64 / (n * n) as f64;
                // Samples miss the edge by up to 1/400 of a pixel.
                assert!((disk.coverage(offset) - share).abs() < 2e-3, "{disk:?} {offset:?}");
            }
        }
    }
}
