//! What an image can tell about its displacement at most.

use ndarray::{Array2, ArrayView2};

use crate::error::{check_finite, check_not_empty};
use crate::{Error, Real, RealFft2, Result, frequency};

/// Fisher information of a displacement `(y, x)` of a known image under white noise, px⁻².
///
/// ```text
/// I_ij = 1/σ² · Σ_r ∂_i f · ∂_j f = 1/(N σ²) · Σ_k ω_i ω_j |F_k|²,   ω = 2πk/n
/// ```
///
/// `reference` is the noise-free image, periodic; `sigma` the standard deviation of the noise of one
/// pixel of the moving image. No unbiased estimate of the displacement has a covariance below
/// [`cramer_rao_bound`], the inverse. A Gaussian of height A gives `σ_d = (σ/A)·√(2/π)` whatever its
/// width. Both images noisy: put `σ² = σ₁² + σ₂²` for a first look; the scene being unknown costs more.
///
/// # Errors
/// [`Error::Parameter`] if `sigma` is not a finite number above 0, [`Error::Empty`],
/// [`Error::NotFinite`].
pub fn fisher_information<F: Real>(reference: ArrayView2<'_, F>, sigma: f64) -> Result<[[f64; 2]; 2]> {
    check_not_empty("reference", reference.shape())?;
    check_finite("reference", reference)?;
    if !(sigma.is_finite() && sigma > 0.0) {
        return Err(Error::parameter("sigma", "finite and above 0", sigma));
    }
    let (h, w) = reference.dim();
    let plan = RealFft2::<f64>::new((h, w))?;
    let mut spectrum = plan.spectrum();
    let image: Array2<f64> = reference.mapv(F::f64);
    plan.forward(image.view(), &mut spectrum, &mut plan.scratch())?;
    let omega = |k: usize, n: usize| std::f64::consts::TAU * frequency(k, n) as f64 / n as f64;
    let (mut yy, mut yx, mut xx) = (0.0, 0.0, 0.0);
    for (kx, column) in spectrum.chunks_exact(h).enumerate() {
        let wx = omega(kx, w);
        for (ky, value) in column.iter().enumerate() {
            let wy = omega(ky, h);
            let power = plan.multiplicity(kx) * value.norm_sqr();
            yy += wy * wy * power;
            // A Nyquist row or column stands for both signs: its mixed terms cancel.
            if 2 * ky != h && 2 * kx != w {
                yx += wy * wx * power;
            }
            xx += wx * wx * power;
        }
    }
    let scale = 1.0 / ((h * w) as f64 * sigma * sigma);
    Ok([[yy * scale, yx * scale], [yx * scale, xx * scale]])
}

/// The Cramér–Rao bound: the inverse of [`fisher_information`], px². The least covariance that an
/// unbiased estimate of the displacement can have.
///
/// # Errors
/// As [`fisher_information`]; [`Error::Parameter`] too if the image has no structure along some
/// direction, so that nothing bounds the displacement there.
pub fn cramer_rao_bound<F: Real>(reference: ArrayView2<'_, F>, sigma: f64) -> Result<[[f64; 2]; 2]> {
    let information = fisher_information(reference, sigma)?;
    invert_symmetric(information)
        .ok_or_else(|| Error::parameter("reference", "structured along both axes", "an image without"))
}

/// Inverse of a symmetric positive definite 2 × 2 matrix; None if it is not (to rounding).
pub fn invert_symmetric(m: [[f64; 2]; 2]) -> Option<[[f64; 2]; 2]> {
    let determinant = m[0][0] * m[1][1] - m[0][1] * m[1][0];
    let definite = m[0][0] > 0.0 && m[1][1] > 0.0 && determinant > 1e-14 * m[0][0] * m[1][1];
    (definite && determinant.is_finite()).then(|| {
        let off = -0.5 * (m[0][1] + m[1][0]) / determinant;
        [[m[1][1] / determinant, off], [off, m[0][0] / determinant]]
    })
}

/// [`invert_symmetric`] of the axes that are free; 0 for the others.
pub fn invert_free(m: [[f64; 2]; 2], free: [bool; 2]) -> Option<[[f64; 2]; 2]> {
    let single = |v: f64| (v > 0.0 && v.is_finite()).then(|| 1.0 / v);
    match free {
        [true, true] => invert_symmetric(m),
        [true, false] => Some([[single(m[0][0])?, 0.0], [0.0, 0.0]]),
        [false, true] => Some([[0.0, 0.0], [0.0, single(m[1][1])?]]),
        [false, false] => None,
    }
}

/// `A M A`: the covariance of a displacement whose inverse curvature is A and the covariance of whose gradient is M.
pub fn sandwich(a: [[f64; 2]; 2], m: [[f64; 2]; 2]) -> [[f64; 2]; 2] {
    let times = |a: [[f64; 2]; 2], b: [[f64; 2]; 2]| -> [[f64; 2]; 2] {
        std::array::from_fn(|i| std::array::from_fn(|j| a[i][0] * b[0][j] + a[i][1] * b[1][j]))
    };
    times(times(a, m), a)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gaussian_has_the_bound_of_the_closed_form() {
        let (s, a, sigma) = (2.5_f64, 3.0, 0.2);
        let image = Array2::from_shape_fn((48, 45), |(y, x)| {
            let r2 = (y as f64 - 24.0).powi(2) + (x as f64 - 22.0).powi(2);
            a * (-r2 / (2.0 * s * s)).exp()
        });
        let bound = cramer_rao_bound(image.view(), sigma).unwrap();
        let expected = (sigma / a) * (2.0 / std::f64::consts::PI).sqrt();
        for axis in 0..2 {
            assert!((bound[axis][axis].sqrt() / expected - 1.0).abs() < 1e-6);
        }
        assert!(bound[0][1].abs() < 1e-9 * bound[0][0]);
    }

    #[test]
    fn no_structure_no_bound() {
        assert!(cramer_rao_bound(Array2::<f64>::ones((8, 8)).view(), 1.0).is_err());
        let stripes = Array2::from_shape_fn((8, 8), |(y, _)| (y % 4) as f64);
        assert!(cramer_rao_bound(stripes.view(), 1.0).is_err());
    }
}
