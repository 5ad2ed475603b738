//! Content that nearly repeats.

use ndarray::Array2;

/// Five waves of up to 17 cycles per frame of `[height, width]`, displaced by `shift` (y, x) px: a periodic frame
/// that is much like itself at many displacements, so that a search between them may take the wrong one.
pub fn near_repetitions([h, w]: [usize; 2], shift: [f64; 2]) -> Array2<f64> {
    Array2::from_shape_fn((h, w), |(y, x)| {
        let wave = |j: usize| {
            let cycles = [((19 * j + 10) % 35) as f64 - 17.0, ((2 * j + 32) % 35) as f64 - 17.0];
            let turns =
                cycles[0] * (y as f64 - shift[0]) / h as f64 + cycles[1] * (x as f64 - shift[1]) / w as f64;
            (std::f64::consts::TAU * turns + j as f64).cos()
        };
        (0..5).map(wave).sum::<f64>()
    })
}
