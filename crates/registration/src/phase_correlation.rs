//! Correlation of real or complex periodic arrays, on a grid.

use ndarray::{ArrayView, Dimension};
use nonius_core::{Error, Real, Result, Status};
use serde::{Deserialize, Serialize};

use crate::cross_nd::{CrossNd, largest_lag, refined_lag};
use crate::element::{Element, complex};
use crate::params::Method;

/// What the arrays given to [`phase_cross_correlation`] are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Space {
    /// Images, volumes, signals. The default.
    #[default]
    Real,
    /// Their (unnormalised, unshifted) discrete Fourier transforms.
    Fourier,
}

/// Parameters of [`phase_cross_correlation`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PhaseCorrelationParams {
    /// Grid points per px, at least 1; may be fractional. Default: 1, whole pixels.
    pub upsample_factor: f64,
    /// Plain or phase correlation. Default: [`Method::Cross`] (scikit-image's is phase).
    pub method: Method,
    /// Whether the arrays are transforms already. Default: [`Space::Real`].
    pub space: Space,
}

impl Default for PhaseCorrelationParams {
    fn default() -> Self {
        PhaseCorrelationParams { upsample_factor: 1.0, method: Method::default(), space: Space::default() }
    }
}

impl PhaseCorrelationParams {
    /// Checks the factor.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless the factor is between 1 and 1e6.
    pub fn validate(&self) -> Result<()> {
        if (1.0..=1e6).contains(&self.upsample_factor) {
            Ok(())
        } else {
            Err(Error::parameter("upsample_factor", "between 1 and 1e6", self.upsample_factor))
        }
    }
}

/// What [`phase_cross_correlation`] finds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhaseCorrelation {
    /// Displacement of the moving array's content along each axis, px: `moving[r] = reference[r − shift]`.
    /// scikit-image returns the negative. NaN if undetermined.
    pub shift: Vec<f64>,
    /// `√|1 − |C|²/(Σ|f|² Σ|g|²)|`, C the plain correlation at the shift: 0 for arrays that are copies of
    /// each other, near 1 for strangers without a common mean.
    pub error: f64,
    /// arg C, rad: the phase of the reference less that of the moving array; 0 for images that are alike.
    pub phase_difference: f64,
    /// [`Status::Converged`] or [`Status::Undetermined`].
    pub status: Status,
}

