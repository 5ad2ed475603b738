use nonius_core::Real;

/// Memory of a reconstruction, to be used again by the next: three volumes (one more with total variation) and two
/// stacks. It fits itself to whatever comes.
#[derive(Debug, Clone, Default)]
pub struct ReconstructionScratch<F> {
    /// Of every pixel, N × J × K × channels of the mask.
    pub(super) weights: Vec<F>,
    /// Of every voxel, X × Y × Z.
    pub(super) preconditioner: Vec<F>,
    /// What is projected, and what comes back.
    pub(super) gradient: Vec<F>,
    pub(super) images: Vec<F>,
    /// Momentum of a descent.
    pub(super) velocity: Vec<F>,
    pub(super) regularizer: Vec<F>,
    /// Sums over blocks.
    pub(super) partial: Vec<f64>,
}

/// Makes `buffer` hold `size` zeros.
pub(super) fn zeroed<F: Real>(buffer: &mut Vec<F>, size: usize) -> &mut [F] {
    buffer.clear();
    buffer.resize(size, F::zero());
    buffer
}
