"""Tilt series: a projector with its exact adjoint, reconstruction, and alignment of projections.

Projections are ``(n, j, k)``, volumes ``(x, y, z)``, both with a further axis where there are channels. Offsets are px
along ``(j, k)``. Images are line integrals (`absorbance`), not counts; ``weights`` are not negative, and 0 leaves a
pixel out. Images of single precision are computed in it, everything else in double precision.
"""

from collections.abc import Mapping
from os import PathLike, fspath
from typing import Any, Literal, NamedTuple, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike

from . import _native
from ._keywords import keywords_of
from ._native import Geometry, Projector
from ._types import Bools, Floats, Integers, Progress, Reals
from .registration import RegistrationParams

__all__ = [
    "Absorbance",
    "AbsorbanceParams",
    "Aligned",
    "AlignmentRecord",
    "AlignmentReport",
    "AngleParams",
    "AngleRefinement",
    "AutoParams",
    "AxialProfileAlignment",
    "AxialProfileParams",
    "CascadeAlignment",
    "CascadeParams",
    "CenterEstimate",
    "FbpParams",
    "Geometry",
    "LbfgsParams",
    "LineAlignment",
    "MitraParams",
    "MomentAlignment",
    "MomentsParams",
    "OpticalFlowParams",
    "PhaseMatchingParams",
    "Projector",
    "Reconstruction",
    "ReprojectionParams",
    "RotationCenter",
    "RotationCenterParams",
    "SecondMoments",
    "SirtParams",
    "SliceAlignment",
    "SlicesParams",
    "StepReport",
    "TiltAxis",
    "TiltSeries",
    "TiltSeriesOptions",
    "absorbance",
    "align",
    "align_axial_profile",
    "align_cascade",
    "align_line",
    "align_moments",
    "align_slices",
    "high_pass_along",
    "open_tilt_series",
    "outliers",
    "read_geometry",
    "read_offsets",
    "reconstruct",
    "refine_angles",
    "rotation_center",
    "smooth_edges",
    "spectral_gradient",
    "tukey_window",
    "write_tilt_series",
    "write_volume",
]

StopReason = Literal["tolerance", "max_iterations", "stalled", "oscillating"]
#: ``"squared"`` or ``{"huber": k}``
Loss = Literal["squared"] | dict[str, float]


class MitraParams(TypedDict, total=False):
    """Preconditioned descent with momentum, ``"adaptive"`` or ``{"fixed": m}``.

    - ``step``: from 2 on it diverges
    - ``ftol``: ends once the loss changes by less than this part, default never
    - ``total_variation``: its weight, about a thousandth of a typical voxel; ``smoothing``: the slope per voxel below
      which it is quadratic
    - ``min_length``: rays and voxels with no more than this in each other, px, are left out
    - ``min_views``: the part of the views that a voxel must lie in, others stay as they are at the start
    """

    iterations: int
    step: float
    momentum: Literal["adaptive"] | dict[str, float]
    non_negative: bool
    ftol: float | None
    loss: Loss
    total_variation: float
    smoothing: float
    min_length: float
    min_views: float


class SirtParams(TypedDict, total=False):
    """The simultaneous iterative reconstruction technique."""

    iterations: int
    step: float
    non_negative: bool
    ftol: float | None


class FbpParams(TypedDict, total=False):
    """Filtered back-projection of series about one axis."""

    filter: Literal["ram_lak", "shepp_logan", "cosine", "hamming", "hann"]
    axis_tolerance: float


class LbfgsParams(TypedDict, total=False):
    """Limited-memory quasi-Newton descent; what it shares with `MitraParams` means the same."""

    iterations: int
    memory: int
    non_negative: bool
    ftol: float | None
    loss: Loss
    total_variation: float
    smoothing: float
    min_length: float
    min_views: float


class OpticalFlowParams(TypedDict, total=False):
    """Alignment by optical flow; ``iteration`` is a dict of what all alignments by re-projection share."""

    iteration: dict[str, Any]
    smoothing: float
    coarse_smoothing: list[float]
    binning: list[int] | None
    high_pass: float
    taper: float
    max_step: float
    momentum: float


class PhaseMatchingParams(TypedDict, total=False):
    """Alignment by phase matching."""

    iteration: dict[str, Any]
    upsampling: list[int]
    method: Literal["cross", "phase"]
    shift_cutoff: float
    cropping: tuple[int, int]
    taper: float
    smoothing: float
    min_overlap: float
    sample_size: float
    relaxation: float
    center_of_mass_weight: float
    seed: int


