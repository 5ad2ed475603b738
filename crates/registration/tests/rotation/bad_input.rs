//! What is refused, and what is undetermined.

use ndarray::Array2;
use nonius_core::{Error, SplineDegree};
use nonius_registration::Status;
use nonius_registration::rotation::{
    Pose, Scaling, SimilarityParams, SimilarityPlan, register_similarity, warp_polar,
};

fn texture(ny: usize, nx: usize) -> Array2<f64> {
    Array2::from_shape_fn((ny, nx), |(y, x)| ((y * 7 + x * 13 + y * x) % 17) as f64)
}

#[track_caller]
fn refused(reference: &Array2<f64>, moving: &Array2<f64>, message: &str) {
    let error = register_similarity(reference.view(), moving.view(), &SimilarityParams::default());
    assert_eq!(error.unwrap_err().to_string(), message);
}

#[test]
fn images() {
    refused(&texture(32, 32), &texture(32, 31), "moving: expected shape [32, 32], got [32, 31]");
    for (ny, nx, shown) in [(0, 32, "[0, 32]"), (1, 64, "[1, 64]"), (15, 200, "[15, 200]")] {
        let message = format!("image shape must be at least 16 by 16 px for rotation and scale, got {shown}");
        refused(&texture(ny, nx), &texture(ny, nx), &message);
    }
    for bad in [f64::NAN, f64::INFINITY] {
        let mut holed = texture(20, 24);
        holed[[3, 4]] = bad;
        let message =
            |what: &str| format!("{what}: element [3, 4] is not finite; give a mask that leaves it out");
        refused(&holed, &texture(20, 24), &message("reference"));
        refused(&texture(20, 24), &holed, &message("moving"));
    }
}

#[test]
fn constant_images_are_undetermined() {
    let flat = Array2::from_elem((32, 40), 0.1);
    for (a, b) in [(&flat, &texture(32, 40)), (&texture(32, 40), &flat), (&flat, &flat)] {
        let found = register_similarity(a.view(), b.view(), &SimilarityParams::default()).unwrap();
        assert_eq!(found.status, Status::Undetermined);
        assert!(found.angle.is_nan() && found.scale.is_nan() && found.shift[0].is_nan());
        assert!(found.candidates.is_empty());
    }
}

/// Nothing in common, or next to no structure: any answer but a confident one, and no panic.
#[test]
fn nothing_to_find() {
    let mut pixel = Array2::zeros((32, 32));
    pixel[[0, 0]] = 1.0;
    let stripes = Array2::from_shape_fn((48, 48), |(_, x)| (x % 6) as f64);
    let noise = |seed: u64, n: usize| {
        let mut state = seed;
        Array2::from_shape_simple_fn((n, n), || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64
        })
    };
    for (a, b) in [
        (pixel.clone(), texture(32, 32)),
        (stripes.clone(), stripes.t().to_owned()),
        (noise(1, 16), noise(2, 16)),
        (noise(1, 64), noise(2, 64)),
    ] {
        let found = register_similarity(a.view(), b.view(), &SimilarityParams::default()).unwrap();
        assert_ne!(found.status, Status::Converged, "{found:?}");
    }
}

#[test]
fn parameters() {
    let p = SimilarityParams::default();
    for (params, message) in [
        (SimilarityParams { min_scale: 0.0, ..p }, "min_scale must be from 0.125 to 1, got 0"),
        (SimilarityParams { max_scale: f64::NAN, ..p }, "max_scale must be from 1 to 8, got NaN"),
        (SimilarityParams { angular_samples: 3, ..p }, "angular_samples must be from 32 to 4096, got 3"),
        (SimilarityParams { min_cycles: 0.0, ..p }, "min_cycles must be finite and at least 1, got 0"),
        (
            SimilarityParams { max_frequency: 0.6, ..p },
            "max_frequency must be above 0 and at most 0.5 cycles per px, got 0.6",
        ),
        (SimilarityParams { candidates: 0, ..p }, "candidates must be from 1 to 64, got 0"),
        (SimilarityParams { min_overlap: 1.1, ..p }, "min_overlap must be above 0 and at most 1, got 1.1"),
        (SimilarityParams { smoothing: -1.0, ..p }, "smoothing must be from 0 to 10 px, got -1"),
    ] {
        assert_eq!(SimilarityPlan::new((64, 64), params).unwrap_err().to_string(), message);
    }
    let far = SimilarityParams { min_cycles: 1e9, ..p };
    assert!(matches!(SimilarityPlan::new((64, 64), far), Err(Error::Parameter { name: "min_cycles", .. })));
}

#[test]
fn poses_and_polar_images() {
    let image = texture(8, 9);
    for pose in [
        Pose { scale: 0.0, ..Pose::default() },
        Pose { angle: f64::NAN, ..Pose::default() },
        Pose { shift: [0.0, f64::INFINITY], ..Pose::default() },
    ] {
        let moved = pose.bring_back(image.view(), SplineDegree::Cubic, 0.0);
        assert!(matches!(moved, Err(Error::Parameter { .. })));
        assert!(pose.carry(image.view(), SplineDegree::Cubic, 0.0).is_err());
    }
    for (radius, scaling) in [(0.0, Scaling::Linear), (f64::NAN, Scaling::Linear), (1.0, Scaling::Log)] {
        let polar = warp_polar(image.view(), None, radius, (4, 4), scaling);
        assert!(matches!(polar, Err(Error::Parameter { name: "radius", .. })));
    }
    assert!(warp_polar(image.view(), None, 3.0, (0, 4), Scaling::Linear).is_err());
    assert!(warp_polar(image.view(), Some([f64::NAN, 0.0]), 3.0, (4, 4), Scaling::Linear).is_err());
    let outside = warp_polar(image.view(), Some([1e300, -5.0]), 3.0, (4, 4), Scaling::Linear).unwrap();
    assert!(outside.iter().all(|&v| v == 0.0));
}
