"""Pipelines that join several modules.

**From a 4D-STEM scan of a polycrystal to grains and strain.** `strain` runs all stages; each is a function of its own,
so that one can be run again with other parameters::

    deviation -> find_spots -> find_regions -> find_lattices -> find_crystals
              -> settle_boundaries -> refine_frames -> map_strain

`write_strain_report` makes a page to look around in of what they found.

**From a tilt series to its volume.** `line_integrals` of what was recorded, then `align_series` or
`reconstruct_series`.

``frames`` are an array ``(..., y, x)`` or a `pynonius.io.Scan`. Maps have the shape of the scan; labels number regions
and grains from 0, −1 is none, −2 outside of the region of interest.
"""

from os import PathLike
from typing import Any, Literal, NamedTuple, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike

from . import _native
from ._keywords import keywords_of
from ._native import Dendrogram, Geometry
from ._types import Bools, Floats, Integers, Progress, Reals
from .blobfinder import (
    FoundLattice,
    Lattice,
    LatticeSearchParams,
    PeakParams,
    Peaks,
    RefinedLattices,
    RefineParams,
    TemplateParams,
)
from .clustering import FeatureParams
from .io import Axis, _as_dict
from .plot import Colors
from .tomography import (
    AbsorbanceParams,
    AlignmentReport,
    AngleParams,
    AxialProfileParams,
    CascadeParams,
    FbpParams,
    LbfgsParams,
    MitraParams,
    MomentsParams,
    OpticalFlowParams,
    PhaseMatchingParams,
    ReprojectionParams,
    SirtParams,
    SlicesParams,
)

__all__ = [
    "AlignedSeries",
    "AlignmentParams",
    "BoundaryParams",
    "Crystals",
    "Deviation",
    "FrameLattices",
    "FrameParams",
    "FramePictureParams",
    "LatticeParams",
    "LineIntegralParams",
    "LineIntegrals",
    "Phase",
    "ReconstructionParams",
    "Reconstructed",
    "ReferenceParams",
    "RefinedAngles",
    "RegionFrames",
    "RegionLattice",
    "RegionLattices",
    "RegionParams",
    "Regions",
    "ReportMap",
    "ReportTable",
    "SpotParams",
    "StrainMaps",
    "StrainResult",
    "StrainWorkflowParams",
    "SuperlatticeMaps",
    "align_series",
    "deviation",
    "find_crystals",
    "find_lattices",
    "find_regions",
    "find_spots",
    "line_integrals",
    "map_strain",
    "measure_superlattice",
    "reconstruct_series",
    "refine_frames",
    "settle_boundaries",
    "sinogram",
    "strain",
    "strain_params",
    "write_scan_report",
    "write_strain_report",
]


class SpotParams(TypedDict, total=False):
    """Which maxima of the deviation map are spots."""

    template: TemplateParams
    peaks: PeakParams


class RegionParams(TypedDict, total=False):
    """How frames are gathered to ``clusters`` regions (default 30), rather too many than too few."""

    features: FeatureParams
    scaling: Literal["none", "mean_absolute", "standard_deviation", "robust", "per_frame"] | dict[str, Any]
    coordinate_weight: float
    neighbors: Literal["direct", "all"] | dict[str, Any]
    clusters: int
    min_size: int


class LatticeParams(TypedDict, total=False):
    """How the lattice of a region is looked for; ``direct_beam`` (y, x) px is the brightest place by default."""

    template: TemplateParams
    peaks: PeakParams
    search: LatticeSearchParams
    direct_beam: tuple[float, float] | None


class BoundaryParams(TypedDict, total=False):
    """``width``: how many steps from a boundary a frame may show more than one grain, default 2."""

    width: int


class FrameParams(TypedDict, total=False):
    """How the lattice of each frame is refined."""

    template: TemplateParams
    refine: RefineParams


