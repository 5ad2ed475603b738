//! What is asked of an HDF5 file, whichever library reads it.

use std::fmt::Debug;

use crate::Result;
use crate::dtype::Encoding;

/// Attributes and coordinates have at most so many values.
pub(crate) const FEW: u64 = 1 << 20;

/// Names of what a group holds.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Members {
    pub(crate) groups: Vec<String>,
    pub(crate) datasets: Vec<String>,
}

impl Members {
    /// In the order of names: which of several arrays comes first is not to depend on who reads the file.
    pub(crate) fn sorted(mut self) -> Self {
        self.groups.sort();
        self.datasets.sort();
        self
    }
}

/// Value of an attribute or of a small dataset.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Attribute {
    Text(Vec<String>),
    Numbers(Vec<f64>),
}

impl Attribute {
    /// The one text.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Attribute::Text(texts) => texts.first().map(String::as_str),
            Attribute::Numbers(_) => None,
        }
    }

    /// The one number.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Attribute::Numbers(numbers) => numbers.first().copied(),
            Attribute::Text(_) => None,
        }
    }

    /// The one number, if it is a length.
    pub(crate) fn length(&self) -> Option<usize> {
        self.number().filter(|n| n.fract() == 0.0 && (1.0..1e15).contains(n)).map(|n| n as usize)
    }
}

/// An open file. Paths are absolute.
pub(crate) trait Container: Debug + Send + Sync {
    /// The file.
    fn path(&self) -> &std::path::Path;

    /// What the group at `path` holds; nothing if it cannot be read.
    fn members(&self, path: &str) -> Members;

    /// An attribute of a group or a dataset; None if it is not there or of no type that is understood.
    fn attribute(&self, object: &str, name: &str) -> Option<Attribute>;

    /// A dataset of few values; None as for attributes.
    fn values(&self, dataset: &str) -> Option<Attribute>;

    /// The dataset at `path`.
    fn dataset(&self, path: &str) -> Result<Box<dyn Dataset>>;
}

/// An array in a file.
pub(crate) trait Dataset: Debug + Send + Sync {
    fn shape(&self) -> &[usize];

    fn encoding(&self) -> Encoding;

    /// Shape of the pieces that are compressed on their own.
    fn chunk(&self) -> Option<&[usize]>;

    /// The stored bytes of the box of `count` elements from `start` on, in C order.
    fn read(&self, start: &[usize], count: &[usize]) -> std::result::Result<Vec<u8>, String>;
}
