//! `nonius stats`: maps over a scan, in one pass.

mod args;
mod measure;
mod result;

use anyhow::Result;

pub(crate) use args::{StatsArgs, StatsConfig};

use crate::config::print_table;
use crate::output::{print, print_json};
use crate::session::Session;

pub(crate) fn run(session: &Session, config: StatsConfig, args: StatsArgs) -> Result<()> {
    let config = args.applied_to(config)?;
    if session.print_config {
        return print_table("stats", &config);
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
        None => session.remark("nothing was written: --out FILE.h5 keeps the maps"),
    }
    Ok(())
}
