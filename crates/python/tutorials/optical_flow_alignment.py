# %% [markdown]
# # Alignment of a tilt series by optical flow
#
# mumott's second tutorial begins with one line of pixels across the axis of rotation, whose centre of mass it puts in
# one place in all projections. Then, twice, it moves each projection by the optical flow between it and the projection
# of what all of them reconstruct: first strongly smoothed images and short reconstructions, the sample kept in the
# middle, then less smoothed ones and long reconstructions.
#
# As published that procedure loses what the line has found: smoothing also goes from projection to projection and
# mixes their offsets. Here it stays within images, both components are solved for together, and offsets go into the
# projector, so that no image is ever resampled.
#
# `python optical_flow_alignment.py scan.h5` aligns a recorded series, in the file layout of mumott.

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
# 32 projections over half a turn, each displaced by up to 2 px along j and 1.5 px along k; in a recording the offsets
# of the file are set aside to be compared with.

# %%
if recording:
    geometry, images, truth = tilt_series.recorded(recording[0])
else:
    geometry, images, truth = tilt_series.simulate(side=24, height=20, n=32, seed=5)
stages = tilt_series.Stages(geometry, images, truth)
stages.add("unaligned", geometry.offsets)

# %% [markdown]
# ## The line first
#
# It aligns across the axis of rotation alone, which is along k here: what becomes better is j.

# %%
line = tomography.align_line(geometry, images)  # was: line_vertical_alignment(data_container)
stages.add("line", line.offsets)

# %% [markdown]
# ## Two steps of optical flow

# %%
# was: run_optical_flow_alignment(data_container, rec_iteration=5, stop_max_iteration=15, sigma_smooth=2, …)
first = tomography.align(
    geometry.with_offsets(line.offsets),
    images,
    method="optical_flow",
    smoothing=2,
    iteration={"reconstruction": {"iterations": 5}, "max_iterations": 15, "center": True},
)
stages.add("step 1", first.report.offsets)

# was: the same with rec_iteration=40, stop_max_iteration=5, sigma_smooth=1, center_reconstruction=False
second = tomography.align(
    first.geometry,
    images,
    method="optical_flow",
    smoothing=1,
    coarse_smoothing=[],
    binning=[],
    iteration={"reconstruction": {"iterations": 40}, "max_iterations": 5, "center": False},
)
stages.add("step 2", second.report.offsets)

# %% [markdown]
# ## Without any choice
#
# `align` by itself looks what the series is good for: here the whole sample is in every image, so that centres of mass
# are a start, and optical flow refines them.

# %%
auto = tomography.align(geometry, images)
stages.add("align, by itself", auto.report.offsets)
if truth is not None:
    stages.add("offsets of the file" if recording else "truth", truth)
print(f"began with: {auto.start}; {' '.join(auto.reasons)}")

# %% [markdown]
# ## Pictures
#
# Cuts through the volume before and after, and offsets beside the true ones, with the standard errors that the
# alignment states. Then a projection as it was recorded, as the volume has it, and what lies between: noise, and the
# sharp edges that voxels cannot show.

# %%
stages.draw_slices(["unaligned", "line", "step 2"]).savefig("optical_flow_slices.png", dpi=100)
stages.draw_offsets("step 2", second.report.standard_errors).savefig("optical_flow_offsets.png", dpi=100)

n = len(geometry) // 3
volume = stages.rows["step 2"][1]
shown = tomography.Projector(geometry.with_offsets(second.report.offsets)).forward(volume)[n]
figure, panels = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
for panel, image, title in zip(panels, (images[n], shown, images[n] - shown), ("recorded", "of the volume", "between")):
    limit = np.percentile(np.abs(image), 99.5)
    signed = title == "between"
    picture = panel.imshow(image, cmap="RdBu_r" if signed else "cividis", vmin=-limit if signed else 0, vmax=limit)
    panel.set(title=f"projection {n}, {title}", xlabel="k / px", ylabel="j / px")
    figure.colorbar(picture, ax=panel, label="absorbance", shrink=0.8)
figure.savefig("optical_flow_projection.png", dpi=100)

# %% [markdown]
# ## What was found
#
# mumott 2.3 ends its two steps on a series like this one at 0.85 px rms along j and 0.66 px along k as published, at
# 0.0035 and 0.058 px with its smoothing kept within images.

# %%
if not recording:
    rms = {name: row[2].max() for name, row in stages.rows.items()}
    loss = {name: row[3] for name, row in stages.rows.items()}
    assert rms["unaligned"] > 1
    assert rms["step 1"] < 0.05 and rms["step 2"] < 0.01 and rms["align, by itself"] < 0.01
    assert loss["step 2"] < 1.05 * loss["truth"] < 0.1 * loss["unaligned"]
