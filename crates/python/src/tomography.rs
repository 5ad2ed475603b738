//! `pynonius.tomography`.

use nalgebra::{Matrix3, Vector3};
use ndarray::{Array3, Array4, ArrayView3, ArrayView4, Axis, Ix2, Ix3, Ix4};
use nonius::Real;
use nonius::io;
use nonius::tomography::{self as t, alignment as a, rotation_center as rc};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{Accepts, Input, Numbers, image_shape, in_their_precision, with_numbers};
use crate::errors::{Failure, Outcome};
use crate::io::{attributes, text};
use crate::params::{
    Spelling::{Hyphens, Underscores},
    of_keywords,
};
use crate::pickles::{self, Pickled};
use crate::records::{ToPython, Word, record};
use crate::work;

type Any<'py> = Bound<'py, PyAny>;
type Keywords<'py> = Bound<'py, PyDict>;

/// Most voxels, or pixels of a stack, that are allocated for a result: 2^36 numbers are 512 GiB.
const MOST_NUMBERS: u64 = 1 << 36;

/// How every projection was taken.
#[pyclass(module = "pynonius.tomography", frozen, from_py_object)]
#[derive(Clone)]
pub(crate) struct Geometry(pub(crate) t::Geometry);

#[pymethods]
impl Geometry {
    /// A series of rotations `angles` (rad) about `axis`.
    #[staticmethod]
    #[pyo3(signature = (angles, projection_shape, volume_shape, axis=None))]
    fn single_axis(
        angles: Any<'_>,
        projection_shape: [usize; 2],
        volume_shape: [usize; 3],
        axis: Option<Any<'_>>,
    ) -> Outcome<Self> {
        let angles = Input::<f64>::new("angles", &angles)?;
        let axis = Input::<f64>::optional("axis", &axis)?.map(|axis| axis.point()).transpose()?;
        let axis = Vector3::from(axis.unwrap_or([0.0, 0.0, 1.0]));
        checked(t::Geometry::single_axis(axis, angles.slice()?, projection_shape, volume_shape)?)
    }

    /// Rotation matrices (n, 3, 3), and offsets (n, 2) px along j and k.
    #[staticmethod]
    #[pyo3(signature = (rotations, projection_shape, volume_shape, offsets=None, laboratory=None))]
    fn from_rotations(
        rotations: Any<'_>,
        projection_shape: [usize; 2],
        volume_shape: [usize; 3],
        offsets: Option<Any<'_>>,
        laboratory: Option<Any<'_>>,
    ) -> Outcome<Self> {
        let rotations = Input::<f64>::new("rotations", &rotations)?;
        let matrices = rotations.view::<Ix3>()?;
        nonius::core::check_shape("rotations", &[matrices.dim().0, 3, 3], matrices.shape())?;
        let rotation = |m: ndarray::ArrayView2<'_, f64>| Matrix3::from_fn(|i, j| m[[i, j]]);
        let views = matrices.outer_iter().map(|m| t::View::from_rotation(rotation(m))).collect();
        of_views(views, projection_shape, volume_shape, offsets, laboratory)
    }

