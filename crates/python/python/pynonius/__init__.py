"""Where things are in images, to a small fraction of a pixel, and how sure that is.

NumPy arrays in, NumPy arrays out; what takes long runs in all cores without the interpreter, can be
stopped by Ctrl-C and tells its progress to anything that is called as ``tqdm.tqdm`` is.

==================  ==========================================================================
registration        displacement, rotation, scale and flow between images; series
chi2                the displacement at least chi-squared, with its confidence limits
blobfinder          diffraction disks, lattices, strain
clustering          statistics over 4D-STEM scans, feature vectors, regions that are alike
tomography          projector, reconstruction and alignment of tilt series
workflow            scan to grains and strain, tilt series to volume
io                  files in, results out; scans larger than memory
plot                pictures of results, as arrays
synthetic           images whose truth is known
familiar            functions with the names and arguments of the packages you know
libertem, dask      the same kernels as workers of these two (import them yourself)
==================  ==========================================================================

Coordinates are ``(y, x)`` in pixels, zero at the centre of the first pixel. A shift is the displacement
of the *moving* image's content: ``moving[r] = reference[r - shift]``.

>>> import numpy as np, pynonius
>>> y, x = np.mgrid[:64, :64]
>>> def blob(cy, cx):
...     return np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 40)
>>> found = pynonius.registration.register(blob(30, 32), blob(31.25, 30.5))
>>> found.shift.round(3)
array([ 1.25, -1.5 ])
"""

from collections.abc import Iterator
from contextlib import contextmanager

from . import (
    blobfinder,
    chi2,
    clustering,
    familiar,
    io,
    plot,
    registration,
    synthetic,
    tomography,
    workflow,
)
from ._errors import Error, IoError, MissingFileError
from ._native import __version__, get_threads, set_threads, stay_in_thread

__all__ = [
    "Error",
    "IoError",
    "MissingFileError",
    "__version__",
    "blobfinder",
    "chi2",
    "clustering",
    "familiar",
    "get_threads",
    "in_this_thread",
    "io",
    "plot",
    "registration",
    "set_threads",
    "synthetic",
    "threads",
    "tomography",
    "workflow",
]


@contextmanager
def threads(n: int | None) -> Iterator[None]:
    """Uses `n` threads within a ``with`` block; ``None`` means as many as there are cores.

    The number is that of the whole process. Results do not depend on it.

    >>> import pynonius
    >>> with pynonius.threads(1):
    ...     pynonius.get_threads()
    1
    """
    before = get_threads()
    set_threads(n)
    try:
        yield
    finally:
        set_threads(before)


@contextmanager
def in_this_thread() -> Iterator[None]:
    """Long work that this thread begins stays in it, within a ``with`` block.

    For whoever runs many of them in threads or processes of their own, as Dask and LiberTEM do; then neither
    progress is told nor Ctrl-C looked for.

    >>> import numpy as np, pynonius
    >>> with pynonius.in_this_thread():
    ...     pynonius.blobfinder.sum_frames(np.ones((3, 1, 2)))
    array([[3., 3.]])
    """
    before = stay_in_thread(True)
    try:
        yield
    finally:
        stay_in_thread(before)
