//! Reconstructions against another program's numbers, against phantoms, and what must hold of any.

use ndarray::{Array3, Array4, ArrayD, Axis, Ix1, s};
use nonius_core::{Error, NoProgress, Progress};
use nonius_tomography::{
    Absorbance, AbsorbanceParams, FbpParams, Geometry, LbfgsParams, Loss, MitraParams, Momentum, Projector,
    Reconstruction, ReconstructionScratch, Reconstructor, Reference, SirtParams, Stop, View, absorbance,
};
use std::collections::HashMap;

use crate::projector::{about_z, any_geometry, archive, forward, random, relative};

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

fn error(found: &Reconstruction<f32>, phantom: &Phantom) -> f64 {
    relative(&found.volume.clone().remove_axis(Axis(3)), &phantom.truth)
}

#[test]
fn momentum_that_adapts_beats_a_fixed_one() {
    let phantom = phantom();
    let loss = |iterations: usize, momentum: Momentum| {
        let params = MitraParams { iterations, momentum, non_negative: false, ..Default::default() };
        *run(&params, &phantom).losses.last().unwrap()
    };
    for iterations in [20, 100] {
        let adaptive = loss(iterations, Momentum::Adaptive);
        for part in [0.0, 0.6, 0.8, 0.9] {
            // The best fixed part is 0.8 for 20 iterations and 0.9 for 100: 0 and 0.6 % from them.
            let fixed = loss(iterations, Momentum::Fixed(part));
            assert!(adaptive < 1.01 * fixed, "{iterations} {part}: {adaptive} {fixed}");
        }
    }
}

#[test]
fn errors_to_the_phantom() {
    let phantom = phantom();
    let fixed = MitraParams { momentum: Momentum::Fixed(0.6), ..Default::default() };
    assert!(error(&run(&fixed, &phantom), &phantom) < 0.0955);
    assert!(error(&run(&MitraParams::default(), &phantom), &phantom) < 0.11);
    // Total variation keeps noise out where many iterations would let it in.
    let flat = MitraParams { iterations: 50, total_variation: 3e-5, ..Default::default() };
    assert!(error(&run(&flat, &phantom), &phantom) < 0.07);
    let newton = run(&LbfgsParams::default(), &phantom);
    assert!(newton.losses.windows(2).all(|pair| pair[1] < pair[0]));
    assert!(newton.losses.last().unwrap() < run(&MitraParams::default(), &phantom).losses.last().unwrap());
    assert!(newton.volume.iter().all(|value| *value >= 0.0));
}

/// A small consistent problem in double precision, with channels.
fn consistent(channels: usize) -> (Projector<f64>, Array4<f64>, Array4<f64>) {
    let projector = Projector::new(&about_z(24, [14, 7], [10, 10, 6])).unwrap();
    let truth = Array4::from_shape_fn((10, 10, 6, channels), |(x, y, z, c)| {
        let r = (x as f64 - 4.0 - c as f64).hypot(y as f64 - 5.0).hypot(z as f64 - 2.5);
        if r < 2.6 { 1.0 + 0.2 * z as f64 } else { 0.0 }
    });
    let data = forward(&projector, truth.view());
    (projector, truth, data)
}

#[test]
fn consistent_images_give_the_volume_back() {
    let (projector, truth, data) = consistent(2);
    let methods: [(&dyn Reconstructor<f64>, f64); 3] = [
        (&MitraParams { iterations: 300, ..Default::default() }, 3e-3),
        (&LbfgsParams { iterations: 150, ..Default::default() }, 3e-3),
        (&SirtParams { iterations: 300, non_negative: true, ..Default::default() }, 5e-2),
    ];
    for (i, (method, tolerance)) in methods.into_iter().enumerate() {
        let found = method.reconstruct(&projector, data.view(), None, None, &NoProgress).unwrap();
        let error = relative(&found.volume, &truth);
        assert!(error < tolerance, "{i}: {error}");
        // One channel at a time is the same for methods whose steps do not depend on the others.
        if i == 2 {
            let second = data.slice(s![.., .., .., 1..]);
            let alone = method.reconstruct(&projector, second, None, None, &NoProgress).unwrap();
            assert!(relative(&alone.volume, &found.volume.slice(s![.., .., .., 1..]).to_owned()) < 1e-12);
        }
        // From the truth nothing is left to do.
        let found =
            method.reconstruct(&projector, data.view(), None, Some(truth.view()), &NoProgress).unwrap();
        assert!(relative(&found.volume, &truth) < 1e-12, "{i}");
    }
}

