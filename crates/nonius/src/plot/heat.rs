//! An image as a panel, with a bar that says what its colours mean.

use ndarray::{Array2, ArrayView2, s};

use super::axes::{number, ticks};
use super::canvas::{Anchor, Canvas, SCALE};
use super::colors::{ColorScale, FAINT, INK, Rgb};

/// Space that a panel takes beyond its image: title above, remark and colour bar below.
pub(crate) const ABOVE: f64 = 22.0;
pub(crate) const BELOW: f64 = 62.0;

/// How an image fills a square of given size: enlarged by a whole factor, or averaged.
pub(crate) struct Fitted {
    pixels: Array2<f64>,
    factor: usize,
}

impl Fitted {
    pub(crate) fn new(image: ArrayView2<'_, f64>, side: f64) -> Self {
        let room = (side * SCALE as f64) as usize;
        let longest = image.dim().0.max(image.dim().1).max(1);
        if longest <= room {
            return Fitted { pixels: image.to_owned(), factor: room / longest };
        }
        let shrunk = |n: usize| (n * room / longest).max(1);
        let (h, w) = image.dim();
        let (rows, columns) = (shrunk(h), shrunk(w));
        let pixels = Array2::from_shape_fn((rows, columns), |(i, j)| {
            let span = |k: usize, n: usize, out: usize| k * n / out..((k + 1) * n / out).max(k * n / out + 1);
            mean(image.slice(s![span(i, h, rows), span(j, w, columns)]))
        });
        Fitted { pixels, factor: 1 }
    }

    /// Width and height in units of the canvas.
    pub(crate) fn size(&self) -> (f64, f64) {
        let unit = self.factor as f64 / SCALE as f64;
        (self.pixels.dim().1 as f64 * unit, self.pixels.dim().0 as f64 * unit)
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
        let (h, w) = self.pixels.dim();
        let factor = self.factor;
        let ink = |row, column| scale.color(self.pixels[(row / factor, column / factor)], (row, column));
        canvas.pixels(at, (h * factor, w * factor), ink);
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
    let wanted = if width < 120.0 { 2 } else { 4 };
    let marks = ticks(low, high, wanted);
    for &mark in &marks.places {
        let place = x + width * (mark - low) / (high - low);
        canvas.line((place, y + THICK), (place, y + THICK + 3.0), INK, 0.5);
        canvas.text((place, y + THICK + 15.0), Anchor::Middle, 11, INK, &number(mark, marks.step));
    }
}
