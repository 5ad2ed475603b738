//! A shift from one magnified part of the χ² map.

use ndarray::{Array1, Array2, ArrayView2};
use nonius_core::{Result, Sample, zoom, zoom_positions};
use serde::{Deserialize, Serialize};

use super::chi2map_to_errors::extent;
use super::{PixelError, argmin, check_positive, check_side, chi2map_to_errors, chi2n_map};
use crate::delta_chi2;

/// How finely the χ² map is sampled about its minimum.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Upsample {
    /// So that the region of χ² below the level of [`Chi2ShiftParams::max_nsig`] spans half the window.
    #[default]
    Auto,
    /// So many samples per px. The window has as many samples as the image has pixels; if the factor is not
    /// below the number of rows, twice the factor (rounded) along both axes.
    Fixed(f64),
}

/// Parameters of [`chi2_shift`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Chi2ShiftParams {
    /// Samples per px. Default: [`Upsample::Auto`].
    pub upsample: Upsample,
    /// Subtract each image's mean first. Default: no.
    pub zeromean: bool,
    /// Side of the magnified map, samples, where the factor is found automatically. Default: 512.
    pub max_auto_size: usize,
    /// Size of the region that decides the automatic factor, in σ. Default: 1.1.
    pub max_nsig: f64,
    /// Number of parameters, for the level that decides the automatic factor *only*: errors are those of two
    /// parameters whatever stands here. Default: 2.
    pub nfitted: usize,
}

impl Default for Chi2ShiftParams {
    fn default() -> Self {
        Chi2ShiftParams {
            upsample: Upsample::Auto,
            zeromean: false,
            max_auto_size: 512,
            max_nsig: 1.1,
            nfitted: 2,
        }
    }
}

/// A shift on a grid, with the map that it is the minimum of.
#[derive(Debug, Clone, PartialEq)]
pub struct GridShift {
    /// Displacement of the moving image's content along x, px. NaN where χ² does not depend on the shift.
    pub dx: f64,
    /// The same along y.
    pub dy: f64,
    /// Mean of the two errors along x, px.
    pub err_x: f64,
    /// Mean of the two errors along y, px.
    pub err_y: f64,
    /// Joint 1 σ region along x, px: side of lower index in `map`, which is that of *larger* shifts, and of
    /// higher index.
    pub x_low_high: [f64; 2],
    /// The same along y.
    pub y_low_high: [f64; 2],
    /// Distance of the samples of `map`, px.
    pub step: f64,
    /// Shift along x that each column of `map` stands for, px, descending. (`chi2_shift` of the original
    /// returns minus these.)
    pub x: Array1<f64>,
    /// Shift along y that each row of `map` stands for, px, descending.
    pub y: Array1<f64>,
    /// χ² on the grid.
    pub map: Array2<f64>,
}

