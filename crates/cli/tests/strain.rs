//! `nonius strain` and `nonius cluster` on a scan whose grains are known.

use std::path::Path;

use ndarray::ArrayD;
use nonius::Scan;
use nonius::core::ScanParams;
use nonius::io::{BloParams, read_array, write_blo, write_npy};
use nonius::synthetic::{PolycrystalParams, PolycrystalScan, PolycrystalTruth};
use serde_json::json;

use crate::{json as run, names, nonius, stdout};

/// 10 × 12 positions, two grains, as `scan.blo`.
fn folder(settings: PolycrystalParams) -> (tempfile::TempDir, PolycrystalTruth) {
    let folder = tempfile::tempdir().unwrap();
    let made = PolycrystalScan::new(&settings).unwrap();
    let truth = made.truth().clone();
    let params = ScanParams { shape: Some(settings.scan.to_vec()), ..Default::default() };
    let scan = Scan::new(Box::new(made), &params).unwrap();
    write_blo(folder.path().join("scan.blo"), &scan, &BloParams::default()).unwrap();
    (folder, truth)
}

fn two_grains() -> PolycrystalParams {
    PolycrystalParams { scan: [10, 12], grains: 2, core: None, ..Default::default() }
}

fn array(folder: &Path, file: &str, name: &str) -> ArrayD<f64> {
    read_array::<f64>(&format!("{}:/strain/{name}/data", folder.join(file).display())).unwrap()
}

const CELLS: [&str; 4] = ["--cell", "0,17.6,21.9,0", "--cell", "0,15.8,23.9,-5.9"];

#[test]
fn a_scan_becomes_maps_pictures_and_a_report() {
    let (folder, truth) = folder(two_grains());
    let mut args = vec!["strain", "scan.blo", "--clusters", "5", "--out", "s.h5", "--json"];
    args.extend(CELLS);
    let found = run(folder.path(), &args);
    assert_eq!((&found["n_grains"], &found["n_matched"]), (&json!(2), &json!(120)));
    assert_eq!((&found["result"], &found["report"]), (&json!("s.h5"), &json!("s.report.html")));
    let clusters = found["clusters"].as_array().unwrap();
    assert_eq!(clusters.len(), 5);
    for key in ["label", "n_frames", "zero", "a", "b", "matched"] {
        assert!(clusters.iter().all(|c| !c[key].is_null()), "{key}");
    }
    let sizes: u64 = clusters.iter().map(|c| c["n_frames"].as_u64().unwrap()).sum();
    assert_eq!(sizes, 120);

    let (xx, a) = (array(folder.path(), "s.h5", "strain_xx"), array(folder.path(), "s.h5", "a"));
    assert_eq!((xx.shape(), a.shape()), (&[10, 12][..], &[10, 12, 2][..]));
    for ((y, x), &distance) in truth.boundary_distance.indexed_iter() {
        let error = xx[[y, x]] / 100.0 - truth.strain_xx[[y, x]];
        assert!(distance < 1.5 || error.abs() < 3e-3, "{y} {x}: {error}");
    }
    let names = names(folder.path());
    for name in
        ["s.grains.png", "s.strain_xx.png", "s.rotation.png", "s.ratio.png", "s.region_04.png", "s.spots.png"]
    {
        assert!(names.iter().any(|n| n == name), "{name} of {names:?}");
    }
    let report = std::fs::read_to_string(folder.path().join("s.report.html")).unwrap();
    assert!(report.contains("ε_xx") && report.contains("scan.blo") && report.ends_with("</html>\n"));
}

