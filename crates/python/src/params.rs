//! Keyword arguments as the parameters of the crates, and back.

use std::collections::BTreeMap;

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use pythonize::{Depythonizer, pythonize};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::errors::{Failure, Outcome};

/// How a crate spells names of several words; Python's have underscores.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Spelling {
    Underscores,
    Hyphens,
    /// Fields have underscores, variants hyphens.
    HyphensInVariants,
}

/// The parameters that keyword arguments say, the rest at their defaults.
pub(crate) fn of_keywords<P: DeserializeOwned + Default>(
    keywords: Option<&Bound<'_, PyDict>>,
    spelling: Spelling,
) -> Outcome<P> {
    match keywords {
        Some(keywords) if !keywords.is_empty() => of_object(keywords.as_any(), spelling),
        _ => Ok(P::default()),
    }
}

/// A value that serde knows, from one of Python.
pub(crate) fn of_object<P: DeserializeOwned>(object: &Bound<'_, PyAny>, spelling: Spelling) -> Outcome<P> {
    let plain = plain(object, spelling)?;
    serde_path_to_error::deserialize(&mut Depythonizer::from_object(&plain)).map_err(|error| {
        let path = error.path().to_string();
        let problem = error.inner().to_string();
        // Errors of Python's come with the name of their class.
        let problem = problem.split_once("Error: ").map_or(problem.as_str(), |(_, rest)| rest);
        let message = if path == "." { problem.to_owned() } else { format!("{path}: {problem}") };
        Failure::input(if spelling == Spelling::Underscores {
            message
        } else {
            underscores_in_names(&message)
        })
    })
}

/// Containers and numbers of Python's own kinds, names as the crates spell them.
fn plain<'py>(object: &Bound<'py, PyAny>, spelling: Spelling) -> PyResult<Bound<'py, PyAny>> {
    let py = object.py();
    if object.is_none() || object.is_exact_instance_of::<PyFloat>() || object.is_instance_of::<PyBool>() {
        return Ok(object.clone());
    }
    if let Ok(text) = object.cast::<PyString>() {
        return Ok(match spelling {
            Spelling::Underscores => object.clone(),
            Spelling::Hyphens | Spelling::HyphensInVariants => {
                PyString::new(py, &text.to_cow()?.replace('_', "-")).into_any()
            }
        });
    }
    if let Ok(dict) = object.cast::<PyDict>() {
        let renamed = PyDict::new(py);
        let of_keys = if spelling == Spelling::HyphensInVariants { Spelling::Underscores } else { spelling };
        for (key, value) in dict {
            renamed.set_item(plain(&key, of_keys)?, plain(&value, spelling)?)?;
        }
        return Ok(renamed.into_any());
    }
    if object.hasattr("_asdict")? {
        return plain(&object.call_method0("_asdict")?, spelling);
    }
    if let Ok(list) = object.cast::<PyList>() {
        return sequence(py, list.iter(), spelling);
    }
    if let Ok(tuple) = object.cast::<PyTuple>() {
        return sequence(py, tuple.iter(), spelling);
    }
    if object.is_exact_instance_of::<PyInt>() {
        return Ok(object.clone());
    }
    // NumPy's arrays and scalars.
    if object.hasattr("tolist")? {
        return object.call_method0("tolist");
    }
    Ok(object.clone())
}

fn sequence<'py>(
    py: Python<'py>,
    items: impl Iterator<Item = Bound<'py, PyAny>>,
    spelling: Spelling,
) -> PyResult<Bound<'py, PyAny>> {
    let list = PyList::empty(py);
    for item in items {
        list.append(plain(&item, spelling)?)?;
    }
    Ok(list.into_any())
}

/// `n-peaks` between backticks, and before the first colon, is `n_peaks` to a caller.
fn underscores_in_names(message: &str) -> String {
    let (path, problem) = message.split_once(": ").unwrap_or(("", message));
    let quoted = problem.split('`').enumerate().map(|(i, part)| match i % 2 {
        0 => part.to_owned(),
        _ => part.replace('-', "_"),
    });
    let problem = quoted.collect::<Vec<_>>().join("`");
    if path.is_empty() { problem } else { format!("{}: {problem}", path.replace('-', "_")) }
}

/// A value of the crates, in Python's containers and with underscores.
pub(crate) fn to_python<'py>(py: Python<'py>, value: &impl Serialize) -> PyResult<Bound<'py, PyAny>> {
    fn underscores<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = object.py();
        if let Ok(text) = object.cast::<PyString>() {
            return Ok(PyString::new(py, &text.to_cow()?.replace('-', "_")).into_any());
        }
        if let Ok(dict) = object.cast::<PyDict>() {
            let renamed = PyDict::new(py);
            for (key, value) in dict {
                renamed.set_item(underscores(&key)?, underscores(&value)?)?;
            }
            return Ok(renamed.into_any());
        }
        Ok(object.clone())
    }
    underscores(&pythonize(py, value).map_err(PyErr::from)?)
}

