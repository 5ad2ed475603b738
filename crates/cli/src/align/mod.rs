//! `nonius align`: offsets that put the projections of a tilt series where one sample can have made them all.

mod args;
mod measure;
mod outcome;
mod picture;

use anyhow::Result;

pub(crate) use args::{AlignArgs, AlignConfig};
pub(crate) use measure::measure;

use crate::config::print_table;
use crate::output::{print, print_json};
use crate::session::Session;

pub(crate) fn run(session: &Session, config: AlignConfig, args: AlignArgs) -> Result<()> {
    let config = args.applied_to(config)?;
    if session.print_config {
        return print_table("align", &config);
    }
    let found = measure(session, &config, &args.files(session.out.as_deref())?)?;
    for warning in &found.warnings {
        session.remark(&format!("warning: {warning}"));
    }
    if session.json {
        return print_json(&found);
    }
    print(&found.table())?;
    match (&found.result, found.pictures.len()) {
        (Some(path), 0) => session.remark(&format!("wrote {}", path.display())),
        (Some(path), n) => session.remark(&format!("wrote {} and {n} pictures beside it", path.display())),
        (None, 0) => session.remark("nothing was written: --out FILE.h5 keeps the aligned series"),
        (None, n) => session.remark(&format!("wrote {n} pictures")),
    }
    if let Some(report) = &found.report {
        session.remark(&format!("look around in {}", report.display()));
    }
    Ok(())
}
