//! Filtered back-projection against another program's, and against the phantom.

use nalgebra::Vector3;
use ndarray::{Array3, Array4, Axis, Ix1, Ix3, s};
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
