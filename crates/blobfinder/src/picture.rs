//! What a picture of a matched frame is drawn from.

use ndarray::{Array2, ArrayView2};
use nonius_core::{Real, Result, check_not_empty, check_not_negative, check_positive, check_shape};
use serde::{Deserialize, Serialize};

use crate::correlation::Peak;
use crate::lattice::Lattice;

/// Red, green and blue, 0 to 255.
pub type Color = [u8; 3];

/// Something drawn over an image. Places are `(y, x)` px, zero at the centre of the first pixel; they may lie outside
/// the image.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Mark {
    /// An open circle.
    Circle {
        /// Its middle.
        center: [f64; 2],
        /// Its radius, px.
        radius: f64,
    },
    /// A filled circle.
    Dot {
        /// Its middle.
        center: [f64; 2],
        /// Its radius, px.
        radius: f64,
    },
    /// An arrow.
    Arrow {
        /// Where it starts.
        from: [f64; 2],
        /// Where it points.
        to: [f64; 2],
    },
    /// An open square.
    Square {
        /// Its middle.
        center: [f64; 2],
        /// Half its side, px.
        half_side: f64,
    },
}

/// A [`Mark`] and how it is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DrawnMark {
    /// What.
    pub mark: Mark,
    /// In which colour.
    pub color: Color,
    /// From 0, unseen, to 1.
    pub opacity: f64,
}

/// How [`draw_match`] draws.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PictureParams {
    /// Radius of circles, and half the side of squares, px, above 0; that of the disks suits. Default: 4.
    pub radius: f64,
    /// By how much the distance from the calculated to the refined position is magnified, at least 0. Default: 10.
    pub stretch: f64,
    /// Colour of the circles and dots at disks that were found. Default: white.
    pub marker: Color,
    /// Colour of the arrows from calculated to refined positions. Default: red.
    pub arrow: Color,
    /// Colour of the squares at disks that were not. Default: red.
    pub missing: Color,
    /// Colour of the first lattice vector. Default: blue.
    pub a: Color,
    /// Colour of the second. Default: green.
    pub b: Color,
}

impl Default for PictureParams {
    fn default() -> Self {
        let red = [255, 0, 0];
        PictureParams {
            radius: 4.0,
            stretch: 10.0,
            marker: [255; 3],
            arrow: red,
            missing: red,
            a: [0, 0, 255],
            b: [0, 128, 0],
        }
    }
}

