//! Filtered back-projection.

use std::f64::consts::PI;

use nalgebra::Vector3;
use ndarray::{Array4, ArrayView4, Axis};
use nonius_core::tilt_series::{Directions, Geometry};
use nonius_core::{
    Error, Progress, Real, Result, check_finite, check_not_empty, check_not_negative, check_shape,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::scratch::{ReconstructionScratch, zeroed};
use super::{Reconstruction, Reconstructor, Stop};
use crate::Projector;
use crate::projector::samples::{Plane, Samples, add_samples};
use crate::projector::shifted::add_scaled;

/// What the ramp is multiplied by, at the frequency f in cycles per pixel, up to ½.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// 1. The default: sharpest, noisiest.
    #[default]
    RamLak,
    /// `sin(πf)/(πf)`.
    SheppLogan,
    /// `cos(πf)`.
    Cosine,
    /// `0.54 + 0.46 cos(2πf)`.
    Hamming,
    /// `½ + ½ cos(2πf)`.
    Hann,
}

impl Filter {
    fn at(self, f: f64) -> f64 {
        match self {
            Filter::RamLak => 1.0,
            Filter::SheppLogan if f == 0.0 => 1.0,
            Filter::SheppLogan => (PI * f).sin() / (PI * f),
            Filter::Cosine => (PI * f).cos(),
            Filter::Hamming => 0.54 + 0.46 * (2.0 * PI * f).cos(),
            Filter::Hann => 0.5 + 0.5 * (2.0 * PI * f).cos(),
        }
    }

    /// Convolution kernel of the ramp with this window at distances `0..length`: that of the ramp limited to ½ cycle
    /// per pixel, windowed over a period that nothing wraps around in.
    fn kernel(self, length: usize) -> Vec<f64> {
        let ramp = |m: usize| match m {
            0 => 0.25,
            m if m % 2 == 1 => -1.0 / (PI * m as f64).powi(2),
            _ => 0.0,
        };
        if self == Filter::RamLak {
            return (0..length).map(ramp).collect();
        }
        let n = (2 * length).next_power_of_two().max(2);
        let cosines: Vec<f64> = (0..n).map(|i| (2.0 * PI * i as f64 / n as f64).cos()).collect();
        let half = n / 2;
        // Both sums run over an even period: its ends once, all between twice.
        let even = |values: &dyn Fn(usize) -> f64, at: usize| {
            (0..=half)
                .map(|m| if m == 0 || m == half { 1.0 } else { 2.0 } * values(m) * cosines[m * at % n])
                .sum::<f64>()
        };
        let spectrum: Vec<f64> = (0..=half).map(|k| even(&ramp, k) * self.at(k as f64 / n as f64)).collect();
        (0..length).map(|m| even(&|k| spectrum[k], m) / n as f64).collect()
    }
}

/// Filtered back-projection of views about one axis.
///
/// ```text
/// f(r) = Σᵢ Δφᵢ (h ∗ Pᵢ)(r·jᵢ − oⱼ, r·kᵢ − oₖ),   h(0) = ¼, h(odd n) = −1/(πn)², h(even n) = 0
/// ```
///
/// The filter h, times a window, runs across the axis of rotation, which must lie along ±j or ±k. Δφ is half the gap
/// to both neighbours modulo π, so that unequal steps and repeated views are right; a gap wider than three times the
/// median is a wedge that was not measured, and counts as the median. Values are on the scale of the volume, without a
/// factor to fit. Needs no start and no iterations.
///
/// Masked pixels are interpolated along the filter. Angles, and nothing else, decide the weight of a view.
///
/// # Source
/// A. C. Kak, M. Slaney, *Principles of Computerized Tomographic Imaging* (1988), eq. 3.61.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FbpParams {
    /// Default: [`Filter::RamLak`].
    pub filter: Filter,
    /// How far, rad, the axis of rotation may be from ±j or ±k. Default: 0.02.
    pub axis_tolerance: f64,
}

impl Default for FbpParams {
    fn default() -> Self {
        FbpParams { filter: Filter::default(), axis_tolerance: 0.02 }
    }
}

