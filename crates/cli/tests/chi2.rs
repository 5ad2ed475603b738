//! `nonius chi2` on images whose shift and noise are known.

use nonius::io::read_image;
use nonius::synthetic::ImagePairParams;

use crate::{json, names, nonius, pair, stdout, two, write};

const TRUTH: [f64; 2] = [1.37, -2.62];

#[test]
fn the_json_object_has_the_keys_of_the_contract_and_the_truth() {
    let (folder, pair) = pair(TRUTH);
    write(folder.path(), "s.npy", &pair.truth.moving_sigma);
    let by_file = json(folder.path(), &["chi2", "a.npy", "b.npy", "--err", "s.npy", "--json"]);
    let found = json(folder.path(), &["chi2", "a.npy", "b.npy", "--err", "0.1", "--json"]);
    let object = found.as_object().unwrap();
    let keys = "dx dy edx edy errors covariance chi2_min reduced_chi2 upsample_factor status competing \
                scaled_by_residuals correlated overlap gain offset warnings";
    for key in keys.split(' ') {
        assert!(object.contains_key(key), "{key} of {found}");
    }
    for (i, axis) in ["y", "x"].into_iter().enumerate() {
        let (shift, error) =
            (found[format!("d{axis}")].as_f64().unwrap(), found[format!("ed{axis}")].as_f64());
        let error = error.unwrap();
        assert!((shift - TRUTH[i]).abs() < 4.0 * error, "{shift} ± {error}");
        assert!(error > 0.001 && error < 0.01, "{error}");
        assert!((found["covariance"][i][i].as_f64().unwrap().sqrt() - error).abs() < 1e-12);
        // Symmetric at one standard error unless something else is asked for.
        assert!(two(&found["errors"][axis]).iter().all(|e| (e - error).abs() < 1e-9), "{found}");
        let same = by_file[format!("d{axis}")].as_f64().unwrap();
        assert!((same - shift).abs() < 1e-6, "{same} {shift}");
    }
    // 3700 pixels: χ² per degree of freedom scatters by 0.023.
    assert!((found["reduced_chi2"].as_f64().unwrap() - 1.0).abs() < 0.1);
    assert_eq!(found["status"], "converged");
    assert_eq!(found["upsample_factor"], serde_json::Value::Null);
    assert_eq!(found["scaled_by_residuals"], false);
    assert_eq!(found["warnings"], serde_json::json!([]));
}

#[test]
fn limits_are_those_asked_for() {
    let (folder, _) = pair(TRUTH);
    let plain = json(folder.path(), &["chi2", "a.npy", "b.npy", "--err", "0.1", "--json"]);
    let error = plain["edx"].as_f64().unwrap();
    for (options, factor) in [(&["--joint"][..], 1.515), (&["--nsigma", "2"], 2.0), (&["--profile"], 1.0)] {
        let mut args = vec!["chi2", "a.npy", "b.npy", "--err", "0.1", "--json"];
        args.extend(options);
        let found = json(folder.path(), &args);
        assert_eq!(found["edx"].as_f64(), Some(error), "{options:?}");
        for limit in two(&found["errors"]["x"]) {
            assert!((limit / (factor * error) - 1.0).abs() < 0.02, "{options:?}: {limit} {error}");
        }
    }
    let table = stdout(folder.path(), &["chi2", "a.npy", "b.npy", "--err", "0.1", "--joint"]);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 2, "{table}");
    for head in ["image", "dy", "dx", "±dy", "±dx", "−dx", "+dx", "χ²/freedom", "overlap", "status"] {
        assert!(lines[0].contains(head), "{table}");
    }
    assert!(lines[1].starts_with("b.npy") && lines[1].ends_with("converged"), "{table}");
}

#[test]
fn noise_that_was_not_given_is_taken_from_the_residuals() {
    let (folder, _) = pair(TRUTH);
    let told = json(folder.path(), &["chi2", "a.npy", "b.npy", "--err", "0.1", "--json"]);
    let found = json(folder.path(), &["chi2", "a.npy", "b.npy", "--json"]);
    assert_eq!(found["scaled_by_residuals"], true);
    assert!(found["warnings"][0].as_str().unwrap().contains("noise was not given"), "{found}");
    let ratio = found["edx"].as_f64().unwrap() / told["edx"].as_f64().unwrap();
    assert!((ratio - 1.0).abs() < 0.05, "{ratio}");
    let wrong = json(folder.path(), &["chi2", "a.npy", "b.npy", "--err", "0.01", "--json"]);
    assert!(wrong["warnings"][0].as_str().unwrap().contains("χ² per degree of freedom"), "{wrong}");
}

#[test]
fn a_grid_is_for_periodic_frames_and_close_to_the_truth() {
    let folder = tempfile::tempdir().unwrap();
    let pair = ImagePairParams::scene_a(TRUTH, 0.1, 3).generate().unwrap();
    write(folder.path(), "a.npy", &pair.reference);
    write(folder.path(), "b.npy", &pair.moving);
    for upsample in ["auto", "20"] {
        let args = ["chi2", "a.npy", "b.npy", "--err", "0.1", "--upsample", upsample, "--json"];
        let found = json(folder.path(), &args);
        let factor = found["upsample_factor"].as_f64().unwrap();
        assert!(upsample == "auto" || (factor - 20.0).abs() < 1e-9, "{factor}");
        for (i, axis) in ["y", "x"].into_iter().enumerate() {
            let (shift, error) = (&found[format!("d{axis}")], &found[format!("ed{axis}")]);
            let off = (shift.as_f64().unwrap() - TRUTH[i]).abs();
            assert!(off < 4.0 * error.as_f64().unwrap() + 1.0 / factor, "{found}");
        }
        assert_eq!(found["covariance"], serde_json::Value::Null);
        assert_eq!(found["status"], "converged");
    }
    // 64 samples of 1/50 px do not reach the truth.
    let fine = json(folder.path(), &["chi2", "a.npy", "b.npy", "--err", "0.1", "--upsample", "50", "--json"]);
    assert_eq!(fine["status"], "at_search_limit");
}

