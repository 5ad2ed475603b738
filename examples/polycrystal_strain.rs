//! Lattice parameters of a polycrystalline sample: a 4D-STEM scan, its grains, their lattices and strain, found beside true.
//!
//! ```text
//! cargo run --release --example polycrystal_strain                    a scan of the reference document's size
//! cargo run --release --example polycrystal_strain -- scan.blo 2      a recorded scan, spots of radius 2 px
//! ```
//!
//! The simulation has eleven grains of two phases, one with a core that shows weak superlattice spots. It is written as a
//! BLO file and read back, so that what is timed is what a recording takes. Maps and a report to look around in are written
//! to the folder for temporary files.

// An example speaks to whoever runs it.
#![allow(clippy::print_stdout)]

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use ndarray::{Array2, ArrayD, Ix2};
use nonius::blobfinder::Lattice;
use nonius::clustering::adjusted_rand_index;
use nonius::core::{Axis, ScanParams, Selection};
use nonius::io::{BloParams, ScanOptions, open_scan, write_blo};
use nonius::plot::{Map, MapColors};
use nonius::report::{FrameMatch, ReportFrames, ReportMap, ScanReport};
use nonius::synthetic::{PolycrystalParams, PolycrystalScan, PolycrystalTruth};
use nonius::workflow::strain::{StrainResult, StrainWorkflowParams, measure_superlattice, run};
use nonius::{NoProgress, Scan};

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match &args[..] {
        [] => simulated(),
        [path, radius] => {
            let radius = radius.parse().with_context(|| format!("radius {radius}: expected a number, px"))?;
            recorded(path, radius)
        }
        _ => bail!("expected nothing, or the path of a scan and the radius of its spots, px"),
    }
}

fn simulated() -> Result<()> {
    let began = Instant::now();
    let settings = PolycrystalParams::default();
    let made = PolycrystalScan::new(&settings)?;
    let truth = made.truth().clone();
    let shape = settings.scan.to_vec();
    let path = std::env::temp_dir().join("nonius_polycrystal.blo");
    let scan = Scan::new(Box::new(made), &ScanParams { shape: Some(shape), ..Default::default() })?;
    write_blo(&path, &scan, &BloParams::default())?;
    println!("simulated {} in {:.1} s", path.display(), began.elapsed().as_secs_f64());

    let began = Instant::now();
    let file = open_scan(&path, &ScanOptions::default())?;
    let selection = file.scan.select(None)?;
    let mut params = StrainWorkflowParams::default();
    params.reference.cells = settings.phases.iter().map(|phase| [phase.a, phase.b]).collect();
    let found = run(&selection, &params, &NoProgress)?;
    println!("file to strain: {:.2} s", began.elapsed().as_secs_f64());

    let began = Instant::now();
    write_report("nonius_polycrystal", &selection, &found)?;
    println!("report: {:.2} s\n", began.elapsed().as_secs_f64());
    compare(&truth, &found)?;
    core(&truth, &selection, &params, &found)
}

/// What is true beside what was found.
fn compare(truth: &PolycrystalTruth, found: &StrainResult) -> Result<()> {
    let labels: Vec<Option<usize>> = truth.labels.iter().copied().collect();
    println!(
        "grains: {} of {}; adjusted Rand index {:.4} (regions alone: {:.4})",
        found.grains.n_clusters(),
        truth.grains.len(),
        adjusted_rand_index(&labels, found.grains.labels())?,
        adjusted_rand_index(&labels, found.regions.labels.labels())?,
    );
    // Where a frame shows one grain alone.
    let away = |p: &(usize, usize)| truth.boundary_distance[*p] >= 1.5;
    let positions: Vec<(usize, usize)> =
        ndarray::indices(truth.labels.dim()).into_iter().filter(away).collect();
    let right = |&(y, x): &(usize, usize)| {
        let vector = |of: &ArrayD<f64>| [0, 1].map(|axis| of[[y, x, axis]]);
        let pair = |of: &ndarray::Array3<f64>| [0, 1].map(|axis| of[[y, x, axis]]);
        let found = Lattice { zero: [0.0; 2], a: vector(&found.frames.a), b: vector(&found.frames.b) };
        found.is_equivalent(&Lattice { zero: [0.0; 2], a: pair(&truth.a), b: pair(&truth.b) }, 0.5)
    };
    let n_right = positions.iter().filter(|p| right(p)).count();
    println!("cells right in {n_right} of {} frames away from boundaries\n", positions.len());

    println!("                 rms error   within 1σ   worst mean of a grain");
    let strain = &found.strain;
    for (k, name, map, true_map) in [
        (0, "ε_xx", &strain.xx, &truth.strain_xx),
        (1, "ε_yy", &strain.yy, &truth.strain_yy),
        (2, "ε_xy", &strain.xy, &truth.strain_xy),
        (3, "rotation / rad", &strain.rotation, &truth.rotation),
    ] {
        let error = |&(y, x): &(usize, usize)| {
            let error = map[[y, x]] - true_map[[y, x]];
            // A lattice turned by 180° is the same.
            let turns = if k == 3 { (error / std::f64::consts::PI).round() } else { 0.0 };
            error - turns * std::f64::consts::PI
        };
        let errors: Vec<f64> = positions.iter().map(error).collect();
        let rms = (errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64).sqrt();
        let within = positions.iter().zip(&errors).filter(|((y, x), e)| e.abs() < strain.errors[[*y, *x, k]]);
        let within = 100.0 * within.count() as f64 / errors.len() as f64;
        let worst = (0..truth.grains.len())
            .map(|grain| {
                let of_grain =
                    positions.iter().zip(&errors).filter(|(p, _)| truth.labels[**p] == Some(grain));
                let (sum, n) = of_grain.fold((0.0, 0), |(sum, n), (_, e)| (sum + e, n + 1));
                (sum / f64::from(n)).abs()
            })
            .fold(0.0, f64::max);
        println!("{name:<14}  {rms:>10.1e}  {within:>9.1} %  {worst:>22.1e}");
    }
    Ok(())
}

