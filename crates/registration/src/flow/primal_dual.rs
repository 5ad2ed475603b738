//! The fixed-point iteration of TV-L1: thresholding, then Chambolle's projection.

use multiversion::multiversion;
use nonius_core::Real;
use rayon::prelude::*;

/// Planes of a row of the state: for each component of the flow `u`, then its dual `p_y`, `p_x`.
pub(super) const STATE_PLANES: usize = 6;
/// Planes of a row of the linearised data term; see [`DataRow`].
pub(super) const DATA_PLANES: usize = 4;
/// Projection steps per iteration, and rows at a cut that they spoil.
const PROJECTIONS: usize = 2;
/// Step of the projection; 1/4 is the largest for which it is known to converge in two dimensions
/// (Chambolle 2004).
const TIME_STEP: f64 = 0.25;

/// A strip has eight planes of about this size, half a megabyte in all.
const BYTES_PER_PLANE: usize = 1 << 16;

/// Constants of one iteration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step<F> {
    /// λ θ: the largest step along the gradient, in intensity.
    threshold: F,
    /// τ / θ of the projection.
    tau_by_theta: F,
}

impl<F: Real> Step<F> {
    /// `attachment` is λ for the intensities at hand, `tightness` θ.
    pub(super) fn new(attachment: f64, tightness: f64) -> Self {
        // Beyond 1e15 the threshold is out of reach of any intensity, and its products stay finite.
        let threshold = F::of((attachment * tightness).min(1e15));
        Step { threshold, tau_by_theta: F::of(TIME_STEP / tightness).min(F::of(1e15)) }
    }
}

/// A row of the data term, linearised about the flow `u₀` the image was warped by.
struct DataRow<'a, F> {
    /// ∂/∂y and ∂/∂x of the warped image.
    grad_y: &'a [F],
    grad_x: &'a [F],
    /// 1 / |∇|², 1 where there is no gradient.
    inverse_norm: &'a [F],
    /// warped − reference − ∇·u₀.
    rho_0: &'a [F],
}

impl<'a, F> DataRow<'a, F> {
    #[inline(always)]
    fn new(row: &'a [F], nx: usize) -> Self {
        let (grad_y, row) = row.split_at(nx);
        let (grad_x, row) = row.split_at(nx);
        let (inverse_norm, rho_0) = row.split_at(nx);
        DataRow { grad_y, grad_x, inverse_norm, rho_0 }
    }
}

/// One iteration on the whole image: `next` from `state`, both `(y, 6, x)`, with `data` `(y, 4, x)`.
///
/// Returns Σ |v − u|² over the pixels, px²: `v` is the flow after thresholding, `u` after regularisation.
///
/// The rows are cut into strips, each computed with [`PROJECTIONS`] rows more on either side as if it
/// were an image of its own. What is wrong at a cut creeps inwards by one row per projection and is
/// left out; so strips need no word from each other, and a strip stays in the cache for all steps.
pub(super) fn iterate<F: Real>(nx: usize, step: Step<F>, data: &[F], state: &[F], next: &mut [F]) -> f64 {
    let (ny, row) = (state.len() / (STATE_PLANES * nx), STATE_PLANES * nx);
    // So that a strip's planes stay in the cache; by width alone, never by the number of threads.
    let height = (BYTES_PER_PLANE / (nx * size_of::<F>())).clamp(12, 64);
    let most = (height + 2 * PROJECTIONS).min(ny);
    let gaps: Vec<f64> = next
        .par_chunks_mut(height * row)
        .enumerate()
        .map_init(
            || Strip::new(most, nx),
            |strip, (i, next)| {
                let (first, count) = (i * height, next.len() / row);
                let top = first.saturating_sub(PROJECTIONS);
                let bottom = (first + count + PROJECTIONS).min(ny);
                let data = &data[top * DATA_PLANES * nx..bottom * DATA_PLANES * nx];
                strip.load(&state[top * row..bottom * row]);
                strip.threshold(step.threshold, data);
                for _ in 0..PROJECTIONS {
                    strip.project(step.tau_by_theta);
                }
                strip.store(first - top, next)
            },
        )
        .collect();
    gaps.iter().sum()
}

