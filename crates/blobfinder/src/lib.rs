//! Diffraction disks: where they are in every frame of a 4D-STEM scan, and the lattice that they make.
//!
//! 1. A [`Template`] says what a disk looks like: by formula, from an image, or from a picture of the vacuum beam.
//! 2. [`find_peaks`] finds disks in the [`correlation_map`] of a frame, usually of the sum of all.
//! 3. A [`CorrelationPlan`] looks for a disk around each of those positions in a frame, and says where it is, to a small
//!    fraction of a pixel, with what covariance, and whether to believe it ([`Peak`]). [`CorrelationParams`] choose
//!    how; the default fits a disk to the pixels.
//! 4. [`search_lattices`] finds the lattice of such positions without a start; [`fast_match`] and [`fit_lattice`] fit one
//!    that is roughly known, with the covariance of zero, a and b.
//! 5. [`strain`] compares a lattice with another.
//!
//! Over a scan, [`find_disks`] does the first three for every frame, [`refine_lattices`] also the fourth, and [`strain_map`]
//! the fifth; [`DiskFinder`], [`LatticeRefiner`] and [`DiskIntegrator`] are consumers of a
//! [`pass`](nonius_core::pass), several of which may share one reading. [`draw_match`] makes a picture, as data.
//!
//! ```
//! use nonius_blobfinder::*;
//! use nonius_synthetic::{DiffractionBackground, DiffractionParams};
//!
//! // A pattern whose lattice is 1 % longer along x than that of the reference: the crystal is compressed.
//! let reference = Lattice { zero: [64.0, 64.0], a: [0.0, 20.0], b: [20.0, 0.0] };
//! let background = DiffractionBackground { constant: 5.0, ..Default::default() };
//! let made = DiffractionParams {
//!     zero: [63.4, 64.7], a: [0.0, 20.2], b: [20.0, 0.0], radius: 5.0, electrons: 5000.0, background, ..Default::default()
//! }
//! .generate()?;
//!
//! // What a disk looks like, and where the frame has such disks.
//! let template = Template::new(&TemplateParams::new(TemplateKind::Circular, 5.0))?;
//! let mut logarithm = made.frame.clone();
//! Intensity::Log.transform(&mut logarithm);
//! let params = PeakParams { n_peaks: 25, min_distance: 10.0, ..Default::default() };
//! let coarse = find_peaks(correlation_map(logarithm.view(), &template)?.view(), &params)?;
//!
//! // Their positions from the pixels around them.
//! let plan = CorrelationPlan::<f64>::new((128, 128), &[template], &CorrelationParams::default())?;
//! let centers: Vec<[i32; 2]> = coarse.iter().map(|peak| peak.center).collect();
//! let peaks = plan.run(made.frame.view(), &centers)?;
//! let best = made.truth.positions.iter().map(|p| (p[0] - peaks[0].refined[0]).hypot(p[1] - peaks[0].refined[1]));
//! assert!(best.fold(f64::INFINITY, f64::min) < 0.1);
//!
//! // The lattice that explains them, and the strain.
//! let found = peaks.iter().filter(|peak| peak.status == PeakStatus::Found);
//! let points: Vec<LatticePoint> = found
//!     .map(|peak| LatticePoint::new(peak.refined).with_weight(peak.elevation).with_covariance(peak.covariance))
//!     .collect();
//! let lattice = &search_lattices(&points, &LatticeSearchParams::default())?.lattices[0].matched;
//! let strain = strain(&lattice.lattice, Some(&lattice.covariance), &reference, &StrainParams::default())?;
//! assert!((strain.xx + 0.0099).abs() < 0.001 && strain.yy.abs() < 0.001 && strain.errors()[0] < 0.001);
//! # Ok::<(), nonius_core::Error>(())
//! ```
//!
//! Positions are `(y, x)` in px, zero at the centre of the first pixel. Positions, lattices and strain are those of the
//! detector; calibration and a rotation against the scan are left to the caller. Disks are found one by one: of two that
//! overlap by more than their edges each draws the other. Patterns of Kikuchi lines, rings and amorphous halos have no disks.
//!
//! What LiberTEM-blobfinder 0.6.1 computes is reproduced, where it differs from what is right, by presets of that name:
//! [`CorrelationParams::compatible`], [`RefineParams::compatible`], [`Template::compatible`], [`compatible`].

mod correlation;
mod intensity;
mod lattice;
mod peaks;
mod picture;
mod scan;
mod strain;
mod template;

pub use correlation::{
    Border, CorrelationParams, CorrelationPlan, CorrelationScratch, DiskEdge, FitParams, Method, Peak,
    PeakStatus, PixelNoise, Refinement, correlation_map, normalized_correlation_map,
};
pub use intensity::Intensity;
pub use lattice::compatible;
pub use lattice::{
    AffineTransformation, CovarianceSource, DistanceRule, FoundLattice, FramePeaks, Lattice, LatticeFit,
    LatticeMatch, LatticePoint, LatticeSearch, LatticeSearchParams, Loss, MatchParams, MatchStatus,
    UnimodularBasis, ZeroRule, affine_match, assign_indices, cartesian, cartesian_array, fast_match,
    fit_lattice, index_grid, polar, polar_array, search_lattices,
};
#[doc(inline)]
pub use nonius_core::masks;
pub use nonius_core::masks::{Ellipse, Stamps, TemplateKind, TemplateParams};
pub use peaks::{PeakParams, Plateau, find_peaks};
pub use picture::{Color, Drawing, DrawnMark, Mark, PictureParams, draw_match};
pub use scan::{
    Blobfinder, BlobfinderParams, DiskFinder, DiskIntegrals, DiskIntegrator, Disks, FoundDisks, FrameSum,
    LatticeRefiner, Matching, PeakWeight, RefineParams, RefinedLattices, Refiner, ZeroShift, find_disks,
    refine_lattices,
};
pub use strain::{Strain, StrainAxes, StrainMap, StrainParams, StrainReference, strain, strain_map};
pub use template::{DataTemplateParams, Template};
