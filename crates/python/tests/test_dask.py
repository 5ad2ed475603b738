"""Chunks of Dask arrays, in threads and in processes."""

import os
import signal
import time

import dask.array as da
import numpy as np
import pytest
from dask.distributed import Client, LocalCluster, as_completed

import pynonius.dask as nd
from conftest import blobs, disks
from pynonius import blobfinder, registration

TEMPLATE = {"kind": "circular", "radius": 4.0}
PEAKS = np.array([(16.0, 16.0), (30.0, 18.0)])


@pytest.fixture(scope="module")
def frames():
    rng = np.random.default_rng(6)
    return rng.poisson([[disks((48, 40), PEAKS + 0.1 * k + 0.2 * j, 4, 80, 5) for k in range(5)] for j in range(4)])


@pytest.fixture(scope="module")
def client():
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        with Client(cluster) as client:
            yield client


@pytest.mark.parametrize("chunks", [(4, 5, 48, 40), (1, 2, 48, 40), (3, 1, 20, 40)])
def test_disks_do_not_depend_on_chunks(frames, chunks):
    found = nd.correlate_frames(da.from_array(frames, chunks), TEMPLATE, PEAKS)
    alone = blobfinder.correlate_frames(frames, blobfinder.Template(**TEMPLATE), PEAKS)
    for name, values in alone._asdict().items():
        computed = found[name].compute(scheduler="threads")
        np.testing.assert_array_equal(computed.reshape(values.shape), values, name)


def test_several_processes(client, frames):
    template = blobfinder.Template(**TEMPLATE)
    found = nd.correlate_frames(da.from_array(frames, (1, 5, 48, 40)), template, PEAKS)
    alone = blobfinder.correlate_frames(frames, template, PEAKS)
    np.testing.assert_array_equal(found["refineds"].compute().reshape(-1, 2, 2), alone.refineds)


def test_a_worker_that_dies_is_made_good(client, frames):
    """Killed while most of its chunks wait: they are computed again by who is left."""
    many = np.tile(frames, (6, 1, 1, 1))

    def slowly(chunk):
        time.sleep(0.1)
        return chunk

    chunks = da.from_array(many, (1, 5, 48, 40)).map_blocks(slowly, dtype=many.dtype, meta=np.empty((0,) * 4, many.dtype))
    found = nd.correlate_frames(chunks, TEMPLATE, PEAKS)["refineds"]
    futures = client.compute(list(found.to_delayed().ravel()))
    next(as_completed(futures))
    victim, pid = next(iter(client.run(os.getpid).items()))
    assert any(future.status == "pending" for future in futures)
    os.kill(pid, signal.SIGKILL)
    blocks = client.gather(futures)
    assert client.run(os.getpid).get(victim) != pid
    alone = blobfinder.correlate_frames(many, blobfinder.Template(**TEMPLATE), PEAKS)
    np.testing.assert_array_equal(np.concatenate(blocks).reshape(-1, 2, 2), alone.refineds)


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="threads are counted in /proc")
def test_no_threads_but_those_of_dask(client, frames):
    """One level of parallelism: workers have no threads of nonius's own."""
    nd.correlate_frames(da.from_array(frames, (1, 5, 48, 40)), TEMPLATE, PEAKS)["refineds"].compute()
    start = blobfinder.Lattice((16.0, 16.0), (14.0, 2.0), (0.0, 14.0))
    nd.refine_lattices(da.from_array(frames, (1, 5, 48, 40)), TEMPLATE, start, [(0, 0), (1, 0)])["a"].compute()

    def threads():
        folder = "/proc/self/task"
        return [open(f"{folder}/{task}/comm").read().strip() for task in os.listdir(folder)]

    for names in client.run(threads).values():
        assert names and not [name for name in names if name.startswith("pynonius")]


def test_what_is_wrong_is_told_at_once(frames):
    chunks = da.from_array(frames, (2, 5, 48, 40))
    start = blobfinder.Lattice((16.0, 16.0), (14.0, 2.0), (0.0, 14.0))
    with pytest.raises(ValueError, match="metod"):
        nd.correlate_frames(chunks, TEMPLATE, PEAKS, metod="crop")
    with pytest.raises(ValueError, match="positions"):
        nd.correlate_frames(chunks, TEMPLATE, [1.0, 2.0])
    with pytest.raises(ValueError, match="tolerence"):
        nd.refine_lattices(chunks, TEMPLATE, start, [(0, 0)], tolerence=1)
    with pytest.raises(ValueError, match="shape"):
        nd.register_stack(chunks, np.zeros((47, 40)))


def test_disks_of_the_sum(frames):
    params = {"peaks": {"n_peaks": 2}, "correlation": {"refinement": "continuous"}}
    positions, found = nd.find_disks(da.from_array(frames, (2, 3, 48, 40)), TEMPLATE, **params)
    alone = blobfinder.find_disks(frames, blobfinder.Template(**TEMPLATE), **params)
    np.testing.assert_array_equal(positions.centers, alone.positions.centers)
    np.testing.assert_array_equal(found["refineds"].compute().reshape(-1, 2, 2), alone.disks.refineds)


def test_lattices(frames):
    start = blobfinder.Lattice((16.0, 16.0), (14.0, 2.0), (0.0, 14.0))
    indices = [(0, 0), (1, 0), (0, 1), (1, 1)]
    found = nd.refine_lattices(da.from_array(frames, (2, 5, 48, 40)), TEMPLATE, start, indices)
    alone = blobfinder.refine_lattices(
        frames, blobfinder.Template(**TEMPLATE), start, indices=indices, neighbor_rounds=0
    )
    np.testing.assert_array_equal(found["zero"].compute().reshape(-1, 2), alone.zero)


def test_registration():
    reference = blobs((40, 40), margin=8)
    stack = np.stack([blobs((40, 40), (0.3 * k, -0.2 * k), margin=8) for k in range(6)])
    found = nd.register_stack(da.from_array(stack, (2, 40, 40)), reference)
    alone = [registration.register(reference, frame) for frame in stack]
    np.testing.assert_array_equal(found["shift"].compute(), [one.shift for one in alone])
    assert set(found["status"].compute()) == {"converged"}
    with pytest.raises(ValueError, match="min_overlap"):
        nd.register_stack(da.from_array(stack), reference, min_overlap=7)


def test_sum(frames):
    np.testing.assert_array_equal(
        nd.sum_frames(da.from_array(frames, (2, 2, 48, 40))).compute(), blobfinder.sum_frames(frames)
    )
