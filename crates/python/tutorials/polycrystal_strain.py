# %% [markdown]
# # Lattice parameters of a polycrystalline sample
#
# LiberTEM's document goes from a 4D-STEM scan to maps of lattice vectors: it finds the spots that change over the scan,
# makes a feature vector of every frame from them, gathers frames that resemble one another into clusters, finds one
# lattice for each of these and refines it in each of their frames.
#
# Here the same steps are taken on a scan whose grains are known, and one more, to strain. Every cluster is processed
# (the document leaves the last one out), and all lattices have their zero at the direct beam.
#
# `python polycrystal_strain.py scan.blo 2` takes a recorded scan, with spots of radius 2 px.

# %%
import sys

import matplotlib.pyplot as plt
import numpy as np

import pynonius
from pynonius import blobfinder, clustering

recording = [] if hasattr(sys, "ps1") else sys.argv[1:]  # in a notebook: ["path of a scan", radius of spots]

# %% [markdown]
# ## The scan
#
# Six grains of two phases, each turned, strained by up to 0.6 % and a little bent; spots of radius 2 px on a halo,
# counting noise, 8 bits. Crystals are deformed by F = R (1 + ε), which makes rows a, b of the pattern G₀ F⁻¹.

# %%
def turned(vectors, angle):
    """Rows (y, x), turned from +x towards +y by an angle in degrees."""
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return vectors @ np.array([[cos, -sin], [sin, cos]])


def simulate(rng):
    seeds = np.array([(6, 7), (7, 32), (15, 19), (25, 8), (24, 33), (2, 20)])
    place = np.stack(np.mgrid[:30, :40], -1).reshape(-1, 2)
    grains = ((place[:, None] - seeds) ** 2).sum(-1).argmin(1)
    distance = np.hypot(*(np.mgrid[:96, :96] - beam[:, None, None]))
    frames = np.tile((4 + 25 * np.exp(-((distance / 15) ** 2))).astype(np.float32), (len(place), 1, 1))
    true = np.zeros((len(place), 4))  # strain xx, yy, xy and rotation in degrees

    def add_spot(n, positions, level):
        at = np.round(positions).astype(int)[:, None] + np.stack(np.mgrid[-5:6, -5:6], -1).reshape(-1, 2)
        value = level / (1 + np.exp((np.linalg.norm(at - positions[:, None], axis=-1) - 2) / 0.35))
        inside = ((at >= 0) & (at < 96)).all(-1)
        np.add.at(frames, (n[np.nonzero(inside)[0]], *at[inside].T), value[inside])

    add_spot(np.arange(len(place)), np.tile(beam, (len(place), 1)), 400)
    for grain, seed in enumerate(seeds):
        n = np.flatnonzero(grains == grain)
        bend = (place[n] - seed) @ rng.normal(0, (1e-4, 1e-4, 1e-4, 0.02), (2, 4))
        true[n] = rng.uniform(-1, 1, 4) * (0.006, 0.006, 0.006, 90) + bend
        xx, yy, xy, angle = true[n].T
        unturned = cells[grain % 2] @ np.linalg.inv(np.array([[1 + yy, xy], [xy, 1 + xx]]).transpose(2, 0, 1))
        pattern = np.stack([turned(vectors, degrees) for vectors, degrees in zip(unturned, angle)])
        for h, k in np.ndindex(13, 13):
            g = np.array([h - 6, k - 6]) @ pattern
            length = np.linalg.norm(g, axis=1).mean()
            if 0 < length < 46:
                add_spot(n, beam + g, 130 * rng.lognormal(0, 0.5) * np.exp(-(length**2) / 1800))
    counts = rng.poisson(frames).clip(0, 255).astype(np.uint8)
    return counts.reshape(30, 40, 96, 96), grains.reshape(30, 40), true.reshape(30, 40, 4)


if recording:
    path, radius, cells, true = recording[0], float(recording[1]), [], None
else:
    path, radius, beam = "polycrystal.blo", 2, np.array([47.3, 48.6])
    cells = np.array([[[0, 12.6], [16.2, 0]], [[0, 11.4], [17.4, -4.2]]])
    frames, grains, true = simulate(np.random.default_rng(4))
    pynonius.io.write_blo(path, frames)