/// Displacement of periodic images at the least χ² on a fine grid, and the extent of the region about it.
///
/// The whole-pixel map ([`chi2n_map`]) is magnified by its Fourier series ([`zoom`]) about its minimum; the
/// answer is the least sample, its errors those of [`chi2map_to_errors`] at 1 σ for two parameters. Along axes
/// of even length the window is centred on a shift half a pixel less than that of the minimum. A term 3 that
/// is a map is not band-limited and interpolated nonetheless.
///
/// Images that fix no shift (constant, or all NaN) give NaN for the shift and its errors.
///
/// # Errors
/// Those of [`chi2n_map`]; [`Error::Parameter`](nonius_core::Error::Parameter) for a factor that is not finite
/// and above 0, a magnified map of more than 4096 samples along a side (unless the image is as large), a
/// `max_nsig` that is not above 0, and what [`delta_chi2`] refuses.
///
/// # Source
/// image_registration 0.2.10, `chi2_shift` with `boundary='wrap'`.
///
/// # Example
/// ```
/// use ndarray::Array2;
/// use nonius_chi2::compatible::{Chi2ShiftParams, PixelError, chi2_shift};
///
/// let f = Array2::from_shape_fn((31, 33), |(y, x)| {
///     (-((y as f64 - 15.0).powi(2) + (x as f64 - 16.0).powi(2)) / 18.0).exp()
/// });
/// let g = nonius_core::fourier_shift(f.view(), &[1.25, -2.5])?;
/// let found = chi2_shift(f.view(), g.view(), PixelError::Uniform(0.05), &Chi2ShiftParams::default())?;
/// assert!((found.dx + 2.5).abs() <= found.step && (found.dy - 1.25).abs() <= found.step);
/// assert!(found.err_x > 0.05 && found.err_x < 0.07); // 1.515 σ, σ = 0.05·√(2/π)
/// # Ok::<(), nonius_core::Error>(())
/// ```
pub fn chi2_shift<T: Sample>(
    reference: ArrayView2<'_, T>,
    moving: ArrayView2<'_, T>,
    err: PixelError<'_>,
    params: &Chi2ShiftParams,
) -> Result<GridShift> {
    check_side("max_auto_size", params.max_auto_size)?;
    check_positive("max_nsig", params.max_nsig)?;
    let level = delta_chi2(params.max_nsig, params.nfitted)?;
    let chi2 = chi2n_map(reference, moving, err, params.zeromean, false)?;
    let n = [chi2.map.nrows(), chi2.map.ncols()];
    let (factor, shape) = match params.upsample {
        Upsample::Auto => {
            let extent = extent(chi2.map.view(), level).unwrap_or_default();
            let size = extent.iter().map(|[first, last]| last - first).fold(1, usize::max);
            let half = params.max_auto_size as f64 / 2.0;
            ((half / size as f64).max(1.0), [params.max_auto_size; 2])
        }
        Upsample::Fixed(factor) => {
            check_positive("upsample", factor)?;
            if factor < n[0] as f64 {
                (factor, n)
            } else {
                let side = (2.0 * factor).round() as usize;
                check_side("twice the factor", side)?;
                (factor, [side; 2])
            }
        }
    };
    let place = argmin(chi2.map.view());
    let zero = n.map(|n| (n - 1 - n / 2) as f64);
    let offset: [f64; 2] = std::array::from_fn(|axis| place[axis] as f64 - zero[axis]);
    let map = zoom(chi2.map.view(), factor, &shape, &offset)?;
    let shifts = |axis: usize| {
        zoom_positions(n[axis], shape[axis], factor, offset[axis]).mapv(|position| zero[axis] - position)
    };
    let best = argmin(map.view());
    let [y, x] = [shifts(0), shifts(1)];
    let shift = if chi2.is_flat() { None } else { Some([y[best[0]], x[best[1]]]) };
    GridShift::new(shift, factor, [y, x], map)
}

impl GridShift {
    /// With the errors that the map has at `factor` samples per px, NaN if there is no shift.
    pub(super) fn new(
        shift: Option<[f64; 2]>,
        factor: f64,
        [y, x]: [Array1<f64>; 2],
        map: Array2<f64>,
    ) -> Result<Self> {
        let errors = chi2map_to_errors(map.view(), factor, 1.0, 2)?;
        let known = |sides: [f64; 2]| if shift.is_some() { sides } else { [f64::NAN; 2] };
        let (x_low_high, y_low_high) = (known(errors.x_low_high), known(errors.y_low_high));
        let mean = |sides: [f64; 2]| (sides[0] + sides[1]) / 2.0;
        let [dy, dx] = shift.unwrap_or([f64::NAN; 2]);
        let (err_x, err_y) = (mean(x_low_high), mean(y_low_high));
        Ok(GridShift { dx, dy, err_x, err_y, x_low_high, y_low_high, step: 1.0 / factor, x, y, map })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constant_images_fix_nothing() {
        for shape in [(12, 13), (64, 64), (101, 67)] {
            let image = Array2::from_elem(shape, 3.7_f32);
            let (image, params) = (image.view(), Chi2ShiftParams::default());
            let found = chi2_shift(image, image, PixelError::Unit, &params).unwrap();
            assert!(found.dx.is_nan() && found.err_y.is_nan());
        }
    }

    #[test]
    fn bad_parameters_are_errors() {
        let image = Array2::from_shape_fn((6, 7), |(y, x)| (y * x % 4) as f64);
        let shift =
            |params: Chi2ShiftParams| chi2_shift(image.view(), image.view(), PixelError::Unit, &params);
        let defaults = Chi2ShiftParams::default;
        for factor in [0.0, -1.0, f64::NAN, 1e9] {
            assert!(shift(Chi2ShiftParams { upsample: Upsample::Fixed(factor), ..defaults() }).is_err());
        }
        assert!(shift(Chi2ShiftParams { max_auto_size: 0, ..defaults() }).is_err());
        assert!(shift(Chi2ShiftParams { max_nsig: 0.0, ..defaults() }).is_err());
        assert!(shift(Chi2ShiftParams { nfitted: 0, ..defaults() }).is_err());
        for factor in [0.5, 5.5, 6.0, 20.25] {
            assert!(shift(Chi2ShiftParams { upsample: Upsample::Fixed(factor), ..defaults() }).is_ok());
        }
    }
}
