//! `pynonius.workflow`: the pipelines that join several crates, and the page that shows what they found.
//!
//! Stages take what others found as Python holds it: records are read back, so that they can be kept, changed and
//! sent elsewhere between stages. Which regions are one crystal follows from their lattices and is found again where
//! it is needed.

use ndarray::{Array1, Array2, Array3, Array4, Ix2, Ix3, Ix4, IxDyn};
use nonius::blobfinder as b;
use nonius::clustering as k;
use nonius::core::{self, Axis, PassParams, Roi};
use nonius::plot::MapColors;
use nonius::report::{FrameMatch, FramePictureParams, ReportFrames, ReportMap, ReportTable, ScanReport};
use nonius::workflow::{strain as w, tomography as t};
use nonius::{Progress, Real, Scan};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{Accepts, Input, in_their_precision};
use crate::blobfinder::{Peaks, lattice_of, match_of, peaks_of, status_of};
use crate::clustering::{Dendrogram, label_map, numbers};
use crate::errors::{Failure, Outcome};
use crate::frames::{Frames, roi};
use crate::io::text;
use crate::params::{
    self,
    Spelling::{Hyphens, Underscores},
    of_keywords, of_object,
};
use crate::plot::colors_of;
use crate::records::{Labels, ToPython, record};
use crate::tomography::{Geometry, series_of};
use crate::work;

type Any<'py> = Bound<'py, PyAny>;
type Keywords<'py> = Bound<'py, PyDict>;

record!("pynonius.workflow", Deviation, w::Deviation as r { n_frames, sum, deviation });

/// Regions, with the tree handed over already.
struct Regions {
    regions: w::Regions,
    tree: Option<Py<PyAny>>,
}
record!("pynonius.workflow", Regions, Regions as r {
    spots = Peaks(r.regions.spots),
    dead_features = r.regions.dead_features,
    bad_frames = r.regions.bad_frames,
    labels = numbers(&r.regions.labels),
    tree,
});

impl Regions {
    fn new(py: Python<'_>, mut regions: w::Regions) -> PyResult<Self> {
        let tree = regions.tree.take().map(|tree| Py::new(py, Dendrogram::of(tree))).transpose()?;
        Ok(Regions { regions, tree: tree.map(Py::into_any) })
    }
}

record!("pynonius.workflow", RegionLattice, w::RegionLattice as r { mean_log, spots = Peaks(r.spots), found });
record!("pynonius.workflow", RegionLattices, w::RegionLattices as r { regions, direct_beam });
record!("pynonius.workflow", Phase, w::Phase as r { reference, regions });
record!("pynonius.workflow", Crystals, (w::Crystals, usize) as r {
    phase_of_region = Labels((0..r.1).map(|label| r.0.phase_of_region(label)).collect()),
    grain_of_region = Labels((0..r.1).map(|label| r.0.grain_of_region(label)).collect()),
    n_grains = r.0.n_grains,
    phases = r.0.phases,
});
record!("pynonius.workflow", RegionFrames, w::Region as r { label, roi = r.roi.mask(), start, refined });
record!("pynonius.workflow", FrameLattices, w::FrameLattices as r {
    regions, zero, a, b, covariance, n_matched, distance,
});
record!("pynonius.workflow", StrainMaps, w::StrainMaps as r { xx, yy, xy, rotation, errors, references });
record!("pynonius.workflow", SuperlatticeMaps, w::SuperlatticeMaps as r { signal, errors });

/// What all stages found.
struct Found {
    deviation: w::Deviation,
    regions: Regions,
    lattices: w::RegionLattices,
    crystals: (w::Crystals, usize),
    labels: k::LabelMap,
    grains: k::LabelMap,
    frames: w::FrameLattices,
    strain: w::StrainMaps,
}
record!("pynonius.workflow", StrainResult, Found as r {
    deviation,
    regions,
    lattices,
    crystals,
    labels = numbers(&r.labels),
    grains = numbers(&r.grains),
    frames,
    strain,
});

/// What Python holds, as the crates have it.
mod read {
    use super::*;

