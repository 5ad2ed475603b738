//! How instances of the compiled classes are made again, in another process or as a copy.

use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// What `__reduce__` returns: something that is called, and its arguments.
pub(crate) type Pickled<'py> = (Bound<'py, PyAny>, Bound<'py, PyTuple>);

/// To be made by `function` of this module from `arguments`.
pub(crate) fn by<'py>(
    py: Python<'py>,
    function: &str,
    arguments: Vec<Bound<'py, PyAny>>,
) -> PyResult<Pickled<'py>> {
    Ok((py.import("pynonius._native")?.getattr(function)?, PyTuple::new(py, arguments)?))
}

/// To be made by `function` of this module from `arguments` and `keywords`, which is a dict.
pub(crate) fn by_keywords<'py>(
    py: Python<'py>,
    function: &str,
    arguments: Vec<Bound<'py, PyAny>>,
    keywords: &Bound<'py, PyAny>,
) -> PyResult<Pickled<'py>> {
    let (function, arguments) = by(py, function, arguments)?;
    let partial = py.import("functools")?.getattr("partial")?;
    Ok((partial.call((function,), Some(keywords.cast()?))?, arguments))
}