    /// A goniometer's angles (n,) rad: each view is turned by the inner angle first, then by the outer one. Axes are
    /// (0, 0, −1) and (1, 0, 0) by default.
    #[staticmethod]
    #[pyo3(signature = (
        inner_angles, outer_angles, projection_shape, volume_shape, *,
        inner_axis=None, outer_axis=None, offsets=None, laboratory=None
    ))]
    fn from_angles(
        inner_angles: Any<'_>,
        outer_angles: Any<'_>,
        projection_shape: [usize; 2],
        volume_shape: [usize; 3],
        inner_axis: Option<Any<'_>>,
        outer_axis: Option<Any<'_>>,
        offsets: Option<Any<'_>>,
        laboratory: Option<Any<'_>>,
    ) -> Outcome<Self> {
        let inner = Input::<f64>::new("inner_angles", &inner_angles)?;
        let outer = Input::<f64>::new("outer_angles", &outer_angles)?;
        nonius::core::check_shape("outer_angles", &[inner.slice()?.len()], outer.shape())?;
        let mut angles = t::ViewAngles::default();
        if let Some(axis) = Input::<f64>::optional("inner_axis", &inner_axis)? {
            angles.inner_axis = Vector3::from(axis.point::<3>()?);
        }
        if let Some(axis) = Input::<f64>::optional("outer_axis", &outer_axis)? {
            angles.outer_axis = Vector3::from(axis.point::<3>()?);
        }
        let view = |(&inner_angle, &outer_angle): (&f64, &f64)| {
            t::View::from_angles(t::ViewAngles { inner_angle, outer_angle, ..angles })
        };
        let views = inner.slice()?.iter().zip(outer.slice()?).map(view).collect::<nonius::Result<_>>()?;
        of_views(views, projection_shape, volume_shape, offsets, laboratory)
    }

    /// The same with other offsets (n, 2) px along j and k.
    fn with_offsets(&self, offsets: Any<'_>) -> Outcome<Self> {
        let offsets = Input::<f64>::new("offsets", &offsets)?.rows()?;
        Ok(Geometry(self.0.clone().with_offsets(&offsets)?))
    }

    /// Some of the projections.
    fn subset(&self, indices: Vec<usize>) -> Outcome<Self> {
        Ok(Geometry(self.0.subset(&indices)?))
    }

    /// `offsets` (n, 2) px less what a translation of the sample explains, and that translation.
    fn remove_translation<'py>(&self, py: Python<'py>, offsets: Any<'py>) -> Outcome<(Any<'py>, Any<'py>)> {
        let offsets = Input::<f64>::new("offsets", &offsets)?.rows()?;
        let found = self.0.remove_translation(&offsets)?;
        let translation: [f64; 3] = found.translation.into();
        Ok((found.residuals.to_python(py)?, translation.to_python(py)?))
    }

    /// Singular values of what a translation of the sample does to offsets, largest first, per root of view: where the
    /// last is small, the translation in that direction hardly shows.
    #[getter]
    fn gauge_singular_values<'py>(&self, py: Python<'py>) -> Outcome<Any<'py>> {
        let still = vec![[0.0; 2]; self.0.len()];
        Ok(self.0.remove_translation(&still)?.singular_values.to_python(py)?)
    }

    /// The offsets (n, 2) px after a translation (x, y, z) of the sample, voxels.
    fn translated<'py>(&self, py: Python<'py>, translation: Any<'py>) -> Outcome<Any<'py>> {
        let translation = Input::<f64>::new("translation", &translation)?.point::<3>()?;
        Ok(self.0.translated(Vector3::from(translation)).to_python(py)?)
    }

    /// The same with the reconstruction turned: every rotation becomes `R · rotation`.
    fn rotate_reconstruction(&self, rotation: Any<'_>) -> Outcome<Self> {
        let mut geometry = self.0.clone();
        geometry.rotate_reconstruction(&matrix("rotation", &rotation)?)?;
        Ok(Geometry(geometry))
    }

    /// The same with the laboratory turned: every direction becomes `rotation · direction`.
    fn rotate_laboratory(&self, rotation: Any<'_>) -> Outcome<Self> {
        let mut geometry = self.0.clone();
        geometry.rotate_laboratory(&matrix("rotation", &rotation)?)?;
        Ok(Geometry(geometry))
    }

    /// Directions of the beam, j and k in the laboratory, one row each.
    #[getter]
    fn laboratory<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        let t::Laboratory { p, j, k } = self.0.laboratory;
        let rows: [[f64; 3]; 3] = [p, j, k].map(Into::into);
        rows.to_python(py)
    }

    /// The same seen from the sample, for every view: (n, 3, 3).
    #[getter]
    fn directions<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        let rows = |index| {
            let seen = self.0.directions(index);
            [seen.p, seen.j, seen.k].map(<[f64; 3]>::from)
        };
        (0..self.0.len()).map(rows).collect::<Vec<_>>().to_python(py)
    }

    /// The direction about which views are turned against each other, in the sample; None if there is no one.
    #[getter]
    fn rotation_axis<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        let axis: Option<[f64; 3]> = self.0.rotation_axis().map(Into::into);
        axis.map(|axis| axis.to_vec()).to_python(py)
    }

    /// Shape (n, j, k) of the images.
    #[getter]
    fn stack_shape(&self) -> (usize, usize, usize) {
        self.0.stack_shape().into()
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Geometry>().is_ok_and(|other| other.get().0 == self.0)
    }

    fn __repr__(&self) -> String {
        let (volume, images) = (self.0.volume_shape, self.0.projection_shape);
        format!("<Geometry: {} projections {images:?} of a volume {volume:?}>", self.0.len())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Pickled<'py>> {
        let angles = |view: &t::View| {
            view.angles.map_or([f64::NAN; 8], |a| {
                let ([u, v, w], [x, y, z]) = (a.inner_axis.into(), a.outer_axis.into());
                [a.inner_angle, u, v, w, a.outer_angle, x, y, z]
            })
        };
        let scattering = self.0.scattering.as_ref().map(|s| {
            let directions: [[f64; 3]; 2] = [s.direction_origin, s.direction_positive_90].map(Into::into);
            (s.detector_angles.clone(), directions.map(Vec::from), s.two_theta.clone(), s.full_circle_covered)
        });
        pickles::by(
            py,
            "geometry_again",
            vec![
                self.rotations(py)?,
                self.offsets(py)?,
                self.laboratory(py)?,
                self.0.views.iter().map(angles).collect::<Vec<_>>().to_python(py)?,
                (self.projection_shape(), self.volume_shape()).into_pyobject(py)?.into_any(),
                scattering.into_pyobject(py)?.into_any(),
            ],
        )
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    #[getter]
    fn offsets<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        self.0.offsets().to_python(py)
    }

    #[getter]
    fn rotations<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        let all: Vec<[[f64; 3]; 3]> = self.0.views.iter().map(|view| rows_of(&view.rotation)).collect();
        all.to_python(py)
    }

    #[getter]
    fn volume_shape(&self) -> (usize, usize, usize) {
        self.0.volume_shape.into()
    }

    #[getter]
    fn projection_shape(&self) -> (usize, usize) {
        self.0.projection_shape.into()
    }

    /// Writes a `.geo` file.
    fn write(&self, path: Any<'_>) -> Outcome<()> {
        Ok(io::write_geometry(text(&path)?, &self.0)?)
    }
}

fn of_views(
    views: Vec<t::View>,
    projection_shape: [usize; 2],
    volume_shape: [usize; 3],
    offsets: Option<Any<'_>>,
    laboratory: Option<Any<'_>>,
) -> Outcome<Geometry> {
    let laboratory = match laboratory {
        None => t::Laboratory::default(),
        Some(rows) => {
            let rows = matrix("laboratory", &rows)?;
            let [p, j, k] = [0, 1, 2].map(|i| rows.row(i).transpose());
            t::Laboratory { p, j, k }
        }
    };
    let geometry = t::Geometry { laboratory, views, volume_shape, projection_shape, scattering: None };
    let geometry = match Input::<f64>::optional("offsets", &offsets)? {
        None => geometry,
        Some(offsets) => geometry.with_offsets(&offsets.rows()?)?,
    };
    checked(geometry)
}

