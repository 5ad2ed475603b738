//! Images in polar coordinates.

use ndarray::{Array2, ArrayView2};
use nonius_core::{Error, Real, Result, check_finite, check_not_empty};
use serde::{Deserialize, Serialize};

use super::pose::center as center_of;

/// How the radius grows along a row of a polar image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scaling {
    /// In equal steps from 0: `r = column · radius / columns`. The default.
    #[default]
    Linear,
    /// In equal steps of its logarithm from 1 px: `r = exp(column · ln(radius) / columns)`.
    Log,
}

/// An image in polar coordinates: row = angle over the whole turn, column = radius.
///
/// Row `i` looks along `α = 2π i / rows` from the +x axis towards +y, so that element `(i, j)` is the
/// image at `(center_y + r sin α, center_x + r cos α)`, linear between pixels and 0 outside the frame.
/// This sense of α is opposite to that of [`Pose::angle`](super::Pose::angle): content that is turned by
/// a positive angle moves to smaller rows. `center` is `(y, x)` px; None for the centre of the frame
/// `(n − 1)/2`.
///
/// # Errors
/// [`Error::Parameter`] for a radius that is not finite and above 0 (above 1 px for [`Scaling::Log`]), a
/// centre that is not finite, an output shape with a side of 0; [`Error::Empty`], [`Error::NotFinite`].
///
/// # Source
/// `skimage.transform.warp_polar` with `order=1, mode="constant"`.
///
/// # Example
/// Along the +x axis of a ramp the value is the column:
/// ```
/// use ndarray::Array2;
/// use nonius_registration::rotation::{Scaling, warp_polar};
///
/// let ramp = Array2::from_shape_fn((9, 9), |(_, x)| x as f64);
/// let polar = warp_polar(ramp.view(), None, 4.0, (8, 4), Scaling::Linear)?;
/// assert_eq!(polar.row(0).to_vec(), [4.0, 5.0, 6.0, 7.0]);
/// # Ok::<(), nonius_core::Error>(())
/// ```
pub fn warp_polar<F: Real>(
    image: ArrayView2<'_, F>,
    center: Option<[f64; 2]>,
    radius: f64,
    shape: (usize, usize),
    scaling: Scaling,
) -> Result<Array2<F>> {
    check_not_empty("image", image.shape())?;
    check_not_empty("shape of the polar image", &[shape.0, shape.1])?;
    check_finite("image", image)?;
    let center = center.unwrap_or_else(|| center_of(image.dim()));
    if let Some(bad) = center.iter().find(|c| !c.is_finite()) {
        return Err(Error::parameter("center", "finite", bad));
    }
    let (rows, columns) = shape;
    let radii: Vec<f64> = match scaling {
        Scaling::Linear if radius.is_finite() && radius > 0.0 => {
            (0..columns).map(|j| j as f64 / (columns as f64 / radius)).collect()
        }
        Scaling::Log if radius.is_finite() && radius > 1.0 => {
            (0..columns).map(|j| (j as f64 / (columns as f64 / radius.ln())).exp()).collect()
        }
        Scaling::Linear => return Err(Error::parameter("radius", "finite and above 0 px", radius)),
        Scaling::Log => {
            return Err(Error::parameter("radius", "finite and above 1 px for log scaling", radius));
        }
    };
    let directions: Vec<[f64; 2]> = (0..rows)
        .map(|i| (i as f64 / (rows as f64 / std::f64::consts::TAU)).sin_cos())
        .map(|(sin, cos)| [sin, cos])
        .collect();
    Ok(sample_rays(image, center, &directions, &radii))
}

/// The image at `center + radius · direction`, one row per direction; linear, 0 outside.
pub(super) fn sample_rays<F: Real>(
    image: ArrayView2<'_, F>,
    center: [f64; 2],
    directions: &[[f64; 2]],
    radii: &[f64],
) -> Array2<F> {
    Array2::from_shape_fn((directions.len(), radii.len()), |(i, j)| {
        let [y, x] = directions[i];
        bilinear(&image, [center[0] + radii[j] * y, center[1] + radii[j] * x])
    })
}

/// Linear between pixels, 0 outside the frame.
pub(super) fn bilinear<F: Real>(image: &ArrayView2<'_, F>, at: [f64; 2]) -> F {
    let (h, w) = image.dim();
    let inside = |v: f64, n: usize| v >= 0.0 && v <= (n - 1) as f64;
    if !(inside(at[0], h) && inside(at[1], w)) {
        return F::zero();
    }
    let (y, x) = (at[0] as usize, at[1] as usize);
    let (below, right) = ((y + 1).min(h - 1), (x + 1).min(w - 1));
    let (t, s) = (F::of(at[0] - y as f64), F::of(at[1] - x as f64));
    let mix = |a: F, b: F, t: F| (F::one() - t) * a + t * b;
    let (upper, lower) =
        (mix(image[[y, x]], image[[y, right]], s), mix(image[[below, x]], image[[below, right]], s));
    mix(upper, lower, t)
}
