//! Reconstructions against another program's numbers, against phantoms, and what must hold of any.

use ndarray::{Array3, Array4, ArrayD, Axis, Ix1};
use nonius_core::NoProgress;
use nonius_tomography::{
    Absorbance, AbsorbanceParams, Geometry, MitraParams, Momentum, Projector, Reconstruction, Reconstructor,
    Reference, SirtParams, View, absorbance,
};
use std::collections::HashMap;

use crate::projector::{archive, relative};

struct Phantom {
    projector: Projector<f32>,
    data: Array4<f32>,
    weights: Array4<f32>,
    truth: Array3<f64>,
    arrays: HashMap<String, ArrayD<f64>>,
}

fn phantom() -> Phantom {
    let arrays = archive("reconstruction.npz");
    let rotations = &arrays["rotations"];
    let views = (0..30)
        .map(|i| View {
            rotation: nalgebra::Matrix3::from_fn(|row, column| rotations[[i, row, column]]),
            j_offset: arrays["j_offset"][[i]],
            k_offset: arrays["k_offset"][[i]],
            angles: None,
        })
        .collect();
    let geometry = Geometry {
        laboratory: Default::default(),
        views,
        volume_shape: [26, 26, 22],
        projection_shape: [28, 22],
        scattering: None,
    };
    let diode: Array3<f64> = arrays["diode"].clone().into_dimensionality().unwrap();
    let reference = Reference::Percentile { percentile: 99.9, per_projection: true };
    let params = AbsorbanceParams { reference, ..Default::default() };
    let Absorbance { absorbance, mask, .. } = absorbance(&params, diode.mapv(|v| v as f32).view()).unwrap();
    let data = absorbance.insert_axis(Axis(3));
    let weights = mask.mapv(|usable| f32::from(u8::from(usable))).insert_axis(Axis(3));
    let truth = arrays["truth"].clone().into_dimensionality().unwrap();
    Phantom { projector: Projector::new(&geometry).unwrap(), data, weights, truth, arrays }
}

fn run(params: &impl Reconstructor<f32>, phantom: &Phantom) -> Reconstruction<f32> {
    let Phantom { projector, data, weights, .. } = phantom;
    params.reconstruct(projector, data.view(), Some(weights.view()), None, &NoProgress).unwrap()
}

#[test]
fn golden_recurrences() {
    let phantom = phantom();
    let arrays = &phantom.arrays;
    let mitra = |part: f64, non_negative: bool| MitraParams {
        momentum: Momentum::Fixed(part),
        non_negative,
        ..Default::default()
    };
    let sirt = |non_negative: bool| SirtParams { non_negative, ..Default::default() };
    let runs: [(&str, Reconstruction<f32>); 4] = [
        ("mitra_n060", run(&mitra(0.6, true), &phantom)),
        ("mitra_n095", run(&mitra(0.95, true), &phantom)),
        ("sirt_free", run(&sirt(false), &phantom)),
        ("sirt_nonneg", run(&sirt(true), &phantom)),
    ];
    for (name, found) in runs {
        let volume: Array3<f64> = arrays[&format!("{name}_ref")].clone().into_dimensionality().unwrap();
        let error = relative(&found.volume.remove_axis(Axis(3)), &volume);
        assert!(error < 1e-4, "{name}: {error}");
        let losses = arrays[&format!("{name}_ref_loss")].clone().into_dimensionality::<Ix1>().unwrap();
        for (found, expected) in found.losses.iter().zip(&losses) {
            assert!((found / expected - 1.0).abs() < 1e-4, "{name}: {found} {expected}");
        }
    }
}
