//! Linear axes with round numbers.

use super::canvas::{Anchor, Canvas};
use super::colors::{GRID, INK, Rgb};

/// Round numbers within a range.
pub(crate) struct Ticks {
    pub(crate) places: Vec<f64>,
    pub(crate) step: f64,
}

/// About `wanted` multiples of 1, 2 or 5 times a power of ten between `low` and `high`.
pub(crate) fn ticks(low: f64, high: f64, wanted: usize) -> Ticks {
    let raw = (high - low) / wanted.max(1) as f64;
    let decade = 10f64.powf(raw.log10().floor());
    let step = decade
        * match raw / decade {
            m if m < 1.5 => 1.0,
            m if m < 3.5 => 2.0,
            m if m < 7.5 => 5.0,
            _ => 10.0,
        };
    let slack = 1e-9 * (high - low);
    let (first, last) = (((low - slack) / step).ceil(), ((high + slack) / step).floor());
    if !(step > 0.0 && step.is_finite() && last - first < 100.0) {
        return Ticks { places: Vec::new(), step: 1.0 };
    }
    let places = (0..=(last - first) as usize).map(|i| (first + i as f64) * step).collect();
    Ticks { places, step }
}

/// `value` with as many decimals as steps of `step` need, with a true minus sign.
pub(crate) fn number(value: f64, step: f64) -> String {
    let text = if value.abs().max(step) >= 1e6 || (step > 0.0 && step < 1e-5) {
        format!("{value:.1e}")
    } else {
        let decimals = (-step.log10().floor()).clamp(0.0, 8.0) as usize;
        // Zero has no sign.
        format!("{:.decimals$}", if value.abs() < 1e-9 * step { 0.0 } else { value })
    };
    text.replace('-', "−")
}

/// A rectangle with a scale on its lower and left side. `x` grows to the right; `y` downwards if so told.
pub(crate) struct Axes {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) x: (f64, f64),
    pub(crate) y: (f64, f64),
    pub(crate) y_down: bool,
}

impl Axes {
    /// Where a point lies on the canvas.
    pub(crate) fn place(&self, x: f64, y: f64) -> (f64, f64) {
        let along = |v: f64, (low, high): (f64, f64)| (v - low) / (high - low);
        let t = along(y, self.y);
        (
            self.left + self.width * along(x, self.x),
            self.top + self.height * if self.y_down { t } else { 1.0 - t },
        )
    }

    /// Grid, numbers and names.
    pub(crate) fn draw(&self, canvas: &mut Canvas, title: &str, x_name: &str, y_name: &str) {
        let (right, bottom) = (self.left + self.width, self.top + self.height);
        let xs = ticks(self.x.0, self.x.1, (self.width / 75.0) as usize);
        for &v in &xs.places {
            let (x, _) = self.place(v, self.y.0);
            canvas.line((x, self.top), (x, bottom), GRID, 0.5);
            canvas.text((x, bottom + 16.0), Anchor::Middle, 11, INK, &number(v, xs.step));
        }
        let ys = ticks(self.y.0, self.y.1, (self.height / 65.0) as usize);
        for &v in &ys.places {
            let (_, y) = self.place(self.x.0, v);
            canvas.line((self.left, y), (right, y), GRID, 0.5);
            canvas.text((self.left - 7.0, y + 4.0), Anchor::End, 11, INK, &number(v, ys.step));
        }
        canvas.outline((self.left, self.top), (self.width, self.height));
        canvas.text((self.left, self.top - 10.0), Anchor::Start, 13, INK, title);
        canvas.text((self.left + self.width / 2.0, bottom + 34.0), Anchor::Middle, 12, INK, x_name);
        canvas.text_up((self.left - 58.0, self.top + self.height / 2.0), 12, y_name);
    }

    /// Dashes at zero, where zero is in view.
    pub(crate) fn zero_lines(&self, canvas: &mut Canvas, ink: Rgb) {
        let (right, bottom) = (self.left + self.width, self.top + self.height);
        let (x, y) = self.place(0.0, 0.0);
        if self.left < x && x < right {
            canvas.dashes((x, self.top), (x, bottom), ink);
        }
        if self.top < y && y < bottom {
            canvas.dashes((self.left, y), (right, y), ink);
        }
    }
}

/// A range that holds all finite `values` with a margin; at least `least` wide.
pub(crate) fn range(values: impl Iterator<Item = f64>, least: f64) -> (f64, f64) {
    let start = (f64::INFINITY, f64::NEG_INFINITY);
    let (low, high) =
        values.filter(|v| v.is_finite()).fold(start, |(low, high), v| (low.min(v), high.max(v)));
    if low > high {
        return (-0.5 * least, 0.5 * least);
    }
    let (middle, half) = (0.5 * (low + high), 0.5 * (high - low).max(least));
    (middle - 1.08 * half, middle + 1.08 * half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let t = ticks(-0.013, 0.0271, 4);
        assert_eq!(t.step, 0.01);
        assert_eq!(t.places.len(), 4);
        assert_eq!(number(-0.01, 0.01), "−0.01");
        assert_eq!(number(-0.0, 5.0), "0");
        assert!(ticks(0.0, f64::NAN, 4).places.is_empty());
        assert!(ticks(1.0, 1.0, 4).places.is_empty());
    }

    #[test]
    fn a_range_of_nothing_is_a_range() {
        assert_eq!(range([f64::NAN].into_iter(), 1.0), (-0.5, 0.5));
        let (low, high) = range([2.0, 2.0].into_iter(), 1.0);
        assert!(low < 2.0 && high > 2.0 && high - low >= 1.0);
    }
}
