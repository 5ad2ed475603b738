//! Series whose offsets we chose: axes, shapes, schemes, noise.

use nonius_core::NoProgress;
use nonius_synthetic::{AngleRange, Jitter, MisalignmentParams, TiltScheme, TiltSeriesParams};
use nonius_tomography::MitraParams;
use nonius_tomography::alignment::{
    AutoParams, IterationParams, OpticalFlowParams, StartingPoint, align_auto, judge_offsets,
};

use super::{Made, coverage, rms};

fn about(axis: [f64; 3], n: usize) -> TiltScheme {
    TiltScheme::SingleAxis { axis, angles: AngleRange::half_turn(n) }
}

fn flow_is_below(name: &str, params: TiltSeriesParams, limit: f64, covered: std::ops::Range<f64>) {
    let made = Made::new(params);
    let found = made.align(&OpticalFlowParams::default()).report;
    let errors = made.errors(&found.offsets);
    let rms = rms(&errors);
    assert!(rms.iter().all(|rms| *rms < limit), "{name}: {rms:?}, {:?}", found.stop);
    let coverage = coverage(&errors, &found.standard_errors, 1.0);
    assert!(covered.contains(&coverage), "{name}: {coverage} within their standard errors");
}

#[test]
fn axes_shapes_and_schemes() {
    let d = TiltSeriesParams::default;
    // Where noise is .2 % the projector's own error counts, which error bars overstate.
    let loose = 0.55..0.9;
    let along_j = TiltSeriesParams {
        scheme: about([-1.0, 0.0, 0.0], 40),
        volume_shape: [32, 40, 40],
        projection_shape: [32, 40],
        seed: 3,
        ..d()
    };
    flow_is_below("axis along −j", along_j, 0.006, loose.clone());
    let cube = TiltSeriesParams {
        scheme: about([0.0, 0.0, -1.0], 33),
        volume_shape: [33; 3],
        projection_shape: [33; 2],
        seed: 4,
        ..d()
    };
    flow_is_below("a cube, as many views as pixels", cube, 0.005, loose.clone());
    let two_axes = TiltSeriesParams {
        scheme: TiltScheme::TwoAxes {
            inner_axis: [0.0, 0.0, -1.0],
            inner: AngleRange::half_turn(20),
            outer_axis: [1.0, 0.0, 0.0],
            outer: AngleRange::symmetric(0.7, 3),
        },
        volume_shape: [32; 3],
        projection_shape: [40; 2],
        seed: 5,
        ..d()
    };
    flow_is_below("two axes", two_axes, 0.005, loose.clone());
    let wedge = TiltSeriesParams {
        scheme: TiltScheme::SingleAxis { axis: [0.0, 0.0, 1.0], angles: AngleRange::symmetric(1.05, 41) },
        relative_noise: 0.005,
        seed: 6,
        ..d()
    };
    flow_is_below("60 degrees to each side", wedge, 0.01, loose);
}

#[test]
fn error_bars_hold_where_noise_rules() {
    for (noise, seed, limit) in [(0.01, 2, 0.012), (0.03, 8, 0.035), (0.05, 9, 0.06)] {
        let params = TiltSeriesParams { relative_noise: noise, seed, ..Default::default() };
        flow_is_below("noise", params, limit, 0.55..0.8);
    }
}

#[test]
fn far_off_and_drifting() {
    let params = TiltSeriesParams {
        volume_shape: [64; 3],
        projection_shape: [64; 2],
        scheme: about([0.0, 0.0, 1.0], 60),
        misalignment: MisalignmentParams {
            jitter: Jitter::Gaussian([3.0, 2.0]),
            drift: [3.0, 3.0],
            ..Default::default()
        },
        seed: 7,
        ..Default::default()
    };
    flow_is_below("far off", params, 0.006, 0.5..0.95);
}

#[test]
fn a_sample_that_leaves_the_view() {
    // The field of view cuts the sample along the axis.
    let params = TiltSeriesParams {
        projection_shape: [44, 14],
        volume_shape: [40, 40, 34],
        misalignment: MisalignmentParams { jitter: Jitter::Uniform([2.0, 3.0]), ..Default::default() },
        seed: 11,
        ..Default::default()
    };
    let made = Made::new_of_thickness(params);
    let found =
        align_auto(made.geometry(), made.images.view(), None, &AutoParams::default(), &NoProgress).unwrap();
    assert!(found.reasons[0].contains("leaves the field of view"), "{:?}", found.reasons);
    assert_ne!(found.start, StartingPoint::Moments);
    let rms = rms(&made.errors(&found.aligned.report.offsets));
    assert!(rms.iter().all(|rms| *rms < 0.15), "{rms:?} {:?}", found.reasons);
}

#[test]
fn a_refinement_that_does_harm_is_dropped_with_all_it_said() {
    let made = Made::new(TiltSeriesParams::default());
    let truth = made.geometry().clone().with_offsets(&made.series.truth.offsets).unwrap();
    // One step, of a volume that one iteration has made, behind a low-pass that leaves little.
    let iteration = IterationParams {
        reconstruction: MitraParams { iterations: 1, ..Default::default() },
        max_iterations: 1,
        center: false,
        ..Default::default()
    };
    let refinement = OpticalFlowParams { iteration, coarse_smoothing: vec![8.0], ..Default::default() };
    let params = AutoParams { refinement, ..Default::default() };
    let found = align_auto(&truth, made.images.view(), None, &params, &NoProgress).unwrap();
    assert!(found.reasons.last().unwrap().contains("kept the offsets of"), "{:?}", found.reasons);
    let (report, kept) = (&found.aligned.report, found.aligned.geometry.offsets());
    assert_eq!((&report.offsets, report.loss), (&kept, report.loss_at_start));
    assert_eq!((report.steps.len(), report.translation), (1, [0.0; 3]));
    // Volume and errors are those of the offsets that are kept, not of the refined ones.
    let geometry = &found.aligned.geometry;
    let iteration = &params.refinement.iteration;
    let judged = judge_offsets(iteration, geometry, &kept, made.images.view(), None, &NoProgress).unwrap();
    assert_eq!(report.loss, judged.report.loss);
    assert_eq!(report.residuals, judged.report.residuals);
    assert_eq!(report.standard_errors, judged.report.standard_errors);
    assert_eq!(found.aligned.volume, judged.volume);
    assert_eq!(found.aligned.reprojections, judged.reprojections);
}

#[test]
fn offsets_from_elsewhere_are_judged_as_those_that_are_found() {
    let made = Made::new(TiltSeriesParams { seed: 12, ..Default::default() });
    let params = OpticalFlowParams {
        iteration: IterationParams { max_iterations: 4, ..Default::default() },
        ..Default::default()
    };
    let mut found = made.align(&params);
    let offsets = &found.report.offsets;
    let (geometry, images) = (made.geometry(), made.images.view());
    let judged = judge_offsets(&params.iteration, geometry, offsets, images, None, &NoProgress).unwrap();
    assert_eq!(judged.report.history, [geometry.offsets(), offsets.clone()]);
    // How they were found it cannot know.
    found.report.method.clone_from(&judged.report.method);
    (found.report.history, found.report.steps) = (judged.report.history.clone(), Vec::new());
    (found.report.stop, found.report.halvings) = (judged.report.stop, 0);
    found.report.centred_by = [0.0; 3];
    assert_eq!(judged, found);
}
