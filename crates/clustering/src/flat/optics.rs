//! OPTICS: samples in an order in which dense regions are valleys.

use ndarray::ArrayView2;
use nonius_core::{Error, Metric, PairDistances, Progress, Result, check_not_negative};
use serde::{Deserialize, Serialize};

use super::number_by_first_sample;
use crate::features::rows_of;

/// Parameters of [`optics`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct OpticsParams {
    /// The core distance of a sample is that to so many nearest, itself among them. At least 1. Default: 5.
    pub min_samples: usize,
    /// Samples farther from one another are no neighbours. Above 0. Default: infinite.
    pub max_eps: f64,
    /// If the distances of all pairs fit into so many bytes they are kept, otherwise each is computed twice; the result
    /// is the same. Default: 4 GiB, enough for 32 000 samples.
    pub memory_limit: u64,
}

impl Default for OpticsParams {
    fn default() -> Self {
        OpticsParams { min_samples: 5, max_eps: f64::INFINITY, memory_limit: 4 << 30 }
    }
}

impl OpticsParams {
    /// [`Error::Parameter`] for the first field that is out of range.
    pub fn validate(&self) -> Result<()> {
        if self.min_samples < 1 {
            return Err(Error::parameter("min_samples", "at least 1", self.min_samples));
        }
        // NaN is not above 0 either.
        if self.max_eps.partial_cmp(&0.0) != Some(std::cmp::Ordering::Greater) {
            return Err(Error::parameter("max_eps", "above 0", self.max_eps));
        }
        Ok(())
    }
}

/// What [`optics`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct OpticsOrdering {
    /// The samples in the order in which they were visited.
    pub order: Vec<usize>,
    /// How far every sample was from the dense samples visited before it; infinite for the first of a component.
    /// Indexed by sample, as all that follows.
    pub reachability: Vec<f64>,
    /// Distance of every sample to the `min_samples`-th nearest, itself the first; infinite if that exceeds `max_eps`.
    pub core_distances: Vec<f64>,
    /// The sample from which each was reached; None for the first of a component.
    pub predecessors: Vec<Option<usize>>,
}

/// Visits the samples of `features` (one row each) so that those of a dense region come one after the other.
///
/// ```text
/// core(p)    = distance to the min_samples-th nearest sample, p itself the first
/// r(o from p) = max(core(p), d(p, o))        for d(p, o) ≤ max_eps
/// ```
///
/// Samples that nothing reaches are begun with in the order of their numbers; then always the sample with the least
/// reachability is next, of several the first. Drawn in that order, reachability shows clusters as valleys at every
/// scale at once; [`clusters_at`](OpticsOrdering::clusters_at) cuts it at one.
///
/// Euclidean distance. Time grows as N² F whatever `max_eps` is. linfa's OPTICS is not used: its order and a third of
/// its reachabilities are not those of the definition.
///
/// ```
/// use ndarray::array;
/// use nonius_clustering::{OpticsParams, optics};
/// use nonius_core::NoProgress;
///
/// let features = array![[0.0], [9.0], [1.0], [2.0], [8.0]];
/// let params = OpticsParams { min_samples: 2, ..Default::default() };
/// let found = optics(features.view(), &params, &NoProgress)?;
/// assert_eq!(found.order, [0, 2, 3, 4, 1]);
/// assert_eq!(found.reachability, [f64::INFINITY, 1.0, 1.0, 1.0, 6.0]);
/// assert_eq!(found.clusters_at(1.5)?, [Some(0), Some(1), Some(0), Some(0), Some(1)]);
/// # Ok::<(), nonius_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Empty`] without samples or columns; [`Error::Parameter`] as [`OpticsParams::validate`], for features
/// that are not finite or above 1e150; [`Error::Cancelled`].
///
/// # Source
/// M. Ankerst, M. M. Breunig, H.-P. Kriegel, J. Sander, *OPTICS: ordering points to identify the clustering structure*,
/// SIGMOD 1999.
pub fn optics(
    features: ArrayView2<'_, f64>,
    params: &OpticsParams,
    progress: &dyn Progress,
) -> Result<OpticsOrdering> {
    params.validate()?;
    let rows = rows_of(features, Metric::Euclidean)?;
    let n = rows.n_rows();
    let pairs = PairDistances::new(rows, params.memory_limit, progress)?;
    let mut core_distances = pairs.nearest_distances(params.min_samples, progress)?;
    core_distances.iter_mut().filter(|core| **core > params.max_eps).for_each(|core| *core = f64::INFINITY);
    let mut found = OpticsOrdering {
        order: Vec::with_capacity(n),
        reachability: vec![f64::INFINITY; n],
        core_distances,
        predecessors: vec![None; n],
    };
    let mut visited = vec![false; n];
    let mut distances = vec![0.0; n];
    progress.start("OPTICS", n as u64);
    let mut next = Some(0);
    while let Some(p) = next {
        if progress.cancelled() {
            progress.finish();
            return Err(Error::Cancelled);
        }
        visited[p] = true;
        found.order.push(p);
        let core = found.core_distances[p];
        if core.is_finite() {
            pairs.from_row(p, &mut distances);
        }
        next = None;
        for o in (0..n).filter(|&o| !visited[o]) {
            let reachability = core.max(distances[o]);
            if core.is_finite() && distances[o] <= params.max_eps && reachability < found.reachability[o] {
                found.reachability[o] = reachability;
                found.predecessors[o] = Some(p);
            }
            if next.is_none_or(|next| found.reachability[o] < found.reachability[next]) {
                next = Some(o);
            }
        }
        progress.advance(1);
    }
    progress.finish();
    Ok(found)
}

impl OpticsOrdering {
    /// The clusters at one distance, nearly those of DBSCAN: a sample reached from farther than `eps` begins a cluster if
    /// its core distance is at most `eps`, and is noise otherwise; all others continue theirs. Clusters are numbered in
    /// the order of their first samples.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a distance that is negative or not finite.
    pub fn clusters_at(&self, eps: f64) -> Result<Vec<Option<usize>>> {
        check_not_negative("eps", eps)?;
        let mut labels = vec![None; self.order.len()];
        let mut n_clusters = 0;
        for &i in &self.order {
            if self.reachability[i] > eps {
                if self.core_distances[i] > eps {
                    continue;
                }
                n_clusters += 1;
            }
            labels[i] = Some(n_clusters);
        }
        number_by_first_sample(&mut labels);
        Ok(labels)
    }
}
