//! What must hold whatever the answer is.

use nalgebra::Vector3;
use ndarray::{Array3, Axis};
use nonius_core::NoProgress;
use nonius_synthetic::{AngleRange, TiltScheme, TiltSeriesParams};
use nonius_tomography::alignment::{
    IterationParams, OpticalFlowParams, PhaseMatchingParams, StopReason, align,
};

use super::{Made, rms};

fn small() -> Made {
    Made::new(TiltSeriesParams {
        volume_shape: [24, 24, 20],
        projection_shape: [26, 22],
        scheme: TiltScheme::SingleAxis { axis: [0.0, 0.0, 1.0], angles: AngleRange::half_turn(24) },
        seed: 21,
        ..Default::default()
    })
}

#[test]
fn aligned_data_stay_where_they_are() {
    let made = small();
    let truth = made.geometry().clone().with_offsets(&made.series.truth.offsets).unwrap();
    let params = OpticalFlowParams {
        iteration: IterationParams { center: false, ..Default::default() },
        ..Default::default()
    };
    let found = align(&params, &truth, made.images.view(), None, &NoProgress).unwrap().report;
    let moved: Vec<[f64; 2]> = found
        .offsets
        .iter()
        .zip(truth.offsets())
        .map(|(now, before)| [now[0] - before[0], now[1] - before[1]])
        .collect();
    assert!(rms(&moved).iter().all(|rms| *rms < 0.01), "{:?}", rms(&moved));
    assert!(found.translation.iter().all(|t| t.abs() < 1e-9));
}

#[test]
fn permuted_projections_permute_the_offsets() {
    let made = small();
    let order: Vec<usize> = (0..24).map(|i| (7 * i + 3) % 24).collect();
    let geometry = made.geometry().subset(&order).unwrap();
    let images = made.images.select(Axis(0), &order);
    let params = OpticalFlowParams::default();
    let plain = made.align(&params).report.offsets;
    let permuted = align(&params, &geometry, images.view(), None, &NoProgress).unwrap().report.offsets;
    for (place, from) in order.iter().enumerate() {
        for axis in 0..2 {
            // Sums over views are taken in another order, in f32.
            assert!((permuted[place][axis] - plain[*from][axis]).abs() < 2e-3);
        }
    }
}

#[test]
fn a_translation_of_the_sample_changes_no_loss() {
    let made = small();
    let t = Vector3::new(0.6, -0.4, 0.8);
    let truth = made.geometry().clone().with_offsets(&made.series.truth.offsets).unwrap();
    let moved = truth.clone().with_offsets(&truth.translated(t)).unwrap();
    let params = OpticalFlowParams {
        iteration: IterationParams { max_iterations: 1, center: false, ..Default::default() },
        ..Default::default()
    };
    let loss = |geometry| {
        align(&params, geometry, made.images.view(), None, &NoProgress).unwrap().report.loss_at_start
    };
    let (here, there) = (loss(&truth), loss(&moved));
    // Interpolation blurs a little more or less.
    assert!((here / there - 1.0).abs() < 0.2, "{here} {there}");
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let made = small();
    let params = OpticalFlowParams {
        iteration: IterationParams { max_iterations: 3, ..Default::default() },
        ..Default::default()
    };
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| made.align(&params))
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(5));
}

#[test]
fn sampling_names_every_projection_once_and_repeats_with_its_seed() {
    let made = small();
    let params = PhaseMatchingParams {
        upsampling: vec![1],
        sample_size: 0.3,
        relaxation: 0.1,
        seed: 5,
        iteration: IterationParams { max_iterations: 40, ..Default::default() },
        ..Default::default()
    };
    let found = made.align(&params).report;
    assert_eq!(found, made.align(&params).report);
    assert_ne!(found.history, made.align(&PhaseMatchingParams { seed: 6, ..params.clone() }).report.history);
    assert!(rms(&made.errors(&found.offsets)).iter().all(|rms| *rms < 0.6));
}

#[test]
fn what_is_ignored_or_disabled_stays() {
    let made = small();
    let iteration = IterationParams {
        ignored: vec![4, 9],
        align_k: false,
        center: false,
        max_iterations: 6,
        ..Default::default()
    };
    let found = made.align(&OpticalFlowParams { iteration, ..Default::default() }).report;
    for (i, offset) in found.offsets.iter().enumerate() {
        assert_eq!(offset[1], 0.0);
        assert_eq!(offset[0] == 0.0, [4, 9].contains(&i));
    }
}

#[test]
fn images_that_say_nothing_keep_their_offsets_and_are_listed() {
    let mut made = small();
    made.images.index_axis_mut(Axis(0), 3).fill(0.0);
    let mut weights = Array3::<f32>::ones(made.images.dim());
    weights.index_axis_mut(Axis(0), 8).fill(0.0);
    made.images.index_axis_mut(Axis(0), 8).fill(f32::NAN);
    let iteration = IterationParams { center: false, ..Default::default() };
    let params = OpticalFlowParams { iteration, ..Default::default() };
    let found = align(&params, made.geometry(), made.images.view(), Some(weights.view()), &NoProgress)
        .unwrap()
        .report;
    assert!(found.degenerate.contains(&8), "{:?}", found.degenerate);
    assert_eq!(found.offsets[8], [0.0; 2]);
    assert!(found.offsets.iter().flatten().all(|offset| offset.is_finite()));
    // An empty image contradicts the others; it must stand out.
    assert!(found.outliers.contains(&3) || found.degenerate.contains(&3), "{:?}", found.outliers);
    let others: Vec<[f64; 2]> = made
        .errors(&found.offsets)
        .into_iter()
        .enumerate()
        .filter(|(i, _)| ![3, 8].contains(i))
        .map(|(_, error)| error)
        .collect();
    assert!(rms(&others).iter().all(|rms| *rms < 0.3), "{:?}", rms(&others));
}

#[test]
fn nothing_but_air_stops_at_once() {
    let made = small();
    let images = Array3::<f32>::zeros(made.images.dim());
    let found =
        align(&OpticalFlowParams::default(), made.geometry(), images.view(), None, &NoProgress).unwrap();
    assert_eq!(found.report.degenerate.len(), 24);
    assert!(found.report.offsets.iter().flatten().all(|offset| *offset == 0.0));
    assert_eq!(found.report.stop, StopReason::Tolerance);
}
