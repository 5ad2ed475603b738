//! What was found as numbers, a file and a table.

use std::path::{Path, PathBuf};

use anyhow::Result;
use ndarray::{Array2, ArrayD};
use nonius::blobfinder::Lattice;
use nonius::core::{Axis, DType, Selection, median};
use nonius::io::{Hdf5File, ScanFile, ScanFormat, write_hdf5};
use nonius::workflow::strain::{Deviation, Regions};
use serde::Serialize;

use super::args::StrainConfig;
use super::maps::ScanMap;
use super::measure::{Measured, last_distances, suggested};
use crate::output::{Table, sigma, signed};

/// A region: one of `clusters`.
#[derive(Debug, Serialize)]
struct Cluster {
    label: usize,
    n_frames: usize,
    /// Spots of its summed frames.
    n_spots: usize,
    /// Lattices among them.
    n_lattices: usize,
    zero: Option<[f64; 2]>,
    a: Option<[f64; 2]>,
    b: Option<[f64; 2]>,
    /// Spots on the lattice.
    matched: usize,
    /// log₁₀ of how many as good were to be expected by accident.
    log10_accidental: Option<f64>,
    phase: Option<usize>,
    grain: Option<usize>,
    /// Medians over its frames: ε_xx, ε_yy, ε_xy, rotation / rad.
    strain: Option<[f64; 4]>,
}

/// Cells that are alike.
#[derive(Debug, Serialize)]
struct Phase {
    a: [f64; 2],
    b: [f64; 2],
    n_frames: usize,
}

/// Superlattice spots, region by region.
#[derive(Debug, Serialize)]
struct Superlattice {
    label: usize,
    /// Mean over the frames, and its standard error from their scatter.
    signal: f64,
    error: f64,
}

/// What `nonius strain` found: the JSON object.
#[derive(Debug, Serialize)]
pub(crate) struct Strained {
    file: String,
    format: ScanFormat,
    scan_shape: Vec<usize>,
    sig_shape: [usize; 2],
    dtype: DType,
    n_frames: usize,
    n_missing: usize,
    /// Spots whose sums are the frames' features.
    n_features: usize,
    n_grains: usize,
    clusters: Vec<Cluster>,
    phases: Vec<Phase>,
    superlattice: Vec<Superlattice>,
    direct_beam: [f64; 2],
    /// Frames in which a lattice was fitted.
    n_matched: usize,
    /// Medians of the standard errors of ε_xx, ε_yy, ε_xy, rotation / rad.
    median_errors: [f64; 4],
    /// Names of the maps in the file.
    maps: Vec<String>,
    pub(crate) result: Option<String>,
    pub(crate) report: Option<PathBuf>,
    pub(crate) pictures: Vec<PathBuf>,
    pub(crate) warnings: Vec<String>,
}

/// What `nonius cluster` found: the JSON object.
#[derive(Debug, Serialize)]
pub(crate) struct Clustered {
    file: String,
    scan_shape: Vec<usize>,
    sig_shape: [usize; 2],
    n_frames: usize,
    n_features: usize,
    n_clusters: usize,
    /// Number of frames of each region.
    sizes: Vec<usize>,
    /// Label of every position, row by row; −1: no region, −2: outside the region of interest.
    labels: Vec<i32>,
    /// Ward distances of the last mergers, the last first.
    last_distances: Vec<f64>,
    /// The number of regions before the greatest jump of these.
    suggested: Option<usize>,
    pub(crate) result: Option<String>,
    pub(crate) pictures: Vec<PathBuf>,
    pub(crate) warnings: Vec<String>,
}

