//! What must hold whatever the frame shows.

use ndarray::Array2;
use nonius_blobfinder::{
    CorrelationParams, CorrelationPlan, Intensity, Method, PeakStatus, Refinement, TemplateKind,
    correlation_map,
};
use nonius_synthetic::DiffractionParams;
use proptest::prelude::*;

use super::{KINDS, find, template};

const METHODS: [Method; 3] = [Method::Crop, Method::Full, Method::Direct { steps: 4 }];
const REFINEMENTS: [Refinement; 4] = [
    Refinement::Pixel,
    Refinement::CenterOfMass { radius: 2 },
    Refinement::Paraboloid,
    Refinement::Continuous,
];

fn scene(seed: u64, zero: [f64; 2]) -> Array2<f64> {
    let params = DiffractionParams { shape: [90, 101], zero, electrons: 3000.0, seed, ..Default::default() };
    params.generate().unwrap().frame
}

fn refinements(method: Method) -> impl Iterator<Item = Refinement> {
    let fit = std::iter::once(Refinement::default());
    REFINEMENTS
        .into_iter()
        .filter(move |r| *r != Refinement::Continuous || !matches!(method, Method::Direct { .. }))
        .chain(fit)
}

/// Windows and sums see nothing but the pixels around a position; whole maps do not wrap that far.
#[test]
fn whole_shifts_of_a_frame_shift_what_is_found() {
    let frame = scene(1, [45.2, 50.6]);
    let moved = Array2::from_shape_fn(frame.dim(), |(y, x)| frame[[(y + 87) % 90, (x + 5) % 101]]);
    for method in [Method::Crop, Method::Direct { steps: 4 }] {
        for refinement in refinements(method) {
            let params = CorrelationParams { method, refinement, ..Default::default() };
            if matches!(method, Method::Direct { .. }) && params.intensity == Intensity::Log {
                // The least value is the frame's, the same for both.
            }
            let t = template(TemplateKind::Circular, 5.0);
            let here = find(&frame, &t, &params, &[[45, 51], [65, 51]]);
            let there = find(&moved, &t, &params, &[[48, 46], [68, 46]]);
            for (h, t) in here.iter().zip(&there) {
                assert_eq!(h.height, t.height);
                assert!((h.refined[0] + 3.0 - t.refined[0]).abs() < 1e-9, "{method:?} {refinement:?}");
                assert!((h.refined[1] - 5.0 - t.refined[1]).abs() < 1e-9, "{method:?} {refinement:?}");
            }
        }
    }
}

#[test]
fn transposed_frames_give_transposed_positions() {
    let frame = scene(2, [45.2, 50.6]);
    let turned = frame.t().as_standard_layout().to_owned();
    for method in METHODS {
        for refinement in refinements(method) {
            for kind in KINDS {
                let params = CorrelationParams { method, refinement, ..Default::default() };
                let here = find(&frame, &template(kind, 5.0), &params, &[[45, 51]])[0];
                let there = find(&turned, &template(kind, 5.0), &params, &[[51, 45]])[0];
                for axis in 0..2 {
                    let difference = (here.refined[axis] - there.refined[1 - axis]).abs();
                    assert!(difference < 1e-6, "{method:?} {refinement:?} {kind:?}: {difference:e}");
                }
                assert!((here.elevation - there.elevation).abs() < 1e-9 * (1.0 + here.elevation));
            }
        }
    }
}

#[test]
fn scaled_intensities_leave_positions() {
    let frame = scene(3, [45.2, 50.6]);
    for intensity in [Intensity::Linear, Intensity::SquareRoot] {
        for refinement in refinements(Method::Crop) {
            let params = CorrelationParams { intensity, refinement, ..Default::default() };
            let t = template(TemplateKind::BackgroundSubtraction, 5.0);
            let one = find(&frame, &t, &params, &[[45, 51]])[0];
            let many = find(&frame.mapv(|v| 37.5 * v), &t, &params, &[[45, 51]])[0];
            assert!((one.refined[0] - many.refined[0]).abs() < 1e-8, "{intensity:?} {refinement:?}");
            assert!((one.refined[1] - many.refined[1]).abs() < 1e-8);
        }
    }
}

