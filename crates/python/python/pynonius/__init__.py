"""Where things are in images, to a small fraction of a pixel, and how sure that is.

NumPy arrays in, NumPy arrays out; what takes long runs in all cores without the interpreter, can be
stopped by Ctrl-C and tells its progress to anything that is called as ``tqdm.tqdm`` is.

==================  ==========================================================================
registration        displacement, rotation, scale and flow between images; series
chi2                the displacement at least chi-squared, with its confidence limits
blobfinder          diffraction disks, lattices, strain
clustering          statistics over 4D-STEM scans, feature vectors, regions that are alike
io                  files in, results out; scans larger than memory
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

from . import blobfinder, chi2, clustering, familiar, io, registration
from ._errors import Error, IoError, MissingFileError
from ._native import __version__, get_threads, set_threads

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
    "io",
    "registration",
    "set_threads",
    "threads",
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
