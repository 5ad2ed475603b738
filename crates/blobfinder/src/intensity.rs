//! What is done to pixel values before they are correlated.

use serde::{Deserialize, Serialize};

/// The transform of pixel values before correlation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Intensity {
    /// `ln(I − min I + 1)`.
    #[default]
    Log,
    /// `√(I − min I)`.
    SquareRoot,
    /// As recorded.
    Linear,
}
