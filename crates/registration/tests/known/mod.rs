//! Answers true by construction.

use ndarray::{Array2, s};
use nonius_core::{Error, FrameSource, NoProgress};
use nonius_registration::{
    Frame, MaskedParams, Method, Refinement, RegistrationParams, RegistrationPlan, SeriesParams, Status,
    Strategy, register, register_masked, register_series,
};
use nonius_synthetic::{
    Content, ImagePairParams, ImageSeriesParams, ImageSeriesPlan, Motion, NoiseParams, SceneParams,
    near_repetitions,
};

fn sizes() -> [(usize, usize); 5] {
    [(64, 64), (63, 64), (45, 70), (61, 53), (40, 33)]
}

#[track_caller]
fn check(pair: &ImagePairParams, params: &RegistrationParams, tolerance: f64) {
    let images = pair.generate().unwrap();
    let found = register(images.reference.view(), images.moving.view(), params).unwrap();
    assert_eq!(found.status, Status::Converged, "{found:?}");
    for axis in 0..2 {
        let error = found.shift[axis] - images.truth.shift[axis];
        assert!(error.abs() < tolerance, "off by {error} px: {found:?}");
    }
}

#[test]
fn noise_free_periodic_frames_are_exact() {
    for (h, w) in sizes() {
        let mut pair = ImagePairParams::scene_a([2.37, -3.61], 0.0, 5);
        pair.scene.shape = [h, w];
        // Newton on the polynomial itself: rounding alone is left.
        check(&pair, &RegistrationParams::periodic(), 1e-7);
        let grid = Refinement::Upsampled { factor: 50.0 };
        check(&pair, &RegistrationParams { refinement: grid, ..RegistrationParams::periodic() }, 0.0101);
    }
}

#[test]
fn noise_free_overlap_frames_are_good_to_the_splines() {
    for (h, w) in sizes() {
        let mut pair = ImagePairParams::scene_c([2.37, -3.61], 0.0, 5);
        pair.scene.shape = [h, w];
        // What the continuation beyond the border costs.
        check(&pair, &RegistrationParams::default(), 2e-3);
    }
}

/// Large enough that smooth frames are searched at lower resolution first.
fn large_sizes() -> [[usize; 2]; 3] {
    [[256, 256], [257, 131], [150, 271]]
}

#[test]
fn large_smooth_frames_are_found_from_afar() {
    for shape in large_sizes() {
        let periodic = ImagePairParams::scene_a([57.37, -33.61], 0.0, 5);
        let pair = ImagePairParams { scene: SceneParams { shape, ..periodic.scene }, ..periodic };
        check(&pair, &RegistrationParams::periodic(), 1e-7);
        let mut pair = ImagePairParams::scene_c([37.37, -33.61], 0.05, 5);
        pair.scene.shape = shape;
        pair.scene.boundary = nonius_synthetic::Boundary::Open { margin: 48 };
        check(&pair, &RegistrationParams::default(), 5e-3);
    }
}

