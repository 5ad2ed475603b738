//! `pynonius.registration`.

use ndarray::{Ix2, Ix3, IxDyn};
use nonius::core::{self, RunnerUp};
use nonius::registration::{self as r, flow, rotation};
use num_complex::Complex;
use numpy::PyArrayDyn;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{Input, image_shape, in_their_precision};
use crate::errors::Outcome;
use crate::frames::Frames;
use crate::params::{self, Spelling::Underscores, of_keywords, of_object};
use crate::pickles::{self, Pickled};
use crate::records::{ToPython, Word, record};
use crate::work;

record!("pynonius.registration", RunnerUp, RunnerUp as r { shift, delta_chi2 });
record!("pynonius.registration", Registration, r::Registration as r {
    shift,
    covariance,
    score,
    overlap,
    status = Word(r.status),
    runner_up,
    errors = r.errors(),
});
record!("pynonius.registration", NdRegistration, r::NdRegistration as r {
    shift = r.shift.clone(),
    covariance = r.covariance.clone(),
    score,
    overlap,
    status = Word(r.status),
    errors = r.errors(),
});
record!("pynonius.registration", PhaseCorrelation, r::PhaseCorrelation as r {
    shift,
    error,
    phase_difference,
    status = Word(r.status),
});
record!("pynonius.registration", PeakShift, r::PeakShift as r { shift, status = Word(r.status) });
record!("pynonius.registration", PairRegistration, r::PairRegistration as r { reference, moving, registration });
record!("pynonius.registration", SeriesRegistration, r::SeriesRegistration as r {
    shifts,
    covariances,
    statuses = Word(r.statuses.clone()),
    pairs,
});
record!("pynonius.registration", Pose, rotation::Pose as r { angle, scale, shift });
record!("pynonius.registration", Candidate, rotation::Candidate as r { pose, score });
record!("pynonius.registration", Similarity, rotation::Similarity as r {
    angle,
    scale,
    shift,
    covariance,
    score,
    overlap,
    status = Word(r.status),
    candidates = r.candidates.clone(),
    errors = r.errors(),
});
record!("pynonius.registration", FlowLevel, flow::FlowLevel as r { shape, iterations, last_change, undetermined });
record!("pynonius.registration", Flow, flow::Flow<f32> as r { displacement, residual, levels });
record!("pynonius.registration", Flow, flow::Flow<f64> as r { displacement, residual, levels });
record!("pynonius.registration", MaskedCorrelation, r::MaskedCorrelation<f32> as r { map, overlap, reference_shape });
record!("pynonius.registration", MaskedCorrelation, r::MaskedCorrelation<f64> as r { map, overlap, reference_shape });

type Any<'py> = Bound<'py, PyAny>;
type Keywords<'py> = Bound<'py, PyDict>;

#[pyfunction]
#[pyo3(signature = (reference, moving, **params))]
fn register<'py>(
    py: Python<'py>,
    reference: Any<'py>,
    moving: Any<'py>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: r::RegistrationParams = of_keywords(params.as_ref(), Underscores)?;
    in_their_precision!((reference, moving) F => {
        let (reference, moving) = (reference.view::<Ix2>()?, moving.view::<Ix2>()?);
        Ok(work::here(py, || Ok(r::register(reference, moving, &params)?))?.to_python(py)?)
    })
}

#[pyfunction]
#[pyo3(signature = (reference, moving, **params))]
fn register_nd<'py>(
    py: Python<'py>,
    reference: Any<'py>,
    moving: Any<'py>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: r::RegistrationParams = of_keywords(params.as_ref(), Underscores)?;
    in_their_precision!((reference, moving) F => {
        let (reference, moving) = (reference.view::<IxDyn>()?, moving.view::<IxDyn>()?);
        Ok(work::here(py, || Ok(r::register_nd(reference, moving, &params)?))?.to_python(py)?)
    })
}

