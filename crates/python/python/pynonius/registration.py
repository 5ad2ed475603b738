"""Where one image lies against another, to a small fraction of a pixel, and how sure that is.

A shift ``(y, x)`` is the displacement of the *moving* image's content in px,
``moving[r] = reference[r - shift]``: shifting the moving image by ``-shift`` lays it upon the reference.
Images of single precision are computed in it; everything else in double precision. Shifts and
covariances are always ``float64``.

Choices with a number are written as a dict: ``refinement={"upsampled": {"factor": 20}}``.
"""

from typing import Any, Literal, NamedTuple, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike

from . import _native
from ._keywords import keywords_of
from ._native import RegistrationPlan, SimilarityPlan
from ._types import Degree, Floats, FrameKind, Progress, Reals, Status

__all__ = [
    "Candidate",
    "Flow",
    "FlowLevel",
    "LucasKanadeParams",
    "MaskedCorrelation",
    "MaskedParams",
    "NdRegistration",
    "PairRegistration",
    "PeakShift",
    "PhaseCorrelation",
    "PhaseCorrelationParams",
    "Pose",
    "Registration",
    "RegistrationParams",
    "RegistrationPlan",
    "RunnerUp",
    "SeriesParams",
    "SeriesRegistration",
    "Similarity",
    "SimilarityParams",
    "SimilarityPlan",
    "Tvl1Params",
    "bring_back",
    "carry",
    "correlate",
    "cross_correlation_shifts",
    "fourier_shift",
    "lucas_kanade",
    "masked_correlation",
    "phase_cross_correlation",
    "register",
    "register_images",
    "register_masked",
    "register_nd",
    "register_series",
    "register_similarity",
    "registered",
    "spline_shift",
    "tvl1",
    "warp",
    "warp_polar",
    "zero_lag",
]

Refinement = Literal["continuous", "whole_pixel"] | dict[str, dict[str, float]]


class RegistrationParams(TypedDict, total=False):
    """How two images are registered.

    - ``frame``: ``"overlap"`` (default: frames are crops of a larger scene) or ``"periodic"``
    - ``method``: ``"cross"`` (default) or ``"phase"`` correlation
    - ``refinement``: ``"continuous"`` (default), ``{"upsampled": {"factor": n}}`` points per px, ``"whole_pixel"``
    - ``weighting``: of frequencies, periodic frames: ``"auto"`` (default), ``"plain"``, ``"coherence"``
    - ``min_overlap``: least overlap that is considered, a part of the smaller frame in (0, 1], default 0.3
    - ``max_shift``: largest displacement along an axis, px, default none
    - ``window``: periodic frames: ``"none"`` (default), ``"hann"``, ``{"tukey": alpha}``
    - ``disambiguate``: of the displacements that a wrapped maximum may stand for, take the best, default False
    - ``degree``: of the splines between pixels, default ``"septic"``
    - ``ambiguity``: a second optimum closer than this in chi-squared makes the result ambiguous, default 9
    """

    frame: FrameKind
    method: Literal["cross", "phase"]
    refinement: Refinement
    weighting: Literal["auto", "plain", "coherence"]
    min_overlap: float
    max_shift: float | None
    window: Literal["none", "hann"] | dict[str, float]
    disambiguate: bool
    degree: Degree
    ambiguity: float


class MaskedParams(TypedDict, total=False):
    """How masked images are registered: ``overlap_ratio`` is the least overlap as a part of the greatest
    (default 0.3); the others as in `RegistrationParams`."""

    overlap_ratio: float
    refinement: Refinement
    degree: Degree
    ambiguity: float


class PhaseCorrelationParams(TypedDict, total=False):
    """``upsample_factor`` points per px (default 1), ``method`` ``"cross"`` (default) or ``"phase"``,
    ``space`` ``"real"`` (default) or ``"fourier"``."""

    upsample_factor: float
    method: Literal["cross", "phase"]
    space: Literal["real", "fourier"]


class SeriesParams(TypedDict, total=False):
    """``strategy`` ``{"common_reference": {"index": 0}}`` (default), ``"chained"`` or
    ``{"pairs": {"max_separation": n}}``; ``registration`` a dict of `RegistrationParams`."""

    strategy: Literal["chained"] | dict[str, dict[str, int]]
    registration: RegistrationParams


class SimilarityParams(TypedDict, total=False):
    """How rotation and scale are looked for; scales lie between ``min_scale`` and ``max_scale``."""

    min_scale: float
    max_scale: float
    angular_samples: int
    min_cycles: float
    max_frequency: float
    candidates: int
    min_overlap: float
    refine: bool
    smoothing: float
    degree: Degree


