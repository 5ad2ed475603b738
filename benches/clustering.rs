//! One pass over frames in memory: bytes per second of every map. Clusters of feature vectors: time of a whole run.
//!
//! `cargo bench --bench clustering`; names are `pass/uint16/std`, frames 256 × 256, `samples/10890x302/k_means`, the size of
//! a scan of 90 × 121 with 300 features and two coordinates, and `ward/90x121x302/exact`; one thread unless named otherwise.
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{
    BatchSize, BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use ndarray::{Array2, Array3};
use nonius::clustering::{
    CenterOfMass, DbscanParams, Detector, FeatureParams, FeaturePlan, Graph, HdbscanParams, KMeansParams,
    LinkageParams, LogSum, MixtureParams, Neighbors, OpticsParams, PixelStatistics, Scaling,
    SilhouetteParams, VirtualDetectors, WardParams, dbscan, gaussian_mixture, hdbscan, k_means, linkage,
    optics, scale, silhouette, ward,
};
use nonius::core::{Consumer, DType, NoProgress, Pixel, Roi, ScanParams, pass};
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

/// 300 places in a frame.
fn positions() -> Vec<[i64; 2]> {
    (0..300).map(|k| [(k * 7919) % 256, (k * 104_729) % 256]).collect()
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
    let features = FeaturePlan::new((256, 256), &positions(), &FeatureParams::default()).expect("a plan");
    one(group, &format!("{dtype}/300_masks"), &scan, &features, 1);
    one(group, &format!("{dtype}/300_masks_2_threads"), &scan, &features, 2);
    let n = scan.len() as i64;
    let shifted = features.shifted((0..n).map(|i| [i % 3 - 1, i % 5 - 2]).collect());
    one(group, &format!("{dtype}/300_masks_shifted"), &scan, &shifted, 1);
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

fn clusters(c: &mut Criterion) {
    let mut group = c.benchmark_group("samples/10890x302");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    let x = samples([90, 121]);
    let few = x.slice(ndarray::s![.., ..10]).to_owned();
    let labels: Vec<_> = (0..x.nrows()).map(|i| Some(i / 121 / 25 * 5 + i % 121 / 25)).collect();
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
    run("hdbscan", &|| hdbscan(x.view(), &HdbscanParams::default(), &NoProgress).is_ok());
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

/// Feature vectors of a scan in grains of about 25 × 25: 300 noisy features and two coordinates.
fn samples(shape: [usize; 2]) -> Array2<f64> {
    let mut k = 0usize;
    Array2::from_shape_fn((shape[0] * shape[1], 302), |(i, feature)| {
        let (y, x) = (i / shape[1], i % shape[1]);
        match feature {
            300 => 0.2 * y as f64,
            301 => 0.2 * x as f64,
            _ => {
                k = k.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let grain = (y / 25) * 31 + (x / 25) * 17;
                (k >> 40) as f64 / (1 << 24) as f64 + if (grain + feature) % 7 < 2 { 2.0 } else { 0.0 }
            }
        }
    })
}

fn regions(c: &mut Criterion) {
    for (shape, exact_alone) in [([90, 121], false), ([512, 512], true)] {
        let mut group = c.benchmark_group(format!("ward/{}x{}x302", shape[0], shape[1]));
        group.sampling_mode(SamplingMode::Flat).sample_size(10);
        let features = samples(shape);
        let graph = Graph::grid(&Roi::all(&shape), Neighbors::Direct).expect("a graph");
        for (name, fast, threads) in [("exact", false, 1), ("exact_2_threads", false, 2), ("fast", true, 1)] {
            if exact_alone && name != "exact" {
                continue;
            }
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            let params = WardParams { fast, ..Default::default() };
            let tree = |x: Array2<f64>| pool.install(|| ward(x, &graph, &params, &NoProgress).is_ok());
            group.bench_function(name, |b| {
                b.iter_batched(|| features.clone(), |x| assert!(black_box(tree(x))), BatchSize::PerIteration)
            });
        }
        let scaled = |x: Array2<f64>| scale(x, &Scaling::default()).is_ok();
        group.bench_function("scale", |b| {
            b.iter_batched(|| features.clone(), |x| assert!(black_box(scaled(x))), BatchSize::PerIteration)
        });
        group.bench_function("graph", |b| {
            b.iter(|| black_box(Graph::grid(&Roi::all(&shape), Neighbors::Direct).is_ok()))
        });
    }
}

criterion_group!(benches, bench, regions, clusters);
criterion_main!(benches);
