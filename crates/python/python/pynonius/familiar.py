"""Functions with the names and arguments of the packages you know, by nonius's kernels.

==========================  =================================================================================
package                     here
==========================  =================================================================================
scikit-image                `phase_cross_correlation`, `optical_flow_tvl1`, `optical_flow_ilk`
image_registration          `chi2_shift`, `chi2_shift_iterzoom`, `chi2n_map`, `chi2map_to_errors`,
                            `register_images`, `cross_correlation_shifts`
LiberTEM-blobfinder         `Circular`, `RadialGradient`, `BackgroundSubtraction`, `UserTemplate`, ...,
                            `get_peaks`, `process_frames_fast`, `process_frames_full`, `run_blobfinder`,
                            `run_fastcorrelation`, `run_refine`, `fastmatch`, `affinematch`, `full_match`
scikit-learn                `AgglomerativeClustering`, `ward`
mumott                      `run_optical_flow_alignment`, `run_phase_matching_alignment`
==========================  =================================================================================

Each returns what its model returns, signs included; where the model is wrong, the right value. Such differences
are listed in ``docs/python.md``. The other modules of this package have more of the answer: covariances, statuses.
"""

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import blobfinder as _b
from . import chi2 as _c
from . import clustering as _k
from . import registration as _r
from . import tomography as _t
from ._errors import Error
from ._types import Floats, Integers, Progress, Reals

__all__ = [
    "AgglomerativeClustering",
    "BackgroundSubtraction",
    "Circular",
    "Matcher",
    "RadialGradient",
    "RadialGradientBackgroundSubtraction",
    "UserTemplate",
    "affinematch",
    "chi2_shift",
    "chi2_shift_iterzoom",
    "chi2map_to_errors",
    "chi2n_map",
    "cross_correlation_shifts",
    "fastmatch",
    "full_match",
    "get_peaks",
    "optical_flow_ilk",
    "optical_flow_tvl1",
    "phase_cross_correlation",
    "process_frames_fast",
    "process_frames_full",
    "register_images",
    "run_blobfinder",
    "run_fastcorrelation",
    "run_optical_flow_alignment",
    "run_phase_matching_alignment",
    "run_refine",
    "ward",
]


# scikit-image


def phase_cross_correlation(
    reference_image: ArrayLike,
    moving_image: ArrayLike,
    *,
    upsample_factor: float = 1,
    space: Literal["real", "fourier"] = "real",
    disambiguate: bool = False,
    reference_mask: ArrayLike | None = None,
    moving_mask: ArrayLike | None = None,
    overlap_ratio: float = 0.3,
    normalization: Literal["phase"] | None = "phase",
) -> tuple[Reals, float, float]:
    """scikit-image's: the shift *required to register* `moving_image`, its error, and the phase difference.

    Error and phase difference of phase correlation are those of the images, not of their normalised spectra. With masks the shift is
    found below whole pixels, and NaN may stand where a mask is False.

    >>> import numpy as np
    >>> image = np.random.default_rng(0).normal(size=(32, 32))
    >>> shift, error, phase = phase_cross_correlation(image, np.roll(image, (3, -5), (0, 1)))
    >>> shift
    array([-3.,  5.])
    """
    if normalization not in ("phase", None):
        raise Error(f'normalization must be "phase" or None, got {normalization!r}')
    if reference_mask is not None or moving_mask is not None:
        masked = _r.register_masked(
            reference_image, moving_image, reference_mask, moving_mask, overlap_ratio=overlap_ratio
        )
        return -masked.shift, float("nan"), float("nan")
    method: Literal["cross", "phase"] = "cross" if normalization is None else "phase"
    found = _r.phase_cross_correlation(
        reference_image, moving_image, upsample_factor=upsample_factor, method=method, space=space
    )
    shift = found.shift
    if disambiguate:
        if space == "fourier":
            reference_image = np.fft.ifftn(np.asarray(reference_image)).real
            moving_image = np.fft.ifftn(np.asarray(moving_image)).real
        shift = _r.register(
            reference_image,
            moving_image,
            frame="periodic",
            method=method,
            weighting="plain",
            refinement={"upsampled": {"factor": upsample_factor}},
            disambiguate=True,
        ).shift
    return -shift, found.error, found.phase_difference