class ReferenceParams(TypedDict, total=False):
    """What strain is measured against: ``cells`` are vectors a and b px, one pair for each phase, by default the median
    of its frames; ``grain_tolerance`` in degrees."""

    cells: list[Any]
    phase_tolerance: float
    grain_tolerance: float
    axes: Literal["along_a"] | dict[str, float]


class StrainWorkflowParams(TypedDict, total=False):
    """Parameters of every stage; `strain_params` has them for spots of another radius."""

    spots: SpotParams
    regions: RegionParams
    lattices: LatticeParams
    boundaries: BoundaryParams
    frames: FrameParams
    reference: ReferenceParams


# No name of Python's, but a dict may have it: how passes over the frames are cut into pieces.
StrainWorkflowParams.__annotations__["pass"] = dict[str, int]


class LineIntegralParams(TypedDict, total=False):
    """How images become line integrals; ``zero`` is their value without a sample."""

    signal: Literal["images", "scattering"]
    zero: float | None
    absorbance: AbsorbanceParams


class AlignmentParams(TypedDict, total=False):
    """A method, where it starts, and the parameters of each."""

    method: Literal[
        "auto",
        "optical_flow",
        "phase_matching",
        "reprojection",
        "moments",
        "axial_profile",
        "line",
        "cascade",
        "slices",
    ]
    start: Literal["none", "file", "line", "moments", "cascade"]
    refine_angles: bool
    optical_flow: OpticalFlowParams
    phase_matching: PhaseMatchingParams
    reprojection: ReprojectionParams
    moments: MomentsParams
    axial_profile: AxialProfileParams
    cascade: CascadeParams
    slices: SlicesParams
    angles: AngleParams


class ReconstructionParams(TypedDict, total=False):
    """A method, and the parameters of each."""

    method: Literal["mitra", "sirt", "fbp", "lbfgs"]
    mitra: MitraParams
    sirt: SirtParams
    fbp: FbpParams
    lbfgs: LbfgsParams


class FramePictureParams(TypedDict, total=False):
    """How much of the frames a report keeps."""

    max_megabytes: float
    binning: int | None
    stride: int | None
    radius: float
    stretch: float


class Deviation(NamedTuple):
    """Sum and standard deviation (y, x) of every pixel over the frames."""

    n_frames: int
    sum: Floats
    deviation: Floats


class Regions(NamedTuple):
    """Regions of frames that resemble one another."""

    #: where features were taken, the strongest first
    spots: Peaks
    dead_features: Integers
    #: positions whose features are not numbers
    bad_frames: Integers
    labels: Integers
    tree: Dendrogram | None


class RegionLattice(NamedTuple):
    """What the frames of a region show together: mean logarithm, spots, lattices (the least accidental first)."""

    mean_log: Floats
    spots: Peaks
    found: list[FoundLattice]


class RegionLattices(NamedTuple):
    """Lattices of all regions, which have their zero nearest to the direct beam (y, x) px."""

    regions: list[RegionLattice]
    direct_beam: Floats


class Phase(NamedTuple):
    """Regions whose cells are alike, the largest first, and the pattern that counts as unstrained."""

    reference: Lattice
    regions: Integers


class Crystals(NamedTuple):
    """Phase and grain of every region, −1 where there is none."""

    phase_of_region: Integers
    grain_of_region: Integers
    n_grains: int
    phases: list[Phase]


class RegionFrames(NamedTuple):
    """The frames of one region: its mask over the scan, the lattice from which they started, what was found."""

    label: int
    roi: Bools
    start: Lattice
    refined: RefinedLattices


class FrameLattices(NamedTuple):
    """Lattices of all frames as maps, NaN where there is none."""

    regions: list[RegionFrames]
    #: last axis of 2, px
    zero: Floats
    a: Floats
    b: Floats
    #: of (zero, a, b), last axes of (6, 6)
    covariance: Floats
    n_matched: Floats
    #: weighted mean distance of the spots from the lattice, px
    distance: Floats


