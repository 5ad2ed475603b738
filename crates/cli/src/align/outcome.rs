//! What was found as numbers and as a table.

use std::path::PathBuf;

use nonius::core::median;
use nonius::io::TiltSeriesFile;
use nonius::tomography::alignment::StopReason;
use nonius::workflow::tomography::{AlignedSeries, LineIntegrals};
use serde::Serialize;

use super::picture::Drawn;
use crate::output::{Table, sigma, signed, six_digits};

/// One number per projection, along either index.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Pair {
    pub(crate) j: Vec<f64>,
    pub(crate) k: Vec<f64>,
}

impl Pair {
    fn of(pairs: &[[f64; 2]]) -> Self {
        Pair { j: pairs.iter().map(|p| p[0]).collect(), k: pairs.iter().map(|p| p[1]).collect() }
    }
}

/// What `nonius align` found: the JSON object. Lengths are px.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Aligned {
    pub(crate) file: String,
    /// (N, J, K).
    shape: [usize; 3],
    volume_shape: [usize; 3],
    method: String,
    /// What was chosen, and why.
    reasons: Vec<String>,
    /// Steps done; 0 for a method without.
    pub(crate) iterations: usize,
    /// The longest way that a projection was moved from its offset in the file.
    max_shift: f64,
    /// The largest correction of every step.
    max_step: Vec<f64>,
    pub(crate) offsets: Pair,
    pub(crate) standard_errors: Pair,
    /// Changes ω of the rotations, rad about the laboratory's [p, j, k], where they were refined.
    angles: Option<Vec<[f64; 3]>>,
    angle_errors: Option<Vec<[f64; 3]>>,
    /// Root mean square of all pixels of image less re-projection.
    residual: f64,
    /// The same of every projection.
    residuals: Vec<f64>,
    /// Of one reconstruction, with the offsets found and with those of the file.
    loss: f64,
    loss_at_start: f64,
    pub(crate) stop: &'static str,
    outliers: Vec<usize>,
    degenerate: Vec<usize>,
    mass_spread: f64,
    /// Part of the offsets found that is a translation of the sample, voxels.
    translation: [f64; 3],
    /// Pixels that took no part.
    n_masked: usize,
    pixel_size_nm: Option<f64>,
    pub(crate) result: Option<PathBuf>,
    pub(crate) report: Option<PathBuf>,
    pub(crate) pictures: Vec<PathBuf>,
    pub(crate) warnings: Vec<String>,
    #[serde(skip)]
    pub(crate) drawn: Vec<Drawn>,
}

/// Why it ended.
pub(crate) fn stop(found: &AlignedSeries<f32>) -> &'static str {
    match found.report.stop {
        _ if !found.iterative => "direct",
        StopReason::Tolerance => "tolerance",
        StopReason::MaxIterations => "max_iterations",
        StopReason::Stalled => "stalled",
        StopReason::Oscillating => "oscillating",
    }
}

impl Aligned {
    pub(crate) fn new(
        text: &str,
        file: &TiltSeriesFile<f32>,
        integrals: &LineIntegrals<f32>,
        found: &AlignedSeries<f32>,
    ) -> Self {
        let report = &found.report;
        let geometry = &file.series.geometry;
        let moved = geometry.offsets().into_iter().zip(&report.offsets);
        let max_shift = moved.map(|(a, b)| (b[0] - a[0]).hypot(b[1] - a[1])).fold(0.0, f64::max);
        let squares: f64 = report.residuals.iter().filter(|r| r.is_finite()).map(|r| r * r).sum();
        let n = report.residuals.iter().filter(|r| r.is_finite()).count();
        let mut warnings = file.warnings.clone();
        warnings.extend(integrals.warnings.iter().chain(&found.warnings).cloned());
        Aligned {
            file: text.into(),
            shape: geometry.stack_shape(),
            volume_shape: geometry.volume_shape,
            method: report.method.clone(),
            reasons: found.reasons.clone(),
            iterations: report.steps.len(),
            max_shift,
            max_step: report.steps.iter().map(|step| step.largest).collect(),
            offsets: Pair::of(&report.offsets),
            standard_errors: Pair::of(&report.standard_errors),
            angles: found.angles.as_ref().map(|angles| angles.corrections.clone()),
            angle_errors: found.angles.as_ref().map(|angles| angles.standard_errors.clone()),
            residual: (squares / n as f64).sqrt(),
            residuals: report.residuals.clone(),
            loss: report.loss,
            loss_at_start: report.loss_at_start,
            stop: stop(found),
            outliers: report.outliers.clone(),
            degenerate: report.degenerate.clone(),
            mass_spread: report.mass_spread,
            translation: report.translation,
            n_masked: integrals.n_masked,
            pixel_size_nm: file.pixel_size_nm,
            result: None,
            report: None,
            pictures: Vec::new(),
            warnings,
            drawn: Vec::new(),
        }
    }

