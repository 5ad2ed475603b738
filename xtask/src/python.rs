//! The Python package, built and tested in a virtual environment of its own.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use crate::environment::OF_PYNONIUS;
use crate::steps::{Steps, root};

/// What is needed, in words, and a command that succeeds where it is.
pub(crate) const NEEDS: &str =
    "Python 3.11 with its venv module (Debian: python3-venv), and a network the first time";
pub(crate) const PROBE: &[&str] =
    &["python3", "-c", "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))"];

pub(crate) fn run() -> Result<()> {
    let mut steps = Steps::new();
    steps_of_python(&mut steps)?;
    steps.summary();
    Ok(())
}

pub(crate) fn steps_of_python(steps: &mut Steps) -> Result<()> {
    let folder = root().join("target/python");
    fs::create_dir_all(&folder)?;
    let folder = folder.canonicalize()?;
    let python = OF_PYNONIUS.prepare(&folder, "python3")?;
    let home =
        python.parent().and_then(|bin| bin.parent()).context("an interpreter lies in its environment")?;
    let module = |arguments: &[&str]| {
        let mut command = Command::new(&python);
        command.arg("-m").args(arguments).current_dir(root().join("crates/python")).env("VIRTUAL_ENV", home);
        command
    };
    // Not the release profile: its link-time optimisation takes minutes, and tests are of results.
    steps.quiet("pynonius is built", &mut module(&["maturin", "develop", "--profile", "dev"]))?;
    steps.quiet("types of pynonius", &mut module(&["mypy"]))?;
    // Several minutes of one core, most of them in the interpreter.
    let tests = ["pytest", "-q", "-p", "no:cacheprovider", "-n", "logical", "--dist", "worksteal"];
    steps.shown("pynonius", &mut module(&tests))
}
