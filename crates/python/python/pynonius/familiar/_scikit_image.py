"""scikit-image's registration."""

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .. import registration as _r
from .._errors import Error
from .._types import Reals


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

    Error and phase difference of phase correlation are those of the images, not of their normalised spectra. With
    masks the shift is found below whole pixels, and NaN may stand where a mask is False.

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


def _floats(image: ArrayLike, dtype: DTypeLike) -> NDArray[Any]:
    """An image as scikit-image's functions read it: whole numbers as parts of the greatest of their type."""
    if np.dtype(dtype).kind != "f":
        raise Error(f"dtype must be of floating point, got {np.dtype(dtype)}")
    array = np.asarray(image)
    if array.dtype.kind in "ui":
        limits = np.iinfo(array.dtype)
        half = 0.5 * (limits.max - limits.min)
        array = array / limits.max if limits.min == 0 else (array + 0.5) / half
    return array.astype(dtype)


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
    dtype: DTypeLike = np.float32,
) -> Reals:
    """scikit-image's: the flow (2, y, x), px, in the precision `dtype`.

    Images of whole numbers count as parts of the greatest of their type.
    """
    return _r.tvl1(
        _floats(reference_image, dtype),
        _floats(moving_image, dtype),
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
    dtype: DTypeLike = np.float32,
) -> Reals:
    """scikit-image's: the flow (2, y, x), px, in the precision `dtype`.

    Images of whole numbers count as parts of the greatest of their type.
    """
    return _r.lucas_kanade(
        _floats(reference_image, dtype),
        _floats(moving_image, dtype),
        radius=radius,
        num_warp=num_warp,
        gaussian=gaussian,
        prefilter=prefilter,
    ).displacement
