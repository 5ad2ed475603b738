//! Vectors that recur between points.

use super::LatticeSearchParams;
use crate::lattice::{Lattice, cross, difference, length, squared};

/// With more points than this, only vectors to the nearest so many others are looked at.
const NEIGHBORS: usize = 48;

/// So many points that share a cell's vectors are tried as its zero.
const ZEROS: usize = 4;

/// Vectors between points that lie in a crowd.
pub(super) struct Candidates {
    vectors: Vec<Candidate>,
}

struct Candidate {
    vector: [f64; 2],
    /// In how many vectors of the crowd each point takes part.
    shares: Vec<u32>,
}

/// A vector from one point to another.
#[derive(Clone, Copy)]
struct Pair {
    vector: [f64; 2],
    points: [usize; 2],
}

impl Candidates {
    /// Given ones, then the densest places of the differences of the points `(y, x)`.
    pub(super) fn new(positions: &[[f64; 2]], params: &LatticeSearchParams) -> Self {
        let radius = 0.5 * params.tolerance;
        let pairs = pairs(positions, radius, params);
        let mut vectors: Vec<Candidate> = params
            .candidates
            .iter()
            .filter(|v| length(**v) > 0.0)
            .map(|&vector| Candidate { vector, shares: shares(&pairs, vector, radius, positions.len()) })
            .collect();
        let given = vectors.len();
        for vector in crowds(&pairs, radius, params.max_candidates) {
            let known = |c: &Candidate| near_either_way(c.vector, vector, radius);
            if vectors.len() < given + params.max_candidates && !vectors.iter().any(known) {
                let shares = shares(&pairs, vector, radius, positions.len());
                vectors.push(Candidate { vector, shares });
            }
        }
        Candidates { vectors }
    }

    /// Different cells that two candidates make, with points that may be their zero.
    pub(super) fn cells(
        &self,
        positions: &[[f64; 2]],
        params: &LatticeSearchParams,
    ) -> Vec<(Lattice, Vec<usize>)> {
        let tolerance = 0.25 * params.tolerance;
        let from_middle = from_middle(positions);
        let mut cells: Vec<(Lattice, Vec<usize>)> = vec![];
        for (k, first) in self.vectors.iter().enumerate() {
            for second in &self.vectors[..k] {
                let (a, b) = (first.vector, second.vector);
                let area = cross(a, b);
                if area * area < 0.05 * 0.05 * squared(a) * squared(b) {
                    continue;
                }
                let Some(cell) = (Lattice { zero: [0.0; 2], a, b }).shortened() else { continue };
                let known = cells.iter().any(|(other, _)| is_same_cell(&cell, other, tolerance));
                if !known && params.allows(&cell) {
                    cells.push((cell, most_shared(first, second, &from_middle)));
                }
            }
        }
        cells
    }
}

/// Whether the vectors of one cell are whole-numbered sums of the other's, and the areas agree.
fn is_same_cell(one: &Lattice, other: &Lattice, tolerance: f64) -> bool {
    let ratio = one.signed_area() / other.signed_area();
    if !(0.67..1.5).contains(&ratio) {
        return false;
    }
    let Some(inverse) = one.try_inverse() else { return false };
    let is_whole = |v: [f64; 2]| {
        let index = inverse.indices(v).map(f64::round);
        squared(difference(one.position(index), v)) <= tolerance * tolerance
    };
    is_whole(other.a) && is_whole(other.b)
}

/// Vectors between all pairs of points, or to near ones if there are many; forward, by x.
fn pairs(positions: &[[f64; 2]], radius: f64, params: &LatticeSearchParams) -> Vec<Pair> {
    let n = positions.len();
    let mut pairs = vec![];
    let shortest = (params.min_length - radius).max(0.0).powi(2);
    let longest = params.max_length.map_or(f64::INFINITY, |m| (m + radius).powi(2));
    let mut add = |k: usize, l: usize| {
        let vector = difference(positions[l], positions[k]);
        let size = squared(vector);
        if size < shortest || size > longest || vector == [0.0; 2] {
            return;
        }
        let forward = vector[1] > 0.0 || (vector[1] == 0.0 && vector[0] > 0.0);
        pairs.push(if forward {
            Pair { vector, points: [k, l] }
        } else {
            Pair { vector: vector.map(|v| -v), points: [l, k] }
        });
    };
    if n <= NEIGHBORS + 1 {
        for k in 0..n {
            (k + 1..n).for_each(|l| add(k, l));
        }
    } else {
        let mut others: Vec<(f64, usize)> = Vec::with_capacity(n);
        for k in 0..n {
            others.clear();
            others.extend(
                (0..n).filter(|&l| l != k).map(|l| (squared(difference(positions[l], positions[k])), l)),
            );
            let (near, middle, _) =
                others.select_nth_unstable_by(NEIGHBORS - 1, |p, q| p.0.total_cmp(&q.0).then(p.1.cmp(&q.1)));
            near.iter().chain([&*middle]).for_each(|&(_, l)| add(k, l));
        }
    }
    let key = |p: &Pair| (p.vector[1], p.vector[0], p.points);
    pairs.sort_unstable_by(|p, q| {
        let ((x, y, i), (u, v, j)) = (key(p), key(q));
        x.total_cmp(&u).then(y.total_cmp(&v)).then(i.cmp(&j))
    });
    // Two points may each be near the other.
    pairs.dedup_by_key(|p| p.points);
    pairs
}

