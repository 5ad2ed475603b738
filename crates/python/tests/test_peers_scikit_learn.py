"""scikit-learn's clustering beside ours."""

import inspect

import numpy as np
import pytest

from pynonius import clustering, familiar

ESTIMATORS = ["AgglomerativeClustering", "KMeans", "DBSCAN", "HDBSCAN"]


@pytest.mark.parametrize("name", [*ESTIMATORS, "ward_tree", "linkage_tree"])
def test_signatures(name):
    from sklearn import cluster

    ours = inspect.signature(getattr(familiar, name)).parameters
    theirs = inspect.signature(getattr(cluster, name)).parameters
    assert {k: p.default for k, p in ours.items()} == {k: p.default for k, p in theirs.items()}
    assert list(ours) == list(theirs)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_parameters_are_attributes(name):
    from sklearn import base

    model = getattr(familiar, name)()
    assert repr(base.clone(model)) == f"{name}()"
    assert model.set_params(metric="l1") is model if name != "KMeans" else True
    with pytest.raises(ValueError, match="no_such_parameter"):
        model.set_params(no_such_parameter=1)




@pytest.mark.parametrize("seed", range(3))
def test_ward_on_a_grid(seed):
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.feature_extraction.image import grid_to_graph

    features = np.random.default_rng(seed).normal(size=(12 * 15, 4)).cumsum(0)
    connectivity = grid_to_graph(12, 15)
    theirs = AgglomerativeClustering(7, connectivity=connectivity, compute_distances=True, compute_full_tree=True)
    theirs.fit(features)
    ours = familiar.AgglomerativeClustering(7, connectivity=connectivity, compute_distances=True).fit(features)
    np.testing.assert_array_equal(ours.children_, theirs.children_)
    np.testing.assert_array_equal(ours.distances_, theirs.distances_)
    np.testing.assert_array_equal(ours.labels_, theirs.labels_)
    assert ours.n_connected_components_ == theirs.n_connected_components_


def test_ward_at_a_distance(rng):
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.feature_extraction.image import grid_to_graph

    features = rng.normal(size=(80, 3))
    connectivity = grid_to_graph(8, 10)
    keywords = {"n_clusters": None, "distance_threshold": 3.0, "connectivity": connectivity}
    theirs = AgglomerativeClustering(**keywords).fit(features)
    ours = familiar.AgglomerativeClustering(**keywords).fit(features)
    assert ours.n_clusters_ == theirs.n_clusters_
    np.testing.assert_array_equal(ours.labels_, theirs.labels_)


@pytest.mark.parametrize("linkage", ["ward", "average", "complete", "single"])
def test_linkages_without_a_graph(linkage, rng):
    from sklearn.cluster import AgglomerativeClustering

    features = rng.normal(size=(60, 4))
    theirs = AgglomerativeClustering(5, linkage=linkage).fit_predict(features)
    ours = familiar.AgglomerativeClustering(5, linkage=linkage).fit_predict(features)
    assert clustering.adjusted_rand_index(ours, theirs) == 1.0


@pytest.mark.parametrize("connected", [False, True])
@pytest.mark.parametrize("linkage", ["ward", "average", "complete", "single"])
def test_trees(linkage, connected, rng, agree):
    from sklearn.cluster import linkage_tree
    from sklearn.feature_extraction.image import grid_to_graph

    features = rng.normal(size=(90, 4))
    connectivity = grid_to_graph(9, 10) if connected else None
    ours = familiar.linkage_tree(features, connectivity, linkage=linkage, return_distance=True)
    if linkage == "ward":
        from sklearn.cluster import ward_tree

        theirs = ward_tree(features, connectivity=connectivity, return_distance=True)
    else:
        theirs = linkage_tree(features, connectivity, linkage=linkage, return_distance=True)
    np.testing.assert_array_equal(np.sort(ours[0], axis=1), np.sort(theirs[0], axis=1))
    assert ours[1:3] == (theirs[1], theirs[2])
    if connected:
        np.testing.assert_array_equal(ours[3], theirs[3])
    agree("ward_tree, linkage_tree, relative distances", np.abs(ours[4] / theirs[4] - 1).max(), 1e-12)


@pytest.fixture
def three_clusters():
    from sklearn.datasets import make_blobs

    return make_blobs(n_samples=300, centers=3, n_features=5, cluster_std=0.8, random_state=4)


def test_k_means(three_clusters, agree):
    from sklearn.cluster import KMeans

    features, _ = three_clusters
    start = features[:3]
    theirs = KMeans(3, init=start, n_init=1).fit(features)
    ours = familiar.KMeans(3, init=start).fit(features)
    np.testing.assert_array_equal(ours.labels_, theirs.labels_)
    np.testing.assert_array_equal(ours.predict(features), theirs.predict(features))
    agree("KMeans, centres", np.abs(ours.cluster_centers_ - theirs.cluster_centers_).max(), 1e-10)
    agree("KMeans, relative inertia", abs(ours.inertia_ / theirs.inertia_ - 1), 1e-12)
    # Starts of its own find the same clusters where they are plain.
    with pytest.raises(ValueError, match="X: expected 5 columns"):
        ours.predict(features[:, :3])
    seeded = familiar.KMeans(3, n_init=5, random_state=1).fit_predict(features)
    assert clustering.adjusted_rand_index(seeded, theirs.labels_) == 1.0


def test_clusters_by_density(three_clusters, agree):
    from sklearn.cluster import DBSCAN, HDBSCAN

    features, _ = three_clusters
    theirs = DBSCAN(eps=1.3).fit(features)
    ours = familiar.DBSCAN(eps=1.3).fit(features)
    np.testing.assert_array_equal(ours.labels_, theirs.labels_)
    np.testing.assert_array_equal(ours.core_sample_indices_, theirs.core_sample_indices_)
    theirs = HDBSCAN(copy=True).fit(features)
    ours = familiar.HDBSCAN().fit(features)
    assert clustering.adjusted_rand_index(ours.labels_, theirs.labels_) == 1.0
    agree("HDBSCAN, probabilities", np.abs(ours.probabilities_ - theirs.probabilities_).max(), 1e-10)


@pytest.mark.parametrize(
    "model, names",
    [
        (familiar.AgglomerativeClustering(metric="l1"), "metric .* 'euclidean' for linkage 'ward'"),
        (familiar.AgglomerativeClustering(metric="precomputed", linkage="single"), "metric .* got 'precomputed'"),
        (familiar.AgglomerativeClustering(3, distance_threshold=1.0), "n_clusters and distance_threshold"),
        (familiar.KMeans(2, init="random"), "init must be 'k-means"),
        (familiar.DBSCAN(metric="cosine"), "metric must be 'euclidean'"),
        (familiar.HDBSCAN(cluster_selection_method="leaf"), "cluster_selection_method must be 'eom'"),
    ],
)
def test_what_is_refused_is_named(model, names, rng):
    with pytest.raises(ValueError, match=names):
        model.fit(rng.normal(size=(20, 3)))
