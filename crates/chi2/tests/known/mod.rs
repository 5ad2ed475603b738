//! Answers true by construction.

use ndarray::{Array2, s};
use nonius_chi2::{Chi2Image, Chi2Params, Chi2Plan, Region, chi2_map, chi2_shift, chi2_surface};
use nonius_core::{Error, Status};
use nonius_synthetic::{Boundary, ImagePairParams, NoiseParams, SceneParams, near_repetitions};

fn register(pair: &ImagePairParams, sigma: f64, params: &Chi2Params) -> (nonius_chi2::Chi2Shift, [f64; 2]) {
    let images = pair.generate().unwrap();
    let moving = Chi2Image::new(images.moving.view()).with_sigma(sigma);
    (chi2_shift(&Chi2Image::new(images.reference.view()), &moving, params).unwrap(), images.truth.shift)
}

#[test]
fn an_image_lies_on_itself_at_every_size() {
    for n in 16..=128 {
        let mut pair = ImagePairParams::scene_c([0.0; 2], 0.0, n as u64);
        pair.scene.shape = [n, if n % 3 == 0 { n + 5 } else { n }];
        let image = pair.generate().unwrap().reference;
        for params in [Chi2Params::default(), Chi2Params::periodic()] {
            let image = Chi2Image::new(image.view()).with_sigma(0.1);
            let found =
                chi2_shift(&Chi2Image { noise: Default::default(), ..image }, &image, &params).unwrap();
            assert!(found.shift.iter().all(|d| d.abs() < 1e-9), "{n}: {found:?}");
        }
    }
}

#[test]
fn noise_free_shifts_are_exact() {
    for shape in [[64, 64], [63, 64], [45, 70], [200, 151]] {
        let mut pair = ImagePairParams::scene_a([2.37, -3.61], 0.0, 5);
        pair.scene.shape = shape;
        let (found, truth) = register(&pair, 0.1, &Chi2Params::periodic());
        assert!((0..2).all(|a| (found.shift[a] - truth[a]).abs() < 1e-8), "{found:?}");
        let mut pair = ImagePairParams::scene_c([2.37, -3.61], 0.0, 5);
        pair.scene.shape = shape;
        let (found, truth) = register(&pair, 0.1, &Chi2Params::default());
        assert!((0..2).all(|a| (found.shift[a] - truth[a]).abs() < 2e-3), "{found:?}");
    }
}

#[test]
fn large_displacements() {
    let mut pair = ImagePairParams::scene_c([35.3, -50.7], 0.1, 8);
    pair.scene = SceneParams { shape: [150, 170], boundary: Boundary::Open { margin: 64 }, ..pair.scene };
    let (found, truth) = register(&pair, 0.1, &Chi2Params::default());
    let errors = found.standard_errors();
    assert!((0..2).all(|a| (found.shift[a] - truth[a]).abs() < 4.0 * errors[a]), "{found:?}");
    assert_eq!(found.status, Status::Converged);
}

#[test]
fn what_a_masked_pixel_holds_never_matters() {
    let mut images = ImagePairParams::scene_c([1.3, -0.6], 0.1, 3).generate().unwrap();
    let mut mask = Array2::from_elem(images.moving.dim(), true);
    mask.slice_mut(s![20..30, 5..40]).fill(false);
    let mut behind = Array2::from_elem(images.reference.dim(), true);
    behind.slice_mut(s![40..45, 40..45]).fill(false);
    let mut found = Vec::new();
    for value in [0.0, 1e9, f64::NAN] {
        images.moving.slice_mut(s![20..30, 5..40]).fill(value);
        images.reference.slice_mut(s![40..45, 40..45]).fill(value);
        let reference = Chi2Image::new(images.reference.view()).with_mask(behind.view());
        let moving = Chi2Image::new(images.moving.view()).with_sigma(0.1).with_mask(mask.view());
        found.push(chi2_shift(&reference, &moving, &Chi2Params::default()).unwrap());
        if value.is_nan() {
            continue;
        }
        // An infinite σ says the same as a mask.
        let sigmas = mask.mapv(|ok| if ok { 0.1 } else { f64::INFINITY });
        let moving = Chi2Image::new(images.moving.view()).with_sigmas(sigmas.view());
        found.push(chi2_shift(&reference, &moving, &Chi2Params::default()).unwrap());
    }
    assert!(found.iter().all(|f| f == &found[0]), "{found:?}");
    assert!((found[0].shift[0] - 1.3).abs() < 0.02 && (found[0].shift[1] + 0.6).abs() < 0.02);
}

