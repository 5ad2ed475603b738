//! Words for displacements that all methods share.

use serde::{Deserialize, Serialize};

/// What happens at the border of the frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frame {
    /// Content enters and leaves: the frames are two crops of a larger scene, as most recordings are.
    /// Only what both frames saw is compared. The default.
    #[default]
    Overlap,
    /// What leaves on one side enters on the other. True of simulations, of diffraction by crystals and
    /// of frames whose objects lie far inside an empty border; elsewhere errors are 8 to 26 times those
    /// of [`Frame::Overlap`].
    Periodic,
}

/// How far a result can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// One optimum stands out and was found.
    Converged,
    /// The optimum lies at the border of the displacements that were allowed: look further.
    AtSearchLimit,
    /// Another displacement explains the images nearly as well, see [`RunnerUp`].
    Ambiguous,
    /// The images do not fix a displacement (constant, hidden by masks, no overlap): the shift is NaN.
    Undetermined,
}

/// A second optimum.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RunnerUp {
    /// Its displacement `(y, x)` px.
    pub shift: [f64; 2],
    /// By how much its χ² exceeds the best one's.
    pub delta_chi2: f64,
}
