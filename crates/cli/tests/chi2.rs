//! `nonius chi2` on images whose shift and noise are known.

use std::path::Path;

use ndarray::Array2;
use nonius::core::TangentPlane;
use nonius::io::{Header, read_image, tangent_plane, write_fits};
use nonius::synthetic::{ImagePairParams, NoiseParams};

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
        ("chi2 a.npy b.npy --whiten", 2, &["--whiten", "--noise-region"]),
        ("chi2 a.npy b.npy --noise-region 0:20,0:20", 2, &["--whiten", "--correlated-noise"]),
        ("chi2 a.npy b.npy --whiten --noise-region 0:20", 2, &["--noise-region", "0:100,50:150"]),
        ("chi2 a.npy b.npy --whiten --noise-region 9:9,0:20", 2, &["--noise-region", "0:100,50:150"]),
        ("chi2 a.npy b.npy --whiten --noise-region 0:20,50:70", 1, &["0:20,50:70", "b.npy", "64 × 64"]),
        ("chi2 a.npy b.npy --whiten --noise-region 0:9,0:9", 1, &["--noise-region", "b.npy", "16 × 16"]),
        ("chi2 a.npy holed.npy --mask-nan --whiten --noise-region 0:20,0:20", 1, &["blank region", "[3, 4]"]),
        ("chi2 a.npy b.npy --whiten --noise-spectrum small.npy", 1, &["small.npy", "expected 64 × 64"]),
        ("chi2 a.npy b.npy --whiten --noise-spectrum zero.npy", 1, &["zero.npy", "above 0", "[0, 0]"]),
        ("chi2 a.npy b.npy --whiten --correlated-noise", 2, &["--whiten", "--correlated-noise"]),
        ("chi2 a.npy b.npy --upsample auto --correlated-noise --noise-region 0:20,0:20", 2, &["--upsample"]),
        ("chi2 a.npy b.npy --wcs", 1, &["a.npy", "world coordinates", "CTYPE1"]),
        ("chi2 a.npy b.npy --wcs --frame periodic", 2, &["--wcs", "overlap"]),
        ("chi2 a.npy b.npy --wcs --upsample auto", 2, &["--wcs", "--upsample"]),
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

#[test]
fn correlated_noise_is_measured_and_whitened() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let noise = NoiseParams::blurred(0.1, 0.8);
    let params = ImagePairParams { moving_noise: noise, ..ImagePairParams::scene_a(TRUTH, 0.1, 3) };
    let pair = params.generate().unwrap();
    write(here, "a.npy", &pair.reference);
    write(here, "b.npy", &pair.moving);
    write(here, "p.npy", &noise.power_spectrum([64, 64]).unwrap());
    // Noise alone, where the images of a sky have none: beside the sources.
    let blank = noise.add(Array2::zeros((64, 128)).view(), 9).unwrap();
    for (name, image) in [("wide_a.npy", &pair.reference), ("wide_b.npy", &pair.moving)] {
        let beside = if name == "wide_a.npy" { Array2::zeros((64, 128)) } else { blank.clone() };
        write(here, name, &ndarray::concatenate![ndarray::Axis(1), image.view(), beside.view()]);
    }
    let run = |line: &str| json(here, &line.split(' ').collect::<Vec<_>>());
    let plain = run("chi2 a.npy b.npy --err 0.1 --frame periodic --json");
    assert!(plain["noise_spectrum"].is_null() && plain["correlated_noise"] == "ignore");
    let rows = [
        ("a.npy b.npy --err 0.1 --frame periodic --whiten --noise-spectrum p.npy", "whiten", "file"),
        (
            "a.npy b.npy --err 0.1 --correlated-noise --noise-spectrum p.npy --frame periodic",
            "sandwich",
            "file",
        ),
        ("a.npy b.npy --err 0.1 --frame periodic --correlated-noise", "sandwich", "residuals"),
        ("wide_a.npy wide_b.npy --whiten --noise-region 0:64,64:192", "whiten", "region"),
        ("wide_a.npy wide_b.npy --correlated-noise --noise-region 0:64,64:192", "sandwich", "region"),
    ];
    for (line, how, from) in rows {
        let found = run(&format!("chi2 {line} --json"));
        assert_eq!((&found["correlated_noise"], &found["noise_spectrum"]), (&how.into(), &from.into()));
        let sigma = found["noise_sigma"].as_f64().unwrap();
        assert!((sigma / 0.1 - 1.0).abs() < 0.1, "{line}: {sigma}");
        assert_eq!(found["scaled_by_residuals"], false);
        let ratio = found["edx"].as_f64().unwrap() / plain["edx"].as_f64().unwrap();
        // The noise shares what the scene has.
        assert!((1.5..4.0).contains(&ratio), "{line}: {ratio}");
        if !line.starts_with("wide") {
            for (i, axis) in ["y", "x"].into_iter().enumerate() {
                let off = (found[format!("d{axis}")].as_f64().unwrap() - TRUTH[i]).abs();
                assert!(off < 4.0 * found[format!("ed{axis}")].as_f64().unwrap(), "{line}: {found}");
            }
        }
    }
}