#[test]
fn an_offset_moves_nothing_and_a_gain_is_found() {
    for params in [Chi2Params::default(), Chi2Params::periodic()] {
        let pair = match params.frame {
            nonius_core::Frame::Overlap => ImagePairParams::scene_c([1.3, -0.6], 0.1, 3),
            nonius_core::Frame::Periodic => ImagePairParams::scene_a([1.3, -0.6], 0.1, 3),
        };
        let images = pair.generate().unwrap();
        let sigmas = Array2::from_shape_fn(images.moving.dim(), |(y, x)| 0.1 + 0.01 * ((y + x) % 7) as f64);
        let found = |moving: &Array2<f64>, sigmas: &Array2<f64>, params: &Chi2Params| {
            let moving = Chi2Image::new(moving.view()).with_sigmas(sigmas.view());
            chi2_shift(&Chi2Image::new(images.reference.view()), &moving, params).unwrap()
        };
        let plain = found(&images.moving, &sigmas, &params);
        let lifted = found(&(&images.moving + 10.0), &sigmas, &params);
        assert!((0..2).all(|a| (plain.shift[a] - lifted.shift[a]).abs() < 1e-6), "{plain:?} {lifted:?}");
        assert!((lifted.offset - plain.offset - 10.0).abs() < 1e-6);
        let gain = Chi2Params { gain: true, ..params };
        let doubled = found(&(&images.moving * 2.0), &(&sigmas * 2.0), &gain);
        assert!((doubled.gain - 2.0).abs() < 0.02 && (doubled.shift[0] - 1.3).abs() < 0.03, "{doubled:?}");
    }
}

#[test]
fn limits_follow_sigma_and_region_and_profiles_agree_where_chi2_is_a_parabola() {
    for (pair, params) in [
        (ImagePairParams::scene_a([1.3, -0.6], 0.05, 3), Chi2Params::periodic()),
        (ImagePairParams::scene_c([1.3, -0.6], 0.05, 3), Chi2Params::default()),
    ] {
        let one = register(&pair, 0.05, &params).0;
        let two = register(&pair, 0.05, &Chi2Params { n_sigma: 2.0, ..params }).0;
        let joint = register(&pair, 0.05, &Chi2Params { region: Region::Joint, ..params }).0;
        let profile = register(&pair, 0.05, &Chi2Params { profile: true, ..params }).0;
        for axis in 0..2 {
            for side in 0..2 {
                let base = one.errors[axis][side];
                assert!((two.errors[axis][side] / base - 2.0).abs() < 1e-9);
                assert!((joint.errors[axis][side] / base - 1.5152).abs() < 1e-3);
                assert!((profile.errors[axis][side] / base - 1.0).abs() < 0.02, "{profile:?} {one:?}");
            }
        }
    }
}

#[test]
fn errors_without_sigma_are_scaled_by_the_residuals_and_said_to_be() {
    let images = ImagePairParams::scene_c([1.3, -0.6], 0.2, 3).generate().unwrap();
    let reference = Chi2Image::new(images.reference.view());
    let unknown =
        chi2_shift(&reference, &Chi2Image::new(images.moving.view()), &Chi2Params::default()).unwrap();
    let known = Chi2Image::new(images.moving.view()).with_sigma(0.2);
    let known = chi2_shift(&reference, &known, &Chi2Params::default()).unwrap();
    assert!(unknown.scaled_by_residuals && !known.scaled_by_residuals);
    assert!((unknown.standard_errors()[0] / known.standard_errors()[0] - 1.0).abs() < 0.1);
}

