//! Alignment of projections by a method that is chosen by name.

use ndarray::Array3;
use nonius_core::tilt_series::Geometry;
use nonius_core::{Progress, Real, Result};
use nonius_tomography::MitraParams;
use nonius_tomography::alignment::{
    Aligned, Aligner, AlignmentReport, AngleParams, AutoParams, AxialProfileParams, CascadeParams,
    IterationParams, MomentsParams, OpticalFlowParams, PhaseMatchingParams, ReprojectionParams, SlicesParams,
    StartingPoint, StopReason, align, align_auto, align_axial_profile, align_cascade, align_line,
    align_moments, align_slices, judge_offsets, refine_angles,
};
use serde::{Deserialize, Serialize};

use super::images::LineIntegrals;
use super::reconstruct::{ReconstructionParams, reconstruct_series};

/// How projections are aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlignmentMethod {
    /// The start that suits the data, then optical flow: see [`align_auto`]. The default.
    #[default]
    Auto,
    /// Optical flow between images and re-projections.
    OpticalFlow,
    /// Registration of images with re-projections.
    PhaseMatching,
    /// The same with one reconstruction that goes on from step to step (joint re-projection).
    Reprojection,
    /// Centres of mass; sample in view from all sides.
    Moments,
    /// Mass profiles along the axis of rotation; offsets along it only.
    AxialProfile,
    /// Centre of mass of the middle line; offsets across the axis only.
    Line,
    /// Registration of neighbours, added up.
    Cascade,
    /// Centres of mass of all slices; offsets across the axis only.
    Slices,
}

/// Offsets from which an alignment begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// All 0.
    None,
    /// Those of the geometry. The default.
    #[default]
    File,
    /// What [`align_line`] makes of those.
    Line,
    /// What [`align_moments`] finds.
    Moments,
    /// What [`align_cascade`] makes of those.
    Cascade,
}

/// Parameters of [`align_series`]: a method, and those of each.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlignmentParams {
    /// Which method.
    pub method: AlignmentMethod,
    /// From where.
    pub start: Start,
    /// Whether rotations are refined after the offsets.
    pub refine_angles: bool,
    /// For [`AlignmentMethod::OpticalFlow`], and the refinement of [`AlignmentMethod::Auto`].
    pub optical_flow: OpticalFlowParams,
    /// For [`AlignmentMethod::PhaseMatching`].
    pub phase_matching: PhaseMatchingParams,
    /// For [`AlignmentMethod::Reprojection`].
    pub reprojection: ReprojectionParams,
    /// For [`AlignmentMethod::Auto`], [`AlignmentMethod::Moments`] and [`Start::Moments`].
    pub moments: MomentsParams,
    /// For [`AlignmentMethod::AxialProfile`].
    pub axial_profile: AxialProfileParams,
    /// For [`AlignmentMethod::Auto`], [`AlignmentMethod::Cascade`] and [`Start::Cascade`].
    pub cascade: CascadeParams,
    /// For [`AlignmentMethod::Auto`] and [`AlignmentMethod::Slices`].
    pub slices: SlicesParams,
    /// For `refine_angles`.
    pub angles: AngleParams,
}

impl AlignmentParams {
    /// Checks the parameters of every method.
    ///
    /// # Errors
    /// [`Error::Parameter`](nonius_core::Error::Parameter) names the first that cannot be.
    pub fn validate(&self) -> Result<()> {
        self.optical_flow.validate()?;
        self.phase_matching.validate()?;
        self.reprojection.validate()?;
        self.angles.validate()?;
        self.moments.validate()?;
        self.axial_profile.validate()?;
        self.slices.validate()
    }

    /// What the methods by re-projection share, of each.
    pub fn iterations_mut(&mut self) -> [&mut IterationParams; 3] {
        [
            &mut self.optical_flow.iteration,
            &mut self.phase_matching.iteration,
            &mut self.reprojection.iteration,
        ]
    }
}

