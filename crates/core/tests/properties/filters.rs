//! Filters, windows and bounds.

use ndarray::Array2;
use nonius_core::{
    Border, Window, cramer_rao_bound, fisher_information, gaussian_filter, gaussian_kernel, high_pass,
};
use proptest::prelude::*;

use super::{config, distance, images};

const BORDERS: [Border; 3] = [Border::Mirror, Border::Wrap, Border::Nearest];

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_constant_stays_as_it_is(
        shape in (1..=40_usize, 1..=40_usize),
        value in -1e3..1e3,
        sigma in 0.0..6.0,
        border in 0..3_usize,
    ) {
        let flat = Array2::from_elem(shape, value);
        let smooth = gaussian_filter(flat.view(), sigma, BORDERS[border]).unwrap();
        // Weights that sum to 1 but for rounding.
        prop_assert!(distance(&smooth, &flat) < 1e-12 * (1.0 + f64::abs(value)));
    }

    #[test]
    fn smoothing_stays_between_the_extremes(image in images(), sigma in 0.0..6.0, border in 0..3_usize) {
        let smooth = gaussian_filter(image.view(), sigma, BORDERS[border]).unwrap();
        let (low, high) = image.iter().fold((f64::MAX, f64::MIN), |(l, h), &v| (l.min(v), h.max(v)));
        prop_assert!(smooth.iter().all(|&v| low - 1e-12 <= v && v <= high + 1e-12));
        let rest = high_pass(image.view(), sigma, BORDERS[border]).unwrap();
        prop_assert!(distance(&(smooth + rest), &image) < 1e-12);
    }

    #[test]
    fn smoothing_on_a_torus_keeps_the_sum(image in images(), sigma in 0.0..6.0) {
        let smooth = gaussian_filter(image.view(), sigma, Border::Wrap).unwrap();
        prop_assert!((smooth.sum() - image.sum()).abs() < 1e-10);
    }

    #[test]
    fn kernels_are_symmetric_with_sum_one(sigma in 0.0..50.0) {
        let kernel = gaussian_kernel(sigma).unwrap();
        prop_assert!((kernel.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        prop_assert!(kernel.iter().eq(kernel.iter().rev()));
    }

    #[test]
    fn windows_are_symmetric_and_within_0_and_1(n in 0..100_usize, part in -0.5..1.5) {
        for window in [Window::None, Window::Hann, Window::Tukey(part)] {
            let w: Vec<f64> = window.samples(n);
            prop_assert!(w.len() == n && w.iter().all(|v| (0.0..=1.0).contains(v)));
            prop_assert!(w.iter().zip(w.iter().rev()).all(|(a, b)| (a - b).abs() < 1e-14));
            // It never falls towards the middle.
            prop_assert!(w[..n.div_ceil(2)].windows(2).all(|pair| pair[0] <= pair[1]));
        }
    }

    #[test]
    fn information_grows_with_the_signal(image in images(), gain in 1.5..4.0_f64) {
        let [weak, strong] =
            [image.clone(), image * gain].map(|i| fisher_information(i.view(), 0.5_f64).unwrap());
        for (weak, strong) in weak.as_flattened().iter().zip(strong.as_flattened()) {
            prop_assert!((strong - gain * gain * weak).abs() <= 1e-9 * (1.0 + strong.abs()));
        }
    }

    #[test]
    fn transposing_swaps_the_axes_of_the_bound(image in images()) {
        let bounds = [image.view(), image.t()].map(|i| cramer_rao_bound(i, 1.0).ok());
        if let [Some(a), Some(b)] = bounds {
            for (i, j) in [(0, 0), (0, 1), (1, 1)] {
                // A nearly degenerate image loses digits in the determinant.
                prop_assert!((a[i][j] - b[1 - i][1 - j]).abs() < 1e-6 * a[i][i].max(a[j][j]));
            }
        } else {
            prop_assert_eq!(bounds, [None, None]);
        }
    }
}
