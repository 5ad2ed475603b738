//! The continuous maximum of a trigonometric polynomial.
//!
//! A correlation that was computed by transforms is known between its samples too: its spectrum *is*
//! the polynomial. Newton's method on it has no grid, so it has no grid error.

use multiversion::multiversion;
use num_complex::Complex;

use crate::{Real, RealFft2, frequency};

/// Value and derivatives of a function of `(y, x)` at one place.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Derivatives {
    /// The function.
    pub value: f64,
    /// `[∂/∂y, ∂/∂x]`.
    pub gradient: [f64; 2],
    /// `[[∂²/∂y², ∂²/∂y∂x], [∂²/∂y∂x, ∂²/∂x²]]`.
    pub hessian: [[f64; 2]; 2],
}

/// A stationary point that Newton's method found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Maximum {
    /// Where, `(y, x)` in px.
    pub position: [f64; 2],
    /// The function and its derivatives, at most one (tiny) step before `position`.
    pub at: Derivatives,
    /// Times the function was evaluated.
    pub evaluations: usize,
    /// False if the steps did not become small, or led further than 1.5 px from the start.
    pub converged: bool,
}

/// The real function `c(y, x) = Re Σ_k X_k exp(2πi k·(y, x)/n)` given by the half spectrum `X` of a
/// real image (layout of [`RealFft2`]); unnormalised, as [`RealFft2::inverse`] is.
///
/// The Nyquist terms of even sizes are taken symmetrically, `cos(π y)`: the one choice that gives the
/// mirrored polynomial for the mirrored image.
#[derive(Debug, Clone)]
pub struct TrigonometricPolynomial<'a, F> {
    height: usize,
    width: usize,
    spectrum: &'a [Complex<F>],
    /// Waves along y for the place in question and their derivatives.
    waves: Waves<F>,
}

/// For one place `y`: `e_k = exp(2πi k y/n)` and its first two derivatives, each as the two
/// interleaved real vectors `(re, −im)` and `(im, re)` whose products with an interleaved complex
/// column are the real and the imaginary part of `Σ_k X_k e_k`: six vectors, one after another.
#[derive(Debug, Clone, Default)]
struct Waves<F> {
    six: Vec<F>,
    powers: Vec<Complex<f64>>,
}

impl<'a, F: Real> TrigonometricPolynomial<'a, F> {
    /// The polynomial of `spectrum`, which `plan` made.
    ///
    /// # Panics
    /// If the spectrum has another length than the plan's.
    pub fn new(plan: &RealFft2<F>, spectrum: &'a [Complex<F>]) -> Self {
        assert_eq!(spectrum.len(), plan.spectrum_len(), "a spectrum of this plan");
        let (height, width) = plan.shape();
        let waves =
            Waves { six: vec![F::zero(); 12 * height], powers: Vec::with_capacity(height.max(width)) };
        TrigonometricPolynomial { height, width, spectrum, waves }
    }

    /// The polynomial and its derivatives at `[y, x]` px: one pass over the spectrum.
    pub fn evaluate(&mut self, at: [f64; 2]) -> Derivatives {
        self.waves.set(self.height, at[0]);
        set_powers(&mut self.waves.powers, self.width, at[1]);
        let mut d = Derivatives::default();
        for (kx, column) in self.spectrum.chunks_exact(self.height).enumerate() {
            let column: &[F] = bytemuck::cast_slice(column);
            let [s, s_y, s_yy] = column_sums(column, &self.waves.six);
            let [wave, wave_x, wave_xx] = wave_and_derivatives(&self.waves.powers, kx, self.width);
            let weight = if kx == 0 || 2 * kx == self.width { 1.0 } else { 2.0 };
            d.value += weight * (s * wave).re;
            d.gradient[0] += weight * (s_y * wave).re;
            d.gradient[1] += weight * (s * wave_x).re;
            d.hessian[0][0] += weight * (s_yy * wave).re;
            d.hessian[0][1] += weight * (s_y * wave_x).re;
            d.hessian[1][1] += weight * (s * wave_xx).re;
        }
        d.hessian[1][0] = d.hessian[0][1];
        d
    }