#[test]
fn correlated_residuals_are_noticed() {
    for blur in [0.0, 1.0] {
        for (pair, params) in [
            (ImagePairParams::scene_a([1.3, -0.6], 0.2, 3), Chi2Params::periodic()),
            (ImagePairParams::scene_c([1.3, -0.6], 0.2, 3), Chi2Params::default()),
        ] {
            let noise = if blur > 0.0 { NoiseParams::blurred(0.2, blur) } else { NoiseParams::white(0.2) };
            let found = register(&ImagePairParams { moving_noise: noise, ..pair }, 0.2, &params).0;
            assert_eq!(found.correlated, blur > 0.0, "{found:?}");
        }
    }
}

#[test]
fn repeated_content_has_competing_minima() {
    let image = Array2::from_shape_fn((64, 64), |(y, x)| {
        (std::f64::consts::TAU * x as f64 / 16.0).sin() + (0.2 * y as f64).cos()
    });
    let moving = Chi2Image::new(image.view()).with_sigma(0.3);
    let found = chi2_shift(&Chi2Image::new(image.view()), &moving, &Chi2Params::periodic()).unwrap();
    assert_eq!(found.status, Status::Ambiguous, "{found:?}");
    assert!(found.competing.iter().any(|c| (c.shift[1].abs() - 16.0).abs() < 0.01), "{found:?}");
}

#[test]
fn images_that_fix_nothing_are_undetermined() {
    let flat = Array2::from_elem((32, 32), 4.0);
    let scene = ImagePairParams::scene_c([0.0; 2], 0.1, 3).generate().unwrap().reference;
    let scene = scene.slice(s![..32, ..32]).to_owned();
    let hidden = Array2::from_elem((32, 32), false);
    for params in [Chi2Params::default(), Chi2Params::periodic()] {
        for (a, b) in [(&flat, &flat), (&flat, &scene), (&scene, &flat)] {
            let moving = Chi2Image::new(b.view()).with_sigma(0.1);
            let found = chi2_shift(&Chi2Image::new(a.view()), &moving, &params).unwrap();
            let unsure = found.status == Status::Undetermined
                || found.standard_errors().iter().any(|e| !e.is_finite());
            assert!(unsure || found.reduced_chi2() > 10.0, "{found:?}");
        }
        let masked = Chi2Image::new(scene.view()).with_sigma(0.1).with_mask(hidden.view());
        let found = chi2_shift(&Chi2Image::new(scene.view()), &masked, &params).unwrap();
        assert_eq!(found.status, Status::Undetermined);
    }
}

#[test]
fn bad_input_is_named() {
    let image = Array2::<f64>::from_shape_fn((20, 24), |(y, x)| ((y * x) % 7) as f64);
    let plain = Chi2Image::new(image.view());
    let message = |reference: &Chi2Image<'_, f64>, moving: &Chi2Image<'_, f64>, params: &Chi2Params| {
        chi2_shift(reference, moving, params).unwrap_err().to_string()
    };
    let default = Chi2Params::default();
    for sigma in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(message(&plain, &plain.with_sigma(sigma), &default).contains("sigma"));
    }
    let mut sigmas = Array2::from_elem(image.dim(), 1.0);
    sigmas[[3, 4]] = f64::NAN;
    assert!(message(&plain, &plain.with_sigmas(sigmas.view()), &default).contains("[3, 4]"));
    let small = Array2::from_elem((3, 3), 1.0);
    assert!(message(&plain, &plain.with_sigmas(small.view()), &default).contains("sigma"));
    let mask = Array2::from_elem((3, 3), true);
    assert!(message(&plain, &plain.with_mask(mask.view()), &default).contains("mask"));
    let mut bad = image.clone();
    bad[[1, 2]] = f64::NAN;
    assert!(matches!(
        chi2_shift(&plain, &Chi2Image::new(bad.view()), &default),
        Err(Error::NotFinite { what: "moving", .. })
    ));
    let empty = Array2::<f64>::zeros((0, 5));
    assert!(chi2_shift(&Chi2Image::new(empty.view()), &plain, &default).is_err());
    let mut behind = Array2::from_elem(image.dim(), true);
    behind[[0, 0]] = false;
    assert!(message(&plain.with_mask(behind.view()), &plain, &Chi2Params::periodic()).contains("overlap"));
    assert!(message(&plain, &plain, &Chi2Params { n_sigma: 0.0, ..default }).contains("n_sigma"));
    let row = Array2::<f64>::from_shape_fn((1, 24), |(_, x)| ((x * x) % 7) as f64);
    for params in [default, Chi2Params::periodic()] {
        let row = Chi2Image::new(row.view()).with_sigma(0.1);
        let found = chi2_shift(&Chi2Image { noise: Default::default(), ..row }, &row, &params).unwrap();
        assert!(found.shift[0].abs() < 1e-9 || found.status == Status::Undetermined, "{found:?}");
    }
}

