"""scikit-learn's clustering."""

import inspect
import warnings
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from .. import clustering as _k
from .._errors import Error
from .._types import Floats, Integers, Progress
from ._keywords import refuse


#: scikit-learn's words for distances, and ours
_METRICS: dict[str, _k.Metric] = {
    "euclidean": "euclidean",
    "l2": "euclidean",
    "sqeuclidean": "squared_euclidean",
    "manhattan": "manhattan",
    "cityblock": "manhattan",
    "l1": "manhattan",
    "chebyshev": "chebyshev",
    "cosine": "cosine",
}


def _metric(metric: Any) -> _k.Metric:
    if not isinstance(metric, str) or metric not in _METRICS:
        raise Error(f"metric must be one of {', '.join(_METRICS)} (of rows of features), got {metric!r}")
    return _METRICS[metric]


def _euclidean(metric: Any) -> None:
    if _metric(metric) != "euclidean":
        raise Error(f"metric must be 'euclidean', got {metric!r}")


def _features(X: Any) -> Floats:
    features = np.asarray(X.toarray() if hasattr(X, "toarray") else X, np.float64)
    if features.ndim != 2:
        raise Error(f"X: expected 2 axes, got shape {features.shape}")
    return features


def _graph(connectivity: Any, features: Floats) -> _k.Graph:
    """The graph of a square matrix, sparse or dense; one direction of an edge is enough."""
    n_samples = len(features)
    if isinstance(connectivity, _k.Graph):
        return connectivity
    if callable(connectivity):
        connectivity = connectivity(features)
    if hasattr(connectivity, "tocoo"):
        matrix = connectivity.tocoo()
        rows, columns = matrix.row[matrix.data != 0], matrix.col[matrix.data != 0]
        shape = matrix.shape
    else:
        dense = np.asarray(connectivity)
        shape = dense.shape
        rows, columns = np.nonzero(np.atleast_2d(dense))
    if shape != (n_samples, n_samples):
        raise Error(f"connectivity: expected shape {(n_samples, n_samples)}, got {shape}")
    edges = np.stack([np.minimum(rows, columns), np.maximum(rows, columns)], axis=1)
    edges = np.unique(edges[edges[:, 0] < edges[:, 1]], axis=0)
    return _k.Graph.from_edges(n_samples, edges)


def _tree(
    X: ArrayLike, connectivity: Any, linkage: Any, metric: Any, progress: Progress | None = None
) -> _k.Dendrogram:
    """All merges; parts of a graph that is not connected are joined at last, with a warning."""
    features = _features(X)
    distance = _metric(metric)
    if linkage == "ward" and distance != "euclidean":
        raise Error(f"metric must be 'euclidean' for linkage 'ward', got {metric!r}")
    if connectivity is None:
        how: Any = linkage if linkage == "ward" else {linkage: distance}
        return _k.linkage(features, linkage=how, progress=progress)
    graph = _graph(connectivity, features)
    if linkage == "ward":
        tree = _k.ward(features, graph, progress=progress)
    else:
        tree = _k.graph_linkage(features, graph, linkage=linkage, metric=distance, progress=progress)
    if tree.n_components > 1:
        message = f"the graph of {tree.n_components} parts that are not connected was completed"
        warnings.warn(message, UserWarning, stacklevel=4)
    return tree


