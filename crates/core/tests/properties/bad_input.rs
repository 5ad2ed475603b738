//! Input that means nothing gives an error, None or NaN as documented; nothing panics.

use ndarray::{Array1, Array2, ArrayD, IxDyn};
use nonius_core::{
    Border, Error, FftNd, Nuisance, OverlapProblem, OverlapScratch, PixelBuffer, ReadFrames, RealFft2,
    Result, RunningStatistics, SplineDegree, SplineImage, TrigonometricPolynomial, Window, center_of_mass,
    check_finite, cramer_rao_bound, downsample, fast_length, fisher_information, fourier_shift,
    fourier_shift_complex, frequency, gaussian_filter, gaussian_kernel, high_pass, invert_symmetric,
    overlap_range, paraboloid_peak, spline_shift, taylor_peak, trusted_places, upsampled_dft, wrapped_lag,
    zoom, zoom_positions,
};
use num_complex::Complex;

const NOT_FINITE: [f64; 3] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];

/// Every function that takes an image, with parameters that are right for one of 5 × 6.
/// A function's name and a call of it with one image.
type Call = (&'static str, fn(&Array2<f64>) -> Result<()>);

fn functions_of_an_image() -> Vec<Call> {
    vec![
        ("fisher_information", |f| fisher_information(f.view(), 1.0).map(drop)),
        ("cramer_rao_bound", |f| cramer_rao_bound(f.view(), 1.0).map(drop)),
        ("gaussian_filter", |f| gaussian_filter(f.view(), 1.0, Border::Mirror).map(drop)),
        ("high_pass", |f| high_pass(f.view(), 1.0, Border::Wrap).map(drop)),
        ("fourier_shift", |f| fourier_shift(f.view(), &[0.5, 1.0]).map(drop)),
        ("spline_shift", |f| spline_shift(f.view(), [0.5, 1.0], SplineDegree::Cubic, 0.0).map(drop)),
        ("SplineImage::new", |f| SplineImage::new(f.view(), SplineDegree::Nonic).map(drop)),
        ("zoom", |f| zoom(f.view(), 2.0, &[3, 3], &[0.0, 0.0]).map(drop)),
    ]
}

fn image() -> Array2<f64> {
    Array2::from_shape_fn((5, 6), |(y, x)| ((y * 7 + x * x * 3) % 11) as f64)
}

#[test]
fn a_pixel_that_is_no_number_is_named() {
    for (name, function) in functions_of_an_image() {
        assert_eq!(function(&image()), Ok(()), "{name}");
        for bad in NOT_FINITE {
            let mut f = image();
            f[[3, 1]] = bad;
            let Err(Error::NotFinite { index, .. }) = function(&f) else { panic!("{name}: {bad} passed") };
            assert_eq!(index, [3, 1], "{name}");
        }
    }
}

#[test]
fn an_image_without_pixels_is_named() {
    for (name, function) in functions_of_an_image() {
        for shape in [(0, 0), (0, 6), (5, 0)] {
            let found = function(&Array2::zeros(shape));
            assert!(matches!(found, Err(Error::Empty { .. })), "{name} of {shape:?}: {found:?}");
        }
    }
    for shape in [(0, 4), (4, 0)] {
        assert!(matches!(RealFft2::<f64>::new(shape), Err(Error::Empty { .. })));
        assert!(matches!(FftNd::<f64>::new(&[shape.0, 2, shape.1]), Err(Error::Empty { .. })));
        assert!(matches!(downsample(Array2::<f64>::zeros(shape).view(), 1), Err(Error::Empty { .. })));
        let nothing = Array2::<Complex<f64>>::zeros(shape);
        assert!(matches!(fourier_shift_complex(nothing.view(), &[0.0; 2], 0.0), Err(Error::Empty { .. })));
        assert!(matches!(upsampled_dft(nothing.view(), 1.0, &[2, 2], &[0.0; 2]), Err(Error::Empty { .. })));
    }
}

#[test]
fn parameters_that_cannot_be_are_named() {
    let f = image();
    let complex = f.mapv(Complex::from);
    for bad in NOT_FINITE {
        assert!(fisher_information(f.view(), bad).is_err() && cramer_rao_bound(f.view(), bad).is_err());
        assert!(gaussian_filter(f.view(), bad, Border::Nearest).is_err() && gaussian_kernel(bad).is_err());
        assert!(fourier_shift(f.view(), &[0.0, bad]).is_err());
        assert!(fourier_shift_complex(complex.view(), &[0.0, 0.0], bad).is_err());
        assert!(spline_shift(f.view(), [bad, 0.0], SplineDegree::Septic, 0.0).is_err());
        assert!(upsampled_dft(complex.view(), bad, &[2, 2], &[0.0, 0.0]).is_err());
        assert!(upsampled_dft(complex.view(), 1.0, &[2, 2], &[bad, 0.0]).is_err());
        assert!(zoom(f.view(), bad, &[2, 2], &[0.0, 0.0]).is_err());
        assert!(zoom(f.view(), 1.0, &[2, 2], &[bad, 0.0]).is_err());
    }
    for bad in [-1.0, 0.0] {
        assert!(fisher_information(f.view(), bad).is_err());
        assert!(upsampled_dft(complex.view(), bad, &[2, 2], &[0.0, 0.0]).is_err());
        assert!(zoom(f.view(), bad, &[2, 2], &[0.0, 0.0]).is_err());
    }
    for bad in [-1e-9, 1e5, 1e300] {
        assert!(gaussian_kernel(bad).is_err());
    }
    assert!(fourier_shift(f.view(), &[1.0]).is_err() && fourier_shift(f.view(), &[1.0; 3]).is_err());
    assert!(upsampled_dft(complex.view(), 1.0, &[2, 0], &[0.0, 0.0]).is_err());
    assert!(zoom(f.view(), 1.0, &[2, 0], &[0.0, 0.0]).is_err());
    assert!(downsample(f.view(), 0).is_err() && downsample(f.view(), 6).is_err());
}

#[test]
fn arrays_without_axes_are_single_values() {
    let value = ArrayD::from_elem(IxDyn(&[]), 3.0);
    let complex = value.mapv(Complex::from);
    assert!((fourier_shift(value.view(), &[]).unwrap()[IxDyn(&[])] - 3.0_f64).abs() < 1e-15);
    assert_eq!(upsampled_dft(complex.view(), 2.0, &[], &[]).unwrap(), complex);
    assert_eq!(downsample(value.view(), 1).unwrap(), value);
    assert!(check_finite("value", value.view()).is_ok());
}

#[test]
fn displacements_beyond_every_frame_leave_nothing() {
    for d in [60.0, 1e6, 1e18, 1e300, f64::MAX, f64::INFINITY, f64::NAN] {
        for d in [d, -d] {
            assert!(overlap_range(10, 12, d).is_empty(), "{d}");
            if d.is_finite() {
                for shift in [[d, 0.0], [0.0, d], [d, d]] {
                    let moved = spline_shift(image().view(), shift, SplineDegree::Septic, -1.0).unwrap();
                    assert!(moved.iter().all(|&v| v == -1.0), "{shift:?}");
                }
                assert!(fourier_shift(image().view(), &[d, 0.0]).is_ok());
            }
        }
    }
    for (n, m) in [(0, 0), (0, 5), (5, 0)] {
        assert!(overlap_range(n, m, 0.0).is_empty());
    }
}

#[test]
fn peaks_of_nothing_are_none() {
    for bad in NOT_FINITE {
        let mut patch = [[0.0, 1.0, 0.0], [1.0, 2.0, 1.0], [0.0, 1.0, 0.0]];
        patch[1][2] = bad;
        assert_eq!((taylor_peak(&patch), paraboloid_peak(&patch)), (None, None));
        assert_eq!(center_of_mass(Array2::from_elem((2, 2), bad).view()), None);
        assert_eq!(invert_symmetric([[bad, 0.0], [0.0, 1.0]]), None);
    }
    assert_eq!(center_of_mass(Array2::<f64>::zeros((0, 4)).view()), None);
    assert_eq!(invert_symmetric([[1.0, 1.0], [1.0, 1.0]]), None);
}

#[test]
fn wrong_sizes_and_strange_scratch_of_a_plan() {
    let plan = RealFft2::<f64>::new((4, 6)).unwrap();
    let mut strange = RealFft2::<f64>::new((1, 1)).unwrap().scratch();
    let mut spectrum = plan.spectrum();
    let mut right = Array2::zeros((4, 6));
    plan.forward(right.view(), &mut spectrum, &mut strange).unwrap();
    assert!(plan.forward(Array2::zeros((6, 4)).view(), &mut spectrum, &mut strange).is_err());
    assert!(plan.forward(right.view(), &mut spectrum[1..], &mut strange).is_err());
    assert!(plan.forward_rows(|_, _| (), &mut spectrum[1..], &mut strange).is_err());
    assert!(plan.inverse(&mut spectrum, Array2::zeros((6, 4)).view_mut(), &mut strange).is_err());
    assert!(plan.inverse(&mut spectrum[1..], right.view_mut(), &mut strange).is_err());
    assert!(plan.inverse_rows(&mut spectrum[1..], &mut strange, |_, _| ()).is_err());
    let mut other = Array1::<Complex<f64>>::zeros(5);
    assert!(FftNd::new(&[4]).unwrap().forward(other.view_mut()).is_err());
}

#[test]
fn a_polynomial_of_no_numbers_has_no_maximum() {
    let plan = RealFft2::<f64>::new((6, 5)).unwrap();
    let mut spectrum = plan.spectrum();
    let flat = TrigonometricPolynomial::new(&plan, &spectrum).maximum([1.0, 2.0], 1.0);
    assert!((flat.position, flat.at.value) == ([1.0, 2.0], 0.0));
    spectrum[7] = Complex::new(f64::NAN, 0.0);
    assert!(!TrigonometricPolynomial::new(&plan, &spectrum).maximum([1.0, 2.0], 1.0).converged);
    spectrum[7] = Complex::new(1.0, 0.0);
    assert!(!TrigonometricPolynomial::new(&plan, &spectrum).maximum([f64::NAN, 2.0], 1.0).converged);
}

#[test]
fn a_fit_to_no_numbers_finds_nothing() {
    let texture = |n: usize, d: f64| {
        Array2::from_shape_fn((n, n), |(y, x)| {
            (0.7 * (y as f64 - d)).sin() + (0.4 * x as f64 * y as f64).cos()
        })
    };
    // The moving frame is the larger one, so that a lost displacement would leave the reference.
    let reference = SplineImage::new(texture(12, 0.0).view(), SplineDegree::Septic).unwrap();
    let nuisance = Nuisance { gain: true, offset: true };
    let fit = |moving: &Array2<f64>, start: [f64; 2]| {
        let moving = moving.view();
        OverlapProblem {
            reference: &reference,
            moving,
            weights: None,
            trusted: None,
            nuisance,
            slopes: None,
            moving_noise: 0.0,
        }
        .fit(start, &mut OverlapScratch::default())
    };
    let clean = texture(60, 0.0);
    assert!(fit(&clean, [0.0, 0.0]).unwrap().is_some());
    for bad in NOT_FINITE {
        assert!(fit(&clean, [bad, 0.0]).is_err());
        let mut moving = clean.clone();
        moving.fill(bad);
        for start in [[0.0, 0.0], [40.0, 40.0]] {
            let found = fit(&moving, start);
            assert!(!matches!(found, Ok(Some(f)) if f.converged), "{bad} at {start:?}: {found:?}");
        }
    }
    for far in [1e3, 1e300] {
        assert_eq!(fit(&clean, [far, 0.0]).unwrap(), None);
        assert_eq!(fit(&clean, [0.0, -far]).unwrap(), None);
    }
    assert_eq!(fit(&Array2::zeros((0, 7)), [0.0, 0.0]).unwrap_or(None), None);
    assert_eq!(
        fit(&Array2::ones((30, 30)), [3.0, 3.0]).unwrap_or(None).filter(|f| f.correlation > 0.0),
        None
    );
}

#[test]
fn the_rest_is_defined_at_its_ends() {
    for n in [usize::MAX, usize::MAX / 2, usize::MAX / 16 + 1] {
        assert_eq!(fast_length(n), n);
    }
    assert!(fast_length(usize::MAX / 16) >= usize::MAX / 16);
    assert_eq!((fast_length(0), fast_length(1)), (1, 1));
    assert_eq!((frequency(0, 1), wrapped_lag(0, 1)), (0, 0));
    assert_eq!(frequency(usize::MAX / 2, usize::MAX), (usize::MAX / 2) as isize);
    for border in [Border::Mirror, Border::Wrap, Border::Nearest] {
        assert_eq!((border.index(-7, 0), border.index(9, 1)), (0, 0));
    }
    assert!(zoom_positions(0, 0, 1.0, 0.0).is_empty());
    for window in [Window::Hann, Window::Tukey(f64::NAN), Window::Tukey(-1.0), Window::Tukey(9.0)] {
        assert!(window.samples::<f64>(0).is_empty());
        assert!(window.samples::<f64>(7).iter().all(|w| w.is_finite()));
    }
    assert!(trusted_places(Array2::from_elem((0, 3), true).view(), 4).is_empty());
    assert!(trusted_places(Array2::from_elem((2, 3), false).view(), 99).iter().all(|&ok| !ok));
    let statistics: RunningStatistics = [f64::INFINITY, f64::NEG_INFINITY, f64::NAN].into_iter().collect();
    assert_eq!((statistics.count(), statistics.nan_count()), (2, 1));
}

#[test]
fn frames_that_are_not_there() {
    let stack = ndarray::Array3::<u16>::zeros((2, 3, 4));
    let read = |index, shape| {
        stack.read_frame(index, Array2::<f32>::zeros(shape).view_mut(), &mut PixelBuffer::default())
    };
    assert!(read(1, (3, 4)).is_ok());
    assert!(matches!(read(2, (3, 4)), Err(Error::Frame { index: 2, .. })));
    assert!(matches!(read(0, (4, 3)), Err(Error::Shape { .. })));
    let none = ndarray::Array3::<u8>::zeros((0, 3, 4));
    assert!(none.frame::<f64>(0).is_err());
}
