//! How precisely a disk is found, by every refinement: found beside true.
//!
//! ```text
//! cargo run --release --example upsampling                          540 frames whose shifts are known
//! cargo run --release --example upsampling -- scan.blo 5            a recorded scan, disks of radius 5 px
//! ```
//!
//! The simulation is that of LiberTEM-blobfinder's document on upsampling: one disk of radius 6 px in 64 × 64 px, moved
//! by a phase ramp along curves over a scan of 12 × 45 positions, by up to 1 px along y and 2.75 px along x. A
//! recording has no truth; there the brightest disk is followed, and what is printed is the distance from the fit.
//! Three pictures are written to the folder for temporary files.

// An example speaks to whoever runs it.
#![allow(clippy::print_stdout)]

use std::path::Path;

use anyhow::{Context, Result, bail};
use ndarray::{Array2, Array3, Axis};
use nonius::blobfinder::{
    BlobfinderParams, CorrelationParams, CorrelationPlan, DiskFinder, Drawing, DrawnMark, FitParams,
    Intensity, Mark, Method, PeakParams, PeakStatus, PixelNoise, Refinement, Template, TemplateKind,
    TemplateParams, ZeroShift, find_disks,
};
use nonius::core::{PassParams, ScanParams, Selection, fourier_shift, pass};
use nonius::io::{ScanOptions, open_scan};
use nonius::plot::{Curve, CurveChart, CurvePanel, CurveStyle, MarkedFrame};
use nonius::synthetic::CbedParams;
use nonius::{NoProgress, Scan};

const RADIUS: f64 = 6.0;
const SCAN: [usize; 2] = [12, 45];

/// What a setting must stay below to be recommended, px: root mean square and greatest error.
const WANTED: [f64; 2] = [0.02, 0.05];

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match &args[..] {
        [] => simulated(),
        [path, radius] => {
            let radius = radius.parse().with_context(|| format!("radius {radius}: expected a number, px"))?;
            recorded(path, radius)
        }
        _ => bail!("expected nothing, or the path of a scan and the radius of its disks, px"),
    }
}

fn simulated() -> Result<()> {
    let equal = Some([100.0, 100.0]);
    let base = CbedParams { shape: [64, 64], radius: RADIUS, a: equal, b: equal, ..Default::default() };
    let base = base.generate()?.frame;
    println!("one disk at (32, 32), height {}, sum {:.2}", base[[32, 32]], base.mapv(f64::from).sum());
    let truth = true_shifts();
    let wide = base.mapv(f64::from);
    let mut frames = Array3::<f32>::zeros((truth.len(), 64, 64));
    for (mut frame, shift) in frames.outer_iter_mut().zip(&truth) {
        frame.assign(&fourier_shift(wide.view(), shift)?.mapv(|v| v as f32));
    }
    let (least, greatest) =
        frames.iter().fold((f32::MAX, f32::MIN), |(low, high), &v| (low.min(v), high.max(v)));
    println!("{} frames, pixels from {least:.0} to {greatest:.0}\n", truth.len());

    let scan = Scan::new(Box::new(frames), &ScanParams { shape: Some(SCAN.to_vec()), ..Default::default() })?;
    let followed = follow(&scan.select(None)?, RADIUS)?;
    println!("disk found at {:?}; errors, px (y / x):", followed.center);
    // Positions and shifts are measured from the disk of the base frame.
    let truth: Vec<[f64; 2]> = truth.iter().map(|s| [32.0 + s[0], 32.0 + s[1]]).collect();
    show(&followed, &truth, "true");
    let best = |row: &&Row| {
        let (max, rms, _) = row.errors(&truth);
        rms.iter().all(|v| *v <= WANTED[0]) && max.iter().all(|v| *v <= WANTED[1])
    };
    let good: Vec<&str> = followed.rows.iter().filter(best).map(|row| &row.name[..]).collect();
    println!("\nwithin {} px rms and {} px at most: {}", WANTED[0], WANTED[1], good.join("; "));

    let row_9 = 9 * SCAN[1]..10 * SCAN[1];
    pictures(&base, &followed, &truth, row_9, "true", "row 9 of the scan")
}

