//! `nonius reconstruct`: volumes against the one that was projected.

use ndarray::{Array3, Ix3};
use nonius::io::{TiltSeriesWriter, read_array};
use nonius::synthetic::{AngleRange, MisalignmentParams, TiltScheme, TiltSeriesParams};

use crate::{json, names, nonius, stdout};

/// A folder with `scan.h5`, aligned, and the volume.
fn series() -> (tempfile::TempDir, Array3<f64>) {
    let folder = tempfile::tempdir().unwrap();
    let made = TiltSeriesParams {
        volume_shape: [24, 24, 20],
        projection_shape: [24, 20],
        scheme: TiltScheme::SingleAxis { axis: [0.0, 0.0, 1.0], angles: AngleRange::half_turn(40) },
        misalignment: MisalignmentParams::none(),
        seed: 8,
        ..Default::default()
    };
    let made = made.generate().unwrap();
    TiltSeriesWriter::new(&made.series).unwrap().write(folder.path().join("scan.h5")).unwrap();
    (folder, made.truth.volume.mapv(f64::from))
}

#[test]
fn every_method_finds_the_volume() {
    let (folder, truth) = series();
    let here = folder.path();
    let norm = |volume: &Array3<f64>| volume.iter().map(|v| v * v).sum::<f64>().sqrt();
    // Relative errors: edges a voxel wide are a good part of so small a sample.
    for (method, options, limit) in [
        ("mitra", &[][..], 0.2),
        ("sirt", &["--iterations", "60"], 0.25),
        ("fbp", &["--filter", "shepp-logan"], 0.3),
        ("lbfgs", &[], 0.2),
    ] {
        let args = [&["reconstruct", "scan.h5", "--method", method, "--json", "--out", "v.h5"][..], options];
        let found = json(here, &args.concat());
        let volume =
            read_array::<f64>(&format!("{}:/reconstruction/volume/data", here.join("v.h5").display()));
        let volume = volume.unwrap().into_dimensionality::<Ix3>().unwrap();
        assert_eq!(volume.dim(), (24, 24, 20));
        let error = norm(&(&volume - &truth)) / norm(&truth);
        assert!(error < limit, "{method}: {error}");
        let iterations = found["iterations"].as_u64().unwrap() as usize;
        let losses = found["losses"].as_array().unwrap();
        assert_eq!(losses.len(), iterations);
        if method == "fbp" {
            assert_eq!((iterations, found["stop"].as_str()), (0, Some("direct")));
        } else {
            assert!(losses[iterations - 1].as_f64().unwrap() < 0.1 * losses[0].as_f64().unwrap(), "{method}");
        }
        assert!(found["residual"].as_f64().unwrap() < 0.05, "{method}: {}", found["residual"]);
        assert_eq!(
            (found["result"].as_str(), found["picture"].as_str()),
            (Some("v.h5"), Some("v.slices.png"))
        );
    }
    assert_eq!(names(here), ["scan.h5", "v.h5", "v.slices.png"]);
    let said = stdout(here, &["reconstruct", "scan.h5", "--iterations", "2"]);
    assert!(said.contains("2 iterations") && said.contains("rms"), "{said}");
}

#[test]
fn parameters_stand_in_a_table_and_mistakes_are_named() {
    let (folder, _) = series();
    let here = folder.path();
    let printed = stdout(here, &["reconstruct", "--print-config", "--method", "fbp", "--filter", "hann"]);
    std::fs::write(here.join("p.toml"), &printed).unwrap();
    assert_eq!(stdout(here, &["reconstruct", "--print-config", "--config", "p.toml"]), printed);
    for (line, code, words) in [
        ("reconstruct none.h5", 1, &["none.h5", "No such file"][..]),
        ("reconstruct scan.h5 --scattering", 1, &["scan.h5", "scattering channels"]),
        ("reconstruct scan.h5 --total-variation=-1", 2, &["total_variation"]),
        ("reconstruct scan.h5 --ftol=-1", 2, &["ftol"]),
        ("reconstruct scan.h5 --picture nowhere/p.png", 1, &["--picture", "no folder nowhere"]),
        ("reconstruct", 2, &["PROJECTIONS"]),
    ] {
        let args: Vec<&str> = line.split(' ').chain(["--json", "--out", "v.h5"]).collect();
        let output = nonius(here, &args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{line}: {said}");
        assert!(output.stdout.is_empty() && words.iter().all(|word| said.contains(word)), "{line}: {said}");
        assert_eq!(names(here), ["p.toml", "scan.h5"], "{line}");
    }
}
