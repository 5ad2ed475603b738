//! Lattices among points of which nothing is known.

mod candidates;
mod neighbors;
mod score;
mod zero;

pub use zero::ZeroRule;

use nonius_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::fit::{fit_pairs, rayleigh_scale};
use super::{Lattice, LatticeMatch, LatticePoint, Loss, difference, length};
use candidates::Candidates;
use neighbors::neighboring_cells;
use score::{Scored, Scorer};

/// Parameters of [`search_lattices`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LatticeSearchParams {
    /// How far from its place a point may lie at most, px, Euclidean; above 0. How far points do lie is estimated;
    /// this is only the limit, so it need not be tight. Default: 3.
    pub tolerance: f64,
    /// Points of less weight take no part. Default: 0.1.
    pub min_weight: f64,
    /// Fewer points than this make no lattice; at least 3. Default: 4.
    pub min_match: usize,
    /// The least length of the shorter vector of the reduced cell, px; at least 0. Default: 0.
    pub min_length: f64,
    /// The greatest length of both vectors of the reduced cell, px. None (default): any.
    pub max_length: Option<f64>,
    /// Lattices are reported of which points strewn at random would make fewer than this, per search; above 0.
    /// Default: 0.01. Infinite: the best lattice whatever it is worth, then the best of the rest, and so on.
    pub max_accidental: f64,
    /// The greatest number of lattices. Default: 8.
    pub max_lattices: usize,
    /// Vectors `(y, x)` that are tried in addition to those that are guessed, px. Default: none.
    pub candidates: Vec<[f64; 2]>,
    /// How many guessed vectors are combined in pairs; at least 2. Default: 12.
    pub max_candidates: usize,
    /// Which point of a lattice has index (0, 0). Default: that nearest to the first point.
    pub zero: ZeroRule,
    /// What the final fit minimises. Default: the square.
    pub loss: Loss,
}

impl Default for LatticeSearchParams {
    fn default() -> Self {
        LatticeSearchParams {
            tolerance: 3.0,
            min_weight: 0.1,
            min_match: 4,
            min_length: 0.0,
            max_length: None,
            max_accidental: 0.01,
            max_lattices: 8,
            candidates: vec![],
            max_candidates: 12,
            zero: ZeroRule::First,
            loss: Loss::Square,
        }
    }
}

impl LatticeSearchParams {
    /// [`Error::Parameter`] for the first field that is out of range.
    pub fn validate(&self) -> Result<()> {
        super::assign::check_tolerance(self.tolerance)?;
        if !self.tolerance.is_finite() {
            return Err(Error::parameter("tolerance", "finite", self.tolerance));
        }
        if self.min_weight.is_nan() {
            return Err(Error::parameter("min_weight", "a number", self.min_weight));
        }
        if self.min_match < 3 {
            return Err(Error::parameter("min_match", "at least 3", self.min_match));
        }
        if !(self.min_length >= 0.0 && self.max_length.is_none_or(|m| m >= self.min_length)) {
            let got = format!("{} to {:?}", self.min_length, self.max_length);
            return Err(Error::parameter("min_length, max_length", "0 ≤ min_length ≤ max_length", got));
        }
        if self.max_accidental.is_nan() || self.max_accidental <= 0.0 {
            return Err(Error::parameter("max_accidental", "above 0", self.max_accidental));
        }
        if self.max_candidates < 2 {
            return Err(Error::parameter("max_candidates", "at least 2", self.max_candidates));
        }
        if !self.candidates.iter().flatten().all(|v| v.is_finite()) {
            return Err(Error::parameter("candidates", "finite", format!("{:?}", self.candidates)));
        }
        self.zero.validate()?;
        self.loss.validate()
    }

    fn allows(&self, reduced: &Lattice) -> bool {
        length(reduced.a) >= self.min_length && self.max_length.is_none_or(|m| length(reduced.b) <= m)
    }
}

