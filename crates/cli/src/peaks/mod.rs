//! `nonius peaks`: disks in every frame of a scan, and their lattice.

mod args;
mod inputs;
mod measure;
mod picture;
mod result;

use anyhow::Result;

pub(crate) use args::{PeaksArgs, PeaksConfig};

use crate::config::print_table;
use crate::output::{print, print_json};
use crate::session::Session;

pub(crate) fn run(session: &Session, config: PeaksConfig, args: PeaksArgs) -> Result<()> {
    let config = args.applied_to(config)?;
    if session.print_config {
        return print_table("peaks", &config);
    }
    let found = measure::measure(session, &config, &args.scan()?)?;
    for warning in &found.warnings {
        session.remark(&format!("warning: {warning}"));
    }
    if session.json {
        return print_json(&found);
    }
    print(&found.table())?;
    match &found.result {
        Some(path) => {
            session.remark(&format!("wrote {path} and {} pictures beside it", found.pictures.len()))
        }
        None => session.remark("nothing was written: --out FILE.h5 keeps the positions in every frame"),
    }
    Ok(())
}
