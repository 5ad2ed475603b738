//! Where the axis of rotation stands.

use std::f64::consts::PI;
use std::path::Path;

use ndarray::{Array3, Axis, Ix3, s};
use nonius_tomography::rotation_center::{
    CenterMethod, RotationCenter, RotationCenterParams, rotation_center,
};
use rand::SeedableRng;
use rand_distr::{Distribution, Normal};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::golden::npz;

fn angles(n: usize, range: f64) -> Vec<f64> {
    (0..n).map(|i| range * i as f64 / n as f64).collect()
}

/// Disks and Gaussians that turn about column `center`, three rows, white noise.
fn sinogram(angles: &[f64], width: usize, center: f64, noise: f64, scale: f64) -> Array3<f64> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
    let normal = Normal::new(0.0, noise).unwrap();
    Array3::from_shape_fn((angles.len(), 3, width), |(i, r, x)| {
        let at = |x0: f64, z0: f64| x as f64 - center - scale * (x0 * angles[i].cos() + z0 * angles[i].sin());
        let disk = |x0: f64, z0: f64, radius: f64| {
            let d = at(x0, z0) / (scale * radius);
            if d.abs() < 1.0 { (1.0 - d * d).sqrt() } else { 0.0 }
        };
        let blob = |x0: f64, z0: f64, width: f64| (-0.5 * (at(x0, z0) / (scale * width)).powi(2)).exp();
        disk(0.1, 0.05, 0.7)
            + 0.3 * disk(-0.3, 0.2, 0.15)
            + 0.2 * blob(0.3, -0.35 + 0.1 * r as f64, 0.06)
            + 0.2 * blob(-0.1, -0.4, 0.03)
            + normal.sample(&mut random)
    })
}

fn each(found: &RotationCenter) -> String {
    let one = |e: &nonius_tomography::rotation_center::CenterEstimate| {
        format!("{:?} {:.4} ± {:.4}", e.method, e.center, e.standard_error)
    };
    format!(
        "{:.4} ± {:.4}, spread {:.3}: {}",
        found.center,
        found.standard_error,
        found.spread,
        found.estimates.iter().map(one).collect::<Vec<_>>().join(", ")
    )
}

