//! The compiled half of the Python package `pynonius`: arrays, parameters and results across the border.
//!
//! Documentation for users stands in the Python half, where their tools look for it. A function here borrows its
//! arrays, reads keywords into the parameters of a crate, computes without the interpreter, and hands the
//! result over as an instance of a class of the Python half. It has no number of its own.

mod arrays;
mod blobfinder;
mod chi2;
mod clustering;
mod errors;
mod frames;
mod io;
mod params;
mod pickles;
mod plot;
mod records;
mod registration;
mod synthetic;
mod tomography;
mod work;
mod workflow;

use pyo3::prelude::*;

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(params::defaults, module)?)?;
    module.add_function(wrap_pyfunction!(work::set_threads, module)?)?;
    module.add_function(wrap_pyfunction!(work::get_threads, module)?)?;
    module.add_function(wrap_pyfunction!(work::stay_in_thread, module)?)?;
    registration::add_to(module)?;
    chi2::add_to(module)?;
    blobfinder::add_to(module)?;
    clustering::add_to(module)?;
    io::add_to(module)?;
    plot::add_to(module)?;
    tomography::add_to(module)?;
    workflow::add_to(module)?;
    synthetic::add_to(module)
}
