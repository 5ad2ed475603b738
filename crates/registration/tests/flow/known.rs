//! Displacements known by construction.

use ndarray::Array2;
use nonius_registration::flow::warp;

use super::{Method, displaced, end_point_error, rotation, wavy};

/// Mean end-point error at least `margin` px from the border, beyond where content enters and leaves.
#[track_caller]
fn check(margin: usize, field: impl Fn(f64, f64) -> [f64; 2], errors: [f64; 2]) {
    let (reference, moving, truth) = displaced::<f32>((120, 141), field);
    for (method, most) in Method::both().into_iter().zip(errors) {
        let flow = method.run(reference.view(), moving.view()).unwrap();
        let error = end_point_error(&flow.displacement, &truth, margin);
        assert!(error <= most, "{method:?}: end-point error {error} px");
    }
}

// The bounds for TV-L1 and Lucas–Kanade are what linear interpolation, smoothness (the former) and
// the field's variation inside the window (the latter) leave, as measured, plus about a quarter.
// scikit-image has the same errors on these images to the third digit.
#[test]
fn constant_shift_has_the_sign_of_the_displacement() {
    check(20, |_, _| [1.25, -0.5], [0.03, 0.015]);
}

#[test]
fn smooth_field() {
    check(20, wavy, [0.06, 0.08]);
}

#[test]
fn rotation_by_a_few_degrees() {
    check(20, rotation(3.0, (60.0, 70.0)), [0.04, 0.15]);
}

#[test]
fn large_shift_through_the_pyramid() {
    // Lucas–Kanade loses some windows that content has left by half.
    check(35, |_, _| [-7.0, 9.5], [0.03, 0.02]);
}

#[test]
fn warping_by_the_flow_brings_moving_onto_reference() {
    let (reference, moving, _) = displaced::<f64>((80, 90), wavy);
    let before = (&moving - &reference).mapv(|d| d * d).mean().unwrap().sqrt();
    for method in Method::both() {
        let flow = method.run(reference.view(), moving.view()).unwrap();
        let onto = warp(moving.view(), flow.displacement.view()).unwrap();
        let after = (&onto - &reference).mapv(|d| d * d).mean().unwrap().sqrt();
        assert!((after - flow.residual).abs() < 1e-12, "{method:?}: {after}, not {}", flow.residual);
        assert!(after < 0.2 * before, "{method:?}: {before} before, {after} after");
    }
}

#[test]
fn identical_and_constant_images_do_not_move() {
    let (reference, ..) = displaced::<f32>((40, 50), wavy);
    let constant = Array2::from_elem((40, 50), 7.0_f32);
    for method in Method::both() {
        let same = method.run(reference.view(), reference.view()).unwrap();
        assert!(same.displacement.iter().all(|&u| u == 0.0) && same.residual == 0.0);
        for other in [constant.clone(), Array2::from_elem((40, 50), 8.0)] {
            let flow = method.run(constant.view(), other.view()).unwrap();
            assert!(flow.displacement.iter().all(|&u| u == 0.0));
            assert_eq!(flow.residual, f64::from(other[[0, 0]] - 7.0));
            let undetermined = flow.levels.last().unwrap().undetermined;
            let all = if matches!(method, Method::Tvl1(_)) { 0 } else { 40 * 50 };
            assert_eq!(undetermined, all);
        }
    }
}

#[test]
fn stripes_leave_every_window_of_lucas_kanade_undetermined() {
    // Along the stripes nothing tells the displacement.
    let stripes = |shift: f64| Array2::from_shape_fn((40, 40), |(y, _)| (0.3 * y as f64 - shift).sin());
    let flow = Method::both()[1].run(stripes(0.0).view(), stripes(0.2).view()).unwrap();
    assert_eq!(flow.levels.last().unwrap().undetermined, 1600);
    assert!(flow.displacement.iter().all(|&u| u == 0.0));
    // TV-L1 gives the component across them and leaves the other alone.
    let flow = Method::both()[0].run(stripes(0.0).view(), stripes(0.2).view()).unwrap();
    let [across, along] = [0, 1].map(|c| flow.displacement[[c, 20, 20]]);
    assert!((across - 0.2 / 0.3).abs() < 0.05 && along == 0.0, "across {across}, along {along}");
}
