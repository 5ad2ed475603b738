//! What there is to see, and what happens at the edges of the frame.

use serde::{Deserialize, Serialize};

use super::motion::Motion;
use super::population::OBJECT_WIDTHS;
use super::source::GaussianSource;
use crate::spectrum::check_size;
use crate::{Result, check};

/// What the images show, before `amplitude` and `background`.
///
/// The first three are band-limited random fields that move by an exact Fourier shift; the last three
/// are made of [`GaussianSource`]s, evaluated where they have moved to, and may turn and grow as well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Content {
    /// White noise blurred by a Gaussian; zero mean and unit rms over the field.
    SmoothField {
        /// Width of the Gaussian in px, at least 0.
        blur: f64,
    },
    /// Noise whose power falls like |f|^−exponent up to a cutoff; zero mean and unit rms over the field.
    Texture {
        /// Exponent of the power, 0 (flat) to 10. Photographs have about 2, clouds 3.
        exponent: f64,
        /// Frequency in cycles per px below which there is power, above 0 and at most 0.5.
        cutoff: f64,
    },
    /// Extended emission as astronomers see it: intensity |z|² of a complex field z whose power falls
    /// like |f|^−exponent; mean 1 over the field and nowhere negative. (The test images of
    /// `image_registration` are |z|, which is not band-limited and so has no exact displacement.)
    ExtendedEmission {
        /// Exponent of the power of z, 0 to 10.
        exponent: f64,
        /// Band limit of the intensity in cycles per px, above 0 and at most 0.5; z has half of it.
        cutoff: f64,
    },
    /// The sources given.
    Sources {
        /// Positions refer to the reference image.
        sources: Vec<GaussianSource>,
    },
    /// A cluster of random elliptical sources in the middle of the frame, without symmetry: for
    /// rotation and scale. Widths are 4 to 22 % of the radius, peaks 0.3 to 1.
    IsolatedObject {
        /// Radius in px that holds almost all of the light.
        radius: f64,
        /// Number of sources, 1 to 10⁶.
        count: usize,
    },
    /// Random elliptical sources all over the frame and its margin: texture that can turn and grow.
    /// Peaks are 0.2 to 1.
    SourceField {
        /// Sources per px², above 0; at most 10⁶ in all.
        density: f64,
        /// Smallest and largest width in px, each at least 0.5.
        sigma: [f64; 2],
    },
}

/// What happens where content leaves the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Boundary {
    /// It comes in again on the other side: the world of the discrete Fourier transform.
    Periodic,
    /// It is gone, and other content enters: the world of recordings.
    Open {
        /// Width in px, on every side, of the content around the reference frame that can enter; no
        /// shift may exceed it. Of no meaning to `Sources` and `IsolatedObject`.
        margin: usize,
    },
}

/// A scene: content, frame, brightness.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SceneParams {
    /// Shape `(y, x)` of the images in px; default 64×64.
    pub shape: [usize; 2],
    /// What there is to see; default a smooth field with blur 2.
    pub content: Content,
    /// What happens at the edges; default open with a margin of 16 px.
    pub boundary: Boundary,
    /// Factor on the content; default 1.
    pub amplitude: f64,
    /// Added to every pixel; default 0.
    pub background: f64,
}

impl Default for SceneParams {
    fn default() -> Self {
        SceneParams {
            shape: [64, 64],
            content: Content::SmoothField { blur: 2.0 },
            boundary: Boundary::Open { margin: 16 },
            amplitude: 1.0,
            background: 0.0,
        }
    }
}

