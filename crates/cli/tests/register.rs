//! `nonius register` on images whose shift is known.

use ndarray::Array3;
use nonius::io::{read_image, write_fits, write_npy, write_tiff_stack};
use nonius::synthetic::{ImagePairParams, ImageSeriesParams, ImageSeriesPlan, Motion};

use crate::{json, names, nonius, pair, stdout, turned_pair, two, write};

const TRUTH: [f64; 2] = [2.7, -1.4];

#[test]
fn the_json_object_has_the_keys_of_the_contract_and_the_truth() {
    let (folder, _) = pair(TRUTH);
    let found = json(folder.path(), &["register", "a.npy", "b.npy", "--json"]);
    let (shift, errors) = (two(&found["shifts"][0]), two(&found["errors"][0]));
    for axis in 0..2 {
        // Seed and scene are fixed; four standard errors would be missed once in 16 000 draws.
        assert!((shift[axis] - TRUTH[axis]).abs() < 4.0 * errors[axis], "{shift:?} ± {errors:?}");
        assert!(errors[axis] > 0.002 && errors[axis] < 0.01, "{errors:?}");
        let variance = found["covariance"][0][axis][axis].as_f64().unwrap();
        assert!((variance.sqrt() - errors[axis]).abs() < 1e-12);
    }
    assert!(found["peak"][0].as_f64().unwrap() > 0.98);
    assert_eq!(found["status"][0], "converged");
    assert!(found["overlap"][0].as_u64().unwrap() > 3000);
}

#[test]
fn the_table_has_a_line_per_image() {
    let (folder, _) = pair(TRUTH);
    let table = stdout(folder.path(), &["register", "a.npy", "b.npy", "a.npy"]);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 3, "{table}");
    for head in ["image", "dy", "dx", "±dy", "±dx", "score", "overlap", "status"] {
        assert!(lines[0].contains(head), "{table}");
    }
    assert!(lines[1].starts_with("b.npy") && lines[1].ends_with("converged"), "{table}");
}

#[test]
fn a_series_means_every_frame_against_the_first_and_any_number_of_threads_agrees() {
    let folder = tempfile::tempdir().unwrap();
    let series = ImageSeriesPlan::new(&ImageSeriesParams { n_frames: 6, seed: 2, ..Default::default() });
    let series = series.unwrap().run().unwrap();
    write_tiff_stack(folder.path().join("s.tif"), series.frames.mapv(|v| v as f32).view()).unwrap();

    for strategy in [&[][..], &["--chain"], &["--pairs", "2"]] {
        let mut args = vec!["register", "s.tif", "--json", "--threads", "1"];
        args.extend(strategy);
        let one = stdout(folder.path(), &args);
        args[4] = "3";
        assert_eq!(stdout(folder.path(), &args), one, "{strategy:?}");
        let found: serde_json::Value = serde_json::from_str(&one).unwrap();
        assert_eq!(found["status"][0], "reference");
        for (i, truth) in series.shifts.iter().enumerate() {
            let shift = two(&found["shifts"][i]);
            // Noise 0.1 on both frames; chained errors add up to √5 times one.
            assert!(
                (0..2).all(|a| (shift[a] - truth[a]).abs() < 0.06),
                "{strategy:?} {i}: {shift:?} {truth:?}"
            );
        }
    }

    let third = json(folder.path(), &["register", "s.tif", "--reference-frame", "3", "--json"]);
    let (first, truth) = (two(&third["shifts"][0]), series.shifts[3]);
    assert!((0..2).all(|a| (first[a] + truth[a]).abs() < 0.06), "{first:?} {truth:?}");
}

#[test]
fn a_page_against_a_stack_gives_a_row_per_frame() {
    let (folder, pair) = pair(TRUTH);
    let mut stack = Array3::zeros((2, 64, 64));
    stack.index_axis_mut(ndarray::Axis(0), 0).assign(&pair.reference);
    stack.index_axis_mut(ndarray::Axis(0), 1).assign(&pair.moving);
    write_npy(folder.path().join("s.npy"), &stack).unwrap();
    let found = json(folder.path(), &["register", "s.npy[0]", "s.npy", "--json"]);
    assert_eq!(found["images"], serde_json::json!(["s.npy #0", "s.npy #1"]));
    assert!(two(&found["shifts"][0]).iter().all(|d| d.abs() < 1e-6));
}

