"""Shifts between images by chi-squared, with error bars that tell the truth.

The noise of the pixels is ``sigma``: one number, one for each pixel, or nothing, when the residuals have to
tell. Masks are True where pixels count. A shift ``(y, x)`` is the displacement of the moving image's content.

Functions called ``grid_...`` are those of the package image_registration, number for number; they are also in
`pynonius.familiar` under their own names.
"""

from typing import Literal, NamedTuple, TypedDict, Unpack

from numpy.typing import ArrayLike

from . import _native
from ._keywords import keywords_of
from ._native import Chi2Plan, NoiseSpectrum
from ._types import Degree, Floats, FrameKind, Integers, Status
from .registration import RunnerUp

__all__ = [
    "Chi2Map",
    "Chi2Params",
    "Chi2Plan",
    "Chi2Shift",
    "Chi2ShiftParams",
    "Chi2nMap",
    "GridShift",
    "IterativeZoomParams",
    "MapErrors",
    "NoiseSpectrum",
    "chi2_map",
    "chi2_shift",
    "chi2_surface",
    "chi2map_to_errors",
    "chi2n_map",
    "delta_chi2",
    "grid_chi2_shift",
    "grid_chi2_shift_iterzoom",
]


class Chi2Params(TypedDict, total=False):
    """How chi-squared is made of two images.

    - ``frame``: ``"overlap"`` (default) or ``"periodic"``
    - ``gain``, ``offset``: whether the moving image may differ by them from the reference
    - ``n_sigma``: confidence of the errors, default 1
    - ``region``: ``"marginal"`` (default; the displacement's alone) or ``"joint"``
    - ``profile``: whether errors follow the surface itself instead of its curvature
    - ``correlated_noise``: ``"ignore"`` (default), ``"sandwich"``, ``"whiten"``
    - ``competing``: other minima closer than this are told
    - ``min_overlap``, ``max_shift``, ``degree``: as for registration
    """

    frame: FrameKind
    gain: bool
    offset: bool
    n_sigma: float
    region: Literal["marginal", "joint"]
    profile: bool
    correlated_noise: Literal["ignore", "sandwich", "whiten"]
    competing: float
    min_overlap: float
    max_shift: float | None
    degree: Degree


class Chi2ShiftParams(TypedDict, total=False):
    """Parameters of image_registration's ``chi2_shift``: ``upsample`` is ``"auto"`` or ``{"fixed": n}``."""

    upsample: Literal["auto"] | dict[str, float]
    zeromean: bool
    max_auto_size: int
    max_nsig: float
    nfitted: int


class IterativeZoomParams(TypedDict, total=False):
    """Parameters of image_registration's ``chi2_shift_iterzoom``."""

    zeromean: bool
    mindiff: float
    zoom_shape: tuple[int, int]
    rezoom_shape: tuple[int, int]
    rezoom_factor: float


class Chi2Shift(NamedTuple):
    """The displacement at least chi-squared."""

    #: (y, x) px
    shift: Floats
    #: px², shape (2, 2)
    covariance: Floats
    #: distances to the limits of the confidence region, px: [[y low, y high], [x low, x high]]
    errors: Floats
    #: at the minimum
    chi2: float
    degrees_of_freedom: float
    #: ``moving[r] = gain * reference[r - shift] + offset``: 1 and 0 unless fitted
    gain: float
    offset: float
    #: pixels compared
    overlap: int
    status: Status
    #: other minima within reach
    competing: list[RunnerUp]
    #: whether sigma came from the residuals
    scaled_by_residuals: bool
    #: whether neighbouring residuals look alike, so that errors are too small
    correlated: bool
    reduced_chi2: float
    #: (y, x) px
    standard_errors: Floats


class Chi2Map(NamedTuple):
    """Chi-squared of whole-pixel displacements: element ``p`` is for ``first_lag + p``, wrapped if periodic."""

    chi2: Floats
    reduced: Floats
    overlap: Floats
    first_lag: Integers
    periodic: bool

    def lag(self, index: tuple[int, int]) -> tuple[int, int]:
        """The displacement (y, x) px that an element stands for."""
        y, x = (int(first) + int(i) for first, i in zip(self.first_lag, index, strict=True))
        if not self.periodic:
            return y, x
        h, w = self.chi2.shape
        return y - h if 2 * y > h else y, x - w if 2 * x > w else x


class GridShift(NamedTuple):
    """What image_registration's ``chi2_shift`` finds: x first, on a grid of ``step`` px."""

    #: displacement of the second image's content, px
    dx: float
    dy: float
    #: means of the two limits that follow, px
    err_x: float
    err_y: float
    #: joint 1 σ limits, px: to lower indices of ``map``, which are larger shifts, and to higher ones
    x_low_high: Floats
    y_low_high: Floats
    step: float
    #: shifts of the columns of ``map``, px, descending
    x: Floats
    #: shifts of its rows, px, descending
    y: Floats
    #: chi-squared (y, x)
    map: Floats


