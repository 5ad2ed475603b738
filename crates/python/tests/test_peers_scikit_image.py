"""scikit-image's registration beside ours, on the images that scikit-image brings."""

import inspect

import numpy as np
import pytest
from scipy import ndimage

from pynonius import familiar

IMAGES = ["brick", "camera", "cell", "clock", "coins", "grass", "gravel", "moon", "page", "text"]


def image_of(name):
    from skimage import data

    return getattr(data, name)()[:160, :131].astype(float)


@pytest.mark.parametrize("name", ["phase_cross_correlation", "optical_flow_tvl1", "optical_flow_ilk"])
def test_signatures(name):
    from skimage import registration

    ours = inspect.signature(getattr(familiar, name)).parameters
    theirs = inspect.signature(getattr(registration, name)).parameters
    assert {k: p.default for k, p in ours.items()} == {k: p.default for k, p in theirs.items()}


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("factor", [1, 10, 100])
@pytest.mark.parametrize("normalization", ["phase", None])
def test_phase_cross_correlation(name, factor, normalization, agree):
    from skimage.registration import phase_cross_correlation

    image = image_of(name)
    # The shift of the gallery's example of sub-pixel registration.
    moved = np.fft.ifft2(ndimage.fourier_shift(np.fft.fft2(image), (-22.4, 13.32))).real
    keywords = {"upsample_factor": factor, "normalization": normalization}
    shift, error, phase = familiar.phase_cross_correlation(image, moved, **keywords)
    theirs = phase_cross_correlation(image, moved, **keywords)
    agree("phase_cross_correlation, shift, px", np.abs(shift - theirs[0]).max(), 1e-9)
    if normalization is None:
        # Of phase correlation, ours are those of the images and not of their normalised spectra.
        difference = np.abs(np.subtract((error, phase), theirs[1:])).max()
        agree("phase_cross_correlation, error and phase, normalization=None", difference, 1e-6)


def test_phase_cross_correlation_of_transforms_and_volumes(agree):
    from skimage import data
    from skimage.registration import phase_cross_correlation

    volume = data.binary_blobs(length=24, n_dim=3, volume_fraction=0.3, rng=1).astype(float)
    moved = np.roll(volume, (2, -3, 4), (0, 1, 2))
    f, g = np.fft.fftn(volume), np.fft.fftn(moved)
    for arrays, space in (((volume, moved), "real"), ((f, g), "fourier")):
        for factor in (1, 4):
            keywords = {"space": space, "upsample_factor": factor}
            ours = familiar.phase_cross_correlation(*arrays, **keywords)[0]
            theirs = phase_cross_correlation(*arrays, **keywords)[0]
            agree("phase_cross_correlation, volumes and transforms, px", np.abs(ours - theirs).max(), 1e-9)


@pytest.mark.parametrize("name", ["camera", "coins", "gravel", "moon"])
def test_phase_cross_correlation_with_masks(name, agree):
    """Theirs is on whole pixels; ours goes below them, and takes NaN behind a mask."""
    from skimage.registration import phase_cross_correlation

    image = image_of(name)
    reference, moving = image[10:110, 10:110], image[14:114, 3:103]
    mask = np.ones(reference.shape, bool)
    mask[40:60, 20:50] = False
    ours = familiar.phase_cross_correlation(
        reference, np.where(mask, moving, np.nan), reference_mask=mask, moving_mask=mask
    )[0]
    theirs = phase_cross_correlation(reference, moving, reference_mask=mask, moving_mask=mask)[0]
    agree("phase_cross_correlation, masks, whole pixels, px", np.abs(ours - theirs).max(), 1e-6)


def test_phase_cross_correlation_tells_which_wrap_is_meant():
    image = image_of("camera")
    reference, moving = image[:100, :100], image[20:120, 10:110]
    shift, _, _ = familiar.phase_cross_correlation(reference, moving, disambiguate=True)
    np.testing.assert_array_equal(shift, (20, 10))


def pairs():
    from skimage import color, data

    camera = data.camera()[100:228, 150:278] / 255
    y, x = np.mgrid[: camera.shape[0], : camera.shape[1]]
    at = [y + np.sin(x / 20), x + np.cos(y / 20)]
    yield "camera", camera, ndimage.map_coordinates(camera, at, order=3, mode="nearest")
    # The pair of both functions' own example, its middle.
    left, right, _ = data.stereo_motorcycle()
    yield "motorcycle", *(color.rgb2gray(image)[150:350, 250:500] for image in (right, left))


# Where an image has no texture, Lucas and Kanade's systems are all but singular and rounding grows.
@pytest.mark.parametrize("name, largest", [("tvl1", 1e-6), ("ilk", 2e-3)])
def test_optical_flow(name, largest, agree):
    from skimage import registration

    ours, theirs = (getattr(m, f"optical_flow_{name}") for m in (familiar, registration))
    for pair, image, moved in pairs():
        double = [flow(image, moved, dtype=np.float64)[:, 12:-12, 12:-12] for flow in (ours, theirs)]
        agree(f"optical_flow_{name}, {pair}, float64, px", np.abs(double[0] - double[1]).max(), largest)
        single = [flow(image, moved)[:, 12:-12, 12:-12] for flow in (ours, theirs)]
        assert single[0].dtype == single[1].dtype == np.float32
        difference = np.abs(single[0] - single[1])
        agree(f"optical_flow_{name}, {pair}, float32, median, px", np.median(difference), 1e-3)
        # Single precision takes either as far from its own answer in double precision as from the other's.
        rounding = np.abs(single[1] - double[1])
        assert np.quantile(difference, 0.99) < 2 * np.quantile(rounding, 0.99) + 1e-4


def test_optical_flow_in_whole_numbers_is_refused():
    with pytest.raises(ValueError, match="dtype must be of floating point"):
        familiar.optical_flow_ilk(np.eye(16), np.eye(16), dtype=int)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_optical_flow_scales_whole_numbers(dtype, agree):
    from skimage import data, registration, util

    as_dtype = {np.uint8: util.img_as_ubyte, np.uint16: util.img_as_uint, np.int16: util.img_as_int}[dtype]
    image = as_dtype(data.camera()[100:160, 150:220])
    moved = np.roll(image, 1, 0)
    ours = familiar.optical_flow_tvl1(image, moved)
    theirs = registration.optical_flow_tvl1(image, moved)
    agree("optical_flow_tvl1 of whole numbers, median, px", np.median(np.abs(ours - theirs)), 1e-5)
