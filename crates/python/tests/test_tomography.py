"""Tilt series of a small phantom whose offsets are known."""

import numpy as np
import pytest

import pynonius
from pynonius import familiar, tomography as t


@pytest.fixture(scope="module")
def phantom():
    """Blobs in a volume, and a scan of it about z."""
    rng = np.random.default_rng(8)
    grid = np.mgrid[:24, :24, :24] - 11.5
    volume = np.zeros((24, 24, 24))
    for center in rng.uniform(-5, 5, (6, 3)):
        volume += np.exp(-((grid - center[:, None, None, None]) ** 2).sum(0) / 6)
    return volume, t.Geometry.single_axis(np.arange(36) * np.pi / 36, (32, 32), (24, 24, 24))


@pytest.mark.parametrize("dtype, tolerance", [("f8", 1e-12), ("f4", 1e-5)])
def test_the_adjoint_is_one(phantom, rng, dtype, tolerance):
    projector = t.Projector(phantom[1])
    volume = rng.normal(size=(24, 24, 24, 2)).astype(dtype)
    images = rng.normal(size=(36, 32, 32, 2)).astype(dtype)
    forward, back = projector.forward(volume), projector.adjoint(images)
    assert forward.dtype == back.dtype == np.dtype(dtype) and forward.shape == images.shape
    one, other = np.vdot(forward.astype(float), images), np.vdot(volume, back.astype(float))
    assert abs(one - other) < tolerance * np.linalg.norm(forward) * np.linalg.norm(images)


@pytest.mark.parametrize("method", ["mitra", "sirt", "lbfgs", "fbp"])
def test_reconstructions(phantom, method):
    volume, geometry = phantom
    data = t.Projector(geometry).forward(volume)
    params = {} if method == "fbp" else {"iterations": 60}
    found = t.reconstruct(geometry, data, method=method, **params)
    error = np.linalg.norm(found.volume - volume) / np.linalg.norm(volume)
    assert error < 0.2, error


def test_alignment_finds_offsets(phantom, rng):
    volume, geometry = phantom
    truth = rng.uniform(-1.5, 1.5, (36, 2))
    images = t.Projector(geometry.with_offsets(truth)).forward(volume)
    found = t.align(geometry, images)
    assert found.start in ("given", "moments", "cascade", "cascade_and_slices") and found.reasons
    residuals, _ = geometry.remove_translation(found.report.offsets - truth)
    assert np.abs(residuals).max() < 0.1, np.abs(residuals).max()
    assert found.geometry.offsets.shape == (36, 2) and found.report.history.shape[1:] == (36, 2)
    moments = t.align_moments(geometry, images)
    residuals, _ = geometry.remove_translation(moments.offsets - truth)
    assert np.abs(residuals).max() < 0.05
    offsets, reprojections, _ = familiar.run_optical_flow_alignment(
        geometry, images, optimal_shift=moments.offsets, stop_max_iteration=3
    )
    assert offsets.shape == (36, 2) and reprojections.shape == images.shape


def test_the_rotation_center():
    angles = np.arange(90) * np.pi / 90
    x = np.arange(64)
    at = 31.7 + 9 * np.sin(angles + 0.3)
    sinogram = np.exp(-((x - at[:, None]) ** 2) / 18)
    found = t.rotation_center(sinogram, angles)
    assert abs(found.center - 31.7) < 0.02


def test_wrong_geometries_are_told():
    with pytest.raises(pynonius.Error, match="rotation"):
        t.Geometry.from_rotations(np.ones((2, 3, 3)), (4, 4), (4, 4, 4))
    with pytest.raises(pynonius.Error, match="volume_shape must be"):
        t.Geometry.single_axis([0.0], (4, 4), (1 << 20, 1 << 20, 1 << 20))
    geometry = t.Geometry.single_axis([0.0, 1.0], (4, 4), (4, 4, 4))
    with pytest.raises(pynonius.Error, match="expected shape"):
        t.Projector(geometry).forward(np.ones((4, 4, 5)))
    with pytest.raises(pynonius.Error, match='method must be "mitra"'):
        t.reconstruct(geometry, np.ones((2, 4, 4)), method="magic")
    with pytest.raises(pynonius.Error, match="unknown field `iteration`"):
        t.reconstruct(geometry, np.ones((2, 4, 4)), iteration=3)
    with pytest.raises(pynonius.Error, match="unknown field `steps`"):
        pynonius._native.align_line(geometry, np.ones((2, 4, 4)), steps=3)


def test_geometries_in_files(tmp_path):
    geometry = t.Geometry.single_axis([0.0, 0.5, 1.0], (4, 5), (4, 4, 5)).with_offsets([[0, 1], [2, 3], [4, 5.5]])
    geometry.write(str(tmp_path / "scan.geo"))
    read, _ = t.read_geometry(tmp_path / "scan.geo")
    np.testing.assert_allclose(read.rotations, geometry.rotations)
    np.testing.assert_allclose(read.offsets, geometry.offsets)
    images = np.random.default_rng(0).uniform(0.5, 1, (3, 4, 5))
    t.write_tilt_series(tmp_path / "series.h5", geometry, images)
    series = t.open_tilt_series(tmp_path / "series.h5")
    np.testing.assert_array_equal(series.images, images)
    np.testing.assert_allclose(series.geometry.offsets, geometry.offsets)
    t.write_volume(tmp_path / "volume.h5", np.ones((4, 4, 5)), 2.0, "nm")
    assert (tmp_path / "volume.h5").stat().st_size > 640
    with pytest.raises(pynonius.MissingFileError):
        t.open_tilt_series(tmp_path / "none.h5")
