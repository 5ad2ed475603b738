"""Tutorials, run cell by cell as a notebook would: their last cell compares what they found with the truth."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

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