#[test]
fn masked_pixels_may_hold_anything() {
    let (projector, truth, mut data) = consistent(1);
    let mut mask = Array4::ones(data.dim());
    for (i, image) in mask.outer_iter_mut().enumerate() {
        let mut image = image;
        image.slice_mut(s![i % 9..i % 9 + 3, ..3, ..]).fill(0.0);
    }
    let spoiled = [f64::NAN, f64::INFINITY, 1e30, -5.0];
    let masked = data.iter_mut().zip(&mask).filter(|(_, mask)| **mask == 0.0);
    for (i, (value, _)) in masked.enumerate() {
        *value = spoiled[i % 4];
    }
    let methods: [&dyn Reconstructor<f64>; 3] = [
        &MitraParams { iterations: 300, ..Default::default() },
        &MitraParams { iterations: 300, loss: Loss::Huber(0.5), ..Default::default() },
        &LbfgsParams { iterations: 150, ..Default::default() },
    ];
    for method in methods {
        let found =
            method.reconstruct(&projector, data.view(), Some(mask.view()), None, &NoProgress).unwrap();
        assert!(relative(&found.volume, &truth) < 6e-3, "{}", relative(&found.volume, &truth));
    }
    // Everything masked: nothing is known, nothing moves, nothing is lost.
    let nothing = mask.mapv(|_| 0.0);
    for method in methods {
        let found = method.reconstruct(
            &projector,
            data.view(),
            Some(nothing.view()),
            Some(truth.view()),
            &NoProgress,
        );
        let found = found.unwrap();
        assert_eq!(found.volume, truth);
        assert!(found.losses.iter().all(|loss| *loss == 0.0));
    }
}

#[test]
fn outliers_pull_little_in_the_loss_of_huber() {
    let (projector, truth, mut data) = consistent(1);
    for (i, value) in data.iter_mut().enumerate() {
        if i % 97 == 5 {
            *value += 30.0;
        }
    }
    let error = |loss: Loss| {
        let params = MitraParams { iterations: 150, loss, ..Default::default() };
        let found = params.reconstruct(&projector, data.view(), None, None, &NoProgress).unwrap();
        relative(&found.volume, &truth)
    };
    assert!(error(Loss::Huber(0.05)) < 0.05 * error(Loss::Squared));
}

#[test]
fn a_scratch_is_used_again_and_starts_carry_on() {
    let (projector, _, data) = consistent(1);
    let mut scratch = ReconstructionScratch::default();
    let other = Projector::<f64>::new(&about_z(3, [5, 9], [6, 4, 9])).unwrap();
    let ones = Array4::ones((3, 5, 9, 2));
    let methods: [&dyn Reconstructor<f64>; 3] = [
        &MitraParams { iterations: 8, total_variation: 1e-4, ..Default::default() },
        &FbpParams::default(),
        &LbfgsParams { iterations: 8, ..Default::default() },
    ];
    for method in methods {
        let fresh = method.reconstruct(&projector, data.view(), None, None, &NoProgress).unwrap();
        let _ = method.reconstruct_with(&other, ones.view(), None, None, &NoProgress, &mut scratch).unwrap();
        let again =
            method.reconstruct_with(&projector, data.view(), None, None, &NoProgress, &mut scratch).unwrap();
        assert_eq!(fresh, again);
    }
    let sirt = |iterations: usize, warm: Option<&Array4<f64>>| {
        let params = SirtParams { iterations, ..Default::default() };
        params.reconstruct(&projector, data.view(), None, warm.map(|v| v.view()), &NoProgress).unwrap()
    };
    let half = sirt(4, None);
    assert_eq!(sirt(4, Some(&half.volume)).volume, sirt(8, None).volume);
}

