//! Rings that share an image among them.

use ndarray::{Array2, Array3, Axis};

use serde::{Deserialize, Serialize};

use super::shapes::{Around, check_image, check_ring};
use crate::{Error, Result, check_not_negative};

/// Elements that a stack of rings may have: 2 GiB.
const MAX_ELEMENTS: usize = 1 << 28;

/// Parameters of [`radial_bins`].
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RadialBinParams {
    /// Inner radius of the first ring, px. Default: 0.
    pub radius_inner: f64,
    /// Outer radius of the last ring, px. Default: one that holds the whole image,
    /// `⌈√(max(c_y, H − c_y)² + max(c_x, W − c_x)²)⌉ + 1`.
    pub radius: Option<f64>,
    /// Number of rings. Default: one per pixel of radius, at least one.
    pub n_bins: Option<usize>,
    /// Whether each ring is divided by its sum, so that it takes a mean. Default: false.
    pub normalize: bool,
}

/// A stack `(ring, y, x)` of anti-aliased rings of one width between two radii. Wherever a pixel lies wholly between
/// the inner and the outer radius, the rings add up to 1; so what they take from a frame is its radial profile.
///
/// A pixel at distance r from the centre counts as the interval from `r − ½` to `r + ½`, and has in each ring the share
/// that lies there. The pixel that holds the centre has `1 − radius_inner` in the first ring, if that is more than ½:
/// its interval would reach beyond 0.
///
/// # Errors
/// [`Error::Parameter`] unless `0 ≤ radius_inner < radius`, both finite, for no rings, for more than 2 GiB of them, or a
/// centre that is not finite; [`Error::Empty`] for a side of 0.
pub fn radial_bins(shape: (usize, usize), center: [f64; 2], params: &RadialBinParams) -> Result<Array3<f64>> {
    check_image(shape, center)?;
    let inner = params.radius_inner;
    check_not_negative("radius_inner", inner)?;
    let outer = params.radius.unwrap_or_else(|| {
        let far = |c: f64, n: usize| c.max(n as f64 - c);
        far(center[0], shape.0).hypot(far(center[1], shape.1)).ceil() + 1.0
    });
    check_ring(inner, outer)?;
    let n = params.n_bins.unwrap_or_else(|| (outer - inner).round_ties_even().max(1.0) as usize);
    if n == 0 || n.saturating_mul(shape.0).saturating_mul(shape.1) > MAX_ELEMENTS {
        return Err(Error::parameter("n_bins", "at least 1, and no more than 2 GiB of rings", n));
    }
    let width = (outer - inner) / n as f64;
    let around = Around { center, ellipse: None };
    let radius = Array2::from_shape_fn(shape, |p| around.radius(p));
    let mut bins = Array3::from_shape_fn((n, shape.0, shape.1), |(q, y, x)| {
        let middle = inner + q as f64 * width + 0.5 * width;
        // A ring thinner than a pixel has no more than its own width of it.
        (0.5 * width + 0.5 - (radius[[y, x]] - middle).abs()).clamp(0.0, width.min(1.0))
    });
    if let Some((y, x)) = around.pixel(shape).filter(|_| inner < 0.5) {
        let others: f64 = (1..n).map(|q| bins[[q, y, x]]).sum();
        bins[[0, y, x]] = (1.0 - inner - others).max(0.0);
    }
    if params.normalize {
        for mut ring in bins.axis_iter_mut(Axis(0)) {
            let sum = ring.sum();
            if sum.abs() > 1e-8 {
                ring /= sum;
            }
        }
    }
    Ok(bins)
}
