//! Every way to register, at 64² to 2048², beside what the papers write down.
//!
//! `cargo bench --bench registration`; names are `register/512x512/periodic`. Single precision where not
//! named otherwise; pairs take one thread, series all.
#![allow(missing_docs)]

mod plain;

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, criterion_group, criterion_main};
use ndarray::{Array2, Array3, Axis};
use nonius::core::{NoProgress, Real};
use nonius::registration::{
    MaskedParams, Method, Refinement, RegistrationParams, RegistrationPlan, SeriesParams, register_masked,
    register_series,
};
use nonius::synthetic::ImagePairParams;
use plain::PlainFft;

const SIZES: [usize; 6] = [64, 128, 256, 512, 1024, 2048];

/// Up to here a plain version takes a bearable time where it needs many transforms.
const PLAIN_LIMIT: usize = 512;

const SHIFT: [f64; 2] = [3.37, -2.62];

/// A scene of `n` × `n` px, still and moved.
fn pair<F: Real>(mut params: ImagePairParams, n: usize) -> [Array2<F>; 2] {
    params.scene.shape = [n, n];
    let pair = params.generate().expect("a pair");
    [pair.reference, pair.moving].map(|image| image.mapv(F::of))
}

fn pairs(c: &mut Criterion) {
    let periodic = RegistrationParams::periodic();
    let upsampled = RegistrationParams { refinement: Refinement::Upsampled { factor: 100.0 }, ..periodic };
    let phase = RegistrationParams { method: Method::Phase, ..periodic };
    let mut group = group(c);
    for n in SIZES {
        let wrapping = pair::<f32>(ImagePairParams::scene_a(SHIFT, 0.1, 1), n);
        let double = pair::<f64>(ImagePairParams::scene_a(SHIFT, 0.1, 1), n);
        let cropped = pair::<f32>(ImagePairParams::scene_c(SHIFT, 0.1, 1), n);
        with_plan(&mut group, "periodic", &wrapping, periodic);
        with_plan(&mut group, "periodic_f64", &double, periodic);
        with_plan(&mut group, "periodic_upsampled100", &wrapping, upsampled);
        with_plan(&mut group, "phase", &wrapping, phase);
        plainly(&mut group, "plain_upsampled100", &wrapping);
        plainly(&mut group, "plain_upsampled100_f64", &double);
        with_plan(&mut group, "overlap", &cropped, RegistrationParams::default());
    }
}

fn group(c: &mut Criterion) -> BenchmarkGroup<'_, WallTime> {
    let mut group = c.benchmark_group("register");
    group.sampling_mode(SamplingMode::Flat);
    group
}

fn with_plan<F: Real>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    [reference, moving]: &[Array2<F>; 2],
    params: RegistrationParams,
) {
    let n = reference.nrows();
    let plan = RegistrationPlan::<F>::new(reference.dim(), params).expect("parameters");
    let mut scratch = plan.scratch();
    group.bench_function(format!("{n}x{n}/{name}"), |b| {
        b.iter(|| plan.register_with(black_box(reference.view()), moving.view(), &mut scratch))
    });
}

fn plainly<F: Real>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    [reference, moving]: &[Array2<F>; 2],
) {
    let n = reference.nrows();
    let fft = PlainFft::new(n);
    let found = plain::register(&fft, reference, moving);
    assert!((0..2).all(|axis| (found[axis] - SHIFT[axis]).abs() < 0.1), "{n}: {found:?}");
    group.bench_function(format!("{n}x{n}/{name}"), |b| {
        b.iter(|| plain::register(&fft, black_box(reference), moving))
    });
}

fn masked(c: &mut Criterion) {
    let mut group = group(c);
    for n in SIZES {
        let whole = [SHIFT[0].round(), SHIFT[1].round()];
        let [reference, moving] = pair::<f32>(ImagePairParams::scene_c(whole, 0.1, 1), n);
        // A bad column, a dead corner.
        let valid = Array2::from_shape_fn((n, n), |(y, x)| x != n / 3 && (y > n / 8 || x > n / 8));
        group.bench_function(format!("{n}x{n}/masked"), |b| {
            b.iter(|| {
                let mask = Some(valid.view());
                let params = MaskedParams::default();
                register_masked(black_box(reference.view()), moving.view(), mask, mask, &params)
            })
        });
        if n <= PLAIN_LIMIT {
            let mask = valid.mapv(|ok| f32::from(u8::from(ok)));
            let [reference, moving] = [reference * &mask, moving * &mask];
            let fft = PlainFft::new(2 * n);
            let found = plain::register_masked(&fft, &reference, &moving, &mask);
            assert_eq!(found, whole, "{n}");
            group.bench_function(format!("{n}x{n}/plain_masked"), |b| {
                b.iter(|| plain::register_masked(&fft, black_box(&reference), &moving, &mask))
            });
        }
    }
}

fn series(c: &mut Criterion) {
    let mut group = group(c);
    for n in SIZES {
        let n_frames = if n <= PLAIN_LIMIT { 16 } else { 4 };
        let [reference, moving] = pair::<f32>(ImagePairParams::scene_a(SHIFT, 0.1, 1), n);
        let frames =
            Array3::from_shape_fn(
                (n_frames, n, n),
                |(i, y, x)| {
                    if i == 0 { reference[[y, x]] } else { moving[[y, x]] }
                },
            );
        let params = SeriesParams { registration: RegistrationParams::periodic(), ..Default::default() };
        group.bench_function(format!("{n}x{n}/series_of_{n_frames}"), |b| {
            b.iter(|| register_series::<f32>(black_box(&frames), &params, &NoProgress))
        });
        if n <= PLAIN_LIMIT {
            let fft = PlainFft::new(n);
            group.bench_function(format!("{n}x{n}/plain_series_of_{n_frames}"), |b| {
                b.iter(|| {
                    let shifts =
                        frames.axis_iter(Axis(0)).map(|f| plain::register(&fft, &reference, &f.to_owned()));
                    shifts.collect::<Vec<_>>()
                })
            });
        }
    }
}

fn quick() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(500))
}

criterion_group! { name = benches; config = quick(); targets = pairs, masked, series }
criterion_main!(benches);
