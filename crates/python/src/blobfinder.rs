//! `pynonius.blobfinder`.

use std::sync::Arc;

use ndarray::{Array, Array2, Dimension, Ix2, Ix3, IxDyn};
use nonius::blobfinder::{self as b, compatible};
use nonius::core::{self, PassParams, Real, pass};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{Input, image_shape, in_their_precision, is_single};
use crate::errors::{Failure, Outcome};
use crate::frames::{Frames, roi};
use crate::params::{self, Spelling::Hyphens, of_keywords, of_object};
use crate::pickles::{self, Pickled};
use crate::plot::PlainMark;
use crate::records::{Labels, ToPython, Word, record};
use crate::work;

type Any<'py> = Bound<'py, PyAny>;
type Keywords<'py> = Bound<'py, PyDict>;

record!("pynonius.blobfinder", Lattice, b::Lattice as r { zero, a, b });
record!("pynonius.blobfinder", Strain, b::Strain as r { xx, yy, xy, rotation, covariance, errors = r.errors() });
record!("pynonius.blobfinder", StrainMap, b::StrainMap as r { xx, yy, xy, rotation, errors, reference });
record!("pynonius.blobfinder", LatticeFit, b::LatticeFit as r {
    lattice,
    rank,
    covariance,
    covariance_source = Word(r.covariance_source),
    reduced_chi2,
    n_points,
});
record!("pynonius.blobfinder", LatticeMatch, b::LatticeMatch as r {
    lattice,
    status = Word(r.status),
    rank,
    selector = r.selector.clone(),
    indices = r.indices.clone(),
    calculated = r.calculated.clone(),
    error,
    covariance,
    covariance_source = Word(r.covariance_source),
    reduced_chi2,
    standard_errors = r.standard_errors(),
});
record!("pynonius.blobfinder", AffineTransformation, b::AffineTransformation as r { matrix, center });
record!("pynonius.blobfinder", Drawing, b::Drawing as r {
    image,
    marks = r.marks.into_iter().map(PlainMark).collect::<Vec<_>>(),
});
record!("pynonius.clustering", HdbscanClusters, core::HdbscanClusters as r {
    labels = Labels(r.labels),
    memberships = r.probabilities,
    stabilities,
});
record!("pynonius.blobfinder", DifferenceClusters, compatible::DifferenceClusters as r {
    vectors,
    clusters,
    candidates,
});
record!("pynonius.blobfinder", FoundLattice, b::FoundLattice as r { matched, log10_accidental, noise });
record!("pynonius.blobfinder", LatticeSearch, b::LatticeSearch as r { lattices, unmatched, weak });
record!("pynonius.blobfinder", FullMatch, compatible::FullMatch as r { matches, unmatched, weak });
record!("pynonius.blobfinder", RefinedLattices, b::RefinedLattices as r {
    indices,
    zero,
    a,
    b,
    covariance,
    selector,
    error,
    round = r.round.clone(),
    disks = r.disks.clone(),
});
record!("pynonius.blobfinder", Blobfinder, b::Blobfinder as r { sum, positions = Peaks(r.positions), disks });
record!("pynonius.blobfinder", Disks, b::Disks as r {
    centers,
    refineds,
    peak_values,
    peak_elevations,
    covariances,
    status = codes(r.status.clone()),
});

/// Peaks of one image: columns, not objects.
pub(crate) struct Peaks(pub(crate) Vec<b::Peak>);

record!("pynonius.blobfinder", Peaks, Peaks as r {
    centers = r.0.iter().map(|peak| peak.center).collect::<Vec<_>>(),
    refineds = r.0.iter().map(|peak| peak.refined).collect::<Vec<_>>(),
    heights = r.0.iter().map(|peak| peak.height).collect::<Vec<_>>(),
    elevations = r.0.iter().map(|peak| peak.elevation).collect::<Vec<_>>(),
    covariances = r.0.iter().map(|peak| peak.covariance).collect::<Vec<_>>(),
    status = codes(r.0.iter().map(|peak| peak.status).collect::<ndarray::Array1<_>>()),
});

/// Statuses as the numbers of the class `PeakStatus`: a string for each of millions would be heavy.
fn codes<D: Dimension>(status: Array<b::PeakStatus, D>) -> Array<u8, D> {
    status.mapv(|status| match status {
        b::PeakStatus::Found => 0,
        b::PeakStatus::NoSignal => 1,
        b::PeakStatus::AtEdge => 2,
        // A status of a later version is not one to trust.
        _ => 3,
    })
}

pub(crate) fn status_of(code: u8) -> b::PeakStatus {
    match code {
        0 => b::PeakStatus::Found,
        1 => b::PeakStatus::NoSignal,
        2 => b::PeakStatus::AtEdge,
        _ => b::PeakStatus::NotFitted,
    }
}

/// What a disk looks like: keywords as in `pynonius.blobfinder.TemplateParams`.
#[pyclass(module = "pynonius.blobfinder", frozen, from_py_object)]
#[derive(Clone)]
pub(crate) struct Template {
    pub(crate) shape: b::Template,
    origin: Origin,
    compatible: bool,
}

/// What a template is made from again.
#[derive(Clone)]
enum Origin {
    Formula(b::TemplateParams),
    Image(Arc<Depicted>),
    Data(Arc<(Array2<f64>, b::DataTemplateParams)>),
}

/// A picture of a disk, where its middle is, and how far to look.
struct Depicted {
    image: Array2<f64>,
    center: Option<[f64; 2]>,
    search: Option<f64>,
}

impl Template {
    pub(crate) fn of(params: b::TemplateParams) -> Outcome<Self> {
        Ok(Template { shape: b::Template::new(&params)?, origin: Origin::Formula(params), compatible: false })
    }
}

#[pymethods]
impl Template {
    #[new]
    #[pyo3(signature = (**params))]
    fn new(params: Option<Keywords<'_>>) -> Outcome<Self> {
        Template::of(of_keywords(params.as_ref(), Hyphens)?)
    }

