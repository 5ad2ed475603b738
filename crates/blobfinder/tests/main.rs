//! Integration tests of nonius-blobfinder, one module per part.

#[path = "../../../testdata/blobfinder.rs"]
mod cases;
mod correlation;
mod lattice;
mod scan;
mod templates;
