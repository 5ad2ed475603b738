"""Files in, results out: NPY, NPZ, FITS, TIFF, PNG, MRC, HDF5, and the formats of 4D-STEM scans.

A scan is converted by `open_scan` and `write_scan` (``.npy``, ``.h5``) or `write_blo`, frame by frame.

One grammar selects an image within a file: ``"stack.tif[3]"``, ``"data.npz:frames"``, ``"scan.h5:/entry/data"``.
"""

from collections.abc import Iterable, Mapping
from os import PathLike, fspath
from typing import Any, Literal, NamedTuple, TypedDict, Unpack

from numpy.typing import ArrayLike

from . import _native
from ._keywords import keywords_of
from ._native import Scan, TangentPlane
from ._types import Progress, Reals

__all__ = [
    "Axis",
    "Card",
    "Image",
    "Measured",
    "Scan",
    "ScanOptions",
    "TangentPlane",
    "describe",
    "open_scan",
    "read",
    "read_image",
    "tangent_plane",
    "write_array",
    "write_blo",
    "write_hdf5",
    "write_image",
    "write_scan",
    "write_stack",
]

Path = str | PathLike[str]


class ScanOptions(TypedDict, total=False):
    """How a scan is read.

    - ``format``: found from the content by default
    - ``scan``: ``{"shape": [...], "sync_offset": 0, "missing": "error" | "skip" | {"fill": value}}``
    - ``access``: ``"mapped"`` (default) or ``"positioned"``
    - ``raw``: the layout of a raw file, ``{"frame_shape": ..., "dtype": ..., "big_endian": False, ...}``
    - ``dark``, ``gain``, ``dead``: images by which frames are corrected
    - ``memory_limit``: bytes that formats without random access may take
    """

    format: str | None
    scan: dict[str, Any]
    access: Literal["mapped", "positioned"]
    raw: dict[str, Any] | None
    ignore_markers: bool
    check_numbers: bool
    order_by_number: bool
    flip_y: bool
    dark: Path | None
    gain: Path | None
    dead: Path | None
    mode0_unsigned: bool
    memory_limit: int


class Card(NamedTuple):
    """One statement of a header."""

    keyword: str
    value: bool | int | float | str | None
    comment: str = ""


#: A dict, or rows of (keyword, value) or (keyword, value, comment).
Header = Mapping[str, Any] | Iterable[tuple[Any, ...]]


class Image(NamedTuple):
    """An image ``(y, x)`` and what its file says about it."""

    pixels: Reals
    #: of the stored numbers
    dtype: str
    #: in the order of the file; a keyword may come more than once
    header: list[Card]
    #: what a person should know before trusting the pixels
    warnings: list[str]


class Axis(NamedTuple):
    """An axis: element k lies at ``offset + k * scale``, in `unit`."""

    name: str
    size: int
    scale: float = 1.0
    offset: float = 0.0
    unit: str = "px"


class Measured(NamedTuple):
    """An array with its axes and the unit of its values, for `write_hdf5`."""

    values: ArrayLike
    axes: list[Axis] | None = None
    unit: str = ""


def describe(path: Path) -> dict[str, Any]:
    """What a file contains: format, elements with their selectors, shapes and types, warnings."""
    return _native.describe(path)


def read(selector: Path, single: bool = False) -> Reals:
    """An array of a file, converted to double precision, or to single precision.

    >>> import numpy as np, tempfile, os
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "stack.npy")
    ...     write_array(path, np.arange(24, dtype=np.uint16).reshape(2, 3, 4))
    ...     read(path + "[1]")[0]
    array([12., 13., 14., 15.])
    """
    return _native.read(selector, single)


def read_image(selector: Path, single: bool = False) -> Image:
    """The one image that a selector means, with its header.

    >>> import numpy as np, tempfile, os
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "sky.fits")
    ...     write_array(path, np.zeros((2, 3)), header={"OBJECT": "M 31"})
    ...     [card.value for card in read_image(path).header if card.keyword == "OBJECT"]
    ['M 31']
    """
    return _native.read_image(selector, single)


