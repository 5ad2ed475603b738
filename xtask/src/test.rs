//! Checks and every test, by one command that needs no knowledge of the workspace.

use std::process::{Command, Stdio};

use anyhow::{Result, ensure};

use crate::check::steps_of_check;
use crate::python;
use crate::steps::{Steps, cargo, root};

/// A feature that needs something beyond Rust and a linker.
struct Variant {
    package: &'static str,
    feature: &'static str,
    /// What must be installed, in words.
    needs: &'static str,
    /// A command that succeeds where it is.
    probe: &'static [&'static str],
}

/// By what the report is opened in its tests.
const BROWSER: &str = "Chromium and its driver (Debian: chromium, chromium-driver)";

/// Tested where their library is found; the last line says which were not. `.ci/run` installs what it can.
const VARIANTS: &[Variant] = &[
    Variant {
        package: "nonius-io",
        feature: "hdf5",
        needs: "the HDF5 library and its headers (Debian: libhdf5-dev)",
        probe: &["pkg-config", "--exists", "hdf5"],
    },
    Variant {
        package: "nonius-io",
        feature: "hdf5-static",
        needs: "CMake 3.26 or later and a C compiler (pip install cmake)",
        probe: &["cmake", "-P", "xtask/cmake_3_26.cmake"],
    },
];

pub(crate) fn run() -> Result<()> {
    let mut steps = Steps::new();
    steps_of_check(&mut steps)?;
    for variant in VARIANTS {
        test_variant(&mut steps, variant)?;
    }
    let in_browser = test_in_browser(&mut steps)?;
    let in_python = succeeds(python::PROBE);
    if in_python {
        python::steps_of_python(&mut steps)?;
    } else {
        steps.skip("pynonius", &format!("needs {}", python::NEEDS));
    }
    // Last, so that cargo's own closing lines are the last that one reads.
    steps.shown("tests", &mut cargo(["test", "--no-fail-fast"]))?;
    steps.summary();
    // A page that nobody opens is not tested: a machine without a browser may do, a merge may not.
    ensure!(
        in_browser || std::env::var_os("CI").is_none(),
        "the report was opened in no browser: needs {BROWSER}"
    );
    ensure!(
        in_python || std::env::var_os("CI").is_none(),
        "the Python package was not tested: needs {}",
        python::NEEDS
    );
    Ok(())
}

/// False if there is no browser.
fn test_in_browser(steps: &mut Steps) -> Result<bool> {
    let name = "report in a browser";
    if !succeeds(&["chromedriver", "--version"]) {
        steps.skip(name, &format!("needs {BROWSER}"));
        return Ok(false);
    }
    // Of the whole workspace, though they are those of one package: of it alone all would be compiled once more.
    let tests = ["test", "--quiet", "--test", "main", "browser", "--", "--ignored"];
    steps.shown(name, &mut cargo(tests))?;
    Ok(true)
}

fn test_variant(steps: &mut Steps, variant: &Variant) -> Result<()> {
    let Variant { package, feature, needs, probe } = variant;
    let name = format!("{package} with {feature}");
    if !succeeds(probe) {
        steps.skip(&name, &format!("needs {needs}"));
        return Ok(());
    }
    let of_it = ["--package", package, "--features", feature];
    let mut clippy = cargo(["clippy", "--quiet", "--all-targets"]);
    clippy.args(of_it).args(["--", "-D", "warnings"]);
    steps.quiet(&format!("clippy, {feature}"), &mut clippy)?;
    steps.shown(&name, cargo(["test", "--no-fail-fast"]).args(of_it))
}

fn succeeds(probe: &[&str]) -> bool {
    let Some((program, arguments)) = probe.split_first() else { return false };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(root())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_is_found_by_a_command_that_succeeds() {
        assert!(succeeds(&["cargo", "--version"]));
        assert!(!succeeds(&["cargo", "--no-such-option"]));
        assert!(!succeeds(&["no-such-program-on-any-machine"]));
        assert!(!succeeds(&[]));
    }
}
