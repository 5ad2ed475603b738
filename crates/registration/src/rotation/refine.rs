//! Angle, scale and displacement together, by least squares on the pixels.

use nalgebra::{SMatrix, SVector};
use ndarray::ArrayView2;

use super::pose::{Linear, center};
use super::surface::Surface;

/// The pixels of one image, explained by the other: `data[r] ≈ gain · model(map(r)) + offset`.
pub(super) struct Problem<'a> {
    pub(super) model: &'a Surface,
    pub(super) data: ArrayView2<'a, f64>,
    /// Pixels along the border of both that do not take part.
    pub(super) margin: usize,
    /// Least number of pixels that must.
    pub(super) least: usize,
}

/// A map that was fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fit {
    /// From the data to the model.
    pub(super) map: Linear,
    /// Correlation coefficient of data and model over what both show.
    pub(super) correlation: f64,
    pub(super) count: usize,
    pub(super) converged: bool,
}

/// Sums of products of `(∂a, ∂b, ∂t_y, ∂t_x, f, 1, data)`.
type Sums = SMatrix<f64, 7, 7>;
const F: usize = 4;
const ONE: usize = 5;
const DATA: usize = 6;

const MOST_STEPS: usize = 30;
/// Steps that move no corner by more than this, in px, are the last.
const SHORT: f64 = 1e-4;

