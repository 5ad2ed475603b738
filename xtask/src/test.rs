//! Checks and every test, by one command that needs no knowledge of the workspace.

use std::process::{Command, Stdio};

use anyhow::Result;

use crate::check::steps_of_check;
use crate::steps::{Steps, cargo};

/// A feature that needs something beyond Rust and a linker.
struct Variant {
    package: &'static str,
    feature: &'static str,
    /// What must be installed, in words.
    needs: &'static str,
    /// A command that succeeds where it is.
    probe: &'static [&'static str],
}

/// Tested where their library is found, and always when `CI` is set.
const VARIANTS: &[Variant] = &[];

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
    if std::env::var_os("CI").is_none() && !succeeds(probe) {
        steps.skip(&name, &format!("needs {needs}"));
        return Ok(());
    }
    steps.shown(&name, &mut cargo(["test", "--no-fail-fast", "--package", package, "--features", feature]))
}

fn succeeds(probe: &[&str]) -> bool {
    let Some((program, arguments)) = probe.split_first() else { return false };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
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
