//! `nonius demo`.

use crate::{json, names};

#[test]
fn every_section_finds_the_truth_and_the_report_stands_alone() {
    let folder = tempfile::tempdir().unwrap();
    let demo = json(folder.path(), &["demo", "--quick", "--json", "--out", "trial"]);
    assert_eq!(names(folder.path()), ["trial"]);

    let sections = demo["sections"].as_array().unwrap();
    assert!(sections.len() >= 10);
    for section in sections {
        let name = section["name"].as_str().unwrap();
        let n = section["truth"].as_array().unwrap().len();
        assert!(n > 0 && section["found"].as_array().unwrap().len() == n);
        assert_eq!(section["error"].as_array().unwrap().len(), n);
        // In the noisiest of them noise makes another shift nearly as likely now and then; none is lost.
        let status = section["status"].as_array().unwrap();
        assert!(status.iter().all(|s| s == "converged" || s == "ambiguous"), "{name}: {status:?}");
        // The noisiest has standard errors of 0.02 px, and the reference's part of it is common to all.
        let rms = section["rms_error"].as_f64().unwrap();
        assert!(rms < 0.05, "{name}: {rms}");
    }

    let report = std::fs::read_to_string(folder.path().join(demo["report"].as_str().unwrap())).unwrap();
    // Two of each section, but four of the tilt series.
    assert_eq!(report.matches("<img ").count(), 2 * sections.len() + 2);
    assert_eq!(report.matches("src=\"data:image/png;base64,").count(), 2 * sections.len() + 2);
    assert!(!report.contains("http"), "the report needs no network");
}
