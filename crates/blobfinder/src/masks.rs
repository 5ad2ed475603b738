//! Images of disks, rings and gradients.
