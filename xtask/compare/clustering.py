"""Workloads of clustering: scikit-learn, and LiberTEM for what it clusters."""

import numpy as np
from libertem.api import Context
from libertem.udf.masks import ApplyMasksUDF
from libertem_blobfinder.common.patterns import BackgroundSubtraction, feature_vector
from sklearn.cluster import ward_tree
from sklearn.feature_extraction.image import grid_to_graph

from worker import serve

SEED = 20261


def grains(shape, n_grains, rng):
    """A map of the nearest of random points."""
    points = rng.uniform(0, 1, (n_grains, 2)) * shape
    y, x = np.mgrid[: shape[0], : shape[1]]
    distances = (y[..., None] - points[:, 0]) ** 2 + (x[..., None] - points[:, 1]) ** 2
    return distances.argmin(axis=-1).ravel()


class WardOnAGrid:
    """300 noisy features of grains and two coordinates; the result is (merge, [smaller, larger, distance])."""

    def arrays(self, size, dtype):
        rng = np.random.default_rng(SEED)
        shape = np.array([round(size * 90 / 121), size])
        grain = grains(shape, 15, rng)
        features = rng.gamma(1.0, 1.0, (15, 300))[grain] + 0.3 * rng.standard_normal((len(grain), 300))
        y, x = np.mgrid[: shape[0], : shape[1]]
        self.features = np.column_stack([features, 0.2 * y.ravel(), 0.2 * x.ravel()]).astype(dtype)
        # Its n_x is the slow axis.
        self.graph = grid_to_graph(n_x=shape[0], n_y=shape[1])
        return {"features": self.features, "shape": shape.astype(dtype)}

    def run(self):
        tree = ward_tree(self.features, connectivity=self.graph, return_distance=True)
        children, _, _, _, distances = tree
        return np.column_stack([np.sort(children, axis=1), distances])

    def difference(self, ours, theirs):
        return np.abs(np.asarray(ours) - theirs).max()


class Features:
    """300 masks of 5 x 5 px on 256 frames; the result is (frame, mask)."""

    def arrays(self, size, dtype):
        rng = np.random.default_rng(SEED)
        self.frames = rng.poisson(20, (256, size, size)).astype(dtype)
        peaks = rng.integers(0, size, (300, 2))
        pattern = BackgroundSubtraction(radius=1.5, radius_outer=2.5)
        stack = feature_vector(imageSizeX=size, imageSizeY=size, peaks=peaks, match_pattern=pattern)
        self.context = Context.make_with("inline")
        scan = self.frames.reshape((16, 16, size, size))
        self.dataset = self.context.load("memory", data=scan, sig_dims=2)
        self.udf = ApplyMasksUDF(
            mask_factories=lambda: stack, mask_count=300, mask_dtype=np.float32, use_sparse="scipy.sparse"
        )
        return {"frames": self.frames, "peaks": peaks.astype(np.float64)}

    def run(self):
        return self.context.run_udf(dataset=self.dataset, udf=self.udf)["intensity"].raw_data

    def difference(self, ours, theirs):
        return np.abs(np.asarray(ours) - theirs).max() / np.abs(theirs).max()


serve({"ward_on_a_grid": WardOnAGrid, "features": Features})