    fn image(given: &Any<'_>, name: &'static str) -> Outcome<Array2<f64>> {
        Ok(Input::<f64>::new(name, &given.getattr(name)?)?.view::<Ix2>()?.to_owned())
    }

    fn list<'py, T>(given: &Any<'py>, name: &str, of: impl Fn(&Any<'py>) -> Outcome<T>) -> Outcome<Vec<T>> {
        given.getattr(name)?.try_iter()?.map(|item| of(&item?)).collect()
    }

    pub(super) fn deviation(given: &Any<'_>) -> Outcome<w::Deviation> {
        Ok(w::Deviation {
            n_frames: given.getattr("n_frames")?.extract()?,
            sum: image(given, "sum")?,
            deviation: image(given, "deviation")?,
        })
    }

    pub(super) fn regions(given: &Any<'_>) -> Outcome<w::Regions> {
        Ok(w::Regions {
            spots: peaks_of(&given.getattr("spots")?)?,
            dead_features: vec![],
            bad_frames: vec![],
            tree: None,
            labels: label_map(&given.getattr("labels")?)?,
        })
    }

    fn region_lattice(given: &Any<'_>) -> Outcome<w::RegionLattice> {
        let found = |given: &Any<'_>| {
            Ok(b::FoundLattice {
                matched: match_of(&given.getattr("matched")?)?,
                log10_accidental: given.getattr("log10_accidental")?.extract()?,
                noise: given.getattr("noise")?.extract()?,
            })
        };
        Ok(w::RegionLattice {
            mean_log: image(given, "mean_log")?,
            spots: peaks_of(&given.getattr("spots")?)?,
            found: list(given, "found", found)?,
        })
    }

    pub(super) fn lattices(given: &Any<'_>) -> Outcome<w::RegionLattices> {
        Ok(w::RegionLattices {
            regions: list(given, "regions", region_lattice)?,
            direct_beam: Input::<f64>::new("direct_beam", &given.getattr("direct_beam")?)?.point()?,
        })
    }

    fn refined(given: &Any<'_>) -> Outcome<b::RefinedLattices> {
        let part = |name: &str| given.getattr(name);
        let disks = part("disks")?;
        let of_disks = |name: &'static str| {
            Ok::<_, Failure>(Input::<f32>::new(name, &disks.getattr(name)?)?.view::<Ix2>()?.to_owned())
        };
        let indices = Input::<f64>::new("indices", &part("indices")?)?.rows::<2>()?;
        let vector = |name: &'static str| image(given, name);
        let covariance: Array3<f64> =
            Input::<f64>::new("covariance", &part("covariance")?)?.view::<Ix3>()?.to_owned();
        let centers: Array3<i32> =
            Input::<i32>::new("centers", &disks.getattr("centers")?)?.view::<Ix3>()?.to_owned();
        let refineds: Array3<f32> =
            Input::<f32>::new("refineds", &disks.getattr("refineds")?)?.view::<Ix3>()?.to_owned();
        let covariances: Array4<f32> =
            Input::<f32>::new("covariances", &disks.getattr("covariances")?)?.view::<Ix4>()?.to_owned();
        let status = Input::<u8>::new("status", &disks.getattr("status")?)?;
        let selector = Input::<bool>::new("selector", &part("selector")?)?.view::<Ix2>()?.to_owned();
        let error: Array1<f64> = Input::<f64>::new("error", &part("error")?)?.slice()?.to_vec().into();
        let round: Array1<u32> = Input::<u32>::new("round", &part("round")?)?.slice()?.to_vec().into();
        let refined = b::RefinedLattices {
            zero: vector("zero")?,
            a: vector("a")?,
            b: vector("b")?,
            covariance,
            selector,
            error,
            round,
            disks: b::Disks {
                centers,
                refineds,
                peak_values: of_disks("peak_values")?,
                peak_elevations: of_disks("peak_elevations")?,
                covariances,
                status: status.view::<Ix2>()?.mapv(status_of),
            },
            indices,
        };
        let (n, m) = (refined.zero.nrows(), refined.indices.len());
        for (name, expected, got) in [
            ("zero", &[n, 2][..], refined.zero.shape()),
            ("a", &[n, 2], refined.a.shape()),
            ("b", &[n, 2], refined.b.shape()),
            ("covariance", &[n, 6, 6], refined.covariance.shape()),
            ("selector", &[n, m], refined.selector.shape()),
            ("error", &[n], refined.error.shape()),
            ("refineds", &[n, m, 2], refined.disks.refineds.shape()),
            ("peak_elevations", &[n, m], refined.disks.peak_elevations.shape()),
        ] {
            core::check_shape(name, expected, got)?;
        }
        Ok(refined)
    }

    fn region(given: &Any<'_>) -> Outcome<w::Region> {
        let mask = Input::<bool>::new("roi", &given.getattr("roi")?)?;
        let region = w::Region {
            label: given.getattr("label")?.extract()?,
            roi: Roi::from_mask(mask.view::<IxDyn>()?),
            start: lattice_of(&given.getattr("start")?)?,
            refined: refined(&given.getattr("refined")?)?,
        };
        core::check_shape("zero", &[region.roi.len(), 2], region.refined.zero.shape())?;
        Ok(region)
    }

    pub(super) fn frames(given: &Any<'_>) -> Outcome<w::FrameLattices> {
        let map = |name: &'static str| {
            Ok::<_, Failure>(Input::<f64>::new(name, &given.getattr(name)?)?.view::<IxDyn>()?.to_owned())
        };
        Ok(w::FrameLattices {
            regions: list(given, "regions", region)?,
            zero: map("zero")?,
            a: map("a")?,
            b: map("b")?,
            covariance: map("covariance")?,
            n_matched: map("n_matched")?,
            distance: map("distance")?,
        })
    }
}

