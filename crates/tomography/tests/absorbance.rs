//! Absorbances against another program's, and air.

use ndarray::{Array2, Array3, s};
use nonius_core::NoProgress;
use nonius_tomography::{
    AbsorbanceParams, Reconstructor, Reference, SirtParams, absorbance, absorbance_by_fields,
};

use crate::projector::archive;

#[test]
fn golden_settings() {
    let arrays = archive("absorbance.npz");
    let array = |name: &str| arrays[name].clone().into_dimensionality::<ndarray::Ix3>().unwrap();
    let settings = [
        (99.9, true, [1e-4, 1.0]),
        (99.9, false, [1e-4, 1.0]),
        (100.0, true, [1e-4, 1.0]),
        (95.0, true, [0.05, 0.9]),
        (90.0, false, [0.2, 1.0]),
    ];
    for (i, (percentile, per_projection, [lowest, highest])) in settings.into_iter().enumerate() {
        let params = AbsorbanceParams {
            reference: Reference::Percentile { percentile, per_projection },
            lowest,
            highest: Some(highest),
            ..Default::default()
        };
        let found = absorbance(&params, array("diode").view()).unwrap();
        let expected = array(&format!("absorbance_{i}"));
        assert!(found.absorbance.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-12), "{i}");
        assert_eq!(found.mask, array(&format!("mask_{i}")).mapv(|m| m != 0.0), "{i}");
    }
}

fn disk(noise: f64) -> Array3<f64> {
    Array3::from_shape_fn((3, 20, 16), |(i, a, b)| {
        let inside = (a as f64 - 9.0).hypot(b as f64 - 7.0) < 4.5;
        let wave = noise * ((a * 7 + b * 13 + i * 5) % 11) as f64 / 5.0 - noise;
        (1.0 + wave) * if inside { 40.0 } else { 400.0 } * (1.0 + 0.1 * i as f64)
    })
}

#[test]
fn air_has_no_absorbance() {
    let found = absorbance(&AbsorbanceParams::default(), disk(0.0).view()).unwrap();
    for (reference, expected) in found.reference.iter().zip([400.0, 440.0, 480.0]) {
        assert!((reference - expected).abs() < 1e-9);
    }
    assert!((found.absorbance[[2, 9, 7]] - 1.0).abs() < 1e-12);
    // With noise its mean stays near 0 and no pixel is masked; the percentile leaves three times the noise.
    let noisy = disk(0.01);
    let found = absorbance(&AbsorbanceParams::default(), noisy.view()).unwrap();
    assert!(found.mask.iter().all(|usable| *usable));
    assert!(found.absorbance.slice(s![.., ..3, ..]).mean().unwrap().abs() < 3e-4);
    let percentile = Reference::Percentile { percentile: 99.9, per_projection: true };
    let peer = AbsorbanceParams { reference: percentile, ..Default::default() };
    let found = absorbance(&peer, noisy.view()).unwrap();
    assert!(found.absorbance.slice(s![.., ..3, ..]).mean().unwrap() > 3e-3);
    // A declared region gives what the frame gives.
    let region = Reference::Region { j: [0, 4], k: [0, 16] };
    let found = absorbance(&AbsorbanceParams { reference: region, ..Default::default() }, disk(0.0).view());
    assert!((found.unwrap().reference[1] - 440.0).abs() < 1e-9);
}

#[test]
fn a_sample_in_the_frame_is_noticed() {
    let mut images = disk(0.0);
    images.slice_mut(s![1, 12.., ..]).fill(200.0);
    let message = absorbance(&AbsorbanceParams::default(), images.view()).unwrap_err().to_string();
    assert!(message.starts_with("frame 1: air must be flat"), "{message}");
    let loose = AbsorbanceParams { flatness: 0.9, ..Default::default() };
    assert!(absorbance(&loose, images.view()).unwrap().unevenness[1] > 0.5);
}

