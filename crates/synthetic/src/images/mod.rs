//! Images of one scene, displaced by a known amount.

mod content;
mod field;
mod motion;
mod pair;
mod population;
mod scene;
mod series;
mod source;
mod waves;

pub use content::{Boundary, Content, SceneParams};
pub use motion::Motion;
pub use pair::{ImagePair, ImagePairParams, ImagePairTruth};
pub use scene::Scene;
pub use series::{ImageSeries, ImageSeriesParams, ImageSeriesPlan};
pub use source::GaussianSource;
pub use waves::near_repetitions;
