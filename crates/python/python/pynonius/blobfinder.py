"""Diffraction disks: where they are in every frame of a 4D-STEM scan, and the lattice that they make.

1. A `Template` says what a disk looks like.
2. `find_peaks` finds disks in the `correlation_map` of a frame, usually of the sum of all.
3. A `CorrelationPlan` (one frame) or `correlate_frames` (a scan) looks around each of those positions, and says
   where the disk is, to a small fraction of a pixel, with what covariance, and whether to believe it.
4. `search_lattices` finds the lattice of such positions; `fast_match` and `fit_lattice` fit one roughly known.
5. `strain`, `strain_map` compare lattices.

Positions are ``(y, x)`` px. ``frames`` are an array ``(..., y, x)`` of any real or integer type, or a
`pynonius.io.Scan`; all axes but the last two are those of the scan, and a ``roi`` is a mask over them. Results
have one row per position of the scan that the roi has. Frames of double precision are computed in it, others in
single precision.
"""

from enum import IntEnum
from typing import Any, Literal, NamedTuple, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _native
from ._keywords import keywords_of
from ._native import CorrelationPlan, Template
from ._types import Bools, Floats, Integers, Progress, Reals
from .clustering import HdbscanClusters

__all__ = [
    "AffineTransformation",
    "Blobfinder",
    "BlobfinderParams",
    "CorrelationParams",
    "CorrelationPlan",
    "DataTemplateParams",
    "DifferenceClusters",
    "Disks",
    "Drawing",
    "DrawnMark",
    "FoundLattice",
    "FullMatch",
    "FullMatchParams",
    "Lattice",
    "LatticeFit",
    "LatticeMatch",
    "LatticeSearch",
    "LatticeSearchParams",
    "MatchParams",
    "PeakParams",
    "PeakStatus",
    "Peaks",
    "PictureParams",
    "RefineParams",
    "RefinedLattices",
    "Strain",
    "StrainMap",
    "StrainParams",
    "Template",
    "TemplateParams",
    "affine_match",
    "assign_indices",
    "cartesian",
    "correlate_frames",
    "correlation_map",
    "difference_clusters",
    "draw_match",
    "fast_match",
    "find_disks",
    "find_peaks",
    "fit_affine",
    "fit_lattice",
    "frame_peaks",
    "full_match",
    "index_grid",
    "integrate_disks",
    "polar",
    "reduced_lattice",
    "refine_lattices",
    "search_lattices",
    "strain",
    "strain_map",
    "sum_frames",
    "transform_intensity",
]

#: ``"square"`` or ``{"huber": {"k": 1.5}}``
Loss = Literal["square"] | dict[str, dict[str, float]]
#: ``"log"``, ``{"log_offset": c}``, ``"square_root"``, ``"linear"``
Intensity = Literal["log", "square_root", "linear"] | dict[str, float]
Covariance = Literal["points", "residuals", "none"]


class PeakStatus(IntEnum):
    """What came of looking for a disk."""

    FOUND = 0
    NO_SIGNAL = 1
    AT_EDGE = 2
    NOT_FITTED = 3


class TemplateParams(TypedDict, total=False):
    """A disk by formula: ``kind`` is ``"circular"``, ``"radial_gradient"``, ``"background_subtraction"`` or
    ``"radial_gradient_background_subtraction"``; ``radius`` and ``radius_outer`` in px; ``search`` is how far to
    look, px; ``ellipse`` ``{"stretch": ..., "angle": ...}``."""

    kind: Literal[
        "circular",
        "radial_gradient",
        "background_subtraction",
        "radial_gradient_background_subtraction",
    ]
    radius: float
    radius_outer: float | None
    search: float | None
    delta: float
    ellipse: dict[str, float] | None


class DataTemplateParams(TypedDict, total=False):
    """A disk from a picture of the vacuum beam: ``threshold`` from 0 (darkest pixel) to 1 (brightest) above which it is
    disk, ``gradient`` whether it rises towards its edge, ``search`` how far to look, px."""

    threshold: float
    gradient: bool
    search: float | None


