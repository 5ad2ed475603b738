"""image_registration beside ours."""

import inspect
import itertools

import numpy as np
import pytest
from scipy import ndimage

from conftest import blobs
from pynonius import familiar

NAMES = [
    "chi2_shift",
    "chi2_shift_iterzoom",
    "chi2n_map",
    "register_images",
    "cross_correlation_shifts",
    "fft_tools.shift2d",
    "fft_tools.shiftnd",
    "fft_tools.correlate2d",
]


@pytest.fixture
def generators():
    """What the package's own tests are made with; they draw from the global generator."""
    from image_registration.tests import registration_testing

    np.random.seed(7)
    return registration_testing


@pytest.mark.parametrize("name", NAMES)
def test_keywords(name):
    """Every keyword is one of ours with the same default, has no effect, or is refused by name."""
    import image_registration

    theirs = image_registration
    for part in name.split("."):
        theirs = getattr(theirs, part)
    parameters = inspect.signature(theirs).parameters.values()
    theirs = {p.name: p for p in parameters if p.kind is not p.VAR_KEYWORD}
    function = getattr(familiar, name.rpartition(".")[2])
    ours = inspect.signature(function).parameters
    images = {k: np.eye(8) for k, p in theirs.items() if p.default is p.empty}
    if "shift" in name and "fft_tools" in name:
        images = {k: np.eye(8) if k == "data" else (1, 2) if k == "offset" else 1 for k in images}
    for keyword, parameter in theirs.items():
        if keyword in images:
            continue
        if keyword in ours:
            one, other = ours[keyword].default, parameter.default
            assert one == (tuple(other) if isinstance(other, list) else other), keyword
        elif keyword not in ("return_abs", "return_real"):
            function(**images, **{keyword: parameter.default})
    with pytest.raises(ValueError, match="no_such_keyword"):
        function(**images, no_such_keyword=1)


def test_chi2_shift_of_its_tests(generators, agree):
    for size, shift in itertools.product((99, 100, 101), [(1, 1.5), (-1.25, 8.2), (10.1, 1)]):
        extended = generators.make_extended(size)
        # As they are, its scenes are lost in its noise: their standard deviation is 3e-4.
        assert extended.std() < 1e-3
        extended /= extended.std()
        for noise in (0.5, 2.0):
            offset = generators.make_offset_extended(extended, *shift, noise=noise)
            ours = familiar.chi2_shift(extended, offset, noise, return_error=True, upsample_factor="auto")
            theirs = generators.chi2_shift(extended, offset, noise, return_error=True, upsample_factor="auto")
            agree("chi2_shift, extended scenes, px", np.abs(np.subtract(ours, theirs)).max(), 1e-6)
            # The grid has 512 points per pixel at most.
            assert np.all(np.abs(np.subtract(ours[:2], shift)) < 4 * np.array(ours[2:]) + 2e-3)
        image, moved, _ = generators.make_offset_images(*shift, size)
        difference = np.subtract(familiar.chi2_shift(image, moved), generators.chi2_shift(image, moved))
        agree("chi2_shift, sources of its tests, px", np.abs(difference).max(), 1e-6)


def test_register_images_of_its_tests(generators, agree):
    import image_registration

    for size, factor in itertools.product((99, 100), (1, 2, 10)):
        image, moved, _ = generators.make_offset_images(1.5, -1.25, size)
        keywords = {"usfac": factor, "return_error": True}
        ours = familiar.register_images(image, moved, **keywords)
        theirs = image_registration.register_images(image, moved, **keywords)
        agree("register_images, sources of its tests, px", np.abs(np.subtract(ours, theirs)).max(), 1e-9)


