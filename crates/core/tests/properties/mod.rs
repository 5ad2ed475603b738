//! What must hold for any input, and errors where there is nothing to hold.

mod bad_input;
mod corrections;
mod filters;
mod shifts;
mod statistics;
mod transforms;

use ndarray::Array2;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

/// Few cases and always the same ones.
pub(crate) fn config() -> Config {
    Config {
        cases: 32,
        rng_seed: RngSeed::Fixed(0x6e6f_6e69),
        failure_persistence: None,
        ..Config::default()
    }
}

/// Images of any shape from 1 × 1 to 40 × 40 with values between −1 and 1.
fn images() -> impl Strategy<Value = Array2<f64>> {
    (1..=40_usize, 1..=40_usize).prop_flat_map(images_of)
}

fn images_of(shape: (usize, usize)) -> impl Strategy<Value = Array2<f64>> {
    proptest::collection::vec(-1.0..1.0, shape.0 * shape.1)
        .prop_map(move |values| Array2::from_shape_vec(shape, values).expect("as many values as pixels"))
}

/// The largest difference between two arrays of one shape.
fn distance(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    assert_eq!(a.dim(), b.dim());
    a.iter().zip(b).fold(0.0, |worst: f64, (a, b)| worst.max((a - b).abs()))
}
