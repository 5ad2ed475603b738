//! How far estimates scatter, beside what theory allows and what they claim.

use nonius_core::{Error, Result};

use super::Picture;
use super::axes::{number, ticks};
use super::canvas::{Anchor, Canvas};
use super::colors::{BLUE, FAINT, GRID, INK, ORANGE};

/// One series of draws.
#[derive(Debug, Clone, PartialEq)]
pub struct AccuracyRow {
    /// What was measured, in a few words.
    pub name: String,
    /// RMS error over the Cramér–Rao bound.
    pub rms_over_bound: f64,
    /// RMS of the standard errors that were given over the bound.
    pub claimed_over_bound: f64,
    /// Part of the errors within one standard error, %.
    pub within_1_sigma: f64,
}

/// A picture of the accuracy of an estimator, two panels with one line per row: errors and their bars over
/// the bound, and how often the bars hold the truth.
///
/// ```
/// use nonius::plot::{AccuracyChart, AccuracyRow};
/// let row = AccuracyRow { name: "a scene".into(), rms_over_bound: 1.02, claimed_over_bound: 1.0, within_1_sigma: 67.5 };
/// let picture = AccuracyChart { title: "one row".into(), rows: vec![row] }.draw()?;
/// assert!(picture.png().starts_with(b"\x89PNG"));
/// # Ok::<(), nonius::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AccuracyChart {
    /// Stands above both panels.
    pub title: String,
    /// From top to bottom.
    pub rows: Vec<AccuracyRow>,
}

const NAMES: f64 = 330.0;
const WIDTH: f64 = 330.0;
const APART: f64 = 40.0;
const TOP: f64 = 84.0;
const LINE: f64 = 22.0;

/// What an honest bar of one standard error holds, %.
const HONEST: f64 = 68.27;

impl AccuracyChart {
    /// Draws it.
    ///
    /// # Errors
    /// [`Error::Parameter`] if there is no row, or a number that is not finite.
    pub fn draw(&self) -> Result<Picture> {
        let numbers = |r: &AccuracyRow| [r.rms_over_bound, r.claimed_over_bound, r.within_1_sigma];
        if self.rows.is_empty() || self.rows.iter().flat_map(numbers).any(|v| !v.is_finite()) {
            return Err(Error::parameter("rows", "at least one, of finite numbers", "none or others"));
        }
        let height = LINE * self.rows.len() as f64;
        let mut canvas = Canvas::new(NAMES + 2.0 * WIDTH + APART + 30.0, TOP + height + 50.0);
        canvas.text((16.0, 28.0), Anchor::Start, 15, INK, &self.title);
        for (i, row) in self.rows.iter().enumerate() {
            canvas.text((NAMES - 10.0, self.y(i) + 4.0), Anchor::End, 11, INK, &row.name);
        }
        let largest =
            self.rows.iter().flat_map(|r| [r.rms_over_bound, r.claimed_over_bound]).fold(1.5, f64::max);
        let ratios = Panel { left: NAMES, range: (0.0, 1.05 * largest), height };
        ratios.draw(&mut canvas, "error over bound", "1 is the best there can be");
        canvas.dashes((ratios.x(1.0), TOP), (ratios.x(1.0), TOP + height), INK);
        let coverage = Panel { left: NAMES + WIDTH + APART, range: (40.0, 90.0), height };
        coverage.draw(&mut canvas, "1σ bars that hold the truth / %", "68.3 is honest");
        canvas.dashes((coverage.x(HONEST), TOP), (coverage.x(HONEST), TOP + height), INK);
        for (i, row) in self.rows.iter().enumerate() {
            canvas.ring((ratios.x(row.claimed_over_bound), self.y(i)), 6.0, ORANGE);
            canvas.dot((ratios.x(row.rms_over_bound), self.y(i)), 3.5, BLUE);
            canvas.dot((coverage.x(row.within_1_sigma), self.y(i)), 3.5, BLUE);
        }
        let legend = TOP - 14.0;
        canvas.dot((NAMES + WIDTH - 150.0, legend), 3.5, BLUE);
        canvas.text((NAMES + WIDTH - 140.0, legend + 4.0), Anchor::Start, 12, INK, "found");
        canvas.ring((NAMES + WIDTH - 80.0, legend), 6.0, ORANGE);
        canvas.text((NAMES + WIDTH - 68.0, legend + 4.0), Anchor::Start, 12, INK, "claimed");
        Ok(canvas.finish())
    }

    fn y(&self, row: usize) -> f64 {
        TOP + LINE * (row as f64 + 0.5)
    }
}

/// A scale and the lines under the rows.
struct Panel {
    left: f64,
    range: (f64, f64),
    height: f64,
}

impl Panel {
    fn x(&self, value: f64) -> f64 {
        let (low, high) = self.range;
        self.left + WIDTH * (value.clamp(low, high) - low) / (high - low)
    }

    fn draw(&self, canvas: &mut Canvas, title: &str, remark: &str) {
        let bottom = TOP + self.height;
        let marks = ticks(self.range.0, self.range.1, 6);
        for &v in &marks.places {
            canvas.line((self.x(v), TOP), (self.x(v), bottom), GRID, 0.5);
            canvas.text((self.x(v), bottom + 16.0), Anchor::Middle, 11, INK, &number(v, marks.step));
        }
        let mut y = TOP + 0.5 * LINE;
        while y < bottom {
            canvas.line((self.left, y), (self.left + WIDTH, y), FAINT, 0.3);
            y += LINE;
        }
        canvas.outline((self.left, TOP), (WIDTH, self.height));
        canvas.text((self.left, TOP - 10.0), Anchor::Start, 13, INK, title);
        canvas.text((self.left + 0.5 * WIDTH, bottom + 34.0), Anchor::Middle, 12, INK, remark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_and_nan_are_errors() {
        assert!(AccuracyChart::default().draw().is_err());
        let row = AccuracyRow {
            name: String::new(),
            rms_over_bound: f64::NAN,
            claimed_over_bound: 1.0,
            within_1_sigma: 68.0,
        };
        assert!(AccuracyChart { title: String::new(), rows: vec![row] }.draw().is_err());
    }
}
