//! One pass over frames in memory: bytes per second of every map. Clusters of feature vectors: time of a whole run.
//!
//! `cargo bench --bench clustering`; names are `pass/uint16/std`, frames 256 × 256, and `samples/10890x302/k_means`, the
//! size of a scan of 90 × 121 with 300 features and two coordinates; one thread unless named otherwise.
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use ndarray::{Array2, Array3};
use nonius::clustering::{
    CenterOfMass, DbscanParams, Detector, HdbscanParams, KMeansParams, LinkageParams, LogSum, MixtureParams,
    OpticsParams, PixelStatistics, SilhouetteParams, VirtualDetectors, dbscan, gaussian_mixture, hdbscan,
    k_means, linkage, optics, silhouette,
};
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

/// Feature vectors of a scan of 90 × 121 in fifteen regions: 300 features and two coordinates.
fn samples() -> Array2<f64> {
    let mut k = 0usize;
    Array2::from_shape_fn((90 * 121, 302), |(i, feature)| {
        k = k.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let noise = (k >> 40) as f64 / (1 << 24) as f64;
        let (y, x) = (i / 121, i % 121);
        let region = y / 30 * 5 + x / 25;
        noise + if (region * 7 + feature) % 15 < 5 { 2.0 } else { 0.0 }
    })
}

fn clusters(c: &mut Criterion) {
    let mut group = c.benchmark_group("samples/10890x302");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    let x = samples();
    let few = x.slice(ndarray::s![.., ..10]).to_owned();
    let labels: Vec<_> = (0..x.nrows()).map(|i| Some(i / 121 / 30 * 5 + i % 121 / 25)).collect();
    let mut run = |name: &str, run: &(dyn Fn() -> bool + Sync)| {
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            let name = if threads == 1 { name.to_owned() } else { format!("{name}_2_threads") };
            group.bench_function(name, |b| b.iter(|| pool.install(|| assert!(black_box(run())))));
        }
    };
    let once = KMeansParams { n_starts: 1, ..Default::default() };
    run("k_means/15", &|| k_means(x.view(), 15, &once, &NoProgress).is_ok());
    run("dbscan", &|| dbscan(x.view(), 12.0, &DbscanParams::default(), &NoProgress).is_ok());
    run("dbscan/10_columns", &|| dbscan(few.view(), 0.5, &DbscanParams::default(), &NoProgress).is_ok());
    run("optics", &|| optics(x.view(), &OpticsParams::default(), &NoProgress).is_ok());
    run("hdbscan", &|| hdbscan(x.view(), &HdbscanParams::default()).is_ok());
    run("mixture/10_columns", &|| {
        gaussian_mixture(few.view(), 15, &MixtureParams::default(), &NoProgress).is_ok()
    });
    run("linkage/ward", &|| linkage(x.view(), &LinkageParams::default(), &NoProgress).is_ok());
    run("silhouette", &|| silhouette(x.view(), &labels, &SilhouetteParams::default(), &NoProgress).is_ok());
}

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("pass");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    passes(&mut group, &frames(|v| v as u8));
    passes(&mut group, &frames(|v| v as u16));
    passes(&mut group, &frames(|v| v as i32));
    passes(&mut group, &frames(|v| v as f32));
}

criterion_group!(benches, bench, clusters);
criterion_main!(benches);
