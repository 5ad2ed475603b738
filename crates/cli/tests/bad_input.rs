//! What a user does wrong: one line that names the file and says what was expected, and an exit code.

use ndarray::Array3;
use nonius::io::write_npy;

use crate::{names, nonius, pair, write};

#[test]
fn messages_name_the_file_and_what_is_wrong_with_it() {
    let (folder, pair) = pair([1.0, 2.0]);
    let here = folder.path();
    write(here, "small.npy", &pair.moving.slice(ndarray::s![..60, ..]).to_owned());
    let mut holed = pair.moving.clone();
    holed[(3, 4)] = f64::NAN;
    write(here, "holed.npy", &holed);
    write(here, "empty.npy", &ndarray::Array2::zeros((0, 0)));
    write_npy(here.join("cube.npy"), &Array3::<f64>::zeros((3, 64, 64))).unwrap();
    std::fs::write(here.join("junk.fits"), b"hello").unwrap();
    std::fs::create_dir(here.join("folder")).unwrap();
    let before = names(here);

    let rows: &[(&str, i32, &[&str])] = &[
        ("register a.npy missing.npy", 1, &["missing.npy", "No such file"]),
        ("register a.npy folder", 1, &["folder"]),
        ("register a.npy junk.fits", 1, &["junk.fits", "unknown format"]),
        ("register a.npy small.npy", 1, &["small.npy", "expected 64 × 64", "got 60 × 64"]),
        ("register a.npy holed.npy", 1, &["holed.npy", "[3, 4]", "not finite", "--mask-nan"]),
        ("register holed.npy a.npy", 1, &["holed.npy", "[3, 4]", "not finite", "--mask-nan"]),
        ("register holed.npy a.npy --moving-mask a.npy", 1, &["holed.npy", "--mask-nan"]),
        ("register empty.npy empty.npy", 1, &["empty.npy"]),
        ("register a.npy", 1, &["a.npy", "holds one image"]),
        ("register cube.npy a.npy", 1, &["cube.npy", "holds 3 frames", "choose one"]),
        ("register a.npy[64] b.npy", 1, &["a.npy[64]"]),
        ("register a.npy[x] b.npy", 1, &["a.npy[x]", "an index is a number"]),
        ("register cube.npy --reference-frame 3", 1, &["cube.npy", "no frame 3 of 3"]),
        ("register a.npy b.npy --moving-mask small.npy", 1, &["small.npy", "expected 64 × 64"]),
        ("register a.npy b.npy --apply a.npy", 1, &["a.npy is no folder"]),
        ("register a.npy b.npy ./b.npy --apply reg", 1, &["two images would be written as", "b_registered"]),
        ("register a.npy b.npy --out nowhere/r.json", 1, &["no folder nowhere"]),
        ("register a.npy b.npy --picture nowhere/p.png", 1, &["--picture", "no folder nowhere"]),
        ("register a.npy small.npy --rotation", 1, &["small.npy", "expected 64 × 64", "--rotation"]),
        ("register a.npy holed.npy --rotation", 1, &["holed.npy", "[3, 4]", "not finite", "--rotation"]),
        ("register a.npy b.npy --chain", 2, &["--chain", "series"]),
        ("register a.npy b.npy --overlap-ratio 7", 2, &["--overlap-ratio", "at most 1", "got 7"]),
        ("register a.npy b.npy --upsample 0", 2, &["--upsample", "continuous"]),
        ("register a.npy b.npy --method phase", 2, &["--method", "periodic"]),
        ("register a.npy b.npy --mask-nan --max-shift 3", 2, &["--max-shift", "masks"]),
        ("register a.npy b.npy --frame sideways", 2, &["--frame", "overlap, periodic"]),
        ("register a.npy b.npy --threads 0", 2, &["--threads", "at least 1"]),
        ("register cube.npy --pairs 0", 2, &["--pairs", "at least 1"]),
        ("register", 2, &["REF"]),
        ("info missing.fits", 1, &["missing.fits", "No such file"]),
        ("info folder", 1, &["folder"]),
        ("frobnicate", 2, &["frobnicate"]),
    ];
    for (line, code, words) in rows {
        // --json changes nothing: a failure leaves standard output empty.
        let mut args: Vec<&str> = line.split(' ').collect();
        args.push("--json");
        let output = nonius(here, &args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(*code), "{line}: {said}");
        assert!(output.stdout.is_empty(), "{line}");
        assert!(said.starts_with("error: ") && words.iter().all(|w| said.contains(w)), "{line}: {said}");
        assert!(!said.contains("panicked"), "{line}: {said}");
    }
    assert_eq!(names(here), before, "a failure writes nothing");
}
