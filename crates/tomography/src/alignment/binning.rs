//! A tilt series at coarser pixels.

use std::ops::Range;

use ndarray::{Array3, ArrayView2, ArrayView3, Axis, s};
use nonius_core::tilt_series::Geometry;
use nonius_core::{Real, Result};
use rayon::prelude::*;

/// A series whose pixels and voxels are blocks of `factor` of the original's along each axis.
///
/// Rows and columns at the end that fill no block are left out, which moves the middle of the images: with
/// J′ = ⌊J/b⌋, the centre of block A is at `b (A + ½ − J′/2 + o′)` if `o′ = (o + (b J′ − J)/2)/b`.
pub(super) struct Binned<F> {
    pub(super) geometry: Geometry,
    /// Sums of blocks over `b²` (mean) over `b`: the line integral in units of coarse voxels.
    pub(super) images: Array3<F>,
    pub(super) weights: Option<Array3<F>>,
    factor: f64,
    cropped: [f64; 2],
}

impl<F: Real> Binned<F> {
    pub(super) fn new(
        factor: usize,
        geometry: &Geometry,
        images: ArrayView3<'_, F>,
        weights: Option<ArrayView3<'_, F>>,
    ) -> Result<Self> {
        let shape = geometry.projection_shape.map(|n| n / factor);
        let volume_shape = geometry.volume_shape.map(|n| n.div_ceil(factor));
        let cropped =
            [0, 1].map(|axis| 0.5 * ((factor * shape[axis]) as f64 - geometry.projection_shape[axis] as f64));
        let stack = |of_block: &(dyn Fn(usize, [Range<usize>; 2]) -> f64 + Sync)| {
            let mut out = Array3::zeros((geometry.len(), shape[0], shape[1]));
            out.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(i, mut image)| {
                for ((a, b), pixel) in image.indexed_iter_mut() {
                    *pixel = F::of(of_block(i, [a, b].map(|at| at * factor..(at + 1) * factor)));
                }
            });
            out
        };
        let edge = factor as f64;
        let mut binned = Binned {
            geometry: Geometry { volume_shape, projection_shape: shape, ..geometry.clone() },
            images: stack(&|i, block| {
                let weights = weights.as_ref().map(|weights| weights.index_axis(Axis(0), i));
                line_integral(images.index_axis(Axis(0), i), weights, block)
            }),
            weights: weights.as_ref().map(|weights| {
                stack(&|i, [rows, columns]| {
                    let weights = weights.slice(s![i, rows, columns]);
                    weights.iter().map(|w| w.f64()).sum::<f64>() / (edge * edge)
                })
            }),
            factor: edge,
            cropped,
        };
        let offsets = binned.offsets(&geometry.offsets());
        binned.geometry = binned.geometry.with_offsets(&offsets)?;
        Ok(binned)
    }

    /// `[j, k]` offsets in coarse pixels.
    pub(super) fn offsets(&self, fine: &[[f64; 2]]) -> Vec<[f64; 2]> {
        fine.iter()
            .map(|offset| [0, 1].map(|axis| (offset[axis] + self.cropped[axis]) / self.factor))
            .collect()
    }
}

/// Weighted mean over a block, over its edge length; 0 where all is masked.
fn line_integral<F: Real>(
    image: ArrayView2<'_, F>,
    weights: Option<ArrayView2<'_, F>>,
    [rows, columns]: [Range<usize>; 2],
) -> f64 {
    let edge = rows.len() as f64;
    let (mut sum, mut total) = (0.0, 0.0);
    for j in rows {
        for k in columns.clone() {
            let weight = weights.map_or(1.0, |weights| weights[[j, k]].f64());
            // What is masked may be NaN.
            if weight > 0.0 {
                sum += weight * image[[j, k]].f64();
                total += weight;
            }
        }
    }
    if total > 0.0 { sum / (total * edge) } else { 0.0 }
}
