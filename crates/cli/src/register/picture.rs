//! `--picture`: what a registration did, to be looked at.

use std::path::{Path, PathBuf};

use anyhow::Result;
use nonius::plot::{Picture, ShiftPoint, ShiftScatter, before_and_after};

use super::inputs::Inputs;
use super::outcome::{Row, RowStatus};
use super::resample::brought_back;

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
    // Beside four numbers there is no room for it.
    let choice = if rows.len() > 1 && row.turn.is_none() { " (the largest shift)" } else { "" };
    let title = format!("{}{choice}: {}", shortened(&row.image), numbers(row));
    let mut drawn = vec![Drawn {
        path: path.to_path_buf(),
        picture: before_and_after(fixed.view(), moving.view(), registered.view(), &title)?,
    }];

    if rows.len() > 1 {
        let points = rows.iter().map(|r| ShiftPoint { found: r.shift, errors: r.errors(), truth: None });
        let mut title = format!("{} images against {}", rows.len(), inputs.short_names()[reference]);
        if row.turn.is_some() {
            title += ": displacement of the frame's centre";
        }
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
    let ([dy, dx], [ey, ex]) = (row.shift, row.errors());
    let (dy, dx) = (with_error(dy, ey), with_error(dx, ex));
    let Some(turn) = row.turn else { return format!("dy = {dy} px, dx = {dx} px").replace('-', "−") };
    let [of_angle, of_scale] = turn.errors();
    let (angle, scale) = (with_error(turn.angle, of_angle), with_error(turn.scale, of_scale));
    let scale = scale.trim_start_matches('+');
    format!("({angle})°, scale {scale}, dy {dy} px, dx {dx} px").replace('-', "−")
}

/// The end of a name that is too long for a title, which is where names differ.
fn shortened(name: &str) -> String {
    const MOST: usize = 24;
    match name.chars().count() {
        n if n > MOST => format!("…{}", name.chars().skip(n - MOST + 1).collect::<String>()),
        _ => name.to_owned(),
    }
}

/// "+1.2346 ± 0.0021": two digits of the error, and as many decimals of the value.
fn with_error(value: f64, error: f64) -> String {
    if !(error.is_finite() && error > 0.0) {
        return format!("{value:+.4}");
    }
    let decimals = (1.0 - error.log10().floor()).clamp(0.0, 9.0) as usize;
    format!("{value:+.decimals$} ± {error:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_keep_their_end() {
        assert_eq!(shortened("short.tif"), "short.tif");
        assert_eq!(shortened("a_rather_long_file_name_0042.tif"), "…long_file_name_0042.tif");
    }

    #[test]
    fn errors_have_two_digits() {
        assert_eq!(with_error(1.23456789, 0.00214), "+1.2346 ± 0.0021");
        assert_eq!(with_error(-56.2, 13.4), "-56 ± 13");
        assert_eq!(with_error(0.5, f64::NAN), "+0.5000");
    }
}
