"""Arrays, parameters, errors, threads, signals and progress: what the border does, whatever is computed."""

import inspect
import copy
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

import pynonius
from conftest import blobs, disks
from pynonius import (
    blobfinder,
    chi2,
    clustering,
    io,
    plot,
    registration,
    synthetic,
    tomography,
    workflow,
)

MODULES = [registration, chi2, blobfinder, clustering, io, tomography, workflow, plot, synthetic]


def test_every_public_function_is_documented_and_listed():
    for module in [pynonius, *MODULES, pynonius.familiar]:
        assert sorted(module.__all__) == sorted(set(module.__all__))
        for name in module.__all__:
            assert inspect.getdoc(getattr(module, name)), f"{module.__name__}.{name}"


def test_typed_parameters_are_those_of_rust():
    """The names that type checkers know and the names that Rust reads are one list."""
    n = 0
    for module in MODULES:
        for name in dir(module):
            if name.endswith(("Params", "Options")) and name in module.__all__:
                assert set(getattr(module, name).__annotations__) == set(
                    pynonius._native.defaults(name)
                ), name
                n += 1
    assert n > 45


def test_signatures_show_the_defaults_of_rust():
    signature = inspect.signature(registration.register)
    assert signature.parameters["frame"].default == "overlap"
    assert signature.parameters["ambiguity"].default == 9.0


def test_defaults_may_be_given_back():
    image = blobs((24, 24))
    defaults = pynonius._native.defaults("RegistrationParams")
    plain = registration.register(image, image)
    np.testing.assert_equal(registration.register(image, image, **defaults), plain)
    defaults = pynonius._native.defaults("CorrelationParams")
    template = blobfinder.Template(radius=4)
    frame = disks((32, 32), [(15, 17)], 4)
    one = blobfinder.CorrelationPlan((32, 32), template).run(frame, [(15, 17)])
    other = blobfinder.CorrelationPlan((32, 32), template, **defaults).run(frame, [(15, 17)])
    np.testing.assert_equal(one, other)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", ">f4", ">i2"])
def test_numbers_of_every_type_are_the_same_numbers(dtype):
    image = np.round(30 * blobs((32, 40))).astype(dtype)
    expected = registration.register(image.astype(float), np.roll(image, 2, 0).astype(float), frame="periodic")
    found = registration.register(image, np.roll(image, 2, 0), frame="periodic")
    # Single precision is computed as such.
    np.testing.assert_allclose(found.shift, expected.shift, atol=1e-5 if dtype == "f4" else 0)
    frames = np.stack([image, image + 1]).astype(dtype)
    np.testing.assert_array_equal(
        clustering.pixel_statistics(frames).mean, frames.astype(float).mean(0)
    )


def test_any_layout_is_read_in_its_own_order():
    image = blobs((32, 40))
    moved = np.roll(image, (1, -2), (0, 1))
    expected = registration.register(image, moved, frame="periodic")
    for view in (
        np.asfortranarray(moved),
        np.repeat(np.repeat(moved, 2, 0), 3, 1)[::2, ::3],
        moved[::-1][::-1],
        np.frombuffer(b"\0" + moved.tobytes(), dtype="u1")[1:].view("f8").reshape(moved.shape),
        moved.tolist(),
    ):
        np.testing.assert_array_equal(
            registration.register(image, view, frame="periodic").shift, expected.shift
        )


def test_inputs_stay_and_results_are_the_callers():
    image = blobs((16, 16))
    image.setflags(write=False)
    copy = image.copy()
    shifted = registration.fourier_shift(image, [0.5, 0.5])
    shifted[0] = 0
    np.testing.assert_array_equal(image, copy)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: registration.register(np.ones((4, 4)), np.ones((4, 5)), frame="periodic"), "expected shape"),
        (lambda: registration.register(np.ones((0, 4)), np.ones((0, 4))), "empty"),
        (lambda: registration.register(np.full((4, 4), np.nan), np.ones((4, 4))), "not finite"),
        (lambda: registration.register(np.ones(4), np.ones(4)), "expected 2 axes"),
        (lambda: registration.register(np.ones((4, 4)), np.ones((4, 4)), frame="round"), "frame: unknown variant"),
        (lambda: registration.register(np.ones((4, 4)), np.ones((4, 4)), upsample=3), "unknown field `upsample`"),
        (lambda: registration.register(np.ones((4, 4)), np.ones((4, 4)), min_overlap=2), "min_overlap must be"),
        (lambda: registration.register(np.ones((4, 4)), np.ones((4, 4)), min_overlap="a"), "min_overlap: "),
        (lambda: registration.register(np.ones((4, 4)), np.ones((4, 4), complex)), "expected real numbers"),
        (lambda: registration.register(np.ones((4, 4)), [["a"]]), "expected real numbers"),
        (lambda: registration.registered(np.ones((4, 4)), [1]), r"shift: expected shape \(2,\)"),
        (lambda: chi2.chi2_shift(np.ones((4, 4)), np.ones((4, 4)), sigma=-1.0), "sigma"),
        (lambda: blobfinder.Template(radius=-1), "radius must be"),
        (lambda: blobfinder.Template(radius_inner=1), "unknown field `radius_inner`, expected one of `kind`, `radius`, `radius_outer`"),
        (lambda: blobfinder.find_peaks(np.ones((8, 8)), n_peaks=-1), "n_peaks: "),
        (lambda: blobfinder.fast_match(np.ones((3, 3)), (0, 0), (1, 0), (0, 1)), "positions: expected shape"),
        (lambda: clustering.features(np.ones((2, 8, 8)), np.ones((0, 2), int)), "empty"),
        (lambda: clustering.ward(np.ones((3, 2)), clustering.Graph.grid((4,))), "expected"),
        (lambda: clustering.Graph.grid((1 << 40,)), "shape must be"),
        (lambda: clustering.Graph.from_edges(2, [[0, -1]]), "beyond the range"),
        (lambda: clustering.pixel_statistics(np.ones(3)), "at least 2 axes"),
        (lambda: pynonius.set_threads(0), "n must be between 1 and 4096, got 0"),
    ],
)
def test_errors_name_the_argument(call, message):
    with pytest.raises(pynonius.Error, match=message) as caught:
        call()
    assert isinstance(caught.value, ValueError)


