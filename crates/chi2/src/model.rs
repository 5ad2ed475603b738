//! χ² from sums over the pixels, gain and offset fixed or at their best.

use nonius_core::Derivatives;

/// `χ² = Σ w (m − g f − o)²` of a moving image m whose sums do not depend on the displacement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Model {
    /// Σw, Σwm, Σwm².
    pub(crate) moving: [f64; 3],
    pub(crate) gain: bool,
    pub(crate) offset: bool,
}

impl Model {
    /// χ² without a model, but for an offset if one is fitted.
    pub(crate) fn unexplained(&self) -> f64 {
        let [s, m, mm] = self.moving;
        if self.offset { mm - m * m / s } else { mm }
    }

    /// Whether a place that promises `value` cannot be within the competing minima of one with `best`: below
    /// the pixel a minimum may explain more of the image than at it, but not half as much again.
    pub(crate) fn is_hopeless(&self, value: f64, best: f64, competing: f64) -> bool {
        let explained = |chi2: f64| self.unexplained() - chi2;
        1.5 * explained(value) < explained(best) - competing
    }

    /// χ² for Σwmf, Σwf and Σwf².
    pub(crate) fn chi2_of(&self, [b, u, q]: [f64; 3]) -> f64 {
        let [s, m, mm] = self.moving;
        let (fm, ff, mm) =
            if self.offset { (b - u * m / s, q - u * u / s, mm - m * m / s) } else { (b, q, mm) };
        match self.gain {
            true if fm > 0.0 && ff > 0.0 => mm - fm * fm / ff,
            true => mm,
            false => mm - 2.0 * fm + ff,
        }
    }

    /// χ² with gradient and Hessian from those of Σwmf, Σwf and Σwf².
    pub(crate) fn derivatives(&self, [b, u, q]: &[Derivatives; 3]) -> Derivatives {
        let [s, m, _] = self.moving;
        // Centred products where an offset is fitted.
        let (mut x, mut y) = (*b, *q);
        if self.offset {
            for i in 0..2 {
                x.gradient[i] -= u.gradient[i] * m / s;
                y.gradient[i] -= 2.0 * u.value * u.gradient[i] / s;
                for j in 0..2 {
                    x.hessian[i][j] -= u.hessian[i][j] * m / s;
                    y.hessian[i][j] -= 2.0 * (u.gradient[i] * u.gradient[j] + u.value * u.hessian[i][j]) / s;
                }
            }
            x.value -= u.value * m / s;
            y.value -= u.value * u.value / s;
        }
        let mut chi2 = Derivatives { value: self.chi2_of([b.value, u.value, q.value]), ..Default::default() };
        let (fm, ff) = (x.value, y.value);
        for i in 0..2 {
            chi2.gradient[i] = if self.gain {
                -(2.0 * fm * x.gradient[i] / ff - fm * fm * y.gradient[i] / (ff * ff))
            } else {
                y.gradient[i] - 2.0 * x.gradient[i]
            };
            for j in 0..2 {
                chi2.hessian[i][j] = if self.gain {
                    let (xi, xj, yi, yj) = (x.gradient[i], x.gradient[j], y.gradient[i], y.gradient[j]);
                    -(2.0 * xi * xj / ff + 2.0 * fm * x.hessian[i][j] / ff
                        - 2.0 * fm * (xi * yj + xj * yi) / (ff * ff)
                        - fm * fm * y.hessian[i][j] / (ff * ff)
                        + 2.0 * fm * fm * yi * yj / ff.powi(3))
                } else {
                    y.hessian[i][j] - 2.0 * x.hessian[i][j]
                };
            }
        }
        chi2
    }

    /// Gain and offset for Σwmf, Σwf and Σwf².
    pub(crate) fn nuisance(&self, [b, u, q]: [f64; 3]) -> [f64; 2] {
        let [s, m, _] = self.moving;
        let (fm, ff) = if self.offset { (b - u * m / s, q - u * u / s) } else { (b, q) };
        let gain = if self.gain { fm / ff } else { 1.0 };
        [gain, if self.offset { (m - gain * u) / s } else { 0.0 }]
    }
}
