//! Disks looked for around positions.

mod golden;
