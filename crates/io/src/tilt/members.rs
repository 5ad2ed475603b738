//! Groups of an HDF5 file with small datasets that may be there or not.

use nalgebra::Vector3;

use crate::hdf5::container::{Attribute, Container};
use crate::{Error, Result};

/// A group and the names of its datasets.
pub(super) struct Group<'a> {
    pub(super) file: &'a dyn Container,
    /// Path of the group, "" for the root.
    pub(super) path: String,
    datasets: Vec<String>,
}

impl<'a> Group<'a> {
    pub(super) fn new(file: &'a dyn Container, path: &str) -> Self {
        Group { file, path: path.into(), datasets: file.members(path).datasets }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.datasets.iter().any(|d| d == name)
    }

    /// Path of a dataset in the group.
    pub(super) fn dataset(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    /// [`Error::Damaged`] at a dataset of the group.
    pub(super) fn damaged(&self, name: &str, problem: impl Into<String>) -> Error {
        Error::damaged(self.file.path(), self.dataset(name).trim_start_matches('/'), problem)
    }

    /// The numbers of a dataset, at least one and all finite; None if there is no such dataset.
    pub(super) fn numbers(&self, name: &str) -> Result<Option<Vec<f64>>> {
        if !self.has(name) {
            return Ok(None);
        }
        // The dataset itself first: its error says what is wrong with it.
        let shape = self.file.dataset(&self.dataset(name))?.shape().to_vec();
        let Some(Attribute::Numbers(numbers)) = self.file.values(&self.dataset(name)) else {
            return Err(self.damaged(name, format!("cannot be read as numbers, shape {shape:?}")));
        };
        if numbers.is_empty() {
            return Err(self.damaged(name, format!("shape {shape:?} holds no number")));
        }
        match numbers.iter().find(|v| !v.is_finite()) {
            Some(bad) => Err(self.damaged(name, format!("holds {bad}, expected finite numbers"))),
            None => Ok(Some(numbers)),
        }
    }

    /// The first number of a dataset.
    pub(super) fn number(&self, name: &str) -> Result<Option<f64>> {
        Ok(self.numbers(name)?.map(|numbers| numbers[0]))
    }

    /// A dataset of exactly N numbers.
    pub(super) fn exactly<const N: usize>(&self, name: &str) -> Result<Option<[f64; N]>> {
        let Some(numbers) = self.numbers(name)? else { return Ok(None) };
        let n = numbers.len();
        let wrong = |_| self.damaged(name, format!("holds {n} numbers, expected {N}"));
        numbers.try_into().map(Some).map_err(wrong)
    }

    /// A dataset of three numbers.
    pub(super) fn vector(&self, name: &str) -> Result<Option<Vector3<f64>>> {
        Ok(self.exactly::<3>(name)?.map(Vector3::from))
    }

    /// An axis: three numbers that have a direction.
    pub(super) fn axis(&self, name: &str) -> Result<Option<Vector3<f64>>> {
        match self.vector(name)? {
            Some(axis) if !(axis.norm().is_finite() && axis.norm() > 1e-12) => {
                Err(self.damaged(name, format!("{:?} has no direction", axis.as_slice())))
            }
            axis => Ok(axis),
        }
    }
}