#[pyfunction]
#[pyo3(signature = (reference, moving, reference_mask=None, moving_mask=None, **params))]
fn register_masked<'py>(
    py: Python<'py>,
    reference: Any<'py>,
    moving: Any<'py>,
    reference_mask: Option<Any<'py>>,
    moving_mask: Option<Any<'py>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: r::MaskedParams = of_keywords(params.as_ref(), Underscores)?;
    let reference_mask = Input::<bool>::optional("reference_mask", &reference_mask)?;
    let moving_mask = Input::<bool>::optional("moving_mask", &moving_mask)?;
    let reference_mask = reference_mask.as_ref().map(Input::view::<Ix2>).transpose()?;
    let moving_mask = moving_mask.as_ref().map(Input::view::<Ix2>).transpose()?;
    in_their_precision!((reference, moving) F => {
        let (reference, moving) = (reference.view::<Ix2>()?, moving.view::<Ix2>()?);
        let found = work::here(py, || {
            Ok(r::register_masked(reference, moving, reference_mask, moving_mask, &params)?)
        })?;
        Ok(found.to_python(py)?)
    })
}

#[pyfunction]
#[pyo3(signature = (reference, moving, reference_mask=None, moving_mask=None, overlap_ratio=0.3))]
fn masked_correlation<'py>(
    py: Python<'py>,
    reference: Any<'py>,
    moving: Any<'py>,
    reference_mask: Option<Any<'py>>,
    moving_mask: Option<Any<'py>>,
    overlap_ratio: f64,
) -> Outcome<Any<'py>> {
    let reference_mask = Input::<bool>::optional("reference_mask", &reference_mask)?;
    let moving_mask = Input::<bool>::optional("moving_mask", &moving_mask)?;
    let reference_mask = reference_mask.as_ref().map(Input::view::<Ix2>).transpose()?;
    let moving_mask = moving_mask.as_ref().map(Input::view::<Ix2>).transpose()?;
    in_their_precision!((reference, moving) F => {
        let (reference, moving) = (reference.view::<Ix2>()?, moving.view::<Ix2>()?);
        let found = work::here(py, || {
            Ok(r::masked_correlation(reference, moving, reference_mask, moving_mask, overlap_ratio)?)
        })?;
        Ok(found.to_python(py)?)
    })
}

#[pyfunction]
#[pyo3(signature = (reference, moving, **params))]
fn phase_cross_correlation<'py>(
    py: Python<'py>,
    reference: Any<'py>,
    moving: Any<'py>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: r::PhaseCorrelationParams = of_keywords(params.as_ref(), Underscores)?;
    macro_rules! of {
        ($t:ty) => {{
            let reference = Input::<$t>::new("reference", &reference)?;
            let moving = Input::<$t>::new("moving", &moving)?;
            let (reference, moving) = (reference.view::<IxDyn>()?, moving.view::<IxDyn>()?);
            let found = work::here(py, || Ok(r::phase_cross_correlation(reference, moving, &params)?))?;
            return Ok(found.to_python(py)?);
        }};
    }
    let both_are = |is: fn(&Any<'py>) -> bool| is(&reference) && is(&moving);
    if both_are(|a| a.cast::<PyArrayDyn<Complex<f32>>>().is_ok()) {
        of!(Complex<f32>)
    }
    let complex = |a: &Any<'py>| -> PyResult<bool> {
        a.py().import("numpy")?.call_method1("iscomplexobj", (a,))?.extract()
    };
    if complex(&reference)? || complex(&moving)? {
        of!(Complex<f64>)
    }
    if both_are(crate::arrays::is_single) {
        of!(f32)
    }
    of!(f64)
}

