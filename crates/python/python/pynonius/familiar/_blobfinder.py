"""LiberTEM-blobfinder's."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import blobfinder as _b
from .._errors import Error
from .._types import Bools, Floats, Progress, Reals
from ._keywords import refuse


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


def get_correlation(sum_result: ArrayLike, match_pattern: _b.Template) -> Reals:
    """LiberTEM-blobfinder's: the correlation of a frame with a pattern, centred on every pixel."""
    return _b.correlation_map(np.asarray(sum_result, np.float64), match_pattern)


def get_peaks(sum_result: ArrayLike, match_pattern: _b.Template, num_peaks: int) -> NDArray[np.int32]:
    """LiberTEM-blobfinder's: whole-pixel maxima (n, 2) of the correlation of a frame, highest first.

    >>> disk = Circular(radius=4)
    >>> get_peaks(disk.mask((64, 64), (20, 40)), disk, 1).tolist()
    [[20, 40]]
    """
    map = get_correlation(sum_result, match_pattern)
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


class PointSelection(NamedTuple):
    """Some of the points that were given, with what is known of each."""

    #: (n, 2) px
    centers: NDArray[Any]
    refineds: Floats
    peak_values: Floats
    peak_elevations: Floats
    #: which of the points that were given
    selector: Bools


@dataclass(frozen=True)
class Match:
    """LiberTEM-blobfinder's ``Match``: a lattice and the points that belong to it; NaN without enough of them.

    ``found`` has what nonius knows beyond: covariance, standard errors, status.
    """

    points: PointSelection
    found: _b.LatticeMatch

    @property
    def lattice(self) -> _b.Lattice:
        """The lattice as a whole."""
        return self.found.lattice

    @property
    def zero(self) -> Floats:
        """The origin (y, x) px."""
        return self.lattice.zero

    @property
    def a(self) -> Floats:
        """The first vector (y, x) px."""
        return self.lattice.a

    @property
    def b(self) -> Floats:
        """The second vector (y, x) px."""
        return self.lattice.b

    @property
    def indices(self) -> Floats:
        """(n, 2) of the points that belong to the lattice."""
        return self.found.indices

    @property
    def error(self) -> float:
        """Weighted mean distance of points from the lattice, px; infinite without a lattice."""
        return self.found.error

    @property
    def selector(self) -> Bools:
        """Which of the points that were given belong to the lattice."""
        return self.found.selector

    @property
    def centers(self) -> NDArray[Any]:
        """(n, 2) px, of the points that belong to the lattice; so are the next three."""
        return self.points.centers

    @property
    def refineds(self) -> Floats:
        """(n, 2) px."""
        return self.points.refineds

    @property
    def peak_values(self) -> Floats:
        """Heights."""
        return self.points.peak_values

    @property
    def peak_elevations(self) -> Floats:
        """The weights."""
        return self.points.peak_elevations

    @property
    def calculated_refineds(self) -> Floats:
        """Where the lattice has these points, (n, 2) px."""
        return self.found.calculated

    def isnan(self) -> bool:
        """Whether there is no lattice."""
        return bool(np.isnan(np.concatenate(self.lattice)).any())


class _Points(NamedTuple):
    """The arguments that all matching has."""

    centers: ArrayLike
    refineds: ArrayLike | None
    peak_values: ArrayLike | None
    peak_elevations: ArrayLike | None

    @property
    def positions(self) -> ArrayLike:
        return self.centers if self.refineds is None else self.refineds

    def where(self, selector: Bools) -> PointSelection:
        def chosen(name: str, values: ArrayLike | None) -> Floats:
            all = np.ones(len(selector)) if values is None else np.asarray(values)
            if len(all) != len(selector):
                raise Error(f"{name}: expected {len(selector)}, one for each point, got {len(all)}")
            return all[selector]

        return PointSelection(
            centers=chosen("centers", self.centers),
            refineds=chosen("refineds", self.positions),
            peak_values=chosen("peak_values", self.peak_values),
            peak_elevations=chosen("peak_elevations", self.peak_elevations),
            selector=selector,
        )

    def match(self, found: _b.LatticeMatch) -> Match:
        return Match(self.where(found.selector), found)


