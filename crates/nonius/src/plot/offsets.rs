//! Offsets of the projections of a tilt series, with their errors.

use nonius_core::{Error, Result, check_shape};

use super::Picture;
use super::axes::{Axes, range};
use super::canvas::{Anchor, Canvas};
use super::colors::{BLUE, FAINT, INK, ORANGE, Rgb};

/// Pale blue: what lies within one standard error.
const BAND: Rgb = [190, 218, 238];

const WIDTH: f64 = 430.0;
const HEIGHT: f64 = 210.0;
const LEFT: f64 = 84.0;
const TOP: f64 = 84.0;
const APART: f64 = 104.0;
const BELOW: f64 = 84.0;

/// Offsets `[j, k]` px of every projection, and below them on a scale of their own the standard errors about zero,
/// with how far the offsets are from the truth where it is known.
///
/// ```
/// use nonius::plot::OffsetChart;
/// let picture = OffsetChart {
///     title: "three projections".into(),
///     found: vec![[0.5, -1.0], [1.25, 0.0], [-0.5, 0.75]],
///     errors: vec![[0.01, 0.02]; 3],
///     start: None,
///     truth: Some(vec![[0.505, -1.01], [1.24, 0.01], [-0.5, 0.75]]),
/// }
/// .draw()?;
/// assert!(picture.png().starts_with(b"\x89PNG"));
/// # Ok::<(), nonius::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetChart {
    /// Stands above all panels.
    pub title: String,
    /// What was found.
    pub found: Vec<[f64; 2]>,
    /// Standard errors of it; NaN where none is known.
    pub errors: Vec<[f64; 2]>,
    /// Where it began, drawn in gray.
    pub start: Option<Vec<[f64; 2]>>,
    /// What is true, freed from the translation that no alignment can know.
    pub truth: Option<Vec<[f64; 2]>>,
}

impl OffsetChart {
    /// Draws it.
    ///
    /// # Errors
    /// [`Error::Shape`] unless all lists are of one length, [`Error::Parameter`] if no offset is finite.
    pub fn draw(&self) -> Result<Picture> {
        let n = self.found.len();
        check_shape("errors", &[n, 2], &[self.errors.len(), 2])?;
        for (name, list) in [("start", &self.start), ("truth", &self.truth)] {
            if let Some(list) = list {
                check_shape(name, &[n, 2], &[list.len(), 2])?;
            }
        }
        if !self.found.iter().flatten().any(|v| v.is_finite()) {
            return Err(Error::parameter("offsets", "at least one finite", "none"));
        }
        let mut canvas =
            Canvas::new(LEFT + 2.0 * WIDTH + APART + 26.0, TOP + 2.0 * HEIGHT + 2.0 * BELOW - 30.0);
        canvas.text((LEFT, 28.0), Anchor::Start, 15, INK, &self.title);
        for (axis, name) in ["j", "k"].into_iter().enumerate() {
            let left = LEFT + axis as f64 * (WIDTH + APART);
            self.offsets(&mut canvas, left, axis, name);
            self.errors(&mut canvas, left, axis, name);
        }
        self.legend(&mut canvas);
        Ok(canvas.finish())
    }

    fn x(&self) -> (f64, f64) {
        (-0.5, self.found.len() as f64 - 0.5)
    }

    fn offsets(&self, canvas: &mut Canvas, left: f64, axis: usize, name: &str) {
        let lists = [Some(&self.found), self.start.as_ref(), self.truth.as_ref()];
        let values = lists.into_iter().flatten().flatten().map(|offset| offset[axis]);
        let y = range(values, 1e-3);
        let axes = Axes { left, top: TOP, width: WIDTH, height: HEIGHT, x: self.x(), y, y_down: false };
        axes.draw(canvas, &format!("offsets along {name}"), "projection", "offset / px");
        if let Some(start) = &self.start {
            line(canvas, &axes, start, axis, FAINT);
        }
        line(canvas, &axes, &self.found, axis, BLUE);
        for (i, offset) in self.found.iter().enumerate().filter(|(_, o)| o[axis].is_finite()) {
            canvas.dot(axes.place(i as f64, offset[axis]), 2.0, BLUE);
        }
        for (i, truth) in self.truth.iter().flatten().enumerate().filter(|(_, t)| t[axis].is_finite()) {
            canvas.ring(axes.place(i as f64, truth[axis]), 3.6, ORANGE);
        }
    }

