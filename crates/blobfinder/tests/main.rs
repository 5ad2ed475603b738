//! Integration tests of nonius-blobfinder, one module per part.

mod lattice;
