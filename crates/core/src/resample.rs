//! An image sampled at the places of another grid.

use ndarray::{Array2, ArrayView2};

use crate::error::check_shape;
use crate::{Real, Result, SplineDegree, SplineImage, fill_missing, trusted_places};

/// Fractions of a pixel for which the noise of interpolation is computed; between them it is interpolated.
const FRACTIONS: usize = 64;

/// An image on another grid, see [`resample`].
#[derive(Debug, Clone, PartialEq)]
pub struct Resampled {
    /// The image at the new places; 0 where there is nothing.
    pub pixels: Array2<f64>,
    /// Whether there is something.
    pub valid: Array2<bool>,
    /// Variance of the pixels, ∞ where there is nothing. Neighbours' noise is not independent any more.
    pub variance: Array2<f64>,
}

/// Samples `image` at `place(y, x)`, (y, x) px of the image, for every pixel of a grid of `shape`: pixels are taken
/// for samples of what is imaged, such as a surface brightness; no factor is applied where pixels change their size,
/// and nothing is averaged where they grow.
///
/// Where the place is None, outside the frame, or so near a pixel that is not `valid` that interpolation would reach
/// it, nothing is there. `variance` is that of the image's pixels; that of a sample is the nearest pixel's times
/// what [`SplineImage::noise_gain`] says of the place.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) for `valid` or `variance` of another shape than the image,
/// [`Error::NotFinite`](crate::Error::NotFinite) for NaN in a valid pixel, [`Error::Empty`](crate::Error::Empty).
pub fn resample<F: Real>(
    image: ArrayView2<'_, F>,
    valid: ArrayView2<'_, bool>,
    variance: ArrayView2<'_, f64>,
    degree: SplineDegree,
    shape: (usize, usize),
    place: impl Fn(usize, usize) -> Option<[f64; 2]>,
) -> Result<Resampled> {
    check_shape("mask", image.shape(), valid.shape())?;
    check_shape("variance", image.shape(), variance.shape())?;
    let mut known = image.mapv(F::f64);
    known.zip_mut_with(&valid, |v, &ok| *v = if ok { *v } else { 0.0 });
    let filled = fill_missing(known.view(), valid)?;
    let spline = SplineImage::new(filled.view(), degree)?;
    let trusted = trusted_places(valid, degree.taps() / 2 + 3);
    let complete = valid.iter().all(|&ok| ok);
    let gains: Vec<f64> =
        (0..=FRACTIONS).map(|i| spline.noise_gain([-(i as f64) / FRACTIONS as f64, 0.0]).variance).collect();
    let gain = |at: f64| {
        let t = (at - at.floor()) * FRACTIONS as f64;
        let (i, part) = (t as usize, t.fract());
        gains[i] + part * (gains[(i + 1).min(FRACTIONS)] - gains[i])
    };
    let (mut pixels, mut noise) = (Array2::zeros(shape), Array2::from_elem(shape, f64::INFINITY));
    let mut there = Array2::from_elem(shape, false);
    for y in 0..shape.0 {
        for x in 0..shape.1 {
            let sample = place(y, x).and_then(|at| Some((at, spline.value_at(at)?)));
            let Some((at, value)) = sample else { continue };
            if !complete && !trusted[at.map(|v| v.floor() as usize)] {
                continue;
            }
            pixels[[y, x]] = value;
            there[[y, x]] = true;
            noise[[y, x]] = gain(at[0]) * gain(at[1]) * variance[at.map(|v| v.round() as usize)];
        }
    }
    Ok(Resampled { pixels, valid: there, variance: noise })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turned_smooth_field_is_what_it_is_at_the_new_places() {
        let field = |y: f64, x: f64| (0.3 * y).sin() + (0.2 * x + 0.1 * y).cos();
        let image = Array2::from_shape_fn((60, 70), |(y, x)| field(y as f64, x as f64));
        let mut valid = Array2::from_elem((60, 70), true);
        valid[[30, 30]] = false;
        let (sin, cos) = 0.4_f64.sin_cos();
        let place = |y: usize, x: usize| {
            let (y, x) = (y as f64 - 20.0, x as f64 - 20.0);
            Some([30.0 + cos * y + sin * x, 30.0 - sin * y + cos * x]).filter(|_| y != 7.0)
        };
        let variance = Array2::from_elem((60, 70), 4.0);
        let degree = SplineDegree::Septic;
        let mut holed = image.clone();
        holed[[30, 30]] = f64::NAN;
        let found = resample(holed.view(), valid.view(), variance.view(), degree, (50, 90), place).unwrap();
        let mut n = 0;
        for ((y, x), &ok) in found.valid.indexed_iter() {
            if let Some([from_y, from_x]) = place(y, x).filter(|_| ok) {
                let inside = (10.0..50.0).contains(&from_y) && (10.0..60.0).contains(&from_x);
                let near = (from_y - 30.0).hypot(from_x - 30.0) < 15.0;
                let off = (found.pixels[[y, x]] - field(from_y, from_x)).abs();
                assert!(off < if inside && !near { 1e-4 } else { 0.05 }, "{y} {x}: {off}");
                let noise = found.variance[[y, x]];
                assert!((1.8..=4.001).contains(&noise), "{noise}");
                n += 1;
            } else {
                assert!(found.variance[[y, x]].is_infinite() && found.pixels[[y, x]] == 0.0);
            }
        }
        assert!(n > 2000 && !found.valid[[20, 20]], "{n}");
    }

    #[test]
    fn its_own_grid_gives_the_image() {
        let image = Array2::from_shape_fn((20, 17), |(y, x)| ((y * 7 + x * 3) % 11) as f64);
        let all = Array2::from_elem((20, 17), true);
        let variance = Array2::ones((20, 17));
        let own = |y: usize, x: usize| Some([y as f64, x as f64]);
        let degree = SplineDegree::Septic;
        let found = resample(image.view(), all.view(), variance.view(), degree, (20, 17), own).unwrap();
        assert!(found.valid.iter().all(|&ok| ok));
        assert!(found.pixels.iter().zip(&image).all(|(a, b)| (a - b).abs() < 1e-4));
        assert!(found.variance.iter().all(|v| (v - 1.0).abs() < 1e-9));
        assert!(
            resample(image.view(), all.view(), Array2::ones((3, 3)).view(), degree, (2, 2), own).is_err()
        );
    }
}