class ReprojectionParams(TypedDict, total=False):
    """Alignment by joint re-projection."""

    iteration: dict[str, Any]
    method: Literal["cross", "phase"]
    upsampling: int
    inner_radius: float
    outer_radius: float
    smoothing: float
    max_step: float


class MomentsParams(TypedDict, total=False):
    """Alignment by centres of mass."""

    threshold: float | None
    max_mass_spread: float


class AxialProfileParams(TypedDict, total=False):
    """Alignment along the axis by profiles."""

    threshold: float | None
    max_iterations: int
    tolerance: float


class CascadeParams(TypedDict, total=False):
    """Alignment of neighbours by their correlation."""

    registration: RegistrationParams
    stretch: bool


class SlicesParams(TypedDict, total=False):
    """Alignment by centres of mass of slices."""

    threshold: float | None
    part: float
    center_axis: bool


class AutoParams(TypedDict, total=False):
    """What `align` chooses from: dicts of the parameters of each."""

    refinement: OpticalFlowParams
    moments: MomentsParams
    cascade: CascadeParams
    slices: SlicesParams


class AngleParams(TypedDict, total=False):
    """Refinement of rotations.

    - ``in_plane``, ``out_of_plane``: standard deviation of the errors that are expected, rad; 0 where there are none
    - ``offsets``: whether they change with the angles
    - ``smoothing``: low-pass of images, px; ``taper``: the part of their length that fades out
    - ``tolerance``: largest correction that counts as none, px
    """

    reconstruction: MitraParams
    in_plane: float
    out_of_plane: float
    offsets: bool
    smoothing: float
    taper: float
    max_iterations: int
    tolerance: float


class RotationCenterParams(TypedDict, total=False):
    """Which estimators of the centre are asked."""

    methods: list[Literal["sinusoid", "mirror_pairs", "double_wedge", "entropy"]]
    max_distance: float | None


class AbsorbanceParams(TypedDict, total=False):
    """Where nothing was in the beam: ``reference`` is ``{"frame": {"width": n}}``, ``{"region": {"j": .., "k": ..}}``,
    ``{"percentile": {...}}``, ``"unit"`` or ``"thickness"``."""

    reference: Literal["unit", "thickness"] | dict[str, dict[str, Any]]
    lowest: float
    highest: float | None
    flatness: float


class TiltSeriesOptions(TypedDict, total=False):
    """How a tilt series is read."""

    skip_scattering: bool
    replace_non_finite: float | None
    allow_missing: bool
    angles_in_degrees: bool
    tilt_degrees: list[float] | None
    angles_file: str | PathLike[str] | None
    tilt_axis_degrees: float
    geometry_file: str | PathLike[str] | None
    volume_shape: tuple[int, int, int] | None


class Reconstruction(NamedTuple):
    """A volume, the loss before each iteration, and why it stopped."""

    volume: Reals
    losses: Floats
    stop: Literal["max_iterations", "tolerance", "no_descent", "direct"]


class StepReport(NamedTuple):
    """One step of an alignment; movements in px."""

    stage: int
    binning: int
    loss: float
    largest: float
    rms: float


class AlignmentReport(NamedTuple):
    """How an alignment went."""

    method: str
    #: (n, 2) px
    offsets: Floats
    #: (n, 2) px, NaN for projections that say nothing
    standard_errors: Floats
    #: (steps + 1, n, 2) px: before the first step and after each
    history: Floats
    steps: list[StepReport]
    stop: StopReason
    #: how often steps were halved because they took each other back
    halvings: int
    #: of the last reconstruction, with the offsets found
    loss: float
    #: of the same with the offsets at the start
    loss_at_start: float
    #: (n,) root-mean-square differences of images and re-projections
    residuals: Floats
    #: projections that do not fit
    outliers: Integers
    #: projections that say nothing, and kept their offsets
    degenerate: Integers
    #: standard deviation of the images' sums over their mean; above 0.02 the sample leaves the field of view
    mass_spread: float
    #: (x, y, z) of the sample against the start, voxels: what no alignment can know
    translation: Floats
    #: the part of it that centring put there
    centred_by: Floats
    #: of the effect of translations on offsets, largest first
    gauge_singular_values: Floats


