//! From transmitted intensity to line integrals.

use ndarray::{Array3, ArrayView2, ArrayView3, Axis, Zip};
use nonius_core::{Error, Real, Result, check_not_empty, check_not_negative, check_shape};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// What intensity I₀ nothing absorbs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Reference {
    /// The median of a frame of this many pixels around each image, which must be air.
    Frame {
        /// Pixels from the border, at least 1.
        width: usize,
    },
    /// The median of a rectangle of each image, which must be air.
    Region {
        /// First row and the one after the last.
        j: [usize; 2],
        /// First column and the one after the last.
        k: [usize; 2],
    },
    /// A percentile, as mumott does. The brightest pixels of every image are masked, and all other air keeps an
    /// absorbance of about three times the noise, which pulls centres of mass towards the middle of the image.
    Percentile {
        /// 0 to 100, linear between order statistics. mumott's default: 99.9.
        percentile: f64,
        /// Of each image, rather than of all together. mumott's default: true.
        per_projection: bool,
    },
    /// Images are transmissions already: I₀ = 1.
    Unit,
    /// Images are in proportion to thickness already (HAADF): taken over as they are, without a logarithm.
    Thickness,
}

impl Default for Reference {
    /// A frame of two pixels.
    fn default() -> Self {
        Reference::Frame { width: 2 }
    }
}

/// How absorbance is made of intensity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AbsorbanceParams {
    /// Default: the median of a frame of two pixels.
    pub reference: Reference,
    /// Transmissions below are masked and taken as this; above 0, below 1. Default: 1e-4.
    pub lowest: f64,
    /// Transmissions above are masked and taken as this; above `lowest`. Default: 1 for [`Reference::Percentile`],
    /// no limit for any other, so that noise of air has the mean 0.
    pub highest: Option<f64>,
    /// Air is flat if the median of no side of the frame (no half of the region) differs from the median of all by
    /// more than this part. Default: 0.02.
    pub flatness: f64,
}

impl Default for AbsorbanceParams {
    fn default() -> Self {
        AbsorbanceParams { reference: Reference::default(), lowest: 1e-4, highest: None, flatness: 0.02 }
    }
}

impl AbsorbanceParams {
    /// Checks every field that does not depend on images.
    ///
    /// # Errors
    /// [`Error::Parameter`] naming the first that is out of range.
    pub fn validate(&self) -> Result<()> {
        if !(self.lowest > 0.0 && self.lowest < 1.0) {
            return Err(Error::parameter("lowest", "above 0 and below 1", self.lowest));
        }
        if let Some(highest) = self.highest
            && !(highest > self.lowest && highest.is_finite())
        {
            return Err(Error::parameter("highest", "finite and above the lowest", highest));
        }
        check_not_negative("flatness", self.flatness)?;
        match self.reference {
            Reference::Frame { width: 0 } => Err(Error::parameter("width", "at least 1", 0)),
            Reference::Percentile { percentile, .. } if !(0.0..=100.0).contains(&percentile) => {
                Err(Error::parameter("percentile", "0 to 100", percentile))
            }
            _ => Ok(()),
        }
    }

    fn highest(&self) -> f64 {
        let otherwise = if let Reference::Percentile { .. } = self.reference { 1.0 } else { f64::INFINITY };
        self.highest.unwrap_or(otherwise)
    }

    /// (A, usable) of a transmission.
    fn of(&self, transmission: f64) -> (f64, bool) {
        if transmission.is_nan() {
            return (0.0, false);
        }
        let (lowest, highest) = (self.lowest, self.highest());
        let usable = transmission >= lowest && transmission <= highest && transmission.is_finite();
        // An infinity is masked, and leaves no infinity.
        (-transmission.min(f64::MAX).clamp(lowest, highest).log10(), usable)
    }
}

/// Absorbances with what they were made by.
#[derive(Debug, Clone, PartialEq)]
pub struct Absorbance<F> {
    /// `A = −log₁₀(I/I₀)`, (N, J, K): reconstructions are attenuation / ln 10. Always finite.
    pub absorbance: Array3<F>,
    /// False where the transmission was outside the limits, or not a number.
    pub mask: Array3<bool>,
    /// I₀ of every image; 1 for thickness and for fields.
    pub reference: Vec<f64>,
    /// Largest difference of a side of the air from its median, as part of it; 0 where no air was declared.
    pub unevenness: Vec<f64>,
}

