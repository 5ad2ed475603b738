//! From the file to the offsets, and what is written of them.

use anyhow::{Context, Result, bail};
use ndarray::{Array1, Array3, ArrayView3};
use nonius::io::{AlignmentRecord, AttributeValue, TiltSeriesFile, TiltSeriesWriter};
use nonius::workflow::tomography::{AlignedSeries, align_series};

use super::args::{AlignConfig, Files};
use super::outcome::Aligned;
use super::picture::{self, Drawing};
use crate::output::check_folder;
use crate::session::Session;
use crate::tilt;

pub(crate) fn measure(session: &Session, config: &AlignConfig, files: &Files) -> Result<Aligned> {
    let text = &files.projections;
    if let Some(out) = &files.out {
        check_folder("--out", out)?;
    }
    if let Some(folder) = files.pictures.as_ref().filter(|folder| folder.exists() && !folder.is_dir()) {
        bail!("--pictures: {} is no folder", folder.display());
    }
    let (mut file, integrals) = tilt::open(text, &config.series, &config.integrals)?;
    let geometry = file.series.geometry.clone();
    let found = align_series(&geometry, &integrals, &config.alignment, session).map_err(tilt::named(text))?;
    session.check_cancelled()?;
    let mut outcome = Aligned::new(text, &file, &integrals, &found);

    let drawing = Drawing { text, start: &geometry, integrals: &integrals, found: &found };
    let pictures = match &files.pictures {
        Some(_) if config.pictures => picture::draw(&drawing, config, session).map_err(tilt::named(text))?,
        _ => Vec::new(),
    };
    session.check_cancelled()?;
    if let Some(out) = &files.out {
        file.series.geometry = found.geometry.clone();
        write(out, config, &file, &found).with_context(|| format!("--out {}", out.display()))?;
        outcome.result = Some(out.clone());
    }
    if let Some(folder) = files.pictures.as_ref().filter(|_| config.pictures) {
        let stem =
            files.out.as_ref().and_then(|out| out.file_stem()).map(|s| s.to_string_lossy().into_owned());
        let stem =
            stem.unwrap_or_else(|| tilt::short(text).split('.').next().unwrap_or("aligned").to_owned());
        let written = || format!("pictures in {}", folder.display());
        std::fs::create_dir_all(folder).with_context(written)?;
        for drawn in &pictures {
            let path = folder.join(format!("{stem}.{}.png", drawn.name));
            drawn.picture.write(&path).with_context(written)?;
            outcome.pictures.push(path);
        }
        if config.report {
            let path = folder.join(format!("{stem}.report.html"));
            picture::report(&outcome, &pictures).write(&path).with_context(written)?;
            outcome.report = Some(path);
        }
    }
    outcome.drawn = pictures;
    Ok(outcome)
}

/// The series with its offsets, how they were found, and the volume.
fn write(
    out: &std::path::Path,
    config: &AlignConfig,
    file: &TiltSeriesFile<f32>,
    found: &AlignedSeries<f32>,
) -> Result<()> {
    let report = &found.report;
    let text = |name: &str, value: String| (name.to_owned(), AttributeValue::Text(value));
    let number = |name: &str, value: f64| (name.to_owned(), AttributeValue::Number(value));
    let record = AlignmentRecord {
        offsets: report.offsets.clone(),
        history: report.history.clone(),
        max_step: if found.iterative {
            report.steps.iter().map(|step| step.largest).collect()
        } else {
            Vec::new()
        },
        settings: vec![
            text("method", report.method.clone()),
            text("reasons", found.reasons.join("; ")),
            text("stop", super::outcome::stop(found).into()),
            text("version", format!("nonius {}", env!("CARGO_PKG_VERSION"))),
            text("source", file.path.file_name().unwrap_or_default().to_string_lossy().into_owned()),
            text("parameters", toml::to_string(config)?),
            number("seed", config.alignment.phase_matching.seed as f64),
            number("loss", report.loss),
            number("loss_at_start", report.loss_at_start),
            number("mass_spread", report.mass_spread),
        ],
    };
    // Views that nothing is known of have no error; the format has NaN for that.
    let errors = [0, 1].map(|axis| report.standard_errors.iter().map(|e| e[axis]).collect::<Array1<f64>>());
    let residuals = Array1::from(report.residuals.clone());
    let losses: Array1<f64> = report.steps.iter().map(|step| step.loss).collect();
    let listed = |indices: &[usize]| indices.iter().map(|i| *i as i64).collect::<Array1<i64>>();
    let [outliers, degenerate] = [&report.outliers, &report.degenerate].map(|list| listed(list));
    let mut writer = TiltSeriesWriter::new(&file.series)?;
    writer.alignment(&record)?;
    for (name, values) in
        [("j_error", &errors[0]), ("k_error", &errors[1]), ("residual", &residuals), ("loss", &losses)]
    {
        if !values.is_empty() {
            writer.array("report", name, values.view().into_dyn());
        }
    }
    for (name, values) in [("outliers", &outliers), ("degenerate", &degenerate)] {
        if !values.is_empty() {
            writer.array("report", name, values.view().into_dyn());
        }
    }
    let volume: ArrayView3<'_, f32> = found.volume.view();
    writer.array("reconstruction", "volume", volume.into_dyn());
    let reprojections: &Array3<f32> = &found.reprojections;
    writer.array("reconstruction", "projections", reprojections.view().into_dyn());
    writer.write(out)?;
    Ok(())
}
