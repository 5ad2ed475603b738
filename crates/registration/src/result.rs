//! What a registration says.

use nonius_core::{RunnerUp, Status};
use serde::{Deserialize, Serialize};

/// The displacement between two images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Registration {
    /// Displacement `(y, x)` px of the moving image's content, `moving[r] = reference[r − shift]`. Applying
    /// the answer to the moving image means shifting it by `−shift`. NaN if undetermined.
    pub shift: [f64; 2],
    /// Covariance of the shift, px², in the order `(y, x)`; estimated from the residuals. For results on a
    /// grid of step s it includes s²/12 per axis. NaN if undetermined.
    pub covariance: [[f64; 2]; 2],
    /// Correlation coefficient of the moving image and the shifted reference over what is compared, −1 to
    /// 1; negative where contrast is inverted. NaN if undetermined.
    pub score: f64,
    /// Pixels compared.
    pub overlap: usize,
    /// How far to believe it.
    pub status: Status,
    /// The best other optimum, if its χ² comes within reach of the best one's.
    pub runner_up: Option<RunnerUp>,
}

impl Registration {
    /// Standard errors `(y, x)` px: roots of the diagonal of the covariance.
    pub fn errors(&self) -> [f64; 2] {
        [self.covariance[0][0].sqrt(), self.covariance[1][1].sqrt()]
    }

    pub(crate) fn undetermined(overlap: usize) -> Self {
        Registration {
            shift: [f64::NAN; 2],
            covariance: [[f64::NAN; 2]; 2],
            score: f64::NAN,
            overlap,
            status: Status::Undetermined,
            runner_up: None,
        }
    }
}