def optical_flow_tvl1(
    reference_image: ArrayLike,
    moving_image: ArrayLike,
    *,
    attachment: float = 15,
    tightness: float = 0.3,
    num_warp: int = 5,
    num_iter: int = 10,
    tol: float = 1e-4,
    prefilter: bool = False,
) -> Reals:
    """scikit-image's: the flow (2, y, x), px."""
    return _r.tvl1(
        reference_image,
        moving_image,
        attachment=attachment,
        tightness=tightness,
        num_warp=num_warp,
        num_iter=num_iter,
        tol=tol,
        prefilter=prefilter,
    ).displacement


def optical_flow_ilk(
    reference_image: ArrayLike,
    moving_image: ArrayLike,
    *,
    radius: int = 7,
    num_warp: int = 10,
    gaussian: bool = False,
    prefilter: bool = False,
) -> Reals:
    """scikit-image's: the flow (2, y, x), px."""
    return _r.lucas_kanade(
        reference_image,
        moving_image,
        radius=radius,
        num_warp=num_warp,
        gaussian=gaussian,
        prefilter=prefilter,
    ).displacement


# image_registration: x comes first.


def _wraps(boundary: str) -> None:
    if boundary != "wrap":
        raise Error(f"boundary must be 'wrap' (see pynonius.chi2 for frames that do not), got {boundary!r}")


def chi2_shift(
    im1: ArrayLike,
    im2: ArrayLike,
    err: ArrayLike | None = None,
    upsample_factor: float | Literal["auto"] = "auto",
    boundary: str = "wrap",
    *,
    zeromean: bool = False,
    nfitted: int = 2,
    return_error: bool = True,
    return_chi2array: bool = False,
    max_auto_size: int = 512,
    max_nsig: float = 1.1,
) -> list[Any]:
    """image_registration's: ``[dx, dy, edx, edy]`` of `im2` against `im1`, on a grid and with its joint errors.

    >>> import numpy as np
    >>> image = np.random.default_rng(0).normal(size=(33, 33))
    >>> dx, dy, edx, edy = chi2_shift(image, np.roll(image, (2, -3), (0, 1)), 0.1, upsample_factor=1)
    >>> dx, dy
    (-3.0, 2.0)
    """
    _wraps(boundary)
    found = _c.grid_chi2_shift(
        im1,
        im2,
        err,
        upsample="auto" if upsample_factor == "auto" else {"fixed": float(upsample_factor)},
        zeromean=zeromean,
        nfitted=nfitted,
        max_auto_size=max_auto_size,
        max_nsig=max_nsig,
    )
    result: list[Any] = [found.dx, found.dy]
    if return_error:
        result += [found.err_x, found.err_y]
    if return_chi2array:
        y, x = np.meshgrid(found.y, found.x, indexing="ij")
        result.append((x, y, found.map))
    return result


def chi2_shift_iterzoom(
    im1: ArrayLike,
    im2: ArrayLike,
    err: ArrayLike | None = None,
    *,
    boundary: str = "wrap",
    zeromean: bool = False,
    return_error: bool = True,
    zoom_shape: tuple[int, int] = (10, 10),
    rezoom_shape: tuple[int, int] = (100, 100),
    rezoom_factor: float = 5,
    mindiff: float = 1,
) -> list[float]:
    """image_registration's: ``[dx, dy, edx, edy]`` by zooming in again and again."""
    _wraps(boundary)
    found = _c.grid_chi2_shift_iterzoom(
        im1,
        im2,
        err,
        zeromean=zeromean,
        mindiff=mindiff,
        zoom_shape=zoom_shape,
        rezoom_shape=rezoom_shape,
        rezoom_factor=rezoom_factor,
    )
    return [found.dx, found.dy, found.err_x, found.err_y] if return_error else [found.dx, found.dy]


def chi2n_map(
    im1: ArrayLike,
    im2: ArrayLike,
    err: ArrayLike | None = None,
    boundary: str = "wrap",
    *,
    zeromean: bool = False,
    return_all: bool = False,
    reduced: bool = False,
) -> Any:
    """image_registration's: chi-squared by shift; with `return_all` also its three terms."""
    _wraps(boundary)
    found = _c.chi2n_map(im1, im2, err, zeromean, reduced)
    return tuple(found) if return_all else found.map


