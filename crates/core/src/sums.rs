//! Sums over long rows, in as many lanes as fill vector registers.
//!
//! Lanes are emptied into `f64` after every block, which keeps sums of `f32` exact enough. The order of
//! addition depends on the length alone.

use multiversion::multiversion;
use num_complex::Complex;

use crate::Real;

const LANES: usize = 16;
const BLOCK: usize = 512;

/// `Σ aᵢ`.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub fn sum<F: Real>(a: &[F]) -> f64 {
    let mut total = 0.0;
    for block in a.chunks(BLOCK) {
        let mut sums = [F::zero(); LANES];
        let (whole, rest) = block.as_chunks::<LANES>();
        for a in whole {
            for l in 0..LANES {
                sums[l] += a[l];
            }
        }
        for (sum, &a) in sums.iter_mut().zip(rest) {
            *sum += a;
        }
        total += sums.iter().map(|v| v.f64()).sum::<f64>();
    }
    total
}

/// `Σ aᵢ bᵢ`, as far as both reach.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub fn dot<F: Real>(a: &[F], b: &[F]) -> f64 {
    let n = a.len().min(b.len());
    let mut total = 0.0;
    for (a, b) in a[..n].chunks(BLOCK).zip(b[..n].chunks(BLOCK)) {
        let mut sums = [F::zero(); LANES];
        let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        for (a, b) in a.iter().zip(b) {
            for l in 0..LANES {
                sums[l] += a[l] * b[l];
            }
        }
        for ((sum, &a), &b) in sums.iter_mut().zip(a_rest).zip(b_rest) {
            *sum += a * b;
        }
        total += sums.iter().map(|v| v.f64()).sum::<f64>();
    }
    total
}

/// `Σ |zᵢ|²`.
pub fn power<F: Real>(z: &[Complex<F>]) -> f64 {
    let parts: &[F] = bytemuck::cast_slice(z);
    dot(parts, parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_the_plain_sums_at_every_length() {
        for n in [0, 1, 15, 16, 17, 511, 512, 513, 1400] {
            let a: Vec<f64> = (0..n).map(|i| ((i * 7) % 11) as f64 - 5.0).collect();
            let b: Vec<f64> = (0..n).map(|i| ((i * 3) % 13) as f64 - 6.0).collect();
            assert_eq!(sum(&a), a.iter().sum::<f64>());
            assert_eq!(dot(&a, &b), a.iter().zip(&b).map(|(a, b)| a * b).sum::<f64>());
            let z: Vec<_> = a.iter().zip(&b).map(|(&a, &b)| Complex::new(a, b)).collect();
            assert_eq!(power(&z), z.iter().map(Complex::norm_sqr).sum::<f64>());
        }
    }
}
