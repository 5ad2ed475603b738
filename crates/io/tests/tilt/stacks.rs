//! Stacks of images with tilt angles from elsewhere.

use hdf5_writer::{DatasetBuilder, Hdf5Builder};
use nalgebra::Vector3;
use nonius_core::tilt_series::rotation_about;
use nonius_io::{TiltFormat, TiltSeriesOptions, write_npy, write_tiff_stack};

use super::{error_with, images, read};

#[test]
fn angles_stand_beside_the_stack() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("needle.npy");
    write_npy(&path, &images(3, 5, 4)).unwrap();
    let plain = TiltSeriesOptions::default();
    let message = error_with(&path, &plain);
    assert!(message.contains("tilt angles are not known") && message.contains(".rawtlt"), "{message}");

    let raw = folder.path().join("needle.rawtlt");
    std::fs::write(&raw, "# from the microscope\r\n  -60\r\n0.5\r\n\r\n 60.25 \r\n").unwrap();
    let file = read(&path, &plain).unwrap();
    assert_eq!((file.format, file.angles_from), (TiltFormat::Stack, raw.display().to_string()));
    let geometry = &file.series.geometry;
    assert_eq!(geometry.volume_shape, [5, 5, 4]);
    assert_eq!(file.series.images.as_ref().unwrap()[(2, 4, 3)], 243.0);
    for (view, degrees) in geometry.views.iter().zip([-60.0f64, 0.5, 60.25]) {
        let expected = rotation_about(Vector3::z(), degrees.to_radians()).unwrap();
        assert!((view.rotation - expected).amax() < 1e-15);
    }
    // The refined angles come first, what the caller says before both.
    let refined = folder.path().join("needle.tlt");
    std::fs::write(&refined, "-59\n1\n61\n").unwrap();
    assert_eq!(read(&path, &plain).unwrap().angles_from, refined.display().to_string());
    let named = TiltSeriesOptions { angles_file: Some(raw.clone()), ..Default::default() };
    assert_eq!(read(&path, &named).unwrap().angles_from, raw.display().to_string());
    let given = TiltSeriesOptions { tilt_degrees: Some(vec![0.0, 1.0, 2.0]), ..named };
    let file = read(&path, &given).unwrap();
    assert_eq!(file.angles_from, "the caller");
    assert!(file.warnings.is_empty(), "{:?}", file.warnings);
}

#[test]
fn angles_that_do_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("needle.npy");
    write_npy(&path, &images(4, 5, 4)).unwrap();
    let angles = folder.path().join("needle.tlt");
    for (text, words) in [
        ("1\n2\n3\n", "3 angles for 4 images"),
        ("1\n2\n3\n4\n5\n", "5 angles for 4 images"),
        ("", "0 angles for 4 images"),
        ("1\n2 deg\n3\n4\n", "line 2: \"2 deg\" is not an angle"),
        ("1\n2\nNaN\n4\n", "line 3: the tilt angle is NaN"),
        ("1\n2\n3\n1e9\n", "line 4: the tilt angle is 1000000000"),
    ] {
        std::fs::write(&angles, text).unwrap();
        let message = error_with(&path, &TiltSeriesOptions::default());
        assert!(message.contains("needle.tlt") && message.contains(words), "{words}: {message}");
    }
    for degrees in [vec![1.0; 3], vec![1.0, f64::NAN, 2.0, 3.0]] {
        let options = TiltSeriesOptions { tilt_degrees: Some(degrees), ..Default::default() };
        let message = error_with(&path, &options);
        assert!(message.contains("needle.npy") && message.contains("from the caller"), "{message}");
    }
    let options = TiltSeriesOptions { tilt_degrees: Some(vec![-1.0, -0.5, 0.5, 1.0]), ..Default::default() };
    let file = read(&path, &options).unwrap();
    assert!(file.warnings[0].contains("are they radians?"), "{:?}", file.warnings);
}

#[test]
fn the_axis_may_lie_anywhere_in_the_image() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stack.tif");
    write_tiff_stack(&path, images(3, 6, 4).view()).unwrap();
    for (degrees, axis, volume_shape) in [
        (0.0, [0.0, 0.0, 1.0], [6, 6, 4]),
        (90.0, [1.0, 0.0, 0.0], [6, 4, 4]),
        (180.0, [0.0, 0.0, -1.0], [6, 6, 4]),
        (-2.8, [(-2.8f64).to_radians().sin(), 0.0, 2.8f64.to_radians().cos()], [6, 6, 4]),
    ] {
        let options = TiltSeriesOptions {
            tilt_degrees: Some(vec![-40.0, 0.0, 40.0]),
            tilt_axis_degrees: degrees,
            ..Default::default()
        };
        let geometry = read(&path, &options).unwrap().series.geometry;
        let expected = rotation_about(axis.into(), 40f64.to_radians()).unwrap();
        assert!((geometry.views[2].rotation - expected).amax() < 1e-15, "{degrees}");
        assert_eq!(geometry.volume_shape, volume_shape);
    }
    let endless = TiltSeriesOptions {
        tilt_degrees: Some(vec![0.0; 3]),
        tilt_axis_degrees: f64::NAN,
        ..Default::default()
    };
    assert!(error_with(&path, &endless).contains("tilt_axis_degrees must be finite"));
}

