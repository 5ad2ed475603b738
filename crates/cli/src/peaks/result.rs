//! What was found as numbers, a file and a table.

use std::path::{Path, PathBuf};

use anyhow::Result;
use ndarray::{Array, Array1, Array2, ArrayD, ArrayView1, Axis as Along, CowArray, Dimension};
use nonius::Roi;
use nonius::blobfinder::{Lattice, PeakStatus};
use nonius::core::{Axis, DType, Selection, median};
use nonius::io::{Hdf5File, Hdf5Number, ScanFile, ScanFormat, write_hdf5};
use serde::Serialize;

use super::args::PeaksConfig;
use super::measure::{Lattices, Measured, Place};
use crate::output::{Table, sigma, signed, six_digits};

/// What was found: the JSON object.
#[derive(Debug, Serialize)]
pub(crate) struct Peaks {
    file: String,
    format: ScanFormat,
    scan_shape: Vec<usize>,
    sig_shape: [usize; 2],
    dtype: DType,
    /// Frames that were used.
    n_frames: usize,
    n_missing: usize,
    /// Disks that were looked for in each.
    n_peaks: usize,
    positions: Vec<Position>,
    /// Over all disks of all frames: parts that were found and so on.
    status: Parts,
    median_height: f64,
    median_elevation: f64,
    /// Median standard error along an axis, px; none where the refinement gives none.
    median_error: Option<f64>,
    lattice: Option<FoundLattice>,
    /// The file with the positions in every frame.
    pub(crate) result: Option<String>,
    pub(crate) pictures: Vec<PathBuf>,
    pub(crate) warnings: Vec<String>,
}

/// A place that was looked at in every frame.
#[derive(Debug, Serialize)]
struct Position {
    position: [f64; 2],
    index: Option<[f64; 2]>,
    /// Medians over the frames.
    height: f64,
    elevation: f64,
    /// Part of the frames in which it was found.
    found: f64,
    /// Standard deviation of its place over those frames, px.
    scatter: [f64; 2],
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Parts {
    found: f64,
    at_edge: f64,
    not_fitted: f64,
    no_signal: f64,
}

/// Lattices of all frames.
#[derive(Debug, Serialize)]
struct FoundLattice {
    /// Where the frames' fits began.
    start: Lattice,
    /// If it was looked for: log₁₀ of how many as good were to be expected by accident.
    log10_accidental: Option<f64>,
    /// Frames in which it was found.
    n_matched: usize,
    /// Those of them that started from their neighbours.
    n_from_neighbors: usize,
    /// Medians over them.
    median: Lattice,
    /// Median standard errors.
    median_errors: Lattice,
    /// Standard deviations over the scan.
    scatter: Lattice,
    /// Median distance of disks from the lattice, px.
    median_distance: f64,
    strain: Option<StrainSummary>,
}

/// Strain against the median: `xx, yy, xy, rotation`.
#[derive(Debug, Serialize)]
struct StrainSummary {
    reference: [[f64; 2]; 2],
    median: [f64; 4],
    scatter: [f64; 4],
    median_errors: [f64; 4],
}

impl Peaks {
    pub(crate) fn new(text: &str, file: &ScanFile, selection: &Selection<'_>, measured: &Measured) -> Self {
        let disks = measured.disks();
        let (h, w) = file.scan.frame_shape();
        let part = |status| {
            let n = disks.status.iter().filter(|s| **s == status).count();
            n as f64 / disks.status.len().max(1) as f64
        };
        let variances = |k: usize| disks.covariances.slice(ndarray::s![.., .., k, k]).into_iter();
        let median_error = median(variances(0).chain(variances(1)).map(|v| f64::from(v.sqrt())));
        Peaks {
            file: text.into(),
            format: file.format,
            scan_shape: file.scan.shape().to_vec(),
            sig_shape: [h, w],
            dtype: file.scan.dtype(),
            n_frames: selection.len(),
            n_missing: file.scan.n_missing(),
            n_peaks: measured.places.len(),
            positions: (0..measured.places.len()).map(|k| Position::new(measured, k)).collect(),
            status: Parts {
                found: part(PeakStatus::Found),
                at_edge: part(PeakStatus::AtEdge),
                not_fitted: part(PeakStatus::NotFitted),
                no_signal: part(PeakStatus::NoSignal),
            },
            median_height: median(disks.peak_values.iter().map(|v| f64::from(*v))),
            median_elevation: median(disks.peak_elevations.iter().map(|v| f64::from(*v))),
            median_error: Some(median_error).filter(|e| e.is_finite()),
            lattice: FoundLattice::new(measured),
            result: None,
            pictures: Vec::new(),
            warnings: crate::scan::warnings(file),
        }
    }