impl PictureParams {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Parameter`](nonius_core::Error::Parameter) for a radius that is not finite and above 0 or a stretch that is not finite and at least 0.
    pub fn validate(&self) -> Result<()> {
        check_positive("radius", self.radius)?;
        check_not_negative("stretch", self.stretch)
    }
}

/// A picture as data: whoever has a canvas may draw it.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawing {
    /// Brightness of every pixel, `ln(I − min I + 1)`, at least 0.
    pub image: Array2<f64>,
    /// What is drawn over it, in this order.
    pub marks: Vec<DrawnMark>,
}

/// Draws what became of the lattice positions of one frame: which disks were found, how far they are from where the
/// lattice has them, and the lattice's vectors.
///
/// `peaks`, `calculated` positions `(y, x)` and `selected` belong together, one of each per position.
///
/// - Over all: arrows `a` and `b` from `zero`.
/// - A selected peak is a circle at its refined position, a dot of 1 px at the calculated one, and an arrow from there
///   towards the refined one, magnified. They are the more opaque the greater the peak's elevation: its ratio to the
///   greatest finite one among the selected peaks. Infinite elevations are opaque; so are all if none is above 0. An
///   elevation below 0 or NaN cannot be seen.
/// - Any other is a square at the calculated position.
///
/// What has no finite place, as of an invalid match, is left out. Pixels that are not finite are as dark as the darkest.
///
/// ```
/// use ndarray::Array2;
/// use nonius_blobfinder::{Lattice, Mark, PictureParams, draw_match};
///
/// let frame = Array2::<f32>::zeros((32, 32));
/// let lattice = Lattice { zero: [16.0, 16.0], a: [8.0, 0.0], b: [0.0, 9.0] };
/// let drawing = draw_match(frame.view(), &lattice, &[], &[], &[], &PictureParams::default())?;
/// assert_eq!(drawing.marks.len(), 2);
/// assert_eq!(drawing.marks[1].mark, Mark::Arrow { from: [16.0, 16.0], to: [16.0, 25.0] });
/// # Ok::<(), nonius_core::Error>(())
/// ```
///
/// # Errors
/// Those of [`PictureParams::validate`]; [`Error::Shape`](nonius_core::Error::Shape) if the three lists differ in length, [`Error::Empty`](nonius_core::Error::Empty) for a
/// frame without pixels.
pub fn draw_match<F: Real>(
    frame: ArrayView2<'_, F>,
    lattice: &Lattice,
    peaks: &[Peak],
    calculated: &[[f64; 2]],
    selected: &[bool],
    params: &PictureParams,
) -> Result<Drawing> {
    params.validate()?;
    check_not_empty("frame", frame.shape())?;
    check_shape("calculated positions", &[peaks.len()], &[calculated.len()])?;
    check_shape("selected peaks", &[peaks.len()], &[selected.len()])?;
    let found = peaks.iter().zip(selected).filter(|(_, selected)| **selected).map(|(peak, _)| peak.elevation);
    let greatest = found.filter(|e| e.is_finite()).fold(0.0, f64::max);
    let mut marks = Vec::new();
    for ((peak, &calculated), &selected) in peaks.iter().zip(calculated).zip(selected) {
        if selected {
            let opacity = opacity(peak.elevation, greatest);
            let towards =
                |axis: usize| calculated[axis] + params.stretch * (peak.refined[axis] - calculated[axis]);
            let to = [towards(0), towards(1)];
            for (mark, color) in [
                (Mark::Circle { center: peak.refined, radius: params.radius }, params.marker),
                (Mark::Dot { center: calculated, radius: 1.0 }, params.marker),
                (Mark::Arrow { from: calculated, to }, params.arrow),
            ] {
                marks.push(DrawnMark { mark, color, opacity });
            }
        } else {
            let mark = Mark::Square { center: calculated, half_side: params.radius };
            marks.push(DrawnMark { mark, color: params.missing, opacity: 1.0 });
        }
    }
    for (vector, color) in [(lattice.a, params.a), (lattice.b, params.b)] {
        let to = [lattice.zero[0] + vector[0], lattice.zero[1] + vector[1]];
        marks.push(DrawnMark { mark: Mark::Arrow { from: lattice.zero, to }, color, opacity: 1.0 });
    }
    marks.retain(|drawn| drawn.mark.is_somewhere());
    Ok(Drawing { image: logarithm(frame), marks })
}

impl Mark {
    fn is_somewhere(&self) -> bool {
        let finite = |p: &[f64; 2]| p.iter().all(|c| c.is_finite());
        match self {
            Mark::Circle { center, .. } | Mark::Dot { center, .. } | Mark::Square { center, .. } => {
                finite(center)
            }
            Mark::Arrow { from, to } => finite(from) && finite(to),
        }
    }
}

fn opacity(elevation: f64, greatest: f64) -> f64 {
    if elevation.is_nan() || elevation < 0.0 {
        0.0
    } else if greatest == 0.0 || elevation.is_infinite() {
        1.0
    } else {
        elevation / greatest
    }
}

/// `ln(I − min I + 1)`; 0 where the frame is not finite.
fn logarithm<F: Real>(frame: ArrayView2<'_, F>) -> Array2<f64> {
    let values = frame.iter().map(|v| v.f64()).filter(|v| v.is_finite());
    let least = values.fold(f64::INFINITY, f64::min);
    frame.mapv(|v| if v.is_finite() { (v.f64() - least).ln_1p() } else { 0.0 })
}
