//! Integration tests of nonius-registration, one module per part.

mod flow;
