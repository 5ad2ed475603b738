//! Lattices that are known because their points were put there.

use nonius_blobfinder::{
    AffineTransformation, CovarianceSource, DistanceRule, Lattice, LatticePoint, LatticeSearchParams, Loss,
    MatchParams, MatchStatus, UnimodularBasis, ZeroRule, affine_match, assign_indices, cartesian, fast_match,
    fit_lattice, index_grid, polar, search_lattices,
};

use super::random::Random;

const TRUTH: Lattice = Lattice { zero: [64.3, 63.2], a: [16.4, 2.2], b: [-1.3, 17.6] };

fn grid(reach: i32) -> Vec<[f64; 2]> {
    index_grid(-reach..=reach, -reach..=reach).into_iter().map(|i| i.map(f64::from)).collect()
}

fn points(indices: &[[f64; 2]]) -> Vec<LatticePoint> {
    indices.iter().map(|&i| LatticePoint::new(TRUTH.position(i))).collect()
}

#[track_caller]
fn assert_near(found: &Lattice, expected: &Lattice, tolerance: f64) {
    let parts = |l: &Lattice| [l.zero, l.a, l.b];
    for (f, e) in parts(found).as_flattened().iter().zip(parts(expected).as_flattened()) {
        assert!((f - e).abs() <= tolerance, "{found:?}, expected {expected:?}");
    }
}

#[test]
fn fractional_indices_come_back() {
    for index in [[0.5, -0.25], [-3.0, 7.0], [0.0, 0.0]] {
        let back = TRUTH.indices(TRUTH.position(index)).unwrap();
        assert!((0..2).all(|k| (back[k] - index[k]).abs() < 1e-13));
    }
    assert!(Lattice { b: [32.8, 4.4], ..TRUTH }.indices([0.0, 0.0]).is_err());
    // Parallel to rounding, however long the vectors.
    let long = Lattice { zero: [0.0; 2], a: [1e8, 1e8], b: [1e8, 1e8 * (1.0 + 1e-12)] };
    assert!(long.indices([0.0, 0.0]).is_err());
    // A small but regular cell.
    assert!(Lattice { zero: [0.0; 2], a: [1e-9, 0.0], b: [0.0, 1e-9] }.indices([1.0, 1.0]).is_ok());
}

#[test]
fn directions_are_measured_from_x_towards_y() {
    assert_eq!(polar([0.0, 2.0]), [2.0, 0.0]);
    assert_eq!(polar([2.0, 0.0]), [2.0, std::f64::consts::FRAC_PI_2]);
    let back = cartesian(polar([-3.0, 4.0]));
    assert!((back[0] + 3.0).abs() < 1e-14 && (back[1] - 4.0).abs() < 1e-14);
}

#[test]
fn the_two_rules_of_distance_differ_where_they_should() {
    let oblique = Lattice { zero: [0.0; 2], a: [0.0, 10.0], b: [6.0, 8.0] };
    // Half an index off along a, as much back along b: 2.2 px away in the plane, 5 px in each index.
    let point = [oblique.position([0.4, -0.4])];
    let of = |rule| assign_indices(&point, &oblique, 3.0, rule).unwrap();
    assert_eq!(of(DistanceRule::Euclidean), [Some([0, 0])]);
    assert_eq!(of(DistanceRule::IndexScaled), [None]);
    // Index 16 along a: four times as lenient.
    let far = [oblique.position([16.35, 0.0])];
    assert_eq!(assign_indices(&far, &oblique, 3.0, DistanceRule::IndexScaled).unwrap(), [Some([16, 0])]);
    assert_eq!(assign_indices(&far, &oblique, 3.0, DistanceRule::Euclidean).unwrap(), [None]);
    assert_eq!(assign_indices(&[[f64::NAN, 0.0]], &oblique, 3.0, DistanceRule::Euclidean).unwrap(), [None]);
    assert!(assign_indices(&far, &oblique, 0.0, DistanceRule::Euclidean).is_err());
}