scan = pynonius.io.open_scan(path)  # was: ctx.load("blo", path=path)
shape = scan.scan_shape

# %% [markdown]
# ## Spots that change, and frames that resemble one another
#
# A spot of a crystal is there in some frames and not in others: it stands out in the standard deviation over the scan.

# %%
def spot(inner, outer):
    return {"kind": "background_subtraction", "radius": inner, "radius_outer": outer}


maps = clustering.pixel_statistics(scan)  # was: run_stddev(ctx, dataset)
small = spot(0.75 * radius, 0.75 * radius + 1)
in_map = blobfinder.correlation_map(maps.standard_deviation, blobfinder.Template(**small))
changing = blobfinder.find_peaks(in_map, n_peaks=150).centers  # was: get_peaks(std, pattern, 300)
features = clustering.features(scan, changing, template=small)  # was: ApplyMasksUDF(feature_vector)
scaled = clustering.scale(features, "mean_absolute").features
vectors = clustering.with_coordinates(scaled, 0.2, shape=shape)
tree = clustering.ward(vectors, clustering.Graph.grid(shape))  # was: AgglomerativeClustering(15, connectivity=…)
jump = tree.suggest_clusters()
n_clusters = jump.n_clusters if jump and jump.jump > 2 else min(15, len(features))
labels = tree.labels(n_clusters).reshape(shape)
print(f"{len(features)} feature vectors of {len(changing)} spots, {n_clusters} clusters")

# %% [markdown]
# ## A lattice for each cluster, and for each of its frames
#
# Spots of the mean logarithm of a cluster's frames, their lattice, then that lattice refined in each frame. Whatever
# vectors were found, strain is measured against the cell that is nearest to them, turned as they are; of a recording,
# without known cells, against the cluster's own lattice.

# %%
direct = blobfinder.correlation_map(maps.sum, blobfinder.Template(kind="circular", radius=2 * radius))
zero = blobfinder.find_peaks(direct, n_peaks=1).refineds[0]
in_sum = blobfinder.Template(**spot(0.75 * radius, 0.75 * radius + 2.5))
in_frame = blobfinder.Template(**spot(radius, radius + 2.5))
sums = clustering.log_sum(scan, labels=labels)


def reference_of(lattice):
    """Of the known cells at every degree the one that the least strain and rotation make `lattice`."""
    tried = [(angle, blobfinder.Lattice((0, 0), *turned(cell, angle))) for cell in cells for angle in range(180)]
    apart = [np.abs(blobfinder.strain(lattice, reference)[:4]).max() for _, reference in tried]
    return tried[np.nanargmin(apart)] if tried else (0, lattice)


lattices = np.full((*shape, 3, 2), np.nan)  # zero, a, b
strain = np.full((*shape, 8), np.nan)  # xx, yy, xy, rotation in degrees; standard errors, that of the rotation in rad
for cluster, total in enumerate(sums):
    roi = labels == cluster
    peaks = blobfinder.find_peaks(blobfinder.correlation_map(total, in_sum), n_peaks=30, min_distance=1.5 * radius)
    # was: FullMatcher(tolerance=3).full_match(peaks)
    search = blobfinder.search_lattices(peaks.refineds, peaks.elevations, zero={"given": tuple(zero)})
    if not search.lattices:
        print(f"{cluster:2d}: {roi.sum():4d} frames, no lattice")
        continue
    best = search.lattices[0]
    # was: run_refine(ctx, dataset, zero, a, b, match_pattern, matcher, roi=roi)
    refined = blobfinder.refine_lattices(
        scan, in_frame, best.matched.lattice, roi=roi, max_index=4,
        correlation={"intensity": "linear", "refinement": "continuous"},
    )
    angle, reference = reference_of(best.matched.lattice)
    lattices[roi] = np.stack([refined.zero, refined.a, refined.b], axis=1)
    found = blobfinder.strain_map(refined.a, refined.b, reference, refined.covariance, axes={"angle": angle})
    rotation = angle + np.degrees(found.rotation)
    strain[roi] = np.column_stack([found.xx, found.yy, found.xy, rotation, found.errors])
    a, b = (np.hypot(*vector) for vector in best.matched.lattice[1:])
    print(f"{cluster:2d}: {roi.sum():4d} frames, a {a:.2f} px, b {b:.2f} px, by chance 10^{best.log10_accidental:.0f}")

