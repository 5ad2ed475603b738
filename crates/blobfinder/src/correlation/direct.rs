//! Correlation as a sum.

use multiversion::multiversion;
use ndarray::Array2;
use nonius_core::Real;

/// Correlation for displacements of up to `steps` px along both axes.
///
/// ```text
/// c[i, j] = Σ_uv m[u, v] f[p_y + i − s + u, p_x + j − s + v],   −steps ≤ i, j ≤ steps
/// ```
///
/// over the pixels within the frame; templates are (2s + 1)² with their centres at (s, s).
#[derive(Debug, Clone)]
pub(crate) struct Direct<F> {
    steps: usize,
    half: usize,
    masks: Vec<Vec<F>>,
}

impl<F: Real> Direct<F> {
    pub(crate) fn new(steps: usize, half: usize, masks: &[Array2<f64>]) -> Self {
        let masks = masks.iter().map(|mask| mask.iter().map(|&m| F::of(m)).collect()).collect();
        Direct { steps, half, masks }
    }

    /// Side of the maps.
    pub(crate) fn side(&self) -> usize {
        2 * self.steps + 1
    }

    /// Side of the windows that a map needs: from `p − half − steps` on along both axes.
    pub(crate) fn window(&self) -> usize {
        2 * (self.half + self.steps) + 1
    }

    /// The map of template `k` from a window, whose pixels beyond the frame are 0.
    pub(crate) fn correlate(&self, k: usize, window: &[F], map: &mut [F]) {
        correlate(&self.masks[k], 2 * self.half + 1, window, self.window(), map, self.side());
    }
}

#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn correlate<F: Real>(mask: &[F], n: usize, window: &[F], stride: usize, map: &mut [F], side: usize) {
    map.fill(F::zero());
    for (i, out) in map.chunks_exact_mut(side).enumerate() {
        for u in 0..n {
            let pixels = &window[(i + u) * stride..][..stride];
            for (v, &m) in mask[u * n..][..n].iter().enumerate() {
                for (c, &f) in out.iter_mut().zip(&pixels[v..]) {
                    *c += m * f;
                }
            }
        }
    }
}
