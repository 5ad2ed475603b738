//! The lattice search of the Python package libertem-blobfinder, to compare with old results.
//!
//! It clusters difference vectors in polar coordinates, takes the first point for the zero of all lattices, and knows
//! no significance: where points are left over, it reports lattices of very short vectors among them. Use
//! [`search_lattices`](crate::search_lattices) for new work.

use std::f64::consts::PI;

use ndarray::Array2;
use nonius_core::{Error, HdbscanClusters, HdbscanParams, NoProgress, Result, check_shape, hdbscan};
use serde::{Deserialize, Serialize};

use super::fit::fit_pairs;
use super::{
    DistanceRule, Lattice, LatticeMatch, LatticePoint, Loss, MatchParams, cartesian, cross, difference, dot,
    polar,
};

/// Parameters of [`full_match`]; the defaults are those of the package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct FullMatchParams {
    /// How far from its place a point may lie, px; also how wide a cluster of vectors may be.
    pub tolerance: f64,
    /// Points of less weight are weak and take no part.
    pub min_weight: f64,
    /// Fewer points than this make no lattice; at least 2.
    pub min_match: usize,
    /// The least angle between a and b, radians.
    pub min_angle: f64,
    /// With no more points than this, all difference vectors are candidates.
    pub min_points: usize,
    /// The least length of a and b, px.
    pub min_delta: f64,
    /// The greatest length of a and b, px. None: any.
    pub max_delta: Option<f64>,
    /// With fewer clusters than this, all difference vectors are candidates.
    pub min_candidates: usize,
    /// How many clusters, shortest first, are candidates.
    pub max_candidates: usize,
    /// A cluster has at least one vector per this many points; at least 1.
    pub min_cluster_size_fraction: usize,
    /// The density of vectors is that of one neighbour per this many points; at least 1.
    pub min_samples_fraction: usize,
}

impl Default for FullMatchParams {
    fn default() -> Self {
        FullMatchParams {
            tolerance: 3.0,
            min_weight: 0.1,
            min_match: 3,
            min_angle: PI / 10.0,
            min_points: 10,
            min_delta: 0.0,
            max_delta: None,
            min_candidates: 3,
            max_candidates: 7,
            min_cluster_size_fraction: 4,
            min_samples_fraction: 20,
        }
    }
}

impl FullMatchParams {
    /// [`Error::Parameter`] for the first field that is out of range.
    pub fn validate(&self) -> Result<()> {
        let matching =
            MatchParams { tolerance: self.tolerance, min_weight: self.min_weight, ..Default::default() };
        matching.validate()?;
        // With 1 a lattice could take nothing but the zero point, again and again.
        if self.min_match < 2 {
            return Err(Error::parameter("min_match", "at least 2", self.min_match));
        }
        if !(0.0..PI / 2.0).contains(&self.min_angle) {
            return Err(Error::parameter("min_angle", "at least 0 and below π/2", self.min_angle));
        }
        if !(self.min_delta >= 0.0 && self.max_delta.is_none_or(|m| m >= self.min_delta)) {
            let got = format!("{} to {:?}", self.min_delta, self.max_delta);
            return Err(Error::parameter("min_delta, max_delta", "0 ≤ min_delta ≤ max_delta", got));
        }
        for (name, value) in [
            ("min_cluster_size_fraction", self.min_cluster_size_fraction),
            ("min_samples_fraction", self.min_samples_fraction),
        ] {
            if value < 1 {
                return Err(Error::parameter(name, "at least 1", value));
            }
        }
        Ok(())
    }

    fn allows_length(&self, length: f64) -> bool {
        length >= self.min_delta && self.max_delta.is_none_or(|m| length <= m)
    }
}

/// What [`full_match`] found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FullMatch {
    /// Lattices, in the order of their discovery.
    pub matches: Vec<LatticeMatch>,
    /// Whether each point belongs to none.
    pub unmatched: Vec<bool>,
    /// Whether each point has less than the least weight, or is not finite.
    pub weak: Vec<bool>,
}

/// Clusters of difference vectors: [`difference_clusters`].
#[derive(Debug, Clone, PartialEq)]
pub struct DifferenceClusters {
    /// Differences `(r, φ)`, px and radians, between all pairs of points, the later along x less the earlier.
    pub vectors: Vec<[f64; 2]>,
    /// Their clusters; None if there are too few points or vectors to look for any.
    pub clusters: Option<HdbscanClusters>,
    /// Candidates `(r, φ)` for lattice vectors, shortest first.
    pub candidates: Vec<[f64; 2]>,
}