#[test]
fn map_picture_and_out_are_written() {
    let (folder, _) = pair(TRUTH);
    let mut args = vec!["chi2", "a.npy", "b.npy", "--err", "0.1", "--map", "m.npy", "--picture", "p.png"];
    args.extend(["--out", "r.json", "--json"]);
    let printed = json(folder.path(), &args);
    assert_eq!(names(folder.path()), ["a.npy", "b.npy", "m.npy", "p.png", "r.json"]);
    let written = std::fs::read_to_string(folder.path().join("r.json")).unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&written).unwrap(), printed);
    // Element [63 + dy, 63 + dx] stands for (dy, dx).
    let map = read_image::<f64>(&folder.path().join("m.npy")).unwrap().pixels;
    assert_eq!(map.dim(), (127, 127));
    assert!(map[(64, 60)] < map[(63, 63)] && map[(64, 60)] < map[(64, 66)]);
}

#[test]
fn missing_pixels_are_left_out() {
    let (folder, mut pair) = pair(TRUTH);
    pair.moving[(30, 31)] = f64::NAN;
    pair.reference[(20, 11)] = f64::NAN;
    write(folder.path(), "a.npy", &pair.reference);
    write(folder.path(), "b.npy", &pair.moving);
    let found = json(folder.path(), &["chi2", "a.npy", "b.npy", "--err", "0.1", "--mask-nan", "--json"]);
    let off = (found["dx"].as_f64().unwrap() - TRUTH[1]).abs();
    assert!(off < 4.0 * found["edx"].as_f64().unwrap(), "{found}");
}

#[test]
fn what_is_wrong_is_named() {
    let (folder, pair) = pair(TRUTH);
    let here = folder.path();
    write(here, "small.npy", &pair.moving.slice(ndarray::s![..60, ..]).to_owned());
    write(here, "zero.npy", &ndarray::Array2::zeros((64, 64)));
    let mut holed = pair.moving.clone();
    holed[(3, 4)] = f64::NAN;
    write(here, "holed.npy", &holed);
    let before = names(here);
    let rows: &[(&str, i32, &[&str])] = &[
        ("chi2 a.npy missing.npy", 1, &["missing.npy", "No such file"]),
        ("chi2 a.npy holed.npy", 1, &["holed.npy", "[3, 4]", "--mask-nan"]),
        ("chi2 holed.npy a.npy", 1, &["holed.npy", "[3, 4]", "--mask-nan"]),
        ("chi2 a.npy small.npy --frame periodic", 1, &["small.npy", "expected 64 × 64", "got 60 × 64"]),
        ("chi2 a.npy b.npy --err small.npy", 1, &["small.npy", "expected 64 × 64", "got 60 × 64"]),
        ("chi2 a.npy b.npy --err none.npy", 1, &["none.npy", "No such file"]),
        ("chi2 a.npy b.npy --err zero.npy", 1, &["zero.npy", "above 0", "[0, 0]"]),
        ("chi2 a.npy b.npy --moving-mask small.npy", 1, &["mask small.npy", "expected 64 × 64"]),
        ("chi2 a.npy b.npy --picture nowhere/p.png", 1, &["--picture", "no folder nowhere"]),
        ("chi2 a.npy b.npy --err -1", 2, &["--err", "above 0", "-1"]),
        ("chi2 a.npy b.npy --nsigma 0", 2, &["--nsigma", "above 0"]),
        ("chi2 a.npy b.npy --max-shift -2", 2, &["--max-shift", "not negative"]),
        ("chi2 a.npy b.npy --upsample 0", 2, &["--upsample", "auto"]),
        ("chi2 a.npy b.npy --upsample auto --frame overlap", 2, &["--frame overlap", "--upsample"]),
        ("chi2 a.npy b.npy --upsample auto --gain", 2, &["--gain", "--upsample"]),
        ("chi2 a.npy b.npy --zeromean --no-offset", 2, &["--zeromean", "--no-offset"]),
        ("chi2 a.npy b.npy --map m.txt", 2, &["--map", ".npy", "m.txt"]),
        ("chi2 a.npy", 2, &["MOVING"]),
    ];
    for (line, code, words) in rows {
        let output = nonius(here, &line.split(' ').collect::<Vec<_>>());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(*code), "{line}: {said}");
        assert!(output.stdout.is_empty(), "{line}");
        for word in *words {
            assert!(said.contains(word), "{line}: no {word:?} in {said}");
        }
    }
    assert_eq!(names(here), before);
}

#[test]
fn what_print_config_prints_config_reads() {
    let (folder, _) = pair(TRUTH);
    let args = ["chi2", "--print-config", "--upsample", "20", "--zeromean", "--joint"];
    let printed = stdout(folder.path(), &args);
    assert!(printed.starts_with("[chi2]") && printed.contains("joint"), "{printed}");
    std::fs::write(folder.path().join("p.toml"), &printed).unwrap();
    assert_eq!(stdout(folder.path(), &["chi2", "--print-config", "--config", "p.toml"]), printed);
}