class _Estimator:
    """What scikit-learn's tools ask of any estimator: parameters are attributes with the names of ``__init__``."""

    labels_: Integers

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name."""
        names = list(inspect.signature(type(self)).parameters)
        return {name: getattr(self, name) for name in names}

    def set_params(self, **params: Any) -> Self:
        """Other parameters."""
        known = self.get_params()
        for name, value in params.items():
            if name not in known:
                raise Error(f"{name}: no such parameter of {type(self).__name__}; there are {', '.join(known)}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        usual = inspect.signature(type(self)).parameters
        given = [f"{k}={v!r}" for k, v in sorted(self.get_params().items()) if v is not usual[k].default]
        return f"{type(self).__name__}({', '.join(given)})"

    def fit(self, X: ArrayLike, y: None = None) -> Self:
        """Clusters the rows of `X`."""
        raise NotImplementedError

    def fit_predict(self, X: ArrayLike, y: None = None) -> Integers:
        """The label of every row of `X`."""
        return self.fit(X).labels_


class AgglomerativeClustering(_Estimator):
    """scikit-learn's, with the same merges, distances and labels bit for bit for Ward's method on a graph.

    `connectivity` is a sparse or dense matrix, a function of `X` that returns one, or a `pynonius.clustering.Graph`.
    `memory` has no effect. ``dendrogram_`` is the whole tree with its distances, whatever was asked for.

    >>> from pynonius.clustering import Graph
    >>> model = AgglomerativeClustering(n_clusters=2, connectivity=Graph.grid((4,)))
    >>> model.fit_predict([[0.0], [0.1], [5.0], [5.2]]).tolist()
    [1, 1, 0, 0]
    """

    def __init__(
        self,
        n_clusters: int | None = 2,
        *,
        metric: str = "euclidean",
        memory: Any = None,
        connectivity: Any = None,
        compute_full_tree: bool | Literal["auto"] = "auto",
        linkage: Literal["ward", "average", "complete", "single"] = "ward",
        distance_threshold: float | None = None,
        compute_distances: bool = False,
    ) -> None:
        self.n_clusters = n_clusters
        self.metric = metric
        self.memory = memory
        self.connectivity = connectivity
        self.compute_full_tree = compute_full_tree
        self.linkage = linkage
        self.distance_threshold = distance_threshold
        self.compute_distances = compute_distances

    children_: Integers
    #: only with `compute_distances` or `distance_threshold`
    distances_: Floats
    dendrogram_: _k.Dendrogram
    n_leaves_: int
    n_clusters_: int
    n_connected_components_: int

    def fit(self, X: ArrayLike, y: None = None, *, progress: Progress | None = None) -> Self:
        """Merges the rows of `X`."""
        if (self.n_clusters is None) == (self.distance_threshold is None):
            raise Error("exactly one of n_clusters and distance_threshold must be None")
        if self.distance_threshold is not None and not self.compute_full_tree:
            raise Error("compute_full_tree must be True if distance_threshold is given")
        tree = _tree(X, self.connectivity, self.linkage, self.metric, progress)
        self.dendrogram_ = tree
        self.n_leaves_ = tree.n_samples
        n_merges = len(tree.merges)
        if self.n_clusters is not None:
            self.labels_ = tree.labels(self.n_clusters, numbering="scikit_learn")
            if self._stops_early():
                n_merges = self.n_leaves_ - self.n_clusters
        else:
            self.labels_ = tree.labels(distance=self.distance_threshold, numbering="scikit_learn")
        self.children_ = tree.merges.astype(np.int64)[:n_merges]
        if self.compute_distances or self.distance_threshold is not None:
            self.distances_ = tree.distances[:n_merges]
        self.n_clusters_ = int(self.labels_.max()) + 1
        self.n_connected_components_ = tree.n_components
        return self

    def _stops_early(self) -> bool:
        """Whether the model's ``children_`` end at the clusters that were asked for."""
        if self.connectivity is None or self.compute_full_tree is True or self.n_clusters is None:
            return False
        return self.compute_full_tree is False or self.n_clusters >= max(100, 0.02 * self.n_leaves_)


def ward(X: ArrayLike, *, connectivity: Any = None, n_clusters: int = 2) -> Integers:
    """Labels of the rows of `X` by Ward's method, on a graph if there is one."""
    return AgglomerativeClustering(n_clusters, connectivity=connectivity).fit_predict(X)