def test_files_that_are_not_there_or_no_files():
    with pytest.raises(pynonius.MissingFileError) as caught:
        io.read("no/such/file.npy")
    assert isinstance(caught.value, (pynonius.IoError, FileNotFoundError, OSError))
    with pytest.raises(pynonius.IoError):
        io.open_scan(__file__)


def test_no_argument_ends_in_a_panic(rng):
    """Hostile arrays for every function that takes two images or one."""
    hostile = [
        np.zeros((0, 0)),
        np.zeros((1, 1)),
        np.zeros((3, 1)),
        np.full((4, 4), np.inf),
        np.full((4, 4), 1e308),
        np.full((4, 4), 5e-324),
        np.zeros((2, 2, 2, 2)),
        np.zeros(()),
        [],
        None,
        "words",
        {},
        rng.normal(size=(5, 4)).astype(np.complex64),
    ]
    two = [
        registration.register,
        registration.register_nd,
        registration.register_masked,
        registration.phase_cross_correlation,
        registration.cross_correlation_shifts,
        registration.register_images,
        registration.correlate,
        registration.register_similarity,
        registration.tvl1,
        registration.lucas_kanade,
        registration.warp,
        chi2.chi2_shift,
        chi2.chi2_map,
        chi2.grid_chi2_shift,
        chi2.chi2n_map,
        clustering.adjusted_rand_index,
        clustering.silhouette,
    ]
    one = [
        blobfinder.find_peaks,
        blobfinder.search_lattices,
        blobfinder.full_match,
        blobfinder.sum_frames,
        clustering.pixel_statistics,
        clustering.log_sum,
        clustering.center_of_mass,
        clustering.linkage,
        clustering.hdbscan,
        clustering.optics,
        clustering.scale,
        registration.register_series,
    ]
    calls = [(f, (a, b)) for f in two for a in hostile for b in (a, np.ones((4, 4)))]
    calls += [(f, (a,)) for f in one for a in hostile]
    for function, arguments in calls:
        try:
            with np.errstate(all="ignore"):
                function(*arguments)
        except (ValueError, TypeError):
            pass


def test_results_do_not_depend_on_threads(rng):
    frames = rng.poisson(20, (5, 7, 24, 24)).astype("u2")
    template = blobfinder.Template(radius=3)
    features = rng.normal(size=(200, 5))

    def everything():
        return (
            blobfinder.find_disks(frames, template, peaks={"n_peaks": 4}),
            clustering.pixel_statistics(frames),
            clustering.k_means(features, 4),
            clustering.ward(features, clustering.Graph.grid((10, 20))).distances,
            registration.register_series(frames.reshape(-1, 24, 24)),
            registration.tvl1(frames[0, 0].astype(float), frames[0, 1].astype(float)),
        )

    with pynonius.threads(1):
        single = everything()
    with pynonius.threads(3):
        assert pynonius.get_threads() == 3
        np.testing.assert_equal(everything(), single)


def test_threads_of_python_share_the_work(rng):
    frames = rng.normal(size=(8, 16, 16))
    expected = registration.register_series(frames).shifts
    found = [None] * 8

    def work(k):
        found[k] = registration.register_series(frames).shifts

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    for shifts in found:
        np.testing.assert_array_equal(shifts, expected)


def run(script):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_has_threads_of_its_own():
    process = run(
        """
        import os, warnings
        warnings.simplefilter("ignore")
        import numpy as np, pynonius
        frames = np.ones((4, 8, 8))
        pynonius.clustering.pixel_statistics(frames)
        child = os.fork()
        if child == 0:
            pynonius.clustering.pixel_statistics(frames)
            os._exit(7)
        raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """
    )
    process.communicate(timeout=60)
    assert process.returncode == 7


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_ctrl_c_stops_long_work():
    process = run(
        """
        import signal, numpy as np, pynonius
        # What a shell starts in the background ignores SIGINT, and so does Python then.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        frames = np.random.default_rng(0).normal(size=(3000, 128, 128)).astype("f4")
        print("begun", flush=True)
        try:
            pynonius.registration.register_series(frames, strategy={"pairs": {"max_separation": 500}})
        except KeyboardInterrupt:
            print("stopped", flush=True)
        """
    )
    assert process.stdout.readline() == "begun\n"
    try:
        process.wait(0.5)
    except subprocess.TimeoutExpired:
        pass
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert out == "stopped\n", err


class Bar:
    """What tqdm is to the border."""

    made = []

    def __init__(self, total, desc):
        self.total, self.desc, self.n, self.closed = total, desc, 0, False
        Bar.made.append(self)

    def update(self, n):
        self.n += n

    def close(self):
        self.closed = True


def test_progress_is_told_as_to_tqdm(rng):
    Bar.made.clear()
    registration.register_series(rng.normal(size=(6, 16, 16)), progress=Bar)
    assert Bar.made and all(bar.closed for bar in Bar.made)
    assert Bar.made[-1].n == Bar.made[-1].total > 0


def test_an_error_of_the_progress_stops_the_work(rng):
    def fails(**keywords):
        raise RuntimeError("no bar today")

    with pytest.raises(RuntimeError, match="no bar today"):
        registration.register_series(rng.normal(size=(6, 16, 16)), progress=fails)