#[pyfunction]
#[pyo3(signature = (reference, moving, max_shift=None))]
fn cross_correlation_shifts<'py>(
    py: Python<'py>,
    reference: Any<'py>,
    moving: Any<'py>,
    max_shift: Option<f64>,
) -> Outcome<Any<'py>> {
    in_their_precision!((reference, moving) F => {
        let (reference, moving) = (reference.view::<Ix2>()?, moving.view::<Ix2>()?);
        Ok(work::here(py, || Ok(r::cross_correlation_shifts(reference, moving, max_shift)?))?.to_python(py)?)
    })
}

#[pyfunction]
#[pyo3(signature = (reference, moving, upsample_factor=1.0, max_shift=None))]
fn register_images<'py>(
    py: Python<'py>,
    reference: Any<'py>,
    moving: Any<'py>,
    upsample_factor: f64,
    max_shift: Option<f64>,
) -> Outcome<Any<'py>> {
    in_their_precision!((reference, moving) F => {
        let (reference, moving) = (reference.view::<Ix2>()?, moving.view::<Ix2>()?);
        let found = work::here(py, || Ok(r::register_images(reference, moving, upsample_factor, max_shift)?))?;
        Ok(found.to_python(py)?)
    })
}

#[pyfunction]
fn registered<'py>(py: Python<'py>, moving: Any<'py>, shift: Any<'py>) -> Outcome<Any<'py>> {
    let shift = Input::<f64>::new("shift", &shift)?.point()?;
    in_their_precision!((moving) F => {
        let moving = moving.view::<Ix2>()?;
        Ok(work::here(py, || Ok(r::registered(moving, shift)?))?.to_python(py)?)
    })
}

#[pyfunction]
#[pyo3(signature = (a, b, boundary=None))]
fn correlate<'py>(
    py: Python<'py>,
    a: Any<'py>,
    b: Any<'py>,
    boundary: Option<Any<'py>>,
) -> Outcome<Any<'py>> {
    let boundary: Option<r::CorrelationBoundary> =
        boundary.map(|word| of_object(&word, Underscores)).transpose()?;
    let boundary = boundary.unwrap_or_default();
    in_their_precision!((a, b) F => {
        let (a, b) = (a.view::<Ix2>()?, b.view::<Ix2>()?);
        Ok(work::here(py, || Ok(r::correlate(a, b, boundary)?))?.to_python(py)?)
    })
}

#[pyfunction]
#[pyo3(signature = (image, shift))]
fn fourier_shift<'py>(py: Python<'py>, image: Any<'py>, shift: Any<'py>) -> Outcome<Any<'py>> {
    let shift = Input::<f64>::new("shift", &shift)?;
    let shift = shift.slice()?;
    in_their_precision!((image) F => {
        let image = image.view::<IxDyn>()?;
        Ok(work::here(py, || Ok(core::fourier_shift(image, shift)?))?.to_python(py)?)
    })
}

#[pyfunction]
#[pyo3(signature = (image, shift, degree=None, fill=f64::NAN))]
fn spline_shift<'py>(
    py: Python<'py>,
    image: Any<'py>,
    shift: Any<'py>,
    degree: Option<Any<'py>>,
    fill: f64,
) -> Outcome<Any<'py>> {
    let shift = Input::<f64>::new("shift", &shift)?.point()?;
    let degree: Option<core::SplineDegree> = degree.map(|word| of_object(&word, Underscores)).transpose()?;
    let degree = degree.unwrap_or_default();
    in_their_precision!((image) F => {
        let image = image.view::<Ix2>()?;
        let fill = <F as nonius::Real>::of(fill);
        Ok(work::here(py, || Ok(core::spline_shift(image, shift, degree, fill)?))?.to_python(py)?)
    })
}

#[pyfunction]
#[pyo3(signature = (frames, *, progress=None, **params))]
fn register_series<'py>(
    py: Python<'py>,
    frames: Any<'py>,
    progress: Option<Py<PyAny>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: r::SeriesParams = of_keywords(params.as_ref(), Underscores)?;
    let single = crate::arrays::is_single(&frames);
    let found = Frames::new(&frames)?.with_scan(|scan| {
        let source = scan.frames();
        work::run(py, progress, |progress| {
            Ok(if single {
                r::register_series::<f32>(source, &params, progress)?
            } else {
                r::register_series::<f64>(source, &params, progress)?
            })
        })
    })?;
    Ok(found.to_python(py)?)
}