#[test]
fn an_mrc_stack_has_its_pixel_size() {
    let path = crate::testdata("mrc_stack_extended.mrc");
    let options = TiltSeriesOptions { tilt_degrees: Some(vec![-10.0, 0.0, 10.0]), ..Default::default() };
    let file = read(&path, &options).unwrap();
    assert_eq!(file.series.geometry.stack_shape(), [3, 5, 7]);
    assert!(file.series.images.unwrap().iter().enumerate().all(|(i, v)| *v == i as f64));
    assert_eq!(file.pixel_size_nm.is_some(), crate::tilt::stacks::has_voxel_size(&path));
}

fn has_voxel_size(path: &std::path::Path) -> bool {
    let header = nonius_io::open(path).unwrap().header;
    header.find("VOXEL_X").and_then(|v| v.real()).is_some_and(|v| v > 0.0)
}

#[test]
fn a_dataset_of_an_hdf5_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("needle.h5");
    let values: Vec<f32> = images(3, 5, 4).into_iter().collect();
    let stack = |name: &str| DatasetBuilder::typed_data(name, vec![3, 5, 4], &values).unwrap();
    let list = |name: &str, values: &[f64]| {
        DatasetBuilder::typed_data(name, vec![values.len() as u64], values).unwrap()
    };
    let write = |file: Hdf5Builder| {
        std::fs::write(&path, file.into_plan().unwrap().encode(Default::default()).unwrap()).unwrap();
    };
    let plain = TiltSeriesOptions::default();
    let one = || {
        Hdf5Builder::new()
            .dataset(stack("images"))
            .dataset(list("tilt_degrees", &[-20.0, 0.0, 20.0]))
            .dataset(list("pixel_size_nm", &[3.36]))
    };
    write(one());
    let file = read(&path, &plain).unwrap();
    assert_eq!((file.pixel_size_nm, &file.angles_from[..]), (Some(3.36), "/tilt_degrees"));
    assert_eq!(file.series.images.unwrap()[(1, 2, 3)], 123.0);

    write(one().dataset(stack("more")));
    let message = error_with(&path, &plain);
    assert!(message.contains("holds /images, /more: choose one, as in"), "{message}");
    let named: nonius_io::Selector = format!("{}:/more", path.display()).parse().unwrap();
    assert!(nonius_io::open_tilt_series::<f32>(named, &plain).is_ok());
    let named: nonius_io::Selector = format!("{}:images", path.display()).parse().unwrap();
    assert!(nonius_io::open_tilt_series::<f32>(named, &plain).is_ok());

    write(Hdf5Builder::new().dataset(stack("images")).dataset(list("tilt_degrees", &[1.0, 2.0])));
    let message = error_with(&path, &plain);
    assert!(message.contains("2 angles for 3 images, from /tilt_degrees"), "{message}");
    write(Hdf5Builder::new().dataset(list("tilt_degrees", &[1.0])));
    let message = error_with(&path, &plain);
    assert!(message.contains("neither projections nor a dataset"), "{message}");
}

#[test]
fn pixels_that_are_no_intensities() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stack.npy");
    let options = TiltSeriesOptions { tilt_degrees: Some(vec![0.0, 9.0]), ..Default::default() };
    let mut pixels = images(2, 3, 3);
    pixels[(1, 2, 0)] = f32::NAN;
    write_npy(&path, &pixels).unwrap();
    let message = error_with(&path, &options);
    assert!(message.contains("element [1, 2, 0] is NaN"), "{message}");
    let replaced = TiltSeriesOptions { replace_non_finite: Some(-3.0), ..options.clone() };
    let file = read(&path, &replaced).unwrap();
    assert_eq!(file.series.images.unwrap()[(1, 2, 0)], -3.0);
    assert!(file.warnings[0].contains("as low as -3"), "{:?}", file.warnings);
    write_npy(&path, &ndarray::Array4::<f32>::ones((2, 2, 3, 3))).unwrap();
    let message = error_with(&path, &options);
    assert!(message.contains("shape [2, 2, 3, 3]"), "{message}");
    write_npy(&path, &ndarray::Array3::<f32>::ones((0, 3, 3))).unwrap();
    assert!(error_with(&path, &options).contains("shape [0, 3, 3]"));
}
