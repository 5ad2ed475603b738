//! What a registration found, as a table and as the JSON object of the contract.

use std::path::PathBuf;

use nonius::registration::rotation::{Pose, Similarity};
use nonius::registration::{RunnerUp, Status};
use serde::{Serialize, Serializer};

use super::picture::Drawn;
use crate::output::{Table, factor, score, sigma, signed};

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
    /// If rotation was sought.
    pub(crate) turn: Option<Turn>,
}

/// Rotation and scale of one image.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    /// Degrees.
    pub(crate) angle: f64,
    pub(crate) scale: f64,
    /// In the order angle, scale, y, x.
    pub(crate) covariance: [[f64; 4]; 4],
    /// The pose that comes next.
    pub(crate) rival: Option<Pose>,
}

impl Turn {
    pub(crate) const NONE: Turn = Turn { angle: 0.0, scale: 1.0, covariance: [[0.0; 4]; 4], rival: None };

    /// Standard errors of angle and scale.
    pub(crate) fn errors(&self) -> [f64; 2] {
        [self.covariance[0][0].sqrt(), self.covariance[1][1].sqrt()]
    }
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

    /// How the content lies in the moving image, if rotation was sought.
    pub(crate) fn pose(&self) -> Option<Pose> {
        self.turn.map(|Turn { angle, scale, .. }| Pose { angle, scale, shift: self.shift })
    }

    /// Whether there is a displacement to undo.
    pub(crate) fn is_known(&self) -> bool {
        let turn = self.turn.map_or([0.0, 1.0], |t| [t.angle, t.scale]);
        self.shift.iter().chain(&turn).all(|v| v.is_finite())
    }

    /// One whose rotation and scale were sought.
    pub(crate) fn turned(image: &str, found: &Similarity) -> Row {
        let Similarity { angle, scale, shift, covariance, score, overlap, status, .. } = *found;
        Row {
            image: image.into(),
            shift,
            covariance: [[covariance[2][2], covariance[2][3]], [covariance[3][2], covariance[3][3]]],
            score,
            overlap: Some(overlap),
            status: status.into(),
            runner_up: None,
            turn: Some(Turn { angle, scale, covariance, rival: found.candidates.get(1).map(|c| c.pose) }),
        }
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
        let mut heads = vec!["image", "dy", "dx", "±dy", "±dx"];
        if self.rows.iter().any(|r| r.turn.is_some()) {
            heads.extend(["angle (°)", "±angle", "scale", "±scale"]);
        }
        heads.extend(["score", "overlap", "status"]);
        let mut table = Table::new(&heads);
        for row in &self.rows {
            let ([dy, dx], [ey, ex]) = (row.shift, row.errors());
            let mut cells = vec![row.image.clone(), signed(dy), signed(dx), sigma(ey), sigma(ex)];
            if let Some(turn) = &row.turn {
                let [angle, scale] = turn.errors();
                cells.extend([signed(turn.angle), sigma(angle), factor(turn.scale), sigma(scale)]);
            }
            cells.push(score(row.score));
            cells.push(row.overlap.map_or("–".into(), |n| n.to_string()));
            cells.push(row.status.words().into());
            table.row(cells);
        }
        table
    }

    /// Remarks on images whose numbers should not be trusted.
    pub(crate) fn doubts(&self) -> Vec<String> {
        let doubt = |row: &Row| {
            let image = &row.image;
            if let Some(turn) = &row.turn {
                return turn_doubt(row.status, turn).map(|doubt| format!("{image}: {doubt}"));
            }
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

/// Why rotation, scale and shift should not be trusted.
fn turn_doubt(status: RowStatus, turn: &Turn) -> Option<String> {
    match (status, turn.rival) {
        (RowStatus::Converged | RowStatus::Reference, _) => None,
        (RowStatus::Ambiguous, Some(Pose { angle, scale, shift: [dy, dx] })) => Some(format!(
            "{angle:+.1}°, scale {scale:.3} and a shift of ({dy:+.2}, {dx:+.2}) px explain the images nearly as well"
        )),
        (RowStatus::Ambiguous, None) => Some("the images fix rotation, scale and shift poorly".into()),
        (RowStatus::AtSearchLimit, _) => {
            Some("the best match lies beyond the scales that were allowed; widen --scale".into())
        }
        (RowStatus::Undetermined, _) => Some("the images do not fix rotation, scale and shift".into()),
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
            #[serde(flatten)]
            turns: Option<TurnColumns>,
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
            turns: rows.iter().map(|r| r.turn).collect::<Option<Vec<_>>>().map(|t| TurnColumns::of(&t)),
        }
        .serialize(serializer)
    }
}

/// What rotation adds to the JSON object.
#[derive(Serialize)]
struct TurnColumns {
    angles: Vec<f64>,
    scales: Vec<f64>,
    angle_errors: Vec<f64>,
    scale_errors: Vec<f64>,
    poses_covariance: Vec<[[f64; 4]; 4]>,
}

impl TurnColumns {
    fn of(turns: &[Turn]) -> Self {
        TurnColumns {
            angles: turns.iter().map(|t| t.angle).collect(),
            scales: turns.iter().map(|t| t.scale).collect(),
            angle_errors: turns.iter().map(|t| t.errors()[0]).collect(),
            scale_errors: turns.iter().map(|t| t.errors()[1]).collect(),
            poses_covariance: turns.iter().map(|t| t.covariance).collect(),
        }
    }
}
