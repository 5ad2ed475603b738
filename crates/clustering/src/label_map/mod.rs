//! Which cluster every position of a scan belongs to.

use ndarray::ArrayD;
use nonius_core::{Result, Roi, check_shape};

/// What a position of a scan is in a [`LabelMap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Outside the region of interest.
    Outside,
    /// Used, but in no cluster.
    Noise,
    /// In the cluster of this number.
    Cluster(usize),
}

/// A cluster for every sample of a region of interest, or none: noise.
///
/// Clusters are numbered from 0; each has at least one sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelMap {
    roi: Roi,
    labels: Vec<Option<usize>>,
    n_clusters: usize,
}

impl LabelMap {
    /// `labels` of the samples of `roi`.
    ///
    /// # Errors
    /// [`Error::Shape`](nonius_core::Error::Shape) unless there is one per sample,
    /// [`Error::Empty`](nonius_core::Error::Empty) for no samples,
    /// [`Error::Parameter`](nonius_core::Error::Parameter) if a number below the greatest has no sample.
    pub fn new(roi: Roi, labels: Vec<Option<usize>>) -> Result<Self> {
        check_shape("labels", &[roi.len()], &[labels.len()])?;
        let _ = Place::Outside;
        unimplemented!("follows")
    }

    /// Any numbers, of which negative ones are noise; clusters are numbered anew in the order of their first samples.
    ///
    /// # Errors
    /// As [`new`](LabelMap::new).
    pub fn from_numbers(roi: Roi, numbers: &[i64]) -> Result<Self> {
        let _ = (roi, numbers);
        unimplemented!("follows")
    }

    /// The samples' positions in the scan.
    pub fn roi(&self) -> &Roi {
        &self.roi
    }

    /// Cluster of every sample; None: noise.
    pub fn labels(&self) -> &[Option<usize>] {
        &self.labels
    }

    /// Number of clusters, noise not among them.
    pub fn n_clusters(&self) -> usize {
        self.n_clusters
    }

    /// What every position of the scan is.
    pub fn places(&self) -> ArrayD<Place> {
        unimplemented!("follows")
    }

    /// The positions of one cluster; without any if there is no such cluster.
    pub fn cluster(&self, k: usize) -> Roi {
        let _ = k;
        unimplemented!("follows")
    }

    /// Every cluster: its number, its positions, how many.
    pub fn iter(&self) -> impl Iterator<Item = (usize, Roi, usize)> + '_ {
        (0..self.n_clusters).map(|k| {
            let roi = self.cluster(k);
            let size = roi.len();
            (k, roi, size)
        })
    }
}