class Tvl1Params(TypedDict, total=False):
    """Optical flow by total variation and L1 norm; names are scikit-image's."""

    attachment: float
    tightness: float
    num_warp: int
    num_iter: int
    tol: float
    prefilter: bool


class LucasKanadeParams(TypedDict, total=False):
    """Optical flow of Lucas and Kanade, iterated; names are scikit-image's."""

    radius: int
    num_warp: int
    gaussian: bool
    prefilter: bool
    min_determinant: float


class RunnerUp(NamedTuple):
    """Another optimum: ``shift`` (y, x) px, and by how much its chi-squared is worse."""

    shift: Floats
    delta_chi2: float


class Registration(NamedTuple):
    """The displacement between two images."""

    #: (y, x) px, NaN if undetermined
    shift: Floats
    #: of the shift, px², shape (2, 2)
    covariance: Floats
    #: correlation coefficient over what is compared, −1 to 1
    score: float
    #: pixels compared
    overlap: int
    #: how far to believe it
    status: Status
    #: the best other optimum within reach
    runner_up: RunnerUp | None
    #: standard errors (y, x) px
    errors: Floats


class NdRegistration(NamedTuple):
    """The displacement between two arrays of one to three axes; fields as in `Registration`."""

    shift: Floats
    covariance: Floats
    score: float
    overlap: int
    status: Status
    errors: Floats


class PhaseCorrelation(NamedTuple):
    """A displacement on a grid; ``error`` is 0 for copies, ``phase_difference`` in rad."""

    shift: Floats
    error: float
    phase_difference: float
    status: Status


class PeakShift(NamedTuple):
    """The place of a correlation's peak, (y, x) px."""

    shift: Floats
    status: Status


class PairRegistration(NamedTuple):
    """One compared pair of a series: indices of its frames and what was found."""

    reference: int
    moving: int
    registration: Registration


class SeriesRegistration(NamedTuple):
    """Displacements of the frames of a series."""

    #: (frame, 2) px against the reference frame
    shifts: Floats
    #: (frame, 2, 2) px²
    covariances: Floats
    #: the worst status among the pairs that a frame rests on
    statuses: list[Status]
    #: the pairs that were compared
    pairs: list[PairRegistration]

    @property
    def errors(self) -> Floats:
        """Standard errors (frame, 2) px of ``shifts``: roots of the diagonals of ``covariances``."""
        return np.sqrt(np.diagonal(self.covariances, axis1=-2, axis2=-1))


class Pose(NamedTuple):
    """Rotation by ``angle`` degrees, counter-clockwise on a screen whose rows run down, and ``scale`` about the middle
    of the frame, then ``shift`` (y, x) px."""

    angle: float
    scale: float
    shift: Floats

    def apply(self, points: ArrayLike, shape: tuple[int, int]) -> Floats:
        """Where points (y, x) px of a reference of `shape` are found in the moving image; one, or rows of them.

        >>> Pose(90.0, 2.0, (1.0, 0.0)).apply((10, 13), (21, 21)).round(9)
        array([ 5., 10.])
        """
        return _native.pose_apply(*self, points, shape)

    def inverse(self) -> "Pose":
        """The pose that undoes this one."""
        return _native.pose_inverse(*self)


class Candidate(NamedTuple):
    """A pose that was tried, and its score."""

    pose: Pose
    score: float


class Similarity(NamedTuple):
    """Rotation, scale and displacement between two images."""

    #: degrees, counter-clockwise on a screen whose rows run down
    angle: float
    scale: float
    #: (y, x) px
    shift: Floats
    #: of (angle, scale, y, x), shape (4, 4)
    covariance: Floats
    score: float
    overlap: int
    status: Status
    candidates: list[Candidate]
    #: standard errors of (angle, scale, y, x)
    errors: Floats

    @property
    def pose(self) -> Pose:
        """Angle, scale and shift, for `bring_back` and `carry`."""
        return Pose(self.angle, self.scale, self.shift)


class FlowLevel(NamedTuple):
    """What happened at one level of the pyramid."""

    shape: tuple[int, int]
    iterations: int
    last_change: float
    undetermined: int


class Flow(NamedTuple):
    """A dense field of displacements: ``displacement`` has shape (2, y, x), px."""

    displacement: Reals
    residual: float
    levels: list[FlowLevel]