/// Displacement between two periodic arrays of any number of axes, real or complex, on a grid.
///
/// ```text
/// X = F·conj(G)   (over |X| for phase correlation),   −shift = argmax_d |Σ_k X_k exp(2πi k·d/n)|
/// ```
///
/// first over whole pixels (the first of equal maxima), then over ⌈1.5 factor⌉ points of step 1/factor
/// along each axis about that. For real images of one to three axes [`register_nd`](crate::register_nd)
/// is better: it has no grid, and it has errors.
///
/// Axes of one pixel get the shift 0. Arrays that fix no displacement (constant, without structure along
/// some direction, or with nothing in common) are [`Status::Undetermined`]. The result does not depend on
/// the scale of the arrays. Elements of the cross-spectrum below 16 ε times the strongest are rounding and
/// not brought to modulus 1.
///
/// # Errors
/// [`Error::Shape`] unless the arrays have one shape, [`Error::Empty`], [`Error::NotFinite`],
/// [`Error::Parameter`] (also for a factor whose refinement window would not fit into memory).
///
/// # Source
/// M. Guizar-Sicairos, S. T. Thurman, J. R. Fienup, Opt. Lett. 33, 156 (2008); scikit-image,
/// `phase_cross_correlation`, from which the error of phase correlation differs: it is that of the
/// images, not of their normalised spectra.
///
/// # Example
/// ```
/// use ndarray::Array3;
/// use nonius_registration::{PhaseCorrelationParams, phase_cross_correlation};
///
/// let f = Array3::from_shape_fn((6, 7, 8), |(z, y, x)| ((z * z + 3 * y + x * x * y) % 13) as f64);
/// let g = nonius_core::fourier_shift(f.view(), &[1.0, -2.0, 3.0])?;
/// let found = phase_cross_correlation(f.view(), g.view(), &PhaseCorrelationParams::default())?;
/// assert_eq!(found.shift, [1.0, -2.0, 3.0]);
/// assert!(found.error < 1e-6);
/// # Ok::<(), nonius_core::Error>(())
/// ```
pub fn phase_cross_correlation<T: Element, D: Dimension>(
    reference: ArrayView<'_, T, D>,
    moving: ArrayView<'_, T, D>,
    params: &PhaseCorrelationParams,
) -> Result<PhaseCorrelation> {
    params.validate()?;
    let cross = CrossNd::new(complex(reference), complex(moving), params.space == Space::Fourier)?;
    if !cross.determined {
        return Ok(PhaseCorrelation {
            shift: vec![f64::NAN; cross.values.ndim()],
            error: f64::NAN,
            phase_difference: f64::NAN,
            status: Status::Undetermined,
        });
    }
    let whitened = (params.method == Method::Phase).then(|| cross.whitened());
    let searched = whitened.as_ref().unwrap_or(&cross.values);
    let mut lag = largest_lag(searched, false, None)?;
    if params.upsample_factor != 1.0 {
        lag = refined_lag(searched, &lag, params.upsample_factor)?;
    }
    let top = cross.at(&lag)?;
    let (re, im) = (top.re.f64(), top.im.f64());
    Ok(PhaseCorrelation {
        // 0 − d, so that no shift is −0.
        shift: lag.into_iter().map(|d| 0.0 - d).collect(),
        error: (1.0 - (re * re + im * im) / cross.power).abs().sqrt(),
        phase_difference: im.atan2(re),
        status: Status::Converged,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, Array3};

    fn texture(scale: f64) -> Array2<f64> {
        Array2::from_shape_fn((16, 15), |(y, x)| scale * ((y * y * 7 + x * 11 + x * y * 3) % 17) as f64)
    }

    fn params(upsample_factor: f64, method: Method) -> PhaseCorrelationParams {
        PhaseCorrelationParams { upsample_factor, method, ..Default::default() }
    }

    #[test]
    fn no_scale_matters() {
        let shift = [2.3, -1.4];
        for method in [Method::Cross, Method::Phase] {
            for scale in [1.0, 1e-9, 1e-290, 1e290] {
                let f = texture(scale);
                let g = nonius_core::fourier_shift(f.view(), &shift).unwrap();
                let found = phase_cross_correlation(f.view(), g.view(), &params(10.0, method)).unwrap();
                assert!((0..2).all(|a| (found.shift[a] - shift[a]).abs() < 1e-9), "{scale}: {found:?}");
                assert!(found.error < 0.3);
            }
        }
        let (f, g) = (texture(1e36).mapv(|v| v as f32), texture(1e-36).mapv(|v| v as f32));
        let found = phase_cross_correlation(f.view(), g.view(), &params(1.0, Method::Phase)).unwrap();
        assert_eq!((found.shift, found.status), (vec![0.0, 0.0], Status::Converged));
    }

    #[test]
    fn without_structure_nothing_is_determined() {
        let constant = Array2::from_elem((32, 32), 0.1_f32);
        let zero = Array2::<f32>::zeros((32, 32));
        let stripes =
            Array2::from_shape_fn((32, 32), |(y, x)| ((y + x) as f32 * std::f32::consts::FRAC_PI_4).sin());
        let rows = Array2::from_shape_fn((32, 32), |(y, _)| (y % 5) as f32);
        let columns = rows.t().to_owned();
        let image = Array2::from_shape_fn((32, 32), |(y, x)| ((y * y + 3 * x * y + x) % 7) as f32);
        for (f, g) in [
            (&constant, &constant),
            (&constant, &image),
            (&image, &constant),
            (&zero, &image),
            (&stripes, &stripes),
            (&rows, &rows),
            (&rows, &columns),
        ] {
            for method in [Method::Cross, Method::Phase] {
                let found = phase_cross_correlation(f.view(), g.view(), &params(10.0, method)).unwrap();
                assert_eq!(found.status, Status::Undetermined);
                assert!(found.shift.iter().all(|d| d.is_nan()));
            }
        }
    }

    #[test]
    fn bad_input_is_an_error() {
        let f = texture(1.0);
        let mut holed = f.clone();
        holed[[3, 4]] = f64::INFINITY;
        let ask = |f: &Array2<f64>, g: &Array2<f64>, factor| {
            phase_cross_correlation(f.view(), g.view(), &params(factor, Method::Cross)).unwrap_err()
        };
        assert_eq!(ask(&f, &holed, 1.0), Error::NotFinite { what: "moving", index: vec![3, 4] });
        assert!(matches!(
            ask(&f, &texture(1.0).slice(ndarray::s![..15, ..]).to_owned(), 1.0),
            Error::Shape { .. }
        ));
        assert!(matches!(ask(&Array2::zeros((0, 3)), &Array2::zeros((0, 3)), 1.0), Error::Empty { .. }));
        for factor in [0.5, f64::NAN, 1e7] {
            assert!(matches!(ask(&f, &f, factor), Error::Parameter { name: "upsample_factor", .. }));
        }
        let volume = Array3::from_shape_fn((4, 4, 4), |(z, y, x)| ((z * 5 + y * y + x * x * z) % 7) as f64);
        let huge = phase_cross_correlation(volume.view(), volume.view(), &params(1e5, Method::Cross));
        assert!(matches!(huge.unwrap_err(), Error::Parameter { name: "upsample_factor", .. }));
    }
}