fn matrix(name: &'static str, given: &Any<'_>) -> Outcome<Matrix3<f64>> {
    let given = Input::<f64>::new(name, given)?;
    nonius::core::check_shape(name, &[3, 3], given.shape())?;
    Ok(Matrix3::from_row_slice(given.slice()?))
}

/// Angles of the detector, two directions, scattering angles, whether the circle is whole.
type PickledScattering = (Vec<f64>, [[f64; 3]; 2], Vec<f64>, bool);

#[pyfunction]
fn geometry_again(
    rotations: Any<'_>,
    offsets: Any<'_>,
    laboratory: Any<'_>,
    angles: Any<'_>,
    shapes: ([usize; 2], [usize; 3]),
    scattering: Option<PickledScattering>,
) -> Outcome<Geometry> {
    let Geometry(mut geometry) =
        Geometry::from_rotations(rotations, shapes.0, shapes.1, Some(offsets), Some(laboratory))?;
    let angles = Input::<f64>::new("angles", &angles)?.rows::<8>()?;
    nonius::core::check_shape("angles", &[geometry.len(), 8], &[angles.len(), 8])?;
    for (view, [inner_angle, u, v, w, outer_angle, x, y, z]) in geometry.views.iter_mut().zip(angles) {
        let (inner_axis, outer_axis) = (Vector3::new(u, v, w), Vector3::new(x, y, z));
        let known = t::ViewAngles { inner_angle, inner_axis, outer_angle, outer_axis };
        view.angles = (!inner_angle.is_nan()).then_some(known);
    }
    geometry.scattering = scattering.map(|(detector_angles, [origin, positive], two_theta, circle)| {
        nonius::core::tilt_series::Scattering {
            detector_angles,
            direction_origin: origin.into(),
            direction_positive_90: positive.into(),
            two_theta,
            full_circle_covered: circle,
        }
    });
    Ok(Geometry(geometry))
}

/// Zeros, where memory has room for them.
fn zeros<F: Real>(shape: (usize, usize, usize, usize)) -> Outcome<Array4<F>> {
    let n = [shape.0, shape.1, shape.2, shape.3].into_iter().try_fold(1_usize, |n, side| n.checked_mul(side));
    let mut values = Vec::new();
    let room = n.is_some_and(|n| values.try_reserve_exact(n).is_ok());
    values.resize(n.filter(|_| room).unwrap_or_default(), F::zero());
    Array4::from_shape_vec(shape, values)
        .map_err(|_| Failure::input(format!("no memory for an array of shape {shape:?}")))
}

fn rows_of(matrix: &Matrix3<f64>) -> [[f64; 3]; 3] {
    std::array::from_fn(|i| std::array::from_fn(|j| matrix[(i, j)]))
}

/// A geometry that is valid and whose volume and stack can be asked of memory.
fn checked(geometry: t::Geometry) -> Outcome<Geometry> {
    geometry.validate()?;
    for (name, shape) in [("volume_shape", geometry.volume_shape), ("projections", geometry.stack_shape())] {
        let n = shape.iter().try_fold(1_u64, |n, &side| n.checked_mul(side as u64));
        if n.is_none_or(|n| n > MOST_NUMBERS) {
            let error = nonius::Error::parameter(name, "of at most 2^36 numbers", format!("{shape:?}"));
            return Err(error.into());
        }
    }
    Ok(Geometry(geometry))
}

/// Volumes and stacks may leave out the axis of channels; results then do so, too.
struct Channels<'a, F> {
    view: ArrayView4<'a, F>,
    none: bool,
}

fn with_channels<'a, F: Accepts>(input: &'a Input<'_, F>) -> Outcome<Channels<'a, F>> {
    if input.shape().len() == 3 {
        return Ok(Channels { view: input.view::<Ix3>()?.insert_axis(Axis(3)), none: true });
    }
    Ok(Channels { view: input.view::<Ix4>()?, none: false })
}

fn without<'py, F: numpy::Element + Clone>(
    py: Python<'py>,
    array: Array4<F>,
    none: bool,
) -> PyResult<Any<'py>> {
    if none { array.remove_axis(Axis(3)).to_python(py) } else { array.to_python(py) }
}

/// Projects volumes, and back.
#[pyclass(module = "pynonius.tomography", frozen)]
struct Projector {
    single: t::Projector<f32>,
    double: t::Projector<f64>,
}

/// The projector of a precision.
trait Of: Real + Accepts {
    fn of(projector: &Projector) -> &t::Projector<Self>;
}

impl Of for f32 {
    fn of(projector: &Projector) -> &t::Projector<f32> {
        &projector.single
    }
}

impl Of for f64 {
    fn of(projector: &Projector) -> &t::Projector<f64> {
        &projector.double
    }
}

#[pymethods]
impl Projector {
    #[new]
    fn new(geometry: &Geometry) -> Outcome<Self> {
        Ok(Projector { single: t::Projector::new(&geometry.0)?, double: t::Projector::new(&geometry.0)? })
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Pickled<'py>> {
        pickles::by(py, "Projector", vec![Py::new(py, self.geometry())?.into_any().into_bound(py)])
    }

    fn __repr__(&self) -> String {
        format!("Projector({})", self.geometry().__repr__())
    }

    fn __len__(&self) -> usize {
        self.double.len()
    }

    #[getter]
    fn geometry(&self) -> Geometry {
        Geometry(self.double.geometry().clone())
    }

