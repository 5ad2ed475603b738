//! Which cluster every position of a scan belongs to.

mod absorb;
mod matching;
mod merge;
mod regions;

use std::ops::Range;

use ndarray::{ArrayD, Dimension};
use nonius_core::{Error, Result, Roi, check_shape};

use crate::dendrogram::{by_first_sample, by_size};
use crate::{Cut, Dendrogram, Numbering};

pub use matching::MatchedClusters;
pub use merge::{MergedRows, Overlap, merge_rows};

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
///
/// ```
/// use ndarray::array;
/// use nonius_clustering::{LabelMap, Place};
/// use nonius_core::Roi;
///
/// let roi = Roi::from_mask(array![[true, true, false], [true, true, true]].into_dyn().view());
/// let map = LabelMap::new(roi, vec![Some(1), Some(0), Some(1), None, Some(0)])?;
/// assert_eq!(map.places()[[0, 2]], Place::Outside);
/// assert_eq!(map.numbers(), array![[1, 0, -2], [1, -1, 0]].into_dyn());
/// let sizes: Vec<_> = map.iter().map(|(k, _, size)| (k, size)).collect();
/// assert_eq!(sizes, [(0, 2), (1, 2)]);
/// # Ok::<(), nonius_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelMap {
    roi: Roi,
    labels: Vec<Option<usize>>,
    n_clusters: usize,
}

impl LabelMap {
    /// `labels` of the samples of `roi`; None: noise.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is one per sample, [`Error::Empty`] for no samples, [`Error::Parameter`] if a number
    /// below the greatest has no sample.
    pub fn new(roi: Roi, labels: Vec<Option<usize>>) -> Result<Self> {
        check_shape("labels", &[roi.len()], &[labels.len()])?;
        if labels.is_empty() {
            return Err(Error::Empty { what: "labels", got: vec![0] });
        }
        let must_be = "such that every number below the greatest has a sample";
        let n_clusters = labels.iter().flatten().max().map_or(0, |greatest| greatest.saturating_add(1));
        if n_clusters > labels.len() {
            return Err(Error::parameter(
                "labels",
                must_be,
                format!("{} for {} samples", n_clusters - 1, labels.len()),
            ));
        }
        let mut is_used = vec![false; n_clusters];
        labels.iter().flatten().for_each(|&k| is_used[k] = true);
        if let Some(k) = is_used.iter().position(|used| !used) {
            return Err(Error::parameter(
                "labels",
                must_be,
                format!("{n_clusters} clusters, none of them {k}"),
            ));
        }
        Ok(LabelMap { roi, labels, n_clusters })
    }

    /// Any numbers, of which negative ones are noise; clusters are numbered anew in the order of their first samples.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is one per sample, [`Error::Empty`] for no samples.
    pub fn from_numbers(roi: Roi, numbers: &[i64]) -> Result<Self> {
        let mut known: Vec<i64> = numbers.iter().copied().filter(|&k| k >= 0).collect();
        known.sort_unstable();
        known.dedup();
        let labels = numbers.iter().map(|k| known.binary_search(k).ok()).collect();
        Ok(LabelMap::new(roi, labels)?.renumbered(Numbering::Canonical))
    }

    /// Any labels: numbers that no sample has are closed up, the others keep their order.
    fn closed_up(roi: Roi, mut labels: Vec<Option<usize>>) -> Self {
        let mut known: Vec<usize> = labels.iter().flatten().copied().collect();
        known.sort_unstable();
        known.dedup();
        labels.iter_mut().for_each(|label| *label = label.and_then(|k| known.binary_search(&k).ok()));
        LabelMap { roi, labels, n_clusters: known.len() }
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

    /// Number of samples in no cluster.
    pub fn n_noise(&self) -> usize {
        self.labels.iter().filter(|label| label.is_none()).count()
    }

    /// What every position of the scan is.
    pub fn places(&self) -> ArrayD<Place> {
        let place = |label: &Option<usize>| label.map_or(Place::Noise, Place::Cluster);
        self.spread(self.labels.iter().map(place).collect(), Place::Outside)
    }

    /// The same as numbers, to be saved or shown: −1 is noise, −2 outside.
    pub fn numbers(&self) -> ArrayD<i32> {
        let number = |label: &Option<usize>| label.map_or(-1, |k| i32::try_from(k).unwrap_or(i32::MAX));
        self.spread(self.labels.iter().map(number).collect(), -2)
    }

    /// The same as [`LabelledStatistics`](crate::LabelledStatistics) takes it, noise and outside without a label.
    pub fn groups(&self) -> ArrayD<Option<usize>> {
        self.spread(self.labels.clone(), None)
    }

    fn spread<T: Clone>(&self, values: Vec<T>, fill: T) -> ArrayD<T> {
        self.roi.spread(values, fill).expect("one label per sample").into_owned()
    }

    /// The positions of one cluster; without any if there is no such cluster.
    pub fn cluster(&self, k: usize) -> Roi {
        self.where_label(Some(k))
    }

    /// The positions of noise.
    pub fn noise(&self) -> Roi {
        self.where_label(None)
    }

    fn where_label(&self, wanted: Option<usize>) -> Roi {
        let samples = (0..self.labels.len()).filter(|&i| self.labels[i] == wanted);
        self.roi.subset(samples).expect("one label per sample")
    }

    /// Every cluster: its number, its positions, how many. For the frames of one cluster, select its positions
    /// ([`Scan::select`](nonius_core::Scan::select)); statistics of all clusters come in one pass from
    /// [`LabelledStatistics`](crate::LabelledStatistics).
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (usize, Roi, usize)> + '_ {
        let mut samples = vec![Vec::new(); self.n_clusters];
        for (i, label) in self.labels.iter().enumerate() {
            label.iter().for_each(|&k| samples[k].push(i));
        }
        samples.into_iter().enumerate().map(|(k, samples)| {
            let size = samples.len();
            (k, self.roi.subset(samples).expect("samples of the map"), size)
        })
    }

