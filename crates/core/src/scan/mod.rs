//! Scans: frames on a grid of positions, and passes over them.

mod axis;
mod corrected;
mod pass;
mod roi;
mod selection;
mod tree;

pub use axis::Axis;
pub use corrected::{Corrected, CorrectionParams};
pub use pass::{Consumer, PassParams, Scope, Tile, pass, pass_with_partial_results};
pub use roi::Roi;
pub use selection::{Missing, Scan, ScanParams, Selection};
