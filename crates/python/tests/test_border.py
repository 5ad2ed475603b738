"""Arrays, parameters, errors, threads, signals and progress: what the border does, whatever is computed."""

import inspect
import os
import signal
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

import pynonius
from conftest import blobs, disks
from pynonius import blobfinder, chi2, clustering, io, registration, tomography

MODULES = [registration, chi2, blobfinder, clustering, io, tomography]


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
    assert n > 25


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
