//! Deformations that are known because they were put there.

use ndarray::{Array3, Array4, array};
use nonius_blobfinder::{
    Lattice, LatticePoint, Loss, Strain, StrainAxes, StrainParams, StrainReference, UnimodularBasis,
    fit_lattice, index_grid, strain, strain_map,
};

use super::random::Random;

const REFERENCE: Lattice = Lattice { zero: [64.0, 64.0], a: [2.0, 18.0], b: [20.0, -3.0] };

/// The pattern of a crystal deformed by F (columns `(y, x)`): `g' = F⁻ᵀ g`.
fn deformed(lattice: &Lattice, f: [[f64; 2]; 2]) -> Lattice {
    let det = f[0][0] * f[1][1] - f[0][1] * f[1][0];
    let inverse_transpose = [[f[1][1] / det, -f[1][0] / det], [-f[0][1] / det, f[0][0] / det]];
    let apply =
        |v: [f64; 2]| [0, 1].map(|r: usize| inverse_transpose[r][0] * v[0] + inverse_transpose[r][1] * v[1]);
    Lattice { a: apply(lattice.a), b: apply(lattice.b), ..*lattice }
}

fn found(f: [[f64; 2]; 2], params: &StrainParams) -> Strain {
    strain(&deformed(&REFERENCE, f), None, &REFERENCE, params).unwrap()
}

#[track_caller]
fn assert_close(found: &Strain, expected: [f64; 4], tolerance: f64) {
    let values = [found.xx, found.yy, found.xy, found.rotation];
    for (v, e) in values.iter().zip(expected) {
        assert!((v - e).abs() <= tolerance, "{values:?}, expected {expected:?}");
    }
}

#[test]
fn a_stretch_is_a_stretch() {
    // Rows and columns are (y, x).
    assert_close(&found([[1.0, 0.0], [0.0, 1.03]], &StrainParams::default()), [0.03, 0.0, 0.0, 0.0], 1e-13);
    assert_close(&found([[0.98, 0.0], [0.0, 1.0]], &StrainParams::default()), [0.0, -0.02, 0.0, 0.0], 1e-13);
}

#[test]
fn a_larger_crystal_has_a_smaller_pattern() {
    let smaller = Lattice { a: REFERENCE.a.map(|v| 0.5 * v), b: REFERENCE.b.map(|v| 0.5 * v), ..REFERENCE };
    let params = StrainParams { align: false, ..StrainParams::default() };
    assert_close(&strain(&smaller, None, &REFERENCE, &params).unwrap(), [1.0, 1.0, 0.0, 0.0], 1e-13);
}

#[test]
fn a_rotation_is_no_strain() {
    for degrees in [-14.0_f64, 3.0, 11.0] {
        // From +x towards +y: x̂ = (0, 1) goes to (sin, cos).
        let (s, c) = degrees.to_radians().sin_cos();
        let turned = found([[c, s], [-s, c]], &StrainParams::default());
        assert_close(&turned, [0.0, 0.0, 0.0, degrees.to_radians()], 1e-13);
        // The same angle by which the vectors of the pattern turn.
        let lattice = deformed(&REFERENCE, [[c, s], [-s, c]]);
        let angle = lattice.a[0].atan2(lattice.a[1]) - REFERENCE.a[0].atan2(REFERENCE.a[1]);
        assert!((angle - turned.rotation).abs() < 1e-12);
    }
}

#[test]
fn simple_shear_is_half_strain_half_rotation_to_first_order() {
    // Columns move along x in proportion to y: x' = x + g y.
    let g = 1e-4;
    let sheared = found([[1.0, 0.0], [g, 1.0]], &StrainParams::default());
    assert_close(&sheared, [0.0, 0.0, g / 2.0, -g / 2.0], 2.0 * g * g);
}

#[test]
fn stretch_then_rotation_is_told_apart() {
    let u = [[1.02, 0.007], [0.007, 0.97]];
    let (s, c) = 0.1_f64.sin_cos();
    let r = [[c, s], [-s, c]];
    let f: [[f64; 2]; 2] =
        std::array::from_fn(|i| std::array::from_fn(|j| r[i][0] * u[0][j] + r[i][1] * u[1][j]));
    assert_close(&found(f, &StrainParams::default()), [-0.03, 0.02, 0.007, 0.1], 1e-13);
}

