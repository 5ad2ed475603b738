//! `--apply`: the moving images, brought back onto the reference, as files.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nonius::Progress;
use nonius::io::write_image;
use rayon::prelude::*;

use super::inputs::{Inputs, Item};
use super::outcome::Row;
use super::resample::brought_back;
use crate::session::Session;

/// Where each image to be registered goes, known before the work begins.
pub(crate) fn plan(folder: &Path, inputs: &Inputs) -> Result<Vec<PathBuf>> {
    let mut taken = HashSet::new();
    let paths: Vec<PathBuf> =
        inputs.items[usize::from(!inputs.series)..].iter().map(|item| folder.join(file_name(item))).collect();
    if let Some(twice) = paths.iter().find(|p| !taken.insert(p.as_path())) {
        bail!("--apply: two images would be written as {}", twice.display());
    }
    if folder.exists() && !folder.is_dir() {
        bail!("--apply: {} is no folder", folder.display());
    }
    Ok(paths)
}

/// `b.tif` becomes `b_registered.tif`; formats that are not written without loss become TIFF.
fn file_name(item: &Item) -> String {
    let path = &item.selector.path;
    let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    let extension = match extension.as_str() {
        kept @ ("npy" | "fits" | "fit" | "fts" | "tif" | "tiff") => kept,
        _ => "tif",
    };
    let key = item.selector.key.as_deref().map(|k| format!("_{k}")).unwrap_or_default();
    let index: String = item.selector.index.iter().map(|i| format!("_{i}")).collect();
    let frame = item.frame.map(|f| format!("_{f:04}")).unwrap_or_default();
    // Keys may hold what file names must not.
    let part = format!("{key}{index}").replace(|c: char| !c.is_alphanumeric() && c != '_', "-");
    format!("{stem}{part}{frame}_registered.{extension}")
}

/// Writes them; images without a shift are left out. Returns what was written.
pub(crate) fn write(
    session: &Session,
    paths: &[PathBuf],
    inputs: &Inputs,
    reference: usize,
    rows: &[Row],
    periodic: bool,
) -> Result<Vec<PathBuf>> {
    if let Some(folder) = paths.first().and_then(|p| p.parent()) {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make folder {}", folder.display()))?;
    }
    let items = &inputs.items[usize::from(!inputs.series)..];
    let shape = inputs.items[reference].shape;
    session.start("writing registered images", rows.len() as u64);
    let written: Vec<Result<Option<PathBuf>>> = (0..rows.len())
        .into_par_iter()
        .map(|i| {
            session.check_cancelled()?;
            session.advance(1);
            if !rows[i].is_known() {
                return Ok(None);
            }
            let registered = brought_back(&items[i].read()?, &rows[i], shape, periodic)?;
            write_image(&paths[i], registered.mapv(|v| v as f32).view())?;
            Ok(Some(paths[i].clone()))
        })
        .collect();
    session.finish();
    session.check_cancelled()?;
    written.into_iter().filter_map(Result::transpose).collect()
}
