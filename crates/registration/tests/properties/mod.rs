//! What holds whatever the images are.

use ndarray::Array2;
use nonius_registration::{Registration, RegistrationParams, register};
use nonius_synthetic::{ImagePair, ImagePairParams};
use proptest::prelude::*;

fn frames() -> [RegistrationParams; 2] {
    [RegistrationParams::default(), RegistrationParams::periodic()]
}

fn found(images: &ImagePair, params: &RegistrationParams) -> Registration {
    register(images.reference.view(), images.moving.view(), params).unwrap()
}

fn pair(h: usize, w: usize, shift: [f64; 2], sigma: f64, seed: u64) -> ImagePair {
    let mut pair = ImagePairParams::scene_c(shift, sigma, seed);
    pair.scene.shape = [h, w];
    pair.generate().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, rng_algorithm: prop::test_runner::RngAlgorithm::ChaCha, failure_persistence: None, ..Default::default() })]

    #[test]
    fn swapping_the_images_negates_the_shift(
        h in 30_usize..60, w in 30_usize..60, dy in -4.0..4.0_f64, dx in -4.0..4.0_f64, seed in 0_u64..1000
    ) {
        let images = pair(h, w, [dy, dx], 0.1, seed);
        for params in frames() {
            let forth = found(&images, &params);
            let back = register(images.moving.view(), images.reference.view(), &params).unwrap();
            for axis in 0..2 {
                prop_assert!((forth.shift[axis] + back.shift[axis]).abs() < 1e-6, "{forth:?} {back:?}");
                prop_assert!((forth.errors()[axis] / back.errors()[axis] - 1.0).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn transposing_the_images_swaps_the_axes(
        h in 30_usize..60, w in 30_usize..60, dy in -4.0..4.0_f64, dx in -4.0..4.0_f64, seed in 0_u64..1000
    ) {
        let images = pair(h, w, [dy, dx], 0.1, seed);
        for params in frames() {
            let here = found(&images, &params);
            let there = register(images.reference.t(), images.moving.t(), &params).unwrap();
            prop_assert!((here.shift[0] - there.shift[1]).abs() < 1e-6, "{here:?} {there:?}");
            prop_assert!((here.shift[1] - there.shift[0]).abs() < 1e-6);
        }
    }

    #[test]
    fn intensities_may_be_scaled_and_offset(
        scale in 1e-9..1e9_f64, other in 0.1..10.0_f64, offset in -100.0..100.0_f64, seed in 0_u64..1000
    ) {
        let images = pair(40, 44, [1.3, -2.2], 0.1, seed);
        for params in frames() {
            let plain = found(&images, &params);
            let reference = images.reference.mapv(|v| scale * v + scale * offset);
            let moving = images.moving.mapv(|v| scale * other * v + scale * offset);
            let scaled = register(reference.view(), moving.view(), &params).unwrap();
            for axis in 0..2 {
                prop_assert!((plain.shift[axis] - scaled.shift[axis]).abs() < 1e-6, "{plain:?} {scaled:?}");
            }
        }
    }

    #[test]
    fn rolling_a_periodic_image_adds_exactly(
        h in 20_usize..50, w in 20_usize..50, roll_y in -5_isize..6, roll_x in -5_isize..6, seed in 0_u64..1000
    ) {
        let mut pair = ImagePairParams::scene_a([0.3, -0.4], 0.1, seed);
        pair.scene.shape = [h, w];
        let images = pair.generate().unwrap();
        let rolled = Array2::from_shape_fn((h, w), |(y, x)| {
            images.moving[[
                (y as isize - roll_y).rem_euclid(h as isize) as usize,
                (x as isize - roll_x).rem_euclid(w as isize) as usize,
            ]]
        });
        let params = RegistrationParams::periodic();
        let plain = found(&images, &params);
        let moved = register(images.reference.view(), rolled.view(), &params).unwrap();
        prop_assert!((moved.shift[0] - plain.shift[0] - roll_y as f64).abs() < 1e-6);
        prop_assert!((moved.shift[1] - plain.shift[1] - roll_x as f64).abs() < 1e-6);
    }

    #[test]
    fn single_and_double_precision_agree(dy in -4.0..4.0_f64, dx in -4.0..4.0_f64, seed in 0_u64..1000) {
        let images = pair(48, 41, [dy, dx], 0.1, seed);
        for params in frames() {
            let double = found(&images, &params);
            let [a, b] = [&images.reference, &images.moving].map(|image| image.mapv(|v| v as f32));
            let single = register(a.view(), b.view(), &params).unwrap();
            for axis in 0..2 {
                // A thousandth of the standard error is where iterations stop.
                let tolerance = 0.01 * double.errors()[axis] + 1e-5;
                prop_assert!((double.shift[axis] - single.shift[axis]).abs() < tolerance, "{double:?} {single:?}");
            }
        }
    }
}
