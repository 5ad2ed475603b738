//! Frames of a scan: an array of any number type, or a file that was opened.

use ndarray::{ArrayView3, IxDyn};
use nonius::Scan;
use nonius::core::{Roi, ScanParams};
use pyo3::prelude::*;

use crate::arrays::{Input, Numbers, with_numbers};
use crate::errors::{Failure, Outcome};
use crate::io::ScanFile;

/// What can be made a scan, borrowed from Python.
pub(crate) enum Frames<'py> {
    File(PyRef<'py, ScanFile>),
    Array(Numbers<'py>),
}

impl<'py> Frames<'py> {
    /// `frames` of shape (…, y, x), in the type that they have.
    pub(crate) fn new(frames: &Bound<'py, PyAny>) -> Outcome<Self> {
        Ok(match frames.cast::<ScanFile>() {
            Ok(file) => Frames::File(file.borrow()),
            Err(_) => Frames::Array(Numbers::new("frames", frames)?),
        })
    }

    /// Calls `work` with the scan that the frames are: all axes but the last two.
    pub(crate) fn with_scan<T>(&self, work: impl FnOnce(&Scan<'_>) -> Outcome<T>) -> Outcome<T> {
        match self {
            Frames::File(file) => work(file.scan()),
            Frames::Array(numbers) => with_numbers!(numbers, |array| {
                let (stack, shape) = stacked(array.view::<IxDyn>()?)?;
                let params = ScanParams { shape: Some(shape), ..ScanParams::default() };
                work(&Scan::new(Box::new(stack), &params)?)
            }),
        }
    }
}

/// `(…, y, x)` as `(frame, y, x)`, and the shape of what is before.
fn stacked<T>(frames: ndarray::ArrayViewD<'_, T>) -> Outcome<(ArrayView3<'_, T>, Vec<usize>)> {
    let shape = frames.shape().to_vec();
    let [scan @ .., h, w] = &shape[..] else {
        return Err(Failure::input(format!("frames: expected at least 2 axes, got shape {shape:?}")));
    };
    // One frame is a scan of one position.
    let scan = if scan.is_empty() { vec![1] } else { scan.to_vec() };
    let stack = (scan.iter().product::<usize>(), *h, *w);
    let view = frames.into_shape_with_order(stack);
    Ok((view.map_err(|error| Failure::input(format!("frames: {error}")))?, scan))
}

/// A region of interest from a mask over the scan.
pub(crate) fn roi(mask: &Option<Input<'_, bool>>) -> Outcome<Option<Roi>> {
    mask.as_ref().map(|mask| Ok(Roi::from_mask(mask.view::<IxDyn>()?))).transpose()
}
