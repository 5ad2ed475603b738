//! Noise that is correlated between pixels, its spectrum given or measured.

use ndarray::{Array2, s};
use nonius_chi2::{
    Chi2Image, Chi2Params, Chi2Shift, CorrelatedNoise, NoiseSpectrum, chi2_map, chi2_shift, chi2_surface,
};
use nonius_core::{Error, Frame};
use nonius_synthetic::{ImagePairParams, NoiseParams};
use rayon::prelude::*;

const SIGMA: f64 = 0.1;
const DRAWS: u64 = 60;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Told {
    Nothing,
    Truth,
    BlankRegion,
}

fn params(frame: Frame, correlated_noise: CorrelatedNoise) -> Chi2Params {
    Chi2Params { frame, correlated_noise, ..Default::default() }
}

/// One draw of noise blurred by `blur` px: the shift, and its error.
fn draw(blur: f64, told: Told, params: &Chi2Params, seed: u64) -> (Chi2Shift, [f64; 2]) {
    let shift = [0.31 * (seed % 9) as f64 - 1.1, 0.43 * (seed % 7) as f64 - 1.4];
    let pair = match params.frame {
        Frame::Periodic => ImagePairParams::scene_a(shift, SIGMA, seed),
        Frame::Overlap => ImagePairParams::scene_c(shift, SIGMA, seed),
    };
    let noise = NoiseParams::blurred(SIGMA, blur);
    let images = ImagePairParams { moving_noise: noise, ..pair }.generate().unwrap();
    let spectrum = match told {
        Told::Nothing => None,
        Told::Truth => Some(NoiseSpectrum::new(noise.power_spectrum([64, 64]).unwrap().view()).unwrap()),
        Told::BlankRegion => {
            let blank = noise.add(Array2::zeros((128, 128)).view(), seed + 1_000_000).unwrap();
            let spectrum = NoiseSpectrum::from_blank_region(blank.view(), (64, 64)).unwrap();
            assert!((spectrum.sigma() / SIGMA - 1.0).abs() < 0.2, "{}", spectrum.sigma());
            Some(spectrum)
        }
    };
    let mut moving = Chi2Image::new(images.moving.view()).with_sigma(SIGMA);
    moving.spectrum = spectrum.as_ref();
    let found = chi2_shift(&Chi2Image::new(images.reference.view()), &moving, params).unwrap();
    let error = [0, 1].map(|a| found.shift[a] - images.truth.shift[a]);
    (found, error)
}

/// RMS error and how often 1σ bars hold the truth, in per cent.
fn scatter(blur: f64, told: Told, params: &Chi2Params) -> (f64, f64) {
    let draws: Vec<_> = (0..DRAWS).into_par_iter().map(|seed| draw(blur, told, params, seed)).collect();
    let (mut squares, mut within) = (0.0, 0.0);
    for (found, error) in &draws {
        for axis in 0..2 {
            squares += error[axis].powi(2);
            within += f64::from(u8::from(error[axis].abs() < found.standard_errors()[axis]));
        }
    }
    let n = 2.0 * DRAWS as f64;
    ((squares / n).sqrt(), 100.0 * within / n)
}

#[test]
fn errors_are_honest_and_whitening_makes_them_no_larger() {
    use CorrelatedNoise::{Sandwich, Whiten};
    for frame in [Frame::Periodic, Frame::Overlap] {
        for blur in [0.7, 2.0] {
            let (plain, _) = scatter(blur, Told::Nothing, &params(frame, CorrelatedNoise::Ignore));
            for (told, how) in [
                (Told::Truth, Sandwich),
                (Told::BlankRegion, Sandwich),
                (Told::Truth, Whiten),
                (Told::BlankRegion, Whiten),
            ] {
                let (rms, within) = scatter(blur, told, &params(frame, how));
                // 120 values: an honest bar holds 68.3 ± 4.2 % of them.
                let what =
                    format!("{frame:?} {blur} px {told:?} {how:?}: {within} %, {rms} px, plain {plain}");
                assert!((51.0..85.0).contains(&within), "{what}");
                // The same draws: only what the filter changes counts.
                assert!(rms < 1.03 * plain, "{what}");
                // Noise of 2 px is next to nothing at high frequencies, where the scene is as well.
                assert!(how == Sandwich || blur < 1.0 || rms < 0.3 * plain, "{what}");
            }
        }
    }
}