def chi2map_to_errors(
    chi2map: ArrayLike, zoomfactor: float = 1.0, nsigma: float = 1, nfitted: int = 2
) -> tuple[float, float, float, float]:
    """image_registration's: ``(x low, x high, y low, y high)``."""
    found = _c.chi2map_to_errors(chi2map, zoomfactor, nsigma, nfitted)
    (x_low, x_high), (y_low, y_high) = found.x_low_high.tolist(), found.y_low_high.tolist()
    return x_low, x_high, y_low, y_high


def register_images(
    im1: ArrayLike,
    im2: ArrayLike,
    usfac: float = 1,
    return_registered: bool = False,
    *,
    maxoff: float | None = None,
) -> list[Any]:
    """image_registration's: ``[dx, dy]``, and `im2` laid upon `im1` if asked. `maxoff` is in px."""
    found = _r.register_images(im1, im2, usfac, maxoff)
    dy, dx = found.shift.tolist()
    return [dx, dy, _r.registered(im2, found.shift)] if return_registered else [dx, dy]


def cross_correlation_shifts(
    image1: ArrayLike, image2: ArrayLike, *, maxoff: float | None = None
) -> tuple[float, float]:
    """image_registration's: ``(dx, dy)`` by a Taylor expansion about the maximum."""
    dy, dx = _r.cross_correlation_shifts(image1, image2, maxoff).shift.tolist()
    return dx, dy


# LiberTEM-blobfinder


def Circular(radius: float, search: float | None = None) -> _b.Template:
    """A disk with the raster of LiberTEM-blobfinder's ``Circular``."""
    return _b.Template(kind="circular", radius=radius, search=search).compatible()


def RadialGradient(radius: float, search: float | None = None) -> _b.Template:
    """A disk that rises from its middle to its edge."""
    return _b.Template(kind="radial_gradient", radius=radius, search=search).compatible()


def BackgroundSubtraction(
    radius: float, search: float | None = None, radius_outer: float | None = None
) -> _b.Template:
    """A disk within a negative ring."""
    return _b.Template(
        kind="background_subtraction", radius=radius, search=search, radius_outer=radius_outer
    ).compatible()


def RadialGradientBackgroundSubtraction(
    radius: float, search: float | None = None, radius_outer: float | None = None, delta: float = 1
) -> _b.Template:
    """A disk that rises to its edge, within a negative ring."""
    return _b.Template(
        kind="radial_gradient_background_subtraction",
        radius=radius,
        search=search,
        radius_outer=radius_outer,
        delta=delta,
    ).compatible()


def UserTemplate(template: ArrayLike, search: float | None = None) -> _b.Template:
    """A template from an image."""
    return _b.Template.from_image(template, search=search).compatible()


def _correlation(method: Any, upsample: bool | int) -> _b.CorrelationParams:
    factor = 20 if upsample is True else int(upsample)
    if factor > 1:
        refinement: Any = {"envelope": {"factor": factor}}
    else:
        refinement = {"center_of_mass": {"radius": 2}}
    return {
        "method": method,
        "intensity": "log",
        "normalized": False,
        "border": "zero",
        "refinement": refinement,
    }


def get_peaks(sum_result: ArrayLike, match_pattern: _b.Template, num_peaks: int) -> NDArray[np.int32]:
    """LiberTEM-blobfinder's: whole-pixel maxima (n, 2) of the correlation of a frame, highest first.

    >>> disk = Circular(radius=4)
    >>> get_peaks(disk.mask((64, 64), (20, 40)), disk, 1).tolist()
    [[20, 40]]
    """
    map = _b.correlation_map(np.asarray(sum_result, np.float64), match_pattern)
    return _b.find_peaks(map, n_peaks=num_peaks, min_distance=1, border=1, refine=False).centers


def _in_frames(
    method: Any, pattern: _b.Template, frames: ArrayLike, peaks: ArrayLike, upsample: bool | int
) -> tuple[NDArray[np.int32], Any, Any, Any]:
    disks = _b.correlate_frames(frames, pattern, peaks, **_correlation(method, upsample))
    return disks.centers, disks.refineds, disks.peak_values, disks.peak_elevations


