"""LiberTEM-blobfinder beside ours."""

import inspect

import numpy as np
import pytest

from conftest import disks
from pynonius import familiar


@pytest.mark.parametrize("name", ["Matcher", "FullMatcher"])
def test_signatures(name):
    from libertem_blobfinder.common import fullmatch, gridmatching

    model = getattr(fullmatch if name == "FullMatcher" else gridmatching, name)
    method = "full_match" if name == "FullMatcher" else "fastmatch"
    stand_in = getattr(familiar, name)
    for ours, theirs in ((stand_in, model), (getattr(stand_in, method), getattr(model, method))):
        ours, theirs = inspect.signature(ours).parameters, inspect.signature(theirs).parameters
        assert {k: p.default for k, p in ours.items()} == {k: p.default for k, p in theirs.items()}




PATTERNS = ["Circular", "RadialGradient", "BackgroundSubtraction", "RadialGradientBackgroundSubtraction"]


@pytest.fixture(scope="module")
def cbed():
    """The frames that its documentation uses."""
    from libertem_blobfinder.base.utils import cbed_frame

    return cbed_frame(radius=4)


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns(name, agree):
    from libertem_blobfinder.common import patterns

    theirs = getattr(patterns, name)(radius=4).get_mask((33, 40))
    ours = getattr(familiar, name)(radius=4).mask((33, 40), (16, 20))
    agree("Circular, RadialGradient, ...", np.abs(ours - theirs).max(), 1e-6)


@pytest.mark.parametrize("name", PATTERNS)
def test_get_peaks(name, cbed):
    from libertem_blobfinder.common import patterns
    from libertem_blobfinder.common.correlation import get_peaks

    frames, _, positions = cbed
    theirs = get_peaks(frames[0], getattr(patterns, name)(radius=4), len(positions))
    ours = familiar.get_peaks(frames[0], getattr(familiar, name)(radius=4), len(positions))
    # Disks are equally high but for rounding, so they come in any order.
    assert {tuple(p) for p in ours.tolist()} == {tuple(p) for p in theirs.tolist()}


@pytest.mark.parametrize("upsample", [False, True, 10])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("name", PATTERNS)
def test_process_frames(name, full, upsample, cbed, rng, agree):
    from libertem_blobfinder.common import correlation, patterns

    frames, _, positions = cbed
    frames = rng.poisson(frames * 50 + 3).astype(np.float32)
    peaks = np.array(positions, int)
    peaks = peaks[np.all((peaks > 12) & (peaks < np.array(frames.shape[1:]) - 12), axis=1)]
    which = "process_frames_full" if full else "process_frames_fast"
    ours = getattr(familiar, which)(getattr(familiar, name)(radius=4), frames, peaks, upsample)
    # In windows, their frame functions take True for a factor of 1.
    factor = 20 if upsample is True else upsample
    theirs = getattr(correlation, which)(getattr(patterns, name)(radius=4), frames, peaks, factor)
    np.testing.assert_array_equal(ours[0], theirs[0])
    # Single precision of the transforms.
    agree("process_frames_fast, ..._full, refined positions, px", np.abs(ours[1] - theirs[1]).max(), 1e-4)
    np.testing.assert_allclose(ours[2], theirs[2], rtol=1e-3, atol=1e-3)


def test_fastmatch_and_full_match(rng, agree):
    from libertem_blobfinder.common.fullmatch import FullMatcher
    from libertem_blobfinder.common.gridmatching import Matcher

    indices = np.mgrid[-3:4, -3:4].reshape(2, -1).T
    zero, a, b = np.array([64.3, 63.8]), np.array([17.5, 3.2]), np.array([-2.1, 19.0])
    refineds = zero + indices @ np.array([a, b]) + rng.normal(scale=0.1, size=indices.shape)
    centers, elevations = np.round(refineds).astype(int), rng.uniform(0.5, 2, len(indices))
    keywords = {"refineds": refineds, "peak_elevations": elevations}
    theirs = Matcher().fastmatch(
        centers, zero + 0.4, a + 0.1, b - 0.1, peak_values=elevations, **keywords
    )
    ours = familiar.fastmatch(centers, zero + 0.4, a + 0.1, b - 0.1, **keywords)
    for name in ("zero", "a", "b"):
        difference = np.abs(getattr(ours, name) - getattr(theirs, name)).max()
        agree("fastmatch, zero and vectors, px", difference, 1e-9)
    np.testing.assert_allclose(ours.error, theirs.error, rtol=1e-6)
    np.testing.assert_array_equal(ours.selector, theirs.selector)

    middle = int(np.argmin(np.abs(indices).sum(1)))
    theirs = FullMatcher().full_match(
        centers, zero=refineds[middle], peak_values=elevations, **keywords
    )[0][0]
    ours = familiar.full_match(centers, zero=refineds[middle], **keywords).matches[0]
    # The same lattice, in whatever vectors.
    basis = np.linalg.solve(np.array([theirs.a, theirs.b]).T, np.array([ours.a, ours.b]).T)
    np.testing.assert_allclose(basis, np.round(basis), atol=0.01)
    assert abs(round(np.linalg.det(basis))) == 1
    agree("full_match, zero, px", np.abs(ours.zero - theirs.zero).max(), 0.05)


