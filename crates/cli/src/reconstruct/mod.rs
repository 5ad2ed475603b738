//! `nonius reconstruct`: a volume from a tilt series.

mod args;
mod measure;

use anyhow::Result;

pub(crate) use args::{ReconstructArgs, ReconstructConfig};
pub(crate) use measure::{Reconstruction, measure};

use crate::config::print_table;
use crate::output::{print, print_json};
use crate::session::Session;

pub(crate) fn run(session: &Session, config: ReconstructConfig, args: ReconstructArgs) -> Result<()> {
    let config = args.applied_to(config)?;
    if session.print_config {
        return print_table("reconstruct", &config);
    }
    let found: Reconstruction =
        measure(session, &config, &args.projections()?, session.out.as_deref(), args.picture())?;
    for warning in &found.warnings {
        session.remark(&format!("warning: {warning}"));
    }
    if session.json {
        return print_json(&found);
    }
    print(&found.table())?;
    for path in found.result.iter().chain(&found.picture) {
        session.remark(&format!("wrote {}", path.display()));
    }
    if found.result.is_none() {
        session.remark("the volume was not written: --out FILE.h5 keeps it");
    }
    Ok(())
}
