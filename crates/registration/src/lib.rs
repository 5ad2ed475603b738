//! Where one image lies against another, to a small fraction of a pixel, and how sure that is.

mod correlate;
mod cross_nd;
mod element;
mod familiar;
pub mod flow;
mod lags;
mod masked;
mod masked_lags;
mod nd;
mod overlap;
mod params;
mod periodic;
mod phase_correlation;
mod plan;
mod polynomial3;
mod result;
pub mod rotation;
mod series;
mod spectral;
mod templates;
mod upsampled;
mod volume;

pub use correlate::{CorrelationBoundary, correlate, zero_lag};
pub use element::Element;
pub use familiar::{PeakShift, cross_correlation_shifts, register_images, registered};
pub use masked::{MaskedCorrelation, MaskedParams, masked_correlation, register_masked};
pub use nd::{NdRegistration, register_nd};
pub use nonius_core::{Frame, RunnerUp, Status};
pub use params::{Method, Refinement, RegistrationParams, Weighting};
pub use phase_correlation::{PhaseCorrelation, PhaseCorrelationParams, Space, phase_cross_correlation};
pub use plan::{RegistrationPlan, RegistrationScratch, register};
pub use result::Registration;
pub use series::{PairRegistration, SeriesParams, SeriesRegistration, Strategy, register_series};
