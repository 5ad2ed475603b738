//! Frames of a scan: an array of any number type, or a file that was opened.

use ndarray::{ArrayView3, IxDyn};
use nonius::Scan;
use nonius::core::{Roi, ScanParams};
use numpy::{PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;

use crate::arrays::Input;
use crate::errors::{Failure, Outcome};
use crate::io::ScanFile;

/// What can be made a scan, borrowed from Python.
pub(crate) enum Frames<'py> {
    File(PyRef<'py, ScanFile>),
    U8(Input<'py, u8>),
    I8(Input<'py, i8>),
    U16(Input<'py, u16>),
    I16(Input<'py, i16>),
    U32(Input<'py, u32>),
    I32(Input<'py, i32>),
    U64(Input<'py, u64>),
    I64(Input<'py, i64>),
    F32(Input<'py, f32>),
    F64(Input<'py, f64>),
}

impl<'py> Frames<'py> {
    /// `frames` of shape (…, y, x), in the type that they have.
    pub(crate) fn new(frames: &Bound<'py, PyAny>) -> Outcome<Self> {
        if let Ok(file) = frames.cast::<ScanFile>() {
            return Ok(Frames::File(file.borrow()));
        }
        let array = frames.py().import("numpy")?.call_method1("asanyarray", (frames,))?;
        let dtype = array.cast::<PyUntypedArray>().map_err(PyErr::from)?.dtype();
        let name = dtype.getattr("name")?.extract::<String>()?;
        let what = "frames";
        Ok(match name.as_str() {
            "uint8" => Frames::U8(Input::new(what, &array)?),
            "bool" => Frames::U8(Input::new(what, &array.call_method1("view", ("uint8",))?)?),
            "int8" => Frames::I8(Input::new(what, &array)?),
            "uint16" => Frames::U16(Input::new(what, &array)?),
            "int16" => Frames::I16(Input::new(what, &array)?),
            "uint32" => Frames::U32(Input::new(what, &array)?),
            "int32" => Frames::I32(Input::new(what, &array)?),
            "uint64" => Frames::U64(Input::new(what, &array)?),
            "int64" => Frames::I64(Input::new(what, &array)?),
            "float16" | "float32" => Frames::F32(Input::new(what, &array)?),
            _ => Frames::F64(Input::new(what, &array)?),
        })
    }

    /// Calls `work` with the scan that the frames are: all axes but the last two.
    pub(crate) fn with_scan<T>(&self, work: impl FnOnce(&Scan<'_>) -> Outcome<T>) -> Outcome<T> {
        macro_rules! of_arrays {
            ($($variant:ident),*) => {
                match self {
                    Frames::File(file) => work(file.scan()),
                    $(Frames::$variant(array) => {
                        let (stack, shape) = stacked(array.view::<IxDyn>()?)?;
                        let params = ScanParams { shape: Some(shape), ..ScanParams::default() };
                        work(&Scan::new(Box::new(stack), &params)?)
                    })*
                }
            };
        }
        of_arrays!(U8, I8, U16, I16, U32, I32, U64, I64, F32, F64)
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