def test_scans_in_files_are_scans_in_memory(tmp_path, rng):
    frames = rng.poisson(9, (3, 4, 16, 20)).astype("u2")
    np.save(tmp_path / "scan.npy", frames)
    scan = io.open_scan(tmp_path / "scan.npy")
    assert (scan.scan_shape, scan.frame_shape, scan.dtype, len(scan)) == ((3, 4), (16, 20), "uint16", 12)
    np.testing.assert_array_equal(scan.frame(5), frames[1, 1])
    np.testing.assert_equal(clustering.pixel_statistics(scan), clustering.pixel_statistics(frames))
    roi = np.zeros((3, 4), bool)
    roi[1] = True
    np.testing.assert_array_equal(
        blobfinder.sum_frames(scan, roi=roi), frames[1].sum(0, dtype=float)
    )
    io.write_scan(tmp_path / "copy.npy", scan, roi=None)
    np.testing.assert_array_equal(np.load(tmp_path / "copy.npy"), frames)
    reshaped = io.open_scan(tmp_path / "scan.npy", scan={"shape": [12]})
    assert reshaped.scan_shape == (12,)
    assert io.describe(tmp_path / "scan.npy")["elements"][0]["shape"] == [3, 4, 16, 20]
    with pytest.raises(pynonius.Error, match="position"):
        scan.frame(12)


def test_frames_of_a_scan_by_their_place(tmp_path, rng):
    frames = rng.poisson(9, (3, 4, 16, 20)).astype("u2")
    np.save(tmp_path / "scan.npy", frames)
    scan = io.open_scan(tmp_path / "scan.npy")
    assert scan.shape == frames.shape and len(scan) == 12
    np.testing.assert_array_equal(scan[1, 2], frames[1, 2])
    np.testing.assert_array_equal(scan[-1, np.int64(-4)], frames[2, 0])
    np.testing.assert_array_equal(scan[2, 3], scan.frame(11))
    for outside in ((3, 0), (0, -5), (0, 1 << 62), (-(1 << 63), 0)):
        with pytest.raises(IndexError, match="position: expected one within the scan .3, 4."):
            scan[outside]
    for wrong in (0, (0, 0, 0), (), (0, slice(2)), (1.0, 0), "ab", [0, 1], None, (1 << 70, 0)):
        with pytest.raises(pynonius.Error, match="position: expected 2 whole numbers"):
            scan[wrong]
    # A loop that found no frames would look like an empty scan.
    with pytest.raises(pynonius.Error):
        list(scan)
    row = io.open_scan(tmp_path / "scan.npy", scan={"shape": [12]})
    np.testing.assert_array_equal(list(row), frames.reshape(12, 16, 20))
    short = io.open_scan(tmp_path / "scan.npy", scan={"shape": [13], "missing": {"fill": 5.0}})
    np.testing.assert_array_equal(short[-1], np.full((16, 20), 5.0))


def test_a_dark_frame_may_have_underscores_in_its_name(tmp_path):
    np.save(tmp_path / "a_scan.npy", np.full((2, 2, 4, 4), 5.0))
    np.save(tmp_path / "dark_of_today.npy", np.full((4, 4), 2.0))
    scan = io.open_scan(tmp_path / "a_scan.npy", dark=tmp_path / "dark_of_today.npy")
    np.testing.assert_array_equal(scan.frame(0), np.full((4, 4), 3.0))


def test_what_is_written_is_read_again(tmp_path, rng):
    frames = rng.integers(0, 200, (2, 3, 8, 8), dtype=np.uint8)
    io.write_blo(tmp_path / "scan.blo", frames)
    np.testing.assert_array_equal(io.open_scan(tmp_path / "scan.blo").frame(4), frames[1, 1])
    stack = rng.normal(size=(3, 5, 6)).astype(np.float32)
    io.write_stack(tmp_path / "stack.tif", stack)
    np.testing.assert_array_equal(io.read(f"{tmp_path / 'stack.tif'}[2]", single=True), stack[2])
    io.write_image(tmp_path / "image.fits", stack[0])
    np.testing.assert_array_equal(io.read(tmp_path / "image.fits"), stack[0])


def test_plans_are_their_functions(rng):
    reference, moving = blobs((24, 24)), blobs((24, 24), (0.4, -0.3)) + rng.normal(scale=0.01, size=(24, 24))
    np.testing.assert_equal(
        chi2.Chi2Plan((24, 24), frame="periodic").shift(reference, moving, sigma=0.01),
        chi2.chi2_shift(reference, moving, sigma=0.01, frame="periodic"),
    )
    np.testing.assert_equal(
        registration.RegistrationPlan((24, 24)).register(reference, moving),
        registration.register(reference, moving),
    )


def same(one, other):
    """Whether two results have the same types and numbers, classes of the compiled half by what they show."""
    if isinstance(one, (tuple, list)):
        assert type(one) is type(other) and len(one) == len(other)
        for a, b in zip(one, other):
            same(a, b)
    elif type(one).__module__.startswith("pynonius"):
        assert type(one) is type(other) and repr(one) == repr(other)
    else:
        np.testing.assert_equal(other, one)


@pytest.fixture(scope="module")
def instances(tmp_path_factory):
    """One of every compiled class, and results that hold such."""
    rng = np.random.default_rng(1)
    path = tmp_path_factory.mktemp("pickles") / "scan.npy"
    np.save(path, rng.normal(size=(2, 3, 4, 5)))
    template = blobfinder.Template(kind="background_subtraction", radius=3)
    geometry = tomography.Geometry.single_axis([0.0, 0.4, 0.9], (6, 5), (6, 6, 5))
    graph = clustering.Graph.from_edges(4, [[0, 1], [2, 3]])
    plane = io.TangentPlane((5, 6), (150.0, 2.0), [[0, -1e-4], [1e-4, 0]])
    return {
        "registration": registration.RegistrationPlan((16, 18), frame="periodic", method="phase"),
        "similarity": registration.SimilarityPlan((32, 32), max_scale=1.5),
        "chi2": chi2.Chi2Plan((16, 18), frame="periodic"),
        "spectrum": chi2.NoiseSpectrum.from_blank_region(rng.normal(size=(20, 20)), (8, 8)),
        "template": template,
        "compatible": template.compatible(),
        "image template": blobfinder.Template.from_image(template.mask((15, 15), (7, 7)), search=6.0),
        "data template": blobfinder.Template.from_data(disks((32, 32), [(16, 16)], 5)),
        "correlation": blobfinder.CorrelationPlan(
            (32, 32), template, mask=rng.random((32, 32)) > 0.1, refinement={"upsampled": {"factor": 7}}
        ),
        "graph": graph,
        "dendrogram": clustering.ward(rng.normal(size=(4, 2)), graph),
        "scan": io.open_scan(path, scan={"shape": [6]}),
        "plane": plane,
        "geometry": geometry.with_offsets(rng.normal(size=(3, 2))),
        "projector": tomography.Projector(geometry),
        "result": registration.register(blobs((24, 24)), blobs((24, 24), (0.5, 1))),
        "strain": blobfinder.fit_lattice(rng.normal(size=(5, 2)), rng.integers(-2, 3, (5, 2))),
    }


