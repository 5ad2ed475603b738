//! Projections of a volume, their transpose, and a reconstruction. One thread unless named otherwise.
//!
//! `cargo bench --bench tomography`; names are `forward/128x128x128/180_views_f32`. Views turn about z; `tilted` ones
//! about a second axis as well, so that nothing stays upright.
#![allow(missing_docs)]

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use ndarray::Array4;
use nonius::NoProgress;
use nonius::core::Real;
use nonius::tomography::{Geometry, MitraParams, Projector, Reconstructor, View, ViewAngles};

fn geometry(volume: [usize; 3], n: usize, tilt: f64) -> Geometry {
    let view = |i: usize| {
        let angles = ViewAngles {
            inner_angle: std::f64::consts::PI * i as f64 / n as f64,
            outer_angle: tilt * (i as f64).sin(),
            ..Default::default()
        };
        let view = View::from_angles(angles).expect("angles are finite");
        View { j_offset: (i as f64).sin(), k_offset: (2.0 * i as f64).cos(), ..view }
    };
    Geometry {
        laboratory: Default::default(),
        views: (0..n).map(view).collect(),
        volume_shape: volume,
        projection_shape: [volume[0], volume[2]],
        scattering: None,
    }
}

/// A ball with a rim.
fn ball<F: Real>([x, y, z]: [usize; 3]) -> Array4<F> {
    let middle = [x, y, z].map(|n| 0.5 * n as f64 - 0.5);
    Array4::from_shape_fn((x, y, z, 1), |(a, b, c, _)| {
        let r = (a as f64 - middle[0]).hypot(b as f64 - middle[1]).hypot(c as f64 - middle[2]);
        F::of((0.35 * z as f64 - r).clamp(0.0, 1.0))
    })
}

fn project<F: Real>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    geometry: &Geometry,
    adjoint: bool,
    threads: usize,
) {
    let projector = Projector::<F>::new(geometry).expect("a geometry");
    let mut volume = ball::<F>(geometry.volume_shape);
    let [n, j, k] = projector.stack_shape();
    let mut stack = Array4::from_elem((n, j, k, 1), F::one());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
    group.throughput(Throughput::Elements((n * j * k * geometry.volume_shape[0]) as u64));
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            pool.install(|| {
                if adjoint {
                    projector.adjoint(stack.view(), None, volume.view_mut()).expect("shapes fit");
                } else {
                    projector.forward(volume.view(), None, stack.view_mut()).expect("shapes fit");
                }
            });
            black_box((&mut volume, &mut stack));
        });
    });
}

fn pair(c: &mut Criterion) {
    for (title, adjoint) in [("forward", false), ("adjoint", true)] {
        for (size, n) in [(64, 64), (128, 180)] {
            let mut group = c.benchmark_group(format!("{title}/{size}x{size}x{size}"));
            group.sampling_mode(SamplingMode::Flat).sample_size(10).measurement_time(Duration::from_secs(2));
            let upright = geometry([size; 3], n, 0.0);
            let tilted = geometry([size; 3], n, 0.6);
            project::<f32>(&mut group, &format!("{n}_views_f32"), &upright, adjoint, 1);
            project::<f32>(&mut group, &format!("{n}_views_f32_2_threads"), &upright, adjoint, 2);
            project::<f64>(&mut group, &format!("{n}_views_f64"), &upright, adjoint, 1);
            project::<f32>(&mut group, &format!("{n}_views_tilted_f32"), &tilted, adjoint, 1);
            project::<f32>(&mut group, &format!("{n}_views_tilted_f32_2_threads"), &tilted, adjoint, 2);
            project::<f64>(&mut group, &format!("{n}_views_tilted_f64"), &tilted, adjoint, 1);
        }
    }
}

fn mitra(c: &mut Criterion) {
    let mut group = c.benchmark_group("mitra/48x48x40");
    group.sampling_mode(SamplingMode::Flat).sample_size(10).measurement_time(Duration::from_secs(2));
    for (name, tilt, threads) in [
        ("60_views_20_iterations_f32", 0.0, 1),
        ("60_views_20_iterations_f32_2_threads", 0.0, 2),
        ("60_views_20_iterations_tilted_f32", 0.6, 1),
    ] {
        let geometry = geometry([48, 48, 40], 60, tilt);
        let projector = Projector::<f32>::new(&geometry).expect("a geometry");
        let mut data = Array4::zeros((60, 48, 40, 1));
        projector.forward(ball([48, 48, 40]).view(), None, data.view_mut()).expect("shapes fit");
        let params = MitraParams::default();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                pool.install(|| params.reconstruct(&projector, data.view(), None, None, &NoProgress))
                    .expect("images fit")
            });
        });
    }
}

criterion_group!(benches, pair, mitra);
criterion_main!(benches);
