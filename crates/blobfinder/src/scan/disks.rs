//! Disks around the same positions of every frame.

use ndarray::{Array, Array2, Array3, Array4, ArrayView2, Axis, RemoveAxis};
use nonius_core::{
    Consumer, Error, PassParams, Progress, Real, Result, Scope, Selection, Tile, check_shape, pass,
};
use serde::{Deserialize, Serialize};

use super::{FrameSum, ZeroShift, pixel};
use crate::{
    CorrelationParams, CorrelationPlan, CorrelationScratch, Intensity, Peak, PeakParams, PeakStatus,
    Template, correlation_map, find_peaks, normalized_correlation_map,
};

/// Looks for disks around the same positions of every frame: a consumer for [`pass`], precision `F`.
#[derive(Debug, Clone)]
pub struct DiskFinder<F: Real> {
    plan: CorrelationPlan<F>,
    positions: Vec<[f64; 2]>,
    zero_shift: ZeroShift,
}

/// Disks of some of the frames, one after another, and working memory.
#[derive(Debug)]
pub struct FoundDisks<F: Real> {
    columns: Columns,
    work: Option<Box<Work<F>>>,
}

/// The arrays of [`Disks`], row by row.
#[derive(Debug, Clone, Default)]
struct Columns {
    centers: Vec<i32>,
    refineds: Vec<f32>,
    peak_values: Vec<f32>,
    peak_elevations: Vec<f32>,
    covariances: Vec<f32>,
    status: Vec<PeakStatus>,
}

#[derive(Debug)]
struct Work<F: Real> {
    frame: Vec<F>,
    positions: Vec<[i32; 2]>,
    peaks: Vec<Peak>,
    scratch: CorrelationScratch<F>,
}

impl<F: Real> Clone for FoundDisks<F> {
    /// Without the working memory.
    fn clone(&self) -> Self {
        FoundDisks { columns: self.columns.clone(), work: None }
    }
}

/// Disks of every sample of a region of interest: first axis the sample, second the position that was asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Disks {
    /// Pixels `(y, x)` of the greatest correlation, shape (sample, position, 2).
    pub centers: Array3<i32>,
    /// Positions `(y, x)` px, shape (sample, position, 2).
    pub refineds: Array3<f32>,
    /// Correlation at the centres.
    pub peak_values: Array2<f32>,
    /// Slopes of the tightest cones, see [`Peak::elevation`].
    pub peak_elevations: Array2<f32>,
    /// Covariances of the positions, px², shape (sample, position, 2, 2); NaN where there is none.
    pub covariances: Array4<f32>,
    /// What came of looking.
    pub status: Array2<PeakStatus>,
}

impl Columns {
    fn push(&mut self, peak: &Peak) {
        self.centers.extend(peak.center);
        self.refineds.extend(peak.refined.map(|c| c as f32));
        self.peak_values.push(peak.height as f32);
        self.peak_elevations.push(peak.elevation as f32);
        self.covariances.extend(peak.covariance.as_flattened().iter().map(|&c| c as f32));
        self.status.push(peak.status);
    }

    /// Without room to spare: together these are the greater part of what a pass keeps.
    fn extend(&mut self, later: Columns) {
        fn append<T>(to: &mut Vec<T>, from: Vec<T>) {
            to.reserve_exact(from.len());
            to.extend(from);
        }
        append(&mut self.centers, later.centers);
        append(&mut self.refineds, later.refineds);
        append(&mut self.peak_values, later.peak_values);
        append(&mut self.peak_elevations, later.peak_elevations);
        append(&mut self.covariances, later.covariances);
        append(&mut self.status, later.status);
    }
}

