//! Tilt series: signs, line integrals, misalignment, noise.

use std::f64::consts::PI;

use nalgebra::{Matrix3, Vector3};
use ndarray::{Array3, Axis, s};
use nonius_core::Error;
use nonius_core::tilt_series::{Geometry, rotation_about};
use nonius_synthetic::{
    AngleRange, Body, BodyShape, Directions, Jitter, MisalignmentParams, NoiseParams, Phantom, Recording,
    TiltScheme, TiltSeriesParams, project_voxels,
};

/// Noise-free thickness of a small volume, aligned.
fn plain() -> TiltSeriesParams {
    TiltSeriesParams {
        volume_shape: [20, 20, 20],
        projection_shape: [20, 18],
        scheme: TiltScheme::SingleAxis { axis: [0.0, 0.0, 1.0], angles: AngleRange::half_turn(9) },
        misalignment: MisalignmentParams::none(),
        recording: Recording::Thickness { gain: 1.0 },
        relative_noise: 0.0,
        ..Default::default()
    }
}

/// A Gaussian of mass about 16 at `center`.
fn spot(center: [f64; 3]) -> Phantom {
    let body = Body { shape: BodyShape::Gaussian, center, semi_axes: [1.0; 3], ..Default::default() };
    Phantom { bodies: vec![body] }
}

/// Mass and centre of mass of an image, pixel indices.
fn center_of_mass(images: &Array3<f64>, index: usize) -> (f64, [f64; 2]) {
    let image = images.index_axis(Axis(0), index);
    let mass = image.sum();
    let along = |pick: fn((usize, usize)) -> usize| {
        image.indexed_iter().map(|(at, v)| pick(at) as f64 * v).sum::<f64>() / mass
    };
    (mass, [along(|(a, _)| a), along(|(_, b)| b)])
}

/// Schemes about every axis and with both handednesses of the laboratory.
fn conventions() -> Vec<TiltSeriesParams> {
    let single = |axis: [f64; 3]| TiltScheme::SingleAxis { axis, angles: AngleRange::symmetric(1.1, 7) };
    let two = TiltScheme::TwoAxes {
        inner_axis: [0.0, 0.0, -1.0],
        inner: AngleRange::half_turn(4),
        outer_axis: [1.0, 0.0, 0.0],
        outer: AngleRange { first: 0.0, step: -0.3, n: 3 },
    };
    let left_handed = Directions { p: [1.0, 0.0, 0.0], j: [0.0, 0.0, -1.0], k: [0.0, -1.0, 0.0] };
    [single([0.0, 0.0, 1.0]), single([0.0, 0.0, -1.0]), single([2.0, 0.0, 0.0]), single([1.0, 1.0, 0.5]), two]
        .into_iter()
        .flat_map(|scheme| {
            [Directions::default(), left_handed].map(|directions| TiltSeriesParams {
                scheme: scheme.clone(),
                directions,
                ..plain()
            })
        })
        .collect()
}

#[test]
fn a_point_is_where_the_sign_rule_says() {
    // By hand: turned by φ about z, the default directions seen from the sample are j = Rᵀ x = (cos φ, −sin φ, 0).
    let params = TiltSeriesParams {
        phantom: Some(spot([3.0, 0.0, 2.0])),
        scheme: TiltScheme::SingleAxis {
            axis: [0.0, 0.0, 1.0],
            angles: AngleRange { first: 0.0, step: PI / 2.0, n: 2 },
        },
        ..plain()
    };
    let made = params.generate().unwrap();
    let (_, [a, b]) = center_of_mass(&made.truth.line_integrals, 0);
    // 20 pixels along j, 18 along k: the middle is at 9.5 and 8.5. A Gaussian cut at its 5σ is off by 1e-6.
    assert!((a - 12.5).abs() < 1e-4 && (b - 10.5).abs() < 1e-4, "{a} {b}");
    let (_, [a, b]) = center_of_mass(&made.truth.line_integrals, 1);
    assert!((a - 9.5).abs() < 1e-4 && (b - 10.5).abs() < 1e-4, "{a} {b}");

    // An image that must be moved by +s to be aligned has the offset +s: its content lies at −s.
    let jittered = TiltSeriesParams {
        misalignment: MisalignmentParams {
            jitter: Jitter::Uniform([1.5, 1.5]),
            ..MisalignmentParams::none()
        },
        ..params
    };
    let made = jittered.generate().unwrap();
    let [oj, ok] = made.truth.offsets[0];
    let (_, [a, b]) = center_of_mass(&made.truth.line_integrals, 0);
    assert!((a - (12.5 - oj)).abs() < 1e-4 && (b - (10.5 - ok)).abs() < 1e-4);
    assert!(oj != 0.0 && ok != 0.0 && oj != ok);
}

