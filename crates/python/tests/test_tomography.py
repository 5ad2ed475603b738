"""Tilt series of a small phantom whose offsets are known."""

import numpy as np
import pytest

import pynonius
from pynonius import familiar, synthetic, tomography as t, workflow


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


def test_geometries_turn_and_move(rng):
    geometry = t.Geometry.from_angles(
        [0.1, 0.2, 0.4, 0.5], [0.0, 0.3, 0.1, 0.2], (8, 7), (6, 6, 7), inner_axis=(0, 0, 1)
    )
    assert geometry.rotation_axis is None and geometry.stack_shape == (4, 8, 7)
    single = t.Geometry.single_axis([0.0, 0.5, 1.0], (8, 7), (6, 6, 7))
    np.testing.assert_allclose(np.abs(single.rotation_axis), (0, 0, 1), atol=1e-9)
    np.testing.assert_allclose(single.laboratory, [(0, 1, 0), (1, 0, 0), (0, 0, 1)])
    offsets = geometry.translated((1.0, -2.0, 0.5))
    np.testing.assert_allclose(offsets, geometry.directions[:, 1:] @ (1, -2, 0.5), atol=1e-12)
    residuals, translation = geometry.remove_translation(offsets)
    np.testing.assert_allclose(translation, (1, -2, 0.5), atol=1e-9)
    turn = np.array([(0.0, -1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)])
    np.testing.assert_allclose(geometry.rotate_reconstruction(turn).rotations, geometry.rotations @ turn)
    np.testing.assert_allclose(geometry.rotate_laboratory(turn).laboratory, geometry.laboratory @ turn.T, atol=1e-12)
    assert geometry.gauge_singular_values.shape == (3,)
    projector = t.Projector(geometry)
    volume = rng.normal(size=(6, 6, 7))
    np.testing.assert_array_equal(projector.forward(volume, [2, 0]), projector.forward(volume)[[2, 0]])
    np.testing.assert_allclose(projector.row_sums(), projector.forward(np.ones((6, 6, 7))))
    np.testing.assert_allclose(projector.col_sums(), projector.adjoint(np.ones((4, 8, 7))))
    moved = projector.with_offsets(offsets)
    np.testing.assert_array_equal(moved.geometry.offsets, offsets)
    with pytest.raises(pynonius.Error):
        projector.forward(volume, [4])
    with pytest.raises(pynonius.Error, match="rotation"):
        geometry.rotate_laboratory(2 * turn)


def test_operations_on_images(rng):
    x = np.arange(16)
    wave = np.sin(2 * np.pi * x / 16)[None].repeat(4, 0)
    np.testing.assert_allclose(
        t.spectral_gradient(wave, 1), np.cos(2 * np.pi * x / 16)[None].repeat(4, 0) * 2 * np.pi / 16, atol=1e-12
    )
    np.testing.assert_array_equal(t.high_pass_along(wave, 0, 0.0), wave)
    assert t.smooth_edges(wave.astype("f4")).dtype == np.float32
    for call in (lambda: t.spectral_gradient(wave, 2), lambda: t.high_pass_along(wave, 9, 1.0)):
        with pytest.raises(pynonius.Error, match="axis must be 0 or 1"):
            call()


def test_alignments_in_files(tmp_path):
    made = synthetic.tilt_series(
        volume_shape=(16, 16, 8),
        projection_shape=(20, 8),
        scheme={"kind": "single_axis", "axis": (0, 0, 1), "angles": {"first": 0.0, "step": 0.2, "n": 16}},
        seed=3,
    )
    lines = workflow.line_integrals(made.geometry, made.images)
    found = workflow.align_series(made.geometry, lines.images, method="optical_flow", start="moments")
    residuals, _ = made.geometry.remove_translation(found.report.offsets - made.truth.offsets)
    assert np.abs(residuals).max() < 0.1 and found.iterative
    t.write_tilt_series(
        tmp_path / "series.h5", found.geometry, made.images, alignment=found.report, arrays={"truth/volume": made.truth.volume}
    )
    np.testing.assert_allclose(t.read_offsets(tmp_path / "series.h5"), found.report.offsets)
    series = t.open_tilt_series(tmp_path / "series.h5")
    assert series.format == "projections" and series.padding.shape == (0, 2)
    own = t.AlignmentRecord(np.ones((16, 2)), settings={"method": "by hand", "seed": 3})
    t.write_tilt_series(tmp_path / "own.h5", made.geometry, made.images, alignment=own)
    np.testing.assert_array_equal(t.read_offsets(tmp_path / "own.h5"), np.ones((16, 2)))
    volume = workflow.reconstruct_series(found.geometry, lines.images, method="sirt", sirt={"iterations": 5})
    assert volume.volume.shape == (16, 16, 8) and len(volume.losses) >= 5
    assert workflow.sinogram(found.geometry, lines.images).shape == (20, 16)
    t.write_volume(tmp_path / "volume.h5", volume.volume, about={"method": "sirt"})
    moments = t.align_moments(made.geometry, lines.images)
    assert moments.second is not None and moments.second.covariance.shape == (3, 3)
    for call in (
        lambda: t.write_tilt_series(tmp_path / "no.h5", made.geometry),
        lambda: t.write_tilt_series(tmp_path / "no.h5", made.geometry, made.images[:3]),
        lambda: workflow.align_series(made.geometry, lines.images[:2]),
        lambda: workflow.align_series(made.geometry, lines.images, method="magic"),
        lambda: workflow.line_integrals(made.geometry),
        lambda: workflow.sinogram(made.geometry, lines.images, [[0, 0]]),
    ):
        with pytest.raises((pynonius.Error, pynonius.IoError)):
            call()
