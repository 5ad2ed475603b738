//! The lattice that lies nearest to points whose indices are known.

use nalgebra::DMatrix;
use nonius_core::{Error, Result, check_shape, median};
use serde::{Deserialize, Serialize};

use super::{Lattice, LatticePoint, difference, dot};

/// What a fit minimises. r: distance of a point from its place, px; e: its weight.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Loss {
    /// `Σ e r²`.
    #[default]
    Square,
    /// Huber's: as the square up to `k` standard deviations, linear beyond, so that points which do not belong pull
    /// with bounded force. The standard deviation is that of `√e·r` per axis, from the median. k = 1.345 costs 5 % of
    /// precision where there is no such point.
    Huber {
        /// Where the loss becomes linear, in standard deviations; above 0.
        k: f64,
    },
}

impl Loss {
    pub(crate) fn validate(self) -> Result<()> {
        match self {
            Loss::Huber { k } if !(k > 0.0 && k.is_finite()) => {
                Err(Error::parameter("loss: k", "finite and above 0", k))
            }
            _ => Ok(()),
        }
    }
}

/// Where the covariance of a fit comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CovarianceSource {
    /// From the covariance of every point, through the linear estimate: holds whatever the weights.
    Points,
    /// From the scatter about the lattice, because a point has no covariance. Weights are taken as inverse variances
    /// up to one factor; n − 3 degrees of freedom per axis.
    Residuals,
    /// There is none: rank below 3, or three points without covariances, which every lattice fits.
    None,
}

/// A lattice fitted to points: [`fit_lattice`].
#[derive(Debug, Clone, PartialEq)]
pub struct LatticeFit {
    /// The lattice; of least norm where the rank is below 3, and then without a meaning.
    pub lattice: Lattice,
    /// How many of zero, a, b the points fix: 3 for a valid lattice, 2 for points on one line, 0 for none.
    pub rank: usize,
    /// Covariance of `(zero_y, zero_x, a_y, a_x, b_y, b_x)`, px²; NaN where there is none.
    pub covariance: [[f64; 6]; 6],
    /// Where the covariance comes from.
    pub covariance_source: CovarianceSource,
    /// `Σ rᵀ C⁻¹ r / (2n − 6)` with the covariances of the points: about 1 if they and the lattice are right. NaN if
    /// a point has none, or nothing is left over.
    pub reduced_chi2: f64,
    /// Number of points that took part.
    pub n_points: usize,
}

/// Fits zero, a, b to points whose indices `(i, j)` are known (they may be fractional): least
/// `Σ ρ(√e |zero + i a + j b − q|)`.
///
/// Points whose position or index is not finite, or whose weight is not finite and above 0, are left out. Singular
/// values below machine epsilon × 16 max(n, 3) times the largest count as 0.
///
/// Covariance: with `β = H q`, `H = (XᵀWX)⁻¹XᵀW`, rows of X `(1, i, j)`: `Σ_k h_k h_kᵀ ⊗ C_k` if every point has a
/// finite covariance C_k; otherwise `(XᵀWX)⁻¹ ⊗ Σ e r rᵀ/(n − 3)`. With [`Loss::Huber`] W holds the final weights in
/// the first case, in the second it is Huber's asymptotic covariance (P. J. Huber, *Robust Statistics*, 1981, section
/// 7.6, for the isotropic loss in two dimensions).
///
/// ```
/// use nonius_blobfinder::{Lattice, LatticePoint, Loss, fit_lattice, index_grid};
///
/// let truth = Lattice { zero: [64.0, 64.0], a: [16.0, 2.0], b: [-1.0, 17.0] };
/// let indices: Vec<_> = index_grid(-1..=1, -1..=1).into_iter().map(|i| i.map(f64::from)).collect();
/// let points: Vec<_> = indices.iter().map(|&i| LatticePoint::new(truth.position(i))).collect();
/// let fit = fit_lattice(&points, &indices, Loss::Square)?;
/// assert_eq!(fit.rank, 3);
/// assert!((fit.lattice.a[0] - 16.0).abs() < 1e-12);
/// # Ok::<(), nonius_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Shape`] if there is not one index per point; [`Error::Parameter`] for a `k` of the loss out of range.
pub fn fit_lattice(points: &[LatticePoint], indices: &[[f64; 2]], loss: Loss) -> Result<LatticeFit> {
    check_shape("indices", &[points.len()], &[indices.len()])?;
    loss.validate()?;
    Ok(fit_pairs(points.iter().zip(indices.iter().copied()), loss))
}

