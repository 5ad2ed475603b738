//! Lattices: positions `zero + i·a + j·b`.

mod assign;
pub mod compatible;
mod fit;
mod matching;
mod polar;
mod reduce;
mod search;
mod transformation;

pub use assign::{DistanceRule, assign_indices};
pub use fit::{CovarianceSource, LatticeFit, Loss, fit_lattice};
pub use matching::{LatticeMatch, MatchParams, MatchStatus, affine_match, fast_match};
pub use polar::{cartesian, cartesian_array, polar, polar_array};
pub use reduce::UnimodularBasis;
pub use search::{FoundLattice, LatticeSearch, LatticeSearchParams, ZeroRule, search_lattices};
pub use transformation::AffineTransformation;

use std::ops::RangeInclusive;

use nonius_core::{Error, Result};

/// A lattice in the plane of the detector: index `(i, j)` stands at `zero + i·a + j·b`. All are `(y, x)` in px.
///
/// ```
/// use nonius_blobfinder::Lattice;
///
/// let lattice = Lattice { zero: [64.0, 64.0], a: [16.0, 2.0], b: [-1.0, 17.0] };
/// assert_eq!(lattice.position([2.0, -1.0]), [97.0, 51.0]);
/// assert_eq!(lattice.indices([97.0, 51.0])?, [2.0, -1.0]);
/// # Ok::<(), nonius_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Lattice {
    /// Position of index (0, 0).
    pub zero: [f64; 2],
    /// First vector.
    pub a: [f64; 2],
    /// Second vector.
    pub b: [f64; 2],
}

/// A measured position that a lattice may explain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LatticePoint {
    /// `(y, x)` in px.
    pub position: [f64; 2],
    /// Weight in fits, for example the elevation of a peak. Points without a finite weight above 0 are left out.
    pub weight: f64,
    /// Covariance of the position, px², order `(y, x)`; NaN where unknown.
    pub covariance: [[f64; 2]; 2],
}

impl LatticePoint {
    /// A point of weight 1 and unknown covariance.
    pub fn new(position: [f64; 2]) -> Self {
        LatticePoint { position, weight: 1.0, covariance: [[f64::NAN; 2]; 2] }
    }

    /// The same point with another weight.
    pub fn with_weight(self, weight: f64) -> Self {
        LatticePoint { weight, ..self }
    }

    /// The same point with a covariance, px².
    pub fn with_covariance(self, covariance: [[f64; 2]; 2]) -> Self {
        LatticePoint { covariance, ..self }
    }

    /// Position finite, weight finite and above 0.
    pub(crate) fn is_usable(&self) -> bool {
        self.position.iter().all(|p| p.is_finite()) && self.weight.is_finite() && self.weight > 0.0
    }
}

/// Positions of a lattice within a frame: [`Lattice::frame_peaks`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FramePeaks {
    /// Indices `(i, j)`, in the order in which they were asked.
    pub indices: Vec<[i32; 2]>,
    /// `(y, x)` in px of each.
    pub positions: Vec<[f64; 2]>,
}

/// Vectors whose cell has less than this part of the area `|a||b|` count as parallel.
const PARALLEL: f64 = 1e-10;

impl Lattice {
    /// The lattice that is none: NaN throughout.
    pub const INVALID: Lattice = Lattice { zero: [f64::NAN; 2], a: [f64::NAN; 2], b: [f64::NAN; 2] };

    /// Whether all components are finite.
    pub fn is_finite(&self) -> bool {
        [self.zero, self.a, self.b].iter().flatten().all(|v| v.is_finite())
    }

    /// `zero + i·a + j·b`, px. Indices may be fractional.
    pub fn position(&self, [i, j]: [f64; 2]) -> [f64; 2] {
        std::array::from_fn(|axis| self.zero[axis] + i * self.a[axis] + j * self.b[axis])
    }

    /// `a_x b_y − a_y b_x`, px²: the area of the cell, positive where b follows a in the sense of growing
    /// `atan2(y, x)` (on the screen, with y downwards, clockwise).
    pub fn signed_area(&self) -> f64 {
        cross(self.a, self.b)
    }