/// The superlattice, which only the core has.
fn core(
    truth: &PolycrystalTruth,
    selection: &Selection<'_>,
    params: &StrainWorkflowParams,
    found: &StrainResult,
) -> Result<()> {
    let offsets = [PolycrystalParams::default().core.context("a core")?.offset];
    let maps =
        measure_superlattice(selection, &found.frames, &offsets, &params.frames, &params.pass, &NoProgress)?;
    let of = |inside: bool| {
        let frames = maps.signal.iter().zip(&truth.superlattice);
        let values: Vec<f64> =
            frames.filter(|(v, s)| **s == inside && v.is_finite()).map(|(v, _)| *v).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let scatter = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt();
        (mean, scatter, values.len())
    };
    for (inside, name) in [(true, "core"), (false, "elsewhere")] {
        let (mean, scatter, n) = of(inside);
        println!("superlattice, {name}: {mean:.2} ± {scatter:.2} counts per spot in a frame, {n} frames");
    }
    Ok(())
}

fn recorded(path: &str, radius: f64) -> Result<()> {
    let file = open_scan(path, &ScanOptions::default())?;
    let selection = file.scan.select(None)?;
    let params = StrainWorkflowParams::default().with_radius(radius);
    let began = Instant::now();
    let found = run(&selection, &params, &NoProgress)?;
    println!(
        "{} regions, {} grains, {} phases, a lattice in {} of {} frames: {:.2} s",
        found.labels.n_clusters(),
        found.grains.n_clusters(),
        found.crystals.phases.len(),
        found.frames.n_matched_frames(),
        selection.len(),
        began.elapsed().as_secs_f64()
    );
    let stem = Path::new(path).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    write_report(&stem, &selection, &found)
}

/// Maps as pictures, and all of them as one page.
fn write_report(stem: &str, selection: &Selection<'_>, found: &StrainResult) -> Result<()> {
    let [y, x, ..] = selection.scan().axes() else { bail!("a scan of two axes") };
    let axes: [Axis; 2] = [y.clone(), x.clone()];
    let labels = found.grains.groups().into_dimensionality::<Ix2>()?;
    let mut report = ScanReport::new("Lattice parameters of a polycrystalline sample", axes.clone());
    report.maps.push(ReportMap::labels("grains", &labels, &[]));
    let strain = &found.strain;
    for (name, file_name, unit, factor, values) in [
        ("ε_xx", "strain_xx", "%", 100.0, &strain.xx),
        ("ε_yy", "strain_yy", "%", 100.0, &strain.yy),
        ("ε_xy", "strain_xy", "%", 100.0, &strain.xy),
        ("rotation", "rotation", "°", 1f64.to_degrees(), &strain.rotation),
    ] {
        let values: Array2<f64> = values.mapv(|v| factor * v).into_dimensionality()?;
        let map = ReportMap::new(name, unit, values.mapv(|v| v as f32));
        report.maps.push(ReportMap { colors: MapColors::Signed, ..map });
        let picture =
            Map { title: format!("{name} / {unit}"), values, axes: axes.clone(), colors: MapColors::Signed };
        let path = std::env::temp_dir().join(format!("{stem}.{file_name}.png"));
        picture.draw()?.write(&path)?;
        println!("wrote {}", path.display());
    }
    let matches = |position: usize| {
        let (region, sample) = found.frames.find(position)?;
        FrameMatch::of_sample(&region.refined, sample).ok()
    };
    report.frames = Some(ReportFrames {
        scan: selection.scan(),
        matches: Some(Box::new(matches)),
        params: Default::default(),
    });
    let path = std::env::temp_dir().join(format!("{stem}.html"));
    report.write(&path, &NoProgress)?;
    println!("wrote {}", path.display());
    Ok(())
}