/// Runs a stage over frames, those of a region of interest.
fn over<T: Send>(
    py: Python<'_>,
    frames: &Any<'_>,
    roi: Option<&Roi>,
    progress: Option<Py<PyAny>>,
    stage: impl FnOnce(&core::Selection<'_>, &dyn Progress) -> nonius::Result<T> + Send,
) -> Outcome<T> {
    Frames::new(frames)?
        .with_scan(|scan| work::run(py, progress, |progress| Ok(stage(&scan.select(roi)?, progress)?)))
}

#[pyfunction]
fn strain_params(py: Python<'_>, radius: f64) -> Outcome<Any<'_>> {
    let params = w::StrainWorkflowParams::default().with_radius(radius);
    params.validate()?;
    Ok(params::to_python(py, &params)?)
}

#[pyfunction]
#[pyo3(signature = (scan, /, *, roi=None, progress=None, **params))]
fn strain_workflow<'py>(
    py: Python<'py>,
    scan: Any<'py>,
    roi: Option<Any<'py>>,
    progress: Option<Py<PyAny>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: w::StrainWorkflowParams = of_keywords(params.as_ref(), Hyphens)?;
    let mask = Input::optional("roi", &roi)?;
    let roi = self::roi(&mask)?;
    let found = over(py, &scan, roi.as_ref(), progress, |selection, p| w::run(selection, &params, p))?;
    let n_regions = found.regions.labels.n_clusters();
    let found = Found {
        deviation: found.deviation,
        regions: Regions::new(py, found.regions)?,
        lattices: found.lattices,
        crystals: (found.crystals, n_regions),
        labels: found.labels,
        grains: found.grains,
        frames: found.frames,
        strain: found.strain,
    };
    Ok(found.to_python(py)?)
}

#[pyfunction]
fn deviation<'py>(
    py: Python<'py>,
    frames: Any<'py>,
    roi: Option<Any<'py>>,
    progress: Option<Py<PyAny>>,
) -> Outcome<Any<'py>> {
    let mask = Input::optional("roi", &roi)?;
    let roi = self::roi(&mask)?;
    let pass = PassParams::default();
    let found = over(py, &frames, roi.as_ref(), progress, |s, p| w::deviation(s, &pass, p))?;
    Ok(found.to_python(py)?)
}

