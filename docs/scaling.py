"""A scan of 1 TB on 1 to 100 nodes, simulated event by event: ``python scaling.py`` prints the table of scaling.md and
draws scaling.png (needs NumPy and Matplotlib).

A scheduler hands chunks of frames to the threads of workers, one after the other. A thread reads its chunk, sharing its
node's link and the file system with all who read at that time, waits for a free core, computes, and sends its results to
the client over one link. All times are in seconds, amounts in bytes.
"""

import heapq
import math
from collections import deque
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Cluster:
    nodes: int = 1
    cores: int = 32
    #: With two for each core one reads while another computes.
    threads_per_core: int = 2
    #: What a node can read, and what the file system delivers to all nodes, a second.
    node_rate: float = 2e9
    total_rate: float = 20e9
    #: From the workers to the client.
    result_rate: float = 1.25e9
    #: What the scheduler does for a task, and between a task's end and the next one's start.
    task_time: float = 0.5e-3
    latency: float = 2e-3
    #: At this time a node is gone, and its chunks go back to the scheduler this much later.
    node_dies_at: float = math.inf
    noticed_after: float = 5.0


@dataclass(frozen=True)
class Scan:
    n_frames: int = 7_629_395
    frame_bytes: int = 131_072
    #: Of one core, and what it sends back.
    frame_time: float = 236e-6
    frame_result: int = 25 * 41
    chunk_frames: int = 1024

    @property
    def chunks(self) -> list[int]:
        whole, rest = divmod(self.n_frames, self.chunk_frames)
        return [self.chunk_frames] * whole + [rest] * (rest > 0)


@dataclass(frozen=True)
class Run:
    time: float
    #: Shares of the time that cores computed, that the file system delivered, that the scheduler and the link of the
    #: results were busy.
    computing: float
    reading: float
    scheduling: float
    returning: float

    @property
    def limit(self) -> str:
        shares = {
            "computing": self.computing,
            "reading": self.reading,
            "the scheduler": self.scheduling,
            "results": self.returning,
        }
        name = max(shares, key=shares.__getitem__)
        return name if shares[name] > 0.5 else "too few chunks"