/// A lattice that [`search_lattices`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundLattice {
    /// The lattice, reduced, with its points.
    pub matched: LatticeMatch,
    /// Decimal logarithm of how many lattices as good as this points strewn at random would make in one search: −2
    /// says one in a hundred searches.
    pub log10_accidental: f64,
    /// Standard deviation of the points about the lattice per axis, px.
    pub noise: f64,
}

/// What [`search_lattices`] found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LatticeSearch {
    /// Lattices, the most significant of each round first.
    pub lattices: Vec<FoundLattice>,
    /// Whether each point took part and belongs to no lattice.
    pub unmatched: Vec<bool>,
    /// Whether each point was left out: too little weight, or not finite.
    pub weak: Vec<bool>,
}

/// Looks for lattices among points, several if there are, without a start.
///
/// 1. *Candidates.* Vectors between points crowd where the lattice has its short vectors; the densest places, found
///    in the plane of `(y, x)` with one metric in px, are combined in pairs.
/// 2. *Fit.* The pairs whose lattices gather most points for their size are fitted, from a point that shares many such
///    vectors outward.
/// 3. *Judgement.* How many lattices as good as this would n points strewn at random make? If k of them lie near
///    places of a cell of area A, with a residual sum of squares R² after the fit, about
///
///    ```text
///    NFA = (n − 3) · C(n, k) · V(R)/A^(k−3) · c det XᵀX,    V = (π R²)^(k−3)/(k − 3)!
///    ```
///
///    V is the volume of the ball of 2(k − 3) dimensions in which the residuals lie: three points fix a lattice, the
///    others confirm it. `det XᵀX`, with rows `(1, i, j)` of X, counts the lattices that can be told apart;
///    `c = 5.25` those of similar area and any shape. k is chosen per lattice where the number is least, so that the
///    tolerance decides nothing. A standard deviation below 0.05 px counts as that; where all positions are whole
///    numbers, below √(1/12). Of several lattices that one wins whose `NFA·C(M, k)·k!/M^k` is least, M being the
///    places between its points: between a cell and a finer one through the same points, this and the smaller A
///    decide. Cells of two and three times the area, and of a half and a third of it, are tried in any case. Numbers
///    of false alarms as a criterion, with thresholds that adapt: L. Moisan and B. Stival, *A probabilistic criterion
///    to detect rigid point matches between two images and estimate the fundamental matrix*, Int. J. Computer Vision
///    57, 201 (2004).
/// 4. Points within `max(r, 3.5 σ)` belong, σ being estimated from them; the weighted fit follows, then the reduction
///    of the cell and the choice of the zero. The next round starts with the points that are left and the zero point,
///    which lattices of one frame may share.
///
/// Only one point counts per lattice place; others within the tolerance of it belong to no lattice. The result does
/// not depend on the order of the points but for [`ZeroRule::First`].
///
/// What it cannot do: tell two superposed lattices from a finer one that happens to run through both; of random cells
/// of 12 to 25 px, noise 0.3 px, that is one pair in a hundred.
///
/// ```
/// use nonius_blobfinder::{Lattice, LatticePoint, LatticeSearchParams, index_grid, search_lattices};
///
/// let truth = Lattice { zero: [64.3, 63.2], a: [16.4, 2.2], b: [-1.3, 17.6] };
/// let grid = index_grid(-2..=2, -2..=2).into_iter();
/// let points: Vec<_> = grid.map(|i| LatticePoint::new(truth.position(i.map(f64::from)))).collect();
/// let found = search_lattices(&points, &LatticeSearchParams::default())?;
/// assert_eq!(found.lattices.len(), 1);
/// assert!(found.lattices[0].matched.lattice.is_equivalent(&truth, 1e-6));
/// # Ok::<(), nonius_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Parameter`] as [`LatticeSearchParams::validate`]. No point, too few, points on one line or all at one
/// place: an empty result.
pub fn search_lattices(points: &[LatticePoint], params: &LatticeSearchParams) -> Result<LatticeSearch> {
    params.validate()?;
    let strong = |p: &LatticePoint| p.is_usable() && p.weight >= params.min_weight;
    let weak: Vec<bool> = points.iter().map(|p| !strong(p)).collect();
    // In an order of their own.
    let mut order: Vec<usize> = (0..points.len()).filter(|&k| !weak[k]).collect();
    order.sort_by(|&k, &l| {
        let key = |k: usize| [points[k].position[0], points[k].position[1], points[k].weight];
        key(k).iter().zip(&key(l)).map(|(u, v)| u.total_cmp(v)).find(|o| o.is_ne()).unwrap_or(k.cmp(&l))
    });
    let mut found =
        LatticeSearch { lattices: vec![], unmatched: weak.iter().map(|weak| !weak).collect(), weak };
    let mut left = order;
    while found.lattices.len() < params.max_lattices && left.len() >= params.min_match.max(3) {
        let positions: Vec<[f64; 2]> = left.iter().map(|&k| points[k].position).collect();
        let Some(best) = best_lattice(&positions, params) else { break };
        if best.log10_accidental > params.max_accidental.log10() {
            break;
        }
        let Some((lattice, zero, places)) = finished(points, &left, &best, params) else { break };
        for (&k, place) in left.iter().zip(&places) {
            if *place == Place::Member {
                found.unmatched[k] = false;
            }
        }
        let before = left.len();
        let kept = left.iter().zip(&places).filter(|(_, place)| **place == Place::Elsewhere);
        left = kept.map(|(&k, _)| k).collect();
        found.lattices.push(lattice);
        if left.len() == before {
            break;
        }
        if let Some(zero) = zero {
            let at = left.partition_point(|&k| key_precedes(points, k, zero));
            left.insert(at, zero);
        }
    }
    Ok(found)
}

