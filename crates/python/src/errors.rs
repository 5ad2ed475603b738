//! What went wrong, as Python's exceptions with the messages of the crates.

use std::io::ErrorKind;

use nonius::io;
use pyo3::PyErr;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;

/// An error of a crate, or one that Python raised meanwhile.
pub(crate) enum Failure {
    Core(nonius::Error),
    Io(io::Error),
    Python(PyErr),
}

pub(crate) type Outcome<T> = Result<T, Failure>;

impl From<nonius::Error> for Failure {
    fn from(error: nonius::Error) -> Self {
        Failure::Core(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Io(error)
    }
}

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Self {
        Failure::Python(error)
    }
}

impl Failure {
    /// `pynonius.Error` with a message of this border.
    pub(crate) fn input(message: String) -> Self {
        Failure::Python(exception("Error", message))
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Python(error) => error,
            Failure::Core(nonius::Error::Cancelled) => PyKeyboardInterrupt::new_err(()),
            Failure::Core(error) => exception("Error", error.to_string()),
            Failure::Io(error) => {
                let absent =
                    matches!(&error, io::Error::Io { source, .. } if source.kind() == ErrorKind::NotFound);
                exception(if absent { "MissingFileError" } else { "IoError" }, error.to_string())
            }
        }
    }
}

/// The classes are Python's own, so that they may have two bases.
fn exception(class: &str, message: String) -> PyErr {
    Python::attach(|py| {
        let class = py.import("pynonius._errors").and_then(|module| module.getattr(class));
        match class.and_then(|class| class.call1((message,))) {
            Ok(value) => PyErr::from_value(value),
            Err(error) => error,
        }
    })
}