@pytest.mark.parametrize("again", [lambda x: pickle.loads(pickle.dumps(x)), copy.deepcopy, copy.copy])
def test_everything_can_be_pickled_and_copied(instances, again):
    for one in instances.values():
        same(one, again(one))


def test_what_was_pickled_does_the_same(instances, rng):
    def both(name):
        return instances[name], pickle.loads(pickle.dumps(instances[name]))

    for plan in both("registration"):
        assert plan.params["method"] == "phase" and plan.shape == (16, 18)
    for plan in both("chi2"):
        assert plan.params["frame"] == "periodic"
    one, other = both("spectrum")
    np.testing.assert_array_equal(one.power, other.power)
    frame = disks((32, 32), [(15, 17)], 3)
    for name in ("template", "compatible", "image template", "data template"):
        one, other = both(name)
        np.testing.assert_array_equal(one.mask((32, 33), (14.25, 15)), other.mask((32, 33), (14.25, 15)))
    one, other = both("correlation")
    same(one.run(frame, [(15, 17)]), other.run(frame, [(15, 17)]))
    one, other = both("graph")
    np.testing.assert_array_equal(one.edges, other.edges)
    one, other = both("dendrogram")
    for name in ("merges", "distances", "added_edges", "n_components"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.n_components == 2
    one, other = both("scan")
    assert other.scan_shape == (6,)
    np.testing.assert_array_equal(one.frame(4), other.frame(4))
    one, other = both("plane")
    np.testing.assert_array_equal(one.sky([(0, 0), (9, 9)]), other.sky([(0, 0), (9, 9)]))
    one, other = both("geometry")
    assert one == other and not one == one.with_offsets(np.zeros((3, 2)))
    volume = rng.normal(size=(6, 6, 5))
    one, other = both("projector")
    np.testing.assert_array_equal(one.forward(volume), other.forward(volume))


def test_a_masked_array_is_not_taken_for_data():
    image = blobs((16, 16))
    hidden = np.ma.masked_greater(image, image.mean())
    with pytest.raises(pynonius.Error, match="reference: a masked array, whose mask would be forgotten"):
        registration.register(hidden, image)
    with pytest.raises(pynonius.Error, match="frames: a masked array"):
        clustering.pixel_statistics(np.ma.masked_array(np.ones((2, 4, 4)), np.eye(4, dtype=bool)[None].repeat(2, 0)))
    nothing_hidden = np.ma.masked_array(image)
    same(registration.register(nothing_hidden, image), registration.register(image, image))


def test_memory_maps_and_other_subclasses(tmp_path):
    frames = np.arange(2 * 3 * 4 * 5, dtype="u2").reshape(2, 3, 4, 5)
    np.save(tmp_path / "scan.npy", frames)
    mapped = np.load(tmp_path / "scan.npy", mmap_mode="r")
    same(clustering.pixel_statistics(mapped), clustering.pixel_statistics(frames))
    image = blobs((16, 16))
    with pytest.warns(PendingDeprecationWarning):
        matrix = np.matrix(image)
    same(registration.register(matrix, image), registration.register(image, image))
    same(clustering.pixel_statistics(np.asfortranarray(frames)), clustering.pixel_statistics(frames))


def test_what_is_no_array_of_numbers():
    image = np.ones((8, 8))
    for wrong in (
        np.full((8, 8), None),
        np.array([["a"] * 8] * 8),
        np.zeros((8, 8), "M8[s]"),
        np.zeros((8, 8), [("y", "f4")]),
        object(),
    ):
        with pytest.raises(pynonius.Error, match="moving: expected real numbers"):
            registration.register(image, wrong)
        with pytest.raises(pynonius.Error, match="frames: expected real numbers"):
            blobfinder.sum_frames(wrong)
    with pytest.raises(pynonius.Error, match="moving_mask: expected booleans .`array != 0` has them., got dtype uint8"):
        registration.register_masked(image, image, moving_mask=np.ones((8, 8), "u1"))


@pytest.mark.parametrize(
    "call",
    [
        lambda n: clustering.disk((n, n), (0, 0), 3),
        lambda n: clustering.radial_bins((n, n), (0, 0)),
        lambda n: clustering.polar_map((n, n), (0, 0)),
        lambda n: clustering.detector_weights("whole", (n, n)),
        lambda n: clustering.feature_masks((n, n), [(0, 0)]),
        lambda n: blobfinder.Template(radius=3).mask((n, n), (0, 0)),
        lambda n: blobfinder.Template(radius=3).stamps((n, n), [(0, 0)]),
        lambda n: blobfinder.CorrelationPlan((n, n), blobfinder.Template(radius=3)),
        lambda n: blobfinder.index_grid((-n, n), (-n, n)),
        lambda n: registration.RegistrationPlan((n, n)),
        lambda n: registration.SimilarityPlan((n, n)),
        lambda n: chi2.Chi2Plan((n, n)),
        lambda n: chi2.NoiseSpectrum.isotropic((n, n), lambda f: 1.0),
        lambda n: tomography.tukey_window((n, n), 0.5),
        lambda n: synthetic.image_series(n_frames=n),
        lambda n: synthetic.polycrystal(scan=(n, n)),
        lambda n: synthetic.diffraction_scan(scan=(n, n)),
        lambda n: synthetic.image_pair(scene={"shape": (n, n)}),
        lambda n: synthetic.tilt_series(volume_shape=(n, n, n)),
        lambda n: synthetic.noise_spectrum((n, n)),
        lambda n: synthetic.near_repetitions((n, n), (0, 0)),
        lambda n: synthetic.cbed_frame(shape=(n, n)),
        lambda n: synthetic.diffraction_frame(shape=(n, n)),
    ],
)
def test_sizes_beyond_memory_are_errors(call):
    for n in (1 << 20, (1 << 31) - 1):
        with pytest.raises(pynonius.Error):
            call(n)


def test_a_power_that_raises_says_so():
    def fails(frequency):
        raise RuntimeError("no power today")

    with pytest.raises(RuntimeError, match="no power today"):
        chi2.NoiseSpectrum.isotropic((4, 4), fails)
    spectrum = chi2.NoiseSpectrum.isotropic((8, 8), lambda f: 4.0)
    assert spectrum.sigma == pytest.approx(2)


def test_lattices_have_their_arithmetic():
    lattice = blobfinder.Lattice(zero=(30.0, 31.0), a=(0.0, 20.0), b=(5.0, 41.0))
    np.testing.assert_allclose(lattice.position((1, 1)), (35, 92))
    np.testing.assert_allclose(lattice.indices([(35, 92), (30, 31)]), [(1, 1), (0, 0)], atol=1e-12)
    basis = lattice.reduced_basis()
    assert abs(np.linalg.det(basis)) == pytest.approx(1)
    assert lattice.in_basis(basis).is_equivalent(lattice, 1e-9)
    same(lattice.in_basis(basis), lattice.reduced())
    np.testing.assert_allclose(lattice.with_zero_at((1, 0)).zero, lattice.position((1, 0)))
    np.testing.assert_array_equal(lattice.basis_nearest(lattice), np.eye(2))
    assert abs(lattice.signed_area()) == pytest.approx(100)
    indices = blobfinder.index_grid((-2, 2), (-2, 2))
    found = blobfinder.fast_match(lattice.position(indices), *lattice)
    assert found.is_valid()
    reduced = found.reduced()
    np.testing.assert_allclose(reduced.positions(), found.positions(), atol=1e-9)
    np.testing.assert_allclose(found.with_zero_at((1, 1)).lattice.zero, lattice.position((1, 1)), atol=1e-9)
    assert len(found.positions(drop_zero=True, shape=(60, 60), margin=2)) < len(found.indices)
    vectors = np.array([(3.0, 4.0), (0.0, -2.0)])
    np.testing.assert_allclose(blobfinder.polar(vectors)[0], (5, np.arctan2(3, 4)))
    np.testing.assert_allclose(blobfinder.cartesian(blobfinder.polar(vectors)), vectors, atol=1e-12)
    moved = blobfinder.fit_affine(indices, 2 * indices + [3, -1])
    np.testing.assert_allclose(moved.fixed_point(), (-3, 1), atol=1e-9)
    with pytest.raises(pynonius.Error, match="fixed point"):
        blobfinder.AffineTransformation([[1, 0, 0], [0, 1, 0], [1, 1, 1]], (0, 0)).fixed_point()
    guessed = blobfinder.difference_clusters(lattice.position(indices))
    assert guessed.candidates.shape[1] == 2 and len(guessed.vectors) > 100


def test_a_template_for_each_position(rng):
    frame = disks((40, 40), [(12, 12)], 3) + disks((40, 40), [(28, 27)], 6)
    small, large = blobfinder.Template(radius=3), blobfinder.Template(radius=6)
    positions = [(12, 12), (28, 27)]
    both = blobfinder.CorrelationPlan((40, 40), [small, large]).run(frame, positions)
    for k, template in enumerate((small, large)):
        alone = blobfinder.CorrelationPlan((40, 40), template).run(frame, positions)
        np.testing.assert_array_equal(both.refineds[k], alone.refineds[k])
    over = blobfinder.correlate_frames(frame[None].repeat(2, 0), [small, large], positions)
    np.testing.assert_allclose(over.refineds[1], both.refineds, atol=1e-4)
    with pytest.raises(pynonius.Error, match="template: expected a Template or a list of them"):
        blobfinder.CorrelationPlan((40, 40), "disk")
    assert small.stamps((40, 40), positions).shape == (2, 40, 40)
    assert small.params["radius"] == 3 and "radius=3.0" in repr(small)


def test_a_template_is_as_good_as_its_keywords(rng):
    frames = rng.normal(size=(3, 24, 24))
    places = [(12, 12), (5, 18), (1, 2)]
    for params in (
        {"kind": "background_subtraction", "radius": 2.0, "radius_outer": 3.5},
        {"kind": "circular", "radius": 3.0, "search": 7.0},
        {"kind": "radial_gradient_background_subtraction", "radius": 2.3},
    ):
        template = blobfinder.Template(**params)
        for border in ("keep", "rebalance", "drop"):
            same(
                clustering.features(frames, places, template=template, border=border),
                clustering.features(frames, places, template=params, border=border),
            )
        same(
            clustering.feature_masks((24, 24), places, template=template),
            clustering.feature_masks((24, 24), places, template=params),
        )
    weights = rng.random((5, 5))
    np.testing.assert_allclose(
        clustering.features(frames, places[:2], template=blobfinder.Template.from_image(weights, search=2.0)),
        clustering.features(frames, places[:2], weights=weights),
    )
    with pytest.raises(pynonius.Error, match="weights: expected none beside a Template"):
        clustering.features(frames, places, template=template, weights=weights)


def test_standard_errors_are_roots_of_variances(rng):
    disk = blobfinder.Template(radius=4)
    frames = rng.poisson([disks((32, 32), [(15, 17.2)], 4, 60, 5)] * 3)
    found = blobfinder.correlate_frames(frames, disk, [(15, 17), (15, 16)])
    assert found.standard_errors.shape == (3, 2, 2) and found.standard_errors.dtype == np.float32
    for axis in (0, 1):
        variances = found.covariances[..., axis, axis]
        # Of single precision.
        np.testing.assert_allclose(found.standard_errors[..., axis] ** 2, variances, rtol=1e-6)
    assert (found.standard_errors[:, 0] > 0).all()
    unknown = blobfinder.correlate_frames(frames, disk, [(15, 17)], refinement="pixel")
    assert np.isnan(unknown.standard_errors).all() == np.isnan(unknown.covariances).all()
    peaks = blobfinder.CorrelationPlan((32, 32), disk).run(frames[0], [(15, 17)])
    np.testing.assert_allclose(peaks.standard_errors[0], np.sqrt(np.diag(peaks.covariances[0])))
    series = registration.register_series(frames, registration={"frame": "periodic"})
    pair = series.pairs[0]
    np.testing.assert_allclose(series.errors[pair.moving], pair.registration.errors)
    assert series.errors.shape == (3, 2)


def test_clusters_and_their_maps(rng):
    features = np.concatenate([rng.normal(size=(20, 3)), rng.normal(8, 1, (20, 3))])
    ordering = clustering.optics(features, min_samples=4)
    assert set(ordering.clusters_at(3.0)) <= {-1, 0, 1}
    components = clustering.principal_components(features, 2)
    np.testing.assert_allclose(components.scores_of(features), components.scores, atol=1e-9)
    scaled = clustering.scale(features, "per_frame")
    assert scaled.per_frame
    np.testing.assert_allclose(scaled.apply(features), scaled.features)
    graph = clustering.Graph.from_offsets([[0, 1], [1, 1]], shape=(3, 4))
    assert graph.n_samples == 12 and [0, 5] in graph.edges.tolist()
    parts = clustering.Graph.from_edges(4, [[0, 1], [2, 3]]).completed([[0.0], [1.0], [2.0], [9.0]])
    assert parts.added_edges.tolist() == [[1, 2]] and parts.n_components == 2
    tree = clustering.ward(features, clustering.Graph.grid((5, 8)))
    labels = tree.label_map(2, shape=(5, 8))
    np.testing.assert_array_equal(labels.ravel(), tree.labels(2))
    np.testing.assert_array_equal(tree.labels(2, (5, 8)), labels)
    np.testing.assert_array_equal(tree.labels(distance=0.0, shape=(40,)), tree.labels(distance=0.0))
    for shape in ((8,), (5, 9), (), (1 << 63, 2), (40, 0)):
        with pytest.raises(pynonius.Error, match="shape must be of 40 positions"):
            tree.labels(2, shape)
    assert tree.n_roots == 1 and tree.sizes[-1] == 40 and tree.parents[-1] == 78
    assert tree.n_clusters(tree.distances[-1]) == 2
    assert clustering.cluster_sizes(labels).sum() == 40
    (y0, y1), (x0, x1) = clustering.bounding_boxes(labels)[0]
    assert (labels[y0:y1, x0:x1] == 0).sum() == (labels == 0).sum()
    np.testing.assert_array_equal(clustering.united(labels, 0, 1), np.zeros((5, 8)))
    np.testing.assert_array_equal(clustering.relabeled(labels, [1, 0]), 1 - labels)
    assert clustering.cluster_sizes(clustering.renumbered(labels, "by_size"))[0] >= 20


def test_masks(rng):
    masks = clustering.feature_masks((16, 16), [(8, 8), (0, 0), (8, 8), (99, 99)])
    assert masks.masks.shape[1:] == (16, 16) and masks.repeated.tolist() == [2] and masks.outside.tolist() == [3]
    frames = rng.normal(size=(3, 16, 16))
    np.testing.assert_allclose(
        clustering.features(frames, [(8, 8)])[:, 0], (frames * masks.masks[0]).sum((1, 2)), atol=1e-12
    )
    np.testing.assert_allclose(
        clustering.features(frames, [(8, 8)], weights=[[2.0]])[:, 0], 2 * frames[:, 8, 8]
    )
    assert abs(clustering.background_subtraction((32, 32), (16, 16), 4, 7).sum()) < 1e-9
    assert clustering.rectangle((8, 8), (1, 2), (2, 3)).sum() == 12
    assert clustering.balanced([[1.0, -3.0]]).sum() == pytest.approx(0)
    assert clustering.radial_gradient((9, 9), (4, 4), 3)[4, 4] == 0
    polar = clustering.polar_map((9, 9), (4, 4))
    assert polar.radius[4, 8] == 4 and polar.angle[8, 4] == pytest.approx(np.pi / 2)


def test_poses_and_lags():
    pose = registration.Pose(30.0, 1.2, (3.0, -2.0))
    points = np.array([(5.0, 6.0), (10.0, 1.0)])
    np.testing.assert_allclose(pose.inverse().apply(pose.apply(points, (32, 32)), (32, 32)), points, atol=1e-9)
    pair = synthetic.image_pair(
        scene={"shape": (64, 64), "content": {"kind": "isolated_object", "radius": 20, "count": 30}},
        motion={"angle": 12.0},
    )
    plan = registration.SimilarityPlan((64, 64))
    same(plan.register(pair.reference, pair.moving), registration.register_similarity(pair.reference, pair.moving))
    assert plan.register(pair.reference, pair.moving).pose.angle == pytest.approx(12, abs=0.1)
    image = blobs((12, 14))
    for frame in ("periodic", "overlap"):
        found = chi2.chi2_map(image, np.roll(image, (2, -3), (0, 1)), frame=frame)
        if frame == "periodic":
            assert found.lag(np.unravel_index(np.nanargmin(found.chi2), found.chi2.shape)) == (2, -3)
        assert found.lag((0, 0)) == tuple(found.first_lag)


def test_results_in_files(tmp_path, rng):
    for dtype in ("u1", "u2", "i2", "u4", "f4", "f8"):
        image = rng.integers(0, 100, (5, 6)).astype(dtype)
        for ending in (".npy", ".fits", ".tif"):
            io.write_image(tmp_path / f"image{ending}", image)
            read = io.read_image(tmp_path / f"image{ending}")
            assert read.dtype == image.dtype.name, (ending, dtype)
            np.testing.assert_array_equal(read.pixels, image)
        io.write_stack(tmp_path / "stack.tif", image[None].repeat(2, 0))
        assert io.open_scan(tmp_path / "stack.tif").dtype == image.dtype.name
    for picture in (rng.integers(0, 256, (5, 6), dtype="u1"), rng.integers(0, 256, (5, 6, 3), dtype="u1")):
        io.write_image(tmp_path / "picture.png", picture)
        gray = io.read(f"{tmp_path / 'picture.png'}:red") if picture.ndim == 3 else io.read(tmp_path / "picture.png")
        np.testing.assert_array_equal(gray, picture[..., 0] if picture.ndim == 3 else picture)
    for wrong, message in [
        (("image.png", np.ones((4, 4))), "png holds uint8, got float64"),
        (("image.tif", np.ones((4, 4), "i8")), "got int64"),
        (("image.fits", np.ones((4, 4), "u8")), "got uint64"),
        (("image.jpg", np.ones((4, 4))), "path must end in"),
        (("image.tif", np.ones((4, 4, 3))), "expected shape"),
    ]:
        with pytest.raises(pynonius.Error, match=message):
            io.write_image(tmp_path / wrong[0], wrong[1])
    header = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 3.0, "CRPIX2": 2.0, "CRVAL1": 150.0,
              "CRVAL2": 2.0, "CD1_1": -1e-4, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 1e-4, "GOOD": True, "N": 3}
    io.write_array(tmp_path / "sky.fits", np.zeros((4, 5), "f4"), header=header)
    cards = io.read_image(tmp_path / "sky.fits").header
    kept = {card.keyword: card.value for card in cards}
    assert kept["GOOD"] is True and kept["N"] == 3 and kept["CRVAL1"] == 150.0
    plane = io.tangent_plane(cards)
    np.testing.assert_allclose(plane.sky((1, 2)), (150, 2), atol=1e-9)
    np.testing.assert_allclose(plane.pixel(plane.sky([(0, 4), (3, 1)])), [(0, 4), (3, 1)], atol=1e-8)
    np.testing.assert_allclose(plane.arcsec_per_px((1, 2)), [[0, -0.36], [0.36, 0]], atol=1e-6)
    assert np.isnan(plane.pixel((330.0, -2.0))).all()
    np.testing.assert_allclose(pickle.loads(pickle.dumps(plane)).sky((0, 0)), plane.sky((0, 0)))
    with pytest.raises(pynonius.IoError, match="CTYPE"):
        io.tangent_plane({})
    axes = [io.Axis("y", 3, 0.5, unit="nm"), {"name": "x", "size": 4, "scale": 1.0, "offset": 0.0, "unit": "px"}]
    maps = {"u16": np.arange(12, dtype="u2").reshape(3, 4), "f": io.Measured(np.ones((3, 4)), axes, "counts")}
    io.write_hdf5(tmp_path / "maps.h5", maps, root="mine", attributes={"n": 2, "who": "me"})
    np.testing.assert_array_equal(io.read(f"{tmp_path / 'maps.h5'}:/mine/u16/data"), maps["u16"])
    with pytest.raises(pynonius.IoError, match="shape"):
        io.write_hdf5(tmp_path / "maps.h5", {"f": io.Measured(np.ones((3, 5)), axes)})
    paths = []
    for k in range(3):
        paths.append(tmp_path / f"frame_{k}.tif")
        io.write_image(paths[-1], np.full((4, 5), k, "u2"))
    several = io.open_scan(paths)
    assert several.scan_shape == (3,) and several.frame(2)[0, 0] == 2
    assert pickle.loads(pickle.dumps(several)).frame(1)[0, 0] == 1
    with pytest.raises((pynonius.Error, TypeError)):
        io.open_scan(3.5)


