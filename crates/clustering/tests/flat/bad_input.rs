//! Input that cannot be right.

use ndarray::{Array2, ArrayView2, array};
use nonius_clustering::{
    DbscanParams, HdbscanParams, KMeansParams, MixtureParams, OpticsParams, dbscan, gaussian_mixture,
    gaussian_mixture_from, hdbscan, k_means, k_means_from, optics, principal_components,
};
use nonius_core::{Error, NoProgress};

type Method = fn(ArrayView2<'_, f64>) -> Result<(), Error>;

const METHODS: [(&str, Method); 6] = [
    ("k-means", |x| k_means(x, 1, &KMeansParams::default(), &NoProgress).map(|_| ())),
    ("DBSCAN", |x| dbscan(x, 1.0, &DbscanParams::default(), &NoProgress).map(|_| ())),
    ("OPTICS", |x| optics(x, &OpticsParams::default(), &NoProgress).map(|_| ())),
    ("HDBSCAN", |x| hdbscan(x, &HdbscanParams::default(), &NoProgress).map(|_| ())),
    ("mixture", |x| gaussian_mixture(x, 1, &MixtureParams::default(), &NoProgress).map(|_| ())),
    ("components", |x| principal_components(x, 1).map(|_| ())),
];

#[test]
fn features() {
    for (name, method) in METHODS {
        for shape in [(0, 3), (3, 0), (0, 0)] {
            let error = method(Array2::zeros(shape).view()).unwrap_err();
            assert!(matches!(error, Error::Empty { .. }), "{name} {shape:?}: {error}");
        }
        for (value, text) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf"), (f64::NEG_INFINITY, "-inf")] {
            let error =
                method(array![[1.0, 2.0], [3.0, value], [value, 0.0]].view()).unwrap_err().to_string();
            assert_eq!(
                error,
                format!("features must be finite, got {text} in row 1, column 1, one of 2"),
                "{name}"
            );
        }
        let error = method(array![[1e151], [0.0]].view()).unwrap_err().to_string();
        assert!(error.starts_with("features must be at most 1e150 in size"), "{name}: {error}");
        // As large as they may be.
        let large = array![[1e150, -1e150], [-1e150, 1e150], [1e150, 1e150]];
        let outcome = method(large.view());
        // Columns of such size cannot be kept apart by adding 1e-6 to their variances.
        assert!(outcome.is_ok() || name == "mixture", "{name}: {outcome:?}");
    }
}

#[track_caller]
fn refused<T>(outcome: Result<T, Error>, expected: &str) {
    match outcome {
        Ok(_) => panic!("accepted; expected: {expected}"),
        Err(error) => assert_eq!(error.to_string(), expected),
    }
}

#[test]
fn numbers_of_clusters() {
    let x = array![[0.0], [0.0], [1.0]];
    let clusters = |k| k_means(x.view(), k, &KMeansParams::default(), &NoProgress).map(|_| ());
    let components = |k| gaussian_mixture(x.view(), k, &MixtureParams::default(), &NoProgress).map(|_| ());
    for method in [&clusters as &dyn Fn(usize) -> _, &components] {
        let range = "n_clusters must be at least 1 and at most the number of samples, got";
        refused(method(0), &format!("{range} 0 for 3 samples"));
        refused(method(4), &format!("{range} 4 for 3 samples"));
        let different = "n_clusters must be at most the number of rows of features that differ, got";
        refused(method(3), &format!("{different} 3 for 2 different rows"));
        method(2).unwrap();
    }
    let range = "n_components must be at least 1, at most samples and columns, got";
    refused(principal_components(x.view(), 0), &format!("{range} 0 for 3 samples of 1 columns"));
    refused(principal_components(x.view(), 2), &format!("{range} 2 for 3 samples of 1 columns"));
}

#[test]
fn centres() {
    let x = array![[0.0, 0.0], [1.0, 1.0]];
    let k =
        |c: Array2<f64>| k_means_from(x.view(), c.view(), &KMeansParams::default(), &NoProgress).map(|_| ());
    let m = |c: Array2<f64>| {
        gaussian_mixture_from(x.view(), c.view(), &MixtureParams::default(), &NoProgress).map(|_| ())
    };
    for (name, method) in [("centers", &k as &dyn Fn(_) -> _), ("means", &m)] {
        refused(method(array![[0.0]]), &format!("{name}: expected shape [1, 2], got [1, 1]"));
        assert!(matches!(method(Array2::zeros((0, 2))), Err(Error::Empty { .. })));
        assert!(matches!(method(array![[0.0, f64::NAN]]), Err(Error::NotFinite { .. })));
        assert!(method(array![[0.0, 1e200]]).is_err());
        assert!(method(Array2::zeros((3, 2))).is_err());
    }
}

