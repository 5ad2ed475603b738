//! The frames that LiberTEM-blobfinder makes for its tests.

use ndarray::Array2;
use nonius_core::Error;
use serde::{Deserialize, Serialize};

use super::{FAR, check_vector, lattice_point};
use crate::spectrum::check_size;
use crate::{Result, check};

/// A pattern of disks without noise and background, number for number that of LiberTEM-blobfinder 0.6.1
/// (`cbed_frame`): every disk has a brightness of its own, and where disks overlap they add up.
///
/// For anything but comparison with that program use [`DiffractionParams`](super::DiffractionParams), whose disks cover
/// pixels by area.
///
/// ```
/// use nonius_synthetic::CbedParams;
/// let made = CbedParams { shape: [64, 64], radius: 6.0, ..Default::default() }.generate()?;
/// assert_eq!(made.positions[0], [8.0, 8.0]);
/// # Ok::<(), nonius_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CbedParams {
    /// Shape `(y, x)`; default 128 × 128.
    pub shape: [usize; 2],
    /// Position of index (0, 0), px; default `(⌊h/2⌋, ⌊w/2⌋)`.
    pub zero: Option<[f64; 2]>,
    /// First vector, px; default `(⌊h/8⌋, 0)`.
    pub a: Option<[f64; 2]>,
    /// Second vector, px; default `a` turned by a right angle, `(−a_x, a_y)`.
    pub b: Option<[f64; 2]>,
    /// Indices `(i, j)` of the disks; default −10 to 10 for both, i fastest.
    pub indices: Option<Vec<[i32; 2]>>,
    /// Radius of the disks, px, above 0; default 4.
    pub radius: f64,
    /// Whether all disks have brightness 1; default false: they get darker with the distance from zero.
    pub all_equal: bool,
    /// Disks closer to an edge of the frame than this are left out, px; default `radius`.
    pub margin: Option<f64>,
}

impl Default for CbedParams {
    fn default() -> Self {
        CbedParams {
            shape: [128, 128],
            zero: None,
            a: None,
            b: None,
            indices: None,
            radius: 4.0,
            all_equal: false,
            margin: None,
        }
    }
}

/// What [`CbedParams`] make.
#[derive(Debug, Clone, PartialEq)]
pub struct CbedFrame {
    /// The frame.
    pub frame: Array2<f32>,
    /// Indices `(i, j)` of the disks within the frame.
    pub indices: Vec<[i32; 2]>,
    /// Their centres `(y, x)`, px.
    pub positions: Vec<[f64; 2]>,
}

impl CbedParams {
    /// Makes the frame. With n disks at distances d from zero, and `M = max(max d + 1, n + 1)`, disk number k has the
    /// brightness `max(1, M − d_k + k)`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a radius that is not above 0, vectors that are not within 1e6 px, or a margin that is
    /// not finite; [`Error::Empty`] for a side of 0.
    pub fn generate(&self) -> Result<CbedFrame> {
        check_size("shape of a diffraction frame", self.shape)?;
        check(self.radius > 0.0 && self.radius <= FAR, "radius", "above 0 and at most 1e6 px", self.radius)?;
        let [h, w] = self.shape;
        let zero = self.zero.unwrap_or([(h / 2) as f64, (w / 2) as f64]);
        let a = self.a.unwrap_or([(h / 8) as f64, 0.0]);
        let b = self.b.unwrap_or([-a[1], a[0]]);
        check_vector("zero", zero)?;
        check_vector("a", a)?;
        check_vector("b", b)?;
        let margin = self.margin.unwrap_or(self.radius);
        if !margin.is_finite() {
            return Err(Error::parameter("margin", "finite", margin));
        }
        let default = || (-10..=10).flat_map(|j| (-10..=10).map(move |i| [i, j])).collect();
        let indices: Vec<[i32; 2]> = self.indices.clone().unwrap_or_else(default);
        let inside = |p: [f64; 2]| {
            let within = |c: f64, n: usize| margin <= c && c < n as f64 - margin;
            within(p[0], h) && within(p[1], w)
        };
        let placed = indices.into_iter().map(|index| (index, lattice_point(zero, a, b, index)));
        let (indices, positions): (Vec<_>, Vec<_>) = placed.filter(|(_, p)| inside(*p)).unzip();
        let distance = |p: &[f64; 2]| (p[0] - zero[0]).hypot(p[1] - zero[1]);
        let furthest = positions.iter().map(distance).fold(0.0, f64::max);
        let brightest = (furthest + 1.0).max(positions.len() as f64 + 1.0);
        let mut frame = Array2::<f64>::zeros((h, w));
        for (k, p) in positions.iter().enumerate() {
            let bright = if self.all_equal { 1.0 } else { (brightest - distance(p) + k as f64).max(1.0) };
            self.add(&mut frame, *p, bright);
        }
        Ok(CbedFrame { frame: frame.mapv(|v| v as f32), indices, positions })
    }

    /// A disk with an edge that falls linearly with the distance, and 1 where its centre is.
    fn add(&self, frame: &mut Array2<f64>, [cy, cx]: [f64; 2], bright: f64) {
        let (half, (h, w)) = (0.5 * self.radius, frame.dim());
        let nearest = (cy.round_ties_even(), cx.round_ties_even());
        let near = |c: f64, n: usize| {
            let from = (c - self.radius - 1.0).floor().clamp(0.0, n as f64) as usize;
            from..(c + self.radius + 2.0).ceil().clamp(0.0, n as f64) as usize
        };
        for y in near(cy, h) {
            for x in near(cx, w) {
                let r = ((y as f64 - cy).powi(2) + (x as f64 - cx).powi(2)).sqrt();
                let share = (half + 0.5 - (r - half).abs()).clamp(0.0, 1.0);
                let share = if nearest == (y as f64, x as f64) { 1.0 } else { share };
                frame[[y, x]] += bright * share;
            }
        }
    }
}
