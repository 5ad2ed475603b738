//! Parameters from a file.

use crate::{nonius, pair, stdout};

#[test]
fn what_print_config_prints_config_reads() {
    let (folder, _) = pair([1.0, 2.0]);
    let options = ["--frame", "periodic", "--upsample", "20", "--max-shift", "9.5", "--disambiguate"];
    let mut args = vec!["register", "--print-config"];
    args.extend(options);
    let printed = stdout(folder.path(), &args);
    std::fs::write(folder.path().join("p.toml"), &printed).unwrap();
    assert_eq!(stdout(folder.path(), &["register", "--print-config", "--config", "p.toml"]), printed);

    // The file does what the options do, and options count more than the file.
    let mut by_options = vec!["register", "a.npy", "b.npy"];
    by_options.extend(options);
    let by_file = ["register", "a.npy", "b.npy", "--config", "p.toml"];
    assert_eq!(stdout(folder.path(), &by_options), stdout(folder.path(), &by_file));
    let changed =
        stdout(folder.path(), &["register", "--print-config", "--config", "p.toml", "--max-shift", "4"]);
    assert_eq!(changed, printed.replace("9.5", "4.0"));
}

#[test]
fn a_mistake_in_the_file_is_wrong_use_and_named() {
    let (folder, _) = pair([1.0, 2.0]);
    for (text, word) in [
        ("[register]\nframes = 3\n", "frames"),
        ("[register.registration]\nmin_overlap = \"much\"\n", "min_overlap"),
        ("[regster]\n", "regster"),
        ("not toml", "p.toml"),
    ] {
        std::fs::write(folder.path().join("p.toml"), text).unwrap();
        let output = nonius(folder.path(), &["register", "a.npy", "b.npy", "--config", "p.toml"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("p.toml") && said.contains(word), "{said}");
    }
    let output = nonius(folder.path(), &["register", "a.npy", "b.npy", "--config", "none.toml"]);
    assert_eq!(output.status.code(), Some(1));
}
