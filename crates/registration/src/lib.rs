//! Where one image lies against another, to a small fraction of a pixel, and how sure that is.

pub mod flow;
mod lags;
mod masked;
mod moments;
mod overlap;
mod params;
mod periodic;
mod plan;
mod result;
pub mod rotation;
mod series;
mod spectral;
mod upsampled;

pub use masked::{MaskedCorrelation, MaskedParams, masked_correlation, register_masked};
pub use params::{Frame, Method, Refinement, RegistrationParams, Weighting};
pub use plan::{RegistrationPlan, RegistrationScratch, register};
pub use result::{Registration, RunnerUp, Status};
pub use series::{PairRegistration, SeriesParams, SeriesRegistration, Strategy, register_series};
