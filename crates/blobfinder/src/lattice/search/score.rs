//! How unlikely a lattice is among points strewn at random.

use std::f64::consts::{LN_10, PI};

use super::LatticeSearchParams;
use crate::lattice::fit::{Row, solve};
use crate::lattice::{Lattice, length};

/// Standard deviations below this count as this, px: positions are hardly ever better, and 0 would make anything
/// certain.
const LEAST_SIGMA: f64 = 0.05;

/// That of whole numbers, √(1/12): finer lattices that run through them prove nothing.
const SIGMA_OF_WHOLE_NUMBERS: f64 = 0.288_675;

/// Places farther from their lattice point than this part of the shorter vector are not told from their neighbours'.
const REACH: f64 = 0.35;

/// `∫ da db` over all reduced cells of an area between A and e·A, in units of A²: `π²/6 · (e² − 1)/2`.
const CELLS: f64 = 5.25;

/// A lattice with what it is worth.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scored {
    pub(super) lattice: Lattice,
    /// Distance of the farthest point that counts, px.
    pub(super) radius: f64,
    pub(super) log10_accidental: f64,
    /// By which lattices compare: ln of the same, less what their being well occupied counts. The less, the better.
    pub(super) merit: f64,
}

/// Fits lattices to one set of points and judges them.
pub(super) struct Scorer<'a> {
    positions: &'a [[f64; 2]],
    params: &'a LatticeSearchParams,
    /// σ² below which points count as being as far off as this.
    least_variance: f64,
    /// ln k!
    ln_factorial: Vec<f64>,
    rows: Vec<Row>,
    nearest: Vec<(f64, [f64; 2], usize)>,
}

impl<'a> Scorer<'a> {
    pub(super) fn new(positions: &'a [[f64; 2]], params: &'a LatticeSearchParams) -> Self {
        let n = positions.len();
        let mut ln_factorial = vec![0.0; n + 1];
        for k in 1..=n {
            ln_factorial[k] = ln_factorial[k - 1] + (k as f64).ln();
        }
        let whole = positions.iter().flatten().all(|v| v.fract() == 0.0);
        let sigma = if whole { SIGMA_OF_WHOLE_NUMBERS } else { LEAST_SIGMA };
        Scorer {
            positions,
            params,
            least_variance: sigma * sigma,
            ln_factorial,
            rows: Vec::with_capacity(n),
            nearest: Vec::with_capacity(n),
        }
    }

    /// How far from its place a point of the lattice may lie, px.
    fn reach(&self, reduced: &Lattice) -> f64 {
        self.params.tolerance.min(REACH * length(reduced.a))
    }

    /// `cell` with that of the points `zeros` as its zero near whose lattice most points lie, and how much that says:
    /// the information of so many points in the disks of this size, in nats.
    pub(super) fn best_zero(&self, cell: &Lattice, zeros: &[usize]) -> (Lattice, f64) {
        let reach = self.reach(cell);
        let mut best = (*cell, -1.0);
        for &zero in zeros {
            let lattice = Lattice { zero: self.positions[zero], ..*cell };
            let Some(inverse) = lattice.try_inverse() else { continue };
            let mut near = 0.0;
            for &p in self.positions {
                let (_, squared) = nearest(&lattice, inverse.indices(p));
                near += (1.0 - squared / (reach * reach)).max(0.0);
            }
            if near > best.1 {
                best = (lattice, near);
            }
        }
        // Of points at random, each counts half the disk's share.
        let expected = 0.5 * PI * reach * reach / cell.signed_area().abs();
        let (n, part) = (self.positions.len() as f64, best.1 / self.positions.len() as f64);
        let information = |p: f64, q: f64| if p > 0.0 { p * (p / q).ln() } else { 0.0 };
        let surprise = information(part, expected) + information(1.0 - part, 1.0 - expected);
        (best.0, if part > expected { n * surprise } else { 0.0 })
    }

