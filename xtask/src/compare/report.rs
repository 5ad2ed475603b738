//! The measurements as JSON and as a Markdown page.

use std::fmt::Write;
use std::path::Path;
use std::thread::available_parallelism;

use serde_json::{Value, json};

use super::measure::{Measurement, Spread};
use super::workloads::{WORKLOADS, Workload};
use crate::steps::root;

/// What the reader must know about the circumstances.
pub(crate) struct Circumstances {
    processor: String,
    n_processors: usize,
    /// Processes that wanted a processor during the minute before, where the system says so.
    load: Option<f64>,
    packages: Vec<&'static str>,
}

impl Circumstances {
    pub(crate) fn now() -> Self {
        let load = std::fs::read_to_string("/proc/loadavg").ok();
        Self {
            processor: processor(),
            n_processors: available_parallelism().map_or(1, Into::into),
            load: load.and_then(|averages| averages.split(' ').next()?.parse().ok()),
            packages: Vec::new(),
        }
    }

    pub(crate) fn add_packages(&mut self, pins: &[&'static str]) {
        self.packages.extend(pins);
    }

    fn sentences(&self) -> String {
        let Self { processor, n_processors, load, packages } = self;
        let load = load.map(|load| format!(", load {load:.1} before the start")).unwrap_or_default();
        let busy =
            if self.is_busy() { "**The machine was busy; measure again on a quiet one.**\n" } else { "" };
        format!("{processor} ({n_processors} processors{load}), with {}.\n{busy}", packages.join(", "))
    }

    /// Whether others took much of the machine: libraries that start threads of
    /// their own then wait for one another, which flatters whoever does not.
    pub(crate) fn is_busy(&self) -> bool {
        self.load.is_some_and(|load| load > 0.5 * self.n_processors as f64)
    }
}

pub(crate) fn json(measurements: &[Measurement], circumstances: &Circumstances) -> Value {
    json!({
        "processor": circumstances.processor,
        "n_processors": circumstances.n_processors,
        "load": circumstances.load,
        "busy": circumstances.is_busy(),
        "reference_packages": circumstances.packages,
        "cases": measurements.iter().map(case_as_json).collect::<Vec<_>>(),
    })
}

fn case_as_json(measured: &Measurement) -> Value {
    json!({
        "workload": measured.workload,
        "size": measured.size,
        "dtype": measured.dtype,
        "n_threads": measured.n_threads,
        "setup_seconds": measured.setup,
        "ours_seconds": measured.turns.ours,
        "reference_seconds": measured.turns.reference,
        "ratio": Spread::of(&measured.turns.ratios()).map(|ratio| json!({
            "min": ratio.min,
            "lower_quartile": ratio.lower,
            "median": ratio.median,
            "upper_quartile": ratio.upper,
            "max": ratio.max,
        })),
        "agrees": measured.agrees,
        "difference": measured.difference,
        "error_ours": measured.error_ours,
        "error_reference": measured.error_reference,
    })
}

pub(crate) fn markdown(measurements: &[Measurement], circumstances: &Circumstances) -> String {
    let mut page = format!(
        "# Beside the reference packages\n\n\
         Written by `cargo xtask compare` on {}\
         Both sides work on the same input and take turns in one run. Times are medians of one call, \
         plans made beforehand as for a series. \
         The ratio is that of neighbouring turns, its median and quartiles; above 1 we are faster.\n",
        circumstances.sentences(),
    );
    for workload in WORKLOADS {
        let rows: Vec<_> = measurements.iter().filter(|m| m.workload == workload.name).collect();
        if !rows.is_empty() {
            page.push_str(&section(workload, &rows));
        }
    }
    page
}

fn section(workload: &Workload, rows: &[&Measurement]) -> String {
    let Workload { title, reference, agreement, tolerance, .. } = workload;
    let mut section = format!(
        "\n## {title}\n\nReference: `{reference}`.\n\
         Difference: {agreement}; up to {tolerance} passes.\n\n\
         | size | type | threads | ours, ms | reference, ms | times as fast | quartiles | difference | our error | its error |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
    );
    for row in rows {
        let timing = match (Spread::of(&row.turns.ours), Spread::of(&row.turns.reference)) {
            (Some(ours), Some(reference)) if row.agrees => {
                timing_cells(&ours, &reference, &row.turns.ratios())
            }
            _ => "– | – | results differ | –".to_owned(),
        };
        let Measurement { dtype, n_threads, difference, .. } = row;
        let size = workload.size_in_words(row.size);
        let errors = [row.error_ours, row.error_reference]
            .map(|error| error.map_or_else(|| "–".to_owned(), |error| format!("{error:.4}")));
        let [ours, theirs] = errors;
        // Writing to a String cannot fail.
        let _ = writeln!(
            section,
            "| {size} | {dtype} | {n_threads} | {timing} | {difference:.1e} | {ours} | {theirs} |"
        );
    }
    section
}

fn timing_cells(ours: &Spread, reference: &Spread, ratios: &[f64]) -> String {
    let [ours, reference] = [ours, reference].map(|spread| milliseconds(spread.median));
    let ratio = Spread::of(ratios).map_or_else(
        || "– | –".to_owned(),
        |ratio| format!("**{:.2}** | {:.2}–{:.2}", ratio.median, ratio.lower, ratio.upper),
    );
    format!("{ours} | {reference} | {ratio}")
}

/// Three significant digits.
fn milliseconds(seconds: f64) -> String {
    let milliseconds = 1e3 * seconds;
    match milliseconds {
        m if m < 1.0 => format!("{m:.4}"),
        m if m < 10.0 => format!("{m:.2}"),
        m if m < 100.0 => format!("{m:.1}"),
        m => format!("{m:.0}"),
    }
}

fn processor() -> String {
    let listing = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = listing.lines().find(|line| line.starts_with("model name"));
    let name = name.and_then(|line| line.split_once(':')).map(|(_, name)| name.trim().to_owned());
    name.unwrap_or_else(|| format!("{} ({})", std::env::consts::ARCH, std::env::consts::OS))
}

/// A path as seen from the root of the workspace.
pub(crate) fn from_root(path: &Path) -> String {
    let root = root().canonicalize().unwrap_or_else(|_| root());
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    path.strip_prefix(root).unwrap_or(&path).display().to_string()
}
