//! Dense optical flow: one displacement per pixel.
//!
//! Where the other methods of this crate give one shift per image, these give a field: how far the
//! content at each pixel of the reference has moved. [`tvl1`] keeps edges of the motion sharp and fills
//! in where there is no texture; [`lucas_kanade`] takes half the time, and is best for smooth motion of
//! textured images.
//!
//! # Sign
//! The flow is the displacement of the moving image's content, as every shift of this crate: what is at
//! pixel `r` of the reference is at `r + flow(r)` of the moving image,
//!
//! ```text
//! moving[r + flow(r)] = reference[r]
//! ```
//!
//! so for a constant flow `d`, `moving[r] = reference[r − d]`. Component 0 is along `y`, component 1 along
//! `x`, both in px. [`warp`] samples the moving image at `r + flow(r)`, which brings it onto the reference.
//!
//! # Intensities
//! Both methods assume that a point keeps its intensity while it moves, so the two images must be on one
//! scale: same exposure, same offset. Two parameters have the unit of intensity, [`Tvl1Params::attachment`]
//! and [`LucasKanadeParams::min_determinant`]; their defaults are meant for images whose values span about
//! 0 to 1. Values are taken as they are. scikit-image divides integer images by the largest value of their
//! type (255, 65535) before it computes: do the same to obtain its numbers from such files.
//!
//! # Both methods
//! work from coarse to fine on a pyramid whose levels halve the image down to a shorter side of 32 px or
//! less (ten levels at most). On each level the moving image is warped by the flow found so far and the
//! rest is sought, `num_warp` times. Displacements much larger than the finest structure are thereby
//! found, as long as they are seen on a coarser level. Near the borders, content that has left the frame
//! is continued by the edge value; the flow there is a guess of the regularisation.
//!
//! Rows are computed in parallel on rayon's current pool; the bits do not depend on the number of threads.
//!
//! # Example
//! A bump whose content moves by (1, −0.5) px:
//!
//! ```
//! use ndarray::Array2;
//! use nonius_core::NoProgress;
//! use nonius_registration::flow::{LucasKanadeParams, lucas_kanade};
//!
//! let bump = |cy: f64, cx: f64| {
//!     Array2::from_shape_fn((32, 32), |(y, x)| {
//!         (-((y as f64 - cy).powi(2) + (x as f64 - cx).powi(2)) / 40.0).exp()
//!     })
//! };
//! let flow =
//!     lucas_kanade(bump(16.0, 16.0).view(), bump(17.0, 15.5).view(), &LucasKanadeParams::default(), &NoProgress)?;
//! assert!((flow.displacement[[0, 16, 16]] - 1.0).abs() < 0.05);
//! assert!((flow.displacement[[1, 16, 16]] + 0.5).abs() < 0.05);
//! # Ok::<(), nonius_core::Error>(())
//! ```

mod kernel;
mod lucas_kanade;
mod median;
mod primal_dual;
mod pyramid;
mod tvl1;
mod warp;

pub use lucas_kanade::{LucasKanadeParams, lucas_kanade};
pub use tvl1::{Tvl1Params, tvl1};
pub use warp::warp;

use ndarray::Array3;

/// A dense displacement field and how it was reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Flow<F> {
    /// Displacement of the content, `(2, y, x)` in px: `[0]` along `y`, `[1]` along `x`. What is at `r` in
    /// the reference is at `r + displacement(r)` in the moving image.
    pub displacement: Array3<F>,
    /// Root mean square of `moving(r + displacement) − reference(r)`, in the images' own unit. Of the order
    /// of the noise (√2 σ) where the flow explains the images; larger where intensities changed or content
    /// was hidden.
    pub residual: f64,
    /// One entry per pyramid level, coarsest first.
    pub levels: Vec<FlowLevel>,
}

/// What happened on one level of the pyramid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FlowLevel {
    /// Shape `(y, x)` of the level.
    pub shape: (usize, usize),
    /// Fixed-point iterations over all warps (TV-L1), or warps (Lucas–Kanade).
    pub iterations: usize,
    /// Root mean square change of the flow by the last warp, in px of this level: how far from converged
    /// the level was left.
    pub last_change: f64,
    /// Pixels whose window did not determine a displacement in the last warp (Lucas–Kanade); their flow
    /// was set to 0. Always 0 for TV-L1, which fills in from the neighbours.
    pub undetermined: usize,
}