/// Scan row y, column x: `(−Y x/45, X y/12)` with Y from −1 to 1 over the rows and X from −3 to 3 over the columns.
fn true_shifts() -> Vec<[f64; 2]> {
    let [ny, nx] = SCAN;
    let along = |k: usize, n: usize, reach: f64| reach * (2.0 * k as f64 / (n - 1) as f64 - 1.0);
    let of = |y: usize, x: usize| {
        [-along(y, ny, 1.0) * x as f64 / nx as f64, along(x, nx, 3.0) * y as f64 / ny as f64]
    };
    (0..ny).flat_map(|y| (0..nx).map(move |x| of(y, x))).collect()
}

fn recorded(path: &str, radius: f64) -> Result<()> {
    let file = open_scan(path, &ScanOptions::default())?;
    let selection = file.scan.select(None)?;
    let followed = follow(&selection, radius)?;
    println!("{path}: {} frames, disk at {:?}", selection.len(), followed.center);
    println!("distance from the disk fit, px (y / x):");
    let Some(fit) = followed.rows.last() else { return Ok(()) };
    let fitted = fit.found.clone();
    show(&followed, &fitted, "fitted");
    let n = file.scan.shape().last().map_or(1, |n| (*n).min(selection.len()));
    let sum = followed.sum.mapv(|v| v as f32);
    pictures(&sum, &followed, &fitted, 0..n, "fitted", "first row of the scan")
}

/// One refinement: where it has the disk in every frame.
struct Row {
    name: String,
    found: Vec<[f64; 2]>,
}

/// A disk through all frames.
struct Followed {
    center: [i32; 2],
    radius: f64,
    sum: Array2<f64>,
    rows: Vec<Row>,
}

/// All settings; the default comes last.
fn settings() -> Vec<(String, CorrelationParams)> {
    let compatible =
        |name: &str, factor| (name.to_owned(), CorrelationParams::compatible(Method::Crop, factor));
    let mut all = vec![
        compatible("log, centre of mass *", 0),
        compatible("log, envelope 20 *", 20),
        compatible("log, envelope 50 *", 50),
    ];
    for (scale, intensity) in
        [("log", Intensity::Log), ("square root", Intensity::SquareRoot), ("linear", Intensity::Linear)]
    {
        for (name, refinement) in [
            ("paraboloid", Refinement::Paraboloid),
            ("upsampled 50", Refinement::Upsampled { factor: 50 }),
            ("continuous", Refinement::Continuous),
        ] {
            let params = CorrelationParams { intensity, refinement, ..Default::default() };
            all.push((format!("{scale}, {name}"), params));
        }
    }
    // Pixels here ring below zero, which counts of electrons never do: the default notices.
    let counting = Refinement::Fit(FitParams { noise: PixelNoise::Counting, ..Default::default() });
    let counting = CorrelationParams { refinement: counting, ..Default::default() };
    all.push(("disk fit, counting noise".into(), counting));
    all.push(("disk fit (default)".into(), CorrelationParams::default()));
    all
}

/// Finds the disk of the summed frame that stands out most, and follows it by every refinement.
fn follow(selection: &Selection<'_>, radius: f64) -> Result<Followed> {
    let template = Template::new(&TemplateParams::new(TemplateKind::Circular, radius))?;
    let params =
        BlobfinderParams { peaks: PeakParams { n_peaks: 1, ..Default::default() }, ..Default::default() };
    let passes = PassParams::default();
    let first = find_disks::<f32>(selection, &template, &params, &passes, &NoProgress)?;
    let [peak] = first.positions[..] else { bail!("there is no disk in the sum of all frames") };
    let center = peak.center.map(f64::from);
    let mut rows = Vec::new();
    for (name, params) in settings() {
        let shape = selection.scan().frame_shape();
        let plan = CorrelationPlan::<f32>::new(shape, std::slice::from_ref(&template), &params)?;
        let finder = DiskFinder::new(plan, &[center], ZeroShift::None)?;
        let disks = pass(selection, &finder, &passes, &NoProgress)?;
        let found = disks.refineds.index_axis(Axis(1), 0);
        let lost = disks.status.iter().filter(|s| **s != PeakStatus::Found).count();
        if lost > 0 {
            println!("{name}: not found in {lost} of {} frames", selection.len());
        }
        let found = found.outer_iter().map(|p| [0, 1].map(|axis| f64::from(p[axis]))).collect();
        rows.push(Row { name, found });
    }
    Ok(Followed { center: peak.center, radius, sum: first.sum, rows })
}