#[test]
fn out_and_apply_write_whole_files_and_nothing_else() {
    let (folder, pair) = pair(TRUTH);
    write_fits(folder.path().join("b.fits"), &pair.moving, &[]).unwrap();
    let printed = json(
        folder.path(),
        &["register", "a.npy", "b.npy", "b.fits", "--json", "--out", "r.json", "--apply", "reg"],
    );
    let written: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.path().join("r.json")).unwrap()).unwrap();
    assert_eq!(printed, written);
    let all = ["a.npy", "b.fits", "b.npy", "r.json", "r.png", "r_shifts.png", "reg"];
    assert_eq!(names(folder.path()), all);
    assert_eq!(names(&folder.path().join("reg")), ["b_registered.fits", "b_registered.npy"]);

    let back = read_image::<f64>(&folder.path().join("reg/b_registered.fits")).unwrap().pixels;
    let mut n = 0;
    for ((y, x), v) in back.indexed_iter().filter(|(_, v)| v.is_finite()) {
        // Noise of 0.1 in the moving image: no pixel of 3800 strays by 6 of it.
        assert!((v - pair.reference[(y, x)]).abs() < 0.6, "({y}, {x})");
        n += 1;
    }
    assert!((3700..3900).contains(&n), "{n} of 64 × 64 pixels were recorded by both");
}

#[test]
fn periodic_frames_wrap() {
    let folder = tempfile::tempdir().unwrap();
    let pair = ImagePairParams::scene_a([20.25, -11.5], 0.0, 3).generate().unwrap();
    write(folder.path(), "a.npy", &pair.reference);
    write(folder.path(), "b.npy", &pair.moving);
    let args = ["register", "a.npy", "b.npy", "--frame", "periodic", "--json", "--apply", "."];
    let shift = two(&json(folder.path(), &args)["shifts"][0]);
    assert!((shift[0] - 20.25).abs() < 1e-6 && (shift[1] + 11.5).abs() < 1e-6, "{shift:?}");
    let back = read_image::<f64>(&folder.path().join("b_registered.npy")).unwrap().pixels;
    // Written as float32.
    assert!(back.iter().zip(&pair.reference).all(|(a, b)| (a - b).abs() < 1e-5));

    let whole = json(
        folder.path(),
        &["register", "a.npy", "b.npy", "--frame", "periodic", "--upsample", "none", "--json"],
    );
    assert!(two(&whole["shifts"][0]).iter().all(|d| d.fract() == 0.0));
}

#[test]
fn missing_pixels_are_left_out_on_request() {
    let (folder, pair) = pair(TRUTH);
    let mut moving = pair.moving.clone();
    moving.slice_mut(ndarray::s![10..20, 30..50]).fill(f64::NAN);
    write(folder.path(), "b.npy", &moving);
    write(folder.path(), "mask.npy", &moving.mapv(|v| if v.is_nan() { 0.0 } else { 1.0 }));
    write(folder.path(), "filled.npy", &moving.mapv(|v| if v.is_nan() { 1e6 } else { v }));
    for args in [
        &["register", "a.npy", "b.npy", "--json", "--mask-nan"][..],
        &["register", "a.npy", "filled.npy", "--json", "--moving-mask", "mask.npy"],
    ] {
        let found = json(folder.path(), args);
        let (shift, errors) = (two(&found["shifts"][0]), two(&found["errors"][0]));
        assert!((0..2).all(|a| (shift[a] - TRUTH[a]).abs() < 4.0 * errors[a]), "{shift:?} ± {errors:?}");
    }
}

#[test]
fn what_fixes_no_shift_is_said_and_drawn_without_a_panic() {
    let (folder, pair) = pair(TRUTH);
    write(folder.path(), "c.npy", &pair.moving.mapv(|_| 3.0));
    let output =
        nonius(folder.path(), &["register", "a.npy", "c.npy", "--json", "--out", "r.json", "--apply", "reg"]);
    assert_eq!(output.status.code(), Some(0));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["status"][0], "undetermined");
    assert!(found["shifts"][0][0].is_null() && found["applied"] == serde_json::json!([]));
    assert!(String::from_utf8_lossy(&output.stderr).contains("c.npy: the images do not fix a shift"));
}

const TURN: Motion = Motion { angle: 34.5, scale: 1.12, shift: [3.4, -2.2] };