#[test]
fn points_and_masses_are_right_in_every_convention() {
    let r = [2.5, -1.0, 1.5];
    for params in conventions() {
        let params = TiltSeriesParams {
            phantom: Some(spot(r)),
            misalignment: MisalignmentParams {
                jitter: Jitter::Gaussian([0.3, 0.2]),
                drift: [0.5, 0.2],
                rotation_errors: [0.01, 0.02, 0.005],
            },
            seed: 5,
            ..params
        };
        let truth = params.generate().unwrap().truth;
        for (index, view) in truth.geometry.views.iter().enumerate() {
            let seen = truth.geometry.directions(index);
            let (mass, [a, b]) = center_of_mass(&truth.line_integrals, index);
            let r = Vector3::from(r);
            let expected = [r.dot(&seen.j) - view.j_offset + 9.5, r.dot(&seen.k) - view.k_offset + 8.5];
            // At least 4σ of the Gaussian are within the frame.
            assert!((a - expected[0]).abs() < 2e-3 && (b - expected[1]).abs() < 2e-3, "{a} {b} {expected:?}");
            assert!((mass - (2.0 * PI).powf(1.5)).abs() < 2e-3, "{mass}");
        }
    }
}

#[test]
fn moving_the_sample_changes_offsets_and_nothing_else() {
    let t = [1.25, -0.5, 0.75];
    let phantom = Phantom::within([20; 3]);
    let mut moved = phantom.clone();
    for body in &mut moved.bodies {
        body.center = [0, 1, 2].map(|axis| body.center[axis] + t[axis]);
    }
    for params in conventions() {
        let geometry = params.nominal().unwrap();
        let offsets = geometry.translated(-Vector3::from(t));
        // Adding (j·t, k·t) to offsets moves the sample by t: taking it off moves what is seen by −t.
        let first = phantom.project(&geometry.clone().with_offsets(&offsets).unwrap(), 2).unwrap();
        let second = moved.project(&geometry, 2).unwrap();
        assert!(first.iter().zip(&second).all(|(a, b)| (a - b).abs() < 1e-9));
    }
}

#[test]
fn j_and_k_change_places() {
    let params = &conventions()[6];
    let Directions { p, j, k } = params.directions;
    let swapped = TiltSeriesParams {
        directions: Directions { p, j: k, k: j },
        projection_shape: [18, 20],
        ..params.clone()
    };
    let phantom = Phantom::within([20; 3]);
    let images = phantom.project(&params.nominal().unwrap(), 2).unwrap();
    let other = phantom.project(&swapped.nominal().unwrap(), 2).unwrap();
    let transposed = other.permuted_axes([0, 2, 1]);
    // Sums in another order.
    assert!(images.iter().zip(&transposed).all(|(a, b)| (a - b).abs() < 1e-12));
}

