//! The registration part of the demo.

use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::Parser;
use nonius::Progress;

use super::scenes::{self, DataSet};
use super::{DemoArgs, Section};
use crate::args::{Cli, Command};
use crate::register::{RegisterConfig, measure};
use crate::session::Session;

pub(crate) fn run(session: &Session, folder: &Path, _args: &DemoArgs) -> Result<Vec<Section>> {
    session.start("making images", 5);
    let mut made = Vec::new();
    for make in [scenes::nebula, scenes::tissue, scenes::periodic, scenes::drift] {
        session.check_cancelled()?;
        made.push(make(folder)?);
        session.advance(1);
    }
    made.extend(scenes::recorded(folder)?);
    session.finish();

    const HALVES: &str = "Crops of one recording, binned 2 × 2 so that true shifts are exact multiples of half \
                          a pixel, with independent noise of one gray level added to each.";
    let told = [
        ("nebula and stars, FITS", "Eight dithered exposures against one; noise in all of them.", &[][..]),
        ("tissue, 16-bit TIFF", "A texture recorded with about 300 photons per pixel.", &[]),
        (
            "periodic field, NPY",
            "Content that leaves on one side enters on the other; the reference is free of noise.",
            &["--frame", "periodic"],
        ),
        ("drifting sample, TIFF with 60 pages", "Every page against the first.", &[]),
        ("Hubble deep field, FITS", HALVES, &[]),
        ("cell in phase contrast, TIFF", HALVES, &[]),
        ("brick wall, 8-bit PNG", HALVES, &[]),
    ];
    told.into_iter()
        .zip(&made)
        .map(|((name, about, options), data)| section(session, folder, name, about, options, data))
        .collect()
}

fn section(
    session: &Session,
    folder: &Path,
    name: &str,
    about: &str,
    options: &[&str],
    data: &DataSet,
) -> Result<Section> {
    let text = |path: &Path| path.display().to_string();
    let set = data.reference.parent().and_then(Path::file_name).context("a data set has a folder")?;
    let picture = folder.join(set).with_extension("png");
    let mut words = vec!["nonius".to_owned(), "register".to_owned(), text(&data.reference)];
    words.extend(data.moving.iter().map(|p| text(p)));
    words.extend(options.iter().map(ToString::to_string));
    words.extend(["--picture".to_owned(), text(&picture)]);

    let Command::Register(args) = Cli::try_parse_from(&words)?.command else {
        bail!("{} is no registration", words.join(" "));
    };
    let config = args.applied_to(RegisterConfig::default())?;
    let outcome = measure(session, &config, &args.files(None))?;

    let mut section = Section::new(name, about, shortened(&words, data), &data.truth, &outcome);
    let scatter = section.scatter()?;
    scatter.write(folder.join(format!("{}_truth.png", set.to_string_lossy())))?;
    section.pictures.push((scatter, "True and found.".into()));
    Ok(section)
}

/// The command with a wildcard in place of many moving images.
fn shortened(words: &[String], data: &DataSet) -> String {
    let mut words = words.to_vec();
    if let (Some(first), n @ 2..) = (data.moving.first(), data.moving.len()) {
        let extension = first.extension().unwrap_or_default().to_string_lossy();
        let all = first.with_file_name(format!("moving*.{extension}"));
        words.splice(3..3 + n, [all.display().to_string()]);
    }
    words.join(" ")
}
