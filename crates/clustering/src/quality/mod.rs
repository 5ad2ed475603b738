//! How good clusters are, and how alike two sets of them.
//!
//! Noise is in no cluster: it counts for nothing, except in the comparison of two labellings.

mod agreement;
mod separation;
mod silhouette;
mod suggestion;

use ndarray::ArrayView2;
use nonius_core::{Result, check_shape};

use crate::features::check_samples;
use crate::flat::number_by_first_sample;

pub use agreement::adjusted_rand_index;
pub use separation::{davies_bouldin, within_cluster_sum_of_squares};
pub use silhouette::{Silhouette, SilhouetteParams, silhouette};
pub use suggestion::{ClusterSuggestion, suggest_clusters};

/// Labels of samples, whatever their numbers, as numbers from 0.
struct Members {
    labels: Vec<Option<usize>>,
    sizes: Vec<usize>,
}

impl Members {
    fn new(features: ArrayView2<'_, f64>, labels: &[Option<usize>]) -> Result<Self> {
        check_samples(features)?;
        check_shape("labels", &[features.nrows()], &[labels.len()])?;
        let mut labels = labels.to_vec();
        let n_clusters = number_by_first_sample(&mut labels).len();
        let mut sizes = vec![0; n_clusters];
        labels.iter().flatten().for_each(|&k| sizes[k] += 1);
        Ok(Members { labels, sizes })
    }
}
