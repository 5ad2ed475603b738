//! What users of image_registration know, without its faults.

use ndarray::{Array2, ArrayD, ArrayView2};
use nonius_core::{Error, Real, Result, Status, fourier_shift, taylor_peak, wrapped_lag};
use num_complex::Complex;
use serde::{Deserialize, Serialize};

use crate::cross_nd::{CrossNd, correlation_map, first_largest, largest_lag, refined_lag};
use crate::element::complex_of_real;

/// The place of a correlation's peak. It comes without an error: see [`register`](crate::register) for that.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PeakShift {
    /// Displacement `(y, x)` px of the moving image's content, `moving[r] = reference[r − shift]`. NaN if
    /// undetermined.
    pub shift: [f64; 2],
    /// How far to believe it.
    pub status: Status,
}

/// Displacement of periodic images from the second-order Taylor expansion of their cross-correlation about
/// its whole-pixel maximum.
///
/// The expansion uses the 3 × 3 pixels about the maximum, across the border where it lies there
/// ([`taylor_peak`]). It is biased for narrow peaks: up to about 0.1 px for images sharp to the pixel.
/// `max_shift` limits the whole-pixel search along each axis, px; an answer within half a pixel of it is
/// [`Status::AtSearchLimit`]. Where the expansion has its extremum more than one pixel away the whole-pixel
/// place is returned, [`Status::Ambiguous`]. Images that fix no displacement are [`Status::Undetermined`].
///
/// image_registration's function of this name returns `(dx, dy)` of this sign. It is half a pixel off
/// along axes of odd length, takes the mixed derivative with the wrong sign, and fails at the border.
///
/// # Errors
/// [`Error::Shape`], [`Error::Empty`], [`Error::NotFinite`]; [`Error::Parameter`] for a limit that is
/// negative or not finite.
///
/// # Example
/// ```
/// use ndarray::Array2;
/// use nonius_registration::cross_correlation_shifts;
///
/// // A Gaussian of width 3 px and its copy, displaced by (1.25, −2.5).
/// let at = |y0: f64, x0: f64| {
///     Array2::from_shape_fn((40, 41), |(y, x)| {
///         (-((y as f64 - y0).powi(2) + (x as f64 - x0).powi(2)) / 18.0).exp()
///     })
/// };
/// let found = cross_correlation_shifts(at(20.0, 20.0).view(), at(21.25, 17.5).view(), None)?;
/// assert!((found.shift[0] - 1.25).abs() < 0.01 && (found.shift[1] + 2.5).abs() < 0.01);
/// # Ok::<(), nonius_core::Error>(())
/// ```
pub fn cross_correlation_shifts<F: Real>(
    reference: ArrayView2<'_, F>,
    moving: ArrayView2<'_, F>,
    max_shift: Option<f64>,
) -> Result<PeakShift> {
    let Some(cross) = cross_without_means(reference, moving, max_shift)? else { return Ok(UNDETERMINED) };
    let map = correlation_map(&cross, false)?;
    let n = [map.shape()[0], map.shape()[1]];
    let lag = |axis: usize, i: usize| wrapped_lag(i, n[axis]) as f64;
    let allowed = |place: &[usize]| {
        max_shift.is_none_or(|limit| (0..2).all(|axis| lag(axis, place[axis]).abs() <= limit))
    };
    let place = first_largest(&map, |z| z.re, allowed);
    let offset = taylor_peak(&neighbourhood(&map, [place[0], place[1]]));
    let offset = offset.filter(|o| o.iter().all(|o| o.abs() <= 1.0));
    // The map has its maximum at minus the displacement.
    let along = |axis: usize| 0.0 - (lag(axis, place[axis]) + offset.map_or(0.0, |o| o[axis]));
    Ok(with_status([along(0), along(1)], offset.is_some(), max_shift))
}