    /// A picture of a disk; `center` (y, x) px is the middle of the picture by default, `search` px how far to look.
    #[staticmethod]
    #[pyo3(signature = (image, center=None, search=None))]
    fn from_image(image: Any<'_>, center: Option<Any<'_>>, search: Option<f64>) -> Outcome<Self> {
        let image = Input::<f64>::new("image", &image)?;
        let center = Input::<f64>::optional("center", &center)?.map(|center| center.point()).transpose()?;
        let image = image.view::<Ix2>()?;
        let shape = b::Template::from_image(image, center, search)?;
        let origin = Origin::Image(Arc::new(Depicted { image: image.to_owned(), center, search }));
        Ok(Template { shape, origin, compatible: false })
    }

    /// A picture of the vacuum beam: keywords as in `pynonius.blobfinder.DataTemplateParams`.
    #[staticmethod]
    #[pyo3(signature = (frame, **params))]
    fn from_data(frame: Any<'_>, params: Option<Keywords<'_>>) -> Outcome<Self> {
        let params: b::DataTemplateParams = of_keywords(params.as_ref(), Hyphens)?;
        let frame = Input::<f64>::new("frame", &frame)?;
        let frame = frame.view::<Ix2>()?;
        let shape = b::Template::from_data(frame, &params)?;
        Ok(Template { shape, origin: Origin::Data(Arc::new((frame.to_owned(), params))), compatible: false })
    }

    /// The same template, with the raster that LiberTEM-blobfinder gives it.
    fn compatible(&self) -> Self {
        Template { shape: self.shape.clone().compatible(), origin: self.origin.clone(), compatible: true }
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Pickled<'py>> {
        let mut arguments = vec![self.compatible.to_python(py)?];
        let none = py.None().into_bound(py);
        match &self.origin {
            Origin::Formula(params) => arguments.extend([none.clone(), none, params::to_python(py, params)?]),
            Origin::Image(of) => arguments.extend([
                of.image.clone().to_python(py)?,
                (of.center.map(|center| center.to_vec()), of.search).into_pyobject(py)?.into_any(),
                none,
            ]),
            Origin::Data(of) => {
                arguments.extend([of.0.clone().to_python(py)?, none, params::to_python(py, &of.1)?]);
            }
        }
        pickles::by(py, "template_again", arguments)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let made = match &self.origin {
            Origin::Formula(params) => {
                let params = params::to_python(py, params)?;
                let set: Vec<String> = params
                    .cast::<PyDict>()?
                    .iter()
                    .filter(|(_, value)| !value.is_none())
                    .map(|(name, value)| Ok(format!("{name}={}", value.repr()?)))
                    .collect::<PyResult<_>>()?;
                format!("Template({})", set.join(", "))
            }
            Origin::Image(of) => {
                format!("<Template of an image {:?}, search {}>", of.image.dim(), self.search())
            }
            Origin::Data(of) => format!("<Template of a frame {:?}, search {}>", of.0.dim(), self.search()),
        };
        Ok(if self.compatible { format!("{made}.compatible()") } else { made })
    }

    /// How far disks are looked for, px.
    #[getter]
    fn search(&self) -> f64 {
        self.shape.search()
    }

    /// Radius of the disk, px, where it is known.
    #[getter]
    fn radius(&self) -> Option<f64> {
        self.shape.radius()
    }

    /// Half the side of the windows that are cut out, px.
    #[getter]
    fn crop_size(&self) -> usize {
        self.shape.crop_size()
    }

    /// The keywords of a template by formula; None of a picture.
    #[getter]
    fn params<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        match &self.origin {
            Origin::Formula(params) => params::to_python(py, params),
            _ => Ok(py.None().into_bound(py)),
        }
    }

    /// The template on a raster of `shape`, its centre at `center` (y, x) px.
    fn mask<'py>(&self, py: Python<'py>, shape: (usize, usize), center: Any<'py>) -> Outcome<Any<'py>> {
        let center = Input::<f64>::new("center", &center)?.point()?;
        Ok(self.shape.mask(image_shape("shape", shape)?, center).to_python(py)?)
    }

    /// The template around each of `positions` (n, 2), whole px, of a frame: shape (n, y, x).
    fn stamps<'py>(&self, py: Python<'py>, shape: (usize, usize), positions: Any<'py>) -> Outcome<Any<'py>> {
        let positions = Input::<i64>::new("positions", &positions)?.rows()?;
        Ok(self.shape.stamps(image_shape("shape", shape)?, &positions)?.dense()?.to_python(py)?)
    }
}

#[pyfunction]
fn template_again(
    compatible: bool,
    image: Option<Any<'_>>,
    place: Option<(Option<Vec<f64>>, Option<f64>)>,
    params: Option<Keywords<'_>>,
) -> Outcome<Template> {
    let made = match (image, place) {
        (None, _) => Template::new(params)?,
        (Some(frame), None) => Template::from_data(frame, params)?,
        (Some(image), Some((center, search))) => {
            let center = center.map(|center| center.into_pyobject(image.py())).transpose()?;
            Template::from_image(image, center, search)?
        }
    };
    Ok(if compatible { made.compatible() } else { made })
}

/// One template for all positions, or one for each.
fn templates(given: &Any<'_>) -> Outcome<Vec<b::Template>> {
    if let Ok(one) = given.cast::<Template>() {
        return Ok(vec![one.get().shape.clone()]);
    }
    let several: Vec<Template> = given.extract().map_err(|_| {
        Failure::input(format!("template: expected a Template or a list of them, got {}", given.get_type()))
    })?;
    Ok(several.into_iter().map(|template| template.shape).collect())
}

/// Looks for disks in frames of one shape: keywords as in `pynonius.blobfinder.CorrelationParams`. One template
/// serves all positions, or a list has one for each.
#[pyclass(module = "pynonius.blobfinder", frozen)]
struct CorrelationPlan {
    shape: (usize, usize),
    single: b::CorrelationPlan<f32>,
    double: b::CorrelationPlan<f64>,
    templates: Py<PyAny>,
    mask: Option<Array2<bool>>,
}

