//! An image as a panel, with a bar that says what its colours mean.

use ndarray::{Array2, ArrayView2, s};

use super::axes::{number, ticks};
use super::canvas::{Anchor, Canvas, SCALE};
use super::colors::{ColorScale, FAINT, INK, Rgb};

/// Space that a panel takes beyond its image: title above, remark and colour bar below.
pub(crate) const ABOVE: f64 = 22.0;
pub(crate) const BELOW: f64 = 62.0;

/// An image in the pixels of the picture: enlarged by repeating its own, or reduced by averaging them.
pub(crate) struct Fitted {
    pixels: Array2<f64>,
}

impl Fitted {
    /// Fits `image` into a square of `side` units.
    pub(crate) fn new(image: ArrayView2<'_, f64>, side: f64) -> Self {
        let room = (side * SCALE as f64) as usize;
        let (h, w) = image.dim();
        let longest = h.max(w).max(1);
        let fitted = |n: usize| (n * room / longest).max(1);
        let (rows, columns) = (fitted(h), fitted(w));
        let span = |k: usize, n: usize, out: usize| k * n / out..((k + 1) * n / out).max(k * n / out + 1);
        let pixels = Array2::from_shape_fn((rows, columns), |(i, j)| {
            mean(image.slice(s![span(i, h, rows), span(j, w, columns)]))
        });
        Fitted { pixels }
    }

    /// Width and height in units of the canvas.
    pub(crate) fn size(&self) -> (f64, f64) {
        let (rows, columns) = self.pixels.dim();
        (columns as f64 / SCALE as f64, rows as f64 / SCALE as f64)
    }

    /// Draws the panel with its image's upper left corner at `at`.
    pub(crate) fn draw(
        &self,
        canvas: &mut Canvas,
        at: (f64, f64),
        scale: ColorScale,
        title: &str,
        remark: &str,
    ) {
        let (width, height) = self.size();
        canvas.pixels(at, self.pixels.dim(), |row, column| {
            scale.color(self.pixels[(row, column)], (row, column))
        });
        canvas.outline(at, (width, height));
        canvas.text((at.0, at.1 - 8.0), Anchor::Start, 13, INK, title);
        canvas.text((at.0, at.1 + height + 17.0), Anchor::Start, 12, FAINT, remark);
        color_bar(canvas, (at.0, at.1 + height + 27.0), width, scale);
    }
}

/// Mean of the finite pixels; NaN if there is none.
fn mean(block: ArrayView2<'_, f64>) -> f64 {
    let (sum, n) = block.iter().filter(|v| v.is_finite()).fold((0.0, 0usize), |(sum, n), v| (sum + v, n + 1));
    sum / n as f64
}

fn color_bar(canvas: &mut Canvas, (x, y): (f64, f64), width: f64, scale: ColorScale) {
    const THICK: f64 = 9.0;
    let (low, high) = scale.range();
    let columns = (width * SCALE as f64) as usize;
    let value = |c: usize| low + (high - low) * (c as f64 + 0.5) / columns as f64;
    let ink = |_, c| -> Rgb { scale.color(value(c), (0, 0)) };
    canvas.pixels((x, y), ((THICK * SCALE as f64) as usize, columns), ink);
    canvas.outline((x, y), (width, THICK));
    let marks = ticks(low, high, if width < 120.0 { 2 } else { 3 });
    for &mark in &marks.places {
        let part = (mark - low) / (high - low);
        let place = x + width * part;
        // Numbers at either end stay below their own bar.
        let anchor = match part {
            t if t < 0.06 => Anchor::Start,
            t if t > 0.94 => Anchor::End,
            _ => Anchor::Middle,
        };
        canvas.line((place, y + THICK), (place, y + THICK + 3.0), INK, 0.5);
        canvas.text((place, y + THICK + 15.0), anchor, 11, INK, &number(mark, marks.step));
    }
}