/// An offset in proportion to the gain leaves a map but for a constant, from which elevations do not differ.
#[test]
fn gains_are_undone_by_the_offset_of_a_logarithm() {
    let frame = scene(3, [45.2, 50.6]);
    let t = template(TemplateKind::Circular, 5.0);
    for method in METHODS {
        for refinement in REFINEMENTS.into_iter().filter(|r| *r != Refinement::Continuous) {
            let with = |intensity| CorrelationParams { method, refinement, intensity, ..Default::default() };
            let [one, same] = [Intensity::Log, Intensity::LogOffset(1.0)]
                .map(|intensity| find(&frame, &t, &with(intensity), &[[45, 51]])[0]);
            assert_eq!((one.refined, one.height, one.elevation), (same.refined, same.height, same.elevation));
            let many = find(&frame.mapv(|v| 37.5 * v), &t, &with(Intensity::LogOffset(37.5)), &[[45, 51]])[0];
            assert_eq!(one.center, many.center);
            for axis in 0..2 {
                assert!((one.refined[axis] - many.refined[axis]).abs() < 1e-9, "{method:?} {refinement:?}");
            }
            assert!((one.elevation - many.elevation).abs() < 1e-9 * one.elevation);
            if method == Method::Crop {
                let level = 37.5_f64.ln() * t.mask((20, 20), [10.0; 2]).sum();
                assert!((one.height + level - many.height).abs() < 1e-9 * many.height);
            }
        }
    }
}

/// The square root as a function of the caller is the square root, and is called by many threads.
#[test]
fn functions_of_the_caller_take_the_place_of_the_transform() {
    let t = template(TemplateKind::BackgroundSubtraction, 5.0);
    let mut frame = scene(5, [45.2, 50.6]);
    frame[[47, 52]] = f64::NAN;
    for method in METHODS {
        let params = CorrelationParams { method, intensity: Intensity::SquareRoot, ..Default::default() };
        let built_in = find(&frame, &t, &params, &[[45, 51], [3, 99]]);
        let params = CorrelationParams { method, ..Default::default() };
        let plan = || CorrelationPlan::<f64>::new((90, 101), std::slice::from_ref(&t), &params).unwrap();
        let root = |values: &mut [f64], least: f64| {
            values.iter_mut().for_each(|v| *v = (*v - least).max(0.0).sqrt());
        };
        let own = plan().with_intensity(root);
        for (own, built_in) in own.run(frame.view(), &[[45, 51], [3, 99]]).unwrap().iter().zip(&built_in) {
            assert_eq!((own.refined, own.height, own.elevation), {
                (built_in.refined, built_in.height, built_in.elevation)
            });
        }
        let flat = plan().with_intensity(|values, _| values.fill(3.0));
        assert_eq!(flat.run(frame.view(), &[[45, 51]]).unwrap()[0].status, PeakStatus::NoSignal);
        let nothing = plan().with_intensity(|values, _| values.fill(f64::NAN));
        assert_eq!(nothing.run(frame.view(), &[[45, 51]]).unwrap()[0].status, PeakStatus::NoSignal);
        // −∞ for the least of all counts as the next.
        let log =
            plan().with_intensity(|values, least| values.iter_mut().for_each(|v| *v = (*v - least).ln()));
        let peak = log.run(frame.view(), &[[45, 51]]).unwrap()[0];
        assert!(peak.height.is_finite() && peak.elevation > 0.0, "{method:?} {peak:?}");
    }
}

#[test]
fn the_order_of_positions_does_not_matter() {
    let frame = scene(4, [45.2, 50.6]);
    for method in METHODS {
        let params = CorrelationParams { method, ..Default::default() };
        let t = template(TemplateKind::Circular, 5.0);
        let positions = [[25, 31], [45, 51], [65, 71], [45, 31], [25, 51]];
        let mut reversed = positions;
        reversed.reverse();
        let here = find(&frame, &t, &params, &positions);
        let mut there = find(&frame, &t, &params, &reversed);
        there.reverse();
        for (h, t) in here.iter().zip(&there) {
            // Windows are transformed in pairs, so that rounding depends on the partner.
            assert!((h.refined[0] - t.refined[0]).abs() < 1e-6 && (h.refined[1] - t.refined[1]).abs() < 1e-6);
        }
    }
}

