//! What a disk is expected to look like.

mod data;
mod image;

use ndarray::Array2;
use nonius_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::masks::{Around, Edge, Ellipse, Stamps, check_not_negative, check_positive, subtract_ring};
use image::ImageTemplate;

pub use data::DataTemplateParams;

/// How far a search may go, px: its windows of `(2 search)²` must stay a thing that memory holds.
const MAX_SEARCH: f64 = 4096.0;

/// Shape of a [`Template`] given by formula.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TemplateKind {
    /// A disk with an anti-aliased edge ([`masks::disk`](crate::masks::disk)).
    #[default]
    Circular,
    /// A disk whose values rise with the radius ([`masks::radial_gradient`](crate::masks::radial_gradient)): it answers
    /// to the edge of a disk, and less to the pattern inside.
    RadialGradient,
    /// A disk less a ring around it, of sum 0
    /// ([`masks::background_subtraction`](crate::masks::background_subtraction)): it does not answer to a smooth
    /// background.
    BackgroundSubtraction,
    /// A rising disk within a ring of −1 ([`masks::gradient_profile`](crate::masks::gradient_profile)).
    RadialGradientBackgroundSubtraction,
}

impl TemplateKind {
    /// Whether `radius_outer` counts.
    pub fn has_ring(self) -> bool {
        matches!(
            self,
            TemplateKind::BackgroundSubtraction | TemplateKind::RadialGradientBackgroundSubtraction
        )
    }
}

/// Parameters of a [`Template`] given by formula.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TemplateParams {
    /// Shape. Default: circular.
    pub kind: TemplateKind,
    /// Radius of the disk, px, above 0; that across the stretched direction for an ellipse. Default: 4, which suits no
    /// one in particular.
    pub radius: f64,
    /// Outer radius of the ring, px, above `radius`; used by the kinds that have a ring. Default: 1.5 radii.
    pub radius_outer: Option<f64>,
    /// How far from an expected position to look, px: at least `radius`, for kinds with a ring at least `radius_outer`,
    /// and at most 4096. Default: 2 radii, `radius_outer` of a ring if that is more.
    pub search: Option<f64>,
    /// Width of the transition from disk to ring, px, at least 0; used by
    /// [`RadialGradientBackgroundSubtraction`](TemplateKind::RadialGradientBackgroundSubtraction). Default: 1.
    pub delta: f64,
    /// Whether and how the disk is stretched; lengths along that direction, and the width of its edge there, grow with
    /// it. Default: it is round.
    pub ellipse: Option<Ellipse>,
}

impl Default for TemplateParams {
    fn default() -> Self {
        TemplateParams {
            kind: TemplateKind::Circular,
            radius: 4.0,
            radius_outer: None,
            search: None,
            delta: 1.0,
            ellipse: None,
        }
    }
}

impl TemplateParams {
    /// Those of a round disk of `radius` px, all else by default.
    pub fn new(kind: TemplateKind, radius: f64) -> Self {
        TemplateParams { kind, radius, ..Default::default() }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a field outside the range that stands beside it.
    pub fn validate(&self) -> Result<()> {
        check_positive("radius", self.radius)?;
        check_not_negative("delta", self.delta)?;
        self.ellipse.map_or(Ok(()), |ellipse| ellipse.validate())?;
        let outer = self.outer();
        if !(outer > self.radius && outer.is_finite()) {
            return Err(Error::parameter("radius_outer", "finite and above the radius", outer));
        }
        let least = if self.kind.has_ring() { outer } else { self.radius };
        check_search(self.reach(), least)
    }

    /// `radius_outer` or its default.
    fn outer(&self) -> f64 {
        self.radius_outer.unwrap_or(1.5 * self.radius)
    }

    /// `search` or its default.
    fn reach(&self) -> f64 {
        let ring = if self.kind.has_ring() { self.outer() } else { 0.0 };
        self.search.unwrap_or((2.0 * self.radius).max(ring))
    }
}

/// `least ≤ search ≤ 4096`.
fn check_search(search: f64, least: f64) -> Result<()> {
    if search >= least && search > 0.0 && search <= MAX_SEARCH {
        return Ok(());
    }
    Err(Error::parameter(
        "search",
        "at least the radius, or the outer radius of a ring, and at most 4096",
        search,
    ))
}

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
            Shape::Formula(params) => by_formula(params, shape, center),
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

fn by_formula(params: &TemplateParams, shape: (usize, usize), center: [f64; 2]) -> Array2<f64> {
    let (radius, outer) = (params.radius, params.outer());
    let around = Around { center, ellipse: params.ellipse };
    match params.kind {
        TemplateKind::Circular => around.disk(shape, radius, Edge::AntiAliased),
        TemplateKind::RadialGradient => around.gradient(shape, radius, 0.0, 1.0),
        TemplateKind::BackgroundSubtraction => {
            let disk = around.disk(shape, radius, Edge::AntiAliased);
            subtract_ring(disk, &around.ring(shape, radius, outer, Edge::AntiAliased))
        }
        TemplateKind::RadialGradientBackgroundSubtraction => {
            around.gradient(shape, radius, outer, params.delta)
        }
    }
}
