//! Arrays at the border. NumPy's side of it has an ndarray of its own, so slices and shapes pass, never arrays.

use ndarray::{Array, ArrayView, Dimension, IxDyn};
use num_complex::Complex;
use numpy::{
    Element, PyArray1, PyArrayDescrMethods, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArray,
    PyUntypedArrayMethods,
};
use pyo3::prelude::*;

use crate::errors::{Failure, Outcome};

/// A C-contiguous array of NumPy's, borrowed; a copy only where the caller's has another type or layout.
pub(crate) struct Input<'py, T: Element> {
    name: &'static str,
    array: PyReadonlyArrayDyn<'py, T>,
}

/// Kinds of NumPy's types that become one of ours without losing what they mean.
pub(crate) trait Accepts: Element {
    const KINDS: &'static str;
    const WORDS: &'static str;
}

macro_rules! accepts {
    ($($t:ty),* : $kinds:literal, $words:literal) => {
        $(impl Accepts for $t {
            const KINDS: &'static str = $kinds;
            const WORDS: &'static str = $words;
        })*
    };
}
accepts!(f32, f64: "biuf", "real numbers");
accepts!(Complex<f32>, Complex<f64>: "biufc", "numbers");
accepts!(bool: "b", "booleans");
accepts!(u8, i8, u16, i16, u32, i32, u64, i64: "iu", "integers");

impl<'py, T: Accepts> Input<'py, T> {
    pub(crate) fn new(name: &'static str, object: &Bound<'py, PyAny>) -> Outcome<Self> {
        check_nothing_hidden(name, object)?;
        if let Ok(array) = object.cast::<PyArrayDyn<T>>()
            && array.is_c_contiguous()
            && (array.data() as usize).is_multiple_of(align_of::<T>())
        {
            return Ok(Input { name, array: readonly(name, array)? });
        }
        let py = object.py();
        let numpy = py.import("numpy")?;
        let array = numpy.call_method1("asarray", (object,))?;
        let kind = array.cast::<PyUntypedArray>().map_err(PyErr::from)?.dtype().kind() as char;
        // An empty list is an array of floats.
        let empty = array.getattr("size")?.extract::<usize>()? == 0;
        if !(T::KINDS.contains(kind) || empty && kind == 'f') {
            let dtype = array.getattr("dtype")?;
            // An integer may be an index as well as a truth.
            let hint = if T::KINDS == "b" { " (`array != 0` has them)" } else { "" };
            return Err(Failure::input(format!("{name}: expected {}{hint}, got dtype {dtype}", T::WORDS)));
        }
        let wanted = numpy::dtype::<T>(py);
        if T::KINDS == "iu" && kind != 'f' && !fits(&numpy, &array, &wanted)? {
            return Err(Failure::input(format!("{name}: values beyond the range of {wanted}")));
        }
        let array = numpy.call_method1("require", (array, wanted, "CA"))?;
        Ok(Input { name, array: readonly(name, array.cast().map_err(PyErr::from)?)? })
    }

    /// Nothing for `None`.
    pub(crate) fn optional(name: &'static str, object: &Option<Bound<'py, PyAny>>) -> Outcome<Option<Self>> {
        object.as_ref().map(|object| Self::new(name, object)).transpose()
    }

    pub(crate) fn shape(&self) -> &[usize] {
        self.array.shape()
    }

    pub(crate) fn slice(&self) -> Outcome<&[T]> {
        self.array.as_slice().map_err(|error| Failure::Python(error.into()))
    }

    /// The array with the axes of `D`.
    pub(crate) fn view<D: Dimension>(&self) -> Outcome<ArrayView<'_, T, D>> {
        let view = ArrayView::from_shape(IxDyn(self.shape()), self.slice()?);
        let view = view.map_err(|error| Failure::input(format!("{}: {error}", self.name)))?;
        view.into_dimensionality().map_err(|_| {
            let axes = D::NDIM.unwrap_or_default();
            Failure::input(format!("{}: expected {axes} axes, got shape {:?}", self.name, self.shape()))
        })
    }

    /// The rows of a matrix of `N` columns.
    pub(crate) fn rows<const N: usize>(&self) -> Outcome<Vec<[T; N]>>
    where
        T: Copy,
    {
        let [_, columns] = self.shape()[..] else {
            let problem = format!("{}: expected shape (n, {N}), got {:?}", self.name, self.shape());
            // No rows at all may come without columns.
            return if self.shape() == [0] { Ok(vec![]) } else { Err(Failure::input(problem)) };
        };
        if columns != N {
            return Err(Failure::input(format!(
                "{}: expected shape (n, {N}), got {:?}",
                self.name,
                self.shape()
            )));
        }
        Ok(self.slice()?.as_chunks::<N>().0.to_vec())
    }

    /// One point of `N` coordinates.
    pub(crate) fn point<const N: usize>(&self) -> Outcome<[T; N]>
    where
        T: Copy,
    {
        <[T; N]>::try_from(self.slice()?).map_err(|_| {
            Failure::input(format!("{}: expected shape ({N},), got {:?}", self.name, self.shape()))
        })
    }
}

/// An array of `numpy.ma` may come if nothing of it is masked: what is would be taken for data.
fn check_nothing_hidden(name: &'static str, object: &Bound<'_, PyAny>) -> Outcome<()> {
    if object.is_exact_instance_of::<PyUntypedArray>() || !object.is_instance_of::<PyUntypedArray>() {
        return Ok(());
    }
    let masked = object.py().import("numpy.ma")?.call_method1("is_masked", (object,))?;
    if !masked.extract::<bool>()? {
        return Ok(());
    }
    let problem = "a masked array, whose mask would be forgotten; give its `.data` or `.filled()`, and the mask by itself";
    Err(Failure::input(format!("{name}: {problem}")))
}