#[pymethods]
impl CorrelationPlan {
    #[new]
    #[pyo3(signature = (shape, template, mask=None, **params))]
    fn new(
        shape: (usize, usize),
        template: Any<'_>,
        mask: Option<Any<'_>>,
        params: Option<Keywords<'_>>,
    ) -> Outcome<Self> {
        let params: b::CorrelationParams = of_keywords(params.as_ref(), Hyphens)?;
        let templates = self::templates(&template)?;
        image_shape("shape", shape)?;
        let mut single = b::CorrelationPlan::new(shape, &templates, &params)?;
        let mut double = b::CorrelationPlan::new(shape, &templates, &params)?;
        let mask = Input::<bool>::optional("mask", &mask)?;
        let mask = mask.map(|mask| Ok::<_, Failure>(mask.view::<Ix2>()?.to_owned())).transpose()?;
        if let Some(mask) = &mask {
            single = single.with_mask(mask.view())?;
            double = double.with_mask(mask.view())?;
        }
        Ok(CorrelationPlan { shape, single, double, templates: template.unbind(), mask })
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Pickled<'py>> {
        let mask = self.mask.clone().to_python(py)?;
        let arguments = vec![self.shape.to_python(py)?, self.templates.bind(py).clone(), mask];
        pickles::by_keywords(py, "CorrelationPlan", arguments, &self.params(py)?)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (h, w) = self.shape;
        Ok(format!("CorrelationPlan(({h}, {w}), {})", self.templates.bind(py).repr()?))
    }

    /// How disks are looked for.
    #[getter]
    fn params<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        params::to_python(py, self.double.params())
    }

    /// Shape (y, x) of the frames.
    #[getter]
    fn shape(&self) -> (usize, usize) {
        self.shape
    }

    /// Disks around `positions` of one frame.
    fn run<'py>(&self, py: Python<'py>, frame: Any<'py>, positions: Any<'py>) -> Outcome<Any<'py>> {
        let positions = Input::<i32>::new("positions", &positions)?.rows()?;
        let peaks = if is_single(&frame) {
            let frame = Input::<f32>::new("frame", &frame)?;
            let frame = frame.view::<Ix2>()?;
            work::here(py, || Ok(self.single.run(frame, &positions)?))?
        } else {
            let frame = Input::<f64>::new("frame", &frame)?;
            let frame = frame.view::<Ix2>()?;
            work::here(py, || Ok(self.double.run(frame, &positions)?))?
        };
        Ok(Peaks(peaks).to_python(py)?)
    }

    /// Disks around `positions` of every frame of a stack, in this thread: for those who bring threads or
    /// processes of their own. Rows of all frames stand one after another.
    fn run_stack<'py>(&self, py: Python<'py>, frames: Any<'py>, positions: Any<'py>) -> Outcome<Any<'py>> {
        let positions = Input::<i32>::new("positions", &positions)?;
        let positions = positions.view::<IxDyn>()?;
        let peaks = if is_single(&frames) {
            let frames = Input::<f32>::new("frames", &frames)?;
            run_stack(py, &self.single, frames.view::<Ix3>()?, positions)?
        } else {
            let frames = Input::<f64>::new("frames", &frames)?;
            run_stack(py, &self.double, frames.view::<Ix3>()?, positions)?
        };
        Ok(Peaks(peaks).to_python(py)?)
    }
}

/// `positions` are (position, 2), the same for all, or (frame, position, 2).
fn run_stack<F: Real>(
    py: Python<'_>,
    plan: &b::CorrelationPlan<F>,
    frames: ndarray::ArrayView3<'_, F>,
    positions: ndarray::ArrayViewD<'_, i32>,
) -> Outcome<Vec<b::Peak>> {
    let n = frames.dim().0;
    let shape = positions.shape().to_vec();
    let (per_frame, n_positions) = match shape[..] {
        [m, 2] => (false, m),
        [k, m, 2] if k == n => (true, m),
        _ => {
            let problem = format!("positions: expected shape (n, 2) or ({n}, n, 2), got {shape:?}");
            return Err(Failure::input(problem));
        }
    };
    let flat: Vec<[i32; 2]> = match positions.as_slice() {
        Some(values) => values.as_chunks().0.to_vec(),
        None => return Err(Failure::input("positions: not contiguous".to_owned())),
    };
    work::here(py, || {
        let mut scratch = plan.scratch();
        let (h, w) = plan.frame_shape();
        nonius::core::check_shape("frames", &[n, h, w], frames.shape())?;
        let frames = frames.as_slice().unwrap_or_default();
        let mut all = Vec::with_capacity(n * n_positions);
        let mut peaks = Vec::with_capacity(n_positions);
        for index in 0..n {
            let first = if per_frame { index * n_positions } else { 0 };
            let frame = &frames[index * h * w..(index + 1) * h * w];
            plan.run_with(frame, &flat[first..first + n_positions], &mut scratch, &mut peaks)?;
            all.append(&mut peaks);
        }
        Ok(all)
    })
}

#[pyfunction]
#[pyo3(signature = (image, template, normalized=false, mask=None))]
fn correlation_map<'py>(
    py: Python<'py>,
    image: Any<'py>,
    template: &Template,
    normalized: bool,
    mask: Option<Any<'py>>,
) -> Outcome<Any<'py>> {
    let mask = Input::<bool>::optional("mask", &mask)?;
    let mask = mask.as_ref().map(Input::view::<Ix2>).transpose()?;
    if mask.is_some() && !normalized {
        return Err(Failure::input("mask must come with normalized=True, got normalized=False".to_owned()));
    }
    in_their_precision!((image) F => {
        let image = image.view::<Ix2>()?;
        let map = work::here(py, || {
            Ok(if normalized {
                b::normalized_correlation_map(image, &template.shape, mask)?
            } else {
                b::correlation_map(image, &template.shape)?
            })
        })?;
        Ok(map.to_python(py)?)
    })
}

#[pyfunction]
#[pyo3(signature = (image, **params))]
fn find_peaks<'py>(py: Python<'py>, image: Any<'py>, params: Option<Keywords<'py>>) -> Outcome<Any<'py>> {
    let params: b::PeakParams = of_keywords(params.as_ref(), Hyphens)?;
    in_their_precision!((image) F => {
        let image = image.view::<Ix2>()?;
        Ok(Peaks(work::here(py, || Ok(b::find_peaks(image, &params)?))?).to_python(py)?)
    })
}

#[pyfunction]
fn transform_intensity<'py>(py: Python<'py>, image: Any<'py>, intensity: Any<'py>) -> Outcome<Any<'py>> {
    let intensity: b::Intensity = of_object(&intensity, Hyphens)?;
    intensity.validate()?;
    in_their_precision!((image) F => {
        let mut image = image.view::<IxDyn>()?.to_owned();
        intensity.transform(&mut image);
        Ok(image.to_python(py)?)
    })
}

