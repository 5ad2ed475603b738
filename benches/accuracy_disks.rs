//! The tables of disks and lattices: positions on frames of counts, lattices of a strained scan, and the noisy frames of
//! which LiberTEM-blobfinder's errors are known.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use ndarray::{Array1, Array2, ArrayView2};
use nonius::blobfinder::{
    CorrelationParams, CorrelationPlan, Lattice, Peak, PeakStatus, RefineParams, Refinement, StrainParams,
    Template, TemplateKind, TemplateParams, ZeroShift, refine_lattices, strain,
};
use nonius::core::{PassParams, ScanParams, invert_symmetric};
use nonius::io::{Selector, read_array};
use nonius::synthetic::{
    DiffractionBackground, DiffractionParams, DiffractionScan, DiffractionScanParams, DiskTexture,
    NoiseParams,
};
use nonius::{NoProgress, Scan};
use rayon::prelude::*;
use serde_json::{Value, json};

/// Errors beyond this are wrong disks, counted apart, px.
const OUTLIER: f64 = 2.0;

/// What has been written so far.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) table: String,
    pub(crate) records: Vec<Value>,
}

impl Report {
    #[allow(clippy::print_stdout, reason = "a program")]
    fn say(&mut self, line: &str) {
        println!("{line}");
        self.table += line;
        self.table.push('\n');
    }
}

/// Nine disks on a frame, none of them like another with respect to the pixels.
struct Row {
    what: &'static str,
    radius: f64,
    /// Of the template over that of the disks.
    template: f64,
    electrons: f64,
    /// Electrons per pixel.
    background: f64,
    /// Of the read-out, electrons.
    sigma: f64,
    edge: Edge,
    texture: Option<DiskTexture>,
    /// Distance of disks over their radius.
    distance: f64,
}

#[derive(Clone, Copy, PartialEq)]
enum Edge {
    /// That of templates.
    Ramp,
    /// Pixels count what falls on their area.
    Area,
}

fn rows() -> Vec<Row> {
    let ramp = |radius, electrons, background| Row {
        what: "true disk",
        radius,
        template: 1.0,
        electrons,
        background,
        sigma: 0.0,
        edge: Edge::Ramp,
        texture: None,
        distance: 5.0,
    };
    let area = |radius, electrons, background| Row {
        what: "edges by area",
        edge: Edge::Area,
        ..ramp(radius, electrons, background)
    };
    let stripes = DiskTexture { modulation: 0.8, period: 5.0, angle: 0.4 };
    let textured = |electrons, period| Row {
        what: "stripes of 80 %",
        texture: Some(DiskTexture { period, ..stripes }),
        ..area(6.5, electrons, 1.0)
    };
    vec![
        ramp(4.0, 300.0, 1.0),
        ramp(4.0, 2000.0, 0.1),
        ramp(4.0, 2000.0, 5.0),
        ramp(4.0, 20_000.0, 5.0),
        ramp(5.0, 500.0, 1.0),
        ramp(5.0, 5000.0, 1.0),
        ramp(5.0, 5000.0, 20.0),
        ramp(5.0, 50_000.0, 5.0),
        ramp(6.5, 1000.0, 1.0),
        ramp(6.5, 10_000.0, 0.1),
        ramp(6.5, 10_000.0, 10.0),
        area(4.0, 2000.0, 1.0),
        area(5.0, 1500.0, 1.0),
        area(5.0, 15_000.0, 5.0),
        area(6.5, 10_000.0, 0.1),
        Row { what: "template 5 % too large", template: 1.05, ..ramp(5.0, 5000.0, 1.0) },
        Row { what: "template 5 % too small", template: 0.95, ..ramp(5.0, 5000.0, 1.0) },
        Row { what: "template 5 % too large, area", template: 1.05, ..area(6.5, 10_000.0, 1.0) },
        Row { what: "neighbours at 2.2 radii", distance: 2.2, ..ramp(5.0, 5000.0, 1.0) },
        Row { what: "neighbours at 2.2 radii, area", distance: 2.2, ..area(5.0, 5000.0, 1.0) },
        Row { what: "overlap, 1.95 radii, area", distance: 1.95, ..area(6.5, 10_000.0, 1.0) },
        Row { what: "overlap, 1.8 radii, area", distance: 1.8, ..area(6.5, 10_000.0, 1.0) },
        Row { what: "read-out 2 electrons", sigma: 2.0, ..ramp(5.0, 5000.0, 1.0) },
        Row { what: "read-out 20 electrons", sigma: 20.0, ..area(5.0, 20_000.0, 1.0) },
        textured(2000.0, 5.0),
        textured(20_000.0, 5.0),
        textured(20_000.0, 9.0),
        Row {
            what: "stripes of 30 %",
            texture: Some(DiskTexture { modulation: 0.3, ..stripes }),
            ..area(6.5, 10_000.0, 1.0)
        },
    ]
}

