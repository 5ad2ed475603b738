//! Errors that name what is wrong.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use ndarray::Array3;
use nonius_core::{NoProgress, Progress};
use nonius_tomography::Geometry;
use nonius_tomography::alignment::{
    Aligner, AngleParams, AutoParams, IterationParams, OpticalFlowParams, PhaseMatchingParams,
    ReprojectionParams, align, align_auto, judge_offsets, refine_angles,
};

fn geometry() -> Geometry {
    Geometry::single_axis([0.0, 0.0, 1.0].into(), &[0.0, 0.5, 1.0], [6, 5], [6, 6, 5]).unwrap()
}

fn message(aligner: &dyn Aligner<f64>, images: &Array3<f64>, weights: Option<&Array3<f64>>) -> String {
    let weights = weights.map(|weights| weights.view());
    align(aligner, &geometry(), images.view(), weights, &NoProgress).unwrap_err().to_string()
}

#[test]
fn images_and_weights() {
    let flow = OpticalFlowParams::default();
    let ones = Array3::ones((3, 6, 5));
    assert!(message(&flow, &Array3::zeros((3, 5, 6)), None).contains("images: expected shape [3, 6, 5]"));
    assert!(message(&flow, &ones, Some(&Array3::ones((3, 6, 4)))).contains("weights: expected shape"));
    let mut nan = ones.clone();
    nan[[1, 2, 3]] = f64::NAN;
    assert!(message(&flow, &nan, None).contains("images: element [1, 2, 3] is not finite"));
    assert!(message(&flow, &ones, Some(&(-&ones))).contains("weights must be finite and not negative"));
    let mut wrong = geometry();
    wrong.views[2].rotation[(0, 0)] = 2.0;
    let error = align(&flow as &dyn Aligner<f64>, &wrong, ones.view(), None, &NoProgress).unwrap_err();
    assert!(error.to_string().starts_with("frame 2"), "{error}");
}

#[test]
fn parameters() {
    let images = Array3::ones((3, 6, 5));
    let iteration = IterationParams::default;
    let cases: Vec<(Box<dyn Aligner<f64>>, &str)> = vec![
        (Box::new(OpticalFlowParams { smoothing: -1.0, ..Default::default() }), "sigma"),
        (Box::new(OpticalFlowParams { taper: f64::NAN, ..Default::default() }), "taper"),
        (Box::new(OpticalFlowParams { binning: Some(vec![9]), ..Default::default() }), "binning"),
        (Box::new(OpticalFlowParams { binning: Some(vec![0]), ..Default::default() }), "binning"),
        (Box::new(OpticalFlowParams { momentum: 1.0, ..Default::default() }), "momentum"),
        (Box::new(PhaseMatchingParams { upsampling: vec![], ..Default::default() }), "upsampling"),
        (Box::new(PhaseMatchingParams { cropping: [3, 0], ..Default::default() }), "cropping"),
        (Box::new(PhaseMatchingParams { cropping: [usize::MAX, 0], ..Default::default() }), "cropping"),
        (Box::new(PhaseMatchingParams { sample_size: 0.0, ..Default::default() }), "sample_size"),
        (Box::new(ReprojectionParams { inner_radius: 0.9, ..Default::default() }), "inner_radius"),
        (
            Box::new(OpticalFlowParams {
                iteration: IterationParams { ignored: vec![3], ..iteration() },
                ..Default::default()
            }),
            "ignored",
        ),
        (
            Box::new(OpticalFlowParams {
                iteration: IterationParams { max_iterations: 0, ..iteration() },
                ..Default::default()
            }),
            "max_iterations",
        ),
        (
            Box::new(OpticalFlowParams {
                iteration: IterationParams { align_j: false, align_k: false, ..iteration() },
                ..Default::default()
            }),
            "align_j or align_k",
        ),
    ];
    for (aligner, expected) in cases {
        let message = message(aligner.as_ref(), &images, None);
        assert!(message.contains(expected), "{message}");
    }
    let params = AngleParams { in_plane: 0.0, out_of_plane: 0.0, ..Default::default() };
    let error = refine_angles(&geometry(), images.view(), None, &params, &NoProgress).unwrap_err();
    assert!(error.to_string().contains("in_plane"), "{error}");
}

#[test]
fn tiny_series_do_no_harm() {
    for shape in [[1, 1], [1, 4], [2, 1]] {
        let geometry =
            Geometry::single_axis([0.0, 0.0, 1.0].into(), &[0.3], shape, [shape[0], shape[0], shape[1]])
                .unwrap();
        let images = Array3::<f64>::ones((1, shape[0], shape[1]));
        for aligner in [
            &OpticalFlowParams::default() as &dyn Aligner<f64>,
            &PhaseMatchingParams::default(),
            &ReprojectionParams::default(),
        ] {
            let found = align(aligner, &geometry, images.view(), None, &NoProgress).unwrap();
            assert!(found.report.offsets[0].iter().all(|offset| offset.is_finite()));
        }
        align_auto(&geometry, images.view(), None, &AutoParams::default(), &NoProgress).unwrap();
    }
}

/// Asks to stop from the question after so many on.
struct StopAfter(AtomicUsize);

impl Progress for StopAfter {
    fn cancelled(&self) -> bool {
        self.0.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_err()
    }
}

#[test]
fn cancelling_says_so_at_any_time() {
    let images = Array3::<f64>::ones((3, 6, 5));
    let iteration = IterationParams { max_iterations: 1, ..Default::default() };
    let flow = OpticalFlowParams { iteration, coarse_smoothing: vec![], ..Default::default() };
    let align_until = |questions: usize| {
        let stop = StopAfter(questions.into());
        align(&flow as &dyn Aligner<f64>, &geometry(), images.view(), None, &stop).map(|_| ())
    };
    // One step of 10 iterations with a question of its own, then 20 iterations each for the loss and for the error bars:
    // of images so flat that nothing moves, start and end are one.
    for questions in [0, 5, 10, 11, 30, 50] {
        assert_eq!(align_until(questions), Err(nonius_core::Error::Cancelled), "{questions}");
    }
    assert_eq!(align_until(51), Ok(()));
}

#[test]
fn offsets_that_cannot_be_judged() {
    let images = Array3::<f64>::ones((3, 6, 5));
    let said = |offsets: &[[f64; 2]]| {
        let params = IterationParams::default();
        let found = judge_offsets(&params, &geometry(), offsets, images.view(), None, &NoProgress);
        found.unwrap_err().to_string()
    };
    assert!(said(&[[0.0; 2]; 2]).contains("offsets: expected shape [3, 2], got [2, 2]"));
    let message = said(&[[0.0; 2], [0.0; 2], [0.0, f64::NAN]]);
    assert!(message.starts_with("frame 2"), "{message}");
}
