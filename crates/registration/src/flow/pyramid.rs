//! From coarse to fine: the pyramid, and a flow carried from one level to the next.

use ndarray::{Array2, Array3, ArrayView2, Axis};
use nonius_core::{Error, Progress, Real, Result, check_finite, check_not_empty, check_shape};
use rayon::prelude::*;

use super::kernel::{Border, Kernel};
use super::warp::{elements, elements_mut, warp_rows};
use super::{Flow, FlowLevel};

/// Levels with a shorter side above this are halved once more.
const LARGEST_COARSEST_SIDE: usize = 32;
/// No more levels than this.
const MAX_LEVELS: usize = 10;

/// The two images as the methods compute on them.
pub(super) struct ImagePair<F> {
    reference: Array2<F>,
    moving: Array2<F>,
    /// What both were divided by: a power of two, so that nothing is rounded, near their largest absolute
    /// value, so that no square or product overflows or vanishes.
    pub(super) scale: f64,
}

impl<F: Real> ImagePair<F> {
    /// Checks and scales the images.
    pub(super) fn new(reference: ArrayView2<'_, F>, moving: ArrayView2<'_, F>) -> Result<Self> {
        check_not_empty("reference", reference.shape())?;
        check_shape("moving", reference.shape(), moving.shape())?;
        if reference.shape().contains(&1) {
            let got = format!("{:?}", reference.shape());
            return Err(Error::parameter("image shape", "at least 2 by 2 px for a flow", got));
        }
        check_finite("reference", reference)?;
        check_finite("moving", moving)?;
        let largest = reference.iter().chain(&moving).fold(F::zero(), |m, v| m.max(v.abs())).f64();
        // The lower end keeps the inverse finite in single precision.
        let scale = largest.log2().floor().clamp(-126.0, 1023.0).exp2();
        let scaled = |image: ArrayView2<'_, F>| {
            Array2::from_shape_vec(image.dim(), image.iter().map(|&v| v * F::of(1.0 / scale)).collect())
                .expect("one element per element")
        };
        Ok(ImagePair { reference: scaled(reference), moving: scaled(moving), scale })
    }
}

/// What a method found on one level.
pub(super) struct Solved<F> {
    /// The flow, `(y, 2, x)`.
    pub(super) flow: Array3<F>,
    /// As [`FlowLevel::iterations`].
    pub(super) iterations: usize,
    /// As [`FlowLevel::last_change`].
    pub(super) last_change: f64,
    /// As [`FlowLevel::undetermined`].
    pub(super) undetermined: usize,
}

/// Runs `solve(reference, moving, initial flow)` on each level, coarsest first, from a flow of 0.
///
/// `num_warp` is the number of warps a level may take, for the progress alone: its unit is 1024 pixels
/// warped once.
pub(super) fn coarse_to_fine<F: Real>(
    images: ImagePair<F>,
    num_warp: usize,
    progress: &dyn Progress,
    solve: impl Fn(&Array2<F>, &Array2<F>, Array3<F>) -> Result<Solved<F>>,
) -> Result<Flow<F>> {
    let pyramid = pyramid(images.reference, images.moving);
    let work = |image: &Array2<F>| (image.len().div_ceil(1024) * num_warp) as u64;
    progress.start("optical flow", pyramid.iter().map(|(reference, _)| work(reference)).sum());
    let mut flow = Array3::zeros((1, 2, 1));
    let mut levels = Vec::with_capacity(pyramid.len());
    for (reference, moving) in pyramid.iter().rev() {
        let solved = solve(reference, moving, carried_to(&flow, reference.dim()))?;
        let Solved { iterations, last_change, undetermined, .. } = solved;
        levels.push(FlowLevel { shape: reference.dim(), iterations, last_change, undetermined });
        flow = solved.flow;
        progress.advance(work(reference));
    }
    progress.finish();
    let (reference, moving) = &pyramid[0];
    let residual = rms_difference(reference, moving, &flow) * images.scale;
    let displacement = flow.permuted_axes([1, 0, 2]).as_standard_layout().into_owned();
    Ok(Flow { displacement, residual, levels })
}

/// Both images on every level, finest first.
fn pyramid<F: Real>(reference: Array2<F>, moving: Array2<F>) -> Vec<(Array2<F>, Array2<F>)> {
    let mut levels = vec![(reference, moving)];
    while let Some((reference, moving)) = levels.last() {
        if levels.len() == MAX_LEVELS || reference.shape().iter().min() <= Some(&LARGEST_COARSEST_SIDE) {
            break;
        }
        levels.push((halved(reference), halved(moving)));
    }
    levels
}