    /// Writes the arrays to `out`.
    pub(crate) fn write(
        &mut self,
        out: &Path,
        config: &PeaksConfig,
        selection: &Selection<'_>,
        measured: &Measured,
    ) -> Result<()> {
        let n_scan = selection.scan().shape().len();
        let (scan, frame) = selection.scan().axes().split_at(n_scan);
        let mut file = Hdf5File::new("peaks");
        file.attribute("program", concat!("nonius ", env!("CARGO_PKG_VERSION")));
        file.attribute("source", self.file.as_str());
        file.attribute("n_frames", self.n_frames as f64);
        file.attribute("n_peaks", self.n_peaks as f64);
        file.attribute("parameters", toml::to_string(config)?);
        file.attribute("coordinates", "(y, x) in px, zero at the centre of the first pixel");
        file.attribute(
            "status_codes",
            "0 found, 1 no signal, 2 at the edge of the window, 3 not fitted, 255 unused",
        );
        if let Some(sum) = &measured.sum {
            file.array("sum", sum.view().into_dyn(), frame, "ln(counts)")?;
        }
        let place = Axis::pixels("peak", measured.places.len());
        let pair = Axis::pixels("(y, x)", 2);
        let positions = rows(measured.places.iter().map(|p| p.position));
        file.array("positions", positions.into_dyn(), &[place.clone(), pair.clone()], "px")?;
        let roi = selection.roi();
        let mut over = Over { file: &mut file, roi, scan };
        let (per_place, per_pair) = ([place.clone()], [place.clone(), pair.clone()]);
        let disks = measured.disks();
        over.array("centers", disks.centers.mapv(|c| c as f32), f32::NAN, &per_pair, "px")?;
        over.array("refineds", disks.refineds.view(), f32::NAN, &per_pair, "px")?;
        over.array("peak_values", disks.peak_values.view(), f32::NAN, &per_place, "")?;
        over.array("peak_elevations", disks.peak_elevations.view(), f32::NAN, &per_place, "1/px")?;
        let deviation = |(k, i, axis)| disks.covariances[[k, i, axis, axis]].sqrt();
        let errors = Array::from_shape_fn(disks.refineds.dim(), deviation);
        over.array("refined_errors", errors, f32::NAN, &per_pair, "px")?;
        over.array("status", disks.status.mapv(code), 255, &per_place, "")?;
        if let Some(lattices) = measured.lattices() {
            over.lattices(&lattices.refined, &place, &pair)?;
        }
        if let Some(strain) = measured.lattices().and_then(|l| l.strain.as_ref()) {
            for (name, values, unit) in [
                ("strain_xx", &strain.xx, ""),
                ("strain_yy", &strain.yy, ""),
                ("strain_xy", &strain.xy, ""),
                ("rotation", &strain.rotation, "rad"),
            ] {
                over.file.array(name, values.view(), scan, unit)?;
            }
            let of = Axis::pixels("xx, yy, xy, rotation", 4);
            let axes = [scan, std::slice::from_ref(&of)].concat();
            over.file.array("strain_errors", strain.errors.view(), &axes, "")?;
            let reference = rows([strain.reference.a, strain.reference.b].into_iter());
            let axes = [Axis::pixels("a, b", 2), pair];
            over.file.array("strain_reference", reference.into_dyn(), &axes, "px")?;
        }
        write_hdf5(out, file)?;
        self.result = Some(out.display().to_string());
        Ok(())
    }

    pub(crate) fn table(&self) -> String {
        let grid = self.scan_shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" × ");
        let [h, w] = self.sig_shape;
        let mut text =
            format!("{}: {} frames of {h} × {w} px, {}, scan {grid}\n", self.file, self.n_frames, self.dtype);
        let what = if self.lattice.is_some() { "places of the lattice" } else { "disks" };
        text += &format!("{} {what} in each, {} found", self.n_peaks, percent(self.status.found));
        for (part, what) in [
            (self.status.at_edge, "at the edge of the window"),
            (self.status.not_fitted, "not fitted"),
            (self.status.no_signal, "without signal"),
        ] {
            if part > 0.0 {
                text += &format!(", {} {what}", percent(part));
            }
        }
        text += &format!(
            "\nmedian height {}, elevation {}",
            six_digits(self.median_height),
            six_digits(self.median_elevation)
        );
        if let Some(error) = self.median_error {
            text += &format!(", standard error {} px", sigma(error));
        }
        let mut table =
            Table::new(&["disk", "y", "x", "height", "elevation", "found", "scatter y", "scatter x"]);
        for (k, p) in self.positions.iter().enumerate() {
            let name = p.index.map_or_else(|| (k + 1).to_string(), |[i, j]| format!("({i}, {j})"));
            table.row(vec![
                name,
                format!("{:.2}", p.position[0]),
                format!("{:.2}", p.position[1]),
                six_digits(p.height),
                six_digits(p.elevation),
                percent(p.found),
                sigma(p.scatter[0]),
                sigma(p.scatter[1]),
            ]);
        }
        let more = table.cut(40);
        text += &format!("\n{table}");
        if more > 0 {
            text += &format!("… and {more} more\n");
        }
        if let Some(lattice) = &self.lattice {
            text += &lattice.table(self.n_frames);
        }
        text
    }
}

