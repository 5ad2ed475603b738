//! Which point of a lattice has index (0, 0).

use std::collections::HashMap;

use nonius_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::lattice::{LatticeMatch, LatticePoint, difference, length};

/// How the zero of a lattice is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ZeroRule {
    /// The lattice place nearest to the first point that was given, even if that point does not belong. The only rule
    /// that depends on the order of points.
    #[default]
    First,
    /// The lattice place nearest to a position `(y, x)`, px, whether a point stands there or not (it may be behind a
    /// beam stop).
    Given([f64; 2]),
    /// The point of the lattice nearest to a position `(y, x)`, px.
    Nearest([f64; 2]),
    /// The point of the lattice of greatest weight; of several, the one nearest to their centre of mass.
    Strongest,
    /// The lattice place about which the points are most nearly symmetric: the greatest sum of `min(e_k, e_l)` over
    /// points k whose opposite l is there, too. Of several, the one nearest to the centre of mass.
    Symmetric,
}

impl ZeroRule {
    pub(super) fn validate(&self) -> Result<()> {
        match self {
            ZeroRule::Given(p) | ZeroRule::Nearest(p) if !p.iter().all(|v| v.is_finite()) => {
                Err(Error::parameter("zero", "a finite position", format!("{p:?}")))
            }
            _ => Ok(()),
        }
    }

    /// The index that becomes (0, 0).
    pub(super) fn index(&self, matched: &LatticeMatch, points: &[LatticePoint]) -> [f64; 2] {
        let lattice = &matched.lattice;
        let Some(inverse) = lattice.try_inverse() else { return [0.0; 2] };
        let place = |p: [f64; 2]| inverse.indices(p).map(f64::round_ties_even);
        let members: Vec<(&LatticePoint, [f64; 2])> = points
            .iter()
            .zip(&matched.selector)
            .filter_map(|(point, selected)| selected.then_some(point))
            .zip(matched.indices.iter().copied())
            .collect();
        let first = points.first().map(|p| p.position).filter(|p| p.iter().all(|v| v.is_finite()));
        match self {
            ZeroRule::First => place(first.unwrap_or(lattice.zero)),
            ZeroRule::Given(p) => place(*p),
            ZeroRule::Nearest(p) => {
                least(&members, |(point, _)| [length(difference(point.position, *p)), 0.0])
            }
            ZeroRule::Strongest => {
                let center = center_of_mass(&members);
                least(&members, |(point, _)| [-point.weight, length(difference(point.position, center))])
            }
            ZeroRule::Symmetric => {
                let center = center_of_mass(&members);
                let places = places_between(&members, place(center));
                let weight: HashMap<[i64; 2], f64> =
                    members.iter().map(|(point, index)| (whole(*index), point.weight)).collect();
                let symmetry = |zero: [f64; 2]| {
                    let opposite = |i: &[f64; 2]| [2.0 * zero[0] - i[0], 2.0 * zero[1] - i[1]];
                    let pairs = members
                        .iter()
                        .filter_map(|(p, i)| Some(p.weight.min(*weight.get(&whole(opposite(i)))?)));
                    pairs.sum::<f64>()
                };
                let ranked = places.into_iter().map(|index| {
                    let distance = length(difference(lattice.position(index), center));
                    ([-symmetry(index), distance], index)
                });
                least_ranked(ranked)
            }
        }
    }
}

fn whole(index: [f64; 2]) -> [i64; 2] {
    index.map(|i| i as i64)
}

fn center_of_mass(members: &[(&LatticePoint, [f64; 2])]) -> [f64; 2] {
    let total: f64 = members.iter().map(|(p, _)| p.weight).sum();
    std::array::from_fn(|x| members.iter().map(|(p, _)| p.weight * p.position[x]).sum::<f64>() / total)
}

/// At most this many places on either side of the centre are asked how symmetric they are.
const REACH: f64 = 16.0;

/// All places within the extent of the members, not too far from `center`.
fn places_between(members: &[(&LatticePoint, [f64; 2])], center: [f64; 2]) -> Vec<[f64; 2]> {
    let range = |x: usize| {
        let all = || members.iter().map(|(_, index)| index[x]);
        let low = all().fold(f64::INFINITY, f64::min).max(center[x] - REACH);
        let high = all().fold(f64::NEG_INFINITY, f64::max).min(center[x] + REACH);
        (0..).map(move |k| low + f64::from(k)).take_while(move |i| *i <= high)
    };
    range(0).flat_map(|i| range(1).map(move |j| [i, j])).collect()
}

fn least(
    members: &[(&LatticePoint, [f64; 2])],
    rank: impl Fn(&(&LatticePoint, [f64; 2])) -> [f64; 2],
) -> [f64; 2] {
    least_ranked(members.iter().map(|member| (rank(member), member.1)))
}

/// The index of least rank; of equal ones (to 1e-9 of the second number) the least index.
fn least_ranked(ranked: impl Iterator<Item = ([f64; 2], [f64; 2])>) -> [f64; 2] {
    let precedes = |(r, i): &([f64; 2], [f64; 2]), (s, j): &([f64; 2], [f64; 2])| {
        let second =
            if (r[1] - s[1]).abs() <= 1e-9 { std::cmp::Ordering::Equal } else { r[1].total_cmp(&s[1]) };
        r[0].total_cmp(&s[0]).then(second).then(i[0].total_cmp(&j[0])).then(i[1].total_cmp(&j[1])).is_lt()
    };
    ranked.reduce(|best, next| if precedes(&next, &best) { next } else { best }).map_or([0.0; 2], |(_, i)| i)
}