/// The absorbance of images of transmitted intensity, `(N, J, K)`:
///
/// ```text
/// T = I / I₀,   mask = lowest ≤ T ≤ highest,   A = −log₁₀ T,  T held within the limits
/// ```
///
/// A pixel that is not a number gets A = 0 and is masked.
///
/// # Errors
/// A parameter out of range; [`Error::Empty`]; [`Error::Frame`] with the image whose air is not flat, or whose
/// reference is not above 0.
///
/// # Example
/// ```
/// use nonius_tomography::{AbsorbanceParams, absorbance};
/// use ndarray::Array3;
/// let mut images = Array3::from_elem((1, 7, 7), 500.0);
/// images[[0, 3, 3]] = 50.0;
/// let found = absorbance(&AbsorbanceParams::default(), images.view())?;
/// assert_eq!(found.reference, [500.0]);
/// assert_eq!(found.absorbance[[0, 3, 3]], 1.0);
/// assert_eq!(found.absorbance.sum(), 1.0);
/// # Ok::<(), nonius_core::Error>(())
/// ```
pub fn absorbance<F: Real>(params: &AbsorbanceParams, images: ArrayView3<'_, F>) -> Result<Absorbance<F>> {
    params.validate()?;
    check_not_empty("images", images.shape())?;
    let n = images.dim().0;
    let (reference, unevenness) = match params.reference {
        Reference::Unit => (vec![1.0; n], vec![0.0; n]),
        Reference::Thickness => {
            return Ok(Absorbance {
                absorbance: images.mapv(|value| if value.is_finite() { value } else { F::zero() }),
                mask: images.mapv(|value| value.is_finite()),
                reference: vec![1.0; n],
                unevenness: vec![0.0; n],
            });
        }
        Reference::Percentile { percentile: q, per_projection: true } => {
            (each(images, |image| percentile(image.iter().copied(), q))?, vec![0.0; n])
        }
        Reference::Percentile { percentile: q, per_projection: false } => {
            (vec![percentile(images.iter().copied(), q)?; n], vec![0.0; n])
        }
        Reference::Frame { width } => {
            each(images, |image| air(&frame_sides(image, width), params))?.into_iter().unzip()
        }
        Reference::Region { j, k } => {
            each(images, |image| air(&region_halves(image, j, k)?, params))?.into_iter().unzip()
        }
    };
    for (index, reference) in reference.iter().enumerate() {
        if !(*reference > 0.0 && reference.is_finite()) {
            let reason = Error::parameter("intensity of reference", "above 0", reference).to_string();
            return Err(Error::Frame { index, reason });
        }
    }
    let mut absorbance = Array3::zeros(images.dim());
    let mut mask = Array3::from_elem(images.dim(), false);
    Zip::indexed(&mut absorbance).and(&mut mask).and(images).par_for_each(
        |(i, _, _), a, usable, &intensity| {
            let (value, inside) = params.of(intensity.f64() / reference[i]);
            (*a, *usable) = (F::of(value), inside);
        },
    );
    Ok(Absorbance { absorbance, mask, reference, unevenness })
}

/// The absorbance of images by a flat field (no sample) and a dark field (no beam), both `(J, K)`:
/// `T = (I − dark)/(flat − dark)`, then as [`absorbance()`]. Pixels where flat is not above dark are masked.
///
/// # Errors
/// A parameter out of range; [`Error::Empty`]; [`Error::Shape`] of a field.
pub fn absorbance_by_fields<F: Real>(
    params: &AbsorbanceParams,
    images: ArrayView3<'_, F>,
    flat: ArrayView2<'_, F>,
    dark: ArrayView2<'_, F>,
) -> Result<Absorbance<F>> {
    let params = AbsorbanceParams { reference: Reference::Unit, ..params.clone() };
    params.validate()?;
    check_not_empty("images", images.shape())?;
    let (n, j, k) = images.dim();
    check_shape("flat field", &[j, k], flat.shape())?;
    check_shape("dark field", &[j, k], dark.shape())?;
    let mut absorbance = Array3::zeros(images.dim());
    let mut mask = Array3::from_elem(images.dim(), false);
    Zip::indexed(&mut absorbance).and(&mut mask).and(images).par_for_each(|(_, a, b), value, usable, &i| {
        let (flat, dark) = (flat[[a, b]].f64(), dark[[a, b]].f64());
        let transmission = if flat > dark { (i.f64() - dark) / (flat - dark) } else { f64::NAN };
        let (found, inside) = params.of(transmission);
        (*value, *usable) = (F::of(found), inside);
    });
    Ok(Absorbance { absorbance, mask, reference: vec![1.0; n], unevenness: vec![0.0; n] })
}

