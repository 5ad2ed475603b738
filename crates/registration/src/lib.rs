//! Where one image lies against another, to a small fraction of a pixel, and how sure that is.

pub mod flow;
mod lags;
mod moments;
mod overlap;
mod params;
mod periodic;
mod plan;
mod result;
mod spectral;
mod upsampled;

pub use params::{Frame, Method, Refinement, RegistrationParams, Weighting};
pub use plan::{RegistrationPlan, RegistrationScratch, register};
pub use result::{Registration, RunnerUp, Status};
