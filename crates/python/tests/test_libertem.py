"""The same scan through LiberTEM's executors, and by nonius alone."""

import numpy as np
import pytest
from libertem.api import Context

from conftest import disks
from pynonius import blobfinder, clustering
from pynonius import libertem as udfs

ZERO, A, B = (32.0, 33.0), (15.0, 1.0), (-1.0, 14.0)
INDICES = np.mgrid[-1:2, -1:2].reshape(2, -1).T
PEAKS = np.array(ZERO) + INDICES @ np.array([A, B])
TEMPLATE = {"kind": "background_subtraction", "radius": 4.0}


@pytest.fixture(scope="module")
def frames():
    rng = np.random.default_rng(5)
    scan = np.empty((6, 8, 64, 64), np.uint16)
    for j, k in np.ndindex(6, 8):
        scan[j, k] = rng.poisson(disks((64, 64), PEAKS + 0.05 * k, 4, 60, 5))
    return scan


@pytest.fixture(scope="module", params=["inline", "threads", "dask", "pipelined"])
def ctx(request):
    """One of LiberTEM's executors, two workers where there are several."""
    if request.param == "dask":
        from libertem.executor.dask import DaskJobExecutor, cluster_spec

        spec = cluster_spec(cpus=[0, 1], cudas=[], has_cupy=False)
        with DaskJobExecutor.make_local(spec=spec) as executor:
            yield Context(executor=executor)
    else:
        with Context.make_with(request.param, **({} if request.param == "inline" else {"cpus": 2})) as ctx:
            yield ctx


@pytest.fixture(scope="module")
def dataset(ctx, frames, tmp_path_factory):
    path = tmp_path_factory.mktemp("scan") / "scan.npy"
    np.save(path, frames)
    return ctx.load("npy", path=str(path), num_partitions=3)


@pytest.mark.parametrize("method", ["crop", "full", {"direct": {"steps": 3}}])
def test_correlation(ctx, dataset, frames, method):
    refinement = "paraboloid" if isinstance(method, dict) else "continuous"
    params = {"method": method, "refinement": refinement}
    result = ctx.run_udf(dataset, udfs.CorrelationUDF(PEAKS, TEMPLATE, **params))
    alone = blobfinder.correlate_frames(frames, blobfinder.Template(**TEMPLATE), PEAKS, **params)
    for name, values in alone._asdict().items():
        np.testing.assert_array_equal(result[name].data.reshape(values.shape), values, name)


def test_correlation_of_a_region(ctx, dataset, frames):
    roi = np.zeros((6, 8), bool)
    roi[1:3, 2:7] = True
    result = ctx.run_udf(dataset, udfs.CorrelationUDF(PEAKS, TEMPLATE), roi=roi)
    alone = blobfinder.correlate_frames(frames, blobfinder.Template(**TEMPLATE), PEAKS, roi=roi)
    np.testing.assert_array_equal(result["refineds"].raw_data, alone.refineds)


def test_a_shift_for_each_frame(ctx, dataset, frames):
    shifts = np.zeros((6, 8, 2), np.float32)
    shifts[2:, :, 0] = 1
    auxiliary = udfs.CorrelationUDF.aux_data(shifts, kind="nav", extra_shape=(2,), dtype="float32")
    result = ctx.run_udf(dataset, udfs.CorrelationUDF(PEAKS, TEMPLATE, zero_shift=auxiliary))
    alone = blobfinder.correlate_frames(
        frames, blobfinder.Template(**TEMPLATE), PEAKS, zero_shift=shifts.reshape(-1, 2)
    )
    np.testing.assert_array_equal(result["refineds"].data.reshape(alone.refineds.shape), alone.refineds)


def test_refinement(ctx, dataset, frames):
    result = ctx.run_udf(dataset, udfs.RefinementUDF((ZERO, A, B), TEMPLATE, INDICES))
    alone = blobfinder.refine_lattices(
        frames,
        blobfinder.Template(**TEMPLATE),
        blobfinder.Lattice(ZERO, A, B),
        indices=INDICES,
        neighbor_rounds=0,
    )
    for name in ("zero", "a", "b", "covariance"):
        values = getattr(alone, name)
        np.testing.assert_array_equal(result[name].data.reshape(values.shape), values, name)


def test_integration(ctx, dataset, frames):
    centers = np.tile(np.round(PEAKS).astype(np.int32), (6, 8, 1, 1))
    n = len(PEAKS)
    auxiliary = udfs.IntegrationUDF.aux_data(centers.ravel(), kind="nav", extra_shape=(n, 2), dtype="int32")
    result = ctx.run_udf(dataset, udfs.IntegrationUDF(auxiliary, n, TEMPLATE))
    alone = blobfinder.integrate_disks(frames, blobfinder.Template(**TEMPLATE), centers.reshape(-1, n, 2))
    np.testing.assert_array_equal(result["integration"].data.reshape(alone.shape), alone)


def test_a_template_and_masks_that_are_left_out(ctx, dataset, frames):
    template = blobfinder.Template(**TEMPLATE)
    positions = [(32, 33), (1, 1)]
    disks, features = ctx.run_udf(
        dataset,
        [
            udfs.CorrelationUDF(PEAKS, template),
            udfs.FeatureVectorUDF(positions, template=template, border="drop"),
        ],
    )
    alone = blobfinder.correlate_frames(frames, template, PEAKS)
    np.testing.assert_array_equal(disks["refineds"].data.reshape(alone.refineds.shape), alone.refineds)
    kept = clustering.features(frames, positions, template=TEMPLATE, border="drop")
    assert kept.shape == (48, 1)
    np.testing.assert_array_equal(features["features"].data.reshape(kept.shape), kept)


def test_features_and_statistics_in_one_run(ctx, dataset, frames):
    positions = np.round(PEAKS).astype(int)
    features, statistics = ctx.run_udf(
        dataset, [udfs.FeatureVectorUDF(positions), udfs.StatisticsUDF()]
    )
    alone = clustering.features(frames, positions)
    np.testing.assert_array_equal(features["features"].data.reshape(alone.shape), alone)
    maps = clustering.pixel_statistics(frames)
    assert statistics["n_frames"].data[0] == 48
    for name in ("sum", "min", "max"):
        np.testing.assert_array_equal(statistics[name].data, getattr(maps, name))
    # Partitions are merged in another order.
    np.testing.assert_allclose(statistics["mean"].data, maps.mean, rtol=1e-13)
    np.testing.assert_allclose(statistics["variance"].data, maps.variance, rtol=1e-12)
    np.testing.assert_allclose(statistics["log_sum"].data, clustering.log_sum(frames), rtol=1e-13)
