//! Offsets along the axis.

use nalgebra::Vector3;
use ndarray::{Array3, s};
use nonius_tomography::alignment::{AxialProfileParams, align_axial_profile};
use nonius_tomography::{Geometry, Laboratory};

use crate::series_with_truth::all;

fn rms(found: &[f64], truth: impl Iterator<Item = f64>) -> f64 {
    let errors: Vec<f64> = found.iter().zip(truth).map(|(f, t)| f - t).collect();
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    (errors.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / errors.len() as f64).sqrt()
}

#[test]
fn better_than_the_reference_on_the_series_with_truth() {
    // The specification's table, 0.0050, 0.0117, 0.0047, and what the footprint makes of it.
    for (series, limit) in all().iter().zip([0.0032, 0.0068, 0.0041]) {
        let truth = || series.truth.iter().map(|t| t[1]);
        for images in [series.absorbance(), series.absorbance_by_percentile()] {
            let found =
                align_axial_profile(&series.geometry, images.view(), None, &AxialProfileParams::default())
                    .unwrap();
            let error = rms(&found.along, truth());
            assert!(error < limit, "{} {error}", series.name);
            assert_eq!(found.direction, [0.0, 1.0]);
            let predicted = found.standard_errors.iter().sum::<f64>() / found.along.len() as f64;
            // 45 to 60 views: 10 % by chance.
            assert!((0.7..1.35).contains(&(error / predicted)), "{} {error} {predicted}", series.name);
            assert!(found.degenerate.is_empty() && found.iterations < 15);
            assert!(found.scores.iter().all(|score| *score > 0.999));
        }
    }
}

#[test]
fn agrees_with_the_reference_within_its_error() {
    // Errors of the reference and of this, which have noise in common.
    for (series, errors) in all().iter().zip([[0.0050, 0.0029], [0.0117, 0.0063], [0.0047, 0.0037]]) {
        let images = series.absorbance_by_percentile();
        let found =
            align_axial_profile(&series.geometry, images.view(), None, &AxialProfileParams::default())
                .unwrap();
        let difference = rms(&found.along, series.expected("ref_axial_profile_k").into_iter());
        assert!(difference < f64::hypot(errors[0], errors[1]), "{} {difference}", series.name);
    }
}

/// The axis along j, along −k, and with the images transposed: the same displacements.
#[test]
fn the_axis_may_lie_anywhere_in_the_image() {
    let series = &all()[0];
    let params = AxialProfileParams::default();
    let images = series.absorbance();
    let plain = align_axial_profile(&series.geometry, images.view(), None, &params).unwrap();

    let mut swapped = series.geometry.clone();
    let Laboratory { p, j, k } = swapped.laboratory;
    swapped.laboratory = Laboratory { p, j: k, k: j };
    swapped.projection_shape.reverse();
    let transposed = images.view().permuted_axes([0, 2, 1]);
    let found = align_axial_profile(&swapped, transposed, None, &params).unwrap();
    assert_eq!(found.direction, [1.0, 0.0]);
    for (a, b) in found.offsets.iter().zip(&plain.offsets) {
        assert!((a[0] - b[1]).abs() < 1e-6 && (a[1] - b[0]).abs() < 1e-9);
    }

    // k the other way round.
    let mut mirrored = series.geometry.clone();
    mirrored.laboratory.k = -mirrored.laboratory.k;
    let found = align_axial_profile(&mirrored, images.slice(s![.., .., ..;-1]), None, &params).unwrap();
    for (a, b) in found.offsets.iter().zip(&plain.offsets) {
        assert!((a[1] + b[1]).abs() < 1e-6);
    }
}

