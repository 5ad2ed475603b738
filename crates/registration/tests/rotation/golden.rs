//! scikit-image's polar images.

use std::fs::File;

use ndarray::{Array2, Ix2, OwnedRepr};
use ndarray_npy::NpzReader;
use nonius_registration::rotation::{Scaling, warp_polar};

#[test]
fn scikit_image_warp_polar() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/registration/polar.npz");
    let mut archive = NpzReader::new(File::open(path).unwrap()).unwrap();
    for (id, scaling) in [("polar_00", Scaling::Linear), ("polar_01", Scaling::Log)] {
        let image: Array2<f64> =
            archive.by_name::<OwnedRepr<f32>, Ix2>(&format!("{id}__image")).unwrap().mapv(f64::from);
        let expected = archive.by_name::<OwnedRepr<f64>, Ix2>(&format!("{id}__polar")).unwrap();
        let found = warp_polar(image.view(), None, 18.0, expected.dim(), scaling).unwrap();
        for (at, &e) in expected.indexed_iter() {
            // Same arithmetic in another order.
            assert!((found[at] - e).abs() < 1e-10, "{id} {at:?}: {}, not {e}", found[at]);
        }
    }
}
