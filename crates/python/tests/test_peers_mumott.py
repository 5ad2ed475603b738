"""mumott's alignment beside ours, on series with known offsets.

mumott cannot live beside LiberTEM, so what it made of these series is stored (testdata/tomography/alignment).
"""

import inspect
import pathlib
import types

import numpy as np
import pytest

from pynonius import familiar, tomography as t

HERE = pathlib.Path(__file__).parents[3] / "testdata/tomography/alignment"


class Series:
    """One of the three jittered series: images are line integrals, `container` is shaped as mumott's."""

    def __init__(self, name):
        arrays = np.load(HERE / "series.npz")
        self.diode = arrays[f"{name}_diode"] / 50.0
        self.truth = arrays[f"{name}_offsets"]
        self.line = arrays[f"{name}_line_shifts"]
        n, n_j, n_k = self.diode.shape
        self.geometry = t.Geometry.single_axis(
            arrays[f"{name}_angles"], (n_j, n_k), (n_j, n_j, n_k), arrays[f"{name}_axis"]
        )
        # Single precision takes half the time.
        self.images = t.absorbance(self.diode).absorbance.astype(np.float32)
        geometry = types.SimpleNamespace(
            rotations_as_array=self.geometry.rotations,
            j_offsets=[0.0] * n,
            k_offsets=[0.0] * n,
            projection_shape=np.array([n_j, n_k]),
            volume_shape=np.array([n_j, n_j, n_k]),
            j_direction_0=np.array([1.0, 0, 0]),
            p_direction_0=np.array([0, 1.0, 0]),
            k_direction_0=np.array([0, 0, 1.0]),
        )
        projections = types.SimpleNamespace(diode=self.diode, weights=np.ones((n, n_j, n_k, 1)))
        self.container = types.SimpleNamespace(geometry=geometry, projections=projections)

    def rms(self, offsets, others=None):
        """Root mean squares (j, k), px, without the common translation; from the truth if there are no others."""
        rest, _ = self.geometry.remove_translation(offsets - (self.truth if others is None else others))
        return np.sqrt((rest**2).mean(axis=0))


@pytest.fixture(scope="module")
def mumott():
    return np.load(HERE / "mumott.npz")


# What mumott reaches, rms px j / k: .0024/.029, .013/.052, .025/.020.
@pytest.mark.parametrize(
    "name, truth, apart",
    [
        ("single_axis", (0.003, 0.005), (0.004, 0.031)),
        ("limited_angle", (0.012, 0.012), (0.02, 0.06)),
        ("square", (0.007, 0.005), (0.03, 0.025)),
    ],
)
def test_optical_flow(name, truth, apart, mumott, agree):
    series = Series(name)
    shifts, reprojections, volume = familiar.run_optical_flow_alignment(
        series.geometry, series.images, optimal_shift=series.line, rec_iteration=10, stop_max_iteration=15
    )
    offsets = np.stack(familiar.shifts_to_geometry(series.geometry, shifts), axis=1)
    theirs = mumott[f"{name}_flow_shifts"]
    for axis, one, two in zip("jk", truth, apart):
        i = "jk".index(axis)
        agree(f"run_optical_flow_alignment, {name}, {axis}, from the truth, rms px", series.rms(offsets)[i], one)
        agree(f"run_optical_flow_alignment, {name}, {axis}, apart, rms px", series.rms(offsets, theirs)[i], two)
    # Not worse than the model's along either axis, but for what is seldom 10 % of 3 thousandths.
    assert np.all(series.rms(offsets) < series.rms(theirs) + 3e-4)


def test_shifts_are_offsets_whatever_the_axes(mumott):
    """Right shifts become offsets 1.4 px and more off in the model where the inner axis is -k."""
    series = Series("square")
    shifts = mumott["square_flow_shifts"]
    offsets = np.stack(familiar.shifts_to_geometry(series.container, shifts), axis=1)
    assert series.rms(offsets).max() < 0.03
    assert series.rms(mumott["square_flow_offsets"]).min() > 1.3
    for name in ("single_axis", "limited_angle"):
        offsets = np.stack(familiar.shifts_to_geometry(None, mumott[f"{name}_flow_shifts"]), axis=1)
        np.testing.assert_allclose(offsets, mumott[f"{name}_flow_offsets"], atol=1e-12)


# Keywords of mumott 2.3 with their defaults, after the container.
FLOW = {
    "volume": None,
    "main_rot_axis": None,
    "smooth_data": False,
    "sigma_smooth": 0.0,
    # Of 0.01 there, which costs a third of the accuracy where nothing needs it: off.
    "high_pass_filter": None,
    "optimal_shift": None,
    "rec_iteration": 20,
    "use_gpu": False,
    "optimizer_kwargs": None,
    "stop_max_iteration": 20,
    "stop_min_correction": 0.01,
    "align_horizontal": True,
    "align_vertical": True,
    "center_reconstruction": True,
}
PHASE = {
    "ignored_subset": None,
    "projection_cropping": (slice(None), slice(None)),
    # run_mitra there
    "reconstruction_pipeline": None,
    "reconstruction_pipeline_kwargs": None,
    "use_gpu": False,
    "use_absorbances": True,
    "maxiter": 20,
    "upsampling": 1,
    "shift_tolerance": None,
    "shift_cutoff": None,
    "relative_sample_size": 1.0,
    "relaxation_weight": 0.0,
    "center_of_mass_shift_weight": 0.0,
    "align_j": True,
    "align_k": True,
}