#[test]
fn rotation_and_scale_are_found_with_their_errors_and_undone() {
    let (folder, pair) = turned_pair(TURN);
    let args = ["register", "a.npy", "b.npy", "--rotation", "--json", "--apply", ".", "--picture", "p.png"];
    let found = json(folder.path(), &args);
    assert_eq!(found["status"][0], "converged");
    let (shift, errors) = (two(&found["shifts"][0]), two(&found["errors"][0]));
    let number = |key: &str| found[key][0].as_f64().unwrap();
    let rows = [
        (number("angles"), TURN.angle, number("angle_errors"), 0.1),
        (number("scales"), TURN.scale, number("scale_errors"), 0.002),
        (shift[0], TURN.shift[0], errors[0], 0.05),
        (shift[1], TURN.shift[1], errors[1], 0.05),
    ];
    let covariance = &found["poses_covariance"][0];
    for (i, (value, truth, error, most)) in rows.into_iter().enumerate() {
        assert!((value - truth).abs() < 4.0 * error && error < most, "{i}: {value} ± {error}");
        assert!((covariance[i][i].as_f64().unwrap().sqrt() - error).abs() < 1e-12);
    }
    assert_eq!(covariance[2][3], found["covariance"][0][0][1]);

    let back = read_image::<f64>(&folder.path().join("b_registered.npy")).unwrap().pixels;
    let left: Vec<f64> =
        back.iter().zip(&pair.reference).map(|(b, a)| b - a).filter(|d| d.is_finite()).collect();
    let rms = (left.iter().map(|d| d * d).sum::<f64>() / left.len() as f64).sqrt();
    // Noise of 0.05, less where pixels were averaged; most of the frame is common.
    assert!(rms < 0.06 && left.len() > 96 * 96 * 7 / 10, "rms {rms}, {} px", left.len());
    assert!(folder.path().join("p.png").is_file());
}

#[test]
fn rotation_of_a_series_refers_to_the_chosen_frame() {
    let (folder, pair) = turned_pair(TURN);
    let mut stack = Array3::zeros((2, 96, 96));
    stack.index_axis_mut(ndarray::Axis(0), 0).assign(&pair.reference);
    stack.index_axis_mut(ndarray::Axis(0), 1).assign(&pair.moving);
    write_npy(folder.path().join("s.npy"), &stack).unwrap();
    let by_option = ["register", "s.npy", "--reference-frame", "1", "--json", "--rotation"];
    let found = json(folder.path(), &by_option);
    assert_eq!(found["status"], serde_json::json!(["converged", "reference"]));
    assert_eq!((&found["angles"][1], &found["scales"][1]), (&0.0.into(), &1.0.into()));
    assert!((found["angles"][0].as_f64().unwrap() + TURN.angle).abs() < 0.1);
    assert!((found["scales"][0].as_f64().unwrap() * TURN.scale - 1.0).abs() < 0.002);

    std::fs::write(folder.path().join("p.toml"), "[register]\nrotation = true\n").unwrap();
    let by_file = json(folder.path(), &["register", "a.npy", "b.npy", "--json", "--config", "p.toml"]);
    assert!((by_file["angles"][0].as_f64().unwrap() - TURN.angle).abs() < 0.1);
    let table = stdout(folder.path(), &["register", "a.npy", "b.npy", "--rotation", "--scale", "0.9:1.2"]);
    let heads = ["angle (°)", "±angle", "scale", "±scale"];
    assert!(heads.iter().all(|h| table.contains(h)) && table.contains("+34."), "{table}");
    let without = json(folder.path(), &["register", "a.npy", "b.npy", "--json"]);
    assert!(without.get("angles").is_none() && without.get("poses_covariance").is_none());
}

#[test]
fn rotation_does_not_go_together_with_everything() {
    let (folder, _) = pair(TRUTH);
    for (options, word) in [
        ("--mask-nan", "--mask-nan"),
        ("--reference-mask a.npy", "--reference-mask"),
        ("--moving-mask a.npy", "--moving-mask"),
        ("--chain", "--chain"),
        ("--pairs 2", "--pairs"),
        ("--frame periodic", "--frame periodic"),
        ("--method phase", "--method phase"),
        ("--upsample 10", "--upsample"),
        ("--weighting plain", "--weighting"),
        ("--max-shift 3", "--max-shift"),
        ("--disambiguate", "--disambiguate"),
        ("--scale 0.5", "--scale"),
        ("--scale 2:0.5", "--scale"),
        ("--scale 1.5:2", "--scale: LOW must be"),
        ("--overlap-ratio 0", "--overlap-ratio must be"),
    ] {
        let line = format!("register a.npy b.npy --rotation {options}");
        let output = nonius(folder.path(), &line.split(' ').collect::<Vec<_>>());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{line}: {said}");
        assert!(output.stdout.is_empty() && said.contains(word), "{line}: {said}");
    }
    let output = nonius(folder.path(), &["register", "a.npy", "b.npy", "--scale", "0.5:2"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("--rotation"), "{said}");
}
