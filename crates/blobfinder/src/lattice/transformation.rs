//! Affine transformations between sets of points.

use nalgebra::{DMatrix, Matrix3, Vector3};
use nonius_core::{Error, Result, check_shape};

use super::fit::SVD_ITERATIONS;

/// `(p − center, 1)·X + center`: an affine transformation of row vectors `(y, x)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AffineTransformation {
    /// X, 3 × 3: the first two rows turn and stretch, the third shifts (px); the last column is `(0, 0, 1)`.
    pub matrix: [[f64; 3]; 3],
    /// The point `(y, x)` that coordinates are measured from, px.
    pub center: [f64; 2],
}

impl AffineTransformation {
    /// The transformation that carries `from` to `to` at least `Σ w_k |from_k·X − to_k|²`.
    ///
    /// `weights`: one per point, 1 if None. Points without finite positions and a finite weight above 0 are left out.
    /// (The Python package libertem-blobfinder multiplies the rows by its weights; hand in their squares to get its
    /// result.) Fewer than three points, or points on one line, give the solution of least norm.
    ///
    /// # Errors
    /// [`Error::Shape`] if `to` or `weights` have another length than `from`; [`Error::Parameter`] for a centre that
    /// is not finite.
    pub fn fit(
        from: &[[f64; 2]],
        to: &[[f64; 2]],
        weights: Option<&[f64]>,
        center: [f64; 2],
    ) -> Result<Self> {
        check_shape("to", &[from.len()], &[to.len()])?;
        if let Some(weights) = weights {
            check_shape("weights", &[from.len()], &[weights.len()])?;
        }
        if !center.iter().all(|c| c.is_finite()) {
            return Err(Error::parameter("center", "finite", format!("{center:?}")));
        }
        let weight = |k: usize| weights.map_or(1.0, |w| w[k]);
        let used: Vec<usize> = (0..from.len())
            .filter(|&k| from[k].iter().chain(&to[k]).all(|v| v.is_finite()))
            .filter(|&k| weight(k).is_finite() && weight(k) > 0.0)
            .collect();
        // At least three rows, so that the decomposition has three singular values.
        let row = |points: &[[f64; 2]], r: usize, column: usize| match used.get(r) {
            None => 0.0,
            Some(&k) if column == 2 => weight(k).sqrt(),
            Some(&k) => weight(k).sqrt() * (points[k][column] - center[column]),
        };
        let n = used.len().max(3);
        let design = DMatrix::from_fn(n, 3, |r, c| row(from, r, c));
        let target = DMatrix::from_fn(n, 2, |r, c| row(to, r, c));
        let mut matrix = [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]];
        let solution = design.try_svd(true, true, f64::EPSILON, SVD_ITERATIONS).and_then(|svd| {
            let threshold = f64::EPSILON * n as f64 * svd.singular_values.max();
            svd.solve(&target, threshold.max(f64::MIN_POSITIVE)).ok()
        });
        if let Some(solution) = solution {
            for (r, row) in matrix.iter_mut().enumerate() {
                (row[0], row[1]) = (solution[(r, 0)], solution[(r, 1)]);
            }
        }
        Ok(AffineTransformation { matrix, center })
    }

    /// Where `point` `(y, x)` comes to lie, px.
    pub fn apply(&self, point: [f64; 2]) -> [f64; 2] {
        let [dy, dx] = [point[0] - self.center[0], point[1] - self.center[1]];
        let x = &self.matrix;
        std::array::from_fn(|c| dy * x[0][c] + dx * x[1][c] + x[2][c] + self.center[c])
    }

    /// The point `(y, x)` that stays where it is, px.
    ///
    /// # Errors
    /// [`Error::Parameter`] if there is none or more than one: a shift, or the identity.
    pub fn fixed_point(&self) -> Result<[f64; 2]> {
        let x = Matrix3::from_fn(|r, c| self.matrix[r][c]);
        // (v, 1)(X − diag(1, 1, 0)) = (0, 0, 1).
        let left = (x - Matrix3::from_diagonal(&Vector3::new(1.0, 1.0, 0.0))).transpose();
        left.lu()
            .solve(&Vector3::new(0.0, 0.0, 1.0))
            .filter(|v| v.iter().all(|v| v.is_finite()))
            .map(|v| [v[0] + self.center[0], v[1] + self.center[1]])
            .ok_or_else(|| Error::parameter("matrix", "one with a fixed point", format!("{:?}", self.matrix)))
    }
}