#[test]
fn order_of_views_and_number_of_threads_do_not_matter() {
    let geometry = any_geometry(3, 12, [12, 10], [9, 8, 7]);
    let projector = Projector::<f64>::new(&geometry).unwrap();
    let data = random((12, 12, 10, 1), 5);
    let params = MitraParams { total_variation: 1e-3, smoothing: 0.1, ..Default::default() };
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| params.reconstruct(&projector, data.view(), None, None, &NoProgress).unwrap())
    };
    let found = with(1);
    assert_eq!(found, with(3));
    let order: Vec<usize> = (0..12).map(|i| i * 5 % 12).collect();
    let permuted = Projector::<f64>::new(&geometry.subset(&order).unwrap()).unwrap();
    let data = data.select(Axis(0), &order);
    let other = params.reconstruct(&permuted, data.view(), None, None, &NoProgress).unwrap();
    assert!(relative(&other.volume, &found.volume) < 1e-10);
}

#[test]
fn images_on_their_side_give_the_same_volume() {
    let geometry = any_geometry(4, 12, [12, 10], [9, 8, 7]);
    let mut swapped = geometry.clone();
    swapped.projection_shape = [10, 12];
    (swapped.laboratory.j, swapped.laboratory.k) = (swapped.laboratory.k, swapped.laboratory.j);
    for view in &mut swapped.views {
        (view.j_offset, view.k_offset) = (view.k_offset, view.j_offset);
    }
    let data = random((12, 12, 10, 1), 5);
    let params = MitraParams::default();
    let found = params.reconstruct(&Projector::new(&geometry).unwrap(), data.view(), None, None, &NoProgress);
    let transposed = data.view().permuted_axes([0, 2, 1, 3]);
    let other = params.reconstruct(&Projector::new(&swapped).unwrap(), transposed, None, None, &NoProgress);
    assert!(relative(&other.unwrap().volume, &found.unwrap().volume) < 1e-10);
}

#[test]
fn a_common_translation_moves_the_volume_and_keeps_the_loss() {
    let mut geometry = about_z(24, [18, 12], [14, 14, 10]);
    geometry = geometry.clone().with_offsets(&[[0.0; 2]; 24]).unwrap();
    let projector = Projector::<f64>::new(&geometry).unwrap();
    let truth = Array4::from_shape_fn((14, 14, 10, 1), |(x, y, z, _)| {
        let r2 = (x as f64 - 6.0).powi(2) + (y as f64 - 7.0).powi(2) + (z as f64 - 4.5).powi(2);
        (-r2 / 8.0).exp()
    });
    let data = forward(&projector, truth.view());
    let moved = geometry.translated(nalgebra::Vector3::new(1.0, -1.0, 1.0));
    let params = MitraParams::default();
    let mut other = projector.clone();
    other.set_offsets(&moved).unwrap();
    let found = params.reconstruct(&projector, data.view(), None, None, &NoProgress).unwrap();
    let shifted = params.reconstruct(&other, data.view(), None, None, &NoProgress).unwrap();
    let (a, b) = (found.losses.last().unwrap(), shifted.losses.last().unwrap());
    // What is left of it, a thousandth, knows of the border.
    assert!((a - b).abs() < 1e-3 * found.losses[0], "{a} {b}");
    let back = shifted.volume.slice(s![1.., ..13, 1.., ..]).to_owned();
    assert!(relative(&back, &found.volume.slice(s![..13, 1.., ..9, ..]).to_owned()) < 0.01);
}

