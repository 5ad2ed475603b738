"""Workloads of blobfinder: LiberTEM-blobfinder."""

import numpy as np
from libertem.api import Context
from libertem_blobfinder.base.correlation import (
    allocate_crop_bufs,
    get_buf_count,
    process_frame_fast,
    process_frame_full,
    zeros,
)
from libertem_blobfinder.common.fullmatch import FullMatcher
from libertem_blobfinder.common.gridmatching import Matcher
from libertem_blobfinder.common.patterns import Circular
from libertem_blobfinder.udf.refinement import run_refine

from worker import serve

SEED = 20261


def positions(zero, a, b, indices):
    indices = np.asarray(indices, float)
    return zero + indices[:, :1] * a + indices[:, 1:] * b


def grid(reach):
    """Indices (i, j), i fastest."""
    return [(i, j) for j in range(-reach, reach + 1) for i in range(-reach, reach + 1)]


def disks(size, centers, radius, counts, background):
    """Counts expected of disks with an edge one pixel wide."""
    y, x = np.mgrid[:size, :size]
    frame = np.full((size, size), float(background))
    for cy, cx in centers:
        frame += counts * np.clip(radius + 0.5 - np.hypot(y - cy, x - cx), 0, 1)
    return frame


class Found:
    """Buffers for what is found near `peaks` of a frame, and a pattern's spectrum for windows of its size."""

    def __init__(self, pattern, peaks, dtype):
        n = len(peaks)
        self.crop_size = pattern.get_crop_size()
        self.template = pattern.get_template(sig_shape=(2 * self.crop_size, 2 * self.crop_size))
        self.crop_bufs = allocate_crop_bufs(self.crop_size, n, dtype)
        self.peaks = peaks.astype(np.int32)
        self.centers = np.zeros((n, 2), np.int32)
        self.refineds = np.zeros((n, 2), np.float32)
        self.heights = np.zeros(n, np.float32)
        self.elevations = np.zeros(n, np.float32)

    def out(self):
        return {
            "out_centers": self.centers,
            "out_refineds": self.refineds,
            "out_heights": self.heights,
            "out_elevations": self.elevations,
        }

    def in_windows(self, frame, upsample=False):
        process_frame_fast(
            template=self.template,
            crop_size=self.crop_size,
            frame=frame,
            peaks=self.peaks,
            crop_bufs=self.crop_bufs,
            upsample=upsample,
            **self.out(),
        )


class Disks:
    """Twenty disks of radius 8, windows of 32 x 32; the result is their positions (disk, axis)."""

    radius = 8.0
    upsample = False

    def arrays(self, size, dtype):
        rng = np.random.default_rng(SEED)
        zero = np.array([size / 2 + 0.3, size / 2 - 0.4])
        a, b = np.array([48.4, 5.2]), np.array([-4.3, 50.6])
        self.truth = positions(zero, a, b, grid(2))
        margin = 2 * self.radius + 2
        inside = np.all((self.truth >= margin) & (self.truth < size - margin), axis=1)
        self.truth = self.truth[inside][:20]
        assert len(self.truth) == 20
        frame = rng.poisson(disks(size, positions(zero, a, b, grid(5)), self.radius, 50.0, 3.0))
        self.frame = frame.astype(dtype)
        # Up to a pixel off, as a lattice that is roughly known has it.
        self.peaks = np.round(self.truth + rng.uniform(-1, 1, self.truth.shape)).astype(int)
        self.found = Found(Circular(radius=self.radius), self.peaks, dtype)
        self.prepare()
        return {"frame": self.frame, "peaks": self.peaks.astype(np.float64)}

    def prepare(self):
        pass

    def run(self):
        self.found.in_windows(self.frame, self.upsample)
        return self.found.refineds

    def difference(self, ours, theirs):
        return np.abs(np.asarray(ours) - theirs).max()


class DisksUpsampled(Disks):
    upsample = 20


class DisksFull(Disks):
    def prepare(self):
        self.template = Circular(radius=self.radius).get_template(sig_shape=self.frame.shape)
        self.frame_buf = zeros(self.frame.shape, dtype=self.frame.dtype)
        self.buf_count = get_buf_count(self.found.crop_size, len(self.peaks), self.frame.dtype)

    def run(self):
        process_frame_full(
            template=self.template,
            crop_size=self.found.crop_size,
            frame=self.frame,
            peaks=self.found.peaks,
            frame_buf=self.frame_buf,
            buf_count=self.buf_count,
            upsample=self.upsample,
            **self.found.out(),
        )
        return self.found.refineds


class DisksFullUpsampled(DisksFull):
    upsample = 20


