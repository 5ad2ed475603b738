//! `pynonius.io`.

use nonius::core::{Axis, Missing, ReadFrames, Scan};
use nonius::io::{self, AttributeValue, Card};
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyInt, PyString, PyTuple};

use crate::arrays::{Input, Numbers, moved, with_numbers};
use crate::errors::{Failure, Outcome};
use crate::frames::{Frames, roi};
use crate::params::{self, Spelling, Spelling::Hyphens, of_keywords};
use crate::pickles::{self, Pickled};
use crate::records::{ToPython, record};
use crate::work;

type Any<'py> = Bound<'py, PyAny>;
type Keywords<'py> = Bound<'py, PyDict>;

/// A path, or a selector with what is meant within the file.
pub(crate) fn text(selector: &Any<'_>) -> Outcome<String> {
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

/// A statement of a header.
struct Statement(Card);
record!("pynonius.io", Card, Statement as r {
    keyword = r.0.keyword,
    value = Stated(r.0.value),
    comment = r.0.comment,
});

struct Stated(io::Value);

impl ToPython for Stated {
    fn to_python(self, py: Python<'_>) -> PyResult<Any<'_>> {
        pythonize::pythonize(py, &self.0).map_err(PyErr::from)
    }
}

/// One image, and what its file says about it.
struct Image {
    pixels: Py<PyAny>,
    dtype: &'static str,
    header: Vec<Statement>,
    warnings: Vec<String>,
}
record!("pynonius.io", Image, Image as r { pixels, dtype, header, warnings });

#[pyfunction]
#[pyo3(signature = (selector, single=false))]
fn read_image<'py>(py: Python<'py>, selector: Any<'py>, single: bool) -> Outcome<Any<'py>> {
    fn record<T: numpy::Element + Clone>(py: Python<'_>, read: io::Image<T>) -> PyResult<Any<'_>> {
        Image {
            pixels: read.pixels.to_python(py)?.unbind(),
            dtype: read.dtype.name(),
            header: read.header.cards.into_iter().map(Statement).collect(),
            warnings: read.warnings,
        }
        .to_python(py)
    }
    let selector = text(&selector)?;
    Ok(if single {
        record(py, work::here(py, || Ok(io::read_image::<f32>(selector.as_str())?))?)?
    } else {
        record(py, work::here(py, || Ok(io::read_image::<f64>(selector.as_str())?))?)?
    })
}

/// How pixels lie on the sky.
#[pyclass(module = "pynonius.io", frozen)]
struct TangentPlane {
    plane: nonius::core::TangentPlane,
    from: Origin,
}

/// What a plane is made from again in another process.
enum Origin {
    Numbers([f64; 2], [f64; 2], [[f64; 2]; 2]),
    Header(Vec<Card>),
}

/// One point or rows of them, each turned into another.
fn of_points<'py>(
    name: &'static str,
    points: &Any<'py>,
    of: impl Fn([f64; 2]) -> [f64; 2],
) -> Outcome<Any<'py>> {
    let py = points.py();
    let points = Input::<f64>::new(name, points)?;
    if points.shape() == [2] {
        return Ok(of(points.point()?).to_python(py)?);
    }
    Ok(points.rows()?.into_iter().map(of).collect::<Vec<[f64; 2]>>().to_python(py)?)
}

#[pymethods]
impl TangentPlane {
    #[new]
    fn new(reference_pixel: Any<'_>, reference_sky: Any<'_>, matrix: Any<'_>) -> Outcome<Self> {
        let pixel = Input::<f64>::new("reference_pixel", &reference_pixel)?.point()?;
        let sky = Input::<f64>::new("reference_sky", &reference_sky)?.point()?;
        let matrix = Input::<f64>::new("matrix", &matrix)?;
        nonius::core::check_shape("matrix", &[2, 2], matrix.shape())?;
        let rows = matrix.rows::<2>()?;
        let matrix = [rows[0], rows[1]];
        let plane = nonius::core::TangentPlane::new(pixel, sky, matrix)?;
        Ok(TangentPlane { plane, from: Origin::Numbers(pixel, sky, matrix) })
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Pickled<'py>> {
        match &self.from {
            Origin::Numbers(pixel, sky, matrix) => {
                let numbers = vec![pixel.to_python(py)?, sky.to_python(py)?, matrix.to_python(py)?];
                pickles::by(py, "TangentPlane", numbers)
            }
            Origin::Header(cards) => {
                let cards: Vec<Statement> = cards.iter().cloned().map(Statement).collect();
                pickles::by(py, "tangent_plane", vec![cards.to_python(py)?])
            }
        }
    }

    fn __repr__(&self) -> String {
        match &self.from {
            Origin::Numbers(pixel, sky, matrix) => {
                format!("TangentPlane(reference_pixel={pixel:?}, reference_sky={sky:?}, matrix={matrix:?})")
            }
            Origin::Header(cards) => format!("<TangentPlane of a header of {} cards>", cards.len()),
        }
    }

    fn sky<'py>(&self, places: Any<'py>) -> Outcome<Any<'py>> {
        of_points("places", &places, |place| self.plane.sky(place))
    }

    fn pixel<'py>(&self, sky: Any<'py>) -> Outcome<Any<'py>> {
        of_points("sky", &sky, |sky| self.plane.pixel(sky).unwrap_or([f64::NAN; 2]))
    }

    fn to_other<'py>(&self, other: &TangentPlane, places: Any<'py>) -> Outcome<Any<'py>> {
        of_points("places", &places, |place| {
            self.plane.to_other(&other.plane, place).unwrap_or([f64::NAN; 2])
        })
    }

    fn arcsec_per_px<'py>(&self, py: Python<'py>, place: Any<'py>) -> Outcome<Any<'py>> {
        let place = Input::<f64>::new("place", &place)?.point()?;
        Ok(self.plane.arcsec_per_px(place).to_python(py)?)
    }
}

