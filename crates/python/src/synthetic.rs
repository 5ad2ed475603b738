//! `pynonius.synthetic`: images whose truth is known because it was put there.

use ndarray::{Array2, Array3, ArrayD, Axis, Ix2, Ix3};
use nonius::Error;
use nonius::synthetic as s;
use numpy::Element;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rayon::prelude::*;

use crate::arrays::{Input, image_shape};
use crate::errors::{Failure, Outcome};
use crate::params::{Spelling::HyphensInVariants, of_keywords};
use crate::records::{ToPython, record};
use crate::tomography::Geometry;
use crate::work;

type Any<'py> = Bound<'py, PyAny>;
type Keywords<'py> = Bound<'py, PyDict>;

record!("pynonius.synthetic", ImagePair, s::ImagePair as r { reference, moving, truth });
record!("pynonius.synthetic", ImagePairTruth, s::ImagePairTruth as r {
    shift, angle, scale, reference, moving, reference_sigma, moving_sigma,
});
record!("pynonius.synthetic", ImageSeries, s::ImageSeries as r { frames, shifts });
record!("pynonius.synthetic", DiffractionFrame, s::DiffractionFrame as r { frame, truth });
record!("pynonius.synthetic", DiffractionTruth, s::DiffractionTruth as r {
    clean, indices, positions, electrons, bad,
});
record!("pynonius.synthetic", CbedFrame, s::CbedFrame as r { frame, indices, positions });

/// Frames over a scan and the lattice at each position.
struct Scanned<T> {
    frames: ArrayD<T>,
    zero: Array3<f64>,
    a: Array3<f64>,
    b: Array3<f64>,
}
record!("pynonius.synthetic", DiffractionScan, Scanned<f64> as r { frames, zero, a, b });

record!("pynonius.synthetic", Grain, s::Grain as r {
    seed,
    phase,
    rotation,
    rotation_gradient,
    strain,
    strain_gradient,
    tilt,
    bend,
});
record!("pynonius.synthetic", PolycrystalTruth, s::PolycrystalTruth as r {
    grains,
    labels = numbers(&r.labels),
    phases = numbers(&r.phases),
    boundary_distance,
    share,
    superlattice,
    zero,
    a,
    b,
    strain_xx,
    strain_yy,
    strain_xy,
    rotation,
    thickness,
});

fn numbers(labels: &Array2<Option<usize>>) -> Array2<i64> {
    labels.mapv(|label| label.map_or(-1, |label| label as i64))
}

/// Frames of a polycrystal with what is true of them.
struct Polycrystal {
    frames: ArrayD<u16>,
    truth: s::PolycrystalTruth,
}
record!("pynonius.synthetic", Polycrystal, Polycrystal as r { frames, truth });

/// A tilt series, its geometries handed over already.
struct TiltSeries {
    geometry: Py<PyAny>,
    images: Option<Array3<f32>>,
    truth: TiltSeriesTruth,
}
record!("pynonius.synthetic", TiltSeries, TiltSeries as r { geometry, images, truth });

struct TiltSeriesTruth {
    geometry: Py<PyAny>,
    offsets: Vec<[f64; 2]>,
    rotation_errors: Vec<[f64; 3]>,
    volume: Array3<f32>,
    line_integrals: Array3<f64>,
}
record!("pynonius.synthetic", TiltSeriesTruth, TiltSeriesTruth as r {
    geometry, offsets, rotation_errors, volume, line_integrals,
});

#[pyfunction]
#[pyo3(signature = (**params))]
fn image_pair<'py>(py: Python<'py>, params: Option<Keywords<'py>>) -> Outcome<Any<'py>> {
    let params: s::ImagePairParams = of_keywords(params.as_ref(), HyphensInVariants)?;
    Ok(work::run(py, None, |_| Ok(params.generate()?))?.to_python(py)?)
}

/// One of the scenes that tests of registration share.
#[pyfunction]
fn scene_pair<'py>(
    py: Python<'py>,
    scene: &str,
    shift: Any<'py>,
    sigma: f64,
    seed: u64,
) -> Outcome<Any<'py>> {
    let shift = Input::<f64>::new("shift", &shift)?.point()?;
    let params = match scene {
        "a" => s::ImagePairParams::scene_a(shift, sigma, seed),
        "ab" => s::ImagePairParams::scene_ab(shift, sigma, seed),
        "b" => s::ImagePairParams::scene_b(shift, sigma, seed),
        "c" => s::ImagePairParams::scene_c(shift, sigma, seed),
        _ => return Err(Error::parameter("scene", "\"a\", \"ab\", \"b\" or \"c\"", scene).into()),
    };
    Ok(work::run(py, None, |_| Ok(params.generate()?))?.to_python(py)?)
}