def process_frames_fast(
    pattern: _b.Template, frames: ArrayLike, peaks: ArrayLike, upsample: bool | int = False
) -> tuple[NDArray[np.int32], Any, Any, Any]:
    """LiberTEM-blobfinder's: centres, refined positions, heights and elevations of disks in windows of frames."""
    return _in_frames("crop", pattern, frames, peaks, upsample)


def process_frames_full(
    pattern: _b.Template, frames: ArrayLike, peaks: ArrayLike, upsample: bool | int = False
) -> tuple[NDArray[np.int32], Any, Any, Any]:
    """LiberTEM-blobfinder's: the same by correlating frames as a whole."""
    return _in_frames("full", pattern, frames, peaks, upsample)


def run_fastcorrelation(
    frames: Any,
    peaks: ArrayLike,
    match_pattern: _b.Template,
    zero_shift: ArrayLike | None = None,
    roi: ArrayLike | None = None,
    upsample: bool | int = False,
    progress: Progress | None = None,
) -> _b.Disks:
    """LiberTEM-blobfinder's, of an array or a `pynonius.io.Scan` in place of a context and a dataset."""
    return _b.correlate_frames(
        frames,
        match_pattern,
        peaks,
        zero_shift=zero_shift,
        roi=roi,
        progress=progress,
        **_correlation("crop", upsample),
    )


def run_blobfinder(
    frames: Any,
    match_pattern: _b.Template,
    num_peaks: int,
    roi: ArrayLike | None = None,
    upsample: bool | int = False,
    progress: Progress | None = None,
) -> tuple[Reals, NDArray[np.int32], Any, Any, Any, NDArray[np.int32]]:
    """LiberTEM-blobfinder's, of frames in place of a context and a dataset: the logarithm of the sum, centres,
    refined positions, peak values and elevations by (sample, peak), and the peaks of the sum."""
    total = _b.transform_intensity(_b.sum_frames(frames, roi=roi), "log")
    peaks = get_peaks(total, match_pattern, num_peaks)
    disks = run_fastcorrelation(
        frames, peaks, match_pattern, roi=roi, upsample=upsample, progress=progress
    )
    return total, disks.centers, disks.refineds, disks.peak_values, disks.peak_elevations, peaks


class Matcher(NamedTuple):
    """LiberTEM-blobfinder's parameters of matching, for `run_refine`."""

    tolerance: float = 3
    min_weight: float = 0.1
    min_match: int = 3


def run_refine(
    frames: Any,
    zero: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    match_pattern: _b.Template,
    matcher: Matcher = Matcher(),
    correlation: Literal["fast", "fullframe"] = "fast",
    match: Literal["fast", "affine"] = "fast",
    *,
    indices: ArrayLike | None = None,
    zero_shift: ArrayLike | None = None,
    upsample: bool | int = False,
    roi: ArrayLike | None = None,
    progress: Progress | None = None,
) -> tuple[_b.RefinedLattices, Floats]:
    """LiberTEM-blobfinder's, of frames: the lattice of every frame near (zero, a, b), and the indices."""
    params: _b.RefineParams = {
        "correlation": _correlation("crop" if correlation == "fast" else "full", upsample),
        "matching": {"fast": matcher._asdict()} if match == "fast" else {"affine": "square"},
        "weight": "elevation",
        "truncate_positions": True,
    }
    if indices is not None:
        params["indices"] = np.asarray(indices, float)
    start = _b.Lattice(np.asarray(zero, float), np.asarray(a, float), np.asarray(b, float))
    found = _b.refine_lattices(
        frames,
        match_pattern,
        start,
        zero_shift=zero_shift,
        roi=roi,
        progress=progress,
        **params,
    )
    return found, found.indices


def fastmatch(
    centers: ArrayLike,
    zero: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    refineds: ArrayLike | None = None,
    peak_values: ArrayLike | None = None,
    peak_elevations: ArrayLike | None = None,
    *,
    tolerance: float = 3,
    min_weight: float = 0.1,
    min_match: int = 3,
) -> _b.LatticeMatch:
    """LiberTEM-blobfinder's ``Matcher.fastmatch``."""
    return _b.fast_match(
        centers if refineds is None else refineds,
        zero,
        a,
        b,
        weights=peak_elevations,
        tolerance=tolerance,
        min_weight=min_weight,
        min_match=min_match,
    )


