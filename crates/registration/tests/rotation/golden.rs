//! scikit-image's polar images.

use std::path::Path;

use ndarray::Array2;
use nonius_registration::rotation::{Scaling, warp_polar};

use crate::golden::cases::npz;

#[test]
fn scikit_image_warp_polar() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/registration/polar.npz");
    let archive = npz(Path::new(path));
    let array = |name: String| -> Array2<f64> { archive[&name].clone().into_dimensionality().unwrap() };
    for (id, scaling) in [("polar_00", Scaling::Linear), ("polar_01", Scaling::Log)] {
        let (image, expected) = (array(format!("{id}__image")), array(format!("{id}__polar")));
        let found = warp_polar(image.view(), None, 18.0, expected.dim(), scaling).unwrap();
        for (at, &e) in expected.indexed_iter() {
            // Same arithmetic in another order.
            assert!((found[at] - e).abs() < 1e-10, "{id} {at:?}: {}, not {e}", found[at]);
        }
    }
}
