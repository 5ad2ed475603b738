//! Lattices: fits, matches, search, strain.

mod golden;
mod random;