/// [`fit_lattice`] of points with their indices.
pub(crate) fn fit_pairs<'a>(
    pairs: impl Iterator<Item = (&'a LatticePoint, [f64; 2])>,
    loss: Loss,
) -> LatticeFit {
    let mut rows = vec![];
    let mut covariances = vec![];
    for (point, index) in pairs {
        if point.is_usable() && index.iter().all(|i| i.is_finite()) {
            rows.push(Row { weight: point.weight, index, position: point.position });
            covariances.push(point.covariance);
        }
    }
    let plain: Vec<f64> = rows.iter().map(|r| r.weight).collect();
    let (solution, scale) = match loss {
        Loss::Square => (solve(&rows), f64::INFINITY),
        Loss::Huber { k } => solve_huber(&mut rows, &plain, k),
    };
    let (covariance, covariance_source) = covariance(&rows, &plain, &covariances, &solution, scale);
    LatticeFit {
        lattice: solution.lattice,
        rank: solution.rank,
        covariance,
        covariance_source,
        reduced_chi2: reduced_chi2(&rows, &covariances, &solution),
        n_points: rows.len(),
    }
}

/// One equation: `weight · (1, i, j)·β ≈ weight · position`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) weight: f64,
    pub(crate) index: [f64; 2],
    pub(crate) position: [f64; 2],
}

impl Row {
    fn residual(&self, lattice: &Lattice) -> [f64; 2] {
        difference(self.position, lattice.position(self.index))
    }
}

/// Least squares of [`Row`]s.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Solution {
    pub(crate) lattice: Lattice,
    pub(crate) rank: usize,
    /// `(XᵀWX)⁻¹`, of the order zero, a, b; NaN below rank 3.
    inverse: [[f64; 3]; 3],
}

/// Below this ratio of determinant to squared trace, the moments of the indices are left to the singular values.
const WELL_CONDITIONED: f64 = 1e-6;

/// Weighted least squares, minimum norm below rank 3.
pub(crate) fn solve(rows: &[Row]) -> Solution {
    // About the weighted means, zero separates from a and b.
    let total: f64 = rows.iter().map(|r| r.weight).sum();
    let mean =
        |of: fn(&Row, usize) -> f64, axis| rows.iter().map(|r| r.weight * of(r, axis)).sum::<f64>() / total;
    let m = [0, 1].map(|axis| mean(|r, axis| r.index[axis], axis));
    let q = [0, 1].map(|axis| mean(|r, axis| r.position[axis], axis));
    let (mut ii, mut ij, mut jj) = (0.0, 0.0, 0.0);
    let (mut iq, mut jq) = ([0.0; 2], [0.0; 2]);
    for r in rows {
        let [i, j] = difference(r.index, m);
        let d = difference(r.position, q);
        ii += r.weight * i * i;
        ij += r.weight * i * j;
        jj += r.weight * j * j;
        for axis in 0..2 {
            iq[axis] += r.weight * i * d[axis];
            jq[axis] += r.weight * j * d[axis];
        }
    }
    let determinant = ii * jj - ij * ij;
    if !(determinant > WELL_CONDITIONED * (ii + jj) * (ii + jj) && determinant.is_finite()) {
        return solve_by_singular_values(rows);
    }
    let p = [[jj / determinant, -ij / determinant], [-ij / determinant, ii / determinant]];
    let a: [f64; 2] = std::array::from_fn(|axis| p[0][0] * iq[axis] + p[0][1] * jq[axis]);
    let b: [f64; 2] = std::array::from_fn(|axis| p[1][0] * iq[axis] + p[1][1] * jq[axis]);
    let zero = std::array::from_fn(|axis| q[axis] - m[0] * a[axis] - m[1] * b[axis]);
    let pm = [dot(p[0], m), dot(p[1], m)];
    let inverse =
        [[1.0 / total + dot(m, pm), -pm[0], -pm[1]], [-pm[0], p[0][0], p[0][1]], [-pm[1], p[1][0], p[1][1]]];
    Solution { lattice: Lattice { zero, a, b }, rank: 3, inverse }
}