#[test]
fn a_uniform_spectrum_changes_nothing() {
    let white = NoiseSpectrum::isotropic((64, 64), |_| 3.0).unwrap();
    assert!((white.sigma() - 3.0_f64.sqrt()).abs() < 1e-12);
    for (pair, frame) in [
        (ImagePairParams::scene_a([1.3, -0.6], SIGMA, 3), Frame::Periodic),
        (ImagePairParams::scene_c([1.3, -0.6], SIGMA, 3), Frame::Overlap),
    ] {
        let images = pair.generate().unwrap();
        let reference = Chi2Image::new(images.reference.view());
        let moving = Chi2Image::new(images.moving.view()).with_sigma(SIGMA);
        let plain = chi2_shift(&reference, &moving, &params(frame, CorrelatedNoise::Ignore)).unwrap();
        for how in [CorrelatedNoise::Whiten, CorrelatedNoise::Sandwich, CorrelatedNoise::Ignore] {
            let told = chi2_shift(&reference, &moving.with_spectrum(&white), &params(frame, how)).unwrap();
            assert_eq!(told, plain);
        }
        // The least departure from white takes the other way, to nearly the same answer.
        let nearly = NoiseSpectrum::isotropic((64, 64), |f| 1.0 + 1e-9 * f).unwrap();
        for how in [CorrelatedNoise::Whiten, CorrelatedNoise::Sandwich] {
            let told = chi2_shift(&reference, &moving.with_spectrum(&nearly), &params(frame, how)).unwrap();
            for axis in 0..2 {
                assert!((told.shift[axis] - plain.shift[axis]).abs() < 1e-7, "{told:?} {plain:?}");
                let ratio = told.standard_errors()[axis] / plain.standard_errors()[axis];
                // The sandwich's middle is what residuals should be, not what they are.
                let exact = how == CorrelatedNoise::Whiten && frame == Frame::Periodic;
                let within = if exact { 1e-6 } else { 2e-3 };
                assert!((ratio - 1.0).abs() < within, "{told:?} {plain:?}");
            }
            assert!((told.offset - plain.offset).abs() < 1e-7 && (told.chi2 / plain.chi2 - 1.0).abs() < 1e-6);
        }
    }
}

#[test]
fn whitened_images_keep_offset_gain_and_the_chi2_of_white_noise() {
    for frame in [Frame::Periodic, Frame::Overlap] {
        let pair = match frame {
            Frame::Periodic => ImagePairParams::scene_a([1.3, -0.6], SIGMA, 3),
            Frame::Overlap => ImagePairParams::scene_c([1.3, -0.6], SIGMA, 3),
        };
        let noise = NoiseParams::blurred(SIGMA, 1.0);
        let images = ImagePairParams { moving_noise: noise, ..pair }.generate().unwrap();
        let spectrum = NoiseSpectrum::new(noise.power_spectrum([64, 64]).unwrap().view()).unwrap();
        let reference = Chi2Image::new(images.reference.view());
        let changed = &images.moving * 2.0 + 10.0;
        let moving = Chi2Image::new(changed.view()).with_sigma(2.0 * SIGMA).with_spectrum(&spectrum);
        let params = Chi2Params { gain: true, ..params(frame, CorrelatedNoise::Whiten) };
        let found = chi2_shift(&reference, &moving, &params).unwrap();
        assert!((found.gain - 2.0).abs() < 0.05 && (found.offset - 10.0).abs() < 0.2, "{found:?}");
        assert!((found.reduced_chi2() - 1.0).abs() < 0.2, "{}", found.reduced_chi2());
        assert!((0..2).all(|a| (found.shift[a] - [1.3, -0.6][a]).abs() < 0.03), "{found:?}");
        // Surface and map are those of the filtered images.
        let surface = chi2_surface(&reference, &moving, &params, found.shift, [0.1; 2], 3).unwrap();
        assert!((surface[[1, 1]] / found.chi2 - 1.0).abs() < 1e-6);
        assert!(surface.iter().all(|&v| v >= surface[[1, 1]]));
        let map = chi2_map(&reference, &moving, &params).unwrap();
        assert_eq!(map.reference_shape, (64, 64));
        let inner = map.chi2.indexed_iter().filter(|(at, _)| map.overlap[*at] > 1500.0);
        let (at, _) = inner.min_by(|a, b| a.1.total_cmp(b.1)).unwrap();
        assert_eq!(map.lag(at), [1, -1]);
    }
}

