//! A real tilt series, strongly misaligned: HAADF-STEM of a needle, 77 views over ±76°.
//!
//! Scores as the shared reference data define them: the mean correlation of neighbouring images, and the deviation of
//! the centre of mass from the best sinusoid; 60 rows and 40 columns cropped at each side.

use std::io::Read;
use std::path::Path;

use nalgebra::{DMatrix, DVector, Vector3};
use ndarray::{Array3, Axis, Ix3, s};
use nonius_core::{NoProgress, SplineDegree, spline_shift};
use nonius_tomography::Geometry;
use nonius_tomography::alignment::{
    CascadeParams, SliceAlignment, SlicesParams, align_cascade, align_slices,
};

use crate::golden::npz;

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Every stream of the best deflate in the file that unpacks to one image: its chunks, one image each, were written in
/// order, bytes of low weight first.
fn images() -> Option<Array3<f32>> {
    let path = Path::new(REPOSITORY).join("../shared/data/tomography/needle_haadf_tilt_series.h5");
    let file = std::fs::read(path).ok()?;
    let n = 256 * 256;
    let mut pixels = Vec::new();
    for at in 0..file.len() - 1 {
        if file[at..at + 2] != [0x78, 0xda] {
            continue;
        }
        let mut chunk = vec![0; 2 * n + 1];
        let mut stream = flate2::read::ZlibDecoder::new(&file[at..]);
        let mut length = 0;
        while let Ok(more @ 1..) = stream.read(&mut chunk[length..]) {
            length += more;
        }
        if length == 2 * n {
            let value = |i: usize| i16::from_le_bytes([chunk[i], chunk[n + i]]);
            pixels.extend((0..n).map(|i| f32::from(value(i)) + 31908.0));
        }
    }
    Array3::from_shape_vec((77, 256, 256), pixels).ok()
}

fn geometry(shape: [usize; 2]) -> Geometry {
    let angles: Vec<f64> = (0..77).map(|i| (2.0 * i as f64 - 76.0).to_radians()).collect();
    Geometry::single_axis(Vector3::z(), &angles, shape, [shape[0], shape[0], shape[1]]).unwrap()
}

/// Images moved by their offsets, as they are where they come from outside.
fn aligned(images: &Array3<f32>, offsets: &[[f64; 2]]) -> Array3<f32> {
    let mut out = images.clone();
    for (mut image, offset) in out.axis_iter_mut(Axis(0)).zip(offsets) {
        let moved = spline_shift(image.view(), *offset, SplineDegree::default(), 0.0).unwrap();
        image.assign(&moved);
    }
    out
}

/// Mean correlation of neighbours; rms deviation px of the centre of mass over rows from the best sinusoid.
fn scores(images: &Array3<f32>, crop: [usize; 2]) -> [f64; 2] {
    let (n, h, w) = images.dim();
    let inner = images.slice(s![.., crop[0]..h - crop[0], crop[1]..w - crop[1]]).mapv(f64::from);
    let normalised: Vec<_> = inner
        .axis_iter(Axis(0))
        .map(|image| {
            let free = &image - image.mean().unwrap();
            let power = free.iter().map(|v| v * v).sum::<f64>().sqrt();
            free / power
        })
        .collect();
    let correlation = normalised.windows(2).map(|p| (&p[0] * &p[1]).sum()).sum::<f64>() / (n - 1) as f64;

    let centers: Vec<f64> = inner
        .axis_iter(Axis(0))
        .map(|image| {
            let mut sorted: Vec<f64> = image.iter().copied().collect();
            sorted.sort_by(f64::total_cmp);
            let dark = sorted[sorted.len() / 50];
            let rows = (&image - dark).sum_axis(Axis(1));
            rows.iter().enumerate().map(|(r, v)| r as f64 * v).sum::<f64>() / rows.sum()
        })
        .collect();
    let angle = |i: usize| (2.0 * i as f64 - 76.0).to_radians();
    let model = DMatrix::from_fn(n, 3, |i, c| [1.0, angle(i).cos(), angle(i).sin()][c]);
    let centers = DVector::from_vec(centers);
    let fit = model.clone().svd(true, true).solve(&centers, 1e-12).unwrap();
    let left = centers - model * fit;
    [correlation, (left.norm_squared() / n as f64).sqrt()]
}

/// Cascade, then slices.
fn align(images: &Array3<f32>) -> (Vec<[f64; 2]>, Vec<[f64; 2]>, SliceAlignment) {
    let (_, h, w) = images.dim();
    let cascade =
        align_cascade(&geometry([h, w]), images.view(), None, &CascadeParams::default(), &NoProgress)
            .unwrap();
    assert!(cascade.degenerate.is_empty() && cascade.first == 38);
    let start = geometry([h, w]).with_offsets(&cascade.offsets).unwrap();
    let params = SlicesParams { center_axis: false, ..SlicesParams::default() };
    let slices = align_slices(&start, images.view(), None, &params).unwrap();
    (cascade.offsets, slices.offsets.clone(), slices)
}

#[test]
#[allow(clippy::print_stderr, reason = "a reader of the output wants to know what was compared")]
fn the_whole_series() {
    let Some(images) = images() else {
        eprintln!("needle: the shared reference data, ../shared, are absent: only the small series");
        return;
    };
    let raw = scores(&images, [60, 40]);
    // As measured for the specification, 0.751 and 9.88; the latter without cropping.
    assert!((raw[0] - 0.751).abs() < 1e-3 && (raw[1] - 9.88).abs() < 0.06, "{raw:?}");
    let (cascade, slices, found) = align(&images);
    let after_cascade = scores(&aligned(&images, &cascade), [60, 40]);
    let after_slices = scores(&aligned(&images, &slices), [60, 40]);
    eprintln!("needle: raw {raw:?}, cascade {after_cascade:?}, slices {after_slices:?}");
    assert!(after_slices[0] >= 0.9995 && after_slices[1] <= 0.1, "{after_slices:?}");
    // The published axis is inclined by 2.8°.
    assert!((found.axis.inclination.to_degrees() - 2.8).abs() < 0.5, "{:?}", found.axis);
}

/// Means of 4 × 4 pixels: lengths are a quarter of those above.
#[test]
fn a_smaller_version() {
    let path = Path::new(REPOSITORY).join("testdata/tomography/alignment/needle.npz");
    let images = npz(&path)["images"].clone().into_dimensionality::<Ix3>().unwrap().mapv(|v| v as f32);
    let raw = scores(&images, [15, 10]);
    let (cascade, slices, found) = align(&images);
    let [after_cascade, after_slices] = [cascade, slices].map(|o| scores(&aligned(&images, &o), [15, 10]));
    assert!(raw[0] < 0.8 && raw[1] > 2.0, "{raw:?}");
    // Neighbours differ by the same rotation, and coarser pixels see less beside it.
    assert!(after_cascade[0] > 0.9994 && after_cascade[1] <= 0.025, "{after_cascade:?}");
    assert!(after_slices[0] > 0.9994 && after_slices[1] <= 0.025, "{after_slices:?}");
    assert!((found.axis.inclination.to_degrees() - 2.8).abs() < 0.5, "{:?}", found.axis);
}
