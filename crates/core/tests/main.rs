//! Integration tests of nonius-core, one module per kind.

mod golden;
mod properties;