    /// Fractional indices `(i, j) = (point − zero)·[a; b]⁻¹` of a point `(y, x)`. NaN for a point that is not finite.
    ///
    /// # Errors
    /// [`Error::Parameter`] if a and b are not finite, or parallel: a cell of less than 1e-10 |a||b|.
    pub fn indices(&self, point: [f64; 2]) -> Result<[f64; 2]> {
        Ok(self.inverse()?.indices(point))
    }

    /// What turns points into indices; the error of [`indices`](Self::indices).
    pub(crate) fn inverse(&self) -> Result<Inverse> {
        self.try_inverse().ok_or_else(|| {
            let got = format!("a = {:?}, b = {:?}", self.a, self.b);
            Error::parameter("lattice", "finite, of vectors that are not parallel", got)
        })
    }

    pub(crate) fn try_inverse(&self) -> Option<Inverse> {
        let area = cross(self.a, self.b);
        let regular =
            self.is_finite() && area * area > PARALLEL * PARALLEL * squared(self.a) * squared(self.b);
        // (i, j) · [a; b] = p with rows (y, x), so that det [a; b] = −area.
        let ([ay, ax], [by, bx]) = (self.a, self.b);
        regular.then(|| Inverse { zero: self.zero, rows: [[-bx / area, ax / area], [by / area, -ay / area]] })
    }

    /// Those of `indices` whose position lies in a frame of `shape`, at least `margin` px from its edges:
    /// `margin ≤ y < height − margin`, likewise x.
    pub fn frame_peaks(&self, shape: (usize, usize), margin: f64, indices: &[[i32; 2]]) -> FramePeaks {
        let mut peaks = FramePeaks::default();
        for &index in indices {
            let position = self.position(index.map(f64::from));
            if is_within(position, shape, margin) {
                peaks.indices.push(index);
                peaks.positions.push(position);
            }
        }
        peaks
    }

    /// The same positions with index (0, 0) where `index` was.
    pub fn with_zero_at(&self, index: [f64; 2]) -> Lattice {
        Lattice { zero: self.position(index), ..*self }
    }
}

/// All pairs of two ranges, the first index fastest: `(i₀, j₀), (i₁, j₀), …, (i₀, j₁), …`.
///
/// ```
/// assert_eq!(nonius_blobfinder::index_grid(0..=1, 5..=6), [[0, 5], [1, 5], [0, 6], [1, 6]]);
/// ```
pub fn index_grid(i: RangeInclusive<i32>, j: RangeInclusive<i32>) -> Vec<[i32; 2]> {
    j.flat_map(|j| i.clone().map(move |i| [i, j])).collect()
}

/// `[a; b]⁻¹` of a lattice.
pub(crate) struct Inverse {
    zero: [f64; 2],
    /// Row `axis`: what a step along it adds to `(i, j)`.
    rows: [[f64; 2]; 2],
}

impl Inverse {
    pub(crate) fn indices(&self, [y, x]: [f64; 2]) -> [f64; 2] {
        let (dy, dx) = (y - self.zero[0], x - self.zero[1]);
        [dy * self.rows[0][0] + dx * self.rows[1][0], dy * self.rows[0][1] + dx * self.rows[1][1]]
    }
}

/// `margin ≤ y < height − margin`, likewise x.
pub(crate) fn is_within([y, x]: [f64; 2], (height, width): (usize, usize), margin: f64) -> bool {
    let inside = |v: f64, size: usize| v >= margin && v < size as f64 - margin;
    inside(y, height) && inside(x, width)
}

pub(crate) fn squared([y, x]: [f64; 2]) -> f64 {
    y * y + x * x
}

pub(crate) fn length([y, x]: [f64; 2]) -> f64 {
    y.hypot(x)
}

pub(crate) fn dot(u: [f64; 2], v: [f64; 2]) -> f64 {
    u[0] * v[0] + u[1] * v[1]
}

/// `u_x v_y − u_y v_x`: positive if v follows u in the sense of growing `atan2(y, x)`.
pub(crate) fn cross(u: [f64; 2], v: [f64; 2]) -> f64 {
    u[1] * v[0] - u[0] * v[1]
}

pub(crate) fn difference(u: [f64; 2], v: [f64; 2]) -> [f64; 2] {
    [u[0] - v[0], u[1] - v[1]]
}
