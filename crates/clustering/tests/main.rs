//! Integration tests of nonius-clustering, one module per part.

mod golden;
mod known;
mod properties;
mod ward;
