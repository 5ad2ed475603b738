//! Lattices: positions `zero + i·a + j·b`.

/// A lattice in the plane of the detector: index `(i, j)` stands at `zero + i·a + j·b`. All are `(y, x)` in px.
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
