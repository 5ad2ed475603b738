//! Discrete Fourier transforms of images.
//!
//! Forward transforms are unnormalised, `F_k = Σ_r f_r exp(−2πi k·r/n)`; so are the inverse ones, which
//! leave a factor of the number of pixels. Frequencies run 0, 1, … ⌈n/2⌉−1 and then negative; for even
//! n the Nyquist term is −n/2 alone.

mod nd;
mod real2;

pub use nd::FftNd;
pub use real2::{RealFft2, RealFft2Scratch};

/// Signed frequency of element `k` of a transform of length `n`, in cycles per `n` samples.
///
/// ```
/// use nonius_core::frequency;
/// assert_eq!((0..5).map(|k| frequency(k, 5)).collect::<Vec<_>>(), [0, 1, 2, -2, -1]);
/// assert_eq!((0..4).map(|k| frequency(k, 4)).collect::<Vec<_>>(), [0, 1, -2, -1]);
/// ```
pub fn frequency(k: usize, n: usize) -> isize {
    if k < n.div_ceil(2) { k as isize } else { k as isize - n as isize }
}

/// Displacement that element `i` of a cyclic correlation of length `n` stands for: `i` up to ⌊n/2⌋,
/// then `i − n` (so that an even n keeps +n/2).
///
/// ```
/// use nonius_core::wrapped_lag;
/// assert_eq!((0..4).map(|i| wrapped_lag(i, 4)).collect::<Vec<_>>(), [0, 1, 2, -1]);
/// ```
pub fn wrapped_lag(i: usize, n: usize) -> isize {
    if i <= n / 2 { i as isize } else { i as isize - n as isize }
}

/// The smallest length of at least `n` whose only prime factors are 2, 3 and 5: a length that
/// transforms quickly. Lengths that no memory holds, above a sixteenth of `usize::MAX`, are returned as they
/// are.
///
/// ```
/// assert_eq!(nonius_core::fast_length(127), 128);
/// assert_eq!(nonius_core::fast_length(1025), 1080);
/// ```
pub fn fast_length(n: usize) -> usize {
    if n > usize::MAX / 16 {
        return n;
    }
    let mut best = n.max(1).next_power_of_two();
    let mut five = 1;
    while five < best {
        let mut three = five;
        while three < best {
            let candidate = three * n.div_ceil(three).next_power_of_two();
            best = best.min(candidate);
            three *= 3;
        }
        five *= 5;
    }
    best
}
