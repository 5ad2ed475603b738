//! Everything that can be judged without running a method.

use anyhow::Result;

use crate::steps::{Steps, cargo};

pub(crate) fn run() -> Result<()> {
    let mut steps = Steps::new();
    steps_of_check(&mut steps)?;
    steps.summary();
    Ok(())
}

/// Cheapest first, so that a slip is reported within seconds.
pub(crate) fn steps_of_check(steps: &mut Steps) -> Result<()> {
    steps.quiet("format", &mut cargo(["fmt", "--all", "--check"]))?;
    steps.quiet("layers and tidiness", &mut cargo(["test", "--quiet", "--package", "xtask"]))?;
    steps.quiet(
        "clippy",
        &mut cargo(["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    )?;
    // Programs that workflows start are no targets of `--all-targets`.
    let workers =
        ["clippy", "--quiet", "--package", "nonius", "--bench", "accuracy", "--bench", "compare_worker"];
    steps.quiet("clippy of the workflows", cargo(workers).args(["--", "-D", "warnings"]))?;
    // Libraries only: the façade and the program share the name `nonius`, and
    // with it the page that rustdoc would write.
    let mut documentation = cargo(["doc", "--quiet", "--workspace", "--no-deps", "--lib"]);
    steps.quiet("documentation", documentation.env("RUSTDOCFLAGS", "-D warnings"))
}
