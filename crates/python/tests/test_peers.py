"""The familiar functions beside their models, on inputs that the models' public functions make."""

import numpy as np
import pytest
from scipy import ndimage

from conftest import blobs, disks
from pynonius import clustering, familiar

# scikit-image


@pytest.fixture(scope="module")
def skimage_images():
    from skimage import data

    return {
        "camera": data.camera()[100:228, 150:278].astype(float),
        "coins": data.coins()[:101, :120].astype(float),
        "cell": data.cell()[200:296, 200:296].astype(float),
    }


@pytest.mark.parametrize("name", ["camera", "coins", "cell"])
@pytest.mark.parametrize("factor", [1, 10, 100])
@pytest.mark.parametrize("normalization", ["phase", None])
def test_phase_cross_correlation(skimage_images, name, factor, normalization):
    from skimage.registration import phase_cross_correlation

    image = skimage_images[name]
    moved = np.fft.ifft2(ndimage.fourier_shift(np.fft.fft2(image), (-7.3, 4.6))).real
    keywords = {"upsample_factor": factor, "normalization": normalization}
    shift, error, phase = familiar.phase_cross_correlation(image, moved, **keywords)
    theirs = phase_cross_correlation(image, moved, **keywords)
    # Two points of the grid may be as high as one another but for rounding.
    np.testing.assert_allclose(shift, theirs[0], atol=1e-9)
    if normalization is None:
        # Of phase correlation, ours are those of the images and not of their normalised spectra.
        np.testing.assert_allclose((error, phase), theirs[1:], atol=1e-6)


def test_phase_cross_correlation_of_transforms_and_volumes(rng):
    from skimage.registration import phase_cross_correlation

    volume = rng.normal(size=(12, 14, 16))
    moved = np.roll(volume, (2, -3, 4), (0, 1, 2))
    ours = familiar.phase_cross_correlation(volume, moved)
    np.testing.assert_array_equal(ours[0], phase_cross_correlation(volume, moved)[0])
    f, g = np.fft.fftn(volume), np.fft.fftn(moved)
    np.testing.assert_array_equal(
        familiar.phase_cross_correlation(f, g, space="fourier")[0],
        phase_cross_correlation(f, g, space="fourier")[0],
    )


def test_phase_cross_correlation_with_masks(skimage_images):
    """Theirs is on whole pixels; ours goes below them."""
    from skimage.registration import phase_cross_correlation

    image = skimage_images["camera"]
    reference, moving = image[10:110, 10:110], image[14:114, 3:103]
    mask = np.ones(reference.shape, bool)
    mask[40:60, 20:50] = False
    ours = familiar.phase_cross_correlation(
        reference, np.where(mask, moving, np.nan), reference_mask=mask, moving_mask=mask
    )[0]
    theirs = phase_cross_correlation(reference, moving, reference_mask=mask, moving_mask=mask)[0]
    np.testing.assert_allclose(ours, theirs, atol=0.02)


def test_phase_cross_correlation_tells_which_wrap_is_meant(skimage_images):
    image = skimage_images["camera"]
    reference, moving = image[:100, :100], image[20:120, 10:110]
    shift, _, _ = familiar.phase_cross_correlation(reference, moving, disambiguate=True)
    np.testing.assert_array_equal(shift, (20, 10))


@pytest.mark.parametrize("name", ["tvl1", "ilk"])
def test_optical_flow(skimage_images, name):
    from skimage import registration

    image = skimage_images["camera"] / 255
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    moved = ndimage.map_coordinates(image, [y + np.sin(x / 20), x + np.cos(y / 20)], order=3, mode="nearest")
    ours = getattr(familiar, f"optical_flow_{name}")(image, moved)
    theirs = getattr(registration, f"optical_flow_{name}")(image, moved)
    inside = np.s_[:, 12:-12, 12:-12]
    difference = np.abs(ours - theirs)[inside]
    # Pyramids are resampled otherwise: typical differences are far below those from the truth.
    assert np.median(difference) < 0.03, np.median(difference)


# image_registration


@pytest.mark.parametrize("size", [33, 48])
@pytest.mark.parametrize("shift", [(3.7, -1.2), (0.0, 0.0), (-4.5, 6.25)])
def test_chi2_shift(size, shift, rng):
    import image_registration

    image = 100 * blobs((size, size), margin=8)
    moved = ndimage.shift(image, shift[::-1], order=5, mode="grid-wrap") + rng.normal(size=image.shape)
    for factor in ("auto", 1, 10):
        ours = familiar.chi2_shift(image, moved, 1.0, upsample_factor=factor)
        theirs = image_registration.chi2_shift(image, moved, 1.0, upsample_factor=factor)
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_chi2n_map(rng):
    import image_registration.chi2_shifts as theirs

    image = rng.normal(size=(20, 23))
    moved = np.roll(image, (2, -3), (0, 1))
    for err in (None, 0.5, rng.uniform(0.5, 2, image.shape)):
        ours = familiar.chi2n_map(image, moved, err, return_all=True)
        for one, other in zip(ours, theirs.chi2n_map(image, moved, err, return_all=True)):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-8)
    map = theirs.chi2n_map(100 * blobs((33, 33)), 100 * blobs((33, 33), (1, 2)))
    np.testing.assert_allclose(
        familiar.chi2map_to_errors(map / 100, 2.0), theirs.chi2map_to_errors(map / 100, 2.0)
    )


