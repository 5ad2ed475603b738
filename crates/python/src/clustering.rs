//! `pynonius.clustering`.

use ndarray::{ArrayD, ArrayView2, ArrayViewD, Ix2, IxDyn};
use nonius::clustering as k;
use nonius::core::{self, PassParams, Roi, masks, pass};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{Input, image_shape, moved};
use crate::errors::{Failure, Outcome};
use crate::frames::{Frames, roi};
use crate::params::{self, Spelling::Hyphens, of_keywords, of_object};
use crate::pickles::{self, Pickled};
use crate::records::{Labels, ToPython, record};
use crate::work;

type Any<'py> = Bound<'py, PyAny>;
type Keywords<'py> = Bound<'py, PyDict>;

record!("pynonius.clustering", PixelMaps, k::PixelMaps as r {
    n_frames,
    counts = r.counts.clone(),
    sum = r.sum.clone(),
    integer_sum = r.integer_sum.clone(),
    mean = r.mean.clone(),
    variance = r.variance.clone(),
    min = r.min.clone(),
    max = r.max.clone(),
    standard_deviation = r.standard_deviation(),
});
record!("pynonius.clustering", ScaledFeatures, k::ScaledFeatures as r {
    features,
    offsets = r.scales.offsets,
    scales = r.scales.scales,
    dead_columns,
    dead_rows,
    per_frame = r.scales.per_frame,
});
record!("pynonius.clustering", DeflectionField, k::DeflectionField as r {
    y = r.y.clone(),
    x = r.x.clone(),
    removed,
    magnitude = r.magnitude(),
    divergence = r.divergence(),
    curl = r.curl(),
});
record!("pynonius.clustering", KMeansClusters, k::KMeansClusters as r {
    labels = Labels(r.labels),
    centers,
    sizes,
    sum_of_squares,
    n_iterations,
    converged,
});
record!("pynonius.clustering", DbscanClusters, k::DbscanClusters as r {
    labels = Labels(r.labels),
    cores,
    n_clusters,
});
record!("pynonius.clustering", HdbscanClusters, k::HdbscanClusters as r {
    labels = Labels(r.labels),
    memberships,
    stabilities,
});
record!("pynonius.clustering", GaussianMixture, k::GaussianMixture as r {
    labels = Labels(r.labels),
    probabilities,
    weights,
    means,
    covariances,
    lower_bound,
    n_iterations,
    converged,
});
record!("pynonius.clustering", OpticsOrdering, k::OpticsOrdering as r {
    order,
    reachability,
    core_distances,
    predecessors = Labels(r.predecessors),
});
record!("pynonius.clustering", PrincipalComponents, k::PrincipalComponents as r {
    mean,
    components,
    variances,
    total_variance,
    scores,
});
record!("pynonius.clustering", Silhouette, k::Silhouette as r { mean, standard_error, samples, values });
record!("pynonius.clustering", ClusterSuggestion, k::ClusterSuggestion as r { n_clusters, jump });
record!("pynonius.clustering", MergedRows, k::MergedRows as r { values, n_missing, n_overlapping });
record!("pynonius.clustering", MatchedClusters, k::MatchedClusters as r {
    partner = Labels(r.partner),
    overlap,
    n_common,
});

/// Masks at their places in a frame.
struct Placed {
    masks: ndarray::Array3<f64>,
    cut: Vec<usize>,
    outside: Vec<usize>,
    dropped: Vec<usize>,
    repeated: Vec<usize>,
}
record!("pynonius.clustering", FeatureMasks, Placed as r { masks, cut, outside, dropped, repeated });

/// A graph with the edges that were added to it.
struct Completed {
    graph: Py<PyAny>,
    added_edges: Vec<[u32; 2]>,
    n_components: usize,
}
record!("pynonius.clustering", CompletedGraph, Completed as r { graph, added_edges, n_components });

record!("pynonius.clustering", PolarMap, masks::PolarMap as r { radius, angle });

/// Labels in NumPy's manner, negative where there is none.
fn labels_of(labels: &Any<'_>) -> Outcome<Vec<Option<usize>>> {
    let labels = Input::<i64>::new("labels", labels)?;
    Ok(labels.slice()?.iter().map(|&label| usize::try_from(label).ok()).collect())
}

fn shape_or_mask(shape: &Option<Vec<usize>>, mask: &Option<Any<'_>>) -> Outcome<Roi> {
    match (shape, Input::optional("roi", mask)?) {
        (None, Some(mask)) => Ok(Roi::from_mask(mask.view::<IxDyn>()?)),
        (Some(shape), None) => {
            // Each sample has an index of 32 bits, so a larger scan could not be clustered anyway.
            let n = shape.iter().try_fold(1_usize, |n, &side| n.checked_mul(side));
            if n.is_none_or(|n| n > u32::MAX as usize) {
                let error =
                    nonius::Error::parameter("shape", "of at most 2^32 positions", format!("{shape:?}"));
                return Err(error.into());
            }
            Ok(Roi::all(shape))
        }
        (Some(shape), Some(mask)) => {
            nonius::core::check_shape("roi", shape, mask.shape())?;
            Ok(Roi::from_mask(mask.view::<IxDyn>()?))
        }
        (None, None) => Err(Failure::input("shape or roi must be given, got neither".to_owned())),
    }
}

/// Which samples are neighbours.
#[pyclass(module = "pynonius.clustering", frozen)]
struct Graph(k::Graph);

#[pymethods]
impl Graph {
    /// The positions of a scan, or those of a mask over it.
    #[staticmethod]
    #[pyo3(signature = (shape=None, roi=None, neighbors=None))]
    fn grid(shape: Option<Vec<usize>>, roi: Option<Any<'_>>, neighbors: Option<Any<'_>>) -> Outcome<Self> {
        let neighbors: Option<k::Neighbors> = neighbors.map(|word| of_object(&word, Hyphens)).transpose()?;
        let roi = shape_or_mask(&shape, &roi)?;
        Ok(Graph(k::Graph::grid(&roi, neighbors.unwrap_or_default())?))
    }

