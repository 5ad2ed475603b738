//! Windows of real images, turned and scaled, where the shared reference data are present.

use std::path::Path;

use ndarray::{Array2, Axis, s};
use nonius_core::{Border, SplineDegree, gaussian_filter};
use nonius_registration::rotation::Pose;

use super::{errors, pose, register};
use crate::golden::cases::npy;

const IMAGES: [&str; 5] =
    ["hubble_xdf_512_rgb", "cell_phase_660x550", "retina_green_512", "brick_256", "microaneurysms_102"];

/// 60 windows, 12 of each image.
#[test]
#[allow(clippy::print_stdout)]
fn windows_of_real_images() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/images");
    if !data.is_dir() {
        println!("not run: the shared reference data, ../shared/data/images, are not here");
        return;
    }
    let (mut angles, mut scales, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    for name in IMAGES {
        let image = load(&data.join(format!("{name}.npy")));
        let windows = (0..).filter_map(|k| windows(&image, k)).take(12);
        for (reference, moving, truth) in windows {
            let found = register(&reference, &moving);
            let error = errors(&found, &truth);
            if error[0].abs() > 1.0 || error[1].abs() > 0.02 {
                failures.push(format!("{name} {} px {truth:?}: {found:?}", reference.nrows()));
            }
            angles.push(error[0].abs());
            scales.push(error[1].abs());
        }
    }
    angles.sort_by(f64::total_cmp);
    scales.sort_by(f64::total_cmp);
    let middle = angles.len() / 2;
    println!(
        "{} windows: median {:.4}° and {:.5}, worst {:.3}° and {:.4}, failures {failures:?}",
        angles.len(),
        angles[middle],
        scales[middle],
        angles[angles.len() - 1],
        scales[scales.len() - 1],
    );
    assert!(angles.len() >= 30 && failures.is_empty(), "{failures:?}");
    // Asked for: 0.3° and 0.005. Seen: 0.002° and 4e-5.
    assert!(angles[middle] < 0.01 && scales[middle] < 2e-4);
}

fn load(path: &Path) -> Array2<f64> {
    let pixels = npy(&std::fs::read(path).unwrap()).unwrap();
    let gray = if pixels.ndim() == 3 { pixels.mean_axis(Axis(2)).unwrap() } else { pixels };
    gray.into_dimensionality().unwrap()
}

/// A window of `image`, and the same window of the image turned and scaled about a place in it, with 2 %
/// noise each; None where the second would show more than the image has.
fn windows(image: &Array2<f64>, k: usize) -> Option<(Array2<f64>, Array2<f64>, Pose)> {
    let shortest = image.nrows().min(image.ncols());
    let side = [128, 160, 192][k % 3].min(3 * shortest / 5);
    let truth = pose(k, 0.06 * side as f64);
    let spread = |n: usize, ratio: f64| ((n - side) as f64 * (k as f64 * ratio).fract()) as usize;
    let at = [spread(image.nrows(), 0.445_042), spread(image.ncols(), 0.801_938)];
    // The pose about the window's centre as one about the image's.
    let whole = image.dim();
    let about = Pose { shift: [0.0; 2], ..truth };
    let center = at.map(|a| a as f64 + (side as f64 - 1.0) / 2.0);
    let carried = about.apply(center, whole);
    let shift = [0, 1].map(|a| center[a] - carried[a] + truth.shift[a]);
    // A camera that sees more in the same pixels blurs more.
    let blur = 0.5 * (truth.scale.powi(-2) - 1.0).max(0.0).sqrt();
    let seen = gaussian_filter(image.view(), blur, Border::Mirror).unwrap();
    let turned = Pose { shift, ..truth }.carry(seen.view(), SplineDegree::Nonic, f64::NAN).unwrap();
    let window = s![at[0]..at[0] + side, at[1]..at[1] + side];
    let (reference, moving) = (image.slice(window).to_owned(), turned.slice(window).to_owned());
    let textured = reference.std(0.0) > 0.05 * image.std(0.0);
    if !textured || moving.iter().any(|v| v.is_nan()) {
        return None;
    }
    let sigma = 0.02 * reference.std(0.0);
    let noise = nonius_synthetic::NoiseParams::white(sigma);
    let noisy = |image: &Array2<f64>, seed| noise.add(image.view(), seed).unwrap();
    Some((noisy(&reference, 2 * k as u64), noisy(&moving, 2 * k as u64 + 1), truth))
}
