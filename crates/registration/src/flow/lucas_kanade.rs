//! Iterative Lucas–Kanade flow: least squares over a window around each pixel.

use multiversion::multiversion;
use ndarray::{Array2, Array3, ArrayView2};
use nonius_core::{Error, Progress, Real, Result};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Flow;
use super::kernel::{Border, Kernel};
use super::median::median_3x3;
use super::pyramid::{ImagePair, Solved, coarse_to_fine, rms_change};
use super::warp::{elements, elements_mut, gradient_row, warp_rows};

/// Parameters of [`lucas_kanade`]. The defaults are scikit-image's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LucasKanadeParams {
    /// The window has `2 radius + 1` px a side. Smaller follows finer motion, larger averages more noise;
    /// the cost grows in proportion. 1 to 1024; default 7.
    pub radius: usize,
    /// Warps of the moving image per level. At least 1; default 10.
    pub num_warp: usize,
    /// Whether the window is a Gaussian of σ = (2 radius + 1)/4 px rather than uniform. Default no.
    pub gaussian: bool,
    /// Whether a 3×3 median cleans the flow before each warp. Default no.
    pub prefilter: bool,
    /// A window whose mean gradient products have a determinant below this, in (intensity/px)⁴, has too
    /// little texture to tell a displacement: its flow is 0. Images scaled by `s` want it times `s⁴`. At
    /// least 0; default 1e-14, which suits intensities from 0 to 1.
    pub min_determinant: f64,
}

impl Default for LucasKanadeParams {
    fn default() -> Self {
        LucasKanadeParams {
            radius: 7,
            num_warp: 10,
            gaussian: false,
            prefilter: false,
            min_determinant: 1e-14,
        }
    }
}

impl LucasKanadeParams {
    /// [`Error::Parameter`] naming the first parameter out of its range.
    pub fn validate(&self) -> Result<()> {
        if !(1..=1024).contains(&self.radius) {
            return Err(Error::parameter("radius", "from 1 to 1024 px", self.radius));
        }
        if self.num_warp == 0 {
            return Err(Error::parameter("num_warp", "at least 1", self.num_warp));
        }
        if !(self.min_determinant >= 0.0 && self.min_determinant.is_finite()) {
            return Err(Error::parameter("min_determinant", "finite and at least 0", self.min_determinant));
        }
        Ok(())
    }

    fn window<F: Real>(&self) -> Kernel<F> {
        if self.gaussian {
            Kernel::gaussian((2 * self.radius + 1) as f64 / 4.0, Border::Mirror)
        } else {
            Kernel::uniform(self.radius, Border::Mirror)
        }
    }
}

/// The flow from `reference` to `moving` that minimises, for each pixel by itself,
///
/// ```text
/// Σ window(q − r) |moving(q + u(r)) − reference(q)|²
/// ```
///
/// by Gauss–Newton steps, over a [window](LucasKanadeParams::radius) around it. Smooth motion of textured
/// images is found best; edges of the motion blur over the window. Images are `(y, x)` of one shape, at
/// least 2×2; sign and units are on [`Flow`].
///
/// A window without texture does not determine a displacement, nor does one whose gradients are all
/// parallel to within rounding: its flow is set to 0 and
/// [`FlowLevel::undetermined`](super::FlowLevel::undetermined) counts it. So constant images give a flow of
/// 0 with every pixel undetermined. Where gradients are nearly parallel (edges, stripes), only the
/// component across them means something; the other is noise, and nothing marks it.
///
/// # Errors
/// [`Error::Empty`], [`Error::Shape`], [`Error::NotFinite`], [`Error::Parameter`] for a parameter out of
/// range or images of a single row or column, [`Error::Cancelled`].
///
/// # Source
/// Le Besnerais, Champagnat, *Dense optical flow by iterative local window registration*, ICIP (2005),
/// table 2. The discretisation is that of scikit-image 0.26 (`optical_flow_ilk`), whose numbers it gives;
/// besides its test of the determinant, windows whose gradients are parallel within rounding are undetermined
/// here, where its answer is rounding noise.
pub fn lucas_kanade<F: Real>(
    reference: ArrayView2<'_, F>,
    moving: ArrayView2<'_, F>,
    params: &LucasKanadeParams,
    progress: &dyn Progress,
) -> Result<Flow<F>> {
    params.validate()?;
    let images = ImagePair::new(reference, moving)?;
    let (window, min_determinant) = (params.window(), params.min_determinant / images.scale.powi(4));
    coarse_to_fine(images, params.num_warp, progress, |reference, moving, mut flow| {
        let (ny, nx) = reference.dim();
        let mut warped = Array2::zeros((ny, nx));
        let mut products = Array3::zeros((ny, PRODUCTS, nx));
        let (mut last_change, mut undetermined) = (0.0, 0);
        for _ in 0..params.num_warp {
            if progress.cancelled() {
                return Err(Error::Cancelled);
            }
            if params.prefilter {
                flow = median_3x3(&flow);
            }
            warp_rows(moving, &flow, &mut warped);
            accumulate_products(reference, &warped, &flow, &window, &mut products);
            let (found, n) = solve_windows(&products, &window, min_determinant);
            (last_change, undetermined) = (rms_change(&flow, &found), n);
            flow = found;
        }
        Ok(Solved { flow, iterations: params.num_warp, last_change, undetermined })
    })
}

