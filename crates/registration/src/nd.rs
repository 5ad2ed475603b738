//! Registration of signals, images and volumes by one function.

use ndarray::{Array2, ArrayView, ArrayView2, Axis, Dimension, Ix1, Ix2, Ix3};
use nonius_core::{Error, Real, Result, Status};
use serde::{Deserialize, Serialize};

use crate::params::RegistrationParams;
use crate::plan::register;
use crate::result::Registration;
use crate::volume;

/// The displacement between two arrays of one to three axes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NdRegistration {
    /// Displacement of the moving array's content along each axis, px:
    /// `moving[r] = reference[r − shift]`. NaN if undetermined.
    pub shift: Vec<f64>,
    /// Covariance of the shift, px², axes by axes; estimated from the residuals. For results on a grid of
    /// step s it includes s²/12 per axis. NaN if undetermined.
    pub covariance: Array2<f64>,
    /// Correlation coefficient of the moving array and the shifted reference, −1 to 1.
    pub score: f64,
    /// Elements compared.
    pub overlap: usize,
    /// How far to believe it.
    pub status: Status,
}

impl NdRegistration {
    /// Standard errors per axis, px: roots of the diagonal of the covariance.
    pub fn errors(&self) -> Vec<f64> {
        self.covariance.diag().iter().map(|v| v.sqrt()).collect()
    }

    pub(crate) fn undetermined(axes: usize, overlap: usize) -> Self {
        NdRegistration {
            shift: vec![f64::NAN; axes],
            covariance: Array2::from_elem((axes, axes), f64::NAN),
            score: f64::NAN,
            overlap,
            status: Status::Undetermined,
        }
    }

    /// The last `axes` axes of a registration of images.
    fn of(found: Registration, axes: usize) -> Self {
        let first = 2 - axes;
        let Registration { shift, covariance, score, overlap, status, .. } = found;
        NdRegistration {
            shift: shift[first..].to_vec(),
            covariance: Array2::from_shape_fn((axes, axes), |(i, j)| covariance[first + i][first + j]),
            score,
            overlap,
            status,
        }
    }
}

/// Displacement of `moving` against `reference`: arrays of one, two or three axes, of one shape.
///
/// Images are registered as by [`register`], signals as images of one row. Volumes must be periodic
/// ([`RegistrationParams::periodic`]); there the default is the continuous maximum of the correlation, by
/// Newton's method on its trigonometric polynomial, with a covariance from the imaginary part of the
/// aligned cross-spectrum, which is noise alone. Frequencies of volumes are weighted plainly, whatever
/// [`Weighting::Auto`](crate::Weighting::Auto) would find. Axes of one pixel have shift and variance 0.
///
/// # Errors
/// [`Error::Parameter`] for another number of axes, for volumes that are not declared periodic, and for
/// `disambiguate` and coherence weights with volumes; [`Error::Shape`], [`Error::Empty`],
/// [`Error::NotFinite`].
///
/// # Example
/// ```
/// use ndarray::Array3;
/// use nonius_registration::{RegistrationParams, register_nd};
///
/// let f = Array3::from_shape_fn((9, 11, 13), |(z, y, x)| ((z * z + 3 * y + x * x * y) % 13) as f64);
/// let g = nonius_core::fourier_shift(f.view(), &[0.5, -1.25, 2.0])?;
/// let found = register_nd(f.view(), g.view(), &RegistrationParams::periodic())?;
/// assert!((found.shift[1] + 1.25).abs() < 1e-6);
/// # Ok::<(), nonius_core::Error>(())
/// ```
pub fn register_nd<'a, F: Real, D: Dimension>(
    reference: ArrayView<'a, F, D>,
    moving: ArrayView<'a, F, D>,
    params: &RegistrationParams,
) -> Result<NdRegistration> {
    nonius_core::check_shape("moving", reference.shape(), moving.shape())?;
    let axes = reference.ndim();
    match axes {
        1 | 2 => Ok(NdRegistration::of(register(as_image(reference), as_image(moving), params)?, axes)),
        3 => volume::register(with_axes::<F, D, Ix3>(reference), with_axes::<F, D, Ix3>(moving), params),
        other => Err(Error::parameter("number of axes", "1, 2 or 3", other)),
    }
}

/// An array of one or two axes as an image; a signal is its one row.
fn as_image<F: Real, D: Dimension>(array: ArrayView<'_, F, D>) -> ArrayView2<'_, F> {
    if array.ndim() == 1 {
        with_axes::<F, D, Ix1>(array).insert_axis(Axis(0))
    } else {
        with_axes::<F, D, Ix2>(array)
    }
}

fn with_axes<F: Real, D: Dimension, E: Dimension>(array: ArrayView<'_, F, D>) -> ArrayView<'_, F, E> {
    array.into_dimensionality().expect("the number of axes was looked at")
}
