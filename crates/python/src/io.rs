//! `pynonius.io`.

use nonius::core::{Axis, Missing, ReadFrames, Scan};
use nonius::io;
use numpy::{PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{Input, moved};
use crate::errors::{Failure, Outcome};
use crate::frames::{Frames, roi};
use crate::params::{self, Spelling::Hyphens, of_keywords};
use crate::records::ToPython;
use crate::work;

type Any<'py> = Bound<'py, PyAny>;
type Keywords<'py> = Bound<'py, PyDict>;

/// A path, or a selector with what is meant within the file.
fn text(selector: &Any<'_>) -> Outcome<String> {
    let path = selector.py().import("os")?.call_method1("fspath", (selector,))?;
    Ok(path.extract::<String>()?)
}

/// What is in a file, as a dict.
#[pyfunction]
fn describe<'py>(py: Python<'py>, path: Any<'py>) -> Outcome<Any<'py>> {
    let path = text(&path)?;
    let info = work::here(py, || Ok(io::describe(&path)?))?;
    Ok(pythonize::pythonize(py, &info).map_err(PyErr::from)?)
}

/// An array of any number of axes, in double or single precision.
#[pyfunction]
#[pyo3(signature = (selector, single=false))]
fn read<'py>(py: Python<'py>, selector: Any<'py>, single: bool) -> Outcome<Any<'py>> {
    let selector = text(&selector)?;
    Ok(if single {
        moved(py, work::here(py, || Ok(io::read_array::<f32>(selector.as_str())?))?)?
    } else {
        moved(py, work::here(py, || Ok(io::read_array::<f64>(selector.as_str())?))?)?
    })
}

/// Writes an image `(y, x)`; the format is that of the file's ending.
#[pyfunction]
fn write_image<'py>(py: Python<'py>, path: Any<'py>, image: Any<'py>) -> Outcome<()> {
    let path = text(&path)?;
    crate::arrays::in_their_precision!((image) F => {
        let image = image.view::<ndarray::Ix2>()?;
        work::here(py, || Ok(io::write_image(&path, image)?))
    })
}

/// A scan in a file: frames are read when they are needed.
#[pyclass(module = "pynonius.io", frozen, name = "Scan")]
pub(crate) struct ScanFile(io::ScanFile);

impl ScanFile {
    pub(crate) fn scan(&self) -> &Scan<'static> {
        &self.0.scan
    }
}

#[pymethods]
impl ScanFile {
    #[getter]
    fn path(&self) -> String {
        self.0.path.display().to_string()
    }

    #[getter]
    fn format(&self) -> String {
        self.0.format.to_string()
    }

    /// Shape of the scan, without the frames'.
    #[getter]
    fn scan_shape<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        Ok(pyo3::types::PyTuple::new(py, self.0.scan.shape())?.into_any())
    }

    #[getter]
    fn frame_shape(&self) -> (usize, usize) {
        self.0.scan.frame_shape()
    }

    #[getter]
    fn dtype(&self) -> &'static str {
        self.0.scan.dtype().name()
    }

    #[getter]
    fn axes<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        let axes: &[Axis] = self.0.scan.axes();
        params::to_python(py, &axes)
    }

    #[getter]
    fn metadata<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        let header = pyo3::types::PyDict::new(py);
        for card in &self.0.metadata.cards {
            let value = pythonize::pythonize(py, &card.value).map_err(PyErr::from)?;
            header.set_item(&card.keyword, value)?;
        }
        Ok(header.into_any())
    }

    #[getter]
    fn warnings(&self) -> Vec<String> {
        self.0.warnings.iter().map(ToString::to_string).collect()
    }

    /// Positions without a frame.
    #[getter]
    fn n_missing(&self) -> usize {
        self.0.scan.n_missing()
    }

    /// Number of positions.
    fn __len__(&self) -> usize {
        self.0.scan.len()
    }

    /// The frame at a position of the scan, in double precision.
    fn frame<'py>(&self, py: Python<'py>, position: usize) -> Outcome<Any<'py>> {
        let scan = &self.0.scan;
        let Some(frame) = scan.frame_of(position) else {
            let fill = match scan.missing() {
                Missing::Fill(value) => value,
                _ => f64::NAN,
            };
            if position < scan.len() {
                return Ok(ndarray::Array2::from_elem(scan.frame_shape(), fill).to_python(py)?);
            }
            let problem = format!("position: expected one below {}, got {position}", scan.len());
            return Err(Failure::input(problem));
        };
        Ok(work::here(py, || Ok(scan.frames().frame::<f64>(frame)?))?.to_python(py)?)
    }
}

