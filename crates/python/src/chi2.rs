//! `pynonius.chi2`.

use std::cell::RefCell;

use ndarray::{Array2, ArrayView2, Ix2};
use nonius::chi2::{self as c, Chi2Image, compatible};
use nonius::core::Frame;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{Accepts, Input, image_shape, in_their_precision};
use crate::errors::{Failure, Outcome};
use crate::params::{self, Spelling::Underscores, of_keywords};
use crate::pickles::{self, Pickled};
use crate::records::{ToPython, Word, record};
use crate::work;

record!("pynonius.chi2", Chi2Shift, c::Chi2Shift as r {
    shift,
    covariance,
    errors,
    chi2,
    degrees_of_freedom,
    gain,
    offset,
    overlap,
    status = Word(r.status),
    competing = r.competing.clone(),
    scaled_by_residuals,
    correlated,
    reduced_chi2 = r.reduced_chi2(),
    standard_errors = r.standard_errors(),
});
record!("pynonius.chi2", GridShift, compatible::GridShift as r {
    dx, dy, err_x, err_y, x_low_high, y_low_high, step, x, y, map,
});
record!("pynonius.chi2", MapErrors, compatible::MapErrors as r { x_low_high, y_low_high });

/// χ² by lag, with the lag of its first element.
struct Map {
    chi2: Array2<f64>,
    reduced: Array2<f64>,
    overlap: Array2<f64>,
    first_lag: [i64; 2],
    periodic: bool,
}
record!("pynonius.chi2", Chi2Map, Map as r { chi2, reduced, overlap, first_lag, periodic });

/// χ² and its terms, the last of which is a number or a map.
struct Terms {
    map: Array2<f64>,
    term1: f64,
    term2: Array2<f64>,
    term3: Py<PyAny>,
}
record!("pynonius.chi2", Chi2nMap, Terms as r { map, term1, term2, term3 });

type Any<'py> = Bound<'py, PyAny>;
type Keywords<'py> = Bound<'py, PyDict>;

/// σ of an image's pixels: nothing, a number, or one for each.
enum Sigma<'py, T: Accepts> {
    Unknown,
    Uniform(f64),
    PerPixel(Input<'py, T>),
}

impl<'py, T: Accepts> Sigma<'py, T> {
    fn new(name: &'static str, object: &Option<Any<'py>>) -> Outcome<Self> {
        Ok(match object {
            None => Sigma::Unknown,
            Some(object) => match object.extract::<f64>() {
                Ok(sigma) => Sigma::Uniform(sigma),
                Err(_) => Sigma::PerPixel(Input::new(name, object)?),
            },
        })
    }
}

/// What is known of an image beside its pixels.
struct About<'py, T: Accepts> {
    sigma: Sigma<'py, T>,
    mask: Option<Input<'py, bool>>,
}

impl<T: Accepts + nonius::Real> About<'_, T> {
    fn of<'a>(
        &'a self,
        image: ArrayView2<'a, T>,
        spectrum: Option<&'a c::NoiseSpectrum>,
    ) -> Outcome<Chi2Image<'a, T>> {
        let image = Chi2Image::new(image);
        let image = match &self.sigma {
            Sigma::Unknown => image,
            Sigma::Uniform(sigma) => image.with_sigma(*sigma),
            Sigma::PerPixel(sigmas) => image.with_sigmas(sigmas.view::<Ix2>()?),
        };
        let image = match &self.mask {
            None => image,
            Some(mask) => image.with_mask(mask.view::<Ix2>()?),
        };
        Ok(match spectrum {
            None => image,
            Some(spectrum) => image.with_spectrum(spectrum),
        })
    }
}

/// Power of noise that neighbouring pixels share, by frequency in the order of `numpy.fft.fft2`.
#[pyclass(module = "pynonius.chi2", frozen)]
struct NoiseSpectrum {
    spectrum: c::NoiseSpectrum,
    origin: Origin,
}

