//! k-means: as many clusters as asked for, each sample in that of the nearest centre.

use ndarray::{Array2, ArrayView2, Axis};
use nonius_core::{Error, Metric, Progress, Result, Rows, check_not_negative, check_rows, check_shape};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::number_by_first_sample;
use super::seeding::{check_n_clusters, spread_centers};
use crate::features::rows_of;

/// Parameters of [`k_means`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct KMeansParams {
    /// Starts from different centres, of which the best result is taken. At least 1. Default: 10. Each takes as long as
    /// the first.
    pub n_starts: usize,
    /// Moves of the centres for each start. At least 1. Default: 300.
    pub max_iterations: usize,
    /// Centres rest when the squares of their moves add up to no more than this times the mean variance of the columns.
    /// At least 0, for which every sample must stay where it is. Default: 1e-4.
    pub tolerance: f64,
    /// Draws the starting centres. Default: 0.
    pub seed: u64,
}

impl Default for KMeansParams {
    fn default() -> Self {
        KMeansParams { n_starts: 10, max_iterations: 300, tolerance: 1e-4, seed: 0 }
    }
}

impl KMeansParams {
    /// [`Error::Parameter`] for the first field that is out of range.
    pub fn validate(&self) -> Result<()> {
        if self.n_starts < 1 {
            return Err(Error::parameter("n_starts", "at least 1", self.n_starts));
        }
        if self.max_iterations < 1 {
            return Err(Error::parameter("max_iterations", "at least 1", self.max_iterations));
        }
        check_not_negative("tolerance", self.tolerance)
    }
}

/// What [`k_means`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct KMeansClusters {
    /// Cluster of every sample; never None.
    pub labels: Vec<Option<usize>>,
    /// Centre of every cluster, one row each.
    pub centers: Array2<f64>,
    /// Number of samples of every cluster, at least 1.
    pub sizes: Vec<usize>,
    /// `Σ |x − c|²`, of every sample from its centre: what k-means makes small.
    pub sum_of_squares: f64,
    /// How often the centres moved.
    pub n_iterations: usize,
    /// False if they had not come to rest after `max_iterations`.
    pub converged: bool,
}

/// `n_clusters` clusters of `features` (one row per sample), by Lloyd's algorithm from several starts.
///
/// ```text
/// every sample to its nearest centre, every centre to the mean of its samples, until nothing moves
/// ```
///
/// Starting centres are samples, drawn one after the other with a probability that grows with the squared distance to
/// the nearest centre so far, the best of `2 + ⌊ln K⌋` drawn (greedy k-means++). A centre that is left without a sample
/// moves to the sample farthest from its own centre. Of several nearest centres the first counts. The start with the
/// least sum of squares wins. Clusters are numbered in the order of their first samples.
///
/// The same seed gives the same bits for any number of threads. Time grows as N · F · K for each move; memory holds the
/// features once more.
///
/// linfa's k-means is not used: it counts the centre before as one more sample, so that it takes another path, and it
/// has no rule for more clusters than samples.
///
/// ```
/// use ndarray::array;
/// use nonius_clustering::{KMeansParams, k_means};
/// use nonius_core::NoProgress;
///
/// let features = array![[0.0], [1.0], [10.0], [12.0]];
/// let found = k_means(features.view(), 2, &KMeansParams::default(), &NoProgress)?;
/// assert_eq!(found.labels, [Some(0), Some(0), Some(1), Some(1)]);
/// assert_eq!(found.centers, array![[0.5], [11.0]]);
/// assert_eq!(found.sum_of_squares, 0.5 + 2.0);
/// # Ok::<(), nonius_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Empty`] without samples or columns; [`Error::Parameter`] as [`KMeansParams::validate`], for features
/// that are not finite or above 1e150, and unless `1 ≤ n_clusters ≤` the number of different rows; [`Error::Cancelled`].
///
/// # Source
/// D. Arthur and S. Vassilvitskii, *k-means++: the advantages of careful seeding*, SODA 2007; S. P. Lloyd, *IEEE Trans.
/// Inf. Theory* 28 (1982) 129.
pub fn k_means(
    features: ArrayView2<'_, f64>,
    n_clusters: usize,
    params: &KMeansParams,
    progress: &dyn Progress,
) -> Result<KMeansClusters> {
    params.validate()?;
    let lloyd = Lloyd::new(features.view(), n_clusters, params, progress)?;
    let from_start = |start| {
        let centers = spread_centers(&lloyd.rows, n_clusters, params.seed, start, progress)?;
        let found = lloyd.run(centers);
        progress.advance(1);
        found
    };
    progress.start("k-means", params.n_starts as u64);
    let better = |best: Option<KMeansClusters>, found: Result<KMeansClusters>| {
        let found = found?;
        Ok(best.filter(|best| best.sum_of_squares <= found.sum_of_squares).or(Some(found)))
    };
    // No start is made after one that was cancelled.
    let best: Result<_> = (0..params.n_starts).map(from_start).try_fold(None, better);
    progress.finish();
    let mut best = best?.expect("there is at least one start");
    let order = number_by_first_sample(&mut best.labels);
    best.centers = best.centers.select(Axis(0), &order);
    best.sizes = order.iter().map(|&k| best.sizes[k]).collect();
    Ok(best)
}