#[test]
fn rank_is_what_the_points_fix() {
    let rank = |indices: &[[f64; 2]]| fit_lattice(&points(indices), indices, Loss::Square).unwrap().rank;
    assert_eq!(rank(&[]), 0);
    assert_eq!(rank(&[[1.0, 2.0]]), 1);
    assert_eq!(rank(&[[1.0, 2.0], [1.0, 2.0]]), 1);
    assert_eq!(rank(&[[0.0, 1.0], [1.0, 2.0]]), 2);
    assert_eq!(rank(&[[0.0, 1.0], [1.0, 2.0], [2.0, 3.0], [7.0, 8.0]]), 2);
    assert_eq!(rank(&[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), 3);
    let line: Vec<[f64; 2]> = (0..5).map(|k| [f64::from(k), f64::from(2 * k)]).collect();
    let on_line = affine_match(&points(&line), &line, Loss::Square).unwrap();
    assert_eq!((on_line.status, on_line.rank), (MatchStatus::RankDeficient, 2));
    assert!(!on_line.lattice.is_finite() && on_line.error.is_infinite() && on_line.calculated.is_empty());
}

#[test]
fn offsets_in_pixels_give_the_distortion() {
    let offsets: Vec<[f64; 2]> = grid(3).iter().map(|i| [100.0 * i[0], 120.0 * i[1]]).collect();
    let distortion = Lattice { zero: [512.0, 500.0], a: [1.01, 0.002], b: [-0.003, 0.99] };
    let points: Vec<_> = offsets.iter().map(|&o| LatticePoint::new(distortion.position(o))).collect();
    let found = affine_match(&points, &offsets, Loss::Square).unwrap();
    assert_near(&found.lattice, &distortion, 1e-11);
}

#[test]
fn points_that_are_none_are_left_out() {
    let mut given = points(&grid(2));
    given[3].position = [f64::NAN, 1.0];
    given[5].weight = f64::INFINITY;
    given[7].weight = f64::NAN;
    given[8].weight = -2.0;
    given[9].weight = 0.0;
    for found in [
        fast_match(&given, &TRUTH, &MatchParams { min_weight: f64::NEG_INFINITY, ..Default::default() })
            .unwrap(),
        affine_match(&given, &grid(2), Loss::Square).unwrap(),
        affine_match(&given, &grid(2), Loss::Huber { k: 1.345 }).unwrap(),
    ] {
        assert_near(&found.lattice, &TRUTH, 1e-10);
        let left_out: Vec<usize> = (0..25).filter(|&k| !found.selector[k]).collect();
        assert_eq!(left_out, [3, 5, 7, 8, 9]);
    }
}

#[test]
fn a_start_that_leads_nowhere_is_a_status() {
    let given = points(&grid(2));
    let status = |start: &Lattice, params: &MatchParams| fast_match(&given, start, params).unwrap().status;
    let plain = MatchParams::default();
    assert_eq!(status(&Lattice::INVALID, &plain), MatchStatus::BadStart);
    assert_eq!(status(&Lattice { b: TRUTH.a, ..TRUTH }, &plain), MatchStatus::BadStart);
    assert_eq!(status(&Lattice { zero: [72.0, 72.0], ..TRUTH }, &plain), MatchStatus::TooFewPoints);
    assert_eq!(status(&TRUTH, &MatchParams { min_match: 26, ..plain }), MatchStatus::TooFewPoints);
    assert_eq!(fast_match(&[], &TRUTH, &plain).unwrap().status, MatchStatus::TooFewPoints);
    let line = points(&[[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [3.0, 0.0]]);
    assert_eq!(fast_match(&line, &TRUTH, &plain).unwrap().status, MatchStatus::RankDeficient);
    for params in [
        MatchParams { tolerance: f64::NAN, ..plain },
        MatchParams { tolerance: 0.0, ..plain },
        MatchParams { min_match: 0, ..plain },
        MatchParams { min_weight: f64::NAN, ..plain },
        MatchParams { loss: Loss::Huber { k: -1.0 }, ..plain },
    ] {
        assert!(fast_match(&given, &TRUTH, &params).is_err(), "{params:?}");
    }
    assert!(affine_match(&given, &grid(1), Loss::Square).is_err());
}

#[test]
fn huber_s_loss_bounds_the_pull_of_a_stray_point() {
    let indices = grid(2);
    let mut random = Random(4);
    let mut given = points(&indices);
    for p in &mut given {
        p.position = p.position.map(|v| v + random.normal(0.05));
    }
    given[24].position[0] += 6.0;
    let error = |loss| {
        let l = fit_lattice(&given, &indices, loss).unwrap().lattice;
        (l.zero[0] - TRUTH.zero[0]).abs() + (l.a[0] - TRUTH.a[0]).abs()
    };
    let (square, huber) = (error(Loss::Square), error(Loss::Huber { k: 1.345 }));
    assert!(square > 0.2 && huber < 0.05, "{square} {huber}");
    // Without noise the stray point has no weight at all.
    let mut exact = points(&indices);
    exact[24].position[0] += 6.0;
    let fit = fit_lattice(&exact, &indices, Loss::Huber { k: 1.345 }).unwrap();
    assert_near(&fit.lattice, &TRUTH, 1e-9);
}

/// Errors of fits over their error bars, and how often the bars hold the truth.
fn coverage(loss: Loss, known: bool, weighted: bool, stray: f64) -> ([f64; 6], [f64; 6]) {
    let indices = grid(2);
    let draws = 3000;
    let mut random = Random(17);
    let (mut squares, mut claimed, mut within) = ([0.0; 6], [0.0; 6], [0.0; 6]);
    for _ in 0..draws {
        let given: Vec<LatticePoint> = indices
            .iter()
            .map(|&i| {
                let weight = if weighted { random.uniform(0.3, 3.0) } else { 1.0 };
                let sigma = 0.2 / f64::sqrt(weight);
                let wide = if random.uniform(0.0, 1.0) < stray { 5.0 } else { 1.0 };
                let p = TRUTH.position(i).map(|v| v + random.normal(sigma * wide));
                let point = LatticePoint::new(p).with_weight(weight);
                let own = [[sigma * sigma, 0.0], [0.0, sigma * sigma]];
                if known { point.with_covariance(own) } else { point }
            })
            .collect();
        let fit = fit_lattice(&given, &indices, loss).unwrap();
        let source = if known { CovarianceSource::Points } else { CovarianceSource::Residuals };
        assert_eq!(fit.covariance_source, source);
        let parts = |l: &Lattice| [l.zero, l.a, l.b];
        for k in 0..6 {
            let error = parts(&fit.lattice).as_flattened()[k] - parts(&TRUTH).as_flattened()[k];
            squares[k] += error * error / f64::from(draws);
            claimed[k] += fit.covariance[k][k] / f64::from(draws);
            within[k] += f64::from(u8::from(error * error <= fit.covariance[k][k])) / f64::from(draws);
        }
    }
    (std::array::from_fn(|k| (squares[k] / claimed[k]).sqrt()), within)
}

#[test]
fn error_bars_of_a_fit_hold_the_truth_as_often_as_they_say() {
    for (loss, known, weighted, stray) in [
        (Loss::Square, true, false, 0.0),
        (Loss::Square, true, true, 0.0),
        (Loss::Square, false, false, 0.0),
        (Loss::Square, false, true, 0.0),
        (Loss::Huber { k: 1.345 }, false, false, 0.0),
        (Loss::Huber { k: 1.345 }, false, true, 0.1),
    ] {
        let (ratios, within) = coverage(loss, known, weighted, stray);
        for k in 0..6 {
            // 3000 draws: 1.3 % and 0.85 % standard error; 22 degrees of freedom lower the coverage to 67 %.
            let allowed = if loss == Loss::Square { 0.06 } else { 0.1 };
            assert!((ratios[k] - 1.0).abs() < allowed, "{loss:?} {known} {weighted} {k}: {ratios:?}");
            assert!((0.64..0.71).contains(&within[k]), "{loss:?} {known} {weighted} {k}: {within:?}");
        }
    }
}

#[test]
fn reduced_chi2_is_about_one() {
    let indices = grid(4);
    let mut random = Random(23);
    let given: Vec<LatticePoint> = indices
        .iter()
        .map(|&i| {
            let p = TRUTH.position(i).map(|v| v + random.normal(0.3));
            LatticePoint::new(p).with_covariance([[0.09, 0.0], [0.0, 0.09]])
        })
        .collect();
    let fit = fit_lattice(&given, &indices, Loss::Square).unwrap();
    // 156 degrees of freedom: standard deviation 0.11.
    assert!((fit.reduced_chi2 - 1.0).abs() < 0.35, "{}", fit.reduced_chi2);
    assert!(fit_lattice(&points(&indices), &indices, Loss::Square).unwrap().reduced_chi2.is_nan());
}

#[test]
fn a_match_moves_to_another_zero_and_other_vectors() {
    let found = fast_match(&points(&grid(2)), &TRUTH, &MatchParams::default()).unwrap();
    let moved = found.with_zero_at([1.0, -1.0]);
    assert_near(&moved.lattice, &Lattice { zero: TRUTH.position([1.0, -1.0]), ..TRUTH }, 1e-9);
    let basis = UnimodularBasis::new([[1, 1], [0, 1]]).unwrap();
    let sheared = moved.in_basis(basis);
    for (index, at) in sheared.indices.iter().zip(&found.calculated) {
        let p = sheared.lattice.position(*index);
        assert!((0..2).all(|x| (p[x] - at[x]).abs() < 1e-9));
    }
    assert_eq!(moved.indices[0], [found.indices[0][0] - 1.0, found.indices[0][1] + 1.0]);
    assert_eq!(found.positions(None, true, None).len(), 24);
    assert_eq!(found.positions(Some(&[[0.0, 0.0], [9.0, 0.0]]), false, Some(((128, 128), 5.0))).len(), 1);
}

#[test]
fn the_covariance_moves_along() {
    let noisy = |seed| {
        let mut random = Random(seed);
        let move_it = |&i: &[f64; 2]| LatticePoint::new(TRUTH.position(i).map(|v| v + random.normal(0.1)));
        grid(2).iter().map(move_it).collect::<Vec<_>>()
    };
    let given = noisy(3);
    let found = fast_match(&given, &TRUTH, &MatchParams::default()).unwrap();
    let basis = UnimodularBasis::new([[1, 1], [0, 1]]).unwrap();
    let moved = found.with_zero_at([2.0, -1.0]).in_basis(basis);
    // The same as fitting with those indices.
    let again = affine_match(&given, &moved.indices, Loss::Square).unwrap();
    assert_near(&moved.lattice, &again.lattice, 1e-9);
    for p in 0..6 {
        for q in 0..6 {
            assert!((moved.covariance[p][q] - again.covariance[p][q]).abs() < 1e-12);
        }
    }
}

#[test]
fn a_transformation_that_leaves_no_point_has_no_fixed_point() {
    let from = [[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [7.0, 8.0]];
    let to = from.map(|p| [p[0] + 1.0, p[1] - 2.0]);
    let shift = AffineTransformation::fit(&from, &to, None, [5.0, 5.0]).unwrap();
    let p = shift.apply([3.0, 4.0]);
    assert!((p[0] - 4.0).abs() < 1e-12 && (p[1] - 2.0).abs() < 1e-12);
    let exact =
        AffineTransformation { matrix: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, -2.0, 1.0]], ..shift };
    assert!(exact.fixed_point().is_err());
    assert!(AffineTransformation::fit(&from, &to[..3], None, [0.0; 2]).is_err());
    assert!(AffineTransformation::fit(&from, &to, Some(&[1.0]), [0.0; 2]).is_err());
    assert!(AffineTransformation::fit(&from, &to, None, [f64::NAN, 0.0]).is_err());
    assert!(AffineTransformation::fit(&[], &[], None, [0.0; 2]).unwrap().apply([1.0, 2.0])[0].is_finite());
}

fn search(points: &[LatticePoint], params: &LatticeSearchParams) -> Vec<Lattice> {
    let found = search_lattices(points, params).unwrap();
    found.lattices.into_iter().map(|l| l.matched.lattice).collect()
}

#[test]
fn nothing_is_found_where_nothing_is() {
    let of = |positions: &[[f64; 2]]| -> Vec<LatticePoint> {
        positions.iter().map(|&p| LatticePoint::new(p)).collect()
    };
    let any = LatticeSearchParams { max_accidental: f64::INFINITY, min_match: 3, ..Default::default() };
    let line: Vec<[f64; 2]> =
        (0..12).map(|k| [10.0 + 3.0 * f64::from(k), 20.0 + 7.0 * f64::from(k)]).collect();
    for positions in [vec![], vec![[1.0, 2.0]], vec![[1.0, 2.0], [5.0, 3.0]], vec![[3.0, 3.0]; 20], line] {
        for params in [&LatticeSearchParams::default(), &any] {
            assert!(search(&of(&positions), params).is_empty(), "{positions:?}");
        }
    }
    let bad = [[f64::NAN, 1.0], [f64::INFINITY, 2.0], [1.0, 1.0], [2.0, 9.0], [3.0, f64::NAN]];
    let found = search_lattices(&of(&bad), &any).unwrap();
    assert!(found.lattices.is_empty());
    assert_eq!(found.weak, [true, true, false, false, true]);
    assert_eq!(found.unmatched, [false, false, true, true, false]);
}

#[test]
fn three_points_make_a_lattice_for_who_insists() {
    let corner = points(&[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]);
    assert!(search(&corner, &LatticeSearchParams::default()).is_empty());
    let any = LatticeSearchParams { max_accidental: f64::INFINITY, min_match: 3, ..Default::default() };
    let found = search(&corner, &any);
    assert!(found.len() == 1 && found[0].is_equivalent(&TRUTH, 1e-9), "{found:?}");
}

#[test]
fn the_primitive_cell_is_taken_whatever_points_are_missing() {
    // Every other point of a row, so that both halves of the cell are seen only in part.
    let sparse: Vec<[f64; 2]> =
        grid(3).into_iter().filter(|i| (i[0] + 2.0 * i[1]).rem_euclid(5.0) != 3.0).collect();
    let found = search(&points(&sparse), &LatticeSearchParams::default());
    assert!(found.len() == 1 && found[0].is_equivalent(&TRUTH, 1e-6));
    // A checkerboard is a lattice of its own.
    let board: Vec<[f64; 2]> = grid(3).into_iter().filter(|i| (i[0] + i[1]).rem_euclid(2.0) == 0.0).collect();
    let found = search(&points(&board), &LatticeSearchParams::default());
    assert!((found[0].signed_area() / TRUTH.signed_area().abs() - 2.0).abs() < 1e-6, "{found:?}");
}

#[test]
fn doubled_points_make_no_second_lattice() {
    let mut doubled = points(&grid(2));
    doubled.extend(
        points(&grid(2))
            .into_iter()
            .map(|p| LatticePoint { position: [p.position[0] + 1.0, p.position[1]], ..p }),
    );
    let found = search_lattices(&doubled, &LatticeSearchParams::default()).unwrap();
    assert_eq!(found.lattices.len(), 1, "{:?}", found.lattices);
    assert_eq!(found.lattices[0].matched.n_points(), 25);
}

#[test]
fn the_zero_follows_its_rule() {
    // 5 × 4 points: i from −2 to 2, j from −1 to 2; the strongest at (1, 1).
    let indices: Vec<[f64; 2]> = index_grid(-2..=2, -1..=2).into_iter().map(|i| i.map(f64::from)).collect();
    let mut given = points(&indices);
    let strongest = indices.iter().position(|i| *i == [1.0, 1.0]).unwrap();
    given[strongest].weight = 3.0;
    let zero = |rule, given: &[LatticePoint]| {
        let found = search(given, &LatticeSearchParams { zero: rule, ..Default::default() });
        TRUTH.indices(found[0].zero).unwrap().map(f64::round)
    };
    assert_eq!(zero(ZeroRule::First, &given), [-2.0, -1.0]);
    assert_eq!(zero(ZeroRule::Strongest, &given), [1.0, 1.0]);
    // A place without a point, and the nearest point to it.
    let beyond = TRUTH.position([-3.1, 0.1]);
    assert_eq!(zero(ZeroRule::Given(beyond), &given), [-3.0, 0.0]);
    assert_eq!(zero(ZeroRule::Nearest(beyond), &given), [-2.0, 0.0]);
    // Symmetric about (0, 0), which a beam stop hides, but for one corner.
    let symmetric: Vec<[f64; 2]> =
        grid(2).into_iter().filter(|i| *i != [0.0, 0.0] && *i != [2.0, 2.0]).collect();
    assert_eq!(zero(ZeroRule::Symmetric, &points(&symmetric)), [0.0, 0.0]);
    let params = LatticeSearchParams { zero: ZeroRule::Given([f64::NAN, 0.0]), ..Default::default() };
    assert!(search_lattices(&given, &params).is_err());
}

#[test]
fn superposed_lattices_share_their_zero() {
    let other = Lattice { a: [7.0, 21.0], b: [-24.0, 9.0], ..TRUTH };
    let mut given = points(&grid(2));
    let second = grid(2).into_iter().filter(|i| *i != [0.0, 0.0]);
    given.extend(second.map(|i| LatticePoint::new(other.position(i))));
    given.swap(0, 12);
    let found = search_lattices(&given, &LatticeSearchParams::default()).unwrap();
    assert_eq!(found.lattices.len(), 2);
    for truth in [TRUTH, other] {
        let own = found.lattices.iter().find(|l| l.matched.lattice.is_equivalent(&truth, 1e-6)).unwrap();
        assert_eq!(own.matched.n_points(), 25);
        assert!(own.matched.selector[0] && own.log10_accidental < -20.0);
    }
    assert!(found.unmatched.iter().all(|u| !u));
}

#[test]
fn parameters_out_of_range_are_refused() {
    let plain = LatticeSearchParams::default;
    for params in [
        LatticeSearchParams { tolerance: -1.0, ..plain() },
        LatticeSearchParams { tolerance: f64::INFINITY, ..plain() },
        LatticeSearchParams { min_weight: f64::NAN, ..plain() },
        LatticeSearchParams { min_match: 2, ..plain() },
        LatticeSearchParams { min_length: -1.0, ..plain() },
        LatticeSearchParams { min_length: 9.0, max_length: Some(8.0), ..plain() },
        LatticeSearchParams { max_accidental: 0.0, ..plain() },
        LatticeSearchParams { max_candidates: 1, ..plain() },
        LatticeSearchParams { candidates: vec![[f64::NAN, 1.0]], ..plain() },
        LatticeSearchParams { loss: Loss::Huber { k: f64::NAN }, ..plain() },
    ] {
        assert!(search_lattices(&points(&grid(1)), &params).is_err(), "{params:?}");
    }
}

#[test]
fn length_limits_are_kept() {
    let found = |params: LatticeSearchParams| search(&points(&grid(2)), &params);
    assert_eq!(
        found(LatticeSearchParams { min_length: 15.0, max_length: Some(20.0), ..Default::default() }).len(),
        1
    );
    for l in found(LatticeSearchParams { min_length: 20.0, ..Default::default() }) {
        assert!(l.a[0].hypot(l.a[1]) >= 20.0);
    }
    assert!(found(LatticeSearchParams { max_length: Some(10.0), ..Default::default() }).is_empty());
}