    /// The same with other offsets (n, 2) px.
    fn with_offsets(&self, offsets: Any<'_>) -> Outcome<Self> {
        let offsets = Input::<f64>::new("offsets", &offsets)?.rows()?;
        let (mut single, mut double) = (self.single.clone(), self.double.clone());
        single.set_offsets(&offsets)?;
        double.set_offsets(&offsets)?;
        Ok(Projector { single, double })
    }

    /// Projections (n, j, k[, channel]) of a volume (x, y, z[, channel]); of some `views` if they are given.
    #[pyo3(signature = (volume, views=None))]
    fn forward<'py>(
        &self,
        py: Python<'py>,
        volume: Any<'py>,
        views: Option<Vec<usize>>,
    ) -> Outcome<Any<'py>> {
        in_their_precision!((volume) F => {
            let volume = with_channels(&volume)?;
            let projector = <F as Of>::of(self);
            let [n, j, k] = projector.stack_shape();
            let n = views.as_ref().map_or(n, Vec::len);
            let projections = work::run(py, None, |_| {
                let mut out = zeros::<F>((n, j, k, volume.view.dim().3))?;
                projector.forward(volume.view, views.as_deref(), out.view_mut())?;
                Ok(out)
            })?;
            Ok(without(py, projections, volume.none)?)
        })
    }

    /// The exact adjoint: a volume from projections, of some `views` if they are given.
    #[pyo3(signature = (projections, views=None))]
    fn adjoint<'py>(
        &self,
        py: Python<'py>,
        projections: Any<'py>,
        views: Option<Vec<usize>>,
    ) -> Outcome<Any<'py>> {
        in_their_precision!((projections) F => {
            let stack = with_channels(&projections)?;
            let projector = <F as Of>::of(self);
            let [x, y, z] = projector.volume_shape();
            let volume = work::run(py, None, |_| {
                let mut out = zeros::<F>((x, y, z, stack.view.dim().3))?;
                projector.adjoint(stack.view, views.as_deref(), out.view_mut())?;
                Ok(out)
            })?;
            Ok(without(py, volume, stack.none)?)
        })
    }

    /// The length of every ray within the volume, (n, j, k).
    fn row_sums<'py>(&self, py: Python<'py>) -> Outcome<Any<'py>> {
        Ok(work::run(py, None, |_| Ok(self.double.row_sums()))?.to_python(py)?)
    }

    /// The length of all rays within every voxel, (x, y, z).
    fn col_sums<'py>(&self, py: Python<'py>) -> Outcome<Any<'py>> {
        Ok(work::run(py, None, |_| Ok(self.double.col_sums()))?.to_python(py)?)
    }
}

/// A volume and how the iteration went; the array is handed over already.
struct Reconstruction {
    volume: Py<PyAny>,
    losses: Vec<f64>,
    stop: &'static str,
}
pub(crate) fn stop_word(stop: t::Stop) -> &'static str {
    match stop {
        t::Stop::MaxIterations => "max_iterations",
        t::Stop::Tolerance => "tolerance",
        t::Stop::NoDescent => "no_descent",
        t::Stop::Direct => "direct",
    }
}
record!("pynonius.tomography", Reconstruction, Reconstruction as r { volume, losses, stop });

enum Method {
    Mitra(t::MitraParams),
    Sirt(t::SirtParams),
    Fbp(t::FbpParams),
    Lbfgs(t::LbfgsParams),
}

impl Method {
    fn new(method: &str, params: Option<&Keywords<'_>>) -> Outcome<Self> {
        Ok(match method {
            "mitra" => Method::Mitra(of_keywords(params, Underscores)?),
            "sirt" => Method::Sirt(of_keywords(params, Underscores)?),
            "fbp" => Method::Fbp(of_keywords(params, Underscores)?),
            "lbfgs" => Method::Lbfgs(of_keywords(params, Underscores)?),
            _ => {
                let must_be = "\"mitra\", \"sirt\", \"fbp\" or \"lbfgs\"";
                return Err(nonius::Error::parameter("method", must_be, method).into());
            }
        })
    }

    fn reconstructor<F: Real>(&self) -> &dyn t::Reconstructor<F> {
        match self {
            Method::Mitra(params) => params,
            Method::Sirt(params) => params,
            Method::Fbp(params) => params,
            Method::Lbfgs(params) => params,
        }
    }
}

#[pyfunction]
#[pyo3(signature = (geometry, data, weights=None, *, method="mitra", warm_start=None, progress=None, **params))]
fn reconstruct<'py>(
    py: Python<'py>,
    geometry: &Geometry,
    data: Any<'py>,
    weights: Option<Any<'py>>,
    method: &str,
    warm_start: Option<Any<'py>>,
    progress: Option<Py<PyAny>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let method = Method::new(method, params.as_ref())?;
    in_their_precision!((data) F => {
        let data = with_channels(&data)?;
        let weights = Input::<F>::optional("weights", &weights)?;
        let weights = weights.as_ref().map(with_channels).transpose()?.map(|weights| weights.view);
        let start = Input::<F>::optional("warm_start", &warm_start)?;
        let start = start.as_ref().map(with_channels).transpose()?.map(|start| start.view);
        let found = work::run(py, progress, |progress| {
            let projector = t::Projector::<F>::new(&geometry.0)?;
            Ok(method.reconstructor().reconstruct(&projector, data.view, weights, start, progress)?)
        })?;
        let volume = without(py, found.volume, data.none)?.unbind();
        Ok(Reconstruction { volume, losses: found.losses, stop: stop_word(found.stop) }.to_python(py)?)
    })
}

