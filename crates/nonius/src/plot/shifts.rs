//! Shifts with their error bars.

use nonius_core::{Error, Result};

use super::Picture;
use super::axes::{Axes, range};
use super::canvas::{Anchor, Canvas};
use super::colors::{BLUE, FAINT, INK, ORANGE, Rgb};

/// One measured shift.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShiftPoint {
    /// What was found, `(y, x)` px.
    pub found: [f64; 2],
    /// Standard errors `(y, x)` px.
    pub errors: [f64; 2],
    /// What is true, where it is known, `(y, x)` px.
    pub truth: Option<[f64; 2]>,
}

/// A picture of shifts, two panels: where they lie, and how far off or one after the other.
///
/// The left panel has dx to the right and dy downwards, as in the images. The right panel shows found
/// minus true with 1σ bars if any truth is known, else both components against the number of the image.
/// Points that are not finite are left out.
///
/// ```
/// use nonius::plot::{ShiftPoint, ShiftScatter};
/// let points = [ShiftPoint { found: [1.26, -0.5], errors: [0.01; 2], truth: Some([1.25, -0.5]) }];
/// let picture = ShiftScatter { title: "one shift".into(), points: points.to_vec() }.draw()?;
/// assert!(picture.png().starts_with(b"\x89PNG"));
/// # Ok::<(), nonius::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ShiftScatter {
    /// Stands above both panels.
    pub title: String,
    /// The shifts, in the order of the images.
    pub points: Vec<ShiftPoint>,
}

const SIDE: f64 = 330.0;
const LEFT: f64 = 84.0;
const TOP: f64 = 72.0;
const APART: f64 = 104.0;

impl ShiftScatter {
    /// Draws it.
    ///
    /// # Errors
    /// [`Error::Parameter`] if no point is finite.
    pub fn draw(&self) -> Result<Picture> {
        let finite = |p: &&ShiftPoint| p.found.iter().all(|v| v.is_finite());
        let points: Vec<ShiftPoint> = self.points.iter().filter(finite).copied().collect();
        if points.is_empty() {
            return Err(Error::parameter("points", "at least one finite shift", "none"));
        }
        let with_truth = points.iter().any(|p| p.truth.is_some());
        let right_width = if with_truth { SIDE } else { 1.45 * SIDE };
        let mut canvas = Canvas::new(LEFT + SIDE + APART + right_width + 26.0, TOP + SIDE + 50.0);
        canvas.text((LEFT, 28.0), Anchor::Start, 15, INK, &self.title);
        plane(&mut canvas, &points);
        let corner = (LEFT + SIDE + APART, right_width);
        if with_truth {
            misses(&mut canvas, corner, &points)
        } else {
            sequence(&mut canvas, corner, &points)
        }
        Ok(canvas.finish())
    }
}

/// Where the shifts lie in the plane.
fn plane(canvas: &mut Canvas, points: &[ShiftPoint]) {
    let truths = || points.iter().filter_map(|p| p.truth);
    let both = |axis: usize| range(points.iter().map(|p| p.found).chain(truths()).map(move |p| p[axis]), 1.0);
    let [y, x] = square([both(0), both(1)]);
    let axes = Axes { left: LEFT, top: TOP, width: SIDE, height: SIDE, x, y, y_down: true };
    axes.draw(canvas, "shifts", "dx / px", "dy / px (downwards)");
    axes.zero_lines(canvas, FAINT);
    // A line through many points in sequence shows the path of a drift.
    if points.len() > 12 {
        for pair in points.windows(2) {
            let [a, b] = [pair[0].found, pair[1].found].map(|p| axes.place(p[1], p[0]));
            canvas.line(a, b, [200, 215, 228], 0.8);
        }
    }
    let r = radius(points.len());
    for p in points {
        bars(canvas, &axes, p.found, p.errors, BLUE);
        canvas.dot(axes.place(p.found[1], p.found[0]), r, BLUE);
        if let Some(t) = p.truth {
            canvas.ring(axes.place(t[1], t[0]), r + 3.0, ORANGE);
        }
    }
    let mut legend = vec![(BLUE, true, "found")];
    if truths().next().is_some() {
        legend.push((ORANGE, false, "true"));
    }
    let at = LEFT + SIDE - 70.0 * legend.len() as f64;
    for (i, (ink, filled, name)) in legend.into_iter().enumerate() {
        let x = at + 70.0 * i as f64 + 12.0;
        if filled {
            canvas.dot((x, TOP - 14.0), 4.0, ink)
        } else {
            canvas.ring((x, TOP - 14.0), 5.0, ink)
        }
        canvas.text((x + 11.0, TOP - 10.0), Anchor::Start, 12, INK, name);
    }
}

