"""Images whose displacement, lattice or offsets are known because they were put there: for tests and tutorials.

Everything follows from its parameters and a ``seed``. What is true comes with what was made.
"""

from typing import Any, Literal, NamedTuple, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _native
from ._keywords import keywords_of
from ._native import Geometry
from ._types import Bools, Floats, Integers, Progress

__all__ = [
    "CbedFrame",
    "CbedParams",
    "DiffractionFrame",
    "DiffractionParams",
    "DiffractionScan",
    "DiffractionScanParams",
    "DiffractionTruth",
    "Grain",
    "ImagePair",
    "ImagePairParams",
    "ImagePairTruth",
    "ImageSeries",
    "ImageSeriesParams",
    "NoiseParams",
    "Polycrystal",
    "PolycrystalParams",
    "PolycrystalTruth",
    "TiltSeries",
    "TiltSeriesParams",
    "TiltSeriesTruth",
    "add_noise",
    "cbed_frame",
    "diffraction_frame",
    "diffraction_scan",
    "image_pair",
    "image_series",
    "near_repetitions",
    "noise_sigma",
    "noise_spectrum",
    "polycrystal",
    "project_voxels",
    "scene_pair",
    "tilt_series",
]

Pair = tuple[float, float]
Shape = tuple[int, int]


class NoiseParams(TypedDict, total=False):
    """White noise ``sigma``, which neighbours share after a ``blur`` (px); ``counts_per_unit`` makes Poisson noise."""

    sigma: float
    blur: float
    counts_per_unit: float | None


class ImagePairParams(TypedDict, total=False):
    """A scene and how it moved.

    - ``scene``: ``{"shape": (64, 64), "content": {"kind": "smooth_field", "blur": 2.0}, "boundary":
      {"kind": "open", "margin": 16} | {"kind": "periodic"}, "amplitude": 1, "background": 0}``; further kinds of
      content are ``"texture"``, ``"extended_emission"``, ``"sources"``, ``"isolated_object"``, ``"source_field"``
    - ``motion``: ``{"shift": (y, x) px, "angle": degrees, "scale": 1}``
    - ``reference_noise``, ``moving_noise``: dicts of `NoiseParams`
    """

    scene: dict[str, Any]
    motion: dict[str, Any]
    reference_noise: NoiseParams
    moving_noise: NoiseParams
    seed: int


class ImageSeriesParams(TypedDict, total=False):
    """A scene (see `ImagePairParams`) that drifts (px per frame), walks at random and jitters (px)."""

    scene: dict[str, Any]
    n_frames: int
    drift: Pair
    walk: float
    jitter: float
    noise: NoiseParams
    seed: int


class DiffractionParams(TypedDict, total=False):
    """A pattern of disks of a lattice ``zero``, ``a``, ``b`` (y, x) px."""

    shape: Shape
    zero: Pair
    a: Pair
    b: Pair
    max_index: int
    margin: float | None
    radius: float
    disk: dict[str, float]
    texture: dict[str, float] | None
    electrons: float
    falloff: float | None
    spread: float
    factors: list[tuple[tuple[int, int], float]]
    background: dict[str, Any]
    noise: NoiseParams
    hot_pixels: int
    hot_value: float
    dead_pixels: int
    seed: int


class DiffractionScanParams(TypedDict, total=False):
    """A ``scan`` (y, x) of patterns (``frame``: a dict of `DiffractionParams`) whose lattice is strained, turned
    (rad) and wanders (``descan``, px)."""

    scan: Shape
    frame: DiffractionParams
    strain: float
    rotation: float
    descan: float


class CbedParams(TypedDict, total=False):
    """The test pattern of LiberTEM's packages."""

    shape: Shape
    zero: Pair | None
    a: Pair | None
    b: Pair | None
    indices: list[tuple[int, int]] | None
    radius: float
    all_equal: bool
    margin: float | None


