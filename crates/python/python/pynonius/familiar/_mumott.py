"""mumott's alignment.

A series is mumott's ``DataContainer`` (whatever has its ``geometry`` and ``projections``; mumott itself is not
imported), or a `pynonius.tomography.Geometry` with line integrals (n, j, k). Results have the layout of what was given.
Offsets that a geometry has are where alignment starts, and what is found stands in their place.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import tomography as _t
from .._errors import Error
from .._types import Floats, Progress, Reals
from ._keywords import refuse


@dataclass(frozen=True)
class _Series:
    geometry: _t.Geometry
    #: (n, j, k)
    images: ArrayLike
    weights: ArrayLike | None
    #: mumott's, if that was given
    container: Any = None

    @classmethod
    def of(
        cls, data: Any, projections: ArrayLike | None, weights: ArrayLike | None, absorbances: bool = True
    ) -> "_Series":
        if isinstance(data, _t.Geometry):
            if projections is None:
                raise Error("projections: a geometry needs line integrals (n, j, k) beside it")
            return cls(data, projections, weights)
        if not (hasattr(data, "geometry") and hasattr(data, "projections")):
            raise Error(f"data_container must have geometry and projections, got {type(data).__name__}")
        geometry, stack = _geometry(data.geometry), data.projections
        seen = np.asarray(stack.weights, float)
        seen = np.all(seen.reshape(*seen.shape[:3], -1) > 0, axis=-1)
        if not absorbances:
            return cls(geometry, np.mean(stack.data, axis=-1), seen.astype(float), data)
        found = _t.absorbance(stack.diode)
        return cls(geometry, found.absorbance, (seen & found.mask).astype(float), data)


def _geometry(theirs: Any) -> _t.Geometry:
    """The rotations, offsets and shapes of a geometry of mumott."""
    # Rows are the directions j, p and k of the laboratory; ours has them along x, y and z.
    laboratory = np.array([theirs.j_direction_0, theirs.p_direction_0, theirs.k_direction_0], float)
    if np.abs(laboratory @ laboratory.T - np.eye(3)).max() > 1e-6 or np.linalg.det(laboratory) < 0:
        must_be = "a triple of unit vectors with p = k x j"
        raise Error(f"j_direction_0, p_direction_0, k_direction_0 must be {must_be}, got {laboratory.tolist()}")
    return _t.Geometry.from_rotations(
        laboratory @ np.asarray(theirs.rotations_as_array, float),
        (int(theirs.projection_shape[0]), int(theirs.projection_shape[1])),
        (int(theirs.volume_shape[0]), int(theirs.volume_shape[1]), int(theirs.volume_shape[2])),
        np.stack([np.asarray(theirs.j_offsets, float), np.asarray(theirs.k_offsets, float)], axis=1),
    )


def _axis_along_k(geometry: _t.Geometry) -> bool:
    """Whether the axis that the views are turned about is rather along k than along j."""
    turns = geometry.rotations @ geometry.rotations[0].T - np.eye(3)
    _, _, directions = np.linalg.svd(turns.reshape(-1, 3))
    return bool(abs(directions[-1, 2]) >= abs(directions[-1, 0]))


def _reconstruction(iterations: int, optimizer: dict[str, Any] | None) -> dict[str, Any]:
    """Keywords of mumott's optimizer as `pynonius.tomography.MitraParams`."""
    params: dict[str, Any] = {"iterations": iterations}
    for name, value in (optimizer or {}).items():
        if name == "maxiter":
            params["iterations"] = value
        elif name == "nestorov_weight":
            params["momentum"] = {"fixed": value}
        elif name == "step_size":
            params["step"] = value
        elif name == "ftol":
            params["ftol"] = value
        elif name != "no_tqdm":
            known = "maxiter, nestorov_weight, step_size, ftol, no_tqdm"
            raise Error(f"optimizer_kwargs: {name!r} has no counterpart; there are {known}")
    return params


def _smoothing(smooth_data: bool, sigma: Any) -> float:
    """One width for both axes of an image; projections are never mixed."""
    if not smooth_data:
        return 0.0
    sigmas = np.broadcast_to(np.asarray(sigma, float), 3) if np.ndim(sigma) == 0 else np.asarray(sigma, float)
    if sigmas.shape not in ((2,), (3,)) or sigmas[0] != sigmas[1]:
        raise Error(f"sigma_smooth must be one width for both axes of an image, got {sigma!r}")
    return float(sigmas[0])


