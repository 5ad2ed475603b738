"""What a 4D-STEM scan shows at a glance, and the regions of it whose frames resemble one another.

1. `pixel_statistics` have a map of standard deviations, whose peaks are places where frames differ.
2. `features` puts a small mask on each of those places: every frame becomes a feature vector.
3. `scale` makes features comparable, `with_coordinates` adds where a frame was taken.
4. `ward` merges neighbours of a `Graph` into a tree (`Dendrogram`), whose cut are labels.
5. Each cluster is a region of interest for all that a pass computes; `merge_rows` puts results together.

``frames`` are an array ``(..., y, x)`` of any real or integer type, or a `pynonius.io.Scan`; a ``roi`` is a mask
over the axes of the scan. Results have one row per position that the roi has. Labels number clusters from 0, −1 is
noise; maps of labels also have −2 outside the roi.
"""

from typing import Any, Literal, NamedTuple, TypedDict, Unpack

from numpy.typing import ArrayLike

from . import _native
from ._errors import Error
from ._keywords import keywords_of
from ._native import Dendrogram, Graph, Template
from ._types import Bools, Floats, Integers, Progress

__all__ = [
    "ClusterSuggestion",
    "CompletedGraph",
    "DbscanClusters",
    "DbscanParams",
    "DeflectionField",
    "DeflectionParams",
    "Dendrogram",
    "FeatureMasks",
    "FeatureParams",
    "GaussianMixture",
    "Graph",
    "GraphLinkageParams",
    "HdbscanClusters",
    "HdbscanParams",
    "KMeansClusters",
    "KMeansParams",
    "LinkageParams",
    "MatchedClusters",
    "MergedRows",
    "MixtureParams",
    "OpticsOrdering",
    "OpticsParams",
    "PixelMaps",
    "PolarMap",
    "PrincipalComponents",
    "RadialBinParams",
    "ScaledFeatures",
    "Silhouette",
    "SilhouetteParams",
    "WardParams",
    "absorbed",
    "adjusted_rand_index",
    "background_subtraction",
    "balanced",
    "boundaries",
    "bounding_boxes",
    "center_of_mass",
    "cluster_sizes",
    "davies_bouldin",
    "dbscan",
    "deflection_field",
    "detector_weights",
    "disk",
    "feature_masks",
    "features",
    "gaussian_mixture",
    "graph_linkage",
    "guess_scan_rotation",
    "hdbscan",
    "k_means",
    "linkage",
    "log_sum",
    "majority_filtered",
    "matched_clusters",
    "merge_rows",
    "optics",
    "pixel_statistics",
    "polar_map",
    "principal_components",
    "radial_bins",
    "radial_gradient",
    "rectangle",
    "relabeled",
    "renumbered",
    "scale",
    "silhouette",
    "split",
    "united",
    "virtual_detectors",
    "ward",
    "with_coordinates",
    "within_cluster_sum_of_squares",
]

Metric = Literal["euclidean", "squared_euclidean", "manhattan", "chebyshev", "cosine"]
Disconnected = Literal["complete", "forest", "error"]
#: ``"whole"``, ``{"disk": {"center": .., "radius": ..}}``, ``{"ring": {"center": .., "inner": .., "outer": ..}}``,
#: ``{"point": {"pixel": ..}}``, or an array of weights
Detector = Literal["whole"] | dict[str, dict[str, Any]] | ArrayLike


Numbering = Literal["canonical", "by_size", "scikit_learn"]


class FeatureParams(TypedDict, total=False):
    """``template``: a `pynonius.blobfinder.Template`, or a dict of `pynonius.blobfinder.TemplateParams`; ``border``:
    what becomes of masks that are cut, ``"keep"``, ``"rebalance"``, ``"drop"``, ``"error"``."""

    template: Template | dict[str, Any]
    border: Literal["keep", "rebalance", "drop", "error"]


class WardParams(TypedDict, total=False):
    """``n_clusters``: where to stop, default at one tree; ``disconnected``: what becomes of parts; ``fast``."""

    n_clusters: int | None
    disconnected: Disconnected
    fast: bool


class LinkageParams(TypedDict, total=False):
    """``linkage``: ``"ward"`` or ``{"average" | "complete" | "weighted" | "single": metric}``."""

    linkage: Literal["ward"] | dict[str, Metric]
    memory_limit: int


