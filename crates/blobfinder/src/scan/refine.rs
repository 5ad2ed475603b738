//! The lattice of every frame, from one that is roughly known.

use ndarray::{Array1, Array2, Array3, ArrayView2};
use nonius_core::{
    Consumer, Error, PassParams, Progress, Real, Result, Scope, Selection, Tile, check_shape, pass,
};
use serde::{Deserialize, Serialize};

use super::ZeroShift;
use super::disks::{DiskFinder, Disks, FoundDisks};
use crate::{
    CorrelationParams, CorrelationPlan, CovarianceSource, Lattice, LatticeMatch, LatticePoint, Loss,
    MatchParams, Peak, PeakStatus, Refinement, Template, affine_match, fast_match, index_grid,
};

/// How the lattice of every frame is refined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RefineParams {
    /// Greatest |i| and |j| of the positions that are looked at. Default: 10.
    pub max_index: u32,
    /// Indices `(i, j)` to look at in place of all up to `max_index`; they may be fractional. Default: none.
    pub indices: Option<Vec<[f64; 2]>>,
    /// Positions nearer to the frame's edge are left out, px. Default: the template's `search`, so that every window
    /// lies in the frame.
    pub margin: Option<f64>,
    /// How disks are looked for.
    pub correlation: CorrelationParams,
    /// How a lattice is fitted to them.
    pub matching: Matching,
    /// What a disk weighs in the fit.
    pub weight: PeakWeight,
    /// How often frames are looked at anew that have no lattice, or one that their neighbours on the scan's grid do not
    /// suggest, starting from the neighbours' median: 0 takes the common start alone. Each round may carry the lattice
    /// one position further over the scan, and looks only at frames whose neighbours tell something new; rounds end
    /// where none gains by it. See [`LatticeRefiner::from_neighbors`]. Default: 0.
    pub neighbor_rounds: usize,
    /// Cuts positions to whole pixels instead of rounding them, as LiberTEM-blobfinder 0.6.1 does: windows are then off
    /// by up to a pixel. Default: false.
    pub truncate_positions: bool,
}

impl Default for RefineParams {
    fn default() -> Self {
        RefineParams {
            max_index: 10,
            indices: None,
            margin: None,
            correlation: CorrelationParams::default(),
            matching: Matching::default(),
            weight: PeakWeight::default(),
            neighbor_rounds: 0,
            truncate_positions: false,
        }
    }
}

/// How a lattice is fitted to the disks of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Matching {
    /// Disks are assigned to the start lattice, those too far from it left out: [`fast_match`].
    Fast(MatchParams),
    /// Every disk keeps the index of the position where it was looked for: [`affine_match`].
    Affine(Loss),
}

impl Default for Matching {
    fn default() -> Self {
        Matching::Fast(MatchParams::default())
    }
}

/// What a disk weighs in the fit of a lattice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PeakWeight {
    /// One over its variance along an axis where the refinement gives a covariance, else its elevation, or its height
    /// where that is a correlation coefficient.
    #[default]
    Precision,
    /// Its elevation, as LiberTEM-blobfinder has it.
    Elevation,
}

impl RefineParams {
    /// The parameters that reproduce LiberTEM-blobfinder 0.6.1, number for number.
    pub fn compatible(correlation: CorrelationParams) -> Self {
        RefineParams {
            correlation,
            weight: PeakWeight::Elevation,
            truncate_positions: true,
            ..Default::default()
        }
    }

    /// Checks each field.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn validate(&self) -> Result<()> {
        if self.max_index > 1000 {
            return Err(Error::parameter("max_index", "1000 or less", self.max_index));
        }
        if self.margin.is_some_and(|m| !m.is_finite()) {
            return Err(Error::parameter("margin", "finite", self.margin.unwrap_or_default()));
        }
        self.correlation.validate()?;
        if let Matching::Fast(params) = &self.matching {
            params.validate()?;
        }
        Ok(())
    }
}

impl RefineParams {
    /// Where index `(i, j)` is looked for.
    fn place(&self, start: &Lattice, index: [f64; 2]) -> [f64; 2] {
        start.position(index).map(|c| if self.truncate_positions { c.trunc() } else { c })
    }
}

/// Finds the disks of a lattice in each frame and fits the lattice to them: a consumer for [`pass`], precision `F`.
#[derive(Debug, Clone)]
pub struct LatticeRefiner<F: Real> {
    pub(super) finder: DiskFinder<F>,
    pub(super) start: Lattice,
    /// In place of `start`, one per sample.
    starts: Option<Vec<Lattice>>,
    pub(super) indices: Vec<[f64; 2]>,
    pub(super) params: RefineParams,
}