/// Points `(n, 2)` with what is known of them.
fn points(
    positions: &Any<'_>,
    weights: &Option<Any<'_>>,
    covariances: &Option<Any<'_>>,
) -> Outcome<Vec<b::LatticePoint>> {
    let positions = Input::<f64>::new("positions", positions)?.rows::<2>()?;
    let n = positions.len();
    let mut points: Vec<_> = positions.into_iter().map(b::LatticePoint::new).collect();
    if let Some(weights) = Input::<f64>::optional("weights", weights)? {
        nonius::core::check_shape("weights", &[n], weights.shape())?;
        for (point, &weight) in points.iter_mut().zip(weights.slice()?) {
            *point = point.with_weight(weight);
        }
    }
    if let Some(covariances) = Input::<f64>::optional("covariances", covariances)? {
        nonius::core::check_shape("covariances", &[n, 2, 2], covariances.shape())?;
        let (rows, _) = covariances.slice()?.as_chunks::<2>();
        for (point, rows) in points.iter_mut().zip(rows.as_chunks::<2>().0) {
            *point = point.with_covariance(*rows);
        }
    }
    Ok(points)
}

fn lattice(zero: &Any<'_>, a: &Any<'_>, b: &Any<'_>) -> Outcome<b::Lattice> {
    let vector = |name, object| Input::<f64>::new(name, object)?.point();
    Ok(b::Lattice { zero: vector("zero", zero)?, a: vector("a", a)?, b: vector("b", b)? })
}

/// Lattices of as many samples as each of the arrays (sample, 2) has.
fn lattices(zero: &Any<'_>, a: &Any<'_>, b: &Any<'_>) -> Outcome<Vec<b::Lattice>> {
    let [zero, a, b] =
        [("zero", zero), ("a", a), ("b", b)].map(|(name, rows)| Input::<f64>::new(name, rows)?.rows::<2>());
    let (zero, a, b) = (zero?, a?, b?);
    core::check_shape("a", &[zero.len(), 2], &[a.len(), 2])?;
    core::check_shape("b", &[zero.len(), 2], &[b.len(), 2])?;
    Ok((0..zero.len()).map(|k| b::Lattice { zero: zero[k], a: a[k], b: b[k] }).collect())
}

/// A tuple of three vectors.
pub(crate) fn lattice_of(given: &Any<'_>) -> Outcome<b::Lattice> {
    let (zero, a, b): (Any<'_>, Any<'_>, Any<'_>) = given.extract()?;
    lattice(&zero, &a, &b)
}

/// What Python holds of a match.
pub(crate) fn match_of(given: &Any<'_>) -> Outcome<b::LatticeMatch> {
    let part = |name: &str| given.getattr(name);
    let rows = |name: &'static str| Input::<f64>::new(name, &part(name)?)?.rows::<2>();
    let covariance = Input::<f64>::new("covariance", &part("covariance")?)?;
    core::check_shape("covariance", &[6, 6], covariance.shape())?;
    let covariance = covariance.rows::<6>()?;
    Ok(b::LatticeMatch {
        lattice: lattice_of(&part("lattice")?)?,
        status: of_object(&part("status")?, Hyphens)?,
        rank: part("rank")?.extract()?,
        selector: Input::<bool>::new("selector", &part("selector")?)?.slice()?.to_vec(),
        indices: rows("indices")?,
        calculated: rows("calculated")?,
        error: part("error")?.extract()?,
        covariance: std::array::from_fn(|i| covariance[i]),
        covariance_source: of_object(&part("covariance_source")?, Hyphens)?,
        reduced_chi2: part("reduced_chi2")?.extract()?,
    })
}

#[pyfunction]
fn match_with_zero_at<'py>(py: Python<'py>, found: Any<'py>, index: Any<'py>) -> Outcome<Any<'py>> {
    let index = Input::<f64>::new("index", &index)?.point()?;
    Ok(match_of(&found)?.with_zero_at(index).to_python(py)?)
}

fn basis_of(rows: &Any<'_>) -> Outcome<b::UnimodularBasis> {
    let rows = Input::<i32>::new("basis", rows)?;
    core::check_shape("basis", &[2, 2], rows.shape())?;
    let rows = rows.rows::<2>()?;
    Ok(b::UnimodularBasis::new([rows[0], rows[1]])?)
}

#[pyfunction]
fn match_in_basis<'py>(py: Python<'py>, found: Any<'py>, basis: Any<'py>) -> Outcome<Any<'py>> {
    Ok(match_of(&found)?.in_basis(basis_of(&basis)?).to_python(py)?)
}

#[pyfunction]
fn match_reduced<'py>(py: Python<'py>, found: Any<'py>) -> Outcome<Any<'py>> {
    Ok(match_of(&found)?.reduced().to_python(py)?)
}

#[pyfunction]
fn match_positions<'py>(
    py: Python<'py>,
    found: Any<'py>,
    indices: Option<Any<'py>>,
    drop_zero: bool,
    shape: Option<(usize, usize)>,
    margin: f64,
) -> Outcome<Any<'py>> {
    let indices = Input::<f64>::optional("indices", &indices)?.map(|indices| indices.rows()).transpose()?;
    let within = shape.map(|shape| (shape, margin));
    Ok(match_of(&found)?.positions(indices.as_deref(), drop_zero, within).to_python(py)?)
}

/// One vector or rows of them, each turned into another.
fn each<'py>(
    name: &'static str,
    vectors: &Any<'py>,
    of: impl Fn([f64; 2]) -> Outcome<[f64; 2]>,
) -> Outcome<Any<'py>> {
    let py = vectors.py();
    let vectors = Input::<f64>::new(name, vectors)?;
    if vectors.shape() == [2] {
        return Ok(of(vectors.point()?)?.to_python(py)?);
    }
    Ok(vectors.rows()?.into_iter().map(of).collect::<Outcome<Vec<[f64; 2]>>>()?.to_python(py)?)
}

#[pyfunction]
fn lattice_position<'py>(lattice: Any<'py>, indices: Any<'py>) -> Outcome<Any<'py>> {
    let lattice = lattice_of(&lattice)?;
    each("indices", &indices, |index| Ok(lattice.position(index)))
}