impl Position {
    fn new(measured: &Measured, k: usize) -> Self {
        let Place { position, index, .. } = measured.places[k];
        let disks = measured.disks();
        let status = disks.status.column(k);
        let n = status.iter().filter(|s| **s == PeakStatus::Found).count();
        let along = |axis: usize| {
            let all = disks.refineds.slice(ndarray::s![.., k, axis]);
            let found = all.iter().zip(status).filter(|(_, s)| **s == PeakStatus::Found);
            deviation(found.map(|(v, _)| f64::from(*v)))
        };
        let over = |of: &Array2<f32>| median(of.column(k).iter().map(|v| f64::from(*v)));
        Position {
            position,
            index,
            height: over(&disks.peak_values),
            elevation: over(&disks.peak_elevations),
            found: n as f64 / status.len().max(1) as f64,
            scatter: [along(0), along(1)],
        }
    }
}

impl FoundLattice {
    fn new(measured: &Measured) -> Option<Self> {
        let Lattices { start, refined: found, strain } = measured.lattices()?;
        let over = |of: &dyn Fn(ArrayView1<'_, f64>) -> f64| {
            let pair = |vector: &Array2<f64>| [0, 1].map(|axis| of(vector.column(axis)));
            Lattice { zero: pair(&found.zero), a: pair(&found.a), b: pair(&found.b) }
        };
        let error = |k: usize| {
            [0, 1].map(|axis| {
                let variances = found.covariance.slice(ndarray::s![.., k + axis, k + axis]);
                median(variances.iter().map(|v| v.sqrt()))
            })
        };
        let strain = strain.as_ref().map(|strain| {
            let of = |f: &dyn Fn(&ArrayD<f64>) -> f64| {
                [&strain.xx, &strain.yy, &strain.xy, &strain.rotation].map(f)
            };
            let last = Along(strain.errors.ndim() - 1);
            StrainSummary {
                reference: [strain.reference.a, strain.reference.b],
                median: of(&|v| median(v.iter().copied())),
                scatter: of(&|v| deviation(v.iter().copied())),
                median_errors: std::array::from_fn(|k| {
                    median(strain.errors.index_axis(last, k).iter().copied())
                }),
            }
        });
        Some(FoundLattice {
            start: start.lattice,
            log10_accidental: start.log10_accidental,
            n_matched: (0..found.a.nrows()).filter(|&k| found.lattice(k).is_finite()).count(),
            n_from_neighbors: found.round.iter().filter(|round| **round > 0).count(),
            median: over(&|v| median(v.iter().copied())),
            median_errors: Lattice { zero: error(0), a: error(2), b: error(4) },
            scatter: over(&|v| deviation(v.iter().copied())),
            median_distance: median(found.error.iter().copied()),
            strain,
        })
    }