/// `of` every image, with the number of the one that failed.
fn each<F: Real, T: Send>(
    images: ArrayView3<'_, F>,
    of: impl Fn(ArrayView2<'_, F>) -> Result<T> + Sync + Send,
) -> Result<Vec<T>> {
    let found: Vec<Result<T>> = images.axis_iter(Axis(0)).into_par_iter().map(of).collect();
    let in_image = |(index, found): (usize, Result<T>)| {
        found.map_err(|error| Error::Frame { index, reason: error.to_string() })
    };
    found.into_iter().enumerate().map(in_image).collect()
}

/// Linear between order statistics of what is finite.
fn percentile<F: Real>(values: impl Iterator<Item = F>, q: f64) -> Result<f64> {
    let mut values: Vec<f64> = values.map(Real::f64).filter(|value| value.is_finite()).collect();
    if values.is_empty() {
        return Err(Error::parameter("image", "with a finite pixel", "none"));
    }
    let rank = q / 100.0 * (values.len() - 1) as f64;
    let below = (rank.floor() as usize).min(values.len() - 1);
    let (_, lower, above) = values.select_nth_unstable_by(below, f64::total_cmp);
    let upper = above.iter().copied().fold(f64::INFINITY, f64::min);
    let part = rank - below as f64;
    Ok(if part > 0.0 { *lower + part * (upper - *lower) } else { *lower })
}

/// Median of all parts, and how far the median of one is from it.
fn air(parts: &[Vec<f64>], params: &AbsorbanceParams) -> Result<(f64, f64)> {
    let median = percentile(parts.iter().flatten().copied(), 50.0)?;
    let mut unevenness = 0.0_f64;
    for part in parts {
        if let Ok(of_part) = percentile(part.iter().copied(), 50.0) {
            unevenness = unevenness.max((of_part / median - 1.0).abs());
        }
    }
    if unevenness > params.flatness {
        return Err(Error::parameter(
            "air",
            "flat within the given part of its median: declare another region, or a percentile",
            format_args!("a side that differs by {unevenness:.3}"),
        ));
    }
    Ok((median, unevenness))
}

/// Four sides, corners with the first and the last row.
fn frame_sides<F: Real>(image: ArrayView2<'_, F>, width: usize) -> [Vec<f64>; 4] {
    let (n_j, n_k) = image.dim();
    let mut sides = [const { Vec::new() }; 4];
    for ((a, b), value) in image.indexed_iter() {
        let inside = [a < width, n_j - 1 - a < width, b < width, n_k - 1 - b < width];
        if let Some(side) = inside.iter().position(|inside| *inside) {
            sides[side].push(value.f64());
        }
    }
    sides
}

/// The halves of a rectangle either way.
fn region_halves<F: Real>(image: ArrayView2<'_, F>, j: [usize; 2], k: [usize; 2]) -> Result<[Vec<f64>; 4]> {
    for (name, [first, end], size) in [("region.j", j, image.dim().0), ("region.k", k, image.dim().1)] {
        if !(first < end && end <= size) {
            return Err(Error::parameter(
                name,
                "a range of pixels within the image",
                format_args!("{first}..{end} of {size}"),
            ));
        }
    }
    let mut halves = [const { Vec::new() }; 4];
    for a in j[0]..j[1] {
        for b in k[0]..k[1] {
            halves[usize::from(2 * a >= j[0] + j[1])].push(image[[a, b]].f64());
            halves[2 + usize::from(2 * b >= k[0] + k[1])].push(image[[a, b]].f64());
        }
    }
    Ok(halves)
}
