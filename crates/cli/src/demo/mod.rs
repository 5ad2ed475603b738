//! `nonius demo`: images whose truth is known, as real files, through the commands that a user types.

mod chi2;
mod registration;
mod scenes;
mod section;
mod strain;
mod tomography;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use nonius::report::Report;
use serde::Serialize;

pub(crate) use section::{Compared, Section};

use crate::Usage;
use crate::output::{Table, print, print_json, sigma};
use crate::session::Session;

const EXAMPLES: &str = "\
Examples:
  nonius demo                   writes the folder nonius-demo; look at its report.html
  nonius demo --out trial       another folder
  nonius demo --quick           a smaller scan and tilt series
  nonius demo --json | jq '.sections[] | [.name, .rms_error]'";

/// Make images, a scan and a tilt series whose truth is known, measure them, and show true and found side by side
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DemoArgs {
    /// Make the 4D-STEM scan a fifth as long each way, and the tilt series half as large
    #[arg(long)]
    quick: bool,
}

/// One question that the demo answers, with the sections that it makes.
type Part = fn(&Session, &std::path::Path, &DemoArgs) -> Result<Vec<Section>>;

/// In the order in which they are shown.
const PARTS: &[Part] = &[registration::run, chi2::run, strain::run, tomography::run];

/// Rows of a section that are shown on the terminal.
const SHOWN: usize = 8;

/// The JSON object.
#[derive(Debug, Serialize)]
struct Demo {
    sections: Vec<Section>,
    report: PathBuf,
}

pub(crate) fn run(session: &Session, args: DemoArgs) -> Result<()> {
    if session.print_config {
        return Err(Usage("demo has no parameters to print".into()).into());
    }
    let folder = session.out.clone().unwrap_or_else(|| "nonius-demo".into());
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make folder {}", folder.display()))?;

    let mut sections = Vec::new();
    for part in PARTS {
        sections.extend(part(session, &folder, &args)?);
    }
    session.check_cancelled()?;
    let report = folder.join("report.html");
    page(&sections).write(&report)?;

    let demo = Demo { sections, report };
    if session.json {
        return print_json(&demo);
    }
    for section in &demo.sections {
        let (name, about, command) = (&section.name, &section.about, &section.command);
        let mut table = section.table();
        let more = match table.cut(SHOWN) {
            0 => String::new(),
            more => format!("… and {more} more in the report\n"),
        };
        print(&format!("{name}\n{about}\n\n$ {command}\n\n{table}{more}\n"))?;
    }
    print(&format!("{}\nPictures and numbers: {}\n", summary(&demo.sections), demo.report.display()))
}

/// All sections, one line each.
fn summary(sections: &[Section]) -> Table {
    let mut table = Table::new(&["images", "n", "rms error / px", "mean ± / px", "within ±"]);
    for s in sections {
        table.row(vec![
            s.name.clone(),
            s.truth.len().to_string(),
            sigma(s.rms_error),
            sigma(s.mean_sigma),
            format!("{:.0} %", 100.0 * s.within_sigma),
        ]);
    }
    table
}

fn page(sections: &[Section]) -> Report {
    let mut report = Report::new("nonius: true and found");
    report.text(
        "Images whose displacement is known, a scan whose lattices are and a tilt series whose offsets are were written as \
         files and measured by the commands shown. \
         Errors are found minus true; ± is the standard error that the program quotes, which two of three \
         errors should not exceed. All numbers are pixels.",
    );
    let table = summary(sections);
    report.table(&table.columns(), table.body());
    for section in sections {
        report.heading(&section.name);
        report.text(&section.about);
        report.code(&section.command);
        for (picture, caption) in &section.pictures {
            report.picture(picture, caption);
        }
        let table = section.table();
        report.table(&table.columns(), table.body());
    }
    report
}
