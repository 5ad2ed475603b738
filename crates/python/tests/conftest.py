"""What several tests need: images whose displacement is known because it was put there."""

import numpy as np
import pytest

#: A plugin, for runs of other packages' tests, and no module of tests.
collect_ignore = ["stand_in.py"]


@pytest.fixture
def rng():
    return np.random.default_rng(20261)


def blobs(shape, shift=(0.0, 0.0), seed=3, n=12, width=2.5, margin=0.0):
    """Gaussians at random places, displaced by `shift` px."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = np.zeros(shape)
    for cy, cx, height in zip(
        rng.uniform(margin, shape[0] - margin, n),
        rng.uniform(margin, shape[1] - margin, n),
        rng.uniform(0.5, 2, n),
    ):
        image += height * np.exp(
            -((y - cy - shift[0]) ** 2 + (x - cx - shift[1]) ** 2) / (2 * width**2)
        )
    return image


def disks(shape, centers, radius, counts=1000.0, background=10.0):
    """Disks with an edge one pixel wide on a background."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    frame = np.full(shape, float(background))
    for cy, cx in centers:
        frame += counts * np.clip(radius + 0.5 - np.hypot(y - cy, x - cx), 0, 1)
    return frame


AGREEMENTS = {}


@pytest.fixture
def agree():
    """Asserts how far two results may differ, and keeps the largest difference for the summary of the run."""

    def within(name, difference, limit):
        difference = float(difference)
        before = AGREEMENTS.get(name, (0.0, limit))
        AGREEMENTS[name] = (max(before[0], difference), limit)
        assert difference <= limit, f"{name}: {difference:.3g}, allowed {limit:.3g}"

    return within


def pytest_sessionfinish(session):
    """A process of pytest-xdist sends its part of the figures to the one that prints them."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["agreements"] = AGREEMENTS


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    for name, (difference, limit) in node.workeroutput.get("agreements", {}).items():
        AGREEMENTS[name] = (max(AGREEMENTS.get(name, (0.0, limit))[0], difference), limit)


def pytest_terminal_summary(terminalreporter):
    """The figures of docs/python.md."""
    if AGREEMENTS:
        terminalreporter.section("agreement with other packages: largest difference, and what is allowed")
    for name, (difference, limit) in AGREEMENTS.items():
        terminalreporter.write_line(f"{difference:9.2e}  {limit:9.2e}  {name}")