#[pyfunction]
#[pyo3(signature = (deviation, **params))]
fn find_spots<'py>(py: Python<'py>, deviation: Any<'py>, params: Option<Keywords<'py>>) -> Outcome<Any<'py>> {
    let params: w::SpotParams = of_keywords(params.as_ref(), Hyphens)?;
    let deviation = read::deviation(&deviation)?;
    Ok(Peaks(work::here(py, || Ok(w::find_spots(&deviation, &params)?))?).to_python(py)?)
}

#[pyfunction]
#[pyo3(signature = (frames, spots, *, roi=None, progress=None, **params))]
fn find_regions<'py>(
    py: Python<'py>,
    frames: Any<'py>,
    spots: Any<'py>,
    roi: Option<Any<'py>>,
    progress: Option<Py<PyAny>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: w::RegionParams = of_keywords(params.as_ref(), Hyphens)?;
    let (spots, pass) = (peaks_of(&spots)?, PassParams::default());
    let mask = Input::optional("roi", &roi)?;
    let roi = self::roi(&mask)?;
    let found =
        over(py, &frames, roi.as_ref(), progress, |s, p| w::find_regions(s, spots, &params, &pass, p))?;
    Ok(Regions::new(py, found)?.to_python(py)?)
}

#[pyfunction]
#[pyo3(signature = (frames, labels, deviation, *, progress=None, **params))]
fn find_lattices<'py>(
    py: Python<'py>,
    frames: Any<'py>,
    labels: Any<'py>,
    deviation: Any<'py>,
    progress: Option<Py<PyAny>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: w::LatticeParams = of_keywords(params.as_ref(), Hyphens)?;
    let (labels, deviation, pass) =
        (label_map(&labels)?, read::deviation(&deviation)?, PassParams::default());
    let found = over(py, &frames, Some(labels.roi()), progress, |s, p| {
        w::find_lattices(s, &labels, &deviation, &params, &pass, p)
    })?;
    Ok(found.to_python(py)?)
}

#[pyfunction]
#[pyo3(signature = (labels, lattices, **params))]
fn find_crystals<'py>(
    py: Python<'py>,
    labels: Any<'py>,
    lattices: Any<'py>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: w::ReferenceParams = of_keywords(params.as_ref(), Hyphens)?;
    let (labels, lattices) = (label_map(&labels)?, read::lattices(&lattices)?);
    let found = work::here(py, || Ok(w::find_crystals(&labels, &lattices, &params)?))?;
    Ok((found, labels.n_clusters()).to_python(py)?)
}

/// Labels and grains after frames at boundaries were given to the grain that they show most of.
#[pyfunction]
fn settle_boundaries<'py>(
    py: Python<'py>,
    frames: Any<'py>,
    regions: Any<'py>,
    lattices: Any<'py>,
    width: usize,
    region_params: Any<'py>,
    reference: Any<'py>,
    progress: Option<Py<PyAny>>,
) -> Outcome<(Any<'py>, Any<'py>)> {
    let (region_params, reference): (w::RegionParams, w::ReferenceParams) =
        (of_object(&region_params, Hyphens)?, of_object(&reference, Hyphens)?);
    let (regions, lattices) = (read::regions(&regions)?, read::lattices(&lattices)?);
    let (params, pass) = (w::BoundaryParams { width }, PassParams::default());
    let roi = regions.labels.roi().clone();
    let (labels, grains) = over(py, &frames, Some(&roi), progress, |s, p| {
        let crystals = w::find_crystals(&regions.labels, &lattices, &reference)?;
        let labels = w::settle_boundaries(s, &regions, &crystals, &params, &region_params, &pass, p)?;
        let grains = crystals.grains(&labels)?;
        Ok((labels, grains))
    })?;
    Ok((numbers(&labels).to_python(py)?, numbers(&grains).to_python(py)?))
}

#[pyfunction]
#[pyo3(signature = (frames, labels, lattices, *, progress=None, **params))]
fn refine_frames<'py>(
    py: Python<'py>,
    frames: Any<'py>,
    labels: Any<'py>,
    lattices: Any<'py>,
    progress: Option<Py<PyAny>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: w::FrameParams = of_keywords(params.as_ref(), Hyphens)?;
    let (labels, lattices, pass) = (label_map(&labels)?, read::lattices(&lattices)?, PassParams::default());
    let found = over(py, &frames, Some(labels.roi()), progress, |s, p| {
        w::refine_frames(s, &labels, &lattices, &params, &pass, p)
    })?;
    Ok(found.to_python(py)?)
}