/// `c[p] = Σ_q m[q] f[p + q − h]`, the definition.
#[test]
fn a_map_is_a_correlation() {
    for (h, w) in [(12, 15), (9, 8), (1, 7)] {
        let frame = Array2::from_shape_fn((h, w), |(y, x)| ((y * 7 + x * x * 3) % 11) as f64);
        let t = template(TemplateKind::RadialGradient, 2.3);
        let mask = t.mask((h, w), [(h / 2) as f64, (w / 2) as f64]);
        let map = correlation_map(frame.view(), &t).unwrap();
        for ((y, x), &c) in map.indexed_iter() {
            let sum: f64 = mask
                .indexed_iter()
                .map(|((v, u), m)| m * frame[[(y + v + h - h / 2) % h, (x + u + w - w / 2) % w]])
                .sum();
            assert!((c - sum).abs() < 1e-10, "{h} × {w}");
        }
    }
}

#[test]
fn windows_without_signal_answer_with_what_was_asked() {
    for method in METHODS {
        for value in [0.0, 7.5, f64::NAN] {
            let frame = Array2::from_elem((40, 50), value);
            let params = CorrelationParams { method, ..Default::default() };
            let positions = [[20, 25], [0, 0], [-30, 400]];
            for (peak, asked) in
                find(&frame, &template(KINDS[0], 4.0), &params, &positions).iter().zip(positions)
            {
                assert_eq!(peak.status, PeakStatus::NoSignal, "{method:?} {value}");
                assert_eq!((peak.center, peak.refined), (asked, asked.map(f64::from)));
                assert_eq!((peak.height, peak.elevation), (0.0, 0.0));
            }
        }
        assert!(
            find(&Array2::zeros((40, 50)), &template(KINDS[0], 4.0), &CorrelationParams::default(), &[])
                .is_empty()
        );
    }
}

#[test]
fn wrong_input_is_named() {
    let t = [template(KINDS[0], 4.0)];
    let plan = |shape, params: &CorrelationParams| CorrelationPlan::<f64>::new(shape, &t, params);
    let message = |e: nonius_core::Error| e.to_string();
    assert!(message(plan((0, 4), &Default::default()).unwrap_err()).contains("frame is empty"));
    let none = CorrelationPlan::<f64>::new((8, 8), &[], &Default::default());
    assert!(message(none.unwrap_err()).contains("templates is empty"));
    let upsampled = CorrelationParams {
        method: Method::Direct { steps: 2 },
        refinement: Refinement::Upsampled { factor: 20 },
        ..Default::default()
    };
    assert!(message(plan((8, 8), &upsampled).unwrap_err()).contains("refinement must be"));
    let coarse = CorrelationParams { refinement: Refinement::Upsampled { factor: 1 }, ..Default::default() };
    assert!(message(plan((8, 8), &coarse).unwrap_err()).contains("upsample factor must be 2 to 1000"));
    for offset in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let none = CorrelationParams { intensity: Intensity::LogOffset(offset), ..Default::default() };
        assert!(message(plan((8, 8), &none).unwrap_err()).contains("log offset must be 1e-30 to 1e30"));
    }
    let plan = plan((8, 8), &Default::default()).unwrap();
    assert!(
        message(plan.run(Array2::zeros((8, 9)).view(), &[]).unwrap_err()).contains("expected shape [8, 8]")
    );
    let far = plan.run(Array2::zeros((8, 8)).view(), &[[i32::MIN, 0]]);
    assert!(message(far.unwrap_err()).contains("position must be within"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Any frame, any size, any position: numbers that are finite, places within reach.
    #[test]
    fn nothing_is_invented(
        (h, w) in (1usize..24, 1usize..24),
        radius in 0.3f64..6.0,
        method in 0usize..3,
        kind in 0usize..4,
        at in (-20i32..40, -20i32..40),
        values in proptest::collection::vec(prop_oneof![
            4 => -1e3f64..1e6,
            1 => Just(f64::NAN),
            1 => Just(0.0),
        ], 576),
    ) {
        let frame = Array2::from_shape_fn((h, w), |(y, x)| values[y * 24 + x]);
        let params = CorrelationParams { method: METHODS[method], ..Default::default() };
        let t = template(KINDS[kind], radius);
        let peak = find(&frame, &t, &params, &[[at.0, at.1]])[0];
        prop_assert!(peak.height.is_finite() && peak.elevation.is_finite() && peak.elevation >= 0.0);
        let reach = t.crop_size() as f64 + 0.5 * radius + 2.0;
        prop_assert!((peak.refined[0] - f64::from(at.0)).abs() <= reach.max(7.0), "{peak:?}");
        prop_assert!((peak.refined[1] - f64::from(at.1)).abs() <= reach.max(7.0), "{peak:?}");
    }
}
