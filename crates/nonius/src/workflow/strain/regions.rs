//! Frames that resemble one another.

use ndarray::{Array2, ArrayView2};
use nonius_blobfinder::{
    Peak, PeakParams, Template, TemplateKind, TemplateParams, correlation_map, find_peaks,
};
use nonius_clustering::{
    Cut, Dendrogram, FeatureParams, FeaturePlan, Graph, LabelMap, NanPolicy, Neighbors, Numbering,
    PixelStatistics, Scaling, WardParams, scale, ward, with_coordinates,
};
use nonius_core::{Error, PassParams, Progress, Result, Selection, check_not_negative, pass};
use serde::{Deserialize, Serialize};

/// Statistics of every pixel over the frames.
#[derive(Debug, Clone, PartialEq)]
pub struct Deviation {
    /// Number of frames.
    pub n_frames: u64,
    /// Sum `(y, x)`; NaN in frames is left out.
    pub sum: Array2<f64>,
    /// Standard deviation `(y, x)`.
    pub deviation: Array2<f64>,
}

/// How much every pixel changes over the scan: what belongs to a crystal changes from grain to grain, what all frames
/// share does not.
///
/// # Errors
/// [`Error::Frame`], [`Error::Cancelled`].
pub fn deviation(
    selection: &Selection<'_>,
    pass_params: &PassParams,
    progress: &dyn Progress,
) -> Result<Deviation> {
    let maps = pass(selection, &PixelStatistics { nan: NanPolicy::Skip }, pass_params, progress)?;
    let deviation = maps.standard_deviation();
    Ok(Deviation { n_frames: maps.n_frames, sum: maps.sum, deviation })
}

/// Which maxima of the deviation map are spots.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SpotParams {
    /// What spots look like. Default: a disk of radius 1.5 px less the ring around it to 2.5 px.
    pub template: TemplateParams,
    /// How many at most, and how far apart. Default: 300.
    pub peaks: PeakParams,
}

impl Default for SpotParams {
    fn default() -> Self {
        SpotParams {
            template: SpotParams::template_of(1.5),
            peaks: PeakParams { n_peaks: 300, elevation_radius: 1.5, ..PeakParams::default() },
        }
    }
}

impl SpotParams {
    pub(super) fn template_of(radius: f64) -> TemplateParams {
        let template = TemplateParams::new(TemplateKind::BackgroundSubtraction, radius);
        TemplateParams { radius_outer: Some(radius + 1.0), ..template }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn validate(&self) -> Result<()> {
        self.template.validate()?;
        self.peaks.validate()
    }
}

/// The maxima of the deviation map, the highest first.
///
/// # Errors
/// [`Error::Parameter`].
pub fn find_spots(deviation: &Deviation, params: &SpotParams) -> Result<Vec<Peak>> {
    params.validate()?;
    let template = Template::new(&params.template)?;
    find_peaks(correlation_map(deviation.deviation.view(), &template)?.view(), &params.peaks)
}

/// How frames are gathered to regions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RegionParams {
    /// What is summed around each spot.
    pub features: FeatureParams,
    /// How features are made comparable. Default: divided by their mean absolute value.
    pub scaling: Scaling,
    /// Weight of a position's coordinates beside its features. Default: 0.2.
    pub coordinate_weight: f64,
    /// Which positions may be joined. Default: four neighbours.
    pub neighbors: Neighbors,
    /// Number of regions; fewer if there are fewer frames. Regions that are one crystal are recognised later, so rather
    /// too many than too few. Default: 30.
    pub clusters: usize,
    /// Regions of fewer frames go to the neighbour that they resemble most. Default: 1, none does.
    pub min_size: usize,
}

impl Default for RegionParams {
    fn default() -> Self {
        RegionParams {
            features: FeatureParams::default(),
            scaling: Scaling::default(),
            coordinate_weight: 0.2,
            neighbors: Neighbors::default(),
            clusters: 30,
            min_size: 1,
        }
    }
}

impl RegionParams {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn validate(&self) -> Result<()> {
        self.features.validate()?;
        check_not_negative("coordinate-weight", self.coordinate_weight)?;
        if self.clusters == 0 {
            return Err(Error::parameter("clusters", "1 or more", 0));
        }
        Ok(())
    }
}

/// Regions of a scan.
#[derive(Debug, Clone)]
pub struct Regions {
    /// Where features were taken, the strongest first.
    pub spots: Vec<Peak>,
    /// Features that are 0 in every frame, by the number of their mask.
    pub dead_features: Vec<usize>,
    /// Frames whose features are not numbers, by position in the scan: they belong to no region.
    pub bad_frames: Vec<usize>,
    /// The tree of mergers; its samples are those of the label map without `bad_frames`. None if the labels come from
    /// elsewhere.
    pub tree: Option<Dendrogram>,
    /// The region of every frame.
    pub labels: LabelMap,
}

/// Feature vectors of all frames, and the regions in which they resemble one another: Ward's method among neighbours.
///
/// # Errors
/// [`Error::Empty`] without spots or if no frame is a row of numbers; [`Error::Parameter`], [`Error::Frame`],
/// [`Error::Cancelled`].
pub fn find_regions(
    selection: &Selection<'_>,
    spots: Vec<Peak>,
    params: &RegionParams,
    pass_params: &PassParams,
    progress: &dyn Progress,
) -> Result<Regions> {
    params.validate()?;
    let positions: Vec<[i64; 2]> = spots.iter().map(|p| p.center.map(i64::from)).collect();
    let plan = FeaturePlan::new(selection.scan().frame_shape(), &positions, &params.features)?;
    let features = pass(selection, &plan, pass_params, progress)?;
    let roi = selection.roi();

    let good: Vec<usize> =
        (0..features.nrows()).filter(|&k| features.row(k).iter().all(|v| v.is_finite())).collect();
    if good.is_empty() {
        return Err(Error::Empty { what: "frames without NaN under a spot", got: vec![0] });
    }
    let bad_frames: Vec<usize> =
        (0..roi.len()).filter(|k| good.binary_search(k).is_err()).map(|k| roi.position(k)).collect();
    let used = roi.subset(good.iter().copied())?;
    let features = if bad_frames.is_empty() { features } else { rows(features.view(), &good) };

    let scaled = scale(features, &params.scaling)?;
    let dead_features = scaled.dead_columns;
    let vectors = with_coordinates(scaled.features, &used, params.coordinate_weight)?;
    let graph = Graph::grid(&used, params.neighbors)?;
    let kept = (params.min_size > 1).then(|| vectors.clone());
    let n_clusters = params.clusters.min(good.len());
    let tree = ward(vectors, &graph, &WardParams::default(), progress)?;
    let mut regions = tree.label_map(&used, Cut::Clusters(n_clusters), Numbering::Canonical)?;
    if let Some(vectors) = kept {
        regions = regions.absorbed(&graph, vectors.view(), params.min_size)?;
    }
    let mut labels = vec![None; roi.len()];
    good.iter().zip(regions.labels()).for_each(|(&k, &label)| labels[k] = label);
    let labels = LabelMap::new(roi.clone(), labels)?;
    Ok(Regions { spots, dead_features, bad_frames, tree: Some(tree), labels })
}

fn rows(features: ArrayView2<'_, f64>, which: &[usize]) -> Array2<f64> {
    features.select(ndarray::Axis(0), which)
}