class StrainMaps(NamedTuple):
    """Strain of the crystal as maps, NaN where there is none; ``rotation`` in rad from x towards y."""

    xx: Floats
    yy: Floats
    xy: Floats
    rotation: Floats
    #: of (xx, yy, xy, rotation), on a last axis
    errors: Floats
    #: for each phase
    references: list[Lattice]


class StrainResult(NamedTuple):
    """What every stage found."""

    deviation: Deviation
    regions: Regions
    lattices: RegionLattices
    crystals: Crystals
    #: the regions after boundaries were settled
    labels: Integers
    grains: Integers
    frames: FrameLattices
    strain: StrainMaps


class SuperlatticeMaps(NamedTuple):
    """Mean brightness of superlattice spots above their surroundings, and its standard error."""

    signal: Floats
    errors: Floats


class ReportMap(NamedTuple):
    """One value per position of a scan, for `write_scan_report`."""

    name: str
    values: ArrayLike
    unit: str = ""
    description: str = ""
    colors: Colors = "amount"
    range: tuple[float, float] | None = None
    #: where values may be trusted; the others are hatched
    valid: ArrayLike | None = None


class ReportTable(NamedTuple):
    """A table of a report."""

    title: str
    columns: list[str]
    rows: list[list[str]]


class LineIntegrals(NamedTuple):
    """Images (n, j, k) that are sums along rays; weights are 0 where a pixel is masked, None if all count alike."""

    images: Reals
    weights: Reals | None
    n_masked: int
    warnings: list[str]


class RefinedAngles(NamedTuple):
    """What is changed of rotations (n, 3), rad about the laboratory's axes, and standard errors."""

    corrections: Floats
    standard_errors: Floats


class AlignedSeries(NamedTuple):
    """An aligned series."""

    geometry: Geometry
    report: AlignmentReport
    #: False for methods that find offsets in one go
    iterative: bool
    volume: Reals
    reprojections: Reals
    angles: RefinedAngles | None
    reasons: list[str]
    #: what a person should know before trusting the offsets
    warnings: list[str]


class Reconstructed(NamedTuple):
    """A volume, its images, and how well they fit."""

    volume: Reals
    reprojections: Reals
    losses: Floats
    stop: Literal["max_iterations", "tolerance", "no_descent", "direct"]
    #: root-mean-square difference of each image and its re-projection
    residuals: Floats


def strain_params(radius: float) -> StrainWorkflowParams:
    """All parameters of `strain` for spots of a `radius` px.

    >>> strain_params(3.0)["frames"]["template"]["radius"]
    3.0
    """
    return _native.strain_params(radius)


@keywords_of(StrainWorkflowParams)
def strain(
    scan: Any,
    /,
    *,
    roi: ArrayLike | None = None,
    progress: Progress | None = None,
    **params: Unpack[StrainWorkflowParams],
) -> StrainResult:
    """All stages, one after the other: from the frames of a `scan` to regions, lattices, grains and strain.

    >>> from pynonius import synthetic
    >>> scan = synthetic.polycrystal(scan=(12, 16), grains=2)
    >>> found = strain(scan.frames, regions={"clusters": 4})
    >>> found.strain.xx.shape, found.frames.a.shape, int(found.regions.labels.max())
    ((12, 16), (12, 16, 2), 3)
    """
    return _native.strain_workflow(scan, roi=roi, progress=progress, **params)


def deviation(frames: Any, *, roi: ArrayLike | None = None, progress: Progress | None = None) -> Deviation:
    """How much every pixel changes over the scan: what belongs to a crystal changes from grain to grain."""
    return _native.deviation(frames, roi, progress)


@keywords_of(SpotParams)
def find_spots(deviation: Deviation, **params: Unpack[SpotParams]) -> Peaks:
    """The maxima of the deviation map, the highest first."""
    return _native.find_spots(deviation, **params)


@keywords_of(RegionParams)
def find_regions(
    frames: Any,
    spots: Peaks,
    *,
    roi: ArrayLike | None = None,
    progress: Progress | None = None,
    **params: Unpack[RegionParams],
) -> Regions:
    """Feature vectors of all frames, and the connected regions in which they resemble one another."""
    return _native.find_regions(frames, spots, roi=roi, progress=progress, **params)