    /// Pairs of samples.
    #[staticmethod]
    fn from_edges(n_samples: usize, edges: Any<'_>) -> Outcome<Self> {
        let edges = Input::<u32>::new("edges", &edges)?.rows::<2>()?;
        let edges = edges.into_iter().map(|edge| edge.map(|sample| sample as usize));
        Ok(Graph(k::Graph::from_edges(n_samples, edges)?))
    }

    /// Positions of a scan that are one of `offsets` (n, axes) apart, in either direction.
    #[staticmethod]
    #[pyo3(signature = (offsets, shape=None, roi=None))]
    fn from_offsets(offsets: Any<'_>, shape: Option<Vec<usize>>, roi: Option<Any<'_>>) -> Outcome<Self> {
        let offsets = Input::<i64>::new("offsets", &offsets)?;
        let rows = offsets.view::<Ix2>()?;
        let steps: Vec<Vec<isize>> =
            rows.outer_iter().map(|row| row.iter().map(|&step| step as isize).collect()).collect();
        Ok(Graph(k::Graph::from_offsets(&shape_or_mask(&shape, &roi)?, &steps)?))
    }

    /// The same with edges between its parts, as `disconnected` says: features are one row per sample.
    #[pyo3(signature = (features, disconnected=None))]
    fn completed<'py>(
        &self,
        py: Python<'py>,
        features: Any<'py>,
        disconnected: Option<Any<'py>>,
    ) -> Outcome<Any<'py>> {
        let disconnected: Option<k::Disconnected> =
            disconnected.map(|word| of_object(&word, Hyphens)).transpose()?;
        let features = Input::<f64>::new("features", &features)?;
        let features = features.view::<Ix2>()?;
        let found = work::run(py, None, |progress| {
            Ok(self.0.completed(features, disconnected.unwrap_or_default(), progress)?)
        })?;
        let graph = Py::new(py, Graph(found.graph))?.into_any();
        let (added_edges, n_components) = (found.added_edges, found.n_components);
        Ok(Completed { graph, added_edges, n_components }.to_python(py)?)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Pickled<'py>> {
        pickles::by(py, "graph_again", vec![self.n_samples().to_python(py)?, self.edges(py)?])
    }

    fn __repr__(&self) -> String {
        format!("<Graph: {} samples, {} edges>", self.0.n_samples(), self.0.edges().len())
    }

    #[getter]
    fn n_samples(&self) -> usize {
        self.0.n_samples()
    }

    /// Pairs of samples, shape (n, 2).
    #[getter]
    fn edges<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        self.0.edges().to_vec().to_python(py)
    }

    /// The number of connected parts, and that of each sample.
    fn components<'py>(&self, py: Python<'py>) -> PyResult<(usize, Any<'py>)> {
        let components = self.0.components();
        Ok((components.n, components.of_sample.to_python(py)?))
    }
}

#[pyfunction]
fn graph_again(n_samples: usize, edges: Any<'_>) -> Outcome<Graph> {
    Graph::from_edges(n_samples, edges)
}

/// A tree of merges: merge k joins two nodes to node `n_samples + k`.
#[pyclass(module = "pynonius.clustering", frozen)]
pub(crate) struct Dendrogram {
    tree: k::Dendrogram,
    /// What the graph was before it had one part.
    n_components: usize,
    added_edges: Vec<[u32; 2]>,
}

impl Dendrogram {
    pub(crate) fn of(tree: k::Dendrogram) -> Self {
        Dendrogram { n_components: tree.n_components(), added_edges: tree.added_edges().to_vec(), tree }
    }
}

#[pyfunction]
fn dendrogram_again(
    n_samples: usize,
    merges: Any<'_>,
    distances: Any<'_>,
    n_components: usize,
    added_edges: Any<'_>,
) -> Outcome<Dendrogram> {
    let added_edges = Input::<u32>::new("added_edges", &added_edges)?.rows()?;
    Ok(Dendrogram { n_components, added_edges, ..Dendrogram::new(n_samples, merges, distances)? })
}

fn cut_at(n_clusters: Option<usize>, distance: Option<f64>, monotone: bool) -> Outcome<k::Cut> {
    match (n_clusters, distance) {
        (Some(n), None) => Ok(k::Cut::Clusters(n)),
        (None, Some(d)) => Ok(if monotone { k::Cut::DistanceMonotone(d) } else { k::Cut::Distance(d) }),
        _ => Err(Failure::input("n_clusters or distance must be given, and only one of them".to_owned())),
    }
}

#[pymethods]
impl Dendrogram {
    #[new]
    fn new(n_samples: usize, merges: Any<'_>, distances: Any<'_>) -> Outcome<Self> {
        let merges = Input::<u32>::new("merges", &merges)?.rows()?;
        let distances = Input::<f64>::new("distances", &distances)?;
        Ok(Dendrogram::of(k::Dendrogram::new(n_samples, merges, distances.slice()?.to_vec())?))
    }

    #[getter]
    fn n_samples(&self) -> usize {
        self.tree.n_samples()
    }

    #[getter]
    fn n_components(&self) -> usize {
        self.n_components
    }

