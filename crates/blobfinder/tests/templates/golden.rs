//! Numbers of another program: `testdata/blobfinder`, whose README names it.

use ndarray::{Array2, Array3, Axis};
use nonius_core::RealFft2;
use nonius_synthetic::CbedParams;

use super::{centered, template};
use crate::cases;

#[test]
fn masks_of_templates() {
    cases::each("pattern.mask", |case| {
        let [h, w]: [f64; 2] = case.numbers("shape").try_into().unwrap();
        let template = template(case);
        let shape = (h as usize, w as usize);
        case.check("mask", &centered(&template.clone().compatible(), shape));
        // The reference's own centre of the combined template is off the middle for this outer radius alone.
        if case.id() != "mask/12_RadialGradientBackgroundSubtraction_20x20" {
            case.check("mask", &centered(&template, shape));
        }
    });
}

#[test]
fn spectrum_of_a_template() {
    cases::each("pattern.template", |case| {
        let mask = centered(&template(case), (16, 16));
        let fft = RealFft2::<f64>::new((16, 16)).unwrap();
        let (mut spectrum, mut scratch) = (fft.spectrum(), fft.scratch());
        fft.forward(mask.view(), &mut spectrum, &mut scratch).unwrap();
        let found = Array3::from_shape_fn((16, 9, 2), |(ky, kx, part)| {
            let z = spectrum[kx * 16 + ky];
            if part == 0 { z.re } else { z.im }
        });
        case.check("spectrum", &found);
    });
}

#[test]
fn stamped_templates() {
    cases::each("feature_vector", |case| {
        let [h, w]: [f64; 2] = case.numbers("shape").try_into().unwrap();
        let peaks: Vec<[i64; 2]> = serde_json::from_value(case.param("peaks").clone()).unwrap();
        let stamps = template(case).stamps((h as usize, w as usize), &peaks).unwrap();
        let dense = stamps.dense().unwrap();
        case.check("stack", &dense);
        let frame = Array2::from_shape_fn((h as usize, w as usize), |(y, x)| ((y * 7 + x * 3) % 11) as f32);
        for (mask, sum) in dense.axis_iter(Axis(0)).zip(stamps.sums(frame.view()).unwrap()) {
            let plain: f64 = mask.iter().zip(&frame).map(|(m, &f)| m * f64::from(f)).sum();
            assert!((sum - plain).abs() < 1e-10);
        }
    });
}

/// The reference's generator of frames, on which its own tests and the notebook of upsampling stand.
#[test]
fn synthetic_frames() {
    cases::each("cbed_frame", |case| {
        let vector = |name: &str| Some([case.param(name)[0].as_f64()?, case.param(name)[1].as_f64()?]);
        let range =
            |of: &serde_json::Value| (of[0].as_i64().unwrap() as i32)..(of[1].as_i64().unwrap() as i32);
        let indices = case.param("indices");
        let indices = (!indices.is_null()).then(|| {
            let (i, j) = (range(&indices[0]), range(&indices[1]));
            j.flat_map(|j| i.clone().map(move |i| [i, j])).collect()
        });
        let params = CbedParams {
            shape: ["fy", "fx"].map(|side| case.number(side) as usize),
            zero: vector("zero"),
            a: vector("a"),
            b: vector("b"),
            indices,
            radius: case.param("radius").as_f64().unwrap_or(4.0),
            all_equal: case.param("all_equal") == true,
            margin: case.param("margin").as_f64(),
        };
        let made = params.generate().unwrap();
        case.check("frame", &made.frame.mapv(f64::from).insert_axis(Axis(0)));
        let pairs = |of: &dyn Fn(usize, usize) -> f64| {
            Array2::from_shape_fn((made.indices.len(), 2), |(k, axis)| of(k, axis))
        };
        case.check("indices", &pairs(&|k, axis| f64::from(made.indices[k][axis])));
        case.check("peaks", &pairs(&|k, axis| made.positions[k][axis]));
    });
}