#[test]
fn truth_and_nominal_geometry_differ_by_what_was_asked_for() {
    let params = TiltSeriesParams {
        misalignment: MisalignmentParams { rotation_errors: [0.01, 0.02, 0.0], ..Default::default() },
        ..TiltSeriesParams::default()
    };
    let made = params.generate().unwrap();
    let (nominal, truth) = (&made.series.geometry, &made.truth.geometry);
    assert!(nominal.offsets().iter().all(|o| *o == [0.0; 2]));
    assert_eq!(truth.offsets(), made.truth.offsets);
    assert!(truth.offsets().iter().all(|[j, k]| j.abs() <= 2.0 && k.abs() <= 1.5));
    for ((n, t), [p, j, k]) in nominal.views.iter().zip(&truth.views).zip(&made.truth.rotation_errors) {
        assert_eq!(*k, 0.0);
        let omega = Vector3::new(*j, *p, 0.0);
        let error = rotation_about(omega, omega.norm()).unwrap();
        assert!((error * n.rotation - t.rotation).amax() < 1e-14);
    }
    let rms = |axis: usize| {
        let of = |e: &[f64; 3]| e[axis] * e[axis];
        (made.truth.rotation_errors.iter().map(of).sum::<f64>() / 60.0).sqrt()
    };
    // 60 normal numbers: their root-mean-square scatters by 9 %.
    assert!((rms(0) / 0.01 - 1.0).abs() < 0.4 && (rms(1) / 0.02 - 1.0).abs() < 0.4);
}

#[test]
fn drift_is_smooth_and_of_its_size() {
    let mut power = 0.0;
    for seed in 0..200 {
        let params = TiltSeriesParams {
            misalignment: MisalignmentParams { drift: [3.0, 0.0], ..MisalignmentParams::none() },
            phantom: Some(Phantom::default()),
            volume_shape: [2; 3],
            projection_shape: [2; 2],
            seed,
            ..plain()
        };
        let offsets = params.generate().unwrap().truth.offsets;
        assert!(offsets.iter().all(|o| o[1] == 0.0));
        power += offsets.iter().map(|o| o[0] * o[0]).sum::<f64>() / offsets.len() as f64;
    }
    // Means over 200 series of 6 amplitudes: 5 % or so.
    assert!(((power / 200.0).sqrt() / 3.0 - 1.0).abs() < 0.2, "{power}");
}

#[test]
fn line_integrals_agree_with_sums_along_the_line() {
    let phantom = Phantom::within([24; 3]);
    let volume = phantom.voxelised([24; 3], 4).unwrap();
    let total: f64 = volume.iter().map(|v| f64::from(*v)).sum();
    // Surfaces of ellipsoids pass through voxels, the mean over 4³ points of which is off at random.
    assert!((total / phantom.mass() - 1.0).abs() < 2e-3, "{total} {}", phantom.mass());
    for params in conventions() {
        let params = TiltSeriesParams { volume_shape: [24; 3], projection_shape: [24, 26], ..params };
        let geometry = params.nominal().unwrap();
        let exact = phantom.project(&geometry, 3).unwrap();
        let summed = project_voxels(volume.view(), &geometry).unwrap();
        let difference = relative_difference(&exact, &summed);
        // Voxels and interpolation blur by a variance of 1/12 + 1/6; the smallest Gaussian's own is 0.7.
        assert!(difference < 0.04, "{difference}");
        let masses = exact.sum_axis(Axis(2)).sum_axis(Axis(1));
        assert!(masses.iter().all(|m| (m / phantom.mass() - 1.0).abs() < 1e-3), "{masses}");
    }
}

/// ‖exact − summed‖ / ‖exact‖.
fn relative_difference(exact: &Array3<f64>, summed: &Array3<f64>) -> f64 {
    let norm = |images: &Array3<f64>| images.mapv(|v| v * v).sum().sqrt();
    norm(&(exact - summed)) / norm(exact)
}

#[test]
fn finer_voxels_come_closer_to_the_line_integrals() {
    let difference = |side: usize| {
        let scheme = TiltScheme::Listed {
            inner_axis: [0.0, 0.0, 1.0],
            outer_axis: [1.0, 0.0, 0.0],
            angles: vec![[0.3, 0.2], [1.7, -0.5]],
        };
        let params =
            TiltSeriesParams { volume_shape: [side; 3], projection_shape: [side; 2], scheme, ..plain() };
        let geometry = params.nominal().unwrap();
        let phantom = Phantom::within([side; 3]);
        let volume = phantom.voxelised([side; 3], 3).unwrap();
        let summed = project_voxels(volume.view(), &geometry).unwrap();
        relative_difference(&phantom.project(&geometry, 3).unwrap(), &summed)
    };
    // At the rim of an ellipsoid a line integral grows as the root of the distance: blurred over h, it is off by
    // √h in a part h of the pixels, so that the norm falls as h.
    let (coarse, fine) = (difference(24), difference(48));
    assert!(fine < coarse / 1.8, "{coarse} {fine}");
}

