# %% [markdown]
# # Alignment of a tilt series by phase matching
#
# mumott's tutorial aligns the projections of a sample by comparing each with the projection of what all of them
# reconstruct: whole pixels first, until none moves by one; then fifths of a pixel. Then it saves the geometry.
#
# Here the same steps are taken on a series whose offsets are known, and one stage more, down to hundredths of a
# pixel, which the old method cannot reach: it normalises all frequencies, noise becomes as loud as the sample, and
# the offsets swing between two states. Frequencies keep their weight here. What the sample shows is computed by
# formula, so that reconstruction and truth share no projector.
#
# `python phase_matching_alignment.py scan.h5` aligns a recorded series, in the file layout of mumott.

# %%
import sys

import matplotlib.pyplot as plt
import numpy as np

import tilt_series
from pynonius import tomography

recording = [] if hasattr(sys, "ps1") else sys.argv[1:]  # in a notebook: ["path of a file of projections"]

# %% [markdown]
# ## The series
#
# 32 projections over half a turn, each displaced by up to 2 px along j and 1.5 px along k.

# %%
if recording:
    geometry, images, truth = tilt_series.recorded(recording[0])
else:
    geometry, images, truth = tilt_series.simulate(side=24, height=20, n=32, seed=11)

figure, panels = plt.subplots(1, 4, figsize=(12, 3.2), layout="constrained")
for panel, n in zip(panels, np.linspace(0, len(geometry) - 1, 4).astype(int)):
    picture = panel.imshow(images[n], cmap="cividis", vmin=0, vmax=images.max())
    panel.set(title=f"projection {n}", xlabel="k / px", ylabel="j / px")
figure.colorbar(picture, ax=panels, label="absorbance", shrink=0.8)
figure.savefig("phase_matching_projections.png", dpi=100)

# %% [markdown]
# ## From whole pixels to hundredths
#
# The best that whole pixels can do is an rms of 1/√12 = 0.289 px. The loss of a reconstruction says without any truth
# whether images fit together.

# %%
stages = tilt_series.Stages(geometry, images, truth)
stages.add("unaligned", geometry.offsets)
aligned = geometry
for name, upsampling in (("whole pixels", [1]), ("fifths", [5]), ("tenths, hundredths", [10, 100])):
    # was: run_phase_matching_alignment(data_container, maxiter=30, upsampling=1, projection_cropping=np.s_[3:-3, 2:-2])
    found = tomography.align(
        aligned,
        images,
        method="phase_matching",
        upsampling=upsampling,
        cropping=[side // 10 for side in geometry.projection_shape],
        iteration={"reconstruction": {"iterations": 20}, "max_iterations": 30},
    )
    aligned, report = found.geometry, found.report
    stages.add(name, report.offsets)
    print(f"    {len(report.steps)} steps, stopped by: {report.stop}; outliers: {report.outliers}")
if truth is not None:
    stages.add("offsets of the file" if recording else "truth", truth)

aligned.write("phase_matching.geo")  # was: data_container.geometry.write("….geo")

# %% [markdown]
# ## Pictures
#
# Cuts through the volume with the offsets of the file and with those found; the offsets, and their errors beside the
# standard errors that the alignment states.

# %%
stages.draw_slices(["unaligned", "tenths, hundredths"]).savefig("phase_matching_slices.png", dpi=100)
stages.draw_offsets("tenths, hundredths", report.standard_errors).savefig("phase_matching_offsets.png", dpi=100)

# %% [markdown]
# ## How it went
#
# The largest movement of any projection in each step; the last stage ends when none moves by a hundredth.

# %%
figure, panel = plt.subplots(figsize=(6, 3.5), layout="constrained")
largest = [step.largest for step in report.steps]
panel.plot(range(1, len(largest) + 1), largest, "o-", color="#0072B2")
panel.axhline(0.01, color="k", ls="--", lw=1)
panel.set_yscale("symlog", linthresh=0.01)
panel.set(xlabel="step", ylabel="largest movement / px", xticks=range(1, len(largest) + 1), ylim=(-0.001, None))
figure.savefig("phase_matching_steps.png", dpi=100)

# %% [markdown]
# ## What was found
#
# Whole pixels reach what whole pixels can, each finer grid about what it can, and the loss ends where the true offsets
# have it.

# %%
if not recording:
    rms = {name: row[2].max() for name, row in stages.rows.items()}
    loss = {name: row[3] for name, row in stages.rows.items()}
    assert rms["unaligned"] > 1
    # 1/√12 of a step; the small series scatters by a tenth of it, and the reconstruction is blurred by what is left.
    assert rms["whole pixels"] < 0.4 and rms["fifths"] < 0.12
    assert rms["tenths, hundredths"] < 0.02
    assert loss["tenths, hundredths"] < 1.05 * loss["truth"] < 0.1 * loss["unaligned"]
    read, _ = tomography.read_geometry("phase_matching.geo")
    assert np.allclose(read.offsets, aligned.offsets)