class GraphLinkageParams(TypedDict, total=False):
    """Linkage on a graph."""

    linkage: Literal["average", "complete", "single"]
    metric: Metric
    disconnected: Disconnected


class KMeansParams(TypedDict, total=False):
    """How k-means is run: ``n_starts`` times from ``seed``."""

    n_starts: int
    max_iterations: int
    tolerance: float
    seed: int


class DbscanParams(TypedDict, total=False):
    """A sample with ``min_samples`` within the distance, itself among them, is a core; ``memory_limit`` in bytes."""

    min_samples: int
    memory_limit: int


class OpticsParams(TypedDict, total=False):
    """What a core is, and how far one looks."""

    min_samples: int
    max_eps: float
    memory_limit: int


class HdbscanParams(TypedDict, total=False):
    """Fewer samples than ``min_cluster_size`` make no cluster; the more ``min_samples``, the more are noise."""

    min_cluster_size: int
    min_samples: int


class MixtureParams(TypedDict, total=False):
    """How a mixture of Gaussians is fitted: ``regularization`` is added to variances, in squared units of the features;
    ``tolerance`` is the change of the lower bound that ends it."""

    covariances: Literal["full", "diagonal"]
    regularization: float
    tolerance: float
    max_iterations: int
    seed: int


class DeflectionParams(TypedDict, total=False):
    """How the detector lies against the scan, and what is taken off.

    - ``center``: where the undeflected beam hits, (y, x) px, default half the size of the frame
    - ``scan_rotation``: θ degrees of ``(y', x') = [[cos θ, sin θ], [−sin θ, cos θ]] (y, x)``
    - ``flip_y``: the detector's y axis points the other way; undone before the rotation
    - ``regression``: what is taken off in the end
    """

    center: tuple[float, float] | None
    scan_rotation: float
    flip_y: bool
    regression: Literal["none", "mean", "plane"]


class SilhouetteParams(TypedDict, total=False):
    """Up to how many rows all are compared, and the seed of the sample beyond."""

    exact_up_to: int
    seed: int


class RadialBinParams(TypedDict, total=False):
    """Rings between ``radius_inner`` and ``radius``, px."""

    radius_inner: float
    radius: float | None
    n_bins: int | None
    normalize: bool


class PixelMaps(NamedTuple):
    """Statistics of every pixel over frames, shape (y, x)."""

    n_frames: int
    #: frames that counted, where NaN were skipped
    counts: Integers | None
    sum: Floats
    #: exact, of integer frames
    integer_sum: Integers | None
    mean: Floats
    variance: Floats
    min: Floats
    max: Floats
    standard_deviation: Floats


class ScaledFeatures(NamedTuple):
    """Features and what they were scaled by."""

    features: Floats
    #: taken off each column
    offsets: Floats
    #: by what it is then divided; 0 makes it 0
    scales: Floats
    #: numbers of columns whose scale is 0
    dead_columns: Integers
    #: numbers of rows that are 0 everywhere, where each row was divided
    dead_rows: Integers
    #: whether each row was also divided by the sum of its absolute values
    per_frame: bool

    def apply(self, features: ArrayLike) -> Floats:
        """Other features, scaled as these were.

        >>> scale([[1.0], [3.0]], "mean_absolute").apply([[4.0]]).tolist()
        [[2.0]]
        """
        return _native.apply_scales(features, self.offsets, self.scales, self.per_frame)


class FeatureMasks(NamedTuple):
    """The masks under which features are summed, and what there is to say about their places, by number of the
    position."""

    #: (mask, y, x)
    masks: Floats
    #: cut by the border
    cut: Integers
    #: as a whole outside the frame
    outside: Integers
    #: left out: they have no mask
    dropped: Integers
    #: where an earlier one is
    repeated: Integers


class CompletedGraph(NamedTuple):
    """A graph with edges between its parts, those edges, and the number of parts before."""

    graph: Graph
    added_edges: Integers
    n_components: int


class PolarMap(NamedTuple):
    """Distance (px) and direction (rad, from +x towards +y) of every pixel from a centre."""

    radius: Floats
    angle: Floats


class DeflectionField(NamedTuple):
    """The field that centres of mass make, over the scan."""

    #: px
    y: Floats
    #: px
    x: Floats
    #: (3, 2) px: constant, slope along scan y, slope along scan x, each (y, x)
    removed: Floats
    #: px
    magnitude: Floats
    #: px per position of the scan
    divergence: Floats
    #: px per position of the scan
    curl: Floats


