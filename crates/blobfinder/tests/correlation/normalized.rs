//! Maps of correlation coefficients.

use ndarray::{Array2, s};
use nonius_blobfinder::{
    CorrelationParams, CorrelationPlan, Intensity, Method, Peak, PeakStatus, Refinement, TemplateKind,
    correlation_map, normalized_correlation_map,
};
use nonius_core::Real;
use nonius_synthetic::NoiseParams;
use proptest::prelude::*;

use super::{KINDS, disk, template};

const METHODS: [Method; 3] = [Method::Crop, Method::Full, Method::Direct { steps: 9 }];

fn linear(method: Method) -> CorrelationParams {
    CorrelationParams {
        method,
        intensity: Intensity::Linear,
        normalized: true,
        refinement: Refinement::Paraboloid,
        ..Default::default()
    }
}

fn find<F: Real>(
    frame: &Array2<F>,
    live: Option<&Array2<bool>>,
    kind: TemplateKind,
    params: &CorrelationParams,
    positions: &[[i32; 2]],
) -> Vec<Peak> {
    let mut plan = CorrelationPlan::<F>::new(frame.dim(), &[template(kind, 5.0)], params).unwrap();
    if let Some(live) = live {
        plan = plan.with_mask(live.view()).unwrap();
    }
    plan.run(frame.view(), positions).unwrap()
}

/// A disk half under a beam stop whose holder comes from the right, on a background that rises threefold over the frame.
fn behind_a_stop(center: [f64; 2]) -> (Array2<f64>, Array2<bool>) {
    let gradient = Array2::from_shape_fn((64, 64), |(y, x)| 50.0 + 1.5 * x as f64 + 0.3 * y as f64);
    let mut frame = disk((64, 64), center, 5.0) + gradient;
    let mut live = Array2::from_elem((64, 64), true);
    let shadow = s![31..37, 30..];
    frame.slice_mut(shadow).fill(0.0);
    live.slice_mut(shadow).fill(false);
    (frame, live)
}

/// The definition, pixel by pixel: a disk of pixels within 7.5 px, those that are missing left out of all sums.
fn plain(frame: &Array2<f64>, live: &Array2<bool>, kind: TemplateKind, p: [i32; 2]) -> f64 {
    let ring = matches!(
        kind,
        TemplateKind::BackgroundSubtraction | TemplateKind::RadialGradientBackgroundSubtraction
    );
    let radius = if ring { 8.0 } else { 7.5 };
    let mask = template(kind, 5.0).mask((17, 17), [8.0, 8.0]);
    let mut pairs = Vec::new();
    let mut whole = Vec::new();
    for ((v, u), &m) in mask.indexed_iter() {
        let (dy, dx) = (v as i32 - 8, u as i32 - 8);
        if f64::from(dy).hypot(f64::from(dx)) > radius {
            continue;
        }
        whole.push(m);
        let at = [p[0] + dy, p[1] + dx];
        let inside = at[0] >= 0 && at[1] >= 0;
        let pixel = inside.then(|| at.map(|c| c as usize)).filter(|&at| live.get(at).is_some_and(|l| *l));
        pairs.extend(pixel.map(|at| (frame[at], m)).filter(|(f, _)| f.is_finite()));
    }
    let scatter = |of: &[f64]| {
        let mean = of.iter().sum::<f64>() / of.len() as f64;
        of.iter().map(|v| (v - mean).powi(2)).sum::<f64>()
    };
    let n = pairs.len() as f64;
    let (f, m): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let mean = [f.iter().sum::<f64>() / n, m.iter().sum::<f64>() / n];
    if n < 1.0 || scatter(&m) < 0.25 * scatter(&whole) || scatter(&f) == 0.0 {
        return 0.0;
    }
    let product: f64 = pairs.iter().map(|(f, m)| (f - mean[0]) * (m - mean[1])).sum();
    product / (scatter(&f) * scatter(&m)).sqrt()
}

