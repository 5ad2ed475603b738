"""nonius's kernels as user-defined functions of LiberTEM (``pip install pynonius[libertem]``).

LiberTEM's executors run them: inline, concurrent, Dask, pipelined. Each kernel stays in the thread that LiberTEM
gave it, so that there is one level of parallelism; results are those of `pynonius.blobfinder` and
`pynonius.clustering` on the same frames. Templates are a `pynonius.blobfinder.Template`, a dict of
`pynonius.blobfinder.TemplateParams`, or a picture of a disk.

>>> from libertem.api import Context
>>> import numpy as np, pynonius.blobfinder as b
>>> disk = {"kind": "circular", "radius": 4}
>>> frames = np.stack([b.Template(**disk).mask((32, 32), (16, 14 + k)) for k in range(3)])
>>> ctx = Context.make_with("inline")
>>> dataset = ctx.load("memory", data=frames[None].astype(np.float32) * 1000 + 10, sig_dims=2)
>>> result = ctx.run_udf(dataset, CorrelationUDF(peaks=[(16, 15)], template=disk))
>>> result["refineds"].data[0, :, 0].round(1)
array([[16., 14.],
       [16., 15.],
       [16., 16.]], dtype=float32)
"""

from typing import Any

import numpy as np
from libertem.udf import UDF
from numpy.typing import ArrayLike

from . import blobfinder as _b
from . import clustering as _k
from . import in_this_thread
from ._errors import Error

__all__ = [
    "CorrelationUDF",
    "FeatureVectorUDF",
    "IntegrationUDF",
    "RefinementUDF",
    "StatisticsUDF",
]


class _PerFrame(UDF):  # type: ignore[misc]
    """Frames come as they were recorded, those of a partition together."""

    def get_preferred_input_dtype(self) -> Any:
        return self.USE_NATIVE_DTYPE

    def _template(self) -> _b.Template:
        return _b._as_template(self.params.template, self.params.compatible)

    def _frames(self, partition: Any) -> Any:
        return np.ascontiguousarray(partition).reshape(-1, *self.meta.dataset_shape.sig)

    def _zero_shift(self) -> Any:
        """None, one shift for all, or one for each frame where it is an auxiliary buffer."""
        shift = self.params.zero_shift
        if shift is None:
            return None
        shift = np.asarray(shift, np.float64)
        return shift if shift.shape == (2,) else shift.reshape(-1, 2)


def _disk_buffers(udf: Any, n: int) -> dict[str, Any]:
    def of(dtype: str, *shape: int) -> Any:
        return udf.buffer(kind="nav", extra_shape=(n, *shape), dtype=dtype)

    return {
        "centers": of("int32", 2),
        "refineds": of("float32", 2),
        "peak_values": of("float32"),
        "peak_elevations": of("float32"),
        "covariances": of("float32", 2, 2),
        "status": of("uint8"),
    }


def _keep(results: Any, disks: _b.Disks) -> None:
    for name, values in disks._asdict().items():
        getattr(results, name)[:] = values


class CorrelationUDF(_PerFrame):
    """Disks around the same positions of every frame: the buffers are the fields of `pynonius.blobfinder.Disks`.

    `peaks` are (n, 2) px; `zero_shift` (y, x) px, or an auxiliary buffer of such, is added to them; `compatible`
    gives the template LiberTEM-blobfinder's raster; all else are `pynonius.blobfinder.CorrelationParams`, such as
    ``method="crop"``, ``"full"`` or ``{"direct": {"steps": 5}}``.
    """

    def __init__(
        self,
        peaks: ArrayLike,
        template: Any,
        zero_shift: Any = None,
        compatible: bool = False,
        correlation: dict[str, Any] | None = None,
        **params: Any,
    ) -> None:
        super().__init__(
            peaks=np.asarray(peaks, np.float64),
            template=template,
            zero_shift=zero_shift,
            compatible=compatible,
            # LiberTEM makes copies of a UDF from its own parameters.
            correlation={**(correlation or {}), **params},
        )

    def get_result_buffers(self) -> dict[str, Any]:
        return _disk_buffers(self, len(self.params.peaks))

    def process_partition(self, partition: Any) -> None:
        with in_this_thread():
            disks = _b.correlate_frames(
                self._frames(partition),
                self._template(),
                self.params.peaks,
                zero_shift=self._zero_shift(),
                **self.params.correlation,
            )
        _keep(self.results, disks)


