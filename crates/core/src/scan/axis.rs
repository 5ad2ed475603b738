//! Calibrated axes.

use serde::{Deserialize, Serialize};

/// An axis of a scan or of a frame: element `k` lies at `offset + k · scale`, in `unit`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// What it is called: "scan y", "Qx".
    pub name: String,
    /// Number of elements.
    pub size: usize,
    /// Distance of neighbouring elements.
    pub scale: f64,
    /// Where element 0 lies.
    pub offset: f64,
    /// Unit of scale and offset; "px" if nothing is known.
    pub unit: String,
}

impl Axis {
    /// An axis of which nothing but its length is known: scale 1, offset 0, unit "px".
    pub fn pixels(name: impl Into<String>, size: usize) -> Self {
        Axis { name: name.into(), size, scale: 1.0, offset: 0.0, unit: "px".into() }
    }

    /// True if somebody said what an element measures.
    pub fn is_calibrated(&self) -> bool {
        self.unit != "px" && self.scale.is_finite() && self.scale != 0.0
    }
}