class Matcher(NamedTuple):
    """LiberTEM-blobfinder's: which points belong to a lattice.

    >>> import numpy as np
    >>> points = np.mgrid[:60:20, :60:20].reshape(2, -1).T
    >>> match = Matcher(tolerance=2).fastmatch(points, (0, 0), (19.5, 0.3), (0.2, 20.4))
    >>> match.a.round(6) + 0, len(match.indices)
    (array([20.,  0.]), 9)
    """

    tolerance: float = 3
    min_weight: float = 0.1
    min_match: int = 3

    def fastmatch(
        self,
        centers: ArrayLike,
        zero: ArrayLike,
        a: ArrayLike,
        b: ArrayLike,
        refineds: ArrayLike | None = None,
        peak_values: ArrayLike | None = None,
        peak_elevations: ArrayLike | None = None,
    ) -> Match:
        """The lattice near ``(zero, a, b)``."""
        points = _Points(centers, refineds, peak_values, peak_elevations)
        return points.match(
            _b.fast_match(
                points.positions,
                zero,
                a,
                b,
                weights=peak_elevations,
                tolerance=self.tolerance,
                min_weight=self.min_weight,
                min_match=self.min_match,
            )
        )

    def affinematch(
        self,
        centers: ArrayLike,
        indices: ArrayLike,
        refineds: ArrayLike | None = None,
        peak_values: ArrayLike | None = None,
        peak_elevations: ArrayLike | None = None,
    ) -> Match:
        """The lattice through all points, whose indices are known."""
        points = _Points(centers, refineds, peak_values, peak_elevations)
        return points.match(_b.affine_match(points.positions, indices, weights=peak_elevations))


class Matches(NamedTuple):
    """Lattices, best first, and the points that are none's or too weak."""

    matches: list[Match]
    unmatched: PointSelection
    weak: PointSelection


class FullMatcher(NamedTuple):
    """LiberTEM-blobfinder's: lattices among points, without a start."""

    tolerance: float = 3
    min_weight: float = 0.1
    min_match: int = 3
    min_angle: float = np.pi / 10
    min_points: int = 10
    min_delta: float = 0
    max_delta: float = np.inf
    min_candidates: int = 3
    max_candidates: int = 7
    clusterer: None = None
    min_cluster_size_fraction: int = 4
    min_samples_fraction: int = 20

    def full_match(
        self,
        centers: ArrayLike,
        zero: ArrayLike | None = None,
        cand: ArrayLike | None = None,
        refineds: ArrayLike | None = None,
        peak_values: ArrayLike | None = None,
        peak_elevations: ArrayLike | None = None,
    ) -> Matches:
        """Lattices through the points; `cand` are vectors to try, `zero` the origin.

        >>> peaks = [(64, 64), (32, 32), (32, 64), (32, 96), (64, 32), (64, 96), (96, 32), (96, 64), (96, 96)]
        >>> matches, unmatched, weak = FullMatcher().full_match(peaks)
        >>> matches[0].zero.round(6), abs(matches[0].a).round(6), abs(matches[0].b).round(6)
        (array([64., 64.]), array([32.,  0.]), array([ 0., 32.]))
        """
        params = self._asdict()
        refuse("clusterer", params.pop("clusterer"), None, "the search has its own")
        if self.max_delta == np.inf:
            del params["max_delta"]
        points = _Points(centers, refineds, peak_values, peak_elevations)
        found = _b.full_match(
            points.positions,
            weights=peak_elevations,
            centers=None if refineds is None else np.asarray(centers, float),
            zero=zero,
            candidates=cand,
            **params,
        )
        return Matches(
            [points.match(match) for match in found.matches],
            points.where(found.unmatched),
            points.where(found.weak),
        )


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
) -> Match:
    """LiberTEM-blobfinder's ``Matcher(…).fastmatch(…)`` in one call."""
    matcher = Matcher(tolerance, min_weight, min_match)
    return matcher.fastmatch(centers, zero, a, b, refineds, peak_values, peak_elevations)


def affinematch(
    centers: ArrayLike,
    indices: ArrayLike,
    refineds: ArrayLike | None = None,
    peak_values: ArrayLike | None = None,
    peak_elevations: ArrayLike | None = None,
) -> Match:
    """LiberTEM-blobfinder's ``Matcher().affinematch(…)`` in one call."""
    return Matcher().affinematch(centers, indices, refineds, peak_values, peak_elevations)


def full_match(
    centers: ArrayLike,
    zero: ArrayLike | None = None,
    cand: ArrayLike | None = None,
    refineds: ArrayLike | None = None,
    peak_values: ArrayLike | None = None,
    peak_elevations: ArrayLike | None = None,
    **params: Any,
) -> Matches:
    """LiberTEM-blobfinder's ``FullMatcher(…).full_match(…)`` in one call; `params` are the matcher's."""
    matcher = FullMatcher(**params)
    return matcher.full_match(centers, zero, cand, refineds, peak_values, peak_elevations)