/// `labels` are those of the regions from which `lattices` were made.
#[pyfunction]
#[pyo3(signature = (labels, lattices, refined, **params))]
fn map_strain<'py>(
    py: Python<'py>,
    labels: Any<'py>,
    lattices: Any<'py>,
    refined: Any<'py>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: w::ReferenceParams = of_keywords(params.as_ref(), Hyphens)?;
    let (labels, lattices) = (label_map(&labels)?, read::lattices(&lattices)?);
    let frames = read::frames(&refined)?;
    let shape = labels.roi().shape();
    for region in &frames.regions {
        core::check_shape("roi", shape, region.roi.shape())?;
    }
    let found = work::here(py, || {
        let crystals = w::find_crystals(&labels, &lattices, &params)?;
        Ok(w::map_strain(shape, &crystals, &frames, &params)?)
    })?;
    Ok(found.to_python(py)?)
}

#[pyfunction]
#[pyo3(signature = (frames, refined, offsets, *, progress=None, **params))]
fn measure_superlattice<'py>(
    py: Python<'py>,
    frames: Any<'py>,
    refined: Any<'py>,
    offsets: Any<'py>,
    progress: Option<Py<PyAny>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: w::FrameParams = of_keywords(params.as_ref(), Hyphens)?;
    let offsets = Input::<f64>::new("offsets", &offsets)?.rows()?;
    let (refined, pass) = (read::frames(&refined)?, PassParams::default());
    let found = over(py, &frames, None, progress, |s, p| {
        w::measure_superlattice(s, &refined, &offsets, &params, &pass, p)
    })?;
    Ok(found.to_python(py)?)
}

/// One map of a report: name, unit, what it shows, values, colours, range, valid positions.
type GivenMap<'py> = (String, String, String, Any<'py>, Any<'py>, Option<[f64; 2]>, Option<Any<'py>>);

fn report_map((name, unit, description, values, colors, range, valid): GivenMap<'_>) -> Outcome<ReportMap> {
    let values = Input::<f32>::new("values", &values)?.view::<Ix2>()?.to_owned();
    let colors: MapColors = colors_of(&colors)?;
    let valid = Input::<bool>::optional("valid", &valid)?;
    let valid = valid.map(|valid| Ok::<_, Failure>(valid.view::<Ix2>()?.to_owned())).transpose()?;
    Ok(ReportMap { description, colors, range, valid, ..ReportMap::new(name, unit, values) })
}

#[pyfunction]
fn write_scan_report<'py>(
    py: Python<'py>,
    path: Any<'py>,
    title: String,
    maps: Vec<GivenMap<'py>>,
    axes: Option<Any<'py>>,
    text: Vec<String>,
    facts: Vec<[String; 2]>,
    tables: Vec<(String, Vec<String>, Vec<Vec<String>>)>,
    frames: Option<Any<'py>>,
    refined: Option<Any<'py>>,
    params: Any<'py>,
    progress: Option<Py<PyAny>>,
) -> Outcome<()> {
    let path = self::text(&path)?;
    let params: FramePictureParams = of_object(&params, Hyphens)?;
    let maps: Vec<ReportMap> = maps.into_iter().map(report_map).collect::<Outcome<_>>()?;
    let Some(first) = maps.first() else {
        return Err(nonius::Error::parameter("maps", "at least one", 0).into());
    };
    let axes: [Axis; 2] = match axes {
        Some(axes) => of_object(&axes, Underscores)?,
        None => {
            let (h, w) = first.values.dim();
            [Axis::pixels("scan y", h), Axis::pixels("scan x", w)]
        }
    };
    let refined = refined.as_ref().map(read::frames).transpose()?;
    let table = |(title, columns, rows)| ReportTable { title, columns, rows };
    let tables: Vec<ReportTable> = tables.into_iter().map(table).collect();
    let write = |scan: Option<&Scan<'_>>| {
        work::run(py, progress, |progress| {
            let mut report = ScanReport::new(title, axes);
            (report.maps, report.text, report.facts, report.tables) = (maps, text, facts, tables);
            report.frames = scan.map(|scan| {
                let of_position = |refined| {
                    let found: &w::FrameLattices = refined;
                    let of = move |position: usize| {
                        let (region, sample) = found.find(position)?;
                        FrameMatch::of_sample(&region.refined, sample).ok()
                    };
                    Box::new(of) as Box<dyn Fn(usize) -> Option<FrameMatch> + Sync>
                };
                ReportFrames { scan, matches: refined.as_ref().map(of_position), params }
            });
            Ok(report.write(&path, progress)?)
        })
    };
    match frames {
        None => write(None),
        Some(frames) => Frames::new(&frames)?.with_scan(|scan| write(Some(scan))),
    }
}