class KMeansClusters(NamedTuple):
    """Clusters of k-means."""

    labels: Integers
    #: one row for each cluster
    centers: Floats
    sizes: Integers
    #: of the distances of samples from their centres
    sum_of_squares: float
    n_iterations: int
    converged: bool


class DbscanClusters(NamedTuple):
    """Clusters by density; −1 is noise."""

    labels: Integers
    #: which samples are cores
    cores: Bools
    n_clusters: int


class HdbscanClusters(NamedTuple):
    """Clusters by density that persist; −1 is noise."""

    labels: Integers
    #: how firmly every sample belongs to its cluster, 0 (noise) to 1
    memberships: Floats
    #: of every cluster: the greater, the more it stands out
    stabilities: Floats


class GaussianMixture(NamedTuple):
    """A mixture of Gaussians."""

    #: the most probable component
    labels: Integers
    #: (sample, component)
    probabilities: Floats
    #: share of every component
    weights: Floats
    #: (component, column)
    means: Floats
    #: (component, column, column)
    covariances: Floats
    #: mean logarithm of the density of samples
    lower_bound: float
    n_iterations: int
    converged: bool


class OpticsOrdering(NamedTuple):
    """The order of rows in which neighbours by density stand beside one another."""

    #: numbers of the samples as they were visited; what follows is by number of the sample
    order: Integers
    #: infinite for the first of a component
    reachability: Floats
    core_distances: Floats
    #: −1 for the first of a component
    predecessors: Integers

    def clusters_at(self, eps: float) -> Integers:
        """The clusters at one distance, nearly those of DBSCAN; −1 is noise.

        >>> optics([[0.0], [0.1], [0.2], [9.0]], min_samples=2).clusters_at(0.5)
        array([ 0,  0,  0, -1])
        """
        return _native.clusters_at(self.order, self.reachability, self.core_distances, eps)


class PrincipalComponents(NamedTuple):
    """Directions of greatest variance, strongest first."""

    #: of every column
    mean: Floats
    #: one row of length 1 for each
    components: Floats
    #: along each, divisor N − 1
    variances: Floats
    #: of all columns
    total_variance: float
    #: (sample, component)
    scores: Floats

    def scores_of(self, features: ArrayLike) -> Floats:
        """Other samples along the same components."""
        return _native.scores_of(self.mean, self.components, features)


class Silhouette(NamedTuple):
    """How well rows lie in their clusters, −1 to 1."""

    mean: float | None
    standard_error: float
    samples: Integers
    values: Floats


class ClusterSuggestion(NamedTuple):
    """A number of clusters, and the ratio of distances that speaks for it."""

    n_clusters: int
    jump: float


class MergedRows(NamedTuple):
    """Results of regions in one map; NaN where there was none."""

    values: Floats
    n_missing: int
    n_overlapping: int


class MatchedClusters(NamedTuple):
    """For each cluster of one map its partner in the other, −1 without."""

    partner: Integers
    overlap: Integers
    n_common: int


def pixel_statistics(
    frames: Any,
    *,
    labels: ArrayLike | None = None,
    nan: Literal["propagate", "skip", "error"] = "propagate",
    roi: ArrayLike | None = None,
    progress: Progress | None = None,
) -> Any:
    """Statistics of every pixel over the frames: a `PixelMaps`, or with a map of `labels` a list of them, one for
    each cluster.

    >>> import numpy as np
    >>> frames = np.arange(24, dtype=np.uint8).reshape(6, 2, 2)
    >>> pixel_statistics(frames).mean
    array([[10., 11.],
           [12., 13.]])
    """
    return _native.pixel_statistics(frames, labels=labels, nan=nan, roi=roi, progress=progress)


def log_sum(
    frames: Any,
    *,
    labels: ArrayLike | None = None,
    roi: ArrayLike | None = None,
    progress: Progress | None = None,
) -> Floats:
    """The sum of the logarithms of frames, each above its minimum; with a map of `labels`, one for each cluster."""
    return _native.log_sum(frames, labels=labels, roi=roi, progress=progress)


