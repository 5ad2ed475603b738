//! A tilt series at coarser pixels.

use ndarray::{Array3, ArrayView3, Axis};
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
        let mut binned = Binned {
            geometry: Geometry { volume_shape, projection_shape: shape, ..geometry.clone() },
            images: Array3::zeros((geometry.len(), shape[0], shape[1])),
            weights: weights.map(|_| Array3::zeros((geometry.len(), shape[0], shape[1]))),
            factor: factor as f64,
            cropped,
        };
        let offsets = binned.offsets(&geometry.offsets());
        binned.geometry = binned.geometry.with_offsets(&offsets)?;
        match (weights, &mut binned.weights) {
            (Some(weights), Some(out)) => {
                let images_out = binned.images.axis_iter_mut(Axis(0)).into_par_iter();
                images_out.zip(out.axis_iter_mut(Axis(0)).into_par_iter()).enumerate().for_each(
                    |(i, (mut image, mut weight))| {
                        for ((a, b), image) in image.indexed_iter_mut() {
                            let (mean, w) = block(
                                images.index_axis(Axis(0), i),
                                Some(weights.index_axis(Axis(0), i)),
                                a,
                                b,
                                factor,
                            );
                            *image = mean;
                            weight[[a, b]] = w;
                        }
                    },
                );
            }
            _ => {
                binned.images.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(
                    |(i, mut image)| {
                        for ((a, b), image) in image.indexed_iter_mut() {
                            *image = block(images.index_axis(Axis(0), i), None, a, b, factor).0;
                        }
                    },
                );
            }
        }
        Ok(binned)
    }

    /// `[j, k]` offsets in coarse pixels.
    pub(super) fn offsets(&self, fine: &[[f64; 2]]) -> Vec<[f64; 2]> {
        fine.iter()
            .map(|offset| [0, 1].map(|axis| (offset[axis] + self.cropped[axis]) / self.factor))
            .collect()
    }
}

/// Weighted mean over a block, over its edge length; and its mean weight.
fn block<F: Real>(
    image: ndarray::ArrayView2<'_, F>,
    weights: Option<ndarray::ArrayView2<'_, F>>,
    a: usize,
    b: usize,
    factor: usize,
) -> (F, F) {
    let (mut sum, mut total) = (0.0, 0.0);
    for j in a * factor..(a + 1) * factor {
        for k in b * factor..(b + 1) * factor {
            let weight = weights.map_or(1.0, |weights| weights[[j, k]].f64());
            if weight > 0.0 {
                sum += weight * image[[j, k]].f64();
                total += weight;
            }
        }
    }
    let mean = if total > 0.0 { sum / (total * factor as f64) } else { 0.0 };
    (F::of(mean), F::of(total / (factor * factor) as f64))
}