    fn errors(&self, canvas: &mut Canvas, left: f64, axis: usize, name: &str) {
        let miss = |i: usize| self.truth.as_ref().map(|truth| self.found[i][axis] - truth[i][axis]);
        let n = self.found.len();
        let sizes = self.errors.iter().map(|e| e[axis]).chain((0..n).filter_map(miss)).map(f64::abs);
        let size = 1.15 * sizes.filter(|v| v.is_finite()).fold(1e-6, f64::max);
        let top = TOP + HEIGHT + BELOW;
        let axes =
            Axes { left, top, width: WIDTH, height: HEIGHT, x: self.x(), y: (-size, size), y_down: false };
        let title = match self.truth {
            Some(_) => format!("found − true along {name}, and the error quoted"),
            None => format!("standard error along {name}"),
        };
        axes.draw(canvas, &title, "projection", "error / px");
        for (i, error) in self.errors.iter().enumerate().filter(|(_, e)| e[axis].is_finite()) {
            let (from, to) = (axes.place(i as f64, -error[axis]), axes.place(i as f64, error[axis]));
            canvas.line(from, to, BAND, (WIDTH / n as f64).max(1.5));
        }
        let [from, to] = [axes.x.0, axes.x.1].map(|x| axes.place(x, 0.0));
        canvas.dashes(from, to, FAINT);
        for (i, miss) in (0..n).filter_map(|i| Some((i, miss(i)?))).filter(|(_, m)| m.is_finite()) {
            canvas.dot(axes.place(i as f64, miss), 2.4, ORANGE);
        }
    }

    fn legend(&self, canvas: &mut Canvas) {
        let mut entries = vec![("found", BLUE), ("± standard error", BAND)];
        if self.start.is_some() {
            entries.push(("start", FAINT));
        }
        if self.truth.is_some() {
            entries.push(("true", ORANGE));
        }
        let mut x = LEFT;
        for (name, ink) in entries {
            canvas.line((x, 46.0), (x + 20.0, 46.0), ink, 4.0);
            canvas.text((x + 26.0, 50.0), Anchor::Start, 12, INK, name);
            x += 52.0 + 7.0 * name.chars().count() as f64;
        }
    }
}

/// Neighbours joined; what is not finite interrupts.
fn line(canvas: &mut Canvas, axes: &Axes, offsets: &[[f64; 2]], axis: usize, ink: Rgb) {
    for (i, pair) in offsets.windows(2).enumerate() {
        if pair.iter().all(|offset| offset[axis].is_finite()) {
            canvas.line(
                axes.place(i as f64, pair[0][axis]),
                axes.place(i as f64 + 1.0, pair[1][axis]),
                ink,
                1.0,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_offsets_make_pictures_and_none_an_error() {
        let chart = |found: Vec<[f64; 2]>| OffsetChart {
            title: "odd".into(),
            errors: vec![[f64::NAN, 0.0]; found.len()],
            truth: Some(vec![[f64::INFINITY, 0.0]; found.len()]),
            start: Some(found.clone()),
            found,
        };
        assert!(chart(vec![]).draw().is_err() && chart(vec![[f64::NAN; 2]]).draw().is_err());
        assert!(chart(vec![[0.0, f64::NAN]]).draw().is_ok());
        assert!(chart(vec![[1e300, -1e300]; 700]).draw().is_ok());
        let short = OffsetChart { errors: vec![], ..chart(vec![[0.0; 2]]) };
        assert!(short.draw().is_err());
    }
}
