//! Sampling an image along a flow, and the derivatives of an image.

use multiversion::multiversion;
use ndarray::{Array2, Array3, ArrayView2, ArrayView3};
use nonius_core::{Real, Result, check_finite, check_not_empty, check_shape};
use rayon::prelude::*;

/// `moving` sampled at `r + flow(r)`: the moving image brought onto the reference.
///
/// `moving` is `(y, x)`, `flow` is `(2, y, x)` in px as in [`Flow`](super::Flow). Between pixels the image
/// is linear; outside the frame it continues with the nearest edge value.
///
/// # Errors
/// [`Error::Empty`](nonius_core::Error::Empty), [`Error::Shape`](nonius_core::Error::Shape) if `flow` is not
/// `(2, y, x)` of the image, [`Error::NotFinite`](nonius_core::Error::NotFinite).
///
/// # Example
/// A flow of (0, 1) everywhere looks one pixel to the right:
///
/// ```
/// use ndarray::{Array3, array, s};
/// use nonius_registration::flow::warp;
///
/// let mut flow = Array3::zeros((2, 1, 3));
/// flow.slice_mut(s![1, .., ..]).fill(1.0);
/// assert_eq!(warp(array![[1.0, 2.0, 4.0]].view(), flow.view())?, array![[2.0, 4.0, 4.0]]);
/// # Ok::<(), nonius_core::Error>(())
/// ```
pub fn warp<F: Real>(moving: ArrayView2<'_, F>, flow: ArrayView3<'_, F>) -> Result<Array2<F>> {
    let (ny, nx) = moving.dim();
    check_not_empty("moving", moving.shape())?;
    check_shape("flow", &[2, ny, nx], flow.shape())?;
    check_finite("moving", moving)?;
    check_finite("flow", flow)?;
    let by_rows = flow.permuted_axes([1, 0, 2]).as_standard_layout().into_owned();
    let mut warped = Array2::zeros((ny, nx));
    warp_rows(&moving.as_standard_layout().into_owned(), &by_rows, &mut warped);
    Ok(warped)
}

/// [`warp`] for a flow `(y, 2, x)`, the order in which rows are computed; all arrays in standard layout.
pub(super) fn warp_rows<F: Real>(moving: &Array2<F>, flow: &Array3<F>, warped: &mut Array2<F>) {
    let (ny, nx) = moving.dim();
    let (moving, flow) = (elements(moving), elements(flow));
    elements_mut(warped)
        .par_chunks_exact_mut(nx)
        .zip(flow.par_chunks_exact(2 * nx))
        .enumerate()
        .for_each(|(y, (warped, flow))| warp_row(moving, ny, y, flow, warped));
}

/// One row of the warped image.
///
/// Whole and fractional part are taken of the displacement, not of the position: far from the origin a
/// position in single precision would lose the digits that matter.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn warp_row<F: Real>(moving: &[F], ny: usize, y: usize, flow: &[F], warped: &mut [F]) {
    let nx = warped.len();
    let (dy, dx) = flow.split_at(nx);
    for (x, ((&dy, &dx), out)) in dy.iter().zip(dx).zip(warped).enumerate() {
        let (y0, y1, t) = neighbours(y, dy, ny);
        let (x0, x1, s) = neighbours(x, dx, nx);
        let upper = lerp(moving[y0 * nx + x0], moving[y0 * nx + x1], s);
        let lower = lerp(moving[y1 * nx + x0], moving[y1 * nx + x1], s);
        *out = lerp(upper, lower, t);
    }
}

/// The two indices around `i + d` within `0..n`, and how far between them it lies.
#[inline(always)]
fn neighbours<F: Real>(i: usize, d: F, n: usize) -> (usize, usize, F) {
    let d = d.max(F::of(-(i as f64))).min(F::of((n - 1 - i) as f64));
    let whole = d.floor();
    let first = (i as isize + whole.f64() as isize) as usize;
    (first, (first + 1).min(n - 1), d - whole)
}

#[inline(always)]
fn lerp<F: Real>(a: F, b: F, t: F) -> F {
    (F::one() - t) * a + t * b
}

/// Derivatives along `y` and `x` of row `y` of an image of `width` columns: central differences, one-sided
/// at the borders.
#[inline(always)]
pub(super) fn gradient_row<F: Real>(image: &[F], width: usize, y: usize, grad_y: &mut [F], grad_x: &mut [F]) {
    let half = F::of(0.5);
    let last = image.len() / width - 1;
    let row = |y: usize| &image[y * width..][..width];
    let step = if y == 0 || y == last { F::one() } else { half };
    let (above, below) = (row(y.saturating_sub(1)), row((y + 1).min(last)));
    for ((g, &a), &b) in grad_y.iter_mut().zip(above).zip(below) {
        *g = (b - a) * step;
    }
    let this = row(y);
    grad_x[0] = this[1] - this[0];
    grad_x[width - 1] = this[width - 1] - this[width - 2];
    for ((g, &left), &right) in grad_x[1..width - 1].iter_mut().zip(this).zip(&this[2..]) {
        *g = (right - left) * half;
    }
}

/// The elements of an array of this module, all of which are made in standard layout.
pub(super) fn elements<F, D: ndarray::Dimension>(array: &ndarray::Array<F, D>) -> &[F] {
    array.as_slice().expect("flow arrays are in standard layout")
}

/// [`elements`], to be written.
pub(super) fn elements_mut<F, D: ndarray::Dimension>(array: &mut ndarray::Array<F, D>) -> &mut [F] {
    array.as_slice_mut().expect("flow arrays are in standard layout")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::s;

    #[test]
    fn a_plane_is_sampled_exactly_and_continued_by_its_edge() {
        // Linear interpolation reproduces a plane; the flow points outside on every side.
        let plane = |y: f64, x: f64| 3.0 + 2.0 * y - 0.5 * x;
        let image = Array2::from_shape_fn((6, 9), |(y, x)| plane(y as f64, x as f64));
        for (dy, dx) in [(0.0, 0.0), (0.25, -1.5), (-7.0, 100.0), (1e30, -1e30)] {
            let mut flow = Array3::zeros((2, 6, 9));
            flow.slice_mut(s![0, .., ..]).fill(dy);
            flow.slice_mut(s![1, .., ..]).fill(dx);
            let warped = warp(image.view(), flow.view()).unwrap();
            for ((y, x), &got) in warped.indexed_iter() {
                let expected = plane((y as f64 + dy).clamp(0.0, 5.0), (x as f64 + dx).clamp(0.0, 8.0));
                assert!((got - expected).abs() < 1e-13, "({y}, {x}) by ({dy}, {dx}): {got}, not {expected}");
            }
        }
    }

    #[test]
    fn gradient_is_central_inside_and_one_sided_at_the_border() {
        let image = [0.0, 1.0, 4.0, 10.0, 11.0, 14.0, 40.0, 41.0, 44.0];
        let (mut gy, mut gx) = ([0.0; 3], [0.0; 3]);
        gradient_row(&image, 3, 0, &mut gy, &mut gx);
        assert_eq!((gy, gx), ([10.0; 3], [1.0, 2.0, 3.0]));
        gradient_row(&image, 3, 1, &mut gy, &mut gx);
        assert_eq!((gy, gx), ([20.0; 3], [1.0, 2.0, 3.0]));
        gradient_row(&image, 3, 2, &mut gy, &mut gx);
        assert_eq!(gy, [30.0; 3]);
    }
}
