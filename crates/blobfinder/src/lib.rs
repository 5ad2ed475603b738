//! Diffraction disks: where they are in every frame of a 4D-STEM scan, and the lattice that they make.

mod correlation;
mod intensity;
mod lattice;
pub mod masks;
mod peaks;
mod picture;
mod strain;
mod template;

pub use correlation::{Peak, PeakStatus};
pub use intensity::Intensity;
pub use lattice::compatible;
pub use lattice::{
    AffineTransformation, CovarianceSource, DistanceRule, FoundLattice, FramePeaks, Lattice, LatticeFit,
    LatticeMatch, LatticePoint, LatticeSearch, LatticeSearchParams, Loss, MatchParams, MatchStatus,
    UnimodularBasis, ZeroRule, affine_match, assign_indices, cartesian, cartesian_array, fast_match,
    fit_lattice, index_grid, polar, polar_array, search_lattices,
};
pub use strain::{Strain, StrainAxes, StrainMap, StrainParams, StrainReference, strain, strain_map};
pub use template::{Template, TemplateKind, TemplateParams};
