//! Rotation and scale: known poses, symmetries, polar images of scikit-image, bad input, real images.

mod bad_input;
mod golden;
mod known;
mod real;

use ndarray::Array2;
use nonius_registration::rotation::{Pose, Similarity, SimilarityParams, register_similarity};
use nonius_synthetic::{Boundary, Content, ImagePair, ImagePairParams, Motion, NoiseParams, SceneParams};

/// Two views of a field of sources, each with noise of its own; content enters and leaves.
fn pair(shape: [usize; 2], pose: Pose, sigma: f64, seed: u64) -> ImagePair {
    ImagePairParams {
        scene: SceneParams {
            shape,
            content: Content::SourceField { density: 0.01, sigma: [1.5, 4.0] },
            boundary: Boundary::Open { margin: 110 },
            ..Default::default()
        },
        motion: Motion { angle: pose.angle, scale: pose.scale, shift: pose.shift },
        reference_noise: NoiseParams::white(sigma),
        moving_noise: NoiseParams::white(sigma),
        seed,
    }
    .generate()
    .unwrap()
}

/// The `k`-th of a sequence of poses that fills all angles and the scales 0.7 to 1.4 evenly.
fn pose(k: usize, largest_shift: f64) -> Pose {
    let spread = |ratio: f64| (k as f64 * ratio).fract();
    Pose {
        angle: 360.0 * spread(0.618_034) - 180.0,
        scale: 0.7 * 2.0_f64.powf(spread(0.754_878)),
        shift: [
            (2.0 * spread(0.569_840) - 1.0) * largest_shift,
            (2.0 * spread(0.819_173) - 1.0) * largest_shift,
        ],
    }
}

/// Errors of angle (degrees), scale, y and x (px).
fn errors(found: &Similarity, truth: &Pose) -> [f64; 4] {
    [
        (found.angle - truth.angle + 180.0).rem_euclid(360.0) - 180.0,
        found.scale - truth.scale,
        found.shift[0] - truth.shift[0],
        found.shift[1] - truth.shift[1],
    ]
}

fn register(reference: &Array2<f64>, moving: &Array2<f64>) -> Similarity {
    register_similarity(reference.view(), moving.view(), &SimilarityParams::default()).unwrap()
}