impl Strained {
    pub(super) fn new(text: &str, file: &ScanFile, selection: &Selection<'_>, measured: &Measured) -> Self {
        let stages = &measured.stages;
        let (h, w) = file.scan.frame_shape();
        let sizes = stages.labels.sizes();
        let clusters: Vec<Cluster> = stages
            .lattices
            .regions
            .iter()
            .enumerate()
            .map(|(label, region)| {
                let best = region.found.first();
                let lattice: Option<Lattice> = best.map(|b| b.matched.lattice);
                Cluster {
                    label,
                    n_frames: sizes[label],
                    n_spots: region.spots.len(),
                    n_lattices: region.found.len(),
                    zero: lattice.map(|l| l.zero),
                    a: lattice.map(|l| l.a),
                    b: lattice.map(|l| l.b),
                    matched: best.map_or(0, |b| b.matched.n_points()),
                    log10_accidental: best.map(|b| b.log10_accidental),
                    phase: stages.crystals.phase_of_region(label),
                    grain: stages.crystals.grain_of_region(label),
                    strain: stages.crystals.phase_of_region(label).map(|_| of_region(measured, label)),
                }
            })
            .collect();
        let strain = &stages.strain;
        let phases = strain
            .references
            .iter()
            .zip(&stages.crystals.phases)
            .map(|(reference, phase)| Phase {
                a: reference.a,
                b: reference.b,
                n_frames: phase.regions.iter().map(|&l| sizes[l]).sum(),
            })
            .collect();
        let last = ndarray::Axis(strain.errors.ndim() - 1);
        let mut found = Strained {
            file: text.into(),
            format: file.format,
            scan_shape: file.scan.shape().to_vec(),
            sig_shape: [h, w],
            dtype: file.scan.dtype(),
            n_frames: selection.len(),
            n_missing: file.scan.n_missing(),
            n_features: stages.regions.spots.len(),
            n_grains: stages.grains.n_clusters(),
            clusters,
            phases,
            superlattice: superlattice(measured),
            direct_beam: stages.lattices.direct_beam,
            n_matched: stages.frames.n_matched_frames(),
            median_errors: std::array::from_fn(|k| median(strain.errors.index_axis(last, k).iter().copied())),
            maps: Vec::new(),
            result: None,
            report: None,
            pictures: Vec::new(),
            warnings: crate::scan::warnings(file),
        };
        found.warn(&stages.regions);
        found
    }

    fn warn(&mut self, regions: &Regions) {
        let warnings = &mut self.warnings;
        warnings.extend(warnings_of(regions));
        let without: Vec<String> =
            self.clusters.iter().filter(|c| c.a.is_none()).map(|c| c.label.to_string()).collect();
        if without.len() == self.clusters.len() {
            warnings.push(
                "no region shows a lattice that is not an accident: nothing crystalline, or --radius is wrong".into(),
            );
        } else if !without.is_empty() {
            warnings.push(format!("no lattice in region {}", without.join(", ")));
        }
        let foreign: Vec<String> = self
            .clusters
            .iter()
            .filter(|c| c.a.is_some() && c.phase.is_none())
            .map(|c| c.label.to_string())
            .collect();
        if !foreign.is_empty() {
            warnings
                .push(format!("the cell of region {} is none of those given by --cell", foreign.join(", ")));
        }
        let several =
            self.clusters.iter().filter(|c| c.n_lattices > 1 && 10 * c.n_frames > self.n_frames).count();
        if several > 0 {
            warnings.push(format!(
                "{several} large regions show several lattices at once: grains that overlap, or too few --clusters"
            ));
        }
    }

