//! Arrays that are read whole.

use std::path::Path;

use ndarray::{Array, ArrayD, Dimension, IntoDimension, IxDyn};
use nonius_core::Real;

use crate::hdf5::container::Container;
use crate::hdf5::pure::{EXPANSION, LEAST_ROOM};
use crate::{Error, Result};

/// [`Error::Damaged`] if no file of this length unfolds to an array of `shape`.
pub(super) fn check_room(path: &Path, place: &str, shape: &[usize]) -> Result<()> {
    let len = std::fs::metadata(path).map_err(|e| Error::io(path, "open", e))?.len();
    let room = u128::from(LEAST_ROOM) + u128::from(EXPANSION) * u128::from(len);
    let bytes = shape.iter().try_fold(8u128, |n, &side| n.checked_mul(side as u128));
    if bytes.is_some_and(|bytes| bytes <= room) {
        return Ok(());
    }
    let problem = format!("shape {shape:?} is more than a file of {len} bytes can hold");
    Err(Error::damaged(path, place.trim_start_matches('/'), problem))
}

/// Zeros, if the file may hold so many numbers and memory does.
pub(super) fn zeros<F: Real, D: Dimension>(
    path: &Path,
    what: &str,
    shape: impl IntoDimension<Dim = D>,
) -> Result<Array<F, D>> {
    let shape = shape.into_dimension();
    check_room(path, what, shape.slice())?;
    let n: usize = shape.slice().iter().product();
    let bytes = n as u128 * size_of::<F>() as u128;
    let too_large = || Error::TooLarge { path: path.into(), what: what.into(), bytes };
    let mut numbers = Vec::new();
    numbers.try_reserve_exact(n).map_err(|_| too_large())?;
    numbers.resize(n, F::zero());
    Array::from_shape_vec(shape, numbers).map_err(|_| too_large())
}

/// A dataset of an HDF5 file, all finite: numbers that are not become `replacement` or are an error.
pub(super) fn read_array<F: Real>(
    file: &dyn Container,
    dataset: &str,
    replacement: Option<f64>,
) -> Result<ArrayD<F>> {
    let data = file.dataset(dataset)?;
    let damaged = |problem: String| Error::damaged(file.path(), dataset.trim_start_matches('/'), problem);
    let shape = data.shape();
    let mut out: ArrayD<F> = zeros(file.path(), dataset, IxDyn(shape))?;
    let bytes = data.read(&vec![0; shape.len()], shape).map_err(&damaged)?;
    let expected = out.len() * data.encoding().dtype.size();
    if bytes.len() != expected {
        return Err(damaged(format!("{} bytes were read, expected {expected}", bytes.len())));
    }
    let numbers = out.as_slice_mut().ok_or_else(|| damaged("is not contiguous".into()))?;
    data.encoding().decode(&bytes, |i, v: F| numbers[i] = v);
    finite(&mut out, replacement).map_err(damaged)?;
    Ok(out)
}

/// Puts `replacement` where numbers are not finite; without one, what is wrong.
pub(super) fn finite<F: Real>(
    array: &mut ArrayD<F>,
    replacement: Option<f64>,
) -> std::result::Result<(), String> {
    if let Some(value) = replacement {
        if !F::of(value).is_finite() {
            return Err(format!("replace_non_finite must be finite, got {value}"));
        }
        array.mapv_inplace(|v| if v.is_finite() { v } else { F::of(value) });
        return Ok(());
    }
    match array.indexed_iter().find(|(_, v)| !v.is_finite()) {
        None => Ok(()),
        Some((index, bad)) => Err(format!(
            "element {:?} is {bad}, expected finite numbers (replace_non_finite puts another in its place)",
            index.slice()
        )),
    }
}
