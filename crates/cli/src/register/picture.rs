//! `--picture`: what a registration did, to be looked at.

use std::path::{Path, PathBuf};

use anyhow::Result;
use nonius::plot::{Picture, ShiftPoint, ShiftScatter, before_and_after};

use super::inputs::Inputs;
use super::outcome::{Row, RowStatus};
use super::resample::onto_reference;

/// A picture and the file it was written to.
#[derive(Debug, Clone)]
pub(crate) struct Drawn {
    pub(crate) path: PathBuf,
    pub(crate) picture: Picture,
}

/// Draws before and after of the image that moved most, and if there are several, all shifts. Returns what
/// was written: nothing if no shift is known.
pub(crate) fn write(
    path: &Path,
    inputs: &Inputs,
    reference: usize,
    rows: &[Row],
    periodic: bool,
) -> Result<Vec<Drawn>> {
    let moved = |row: &Row| row.shift[0].hypot(row.shift[1]);
    let known =
        rows.iter().enumerate().filter(|(_, r)| r.status != RowStatus::Reference && moved(r).is_finite());
    let Some((i, row)) = known.max_by(|a, b| moved(a.1).total_cmp(&moved(b.1))) else {
        return Ok(Vec::new());
    };

    let moving = inputs.items[i + usize::from(!inputs.series)].read()?;
    let fixed = inputs.items[reference].read()?;
    let registered = onto_reference(&moving, row.shift, fixed.dim(), periodic)?;
    let ([dy, dx], [ey, ex]) = (row.shift, row.errors());
    let numbers = format!("dy = {dy:+.4} ± {ey:.4} px, dx = {dx:+.4} ± {ex:.4} px").replace('-', "−");
    let choice = if rows.len() > 1 { " (the largest shift)" } else { "" };
    let title = format!("{}{choice}: {numbers}", row.image);
    let mut drawn = vec![Drawn {
        path: path.to_path_buf(),
        picture: before_and_after(fixed.view(), moving.view(), registered.view(), &title)?,
    }];

    if rows.len() > 1 {
        let points = rows.iter().map(|r| ShiftPoint { found: r.shift, errors: r.errors(), truth: None });
        let title = format!("{} images against {}", rows.len(), inputs.short_names()[reference]);
        let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        let beside = path.with_file_name(format!("{stem}_shifts.png"));
        drawn.push(Drawn { path: beside, picture: ShiftScatter { title, points: points.collect() }.draw()? });
    }
    drawn.iter().try_for_each(|d| d.picture.write(&d.path))?;
    Ok(drawn)
}