#[test]
fn the_phantom_keeps_its_line_integrals_at_every_size() {
    for side in [1, 16, 40, 200] {
        let largest = Phantom::within([side; 3]).line_integral([0.0; 3], [0.0, 1.0, 0.0]).unwrap();
        let hundred = Phantom::within([100; 3]).line_integral([0.0; 3], [0.0, 1.0, 0.0]).unwrap();
        assert!((largest - hundred).abs() < 1e-12, "{side}: {largest}");
    }
    let images = Phantom::within([40; 3]).project(&TiltSeriesParams::default().nominal().unwrap(), 1);
    let largest = images.unwrap().iter().fold(0.0, |m: f64, v| m.max(*v));
    assert!((0.25..0.45).contains(&largest), "{largest}");
    // Nothing of it leaves the volume.
    let volume = Phantom::within([40; 3]).voxelised([40; 3], 2).unwrap();
    for axis in 0..3 {
        for side in [0, 39] {
            assert!(volume.index_axis(Axis(axis), side).iter().all(|v| *v < 1e-4));
        }
    }
}

#[test]
fn voxels_of_the_caller_are_projected() {
    let mut volume = Array3::zeros([20, 20, 20]);
    volume[(12, 9, 15)] = 2.0f32;
    let made = plain().generate_of(volume.view()).unwrap();
    assert_eq!(made.truth.volume, volume);
    // View 0 looks along y: the voxel is one pixel, k cut by one on each side.
    let image = made.truth.line_integrals.index_axis(Axis(0), 0);
    assert!((image[(12, 14)] - 2.0).abs() < 1e-12 && (image.sum() - 2.0).abs() < 1e-12);
    let error = plain().generate_of(volume.slice(s![1.., .., ..])).unwrap_err().to_string();
    assert_eq!(error, "volume: expected shape [20, 20, 20], got [19, 20, 20]");
    volume[(1, 2, 3)] = f32::NAN;
    let error = plain().generate_of(volume.view()).unwrap_err();
    assert_eq!(error, Error::NotFinite { what: "volume", index: vec![1, 2, 3] });
}

#[test]
fn a_small_field_of_view_truncates() {
    let whole = plain();
    let cut = TiltSeriesParams { projection_shape: [10, 18], ..plain() };
    let (whole, cut) = (whole.generate().unwrap().truth, cut.generate().unwrap().truth);
    let middle = whole.line_integrals.slice(s![.., 5..15, ..]);
    assert!(middle.iter().zip(&cut.line_integrals).all(|(a, b)| (a - b).abs() < 1e-12));
}

#[test]
fn transmission_is_what_is_left_of_the_beam() {
    let params = TiltSeriesParams {
        recording: Recording::Transmission { incident: 500.0 },
        relative_noise: 0.0,
        ..plain()
    };
    let made = params.generate().unwrap();
    let images = made.series.images.unwrap();
    for (value, a) in images.iter().zip(&made.truth.line_integrals) {
        // Single precision.
        assert!((f64::from(*value) - 500.0 * 10f64.powf(-a)).abs() < 1e-4);
    }

    // 500 · 20 counts beside the sample: 1 %, and 1 % besides.
    let noisy = TiltSeriesParams {
        noise: NoiseParams::poisson(20.0),
        relative_noise: 0.01,
        phantom: Some(Phantom::default()),
        ..params
    };
    let images = noisy.generate().unwrap().series.images.unwrap().mapv(f64::from);
    let mean = images.mean().unwrap();
    let scatter = images.mapv(|v| (v - mean).powi(2)).mean().unwrap().sqrt() / mean;
    // 3240 pixels: 1.2 % of the scatter; 0.014 / √3240 of the mean.
    assert!((mean / 500.0 - 1.0).abs() < 1e-3 && (scatter / 0.01414 - 1.0).abs() < 0.05, "{mean} {scatter}");
}