/// Far more than a matrix of three columns takes, unless its numbers overflow.
pub(crate) const SVD_ITERATIONS: usize = 1000;

fn solve_by_singular_values(rows: &[Row]) -> Solution {
    let n = rows.len().max(3);
    let row = |k: usize| rows.get(k);
    let design = DMatrix::from_fn(n, 3, |k, c| {
        row(k).map_or(0.0, |r| r.weight.sqrt() * [1.0, r.index[0], r.index[1]][c])
    });
    let target = DMatrix::from_fn(n, 2, |k, axis| row(k).map_or(0.0, |r| r.weight.sqrt() * r.position[axis]));
    let Some(svd) = design.try_svd(true, true, f64::EPSILON, SVD_ITERATIONS) else {
        return Solution { lattice: Lattice::INVALID, rank: 0, inverse: [[f64::NAN; 3]; 3] };
    };
    let threshold = 16.0 * f64::EPSILON * n as f64 * svd.singular_values.max();
    let rank = svd.singular_values.iter().filter(|&&s| s > threshold).count();
    let mut beta = [[0.0; 2]; 3];
    if let Ok(solution) = svd.solve(&target, threshold.max(f64::MIN_POSITIVE)) {
        beta = std::array::from_fn(|c| std::array::from_fn(|axis| solution[(c, axis)]));
    }
    let inverse = match svd.v_t {
        Some(v) if rank == 3 => {
            let s = &svd.singular_values;
            std::array::from_fn(|r| {
                std::array::from_fn(|c| (0..3).map(|k| v[(k, r)] * v[(k, c)] / (s[k] * s[k])).sum())
            })
        }
        _ => [[f64::NAN; 3]; 3],
    };
    Solution { lattice: Lattice { zero: beta[0], a: beta[1], b: beta[2] }, rank, inverse }
}

/// Repeated least squares with weights `e·min(1, c/√e r)`, c = k standard deviations. Leaves the final weights in
/// `rows`; returns c too.
fn solve_huber(rows: &mut [Row], plain: &[f64], k: f64) -> (Solution, f64) {
    let mut solution = solve(rows);
    let mut c = f64::INFINITY;
    if rows.len() <= 3 {
        return (solution, c);
    }
    let mut lengths = vec![0.0; rows.len()];
    for iteration in 0..100 {
        if solution.rank < 3 {
            break;
        }
        for ((length, r), e) in lengths.iter_mut().zip(&*rows).zip(plain) {
            *length = e.sqrt() * super::length(r.residual(&solution.lattice));
        }
        // The scale is held in the end, so that the weights settle.
        if iteration < 20 {
            c = k * rayleigh_scale(&lengths);
        }
        for ((r, e), length) in rows.iter_mut().zip(plain).zip(&lengths) {
            r.weight = if *length <= c { *e } else { e * c / length };
        }
        // A majority that fits exactly leaves the others no weight at all.
        let kept: Vec<Row> = rows.iter().filter(|r| r.weight > 0.0).copied().collect();
        let next = solve(&kept);
        if next.rank < 3 {
            break;
        }
        let change = (0..2)
            .flat_map(|x| {
                let (old, new) = (&solution.lattice, &next.lattice);
                [old.zero[x] - new.zero[x], old.a[x] - new.a[x], old.b[x] - new.b[x]]
            })
            .fold(0.0_f64, |m, d| m.max(d.abs()));
        solution = next;
        if iteration >= 20 && change < 1e-12 * (1.0 + super::length(solution.lattice.zero)) {
            break;
        }
    }
    (solution, c)
}

