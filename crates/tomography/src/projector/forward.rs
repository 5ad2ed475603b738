//! Joseph's method: one bilinear sample per slice of the axis along which the beam runs most.

use nonius_core::Real;

use super::rays::{Rays, others};
use super::samples::{Plane, Samples, add_samples};
use super::shifted::add_shifted;

/// Writes rows `first..` of the image of `rays`, as many as `rows` holds.
pub(super) fn forward_rows<F: Real>(
    rays: &Rays,
    volume: &Volume<'_, F>,
    first: usize,
    n_k: usize,
    rows: &mut [F],
) {
    rows.fill(F::zero());
    let width = n_k * volume.channels;
    let slices = volume.shape[rays.axis];
    if rays.run_across_z() {
        for n in 0..slices {
            for (a, row) in rows.chunks_exact_mut(width).enumerate() {
                add_lines(rays, volume, n, first + a, row);
            }
        }
    } else if rays.axis == 2 {
        // Slices across z lie one beside the other in memory: along a ray, not along a row.
        let step = [volume.strides[2], 0];
        for (a, row) in rows.chunks_exact_mut(width).enumerate() {
            for (b, pixel) in row.chunks_exact_mut(volume.channels).enumerate() {
                let line = Samples { q: rays.at(0, first + a, b), dq: rays.slope, count: slices, step };
                add_samples(&volume.plane(rays.axis, 0), &line, pixel);
            }
        }
    } else {
        let step = [0, volume.channels];
        for n in 0..slices {
            let plane = volume.plane(rays.axis, n);
            for (a, row) in rows.chunks_exact_mut(width).enumerate() {
                let line = Samples { q: rays.at(n, first + a, 0), dq: rays.by_k, count: n_k, step };
                add_samples(&plane, &line, row);
            }
        }
    }
    let length = F::of(rays.length);
    for value in rows {
        *value *= length;
    }
}

/// A volume in memory: `data[x·strides[0] + y·strides[1] + z·strides[2] + channel]`.
pub(super) struct Volume<'a, F> {
    pub(super) data: &'a [F],
    pub(super) shape: [usize; 3],
    pub(super) strides: [usize; 3],
    pub(super) channels: usize,
}

impl<'a, F> Volume<'a, F> {
    /// Slice n across an axis.
    fn plane(&self, axis: usize, n: usize) -> Plane<'a, F> {
        let [a1, a2] = others(axis);
        Plane {
            data: &self.data[n * self.strides[axis]..],
            size: [self.shape[a1], self.shape[a2]],
            strides: [self.strides[a1], self.strides[a2]],
            channels: self.channels,
        }
    }
}

/// Turned about z: the same two lines along z for all pixels of a row.
fn add_lines<F: Real>(rays: &Rays, volume: &Volume<'_, F>, n: usize, a: usize, row: &mut [F]) {
    let [q1, q2] = rays.at(n, a, 0);
    let (m1, m2) = (q1.floor(), q2.floor());
    let (u1, u2) = (q1 - m1, q2 - m2);
    let across = others(rays.axis)[0];
    for (m, weight) in [(m1, 1.0 - u1), (m1 + 1.0, u1)] {
        if !(0.0..volume.shape[across] as f64).contains(&m) || weight == 0.0 {
            continue;
        }
        let at = n * volume.strides[rays.axis] + m as usize * volume.strides[across];
        let line = &volume.data[at..at + volume.strides[1]];
        let weights = [F::of(weight * (1.0 - u2)), F::of(weight * u2)];
        add_shifted(row, line, m2, volume.channels, weights);
    }
}