/// The image on half as many pixels (rounded up): smoothed by a Gaussian of σ = 2/3 px, then interpolated
/// linearly at the centres of the new pixels, which share the image's outer border.
fn halved<F: Real>(image: &Array2<F>) -> Array2<F> {
    let (ny, nx) = image.dim();
    let smooth = smoothed(image, &Kernel::gaussian(2.0 / 3.0, Border::Reflect));
    let (rows, columns) = (halfway(ny), halfway(nx));
    Array2::from_shape_fn((rows.len(), columns.len()), |(y, x)| {
        let ((y, t), (x, s)) = (rows[y], columns[x]);
        let along_x = |y: usize| smooth[[y, x]] * F::of(1.0 - s) + smooth[[y, x + 1]] * F::of(s);
        along_x(y) * F::of(1.0 - t) + along_x(y + 1) * F::of(t)
    })
}

/// For each of the `⌈n/2⌉` new pixels, the old pixel before its centre and the fraction beyond it.
fn halfway(n: usize) -> Vec<(usize, f64)> {
    let m = n.div_ceil(2);
    let centre = |i: usize| (i as f64 + 0.5) * (n as f64 / m as f64) - 0.5;
    (0..m).map(|i| (centre(i) as usize, centre(i).fract())).collect()
}

fn smoothed<F: Real>(image: &Array2<F>, kernel: &Kernel<F>) -> Array2<F> {
    let (ny, nx) = image.dim();
    let source = elements(image);
    let mut smooth = Array2::zeros((ny, nx));
    elements_mut(&mut smooth).par_chunks_exact_mut(nx).enumerate().for_each_init(
        || kernel.padded_row(nx),
        |padded, (y, out)| {
            kernel.along_y(source, nx, ny, y, kernel.row_of(padded));
            kernel.along_x(padded, out);
        },
    );
    smooth
}

/// The flow of a coarser level on a level of `shape`: the nearest vector, its length in the new pixels.
///
/// Nearest in the sense that the centres of the first and of the last pixel of both levels coincide.
fn carried_to<F: Real>(flow: &Array3<F>, shape: (usize, usize)) -> Array3<F> {
    let (ny, _, nx) = flow.dim();
    let nearest = |i: usize, from: usize, to: usize| {
        (i as f64 * ((from - 1) as f64 / (to - 1) as f64) + 0.5).floor() as usize
    };
    let factor = [F::of(shape.0 as f64 / ny as f64), F::of(shape.1 as f64 / nx as f64)];
    Array3::from_shape_fn((shape.0, 2, shape.1), |(y, c, x)| {
        factor[c] * flow[[nearest(y, ny, shape.0), c, nearest(x, nx, shape.1)]]
    })
}

fn rms_difference<F: Real>(reference: &Array2<F>, moving: &Array2<F>, flow: &Array3<F>) -> f64 {
    let mut warped = Array2::zeros(moving.dim());
    warp_rows(moving, flow, &mut warped);
    warped -= reference;
    // Row sums first: single precision would lose digits in one long sum.
    let sum: f64 = warped.axis_iter(Axis(0)).map(|row| row.fold(0.0, |sum, v| sum + v.f64() * v.f64())).sum();
    (sum / warped.len() as f64).sqrt()
}

/// Root mean square length of the difference of two flows, px.
pub(super) fn rms_change<F: Real>(a: &Array3<F>, b: &Array3<F>) -> f64 {
    let sum: f64 = elements(a).iter().zip(elements(b)).map(|(&a, &b)| (a - b).f64().powi(2)).sum();
    (2.0 * sum / a.len() as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_halve_until_the_shorter_side_is_32() {
        let shapes = |shape: (usize, usize)| -> Vec<(usize, usize)> {
            let image = Array2::<f32>::zeros(shape);
            pyramid(image.clone(), image).iter().map(|(level, _)| level.dim()).collect()
        };
        assert_eq!(shapes((32, 500)), [(32, 500)]);
        assert_eq!(shapes((67, 33)), [(67, 33), (34, 17)]);
        assert_eq!(shapes((130, 257)), [(130, 257), (65, 129), (33, 65), (17, 33)]);
    }

    #[test]
    fn halving_keeps_a_plane_a_plane_away_from_the_border() {
        // Pixel i of the half image has its centre at 2i + 0.5 of an even one, at (i + ½)·n/m − ½ of an odd.
        for n in [40, 41] {
            let image = Array2::from_shape_fn((n, n), |(y, x)| y as f64 - 3.0 * x as f64);
            let half = halved(&image);
            let m = half.nrows();
            let centre = |i: usize| (i as f64 + 0.5) * n as f64 / m as f64 - 0.5;
            for (y, x) in [(5, 7), (10, 10), (14, 4)] {
                let expected = centre(y) - 3.0 * centre(x);
                assert!((half[[y, x]] - expected).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn a_carried_flow_grows_with_the_image() {
        let flow = Array3::from_shape_fn((20, 2, 17), |(_, c, _)| [1.0, -0.5][c]);
        let finer = carried_to(&flow, (40, 33));
        assert_eq!(finer[[39, 0, 32]], 2.0);
        assert_eq!(finer[[0, 1, 5]], -0.5 * 33.0 / 17.0);
    }
}