class CorrelationParams(TypedDict, total=False):
    """How a disk is looked for.

    - ``method``: ``"crop"`` (default), ``"full"``, ``{"direct": {"steps": n}}``
    - ``intensity``: what pixels are turned into, default ``"log"``
    - ``normalized``: correlation coefficients instead of correlation
    - ``border``: what is outside the frame, ``"minimum"`` (default) or ``"zero"``
    - ``refinement``: ``{"fit": {...}}`` (default), ``"continuous"``, ``{"upsampled": {"factor": n}}``,
      ``{"envelope": {"factor": n}}``, ``"paraboloid"``, ``{"center_of_mass": {"radius": r}}``, ``"pixel"``
    """

    method: Literal["crop", "full"] | dict[str, dict[str, int]]
    intensity: Intensity
    normalized: bool
    border: Literal["minimum", "zero"]
    refinement: Literal["pixel", "paraboloid", "continuous"] | dict[str, dict[str, Any]]


class PeakParams(TypedDict, total=False):
    """Which maxima of an image are peaks.

    - ``n_peaks``: at most so many
    - ``min_distance``: of two that are closer, px, the higher one stays
    - ``threshold_abs``: least height; ``threshold_rel``: the same from 0 to 1 between the least and the greatest pixel.
      By default there is none, and noise fills up the list
    - ``border``: width px in which there are no peaks
    - ``refine``: positions by a paraboloid, not by whole pixels
    - ``elevation_radius``: how far around a peak its elevation looks, px; the radius of a disk suits
    """

    n_peaks: int
    min_distance: float
    threshold_abs: float | None
    threshold_rel: float | None
    border: int
    plateau: Literal["merge", "each_pixel"]
    refine: bool
    elevation_radius: float


class BlobfinderParams(TypedDict, total=False):
    """``peaks``: a dict of `PeakParams`; ``correlation``: a dict of `CorrelationParams`."""

    peaks: PeakParams
    correlation: CorrelationParams


class MatchParams(TypedDict, total=False):
    """Which points belong to a lattice; ``tolerance`` in px."""

    tolerance: float
    min_weight: float
    min_match: int
    distance: Literal["index_scaled", "euclidean"]
    loss: Loss


class RefineParams(TypedDict, total=False):
    """How lattices are followed through a scan; ``matching`` is ``{"fast": MatchParams}`` or ``{"affine": loss}``.

    - ``max_index``: greatest |i| and |j| that are looked at, or ``indices`` (n, 2) in their place
    - ``margin``: positions nearer to the frame's edge are left out, px; by default the template's ``search``
    - ``neighbor_rounds``: how often frames without a lattice start anew from those of their neighbours, default 0
    - ``truncate_positions``: cut to whole pixels, not rounded, as LiberTEM-blobfinder does
    """

    max_index: int
    indices: ArrayLike | None
    margin: float | None
    correlation: CorrelationParams
    matching: dict[str, Any]
    weight: Literal["precision", "elevation"]
    neighbor_rounds: int
    truncate_positions: bool


class LatticeSearchParams(TypedDict, total=False):
    """How a lattice is looked for without a start; lengths in px.

    - ``tolerance``: how far from its place a point may lie at most
    - ``min_weight``: points of less take no part; ``min_match``: fewer make no lattice
    - ``min_length``, ``max_length``: of the vectors of the reduced cell
    - ``max_accidental``: only lattices of which chance would make fewer than this in one search
    - ``candidates``: vectors (n, 2) that are tried besides the guessed, of which ``max_candidates`` are combined
    - ``zero``: which point has index (0, 0), default that nearest to the first
    """

    tolerance: float
    min_weight: float
    min_match: int
    min_length: float
    max_length: float | None
    max_accidental: float
    max_lattices: int
    candidates: ArrayLike
    max_candidates: int
    zero: Literal["first", "strongest", "symmetric"] | dict[str, Any]
    loss: Loss


class FullMatchParams(TypedDict, total=False):
    """LiberTEM-blobfinder's search for lattices; names are its own."""

    tolerance: float
    min_weight: float
    min_match: int
    min_angle: float
    min_points: int
    min_delta: float
    max_delta: float | None
    min_candidates: int
    max_candidates: int
    min_cluster_size_fraction: int
    min_samples_fraction: int


class StrainParams(TypedDict, total=False):
    """``axes``: ``{"angle": degrees}`` of the x axis of strain, from +x of the frame towards +y, or ``"along_a"``; ``align``: whether bases are made comparable first."""

    axes: Literal["along_a"] | dict[str, float]
    align: bool