#[test]
fn the_surface_is_lowest_at_the_shift_and_rises_by_one_at_one_sigma() {
    for (pair, params) in [
        (ImagePairParams::scene_a([1.3, -0.6], 0.1, 3), Chi2Params::periodic()),
        (ImagePairParams::scene_c([1.3, -0.6], 0.1, 3), Chi2Params::default()),
    ] {
        let images = pair.generate().unwrap();
        let reference = Chi2Image::new(images.reference.view());
        let moving = Chi2Image::new(images.moving.view()).with_sigma(0.1);
        let found = chi2_shift(&reference, &moving, &params).unwrap();
        // Along y only, so that the other axis' freedom does not matter.
        let sigma = (found.covariance[0][0] - found.covariance[0][1].powi(2) / found.covariance[1][1]).sqrt();
        let surface = chi2_surface(&reference, &moving, &params, found.shift, [sigma, 0.0], 5).unwrap();
        assert!((surface[[2, 2]] - found.chi2).abs() < 1e-3);
        for row in [0, 4] {
            let rise = surface[[row, 2]] - surface[[2, 2]];
            assert!((rise - 1.0).abs() < 0.1, "{rise}");
        }
        let map = chi2_map(&reference, &moving, &params).unwrap();
        let best = map.chi2.indexed_iter().filter(|(at, _)| map.overlap[*at] > 2000.0);
        let (at, _) = best.min_by(|a, b| a.1.total_cmp(b.1)).unwrap();
        assert_eq!(map.lag(at), [1, -1]);
    }
}

#[test]
fn single_precision_is_enough() {
    for (shape, sigma, pedestal) in
        [([64, 64], 0.1, 0.0), ([200, 151], 0.01, 100.0), ([300, 256], 0.05, -7.0)]
    {
        for (mut pair, params) in [
            (ImagePairParams::scene_a([2.37, -3.61], sigma, 5), Chi2Params::periodic()),
            (ImagePairParams::scene_c([2.37, -3.61], sigma, 5), Chi2Params::default()),
        ] {
            pair.scene.shape = shape;
            let images = pair.generate().unwrap();
            // Both precisions see the same numbers.
            let narrow = [&images.reference, &images.moving].map(|i| i.mapv(|v| (v + pedestal) as f32));
            let wide = narrow.each_ref().map(|image| image.mapv(f64::from));
            for params in [params, Chi2Params { gain: true, profile: true, ..params }] {
                let a = Chi2Image::new(narrow[1].view()).with_sigma(sigma);
                let a = chi2_shift(&Chi2Image::new(narrow[0].view()), &a, &params).unwrap();
                let b = Chi2Image::new(wide[1].view()).with_sigma(sigma);
                let b = chi2_shift(&Chi2Image::new(wide[0].view()), &b, &params).unwrap();
                for axis in 0..2 {
                    let error = b.standard_errors()[axis];
                    let off = (a.shift[axis] - b.shift[axis]).abs();
                    assert!(off < (0.01 * error).max(1e-5), "{off}: {a:?} {b:?}");
                    for side in 0..2 {
                        assert!(
                            (a.errors[axis][side] / b.errors[axis][side] - 1.0).abs() < 5e-3,
                            "{a:?} {b:?}"
                        );
                    }
                }
                assert!((a.chi2 / b.chi2 - 1.0).abs() < 1e-4, "{a:?} {b:?}");
                assert_eq!((a.status, a.correlated), (b.status, b.correlated));
            }
        }
    }
}

