//! The lattice of each region.

use ndarray::{Array2, Array3, Axis};
use nonius_blobfinder::{
    FoundLattice, LatticePoint, LatticeSearchParams, Peak, PeakParams, Template, TemplateKind,
    TemplateParams, ZeroRule, correlation_map, find_peaks, search_lattices,
};
use nonius_clustering::{LabelMap, LabelledLogSum};
use nonius_core::{Error, PassParams, Progress, Result, Selection, pass};
use serde::{Deserialize, Serialize};

use super::{Deviation, check_cancelled};

/// How lattices of regions are looked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LatticeParams {
    /// What spots look like. Default: a disk of radius 1.5 px less the ring around it to 4 px.
    pub template: TemplateParams,
    /// Which maxima of a region's summed logarithms are spots. Default: 40, at least 3 px apart.
    pub peaks: PeakParams,
    /// Which lattices count. The rule for the zero is not used: all lattices have theirs at the direct beam.
    pub search: LatticeSearchParams,
    /// Position `(y, x)` of the direct beam, px. Default: where the sum of all frames is brightest.
    pub direct_beam: Option<[f64; 2]>,
}

impl Default for LatticeParams {
    fn default() -> Self {
        LatticeParams {
            template: LatticeParams::template_of(1.5),
            peaks: PeakParams {
                n_peaks: 40,
                min_distance: 3.0,
                elevation_radius: 2.0,
                ..PeakParams::default()
            },
            search: LatticeSearchParams::default(),
            direct_beam: None,
        }
    }
}

impl LatticeParams {
    pub(super) fn template_of(radius: f64) -> TemplateParams {
        let template = TemplateParams::new(TemplateKind::BackgroundSubtraction, radius);
        TemplateParams { radius_outer: Some(radius + 2.5), ..template }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn validate(&self) -> Result<()> {
        self.template.validate()?;
        self.peaks.validate()?;
        self.search.validate()?;
        match self.direct_beam {
            Some(p) if !p.iter().all(|c| c.is_finite()) => {
                Err(Error::parameter("direct-beam", "a finite position", format!("{p:?}")))
            }
            _ => Ok(()),
        }
    }
}

/// What the frames of a region show together.
#[derive(Debug, Clone)]
pub struct RegionLattice {
    /// `Σ ln(I − min I + 1)` over its frames, divided by their number.
    pub mean_log: Array2<f64>,
    /// Spots in it, the strongest first.
    pub spots: Vec<Peak>,
    /// Lattices among them, the least accidental first; none where nothing is crystalline.
    pub found: Vec<FoundLattice>,
}

/// Lattices of all regions.
#[derive(Debug, Clone)]
pub struct RegionLattices {
    /// One for each region.
    pub regions: Vec<RegionLattice>,
    /// Where every lattice has its zero, or the nearest place to it `(y, x)`, px.
    pub direct_beam: [f64; 2],
}

/// Sums the logarithms of each region's frames, and looks for spots and their lattice in them.
///
/// All lattices have their zero at the place nearest to the direct beam, and the vectors of their reduced cell.
///
/// # Errors
/// [`Error::Parameter`], [`Error::Frame`], [`Error::Cancelled`].
pub fn find_lattices(
    selection: &Selection<'_>,
    labels: &LabelMap,
    deviation: &Deviation,
    params: &LatticeParams,
    pass_params: &PassParams,
    progress: &dyn Progress,
) -> Result<RegionLattices> {
    params.validate()?;
    let template = Template::new(&params.template)?;
    let direct_beam = match params.direct_beam {
        Some(given) => given,
        None => brightest(deviation, params.template.radius)?,
    };
    let sums = pass(selection, &LabelledLogSum::new(labels.groups().view())?, pass_params, progress)?;
    let search = LatticeSearchParams { zero: ZeroRule::Given(direct_beam), ..params.search.clone() };
    let regions = labels
        .iter()
        .zip(means(sums, labels))
        .map(|((_, _, _), mean_log)| {
            check_cancelled(progress)?;
            let spots = find_peaks(correlation_map(mean_log.view(), &template)?.view(), &params.peaks)?;
            let point = |p: &Peak| LatticePoint::new(p.refined).with_weight(p.elevation);
            let points: Vec<LatticePoint> = spots.iter().map(point).collect();
            let found = search_lattices(&points, &search)?.lattices;
            Ok(RegionLattice { mean_log, spots, found })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(RegionLattices { regions, direct_beam })
}

/// Sums divided by the number of frames.
fn means(sums: Array3<f64>, labels: &LabelMap) -> Vec<Array2<f64>> {
    let sizes = labels.sizes();
    sums.axis_iter(Axis(0)).zip(sizes).map(|(sum, n)| &sum / n as f64).collect()
}

/// Where a disk of twice the spots' radius is brightest in the sum of all frames; their centre if that is constant. The
/// direct beam need not be sharp: what it has about it counts, too.
fn brightest(deviation: &Deviation, radius: f64) -> Result<[f64; 2]> {
    let template = Template::new(&TemplateParams::new(TemplateKind::Circular, 2.0 * radius))?;
    let params = PeakParams { n_peaks: 1, ..PeakParams::default() };
    let (h, w) = deviation.sum.dim();
    let spots = find_peaks(correlation_map(deviation.sum.view(), &template)?.view(), &params)?;
    Ok(spots.first().map_or([0.5 * (h as f64 - 1.0), 0.5 * (w as f64 - 1.0)], |p| p.refined))
}