class PictureParams(TypedDict, total=False):
    """How `draw_match` draws: ``radius`` of circles in px (default 4), ``stretch``, by which distances between
    calculated and refined positions are magnified (default 10), and colours (red, green, blue), 0 to 255."""

    radius: float
    stretch: float
    marker: tuple[int, int, int]
    arrow: tuple[int, int, int]
    missing: tuple[int, int, int]
    a: tuple[int, int, int]
    b: tuple[int, int, int]


class Lattice(NamedTuple):
    """``position = zero + i * a + j * b``, all (y, x) px.

    >>> lattice = Lattice(zero=(10, 10), a=(0, 5), b=(4, 0))
    >>> lattice.position([(1, 2), (0, 0)]).tolist()
    [[18.0, 15.0], [10.0, 10.0]]
    >>> lattice.indices((18, 15)).tolist()
    [1.0, 2.0]
    """

    zero: Floats
    a: Floats
    b: Floats

    def position(self, indices: ArrayLike) -> Floats:
        """Positions of one index (i, j), or of rows of them; they may be fractional."""
        return _native.lattice_position(tuple(self), indices)

    def indices(self, points: ArrayLike) -> Floats:
        """Fractional indices of one point, or of rows of them."""
        return _native.lattice_indices(tuple(self), points)

    def signed_area(self) -> float:
        """Area of the cell, px²: positive where b follows a clockwise on a screen."""
        return _native.lattice_signed_area(tuple(self))

    def with_zero_at(self, index: ArrayLike) -> "Lattice":
        """The same positions, counted from `index`."""
        return _native.lattice_with_zero_at(tuple(self), index)

    def is_equivalent(self, other: "Lattice", tolerance: float) -> bool:
        """Whether both are one lattice, whatever their vectors, to `tolerance` px."""
        return _native.lattice_is_equivalent(tuple(self), tuple(other), tolerance)

    def reduced_basis(self) -> Integers | None:
        """``[[m_a, m_b], [n_a, n_b]]``: the shortest vectors ``m_a a + m_b b`` and ``n_a a + n_b b``."""
        return _native.lattice_basis(tuple(self), None)

    def basis_nearest(self, reference: "Lattice") -> Integers | None:
        """The basis whose vectors are nearest to those of `reference`; None if there is none."""
        return _native.lattice_basis(tuple(self), tuple(reference))

    def in_basis(self, basis: ArrayLike) -> "Lattice":
        """The same lattice with the vectors of a basis, whole numbers of determinant 1 or −1."""
        return _native.lattice_in_basis(tuple(self), basis)

    def reduced(self) -> "Lattice":
        """The same lattice in its shortest vectors."""
        return _native.reduced_lattice(*self)


class Peaks(NamedTuple):
    """Peaks of one image, or disks of one frame (or of several, row after row)."""

    #: (n, 2) whole pixels
    centers: NDArray[np.int32]
    #: (n, 2) px
    refineds: Floats
    heights: Floats
    #: slopes of the tightest cones
    elevations: Floats
    #: (n, 2, 2) px², NaN where there is none
    covariances: Floats
    #: numbers of `PeakStatus`
    status: NDArray[np.uint8]

    @property
    def standard_errors(self) -> Floats:
        """Of ``refineds``, (n, 2) px: roots of the diagonals of ``covariances``."""
        return np.sqrt(np.diagonal(self.covariances, axis1=-2, axis2=-1))


class Disks(NamedTuple):
    """Disks of every sample: first axis the sample, second the position that was asked."""

    #: (sample, position, 2) whole pixels
    centers: NDArray[np.int32]
    #: (sample, position, 2) px
    refineds: NDArray[np.float32]
    #: correlation at the centres
    peak_values: NDArray[np.float32]
    #: slopes of the tightest cones
    peak_elevations: NDArray[np.float32]
    #: (sample, position, 2, 2) px², NaN where there is none
    covariances: NDArray[np.float32]
    #: numbers of `PeakStatus`
    status: NDArray[np.uint8]

    @property
    def standard_errors(self) -> NDArray[np.float32]:
        """Of ``refineds``, (sample, position, 2) px: roots of the diagonals of ``covariances``."""
        return np.sqrt(np.diagonal(self.covariances, axis1=-2, axis2=-1))


