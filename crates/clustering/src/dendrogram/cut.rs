//! Clusters from a tree.

use nonius_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::Dendrogram;

/// Where a tree is cut.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cut {
    /// Into so many clusters: the last merges are undone. At least the number of roots, at most that of samples.
    Clusters(usize),
    /// Into one cluster more than there are merges with a distance of at least this, by undoing the last merges. Where
    /// distances do not ascend, these are not the merges with such a distance; scikit-learn cuts so.
    Distance(f64),
    /// The first merge with a distance of at least this is undone, and all that follow.
    DistanceMonotone(f64),
}

/// How clusters are numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Numbering {
    /// In the order of their first samples.
    #[default]
    Canonical,
    /// The largest first; those of one size in the order of their first samples.
    BySize,
    /// As scikit-learn does: by the places that nodes have in a heap while a full tree is taken apart from its root; by
    /// the number of the node in a tree with several roots.
    ScikitLearn,
}

impl Dendrogram {
    /// Cluster of every sample, numbered from 0.
    ///
    /// ```
    /// use nonius_clustering::{Cut, Dendrogram, Numbering};
    ///
    /// // Samples 1 and 2, then these and 0, then 3.
    /// let tree = Dendrogram::new(4, vec![[1, 2], [0, 4], [3, 5]], vec![1.0, 3.0, 2.0])?;
    /// assert_eq!(tree.labels(Cut::Clusters(2), Numbering::Canonical)?, [0, 0, 0, 1]);
    /// // Of three merges one has a distance of 3, so one merge is undone: the last, whose distance is 2.
    /// assert_eq!(tree.labels(Cut::Distance(3.0), Numbering::Canonical)?, [0, 0, 0, 1]);
    /// assert_eq!(tree.labels(Cut::DistanceMonotone(3.0), Numbering::Canonical)?, [0, 1, 1, 2]);
    /// # Ok::<(), nonius_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Parameter`] for a number of clusters that the tree cannot be cut into, a distance that is negative or
    /// NaN.
    pub fn labels(&self, cut: Cut, numbering: Numbering) -> Result<Vec<usize>> {
        let n_clusters = self.n_clusters(cut)?;
        let heads = self.heads(n_clusters);
        Ok(match numbering {
            Numbering::Canonical => by_first_sample(&heads),
            Numbering::BySize => by_size(&by_first_sample(&heads)),
            Numbering::ScikitLearn => {
                let clusters = self.in_order_of_scikit_learn(n_clusters);
                let mut number = vec![0; self.n_samples + self.merges.len()];
                clusters.iter().enumerate().for_each(|(k, &node)| number[node] = k);
                heads.iter().map(|&node| number[node]).collect()
            }
        })
    }

    /// Number of clusters that a cut makes.
    ///
    /// # Errors
    /// As [`labels`](Dendrogram::labels).
    pub fn n_clusters(&self, cut: Cut) -> Result<usize> {
        let undone = match cut {
            Cut::Clusters(n_clusters) => {
                if n_clusters < self.n_roots() || n_clusters > self.n_samples {
                    let must_be = "at least the number of roots of the tree and at most that of samples";
                    let got = format!("{n_clusters}, with {} and {}", self.n_roots(), self.n_samples);
                    return Err(Error::parameter("number of clusters", must_be, got));
                }
                return Ok(n_clusters);
            }
            Cut::Distance(t) | Cut::DistanceMonotone(t) if t.is_nan() || t < 0.0 => {
                return Err(Error::parameter("distance of a cut", "at least 0", t));
            }
            Cut::Distance(t) => self.distances.iter().filter(|d| **d >= t).count(),
            Cut::DistanceMonotone(t) => {
                let kept = self.distances.iter().take_while(|d| **d < t).count();
                self.merges.len() - kept
            }
        };
        Ok(self.n_roots() + undone)
    }

    /// The node that each sample belongs to after the merges that leave `n_clusters`.
    fn heads(&self, n_clusters: usize) -> Vec<usize> {
        let n = self.n_samples;
        let n_merges = n - n_clusters;
        let mut heads: Vec<usize> = (0..n + n_merges).collect();
        // From the last merge down, so that a node's head is known before those of its children.
        for k in (0..n_merges).rev() {
            self.merges[k].iter().for_each(|&node| heads[node as usize] = heads[n + k]);
        }
        heads.truncate(n);
        heads
    }

    /// The nodes of the clusters in scikit-learn's order.
    fn in_order_of_scikit_learn(&self, n_clusters: usize) -> Vec<usize> {
        let n = self.n_samples;
        if self.n_roots() > 1 {
            let mut nodes = self.heads(n_clusters);
            nodes.sort_unstable();
            nodes.dedup();
            return nodes;
        }
        // Python's heap queue of the negative numbers of nodes: the greatest number on top.
        let mut heap = vec![n + self.merges.len() - 1];
        while heap.len() < n_clusters {
            let [smaller, larger] = self.merges[heap[0] - n].map(|node| node as usize);
            heap.push(smaller);
            let last = heap.len() - 1;
            sift_up(&mut heap, last);
            // The hole that the top leaves goes down to a leaf, the larger child moving up each time.
            let mut at = 0;
            while 2 * at + 1 < heap.len() {
                let (left, right) = (2 * at + 1, 2 * at + 2);
                let child = if right < heap.len() && heap[right] >= heap[left] { right } else { left };
                heap[at] = heap[child];
                at = child;
            }
            heap[at] = larger;
            sift_up(&mut heap, at);
        }
        heap
    }
}

/// Moves the node at `at` up past smaller ones.
fn sift_up(heap: &mut [usize], mut at: usize) {
    while at > 0 && heap[(at - 1) / 2] < heap[at] {
        heap.swap(at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

/// The same partition, clusters numbered in the order of their first samples.
pub(crate) fn by_first_sample(labels: &[usize]) -> Vec<usize> {
    let mut number = vec![None; labels.iter().max().map_or(0, |m| m + 1)];
    let mut n = 0;
    let renumber = |label: &usize| {
        *number[*label].get_or_insert_with(|| {
            n += 1;
            n - 1
        })
    };
    labels.iter().map(renumber).collect()
}

/// The same partition, the largest cluster first, those of one size as they were.
pub(crate) fn by_size(labels: &[usize]) -> Vec<usize> {
    let mut sizes = vec![0usize; labels.iter().max().map_or(0, |m| m + 1)];
    labels.iter().for_each(|&label| sizes[label] += 1);
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&label| std::cmp::Reverse(sizes[label]));
    let mut number = vec![0; sizes.len()];
    order.iter().enumerate().for_each(|(k, &label)| number[label] = k);
    labels.iter().map(|&label| number[label]).collect()
}