/// Displacement of periodic images on a grid of `upsample_factor` points per px.
///
/// Factor 1 finds whole pixels. Above, the start is the maximum of the correlation on a grid of half pixels;
/// a factor above 2 refines it over ⌈1.5 factor⌉ points of step 1/factor per axis. What is maximised is the
/// modulus: images of inverted contrast register too. Means are always subtracted. `max_shift` limits the
/// search before refinement along each axis, px; an answer within half a pixel of it is
/// [`Status::AtSearchLimit`]. Images that fix no displacement are [`Status::Undetermined`].
///
/// image_registration's function of this name returns `(dx, dy)` of this sign; its `maxoff` counts half
/// pixels for factors from 2 up. For its `return_registered` see [`registered`].
///
/// # Errors
/// [`Error::Shape`], [`Error::Empty`], [`Error::NotFinite`]; [`Error::Parameter`] unless the factor is
/// between 1 and 1e6 and its window fits into memory, and for a limit that is negative or not finite.
///
/// # Example
/// ```
/// use ndarray::Array2;
/// use nonius_registration::{register_images, registered};
///
/// let f = Array2::from_shape_fn((15, 17), |(y, x)| ((y * y + 3 * x + x * x * y) % 11) as f64);
/// let g = nonius_core::fourier_shift(f.view(), &[2.3, -1.6])?;
/// let found = register_images(f.view(), g.view(), 10.0, None)?;
/// assert!((found.shift[0] - 2.3).abs() < 1e-9 && (found.shift[1] + 1.6).abs() < 1e-9);
/// let back = registered(g.view(), found.shift)?;
/// assert!(back.iter().zip(&f).all(|(a, b)| (a - b).abs() < 1e-9));
/// # Ok::<(), nonius_core::Error>(())
/// ```
pub fn register_images<F: Real>(
    reference: ArrayView2<'_, F>,
    moving: ArrayView2<'_, F>,
    upsample_factor: f64,
    max_shift: Option<f64>,
) -> Result<PeakShift> {
    if !(1.0..=1e6).contains(&upsample_factor) {
        return Err(Error::parameter("upsample_factor", "between 1 and 1e6", upsample_factor));
    }
    let Some(cross) = cross_without_means(reference, moving, max_shift)? else { return Ok(UNDETERMINED) };
    let mut lag = largest_lag(&cross, upsample_factor > 1.0, max_shift)?;
    if upsample_factor > 2.0 {
        lag = refined_lag(&cross, &lag, upsample_factor)?;
    }
    Ok(with_status([0.0 - lag[0], 0.0 - lag[1]], true, max_shift))
}

/// The moving image brought back onto the reference: shifted by `−shift`, periodic
/// ([`fourier_shift`]). Real and signed; image_registration returns its absolute value rolled by half a
/// frame.
///
/// # Errors
/// [`Error::Empty`], [`Error::NotFinite`], [`Error::Parameter`] for a shift that is not finite (as that of
/// an undetermined registration is).
pub fn registered<F: Real>(moving: ArrayView2<'_, F>, shift: [f64; 2]) -> Result<Array2<F>> {
    fourier_shift(moving, &shift.map(|d| -d))
}

const UNDETERMINED: PeakShift = PeakShift { shift: [f64::NAN; 2], status: Status::Undetermined };

/// `F·conj(G)` without the zero frequency; None if it determines nothing.
fn cross_without_means<F: Real>(
    reference: ArrayView2<'_, F>,
    moving: ArrayView2<'_, F>,
    max_shift: Option<f64>,
) -> Result<Option<ArrayD<Complex<F>>>> {
    if let Some(limit) = max_shift.filter(|limit| !(limit.is_finite() && *limit >= 0.0)) {
        return Err(Error::parameter("max_shift", "finite and not negative", limit));
    }
    let mut cross = CrossNd::new(complex_of_real(reference), complex_of_real(moving), false)?;
    cross.values[[0, 0]] = Complex::new(F::zero(), F::zero());
    Ok(cross.determined.then_some(cross.values))
}

/// The real parts of the 3 × 3 elements about `place`, cyclic. Along an axis of one pixel the values fall
/// off to both sides alike, so that nothing moves along it.
fn neighbourhood<F: Real>(map: &ArrayD<Complex<F>>, place: [usize; 2]) -> [[F; 3]; 3] {
    let n = [map.shape()[0], map.shape()[1]];
    let near = |axis: usize, step: usize| (place[axis] + n[axis] + step - 1) % n[axis];
    let top = map[[place[0], place[1]]].norm_sqr().sqrt();
    std::array::from_fn(|i| {
        std::array::from_fn(|j| {
            let fall = |axis: usize, step: usize| {
                if n[axis] == 1 && step != 1 { top } else { F::zero() }
            };
            map[[near(0, i), near(1, j)]].re - fall(0, i) - fall(1, j)
        })
    })
}

