//! The three shared series: what section 12 of their specification aims at, and the published program reached.

use nonius_core::NoProgress;
use nonius_tomography::alignment::{
    Aligner, AutoParams, OpticalFlowParams, PhaseMatchingParams, ReprojectionParams, StartingPoint, align,
    align_auto,
};

use crate::series_with_truth::{self, Series};

fn below(series: &Series, aligner: &dyn Aligner<f32>, limit: [f64; 2]) {
    let images = series.absorbance().mapv(|v| v as f32);
    let found = align(aligner, &series.geometry, images.view(), None, &NoProgress).unwrap();
    let rms = series.rms(&found.report.offsets);
    assert!(rms[0] <= limit[0] && rms[1] <= limit[1], "{} {}: {rms:?}", series.name, found.report.method);
    // The check that needs no truth; descent without momentum leaves more than MITRA.
    assert!(found.report.loss < 0.15 * found.report.loss_at_start);
}

#[test]
fn optical_flow_from_nothing() {
    // The published program, from line alignment: .0024/.029, .013/.052, .030/.007.
    let aims = [[0.003, 0.005], [0.012, 0.012], [0.007, 0.005]];
    for (series, aim) in series_with_truth::all().iter().zip(aims) {
        below(series, &OpticalFlowParams::default(), aim);
    }
}

#[test]
fn phase_matching_from_nothing() {
    let [series, ..] = series_with_truth::all();
    // A grid alone leaves its step over √12, ± 6 % of that for 60 views.
    for (upsampling, limit) in [(vec![1], 0.32), (vec![1, 10], 0.033), (vec![1, 10, 100], 0.01)] {
        below_phase(&series, upsampling, limit);
    }
}

fn below_phase(series: &Series, upsampling: Vec<usize>, limit: f64) {
    let params = PhaseMatchingParams { upsampling, ..Default::default() };
    let images = series.absorbance().mapv(|v| v as f32);
    let found = align(&params, &series.geometry, images.view(), None, &NoProgress).unwrap();
    let rms = series.rms(&found.report.offsets);
    assert!(rms.iter().all(|rms| *rms <= limit), "{:?}: {rms:?} {:?}", params.upsampling, found.report.stop);
}

#[test]
fn joint_and_sequential_reprojection() {
    let [series, ..] = series_with_truth::all();
    for (params, limit) in [(ReprojectionParams::default(), 0.03), (ReprojectionParams::sequential(), 0.03)] {
        below(&series, &params, [limit; 2]);
    }
}

#[test]
fn automatic() {
    let aims = [[0.003, 0.005], [0.012, 0.012], [0.007, 0.005]];
    for (series, aim) in series_with_truth::all().iter().zip(aims) {
        let images = series.absorbance().mapv(|v| v as f32);
        let found =
            align_auto(&series.geometry, images.view(), None, &AutoParams::default(), &NoProgress).unwrap();
        assert_eq!(found.start, StartingPoint::Moments);
        let rms = series.rms(&found.aligned.report.offsets);
        assert!(rms[0] <= aim[0] && rms[1] <= aim[1], "{}: {rms:?}", series.name);
        assert_eq!(found.reasons.len(), 3, "{:?}", found.reasons);
    }
}