/// Found minus true.
fn misses(canvas: &mut Canvas, (left, width): (f64, f64), points: &[ShiftPoint]) {
    let misses: Vec<([f64; 2], [f64; 2])> = points
        .iter()
        .filter_map(|p| p.truth.map(|t| ([p.found[0] - t[0], p.found[1] - t[1]], p.errors)))
        .collect();
    let sizes = misses.iter().flat_map(|(d, e)| (0..2).map(move |i| d[i].abs() + finite_or_0(e[i])));
    let size = 1.1 * sizes.fold(1e-6, f64::max);
    let axes = Axes { left, top: TOP, width, height: SIDE, x: (-size, size), y: (-size, size), y_down: true };
    axes.draw(canvas, "found − true, with 1σ bars", "error of dx / px", "error of dy / px (downwards)");
    axes.zero_lines(canvas, ORANGE);
    for (d, errors) in misses {
        bars(canvas, &axes, d, errors, BLUE);
        canvas.dot(axes.place(d[1], d[0]), radius(points.len()), BLUE);
    }
}

/// Both components against the number of the image.
fn sequence(canvas: &mut Canvas, (left, width): (f64, f64), points: &[ShiftPoint]) {
    let x = (-0.5, points.len() as f64 - 0.5);
    let y = range(points.iter().flat_map(|p| p.found), 1.0);
    let axes = Axes { left, top: TOP, width, height: SIDE, x, y, y_down: false };
    axes.draw(canvas, "one after the other, with 1σ bars", "image", "shift / px");
    let r = radius(points.len());
    for (component, ink, name) in [(0, BLUE, "dy"), (1, ORANGE, "dx")] {
        for (i, p) in points.iter().enumerate() {
            let (v, e) = (p.found[component], finite_or_0(p.errors[component]));
            canvas.line(axes.place(i as f64, v - e), axes.place(i as f64, v + e), ink, 1.0);
            canvas.dot(axes.place(i as f64, v), r, ink);
        }
        let at = left + width - 110.0 + 55.0 * component as f64;
        canvas.dot((at, TOP - 14.0), 4.0, ink);
        canvas.text((at + 10.0, TOP - 10.0), Anchor::Start, 12, INK, name);
    }
}

fn bars(canvas: &mut Canvas, axes: &Axes, at: [f64; 2], errors: [f64; 2], ink: Rgb) {
    let [ey, ex] = errors.map(finite_or_0);
    canvas.line(axes.place(at[1] - ex, at[0]), axes.place(at[1] + ex, at[0]), ink, 1.0);
    canvas.line(axes.place(at[1], at[0] - ey), axes.place(at[1], at[0] + ey), ink, 1.0);
}

fn finite_or_0(v: f64) -> f64 {
    if v.is_finite() { v } else { 0.0 }
}

fn radius(n: usize) -> f64 {
    if n > 60 { 2.0 } else { 3.2 }
}

/// Both ranges with the length of the longer, so that a pixel is as wide as high.
fn square(ranges: [(f64, f64); 2]) -> [(f64, f64); 2] {
    let half = ranges.map(|(low, high)| 0.5 * (high - low)).into_iter().fold(0.0, f64::max);
    ranges.map(|(low, high)| (0.5 * (low + high) - half, 0.5 * (low + high) + half))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undetermined_points_are_left_out() {
        let nan = ShiftPoint { found: [f64::NAN; 2], errors: [f64::NAN; 2], truth: None };
        let good = ShiftPoint { found: [0.0; 2], errors: [f64::NAN; 2], truth: None };
        let draw =
            |points: &[ShiftPoint]| ShiftScatter { title: String::new(), points: points.to_vec() }.draw();
        assert!(draw(&[]).is_err() && draw(&[nan]).is_err());
        assert!(draw(&[nan, good]).is_ok());
    }
}