#[pyfunction]
fn lattice_indices<'py>(lattice: Any<'py>, points: Any<'py>) -> Outcome<Any<'py>> {
    let lattice = lattice_of(&lattice)?;
    each("points", &points, |point| Ok(lattice.indices(point)?))
}

#[pyfunction]
fn lattice_with_zero_at<'py>(py: Python<'py>, lattice: Any<'py>, index: Any<'py>) -> Outcome<Any<'py>> {
    let index = Input::<f64>::new("index", &index)?.point()?;
    Ok(lattice_of(&lattice)?.with_zero_at(index).to_python(py)?)
}

#[pyfunction]
fn lattice_signed_area(lattice: Any<'_>) -> Outcome<f64> {
    Ok(lattice_of(&lattice)?.signed_area())
}

#[pyfunction]
fn lattice_is_equivalent(lattice: Any<'_>, other: Any<'_>, tolerance: f64) -> Outcome<bool> {
    Ok(lattice_of(&lattice)?.is_equivalent(&lattice_of(&other)?, tolerance))
}

/// Rows of whole numbers that make one basis of another; nothing where there are none.
#[pyfunction]
fn lattice_basis<'py>(py: Python<'py>, lattice: Any<'py>, reference: Option<Any<'py>>) -> Outcome<Any<'py>> {
    let lattice = lattice_of(&lattice)?;
    let basis = match reference {
        None => lattice.reduced_basis(),
        Some(reference) => lattice.basis_nearest(&lattice_of(&reference)?),
    };
    let array = |basis: b::UnimodularBasis| Array2::from(basis.rows().to_vec());
    Ok(basis.map(array).to_python(py)?)
}

#[pyfunction]
fn lattice_in_basis<'py>(py: Python<'py>, lattice: Any<'py>, basis: Any<'py>) -> Outcome<Any<'py>> {
    Ok(basis_of(&basis)?.of(&lattice_of(&lattice)?).to_python(py)?)
}

#[pyfunction]
fn polar<'py>(py: Python<'py>, vectors: Any<'py>) -> Outcome<Any<'py>> {
    Ok(b::polar_array(Input::<f64>::new("vectors", &vectors)?.view::<IxDyn>()?)?.to_python(py)?)
}

#[pyfunction]
fn cartesian<'py>(py: Python<'py>, vectors: Any<'py>) -> Outcome<Any<'py>> {
    Ok(b::cartesian_array(Input::<f64>::new("vectors", &vectors)?.view::<IxDyn>()?)?.to_python(py)?)
}

#[pyfunction]
fn index_grid<'py>(py: Python<'py>, i: (i32, i32), j: (i32, i32)) -> Outcome<Any<'py>> {
    let count = |(first, last): (i32, i32)| (i64::from(last) - i64::from(first) + 1).max(0);
    if count(i).saturating_mul(count(j)) > 1 << 26 {
        let got = format!("{i:?} and {j:?}");
        return Err(nonius::Error::parameter("i and j", "ranges of at most 2^26 pairs", got).into());
    }
    Ok(b::index_grid(i.0..=i.1, j.0..=j.1).to_python(py)?)
}

/// The index of each point, and whether it has one.
#[pyfunction]
fn assign_indices<'py>(
    py: Python<'py>,
    points: Any<'py>,
    lattice: Any<'py>,
    tolerance: f64,
    distance: Any<'py>,
) -> Outcome<(Any<'py>, Any<'py>)> {
    let points = Input::<f64>::new("points", &points)?.rows()?;
    let rule: b::DistanceRule = of_object(&distance, Hyphens)?;
    let found = b::assign_indices(&points, &lattice_of(&lattice)?, tolerance, rule)?;
    let assigned: Vec<bool> = found.iter().map(Option::is_some).collect();
    let indices: Vec<[i32; 2]> = found.into_iter().map(Option::unwrap_or_default).collect();
    Ok((indices.to_python(py)?, assigned.to_python(py)?))
}

#[pyfunction]
#[pyo3(signature = (points, **params))]
fn difference_clusters<'py>(
    py: Python<'py>,
    points: Any<'py>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: compatible::FullMatchParams = of_keywords(params.as_ref(), Hyphens)?;
    let points = Input::<f64>::new("points", &points)?.rows()?;
    Ok(work::here(py, || Ok(compatible::difference_clusters(&points, &params)?))?.to_python(py)?)
}

#[pyfunction]
fn fit_affine<'py>(
    py: Python<'py>,
    from: Any<'py>,
    to: Any<'py>,
    weights: Option<Any<'py>>,
    center: Any<'py>,
) -> Outcome<Any<'py>> {
    let from = Input::<f64>::new("start", &from)?.rows()?;
    let to = Input::<f64>::new("end", &to)?.rows()?;
    let weights = Input::<f64>::optional("weights", &weights)?;
    let weights = weights.as_ref().map(Input::slice).transpose()?;
    let center = Input::<f64>::new("center", &center)?.point()?;
    Ok(b::AffineTransformation::fit(&from, &to, weights, center)?.to_python(py)?)
}

fn affine_of(matrix: &Any<'_>, center: &Any<'_>) -> Outcome<b::AffineTransformation> {
    let matrix = Input::<f64>::new("matrix", matrix)?;
    core::check_shape("matrix", &[3, 3], matrix.shape())?;
    let rows = matrix.rows::<3>()?;
    let center = Input::<f64>::new("center", center)?.point()?;
    Ok(b::AffineTransformation { matrix: std::array::from_fn(|i| rows[i]), center })
}

#[pyfunction]
fn affine_apply<'py>(matrix: Any<'py>, center: Any<'py>, points: Any<'py>) -> Outcome<Any<'py>> {
    let transformation = affine_of(&matrix, &center)?;
    each("points", &points, |point| Ok(transformation.apply(point)))
}

#[pyfunction]
fn affine_fixed_point<'py>(py: Python<'py>, matrix: Any<'py>, center: Any<'py>) -> Outcome<Any<'py>> {
    Ok(affine_of(&matrix, &center)?.fixed_point()?.to_python(py)?)
}