class Blobfinder(NamedTuple):
    """The sum of all frames, the disks in it, and those of every frame."""

    sum: Floats
    positions: Peaks
    disks: Disks


class LatticeFit(NamedTuple):
    """A lattice through points of known indices; ``covariance`` of (zero, a, b), shape (6, 6)."""

    lattice: Lattice
    rank: int
    covariance: Floats
    covariance_source: Covariance
    reduced_chi2: float
    n_points: int


class LatticeMatch(NamedTuple):
    """A lattice and the points that belong to it."""

    lattice: Lattice
    status: Literal["matched", "too_few_points", "rank_deficient", "bad_start"]
    rank: int
    #: which of the points
    selector: Bools
    #: (n, 2) of the selected points
    indices: Floats
    #: (n, 2) px
    calculated: Floats
    #: weighted mean distance of these points from the lattice, px; infinite without one
    error: float
    #: of (zero, a, b), px², shape (6, 6)
    covariance: Floats
    covariance_source: Covariance
    reduced_chi2: float
    #: of zero, a and b, px
    standard_errors: Lattice

    def is_valid(self) -> bool:
        """Whether there is a lattice."""
        return self.status == "matched"

    def with_zero_at(self, index: ArrayLike) -> "LatticeMatch":
        """The same match, counted from `index`."""
        return _native.match_with_zero_at(self, index)

    def in_basis(self, basis: ArrayLike) -> "LatticeMatch":
        """The same match with other vectors of the lattice: see `Lattice.in_basis`."""
        return _native.match_in_basis(self, basis)

    def reduced(self) -> "LatticeMatch":
        """The same match with the lattice's shortest vectors."""
        return _native.match_reduced(self)

    def positions(
        self,
        indices: ArrayLike | None = None,
        *,
        drop_zero: bool = False,
        shape: tuple[int, int] | None = None,
        margin: float = 0.0,
    ) -> Floats:
        """Positions of `indices`, by default of the points that belong; those in a frame of `shape` only, `margin`
        px from its edges, without index (0, 0) if `drop_zero`."""
        return _native.match_positions(self, indices, drop_zero, shape, margin)


class FoundLattice(NamedTuple):
    """A lattice, and how likely it is that there is none."""

    matched: LatticeMatch
    #: decimal logarithm of the number of as good ones that chance would make in one search
    log10_accidental: float
    #: standard deviation of the points about the lattice per axis, px
    noise: float


class LatticeSearch(NamedTuple):
    """Lattices among points, best first, and which points are none's or too weak."""

    lattices: list[FoundLattice]
    unmatched: Bools
    weak: Bools


class FullMatch(NamedTuple):
    """Lattices as LiberTEM-blobfinder's ``full_match`` finds them."""

    matches: list[LatticeMatch]
    unmatched: Bools
    weak: Bools


class RefinedLattices(NamedTuple):
    """The lattice of every sample; rows of NaN where there is none."""

    #: (position, 2) that were looked for
    indices: Floats
    #: (sample, 2) px
    zero: Floats
    a: Floats
    b: Floats
    #: (sample, 6, 6) px² of (zero, a, b)
    covariance: Floats
    #: (sample, position): which disks belong to the lattice
    selector: Bools
    #: weighted mean distance of these disks from the lattice, px; infinite without one
    error: Floats
    #: in which round over the neighbours it was found, 0 from the start that was given
    round: NDArray[np.uint32]
    disks: Disks


class DifferenceClusters(NamedTuple):
    """Differences (r, φ), px and rad, between points, their clusters, and candidates for lattice vectors."""

    vectors: Floats
    clusters: HdbscanClusters | None
    #: (n, 2): (r, φ), shortest first
    candidates: Floats


class AffineTransformation(NamedTuple):
    """``(p − center, 1) · matrix + center`` for points p (y, x) px."""

    #: (3, 3): two rows turn and stretch, the third shifts
    matrix: Floats
    center: Floats

    def apply(self, points: ArrayLike) -> Floats:
        """Where one point, or rows of them, come to lie."""
        return _native.affine_apply(self.matrix, self.center, points)

    def fixed_point(self) -> Floats:
        """The point that stays where it is; an error if there is none, or more than one."""
        return _native.affine_fixed_point(self.matrix, self.center)


