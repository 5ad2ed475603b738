//! TV-L1 flow: an L¹ data term with total-variation regularity.

use multiversion::multiversion;
use ndarray::{Array2, Array3, ArrayView2, s};
use nonius_core::{Error, Progress, Real, Result};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Flow;
use super::median::median_3x3;
use super::primal_dual::{DATA_PLANES, STATE_PLANES, Step, iterate};
use super::pyramid::{ImagePair, Solved, coarse_to_fine, rms_change};
use super::warp::{elements, elements_mut, gradient_row, warp_rows};

/// Parameters of [`tvl1`]. The defaults are scikit-image's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tvl1Params {
    /// λ, the weight of the data against the smoothness of the flow, in px per unit of intensity. The
    /// smaller, the smoother. Images scaled by `s` want `attachment / s`. Above 0; default 15.
    pub attachment: f64,
    /// θ, how loosely the flow that fits the data is tied to the flow that is smooth. Above 0; default 0.3.
    pub tightness: f64,
    /// Warps of the moving image per level. At least 1; default 5.
    pub num_warp: usize,
    /// Fixed-point iterations per warp, at most. At least 1; default 10.
    pub num_iter: usize,
    /// A warp ends early once the mean of |v − u|² over the pixels is below this, px²: `v` is the flow that
    /// fits the data, `u` the smooth one. At least 0; default 1e-4.
    pub tol: f64,
    /// Whether a 3×3 median cleans the flow before each warp. Default no.
    pub prefilter: bool,
}

impl Default for Tvl1Params {
    fn default() -> Self {
        Tvl1Params {
            attachment: 15.0,
            tightness: 0.3,
            num_warp: 5,
            num_iter: 10,
            tol: 1e-4,
            prefilter: false,
        }
    }
}

impl Tvl1Params {
    /// [`Error::Parameter`] naming the first parameter out of its range.
    pub fn validate(&self) -> Result<()> {
        for (name, value) in [("attachment", self.attachment), ("tightness", self.tightness)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(Error::parameter(name, "finite and above 0", value));
            }
        }
        for (name, value) in [("num_warp", self.num_warp), ("num_iter", self.num_iter)] {
            if value == 0 {
                return Err(Error::parameter(name, "at least 1", value));
            }
        }
        if !(self.tol >= 0.0 && self.tol.is_finite()) {
            return Err(Error::parameter("tol", "finite and at least 0", self.tol));
        }
        Ok(())
    }
}

/// The flow from `reference` to `moving` that minimises
///
/// ```text
/// Σ |∇u_y| + |∇u_x| + λ |moving(r + u(r)) − reference(r)|
/// ```
///
/// where λ is the [attachment](Tvl1Params::attachment): edges of the motion stay sharp, a hidden or
/// wrong pixel costs no more than its difference, and regions without texture take the flow of their
/// surroundings. Images are `(y, x)` of one shape, at least 2×2; sign and units are on [`Flow`].
/// Constant images give a flow of 0. Scaling both images by `s` is the same as scaling λ by `s`.
///
/// # Errors
/// [`Error::Empty`], [`Error::Shape`], [`Error::NotFinite`], [`Error::Parameter`] for a parameter out of
/// range or images of a single row or column, [`Error::Cancelled`].
///
/// # Source
/// Zach, Pock, Bischof, *A duality based approach for realtime TV-L1 optical flow* (2007); Wedel et al.,
/// *An improved algorithm for TV-L1 optical flow* (2009); Sánchez, Meinhardt-Llopis, Facciolo, *TV-L1
/// optical flow estimation*, IPOL 3 (2013). The discretisation is that of scikit-image 0.26
/// (`optical_flow_tvl1`), whose numbers it gives. It differs in the test that ends a warp early: here it is
/// the one stated at [`tol`](Tvl1Params::tol), after every iteration; there the same in most iterations, but
/// the first after an early end compares with something else.
pub fn tvl1<F: Real>(
    reference: ArrayView2<'_, F>,
    moving: ArrayView2<'_, F>,
    params: &Tvl1Params,
    progress: &dyn Progress,
) -> Result<Flow<F>> {
    params.validate()?;
    let images = ImagePair::new(reference, moving)?;
    let step = Step::new(params.attachment * images.scale, params.tightness);
    coarse_to_fine(images, params.num_warp, progress, |reference, moving, flow| {
        solve_level(reference, moving, flow, params, step, progress)
    })
}

fn solve_level<F: Real>(
    reference: &Array2<F>,
    moving: &Array2<F>,
    mut flow: Array3<F>,
    params: &Tvl1Params,
    step: Step<F>,
    progress: &dyn Progress,
) -> Result<Solved<F>> {
    let (ny, nx) = reference.dim();
    let mut warped = Array2::zeros((ny, nx));
    let mut data = Array3::zeros((ny, DATA_PLANES, nx));
    // The dual variables live on from warp to warp.
    let mut state = Array3::zeros((ny, STATE_PLANES, nx));
    let mut next = Array3::zeros((ny, STATE_PLANES, nx));
    let (mut iterations, mut last_change) = (0, 0.0);
    for _ in 0..params.num_warp {
        if params.prefilter {
            flow = median_3x3(&flow);
        }
        warp_rows(moving, &flow, &mut warped);
        linearise(reference, &warped, &flow, &mut data);
        state.slice_mut(s![.., ..;3, ..]).assign(&flow);
        for _ in 0..params.num_iter {
            if progress.cancelled() {
                return Err(Error::Cancelled);
            }
            let gap = iterate(nx, step, elements(&data), elements(&state), elements_mut(&mut next));
            std::mem::swap(&mut state, &mut next);
            iterations += 1;
            if gap < params.tol * (ny * nx) as f64 {
                break;
            }
        }
        let found = state.slice(s![.., ..;3, ..]).as_standard_layout().into_owned();
        last_change = rms_change(&flow, &found);
        flow = found;
    }
    Ok(Solved { flow, iterations, last_change, undetermined: 0 })
}

/// Writes the data term linearised about `flow`: per row ∂_y, ∂_x, 1/|∇|², ρ₀ of the warped image.
fn linearise<F: Real>(reference: &Array2<F>, warped: &Array2<F>, flow: &Array3<F>, data: &mut Array3<F>) {
    let nx = reference.ncols();
    let (reference, warped, flow) = (elements(reference), elements(warped), elements(flow));
    elements_mut(data)
        .par_chunks_exact_mut(DATA_PLANES * nx)
        .zip(flow.par_chunks_exact(2 * nx))
        .zip(reference.par_chunks_exact(nx))
        .enumerate()
        .for_each(|(y, ((data, flow), reference))| linearise_row(warped, y, reference, flow, data));
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn linearise_row<F: Real>(warped: &[F], y: usize, reference: &[F], flow: &[F], data: &mut [F]) {
    let nx = reference.len();
    let (grad_y, data) = data.split_at_mut(nx);
    let (grad_x, data) = data.split_at_mut(nx);
    let (inverse_norm, rho_0) = data.split_at_mut(nx);
    let (u_y, u_x) = flow.split_at(nx);
    gradient_row(warped, nx, y, grad_y, grad_x);
    let warped = &warped[y * nx..][..nx];
    for x in 0..nx {
        let norm = grad_y[x] * grad_y[x] + grad_x[x] * grad_x[x];
        // Below the normal numbers the inverse would overflow; such a gradient is none.
        inverse_norm[x] = if norm < F::min_positive_value() { F::one() } else { F::one() / norm };
        rho_0[x] = warped[x] - reference[x] - (grad_y[x] * u_y[x] + grad_x[x] * u_x[x]);
    }
}
