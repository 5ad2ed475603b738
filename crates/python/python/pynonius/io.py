"""Files in, results out: NPY, NPZ, FITS, TIFF, PNG, MRC, HDF5, and the formats of 4D-STEM scans.

One grammar selects an image within a file: ``"stack.tif[3]"``, ``"data.npz:frames"``, ``"scan.h5:/entry/data"``.
"""

from os import PathLike, fspath
from typing import Any, Literal, TypedDict, Unpack

from numpy.typing import ArrayLike

from . import _native
from ._keywords import keywords_of
from ._native import Scan
from ._types import Progress, Reals

__all__ = [
    "Scan",
    "ScanOptions",
    "describe",
    "open_scan",
    "read",
    "write_array",
    "write_blo",
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


@keywords_of(ScanOptions)
def open_scan(selector: Path, **options: Unpack[ScanOptions]) -> Scan:
    """Opens a 4D-STEM scan, whose frames are read when they are needed.

    What takes ``frames`` takes a `Scan` in place of an array.
    """
    given = {name: options.get(name) for name in ("dark", "gain", "dead")}
    paths = {name: fspath(path) for name, path in given.items() if isinstance(path, (str, PathLike))}
    return _native.open_scan(selector, **{**options, **paths})


def write_image(path: Path, image: ArrayLike) -> None:
    """Writes an image ``(y, x)`` in the format of the file's ending; written beside, then renamed."""
    _native.write_image(path, image)


def write_array(path: Path, array: ArrayLike) -> None:
    """Writes an array of any number of axes as ``.npy`` or ``.fits``; written beside, then renamed."""
    _native.write_array(path, array)


def write_stack(path: Path, stack: ArrayLike) -> None:
    """Writes images ``(page, y, x)`` as one TIFF file, ``float32`` or ``float64``."""
    _native.write_stack(path, stack)


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