/// A frame without noise and where its disks are.
struct Clean {
    frame: Array2<f64>,
    centers: Vec<[f64; 2]>,
}

impl Row {
    fn side(&self) -> usize {
        (2.0 * self.radius * self.distance + 4.5 * self.radius + 8.0).ceil() as usize
    }

    /// The level of a disk over the background.
    fn level(&self) -> f64 {
        self.electrons / (std::f64::consts::PI * self.radius * self.radius)
    }

    /// The same disks whatever the offset, by which they all are displaced.
    fn clean(&self, seed: u64, offset: [f64; 2]) -> nonius::core::Result<Clean> {
        let n = self.side();
        let middle = 0.5 * n as f64;
        // Weyl sequences fill the pixel evenly; no disk sits in its pixel as another.
        let fraction = |step: f64| ((seed + 1) as f64 * step).fract();
        let zero = [
            middle + fraction(0.754_877_666_246_692_7) + offset[0],
            middle + fraction(0.569_840_290_998_053_2) + offset[1],
        ];
        let d = self.distance * self.radius;
        let (a, b) = ([d, 0.061 * d], [-0.047 * d, 1.003 * d]);
        let params = DiffractionParams {
            shape: [n, n],
            zero,
            a,
            b,
            max_index: 1,
            radius: self.radius,
            texture: self.texture,
            electrons: self.electrons,
            background: DiffractionBackground { constant: self.background, ..Default::default() },
            noise: NoiseParams::default(),
            seed,
            ..Default::default()
        };
        let truth = params.generate()?.truth;
        if self.edge == Edge::Area {
            return Ok(Clean { frame: truth.clean, centers: truth.positions });
        }
        let mut frame = Array2::from_elem((n, n), self.background);
        for center in &truth.positions {
            for ((y, x), v) in frame.indexed_iter_mut() {
                let r = (y as f64 - center[0]).hypot(x as f64 - center[1]);
                *v += self.level() * (self.radius + 0.5 - r).clamp(0.0, 1.0);
            }
        }
        Ok(Clean { frame, centers: truth.positions })
    }

    fn draw(&self, seed: u64, plans: &[CorrelationPlan<f64>]) -> Result<Vec<Draw>> {
        let clean = self.clean(seed, [0.0; 2])?;
        let noise = NoiseParams { sigma: self.sigma, ..NoiseParams::poisson(1.0) };
        let frame = noise.add(clean.frame.view(), seed)?;
        let slopes = self.slopes(seed)?;
        let variance = clean.frame.mapv(|m| m + self.sigma * self.sigma);
        let asked: Vec<_> = clean.centers.iter().map(|p| p.map(|c| c.round() as i32)).collect();
        let found: Vec<Vec<Peak>> =
            plans.iter().map(|plan| plan.run(frame.view(), &asked)).collect::<Result<_, _>>()?;
        let draws = clean.centers.iter().enumerate().map(|(k, truth)| {
            let nearest = |y: usize, x: usize| {
                let d = |c: &[f64; 2]| (y as f64 - c[0]).hypot(x as f64 - c[1]);
                let own = d(truth);
                own < self.radius + 2.5 && clean.centers.iter().all(|c| own <= d(c))
            };
            let bound = bound(&clean.frame, &slopes, &variance, self.background, nearest)
                .context("a frame with disks")?;
            let peak = &found[0][k];
            Ok(Draw {
                errors: [0, 1, 2].map(|r| [0, 1].map(|axis| found[r][k].refined[axis] - truth[axis])),
                bound,
                variance: [peak.covariance[0][0], peak.covariance[1][1]],
                fitted: peak.status == PeakStatus::Found,
            })
        });
        draws.collect()
    }

