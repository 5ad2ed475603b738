//! Tilt series: how a sample was turned under a beam, and the images taken of it.
//!
//! **Volume** `f[x, y, z]`, shape (X, Y, Z), voxel edge 1. Voxel (a, b, c) is centred at
//! `(a + ½ − X/2, b + ½ − Y/2, c + ½ − Z/2)`: the origin is the middle of the volume.
//!
//! **Images** `P[i, a, b]`, shape (N, J, K), pixel edge 1. The first image index runs along **j**, the second
//! along **k**; the beam runs along **p**. Seen from the sample, view i has `p = Rᵀp₀, j = Rᵀj₀, k = Rᵀk₀`, with
//! the rotation R of the sample in the laboratory. Pixel (a, b) lies on the ray along p through
//!
//! ```text
//! c(a, b) = (a + ½ − J/2 + j_offset) j + (b + ½ − K/2 + k_offset) k
//! ```
//!
//! so that a point r of the sample appears at pixel index `a = r·j − j_offset + J/2 − ½`. **The sign:** an image
//! that must be moved by +s px to be aligned has the offset +s.
//!
//! **What no alignment can know:** adding `(j·t, k·t)` to the offsets of every view moves the reconstruction by
//! t and changes nothing else. Compare offsets only after [`Geometry::remove_translation`].

mod geometry;
mod rotation;
mod series;

pub use geometry::{Directions, Geometry, Laboratory, Scattering, Translated, View, ViewAngles};
pub use rotation::{check_rotation, rotation_about, rotation_by};
pub use series::TiltSeries;