impl Row {
    /// Greatest, root-mean-square and peak-to-peak error `(y, x)`, px.
    fn errors(&self, truth: &[[f64; 2]]) -> ([f64; 2], [f64; 2], [f64; 2]) {
        let along = |axis: usize| {
            let errors: Vec<f64> = self.found.iter().zip(truth).map(|(f, t)| f[axis] - t[axis]).collect();
            let low = errors.iter().copied().fold(f64::INFINITY, f64::min);
            let high = errors.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let square: f64 = errors.iter().map(|e| e * e).sum();
            (high.max(-low), (square / errors.len() as f64).sqrt(), high - low)
        };
        let [y, x] = [along(0), along(1)];
        ([y.0, x.0], [y.1, x.1], [y.2, x.2])
    }
}

fn show(followed: &Followed, truth: &[[f64; 2]], what: &str) {
    let row_9 = 9 * SCAN[1]..10 * SCAN[1];
    let has_row_9 = what == "true";
    println!(
        "{:<26}{:>15}{:>17}{:>17}{}",
        "",
        "max",
        "rms",
        "peak to peak",
        if has_row_9 { "   row 9, y, max" } else { "" }
    );
    for row in &followed.rows {
        let (max, rms, range) = row.errors(truth);
        let of_row = if has_row_9 {
            let part = Row { name: String::new(), found: row.found[row_9.clone()].to_vec() };
            format!("{:17.3}", part.errors(&truth[row_9.clone()]).0[0])
        } else {
            String::new()
        };
        println!(
            "{:<26}{:7.3} /{:6.3}{:9.4} /{:6.4}{:9.3} /{:6.3}{of_row}",
            row.name, max[0], max[1], rms[0], rms[1], range[0], range[1]
        );
    }
    println!("* as LiberTEM-blobfinder 0.6.1 has it");
}

/// The frame with its disk; found against true positions; errors of the refinements.
fn pictures(
    frame: &Array2<f32>,
    followed: &Followed,
    truth: &[[f64; 2]],
    row: std::ops::Range<usize>,
    what: &str,
    which: &str,
) -> Result<()> {
    let center = followed.center.map(f64::from);
    let mark = Mark::Circle { center, radius: followed.radius };
    let dot = Mark::Dot { center, radius: 0.3 };
    let marks = [mark, dot].map(|mark| DrawnMark { mark, color: [255, 176, 0], opacity: 1.0 }).to_vec();
    let mut image = frame.mapv(f64::from);
    Intensity::Log.transform(&mut image);
    let remark = format!("disk of radius {} px at {:?}, logarithmic", followed.radius, followed.center);
    let drawing = Drawing { image, marks };
    let picture = MarkedFrame { title: "base frame".into(), remark, drawing }.draw()?;
    let write = |name: &str, picture: nonius::plot::Picture| -> Result<()> {
        let path = std::env::temp_dir().join(name);
        picture.write(&path)?;
        println!("{}", shown(&path));
        Ok(())
    };
    println!();
    write("upsampling_frame.png", picture)?;

    // Against the number of the column: both components wander over less than a pixel to several.
    let column = |k: usize| (k - row.start) as f64;
    let drawn = |row: &&Row| {
        let names =
            ["log, centre of mass *", "log, envelope 50 *", "square root, continuous", "linear, continuous"];
        names.contains(&&row.name[..]) || row.name.ends_with("(default)")
    };
    let panel = |axis: usize, title: &str, errors: bool| {
        let name = ["y", "x"][axis];
        let expected =
            row.clone().map(|k| [column(k), if errors { 0.0 } else { truth[k][axis] - center[axis] }]);
        let mut curves =
            vec![Curve { name: what.into(), points: expected.collect(), style: CurveStyle::Dashes }];
        for found in followed.rows.iter().filter(drawn) {
            let base = |k: usize| if errors { truth[k][axis] } else { center[axis] };
            let points = row.clone().map(|k| [column(k), found.found[k][axis] - base(k)]).collect();
            curves.push(Curve { name: found.name.clone(), points, style: CurveStyle::Line });
        }
        let y_name =
            if errors { format!("found − {what} {name} / px") } else { format!("shift along {name} / px") };
        CurvePanel { title: title.into(), x_name: "column of the scan".into(), y_name, curves }
    };
    let chart = |title: String, errors: bool| {
        let panels = vec![panel(0, "along y", errors), panel(1, "along x", errors)];
        CurveChart { title, panels }.draw()
    };
    write(
        "upsampling_shifts.png",
        chart(format!("shifts that were found and {what} ones, {which}"), false)?,
    )?;
    write("upsampling_errors.png", chart(format!("errors of the refinements, {which}"), true)?)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