class MaskedCorrelation(NamedTuple):
    """Masked correlation by lag: element ``p`` stands for the displacement ``p - (reference_shape - 1)`` px
    of the moving image's origin; ``overlap`` is in pixels."""

    map: Reals
    overlap: Reals
    reference_shape: tuple[int, int]

    def lag(self, index: tuple[int, int]) -> tuple[int, int]:
        """The displacement (y, x) px that an element stands for."""
        h, w = self.reference_shape
        return int(index[0]) + 1 - h, int(index[1]) + 1 - w


@keywords_of(RegistrationParams)
def register(reference: ArrayLike, moving: ArrayLike, **params: Unpack[RegistrationParams]) -> Registration:
    """The displacement of `moving` against `reference`, both ``(y, x)``.

    Raises `pynonius.Error` for shapes that differ, empty images, NaN, and parameters that cannot be.

    >>> import numpy as np
    >>> scene = np.random.default_rng(0).normal(size=(64, 64)).cumsum(0).cumsum(1)
    >>> found = register(scene[5:45, 5:45], scene[2:42, 9:49])
    >>> found.shift.round(6) + 0
    array([ 3., -4.])
    >>> found.status
    'converged'
    """
    return _native.register(reference, moving, **params)


@keywords_of(RegistrationParams)
def register_nd(
    reference: ArrayLike, moving: ArrayLike, **params: Unpack[RegistrationParams]
) -> NdRegistration:
    """The displacement between signals, images or volumes (one to three axes).

    >>> import numpy as np
    >>> volume = np.random.default_rng(0).normal(size=(8, 9, 10))
    >>> register_nd(volume, np.roll(volume, (1, -2, 3), (0, 1, 2)), frame="periodic").shift.round(6)
    array([ 1., -2.,  3.])
    """
    return _native.register_nd(reference, moving, **params)


@keywords_of(MaskedParams)
def register_masked(
    reference: ArrayLike,
    moving: ArrayLike,
    reference_mask: ArrayLike | None = None,
    moving_mask: ArrayLike | None = None,
    **params: Unpack[MaskedParams],
) -> Registration:
    """The displacement where masks are True (both images may have their own shape and mask).

    >>> import numpy as np
    >>> scene = np.random.default_rng(0).normal(size=(64, 64))
    >>> mask = np.ones((40, 40), bool); mask[10:20, 5:9] = False
    >>> moving = scene[2:42, 9:49].copy(); moving[~mask] = np.nan
    >>> register_masked(scene[5:45, 5:45], moving, moving_mask=mask).shift.round(2)
    array([ 3., -4.])
    """
    return _native.register_masked(reference, moving, reference_mask, moving_mask, **params)


def masked_correlation(
    reference: ArrayLike,
    moving: ArrayLike,
    reference_mask: ArrayLike | None = None,
    moving_mask: ArrayLike | None = None,
    overlap_ratio: float = 0.3,
) -> MaskedCorrelation:
    """Correlation coefficients of masked images at every lag (D. Padfield, IEEE TIP 21, 2706, 2012)."""
    return _native.masked_correlation(reference, moving, reference_mask, moving_mask, overlap_ratio)


@keywords_of(PhaseCorrelationParams)
def phase_cross_correlation(
    reference: ArrayLike, moving: ArrayLike, **params: Unpack[PhaseCorrelationParams]
) -> PhaseCorrelation:
    """Displacement between periodic arrays of any number of axes, real or complex, on a grid.

    For scikit-image's sign and arguments see `pynonius.familiar`.

    >>> import numpy as np
    >>> image = np.random.default_rng(0).normal(size=(32, 32))
    >>> phase_cross_correlation(image, np.roll(image, (3, -5), (0, 1))).shift
    array([ 3., -5.])
    """
    return _native.phase_cross_correlation(reference, moving, **params)


def cross_correlation_shifts(
    reference: ArrayLike, moving: ArrayLike, max_shift: float | None = None
) -> PeakShift:
    """Displacement of periodic images by a Taylor expansion about the maximum of their correlation."""
    return _native.cross_correlation_shifts(reference, moving, max_shift)


def register_images(
    reference: ArrayLike, moving: ArrayLike, upsample_factor: float = 1.0, max_shift: float | None = None
) -> PeakShift:
    """Displacement of periodic images on a grid of `upsample_factor` points per px."""
    return _native.register_images(reference, moving, upsample_factor, max_shift)