/// Two Gaussians seen about an axis inclined by 0.2 rad in the plane of the images.
#[test]
fn an_inclined_axis() {
    let axis = Vector3::new(0.2_f64.sin(), 0.0, 0.2_f64.cos());
    let angles: Vec<f64> = (0..30).map(|i| 0.1 * i as f64).collect();
    let geometry = Geometry::single_axis(axis, &angles, [48, 44], [48, 48, 44]).unwrap();
    let offsets: Vec<[f64; 2]> =
        (0..30).map(|i| [1.5 * (3.1 * i as f64).sin(), 2.2 * (5.3 * i as f64).cos()]).collect();
    let balls = [(Vector3::new(4.0, -3.0, 5.0), 9.0), (Vector3::new(-5.0, 2.0, -3.0), 6.0)];
    let images = Array3::from_shape_fn((30, 48, 44), |(i, a, b)| {
        let d = geometry.directions(i);
        let [x, y] = [a as f64 - 23.5 + offsets[i][0], b as f64 - 21.5 + offsets[i][1]];
        let ball = |(r, v): &(Vector3<f64>, f64)| {
            (-0.5 * ((x - r.dot(&d.j)).powi(2) + (y - r.dot(&d.k)).powi(2)) / v).exp() / v
        };
        balls.iter().map(ball).sum::<f64>()
    });
    let found = align_axial_profile(&geometry, images.view(), None, &AxialProfileParams::default()).unwrap();
    let [u_j, u_k] = found.direction;
    assert!((u_j - 0.2_f64.sin()).abs() < 1e-9 && u_k > 0.0);
    // Lines across pixels share them: 0.01 px.
    let truth = offsets.iter().map(|o| o[0] * u_j + o[1] * u_k);
    let error = rms(&found.along, truth);
    assert!(error < 0.01, "{error}");
    // Across the axis nothing is said.
    for [oj, ok] in found.offsets {
        assert!((-oj * u_k + ok * u_j).abs() < 1e-12);
    }
}

#[test]
fn flat_views_keep_their_offsets_and_far_ones_are_found() {
    let angles: Vec<f64> = (0..9).map(|i| 0.3 * i as f64).collect();
    let geometry = Geometry::single_axis(Vector3::z(), &angles, [12, 60], [12, 12, 60]).unwrap();
    let geometry = geometry.with_offsets(&[[0.5, 0.25]; 9]).unwrap();
    let shift = |i: usize| [0.0, 20.0, -17.3, 0.4, 1.0, -21.0, 9.5, 3.0, -3.0][i];
    let mut images = Array3::from_shape_fn((9, 12, 60), |(i, a, b)| {
        let (x, y) = (a as f64 - 5.5, b as f64 - 29.5 + shift(i));
        (-0.5 * (x * x / 4.0 + y * y / 5.0)).exp() * (1.0 + 0.1 * i as f64)
    });
    images.slice_mut(s![4, .., ..]).fill(3.0);
    let found = align_axial_profile(&geometry, images.view(), None, &AxialProfileParams::default()).unwrap();
    assert_eq!(found.degenerate, [4]);
    assert_eq!(found.offsets[4], [0.5, 0.25]);
    let others = |i: &usize| *i != 4;
    let along: Vec<f64> = (0..9).filter(others).map(|i| found.along[i]).collect();
    let error = rms(&along, (0..9).filter(others).map(shift));
    assert!(error < 1e-3, "{error}");
    assert!(found.offsets.iter().all(|o| o[0] == 0.5));
}

#[test]
fn what_cannot_be_is_named() {
    let geometry = Geometry::single_axis(Vector3::z(), &[0.0, 1.0], [4, 4], [4, 4, 4]).unwrap();
    let images = Array3::<f64>::zeros((2, 4, 4));
    let defaults = AxialProfileParams::default();
    let found = align_axial_profile(&geometry, images.view(), None, &defaults).unwrap();
    assert_eq!(found.degenerate, [0, 1]);
    let params = AxialProfileParams { max_iterations: 0, ..defaults };
    assert!(align_axial_profile(&geometry, images.view(), None, &params).is_err());
    let params = AxialProfileParams { tolerance: f64::NAN, ..defaults };
    assert!(align_axial_profile(&geometry, images.view(), None, &params).is_err());
    let one = geometry.subset(&[0]).unwrap();
    let error = align_axial_profile(&one, images.slice(s![..1, .., ..]), None, &defaults).unwrap_err();
    assert!(error.to_string().contains("one axis"), "{error}");
    // An axis along the beam.
    let beam = Geometry::single_axis(Vector3::y(), &[0.0, 1.0], [4, 4], [4, 4, 4]).unwrap();
    let error = align_axial_profile(&beam, images.view(), None, &defaults).unwrap_err();
    assert!(error.to_string().contains("perpendicular to the beam"), "{error}");
}