type Defaults = fn(Python<'_>) -> PyResult<Bound<'_, PyAny>>;

fn default_of<P: Default + Serialize>(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    to_python(py, &P::default())
}

/// Every set of parameters that a function of this package takes as keywords.
fn every_default() -> BTreeMap<&'static str, Defaults> {
    use nonius::workflow::{strain as w, tomography as wt};
    use nonius::{blobfinder as b, chi2 as c, clustering as k, core, io, registration as r, tomography as t};
    use nonius::{report, synthetic as s};
    BTreeMap::from([
        ("RegistrationParams", default_of::<r::RegistrationParams> as Defaults),
        ("MaskedParams", default_of::<r::MaskedParams>),
        ("PhaseCorrelationParams", default_of::<r::PhaseCorrelationParams>),
        ("SimilarityParams", default_of::<r::rotation::SimilarityParams>),
        ("SeriesParams", default_of::<r::SeriesParams>),
        ("LucasKanadeParams", default_of::<r::flow::LucasKanadeParams>),
        ("Tvl1Params", default_of::<r::flow::Tvl1Params>),
        ("Chi2Params", default_of::<c::Chi2Params>),
        ("Chi2ShiftParams", default_of::<c::compatible::Chi2ShiftParams>),
        ("IterativeZoomParams", default_of::<c::compatible::IterativeZoomParams>),
        ("TemplateParams", default_of::<b::TemplateParams>),
        ("DataTemplateParams", default_of::<b::DataTemplateParams>),
        ("CorrelationParams", default_of::<b::CorrelationParams>),
        ("PeakParams", default_of::<b::PeakParams>),
        ("BlobfinderParams", default_of::<b::BlobfinderParams>),
        ("RefineParams", default_of::<b::RefineParams>),
        ("MatchParams", default_of::<b::MatchParams>),
        ("LatticeSearchParams", default_of::<b::LatticeSearchParams>),
        ("FullMatchParams", default_of::<b::compatible::FullMatchParams>),
        ("StrainParams", default_of::<b::StrainParams>),
        ("PictureParams", default_of::<b::PictureParams>),
        ("FeatureParams", default_of::<k::FeatureParams>),
        ("WardParams", default_of::<k::WardParams>),
        ("LinkageParams", default_of::<k::LinkageParams>),
        ("GraphLinkageParams", default_of::<k::GraphLinkageParams>),
        ("KMeansParams", default_of::<k::KMeansParams>),
        ("DbscanParams", default_of::<k::DbscanParams>),
        ("OpticsParams", default_of::<k::OpticsParams>),
        ("HdbscanParams", default_of::<k::HdbscanParams>),
        ("MixtureParams", default_of::<k::MixtureParams>),
        ("DeflectionParams", default_of::<k::DeflectionParams>),
        ("SilhouetteParams", default_of::<k::SilhouetteParams>),
        ("PassParams", default_of::<core::PassParams>),
        ("RadialBinParams", default_of::<core::masks::RadialBinParams>),
        ("ScanOptions", default_of::<io::ScanOptions>),
        ("MitraParams", default_of::<t::MitraParams>),
        ("SirtParams", default_of::<t::SirtParams>),
        ("FbpParams", default_of::<t::FbpParams>),
        ("LbfgsParams", default_of::<t::LbfgsParams>),
        ("AutoParams", default_of::<t::alignment::AutoParams>),
        ("OpticalFlowParams", default_of::<t::alignment::OpticalFlowParams>),
        ("PhaseMatchingParams", default_of::<t::alignment::PhaseMatchingParams>),
        ("ReprojectionParams", default_of::<t::alignment::ReprojectionParams>),
        ("MomentsParams", default_of::<t::alignment::MomentsParams>),
        ("AxialProfileParams", default_of::<t::alignment::AxialProfileParams>),
        ("CascadeParams", default_of::<t::alignment::CascadeParams>),
        ("SlicesParams", default_of::<t::alignment::SlicesParams>),
        ("AngleParams", default_of::<t::alignment::AngleParams>),
        ("RotationCenterParams", default_of::<t::rotation_center::RotationCenterParams>),
        ("AbsorbanceParams", default_of::<t::AbsorbanceParams>),
        ("TiltSeriesOptions", default_of::<io::TiltSeriesOptions>),
        ("StrainWorkflowParams", default_of::<w::StrainWorkflowParams>),
        ("SpotParams", default_of::<w::SpotParams>),
        ("RegionParams", default_of::<w::RegionParams>),
        ("LatticeParams", default_of::<w::LatticeParams>),
        ("BoundaryParams", default_of::<w::BoundaryParams>),
        ("FrameParams", default_of::<w::FrameParams>),
        ("ReferenceParams", default_of::<w::ReferenceParams>),
        ("LineIntegralParams", default_of::<wt::LineIntegralParams>),
        ("AlignmentParams", default_of::<wt::AlignmentParams>),
        ("ReconstructionParams", default_of::<wt::ReconstructionParams>),
        ("FramePictureParams", default_of::<report::FramePictureParams>),
        ("ImagePairParams", default_of::<s::ImagePairParams>),
        ("ImageSeriesParams", default_of::<s::ImageSeriesParams>),
        ("NoiseParams", default_of::<s::NoiseParams>),
        ("DiffractionParams", default_of::<s::DiffractionParams>),
        ("DiffractionScanParams", default_of::<s::DiffractionScanParams>),
        ("CbedParams", default_of::<s::CbedParams>),
        ("PolycrystalParams", default_of::<s::PolycrystalParams>),
        ("TiltSeriesParams", default_of::<s::TiltSeriesParams>),
    ])
}

/// The documented defaults of a set of parameters, by its name.
#[pyfunction]
pub(crate) fn defaults<'py>(py: Python<'py>, name: &str) -> Outcome<Bound<'py, PyAny>> {
    match every_default().get(name) {
        Some(default) => Ok(default(py)?),
        None => Err(Failure::input(format!("name must be that of a set of parameters, got {name}"))),
    }
}