/// The peaks that Python holds as columns.
pub(crate) fn peaks_of(given: &Any<'_>) -> Outcome<Vec<b::Peak>> {
    let part = |name: &str| given.getattr(name);
    let centers = Input::<i32>::new("centers", &part("centers")?)?.rows::<2>()?;
    let refineds = Input::<f64>::new("refineds", &part("refineds")?)?.rows::<2>()?;
    let heights = Input::<f64>::new("heights", &part("heights")?)?;
    let elevations = Input::<f64>::new("elevations", &part("elevations")?)?;
    let covariances = Input::<f64>::new("covariances", &part("covariances")?)?;
    let status = Input::<u8>::new("status", &part("status")?)?;
    let n = centers.len();
    core::check_shape("refineds", &[n, 2], &[refineds.len(), 2])?;
    core::check_shape("heights", &[n], heights.shape())?;
    core::check_shape("elevations", &[n], elevations.shape())?;
    core::check_shape("covariances", &[n, 2, 2], covariances.shape())?;
    core::check_shape("status", &[n], status.shape())?;
    let (heights, elevations, status) = (heights.slice()?, elevations.slice()?, status.slice()?);
    let rows = covariances.slice()?.as_chunks::<2>().0.as_chunks::<2>().0;
    Ok((0..n)
        .map(|k| b::Peak {
            center: centers[k],
            refined: refineds[k],
            height: heights[k],
            elevation: elevations[k],
            covariance: rows[k],
            status: status_of(status[k]),
        })
        .collect())
}

#[pyfunction]
#[pyo3(signature = (frame, lattice, peaks, calculated, selected, **params))]
fn draw_match<'py>(
    py: Python<'py>,
    frame: Any<'py>,
    lattice: Any<'py>,
    peaks: Any<'py>,
    calculated: Any<'py>,
    selected: Any<'py>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: b::PictureParams = of_keywords(params.as_ref(), Hyphens)?;
    let (lattice, peaks) = (lattice_of(&lattice)?, peaks_of(&peaks)?);
    let calculated = Input::<f64>::new("calculated", &calculated)?.rows()?;
    let selected = Input::<bool>::new("selected", &selected)?;
    let selected = selected.slice()?;
    in_their_precision!((frame) F => {
        let frame = frame.view::<Ix2>()?;
        Ok(b::draw_match(frame, &lattice, &peaks, &calculated, selected, &params)?.to_python(py)?)
    })
}

#[pyfunction]
#[pyo3(signature = (positions, zero, a, b, weights=None, covariances=None, **params))]
fn fast_match<'py>(
    py: Python<'py>,
    positions: Any<'py>,
    zero: Any<'py>,
    a: Any<'py>,
    b: Any<'py>,
    weights: Option<Any<'py>>,
    covariances: Option<Any<'py>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: b::MatchParams = of_keywords(params.as_ref(), Hyphens)?;
    let points = points(&positions, &weights, &covariances)?;
    let start = lattice(&zero, &a, &b)?;
    Ok(work::here(py, || Ok(b::fast_match(&points, &start, &params)?))?.to_python(py)?)
}

#[pyfunction]
#[pyo3(signature = (positions, indices, weights=None, covariances=None, loss=None))]
fn fit_lattice<'py>(
    py: Python<'py>,
    positions: Any<'py>,
    indices: Any<'py>,
    weights: Option<Any<'py>>,
    covariances: Option<Any<'py>>,
    loss: Option<Any<'py>>,
) -> Outcome<Any<'py>> {
    let loss: b::Loss = loss.map(|loss| of_object(&loss, Hyphens)).transpose()?.unwrap_or_default();
    let points = points(&positions, &weights, &covariances)?;
    let indices = Input::<f64>::new("indices", &indices)?.rows()?;
    Ok(b::fit_lattice(&points, &indices, loss)?.to_python(py)?)
}

#[pyfunction]
#[pyo3(signature = (positions, indices, weights=None, covariances=None, loss=None))]
fn affine_match<'py>(
    py: Python<'py>,
    positions: Any<'py>,
    indices: Any<'py>,
    weights: Option<Any<'py>>,
    covariances: Option<Any<'py>>,
    loss: Option<Any<'py>>,
) -> Outcome<Any<'py>> {
    let loss: b::Loss = loss.map(|loss| of_object(&loss, Hyphens)).transpose()?.unwrap_or_default();
    let points = points(&positions, &weights, &covariances)?;
    let indices = Input::<f64>::new("indices", &indices)?.rows()?;
    Ok(b::affine_match(&points, &indices, loss)?.to_python(py)?)
}

#[pyfunction]
#[pyo3(signature = (positions, weights=None, covariances=None, **params))]
fn search_lattices<'py>(
    py: Python<'py>,
    positions: Any<'py>,
    weights: Option<Any<'py>>,
    covariances: Option<Any<'py>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: b::LatticeSearchParams = of_keywords(params.as_ref(), Hyphens)?;
    let points = points(&positions, &weights, &covariances)?;
    Ok(work::here(py, || Ok(b::search_lattices(&points, &params)?))?.to_python(py)?)
}

#[pyfunction]
#[pyo3(signature = (positions, weights=None, centers=None, zero=None, candidates=None, **params))]
fn full_match<'py>(
    py: Python<'py>,
    positions: Any<'py>,
    weights: Option<Any<'py>>,
    centers: Option<Any<'py>>,
    zero: Option<Any<'py>>,
    candidates: Option<Any<'py>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: compatible::FullMatchParams = of_keywords(params.as_ref(), Hyphens)?;
    let points = points(&positions, &weights, &None)?;
    let centers = Input::<f64>::optional("centers", &centers)?.map(|centers| centers.rows()).transpose()?;
    let zero = Input::<f64>::optional("zero", &zero)?.map(|zero| zero.point()).transpose()?;
    let candidates = Input::<f64>::optional("candidates", &candidates)?.map(|all| all.rows()).transpose()?;
    let candidates = candidates.unwrap_or_default();
    let found = work::here(py, || {
        Ok(compatible::full_match(&points, centers.as_deref(), zero, &candidates, &params)?)
    })?;
    Ok(found.to_python(py)?)
}

#[pyfunction]
#[pyo3(signature = (zero, a, b, reference, covariance=None, **params))]
fn strain<'py>(
    py: Python<'py>,
    zero: Any<'py>,
    a: Any<'py>,
    b: Any<'py>,
    reference: (Any<'py>, Any<'py>, Any<'py>),
    covariance: Option<Any<'py>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: b::StrainParams = of_keywords(params.as_ref(), Hyphens)?;
    let measured = lattice(&zero, &a, &b)?;
    let reference = lattice(&reference.0, &reference.1, &reference.2)?;
    let covariance = match Input::<f64>::optional("covariance", &covariance)? {
        None => None,
        Some(covariance) => {
            nonius::core::check_shape("covariance", &[6, 6], covariance.shape())?;
            let rows = covariance.rows::<6>()?;
            Some(std::array::from_fn(|i| rows[i]))
        }
    };
    Ok(b::strain(&measured, covariance.as_ref(), &reference, &params)?.to_python(py)?)
}

