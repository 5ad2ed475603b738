//! χ² shifts with their errors, at 256² to 1024².
//!
//! `cargo bench --bench chi2`; names are `chi2/512x512/periodic_f32`. One thread, noise of one σ.
#![allow(missing_docs)]

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, criterion_group, criterion_main};
use ndarray::Array2;
use nonius::chi2::{Chi2Image, Chi2Params, Chi2Plan};
use nonius::core::Real;
use nonius::synthetic::ImagePairParams;

const SIZES: [usize; 3] = [256, 512, 1024];

const SHIFT: [f64; 2] = [3.37, -2.62];

const SIGMA: f64 = 0.1;

/// A scene of `n` × `n` px, still and moved.
fn pair<F: Real>(mut params: ImagePairParams, n: usize) -> [Array2<F>; 2] {
    params.scene.shape = [n, n];
    let pair = params.generate().expect("a pair");
    [pair.reference, pair.moving].map(|image| image.mapv(F::of))
}

fn shifts(c: &mut Criterion) {
    let mut group = c.benchmark_group("chi2");
    group.sampling_mode(SamplingMode::Flat);
    let overlap = Chi2Params::default();
    let periodic = Chi2Params::periodic();
    for n in SIZES {
        let wrapping = ImagePairParams::scene_a(SHIFT, SIGMA, 1);
        with_plan(&mut group, "periodic_f32", &pair::<f32>(wrapping.clone(), n), periodic);
        with_plan(&mut group, "periodic_f64", &pair::<f64>(wrapping, n), periodic);
        let cropped = ImagePairParams::scene_c(SHIFT, SIGMA, 1);
        with_plan(&mut group, "overlap_f32", &pair::<f32>(cropped.clone(), n), overlap);
        with_plan(&mut group, "overlap_f64", &pair::<f64>(cropped, n), overlap);
    }
}

fn with_plan<F: Real>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    [reference, moving]: &[Array2<F>; 2],
    params: Chi2Params,
) {
    let n = reference.nrows();
    let plan = Chi2Plan::<F>::new(reference.dim(), params).expect("parameters");
    let mut scratch = plan.scratch();
    let (reference, moving) =
        (Chi2Image::new(reference.view()), Chi2Image::new(moving.view()).with_sigma(SIGMA));
    group.bench_function(format!("{n}x{n}/{name}"), |b| {
        b.iter(|| plan.shift_with(black_box(&reference), &moving, &mut scratch))
    });
}

fn quick() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(500))
}

criterion_group! { name = benches; config = quick(); targets = shifts }
criterion_main!(benches);