#[test]
fn a_table_says_what_was_found() {
    let (folder, _) = folder(two_grains());
    let text = stdout(folder.path(), &["strain", "scan.blo", "--clusters", "4", "--superlattice", "0.5,0.5"]);
    for part in ["4 regions by 300 features, 2 grains", "|a| / px", "reference", "superlattice in region"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(names(folder.path()), ["scan.blo"]);
}

#[test]
fn regions_of_one_run_begin_another() {
    let (folder, _) = folder(two_grains());
    let clustered =
        run(folder.path(), &["cluster", "scan.blo", "--clusters", "4", "--out", "c.h5", "--json"]);
    assert_eq!(clustered["n_clusters"], 4);
    assert_eq!(clustered["labels"].as_array().unwrap().len(), 120);
    let whole = run(folder.path(), &["strain", "scan.blo", "--clusters", "4", "--json"]);
    let resumed = run(folder.path(), &["strain", "scan.blo", "--resume", "c.h5", "--json"]);
    assert_eq!(resumed["clusters"], whole["clusters"]);
    let again = run(
        folder.path(),
        &["strain", "scan.blo", "--resume", "c.h5", "--from", "regions", "--clusters", "6", "--json"],
    );
    assert_eq!(again["clusters"].as_array().unwrap().len(), 6);
}

#[test]
fn what_print_config_prints_config_reads() {
    let folder = tempfile::tempdir().unwrap();
    let mut args = vec!["strain", "--print-config", "--radius", "2.5", "--superlattice", "0.5,0"];
    args.extend(CELLS);
    let printed = stdout(folder.path(), &args);
    std::fs::write(folder.path().join("p.toml"), &printed).unwrap();
    assert_eq!(stdout(folder.path(), &["strain", "--print-config", "--config", "p.toml"]), printed);
    assert!(printed.contains("radius = 2.5") && printed.contains("cells"));
}

#[test]
fn scans_without_a_crystal_and_lines_are_honest() {
    let (amorphous, _) =
        folder(PolycrystalParams { scan: [6, 7], grains: 0, core: None, ..Default::default() });
    let found = run(amorphous.path(), &["strain", "scan.blo", "--clusters", "3", "--out", "s.h5", "--json"]);
    assert_eq!((&found["n_grains"], &found["n_matched"]), (&json!(0), &json!(0)));
    let warnings = found["warnings"].to_string();
    assert!(warnings.contains("no region shows a lattice"), "{warnings}");

    let flat = ndarray::Array4::<u8>::from_elem((4, 5, 32, 32), 9);
    write_npy(amorphous.path().join("flat.npy"), &flat).unwrap();
    let output = nonius(amorphous.path(), &["strain", "flat.npy"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(1) && said.contains("flat.npy: nothing changes over the scan"),
        "{said}"
    );

    let (line, _) = folder(PolycrystalParams { scan: [1, 20], grains: 2, core: None, ..Default::default() });
    let args = ["strain", "scan.blo", "--clusters", "3", "--scan-shape", "20", "--out", "line.h5", "--json"];
    let found = run(line.path(), &args);
    assert_eq!((&found["n_grains"], &found["report"]), (&json!(2), &json!(null)));
    assert_eq!(array(line.path(), "line.h5", "a").shape(), [20, 2]);
}

#[test]
fn wrong_use_is_named() {
    let (folder, _) = folder(PolycrystalParams { scan: [3, 4], grains: 1, ..two_grains() });
    for (args, code, word) in [
        (&["--cell", "1,2,3"][..], 2, "--cell"),
        (&["--superlattice", "0.5"], 2, "--superlattice"),
        (&["--superlattice", "1,0"], 1, "superlattice"),
        (&["--direct-beam", "5"], 2, "--direct-beam"),
        (&["--clusters", "0"], 1, "clusters"),
        (&["--radius", "0"], 1, "radius"),
        (&["--resume", "none.h5"], 1, "none.h5"),
        (&["--from", "regions"], 2, "--resume"),
        (&["--out", "nowhere/s.h5"], 1, "nowhere"),
        (&["--grain-tolerance=-1"], 1, "grain-tolerance"),
    ] {
        let output = nonius(folder.path(), &[&["strain", "scan.blo"], args].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(word), "{args:?}: {said}");
    }
    assert_eq!(names(folder.path()), ["scan.blo"]);
}