def test_pictures(rng, tmp_path):
    image = blobs((24, 30))
    lattice = blobfinder.Lattice((12.0, 15.0), (6.0, 0.0), (0.0, 7.0))
    peaks = blobfinder.CorrelationPlan((24, 30), blobfinder.Template(radius=3)).run(image, [(12, 15), (5, 5)])
    drawing = blobfinder.draw_match(image, lattice, peaks, [(12, 15), (5, 5)], [True, False])
    assert [mark.kind for mark in drawing.marks].count("square") == 1
    pictures = [
        plot.map(image, "blobs", axes=[io.Axis("y", 24, 0.5, unit="nm"), io.Axis("x", 30, 0.5, unit="nm")]),
        plot.map(image - image.mean(), colors="signed"),
        plot.map(image, colors={"cyclic": 2.0}),
        plot.map(np.round(image), colors={"categories": ["none", "some", "more"]}),
        plot.shifts([(1, 2), (2, 1)], [(0.1, 0.1)] * 2, title="two"),
        plot.shifts([(1, 2)], truth=[(1, 2.1)]),
        plot.before_and_after(image, image, image),
        plot.curves([plot.CurvePanel("a", "x", "y", [plot.Curve("c", [0, 1], [1, 0], "dots")])]),
        plot.offsets([(1, 2), (3, 4)], start=[(0, 0), (1, 1)]),
        plot.images([[plot.Panel(image, "left"), plot.Panel(image)]], one_scale=True),
        plot.slices({"volume": rng.normal(size=(6, 7, 8)).astype("f4")}),
        plot.accuracy([plot.AccuracyRow("scene", 1.0, 1.1, 68.0)]),
        plot.marked_frame(drawing, "found", "2 disks"),
    ]
    star = 100 * blobs((32, 32), n=1)
    found = chi2.chi2_shift(star, star + rng.normal(size=star.shape), sigma=1.0)
    reach = 4 * found.standard_errors
    surface = chi2.chi2_surface(star, star + rng.normal(size=star.shape), found.shift, reach, 21, sigma=1.0)
    pictures.append(plot.chi2_surface(surface, found.shift, reach, found.errors))
    for picture in pictures:
        assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3
        assert picture.flags.owndata or picture.base is not None
        assert 0 < picture.std() < 128
    io.write_image(tmp_path / "picture.png", pictures[0])
    for call in (
        lambda: plot.map(np.zeros((0, 3))),
        lambda: plot.map(np.zeros((3, 3)), colors="rainbow"),
        lambda: plot.map(np.zeros((3, 3)), axes=[io.Axis("y", 4), io.Axis("x", 3)]),
        lambda: plot.curves([plot.CurvePanel("a", "x", "y", [])] * 300),
        lambda: plot.images([]),
        lambda: plot.shifts([(np.nan, 1)]),
        lambda: plot.marked_frame(blobfinder.Drawing(image, [("cross", (1, 1), None, 1.0, (1, 2, 3), 1.0)])),
    ):
        with pytest.raises(pynonius.Error):
            call()


