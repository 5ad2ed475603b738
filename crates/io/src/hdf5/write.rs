//! HDF5 files with results.

use std::io::{self, Write};
use std::path::Path;

use hdf5_writer::{AttributeBuilder, DatasetBuilder, H5WriteElement, Hdf5Builder};
use ndarray::{CowArray, IxDyn};
use nonius_core::Axis;

use super::headers;
use crate::numbers_out::write_numbers;
use crate::{Error, Result, write_atomically};

/// A number type of which arrays are written.
pub trait Hdf5Number: H5WriteElement + bytemuck::Pod {}

macro_rules! number {
    ($($t:ty),*) => { $(impl Hdf5Number for $t {})* };
}
number!(u8, i8, u16, i16, u32, i32, u64, i64, f32, f64);

/// Arrays with their axes, for one HDF5 file in the layout EMD 1.0, which py4DSTEM, h5py, HyperSpy and napari's HDF5
/// readers open.
///
/// Every array is a group below one root with `data`, and `dim0` and on for its axes; attributes of the root
/// tell how the arrays were made. Arrays that are lent are not copied.
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
pub struct Hdf5File<'a> {
    root: String,
    datasets: Vec<DatasetBuilder>,
    /// Of those datasets that are declared without, in their order.
    numbers: Vec<Numbers<'a>>,
    groups: Vec<(String, Vec<AttributeBuilder>)>,
    attributes: Vec<AttributeBuilder>,
}

/// Numbers that are written when their turn comes.
struct Numbers<'a> {
    n_bytes: u64,
    write: Writing<'a>,
}

type Writing<'a> = Box<dyn FnOnce(&mut dyn Write) -> io::Result<()> + 'a>;

impl std::fmt::Debug for Hdf5File<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hdf5File").field("root", &self.root).finish_non_exhaustive()
    }
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

impl<'a> Hdf5File<'a> {
    /// A file without arrays yet, all of which will stand below the group `root`.
    pub fn new(root: &str) -> Self {
        Hdf5File {
            root: clean(root),
            datasets: Vec::new(),
            numbers: Vec::new(),
            groups: Vec::new(),
            attributes: Vec::new(),
        }
    }

    /// Adds a statement about all arrays.
    pub fn attribute(&mut self, name: &str, value: impl Into<AttributeValue>) {
        let attribute = match value.into() {
            AttributeValue::Text(text) => Some(text_attribute(name, &text)),
            AttributeValue::Number(number) => AttributeBuilder::scalar(name, number).ok(),
        };
        self.attributes.extend(attribute);
    }

    /// Adds an array, lent or given, with one axis per dimension and the unit of its values.
    ///
    /// # Errors
    /// [`Error::Shape`] if the axes are not those of the array.
    pub fn array<T: Hdf5Number>(
        &mut self,
        name: &str,
        values: impl Into<CowArray<'a, T, IxDyn>>,
        axes: &[Axis],
        unit: &str,
    ) -> Result<()> {
        let values = values.into();
        let shape: Vec<usize> = axes.iter().map(|a| a.size).collect();
        if shape != values.shape() {
            let path = format!("{}/{}", self.root, clean(name));
            return Err(Error::Shape { path: path.into(), expected: shape, got: values.shape().to_vec() });
        }
        self.numbers::<T>(name, axes, unit, move |mut out| {
            write_numbers(&mut out, &values.view(), false, |v| v)
        })
    }

    /// Adds an array whose numbers, little endian and in C order, `write` will write.
    pub(crate) fn numbers<T: Hdf5Number>(
        &mut self,
        name: &str,
        axes: &[Axis],
        unit: &str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()> + 'a,
    ) -> Result<()> {
        let path = format!("{}/{}", self.root, clean(name));
        let sizes: Vec<u64> = axes.iter().map(|a| a.size as u64).collect();
        let n_bytes = sizes.iter().try_fold(size_of::<T>() as u64, |n, &size| n.checked_mul(size));
        let failed = |why: String| Error::unsupported(Path::new(&path), why, "rename the array");
        let n_bytes = n_bytes.ok_or_else(|| failed("more numbers than a file can have".into()))?;
        let data = DatasetBuilder::typed::<T>(format!("{path}/data"), sizes)
            .fill_value(vec![0; size_of::<T>()])
            .attribute(text_attribute("units", unit));
        self.datasets.push(data);
        self.numbers.push(Numbers { n_bytes, write: Box::new(write) });
        for (k, axis) in axes.iter().enumerate() {
            // Two values: where the axis begins, and where its next element lies.
            let line = [axis.offset, axis.offset + axis.scale];
            let dim = DatasetBuilder::typed_data(format!("{path}/dim{k}"), vec![2], &line)
                .map_err(|e| failed(e.to_string()))?;
            let dim = dim.attribute(text_attribute("name", &axis.name));
            self.datasets.push(dim.attribute(text_attribute("units", &axis.unit)));
        }
        let kind = vec![text_attribute("emd_group_type", "array"), text_attribute("python_class", "Array")];
        self.groups.push((path, kind));
        Ok(())
    }

    /// All of the file that stands before the numbers of the arrays, and these.
    fn encode(self) -> std::result::Result<(Vec<u8>, Vec<Numbers<'a>>), hdf5_writer::Error> {
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
        for dataset in self.datasets {
            file = file.dataset(dataset);
        }
        let mut before = file.into_plan()?.encode(Default::default())?;
        // So that the numbers lie as in memory.
        before.resize(before.len().next_multiple_of(8), 0);
        let sizes: Vec<u64> = self.numbers.iter().map(|n| n.n_bytes).collect();
        headers::complete(&mut before, &sizes);
        Ok((before, self.numbers))
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
/// # Errors
/// [`Error::Io`]; [`Error::Unsupported`] if two arrays have one name.
pub fn write_hdf5(path: impl AsRef<Path>, file: Hdf5File<'_>) -> Result<()> {
    let path = path.as_ref();
    let (before, numbers) = file.encode().map_err(|e| {
        Error::unsupported(path, format!("cannot be written as HDF5: {e}"), "rename the arrays")
    })?;
    write_atomically(path, |out| {
        out.write_all(&before)?;
        for Numbers { n_bytes, write } in numbers {
            write(out)?;
            out.write_all(&[0; 8][..(n_bytes.next_multiple_of(8) - n_bytes) as usize])?;
        }
        Ok(())
    })
}