/// Line integrals whose arrays are handed over already.
struct LineIntegrals {
    images: Py<PyAny>,
    weights: Py<PyAny>,
    n_masked: usize,
    warnings: Vec<String>,
}
record!("pynonius.workflow", LineIntegrals, LineIntegrals as r { images, weights, n_masked, warnings });

#[pyfunction]
#[pyo3(signature = (geometry, images=None, weights=None, scattering=None, **params))]
fn line_integrals<'py>(
    py: Python<'py>,
    geometry: &Geometry,
    images: Option<Any<'py>>,
    weights: Option<Any<'py>>,
    scattering: Option<Any<'py>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    fn made<'py, F: Real + Accepts>(
        py: Python<'py>,
        series: nonius::tomography::TiltSeries<F>,
        params: &t::LineIntegralParams,
    ) -> Outcome<Any<'py>> {
        let found = work::run(py, None, |_| Ok(t::line_integrals(&series, params)?))?;
        let integrals = LineIntegrals {
            images: found.images.to_python(py)?.unbind(),
            weights: found.weights.to_python(py)?.unbind(),
            n_masked: found.n_masked,
            warnings: found.warnings,
        };
        Ok(integrals.to_python(py)?)
    }
    let params: t::LineIntegralParams = of_keywords(params.as_ref(), Underscores)?;
    if [&images, &scattering].into_iter().flatten().all(crate::arrays::is_single) {
        made(py, series_of::<f32>(geometry, &images, &scattering, &weights)?, &params)
    } else {
        made(py, series_of::<f64>(geometry, &images, &scattering, &weights)?, &params)
    }
}

fn integrals_of<F: Real + Accepts>(
    images: &Input<'_, F>,
    weights: &Option<Any<'_>>,
) -> Outcome<t::LineIntegrals<F>> {
    let images = images.view::<Ix3>()?.to_owned();
    let weights = Input::<F>::optional("weights", weights)?;
    let weights = weights.map(|weights| Ok::<_, Failure>(weights.view::<Ix3>()?.to_owned())).transpose()?;
    if let Some(weights) = &weights {
        core::check_shape("weights", images.shape(), weights.shape())?;
    }
    Ok(t::LineIntegrals { images, weights, n_masked: 0, warnings: vec![] })
}

record!("pynonius.workflow", RefinedAngles, t::RefinedAngles as r { corrections, standard_errors });

/// An aligned series, its arrays handed over already.
struct AlignedSeries {
    geometry: Py<PyAny>,
    report: nonius::tomography::alignment::AlignmentReport,
    iterative: bool,
    volume: Py<PyAny>,
    reprojections: Py<PyAny>,
    angles: Option<t::RefinedAngles>,
    reasons: Vec<String>,
    warnings: Vec<String>,
}
record!("pynonius.workflow", AlignedSeries, AlignedSeries as r {
    geometry, report, iterative, volume, reprojections, angles, reasons, warnings,
});