/// Header of an image whose pixel (y, x) = (31.5, 31.5) shows α = 150°, δ = 60°, north turned by `turn` degrees
/// and `scale` arcseconds per px.
fn sky_header(turn: f64, scale: f64) -> Header {
    let (sin, cos) = turn.to_radians().sin_cos();
    let mut header = Header::default();
    for (keyword, text) in [("CTYPE1", "RA---TAN"), ("CTYPE2", "DEC--TAN")] {
        header.push(keyword, text, "");
    }
    let step = scale / 3600.0;
    let numbers = [
        ("CRPIX1", 32.5),
        ("CRPIX2", 32.5),
        ("CRVAL1", 150.0),
        ("CRVAL2", 60.0),
        ("CD1_1", -step * cos),
        ("CD1_2", step * sin),
        ("CD2_1", step * sin),
        ("CD2_2", step * cos),
    ];
    numbers.iter().for_each(|(keyword, value)| header.push(*keyword, *value, ""));
    header
}

/// An image of Gaussian sources of width `width` px at places that `place` finds for those on the first image.
fn sources(width: f64, place: impl Fn([f64; 2]) -> [f64; 2]) -> Array2<f64> {
    let at = |i: u32, step: f64| 90.0 * (f64::from(i + 1) * step).fract() - 13.0;
    let places: Vec<([f64; 2], f64)> = (0..60)
        .map(|i| (place([at(i, 0.754_877_666), at(i, 0.569_840_291)]), 0.5 + (f64::from(i) * 0.618).fract()))
        .collect();
    Array2::from_shape_fn((64, 64), |(y, x)| {
        let light = |(p, a): &([f64; 2], f64)| {
            a * (-((y as f64 - p[0]).powi(2) + (x as f64 - p[1]).powi(2)) / (2.0 * width * width)).exp()
        };
        places.iter().map(light).sum()
    })
}

/// Writes `a.fits` and `b.fits`; content of the second is displaced by `shift` px of the first.
fn sky_pair(folder: &Path, shift: [f64; 2], seed: u64) {
    let (one, other) = (sky_header(0.0, 0.5), sky_header(25.0, 0.55));
    let [a, b]: [TangentPlane; 2] = [&one, &other].map(|header| tangent_plane(header).unwrap());
    let still = sources(2.5, |p| p);
    let moved = sources(2.5 * 0.5 / 0.55, |p| a.to_other(&b, [p[0] + shift[0], p[1] + shift[1]]).unwrap());
    let noisy = NoiseParams::white(0.05).add(moved.view(), seed).unwrap();
    write_fits(folder.join("a.fits"), &still, &one.cards).unwrap();
    write_fits(folder.join("b.fits"), &noisy, &other.cards).unwrap();
}