@keywords_of(LatticeParams)
def find_lattices(
    frames: Any,
    labels: ArrayLike,
    deviation: Deviation,
    *,
    progress: Progress | None = None,
    **params: Unpack[LatticeParams],
) -> RegionLattices:
    """The lattice of each region of a map of `labels`, in the sum of its frames' logarithms."""
    return _native.find_lattices(frames, labels, deviation, progress=progress, **params)


@keywords_of(ReferenceParams)
def find_crystals(
    labels: ArrayLike, lattices: RegionLattices, **params: Unpack[ReferenceParams]
) -> Crystals:
    """Which regions are one phase, and which of those that touch are one grain."""
    return _native.find_crystals(labels, lattices, **params)


def settle_boundaries(
    frames: Any,
    regions: Regions,
    lattices: RegionLattices,
    *,
    width: int = 2,
    region_params: RegionParams | None = None,
    reference: ReferenceParams | None = None,
    progress: Progress | None = None,
) -> tuple[Integers, Integers]:
    """Gives frames at boundaries to the grain that has the greatest share of them: maps of regions and of grains."""
    return _native.settle_boundaries(
        frames, regions, lattices, width, region_params or {}, reference or {}, progress
    )


@keywords_of(FrameParams)
def refine_frames(
    frames: Any,
    labels: ArrayLike,
    lattices: RegionLattices,
    *,
    progress: Progress | None = None,
    **params: Unpack[FrameParams],
) -> FrameLattices:
    """The lattice of each frame, near that of its region."""
    return _native.refine_frames(frames, labels, lattices, progress=progress, **params)


@keywords_of(ReferenceParams)
def map_strain(
    labels: ArrayLike, lattices: RegionLattices, refined: FrameLattices, **params: Unpack[ReferenceParams]
) -> StrainMaps:
    """The strain of every frame against its phase's reference; `labels` are those of the regions with `lattices`."""
    return _native.map_strain(labels, lattices, refined, **params)


@keywords_of(FrameParams)
def measure_superlattice(
    frames: Any,
    refined: FrameLattices,
    offsets: ArrayLike,
    *,
    progress: Progress | None = None,
    **params: Unpack[FrameParams],
) -> SuperlatticeMaps:
    """How bright the places ``(i, j) + offset`` of every frame's lattice are, for offsets (n, 2) such as (½, ½)."""
    return _native.measure_superlattice(frames, refined, offsets, progress=progress, **params)


def write_scan_report(
    path: str | PathLike[str],
    title: str,
    maps: list[ReportMap],
    *,
    axes: tuple[Axis, Axis] | list[dict[str, Any]] | None = None,
    text: list[str] | None = None,
    facts: dict[str, str] | None = None,
    tables: list[ReportTable] | None = None,
    frames: Any = None,
    lattices: FrameLattices | None = None,
    picture: FramePictureParams | None = None,
    progress: Progress | None = None,
) -> None:
    """Writes maps over a scan, and the frames behind them, as one HTML file that a browser opens without a network.

    A click on a map shows the frame there, with the lattice that was found in it if `lattices` are given.
    """
    plain = [
        (m.name, m.unit, m.description, m.values, m.colors, m.range, m.valid)
        for m in (ReportMap(*given) for given in maps)
    ]
    _native.write_scan_report(
        path,
        title,
        plain,
        None if axes is None else [_as_dict(axis) for axis in axes],
        list(text or []),
        [[str(name), str(value)] for name, value in (facts or {}).items()],
        [tuple(ReportTable(*table)) for table in (tables or [])],
        frames,
        lattices,
        picture or {},
        progress,
    )


