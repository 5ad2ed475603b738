//! Diffraction patterns whose disks are where they were put.

mod disk;
mod frame;
mod polycrystal;
mod reference;
mod scan;

pub use disk::{DiskShape, DiskTexture};
pub use frame::{
    CentralBackground, DiffractionBackground, DiffractionFrame, DiffractionParams, DiffractionTruth,
};
pub use polycrystal::{
    AmorphousRing, CoreParams, Grain, PhaseParams, PixelDepth, PolycrystalFrame, PolycrystalParams,
    PolycrystalScan, PolycrystalSpot, PolycrystalTruth, SpotBrightness,
};
pub use reference::{CbedFrame, CbedParams};
pub use scan::{DiffractionScan, DiffractionScanParams};

use crate::{Result, check};

/// Furthest from the frame that anything may be put, px.
const FAR: f64 = 1e6;

fn check_vector(name: &'static str, v: [f64; 2]) -> Result<()> {
    check(v.iter().all(|c| c.abs() <= FAR), name, "finite and within 1e6 px", format!("{v:?}"))
}

/// Position of lattice index `(i, j)`: `zero + i·a + j·b`.
fn lattice_point(zero: [f64; 2], a: [f64; 2], b: [f64; 2], [i, j]: [i32; 2]) -> [f64; 2] {
    [0, 1].map(|axis| zero[axis] + f64::from(i) * a[axis] + f64::from(j) * b[axis])
}
