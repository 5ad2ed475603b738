//! Masks, feature vectors, scaling.

mod golden;
