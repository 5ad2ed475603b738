//! Masks, feature vectors, scaling.

mod golden;
mod known;
