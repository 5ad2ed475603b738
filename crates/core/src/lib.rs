//! What every nonius crate stands on.

mod cyclic;
mod dft;
mod displacement;
mod downsample;
mod dtype;
mod error;
mod filter;
mod frames;
mod hdbscan;
mod information;
mod interpolation;
mod low_band;
pub mod masks;
mod moments;
mod overlap;
mod pairs;
mod peak;
mod pixels;
mod progress;
mod resample;
mod rows;
mod scalar;
mod scan;
mod slopes;
mod spline;
mod statistics;
mod sums;
mod tangent_plane;
pub mod tilt_series;
mod transform;
mod trigonometric;
mod weighted;
mod window;
mod zoom;

pub use cyclic::{CyclicMaximum, cyclic_maxima, extremes};
pub use dft::{upsampled_dft, zoom_positions};
pub use displacement::{Frame, RunnerUp, Status};
pub use downsample::downsample;
pub use dtype::DType;
pub use error::{
    Error, Result, check_finite, check_not_empty, check_not_negative, check_positive, check_shape,
};
pub use filter::{Border, fill_missing, gaussian_filter, gaussian_kernel, high_pass};
pub use frames::{FrameSource, ReadFrames, check_frames, check_room};
pub use hdbscan::{HdbscanClusters, HdbscanParams, hdbscan};
pub use information::{cramer_rao_bound, fisher_information, invert_free, invert_symmetric, sandwich};
pub use interpolation::{fourier_shift, fourier_shift_complex};
pub use low_band::{LowBand, cross_spectrum};
pub use moments::{Moments, normalise};
pub use overlap::{
    Nuisance, OverlapFit, OverlapProblem, OverlapResiduals, OverlapScatter, OverlapScratch, trusted_places,
};
pub use pairs::{PairDistances, condensed_distances, condensed_size};
pub use peak::{center_of_mass, paraboloid_peak, taylor_peak};
pub use pixels::{Pixel, PixelBuffer, Pixels, PixelsMut};
pub use progress::{NoProgress, Progress, Silent};
pub use resample::{Resampled, resample};
pub use rows::{Metric, Rows, check_rows};
pub use scalar::{Real, Sample};
pub use scan::{
    Axis, Consumer, Corrected, CorrectionParams, Missing, PassParams, Roi, Scan, ScanParams, Scope,
    Selection, Tile, pass, pass_with_partial_results,
};
pub use slopes::{SLOPE_NOISE, slopes, slopes_into};
pub use spline::{
    NoiseGain, ShiftedRow, SplineDegree, SplineImage, SplineShift, overlap_range, spline_shift,
};
pub use statistics::{RunningStatistics, median};
pub use sums::{dot, power, sum};
pub use tangent_plane::TangentPlane;
pub use transform::{FftNd, RealFft2, RealFft2Scratch, fast_length, frequency, wrapped_lag};
pub use trigonometric::{Derivatives, Maximum, TrigonometricPolynomial};
pub use weighted::{WeightedImage, WeightedSums};
pub use window::Window;
pub use zoom::zoom;