/// Looks for lattices as libertem-blobfinder 0.6.1 does.
///
/// `zero` is shared by all lattices; None: `centers` of the first point, or its position. `centers`: whole-numbered
/// positions, by which the zero point is known, too. `candidates`: vectors `(y, x)`, tried before those that are
/// guessed.
///
/// # Errors
/// [`Error::Parameter`] as [`FullMatchParams::validate`]; [`Error::Shape`] if there is not one centre per point. No
/// point is no error, nor is there one where the package raises for want of vectors: the result is empty.
pub fn full_match(
    points: &[LatticePoint],
    centers: Option<&[[f64; 2]]>,
    zero: Option<[f64; 2]>,
    candidates: &[[f64; 2]],
    params: &FullMatchParams,
) -> Result<FullMatch> {
    params.validate()?;
    if let Some(centers) = centers {
        check_shape("centers", &[points.len()], &[centers.len()])?;
    }
    let center = |k: usize| centers.map_or(points[k].position, |c| c[k]);
    let strong = |p: &LatticePoint| p.is_usable() && p.weight >= params.min_weight;
    let weak: Vec<bool> = points.iter().map(|p| !strong(p)).collect();
    let mut working: Vec<bool> = weak.iter().map(|weak| !weak).collect();
    let mut found = FullMatch { matches: vec![], unmatched: working.clone(), weak };
    if points.is_empty() {
        return Ok(found);
    }
    let zero = zero.unwrap_or_else(|| center(0));
    let agrees = |p: [f64; 2]| (0..2).all(|x| (p[x] - zero[x]).abs() <= 1e-8 + 1e-5 * zero[x].abs());
    let is_zero: Vec<bool> =
        (0..points.len()).map(|k| agrees(center(k)) || agrees(points[k].position)).collect();
    let mut guessing = candidates.is_empty();
    loop {
        let vectors = if guessing {
            let positions: Vec<_> =
                points.iter().zip(&working).filter(|(_, w)| **w).map(|(p, _)| p.position).collect();
            difference_clusters(&positions, params)?.candidates
        } else {
            let given = candidates.iter().map(|&c| polar(c));
            given.filter(|c| params.allows_length(c[0])).collect()
        };
        match best_match(points, &working, zero, &vectors, params) {
            None if guessing => break,
            None => guessing = true,
            Some(best) => {
                let taken = |k: usize| best.selector[k] && working[k] && !is_zero[k];
                let any = (0..points.len()).any(taken);
                for (w, selected) in working.iter_mut().zip(&best.selector) {
                    *w &= !selected;
                }
                found.matches.push(best);
                if !any || working.iter().filter(|w| **w).count() < params.min_match {
                    break;
                }
                for k in 0..points.len() {
                    working[k] |= is_zero[k] && !found.weak[k];
                }
            }
        }
    }
    if !found.matches.is_empty() {
        working.iter_mut().zip(&is_zero).for_each(|(w, zero)| *w &= !zero);
    }
    found.unmatched = working;
    Ok(found)
}

/// Candidates for lattice vectors from points `(y, x)`, px: clusters of their differences in polar coordinates.
///
/// # Errors
/// [`Error::Parameter`] as [`FullMatchParams::validate`]; [`Error::NotFinite`] for points that are not finite.
pub fn difference_clusters(points: &[[f64; 2]], params: &FullMatchParams) -> Result<DifferenceClusters> {
    params.validate()?;
    let mut sorted = points.to_vec();
    sorted.sort_by(|p, q| p[1].total_cmp(&q[1]));
    let mut vectors = vec![];
    for (k, earlier) in sorted.iter().enumerate() {
        for later in &sorted[k + 1..] {
            let vector = polar(difference(*later, *earlier));
            if params.allows_length(vector[0]) {
                vectors.push(vector);
            }
        }
    }
    let mut found = DifferenceClusters { candidates: vectors.clone(), vectors, clusters: None };
    if points.len() <= params.min_points || found.vectors.len() < 2 {
        return Ok(found);
    }
    let clustering = HdbscanParams {
        min_cluster_size: (points.len() / params.min_cluster_size_fraction).max(2),
        min_samples: (points.len() / params.min_samples_fraction).max(1),
    };
    let clusters = hdbscan(Array2::from(found.vectors.clone()).view(), &clustering, &NoProgress)?;
    let mut centers: Vec<[f64; 2]> = (0..clusters.stabilities.len())
        .filter_map(|label| cluster_center(&found.vectors, &clusters, label, params.tolerance))
        .collect();
    centers.sort_by(|p, q| p[0].total_cmp(&q[0]));
    centers.truncate(params.max_candidates);
    if centers.len() >= params.min_candidates {
        found.candidates = centers;
    }
    found.clusters = Some(clusters);
    Ok(found)
}