/// The plane that a header describes: cards as `read_image` has them.
#[pyfunction]
fn tangent_plane(header: Any<'_>) -> Outcome<TangentPlane> {
    let cards = cards(&Some(header))?;
    let plane = io::tangent_plane(&io::Header { cards: cards.clone() })?;
    Ok(TangentPlane { plane, from: Origin::Header(cards) })
}

/// What the ending of a path asks for.
fn ending(path: &str) -> String {
    let name = std::path::Path::new(path);
    name.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase()
}

/// Writes numbers as they are, or says that the format has no such.
fn write_numbers(path: &str, ending: &str, numbers: &Numbers<'_>, cards: &[Card]) -> Outcome<()> {
    if !cards.is_empty() && !matches!(ending, "fits" | "fit" | "fts") {
        return Err(Failure::input(format!("header must come with .fits, got {path}")));
    }
    match ending {
        "npy" => with_numbers!(numbers, |input| Ok(io::write_npy(path, &input.view::<ndarray::IxDyn>()?)?)),
        "fits" | "fit" | "fts" => {
            macro_rules! write {
                ($input:ident) => {
                    Ok(io::write_fits(path, &$input.view::<ndarray::IxDyn>()?, cards)?)
                };
            }
            match numbers {
                Numbers::U8(a) => write!(a),
                Numbers::U16(a) => write!(a),
                Numbers::I16(a) => write!(a),
                Numbers::U32(a) => write!(a),
                Numbers::I32(a) => write!(a),
                Numbers::I64(a) => write!(a),
                Numbers::F32(a) => write!(a),
                Numbers::F64(a) => write!(a),
                _ => not_written(numbers, ending),
            }
        }
        "tif" | "tiff" => {
            macro_rules! write {
                ($input:ident) => {
                    match $input.shape().len() {
                        2 => Ok(io::write_tiff(path, $input.view::<ndarray::Ix2>()?)?),
                        _ => Ok(io::write_tiff_stack(path, $input.view::<ndarray::Ix3>()?)?),
                    }
                };
            }
            match numbers {
                Numbers::U8(a) => write!(a),
                Numbers::U16(a) => write!(a),
                Numbers::I16(a) => write!(a),
                Numbers::U32(a) => write!(a),
                Numbers::F32(a) => write!(a),
                Numbers::F64(a) => write!(a),
                _ => not_written(numbers, ending),
            }
        }
        "png" => match numbers {
            Numbers::U8(a) if a.shape().len() == 3 => Ok(io::write_png_rgb(path, a.view::<ndarray::Ix3>()?)?),
            Numbers::U8(a) => Ok(io::write_png_gray(path, a.view::<ndarray::Ix2>()?)?),
            _ => not_written(numbers, ending),
        },
        _ => Err(Failure::input(format!("path must end in .npy, .fits, .tif or .png, got {path}"))),
    }
}