/// An aligned series.
#[derive(Debug, Clone, PartialEq)]
pub struct AlignedSeries<F> {
    /// The geometry with the offsets found.
    pub geometry: Geometry,
    /// How they came about, and how far to believe them. Its losses and residuals are those of one reconstruction,
    /// whatever the method; its history begins with the offsets at the start.
    pub report: AlignmentReport,
    /// False for methods that find offsets in one go: then there are no steps, and no reason to stop.
    pub iterative: bool,
    /// The volume reconstructed with the offsets found, `(X, Y, Z)`.
    pub volume: Array3<F>,
    /// Its images, `(N, J, K)`.
    pub reprojections: Array3<F>,
    /// What was found of the rotations, where that was asked for.
    pub angles: Option<RefinedAngles>,
    /// What was chosen, and why.
    pub reasons: Vec<String>,
    /// What a person should know before trusting the offsets.
    pub warnings: Vec<String>,
}

/// What is changed of the rotations of an [`AlignedSeries`].
#[derive(Debug, Clone, PartialEq)]
pub struct RefinedAngles {
    /// ω rad about the laboratory's `[p, j, k]`: rotations are now `exp([ω]×)` times what they were.
    pub corrections: Vec<[f64; 3]>,
    /// 1σ of each, rad; NaN for those that were held.
    pub standard_errors: Vec<[f64; 3]>,
}

/// Aligns the projections of a series. Offsets of `geometry` are the start unless [`Start`] says otherwise; the loss at
/// the start is that of `geometry` itself, so that it tells what the whole alignment was worth.
///
/// # Errors
/// [`Error::Parameter`](nonius_core::Error::Parameter) for parameters out of range, those of the method,
/// [`Error::Cancelled`](nonius_core::Error::Cancelled).
pub fn align_series<F: Real>(
    geometry: &Geometry,
    integrals: &LineIntegrals<F>,
    params: &AlignmentParams,
    progress: &dyn Progress,
) -> Result<AlignedSeries<F>> {
    params.validate()?;
    let series = Series { geometry, integrals, params, progress };
    let start = series.start()?;
    let mut reasons = vec![format!("start: {}", params.start.words())];
    let mut before_start = params.start != Start::File;
    let (aligned, iterative) = match params.method {
        AlignmentMethod::Auto => {
            let (aligned, chosen) = series.auto(&start)?;
            reasons = chosen.reasons;
            before_start |= chosen.start != StartingPoint::Given;
            (aligned, true)
        }
        AlignmentMethod::OpticalFlow => (series.iterated(&params.optical_flow, &start)?, true),
        AlignmentMethod::PhaseMatching => (series.iterated(&params.phase_matching, &start)?, true),
        AlignmentMethod::Reprojection => (series.iterated(&params.reprojection, &start)?, true),
        AlignmentMethod::Moments => (series.direct("moments", &start, moments(&series, &start)?)?, false),
        AlignmentMethod::AxialProfile => {
            (series.direct("axial profile", &start, axial_profile(&series, &start)?)?, false)
        }
        AlignmentMethod::Line => (series.direct("line", &start, line(&series, &start)?)?, false),
        AlignmentMethod::Cascade => (series.direct("cascade", &start, cascade(&series, &start)?)?, false),
        AlignmentMethod::Slices => (series.direct("slices", &start, slices(&series, &start)?)?, false),
    };
    let (aligned, angles) = match params.refine_angles {
        true => series.with_angles(aligned).map(|(aligned, angles)| (aligned, Some(angles)))?,
        false => (aligned, None),
    };
    let Aligned { geometry: found, mut report, volume, reprojections } = aligned;
    if before_start {
        report.loss_at_start = series.loss(geometry)?;
        if report.history.first().is_none_or(|first| *first != geometry.offsets()) {
            report.history[0] = geometry.offsets();
        }
    }
    let warnings = doubts(&report, iterative);
    Ok(AlignedSeries { geometry: found, report, iterative, volume, reprojections, angles, reasons, warnings })
}

impl Start {
    fn words(self) -> &'static str {
        match self {
            Start::None => "no offsets",
            Start::File => "the offsets of the file",
            Start::Line => "centres of mass of the middle line",
            Start::Moments => "centres of mass",
            Start::Cascade => "neighbours registered",
        }
    }
}

/// What every method is given.
struct Series<'a, F> {
    geometry: &'a Geometry,
    integrals: &'a LineIntegrals<F>,
    params: &'a AlignmentParams,
    progress: &'a dyn Progress,
}