@keywords_of(FeatureParams)
def features(
    frames: Any,
    positions: ArrayLike,
    *,
    shifts: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    roi: ArrayLike | None = None,
    progress: Progress | None = None,
    **params: Unpack[FeatureParams],
) -> Floats:
    """Feature vectors: sums under a small template at `positions` (n, 2), whole px, one row per sample and one column
    per mask: as many as positions, unless ``border="drop"`` leaves some out.

    `shifts` (sample, 2), whole px, move the templates with each frame; `weights` (y, x) stand for the template.

    >>> import numpy as np
    >>> frames = np.zeros((2, 9, 9)); frames[1, 4, 5] = 7
    >>> features(frames, [(4, 5)], template=Template(radius=2)).tolist()
    [[0.0], [7.0]]
    """
    weights, plain = _weights_of_template(weights, params)
    return _native.features(
        frames, positions, shifts=shifts, weights=weights, roi=roi, progress=progress, **plain
    )


def _weights_of_template(
    weights: ArrayLike | None, params: FeatureParams
) -> tuple[ArrayLike | None, dict[str, Any]]:
    """A `Template` as weights, since Rust makes templates of features from a formula only."""
    plain: dict[str, Any] = dict(params)
    template = plain.get("template")
    if not isinstance(template, Template):
        return weights, plain
    if weights is not None:
        raise Error("weights: expected none beside a Template, for which they would stand")
    del plain["template"]
    c = template.crop_size
    return template.mask((2 * c + 1, 2 * c + 1), (c, c)), plain


@keywords_of(FeatureParams)
def feature_masks(
    shape: tuple[int, int],
    positions: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    **params: Unpack[FeatureParams],
) -> FeatureMasks:
    """The masks of `features` for frames of `shape`. Their sum is a virtual detector, a dark-field image of all
    positions together."""
    weights, plain = _weights_of_template(weights, params)
    return _native.feature_masks(shape, positions, weights=weights, **plain)


def virtual_detectors(
    frames: Any,
    detectors: list[Detector],
    *,
    roi: ArrayLike | None = None,
    progress: Progress | None = None,
) -> Floats:
    """Signals of virtual detectors, one column each.

    >>> import numpy as np
    >>> virtual_detectors(np.ones((2, 5, 5)), ["whole", {"point": {"pixel": (2, 2)}}])
    array([[25.,  1.],
           [25.,  1.]])
    """
    return _native.virtual_detectors(frames, detectors, roi=roi, progress=progress)


def detector_weights(detector: Detector, shape: tuple[int, int]) -> Floats:
    """Weight of each pixel of a frame of `shape` in a virtual detector.

    >>> detector_weights({"disk": {"center": (1, 1), "radius": 1}}, (3, 3)).sum()
    np.float64(5.0)
    """
    return _native.detector_weights(detector, shape)


def center_of_mass(
    frames: Any,
    detector: Detector | None = None,
    *,
    reference: ArrayLike | None = None,
    roi: ArrayLike | None = None,
    progress: Progress | None = None,
) -> Floats:
    """Centres of mass (sample, 2) px; `reference` stands for frames without any signal."""
    return _native.center_of_mass(frames, detector, reference=reference, roi=roi, progress=progress)


@keywords_of(DeflectionParams)
def deflection_field(
    centers: ArrayLike,
    frame_shape: tuple[int, int],
    *,
    shape: tuple[int, ...] | None = None,
    roi: ArrayLike | None = None,
    **params: Unpack[DeflectionParams],
) -> DeflectionField:
    """The field of centres of mass over a scan of `shape`, or of a `roi`."""
    return _native.deflection_field(centers, frame_shape, shape=shape, roi=roi, **params)


def guess_scan_rotation(
    centers: ArrayLike,
    frame_shape: tuple[int, int],
    *,
    shape: tuple[int, ...] | None = None,
    roi: ArrayLike | None = None,
) -> DeflectionParams:
    """The rotation and flip by which the field has least curl, as keywords of `deflection_field`."""
    return _native.guess_scan_rotation(centers, frame_shape, shape=shape, roi=roi)


def scale(
    features: ArrayLike,
    scaling: Literal["none", "mean_absolute", "standard_deviation", "robust", "per_frame"]
    | dict[str, list[float]] = "none",
) -> ScaledFeatures:
    """Makes columns comparable.

    >>> scale([[1.0, 10.0], [3.0, 30.0]], "mean_absolute").features.tolist()
    [[0.5, 0.5], [1.5, 1.5]]
    """
    return _native.scale(features, scaling)


def with_coordinates(
    features: ArrayLike,
    weight: float,
    *,
    shape: tuple[int, ...] | None = None,
    roi: ArrayLike | None = None,
) -> Floats:
    """Features with the position of each sample as further columns."""
    return _native.with_coordinates(features, weight, shape=shape, roi=roi)


