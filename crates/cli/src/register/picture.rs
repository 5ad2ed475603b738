//! `--picture`: what a registration did, to be looked at.

use std::path::{Path, PathBuf};

use anyhow::Result;
use nonius::plot::{Picture, ShiftPoint, ShiftScatter, before_and_after};

use super::inputs::Inputs;
use super::outcome::{Row, RowStatus};
use super::resample::brought_back;
use crate::output::{factor, sigma, signed};

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
    let shape = inputs.items[reference].shape;
    let moved = |row: &Row| farthest(row, shape);
    let known = rows.iter().enumerate().filter(|(_, r)| r.status != RowStatus::Reference && r.is_known());
    let Some((i, row)) = known.max_by(|a, b| moved(a.1).total_cmp(&moved(b.1))) else {
        return Ok(Vec::new());
    };

    let moving = inputs.items[i + usize::from(!inputs.series)].read()?;
    let fixed = inputs.items[reference].read()?;
    let registered = brought_back(&moving, row, fixed.dim(), periodic)?;
    let choice = match row.turn {
        _ if rows.len() == 1 => "",
        Some(_) => " (moved most)",
        None => " (the largest shift)",
    };
    let title = format!("{}{choice}: {}", row.image, numbers(row));
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

/// How far a corner of the frame moves, px; without rotation the length of the shift.
fn farthest(row: &Row, (h, w): (usize, usize)) -> f64 {
    let Some(pose) = row.pose() else { return row.shift[0].hypot(row.shift[1]) };
    let corners = [(0, 0), (0, w - 1), (h - 1, 0), (h - 1, w - 1)].map(|(y, x)| [y as f64, x as f64]);
    let moves = corners.map(|p| {
        let [y, x] = pose.apply(p, (h, w));
        (y - p[0]).hypot(x - p[1])
    });
    moves.into_iter().fold(0.0, f64::max)
}

/// What was measured, with its standard errors.
fn numbers(row: &Row) -> String {
    let ([dy, dx], [ey, ex]) = (row.shift.map(signed), row.errors().map(sigma));
    let shift = format!("dy = {dy} ± {ey} px, dx = {dx} ± {ex} px");
    let turn = row.turn.map(|turn| {
        let [angle, scale] = turn.errors().map(sigma);
        format!("{}° ± {angle}°, scale {} ± {scale}, ", signed(turn.angle), factor(turn.scale))
    });
    (turn.unwrap_or_default() + &shift).replace('-', "−")
}