/// What [`align_auto`] chose.
struct Chosen {
    start: StartingPoint,
    reasons: Vec<String>,
}

/// What a method without iterations found.
struct Direct {
    offsets: Vec<[f64; 2]>,
    standard_errors: Vec<[f64; 2]>,
    degenerate: Vec<usize>,
}

impl<F: Real> Series<'_, F> {
    fn start(&self) -> Result<Geometry> {
        let offsets = match self.params.start {
            Start::File => return Ok(self.geometry.clone()),
            Start::None => vec![[0.0; 2]; self.geometry.len()],
            Start::Line => line(self, self.geometry)?.offsets,
            Start::Moments => moments(self, self.geometry)?.offsets,
            Start::Cascade => cascade(self, self.geometry)?.offsets,
        };
        self.geometry.clone().with_offsets(&offsets)
    }

    fn iterated(&self, aligner: &dyn Aligner<F>, start: &Geometry) -> Result<Aligned<F>> {
        let LineIntegrals { images, weights, .. } = self.integrals;
        align(aligner, start, images.view(), weights.as_ref().map(|w| w.view()), self.progress)
    }

    fn auto(&self, start: &Geometry) -> Result<(Aligned<F>, Chosen)> {
        let AlignmentParams { optical_flow, moments, cascade, slices, .. } = self.params.clone();
        let auto = AutoParams { refinement: optical_flow, moments, cascade, slices };
        let LineIntegrals { images, weights, .. } = self.integrals;
        let weights = weights.as_ref().map(|w| w.view());
        let found = align_auto(start, images.view(), weights, &auto, self.progress)?;
        Ok((found.aligned, Chosen { start: found.start, reasons: found.reasons }))
    }

    /// Refines rotations, and offsets with them.
    fn with_angles(&self, aligned: Aligned<F>) -> Result<(Aligned<F>, RefinedAngles)> {
        let LineIntegrals { images, weights, .. } = self.integrals;
        let weights = weights.as_ref().map(|w| w.view());
        let refined =
            refine_angles(&aligned.geometry, images.view(), weights, &self.params.angles, self.progress)?;
        let judged = self.judged(&refined.geometry, &refined.geometry.offsets())?;
        let mut report = aligned.report;
        report.method += " and angles";
        let Aligned { geometry, report: after, volume, reprojections } = judged;
        (report.loss, report.residuals, report.outliers) = (after.loss, after.residuals, after.outliers);
        (report.offsets, report.standard_errors) = (after.offsets, after.standard_errors);
        let angles =
            RefinedAngles { corrections: refined.corrections, standard_errors: refined.standard_errors };
        Ok((Aligned { geometry, report, volume, reprojections }, angles))
    }

    /// What an alignment by re-projection says of offsets that are given.
    fn judged(&self, start: &Geometry, offsets: &[[f64; 2]]) -> Result<Aligned<F>> {
        let LineIntegrals { images, weights, .. } = self.integrals;
        let weights = weights.as_ref().map(|w| w.view());
        let params = &self.params.optical_flow.iteration;
        judge_offsets(params, start, offsets, images.view(), weights, self.progress)
    }

    /// The same of those that were found in one go, with the errors that their method tells.
    fn direct(&self, name: &str, start: &Geometry, found: Direct) -> Result<Aligned<F>> {
        let judged = self.judged(start, &found.offsets)?;
        let report = AlignmentReport {
            method: name.to_owned(),
            standard_errors: found.standard_errors,
            degenerate: found.degenerate,
            ..judged.report
        };
        Ok(Aligned { report, ..judged })
    }

    /// The loss of the reconstruction that alignments by re-projection end with.
    fn loss(&self, geometry: &Geometry) -> Result<f64> {
        let IterationParams { reconstruction, final_iterations, .. } = &self.params.optical_flow.iteration;
        let mitra = MitraParams { iterations: *final_iterations, ..reconstruction.clone() };
        let params = ReconstructionParams { mitra, ..Default::default() };
        let found = reconstruct_series(geometry, self.integrals, &params, self.progress)?;
        Ok(found.losses.last().copied().unwrap_or(0.0))
    }
}