    fn slopes(&self, seed: u64) -> Result<[Array2<f64>; 2]> {
        const STEP: f64 = 1e-3;
        let along = |axis: usize| -> Result<Array2<f64>> {
            let mut offset = [0.0; 2];
            offset[axis] = STEP;
            let high = self.clean(seed, offset)?.frame;
            let low = self.clean(seed, offset.map(|o| -o))?.frame;
            Ok((high - low) / (2.0 * STEP))
        };
        Ok([along(0)?, along(1)?])
    }
}

struct Draw {
    /// Of the fit, the paraboloid, the centre of mass.
    errors: [[f64; 2]; 3],
    bound: [f64; 2],
    variance: [f64; 2],
    fitted: bool,
}

/// Cramér–Rao bound of a disk's position from the pixels that are its own, its level and that of the background
/// unknown: of the information of both slopes what the two levels cannot imitate.
fn bound(
    clean: &Array2<f64>,
    [slope_y, slope_x]: &[Array2<f64>; 2],
    variance: &Array2<f64>,
    background: f64,
    own: impl Fn(usize, usize) -> bool,
) -> Option<[f64; 2]> {
    let mut columns: [Vec<f64>; 4] = Default::default();
    for ((y, x), &m) in clean.indexed_iter().filter(|((y, x), _)| own(*y, *x)) {
        let at = [y, x];
        let sigma = variance[at].sqrt();
        for (column, v) in columns.iter_mut().zip([1.0, m - background, slope_y[at], slope_x[at]]) {
            column.push(v / sigma);
        }
    }
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let [level, mut disk, mut y, mut x] = columns;
    let without = |v: &mut Vec<f64>, u: &[f64]| {
        let share = dot(v, u) / dot(u, u);
        v.iter_mut().zip(u).for_each(|(v, u)| *v -= share * u);
    };
    without(&mut disk, &level);
    for slope in [&mut y, &mut x] {
        without(slope, &level);
        without(slope, &disk);
    }
    let inverse = invert_symmetric([[dot(&y, &y), dot(&y, &x)], [dot(&y, &x), dot(&x, &x)]])?;
    Some([inverse[0][0], inverse[1][1]])
}

/// Root mean squares and shares in per cent.
fn positions(report: &mut Report, draws: u64, only: &str) -> Result<()> {
    let n_frames = draws.div_ceil(4);
    report.say(&format!(
        "\nDisks: {n_frames} frames of nine per row, counting noise. The bound is Cramér and Rao's for a disk whose \
         level and background are unknown. Paraboloid and centre of mass are those of the correlation of logarithms.\n\n\
         | disks | radius | electrons | background | bound, px | fit, px | fit ÷ bound | 1σ, % | 2σ, % | paraboloid, px | centre of mass, px | beyond {OUTLIER} px (fit, paraboloid, mass) | not fitted |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|"
    ));
    for row in rows().iter().filter(|row| format!("disks {}", row.what).contains(only)) {
        let template = TemplateParams::new(TemplateKind::Circular, row.template * row.radius);
        let template = Template::new(&template)?;
        let shape = (row.side(), row.side());
        let refinements =
            [Refinement::default(), Refinement::Paraboloid, Refinement::CenterOfMass { radius: 2 }];
        let plans = refinements.map(|refinement| {
            let params = CorrelationParams { refinement, ..Default::default() };
            CorrelationPlan::new(shape, std::slice::from_ref(&template), &params)
        });
        let plans: Vec<_> = plans.into_iter().collect::<Result<_, _>>()?;
        let found: Vec<Vec<Draw>> =
            (0..n_frames).into_par_iter().map(|seed| row.draw(seed, &plans)).collect::<Result<_>>()?;
        let found: Vec<Draw> = found.into_iter().flatten().collect();
        let near = |r: usize| {
            let near = |d: &&Draw| d.errors[r][0].hypot(d.errors[r][1]) < OUTLIER;
            let near: Vec<&Draw> = found.iter().filter(near).collect();
            near
        };
        let rms = [0, 1, 2].map(|r| mean(near(r).iter().flat_map(|d| d.errors[r].map(|e| e * e))).sqrt());
        let bound = mean(near(0).iter().flat_map(|d| d.bound)).sqrt();
        let fitted: Vec<&Draw> = near(0).into_iter().filter(|d| d.fitted).collect();
        let within = [1.0, 2.0].map(|n| {
            let covers =
                |d: &&Draw| [0, 1].map(|a| f64::from(d.errors[0][a].abs() <= n * d.variance[a].sqrt()));
            100.0 * mean(fitted.iter().flat_map(covers))
        });
        let outliers = [0, 1, 2].map(|r| found.len() - near(r).len());
        let (outliers, lost) = (
            format!("{}, {}, {}", outliers[0], outliers[1], outliers[2]),
            found.iter().filter(|d| !d.fitted).count(),
        );
        let Row { what, radius, electrons, background, .. } = row;
        report.say(&format!(
            "| {what} | {radius} | {electrons} | {background} | {bound:.4} | {:.4} | {:.2} | {:.1} | {:.1} | {:.4} | {:.4} | {outliers} | {lost} |",
            rms[0], rms[0] / bound, within[0], within[1], rms[1], rms[2],
        ));
        report.records.push(json!({
            "disks": what, "radius": radius, "electrons": electrons, "background": background,
            "bound_px": bound, "rms_px": rms[0], "rms_over_bound": rms[0] / bound,
            "within_1_sigma": within[0], "within_2_sigma": within[1],
            "paraboloid_rms_px": rms[1], "center_of_mass_rms_px": rms[2],
            "outliers": outliers, "not_fitted": lost,
        }));
    }
    Ok(())
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (mut n, mut sum) = (0.0, 0.0);
    for v in values {
        n += 1.0;
        sum += v;
    }
    sum / n
}

