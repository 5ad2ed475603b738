//! Offsets that put the images of a tilt series where one sample can have made them all.

mod axial_profile;
mod footprint;
mod moments;

pub use axial_profile::{AxialProfileAlignment, AxialProfileParams, align_axial_profile};
pub use moments::{MomentAlignment, MomentsParams, SecondMoments, align_moments};