/// What a spectrum is made from again, to the last bit.
enum Origin {
    Power(Array2<f64>),
    BlankRegion(Array2<f64>, (usize, usize)),
}

#[pymethods]
impl NoiseSpectrum {
    #[new]
    fn new(power: Any<'_>) -> Outcome<Self> {
        let power = Input::<f64>::new("power", &power)?.view::<Ix2>()?.to_owned();
        Ok(NoiseSpectrum { spectrum: c::NoiseSpectrum::new(power.view())?, origin: Origin::Power(power) })
    }

    /// Power that depends on the frequency alone: `power` is called with each, cycles per px.
    #[staticmethod]
    fn isotropic(shape: (usize, usize), power: Any<'_>) -> Outcome<Self> {
        let (powers, raised) = (RefCell::new(vec![]), RefCell::new(None));
        let at = |frequency: f64| {
            // Once it has raised an error it is not called again.
            let value = match *raised.borrow() {
                None => power.call1((frequency,)).and_then(|value| value.extract::<f64>()),
                Some(_) => Ok(f64::NAN),
            };
            let value = value.unwrap_or_else(|error| {
                *raised.borrow_mut() = Some(error);
                f64::NAN
            });
            powers.borrow_mut().push(value);
            value
        };
        let made = c::NoiseSpectrum::isotropic(image_shape("shape", shape)?, at);
        if let Some(error) = raised.into_inner() {
            return Err(error.into());
        }
        let spectrum = made?;
        let powers = Array2::from_shape_vec(shape, powers.into_inner());
        let powers = powers.map_err(|error| Failure::input(format!("power: {error}")))?;
        Ok(NoiseSpectrum { spectrum, origin: Origin::Power(powers) })
    }

    /// The noise of a part of an image where there is nothing else, for frames of `shape`.
    #[staticmethod]
    fn from_blank_region(region: Any<'_>, shape: (usize, usize)) -> Outcome<Self> {
        let shape = image_shape("shape", shape)?;
        in_their_precision!((region) F => {
            let region = region.view::<Ix2>()?;
            let origin = Origin::BlankRegion(region.mapv(f64::from), shape);
            Ok(NoiseSpectrum { spectrum: c::NoiseSpectrum::from_blank_region(region, shape)?, origin })
        })
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Pickled<'py>> {
        match &self.origin {
            Origin::Power(power) => pickles::by(py, "NoiseSpectrum", vec![power.clone().to_python(py)?]),
            Origin::BlankRegion(region, shape) => {
                pickles::by(py, "spectrum_again", vec![region.clone().to_python(py)?, shape.to_python(py)?])
            }
        }
    }

    fn __repr__(&self) -> String {
        format!("<NoiseSpectrum for frames {:?}, sigma {}>", self.spectrum.power().dim(), self.sigma())
    }

    /// Standard deviation of the noise of a pixel.
    #[getter]
    fn sigma(&self) -> f64 {
        self.spectrum.sigma()
    }

    /// Power by frequency, of mean 1.
    #[getter]
    fn power<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        self.spectrum.power().to_owned().to_python(py)
    }
}

#[pyfunction]
fn spectrum_again(region: Any<'_>, shape: (usize, usize)) -> Outcome<NoiseSpectrum> {
    NoiseSpectrum::from_blank_region(region, shape)
}

/// The images with all that was said of them, in their precision, for `body`.
macro_rules! with_images {
    ($py:ident, $reference:ident, $moving:ident, $about:ident, |$r:ident, $m:ident| $body:expr) => {
        in_their_precision!(($reference, $moving) F => {
            let of_reference = About::<F> {
                sigma: Sigma::new("reference_sigma", &$about.reference_sigma)?,
                mask: Input::optional("reference_mask", &$about.reference_mask)?,
            };
            let of_moving = About::<F> {
                sigma: Sigma::new("sigma", &$about.sigma)?,
                mask: Input::optional("mask", &$about.mask)?,
            };
            let spectrum = $about.spectrum.as_ref().map(|spectrum| &spectrum.get().spectrum);
            let $r = of_reference.of($reference.view::<Ix2>()?, None)?;
            let $m = of_moving.of($moving.view::<Ix2>()?, spectrum)?;
            $body
        })
    };
}

