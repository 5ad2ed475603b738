//! Checks and every test, by one command that needs no knowledge of the workspace.

use std::process::{Command, Stdio};

use anyhow::Result;

use crate::check::steps_of_check;
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
    // Last, so that cargo's own closing lines are the last that one reads.
    steps.shown("tests", &mut cargo(["test", "--no-fail-fast"]))?;
    steps.summary();
    Ok(())
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
