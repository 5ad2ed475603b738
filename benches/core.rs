//! Transforms of real images of 64² to 2048², beside complex transforms of every row and column.
//!
//! `cargo bench --bench core`; names are `transform/512x512/f32/forward`. One thread.
#![allow(missing_docs)]

#[allow(dead_code, reason = "plain registrations are for the other bench")]
mod plain;

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ndarray::Array2;
use nonius::core::{Real, RealFft2};
use plain::PlainFft;

/// Powers of two, 3² · 2⁴, 2³ · 5³, odd, and primes beside them.
const SIZES: [usize; 11] = [64, 127, 128, 144, 255, 256, 509, 512, 1000, 1024, 2048];

fn transforms(c: &mut Criterion) {
    for n in SIZES {
        transform::<f32>(c, n, "f32");
        transform::<f64>(c, n, "f64");
    }
}

fn transform<F: Real>(c: &mut Criterion, n: usize, scalar: &str) {
    let mut group = c.benchmark_group("transform");
    group.throughput(Throughput::Elements((n * n) as u64));
    let image = Array2::from_shape_fn((n, n), |(y, x)| F::of(((y * 31 + x * 17 + x * y) % 97) as f64));
    let plan = RealFft2::<F>::new(image.dim()).expect("a shape");
    let (mut spectrum, mut scratch) = (plan.spectrum(), plan.scratch());
    group.bench_function(format!("{n}x{n}/{scalar}/forward"), |b| {
        b.iter(|| plan.forward(black_box(image.view()), &mut spectrum, &mut scratch))
    });
    plan.forward(image.view(), &mut spectrum, &mut scratch).expect("right sizes");
    let (kept, mut out) = (spectrum.clone(), image.clone());
    group.bench_function(format!("{n}x{n}/{scalar}/inverse"), |b| {
        b.iter(|| {
            // The inverse uses its spectrum up; the copy is part of the time.
            spectrum.copy_from_slice(black_box(&kept));
            plan.inverse(&mut spectrum, out.view_mut(), &mut scratch)
        })
    });
    let plain = PlainFft::<F>::new(n);
    group.bench_function(format!("{n}x{n}/{scalar}/plain_forward"), |b| {
        b.iter(|| plain.forward(black_box(&image)))
    });
    let whole = plain.forward(&image);
    group.bench_function(format!("{n}x{n}/{scalar}/plain_inverse"), |b| {
        b.iter(|| plain.inverse(black_box(&whole).clone()))
    });
    group.finish();
}

fn quick() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(400))
}

criterion_group! { name = benches; config = quick(); targets = transforms }
criterion_main!(benches);
