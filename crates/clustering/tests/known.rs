//! Truth that was chosen.

use ndarray::{Array2, Array3};
use nonius_clustering::{
    CenterOfMass, DeflectionField, DeflectionParams, Detector, PixelStatistics, Regression,
    guess_scan_rotation,
};
use nonius_core::{NoProgress, PassParams, Roi, Scan, ScanParams, pass};

#[test]
fn a_mean_of_a_million_hides_no_spread_of_one() {
    let data =
        Array3::from_shape_fn((1000, 3, 40), |(k, y, x)| 1e6 + if (k + y + x) % 2 == 0 { 1.0 } else { -1.0 });
    let deviation = |frames: Array3<f64>, min_partitions| {
        let scan = Scan::new(Box::new(frames), &ScanParams::default()).unwrap();
        let params = PassParams { min_partitions, ..Default::default() };
        let selection = scan.select(None).unwrap();
        pass(&selection, &PixelStatistics::default(), &params, &NoProgress).unwrap().standard_deviation()
    };
    for partitions in [1, 64] {
        let found = deviation(data.clone(), partitions);
        assert!(found.iter().all(|s| (s - 1.0).abs() < 1e-9), "{found}");
    }
}

#[test]
fn thousands_of_full_detectors_are_summed_exactly() {
    let frames = Array3::from_elem((20_000, 2, 33), u16::MAX);
    let scan = Scan::new(Box::new(frames), &ScanParams::default()).unwrap();
    let params = PassParams { min_partitions: 1, tile_bytes: usize::MAX, ..Default::default() };
    let maps = pass(&scan.select(None).unwrap(), &PixelStatistics::default(), &params, &NoProgress).unwrap();
    assert!(maps.integer_sum.unwrap().iter().all(|&s| s == 20_000 * 65_535));
    assert!(maps.variance.iter().all(|&v| v == 0.0));
    let words = Array3::from_elem((3, 1, 2), i32::MIN);
    let scan = Scan::new(Box::new(words), &ScanParams::default()).unwrap();
    let maps = pass(&scan.select(None).unwrap(), &PixelStatistics::default(), &params, &NoProgress).unwrap();
    assert!(maps.integer_sum.unwrap().iter().all(|&s| s == 3 * i64::from(i32::MIN)));
}

#[test]
fn a_single_frame_has_no_deviation() {
    let frames = Array3::from_shape_fn((1, 3, 4), |(_, y, x)| (y * x) as f32 + 0.1);
    let scan = Scan::new(Box::new(frames), &ScanParams::default()).unwrap();
    let maps = nonius_clustering::pixel_statistics(&scan, None).unwrap();
    assert!(maps.variance.iter().all(|&v| v == 0.0));
}

/// Spots displaced by the gradient of a potential with a maximum, turned by −θ as a camera would show them.
fn spots(degrees: f64, flip: bool) -> Scan<'static> {
    let (ny, nx, h, w) = (9, 8, 31, 33);
    let (sin, cos) = degrees.to_radians().sin_cos();
    let frames = Array3::from_shape_fn((ny * nx, h, w), |(p, y, x)| {
        let r = [(p / nx) as f64 - 4.0, (p % nx) as f64 - 3.5];
        let bell = (-(r[0] * r[0] + r[1] * r[1]) / 18.0).exp();
        let field = [0.8 * r[0] * bell, 0.8 * r[1] * bell];
        // The inverse of the correction: first back the rotation, then the flip.
        let seen = [cos * field[0] - sin * field[1], sin * field[0] + cos * field[1]];
        let at = [15.0 + if flip { -seen[0] } else { seen[0] }, 16.0 + seen[1]];
        (-((y as f64 - at[0]).powi(2) + (x as f64 - at[1]).powi(2)) / 4.5).exp()
    });
    let params = ScanParams { shape: Some(vec![ny, nx]), ..Default::default() };
    Scan::new(Box::new(frames), &params).unwrap()
}

#[test]
fn rotation_and_flip_of_the_camera_are_found() {
    for (degrees, flip) in [(0.0, false), (57.0, false), (-120.0, false), (33.0, true), (180.0, false)] {
        let scan = spots(degrees, flip);
        let consumer = CenterOfMass { detector: Detector::Whole, reference: None };
        let centers = pass(&scan.select(None).unwrap(), &consumer, &Default::default(), &NoProgress).unwrap();
        let roi = Roi::all(&[9, 8]);
        let found = guess_scan_rotation(centers.view(), &roi, (31, 33)).unwrap();
        // The divergence of the field has one sign: the direction is known up to what the convention says.
        let turn = (found.scan_rotation - degrees).rem_euclid(180.0);
        assert_eq!(found.flip_y, flip, "{degrees}");
        assert!(!(1.5..=178.5).contains(&turn), "{} for {degrees}", found.scan_rotation);
        let field = DeflectionField::new(centers.view(), &roi, (31, 33), &found).unwrap();
        let (curl, divergence) = (field.curl(), field.divergence());
        let rms = |m: &Array2<f64>| m.iter().map(|v| v * v).sum::<f64>().sqrt();
        assert!(rms(&curl) < 0.2 * rms(&divergence));
    }
}

#[test]
fn a_plane_is_taken_off() {
    let centers = Array2::from_shape_fn((12, 2), |(p, axis)| {
        let (y, x) = ((p / 4) as f64, (p % 4) as f64);
        5.0 + if axis == 0 { 0.3 * y - 0.2 * x } else { 1.0 + 0.7 * y + 0.1 * x }
    });
    let params =
        DeflectionParams { center: Some([5.0, 5.0]), regression: Regression::Plane, ..Default::default() };
    let field = DeflectionField::new(centers.view(), &Roi::all(&[3, 4]), (11, 11), &params).unwrap();
    assert!(field.magnitude().iter().all(|m| m.abs() < 1e-12));
    let expected = [[0.0, 1.0], [0.3, 0.7], [-0.2, 0.1]];
    for (found, expected) in field.removed.iter().flatten().zip(expected.iter().flatten()) {
        assert!((found - expected).abs() < 1e-12, "{:?}", field.removed);
    }
    // Places on one line fix the slope along it alone.
    let line = Roi::from_positions(&[3, 4], [[0, 0], [1, 1], [2, 2]]).unwrap();
    let on_line = Array2::from_shape_fn((3, 2), |(i, _)| 5.0 + i as f64);
    let field = DeflectionField::new(on_line.view(), &line, (11, 11), &params).unwrap();
    assert!(field.magnitude().iter().filter(|m| m.is_finite()).all(|m| m.abs() < 1e-12));
    assert!((field.removed[1][0] - 0.5).abs() < 1e-12 && (field.removed[2][0] - 0.5).abs() < 1e-12);
}

#[test]
fn fields_need_two_scan_axes_and_finite_parameters() {
    let centers = Array2::zeros((6, 2));
    let new =
        |shape: &[usize], params| DeflectionField::new(centers.view(), &Roi::all(shape), (5, 5), &params);
    let plain = DeflectionParams::default();
    assert!(new(&[6], plain).is_err());
    assert!(new(&[2, 2], plain).is_err());
    assert!(new(&[2, 3], DeflectionParams { scan_rotation: f64::NAN, ..plain }).is_err());
    assert!(new(&[2, 3], DeflectionParams { center: Some([f64::INFINITY, 0.0]), ..plain }).is_err());
    // One row: no derivative across it.
    let row = new(&[1, 6], plain).unwrap();
    assert!(row.divergence().iter().all(|v| *v == 0.0));
}
