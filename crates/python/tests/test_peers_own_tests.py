"""Tests and examples that other packages bring with them, run with our functions in place of theirs.

`EXPECTED` says of every module what becomes of it, and of every test that fails with our function why. A test that
fails because an option is refused, with a message that names it, is counted as such: ``refused`` says which options.
"""

import doctest
import importlib
import json
import os
import pathlib
import re
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytest

import pynonius
from pynonius import familiar

TESTS = "image_registration.tests.registration_testing"


class Expected(NamedTuple):
    #: where the package's name is looked up, and the name of ours
    names: dict[str, str]
    #: passing, refused, failing for a cause below
    counts: tuple[int, int, int]
    #: what begins the messages of refusals
    refused: list[str] = []
    #: pattern of the test's name: cause
    failing: dict[str, str] = {}
    options: tuple[str, ...] = ()


EXPECTED = {
    TESTS: Expected(
        {
            f"{TESTS}:chi2_shift": "chi2_shift",
            f"{TESTS}:cross_correlation_shifts": "cross_correlation_shifts",
            f"{TESTS}:register_images": "register_images",
            "image_registration.fft_tools.shift:shiftnd": "shiftnd",
        },
        (227, 0, 77),
        failing={
            "test_extended_shifts_lownoise": "fails with the package's own function: scenes of 3e-4 in noise of 0.5",
            r"test_upsample\[(99|101)\]": "fails with the package's own function: the test needs an even side",
        },
        # It asks for frames of 10 000² px, 1.6 GB each as complex numbers.
        options=("-k", "not issue_60"),
    ),
    "sklearn.cluster.tests.test_hierarchical": Expected(
        {
            "sklearn.cluster:AgglomerativeClustering": "AgglomerativeClustering",
            "sklearn.cluster:ward_tree": "ward_tree",
            "sklearn.cluster:linkage_tree": "linkage_tree",
            "sklearn.cluster._agglomerative:linkage_tree": "linkage_tree",
        },
        (49, 8, 0),
        ["metric must be one of", "features must be no row of zeros", "exactly one of n_clusters and"],
    ),
    "sklearn.cluster.tests.test_dbscan": Expected(
        {"sklearn.cluster:DBSCAN": "DBSCAN"},
        (5, 7, 0),
        ["metric must be", "sample_weight must be None"],
    ),
    "sklearn.cluster.tests.test_hdbscan": Expected(
        {"sklearn.cluster:HDBSCAN": "HDBSCAN"},
        (83, 57, 7),
        [
            "metric must be",
            "features must be finite",
            "min_samples must be at least 2",
            "store_centers must be None",
            "allow_single_cluster must be False",
            "cluster_selection_epsilon must be",
            "max_cluster_size must be",
        ],
        {
            "test_dbscan_clustering": "no method dbscan_clustering: use DBSCAN",
            "test_labelling_distinct": "looks at a private attribute",
            "test_hdbscan_too_many_min_samples": "more than there are rows counts as all rows",
            "test_hdbscan_default_copy_warning": "copy has no effect, so there is nothing to warn of",
        },
    ),
    "sklearn.cluster.tests.test_k_means": Expected(
        {"sklearn.cluster:KMeans": "KMeans"},
        (80, 60, 12),
        [
            "sample_weight must be None",
            "init must be 'k-means++'",
            "init: expected",
            "centers: expected",
            "n_clusters must be",
            "random_state must be",
        ],
        {
            "test_kmeans_init_auto": "looks at a private attribute, or draws from a generator in a function for init",
            "test_n_init_auto": "looks at a private attribute",
            "test_score_max_iter|test_fit_transform|test_feature_names_out": "no methods of pipelines",
            "test_float_precision": "centres are in double precision",
            "test_warning": "no warning: further starts from given centres, and algorithm, have no effect",
        },
        # The others do not come to KMeans.
        options=("-k", "not MiniBatch and not minibatch"),
    ),
}