def tangent_plane(header: Header) -> TangentPlane:
    """How pixels lie on the sky, from the cards of a FITS header (``CTYPEn``, ``CRPIXn``, ``CRVALn``, ``CDi_j`` …)."""
    return _native.tangent_plane(header)


@keywords_of(ScanOptions)
def open_scan(selector: Path | list[Path], **options: Unpack[ScanOptions]) -> Scan:
    """Opens a 4D-STEM scan, or a series of images, whose frames are read when they are needed: a file, a pattern
    such as ``"frames/*.tif"``, or a list of files with one frame each.

    What takes ``frames`` takes a `Scan` in place of an array. ``scan[y, x]`` is one frame, ``scan.shape`` what an array
    of all would have, but ``len(scan)`` the number of positions along all axes. Pickled, it is its paths and options, and opened anew.
    """
    given = {name: options.get(name) for name in ("dark", "gain", "dead")}
    paths = {name: fspath(path) for name, path in given.items() if isinstance(path, (str, PathLike))}
    return _native.open_scan(selector, **{**options, **paths})


def write_image(path: Path, image: ArrayLike) -> None:
    """Writes an image ``(y, x)`` without loss in the format of the file's ending, ``.npy``, ``.fits``, ``.tif`` or
    ``.png`` (``uint8``, also colours ``(y, x, 3)``); written beside, then renamed."""
    _native.write_image(path, image)


def write_array(path: Path, array: ArrayLike, *, header: Header | None = None) -> None:
    """Writes an array of any number of axes as ``.npy`` or ``.fits``, the latter with the cards of a `header`;
    written beside, then renamed."""
    _native.write_array(path, array, header=header)


def write_stack(path: Path, stack: ArrayLike) -> None:
    """Writes images ``(page, y, x)`` as one TIFF file of the numbers that they are."""
    _native.write_stack(path, stack)


def write_hdf5(
    path: Path,
    arrays: Mapping[str, ArrayLike | Measured],
    *,
    root: str = "results",
    attributes: Mapping[str, float | str] | None = None,
) -> None:
    """Writes arrays by name as HDF5 in the layout EMD 1.0, which h5py, py4DSTEM and HyperSpy read.

    >>> import numpy as np, tempfile, os
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "maps.h5")
    ...     strain = Measured(np.eye(2), [Axis("y", 2, 4.0, unit="nm"), Axis("x", 2, 4.0, unit="nm")])
    ...     write_hdf5(path, {"strain": strain, "counts": np.arange(3)}, attributes={"n_frames": 4})
    ...     read(path + ":/results/strain/data").tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    rows = []
    for name, given in arrays.items():
        measured = given if isinstance(given, Measured) else Measured(given)
        axes = None if measured.axes is None else [_as_dict(axis) for axis in measured.axes]
        rows.append((name, measured.values, axes, measured.unit))
    _native.write_hdf5(path, root, rows, None if attributes is None else dict(attributes))


def _as_dict(axis: Any) -> dict[str, Any]:
    """An `Axis`, a tuple of its fields, or a dict as `Scan.axes` has them."""
    return dict(axis) if isinstance(axis, Mapping) else Axis(*axis)._asdict()


def write_blo(
    path: Path,
    frames: Any,
    *,
    wide: bool = False,
    out_of_range: Literal["error", "clip", "scale"] = "error",
    beam_energy: int = 0,
    camera_length: int = 0,
    note: str = "",
) -> None:
    """Writes a scan of two axes as BLO, in 8 bits or (`wide`) 16; other numbers are an error, clipped or scaled."""
    _native.write_blo(
        path,
        frames,
        wide=wide,
        out_of_range=out_of_range,
        beam_energy=beam_energy,
        camera_length=camera_length,
        note=note,
    )


def write_scan(
    path: Path, frames: Any, *, roi: ArrayLike | None = None, progress: Progress | None = None
) -> None:
    """Writes a scan as ``.npy`` or ``.h5`` (EMD 1.0), frame by frame; `roi` is a mask over the scan."""
    _native.write_scan(path, frames, roi=roi, progress=progress)
