//! Statistics of the scenes.

use ndarray::Array2;
use nonius_core::{FftNd, ReadFrames, frequency};
use nonius_synthetic::{
    Boundary, Content, ImageSeriesParams, ImageSeriesPlan, Motion, NoiseParams, Scene, SceneParams,
};
use num_complex::Complex;

use crate::{difference, moments};

fn periodic(shape: [usize; 2], content: Content, seed: u64) -> Scene {
    let params = SceneParams { shape, content, boundary: Boundary::Periodic, ..Default::default() };
    Scene::new(&params, seed).unwrap()
}

fn power(image: &Array2<f64>) -> Array2<f64> {
    let mut spectrum = image.mapv(|v| Complex::new(v, 0.0));
    FftNd::<f64>::new(image.shape()).unwrap().forward(spectrum.view_mut()).unwrap();
    spectrum.mapv(|v| v.norm_sqr())
}

/// Frequency in cycles per px.
fn radius(index: (usize, usize), shape: (usize, usize)) -> f64 {
    let along = |k, n| frequency(k, n) as f64 / n as f64;
    f64::hypot(along(index.0, shape.0), along(index.1, shape.1))
}

#[test]
fn smooth_field() {
    let image = periodic([64, 64], Content::SmoothField { blur: 2.0 }, 1).view(&Motion::default()).unwrap();
    let (mean, variance) = moments(&image);
    assert!(mean.abs() < 1e-14 && (variance - 1.0).abs() < 1e-13);
    let steps = &image.slice(ndarray::s![1.., ..]) - &image.slice(ndarray::s![..-1, ..]);
    // Neighbours of noise blurred by σ correlate by exp(−1/4σ²); the field has some 80 independent
    // patches, so the mean square of their difference is known to √(2/80) = 16 %.
    let expected = 2.0 * (1.0 - (-1.0f64 / 16.0).exp());
    assert!((steps.mapv(|v| v * v).mean().unwrap() / expected - 1.0).abs() < 0.3);
}

#[test]
fn texture_has_its_spectrum() {
    for exponent in [0.0, 2.0, 3.5] {
        let image = periodic([128, 120], Content::Texture { exponent, cutoff: 0.3 }, 2)
            .view(&Motion::default())
            .unwrap();
        let power = power(&image);
        let (mut sums, mut above) = ([0.0; 5], 0.0f64);
        for (k, &p) in power.indexed_iter() {
            let f = radius(k, image.dim());
            if f >= 0.3 {
                above = above.max(p);
            } else if f > 0.0 {
                let (x, y) = (f.ln(), p.ln());
                [1.0, x, y, x * x, x * y].iter().zip(&mut sums).for_each(|(v, s)| *s += v);
            }
        }
        let [n, x, y, xx, xy] = sums;
        let slope = (n * xy - x * y) / (n * xx - x * x);
        // About 4300 terms, two by two equal, ln of each scatters by 1.28, ln f by 0.5: 0.055.
        assert!((slope + exponent).abs() < 5.0 * 0.055, "{slope} for {exponent}");
        assert!(above < 1e-20 * power.sum());
    }
}

#[test]
fn emission_is_positive_everywhere_and_band_limited() {
    let scene = periodic([96, 80], Content::ExtendedEmission { exponent: 3.0, cutoff: 0.4 }, 3);
    let image = scene.view(&Motion::default()).unwrap();
    assert!((image.mean().unwrap() - 1.0).abs() < 1e-13);
    for shift in [[0.0, 0.0], [0.5, 0.5], [0.21, -0.68]] {
        let seen = scene.view(&Motion::shift(shift)).unwrap();
        // Rounding of the transforms.
        assert!(seen.iter().all(|&v| v > -1e-13));
    }
    let power = power(&image);
    let above = power.indexed_iter().filter(|(k, _)| radius(*k, image.dim()) >= 0.4).map(|(_, &p)| p);
    assert!(above.fold(0.0, f64::max) < 1e-24 * power.sum());
}

#[test]
fn amplitude_and_background() {
    let plain = SceneParams::default();
    let bright = SceneParams { amplitude: 3.0, background: 10.0, ..plain.clone() };
    let see = |p| Scene::new(p, 4).unwrap().view(&Motion::default()).unwrap();
    assert!(difference(&see(&bright), &(see(&plain) * 3.0 + 10.0)) < 1e-14);
}

#[test]
fn isolated_object_is_isolated() {
    for seed in 0..20 {
        let content = Content::IsolatedObject { radius: 20.0, count: 12 };
        let scene =
            Scene::new(&SceneParams { shape: [101, 101], content, ..Default::default() }, seed).unwrap();
        let image = scene.view(&Motion::default()).unwrap();
        let distance = |(y, x): (usize, usize)| f64::hypot(y as f64 - 50.0, x as f64 - 50.0);
        let within: f64 = image.indexed_iter().filter(|(r, _)| distance(*r) <= 20.0).map(|(_, v)| v).sum();
        let far = image.indexed_iter().filter(|(r, _)| distance(*r) > 40.0).map(|(_, &v)| v);
        assert!(within > 0.85 * image.sum(), "seed {seed}: {}", within / image.sum());
        assert!(far.fold(0.0, f64::max) < 1e-3);
    }
}

#[test]
fn series_follows_its_path() {
    let params = ImageSeriesParams {
        n_frames: 4000,
        drift: [0.3, -0.2],
        walk: 0.5,
        jitter: 0.25,
        scene: SceneParams { shape: [8, 8], boundary: Boundary::Periodic, ..Default::default() },
        noise: NoiseParams::default(),
        seed: 6,
    };
    let plan = ImageSeriesPlan::new(&params).unwrap();
    let shifts = plan.shifts();
    assert_eq!(shifts[0], [0.0; 2]);
    for axis in 0..2 {
        let steps: Vec<f64> =
            shifts.windows(2).map(|s| s[1][axis] - s[0][axis] - params.drift[axis]).collect();
        let n = steps.len() as f64;
        let variance = steps.iter().map(|s| s * s).sum::<f64>() / n;
        // A step has the walk once and the jitter twice; 4000 steps know a variance to about 3 %.
        assert!((variance / (0.25 + 2.0 * 0.0625) - 1.0).abs() < 0.15, "{variance}");
        // Jitter makes neighbouring steps anticorrelated, the walk does not.
        let pairs = steps.windows(2).map(|s| s[0] * s[1]).sum::<f64>() / n;
        assert!((pairs + 0.0625).abs() < 0.035, "{pairs}");
    }
    let scene = Scene::new(&params.scene, params.seed).unwrap();
    let frame: Array2<f64> = plan.frame(3999).unwrap();
    assert_eq!(frame, scene.view(&Motion::shift(shifts[3999])).unwrap());
}
