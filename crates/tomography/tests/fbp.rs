//! Filtered back-projection against another program's, and against the phantom.

use nalgebra::Vector3;
use ndarray::{Array3, Array4, Axis, Ix1, Ix3};
use nonius_core::NoProgress;
use nonius_tomography::{
    AbsorbanceParams, FbpParams, Filter, Geometry, Projector, Reconstructor, Reference, absorbance,
};

use crate::projector::{archive, relative};

fn images() -> (Array4<f64>, Vec<f64>, impl Fn(&str) -> Array3<f64>) {
    let arrays = archive("fbp.npz");
    let angles = arrays["angles"].clone().into_dimensionality::<Ix1>().unwrap().to_vec();
    let array = move |name: &str| arrays[name].clone().into_dimensionality::<Ix3>().unwrap();
    let transmission = array("diode") / 1000.0;
    let params = AbsorbanceParams { reference: Reference::Unit, ..Default::default() };
    let images = absorbance(&params, transmission.view()).unwrap().absorbance.insert_axis(Axis(3));
    (images, angles, array)
}

fn about(axis: Vector3<f64>, angles: &[f64]) -> Geometry {
    Geometry::single_axis(axis, angles, [32, 20], [32, 32, 20]).unwrap()
}

fn run(geometry: &Geometry, filter: Filter, images: &Array4<f64>) -> Array3<f64> {
    let params = FbpParams { filter, ..Default::default() };
    let found =
        params.reconstruct(&Projector::new(geometry).unwrap(), images.view(), None, None, &NoProgress);
    found.unwrap().volume.remove_axis(Axis(3))
}

#[test]
fn golden_windows() {
    let (images, angles, array) = images();
    let geometry = about(Vector3::z(), &angles);
    for (filter, name, to_truth) in [
        (Filter::RamLak, "ref_ramlak", 0.0872),
        (Filter::SheppLogan, "ref_shepp-logan", 0.1006),
        (Filter::Hann, "ref_hann", 0.1677),
    ] {
        let found = run(&geometry, filter, &images);
        let error = relative(&found, &array(name));
        assert!(error < 1e-5, "{name}: {error}");
        // On the scale of the truth without a factor.
        assert!(relative(&found, &array("truth")) < to_truth, "{name}");
    }
}

/// Averages keep their place whatever the detector's orientation, for axes along j or k and either sense.
#[test]
fn orientation_of_the_detector_does_not_matter() {
    let (images, angles, _) = images();
    let geometry = about(Vector3::z(), &angles);
    let expected = run(&geometry, Filter::SheppLogan, &images);
    let mut turned = geometry.clone();
    (turned.laboratory.j, turned.laboratory.k) = (geometry.laboratory.k, -geometry.laboratory.j);
    turned.projection_shape = [20, 32];
    let mut transposed = images.clone().permuted_axes([0, 2, 1, 3]);
    transposed.invert_axis(Axis(2));
    let found = run(&turned, Filter::SheppLogan, &transposed);
    assert!(relative(&found, &expected) < 1e-10);
    // About another axis of the sample the volume is turned with it: z → x, x → y, y → z.
    let mut other = about(Vector3::x(), &angles);
    other.volume_shape = [20, 32, 32];
    other.laboratory.p = Vector3::z();
    other.laboratory.j = Vector3::y();
    other.laboratory.k = Vector3::x();
    let found = run(&other, Filter::SheppLogan, &images);
    assert!(relative(&found, &expected.permuted_axes([2, 0, 1]).to_owned()) < 1e-10);
    let oblique = about(Vector3::new(0.3, 0.0, 1.0), &angles);
    let projector = Projector::<f64>::new(&oblique).unwrap();
    let wrong = FbpParams::default().reconstruct(&projector, images.view(), None, None, &NoProgress);
    assert!(wrong.unwrap_err().to_string().contains("along j or k"));
}

#[test]
fn repeated_and_unequal_views_count_once() {
    let (images, angles, array) = images();
    let even = run(&about(Vector3::z(), &angles), Filter::Hann, &images);
    // Every fifth view twice.
    let order: Vec<usize> = (0..60).chain((0..60).step_by(5)).collect();
    let angles_of = |order: &[usize]| order.iter().map(|i| angles[*i]).collect::<Vec<_>>();
    let geometry = about(Vector3::z(), &angles_of(&order));
    let twice = run(&geometry, Filter::Hann, &images.select(Axis(0), &order));
    assert!(relative(&twice, &even) < 1e-10);
    // A quarter of the directions seen half as often: hardly worse, and on the same scale.
    let order: Vec<usize> = (0..60).filter(|i| *i > 15 || i % 2 == 0).collect();
    let geometry = about(Vector3::z(), &angles_of(&order));
    let unequal = run(&geometry, Filter::Hann, &images.select(Axis(0), &order));
    assert!(relative(&unequal, &array("truth")) < 0.18);
    assert!((unequal.sum() / even.sum() - 1.0).abs() < 0.01);
}

#[test]
fn masked_pixels_are_bridged() {
    let (mut images, angles, array) = images();
    let mut mask = Array4::<f64>::ones(images.dim());
    for i in 0..60 {
        images[[i, (7 * i) % 32, i % 20, 0]] = f64::NAN;
        mask[[i, (7 * i) % 32, i % 20, 0]] = 0.0;
    }
    let projector = Projector::new(&about(Vector3::z(), &angles)).unwrap();
    let found = FbpParams::default()
        .reconstruct(&projector, images.view(), Some(mask.view()), None, &NoProgress)
        .unwrap();
    assert!(relative(&found.volume.remove_axis(Axis(3)), &array("truth")) < 0.09);
    let nothing = mask.mapv(|_| 0.0);
    let found = FbpParams::default()
        .reconstruct(&projector, images.view(), Some(nothing.view()), None, &NoProgress)
        .unwrap();
    assert_eq!(found.volume.sum(), 0.0);
}
