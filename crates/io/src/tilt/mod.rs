//! Tilt series: images of a sample under several rotations.

mod angles_file;
mod assembled;
mod geometry_file;
mod members;
mod options;
mod projections;
mod stack;
mod tar;
mod write;

use std::path::{Path, PathBuf};

use nonius_core::Real;
use nonius_core::tilt_series::TiltSeries;

pub use geometry_file::{GeometryFile, read_geometry, write_geometry};
pub use options::{TiltFormat, TiltSeriesOptions};
pub use write::{AlignmentRecord, TiltSeriesWriter, write_volume};

use crate::open::Format;
use crate::selector::Selector;
use crate::source::Source;
use crate::{Error, Result, hdf5};

/// A tilt series and what its file says about it.
#[derive(Debug, Clone, PartialEq)]
pub struct TiltSeriesFile<F> {
    /// The file.
    pub path: PathBuf,
    /// What it holds.
    pub format: TiltFormat,
    /// Images, weights, geometry. Padded pixels have the weight 0.
    pub series: TiltSeries<F>,
    /// By how many pixels `[j, k]` each image was padded at its end; empty if none was.
    pub padding: Vec<[usize; 2]>,
    /// Edge of a pixel in nm, where the file says it.
    pub pixel_size_nm: Option<f64>,
    /// Where rotations were taken from, in words.
    pub angles_from: String,
    /// What a person should know before trusting the series.
    pub warnings: Vec<String>,
}

/// Reads a tilt series, with its format found from the content: text, a path or a [`Selector`].
///
/// **HDF5 with a group `projections`**, the layout of mumott: one group per projection, named by its number, with
/// `diode` (transmitted intensity), `data` (scattering channels), `weights`, rotation and offsets. What is not
/// listed there is ignored. Images that are smaller than others are padded at the end of each axis: padded pixels get the
/// weight 0, and an offset moves by +½ px for each pixel of padding, so that measured pixels stay where they were
/// measured.
///
/// **Everything else that holds images** (MRC, TIFF, NPY, NPZ, FITS, HDF5 with one dataset of three axes, or the one that
/// the selector names): `(projection, row, column)`, rows along j, columns along k. The tilt angles stand in the file or
/// beside it, or are given, see [`TiltSeriesOptions`].
///
/// # Errors
/// [`Error::Io`], [`Error::Truncated`], [`Error::Damaged`], [`Error::Unsupported`] with the file and the dataset in
/// it: among others for missing projections, numbers that are not finite, matrices that are no rotations, angles that
/// can only be degrees.
///
/// # Source
/// The layout is that of mumott 2.3, the reader of which moves offsets by −½ px for each pixel of padding, counts padded
/// pixels as measured, and needs `diode`.
///
/// # Example
/// ```
/// use ndarray::Array3;
/// use nonius_io::{TiltSeriesOptions, open_tilt_series, write_npy};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("needle.npy");
/// write_npy(&path, &Array3::<f32>::ones((3, 8, 6)))?;
/// std::fs::write(folder.path().join("needle.rawtlt"), "-60.0\n0.0\n60.0\n")?;
///
/// let file = open_tilt_series::<f32>(path.as_path(), &TiltSeriesOptions::default())?;
/// assert_eq!(file.series.geometry.stack_shape(), [3, 8, 6]);
/// assert_eq!(file.series.geometry.volume_shape, [8, 8, 6]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn open_tilt_series<F: Real>(
    selector: impl TryInto<Selector, Error: Into<Error>>,
    options: &TiltSeriesOptions,
) -> Result<TiltSeriesFile<F>> {
    let selector = selector.try_into().map_err(Into::into)?;
    let source = Source::open(&selector.path)?;
    let mut file = match Format::of(&source)? {
        Format::Hdf5 if selector.key.is_none() => {
            let hdf5 = hdf5::open::open(&selector.path)?;
            match hdf5.members("").groups.iter().any(|g| g == "projections") {
                true => projections::read(&*hdf5, options)?,
                false => stack::read_hdf5(&*hdf5, selector, options)?,
            }
        }
        Format::Hdf5 => stack::read_hdf5(&*hdf5::open::open(&selector.path)?, selector, options)?,
        _ => stack::read(selector, options)?,
    };
    let geometry = &mut file.series.geometry;
    if let Some(from) = &options.geometry_file {
        let read = read_geometry(from)?;
        let (expected, got) = (geometry.stack_shape(), read.geometry.stack_shape());
        if got != expected {
            return Err(Error::Shape { path: from.clone(), expected: expected.into(), got: got.into() });
        }
        *geometry = read.geometry;
        file.warnings.extend(read.warnings);
        file.angles_from = from.display().to_string();
    }
    if let Some(shape) = options.volume_shape {
        geometry.volume_shape = shape;
    }
    let invalid = |reason| Error::Scan { path: file.path.clone(), reason };
    file.series.validate().map_err(invalid)?;
    Ok(file)
}

/// The offsets `[j, k]` px in a group of an HDF5 file, one per projection: `alignment`, which
/// [`TiltSeriesWriter::alignment`] writes, or `truth` of series whose truth is known.
///
/// # Errors
/// [`Error::Io`]; [`Error::Damaged`] if `j_offset` or `k_offset` is missing, not finite, or they differ in number.
pub fn read_offsets(path: impl AsRef<Path>, group: &str) -> Result<Vec<[f64; 2]>> {
    let path = path.as_ref();
    // For the errors of files that are not there, or empty, or of another format.
    match Format::of(&*Source::open(path)?)? {
        Format::Hdf5 => {}
        other => {
            return Err(Error::unsupported(path, format!("offsets in {other}"), "they are read from HDF5"));
        }
    }
    let file = hdf5::open::open(path)?;
    let group = members::Group::new(&*file, &format!("/{}", group.trim_matches('/')));
    let column = |name: &str| match group.numbers(name)? {
        Some(offsets) => Ok(offsets),
        None => Err(group.damaged(name, "is missing")),
    };
    let (j, k) = (column("j_offset")?, column("k_offset")?);
    if j.len() != k.len() {
        return Err(group.damaged("k_offset", format!("{} offsets, and j_offset has {}", k.len(), j.len())));
    }
    Ok(j.into_iter().zip(k).map(|(j, k)| [j, k]).collect())
}