class MapErrors(NamedTuple):
    """Limits read from a map of chi-squared, px from its minimum: to lower indices, to higher ones."""

    x_low_high: Floats
    y_low_high: Floats


class Chi2nMap(NamedTuple):
    """Chi-squared by shift and the terms that it is made of."""

    map: Floats
    term1: float
    term2: Floats
    term3: float | Floats


@keywords_of(Chi2Params)
def chi2_shift(
    reference: ArrayLike,
    moving: ArrayLike,
    *,
    sigma: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    reference_sigma: ArrayLike | None = None,
    reference_mask: ArrayLike | None = None,
    spectrum: NoiseSpectrum | None = None,
    **params: Unpack[Chi2Params],
) -> Chi2Shift:
    """The displacement of `moving` against `reference`, ``(y, x)``, with its confidence limits.

    `sigma` and `mask` are of the moving image, `reference_sigma` and `reference_mask` of the other.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> y, x = np.mgrid[:64, :64]
    >>> star = lambda cy, cx: 100 * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 18)
    >>> noisy = star(33.25, 29.5) + rng.normal(size=(64, 64))
    >>> found = chi2_shift(star(32, 31), noisy, sigma=1.0)
    >>> bool(np.all(np.abs(found.shift - [1.25, -1.5]) < 3 * found.standard_errors))
    True
    >>> bool(0.8 < found.reduced_chi2 < 1.2)
    True
    """
    return _native.chi2_shift(
        reference,
        moving,
        sigma=sigma,
        mask=mask,
        reference_sigma=reference_sigma,
        reference_mask=reference_mask,
        spectrum=spectrum,
        **params,
    )


@keywords_of(Chi2Params)
def chi2_map(
    reference: ArrayLike,
    moving: ArrayLike,
    *,
    sigma: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    reference_sigma: ArrayLike | None = None,
    reference_mask: ArrayLike | None = None,
    spectrum: NoiseSpectrum | None = None,
    **params: Unpack[Chi2Params],
) -> Chi2Map:
    """Chi-squared of every whole-pixel displacement."""
    return _native.chi2_map(
        reference,
        moving,
        sigma=sigma,
        mask=mask,
        reference_sigma=reference_sigma,
        reference_mask=reference_mask,
        spectrum=spectrum,
        **params,
    )


@keywords_of(Chi2Params)
def chi2_surface(
    reference: ArrayLike,
    moving: ArrayLike,
    center: ArrayLike,
    reach: ArrayLike,
    n: int,
    *,
    sigma: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    reference_sigma: ArrayLike | None = None,
    reference_mask: ArrayLike | None = None,
    spectrum: NoiseSpectrum | None = None,
    **params: Unpack[Chi2Params],
) -> Floats:
    """Chi-squared on `n` by `n` displacements, `reach` (y, x) px to each side of `center`."""
    return _native.chi2_surface(
        reference,
        moving,
        center,
        reach,
        n,
        sigma=sigma,
        mask=mask,
        reference_sigma=reference_sigma,
        reference_mask=reference_mask,
        spectrum=spectrum,
        **params,
    )


def delta_chi2(n_sigma: float, n_parameters: int) -> float:
    """How far chi-squared rises above its minimum at the border of a confidence region.

    >>> round(delta_chi2(1, 1), 6), round(delta_chi2(1, 2), 4)
    (1.0, 2.2957)
    """
    return _native.delta_chi2(n_sigma, n_parameters)


@keywords_of(Chi2ShiftParams)
def grid_chi2_shift(
    im1: ArrayLike, im2: ArrayLike, err: ArrayLike | None = None, **params: Unpack[Chi2ShiftParams]
) -> GridShift:
    """``chi2_shift`` of image_registration, number for number: for comparing with results of old."""
    return _native.grid_chi2_shift(im1, im2, err, **params)


@keywords_of(IterativeZoomParams)
def grid_chi2_shift_iterzoom(
    im1: ArrayLike, im2: ArrayLike, err: ArrayLike | None = None, **params: Unpack[IterativeZoomParams]
) -> GridShift:
    """``chi2_shift_iterzoom`` of image_registration, which works here."""
    return _native.grid_chi2_shift_iterzoom(im1, im2, err, **params)


def chi2n_map(
    im1: ArrayLike,
    im2: ArrayLike,
    err: ArrayLike | None = None,
    zeromean: bool = False,
    reduced: bool = False,
) -> Chi2nMap:
    """Chi-squared of whole-pixel shifts of periodic images, in image_registration's layout."""
    return _native.chi2n_map(im1, im2, err, zeromean, reduced)


def chi2map_to_errors(
    chi2map: ArrayLike, zoomfactor: float = 1.0, nsigma: float = 1.0, nfitted: int = 2
) -> MapErrors:
    """Confidence limits read from a map of chi-squared as image_registration reads them."""
    return _native.chi2map_to_errors(chi2map, zoomfactor, nsigma, nfitted)