#[pyfunction]
#[pyo3(signature = (*, progress=None, **params))]
fn image_series<'py>(
    py: Python<'py>,
    progress: Option<Py<PyAny>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: s::ImageSeriesParams = of_keywords(params.as_ref(), HyphensInVariants)?;
    check_size(params.n_frames, params.scene.shape)?;
    let made = work::run(py, progress, |progress| Ok(s::ImageSeriesPlan::new(&params)?.run_with(progress)?))?;
    Ok(made.to_python(py)?)
}

/// Frames that are made at once are kept in memory.
fn check_size(n: usize, [h, w]: [usize; 2]) -> Outcome<()> {
    let n_pixels = n.checked_mul(h).and_then(|n| n.checked_mul(w));
    if n_pixels.is_none_or(|n| n > 1 << 30) {
        let got = format!("{n} of {h} × {w}");
        return Err(Error::parameter("frames", "of at most 2^30 pixels in all", got).into());
    }
    Ok(())
}

#[pyfunction]
fn near_repetitions<'py>(py: Python<'py>, shape: (usize, usize), shift: Any<'py>) -> Outcome<Any<'py>> {
    let shift = Input::<f64>::new("shift", &shift)?.point()?;
    let (h, w) = image_shape("shape", shape)?;
    Ok(s::near_repetitions([h, w], shift).to_python(py)?)
}

#[pyfunction]
#[pyo3(signature = (clean, seed=0, **params))]
fn add_noise<'py>(
    py: Python<'py>,
    clean: Any<'py>,
    seed: u64,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: s::NoiseParams = of_keywords(params.as_ref(), HyphensInVariants)?;
    let clean = Input::<f64>::new("clean", &clean)?;
    let clean = clean.view::<Ix2>()?;
    Ok(work::here(py, || Ok(params.add(clean, seed)?))?.to_python(py)?)
}

#[pyfunction]
#[pyo3(signature = (clean, **params))]
fn noise_sigma<'py>(py: Python<'py>, clean: Any<'py>, params: Option<Keywords<'py>>) -> Outcome<Any<'py>> {
    let params: s::NoiseParams = of_keywords(params.as_ref(), HyphensInVariants)?;
    let clean = Input::<f64>::new("clean", &clean)?;
    Ok(params.sigma_map(clean.view::<Ix2>()?)?.to_python(py)?)
}

#[pyfunction]
#[pyo3(signature = (shape, **params))]
fn noise_spectrum<'py>(
    py: Python<'py>,
    shape: (usize, usize),
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: s::NoiseParams = of_keywords(params.as_ref(), HyphensInVariants)?;
    let (h, w) = image_shape("shape", shape)?;
    Ok(params.power_spectrum([h, w])?.to_python(py)?)
}

#[pyfunction]
#[pyo3(signature = (**params))]
fn diffraction_frame<'py>(py: Python<'py>, params: Option<Keywords<'py>>) -> Outcome<Any<'py>> {
    let params: s::DiffractionParams = of_keywords(params.as_ref(), HyphensInVariants)?;
    Ok(work::here(py, || Ok(params.generate()?))?.to_python(py)?)
}

#[pyfunction]
#[pyo3(signature = (**params))]
fn cbed_frame<'py>(py: Python<'py>, params: Option<Keywords<'py>>) -> Outcome<Any<'py>> {
    let params: s::CbedParams = of_keywords(params.as_ref(), HyphensInVariants)?;
    Ok(work::here(py, || Ok(params.generate()?))?.to_python(py)?)
}

/// Frames made by any number of threads, over a scan of `shape`; one after another if some are missing.
fn all_frames<T: Element + Copy + Default>(
    n: usize,
    shape: (usize, usize),
    progress: &dyn nonius::Progress,
    frame: impl Fn(usize) -> nonius::Result<Array2<T>> + Sync,
) -> Outcome<ArrayD<T>> {
    progress.start("frames", n as u64);
    let made: nonius::Result<Vec<Array2<T>>> = (0..n)
        .into_par_iter()
        .map(|index| {
            if progress.cancelled() {
                return Err(Error::Cancelled);
            }
            let frame = frame(index)?;
            progress.advance(1);
            Ok(frame)
        })
        .collect();
    progress.finish();
    let made = made?;
    let views: Vec<_> = made.iter().map(|frame| frame.view()).collect();
    let joined =
        ndarray::stack(Axis(0), &views).map_err(|_| Error::Empty { what: "frames", got: vec![n] })?;
    let (_, h, w) = joined.dim();
    let over_scan = [shape.0, shape.1, h, w];
    if n == shape.0 * shape.1 {
        let reshaped = joined.into_shape_with_order(&over_scan[..]);
        return reshaped.map_err(|error| Failure::input(format!("frames: {error}")));
    }
    Ok(joined.into_dyn())
}

