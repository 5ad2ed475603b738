//! Input that cannot be right.

use ndarray::{Array2, array};
use nonius_clustering::{Graph, GraphLinkageParams, Linkage, LinkageParams, graph_linkage, linkage};
use nonius_core::{Error, Metric, NoProgress};

#[test]
fn features() {
    let graph = Graph::from_edges(2, [[0, 1]]).unwrap();
    for l in [Linkage::Ward, Linkage::Average(Metric::Cosine), Linkage::Single(Metric::Manhattan)] {
        let params = LinkageParams { linkage: l, ..Default::default() };
        for shape in [(0, 3), (2, 0)] {
            let error = linkage(Array2::zeros(shape).view(), &params, &NoProgress).unwrap_err();
            assert!(matches!(error, Error::Empty { .. }), "{l:?}: {error}");
        }
        for value in [f64::NAN, f64::INFINITY, 1e151] {
            let x = array![[1.0], [value]];
            assert!(matches!(linkage(x.view(), &params, &NoProgress), Err(Error::Parameter { .. })));
            let on_graph = graph_linkage(x.view(), &graph, &GraphLinkageParams::default(), &NoProgress);
            assert!(matches!(on_graph, Err(Error::Parameter { .. })));
        }
        // As large as they may be, and with sums that no number holds.
        let _ = linkage(Array2::from_diag_elem(5, 1e150).view(), &params, &NoProgress);
    }
    let cosine = LinkageParams { linkage: Linkage::Complete(Metric::Cosine), ..Default::default() };
    let error = linkage(array![[1.0, 0.0], [0.0, 0.0]].view(), &cosine, &NoProgress).unwrap_err();
    assert_eq!(error.to_string(), "features must be no row of zeros, with the cosine, got row 1");
    let three =
        graph_linkage(Array2::zeros((3, 1)).view(), &graph, &GraphLinkageParams::default(), &NoProgress);
    assert!(matches!(three, Err(Error::Shape { .. })));
}

#[test]
fn memory_is_limited() {
    let x = Array2::from_shape_fn((100, 1), |(i, _)| i as f64);
    let of =
        |memory_limit| linkage(x.view(), &LinkageParams { memory_limit, ..Default::default() }, &NoProgress);
    assert!(of(39_600).is_ok());
    let expected = "memory_limit must be enough for the distances of all pairs, got 39599 bytes, and the distances of \
                    100 samples take 39600; Ward's method on a graph needs none";
    assert_eq!(of(39_599).unwrap_err().to_string(), expected);
    // 10 TB: refused before anything is computed.
    let many = Array2::<f64>::zeros((1_600_000, 1));
    let error = linkage(many.view(), &LinkageParams::default(), &NoProgress).unwrap_err().to_string();
    assert!(error.contains("take 10239993600000"), "{error}");
}

#[test]
fn parameters_are_read_by_name() {
    let params: LinkageParams = serde_json::from_str(r#"{"linkage": {"average": "manhattan"}}"#).unwrap();
    assert_eq!(params.linkage, Linkage::Average(Metric::Manhattan));
    let params: LinkageParams = serde_json::from_str(r#"{"linkage": "ward"}"#).unwrap();
    assert_eq!(params, LinkageParams::default());
    // Ward's method has no metric to choose.
    assert!(serde_json::from_str::<LinkageParams>(r#"{"linkage": {"ward": "cosine"}}"#).is_err());
    assert!(serde_json::from_str::<GraphLinkageParams>(r#"{"linkage": "ward"}"#).is_err());
}
