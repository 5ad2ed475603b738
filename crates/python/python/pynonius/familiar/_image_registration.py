"""image_registration's: x comes first."""

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from .. import chi2 as _c
from .. import registration as _r
from .._errors import Error
from .._types import Reals
from ._keywords import refuse, without_effect


#: What only says how to compute.
_HOW = ("nthreads", "use_numpy_fft", "verbose", "allow_huge")


def _wraps(boundary: str) -> None:
    refuse("boundary", boundary, "wrap", "frames that do not wrap: pynonius.chi2.chi2_shift")


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
    **how: Any,
) -> list[Any]:
    """image_registration's: ``[dx, dy, edx, edy]`` of `im2` against `im1`, on a grid and with its joint errors.

    >>> import numpy as np
    >>> image = np.random.default_rng(0).normal(size=(33, 33))
    >>> dx, dy, edx, edy = chi2_shift(image, np.roll(image, (2, -3), (0, 1)), 0.1, upsample_factor=1)
    >>> dx, dy
    (-3.0, 2.0)
    """
    without_effect(how, *_HOW)
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
    upsample_factor: float | Literal["auto"] = "auto",
    boundary: str = "wrap",
    *,
    zeromean: bool = False,
    return_error: bool = True,
    return_chi2array: bool = False,
    **how: Any,
) -> list[float]:
    """image_registration's: ``[dx, dy, edx, edy]``, the minimum of chi-squared itself and its joint errors.

    The model, which does not run, was to zoom in again and again; how (`upsample_factor`, ``zoom_shape``,
    ``rezoom_shape``, ``rezoom_factor``, ``mindiff``) has no effect.

    >>> import numpy as np
    >>> image = np.random.default_rng(0).normal(size=(32, 33)).cumsum(0).cumsum(1)
    >>> dx, dy, edx, edy = chi2_shift_iterzoom(image, shift2d(image, 1.25, -0.5))
    >>> round(dx, 6), round(dy, 6)
    (1.25, -0.5)
    """
    without_effect(how, *_HOW, "zoom_shape", "rezoom_shape", "rezoom_factor", "mindiff")
    _wraps(boundary)
    refuse("return_chi2array", return_chi2array, False, "values of chi-squared: pynonius.chi2.chi2_surface")
    sigma = 1.0 if err is None else err
    found = _c.chi2_shift(im1, im2, sigma=sigma, frame="periodic", region="joint", offset=zeromean)
    dy, dx = found.shift.tolist()
    edy, edx = found.errors.mean(axis=1).tolist()
    return [dx, dy, edx, edy] if return_error else [dx, dy]


def chi2n_map(
    im1: ArrayLike,
    im2: ArrayLike,
    err: ArrayLike | None = None,
    boundary: str = "wrap",
    *,
    zeromean: bool = False,
    return_all: bool = False,
    reduced: bool = False,
    **how: Any,
) -> Any:
    """image_registration's: chi-squared by shift; with `return_all` also its three terms."""
    without_effect(how, *_HOW)
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
    return_error: bool = False,
    *,
    maxoff: float | None = None,
    **how: Any,
) -> list[Any]:
    """image_registration's: ``[dx, dy]``, the step of the grid twice if `return_error`, and `im2` laid upon `im1` if
    `return_registered`. `maxoff` is in px. Means have no effect, so neither has ``zeromean``."""
    without_effect(how, *_HOW, "zeromean", "DEBUG")
    found = _r.register_images(im1, im2, usfac, maxoff)
    dy, dx = found.shift.tolist()
    result: list[Any] = [dx, dy]
    if return_error:
        result += [1 / usfac, 1 / usfac]
    if return_registered:
        result.append(_r.registered(im2, found.shift))
    return result


def cross_correlation_shifts(
    image1: ArrayLike,
    image2: ArrayLike,
    errim1: ArrayLike | None = None,
    errim2: ArrayLike | None = None,
    *,
    maxoff: float | None = None,
    gaussfit: bool = False,
    return_error: bool = False,
    **how: Any,
) -> tuple[float, ...]:
    """image_registration's: ``(dx, dy)`` by a Taylor expansion about the maximum; with `return_error` also the standard
    errors, from the noise `errim1` and `errim2` or, without, from what the images differ by. Means have no effect, so
    neither has ``zeromean``."""
    without_effect(how, *_HOW, "zeromean")
    refuse("gaussfit", gaussfit, False, "instead of a fit to the maximum: pynonius.registration.register")
    dy, dx = _r.cross_correlation_shifts(image1, image2, maxoff).shift.tolist()
    if not return_error:
        return dx, dy
    given = [np.square(noise) for noise in (errim1, errim2) if noise is not None]
    if given:
        noise = np.sqrt(sum(given))
        edy, edx = _c.chi2_shift(image1, image2, sigma=noise, frame="periodic").standard_errors.tolist()
    else:
        edy, edx = _r.register(image1, image2, frame="periodic").errors.tolist()
    return dx, dy, edx, edy


def shiftnd(data: ArrayLike, offset: ArrayLike, phase: float = 0, **how: Any) -> Reals:
    """image_registration's ``fft_tools.shiftnd``: a periodic array displaced by `offset` px, one number per axis.

    >>> import numpy as np
    >>> shiftnd(np.eye(3), (1, 0)).round(12)[0] + 0
    array([0., 0., 1.])
    """
    without_effect(how, *_HOW)
    refuse("phase", phase, 0, "a real array stays real")
    return _r.fourier_shift(data, offset)


def shift2d(data: ArrayLike, deltax: float, deltay: float, phase: float = 0, **how: Any) -> Reals:
    """image_registration's ``fft_tools.shift2d``: x first."""
    return shiftnd(data, (deltay, deltax), phase, **how)


def correlate2d(
    im1: ArrayLike, im2: ArrayLike, boundary: Literal["wrap", "fill"] = "wrap", **how: Any
) -> Reals:
    """image_registration's ``fft_tools.correlate2d``: no displacement is in the middle."""
    without_effect(how, *_HOW)
    return _r.correlate(im1, im2, boundary)
