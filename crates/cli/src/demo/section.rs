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

impl Section {
    /// Compares `outcome` with the truth of its rows; a reference among them is left out.
    pub(crate) fn new(
        name: &str,
        about: &str,
        command: String,
        truth: &[[f64; 2]],
        outcome: &Outcome,
    ) -> Self {
        let rows: Vec<_> =
            outcome.rows.iter().zip(truth).filter(|(r, _)| r.status != RowStatus::Reference).collect();
        let error: Vec<[f64; 2]> = rows.iter().map(|(r, t)| [r.shift[0] - t[0], r.shift[1] - t[1]]).collect();
        let sigma: Vec<[f64; 2]> = rows.iter().map(|(r, _)| r.errors()).collect();
        let (errors, sigmas) = (error.as_flattened(), sigma.as_flattened());
        let n = errors.len() as f64;
        let within = errors.iter().zip(sigmas).filter(|(e, s)| e.abs() <= **s).count();
        Section {
            name: name.into(),
            about: about.into(),
            command,
            images: rows.iter().map(|(r, _)| r.image.clone()).collect(),
            truth: rows.iter().map(|(_, t)| **t).collect(),
            found: rows.iter().map(|(r, _)| r.shift).collect(),
            status: rows.iter().map(|(r, _)| r.status).collect(),
            rms_error: (errors.iter().map(|e| e * e).sum::<f64>() / n).sqrt(),
            mean_sigma: sigmas.iter().sum::<f64>() / n,
            within_sigma: within as f64 / n,
            error,
            sigma,
            pictures: outcome
                .pictures
                .iter()
                .take(1)
                .map(|d| (d.picture.clone(), "Before and after.".into()))
                .collect(),
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