@keywords_of(WardParams)
def ward(
    features: ArrayLike, graph: Graph, *, progress: Progress | None = None, **params: Unpack[WardParams]
) -> Dendrogram:
    """Ward's method on a graph: merges and distances are those of scikit-learn, bit for bit.

    >>> import numpy as np
    >>> features = np.array([0.0, 0.1, 5.0, 5.2])[:, None]
    >>> ward(features, Graph.grid((4,))).labels(2)
    array([0, 0, 1, 1])
    """
    return _native.ward(features, graph, progress=progress, **params)


@keywords_of(LinkageParams)
def linkage(
    features: ArrayLike, *, progress: Progress | None = None, **params: Unpack[LinkageParams]
) -> Dendrogram:
    """Hierarchical clustering of rows that know no neighbours."""
    return _native.linkage(features, progress=progress, **params)


@keywords_of(GraphLinkageParams)
def graph_linkage(
    features: ArrayLike,
    graph: Graph,
    *,
    progress: Progress | None = None,
    **params: Unpack[GraphLinkageParams],
) -> Dendrogram:
    """Average, complete or single linkage on a graph."""
    return _native.graph_linkage(features, graph, progress=progress, **params)


@keywords_of(KMeansParams)
def k_means(
    features: ArrayLike,
    n_clusters: int | None = None,
    *,
    centers: ArrayLike | None = None,
    progress: Progress | None = None,
    **params: Unpack[KMeansParams],
) -> KMeansClusters:
    """k-means from seeds of its own (`n_clusters`) or from `centers`."""
    return _native.k_means(features, n_clusters, centers=centers, progress=progress, **params)


@keywords_of(MixtureParams)
def gaussian_mixture(
    features: ArrayLike,
    n_components: int | None = None,
    *,
    means: ArrayLike | None = None,
    progress: Progress | None = None,
    **params: Unpack[MixtureParams],
) -> GaussianMixture:
    """A mixture of Gaussians by expectation maximisation."""
    return _native.gaussian_mixture(features, n_components, means=means, progress=progress, **params)


@keywords_of(DbscanParams)
def dbscan(
    features: ArrayLike, eps: float, *, progress: Progress | None = None, **params: Unpack[DbscanParams]
) -> DbscanClusters:
    """Clusters of rows that have neighbours within `eps`.

    >>> dbscan([[0.0], [0.1], [0.2], [9.0]], 0.5, min_samples=2).labels
    array([ 0,  0,  0, -1])
    """
    return _native.dbscan(features, eps, progress=progress, **params)


@keywords_of(HdbscanParams)
def hdbscan(
    features: ArrayLike, *, progress: Progress | None = None, **params: Unpack[HdbscanParams]
) -> HdbscanClusters:
    """Clusters by density over all scales."""
    return _native.hdbscan(features, progress=progress, **params)


@keywords_of(OpticsParams)
def optics(
    features: ArrayLike, *, progress: Progress | None = None, **params: Unpack[OpticsParams]
) -> OpticsOrdering:
    """The ordering of points to identify the clustering structure."""
    return _native.optics(features, progress=progress, **params)


def principal_components(features: ArrayLike, n_components: int) -> PrincipalComponents:
    """Directions of greatest variance."""
    return _native.principal_components(features, n_components)


def adjusted_rand_index(a: ArrayLike, b: ArrayLike) -> float:
    """How alike two labellings are: 1 for the same, about 0 for strangers.

    >>> adjusted_rand_index([0, 0, 1, 1], [1, 1, 0, 0])
    1.0
    """
    return _native.adjusted_rand_index(a, b)


@keywords_of(SilhouetteParams)
def silhouette(
    features: ArrayLike,
    labels: ArrayLike,
    *,
    progress: Progress | None = None,
    **params: Unpack[SilhouetteParams],
) -> Silhouette:
    """How well rows lie in their clusters."""
    return _native.silhouette(features, labels, progress=progress, **params)


def davies_bouldin(features: ArrayLike, labels: ArrayLike) -> float | None:
    """How much clusters resemble their nearest neighbours; smaller is better."""
    return _native.davies_bouldin(features, labels)


def within_cluster_sum_of_squares(features: ArrayLike, labels: ArrayLike) -> float:
    """Squared distances to the centres of clusters, summed."""
    return _native.within_cluster_sum_of_squares(features, labels)


