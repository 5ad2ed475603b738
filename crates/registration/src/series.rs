//! Registration of many frames.

use nalgebra::{DMatrix, DVector};
use ndarray::Array2;
use nonius_core::{
    Error, FrameSource, PixelBuffer, Progress, ReadFrames, Real, Result, Status, invert_symmetric,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::params::RegistrationParams;
use crate::plan::{RegistrationPlan, RegistrationScratch};
use crate::result::Registration;

/// Which pairs of a series are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Every frame with one frame. Errors do not add up: the first choice while all frames share content.
    CommonReference {
        /// Index of that frame.
        index: usize,
    },
    /// Every frame with the one before; displacements are added up, and so are variances. For scenes that
    /// drift out of the frame or change.
    Chained,
    /// Every frame with the following ones up to this distance, reconciled by weighted least squares.
    /// Costs `max_separation` registrations per frame.
    Pairs {
        /// Largest distance in the series of two frames that are compared, at least 1.
        max_separation: usize,
    },
}

impl Default for Strategy {
    fn default() -> Self {
        Strategy::CommonReference { index: 0 }
    }
}

/// Parameters of [`register_series`].
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SeriesParams {
    /// Which pairs are compared. Default: all with the first frame.
    pub strategy: Strategy,
    /// How a pair is registered.
    pub registration: RegistrationParams,
}

/// Displacements of the frames of a series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeriesRegistration {
    /// Displacement `(y, x)` px of each frame's content against the reference frame (the first one if
    /// chained or from pairs), which has exactly 0. NaN where nothing ties a frame to the reference.
    pub shifts: Vec<[f64; 2]>,
    /// Covariance of each, px².
    pub covariances: Vec<[[f64; 2]; 2]>,
    /// The worst status among the pairs that a frame's displacement rests on.
    pub statuses: Vec<Status>,
    /// The pairs that were compared.
    pub pairs: Vec<PairRegistration>,
}

/// One compared pair.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PairRegistration {
    /// Index of the frame that served as reference.
    pub reference: usize,
    /// Index of the moving frame.
    pub moving: usize,
    /// What the comparison said.
    pub registration: Registration,
}

