//! χ² about its minimum.

use ndarray::Array2;
use nonius_core::{Error, Result};

use super::Picture;
use super::axes::{Axes, number, ticks};
use super::canvas::{Anchor, Canvas, SCALE};
use super::colors::{FAINT, INK, ORANGE, Rgb};

/// A picture of χ² about the best fit: its rise as colours, its contours at 1, 2 and 3 σ, and the best fit with
/// its error bars. dx runs to the right and dy downwards, as in the images.
///
/// The samples are those of [`chi2_surface`](crate::chi2::chi2_surface), the levels those of
/// [`delta_chi2`](crate::chi2::delta_chi2) for two parameters.
///
/// ```
/// use ndarray::Array2;
/// use nonius::plot::Chi2Surface;
/// let chi2 = Array2::from_shape_fn((21, 21), |(y, x)| 900.0 + (y as f64 - 10.0).powi(2) + (x as f64 - 10.0).powi(2));
/// let picture = Chi2Surface {
///     title: "a bowl".into(),
///     remark: String::new(),
///     chi2,
///     center: [1.25, -0.5],
///     reach: [0.04; 2],
///     levels: [2.30, 6.18, 11.83],
///     errors: [[0.01; 2]; 2],
/// }
/// .draw()?;
/// assert!(picture.png().starts_with(b"\x89PNG"));
/// # Ok::<(), nonius::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Chi2Surface {
    /// Stands above it.
    pub title: String,
    /// Stands below it.
    pub remark: String,
    /// χ²; rows are dy from `center[0] − reach[0]` to `center[0] + reach[0]`, columns dx likewise.
    pub chi2: Array2<f64>,
    /// The best fit `(y, x)` px.
    pub center: [f64; 2],
    /// Half height and half width, px.
    pub reach: [f64; 2],
    /// How far above its least value χ² has its contours.
    pub levels: [f64; 3],
    /// Distances `[below, above]` px to the limits along y and x.
    pub errors: [[f64; 2]; 2],
}

const SIDE: f64 = 400.0;
const LEFT: f64 = 92.0;
const TOP: f64 = 66.0;
/// White to blue; dark enough to show, light enough for black contours.
const SHADES: [Rgb; 4] = [[255, 255, 255], [208, 225, 242], [130, 178, 216], [62, 118, 172]];

