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
pub use lattice::{Lattice, LatticePoint};
pub use masks::{Ellipse, Stamps};
pub use peaks::{PeakParams, Plateau, find_peaks};
pub use picture::{Color, Drawing, DrawnMark, Mark, PictureParams, draw_match};
pub use template::{DataTemplateParams, Template, TemplateKind, TemplateParams};
