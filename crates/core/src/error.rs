//! The one error of the computing crates.

/// What can be wrong with what a caller passed.
///
/// Every variant carries what was expected and what came. Text is made for a terminal:
/// `moving: expected shape [64, 64], got [64, 63]`.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An array has another shape than it must have.
    #[error("{what}: expected shape {expected:?}, got {got:?}")]
    Shape {
        /// Which argument.
        what: &'static str,
        /// The shape it must have.
        expected: Vec<usize>,
        /// The shape it has.
        got: Vec<usize>,
    },
    /// An array has no element, or an axis of length 0.
    #[error("{what} is empty: shape {got:?} has no element")]
    Empty {
        /// Which argument.
        what: &'static str,
        /// The shape it has.
        got: Vec<usize>,
    },
    /// An array has a NaN or an infinity where every value must be finite.
    #[error("{what}: element {index:?} is not finite; give a mask that leaves it out")]
    NotFinite {
        /// Which argument.
        what: &'static str,
        /// Index of the first such element, in axis order.
        index: Vec<usize>,
    },
    /// A parameter is outside what it may be.
    #[error("{name} must be {must_be}, got {got}")]
    Parameter {
        /// Name of the parameter.
        name: &'static str,
        /// What it may be.
        must_be: &'static str,
        /// What it was.
        got: String,
    },
    /// The caller asked to stop, through [`Progress::cancelled`](crate::Progress::cancelled).
    #[error("cancelled")]
    Cancelled,
    /// A frame source could not deliver a frame.
    #[error("frame {index}: {reason}")]
    Frame {
        /// Index of the frame.
        index: usize,
        /// Why, in the words of the source.
        reason: String,
    },
}

/// A result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An [`Error::Parameter`] from anything that can be printed.
    pub fn parameter(name: &'static str, must_be: &'static str, got: impl std::fmt::Display) -> Self {
        Error::Parameter { name, must_be, got: got.to_string() }
    }
}

/// [`Error::Shape`] unless `got` equals `expected`.
pub fn check_shape(what: &'static str, expected: &[usize], got: &[usize]) -> Result<()> {
    if expected == got {
        Ok(())
    } else {
        Err(Error::Shape { what, expected: expected.to_vec(), got: got.to_vec() })
    }
}

/// [`Error::Empty`] if an axis of `array` has length 0.
pub fn check_not_empty(what: &'static str, shape: &[usize]) -> Result<()> {
    if shape.contains(&0) { Err(Error::Empty { what, got: shape.to_vec() }) } else { Ok(()) }
}

/// [`Error::NotFinite`] at the first NaN or infinity of `array`.
pub fn check_finite<F: crate::Real, D: ndarray::Dimension>(
    what: &'static str,
    array: ndarray::ArrayView<'_, F, D>,
) -> Result<()> {
    // A sum is finite only if every element is; the search runs only when it is not.
    if array.sum().is_finite() {
        return Ok(());
    }
    for (index, value) in array.into_dyn().indexed_iter() {
        if !value.is_finite() {
            return Err(Error::NotFinite { what, index: ndarray::Dimension::slice(&index).to_vec() });
        }
    }
    Ok(())
}

/// [`Error::Parameter`] unless `value` is finite and above 0.
pub fn check_positive(name: &'static str, value: f64) -> Result<()> {
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(Error::parameter(name, "finite and above 0", value))
}

/// [`Error::Parameter`] unless `value` is finite and at least 0.
pub fn check_not_negative(name: &'static str, value: f64) -> Result<()> {
    if value >= 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(Error::parameter(name, "finite and at least 0", value))
}