fn key_precedes(points: &[LatticePoint], k: usize, l: usize) -> bool {
    let key = |k: usize| [points[k].position[0], points[k].position[1], points[k].weight];
    key(k).iter().zip(&key(l)).map(|(u, v)| u.total_cmp(v)).find(|o| o.is_ne()).unwrap_or(k.cmp(&l)).is_lt()
}

/// What a point is to a lattice.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// It belongs.
    Member,
    /// It stands beside a member, within the tolerance of the same place.
    Double,
    /// Neither.
    Elsewhere,
}

/// So many of the cells that two candidates make, the most promising ones, are fitted.
const FITTED: usize = 8;

/// The least accidental lattice of the points `(y, x)`, whether significant or not.
fn best_lattice(positions: &[[f64; 2]], params: &LatticeSearchParams) -> Option<Scored> {
    let mut scorer = Scorer::new(positions, params);
    let cells = Candidates::new(positions, params).cells(positions, params);
    let mut starts: Vec<(Lattice, f64)> =
        cells.iter().map(|(cell, zeros)| scorer.best_zero(cell, zeros)).collect();
    starts.sort_by(|(_, p), (_, q)| q.total_cmp(p));
    let mut best: Option<Scored> = None;
    for (start, _) in starts.iter().take(FITTED) {
        best = better(best, scorer.score(start));
    }
    // The cell may be a multiple or a fraction of one that explains more.
    loop {
        let current = best?;
        let mut improved = None;
        for start in neighboring_cells(&current.lattice) {
            improved = better(improved, scorer.score_of(&start));
        }
        match improved {
            Some(next) if next.merit < current.merit - 1e-6 => best = Some(scorer.refined(next)),
            _ => return Some(current),
        }
    }
}

fn better(best: Option<Scored>, next: Option<Scored>) -> Option<Scored> {
    match (best, next) {
        (Some(best), Some(next)) if next.merit < best.merit => Some(next),
        (None, next) => next,
        (best, _) => best,
    }
}

