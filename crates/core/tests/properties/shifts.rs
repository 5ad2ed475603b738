//! Fourier and spline shifts, and what part of a frame they leave.

use ndarray::Array2;
use nonius_core::{SplineDegree, fourier_shift, overlap_range, spline_shift};
use proptest::prelude::*;

use super::{config, distance, images, images_of};

/// A few transforms of values below 1 in double precision.
const ROUNDING: f64 = 1e-11;

const DEGREES: [SplineDegree; 5] = [
    SplineDegree::Linear,
    SplineDegree::Cubic,
    SplineDegree::Quintic,
    SplineDegree::Septic,
    SplineDegree::Nonic,
];

/// Images of odd sides: they have no Nyquist term, which a fractional shift would attenuate.
fn odd_images() -> impl Strategy<Value = Array2<f64>> {
    (0..=19_usize, 0..=19_usize).prop_flat_map(|(h, w)| images_of((2 * h + 1, 2 * w + 1)))
}

fn shifts() -> impl Strategy<Value = [f64; 2]> {
    [-50.0..50.0, -50.0..50.0]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn one_fourier_shift_after_another_is_their_sum(image in odd_images(), a in shifts(), b in shifts()) {
        let twice = fourier_shift(fourier_shift(image.view(), &a).unwrap().view(), &b).unwrap();
        let once = fourier_shift(image.view(), &[a[0] + b[0], a[1] + b[1]]).unwrap();
        prop_assert!(distance(&twice, &once) < ROUNDING);
    }

    #[test]
    fn a_fourier_shift_goes_back(image in odd_images(), d in shifts()) {
        let there = fourier_shift(image.view(), &d).unwrap();
        let back = fourier_shift(there.view(), &d.map(|d| -d)).unwrap();
        prop_assert!(distance(&back, &image) < ROUNDING);
    }

    #[test]
    fn a_fourier_shift_by_whole_pixels_rolls(image in images(), dy in 0..40_usize, dx in 0..40_usize) {
        let (h, w) = image.dim();
        let moved = fourier_shift(image.view(), &[dy as f64, dx as f64]).unwrap();
        let rolled = Array2::from_shape_fn((h, w), |(y, x)| image[[(y + h - dy % h) % h, (x + w - dx % w) % w]]);
        prop_assert!(distance(&moved, &rolled) < ROUNDING);
    }

    #[test]
    fn a_fourier_shift_keeps_the_sum(image in images(), d in shifts()) {
        let moved = fourier_shift(image.view(), &d).unwrap();
        prop_assert!((moved.sum() - image.sum()).abs() < 1e-10);
    }

    #[test]
    fn an_overlap_is_where_both_frames_are(n in 0..30_usize, m in 0..30_usize, d in -40.0..40.0_f64) {
        let range = overlap_range(n, m, d);
        for r in 0..m {
            let place = r as f64 - d;
            prop_assert_eq!(range.contains(&r), 0.0 <= place && place <= n as f64 - 1.0);
        }
    }

    #[test]
    fn a_spline_shift_fills_just_what_lies_outside(image in images(), d in shifts(), degree in 0..5_usize) {
        let moved = spline_shift(image.view(), d, DEGREES[degree], f64::NAN).unwrap();
        let (h, w) = image.dim();
        let (rows, columns) = (overlap_range(h, h, d[0]), overlap_range(w, w, d[1]));
        for ((y, x), v) in moved.indexed_iter() {
            prop_assert_eq!(v.is_nan(), !(rows.contains(&y) && columns.contains(&x)));
        }
    }

    #[test]
    fn splines_carry_planes_to_other_places(
        shape in (2..40_usize, 2..40_usize),
        slope in [-1.0..1.0, -1.0..1.0],
        d in [-6.0..6.0, -6.0..6.0],
        degree in 0..5_usize,
    ) {
        let plane = |y: f64, x: f64| 0.3 + slope[0] * y + slope[1] * x;
        let image = Array2::from_shape_fn(shape, |(y, x)| plane(y as f64, x as f64));
        let moved = spline_shift(image.view(), d, DEGREES[degree], f64::NAN).unwrap();
        for ((y, x), v) in moved.indexed_iter().filter(|(_, v)| !v.is_nan()) {
            // The coefficients' plain start costs 1e-4 of a value at the border of a short frame.
            prop_assert!((v - plane(y as f64 - d[0], x as f64 - d[1])).abs() < 2e-2);
        }
    }
}