#[pyfunction]
#[pyo3(signature = (a, b, reference=None, covariance=None, mask=None, mean=false, **params))]
fn strain_map<'py>(
    py: Python<'py>,
    a: Any<'py>,
    b: Any<'py>,
    reference: Option<(Any<'py>, Any<'py>, Any<'py>)>,
    covariance: Option<Any<'py>>,
    mask: Option<Any<'py>>,
    mean: bool,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: b::StrainParams = of_keywords(params.as_ref(), Hyphens)?;
    let (a, b) = (Input::<f64>::new("a", &a)?, Input::<f64>::new("b", &b)?);
    let covariance = Input::<f64>::optional("covariance", &covariance)?;
    let mask = Input::<bool>::optional("mask", &mask)?;
    let (a, b) = (a.view::<IxDyn>()?, b.view::<IxDyn>()?);
    let covariance = covariance.as_ref().map(Input::view::<IxDyn>).transpose()?;
    let mask = mask.as_ref().map(Input::view::<IxDyn>).transpose()?;
    let reference = match reference {
        Some((zero, a, b)) => b::StrainReference::Lattice(lattice(&zero, &a, &b)?),
        None if mean => b::StrainReference::Mean(mask),
        None => b::StrainReference::Median(mask),
    };
    Ok(work::here(py, || Ok(b::strain_map(a, b, covariance, &reference, &params)?))?.to_python(py)?)
}

#[pyfunction]
#[pyo3(signature = (frames, template, *, roi=None, progress=None, **params))]
fn find_disks<'py>(
    py: Python<'py>,
    frames: Any<'py>,
    template: &Template,
    roi: Option<Any<'py>>,
    progress: Option<Py<PyAny>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: b::BlobfinderParams = of_keywords(params.as_ref(), Hyphens)?;
    let mask = Input::optional("roi", &roi)?;
    let roi = self::roi(&mask)?;
    let double = is_double(&frames)?;
    let found = Frames::new(&frames)?.with_scan(|scan| {
        work::over(py, scan, progress, |progress| {
            let selection = scan.select(roi.as_ref())?;
            let pass = PassParams::default();
            Ok(if double {
                b::find_disks::<f64>(&selection, &template.shape, &params, &pass, progress)?
            } else {
                b::find_disks::<f32>(&selection, &template.shape, &params, &pass, progress)?
            })
        })
    })?;
    Ok(found.to_python(py)?)
}

/// Disks around given positions of every frame, of a scan, in all threads.
#[pyfunction]
#[pyo3(signature = (frames, template, positions, *, zero_shift=None, mask=None, roi=None, progress=None, **params))]
fn correlate_frames<'py>(
    py: Python<'py>,
    frames: Any<'py>,
    template: Any<'py>,
    positions: Any<'py>,
    zero_shift: Option<Any<'py>>,
    mask: Option<Any<'py>>,
    roi: Option<Any<'py>>,
    progress: Option<Py<PyAny>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: b::CorrelationParams = of_keywords(params.as_ref(), Hyphens)?;
    let templates = templates(&template)?;
    let positions = Input::<f64>::new("positions", &positions)?.rows()?;
    let zero_shift = shift_of_zero(&zero_shift)?;
    let live = Input::<bool>::optional("mask", &mask)?;
    let live = live.as_ref().map(Input::view::<Ix2>).transpose()?;
    let mask = Input::optional("roi", &roi)?;
    let roi = self::roi(&mask)?;
    let double = is_double(&frames)?;
    let found = Frames::new(&frames)?.with_scan(|scan| {
        macro_rules! by {
            ($t:ty) => {
                work::over(py, scan, progress, |progress| {
                    let mut plan = b::CorrelationPlan::<$t>::new(scan.frame_shape(), &templates, &params)?;
                    if let Some(live) = live {
                        plan = plan.with_mask(live)?;
                    }
                    let finder = b::DiskFinder::new(plan, &positions, zero_shift)?;
                    Ok(pass(&scan.select(roi.as_ref())?, &finder, &PassParams::default(), progress)?)
                })
            };
        }
        if double { by!(f64) } else { by!(f32) }
    })?;
    Ok(found.to_python(py)?)
}

/// Nothing, one shift for all frames, or one for each.
fn shift_of_zero(shift: &Option<Any<'_>>) -> Outcome<b::ZeroShift> {
    Ok(match Input::<f64>::optional("zero_shift", shift)? {
        None => b::ZeroShift::None,
        Some(shift) if shift.shape() == [2] => b::ZeroShift::Common(shift.point()?),
        Some(shift) => b::ZeroShift::PerSample(shift.view::<Ix2>()?.to_owned()),
    })
}

/// Frames of single precision or integers are computed in single precision, as their noise allows.
fn is_double(frames: &Any<'_>) -> Outcome<bool> {
    let Ok(dtype) = frames.getattr("dtype") else { return Ok(true) };
    Ok(dtype.str()?.to_cow()? == "float64")
}

