//! What a disk is expected to look like.

use ndarray::Array2;
use nonius_core::Result;
use serde::{Deserialize, Serialize};

/// Shape of a [`Template`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TemplateKind {
    /// A disk with an anti-aliased edge.
    #[default]
    Circular,
    /// A disk whose values rise with the radius.
    RadialGradient,
    /// A disk less a ring around it, of sum 0.
    BackgroundSubtraction,
    /// A rising disk within a ring of −1.
    RadialGradientBackgroundSubtraction,
}

/// Parameters of a [`Template`] given by formula.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TemplateParams {
    /// Shape. Default: circular.
    pub kind: TemplateKind,
    /// Radius of the disk, px.
    pub radius: f64,
    /// Outer radius of the ring, px. Default: 1.5 radii.
    pub radius_outer: Option<f64>,
    /// How far from an expected position to look, px. Default: 2 radii, `radius_outer` if that is more.
    pub search: Option<f64>,
    /// Width of the transition at the edge, px. Default: 1.
    pub delta: f64,
}

impl Default for TemplateParams {
    fn default() -> Self {
        TemplateParams {
            kind: TemplateKind::Circular,
            radius: 4.0,
            radius_outer: None,
            search: None,
            delta: 1.0,
        }
    }
}

/// What a disk is expected to look like, as a function that any raster can ask.
#[derive(Debug, Clone)]
pub struct Template {
    search: f64,
}

impl Template {
    /// A template given by formula.
    pub fn new(params: &TemplateParams) -> Result<Self> {
        todo!("{params:?}")
    }

    /// How far from an expected position to look, px.
    pub fn search(&self) -> f64 {
        self.search
    }

    /// `⌈search⌉`: half the side of the window around an expected position.
    pub fn crop_size(&self) -> usize {
        self.search.ceil() as usize
    }

    /// The template as an image of `shape` whose centre is at `center` `(y, x)`.
    pub fn mask(&self, shape: (usize, usize), center: [f64; 2]) -> Array2<f64> {
        todo!("{shape:?} {center:?}")
    }
}
