//! scikit-image's numbers.

use std::fs::File;
use std::path::Path;

use ndarray::{Array2, Array3};
use nonius_core::Real;

use crate::golden::cases::npz;

use super::{Method, end_point_error, largest_difference};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/registration/");

/// Every case of `flow.json`, in the precision that the reference computed in.
#[test]
fn scikit_image() {
    let cases: serde_json::Value =
        serde_json::from_reader(File::open(format!("{DATA}flow.json")).unwrap()).unwrap();
    let cases = cases.as_array().unwrap();
    assert_eq!(cases.len(), 10);
    for case in cases {
        match case["params"]["dtype"].as_str().unwrap() {
            "float32" => check::<f32>(case),
            "float64" => check::<f64>(case),
            other => panic!("no such precision: {other}"),
        }
    }
}

fn check<F: Real>(case: &serde_json::Value) {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let archive = npz(Path::new(&format!("{DATA}{}", text(&case["file"]))));
    let array = |name: &serde_json::Value| archive[&text(name)].mapv(F::of);
    let image = |name: &str| -> Array2<F> { array(&case["inputs"][name]).into_dimensionality().unwrap() };
    let (reference, moving) = (image("reference"), image("moving"));
    let expected: Array3<F> = array(&case["outputs"]["flow"]).into_dimensionality().unwrap();
    let found = method(case).run(reference.view(), moving.view()).unwrap().displacement;
    let tolerance = case["tolerance"]["abs"].as_f64().unwrap();
    let (largest, mean) = (largest_difference(&found, &expected), end_point_error(&found, &expected, 0));
    assert!(largest <= tolerance, "{}: largest difference {largest} px", case["id"]);
    // One pixel may take another branch; the field as a whole agrees to rounding.
    assert!(mean <= tolerance / 1000.0, "{}: mean end-point difference {mean} px", case["id"]);
}

/// The case's parameters; what it does not name is the default.
fn method(case: &serde_json::Value) -> Method {
    let mut params = case["params"].clone();
    params.as_object_mut().unwrap().remove("dtype");
    match case["function"].as_str().unwrap() {
        "optical_flow_tvl1" => Method::Tvl1(serde_json::from_value(params).unwrap()),
        "optical_flow_ilk" => Method::LucasKanade(serde_json::from_value(params).unwrap()),
        other => panic!("no such function: {other}"),
    }
}
