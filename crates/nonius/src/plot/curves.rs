//! Curves beside one another.

use nonius_core::{Error, Result};

use super::Picture;
use super::axes::{Axes, range};
use super::canvas::{Anchor, Canvas};
use super::colors::{BLUE, FAINT, INK, ORANGE, Rgb};

/// How a curve is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CurveStyle {
    /// Its points joined by lines.
    #[default]
    Line,
    /// Its points alone.
    Dots,
    /// A thin dashed line: what is expected, in gray.
    Dashes,
}

/// One curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Stands in the legend; curves of one name have one colour in all panels.
    pub name: String,
    /// Points `(x, y)`; those that are not finite interrupt it.
    pub points: Vec<[f64; 2]>,
    /// How it is drawn.
    pub style: CurveStyle,
}

/// Curves on common axes.
#[derive(Debug, Clone, PartialEq)]
pub struct CurvePanel {
    /// Stands above it.
    pub title: String,
    /// What grows to the right.
    pub x_name: String,
    /// What grows upwards.
    pub y_name: String,
    /// In the order in which they are drawn.
    pub curves: Vec<Curve>,
}

/// Panels of curves, two in a row, with one legend.
///
/// ```
/// use nonius::plot::{Curve, CurveChart, CurvePanel, CurveStyle};
/// let points = (0..50).map(|k| [f64::from(k), (0.2 * f64::from(k)).sin()]).collect();
/// let curve = Curve { name: "sine".into(), points, style: CurveStyle::Line };
/// let panel = CurvePanel { title: "a wave".into(), x_name: "t".into(), y_name: "height".into(), curves: vec![curve] };
/// let picture = CurveChart { title: "one curve".into(), panels: vec![panel] }.draw()?;
/// assert!(picture.png().starts_with(b"\x89PNG"));
/// # Ok::<(), nonius::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CurveChart {
    /// Stands above all panels.
    pub title: String,
    /// Row by row.
    pub panels: Vec<CurvePanel>,
}

const WIDTH: f64 = 380.0;
const HEIGHT: f64 = 280.0;
const LEFT: f64 = 84.0;
const TOP: f64 = 84.0;
const BELOW: f64 = 92.0;
const APART: f64 = 100.0;
const LEGEND: f64 = 210.0;
const ROW: f64 = 20.0;

/// Okabe and Ito's palette but for its yellow, which is too pale for lines.
const INKS: [Rgb; 7] =
    [BLUE, ORANGE, [0, 158, 115], [204, 121, 167], [230, 159, 0], [86, 180, 233], [90, 90, 90]];

impl CurveChart {
    /// Draws it.
    ///
    /// # Errors
    /// [`Error::Parameter`] if there is no panel, or none has a finite point.
    pub fn draw(&self) -> Result<Picture> {
        let finite = |p: &[f64; 2]| p.iter().all(|v| v.is_finite());
        let curves = || self.panels.iter().flat_map(|p| &p.curves);
        if !curves().flat_map(|c| &c.points).any(finite) {
            return Err(Error::parameter("curves", "at least one finite point", "none"));
        }
        let mut names: Vec<(&str, CurveStyle)> = Vec::new();
        for curve in curves() {
            if names.iter().all(|(name, _)| *name != curve.name) {
                names.push((&curve.name, curve.style));
            }
        }
        let columns = self.panels.len().min(2);
        let rows = self.panels.len().div_ceil(2);
        let right = LEFT + columns as f64 * (WIDTH + APART) - APART;
        let bottom = TOP + rows as f64 * (HEIGHT + BELOW);
        let mut canvas =
            Canvas::new(right + 24.0 + LEGEND, (bottom - 30.0).max(TOP + ROW * (names.len() + 1) as f64));
        canvas.text((LEFT, 30.0), Anchor::Start, 15, INK, &self.title);
        for (k, panel) in self.panels.iter().enumerate() {
            let points = || panel.curves.iter().flat_map(|c| &c.points).filter(|p| finite(p));
            let axes = Axes {
                left: LEFT + (k % 2) as f64 * (WIDTH + APART),
                top: TOP + (k / 2) as f64 * (HEIGHT + BELOW),
                width: WIDTH,
                height: HEIGHT,
                x: range(points().map(|p| p[0]), 1e-9),
                y: range(points().map(|p| p[1]), 1e-9),
                y_down: false,
            };
            axes.draw(&mut canvas, &panel.title, &panel.x_name, &panel.y_name);
            if axes.y.0 < 0.0 && 0.0 < axes.y.1 {
                let [from, to] = [axes.x.0, axes.x.1].map(|x| axes.place(x, 0.0));
                canvas.dashes(from, to, FAINT);
            }
            for curve in &panel.curves {
                draw(&mut canvas, &axes, curve, ink(&names, &curve.name));
            }
        }
        for (k, &(name, style)) in names.iter().enumerate() {
            let (x, y) = (right + 24.0, TOP + 8.0 + ROW * k as f64);
            let (color, ends) = (ink(&names, name), ((x, y), (x + 24.0, y)));
            match style {
                CurveStyle::Line => canvas.line(ends.0, ends.1, color, 2.0),
                CurveStyle::Dots => canvas.dot((x + 12.0, y), 3.0, color),
                CurveStyle::Dashes => canvas.dashes(ends.0, ends.1, FAINT),
            }
            canvas.text((x + 32.0, y + 4.0), Anchor::Start, 12, INK, name);
        }
        Ok(canvas.finish())
    }
}

/// The colour of a name: the next of the palette but for what is dashed.
fn ink(names: &[(&str, CurveStyle)], name: &str) -> Rgb {
    let colored = names.iter().filter(|(_, style)| *style != CurveStyle::Dashes);
    colored.map(|(name, _)| *name).position(|n| n == name).map_or(FAINT, |k| INKS[k % INKS.len()])
}

fn draw(canvas: &mut Canvas, axes: &Axes, curve: &Curve, ink: Rgb) {
    let place = |p: &[f64; 2]| axes.place(p[0], p[1]);
    let finite = |p: &[f64; 2]| p.iter().all(|v| v.is_finite());
    match curve.style {
        CurveStyle::Dots => {
            curve.points.iter().filter(|p| finite(p)).for_each(|p| canvas.dot(place(p), 2.4, ink));
        }
        style => {
            for pair in curve.points.windows(2).filter(|pair| pair.iter().all(finite)) {
                match style {
                    CurveStyle::Dashes => canvas.dashes(place(&pair[0]), place(&pair[1]), FAINT),
                    _ => canvas.line(place(&pair[0]), place(&pair[1]), ink, 1.6),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_curves_make_pictures_and_none_an_error() {
        let chart = |points: Vec<[f64; 2]>, n: usize| {
            let styles = [CurveStyle::Line, CurveStyle::Dots, CurveStyle::Dashes];
            let curves =
                styles.map(|style| Curve { name: format!("{style:?}"), points: points.clone(), style });
            let panel = CurvePanel {
                title: "odd".into(),
                x_name: "x".into(),
                y_name: "y".into(),
                curves: curves.to_vec(),
            };
            CurveChart { title: "odd".into(), panels: vec![panel; n] }.draw()
        };
        assert!(chart(vec![[0.0, 0.0], [f64::NAN, 1.0], [2.0, f64::INFINITY], [3.0, 1e300]], 3).is_ok());
        assert!(chart(vec![[1.0, 1.0]], 1).is_ok());
        assert!(chart(vec![[f64::NAN; 2]], 2).is_err());
        assert!(chart(vec![[1.0, 1.0]], 0).is_err());
    }
}
