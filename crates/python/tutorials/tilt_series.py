"""What both tutorials of alignment share: a tilt series whose offsets are known, the table of errors stage by stage,
and the pictures before and after.

Not a tutorial itself.
"""

import matplotlib.pyplot as plt
import numpy as np

from pynonius import tomography

#: Balls and Gaussians of the sample: centre (x, y, z) and radius in parts of the volume's half height, absorbance per
#: half height.
BALLS = [
    ((0.0, 0.0, 0.0), 0.72, 0.14),
    ((0.34, -0.2, 0.22), 0.24, 0.26),
    ((-0.36, 0.25, -0.2), 0.2, 0.22),
    ((0.1, 0.36, -0.34), 0.14, 0.4),
    ((-0.1, 0.05, 0.05), 0.16, -0.12),
]
GAUSSIANS = [((0.45, 0.15, -0.2), 0.08, 0.4), ((-0.42, -0.24, 0.1), 0.09, 0.4), ((0.12, -0.44, -0.35), 0.08, 0.35)]


def line_integrals(geometry, samples=3):
    """Absorbance of the sample in every pixel, by formula and not by the projector that reconstructs: the mean of
    `samples` by `samples` lines through each."""
    half = geometry.volume_shape[2] / 2
    n, (n_j, n_k) = len(geometry), geometry.projection_shape
    # At rotation R the image's axes j and k lie along R x and R z of the sample.
    along_j, along_k = geometry.rotations[:, :, 0], geometry.rotations[:, :, 2]
    j = (np.arange(n_j * samples) + 0.5) / samples - n_j / 2 + geometry.offsets[:, :1]
    k = (np.arange(n_k * samples) + 0.5) / samples - n_k / 2 + geometry.offsets[:, 1:]
    lines = np.zeros((n, n_j * samples, n_k * samples))
    for bodies, integral in (
        (BALLS, lambda r2: 2 * np.sqrt(np.maximum(1 - r2, 0))),
        (GAUSSIANS, lambda r2: np.sqrt(2 * np.pi) * np.exp(-r2 / 2)),
    ):
        for center, radius, absorbance in bodies:
            at_j, at_k = half * along_j @ center, half * along_k @ center
            r2 = (j - at_j[:, None])[:, :, None] ** 2 + (k - at_k[:, None])[:, None] ** 2
            lines += absorbance * radius * integral(r2 / (half * radius) ** 2)
    return lines.reshape(n, n_j, samples, n_k, samples).mean((2, 4))


def simulate(side, height, n, seed):
    """A series of `n` images over half a turn, its images off by up to 2 px along j and 1.5 px along k, with 0.2 % of
    noise in the transmitted beam. Returns the geometry as it is written down, absorbances, and the true offsets."""
    rng = np.random.default_rng(seed)
    geometry = tomography.Geometry.single_axis(np.arange(n) * np.pi / n, (side, height), (side, side, height))
    truth = rng.uniform(-1, 1, (n, 2)) * (2.0, 1.5)
    transmitted = np.exp(-line_integrals(geometry.with_offsets(truth)))
    transmitted *= 1 + 0.002 * rng.normal(size=transmitted.shape)
    return geometry, (-np.log(transmitted)).astype(np.float32), truth


def recorded(path):
    """A file of projections: its geometry with offsets forgotten, absorbances, and the offsets that it had, if any."""
    series = tomography.open_tilt_series(path, skip_scattering=True)
    beam = {"percentile": {"percentile": 99.9, "per_projection": True}}
    images = tomography.absorbance(series.images, reference=beam)
    offsets = series.geometry.offsets
    geometry = series.geometry.with_offsets(np.zeros_like(offsets))
    return geometry, images.absorbance.astype(np.float32), offsets if offsets.any() else None


class Stages:
    """Errors of the offsets after each stage of an alignment, and the loss of a reconstruction with them, which needs
    no truth."""

    def __init__(self, geometry, images, truth):
        self.geometry, self.images, self.truth = geometry, images, truth
        self.rows = {}
        print(f"{'stage':24s}{'rms j / px':>12s}{'rms k / px':>12s}{'loss':>10s}")

    def errors(self, offsets):
        """Without what a translation of the whole sample explains, which no alignment can know."""
        return self.geometry.remove_translation(offsets - self.truth)[0]

    def add(self, name, offsets):
        found = tomography.reconstruct(self.geometry.with_offsets(offsets), self.images, iterations=20)
        rms = np.full(2, np.nan) if self.truth is None else np.sqrt((self.errors(offsets) ** 2).mean(0))
        self.rows[name] = offsets, found.volume, rms, found.losses[-1]
        known = "".join(f"{v:12.4f}" if np.isfinite(v) else f"{'–':>12s}" for v in rms)
        print(f"{name:24s}{known}{found.losses[-1]:10.5f}")

    def draw_slices(self, names):
        """Central cuts through the volume, a row for each of the stages `names`, all on one scale."""
        cuts = ("y", "z"), ("x", "z"), ("x", "y")
        volumes = [self.rows[name][1] for name in names]
        limit = np.percentile(volumes[-1], 99.9)
        figure, rows = plt.subplots(len(names), 3, figsize=(10, 3.1 * len(names)), layout="constrained")
        for panels, name, volume in zip(rows, names, volumes):
            for axis, (panel, (down, right)) in enumerate(zip(panels, cuts)):
                cut = np.take(volume, volume.shape[axis] // 2, axis)
                picture = panel.imshow(cut, cmap="cividis", vmin=0, vmax=limit)
                title = f"{name}, {'xyz'[axis]} = {volume.shape[axis] // 2}"
                panel.set(title=title, xlabel=f"{right} / px", ylabel=f"{down} / px")
        figure.colorbar(picture, ax=rows, label="absorbance per px", shrink=0.7, extend="max")
        return figure

    def draw_offsets(self, name, standard_errors):
        """Offsets of a stage beside the true ones, and what lies between with the standard errors; without a truth
        these alone."""
        offsets, n = self.rows[name][0], np.arange(len(self.geometry))
        errors = np.zeros_like(offsets) if self.truth is None else self.errors(offsets)
        figure, rows = plt.subplots(2, 2, figsize=(11, 6), sharex=True, layout="constrained")
        for axis, letter in enumerate("jk"):
            panel, wrong = rows[:, axis]
            if self.truth is not None:
                panel.plot(n, offsets[:, axis] - errors[:, axis], "k-", lw=1, label="true")
            panel.plot(n, offsets[:, axis], "o", ms=4, color="#E69F00", label="found")
            bars = 1000 * standard_errors[:, axis]
            wrong.errorbar(n, 1000 * errors[:, axis], bars, fmt="o", ms=3, color="#0072B2", lw=1)
            wrong.axhline(0, color="k", lw=1)
            panel.set(ylabel=f"offset along {letter} / px")
            wrong.set(xlabel="projection", ylabel=f"error along {letter} / 0.001 px")
            panel.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False)
        return figure
