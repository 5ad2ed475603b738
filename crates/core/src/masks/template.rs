//! What a disk looks like, by formula.

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::shapes::{Around, Edge, Ellipse, subtract_ring};
use crate::{Error, Result, check_not_negative, check_positive};

/// How far a search may go, px: its windows of `(2 search)²` must stay a thing that memory holds.
const MAX_SEARCH: f64 = 4096.0;

/// Shape of a disk given by formula, see [`TemplateParams`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TemplateKind {
    /// A disk with an anti-aliased edge ([`masks::disk`](super::disk)).
    #[default]
    Circular,
    /// A disk whose values rise with the radius ([`masks::radial_gradient`](super::radial_gradient)): it answers
    /// to the edge of a disk, and less to the pattern inside.
    RadialGradient,
    /// A disk less a ring around it, of sum 0
    /// ([`masks::background_subtraction`](super::background_subtraction)): it does not answer to a smooth
    /// background.
    BackgroundSubtraction,
    /// A rising disk within a ring of −1 ([`masks::gradient_profile`](super::gradient_profile)).
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

/// What a disk looks like, by formula.
///
/// ```
/// use nonius_core::masks::{TemplateKind, TemplateParams};
///
/// let params = TemplateParams { radius_outer: Some(2.5), ..TemplateParams::new(TemplateKind::BackgroundSubtraction, 1.5) };
/// assert_eq!((params.reach(), params.crop_size()), (3.0, 3));
/// let template = params.mask((7, 7), [3.0, 3.0]);
/// assert_eq!(template.iter().filter(|weight| **weight != 0.0).count(), 25);
/// assert!(template.sum().abs() < 1e-14);
/// # Ok::<(), nonius_core::Error>(())
/// ```
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

    /// `radius_outer` or its default, px.
    pub fn outer(&self) -> f64 {
        self.radius_outer.unwrap_or(1.5 * self.radius)
    }

    /// `search` or its default, px.
    pub fn reach(&self) -> f64 {
        let ring = if self.kind.has_ring() { self.outer() } else { 0.0 };
        self.search.unwrap_or((2.0 * self.radius).max(ring))
    }

    /// `⌈search⌉`: half the side of the window around an expected position.
    pub fn crop_size(&self) -> usize {
        self.reach().ceil() as usize
    }

    /// The template as an image of `shape` whose centre is at `center` `(y, x)`, which may lie anywhere; NaN for a centre
    /// that is not finite. The fields are to be [valid](TemplateParams::validate).
    ///
    /// [`BackgroundSubtraction`](TemplateKind::BackgroundSubtraction) is balanced over what of it lies in the image; if
    /// nothing of the ring does, the disk stands alone.
    pub fn mask(&self, shape: (usize, usize), center: [f64; 2]) -> Array2<f64> {
        if center.iter().any(|c| !c.is_finite()) {
            return Array2::from_elem(shape, f64::NAN);
        }
        let (radius, outer) = (self.radius, self.outer());
        let around = Around { center, ellipse: self.ellipse };
        match self.kind {
            TemplateKind::Circular => around.disk(shape, radius, Edge::AntiAliased),
            TemplateKind::RadialGradient => around.gradient(shape, radius, 0.0, 1.0),
            TemplateKind::BackgroundSubtraction => {
                let disk = around.disk(shape, radius, Edge::AntiAliased);
                subtract_ring(disk, &around.ring(shape, radius, outer, Edge::AntiAliased))
            }
            TemplateKind::RadialGradientBackgroundSubtraction => {
                around.gradient(shape, radius, outer, self.delta)
            }
        }
    }
}

/// [`Error::Parameter`] unless `least ≤ search ≤ 4096` and `search > 0`.
pub fn check_search(search: f64, least: f64) -> Result<()> {
    if search >= least && search > 0.0 && search <= MAX_SEARCH {
        return Ok(());
    }
    Err(Error::parameter(
        "search",
        "at least the radius, or the outer radius of a ring, and at most 4096",
        search,
    ))
}