#[test]
fn shared_sinograms() {
    let path = "../../testdata/tomography/alignment/rotation_center.npz";
    let arrays = npz(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
    let angles = arrays["angles"].as_slice().unwrap().to_vec();
    for (i, truth) in [83.8, 71.75, 79.5].into_iter().enumerate() {
        let sinogram: Array3<f64> =
            arrays[&format!("sinogram_{i}")].clone().into_dimensionality::<Ix3>().unwrap() / 5000.0 - 0.05;
        let found = rotation_center(sinogram.view(), &angles, &Default::default()).unwrap();
        assert!((found.center - truth).abs() < 0.005, "{truth}: {}", each(&found));
        assert_eq!(found.estimates.len(), 4);
        for estimate in &found.estimates {
            // What the specification asks of the best, of all but the least exact.
            let allowed = if estimate.method == CenterMethod::Entropy { 0.1 } else { 0.02 };
            assert!((estimate.center - truth).abs() < allowed, "{truth}: {}", each(&found));
            assert!(
                (estimate.center - truth).abs() < 4.0 * estimate.standard_error,
                "{truth}: {}",
                each(&found)
            );
        }
    }
}

#[test]
fn half_turns_and_whole_ones_odd_widths_and_even_ones() {
    for (n, range, width, center, noise, scale) in [
        (180, PI, 128, 66.3, 0.002, 50.0),
        (181, PI * 181.0 / 180.0, 129, 61.85, 0.002, 50.0),
        (240, 2.0 * PI, 127, 65.1, 0.01, 50.0),
        (360, 2.0 * PI, 128, 60.45, 0.03, 50.0),
        // More than a quarter of the width off.
        (200, PI, 160, 121.2, 0.005, 30.0),
        (200, 2.0 * PI, 161, 36.7, 0.005, 30.0_f64),
    ] {
        let angles = angles(n, range);
        let sinogram = sinogram(&angles, width, center, noise, scale);
        let found = rotation_center(sinogram.view(), &angles, &Default::default()).unwrap();
        // Sharp edges that are sampled at points, not averaged over pixels, leave up to 0.01 px.
        let allowed = if noise > 0.02 { 0.03 } else { 0.015 };
        assert!((found.center - center).abs() < allowed, "{center}: {}", each(&found));
    }
}

#[test]
fn mirrored_columns_mirror_the_centre_and_order_does_not_matter() {
    let angles = angles(120, PI);
    let sinogram = sinogram(&angles, 100, 47.2, 0.003, 38.0);
    let params = RotationCenterParams {
        methods: vec![CenterMethod::Sinusoid, CenterMethod::DoubleWedge],
        ..Default::default()
    };
    let found = rotation_center(sinogram.view(), &angles, &params).unwrap();
    let mirrored = rotation_center(sinogram.slice(s![.., .., ..;-1]), &angles, &params).unwrap();
    assert!((found.center + mirrored.center - 99.0).abs() < 1e-6, "{} {}", each(&found), each(&mirrored));

    let order: Vec<usize> = (0..120).map(|i| (i * 37) % 120).collect();
    let shuffled = sinogram.select(Axis(0), &order);
    let told: Vec<f64> = order.iter().map(|i| angles[*i]).collect();
    let other = rotation_center(shuffled.view(), &told, &params).unwrap();
    assert_eq!(other, found);
}

/// A sample wider than the view: its mass says nothing, and what needs all of it is left out.
#[test]
fn a_truncated_sample() {
    let angles = angles(360, 2.0 * PI);
    let whole = sinogram(&angles, 200, 98.4, 0.002, 90.0);
    let view = whole.slice(s![.., .., 50..150]);
    let found = rotation_center(view, &angles, &Default::default()).unwrap();
    let needs_all = [CenterMethod::Sinusoid, CenterMethod::DoubleWedge];
    assert!(found.estimates.iter().all(|e| !needs_all.contains(&e.method)));
    assert!((found.center - 48.4).abs() < 0.05, "{}", each(&found));
}

#[test]
fn what_cannot_be_is_named() {
    let good = angles(12, PI);
    let empty = Array3::<f32>::zeros((12, 0, 10));
    assert!(rotation_center(empty.view(), &good, &Default::default()).is_err());
    let flat = Array3::<f32>::zeros((12, 2, 10));
    let error = rotation_center(flat.view(), &good, &Default::default()).unwrap_err().to_string();
    assert!(error.contains("sinogram must be one that a method can find a centre in"), "{error}");
    assert!(rotation_center(flat.view(), &good[..11], &Default::default()).is_err());
    let mut bad = good.clone();
    bad[3] = f64::NAN;
    assert!(
        rotation_center(flat.view(), &bad, &Default::default()).unwrap_err().to_string().contains("angles")
    );
    let none = RotationCenterParams { methods: vec![], ..Default::default() };
    assert!(rotation_center(flat.view(), &good, &none).unwrap_err().to_string().contains("methods"));
    let limit = RotationCenterParams { max_distance: Some(-1.0), ..Default::default() };
    assert!(rotation_center(flat.view(), &good, &limit).is_err());
    for (n, rows, width) in [(1, 1, 1), (1, 2, 9), (2, 1, 1), (40, 1, 1), (3, 1, 7), (40, 1, 3)] {
        for value in [0.0, 1.0, -1.0] {
            let image = Array3::from_elem((n, rows, width), value);
            // An answer or an error, no panic.
            let _ = rotation_center(image.view(), &angles(n, PI), &Default::default());
            let _ = rotation_center(image.view(), &vec![0.3; n], &Default::default());
        }
    }
}