/// Registers the frames of a series in parallel, reading each when it is needed: memory holds a few frames
/// per thread. Results have the same bits for any number of threads.
///
/// # Errors
/// [`Error::Parameter`] for a reference index outside the series or a separation of 0, errors of the
/// source, [`Error::NotFinite`] for frames with NaN (the first such frame is named),
/// [`Error::Cancelled`] if `progress` asks for it. An empty series gives an empty result.
///
/// ```
/// use nonius_core::NoProgress;
/// use nonius_registration::{SeriesParams, register_series};
/// use nonius_synthetic::{ImageSeriesParams, ImageSeriesPlan};
///
/// let series = ImageSeriesPlan::new(&ImageSeriesParams { n_frames: 5, ..Default::default() })?.run()?;
/// let found = register_series::<f64>(&series.frames, &SeriesParams::default(), &NoProgress)?;
/// for (found, truth) in found.shifts.iter().zip(&series.shifts) {
///     assert!((found[0] - truth[0]).abs() < 0.1 && (found[1] - truth[1]).abs() < 0.1);
/// }
/// # Ok::<(), nonius_core::Error>(())
/// ```
pub fn register_series<F: Real>(
    frames: &dyn FrameSource,
    params: &SeriesParams,
    progress: &dyn Progress,
) -> Result<SeriesRegistration> {
    let n = frames.n_frames();
    let pairs = pairs_of(n, params.strategy)?;
    if n == 0 {
        params.registration.validate()?;
        return Ok(SeriesRegistration {
            shifts: vec![],
            covariances: vec![],
            statuses: vec![],
            pairs: vec![],
        });
    }
    let plan = RegistrationPlan::<F>::new(frames.frame_shape(), params.registration)?;
    let common = match params.strategy {
        Strategy::CommonReference { index } => Some(frames.frame(index)?),
        _ => None,
    };
    progress.start("registering frames", pairs.len() as u64);
    let results: Vec<Result<Registration>> = pairs
        .par_iter()
        .map_init(
            || Worker::new(&plan, frames.frame_shape()),
            |worker, &(reference, moving)| {
                if progress.cancelled() {
                    return Err(Error::Cancelled);
                }
                let result = worker.pair(frames, common.as_ref(), reference, moving);
                progress.advance(1);
                result
            },
        )
        .collect();
    progress.finish();
    if progress.cancelled() {
        return Err(Error::Cancelled);
    }
    // Of several failures the first in the series is reported, whichever thread met it first.
    let pairs = pairs
        .into_iter()
        .zip(results)
        .map(|((reference, moving), result)| {
            result.map(|registration| PairRegistration { reference, moving, registration })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(match params.strategy {
        Strategy::CommonReference { index } => against(index, n, pairs),
        Strategy::Chained => chained(n, pairs),
        Strategy::Pairs { .. } => reconciled(n, pairs),
    })
}

/// One thread's plan scratch and frames.
struct Worker<'a, F: Real> {
    plan: &'a RegistrationPlan<F>,
    scratch: RegistrationScratch<F>,
    reference: Array2<F>,
    moving: Array2<F>,
    buffer: PixelBuffer,
}

impl<'a, F: Real> Worker<'a, F> {
    fn new(plan: &'a RegistrationPlan<F>, shape: (usize, usize)) -> Self {
        Worker {
            plan,
            scratch: plan.scratch(),
            reference: Array2::zeros(shape),
            moving: Array2::zeros(shape),
            buffer: PixelBuffer::default(),
        }
    }

    fn pair(
        &mut self,
        frames: &dyn FrameSource,
        common: Option<&Array2<F>>,
        reference: usize,
        moving: usize,
    ) -> Result<Registration> {
        frames.read_frame(moving, self.moving.view_mut(), &mut self.buffer)?;
        let fixed = match common {
            Some(frame) => frame.view(),
            None => {
                frames.read_frame(reference, self.reference.view_mut(), &mut self.buffer)?;
                self.reference.view()
            }
        };
        self.plan.register_with(fixed, self.moving.view(), &mut self.scratch).map_err(|error| match error {
            Error::NotFinite { what, index: at } => Error::Frame {
                index: if what == "reference" { reference } else { moving },
                reason: format!("pixel {at:?} is not finite"),
            },
            other => other,
        })
    }
}

fn pairs_of(n: usize, strategy: Strategy) -> Result<Vec<(usize, usize)>> {
    match strategy {
        Strategy::CommonReference { index } if n > 0 && index >= n => {
            Err(Error::parameter("reference index", "below the number of frames", format!("{index} of {n}")))
        }
        Strategy::CommonReference { index } => {
            Ok((0..n).filter(|&i| i != index).map(|i| (index, i)).collect())
        }
        Strategy::Chained => Ok((1..n).map(|i| (i - 1, i)).collect()),
        Strategy::Pairs { max_separation: 0 } => Err(Error::parameter("max_separation", "at least 1", 0)),
        Strategy::Pairs { max_separation } => {
            Ok((0..n).flat_map(|i| (i + 1..n.min(i + 1 + max_separation)).map(move |j| (i, j))).collect())
        }
    }
}

/// Frames that nothing is known of yet, but the reference.
fn blank(reference: usize, n: usize) -> SeriesRegistration {
    let unknown = Registration::undetermined(0);
    let mut series = SeriesRegistration {
        shifts: vec![unknown.shift; n],
        covariances: vec![unknown.covariance; n],
        statuses: vec![unknown.status; n],
        pairs: Vec::new(),
    };
    series.shifts[reference] = [0.0; 2];
    series.covariances[reference] = [[0.0; 2]; 2];
    series.statuses[reference] = Status::Converged;
    series
}

fn against(reference: usize, n: usize, pairs: Vec<PairRegistration>) -> SeriesRegistration {
    let mut series = blank(reference, n);
    for pair in &pairs {
        series.shifts[pair.moving] = pair.registration.shift;
        series.covariances[pair.moving] = pair.registration.covariance;
        series.statuses[pair.moving] = pair.registration.status;
    }
    SeriesRegistration { pairs, ..series }
}

fn chained(n: usize, pairs: Vec<PairRegistration>) -> SeriesRegistration {
    let mut series = blank(0, n);
    for pair in &pairs {
        let (before, here) = (pair.reference, pair.moving);
        let step = &pair.registration;
        series.statuses[here] = worse(series.statuses[before], step.status);
        for i in 0..2 {
            series.shifts[here][i] = series.shifts[before][i] + step.shift[i];
            for j in 0..2 {
                series.covariances[here][i][j] = series.covariances[before][i][j] + step.covariance[i][j];
            }
        }
    }
    SeriesRegistration { pairs, ..series }
}

fn worse(a: Status, b: Status) -> Status {
    let rank = |s: Status| match s {
        Status::Converged => 0,
        Status::Ambiguous => 1,
        Status::AtSearchLimit => 2,
        Status::Undetermined => 3,
    };
    if rank(a) >= rank(b) { a } else { b }
}

/// Weighted least squares over all pairs: `Σ (s_j − s_i − d_ij)ᵀ C_ij⁻¹ (s_j − s_i − d_ij)` is least, with
/// the first frame at 0. Pairs that did not converge are left out; the covariances hold if the errors of
/// different pairs are independent, which frames that serve in several pairs make them only in part.
fn reconciled(n: usize, pairs: Vec<PairRegistration>) -> SeriesRegistration {
    let mut series = blank(0, n);
    let used: Vec<_> = pairs
        .iter()
        .filter(|p| p.registration.status == Status::Converged)
        .filter_map(|p| Some((p, invert_symmetric(floored(p.registration.covariance))?)))
        .collect();
    let tied = tied_to_first(n, used.iter().map(|(p, _)| (p.reference, p.moving)));
    // Unknowns: the tied frames but the first.
    let mut position = vec![None; n];
    let mut unknowns = 0;
    for frame in (1..n).filter(|&f| tied[f]) {
        position[frame] = Some(2 * unknowns);
        unknowns += 1;
    }
    let mut normal = DMatrix::<f64>::zeros(2 * unknowns, 2 * unknowns);
    let mut right = DVector::<f64>::zeros(2 * unknowns);
    for (pair, weight) in &used {
        let ends = [(pair.moving, 1.0), (pair.reference, -1.0)].map(|(f, sign)| (position[f], sign));
        for (a, sign_a) in ends {
            let Some(a) = a else { continue };
            for i in 0..2 {
                for j in 0..2 {
                    right[a + i] += sign_a * weight[i][j] * pair.registration.shift[j];
                    for (b, sign_b) in ends {
                        if let Some(b) = b {
                            normal[(a + i, b + j)] += sign_a * sign_b * weight[i][j];
                        }
                    }
                }
            }
        }
    }
    if let Some(cholesky) = normal.cholesky() {
        let shifts = cholesky.solve(&right);
        let covariance = cholesky.inverse();
        for frame in 1..n {
            if let Some(a) = position[frame] {
                series.shifts[frame] = [shifts[a], shifts[a + 1]];
                series.covariances[frame] =
                    std::array::from_fn(|i| std::array::from_fn(|j| covariance[(a + i, a + j)]));
                series.statuses[frame] = Status::Converged;
            }
        }
    }
    SeriesRegistration { pairs, ..series }
}

/// A covariance with at least (1e-9 px)² on its diagonal: identical frames have none.
fn floored(mut covariance: [[f64; 2]; 2]) -> [[f64; 2]; 2] {
    for axis in 0..2 {
        covariance[axis][axis] += 1e-18;
    }
    covariance
}

/// Frames that a path of pairs joins to the first.
fn tied_to_first(n: usize, pairs: impl Iterator<Item = (usize, usize)> + Clone) -> Vec<bool> {
    let mut tied = vec![false; n];
    if n > 0 {
        tied[0] = true;
    }
    loop {
        let mut changed = false;
        for (a, b) in pairs.clone() {
            if tied[a] != tied[b] {
                (tied[a], tied[b]) = (true, true);
                changed = true;
            }
        }
        if !changed {
            return tied;
        }
    }
}
