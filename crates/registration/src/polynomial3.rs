//! The continuous maximum of a correlation of volumes.

use nalgebra::{Matrix3, Vector3};
use ndarray::Array3;
use nonius_core::{Real, frequency};
use num_complex::Complex;

use crate::cross_nd::omega;

/// The real function `c(d) = Re Σ_k X_k exp(2πi k·d/n)` of a spectrum X of a real volume; Nyquist terms are
/// taken symmetrically, `cos(π d)`.
pub(crate) struct Polynomial3<'a, F> {
    pub(crate) spectrum: &'a Array3<Complex<F>>,
}

/// Value, gradient and Hessian at one place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Derivatives3 {
    pub(crate) value: f64,
    pub(crate) gradient: Vector3<f64>,
    pub(crate) hessian: Matrix3<f64>,
}

/// Where [`Polynomial3::maximum`] ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Maximum3 {
    pub(crate) position: [f64; 3],
    pub(crate) value: f64,
    pub(crate) converged: bool,
}

/// How often element `k` of the last axis stands for itself and its conjugate; those beyond the middle,
/// for which others stand, are not visited.
pub(crate) fn multiplicity(k: usize, n: usize) -> f64 {
    if k == 0 || 2 * k == n { 1.0 } else { 2.0 }
}

/// `exp(iωd)` and its first two derivatives for every frequency of an axis.
pub(crate) fn waves(n: usize, d: f64) -> Vec<[Complex<f64>; 3]> {
    let wave = |k: usize| {
        let w = omega(k, n);
        if 2 * frequency(k, n).unsigned_abs() == n {
            let (sin, cos) = (w * d).sin_cos();
            return [cos.into(), (-w * sin).into(), (-w * w * cos).into()];
        }
        let e = Complex::cis(w * d);
        [e, Complex::new(0.0, w) * e, -w * w * e]
    };
    (0..n).map(wave).collect()
}