record!("pynonius.tomography", StepReport, a::StepReport as r { stage, binning, loss, largest, rms });
record!("pynonius.tomography", AlignmentReport, a::AlignmentReport as r {
    method = r.method.clone(),
    offsets = r.offsets.clone(),
    standard_errors = r.standard_errors.clone(),
    history = stacked(&r.history),
    steps = r.steps.clone(),
    stop = Word(r.stop),
    halvings,
    loss,
    loss_at_start,
    residuals = r.residuals.clone(),
    outliers = r.outliers.clone(),
    degenerate = r.degenerate.clone(),
    mass_spread,
    translation,
    centred_by,
    gauge_singular_values,
});

/// Offsets of every step, (step, projection, 2).
fn stacked(history: &[Vec<[f64; 2]>]) -> Array3<f64> {
    let n = history.first().map_or(0, Vec::len);
    Array3::from_shape_fn((history.len(), n, 2), |(step, i, axis)| {
        history[step].get(i).map_or(f64::NAN, |offset| offset[axis])
    })
}

/// An alignment whose arrays are handed over already.
struct Aligned {
    geometry: Py<PyAny>,
    report: a::AlignmentReport,
    volume: Py<PyAny>,
    reprojections: Py<PyAny>,
    start: Option<a::StartingPoint>,
    reasons: Vec<String>,
}
record!("pynonius.tomography", Aligned, Aligned as r {
    geometry, report, volume, reprojections, start = r.start.map(Word), reasons,
});

impl Aligned {
    fn new<F: Real + numpy::Element>(
        py: Python<'_>,
        found: a::Aligned<F>,
        start: Option<a::StartingPoint>,
        reasons: Vec<String>,
    ) -> PyResult<Self> {
        Ok(Aligned {
            geometry: Py::new(py, Geometry(found.geometry))?.into_any(),
            report: found.report,
            volume: found.volume.to_python(py)?.unbind(),
            reprojections: found.reprojections.to_python(py)?.unbind(),
            start,
            reasons,
        })
    }
}

enum Aligner {
    Auto(a::AutoParams),
    OpticalFlow(a::OpticalFlowParams),
    PhaseMatching(a::PhaseMatchingParams),
    Reprojection(a::ReprojectionParams),
}

impl Aligner {
    fn new(method: &str, params: Option<&Keywords<'_>>) -> Outcome<Self> {
        Ok(match method {
            "auto" => Aligner::Auto(of_keywords(params, Underscores)?),
            "optical_flow" => Aligner::OpticalFlow(of_keywords(params, Underscores)?),
            "phase_matching" => Aligner::PhaseMatching(of_keywords(params, Underscores)?),
            "reprojection" => Aligner::Reprojection(of_keywords(params, Underscores)?),
            _ => {
                let must_be = "\"auto\", \"optical_flow\", \"phase_matching\" or \"reprojection\"";
                return Err(nonius::Error::parameter("method", must_be, method).into());
            }
        })
    }
}

#[pyfunction]
#[pyo3(signature = (geometry, images, weights=None, *, method="auto", progress=None, **params))]
fn align<'py>(
    py: Python<'py>,
    geometry: &Geometry,
    images: Any<'py>,
    weights: Option<Any<'py>>,
    method: &str,
    progress: Option<Py<PyAny>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let aligner = Aligner::new(method, params.as_ref())?;
    in_their_precision!((images) F => {
        let weights = Input::<F>::optional("weights", &weights)?;
        let weights = weights.as_ref().map(Input::view::<Ix3>).transpose()?;
        let images = images.view::<Ix3>()?;
        let (found, start, reasons) = work::run(py, progress, |progress| {
            let aligner: &dyn a::Aligner<F> = match &aligner {
                Aligner::Auto(params) => {
                    let found = a::align_auto(&geometry.0, images, weights, params, progress)?;
                    return Ok((found.aligned, Some(found.start), found.reasons));
                }
                Aligner::OpticalFlow(params) => params,
                Aligner::PhaseMatching(params) => params,
                Aligner::Reprojection(params) => params,
            };
            let weights = weights.as_ref().map(|weights| weights.view());
            Ok((a::align(aligner, &geometry.0, images.view(), weights, progress)?, None, vec![]))
        })?;
        Ok(Aligned::new(py, found, start, reasons)?.to_python(py)?)
    })
}

record!("pynonius.tomography", LineAlignment, a::LineAlignment as r { offsets, line, degenerate });
record!("pynonius.tomography", SecondMoments, a::SecondMoments as r {
    covariance = rows_of(&r.covariance),
    residuals = r.residuals.clone(),
    residual_rms,
    angle_errors = r.angle_errors.clone(),
    angle_standard_errors = r.angle_standard_errors.clone(),
});
record!("pynonius.tomography", MomentAlignment, a::MomentAlignment as r {
    offsets = r.offsets.clone(),
    standard_errors = r.standard_errors.clone(),
    masses = r.masses.clone(),
    mass_errors = r.mass_errors.clone(),
    mass_spread,
    truncated,
    pedestals = r.pedestals.clone(),
    noise = r.noise.clone(),
    degenerate = r.degenerate.clone(),
    second = r.second,
});
record!("pynonius.tomography", AxialProfileAlignment, a::AxialProfileAlignment as r {
    offsets, along, standard_errors, direction, profile, scores, degenerate, iterations, last_change,
});
record!("pynonius.tomography", CascadeAlignment, a::CascadeAlignment as r {
    offsets, standard_errors, first, degenerate,
});
record!("pynonius.tomography", TiltAxis, a::TiltAxis as r {
    offset, offset_error, inclination, inclination_error,
});
record!("pynonius.tomography", SliceAlignment, a::SliceAlignment as r {
    offsets, standard_errors, slices, residual, residual_before, axis,
});
record!("pynonius.tomography", CenterEstimate, rc::CenterEstimate as r {
    method = Word(r.method), center, standard_error,
});
record!("pynonius.tomography", RotationCenter, rc::RotationCenter as r {
    center, standard_error, estimates, spread,
});

