//! `nonius register`: displacement of images against a reference, rotation and scale if asked for.

mod apply;
mod args;
mod inputs;
mod measure;
mod outcome;
mod picture;
mod resample;

use anyhow::Result;

pub(crate) use args::{RegisterArgs, RegisterConfig};
pub(crate) use measure::measure;
pub(crate) use outcome::{Outcome, RowStatus};

use crate::config::print_table;
use crate::output::{print, print_json, write_json};
use crate::session::Session;

pub(crate) fn run(session: &Session, config: RegisterConfig, args: RegisterArgs) -> Result<()> {
    let config = args.applied_to(config)?;
    if session.print_config {
        return print_table("register", &config);
    }
    let outcome = measure(session, &config, &args.files(session.out.as_deref()))?;
    for warning in &outcome.warnings {
        session.remark(&format!("warning: {warning}"));
    }
    if let Some(path) = &session.out {
        write_json(path, &outcome)?;
    }
    if session.json {
        return print_json(&outcome);
    }
    print(&outcome.table().to_string())?;
    for file in outcome.applied.iter().chain(outcome.pictures.iter().map(|d| &d.path)) {
        session.remark(&format!("wrote {}", file.display()));
    }
    Ok(())
}
