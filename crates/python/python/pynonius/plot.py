"""Pictures that explain themselves, as arrays ``(y, x, 3)`` of ``uint8``.

``plt.imshow(picture)`` and ``PIL.Image.fromarray(picture)`` take them as they are, `pynonius.io.write_image` writes
them as PNG. Images are gray; differences run from blue over white to red about zero; what is missing (NaN) is
hatched; ``y`` points down.
"""

from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _native
from .blobfinder import Drawing
from .io import Axis, _as_dict

__all__ = [
    "AccuracyRow",
    "Curve",
    "CurvePanel",
    "Panel",
    "accuracy",
    "before_and_after",
    "chi2_surface",
    "curves",
    "images",
    "map",
    "marked_frame",
    "offsets",
    "shifts",
    "slices",
]

Picture: TypeAlias = NDArray[np.uint8]
#: More is brighter; blue below zero and red above; ``{"cyclic": period}``; ``{"categories": names}`` of whole numbers.
Colors: TypeAlias = Literal["amount", "signed"] | dict[str, Any]


class Curve(NamedTuple):
    """One curve; those of one name have one colour in all panels."""

    name: str
    x: ArrayLike
    y: ArrayLike
    style: Literal["line", "dots", "dashes"] = "line"


class CurvePanel(NamedTuple):
    """Curves on common axes."""

    title: str
    x_name: str
    y_name: str
    curves: list[Curve]


class Panel(NamedTuple):
    """An image with what stands above and below it."""

    image: ArrayLike
    title: str = ""
    remark: str = ""


class AccuracyRow(NamedTuple):
    """Errors of an estimator and its error bars over the Cramér–Rao bound, and how often bars hold the truth, %."""

    name: str
    rms_over_bound: float
    claimed_over_bound: float
    within_1_sigma: float


def map(
    values: ArrayLike,
    title: str = "",
    *,
    axes: tuple[Axis, Axis] | list[dict[str, Any]] | None = None,
    colors: Colors = "amount",
) -> Picture:
    """A map over a frame or a scan with its colour bar and a bar of known length.

    >>> import numpy as np
    >>> picture = map(np.eye(16), "a diagonal")
    >>> picture.dtype, picture.shape[2]
    (dtype('uint8'), 3)
    """
    given = None if axes is None else [_as_dict(axis) for axis in axes]
    return _native.draw_map(values, title, given, colors)


def chi2_surface(
    chi2: ArrayLike, center: ArrayLike, reach: ArrayLike, errors: ArrayLike, title: str = "", remark: str = ""
) -> Picture:
    """Chi-squared about its minimum, as `pynonius.chi2.chi2_surface` has it, with contours at 1, 2 and 3 sigma and the
    ``errors`` of `pynonius.chi2.chi2_shift`."""
    return _native.draw_chi2_surface(chi2, center, reach, errors, title, remark)


def shifts(
    found: ArrayLike, errors: ArrayLike | None = None, truth: ArrayLike | None = None, title: str = ""
) -> Picture:
    """Shifts (n, 2) px with their standard errors: where they lie, and how far from the truth or one after another."""
    return _native.draw_shifts(found, errors, truth, title)


def before_and_after(
    reference: ArrayLike, moving: ArrayLike, registered: ArrayLike, title: str = ""
) -> Picture:
    """Two images, their difference, and what is left of it once the shift is undone (`registered`)."""
    return _native.draw_before_and_after(reference, moving, registered, title)


def curves(panels: list[CurvePanel], title: str = "") -> Picture:
    """Panels of curves, two in a row, with one legend."""
    plain = [(p.title, p.x_name, p.y_name, [tuple(Curve(*curve)) for curve in p.curves]) for p in panels]
    return _native.draw_curves(plain, title)


def offsets(
    found: ArrayLike,
    errors: ArrayLike | None = None,
    start: ArrayLike | None = None,
    truth: ArrayLike | None = None,
    title: str = "",
) -> Picture:
    """Offsets (n, 2) px of the projections of a tilt series, with their standard errors; beside `start` and `truth`."""
    return _native.draw_offsets(found, errors, start, truth, title)


def images(rows: list[list[Panel]], title: str = "", *, one_scale: bool = False) -> Picture:
    """Rows of images; each row has the gray scale of its first, with `one_scale` all have that of the very first."""
    plain = [[tuple(Panel(*panel)) for panel in row] for row in rows]
    return _native.draw_images(plain, title, one_scale)


def slices(volumes: dict[str, ArrayLike], title: str = "", *, one_scale: bool = False) -> Picture:
    """Three cuts through the middle of each of several volumes (x, y, z), by name."""
    return _native.draw_slices([(volume, name) for name, volume in volumes.items()], title, one_scale)


def accuracy(rows: list[AccuracyRow], title: str = "") -> Picture:
    """How far errors lie from their bound, and how honest their bars are."""
    return _native.draw_accuracy([tuple(row) for row in rows], title)


def marked_frame(drawing: Drawing, title: str = "", remark: str = "") -> Picture:
    """A frame with marks over it, as `pynonius.blobfinder.draw_match` makes them."""
    return _native.draw_marked_frame(drawing.image, drawing.marks, title, remark)
