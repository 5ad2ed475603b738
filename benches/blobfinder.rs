//! Disks in frames, lattices among them, and every frame of a scan. One thread unless named otherwise.
//!
//! `cargo bench --bench blobfinder`; names are `disks/256x256/crop_fit_f32`: twenty disks in windows of 32 × 32 px,
//! `lattice/search_20`, `scan/144x144/refine_fit`.
#![allow(missing_docs)]

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use ndarray::{Array2, Array3};
use nonius::blobfinder::{
    CorrelationParams, CorrelationPlan, Lattice, LatticePoint, LatticeSearchParams, Method, RefineParams,
    Refinement, Template, TemplateKind, TemplateParams, ZeroShift, fast_match, index_grid, refine_lattices,
    search_lattices,
};
use nonius::core::{PassParams, Real, ScanParams};
use nonius::synthetic::{DiffractionBackground, DiffractionParams, DiffractionScan, DiffractionScanParams};
use nonius::{FrameSource, NoProgress, ReadFrames, Scan};

const RADIUS: f64 = 8.0;

const LATTICE: Lattice = Lattice { zero: [128.3, 127.6], a: [48.4, 5.2], b: [-4.3, 50.6] };

fn template(radius: f64) -> Template {
    Template::new(&TemplateParams::new(TemplateKind::Circular, radius)).expect("a template")
}

/// A frame of counts and twenty pixels near disks.
fn frame<F: Real>() -> (Array2<F>, Vec<[i32; 2]>) {
    let Lattice { zero, a, b } = LATTICE;
    let params = DiffractionParams {
        shape: [256, 256],
        zero,
        a,
        b,
        radius: RADIUS,
        electrons: 10_000.0,
        background: DiffractionBackground { constant: 3.0, ..Default::default() },
        ..Default::default()
    };
    let made = params.generate().expect("a frame");
    let near = |p: &[f64; 2]| p.map(|c| c.round() as i32);
    let inside = |p: &&[f64; 2]| p.iter().all(|c| (16.0..240.0).contains(c));
    let positions: Vec<_> = made.truth.positions.iter().filter(inside).map(near).take(20).collect();
    assert_eq!(positions.len(), 20);
    (made.frame.mapv(F::of), positions)
}

fn disks(c: &mut Criterion) {
    let mut group = c.benchmark_group("disks");
    let single = frame::<f32>();
    let double = frame::<f64>();
    let crop = |refinement| CorrelationParams { refinement, ..Default::default() };
    let of = |method| CorrelationParams { method, ..crop(Refinement::Paraboloid) };
    let compatible = CorrelationParams::compatible(Method::Crop, 0);
    find(&mut group, "crop_compatible_f32", &single, &compatible);
    find(&mut group, "crop_compatible_f64", &double, &compatible);
    for (name, refinement) in [
        ("crop_center_of_mass_f32", Refinement::CenterOfMass { radius: 2 }),
        ("crop_paraboloid_f32", Refinement::Paraboloid),
        ("crop_continuous_f32", Refinement::Continuous),
        ("crop_upsampled_20_f32", Refinement::Upsampled { factor: 20 }),
        ("crop_fit_f32", Refinement::default()),
    ] {
        find(&mut group, name, &single, &crop(refinement));
    }
    for (name, method) in [("crop_normalized_f32", Method::Crop), ("full_normalized_f32", Method::Full)] {
        find(&mut group, name, &single, &CorrelationParams { normalized: true, ..of(method) });
    }
    find(&mut group, "full_f32", &single, &of(Method::Full));
    let full = CorrelationParams { refinement: Refinement::Continuous, ..of(Method::Full) };
    find(&mut group, "full_continuous_f32", &single, &full);
    find(&mut group, "direct_5_steps_f32", &single, &of(Method::Direct { steps: 5 }));
}