/// The keywords that are about the images; the rest are parameters.
struct Images<'py> {
    sigma: Option<Any<'py>>,
    mask: Option<Any<'py>>,
    reference_sigma: Option<Any<'py>>,
    reference_mask: Option<Any<'py>>,
    spectrum: Option<Bound<'py, NoiseSpectrum>>,
}

#[pyfunction]
#[pyo3(signature = (
    reference, moving, *, sigma=None, mask=None, reference_sigma=None, reference_mask=None, spectrum=None, **params
))]
fn chi2_shift<'py>(
    py: Python<'py>,
    reference: Any<'py>,
    moving: Any<'py>,
    sigma: Option<Any<'py>>,
    mask: Option<Any<'py>>,
    reference_sigma: Option<Any<'py>>,
    reference_mask: Option<Any<'py>>,
    spectrum: Option<Bound<'py, NoiseSpectrum>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: c::Chi2Params = of_keywords(params.as_ref(), Underscores)?;
    let about = Images { sigma, mask, reference_sigma, reference_mask, spectrum };
    with_images!(py, reference, moving, about, |reference, moving| {
        Ok(work::here(py, || Ok(c::chi2_shift(&reference, &moving, &params)?))?.to_python(py)?)
    })
}

#[pyfunction]
#[pyo3(signature = (
    reference, moving, *, sigma=None, mask=None, reference_sigma=None, reference_mask=None, spectrum=None, **params
))]
fn chi2_map<'py>(
    py: Python<'py>,
    reference: Any<'py>,
    moving: Any<'py>,
    sigma: Option<Any<'py>>,
    mask: Option<Any<'py>>,
    reference_sigma: Option<Any<'py>>,
    reference_mask: Option<Any<'py>>,
    spectrum: Option<Bound<'py, NoiseSpectrum>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: c::Chi2Params = of_keywords(params.as_ref(), Underscores)?;
    let about = Images { sigma, mask, reference_sigma, reference_mask, spectrum };
    with_images!(py, reference, moving, about, |reference, moving| {
        let map = work::here(py, || {
            let map = c::chi2_map(&reference, &moving, &params)?;
            Ok(Map {
                reduced: map.reduced(&params),
                first_lag: map.lag((0, 0)).map(|lag| lag as i64),
                periodic: map.frame == Frame::Periodic,
                chi2: map.chi2,
                overlap: map.overlap,
            })
        })?;
        Ok(map.to_python(py)?)
    })
}

#[pyfunction]
#[pyo3(signature = (
    reference, moving, center, reach, n, *,
    sigma=None, mask=None, reference_sigma=None, reference_mask=None, spectrum=None, **params
))]
fn chi2_surface<'py>(
    py: Python<'py>,
    reference: Any<'py>,
    moving: Any<'py>,
    center: Any<'py>,
    reach: Any<'py>,
    n: usize,
    sigma: Option<Any<'py>>,
    mask: Option<Any<'py>>,
    reference_sigma: Option<Any<'py>>,
    reference_mask: Option<Any<'py>>,
    spectrum: Option<Bound<'py, NoiseSpectrum>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: c::Chi2Params = of_keywords(params.as_ref(), Underscores)?;
    let center = Input::<f64>::new("center", &center)?.point()?;
    let reach = Input::<f64>::new("reach", &reach)?.point()?;
    let about = Images { sigma, mask, reference_sigma, reference_mask, spectrum };
    with_images!(py, reference, moving, about, |reference, moving| {
        let surface =
            work::here(py, || Ok(c::chi2_surface(&reference, &moving, &params, center, reach, n)?))?;
        Ok(surface.to_python(py)?)
    })
}

