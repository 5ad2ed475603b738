//! One map with its scale.

use ndarray::{Array2, s};
use nonius_core::{Axis, Result, check_not_empty, check_shape};

use super::Picture;
use super::axes::ticks;
use super::canvas::{Anchor, Canvas};
use super::colors::{ColorScale, FAINT, INK};
use super::heat::{ABOVE, BELOW, Fitted};

const SIDE: f64 = 420.0;
const EDGE: f64 = 22.0;
/// Images of few pixels still leave room for what is written about them.
const LEAST_WIDTH: f64 = 300.0;
/// A scale bar takes no more than this part of the width.
const LONGEST_BAR: f64 = 0.35;

/// What the colours of a map mean. All tell values apart for every common kind of colour vision.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub enum MapColors {
    /// More is brighter. The default.
    #[default]
    Amount,
    /// Blue below zero, white at zero, red above.
    Signed,
    /// Values that differ by the period are alike, as directions are.
    Cyclic {
        /// In the unit of the values.
        period: f64,
    },
    /// Values are whole numbers from 0 that stand for these names.
    Categories(Vec<String>),
}

/// A map over the frame or over the scan: its colours with what they mean, and a bar of known length.
///
/// Values that span a large range (bright spots on a dim ground) are shown by their square root, and the colour
/// bar shows that.
///
/// ```
/// use ndarray::{Array2, s};
/// use nonius::core::Axis;
/// let axis = |name: &str| Axis { name: name.into(), size: 64, scale: 0.02, offset: 0.0, unit: "1/nm".into() };
/// let picture = nonius::plot::Map {
///     title: "standard deviation".into(),
///     values: Array2::from_shape_fn((64, 64), |(y, x)| (-((y as f64 - 32.0).hypot(x as f64 - 32.0)) / 4.0).exp()),
///     axes: [axis("Qy"), axis("Qx")],
///     colors: Default::default(),
/// }
/// .draw()?;
/// assert!(picture.png().starts_with(b"\x89PNG"));
/// # Ok::<(), nonius::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// Stands above it.
    pub title: String,
    /// The values `(y, x)`; NaN is hatched.
    pub values: Array2<f64>,
    /// What one pixel measures along y and x.
    pub axes: [Axis; 2],
    /// What colours mean.
    pub colors: MapColors,
}

impl Map {
    /// Draws it.
    ///
    /// # Errors
    /// [`nonius_core::Error::Empty`] for a map without values, [`nonius_core::Error::Shape`] if the axes are of
    /// another size.
    pub fn draw(&self) -> Result<Picture> {
        check_not_empty("map", self.values.shape())?;
        check_shape("axes", self.values.shape(), &[self.axes[0].size, self.axes[1].size])?;
        let scale = match &self.colors {
            MapColors::Amount => ColorScale::map(self.values.view()),
            MapColors::Signed => ColorScale::diverging(self.values.view()),
            MapColors::Cyclic { period } => ColorScale::cyclic(self.values.view(), *period),
            MapColors::Categories(names) => ColorScale::Categories(names.len()),
        };
        // The mean of two names is none.
        let step = match self.colors {
            MapColors::Categories(_) => {
                (self.values.nrows().max(self.values.ncols()) as f64 / SIDE).ceil() as usize
            }
            _ => 1,
        };
        let image = Fitted::new(self.values.slice(s![..;step, ..;step]), SIDE);
        let (width, height) = image.size();
        let room = width.max(LEAST_WIDTH);
        let mut canvas = Canvas::new(2.0 * EDGE + room, 2.0 * EDGE + ABOVE + height + BELOW);
        let at = (EDGE, EDGE + ABOVE);
        let (h, w) = self.values.dim();
        image.draw(&mut canvas, at, scale, &self.title, &format!("{h} × {w}"));
        self.scale_bar(&mut canvas, (at.0 + room, at.1 + height + 17.0), width);
        Ok(canvas.finish())
    }

    /// A line of round length that ends at `right`, with its length beside it.
    fn scale_bar(&self, canvas: &mut Canvas, right: (f64, f64), width: f64) {
        let axis = &self.axes[1];
        let per_pixel = if axis.is_calibrated() { axis.scale.abs() } else { 1.0 };
        let whole = axis.size as f64 * per_pixel;
        // The step of about three marks is a round length that fits.
        let mut length = ticks(0.0, whole, 4).step;
        if length > LONGEST_BAR * whole {
            length = ticks(0.0, whole, 8).step;
        }
        if !(length > 0.0 && length <= whole) {
            return;
        }
        let unit = if axis.is_calibrated() { &axis.unit } else { "px" };
        let text = format!("{} {unit}", short(length));
        let (end, y) = (right.0, right.1 - 4.0);
        canvas.text((end, right.1), Anchor::End, 12, INK, &text);
        // Widths of this text's letters are about half its height.
        let beside = end - 7.0 * text.chars().count() as f64 - 6.0;
        let start = beside - width * length / whole;
        canvas.line((start, y), (beside, y), INK, 2.5);
        for x in [start, beside] {
            canvas.line((x, y - 4.0), (x, y + 4.0), FAINT, 1.0);
        }
    }
}

/// A round number without zeros behind it.
fn short(value: f64) -> String {
    if (1e-3..1e6).contains(&value) {
        let text = format!("{value:.4}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        format!("{value:.0e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_maps_make_pictures() {
        for (shape, fill, unit) in [
            ((1, 1), 0.0, "px"),
            ((3, 900), f64::NAN, "nm"),
            ((70, 2), -1e30, "1/nm"),
            ((5, 5), f64::INFINITY, ""),
        ] {
            let axes = [shape.0, shape.1].map(|size| Axis {
                name: "axis".into(),
                size,
                scale: 1e-7,
                offset: 0.0,
                unit: unit.into(),
            });
            let map = Map {
                title: "odd".into(),
                values: Array2::from_elem(shape, fill),
                axes,
                colors: MapColors::Amount,
            };
            assert!(map.draw().is_ok());
            let names = MapColors::Categories(vec!["one".into(); 3]);
            for colors in [
                MapColors::Signed,
                MapColors::Cyclic { period: 180.0 },
                MapColors::Cyclic { period: 0.0 },
                names,
            ] {
                assert!(Map { colors, ..map.clone() }.draw().is_ok());
            }
            let other = [Axis::pixels("y", shape.0), Axis::pixels("x", shape.1 + 1)];
            assert!(Map { axes: other, ..map }.draw().is_err());
        }
    }

    #[test]
    fn lengths_are_short() {
        assert_eq!((short(0.5), short(20.0), short(1e-7)), ("0.5".into(), "20".into(), "1e-7".into()));
    }
}