def affinematch(
    centers: ArrayLike,
    indices: ArrayLike,
    refineds: ArrayLike | None = None,
    peak_values: ArrayLike | None = None,
    peak_elevations: ArrayLike | None = None,
) -> _b.LatticeMatch:
    """LiberTEM-blobfinder's ``Matcher.affinematch``."""
    return _b.affine_match(centers if refineds is None else refineds, indices, weights=peak_elevations)


def full_match(
    centers: ArrayLike,
    zero: ArrayLike | None = None,
    cand: ArrayLike | None = None,
    refineds: ArrayLike | None = None,
    peak_values: ArrayLike | None = None,
    peak_elevations: ArrayLike | None = None,
    **params: Any,
) -> _b.FullMatch:
    """LiberTEM-blobfinder's ``FullMatcher.full_match``; keywords are the matcher's parameters.

    >>> peaks = [(64, 64), (32, 32), (32, 64), (32, 96), (64, 32), (64, 96), (96, 32), (96, 64), (96, 96)]
    >>> match = full_match(peaks).matches[0]
    >>> match.lattice.zero.round(6)
    array([64., 64.])
    >>> abs(match.lattice.a).round(6), abs(match.lattice.b).round(6)
    (array([32.,  0.]), array([ 0., 32.]))
    """
    return _b.full_match(
        centers if refineds is None else refineds,
        weights=peak_elevations,
        centers=None if refineds is None else np.asarray(centers, float),
        zero=zero,
        candidates=cand,
        **params,
    )


# scikit-learn


def _graph(connectivity: Any, n_samples: int) -> _k.Graph:
    """The graph of a square matrix, sparse or dense; one direction of an edge is enough."""
    if hasattr(connectivity, "tocoo"):
        matrix = connectivity.tocoo()
        rows, columns = matrix.row[matrix.data != 0], matrix.col[matrix.data != 0]
        shape = matrix.shape
    else:
        dense = np.asarray(connectivity)
        rows, columns = np.nonzero(dense)
        shape = dense.shape
    if shape != (n_samples, n_samples):
        raise Error(f"connectivity: expected shape {(n_samples, n_samples)}, got {shape}")
    edges = np.stack([np.minimum(rows, columns), np.maximum(rows, columns)], axis=1)
    edges = np.unique(edges[edges[:, 0] < edges[:, 1]], axis=0)
    return _k.Graph.from_edges(n_samples, edges)


class AgglomerativeClustering:
    """scikit-learn's, with the same merges, distances and labels bit for bit for Ward's method on a graph.

    `connectivity` is a sparse or dense matrix, or a `pynonius.clustering.Graph`.

    >>> from pynonius.clustering import Graph
    >>> model = AgglomerativeClustering(n_clusters=2, connectivity=Graph.grid((4,)))
    >>> model.fit_predict([[0.0], [0.1], [5.0], [5.2]]).tolist()
    [1, 1, 0, 0]
    """

    def __init__(
        self,
        n_clusters: int | None = 2,
        *,
        metric: Literal["euclidean", "manhattan", "cosine"] = "euclidean",
        connectivity: Any = None,
        linkage: Literal["ward", "average", "complete", "single"] = "ward",
        distance_threshold: float | None = None,
        compute_full_tree: Any = "auto",
        compute_distances: bool = False,
    ) -> None:
        if (n_clusters is None) == (distance_threshold is None):
            raise Error("exactly one of n_clusters and distance_threshold must be None")
        self.n_clusters = n_clusters
        self.metric = metric
        self.connectivity = connectivity
        self.linkage = linkage
        self.distance_threshold = distance_threshold
        self.compute_full_tree = compute_full_tree
        self.compute_distances = compute_distances

    labels_: Integers
    children_: Integers
    distances_: Floats
    n_leaves_: int
    n_clusters_: int
    n_connected_components_: int

    def fit(self, X: ArrayLike, y: None = None, *, progress: Progress | None = None) -> "AgglomerativeClustering":
        """Merges the rows of `X`."""
        features = np.asarray(X, np.float64)
        if features.ndim != 2:
            raise Error(f"X: expected 2 axes, got shape {features.shape}")
        tree = self._tree(features, progress)
        if self.n_clusters is not None:
            self.labels_ = tree.labels(self.n_clusters, numbering="scikit_learn")
        else:
            self.labels_ = tree.labels(distance=self.distance_threshold, numbering="scikit_learn")
        self.children_ = tree.merges.astype(np.int64)
        self.distances_ = tree.distances
        self.n_leaves_ = len(features)
        self.n_clusters_ = int(self.labels_.max()) + 1
        self.n_connected_components_ = tree.n_components
        return self

    def _tree(self, features: Floats, progress: Progress | None) -> _k.Dendrogram:
        if self.connectivity is None:
            linkage: Any = self.linkage if self.linkage == "ward" else {self.linkage: self.metric}
            return _k.linkage(features, linkage=linkage, progress=progress)
        graph = self.connectivity
        if not isinstance(graph, _k.Graph):
            graph = _graph(graph, len(features))
        if self.linkage == "ward":
            return _k.ward(features, graph, progress=progress)
        return _k.graph_linkage(
            features, graph, linkage=self.linkage, metric=self.metric, progress=progress
        )

    def fit_predict(self, X: ArrayLike, y: None = None) -> Integers:
        """The label of every row of `X`."""
        return self.fit(X).labels_


