//! `nonius chi2`: the displacement between two images at least χ², with its errors.

mod args;
mod measure;
mod outcome;
mod picture;
mod sky;

use anyhow::Result;

pub(crate) use args::{Chi2Args, Chi2Config};
pub(crate) use measure::measure;

use crate::config::print_table;
use crate::output::{print, print_json, write_json};
use crate::session::Session;

pub(crate) fn run(session: &Session, config: Chi2Config, args: Chi2Args) -> Result<()> {
    let config = args.applied_to(config)?;
    if session.print_config {
        return print_table("chi2", &config);
    }
    let files = args.files(&config)?;
    let found = measure(session, &config, &files)?;
    for warning in &found.warnings {
        session.remark(&format!("warning: {warning}"));
    }
    if let Some(path) = &session.out {
        write_json(path, &found)?;
    }
    if session.json {
        return print_json(&found);
    }
    print(&found.table().to_string())?;
    for file in files.map.iter().chain(found.picture.as_ref().and(files.picture.as_ref())) {
        session.remark(&format!("wrote {}", file.display()));
    }
    Ok(())
}