#[test]
fn the_same_seed_gives_the_same_bits_on_any_number_of_threads() {
    let params = TiltSeriesParams { noise: NoiseParams::poisson(1000.0), seed: 8, ..plain() };
    let on =
        |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap().install(|| params.generate());
    let (one, three) = (on(1).unwrap(), on(3).unwrap());
    assert_eq!(one, three);
    let other = TiltSeriesParams { seed: 9, ..params.clone() }.generate().unwrap();
    assert_ne!(one.series.images, other.series.images);
    // Noise and jitter are drawn apart.
    let shaken = TiltSeriesParams { misalignment: MisalignmentParams::default(), ..params };
    assert_eq!(one.truth.volume, shaken.generate().unwrap().truth.volume);
}

#[test]
fn parameters_are_text() {
    let params = TiltSeriesParams {
        phantom: Some(Phantom::within([20; 3])),
        scheme: TiltScheme::Listed {
            inner_axis: [0.0, 0.0, 1.0],
            outer_axis: [1.0, 0.0, 0.0],
            angles: vec![[0.1, 0.2], [0.3, 0.4]],
        },
        ..TiltSeriesParams::default()
    };
    let text = toml::to_string(&params).unwrap();
    assert_eq!(toml::from_str::<TiltSeriesParams>(&text).unwrap(), params);
    let scheme =
        "scheme = { kind = 'single-axis', axis = [1, 0, 0], angles = { first = -1, step = 0.1, n = 21 } }";
    let read: TiltSeriesParams = toml::from_str(scheme).unwrap();
    assert_eq!(read.nominal().unwrap().len(), 21);
    let error = toml::from_str::<TiltSeriesParams>("jiter = 1").unwrap_err().to_string();
    assert!(error.contains("jiter"), "{error}");
}

#[test]
fn what_cannot_be_made_is_refused_by_name() {
    let check = |words: &str, params: TiltSeriesParams| {
        let message = params.generate().unwrap_err().to_string();
        assert!(message.contains(words), "{words}: {message}");
    };
    let body = |body: Body| TiltSeriesParams { phantom: Some(Phantom { bodies: vec![body] }), ..plain() };
    let shaken = |misalignment: MisalignmentParams| TiltSeriesParams { misalignment, ..plain() };
    let scheme = |scheme: TiltScheme| TiltSeriesParams { scheme, ..plain() };
    let single = |axis, angles| scheme(TiltScheme::SingleAxis { axis, angles });
    let z = [0.0, 0.0, 1.0];
    check("semi_axes of a body", body(Body { semi_axes: [1.0, 0.0, 1.0], ..Default::default() }));
    check("semi_axes of a body", body(Body { semi_axes: [1.0, f64::NAN, 1.0], ..Default::default() }));
    check("center of a body", body(Body { center: [f64::INFINITY, 0.0, 1.0], ..Default::default() }));
    check("value of a body", body(Body { value: f64::NAN, ..Default::default() }));
    check("rotation of a body", body(Body { rotation: [f64::NAN; 3], ..Default::default() }));
    check(
        "jitter",
        shaken(MisalignmentParams { jitter: Jitter::Uniform([-1.0, 0.0]), ..Default::default() }),
    );
    check("drift", shaken(MisalignmentParams { drift: [f64::NAN, 0.0], ..Default::default() }));
    check("rotation_errors", shaken(MisalignmentParams { rotation_errors: [4.0; 3], ..Default::default() }));
    check("number of views", single(z, AngleRange { first: 0.0, step: 1.0, n: 0 }));
    check("number of views", single(z, AngleRange { first: 0.0, step: 1.0, n: usize::MAX }));
    let many = AngleRange { first: 0.0, step: 0.1, n: usize::MAX };
    check(
        "number of views",
        scheme(TiltScheme::TwoAxes { inner_axis: z, inner: many, outer_axis: z, outer: many }),
    );
    check("angle", single(z, AngleRange { first: f64::NAN, step: 1.0, n: 2 }));
    check("axis", single([0.0; 3], AngleRange::half_turn(3)));
    check("volume", TiltSeriesParams { volume_shape: [20, 0, 20], ..plain() });
    check("volume", TiltSeriesParams { volume_shape: [usize::MAX; 3], ..plain() });
    check("images", TiltSeriesParams { projection_shape: [0, 3], ..plain() });
    check("images", TiltSeriesParams { projection_shape: [1 << 40, 1 << 40], ..plain() });
    check(
        "orthonormal",
        TiltSeriesParams { directions: Directions { p: [0.0, 1.0, 0.1], ..Default::default() }, ..plain() },
    );
    check("relative_noise", TiltSeriesParams { relative_noise: f64::NAN, ..plain() });
    check("gain", TiltSeriesParams { recording: Recording::Thickness { gain: 0.0 }, ..plain() });
    check("incident", TiltSeriesParams { recording: Recording::Transmission { incident: -1.0 }, ..plain() });
    check("samples_per_pixel", TiltSeriesParams { samples_per_pixel: 0, ..plain() });
    check("samples_per_voxel", TiltSeriesParams { samples_per_voxel: 17, ..plain() });
    check("sigma", TiltSeriesParams { noise: NoiseParams::white(-1.0), ..plain() });
    // Finite parameters whose transmission is beyond all numbers.
    check(
        "frame 0",
        TiltSeriesParams {
            recording: Recording::Transmission { incident: 1.0 },
            ..body(Body { value: -1e6, ..Default::default() })
        },
    );
    let error = Phantom::default().line_integral([0.0; 3], [0.0; 3]).unwrap_err().to_string();
    assert!(error.contains("direction of a line"), "{error}");
}

