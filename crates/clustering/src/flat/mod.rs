//! Clusters of samples by their features alone, wherever in the scan they lie.
//!
//! One row of features per sample. Labels are numbered from 0; None is noise. Parts of a cluster that do not hang
//! together in the scan, and parts too small to be believed, are a matter of the
//! [`LabelMap`](crate::LabelMap) made of the labels.

mod dbscan;
mod hdbscan;
mod k_means;
mod mixture;
mod neighbors;
mod optics;
mod seeding;

pub use dbscan::{DbscanClusters, DbscanParams, dbscan};
pub use hdbscan::{HdbscanClusters, HdbscanParams, hdbscan};
pub use k_means::{KMeansClusters, KMeansParams, k_means, k_means_from};
pub use mixture::{Covariances, GaussianMixture, MixtureParams, gaussian_mixture, gaussian_mixture_from};
pub use optics::{OpticsOrdering, OpticsParams, optics};

/// Numbers clusters in the order of their first samples; noise stays noise. Result: the number that each had before.
pub(crate) fn number_by_first_sample(labels: &mut [Option<usize>]) -> Vec<usize> {
    let mut before = Vec::new();
    let mut now = std::collections::HashMap::new();
    for label in labels.iter_mut().flatten() {
        *label = *now.entry(*label).or_insert_with(|| {
            before.push(*label);
            before.len() - 1
        });
    }
    before
}