impl Chi2Surface {
    /// Draws it.
    ///
    /// # Errors
    /// [`Error::Parameter`] for fewer than 2 × 2 samples, for samples none of which is finite, and for a centre
    /// or reach that is not finite, the latter above 0.
    pub fn draw(&self) -> Result<Picture> {
        let (rows, columns) = self.chi2.dim();
        if rows < 2 || columns < 2 {
            return Err(Error::parameter("chi2", "at least 2 × 2 samples", format!("{rows} × {columns}")));
        }
        let least = self.chi2.iter().copied().filter(|v| v.is_finite()).fold(f64::INFINITY, f64::min);
        if !least.is_finite() {
            return Err(Error::parameter("chi2", "finite somewhere", "nothing but NaN"));
        }
        if self.center.iter().any(|v| !v.is_finite()) {
            return Err(Error::parameter("center", "finite", format!("{:?}", self.center)));
        }
        if let Some(bad) = self.reach.iter().find(|r| !(**r > 0.0 && r.is_finite())) {
            return Err(Error::parameter("reach", "above 0 and finite", bad));
        }
        let rise = self.chi2.mapv(|v| (v - least).max(0.0));
        let highest = rise.iter().copied().filter(|v| v.is_finite()).fold(0.0, f64::max);
        let highest = if highest > 0.0 { highest } else { 1.0 };
        // Differences of the least significant digits are told from the best fit.
        let tiny = self.reach.iter().any(|r| *r < 5e-4);
        let (unit, zero) = if tiny { (1e-6, [0.0; 2]) } else { (1.0, self.center) };
        let span = |axis: usize| {
            let half = self.reach[axis] / unit;
            (zero[axis] - half, zero[axis] + half)
        };
        let names = if tiny {
            let about = |c: f64| format!("{c:.6}").replace('-', "−");
            let [y, x] = self.center.map(about);
            [format!("(dx − {x}) / µpx"), format!("(dy − {y}) / µpx (downwards)")]
        } else {
            ["dx / px".into(), "dy / px (downwards)".into()]
        };

        let mut canvas =
            Canvas::new(LEFT + SIDE + 104.0, TOP + SIDE + if self.remark.is_empty() { 52.0 } else { 76.0 });
        let axes =
            Axes { left: LEFT, top: TOP, width: SIDE, height: SIDE, x: span(1), y: span(0), y_down: true };
        axes.draw(&mut canvas, "", &names[0], &names[1]);
        canvas.text((LEFT, 26.0), Anchor::Start, 15, INK, &self.title);
        canvas.text((LEFT, TOP + SIDE + 60.0), Anchor::Start, 12, FAINT, &self.remark);
        let levels = self.levels.map(|l| number(l, if l < 100.0 { 0.01 } else { 1.0 }));
        let remark = format!("contours: Δχ² = {}", levels.join(", "));
        canvas.text((LEFT, TOP - 12.0), Anchor::Start, 12, FAINT, &remark);

        let side = (SIDE * SCALE as f64) as usize;
        canvas.pixels((LEFT, TOP), (side, side), |row, column| {
            let along = |i: usize, n: usize| (i as f64 + 0.5) / side as f64 * (n - 1) as f64;
            shade((between(&rise, along(row, rows), along(column, columns)) / highest).sqrt())
        });
        canvas.outline((LEFT, TOP), (SIDE, SIDE));
        let place =
            |y: f64, x: f64| (LEFT + SIDE * x / (columns - 1) as f64, TOP + SIDE * y / (rows - 1) as f64);
        for (i, &level) in self.levels.iter().enumerate() {
            let segments = contour(&rise, level);
            for &[a, b] in &segments {
                canvas.line(place(a.0, a.1), place(b.0, b.1), INK, 1.1);
            }
            let top = segments.iter().flatten().min_by(|a, b| a.0.total_cmp(&b.0));
            if let Some((x, y)) = top.map(|p| place(p.0, p.1)).filter(|p| p.1 > TOP + 18.0) {
                canvas.text((x, y - 5.0), Anchor::Middle, 12, INK, &format!("{} σ", i + 1));
            }
        }

        let at = |d: f64, axis: usize| zero[axis] + d / unit;
        let [[up, down], [left, right]] = self.errors.map(|e| e.map(|v| if v.is_finite() { v } else { 0.0 }));
        let (x, y) = (at(0.0, 1), at(0.0, 0));
        let bound = |d: f64, axis: usize| at(d.clamp(-self.reach[axis], self.reach[axis]), axis);
        let (from, to) = (axes.place(bound(-left, 1), y), axes.place(bound(right, 1), y));
        canvas.line(from, to, ORANGE, 1.8);
        let (from, to) = (axes.place(x, bound(-up, 0)), axes.place(x, bound(down, 0)));
        canvas.line(from, to, ORANGE, 1.8);
        canvas.dot(axes.place(x, y), 3.6, ORANGE);
        canvas.dot((LEFT + SIDE - 58.0, TOP - 16.0), 3.6, ORANGE);
        canvas.text((LEFT + SIDE, TOP - 12.0), Anchor::End, 12, INK, "best fit");
        bar(&mut canvas, highest);
        Ok(canvas.finish())
    }
}

/// What the colours mean; equal steps are of √Δχ².
fn bar(canvas: &mut Canvas, highest: f64) {
    let (x, thick) = (LEFT + SIDE + 26.0, 11.0);
    let rows = (SIDE * SCALE as f64) as usize;
    canvas.pixels((x, TOP), (rows, (thick * SCALE as f64) as usize), |row, _| {
        shade(1.0 - (row as f64 + 0.5) / rows as f64)
    });
    canvas.outline((x, TOP), (thick, SIDE));
    let marks = ticks(0.0, highest, 5);
    for &v in &marks.places {
        let y = TOP + SIDE * (1.0 - (v / highest).sqrt());
        canvas.line((x + thick, y), (x + thick + 3.0, y), INK, 0.5);
        canvas.text((x + thick + 7.0, y + 4.0), Anchor::Start, 11, INK, &number(v, marks.step));
    }
    canvas.text((x, TOP - 12.0), Anchor::Start, 12, INK, "Δχ²");
}

