//! Stacks and series of images as scans: TIFF, FITS, and one image per file.

use super::{Found, ScanWarning};
use crate::Result;
use crate::open::open as open_image;
use crate::selector::Selector;
use crate::stack::Stack;

fn remarks(warnings: &[String]) -> Vec<ScanWarning> {
    warnings.iter().cloned().map(Into::into).collect()
}

/// All axes before the last two are the scan.
pub(super) fn open(selector: &Selector) -> Result<Found> {
    let file = open_image(selector)?;
    let metadata = file.header.clone();
    let scan = match file.shape.len().saturating_sub(2) {
        0 => vec![1],
        n => file.shape[..n].to_vec(),
    };
    let stack = Stack::of(file)?;
    Ok(Found { warnings: remarks(stack.warnings()), metadata, ..Found::new(stack, scan) })
}

/// One image per file.
pub(super) fn open_files(selectors: &[Selector]) -> Result<Found> {
    let stack = Stack::from_files(selectors)?;
    let n = stack.n_frames();
    Ok(Found { warnings: remarks(stack.warnings()), ..Found::new(stack, vec![n]) })
}