#[test]
fn masks_grow_by_the_kernel_and_what_they_hide_never_matters() {
    let noise = NoiseParams::blurred(SIGMA, 2.0);
    let pair = ImagePairParams { moving_noise: noise, ..ImagePairParams::scene_c([1.3, -0.6], SIGMA, 3) };
    let mut images = pair.generate().unwrap();
    let spectrum = NoiseSpectrum::new(noise.power_spectrum([64, 64]).unwrap().view()).unwrap();
    let mut mask = Array2::from_elem((64, 64), true);
    mask.slice_mut(s![20..24, 30..34]).fill(false);
    let params = params(Frame::Overlap, CorrelatedNoise::Whiten);
    let mut found = Vec::new();
    for value in [0.0, 1e6, f64::NAN] {
        images.moving.slice_mut(s![20..24, 30..34]).fill(value);
        let moving = Chi2Image::new(images.moving.view()).with_sigma(SIGMA).with_spectrum(&spectrum);
        let moving = moving.with_mask(mask.view());
        found.push(chi2_shift(&Chi2Image::new(images.reference.view()), &moving, &params).unwrap());
    }
    assert!(found.iter().all(|f| f == &found[0]), "{found:?}");
    let error = found[0].standard_errors();
    assert!((0..2).all(|a| (found[0].shift[a] - [1.3, -0.6][a]).abs() < 4.0 * error[a]), "{found:?}");
    // Where masks leave no room for a kernel, none is taken.
    let dense = Array2::from_shape_fn((64, 64), |(y, x)| (y + 2 * x) % 5 != 0);
    images.moving.mapv_inplace(|v| if v.is_nan() { 0.0 } else { v });
    let moving = Chi2Image::new(images.moving.view()).with_sigma(SIGMA).with_spectrum(&spectrum);
    let moving = moving.with_mask(dense.view());
    let found = chi2_shift(&Chi2Image::new(images.reference.view()), &moving, &params).unwrap();
    assert!(found.overlap > 2000 && found.shift.iter().all(|d| d.is_finite()), "{found:?}");
}

#[test]
fn noise_of_both_images_and_single_precision() {
    let noise = NoiseParams::blurred(SIGMA, 0.7);
    let pair = ImagePairParams { moving_noise: noise, ..ImagePairParams::scene_a([1.3, -0.6], SIGMA, 3) };
    let images = ImagePairParams { reference_noise: noise, ..pair }.generate().unwrap();
    let spectrum = NoiseSpectrum::new(noise.power_spectrum([64, 64]).unwrap().view()).unwrap();
    let single = [&images.reference, &images.moving].map(|image| image.mapv(|v| v as f32));
    let [reference, moving] =
        single.each_ref().map(|i| Chi2Image::new(i.view()).with_sigma(SIGMA).with_spectrum(&spectrum));
    let wide = single.each_ref().map(|image| image.mapv(f64::from));
    let wide = wide.each_ref().map(|i| Chi2Image::new(i.view()).with_sigma(SIGMA).with_spectrum(&spectrum));
    for frame in [Frame::Periodic, Frame::Overlap] {
        for how in [CorrelatedNoise::Sandwich, CorrelatedNoise::Whiten] {
            let found = chi2_shift(&reference, &moving, &params(frame, how)).unwrap();
            let double = chi2_shift(&wide[0], &wide[1], &params(frame, how)).unwrap();
            for axis in 0..2 {
                let (error, exact) = (found.standard_errors()[axis], double.standard_errors()[axis]);
                assert!((error / exact - 1.0).abs() < 1e-3, "{found:?} {double:?}");
                assert!(
                    (found.shift[axis] - double.shift[axis]).abs() < 0.01 * exact,
                    "{found:?} {double:?}"
                );
            }
            // The scene wraps: taken for a crop it is another at the border.
            let many = if frame == Frame::Overlap { 8.0 } else { 4.0 };
            let error = found.standard_errors();
            assert!((0..2).all(|a| (found.shift[a] - [1.3, -0.6][a]).abs() < many * error[a]), "{found:?}");
        }
    }
}