    /// The maximum (or, with `sign` −1, the minimum) whose hill `start` stands on.
    ///
    /// Damped Newton: where the Hessian is not definite the step follows the gradient; a step is never
    /// longer than half a pixel and is halved while it leads downhill. The last step is taken when it is
    /// so short that, convergence being quadratic, what remains is below rounding.
    pub fn maximum(&mut self, start: [f64; 2], sign: f64) -> Maximum {
        const LIMIT: f64 = 1.5;
        const EVALUATIONS: usize = 40;
        // An axis of one pixel has no place to go.
        let free = [self.height > 1, self.width > 1];
        let small = F::epsilon().f64().sqrt().clamp(1e-6, 1e-4);
        let rounding = 8.0 * F::epsilon().f64();
        let mut at = start;
        let mut here = self.evaluate(at);
        let mut evaluations = 1;
        let mut converged = false;
        while evaluations < EVALUATIONS {
            let mut step = ascent_step(&here, sign, free);
            let length = step[0].hypot(step[1]);
            if length <= small {
                at = [at[0] + step[0], at[1] + step[1]];
                // What is no number has no slope either.
                converged = here.value.is_finite();
                break;
            }
            let mut next = here;
            let mut uphill = false;
            for _ in 0..8 {
                let there = [at[0] + step[0], at[1] + step[1]];
                next = self.evaluate(there);
                evaluations += 1;
                if sign * (next.value - here.value) >= -rounding * here.value.abs() {
                    at = there;
                    uphill = true;
                    break;
                }
                step = [0.5 * step[0], 0.5 * step[1]];
            }
            if !uphill {
                // Rounding decides now: the place is as good as it gets.
                converged = length < 1e-2;
                break;
            }
            here = next;
            if (at[0] - start[0]).abs() > LIMIT || (at[1] - start[1]).abs() > LIMIT {
                break;
            }
        }
        Maximum { position: at, at: here, evaluations, converged }
    }
}

/// Newton's step towards the maximum of `sign · f`, no longer than half a pixel.
fn ascent_step(d: &Derivatives, sign: f64, free: [bool; 2]) -> [f64; 2] {
    let g =
        [if free[0] { sign * d.gradient[0] } else { 0.0 }, if free[1] { sign * d.gradient[1] } else { 0.0 }];
    // −H, with fixed axes decoupled.
    let a = if free[0] { -sign * d.hessian[0][0] } else { 1.0 };
    let c = if free[1] { -sign * d.hessian[1][1] } else { 1.0 };
    let b = if free[0] && free[1] { -sign * d.hessian[0][1] } else { 0.0 };
    let determinant = a * c - b * b;
    let mut step = if a > 0.0 && c > 0.0 && determinant > 1e-12 * a * c {
        [(c * g[0] - b * g[1]) / determinant, (a * g[1] - b * g[0]) / determinant]
    } else {
        let steepness = g[0].hypot(g[1]);
        if steepness > 0.0 { [0.25 * g[0] / steepness, 0.25 * g[1] / steepness] } else { [0.0, 0.0] }
    };
    let length = step[0].hypot(step[1]);
    if length > 0.5 {
        step = [0.5 * step[0] / length, 0.5 * step[1] / length];
    }
    step
}

/// `exp(2πi k x/n)` for k up to n/2. Each is the product of two of half its frequency: their rounding grows with k, as
/// that of the angles does, and a sine costs more than a product.
fn set_powers(powers: &mut Vec<Complex<f64>>, n: usize, x: f64) {
    powers.clear();
    powers.extend([Complex::new(1.0, 0.0), Complex::cis(std::f64::consts::TAU * x / n as f64)]);
    for k in 2..=n / 2 {
        powers.push(powers[k / 2] * powers[k - k / 2]);
    }
}

/// `exp(2πi k x/n)`, from its powers, and its first two derivatives along x; `cos(π x)` at the Nyquist frequency.
fn wave_and_derivatives(powers: &[Complex<f64>], k: usize, n: usize) -> [Complex<f64>; 3] {
    let frequency = frequency(k, n);
    let omega = std::f64::consts::TAU * frequency as f64 / n as f64;
    let power = powers[frequency.unsigned_abs()];
    let wave = if frequency < 0 { power.conj() } else { power };
    if 2 * k == n {
        return [wave.re.into(), (-omega * wave.im).into(), (-omega * omega * wave.re).into()];
    }
    [wave, Complex::new(-omega * wave.im, omega * wave.re), -omega * omega * wave]
}

impl<F: Real> Waves<F> {
    fn set(&mut self, height: usize, y: f64) {
        set_powers(&mut self.powers, height, y);
        let (pairs, powers) = (bytemuck::cast_slice_mut::<F, [F; 2]>(&mut self.six), &self.powers);
        for k in 0..height {
            for (order, w) in wave_and_derivatives(powers, k, height).into_iter().enumerate() {
                pairs[2 * order * height + k] = [F::of(w.re), F::of(-w.im)];
                pairs[(2 * order + 1) * height + k] = [F::of(w.im), F::of(w.re)];
            }
        }
    }
}