#[test]
fn a_plan_and_its_scratch_change_nothing() {
    let pair = |seed| ImagePairParams { seed, ..ImagePairParams::scene_a([2.3, 1.1], 0.2, 5) };
    for params in [Chi2Params::periodic(), Chi2Params { max_shift: Some(8.0), ..Chi2Params::periodic() }] {
        let images = [1, 2].map(|seed| pair(seed).generate().unwrap());
        let plan = Chi2Plan::new(images[0].reference.dim(), params).unwrap();
        let mut scratch = plan.scratch();
        for images in &images {
            let reference = Chi2Image::new(images.reference.view());
            let moving = Chi2Image::new(images.moving.view()).with_sigma(0.2);
            let again = plan.shift_with(&reference, &moving, &mut scratch).unwrap();
            assert_eq!(again, chi2_shift(&reference, &moving, &params).unwrap());
            // σ of every pixel, all the same.
            let sigmas = Array2::from_elem(images.moving.dim(), 0.2);
            let moving = Chi2Image::new(images.moving.view()).with_sigmas(sigmas.view());
            assert_eq!(again, plan.shift(&reference, &moving).unwrap());
        }
        let small = Array2::<f64>::zeros((3, 3));
        let small = Chi2Image::new(small.view());
        assert!(plan.shift(&small, &small).is_err());
    }
}

/// Waves that nearly repeat at many displacements: between pixels alone the true one is best.
#[test]
fn near_repetitions_do_not_hide_the_best() {
    let n = 96;
    let reference = near_repetitions([n, n], [0.0; 2]);
    let uneven = Array2::from_shape_fn((n, n), |(y, x)| if (y, x) == (60, 30) { 0.2 } else { 0.1 });
    for shift in [[10.5, -7.5], [33.37, 21.5], [-40.9, 30.1]] {
        let moving = near_repetitions([n, n], shift);
        let moving = Chi2Image::new(moving.view());
        for moving in [moving.with_sigma(0.1), moving.with_sigmas(uneven.view())] {
            let found =
                chi2_shift(&Chi2Image::new(reference.view()), &moving, &Chi2Params::periodic()).unwrap();
            assert!((0..2).all(|a| (found.shift[a] - shift[a]).abs() < 1e-8), "{found:?}");
        }
    }
}

/// Frames so large that their blocks are searched, of white content that blocks all but lose.
#[test]
fn white_content_of_large_frames_is_found() {
    let (n, lag) = (2304_usize, [37_usize, 530]);
    let white = |y: usize, x: usize| {
        let mut z = (y * 1_000_003 + x) as u64;
        z = (z ^ (z >> 15)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (z >> 40) as f32 / 2_f32.powi(23) - 1.0
    };
    let reference = Array2::from_shape_fn((n, n), |(y, x)| white(y + lag[0], x + lag[1]));
    let moving = Array2::from_shape_fn((n, n), |(y, x)| white(y, x) + 0.5 * white(y + n, x + 2 * n));
    let moving = Chi2Image::new(moving.view()).with_sigma(0.3);
    let found = chi2_shift(&Chi2Image::new(reference.view()), &moving, &Chi2Params::default()).unwrap();
    assert!((0..2).all(|a| (found.shift[a] - lag[a] as f64).abs() < 1e-2), "{found:?}");
}
