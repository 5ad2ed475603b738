//! A lattice fitted to those of many points that belong to it.

use nonius_core::{Error, Result, check_shape};
use serde::{Deserialize, Serialize};

use super::assign::check_tolerance;
use super::fit::fit_pairs;
use super::reduce::UnimodularBasis;
use super::{
    CovarianceSource, DistanceRule, Lattice, LatticeFit, LatticePoint, Loss, difference, is_within, length,
};

/// Parameters of [`fast_match`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct MatchParams {
    /// How far from its place a point may lie, px; above 0. Default: 3.
    pub tolerance: f64,
    /// Points of less weight are left out. Default: 0.1.
    pub min_weight: f64,
    /// Fewer points than this make no match; at least 1, though below 3 no lattice is fixed. Default: 3.
    pub min_match: usize,
    /// How the distance is judged. Default: index-scaled.
    pub distance: DistanceRule,
    /// What the fit minimises. Default: the square.
    pub loss: Loss,
}

impl Default for MatchParams {
    fn default() -> Self {
        MatchParams {
            tolerance: 3.0,
            min_weight: 0.1,
            min_match: 3,
            distance: DistanceRule::IndexScaled,
            loss: Loss::Square,
        }
    }
}

impl MatchParams {
    /// [`Error::Parameter`] for the first field that is out of range.
    pub fn validate(&self) -> Result<()> {
        check_tolerance(self.tolerance)?;
        if self.min_weight.is_nan() {
            return Err(Error::parameter("min_weight", "a number", self.min_weight));
        }
        if self.min_match < 1 {
            return Err(Error::parameter("min_match", "at least 1", self.min_match));
        }
        self.loss.validate()
    }
}

/// What came of matching a lattice to points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum MatchStatus {
    /// A lattice.
    Matched,
    /// Fewer points than asked lie near the lattice.
    TooFewPoints,
    /// The points lie on one line, or coincide: they fix no lattice.
    RankDeficient,
    /// The start is not finite, or its vectors are parallel.
    BadStart,
}

/// A lattice and the points that belong to it.
#[derive(Debug, Clone, PartialEq)]
pub struct LatticeMatch {
    /// The lattice; NaN unless the status is [`MatchStatus::Matched`].
    pub lattice: Lattice,
    /// Whether the lattice may be believed.
    pub status: MatchStatus,
    /// How many of zero, a, b the selected points fix: 3 for a match.
    pub rank: usize,
    /// Whether each point that was given belongs; none does if there is no match.
    pub selector: Vec<bool>,
    /// Indices `(i, j)` of the points that belong, in the order of the points.
    pub indices: Vec<[f64; 2]>,
    /// Where the lattice has those points, `zero + i a + j b`, px.
    pub calculated: Vec<[f64; 2]>,
    /// `Σ e |q − calculated| / Σ e` over the points that belong, px; infinite if none.
    pub error: f64,
    /// Covariance of `(zero_y, zero_x, a_y, a_x, b_y, b_x)`, px²; NaN where there is none.
    pub covariance: [[f64; 6]; 6],
    /// Where the covariance comes from.
    pub covariance_source: CovarianceSource,
    /// As [`LatticeFit::reduced_chi2`].
    pub reduced_chi2: f64,
}

impl LatticeMatch {
    /// No match among `n` points.
    pub(crate) fn invalid(n: usize, status: MatchStatus, rank: usize) -> Self {
        LatticeMatch {
            lattice: Lattice::INVALID,
            status,
            rank,
            selector: vec![false; n],
            indices: vec![],
            calculated: vec![],
            error: f64::INFINITY,
            covariance: [[f64::NAN; 6]; 6],
            covariance_source: CovarianceSource::None,
            reduced_chi2: f64::NAN,
        }
    }

