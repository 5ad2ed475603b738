//! What the program says: results on standard output, everything else on standard error.

use std::io::{self, Write};
use std::path::Path;

use anyhow::{Result, bail};
use serde::Serialize;

/// Writes `text` to standard output. That nobody reads on (`nonius … | head`) is no failure.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(e.into()),
        _ => Ok(()),
    }
}

/// One JSON object on one line; numbers that are not finite become `null`.
pub(crate) fn print_json(value: &impl Serialize) -> Result<()> {
    print(&format!("{}\n", serde_json::to_string(value)?))
}

/// The same in a file, for people to read too.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    Ok(nonius::io::write_atomically(path, |file| writeln!(file, "{text}"))?)
}

/// Whether the folder of a file that `option` asks for is there, to be known before the work begins.
pub(crate) fn check_folder(option: &str, path: &Path) -> Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            bail!("{option}: there is no folder {}", folder.display())
        }
        _ => Ok(()),
    }
}

/// The error with its causes on standard error, in one line.
pub(crate) fn complain(error: &anyhow::Error) {
    // A cause that is already part of the message is not said again.
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !text.contains(&cause) {
            text += if text.is_empty() { "" } else { ": " };
            text += &cause;
        }
    }
    // Where standard error is closed there is nobody to tell.
    let _ = writeln!(io::stderr(), "error: {text}");
}

/// A table with the first column to the left, the others to the right.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(columns: &[&str]) -> Self {
        Table { rows: vec![columns.iter().map(ToString::to_string).collect()] }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Keeps the first `n` rows; returns how many there were beyond.
    pub(crate) fn cut(&mut self, n: usize) -> usize {
        let more = self.body().len().saturating_sub(n);
        self.rows.truncate(n + 1);
        more
    }

    /// The heads of the columns.
    pub(crate) fn columns(&self) -> Vec<&str> {
        self.rows[0].iter().map(String::as_str).collect()
    }

    /// All but the heads.
    pub(crate) fn body(&self) -> &[Vec<String>] {
        &self.rows[1..]
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let widths: Vec<usize> = (0..self.rows[0].len())
            .map(|c| self.rows.iter().filter_map(|r| r.get(c)).map(|s| s.chars().count()).max().unwrap_or(0))
            .collect();
        for row in &self.rows {
            let cells = row.iter().zip(&widths).enumerate().map(|(c, (cell, &width))| match c {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// A signed number of px or degrees with four decimals; "–" if there is none.
pub(crate) fn signed(value: f64) -> String {
    match value {
        v if !v.is_finite() => "–".into(),
        // What rounds to zero has no sign.
        v if v.abs() < 0.00005 => "+0.0000".into(),
        v => format!("{v:+.4}"),
    }
}

/// A standard error: four decimals, or two digits where that would be too few.
pub(crate) fn sigma(value: f64) -> String {
    match value {
        v if !v.is_finite() => "–".into(),
        v if v != 0.0 && v < 0.00095 => format!("{v:.1e}"),
        v => format!("{v:.4}"),
    }
}

/// Six digits; "–" if there is no number.
pub(crate) fn six_digits(value: f64) -> String {
    match value.abs() {
        v if !v.is_finite() => "–".into(),
        0.0 => "0".into(),
        v if (1e-3..1e9).contains(&v) => {
            let decimals = (5 - v.log10().floor() as i32).clamp(0, 6) as usize;
            format!("{value:.decimals$}")
        }
        _ => format!("{value:.5e}"),
    }
}

/// A magnification, which is near 1.
pub(crate) fn factor(value: f64) -> String {
    if value.is_finite() { format!("{value:.6}") } else { "–".into() }
}

/// A number between −1 and 1.
pub(crate) fn score(value: f64) -> String {
    if value.is_finite() { format!("{value:.4}") } else { "–".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_characters() {
        let mut table = Table::new(&["µ", "±dy"]);
        table.row(vec!["long name".into(), sigma(0.01234)]);
        assert_eq!(table.to_string(), "µ             ±dy\nlong name  0.0123\n");
    }

    #[test]
    fn what_is_not_known_is_a_dash() {
        assert_eq!(
            (signed(f64::NAN), sigma(f64::INFINITY), sigma(2e-4)),
            ("–".into(), "–".into(), "2.0e-4".into())
        );
    }
}
