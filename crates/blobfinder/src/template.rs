//! What a disk is expected to look like.

mod data;
mod image;

use ndarray::Array2;
use nonius_core::Result;
use nonius_core::masks::{Stamps, TemplateKind, TemplateParams};

use image::ImageTemplate;

pub use data::DataTemplateParams;

/// What a disk is expected to look like, as a function that any raster can ask.
///
/// Its centre is where the caller puts it, on a pixel or between pixels: templates are evaluated there, never padded
/// from an image with a centre of its own.
///
/// ```
/// use nonius_blobfinder::{Template, TemplateKind, TemplateParams};
///
/// let params = TemplateParams::new(TemplateKind::BackgroundSubtraction, 4.0);
/// let template = Template::new(&params)?;
/// assert_eq!((template.search(), template.crop_size()), (8.0, 8));
/// let mask = template.mask((16, 16), [8.0, 8.25]);
/// assert_eq!(mask[[8, 8]], 1.0);
/// assert!(mask.sum().abs() < 1e-12);
/// # Ok::<(), nonius_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Template {
    shape: Shape,
    search: f64,
    compatible: bool,
}

#[derive(Debug, Clone)]
enum Shape {
    Formula(TemplateParams),
    Image(ImageTemplate),
}

impl Template {
    /// A template given by formula.
    ///
    /// # Errors
    /// Those of [`TemplateParams::validate`].
    pub fn new(params: &TemplateParams) -> Result<Self> {
        params.validate()?;
        Ok(Template { shape: Shape::Formula(params.clone()), search: params.reach(), compatible: false })
    }

    /// How far from an expected position to look, px.
    pub fn search(&self) -> f64 {
        self.search
    }

    /// `⌈search⌉`: half the side of the window around an expected position.
    pub fn crop_size(&self) -> usize {
        self.search.ceil() as usize
    }

    /// The parameters of a template given by formula.
    pub fn params(&self) -> Option<&TemplateParams> {
        match &self.shape {
            Shape::Formula(params) => Some(params),
            Shape::Image(_) => None,
        }
    }

    /// Radius of the disk, px. For an image it is that of the uniform disk whose positive values lie as far from the
    /// centre, `√(2 ⟨r²⟩)`; none if it has no positive values, or only at its centre.
    pub fn radius(&self) -> Option<f64> {
        match &self.shape {
            Shape::Formula(params) => Some(params.radius),
            Shape::Image(image) => image.radius(),
        }
    }

    /// Greatest distance from the centre at which an image template is not 0, px; 0 for a formula.
    pub(crate) fn extent(&self) -> f64 {
        match &self.shape {
            Shape::Formula(_) => 0.0,
            Shape::Image(image) => image.extent(),
        }
    }

    /// Radius of the pixels around the centre that correlation coefficients are taken over, px: the disk or image, and
    /// so much around it that the two can be told apart.
    pub(crate) fn domain_radius(&self) -> f64 {
        let around = |radius: f64| (1.5 * radius).max(radius + 1.5);
        match &self.shape {
            Shape::Formula(params) => {
                let ring = if params.kind.has_ring() { params.outer() + 0.5 } else { 0.0 };
                let stretch = params.ellipse.map_or(1.0, |ellipse| ellipse.stretch.max(1.0));
                // A stretch may be any number, windows not.
                (stretch * around(params.radius).max(ring)).min(2.0 * self.search + 2.0)
            }
            Shape::Image(image) => image.extent().max(around(image.radius().unwrap_or(0.0))),
        }
    }

    /// Value and slopes of an image template at `(dy, dx)` px from its centre; 0 for a formula.
    pub(crate) fn value_and_slopes(&self, offset: [f64; 2]) -> (f64, [f64; 2]) {
        match &self.shape {
            Shape::Formula(_) => (0.0, [0.0; 2]),
            Shape::Image(image) => image.value_and_slopes(offset),
        }
    }

    /// The template as an image of `shape` whose centre is at `center` `(y, x)`, which may lie anywhere.
    ///
    /// [`BackgroundSubtraction`](TemplateKind::BackgroundSubtraction) is balanced over what of it lies in the image; if
    /// nothing of the ring does, the disk stands alone. An image template is copied if its centre comes to lie on whole
    /// pixels, and interpolated by cubic splines otherwise, zero around it. A centre that is not finite gives NaN.
    pub fn mask(&self, shape: (usize, usize), center: [f64; 2]) -> Array2<f64> {
        if center.iter().any(|c| !c.is_finite()) {
            return Array2::from_elem(shape, f64::NAN);
        }
        let center = if self.compatible { self.padded_center(shape, center) } else { center };
        match &self.shape {
            Shape::Formula(params) => params.mask(shape, center),
            Shape::Image(image) => image.placed(shape, center),
        }
    }

    /// The template around each of `positions` `(y, x)` in a frame of `shape`, for sums over frames. What lies outside
    /// the frame is cut off, so that a mask of sum 0 no longer has it there.
    ///
    /// # Errors
    /// None but those of a template that is not finite.
    pub fn stamps(&self, shape: (usize, usize), positions: &[[i64; 2]]) -> Result<Stamps> {
        let s = self.crop_size();
        let stamp = self.mask((2 * s + 1, 2 * s + 1), [s as f64, s as f64]);
        let corners: Vec<_> = positions.iter().map(|p| p.map(|p| p.saturating_sub(s as i64))).collect();
        Stamps::new(stamp, shape, &corners)
    }

    /// The same template where LiberTEM-blobfinder 0.6.1 has it, for numbers that must equal those of that program.
    ///
    /// There, images and [`RadialGradientBackgroundSubtraction`](TemplateKind::RadialGradientBackgroundSubtraction) are
    /// small arrays that are padded or cropped to the shape wanted, `⌊|difference|/2⌋` before. So their centre is up to
    /// one pixel away from the place asked for, and every position found with them is off by as much. An own centre of
    /// an image has no meaning there; it stays at the same pixel of the array.
    pub fn compatible(mut self) -> Self {
        self.compatible = true;
        self
    }

    /// Where padding puts the centre if the middle pixel of the image is asked for; displaced alike for other places.
    fn padded_center(&self, shape: (usize, usize), center: [f64; 2]) -> [f64; 2] {
        let (side, own) = match &self.shape {
            Shape::Image(image) => (image.shape(), image.center()),
            Shape::Formula(p) if p.kind == TemplateKind::RadialGradientBackgroundSubtraction => {
                let rho = p.outer().max(p.radius);
                let side = (2.0 * rho + 2.0).ceil();
                ([side, side], [rho + 1.0, rho + 1.0])
            }
            Shape::Formula(_) => return center,
        };
        let target = [shape.0 as f64, shape.1 as f64];
        std::array::from_fn(|axis| {
            let extra = target[axis] - side[axis];
            let before = (extra.abs() / 2.0).floor().copysign(extra);
            center[axis] - (target[axis] / 2.0).floor() + before + own[axis]
        })
    }
}