/// A pre-alignment: images and weights of one precision to offsets.
macro_rules! prealignment {
    ($name:ident, |$geometry:ident, $images:ident, $weights:ident $(, $params:ident: $p:ty)?; $progress:ident| $body:expr) => {
        #[pyfunction]
        #[pyo3(signature = (geometry, images, weights=None, *, progress=None, **params))]
        fn $name<'py>(
            py: Python<'py>,
            geometry: &Geometry,
            images: Any<'py>,
            weights: Option<Any<'py>>,
            progress: Option<Py<PyAny>>,
            params: Option<Keywords<'py>>,
        ) -> Outcome<Any<'py>> {
            let $geometry = &geometry.0;
            $(let $params: $p = of_keywords(params.as_ref(), Underscores)?;)?
            let taken: &[&str] = &[$(stringify!($params)),*];
            no_more(params.as_ref(), taken.len())?;
            in_their_precision!((images) F => {
                let weights = Input::<F>::optional("weights", &weights)?;
                let $weights = weights.as_ref().map(Input::view::<Ix3>).transpose()?;
                let $images: ArrayView3<'_, F> = images.view::<Ix3>()?;
                Ok(work::run(py, progress, |$progress| Ok($body?))?.to_python(py)?)
            })
        }
    };
}

/// A method without parameters takes no keywords.
fn no_more(keywords: Option<&Keywords<'_>>, n_params: usize) -> Outcome<()> {
    match keywords.filter(|_| n_params == 0).and_then(|keywords| keywords.keys().iter().next()) {
        Some(name) => Err(Failure::input(format!("unknown field `{name}`, there are none"))),
        None => Ok(()),
    }
}

prealignment!(align_line, |geometry, images, weights; _progress| a::align_line(geometry, images, weights));
prealignment!(align_moments, |geometry, images, weights, params: a::MomentsParams; _progress| {
    a::align_moments(geometry, images, weights, &params)
});
prealignment!(align_axial_profile, |geometry, images, weights, params: a::AxialProfileParams; _progress| {
    a::align_axial_profile(geometry, images, weights, &params)
});
prealignment!(align_cascade, |geometry, images, weights, params: a::CascadeParams; progress| {
    a::align_cascade(geometry, images, weights, &params, progress)
});
prealignment!(align_slices, |geometry, images, weights, params: a::SlicesParams; _progress| {
    a::align_slices(geometry, images, weights, &params)
});

/// Refined rotations, with the arrays handed over already.
struct AngleRefinement {
    geometry: Py<PyAny>,
    corrections: Vec<[f64; 3]>,
    standard_errors: Vec<[f64; 3]>,
    losses: Vec<f64>,
    stop: a::StopReason,
    volume: Py<PyAny>,
}
record!("pynonius.tomography", AngleRefinement, AngleRefinement as r {
    geometry, corrections, standard_errors, losses, stop = Word(r.stop), volume,
});

#[pyfunction]
#[pyo3(signature = (geometry, images, weights=None, *, progress=None, **params))]
fn refine_angles<'py>(
    py: Python<'py>,
    geometry: &Geometry,
    images: Any<'py>,
    weights: Option<Any<'py>>,
    progress: Option<Py<PyAny>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: a::AngleParams = of_keywords(params.as_ref(), Underscores)?;
    in_their_precision!((images) F => {
        let weights = Input::<F>::optional("weights", &weights)?;
        let weights = weights.as_ref().map(Input::view::<Ix3>).transpose()?;
        let images = images.view::<Ix3>()?;
        let found = work::run(py, progress, |progress| {
            Ok(a::refine_angles(&geometry.0, images, weights, &params, progress)?)
        })?;
        let found = AngleRefinement {
            geometry: Py::new(py, Geometry(found.geometry))?.into_any(),
            corrections: found.corrections,
            standard_errors: found.standard_errors,
            losses: found.losses,
            stop: found.stop,
            volume: found.volume.to_python(py)?.unbind(),
        };
        Ok(found.to_python(py)?)
    })
}

#[pyfunction]
#[pyo3(signature = (sinogram, angles, **params))]
fn rotation_center<'py>(
    py: Python<'py>,
    sinogram: Any<'py>,
    angles: Any<'py>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: rc::RotationCenterParams = of_keywords(params.as_ref(), Underscores)?;
    let angles = Input::<f64>::new("angles", &angles)?;
    let angles = angles.slice()?;
    in_their_precision!((sinogram) F => {
        let sinogram = match sinogram.shape().len() {
            2 => sinogram.view::<Ix2>()?.insert_axis(Axis(1)),
            _ => sinogram.view::<Ix3>()?,
        };
        Ok(work::run(py, None, |_| Ok(rc::rotation_center(sinogram, angles, &params)?))?.to_python(py)?)
    })
}

/// Absorbance with the arrays handed over already.
struct Absorbance {
    absorbance: Py<PyAny>,
    mask: Py<PyAny>,
    reference: Vec<f64>,
    unevenness: Vec<f64>,
}
record!("pynonius.tomography", Absorbance, Absorbance as r { absorbance, mask, reference, unevenness });