#[test]
fn axes_turn_with_the_frame_of_reference() {
    // Stretched by 4 % along the direction 30° from +x towards +y.
    let (s, c) = 30.0_f64.to_radians().sin_cos();
    let n = [s, c];
    let f: [[f64; 2]; 2] =
        std::array::from_fn(|i| std::array::from_fn(|j| f64::from(u8::from(i == j)) + 0.04 * n[i] * n[j]));
    let along = StrainParams { axes: StrainAxes::Angle(30.0), ..StrainParams::default() };
    assert_close(&found(f, &along), [0.04, 0.0, 0.0, 0.0], 1e-13);
    let plain = [0.04 * c * c, 0.04 * s * s, 0.04 * s * c, 0.0];
    assert_close(&found(f, &StrainParams::default()), plain, 1e-13);
    // Along a of the reference.
    let direction = REFERENCE.a[0].atan2(REFERENCE.a[1]).to_degrees();
    let by_angle = StrainParams { axes: StrainAxes::Angle(direction), ..StrainParams::default() };
    let along_a = StrainParams { axes: StrainAxes::AlongA, ..StrainParams::default() };
    let expected = found(f, &by_angle);
    assert_close(&found(f, &along_a), [expected.xx, expected.yy, expected.xy, expected.rotation], 1e-13);
}

#[test]
fn other_vectors_of_the_lattice_change_nothing() {
    let f = [[1.01, 0.004], [-0.006, 0.985]];
    let lattice = deformed(&REFERENCE, f);
    let mut covariance = [[0.0; 6]; 6];
    for k in 0..6 {
        covariance[k][k] = 1e-4;
    }
    let plain = strain(&lattice, Some(&covariance), &REFERENCE, &StrainParams::default()).unwrap();
    let basis = UnimodularBasis::new([[1, 2], [0, -1]]).unwrap();
    let other = strain(&basis.of(&lattice), None, &REFERENCE, &StrainParams::default()).unwrap();
    assert_close(&other, [plain.xx, plain.yy, plain.xy, plain.rotation], 1e-12);
}

#[test]
fn error_bars_are_those_of_a_monte_carlo() {
    let truth = deformed(&REFERENCE, [[1.012, 0.02], [-0.03, 0.985]]);
    let indices: Vec<[f64; 2]> = index_grid(-2..=2, -1..=2).into_iter().map(|i| i.map(f64::from)).collect();
    let params = StrainParams { axes: StrainAxes::Angle(20.0), align: true };
    let exact = strain(&truth, None, &REFERENCE, &params).unwrap();
    let exact = [exact.xx, exact.yy, exact.xy, exact.rotation];
    let basis = UnimodularBasis::new([[1, 1], [0, 1]]).unwrap();
    let sigma = [0.05, 0.08];
    for known in [true, false] {
        let (mut squares, mut claimed, mut within) = ([0.0; 4], [0.0; 4], [0; 4]);
        let draws = 4000;
        let mut random = Random(9);
        for draw in 0..draws {
            let points: Vec<LatticePoint> = indices
                .iter()
                .map(|&index| {
                    let p = truth.position(index);
                    let p = [p[0] + random.normal(sigma[0]), p[1] + random.normal(sigma[1])];
                    let point = LatticePoint::new(p);
                    let own = [[sigma[0] * sigma[0], 0.0], [0.0, sigma[1] * sigma[1]]];
                    if known { point.with_covariance(own) } else { point }
                })
                .collect();
            // Half of them by other vectors of the same lattice.
            let indices: Vec<[f64; 2]> =
                indices.iter().map(|&i| if draw % 2 == 0 { i } else { basis.indices(i) }).collect();
            let fit = fit_lattice(&points, &indices, Loss::Square).unwrap();
            let found = strain(&fit.lattice, Some(&fit.covariance), &REFERENCE, &params).unwrap();
            let values = [found.xx, found.yy, found.xy, found.rotation];
            for k in 0..4 {
                let error = values[k] - exact[k];
                squares[k] += error * error / f64::from(draws);
                claimed[k] += found.covariance[k][k] / f64::from(draws);
                within[k] += i32::from(error.abs() <= found.errors()[k]);
            }
        }
        for k in 0..4 {
            let ratio = (squares[k] / claimed[k]).sqrt();
            let coverage = f64::from(within[k]) / f64::from(draws);
            // 4000 draws: 1.1 % of a standard deviation, 0.7 % of coverage. Few degrees of freedom lower the second.
            let lowest = if known { 0.66 } else { 0.645 };
            assert!((ratio - 1.0).abs() < 0.04, "{known} {k}: {ratio}");
            assert!((lowest..0.705).contains(&coverage), "{known} {k}: {coverage}");
        }
    }
}

