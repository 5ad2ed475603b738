"""nonius's kernels over the chunks of Dask arrays (``pip install pynonius[dask]``).

Functions take a ``dask.array`` of frames ``(..., y, x)``, split it between frames, and return Dask arrays; nothing
is computed, and no more than the chunks at work is in memory, until these are asked for. Each chunk stays in the
thread that Dask gave it, so that there is one level of parallelism. Results are those of `pynonius.registration`
and `pynonius.blobfinder` on the same frames, whatever the chunks.

>>> import dask.array as da, numpy as np
>>> image = np.random.default_rng(0).normal(size=(32, 32))
>>> frames = da.from_array(np.stack([np.roll(image, k, 0) for k in range(4)]), chunks=(2, 32, 32))
>>> found = register_stack(frames, image, frame="periodic")
>>> found["shift"].compute()[:, 0].round(6) + 0
array([0., 1., 2., 3.])
"""

from collections.abc import Callable
from typing import Any, Literal, Unpack

import dask.array as da
import numpy as np
from numpy.typing import ArrayLike

from . import blobfinder as _b
from . import registration as _r
from . import in_this_thread
from ._errors import Error

__all__ = ["correlate_frames", "find_disks", "refine_lattices", "register_stack", "sum_frames"]


def _between_frames(frames: Any) -> Any:
    """Whole frames in every chunk."""
    if frames.ndim < 3:
        raise Error(f"frames: expected at least 3 axes, got shape {frames.shape}")
    return frames.rechunk({frames.ndim - 2: -1, frames.ndim - 1: -1})


def _by_frame(
    frames: Any, fields: dict[str, tuple[tuple[int, ...], Any]], kernel: Callable[[Any], Any]
) -> dict[str, Any]:
    """Runs `kernel` on stacks (frame, y, x) and returns its `fields`, each of a shape per frame and a type.

    All fields of a frame travel in one record, so that a chunk is computed once for all of them.
    """
    frames = _between_frames(frames)
    # Wrong parameters are told here, of a frame of zeros, and not by a worker.
    with in_this_thread():
        kernel(np.zeros((1, *frames.shape[-2:]), frames.dtype))
    record = np.dtype([(name, dtype, shape) for name, (shape, dtype) in fields.items()])

    def of_chunk(chunk: Any) -> Any:
        scan = chunk.shape[:-2]
        records = np.empty(scan, record)
        with in_this_thread():
            found = kernel(np.ascontiguousarray(chunk).reshape(-1, *chunk.shape[-2:]))
        for name in fields:
            records[name] = np.asarray(getattr(found, name)).reshape(records[name].shape)
        return records

    axes = (frames.ndim - 2, frames.ndim - 1)
    records = frames.map_blocks(of_chunk, dtype=record, drop_axis=axes, meta=np.empty((0,) * (frames.ndim - 2), record))

    def field(name: str) -> Any:
        shape, dtype = fields[name]
        added = list(range(records.ndim, records.ndim + len(shape)))
        return records.map_blocks(
            lambda block: block[name],
            dtype=dtype,
            new_axis=added,
            chunks=records.chunks + tuple((n,) for n in shape),
            meta=np.empty((0,) * (records.ndim + len(shape)), dtype),
        )

    return {name: field(name) for name in fields}


class _Registrations:
    """Columns of many registrations."""

    def __init__(self, found: list[_r.Registration]) -> None:
        self.shift = [one.shift for one in found]
        self.covariance = [one.covariance for one in found]
        self.score = [one.score for one in found]
        self.status = [one.status for one in found]


def register_stack(
    frames: Any, reference: ArrayLike, **params: Unpack[_r.RegistrationParams]
) -> dict[str, Any]:
    """The displacement of every frame against `reference`: ``shift``, ``covariance``, ``score``, ``status``."""
    reference = np.asarray(reference)
    if reference.ndim != 2:
        raise Error(f"reference: expected 2 axes, got shape {reference.shape}")
    shape = (int(reference.shape[0]), int(reference.shape[1]))
    def kernel(stack: Any) -> _Registrations:
        plan = _r.RegistrationPlan(shape, **params)
        return _Registrations([plan.register(reference, frame) for frame in stack])

    fields = {
        "shift": ((2,), np.float64),
        "covariance": ((2, 2), np.float64),
        "score": ((), np.float64),
        "status": ((), "U15"),
    }
    return _by_frame(frames, fields, kernel)


def _of_disks(n: int) -> dict[str, tuple[tuple[int, ...], Any]]:
    return {
        "centers": ((n, 2), np.int32),
        "refineds": ((n, 2), np.float32),
        "peak_values": ((n,), np.float32),
        "peak_elevations": ((n,), np.float32),
        "covariances": ((n, 2, 2), np.float32),
        "status": ((n,), np.uint8),
    }


def correlate_frames(
    frames: Any,
    template: _b.Template | dict[str, Any],
    positions: ArrayLike,
    *,
    compatible: bool = False,
    **params: Unpack[_b.CorrelationParams],
) -> dict[str, Any]:
    """Disks around `positions` (n, 2) of every frame: the fields of `pynonius.blobfinder.Disks`.

    `template` is a `pynonius.blobfinder.Template`, or a dict of `pynonius.blobfinder.TemplateParams`; `compatible`
    gives it LiberTEM-blobfinder's raster.
    """
    positions = np.asarray(positions, np.float64)
    made = _b._as_template(template, compatible)
    return _by_frame(
        frames,
        _of_disks(len(positions)),
        lambda stack: _b.correlate_frames(stack, made, positions, **params),
    )


def find_disks(
    frames: Any,
    template: _b.Template | dict[str, Any],
    *,
    compatible: bool = False,
    peaks: _b.PeakParams | None = None,
    correlation: _b.CorrelationParams | None = None,
) -> tuple[_b.Peaks, dict[str, Any]]:
    """Disks in the sum of all frames, which is computed at once, and around these in every frame, which waits until it
    is asked for: what `pynonius.blobfinder.find_disks` finds in one machine.
    """
    made = _b._as_template(template, compatible)
    total = sum_frames(frames).compute()
    with in_this_thread():
        positions = _b.find_disks(total[None], made, peaks=peaks or {}, correlation=correlation or {}).positions
    disks = correlate_frames(frames, made, positions.centers, **(correlation or {}))
    return positions, disks


def refine_lattices(
    frames: Any,
    template: _b.Template | dict[str, Any],
    start: _b.Lattice,
    indices: ArrayLike,
    *,
    compatible: bool = False,
    **params: Any,
) -> dict[str, Any]:
    """The lattice of every frame near `start`: ``zero``, ``a``, ``b``, ``covariance``, ``error``.

    A frame does not learn from its neighbours, which may be in another chunk.
    """
    indices = np.asarray(indices, np.float64)
    made = _b._as_template(template, compatible)

    def kernel(stack: Any) -> _b.RefinedLattices:
        return _b.refine_lattices(
            stack,
            made,
            start,
            indices=indices,
            neighbor_rounds=0,
            **params,
        )

    fields: dict[str, tuple[tuple[int, ...], Any]] = {
        "zero": ((2,), np.float64),
        "a": ((2,), np.float64),
        "b": ((2,), np.float64),
        "covariance": ((6, 6), np.float64),
        "error": ((), np.float64),
    }
    return _by_frame(frames, fields, kernel)


def sum_frames(frames: Any, split_every: Literal[8] | int = 8) -> Any:
    """The sum of all frames, chunk sums added as a tree."""
    frames = _between_frames(frames)
    total = frames.astype(np.float64)
    return da.sum(total, axis=tuple(range(frames.ndim - 2)), split_every=split_every)