#[pyfunction]
#[pyo3(signature = (images, flat=None, dark=None, **params))]
fn absorbance<'py>(
    py: Python<'py>,
    images: Any<'py>,
    flat: Option<Any<'py>>,
    dark: Option<Any<'py>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: t::AbsorbanceParams = of_keywords(params.as_ref(), Underscores)?;
    if flat.is_some() != dark.is_some() {
        return Err(Failure::input("flat and dark must be given together, got one of them".to_owned()));
    }
    in_their_precision!((images) F => {
        let (flat, dark) = (Input::<F>::optional("flat", &flat)?, Input::<F>::optional("dark", &dark)?);
        let flat = flat.as_ref().map(Input::view::<Ix2>).transpose()?;
        let dark = dark.as_ref().map(Input::view::<Ix2>).transpose()?;
        let images = images.view::<Ix3>()?;
        let found = work::run(py, None, |_| {
            Ok(match (flat, dark) {
                (Some(flat), Some(dark)) => t::absorbance_by_fields(&params, images, flat, dark)?,
                _ => t::absorbance(&params, images)?,
            })
        })?;
        let found = Absorbance {
            absorbance: found.absorbance.to_python(py)?.unbind(),
            mask: found.mask.to_python(py)?.unbind(),
            reference: found.reference,
            unevenness: found.unevenness,
        };
        Ok(found.to_python(py)?)
    })
}

/// A tilt series of a file.
struct TiltSeries {
    geometry: Py<PyAny>,
    images: Option<ndarray::Array3<f64>>,
    scattering: Option<Array4<f64>>,
    weights: Array4<f64>,
    pixel_size_nm: Option<f64>,
    angles_from: String,
    warnings: Vec<String>,
    format: io::TiltFormat,
    padding: Vec<[usize; 2]>,
}
record!("pynonius.tomography", TiltSeries, TiltSeries as r {
    geometry,
    images,
    scattering,
    weights,
    pixel_size_nm,
    angles_from,
    warnings,
    format = Word(r.format),
    padding,
});

#[pyfunction]
#[pyo3(signature = (selector, angles_file=None, geometry_file=None, **options))]
fn open_tilt_series<'py>(
    py: Python<'py>,
    selector: &str,
    angles_file: Option<std::path::PathBuf>,
    geometry_file: Option<std::path::PathBuf>,
    options: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let mut options: io::TiltSeriesOptions = of_keywords(options.as_ref(), Hyphens)?;
    (options.angles_file, options.geometry_file) = (angles_file, geometry_file);
    let found = work::here(py, || Ok(io::open_tilt_series::<f64>(selector, &options)?))?;
    let series = TiltSeries {
        geometry: Py::new(py, Geometry(found.series.geometry))?.into_any(),
        images: found.series.images,
        scattering: found.series.scattering,
        weights: found.series.weights,
        pixel_size_nm: found.pixel_size_nm,
        angles_from: found.angles_from,
        warnings: found.warnings,
        format: found.format,
        padding: found.padding,
    };
    Ok(series.to_python(py)?)
}

/// A series of images (n, j, k), scattering channels (n, j, k, channel), or both; weights are 1 by default.
pub(crate) fn series_of<F: Real + Accepts>(
    geometry: &Geometry,
    images: &Option<Any<'_>>,
    scattering: &Option<Any<'_>>,
    weights: &Option<Any<'_>>,
) -> Outcome<t::TiltSeries<F>> {
    let images = Input::<F>::optional("images", images)?;
    let images = images.as_ref().map(Input::view::<Ix3>).transpose()?.map(|images| images.to_owned());
    let scattering = Input::<F>::optional("scattering", scattering)?;
    let scattering = scattering.as_ref().map(Input::view::<Ix4>).transpose()?.map(|data| data.to_owned());
    let weights = match Input::<F>::optional("weights", weights)? {
        Some(weights) => with_channels(&weights)?.view.to_owned(),
        None => {
            let shape = match (&scattering, &images) {
                (Some(data), _) => data.dim(),
                (None, Some(images)) => (images.dim().0, images.dim().1, images.dim().2, 1),
                (None, None) => {
                    return Err(Failure::input("images or scattering must be given, got neither".to_owned()));
                }
            };
            Array4::ones(shape)
        }
    };
    let series = t::TiltSeries { geometry: geometry.0.clone(), images, scattering, weights };
    series.validate()?;
    Ok(series)
}

/// What an alignment found, of anything that has its fields.
fn record_of(given: &Any<'_>) -> Outcome<io::AlignmentRecord> {
    let history = Input::<f64>::new("history", &given.getattr("history")?)?;
    let history = if history.slice()?.is_empty() {
        vec![]
    } else {
        let steps = history.view::<Ix3>()?;
        nonius::core::check_shape("history", &[steps.dim().0, steps.dim().1, 2], steps.shape())?;
        let pair = |row: ndarray::ArrayView1<'_, f64>| [row[0], row[1]];
        steps.outer_iter().map(|step| step.outer_iter().map(pair).collect()).collect()
    };
    let settings: Keywords<'_> = given.getattr("settings")?.cast_into().map_err(PyErr::from)?;
    Ok(io::AlignmentRecord {
        offsets: Input::<f64>::new("offsets", &given.getattr("offsets")?)?.rows()?,
        history,
        max_step: Input::<f64>::new("max_step", &given.getattr("max_step")?)?.slice()?.to_vec(),
        settings: attributes(&Some(settings))?,
    })
}

