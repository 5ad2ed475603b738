"""Chunks of Dask arrays, in threads and in processes."""

import dask.array as da
import numpy as np
import pytest
from dask.distributed import Client, LocalCluster

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
    with LocalCluster(2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
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
    found = nd.correlate_frames(da.from_array(frames, (1, 5, 48, 40)), TEMPLATE, PEAKS)
    alone = blobfinder.correlate_frames(frames, blobfinder.Template(**TEMPLATE), PEAKS)
    np.testing.assert_array_equal(found["refineds"].compute().reshape(-1, 2, 2), alone.refineds)


def test_a_worker_that_dies_is_made_good(client, frames):
    """Its chunks are computed again by who is left."""
    many = da.from_array(np.tile(frames, (6, 1, 1, 1)), (1, 5, 48, 40))
    found = nd.correlate_frames(many, TEMPLATE, PEAKS)["refineds"]
    future = client.compute(found)
    victim = next(iter(client.scheduler_info()["workers"]))
    client.run(lambda dask_worker: None)
    try:
        client.run(lambda: __import__("os")._exit(1), workers=[victim], wait=False)
    except Exception:  # The connection goes down with the worker.
        pass
    alone = blobfinder.correlate_frames(np.tile(frames, (6, 1, 1, 1)), blobfinder.Template(**TEMPLATE), PEAKS)
    np.testing.assert_array_equal(future.result(timeout=120).reshape(-1, 2, 2), alone.refineds)


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
