//! Every frame of a scan.

mod golden;
mod known;
mod neighbors;
mod properties;
