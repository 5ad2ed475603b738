//! `nonius strain` and `nonius cluster`: from a scan to grains, lattices and strain.

mod args;
mod maps;
mod measure;
mod result;
mod resume;

use anyhow::Result;

pub(crate) use args::{ClusterArgs, StrainArgs, StrainConfig};
pub(crate) use measure::strain;

use crate::config::print_table;
use crate::output::{print, print_json};
use crate::session::Session;

pub(crate) fn run(session: &Session, config: StrainConfig, args: StrainArgs) -> Result<()> {
    let config = args.applied_to(config)?;
    if session.print_config {
        return print_table("strain", &config);
    }
    let found = measure::strain(session, &config, &args.scan()?, args.resume()?, session.out.as_deref())?;
    for warning in &found.warnings {
        session.remark(&format!("warning: {warning}"));
    }
    if session.json {
        return print_json(&found);
    }
    print(&found.table())?;
    match (&found.result, &found.report) {
        (Some(path), report) => {
            session.remark(&format!("wrote {path} and {} pictures beside it", found.pictures.len()));
            if let Some(report) = report {
                session.remark(&format!("look around in {}", report.display()));
            }
        }
        (None, _) => session.remark("nothing was written: --out FILE.h5 keeps maps, pictures and a report"),
    }
    Ok(())
}

/// `nonius cluster`: the first stages alone.
pub(crate) fn run_cluster(session: &Session, config: StrainConfig, args: ClusterArgs) -> Result<()> {
    let config = args.applied_to(config)?;
    if session.print_config {
        return print_table("strain", &config);
    }
    let found = measure::cluster(session, &config, &args.scan()?)?;
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
        None => session.remark("nothing was written: --out FILE.h5 keeps the labels and their pictures"),
    }
    Ok(())
}