impl Problem<'_> {
    /// Levenberg–Marquardt from `start`; gain and offset are solved for in every step. None if too few
    /// pixels are common or one image is flat there.
    pub(super) fn fit(&self, start: Linear) -> Option<Fit> {
        let mut map = start;
        let (mut sums, mut count) = self.sums(&map)?;
        let mut quality = unexplained(&sums)?;
        let (mut damping, mut converged) = (1e-4, false);
        for _ in 0..MOST_STEPS {
            let step = newton_step(&sums, damping)?;
            let trial = map.moved(&step);
            let better = self.sums(&trial).and_then(|(s, n)| Some((s, n, unexplained(&s)?)));
            match better {
                Some((s, n, q)) if q <= quality => {
                    (map, sums, count, quality) = (trial, s, n, q);
                    damping *= 0.1;
                }
                _ => damping = (damping * 10.0_f64).max(1e-3),
            }
            converged = self.farthest(&step) < SHORT;
            if converged || damping > 1e6 {
                break;
            }
        }
        let correlation = (1.0 - quality).max(0.0).sqrt();
        Some(Fit { map, correlation, count, converged })
    }

    /// By how far a step moves a corner, px.
    fn farthest(&self, step: &SVector<f64, 4>) -> f64 {
        step[0].hypot(step[1]) * self.half_diagonal() + step[2].hypot(step[3])
    }

    fn half_diagonal(&self) -> f64 {
        let c = center(self.data.dim());
        c[0].hypot(c[1])
    }

    fn sums(&self, map: &Linear) -> Option<(Sums, usize)> {
        let mut sums = Sums::zeros();
        for y in self.margin..self.data.nrows().saturating_sub(self.margin) {
            let mut row = [[0.0; 7]; 7];
            self.each_in_row(y, map, |_, terms| {
                for i in 0..7 {
                    for j in 0..=i {
                        row[i][j] += terms[i] * terms[j];
                    }
                }
            });
            for i in 0..7 {
                for j in 0..=i {
                    sums[(i, j)] += row[i][j];
                }
            }
        }
        sums.fill_upper_triangle_with_lower_triangle();
        let count = sums[(ONE, ONE)] as usize;
        (count >= self.least.max(16)).then_some((sums, count))
    }

    /// Hands over column and `(∂a, ∂b, ∂t_y, ∂t_x, f, 1, data)` of every pixel that both images show.
    fn each_in_row(&self, y: usize, map: &Linear, mut each: impl FnMut(usize, [f64; 7])) {
        let (c, margin) = (center(self.data.dim()), self.margin as f64);
        let far = [2.0 * c[0] - margin, 2.0 * c[1] - margin];
        for x in self.margin..self.data.ncols().saturating_sub(self.margin) {
            let at = map.apply([y as f64, x as f64], c);
            if (0..2).any(|a| at[a] < margin || at[a] > far[a]) {
                continue;
            }
            let Some(s) = self.model.sample(at) else { continue };
            let ([p, q], v) = (s.slope, [y as f64 - c[0], x as f64 - c[1]]);
            let (along, across) = (p * v[0] + q * v[1], q * v[0] - p * v[1]);
            each(x, [along, across, p, q, s.value, 1.0, self.data[[y, x]]]);
        }
    }

    /// Covariance of `(a, b, t_y, t_x)` of a fitted map; NaN if the pixels do not fix them.
    ///
    /// ```text
    /// Cov = A⁻¹ M A⁻¹,   g(q) = Σ_r J(r) e(r),   A = −∂g/∂q,   M = Σ_blocks (Σ_block J e)(Σ_block J e)ᵀ
    /// ```
    ///
    /// where e are the residuals and J the derivatives of the model with those of gain and offset. The sums over
    /// blocks allow residuals that neighbours share: smoothed noise, or detail that only one image
    /// resolves. A is differentiated numerically, because `Σ J Jᵀ` would count the slopes of the model's
    /// own noise as if they fixed the map.
    pub(super) fn covariance(&self, fit: &Fit) -> SMatrix<f64, 4, 4> {
        let nan = SMatrix::from_element(f64::NAN);
        self.sandwich(&fit.map).unwrap_or(nan)
    }

    fn sandwich(&self, map: &Linear) -> Option<SMatrix<f64, 4, 4>> {
        // About a tenth of a px at the corners: less than the noise's own scale.
        let (turn, shift) = (0.1 / self.half_diagonal(), 0.1);
        let mut hessian = SMatrix::<f64, 4, 4>::zeros();
        for (i, size) in [turn, turn, shift, shift].into_iter().enumerate() {
            let step = SVector::<f64, 4>::from_fn(|j, _| if i == j { size } else { 0.0 });
            let (plus, minus) = (self.sums(&map.moved(&step))?.0, self.sums(&map.moved(&-step))?.0);
            let slope = (gradient(&minus)? - gradient(&plus)?) / (2.0 * size);
            hessian.set_column(i, &slope);
        }
        let hessian = (hessian + hessian.transpose()) * 0.5;
        // Judged with unit diagonal: what is singular then is not fixed by the pixels.
        let scale = SMatrix::from_diagonal(&hessian.diagonal().map(|d| d.sqrt().recip()));
        let inverse = (scale * hessian * scale)
            .cholesky()
            .filter(|c| c.l().diagonal().iter().all(|&d| d > 1e-4))
            .map(|c| scale * c.inverse() * scale)?;
        Some(inverse * self.scatter(map)? * inverse)
    }

    /// M: what the residuals contribute to the gradient, block by block.
    fn scatter(&self, map: &Linear) -> Option<SMatrix<f64, 4, 4>> {
        const BLOCK: usize = 8;
        let (sums, count) = self.sums(map)?;
        let model = Profile::of(&sums)?;
        let columns = self.data.ncols().div_ceil(BLOCK);
        let mut scatter = SMatrix::<f64, 4, 4>::zeros();
        for rows in 0..self.data.nrows().div_ceil(BLOCK) {
            let mut blocks = vec![SVector::<f64, 4>::zeros(); columns];
            let (from, to) = (rows * BLOCK, (rows + 1) * BLOCK);
            for y in from.max(self.margin)..to.min(self.data.nrows().saturating_sub(self.margin)) {
                self.each_in_row(y, map, |x, terms| blocks[x / BLOCK] += model.influence(&terms));
            }
            for block in blocks {
                scatter += block * block.transpose();
            }
        }
        let n = count as f64;
        Some(scatter * (n / (n - 6.0).max(1.0)))
    }
}

