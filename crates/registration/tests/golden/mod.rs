//! Numbers of other programs: `testdata/registration`, whose README names the programs.

#[path = "../../../../testdata/golden.rs"]
pub(crate) mod cases;

use cases::{Case, each};
use ndarray::{ArrayD, Ix2, IxDyn};
use nonius_registration::{
    CorrelationBoundary, Element, MaskedParams, Method, PeakShift, PhaseCorrelationParams, Refinement, Space,
    Status, correlate, cross_correlation_shifts, masked_correlation, phase_cross_correlation,
    register_images, register_masked,
};

#[test]
fn correlation_maps() {
    each("correlate2d", |case| {
        let word = case.param("boundary").as_str().expect("a boundary");
        let boundary: CorrelationBoundary = word.parse().unwrap();
        let map = if case.is_complex("a") {
            correlate(case.complex::<Ix2>("a").view(), case.complex("b").view(), boundary)
        } else {
            correlate(case.real::<Ix2>("a").view(), case.real("b").view(), boundary)
        };
        case.all_close("map", &map.unwrap(), &case.real("map"));
    });
}

#[test]
fn second_order_peaks() {
    each("taylor", |case| {
        let [reference, moving] = ["reference", "moving"].map(|name| case.real::<Ix2>(name));
        let found = cross_correlation_shifts(reference.view(), moving.view(), None).unwrap();
        peak(case, found, ["dy_corrected", "dx_corrected"]);
    });
}

#[test]
fn registered_images() {
    each("register_images", |case| {
        let [reference, moving] = ["reference", "moving"].map(|name| case.real::<Ix2>(name));
        let factor = case.param("upsample_factor").as_f64().expect("a factor");
        let found = register_images(reference.view(), moving.view(), factor, None).unwrap();
        peak(case, found, ["dy", "dx"]);
        for axis in 0..2 {
            let step = if factor == 1.0 { 1.0 } else { (1.0 / factor).max(0.1) };
            assert!((found.shift[axis] - case.truth()[axis]).abs() <= step, "{}: not the truth", case.id());
        }
    });
}

#[track_caller]
fn peak(case: &Case<'_>, found: PeakShift, names: [&str; 2]) {
    assert_eq!(found.status, Status::Converged, "{}", case.id());
    for (shift, name) in found.shift.into_iter().zip(names) {
        case.close(name, shift, case.number(name));
    }
}

#[test]
fn phase_correlation() {
    each("phase_cc", |case| {
        if case.is_complex("reference") {
            let [reference, moving] = ["reference", "moving"].map(|name| case.complex::<IxDyn>(name));
            check_phase_correlation(case, &reference, &moving);
        } else {
            let [reference, moving] = ["reference", "moving"].map(|name| case.real::<IxDyn>(name));
            check_phase_correlation(case, &reference, &moving);
        }
    });
}

fn check_phase_correlation<T: Element>(case: &Case<'_>, reference: &ArrayD<T>, moving: &ArrayD<T>) {
    let params = PhaseCorrelationParams {
        upsample_factor: case.param("upsample_factor").as_f64().expect("a factor"),
        method: match case.param("normalization").as_str() {
            None => Method::Cross,
            Some("phase") => Method::Phase,
            Some(other) => panic!("{}: no normalization {other}", case.id()),
        },
        space: match case.param("space").as_str() {
            None | Some("real") => Space::Real,
            Some("fourier") => Space::Fourier,
            Some(other) => panic!("{}: no space {other}", case.id()),
        },
    };
    let found = phase_cross_correlation(reference.view(), moving.view(), &params).unwrap();
    assert_eq!(found.status, Status::Converged, "{}", case.id());
    let expected = case.numbers("shift_to_apply_to_moving");
    assert_eq!(found.shift.len(), expected.len(), "{}", case.id());
    for (shift, expected) in found.shift.iter().zip(expected) {
        case.close("shift", *shift, -expected);
    }
    // The error that the program gives for normalised spectra says nothing and is not reproduced.
    if case.status() == "match" {
        case.close("error", found.error, case.number("error"));
        case.close("phase difference", found.phase_difference, case.number("phase_difference"));
    } else {
        assert!(found.error < 1.0, "{}: error {}", case.id(), found.error);
    }
}

#[test]
fn masked_maps() {
    each("masked", |case| {
        let [reference, moving] = ["reference", "moving"].map(|name| case.real::<Ix2>(name));
        let [reference_mask, moving_mask] =
            ["reference_mask", "moving_mask"].map(|name| case.real::<Ix2>(name).mapv(|v| v != 0.0));
        let overlap_ratio = case.param("overlap_ratio").as_f64().expect("a ratio");
        let masks = [Some(reference_mask.view()), Some(moving_mask.view())];
        let found =
            masked_correlation(reference.view(), moving.view(), masks[0], masks[1], overlap_ratio).unwrap();
        case.all_close("map", &found.map, &case.real("ncc"));
        let expected: Vec<f64> = case.numbers("shift_to_apply_to_moving").iter().map(|d| -d).collect();
        let best = found.map.indexed_iter().max_by(|a, b| a.1.total_cmp(b.1)).expect("a map").0;
        for axis in 0..2 {
            case.close("largest coefficient at", found.lag(best)[axis] as f64, expected[axis]);
        }
        let params = MaskedParams { overlap_ratio, refinement: Refinement::WholePixel, ..Default::default() };
        let whole = register_masked(reference.view(), moving.view(), masks[0], masks[1], &params).unwrap();
        for axis in 0..2 {
            case.close("shift", whole.shift[axis], expected[axis]);
        }
    });
}
