//! What a 4D-STEM scan shows at a glance: maps of statistics, virtual detectors, centres of mass.
//!
//! Everything here is a [`Consumer`](nonius_core::Consumer): one pass over the frames serves any number of them, in all
//! threads, with the same bits whatever their number. Frames may be larger together than memory.
//!
//! ```
//! use ndarray::Array3;
//! use nonius_clustering::{CenterOfMass, Detector, LogSum, PixelStatistics, VirtualDetectors};
//! use nonius_core::{NoProgress, PassParams, Scan, ScanParams, pass};
//!
//! let frames = Array3::from_shape_fn((12, 16, 16), |(k, y, x)| (k + y * x) as u16);
//! let scan = Scan::new(Box::new(frames), &ScanParams { shape: Some(vec![3, 4]), ..Default::default() })?;
//! let selection = scan.select(None)?;
//! let detectors = VirtualDetectors::new(&[Detector::Disk { center: [8.0, 8.0], radius: 3.0 }]);
//! let (maps, logsum, (signals, centers)) = pass(
//!     &selection,
//!     &(PixelStatistics::default(), LogSum, (detectors, CenterOfMass::default())),
//!     &PassParams::default(),
//!     &NoProgress,
//! )?;
//! assert_eq!(maps.n_frames, 12);
//! assert_eq!(logsum.dim(), (16, 16));
//! let bright_field = selection.roi().spread(signals.column(0), f64::NAN)?;
//! assert_eq!(bright_field.shape(), [3, 4]);
//! assert_eq!(centers.dim(), (12, 2));
//! # Ok::<(), nonius_core::Error>(())
//! ```
//!
//! Results over positions have one row per sample of the region of interest; [`Roi::spread`](nonius_core::Roi::spread)
//! puts them in their places.

mod center_of_mass;
mod dendrogram;
mod detector;
mod features;
mod field;
mod graph;
mod label_map;
mod statistics;
mod ward;

pub use center_of_mass::{CenterOfMass, Centers};
pub use dendrogram::{Cut, Dendrogram, Numbering};
pub use detector::{Detector, DetectorSignals, VirtualDetectors};
pub use field::{DeflectionField, DeflectionParams, Regression, guess_scan_rotation};
pub use graph::{CompletedGraph, Components, Disconnected, Graph, Neighbors};
pub use label_map::{LabelMap, Place};
pub use statistics::{
    LabelledStatistics, LogSum, NanPolicy, PixelMaps, PixelStatistics, PixelSums, pixel_statistics,
};
pub use ward::{WardParams, ward};