def boundaries(labels: ArrayLike, graph: Graph) -> Bools:
    """Where a map of labels has neighbours of another cluster; the graph is of the samples inside."""
    return _native.boundaries(labels, graph)


def split(labels: ArrayLike, graph: Graph) -> Integers:
    """Every connected part a cluster of its own."""
    return _native.split(labels, graph)


def majority_filtered(labels: ArrayLike, graph: Graph) -> Integers:
    """Every sample given to the cluster that most of its neighbours have."""
    return _native.majority_filtered(labels, graph)


def absorbed(labels: ArrayLike, graph: Graph, features: ArrayLike, min_size: int) -> Integers:
    """Clusters of fewer than `min_size` samples given to the neighbours that they resemble."""
    return _native.absorbed(labels, graph, features, min_size)


def matched_clusters(labels: ArrayLike, other: ArrayLike) -> MatchedClusters:
    """Which cluster of `other` each cluster of `labels` overlaps most."""
    return _native.matched_clusters(labels, other)


def cluster_sizes(labels: ArrayLike) -> Integers:
    """Number of positions of every cluster of a map of labels.

    >>> cluster_sizes([[0, 0], [1, -2]])
    array([2, 1], dtype=uint64)
    """
    return _native.cluster_sizes(labels)


def bounding_boxes(labels: ArrayLike) -> Integers:
    """For every cluster the first position along every axis, and one past the last: (cluster, axis, 2)."""
    return _native.bounding_boxes(labels)


def renumbered(labels: ArrayLike, numbering: Numbering = "canonical") -> Integers:
    """The same clusters in the order of their first positions, or ``"by_size"``, the largest first."""
    return _native.renumbered(labels, numbering)


def relabeled(labels: ArrayLike, numbers: ArrayLike) -> Integers:
    """Cluster k becomes ``numbers[k]``: the same number twice unites, −1 makes noise. Gaps are closed up."""
    return _native.relabeled(labels, numbers)


def united(labels: ArrayLike, a: int, b: int) -> Integers:
    """Two clusters become one, under the smaller number; numbers above the larger move down by one."""
    return _native.united(labels, a, b)


def merge_rows(
    scan_shape: tuple[int, ...],
    rois: list[ArrayLike],
    rows: list[ArrayLike],
    overlap: Literal["error", "first_wins", "last_wins", "mean"] = "error",
) -> MergedRows:
    """Rows of several regions (masks over the scan) put in their places."""
    return _native.merge_rows(scan_shape, rois, rows, overlap)


@keywords_of(RadialBinParams)
def radial_bins(
    shape: tuple[int, int], center: ArrayLike, **params: Unpack[RadialBinParams]
) -> Floats:
    """Masks of concentric rings, shape (bin, y, x)."""
    return _native.radial_bins(shape, center, **params)


def disk(
    shape: tuple[int, int],
    center: ArrayLike,
    radius: float,
    *,
    inner: float | None = None,
    hard: bool = False,
) -> Floats:
    """The mask of a disk, or of a ring from `inner`; edges are smooth unless `hard`."""
    return _native.disk(shape, center, radius, inner, hard)


def radial_gradient(
    shape: tuple[int, int], center: ArrayLike, radius: float, *, hard: bool = False
) -> Floats:
    """A disk that rises from 0 in its middle to 1 at its edge: it answers to edges of disks."""
    return _native.radial_gradient(shape, center, radius, hard)


def background_subtraction(
    shape: tuple[int, int], center: ArrayLike, radius: float, outer: float, *, hard: bool = False
) -> Floats:
    """A disk less the ring around it, of sum 0."""
    return _native.background_subtraction(shape, center, radius, outer, hard)


def rectangle(shape: tuple[int, int], corner: ArrayLike, size: ArrayLike) -> Floats:
    """1 from `corner` (y, x) to ``corner + size``, both truncated to whole pixels and included; 0 elsewhere."""
    return _native.rectangle(shape, corner, size)


def balanced(mask: ArrayLike) -> Floats:
    """A mask with its negative elements scaled so that the sum is 0."""
    return _native.balanced(mask)


def polar_map(
    shape: tuple[int, int], center: ArrayLike, ellipse: dict[str, float] | None = None
) -> PolarMap:
    """Distance and direction of every pixel from `center`, as an `ellipse` ``{"stretch": ..., "angle": rad}`` sees
    them."""
    return _native.polar_map(shape, center, ellipse)