#[pyfunction]
#[pyo3(signature = (reference, moving, **params))]
fn register_similarity<'py>(
    py: Python<'py>,
    reference: Any<'py>,
    moving: Any<'py>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: rotation::SimilarityParams = of_keywords(params.as_ref(), Underscores)?;
    in_their_precision!((reference, moving) F => {
        let (reference, moving) = (reference.view::<Ix2>()?, moving.view::<Ix2>()?);
        let found = work::here(py, || Ok(rotation::register_similarity(reference, moving, &params)?))?;
        Ok(found.to_python(py)?)
    })
}

/// Brings an image back from a pose, or carries it there.
#[pyfunction]
#[pyo3(signature = (image, angle, scale, shift, inverse, degree=None, fill=f64::NAN))]
fn posed<'py>(
    py: Python<'py>,
    image: Any<'py>,
    angle: f64,
    scale: f64,
    shift: Any<'py>,
    inverse: bool,
    degree: Option<Any<'py>>,
    fill: f64,
) -> Outcome<Any<'py>> {
    let pose = rotation::Pose { angle, scale, shift: Input::<f64>::new("shift", &shift)?.point()? };
    let degree: Option<core::SplineDegree> = degree.map(|word| of_object(&word, Underscores)).transpose()?;
    let degree = degree.unwrap_or_default();
    in_their_precision!((image) F => {
        let image = image.view::<Ix2>()?;
        let fill = <F as nonius::Real>::of(fill);
        let posed = work::here(py, || {
            Ok(if inverse { pose.bring_back(image, degree, fill)? } else { pose.carry(image, degree, fill)? })
        })?;
        Ok(posed.to_python(py)?)
    })
}

#[pyfunction]
#[pyo3(signature = (image, radius, shape, center=None, scaling=None))]
fn warp_polar<'py>(
    py: Python<'py>,
    image: Any<'py>,
    radius: f64,
    shape: (usize, usize),
    center: Option<Any<'py>>,
    scaling: Option<Any<'py>>,
) -> Outcome<Any<'py>> {
    let center = Input::<f64>::optional("center", &center)?.map(|center| center.point()).transpose()?;
    let scaling: Option<rotation::Scaling> = scaling.map(|word| of_object(&word, Underscores)).transpose()?;
    let scaling = scaling.unwrap_or_default();
    in_their_precision!((image) F => {
        let image = image.view::<Ix2>()?;
        let warped = work::here(py, || Ok(rotation::warp_polar(image, center, radius, shape, scaling)?))?;
        Ok(warped.to_python(py)?)
    })
}

#[pyfunction]
#[pyo3(signature = (reference, moving, *, progress=None, **params))]
fn tvl1<'py>(
    py: Python<'py>,
    reference: Any<'py>,
    moving: Any<'py>,
    progress: Option<Py<PyAny>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: flow::Tvl1Params = of_keywords(params.as_ref(), Underscores)?;
    in_their_precision!((reference, moving) F => {
        let (reference, moving) = (reference.view::<Ix2>()?, moving.view::<Ix2>()?);
        let found = work::run(py, progress, |p| Ok(flow::tvl1(reference, moving, &params, p)?))?;
        Ok(found.to_python(py)?)
    })
}

