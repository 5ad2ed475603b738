use nalgebra::{Matrix2, Vector3};
use nonius_core::tilt_series::{Laboratory, View};

/// The rays of one view. Sample n of the ray of pixel (a, b) lies in slice n across `axis`, at the fractional
/// voxel indices
///
/// ```text
/// q = start + n·slope + a·by_j + b·by_k
/// ```
///
/// along the two other axes, the lower one first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rays {
    /// Axis of the volume along which the beam runs most; the first of equals.
    pub(super) axis: usize,
    /// Length of a ray within one slice.
    pub(super) length: f64,
    pub(super) slope: [f64; 2],
    pub(super) by_j: [f64; 2],
    pub(super) by_k: [f64; 2],
    pub(super) start: [f64; 2],
    /// What makes (a, b) of q: the inverse of the matrix with the columns `by_j`, `by_k`.
    pub(super) inverse: [[f64; 2]; 2],
    /// `start` of an image without offsets.
    centered: [f64; 2],
}

/// Angles of exactly 0 leave residues of a rounding in products of rotations; the fast path asks for zeros and
/// ones. Over 10⁴ pixels this moves a sample by 1e-11.
fn snapped(value: f64) -> f64 {
    if (value - value.round()).abs() < 1e-15 { value.round() } else { value }
}

impl Rays {
    pub(super) fn new(
        laboratory: &Laboratory,
        view: &View,
        [n_j, n_k]: [usize; 2],
        volume_shape: [usize; 3],
    ) -> Self {
        let seen = |v: Vector3<f64>| view.rotation.transpose() * v;
        let (p, j, k) = (seen(laboratory.p), seen(laboratory.j), seen(laboratory.k));
        let axis = (1..3).fold(0, |best, axis| if p[axis].abs() > p[best].abs() { axis } else { best });
        let others = others(axis);
        let slope = others.map(|other| snapped(p[other] / p[axis]));
        // A step of c moves the sample in a fixed slice by c[other] − slope·c[axis].
        let step = |c: Vector3<f64>| [0, 1].map(|q| snapped(c[others[q]] - slope[q] * c[axis]));
        let (by_j, by_k) = (step(j), step(k));
        let middle = |n: usize| 0.5 * n as f64 - 0.5;
        let centered = [0, 1].map(|q| {
            middle(volume_shape[others[q]])
                - slope[q] * middle(volume_shape[axis])
                - middle(n_j) * by_j[q]
                - middle(n_k) * by_k[q]
        });
        // det = ±1/p[axis], so that |det| is between 1 and √3.
        let inverse = Matrix2::new(by_j[0], by_k[0], by_j[1], by_k[1]).try_inverse().unwrap_or_default();
        let mut rays = Rays {
            axis,
            length: (1.0 + slope[0] * slope[0] + slope[1] * slope[1]).sqrt(),
            slope,
            by_j,
            by_k,
            start: centered,
            inverse: [[inverse[(0, 0)], inverse[(0, 1)]], [inverse[(1, 0)], inverse[(1, 1)]]],
            centered,
        };
        rays.set_offset([view.j_offset, view.k_offset]);
        rays
    }

    pub(super) fn set_offset(&mut self, [j, k]: [f64; 2]) {
        self.start = [0, 1].map(|q| self.centered[q] + j * self.by_j[q] + k * self.by_k[q]);
    }

    /// q in slice n of pixel (a, b).
    pub(super) fn at(&self, n: usize, a: usize, b: usize) -> [f64; 2] {
        [0, 1].map(|q| {
            self.start[q] + n as f64 * self.slope[q] + a as f64 * self.by_j[q] + b as f64 * self.by_k[q]
        })
    }

    /// Fractional pixel indices (a, b) whose ray meets voxel (m₁, m₂) of slice n in its centre.
    pub(super) fn pixel_of(&self, n: usize, m: [usize; 2]) -> [f64; 2] {
        let from = [0, 1].map(|q| m[q] as f64 - self.start[q] - n as f64 * self.slope[q]);
        self.inverse.map(|row| row[0] * from[0] + row[1] * from[1])
    }

    /// Whether b counts voxels along z and nothing else changes with it: turned about z, image upright.
    pub(super) fn run_across_z(&self) -> bool {
        self.axis != 2 && self.slope[1] == 0.0 && self.by_j[1] == 0.0 && self.by_k == [0.0, 1.0]
    }
}

/// The axes other than this one, the lower first.
pub(super) fn others(axis: usize) -> [usize; 2] {
    match axis {
        0 => [1, 2],
        1 => [0, 2],
        _ => [0, 1],
    }
}