    /// The lattice that grows from `start`, if it is one.
    pub(super) fn score(&mut self, start: &Lattice) -> Option<Scored> {
        let start = start.shortened().filter(|l| self.params.allows(l))?;
        let grown = self.grown(&start)?;
        let scored = self.least_accidental(&grown)?;
        Some(self.refined(scored))
    }

    /// What `lattice` is worth as it is.
    pub(super) fn score_of(&mut self, lattice: &Lattice) -> Option<Scored> {
        self.least_accidental(lattice)
    }

    /// Fitted to the points that count, as long as that makes it better.
    pub(super) fn refined(&mut self, mut best: Scored) -> Scored {
        for round in 0..4 {
            if round == 0 {
                // `nearest` may hold another lattice's.
                if self.least_accidental(&best.lattice).is_none() {
                    break;
                }
            }
            let radius = best.radius * (1.0 + 1e-9) + 1e-9;
            let kept = &self.nearest[..self.nearest.partition_point(|d| d.0 <= radius)];
            self.rows.clear();
            let positions = self.positions;
            self.rows.extend(kept.iter().map(|&(_, index, k)| Row {
                weight: 1.0,
                index,
                position: positions[k],
            }));
            let fitted = solve(&self.rows);
            if fitted.rank < 3 {
                break;
            }
            match self.least_accidental(&fitted.lattice) {
                Some(next) if next.merit < best.merit - 1e-6 => best = next,
                _ => break,
            }
        }
        best
    }

    /// Fitted to the points around zero, then farther and farther out, so that small errors of the vectors do no
    /// harm.
    fn grown(&self, start: &Lattice) -> Option<Lattice> {
        let mut lattice = *start;
        let mut rows = Vec::with_capacity(self.positions.len());
        let mut limit = 1.5;
        loop {
            let inverse = lattice.try_inverse()?;
            let reach = self.reach(&lattice);
            let mut farthest: f64 = 0.0;
            rows.clear();
            for &position in self.positions {
                let fractional = inverse.indices(position);
                let radius = fractional[0].abs().max(fractional[1].abs());
                farthest = farthest.max(radius);
                if radius > limit {
                    continue;
                }
                let (index, squared) = nearest(&lattice, fractional);
                if squared < reach * reach {
                    rows.push(Row { weight: 1.0, index, position });
                }
            }
            // Too few to fix the vectors near zero: take more before the fit.
            if rows.len() > 3 {
                let fitted = solve(&rows);
                if fitted.rank == 3 {
                    lattice = fitted.lattice;
                }
            }
            if limit > farthest {
                return Some(lattice);
            }
            limit *= 2.0;
        }
    }

