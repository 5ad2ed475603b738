//! Correlation of frames with a template, and the place of its maximum.

use serde::{Deserialize, Serialize};

/// A disk that was looked for around one position of a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// Pixel `(y, x)` of the greatest correlation; it may lie outside the frame.
    pub center: [i32; 2],
    /// Position `(y, x)` in px, zero at the centre of the first pixel.
    pub refined: [f64; 2],
    /// Correlation at `center`.
    pub height: f64,
    /// Slope of the tightest cone above the correlation, per px: how sharp and how unrivalled the peak is. 0: not at
    /// all. It is the weight of a peak where a lattice is fitted.
    pub elevation: f64,
    /// Covariance of `refined`, px², order `(y, x)`; NaN where the refinement gives none.
    pub covariance: [[f64; 2]; 2],
    /// Whether `refined` may be believed.
    pub status: PeakStatus,
}

/// What came of looking for a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PeakStatus {
    /// A maximum within the window.
    Found,
    /// The window is constant, empty, or masked altogether: `refined` is the position that was asked.
    NoSignal,
    /// The maximum stands at the edge of the window, so that the disk may lie beyond.
    AtEdge,
}
