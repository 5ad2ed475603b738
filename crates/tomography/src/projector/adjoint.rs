//! The transpose of the forward operator, as a sum over pixels for every voxel: no two voxels share a sum.

use multiversion::multiversion;
use nonius_core::Real;

use super::rays::Rays;
use super::shifted::add_shifted;
use super::span::{LANES, shared, span, split};

/// The image of one view in memory: `data[(a·n_k + b)·channels + channel]`.
pub(super) struct Image<'a, F> {
    pub(super) data: &'a [F],
    pub(super) shape: [usize; 2],
    pub(super) channels: usize,
}

/// Adds what the rays of this view leave in the column (x, y) of the volume.
pub(super) fn add_column<F: Real>(rays: &Rays, image: &Image<'_, F>, [x, y]: [usize; 2], column: &mut [F]) {
    if rays.run_across_z() {
        let (n, m1) = if rays.axis == 0 { (x, y) } else { (y, x) };
        return add_rows(rays, image, n, m1, column);
    }
    let from = match rays.axis {
        0 => rays.pixel_of(x, [y, 0]),
        1 => rays.pixel_of(y, [x, 0]),
        _ => rays.pixel_of(0, [x, y]),
    };
    let [i0, i1] = rays.inverse;
    let by_z = match rays.axis {
        2 => [i0, i1].map(|i| -(i[0] * rays.slope[0] + i[1] * rays.slope[1])),
        _ => [i0[1], i1[1]],
    };
    add_pixels(rays, image, from, by_z, column);
}

/// Turned about z: rows of the image are columns of the volume, moved by k.
fn add_rows<F: Real>(rays: &Rays, image: &Image<'_, F>, n: usize, m1: usize, column: &mut [F]) {
    let q2 = rays.start[1];
    let m2 = q2.floor();
    let u2 = q2 - m2;
    let from = m1 as f64 - rays.start[0] - n as f64 * rays.slope[0];
    let (center, reach) = (from / rays.by_j[0], 1.0 / rays.by_j[0].abs());
    let width = image.shape[1] * image.channels;
    for a in span(-center, 1.0, -reach, reach, image.shape[0]) {
        let weight = rays.length * (1.0 - (a as f64 * rays.by_j[0] - from).abs()).max(0.0);
        let row = &image.data[a * width..][..width];
        // Voxel z takes pixel z − m₂ with the weight 1 − u₂ and the one before with u₂.
        add_shifted(column, row, -m2 - 1.0, image.channels, [F::of(weight * u2), F::of(weight * (1.0 - u2))]);
    }
}

/// `column[z] += ℓ Σ Λ(u₁) Λ(u₂) P(a, b)` over the pixels around `(f_a, f_b) = from + z·by_z`, where
/// `u = B (a − f_a, b − f_b)`. Of the pixels within reach, at most √2 away, none is further than one pixel from
/// the nearest one.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn add_pixels<F: Real>(rays: &Rays, image: &Image<'_, F>, from: [f64; 2], by_z: [f64; 2], column: &mut [F]) {
    let channels = image.channels;
    let count = column.len() / channels;
    let [n_j, n_k] = image.shape;
    let within = |margin: f64| {
        let a = span(from[0], by_z[0], margin, n_j as f64 - 1.0 - margin, count);
        shared(a, span(from[1], by_z[1], margin, n_k as f64 - 1.0 - margin, count))
    };
    let touched = within(-1.5);
    let inner = shared(touched.clone(), within(0.6));
    let position = |z: usize| [from[0] + z as f64 * by_z[0], from[1] + z as f64 * by_z[1]];
    let (by_j, by_k) = (rays.by_j, rays.by_k);
    let weight = |d: [f64; 2]| {
        let u = [0, 1].map(|q| by_j[q] * d[0] + by_k[q] * d[1]);
        (1.0 - u[0].abs()).max(0.0) * (1.0 - u[1].abs()).max(0.0) * rays.length
    };

    let border = |z: usize, column: &mut [F]| {
        let at = position(z);
        let nearest = at.map(f64::round);
        for a in [nearest[0] - 1.0, nearest[0], nearest[0] + 1.0] {
            for b in [nearest[1] - 1.0, nearest[1], nearest[1] + 1.0] {
                if a >= 0.0 && a < n_j as f64 && b >= 0.0 && b < n_k as f64 {
                    let weight = F::of(weight([a - at[0], b - at[1]]));
                    let pixel = (a as usize * n_k + b as usize) * channels;
                    for c in 0..channels {
                        column[z * channels + c] += weight * image.data[pixel + c];
                    }
                }
            }
        }
    };
    for z in touched.start..inner.start {
        border(z, column);
    }
    let width = n_k * channels;
    let (by_j, by_k, length) = (by_j.map(F::of), by_k.map(F::of), F::of(rays.length));
    for first in inner.clone().step_by(LANES) {
        let lanes = LANES.min(inner.end - first);
        let mut nearest = [[0_u32; LANES]; 2];
        let mut u = [[F::zero(); LANES]; 2];
        for l in 0..LANES {
            let [f_a, f_b] = position(first + l);
            let (a, beyond_a) = split(f_a);
            let (b, beyond_b) = split(f_b);
            (nearest[0][l], nearest[1][l]) = (a, b);
            for q in 0..2 {
                u[q][l] = -(by_j[q] * F::of(beyond_a) + by_k[q] * F::of(beyond_b));
            }
        }
        let mut weights = [[F::zero(); LANES]; 9];
        for (neighbor, weights) in weights.iter_mut().enumerate() {
            let (da, db) = (F::of((neighbor / 3) as f64 - 1.0), F::of((neighbor % 3) as f64 - 1.0));
            let step = [0, 1].map(|q| da * by_j[q] + db * by_k[q]);
            for l in 0..LANES {
                weights[l] = length * tent(u[0][l] + step[0]) * tent(u[1][l] + step[1]);
            }
        }
        for l in 0..lanes {
            let corner = (nearest[0][l] as usize - 1) * width + (nearest[1][l] as usize - 1) * channels;
            if channels > 1 {
                let sums = &mut column[(first + l) * channels..][..channels];
                for (neighbor, weights) in weights.iter().enumerate() {
                    let pixel = corner + neighbor / 3 * width + neighbor % 3 * channels;
                    for (sum, value) in sums.iter_mut().zip(&image.data[pixel..][..channels]) {
                        *sum += weights[l] * *value;
                    }
                }
                continue;
            }
            let mut sums = [F::zero(); 3];
            for a in 0..3 {
                let near = &image.data[corner + a * width..][..3];
                sums[a] = weights[3 * a][l] * near[0]
                    + weights[3 * a + 1][l] * near[1]
                    + weights[3 * a + 2][l] * near[2];
            }
            column[first + l] += sums[0] + sums[1] + sums[2];
        }
    }
    for z in inner.end.max(touched.start)..touched.end {
        border(z, column);
    }
}

/// Λ(u).
#[inline(always)]
fn tent<F: Real>(u: F) -> F {
    let height = F::one() - u.abs();
    // A maximum would mind NaN.
    if height > F::zero() { height } else { F::zero() }
}
