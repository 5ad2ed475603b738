//! Volumes from images.

mod descent;
mod fbp;
mod lbfgs;
mod objective;
mod scratch;
mod total_variation;

use ndarray::{Array4, ArrayView4};
use nonius_core::{Progress, Real, Result};

pub use descent::{MitraParams, Momentum, SirtParams};
pub use fbp::{FbpParams, Filter};
pub use lbfgs::LbfgsParams;
pub use objective::Loss;
pub use scratch::ReconstructionScratch;

use crate::Projector;

/// Why a reconstruction came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// All iterations that were asked for are done.
    MaxIterations,
    /// The loss changed by less than the tolerance.
    Tolerance,
    /// No step makes the loss smaller: rounding, or the minimum.
    NoDescent,
    /// The method has no iterations.
    Direct,
}

/// A volume and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Reconstruction<F> {
    /// The volume, (X, Y, Z, C).
    pub volume: Array4<F>,
    /// Loss of every iteration, evaluated before its step; empty for a method without iterations.
    pub losses: Vec<f64>,
    /// Why it ended.
    pub stop: Stop,
}

/// A way from images to a volume.
pub trait Reconstructor<F: Real>: Sync {
    /// The volume whose projections are nearest to `data`, in a given scratch: repeated reconstructions allocate
    /// the volume they return and nothing else.
    ///
    /// * `data`: `(N, J, K, C)`, line integrals (absorbance, or thickness), not counts.
    /// * `weights`: `(N, J, K, 1)` or `(N, J, K, C)`; pixels whose weight is 0 are left out, and may hold anything.
    /// * `warm_start`: where to begin, `(X, Y, Z, C)`; zeros if absent.
    ///
    /// # Errors
    /// A shape that does not fit; a value that is not finite outside the mask; a parameter out of range;
    /// [`Error::Cancelled`](nonius_core::Error::Cancelled).
    fn reconstruct_with(
        &self,
        projector: &Projector<F>,
        data: ArrayView4<'_, F>,
        weights: Option<ArrayView4<'_, F>>,
        warm_start: Option<ArrayView4<'_, F>>,
        progress: &dyn Progress,
        scratch: &mut ReconstructionScratch<F>,
    ) -> Result<Reconstruction<F>>;

    /// [`reconstruct_with`](Self::reconstruct_with) in a scratch of its own.
    ///
    /// # Errors
    /// Those of [`reconstruct_with`](Self::reconstruct_with).
    fn reconstruct(
        &self,
        projector: &Projector<F>,
        data: ArrayView4<'_, F>,
        weights: Option<ArrayView4<'_, F>>,
        warm_start: Option<ArrayView4<'_, F>>,
        progress: &dyn Progress,
    ) -> Result<Reconstruction<F>> {
        let mut scratch = ReconstructionScratch::default();
        self.reconstruct_with(projector, data, weights, warm_start, progress, &mut scratch)
    }
}