class Aligned(NamedTuple):
    """The geometry with its new offsets, the report, and the last volume with its projections."""

    geometry: Geometry
    report: AlignmentReport
    volume: Reals
    reprojections: Reals
    #: of ``method="auto"``: what it began with
    start: Literal["given", "moments", "cascade", "cascade_and_slices"] | None
    #: of ``method="auto"``: why
    reasons: list[str]


class LineAlignment(NamedTuple):
    """Offsets across the axis of rotation by one line of pixels; those along it are the geometry's."""

    #: (n, 2) px
    offsets: Floats
    #: index along the axis
    line: int
    #: views whose line has no mass, and kept their offsets
    degenerate: Integers


class SecondMoments(NamedTuple):
    """Second moments of the images against those of one sample: a check of the angles."""

    #: of the sample's mass, px², (3, 3)
    covariance: Floats
    #: what it leaves of every view's jj, jk and kk moments, px²
    residuals: Floats
    residual_rms: float
    #: rad by which each view seems to be turned further; empty without one axis
    angle_errors: Floats
    angle_standard_errors: Floats


class MomentAlignment(NamedTuple):
    """Offsets by centres of mass."""

    #: (n, 2) px
    offsets: Floats
    #: (n, 2) px, NaN for views without mass
    standard_errors: Floats
    #: (n,) sums of images less their pedestals
    masses: Floats
    mass_errors: Floats
    #: standard deviation of the masses over their mean
    mass_spread: float
    #: whether that is too much for the offsets to be trusted
    truncated: bool
    #: (n,) means of the air, which were subtracted
    pedestals: Floats
    #: (n,) standard deviations of one pixel's noise
    noise: Floats
    #: views without mass, which kept their offsets
    degenerate: Integers
    #: None with fewer than six views
    second: SecondMoments | None


class AxialProfileAlignment(NamedTuple):
    """Offsets along the axis by profiles."""

    #: (n, 2) px; those across the axis are the geometry's
    offsets: Floats
    #: (n,) px along ``direction``, of mean 0
    along: Floats
    #: (n,) px, of ``along``
    standard_errors: Floats
    #: (j, k) of the axis, of length 1
    direction: Floats
    #: mean of the aligned profiles
    profile: Floats
    #: (n,) correlation coefficients of profiles and their mean
    scores: Floats
    #: views whose profile is flat, and kept their offsets
    degenerate: Integers
    iterations: int
    #: the largest of the last round, px
    last_change: float


class CascadeAlignment(NamedTuple):
    """Offsets by correlation of neighbours, added up."""

    #: (n, 2) px
    offsets: Floats
    #: (n, 2) px, against the view ``first``
    standard_errors: Floats
    #: the view from which chains go out, nearest to no rotation
    first: int
    #: views whose comparison led nowhere: they lie as their neighbours do
    degenerate: Integers


class TiltAxis(NamedTuple):
    """Where the axis lies, px, and its inclination, rad."""

    offset: float
    offset_error: float
    inclination: float
    inclination_error: float


class SliceAlignment(NamedTuple):
    """Offsets by centres of mass of slices, and the axis."""

    #: (n, 2) px; those along the axis are the geometry's
    offsets: Floats
    #: (n,) px, across the axis
    standard_errors: Floats
    #: indices along the axis
    slices: Integers
    #: root mean square of centres of mass about the sinusoids of their slices, px
    residual: float
    residual_before: float
    axis: TiltAxis


class AngleRefinement(NamedTuple):
    """A geometry with refined rotations."""

    geometry: Geometry
    #: (n, 3) rad about the laboratory's (p, j, k)
    corrections: Floats
    #: (n, 3) rad, NaN for those that were held
    standard_errors: Floats
    losses: Floats
    stop: StopReason
    volume: Reals


class CenterEstimate(NamedTuple):
    """What one estimator says of the rotation centre."""

    method: Literal["sinusoid", "mirror_pairs", "double_wedge", "entropy"]
    center: float
    standard_error: float


class RotationCenter(NamedTuple):
    """The rotation centre, px, and how far the estimators spread."""

    center: float
    standard_error: float
    estimates: list[CenterEstimate]
    spread: float


class Absorbance(NamedTuple):
    """Minus the logarithm of the transmitted part, where it is known."""

    absorbance: Reals
    mask: Bools
    reference: Floats
    unevenness: Floats