def run_optical_flow_alignment(
    data_container: Any,
    projections: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    *,
    volume: Any = None,
    main_rot_axis: int | None = None,
    smooth_data: bool = False,
    sigma_smooth: Any = 0.0,
    high_pass_filter: float | None = None,
    optimal_shift: ArrayLike | None = None,
    rec_iteration: int = 20,
    use_gpu: bool = False,
    optimizer_kwargs: dict[str, Any] | None = None,
    stop_max_iteration: int = 20,
    stop_min_correction: float = 0.01,
    align_horizontal: bool = True,
    align_vertical: bool = True,
    center_reconstruction: bool = True,
    progress: Progress | None = None,
    **params: Any,
) -> tuple[Floats, Reals, Reals]:
    """mumott's: shifts (n, 2) px along j and k, projections of the reconstruction, and the reconstruction.

    `data_container` is mumott's, or a `pynonius.tomography.Geometry` with line integrals in `projections` (n, j, k).
    Vertical is along the axis of rotation, which `main_rot_axis` says (0 is j, 1 is k) or the geometry.
    `volume` and `use_gpu` have no effect; `params` are those of `pynonius.tomography.OpticalFlowParams`.

    >>> from pynonius.tomography import Geometry, Projector
    >>> import numpy as np
    >>> x, y, z = np.mgrid[:16, :16, :16] - 7.5
    >>> sample = np.exp(-((x - 2) ** 2 + y**2 + z**2) / 6) + np.exp(-(x**2 + (y - 2) ** 2 + (z + 1) ** 2) / 4)
    >>> geometry = Geometry.single_axis(np.arange(16) * np.pi / 16, (20, 20), (16, 16, 16))
    >>> moved = np.where(np.arange(32).reshape(16, 2) % 3 == 0, 0.8, -0.4)
    >>> images = Projector(geometry.with_offsets(moved)).forward(sample)
    >>> shifts, _, _ = run_optical_flow_alignment(geometry, images)
    >>> rest, _ = geometry.remove_translation(shifts - moved)
    >>> bool(np.abs(rest).max() < 0.05)
    True
    """
    series = _Series.of(data_container, projections, weights)
    along_k = _axis_along_k(series.geometry) if main_rot_axis is None else main_rot_axis == 1
    align_j, align_k = (align_horizontal, align_vertical) if along_k else (align_vertical, align_horizontal)
    iteration: dict[str, Any] = {
        "reconstruction": _reconstruction(rec_iteration, optimizer_kwargs),
        "max_iterations": stop_max_iteration,
        "tolerance": stop_min_correction,
        "align_j": align_j,
        "align_k": align_k,
        "center": center_reconstruction,
        **params.pop("iteration", {}),
    }
    if smooth_data:
        params["smoothing"] = _smoothing(smooth_data, sigma_smooth)
    if high_pass_filter is not None:
        params["high_pass"] = high_pass_filter
    start = series.geometry if optimal_shift is None else series.geometry.with_offsets(optimal_shift)
    found = _t.align(
        start,
        series.images,
        series.weights,
        method="optical_flow",
        progress=progress,
        iteration=iteration,
        **params,
    )
    if series.container is None:
        return found.report.offsets, found.reprojections, found.volume
    return found.report.offsets, np.moveaxis(found.reprojections, 0, -1), found.volume[..., None]


def shifts_to_geometry(data_container: Any, shifts: ArrayLike) -> tuple[Floats, Floats]:
    """mumott's: the offsets along j and k that shifts are, whatever the axes of `data_container`.

    >>> shifts_to_geometry(None, [[1.0, 2.0], [3.0, 4.0]])
    (array([1., 3.]), array([2., 4.]))
    """
    columns = np.array(shifts, float)
    if columns.ndim != 2 or columns.shape[1] != 2:
        raise Error(f"shifts: expected shape (n, 2), got {columns.shape}")
    return columns[:, 0], columns[:, 1]


