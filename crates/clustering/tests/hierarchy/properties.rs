//! What must hold for any samples.

use ndarray::{Array2, ArrayView2};
use nonius_clustering::{
    Cut, Dendrogram, Graph, GraphLinkage, GraphLinkageParams, Linkage, LinkageParams, Neighbors, Numbering,
    graph_linkage, linkage,
};
use nonius_core::{Error, Metric, NoProgress, Progress, Roi, Rows};
use proptest::prelude::*;

const METRICS: [Metric; 5] =
    [Metric::Euclidean, Metric::SquaredEuclidean, Metric::Manhattan, Metric::Chebyshev, Metric::Cosine];

fn all_linkages() -> Vec<Linkage> {
    let of_metric = |m| [Linkage::Average(m), Linkage::Complete(m), Linkage::Weighted(m), Linkage::Single(m)];
    std::iter::once(Linkage::Ward).chain(METRICS.into_iter().flat_map(of_metric)).collect()
}

fn tree(x: ArrayView2<'_, f64>, linkage_: Linkage) -> Dendrogram {
    linkage(x, &LinkageParams { linkage: linkage_, ..Default::default() }, &NoProgress).unwrap()
}

/// Samples without equal distances.
fn generic() -> impl Strategy<Value = Array2<f64>> {
    (2..24_usize, 2..5_usize).prop_flat_map(|(n, width)| {
        prop::collection::vec(-5.0..5.0_f64, n * width)
            .prop_map(move |v| Array2::from_shape_vec((n, width), v).unwrap())
    })
}