impl<F: Real> Polynomial3<'_, F> {
    /// One pass over half the spectrum; axis by axis, the last one first.
    pub(crate) fn evaluate(&self, at: [f64; 3]) -> Derivatives3 {
        let (n0, n1, n2) = self.spectrum.dim();
        let [e0, e1, mut e2] = [waves(n0, at[0]), waves(n1, at[1]), waves(n2, at[2])];
        e2.truncate(n2 / 2 + 1);
        for (k, e) in e2.iter_mut().enumerate() {
            *e = e.map(|z| z * multiplicity(k, n2));
        }
        let zero = Complex::new(0.0, 0.0);
        let mut d = Derivatives3 { value: 0.0, gradient: Vector3::zeros(), hessian: Matrix3::zeros() };
        for (plane, e0) in self.spectrum.outer_iter().zip(&e0) {
            // Sums over the plane: plain, ∂₁, ∂₂, ∂₁∂₁, ∂₁∂₂, ∂₂∂₂.
            let mut t = [zero; 6];
            for (row, e1) in plane.outer_iter().zip(&e1) {
                let mut s = [zero; 3];
                for (x, e2) in row.iter().zip(&e2) {
                    let x = Complex::new(x.re.f64(), x.im.f64());
                    for order in 0..3 {
                        s[order] += x * e2[order];
                    }
                }
                t[0] += s[0] * e1[0];
                t[1] += s[0] * e1[1];
                t[2] += s[1] * e1[0];
                t[3] += s[0] * e1[2];
                t[4] += s[1] * e1[1];
                t[5] += s[2] * e1[0];
            }
            d.value += (t[0] * e0[0]).re;
            d.gradient += Vector3::new((t[0] * e0[1]).re, (t[1] * e0[0]).re, (t[2] * e0[0]).re);
            let [h00, h01, h02] = [t[0] * e0[2], t[1] * e0[1], t[2] * e0[1]].map(|z| z.re);
            let [h11, h12, h22] = [t[3], t[4], t[5]].map(|t| (t * e0[0]).re);
            d.hessian += Matrix3::new(h00, h01, h02, h01, h11, h12, h02, h12, h22);
        }
        d
    }

    /// The maximum (minimum for `sign` −1) whose hill `start` stands on: damped Newton, steps of at most
    /// half a pixel, halved while they lead downhill; along the gradient where the Hessian is not definite.
    pub(crate) fn maximum(&self, start: [f64; 3], sign: f64) -> Maximum3 {
        const LIMIT: f64 = 1.5;
        let small = F::epsilon().f64().sqrt().min(1e-5);
        let rounding = 8.0 * F::epsilon().f64();
        let mut at = start;
        let mut here = self.evaluate(at);
        let mut converged = false;
        for _ in 0..20 {
            let mut step = self.ascent_step(&here, sign);
            if step.norm() <= small {
                at = moved(at, step);
                converged = true;
                break;
            }
            let first = step.norm();
            let uphill = (0..8).find_map(|_| {
                let there = self.evaluate(moved(at, step));
                if sign * (there.value - here.value) >= -rounding * here.value.abs() {
                    return Some(there);
                }
                step *= 0.5;
                None
            });
            let Some(there) = uphill else {
                // Rounding decides now: the place is as good as it gets.
                converged = first < 1e-2;
                break;
            };
            at = moved(at, step);
            here = there;
            if (0..3).any(|axis| (at[axis] - start[axis]).abs() > LIMIT) {
                break;
            }
        }
        Maximum3 { position: at, value: sign * here.value, converged }
    }

    fn ascent_step(&self, d: &Derivatives3, sign: f64) -> Vector3<f64> {
        let mut gradient = sign * d.gradient;
        let mut curvature = -sign * d.hessian;
        // An axis of one pixel has no place to go.
        for axis in (0..3).filter(|&axis| self.spectrum.shape()[axis] == 1) {
            gradient[axis] = 0.0;
            curvature[(axis, axis)] = 1.0;
        }
        let step = match curvature.cholesky() {
            Some(factors) => factors.solve(&gradient),
            None if gradient.norm() > 0.0 => gradient * (0.25 / gradient.norm()),
            None => Vector3::zeros(),
        };
        if step.norm() > 0.5 { step * (0.5 / step.norm()) } else { step }
    }
}

fn moved(at: [f64; 3], step: Vector3<f64>) -> [f64; 3] {
    std::array::from_fn(|axis| at[axis] + step[axis])
}

#[cfg(test)]
mod tests {
    use super::*;
    use nonius_core::FftNd;

    #[test]
    fn passes_through_the_samples_and_matches_differences() {
        for shape in [(4, 5, 6), (3, 4, 7), (1, 6, 5)] {
            let f =
                Array3::from_shape_fn(shape, |(z, y, x)| ((z * 13 + y * 7 + x * x * 3 + z * y) % 11) as f64);
            let mut spectrum = f.mapv(|v| Complex::new(v, 0.0));
            FftNd::new(spectrum.shape()).unwrap().forward(spectrum.view_mut()).unwrap();
            let c = Polynomial3 { spectrum: &spectrum };
            for ((z, y, x), v) in f.indexed_iter() {
                let value = c.evaluate([z, y, x].map(|i| i as f64)).value / f.len() as f64;
                assert!((value - v).abs() < 1e-11);
            }
            let (at, e) = ([0.3, 1.2, -0.7], 1e-5);
            let d = c.evaluate(at);
            for axis in 0..3 {
                let mut ends = [at, at];
                ends[0][axis] -= e;
                ends[1][axis] += e;
                let [low, high] = ends.map(|p| c.evaluate(p));
                // Differences of step 1e-5 of sums near 1e3: rounding 1e-13·1e3/1e-5.
                assert!(((high.value - low.value) / (2.0 * e) - d.gradient[axis]).abs() < 1e-4);
                let second = (high.gradient - low.gradient) / (2.0 * e) - d.hessian.column(axis);
                assert!(second.norm() < 1e-3);
            }
        }
    }
}