    /// Writes the arrays to `out`.
    pub(super) fn write(
        &mut self,
        out: &Path,
        config: &StrainConfig,
        selection: &Selection<'_>,
        measured: &Measured,
        maps: &[ScanMap],
    ) -> Result<()> {
        let stages = &measured.stages;
        let n_scan = selection.scan().shape().len();
        let scan = &selection.scan().axes()[..n_scan];
        let mut file = Hdf5File::new("strain");
        describe(&mut file, &self.file, self.n_frames, config)?;
        file.attribute("coordinates", "(y, x) in px, zero at the centre of the first pixel");
        file.attribute("labels", "-1: in no region or grain, -2: outside the region of interest");
        first_stages(&mut file, selection, &stages.deviation, &stages.regions)?;
        file.array("labels", stages.labels.numbers(), scan, "")?;
        let pair = Axis::pixels("(y, x)", 2);
        let over = |tail: &[Axis]| [scan, tail].concat();
        for (name, values, k) in
            [("zero", &stages.frames.zero, 0), ("a", &stages.frames.a, 2), ("b", &stages.frames.b, 4)]
        {
            file.array(name, values.view(), &over(std::slice::from_ref(&pair)), "px")?;
            let errors = vector_errors(&stages.frames.covariance, k, values.shape());
            file.array(&format!("{name}_errors"), errors, &over(std::slice::from_ref(&pair)), "px")?;
        }
        let six = Axis::pixels("zero y, zero x, a y, a x, b y, b x", 6);
        let covariance = stages.frames.covariance.view();
        file.array("lattice_covariance", covariance, &over(&[six.clone(), six]), "px^2")?;
        let references: Vec<f64> =
            stages.strain.references.iter().flat_map(|l| [l.a, l.b]).flatten().collect();
        let n = stages.strain.references.len();
        if n > 0 {
            let references = ArrayD::from_shape_vec(vec![n, 2, 2], references)?;
            let axes = [Axis::pixels("phase", n), Axis::pixels("a, b", 2), pair];
            file.array("references", references, &axes, "px")?;
        }
        for map in maps.iter().filter(|map| map.name != "regions") {
            file.array(map.name, map.values.view(), scan, map.unit)?;
            self.maps.push(map.name.into());
        }
        let (h, w) = selection.scan().frame_shape();
        let regions = &stages.lattices.regions;
        let frames: Vec<f64> = regions.iter().flat_map(|r| r.mean_log.iter().copied()).collect();
        let frames = ArrayD::from_shape_vec(vec![regions.len(), h, w], frames)?;
        let axes =
            [&[Axis::pixels("region", regions.len())][..], &selection.scan().axes()[n_scan..]].concat();
        file.array("region_frames", frames, &axes, "ln(counts)")?;
        write_hdf5(out, file)?;
        self.result = Some(out.display().to_string());
        Ok(())
    }

    /// What stands at the head of the report.
    pub(super) fn facts(&self) -> Vec<[String; 2]> {
        let grid = self.scan_shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" × ");
        let [h, w] = self.sig_shape;
        let mut facts = vec![
            ["scan".into(), format!("{grid}, frames of {h} × {w} px, {}", self.dtype)],
            ["frames with a lattice".into(), format!("{} of {}", self.n_matched, self.n_frames)],
            ["regions, grains, phases".into(), {
                format!("{}, {}, {}", self.clusters.len(), self.n_grains, self.phases.len())
            }],
            ["direct beam".into(), format!("{:.2}, {:.2} px", self.direct_beam[0], self.direct_beam[1])],
        ];
        for (k, phase) in self.phases.iter().enumerate() {
            let length = |[y, x]: [f64; 2]| y.hypot(x);
            let angle = angle_between(phase.a, phase.b);
            facts.push([
                format!("phase {k}: |a|, |b|, angle"),
                format!(
                    "{:.3} px, {:.3} px, {angle:.2}°; {} frames",
                    length(phase.a),
                    length(phase.b),
                    phase.n_frames
                ),
            ]);
        }
        let [xx, yy, xy, rotation] = self.median_errors;
        facts.push([
            "median standard errors".into(),
            format!(
                "ε_xx {:.4} %, ε_yy {:.4} %, ε_xy {:.4} %, rotation {:.3} mrad",
                100.0 * xx,
                100.0 * yy,
                100.0 * xy,
                1e3 * rotation
            ),
        ]);
        facts.extend(self.warnings.iter().map(|w| ["warning".into(), w.clone()]));
        facts
    }

    pub(super) fn regions_table(&self) -> Table {
        let heads = [
            "region",
            "frames",
            "grain",
            "phase",
            "|a| / px",
            "|b| / px",
            "angle / °",
            "spots",
            "ε_xx / %",
            "ε_yy / %",
            "ε_xy / %",
            "rotation / °",
        ];
        let mut table = Table::new(&heads);
        for c in &self.clusters {
            let number = |n: Option<usize>| n.map_or_else(|| "–".into(), |n| n.to_string());
            let length =
                |v: Option<[f64; 2]>| v.map_or_else(|| "–".into(), |[y, x]| format!("{:.3}", y.hypot(x)));
            let angle = match (c.a, c.b) {
                (Some(a), Some(b)) => format!("{:.2}", angle_between(a, b)),
                _ => "–".into(),
            };
            let mut row = vec![
                c.label.to_string(),
                c.n_frames.to_string(),
                number(c.grain),
                number(c.phase),
                length(c.a),
                length(c.b),
                angle,
                format!("{} of {}", c.matched, c.n_spots),
            ];
            let strain = c.strain.unwrap_or([f64::NAN; 4]);
            row.extend((0..3).map(|k| signed(100.0 * strain[k])));
            row.push(signed(strain[3].to_degrees()));
            table.row(row);
        }
        table
    }

    pub(crate) fn table(&self) -> String {
        let grid = self.scan_shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" × ");
        let [h, w] = self.sig_shape;
        let mut text =
            format!("{}: {} frames of {h} × {w} px, {}, scan {grid}\n", self.file, self.n_frames, self.dtype);
        text += &format!(
            "{} regions by {} features, {} grains, {} phases; a lattice in {} frames\n\n{}",
            self.clusters.len(),
            self.n_features,
            self.n_grains,
            self.phases.len(),
            self.n_matched,
            self.regions_table()
        );
        if !self.phases.is_empty() {
            let mut table = Table::new(&["reference", "frames", "a y", "a x", "b y", "b x"]);
            for (k, phase) in self.phases.iter().enumerate() {
                let mut row = vec![format!("phase {k}"), phase.n_frames.to_string()];
                row.extend([phase.a, phase.b].as_flattened().iter().map(|&v| signed(v)));
                table.row(row);
            }
            let [xx, yy, xy, rotation] = self.median_errors;
            text += &format!(
                "\n{table}\nmedian standard errors: ε_xx {} %, ε_yy {} %, ε_xy {} %, rotation {} mrad\n",
                sigma(100.0 * xx),
                sigma(100.0 * yy),
                sigma(100.0 * xy),
                sigma(1e3 * rotation)
            );
        }
        if !self.superlattice.is_empty() {
            let mut table = Table::new(&["superlattice in region", "counts per spot", "±", "σ"]);
            for s in &self.superlattice {
                let many = s.signal / s.error;
                table.row(vec![s.label.to_string(), signed(s.signal), sigma(s.error), format!("{many:.1}")]);
            }
            text += &format!("\n{table}");
        }
        text
    }
}