/// Per pixel the normal equations `A u = b` take g_y², g_y g_x, g_x², g_y e, g_x e, where `g` is the
/// gradient of the warped image and `e = g·u₀ + reference − warped`.
const PRODUCTS: usize = 5;

/// The products of every pixel, filtered along `x` by the window: `(y, 5, x)`.
fn accumulate_products<F: Real>(
    reference: &Array2<F>,
    warped: &Array2<F>,
    flow: &Array3<F>,
    window: &Kernel<F>,
    products: &mut Array3<F>,
) {
    let nx = reference.ncols();
    let (reference, warped, flow) = (elements(reference), elements(warped), elements(flow));
    let scratch = || (vec![F::zero(); PRODUCTS * nx], window.padded_row(nx));
    elements_mut(products)
        .par_chunks_exact_mut(PRODUCTS * nx)
        .zip(flow.par_chunks_exact(2 * nx))
        .zip(reference.par_chunks_exact(nx))
        .enumerate()
        .for_each_init(scratch, |(row, padded), (y, ((products, flow), reference))| {
            products_row(warped, y, reference, flow, row);
            for (product, out) in row.chunks_exact(nx).zip(products.chunks_exact_mut(nx)) {
                window.row_of(padded).copy_from_slice(product);
                window.along_x(padded, out);
            }
        });
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn products_row<F: Real>(warped: &[F], y: usize, reference: &[F], flow: &[F], products: &mut [F]) {
    let nx = reference.len();
    let (u_y, u_x) = flow.split_at(nx);
    let (yy, products) = products.split_at_mut(nx);
    let (yx, products) = products.split_at_mut(nx);
    let (xx, products) = products.split_at_mut(nx);
    let (ye, xe) = products.split_at_mut(nx);
    let (xe, u_x) = (&mut xe[..nx], &u_x[..nx]);
    gradient_row(warped, nx, y, ye, xe);
    let warped = &warped[y * nx..][..nx];
    for x in 0..nx {
        let (g_y, g_x) = (ye[x], xe[x]);
        let e = g_y * u_y[x] + g_x * u_x[x] + reference[x] - warped[x];
        (yy[x], yx[x], xx[x]) = (g_y * g_y, g_y * g_x, g_x * g_x);
        (ye[x], xe[x]) = (g_y * e, g_x * e);
    }
}

/// Filters the products along `y` and solves each pixel's equations: the flow `(y, 2, x)` and the number of
/// pixels without one.
fn solve_windows<F: Real>(
    products: &Array3<F>,
    window: &Kernel<F>,
    min_determinant: f64,
) -> (Array3<F>, usize) {
    let (ny, _, nx) = products.dim();
    let mut flow = Array3::zeros((ny, 2, nx));
    let source = elements(products);
    let undetermined = elements_mut(&mut flow)
        .par_chunks_exact_mut(2 * nx)
        .enumerate()
        .map_init(
            || vec![F::zero(); PRODUCTS * nx],
            |sums, (y, flow)| {
                for (product, out) in sums.chunks_exact_mut(nx).enumerate() {
                    window.along_y(&source[product * nx..], PRODUCTS * nx, ny, y, out);
                }
                solve_row(sums, min_determinant, flow)
            },
        )
        .sum();
    (flow, undetermined)
}

/// Solves the 2×2 equations of a row, in double precision; returns how many could not be.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn solve_row<F: Real>(sums: &[F], min_determinant: f64, flow: &mut [F]) -> usize {
    let nx = flow.len() / 2;
    // What rounding of the sums leaves of the determinant of parallel gradients, relative to yy·xx.
    let rounding = 16.0 * F::epsilon().f64();
    let sum = |product: usize| &sums[product * nx..][..nx];
    let (yy, yx, xx, ye, xe) = (sum(0), sum(1), sum(2), sum(3), sum(4));
    let (u_y, u_x) = flow.split_at_mut(nx);
    let u_x = &mut u_x[..nx];
    let mut undetermined = 0;
    for x in 0..nx {
        let (yy, yx, xx) = (yy[x].f64(), yx[x].f64(), xx[x].f64());
        let (ye, xe) = (ye[x].f64(), xe[x].f64());
        let determinant = yy * xx - yx * yx;
        let solvable = determinant >= min_determinant && determinant > rounding * yy * xx;
        let inverse = if solvable { 1.0 / determinant } else { 0.0 };
        u_y[x] = F::of((xx * ye - yx * xe) * inverse);
        u_x[x] = F::of((yy * xe - yx * ye) * inverse);
        undetermined += usize::from(!solvable);
    }
    undetermined
}