    fn table(&self, n_frames: usize) -> String {
        let how = match self.log10_accidental {
            Some(log) => format!("found in the summed frame (accidental: 10^{log:.0})"),
            None => "starting from what was given".into(),
        };
        let from_neighbors = match self.n_from_neighbors {
            0 => String::new(),
            n => format!(" ({n} from their neighbours)"),
        };
        let mut text = format!(
            "\nlattice, {how}: {} of {n_frames} frames{from_neighbors}, disks {} px from it\n",
            self.n_matched,
            sigma(self.median_distance)
        );
        let mut table =
            Table::new(&["", "y", "x", "±y", "±x", "scatter y", "scatter x", "length", "angle/°"]);
        for (name, of) in [("zero", (|l| l.zero) as fn(&Lattice) -> [f64; 2]), ("a", |l| l.a), ("b", |l| l.b)]
        {
            let ([y, x], e, s) = (of(&self.median), of(&self.median_errors), of(&self.scatter));
            let mut row = vec![name.into(), signed(y), signed(x)];
            row.extend([e[0], e[1], s[0], s[1]].map(sigma));
            if name != "zero" {
                row.extend([format!("{:.4}", y.hypot(x)), format!("{:.3}", y.atan2(x).to_degrees())]);
            }
            table.row(row);
        }
        text += &table.to_string();
        if let Some(strain) = &self.strain {
            let mut table = Table::new(&["strain / %", "xx", "yy", "xy", "rotation / mrad"]);
            let scaled = |values: [f64; 4], f: fn(f64) -> String| {
                let scales = [1e2, 1e2, 1e2, 1e3];
                (0..4).map(|k| f(values[k] * scales[k])).collect::<Vec<_>>()
            };
            for (name, cells) in [
                ("median", scaled(strain.median, signed)),
                ("scatter", scaled(strain.scatter, sigma)),
                ("± of each", scaled(strain.median_errors, sigma)),
            ] {
                table.row(std::iter::once(name.to_owned()).chain(cells).collect());
            }
            text += &format!("\n{table}");
        }
        text
    }
}

/// A file that gets arrays over the scan.
struct Over<'a, 'f> {
    file: &'f mut Hdf5File<'a>,
    roi: &'a Roi,
    scan: &'a [Axis],
}

impl<'a> Over<'a, '_> {
    /// `values` have the sample first; `fill` stands where there is none.
    fn array<T: Hdf5Number, D: Dimension>(
        &mut self,
        name: &str,
        values: impl Into<CowArray<'a, T, D>>,
        fill: T,
        more: &[Axis],
        unit: &str,
    ) -> Result<()> {
        let axes = [self.scan, more].concat();
        Ok(self.file.array(name, self.roi.spread(values, fill)?, &axes, unit)?)
    }

    fn lattices(
        &mut self,
        found: &'a nonius::blobfinder::RefinedLattices,
        place: &Axis,
        pair: &Axis,
    ) -> Result<()> {
        let indices = rows(found.indices.iter().copied());
        let axes = [place.clone(), Axis::pixels("(i, j)", 2)];
        self.file.array("indices", indices.into_dyn(), &axes, "")?;
        let one = std::slice::from_ref(pair);
        for (name, values, first) in [("zero", &found.zero, 0), ("a", &found.a, 2), ("b", &found.b, 4)] {
            self.array(name, values.view(), f64::NAN, one, "px")?;
            let error = |(k, axis)| found.covariance[[k, first + axis, first + axis]].sqrt();
            let errors = Array2::from_shape_fn(values.dim(), error);
            self.array(&format!("{name}_errors"), errors, f64::NAN, one, "px")?;
        }
        let six = Axis::pixels("zero y, zero x, a y, a x, b y, b x", 6);
        self.array("lattice_covariance", found.covariance.view(), f64::NAN, &[six.clone(), six], "px^2")?;
        self.array("selector", found.selector.mapv(u8::from), 255, std::slice::from_ref(place), "")?;
        let n_matched: Array1<f32> =
            found.selector.outer_iter().map(|row| row.iter().filter(|s| **s).count() as f32).collect();
        self.array("n_matched", n_matched, f32::NAN, &[], "")?;
        self.array("round", found.round.mapv(|r| r as f32), f32::NAN, &[], "")?;
        self.array("error", found.error.view(), f64::NAN, &[], "px")
    }
}

fn rows(pairs: impl Iterator<Item = [f64; 2]>) -> Array2<f64> {
    let all: Vec<[f64; 2]> = pairs.collect();
    Array2::from_shape_fn((all.len(), 2), |(k, axis)| all[k][axis])
}

fn code(status: PeakStatus) -> u8 {
    match status {
        PeakStatus::Found => 0,
        PeakStatus::NoSignal => 1,
        PeakStatus::AtEdge => 2,
        PeakStatus::NotFitted => 3,
        _ => 254,
    }
}

/// Standard deviation of the finite values; NaN for fewer than two.
fn deviation(values: impl Iterator<Item = f64>) -> f64 {
    let finite: Vec<f64> = values.filter(|v| v.is_finite()).collect();
    if finite.len() < 2 {
        return f64::NAN;
    }
    let n = finite.len() as f64;
    let mean = finite.iter().sum::<f64>() / n;
    (finite.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt()
}

fn percent(part: f64) -> String {
    if part.is_finite() { format!("{:.1} %", 100.0 * part) } else { "–".into() }
}

/// The name without folders.
pub(crate) fn short(file: &str) -> String {
    Path::new(file).file_name().map_or_else(|| file.into(), |name| name.to_string_lossy().into_owned())
}