def linkage_tree(
    X: ArrayLike,
    connectivity: Any = None,
    n_clusters: int | None = None,
    linkage: Literal["ward", "average", "complete", "single"] = "complete",
    affinity: str = "euclidean",
    return_distance: bool = False,
) -> tuple[Any, ...]:
    """scikit-learn's: merges, number of connected components, number of leaves, and the parent of every node where
    there is a graph, None otherwise; with `return_distance` also the distances.

    On a graph, merges end at `n_clusters`.
    """
    tree = _tree(np.reshape(X, (-1, 1)) if np.ndim(X) == 1 else X, connectivity, linkage, affinity)
    n = tree.n_samples
    n_merges = len(tree.merges)
    children = tree.merges.astype(np.int64)
    parents = None
    if connectivity is not None:
        if n_clusters is not None and not 1 <= n_clusters <= n:
            raise Error(f"n_clusters must be between 1 and the number of rows, {n}, got {n_clusters}")
        n_merges -= (n_clusters or 1) - 1
        children = children[:n_merges]
        parents = np.arange(n + n_merges)
        parents[children] = n + np.arange(n_merges)[:, None]
    elif n_clusters is not None:
        message = "without connectivity the tree is whole, whatever n_clusters"
        warnings.warn(message, UserWarning, stacklevel=2)
    result = (children, tree.n_components, n, parents)
    return (*result, tree.distances[:n_merges]) if return_distance else result


def ward_tree(
    X: ArrayLike,
    *,
    connectivity: Any = None,
    n_clusters: int | None = None,
    return_distance: bool = False,
) -> tuple[Any, ...]:
    """scikit-learn's: `linkage_tree` by Ward's method.

    >>> children, n_components, n_leaves, _, distances = ward_tree([[0.0], [1.0], [5.0]], return_distance=True)
    >>> children.tolist(), distances.round(3).tolist()
    ([[0, 1], [2, 3]], [1.0, 5.196])
    """
    return linkage_tree(X, connectivity, n_clusters, "ward", "euclidean", return_distance)


class KMeans(_Estimator):
    """scikit-learn's, with starts of its own: `init` is ``"k-means++"``, the centres, or a function that returns them.

    `algorithm`, `copy_x` and `verbose` have no effect. `random_state` is a whole number, None is 0.

    >>> model = KMeans(2, init=[[0.0], [5.0]]).fit([[0.0], [0.1], [5.0], [5.2]])
    >>> model.labels_.tolist(), model.cluster_centers_.round(3).tolist()
    ([0, 0, 1, 1], [[0.05], [5.1]])
    """

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: Any = "k-means++",
        n_init: int | Literal["auto"] = "auto",
        max_iter: int = 300,
        tol: float = 1e-4,
        verbose: int = 0,
        random_state: int | None = None,
        copy_x: bool = True,
        algorithm: str = "lloyd",
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.verbose = verbose
        self.random_state = random_state
        self.copy_x = copy_x
        self.algorithm = algorithm

    cluster_centers_: Floats
    inertia_: float
    n_iter_: int

    def fit(self, X: ArrayLike, y: None = None, sample_weight: None = None) -> Self:
        """Moves centres to the means of the rows that are nearest to them."""
        refuse("sample_weight", sample_weight, None, "every row counts once")
        if not isinstance(self.random_state, (int, np.integer, type(None))):
            raise Error(f"random_state must be a whole number or None, got {self.random_state!r}")
        features = _features(X)
        given: dict[str, Any] = {"n_clusters": self.n_clusters}
        if isinstance(self.init, str):
            refuse("init", self.init, "k-means++", "or the centres, or a function that returns them")
        else:
            init = self.init
            if callable(init):
                init = init(features, self.n_clusters, random_state=self.random_state)
            given = {"centers": np.asarray(init, np.float64)}
            if len(given["centers"]) != self.n_clusters:
                raise Error(f"init: expected {self.n_clusters} centres, got {len(given['centers'])}")
        found = _k.k_means(
            features,
            **given,
            n_starts=1 if self.n_init == "auto" else self.n_init,
            max_iterations=self.max_iter,
            tolerance=self.tol,
            seed=self.random_state or 0,
        )
        self.labels_ = found.labels
        self.cluster_centers_ = found.centers
        self.inertia_ = found.sum_of_squares
        self.n_iter_ = found.n_iterations
        return self

    def transform(self, X: ArrayLike) -> Floats:
        """Distances of the rows of `X` from all centres (row, centre)."""
        features = _features(X)
        n_columns = self.cluster_centers_.shape[1]
        if features.shape[1] != n_columns:
            raise Error(f"X: expected {n_columns} columns, as fitted, got shape {features.shape}")
        return np.stack([np.linalg.norm(features - c, axis=1) for c in self.cluster_centers_], axis=1)

    def predict(self, X: ArrayLike) -> Integers:
        """The nearest centre of every row of `X`."""
        nearest: Integers = self.transform(X).argmin(axis=1)
        return nearest