class TiltSeries(NamedTuple):
    """A tilt series of a file."""

    geometry: Geometry
    images: Floats | None
    scattering: Floats | None
    weights: Floats
    pixel_size_nm: float | None
    angles_from: str
    warnings: list[str]
    format: Literal["projections", "stack"]
    #: (n, 2) px by which each image was padded at its end; empty if none was
    padding: Integers


class AlignmentRecord(NamedTuple):
    """What an alignment found and how, for the group ``alignment`` of a file."""

    #: (n, 2) px
    offsets: ArrayLike
    #: (iterations + 1, n, 2) px
    history: ArrayLike = ()
    #: the largest correction of each iteration, px
    max_step: ArrayLike = ()
    #: numbers and texts
    settings: Mapping[str, float | str] | None = None


def reconstruct(
    geometry: Geometry,
    data: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    method: Literal["mitra", "sirt", "fbp", "lbfgs"] = "mitra",
    warm_start: ArrayLike | None = None,
    progress: Progress | None = None,
    **params: Any,
) -> Reconstruction:
    """The volume whose projections are nearest to `data`; keywords are the parameters of the method.

    >>> import numpy as np
    >>> geometry = Geometry.single_axis(np.arange(24) * np.pi / 24, (12, 12), (12, 12, 12))
    >>> volume = np.zeros((12, 12, 12)); volume[4:8, 5:9, 3:7] = 1
    >>> found = reconstruct(geometry, Projector(geometry).forward(volume), iterations=40)
    >>> bool(np.abs(found.volume - volume).max() < 0.3)
    True
    """
    return _native.reconstruct(
        geometry, data, weights, method=method, warm_start=warm_start, progress=progress, **params
    )


def align(
    geometry: Geometry,
    images: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    method: Literal["auto", "optical_flow", "phase_matching", "reprojection"] = "auto",
    progress: Progress | None = None,
    **params: Any,
) -> Aligned:
    """Offsets of all projections; keywords are the parameters of the method (`AutoParams`, `OpticalFlowParams`,
    `PhaseMatchingParams`, `ReprojectionParams`)."""
    return _native.align(geometry, images, weights, method=method, progress=progress, **params)


def align_line(geometry: Geometry, images: ArrayLike, weights: ArrayLike | None = None) -> LineAlignment:
    """Offsets across the axis of rotation by the centre of mass of the line of pixels in the middle of the axis, to a
    quarter of a pixel perhaps; `align_moments` asks for less and gives more."""
    return _native.align_line(geometry, images, weights)


@keywords_of(MomentsParams)
def align_moments(
    geometry: Geometry,
    images: ArrayLike,
    weights: ArrayLike | None = None,
    **params: Unpack[MomentsParams],
) -> MomentAlignment:
    """Offsets by centres of mass, for samples that are whole in every image."""
    return _native.align_moments(geometry, images, weights, **params)


@keywords_of(AxialProfileParams)
def align_axial_profile(
    geometry: Geometry,
    images: ArrayLike,
    weights: ArrayLike | None = None,
    **params: Unpack[AxialProfileParams],
) -> AxialProfileAlignment:
    """Offsets along the axis by profiles."""
    return _native.align_axial_profile(geometry, images, weights, **params)


@keywords_of(CascadeParams)
def align_cascade(
    geometry: Geometry,
    images: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    progress: Progress | None = None,
    **params: Unpack[CascadeParams],
) -> CascadeAlignment:
    """Offsets by correlation of neighbours."""
    return _native.align_cascade(geometry, images, weights, progress=progress, **params)


@keywords_of(SlicesParams)
def align_slices(
    geometry: Geometry,
    images: ArrayLike,
    weights: ArrayLike | None = None,
    **params: Unpack[SlicesParams],
) -> SliceAlignment:
    """Offsets across the axis by centres of mass of slices."""
    return _native.align_slices(geometry, images, weights, **params)


@keywords_of(AngleParams)
def refine_angles(
    geometry: Geometry,
    images: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    progress: Progress | None = None,
    **params: Unpack[AngleParams],
) -> AngleRefinement:
    """Rotations by which projections of the volume fit better."""
    return _native.refine_angles(geometry, images, weights, progress=progress, **params)


@keywords_of(RotationCenterParams)
def rotation_center(
    sinogram: ArrayLike, angles: ArrayLike, **params: Unpack[RotationCenterParams]
) -> RotationCenter:
    """The centre of rotation of a sinogram (angle, px), or of several (angle, row, px)."""
    return _native.rotation_center(sinogram, angles, **params)


