//! Maps over the scan, as pictures and as a report.

use std::path::{Path, PathBuf};

use anyhow::Result;
use ndarray::{Array2, ArrayD, Ix2};
use nonius::blobfinder::{Drawing, DrawnMark, Mark, Peak, PictureParams};
use nonius::clustering::LabelMap;
use nonius::core::{Axis, Selection};
use nonius::plot::{Map, MapColors, MarkedFrame, Picture};
use nonius::report::{FrameMatch, ReportFrames, ReportMap, ReportTable, ScanReport};
use nonius::workflow::strain::{Deviation, RegionLattice, Regions};

use super::args::StrainConfig;
use super::measure::Measured;
use super::result::{Strained, short};
use crate::session::Session;

/// Neither white as spots nor black as what is between them.
const AMBER: [u8; 3] = [255, 176, 0];

/// One number per position of the scan.
pub(super) struct ScanMap {
    /// Part of file names.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) unit: &'static str,
    pub(super) about: &'static str,
    pub(super) values: ArrayD<f64>,
    pub(super) colors: MapColors,
}

/// All maps, the most asked for first.
pub(super) fn of(measured: &Measured, selection: &Selection<'_>) -> Vec<ScanMap> {
    let stages = &measured.stages;
    let (frames, strain) = (&stages.frames, &stages.strain);
    let scan = selection.scan().shape();
    let mut maps = Vec::new();
    let mut add = |name, title, unit, about, colors, values| {
        maps.push(ScanMap { name, title, unit, about, values, colors });
    };
    let from_vectors = |vectors: &ArrayD<f64>, of: fn([f64; 2]) -> f64| {
        let all: Vec<f64> = vectors.iter().copied().collect();
        let values = all.chunks_exact(2).map(|v| of([v[0], v[1]])).collect();
        ArrayD::from_shape_vec(scan, values).expect("a vector for each position")
    };
    let length = |[y, x]: [f64; 2]| y.hypot(x);
    let direction = |[y, x]: [f64; 2]| y.atan2(x).to_degrees();
    let (a_length, b_length) = (from_vectors(&frames.a, length), from_vectors(&frames.b, length));
    let (a_angle, b_angle) = (from_vectors(&frames.a, direction), from_vectors(&frames.b, direction));
    let (amount, signed) = (MapColors::Amount, MapColors::Signed);
    let percent = |values: &ArrayD<f64>| values.mapv(|v| 100.0 * v);
    let error = |k: usize, factor: f64| {
        let last = ndarray::Axis(strain.errors.ndim() - 1);
        strain.errors.index_axis(last, k).mapv(|v| factor * v)
    };

    add(
        "grains",
        "grains",
        "",
        "Touching regions of one crystal.",
        names(&stages.grains),
        numbers(&stages.grains),
    );
    add(
        "regions",
        "regions",
        "",
        "Frames that resemble one another, by Ward's method; at grain boundaries by the grain shown most.",
        names(&stages.labels),
        numbers(&stages.labels),
    );
    let phase = |label: &Option<usize>| label.and_then(|l| stages.crystals.phase_of_region(l));
    let phases: Vec<f64> =
        stages.labels.labels().iter().map(|l| phase(l).map_or(f64::NAN, |p| p as f64)).collect();
    let phases = stages.labels.roi().spread(phases, f64::NAN).expect("one for each sample").into_owned();
    let phase_names = (0..stages.crystals.phases.len()).map(|k| format!("phase {k}")).collect();
    add("phases", "phases", "", "Regions whose cells are alike.", MapColors::Categories(phase_names), phases);
    let about = "Strain of the crystal against its phase's reference, along the reference's axes.";
    add("strain_xx", "ε_xx", "%", about, signed.clone(), percent(&strain.xx));
    add("strain_yy", "ε_yy", "%", about, signed.clone(), percent(&strain.yy));
    add("strain_xy", "ε_xy", "%", about, signed.clone(), percent(&strain.xy));
    let turn = MapColors::Cyclic { period: 180.0 };
    let about = "Rotation of the crystal against its phase's reference, from x towards y.";
    add("rotation", "rotation", "°", about, turn, strain.rotation.mapv(f64::to_degrees));
    let about = "Standard error, from the scatter of the spots about the lattice.";
    add("strain_xx_error", "± ε_xx", "%", about, amount.clone(), error(0, 100.0));
    add("strain_yy_error", "± ε_yy", "%", about, amount.clone(), error(1, 100.0));
    add("strain_xy_error", "± ε_xy", "%", about, amount.clone(), error(2, 100.0));
    add("rotation_error", "± rotation", "mrad", about, amount.clone(), error(3, 1000.0));
    let around = MapColors::Cyclic { period: 360.0 };
    let about = "Of the vectors of the region's reduced cell, which differ from phase to phase.";
    add("ratio", "|b| / |a|", "", about, amount.clone(), &b_length / &a_length);
    let between = (&b_angle - &a_angle).mapv(|d| (d + 360.0).rem_euclid(360.0));
    add("angle", "angle from a to b", "°", about, amount.clone(), between);
    add("a_direction", "direction of a", "°", about, around.clone(), a_angle);
    add("b_direction", "direction of b", "°", about, around, b_angle);
    add("a_length", "|a|", "px", about, amount.clone(), a_length);
    add("b_length", "|b|", "px", about, amount.clone(), b_length);
    let about = "How far the direct beam is from its mean place: the drift of the pattern.";
    for (axis, name, title) in [(0, "zero_y", "zero, y"), (1, "zero_x", "zero, x")] {
        let last = ndarray::Axis(frames.zero.ndim() - 1);
        let zero = frames.zero.index_axis(last, axis).to_owned();
        let mean = mean(&zero);
        add(name, title, "px", about, signed.clone(), zero.mapv(|v| v - mean));
    }
    let about = "Spots of the frame that belong to its lattice.";
    add("n_matched", "spots matched", "", about, amount.clone(), frames.n_matched.clone());
    let about = "Weighted mean distance of these spots from their places.";
    add("distance", "distance", "px", about, amount.clone(), frames.distance.clone());
    if let Some(found) = &measured.superlattice {
        let about = "What superlattice spots have above their surroundings, per spot.";
        add("superlattice", "superlattice", "counts", about, signed, found.signal.clone());
        let about = "Standard error of it, from the scatter among spots.";
        add("superlattice_error", "± superlattice", "counts", about, amount, found.errors.clone());
    }
    maps
}

