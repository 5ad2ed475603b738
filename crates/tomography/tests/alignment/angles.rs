//! Errors of rotations, found with those of offsets.

use nonius_core::NoProgress;
use nonius_synthetic::{MisalignmentParams, TiltSeriesParams};
use nonius_tomography::alignment::{AngleParams, OpticalFlowParams, refine_angles};

use super::Made;

fn remaining(rotation_errors: [f64; 3], params: &AngleParams) -> ([f64; 3], [f64; 3]) {
    let misalignment = MisalignmentParams { rotation_errors, ..Default::default() };
    let made = Made::new(TiltSeriesParams { misalignment, seed: 31, ..Default::default() });
    let aligned = made.align(&OpticalFlowParams::default());
    let found = refine_angles(&aligned.geometry, made.images.view(), None, params, &NoProgress).unwrap();
    let rms = |values: &[[f64; 3]]| {
        [0, 1, 2]
            .map(|axis| (values.iter().map(|v| v[axis] * v[axis]).sum::<f64>() / values.len() as f64).sqrt())
    };
    let truth = &made.series.truth.rotation_errors;
    // What a rotation or a deformation of the sample does to all views is not looked for.
    let errors: Vec<[f64; 3]> =
        found.corrections.iter().zip(truth).map(|(f, t)| [f[0] - t[0], f[1] - t[1], f[2] - t[2]]).collect();
    (rms(&errors), rms(truth))
}

#[test]
fn in_the_image() {
    let params = AngleParams { out_of_plane: 0.0, ..Default::default() };
    let (left, truth) = remaining([0.01, 0.0, 0.0], &params);
    assert!(left[0] < 0.15 * truth[0], "{left:?} of {truth:?}");
}

#[test]
fn about_all_axes() {
    let (left, truth) = remaining([0.01, 0.01, 0.01], &AngleParams::default());
    // About the axis of rotation, changes that are slow from view to view are told from a deformation of the sample
    // by magnification alone.
    for (axis, part) in [0.35, 0.35, 0.6].into_iter().enumerate() {
        assert!(left[axis] < part * truth[axis], "axis {axis}: {left:?} of {truth:?}");
    }
}

#[test]
fn right_angles_stay_right() {
    let (left, _) =
        remaining([0.0; 3], &AngleParams { in_plane: 0.005, out_of_plane: 0.005, ..Default::default() });
    // A thousandth of a radian moves the rim by .02 px.
    assert!(left.iter().all(|left| *left < 2.5e-3), "{left:?}");
}
