use std::f64::consts::PI;

use ndarray::{Array2, s};
use nonius_core::{Result, Status};
use nonius_registration::{RegistrationParams, RegistrationPlan};

use super::{Scan, weighted_mean};

/// Most pairs that are registered, evenly taken from all.
const MAX_PAIRS: usize = 64;

/// Half the displacement between an image and the mirror image of that half a turn later.
pub(super) fn estimate(scan: &Scan) -> Result<Option<[f64; 2]>> {
    let pairs: Vec<(usize, (usize, usize, f64))> = (0..scan.angles.len())
        .filter_map(|i| Some((i, scan.at(scan.angles[i] + PI)?)))
        .filter(|(i, (opposite, ..))| i < opposite)
        .collect();
    // Overlap halves the width of what is compared for a centre a quarter of the width off.
    let min_overlap = (1.0 - 2.0 * scan.max_distance / scan.width() as f64).clamp(0.1, 1.0);
    let params = RegistrationParams { min_overlap, ..Default::default() };
    let plan = RegistrationPlan::<f64>::new((1, scan.width()), params)?;
    let every = pairs.len().div_ceil(MAX_PAIRS).max(1);
    scan.over_rows(|row| {
        let mut scratch = plan.scratch();
        let mut found = Vec::new();
        for (i, (a, b, part)) in pairs.iter().step_by(every) {
            let line = |at: usize| row.slice(s![at..=at, ..]);
            let later: Array2<f64> = &line(*a) * (1.0 - part) + &line(*b) * *part;
            // P(θ + π, x) = P(θ, 2c − x): mirrored, it is displaced by W − 1 − 2c.
            let mirrored = later.slice(s![.., ..;-1]).as_standard_layout().into_owned();
            let shift = plan.register_with(line(*i), mirrored.view(), &mut scratch)?;
            let error = shift.errors()[1];
            if matches!(shift.status, Status::Converged | Status::Ambiguous) && error.is_finite() {
                found.push([scan.middle() - 0.5 * shift.shift[1], 0.5 * error]);
            }
        }
        Ok(weighted_mean(&found).map(|[mean, error, chi2]| [mean, error * chi2.max(1.0).sqrt()]))
    })
}
