//! Pictures that explain themselves.
//!
//! [`before_and_after`] shows two images, their difference, and what is left of it once the shift is
//! undone. [`ShiftScatter`] shows shifts with their error bars, beside the truth where it is known.
//! [`Map`] shows one map with its colour bar and a bar of known length.
//! [`MarkedFrame`] shows a diffraction pattern with the disks and the lattice found in it, [`CurveChart`] curves.
//! [`OffsetChart`] shows the offsets of a tilt series, [`Panels`] images side by side.
//! [`AccuracyChart`] shows how far errors lie from their bound, and how honest their bars are.
//!
//! Images are gray; differences run from blue over white to red with zero in the middle, which holds for
//! all common kinds of colour blindness too. Ranges are robust: a hot pixel does not set them. What is
//! missing (NaN) is hatched. `y` points down everywhere, as in the images.
//!
//! ```
//! use ndarray::Array2;
//! let image = Array2::from_shape_fn((32, 48), |(y, x)| (y as f64 / 5.0).sin() + (x as f64 / 7.0).cos());
//! let picture = nonius::plot::before_and_after(image.view(), image.view(), image.view(), "two images")?;
//! assert!(picture.png().starts_with(b"\x89PNG"));
//! # Ok::<(), nonius::Error>(())
//! ```

mod accuracy;
mod axes;
mod canvas;
pub(crate) mod colors;
mod curves;
mod difference;
mod heat;
mod map;
#[cfg(feature = "blobfinder")]
mod marked;
mod offsets;
mod panels;
mod picture;
mod shifts;
mod surface;

pub use accuracy::{AccuracyChart, AccuracyRow};
pub use curves::{Curve, CurveChart, CurvePanel, CurveStyle};
pub use difference::before_and_after;
pub use map::{Map, MapColors};
#[cfg(feature = "blobfinder")]
pub use marked::MarkedFrame;
pub use offsets::OffsetChart;
pub use panels::{Panel, PanelRow, Panels};
pub use picture::Picture;
pub use shifts::{ShiftPoint, ShiftScatter};
pub use surface::Chi2Surface;
