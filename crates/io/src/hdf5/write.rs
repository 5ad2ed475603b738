//! HDF5 files with results.

use std::io::Write;
use std::path::Path;

use hdf5_writer::{AttributeBuilder, DatasetBuilder, H5WriteElement, Hdf5Builder};
use ndarray::ArrayViewD;
use nonius_core::Axis;

use super::scalar_texts::make_single;
use crate::{Error, Result, write_atomically};

/// A number type of which arrays are written.
pub trait Hdf5Number: H5WriteElement {}

macro_rules! number {
    ($($t:ty),*) => { $(impl Hdf5Number for $t {})* };
}
number!(u8, i8, u16, i16, u32, i32, u64, i64, f32, f64);

/// Arrays with their axes, for one HDF5 file in the layout EMD 1.0, which py4DSTEM, h5py, HyperSpy and napari's HDF5
/// readers open.
///
/// Every array is a group below one root with `data`, and `dim0` and on for its axes; attributes of the root
/// tell how the arrays were made.
///
/// ```
/// use ndarray::Array2;
/// use nonius_core::Axis;
/// use nonius_io::{Hdf5File, write_hdf5};
///
/// let folder = tempfile::tempdir()?;
/// let std = Array2::from_shape_fn((3, 4), |(y, x)| (y * x) as f64);
/// let axes = [Axis::pixels("y", 3), Axis::pixels("x", 4)];
/// let mut file = Hdf5File::new("maps");
/// file.attribute("n_frames", 12.0);
/// file.array("std", std.view().into_dyn(), &axes, "counts")?;
/// write_hdf5(folder.path().join("maps.h5"), file)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Hdf5File {
    root: String,
    arrays: Vec<DatasetBuilder>,
    groups: Vec<(String, Vec<AttributeBuilder>)>,
    attributes: Vec<AttributeBuilder>,
}

/// The value of an attribute of the root.
#[derive(Debug, Clone, PartialEq)]
pub enum AttributeValue {
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
}

impl From<f64> for AttributeValue {
    fn from(value: f64) -> Self {
        AttributeValue::Number(value)
    }
}

impl From<&str> for AttributeValue {
    fn from(value: &str) -> Self {
        AttributeValue::Text(value.into())
    }
}

impl From<String> for AttributeValue {
    fn from(value: String) -> Self {
        AttributeValue::Text(value)
    }
}

impl Hdf5File {
    /// A file without arrays yet, all of which will stand below the group `root`.
    pub fn new(root: &str) -> Self {
        Hdf5File { root: clean(root), arrays: Vec::new(), groups: Vec::new(), attributes: Vec::new() }
    }

    /// Adds a statement about all arrays.
    pub fn attribute(&mut self, name: &str, value: impl Into<AttributeValue>) {
        let attribute = match value.into() {
            AttributeValue::Text(text) => Some(text_attribute(name, &text)),
            AttributeValue::Number(number) => AttributeBuilder::scalar(name, number).ok(),
        };
        self.attributes.extend(attribute);
    }

    /// Adds an array with one axis per dimension and the unit of its values.
    ///
    /// # Errors
    /// [`Error::Shape`] if the axes are not those of the array.
    pub fn array<T: Hdf5Number>(
        &mut self,
        name: &str,
        values: ArrayViewD<'_, T>,
        axes: &[Axis],
        unit: &str,
    ) -> Result<()> {
        let shape: Vec<usize> = axes.iter().map(|a| a.size).collect();
        let path = format!("{}/{}", self.root, clean(name));
        if shape != values.shape() {
            let got = values.shape().to_vec();
            return Err(Error::Shape { path: path.into(), expected: shape, got });
        }
        let sizes: Vec<u64> = shape.iter().map(|&n| n as u64).collect();
        let numbers: Vec<T> = values.iter().copied().collect();
        let failed =
            |e: hdf5_writer::Error| Error::unsupported(Path::new(&path), e.to_string(), "rename the array");
        let data = DatasetBuilder::typed_data(format!("{path}/data"), sizes, &numbers).map_err(failed)?;
        self.arrays.push(data.attribute(text_attribute("units", unit)));
        for (k, axis) in axes.iter().enumerate() {
            // Two values: where the axis begins, and where its next element lies.
            let line = [axis.offset, axis.offset + axis.scale];
            let dim = DatasetBuilder::typed_data(format!("{path}/dim{k}"), vec![2], &line).map_err(failed)?;
            let dim = dim.attribute(text_attribute("name", &axis.name));
            self.arrays.push(dim.attribute(text_attribute("units", &axis.unit)));
        }
        let kind = vec![text_attribute("emd_group_type", "array"), text_attribute("python_class", "Array")];
        self.groups.push((path, kind));
        Ok(())
    }

    fn encode(self) -> std::result::Result<Vec<u8>, hdf5_writer::Error> {
        let mut file = Hdf5Builder::new()
            .attribute(text_attribute("emd_group_type", "file"))
            .attribute(AttributeBuilder::scalar("version_major", 1i64)?)
            .attribute(AttributeBuilder::scalar("version_minor", 0i64)?)
            .attribute(text_attribute("authoring_program", concat!("nonius ", env!("CARGO_PKG_VERSION"))));
        let mut about = self.attributes;
        about.extend([text_attribute("emd_group_type", "root"), text_attribute("python_class", "Root")]);
        for attribute in about {
            file = file.group_attribute(self.root.clone(), attribute);
        }
        for (path, attributes) in self.groups {
            for attribute in attributes {
                file = file.group_attribute(path.clone(), attribute);
            }
        }
        for array in self.arrays {
            file = file.dataset(array);
        }
        let mut bytes = file.into_plan()?.encode(Default::default())?;
        make_single(&mut bytes);
        Ok(bytes)
    }
}

/// A name without what separates groups.
fn clean(name: &str) -> String {
    let clean: String = name.chars().map(|c| if c == '/' || c.is_control() { '_' } else { c }).collect();
    if clean.trim_matches('.').is_empty() { "array".into() } else { clean }
}

/// A text of any length: readers in Python take one of fixed length for bytes.
fn text_attribute(name: &str, text: &str) -> AttributeBuilder {
    // NUL would end the text there for every reader.
    let text = text.replace('\0', " ");
    AttributeBuilder::vlen_strings(name, &[&text])
        .unwrap_or_else(|_| AttributeBuilder::fixed_string(name, text))
}

/// Writes an HDF5 file; an existing one is replaced when the new one is complete.
///
/// The file is made in memory first.
///
/// # Errors
/// [`Error::Io`]; [`Error::Unsupported`] if two arrays have one name.
pub fn write_hdf5(path: impl AsRef<Path>, file: Hdf5File) -> Result<()> {
    let path = path.as_ref();
    let bytes = file.encode().map_err(|e| {
        Error::unsupported(path, format!("cannot be written as HDF5: {e}"), "rename the arrays")
    })?;
    write_atomically(path, |out| out.write_all(&bytes))
}