def write_strain_report(
    path: str | PathLike[str],
    frames: Any,
    found: StrainResult,
    *,
    title: str = "Grains and strain",
    axes: tuple[Axis, Axis] | list[dict[str, Any]] | None = None,
    picture: FramePictureParams | None = None,
    progress: Progress | None = None,
) -> None:
    """Writes what `strain` found as a page to look around in: `write_scan_report` of its maps and lattices."""
    strain, percent = found.strain, [("ε_xx", found.strain.xx), ("ε_yy", found.strain.yy), ("ε_xy", found.strain.xy)]
    about = "Strain of the crystal against its phase's reference."
    maps = [
        _labels("grains", found.grains, "Touching regions of one crystal."),
        _labels("regions", found.labels, "Frames that resemble one another."),
        *(ReportMap(name, 100 * values, "%", about, "signed") for name, values in percent),
        ReportMap("rotation", np.degrees(strain.rotation), "°", "From x towards y.", {"cyclic": 180.0}),
        *(
            ReportMap("± " + name, 100 * strain.errors[..., k], "%", "Standard error.")
            for k, (name, _) in enumerate(percent)
        ),
        ReportMap("spots matched", found.frames.n_matched, "", "Spots of the frame that belong to its lattice."),
        ReportMap("distance", found.frames.distance, "px", "Mean distance of these spots from their places."),
    ]
    maps = [m for m in maps if np.isfinite(np.asarray(m.values, np.float64)).any()]
    write_scan_report(
        path,
        title,
        maps,
        axes=axes,
        facts={"grains": str(found.crystals.n_grains), "phases": str(len(found.crystals.phases))},
        frames=frames,
        lattices=found.frames,
        picture=picture,
        progress=progress,
    )


def _labels(name: str, labels: Integers, about: str) -> ReportMap:
    names = [str(k) for k in range(int(labels.max(initial=-1)) + 1)]
    return ReportMap(name, np.where(labels < 0, np.nan, labels), "", about, {"categories": names})


@keywords_of(LineIntegralParams)
def line_integrals(
    geometry: Geometry,
    images: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    scattering: ArrayLike | None = None,
    **params: Unpack[LineIntegralParams],
) -> LineIntegrals:
    """The line integrals of what an instrument recorded: fields of `pynonius.tomography.open_tilt_series`."""
    return _native.line_integrals(geometry, images, weights, scattering, **params)


@keywords_of(AlignmentParams)
def align_series(
    geometry: Geometry,
    images: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    progress: Progress | None = None,
    **params: Unpack[AlignmentParams],
) -> AlignedSeries:
    """Aligns line integrals (n, j, k) by a method that is chosen by name, all judged by one reconstruction.

    >>> from pynonius import synthetic
    >>> angles = {"first": 0.0, "step": 0.2, "n": 16}
    >>> made = synthetic.tilt_series(
    ...     volume_shape=(16, 16, 8), projection_shape=(20, 8),
    ...     scheme={"kind": "single_axis", "axis": (0, 0, 1), "angles": angles}, seed=3)
    >>> lines = line_integrals(made.geometry, made.images)
    >>> report = align_series(made.geometry, lines.images, method="moments").report
    >>> report.loss < 0.1 * report.loss_at_start
    True
    """
    given: dict[str, Any] = dict(params)
    method, start = given.pop("method", "auto"), given.pop("start", "file")
    return _native.align_series(geometry, images, weights, method, start, progress, **given)


@keywords_of(ReconstructionParams)
def reconstruct_series(
    geometry: Geometry,
    images: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    progress: Progress | None = None,
    **params: Unpack[ReconstructionParams],
) -> Reconstructed:
    """The volume of line integrals (n, j, k) with the offsets of the geometry."""
    return _native.reconstruct_series(geometry, images, weights, progress, **params)


def sinogram(geometry: Geometry, images: ArrayLike, offsets: ArrayLike | None = None) -> Floats:
    """The line of pixels in the middle of the axis of rotation of every projection, moved by its offset: (position,
    projection). In a series that is aligned its features are sinusoids."""
    return _native.sinogram(geometry, images, offsets)
