//! Templates that are images.

use std::sync::Arc;

use ndarray::{Array2, ArrayView2, s};
use nonius_core::masks::check_search;
use nonius_core::{Error, Result, SplineDegree, SplineImage, check_finite, check_not_empty};

use super::{Shape, Template};

/// Zeros around an image before it is interpolated: a cubic spline has forgotten an edge after these.
const MARGIN: usize = 8;

/// An image with a centre.
#[derive(Debug, Clone)]
pub(super) struct ImageTemplate {
    image: Arc<Array2<f64>>,
    /// The image with `MARGIN` zeros on every side.
    spline: Arc<SplineImage<f64>>,
    center: [f64; 2],
}

impl Template {
    /// A template that is an image of any size, zero around it. `center` is the place `(y, x)` in it that is meant by
    /// the position of a disk, by default the middle pixel `(⌊h/2⌋, ⌊w/2⌋)`; `search` is how far to look, px, by default
    /// half the diagonal of the image.
    ///
    /// # Errors
    /// [`Error::Empty`] or [`Error::NotFinite`] for such an image; [`Error::Parameter`] if all its values are 0, for a
    /// centre that is not within the image, and for a `search` that is not above 0 and at most 4096.
    pub fn from_image(
        image: ArrayView2<'_, f64>,
        center: Option<[f64; 2]>,
        search: Option<f64>,
    ) -> Result<Self> {
        check_not_empty("template image", image.shape())?;
        check_finite("template image", image)?;
        let (h, w) = image.dim();
        if image.iter().all(|v| *v == 0.0) {
            return Err(Error::parameter("template image", "other than 0 somewhere", "zeros"));
        }
        let center = center.unwrap_or([(h / 2) as f64, (w / 2) as f64]);
        let within = |c: f64, n: usize| 0.0 <= c && c <= (n - 1) as f64;
        if !(within(center[0], h) && within(center[1], w)) {
            return Err(Error::parameter("center", "within the template image", format!("{center:?}")));
        }
        let search = search.unwrap_or((h as f64).hypot(w as f64) / 2.0);
        check_search(search, 0.0)?;
        let mut padded = Array2::zeros((h + 2 * MARGIN, w + 2 * MARGIN));
        padded.slice_mut(s![MARGIN..MARGIN + h, MARGIN..MARGIN + w]).assign(&image);
        let spline = Arc::new(SplineImage::new(padded.view(), SplineDegree::Cubic)?);
        let image = ImageTemplate { image: Arc::new(image.to_owned()), spline, center };
        Ok(Template { shape: Shape::Image(image), search, compatible: false })
    }
}

impl ImageTemplate {
    pub(super) fn shape(&self) -> [f64; 2] {
        [self.image.nrows() as f64, self.image.ncols() as f64]
    }

    pub(super) fn center(&self) -> [f64; 2] {
        self.center
    }

    /// The image with its centre at `center` of an image of `shape`.
    pub(super) fn placed(&self, shape: (usize, usize), center: [f64; 2]) -> Array2<f64> {
        let corner = [center[0] - self.center[0], center[1] - self.center[1]];
        if corner.iter().all(|c| c.fract() == 0.0) {
            return Array2::from_shape_fn(shape, |(y, x)| {
                let (y, x) = (y as f64 - corner[0], x as f64 - corner[1]);
                // A negative place would be cut to 0.
                let within = y >= 0.0 && x >= 0.0;
                within.then(|| self.image.get((y as usize, x as usize))).flatten().copied().unwrap_or(0.0)
            });
        }
        let margin = MARGIN as f64;
        Array2::from_shape_fn(shape, |(y, x)| {
            let place = [y as f64 - corner[0] + margin, x as f64 - corner[1] + margin];
            self.spline.value_at(place).unwrap_or(0.0)
        })
    }

    /// Greatest distance from the centre of a pixel that is not 0.
    pub(super) fn extent(&self) -> f64 {
        let distance = |y: usize, x: usize| (y as f64 - self.center[0]).hypot(x as f64 - self.center[1]);
        let bright = self.image.indexed_iter().filter(|(_, v)| **v != 0.0);
        bright.map(|((y, x), _)| distance(y, x)).fold(0.0, f64::max)
    }

    /// Value and slopes at `(dy, dx)` from the centre.
    pub(super) fn value_and_slopes(&self, [dy, dx]: [f64; 2]) -> (f64, [f64; 2]) {
        /// Short beside a pixel, long beside rounding.
        const STEP: f64 = 1e-3;
        let margin = MARGIN as f64;
        let at = |y: f64, x: f64| {
            let place = [y + self.center[0] + margin, x + self.center[1] + margin];
            self.spline.value_at(place).unwrap_or(0.0)
        };
        let slope = |low: f64, high: f64| (high - low) / (2.0 * STEP);
        let slopes =
            [slope(at(dy - STEP, dx), at(dy + STEP, dx)), slope(at(dy, dx - STEP), at(dy, dx + STEP))];
        (at(dy, dx), slopes)
    }

    pub(super) fn radius(&self) -> Option<f64> {
        let (mut sum, mut moment) = (0.0, 0.0);
        for ((y, x), &v) in self.image.indexed_iter().filter(|(_, v)| **v > 0.0) {
            sum += v;
            moment += v * ((y as f64 - self.center[0]).powi(2) + (x as f64 - self.center[1]).powi(2));
        }
        (moment > 0.0).then(|| (2.0 * moment / sum).sqrt())
    }
}
