//! The plain correlation of two images.

use std::str::FromStr;

use ndarray::{Array2, ArrayView2, s};
use nonius_core::{Error, FftNd, Real, Result, check_not_empty, fast_length};
use num_complex::Complex;
use serde::{Deserialize, Serialize};

use crate::element::{Element, largest_part};

/// What the images are outside their frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CorrelationBoundary {
    /// Periodic, with the period of the first image. The default.
    #[default]
    Wrap,
    /// Zero.
    Fill,
}

impl FromStr for CorrelationBoundary {
    type Err = Error;

    /// `wrap` or `fill`; any other word is an error.
    fn from_str(word: &str) -> Result<Self> {
        match word {
            "wrap" => Ok(CorrelationBoundary::Wrap),
            "fill" => Ok(CorrelationBoundary::Fill),
            other => Err(Error::parameter("boundary", "wrap or fill", other)),
        }
    }
}

/// Index of zero displacement along an axis of `n` pixels of a map of [`correlate`]: `n − 1 − ⌊n/2⌋`,
/// where n is the length of the *second* image.
///
/// ```
/// use nonius_registration::zero_lag;
/// assert_eq!([4, 5, 1].map(zero_lag), [1, 2, 0]);
/// ```
pub fn zero_lag(n: usize) -> usize {
    n - n / 2 - usize::from(n > 0)
}

/// Cross-correlation of two images, zero displacement in the middle.
///
/// ```text
/// C[p] = Re Σ_q a*[q] · b[q + p₀ − p]
/// ```
///
/// with p₀ = ([`zero_lag`]`(rows of b)`, [`zero_lag`]`(columns of b)`). The map has the shape of `a`; a
/// maximum at `p` says that the content of `b` is that of `a` displaced by `p₀ − p` px, `(y, x)`. Means
/// are not subtracted, sums are not divided. Indices of `b` are taken modulo the shape of `a`
/// ([`CorrelationBoundary::Wrap`]; a smaller `b` is filled up with zeros to that shape) or `b` is zero outside its
/// frame ([`CorrelationBoundary::Fill`]; the map reaches displacements of about half the frame).
///
/// # Errors
/// [`Error::Empty`]; [`Error::NotFinite`] for NaN or infinity; [`Error::Shape`] if `b` is larger than `a`
/// along an axis and wraps.
///
/// # Source
/// image_registration, `correlate2d`; there every word but `fill` means `wrap`.
///
/// # Example
/// ```
/// use ndarray::array;
/// use nonius_registration::{CorrelationBoundary, correlate};
///
/// let a = array![[0.0_f64, 1.0, 0.0, 0.0, 0.0]];
/// let b = array![[0.0_f64, 0.0, 0.0, 1.0, 0.0]]; // displaced by +2
/// let map = correlate(a.view(), b.view(), CorrelationBoundary::Wrap)?;
/// assert!((map[[0, 0]] - 1.0).abs() < 1e-12); // p₀ − 2 = 0
/// # Ok::<(), nonius_core::Error>(())
/// ```
pub fn correlate<T: Element>(
    a: ArrayView2<'_, T>,
    b: ArrayView2<'_, T>,
    boundary: CorrelationBoundary,
) -> Result<Array2<T::Real>> {
    check_not_empty("a", a.shape())?;
    check_not_empty("b", b.shape())?;
    let period: [usize; 2] = std::array::from_fn(|axis| match boundary {
        CorrelationBoundary::Wrap => a.shape()[axis],
        CorrelationBoundary::Fill => fast_length(a.shape()[axis] + b.shape()[axis]),
    });
    if (0..2).any(|axis| b.shape()[axis] > period[axis]) {
        let (expected, got) = (a.shape().to_vec(), b.shape().to_vec());
        return Err(Error::Shape { what: "b (wrapped, at most as large as a)", expected, got });
    }
    let plan = FftNd::new(&period)?;
    let transform = |what, image: ArrayView2<'_, T>| -> Result<Array2<Complex<T::Real>>> {
        let mut padded = Array2::zeros(period);
        padded.slice_mut(s![..image.nrows(), ..image.ncols()]).zip_mut_with(&image, |p, v| *p = v.complex());
        largest_part(what, padded.view())?;
        plan.forward(padded.view_mut())?;
        Ok(padded)
    };
    // By displacement: L[d] = Σ_q a*[q] b[q + d], whose transform is A*·B.
    let mut by_lag = transform("a", a)?;
    let scale = T::Real::of(1.0 / by_lag.len() as f64);
    by_lag.zip_mut_with(&transform("b", b)?, |x, g| *x = x.conj() * g * scale);
    plan.inverse(by_lag.view_mut())?;
    let lag = |axis: usize, p: usize| {
        let n = period[axis];
        (zero_lag(b.shape()[axis]) + n - p % n) % n
    };
    Ok(Array2::from_shape_fn(a.dim(), |(y, x)| by_lag[[lag(0, y), lag(1, x)]].re))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_sum_for_unlike_shapes() {
        let a = Array2::from_shape_fn((5, 6), |(y, x)| Complex::new((y * x % 5) as f64, (y + x) as f64));
        let b = Array2::from_shape_fn((4, 3), |(y, x)| Complex::new((2 * y + x) as f64, y as f64 - x as f64));
        for boundary in [CorrelationBoundary::Wrap, CorrelationBoundary::Fill] {
            let map = correlate(a.view(), b.view(), boundary).unwrap();
            for ((py, px), &value) in map.indexed_iter() {
                let mut sum = 0.0;
                for ((qy, qx), v) in a.indexed_iter() {
                    let mut at = [
                        (qy + zero_lag(4)) as isize - py as isize,
                        (qx + zero_lag(3)) as isize - px as isize,
                    ];
                    if boundary == CorrelationBoundary::Wrap {
                        at = [at[0].rem_euclid(5), at[1].rem_euclid(6)];
                    }
                    if (0..4).contains(&at[0]) && (0..3).contains(&at[1]) {
                        sum += (v.conj() * b[[at[0] as usize, at[1] as usize]]).re;
                    }
                }
                assert!((sum - value).abs() < 1e-11, "{boundary:?} at {py}, {px}");
            }
        }
    }

    #[test]
    fn unknown_words_are_refused() {
        assert_eq!("fill".parse(), Ok(CorrelationBoundary::Fill));
        let message = "reflect".parse::<CorrelationBoundary>().unwrap_err().to_string();
        assert_eq!(message, "boundary must be wrap or fill, got reflect");
    }

    #[test]
    fn bad_input_is_named() {
        let image = Array2::<f64>::ones((4, 4));
        let mut holed = image.clone();
        holed[[1, 2]] = f64::NAN;
        let error = correlate(image.view(), holed.view(), CorrelationBoundary::Fill).unwrap_err();
        assert_eq!(error, Error::NotFinite { what: "b", index: vec![1, 2] });
        assert!(correlate(image.view(), Array2::ones((5, 4)).view(), CorrelationBoundary::Wrap).is_err());
        assert!(correlate(image.view(), Array2::ones((0, 4)).view(), CorrelationBoundary::Fill).is_err());
    }
}