#[pyfunction]
#[pyo3(signature = (
    frames, template, zero, a, b, *, starts=None, zero_shift=None, mask=None, roi=None, progress=None, **params
))]
fn refine_lattices<'py>(
    py: Python<'py>,
    frames: Any<'py>,
    template: &Template,
    zero: Any<'py>,
    a: Any<'py>,
    b: Any<'py>,
    starts: Option<(Any<'py>, Any<'py>, Any<'py>)>,
    zero_shift: Option<Any<'py>>,
    mask: Option<Any<'py>>,
    roi: Option<Any<'py>>,
    progress: Option<Py<PyAny>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: b::RefineParams = of_keywords(params.as_ref(), Hyphens)?;
    let start = lattice(&zero, &a, &b)?;
    let starts = starts.map(|(zero, a, b)| lattices(&zero, &a, &b)).transpose()?;
    let zero_shift = shift_of_zero(&zero_shift)?;
    let live = Input::<bool>::optional("mask", &mask)?;
    let live = live.as_ref().map(Input::view::<Ix2>).transpose()?;
    let mask = Input::optional("roi", &roi)?;
    let roi = self::roi(&mask)?;
    let double = is_double(&frames)?;
    let found = Frames::new(&frames)?.with_scan(|scan| {
        macro_rules! by {
            ($t:ty) => {
                work::over(py, scan, progress, |progress| {
                    let shape = scan.frame_shape();
                    let mut refiner =
                        b::LatticeRefiner::<$t>::new(shape, &template.shape, &start, &params, zero_shift)?;
                    if let Some(live) = live {
                        refiner = refiner.with_mask(live)?;
                    }
                    if let Some(starts) = &starts {
                        refiner = refiner.with_starts(starts)?;
                    }
                    let selection = scan.select(roi.as_ref())?;
                    let passes = PassParams::default();
                    let found = pass(&selection, &refiner, &passes, progress)?;
                    Ok(refiner.from_neighbors(found, &selection, &passes, progress)?)
                })
            };
        }
        if double { by!(f64) } else { by!(f32) }
    })?;
    Ok(found.to_python(py)?)
}

/// Sums under a template around `centers` of every frame.
#[pyfunction]
#[pyo3(signature = (frames, template, centers, *, roi=None, progress=None))]
fn integrate_disks<'py>(
    py: Python<'py>,
    frames: Any<'py>,
    template: &Template,
    centers: Any<'py>,
    roi: Option<Any<'py>>,
    progress: Option<Py<PyAny>>,
) -> Outcome<Any<'py>> {
    let centers = Input::<i32>::new("centers", &centers)?;
    let centers = centers.view::<Ix3>()?;
    let mask = Input::optional("roi", &roi)?;
    let roi = self::roi(&mask)?;
    let sums = Frames::new(&frames)?.with_scan(|scan| {
        work::over(py, scan, progress, |progress| {
            let integrator = b::DiskIntegrator::new(&template.shape, centers)?;
            Ok(pass(&scan.select(roi.as_ref())?, &integrator, &PassParams::default(), progress)?)
        })
    })?;
    Ok(sums.to_python(py)?)
}

/// The sum of all frames.
#[pyfunction]
#[pyo3(signature = (frames, *, roi=None, progress=None))]
fn sum_frames<'py>(
    py: Python<'py>,
    frames: Any<'py>,
    roi: Option<Any<'py>>,
    progress: Option<Py<PyAny>>,
) -> Outcome<Any<'py>> {
    let mask = Input::optional("roi", &roi)?;
    let roi = self::roi(&mask)?;
    let sum = Frames::new(&frames)?.with_scan(|scan| {
        work::over(py, scan, progress, |progress| {
            Ok(pass(&scan.select(roi.as_ref())?, &b::FrameSum, &PassParams::default(), progress)?)
        })
    })?;
    Ok(sum.to_python(py)?)
}

/// Positions of a lattice within a frame, and their indices.
#[pyfunction]
#[pyo3(signature = (zero, a, b, shape, indices, margin=0.0))]
fn frame_peaks<'py>(
    py: Python<'py>,
    zero: Any<'py>,
    a: Any<'py>,
    b: Any<'py>,
    shape: (usize, usize),
    indices: Any<'py>,
    margin: f64,
) -> Outcome<(Any<'py>, Any<'py>)> {
    let indices = Input::<i32>::new("indices", &indices)?.rows()?;
    let found = lattice(&zero, &a, &b)?.frame_peaks(shape, margin, &indices);
    Ok((found.indices.to_python(py)?, found.positions.to_python(py)?))
}

#[pyfunction]
fn reduced_lattice<'py>(py: Python<'py>, zero: Any<'py>, a: Any<'py>, b: Any<'py>) -> Outcome<Any<'py>> {
    Ok(lattice(&zero, &a, &b)?.reduced()?.to_python(py)?)
}

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Template>()?;
    module.add_class::<CorrelationPlan>()?;
    for function in [
        wrap_pyfunction!(template_again, module)?,
        wrap_pyfunction!(match_with_zero_at, module)?,
        wrap_pyfunction!(match_in_basis, module)?,
        wrap_pyfunction!(match_reduced, module)?,
        wrap_pyfunction!(match_positions, module)?,
        wrap_pyfunction!(lattice_position, module)?,
        wrap_pyfunction!(lattice_indices, module)?,
        wrap_pyfunction!(lattice_with_zero_at, module)?,
        wrap_pyfunction!(lattice_signed_area, module)?,
        wrap_pyfunction!(lattice_is_equivalent, module)?,
        wrap_pyfunction!(lattice_basis, module)?,
        wrap_pyfunction!(lattice_in_basis, module)?,
        wrap_pyfunction!(polar, module)?,
        wrap_pyfunction!(cartesian, module)?,
        wrap_pyfunction!(index_grid, module)?,
        wrap_pyfunction!(assign_indices, module)?,
        wrap_pyfunction!(difference_clusters, module)?,
        wrap_pyfunction!(fit_affine, module)?,
        wrap_pyfunction!(affine_apply, module)?,
        wrap_pyfunction!(affine_fixed_point, module)?,
        wrap_pyfunction!(draw_match, module)?,
        wrap_pyfunction!(correlation_map, module)?,
        wrap_pyfunction!(find_peaks, module)?,
        wrap_pyfunction!(transform_intensity, module)?,
        wrap_pyfunction!(fast_match, module)?,
        wrap_pyfunction!(fit_lattice, module)?,
        wrap_pyfunction!(affine_match, module)?,
        wrap_pyfunction!(search_lattices, module)?,
        wrap_pyfunction!(full_match, module)?,
        wrap_pyfunction!(strain, module)?,
        wrap_pyfunction!(strain_map, module)?,
        wrap_pyfunction!(find_disks, module)?,
        wrap_pyfunction!(correlate_frames, module)?,
        wrap_pyfunction!(refine_lattices, module)?,
        wrap_pyfunction!(integrate_disks, module)?,
        wrap_pyfunction!(sum_frames, module)?,
        wrap_pyfunction!(frame_peaks, module)?,
        wrap_pyfunction!(reduced_lattice, module)?,
    ] {
        module.add_function(function)?;
    }
    Ok(())
}