def test_cross_correlation_shifts_of_its_tests(generators, agree):
    """Along axes of odd length theirs is half a pixel off; its errors are a hundred times too long."""
    for size, shift in itertools.product((99, 100, 101), [(1, 1.5), (-1.25, 8.2)]):
        image, moved, tolerance = generators.make_offset_images(*shift, size)
        dx, dy, edx, edy = familiar.cross_correlation_shifts(image, moved, return_error=True)
        error = np.abs(np.subtract((dx, dy), shift)).max()
        agree("cross_correlation_shifts, sources of its tests, truth, px", error, 0.02)
        theirs = generators.cross_correlation_shifts(image, moved, return_error=True)
        half = 0.5 * (size % 2)
        agree(
            "cross_correlation_shifts, its half pixels taken off, px",
            np.abs(np.subtract((dx, dy), np.subtract(theirs[:2], half))).max(),
            # That of the mixed derivative with the wrong sign.
            0.01,
        )
        # A source of amplitude A in noise σ is known to (σ/A) √(2/π), whatever its width.
        np.testing.assert_allclose((edx, edy), 1e-3 * np.sqrt(2 / np.pi), rtol=0.1)
        assert min(theirs[2:]) > 100 * edx


@pytest.mark.parametrize("shape", [(20, 23), (21, 22), (16, 16)])
def test_fourier_tools(shape, rng, agree):
    from image_registration import fft_tools

    a, b = rng.normal(size=shape), rng.normal(size=shape)
    pairs = [
        (familiar.shift2d(a, 1.3, -2.6), fft_tools.shift2d(a, 1.3, -2.6)),
        (familiar.shiftnd(a, (1.3, -2.6)), fft_tools.shiftnd(a, (1.3, -2.6))),
        (familiar.correlate2d(a, b), fft_tools.correlate2d(a, b)),
        (familiar.correlate2d(a, b, "fill"), fft_tools.correlate2d(a, b, boundary="fill")),
    ]
    for ours, theirs in pairs:
        agree("shift2d, shiftnd, correlate2d", np.abs(ours - theirs).max(), 1e-12)


@pytest.mark.parametrize("size", [64, 65])
def test_iterzoom_finds_what_is_there(size, generators, agree):
    """Theirs stops at a name that is not defined, and with it is half a pixel off along even axes."""
    import image_registration

    image, moved, _ = generators.make_offset_images(1.5, -1.25, size, xcen=30, ycen=32)
    keywords = {"err": 1.0, "upsample_factor": "auto", "mindiff": 0.02}
    dx, dy, edx, edy = familiar.chi2_shift_iterzoom(image, moved, **keywords)
    agree("chi2_shift_iterzoom, sources of its tests, truth, px", np.abs((dx - 1.5, dy + 1.25)).max(), 4e-3)
    # The joint region of two parameters reaches 1.515 of a standard error, (σ/A) √(2/π).
    np.testing.assert_allclose((edx, edy), 1.515e-3 * np.sqrt(2 / np.pi), rtol=0.02)

    with pytest.raises(NameError):
        image_registration.chi2_shift_iterzoom(image, moved, **keywords)




@pytest.mark.parametrize("size", [33, 48])
@pytest.mark.parametrize("shift", [(3.7, -1.2), (0.0, 0.0), (-4.5, 6.25)])
def test_chi2_shift(size, shift, rng, agree):
    import image_registration

    image = 100 * blobs((size, size), margin=8)
    moved = ndimage.shift(image, shift[::-1], order=5, mode="grid-wrap") + rng.normal(size=image.shape)
    for factor in ("auto", 1, 10):
        ours = familiar.chi2_shift(image, moved, 1.0, upsample_factor=factor)
        theirs = image_registration.chi2_shift(image, moved, 1.0, upsample_factor=factor)
        agree("chi2_shift, blobs, px", np.abs(np.subtract(ours, theirs)).max(), 1e-6)


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
def test_register_images(factor, agree):
    import image_registration

    image = blobs((40, 40), margin=6)
    moved = ndimage.shift(image, (2.6, -1.3), order=5, mode="grid-wrap")
    ours = familiar.register_images(image, moved, usfac=factor)
    theirs = image_registration.register_images(image, moved, usfac=factor)
    agree("register_images, blobs, px", np.abs(np.subtract(ours, theirs[:2])).max(), 1e-9)


def test_cross_correlation_shifts():
    """Theirs takes the mixed derivative with the wrong sign: small shifts agree to what that leaves."""
    import image_registration

    image = blobs((41, 41), n=1, width=4, margin=18)
    moved = ndimage.shift(image, (0.3, -0.2), order=5, mode="grid-wrap")
    dx, dy = familiar.cross_correlation_shifts(image, moved)
    np.testing.assert_allclose((dx, dy), (-0.2, 0.3), atol=0.01)


