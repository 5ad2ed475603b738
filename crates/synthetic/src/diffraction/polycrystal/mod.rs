//! Scans over polycrystals whose lattice is known everywhere.

mod grains;
mod params;
mod reflections;
mod scan;
mod truth;

pub use grains::Grain;
pub use params::{AmorphousRing, CoreParams, PhaseParams, PixelDepth, PolycrystalParams, SpotBrightness};
pub use scan::{PolycrystalFrame, PolycrystalScan, PolycrystalSpot};
pub use truth::PolycrystalTruth;