/// [`k_means`] from given centres, one row each: no chance, one start. Clusters keep the numbers of their rows.
///
/// ```
/// use ndarray::array;
/// use nonius_clustering::{KMeansParams, k_means_from};
/// use nonius_core::NoProgress;
///
/// let features = array![[0.0], [1.0], [10.0], [12.0]];
/// let found = k_means_from(features.view(), array![[9.0], [2.0]].view(), &KMeansParams::default(), &NoProgress)?;
/// assert_eq!(found.centers, array![[11.0], [0.5]]);
/// # Ok::<(), nonius_core::Error>(())
/// ```
///
/// # Errors
/// As [`k_means`]; [`Error::Shape`] for centres with another number of columns, [`Error::NotFinite`].
pub fn k_means_from(
    features: ArrayView2<'_, f64>,
    centers: ArrayView2<'_, f64>,
    params: &KMeansParams,
    progress: &dyn Progress,
) -> Result<KMeansClusters> {
    params.validate()?;
    check_rows("centers", centers)?;
    let lloyd = Lloyd::new(features.view(), centers.nrows(), params, progress)?;
    check_shape("centers", &[centers.nrows(), features.ncols()], centers.shape())?;
    lloyd.run(centers.as_standard_layout().into_owned())
}

/// Samples in fixed blocks, so that sums do not depend on threads: at most this many.
const MAX_BLOCKS: usize = 64;
/// Samples for which the nearest centre is looked for at a time.
const CHUNK: usize = 64;

/// What all starts share.
struct Lloyd<'a> {
    features: ArrayView2<'a, f64>,
    rows: Rows,
    n_clusters: usize,
    /// Sum of squared moves at which the centres rest.
    rest: f64,
    max_iterations: usize,
    progress: &'a dyn Progress,
}

impl<'a> Lloyd<'a> {
    fn new(
        features: ArrayView2<'a, f64>,
        n_clusters: usize,
        params: &KMeansParams,
        progress: &'a dyn Progress,
    ) -> Result<Self> {
        let rows = rows_of(features, Metric::SquaredEuclidean)?;
        check_n_clusters(features, n_clusters)?;
        let variance = features.columns().into_iter().map(|column| column.var(0.0)).sum::<f64>();
        Ok(Lloyd {
            features,
            rows,
            n_clusters,
            rest: params.tolerance * variance / features.ncols() as f64,
            max_iterations: params.max_iterations,
            progress,
        })
    }

    fn run(&self, mut centers: Array2<f64>) -> Result<KMeansClusters> {
        let n = self.rows.n_rows();
        let (mut labels, mut labels_before) = (vec![u32::MAX; n], vec![u32::MAX; n]);
        let mut distances = vec![0.0; n];
        let mut sums = BlockSums::new(n, centers.dim());
        let (mut n_iterations, mut converged, mut settled) = (0, false, false);
        while n_iterations < self.max_iterations && !converged {
            if self.progress.cancelled() {
                return Err(Error::Cancelled);
            }
            std::mem::swap(&mut labels, &mut labels_before);
            self.assign(&centers, &mut labels, &mut distances);
            let filled = self.fill_empty(&mut labels, &mut distances, &mut centers);
            let moved = sums.move_to_means(self.features, &labels, &mut centers);
            n_iterations += 1;
            settled = labels == labels_before;
            converged = settled || (moved <= self.rest && !filled);
        }
        if !settled {
            self.assign(&centers, &mut labels, &mut distances);
            self.fill_empty(&mut labels, &mut distances, &mut centers);
        }
        let sizes = sizes(&labels, self.n_clusters);
        let labels = labels.into_iter().map(|k| Some(k as usize)).collect();
        let sum_of_squares = distances.iter().sum();
        Ok(KMeansClusters { labels, centers, sizes, sum_of_squares, n_iterations, converged })
    }

