//! Distances from centres.

use ndarray::{Array2, ArrayView1, ArrayView2};
use nonius_core::Result;

use super::Members;

fn squared_distance(x: ArrayView1<'_, f64>, y: ArrayView1<'_, f64>) -> f64 {
    x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum()
}

impl Members {
    /// Mean of the samples of every cluster, one row each.
    fn means(&self, features: ArrayView2<'_, f64>) -> Array2<f64> {
        let mut means = Array2::zeros((self.sizes.len(), features.ncols()));
        for (x, label) in features.outer_iter().zip(&self.labels) {
            if let Some(k) = label {
                means.row_mut(*k).zip_mut_with(&x, |mean, x| *mean += x);
            }
        }
        for (mut mean, &size) in means.outer_iter_mut().zip(&self.sizes) {
            mean /= size as f64;
        }
        means
    }
}

/// `Σ |x − c|²` of all samples from the mean of their cluster: what Ward's method and k-means make small. Noise is left
/// out; 0 without a cluster.
///
/// `features` have one row per sample, `labels` one element: the number of its cluster, or None.
///
/// ```
/// use nonius_clustering::within_cluster_sum_of_squares;
///
/// let features = ndarray::array![[0.0], [2.0], [10.0], [99.0]];
/// let labels = [Some(0), Some(0), Some(1), None];
/// assert_eq!(within_cluster_sum_of_squares(features.view(), &labels)?, 2.0);
/// # Ok::<(), nonius_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Shape`](nonius_core::Error::Shape) unless there is one label per sample;
/// [`Error::Empty`](nonius_core::Error::Empty) without samples or columns;
/// [`Error::Parameter`](nonius_core::Error::Parameter) for features that are not finite or above 1e150.
pub fn within_cluster_sum_of_squares(features: ArrayView2<'_, f64>, labels: &[Option<usize>]) -> Result<f64> {
    let members = Members::new(features, labels)?;
    let means = members.means(features);
    let of_sample = |(x, label): (ArrayView1<'_, f64>, &Option<usize>)| {
        label.map_or(0.0, |k| squared_distance(x, means.row(k)))
    };
    Ok(features.outer_iter().zip(&members.labels).map(of_sample).sum())
}

/// The index of Davies and Bouldin: how wide clusters are for the distances of their centres, the smaller the better.
///
/// ```text
/// s_k = mean distance of the samples of k from their mean c_k
/// DB  = mean over k of max over l ≠ k of (s_k + s_l)/|c_k − c_l|
/// ```
///
/// None for fewer than two clusters; 0 for clusters that are points; infinite if two clusters have one mean (where
/// scikit-learn leaves that pair out).
///
/// ```
/// use nonius_clustering::davies_bouldin;
///
/// let features = ndarray::array![[0.0], [2.0], [10.0], [12.0]];
/// let index = davies_bouldin(features.view(), &[Some(0), Some(0), Some(1), Some(1)])?;
/// assert_eq!(index, Some((1.0 + 1.0) / 10.0));
/// # Ok::<(), nonius_core::Error>(())
/// ```
///
/// # Errors
/// As [`within_cluster_sum_of_squares`].
///
/// # Source
/// D. L. Davies and D. W. Bouldin, *IEEE Trans. Pattern Anal. Mach. Intell.* 1 (1979) 224.
pub fn davies_bouldin(features: ArrayView2<'_, f64>, labels: &[Option<usize>]) -> Result<Option<f64>> {
    let members = Members::new(features, labels)?;
    let n_clusters = members.sizes.len();
    if n_clusters < 2 {
        return Ok(None);
    }
    let means = members.means(features);
    let mut spread = vec![0.0; n_clusters];
    for (x, label) in features.outer_iter().zip(&members.labels) {
        if let Some(k) = *label {
            spread[k] += squared_distance(x, means.row(k)).sqrt() / members.sizes[k] as f64;
        }
    }
    let worst = |k: usize| {
        let ratio = |l: usize| match squared_distance(means.row(k), means.row(l)).sqrt() {
            0.0 => f64::INFINITY,
            distance => (spread[k] + spread[l]) / distance,
        };
        (0..n_clusters).filter(|&l| l != k).map(ratio).fold(0.0, f64::max)
    };
    Ok(Some((0..n_clusters).map(worst).sum::<f64>() / n_clusters as f64))
}