#[pyfunction]
#[pyo3(signature = (reference, moving, *, progress=None, **params))]
fn lucas_kanade<'py>(
    py: Python<'py>,
    reference: Any<'py>,
    moving: Any<'py>,
    progress: Option<Py<PyAny>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: flow::LucasKanadeParams = of_keywords(params.as_ref(), Underscores)?;
    in_their_precision!((reference, moving) F => {
        let (reference, moving) = (reference.view::<Ix2>()?, moving.view::<Ix2>()?);
        let found = work::run(py, progress, |p| Ok(flow::lucas_kanade(reference, moving, &params, p)?))?;
        Ok(found.to_python(py)?)
    })
}

#[pyfunction]
fn warp<'py>(py: Python<'py>, moving: Any<'py>, displacement: Any<'py>) -> Outcome<Any<'py>> {
    in_their_precision!((moving, displacement) F => {
        let (moving, displacement) = (moving.view::<Ix2>()?, displacement.view::<Ix3>()?);
        Ok(work::run_of_size(py, moving.len(), None, |_| Ok(flow::warp(moving, displacement)?))?.to_python(py)?)
    })
}

/// What pairs of one shape share: keywords as in `pynonius.registration.RegistrationParams`.
#[pyclass(module = "pynonius.registration", frozen)]
struct RegistrationPlan {
    single: r::RegistrationPlan<f32>,
    double: r::RegistrationPlan<f64>,
    params: r::RegistrationParams,
}

#[pymethods]
impl RegistrationPlan {
    #[new]
    #[pyo3(signature = (shape, **params))]
    fn new(shape: (usize, usize), params: Option<Keywords<'_>>) -> Outcome<Self> {
        let params: r::RegistrationParams = of_keywords(params.as_ref(), Underscores)?;
        let shape = image_shape("shape", shape)?;
        Ok(Self {
            single: r::RegistrationPlan::new(shape, params)?,
            double: r::RegistrationPlan::new(shape, params)?,
            params,
        })
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Pickled<'py>> {
        pickles::by_keywords(py, "RegistrationPlan", vec![self.shape().to_python(py)?], &self.params(py)?)
    }

    fn __repr__(&self) -> String {
        format!("<RegistrationPlan for images {:?}>", self.shape())
    }

    /// Shape (y, x) of the images.
    #[getter]
    fn shape(&self) -> (usize, usize) {
        self.double.shape()
    }

    /// What it was made with, defaults included.
    #[getter]
    fn params<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        params::to_python(py, &self.params)
    }

    /// The displacement between two images of the plan's shape.
    fn register<'py>(&self, py: Python<'py>, reference: Any<'py>, moving: Any<'py>) -> Outcome<Any<'py>> {
        fn by<'py, F: nonius::Real + crate::arrays::Accepts>(
            plan: &r::RegistrationPlan<F>,
            py: Python<'py>,
            reference: &Any<'py>,
            moving: &Any<'py>,
        ) -> Outcome<Any<'py>> {
            let (reference, moving) =
                (Input::<F>::new("reference", reference)?, Input::new("moving", moving)?);
            let (reference, moving) = (reference.view::<Ix2>()?, moving.view::<Ix2>()?);
            Ok(work::here(py, || Ok(plan.register(reference, moving)?))?.to_python(py)?)
        }
        if crate::arrays::is_single(&reference) && crate::arrays::is_single(&moving) {
            by(&self.single, py, &reference, &moving)
        } else {
            by(&self.double, py, &reference, &moving)
        }
    }
}

/// What pairs of one shape share whose rotation and scale are looked for, too: keywords as in
/// `pynonius.registration.SimilarityParams`.
#[pyclass(module = "pynonius.registration", frozen)]
struct SimilarityPlan {
    plan: rotation::SimilarityPlan,
    shape: (usize, usize),
    params: rotation::SimilarityParams,
}

#[pymethods]
impl SimilarityPlan {
    #[new]
    #[pyo3(signature = (shape, **params))]
    fn new(shape: (usize, usize), params: Option<Keywords<'_>>) -> Outcome<Self> {
        let params: rotation::SimilarityParams = of_keywords(params.as_ref(), Underscores)?;
        let shape = image_shape("shape", shape)?;
        Ok(Self { plan: rotation::SimilarityPlan::new(shape, params)?, shape, params })
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Pickled<'py>> {
        pickles::by_keywords(py, "SimilarityPlan", vec![self.shape.to_python(py)?], &self.params(py)?)
    }