def test_synthetic_images_are_what_they_say(rng):
    pair = synthetic.scene_pair("a", (1.25, -0.5), 0.01)
    assert np.abs(registration.register(pair.reference, pair.moving, frame="periodic").shift - (1.25, -0.5)).max() < 0.05
    assert pair.truth.shift.tolist() == [1.25, -0.5]
    series = synthetic.image_series(n_frames=4, noise={"sigma": 0.0}, seed=2)
    np.testing.assert_allclose(registration.register_series(series.frames).shifts, series.shifts, atol=0.02)
    spectrum = synthetic.noise_spectrum((16, 16), sigma=2.0, blur=0.5)
    assert chi2.NoiseSpectrum(spectrum / spectrum.size).sigma == pytest.approx(2, rel=0.05)
    np.testing.assert_allclose(synthetic.noise_sigma(np.ones((4, 4)), sigma=3.0), 3)
    frame = synthetic.diffraction_frame(noise={"sigma": 0.0})
    assert frame.truth.positions.shape == frame.truth.indices.shape and frame.frame.shape == frame.truth.bad.shape
    scan = synthetic.diffraction_scan(scan=(2, 3), frame={"shape": (64, 64)})
    assert scan.frames.shape == (2, 3, 64, 64) and scan.a.shape == (2, 3, 2)
    assert synthetic.cbed_frame().frame.dtype == np.float32
    missing = synthetic.polycrystal(scan=(3, 4), grains=2, missing=2)
    assert missing.frames.shape[0] == 10 and missing.truth.labels.shape == (3, 4)
    assert synthetic.near_repetitions((16, 16), (0.5, 0)).shape == (16, 16)
    with pytest.raises(pynonius.Error, match="unknown variant `waves`, expected .*`smooth_field`"):
        synthetic.image_pair(scene={"content": {"kind": "waves"}})