#[pyfunction]
fn delta_chi2(n_sigma: f64, n_parameters: usize) -> Outcome<f64> {
    Ok(c::delta_chi2(n_sigma, n_parameters)?)
}

impl<'py> Sigma<'py, f64> {
    fn compatible(&self) -> Outcome<compatible::PixelError<'_>> {
        Ok(match self {
            Sigma::Unknown => compatible::PixelError::Unit,
            Sigma::Uniform(sigma) => compatible::PixelError::Uniform(*sigma),
            Sigma::PerPixel(sigmas) => compatible::PixelError::PerPixel(sigmas.view::<Ix2>()?),
        })
    }
}

#[pyfunction]
#[pyo3(signature = (im1, im2, err=None, **params))]
fn grid_chi2_shift<'py>(
    py: Python<'py>,
    im1: Any<'py>,
    im2: Any<'py>,
    err: Option<Any<'py>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: compatible::Chi2ShiftParams = of_keywords(params.as_ref(), Underscores)?;
    let (im1, im2) = (Input::<f64>::new("im1", &im1)?, Input::<f64>::new("im2", &im2)?);
    let sigma = Sigma::new("err", &err)?;
    let (reference, moving, err) = (im1.view::<Ix2>()?, im2.view::<Ix2>()?, sigma.compatible()?);
    let found = work::here(py, || Ok(compatible::chi2_shift(reference, moving, err, &params)?))?;
    Ok(found.to_python(py)?)
}

#[pyfunction]
#[pyo3(signature = (im1, im2, err=None, **params))]
fn grid_chi2_shift_iterzoom<'py>(
    py: Python<'py>,
    im1: Any<'py>,
    im2: Any<'py>,
    err: Option<Any<'py>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: compatible::IterativeZoomParams = of_keywords(params.as_ref(), Underscores)?;
    let (im1, im2) = (Input::<f64>::new("im1", &im1)?, Input::<f64>::new("im2", &im2)?);
    let sigma = Sigma::new("err", &err)?;
    let (reference, moving, err) = (im1.view::<Ix2>()?, im2.view::<Ix2>()?, sigma.compatible()?);
    let found = work::here(py, || Ok(compatible::chi2_shift_iterzoom(reference, moving, err, &params)?))?;
    Ok(found.to_python(py)?)
}

#[pyfunction]
#[pyo3(signature = (im1, im2, err=None, zeromean=false, reduced=false))]
fn chi2n_map<'py>(
    py: Python<'py>,
    im1: Any<'py>,
    im2: Any<'py>,
    err: Option<Any<'py>>,
    zeromean: bool,
    reduced: bool,
) -> Outcome<Any<'py>> {
    let (im1, im2) = (Input::<f64>::new("im1", &im1)?, Input::<f64>::new("im2", &im2)?);
    let sigma = Sigma::new("err", &err)?;
    let (reference, moving, err) = (im1.view::<Ix2>()?, im2.view::<Ix2>()?, sigma.compatible()?);
    let found = work::here(py, || Ok(compatible::chi2n_map(reference, moving, err, zeromean, reduced)?))?;
    let term3 = match found.term3 {
        compatible::Term3::Scalar(value) => value.to_python(py)?,
        compatible::Term3::Map(map) => map.to_python(py)?,
    };
    let terms = Terms { map: found.map, term1: found.term1, term2: found.term2, term3: term3.unbind() };
    Ok(terms.to_python(py)?)
}