fn not_written(numbers: &Numbers<'_>, ending: &str) -> Outcome<()> {
    let types = match ending {
        "png" => "uint8",
        "tif" | "tiff" => "uint8, uint16, int16, uint32, float32 or float64",
        _ => "uint8, uint16, int16, uint32, int32, int64, float32 or float64",
    };
    Err(Failure::input(format!("array: .{ending} holds {types}, got {}", numbers.type_name())))
}

/// Keywords with their values, and remarks if there are any.
fn cards(header: &Option<Any<'_>>) -> Outcome<Vec<Card>> {
    let Some(header) = header else { return Ok(vec![]) };
    let items =
        if header.is_instance_of::<PyDict>() { header.call_method0("items")? } else { header.clone() };
    let mut cards = Vec::new();
    for item in items.try_iter()? {
        let item: Vec<Any<'_>> = item?.extract()?;
        let (keyword, value, comment) = match &item[..] {
            [keyword, value] => (keyword, value, String::new()),
            [keyword, value, comment] => (keyword, value, comment.extract()?),
            _ => {
                return Err(Failure::input(
                    "header: expected (keyword, value) or (keyword, value, comment)".into(),
                ));
            }
        };
        cards.push(Card { keyword: keyword.extract()?, value: stated(value)?, comment });
    }
    Ok(cards)
}

fn stated(value: &Any<'_>) -> Outcome<io::Value> {
    Ok(if value.is_none() {
        io::Value::Undefined
    } else if value.is_instance_of::<pyo3::types::PyBool>() {
        io::Value::Logical(value.extract()?)
    } else if value.is_instance_of::<PyInt>() {
        io::Value::Integer(value.extract()?)
    } else if let Ok(text) = value.extract::<String>() {
        io::Value::Text(text)
    } else {
        io::Value::Real(value.extract()?)
    })
}

/// Writes an image `(y, x)`, or a picture `(y, x, 3)`; the format is that of the file's ending.
#[pyfunction]
fn write_image(path: Any<'_>, image: Any<'_>) -> Outcome<()> {
    let path = text(&path)?;
    let numbers = Numbers::new("image", &image)?;
    let ending = ending(&path);
    let colour = ending == "png" && matches!(numbers.shape(), [_, _, 3]);
    if numbers.shape().len() != 2 && !colour {
        let problem =
            format!("image: expected shape (y, x), or (y, x, 3) for .png, got {:?}", numbers.shape());
        return Err(Failure::input(problem));
    }
    write_numbers(&path, &ending, &numbers, &[])
}

/// A scan in a file: frames are read when they are needed.
#[pyclass(module = "pynonius.io", frozen, name = "Scan")]
pub(crate) struct ScanFile {
    file: io::ScanFile,
    /// What it was opened with, to be opened again in another process.
    selectors: Vec<String>,
    options: Option<Py<PyDict>>,
}

impl ScanFile {
    pub(crate) fn scan(&self) -> &Scan<'static> {
        &self.file.scan
    }

    /// The frame at a position that there is.
    fn frame_at<'py>(&self, py: Python<'py>, position: usize) -> Outcome<Any<'py>> {
        let scan = self.scan();
        let Some(frame) = scan.frame_of(position) else {
            let fill = match scan.missing() {
                Missing::Fill(value) => value,
                _ => f64::NAN,
            };
            return Ok(ndarray::Array2::from_elem(scan.frame_shape(), fill).to_python(py)?);
        };
        Ok(work::here(py, || Ok(scan.frames().frame::<f64>(frame)?))?.to_python(py)?)
    }
}

#[pymethods]
impl ScanFile {
    #[getter]
    fn path(&self) -> String {
        self.file.path.display().to_string()
    }

    #[getter]
    fn format(&self) -> String {
        self.file.format.to_string()
    }