#[test]
fn maps_hold_what_single_lattices_do() {
    let (ny, nx) = (3, 4);
    let f = |y: usize, x: usize| [[1.0 + 0.01 * y as f64, 0.0], [0.002 * x as f64, 1.0]];
    let of = |y: usize, x: usize| deformed(&REFERENCE, f(y, x));
    let mut a = Array3::from_shape_fn((ny, nx, 2), |(y, x, k)| of(y, x).a[k]);
    let b = Array3::from_shape_fn((ny, nx, 2), |(y, x, k)| of(y, x).b[k]);
    a[[1, 2, 0]] = f64::NAN;
    let diagonal = |p: usize, q: usize| if p == q { 1e-4 } else { 0.0 };
    let covariance = Array4::from_shape_fn((ny, nx, 6, 6), |(_, _, p, q)| diagonal(p, q)).into_dyn();
    let params = StrainParams::default();
    let reference = StrainReference::Lattice(REFERENCE);
    let (da, db) = (a.view().into_dyn(), b.view().into_dyn());
    let map = strain_map(da.clone(), db.clone(), Some(covariance.view()), &reference, &params).unwrap();
    assert_eq!((map.xx.shape(), map.errors.shape()), (&[3, 4][..], &[3, 4, 4][..]));
    for y in 0..ny {
        for x in 0..nx {
            let single = [[0.0; 6]; 6];
            let expected = strain(&of(y, x), Some(&single), &REFERENCE, &params).unwrap();
            if (y, x) == (1, 2) {
                assert!(map.xx[[y, x]].is_nan() && map.errors[[y, x, 3]].is_nan());
            } else {
                assert_eq!(map.yy[[y, x]], expected.yy);
                assert_eq!(map.rotation[[y, x]], expected.rotation);
                assert!(map.errors[[y, x, 0]] > 0.0);
            }
        }
    }
    // The region decides what is not strained.
    let region = ndarray::Array2::from_shape_fn((ny, nx), |(y, x)| y == 2 && x == 1);
    for reference in [
        StrainReference::Median(Some(region.view().into_dyn())),
        StrainReference::Mean(Some(region.view().into_dyn())),
    ] {
        let map = strain_map(da.clone(), db.clone(), None, &reference, &params).unwrap();
        assert!(map.yy[[2, 1]].abs() < 1e-14 && map.yy[[0, 1]] < -0.015);
        assert!(map.errors.iter().all(|e| e.is_nan()));
    }
    let median = strain_map(da.clone(), db.clone(), None, &StrainReference::Median(None), &params).unwrap();
    assert!(median.yy[[1, 0]].abs() < 1e-3);
}

#[test]
fn bad_input_has_an_outcome() {
    let params = StrainParams::default();
    let flat = Lattice { b: REFERENCE.a, ..REFERENCE };
    assert!(strain(&REFERENCE, None, &flat, &params).is_err());
    assert!(strain(&REFERENCE, None, &Lattice::INVALID, &params).is_err());
    assert!(strain(&flat, None, &REFERENCE, &params).unwrap().xx.is_nan());
    assert!(strain(&Lattice::INVALID, None, &REFERENCE, &params).unwrap().rotation.is_nan());
    // Another lattice altogether.
    let other = Lattice { a: [0.0, 31.0], b: [45.0, 0.0], ..REFERENCE };
    assert!(strain(&other, None, &REFERENCE, &params).unwrap().xx.is_nan());
    let angle = StrainParams { axes: StrainAxes::Angle(f64::NAN), ..params };
    assert!(strain(&REFERENCE, None, &REFERENCE, &angle).is_err());
    let unknown = strain(&REFERENCE, Some(&[[f64::NAN; 6]; 6]), &REFERENCE, &params).unwrap();
    assert!(unknown.xx.abs() < 1e-15 && unknown.errors()[0].is_nan());

    let pairs = array![[0.0, 18.0], [f64::NAN, 1.0]].into_dyn();
    let short = array![[20.0, 0.0]].into_dyn();
    let lattice = StrainReference::Lattice(REFERENCE);
    assert!(strain_map(pairs.view(), short.view(), None, &lattice, &params).is_err());
    let covariance = Array4::<f64>::zeros((2, 1, 6, 6)).into_dyn();
    assert!(strain_map(pairs.view(), pairs.view(), Some(covariance.view()), &lattice, &params).is_err());
    let region = array![true].into_dyn();
    let wrong = StrainReference::Median(Some(region.view()));
    assert!(strain_map(pairs.view(), pairs.view(), None, &wrong, &params).is_err());
    // No valid lattice, or an empty scan.
    assert!(strain_map(pairs.view(), pairs.view(), None, &StrainReference::Mean(None), &params).is_err());
    let empty = Array3::<f64>::zeros((0, 4, 2)).into_dyn();
    assert_eq!(strain_map(empty.view(), empty.view(), None, &lattice, &params).unwrap().xx.len(), 0);
    assert!(strain_map(empty.view(), empty.view(), None, &StrainReference::Median(None), &params).is_err());
}