/// Runs `body` with the [`Input`] that [`Numbers`] are.
macro_rules! with_numbers {
    ($numbers:expr, |$input:ident| $body:expr) => {
        match $numbers {
            $crate::arrays::Numbers::U8($input) => $body,
            $crate::arrays::Numbers::I8($input) => $body,
            $crate::arrays::Numbers::U16($input) => $body,
            $crate::arrays::Numbers::I16($input) => $body,
            $crate::arrays::Numbers::U32($input) => $body,
            $crate::arrays::Numbers::I32($input) => $body,
            $crate::arrays::Numbers::U64($input) => $body,
            $crate::arrays::Numbers::I64($input) => $body,
            $crate::arrays::Numbers::F32($input) => $body,
            $crate::arrays::Numbers::F64($input) => $body,
        }
    };
}
pub(crate) use with_numbers;

/// Numbers of whatever type, borrowed.
pub(crate) enum Numbers<'py> {
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

impl<'py> Numbers<'py> {
    /// Booleans are 0 and 1; half precision becomes single, what is beyond double precision double.
    pub(crate) fn new(name: &'static str, object: &Bound<'py, PyAny>) -> Outcome<Self> {
        let array = object.py().import("numpy")?.call_method1("asanyarray", (object,))?;
        let dtype = array.cast::<PyUntypedArray>().map_err(PyErr::from)?.dtype();
        Ok(match dtype.getattr("name")?.extract::<String>()?.as_str() {
            "uint8" => Numbers::U8(Input::new(name, &array)?),
            "bool" => Numbers::U8(Input::new(name, &array.call_method1("view", ("uint8",))?)?),
            "int8" => Numbers::I8(Input::new(name, &array)?),
            "uint16" => Numbers::U16(Input::new(name, &array)?),
            "int16" => Numbers::I16(Input::new(name, &array)?),
            "uint32" => Numbers::U32(Input::new(name, &array)?),
            "int32" => Numbers::I32(Input::new(name, &array)?),
            "uint64" => Numbers::U64(Input::new(name, &array)?),
            "int64" => Numbers::I64(Input::new(name, &array)?),
            "float16" | "float32" => Numbers::F32(Input::new(name, &array)?),
            _ => Numbers::F64(Input::new(name, &array)?),
        })
    }

    pub(crate) fn shape(&self) -> &[usize] {
        with_numbers!(self, |input| input.shape())
    }

    /// NumPy's name of the type.
    pub(crate) fn type_name(&self) -> String {
        with_numbers!(self, |input| input.array.dtype().to_string())
    }
}

/// The shape of an image that is about to be made.
pub(crate) fn image_shape(name: &'static str, (h, w): (usize, usize)) -> Outcome<(usize, usize)> {
    match h.checked_mul(w) {
        Some(n) if n <= MOST_PIXELS => Ok((h, w)),
        _ => Err(nonius::Error::parameter(name, "of at most 2^28 pixels", format!("({h}, {w})")).into()),
    }
}

/// What one image may have that is made from nothing but its shape; in double precision 2 GiB.
const MOST_PIXELS: usize = 1 << 28;

fn readonly<'py, T: Element>(
    name: &'static str,
    array: &Bound<'py, PyArrayDyn<T>>,
) -> Outcome<PyReadonlyArrayDyn<'py, T>> {
    array.try_readonly().map_err(|error| Failure::input(format!("{name}: {error}")))
}

fn fits(numpy: &Bound<'_, PyModule>, array: &Bound<'_, PyAny>, dtype: &Bound<'_, PyAny>) -> PyResult<bool> {
    if array.getattr("size")?.extract::<usize>()? == 0 {
        return Ok(true);
    }
    let limits = numpy.call_method1("iinfo", (dtype,))?;
    let low = array.call_method0("min")?.ge(limits.getattr("min")?)?;
    Ok(low && array.call_method0("max")?.le(limits.getattr("max")?)?)
}

/// Whether an object is an array of single precision; all else is computed in double precision.
pub(crate) fn is_single(object: &Bound<'_, PyAny>) -> bool {
    object.cast::<PyArrayDyn<f32>>().is_ok()
}

/// Runs `body` with `F` the precision of the arrays, and each of these as an [`Input`] of it.
macro_rules! in_their_precision {
    (($($array:ident),+) $F:ident => $body:expr) => {
        if [$($crate::arrays::is_single(&$array)),+].iter().all(|single| *single) {
            #[allow(dead_code)]
            type $F = f32;
            $(let $array = $crate::arrays::Input::<f32>::new(stringify!($array), &$array)?;)+
            $body
        } else {
            #[allow(dead_code)]
            type $F = f64;
            $(let $array = $crate::arrays::Input::<f64>::new(stringify!($array), &$array)?;)+
            $body
        }
    };
}
pub(crate) use in_their_precision;

/// Moves an array of ours to NumPy, without a copy.
pub(crate) fn moved<T: Element + Clone, D: Dimension>(
    py: Python<'_>,
    array: Array<T, D>,
) -> PyResult<Bound<'_, PyAny>> {
    let shape = array.shape().to_vec();
    let array = if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned() };
    let (mut values, offset) = array.into_raw_vec_and_offset();
    let length = shape.iter().product();
    // Slices of a larger array keep the rest of it before and behind them.
    if let Some(offset) = offset.filter(|&offset| offset > 0) {
        values.drain(..offset);
    }
    values.truncate(length);
    Ok(PyArray1::from_vec(py, values).reshape(shape)?.into_any())
}
