//! The procedures of image_registration 0.2.10, number for number.
//!
//! For comparing with results of old, and for nothing else: whoever measures anew is better served by the
//! estimators of this crate's front page. What is peculiar to that program is kept here:
//!
//! - frames wrap, missing pixels (NaN) are zeros, pixels of error 0 get weight 1;
//! - the answer lies on a grid, displaced by half a step from whole pixels along axes of even length;
//! - errors are half the extent of a region that holds both coordinates *jointly*, 1.515 σ for 1 σ, counted
//!   in steps of the grid, so that a coarse grid gives an error of 0;
//! - windows may cut the minimum or its region off;
//! - **x comes first** in names and pairs. The sign is that of the whole project: `moving[r] = reference[r − d]`.
//!
//! | here | there | departs from it |
//! | --- | --- | --- |
//! | [`chi2n_map`] | `chi2n_map` | periodic only; integers are converted before they are squared |
//! | [`chi2map_to_errors`] | `chi2map_to_errors` | exact levels from 8 σ up, there a power law |
//! | [`chi2_shift`] | `chi2_shift` | NaN where χ² does not depend on the shift |
//! | [`chi2_shift_iterzoom`] | `chi2_shift_iterzoom` | works; there a name is not defined |
//!
//! Everything is computed in double precision. Inputs are never changed.

mod chi2_shift;
mod chi2_shift_iterzoom;
mod chi2map_to_errors;
mod chi2n_map;

pub use chi2_shift::{Chi2ShiftParams, GridShift, Upsample, chi2_shift};
pub use chi2_shift_iterzoom::{IterativeZoomParams, chi2_shift_iterzoom};
pub use chi2map_to_errors::{MapErrors, chi2map_to_errors};
pub use chi2n_map::{Chi2nMap, PixelError, Term3, chi2n_map};

use ndarray::ArrayView2;
use nonius_core::{Error, Result};

/// Most samples along a side of a magnified map whose size the caller sets.
const MAX_SIDE: usize = 4096;

/// Index `(y, x)` of the least value, the first of equals.
fn argmin(map: ArrayView2<'_, f64>) -> [usize; 2] {
    let mut best = [0, 0];
    for ((y, x), &value) in map.indexed_iter() {
        if value < map[best] {
            best = [y, x];
        }
    }
    best
}

/// Refuses a side of a magnified map that is empty or does not fit into memory.
fn check_side(name: &'static str, n: usize) -> Result<()> {
    if (1..=MAX_SIDE).contains(&n) {
        Ok(())
    } else {
        Err(Error::parameter(name, "between 1 and 4096 samples", n))
    }
}

/// Refuses a number that is not finite or not above 0.
fn check_positive(name: &'static str, value: f64) -> Result<()> {
    if value.is_finite() && value > 0.0 {
        Ok(())
    } else {
        Err(Error::parameter(name, "finite and above 0", value))
    }
}