/// The final lattice of those of the points `left` that belong, its zero point, and what each of `left` is to it.
fn finished(
    points: &[LatticePoint],
    left: &[usize],
    best: &Scored,
    params: &LatticeSearchParams,
) -> Option<(FoundLattice, Option<usize>, Vec<Place>)> {
    let reduced = best.lattice.reduced().ok()?;
    let mut lattice = reduced;
    // The farthest point that counts lies on the edge: rounding must not push it out.
    let least = best.radius * (1.0 + 1e-9) + 1e-9;
    let mut radius = least;
    let mut nearest: Vec<([f64; 2], f64)>;
    let mut places = vec![Place::Elsewhere; left.len()];
    let mut assigned = vec![None; points.len()];
    let mut fit = None;
    let mut noise = f64::NAN;
    for _ in 0..3 {
        let inverse = lattice.try_inverse()?;
        nearest = left.iter().map(|&k| nearest_place(&lattice, &inverse, points[k].position)).collect();
        mark(&mut places, &nearest, radius, params.tolerance.min(0.35 * length(lattice.a)));
        assigned.fill(None);
        for ((&k, place), (index, _)) in left.iter().zip(&places).zip(&nearest) {
            if *place == Place::Member {
                assigned[k] = Some(*index);
            }
        }
        let pairs = left.iter().filter_map(|&k| Some((&points[k], assigned[k]?)));
        let next = fit_pairs(pairs, params.loss);
        if next.rank < 3 {
            break;
        }
        lattice = next.lattice;
        let inside: Vec<f64> = left
            .iter()
            .filter_map(|&k| Some(length(difference(points[k].position, lattice.position(assigned[k]?)))))
            .collect();
        noise = standard_deviation(&inside);
        let robust = rayleigh_scale(&inside);
        let sigma = if robust.is_nan() { noise } else { noise.min(1.5 * robust) };
        radius = if sigma.is_nan() { least } else { least.max(3.5 * sigma).min(params.tolerance) };
        fit = Some(next);
    }
    let matched = LatticeMatch::of_fit(points, &assigned, &fit?).reduced();
    let zero = params.zero.index(&matched, points);
    let matched = matched.with_zero_at(zero);
    let members = matched.selector.iter().enumerate().filter(|(_, s)| **s).map(|(k, _)| k);
    let at_zero = members.zip(&matched.indices).find(|(_, index)| **index == [0.0, 0.0]).map(|(k, _)| k);
    let found = FoundLattice { matched, log10_accidental: best.log10_accidental, noise };
    Some((found, at_zero, places))
}

/// The nearest index and the distance from it, px.
fn nearest_place(lattice: &Lattice, inverse: &super::Inverse, point: [f64; 2]) -> ([f64; 2], f64) {
    // No −0.
    let index = inverse.indices(point).map(|i| i.round_ties_even() + 0.0);
    (index, length(difference(point, lattice.position(index))))
}

/// The nearest point within `radius` of each lattice place belongs; others within `beside` of an occupied place are
/// doubles.
fn mark(places: &mut [Place], nearest: &[([f64; 2], f64)], radius: f64, beside: f64) {
    let mut order: Vec<usize> = (0..places.len()).collect();
    let key = |k: usize| (nearest[k].0[0], nearest[k].0[1], nearest[k].1);
    order.sort_by(|&k, &l| {
        let ((i, j, d), (m, n, e)) = (key(k), key(l));
        i.total_cmp(&m).then(j.total_cmp(&n)).then(d.total_cmp(&e)).then(k.cmp(&l))
    });
    let mut occupied = None;
    for k in order {
        let (index, distance) = nearest[k];
        places[k] = if occupied == Some(index) {
            if distance <= beside { Place::Double } else { Place::Elsewhere }
        } else if distance <= radius {
            occupied = Some(index);
            Place::Member
        } else {
            Place::Elsewhere
        };
    }
}

/// Per axis, six of the 2n numbers spent on the lattice; NaN for three points.
fn standard_deviation(lengths: &[f64]) -> f64 {
    let freedom = 2.0 * (lengths.len() as f64 - 3.0);
    if freedom > 0.0 { (lengths.iter().map(|r| r * r).sum::<f64>() / freedom).sqrt() } else { f64::NAN }
}