    /// Shape of the scan, without the frames'.
    #[getter]
    fn scan_shape<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        Ok(PyTuple::new(py, self.file.scan.shape())?.into_any())
    }

    #[getter]
    fn frame_shape(&self) -> (usize, usize) {
        self.file.scan.frame_shape()
    }

    #[getter]
    fn dtype(&self) -> &'static str {
        self.file.scan.dtype().name()
    }

    #[getter]
    fn axes<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        let axes: &[Axis] = self.file.scan.axes();
        params::to_python(py, &axes)
    }

    #[getter]
    fn metadata<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        let header = pyo3::types::PyDict::new(py);
        for card in &self.file.metadata.cards {
            let value = pythonize::pythonize(py, &card.value).map_err(PyErr::from)?;
            header.set_item(&card.keyword, value)?;
        }
        Ok(header.into_any())
    }

    #[getter]
    fn warnings(&self) -> Vec<String> {
        self.file.warnings.iter().map(ToString::to_string).collect()
    }

    /// Positions without a frame.
    #[getter]
    fn n_missing(&self) -> usize {
        self.file.scan.n_missing()
    }

    /// Numbers that the file gives to its frames, in its order; empty if it gives none.
    #[getter]
    fn frame_numbers<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        self.file.frame_numbers.clone().to_python(py)
    }

    /// To be opened again: by whole paths, for the other process may be in another folder.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Pickled<'py>> {
        let absolute = py.import("os.path")?.getattr("abspath")?;
        let paths: Vec<_> =
            self.selectors.iter().map(|path| absolute.call1((path,))).collect::<PyResult<_>>()?;
        let selector =
            if let [path] = &paths[..] { path.clone() } else { paths.into_pyobject(py)?.into_any() };
        let options = match &self.options {
            Some(options) => options.bind(py).clone(),
            None => PyDict::new(py),
        };
        pickles::by_keywords(py, "open_scan", vec![selector], options.as_any())
    }

    fn __repr__(&self) -> String {
        let scan = self.scan();
        let (h, w) = scan.frame_shape();
        let (path, format, dtype) = (self.path(), self.format(), self.dtype());
        format!("<Scan {path:?} ({format}): positions {:?}, frames ({h}, {w}) of {dtype}>", scan.shape())
    }

    /// Number of positions.
    fn __len__(&self) -> usize {
        self.file.scan.len()
    }

    /// Shape of the scan with that of the frames behind, as an array of all frames would have it.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        let scan = self.scan();
        let (h, w) = scan.frame_shape();
        Ok(PyTuple::new(py, [scan.shape(), &[h, w]].concat())?.into_any())
    }

    /// The frame at a position, whose number counts along the last axis of the scan first; in double precision.
    fn frame<'py>(&self, py: Python<'py>, position: usize) -> Outcome<Any<'py>> {
        let n = self.scan().len();
        if position >= n {
            return Err(Failure::input(format!("position: expected one below {n}, got {position}")));
        }
        self.frame_at(py, position)
    }

    /// The frame at the position with one index for each axis of the scan, negative ones from the end; in double
    /// precision.
    fn __getitem__<'py>(&self, py: Python<'py>, position: Any<'py>) -> Outcome<Any<'py>> {
        let shape = self.scan().shape();
        let indices: PyResult<Vec<i64>> = match position.cast::<PyTuple>() {
            Ok(several) => several.extract(),
            Err(_) => position.extract().map(|index| vec![index]),
        };
        // Not an IndexError, at which a loop over the scan would end as if it had no frames.
        let indices = indices.ok().filter(|indices| indices.len() == shape.len()).ok_or_else(|| {
            let must_be = format!("{} whole numbers, one for each axis of the scan", shape.len());
            Failure::input(format!("position: expected {must_be}, got {position}"))
        })?;
        let mut at = 0;
        for (&index, &side) in indices.iter().zip(shape) {
            let from_start = if index < 0 { index.saturating_add_unsigned(side as u64) } else { index };
            match usize::try_from(from_start).ok().filter(|&index| index < side) {
                Some(index) => at = at * side + index,
                None => {
                    let problem =
                        format!("position: expected one within the scan {shape:?}, got {indices:?}");
                    return Err(PyIndexError::new_err(problem).into());
                }
            }
        }
        self.frame_at(py, at)
    }
}

