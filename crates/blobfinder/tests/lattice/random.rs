//! Lattices among points that nobody chose: how often the right cell is found, how often one too many.

use nonius_blobfinder::{
    DistanceRule, Lattice, LatticePoint, LatticeSearchParams, MatchParams, fast_match, index_grid, search_lattices,
};
use rand_xoshiro::rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