#[test]
fn coefficients_are_what_they_are_defined_as() {
    for (h, w) in [(40, 37), (21, 52), (9, 9), (1, 7)] {
        let mut frame = Array2::from_shape_fn((h, w), |(y, x)| ((y * 7 + x * x * 3 + y * x) % 23) as f64);
        let mut live = Array2::from_shape_fn((h, w), |(y, x)| (y * 5 + x * 3) % 11 != 0);
        if h > 20 {
            live.slice_mut(s![8..14, 5..30]).fill(false);
            frame[[17, 20]] = f64::NAN;
            frame[[18, 20]] = f64::NEG_INFINITY;
        }
        for kind in KINDS {
            let map =
                normalized_correlation_map(frame.view(), &template(kind, 5.0), Some(live.view())).unwrap();
            for ((y, x), &c) in map.indexed_iter() {
                let expected = plain(&frame, &live, kind, [y as i32, x as i32]);
                assert!((c - expected).abs() < 1e-9, "{kind:?} {h} × {w}, ({y}, {x}): {c}, {expected}");
            }
        }
    }
}

/// Windows, whole frames and sums look at the same places: nothing wraps in any of them.
#[test]
fn methods_agree_up_to_the_border() {
    let (mut frame, live) = behind_a_stop([28.7, 33.2]);
    frame[[22, 35]] = f64::NAN;
    for position in [[29, 34], [6, 5], [60, 61], [33, 40]] {
        let found = METHODS
            .map(|method| find(&frame, Some(&live), TemplateKind::Circular, &linear(method), &[position])[0]);
        let [crop, full, _] = found;
        if crop.status == PeakStatus::Found && full.status == PeakStatus::Found {
            assert_eq!(crop.center, full.center);
            assert!((crop.height - full.height).abs() < 1e-9);
            let by_definition = plain(&frame, &live, TemplateKind::Circular, crop.center);
            assert!((crop.height - by_definition).abs() < 1e-9, "{crop:?}, {by_definition}");
        }
    }
    let found = METHODS.map(|method| find(&frame, Some(&live), KINDS[0], &linear(method), &[[29, 34]])[0]);
    assert!(found.iter().all(|p| p.status == PeakStatus::Found && p.center == found[0].center), "{found:?}");
}

/// The shadow's edge is nothing, and a slope of the background little: within 0.2 px by the map alone, where sums of
/// products, which take what is missing for the darkest there is, are off by pixels. What is left to the fit is the
/// slope, which it does not know: 1.5 of 100 per px.
#[test]
fn half_a_disk_beside_a_beam_stop_is_found() {
    for center in [[28.7, 33.2], [30.0, 35.0], [39.4, 40.3]] {
        let (frame, live) = behind_a_stop(center);
        let near = center.map(|c: f64| c.round() as i32 + 2);
        let error = |params: &CorrelationParams| {
            let peak = find(&frame, Some(&live), TemplateKind::Circular, params, &[near])[0];
            assert!(!params.normalized || peak.status == PeakStatus::Found, "{center:?} {peak:?}");
            (peak.refined[0] - center[0]).hypot(peak.refined[1] - center[1])
        };
        for method in METHODS {
            let by_map = error(&linear(method));
            let by_fit = error(&CorrelationParams { refinement: Refinement::default(), ..linear(method) });
            assert!(by_map < 0.2 && by_fit < 0.1, "{center:?} {method:?}: {by_map}, fit {by_fit}");
        }
        let products = error(&CorrelationParams { normalized: false, ..linear(Method::Crop) });
        assert!(products > 0.8, "{center:?}: {products}");
        let map =
            normalized_correlation_map(frame.view(), &template(KINDS[0], 5.0), Some(live.view())).unwrap();
        let best = map.indexed_iter().fold(((0, 0), 0.0), |b, (at, &c)| if c > b.1 { (at, c) } else { b }).0;
        assert!((best.0 as f64 - center[0]).abs() <= 1.0 && (best.1 as f64 - center[1]).abs() <= 1.0);
        let filled = Array2::from_shape_fn((64, 64), |at| if live[at] { frame[at] } else { 50.0 });
        let map = correlation_map(filled.view(), &template(KINDS[0], 5.0)).unwrap();
        let best = map.indexed_iter().fold(((0, 0), 0.0), |b, (at, &c)| if c > b.1 { (at, c) } else { b }).0;
        assert!((best.0 as f64 - center[0]).abs() > 1.5, "{best:?}");
    }
}

