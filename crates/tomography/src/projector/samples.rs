//! Bilinear samples along a line.

use multiversion::multiversion;
use nonius_core::Real;

use super::span::{LANES, shared, span, split};

/// Values over two axes: `data[m₁·strides[0] + m₂·strides[1] + channel]`, zero outside.
pub(crate) struct Plane<'a, F> {
    pub(crate) data: &'a [F],
    pub(crate) size: [usize; 2],
    pub(crate) strides: [usize; 2],
    pub(crate) channels: usize,
}

/// Samples t of `0..count` at `q + t·dq`; with each, the plane's index and that of the sum move by `step`.
pub(crate) struct Samples {
    pub(crate) q: [f64; 2],
    pub(crate) dq: [f64; 2],
    pub(crate) count: usize,
    pub(crate) step: [usize; 2],
}

/// `sums[t·step₁] += Σ over the four neighbours of sample t of Λ Λ f`.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub(crate) fn add_samples<F: Real>(plane: &Plane<'_, F>, line: &Samples, sums: &mut [F]) {
    let [size1, size2] = plane.size.map(|size| size as f64);
    let [stride1, stride2] = plane.strides;
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
                    let at = t * line.step[0] + m1 as usize * stride1 + m2 as usize * stride2;
                    for c in 0..plane.channels {
                        sums[t * line.step[1] + c] += weight * plane.data[at + c];
                    }
                }
            }
        }
    };
    for t in touched.start..inner.start {
        border(t, sums);
    }
    for first in inner.clone().step_by(LANES) {
        let lanes = LANES.min(inner.end - first);
        let mut m = [[0_u32; LANES]; 2];
        let mut u = [[F::zero(); LANES]; 2];
        for l in 0..LANES {
            let q = position(first + l);
            for axis in 0..2 {
                let (whole, rest) = split(q[axis] - 0.5);
                (m[axis][l], u[axis][l]) = (whole, F::of(rest + 0.5));
            }
        }
        let at =
            |l: usize| (first + l) * line.step[0] + m[0][l] as usize * stride1 + m[1][l] as usize * stride2;
        if plane.channels > 1 {
            for l in 0..lanes {
                let ([u1, u2], at) = ([u[0][l], u[1][l]], at(l));
                let (v1, v2) = (F::one() - u1, F::one() - u2);
                let sums = &mut sums[(first + l) * line.step[1]..][..plane.channels];
                for (neighbor, weight) in
                    [(0, v1 * v2), (stride2, v1 * u2), (stride1, u1 * v2), (stride1 + stride2, u1 * u2)]
                {
                    let near = &plane.data[at + neighbor..][..plane.channels];
                    for (sum, value) in sums.iter_mut().zip(near) {
                        *sum += weight * *value;
                    }
                }
            }
            continue;
        }
        let mut values = [F::zero(); LANES];
        for l in 0..lanes {
            let near = &plane.data[at(l)..];
            let (low, high) = (near[0], near[stride2]);
            let (next_low, next_high) = (near[stride1], near[stride1 + stride2]);
            let low = low + u[1][l] * (high - low);
            let next = next_low + u[1][l] * (next_high - next_low);
            values[l] = low + u[0][l] * (next - low);
        }
        if line.step[1] == 0 {
            sums[0] += values.iter().fold(F::zero(), |sum, value| sum + *value);
        } else {
            for (sum, value) in sums[first..first + lanes].iter_mut().zip(&values) {
                *sum += *value;
            }
        }
    }
    for t in inner.end.max(touched.start)..touched.end {
        border(t, sums);
    }
}