    /// The match of a fit to those of `points` that have an index.
    pub(crate) fn of_fit(points: &[LatticePoint], assigned: &[Option<[f64; 2]>], fit: &LatticeFit) -> Self {
        if fit.rank < 3 {
            return LatticeMatch::invalid(points.len(), MatchStatus::RankDeficient, fit.rank);
        }
        let lattice = fit.lattice;
        let indices: Vec<[f64; 2]> = assigned.iter().flatten().copied().collect();
        let (mut deviation, mut total) = (0.0, 0.0);
        for (point, index) in points.iter().zip(assigned) {
            if let Some(index) = *index {
                deviation += point.weight * length(difference(point.position, lattice.position(index)));
                total += point.weight;
            }
        }
        LatticeMatch {
            lattice,
            status: MatchStatus::Matched,
            rank: 3,
            selector: assigned.iter().map(Option::is_some).collect(),
            calculated: indices.iter().map(|&index| lattice.position(index)).collect(),
            indices,
            error: deviation / total,
            covariance: fit.covariance,
            covariance_source: fit.covariance_source,
            reduced_chi2: fit.reduced_chi2,
        }
    }

    /// Whether there is a lattice.
    pub fn is_valid(&self) -> bool {
        self.status == MatchStatus::Matched
    }

    /// Number of points that belong.
    pub fn n_points(&self) -> usize {
        self.indices.len()
    }

    /// Standard errors of zero, a, b, each `(y, x)`, px; NaN where there is no covariance.
    pub fn standard_errors(&self) -> Lattice {
        let error = |k: usize| [self.covariance[k][k].sqrt(), self.covariance[k + 1][k + 1].sqrt()];
        Lattice { zero: error(0), a: error(2), b: error(4) }
    }

