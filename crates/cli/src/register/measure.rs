//! From files to shifts.

use anyhow::{Result, anyhow};
use ndarray::Array2;
use nonius::Progress;
use nonius::registration::rotation::SimilarityPlan;
use nonius::registration::{
    Frame, Registration, SeriesParams, SeriesRegistration, Strategy, register_masked, register_series,
};
use rayon::prelude::*;

use super::args::{Files, RegisterConfig};
use super::inputs::{Inputs, Item, read_mask};
use super::outcome::{Outcome, Row, RowStatus, Turn};
use super::{apply, picture};
use crate::Usage;
use crate::output::check_folder;
use crate::session::Session;

/// Registers the images of `files` and writes what `files` asks for.
pub(crate) fn measure(session: &Session, config: &RegisterConfig, files: &Files) -> Result<Outcome> {
    let inputs = Inputs::open(&files.reference, &files.moving)?;
    let names = inputs.short_names();
    let reference = reference_index(&inputs, config)?;
    let planned = files.apply.as_ref().map(|folder| apply::plan(folder, &inputs)).transpose()?;
    files.picture.as_deref().map_or(Ok(()), |path| check_folder("--picture", path))?;

    let masked = config.mask_nan || files.reference_mask.is_some() || files.moving_mask.is_some();
    let rows = if config.rotation {
        inputs.check_shapes("--rotation compares images of one shape")?;
        turned_rows(session, config, &inputs, reference, &names)?
    } else if masked {
        masked_rows(session, config, files, &inputs, reference, &names)?
    } else {
        inputs.check_shapes("images of different shapes can be registered with masks, as with --mask-nan")?;
        series_rows(session, config, &inputs, reference, &names)?
    };
    let mut outcome = Outcome {
        reference: inputs.items[reference].name.clone(),
        rows,
        warnings: inputs.warnings.clone(),
        applied: Vec::new(),
        pictures: Vec::new(),
    };
    outcome.warnings.extend(outcome.doubts());

    let periodic = config.registration.frame == Frame::Periodic;
    if let Some(plan) = planned {
        outcome.applied = apply::write(session, &plan, &inputs, reference, &outcome.rows, periodic)?;
    }
    if let Some(path) = &files.picture {
        session.check_cancelled()?;
        outcome.pictures = picture::write(path, &inputs, reference, &outcome.rows, periodic)?;
    }
    Ok(outcome)
}

/// Which of the images the shifts refer to.
fn reference_index(inputs: &Inputs, config: &RegisterConfig) -> Result<usize> {
    let n = inputs.items.len();
    match config.strategy {
        Strategy::CommonReference { index: 0 } => Ok(0),
        _ if !inputs.series => Err(Usage(
            "--reference-frame, --chain and --pairs are for a series: one stack, and no MOVING image".into(),
        )
        .into()),
        Strategy::CommonReference { index } if index >= n => {
            Err(anyhow!("{}: there is no frame {index} of {n} to refer to", inputs.items[0].selector))
        }
        Strategy::CommonReference { index } => Ok(index),
        Strategy::Pairs { max_separation: 0 } => {
            Err(Usage("--pairs must be at least 1, got 0".into()).into())
        }
        Strategy::Chained | Strategy::Pairs { .. } => Ok(0),
    }
}

fn series_rows(
    session: &Session,
    config: &RegisterConfig,
    inputs: &Inputs,
    reference: usize,
    names: &[String],
) -> Result<Vec<Row>> {
    let params = SeriesParams { strategy: config.strategy, registration: config.registration };
    let found = register_series::<f64>(inputs, &params, session).map_err(|e| inputs.named(e))?;
    let rows = (0..inputs.items.len()).map(|i| series_row(&found, i, reference, &names[i]));
    // A reference that was named apart is none of the images to be registered.
    Ok(rows.skip(usize::from(!inputs.series)).collect())
}

