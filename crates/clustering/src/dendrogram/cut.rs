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
    /// # Errors
    /// [`Error::Parameter`] for a number of clusters that the tree cannot be cut into, a distance that is negative or
    /// NaN.
    pub fn labels(&self, cut: Cut, numbering: Numbering) -> Result<Vec<usize>> {
        let _ = (cut, numbering, Error::Cancelled);
        unimplemented!("follows")
    }

    /// Number of clusters that a cut makes.
    ///
    /// # Errors
    /// As [`labels`](Dendrogram::labels).
    pub fn n_clusters(&self, cut: Cut) -> Result<usize> {
        let _ = cut;
        unimplemented!("follows")
    }
}