def line_vertical_alignment(
    data_container: Any,
    projections: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    *,
    threshold: float = 0,
) -> Floats:
    """mumott's: shifts (n, 2) px across the axis of rotation by the centre of mass of the line in the middle; a start.

    `pynonius.tomography.align_moments` asks for less and gives more.
    """
    refuse("threshold", threshold, 0, "the model does not read it")
    series = _Series.of(data_container, projections, weights)
    return _t.align_line(series.geometry, series.images, series.weights).offsets


def _cropping(slices: tuple[slice, slice]) -> list[int]:
    """Pixels cut off at both ends of each axis."""
    cut = []
    for part in slices:
        first, last = part.start or 0, -(part.stop or 0)
        if part.step not in (None, 1) or first != last or first < 0:
            raise Error(f"projection_cropping must cut as much at both ends, as slice(5, -5) does, got {part}")
        cut.append(first)
    return cut


def run_phase_matching_alignment(
    data_container: Any,
    projections: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    *,
    ignored_subset: Any = None,
    projection_cropping: tuple[slice, slice] = (slice(None), slice(None)),
    reconstruction_pipeline: Any = None,
    reconstruction_pipeline_kwargs: dict[str, Any] | None = None,
    use_gpu: bool = False,
    use_absorbances: bool = True,
    maxiter: int = 20,
    upsampling: int = 1,
    shift_tolerance: float | None = None,
    shift_cutoff: float | None = None,
    relative_sample_size: float = 1.0,
    relaxation_weight: float = 0.0,
    center_of_mass_shift_weight: float = 0.0,
    align_j: bool = True,
    align_k: bool = True,
    seed: int = 0,
    progress: Progress | None = None,
) -> Any:
    """mumott's: a dict of the reconstruction, its projections and the reference; the geometry of `data_container` has
    its new offsets afterwards.

    With a `pynonius.tomography.Geometry` in its place, and line integrals in `projections` (n, j, k): the volume, its
    projections, and a geometry with the new offsets. Of `reconstruction_pipeline_kwargs` only ``optimizer_kwargs``
    (``maxiter``, ``nestorov_weight``, ``step_size``, ``ftol``) has an effect; the pipeline is ``run_mitra``. An
    `upsampling` above 1 begins on whole pixels. `seed` is for `relative_sample_size` and `relaxation_weight`.
    """
    if getattr(reconstruction_pipeline, "__name__", "run_mitra") != "run_mitra":
        raise Error(f"reconstruction_pipeline must be run_mitra, got {reconstruction_pipeline!r}")
    options = dict(reconstruction_pipeline_kwargs or {})
    optimizer = options.pop("optimizer_kwargs", None)
    for name in options.keys() - {"use_gpu", "use_absorbances", "maxiter"}:
        raise Error(f"reconstruction_pipeline_kwargs: {name!r} has no counterpart; there is optimizer_kwargs")
    series = _Series.of(
        data_container, projections, weights, options.get("use_absorbances", use_absorbances)
    )
    iteration: dict[str, Any] = {
        "reconstruction": _reconstruction(options.get("maxiter", 20), optimizer),
        "max_iterations": maxiter,
        "ignored": sorted(ignored_subset or ()),
        "align_j": align_j,
        "align_k": align_k,
    }
    if shift_tolerance not in (None, 1 / upsampling):
        must_be = f"None or one step of the grid, {1 / upsampling}, as which it always counts"
        raise Error(f"shift_tolerance must be {must_be}, got {shift_tolerance}")
    # Ours is in steps of the grid.
    params = {} if shift_cutoff is None else {"shift_cutoff": shift_cutoff * upsampling}
    found = _t.align(
        series.geometry,
        series.images,
        series.weights,
        method="phase_matching",
        progress=progress,
        iteration=iteration,
        upsampling=[1] if upsampling == 1 else [1, upsampling],
        cropping=_cropping(projection_cropping),
        sample_size=relative_sample_size,
        relaxation=relaxation_weight,
        center_of_mass_weight=center_of_mass_shift_weight,
        seed=seed,
        **params,
    )
    if series.container is None:
        return found.volume, found.reprojections, found.geometry
    theirs = series.container.geometry
    theirs.j_offsets, theirs.k_offsets = found.report.offsets[:, 0].copy(), found.report.offsets[:, 1].copy()
    return {
        "reconstruction": found.volume[..., None],
        "projections": found.reprojections[..., None],
        "reference": np.asarray(series.images)[..., None],
    }
