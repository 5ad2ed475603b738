//! One data set of the demo: what is true, what was found.

use nonius::plot::{Picture, ShiftPoint, ShiftScatter};
use serde::Serialize;

use crate::output::{Table, sigma, signed};
use crate::register::{Outcome, RowStatus};

/// One data set, all its images. Lengths are px, pairs `(y, x)`.
#[derive(Debug, Serialize)]
pub(crate) struct Section {
    pub(crate) name: String,
    pub(crate) about: String,
    /// What was run, as a user would type it.
    pub(crate) command: String,
    pub(crate) images: Vec<String>,
    pub(crate) truth: Vec<[f64; 2]>,
    pub(crate) found: Vec<[f64; 2]>,
    /// Found minus true.
    pub(crate) error: Vec<[f64; 2]>,
    /// Standard errors that the program quotes.
    pub(crate) sigma: Vec<[f64; 2]>,
    pub(crate) status: Vec<RowStatus>,
    /// Root mean square of all errors, per axis.
    pub(crate) rms_error: f64,
    /// Mean of all quoted standard errors.
    pub(crate) mean_sigma: f64,
    /// Part of the errors that is not larger than the standard error quoted with it; 0.68 is honest.
    pub(crate) within_sigma: f64,
    /// Pictures with their captions.
    #[serde(skip)]
    pub(crate) pictures: Vec<(Picture, String)>,
}

/// One image of it.
pub(crate) struct Compared {
    pub(crate) image: String,
    pub(crate) truth: [f64; 2],
    pub(crate) found: [f64; 2],
    pub(crate) sigma: [f64; 2],
    pub(crate) status: RowStatus,
}

impl Section {
    /// Compares `outcome` with the truth of its rows; a reference among them is left out.
    pub(crate) fn new(
        name: &str,
        about: &str,
        command: String,
        truth: &[[f64; 2]],
        outcome: &Outcome,
    ) -> Self {
        let rows = outcome.rows.iter().zip(truth).filter(|(r, _)| r.status != RowStatus::Reference);
        let rows = rows.map(|(r, &truth)| Compared {
            image: r.image.clone(),
            truth,
            found: r.shift,
            sigma: r.errors(),
            status: r.status,
        });
        let pictures = outcome.pictures.iter().take(1);
        Section {
            pictures: pictures.map(|d| (d.picture.clone(), "Before and after.".into())).collect(),
            ..Section::of(name, about, command, &rows.collect::<Vec<_>>())
        }
    }

    /// Compares what was found with what is true.
    pub(crate) fn of(name: &str, about: &str, command: String, rows: &[Compared]) -> Self {
        let error: Vec<[f64; 2]> =
            rows.iter().map(|r| [r.found[0] - r.truth[0], r.found[1] - r.truth[1]]).collect();
        let sigma: Vec<[f64; 2]> = rows.iter().map(|r| r.sigma).collect();
        let (errors, sigmas) = (error.as_flattened(), sigma.as_flattened());
        let n = errors.len() as f64;
        let within = errors.iter().zip(sigmas).filter(|(e, s)| e.abs() <= **s).count();
        Section {
            name: name.into(),
            about: about.into(),
            command,
            images: rows.iter().map(|r| r.image.clone()).collect(),
            truth: rows.iter().map(|r| r.truth).collect(),
            found: rows.iter().map(|r| r.found).collect(),
            status: rows.iter().map(|r| r.status).collect(),
            rms_error: (errors.iter().map(|e| e * e).sum::<f64>() / n).sqrt(),
            mean_sigma: sigmas.iter().sum::<f64>() / n,
            within_sigma: within as f64 / n,
            error,
            sigma,
            pictures: Vec::new(),
        }
    }

    /// All shifts beside the truth.
    pub(crate) fn scatter(&self) -> nonius::Result<Picture> {
        let points = (0..self.truth.len()).map(|i| ShiftPoint {
            found: self.found[i],
            errors: self.sigma[i],
            truth: Some(self.truth[i]),
        });
        ShiftScatter { title: self.name.clone(), points: points.collect() }.draw()
    }

    pub(crate) fn table(&self) -> Table {
        let heads =
            ["image", "true dy", "true dx", "found dy", "found dx", "error dy", "error dx", "±dy", "±dx"];
        let mut table = Table::new(&heads);
        for i in 0..self.truth.len() {
            let mut cells = vec![self.images[i].clone()];
            cells.extend(
                [self.truth[i], self.found[i], self.error[i]].as_flattened().iter().map(|&v| signed(v)),
            );
            cells.extend(self.sigma[i].map(sigma));
            table.row(cells);
        }
        table
    }
}