@keywords_of(AbsorbanceParams)
def absorbance(
    images: ArrayLike,
    flat: ArrayLike | None = None,
    dark: ArrayLike | None = None,
    **params: Unpack[AbsorbanceParams],
) -> Absorbance:
    """Line integrals from transmitted intensity, by a part of each image or by `flat` and `dark`."""
    return _native.absorbance(images, flat, dark, **params)


@keywords_of(TiltSeriesOptions)
def open_tilt_series(selector: str | PathLike[str], **options: Unpack[TiltSeriesOptions]) -> TiltSeries:
    """A tilt series of a file: HDF5 in the layout of mumott, or a stack with its angles."""
    given = {name: options.get(name) for name in ("angles_file", "geometry_file")}
    paths = {name: fspath(path) for name, path in given.items() if isinstance(path, (str, PathLike))}
    return _native.open_tilt_series(fspath(selector), **{**options, **paths})


def read_geometry(path: str | PathLike[str]) -> tuple[Geometry, list[str]]:
    """A geometry of a ``.geo`` file, and warnings."""
    return _native.read_geometry(fspath(path))


def write_tilt_series(
    path: str | PathLike[str],
    geometry: Geometry,
    images: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    *,
    scattering: ArrayLike | None = None,
    alignment: AlignmentReport | AlignmentRecord | None = None,
    arrays: Mapping[str, ArrayLike] | None = None,
) -> None:
    """Writes a series as HDF5 in the layout of mumott, offsets of the geometry included.

    `alignment` becomes the group of that name, which `read_offsets` reads; `arrays` by ``"group/name"`` stand beside.
    """
    if isinstance(alignment, AlignmentReport):
        alignment = AlignmentRecord(
            alignment.offsets,
            alignment.history,
            [step.largest for step in alignment.steps],
            {"method": alignment.method, "stop": alignment.stop, "loss": alignment.loss},
        )
    if alignment is not None:
        alignment = alignment._replace(settings=dict(alignment.settings or {}))
        history = np.asarray(alignment.history, np.float64)
        if history.size and len(alignment.max_step) != len(history) - 1:  # type: ignore[arg-type]
            alignment = alignment._replace(max_step=())
    own = []
    for name, values in (arrays or {}).items():
        group, _, last = name.rpartition("/")
        own.append((group, last, values))
    _native.write_tilt_series(fspath(path), geometry, images, weights, scattering, alignment, own)


def read_offsets(path: str | PathLike[str], group: str = "alignment") -> Floats:
    """Offsets (n, 2) px of a group of an HDF5 file."""
    return _native.read_offsets(fspath(path), group)


def write_volume(
    path: str | PathLike[str],
    volume: ArrayLike,
    voxel: float | None = None,
    unit: str = "px",
    *,
    about: Mapping[str, float | str] | None = None,
) -> None:
    """Writes a volume (x, y, z) as HDF5 (EMD 1.0); `voxel` is its edge in `unit`, `about` says how it was made."""
    _native.write_volume(fspath(path), volume, voxel, unit, None if about is None else dict(about))


def spectral_gradient(image: ArrayLike, axis: int) -> Reals:
    """The derivative, px⁻¹, along an axis of a periodic image."""
    return _native.spectral_gradient(image, axis)


def high_pass_along(image: ArrayLike, axis: int, sigma: float) -> Reals:
    """A periodic image without low frequencies f along an axis: times ``exp(−(sigma/f)²)``."""
    return _native.high_pass_along(image, axis, sigma)


def smooth_edges(image: ArrayLike) -> Reals:
    """A periodic image whose seam is smoothed over seven lines."""
    return _native.smooth_edges(image)


def tukey_window(shape: tuple[int, int], alpha: float) -> Floats:
    """Tukey's window over both axes, 0 at the ends.

    >>> tukey_window((1, 5), 1.0).round(3)
    array([[0. , 0.5, 1. , 0.5, 0. ]])
    """
    return _native.tukey_window(shape, alpha)


def outliers(values: ArrayLike) -> Integers:
    """Which values are more than 5 median absolute deviations above the median.

    >>> outliers([1.0, 1.1, 0.9, 1.0, 9.0]).tolist()
    [4]
    """
    return _native.outliers(values)