class Reads:
    """Everybody who reads, and at which rate: a reader has its share of its node's link or of the file system, whichever
    is less. A node's readers are all equally quick, so that each needs only the count of bytes at which it is done."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.now = 0.0
        self.bytes = np.zeros(cluster.nodes)
        self.readers = np.zeros(cluster.nodes, int)
        self.ends: list[list[tuple[float, int]]] = [[] for _ in range(cluster.nodes)]
        self.first = np.full(cluster.nodes, np.inf)
        self.delivered = 0.0

    def rates(self) -> np.ndarray:
        total = max(int(self.readers.sum()), 1)
        shares = self.cluster.node_rate / np.maximum(self.readers, 1)
        return np.minimum(shares, self.cluster.total_rate / total)

    def advance(self, now: float) -> None:
        read = self.rates() * (now - self.now)
        self.bytes += read
        self.delivered += float((read * self.readers).sum())
        self.now = now

    def begin(self, node: int, chunk: int, amount: float) -> None:
        heapq.heappush(self.ends[node], (self.bytes[node] + amount, chunk))
        self.readers[node] += 1
        self.first[node] = self.ends[node][0][0]

    def next(self) -> tuple[float, int]:
        """When the next one is done, and on which node."""
        waits = np.maximum(self.first - self.bytes, 0) / self.rates()
        node = int(np.argmin(waits))
        return self.now + float(waits[node]), node

    def end(self, node: int) -> int:
        _, chunk = heapq.heappop(self.ends[node])
        self.readers[node] -= 1
        self.first[node] = self.ends[node][0][0] if self.ends[node] else np.inf
        return chunk

    def forget(self, node: int) -> None:
        self.ends[node].clear()
        self.readers[node] = 0
        self.first[node] = np.inf


def simulate(cluster: Cluster, scan: Scan) -> Run:
    chunks = scan.chunks
    nodes = range(cluster.nodes)
    waiting = deque(range(len(chunks)))
    # A thread of each node after the other.
    idle = deque(node for _ in range(cluster.cores * cluster.threads_per_core) for node in nodes)
    free_cores = [cluster.cores for _ in nodes]
    read: list[deque[int]] = [deque() for _ in nodes]
    held: list[set[int]] = [set() for _ in nodes]
    reads = Reads(cluster)
    events: list[tuple[float, int, str, int, int]] = []
    dead = -1
    now = scheduler_free = link_free = scheduled = computed = returned = 0.0
    n_events = 0

    def at(time: float, what: str, node: int, chunk: int = -1) -> None:
        nonlocal n_events
        heapq.heappush(events, (time, n_events, what, node, chunk))
        n_events += 1

    def schedule() -> None:
        nonlocal scheduler_free, scheduled
        while waiting and idle:
            node, chunk = idle.popleft(), waiting.popleft()
            scheduler_free = max(scheduler_free, now) + cluster.task_time
            scheduled += cluster.task_time
            held[node].add(chunk)
            at(scheduler_free + cluster.latency, "read", node, chunk)

    def compute(node: int) -> None:
        nonlocal computed
        while free_cores[node] and read[node]:
            chunk = read[node].popleft()
            free_cores[node] -= 1
            time = chunks[chunk] * scan.frame_time
            computed += time
            at(now + time, "done", node, chunk)

    if math.isfinite(cluster.node_dies_at):
        at(cluster.node_dies_at, "die", cluster.nodes - 1)
    left = len(chunks)
    schedule()
    while left:
        read_done, node = reads.next()
        if events and events[0][0] <= read_done:
            now, _, what, node, chunk = heapq.heappop(events)
        else:
            now, what, chunk = read_done, "compute", -1
        reads.advance(now)
        if what == "arrived":
            left -= 1
        elif what == "die":
            dead = node
            reads.forget(node)
            idle = deque(other for other in idle if other != node)
            at(now + cluster.noticed_after, "notice", node)
        elif what == "notice":
            waiting.extend(sorted(held[node]))
            held[node].clear()
            schedule()
        elif node == dead:
            pass
        elif what == "read":
            reads.begin(node, chunk, float(chunks[chunk] * scan.frame_bytes))
        elif what == "compute":
            read[node].append(reads.end(node))
            compute(node)
        elif what == "done":
            time = chunks[chunk] * scan.frame_result / cluster.result_rate
            link_free = max(link_free, now) + time
            returned += time
            at(link_free, "arrived", node, chunk)
            held[node].discard(chunk)
            free_cores[node] += 1
            idle.append(node)
            compute(node)
            schedule()
    return Run(
        time=now,
        computing=computed / (now * cluster.nodes * cluster.cores),
        reading=reads.delivered / (now * min(cluster.total_rate, cluster.nodes * cluster.node_rate)),
        scheduling=scheduled / now,
        returning=returned / now,
    )


SCANS = {
    "continuous maximum": Scan(),
    "fit with covariance": Scan(frame_time=1984e-6, frame_result=25 * 57),
}
NODES = [1, 2, 4, 7, 10, 20, 40, 100]


def table() -> list[str]:
    lines = ["| kernel | nodes | time, s | cores compute | file system | scheduler | limited by |"]
    lines.append("| --- | --- | --- | --- | --- | --- | --- |")
    for name, scan in SCANS.items():
        for nodes in (1, 10, 100):
            run = simulate(Cluster(nodes=nodes), scan)
            lines.append(
                f"| {name} | {nodes} | {run.time:.1f} | {run.computing:.0%} | {run.reading:.0%} "
                f"| {run.scheduling:.0%} | {run.limit} |"
            )
    return lines


def draw(path: str) -> None:
    import matplotlib.pyplot as plt

    figure, (by_nodes, by_chunk) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    kinds = {
        "20 GB/s for all": Cluster(),
        "each node reads its own disk": Cluster(total_rate=math.inf),
    }
    colours = {"continuous maximum": "#0072b2", "fit with covariance": "#d55e00"}
    for name, scan in SCANS.items():
        for (kind, cluster), style in zip(kinds.items(), ("-o", "--s")):
            times = [simulate(replace(cluster, nodes=n), scan).time for n in NODES]
            by_nodes.loglog(NODES, times, style, ms=4, color=colours[name], label=f"{name}, {kind}")
        sizes = [2**k for k in range(6, 15)]
        for nodes, style in ((10, "-o"), (100, "--s")):
            times = [simulate(Cluster(nodes=nodes), replace(scan, chunk_frames=n)).time for n in sizes]
            by_chunk.loglog(sizes, times, style, ms=4, color=colours[name], label=f"{name}, {nodes} nodes")
    by_nodes.set(xlabel="nodes of 32 cores", ylabel="time for 1 TB (s)", title="What nodes buy")
    by_chunk.set(xlabel="frames in a chunk", ylabel="time for 1 TB (s)", title="What a chunk should hold (20 GB/s)")
    by_chunk.set_xscale("log", base=2)
    for axes in (by_nodes, by_chunk):
        axes.grid(which="both", alpha=0.25)
        axes.yaxis.set_major_formatter("{x:.0f}")
        axes.yaxis.set_minor_formatter(lambda x, _: f"{x:.0f}" if f"{x:.0e}"[0] in "235" else "")
        axes.legend(fontsize=7)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    from pathlib import Path

    print("\n".join(table()))
    healthy = simulate(Cluster(nodes=10), SCANS["fit with covariance"]).time
    dying = simulate(Cluster(nodes=10, node_dies_at=healthy / 2), SCANS["fit with covariance"]).time
    print(f"10 nodes, fit: {healthy:.1f} s; with one lost half way {dying:.1f} s")
    draw(str(Path(__file__).with_name("scaling.png")))