    #[getter]
    fn merges<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        self.tree.merges().to_vec().to_python(py)
    }

    #[getter]
    fn distances<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        self.tree.distances().to_vec().to_python(py)
    }

    #[getter]
    fn added_edges<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        self.added_edges.clone().to_python(py)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Pickled<'py>> {
        let (n, components) = (self.n_samples().to_python(py)?, self.n_components().to_python(py)?);
        let arguments = vec![n, self.merges(py)?, self.distances(py)?, components, self.added_edges(py)?];
        pickles::by(py, "dendrogram_again", arguments)
    }

    fn __repr__(&self) -> String {
        format!("<Dendrogram: {} samples, {} merges>", self.tree.n_samples(), self.tree.merges().len())
    }

    /// Nodes that were not merged: 1 for a full tree.
    #[getter]
    fn n_roots(&self) -> usize {
        self.tree.n_roots()
    }

    /// Parent of every node; a root is its own.
    #[getter]
    fn parents<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        self.tree.parents().to_python(py)
    }

    /// Number of samples of every node.
    #[getter]
    fn sizes<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        self.tree.sizes().to_python(py)
    }

    /// Number of clusters that a cut at a distance makes.
    #[pyo3(signature = (distance, *, monotone=false))]
    fn n_clusters(&self, distance: f64, monotone: bool) -> Outcome<usize> {
        Ok(self.tree.n_clusters(cut_at(None, Some(distance), monotone)?)?)
    }

    /// Labels as a map over a scan of `shape`, or of a `roi`: −2 outside.
    #[pyo3(signature = (n_clusters=None, *, shape=None, roi=None, distance=None, monotone=false, numbering=None))]
    fn label_map<'py>(
        &self,
        py: Python<'py>,
        n_clusters: Option<usize>,
        shape: Option<Vec<usize>>,
        roi: Option<Any<'py>>,
        distance: Option<f64>,
        monotone: bool,
        numbering: Option<Any<'py>>,
    ) -> Outcome<Any<'py>> {
        let cut = cut_at(n_clusters, distance, monotone)?;
        let numbering: Option<k::Numbering> = numbering.map(|word| of_object(&word, Hyphens)).transpose()?;
        let roi = shape_or_mask(&shape, &roi)?;
        Ok(moved(py, numbers(&self.tree.label_map(&roi, cut, numbering.unwrap_or_default())?))?)
    }

    /// Merges with a smaller distance than the one before.
    #[getter]
    fn inversions(&self) -> usize {
        self.tree.inversions()
    }

    /// The layout of SciPy's `linkage`.
    fn linkage_matrix<'py>(&self, py: Python<'py>) -> PyResult<Any<'py>> {
        self.tree.linkage_matrix().to_python(py)
    }

    /// The distance at which two samples meet.
    fn cophenetic(&self, i: usize, j: usize) -> Outcome<f64> {
        Ok(self.tree.cophenetic(i, j)?)
    }

    /// A label for every sample, as a row or, if all positions of a scan are samples, as an array of its `shape`.
    #[pyo3(signature = (n_clusters=None, shape=None, *, distance=None, monotone=false, numbering=None))]
    fn labels<'py>(
        &self,
        py: Python<'py>,
        n_clusters: Option<usize>,
        shape: Option<Vec<usize>>,
        distance: Option<f64>,
        monotone: bool,
        numbering: Option<Any<'py>>,
    ) -> Outcome<Any<'py>> {
        let n = self.tree.n_samples();
        let shape = shape.unwrap_or_else(|| vec![n]);
        if shape.iter().try_fold(1_usize, |n, &side| n.checked_mul(side)) != Some(n) {
            let must_be = format!("of {n} positions, one for each sample; `label_map` takes a roi");
            return Err(Failure::input(format!("shape must be {must_be}, got {shape:?}")));
        }
        let cut = cut_at(n_clusters, distance, monotone)?;
        let numbering: Option<k::Numbering> = numbering.map(|word| of_object(&word, Hyphens)).transpose()?;
        let labels = self.tree.labels(cut, numbering.unwrap_or_default())?;
        let labels: ndarray::Array1<i64> = labels.into_iter().map(|label| label as i64).collect();
        let labels =
            labels.into_shape_with_order(shape).map_err(|error| Failure::input(format!("shape: {error}")))?;
        Ok(moved(py, labels)?)
    }

    /// Where the number of clusters seems to be, if anywhere.
    #[pyo3(signature = (max_clusters=30))]
    fn suggest_clusters<'py>(&self, py: Python<'py>, max_clusters: usize) -> Outcome<Any<'py>> {
        Ok(k::suggest_clusters(&self.tree, max_clusters)?.to_python(py)?)
    }
}

/// Statistics of every pixel over the frames.
#[pyfunction]
#[pyo3(signature = (frames, *, labels=None, nan=None, roi=None, progress=None))]
fn pixel_statistics<'py>(
    py: Python<'py>,
    frames: Any<'py>,
    labels: Option<Any<'py>>,
    nan: Option<Any<'py>>,
    roi: Option<Any<'py>>,
    progress: Option<Py<PyAny>>,
) -> Outcome<Any<'py>> {
    let nan: k::NanPolicy = nan.map(|word| of_object(&word, Hyphens)).transpose()?.unwrap_or_default();
    let mask = Input::optional("roi", &roi)?;
    let roi = self::roi(&mask)?;
    let frames = Frames::new(&frames)?;
    let Some(labels) = Input::<i64>::optional("labels", &labels)? else {
        let maps = frames.with_scan(|scan| {
            work::over(py, scan, progress, |progress| {
                let consumer = k::PixelStatistics { nan };
                Ok(pass(&scan.select(roi.as_ref())?, &consumer, &PassParams::default(), progress)?)
            })
        })?;
        return Ok(maps.to_python(py)?);
    };
    let groups = labels.view::<IxDyn>()?.mapv(|label| usize::try_from(label).ok());
    let maps = frames.with_scan(|scan| {
        work::over(py, scan, progress, |progress| {
            let consumer = k::LabelledStatistics::new(groups.view(), nan)?;
            Ok(pass(&scan.select(roi.as_ref())?, &consumer, &PassParams::default(), progress)?)
        })
    })?;
    Ok(maps.to_python(py)?)
}

/// Rows of a pass over samples.
macro_rules! of_a_pass {
    ($py:ident, $frames:ident, $roi:ident, $progress:ident, |$scan:ident| $consumer:expr) => {{
        let mask = Input::optional("roi", &$roi)?;
        let roi = self::roi(&mask)?;
        let rows = Frames::new(&$frames)?.with_scan(|$scan| {
            work::over($py, $scan, $progress, |progress| {
                let consumer = $consumer;
                Ok(pass(&$scan.select(roi.as_ref())?, &consumer, &PassParams::default(), progress)?)
            })
        })?;
        Ok(rows.to_python($py)?)
    }};
}

