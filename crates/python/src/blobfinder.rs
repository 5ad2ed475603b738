//! `pynonius.blobfinder`.

use ndarray::{Array, Dimension, Ix2, Ix3, IxDyn};
use nonius::blobfinder::{self as b, compatible};
use nonius::core::{PassParams, Real, pass};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{Input, in_their_precision, is_single};
use crate::errors::{Failure, Outcome};
use crate::frames::{Frames, roi};
use crate::params::{Spelling::Hyphens, of_keywords, of_object};
use crate::records::{ToPython, Word, record};
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
struct Peaks(Vec<b::Peak>);

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

/// What a disk looks like.
#[pyclass(module = "pynonius.blobfinder", frozen, from_py_object)]
#[derive(Clone)]
pub(crate) struct Template(pub(crate) b::Template);

#[pymethods]
impl Template {
    #[new]
    #[pyo3(signature = (**params))]
    fn new(params: Option<Keywords<'_>>) -> Outcome<Self> {
        let params: b::TemplateParams = of_keywords(params.as_ref(), Hyphens)?;
        Ok(Template(b::Template::new(&params)?))
    }

    #[staticmethod]
    #[pyo3(signature = (image, center=None, search=None))]
    fn from_image(image: Any<'_>, center: Option<Any<'_>>, search: Option<f64>) -> Outcome<Self> {
        let image = Input::<f64>::new("image", &image)?;
        let center = Input::<f64>::optional("center", &center)?.map(|center| center.point()).transpose()?;
        Ok(Template(b::Template::from_image(image.view::<Ix2>()?, center, search)?))
    }

    #[staticmethod]
    #[pyo3(signature = (frame, **params))]
    fn from_data(frame: Any<'_>, params: Option<Keywords<'_>>) -> Outcome<Self> {
        let params: b::DataTemplateParams = of_keywords(params.as_ref(), Hyphens)?;
        let frame = Input::<f64>::new("frame", &frame)?;
        Ok(Template(b::Template::from_data(frame.view::<Ix2>()?, &params)?))
    }

    /// The same template, with the raster that LiberTEM-blobfinder gives it.
    fn compatible(&self) -> Self {
        Template(self.0.clone().compatible())
    }

    #[getter]
    fn search(&self) -> f64 {
        self.0.search()
    }

    #[getter]
    fn radius(&self) -> Option<f64> {
        self.0.radius()
    }

    #[getter]
    fn crop_size(&self) -> usize {
        self.0.crop_size()
    }

    /// The template on a raster.
    fn mask<'py>(&self, py: Python<'py>, shape: (usize, usize), center: Any<'py>) -> Outcome<Any<'py>> {
        let center = Input::<f64>::new("center", &center)?.point()?;
        let (h, w) = shape;
        if h.checked_mul(w).is_none_or(|n| n > 1 << 32) {
            let error = nonius::Error::parameter("shape", "of at most 2^32 pixels", format!("({h}, {w})"));
            return Err(error.into());
        }
        Ok(self.0.mask(shape, center).to_python(py)?)
    }
}

/// Looks for disks in frames of one shape.
#[pyclass(module = "pynonius.blobfinder", frozen)]
struct CorrelationPlan {
    shape: (usize, usize),
    single: b::CorrelationPlan<f32>,
    double: b::CorrelationPlan<f64>,
}

#[pymethods]
impl CorrelationPlan {
    #[new]
    #[pyo3(signature = (shape, template, mask=None, **params))]
    fn new(
        shape: (usize, usize),
        template: &Template,
        mask: Option<Any<'_>>,
        params: Option<Keywords<'_>>,
    ) -> Outcome<Self> {
        let params: b::CorrelationParams = of_keywords(params.as_ref(), Hyphens)?;
        let templates = [template.0.clone()];
        let mut single = b::CorrelationPlan::new(shape, &templates, &params)?;
        let mut double = b::CorrelationPlan::new(shape, &templates, &params)?;
        if let Some(mask) = Input::<bool>::optional("mask", &mask)? {
            single = single.with_mask(mask.view::<Ix2>()?)?;
            double = double.with_mask(mask.view::<Ix2>()?)?;
        }
        Ok(CorrelationPlan { shape, single, double })
    }

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
                b::normalized_correlation_map(image, &template.0, mask)?
            } else {
                b::correlation_map(image, &template.0)?
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
                b::find_disks::<f64>(&selection, &template.0, &params, &pass, progress)?
            } else {
                b::find_disks::<f32>(&selection, &template.0, &params, &pass, progress)?
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
    template: &Template,
    positions: Any<'py>,
    zero_shift: Option<Any<'py>>,
    mask: Option<Any<'py>>,
    roi: Option<Any<'py>>,
    progress: Option<Py<PyAny>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: b::CorrelationParams = of_keywords(params.as_ref(), Hyphens)?;
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
                    let templates = [template.0.clone()];
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
#[pyo3(signature = (frames, template, zero, a, b, *, zero_shift=None, mask=None, roi=None, progress=None, **params))]
fn refine_lattices<'py>(
    py: Python<'py>,
    frames: Any<'py>,
    template: &Template,
    zero: Any<'py>,
    a: Any<'py>,
    b: Any<'py>,
    zero_shift: Option<Any<'py>>,
    mask: Option<Any<'py>>,
    roi: Option<Any<'py>>,
    progress: Option<Py<PyAny>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: b::RefineParams = of_keywords(params.as_ref(), Hyphens)?;
    let start = lattice(&zero, &a, &b)?;
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
                        b::LatticeRefiner::<$t>::new(shape, &template.0, &start, &params, zero_shift)?;
                    if let Some(live) = live {
                        refiner = refiner.with_mask(live)?;
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
            let integrator = b::DiskIntegrator::new(&template.0, centers)?;
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