/// Some rows of the image, and room to compute on them.
struct Strip<F> {
    nx: usize,
    ny: usize,
    /// `(y, 6, x)`.
    state: Vec<F>,
    /// The thresholded flow `v`, `(y, 2, x)`.
    auxiliary: Vec<F>,
    /// `p_y` of the row above the first.
    nothing: Vec<F>,
}

impl<F: Real> Strip<F> {
    fn new(most_rows: usize, nx: usize) -> Self {
        let room = |planes: usize| vec![F::zero(); most_rows * planes * nx];
        Strip { nx, ny: 0, state: room(STATE_PLANES), auxiliary: room(2), nothing: vec![F::zero(); nx] }
    }

    fn load(&mut self, rows: &[F]) {
        self.ny = rows.len() / (STATE_PLANES * self.nx);
        self.state[..rows.len()].copy_from_slice(rows);
    }

    fn threshold(&mut self, threshold: F, data: &[F]) {
        let (ny, nx) = (self.ny, self.nx);
        let state = self.state.chunks_exact_mut(STATE_PLANES * nx).take(ny);
        let auxiliary = self.auxiliary.chunks_exact_mut(2 * nx);
        for ((state, auxiliary), data) in state.zip(auxiliary).zip(data.chunks_exact(DATA_PLANES * nx)) {
            threshold_row(threshold, DataRow::new(data, nx), state, auxiliary);
        }
    }

    fn project(&mut self, tau_by_theta: F) {
        let nx = self.nx;
        for y in 0..self.ny {
            let (above, rest) = self.state.split_at_mut(y * STATE_PLANES * nx);
            let (this, below) = rest.split_at_mut(STATE_PLANES * nx);
            for c in 0..2 {
                let u = 3 * c * nx;
                let p_y_above =
                    if y == 0 { &self.nothing } else { &above[above.len() - 6 * nx..][u + nx..][..nx] };
                let u_below = (y + 1 < self.ny).then(|| &below[u..][..nx]);
                let v = &self.auxiliary[(2 * y + c) * nx..][..nx];
                project_row(tau_by_theta, v, &mut this[u..][..3 * nx], p_y_above, u_below);
            }
        }
    }

    /// Copies the rows from `first` on to `next`; returns their Σ |v − u|².
    fn store(&self, first: usize, next: &mut [F]) -> f64 {
        let nx = self.nx;
        next.copy_from_slice(&self.state[first * STATE_PLANES * nx..][..next.len()]);
        let components = next.chunks_exact(3 * nx).map(|planes| &planes[..nx]);
        let auxiliary = self.auxiliary[first * 2 * nx..].chunks_exact(nx);
        components.zip(auxiliary).map(|(u, v)| sum_of_squares(u, v)).sum()
    }
}

/// The data term's share: `v = u − clamp(ρ/|∇|², ±λθ) ∇`, with `ρ = ρ₀ + ∇·u` (Zach et al. 2007, eq. 15).
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn threshold_row<F: Real>(threshold: F, data: DataRow<'_, F>, state: &mut [F], auxiliary: &mut [F]) {
    let nx = data.rho_0.len();
    let DataRow { grad_y, grad_x, inverse_norm, rho_0 } = data;
    let (grad_y, grad_x, inverse_norm) = (&grad_y[..nx], &grad_x[..nx], &inverse_norm[..nx]);
    let (y_planes, x_planes) = state.split_at_mut(3 * nx);
    let (u_y, u_x) = (&mut y_planes[..nx], &mut x_planes[..nx]);
    let (v_y, v_x) = auxiliary.split_at_mut(nx);
    let (v_y, v_x) = (&mut v_y[..nx], &mut v_x[..nx]);
    for x in 0..nx {
        let rho = rho_0[x] + (grad_y[x] * u_y[x] + grad_x[x] * u_x[x]);
        let step = clamp(rho * inverse_norm[x], threshold);
        v_y[x] = u_y[x] - step * grad_y[x];
        v_x[x] = u_x[x] - step * grad_x[x];
        u_y[x] = v_y[x];
        u_x[x] = v_x[x];
    }
}