class PolycrystalParams(TypedDict, total=False):
    """A ``scan`` (y, x) over ``grains`` crystals of several ``phases``, each ``{"name", "a", "b", "share"}``."""

    scan: Shape
    shape: Shape
    grains: int
    phases: list[dict[str, Any]]
    boundary_width: float
    core: dict[str, Any] | None
    strain: float
    strain_gradient: float
    rotation_gradient: float
    zero: Pair
    descan: float
    radius: float
    disk: dict[str, float]
    texture: dict[str, float] | None
    blur: float
    brightness: dict[str, float]
    background: dict[str, Any]
    ring: dict[str, float] | None
    noise: NoiseParams
    hot_pixels: int
    hot_value: float
    dead_pixels: int
    depth: Literal["eight", "sixteen"]
    missing: int
    seed: int


class TiltSeriesParams(TypedDict, total=False):
    """A misaligned tilt series of a phantom.

    - ``scheme``: ``{"kind": "single_axis", "axis": (0, 0, 1), "angles": {"first", "step", "n"}}``, ``"two_axes"``,
      ``"listed"``
    - ``misalignment``: ``{"jitter": {"uniform": (j, k)} | {"gaussian": (j, k)}, "drift": (j, k), "rotation_errors": ..}``
    - ``recording``: ``{"kind": "transmission", "incident": 1}`` or ``{"kind": "thickness", "gain": ..}``
    """

    phantom: dict[str, Any] | None
    volume_shape: tuple[int, int, int]
    projection_shape: Shape
    directions: dict[str, Any]
    scheme: dict[str, Any]
    misalignment: dict[str, Any]
    recording: dict[str, Any]
    noise: NoiseParams
    relative_noise: float
    samples_per_pixel: int
    samples_per_voxel: int
    seed: int


class ImagePairTruth(NamedTuple):
    """What is true of a pair: the motion, the images without noise, and the noise of every pixel."""

    #: (y, x) px
    shift: Floats
    #: degrees
    angle: float
    scale: float
    reference: Floats
    moving: Floats
    reference_sigma: Floats
    moving_sigma: Floats


class ImagePair(NamedTuple):
    """Two images of one scene."""

    reference: Floats
    moving: Floats
    truth: ImagePairTruth


class ImageSeries(NamedTuple):
    """Frames (frame, y, x), and the displacements (frame, 2) px of their content against the first."""

    frames: Floats
    shifts: Floats


class DiffractionTruth(NamedTuple):
    """What is true of a pattern: without noise, indices, positions (n, 2) px and electrons of its disks, bad pixels."""

    clean: Floats
    indices: Integers
    positions: Floats
    electrons: Floats
    bad: Bools


class DiffractionFrame(NamedTuple):
    """A diffraction pattern."""

    frame: Floats
    truth: DiffractionTruth


class CbedFrame(NamedTuple):
    """A diffraction pattern, and indices and positions (n, 2) px of its disks."""

    frame: NDArray[np.float32]
    indices: Integers
    positions: Floats


class DiffractionScan(NamedTuple):
    """Frames (scan y, scan x, y, x), and the lattice (scan y, scan x, 2) px at every position."""

    frames: Floats
    zero: Floats
    a: Floats
    b: Floats


class Grain(NamedTuple):
    """One crystal of a scan; what changes within it is linear in the distance from its seed."""

    #: (y, x) positions
    seed: Floats
    phase: int
    #: rad
    rotation: float
    rotation_gradient: Floats
    #: (xx, yy, xy)
    strain: Floats
    strain_gradient: Floats
    tilt: Floats
    bend: Floats


class PolycrystalTruth(NamedTuple):
    """What is true at every position of a scan; labels are −1 and numbers NaN where there is no grain."""

    grains: list[Grain]
    labels: Integers
    phases: Integers
    boundary_distance: Floats
    share: Floats
    superlattice: Bools
    zero: Floats
    a: Floats
    b: Floats
    strain_xx: Floats
    strain_yy: Floats
    strain_xy: Floats
    rotation: Floats
    thickness: Floats


class Polycrystal(NamedTuple):
    """Frames (scan y, scan x, y, x), one after another if some are missing, and what is true of them."""

    frames: NDArray[np.uint16]
    truth: PolycrystalTruth


class TiltSeriesTruth(NamedTuple):
    """What is true of a tilt series: its geometry, offsets (n, 2) px, the sample, and its line integrals."""

    geometry: Geometry
    offsets: Floats
    rotation_errors: Floats
    volume: NDArray[np.float32]
    line_integrals: Floats


