//! Offsets that put the images of a tilt series where one sample can have made them all.

mod axial_profile;
mod axis;
mod cascade;
mod footprint;
mod line;
mod moments;
mod slices;

pub use axial_profile::{AxialProfileAlignment, AxialProfileParams, align_axial_profile};
pub use cascade::{CascadeAlignment, CascadeParams, align_cascade};
pub(crate) use footprint::Footprint;
pub use line::{LineAlignment, align_line};
pub use moments::{MomentAlignment, MomentsParams, SecondMoments, align_moments};
pub use slices::{SliceAlignment, SlicesParams, TiltAxis, align_slices};