class DrawnMark(NamedTuple):
    """Something drawn over an image."""

    kind: Literal["circle", "dot", "arrow", "square"]
    #: (y, x) px: the middle, or where an arrow starts
    at: Floats
    #: where an arrow points
    to: Floats | None
    #: px; half the side of a square
    radius: float | None
    #: red, green, blue, 0 to 255
    color: Integers
    #: 0 to 1
    opacity: float


class Drawing(NamedTuple):
    """A picture as data, for any canvas; `pynonius.plot.marked_frame` is one."""

    #: brightness, ``ln(I − min I + 1)``
    image: Floats
    #: in the order in which they are drawn
    marks: list[DrawnMark]


class Strain(NamedTuple):
    """Strain and rotation (rad) with the covariance and errors of (xx, yy, xy, rotation); ``xy`` is half the
    engineering shear."""

    xx: float
    yy: float
    xy: float
    rotation: float
    covariance: Floats
    errors: Floats


class StrainMap(NamedTuple):
    """Strain at every position; ``errors`` has a last axis of (xx, yy, xy, rotation)."""

    xx: Floats
    yy: Floats
    xy: Floats
    rotation: Floats
    errors: Floats
    reference: Lattice


def _as_template(given: Any, compatible: bool) -> Template:
    """A `Template`, one of a dict of `TemplateParams`, or one of a picture of a disk, with LiberTEM-blobfinder's raster
    if `compatible`."""
    if isinstance(given, Template):
        made = given
    else:
        made = Template(**given) if isinstance(given, dict) else Template.from_image(given)
    return made.compatible() if compatible else made


def correlation_map(
    image: ArrayLike, template: Template, *, normalized: bool = False, mask: ArrayLike | None = None
) -> Reals:
    """Correlation of an image with a template at every pixel.

    >>> import numpy as np
    >>> disk = Template(kind="circular", radius=4)
    >>> image = disk.mask((64, 64), (20, 40))
    >>> np.unravel_index(correlation_map(image, disk).argmax(), (64, 64)) == np.array((20, 40))
    array([ True,  True])
    """
    return _native.correlation_map(image, template, normalized, mask)


@keywords_of(PeakParams)
def find_peaks(image: ArrayLike, **params: Unpack[PeakParams]) -> Peaks:
    """The highest maxima of an image, highest first."""
    return _native.find_peaks(image, **params)


def transform_intensity(image: ArrayLike, intensity: Intensity = "log") -> Reals:
    """An image as the correlation sees it."""
    return _native.transform_intensity(image, intensity)


@keywords_of(MatchParams)
def fast_match(
    positions: ArrayLike,
    zero: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    weights: ArrayLike | None = None,
    covariances: ArrayLike | None = None,
    **params: Unpack[MatchParams],
) -> LatticeMatch:
    """The lattice near ``(zero, a, b)`` through `positions`.

    >>> import numpy as np
    >>> grid = np.array([(y, x) for y in range(0, 60, 20) for x in range(0, 60, 20)], float)
    >>> found = fast_match(grid, (0, 0), (19.5, 0.3), (0.2, 20.4))
    >>> found.lattice.a.round(6) + 0
    array([20.,  0.])
    """
    return _native.fast_match(positions, zero, a, b, weights, covariances, **params)


def fit_lattice(
    positions: ArrayLike,
    indices: ArrayLike,
    weights: ArrayLike | None = None,
    covariances: ArrayLike | None = None,
    loss: Loss = "square",
) -> LatticeFit:
    """The lattice of least squares through positions of known indices."""
    return _native.fit_lattice(positions, indices, weights, covariances, loss)


def affine_match(
    positions: ArrayLike,
    indices: ArrayLike,
    weights: ArrayLike | None = None,
    covariances: ArrayLike | None = None,
    loss: Loss = "square",
) -> LatticeMatch:
    """As `fit_lattice`, all points used, whatever their distance."""
    return _native.affine_match(positions, indices, weights, covariances, loss)


@keywords_of(LatticeSearchParams)
def search_lattices(
    positions: ArrayLike,
    weights: ArrayLike | None = None,
    covariances: ArrayLike | None = None,
    **params: Unpack[LatticeSearchParams],
) -> LatticeSearch:
    """Lattices among positions, without a start."""
    return _native.search_lattices(positions, weights, covariances, **params)


