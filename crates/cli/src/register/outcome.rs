//! What a registration found, as a table and as the JSON object of the contract.

use std::path::PathBuf;

use nonius::registration::{RunnerUp, Status};
use serde::{Serialize, Serializer};

use super::picture::Drawn;
use crate::output::{Table, score, sigma, signed};

/// One image.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) image: String,
    pub(crate) shift: [f64; 2],
    pub(crate) covariance: [[f64; 2]; 2],
    pub(crate) score: f64,
    pub(crate) overlap: Option<usize>,
    pub(crate) status: RowStatus,
    pub(crate) runner_up: Option<RunnerUp>,
}

/// A status, or the one that has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RowStatus {
    Converged,
    AtSearchLimit,
    Ambiguous,
    Undetermined,
    /// The frame of a series that the others refer to.
    Reference,
}

impl From<Status> for RowStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Converged => RowStatus::Converged,
            Status::AtSearchLimit => RowStatus::AtSearchLimit,
            Status::Ambiguous => RowStatus::Ambiguous,
            Status::Undetermined => RowStatus::Undetermined,
        }
    }
}

impl RowStatus {
    fn words(self) -> &'static str {
        match self {
            RowStatus::Converged => "converged",
            RowStatus::AtSearchLimit => "at search limit",
            RowStatus::Ambiguous => "ambiguous",
            RowStatus::Undetermined => "undetermined",
            RowStatus::Reference => "reference",
        }
    }
}

impl Row {
    /// Standard errors `(y, x)` px.
    pub(crate) fn errors(&self) -> [f64; 2] {
        [self.covariance[0][0].sqrt(), self.covariance[1][1].sqrt()]
    }
}

/// All images.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) reference: String,
    pub(crate) rows: Vec<Row>,
    pub(crate) warnings: Vec<String>,
    pub(crate) applied: Vec<PathBuf>,
    pub(crate) pictures: Vec<Drawn>,
}

impl Outcome {
    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new(&["image", "dy", "dx", "±dy", "±dx", "score", "overlap", "status"]);
        for row in &self.rows {
            let ([dy, dx], [ey, ex]) = (row.shift, row.errors());
            table.row(vec![
                row.image.clone(),
                signed(dy),
                signed(dx),
                sigma(ey),
                sigma(ex),
                score(row.score),
                row.overlap.map_or("–".into(), |n| n.to_string()),
                row.status.words().into(),
            ]);
        }
        table
    }

    /// Remarks on images whose numbers should not be trusted.
    pub(crate) fn doubts(&self) -> Vec<String> {
        let doubt = |row: &Row| {
            let image = &row.image;
            match (row.status, row.runner_up) {
                (RowStatus::Ambiguous, Some(second)) => Some(format!(
                    "{image}: a shift of ({:+.2}, {:+.2}) px explains the images nearly as well",
                    second.shift[0], second.shift[1]
                )),
                (RowStatus::Ambiguous, None) => {
                    Some(format!("{image}: another shift explains the images nearly as well"))
                }
                (RowStatus::AtSearchLimit, _) => Some(format!(
                    "{image}: the best match lies at the limit of the search; allow a larger shift or a smaller overlap"
                )),
                (RowStatus::Undetermined, _) => Some(format!("{image}: the images do not fix a shift")),
                _ => None,
            }
        };
        self.rows.iter().filter_map(doubt).collect()
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Columns<'a> {
            reference: &'a str,
            images: Vec<&'a str>,
            shifts: Vec<[f64; 2]>,
            errors: Vec<[f64; 2]>,
            covariance: Vec<[[f64; 2]; 2]>,
            peak: Vec<f64>,
            status: Vec<RowStatus>,
            overlap: Vec<Option<usize>>,
            runner_up: Vec<Option<RunnerUp>>,
            warnings: &'a [String],
            applied: &'a [PathBuf],
            pictures: Vec<&'a PathBuf>,
        }
        let rows = &self.rows;
        Columns {
            reference: &self.reference,
            images: rows.iter().map(|r| r.image.as_str()).collect(),
            shifts: rows.iter().map(|r| r.shift).collect(),
            errors: rows.iter().map(Row::errors).collect(),
            covariance: rows.iter().map(|r| r.covariance).collect(),
            peak: rows.iter().map(|r| r.score).collect(),
            status: rows.iter().map(|r| r.status).collect(),
            overlap: rows.iter().map(|r| r.overlap).collect(),
            runner_up: rows.iter().map(|r| r.runner_up).collect(),
            warnings: &self.warnings,
            applied: &self.applied,
            pictures: self.pictures.iter().map(|d| &d.path).collect(),
        }
        .serialize(serializer)
    }
}
