//! Every frame of a scan.

mod disks;
mod integrate;
mod neighbors;
mod refine;
mod sum;

pub use disks::{Blobfinder, BlobfinderParams, DiskFinder, Disks, FoundDisks, find_disks};
pub use integrate::{DiskIntegrals, DiskIntegrator};
pub use refine::{
    LatticeRefiner, Matching, PeakWeight, RefineParams, RefinedLattices, Refiner, refine_lattices,
};
pub use sum::FrameSum;

use ndarray::{Array2, Axis};
use nonius_core::{Error, Result, Scope, check_finite};

/// How far the pattern of each frame stands from where it is expected.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum ZeroShift {
    /// Not at all.
    #[default]
    None,
    /// By the same `(y, x)` px in every frame.
    Common([f64; 2]),
    /// One row `(y, x)` px per sample, in the order of the region of interest.
    PerSample(Array2<f64>),
}

impl ZeroShift {
    fn validate(&self, scope: &Scope) -> Result<()> {
        match self {
            ZeroShift::None => Ok(()),
            ZeroShift::Common(shift) if shift.iter().all(|s| s.is_finite()) => Ok(()),
            ZeroShift::Common(shift) => Err(Error::parameter("zero shift", "finite", format!("{shift:?}"))),
            ZeroShift::PerSample(shifts) => {
                nonius_core::check_shape("zero shifts", &[scope.n_samples, 2], shifts.shape())?;
                check_finite("zero shifts", shifts.view())
            }
        }
    }

    fn of(&self, sample: usize) -> [f64; 2] {
        match self {
            ZeroShift::None => [0.0; 2],
            ZeroShift::Common(shift) => *shift,
            ZeroShift::PerSample(shifts) => [shifts[[sample, 0]], shifts[[sample, 1]]],
        }
    }

    /// That of some of the samples.
    fn of_samples(&self, samples: &[usize]) -> ZeroShift {
        match self {
            ZeroShift::PerSample(shifts) => ZeroShift::PerSample(shifts.select(Axis(0), samples)),
            common => common.clone(),
        }
    }
}

/// The pixel of a position, of two that are equally near the even one.
pub(crate) fn pixel(position: [f64; 2]) -> [i32; 2] {
    position.map(|c| c.round_ties_even() as i32)
}
