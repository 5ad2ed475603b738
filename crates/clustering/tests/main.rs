//! Integration tests of nonius-clustering, one module per part.

mod features;
mod flat;
mod golden;
mod hierarchy;
mod known;
mod properties;
mod quality;
mod ward;
