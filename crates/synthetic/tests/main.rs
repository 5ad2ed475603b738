//! What the generated images are held to.

// Diffraction patterns and scans of them.
mod diffraction;
// Arrays of another program.
#[path = "../../../testdata/golden.rs"]
mod golden;
// Answers known by construction: rolls, crops, sums, statistics.
mod known;
// Scans over grains of several phases.
mod polycrystal;
// What must hold for any parameters: seeds, threads, round trips, refusals.
mod properties;
// Tilt series of phantoms.
mod tilt_series;

use ndarray::Array2;

/// Largest absolute difference.
fn difference(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    assert_eq!(a.dim(), b.dim());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// `out[r] = image[r − by]`, wrapping.
fn roll(image: &Array2<f64>, by: [isize; 2]) -> Array2<f64> {
    let (h, w) = image.dim();
    Array2::from_shape_fn((h, w), |(y, x)| {
        let from = |i: usize, d: isize, n: usize| (i as isize - d).rem_euclid(n as isize) as usize;
        image[[from(y, by[0], h), from(x, by[1], w)]]
    })
}

/// Mean and variance.
fn moments(image: &Array2<f64>) -> (f64, f64) {
    let mean = image.mean().unwrap();
    (mean, image.mapv(|v| (v - mean).powi(2)).mean().unwrap())
}