    fn __repr__(&self) -> String {
        format!("<SimilarityPlan for images {:?}>", self.shape)
    }

    /// Shape (y, x) of the images.
    #[getter]
    fn shape(&self) -> (usize, usize) {
        self.shape
    }

    /// What it was made with, defaults included.
    #[getter]
    fn params<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        params::to_python(py, &self.params)
    }

    /// Rotation, scale and displacement between two images of the plan's shape.
    fn register<'py>(&self, py: Python<'py>, reference: Any<'py>, moving: Any<'py>) -> Outcome<Any<'py>> {
        in_their_precision!((reference, moving) F => {
            let (reference, moving) = (reference.view::<Ix2>()?, moving.view::<Ix2>()?);
            Ok(work::here(py, || Ok(self.plan.register(reference, moving)?))?.to_python(py)?)
        })
    }
}

fn pose_of(angle: f64, scale: f64, shift: &Any<'_>) -> Outcome<rotation::Pose> {
    Ok(rotation::Pose { angle, scale, shift: Input::<f64>::new("shift", shift)?.point()? })
}

/// Where points (y, x) of a reference of a shape are found in an image that has a pose.
#[pyfunction]
fn pose_apply<'py>(
    py: Python<'py>,
    angle: f64,
    scale: f64,
    shift: Any<'py>,
    points: Any<'py>,
    shape: (usize, usize),
) -> Outcome<Any<'py>> {
    let pose = pose_of(angle, scale, &shift)?;
    let points = Input::<f64>::new("points", &points)?;
    if points.shape() == [2] {
        return Ok(pose.apply(points.point()?, shape).to_python(py)?);
    }
    let moved = points.rows()?.into_iter().map(|point| pose.apply(point, shape));
    Ok(moved.collect::<Vec<[f64; 2]>>().to_python(py)?)
}

#[pyfunction]
fn pose_inverse<'py>(py: Python<'py>, angle: f64, scale: f64, shift: Any<'py>) -> Outcome<Any<'py>> {
    Ok(pose_of(angle, scale, &shift)?.inverse().to_python(py)?)
}

#[pyfunction]
fn zero_lag(n: usize) -> usize {
    r::zero_lag(n)
}

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<RegistrationPlan>()?;
    module.add_class::<SimilarityPlan>()?;
    for function in [
        wrap_pyfunction!(register, module)?,
        wrap_pyfunction!(pose_apply, module)?,
        wrap_pyfunction!(pose_inverse, module)?,
        wrap_pyfunction!(zero_lag, module)?,
        wrap_pyfunction!(register_nd, module)?,
        wrap_pyfunction!(register_masked, module)?,
        wrap_pyfunction!(masked_correlation, module)?,
        wrap_pyfunction!(phase_cross_correlation, module)?,
        wrap_pyfunction!(cross_correlation_shifts, module)?,
        wrap_pyfunction!(register_images, module)?,
        wrap_pyfunction!(registered, module)?,
        wrap_pyfunction!(correlate, module)?,
        wrap_pyfunction!(fourier_shift, module)?,
        wrap_pyfunction!(spline_shift, module)?,
        wrap_pyfunction!(register_series, module)?,
        wrap_pyfunction!(register_similarity, module)?,
        wrap_pyfunction!(posed, module)?,
        wrap_pyfunction!(warp_polar, module)?,
        wrap_pyfunction!(tvl1, module)?,
        wrap_pyfunction!(lucas_kanade, module)?,
        wrap_pyfunction!(warp, module)?,
    ] {
        module.add_function(function)?;
    }
    Ok(())
}