def unimodular_distance(ours, theirs):
    """Largest distance, px, of the vectors of one lattice from the nearest points of the other."""
    distances = []
    for one, other in ((ours, theirs), (theirs, ours)):
        index = one[1:] @ np.linalg.inv(other[1:])
        distances.append(np.abs((index - np.round(index)) @ other[1:]).max())
    return max(distances)


class LatticeSearch:
    """Points of a lattice, a fifth of them dropped, 0.3 px of noise; the result is a and b as rows."""

    def arrays(self, size, dtype):
        rng = np.random.default_rng(SEED)
        zero, a, b = np.array([127.3, 128.6]), np.array([24.4, 3.2]), np.array([-2.3, 26.6])
        # The middle first: there the reference takes its zero from.
        order = sorted(grid(4), key=lambda index: (np.hypot(*index), index))
        kept = [0, *(1 + np.flatnonzero(rng.random(len(order) - 1) > 0.2))][:size]
        self.points = positions(zero, a, b, np.array(order)[kept])
        self.points[1:] += 0.3 * rng.standard_normal((size - 1, 2))
        self.truth = np.array([zero, a, b])
        self.zero = zero
        self.matcher = FullMatcher()
        return {"points": self.points}

    def run(self):
        matches, _, _ = self.matcher.full_match(
            centers=self.points, zero=self.zero, refineds=self.points
        )
        return np.array([matches[0].zero, matches[0].a, matches[0].b])

    def difference(self, ours, theirs):
        return unimodular_distance(np.asarray(ours), np.asarray(theirs))


class Refine:
    """Lattices of 256 frames of 25 positions; the result is (frame, [zero, a, b], axis)."""

    n_frames = 256
    radius = 6.0

    def arrays(self, size, dtype):
        rng = np.random.default_rng(SEED)
        center = np.array([size / 2, size / 2])
        zero, a, b = center + (-0.4, 0.3), np.array([24.3, 1.2]), np.array([-1.1, 23.8])
        self.start = np.array([zero, a, b])
        # As many different frames as tell a mistake; the others repeat them.
        n_different = 64
        self.truth = self.start + rng.uniform(-0.3, 0.3, (n_different, 3, 2))
        frames = [
            rng.poisson(disks(size, positions(*truth, grid(3)), self.radius, 40.0, 3.0))
            for truth in self.truth
        ]
        repeat = np.arange(self.n_frames) % n_different
        self.truth = self.truth[repeat]
        self.frames = np.array(frames, dtype)[repeat]
        self.indices = np.array(grid(2))
        self.pattern = Circular(radius=self.radius)
        self.matcher = Matcher()
        self.prepare()
        return {"frames": self.frames, "start": self.start}

    def prepare(self):
        self.context = Context.make_with("inline")
        scan = self.frames.reshape((16, 16, *self.frames.shape[1:]))
        self.dataset = self.context.load("memory", data=scan, sig_dims=2)

    def run(self):
        zero, a, b = self.start
        found, _ = run_refine(
            ctx=self.context,
            dataset=self.dataset,
            zero=zero,
            a=a,
            b=b,
            match_pattern=self.pattern,
            matcher=self.matcher,
            indices=self.indices,
        )
        vectors = [np.asarray(found[name].data).reshape(-1, 2) for name in ("zero", "a", "b")]
        return np.stack(vectors, axis=1)

    def difference(self, ours, theirs):
        return np.abs(np.asarray(ours) - theirs).max()


class RefineFrames(Refine):
    """The same by the functions for one frame."""

    n_frames = 64

    def prepare(self):
        expected = positions(*self.start, self.indices)
        # Cut to whole pixels, as the driver does.
        self.found = Found(self.pattern, expected.astype(int), self.frames.dtype)

    def run(self):
        zero, a, b = self.start
        lattices = []
        for frame in self.frames:
            self.found.in_windows(frame)
            match = self.matcher.fastmatch(
                centers=self.found.centers,
                refineds=self.found.refineds,
                peak_values=self.found.heights,
                peak_elevations=self.found.elevations,
                zero=zero,
                a=a,
                b=b,
            )
            lattices.append([match.zero, match.a, match.b])
        return np.array(lattices)


serve(
    {
        "disks_crop": Disks,
        "disks_upsampled": DisksUpsampled,
        "disks_upsampled_20": DisksUpsampled,
        "disks_fit": DisksUpsampled,
        "disks_full": DisksFull,
        "disks_full_upsampled": DisksFullUpsampled,
        "lattice_search": LatticeSearch,
        "refine_scan": Refine,
        "refine_frames": RefineFrames,
        "refine_fit": RefineFrames,
    }
)
