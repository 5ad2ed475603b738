//! Pipelines that join the crates: from a file of frames to what is in them.

pub mod strain;
pub mod tomography;
