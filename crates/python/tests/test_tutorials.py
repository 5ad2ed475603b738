"""Tutorials, run cell by cell as a notebook would: their last cell compares what they found with the truth."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from pynonius import io, tomography

from conftest import blobs, disks

FOLDER = Path(__file__).parent.parent / "tutorials"
BORDER = re.compile(r"^# %%(.*)$", re.MULTILINE)
#: Files with cells; others are modules that they share.
TUTORIALS = sorted(path for path in FOLDER.glob("*.py") if BORDER.search(path.read_text("utf-8")))


def cells_of(path):
    """Of each cell whether it is text, its number of lines above, and its source."""
    source = path.read_text("utf-8")
    borders = [*BORDER.finditer(source)]
    ends = [border.start() for border in borders[1:]] + [len(source)]
    return [
        (border[1].strip() == "[markdown]", source.count("\n", 0, border.start()), source[border.start() : end])
        for border, end in zip(borders, ends)
    ]


def drawn(figure):
    """Pixels of each panel of a figure, as they were drawn."""
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())
    for panel in figure.axes:
        x0, y0, x1, y1 = (round(v) for v in panel.get_window_extent().extents)
        # Without the frame around it.
        yield panel, pixels[len(pixels) - y1 + 3 : len(pixels) - y0 - 3, x0 + 3 : x1 - 3, :3].reshape(-1, 3)


def run(path, arguments, folder, monkeypatch):
    """Runs all cells in `folder` and returns their names."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setattr(sys, "argv", [str(path), *map(str, arguments)])
    names = {"__name__": "__main__", "__file__": str(path)}
    for is_text, above, source in cells_of(path):
        if not is_text:
            # Empty lines make line numbers those of the file.
            exec(compile("\n" * above + source, path, "exec"), names)
    return names


@pytest.fixture
def plt(monkeypatch):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    # An interpreter that was started by hand has it, and tutorials then take no arguments.
    monkeypatch.delattr(sys, "ps1", raising=False)
    pyplot.close("all")
    yield pyplot
    pyplot.close("all")


def test_there_are_tutorials():
    assert len(TUTORIALS) >= 5, f"none found in {FOLDER}"


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_tutorial(path, tmp_path, monkeypatch, plt, capsys):
    cells = cells_of(path)
    assert cells[0][0] and cells[0][2].startswith("# %% [markdown]\n# # "), "begins with a title"
    for is_text, above, source in cells:
        lines = source.strip().split("\n")
        assert not is_text or all(line.startswith("#") for line in lines), f"line {above + 1}: text that is no comment"
        assert len(lines) > 1, f"line {above + 1}: empty cell"
    assert not cells[-1][0] and "assert " in cells[-1][2], "ends by comparing what was found with the truth"

    run(path, [], tmp_path, monkeypatch)
    assert capsys.readouterr().out.count("\n") > 3, "prints what was found"
    figures = [plt.figure(number) for number in plt.get_fignums()]
    pictures = sorted(tmp_path.glob("*.png"))
    assert len(pictures) == len(figures) > 0, f"{len(figures)} figures, kept as {pictures}"
    for figure in figures:
        for panel, pixels in drawn(figure):
            assert len(pixels) and pixels.std(0).max() > 1, f"panel {panel.get_title() or panel.get_label()!r} is blank"
    for picture in pictures:
        image = plt.imread(picture)
        assert min(image.shape[:2]) >= 300 and image[..., :3].std() > 0.02, f"{picture.name} is blank"


def a_scan():
    """Two crystals."""
    steps = [(i, j) for i in range(-2, 3) for j in range(-2, 3)]
    cells = np.array([[(0, 10), (12, 0)], [(5, 9), (-11, 6)]])
    patterns = [disks((64, 64), 31.6 + np.array(steps) @ cell, 2, 120) for cell in cells]
    counts = np.random.default_rng(2).poisson([patterns[x > 3] for y in range(5) for x in range(8)])
    io.write_blo("scan.blo", counts.reshape(5, 8, 64, 64).astype(np.uint8))
    return "scan.blo", 2


def two_images():
    for name, shift in (("one.npy", (0, 0)), ("other.npy", (1.5, -0.5))):
        noise = np.random.default_rng(len(name)).normal(0, 0.02, (48, 48))
        io.write_array(name, blobs((48, 48), shift) + noise)
    return "one.npy", "other.npy"


def a_tilt_series():
    grid = np.mgrid[:14, :14, :12] - np.array([6.5, 6.5, 5.5])[:, None, None, None]
    volume = sum(np.exp(-((grid - np.reshape(c, (3, 1, 1, 1))) ** 2).sum(0) / 3) for c in ((2, 1, -1), (-2, 0, 2)))
    geometry = tomography.Geometry.single_axis(np.arange(16) * np.pi / 16, (14, 12), (14, 14, 12))
    truth = np.random.default_rng(3).uniform(-1, 1, (16, 2))
    images = tomography.Projector(geometry.with_offsets(truth)).forward(volume)
    tomography.write_tilt_series("series.h5", geometry, np.exp(-0.1 * images))
    return ("series.h5",)


@pytest.mark.parametrize(
    "name, record",
    [
        ("chi2_shift", two_images),
        ("optical_flow_alignment", a_tilt_series),
        ("phase_matching_alignment", a_tilt_series),
        ("polycrystal_strain", a_scan),
        ("upsampling", a_scan),
    ],
)
def test_tutorials_take_recordings(name, record, tmp_path, monkeypatch, plt):
    monkeypatch.chdir(tmp_path)
    run(FOLDER / f"{name}.py", record(), tmp_path, monkeypatch)
    for number in plt.get_fignums():
        for panel, pixels in drawn(plt.figure(number)):
            assert len(pixels) and pixels.std(0).max() > 1, f"panel {panel.get_title() or panel.get_label()!r} is blank"
