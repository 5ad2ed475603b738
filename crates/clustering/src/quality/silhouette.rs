//! Silhouettes.

use ndarray::ArrayView2;
use nonius_core::{Error, Metric, Progress, Result, Rows};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Members;

/// Parameters of [`silhouette`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SilhouetteParams {
    /// Up to so many samples the silhouettes of all are computed. Of N, more than that, those of `exact_up_to²/N` and at
    /// least 100 samples, drawn at random, so that the time no longer grows. At least 1. Default: 20 000.
    pub exact_up_to: usize,
    /// Draws the samples. Default: 0.
    pub seed: u64,
}

impl Default for SilhouetteParams {
    fn default() -> Self {
        SilhouetteParams { exact_up_to: 20_000, seed: 0 }
    }
}

impl SilhouetteParams {
    /// [`Error::Parameter`] for the first field that is out of range.
    pub fn validate(&self) -> Result<()> {
        if self.exact_up_to < 1 {
            return Err(Error::parameter("exact_up_to", "at least 1", self.exact_up_to));
        }
        Ok(())
    }
}

/// What [`silhouette`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct Silhouette {
    /// Mean of the silhouettes; None for fewer than two clusters.
    pub mean: Option<f64>,
    /// Standard error of the mean that comes from not having computed all; 0 if all were.
    pub standard_error: f64,
    /// The samples whose silhouettes were computed, ascending; noise is not among them. None for fewer than two clusters.
    pub samples: Vec<usize>,
    /// Their silhouettes, −1 to 1.
    pub values: Vec<f64>,
}

/// Drawn samples at least.
const FEWEST: usize = 100;

/// How much nearer samples are to their own cluster than to the next: 1 for clusters far apart, 0 between two, negative
/// for samples nearer to another.
///
/// ```text
/// a = mean distance to the other samples of its cluster
/// b = least mean distance to the samples of another cluster
/// s = (b − a)/max(a, b)
/// ```
///
/// `features` have one row per sample, `labels` one element: the number of its cluster, or None. Euclidean distance. A
/// sample alone in its cluster has 0, and so has one for which a = b = 0. Noise has no silhouette and counts for
/// nobody's. The mean of drawn samples is that of their exact silhouettes: it has no bias.
///
/// Time grows as N² F up to `exact_up_to` samples and stays as it is beyond.
///
/// ```
/// use nonius_clustering::silhouette;
/// use nonius_core::NoProgress;
///
/// let features = ndarray::array![[0.0], [1.0], [10.0], [12.0]];
/// let found = silhouette(features.view(), &[Some(0), Some(0), Some(1), Some(1)], &Default::default(), &NoProgress)?;
/// assert_eq!(found.values[0], (11.0 - 1.0) / 11.0);
/// assert_eq!(found.samples, [0, 1, 2, 3]);
/// # Ok::<(), nonius_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Shape`] unless there is one label per sample; [`Error::Empty`] without samples or columns;
/// [`Error::Parameter`] as [`SilhouetteParams::validate`], for features that are not finite or above 1e150;
/// [`Error::Cancelled`].
///
/// # Source
/// P. J. Rousseeuw, *J. Comput. Appl. Math.* 20 (1987) 53.
pub fn silhouette(
    features: ArrayView2<'_, f64>,
    labels: &[Option<usize>],
    params: &SilhouetteParams,
    progress: &dyn Progress,
) -> Result<Silhouette> {
    params.validate()?;
    let members = Members::new(features, labels)?;
    let n_clusters = members.sizes.len();
    if n_clusters < 2 {
        return Ok(Silhouette { mean: None, standard_error: 0.0, samples: vec![], values: vec![] });
    }
    let rows = Rows::new(features, Metric::Euclidean)?;
    let samples = chosen(&members, params);
    let mut values = vec![0.0; samples.len()];
    progress.start("silhouettes", samples.len() as u64);
    values.par_chunks_mut(Rows::SWEEP).zip(samples.par_chunks(Rows::SWEEP)).for_each(|(values, samples)| {
        if progress.cancelled() {
            return;
        }
        let mut sums = vec![vec![0.0; n_clusters]; samples.len()];
        rows.sweep(samples.iter().copied(), 0..rows.n_rows(), |at, first, distances| {
            for (label, d) in members.labels[first..].iter().zip(distances) {
                if let Some(k) = *label {
                    sums[at][k] += d;
                }
            }
        });
        for ((value, &i), sums) in values.iter_mut().zip(samples).zip(sums) {
            let own = members.labels[i].expect("noise has no silhouette");
            *value = of_sums(&sums, &members.sizes, own);
        }
        progress.advance(samples.len() as u64);
    });
    progress.finish();
    if progress.cancelled() {
        return Err(Error::Cancelled);
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let n_all = members.labels.iter().flatten().count() as f64;
    let variance = values.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    let standard_error = (variance / n * (1.0 - n / n_all)).sqrt();
    Ok(Silhouette { mean: Some(mean), standard_error, samples, values })
}

/// The samples whose silhouettes are computed, ascending.
fn chosen(members: &Members, params: &SilhouetteParams) -> Vec<usize> {
    let all: Vec<usize> = (0..members.labels.len()).filter(|&i| members.labels[i].is_some()).collect();
    if all.len() <= params.exact_up_to {
        return all;
    }
    let n = (params.exact_up_to as u128 * params.exact_up_to as u128 / all.len() as u128) as usize;
    let mut random = Xoshiro256PlusPlus::seed_from_u64(params.seed);
    let drawn = rand::seq::index::sample(&mut random, all.len(), n.max(FEWEST).min(all.len()));
    let mut drawn: Vec<usize> = drawn.iter().map(|at| all[at]).collect();
    drawn.sort_unstable();
    drawn
}

/// The silhouette of a sample of cluster `own`, from the sums of its distances to every cluster.
fn of_sums(sums: &[f64], sizes: &[usize], own: usize) -> f64 {
    if sizes[own] == 1 {
        return 0.0;
    }
    let a = sums[own] / (sizes[own] - 1) as f64;
    let others = (0..sums.len()).filter(|&k| k != own).map(|k| sums[k] / sizes[k] as f64);
    let b = others.fold(f64::INFINITY, f64::min);
    let greater = a.max(b);
    if greater == 0.0 { 0.0 } else { (b - a) / greater }
}