fn mean(values: &ArrayD<f64>) -> f64 {
    let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    finite.iter().sum::<f64>() / finite.len() as f64
}

/// Labels; NaN where there is none.
fn numbers(labels: &LabelMap) -> ArrayD<f64> {
    labels.groups().mapv(|label| label.map_or(f64::NAN, |k| k as f64))
}

fn names(labels: &LabelMap) -> MapColors {
    MapColors::Categories((0..labels.n_clusters()).map(|k| k.to_string()).collect())
}

/// The two axes of a scan that has two.
fn axes_of(selection: &Selection<'_>) -> Option<[Axis; 2]> {
    match selection.scan().axes() {
        [y, x, _, _] => Some([y.clone(), x.clone()]),
        _ => None,
    }
}

/// Writes pictures beside `out`.
struct Pictures<'a> {
    out: &'a Path,
    paths: Vec<PathBuf>,
}

impl Pictures<'_> {
    fn write(&mut self, name: &str, picture: &Picture) -> Result<()> {
        let stem = self.out.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let path = self.out.with_file_name(format!("{stem}.{name}.png"));
        picture.write(&path)?;
        self.paths.push(path);
        Ok(())
    }

    fn map(
        &mut self,
        name: &str,
        title: String,
        values: ArrayD<f64>,
        axes: [Axis; 2],
        colors: MapColors,
    ) -> Result<()> {
        // A line scan has no picture.
        let Ok(values) = values.into_dimensionality::<Ix2>() else { return Ok(()) };
        if values.iter().any(|v| v.is_finite()) {
            self.write(name, &Map { title, values, axes, colors }.draw()?)?;
        }
        Ok(())
    }
}

/// All pictures; returns their paths.
pub(super) fn draw(
    out: &Path,
    text: &str,
    selection: &Selection<'_>,
    measured: &Measured,
    maps: &[ScanMap],
) -> Result<Vec<PathBuf>> {
    let mut pictures = Pictures { out, paths: Vec::new() };
    let stages = &measured.stages;
    pictures.write("spots", &spots(text, &stages.deviation, &stages.regions)?)?;
    if let Some(axes) = axes_of(selection) {
        for map in maps {
            let unit = if map.unit.is_empty() { String::new() } else { format!(" / {}", map.unit) };
            let title = format!("{}{unit}, {}", map.title, short(text));
            pictures.map(map.name, title, map.values.clone(), axes.clone(), map.colors.clone())?;
        }
    }
    for (k, region) in stages.lattices.regions.iter().enumerate() {
        pictures.write(&format!("region_{k:02}"), &overlay(k, region, measured)?)?;
    }
    Ok(pictures.paths)
}

/// The pictures of `nonius cluster`.
pub(super) fn draw_regions(
    out: &Path,
    text: &str,
    selection: &Selection<'_>,
    deviation: &Deviation,
    regions: &Regions,
) -> Result<Vec<PathBuf>> {
    let mut pictures = Pictures { out, paths: Vec::new() };
    pictures.write("spots", &spots(text, deviation, regions)?)?;
    if let Some(axes) = axes_of(selection) {
        let title = format!("regions, {}", short(text));
        pictures.map("regions", title, numbers(&regions.labels), axes, names(&regions.labels))?;
    }
    Ok(pictures.paths)
}

