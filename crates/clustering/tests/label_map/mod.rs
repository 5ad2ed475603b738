//! Label maps.

mod known;
mod properties;
