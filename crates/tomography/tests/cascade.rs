//! Neighbours registered, and slices after them.

use nalgebra::Vector3;
use ndarray::{Array3, s};
use nonius_core::NoProgress;
use nonius_tomography::Geometry;
use nonius_tomography::alignment::{
    CascadeParams, SlicesParams, align_axial_profile, align_cascade, align_slices,
};

use crate::series_with_truth::all;

fn single_axis(n: usize, range: f64, shape: [usize; 2]) -> Geometry {
    let angles: Vec<f64> = (0..n).map(|i| range * (i as f64 / (n - 1) as f64 - 0.5)).collect();
    Geometry::single_axis(-Vector3::z(), &angles, shape, [shape[0], shape[0], shape[1]]).unwrap()
}

fn wobble(n: usize) -> Vec<[f64; 2]> {
    (0..n).map(|i| [3.5 * (3.1 * i as f64).sin(), 2.2 * (5.3 * i as f64).cos()]).collect()
}

/// Gaussian balls at these places, variances px² and weights, displaced by −offset.
fn balls(geometry: &Geometry, balls: &[(Vector3<f64>, f64, f64)], offsets: &[[f64; 2]]) -> Array3<f64> {
    let [n, n_j, n_k] = geometry.stack_shape();
    Array3::from_shape_fn((n, n_j, n_k), |(i, a, b)| {
        let d = geometry.directions(i);
        let x = a as f64 + 0.5 - n_j as f64 / 2.0 + offsets[i][0];
        let y = b as f64 + 0.5 - n_k as f64 / 2.0 + offsets[i][1];
        let ball = |(r, v, w): &(Vector3<f64>, f64, f64)| {
            w * (-0.5 * ((x - r.dot(&d.j)).powi(2) + (y - r.dot(&d.k)).powi(2)) / v).exp()
        };
        balls.iter().map(ball).sum::<f64>()
    })
}

fn largest_difference(a: &[[f64; 2]], b: &[[f64; 2]], first: usize) -> f64 {
    let difference = |i: usize, d: usize| (a[i][d] - a[first][d]) - (b[i][d] - b[first][d]);
    (0..a.len()).flat_map(|i| [0, 1].map(|d| difference(i, d).abs())).fold(0.0, f64::max)
}

/// Balls on the axis look the same from all sides: the cascade is exact, in any order of recording.
#[test]
fn a_round_sample_on_the_axis() {
    let shape = [40, 48];
    let geometry = single_axis(21, 2.0, shape);
    let offsets = wobble(21);
    let sample = [(Vector3::new(0.0, 0.0, 6.0), 9.0, 1.0), (Vector3::new(0.0, 0.0, -5.0), 5.0, 0.7)];
    let images = balls(&geometry, &sample, &offsets);
    let found =
        align_cascade(&geometry, images.view(), None, &CascadeParams::default(), &NoProgress).unwrap();
    assert_eq!(found.first, 10);
    assert!(found.degenerate.is_empty() && found.pairs.len() == 20);
    let error = largest_difference(&found.offsets, &offsets, 10);
    assert!(error < 1e-3, "{error}");

    let order: Vec<usize> = (0..21).map(|i| (i * 8) % 21).collect();
    let shuffled = images.select(ndarray::Axis(0), &order);
    let other = align_cascade(
        &geometry.subset(&order).unwrap(),
        shuffled.view(),
        None,
        &CascadeParams::default(),
        &NoProgress,
    )
    .unwrap();
    for (at, i) in order.iter().enumerate() {
        assert!((0..2).all(|d| (other.offsets[at][d] - found.offsets[*i][d]).abs() < 1e-9));
    }
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let again = one
        .install(|| align_cascade(&geometry, images.view(), None, &CascadeParams::default(), &NoProgress))
        .unwrap();
    assert_eq!(again.offsets, found.offsets);
}

/// A flat sample becomes narrower with cos(tilt): stretched, it is the same.
#[test]
fn a_flat_sample_is_stretched() {
    let shape = [96, 40];
    let geometry = single_axis(15, 2.0, shape);
    let offsets: Vec<[f64; 2]> = wobble(15).iter().map(|o| [0.4 * o[0], o[1]]).collect();
    // Lines of balls in the plane of view 7, thin across it.
    let images = {
        let [n, n_j, n_k] = geometry.stack_shape();
        Array3::from_shape_fn((n, n_j, n_k), |(i, a, b)| {
            let tilt = 2.0 * (i as f64 / 14.0 - 0.5);
            let x = (a as f64 - 47.5 + offsets[i][0]) / tilt.cos();
            let y = b as f64 - 19.5 + offsets[i][1];
            let spot = |x0: f64, y0: f64| (-0.5 * ((x - x0).powi(2) / 20.0 + (y - y0).powi(2) / 9.0)).exp();
            spot(-14.0, 4.0) + 0.8 * spot(3.0, -5.0) + 0.6 * spot(17.0, 1.0)
        })
    };
    let error = |stretch: bool| {
        let params = CascadeParams { stretch, ..Default::default() };
        let found = align_cascade(&geometry, images.view(), None, &params, &NoProgress).unwrap();
        // The first view stays; what it is off by is a translation of the sample, seen narrower from the others.
        let expected = |i: usize| offsets[i][0] - (2.0 * (i as f64 / 14.0 - 0.5)).cos() * offsets[7][0];
        (0..15).map(|i| (found.offsets[i][0] - expected(i)).abs()).fold(0.0, f64::max)
    };
    let (plain, stretched) = (error(false), error(true));
    assert!(stretched < 0.02 && stretched < 0.1 * plain, "{plain} {stretched}");
}

