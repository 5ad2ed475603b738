//! Results of the crates as the classes of the package, fields in their order.

use ndarray::{Array, Dimension};
use numpy::{Element, PyArray1, PyArrayMethods};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PySystemError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyList, PyTuple};
use serde::Serialize;

use crate::arrays::moved;
use crate::params;

pub(crate) trait ToPython {
    fn to_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>>;
}

/// A result that is a class of the package.
pub(crate) trait Record: ToPython {}

macro_rules! as_itself {
    ($($t:ty),*) => {$(
        impl ToPython for $t {
            fn to_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
                self.into_bound_py_any(py)
            }
        }
    )*};
}
as_itself!(f64, bool, usize, u64, u32, i64, String, &str, (usize, usize), Vec<String>, Py<PyAny>);

macro_rules! as_array {
    ($($t:ty),*) => {$(
        impl ToPython for Vec<$t> {
            fn to_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
                Ok(PyArray1::from_vec(py, self).into_any())
            }
        }
        impl<const N: usize> ToPython for Vec<[$t; N]> {
            fn to_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
                let shape = [self.len(), N];
                Ok(PyArray1::from_vec(py, self.into_flattened()).reshape(shape)?.into_any())
            }
        }
        impl<const N: usize> ToPython for [$t; N] {
            fn to_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
                Ok(PyArray1::from_slice(py, &self).into_any())
            }
        }
        impl<const M: usize, const N: usize> ToPython for [[$t; N]; M] {
            fn to_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
                Ok(PyArray1::from_slice(py, self.as_flattened()).reshape([M, N])?.into_any())
            }
        }
        impl<const M: usize, const N: usize> ToPython for Vec<[[$t; N]; M]> {
            fn to_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
                let shape = [self.len(), M, N];
                let flat = self.into_flattened().into_flattened();
                Ok(PyArray1::from_vec(py, flat).reshape(shape)?.into_any())
            }
        }
    )*};
}
as_array!(f64, i32, u32, i64, usize, bool);

impl<T: Element + Clone, D: Dimension> ToPython for Array<T, D> {
    fn to_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        moved(py, self)
    }
}

impl<T: ToPython> ToPython for Option<T> {
    fn to_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        self.map_or_else(|| Ok(py.None().into_bound(py)), |value| value.to_python(py))
    }
}

impl<T: Record> ToPython for Vec<T> {
    fn to_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        let list = PyList::empty(py);
        for item in self {
            list.append(item.to_python(py)?)?;
        }
        Ok(list.into_any())
    }
}

/// A word of a closed list, or several.
pub(crate) struct Word<T>(pub(crate) T);

impl<T: Serialize> ToPython for Word<T> {
    fn to_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        params::to_python(py, &self.0)
    }
}

/// Labels of clusters as NumPy's users write them: −1 where there is none.
pub(crate) struct Labels(pub(crate) Vec<Option<usize>>);

impl ToPython for Labels {
    fn to_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        let labels = self.0.into_iter().map(|label| label.map_or(-1, |label| label as i64));
        labels.collect::<Vec<i64>>().to_python(py)
    }
}

/// An instance of the class `name` of `module`, whose fields have to be those of `names`.
pub(crate) fn instance<'py>(
    py: Python<'py>,
    class: &'static PyOnceLock<Py<PyAny>>,
    module: &str,
    name: &str,
    names: &[&str],
    values: Vec<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let class = class.get_or_try_init(py, || {
        let class = py.import(module)?.getattr(name)?;
        let fields: Vec<String> = class.getattr("_fields")?.extract()?;
        if fields != names {
            return Err(PySystemError::new_err(format!("{module}.{name} has {fields:?}, not {names:?}")));
        }
        Ok(class.unbind())
    })?;
    class.bind(py).call1(PyTuple::new(py, values)?)
}

/// `record!("pynonius.chi2", Class, path::of::Struct as r { field, other = r.method() })`
macro_rules! record {
    ($module:literal, $class:ident, $t:ty as $r:ident { $($field:ident $(= $value:expr)?),+ $(,)? }) => {
        impl $crate::records::Record for $t {}
        impl $crate::records::ToPython for $t {
            fn to_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
                static CLASS: pyo3::sync::PyOnceLock<Py<PyAny>> = pyo3::sync::PyOnceLock::new();
                let $r = self;
                let values = vec![$($crate::records::ToPython::to_python(
                    $crate::records::record!(@value $r $field $($value)?), py)?),+];
                let names = [$(stringify!($field)),+];
                $crate::records::instance(py, &CLASS, $module, stringify!($class), &names, values)
            }
        }
    };
    (@value $r:ident $field:ident) => { $r.$field };
    (@value $r:ident $field:ident $value:expr) => { $value };
}
pub(crate) use record;
