//! Agreement and speed beside the packages that scientists use today.
//!
//! Two worker processes live side by side: ours, `benches/compare_worker.rs`,
//! and a Python script in `xtask/compare/` within a virtual environment of
//! pinned packages. Both work on the same files. A case is measured only after
//! both were seen to compute the same thing; then they take turns, so that
//! whatever the machine does meanwhile falls on both.

mod measure;
mod report;
mod worker;
mod workloads;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::environment::OF_WORKLOADS;
use crate::steps::{built_bench, root};
use measure::{Measurement, Turns};
use report::Circumstances;
use worker::Worker;
use workloads::{Threads, WORKLOADS, Workload};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only workloads whose name contains this
    #[arg(long)]
    only: Option<String>,
    /// Only images of this many pixels a side
    #[arg(long)]
    size: Option<usize>,
    /// Turns that each side takes per case
    #[arg(long, default_value_t = 11)]
    pairs: usize,
    /// Interpreter that the virtual environments are made with
    #[arg(long, default_value = "python3")]
    python: String,
    /// Also copy the table to docs/compare.md
    #[arg(long)]
    write: bool,
}

/// One line of the table: a workload at one size, type and number of threads.
struct Case<'a> {
    workload: &'a Workload,
    size: usize,
    dtype: &'static str,
    n_threads: usize,
}

impl Case<'_> {
    fn name(&self) -> String {
        let Self { workload, size, dtype, n_threads } = self;
        format!(
            "{}/{size}/{dtype}/{n_threads} thread{}",
            workload.name,
            if *n_threads == 1 { "" } else { "s" }
        )
    }

    /// What both workers are told about the case.
    fn request(&self, folder: &Path) -> Value {
        json!({
            "do": "prepare",
            "workload": self.workload.name,
            "size": self.size,
            "dtype": self.dtype,
            "folder": folder,
        })
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    ensure!(options.pairs >= 3, "--pairs must be at least 3 for quartiles, got {}", options.pairs);
    let chosen: Vec<_> = WORKLOADS.iter().filter(|workload| is_chosen(workload, options)).collect();
    if chosen.is_empty() {
        let names: Vec<_> = WORKLOADS.iter().map(|workload| workload.name).collect();
        bail!("nothing to compare; the workloads are {}", names.join(", "));
    }
    let folder = root().join("target/compare");
    fs::create_dir_all(&folder)?;
    let folder = folder.canonicalize()?;
    let mut circumstances = Circumstances::now();
    if circumstances.is_busy() {
        eprintln!(
            "the machine is busy: times will be wider than they need be, and those of several threads wrong"
        );
    }
    let ours = built_bench("compare_worker")?;

    let mut measurements = Vec::new();
    for environment in OF_WORKLOADS {
        let chosen: Vec<_> = chosen.iter().filter(|w| w.environment == environment.name).collect();
        if chosen.is_empty() {
            continue;
        }
        let python = environment.prepare(&folder, &options.python)?;
        circumstances.add_packages(environment.pins);
        let script = root().join("xtask/compare").join(environment.script());
        let all = available_parallelism()?.get();
        for n_threads in if all == 1 { vec![1] } else { vec![1, all] } {
            let mut reference = Worker::start(&python, &[&script], n_threads)?;
            let mut ours = Worker::start(&ours, &[], n_threads)?;
            for case in cases(&chosen, options, n_threads) {
                let measured = compare(&case, &mut ours, &mut reference, &folder, options.pairs)
                    .with_context(|| case.name())?;
                eprintln!("{}", measured.line());
                measurements.push(measured);
            }
        }
    }
    write_reports(&folder, &measurements, &circumstances, options)
}

fn is_chosen(workload: &Workload, options: &Options) -> bool {
    options.only.as_ref().is_none_or(|part| workload.name.contains(part.as_str()))
        && options.size.is_none_or(|size| workload.sizes.contains(&size))
}

fn cases<'a>(chosen: &[&&'a Workload], options: &Options, n_threads: usize) -> Vec<Case<'a>> {
    let mut cases = Vec::new();
    for &&workload in chosen {
        if n_threads > 1 && matches!(workload.threads, Threads::One) {
            continue;
        }
        for &dtype in workload.dtypes {
            let sizes = workload.sizes.iter().filter(|&&size| options.size.is_none_or(|only| only == size));
            cases.extend(sizes.map(|&size| Case { workload, size, dtype, n_threads }));
        }
    }
    cases
}

/// One case: the same input for both, agreement, then turns.
fn compare(
    case: &Case,
    ours: &mut Worker,
    reference: &mut Worker,
    folder: &Path,
    pairs: usize,
) -> Result<Measurement> {
    let folder = folder.join(case.workload.name).join(format!("{}-{}", case.size, case.dtype));
    fs::create_dir_all(&folder)?;
    reference.ask(&case.request(&folder)).context("the reference, making the input")?;
    let prepared = ours.ask(&case.request(&folder)).context("ours, reading the input")?;
    // These first calls also warm both sides up and show how long one takes.
    let mut turns = Turns::warm_up(ours, reference)?;
    let result = folder.join("ours.npy");
    ours.ask(&json!({"do": "save", "path": result}))?;
    let agreement = reference.ask(&json!({"do": "agree", "path": result}))?;
    let difference = agreement["difference"].as_f64().unwrap_or(f64::NAN);
    // A difference that is no number is no agreement either.
    let agrees = difference <= case.workload.tolerance;
    if agrees {
        turns.take(pairs, ours, reference)?;
    }
    Ok(Measurement {
        name: case.name(),
        workload: case.workload.name,
        size: case.size,
        dtype: case.dtype,
        n_threads: case.n_threads,
        setup: prepared["seconds"].as_f64().unwrap_or(f64::NAN),
        difference,
        agrees,
        error_ours: agreement["error_ours"].as_f64(),
        error_reference: agreement["error_reference"].as_f64(),
        turns,
    })
}

fn write_reports(
    folder: &Path,
    measurements: &[Measurement],
    circumstances: &Circumstances,
    options: &Options,
) -> Result<()> {
    let json_file = folder.join("compare.json");
    let table_file = folder.join("compare.md");
    let table = report::markdown(measurements, circumstances);
    fs::write(&json_file, format!("{:#}\n", report::json(measurements, circumstances)))?;
    fs::write(&table_file, &table)?;
    println!("{table}");
    let mut written: Vec<PathBuf> = vec![json_file, table_file];
    if options.write {
        let page = root().join("docs/compare.md");
        fs::create_dir_all(root().join("docs"))?;
        fs::write(&page, &table)?;
        written.push(page);
    }
    for file in written {
        eprintln!("written: {}", report::from_root(&file));
    }
    let disagreeing: Vec<_> = measurements.iter().filter(|m| !m.agrees).map(|m| m.name.as_str()).collect();
    ensure!(disagreeing.is_empty(), "not timed, since the results differ: {}", disagreeing.join(", "));
    Ok(())
}