/// Voxels and images of the generator of the shared reference data, from the same bodies.
#[test]
fn another_program_made_the_same() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/synthetic/phantom.npz");
    let arrays = crate::golden::npz(std::path::Path::new(path));
    let bodies = arrays["bodies"].outer_iter().map(|row| {
        let at = |from: usize| [row[from], row[from + 1], row[from + 2]];
        let shape = if row[0] == 0.0 { BodyShape::Ellipsoid } else { BodyShape::Gaussian };
        Body { shape, center: at(1), semi_axes: at(4), rotation: at(7), value: row[10] }
    });
    let phantom = Phantom { bodies: bodies.collect() };
    let volume = phantom.voxelised([26, 26, 22], 3).unwrap();
    for (ours, theirs) in volume.iter().zip(&arrays["volume"]) {
        // Rounding to single precision, of numbers up to 0.04.
        assert!((f64::from(*ours) - theirs).abs() < 4e-9, "{ours} {theirs}");
    }

    let angles = arrays["angles"].outer_iter().map(|row| [row[0], row[1]]).collect();
    let scheme = TiltScheme::Listed { inner_axis: [0.0, 0.0, 1.0], outer_axis: [1.0, 0.0, 0.0], angles };
    let params = TiltSeriesParams {
        volume_shape: [26, 26, 22],
        projection_shape: [28, 22],
        scheme,
        ..TiltSeriesParams::default()
    };
    let offsets: Vec<_> = arrays["offsets"].outer_iter().map(|row| [row[0], row[1]]).collect();
    let geometry: Geometry = params.nominal().unwrap().with_offsets(&offsets).unwrap();
    let integrals = phantom.project(&geometry, 3).unwrap();
    let ratio: Vec<f64> =
        arrays["diode"].iter().zip(&integrals).map(|(d, a)| d / (1000.0 * 10f64.powf(-a))).collect();
    let mean = ratio.iter().sum::<f64>() / ratio.len() as f64;
    let scatter = (ratio.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / ratio.len() as f64).sqrt();
    // Noise of 0.3 % in 6160 pixels and nothing else: 4e-5 of the mean, 0.9 % of the scatter. With one ray per
    // pixel instead of nine the scatter is 0.9 %.
    assert!((mean - 1.0).abs() < 1.5e-4 && (scatter / 0.003 - 1.0).abs() < 0.03, "{mean} {scatter}");
    assert!((geometry.directions(3).p.norm() - 1.0).abs() < 1e-12);
    assert_ne!(geometry.views[3].rotation, Matrix3::identity());
}
