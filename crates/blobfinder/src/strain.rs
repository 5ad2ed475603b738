//! Strain and rotation of a lattice against another.