# %% [markdown]
# ## Pictures
#
# What the clusters were made from and what they are; the lattice in one frame; the ratio of its vectors, which tells
# the phases apart; strain and rotation beside the true ones.

# %%
y, x = (n // 3 for n in shape)
zero, a, b = lattices[y, x]
points = [zero + h * a + k * b for h in range(-4, 5) for k in range(-4, 5)]
length = np.linalg.norm(lattices, axis=-1)
figure, panels = plt.subplots(1, 4, figsize=(16, 3.8), layout="constrained")
for panel, image, marks, title, label in zip(
    panels,
    (np.log1p(maps.standard_deviation), np.log1p(scan.frame(y * shape[1] + x)), labels, length[..., 2] / length[..., 1]),
    (changing, points, (), ()),
    ("standard deviation and its spots", f"frame ({y}, {x}) and its lattice", "clusters", "length of b over that of a"),
    ("ln (1 + counts)", "ln (1 + counts)", "number", "|b| / |a|"),
):
    kind = "scan" if len(marks) == 0 else "frame"
    colors = plt.get_cmap("cividis", n_clusters if title == "clusters" else None)
    picture = panel.imshow(image, cmap=colors if kind == "scan" else "gray")
    for mark in marks:
        panel.plot(mark[1], mark[0], "o", mfc="none", mec="#E69F00", ms=6, mew=0.8)
    panel.set(title=title, xlim=(-0.5, image.shape[1] - 0.5), ylim=(image.shape[0] - 0.5, -0.5))
    panel.set(xlabel="x / px" if kind == "frame" else "scan x", ylabel="y / px" if kind == "frame" else "scan y")
    figure.colorbar(picture, ax=panel, label=label, shrink=0.8)
figure.savefig("polycrystal_lattices.png", dpi=100)

# %%
rows = [("found", strain)] if true is None else [("found", strain), ("true", true)]
figure, grid = plt.subplots(len(rows), 4, figsize=(15, 3 * len(rows)), layout="constrained", squeeze=False)
for panels, (name, values) in zip(grid, rows):
    for k, (panel, title) in enumerate(zip(panels, ("$ε_{xx}$", "$ε_{yy}$", "$ε_{xy}$", "rotation"))):
        if title == "rotation" and len(cells):
            picture = panel.imshow(values[..., k] % 180, cmap="twilight", vmin=0, vmax=180)
        else:  # in %; without cells the rotation in degrees is that against the cluster
            picture = panel.imshow(values[..., k] * (1 if k == 3 else 100), cmap="RdBu_r", vmin=-1, vmax=1)
        panel.set(title=f"{title}, {name}", xlabel="scan x", ylabel="scan y")
        figure.colorbar(picture, ax=panel, label="degrees" if title == "rotation" else "%", shrink=0.8)
figure.savefig("polycrystal_strain.png", dpi=100)

# %% [markdown]
# ## What was found
#
# The grains, the right cell in every frame, strain to half a part in a thousand in a single frame, and errors that hold
# the truth somewhat more often than two times out of three.

# %%
if not recording:
    index = clustering.adjusted_rand_index(labels.ravel(), grains.ravel())
    error = strain[..., :4] - true
    error[..., 3] = np.radians((error[..., 3] + 90) % 180 - 90)  # a lattice turned by half a turn is the same
    right = np.abs(error[..., :3]).max(-1) < 0.02
    rms, held = np.sqrt((error[right] ** 2).mean(0)), (np.abs(error) < strain[..., 4:])[right].mean(0)
    print(f"adjusted Rand index of the clusters {index:.4f}; right cell in {100 * right.mean():.1f} % of the frames")
    for name, r, share in zip(("ε_xx", "ε_yy", "ε_xy", "rotation / rad"), rms, held):
        print(f"{name:15s} rms error {r:.1e}, truth within σ in {100 * share:.0f} %")
    assert index > 0.99 and right.mean() > 0.99
    # 1200 frames: a share scatters by 0.014.
    assert (rms < 6e-4).all() and (held > 0.63).all() and (held < 0.9).all()
