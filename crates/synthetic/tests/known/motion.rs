//! Moved images against rolls, crops and sums.

use nonius_core::{RealFft2, frequency};
use nonius_synthetic::{Boundary, Content, GaussianSource, ImagePairParams, Motion, Scene, SceneParams};
use num_complex::Complex;

use crate::{difference, roll};

const SMOOTH: Content = Content::SmoothField { blur: 2.0 };
const SHARP: Content = Content::SmoothField { blur: 0.0 };
const TEXTURE: Content = Content::Texture { exponent: 2.0, cutoff: 0.4 };
const EMISSION: Content = Content::ExtendedEmission { exponent: 3.0, cutoff: 0.5 };

fn scene(shape: [usize; 2], content: Content, boundary: Boundary) -> Scene {
    Scene::new(&SceneParams { shape, content, boundary, ..Default::default() }, 5).unwrap()
}

fn seen(scene: &Scene, shift: [f64; 2]) -> ndarray::Array2<f64> {
    scene.view(&Motion::shift(shift)).unwrap()
}

#[test]
fn whole_pixels_are_a_roll() {
    // Rounding of two transforms of values of order 1 (up to 10 for emission).
    let check = |shape, content, by: [isize; 2]| {
        let scene = scene(shape, content, Boundary::Periodic);
        let moved = seen(&scene, by.map(|d| d as f64));
        let reference = seen(&scene, [0.0; 2]);
        assert!(difference(&moved, &roll(&reference, by)) < 1e-12, "{shape:?} {by:?}");
    };
    check([64, 64], SMOOTH, [3, -7]);
    check([64, 64], SHARP, [1, 1]);
    check([15, 16], SHARP, [-3, 21]);
    check([13, 31], TEXTURE, [100_003, -50_021]);
    check([48, 20], EMISSION, [0, 9]);
    check([1, 32], SMOOTH, [0, 5]);
    check([7, 1], SHARP, [-2, 0]);
    let round = GaussianSource::round([3.0, 60.0], 3.0);
    check([64, 64], Content::Sources { sources: vec![round] }, [-9, 70]);
}

/// The trigonometric polynomial through the pixels of the reference, summed term by term.
#[test]
fn fractions_are_the_trigonometric_polynomial() {
    let (h, w) = (9, 8);
    let scene = scene([h, w], SHARP, Boundary::Periodic);
    let shift = [0.37, -2.61];
    let (reference, moved) = (seen(&scene, [0.0; 2]), seen(&scene, shift));
    for y in 0..h {
        for x in 0..w {
            let mut sum = Complex::new(0.0, 0.0);
            for ((py, px), &v) in reference.indexed_iter() {
                for (ky, kx) in (0..h).flat_map(|ky| (0..w).map(move |kx| (ky, kx))) {
                    let along = |k, n, r: usize, p: usize, d: f64| {
                        frequency(k, n) as f64 * (r as f64 - p as f64 - d) / n as f64
                    };
                    let turns = along(ky, h, y, py, shift[0]) + along(kx, w, x, px, shift[1]);
                    sum += v * Complex::cis(std::f64::consts::TAU * turns);
                }
            }
            assert!((sum.re / (h * w) as f64 - moved[[y, x]]).abs() < 1e-12);
            // Without Nyquist terms the sum is real by itself.
            assert!((sum.im / (h * w) as f64).abs() < 1e-12);
        }
    }
}

#[test]
fn periodic_source_is_its_fourier_shift() {
    let source = GaussianSource { center: [5.0, 40.2], sigma: [3.0, 4.5], angle: 25.0, peak: 2.0 };
    let content = Content::Sources { sources: vec![source, GaussianSource::round([50.0, 61.0], 3.0)] };
    let scene = scene([64, 63], content, Boundary::Periodic);
    let shift = [-7.31, 4.77];

    let plan = RealFft2::<f64>::new((64, 63)).unwrap();
    let (mut spectrum, mut scratch) = (plan.spectrum(), plan.scratch());
    let mut expected = seen(&scene, [0.0; 2]);
    plan.forward(expected.view(), &mut spectrum, &mut scratch).unwrap();
    for (i, value) in spectrum.iter_mut().enumerate() {
        let turns = frequency(i % 64, 64) as f64 * shift[0] / 64.0 + (i / 64) as f64 * shift[1] / 63.0;
        *value *= Complex::cis(-std::f64::consts::TAU * turns) / (64.0 * 63.0);
    }
    plan.inverse(&mut spectrum, expected.view_mut(), &mut scratch).unwrap();
    // Width 3 leaves 5e-20 at the Nyquist frequency: only rounding remains.
    assert!(difference(&seen(&scene, shift), &expected) < 1e-13);
}