#[test]
fn parameters() {
    let x = array![[0.0], [1.0], [2.0], [3.0]];
    let x = x.view();
    let k_means = |params| k_means(x, 2, &params, &NoProgress);
    let default = KMeansParams::default();
    refused(k_means(KMeansParams { n_starts: 0, ..default }), "n_starts must be at least 1, got 0");
    refused(
        k_means(KMeansParams { max_iterations: 0, ..default }),
        "max_iterations must be at least 1, got 0",
    );
    for tolerance in [-1.0, f64::NAN, f64::INFINITY] {
        let expected = format!("tolerance must be finite and at least 0, got {tolerance}");
        refused(k_means(KMeansParams { tolerance, ..default }), &expected);
    }
    for eps in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let expected = format!("eps must be finite and above 0, got {eps}");
        refused(dbscan(x, eps, &DbscanParams::default(), &NoProgress), &expected);
    }
    let none = DbscanParams { min_samples: 0, ..Default::default() };
    refused(dbscan(x, 1.0, &none, &NoProgress), "min_samples must be at least 1, got 0");
    let little = DbscanParams { memory_limit: 39, ..Default::default() };
    let expected =
        "memory_limit must be enough for all neighbours, got 39 bytes, and neighbours within eps = 1 take 40";
    refused(dbscan(x, 1.0, &little, &NoProgress), expected);
    dbscan(x, 1.0, &DbscanParams { memory_limit: 40, ..Default::default() }, &NoProgress).unwrap();

    let default = OpticsParams::default();
    refused(
        optics(x, &OpticsParams { min_samples: 0, ..default }, &NoProgress),
        "min_samples must be at least 1, got 0",
    );
    for max_eps in [0.0, -1.0, f64::NAN] {
        let expected = format!("max_eps must be above 0, got {max_eps}");
        refused(optics(x, &OpticsParams { max_eps, ..default }, &NoProgress), &expected);
    }
    let ordering = optics(x, &default, &NoProgress).unwrap();
    for eps in [-1.0, f64::NAN, f64::INFINITY] {
        refused(ordering.clusters_at(eps), &format!("eps must be finite and at least 0, got {eps}"));
    }

    let sizes = |min_cluster_size, min_samples| {
        hdbscan(x, &HdbscanParams { min_cluster_size, min_samples }, &NoProgress)
    };
    refused(sizes(1, 5), "min_cluster_size must be at least 2, got 1");
    refused(sizes(5, 1), "min_samples must be at least 2, got 1");
    refused(sizes(5, 0), "min_samples must be at least 2, got 0");
    sizes(usize::MAX, usize::MAX).unwrap();

    let mixture = |params| gaussian_mixture(x, 2, &params, &NoProgress);
    let default = MixtureParams::default();
    refused(
        mixture(MixtureParams { max_iterations: 0, ..default }),
        "max_iterations must be at least 1, got 0",
    );
    for value in [-1.0, f64::NAN, f64::INFINITY] {
        let expected = format!("regularization must be finite and at least 0, got {value}");
        refused(mixture(MixtureParams { regularization: value, ..default }), &expected);
        let expected = format!("tolerance must be finite and above 0, got {value}");
        refused(mixture(MixtureParams { tolerance: value, ..default }), &expected);
    }
    // Columns that say the same, and nothing to keep them apart.
    let same = array![[0.0, 0.0], [1.0, 1.0], [5.0, 5.0], [7.0, 7.0]];
    let bare = MixtureParams { regularization: 0.0, ..default };
    let expected = "regularization must be greater, or columns fewer: the covariance of a component is singular, got \
                    component 0";
    refused(gaussian_mixture(same.view(), 2, &bare, &NoProgress), expected);
}

#[test]
fn parameters_are_read_by_name() {
    let params: KMeansParams = serde_json::from_str(r#"{"n-starts": 3}"#).unwrap();
    assert_eq!(params, KMeansParams { n_starts: 3, ..Default::default() });
    assert!(serde_json::from_str::<KMeansParams>(r#"{"n_start": 3}"#).is_err());
    let params: MixtureParams = serde_json::from_str(r#"{"covariances": "diagonal"}"#).unwrap();
    assert_eq!(params.regularization, 1e-6);
    assert!(serde_json::from_str::<DbscanParams>(r#"{"eps": 3}"#).is_err());
}