def outcomes_of(module, names, options, tmp_path):
    """What becomes of every test of a module that comes to one of `names`."""
    report = tmp_path / "report.json"
    stand_in = json.dumps({"names": names, "report": str(report)})
    here = pathlib.Path(__file__).parent
    package = pathlib.Path(pynonius.__file__).parents[1]
    paths = os.pathsep.join([str(here), str(package), os.environ.get("PYTHONPATH", "")])
    subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull),
            *("--rootdir", str(tmp_path), "-p", "stand_in", "-W", "ignore", "--tb", "short"),
            *("--pyargs", module, *options),
        ],
        env={**os.environ, "STAND_IN": stand_in, "PYTHONPATH": paths, "MPLBACKEND": "Agg"},
        cwd=tmp_path,
        capture_output=True,
    )
    return json.loads(report.read_text())


@pytest.mark.parametrize("module", EXPECTED)
def test_own_tests(module, tmp_path):
    expected = EXPECTED[module]
    outcomes = outcomes_of(module, expected.names, expected.options, tmp_path)
    unexplained = {}
    counts = {"passed": 0, "refused": 0, "failed": 0}
    for test, (outcome, message) in outcomes.items():
        counts[outcome] += 1
        if outcome == "refused" and not message.startswith(tuple(expected.refused)):
            unexplained[test] = message
        if outcome == "failed" and not any(re.match(name, test) for name in expected.failing):
            unexplained[test] = message
    assert not unexplained
    assert tuple(counts.values()) == expected.counts


def test_own_tests_of_image_registration_as_it_is(tmp_path):
    """What fails with ours fails with theirs; for the half pixel along odd axes, 50 more do."""
    expected = EXPECTED[TESTS]
    as_it_is = outcomes_of(TESTS, dict.fromkeys(expected.names, ""), expected.options, tmp_path)
    failing = {test for test, (outcome, _) in as_it_is.items() if outcome == "failed"}
    explained = {test for test in failing if any(re.match(name, test) for name in expected.failing)}
    assert len(explained) == expected.counts[2]
    more = failing - explained
    assert len(more) == 50
    assert all(re.match(r"test_shifts\[.*-(99|101)-True\]", test) for test in more)


# Examples in documentation


EXAMPLES = [
    # where it is defined, its name, where else its example looks it up, lines of the example
    ("image_registration.chi2_shifts", "chi2_shift", [], 7),
    ("image_registration.chi2_shifts", "chi2_shift_iterzoom", [], 7),
    ("image_registration.cross_correlation_shifts", "cross_correlation_shifts", ["image_registration"], 9),
    ("skimage.registration", "optical_flow_tvl1", [], 7),
    ("skimage.registration", "optical_flow_ilk", [], 7),
    ("sklearn.cluster", "AgglomerativeClustering", [], 6),
    ("sklearn.cluster", "ward_tree", [], 7),
    ("sklearn.cluster", "KMeans", [], 7),
    ("sklearn.cluster", "HDBSCAN", [], 8),
    ("sklearn.cluster", "DBSCAN", [], 6),
    ("libertem_blobfinder.common.correlation", "get_peaks", [], 5),
    ("libertem_blobfinder.common.correlation", "process_frames_fast", [], 5),
    ("libertem_blobfinder.common.correlation", "process_frames_full", [], 5),
    ("libertem_blobfinder.common.fullmatch", "FullMatcher.full_match", [], 7),
]


@pytest.mark.parametrize("module, name, further, n", EXAMPLES, ids=[name for _, name, _, _ in EXAMPLES])
def test_examples(module, name, further, n, monkeypatch):
    model = importlib.import_module(module)
    example = model
    for part in name.split("."):
        example = getattr(example, part)
    text = example.__doc__
    outer = name.partition(".")[0]
    for place in [module, *further]:
        monkeypatch.setattr(sys.modules[place], outer, getattr(familiar, outer))
    globs = {"np": np, **vars(model)}
    if "blobfinder" in module:
        import libertem_blobfinder.common.patterns as patterns

        globs["libertem_blobfinder"] = importlib.import_module("libertem_blobfinder")
        for pattern in ("RadialGradient", "Circular", "BackgroundSubtraction"):
            monkeypatch.setattr(patterns, pattern, getattr(familiar, pattern))
    test = doctest.DocTestParser().get_doctest(text, globs, name, None, 0)
    said = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    found = runner.run(test, out=said.append)
    # k-means numbers its clusters otherwise: labels, predictions and centres of its example.
    assert found.failed == (3 if name == "KMeans" else 0), "".join(said)
    assert found.attempted == n