#[test]
fn bad_spectra_and_regions_are_named() {
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let mut power = Array2::ones((8, 8));
        power[[3, 4]] = bad;
        let message = NoiseSpectrum::new(power.view()).unwrap_err().to_string();
        assert!(message.contains("noise spectrum") && message.contains("[3, 4]"), "{message}");
    }
    let mut power = Array2::ones((8, 8));
    power[[3, 1]] = 2.0;
    assert!(NoiseSpectrum::new(power.view()).unwrap_err().to_string().contains("opposite"));
    assert!(matches!(NoiseSpectrum::new(Array2::ones((0, 8)).view()), Err(Error::Empty { .. })));
    assert!(NoiseSpectrum::isotropic((8, 8), |f| 1.0 - 4.0 * f).is_err());
    for extreme in [f64::MIN_POSITIVE, f64::MAX] {
        let spectrum = NoiseSpectrum::isotropic((8, 8), |_| extreme).unwrap();
        assert!((spectrum.power()[[1, 1]] - 1.0).abs() < 1e-12 && spectrum.sigma() > 0.0);
    }

    let region = |image: Array2<f64>| NoiseSpectrum::from_blank_region(image.view(), (64, 64));
    let noise = |shape| NoiseParams::white(1.0).add(Array2::zeros(shape).view(), 1).unwrap();
    assert!(region(noise((15, 40))).unwrap_err().to_string().contains("16 × 16"));
    assert!(region(Array2::zeros((0, 0))).is_err());
    for value in [0.0, 1e9 / 3.0, 1e300] {
        assert!(region(Array2::from_elem((32, 32), value)).unwrap_err().to_string().contains("alike"));
    }
    let mut holed = noise((32, 32));
    holed[[5, 6]] = f64::NAN;
    assert!(matches!(region(holed), Err(Error::NotFinite { what: "blank region", .. })));
    assert!(NoiseSpectrum::from_blank_region(noise((32, 32)).view(), (0, 4)).is_err());
    // Any shapes, and white noise is white.
    for (shape, frame) in [((16, 200), (33, 10)), ((64, 64), (64, 64)), ((301, 77), (128, 1))] {
        let spectrum = NoiseSpectrum::from_blank_region(noise(shape).view(), frame).unwrap();
        assert_eq!(spectrum.power().dim(), frame);
        assert!(spectrum.power().iter().all(|p| (0.2..5.0).contains(p)), "{shape:?}");
    }
}

#[test]
fn what_cannot_be_whitened_is_an_error() {
    let pair = ImagePairParams::scene_c([1.3, -0.6], SIGMA, 3).generate().unwrap();
    let plain = Chi2Image::new(pair.reference.view());
    let moving = Chi2Image::new(pair.moving.view()).with_sigma(SIGMA);
    let spectrum = NoiseSpectrum::isotropic((64, 64), |f| 1.0 / (0.01 + f)).unwrap();
    let small = NoiseSpectrum::isotropic((64, 60), |f| 1.0 / (0.01 + f)).unwrap();
    let sigmas = Array2::from_shape_fn((64, 64), |(y, _)| 0.1 + 0.01 * y as f64);
    let mut mask = Array2::from_elem((64, 64), true);
    mask[[3, 4]] = false;
    for frame in [Frame::Periodic, Frame::Overlap] {
        let params = params(frame, CorrelatedNoise::Whiten);
        let message = |reference: &Chi2Image<'_, f64>, moving: &Chi2Image<'_, f64>| {
            chi2_shift(reference, moving, &params).unwrap_err().to_string()
        };
        assert!(message(&plain, &moving).contains("noise spectrum"));
        assert!(message(&plain, &moving.with_spectrum(&small)).contains("[64, 60]"));
        let uneven = moving.with_sigmas(sigmas.view()).with_spectrum(&spectrum);
        assert!(message(&plain, &uneven).contains("sandwich"));
        assert!(message(&plain.with_spectrum(&spectrum), &moving).contains("sigma"));
        if frame == Frame::Periodic {
            assert!(
                message(&plain, &moving.with_spectrum(&spectrum).with_mask(mask.view())).contains("mask")
            );
        }
        let flat = Array2::from_elem((64, 64), 4.0);
        let found =
            chi2_shift(&Chi2Image::new(flat.view()), &moving.with_spectrum(&spectrum), &params).unwrap();
        assert!(found.standard_errors().iter().all(|e| e.is_nan() || *e > 1.0), "{found:?}");
        // The sandwich takes σ of every pixel.
        let sandwich = Chi2Params { correlated_noise: CorrelatedNoise::Sandwich, ..params };
        let found = chi2_shift(&plain, &uneven.with_mask(mask.view()), &sandwich).unwrap();
        assert!(found.standard_errors().iter().all(|e| e.is_finite() && *e > 0.0));
    }
}

#[test]
fn words_of_configuration_files() {
    let read = |text: &str| serde_json::from_str::<Chi2Params>(text).map(|p| p.correlated_noise);
    for (word, meant) in [
        ("true", CorrelatedNoise::Sandwich),
        ("false", CorrelatedNoise::Ignore),
        ("\"sandwich\"", CorrelatedNoise::Sandwich),
        ("\"whiten\"", CorrelatedNoise::Whiten),
        ("\"ignore\"", CorrelatedNoise::Ignore),
    ] {
        assert_eq!(read(&format!("{{\"correlated_noise\": {word}}}")).unwrap(), meant);
    }
    assert!(read("{\"correlated_noise\": \"whitten\"}").unwrap_err().to_string().contains("whiten"));
    let written = serde_json::to_string(&params(Frame::Overlap, CorrelatedNoise::Whiten)).unwrap();
    assert_eq!(read(&written).unwrap(), CorrelatedNoise::Whiten);
}