/// The sum of the logarithms of frames, or those of each cluster.
#[pyfunction]
#[pyo3(signature = (frames, *, labels=None, roi=None, progress=None))]
fn log_sum<'py>(
    py: Python<'py>,
    frames: Any<'py>,
    labels: Option<Any<'py>>,
    roi: Option<Any<'py>>,
    progress: Option<Py<PyAny>>,
) -> Outcome<Any<'py>> {
    let Some(labels) = Input::<i64>::optional("labels", &labels)? else {
        return of_a_pass!(py, frames, roi, progress, |scan| k::LogSum);
    };
    let groups = labels.view::<IxDyn>()?.mapv(|label| usize::try_from(label).ok());
    of_a_pass!(py, frames, roi, progress, |scan| k::LabelledLogSum::new(groups.view())?)
}

/// Feature vectors of frames: sums under a small template at each of `positions`.
#[pyfunction]
#[pyo3(signature = (frames, positions, *, shifts=None, weights=None, roi=None, progress=None, **params))]
fn features<'py>(
    py: Python<'py>,
    frames: Any<'py>,
    positions: Any<'py>,
    shifts: Option<Any<'py>>,
    weights: Option<Any<'py>>,
    roi: Option<Any<'py>>,
    progress: Option<Py<PyAny>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: k::FeatureParams = of_keywords(params.as_ref(), Hyphens)?;
    let positions = Input::<i64>::new("positions", &positions)?.rows()?;
    let shifts = Input::<i64>::optional("shifts", &shifts)?.map(|shifts| shifts.rows()).transpose()?;
    let weights = Input::<f64>::optional("weights", &weights)?;
    let weights = weights.as_ref().map(Input::view::<Ix2>).transpose()?;
    of_a_pass!(py, frames, roi, progress, |scan| {
        let plan = feature_plan(scan.frame_shape(), &positions, weights, &params)?;
        match shifts {
            Some(shifts) => plan.shifted(shifts),
            None => plan,
        }
    })
}

fn feature_plan(
    shape: (usize, usize),
    positions: &[[i64; 2]],
    weights: Option<ndarray::ArrayView2<'_, f64>>,
    params: &k::FeatureParams,
) -> Outcome<k::FeaturePlan> {
    Ok(match weights {
        Some(weights) => k::FeaturePlan::with_template(weights.to_owned(), shape, positions, params.border)?,
        None => k::FeaturePlan::new(shape, positions, params)?,
    })
}

/// The masks under which features are summed.
#[pyfunction]
#[pyo3(signature = (shape, positions, *, weights=None, **params))]
fn feature_masks<'py>(
    py: Python<'py>,
    shape: (usize, usize),
    positions: Any<'py>,
    weights: Option<Any<'py>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: k::FeatureParams = of_keywords(params.as_ref(), Hyphens)?;
    let positions = Input::<i64>::new("positions", &positions)?.rows()?;
    let weights = Input::<f64>::optional("weights", &weights)?;
    let weights = weights.as_ref().map(Input::view::<Ix2>).transpose()?;
    let plan = feature_plan(image_shape("shape", shape)?, &positions, weights, &params)?;
    let placed = plan.placed();
    let masks = Placed {
        masks: placed.stamps.dense()?,
        cut: placed.cut.clone(),
        outside: placed.outside.clone(),
        dropped: placed.dropped.clone(),
        repeated: placed.repeated.clone(),
    };
    Ok(masks.to_python(py)?)
}

/// Weights of a detector.
#[pyfunction]
fn detector_weights<'py>(py: Python<'py>, detector: Any<'py>, shape: (usize, usize)) -> Outcome<Any<'py>> {
    Ok(self::detector(&detector)?.weights(image_shape("shape", shape)?)?.to_python(py)?)
}

/// Features scaled as others were.
#[pyfunction]
fn apply_scales<'py>(
    py: Python<'py>,
    features: Any<'py>,
    offsets: Vec<f64>,
    scales: Vec<f64>,
    per_frame: bool,
) -> Outcome<Any<'py>> {
    let scales = k::Scales { offsets, scales, per_frame };
    let features = Input::<f64>::new("features", &features)?;
    let features = features.view::<Ix2>()?.to_owned();
    Ok(work::run_of_size(py, features.len(), None, |_| Ok(scales.apply(features)?))?.to_python(py)?)
}

/// The clusters of an ordering at one distance.
#[pyfunction]
fn clusters_at<'py>(
    py: Python<'py>,
    order: Any<'py>,
    reachability: Any<'py>,
    core_distances: Any<'py>,
    eps: f64,
) -> Outcome<Any<'py>> {
    let order = Input::<u64>::new("order", &order)?;
    let reachability = Input::<f64>::new("reachability", &reachability)?.slice()?.to_vec();
    let core_distances = Input::<f64>::new("core_distances", &core_distances)?.slice()?.to_vec();
    let order: Vec<usize> = order.slice()?.iter().map(|&sample| sample as usize).collect();
    let n = order.len();
    core::check_shape("reachability", &[n], &[reachability.len()])?;
    core::check_shape("core_distances", &[n], &[core_distances.len()])?;
    if let Some(sample) = order.iter().find(|&&sample| sample >= n) {
        return Err(nonius::Error::parameter("order", "the numbers of samples", sample).into());
    }
    let ordering = k::OpticsOrdering { order, reachability, core_distances, predecessors: vec![None; n] };
    Ok(Labels(ordering.clusters_at(eps)?).to_python(py)?)
}

/// Other samples along components that were found.
#[pyfunction]
fn scores_of<'py>(
    py: Python<'py>,
    mean: Any<'py>,
    components: Any<'py>,
    features: Any<'py>,
) -> Outcome<Any<'py>> {
    let mean = Input::<f64>::new("mean", &mean)?.view::<ndarray::Ix1>()?.to_owned();
    let components = Input::<f64>::new("components", &components)?.view::<Ix2>()?.to_owned();
    core::check_shape("components", &[components.nrows(), mean.len()], components.shape())?;
    let features = Input::<f64>::new("features", &features)?;
    let found = k::PrincipalComponents {
        mean,
        components,
        variances: ndarray::Array1::zeros(0),
        total_variance: 0.0,
        scores: ndarray::Array2::zeros((0, 0)),
    };
    Ok(found.scores_of(features.view::<Ix2>()?)?.to_python(py)?)
}