/// Writes a series in the layout of mumott, with the offsets of its geometry, what an alignment found, and arrays
/// `(group, name, values)` of the caller's own.
#[pyfunction]
fn write_tilt_series(
    path: &str,
    geometry: &Geometry,
    images: Option<Any<'_>>,
    weights: Option<Any<'_>>,
    scattering: Option<Any<'_>>,
    alignment: Option<Any<'_>>,
    arrays: Vec<(String, String, Any<'_>)>,
) -> Outcome<()> {
    let own: Vec<Numbers<'_>> =
        arrays.iter().map(|(_, _, values)| Numbers::new("arrays", values)).collect::<Outcome<_>>()?;
    let record = alignment.as_ref().map(record_of).transpose()?;
    let single = [&images, &scattering].into_iter().flatten().all(crate::arrays::is_single);
    macro_rules! write {
        ($t:ty) => {{
            let series = series_of::<$t>(geometry, &images, &scattering, &weights)?;
            let mut writer = io::TiltSeriesWriter::new(&series)?;
            if let Some(record) = &record {
                writer.alignment(record)?;
            }
            for ((group, name, _), numbers) in arrays.iter().zip(&own) {
                with_numbers!(numbers, |input| writer.array(group, name, input.view::<ndarray::IxDyn>()?));
            }
            Ok(writer.write(path)?)
        }};
    }
    if single { write!(f32) } else { write!(f64) }
}

#[pyfunction]
fn read_offsets<'py>(py: Python<'py>, path: &str, group: &str) -> Outcome<Any<'py>> {
    Ok(work::here(py, || Ok(io::read_offsets(path, group)?))?.to_python(py)?)
}

/// Writes a volume as EMD 1.0.
#[pyfunction]
#[pyo3(signature = (path, volume, voxel=None, unit="px", about=None))]
fn write_volume<'py>(
    py: Python<'py>,
    path: &str,
    volume: Any<'py>,
    voxel: Option<f64>,
    unit: &str,
    about: Option<Keywords<'py>>,
) -> Outcome<()> {
    let about = attributes(&about)?;
    in_their_precision!((volume) F => {
        let volume = volume.view::<Ix3>()?;
        let voxel = voxel.map(|size| (size, unit));
        work::here(py, || Ok(io::write_volume(path, volume, voxel, &about)?))
    })
}

#[pyfunction]
fn read_geometry(py: Python<'_>, path: &str) -> Outcome<(Geometry, Vec<String>)> {
    let found = work::here(py, || Ok(io::read_geometry(path)?))?;
    Ok((checked(found.geometry)?, found.warnings))
}

fn check_axis(axis: usize) -> Outcome<()> {
    if axis < 2 { Ok(()) } else { Err(nonius::Error::parameter("axis", "0 or 1", axis).into()) }
}

#[pyfunction]
fn spectral_gradient<'py>(py: Python<'py>, image: Any<'py>, axis: usize) -> Outcome<Any<'py>> {
    check_axis(axis)?;
    in_their_precision!((image) F => {
        let image = image.view::<Ix2>()?;
        Ok(work::here(py, || Ok(a::image_operations::spectral_gradient(image, axis)?))?.to_python(py)?)
    })
}

#[pyfunction]
fn high_pass_along<'py>(py: Python<'py>, image: Any<'py>, axis: usize, sigma: f64) -> Outcome<Any<'py>> {
    check_axis(axis)?;
    in_their_precision!((image) F => {
        let image = image.view::<Ix2>()?;
        Ok(work::here(py, || Ok(a::image_operations::high_pass_along(image, axis, sigma)?))?.to_python(py)?)
    })
}

#[pyfunction]
fn smooth_edges<'py>(py: Python<'py>, image: Any<'py>) -> Outcome<Any<'py>> {
    in_their_precision!((image) F => {
        let image = image.view::<Ix2>()?;
        Ok(work::here(py, || Ok(a::image_operations::smooth_edges(image)?))?.to_python(py)?)
    })
}

#[pyfunction]
fn tukey_window<'py>(py: Python<'py>, shape: (usize, usize), alpha: f64) -> Outcome<Any<'py>> {
    let shape = image_shape("shape", shape)?;
    Ok(a::image_operations::tukey_window::<f64>(shape.into(), alpha).to_python(py)?)
}

#[pyfunction]
fn outliers<'py>(py: Python<'py>, values: Any<'py>) -> Outcome<Any<'py>> {
    Ok(a::outliers(Input::<f64>::new("values", &values)?.slice()?).to_python(py)?)
}

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Geometry>()?;
    module.add_class::<Projector>()?;
    for function in [
        wrap_pyfunction!(geometry_again, module)?,
        wrap_pyfunction!(read_offsets, module)?,
        wrap_pyfunction!(spectral_gradient, module)?,
        wrap_pyfunction!(high_pass_along, module)?,
        wrap_pyfunction!(smooth_edges, module)?,
        wrap_pyfunction!(tukey_window, module)?,
        wrap_pyfunction!(outliers, module)?,
        wrap_pyfunction!(reconstruct, module)?,
        wrap_pyfunction!(align, module)?,
        wrap_pyfunction!(align_line, module)?,
        wrap_pyfunction!(align_moments, module)?,
        wrap_pyfunction!(align_axial_profile, module)?,
        wrap_pyfunction!(align_cascade, module)?,
        wrap_pyfunction!(align_slices, module)?,
        wrap_pyfunction!(refine_angles, module)?,
        wrap_pyfunction!(rotation_center, module)?,
        wrap_pyfunction!(absorbance, module)?,
        wrap_pyfunction!(open_tilt_series, module)?,
        wrap_pyfunction!(write_tilt_series, module)?,
        wrap_pyfunction!(write_volume, module)?,
        wrap_pyfunction!(read_geometry, module)?,
    ] {
        module.add_function(function)?;
    }
    Ok(())
}