/// a, b, strain and rotation of strained scans.
fn scans(report: &mut Report) -> Result<()> {
    report.say(
        "\nLattices of a strained scan of 16 × 16 frames of 128 × 128 px, disks of 5 px at 20 px, default parameters.\n\n\
         | electrons per disk | a, b rms, px | claimed, px | 1σ, % | 2σ, % | strain rms | rotation rms, rad | 1σ of strain, % |\n\
         |---|---|---|---|---|---|---|---|",
    );
    let side = 16;
    for electrons in [300.0, 1000.0, 10_000.0] {
        let made = DiffractionScan::new(&DiffractionScanParams {
            scan: [side, side],
            frame: DiffractionParams { electrons, seed: 1, ..Default::default() },
            ..Default::default()
        })?;
        let [zero, a, b] = [made.zero(), made.a(), made.b()].map(|field| field.to_owned());
        let start = Lattice { zero: [64.0; 2], a: [20.0, 0.0], b: [0.0, 20.0] };
        let scan = ScanParams { shape: Some(vec![side, side]), ..Default::default() };
        let scan = Scan::new(Box::new(made), &scan)?;
        let template = Template::new(&TemplateParams::new(TemplateKind::Circular, 5.0))?;
        let (params, passes) = (RefineParams::default(), PassParams::default());
        let found = refine_lattices::<f32>(
            &scan.select(None)?,
            &template,
            &start,
            &params,
            ZeroShift::None,
            &passes,
            &NoProgress,
        )?;
        // (error, standard error) of each component.
        let (mut vectors, mut strains, mut rotations) = (vec![], vec![], vec![]);
        for k in 0..side * side {
            let at = |field: &ndarray::Array3<f64>| [0, 1].map(|axis| field[[k / side, k % side, axis]]);
            let truth = Lattice { zero: at(&zero), a: at(&a), b: at(&b) };
            let lattice = found.lattice(k);
            let covariance: [[f64; 6]; 6] =
                std::array::from_fn(|i| std::array::from_fn(|j| found.covariance[[k, i, j]]));
            for axis in 0..2 {
                for (v, t, i) in [(lattice.a, truth.a, 2), (lattice.b, truth.b, 4)] {
                    vectors.push((v[axis] - t[axis], covariance[i + axis][i + axis].sqrt()));
                }
            }
            let measured = strain(&lattice, Some(&covariance), &start, &StrainParams::default())?;
            let true_strain = strain(&truth, None, &start, &StrainParams::default())?;
            let errors = measured.errors();
            strains.push((measured.xx - true_strain.xx, errors[0]));
            strains.push((measured.yy - true_strain.yy, errors[1]));
            strains.push((measured.xy - true_strain.xy, errors[2]));
            rotations.push((measured.rotation - true_strain.rotation, errors[3]));
        }
        let rms = |of: &[(f64, f64)]| mean(of.iter().map(|(e, _)| e * e)).sqrt();
        let claimed = mean(vectors.iter().map(|(_, s)| s * s)).sqrt();
        let within =
            |of: &[(f64, f64)], n: f64| 100.0 * mean(of.iter().map(|(e, s)| f64::from(e.abs() <= n * s)));
        let (ab, two) = (within(&vectors, 1.0), within(&vectors, 2.0));
        let of_strain = within(&strains, 1.0);
        report.say(&format!(
            "| {electrons} | {:.5} | {claimed:.5} | {ab:.1} | {two:.1} | {:.1e} | {:.1e} | {of_strain:.1} |",
            rms(&vectors),
            rms(&strains),
            rms(&rotations),
        ));
        report.records.push(json!({
            "strain_scan_electrons": electrons, "vectors_rms_px": rms(&vectors), "vectors_claimed_px": claimed,
            "within_1_sigma": ab, "within_2_sigma": two, "strain_rms": rms(&strains),
            "rotation_rms": rms(&rotations), "strain_within_1_sigma": of_strain,
        }));
    }
    Ok(())
}