impl Disks {
    /// Puts the disks of sample `from` of `other` in place of those of sample `to`.
    pub(crate) fn replace(&mut self, to: usize, other: &Disks, from: usize) {
        fn row<T: Clone, D: RemoveAxis>(of: &mut Array<T, D>, to: usize, other: &Array<T, D>, from: usize) {
            of.index_axis_mut(Axis(0), to).assign(&other.index_axis(Axis(0), from));
        }
        row(&mut self.centers, to, &other.centers, from);
        row(&mut self.refineds, to, &other.refineds, from);
        row(&mut self.peak_values, to, &other.peak_values, from);
        row(&mut self.peak_elevations, to, &other.peak_elevations, from);
        row(&mut self.covariances, to, &other.covariances, from);
        row(&mut self.status, to, &other.status, from);
    }

    /// Of `n` positions per sample.
    fn new(columns: Columns, n: usize) -> Self {
        let samples = columns.status.len().checked_div(n).unwrap_or(0);
        let complete = "every sample has all of its positions";
        Disks {
            centers: Array3::from_shape_vec((samples, n, 2), columns.centers).expect(complete),
            refineds: Array3::from_shape_vec((samples, n, 2), columns.refineds).expect(complete),
            peak_values: Array2::from_shape_vec((samples, n), columns.peak_values).expect(complete),
            peak_elevations: Array2::from_shape_vec((samples, n), columns.peak_elevations).expect(complete),
            covariances: Array4::from_shape_vec((samples, n, 2, 2), columns.covariances).expect(complete),
            status: Array2::from_shape_vec((samples, n), columns.status).expect(complete),
        }
    }
}

impl<F: Real> DiskFinder<F> {
    /// Looks around `positions` `(y, x)` px, which are rounded to whole pixels, the frame's zero shift added.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a position that is not finite.
    pub fn new(plan: CorrelationPlan<F>, positions: &[[f64; 2]], zero_shift: ZeroShift) -> Result<Self> {
        if let Some(p) = positions.iter().find(|p| !p.iter().all(|c| c.abs() < 1e6)) {
            return Err(Error::parameter("position", "within a million px", format!("{p:?}")));
        }
        Ok(DiskFinder { plan, positions: positions.to_vec(), zero_shift })
    }

    /// Looks around `place(sample, k)` for disk k of each frame of a tile, the zero shift added, and hands the peaks to
    /// `each(sample, zero shift, peaks)`.
    pub(crate) fn frames(
        &self,
        tile: &Tile<'_>,
        partial: &mut FoundDisks<F>,
        place: impl Fn(usize, usize) -> [f64; 2],
        mut each: impl FnMut(usize, [f64; 2], &[Peak]) -> Result<()>,
    ) -> Result<()> {
        let work = partial.work.get_or_insert_with(|| {
            Box::new(Work {
                frame: vec![F::zero(); tile.frame_len()],
                positions: Vec::new(),
                peaks: Vec::new(),
                scratch: self.plan.scratch(),
            })
        });
        for k in 0..tile.n_frames() {
            let sample = tile.first_sample() + k;
            let shift = self.zero_shift.of(sample);
            let whole = pixel(shift);
            work.positions.clear();
            work.positions.extend((0..self.positions.len()).map(|k| {
                let p = pixel(place(sample, k));
                [p[0].saturating_add(whole[0]), p[1].saturating_add(whole[1])]
            }));
            tile.frame(k, &mut work.frame);
            self.plan.run_with(&work.frame, &work.positions, &mut work.scratch, &mut work.peaks)?;
            each(sample, shift, &work.peaks)?;
            work.peaks.iter().for_each(|peak| partial.columns.push(peak));
        }
        Ok(())
    }

    pub(crate) fn check(&self, scope: &Scope) -> Result<()> {
        let (h, w) = self.plan.frame_shape();
        check_shape("frame", &[h, w], &[scope.frame_shape.0, scope.frame_shape.1])?;
        self.zero_shift.validate(scope)
    }

    pub(crate) fn with_mask(self, live: ArrayView2<'_, bool>) -> Result<Self> {
        Ok(DiskFinder { plan: self.plan.with_mask(live)?, ..self })
    }