/// Lattices of every sample of a region of interest; the first axis is the sample.
#[derive(Debug, Clone, PartialEq)]
pub struct RefinedLattices {
    /// Indices `(i, j)` of the positions that were looked at, i fastest, or in the order in which they were given.
    pub indices: Vec<[f64; 2]>,
    /// Position `(y, x)` px of index (0, 0), shape (sample, 2); NaN where no lattice was matched, as `a` and `b`.
    pub zero: Array2<f64>,
    /// First vector.
    pub a: Array2<f64>,
    /// Second vector.
    pub b: Array2<f64>,
    /// Covariance of `(zero_y, zero_x, a_y, a_x, b_y, b_x)`, px², shape (sample, 6, 6): that of the fit, times its χ² per
    /// degree of freedom where the disks scatter more than their own covariances allow.
    pub covariance: Array3<f64>,
    /// Whether each position's disk belongs to the lattice, shape (sample, position).
    pub selector: Array2<bool>,
    /// Weighted mean distance of disks from the lattice, px; infinite where there is none.
    pub error: Array1<f64>,
    /// Round in which the sample started from its neighbours; 0 where from the start that was given.
    pub round: Array1<u32>,
    /// The disks.
    pub disks: Disks,
}

impl RefinedLattices {
    /// The lattice of a sample.
    pub fn lattice(&self, sample: usize) -> Lattice {
        let pair = |of: &Array2<f64>| [of[[sample, 0]], of[[sample, 1]]];
        Lattice { zero: pair(&self.zero), a: pair(&self.a), b: pair(&self.b) }
    }
}

/// Lattices of some of the frames.
#[derive(Debug, Clone)]
pub struct Refiner<F: Real> {
    disks: FoundDisks<F>,
    matches: Vec<Matched>,
    selector: Vec<bool>,
}

#[derive(Debug, Clone, Copy)]
struct Matched {
    lattice: Lattice,
    covariance: [[f64; 6]; 6],
    error: f64,
}

impl<F: Real> LatticeRefiner<F> {
    /// For frames of `shape`, whose lattices are near `start`.
    ///
    /// # Errors
    /// [`Error::Parameter`], also if no position of the lattice is inside the frame.
    pub fn new(
        shape: (usize, usize),
        template: &Template,
        start: &Lattice,
        params: &RefineParams,
        zero_shift: ZeroShift,
    ) -> Result<Self> {
        params.validate()?;
        if !start.is_finite() {
            return Err(Error::parameter("start lattice", "finite", format!("{start:?}")));
        }
        let reach = params.max_index as i32;
        let margin = params.margin.unwrap_or(template.search());
        let all = || index_grid(-reach..=reach, -reach..=reach).iter().map(|i| i.map(f64::from)).collect();
        let mut indices: Vec<[f64; 2]> = params.indices.clone().unwrap_or_else(all);
        let within = |c: f64, n: usize| margin <= c && c < n as f64 - margin;
        indices.retain(|&index| {
            let [y, x] = start.position(index);
            within(y, shape.0) && within(x, shape.1)
        });
        if indices.is_empty() {
            return Err(Error::parameter(
                "start lattice",
                "one with a position in the frame, the margin kept",
                format!("zero {:?}, a {:?}, b {:?}, margin {margin}", start.zero, start.a, start.b),
            ));
        }
        let positions: Vec<[f64; 2]> = indices.iter().map(|&index| params.place(start, index)).collect();
        let plan = CorrelationPlan::new(shape, std::slice::from_ref(template), &params.correlation)?;
        Ok(LatticeRefiner {
            finder: DiskFinder::new(plan, &positions, zero_shift)?,
            start: *start,
            starts: None,
            indices,
            params: params.clone(),
        })
    }

    /// Starts every sample of the region of interest from a lattice of its own. Its disks are looked for where that
    /// lattice has the places that the common start has in the frame; a zero shift is added.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a lattice that is not finite, or has such a place more than a million px away. That there
    /// is one per sample is checked when a pass begins.
    pub fn with_starts(self, starts: &[Lattice]) -> Result<Self> {
        let near = |start: &Lattice| {
            self.indices.iter().all(|&index| start.position(index).iter().all(|c| c.abs() < 1e6))
        };
        if let Some(k) = starts.iter().position(|start| !(start.is_finite() && near(start))) {
            let got = format!("{:?} for sample {k}", starts[k]);
            return Err(Error::parameter("start lattices", "finite, with places within a million px", got));
        }
        Ok(LatticeRefiner { starts: Some(starts.to_vec()), ..self })
    }

    /// Leaves out the pixels where `live` is false: dead ones, the shadow of a beam stop.
    ///
    /// # Errors
    /// [`Error::Shape`].
    pub fn with_mask(self, live: ArrayView2<'_, bool>) -> Result<Self> {
        Ok(LatticeRefiner { finder: self.finder.with_mask(live)?, ..self })
    }

    /// Transforms pixel values by `function` before they are correlated: [`CorrelationPlan::with_intensity`].
    pub fn with_intensity(self, function: impl Fn(&mut [F], F) + Send + Sync + 'static) -> Self {
        LatticeRefiner { finder: self.finder.with_intensity(function), ..self }
    }