    /// The same match with index (0, 0) where `index` was: indices shift the other way, positions stay.
    pub fn with_zero_at(&self, index: [f64; 2]) -> Self {
        let change = [[1.0, index[0], index[1]], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        LatticeMatch {
            lattice: self.lattice.with_zero_at(index),
            indices: self.indices.iter().map(|&i| difference(i, index)).collect(),
            covariance: transformed(&self.covariance, change),
            ..self.clone()
        }
    }

    /// The same match with other vectors of the same lattice: indices change, positions stay.
    pub fn in_basis(&self, basis: UnimodularBasis) -> Self {
        let [[ma, mb], [na, nb]] = basis.rows().map(|row| row.map(f64::from));
        LatticeMatch {
            lattice: basis.of(&self.lattice),
            indices: self.indices.iter().map(|&i| basis.indices(i)).collect(),
            covariance: transformed(&self.covariance, [[1.0, 0.0, 0.0], [0.0, ma, mb], [0.0, na, nb]]),
            ..self.clone()
        }
    }

    /// The same match with the vectors of the [reduced](Lattice::reduced_basis) cell; unchanged if there is no
    /// lattice.
    pub fn reduced(&self) -> Self {
        self.lattice.reduced_basis().map_or_else(|| self.clone(), |basis| self.in_basis(basis))
    }

    /// Positions of `indices` (None: of the points that belong), px. `drop_zero` leaves index (0, 0) out, `within`
    /// all that lie outside a frame of a shape or nearer than a margin (px) to its edges.
    pub fn positions(
        &self,
        indices: Option<&[[f64; 2]]>,
        drop_zero: bool,
        within: Option<((usize, usize), f64)>,
    ) -> Vec<[f64; 2]> {
        let indices = indices.unwrap_or(&self.indices).iter();
        indices
            .filter(|&&index| !(drop_zero && index == [0.0, 0.0]))
            .map(|&index| self.lattice.position(index))
            .filter(|&p| within.is_none_or(|(shape, margin)| is_within(p, shape, margin)))
            .collect()
    }
}

/// Covariance of `(zero, a, b)` times a matrix, axis by axis.
fn transformed(covariance: &[[f64; 6]; 6], change: [[f64; 3]; 3]) -> [[f64; 6]; 6] {
    let mut half = [[0.0; 6]; 6];
    let mut full = [[0.0; 6]; 6];
    for p in 0..6 {
        for q in 0..6 {
            half[p][q] = (0..3).map(|s| change[p / 2][s] * covariance[2 * s + p % 2][q]).sum();
        }
    }
    for p in 0..6 {
        for q in 0..6 {
            full[p][q] = (0..3).map(|s| half[p][2 * s + q % 2] * change[q / 2][s]).sum();
        }
    }
    full
}

/// Refines a lattice of which a start is known: assign, fit, assign all points again, fit again.
///
/// Points of a weight below `min_weight`, of a weight that is not finite and above 0, or of a position that is not
/// finite are left out. Each assignment must find `min_match` points.
///
/// ```
/// use nonius_blobfinder::{Lattice, LatticePoint, MatchParams, fast_match, index_grid};
///
/// let truth = Lattice { zero: [64.3, 63.2], a: [16.4, 2.2], b: [-1.3, 17.6] };
/// let grid = index_grid(-2..=2, -2..=2).into_iter();
/// let mut points: Vec<_> = grid.map(|i| LatticePoint::new(truth.position(i.map(f64::from)))).collect();
/// points.push(LatticePoint::new([70.0, 71.0])); // between the places
/// let start = Lattice { zero: [64.0, 64.0], a: [16.0, 2.0], b: [-1.0, 17.0] };
/// let found = fast_match(&points, &start, &MatchParams::default())?;
/// assert!(found.is_valid() && found.n_points() == 25 && !found.selector[25]);
/// assert!((found.lattice.b[1] - 17.6).abs() < 1e-9);
/// # Ok::<(), nonius_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Parameter`] as [`MatchParams::validate`]. A start that leads nowhere is no error but a status.
pub fn fast_match(points: &[LatticePoint], start: &Lattice, params: &MatchParams) -> Result<LatticeMatch> {
    params.validate()?;
    let mut lattice = *start;
    let mut found = LatticeMatch::invalid(points.len(), MatchStatus::BadStart, 0);
    let mut assigned: Vec<Option<[f64; 2]>> = vec![None; points.len()];
    for _ in 0..2 {
        let Some(inverse) = lattice.try_inverse() else {
            return Ok(LatticeMatch::invalid(points.len(), MatchStatus::BadStart, 0));
        };
        for (index, point) in assigned.iter_mut().zip(points) {
            *index = None;
            if point.is_usable() && point.weight >= params.min_weight {
                let (distance, nearest) = params.distance.judge(&lattice, inverse.indices(point.position));
                *index = (distance < params.tolerance).then_some(nearest);
            }
        }
        if assigned.iter().flatten().count() < params.min_match {
            return Ok(LatticeMatch::invalid(points.len(), MatchStatus::TooFewPoints, 0));
        }
        let pairs = points.iter().zip(&assigned).filter_map(|(point, index)| Some((point, (*index)?)));
        let fit = fit_pairs(pairs, params.loss);
        found = LatticeMatch::of_fit(points, &assigned, &fit);
        if !found.is_valid() {
            return Ok(found);
        }
        lattice = fit.lattice;
    }
    Ok(found)
}

/// Fits a lattice to points whose indices are given; all take part, however far they lie.
///
/// Indices may be fractional: offsets in px with the virtual vectors (1, 0) and (0, 1) give the distortion of the
/// frame as rows a, b. Points without finite position, index and weight above 0 are left out.
///
/// # Errors
/// [`Error::Shape`] if there is not one index per point; [`Error::Parameter`] for a `k` of the loss out of range.
pub fn affine_match(points: &[LatticePoint], indices: &[[f64; 2]], loss: Loss) -> Result<LatticeMatch> {
    check_shape("indices", &[points.len()], &[indices.len()])?;
    loss.validate()?;
    let is_finite = |index: &[f64; 2]| index.iter().all(|i| i.is_finite());
    let assigned: Vec<Option<[f64; 2]>> = points
        .iter()
        .zip(indices)
        .map(|(point, index)| (point.is_usable() && is_finite(index)).then_some(*index))
        .collect();
    let pairs = points.iter().zip(&assigned).filter_map(|(point, index)| Some((point, (*index)?)));
    let fit = fit_pairs(pairs, loss);
    if fit.n_points < 3 {
        return Ok(LatticeMatch::invalid(points.len(), MatchStatus::TooFewPoints, fit.rank));
    }
    Ok(LatticeMatch::of_fit(points, &assigned, &fit))
}