@pytest.mark.parametrize(
    "function, keywords",
    [(familiar.run_optical_flow_alignment, FLOW), (familiar.run_phase_matching_alignment, PHASE)],
)
def test_keywords(function, keywords):
    ours = inspect.signature(function).parameters
    assert next(iter(ours)) == "data_container"
    assert {name: ours[name].default for name in keywords} == keywords


@pytest.mark.parametrize("upsampling, apart", [(1, 0.25), (10, 0.08)])
def test_phase_matching_of_a_container(upsampling, apart, mumott, agree):
    series = Series("single_axis")
    found = familiar.run_phase_matching_alignment(
        series.container,
        upsampling=upsampling,
        maxiter={1: 4, 10: 12}[upsampling],
        reconstruction_pipeline_kwargs={"optimizer_kwargs": {"maxiter": 10, "no_tqdm": True}},
    )
    n, n_j, n_k = series.diode.shape
    assert found["reconstruction"].shape == (n_j, n_j, n_k, 1)
    assert found["projections"].shape == found["reference"].shape == (n, n_j, n_k, 1)
    geometry = series.container.geometry
    offsets = np.stack([geometry.j_offsets, geometry.k_offsets], axis=1)
    theirs = mumott[f"single_axis_phase_{upsampling}"]
    what = f"run_phase_matching_alignment, upsampling={upsampling}"
    agree(f"{what}, from the truth, rms px", series.rms(offsets).max(), {1: 0.29, 10: 0.033}[upsampling])
    agree(f"{what}, apart, rms px", series.rms(offsets, theirs).max(), apart)
    assert np.all(series.rms(offsets) < series.rms(theirs))


def test_line_alignment(agree):
    """Theirs has another normalisation; where sides are equal it takes the wrong axis, 1.2 px rms."""
    series = Series("single_axis")
    line = familiar.line_vertical_alignment(series.container)
    agree("line_vertical_alignment, px", np.abs(line - series.line).max(), 0.1)
    series = Series("square")
    assert series.rms(familiar.line_vertical_alignment(series.container))[0] < 0.3
    assert series.rms(series.line)[0] > 1.2


def test_optical_flow_of_a_container():
    series = Series("square")
    line = familiar.line_vertical_alignment(series.container)
    shifts, reprojections, volume = familiar.run_optical_flow_alignment(
        series.container,
        optimal_shift=line,
        rec_iteration=5,
        stop_max_iteration=3,
        main_rot_axis=1,
        optimizer_kwargs={"nestorov_weight": 0.6, "no_tqdm": True},
        use_gpu=False,
    )
    n, n_j, n_k = series.diode.shape
    assert reprojections.shape == (n_j, n_k, n) and volume.shape == (n_j, n_j, n_k, 1)
    assert series.rms(shifts).max() < 0.01


def test_which_axis_is_vertical():
    series = Series("square")
    keywords = {"rec_iteration": 2, "stop_max_iteration": 1, "iteration": {"final_iterations": 1}}
    for given in ({}, {"main_rot_axis": 1}):
        shifts, *_ = familiar.run_optical_flow_alignment(
            series.geometry, series.images, align_vertical=False, **keywords, **given
        )
        assert np.ptp(shifts[:, 0]) > 0.1 and np.ptp(shifts[:, 1]) == 0
    shifts, *_ = familiar.run_optical_flow_alignment(
        series.geometry, series.images, align_vertical=False, main_rot_axis=0, **keywords
    )
    assert np.ptp(shifts[:, 0]) == 0


def test_a_laboratory_of_other_directions():
    """The beam along z and the images' axes along y and x: the same series in other coordinates."""
    series = Series("square")
    turn = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
    geometry = series.container.geometry
    geometry.rotations_as_array = turn @ geometry.rotations_as_array
    geometry.j_direction_0, geometry.p_direction_0, geometry.k_direction_0 = turn.T
    turned = familiar._mumott._geometry(geometry)
    np.testing.assert_allclose(turned.rotations, series.geometry.rotations, atol=1e-15)
    geometry.p_direction_0 = -geometry.p_direction_0
    with pytest.raises(ValueError, match="p_direction_0"):
        familiar._mumott._geometry(geometry)


@pytest.mark.parametrize(
    "keywords, message",
    [
        ({"optimizer_kwargs": {"enforce_non_negativity": False}}, "enforce_non_negativity"),
        ({"smooth_data": True, "sigma_smooth": [1.0, 2.0, 0.0]}, "sigma_smooth"),
        ({"no_such_keyword": 1}, "no_such_keyword"),
    ],
)
def test_what_is_refused_of_optical_flow(keywords, message):
    with pytest.raises(ValueError, match=message):
        familiar.run_optical_flow_alignment(Series("square").container, **keywords)


@pytest.mark.parametrize(
    "keywords, message",
    [
        ({"reconstruction_pipeline": max}, "run_mitra"),
        ({"reconstruction_pipeline_kwargs": {"basis": 1}}, "basis"),
        ({"projection_cropping": (slice(5, -4), slice(None))}, "projection_cropping"),
        ({"shift_tolerance": 0.3}, "shift_tolerance"),
    ],
)
def test_what_is_refused_of_phase_matching(keywords, message):
    with pytest.raises(ValueError, match=message):
        familiar.run_phase_matching_alignment(Series("square").container, **keywords)


def test_what_is_no_series():
    with pytest.raises(ValueError, match="data_container"):
        familiar.run_phase_matching_alignment(np.zeros((3, 8, 8)))
    with pytest.raises(ValueError, match="projections"):
        familiar.run_optical_flow_alignment(Series("square").geometry)
