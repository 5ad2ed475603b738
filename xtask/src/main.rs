//! The workflows of the workspace, as `cargo xtask <workflow>`.
//!
//! Knows the workspace from outside only: it starts cargo and Python and reads
//! what they print, and depends on no nonius crate.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod check;
mod compare;
mod environment;
mod fuzz;
#[cfg(test)]
mod layers;
#[cfg(test)]
mod metadata;
mod python;
mod steps;
mod test;
#[cfg(test)]
mod tidy;

use std::process::{Command, ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::steps::cargo;

/// Workflows of the nonius workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    workflow: Workflow,
}

#[derive(Subcommand)]
enum Workflow {
    /// Format, clippy, documentation, layers and tidiness; stops at the first failure
    Check,
    /// `check`, then every test: unit, integration, documentation; examples are built
    Test,
    /// Builds the Python package in an environment of its own, checks its types and tests it (needs Python 3.11)
    Python,
    /// Criterion benches, all or those of one file in benches/
    Bench {
        /// Bench target, for example `registration`; all of them when absent
        name: Option<String>,
        /// Passed on to the bench, for example a filter or `--quick`
        #[arg(last = true)]
        passed_on: Vec<String>,
    },
    /// Agreement and speed beside the pinned reference packages, both timed in one run
    Compare(compare::Options),
    /// Coverage-guided fuzzing of the file readers (needs a C++ compiler)
    Fuzz(fuzz::Options),
    /// Monte-Carlo accuracy: error over its theoretical bound, coverage of the error bars
    Accuracy {
        /// Passed on to benches/accuracy.rs, for example `--draws 100 --rows C`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        passed_on: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().workflow) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\ncargo xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(workflow: Workflow) -> Result<()> {
    match workflow {
        Workflow::Check => check::run(),
        Workflow::Test => test::run(),
        Workflow::Python => python::run(),
        Workflow::Bench { name, passed_on } => bench(name.as_deref(), &passed_on),
        Workflow::Compare(options) => compare::run(&options),
        Workflow::Fuzz(options) => fuzz::run(&options),
        Workflow::Accuracy { passed_on } => accuracy(&passed_on),
    }
}

fn bench(name: Option<&str>, passed_on: &[String]) -> Result<()> {
    let mut command = cargo(["bench", "--package", "nonius"]);
    if let Some(name) = name {
        command.args(["--bench", name]);
    }
    steps::show(command.arg("--").args(passed_on))?;
    eprintln!("\nall measurements: target/criterion");
    Ok(())
}

fn accuracy(passed_on: &[String]) -> Result<()> {
    let mut tables = Command::new(steps::built_bench("accuracy")?);
    steps::show(tables.args(passed_on).current_dir(steps::root()))?;
    eprintln!("\ntables and pictures: target/accuracy, unless --out names another folder");
    Ok(())
}