/// A member of the archive of frames that LiberTEM-blobfinder was tried on.
fn member(name: &str) -> Result<Array2<f64>> {
    let file = Path::new("testdata/blobfinder/correlation.npz");
    let selector = Selector { path: file.into(), key: Some(name.to_owned()), index: Vec::new() };
    let array = read_array::<f64>(selector)?;
    let (rows, columns) = match *array.shape() {
        [n] => (n, 1),
        [.., rows, columns] => (rows, columns),
        [] => (1, 1),
    };
    Ok(array.into_shape_with_order((rows, columns))?)
}

/// Cramér–Rao bounds of a frame of which only the disks' places are known: their levels are read off the frame.
fn bounds_of_frame(
    frame: ArrayView2<'_, f64>,
    truth: &[[f64; 2]],
    all: &[[f64; 2]],
    radius: f64,
) -> Vec<[f64; 2]> {
    let ramp = |y: f64, x: f64, c: [f64; 2]| (radius + 0.5 - (y - c[0]).hypot(x - c[1])).clamp(0.0, 1.0);
    let of_disk = |&center: &[f64; 2]| {
        let distance = |y: usize, x: usize, c: [f64; 2]| (y as f64 - c[0]).hypot(x as f64 - c[1]);
        let own = |y: usize, x: usize| {
            let d = distance(y, x, center);
            d < radius + 2.5 && all.iter().all(|&c| d <= distance(y, x, c) + 1e-9)
        };
        // Least squares of A d + B.
        let (mut n, mut d1, mut d2, mut v1, mut dv) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for ((y, x), &v) in frame.indexed_iter().filter(|((y, x), _)| own(*y, *x)) {
            let d = ramp(y as f64, x as f64, center);
            n += 1.0;
            d1 += d;
            d2 += d * d;
            v1 += v;
            dv += d * v;
        }
        let a = (n * dv - d1 * v1) / (n * d2 - d1 * d1);
        let b = ((v1 - a * d1) / n).max(1e-3 * a);
        let model =
            |c: [f64; 2]| Array2::from_shape_fn(frame.dim(), |(y, x)| b + a * ramp(y as f64, x as f64, c));
        let step = 1e-3;
        let slope = |axis: usize| {
            let (mut low, mut high) = (center, center);
            low[axis] -= step;
            high[axis] += step;
            (model(high) - model(low)) / (2.0 * step)
        };
        let clean = model(center);
        bound(&clean, &[slope(0), slope(1)], &clean, b, own).unwrap_or([f64::NAN; 2])
    };
    truth.iter().map(of_disk).collect()
}