    pub(crate) fn with_intensity(self, function: impl Fn(&mut [F], F) + Send + Sync + 'static) -> Self {
        DiskFinder { plan: self.plan.with_intensity(function), ..self }
    }

    pub(crate) fn with_zero_shift(self, zero_shift: ZeroShift) -> Self {
        DiskFinder { zero_shift, ..self }
    }

    pub(crate) fn zero_shift(&self) -> &ZeroShift {
        &self.zero_shift
    }

    pub(crate) fn position(&self, k: usize) -> [f64; 2] {
        self.positions[k]
    }

    pub(crate) fn n_positions(&self) -> usize {
        self.positions.len()
    }

    pub(crate) fn nothing() -> FoundDisks<F> {
        FoundDisks { columns: Columns::default(), work: None }
    }
}

impl<F: Real> FoundDisks<F> {
    pub(crate) fn followed_by(mut self, later: Self) -> Self {
        self.columns.extend(later.columns);
        self.work = None;
        self
    }

    pub(crate) fn disks(self, n: usize) -> Disks {
        Disks::new(self.columns, n)
    }
}

impl<F: Real> Consumer for DiskFinder<F> {
    type Partial = FoundDisks<F>;
    type Output = Disks;

    fn start(&self, scope: &Scope) -> Result<FoundDisks<F>> {
        self.check(scope)?;
        Ok(Self::nothing())
    }

    fn process(&self, tile: &Tile<'_>, partial: &mut FoundDisks<F>) -> Result<()> {
        self.frames(tile, partial, |_, k| self.positions[k], |_, _, _| Ok(()))
    }

    fn merge(&self, earlier: FoundDisks<F>, later: FoundDisks<F>) -> FoundDisks<F> {
        earlier.followed_by(later)
    }

    fn finish(&self, whole: FoundDisks<F>) -> Disks {
        whole.disks(self.n_positions())
    }
}

/// How [`find_disks`] chooses positions and looks around them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct BlobfinderParams {
    /// Which maxima of the summed frames' correlation are positions.
    pub peaks: PeakParams,
    /// How each frame is searched.
    pub correlation: CorrelationParams,
}

/// Disks of a scan, and where they were expected.
#[derive(Debug, Clone, PartialEq)]
pub struct Blobfinder {
    /// `ln(Σ I − min + 1)`: the frame in which positions were looked for.
    pub sum: Array2<f64>,
    /// Positions in it, the highest first.
    pub positions: Vec<Peak>,
    /// Disks around them, frame by frame.
    pub disks: Disks,
}

/// Finds the disks that the sum of all frames shows, then each of them in every frame: two passes over `selection`.
///
/// # Errors
/// [`Error::Parameter`], [`Error::Frame`], [`Error::Cancelled`].
pub fn find_disks<F: Real>(
    selection: &Selection<'_>,
    template: &Template,
    params: &BlobfinderParams,
    pass_params: &PassParams,
    progress: &dyn Progress,
) -> Result<Blobfinder> {
    params.peaks.validate()?;
    let plan = CorrelationPlan::<F>::new(
        selection.scan().frame_shape(),
        std::slice::from_ref(template),
        &params.correlation,
    )?;
    let mut sum = pass(selection, &FrameSum, pass_params, progress)?;
    Intensity::Log.transform(&mut sum);
    let map = if params.correlation.normalized {
        normalized_correlation_map(sum.view(), template, None)?
    } else {
        correlation_map(sum.view(), template)?
    };
    let positions = find_peaks(map.view(), &params.peaks)?;
    let centers: Vec<[f64; 2]> = positions.iter().map(|p| p.center.map(f64::from)).collect();
    let finder = DiskFinder::new(plan, &centers, ZeroShift::None)?;
    let disks = pass(selection, &finder, pass_params, progress)?;
    Ok(Blobfinder { sum, positions, disks })
}