/// `Σ_k X_k e_k` for a column and for the waves' derivatives.
fn column_sums<F: Real>(column: &[F], six: &[F]) -> [Complex<f64>; 3] {
    let n = column.len();
    let s = six_dots(column, std::array::from_fn(|i| &six[i * n..][..n]));
    [Complex::new(s[0], s[1]), Complex::new(s[2], s[3]), Complex::new(s[4], s[5])]
}

/// Six dot products with one vector, which is read once.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn six_dots<F: Real>(a: &[F], b: [&[F]; 6]) -> [f64; 6] {
    const LANES: usize = 8;
    /// Lanes are emptied into `f64` after this many elements, so that `f32` sums stay exact enough.
    const BLOCK: usize = 256;
    let mut total = [0.0; 6];
    let n = a.len();
    let mut start = 0;
    while start < n {
        let end = (start + BLOCK).min(n);
        let whole = start + (end - start) / LANES * LANES;
        let mut sums = [[F::zero(); LANES]; 6];
        let mut i = start;
        while i < whole {
            let x: &[F; LANES] = a[i..i + LANES].try_into().expect("a whole lane");
            for (sum, b) in sums.iter_mut().zip(b) {
                let y: &[F; LANES] = b[i..i + LANES].try_into().expect("a whole lane");
                for l in 0..LANES {
                    sum[l] += x[l] * y[l];
                }
            }
            i += LANES;
        }
        for (t, (sum, b)) in total.iter_mut().zip(sums.iter().zip(b)) {
            let mut lanes = F::zero();
            for &s in sum {
                lanes += s;
            }
            for j in whole..end {
                lanes += a[j] * b[j];
            }
            *t += lanes.f64();
        }
        start = end;
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    fn spectrum(h: usize, w: usize) -> (RealFft2<f64>, Vec<Complex<f64>>, Array2<f64>) {
        let plan = RealFft2::new((h, w)).unwrap();
        let f = Array2::from_shape_fn((h, w), |(y, x)| ((y * 13 + x * 7 + x * y) % 11) as f64);
        let mut s = plan.spectrum();
        plan.forward(f.view(), &mut s, &mut plan.scratch()).unwrap();
        (plan, s, f)
    }

    #[test]
    fn passes_through_the_samples_and_matches_differences() {
        for (h, w) in [(8, 6), (7, 9), (1, 6), (5, 1), (16, 15)] {
            let (plan, s, f) = spectrum(h, w);
            let mut c = TrigonometricPolynomial::new(&plan, &s);
            for ((y, x), &v) in f.indexed_iter() {
                let d = c.evaluate([y as f64, x as f64]);
                assert!((d.value / (h * w) as f64 - v).abs() < 1e-11);
            }
            let (at, e) = ([0.37, 1.21], 1e-5);
            let d = c.evaluate(at);
            for axis in 0..2 {
                let mut moved = [at, at];
                moved[0][axis] -= e;
                moved[1][axis] += e;
                let [low, high] = moved.map(|p| c.evaluate(p));
                assert!(((high.value - low.value) / (2.0 * e) - d.gradient[axis]).abs() < 1e-4);
                for other in 0..2 {
                    let second = (high.gradient[other] - low.gradient[other]) / (2.0 * e);
                    assert!((second - d.hessian[axis][other]).abs() < 1e-3);
                }
            }
        }
    }

    #[test]
    fn finds_the_top_of_a_cosine_hill() {
        // c = cos(2π(y − 1.3)/8) + cos(2π(x − 2.6)/9): X = N/2 at each of the four frequencies.
        let (h, w) = (8, 9);
        let plan = RealFft2::<f64>::new((h, w)).unwrap();
        let mut s = plan.spectrum();
        let tau = std::f64::consts::TAU;
        s[1] = Complex::cis(-tau * 1.3 / 8.0) * 0.5;
        s[h - 1] = s[1].conj();
        s[h] = Complex::cis(-tau * 2.6 / 9.0) * 0.5;
        let top = TrigonometricPolynomial::new(&plan, &s).maximum([1.0, 3.0], 1.0);
        assert!(top.converged);
        assert!((top.position[0] - 1.3).abs() < 1e-9 && (top.position[1] - 2.6).abs() < 1e-9);
        let bottom = TrigonometricPolynomial::new(&plan, &s).maximum([5.0, 7.0], -1.0);
        assert!((bottom.position[0] - 5.3).abs() < 1e-9 && (bottom.position[1] - 7.1).abs() < 1e-9);
    }
}