/// What a detector is: a word, a dict of a shape, or an array of weights.
fn detector(object: &Any<'_>) -> Outcome<k::Detector> {
    if object.hasattr("ndim")? {
        return Ok(k::Detector::Mask(Input::<f64>::new("detectors", object)?.view::<Ix2>()?.to_owned()));
    }
    of_object(object, Hyphens)
}

/// Signals of virtual detectors, one column for each.
#[pyfunction]
#[pyo3(signature = (frames, detectors, *, roi=None, progress=None))]
fn virtual_detectors<'py>(
    py: Python<'py>,
    frames: Any<'py>,
    detectors: Vec<Any<'py>>,
    roi: Option<Any<'py>>,
    progress: Option<Py<PyAny>>,
) -> Outcome<Any<'py>> {
    let detectors: Vec<_> = detectors.iter().map(detector).collect::<Outcome<_>>()?;
    of_a_pass!(py, frames, roi, progress, |scan| k::VirtualDetectors::new(&detectors))
}

/// Centres of mass of frames.
#[pyfunction]
#[pyo3(signature = (frames, detector=None, *, reference=None, roi=None, progress=None))]
fn center_of_mass<'py>(
    py: Python<'py>,
    frames: Any<'py>,
    detector: Option<Any<'py>>,
    reference: Option<Any<'py>>,
    roi: Option<Any<'py>>,
    progress: Option<Py<PyAny>>,
) -> Outcome<Any<'py>> {
    let reference =
        Input::<f64>::optional("reference", &reference)?.map(|point| point.point()).transpose()?;
    let consumer = match detector {
        None => k::CenterOfMass { reference, ..Default::default() },
        Some(detector) => k::CenterOfMass { detector: self::detector(&detector)?, reference },
    };
    of_a_pass!(py, frames, roi, progress, |scan| consumer)
}

/// The field that centres of mass make.
#[pyfunction]
#[pyo3(signature = (centers, frame_shape, *, shape=None, roi=None, **params))]
fn deflection_field<'py>(
    py: Python<'py>,
    centers: Any<'py>,
    frame_shape: (usize, usize),
    shape: Option<Vec<usize>>,
    roi: Option<Any<'py>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: k::DeflectionParams = of_keywords(params.as_ref(), Hyphens)?;
    let centers = Input::<f64>::new("centers", &centers)?;
    let roi = shape_or_mask(&shape, &roi)?;
    Ok(k::DeflectionField::new(centers.view::<Ix2>()?, &roi, frame_shape, &params)?.to_python(py)?)
}

#[pyfunction]
#[pyo3(signature = (centers, frame_shape, *, shape=None, roi=None))]
fn guess_scan_rotation<'py>(
    py: Python<'py>,
    centers: Any<'py>,
    frame_shape: (usize, usize),
    shape: Option<Vec<usize>>,
    roi: Option<Any<'py>>,
) -> Outcome<Any<'py>> {
    let centers = Input::<f64>::new("centers", &centers)?;
    let roi = shape_or_mask(&shape, &roi)?;
    let guess = k::guess_scan_rotation(centers.view::<Ix2>()?, &roi, frame_shape)?;
    Ok(params::to_python(py, &guess)?)
}

#[pyfunction]
#[pyo3(signature = (features, scaling=None))]
fn scale<'py>(py: Python<'py>, features: Any<'py>, scaling: Option<Any<'py>>) -> Outcome<Any<'py>> {
    let scaling: k::Scaling = scaling.map(|word| of_object(&word, Hyphens)).transpose()?.unwrap_or_default();
    let features = Input::<f64>::new("features", &features)?;
    let features = features.view::<Ix2>()?.to_owned();
    Ok(work::run_of_size(py, features.len(), None, |_| Ok(k::scale(features, &scaling)?))?.to_python(py)?)
}

#[pyfunction]
#[pyo3(signature = (features, weight, *, shape=None, roi=None))]
fn with_coordinates<'py>(
    py: Python<'py>,
    features: Any<'py>,
    weight: f64,
    shape: Option<Vec<usize>>,
    roi: Option<Any<'py>>,
) -> Outcome<Any<'py>> {
    let roi = shape_or_mask(&shape, &roi)?;
    let features = Input::<f64>::new("features", &features)?;
    let features = features.view::<Ix2>()?.to_owned();
    Ok(k::with_coordinates(features, &roi, weight)?.to_python(py)?)
}

#[pyfunction]
#[pyo3(signature = (features, graph, *, progress=None, **params))]
fn ward(
    py: Python<'_>,
    features: Any<'_>,
    graph: &Graph,
    progress: Option<Py<PyAny>>,
    params: Option<Keywords<'_>>,
) -> Outcome<Dendrogram> {
    let params: k::WardParams = of_keywords(params.as_ref(), Hyphens)?;
    let features = Input::<f64>::new("features", &features)?;
    let features = features.view::<Ix2>()?;
    let tree = work::run_of_size(py, pairs(features), progress, |p| {
        Ok(k::ward(features.to_owned(), &graph.0, &params, p)?)
    })?;
    Ok(Dendrogram::of(tree))
}

#[pyfunction]
#[pyo3(signature = (features, *, progress=None, **params))]
fn linkage(
    py: Python<'_>,
    features: Any<'_>,
    progress: Option<Py<PyAny>>,
    params: Option<Keywords<'_>>,
) -> Outcome<Dendrogram> {
    let params: k::LinkageParams = of_keywords(params.as_ref(), Hyphens)?;
    let features = Input::<f64>::new("features", &features)?;
    let features = features.view::<Ix2>()?;
    Ok(Dendrogram::of(work::run_of_size(py, pairs(features), progress, |p| {
        Ok(k::linkage(features, &params, p)?)
    })?))
}

#[pyfunction]
#[pyo3(signature = (features, graph, *, progress=None, **params))]
fn graph_linkage(
    py: Python<'_>,
    features: Any<'_>,
    graph: &Graph,
    progress: Option<Py<PyAny>>,
    params: Option<Keywords<'_>>,
) -> Outcome<Dendrogram> {
    let params: k::GraphLinkageParams = of_keywords(params.as_ref(), Hyphens)?;
    let features = Input::<f64>::new("features", &features)?;
    let features = features.view::<Ix2>()?;
    Ok(Dendrogram::of(work::run_of_size(py, pairs(features), progress, |p| {
        Ok(k::graph_linkage(features, &graph.0, &params, p)?)
    })?))
}

