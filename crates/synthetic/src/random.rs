//! Independent streams of random numbers from one seed.

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

/// What a stream is for. Streams of different purpose or index are independent, so that a change of
/// the noise leaves the scene alone, and frame 7 has the same bits whoever draws it, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Scene = 1,
    ReferenceNoise = 2,
    MovingNoise = 3,
    FrameNoise = 4,
    Path = 5,
    Noise = 6,
    BadPixels = 7,
    Grains = 8,
    Structure = 9,
    Zone = 10,
    Thickness = 11,
    Flicker = 12,
    Drift = 13,
    View = 14,
}

/// The generator for `purpose`, number `index`.
pub(crate) fn stream(seed: u64, purpose: Purpose, index: usize) -> Xoshiro256PlusPlus {
    let key = scramble(scramble(seed).wrapping_add(purpose as u64)).wrapping_add(index as u64);
    Xoshiro256PlusPlus::seed_from_u64(scramble(key))
}

/// The output function of SplitMix64 (Steele, Lea, Flood 2014): a bijection that leaves no trace of
/// which seeds were neighbours.
fn scramble(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
