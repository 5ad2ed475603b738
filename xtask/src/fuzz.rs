//! Coverage-guided fuzzing of the readers, on the stable compiler.
//!
//! The package in `fuzz/` links libFuzzer, which needs a C++ compiler; it is built with LLVM's coverage pass,
//! as cargo-fuzz does without a sanitizer.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::steps::{cargo, root, show};

/// Every reader that `fuzz/src/main.rs` knows.
const READERS: &[&str] = &[
    "npy", "npz", "blo", "mib", "mrc", "tiff", "fits", "png", "tvips", "ser", "dm", "hdf5", "ripple",
    "empad", "hdr", "geometry",
];

/// What cargo-fuzz passes for `--sanitizer none`.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing";

#[derive(Args)]
pub(crate) struct Options {
    /// One reader, for example `blo`; all of them, one after another, when absent
    reader: Option<String>,
    /// Minutes for each reader
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let readers = match &options.reader {
        None => READERS.to_vec(),
        Some(name) => {
            let known = READERS.iter().find(|known| *known == name);
            vec![*known.with_context(|| format!("no reader {name}; there are {}", READERS.join(", ")))?]
        }
    };
    let folder = folder();
    let program = build(&folder)?;
    let mut failed = Vec::new();
    for reader in readers {
        let (executed, found) = fuzz(&program, &folder, reader, options.minutes)?;
        eprintln!("  {reader:<8} {executed:>10} executions  {}", if found { "FAILED" } else { "ok" });
        failed.extend(found.then_some(reader));
    }
    if !failed.is_empty() {
        bail!("inputs that fail: {}/artifacts, readers {}", folder.display(), failed.join(", "));
    }
    Ok(())
}

/// Where builds, corpora and failing inputs are kept.
fn folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join("fuzz")
}

/// With a target named, the flags are not for build scripts.
fn build(folder: &Path) -> Result<PathBuf> {
    let version = cargo(["--version", "--verbose"]).output()?.stdout;
    let version = String::from_utf8(version)?;
    let host =
        version.lines().find_map(|line| line.strip_prefix("host: ")).context("cargo names its host")?;
    let mut command = cargo(["build", "--release", "--manifest-path", "fuzz/Cargo.toml", "--target", host]);
    show(command.arg("--target-dir").arg(folder).env("RUSTFLAGS", COVERAGE))?;
    Ok(folder.join(host).join("release/nonius-fuzz"))
}

/// Number of executions, and whether one of them failed.
fn fuzz(program: &Path, folder: &Path, reader: &str, minutes: f64) -> Result<(u64, bool)> {
    let (corpus, artifacts) = (folder.join("corpus").join(reader), folder.join("artifacts").join(reader));
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&artifacts)?;
    let mut command = Command::new(program);
    command
        .arg(&corpus)
        .arg(format!("-max_total_time={}", (60.0 * minutes).ceil()))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args(["-print_final_stats=1", "-timeout=20", "-rss_limit_mb=4096", "-max_len=8192"])
        .env("NONIUS_FUZZ_READER", reader)
        .env("NONIUS_FUZZ_CORPUS", &corpus)
        .stdin(Stdio::null());
    let output = command.output().with_context(|| format!("starting {}", program.display()))?;
    let log = String::from_utf8_lossy(&output.stderr);
    let stat = |name: &str| log.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    let executed = stat("stat::number_of_executed_units:");
    ensure!(executed.is_some() || !output.status.success(), "libFuzzer printed no statistics:\n{log}");
    if !output.status.success() {
        let tail: Vec<&str> = log.lines().rev().take(40).collect();
        tail.iter().rev().for_each(|line| eprintln!("    {line}"));
    }
    Ok((executed.unwrap_or(0), !output.status.success()))
}
