//! Signs, rotations and gauge of [`Geometry`].

use std::f64::consts::{FRAC_PI_2, PI};

use nalgebra::Vector3;
use nonius_core::tilt_series::{check_rotation, rotation_about, rotation_by};
use nonius_tomography::{Geometry, Laboratory, View, ViewAngles};

fn two_axes() -> Geometry {
    let view = |i: usize| {
        let angles = ViewAngles {
            inner_angle: 0.3 * i as f64,
            outer_angle: 0.1 * (i % 4) as f64,
            ..Default::default()
        };
        View::from_angles(angles).unwrap()
    };
    Geometry {
        laboratory: Laboratory::default(),
        views: (0..12).map(view).collect(),
        volume_shape: [9, 8, 7],
        projection_shape: [10, 6],
        scattering: None,
    }
}

#[test]
fn rotations_are_right_handed() {
    let quarter = rotation_about(Vector3::z(), FRAC_PI_2).unwrap();
    assert!((quarter * Vector3::x() - Vector3::y()).norm() < 1e-15);
    // The inner rotation comes first: about −z x goes to −y, which the outer one about x takes to −z.
    let angles = ViewAngles { inner_angle: FRAC_PI_2, outer_angle: FRAC_PI_2, ..ViewAngles::default() };
    let both = angles.rotation().unwrap();
    assert!((both * Vector3::x() + Vector3::z()).norm() < 1e-15);
    // A small angle is not lost, a full turn is none.
    assert!((rotation_by(Vector3::x() * 1e-9)[(2, 1)] - 1e-9).abs() < 1e-24);
    check_rotation("rotation", &rotation_by(Vector3::new(0.3, -2.0, 4.0))).unwrap();
    assert!((rotation_by(Vector3::y() * 2.0 * PI) - nalgebra::Matrix3::identity()).amax() < 1e-15);
}

#[test]
fn a_translation_is_recognised_and_removed() {
    let geometry = two_axes();
    let t = Vector3::new(0.4, -1.2, 2.0);
    let moved = geometry.translated(t);
    let free = geometry.remove_translation(&moved).unwrap();
    assert!((free.translation - t).norm() < 1e-12);
    assert!(free.residuals.iter().flatten().all(|residual| residual.abs() < 1e-12));
}

#[test]
fn one_view_leaves_the_translation_along_the_beam_open() {
    let geometry = Geometry::single_axis(Vector3::z(), &[0.0], [4, 4], [4, 4, 4]).unwrap();
    let free = geometry.remove_translation(&[[1.0, 2.0]]).unwrap();
    assert!((free.translation - Vector3::new(1.0, 0.0, 2.0)).norm() < 1e-12);
    assert!(free.singular_values[2] < 1e-6);
}

#[test]
fn the_axis_of_rotation_is_found_in_the_sample() {
    for axis in [Vector3::z(), -Vector3::z(), Vector3::new(0.1, 0.0, 0.99).normalize()] {
        let angles: Vec<f64> = (0..20).map(|i| 0.1 * i as f64).collect();
        let geometry = Geometry::single_axis(axis, &angles, [4, 4], [4, 4, 4]).unwrap();
        let found = geometry.rotation_axis().unwrap();
        assert!((found - axis * axis.z.signum()).norm() < 1e-9, "{axis:?} {found:?}");
    }
    assert!(two_axes().rotation_axis().is_none());
}

#[test]
fn turning_twice_keeps_the_laboratory_orthonormal() {
    let mut geometry = two_axes();
    geometry.rotate_laboratory(&rotation_by(Vector3::x() * 0.3)).unwrap();
    geometry.rotate_laboratory(&rotation_by(Vector3::z() * 0.5)).unwrap();
    geometry.validate().unwrap();
}

#[test]
fn what_is_wrong_is_named_with_its_view() {
    let mut geometry = two_axes();
    geometry.views[7].rotation[(1, 2)] += 1e-3;
    let message = geometry.validate().unwrap_err().to_string();
    assert!(message.starts_with("frame 7: rotation must be orthonormal"), "{message}");
    let mut geometry = two_axes();
    geometry.views[3].k_offset = f64::NAN;
    assert!(geometry.validate().unwrap_err().to_string().contains("k_offset must be finite"));
    let mut geometry = two_axes();
    geometry.views[3].rotation *= -1.0;
    assert!(geometry.validate().unwrap_err().to_string().contains("reflection"));
    let mut geometry = two_axes();
    geometry.laboratory.j = Vector3::y();
    assert!(geometry.validate().is_err());
    geometry.views.clear();
    assert!(geometry.validate().is_err());
    assert!(rotation_about(Vector3::zeros(), 1.0).is_err());
    assert!(rotation_about(Vector3::z(), f64::NAN).is_err());
}