fn with_status(shift: [f64; 2], refined: bool, max_shift: Option<f64>) -> PeakShift {
    let status = match () {
        _ if max_shift.is_some_and(|limit| shift.iter().any(|d| d.abs() > limit - 0.5)) => {
            Status::AtSearchLimit
        }
        _ if refined => Status::Converged,
        _ => Status::Ambiguous,
    };
    PeakShift { shift, status }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(at: [f64; 2], shape: (usize, usize)) -> Array2<f64> {
        Array2::from_shape_fn(shape, |(y, x)| {
            let wrapped = |v: f64, n: usize| (v + 1.5 * n as f64).rem_euclid(n as f64) - 0.5 * n as f64;
            let (dy, dx) = (wrapped(y as f64 - at[0], shape.0), wrapped(x as f64 - at[1], shape.1));
            // Tilted: a mixed derivative of the wrong sign would be seen.
            (-(dy * dy + dx * dx + 1.2 * dy * dx) / 18.0).exp()
        })
    }

    #[test]
    fn peaks_at_the_border_of_the_map() {
        let shape = (32, 31);
        let shift = [15.75, -15.25];
        let (f, g) = (blob([16.0, 15.0], shape), blob([16.0 + shift[0], 15.0 + shift[1]], shape));
        let cyclic = |found: f64, truth: f64, n: f64| {
            let d = (found - truth).rem_euclid(n);
            d.min(n - d)
        };
        let taylor = cross_correlation_shifts(f.view(), g.view(), None).unwrap();
        let grid = register_images(f.view(), g.view(), 4.0, None).unwrap();
        for (found, tolerance) in [(taylor, 0.02), (grid, 1e-9)] {
            assert_eq!(found.status, Status::Converged);
            for (axis, n) in [32.0, 31.0].into_iter().enumerate() {
                assert!(cyclic(found.shift[axis], shift[axis], n) < tolerance, "{found:?}");
            }
        }
    }

    #[test]
    fn a_limit_is_in_pixels_and_reported() {
        let (f, g) = (blob([16.0, 16.0], (32, 32)), blob([24.0, 16.0], (32, 32)));
        for factor in [1.0, 2.0, 10.0] {
            let far = register_images(f.view(), g.view(), factor, Some(10.0)).unwrap();
            assert_eq!((far.shift, far.status), ([8.0, 0.0], Status::Converged));
            let near = register_images(f.view(), g.view(), factor, Some(5.0)).unwrap();
            assert_eq!(near.status, Status::AtSearchLimit);
        }
        let near = cross_correlation_shifts(f.view(), g.view(), Some(5.0)).unwrap();
        assert_ne!(near.status, Status::Converged);
        assert!(cross_correlation_shifts(f.view(), g.view(), Some(-1.0)).is_err());
        assert!(register_images(f.view(), g.view(), 0.0, None).is_err());
    }

    #[test]
    fn one_row_or_column_and_constants() {
        let f = blob([0.0, 9.0], (1, 20));
        let g = blob([0.0, 12.25], (1, 20));
        let row = cross_correlation_shifts(f.view(), g.view(), None).unwrap();
        let column = cross_correlation_shifts(f.t(), g.t(), None).unwrap();
        assert!(row.shift[0] == 0.0 && (row.shift[1] - 3.25).abs() < 0.02, "{row:?}");
        assert!(column.shift[1] == 0.0 && (column.shift[0] - 3.25).abs() < 0.02, "{column:?}");
        let constant = Array2::from_elem((8, 9), 3.0_f64);
        let found = register_images(constant.view(), constant.view(), 10.0, None).unwrap();
        assert!(found.status == Status::Undetermined && found.shift[0].is_nan());
        assert!(registered(constant.view(), found.shift).is_err());
    }

    #[test]
    fn the_registered_image_keeps_its_sign() {
        let f = blob([7.0, 8.0], (15, 17)).mapv(|v| v - 0.5);
        let g = fourier_shift(f.view(), &[3.0, -2.5]).unwrap();
        let back = registered(g.view(), [3.0, -2.5]).unwrap();
        assert!(back.iter().zip(&f).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}