#[pyfunction]
#[pyo3(signature = (*, progress=None, **params))]
fn diffraction_scan<'py>(
    py: Python<'py>,
    progress: Option<Py<PyAny>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: s::DiffractionScanParams = of_keywords(params.as_ref(), HyphensInVariants)?;
    check_size(params.scan[0].saturating_mul(params.scan[1]), params.frame.shape)?;
    let made = work::run(py, progress, |progress| {
        let scan = s::DiffractionScan::new(&params)?;
        let (ny, nx) = scan.scan_shape();
        let frame = |index| Ok(scan.frame_with_truth(index)?.frame);
        Ok(Scanned {
            frames: all_frames(ny * nx, (ny, nx), progress, frame)?,
            zero: scan.zero().to_owned(),
            a: scan.a().to_owned(),
            b: scan.b().to_owned(),
        })
    })?;
    Ok(made.to_python(py)?)
}

#[pyfunction]
#[pyo3(signature = (*, progress=None, **params))]
fn polycrystal<'py>(
    py: Python<'py>,
    progress: Option<Py<PyAny>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: s::PolycrystalParams = of_keywords(params.as_ref(), HyphensInVariants)?;
    check_size(params.scan[0].saturating_mul(params.scan[1]), params.shape)?;
    let made = work::run(py, progress, |progress| {
        let scan = s::PolycrystalScan::new(&params)?;
        let n = nonius::FrameSource::n_frames(&scan);
        let frame = |index| Ok(scan.frame_with_truth(index)?.frame);
        let frames = all_frames(n, scan.scan_shape(), progress, frame)?;
        Ok(Polycrystal { frames, truth: scan.truth().clone() })
    })?;
    Ok(made.to_python(py)?)
}

#[pyfunction]
#[pyo3(signature = (volume=None, **params))]
fn tilt_series<'py>(
    py: Python<'py>,
    volume: Option<Any<'py>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: s::TiltSeriesParams = of_keywords(params.as_ref(), HyphensInVariants)?;
    let volume = Input::<f32>::optional("volume", &volume)?;
    let volume = volume.as_ref().map(Input::view::<Ix3>).transpose()?;
    let made = work::run(py, None, |_| {
        Ok(match volume {
            Some(volume) => params.generate_of(volume)?,
            None => params.generate()?,
        })
    })?;
    let geometry = |geometry| Ok::<_, PyErr>(Py::new(py, Geometry(geometry))?.into_any());
    let truth = TiltSeriesTruth {
        geometry: geometry(made.truth.geometry)?,
        offsets: made.truth.offsets,
        rotation_errors: made.truth.rotation_errors,
        volume: made.truth.volume,
        line_integrals: made.truth.line_integrals,
    };
    let series = TiltSeries { geometry: geometry(made.series.geometry)?, images: made.series.images, truth };
    Ok(series.to_python(py)?)
}

#[pyfunction]
fn project_voxels<'py>(py: Python<'py>, volume: Any<'py>, geometry: &Geometry) -> Outcome<Any<'py>> {
    let volume = Input::<f32>::new("volume", &volume)?;
    let volume = volume.view::<Ix3>()?;
    Ok(work::run(py, None, |_| Ok(s::project_voxels(volume, &geometry.0)?))?.to_python(py)?)
}

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    for function in [
        wrap_pyfunction!(image_pair, module)?,
        wrap_pyfunction!(scene_pair, module)?,
        wrap_pyfunction!(image_series, module)?,
        wrap_pyfunction!(near_repetitions, module)?,
        wrap_pyfunction!(add_noise, module)?,
        wrap_pyfunction!(noise_sigma, module)?,
        wrap_pyfunction!(noise_spectrum, module)?,
        wrap_pyfunction!(diffraction_frame, module)?,
        wrap_pyfunction!(cbed_frame, module)?,
        wrap_pyfunction!(diffraction_scan, module)?,
        wrap_pyfunction!(polycrystal, module)?,
        wrap_pyfunction!(tilt_series, module)?,
        wrap_pyfunction!(project_voxels, module)?,
    ] {
        module.add_function(function)?;
    }
    Ok(())
}
