//! Joseph's method: one bilinear sample per slice of the axis along which the beam runs most.

use multiversion::multiversion;
use nonius_core::Real;

use super::rays::{Rays, others};
use super::shifted::add_shifted;
use super::span::{shared, span};

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
                add_samples(rays, volume, 0, &line, pixel);
            }
        }
    } else {
        let step = [0, volume.channels];
        for n in 0..slices {
            for (a, row) in rows.chunks_exact_mut(width).enumerate() {
                let line = Samples { q: rays.at(n, first + a, 0), dq: rays.by_k, count: n_k, step };
                add_samples(rays, volume, n * volume.strides[rays.axis], &line, row);
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

/// Samples t of `0..count` at `q + t·dq`; with each, the volume's index and that of the sum move by `step`.
struct Samples {
    q: [f64; 2],
    dq: [f64; 2],
    count: usize,
    step: [usize; 2],
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

/// `sums[t·step₁] += Σ over the four neighbours of sample t of Λ Λ f`.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn add_samples<F: Real>(rays: &Rays, volume: &Volume<'_, F>, origin: usize, line: &Samples, sums: &mut [F]) {
    let [across1, across2] = others(rays.axis);
    let [size1, size2] = [volume.shape[across1] as f64, volume.shape[across2] as f64];
    let [stride1, stride2] = [volume.strides[across1], volume.strides[across2]];
    let [q1, q2] = line.q;
    let [dq1, dq2] = line.dq;
    let within = |from: f64, beyond: f64| {
        let first = span(q1, dq1, from, size1 - 1.0 + beyond, line.count);
        shared(first, span(q2, dq2, from, size2 - 1.0 + beyond, line.count))
    };
    let touched = within(-1.0, 1.0);
    // Below the last voxel by more than a rounding, so that all four neighbours are there.
    let inner = shared(touched.clone(), within(0.0, -1e-9));
    let position = |t: usize| [q1 + t as f64 * dq1, q2 + t as f64 * dq2];

    let border = |t: usize, sums: &mut [F]| {
        let [q1, q2] = position(t);
        for m1 in [q1.floor(), q1.floor() + 1.0] {
            for m2 in [q2.floor(), q2.floor() + 1.0] {
                if m1 >= 0.0 && m1 < size1 && m2 >= 0.0 && m2 < size2 {
                    let weight = F::of((1.0 - (q1 - m1).abs()) * (1.0 - (q2 - m2).abs()));
                    let at = origin + t * line.step[0] + m1 as usize * stride1 + m2 as usize * stride2;
                    for c in 0..volume.channels {
                        sums[t * line.step[1] + c] += weight * volume.data[at + c];
                    }
                }
            }
        }
    };
    for t in touched.start..inner.start {
        border(t, sums);
    }
    for t in inner.clone() {
        let [q1, q2] = position(t);
        let (m1, m2) = (q1 as i32, q2 as i32);
        let (u1, u2) = (F::of(q1 - f64::from(m1)), F::of(q2 - f64::from(m2)));
        let (v1, v2) = (F::one() - u1, F::one() - u2);
        let at = origin + t * line.step[0] + m1 as usize * stride1 + m2 as usize * stride2;
        let near = &volume.data[at..at + stride1 + stride2 + volume.channels];
        for c in 0..volume.channels {
            sums[t * line.step[1] + c] += v1 * (v2 * near[c] + u2 * near[stride2 + c])
                + u1 * (v2 * near[stride1 + c] + u2 * near[stride1 + stride2 + c]);
        }
    }
    for t in inner.end.max(touched.start)..touched.end {
        border(t, sums);
    }
}