#[test]
fn gain_and_offset_of_a_frame_are_nothing() {
    let (frame, live) = behind_a_stop([28.7, 33.2]);
    let frame = NoiseParams::white(5.0).add(frame.view(), 3).unwrap();
    for method in METHODS {
        for kind in KINDS {
            let here = find(&frame, Some(&live), kind, &linear(method), &[[29, 34]])[0];
            for (gain, offset) in [(1e-3, 0.0), (2e4, 0.0), (1.0, 1e5), (0.2, -7e3)] {
                let other = frame.mapv(|v| gain * v + offset);
                let there = find(&other, Some(&live), kind, &linear(method), &[[29, 34]])[0];
                assert_eq!(here.center, there.center);
                // Digits that the offset takes.
                assert!((here.height - there.height).abs() < 1e-7, "{method:?} {kind:?} {gain} {offset}");
                assert!((here.refined[0] - there.refined[0]).abs() < 1e-6);
            }
            let single = find(&frame.mapv(|v| v as f32), Some(&live), kind, &linear(method), &[[29, 34]])[0];
            assert_eq!(here.center, single.center);
            assert!((here.height - single.height).abs() < 1e-6);
            assert!((here.refined[1] - single.refined[1]).abs() < 1e-4);
        }
    }
}

/// Half a frame without a count, beside a disk as bright as any: 0, and not what rounding leaves over itself.
#[test]
fn where_nothing_scatters_nothing_is_found() {
    let mut frame = disk((64, 96), [30.0, 20.0], 5.0).mapv(|v| 1e7 * (v - 10.0));
    // 0.3, and 0.3 but for rounding.
    frame.slice_mut(s![.., 48..]).fill(0.3);
    frame.slice_mut(s![20..40, 60..80]).fill(0.1 + 0.2);
    let map = normalized_correlation_map(frame.view(), &template(KINDS[0], 5.0), None).unwrap();
    assert!((map[[30, 20]] - 1.0).abs() < 1e-9);
    assert!(map.slice(s![.., 58..]).iter().all(|c| *c == 0.0));
    for method in METHODS {
        let peak = find(&frame, None, KINDS[0], &linear(method), &[[30, 70]])[0];
        let whole = method == Method::Full;
        assert_eq!((peak.status, peak.height), (PeakStatus::NoSignal, 0.0), "{method:?} {whole}");
        assert_eq!(peak.refined, [30.0, 70.0]);
    }
}

#[test]
fn what_coefficients_cannot_is_said() {
    let refused = |params: CorrelationParams| {
        let plan = CorrelationPlan::<f32>::new((32, 32), &[template(KINDS[0], 4.0)], &params);
        plan.unwrap_err().to_string()
    };
    let continuous = CorrelationParams { refinement: Refinement::Continuous, ..linear(Method::Crop) };
    assert!(refused(continuous).contains("refinement must be one that needs no spectrum"));
    let zero = CorrelationParams { border: nonius_blobfinder::Border::Zero, ..linear(Method::Crop) };
    assert!(refused(zero).contains("border must be minimum"));
    let t = template(KINDS[0], 4.0);
    let mask = Array2::from_elem((32, 31), true);
    let image = Array2::<f64>::zeros((32, 32));
    assert!(normalized_correlation_map(image.view(), &t, Some(mask.view())).is_err());
    assert!(normalized_correlation_map(Array2::<f64>::zeros((0, 3)).view(), &t, None).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Any frame: numbers from −1 to 1.
    #[test]
    fn coefficients_stay_within_one(
        (h, w) in (1usize..24, 1usize..24),
        radius in 0.05f64..6.0,
        method in 0usize..3,
        kind in 0usize..4,
        at in (-20i32..40, -20i32..40),
        values in proptest::collection::vec(prop_oneof![
            4 => -1e3f64..1e6,
            1 => Just(f64::NAN),
            1 => Just(0.0),
            1 => Just(f64::MAX),
        ], 576),
    ) {
        let frame = Array2::from_shape_fn((h, w), |(y, x)| values[y * 24 + x]);
        let t = template(KINDS[kind], radius);
        let map = normalized_correlation_map(frame.view(), &t, None).unwrap();
        prop_assert!(map.iter().all(|c| (-1.0..=1.0).contains(c)));
        let plan = CorrelationPlan::<f64>::new((h, w), &[t], &linear(METHODS[method])).unwrap();
        let peak = plan.run(frame.view(), &[[at.0, at.1]]).unwrap()[0];
        prop_assert!((0.0..=1.0).contains(&peak.height) && peak.elevation >= 0.0);
    }
}