fn moments<F: Real>(series: &Series<'_, F>, start: &Geometry) -> Result<Direct> {
    let LineIntegrals { images, weights, .. } = series.integrals;
    let weights = weights.as_ref().map(|w| w.view());
    let found = align_moments(start, images.view(), weights, &series.params.moments)?;
    Ok(Direct {
        offsets: found.offsets,
        standard_errors: found.standard_errors,
        degenerate: found.degenerate,
    })
}

fn axial_profile<F: Real>(series: &Series<'_, F>, start: &Geometry) -> Result<Direct> {
    let LineIntegrals { images, weights, .. } = series.integrals;
    let weights = weights.as_ref().map(|w| w.view());
    let found = align_axial_profile(start, images.view(), weights, &series.params.axial_profile)?;
    let standard_errors = found.standard_errors.iter().map(|e| along(*e, found.direction)).collect();
    Ok(Direct { offsets: found.offsets, standard_errors, degenerate: found.degenerate })
}

fn line<F: Real>(series: &Series<'_, F>, start: &Geometry) -> Result<Direct> {
    let LineIntegrals { images, weights, .. } = series.integrals;
    let found = align_line(start, images.view(), weights.as_ref().map(|w| w.view()))?;
    let standard_errors = vec![[f64::NAN; 2]; found.offsets.len()];
    Ok(Direct { offsets: found.offsets, standard_errors, degenerate: found.degenerate })
}

fn cascade<F: Real>(series: &Series<'_, F>, start: &Geometry) -> Result<Direct> {
    let LineIntegrals { images, weights, .. } = series.integrals;
    let weights = weights.as_ref().map(|w| w.view());
    let found = align_cascade(start, images.view(), weights, &series.params.cascade, series.progress)?;
    Ok(Direct {
        offsets: found.offsets,
        standard_errors: found.standard_errors,
        degenerate: found.degenerate,
    })
}

fn slices<F: Real>(series: &Series<'_, F>, start: &Geometry) -> Result<Direct> {
    let LineIntegrals { images, weights, .. } = series.integrals;
    let weights = weights.as_ref().map(|w| w.view());
    let found = align_slices(start, images.view(), weights, &series.params.slices)?;
    let axis = start.rotation_axis().map(|n| start.directions(0).k.dot(&n).abs() > 0.5);
    let across = if axis == Some(true) { [1.0, 0.0] } else { [0.0, 1.0] };
    let standard_errors = found.standard_errors.iter().map(|e| along(*e, across)).collect();
    Ok(Direct { offsets: found.offsets, standard_errors, degenerate: Vec::new() })
}

/// Components of a standard error that is known along `direction` only; NaN where nothing is known.
fn along(error: f64, direction: [f64; 2]) -> [f64; 2] {
    direction.map(|part| if part.abs() > 1e-6 { error * part.abs() } else { f64::NAN })
}

/// Why offsets may not be what they should.
fn doubts(report: &AlignmentReport, iterative: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    if report.mass_spread > 0.02 {
        warnings.push(format!(
            "the mass of the images varies by {:.1} %: part of the sample is outside the field of view, or the beam \
             is not steady",
            100.0 * report.mass_spread
        ));
    }
    if report.loss > report.loss_at_start {
        warnings.push("the loss is larger than at the start: the alignment made things worse".into());
    }
    let [largest, _, least] = report.gauge_singular_values;
    if least < 0.05 * largest {
        warnings.push("translation along one direction hardly shows in these views: it is arbitrary".into());
    }
    let listed = |indices: &[usize]| indices.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if !report.outliers.is_empty() {
        warnings.push(format!("unlike the others: projections {}", listed(&report.outliers)));
    }
    if !report.degenerate.is_empty() {
        warnings.push(format!("nothing to align by: projections {}", listed(&report.degenerate)));
    }
    match report.stop {
        _ if !iterative => {}
        StopReason::Tolerance => {}
        StopReason::MaxIterations => {
            warnings.push("all iterations were used before corrections became small".into())
        }
        StopReason::Stalled => {
            warnings.push("corrections stopped shrinking before they were below the tolerance".into())
        }
        StopReason::Oscillating => warnings.push("corrections went back and forth".into()),
    }
    warnings
}
