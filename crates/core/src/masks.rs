//! Images of disks, rings and gradients.
//!
//! Centres are `(y, x)` in px, zero at the centre of the first pixel, and may be fractional or lie outside the image.
//! With `r` the distance of a pixel from the centre, an anti-aliased edge at radius R falls linearly from 1 at
//! `r = R − ½` to 0 at `r = R + ½`; a hard edge cuts at `r = R`, which is inside.
//!
//! ```
//! use nonius_core::masks::{Edge, disk};
//!
//! let mask = disk((7, 7), [3.0, 3.0], 2.0, Edge::AntiAliased)?;
//! assert_eq!((mask[[3, 3]], mask[[3, 5]], mask[[3, 6]]), (1.0, 0.5, 0.0));
//! # Ok::<(), nonius_core::Error>(())
//! ```

mod bins;
mod shapes;
mod stamps;
mod template;

pub use bins::{RadialBinParams, radial_bins};
pub use shapes::{
    Edge, Ellipse, PolarMap, background_subtraction, balance, disk, gradient_profile, gradient_profile_of,
    polar_map, radial_gradient, ramp_x, ramp_y, rectangle, ring,
};
pub use stamps::{CutMasks, PlacedStamps, Stamps};
pub use template::{TemplateKind, TemplateParams, check_search};
