//! What a 4D-STEM scan shows at a glance, and the regions of it whose frames resemble one another.
//!
//! 1. [`PixelStatistics`] of all frames have a map of standard deviations, whose peaks are places where frames differ.
//! 2. A [`FeaturePlan`] puts a small mask on each of those places: every frame becomes a feature vector.
//! 3. [`scale`] makes features comparable, [`with_coordinates`] adds where a frame was taken.
//! 4. [`ward`] merges neighbours of a [`Graph`] into a tree ([`Dendrogram`]), whose [`Cut`] is a [`LabelMap`].
//! 5. Each of its clusters is a region of interest for all that a pass computes; [`merge_rows`] puts results together.
//!
//! ```
//! use nonius_clustering::*;
//! use nonius_core::{NoProgress, PassParams, Scan, ScanParams, pass};
//!
//! // Two grains of a crystal, spots at different places; in the left one the spots vary in brightness.
//! let spots = |x: usize| if x < 5 { [[8, 4], [12, 16]] } else { [[4, 12], [16, 8]] };
//! let frames = ndarray::Array3::from_shape_fn((48, 20, 20), |(p, y, x)| {
//!     let spot = spots(p % 8).iter().any(|[sy, sx]| y.abs_diff(*sy) <= 1 && x.abs_diff(*sx) <= 1);
//!     20 + (7 * p + 3 * y + x) as u16 % 5 + if spot { 100 + p as u16 % 3 * 20 } else { 0 }
//! });
//! let scan = Scan::new(Box::new(frames), &ScanParams { shape: Some(vec![6, 8]), ..Default::default() })?;
//! let selection = scan.select(None)?;
//!
//! // Frame by frame: masks on spots, whose places a map of deviations has.
//! let plan = FeaturePlan::new((20, 20), &[[8, 4], [12, 16], [4, 12], [16, 8]], &FeatureParams::default())?;
//! let (maps, features) = pass(&selection, &(PixelStatistics::default(), plan), &PassParams::default(), &NoProgress)?;
//! assert!(maps.standard_deviation()[[8, 4]] > 10.0 * maps.standard_deviation()[[0, 0]]);
//!
//! // Neighbours that are alike, merged.
//! let scaled = scale(features, &Scaling::default())?.features;
//! let features = with_coordinates(scaled, selection.roi(), 0.2)?;
//! let graph = Graph::grid(selection.roi(), Neighbors::Direct)?;
//! let tree = ward(features, &graph, &WardParams::default(), &NoProgress)?;
//! let map = tree.label_map(selection.roi(), Cut::Clusters(2), Numbering::Canonical)?;
//! assert_eq!(map.sizes(), [30, 18]);
//! assert_eq!(map.places()[[3, 4]], Place::Cluster(0));
//!
//! // Statistics of every cluster in one pass.
//! let statistics = LabelledStatistics::new(map.groups().view(), NanPolicy::Propagate)?;
//! let grains = pass(&selection, &statistics, &PassParams::default(), &NoProgress)?;
//! assert!(grains[0].mean[[8, 4]] > 100.0 && grains[1].mean[[8, 4]] < 30.0);
//! # Ok::<(), nonius_core::Error>(())
//! ```
//!
//! What takes frames is a [`Consumer`](nonius_core::Consumer): one pass over the frames serves any number of them, in all
//! threads, with the same bits whatever their number; frames may be larger together than memory. [`VirtualDetectors`],
//! [`CenterOfMass`] with its [`DeflectionField`] and [`LogSum`] are others.
//!
//! Rows that know no neighbours are clustered by [`linkage`], [`k_means`], [`dbscan`], [`optics`], [`hdbscan`] and
//! [`gaussian_mixture`]; [`graph_linkage`] has other distances on a graph. [`LabelMap::split`] and
//! [`LabelMap::absorbed`] make regions of what they find, [`silhouette`] and others judge it.
//!
//! Results over positions have one row per sample of the region of interest; [`Roi::spread`](nonius_core::Roi::spread)
//! puts them in their places. Labels number clusters from 0; noise and positions outside are told apart from them and
//! from one another.

mod center_of_mass;
mod dendrogram;
mod detector;
mod features;
mod field;
mod flat;
mod graph;
mod hierarchy;
mod label_map;
mod principal_components;
mod quality;
mod statistics;
mod ward;

pub use center_of_mass::{CenterOfMass, Centers};
pub use dendrogram::{Cut, Dendrogram, Numbering};
pub use detector::{Detector, DetectorSignals, VirtualDetectors};
pub use features::{
    FeatureParams, FeaturePlan, FeatureRows, ScaledFeatures, Scales, Scaling, scale, with_coordinates,
};
pub use field::{DeflectionField, DeflectionParams, Regression, guess_scan_rotation};
pub use flat::{
    Covariances, DbscanClusters, DbscanParams, GaussianMixture, HdbscanClusters, HdbscanParams,
    KMeansClusters, KMeansParams, MixtureParams, OpticsOrdering, OpticsParams, dbscan, gaussian_mixture,
    gaussian_mixture_from, hdbscan, k_means, k_means_from, optics,
};
pub use graph::{CompletedGraph, Components, Disconnected, Graph, Neighbors};
pub use hierarchy::{GraphLinkage, GraphLinkageParams, Linkage, LinkageParams, graph_linkage, linkage};
pub use label_map::{LabelMap, MatchedClusters, MergedRows, Overlap, Place, merge_rows};
pub use principal_components::{PrincipalComponents, principal_components};
pub use quality::{
    ClusterSuggestion, Silhouette, SilhouetteParams, adjusted_rand_index, davies_bouldin, silhouette,
    suggest_clusters, within_cluster_sum_of_squares,
};
pub use statistics::{
    LabelledLogSum, LabelledStatistics, LogSum, NanPolicy, PixelMaps, PixelStatistics, PixelSums,
    pixel_statistics,
};
pub use ward::{WardParams, ward};