def test_run_blobfinder_and_run_refine(rng, agree):
    from libertem.api import Context
    from libertem_blobfinder.common.patterns import BackgroundSubtraction
    from libertem_blobfinder.common.gridmatching import Matcher
    from libertem_blobfinder.udf.correlation import run_blobfinder
    from libertem_blobfinder.udf.refinement import run_refine

    zero, a, b = np.array([40.0, 41.0]), np.array([18.0, 1.0]), np.array([-1.0, 17.0])
    indices = np.mgrid[-1:2, -1:2].reshape(2, -1).T
    frames = np.empty((3, 4, 80, 80), np.float32)
    for j, k in np.ndindex(3, 4):
        centers = zero + indices @ np.array([a * (1 + 0.003 * k), b])
        frames[j, k] = rng.poisson(disks((80, 80), centers, 5, 40, 3))
    ctx = Context.make_with("inline")
    dataset = ctx.load("memory", data=frames, sig_dims=2)
    theirs = run_blobfinder(ctx, dataset, BackgroundSubtraction(radius=5), 9)
    ours = familiar.run_blobfinder(frames, familiar.BackgroundSubtraction(radius=5), 9)
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-5, atol=1e-5)
    order = np.lexsort(np.asarray(ours[5]).T)
    reference = np.lexsort(np.asarray(theirs[5]).T)
    np.testing.assert_array_equal(ours[5][order], theirs[5][reference])
    refineds = ours[2].reshape(3, 4, 9, 2)[:, :, order]
    difference = np.abs(refineds - theirs[2].data[:, :, reference]).max()
    agree("run_blobfinder, run_fastcorrelation, refined positions, px", difference, 1e-4)

    result, used = run_refine(
        ctx, dataset, zero, a, b, BackgroundSubtraction(radius=5), Matcher(), indices=np.mgrid[-1:2, -1:2]
    )
    found, _ = familiar.run_refine(
        frames, zero, a, b, familiar.BackgroundSubtraction(radius=5), indices=indices
    )
    for name in ("zero", "a", "b"):
        difference = np.abs(getattr(found, name).reshape(3, 4, 2) - result[name].data).max()
        agree("run_refine, zero and vectors, px", difference, 1e-4)
    assert abs(found.a.reshape(3, 4, 2)[:, 3].mean(0)[0] - 18.162) < 0.02


def test_matches_have_their_attributes(rng):
    from libertem_blobfinder.common import fullmatch, gridmatching

    points = np.concatenate([np.mgrid[:100:20, :100:20].reshape(2, -1).T + 3.0, [[11.0, 13.0]]])
    refineds = points + rng.normal(scale=0.1, size=points.shape)
    weights = rng.uniform(0.5, 2, len(points))
    keywords = {"refineds": refineds, "peak_values": 2 * weights, "peak_elevations": weights}
    names = ["zero", "a", "b", "indices", "selector", "centers", "refineds", "peak_values", "peak_elevations"]
    arguments = (np.round(points).astype(int), (3.2, 2.9), (20.2, 0.1), (0.2, 19.8))
    theirs = gridmatching.Matcher().fastmatch(*arguments, **keywords)
    ours = familiar.Matcher().fastmatch(*arguments, **keywords)
    for name in [*names, "calculated_refineds", "error"]:
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), atol=1e-9, err_msg=name)
    assert not ours.isnan() and not theirs.isnan()
    far = familiar.Matcher().fastmatch(arguments[0], (3, 3), (200, 0), (0, 200), **keywords)
    assert far.isnan() and np.isinf(far.error)
    theirs = gridmatching.Matcher().affinematch(theirs.centers, theirs.indices, theirs.refineds)
    ours = familiar.Matcher().affinematch(ours.centers, ours.indices, ours.refineds)
    for name in ("zero", "a", "b"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), atol=1e-9)

    matches, unmatched, weak = familiar.FullMatcher().full_match(arguments[0], **keywords)
    one, other, third = fullmatch.FullMatcher().full_match(arguments[0], **keywords)
    assert len(matches) == len(one) == 1
    np.testing.assert_array_equal(matches[0].selector, one[0].selector)
    np.testing.assert_array_equal(unmatched.selector, other.selector)
    np.testing.assert_array_equal(weak.refineds, third.refineds)
    with pytest.raises(ValueError, match="peak_values: expected 26"):
        familiar.Matcher().fastmatch(*arguments, peak_values=weights[:3])
    with pytest.raises(ValueError, match="clusterer"):
        familiar.FullMatcher(clusterer=object()).full_match(points)


def test_get_correlation(cbed, agree):
    from libertem_blobfinder.common import correlation, patterns

    frame = cbed[0][0]
    for name in PATTERNS:
        theirs = correlation.get_correlation(frame, getattr(patterns, name)(radius=4))
        ours = familiar.get_correlation(frame, getattr(familiar, name)(radius=4))
        agree("get_correlation, relative", np.abs(ours - theirs).max() / np.abs(theirs).max(), 1e-6)
