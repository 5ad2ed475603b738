//! Blocks of pixels made one.

use ndarray::{Array, ArrayView, Axis, Dimension, IxDyn};

use crate::error::check_not_empty;
use crate::{Error, Real, Result};

/// Means of blocks of `factor` elements along every axis.
///
/// NaN is left out of a block's mean; a block of nothing but NaN is NaN. Elements at the end of an axis
/// that fill no block are dropped. Any number of axes.
///
/// # Errors
/// [`Error::Parameter`] unless `factor` is at least 1 and at most the shortest axis, [`Error::Empty`].
///
/// # Source
/// image_registration, `downsample`, where it is for images.
///
/// # Example
/// ```
/// use ndarray::array;
/// let small = nonius_core::downsample(array![[1., 3., 9.], [f64::NAN, 5., 9.]].view(), 2)?;
/// assert_eq!(small, array![[3.0]]);
/// # Ok::<(), nonius_core::Error>(())
/// ```
pub fn downsample<F: Real, D: Dimension>(array: ArrayView<'_, F, D>, factor: usize) -> Result<Array<F, D>> {
    check_not_empty("array", array.shape())?;
    if factor == 0 || array.shape().iter().any(|&n| n < factor) {
        let must_be = "at least 1 and at most the shortest axis of the array";
        return Err(Error::parameter("factor", must_be, factor));
    }
    let shape: Vec<usize> = array.shape().iter().map(|n| n / factor).collect();
    let mut array = array.into_dyn();
    for (axis, n) in shape.iter().enumerate() {
        array.slice_axis_inplace(Axis(axis), (0..n * factor).into());
    }
    let block = IxDyn(&vec![factor; shape.len()]);
    let means = array.exact_chunks(block).into_iter().map(mean_of_numbers).collect();
    let small = Array::from_shape_vec(IxDyn(&shape), means).expect("one mean per block");
    Ok(small.into_dimensionality().expect("as many axes as the array has"))
}

fn mean_of_numbers<F: Real>(block: ArrayView<'_, F, IxDyn>) -> F {
    let (mut sum, mut count) = (0.0, 0_usize);
    for v in block.iter().filter(|v| !v.is_nan()) {
        sum += v.f64();
        count += 1;
    }
    F::of(sum / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array1, Array3};

    #[test]
    fn any_number_of_axes_and_ends_dropped() {
        let signal = Array1::from_iter((0..7).map(f64::from));
        assert_eq!(downsample(signal.view(), 3).unwrap().to_vec(), [1.0, 4.0]);
        let cube = Array3::from_shape_fn((4, 5, 3), |(z, y, x)| (100 * z + 10 * y + x) as f32);
        let small = downsample(cube.view(), 2).unwrap();
        assert_eq!(small.dim(), (2, 2, 1));
        assert_eq!(small[[1, 1, 0]], 275.5);
    }

    #[test]
    fn nan_blocks_and_bad_factors() {
        let image = ndarray::array![[f64::NAN, f64::NAN, 1.0, 2.0], [f64::NAN, f64::NAN, 3.0, 6.0]];
        let small = downsample(image.view(), 2).unwrap();
        assert!(small[[0, 0]].is_nan() && small[[0, 1]] == 3.0);
        for factor in [0, 3] {
            assert!(matches!(downsample(image.view(), factor), Err(Error::Parameter { name: "factor", .. })));
        }
    }
}