    /// Nearest centre of every sample, and its squared distance.
    fn assign(&self, centers: &Array2<f64>, labels: &mut [u32], distances: &mut [f64]) {
        let chunks = labels.par_chunks_mut(CHUNK).zip(distances.par_chunks_mut(CHUNK)).enumerate();
        chunks.for_each(|(chunk, (labels, nearest))| {
            let start = chunk * CHUNK;
            let mut distances = [0.0; CHUNK];
            let distances = &mut distances[..labels.len()];
            nearest.fill(f64::INFINITY);
            labels.fill(0);
            for (k, center) in centers.outer_iter().enumerate() {
                let center = center.to_slice().expect("centres are in standard layout");
                self.rows.distances(center, start..start + labels.len(), distances);
                for i in 0..labels.len() {
                    if distances[i] < nearest[i] {
                        (labels[i], nearest[i]) = (k as u32, distances[i]);
                    }
                }
            }
        });
    }

    /// Moves centres without a sample, in order, to the sample farthest from its own centre among those that are not
    /// alone; the first of several. True if there were any.
    fn fill_empty(&self, labels: &mut [u32], distances: &mut [f64], centers: &mut Array2<f64>) -> bool {
        let mut sizes = sizes(labels, self.n_clusters);
        let mut filled = false;
        for k in 0..self.n_clusters {
            if sizes[k] > 0 {
                continue;
            }
            let mut farthest: Option<usize> = None;
            for i in (0..labels.len()).filter(|&i| sizes[labels[i] as usize] > 1) {
                if farthest.is_none_or(|f| distances[i] > distances[f]) {
                    farthest = Some(i);
                }
            }
            let i = farthest.expect("there are no fewer samples than clusters");
            sizes[labels[i] as usize] -= 1;
            sizes[k] = 1;
            (labels[i], distances[i]) = (k as u32, 0.0);
            centers.row_mut(k).assign(&self.features.row(i));
            filled = true;
        }
        filled
    }
}

fn sizes(labels: &[u32], n_clusters: usize) -> Vec<usize> {
    let mut sizes = vec![0; n_clusters];
    labels.iter().for_each(|&k| sizes[k as usize] += 1);
    sizes
}

/// Sums of the samples of every cluster, block by block.
struct BlockSums {
    block: usize,
    shape: (usize, usize),
    sums: Vec<f64>,
}

impl BlockSums {
    fn new(n: usize, shape: (usize, usize)) -> Self {
        let block = n.div_ceil(MAX_BLOCKS).max(1024);
        BlockSums { block, shape, sums: vec![0.0; n.div_ceil(block) * shape.0 * shape.1] }
    }

    /// Moves every centre to the mean of its samples. Result: the sum of the squared moves.
    fn move_to_means(
        &mut self,
        features: ArrayView2<'_, f64>,
        labels: &[u32],
        centers: &mut Array2<f64>,
    ) -> f64 {
        let ((n_clusters, width), block) = (self.shape, self.block);
        self.sums.par_chunks_mut(n_clusters * width).enumerate().for_each(|(b, sums)| {
            sums.fill(0.0);
            let range = b * block..(b * block + block).min(labels.len());
            for i in range {
                let sum = &mut sums[labels[i] as usize * width..][..width];
                sum.iter_mut().zip(features.row(i)).for_each(|(sum, v)| *sum += v);
            }
        });
        let (total, rest) = self.sums.split_at_mut(n_clusters * width);
        for sums in rest.chunks_exact(n_clusters * width) {
            total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
        }
        let sizes = sizes(labels, n_clusters);
        let mut moved = 0.0;
        for (k, mut center) in centers.outer_iter_mut().enumerate() {
            for (c, sum) in center.iter_mut().zip(&total[k * width..]) {
                let mean = sum / sizes[k] as f64;
                moved += (mean - *c).powi(2);
                *c = mean;
            }
        }
        moved
    }
}