/// Mean weighted with the probability of membership; None if the cluster is wider than the tolerance.
fn cluster_center(
    vectors: &[[f64; 2]],
    clusters: &HdbscanClusters,
    label: usize,
    tolerance: f64,
) -> Option<[f64; 2]> {
    let members = || {
        let all = vectors.iter().zip(&clusters.labels).zip(&clusters.probabilities);
        all.filter(|((_, l), _)| **l == Some(label)).map(|((v, _), p)| (*v, *p))
    };
    let n = members().count() as f64;
    let mean: [f64; 2] = std::array::from_fn(|x| members().map(|(v, _)| v[x]).sum::<f64>() / n);
    let variance = |x: usize| members().map(|(v, _)| (v[x] - mean[x]).powi(2)).sum::<f64>() / n;
    if (variance(0) + variance(1)).sqrt() > tolerance {
        return None;
    }
    let total: f64 = members().map(|(_, p)| p).sum();
    Some(std::array::from_fn(|x| members().map(|(v, p)| v[x] * p).sum::<f64>() / total))
}

/// The match of greatest figure of merit among all pairs of candidates `(r, φ)`.
fn best_match(
    points: &[LatticePoint],
    working: &[bool],
    zero: [f64; 2],
    candidates: &[[f64; 2]],
    params: &FullMatchParams,
) -> Option<LatticeMatch> {
    let mut best: Option<(f64, Vec<Option<[f64; 2]>>)> = None;
    for (k, first) in candidates.iter().enumerate() {
        for second in &candidates[k + 1..] {
            if !angle_is_wide((first[1] - second[1]).abs(), params) {
                continue;
            }
            let (a, b) = if second[0] < first[0] { (second, first) } else { (first, second) };
            let start = Lattice { zero, a: cartesian(*a), b: cartesian(*b) };
            if let Some((merit, assigned)) = refined(points, working, start, params)
                && best.as_ref().is_none_or(|(greatest, _)| merit > *greatest)
            {
                best = Some((merit, assigned));
            }
        }
    }
    let (_, assigned) = best?;
    let pairs = points.iter().zip(&assigned).filter_map(|(p, index)| Some((p, (*index)?)));
    let found = LatticeMatch::of_fit(points, &assigned, &fit_pairs(pairs, Loss::Square));
    found.is_valid().then_some(found)
}

/// Assign and fit twice; each step must leave a lattice within the limits.
fn refined(
    points: &[LatticePoint],
    working: &[bool],
    start: Lattice,
    params: &FullMatchParams,
) -> Option<(f64, Vec<Option<[f64; 2]>>)> {
    let mut lattice = start;
    let mut assigned = vec![None; points.len()];
    for _ in 0..2 {
        let inverse = lattice.try_inverse()?;
        for ((index, point), works) in assigned.iter_mut().zip(points).zip(working) {
            let (distance, nearest) =
                DistanceRule::IndexScaled.judge(&lattice, inverse.indices(point.position));
            *index = (*works && distance < params.tolerance).then_some(nearest);
        }
        if assigned.iter().flatten().count() < params.min_match || !is_allowed(&lattice, params) {
            return None;
        }
        let pairs = points.iter().zip(&assigned).filter_map(|(p, index)| Some((p, (*index)?)));
        let fit = fit_pairs(pairs, Loss::Square);
        if fit.rank < 3 || !is_allowed(&fit.lattice, params) {
            return None;
        }
        lattice = fit.lattice;
    }
    let total: f64 = points.iter().zip(&assigned).filter(|(_, i)| i.is_some()).map(|(p, _)| p.weight).sum();
    let Lattice { a, b, .. } = lattice;
    let merit = total * total * cross(a, b).abs() / (dot(a, a) + dot(b, b));
    Some((merit, assigned))
}

fn is_allowed(lattice: &Lattice, params: &FullMatchParams) -> bool {
    let ([la, phi_a], [lb, phi_b]) = (polar(lattice.a), polar(lattice.b));
    params.allows_length(la) && params.allows_length(lb) && angle_is_wide((phi_a - phi_b).abs(), params)
}

fn angle_is_wide(angle: f64, params: &FullMatchParams) -> bool {
    let angle = angle % PI;
    angle > params.min_angle && angle < PI - params.min_angle
}