#[test]
fn ends_are_named() {
    let (projector, _, data) = consistent(1);
    let mitra = MitraParams { iterations: 400, ftol: Some(1e-2), ..Default::default() };
    let found = mitra.reconstruct(&projector, data.view(), None, None, &NoProgress).unwrap();
    assert_eq!(found.stop, Stop::Tolerance);
    assert!(found.losses.len() >= 7 && found.losses.len() < 400);
    let sirt = SirtParams { iterations: 7, ftol: Some(1e9), ..Default::default() };
    let found = sirt.reconstruct(&projector, data.view(), None, None, &NoProgress).unwrap();
    assert_eq!((found.losses.len(), found.stop), (7, Stop::Tolerance));
    let none = MitraParams { iterations: 0, ..Default::default() };
    let found = none.reconstruct(&projector, data.view(), None, None, &NoProgress).unwrap();
    assert_eq!((found.losses.len(), found.stop, found.volume.sum()), (0, Stop::MaxIterations, 0.0));
    let newton = LbfgsParams { iterations: 100_000, ..Default::default() };
    let none = data.mapv(|_| 0.0);
    let found = newton.reconstruct(&projector, none.view(), None, None, &NoProgress).unwrap();
    assert_eq!((found.stop, found.volume.sum()), (Stop::NoDescent, 0.0));
    let far = MitraParams { iterations: 4000, step: 50.0, non_negative: false, ..Default::default() };
    let message = far.reconstruct(&projector, data.view(), None, None, &NoProgress).unwrap_err().to_string();
    assert!(message.starts_with("step must be"), "{message}");
    struct Cancelled;
    impl Progress for Cancelled {
        fn cancelled(&self) -> bool {
            true
        }
    }
    assert_eq!(mitra.reconstruct(&projector, data.view(), None, None, &Cancelled), Err(Error::Cancelled));
}

#[test]
fn what_is_wrong_is_named() {
    let (projector, _, data) = consistent(2);
    let run = |params: &dyn Reconstructor<f64>, weights: Option<&Array4<f64>>, warm: Option<&Array4<f64>>| {
        let found = params.reconstruct(
            &projector,
            data.view(),
            weights.map(|w| w.view()),
            warm.map(|v| v.view()),
            &NoProgress,
        );
        found.unwrap_err().to_string()
    };
    let default = MitraParams::default;
    for (params, name) in [
        (MitraParams { step: 0.0, ..default() }, "step"),
        (MitraParams { momentum: Momentum::Fixed(1.0), ..default() }, "momentum"),
        (MitraParams { momentum: Momentum::Fixed(f64::NAN), ..default() }, "momentum"),
        (MitraParams { ftol: Some(-1.0), ..default() }, "ftol"),
        (MitraParams { loss: Loss::Huber(0.0), ..default() }, "loss.huber"),
        (MitraParams { total_variation: f64::INFINITY, ..default() }, "total_variation"),
        (MitraParams { smoothing: 0.0, ..default() }, "smoothing"),
        (MitraParams { min_length: f64::NAN, ..default() }, "min_length"),
        (MitraParams { min_views: 1.0, ..default() }, "min_views"),
        (MitraParams { min_views: f64::NAN, ..default() }, "min_views"),
    ] {
        assert!(run(&params, None, None).starts_with(&format!("{name} must be")), "{name}");
    }
    assert!(run(&LbfgsParams { memory: 0, ..Default::default() }, None, None).starts_with("memory"));
    assert!(run(&FbpParams { axis_tolerance: -1.0, ..Default::default() }, None, None).starts_with("axis"));
    for method in [&default() as &dyn Reconstructor<f64>, &FbpParams::default(), &LbfgsParams::default()] {
        for weights in [(24, 14, 7, 3), (24, 14, 6, 1), (24, 14, 7, 0)] {
            let weights = Array4::ones(weights);
            assert!(run(method, Some(&weights), None).starts_with("weights: expected shape [24, 14, 7, "));
        }
        let wrong = method.reconstruct(&projector, data.slice(s![1.., .., .., ..]), None, None, &NoProgress);
        assert!(wrong.unwrap_err().to_string().starts_with("data: expected shape [24, 14, 7, 2]"));
        let empty = Array4::zeros((24, 14, 7, 0));
        assert!(method.reconstruct(&projector, empty.view(), None, None, &NoProgress).is_err());
    }
    let warm = Array4::from_elem((10, 10, 6, 2), f64::NAN);
    assert!(run(&default(), None, Some(&warm)).starts_with("warm start"));
    assert!(run(&default(), None, Some(&Array4::zeros((10, 10, 6, 1)))).starts_with("warm start"));
    let two_axes = Projector::<f64>::new(&any_geometry(9, 24, [14, 7], [10, 10, 6])).unwrap();
    let wrong = FbpParams::default().reconstruct(&two_axes, data.view(), None, None, &NoProgress);
    assert!(wrong.unwrap_err().to_string().contains("turned about one axis"));
}