#[pyfunction]
#[pyo3(signature = (features, n_clusters=None, *, centers=None, progress=None, **params))]
fn k_means<'py>(
    py: Python<'py>,
    features: Any<'py>,
    n_clusters: Option<usize>,
    centers: Option<Any<'py>>,
    progress: Option<Py<PyAny>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: k::KMeansParams = of_keywords(params.as_ref(), Hyphens)?;
    let features = Input::<f64>::new("features", &features)?;
    let features = features.view::<Ix2>()?;
    let centers = Input::<f64>::optional("centers", &centers)?;
    let centers = centers.as_ref().map(Input::view::<Ix2>).transpose()?;
    let found = match (n_clusters, centers) {
        (Some(n), None) => work::run(py, progress, |p| Ok(k::k_means(features, n, &params, p)?))?,
        (None, Some(from)) => work::run(py, progress, |p| Ok(k::k_means_from(features, from, &params, p)?))?,
        _ => {
            return Err(Failure::input(
                "n_clusters or centers must be given, and only one of them".to_owned(),
            ));
        }
    };
    Ok(found.to_python(py)?)
}

#[pyfunction]
#[pyo3(signature = (features, n_components=None, *, means=None, progress=None, **params))]
fn gaussian_mixture<'py>(
    py: Python<'py>,
    features: Any<'py>,
    n_components: Option<usize>,
    means: Option<Any<'py>>,
    progress: Option<Py<PyAny>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: k::MixtureParams = of_keywords(params.as_ref(), Hyphens)?;
    let features = Input::<f64>::new("features", &features)?;
    let features = features.view::<Ix2>()?;
    let means = Input::<f64>::optional("means", &means)?;
    let means = means.as_ref().map(Input::view::<Ix2>).transpose()?;
    let found = match (n_components, means) {
        (Some(n), None) => work::run(py, progress, |p| Ok(k::gaussian_mixture(features, n, &params, p)?))?,
        (None, Some(from)) => {
            work::run(py, progress, |p| Ok(k::gaussian_mixture_from(features, from, &params, p)?))?
        }
        _ => {
            return Err(Failure::input(
                "n_components or means must be given, and only one of them".to_owned(),
            ));
        }
    };
    Ok(found.to_python(py)?)
}

#[pyfunction]
#[pyo3(signature = (features, eps, *, progress=None, **params))]
fn dbscan<'py>(
    py: Python<'py>,
    features: Any<'py>,
    eps: f64,
    progress: Option<Py<PyAny>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: k::DbscanParams = of_keywords(params.as_ref(), Hyphens)?;
    let features = Input::<f64>::new("features", &features)?;
    let features = features.view::<Ix2>()?;
    Ok(work::run_of_size(py, pairs(features), progress, |p| Ok(k::dbscan(features, eps, &params, p)?))?
        .to_python(py)?)
}

#[pyfunction]
#[pyo3(signature = (features, *, progress=None, **params))]
fn hdbscan<'py>(
    py: Python<'py>,
    features: Any<'py>,
    progress: Option<Py<PyAny>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: k::HdbscanParams = of_keywords(params.as_ref(), Hyphens)?;
    let features = Input::<f64>::new("features", &features)?;
    let features = features.view::<Ix2>()?;
    Ok(work::run_of_size(py, pairs(features), progress, |p| Ok(k::hdbscan(features, &params, p)?))?
        .to_python(py)?)
}

#[pyfunction]
#[pyo3(signature = (features, *, progress=None, **params))]
fn optics<'py>(
    py: Python<'py>,
    features: Any<'py>,
    progress: Option<Py<PyAny>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: k::OpticsParams = of_keywords(params.as_ref(), Hyphens)?;
    let features = Input::<f64>::new("features", &features)?;
    let features = features.view::<Ix2>()?;
    Ok(work::run_of_size(py, pairs(features), progress, |p| Ok(k::optics(features, &params, p)?))?
        .to_python(py)?)
}

#[pyfunction]
fn principal_components<'py>(py: Python<'py>, features: Any<'py>, n_components: usize) -> Outcome<Any<'py>> {
    let features = Input::<f64>::new("features", &features)?;
    let features = features.view::<Ix2>()?;
    Ok(work::run_of_size(py, features.len(), None, |_| Ok(k::principal_components(features, n_components)?))?
        .to_python(py)?)
}

#[pyfunction]
fn adjusted_rand_index(a: Any<'_>, b: Any<'_>) -> Outcome<f64> {
    Ok(k::adjusted_rand_index(&labels_of(&a)?, &labels_of(&b)?)?)
}

#[pyfunction]
#[pyo3(signature = (features, labels, *, progress=None, **params))]
fn silhouette<'py>(
    py: Python<'py>,
    features: Any<'py>,
    labels: Any<'py>,
    progress: Option<Py<PyAny>>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: k::SilhouetteParams = of_keywords(params.as_ref(), Hyphens)?;
    let features = Input::<f64>::new("features", &features)?;
    let features = features.view::<Ix2>()?;
    let labels = labels_of(&labels)?;
    Ok(work::run_of_size(py, pairs(features), progress, |p| {
        Ok(k::silhouette(features, &labels, &params, p)?)
    })?
    .to_python(py)?)
}

#[pyfunction]
fn davies_bouldin(features: Any<'_>, labels: Any<'_>) -> Outcome<Option<f64>> {
    let features = Input::<f64>::new("features", &features)?;
    Ok(k::davies_bouldin(features.view::<Ix2>()?, &labels_of(&labels)?)?)
}

#[pyfunction]
fn within_cluster_sum_of_squares(features: Any<'_>, labels: Any<'_>) -> Outcome<f64> {
    let features = Input::<f64>::new("features", &features)?;
    Ok(k::within_cluster_sum_of_squares(features.view::<Ix2>()?, &labels_of(&labels)?)?)
}