impl SceneParams {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Empty`] for a side of 0; [`Error::Parameter`] for more than 2²⁸ px, for any number
    /// outside what its field says, and for a periodic frame with a source whose width exceeds the
    /// shorter side (its copies would be countless).
    ///
    /// [`Error::Empty`]: nonius_core::Error::Empty
    /// [`Error::Parameter`]: nonius_core::Error::Parameter
    pub fn validate(&self) -> Result<()> {
        check_size("shape", self.shape)?;
        check_size("shape with margins", self.field_shape())?;
        check(self.amplitude.is_finite(), "amplitude", "finite", self.amplitude)?;
        check(self.background.is_finite(), "background", "finite", self.background)?;
        self.validate_content()?;
        let widest = match &self.content {
            Content::Sources { sources } => sources.iter().flat_map(|s| s.sigma).fold(0.0, f64::max),
            Content::IsolatedObject { radius, .. } => radius * OBJECT_WIDTHS[1],
            Content::SourceField { sigma, .. } => sigma[1],
            _ => 0.0,
        };
        let side = self.shape[0].min(self.shape[1]) as f64;
        let fits = self.boundary != Boundary::Periodic || widest <= side;
        check(fits, "source sigma", "at most the shorter side of a periodic frame", widest)
    }

    fn validate_content(&self) -> Result<()> {
        let many = |n: f64| check((1.0..=1e6).contains(&n), "number of sources", "1 to 1e6", n);
        match &self.content {
            Content::SmoothField { blur } => {
                check((0.0..=1e6).contains(blur), "blur", "between 0 and 1e6 px", blur)
            }
            Content::Texture { exponent, cutoff } | Content::ExtendedEmission { exponent, cutoff } => {
                check((0.0..=10.0).contains(exponent), "exponent", "between 0 and 10", exponent)?;
                let band = *cutoff > 0.0 && *cutoff <= 0.5;
                check(band, "cutoff", "above 0 and at most 0.5 cycles per px", cutoff)
            }
            Content::Sources { sources } => {
                many(sources.len() as f64)?;
                sources.iter().try_for_each(GaussianSource::validate)
            }
            Content::IsolatedObject { radius, count } => {
                check((1.0..=1e5).contains(radius), "radius", "between 1 and 1e5 px", radius)?;
                many(*count as f64)
            }
            Content::SourceField { density, sigma } => {
                check(*density > 0.0 && density.is_finite(), "density", "finite and above 0", density)?;
                let ordered = 0.5 <= sigma[0] && sigma[0] <= sigma[1] && sigma[1] <= 1e5;
                check(ordered, "sigma", "two widths between 0.5 and 1e5 px in order", format!("{sigma:?}"))?;
                let [h, w] = self.field_shape();
                many((density * h as f64 * w as f64).round())
            }
        }
    }

    /// Checks that the images can follow `motion`.
    ///
    /// # Errors
    /// Those of [`Motion::validate`]; [`Error::Parameter`] if a random field or a periodic frame would
    /// have to turn or grow, or if the motion brings in what lies beyond the margin.
    ///
    /// [`Error::Parameter`]: nonius_core::Error::Parameter
    pub fn check_motion(&self, motion: &Motion) -> Result<()> {
        motion.validate()?;
        let sources = !self.is_field();
        check(
            motion.is_shift() || (sources && self.boundary != Boundary::Periodic),
            "angle and scale",
            "0 and 1 unless the scene is made of sources and the boundary open",
            format!("{} and {}", motion.angle, motion.scale),
        )?;
        let (Boundary::Open { margin }, true) = (self.boundary, self.needs_margin()) else { return Ok(()) };
        let needed = self.needed_margin(motion);
        // Rounding of a rotation by a right angle must not ask for another pixel.
        check(
            needed <= margin as f64 + 1e-9,
            "margin",
            "at least what the motion brings into the frame",
            format!("{margin} px where {needed:.3} px are needed"),
        )
    }

    /// How far beyond the reference frame, in px, the corners of the moving frame look.
    fn needed_margin(&self, motion: &Motion) -> f64 {
        let last = self.shape.map(|n| n as f64 - 1.0);
        let corners = [[0.0, 0.0], [0.0, last[1]], [last[0], 0.0], last];
        let beyond = |p: [f64; 2]| (0..2).map(|i| (-p[i]).max(p[i] - last[i])).fold(0.0, f64::max);
        corners.map(|c| beyond(motion.invert(c, self.shape))).into_iter().fold(0.0, f64::max)
    }

    fn is_field(&self) -> bool {
        use Content::*;
        matches!(self.content, SmoothField { .. } | Texture { .. } | ExtendedEmission { .. })
    }

    fn needs_margin(&self) -> bool {
        self.is_field() || matches!(self.content, Content::SourceField { .. })
    }

    /// Width of the content around the frame.
    pub(crate) fn margin(&self) -> usize {
        match self.boundary {
            Boundary::Open { margin } if self.needs_margin() => margin,
            _ => 0,
        }
    }

    /// Shape of the frame with its margins; it overflows to the largest number, which no check passes.
    pub(crate) fn field_shape(&self) -> [usize; 2] {
        self.shape.map(|n| n.saturating_add(self.margin().saturating_mul(2)))
    }
}