@keywords_of(FullMatchParams)
def full_match(
    positions: ArrayLike,
    weights: ArrayLike | None = None,
    centers: ArrayLike | None = None,
    zero: ArrayLike | None = None,
    candidates: ArrayLike | None = None,
    **params: Unpack[FullMatchParams],
) -> FullMatch:
    """LiberTEM-blobfinder's search for lattices; `search_lattices` finds more and errs less."""
    return _native.full_match(positions, weights, centers, zero, candidates, **params)


@keywords_of(FullMatchParams)
def difference_clusters(points: ArrayLike, **params: Unpack[FullMatchParams]) -> DifferenceClusters:
    """Candidates for lattice vectors from points (n, 2): clusters of their differences in polar coordinates, as
    `full_match` guesses them."""
    return _native.difference_clusters(points, **params)


def assign_indices(
    points: ArrayLike,
    lattice: Lattice,
    tolerance: float,
    distance: Literal["index_scaled", "euclidean"] = "index_scaled",
) -> tuple[NDArray[np.int32], Bools]:
    """The index (n, 2) at which each point stands, and whether there is one within `tolerance` px.

    >>> square = Lattice(zero=(0, 0), a=(10, 0), b=(0, 10))
    >>> indices, assigned = assign_indices([(9.5, 20.2), (5, 5)], square, 1.0)
    >>> indices[0].tolist(), assigned.tolist()
    ([1, 2], [True, False])
    """
    return _native.assign_indices(points, tuple(lattice), tolerance, distance)


def index_grid(i: tuple[int, int], j: tuple[int, int]) -> NDArray[np.int32]:
    """All pairs (n, 2) of whole numbers of two ranges, both ends included, the first index fastest.

    >>> index_grid((0, 1), (5, 6)).tolist()
    [[0, 5], [1, 5], [0, 6], [1, 6]]
    """
    return _native.index_grid(i, j)


def polar(vectors: ArrayLike) -> Floats:
    """Vectors (y, x) on a last axis of 2 as (r, φ), φ in rad from +x towards +y."""
    return _native.polar(vectors)


def cartesian(vectors: ArrayLike) -> Floats:
    """Vectors (r, φ) on a last axis of 2 as (y, x)."""
    return _native.cartesian(vectors)


def fit_affine(
    start: ArrayLike, end: ArrayLike, weights: ArrayLike | None = None, center: ArrayLike = (0.0, 0.0)
) -> AffineTransformation:
    """The affine transformation of least squares that carries points `start` (n, 2) to `end`.

    >>> import numpy as np
    >>> points = np.array([(0.0, 0.0), (10.0, 0.0), (0.0, 10.0)])
    >>> fit_affine(points, 2 * points + 1).apply((5, 5)).round(9)
    array([11., 11.])
    """
    return _native.fit_affine(start, end, weights, center)


@keywords_of(PictureParams)
def draw_match(
    frame: ArrayLike,
    lattice: Lattice,
    peaks: Peaks,
    calculated: ArrayLike,
    selected: ArrayLike,
    **params: Unpack[PictureParams],
) -> Drawing:
    """What became of the lattice positions of one frame: circles where disks were found, dots and magnified arrows
    from where the lattice has them, squares where none was, and the lattice's vectors.

    `peaks`, `calculated` positions (n, 2) and `selected` (n,) belong together. For an array of pixels hand the
    drawing to `pynonius.plot.marked_frame`.

    >>> import numpy as np
    >>> disk = Template(radius=3)
    >>> frame = disk.mask((32, 32), (16, 15)).clip(0) + 1
    >>> found = CorrelationPlan((32, 32), disk).run(frame, [(16, 16)])
    >>> lattice = Lattice(zero=(16.0, 15.0), a=(8.0, 0.0), b=(0.0, 9.0))
    >>> [mark.kind for mark in draw_match(frame, lattice, found, [lattice.zero], [True]).marks]
    ['circle', 'dot', 'arrow', 'arrow', 'arrow']
    """
    return _native.draw_match(frame, tuple(lattice), peaks, calculated, selected, **params)