class TiltSeries(NamedTuple):
    """Images (n, j, k) with the geometry that is written down."""

    geometry: Geometry
    images: NDArray[np.float32]
    truth: TiltSeriesTruth


@keywords_of(ImagePairParams)
def image_pair(**params: Unpack[ImagePairParams]) -> ImagePair:
    """Two images of one scene, the second displaced, turned or scaled.

    >>> from pynonius import registration
    >>> pair = image_pair(motion={"shift": (1.25, -3.5)}, seed=3)
    >>> registration.register(pair.reference, pair.moving).shift.round(2)
    array([ 1.25, -3.5 ])
    """
    return _native.image_pair(**params)


def scene_pair(
    scene: Literal["a", "ab", "b", "c"], shift: ArrayLike, sigma: float, seed: int = 0
) -> ImagePair:
    """A pair of one of the scenes that nonius measures its accuracy with: a periodic field with noise in the moving
    image (``"a"``) or in both (``"ab"``), one source (``"b"``), a crop of a larger field (``"c"``)."""
    return _native.scene_pair(scene, shift, sigma, seed)


@keywords_of(ImageSeriesParams)
def image_series(*, progress: Progress | None = None, **params: Unpack[ImageSeriesParams]) -> ImageSeries:
    """A series of images of one drifting scene."""
    return _native.image_series(progress=progress, **params)


def near_repetitions(shape: tuple[int, int], shift: ArrayLike) -> Floats:
    """A pattern that almost repeats itself, displaced: what is hard for registration."""
    return _native.near_repetitions(shape, shift)


@keywords_of(NoiseParams)
def add_noise(clean: ArrayLike, seed: int = 0, **params: Unpack[NoiseParams]) -> Floats:
    """An image with noise.

    >>> import numpy as np
    >>> bool(abs(add_noise(np.zeros((64, 64)), sigma=2.0).std() - 2) < 0.1)
    True
    """
    return _native.add_noise(clean, seed, **params)


@keywords_of(NoiseParams)
def noise_sigma(clean: ArrayLike, **params: Unpack[NoiseParams]) -> Floats:
    """Standard deviation of the noise of every pixel."""
    return _native.noise_sigma(clean, **params)


@keywords_of(NoiseParams)
def noise_spectrum(shape: tuple[int, int], **params: Unpack[NoiseParams]) -> Floats:
    """Mean ``|fft2(noise)|**2``; divided by the number of pixels it is what `pynonius.chi2.NoiseSpectrum` takes."""
    return _native.noise_spectrum(shape, **params)


@keywords_of(DiffractionParams)
def diffraction_frame(**params: Unpack[DiffractionParams]) -> DiffractionFrame:
    """A pattern of diffraction disks."""
    return _native.diffraction_frame(**params)


@keywords_of(CbedParams)
def cbed_frame(**params: Unpack[CbedParams]) -> CbedFrame:
    """The test pattern of LiberTEM's packages."""
    return _native.cbed_frame(**params)


@keywords_of(DiffractionScanParams)
def diffraction_scan(
    *, progress: Progress | None = None, **params: Unpack[DiffractionScanParams]
) -> DiffractionScan:
    """A scan of patterns of one strained crystal, in memory."""
    return _native.diffraction_scan(progress=progress, **params)


@keywords_of(PolycrystalParams)
def polycrystal(*, progress: Progress | None = None, **params: Unpack[PolycrystalParams]) -> Polycrystal:
    """A scan over several crystals, in memory.

    >>> made = polycrystal(scan=(4, 5), grains=2)
    >>> made.frames.shape[:2], len(made.truth.grains)
    ((4, 5), 2)
    """
    return _native.polycrystal(progress=progress, **params)


@keywords_of(TiltSeriesParams)
def tilt_series(volume: ArrayLike | None = None, **params: Unpack[TiltSeriesParams]) -> TiltSeries:
    """A misaligned tilt series of a phantom, or of a `volume` (x, y, z)."""
    return _native.tilt_series(volume, **params)


def project_voxels(volume: ArrayLike, geometry: Geometry) -> Floats:
    """Exact line integrals (n, j, k) of a volume of cubes."""
    return _native.project_voxels(volume, geometry)
