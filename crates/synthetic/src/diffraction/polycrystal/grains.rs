//! Grains: where they are, how their crystal lies and is strained there.

use std::f64::consts::{PI, TAU};

use rand::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::params::{PhaseParams, PolycrystalParams};
use crate::random::{Purpose, stream};

/// Of so many places drawn for a seed, the one furthest from other seeds is taken.
const CANDIDATES: usize = 10;

/// One crystal of the scan. What changes within it is linear in the distance from its seed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grain {
    /// Its Voronoi seed `(y, x)`, positions of the scan.
    pub seed: [f64; 2],
    /// Which of the phases it is of.
    pub phase: usize,
    /// Rotation against the phase's unstrained cell at the seed, rad, from 0 to π, from +x towards +y.
    pub rotation: f64,
    /// Its change per position, along `(y, x)`.
    pub rotation_gradient: [f64; 2],
    /// Strain `(xx, yy, xy)` at the seed, of real space, along the axes of the phase's unstrained cell.
    pub strain: [f64; 3],
    /// Its change per position, along `(y, x)`.
    pub strain_gradient: [[f64; 2]; 3],
    /// Tilt t of the zone axis at the seed, px `(y, x)`.
    pub tilt: [f64; 2],
    /// Its change per position, along `(y, x)`: first that of `t_y`, then that of `t_x`.
    pub bend: [[f64; 2]; 2],
}

impl Grain {
    fn off_seed(&self, position: [f64; 2]) -> [f64; 2] {
        [position[0] - self.seed[0], position[1] - self.seed[1]]
    }

    /// Strain `(xx, yy, xy)` at a position of the scan.
    pub fn strain_at(&self, position: [f64; 2]) -> [f64; 3] {
        let d = self.off_seed(position);
        std::array::from_fn(|k| self.strain[k] + dot(self.strain_gradient[k], d))
    }

    /// Rotation at a position of the scan, rad.
    pub fn rotation_at(&self, position: [f64; 2]) -> f64 {
        self.rotation + dot(self.rotation_gradient, self.off_seed(position))
    }

    /// Tilt at a position of the scan, px.
    pub fn tilt_at(&self, position: [f64; 2]) -> [f64; 2] {
        let d = self.off_seed(position);
        [0, 1].map(|axis| self.tilt[axis] + dot(self.bend[axis], d))
    }

    /// F⁻¹, by which the rows of the unstrained cell become those of the pattern at a position.
    pub(super) fn to_pattern(self, position: [f64; 2]) -> [[f64; 2]; 2] {
        let [xx, yy, xy] = self.strain_at(position);
        let (sin, cos) = self.rotation_at(position).sin_cos();
        // F = R (1 + ε) on columns (y, x).
        let f = [
            [cos * (1.0 + yy) + sin * xy, cos * xy + sin * (1.0 + xx)],
            [cos * xy - sin * (1.0 + yy), cos * (1.0 + xx) - sin * xy],
        ];
        let det = f[0][0] * f[1][1] - f[0][1] * f[1][0];
        [[f[1][1] / det, -f[0][1] / det], [-f[1][0] / det, f[0][0] / det]]
    }
}

fn dot(u: [f64; 2], v: [f64; 2]) -> f64 {
    u[0] * v[0] + u[1] * v[1]
}

/// Row vector times matrix.
pub(super) fn row_times([y, x]: [f64; 2], m: [[f64; 2]; 2]) -> [f64; 2] {
    [y * m[0][0] + x * m[1][0], y * m[0][1] + x * m[1][1]]
}

/// All grains of a scan.
pub(super) fn draw_grains(params: &PolycrystalParams) -> Vec<Grain> {
    let seeds = draw_seeds(params.scan, params.grains, params.seed);
    let phases = assign_phases(&params.phases, params.grains);
    let draw = |(k, (seed, phase)): (usize, ([f64; 2], usize))| {
        let rng = &mut stream(params.seed, Purpose::Grains, k + 1);
        let direction = |rng: &mut Xoshiro256PlusPlus, size: f64| {
            let (sin, cos) = rng.gen_range(0.0..TAU).sin_cos();
            [size * sin, size * cos]
        };
        let symmetric = |rng: &mut Xoshiro256PlusPlus| params.strain * rng.gen_range(-1.0..=1.0);
        Grain {
            seed,
            phase,
            rotation: rng.gen_range(0.0..PI),
            rotation_gradient: direction(rng, params.rotation_gradient),
            strain: std::array::from_fn(|_| symmetric(rng)),
            strain_gradient: std::array::from_fn(|_| direction(rng, params.strain_gradient)),
            tilt: {
                // Even over the circle's area.
                let radius = params.brightness.tilt * rng.gen_range(0.0f64..1.0).sqrt();
                direction(rng, radius)
            },
            bend: std::array::from_fn(|_| direction(rng, params.brightness.bend)),
        }
    };
    seeds.into_iter().zip(phases).enumerate().map(draw).collect()
}

/// Seeds over the area of the scan that keep apart (Mitchell's best candidates).
fn draw_seeds([ny, nx]: [usize; 2], n: usize, seed: u64) -> Vec<[f64; 2]> {
    let rng = &mut stream(seed, Purpose::Grains, 0);
    let mut seeds: Vec<[f64; 2]> = Vec::with_capacity(n);
    for _ in 0..n {
        let apart = |p: &[f64; 2]| seeds.iter().map(|s| distance2(*s, *p)).fold(f64::INFINITY, f64::min);
        let candidates = std::array::from_fn::<_, CANDIDATES, _>(|_| {
            [ny, nx].map(|n| rng.gen_range(-0.5..n as f64 - 0.5))
        });
        let mut best = candidates[0];
        for candidate in &candidates[1..] {
            if apart(candidate) > apart(&best) {
                best = *candidate;
            }
        }
        seeds.push(best);
    }
    seeds
}