/// Standard deviation per axis from the median of lengths: `median / √(2 ln 2)`, six of the 2n numbers spent on the
/// fit.
pub(crate) fn rayleigh_scale(lengths: &[f64]) -> f64 {
    let n = lengths.len();
    if n <= 3 {
        return f64::NAN;
    }
    median(lengths.iter().copied()) / (2.0 * std::f64::consts::LN_2).sqrt()
        * (n as f64 / (n as f64 - 3.0)).sqrt()
}

const NO_COVARIANCE: ([[f64; 6]; 6], CovarianceSource) = ([[f64::NAN; 6]; 6], CovarianceSource::None);

fn covariance(
    rows: &[Row],
    plain: &[f64],
    covariances: &[[[f64; 2]; 2]],
    solution: &Solution,
    c: f64,
) -> ([[f64; 6]; 6], CovarianceSource) {
    if solution.rank < 3 {
        return NO_COVARIANCE;
    }
    let g = &solution.inverse;
    if covariances.iter().flatten().flatten().all(|v| v.is_finite()) {
        let mut sum = [[0.0; 6]; 6];
        for (r, own) in rows.iter().zip(covariances) {
            let x = [1.0, r.index[0], r.index[1]];
            let h: [f64; 3] = std::array::from_fn(|p| r.weight * (0..3).map(|s| g[p][s] * x[s]).sum::<f64>());
            for (p, q) in pairs(6) {
                sum[p][q] += h[p / 2] * h[q / 2] * own[p % 2][q % 2];
            }
        }
        return (sum, CovarianceSource::Points);
    }
    let n = rows.len();
    if n <= 3 {
        return NO_COVARIANCE;
    }
    // ψ = √e r where the loss is square, shortened to c beyond; slope: the mean of its derivative over directions.
    let (mut scatter, mut slope) = ([[0.0; 2]; 2], 0.0);
    for (r, &e) in rows.iter().zip(plain) {
        let residual = r.residual(&solution.lattice);
        let length = e.sqrt() * super::length(residual);
        let shortened = if length <= c { 1.0 } else { c / length };
        slope += if length <= c { 1.0 } else { 0.5 * shortened } / n as f64;
        for (p, q) in pairs(2) {
            scatter[p][q] += e * shortened * shortened * residual[p] * residual[q] / (n - 3) as f64;
        }
    }
    let plain_rows = rows.iter().zip(plain).map(|(r, &weight)| Row { weight, ..*r });
    // (XᵀEX)⁻¹ of the plain weights; the same as `g` where the loss is square.
    let g = if c.is_finite() { solve(&plain_rows.collect::<Vec<_>>()).inverse } else { *g };
    let mut sum = [[0.0; 6]; 6];
    for (p, q) in pairs(6) {
        sum[p][q] = g[p / 2][q / 2] * scatter[p % 2][q % 2] / (slope * slope);
    }
    (sum, CovarianceSource::Residuals)
}

fn pairs(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).flat_map(move |p| (0..n).map(move |q| (p, q)))
}

fn reduced_chi2(rows: &[Row], covariances: &[[[f64; 2]; 2]], solution: &Solution) -> f64 {
    let freedom = 2.0 * rows.len() as f64 - 6.0;
    if solution.rank < 3 || freedom <= 0.0 {
        return f64::NAN;
    }
    let mut chi2 = 0.0;
    for (r, &own) in rows.iter().zip(covariances) {
        let Some(inverse) = nonius_core::invert_symmetric(own) else {
            return f64::NAN;
        };
        let residual = r.residual(&solution.lattice);
        chi2 += dot(residual, [dot(inverse[0], residual), dot(inverse[1], residual)]);
    }
    chi2 / freedom
}
