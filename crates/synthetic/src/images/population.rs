//! Random populations of Gaussian sources.

use rand::Rng;

use super::motion::{center, rotate};
use super::source::GaussianSource;

/// Smallest and largest width of the sources of an isolated object, as parts of its radius, before
/// the shorter axis is shortened further.
pub(crate) const OBJECT_WIDTHS: [f64; 2] = [0.10, 0.22];

/// The shorter axis of a random source, as a part of the longer one.
const AXIS_RATIO: [f64; 2] = [0.4, 1.0];

/// Sources in the middle of `frame`, in a disc of 0.6 of `radius`, so that two widths more of the
/// widest end at about the radius.
pub(crate) fn object(
    frame: [usize; 2],
    radius: f64,
    count: usize,
    rng: &mut impl Rng,
) -> Vec<GaussianSource> {
    let middle = center(frame);
    let mut draw = || {
        // √ of a uniform number: equally many per area.
        let distance = 0.6 * radius * rng.r#gen::<f64>().sqrt();
        let from = rotate(rng.gen_range(0.0..360.0), [distance, 0.0]);
        let widths = OBJECT_WIDTHS.map(|w| w * radius);
        elliptical([middle[0] + from[0], middle[1] + from[1]], widths, 0.3, rng)
    };
    (0..count).map(|_| draw()).collect()
}

/// Sources uniform over an area of `shape` whose frame begins `margin` px from its corner.
pub(crate) fn field(
    shape: [usize; 2],
    margin: usize,
    density: f64,
    sigma: [f64; 2],
    rng: &mut impl Rng,
) -> Vec<GaussianSource> {
    // Pixel i covers i − 1/2 … i + 1/2.
    let first = -0.5 - margin as f64;
    let count = (density * shape[0] as f64 * shape[1] as f64).round() as usize;
    let mut draw = || {
        let place = shape.map(|n| first + n as f64 * rng.r#gen::<f64>());
        elliptical(place, sigma, 0.2, rng)
    };
    (0..count).map(|_| draw()).collect()
}

fn elliptical(center: [f64; 2], widths: [f64; 2], faintest: f64, rng: &mut impl Rng) -> GaussianSource {
    let long = rng.gen_range(widths[0]..=widths[1]);
    let short = long * rng.gen_range(AXIS_RATIO[0]..=AXIS_RATIO[1]);
    let angle = rng.gen_range(0.0..180.0);
    GaussianSource { center, peak: rng.gen_range(faintest..=1.0), sigma: [long, short], angle }
}