#[pyfunction]
#[pyo3(signature = (geometry, images, weights, method, start, progress, **params))]
fn align_series<'py>(
    py: Python<'py>,
    geometry: &Geometry,
    images: Any<'py>,
    weights: Option<Any<'py>>,
    method: Any<'py>,
    start: Any<'py>,
    progress: Option<Py<PyAny>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let mut params: t::AlignmentParams = of_keywords(params.as_ref(), Underscores)?;
    (params.method, params.start) = (of_object(&method, Hyphens)?, of_object(&start, Hyphens)?);
    in_their_precision!((images) F => {
        core::check_shape("images", &geometry.0.stack_shape(), images.shape())?;
        let integrals = integrals_of(&images, &weights)?;
        let found = work::run(py, progress, |p| Ok(t::align_series(&geometry.0, &integrals, &params, p)?))?;
        let aligned = AlignedSeries {
            geometry: Py::new(py, Geometry(found.geometry))?.into_any(),
            report: found.report,
            iterative: found.iterative,
            volume: found.volume.to_python(py)?.unbind(),
            reprojections: found.reprojections.to_python(py)?.unbind(),
            angles: found.angles,
            reasons: found.reasons,
            warnings: found.warnings,
        };
        Ok(aligned.to_python(py)?)
    })
}

/// A reconstructed series, its arrays handed over already.
struct Reconstructed {
    volume: Py<PyAny>,
    reprojections: Py<PyAny>,
    losses: Vec<f64>,
    stop: &'static str,
    residuals: Vec<f64>,
}
record!("pynonius.workflow", Reconstructed, Reconstructed as r {
    volume, reprojections, losses, stop, residuals,
});

#[pyfunction]
#[pyo3(signature = (geometry, images, weights, progress, **params))]
fn reconstruct_series<'py>(
    py: Python<'py>,
    geometry: &Geometry,
    images: Any<'py>,
    weights: Option<Any<'py>>,
    progress: Option<Py<PyAny>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: t::ReconstructionParams = of_keywords(params.as_ref(), Underscores)?;
    in_their_precision!((images) F => {
        core::check_shape("images", &geometry.0.stack_shape(), images.shape())?;
        let integrals = integrals_of(&images, &weights)?;
        let found =
            work::run(py, progress, |p| Ok(t::reconstruct_series(&geometry.0, &integrals, &params, p)?))?;
        let reconstructed = Reconstructed {
            volume: found.volume.to_python(py)?.unbind(),
            reprojections: found.reprojections.to_python(py)?.unbind(),
            losses: found.losses,
            stop: crate::tomography::stop_word(found.stop),
            residuals: found.residuals,
        };
        Ok(reconstructed.to_python(py)?)
    })
}

#[pyfunction]
fn sinogram<'py>(
    py: Python<'py>,
    geometry: &Geometry,
    images: Any<'py>,
    offsets: Option<Any<'py>>,
) -> Outcome<Any<'py>> {
    let offsets = match Input::<f64>::optional("offsets", &offsets)? {
        Some(offsets) => offsets.rows()?,
        None => geometry.0.offsets(),
    };
    in_their_precision!((images) F => {
        let images = images.view::<Ix3>()?;
        Ok(work::here(py, || Ok(t::sinogram(&geometry.0, images, &offsets)?))?.to_python(py)?)
    })
}

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    for function in [
        wrap_pyfunction!(strain_params, module)?,
        wrap_pyfunction!(strain_workflow, module)?,
        wrap_pyfunction!(deviation, module)?,
        wrap_pyfunction!(find_spots, module)?,
        wrap_pyfunction!(find_regions, module)?,
        wrap_pyfunction!(find_lattices, module)?,
        wrap_pyfunction!(find_crystals, module)?,
        wrap_pyfunction!(settle_boundaries, module)?,
        wrap_pyfunction!(refine_frames, module)?,
        wrap_pyfunction!(map_strain, module)?,
        wrap_pyfunction!(measure_superlattice, module)?,
        wrap_pyfunction!(write_scan_report, module)?,
        wrap_pyfunction!(line_integrals, module)?,
        wrap_pyfunction!(align_series, module)?,
        wrap_pyfunction!(reconstruct_series, module)?,
        wrap_pyfunction!(sinogram, module)?,
    ] {
        module.add_function(function)?;
    }
    Ok(())
}
