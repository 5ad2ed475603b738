//! Which group a frame belongs to.

use ndarray::ArrayViewD;
use nonius_core::{Error, Result, Scope, check_shape};

/// Groups of the positions of a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Labels {
    scan_shape: Vec<usize>,
    labels: Vec<Option<usize>>,
    pub(super) n_labels: usize,
}

impl Labels {
    pub(super) fn new(labels: ArrayViewD<'_, Option<usize>>) -> Result<Self> {
        let greatest = labels.iter().flatten().max().copied();
        let Some(greatest) = greatest.filter(|&g| g < labels.len()) else {
            let got = greatest.map_or("none".into(), |g| g.to_string());
            return Err(Error::parameter("labels", "numbers below that of positions, at least one", got));
        };
        Ok(Labels {
            scan_shape: labels.shape().to_vec(),
            labels: labels.iter().copied().collect(),
            n_labels: greatest + 1,
        })
    }

    pub(super) fn check(&self, scope: &Scope) -> Result<()> {
        check_shape("labels", &scope.scan_shape, &self.scan_shape)
    }

    pub(super) fn of(&self, position: usize) -> Option<usize> {
        self.labels[position]
    }
}