#[test]
fn parameters_are_read_from_a_file_and_mistakes_refused() {
    let read: MitraParams =
        serde_json::from_str(r#"{"iterations": 30, "momentum": {"fixed": 0.6}, "loss": {"huber": 0.1}}"#)
            .unwrap();
    let expected = MitraParams {
        iterations: 30,
        momentum: Momentum::Fixed(0.6),
        loss: Loss::Huber(0.1),
        ..Default::default()
    };
    assert_eq!(read, expected);
    assert!(serde_json::from_str::<MitraParams>(r#"{"nestorov_weight": 0.6}"#).is_err());
    assert!(serde_json::from_str::<FbpParams>(r#"{"filter": "box"}"#).is_err());
    fn shared<T: Send + Sync>() {}
    shared::<Projector<f32>>();
    shared::<ReconstructionScratch<f32>>();
    shared::<MitraParams>();
}

#[test]
fn voxels_in_few_views_take_no_part() {
    // Images of 12 columns of a volume of 24: corners are in view only where they pass before the middle.
    let angles: Vec<f64> = (0..40).map(|i| f64::from(i) * std::f64::consts::PI / 40.0).collect();
    let geometry = Geometry::single_axis([0.0, 0.0, 1.0].into(), &angles, [12, 4], [24, 24, 4]).unwrap();
    let projector = Projector::<f64>::new(&geometry).unwrap();
    let images = Array4::ones((40, 12, 4, 1));
    let seen = |x: usize, y: usize| {
        let r = nalgebra::Vector3::new(x as f64 - 11.5, y as f64 - 11.5, 0.0);
        (0..40).filter(|i| r.dot(&geometry.directions(*i).j).abs() < 6.0).count() as f64 / 40.0
    };
    let mitra = MitraParams { min_views: 0.4, ..Default::default() };
    let lbfgs = LbfgsParams { min_views: 0.4, ..Default::default() };
    for method in [&mitra as &dyn Reconstructor<f64>, &lbfgs] {
        let found = method.reconstruct(&projector, images.view(), None, None, &NoProgress).unwrap().volume;
        let mut few = 0;
        for ((x, y, _, _), value) in found.indexed_iter() {
            // Voxels that are seen in part, and rays that share a voxel unevenly, blur the limit.
            match seen(x, y) {
                part if part < 0.33 => {
                    few += 1;
                    assert_eq!(*value, 0.0, "({x}, {y})");
                }
                part if part > 0.47 => assert!(*value > 0.0, "({x}, {y})"),
                _ => {}
            }
        }
        assert!(few > 100, "{few}");
    }
    let whole =
        MitraParams::default().reconstruct(&projector, images.view(), None, None, &NoProgress).unwrap();
    assert!(whole.volume[[0, 0, 1, 0]] > 0.0);
}
