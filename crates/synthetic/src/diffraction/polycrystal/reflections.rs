//! Which reflections a grain may show, and how bright they are before geometry comes in.

use std::f64::consts::TAU;

use rand::Rng;
use rand_distr::StandardNormal;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::params::{PhaseParams, PolycrystalParams};
use crate::diffraction::lattice_point;
use crate::random::{Purpose, stream};

/// A reflection of a phase.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reflection {
    /// Indices `(i, j)`, whole for those of the lattice.
    pub(super) index: [f64; 2],
    /// Number of its own among those of the phase.
    key: u64,
    /// ln S.
    structure: f64,
}

/// What grains of a phase show.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reflections {
    /// Of the lattice, without that of the direct beam.
    pub(super) lattice: Vec<Reflection>,
    /// Between them, in the core.
    pub(super) superlattice: Vec<Reflection>,
}

impl Reflections {
    /// Of phase number `phase`.
    pub(super) fn new(params: &PolycrystalParams, phase: usize) -> Self {
        let indices = indices_within(&params.phases[phase], params.reach());
        let all = |offset: [f64; 2], list: u64| -> Vec<Reflection> {
            let of = |&[i, j]: &[i32; 2]| Reflection {
                index: [f64::from(i) + offset[0], f64::from(j) + offset[1]],
                key: key([i, j], list),
                structure: {
                    let (phase, pair) = (phase as u64, key(friedel([i, j], offset), list));
                    let normal: f64 =
                        numbered(params.seed, Purpose::Structure, phase, pair).sample(StandardNormal);
                    params.brightness.structure * normal
                },
            };
            indices.iter().map(of).collect()
        };
        let mut lattice = all([0.0; 2], 0);
        lattice.retain(|reflection| reflection.index != [0.0; 2]);
        Reflections { lattice, superlattice: params.core.map_or(vec![], |core| all(core.offset, 1)) }
    }
}

impl Reflection {
    /// S · Z of the brightness in a grain, and the phase of the stripes.
    pub(super) fn strength(&self, params: &PolycrystalParams, grain: usize) -> (f64, f64) {
        let mut rng = numbered(params.seed, Purpose::Zone, grain as u64, self.key);
        let zone: f64 = rng.sample(StandardNormal);
        ((self.structure + params.brightness.zone * zone).exp(), rng.gen_range(0.0..TAU))
    }
}

/// Indices of the lattice points within `reach` of zero, and some beyond.
fn indices_within(phase: &PhaseParams, reach: f64) -> Vec<[i32; 2]> {
    let (a, b) = (phase.a, phase.b);
    let area = (a[0] * b[1] - a[1] * b[0]).abs();
    // Lines of constant i are area/|b| apart; one more for what is added to the indices.
    let most = |other: [f64; 2]| (reach * other[0].hypot(other[1]) / area).ceil() as i32 + 1;
    let (i_max, j_max) = (most(b), most(a));
    let margin = a[0].hypot(a[1]) + b[0].hypot(b[1]);
    let all = (-j_max..=j_max).flat_map(|j| (-i_max..=i_max).map(move |i| [i, j]));
    all.filter(|&index| {
        let [y, x] = lattice_point([0.0; 2], a, b, index);
        y.hypot(x) <= reach + margin
    })
    .collect()
}

/// That of ±g which stands for both.
fn friedel([i, j]: [i32; 2], offset: [f64; 2]) -> [i32; 2] {
    // −(index + offset) = (−index − 2·offset) + offset, whole again if twice the offset is.
    let twice = offset.map(|o| (2.0 * o).round());
    if offset.iter().zip(twice).any(|(o, t)| 2.0 * o != t) {
        return [i, j];
    }
    [i, j].max([-i - twice[0] as i32, -j - twice[1] as i32])
}

/// A number for each index of each list.
fn key([i, j]: [i32; 2], list: u64) -> u64 {
    let bits = |n: i32| u64::from(n as u32) & 0xff_ffff;
    list << 48 | bits(i) << 24 | bits(j)
}

/// The generator for one reflection, which stays the same whichever others there are.
fn numbered(seed: u64, purpose: Purpose, of: u64, key: u64) -> Xoshiro256PlusPlus {
    stream(seed, purpose, (of << 49 ^ key) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_of_a_pair_are_drawn_as_one() {
        assert_eq!(friedel([2, -1], [0.0; 2]), friedel([-2, 1], [0.0; 2]));
        // (−1, 0) + ½ is minus (0, −1) + ½.
        assert_eq!(friedel([-1, 0], [0.5; 2]), friedel([0, -1], [0.5; 2]));
        assert_ne!(friedel([2, 1], [0.0; 2]), friedel([2, -1], [0.0; 2]));
        assert_eq!(friedel([-4, 1], [0.3, 0.0]), [-4, 1]);
    }

    #[test]
    fn no_index_within_reach_is_left_out() {
        let phase = PhaseParams { a: [3.0, 17.0], b: [20.0, -4.0], ..Default::default() };
        let found = indices_within(&phase, 60.0);
        for index in (-9..=9).flat_map(|j| (-9..=9).map(move |i| [i, j])) {
            let [y, x] = lattice_point([0.0; 2], phase.a, phase.b, index);
            assert!(y.hypot(x) > 60.0 || found.contains(&index), "{index:?}");
        }
    }
}