@pytest.fixture(scope="module")
def polycrystal():
    return synthetic.polycrystal(scan=(12, 16), grains=2, seed=4)


def test_strain_by_stages_is_strain_at_once(polycrystal, tmp_path):
    frames = polycrystal.frames
    found = workflow.strain(frames, regions={"clusters": 4}, reference={"grain_tolerance": 2.0})
    deviation = workflow.deviation(frames)
    regions = workflow.find_regions(frames, workflow.find_spots(deviation), clusters=4)
    lattices = workflow.find_lattices(frames, regions.labels, deviation)
    crystals = workflow.find_crystals(regions.labels, lattices, grain_tolerance=2.0)
    labels, grains = workflow.settle_boundaries(
        frames, regions, lattices, region_params={"clusters": 4}, reference={"grain_tolerance": 2.0}
    )
    refined = workflow.refine_frames(frames, labels, lattices)
    strain = workflow.map_strain(regions.labels, lattices, refined, grain_tolerance=2.0)
    same(found.crystals, crystals)
    same((found.labels, found.grains), (labels, grains))
    same(found.strain, strain)
    same(found.frames, refined)
    same(pickle.loads(pickle.dumps(found)), found)
    truth = polycrystal.truth
    inside = truth.boundary_distance > 1.5
    assert np.nanmedian(np.abs(found.strain.xx - truth.strain_xx)[inside]) < 0.02
    superlattice = workflow.measure_superlattice(frames, found.frames, [(0.5, 0.5)])
    assert superlattice.signal.shape == (12, 16)
    workflow.write_strain_report(tmp_path / "report.html", frames, found)
    page = (tmp_path / "report.html").read_text()
    assert page.startswith("<!doctype html>") and "ε_xx" in page
    roi = np.zeros((12, 16), bool)
    roi[2:8, 3:12] = True
    part = workflow.strain(frames, roi=roi, regions={"clusters": 3})
    assert (part.labels == -2).sum() == (~roi).sum() and np.isnan(part.strain.xx[~roi]).all()