def ward(X: ArrayLike, *, connectivity: Any = None, n_clusters: int = 2) -> Integers:
    """Labels of the rows of `X` by Ward's method, on a graph if there is one."""
    return AgglomerativeClustering(n_clusters, connectivity=connectivity).fit_predict(X)


# mumott


def run_optical_flow_alignment(
    geometry: _t.Geometry,
    projections: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    max_iter: int = 20,
    stop_max_iteration: int | None = None,
    align_j: bool = True,
    align_k: bool = True,
    center_reconstruction: bool = True,
    high_pass_filter: float | None = None,
    optimal_shift: ArrayLike | None = None,
    progress: Progress | None = None,
    **params: Any,
) -> tuple[Floats, Reals, Reals]:
    """mumott's, of a geometry and line integrals in place of a data container: offsets (n, 2) px along j and k, the
    projections of the volume, and the volume. `max_iter` are the iterations of each reconstruction, and
    `stop_max_iteration` the steps of the alignment; all else are `pynonius.tomography.OpticalFlowParams`."""
    iteration: dict[str, Any] = {
        "reconstruction": {"iterations": max_iter},
        "align_j": align_j,
        "align_k": align_k,
        "center": center_reconstruction,
        **params.pop("iteration", {}),
    }
    if stop_max_iteration is not None:
        iteration["max_iterations"] = stop_max_iteration
    if high_pass_filter is not None:
        params["high_pass"] = high_pass_filter
    start = geometry if optimal_shift is None else geometry.with_offsets(optimal_shift)
    found = _t.align(
        start, projections, weights, method="optical_flow", progress=progress, iteration=iteration, **params
    )
    return found.report.offsets, found.reprojections, found.volume


def run_phase_matching_alignment(
    geometry: _t.Geometry,
    projections: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    ignored_subset: Any = (),
    upsampling: int | None = None,
    maxiter: int | None = None,
    reconstruction_iterations: int = 20,
    relative_sample_size: float | None = None,
    relaxation_weight: float | None = None,
    center_of_mass_shift_weight: float | None = None,
    shift_tolerance: float | None = None,
    shift_cutoff: float | None = None,
    align_j: bool = True,
    align_k: bool = True,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[Reals, Reals, _t.Geometry]:
    """mumott's, of a geometry and line integrals in place of a data container: the volume, its projections, and the
    geometry with its new offsets. Arguments that are None are nonius's defaults."""
    iteration: dict[str, Any] = {
        "reconstruction": {"iterations": reconstruction_iterations},
        "ignored": list(ignored_subset),
        "align_j": align_j,
        "align_k": align_k,
    }
    if maxiter is not None:
        iteration["max_iterations"] = maxiter
    if shift_tolerance is not None:
        iteration["tolerance"] = shift_tolerance
    given = {
        "upsampling": None if upsampling is None else [upsampling],
        "sample_size": relative_sample_size,
        "relaxation": relaxation_weight,
        "center_of_mass_weight": center_of_mass_shift_weight,
        "shift_cutoff": shift_cutoff,
    }
    params: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    found = _t.align(
        geometry,
        projections,
        weights,
        method="phase_matching",
        progress=progress,
        iteration=iteration,
        seed=seed,
        **params,
    )
    return found.volume, found.reprojections, found.geometry
