//! DBSCAN: samples that are dense enough, and what they reach.

use std::sync::Arc;

use super::neighbors::neighbor_lists;
use crate::features::rows_of;
use linfa::Float;
use linfa::traits::Transformer;
use linfa_clustering::Dbscan;
use linfa_nn::distance::{Distance, L2Dist};
use linfa_nn::{BuildError, NearestNeighbour, NearestNeighbourIndex, NnError};
use ndarray::{Array2, ArrayBase, ArrayView1, ArrayView2, Data, Ix2};
use nonius_core::{Error, Metric, Progress, Result, check_positive};
use serde::{Deserialize, Serialize};

/// Parameters of [`dbscan`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DbscanParams {
    /// A sample with so many within the distance, itself among them, is a core. At least 1, for which every sample is
    /// one. Default: 5.
    pub min_samples: usize,
    /// Bytes that lists of all neighbours may take, four for each neighbour of each sample. Default: 4 GiB.
    pub memory_limit: u64,
}

impl Default for DbscanParams {
    fn default() -> Self {
        DbscanParams { min_samples: 5, memory_limit: 4 << 30 }
    }
}

impl DbscanParams {
    /// [`Error::Parameter`] for the first field that is out of range.
    pub fn validate(&self) -> Result<()> {
        if self.min_samples < 1 {
            return Err(Error::parameter("min_samples", "at least 1", self.min_samples));
        }
        Ok(())
    }
}

/// What [`dbscan`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DbscanClusters {
    /// Cluster of every sample; None: noise.
    pub labels: Vec<Option<usize>>,
    /// Which samples are cores.
    pub cores: Vec<bool>,
    /// Number of clusters.
    pub n_clusters: usize,
}

/// Clusters of `features` (one row per sample) by density within a Euclidean distance `eps`.
///
/// A *core* has `min_samples` samples, itself among them, at distances `≤ eps`. Cores within `eps` of one another are
/// in one cluster, and so is every other sample within `eps` of one of its cores; the rest is noise. Clusters are
/// numbered in the order of their first cores. A sample that is no core and near several clusters belongs to the first.
///
/// Clusters are grown by linfa-clustering, from lists of neighbours that are made before, in all threads: up to four
/// columns by linfa's k-d tree, in which time grows little faster than N, otherwise by comparing all pairs, N² F. Memory
/// grows with the number of neighbours.
///
/// ```
/// use ndarray::array;
/// use nonius_clustering::{DbscanParams, dbscan};
/// use nonius_core::NoProgress;
///
/// let features = array![[0.0], [1.0], [2.0], [9.0], [20.0], [21.0], [22.0]];
/// let params = DbscanParams { min_samples: 3, ..Default::default() };
/// let found = dbscan(features.view(), 1.0, &params, &NoProgress)?;
/// assert_eq!(found.labels, [Some(0), Some(0), Some(0), None, Some(1), Some(1), Some(1)]);
/// assert_eq!(found.cores, [false, true, false, false, false, true, false]);
/// # Ok::<(), nonius_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Empty`] without samples or columns; [`Error::Parameter`] as [`DbscanParams::validate`], unless `eps` is
/// finite and above 0, for features that are not finite or above 1e150, and if the lists would take more than
/// `memory_limit`; [`Error::Cancelled`].
///
/// # Source
/// M. Ester, H.-P. Kriegel, J. Sander, X. Xu, *A density-based algorithm for discovering clusters in large spatial
/// databases with noise*, KDD 1996.
pub fn dbscan(
    features: ArrayView2<'_, f64>,
    eps: f64,
    params: &DbscanParams,
    progress: &dyn Progress,
) -> Result<DbscanClusters> {
    params.validate()?;
    check_positive("eps", eps)?;
    let rows = rows_of(features, Metric::Euclidean)?;
    let lists = neighbor_lists(features, &rows, eps, params.memory_limit, progress)?;
    let cores: Vec<bool> = lists.iter().map(|list| list.len() >= params.min_samples).collect();
    // What linfa sees of a sample is its number, which is all that the lists need.
    let numbers = Array2::from_shape_fn((rows.n_rows(), 1), |(i, _)| i as f64);
    // It accepts no fewer than two, so that every sample is listed as its own neighbour once more; and it sets so much
    // room aside, so that more than there are samples is one more.
    let min_points = params.min_samples.min(rows.n_rows() + 1) + 1;
    let search = Dbscan::params_with(min_points, L2Dist, Listed(Arc::new(lists)));
    let labels = search.tolerance(eps).transform(&numbers);
    let labels = labels.map_err(|error| Error::parameter("parameters of linfa", "valid", error))?;
    let n_clusters = labels.iter().flatten().max().map_or(0, |&k| k + 1);
    Ok(DbscanClusters { labels: labels.to_vec(), cores, n_clusters })
}

/// Lists of neighbours in place of a search: the one coordinate of a point is the number of its sample.
#[derive(Debug, Clone)]
struct Listed(Arc<Vec<Vec<u32>>>);

impl NearestNeighbour for Listed {
    fn from_batch_with_leaf_size<'a, F: Float, DT: Data<Elem = F>, D: 'a + Distance<F>>(
        &self,
        batch: &'a ArrayBase<DT, Ix2>,
        _leaf_size: usize,
        _distance: D,
    ) -> std::result::Result<Box<dyn 'a + Send + Sync + NearestNeighbourIndex<F>>, BuildError> {
        Ok(Box::new(ListedIndex { numbers: batch.view(), lists: self.0.clone() }))
    }
}

struct ListedIndex<'a, F> {
    numbers: ArrayView2<'a, F>,
    lists: Arc<Vec<Vec<u32>>>,
}

/// Points as linfa wants them, each with its number.
type Points<'p, F> = std::result::Result<Vec<(ArrayView1<'p, F>, usize)>, NnError>;

impl<F: Float> NearestNeighbourIndex<F> for ListedIndex<'_, F> {
    /// DBSCAN never asks.
    fn k_nearest(&self, _point: ArrayView1<'_, F>, _k: usize) -> Points<'_, F> {
        Err(NnError::WrongDimension)
    }

    fn within_range(&self, point: ArrayView1<'_, F>, _eps: F) -> Points<'_, F> {
        let i = point.first().and_then(|number| number.to_usize()).ok_or(NnError::WrongDimension)?;
        let twice_itself = std::iter::once(i).chain(self.lists[i].iter().map(|&j| j as usize));
        Ok(twice_itself.map(|j| (self.numbers.row(j), j)).collect())
    }
}
