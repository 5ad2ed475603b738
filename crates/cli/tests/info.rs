//! `nonius info`.

use ndarray::{Array2, Array4};
use nonius::io::{Card, Value, write_fits, write_npy};
use serde_json::json;

use crate::{json, stdout};

#[test]
fn shapes_are_those_of_scan_and_frame() {
    let folder = tempfile::tempdir().unwrap();
    write_npy(folder.path().join("scan.npy"), &Array4::<u16>::zeros((2, 3, 4, 5))).unwrap();
    let info = json(folder.path(), &["info", "scan.npy", "--json"]);
    assert_eq!(info["format"], "NPY");
    assert_eq!(info["scan_shape"], json!([2, 3]));
    assert_eq!(info["sig_shape"], json!([4, 5]));
    assert_eq!(info["dtype"], "uint16");
    assert_eq!(info["n_frames"], 6);
    assert_eq!(info["warnings"], json!([]));
    assert!(info["metadata"].is_array());

    let part = json(folder.path(), &["info", "scan.npy[1]", "--json"]);
    assert_eq!((&part["scan_shape"], &part["n_frames"]), (&json!([3]), &json!(3)));
    let both = json(folder.path(), &["info", "scan.npy", "scan.npy[0]", "--json"]);
    assert_eq!(both["files"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_header_is_shown_but_not_trusted_with_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let card = |keyword: &str, value: Value| Card { keyword: keyword.into(), value, comment: String::new() };
    let cards = [card("OBJECT", "M 51".into()), card("EXPTIME", 30.5.into())];
    write_fits(folder.path().join("m.fits"), &Array2::<f32>::zeros((4, 6)), &cards).unwrap();
    let text = stdout(folder.path(), &["info", "m.fits"]);
    for words in ["FITS", "float32", "4 × 6 px", "OBJECT", "M 51", "30.5"] {
        assert!(text.contains(words), "{text}");
    }
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
}