def registered(moving: ArrayLike, shift: ArrayLike) -> Reals:
    """`moving` brought back by its displacement `shift` (y, x), as a periodic image.

    >>> import numpy as np
    >>> registered(np.eye(4), [1, 0]).round(12)[0] + 0
    array([0., 1., 0., 0.])
    """
    return _native.registered(moving, shift)


def correlate(a: ArrayLike, b: ArrayLike, boundary: Literal["wrap", "fill"] = "wrap") -> Reals:
    """Cross-correlation with zero displacement in the middle, at `zero_lag` of the lengths of `b`."""
    return _native.correlate(a, b, boundary)


def zero_lag(n: int) -> int:
    """The element of a map by `correlate` that stands for no displacement, along an axis of length `n`.

    >>> [zero_lag(n) for n in (4, 5, 1)]
    [1, 2, 0]
    """
    return _native.zero_lag(n)


def fourier_shift(image: ArrayLike, shift: ArrayLike) -> Reals:
    """A periodic array of any number of axes, displaced by `shift` px, one number per axis."""
    return _native.fourier_shift(image, shift)


def spline_shift(
    image: ArrayLike, shift: ArrayLike, degree: Degree = "septic", fill: float = float("nan")
) -> Reals:
    """An image displaced by `shift` (y, x) px by splines; `fill` where nothing is known."""
    return _native.spline_shift(image, shift, degree, fill)


@keywords_of(SeriesParams)
def register_series(
    frames: Any, *, progress: Progress | None = None, **params: Unpack[SeriesParams]
) -> SeriesRegistration:
    """Displacements of the frames of a series ``(frame, y, x)``, in all threads.

    `frames` is an array of any real or integer type, or a `pynonius.io.Scan`, whose frames are read when
    needed.

    >>> import numpy as np
    >>> image = np.random.default_rng(0).normal(size=(32, 32))
    >>> frames = np.stack([np.roll(image, k, 0) for k in range(4)])
    >>> found = register_series(frames, registration={"frame": "periodic"})
    >>> found.shifts[:, 0].round(6)
    array([0., 1., 2., 3.])
    """
    return _native.register_series(frames, progress=progress, **params)


@keywords_of(SimilarityParams)
def register_similarity(
    reference: ArrayLike, moving: ArrayLike, **params: Unpack[SimilarityParams]
) -> Similarity:
    """Rotation, scale and displacement of `moving` against `reference`."""
    return _native.register_similarity(reference, moving, **params)


def bring_back(image: ArrayLike, pose: Pose, degree: Degree = "septic", fill: float = float("nan")) -> Reals:
    """An image that has `pose`, laid upon the reference."""
    return _native.posed(image, pose.angle, pose.scale, pose.shift, True, degree, fill)


def carry(image: ArrayLike, pose: Pose, degree: Degree = "septic", fill: float = float("nan")) -> Reals:
    """A reference image, given `pose`."""
    return _native.posed(image, pose.angle, pose.scale, pose.shift, False, degree, fill)


def warp_polar(
    image: ArrayLike,
    radius: float,
    shape: tuple[int, int],
    center: ArrayLike | None = None,
    scaling: Literal["linear", "log"] = "linear",
) -> Reals:
    """An image over (angle, distance from `center`), the latter up to `radius` px.

    Row i of ``shape[0]`` looks along ``2 π i / shape[0]`` from +x towards +y, which is opposite to `Pose.angle`: what
    is turned by a positive angle moves to smaller rows. `center` (y, x) px is that of the frame by default; outside of
    the frame is 0.
    """
    return _native.warp_polar(image, radius, shape, center, scaling)


@keywords_of(Tvl1Params)
def tvl1(
    reference: ArrayLike,
    moving: ArrayLike,
    *,
    progress: Progress | None = None,
    **params: Unpack[Tvl1Params],
) -> Flow:
    """Dense displacements by total variation and L1 norm (C. Zach and others, 2007)."""
    return _native.tvl1(reference, moving, progress=progress, **params)


@keywords_of(LucasKanadeParams)
def lucas_kanade(
    reference: ArrayLike,
    moving: ArrayLike,
    *,
    progress: Progress | None = None,
    **params: Unpack[LucasKanadeParams],
) -> Flow:
    """Dense displacements by the iterated method of Lucas and Kanade."""
    return _native.lucas_kanade(reference, moving, progress=progress, **params)


def warp(moving: ArrayLike, displacement: ArrayLike) -> Reals:
    """`moving` brought back by a field of displacements (2, y, x)."""
    return _native.warp(moving, displacement)
