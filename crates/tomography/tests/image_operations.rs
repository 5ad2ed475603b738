//! Elementary image operations, against the numbers of mumott.

use std::path::Path;

use ndarray::{Array1, Array2, Array3, Axis, Ix1, Ix2, Ix3};
use nonius_core::fourier_shift;
use nonius_tomography::alignment::image_operations::{
    high_pass_along, smooth_edges, spectral_gradient, tukey_window,
};

use crate::golden::npz;

fn near(name: &str, found: &Array2<f64>, expected: &Array2<f64>) {
    let worst = (found - expected).iter().fold(0.0, |worst: f64, d| worst.max(d.abs()));
    assert!(worst < 1e-11, "{name}: {worst:e}");
}

#[test]
fn those_of_the_published_alignment() {
    let arrays =
        npz(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/tomography/image_operations.npz"));
    for case in [0, 1] {
        let stack = |name: &str| -> Array3<f64> {
            arrays[&format!("{name}_{case}")].clone().into_dimensionality::<Ix3>().unwrap()
        };
        let image_of = |name: &str| -> Array2<f64> {
            arrays[&format!("{name}_{case}")].clone().into_dimensionality::<Ix2>().unwrap()
        };
        let numbers = |name: &str| -> Array1<f64> {
            arrays[&format!("{name}_{case}")].clone().into_dimensionality::<Ix1>().unwrap()
        };
        let images = stack("image");
        let (n_j, n_k, n) = images.dim();
        near("tukey", &tukey_window([n_j, n_k], 0.2), &image_of("tukey"));
        for i in 0..n {
            let image = images.index_axis(Axis(2), i);
            near(
                "smooth_edges",
                &smooth_edges(image).unwrap(),
                &stack("smooth_edges").index_axis(Axis(2), i).to_owned(),
            );
            let shift = [numbers("shift_axis0")[i], numbers("shift_axis1")[i]];
            let shifted = stack("shifted");
            // Frequencies of even lengths have a highest one that a shift by part of a pixel cannot keep real.
            if n_j % 2 == 1 {
                near(
                    "shifted",
                    &fourier_shift(image, &shift).unwrap(),
                    &shifted.index_axis(Axis(2), i).to_owned(),
                );
            }
            for axis in 0..2 {
                for sigma in [0.01, 0.1] {
                    // For odd lengths the published frequencies are off by half a step.
                    if [n_j, n_k][axis] % 2 == 0 {
                        let expected = stack(&format!("highpass_axis{axis}_s{sigma}"));
                        near(
                            "high-pass",
                            &high_pass_along(image, axis, sigma).unwrap(),
                            &expected.index_axis(Axis(2), i).to_owned(),
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_sine_has_a_cosine_for_slope() {
    for n in [16, 17, 24] {
        let wave = |phase: f64| {
            Array2::from_shape_fn((n, 3), |(a, _)| {
                (std::f64::consts::TAU * 3.0 * a as f64 / n as f64 + phase).sin()
            })
        };
        let slope = spectral_gradient(wave(0.0).view(), 0).unwrap();
        let expected = wave(std::f64::consts::FRAC_PI_2) * (std::f64::consts::TAU * 3.0 / n as f64);
        near("gradient", &slope, &expected);
        assert!(spectral_gradient(wave(0.0).view(), 1).unwrap().iter().all(|v| v.abs() < 1e-13));
    }
}

#[test]
fn a_high_pass_takes_the_mean_away_whatever_the_length() {
    for n in [64, 65, 55, 1] {
        let flat = Array2::from_elem((n, 4), 2.5_f64);
        assert!(high_pass_along(flat.view(), 0, 0.01).unwrap().iter().all(|v| v.abs() < 1e-12));
        assert_eq!(high_pass_along(flat.view(), 0, 0.0).unwrap(), flat);
    }
    assert!(high_pass_along(Array2::<f64>::zeros((3, 3)).view(), 0, -1.0).is_err());
    assert!(smooth_edges(Array2::<f64>::zeros((0, 3)).view()).is_err());
}