/// The deviation map with the places where features were taken.
fn spots(text: &str, deviation: &Deviation, regions: &Regions) -> nonius::Result<Picture> {
    let circle = |p: &Peak| DrawnMark {
        mark: Mark::Circle { center: p.refined, radius: 2.0 },
        color: AMBER,
        opacity: 0.8,
    };
    let marks = regions.spots.iter().map(circle).collect();
    // What is far above the rest would hide it.
    let image = deviation.deviation.mapv(|v| if v.is_finite() { (1.0 + v.max(0.0)).ln() } else { 0.0 });
    let remark = format!("ln(1 + σ); {} places where features were taken", regions.spots.len());
    let title = format!("standard deviation, {}", short(text));
    MarkedFrame { title, remark, drawing: Drawing { image, marks } }.draw()
}

/// A region's mean logarithm with its spots and its lattice.
fn overlay(k: usize, region: &RegionLattice, measured: &Measured) -> nonius::Result<Picture> {
    let colors = PictureParams::default();
    let circle = |p: &Peak| DrawnMark {
        mark: Mark::Circle { center: p.refined, radius: 3.0 },
        color: AMBER,
        opacity: 0.8,
    };
    let mut marks: Vec<DrawnMark> = region.spots.iter().map(circle).collect();
    let size = measured.stages.labels.sizes().get(k).copied().unwrap_or(0);
    let remark = match region.found.first() {
        Some(best) => {
            let (lattice, matched) = (best.matched.lattice, &best.matched);
            let dot = |center: &[f64; 2]| DrawnMark {
                mark: Mark::Dot { center: *center, radius: 1.0 },
                color: colors.marker,
                opacity: 1.0,
            };
            marks.extend(matched.calculated.iter().map(dot));
            for (vector, color) in [(lattice.a, colors.a), (lattice.b, colors.b)] {
                let to = [0, 1].map(|axis| lattice.zero[axis] + vector[axis]);
                let mark = Mark::Arrow { from: lattice.zero, to };
                marks.push(DrawnMark { mark, color, opacity: 1.0 });
            }
            let more = match region.found.len() {
                1 => String::new(),
                n => format!("; {} more lattices", n - 1),
            };
            format!(
                "{size} frames; {} of {} spots on the lattice{more}",
                matched.n_points(),
                region.spots.len()
            )
        }
        None => format!("{size} frames; {} spots, no lattice", region.spots.len()),
    };
    let drawing = Drawing { image: region.mean_log.clone(), marks };
    MarkedFrame { title: format!("region {k}, mean of ln(I − min + 1)"), remark, drawing }.draw()
}

/// `FILE.report.html` beside the file of results; None for a scan that has no two axes.
pub(super) fn report(
    session: &Session,
    out: &Path,
    text: &str,
    config: &StrainConfig,
    selection: &Selection<'_>,
    measured: &Measured,
    maps: &[ScanMap],
    found: &Strained,
) -> Result<Option<PathBuf>> {
    let Some(axes) = axes_of(selection) else { return Ok(None) };
    let mut report = ScanReport::new(format!("Grains and strain of {}", short(text)), axes);
    report.text.push(
        "Frames were gathered to connected regions that resemble one another; each region's lattice was found in its \
         summed frames, and fitted to the spots of every single frame. Strain is that of the crystal, against the \
         reference of its phase."
            .into(),
    );
    report.facts = found.facts();
    for map in maps {
        let Ok(values) = map.values.view().into_dimensionality::<Ix2>() else { continue };
        let values: Array2<f32> = values.mapv(|v| v as f32);
        if values.iter().all(|v| !v.is_finite()) {
            continue;
        }
        report.maps.push(ReportMap {
            description: map.about.into(),
            colors: map.colors.clone(),
            ..ReportMap::new(map.title, map.unit, values)
        });
    }
    if report.maps.is_empty() {
        return Ok(None);
    }
    let frames = &measured.stages.frames;
    let at = move |position: usize| {
        let (region, sample) = frames.find(position)?;
        FrameMatch::of_sample(&region.refined, sample).ok()
    };
    report.frames = Some(ReportFrames {
        scan: selection.scan(),
        matches: Some(Box::new(at)),
        params: config.frame_pictures,
    });
    let table = found.regions_table();
    report.tables.push(ReportTable {
        title: "Regions".into(),
        columns: table.columns().iter().map(ToString::to_string).collect(),
        rows: table.body().to_vec(),
    });
    let deviation = spots(text, &measured.stages.deviation, &measured.stages.regions)?;
    report.pictures.push((deviation, "Where features were taken.".into()));
    for (k, region) in measured.stages.lattices.regions.iter().enumerate() {
        report.pictures.push((overlay(k, region, measured)?, format!("Region {k} and its lattice.")));
    }
    let stem = out.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let path = out.with_file_name(format!("{stem}.report.html"));
    report.write(&path, session)?;
    Ok(Some(path))
}