def test_wrong_stages_are_told(polycrystal, tmp_path):
    frames = polycrystal.frames
    deviation = workflow.deviation(frames)
    regions = workflow.find_regions(frames, workflow.find_spots(deviation), clusters=3)
    lattices = workflow.find_lattices(frames, regions.labels, deviation)
    refined = workflow.refine_frames(frames, regions.labels, lattices)
    one = refined.regions[0]
    for call in (
        lambda: workflow.strain(frames[:, :, :0]),
        lambda: workflow.strain(np.zeros((3, 3, 8, 8))),
        lambda: workflow.strain(frames, spot={}),
        lambda: workflow.find_lattices(frames, regions.labels[:3], deviation),
        lambda: workflow.find_crystals(regions.labels[:3], lattices),
        lambda: workflow.find_crystals(regions.labels, lattices._replace(regions=[])),
        lambda: workflow.refine_frames(frames[:4], regions.labels, lattices),
        lambda: workflow.map_strain(regions.labels, lattices, refined._replace(regions=[one._replace(roi=one.roi[:2])])),
        lambda: workflow.map_strain(
            regions.labels, lattices,
            refined._replace(regions=[one._replace(refined=one.refined._replace(zero=one.refined.zero[:1]))]),
        ),
        lambda: workflow.measure_superlattice(frames, refined, [(1.0, 0.0)]),
        lambda: workflow.measure_superlattice(frames[:3], refined, [(0.5, 0.0)]),
        lambda: workflow.write_scan_report(tmp_path / "no.html", "no", []),
        lambda: workflow.strain_params(-1.0),
    ):
        with pytest.raises((pynonius.Error, pynonius.IoError)):
            call()
    with pytest.raises((AttributeError, TypeError)):
        workflow.find_spots("words")
