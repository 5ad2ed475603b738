//! Statistics that are merged, peaks, centres.

use ndarray::Array2;
use nonius_core::{RunningStatistics, center_of_mass, downsample, paraboloid_peak, taylor_peak};
use proptest::prelude::*;

use super::{config, images};

fn statistics(values: &[f64]) -> RunningStatistics {
    values.iter().copied().collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn merged_parts_are_the_whole(
        values in proptest::collection::vec(-1e3..1e3, 0..200),
        cuts in [0.0..1.0, 0.0..1.0],
    ) {
        let mut at = cuts.map(|c| (c * values.len() as f64) as usize);
        at.sort_unstable();
        let whole = statistics(&values);
        let [a, b, c] = [&values[..at[0]], &values[at[0]..at[1]], &values[at[1]..]].map(statistics);
        let (mut left, mut right, mut bc) = (a, a, b);
        left.merge(&b);
        left.merge(&c);
        bc.merge(&c);
        right.merge(&bc);
        for merged in [left, right] {
            prop_assert_eq!((merged.count(), merged.min(), merged.max()), (whole.count(), whole.min(), whole.max()));
            if whole.count() > 0 {
                prop_assert!((merged.mean() - whole.mean()).abs() < 1e-10);
                prop_assert!((merged.variance() - whole.variance()).abs() < 1e-7);
            }
        }
    }

    #[test]
    fn nothing_merged_changes_nothing(values in proptest::collection::vec(-1e3..1e3, 1..50)) {
        let mut s = statistics(&values);
        s.merge(&RunningStatistics::default());
        prop_assert_eq!(s, statistics(&values));
        let mut empty = RunningStatistics::default();
        empty.merge(&s);
        prop_assert_eq!((empty.mean(), empty.variance()), (s.mean(), s.variance()));
    }

    #[test]
    fn a_centre_of_mass_moves_with_the_image(image in images(), dy in 0..5_usize, dx in 0..5_usize) {
        let weights = image.mapv(|v| v + 1.5);
        let (h, w) = weights.dim();
        let mut moved = Array2::zeros((h + dy, w + dx));
        moved.slice_mut(ndarray::s![dy.., dx..]).assign(&weights);
        let (here, there) = (center_of_mass(weights.view()).unwrap(), center_of_mass(moved.view()).unwrap());
        prop_assert!((there[0] - here[0] - dy as f64).abs() < 1e-10);
        prop_assert!((there[1] - here[1] - dx as f64).abs() < 1e-10);
    }

    #[test]
    fn paraboloids_have_their_top_where_it_was_put(
        top in [-0.9..0.9_f64, -0.9..0.9_f64],
        curvature in [0.5..3.0_f64, 0.5..3.0_f64],
        mixed in -0.4..0.4_f64,
    ) {
        let patch: [[f64; 3]; 3] = std::array::from_fn(|y| std::array::from_fn(|x| {
            let (y, x) = (y as f64 - 1.0 - top[0], x as f64 - 1.0 - top[1]);
            -curvature[0] * y * y - curvature[1] * x * x + mixed * y * x
        }));
        for found in [taylor_peak(&patch).unwrap(), paraboloid_peak(&patch).unwrap()] {
            prop_assert!((found[0] - top[0]).abs() < 1e-10 && (found[1] - top[1]).abs() < 1e-10);
        }
    }

    #[test]
    fn blocks_of_whole_images_keep_the_mean(image in images(), factor in 1..6_usize) {
        let (h, w) = image.dim();
        let big = Array2::from_shape_fn((h * factor, w * factor), |(y, x)| image[[y / factor, x / factor]]);
        let small = downsample(big.view(), factor).unwrap();
        prop_assert!(super::distance(&small, &image) < 1e-12);
    }
}