/// Phases in turn, so that the numbers of their grains are as their shares.
fn assign_phases(phases: &[PhaseParams], n: usize) -> Vec<usize> {
    let total: f64 = phases.iter().map(|p| p.share).sum();
    let mut given = vec![0usize; phases.len()];
    (0..n)
        .map(|k| {
            let lacks =
                |p: usize| (phases[p].share / total * (k + 1) as f64 - given[p] as f64, given[p] == 0);
            // Those without any first, so that rare phases have a grain too.
            let better = |p: usize, q: usize| (lacks(p).1, lacks(p).0) > (lacks(q).1, lacks(q).0);
            let chosen = (1..phases.len()).fold(0, |best, p| if better(p, best) { p } else { best });
            given[chosen] += 1;
            chosen
        })
        .collect()
}

pub(super) fn distance2(p: [f64; 2], q: [f64; 2]) -> f64 {
    (p[0] - q[0]).powi(2) + (p[1] - q[1]).powi(2)
}

/// The grain that a position belongs to, that of the nearest seed (of several, the first), and its distance from the
/// nearest boundary; None without grains.
pub(super) fn nearest(grains: &[Grain], position: [f64; 2]) -> Option<(usize, f64)> {
    let own = (0..grains.len()).reduce(|best, k| {
        if distance2(grains[k].seed, position) < distance2(grains[best].seed, position) { k } else { best }
    })?;
    let others = (0..grains.len()).filter(|&k| k != own);
    Some((own, others.map(|k| beyond(grains, own, k, position)).fold(f64::INFINITY, f64::min)))
}

/// Distance of a position of grain `own` from the line on which grain `other` would begin.
fn beyond(grains: &[Grain], own: usize, other: usize, position: [f64; 2]) -> f64 {
    let apart = distance2(grains[own].seed, grains[other].seed).sqrt();
    let further = distance2(grains[other].seed, position) - distance2(grains[own].seed, position);
    // Seeds at one place, if that were drawn: the first has it all.
    if apart > 0.0 { further / (2.0 * apart) } else { f64::INFINITY }
}

/// The grains that a frame at a position shows, with their shares, which add up to 1; its own first.
///
/// With d the distance from the line to another grain, w the width of boundaries and `r = (½ − d/w)/(½ + d/w)`, the shares
/// are as 1 : r (for d below w/2), which with two grains is ½ + d/w and ½ − d/w.
pub(super) fn shares(grains: &[Grain], position: [f64; 2], width: f64) -> Vec<(usize, f64)> {
    let Some((own, boundary)) = nearest(grains, position) else { return Vec::new() };
    let mut shares = vec![(own, 1.0)];
    if boundary < 0.5 * width {
        for other in (0..grains.len()).filter(|&k| k != own) {
            let d = beyond(grains, own, other, position) / width;
            if d < 0.5 {
                shares.push((other, (0.5 - d) / (0.5 + d)));
            }
        }
    }
    let total: f64 = shares.iter().map(|(_, share)| share).sum();
    shares.iter_mut().for_each(|(_, share)| *share /= total);
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grain(seed: [f64; 2]) -> Grain {
        Grain {
            seed,
            phase: 0,
            rotation: 0.0,
            rotation_gradient: [0.0; 2],
            strain: [0.0; 3],
            strain_gradient: [[0.0; 2]; 3],
            tilt: [0.0; 2],
            bend: [[0.0; 2]; 2],
        }
    }

    #[test]
    fn shares_pass_linearly_from_grain_to_grain() {
        let grains = [grain([0.0, 0.0]), grain([0.0, 8.0])];
        let at = |x: f64| shares(&grains, [3.0, x], 4.0);
        assert_eq!(at(2.0), [(0, 1.0)]);
        assert_eq!(at(4.0), [(0, 0.5), (1, 0.5)]);
        let [(own, most), (other, rest)] = at(5.0)[..] else { panic!("{:?}", at(5.0)) };
        assert_eq!((own, other), (1, 0));
        assert!((most - 0.75).abs() < 1e-12 && (rest - 0.25).abs() < 1e-12);
        assert_eq!(shares(&grains, [3.0, 4.1], 0.0), [(1, 1.0)]);
        // Where three meet, each has a third.
        let grains = [grain([0.0, 0.0]), grain([0.0, 8.0]), grain([8.0, 0.0])];
        assert!(shares(&grains, [4.0, 4.0], 4.0).iter().all(|(_, share)| (share - 1.0 / 3.0).abs() < 1e-12));
    }

    #[test]
    fn boundaries_are_half_way_between_seeds() {
        let grains = [grain([0.0, 0.0]), grain([0.0, 8.0]), grain([0.0, 0.0])];
        assert_eq!(nearest(&grains, [2.0, 3.0]), Some((0, 1.0)));
        assert_eq!(nearest(&grains, [-7.0, 10.0]), Some((1, 6.0)));
        assert_eq!(nearest(&grains[..1], [2.0, 3.0]), Some((0, f64::INFINITY)));
        assert_eq!(nearest(&[], [2.0, 3.0]), None);
    }

    #[test]
    fn phases_have_their_shares() {
        let phase = |share| PhaseParams { share, ..Default::default() };
        assert_eq!(assign_phases(&[phase(1.0), phase(1.0)], 5), [0, 1, 0, 1, 0]);
        let rare = assign_phases(&[phase(50.0), phase(50.0), phase(1.0)], 10);
        assert_eq!([0, 1, 2].map(|p| rare.iter().filter(|&&q| q == p).count()), [5, 4, 1]);
    }
}