/// Opens a scan; keywords are the options of its reader.
#[pyfunction]
#[pyo3(signature = (selector, **options))]
fn open_scan(py: Python<'_>, selector: Any<'_>, options: Option<Keywords<'_>>) -> Outcome<ScanFile> {
    let given = options.as_ref().map(|options| options.copy().map(Bound::unbind)).transpose()?;
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
    let (selectors, one) = match text(&selector) {
        Ok(one) => (vec![one], true),
        Err(not_a_path) => match selector.extract::<Vec<Any<'_>>>() {
            Ok(several) => (several.iter().map(text).collect::<Outcome<_>>()?, false),
            Err(_) => return Err(not_a_path),
        },
    };
    let file = work::here(py, || {
        if one {
            return Ok(io::open_scan(selectors[0].as_str(), &options)?);
        }
        let parsed: Vec<io::Selector> =
            selectors.iter().map(|text| text.as_str().try_into()).collect::<io::Result<_>>()?;
        Ok(io::open_scan_files(&parsed, &options)?)
    })?;
    Ok(ScanFile { file, selectors, options: given })
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
    let ending = ending(&path);
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
fn write_stack(path: Any<'_>, stack: Any<'_>) -> Outcome<()> {
    let path = text(&path)?;
    let numbers = Numbers::new("stack", &stack)?;
    if numbers.shape().len() != 3 {
        return Err(Failure::input(format!("stack: expected 3 axes, got shape {:?}", numbers.shape())));
    }
    write_numbers(&path, "tif", &numbers, &[])
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
#[pyo3(signature = (path, array, *, header=None))]
fn write_array(path: Any<'_>, array: Any<'_>, header: Option<Any<'_>>) -> Outcome<()> {
    let path = text(&path)?;
    let ending = ending(&path);
    if !matches!(ending.as_str(), "npy" | "fits" | "fit" | "fts") {
        return Err(Failure::input(format!("path must end in .npy or .fits, got {path}")));
    }
    write_numbers(&path, &ending, &Numbers::new("array", &array)?, &cards(&header)?)
}

/// A number or a text.
pub(crate) fn attribute(value: &Any<'_>) -> Outcome<AttributeValue> {
    if value.is_instance_of::<PyString>() {
        return Ok(AttributeValue::Text(value.extract()?));
    }
    if value.is_instance_of::<PyFloat>() || value.is_instance_of::<PyInt>() || value.hasattr("__float__")? {
        return Ok(AttributeValue::Number(value.extract()?));
    }
    Err(Failure::input(format!("attributes: expected numbers and texts, got {value}")))
}

pub(crate) fn attributes(given: &Option<Keywords<'_>>) -> Outcome<Vec<(String, AttributeValue)>> {
    let Some(given) = given else { return Ok(vec![]) };
    given.iter().map(|(name, value)| Ok((name.extract()?, attribute(&value)?))).collect()
}

/// Axes of an array: those given, or pixels.
fn axes(given: &Any<'_>, shape: &[usize]) -> Outcome<Vec<Axis>> {
    if given.is_none() {
        return Ok(shape.iter().enumerate().map(|(k, &n)| Axis::pixels(format!("axis {k}"), n)).collect());
    }
    params::of_object(given, Spelling::Underscores)
}

/// Writes arrays with their axes as HDF5 (EMD 1.0): `(name, values, axes, unit)` each.
#[pyfunction]
fn write_hdf5(
    path: Any<'_>,
    root: &str,
    arrays: Vec<(String, Any<'_>, Any<'_>, String)>,
    attributes: Option<Keywords<'_>>,
) -> Outcome<()> {
    let path = text(&path)?;
    let numbers: Vec<Numbers<'_>> =
        arrays.iter().map(|(_, values, _, _)| Numbers::new("arrays", values)).collect::<Outcome<_>>()?;
    let mut file = io::Hdf5File::new(root);
    for (name, value) in self::attributes(&attributes)? {
        file.attribute(&name, value);
    }
    for (numbers, (name, _, given, unit)) in numbers.iter().zip(&arrays) {
        let axes = axes(given, numbers.shape())?;
        with_numbers!(numbers, |input| file.array(name, input.view::<ndarray::IxDyn>()?, &axes, unit)?);
    }
    Ok(io::write_hdf5(&path, file)?)
}

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<ScanFile>()?;
    module.add_class::<TangentPlane>()?;
    for function in [
        wrap_pyfunction!(describe, module)?,
        wrap_pyfunction!(read, module)?,
        wrap_pyfunction!(read_image, module)?,
        wrap_pyfunction!(tangent_plane, module)?,
        wrap_pyfunction!(write_hdf5, module)?,
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
