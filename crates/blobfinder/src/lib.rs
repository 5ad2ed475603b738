//! Diffraction disks: where they are in every frame of a 4D-STEM scan, and the lattice that they make.

mod correlation;
mod intensity;
mod lattice;
pub mod masks;
mod peaks;
mod picture;
mod strain;
mod template;

pub use correlation::{
    Border, CorrelationParams, CorrelationPlan, CorrelationScratch, FitParams, Method, Peak, PeakStatus,
    PixelNoise, Refinement,
};
pub use intensity::Intensity;
pub use lattice::{Lattice, LatticePoint};
pub use masks::{Ellipse, Stamps};
pub use template::{DataTemplateParams, Template, TemplateKind, TemplateParams};
