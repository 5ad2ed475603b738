//! Habits of the repository that no compiler checks.

use std::path::Path;
use std::process::Command;

use crate::metadata::Metadata;
use crate::steps::root;

/// A `lib.rs` is one page: the story, an example, what is let out.
const LIB_RS_LINES: usize = 150;

/// First folders of paths that exist on one machine only.
const MACHINE_FOLDERS: &[&str] = &["home", "root", "tmp", "work", "Users"];

/// Every text file under version control, with its path from the root.
fn tracked_texts() -> Vec<(String, String)> {
    let listing = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    let listing = listing.expect("git runs");
    assert!(listing.status.success(), "this needs a git checkout");
    let names = String::from_utf8(listing.stdout).expect("file names are UTF-8");
    let read = |name: &str| Some((name.to_owned(), std::fs::read_to_string(root().join(name)).ok()?));
    names.split_terminator('\0').filter_map(read).collect()
}

/// The machine paths in a line of text.
fn machine_paths(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for folder in MACHINE_FOLDERS {
        let path = format!("/{folder}/");
        for (start, _) in line.match_indices(&path) {
            // Part of a longer path or address, such as `docs/home/`, is no such path.
            let before = line[..start].chars().next_back();
            if !before.is_some_and(|c| c.is_alphanumeric() || "._-~}*".contains(c)) {
                found.push(&line[start..start + path.len()]);
            }
        }
    }
    found
}

#[test]
fn no_file_names_a_machine_path() {
    let mut found = Vec::new();
    for (name, contents) in tracked_texts() {
        for (index, line) in contents.lines().enumerate() {
            found.extend(machine_paths(line).iter().map(|path| format!("{name}:{}: {path}", index + 1)));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn machine_paths_are_recognised() {
    let [home, tmp] = ["home", "tmp"].map(|folder| format!("/{folder}/"));
    assert_eq!(machine_paths(&format!("see {home}ann/data")), [&home]);
    assert_eq!(machine_paths(&format!("open(\"{tmp}a.npy\")")), [&tmp]);
    assert_eq!(machine_paths("https://example.org/home/page, target/tmp/x"), [""; 0]);
}

#[test]
fn every_package_says_what_it_is_and_under_which_licence() {
    for member in Metadata::read().members() {
        for field in ["description", "license"] {
            let value = member[field].as_str().unwrap_or_default();
            assert!(!value.is_empty(), "{} has no {field}", member["name"]);
        }
    }
}

#[test]
fn every_lib_rs_is_one_page() {
    let mut n_found = 0;
    for (name, contents) in tracked_texts() {
        if Path::new(&name).ends_with("src/lib.rs") {
            let n_lines = contents.lines().count();
            assert!(n_lines <= LIB_RS_LINES, "{name} has {n_lines} lines, more than {LIB_RS_LINES}");
            n_found += 1;
        }
    }
    assert!(n_found > 0, "no lib.rs found");
}

#[test]
fn architecture_names_every_package() {
    let page = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    for member in Metadata::read().members() {
        let name = member["name"].as_str().expect("a name is text");
        assert!(page.contains(&format!("`{name}`")), "ARCHITECTURE.md does not mention `{name}`");
    }
}