    /// Where a sample begins, its zero shift left out.
    pub(super) fn start_of(&self, sample: usize) -> &Lattice {
        self.starts.as_ref().map_or(&self.start, |starts| &starts[sample])
    }

    fn fit(&self, start: &Lattice, shift: [f64; 2], peaks: &[Peak]) -> Result<LatticeMatch> {
        let points: Vec<LatticePoint> = peaks.iter().map(|peak| self.point(peak)).collect();
        match &self.params.matching {
            Matching::Fast(params) => {
                let zero = [0, 1].map(|axis| start.zero[axis] + shift[axis]);
                fast_match(&points, &Lattice { zero, ..*start }, params)
            }
            Matching::Affine(loss) => affine_match(&points, &self.indices, *loss),
        }
    }

    fn point(&self, peak: &Peak) -> LatticePoint {
        let c = peak.covariance;
        let fitted = matches!(self.params.correlation.refinement, Refinement::Fit(_));
        let weight = match self.params.weight {
            // What was looked for in vain weighs nothing.
            _ if peak.status == PeakStatus::NoSignal => 0.0,
            PeakWeight::Precision if fitted => 2.0 / (c[0][0] + c[1][1]),
            PeakWeight::Precision if self.params.correlation.normalized => peak.height,
            _ => peak.elevation,
        };
        LatticePoint { position: peak.refined, weight, covariance: c }
    }
}

impl<F: Real> Consumer for LatticeRefiner<F> {
    type Partial = Refiner<F>;
    type Output = RefinedLattices;

    fn start(&self, scope: &Scope) -> Result<Refiner<F>> {
        self.finder.check(scope)?;
        if let Some(starts) = &self.starts {
            check_shape("start lattices", &[scope.n_samples], &[starts.len()])?;
        }
        Ok(Refiner { disks: DiskFinder::nothing(), matches: Vec::new(), selector: Vec::new() })
    }

    fn process(&self, tile: &Tile<'_>, partial: &mut Refiner<F>) -> Result<()> {
        let Refiner { disks, matches, selector } = partial;
        let place = |sample, k| match &self.starts {
            None => self.finder.position(k),
            Some(_) => self.params.place(self.start_of(sample), self.indices[k]),
        };
        self.finder.frames(tile, disks, place, |sample, shift, peaks| {
            let found = self.fit(self.start_of(sample), shift, peaks)?;
            // Disks that scatter more than they say (Birge's ratio).
            let scale = match found.covariance_source {
                CovarianceSource::Points => found.reduced_chi2.max(1.0),
                _ => 1.0,
            };
            matches.push(Matched {
                lattice: found.lattice,
                covariance: found.covariance.map(|row| row.map(|c| scale * c)),
                error: found.error,
            });
            selector.extend(&found.selector);
            Ok(())
        })
    }

    fn merge(&self, mut earlier: Refiner<F>, later: Refiner<F>) -> Refiner<F> {
        earlier.matches.extend(later.matches);
        earlier.selector.extend(later.selector);
        Refiner { disks: earlier.disks.followed_by(later.disks), ..earlier }
    }

    fn finish(&self, whole: Refiner<F>) -> RefinedLattices {
        let (n, matches) = (whole.matches.len(), &whole.matches);
        let vector = |of: fn(&Lattice) -> [f64; 2]| {
            Array2::from_shape_fn((n, 2), |(k, axis)| of(&matches[k].lattice)[axis])
        };
        RefinedLattices {
            indices: self.indices.clone(),
            zero: vector(|l| l.zero),
            a: vector(|l| l.a),
            b: vector(|l| l.b),
            covariance: Array3::from_shape_fn((n, 6, 6), |(k, i, j)| matches[k].covariance[i][j]),
            selector: Array2::from_shape_vec((n, self.indices.len()), whole.selector)
                .expect("a flag for each position of each sample"),
            error: matches.iter().map(|m| m.error).collect(),
            round: Array1::zeros(n),
            disks: whole.disks.disks(self.finder.n_positions()),
        }
    }
}

/// The lattice of every frame of `selection`, all of which are near `start`, or near a neighbour's:
/// [`RefineParams::neighbor_rounds`].
///
/// # Errors
/// [`Error::Parameter`], [`Error::Frame`], [`Error::Cancelled`].
pub fn refine_lattices<F: Real>(
    selection: &Selection<'_>,
    template: &Template,
    start: &Lattice,
    params: &RefineParams,
    zero_shift: ZeroShift,
    pass_params: &PassParams,
    progress: &dyn Progress,
) -> Result<RefinedLattices> {
    let shape = selection.scan().frame_shape();
    let refiner = LatticeRefiner::<F>::new(shape, template, start, params, zero_shift)?;
    let found = pass(selection, &refiner, pass_params, progress)?;
    refiner.from_neighbors(found, selection, pass_params, progress)
}