impl Linear {
    fn moved(&self, step: &SVector<f64, 4>) -> Self {
        Linear { a: self.a + step[0], b: self.b + step[1], t: [self.t[0] + step[2], self.t[1] + step[3]] }
    }
}

/// Covariances of value and data: `(ff, fm, mm)`, summed over the pixels.
fn moments(s: &Sums) -> [f64; 3] {
    let n = s[(ONE, ONE)];
    let about_mean = |i: usize, j: usize| s[(i, j)] - s[(i, ONE)] * s[(j, ONE)] / n;
    [about_mean(F, F), about_mean(F, DATA), about_mean(DATA, DATA)]
}

/// Part of the data's variance that the best gain and offset leave: `1 − correlation²`. None if one of
/// both is flat; 1 for negative correlation, where no step may lead.
fn unexplained(s: &Sums) -> Option<f64> {
    let [ff, fm, mm] = moments(s);
    let flat = 1e-9 * s[(ONE, ONE)];
    if !(ff > flat && mm > flat) {
        return None;
    }
    Some(if fm > 0.0 { (1.0 - fm * fm / (ff * mm)).max(0.0) } else { 1.0 })
}

/// Best gain and offset, and what of each derivative value and offset could not imitate.
struct Profile {
    gain: f64,
    offset: f64,
    /// Each derivative's regression on value and one.
    on_value: SVector<f64, 4>,
    on_one: SVector<f64, 4>,
}

impl Profile {
    fn of(s: &Sums) -> Option<Self> {
        let n = s[(ONE, ONE)];
        let [ff, fm, _] = moments(s);
        let gain = fm / ff;
        let about_mean = |i: usize| s[(i, F)] - s[(i, ONE)] * s[(F, ONE)] / n;
        let on_value = SVector::<f64, 4>::from_fn(|i, _| about_mean(i) / ff);
        let on_one = SVector::<f64, 4>::from_fn(|i, _| (s[(i, ONE)] - on_value[i] * s[(F, ONE)]) / n);
        let offset = (s[(DATA, ONE)] - gain * s[(F, ONE)]) / n;
        (gain.is_finite() && gain != 0.0).then_some(Profile { gain, offset, on_value, on_one })
    }

    /// `J e` of one pixel.
    fn influence(&self, terms: &[f64; 7]) -> SVector<f64, 4> {
        let residual = terms[DATA] - self.gain * terms[F] - self.offset;
        SVector::<f64, 4>::from_fn(|i, _| terms[i] - self.on_value[i] * terms[F] - self.on_one[i])
            * (self.gain * residual)
    }
}

/// `Σ J e`: minus half the derivative of the sum of squared residuals by the map.
fn gradient(s: &Sums) -> Option<SVector<f64, 4>> {
    let p = Profile::of(s)?;
    let sum = |i: usize| s[(i, DATA)] - p.gain * s[(i, F)] - p.offset * s[(i, ONE)];
    Some(SVector::<f64, 4>::from_fn(|i, _| sum(i)) * p.gain)
}

/// Least squares for `gain · (step, 1)` and the offset at once.
fn newton_step(s: &Sums, damping: f64) -> Option<SVector<f64, 4>> {
    let mut normal: SMatrix<f64, 6, 6> = s.fixed_view::<6, 6>(0, 0).into_owned();
    for i in 0..4 {
        normal[(i, i)] *= 1.0 + damping;
    }
    // The residual after gain and offset, so that damping shortens the step alone.
    let p = Profile::of(s)?;
    let right = SVector::<f64, 6>::from_fn(|i, _| s[(i, DATA)] - p.gain * s[(i, F)] - p.offset * s[(i, ONE)]);
    let solution = normal.cholesky()?.solve(&right);
    Some(solution.fixed_rows::<4>(0) / p.gain)
}
