//! Numbers of another program: `testdata/blobfinder`, whose README names it.

use ndarray::{Array1, Array2, Ix2, IxDyn};
use nonius_blobfinder::{Border, CorrelationParams, CorrelationPlan, Method, Peak, PeakStatus, Refinement};
use nonius_core::Real;

use crate::cases::{self, Case};
use crate::templates::template;

fn frame(case: Case<'_>) -> Array2<f64> {
    let frame = case.input::<IxDyn>("frame");
    let (h, w) = (frame.shape()[frame.ndim() - 2], frame.shape()[frame.ndim() - 1]);
    frame.into_shape_with_order((h, w)).unwrap()
}

fn positions(case: Case<'_>) -> Vec<[i32; 2]> {
    case.input::<Ix2>("peaks").outer_iter().map(|p| [p[0] as i32, p[1] as i32]).collect()
}

fn run<F: Real>(case: Case<'_>, params: &CorrelationParams) -> Vec<Peak> {
    let frame = frame(case);
    let plan = CorrelationPlan::<F>::new(frame.dim(), &[template(case)], params).unwrap();
    plan.run(frame.mapv(F::of).view(), &positions(case)).unwrap()
}

fn pairs(peaks: &[Peak], of: impl Fn(&Peak) -> [f64; 2]) -> Array2<f64> {
    Array2::from_shape_fn((peaks.len(), 2), |(k, axis)| of(&peaks[k])[axis])
}

/// Positions, heights and elevations.
fn check(case: Case<'_>, peaks: &[Peak]) {
    case.check("centers", &pairs(peaks, |p| p.center.map(f64::from)));
    case.check("refineds", &pairs(peaks, |p| p.refined));
    case.check("heights", &peaks.iter().map(|p| p.height).collect::<Array1<f64>>());
    case.check("elevations", &peaks.iter().map(|p| p.elevation).collect::<Array1<f64>>());
}

fn upsample_factor(case: Case<'_>) -> usize {
    case.param("upsample").as_u64().unwrap_or(0) as usize
}

/// Greatest error along an axis, px.
fn error(peak: &Peak, truth: [f64; 2]) -> f64 {
    (peak.refined[0] - truth[0]).abs().max((peak.refined[1] - truth[1]).abs())
}

/// The reference takes the product of spectra and everything after it in double precision, whatever the frame is in.
#[test]
fn windows_and_whole_frames() {
    for (operation, method) in [("correlate.fast", Method::Crop), ("correlate.full", Method::Full)] {
        cases::each(operation, |case| {
            if case.is("match") || case.is("compat") {
                let params = CorrelationParams::compatible(method, upsample_factor(case));
                check(case, &run::<f64>(case, &params));
            }
        });
    }
}

#[test]
fn single_precision_serves() {
    cases::each("correlate.fast", |case| {
        if case.is("match") {
            let params = CorrelationParams::compatible(Method::Crop, 0);
            let peaks = run::<f32>(case, &params);
            case.check("centers", &pairs(&peaks, |p| p.center.map(f64::from)));
            let double = run::<f64>(case, &params);
            for (single, double) in peaks.iter().zip(&double) {
                // 3e-4 px is what the cases in single precision allow.
                assert!(error(single, double.refined) < 3e-4, "{}", case.id());
                assert!(
                    (single.height - double.height).abs() < 1e-4 + 2e-6 * double.height.abs(),
                    "{}",
                    case.id()
                );
            }
        }
    });
}

#[test]
fn sums() {
    cases::each("correlate.sparse", |case| {
        let steps = case.number("steps") as usize;
        check(case, &run::<f64>(case, &CorrelationParams::compatible(Method::Direct { steps }, 0)));
    });
}

#[test]
fn paraboloids_and_samples_of_the_whole_spectrum() {
    let operations = [
        "correlate.fast with 3x3 paraboloid refinement",
        "correlate.fast with real full-spectrum upsampling",
    ];
    cases::each_of(&operations, |case| {
        let refinement = match upsample_factor(case) {
            0 => Refinement::Paraboloid,
            factor => Refinement::Upsampled { factor },
        };
        let params = CorrelationParams { refinement, ..CorrelationParams::compatible(Method::Crop, 0) };
        case.check("refineds", &pairs(&run::<f64>(case, &params), |p| p.refined));
    });
}

#[test]
fn templates_that_are_images() {
    cases::each("correlate.fast with user template", |case| {
        let params = CorrelationParams::compatible(Method::Crop, upsample_factor(case));
        let peaks = run::<f64>(case, &params);
        if case.is("defect") {
            // An image of odd side is a pixel off there.
            assert!(error(&peaks[0], truth(case, 0)) < 0.3, "{}: {:?}", case.id(), peaks[0]);
        } else {
            check(case, &peaks);
        }
    });
}

/// From what the reference found and its error.
fn truth(case: Case<'_>, k: usize) -> [f64; 2] {
    let found = case.output::<Ix2>("refineds");
    let error = case.measured("error_px");
    [found[[k, 0]] - error[0], found[[k, 1]] - error[1]]
}

/// A convolution lands elsewhere.
#[test]
fn a_template_without_symmetry_is_where_it_is() {
    cases::each("correlate.fast with asymmetric template", |case| {
        let params = CorrelationParams { refinement: Refinement::Pixel, ..Default::default() };
        assert_eq!(run::<f64>(case, &params)[0].center, [32, 32]);
    });
}

/// Faults of the reference: the combined template off its centre, windows without signal, pixels that are NaN.
#[test]
fn what_the_reference_gets_wrong() {
    cases::each("correlate.fast", |case| {
        if !case.is("defect") {
            return;
        }
        for refinement in [Refinement::Paraboloid, Refinement::default()] {
            let params = CorrelationParams { refinement, ..Default::default() };
            let peaks = run::<f64>(case, &params);
            if case.id().starts_with("template/") {
                assert!(error(&peaks[0], truth(case, 0)) < 0.3, "{}: {:?}", case.id(), peaks[0]);
                continue;
            }
            let nan = frame(case).iter().any(|v| v.is_nan());
            for (peak, asked) in peaks.iter().zip(positions(case)) {
                assert!(peak.height.is_finite() && peak.elevation.is_finite(), "{}", case.id());
                if !nan {
                    assert_eq!(peak.status, PeakStatus::NoSignal, "{}", case.id());
                    assert_eq!((peak.center, peak.elevation), (asked, 0.0), "{}", case.id());
                }
            }
        }
    });
}

/// A background that ends at the border draws no disk away from it.
#[test]
fn disks_at_the_border_of_a_bright_frame() {
    let mut compared = 0;
    for (operation, method) in [("correlate.fast", Method::Crop), ("correlate.full", Method::Full)] {
        cases::each(operation, |case| {
            if !case.has_input("truth") || !case.id().starts_with("edge/border") {
                return;
            }
            let truth = case.input::<IxDyn>("truth");
            let truth = truth.as_slice().unwrap();
            let params = CorrelationParams { method, border: Border::Minimum, ..Default::default() };
            let peak = run::<f64>(case, &params)[0];
            compared += 1;
            let reference = case.output::<Ix2>("refineds");
            let theirs = (reference[[0, 0]] - truth[0]).abs().max((reference[[0, 1]] - truth[1]).abs());
            let ours = error(&peak, [truth[0], truth[1]]);
            assert!(ours < theirs.max(0.3), "{}: {peak:?}, truth {truth:?}, there {theirs}", case.id());
        });
    }
    assert!(compared > 0);
}
