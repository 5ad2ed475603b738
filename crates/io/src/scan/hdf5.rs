//! Datasets of HDF5 files as scans.

use super::Found;
use crate::Result;
use crate::hdf5::open_scan;
use crate::selector::Selector;

pub(super) fn open(selector: &Selector) -> Result<Found> {
    let scan = open_scan(&selector.path, selector.key.as_deref())?;
    Ok(Found {
        scan_axes: scan.scan_axes,
        frame_axes: scan.frame_axes,
        metadata: scan.metadata,
        ..Found::new(scan.frames, scan.shape)
    })
}
