//! Integration tests of nonius-clustering, one module per part.

mod features;
mod flat;
mod golden;
mod hierarchy;
mod known;
mod label_map;
mod pipeline;
mod properties;
mod quality;
mod ward;
