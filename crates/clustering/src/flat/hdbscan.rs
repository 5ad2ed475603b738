//! HDBSCAN of feature vectors.

use ndarray::ArrayView2;
use nonius_core::{Error, Progress, Result};
use serde::{Deserialize, Serialize};

use super::number_by_first_sample;
use crate::features::check_samples;

/// Parameters of [`hdbscan`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct HdbscanParams {
    /// Fewer samples than this make no cluster. At least 2. Default: 5.
    pub min_cluster_size: usize,
    /// The core distance of a sample is that to so many nearest, itself among them, as in
    /// [`DbscanParams`](super::DbscanParams): the more, the smoother the density and the more samples are noise. At
    /// least 2; more than there are samples counts as all of them. Default: 5.
    pub min_samples: usize,
}

impl Default for HdbscanParams {
    fn default() -> Self {
        HdbscanParams { min_cluster_size: 5, min_samples: 5 }
    }
}

impl HdbscanParams {
    /// [`Error::Parameter`] for the first field that is out of range.
    pub fn validate(&self) -> Result<()> {
        if self.min_samples < 2 {
            return Err(Error::parameter("min_samples", "at least 2", self.min_samples));
        }
        self.of_points().validate()
    }

    /// The same for [`nonius_core::hdbscan`], which counts the others only.
    fn of_points(&self) -> nonius_core::HdbscanParams {
        nonius_core::HdbscanParams {
            min_cluster_size: self.min_cluster_size,
            min_samples: self.min_samples - 1,
        }
    }
}

/// What [`hdbscan`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct HdbscanClusters {
    /// Cluster of every sample; None: noise.
    pub labels: Vec<Option<usize>>,
    /// How firmly every sample belongs to its cluster, 0 (noise) to 1: its `λ = 1/distance` over the greatest of the
    /// cluster.
    pub memberships: Vec<f64>,
    /// Excess of mass of every cluster: the greater, the more it stands out.
    pub stabilities: Vec<f64>,
}

/// Clusters of `features` (one row per sample) by density, of any shape and number, without a distance to choose.
///
/// [`nonius_core::hdbscan`] with clusters numbered in the order of their first samples; method, source and cost stand
/// there. It never makes one cluster of all samples.
///
/// ```
/// use ndarray::array;
/// use nonius_clustering::{HdbscanParams, hdbscan};
/// use nonius_core::NoProgress;
///
/// let features = array![[5.0], [5.1], [5.2], [0.0], [0.1], [0.2], [50.0]];
/// let found = hdbscan(features.view(), &HdbscanParams { min_cluster_size: 3, min_samples: 2 }, &NoProgress)?;
/// assert_eq!(found.labels, [Some(0), Some(0), Some(0), Some(1), Some(1), Some(1), None]);
/// assert_eq!(found.memberships[6], 0.0);
/// # Ok::<(), nonius_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Empty`] without samples or columns; [`Error::Parameter`] as [`HdbscanParams::validate`], for features
/// that are not finite or above 1e150; [`Error::Cancelled`].
pub fn hdbscan(
    features: ArrayView2<'_, f64>,
    params: &HdbscanParams,
    progress: &dyn Progress,
) -> Result<HdbscanClusters> {
    params.validate()?;
    check_samples(features)?;
    let found = nonius_core::hdbscan(features, &params.of_points(), progress)?;
    let mut labels = found.labels;
    let order = number_by_first_sample(&mut labels);
    let stabilities = order.iter().map(|&k| found.stabilities[k]).collect();
    Ok(HdbscanClusters { labels, memberships: found.probabilities, stabilities })
}