/// The densest places of the vectors, densest first.
fn crowds(pairs: &[Pair], radius: f64, max: usize) -> Vec<[f64; 2]> {
    let mut density = vec![0.0; pairs.len()];
    let mut mean = vec![[0.0; 2]; pairs.len()];
    // Each vector has its opposite: near the y axis, crowds lie on both sides.
    for k in 0..pairs.len() {
        let v = pairs[k].vector;
        let mut add = |at: usize, [dy, dx]: [f64; 2]| {
            let weight = 1.0 - (dy * dy + dx * dx) / (radius * radius);
            if weight > 0.0 {
                density[at] += weight;
                mean[at][0] += weight * dy;
                mean[at][1] += weight * dx;
            }
        };
        add(k, [0.0; 2]);
        for (l, other) in pairs.iter().enumerate().skip(k + 1) {
            let [dy, dx] = difference(other.vector, v);
            if dx > radius {
                break;
            }
            add(k, [dy, dx]);
            add(l, [-dy, -dx]);
        }
        if v[1] < radius {
            for (l, other) in pairs.iter().enumerate() {
                if other.vector[1] + v[1] > radius {
                    break;
                }
                if l != k {
                    add(k, [-other.vector[0] - v[0], -other.vector[1] - v[1]]);
                }
            }
        }
    }
    let mut order: Vec<usize> = (0..pairs.len()).collect();
    // Of equal crowds the shorter vector first.
    order.sort_unstable_by(|&k, &l| {
        let size = |k: usize| squared(pairs[k].vector);
        density[l].total_cmp(&density[k]).then(size(k).total_cmp(&size(l))).then(k.cmp(&l))
    });
    let mut found: Vec<[f64; 2]> = vec![];
    for k in order {
        if found.len() >= max {
            break;
        }
        let v = pairs[k].vector;
        if !found.iter().any(|&f| near_either_way(f, v, 2.0 * radius)) {
            found.push([0, 1].map(|x| v[x] + mean[k][x] / density[k]));
        }
    }
    found
}

fn near_either_way(u: [f64; 2], v: [f64; 2], radius: f64) -> bool {
    squared(difference(u, v)).min(squared([u[0] + v[0], u[1] + v[1]])) < radius * radius
}

/// In how many vectors near `vector` each point takes part.
fn shares(pairs: &[Pair], vector: [f64; 2], radius: f64, n: usize) -> Vec<u32> {
    let mut shares = vec![0; n];
    for pair in pairs {
        if near_either_way(pair.vector, vector, radius) {
            pair.points.iter().for_each(|&k| shares[k] += 1);
        }
    }
    shares
}

/// Points that take part in the vectors of both candidates most often; of equal ones those nearest to the middle of all,
/// which are as near in a mirror image.
fn most_shared(first: &Candidate, second: &Candidate, from_middle: &[f64]) -> Vec<usize> {
    let share = |k: usize| first.shares[k].min(second.shares[k]) * 16 + first.shares[k] + second.shares[k];
    let mut order: Vec<usize> = (0..from_middle.len()).collect();
    order.sort_unstable_by(|&k, &l| {
        share(l).cmp(&share(k)).then(from_middle[k].total_cmp(&from_middle[l])).then(k.cmp(&l))
    });
    order.truncate(ZEROS);
    order
}

/// Squared distance of every point from their mean.
fn from_middle(positions: &[[f64; 2]]) -> Vec<f64> {
    let n = positions.len() as f64;
    let middle = [0, 1].map(|x| positions.iter().map(|p| p[x]).sum::<f64>() / n);
    positions.iter().map(|p| squared(difference(*p, middle))).collect()
}
