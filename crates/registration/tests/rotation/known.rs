//! Poses that are known, and what symmetry demands.

use ndarray::Array2;
use nonius_core::SplineDegree;
use nonius_registration::Status;
use nonius_registration::rotation::{Pose, SimilarityParams, SimilarityPlan};

use super::{errors, pair, pose, register};

/// 40 windows of 40 scenes over all angles, scales 0.7 to 1.4 and shifts to 8 % of the side.
#[test]
fn any_pose_and_honest_errors() {
    let n = 40;
    let (mut pulls, mut angles, mut scales) = ([0.0; 4], Vec::new(), Vec::new());
    for k in 0..n {
        let side = [128, 96, 141][k % 3];
        let truth = pose(k, 0.08 * side as f64);
        let images = pair([side, side + k % 2], truth, 0.05, k as u64);
        let found = register(&images.reference, &images.moving);
        assert_eq!(found.status, Status::Converged, "{truth:?}: {found:?}");
        let (error, sigma) = (errors(&found, &truth), found.errors());
        for i in 0..4 {
            pulls[i] += (error[i] / sigma[i]).powi(2) / n as f64;
        }
        angles.push(error[0].abs());
        scales.push(error[1].abs());
        // Five standard errors; the covariance itself is known to some ten percent.
        assert!((0..4).all(|i| error[i].abs() < 5.0 * sigma[i]), "{truth:?}: {error:?} {sigma:?}");
    }
    angles.sort_by(f64::total_cmp);
    scales.sort_by(f64::total_cmp);
    // Seen: 0.008° and 1.5e-4; asked for: 0.3° and 0.005.
    assert!(angles[n / 2] < 0.03, "median error of the angle {}°", angles[n / 2]);
    assert!(scales[n / 2] < 5e-4, "median error of the scale {}", scales[n / 2]);
    // A root mean square of 40 unit normals scatters by 0.11.
    assert!(pulls.iter().all(|p| (0.6..1.5).contains(&p.sqrt())), "{:?}", pulls.map(f64::sqrt));
}

#[test]
fn without_noise_the_pose_is_exact() {
    for k in [3, 8] {
        let truth = pose(k, 5.0);
        let images = pair([128, 120], truth, 0.0, 77);
        let error = errors(&register(&images.reference, &images.moving), &truth);
        // What interpolation leaves of sources as narrow as 1.1 px. Seen: 2e-3°, 4e-5, 5e-3 px.
        assert!(error[0].abs() < 4e-3 && error[1].abs() < 1e-4, "{error:?}");
        assert!(error[2].hypot(error[3]) < 0.01, "{error:?}");
    }
}

#[test]
fn a_displacement_turns_nothing() {
    let truth = Pose { shift: [3.4, -6.7], ..Pose::default() };
    let images = pair([100, 90], truth, 0.02, 5);
    let found = register(&images.reference, &images.moving);
    let (error, sigma) = (errors(&found, &truth), found.errors());
    assert!((0..4).all(|i| error[i].abs() < 4.0 * sigma[i]), "{error:?} {sigma:?}");
    assert!(found.angle.abs() < 0.05 && (found.scale - 1.0).abs() < 1e-3);
}

#[test]
fn swapped_images_give_the_inverse() {
    for k in [1, 2, 4] {
        let images = pair([96, 96], pose(k, 6.0), 0.05, 9);
        let there = register(&images.reference, &images.moving);
        let back = register(&images.moving, &images.reference);
        // The same image is interpolated either way; the candidates that the fit starts from differ.
        let error = errors(&back, &there.pose().inverse());
        assert!(error.iter().all(|e| e.abs() < 1e-3), "{error:?}");
    }
}

#[test]
fn gain_offset_layout_and_precision_do_not_matter() {
    let images = pair([90, 96], pose(6, 4.0), 0.03, 3);
    let plan = SimilarityPlan::new((90, 96), SimilarityParams::default()).unwrap();
    let first = plan.register(images.reference.view(), images.moving.view()).unwrap();
    let brighter = images.moving.mapv(|v| 1e-6 * v + 3e-5);
    let second = plan.register(images.reference.view(), brighter.view()).unwrap();
    assert!(errors(&second, &first.pose()).iter().all(|e| e.abs() < 1e-6));
    assert!((second.score - first.score).abs() < 1e-9);

    let by_columns = images.moving.t().as_standard_layout().into_owned();
    let third = plan.register(images.reference.view(), by_columns.t()).unwrap();
    assert_eq!(third, first);

    let single = [&images.reference, &images.moving].map(|image| image.mapv(|v| v as f32));
    let fourth = plan.register(single[0].view(), single[1].view()).unwrap();
    // Rounding of the pixels to 24 bits.
    assert!(errors(&fourth, &first.pose()).iter().all(|e| e.abs() < 1e-5));
}

/// Spectra alone: within the step of their grid, and without a covariance.
#[test]
fn unrefined_is_near() {
    let truth = pose(7, 4.0);
    let images = pair([128, 128], truth, 0.02, 12);
    let params = SimilarityParams { refine: false, ..Default::default() };
    let plan = SimilarityPlan::new((128, 128), params).unwrap();
    let found = plan.register(images.reference.view(), images.moving.view()).unwrap();
    let error = errors(&found, &truth);
    assert!(error[0].abs() < 1.5 && error[1].abs() < 0.03, "{error:?}");
    assert!(error[2].abs() < 3.0 && error[3].abs() < 3.0, "{error:?}");
    assert!(found.covariance.iter().flatten().all(|v| v.is_nan()));
}

/// A pattern that looks the same after a quarter turn has four answers.
#[test]
fn symmetric_scenes_are_ambiguous() {
    let image = Array2::from_shape_fn((96, 96), |(y, x)| {
        let (y, x) = (y as f64 - 47.5, x as f64 - 47.5);
        (0.5 * y).cos() * (0.5 * x).cos() * (-(y * y + x * x) / 800.0).exp()
    });
    assert_eq!(register(&image, &image).status, Status::Ambiguous);
    // Rings do not fix the angle at all.
    let rings = Array2::from_shape_fn((96, 96), |(y, x)| {
        let r = (y as f64 - 47.5).hypot(x as f64 - 47.5);
        (0.5 * r).cos() * (-r * r / 800.0).exp()
    });
    assert_ne!(register(&rings, &rings).status, Status::Converged);
}

#[test]
fn brought_back_the_moving_image_is_the_reference() {
    let truth = Pose { angle: 35.0, scale: 1.2, shift: [2.0, -3.5] };
    let images = pair([120, 110], truth, 0.0, 21);
    let back = truth.bring_back(images.moving.view(), SplineDegree::Septic, f64::NAN).unwrap();
    let seen: Vec<f64> =
        back.iter().zip(&images.reference).filter(|(b, _)| !b.is_nan()).map(|(b, r)| (b - r).abs()).collect();
    assert!(seen.len() > 4000, "{} pixels", seen.len());
    let deviation = images.reference.std(0.0);
    let rms = (seen.iter().map(|d| d * d).sum::<f64>() / seen.len() as f64).sqrt();
    assert!(rms < 1e-3 * deviation, "{rms} of {deviation}");
    let again =
        truth.carry(back.mapv(|v| if v.is_nan() { 0.0 } else { v }).view(), SplineDegree::Cubic, -1.0);
    assert!(again.unwrap().iter().any(|&v| v == -1.0));
}