/// The distance of two clusters by its definition; None for weighted, which has none but its history.
fn defined(x: ArrayView2<'_, f64>, linkage: Linkage, a: &[usize], b: &[usize]) -> Option<f64> {
    let pairs = |metric| {
        let rows = Rows::new(x, metric).unwrap();
        let d: Vec<f64> = a
            .iter()
            .flat_map(|&i| b.iter().map(move |&j| (i, j)))
            .map(|(i, j)| rows.distance(i, j))
            .collect();
        d
    };
    match linkage {
        Linkage::Ward => {
            let mean = |c: &[usize]| x.select(ndarray::Axis(0), c).mean_axis(ndarray::Axis(0)).unwrap();
            let (n_a, n_b) = (a.len() as f64, b.len() as f64);
            let squared = (mean(a) - mean(b)).mapv(|v| v * v).sum();
            Some((2.0 * n_a * n_b / (n_a + n_b) * squared).sqrt())
        }
        Linkage::Average(m) => Some(pairs(m).iter().sum::<f64>() / (a.len() * b.len()) as f64),
        Linkage::Complete(m) => Some(pairs(m).into_iter().fold(0.0, f64::max)),
        Linkage::Single(m) => Some(pairs(m).into_iter().fold(f64::INFINITY, f64::min)),
        Linkage::Weighted(_) => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Every pair of clusters is compared at every merge.
    #[test]
    fn the_closest_pair_is_merged(x in generic()) {
        let n = x.nrows();
        for linkage in all_linkages() {
            let found = tree(x.view(), linkage);
            prop_assert_eq!((found.merges().len(), found.inversions()), (n - 1, 0));
            let mut members: Vec<Vec<usize>> = (0..n).map(|i| vec![i]).collect();
            for (&[a, b], &d) in found.merges().iter().zip(found.distances()) {
                let [a, b] = [a, b].map(|node| std::mem::take(&mut members[node as usize]));
                if let Some(expected) = defined(x.view(), linkage, &a, &b) {
                    // Rounding of a few sums of numbers up to some hundred.
                    let error = 1e-10 * (1.0 + expected);
                    prop_assert!((d - expected).abs() < error, "{linkage:?}: {d} {expected}");
                    for c in members.iter().filter(|c| !c.is_empty()) {
                        for ab in [&a, &b] {
                            prop_assert!(defined(x.view(), linkage, ab, c).unwrap() >= d - error);
                        }
                    }
                }
                members.push([a, b].concat());
            }
        }
    }

    #[test]
    fn on_the_complete_graph_they_are_what_they_are_without(x in generic()) {
        let n = x.nrows();
        let graph = Graph::from_edges(n, (0..n).flat_map(|i| (0..i).map(move |j| [i, j]))).unwrap();
        for metric in METRICS {
            for (on_graph, without) in [
                (GraphLinkage::Average, Linkage::Average(metric)),
                (GraphLinkage::Complete, Linkage::Complete(metric)),
                (GraphLinkage::Single, Linkage::Single(metric)),
            ] {
                let params = GraphLinkageParams { linkage: on_graph, metric, ..Default::default() };
                let found = graph_linkage(x.view(), &graph, &params, &NoProgress).unwrap();
                let expected = tree(x.view(), without);
                prop_assert_eq!(found.merges(), expected.merges());
                for (f, e) in found.distances().iter().zip(expected.distances()) {
                    prop_assert!((f - e).abs() <= 1e-13 * e, "{metric:?}");
                }
            }
        }
    }

    #[test]
    fn clusters_on_a_graph_hang_together(values in prop::collection::vec(0..5_u8, 48), linkage in 0..3_usize) {
        let x = Array2::from_shape_fn((48, 1), |(i, _)| f64::from(values[i]));
        let graph = Graph::grid(&Roi::all(&[6, 8]), Neighbors::Direct).unwrap();
        let linkage = [GraphLinkage::Average, GraphLinkage::Complete, GraphLinkage::Single][linkage];
        let params = GraphLinkageParams { linkage, ..Default::default() };
        let found = graph_linkage(x.view(), &graph, &params, &NoProgress).unwrap();
        for k in [1, 3, 10, 47] {
            let labels = found.labels(Cut::Clusters(k), Numbering::Canonical).unwrap();
            let within = graph.edges().iter().map(|e| e.map(|i| i as usize)).filter(|[a, b]| labels[*a] == labels[*b]);
            let parts = Graph::from_edges(48, within).unwrap().components();
            prop_assert_eq!(parts.of_sample, labels);
        }
        if linkage == GraphLinkage::Single {
            prop_assert_eq!(found.inversions(), 0);
        }
    }
}

#[test]
fn the_bits_do_not_depend_on_threads_or_memory() {
    let x = Array2::from_shape_fn((230, 6), |(i, k)| ((i * 7919 + k * 104_729) % 1009) as f64 / 17.0 + 1.0);
    let graph = Graph::grid(&Roi::all(&[10, 23]), Neighbors::Diagonal).unwrap();
    let all = || {
        let on_graph = graph_linkage(x.view(), &graph, &GraphLinkageParams::default(), &NoProgress).unwrap();
        (all_linkages().into_iter().map(|l| tree(x.view(), l)).collect::<Vec<_>>(), on_graph)
    };
    let with = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(all);
    let one = with(1);
    assert!(one == with(2) && one == with(7));
    for metric in METRICS {
        let no_memory = LinkageParams { linkage: Linkage::Single(metric), memory_limit: 0 };
        let found = linkage(x.view(), &no_memory, &NoProgress).unwrap();
        assert_eq!(found, tree(x.view(), Linkage::Single(metric)));
    }
}

struct Cancelled;

impl Progress for Cancelled {
    fn cancelled(&self) -> bool {
        true
    }
}

#[test]
fn cancelled_work_is_an_error() {
    let x = Array2::from_shape_fn((12, 2), |(i, k)| (i * (k + 1)) as f64 + 1.0);
    for l in all_linkages() {
        let params = LinkageParams { linkage: l, ..Default::default() };
        assert_eq!(linkage(x.view(), &params, &Cancelled).err(), Some(Error::Cancelled), "{l:?}");
    }
    let graph = Graph::grid(&Roi::all(&[3, 4]), Neighbors::Direct).unwrap();
    let cancelled = graph_linkage(x.view(), &graph, &GraphLinkageParams::default(), &Cancelled);
    assert_eq!(cancelled.err(), Some(Error::Cancelled));
}