    /// Number of samples of every cluster.
    pub fn sizes(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.n_clusters];
        self.labels.iter().flatten().for_each(|&k| sizes[k] += 1);
        sizes
    }

    /// For every cluster the ranges of scan positions, one per axis, that hold it.
    pub fn bounding_boxes(&self) -> Vec<Vec<Range<usize>>> {
        let mut boxes = vec![Vec::<Range<usize>>::new(); self.n_clusters];
        for (index, label) in self.groups().indexed_iter() {
            let Some(ranges) = label.map(|k| &mut boxes[k]) else { continue };
            if ranges.is_empty() {
                ranges.extend(index.slice().iter().map(|&i| i..i + 1));
            }
            for (range, &i) in ranges.iter_mut().zip(index.slice()) {
                *range = range.start.min(i)..range.end.max(i + 1);
            }
        }
        boxes
    }

    /// The same clusters, numbered in another order. [`Numbering::ScikitLearn`] needs a tree; here it is that of first
    /// samples.
    pub fn renumbered(&self, numbering: Numbering) -> LabelMap {
        let numbers: Vec<usize> = self.labels.iter().flatten().copied().collect();
        let numbers = match numbering {
            Numbering::BySize => by_size(&by_first_sample(&numbers)),
            Numbering::Canonical | Numbering::ScikitLearn => by_first_sample(&numbers),
        };
        let mut numbers = numbers.into_iter();
        let labels = self.labels.iter().map(|label| label.and_then(|_| numbers.next())).collect();
        LabelMap { labels, ..self.clone() }
    }

    /// Cluster k becomes `numbers[k]`; the same number twice unites, None makes noise. Numbers that no cluster gets are
    /// closed up.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is one number per cluster.
    pub fn relabeled(&self, numbers: &[Option<usize>]) -> Result<LabelMap> {
        check_shape("numbers of clusters", &[self.n_clusters], &[numbers.len()])?;
        let labels = self.labels.iter().map(|label| label.and_then(|k| numbers[k])).collect();
        Ok(LabelMap::closed_up(self.roi.clone(), labels))
    }

    /// Two clusters become one, under the smaller number; numbers above the larger move down by one.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a number that is no cluster.
    pub fn united(&self, a: usize, b: usize) -> Result<LabelMap> {
        if a.max(b) >= self.n_clusters {
            let got = format!("{} of {}", a.max(b), self.n_clusters);
            return Err(Error::parameter("cluster", "below the number of clusters", got));
        }
        let number = |k| if k == a.max(b) { a.min(b) } else { k };
        self.relabeled(&(0..self.n_clusters).map(|k| Some(number(k))).collect::<Vec<_>>())
    }
}

impl Dendrogram {
    /// The clusters of a cut as a map.
    ///
    /// # Errors
    /// As [`labels`](Dendrogram::labels); [`Error::Shape`] unless the tree is of the samples of `roi`.
    pub fn label_map(&self, roi: &Roi, cut: Cut, numbering: Numbering) -> Result<LabelMap> {
        check_shape("samples of a tree", &[roi.len()], &[self.n_samples()])?;
        let labels = self.labels(cut, numbering)?;
        LabelMap::new(roi.clone(), labels.into_iter().map(Some).collect())
    }
}