/// The frames of counts of `testdata/blobfinder`: our default beside the best that the reference was measured to do.
fn recorded(report: &mut Report) -> Result<()> {
    report.say(
        "\nRecorded frames of counts, inner disks, default parameters, f64; the reference is LiberTEM-blobfinder 0.6.1, \
         the better of centre of mass and upsampling by 20. One draw of noise each: a bound may be undercut or missed.\n\n\
         | frame | template | disks | ours rms, px | reference, px | ours ÷ reference | bound, px | bound ÷ reference |\n\
         |---|---|---|---|---|---|---|---|",
    );
    let manifest: Value =
        serde_json::from_str(&std::fs::read_to_string("testdata/blobfinder/manifest.json")?)?;
    let cases = manifest["cases"].as_array().context("a manifest has cases")?;
    let measured = |id: &str| {
        let case = cases.iter().find(|case| case["id"] == id)?;
        case["measured"]["rms_error_px_inner_peaks"].as_f64()
    };
    let mut all = Vec::new();
    for case in cases {
        let Some(row) = case["id"].as_str().and_then(|id| id.strip_suffix("_f64_us0")) else { continue };
        if !row.starts_with("fast/frame") {
            continue;
        }
        let reference = [0, 20].map(|u| measured(&format!("{row}_f64_us{u}")).unwrap_or(f64::INFINITY));
        let reference = reference[0].min(reference[1]);
        let pattern = &case["params"]["pattern"];
        let kind = pattern["type"].as_str().context("a type")?;
        let radius = pattern["radius"].as_f64().context("a radius")?;
        let params = TemplateParams {
            kind: match kind {
                "Circular" => TemplateKind::Circular,
                "RadialGradient" => TemplateKind::RadialGradient,
                "BackgroundSubtraction" => TemplateKind::BackgroundSubtraction,
                _ => TemplateKind::RadialGradientBackgroundSubtraction,
            },
            radius,
            radius_outer: pattern["radius_outer"].as_f64(),
            search: pattern["search"].as_f64(),
            ..Default::default()
        };
        let input = |name: &str| member(case["inputs"][name].as_str().unwrap_or_default());
        let (frame, asked, truth) = (input("frame")?, input("peaks")?, input("truth")?);
        let inside: Array1<f64> = input("inside")?.iter().copied().collect();
        let name = case["inputs"]["frame"].as_str().context("a name")?;
        let pairs =
            |array: &Array2<f64>| -> Vec<[f64; 2]> { array.outer_iter().map(|p| [p[0], p[1]]).collect() };
        let every = pairs(&member(&format!("{name}.true"))?);
        let positions: Vec<_> = pairs(&asked).iter().map(|p| p.map(|c| c as i32)).collect();
        let plan = CorrelationPlan::<f64>::new(frame.dim(), &[Template::new(&params)?], &Default::default())?;
        let peaks = plan.run(frame.view(), &positions)?;
        let truth = pairs(&truth);
        ensure!(truth.len() == peaks.len() && inside.len() == peaks.len(), "{row}: a truth for each disk");
        let bounds = bounds_of_frame(frame.view(), &truth, &every, radius);
        let inner: Vec<usize> = (0..peaks.len()).filter(|&k| inside[k] != 0.0).collect();
        let square = |k: &usize| [0, 1].map(|axis| (peaks[*k].refined[axis] - truth[*k][axis]).powi(2));
        let ours = mean(inner.iter().flat_map(square)).sqrt();
        let bound = mean(inner.iter().flat_map(|&k| bounds[k])).sqrt();
        report.say(&format!(
            "| {name}, radius {radius} | {kind}{} | {} | {ours:.4} | {reference:.4} | {:.2} | {bound:.4} | {:.2} |",
            params.radius_outer.map(|r| format!(", outer {r:.2}")).unwrap_or_default(),
            inner.len(),
            ours / reference,
            bound / reference,
        ));
        report.records.push(json!({
            "recorded": row, "rms_px": ours, "reference_rms_px": reference, "bound_px": bound,
        }));
        all.push(ours);
    }
    let average = mean(all.iter().copied());
    report.say(&format!("\nMean of all rows: {average:.4} px."));
    Ok(())
}

/// The tables whose rows contain `only`.
pub(crate) fn tables(draws: u64, only: &str) -> Result<Report> {
    let mut report = Report::default();
    if rows().iter().any(|row| format!("disks {}", row.what).contains(only)) {
        positions(&mut report, draws, only)?;
    }
    if "strain scan".contains(only) {
        scans(&mut report)?;
    }
    if "recorded frames".contains(only) {
        recorded(&mut report)?;
    }
    Ok(report)
}
