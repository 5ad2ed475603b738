//! Saved geometries.

use nalgebra::Vector3;
use nonius_core::tilt_series::{Geometry, Laboratory, Scattering, rotation_about};
use nonius_io::{TiltSeriesOptions, read_geometry, write_geometry};

use super::{data, error_with, read};

#[test]
fn the_one_that_python_wrote() {
    let file = read_geometry(data("two_axes.geo")).unwrap();
    assert!(file.warnings.is_empty(), "{:?}", file.warnings);
    let geometry = file.geometry;
    assert_eq!(geometry.stack_shape(), [3, 7, 6]);
    assert_eq!((geometry.volume_shape, geometry.laboratory), ([7, 7, 6], Laboratory::default()));
    assert_eq!(geometry.offsets(), [[0.5, 0.0], [-1.25, 0.75], [2.0, -0.5]]);
    for (view, [inner, outer]) in geometry.views.iter().zip([[0.0, 0.0], [0.3, 0.1], [0.6, -0.2]]) {
        let expected =
            rotation_about(Vector3::x(), outer).unwrap() * rotation_about(-Vector3::z(), inner).unwrap();
        // Another order of the same arithmetic.
        assert!((view.rotation - expected).amax() < 1e-15);
    }
    assert_eq!(geometry.views[1].angles.unwrap().inner_angle, 0.3);
    assert!(geometry.views[2].angles.is_none() && geometry.scattering.is_none());
}

#[test]
fn what_is_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made.geo");
    let mut geometry = read_geometry(data("two_axes.geo")).unwrap().geometry;
    geometry.scattering = Some(Scattering {
        detector_angles: vec![0.1, 0.2],
        direction_origin: Vector3::y(),
        direction_positive_90: Vector3::x(),
        two_theta: vec![0.015],
        full_circle_covered: false,
    });
    write_geometry(&path, &geometry).unwrap();
    let read = read_geometry(&path).unwrap();
    assert_eq!((read.geometry, read.warnings.len()), (geometry.clone(), 0));
    geometry.views[1].j_offset = f64::NAN;
    let message = write_geometry(&path, &geometry).unwrap_err().to_string();
    assert!(message.contains("frame 1: j_offset"), "{message}");
    assert!(read_geometry(&path).is_ok(), "a failure left the old file");
}

#[test]
fn a_geometry_replaces_that_of_a_file() {
    let options = TiltSeriesOptions {
        geometry_file: Some(data("two_axes.geo")),
        replace_non_finite: Some(1.0),
        ..Default::default()
    };
    let message = error_with(&data("mini_dataset_legacy.h5"), &options);
    assert!(message.contains("two_axes.geo: expected shape [3, 4, 5], got [3, 7, 6]"), "{message}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stack.npy");
    nonius_io::write_npy(&path, &super::images(3, 7, 6)).unwrap();
    let file = read(&path, &options).unwrap();
    assert_eq!(file.series.geometry, read_geometry(data("two_axes.geo")).unwrap().geometry);
    assert!(file.angles_from.contains("two_axes.geo"));
}

#[test]
fn archives_that_are_no_geometry() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.geo");
    let check = |bytes: &[u8], words: &str| {
        std::fs::write(&path, bytes).unwrap();
        let message = read_geometry(&path).unwrap_err().to_string();
        assert!(message.contains("bad.geo") && message.contains(words), "{words}: {message}");
    };
    check(b"", "the file is empty");
    check(&[7; 2000], "checksum is wrong");
    let good = std::fs::read(data("two_axes.geo")).unwrap();
    check(&good[..700], "tar entry \"_rotations\" needs");
    // The document of the rotations, which begins behind the first header.
    let mut bad = good.clone();
    bad[512] = b'{';
    check(&bad, "_rotations");
    let mut bad = good.clone();
    let at = bad.windows(5).position(|w| w == b"0.955").unwrap();
    bad[at] = b'1';
    check(&bad, "orthonormal");
    let without = |name: &str| {
        let at = good.windows(name.len()).position(|w| w == name.as_bytes()).unwrap();
        let mut bad = good.clone();
        // Another name of the same letters, so that the checksum stays right.
        bad[at..at + name.len()].reverse();
        bad
    };
    check(&without("volume_shape"), "volume_shape: is missing");
    std::fs::write(&path, without("_j_offsets")).unwrap();
    let read = read_geometry(&path).unwrap();
    assert!(read.warnings[0].contains("_j_offsets is missing") && read.geometry.offsets()[1][0] == 0.0);
    let empty = Geometry::single_axis(Vector3::z(), &[], [4, 4], [4, 4, 4]).unwrap();
    assert!(write_geometry(&path, &empty).is_err());
}
