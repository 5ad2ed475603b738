//! Trees by other linkages.

mod bad_input;
mod golden;
mod known;
mod properties;