fn series_row(found: &SeriesRegistration, frame: usize, reference: usize, name: &str) -> Row {
    // The comparison with the nearest frame before (or with the common reference).
    let pair = found.pairs.iter().filter(|p| p.moving == frame).max_by_key(|p| p.reference);
    let pair = pair.map(|p| p.registration);
    let status =
        if frame == reference { RowStatus::Reference } else { RowStatus::from(found.statuses[frame]) };
    Row {
        image: name.into(),
        shift: found.shifts[frame],
        covariance: found.covariances[frame],
        score: pair.map_or(f64::NAN, |p| p.score),
        overlap: pair.map(|p| p.overlap),
        status,
        runner_up: pair.and_then(|p| p.runner_up),
        turn: None,
    }
}

/// Each image by itself: with masks, shapes may differ.
fn masked_rows(
    session: &Session,
    config: &RegisterConfig,
    files: &Files,
    inputs: &Inputs,
    reference: usize,
    names: &[String],
) -> Result<Vec<Row>> {
    let params = config.masked();
    let fixed = inputs.items[reference].read()?;
    let fixed_mask = mask(files.reference_mask.as_deref(), &fixed, config.mask_nan)?;
    each(session, inputs, |i, item| {
        if inputs.series && i == reference {
            return Ok(reference_row(&names[i]));
        }
        let moving = item.read()?;
        let moving_mask = mask(files.moving_mask.as_deref(), &moving, config.mask_nan)?;
        let masks = (fixed_mask.as_ref().map(|m| m.view()), moving_mask.as_ref().map(|m| m.view()));
        let found = register_masked(fixed.view(), moving.view(), masks.0, masks.1, &params);
        let hint = "; --mask-nan leaves such pixels out";
        Ok(row(&names[i], &found.map_err(|e| inputs.of_pair(e, reference, i, hint))?))
    })
}

/// Rotation and scale, too, of each image by itself.
fn turned_rows(
    session: &Session,
    config: &RegisterConfig,
    inputs: &Inputs,
    reference: usize,
    names: &[String],
) -> Result<Vec<Row>> {
    let fixed = inputs.items[reference].read()?;
    let plan = SimilarityPlan::new(fixed.dim(), config.similarity)
        .map_err(|e| anyhow!("{}: {e}", inputs.items[reference].name))?;
    each(session, inputs, |i, item| {
        if inputs.series && i == reference {
            return Ok(Row { turn: Some(Turn::NONE), ..reference_row(&names[i]) });
        }
        let found = plan.register(fixed.view(), item.read()?.view());
        let hint = "; --rotation needs every pixel";
        Ok(Row::turned(&names[i], &found.map_err(|e| inputs.of_pair(e, reference, i, hint))?))
    })
}

/// `work` for every image to be registered, in parallel.
fn each(
    session: &Session,
    inputs: &Inputs,
    work: impl Fn(usize, &Item) -> Result<Row> + Sync,
) -> Result<Vec<Row>> {
    let first = usize::from(!inputs.series);
    session.start("registering images", (inputs.items.len() - first) as u64);
    let rows: Vec<Result<Row>> = (first..inputs.items.len())
        .into_par_iter()
        .map(|i| {
            session.check_cancelled()?;
            let row = work(i, &inputs.items[i]);
            session.advance(1);
            row
        })
        .collect();
    session.finish();
    session.check_cancelled()?;
    rows.into_iter().collect()
}

/// The valid pixels: those of the file, and if asked for those that are finite. None if all are.
fn mask(file: Option<&str>, image: &Array2<f64>, finite: bool) -> Result<Option<Array2<bool>>> {
    let given = file.map(|f| read_mask(f, image.dim())).transpose()?;
    if !finite {
        return Ok(given);
    }
    let mut mask = given.unwrap_or_else(|| Array2::from_elem(image.dim(), true));
    mask.zip_mut_with(image, |m, v| *m &= v.is_finite());
    Ok(Some(mask))
}

fn row(name: &str, found: &Registration) -> Row {
    Row {
        image: name.into(),
        shift: found.shift,
        covariance: found.covariance,
        score: found.score,
        overlap: Some(found.overlap),
        status: found.status.into(),
        runner_up: found.runner_up,
        turn: None,
    }
}

fn reference_row(name: &str) -> Row {
    Row {
        image: name.into(),
        shift: [0.0; 2],
        covariance: [[0.0; 2]; 2],
        score: f64::NAN,
        overlap: None,
        status: RowStatus::Reference,
        runner_up: None,
        turn: None,
    }
}