/// An axis that is off the middle and inclined, a sample that is not on it: slices put both right.
#[test]
fn slices_find_the_axis() {
    let shape = [64, 60];
    let upright = single_axis(45, 2.6, shape);
    let axis = Vector3::new(-0.05_f64.sin(), 0.0, 0.05_f64.cos());
    let angles: Vec<f64> = (0..45).map(|i| 2.6 * (i as f64 / 44.0 - 0.5)).collect();
    let truth = Geometry::single_axis(-axis, &angles, shape, upright.volume_shape).unwrap();
    let sample: Vec<_> = (-9..=9)
        .map(|z| {
            let z = 3.5 * f64::from(z);
            (Vector3::new(5.0 + 0.1 * z, -4.0 + 2.0 * (0.1 * z).sin(), z), 12.0, 1.0)
        })
        .collect();
    // Displaced by 2.5 px across the axis, and jittered across it only.
    let offsets: Vec<[f64; 2]> = wobble(45).iter().map(|o| [0.3 * o[0] - 2.5, 0.0]).collect();
    let images = balls(&truth, &sample, &offsets);
    let params = SlicesParams { threshold: None, ..Default::default() };
    let found = align_slices(&upright, images.view(), None, &params).unwrap();
    // The point of the axis in the middle of its length is the middle of the images, displaced by −offset: +2.5 px.
    assert!((found.axis.offset - 2.5).abs() < 0.3, "{:?}", found.axis);
    assert!((found.axis.inclination.abs() - 0.05).abs() < 0.01, "{:?}", found.axis);
    let left: Vec<f64> = found.offsets.iter().zip(&offsets).map(|(f, t)| f[0] - t[0]).collect();
    // What is left is one sinusoid: fit it away by neighbours' second differences, which jitter would fill.
    let rough = |v: &[f64]| {
        (v.windows(3).map(|w| (w[0] - 2.0 * w[1] + w[2]).powi(2)).sum::<f64>() / (v.len() - 2) as f64).sqrt()
    };
    let jitter: Vec<f64> = offsets.iter().map(|o| o[0]).collect();
    assert!(rough(&left) < 0.03 * rough(&jitter), "{} {}", rough(&left), rough(&jitter));
    assert!(found.residual < 0.1 * found.residual_before);
}

/// From the axial profile and slices the errors across the axis are those of centres of mass.
#[test]
fn the_series_with_truth() {
    for series in all() {
        let images = series.absorbance();
        let along = align_axial_profile(&series.geometry, images.view(), None, &Default::default()).unwrap();
        let start = series.geometry.clone().with_offsets(&along.offsets).unwrap();
        let found = align_slices(&start, images.view(), None, &SlicesParams::default()).unwrap();
        let rms = series.rms(&found.offsets);
        // Over half of the slices: the best, not all that tell.
        let limit = if series.name == "limited_angle" { 0.03 } else { 0.012 };
        assert!(rms[0] < limit, "{} {rms:?}", series.name);

        // A cascade takes the way round of what lies off the axis for displacement; along it that is nothing.
        let cascade =
            align_cascade(&series.geometry, images.view(), None, &CascadeParams::default(), &NoProgress)
                .unwrap();
        let rms = series.rms(&cascade.offsets);
        assert!(rms[0] < 1.0 && rms[1] < 0.06, "{} {rms:?}", series.name);
    }
}

#[test]
fn what_cannot_be_is_named() {
    let geometry = single_axis(5, 1.0, [8, 9]);
    let flat = Array3::<f32>::zeros((5, 8, 9));
    let defaults = CascadeParams::default();
    let found = align_cascade(&geometry, flat.view(), None, &defaults, &NoProgress).unwrap();
    assert_eq!(found.degenerate, [0, 1, 3, 4]);
    assert_eq!(found.offsets, [[0.0; 2]; 5]);
    assert!(align_cascade(&geometry, flat.slice(s![.., 1.., ..]), None, &defaults, &NoProgress).is_err());
    let params = SlicesParams::default();
    let error = align_slices(&geometry, flat.view(), None, &params).unwrap_err().to_string();
    assert!(error.contains("a slice in view from all sides"), "{error}");
    for part in [0.0, 1.5, f64::NAN] {
        let params = SlicesParams { part, ..params };
        assert!(
            align_slices(&geometry, flat.view(), None, &params).unwrap_err().to_string().contains("part")
        );
    }
    let two = geometry.subset(&[0, 1]).unwrap();
    let error = align_slices(&two, flat.slice(s![..2, .., ..]), None, &params).unwrap_err().to_string();
    assert!(error.contains("three different angles"), "{error}");
    let one = geometry.subset(&[0]).unwrap();
    let found = align_cascade(&one, flat.slice(s![..1, .., ..]), None, &defaults, &NoProgress).unwrap();
    assert!(found.pairs.is_empty());
}