#[pyfunction]
#[pyo3(signature = (chi2map, zoomfactor=1.0, nsigma=1.0, nfitted=2))]
fn chi2map_to_errors<'py>(
    py: Python<'py>,
    chi2map: Any<'py>,
    zoomfactor: f64,
    nsigma: f64,
    nfitted: usize,
) -> Outcome<Any<'py>> {
    let map = Input::<f64>::new("chi2map", &chi2map)?;
    let errors = compatible::chi2map_to_errors(map.view::<Ix2>()?, zoomfactor, nsigma, nfitted)?;
    Ok(errors.to_python(py)?)
}

/// What pairs of one shape share: keywords as in `pynonius.chi2.Chi2Params`.
#[pyclass(module = "pynonius.chi2", frozen)]
struct Chi2Plan {
    single: c::Chi2Plan<f32>,
    double: c::Chi2Plan<f64>,
    params: c::Chi2Params,
}

/// The plan of a precision.
trait Of: nonius::Real + Accepts {
    fn of(plan: &Chi2Plan) -> &c::Chi2Plan<Self>;
}

impl Of for f32 {
    fn of(plan: &Chi2Plan) -> &c::Chi2Plan<f32> {
        &plan.single
    }
}

impl Of for f64 {
    fn of(plan: &Chi2Plan) -> &c::Chi2Plan<f64> {
        &plan.double
    }
}

#[pymethods]
impl Chi2Plan {
    #[new]
    #[pyo3(signature = (shape, **params))]
    fn new(shape: (usize, usize), params: Option<Keywords<'_>>) -> Outcome<Self> {
        let params: c::Chi2Params = of_keywords(params.as_ref(), Underscores)?;
        let shape = image_shape("shape", shape)?;
        let (single, double) = (c::Chi2Plan::new(shape, params)?, c::Chi2Plan::new(shape, params)?);
        Ok(Self { single, double, params })
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Pickled<'py>> {
        pickles::by_keywords(py, "Chi2Plan", vec![self.shape().to_python(py)?], &self.params(py)?)
    }

    fn __repr__(&self) -> String {
        format!("<Chi2Plan for images {:?}>", self.shape())
    }

    /// What it was made with, defaults included.
    #[getter]
    fn params<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        params::to_python(py, &self.params)
    }

    /// Shape (y, x) of the images.

    #[getter]
    fn shape(&self) -> (usize, usize) {
        self.double.shape()
    }

    /// The displacement between two images of the plan's shape; keywords as in `chi2_shift`.
    #[pyo3(signature = (
        reference, moving, *, sigma=None, mask=None, reference_sigma=None, reference_mask=None, spectrum=None
    ))]
    fn shift<'py>(
        &self,
        py: Python<'py>,
        reference: Any<'py>,
        moving: Any<'py>,
        sigma: Option<Any<'py>>,
        mask: Option<Any<'py>>,
        reference_sigma: Option<Any<'py>>,
        reference_mask: Option<Any<'py>>,
        spectrum: Option<Bound<'py, NoiseSpectrum>>,
    ) -> Outcome<Any<'py>> {
        let about = Images { sigma, mask, reference_sigma, reference_mask, spectrum };
        with_images!(py, reference, moving, about, |reference, moving| {
            let plan = Of::of(self);
            Ok(work::here(py, || Ok(plan.shift(&reference, &moving)?))?.to_python(py)?)
        })
    }
}

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<NoiseSpectrum>()?;
    module.add_class::<Chi2Plan>()?;
    for function in [
        wrap_pyfunction!(chi2_shift, module)?,
        wrap_pyfunction!(spectrum_again, module)?,
        wrap_pyfunction!(chi2_map, module)?,
        wrap_pyfunction!(chi2_surface, module)?,
        wrap_pyfunction!(delta_chi2, module)?,
        wrap_pyfunction!(grid_chi2_shift, module)?,
        wrap_pyfunction!(grid_chi2_shift_iterzoom, module)?,
        wrap_pyfunction!(chi2n_map, module)?,
        wrap_pyfunction!(chi2map_to_errors, module)?,
    ] {
        module.add_function(function)?;
    }
    Ok(())
}