fn find<F: Real>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    (frame, positions): &(Array2<F>, Vec<[i32; 2]>),
    params: &CorrelationParams,
) {
    let plan = CorrelationPlan::<F>::new(frame.dim(), &[template(RADIUS)], params).expect("a plan");
    let (mut scratch, mut peaks) = (plan.scratch(), Vec::new());
    let pixels = frame.as_slice().expect("in rows");
    group.bench_function(format!("256x256/{name}"), |b| {
        b.iter(|| plan.run_with(black_box(pixels), positions, &mut scratch, &mut peaks).is_ok())
    });
}

/// `n` points of a lattice, strewn by up to 0.3 px, and a fifth as many anywhere.
fn points(n: usize) -> Vec<LatticePoint> {
    let truth = Lattice { zero: [127.3, 128.6], a: [24.4, 3.2], b: [-2.3, 26.6] };
    // Weyl sequences.
    let fraction = |k: usize, step: f64| ((k + 1) as f64 * step).fract();
    let steps = [0.754_877_666_246_692_7, 0.569_840_290_998_053_2];
    let grid = index_grid(-3..=3, -3..=3).into_iter().enumerate().take(n - n / 6);
    let lattice = grid.map(|(k, index)| {
        let p = truth.position(index.map(f64::from));
        [0, 1].map(|axis| p[axis] + 0.6 * (fraction(k, steps[axis]) - 0.5))
    });
    let anywhere = (0..n / 6).map(|k| steps.map(|step| 256.0 * fraction(k + 100, step)));
    lattice.chain(anywhere).map(LatticePoint::new).collect()
}

fn lattices(c: &mut Criterion) {
    let mut group = c.benchmark_group("lattice");
    for n in [20, 40] {
        let points = points(n);
        group.bench_function(format!("search_{n}"), |b| {
            b.iter(|| search_lattices(black_box(&points), &LatticeSearchParams::default()))
        });
    }
    let start = Lattice { zero: [127.0, 129.0], a: [24.0, 3.0], b: [-2.0, 27.0] };
    let points = points(25);
    group.bench_function("fast_match_25", |b| {
        b.iter(|| fast_match(black_box(&points), &start, &Default::default()))
    });
}

fn scans(c: &mut Criterion) {
    let mut group = c.benchmark_group("scan");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    let frame = DiffractionParams {
        shape: [144, 144],
        zero: [71.6, 72.3],
        a: [24.3, 1.2],
        b: [-1.1, 23.8],
        radius: 6.0,
        electrons: 5000.0,
        ..Default::default()
    };
    let start = Lattice { zero: frame.zero, a: frame.a, b: frame.b };
    let made = DiffractionScan::new(&DiffractionScanParams { scan: [16, 16], frame, ..Default::default() });
    let made = made.expect("a scan");
    let mut frames = Array3::<f32>::zeros((256, 144, 144));
    for (k, mut frame) in frames.outer_iter_mut().enumerate() {
        frame.assign(&made.frame::<f32>(k).expect("a frame"));
    }
    let scan = Scan::new(Box::new(&frames as &dyn FrameSource), &ScanParams::default()).expect("a scan");
    group.throughput(Throughput::Elements(256));
    let fit = RefineParams { max_index: 2, ..Default::default() };
    let compatible = RefineParams {
        max_index: 2,
        ..RefineParams::compatible(CorrelationParams::compatible(Method::Crop, 0))
    };
    let cases = [("compatible", &compatible, 1), ("fit", &fit, 1), ("fit_2_threads", &fit, 2)];
    for (name, params, threads) in cases {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        let selection = scan.select(None).expect("a selection");
        let (template, passes) = (template(6.0), PassParams::default());
        let run = || {
            let zero = ZeroShift::None;
            refine_lattices::<f32>(&selection, &template, &start, params, zero, &passes, &NoProgress)
        };
        group.bench_function(format!("144x144/refine_{name}"), |b| {
            b.iter(|| pool.install(|| black_box(run().is_ok())))
        });
    }
}

fn quick() -> Criterion {
    Criterion::default().sample_size(20).measurement_time(Duration::from_secs(2))
}

criterion_group! { name = benches; config = quick(); targets = disks, lattices, scans }
criterion_main!(benches);
