//! Integration tests of nonius-registration, one module per part.

mod flow;
mod golden;
mod known;
mod properties;
mod rotation;
mod volumes;
