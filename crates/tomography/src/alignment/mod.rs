//! Offsets that put the images of a tilt series where one sample can have made them all.

mod angles;
mod auto;
mod axial_profile;
mod axis;
mod binning;
mod cascade;
mod footprint;
pub mod image_operations;
mod iteration;
mod judgement;
mod level;
mod line;
mod moments;
mod optical_flow;
mod phase_matching;
mod report;
mod reprojection;
mod slices;

pub use angles::{AngleParams, AngleRefinement, refine_angles};
pub use auto::{AutoAligned, AutoParams, StartingPoint, align_auto};
pub use axial_profile::{AxialProfileAlignment, AxialProfileParams, align_axial_profile};
pub use cascade::{CascadeAlignment, CascadeParams, align_cascade};
pub(crate) use footprint::Footprint;
pub use iteration::{
    Aligned, Aligner, Alignment, Comparison, Correction, IterationParams, Now, Stage, WarmStart, align,
};
pub use judgement::judge_offsets;
pub use line::{LineAlignment, align_line};
pub use moments::{MomentAlignment, MomentsParams, SecondMoments, align_moments};
pub use optical_flow::OpticalFlowParams;
pub use phase_matching::PhaseMatchingParams;
pub use report::{AlignmentReport, StepReport, StopReason, outliers};
pub use reprojection::ReprojectionParams;
pub use slices::{SliceAlignment, SlicesParams, TiltAxis, align_slices};