@keywords_of(StrainParams)
def strain(
    lattice: Lattice,
    reference: Lattice,
    covariance: ArrayLike | None = None,
    **params: Unpack[StrainParams],
) -> Strain:
    """How a crystal is strained, from its diffraction lattice and that of the reference.

    >>> reference = Lattice(zero=(0, 0), a=(0, 20), b=(20, 0))
    >>> longer = Lattice(zero=(0, 0), a=(0, 20.2), b=(20, 0))
    >>> round(strain(longer, reference).xx, 6)
    -0.009901
    """
    return _native.strain(*lattice, tuple(reference), covariance, **params)


@keywords_of(StrainParams)
def strain_map(
    a: ArrayLike,
    b: ArrayLike,
    reference: Lattice | None = None,
    covariance: ArrayLike | None = None,
    *,
    mask: ArrayLike | None = None,
    mean: bool = False,
    **params: Unpack[StrainParams],
) -> StrainMap:
    """Strain at every position from vectors ``(..., 2)``; the reference is the median (or mean) where `mask` is
    True, unless a lattice is given."""
    given = None if reference is None else tuple(reference)
    return _native.strain_map(a, b, given, covariance, mask, mean, **params)


@keywords_of(BlobfinderParams)
def find_disks(
    frames: Any,
    template: Template,
    *,
    roi: ArrayLike | None = None,
    progress: Progress | None = None,
    **params: Unpack[BlobfinderParams],
) -> Blobfinder:
    """Sums all frames, finds disks in the sum, and looks for them in every frame."""
    return _native.find_disks(frames, template, roi=roi, progress=progress, **params)


@keywords_of(CorrelationParams)
def correlate_frames(
    frames: Any,
    template: Template | list[Template],
    positions: ArrayLike,
    *,
    zero_shift: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    roi: ArrayLike | None = None,
    progress: Progress | None = None,
    **params: Unpack[CorrelationParams],
) -> Disks:
    """Looks for a disk around each of `positions` in every frame, in all threads; a list has a template for each.

    `zero_shift` (y, x) px, one for all or one row per sample, is added to positions; `mask` is True for live pixels.

    >>> import numpy as np
    >>> disk = Template(kind="background_subtraction", radius=4)
    >>> frames = np.stack([disk.mask((32, 32), (15.5, 16 + k / 4)).clip(0) * 1000 for k in range(3)])
    >>> disks = correlate_frames(frames + 10, disk, [(16, 16)])
    >>> disks.refineds[:, 0].round(1)
    array([[15.5, 16. ],
           [15.5, 16.2],
           [15.5, 16.5]], dtype=float32)
    """
    return _native.correlate_frames(
        frames, template, positions, zero_shift=zero_shift, mask=mask, roi=roi, progress=progress, **params
    )


@keywords_of(RefineParams)
def refine_lattices(
    frames: Any,
    template: Template,
    start: Lattice,
    *,
    starts: tuple[ArrayLike, ArrayLike, ArrayLike] | None = None,
    zero_shift: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    roi: ArrayLike | None = None,
    progress: Progress | None = None,
    **params: Unpack[RefineParams],
) -> RefinedLattices:
    """The lattice of every frame, near `start`, or near those of `starts`: zero, a and b, each (sample, 2)."""
    return _native.refine_lattices(
        frames,
        template,
        *start,
        starts=starts,
        zero_shift=zero_shift,
        mask=mask,
        roi=roi,
        progress=progress,
        **params,
    )


def integrate_disks(
    frames: Any,
    template: Template,
    centers: ArrayLike,
    *,
    roi: ArrayLike | None = None,
    progress: Progress | None = None,
) -> Floats:
    """Sums under the template at `centers` (sample, position, 2), whole px, of every frame: shape (sample, position)."""
    return _native.integrate_disks(frames, template, centers, roi=roi, progress=progress)


def sum_frames(frames: Any, *, roi: ArrayLike | None = None, progress: Progress | None = None) -> Floats:
    """The sum of all frames, shape (y, x)."""
    return _native.sum_frames(frames, roi=roi, progress=progress)


def frame_peaks(
    lattice: Lattice, shape: tuple[int, int], indices: ArrayLike, margin: float = 0.0
) -> tuple[NDArray[np.int32], Floats]:
    """Of `indices` (n, 2) those whose positions lie in a frame, `margin` px from its border, and the positions."""
    return _native.frame_peaks(*lattice, shape, indices, margin)


def reduced_lattice(lattice: Lattice) -> Lattice:
    """The same lattice in its shortest vectors."""
    return _native.reduced_lattice(*lattice)