    /// Short statements with their names.
    pub(crate) fn facts(&self) -> Vec<[String; 2]> {
        let [n, j, k] = self.shape;
        let [x, y, z] = self.volume_shape;
        let why = match self.stop {
            "direct" => "in one go".into(),
            "tolerance" => format!("{} steps, until corrections were small", self.iterations),
            "max_iterations" => format!("{} steps, all that were allowed", self.iterations),
            "stalled" => format!("{} steps, until corrections no longer shrank", self.iterations),
            _ => format!("{} steps, until corrections went back and forth", self.iterations),
        };
        let listed = |indices: &[usize]| match indices {
            [] => "none".to_owned(),
            some => some.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        };
        let mut facts = vec![
            ["projections".into(), format!("{n} of {j} × {k} px; volume {x} × {y} × {z}")],
            ["method".into(), format!("{}, {why}", self.method)],
        ];
        facts.extend(self.reasons.iter().map(|reason| ["".into(), reason.clone()]));
        facts.extend([
            [
                "loss".into(),
                format!("{} before, {} after", six_digits(self.loss_at_start), six_digits(self.loss)),
            ],
            ["residual".into(), format!("{} rms", six_digits(self.residual))],
            ["moved farthest".into(), format!("{} px", signed(self.max_shift).trim_start_matches('+'))],
            ["median ± along j, k".into(), {
                let [j, k] = [&self.standard_errors.j, &self.standard_errors.k]
                    .map(|e| sigma(median(e.iter().copied())));
                format!("{j} px, {k} px")
            }],
            ["outliers".into(), listed(&self.outliers)],
        ]);
        if let Some(angles) = &self.angles {
            let squares: f64 = angles.iter().flatten().map(|a| a * a).sum();
            let rms = 1e3 * (squares / angles.len() as f64).sqrt();
            facts.push(["rotations changed by".into(), format!("{rms:.3} mrad rms")]);
        }
        if !self.degenerate.is_empty() {
            facts.push(["kept as they were".into(), listed(&self.degenerate)]);
        }
        facts
    }

    /// What is said on the terminal.
    pub(crate) fn table(&self) -> String {
        let facts = self.facts();
        let width = facts.iter().map(|[name, _]| name.chars().count()).max().unwrap_or(0);
        facts.iter().map(|[name, value]| format!("{name:<width$}  {value}\n")).collect()
    }

    /// All projections.
    pub(crate) fn projections(&self) -> Table {
        let mut table =
            Table::new(&["projection", "offset j", "offset k", "± j", "± k", "residual", "remark"]);
        for i in 0..self.offsets.j.len() {
            let remark = match (self.outliers.contains(&i), self.degenerate.contains(&i)) {
                (_, true) => "nothing to align by",
                (true, _) => "unlike the others",
                _ => "",
            };
            table.row(vec![
                i.to_string(),
                signed(self.offsets.j[i]),
                signed(self.offsets.k[i]),
                sigma(self.standard_errors.j[i]),
                sigma(self.standard_errors.k[i]),
                six_digits(self.residuals[i]),
                remark.into(),
            ]);
        }
        table
    }
}
