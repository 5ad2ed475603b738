//! Statistics of the noise, seeded; bounds are five standard errors.

use ndarray::{Array2, s};
use nonius_core::FftNd;
use nonius_synthetic::{ImagePairParams, NoiseParams};
use num_complex::Complex;

use crate::moments;

const SIDE: usize = 256;
const PIXELS: f64 = (SIDE * SIDE) as f64;

fn noise_of(params: NoiseParams, level: f64, seed: u64) -> Array2<f64> {
    params.add(Array2::from_elem((SIDE, SIDE), level).view(), seed).unwrap()
}

/// Correlation of horizontal neighbours.
fn neighbours(image: &Array2<f64>) -> f64 {
    let (mean, variance) = moments(image);
    let product = (&image.slice(s![.., 1..]) - mean) * (&image.slice(s![.., ..-1]) - mean);
    product.mean().unwrap() / variance
}

#[test]
fn white() {
    let noise = noise_of(NoiseParams::white(0.3), 2.0, 1);
    let (mean, variance) = moments(&noise);
    assert!((mean - 2.0).abs() < 5.0 * 0.3 / PIXELS.sqrt());
    assert!((variance / 0.09 - 1.0).abs() < 5.0 * (2.0 / PIXELS).sqrt());
    assert!(neighbours(&noise).abs() < 5.0 / PIXELS.sqrt());
    // Tails of a normal distribution: 2.700e-3 lie beyond 3 sigma.
    let beyond = noise.iter().filter(|v| (*v - 2.0).abs() > 0.9).count() as f64;
    assert!((beyond - 0.0027 * PIXELS).abs() < 5.0 * (0.0027 * PIXELS).sqrt());
}

#[test]
fn counting() {
    // Few and many counts take different algorithms.
    for counts in [0.5, 8.0, 200.0] {
        let noise = noise_of(NoiseParams::poisson(counts), 3.0, 2);
        let (mean, variance) = moments(&noise);
        let expected = 3.0 / counts;
        assert!((mean - 3.0).abs() < 5.0 * (expected / PIXELS).sqrt(), "{counts}");
        // Fourth moment of Poisson: 3λ² + λ.
        let scatter = ((2.0 + 1.0 / (3.0 * counts)) / PIXELS).sqrt();
        assert!((variance / expected - 1.0).abs() < 5.0 * scatter, "{counts}");
        assert!(noise.iter().all(|v| ((v * counts).round() - v * counts).abs() < 1e-9));
    }
    assert!(noise_of(NoiseParams::poisson(4.0), 0.0, 2).iter().all(|&v| v == 0.0));
}

#[test]
fn counting_and_white_add() {
    let params = NoiseParams { sigma: 0.7, counts_per_unit: Some(10.0), ..Default::default() };
    let (_, variance) = moments(&noise_of(params, 5.0, 3));
    let expected = params.sigma_map(Array2::from_elem((1, 1), 5.0).view()).unwrap()[[0, 0]].powi(2);
    assert!((expected - 0.99).abs() < 1e-12);
    assert!((variance / expected - 1.0).abs() < 5.0 * (2.0 / PIXELS).sqrt());
}

#[test]
fn blurred() {
    for blur in [0.7f64, 2.0] {
        let noise = noise_of(NoiseParams::blurred(0.3, blur), 0.0, 4);
        // A blurred pixel shares 4πσ² px with others: so many fewer independent ones.
        let independent = PIXELS / (4.0 * std::f64::consts::PI * blur * blur).max(1.0);
        let (_, variance) = moments(&noise);
        assert!((variance / 0.09 - 1.0).abs() < 5.0 * (2.0 / independent).sqrt(), "{blur}");
        // Autocorrelation of a Gaussian kernel: exp(−r²/4σ²). At 0.7 px its samples alias a little
        // (0.6003 by the exact sum against 0.6004).
        let expected = (-1.0 / (4.0 * blur * blur)).exp();
        assert!((neighbours(&noise) - expected).abs() < 5.0 / independent.sqrt(), "{blur}");
    }
}

#[test]
fn periodogram_follows_the_power_spectrum() {
    let params = NoiseParams::blurred(0.5, 0.8);
    let shape = [15, 16];
    let expected = params.power_spectrum(shape).unwrap();
    assert!((expected.mean().unwrap() - 0.25 * 240.0).abs() < 1e-10);
    let plan = FftNd::<f64>::new(&shape).unwrap();
    let draws = 400;
    let mut power = Array2::<f64>::zeros(shape);
    for seed in 0..draws {
        let noise = params.add(Array2::zeros(shape).view(), seed).unwrap();
        let mut spectrum = noise.mapv(|v| Complex::new(v, 0.0));
        plan.forward(spectrum.view_mut()).unwrap();
        power += &spectrum.mapv(|v| v.norm_sqr() / draws as f64);
    }
    // A periodogram scatters by its own size (√2 of it where the term is real).
    let worst = (power / expected).mapv(|r| (r - 1.0).abs()).iter().fold(0.0, |a: f64, &b| a.max(b));
    assert!(worst < 5.0 * (2.0 / draws as f64).sqrt(), "{worst}");
}

#[test]
fn goes_where_it_is_asked() {
    let both = ImagePairParams::scene_ab([1.0, 2.0], 0.5, 9).generate().unwrap();
    let first = &both.reference - &both.truth.reference;
    let second = &both.moving - &both.truth.moving;
    // 64×64 px: a variance scatters by √(2/4096) = 2.2 %, a correlation by 1/64.
    for noise in [&first, &second] {
        assert!((moments(noise).1 / 0.25 - 1.0).abs() < 0.11);
    }
    assert!((&first * &second).mean().unwrap().abs() / 0.25 < 5.0 / 64.0);
    assert!(both.truth.reference_sigma.iter().chain(&both.truth.moving_sigma).all(|&s| s == 0.5));

    let one = ImagePairParams::scene_a([1.0, 2.0], 0.5, 9).generate().unwrap();
    assert_eq!(one.reference, one.truth.reference);
    assert_eq!(one.moving, both.moving);
    assert!(one.truth.reference_sigma.iter().all(|&s| s == 0.0));
}
