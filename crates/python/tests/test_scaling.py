"""The simulation behind docs/scaling.md, where its answer is known."""

import importlib.util
import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def scaling():
    path = Path(__file__).parents[3] / "docs" / "scaling.py"
    spec = importlib.util.spec_from_file_location("scaling", path)
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look for their module.
    sys.modules["scaling"] = module
    spec.loader.exec_module(module)
    return module


def ideal(scaling, **parameters):
    cluster = scaling.Cluster(
        node_rate=math.inf, total_rate=math.inf, result_rate=math.inf, task_time=0.0, latency=0.0
    )
    return replace(cluster, **parameters)


def scan(scaling, **parameters):
    return replace(scaling.Scan(n_frames=6400, chunk_frames=10, frame_time=1e-3), **parameters)


def test_arithmetic_alone_is_shared_by_all_cores(scaling):
    run = scaling.simulate(ideal(scaling, nodes=2, cores=4, node_rate=1e15), scan(scaling))
    assert run.time == pytest.approx(6.4 / 8, rel=1e-6)
    assert run.computing == pytest.approx(1, rel=1e-6) and run.limit == "computing"


@pytest.mark.parametrize("nodes, rate", [(1, 1e9), (4, 2.5e9)])
def test_reading_alone_takes_what_links_and_the_file_system_deliver(scaling, nodes, rate):
    cluster = ideal(scaling, nodes=nodes, cores=3, node_rate=1e9, total_rate=2.5e9)
    run = scaling.simulate(cluster, scan(scaling, frame_time=0.0))
    assert run.time == pytest.approx(6400 * 131072 / rate, rel=0.02)
    assert run.limit == "reading"


def test_the_scheduler_gives_out_one_chunk_at_a_time(scaling):
    cluster = ideal(scaling, nodes=10, node_rate=1e15, task_time=0.01)
    run = scaling.simulate(cluster, scan(scaling, frame_time=0.0))
    assert run.time == pytest.approx(6.4, rel=1e-3) and run.limit == "the scheduler"


def test_results_share_one_link(scaling):
    cluster = ideal(scaling, nodes=10, node_rate=1e15, result_rate=1e6)
    run = scaling.simulate(cluster, scan(scaling, frame_time=0.0, frame_result=1000))
    assert run.time == pytest.approx(6.4, rel=1e-3) and run.limit == "results"


def test_reading_ahead_hides_the_shorter_of_both(scaling):
    """2.1 s of reading and 2.4 s of computing on one core."""
    both = scan(scaling, frame_time=375e-6)
    times = [
        scaling.simulate(ideal(scaling, cores=1, node_rate=4e8, threads_per_core=n), both).time
        for n in (1, 2)
    ]
    assert times == pytest.approx([2.1 + 2.4, 2.4], rel=0.01)


def test_a_node_that_dies_is_made_good(scaling):
    """Half of the nodes from half of the time on; the chunks that were in work are done again."""
    cluster = ideal(scaling, nodes=2, cores=4, node_rate=1e15, threads_per_core=1)
    healthy = scaling.simulate(cluster, scan(scaling)).time
    dying = scaling.simulate(replace(cluster, node_dies_at=healthy / 2, noticed_after=0.1), scan(scaling)).time
    assert healthy * 1.5 - 1e-9 <= dying <= healthy * 1.5 + 0.03


def test_a_last_chunk_may_be_smaller(scaling):
    assert scaling.Scan(n_frames=25, chunk_frames=10).chunks == [10, 10, 5]
    run = scaling.simulate(ideal(scaling, cores=1, node_rate=1e15), scan(scaling, n_frames=25))
    assert run.time == pytest.approx(0.025, rel=1e-6)
