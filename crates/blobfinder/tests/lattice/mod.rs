//! Lattices: fits, matches, search, strain.

mod golden;
mod known;
mod properties;
mod random;
mod strain;
