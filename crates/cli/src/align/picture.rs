//! What an alignment did, to be looked at.

use nonius::core::tilt_series::Geometry;
use nonius::plot::{
    Curve, CurveChart, CurvePanel, CurveStyle, OffsetChart, Panel, PanelRow, Panels, Picture,
};
use nonius::report::Report;
use nonius::tomography::MitraParams;
use nonius::workflow::tomography::{
    AlignedSeries, LineIntegrals, ReconstructionParams, reconstruct_series, sinogram,
};

use super::args::AlignConfig;
use super::outcome::Aligned;
use crate::session::Session;
use crate::tilt::short;

/// A picture with its name in file names and what it shows.
#[derive(Debug, Clone)]
pub(crate) struct Drawn {
    pub(crate) name: &'static str,
    pub(crate) picture: Picture,
    pub(crate) caption: &'static str,
}

/// What pictures are made of.
pub(crate) struct Drawing<'a> {
    pub(crate) text: &'a str,
    pub(crate) start: &'a Geometry,
    pub(crate) integrals: &'a LineIntegrals<f32>,
    pub(crate) found: &'a AlignedSeries<f32>,
}

/// All pictures, most telling first.
pub(crate) fn draw(
    drawing: &Drawing<'_>,
    config: &AlignConfig,
    session: &Session,
) -> nonius::Result<Vec<Drawn>> {
    let mut drawn = vec![
        Drawn {
            name: "slices",
            picture: drawing.slices(config, session)?,
            caption: "Cuts through the middle of the volume, reconstructed with the offsets of the file and with those \
                      found.",
        },
        Drawn {
            name: "sinogram",
            picture: drawing.sinograms()?,
            caption: "The line in the middle of the axis of rotation, projection by projection: aligned features are \
                      smooth curves.",
        },
        Drawn {
            name: "offsets",
            picture: drawing.offsets()?,
            caption: "Offsets of all projections, and their standard errors.",
        },
    ];
    if drawing.found.report.steps.len() > 1 {
        drawn.push(Drawn {
            name: "steps",
            picture: drawing.steps()?,
            caption: "The largest correction, and the loss, of every step; stages from coarse to fine.",
        });
    }
    Ok(drawn)
}

impl Drawing<'_> {
    fn slices(&self, config: &AlignConfig, session: &Session) -> nonius::Result<Picture> {
        let iterations = config.alignment.optical_flow.iteration.final_iterations;
        let mitra =
            MitraParams { iterations, ..config.alignment.optical_flow.iteration.reconstruction.clone() };
        let params = ReconstructionParams { mitra, ..Default::default() };
        let before = reconstruct_series(self.start, self.integrals, &params, session)?;
        let rows = vec![
            PanelRow::through(self.found.volume.view(), "after")?,
            PanelRow::through(before.volume.view(), "before")?,
        ];
        let title = format!("{}: cuts through the volume", short(self.text));
        Panels { title, rows, one_scale: true }.draw()
    }

    fn sinograms(&self) -> nonius::Result<Picture> {
        let (start, found) = (self.start, &self.found.geometry);
        let images = self.integrals.images.view();
        let panel = |title: &str, image| Panel {
            title: title.into(),
            remark: "projections to the right".into(),
            image,
        };
        let panels = vec![
            panel("before", sinogram(start, images.view(), &start.offsets())?),
            panel("after", sinogram(found, images.view(), &found.offsets())?),
            panel("re-projected", sinogram(found, self.found.reprojections.view(), &found.offsets())?),
        ];
        let title = format!("{}: sinogram", short(self.text));
        Panels { title, rows: vec![PanelRow { panels }], one_scale: true }.draw()
    }

    fn offsets(&self) -> nonius::Result<Picture> {
        let report = &self.found.report;
        OffsetChart {
            title: format!("{}: {}", short(self.text), report.method),
            found: report.offsets.clone(),
            errors: report.standard_errors.clone(),
            start: Some(self.start.offsets()),
            truth: None,
        }
        .draw()
    }

    fn steps(&self) -> nonius::Result<Picture> {
        let steps = &self.found.report.steps;
        let panel = |title: &str, y_name: &str, of: &dyn Fn(usize) -> f64| {
            let stages = 0..=steps.iter().map(|step| step.stage).max().unwrap_or(0);
            let curve = |stage: usize| Curve {
                name: format!("stage {}", stage + 1),
                points: (0..steps.len())
                    .filter(|i| steps[*i].stage == stage)
                    .map(|i| [i as f64 + 1.0, of(i).log10()])
                    .collect(),
                style: CurveStyle::Line,
            };
            let dots = |stage: usize| Curve { style: CurveStyle::Dots, ..curve(stage) };
            CurvePanel {
                title: title.into(),
                x_name: "step".into(),
                y_name: y_name.into(),
                curves: stages.flat_map(|stage| [curve(stage), dots(stage)]).collect(),
            }
        };
        let panels = vec![
            panel("largest correction", "log₁₀ of px", &|i| steps[i].largest),
            panel("loss before the step", "log₁₀ of the loss", &|i| steps[i].loss),
        ];
        CurveChart { title: format!("{}: steps", short(self.text)), panels }.draw()
    }
}

/// The page with all of it.
pub(crate) fn report(found: &Aligned, pictures: &[Drawn]) -> Report {
    let mut report = Report::new(&format!("Alignment of {}", short(&found.file)));
    let facts: Vec<Vec<String>> = found.facts().into_iter().map(Vec::from).collect();
    report.table(&["", ""], &facts);
    for warning in &found.warnings {
        report.text(&format!("Warning: {warning}."));
    }
    for drawn in pictures {
        report.picture(&drawn.picture, drawn.caption);
    }
    report.heading("All projections");
    report.text("Offsets and their standard errors in px; residuals are root mean squares.");
    let table = found.projections();
    report.table(&table.columns(), table.body());
    report
}