/// A colour of `SHADES`, `t` from 0 to 1; gray for NaN.
fn shade(t: f64) -> Rgb {
    if t.is_nan() {
        return [215; 3];
    }
    let x = t.clamp(0.0, 1.0) * (SHADES.len() - 1) as f64;
    let i = (x as usize).min(SHADES.len() - 2);
    let part = x - i as f64;
    std::array::from_fn(|c| {
        (f64::from(SHADES[i][c]) * (1.0 - part) + f64::from(SHADES[i + 1][c]) * part).round() as u8
    })
}

/// Bilinear.
fn between(values: &Array2<f64>, y: f64, x: f64) -> f64 {
    let (i, j) = ((y as usize).min(values.nrows() - 2), (x as usize).min(values.ncols() - 2));
    let (v, u) = (y - i as f64, x - j as f64);
    let row = |i: usize| values[(i, j)] * (1.0 - u) + values[(i, j + 1)] * u;
    row(i) * (1.0 - v) + row(i + 1) * v
}

/// Where `values` cross `level`: segments between points `(row, column)`, cell by cell.
fn contour(values: &Array2<f64>, level: f64) -> Vec<[(f64, f64); 2]> {
    let mut segments = Vec::new();
    for i in 0..values.nrows() - 1 {
        for j in 0..values.ncols() - 1 {
            let corners = [(i, j), (i, j + 1), (i + 1, j + 1), (i + 1, j)];
            let mut crossings = Vec::with_capacity(4);
            for k in 0..4 {
                let (from, to) = (corners[k], corners[(k + 1) % 4]);
                let (a, b) = (values[from], values[to]);
                if (a < level) != (b < level) && a.is_finite() && b.is_finite() {
                    let t = (level - a) / (b - a);
                    let mix = |p: usize, q: usize| p as f64 * (1.0 - t) + q as f64 * t;
                    crossings.push((mix(from.0, to.0), mix(from.1, to.1)));
                }
            }
            segments.extend(crossings.as_chunks::<2>().0);
        }
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bowl() -> Array2<f64> {
        Array2::from_shape_fn((41, 41), |(y, x)| (y as f64 - 20.0).powi(2) + (x as f64 - 20.0).powi(2))
    }

    #[test]
    fn the_contour_of_a_bowl_is_a_circle() {
        let segments = contour(&bowl(), 100.0);
        for (y, x) in segments.iter().flatten() {
            // The bowl is 1/4 above its chord in the middle of a cell: 1/80 of a radius of 10.
            assert!(((y - 20.0).hypot(x - 20.0) - 10.0).abs() < 0.02, "({y}, {x})");
        }
        let length: f64 = segments.iter().map(|[a, b]| (a.0 - b.0).hypot(a.1 - b.1)).sum();
        assert!((length / (20.0 * std::f64::consts::PI) - 1.0).abs() < 0.01, "{length}");
    }

    #[test]
    fn what_cannot_be_drawn_is_an_error() {
        let good = Chi2Surface {
            title: String::new(),
            remark: String::new(),
            chi2: bowl(),
            center: [0.0; 2],
            reach: [1e-5; 2],
            levels: [1.0, 4.0, 9.0],
            errors: [[f64::NAN; 2]; 2],
        };
        assert!(good.draw().is_ok());
        assert!(Chi2Surface { chi2: Array2::zeros((1, 5)), ..good.clone() }.draw().is_err());
        assert!(Chi2Surface { chi2: Array2::from_elem((5, 5), f64::NAN), ..good.clone() }.draw().is_err());
        assert!(Chi2Surface { reach: [0.0, 1.0], ..good.clone() }.draw().is_err());
        assert!(Chi2Surface { center: [f64::NAN; 2], ..good }.draw().is_err());
    }
}
