//! Transforms, upsampled sums and the polynomial between the pixels.

use ndarray::{Array2, Array3};
use nonius_core::{FftNd, RealFft2, TrigonometricPolynomial, fast_length, frequency, upsampled_dft};
use num_complex::Complex;
use proptest::prelude::*;

use super::{config, distance, images, images_of};

/// Sums of up to 1600 values below 1 in double precision.
const ROUNDING: f64 = 1e-11;

fn spectrum(image: &Array2<f64>) -> (RealFft2<f64>, Vec<Complex<f64>>) {
    let plan = RealFft2::new(image.dim()).unwrap();
    let mut spectrum = plan.spectrum();
    plan.forward(image.view(), &mut spectrum, &mut plan.scratch()).unwrap();
    (plan, spectrum)
}

fn whole_spectrum(image: &Array2<f64>) -> Array2<Complex<f64>> {
    let mut whole = image.mapv(Complex::from);
    FftNd::new(image.shape()).unwrap().forward(whole.view_mut()).unwrap();
    whole
}

fn farthest(a: &[Complex<f64>], b: &[Complex<f64>]) -> f64 {
    a.iter().zip(b).fold(0.0, |worst: f64, (a, b)| worst.max((a - b).norm()))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_inverse_undoes_the_forward_transform(image in images()) {
        let (plan, mut spectrum) = spectrum(&image);
        let mut back = Array2::zeros(image.dim());
        plan.inverse(&mut spectrum, back.view_mut(), &mut plan.scratch()).unwrap();
        prop_assert!(distance(&(back / image.len() as f64), &image) < ROUNDING);
    }

    #[test]
    fn the_real_transform_is_half_of_the_complex_one(image in images()) {
        let (plan, half) = spectrum(&image);
        let whole = whole_spectrum(&image);
        let (h, _) = image.dim();
        for kx in 0..plan.n_kx() {
            for ky in 0..h {
                prop_assert!((half[kx * h + ky] - whole[[ky, kx]]).norm() < ROUNDING);
            }
        }
    }

    #[test]
    fn transforms_are_linear(
        (a, b) in (1..=40_usize, 1..=40_usize).prop_flat_map(|s| (images_of(s), images_of(s))),
        weight in -3.0..3.0,
    ) {
        let (_, of_a) = spectrum(&a);
        let (_, of_b) = spectrum(&b);
        let (_, of_sum) = spectrum(&(&a + &(b * weight)));
        let sum: Vec<_> = of_a.iter().zip(&of_b).map(|(a, b)| a + b * weight).collect();
        prop_assert!(farthest(&of_sum, &sum) < ROUNDING);
    }

    #[test]
    fn power_is_the_same_on_both_sides(image in images()) {
        let (plan, spectrum) = spectrum(&image);
        let power: f64 = spectrum
            .chunks_exact(image.nrows())
            .enumerate()
            .map(|(kx, column)| plan.multiplicity(kx) * column.iter().map(|z| z.norm_sqr()).sum::<f64>())
            .sum();
        let squares: f64 = image.iter().map(|v| v * v).sum();
        prop_assert!((power / image.len() as f64 - squares).abs() < ROUNDING * squares.max(1.0));
    }

    #[test]
    fn a_cyclic_move_turns_phases(image in images(), dy in 0..40_usize, dx in 0..40_usize) {
        let (h, w) = image.dim();
        let moved = Array2::from_shape_fn((h, w), |(y, x)| image[[(y + h - dy % h) % h, (x + w - dx % w) % w]]);
        let (plan, still) = spectrum(&image);
        let (_, found) = spectrum(&moved);
        for kx in 0..plan.n_kx() {
            for ky in 0..h {
                let turns = (ky * dy % h) as f64 / h as f64 + (kx * dx % w) as f64 / w as f64;
                let expected = still[kx * h + ky] * Complex::cis(-std::f64::consts::TAU * turns);
                prop_assert!((found[kx * h + ky] - expected).norm() < ROUNDING);
            }
        }
    }

    #[test]
    fn rows_handed_in_and_out_are_the_image(image in images()) {
        let (plan, expected) = spectrum(&image);
        // Scratch of a plan for another shape is made to fit.
        let mut scratch = RealFft2::new((3, 5)).unwrap().scratch();
        let mut found = plan.spectrum();
        plan.forward_rows(
            |y, row| row.iter_mut().zip(image.row(y)).for_each(|(r, &v)| *r = v),
            &mut found,
            &mut scratch,
        )
        .unwrap();
        prop_assert_eq!(&found, &expected);
        let mut whole = Array2::zeros(image.dim());
        plan.inverse(&mut found.clone(), whole.view_mut(), &mut scratch).unwrap();
        let mut rows = Array2::zeros(image.dim());
        plan.inverse_rows(&mut found, &mut scratch, |y, row| {
            rows.row_mut(y).iter_mut().zip(row).for_each(|(r, &v)| *r = v)
        })
        .unwrap();
        prop_assert_eq!(rows, whole);
    }

    #[test]
    fn three_axes_there_and_back(shape in [1..=6_usize, 1..=9_usize, 1..=11_usize], seed in 1..1000_usize) {
        let f = Array3::from_shape_fn(shape, |(z, y, x)| {
            Complex::new((seed * (z + 3 * y + 7 * x) % 101) as f64 / 101.0, (z * y + seed * x) as f64 % 7.0)
        });
        let plan = FftNd::new(&shape).unwrap();
        let mut data = f.clone();
        plan.forward(data.view_mut()).unwrap();
        prop_assert!((data[[0, 0, 0]] - f.sum()).norm() < ROUNDING * f.len() as f64);
        plan.inverse(data.view_mut()).unwrap();
        prop_assert!(data.iter().zip(&f).all(|(a, b)| (a / f.len() as f64 - b).norm() < ROUNDING));
    }

    #[test]
    fn at_whole_pixels_the_upsampled_sum_is_the_transform(image in images()) {
        let data = image.mapv(Complex::from);
        let (h, w) = image.dim();
        // The sum's position u plays the part of a frequency, the data that of a spectrum: its index k
        // counts as signed, which makes no difference at whole u.
        let sum = upsampled_dft(data.view(), 1.0, &[h, w], &[0.0, 0.0]).unwrap();
        let whole = whole_spectrum(&image);
        prop_assert!(sum.iter().zip(&whole).all(|(a, b)| (a - b).norm() < ROUNDING));
    }

    #[test]
    fn a_finer_grid_passes_through_the_coarse_one(image in images(), factor in 2..5_usize) {
        let data = image.mapv(Complex::from);
        let (h, w) = image.dim();
        let coarse = upsampled_dft(data.view(), 1.0, &[h, w], &[1.0, -2.0]).unwrap();
        let offset = [factor as f64, -2.0 * factor as f64];
        let fine = upsampled_dft(data.view(), factor as f64, &[factor * h, factor * w], &offset).unwrap();
        for y in 0..h {
            for x in 0..w {
                prop_assert!((coarse[[y, x]] - fine[[factor * y, factor * x]]).norm() < ROUNDING);
            }
        }
    }

    #[test]
    fn the_polynomial_passes_through_the_samples(image in images(), y in 0..40_usize, x in 0..40_usize) {
        let (plan, spectrum) = spectrum(&image);
        let mut polynomial = TrigonometricPolynomial::new(&plan, &spectrum);
        let (h, w) = image.dim();
        let value = polynomial.evaluate([y as f64, x as f64]).value / (h * w) as f64;
        prop_assert!((value - image[[y % h, x % w]]).abs() < ROUNDING);
        // It repeats beyond the frame.
        let again = polynomial.evaluate([y as f64 - h as f64, x as f64 + w as f64]).value / (h * w) as f64;
        prop_assert!((value - again).abs() < ROUNDING);
    }

    #[test]
    fn a_maximum_is_no_lower_than_where_it_began(image in images(), y in 0.0..40.0, x in 0.0..40.0) {
        let (plan, spectrum) = spectrum(&image);
        let mut polynomial = TrigonometricPolynomial::new(&plan, &spectrum);
        let start = polynomial.evaluate([y, x]);
        let top = polynomial.maximum([y, x], 1.0);
        let rounding = 1e-9 * spectrum.iter().map(|z| z.norm()).sum::<f64>();
        prop_assert!(top.at.value >= start.value - rounding);
    }

    #[test]
    fn fast_lengths_are_just_long_enough(n in 1..5000_usize) {
        let rest = |mut m: usize| {
            for prime in [2, 3, 5] {
                while m.is_multiple_of(prime) {
                    m /= prime;
                }
            }
            m
        };
        let m = fast_length(n);
        prop_assert!(m >= n && rest(m) == 1);
        prop_assert!((n..m).all(|shorter| rest(shorter) != 1));
    }

    #[test]
    fn frequencies_are_each_within_half_a_turn(n in 1..100_usize) {
        for k in 0..n {
            let f = frequency(k, n);
            prop_assert!(2 * f.unsigned_abs() <= n && f.rem_euclid(n as isize) == k as isize);
        }
    }
}
