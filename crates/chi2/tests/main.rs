//! Integration tests of nonius-chi2, one module per part.

mod golden;
mod known;
mod noise;