@pytest.mark.parametrize("factor", [1, 2, 10])
def test_register_images(factor):
    import image_registration

    image = blobs((40, 40), margin=6)
    moved = ndimage.shift(image, (2.6, -1.3), order=5, mode="grid-wrap")
    ours = familiar.register_images(image, moved, usfac=factor)
    theirs = image_registration.register_images(image, moved, usfac=factor)
    np.testing.assert_allclose(ours, theirs[:2], atol=1e-9)


def test_cross_correlation_shifts():
    """Theirs takes the mixed derivative with the wrong sign: small shifts agree to what that leaves."""
    import image_registration

    image = blobs((41, 41), n=1, width=4, margin=18)
    moved = ndimage.shift(image, (0.3, -0.2), order=5, mode="grid-wrap")
    dx, dy = familiar.cross_correlation_shifts(image, moved)
    np.testing.assert_allclose((dx, dy), (-0.2, 0.3), atol=0.01)


# scikit-learn


@pytest.mark.parametrize("seed", range(3))
def test_ward_on_a_grid(seed):
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.feature_extraction.image import grid_to_graph

    features = np.random.default_rng(seed).normal(size=(12 * 15, 4)).cumsum(0)
    connectivity = grid_to_graph(12, 15)
    theirs = AgglomerativeClustering(7, connectivity=connectivity, compute_distances=True, compute_full_tree=True)
    theirs.fit(features)
    ours = familiar.AgglomerativeClustering(7, connectivity=connectivity).fit(features)
    np.testing.assert_array_equal(ours.children_, theirs.children_)
    np.testing.assert_array_equal(ours.distances_, theirs.distances_)
    np.testing.assert_array_equal(ours.labels_, theirs.labels_)
    assert ours.n_connected_components_ == theirs.n_connected_components_


def test_ward_at_a_distance(rng):
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.feature_extraction.image import grid_to_graph

    features = rng.normal(size=(80, 3))
    connectivity = grid_to_graph(8, 10)
    keywords = {"n_clusters": None, "distance_threshold": 3.0, "connectivity": connectivity}
    theirs = AgglomerativeClustering(**keywords).fit(features)
    ours = familiar.AgglomerativeClustering(**keywords).fit(features)
    assert ours.n_clusters_ == theirs.n_clusters_
    np.testing.assert_array_equal(ours.labels_, theirs.labels_)


@pytest.mark.parametrize("linkage", ["ward", "average", "complete", "single"])
def test_linkages_without_a_graph(linkage, rng):
    from sklearn.cluster import AgglomerativeClustering

    features = rng.normal(size=(60, 4))
    theirs = AgglomerativeClustering(5, linkage=linkage).fit_predict(features)
    ours = familiar.AgglomerativeClustering(5, linkage=linkage).fit_predict(features)
    assert clustering.adjusted_rand_index(ours, theirs) == 1.0


# LiberTEM-blobfinder


PATTERNS = ["Circular", "RadialGradient", "BackgroundSubtraction", "RadialGradientBackgroundSubtraction"]


@pytest.fixture(scope="module")
def cbed():
    """The frames that its documentation uses."""
    from libertem_blobfinder.base.utils import cbed_frame

    return cbed_frame(radius=4)


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns(name):
    from libertem_blobfinder.common import patterns

    theirs = getattr(patterns, name)(radius=4).get_mask((33, 40))
    ours = getattr(familiar, name)(radius=4).mask((33, 40), (16, 20))
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


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
def test_process_frames(name, full, upsample, cbed, rng):
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
    np.testing.assert_allclose(ours[1], theirs[1], atol=2e-3)
    np.testing.assert_allclose(ours[2], theirs[2], rtol=1e-3, atol=1e-3)


def test_fastmatch_and_full_match(rng):
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
        np.testing.assert_allclose(getattr(ours.lattice, name), getattr(theirs, name), atol=1e-9)
    np.testing.assert_allclose(ours.error, theirs.error, rtol=1e-6)
    np.testing.assert_array_equal(ours.selector, theirs.selector)

    middle = int(np.argmin(np.abs(indices).sum(1)))
    theirs = FullMatcher().full_match(
        centers, zero=refineds[middle], peak_values=elevations, **keywords
    )[0][0]
    ours = familiar.full_match(centers, zero=refineds[middle], **keywords).matches[0].lattice
    # The same lattice, in whatever vectors.
    basis = np.linalg.solve(np.array([theirs.a, theirs.b]).T, np.array([ours.a, ours.b]).T)
    np.testing.assert_allclose(basis, np.round(basis), atol=0.01)
    assert abs(round(np.linalg.det(basis))) == 1
    np.testing.assert_allclose(ours.zero, theirs.zero, atol=0.05)


def test_run_blobfinder_and_run_refine(rng):
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
    np.testing.assert_allclose(refineds, theirs[2].data[:, :, reference], atol=2e-3)

    result, used = run_refine(
        ctx, dataset, zero, a, b, BackgroundSubtraction(radius=5), Matcher(), indices=np.mgrid[-1:2, -1:2]
    )
    found, _ = familiar.run_refine(
        frames, zero, a, b, familiar.BackgroundSubtraction(radius=5), indices=indices
    )
    for name in ("zero", "a", "b"):
        # Their driver weighs some disks otherwise than its own frame functions.
        np.testing.assert_allclose(
            getattr(found, name).reshape(3, 4, 2), result[name].data, atol=5e-3
        )
    assert abs(found.a.reshape(3, 4, 2)[:, 3].mean(0)[0] - 18.162) < 0.02