#[test]
fn content_enters_and_leaves() {
    for content in [SMOOTH, TEXTURE, Content::SourceField { density: 0.05, sigma: [1.0, 3.0] }] {
        let scene = scene([40, 50], content, Boundary::Open { margin: 6 });
        let (reference, moved) = (seen(&scene, [0.0; 2]), seen(&scene, [5.0, -3.0]));
        let rolled = roll(&reference, [5, -3]);
        let (mut inside, mut entered): (f64, f64) = (0.0, 0.0);
        for ((y, x), &v) in moved.indexed_iter() {
            let off = (v - rolled[[y, x]]).abs();
            if y >= 5 && x < 47 { inside = inside.max(off) } else { entered = entered.max(off) }
        }
        assert!(inside < 1e-12, "{inside}");
        // What enters is new: it differs from what left by as much as the scene varies.
        assert!(entered > 0.5, "{entered}");
    }
}

#[test]
fn margin_is_content_of_the_same_field() {
    // The open frame is a window of one field: moving twice as far shows the same pixels further in.
    let scene = scene([32, 32], SMOOTH, Boundary::Open { margin: 8 });
    let (near, far) = (seen(&scene, [2.5, 0.0]), seen(&scene, [7.5, -8.0]));
    for y in 5..32 {
        for x in 0..24 {
            assert!((far[[y, x]] - near[[y - 5, x + 8]]).abs() < 1e-12);
        }
    }
}

#[test]
fn right_angles_turn_the_array() {
    let content = Content::IsolatedObject { radius: 12.0, count: 8 };
    let scene = scene([41, 41], content, Boundary::Open { margin: 0 });
    let reference = scene.view(&Motion::default()).unwrap();
    let turned = scene.view(&Motion { angle: 90.0, ..Default::default() }).unwrap();
    // Counter-clockwise on the screen, as numpy.rot90: out[y, x] = in[x, n − 1 − y].
    let expected = ndarray::Array2::from_shape_fn((41, 41), |(y, x)| reference[[x, 40 - y]]);
    assert!(difference(&turned, &expected) < 1e-12);
    assert!(difference(&turned, &reference) > 0.1, "an object without symmetry");
}

#[test]
fn scale_and_rotation_move_points() {
    let content = Content::SourceField { density: 0.02, sigma: [2.0, 4.0] };
    let scene = scene([33, 47], content, Boundary::Open { margin: 30 });
    let motion = Motion { shift: [1.0, -2.0], angle: 180.0, scale: 2.0 };
    let reference = scene.view(&Motion::default()).unwrap();
    let moving = scene.view(&motion).unwrap();
    // c + 2·(c − p) + d, by hand: centre (16, 23).
    for (p, q) in [([16, 23], [17, 21]), ([20, 20], [9, 27]), ([10, 30], [29, 7])] {
        let [y, x] = motion.apply(p.map(|i| i as f64), [33, 47]);
        assert!((y - q[0] as f64).abs() < 1e-9 && (x - q[1] as f64).abs() < 1e-9);
        assert!((moving[q] - reference[p]).abs() < 1e-10, "{p:?}");
    }
    let back = motion.invert(motion.apply([3.3, 40.1], [33, 47]), [33, 47]);
    assert!((back[0] - 3.3).abs() < 1e-12 && (back[1] - 40.1).abs() < 1e-12);
}

#[test]
fn scene_b_moves_by_its_truth() {
    let pair = ImagePairParams::scene_b([1.3, -2.6], 0.0, 0).generate().unwrap();
    // The centre of mass of a source far from every edge is its centre.
    let mass = |image: &ndarray::Array2<f64>, axis: fn((usize, usize)) -> usize| {
        image.indexed_iter().map(|(r, v)| axis(r) as f64 * v).sum::<f64>() / image.sum()
    };
    assert!((mass(&pair.moving, |r| r.0) - mass(&pair.reference, |r| r.0) - 1.3).abs() < 1e-12);
    assert!((mass(&pair.moving, |r| r.1) - mass(&pair.reference, |r| r.1) + 2.6).abs() < 1e-12);
}