class RefinementUDF(_PerFrame):
    """The lattice of every frame: the buffers are the fields of `pynonius.blobfinder.RefinedLattices`, less its
    ``indices``, which are those given, and ``round``, with those of its ``disks``.

    `start` is (zero, a, b), `indices` (n, 2); all else are `pynonius.blobfinder.RefineParams`. A frame does not
    learn from its neighbours, which may be in another partition.
    """

    def __init__(
        self,
        start: Any,
        template: Any,
        indices: ArrayLike,
        zero_shift: Any = None,
        compatible: bool = False,
        refinement: dict[str, Any] | None = None,
        **params: Any,
    ) -> None:
        super().__init__(
            start=tuple(np.asarray(vector, np.float64) for vector in start),
            template=template,
            indices=np.asarray(indices, np.float64),
            zero_shift=zero_shift,
            compatible=compatible,
            refinement={**(refinement or {}), **params},
        )

    def get_result_buffers(self) -> dict[str, Any]:
        n = len(self.params.indices)

        def of(dtype: str, *shape: int) -> Any:
            return self.buffer(kind="nav", extra_shape=shape, dtype=dtype)

        return {
            "zero": of("float64", 2),
            "a": of("float64", 2),
            "b": of("float64", 2),
            "covariance": of("float64", 6, 6),
            "selector": of("bool", n),
            "error": of("float64"),
            **_disk_buffers(self, n),
        }

    def process_partition(self, partition: Any) -> None:
        with in_this_thread():
            found = _b.refine_lattices(
                self._frames(partition),
                self._template(),
                _b.Lattice(*self.params.start),
                zero_shift=self._zero_shift(),
                indices=self.params.indices,
                neighbor_rounds=0,
                **self.params.refinement,
            )
        if len(found.indices) != len(self.params.indices):
            kept, given = len(found.indices), len(self.params.indices)
            raise Error(f"indices: {given - kept} of {given} lie outside the frame or its margin")
        for name in ("zero", "a", "b", "covariance", "selector"):
            getattr(self.results, name)[:] = getattr(found, name)
        self.results.error[:] = found.error.reshape(self.results.error.shape)
        _keep(self.results, found.disks)


class IntegrationUDF(_PerFrame):
    """Sums under a template at `centers` of every frame, an auxiliary buffer (n, 2): the buffer ``integration``."""

    def __init__(self, centers: Any, n: int, template: Any, compatible: bool = False) -> None:
        super().__init__(centers=centers, n=n, template=template, compatible=compatible)

    def get_result_buffers(self) -> dict[str, Any]:
        return {"integration": self.buffer(kind="nav", extra_shape=(self.params.n,), dtype="float64")}

    def process_partition(self, partition: Any) -> None:
        frames = self._frames(partition)
        centers = np.asarray(self.params.centers).reshape(len(frames), self.params.n, 2)
        with in_this_thread():
            sums = _b.integrate_disks(frames, self._template(), np.round(centers).astype(np.int32))
        self.results.integration[:] = sums


class FeatureVectorUDF(_PerFrame):
    """Feature vectors: the buffer ``features``, one value for each of `positions` (n, 2) px whose mask is kept.

    All else are `pynonius.clustering.FeatureParams`.
    """

    def __init__(
        self, positions: ArrayLike, features: dict[str, Any] | None = None, **params: Any
    ) -> None:
        positions = np.asarray(positions, np.int64)
        super().__init__(positions=positions, features={**(features or {}), **params})

    def get_result_buffers(self) -> dict[str, Any]:
        # Masks that the border cuts may be left out.
        nothing = np.zeros((1, *self.meta.dataset_shape.sig))
        with in_this_thread():
            n = _k.features(nothing, self.params.positions, **self.params.features).shape[1]
        return {"features": self.buffer(kind="nav", extra_shape=(n,), dtype="float64")}

    def process_partition(self, partition: Any) -> None:
        with in_this_thread():
            features = _k.features(self._frames(partition), self.params.positions, **self.params.features)
        self.results.features[:] = features


class StatisticsUDF(_PerFrame):
    """Sum, mean, variance (of the population), minimum, maximum of every pixel, and ``log_sum``.

    Partitions are merged in the order in which they are done: between executors the last digits may differ.
    """

    def get_result_buffers(self) -> dict[str, Any]:
        maps = ("sum", "mean", "variance", "min", "max", "log_sum")
        return {
            "n_frames": self.buffer(kind="single", dtype="int64"),
            **{name: self.buffer(kind="sig", dtype="float64") for name in maps},
        }

    def process_partition(self, partition: Any) -> None:
        frames = self._frames(partition)
        with in_this_thread():
            maps = _k.pixel_statistics(frames)
            log_sum = _k.log_sum(frames)
        self.results.n_frames[:] = maps.n_frames
        for name in ("sum", "mean", "variance", "min", "max"):
            getattr(self.results, name)[:] = getattr(maps, name)
        self.results.log_sum[:] = log_sum

    def merge(self, dest: Any, src: Any) -> None:
        m, n = int(dest.n_frames[0]), int(src.n_frames[0])
        if m == 0:
            for name in ("n_frames", "sum", "mean", "variance", "min", "max", "log_sum"):
                getattr(dest, name)[:] = getattr(src, name)
            return
        # T. F. Chan, G. H. Golub, R. J. LeVeque, Am. Stat. 37, 242 (1983).
        difference = src.mean - dest.mean
        dest.variance[:] = (m * dest.variance + n * src.variance) / (m + n) + difference**2 * m * n / (m + n) ** 2
        dest.mean[:] += difference * n / (m + n)
        dest.sum[:] += src.sum
        dest.log_sum[:] += src.log_sum
        dest.min[:] = np.minimum(dest.min, src.min)
        dest.max[:] = np.maximum(dest.max, src.max)
        dest.n_frames[:] = m + n