/// A map of labels over a scan: −1 for noise, −2 outside.
pub(crate) fn label_map(labels: &Any<'_>) -> Outcome<k::LabelMap> {
    let labels = Input::<i64>::new("labels", labels)?;
    let labels: ArrayViewD<'_, i64> = labels.view()?;
    let roi = Roi::from_mask(labels.mapv(|label| label >= -1).view());
    let of_samples = roi.gather(labels)?;
    Ok(k::LabelMap::from_numbers(roi, &of_samples)?)
}

pub(crate) fn numbers(map: &k::LabelMap) -> ArrayD<i32> {
    let mut numbers = map.groups().mapv(|label| label.map_or(-1, |label| label as i32));
    let inside = map.roi().mask();
    numbers.zip_mut_with(&inside, |number, &inside| *number = if inside { *number } else { -2 });
    numbers
}

#[pyfunction]
fn boundaries<'py>(py: Python<'py>, labels: Any<'py>, graph: &Graph) -> Outcome<Any<'py>> {
    Ok(label_map(&labels)?.boundaries(&graph.0)?.to_python(py)?)
}

#[pyfunction]
fn split<'py>(py: Python<'py>, labels: Any<'py>, graph: &Graph) -> Outcome<Any<'py>> {
    Ok(moved(py, numbers(&label_map(&labels)?.split(&graph.0)?))?)
}

#[pyfunction]
fn majority_filtered<'py>(py: Python<'py>, labels: Any<'py>, graph: &Graph) -> Outcome<Any<'py>> {
    Ok(moved(py, numbers(&label_map(&labels)?.majority_filtered(&graph.0)?))?)
}

#[pyfunction]
fn absorbed<'py>(
    py: Python<'py>,
    labels: Any<'py>,
    graph: &Graph,
    features: Any<'py>,
    min_size: usize,
) -> Outcome<Any<'py>> {
    let features = Input::<f64>::new("features", &features)?;
    let map = label_map(&labels)?.absorbed(&graph.0, features.view::<Ix2>()?, min_size)?;
    Ok(moved(py, numbers(&map))?)
}

#[pyfunction]
fn matched_clusters<'py>(py: Python<'py>, labels: Any<'py>, other: Any<'py>) -> Outcome<Any<'py>> {
    Ok(label_map(&labels)?.matched(&label_map(&other)?)?.to_python(py)?)
}

#[pyfunction]
fn cluster_sizes<'py>(py: Python<'py>, labels: Any<'py>) -> Outcome<Any<'py>> {
    Ok(label_map(&labels)?.sizes().to_python(py)?)
}

/// First and one past the last position of every cluster, (cluster, axis, 2).
#[pyfunction]
fn bounding_boxes<'py>(py: Python<'py>, labels: Any<'py>) -> Outcome<Any<'py>> {
    let map = label_map(&labels)?;
    let boxes = map.bounding_boxes();
    let shape = (boxes.len(), map.roi().shape().len(), 2);
    // A cluster without positions has no ranges.
    let end = |k: usize, axis: usize, last: usize| {
        boxes[k].get(axis).map_or(0, |range| if last == 0 { range.start } else { range.end })
    };
    let ends = ndarray::Array3::from_shape_fn(shape, |(k, axis, last)| end(k, axis, last) as i64);
    Ok(ends.to_python(py)?)
}

#[pyfunction]
fn renumbered<'py>(py: Python<'py>, labels: Any<'py>, numbering: Any<'py>) -> Outcome<Any<'py>> {
    let numbering: k::Numbering = of_object(&numbering, Hyphens)?;
    Ok(moved(py, numbers(&label_map(&labels)?.renumbered(numbering)))?)
}

#[pyfunction]
fn relabeled<'py>(py: Python<'py>, labels: Any<'py>, new: Any<'py>) -> Outcome<Any<'py>> {
    let new = Input::<i64>::new("numbers", &new)?;
    let new: Vec<Option<usize>> = new.slice()?.iter().map(|&label| usize::try_from(label).ok()).collect();
    Ok(moved(py, numbers(&label_map(&labels)?.relabeled(&new)?))?)
}

#[pyfunction]
fn united<'py>(py: Python<'py>, labels: Any<'py>, a: usize, b: usize) -> Outcome<Any<'py>> {
    Ok(moved(py, numbers(&label_map(&labels)?.united(a, b)?))?)
}

/// Results of several regions put in one map.
#[pyfunction]
#[pyo3(signature = (scan_shape, rois, rows, overlap=None))]
fn merge_rows<'py>(
    py: Python<'py>,
    scan_shape: Vec<usize>,
    rois: Vec<Any<'py>>,
    rows: Vec<Any<'py>>,
    overlap: Option<Any<'py>>,
) -> Outcome<Any<'py>> {
    let overlap: k::Overlap = overlap.map(|word| of_object(&word, Hyphens)).transpose()?.unwrap_or_default();
    if rois.len() != rows.len() {
        let error = nonius::Error::parameter("rows", "one array for each of rois", rows.len());
        return Err(error.into());
    }
    let rois: Vec<Roi> = rois
        .iter()
        .map(|mask| Ok(Roi::from_mask(Input::new("rois", mask)?.view::<IxDyn>()?)))
        .collect::<Outcome<_>>()?;
    let rows: Vec<_> = rows.iter().map(|rows| Input::<f64>::new("rows", rows)).collect::<Outcome<_>>()?;
    let views: Vec<_> = rows.iter().map(Input::view::<IxDyn>).collect::<Outcome<_>>()?;
    Ok(k::merge_rows(&scan_shape, rois.iter().zip(views), overlap)?.to_python(py)?)
}

#[pyfunction]
#[pyo3(signature = (shape, center, **params))]
fn radial_bins<'py>(
    py: Python<'py>,
    shape: (usize, usize),
    center: Any<'py>,
    params: Option<Keywords<'py>>,
) -> Outcome<Any<'py>> {
    let params: masks::RadialBinParams = of_keywords(params.as_ref(), Hyphens)?;
    let center = Input::<f64>::new("center", &center)?.point()?;
    Ok(masks::radial_bins(image_shape("shape", shape)?, center, &params)?.to_python(py)?)
}

