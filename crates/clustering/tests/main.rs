//! Integration tests of nonius-clustering, one module per part.

mod features;
mod golden;
mod known;
mod label_map;
mod pipeline;
mod properties;
mod ward;