#[test]
fn what_only_fine_detail_tells_is_found_in_large_frames() {
    // A fringe near the Nyquist frequency, which half the resolution does not hold, in white texture.
    for shape in large_sizes() {
        let dim = (shape[0], shape[1]);
        let noise = |y: usize, x: usize| {
            let hash = (y as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
                ^ (x as u64).wrapping_mul(0xC2B2_AE3D_27D4_EB4F);
            let hash = (hash ^ (hash >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            (hash >> 40) as f64 / (1 << 24) as f64 - 0.5
        };
        let scene = |y: usize, x: usize| noise(y, x) + (2.9 * y as f64).sin() * (0.013 * x as f64).cos();
        let moving = Array2::from_shape_fn(dim, |(y, x)| scene(y + 60, x + 60));
        // moving[r] = reference[r − d]
        let reference = Array2::from_shape_fn(dim, |(y, x)| scene(y + 60 + 7, x + 60 - 12));
        let found = register(reference.view(), moving.view(), &RegistrationParams::default()).unwrap();
        assert!((found.shift[0] - 7.0).abs() < 0.01 && (found.shift[1] + 12.0).abs() < 0.01, "{found:?}");
        let rolled = Array2::from_shape_fn(dim, |(y, x)| moving[[(y + dim.0 - 7) % dim.0, (x + 12) % dim.1]]);
        let found = register(moving.view(), rolled.view(), &RegistrationParams::periodic()).unwrap();
        assert!((found.shift[0] - 7.0).abs() < 1e-6 && (found.shift[1] + 12.0).abs() < 1e-6, "{found:?}");
    }
}

#[test]
fn phase_correlation_finds_a_texture() {
    let mut pair = ImagePairParams::scene_a([5.25, 7.5], 0.0, 2);
    pair.scene.content = Content::Texture { exponent: 1.0, cutoff: 0.45 };
    let params = RegistrationParams { method: Method::Phase, ..RegistrationParams::periodic() };
    check(&pair, &params, 0.05);
}

#[test]
fn large_displacements_of_overlap_frames() {
    let mut pair = ImagePairParams::scene_c([25.3, -30.7], 0.1, 8);
    pair.scene.shape = [80, 96];
    pair.scene.boundary = nonius_synthetic::Boundary::Open { margin: 40 };
    check(&pair, &RegistrationParams::default(), 0.05);
}

#[test]
fn covariance_of_a_bright_pair_is_small_and_of_a_dark_pair_large() {
    let error = |sigma: f64| {
        let images = ImagePairParams::scene_c([1.2, 0.4], sigma, 1).generate().unwrap();
        register(images.reference.view(), images.moving.view(), &RegistrationParams::default())
            .unwrap()
            .errors()[0]
    };
    let ratio = error(0.5) / error(0.05);
    assert!((8.0..12.0).contains(&ratio), "{ratio}");
}

#[test]
fn constant_images_are_undetermined_in_every_frame() {
    let flat = Array2::from_elem((32, 32), 7.25_f32);
    let textured = Array2::from_shape_fn((32, 32), |(y, x)| ((y * 7 + x * 3) % 11) as f32);
    for params in [RegistrationParams::default(), RegistrationParams::periodic()] {
        for (a, b) in [(&flat, &flat), (&flat, &textured), (&textured, &flat)] {
            let found = register(a.view(), b.view(), &params).unwrap();
            assert_eq!(found.status, Status::Undetermined);
            assert!(found.shift.iter().all(|d| d.is_nan()));
        }
    }
    let found = register_masked(flat.view(), textured.view(), None, None, &MaskedParams::default()).unwrap();
    assert_eq!(found.status, Status::Undetermined);
}

#[test]
fn stripes_are_undetermined() {
    let stripes = Array2::from_shape_fn((32, 32), |(y, _)| (y as f64 * 0.7).sin());
    for params in [RegistrationParams::default(), RegistrationParams::periodic()] {
        let found = register(stripes.view(), stripes.view(), &params).unwrap();
        assert_ne!(found.status, Status::Converged, "{found:?}");
    }
}

#[test]
fn a_single_row_moves_along_x_alone() {
    let wave = |shift: f64| {
        Array2::from_shape_fn((1, 60), |(_, x)| {
            let x = x as f64 - shift;
            (x * 0.3).sin() + (x * 0.11).cos()
        })
    };
    let found = register(wave(0.0).view(), wave(1.75).view(), &RegistrationParams::default()).unwrap();
    assert!((found.shift[1] - 1.75).abs() < 0.01 && found.shift[0] == 0.0, "{found:?}");
}

#[test]
fn missing_pixels_never_matter() {
    let mut images = ImagePairParams::scene_c([3.4, -1.2], 0.05, 4).generate().unwrap();
    let mut mask = Array2::from_elem((64, 64), true);
    mask.slice_mut(s![5..40, 10..30]).fill(false);
    let mut found = Vec::new();
    for value in [0.0, f64::NAN, 1e30] {
        images.moving.slice_mut(s![5..40, 10..30]).fill(value);
        let result = register_masked(
            images.reference.view(),
            images.moving.view(),
            None,
            Some(mask.view()),
            &MaskedParams::default(),
        );
        found.push(result.unwrap());
    }
    assert!(found[0] == found[1] && found[0] == found[2]);
    assert!((found[0].shift[0] - 3.4).abs() < 0.02 && (found[0].shift[1] + 1.2).abs() < 0.02, "{found:?}");
}

#[test]
fn masked_images_of_different_size_refer_to_their_origins() {
    let scene = ImagePairParams::scene_c([0.0, 0.0], 0.0, 6).generate().unwrap().reference;
    let part = scene.slice(s![10..50, 5..60]);
    let found = register_masked(scene.view(), part, None, None, &MaskedParams::default()).unwrap();
    // Pixel 0 of the part shows pixel 10 of the scene: the content lies 10 px further up.
    assert!((found.shift[0] + 10.0).abs() < 1e-6 && (found.shift[1] + 5.0).abs() < 1e-6, "{found:?}");
}

#[test]
fn a_mask_that_hides_all_is_undetermined() {
    let images = ImagePairParams::scene_c([1.0, 1.0], 0.05, 4).generate().unwrap();
    let none = Array2::from_elem((64, 64), false);
    let found = register_masked(
        images.reference.view(),
        images.moving.view(),
        Some(none.view()),
        None,
        &MaskedParams::default(),
    );
    assert_eq!(found.unwrap().status, Status::Undetermined);
}

#[test]
fn bad_input_is_named() {
    let plan = RegistrationPlan::<f64>::new((8, 8), RegistrationParams::default()).unwrap();
    let image = Array2::from_shape_fn((8, 8), |(y, x)| (y * x) as f64);
    let error = plan.register(image.view(), Array2::zeros((8, 7)).view()).unwrap_err();
    assert_eq!(error.to_string(), "moving: expected shape [8, 8], got [8, 7]");
    let mut holed = image.clone();
    holed[[3, 4]] = f64::NAN;
    let error = plan.register(image.view(), holed.view()).unwrap_err();
    assert_eq!(error, Error::NotFinite { what: "moving", index: vec![3, 4] });
    assert!(RegistrationPlan::<f64>::new((0, 8), RegistrationParams::default()).is_err());
    for params in [
        RegistrationParams { min_overlap: 0.0, ..Default::default() },
        RegistrationParams { min_overlap: f64::NAN, ..Default::default() },
        RegistrationParams { max_shift: Some(-1.0), ..Default::default() },
        RegistrationParams { refinement: Refinement::Upsampled { factor: 0.0 }, ..Default::default() },
        RegistrationParams { method: Method::Phase, frame: Frame::Overlap, ..Default::default() },
    ] {
        assert!(matches!(params.validate(), Err(Error::Parameter { .. })), "{params:?}");
    }
}

#[test]
fn tiny_frames_give_a_status() {
    for (h, w) in [(1, 1), (1, 2), (2, 2), (3, 3), (1, 5), (5, 1), (4, 7)] {
        let a = Array2::from_shape_fn((h, w), |(y, x)| ((y * 5 + x * 3) % 7) as f64);
        for params in [RegistrationParams::default(), RegistrationParams::periodic()] {
            register(a.view(), a.view(), &params).unwrap();
        }
        register_masked(a.view(), a.view(), None, None, &MaskedParams::default()).unwrap();
    }
}

fn series() -> (ndarray::Array3<f64>, Vec<[f64; 2]>) {
    let params = ImageSeriesParams {
        n_frames: 7,
        noise: NoiseParams::white(0.05),
        scene: SceneParams { shape: [48, 56], ..Default::default() },
        ..Default::default()
    };
    let made = ImageSeriesPlan::new(&params).unwrap().run().unwrap();
    (made.frames, made.shifts)
}

#[test]
fn every_strategy_follows_a_series() {
    let (frames, truth) = series();
    let origin = truth[2];
    for (strategy, reference) in [
        (Strategy::CommonReference { index: 0 }, truth[0]),
        (Strategy::CommonReference { index: 2 }, origin),
        (Strategy::Chained, truth[0]),
        (Strategy::Pairs { max_separation: 3 }, truth[0]),
    ] {
        let params = SeriesParams { strategy, ..Default::default() };
        let found = register_series::<f64>(&frames, &params, &NoProgress).unwrap();
        for (frame, (found, truth)) in found.shifts.iter().zip(&truth).enumerate() {
            for axis in 0..2 {
                let error = found[axis] - (truth[axis] - reference[axis]);
                assert!(error.abs() < 0.05, "{strategy:?}, frame {frame}: off by {error}");
            }
        }
    }
}

#[test]
fn a_series_has_the_same_bits_for_any_number_of_threads() {
    let (frames, _) = series();
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| register_series::<f64>(&frames, &SeriesParams::default(), &NoProgress).unwrap())
    };
    let one = run(1);
    assert_eq!(one, run(3));
}

#[test]
fn a_bad_frame_of_a_series_is_named() {
    let (mut frames, _) = series();
    frames[[4, 2, 3]] = f64::INFINITY;
    let error = register_series::<f64>(&frames, &SeriesParams::default(), &NoProgress).unwrap_err();
    assert_eq!(error, Error::Frame { index: 4, reason: "pixel [2, 3] is not finite".into() });
    let empty = ndarray::Array3::<f64>::zeros((0, 4, 4));
    assert_eq!(empty.n_frames(), 0);
    assert!(register_series::<f64>(&empty, &SeriesParams::default(), &NoProgress).unwrap().shifts.is_empty());
}

#[test]
fn a_displacement_beyond_the_limit_is_flagged() {
    let images = ImagePairParams::scene_c([4.0, 0.0], 0.05, 9).generate().unwrap();
    let params = RegistrationParams { max_shift: Some(3.0), ..RegistrationParams::default() };
    let found = register(images.reference.view(), images.moving.view(), &params).unwrap();
    assert_eq!(found.status, Status::AtSearchLimit, "{found:?}");
    let motion = Motion::shift([4.0, 0.0]);
    assert!(motion.is_shift());
}

#[test]
fn near_repetitions_do_not_hide_the_best() {
    let n = 96;
    let reference = near_repetitions([n, n], [0.0; 2]);
    for shift in [[10.5, -7.5], [33.37, 21.5], [-40.9, 30.1]] {
        let moving = near_repetitions([n, n], shift);
        let found = register(reference.view(), moving.view(), &RegistrationParams::periodic()).unwrap();
        assert!((0..2).all(|a| (found.shift[a] - shift[a]).abs() < 1e-6), "{found:?}");
    }
}
