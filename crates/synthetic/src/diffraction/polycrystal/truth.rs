//! What is true at every position of a scan.

use std::f64::consts::PI;

use ndarray::{Array2, Array3};
use rand::Rng;

use super::grains::{Grain, draw_grains, nearest, row_times, shares};
use super::params::PolycrystalParams;
use crate::random::{Purpose, stream};

/// What is true of a polycrystalline scan; arrays have its shape.
///
/// Of a frame at a boundary, which shows more than one grain, the truth is that of the grain to which the position
/// belongs. Where there is no grain, numbers are NaN.
#[derive(Debug, Clone, PartialEq)]
pub struct PolycrystalTruth {
    /// The grains.
    pub grains: Vec<Grain>,
    /// Number of the grain that a position belongs to: of the nearest seed.
    pub labels: Array2<Option<usize>>,
    /// Number of its phase.
    pub phases: Array2<Option<usize>>,
    /// Distance to the nearest boundary, positions; infinite in a scan of one grain.
    pub boundary_distance: Array2<f64>,
    /// Part of the pattern that is the grain's own, 1 away from boundaries.
    pub share: Array2<f64>,
    /// Whether there are superlattice spots.
    pub superlattice: Array2<bool>,
    /// Position of the direct beam `(y, x)`, px, on a last axis of 2.
    pub zero: Array3<f64>,
    /// First vector of the pattern, likewise.
    pub a: Array3<f64>,
    /// Second vector.
    pub b: Array3<f64>,
    /// ε_xx of the crystal in real space, along the axes of its phase's unstrained cell.
    pub strain_xx: Array2<f64>,
    /// ε_yy.
    pub strain_yy: Array2<f64>,
    /// ε_xy, half the engineering shear.
    pub strain_xy: Array2<f64>,
    /// Rotation against the phase's unstrained cell, rad, from +x towards +y.
    pub rotation: Array2<f64>,
    /// Factor of the brightness of all reflections by the thickness of the specimen.
    pub thickness: Array2<f64>,
}

impl PolycrystalTruth {
    pub(super) fn new(params: &PolycrystalParams) -> Self {
        let grains = draw_grains(params);
        let at = |(y, x)| [y as f64, x as f64];
        let places = Array2::from_shape_fn(params.scan, |p| nearest(&grains, at(p)));
        let labels = places.mapv(|place| place.map(|(grain, _)| grain));
        let share = |p| shares(&grains, at(p), params.boundary_width).first().map_or(f64::NAN, |s| s.1);
        let of = |value: &dyn Fn(&Grain, [f64; 2]) -> f64| {
            Array2::from_shape_fn(params.scan, |p| labels[p].map_or(f64::NAN, |k| value(&grains[k], at(p))))
        };
        let pattern = |vector: fn(&PolycrystalParams, usize) -> [f64; 2]| {
            Array3::from_shape_fn((params.scan[0], params.scan[1], 2), |(y, x, axis)| {
                let of = |k: usize| {
                    let grain = &grains[k];
                    row_times(vector(params, grain.phase), grain.to_pattern(at((y, x))))[axis]
                };
                labels[(y, x)].map_or(f64::NAN, of)
            })
        };
        PolycrystalTruth {
            phases: labels.mapv(|label| label.map(|k: usize| grains[k].phase)),
            boundary_distance: places.mapv(|place| place.map_or(f64::NAN, |(_, distance)| distance)),
            share: Array2::from_shape_fn(params.scan, share),
            superlattice: core(params, &grains, &places),
            zero: direct_beam(params),
            a: pattern(|params, phase| params.phases[phase].a),
            b: pattern(|params, phase| params.phases[phase].b),
            strain_xx: of(&|grain, p| grain.strain_at(p)[0]),
            strain_yy: of(&|grain, p| grain.strain_at(p)[1]),
            strain_xy: of(&|grain, p| grain.strain_at(p)[2]),
            rotation: of(&|grain, p| grain.rotation_at(p)),
            thickness: thickness(params),
            labels,
            grains,
        }
    }
}

/// The round core of the largest grain of the first phase.
fn core(params: &PolycrystalParams, grains: &[Grain], places: &Array2<Option<(usize, f64)>>) -> Array2<bool> {
    let none = Array2::from_elem(params.scan, false);
    let Some(core) = params.core else { return none };
    let mut sizes = vec![0usize; grains.len()];
    places.iter().flatten().filter(|(k, _)| grains[*k].phase == 0).for_each(|(k, _)| sizes[*k] += 1);
    // The first of the largest; likewise the first of the deepest.
    let Some(largest) = (0..sizes.len()).reduce(|best, k| if sizes[k] > sizes[best] { k } else { best })
    else {
        return none;
    };
    let [ny, nx] = params.scan;
    // Where the scan ends is no boundary, but a core should not be cut by it.
    let depth = |((y, x), distance): ((usize, usize), f64)| {
        distance.min(1.0 + y.min(ny - 1 - y).min(x.min(nx - 1 - x)) as f64)
    };
    let inside = |(k, _): &(usize, f64)| *k == largest;
    let own = places.indexed_iter().filter_map(|(p, place)| Some((p, place.filter(inside)?.1)));
    let Some((middle, _)) = own.reduce(|best, place| if depth(place) > depth(best) { place } else { best })
    else {
        return none;
    };
    Array2::from_shape_fn(params.scan, |p| {
        let off = (p.0 as f64 - middle.0 as f64).hypot(p.1 as f64 - middle.1 as f64);
        off <= core.radius && places[p].as_ref().is_some_and(inside)
    })
}

/// From −1 to 1 along a scan of `n`.
fn along(i: usize, n: usize) -> f64 {
    if n > 1 { 2.0 * i as f64 / (n - 1) as f64 - 1.0 } else { 0.0 }
}

fn direct_beam(params: &PolycrystalParams) -> Array3<f64> {
    let [ny, nx] = params.scan;
    Array3::from_shape_fn((ny, nx, 2), |(y, x, axis)| {
        let (uy, ux) = (along(y, ny), along(x, nx));
        let off = [0.8 * uy + 0.2 * (PI * ux).sin(), -0.8 * ux + 0.2 * (PI * uy).cos()];
        params.zero[axis] + params.descan * off[axis]
    })
}

/// 1 + thickness · f with f the mean of three waves, of up to two periods along the scan.
fn thickness(params: &PolycrystalParams) -> Array2<f64> {
    let rng = &mut stream(params.seed, Purpose::Thickness, 0);
    let waves: [[f64; 3]; 3] = std::array::from_fn(|_| {
        [rng.gen_range(-2.0..2.0), rng.gen_range(-2.0..2.0), rng.gen_range(0.0..2.0)]
    });
    let [ny, nx] = params.scan;
    Array2::from_shape_fn((ny, nx), |(y, x)| {
        let (uy, ux) = (along(y, ny), along(x, nx));
        let f: f64 = waves.iter().map(|[ky, kx, phase]| (PI * (ky * uy + kx * ux + phase)).cos()).sum();
        1.0 + params.brightness.thickness * f / 3.0
    })
}