impl Clustered {
    pub(super) fn new(text: &str, file: &ScanFile, selection: &Selection<'_>, regions: &Regions) -> Self {
        let (h, w) = file.scan.frame_shape();
        let mut warnings = crate::scan::warnings(file);
        warnings.extend(warnings_of(regions));
        Clustered {
            file: text.into(),
            scan_shape: file.scan.shape().to_vec(),
            sig_shape: [h, w],
            n_frames: selection.len(),
            n_features: regions.spots.len(),
            n_clusters: regions.labels.n_clusters(),
            sizes: regions.labels.sizes(),
            labels: regions.labels.numbers().iter().copied().collect(),
            last_distances: last_distances(regions, 40),
            suggested: suggested(regions),
            result: None,
            pictures: Vec::new(),
            warnings,
        }
    }

    pub(super) fn write(
        &mut self,
        out: &Path,
        config: &StrainConfig,
        selection: &Selection<'_>,
        deviation: &Deviation,
        regions: &Regions,
    ) -> Result<()> {
        let mut file = Hdf5File::new("strain");
        describe(&mut file, &self.file, self.n_frames, config)?;
        file.attribute("labels", "-1: in no region, -2: outside the region of interest");
        first_stages(&mut file, selection, deviation, regions)?;
        write_hdf5(out, file)?;
        self.result = Some(out.display().to_string());
        Ok(())
    }

    pub(crate) fn table(&self) -> String {
        let grid = self.scan_shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" × ");
        let [h, w] = self.sig_shape;
        let mut text = format!("{}: {} frames of {h} × {w} px, scan {grid}\n", self.file, self.n_frames);
        text += &format!("{} regions by {} features", self.n_clusters, self.n_features);
        if let Some(n) = self.suggested {
            text += &format!("; the tree's greatest jump suggests {n}");
        }
        let mut table = Table::new(&["region", "frames", "left", "distance of the merger"]);
        for (k, size) in self.sizes.iter().enumerate() {
            let distance = self.last_distances.get(k).map_or_else(String::new, |d| format!("{d:.3}"));
            let left = if distance.is_empty() { String::new() } else { (k + 1).to_string() };
            table.row(vec![k.to_string(), size.to_string(), left, distance]);
        }
        text += &format!("\n{table}");
        text
    }
}

