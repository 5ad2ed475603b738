use multiversion::multiversion;
use nonius_core::Real;

/// `sum[i] += w₀·line[i + m] + w₁·line[i + m + 1]`, zero outside the line; every element has `channels` values.
/// `m` is a whole number of any size.
pub(super) fn add_shifted<F: Real>(sum: &mut [F], line: &[F], m: f64, channels: usize, weights: [F; 2]) {
    // Further out nothing overlaps, and beyond 2³¹ indices would not fit.
    let far = (sum.len() + line.len()) as f64;
    if m.is_nan() || m.abs() > far {
        return;
    }
    for (m, weight) in [(m, weights[0]), (m + 1.0, weights[1])] {
        let m = m as isize * channels as isize;
        let (to, from) = ((-m).max(0) as usize, m.max(0) as usize);
        if to < sum.len() && from < line.len() {
            add_scaled(&mut sum[to..], &line[from..], weight);
        }
    }
}

/// `sum[i] += weight·line[i]`, as far as both reach.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
pub(crate) fn add_scaled<F: Real>(sum: &mut [F], line: &[F], weight: F) {
    for (sum, &value) in sum.iter_mut().zip(line) {
        *sum += weight * value;
    }
}