#[pyfunction]
#[pyo3(signature = (shape, center, radius, inner=None, hard=false))]
fn disk<'py>(
    py: Python<'py>,
    shape: (usize, usize),
    center: Any<'py>,
    radius: f64,
    inner: Option<f64>,
    hard: bool,
) -> Outcome<Any<'py>> {
    let center = Input::<f64>::new("center", &center)?.point()?;
    let (shape, edge) = (image_shape("shape", shape)?, edge(hard));
    let mask = match inner {
        None => masks::disk(shape, center, radius, edge)?,
        Some(inner) => masks::ring(shape, center, inner, radius, edge)?,
    };
    Ok(mask.to_python(py)?)
}

fn edge(hard: bool) -> masks::Edge {
    if hard { masks::Edge::Hard } else { masks::Edge::AntiAliased }
}

#[pyfunction]
fn radial_gradient<'py>(
    py: Python<'py>,
    shape: (usize, usize),
    center: Any<'py>,
    radius: f64,
    hard: bool,
) -> Outcome<Any<'py>> {
    let center = Input::<f64>::new("center", &center)?.point()?;
    Ok(masks::radial_gradient(image_shape("shape", shape)?, center, radius, edge(hard))?.to_python(py)?)
}

#[pyfunction]
fn background_subtraction<'py>(
    py: Python<'py>,
    shape: (usize, usize),
    center: Any<'py>,
    radius: f64,
    outer: f64,
    hard: bool,
) -> Outcome<Any<'py>> {
    let center = Input::<f64>::new("center", &center)?.point()?;
    let shape = image_shape("shape", shape)?;
    Ok(masks::background_subtraction(shape, center, radius, outer, edge(hard))?.to_python(py)?)
}

#[pyfunction]
fn rectangle<'py>(
    py: Python<'py>,
    shape: (usize, usize),
    corner: Any<'py>,
    size: Any<'py>,
) -> Outcome<Any<'py>> {
    let corner = Input::<f64>::new("corner", &corner)?.point()?;
    let size = Input::<f64>::new("size", &size)?.point()?;
    Ok(masks::rectangle(image_shape("shape", shape)?, corner, size)?.to_python(py)?)
}

#[pyfunction]
fn balanced<'py>(py: Python<'py>, mask: Any<'py>) -> Outcome<Any<'py>> {
    let mask = Input::<f64>::new("mask", &mask)?;
    Ok(masks::balance(mask.view::<Ix2>()?.to_owned())?.to_python(py)?)
}

#[pyfunction]
fn polar_map<'py>(
    py: Python<'py>,
    shape: (usize, usize),
    center: Any<'py>,
    ellipse: Option<Any<'py>>,
) -> Outcome<Any<'py>> {
    let center = Input::<f64>::new("center", &center)?.point()?;
    let ellipse: Option<masks::Ellipse> = ellipse.map(|given| of_object(&given, Hyphens)).transpose()?;
    let shape = image_shape("shape", shape)?;
    Ok(masks::polar_map(shape, center, ellipse.unwrap_or_default())?.to_python(py)?)
}

pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Graph>()?;
    module.add_class::<Dendrogram>()?;
    for function in [
        wrap_pyfunction!(graph_again, module)?,
        wrap_pyfunction!(dendrogram_again, module)?,
        wrap_pyfunction!(feature_masks, module)?,
        wrap_pyfunction!(detector_weights, module)?,
        wrap_pyfunction!(apply_scales, module)?,
        wrap_pyfunction!(clusters_at, module)?,
        wrap_pyfunction!(scores_of, module)?,
        wrap_pyfunction!(cluster_sizes, module)?,
        wrap_pyfunction!(bounding_boxes, module)?,
        wrap_pyfunction!(renumbered, module)?,
        wrap_pyfunction!(relabeled, module)?,
        wrap_pyfunction!(united, module)?,
        wrap_pyfunction!(radial_gradient, module)?,
        wrap_pyfunction!(background_subtraction, module)?,
        wrap_pyfunction!(rectangle, module)?,
        wrap_pyfunction!(balanced, module)?,
        wrap_pyfunction!(polar_map, module)?,
        wrap_pyfunction!(pixel_statistics, module)?,
        wrap_pyfunction!(log_sum, module)?,
        wrap_pyfunction!(features, module)?,
        wrap_pyfunction!(virtual_detectors, module)?,
        wrap_pyfunction!(center_of_mass, module)?,
        wrap_pyfunction!(deflection_field, module)?,
        wrap_pyfunction!(guess_scan_rotation, module)?,
        wrap_pyfunction!(scale, module)?,
        wrap_pyfunction!(with_coordinates, module)?,
        wrap_pyfunction!(ward, module)?,
        wrap_pyfunction!(linkage, module)?,
        wrap_pyfunction!(graph_linkage, module)?,
        wrap_pyfunction!(k_means, module)?,
        wrap_pyfunction!(gaussian_mixture, module)?,
        wrap_pyfunction!(dbscan, module)?,
        wrap_pyfunction!(hdbscan, module)?,
        wrap_pyfunction!(optics, module)?,
        wrap_pyfunction!(principal_components, module)?,
        wrap_pyfunction!(adjusted_rand_index, module)?,
        wrap_pyfunction!(silhouette, module)?,
        wrap_pyfunction!(davies_bouldin, module)?,
        wrap_pyfunction!(within_cluster_sum_of_squares, module)?,
        wrap_pyfunction!(boundaries, module)?,
        wrap_pyfunction!(split, module)?,
        wrap_pyfunction!(majority_filtered, module)?,
        wrap_pyfunction!(absorbed, module)?,
        wrap_pyfunction!(matched_clusters, module)?,
        wrap_pyfunction!(merge_rows, module)?,
        wrap_pyfunction!(radial_bins, module)?,
        wrap_pyfunction!(disk, module)?,
    ] {
        module.add_function(function)?;
    }
    Ok(())
}

/// How many values are looked at where every sample is compared with every other.
fn pairs(features: ArrayView2<'_, f64>) -> usize {
    features.len().saturating_mul(features.nrows())
}