#[test]
fn world_coordinates_bring_images_together() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    const DRAWS: u64 = 12;
    let mut pulls = [0.0; 2];
    for seed in 0..DRAWS {
        let shift = [0.8 - 0.13 * seed as f64, -1.2 + 0.21 * seed as f64];
        sky_pair(here, shift, seed);
        let found = json(here, &["chi2", "a.fits", "b.fits", "--err", "0.05", "--wcs", "--json"]);
        assert_eq!(found["status"], "converged");
        assert_eq!(found["correlated_noise"], "sandwich");
        let number = |key: &str| found[key].as_f64().unwrap();
        for (i, axis) in ["y", "x"].into_iter().enumerate() {
            let error = number(&format!("ed{axis}"));
            let pull = (number(&format!("d{axis}")) - shift[i]) / error;
            assert!(pull.abs() < 4.0 && error < 0.02, "{seed} {axis}: {pull} {found}");
            pulls[i] += pull;
        }
        // North is up, east to the left, 0.5″ per px.
        for (sky, pixel, scale) in [("dra_arcsec", "dx", -0.5), ("ddec_arcsec", "dy", 0.5)] {
            assert!((number(sky) - scale * number(pixel)).abs() < 1e-6, "{found}");
            let ratio = number(&format!("e{sky}")) / number(&format!("e{pixel}"));
            assert!((ratio - 0.5).abs() < 1e-6, "{found}");
        }
    }
    // A mean of 12 draws scatters by 0.29 σ.
    assert!(pulls.iter().all(|p| (p / DRAWS as f64).abs() < 1.2), "{pulls:?}");
    let table = stdout(here, &["chi2", "a.fits", "b.fits", "--err", "0.05", "--wcs"]);
    assert!(table.contains("dα·cosδ″") && table.contains("±dδ″"), "{table}");
    // Without σ, errors are scaled by the residuals.
    let unknown = json(here, &["chi2", "a.fits", "b.fits", "--wcs", "--json"]);
    assert_eq!(unknown["scaled_by_residuals"], true);
    let without = json(here, &["chi2", "a.fits", "b.fits", "--err", "0.05", "--json"]);
    assert!(without.get("dra_arcsec").is_none());
}

#[test]
fn world_coordinates_that_lead_nowhere_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    sky_pair(here, [0.0; 2], 1);
    let image = read_image::<f64>(&here.join("b.fits")).unwrap();
    let changed = |name: &str, keyword: &str, value: nonius::io::Value| {
        let mut header = image.header.clone();
        header.cards.retain(|card| card.keyword != keyword);
        header.push(keyword, value, "");
        write_fits(here.join(name), &image.pixels, &header.cards).unwrap();
    };
    changed("sip.fits", "CTYPE1", "RA---TAN-SIP".into());
    changed("far.fits", "CRVAL2", (-30.0).into());
    changed("beside.fits", "CRVAL2", 61.0.into());
    changed("nan.fits", "CRVAL1", "NaN".into());
    changed("old.fits", "EQUINOX", 1950.0.into());
    let mut flat = image.header.clone();
    for card in flat.cards.iter_mut().filter(|card| card.keyword.starts_with("CD")) {
        card.value = 1e-4.into();
    }
    write_fits(here.join("flat.fits"), &image.pixels, &flat.cards).unwrap();
    let mut new = read_image::<f64>(&here.join("a.fits")).unwrap();
    new.header.push("EQUINOX", 2000.0, "");
    write_fits(here.join("new.fits"), &new.pixels, &new.header.cards).unwrap();
    let mut holed = image.pixels.clone();
    holed[(30, 31)] = f64::NAN;
    write_fits(here.join("holed.fits"), &holed, &image.header.cards).unwrap();
    let rows: &[(&str, &[&str])] = &[
        ("a.fits sip.fits", &["sip.fits", "CTYPE1", "RA---TAN-SIP"]),
        ("a.fits far.fits", &["far.fits", "shows 0 px"]),
        ("a.fits beside.fits", &["beside.fits", "shows 0 px"]),
        ("a.fits nan.fits", &["nan.fits", "CRVAL1"]),
        ("a.fits flat.fits", &["flat.fits", "invertible"]),
        ("new.fits old.fits", &["EQUINOX", "1950", "2000"]),
        ("a.fits holed.fits", &["holed.fits", "[30, 31]", "--mask-nan"]),
        ("holed.fits a.fits", &["holed.fits", "[30, 31]", "--mask-nan"]),
    ];
    for (files, words) in rows {
        let args: Vec<&str> = ["chi2", "--wcs"].into_iter().chain(files.split(' ')).collect();
        let output = nonius(here, &args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{files}: {said}");
        for word in *words {
            assert!(said.contains(word), "{files}: no {word:?} in {said}");
        }
    }
    let found =
        json(here, &["chi2", "a.fits", "holed.fits", "--wcs", "--mask-nan", "--err", "0.05", "--json"]);
    assert!(found["dx"].as_f64().unwrap().abs() < 4.0 * found["edx"].as_f64().unwrap(), "{found}");
}