class DBSCAN(_Estimator):
    """scikit-learn's, by Euclidean distances; `algorithm`, `leaf_size` and `n_jobs` have no effect.

    >>> DBSCAN(eps=0.5, min_samples=2).fit_predict([[0.0], [0.1], [0.2], [9.0]]).tolist()
    [0, 0, 0, -1]
    """

    def __init__(
        self,
        eps: float = 0.5,
        *,
        min_samples: int = 5,
        metric: str = "euclidean",
        metric_params: None = None,
        algorithm: str = "auto",
        leaf_size: int = 30,
        p: float | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.eps = eps
        self.min_samples = min_samples
        self.metric = metric
        self.metric_params = metric_params
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.p = p
        self.n_jobs = n_jobs

    core_sample_indices_: Integers
    components_: Floats

    def fit(self, X: ArrayLike, y: None = None, sample_weight: None = None) -> Self:
        """Joins rows of `X` whose neighbourhoods are dense."""
        _euclidean(self.metric)
        refuse("sample_weight", sample_weight, None, "every row counts once")
        features = _features(X)
        found = _k.dbscan(features, self.eps, min_samples=self.min_samples)
        self.labels_ = found.labels
        self.core_sample_indices_ = np.flatnonzero(found.cores)
        self.components_ = features[self.core_sample_indices_]
        return self


class HDBSCAN(_Estimator):
    """scikit-learn's, and the package hdbscan's, by Euclidean distances, with clusters chosen by excess of mass.

    `algorithm`, `leaf_size`, `n_jobs` and `copy` have no effect.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> points = np.concatenate([rng.normal(size=(30, 2)), rng.normal(size=(30, 2)) + 20])
    >>> HDBSCAN().fit(points).labels_.max()
    np.int64(1)
    """

    def __init__(
        self,
        min_cluster_size: int = 5,
        min_samples: int | None = None,
        cluster_selection_epsilon: float = 0.0,
        max_cluster_size: int | None = None,
        metric: str = "euclidean",
        metric_params: None = None,
        alpha: float = 1.0,
        algorithm: str = "auto",
        leaf_size: int = 40,
        n_jobs: int | None = None,
        cluster_selection_method: str = "eom",
        allow_single_cluster: bool = False,
        store_centers: None = None,
        copy: Any = "warn",
    ) -> None:
        self.min_cluster_size = min_cluster_size
        self.min_samples = min_samples
        self.cluster_selection_epsilon = cluster_selection_epsilon
        self.max_cluster_size = max_cluster_size
        self.metric = metric
        self.metric_params = metric_params
        self.alpha = alpha
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.n_jobs = n_jobs
        self.cluster_selection_method = cluster_selection_method
        self.allow_single_cluster = allow_single_cluster
        self.store_centers = store_centers
        self.copy = copy

    probabilities_: Floats

    def fit(self, X: ArrayLike, y: None = None) -> Self:
        """Joins rows of `X` whose neighbourhoods stay dense over many scales."""
        _euclidean(self.metric)
        for name, usual in (
            ("cluster_selection_epsilon", 0.0),
            ("max_cluster_size", None),
            ("alpha", 1.0),
            ("cluster_selection_method", "eom"),
            ("allow_single_cluster", False),
            ("store_centers", None),
        ):
            refuse(name, getattr(self, name), usual, "the only choice here")
        features = _features(X)
        min_samples = self.min_cluster_size if self.min_samples is None else self.min_samples
        found = _k.hdbscan(features, min_cluster_size=self.min_cluster_size, min_samples=min_samples)
        self.labels_ = found.labels
        self.probabilities_ = found.memberships
        return self
