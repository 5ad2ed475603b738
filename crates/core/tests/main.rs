//! Integration tests of nonius-core, one module per kind.

#[path = "../../../testdata/blobfinder.rs"]
mod disks;
mod golden;
mod masks;
mod properties;
