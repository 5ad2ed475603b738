//! Images side by side.

use ndarray::{Array2, ArrayView3, Axis};
use nonius_core::{Error, Real, Result, check_not_empty};

use super::Picture;
use super::canvas::{Anchor, Canvas};
use super::colors::{ColorScale, INK};
use super::heat::{ABOVE, BELOW, Fitted};

/// Side of the square that each image fits in.
const SIDE: f64 = 240.0;
const GAP: f64 = 22.0;
const EDGE: f64 = 22.0;
/// Narrow images still need room for what is written about them.
const LEAST_WIDTH: f64 = 180.0;

/// Images of one row with one scale of gray, such as three cuts through a volume.
#[derive(Debug, Clone, PartialEq)]
pub struct PanelRow {
    /// Each with what stands above it and below it; NaN is hatched.
    pub panels: Vec<Panel>,
}

/// One image of a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// Stands above it.
    pub title: String,
    /// Stands below it, in small letters.
    pub remark: String,
    /// `(y, x)`, y downwards.
    pub image: Array2<f64>,
}

impl PanelRow {
    /// Three cuts through the middle of a volume `(x, y, z)`: across z, y and x, with the earlier axis to the right.
    ///
    /// # Errors
    /// [`Error::Empty`].
    pub fn through<F: Real>(volume: ArrayView3<'_, F>, name: &str) -> Result<PanelRow> {
        check_not_empty("volume", volume.shape())?;
        let cut = |axis: usize| {
            let index = volume.len_of(Axis(axis)) / 2;
            let image = volume.index_axis(Axis(axis), index).t().mapv(|v| v.f64());
            let [right, down] = [["y", "z"], ["x", "z"], ["x", "y"]][axis];
            Panel {
                title: format!("{name}: {} = {index}", ["x", "y", "z"][axis]),
                remark: format!("{right} to the right, {down} downwards"),
                image,
            }
        };
        Ok(PanelRow { panels: vec![cut(2), cut(1), cut(0)] })
    }
}

/// Rows of images. All images of a [`PanelRow`] have the gray scale of their first; with `one_scale` all rows have
/// that of the first row, so that before and after can be compared.
///
/// ```
/// use ndarray::Array2;
/// use nonius::plot::{Panel, PanelRow, Panels};
/// let image = Array2::from_shape_fn((20, 30), |(y, x)| (y * x) as f64);
/// let panel = Panel { title: "a product".into(), remark: "20 × 30 px".into(), image };
/// let picture = Panels { title: "one".into(), rows: vec![PanelRow { panels: vec![panel] }], one_scale: true };
/// assert!(picture.draw()?.png().starts_with(b"\x89PNG"));
/// # Ok::<(), nonius::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Panels {
    /// Stands above all rows.
    pub title: String,
    /// From top to bottom.
    pub rows: Vec<PanelRow>,
    /// Whether all rows share one scale of gray.
    pub one_scale: bool,
}

impl Panels {
    /// Draws it.
    ///
    /// # Errors
    /// [`Error::Parameter`] without an image, [`Error::Empty`] for an empty one.
    pub fn draw(&self) -> Result<Picture> {
        let Some(first) = self.rows.iter().find_map(|row| row.panels.first()) else {
            return Err(Error::parameter("rows", "with an image", "none"));
        };
        for panel in self.rows.iter().flat_map(|row| &row.panels) {
            check_not_empty("image", panel.image.shape())?;
        }
        let shared = ColorScale::gray(first.image.view());
        let fitted = |panel: &Panel| Fitted::new(panel.image.view(), SIDE);
        let rows: Vec<Vec<Fitted>> =
            self.rows.iter().map(|row| row.panels.iter().map(fitted).collect()).collect();
        let all = || rows.iter().flatten().map(Fitted::size);
        let step = all().map(|(width, _)| width).fold(LEAST_WIDTH, f64::max) + GAP;
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let heights: Vec<f64> =
            rows.iter().map(|row| row.iter().map(|f| f.size().1).fold(0.0, f64::max)).collect();
        let below: f64 = heights.iter().map(|height| ABOVE + height + BELOW).sum();
        let mut canvas = Canvas::new(2.0 * EDGE + columns as f64 * step - GAP, EDGE + 26.0 + below);
        canvas.text((EDGE, EDGE + 8.0), Anchor::Start, 15, INK, &self.title);
        let mut top = EDGE + 24.0 + ABOVE;
        for ((row, images), height) in self.rows.iter().zip(&rows).zip(&heights) {
            let own = row.panels.first().map_or(shared, |panel| ColorScale::gray(panel.image.view()));
            let scale = if self.one_scale { shared } else { own };
            for (column, (panel, image)) in row.panels.iter().zip(images).enumerate() {
                let at = (EDGE + column as f64 * step, top);
                image.draw(&mut canvas, at, scale, &panel.title, &panel.remark);
            }
            top += ABOVE + height + BELOW;
        }
        Ok(canvas.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_images_make_pictures_and_none_an_error() {
        let panel = |shape: (usize, usize), fill: f64| Panel {
            title: "odd".into(),
            remark: String::new(),
            image: Array2::from_elem(shape, fill),
        };
        let draw = |rows: Vec<Vec<Panel>>| {
            let rows = rows.into_iter().map(|panels| PanelRow { panels }).collect();
            Panels { title: "odd".into(), rows, one_scale: false }.draw()
        };
        assert!(draw(vec![]).is_err() && draw(vec![vec![]]).is_err());
        assert!(draw(vec![vec![panel((0, 4), 0.0)]]).is_err());
        let odd = [panel((1, 900), f64::NAN), panel((900, 1), 1e300), panel((3, 3), f64::INFINITY)];
        assert!(draw(vec![odd.to_vec(), vec![panel((2, 2), 0.0)], vec![]]).is_ok());
    }
}