    /// The lattice with as many points as make it least accidental, after the formula at
    /// [`search_lattices`](crate::search_lattices); leaves the nearest places in `self.nearest`, by distance, one
    /// point per place.
    fn least_accidental(&mut self, lattice: &Lattice) -> Option<Scored> {
        let lattice = lattice.shortened().filter(|l| self.params.allows(l))?;
        let inverse = lattice.try_inverse()?;
        let reach = self.reach(&lattice);
        let mut n = self.positions.len();
        self.nearest.clear();
        for (k, &p) in self.positions.iter().enumerate() {
            let (index, squared) = nearest(&lattice, inverse.indices(p));
            if squared <= reach * reach {
                self.nearest.push((squared.sqrt(), index, k));
            }
        }
        let found = self.nearest.len();
        self.nearest.sort_unstable_by(|(d, i, k), (e, j, l)| {
            i[0].total_cmp(&j[0]).then(i[1].total_cmp(&j[1])).then(d.total_cmp(e)).then(k.cmp(l))
        });
        self.nearest.dedup_by_key(|(_, index, _)| *index);
        n -= found - self.nearest.len();
        self.nearest.sort_unstable_by(|(d, _, k), (e, _, l)| d.total_cmp(e).then(k.cmp(l)));

        let area = lattice.signed_area().abs();
        let mut best: Option<(f64, Scored)> = None;
        let mut moments = Moments::default();
        let mut squares = 0.0;
        for k in 1..=self.nearest.len() {
            let (radius, index, _) = self.nearest[k - 1];
            let determinant = moments.add(index);
            squares += radius * radius;
            // All of one distance count together; points on one line fix nothing.
            let same = self.nearest.get(k).is_some_and(|next| next.0 == radius);
            if k < self.params.min_match || same || determinant < 0.5 {
                continue;
            }
            let confirming = k - 3;
            let squares = squares.max(2.0 * confirming as f64 * self.least_variance);
            // ln of the volume of the ball over that of the cells.
            let chance = if confirming == 0 {
                0.0
            } else {
                confirming as f64 * (PI * squares / area).ln() - self.ln_factorial[confirming]
            };
            let accidental =
                ((n.max(4) - 3) as f64).ln() + self.ln_binomial(n, k) + chance + (CELLS * determinant).ln();
            let merit = accidental - occupation(determinant, k as f64);
            if best.is_none_or(|(least, _)| merit < least) {
                let log10_accidental = accidental / LN_10;
                best = Some((merit, Scored { lattice, radius, log10_accidental, merit }));
            }
        }
        best.map(|(_, scored)| scored)
    }

    fn ln_binomial(&self, n: usize, k: usize) -> f64 {
        self.ln_factorial[n] - self.ln_factorial[k] - self.ln_factorial[n - k]
    }
}

/// `ln(M^k (M − k)!/M!)`: what k points on M places, each on its own, are more likely than k points at random on any
/// of them. M is the number of places in a region of the extent of the points: `12 √(det cov)` in units of index, +1
/// for its edge.
fn occupation(determinant: f64, k: f64) -> f64 {
    let places = (12.0 * (determinant / (k * k * k)).sqrt() + 1.0).max(k);
    k * places.ln() + stirling(places - k) - stirling(places)
}

/// ln x!, to 1e-3 for x ≥ 0.
fn stirling(x: f64) -> f64 {
    let x = x + 1.0;
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * PI).ln() + 1.0 / (12.0 * x)
}

/// `det XᵀX` of rows `(1, i, j)`, as they come.
#[derive(Default)]
struct Moments {
    n: f64,
    mean: [f64; 2],
    /// ii, ij, jj about the mean.
    second: [f64; 3],
}

impl Moments {
    fn add(&mut self, [i, j]: [f64; 2]) -> f64 {
        self.n += 1.0;
        let before = [i - self.mean[0], j - self.mean[1]];
        self.mean = [0, 1].map(|x| self.mean[x] + before[x] / self.n);
        let weight = (self.n - 1.0) / self.n;
        self.second[0] += weight * before[0] * before[0];
        self.second[1] += weight * before[0] * before[1];
        self.second[2] += weight * before[1] * before[1];
        self.n * (self.second[0] * self.second[2] - self.second[1] * self.second[1])
    }
}

/// Half to even, for numbers below 2⁵¹; without a call into a library on processors that have no instruction for it.
#[inline]
fn rounded(x: f64) -> f64 {
    const SHIFT: f64 = 6_755_399_441_055_744.0; // 1.5 · 2⁵²
    if x.abs() < 2_251_799_813_685_248.0 { (x + SHIFT) - SHIFT } else { x }
}

/// The nearest whole index and the squared distance from it, px².
#[inline]
fn nearest(lattice: &Lattice, fractional: [f64; 2]) -> ([f64; 2], f64) {
    let index = fractional.map(rounded);
    let rest = [fractional[0] - index[0], fractional[1] - index[1]];
    let d: [f64; 2] = std::array::from_fn(|x| rest[0] * lattice.a[x] + rest[1] * lattice.b[x]);
    (index, d[0] * d[0] + d[1] * d[1])
}
