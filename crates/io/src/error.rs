//! The error of files.

use std::path::{Path, PathBuf};

/// Why a file could not be read or written.
///
/// Every variant names the file; those about its content say where in it, and what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused: no such file, no permission, disk full.
    #[error("{}: cannot {doing}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried: "open", "read 512 bytes at byte 80", "write".
        doing: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file ends before what its header promises.
    #[error("{}: {what} needs {needed} bytes from byte {offset}, but the file ends at byte {length}", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The part that is cut.
        what: String,
        /// Where this part begins, in bytes from the start.
        offset: u64,
        /// How long it should be, in bytes.
        needed: u64,
        /// Length of the file, in bytes.
        length: u64,
    },
    /// The file contradicts its format.
    #[error("{}: {place}: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where: header, card, HDU, page, member, byte.
        place: String,
        /// What is there and what was expected.
        problem: String,
    },
    /// The file is in order but holds something that is not read here.
    #[error("{}: {what}; {hint}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it holds.
        what: String,
        /// What to do about it.
        hint: String,
    },
    /// A selector asks for something that is not there, or not for exactly one image.
    #[error("{selector}: {problem}")]
    Selection {
        /// The selector as given.
        selector: String,
        /// What is wrong, and what could be asked for.
        problem: String,
    },
    /// The frames of one stack, or an array to be written, have a shape that does not fit.
    #[error("{}: expected shape {expected:?}, got {got:?}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The shape it must have.
        expected: Vec<usize>,
        /// The shape it has.
        got: Vec<usize>,
    },
    /// The frames of a file do not make the scan that was asked for.
    #[error("{}: {reason}", path.display())]
    Scan {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: nonius_core::Error,
    },
    /// A header does not say, or not in a way known here, which part of the sky its image shows.
    #[error("{problem}")]
    WorldCoordinates {
        /// What is missing or not known.
        problem: String,
    },
    /// The pixels do not fit into memory.
    #[error("{}: {what} would take {bytes} bytes of memory", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The part that is too large.
        what: String,
        /// Bytes it would take.
        bytes: u128,
    },
}

/// A result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn io(path: &Path, doing: impl Into<String>, source: std::io::Error) -> Self {
        Error::Io { path: path.into(), doing: doing.into(), source }
    }

    pub(crate) fn damaged(path: &Path, place: impl Into<String>, problem: impl Into<String>) -> Self {
        Error::Damaged { path: path.into(), place: place.into(), problem: problem.into() }
    }

    pub(crate) fn unsupported(path: &Path, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Error::Unsupported { path: path.into(), what: what.into(), hint: hint.into() }
    }

    pub(crate) fn selection(selector: impl std::fmt::Display, problem: impl Into<String>) -> Self {
        Error::Selection { selector: selector.to_string(), problem: problem.into() }
    }
}

/// Lets functions take a path, which needs no parsing, where they also take text, which does.
impl From<std::convert::Infallible> for Error {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}
