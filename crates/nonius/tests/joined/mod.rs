//! Numbers of one crate in the eyes of another.

use ndarray::Array3;
use nonius::blobfinder::{Lattice, StrainParams, strain};
use nonius::synthetic::{PolycrystalParams, PolycrystalScan};

#[test]
fn strain_of_true_lattices_is_the_true_strain() {
    let params = PolycrystalParams { scan: [9, 11], grains: 4, strain: 0.02, ..Default::default() };
    let made = PolycrystalScan::new(&params).unwrap();
    let truth = made.truth();
    let as_found = StrainParams { align: false, ..Default::default() };
    for ((y, x), phase) in truth.phases.indexed_iter() {
        let vector = |of: &Array3<f64>| [0, 1].map(|axis| of[[y, x, axis]]);
        let phase = &params.phases[phase.unwrap()];
        let reference = Lattice { zero: [0.0; 2], a: phase.a, b: phase.b };
        let lattice = Lattice { zero: vector(&truth.zero), a: vector(&truth.a), b: vector(&truth.b) };
        let found = strain(&lattice, None, &reference, &as_found).unwrap();
        let at = (y, x);
        for (found, expected) in [
            (found.xx, truth.strain_xx[at]),
            (found.yy, truth.strain_yy[at]),
            (found.xy, truth.strain_xy[at]),
            (found.rotation, truth.rotation[at]),
        ] {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }
}