fn warnings_of(regions: &Regions) -> Vec<String> {
    let mut warnings = Vec::new();
    if !regions.bad_frames.is_empty() {
        warnings.push(format!("{} frames are NaN under a spot and in no region", regions.bad_frames.len()));
    }
    if !regions.dead_features.is_empty() {
        warnings.push(format!("{} features are 0 in every frame", regions.dead_features.len()));
    }
    warnings
}

fn describe(file: &mut Hdf5File<'_>, source: &str, n_frames: usize, config: &StrainConfig) -> Result<()> {
    file.attribute("program", concat!("nonius ", env!("CARGO_PKG_VERSION")));
    file.attribute("source", source);
    file.attribute("n_frames", n_frames as f64);
    file.attribute("parameters", toml::to_string(config)?);
    Ok(())
}

/// What `--resume` reads.
fn first_stages<'a>(
    file: &mut Hdf5File<'a>,
    selection: &Selection<'_>,
    deviation: &'a Deviation,
    regions: &'a Regions,
) -> Result<()> {
    let n_scan = selection.scan().shape().len();
    let (scan, frame) = selection.scan().axes().split_at(n_scan);
    file.array("sum", deviation.sum.view().into_dyn(), frame, "counts")?;
    file.array("deviation", deviation.deviation.view().into_dyn(), frame, "counts")?;
    let n = regions.spots.len();
    let spots = Array2::from_shape_fn((n, 2), |(k, axis)| regions.spots[k].refined[axis]);
    let axes = [Axis::pixels("spot", n), Axis::pixels("(y, x)", 2)];
    file.array("spots", spots.into_dyn(), &axes, "px")?;
    file.array("regions", regions.labels.numbers(), scan, "")?;
    Ok(())
}

/// Standard errors of two components of `(zero, a, b)`, from number `first` on.
fn vector_errors(covariance: &ArrayD<f64>, first: usize, shape: &[usize]) -> ArrayD<f64> {
    let all: Vec<f64> = covariance.iter().copied().collect();
    let errors = all.chunks_exact(36).flat_map(|c| [0, 1].map(|axis| c[7 * (first + axis)].sqrt())).collect();
    ArrayD::from_shape_vec(shape, errors).expect("two for each position")
}

/// Medians of strain over the frames of a region.
fn of_region(measured: &Measured, label: usize) -> [f64; 4] {
    let (labels, strain) = (&measured.stages.labels, &measured.stages.strain);
    let roi = labels.cluster(label);
    [&strain.xx, &strain.yy, &strain.xy, &strain.rotation].map(|map| {
        let values = roi.gather(map.view()).unwrap_or_default();
        median(values)
    })
}

fn superlattice(measured: &Measured) -> Vec<Superlattice> {
    let Some(maps) = &measured.superlattice else { return Vec::new() };
    let of = |(label, roi, _): (usize, nonius::Roi, usize)| {
        let values = roi.gather(maps.signal.view()).unwrap_or_default();
        let finite: Vec<f64> = values.into_iter().filter(|v| v.is_finite()).collect();
        let n = finite.len() as f64;
        let mean = finite.iter().sum::<f64>() / n;
        let variance = finite.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
        Superlattice { label, signal: mean, error: (variance / n).sqrt() }
    };
    measured.stages.labels.iter().map(of).collect()
}

/// Angle between two vectors, degrees.
fn angle_between(a: [f64; 2], b: [f64; 2]) -> f64 {
    let (cross, dot) = (a[1] * b[0] - a[0] * b[1], a[0] * b[0] + a[1] * b[1]);
    cross.abs().atan2(dot).to_degrees()
}

/// The name without folders.
pub(super) fn short(file: &str) -> String {
    Path::new(file).file_name().map_or_else(|| file.into(), |name| name.to_string_lossy().into_owned())
}
