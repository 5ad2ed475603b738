//! One pass over frames in memory: bytes per second of every map. Clusters of feature vectors: time of a whole run.
//!
//! `cargo bench --bench clustering`; names are `pass/uint16/std`, frames 256 × 256, and `samples/10890x302/k_means`, the
//! size of a scan of 90 × 121 with 300 features and two coordinates; one thread unless named otherwise.
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use ndarray::Array3;
use nonius::clustering::{CenterOfMass, Detector, LogSum, PixelStatistics, VirtualDetectors};
use nonius::core::{Consumer, DType, NoProgress, Pixel, ScanParams, pass};
use nonius::{FrameSource, Scan};

/// 256 MiB of frames, more than a cache holds.
fn frames<T: Pixel>(of: impl Fn(usize) -> T) -> Array3<T> {
    let n = (256 << 20) / (256 * 256 * T::DTYPE.size());
    let mut k = 0usize;
    Array3::from_shape_simple_fn((n, 256, 256), || {
        k = k.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        of(k >> 40)
    })
}

fn passes<T: Pixel>(group: &mut BenchmarkGroup<'_, WallTime>, frames: &Array3<T>) {
    let dtype: DType = T::DTYPE;
    group.throughput(Throughput::Bytes((frames.len() * dtype.size()) as u64));
    let scan = Scan::new(Box::new(frames as &dyn FrameSource), &ScanParams::default()).expect("a scan");
    one(group, &format!("{dtype}/std"), &scan, &PixelStatistics::default(), 1);
    one(group, &format!("{dtype}/std_2_threads"), &scan, &PixelStatistics::default(), 2);
    one(group, &format!("{dtype}/logsum"), &scan, &LogSum, 1);
    one(group, &format!("{dtype}/center_of_mass"), &scan, &CenterOfMass::default(), 1);
    let disk = Detector::Disk { center: [128.0, 128.0], radius: 40.0 };
    one(group, &format!("{dtype}/disk"), &scan, &VirtualDetectors::new(&[disk]), 1);
}

fn one<C: Consumer + Sync>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    scan: &Scan<'_>,
    consumer: &C,
    threads: usize,
) where
    C::Output: Send,
{
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
    let selection = scan.select(None).expect("a selection");
    group.bench_function(name, |b| {
        b.iter(|| {
            pool.install(|| black_box(pass(&selection, consumer, &Default::default(), &NoProgress).is_ok()))
        })
    });
}

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("pass");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    passes(&mut group, &frames(|v| v as u8));
    passes(&mut group, &frames(|v| v as u16));
    passes(&mut group, &frames(|v| v as i32));
    passes(&mut group, &frames(|v| v as f32));
}

criterion_group!(benches, bench);
criterion_main!(benches);