#[test]
fn fields_and_thickness() {
    let (flat, mut dark) = (Array2::from_elem((2, 3), 110.0), Array2::from_elem((2, 3), 10.0));
    dark[[1, 2]] = 110.0;
    let images = Array3::from_elem((2, 2, 3), 20.0_f32);
    let params = AbsorbanceParams::default();
    let found = absorbance_by_fields(
        &params,
        images.view(),
        flat.mapv(|v: f64| v as f32).view(),
        dark.mapv(|v: f64| v as f32).view(),
    )
    .unwrap();
    assert!((found.absorbance[[1, 0, 1]] - 1.0).abs() < 1e-6);
    assert!(!found.mask[[0, 1, 2]] && found.absorbance[[0, 1, 2]] == 0.0);
    let mut images = disk(0.0);
    images[[0, 0, 0]] = f64::NAN;
    let params = AbsorbanceParams { reference: Reference::Thickness, ..Default::default() };
    let found = absorbance(&params, images.view()).unwrap();
    assert_eq!(found.absorbance[[1, 9, 7]], images[[1, 9, 7]]);
    assert!(!found.mask[[0, 0, 0]] && found.absorbance[[0, 0, 0]] == 0.0);
    // What is masked does no harm later.
    let geometry = nonius_tomography::Geometry::single_axis(
        [0.0, 0.0, 1.0].into(),
        &[0.0, 1.0, 2.0],
        [20, 16],
        [20, 20, 16],
    );
    let projector = nonius_tomography::Projector::new(&geometry.unwrap()).unwrap();
    let weights = found.mask.mapv(f64::from).insert_axis(ndarray::Axis(3));
    let data = images.insert_axis(ndarray::Axis(3));
    let sirt = SirtParams { iterations: 3, ..Default::default() };
    let volume =
        sirt.reconstruct(&projector, data.view(), Some(weights.view()), None, &NoProgress).unwrap().volume;
    assert!(volume.iter().all(|value| value.is_finite()));
    let unmasked = sirt.reconstruct(&projector, data.view(), None, None, &NoProgress).unwrap_err();
    assert_eq!(
        unmasked.to_string(),
        "data: element [0, 0, 0, 0] is not finite; give a mask that leaves it out"
    );
}

#[test]
fn degenerate_images_and_parameters() {
    let of = |params: AbsorbanceParams, images: &Array3<f64>| absorbance(&params, images.view());
    let default = AbsorbanceParams::default;
    assert!(of(default(), &Array3::zeros((0, 4, 4))).is_err());
    assert!(of(default(), &Array3::zeros((2, 4, 4))).unwrap_err().to_string().contains("frame 0"));
    assert!(of(default(), &Array3::from_elem((1, 4, 4), f64::NAN)).is_err());
    assert!(of(default(), &Array3::from_elem((1, 1, 1), 3.0)).unwrap().absorbance[[0, 0, 0]] == 0.0);
    let mut hot = disk(0.0);
    hot[[0, 5, 5]] = f64::INFINITY;
    hot[[0, 6, 5]] = -7.0;
    let found = of(default(), &hot).unwrap();
    assert!(!found.mask[[0, 5, 5]] && !found.mask[[0, 6, 5]]);
    assert!(found.absorbance.iter().all(|a| a.is_finite()));
    for wrong in [
        AbsorbanceParams { lowest: 0.0, ..default() },
        AbsorbanceParams { highest: Some(1e-5), ..default() },
        AbsorbanceParams { flatness: f64::NAN, ..default() },
        AbsorbanceParams { reference: Reference::Frame { width: 0 }, ..default() },
        AbsorbanceParams { reference: Reference::Region { j: [3, 3], k: [0, 2] }, ..default() },
        AbsorbanceParams { reference: Reference::Region { j: [0, 2], k: [0, 99] }, ..default() },
        AbsorbanceParams {
            reference: Reference::Percentile { percentile: 101.0, per_projection: true },
            ..default()
        },
    ] {
        assert!(of(wrong, &disk(0.0)).is_err());
    }
}
