//! Diffraction disks: where they are in every frame of a 4D-STEM scan, and the lattice that they make.

mod correlation;
mod intensity;
mod lattice;
pub mod masks;
mod peaks;
mod picture;
mod scan;
mod strain;
mod template;

pub use correlation::{
    Border, CorrelationParams, CorrelationPlan, CorrelationScratch, DiskEdge, FitParams, Method, Peak,
    PeakStatus, PixelNoise, Refinement, correlation_map,
};
pub use intensity::Intensity;
pub use lattice::compatible;
pub use lattice::{
    AffineTransformation, CovarianceSource, DistanceRule, FoundLattice, FramePeaks, Lattice, LatticeFit,
    LatticeMatch, LatticePoint, LatticeSearch, LatticeSearchParams, Loss, MatchParams, MatchStatus,
    UnimodularBasis, ZeroRule, affine_match, assign_indices, cartesian, cartesian_array, fast_match,
    fit_lattice, index_grid, polar, polar_array, search_lattices,
};
pub use masks::{Ellipse, Stamps};
pub use peaks::{PeakParams, Plateau, find_peaks};
pub use picture::{Color, Drawing, DrawnMark, Mark, PictureParams, draw_match};
pub use scan::{
    Blobfinder, BlobfinderParams, DiskFinder, DiskIntegrals, DiskIntegrator, Disks, FoundDisks, FrameSum,
    LatticeRefiner, Matching, PeakWeight, RefineParams, RefinedLattices, Refiner, ZeroShift, find_disks,
    refine_lattices,
};
pub use strain::{Strain, StrainAxes, StrainMap, StrainParams, StrainReference, strain, strain_map};
pub use template::{DataTemplateParams, Template, TemplateKind, TemplateParams};
