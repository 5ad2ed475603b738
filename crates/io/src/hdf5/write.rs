//! HDF5 files with results.

use std::io::{self, Write};
use std::path::Path;

use hdf5_writer::{AttributeBuilder, DatasetBuilder, H5WriteElement, Hdf5Builder};
use ndarray::{ArrayViewD, CowArray, IxDyn};
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
    tree: Tree<'a>,
}

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
        Hdf5File { root: clean(root), tree: Tree::default() }
    }

    /// Adds a statement about all arrays.
    pub fn attribute(&mut self, name: &str, value: impl Into<AttributeValue>) {
        self.tree.attribute(&self.root, name, value.into());
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
        let failed = |why: String| Error::unsupported(Path::new(&path), why, "rename the array");
        let unit = vec![text_attribute("units", unit)];
        if !self.tree.later::<T>(&format!("{path}/data"), sizes, unit, write) {
            return Err(failed("more numbers than a file can have".into()));
        }
        for (k, axis) in axes.iter().enumerate() {
            // Two values: where the axis begins, and where its next element lies.
            let line = [axis.offset, axis.offset + axis.scale];
            let dim = DatasetBuilder::typed_data(format!("{path}/dim{k}"), vec![2], &line)
                .map_err(|e| failed(e.to_string()))?;
            let dim = dim.attribute(text_attribute("name", &axis.name));
            self.tree.datasets.push(dim.attribute(text_attribute("units", &axis.unit)));
        }
        for (name, text) in [("emd_group_type", "array"), ("python_class", "Array")] {
            self.tree.attribute(&path, name, text.into());
        }
        Ok(())
    }

    /// The tree with what EMD says of its file and root.
    fn marked(mut self) -> std::result::Result<Tree<'a>, hdf5_writer::Error> {
        for (name, text) in [("emd_group_type", "root"), ("python_class", "Root")] {
            self.tree.attribute(&self.root, name, text.into());
        }
        self.tree.file_attributes = vec![
            text_attribute("emd_group_type", "file"),
            AttributeBuilder::scalar("version_major", 1i64)?,
            AttributeBuilder::scalar("version_minor", 0i64)?,
            text_attribute("authoring_program", concat!("nonius ", env!("CARGO_PKG_VERSION"))),
        ];
        Ok(self.tree)
    }
}

/// Datasets at paths, and attributes of groups, for one HDF5 file. Groups come into being with what stands in them.
#[derive(Default)]
pub(crate) struct Tree<'a> {
    datasets: Vec<DatasetBuilder>,
    /// Of those datasets that are declared without, in their order.
    numbers: Vec<Numbers<'a>>,
    group_attributes: Vec<(String, AttributeBuilder)>,
    file_attributes: Vec<AttributeBuilder>,
    /// What could not be said in HDF5, for [`write`](Self::write) to report.
    failed: Option<hdf5_writer::Error>,
}

/// Numbers that are written when their turn comes.
struct Numbers<'a> {
    n_bytes: u64,
    write: Writing<'a>,
}

type Writing<'a> = Box<dyn FnOnce(&mut dyn Write) -> io::Result<()> + 'a>;

impl std::fmt::Debug for Tree<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tree").field("n_datasets", &self.datasets.len()).finish_non_exhaustive()
    }
}

impl<'a> Tree<'a> {
    /// Adds a statement about a group.
    pub(crate) fn attribute(&mut self, group: &str, name: &str, value: AttributeValue) {
        let attribute = match value {
            AttributeValue::Text(text) => Some(text_attribute(name, &text)),
            AttributeValue::Number(number) => AttributeBuilder::scalar(name, number).ok(),
        };
        self.group_attributes.extend(attribute.map(|attribute| (group.to_owned(), attribute)));
    }

    /// Adds one number.
    pub(crate) fn number(&mut self, path: &str, value: f64) {
        self.numbers(path, &[], vec![value]);
    }

    /// Adds numbers in a row.
    pub(crate) fn list<T: Hdf5Number>(&mut self, path: &str, values: Vec<T>) {
        let n = values.len();
        self.numbers(path, &[n], values);
    }

    /// Adds a small array, which is kept.
    pub(crate) fn numbers<T: Hdf5Number>(&mut self, path: &str, shape: &[usize], values: Vec<T>) {
        let shape: Vec<u64> = shape.iter().map(|&n| n as u64).collect();
        match DatasetBuilder::typed_data(path, shape, &values) {
            Ok(dataset) => self.datasets.push(dataset),
            Err(e) => self.failed = self.failed.take().or(Some(e)),
        }
    }

    /// Adds an array, which is lent.
    pub(crate) fn array<T: Hdf5Number>(&mut self, path: &str, values: ArrayViewD<'a, T>) {
        let shape = values.shape().iter().map(|&n| n as u64).collect();
        // What lies in memory can be counted.
        self.later::<T>(path, shape, Vec::new(), move |mut out| {
            write_numbers(&mut out, &values, false, |v| v)
        });
    }

    /// Adds a dataset whose numbers, little endian and in C order, `write` will write. False if there are more than
    /// can be counted.
    fn later<T: Hdf5Number>(
        &mut self,
        path: &str,
        shape: Vec<u64>,
        attributes: Vec<AttributeBuilder>,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()> + 'a,
    ) -> bool {
        let n_bytes = shape.iter().try_fold(size_of::<T>() as u64, |n, &size| n.checked_mul(size));
        let Some(n_bytes) = n_bytes else { return false };
        let dataset = DatasetBuilder::typed::<T>(path, shape).fill_value(vec![0; size_of::<T>()]);
        self.datasets.push(attributes.into_iter().fold(dataset, DatasetBuilder::attribute));
        self.numbers.push(Numbers { n_bytes, write: Box::new(write) });
        true
    }

    /// All of the file that stands before the numbers of the arrays, and these.
    fn encode(self) -> std::result::Result<(Vec<u8>, Vec<Numbers<'a>>), hdf5_writer::Error> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        let mut file = Hdf5Builder::new();
        for attribute in self.file_attributes {
            file = file.attribute(attribute);
        }
        for (group, attribute) in self.group_attributes {
            file = file.group_attribute(group, attribute);
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

    /// Writes the file; an existing one is replaced when the new one is complete.
    pub(crate) fn write(self, path: &Path) -> Result<()> {
        let (before, numbers) = self.encode().map_err(|e| unwritable(path, e))?;
        write_atomically(path, |out| {
            out.write_all(&before)?;
            for Numbers { n_bytes, write } in numbers {
                write(out)?;
                out.write_all(&[0; 8][..(n_bytes.next_multiple_of(8) - n_bytes) as usize])?;
            }
            Ok(())
        })
    }
}

fn unwritable(path: &Path, e: hdf5_writer::Error) -> Error {
    Error::unsupported(path, format!("cannot be written as HDF5: {e}"), "rename the arrays")
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
    file.marked().map_err(|e| unwritable(path, e))?.write(path)
}
