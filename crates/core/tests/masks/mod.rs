//! Disks, rings and gradients, templates by formula, stacks of them.

mod golden;
mod known;
mod properties;