/// Opens a scan; keywords are the options of its reader.
#[pyfunction]
#[pyo3(signature = (selector, **options))]
fn open_scan(py: Python<'_>, selector: Any<'_>, options: Option<Keywords<'_>>) -> Outcome<ScanFile> {
    // Paths among the options keep their letters.
    let paths: Vec<(&str, Option<String>)> = ["dark", "gain", "dead"]
        .into_iter()
        .map(|name| {
            let given = options.as_ref().map(|options| options.get_item(name)).transpose()?.flatten();
            let given = given.filter(|path| !path.is_none());
            Ok((name, given.map(|path| text(&path)).transpose()?))
        })
        .collect::<Outcome<_>>()?;
    let mut options: io::ScanOptions = of_keywords(options.as_ref(), Hyphens)?;
    for (name, path) in paths {
        let option = match name {
            "dark" => &mut options.dark,
            "gain" => &mut options.gain,
            _ => &mut options.dead,
        };
        *option = path;
    }
    let selector = text(&selector)?;
    Ok(ScanFile(work::here(py, || Ok(io::open_scan(selector.as_str(), &options)?))?))
}

/// Writes a scan as one array, frame after frame: NPY or HDF5, by the file's ending.
#[pyfunction]
#[pyo3(signature = (path, frames, *, roi=None, progress=None))]
fn write_scan<'py>(
    py: Python<'py>,
    path: Any<'py>,
    frames: Any<'py>,
    roi: Option<Any<'py>>,
    progress: Option<Py<PyAny>>,
) -> Outcome<()> {
    let path = text(&path)?;
    let mask = Input::optional("roi", &roi)?;
    let roi = self::roi(&mask)?;
    let ending = path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    Frames::new(&frames)?.with_scan(|scan| {
        work::run(py, progress, |progress| {
            let selection = scan.select(roi.as_ref())?;
            match ending.as_str() {
                "npy" => Ok(io::write_npy_scan(&path, &selection, progress)?),
                "h5" | "hdf5" | "emd" => Ok(io::write_hdf5_scan(&path, &selection, progress)?),
                _ => Err(Failure::input(format!("path must end in .npy, .h5, .hdf5 or .emd, got {path}"))),
            }
        })
    })
}

/// Writes a stack (page, y, x) as TIFF.
#[pyfunction]
fn write_stack<'py>(py: Python<'py>, path: Any<'py>, stack: Any<'py>) -> Outcome<()> {
    let path = text(&path)?;
    crate::arrays::in_their_precision!((stack) F => {
        let stack = stack.view::<ndarray::Ix3>()?;
        work::here(py, || Ok(io::write_tiff_stack(&path, stack)?))
    })
}

/// Writes a scan as BLO.
#[pyfunction]
#[pyo3(signature = (path, frames, *, wide=false, out_of_range=None, beam_energy=0, camera_length=0, note=""))]
fn write_blo<'py>(
    py: Python<'py>,
    path: Any<'py>,
    frames: Any<'py>,
    wide: bool,
    out_of_range: Option<Any<'py>>,
    beam_energy: u32,
    camera_length: u32,
    note: &str,
) -> Outcome<()> {
    let path = text(&path)?;
    let out_of_range: Option<io::OutOfRange> =
        out_of_range.map(|word| params::of_object(&word, Hyphens)).transpose()?;
    let out_of_range = out_of_range.unwrap_or_default();
    let note = note.to_owned();
    let params = io::BloParams { wide, out_of_range, beam_energy, camera_length, note, ..Default::default() };
    let frames = Frames::new(&frames)?;
    frames.with_scan(|scan| work::run(py, None, |_| Ok(io::write_blo(&path, scan, &params)?)))
}

/// Writes an array of numbers as NPY or FITS, by the file's ending, beside first and then renamed.
#[pyfunction]
fn write_array<'py>(py: Python<'py>, path: Any<'py>, array: Any<'py>) -> Outcome<()> {
    let path = text(&path)?;
    let array = py.import("numpy")?.call_method1("asarray", (array,))?;
    let name: String =
        array.cast::<PyUntypedArray>().map_err(PyErr::from)?.dtype().getattr("name")?.extract()?;
    let fits = path.to_ascii_lowercase().ends_with(".fits");
    if !fits && !path.to_ascii_lowercase().ends_with(".npy") {
        return Err(Failure::input(format!("path must end in .npy or .fits, got {path}")));
    }
    macro_rules! of {
        ($($name:literal: $t:ty),*) => {
            match name.as_str() {
                $($name => {
                    let input = Input::<$t>::new("array", &array)?;
                    let view = input.view::<ndarray::IxDyn>()?;
                    work::here(py, || {
                        Ok(if fits { io::write_fits(&path, &view, &[])? } else { io::write_npy(&path, &view)? })
                    })
                })*
                _ => Err(Failure::input(format!("array: numbers of type {name} are not written"))),
            }
        };
    }
    of!("float64": f64, "float32": f32, "uint8": u8, "uint16": u16, "int16": i16, "int32": i32, "uint32": u32)
}

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<ScanFile>()?;
    for function in [
        wrap_pyfunction!(describe, module)?,
        wrap_pyfunction!(read, module)?,
        wrap_pyfunction!(write_image, module)?,
        wrap_pyfunction!(write_array, module)?,
        wrap_pyfunction!(write_stack, module)?,
        wrap_pyfunction!(write_blo, module)?,
        wrap_pyfunction!(open_scan, module)?,
        wrap_pyfunction!(write_scan, module)?,
    ] {
        module.add_function(function)?;
    }
    Ok(())
}