impl FbpParams {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Parameter`] naming the first that is out of range.
    pub fn validate(&self) -> Result<()> {
        check_not_negative("axis_tolerance", self.axis_tolerance)
    }

    /// The axis of images, 0 for j and 1 for k, that lies across the axis of rotation.
    fn filter_axis(&self, geometry: &Geometry, axis: Vector3<f64>) -> Result<usize> {
        let along = |of: &dyn Fn(Directions) -> Vector3<f64>| {
            (0..geometry.len()).all(|i| of(geometry.directions(i)).cross(&axis).norm() <= self.axis_tolerance)
        };
        match (along(&|d| d.k), along(&|d| d.j)) {
            (true, _) => Ok(0),
            (_, true) => Ok(1),
            _ => Err(Error::parameter(
                "geometry",
                "with its axis of rotation along j or k of every view",
                format_args!("the axis {:.4?} of the sample", axis.as_slice()),
            )),
        }
    }
}

/// What each view stands for, rad, of the π that all stand for.
fn angular_steps(geometry: &Geometry, axis: Vector3<f64>) -> Vec<f64> {
    let e1 = axis.cross(&Vector3::ith(axis.iamin(), 1.0)).normalize();
    let e2 = axis.cross(&e1);
    let angle = |i: usize| {
        let p = geometry.directions(i).p;
        p.dot(&e2).atan2(p.dot(&e1)).rem_euclid(PI)
    };
    let mut order: Vec<(f64, usize)> = (0..geometry.len()).map(|i| (angle(i), i)).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let n = order.len();
    let mut gaps: Vec<f64> = (0..n).map(|i| (order[(i + 1) % n].0 - order[i].0).rem_euclid(PI)).collect();
    // Repeated views make gaps of 0, which say nothing of the step.
    let mut measured: Vec<f64> = gaps.iter().copied().filter(|gap| *gap > 1e-4).collect();
    measured.sort_by(f64::total_cmp);
    let median = measured.get((measured.len().max(1) - 1) / 2).copied().unwrap_or(PI);
    for gap in &mut gaps {
        if *gap > 3.0 * median {
            *gap = median;
        }
    }
    let mut steps = vec![0.0; n];
    for i in 0..n {
        steps[order[i].1] = 0.5 * (gaps[i] + gaps[(i + n - 1) % n]);
    }
    steps
}

impl<F: Real> Reconstructor<F> for FbpParams {
    /// A warm start is not looked at.
    fn reconstruct_with(
        &self,
        projector: &Projector<F>,
        data: ArrayView4<'_, F>,
        weights: Option<ArrayView4<'_, F>>,
        _warm_start: Option<ArrayView4<'_, F>>,
        progress: &dyn Progress,
        scratch: &mut ReconstructionScratch<F>,
    ) -> Result<Reconstruction<F>> {
        self.validate()?;
        let [n, n_j, n_k] = projector.stack_shape();
        let channels = data.dim().3;
        check_not_empty("data", data.shape())?;
        check_shape("data", &[n, n_j, n_k, channels], data.shape())?;
        let geometry = projector.geometry();
        let axis = geometry.rotation_axis().ok_or_else(|| {
            Error::parameter("geometry", "of views turned about one axis", "views that are not")
        })?;
        let across = self.filter_axis(geometry, axis)?;
        let mut whole = data.as_standard_layout();
        if let Some(mask) = weights {
            let allowed = if mask.dim().3 == channels { channels } else { 1 };
            check_shape("weights", &[n, n_j, n_k, allowed], mask.shape())?;
            whole = fill_masked(whole.into_owned(), mask, across).into();
        }
        check_finite("data", whole.view())?;

        progress.start("filtered back-projection", 2);
        let kernel: Vec<f64> = self.filter.kernel([n_j, n_k][across]);
        let steps = angular_steps(geometry, axis);
        let filtered = zeroed(&mut scratch.images, data.len());
        let size = n_j * n_k * channels;
        let images = whole.as_slice().unwrap_or_default();
        filtered.par_chunks_mut(size).zip(images.par_chunks(size)).zip(&steps).for_each(
            |((out, image), step)| {
                let kernel = |m: usize| F::of(kernel[m] * step);
                if across == 0 {
                    filter_rows(image, n_k * channels, kernel, out);
                } else {
                    for (image, out) in
                        image.chunks_exact(n_k * channels).zip(out.chunks_exact_mut(n_k * channels))
                    {
                        filter_rows(image, channels, kernel, out);
                    }
                }
            },
        );
        progress.advance(1);
        if progress.cancelled() {
            return Err(Error::Cancelled);
        }

        let [x, y, z] = projector.volume_shape();
        let mut volume = Array4::zeros((x, y, z, channels));
        back_project(geometry, &scratch.images, &mut volume);
        progress.advance(1);
        progress.finish();
        Ok(Reconstruction { volume, losses: Vec::new(), stop: Stop::Direct })
    }
}

/// Convolves along rows of this width.
fn filter_rows<F: Real>(image: &[F], width: usize, kernel: impl Fn(usize) -> F, out: &mut [F]) {
    let count = image.len() / width;
    for m in 0..count {
        let weight = kernel(m);
        if weight != F::zero() {
            add_scaled(&mut out[m * width..], image, weight);
            if m > 0 {
                add_scaled(out, &image[m * width..], weight);
            }
        }
    }
}

/// Every voxel takes from every image what lies, bilinearly, where its centre appears.
fn back_project<F: Real>(geometry: &Geometry, images: &[F], volume: &mut Array4<F>) {
    const COLUMNS: usize = 16;
    let (n_x, n_y, n_z, channels) = volume.dim();
    let [n_j, n_k] = geometry.projection_shape;
    // Pixel of voxel 0 of column (x, y) and the step along z.
    let line = |i: usize, x: usize, y: usize| {
        let middle = |n: usize| 0.5 * n as f64 - 0.5;
        let (view, d) = (geometry.views[i], geometry.directions(i));
        let r = Vector3::new(x as f64 - middle(n_x), y as f64 - middle(n_y), -middle(n_z));
        let q = [r.dot(&d.j) - view.j_offset + middle(n_j), r.dot(&d.k) - view.k_offset + middle(n_k)];
        Samples { q, dq: [d.j.z, d.k.z], count: n_z, step: [0, channels] }
    };
    let slabs = volume.axis_iter_mut(Axis(0)).into_par_iter().enumerate();
    slabs.for_each(|(x, mut slab)| {
        let slab = slab.as_slice_mut().expect("made in C order");
        for (block, columns) in slab.chunks_mut(COLUMNS * n_z * channels).enumerate() {
            for (i, data) in images.chunks_exact(n_j * n_k * channels).enumerate() {
                let strides = [n_k * channels, channels];
                let plane = Plane { data, size: [n_j, n_k], strides, channels };
                for (y, column) in columns.chunks_exact_mut(n_z * channels).enumerate() {
                    add_samples(&plane, &line(i, x, block * COLUMNS + y), column);
                }
            }
        }
    });
}

/// Replaces masked pixels by what lies, linearly, between their neighbours along the filter; by the nearest at an
/// end, by 0 where there is none.
fn fill_masked<F: Real>(mut data: Array4<F>, mask: ArrayView4<'_, F>, across: usize) -> Array4<F> {
    let channels = data.dim().3;
    let mask = mask.broadcast(data.dim()).expect("one channel or as many");
    let lanes = data.lanes_mut(Axis(1 + across)).into_iter().zip(mask.lanes(Axis(1 + across)));
    debug_assert!(channels > 0);
    for (mut line, mask) in lanes {
        let mut last: Option<usize> = None;
        for at in 0..=line.len() {
            if at < line.len() && (mask[at].is_nan() || mask[at] <= F::zero()) {
                continue;
            }
            let start = last.map_or(0, |last| last + 1);
            for hole in start..at {
                line[hole] = match (last, at < line.len()) {
                    (Some(last), true) => {
                        let part = F::of((hole - last) as f64 / (at - last) as f64);
                        line[last] + part * (line[at] - line[last])
                    }
                    (Some(last), false) => line[last],
                    (None, true) => line[at],
                    (None, false) => F::zero(),
                };
            }
            last = Some(at);
        }
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_of_ones_leaves_the_ramp() {
        // The sum of the windowed kernel is the window's gain at 0, that of the ramp: 0 in an infinite sum.
        for filter in [Filter::SheppLogan, Filter::Cosine, Filter::Hamming, Filter::Hann] {
            let (kernel, ramp) = (filter.kernel(512), Filter::RamLak.kernel(512));
            assert!(kernel[0] < ramp[0] && kernel[1] > ramp[1], "{filter:?}");
            let sum = kernel[0] + 2.0 * kernel[1..].iter().sum::<f64>();
            assert!(sum.abs() < 1e-3, "{filter:?} {sum}");
        }
        for length in [1, 2, 3] {
            assert!(Filter::Hann.kernel(length).iter().all(|h| h.is_finite()));
        }
    }

    #[test]
    fn steps_are_half_the_gaps() {
        let steps = |angles: &[f64]| {
            let axis = Vector3::z();
            let geometry = Geometry::single_axis(axis, angles, [2, 2], [2, 2, 2]).unwrap();
            angular_steps(&geometry, axis)
        };
        let close = |found: Vec<f64>, expected: &[f64]| {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?} {expected:?}");
        };
        let even: Vec<f64> = (0..10).map(|i| PI / 10.0 * f64::from(i)).collect();
        close(steps(&even), &[PI / 10.0; 10]);
        // Through a whole turn every direction is seen twice.
        let twice: Vec<f64> = (0..20).map(|i| PI / 10.0 * f64::from(i)).collect();
        assert!((steps(&twice).iter().sum::<f64>() - PI).abs() < 1e-12);
        // A wedge of 90° that is missing does not count as the ends' own.
        let limited: Vec<f64> = (0..10).map(|i| PI / 20.0 * f64::from(i)).collect();
        close(steps(&limited), &[PI / 20.0; 10]);
        close(steps(&[0.0, 0.2, 0.6, 0.8]), &[0.3 - 0.1, 0.3, 0.3, 0.2]);
    }
}