#[inline(always)]
fn clamp<F: Real>(value: F, limit: F) -> F {
    let below = if value > limit { limit } else { value };
    if below < -limit { -limit } else { below }
}

/// The regularity's share for a row of one component: `planes` holds `u`, `p_y`, `p_x`.
///
/// ```text
/// p ← (p − τ ∇u) / (1 + τ/θ |∇u|)      forward differences, 0 across the border
/// u ← v − div p                        backward differences
/// ```
///
/// The row below still has its old `u`, as the first line wants; the row above its new `p`, as the second.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn project_row<F: Real>(tau_by_theta: F, v: &[F], planes: &mut [F], p_y_above: &[F], u_below: Option<&[F]>) {
    let nx = v.len();
    let (u, p) = planes.split_at_mut(nx);
    let (p_y, p_x) = p.split_at_mut(nx);
    let (tau, one) = (F::of(TIME_STEP), F::one());
    let ascend = |p_y: &mut F, p_x: &mut F, g_y: F, g_x: F| {
        let shrink = one / (one + tau_by_theta * (g_y * g_y + g_x * g_x).sqrt());
        *p_y = (*p_y - tau * g_y) * shrink;
        *p_x = (*p_x - tau * g_x) * shrink;
    };
    let below = u_below.unwrap_or(u);
    let inner = u.windows(2).zip(below);
    for ((p_y, p_x), (u, &below)) in p_y.iter_mut().zip(p_x.iter_mut()).zip(inner) {
        ascend(p_y, p_x, below - u[0], u[1] - u[0]);
    }
    let last = nx - 1;
    ascend(&mut p_y[last], &mut p_x[last], below[last] - u[last], F::zero());

    u[0] = v[0] - (p_y[0] + p_x[0]) + p_y_above[0];
    let left = p_x.iter();
    let here = v[1..].iter().zip(&p_y[1..]).zip(&p_x[1..]).zip(&p_y_above[1..]).zip(left);
    for (u, ((((&v, &p_y), &p_x), &p_y_above), &p_x_left)) in u[1..].iter_mut().zip(here) {
        *u = v - (p_y + p_x) + (p_y_above + p_x_left);
    }
}

/// Σ (a − b)², in double precision, over eight partial sums that a processor adds at once.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn sum_of_squares<F: Real>(a: &[F], b: &[F]) -> f64 {
    let mut sums = [0.0; 8];
    for (a, b) in a.chunks(8).zip(b.chunks(8)) {
        for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
            let difference = (a - b).f64();
            *sum += difference * difference;
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strips_give_the_bits_of_the_whole_image() {
        // 150 rows of 7 px: two full strips and a rest.
        let (ny, nx) = (150, 7);
        let noise = |seed: usize| ((seed * 7919 % 1013) as f64 / 1013.0) - 0.5;
        let data: Vec<f64> = (0..ny * DATA_PLANES * nx).map(|i| noise(3 * i + 1)).collect();
        let state: Vec<f64> = (0..ny * STATE_PLANES * nx).map(|i| noise(5 * i + 2)).collect();
        let step = Step::new(0.8, 0.3);
        let (mut in_strips, mut whole) = (vec![0.0; state.len()], vec![0.0; state.len()]);
        let gap = iterate(nx, step, &data, &state, &mut in_strips);

        let mut strip = Strip::new(ny, nx);
        strip.load(&state);
        strip.threshold(step.threshold, &data);
        for _ in 0..PROJECTIONS {
            strip.project(step.tau_by_theta);
        }
        let whole_gap = strip.store(0, &mut whole);
        assert_eq!(in_strips, whole);
        assert!((gap - whole_gap).abs() < 1e-12 * whole_gap);
    }
}
