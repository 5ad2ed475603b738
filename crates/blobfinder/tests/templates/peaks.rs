//! Peaks on an image.

use ndarray::{Array1, Array2, Ix2, array};
use nonius_blobfinder::{Peak, PeakParams, PeakStatus, Plateau, Template, find_peaks};
use nonius_core::{Error, FftNd};
use num_complex::Complex;
use proptest::prelude::*;

use super::{centered, template};
use crate::cases;

/// Correlation of a whole periodic image with a template: `c[p] = Σ m[q] L[p + q − middle]`.
fn correlated(image: &Array2<f64>, template: &Template) -> Array2<f64> {
    let (h, w) = image.dim();
    let fft = FftNd::new(&[h, w]).unwrap();
    let transform = |a: &Array2<f64>| {
        let mut spectrum = a.mapv(|v| Complex::new(v, 0.0));
        fft.forward(spectrum.view_mut()).unwrap();
        spectrum
    };
    let mask = transform(&centered(template, (h, w)));
    let mut product = transform(image) * mask.mapv(|m| m.conj());
    fft.inverse(product.view_mut()).unwrap();
    let (my, mx) = (h / 2, w / 2);
    Array2::from_shape_fn((h, w), |(y, x)| product[[(y + h - my) % h, (x + w - mx) % w]].re / (h * w) as f64)
}

fn logarithm(frame: &Array2<f64>) -> Array2<f64> {
    let least = frame.iter().copied().fold(f64::INFINITY, f64::min);
    frame.mapv(|v| (v - least + 1.0).ln())
}

fn centers(peaks: &[Peak]) -> Array2<f64> {
    Array2::from_shape_fn((peaks.len(), 2), |(k, axis)| f64::from(peaks[k].center[axis]))
}

#[test]
fn golden_peaks() {
    cases::each("get_peaks", |case| {
        let [h, w]: [f64; 2] = case.numbers("crop_to").try_into().unwrap();
        let frame = case.input::<Ix2>("frame");
        let frame = frame.slice(ndarray::s![..h as usize, ..w as usize]).to_owned();
        let map = correlated(&logarithm(&frame), &template(case));
        if case.has_output("corr") {
            case.check("corr", &map);
        }
        let n_peaks = case.number("num_peaks") as usize;
        for plateau in [Plateau::Merge, Plateau::EachPixel] {
            let peaks =
                find_peaks(map.view(), &PeakParams { n_peaks, plateau, ..Default::default() }).unwrap();
            case.check("peaks", &centers(&peaks));
            case.check("values", &peaks.iter().map(|p| p.height).collect::<Array1<f64>>());
        }
    });
}

#[test]
fn odd_images_are_not_displaced() {
    // Every odd axis of the reference is off by −1 px.
    cases::each("get_peaks on an odd-sized frame", |case| {
        let frame = case.input::<Ix2>("frame");
        let map = correlated(&frame, &template(case));
        let expected = case.output::<Ix2>("peaks") + 1.0;
        let n_peaks = case.number("num_peaks") as usize;
        let peaks = find_peaks(map.view(), &PeakParams { n_peaks, ..Default::default() }).unwrap();
        // It loses a column as well, so that heights, and by them the order, are a little different.
        let sorted = |list: Array2<f64>| {
            let mut list: Vec<[i32; 2]> = list.outer_iter().map(|p| [p[0] as i32, p[1] as i32]).collect();
            list.sort_unstable();
            list
        };
        assert_eq!(sorted(centers(&peaks)), sorted(expected), "{}", case.id());
    });
}

fn find(image: &Array2<f64>, params: PeakParams) -> Vec<Peak> {
    find_peaks(image.view(), &params).unwrap()
}

/// The place of every peak.
fn places(peaks: &[Peak]) -> Vec<[f64; 2]> {
    peaks.iter().map(|p| p.refined).collect()
}

fn pixels() -> PeakParams {
    PeakParams { refine: false, ..Default::default() }
}

#[test]
fn plateaus_are_one_peak() {
    let mut image = Array2::zeros((9, 9));
    image.slice_mut(ndarray::s![2..4, 2..5]).fill(3.0);
    // A shelf beside a summit is no peak.
    image.slice_mut(ndarray::s![6..8, 5..8]).fill(2.0);
    image[[7, 7]] = 4.0;
    assert_eq!(places(&find(&image, pixels())), [[7.0, 7.0], [2.5, 3.0]]);
    let each = find(&image, PeakParams { plateau: Plateau::EachPixel, ..pixels() });
    // Two pixels of the shelf have no greater neighbour.
    assert_eq!(each.len(), 1 + 6 + 2);
    assert_eq!(each[1].center, [2, 2]);
    // A plateau that turns a corner has its pixel nearest to its centre.
    let ring = array![
        [0., 0., 0., 0., 0.],
        [0., 1., 1., 1., 0.],
        [0., 1., 0., 1., 0.],
        [0., 1., 1., 1., 0.],
        [0., 0., 0., 0., 0.]
    ];
    let peak = find(&ring, pixels())[0];
    assert_eq!((peak.refined, peak.center), ([2.0, 2.0], [1, 2]));
}

#[test]
fn borders() {
    let mut image = Array2::zeros((7, 8));
    image[[0, 3]] = 5.0;
    image[[3, 7]] = 4.0;
    image[[4, 2]] = 3.0;
    image[[1, 6]] = 2.0;
    let at = |border| places(&find(&image, PeakParams { border, ..pixels() }));
    assert_eq!(at(0), [[0.0, 3.0], [3.0, 7.0], [4.0, 2.0], [1.0, 6.0]]);
    assert_eq!(at(1), [[4.0, 2.0], [1.0, 6.0]]);
    assert_eq!(at(2), [[4.0, 2.0]]);
    assert_eq!(at(usize::MAX), Vec::<[f64; 2]>::new());
}

#[test]
fn distances_and_thresholds() {
    let mut image = Array2::zeros((9, 20));
    for (x, height) in [(2, 5.0), (5, 4.0), (8, 4.0), (12, 1.0), (16, -1.0)] {
        image[[4, x]] = height;
    }
    image[[0, 0]] = -5.0;
    let at = |params| find(&image, params).iter().map(|p| p.center[1]).collect::<Vec<_>>();
    let plain = || PeakParams { plateau: Plateau::EachPixel, threshold_abs: Some(0.5), ..pixels() };
    assert_eq!(at(plain()), [2, 5, 8, 12]);
    assert_eq!(at(PeakParams { min_distance: 3.0, ..plain() }), [2, 5, 8, 12]);
    // 5 gives way to 2, so that 8 may stay.
    assert_eq!(at(PeakParams { min_distance: 3.5, ..plain() }), [2, 8, 12]);
    assert_eq!(at(PeakParams { n_peaks: 2, ..plain() }), [2, 5]);
    assert_eq!(at(PeakParams { n_peaks: 0, ..plain() }), Vec::<i32>::new());
    assert_eq!(at(PeakParams { threshold_abs: Some(4.0), ..plain() }), [2, 5, 8]);
    // 0.7 of the way from −5 to 5 is 2.
    assert_eq!(at(PeakParams { threshold_rel: Some(0.7), ..plain() }), [2, 5, 8]);
    assert_eq!(at(PeakParams { threshold_rel: Some(1.0), ..plain() }), [2]);
}

#[test]
fn heights_and_elevations() {
    // A cone of slope 0.5 and a smaller one within its reach.
    let cone = |y: f64, x: f64, top: f64| top - 0.5 * y.hypot(x);
    let image = Array2::from_shape_fn((40, 40), |(y, x)| {
        let (y, x) = (y as f64, x as f64);
        cone(y - 20.0, x - 14.0, 10.0).max(cone(y - 20.0, x - 24.0, 8.0))
    });
    let params = |elevation_radius| PeakParams { elevation_radius, ..pixels() };
    // The cones meet 3 px from the lower one.
    let near = find(&image, params(3.0));
    assert_eq!(near.len(), 2);
    assert_eq!((near[0].height, near[1].height), (10.0, 8.0));
    assert!(near.iter().all(|p| (p.elevation - 0.5).abs() < 1e-12));
    assert!(near.iter().all(|p| p.status == PeakStatus::Found && p.covariance[0][0].is_nan()));
    let far = find(&image, params(100.0));
    // From the top of the first to that of the second it is 2 down in 10.
    assert!((far[0].elevation - 0.2).abs() < 1e-12 && far[1].elevation == 0.0);
}

#[test]
fn subpixel_positions_of_paraboloids() {
    let top = [10.3, 11.8];
    let image = Array2::from_shape_fn((20, 24), |(y, x)| {
        let (y, x) = (y as f64 - top[0], x as f64 - top[1]);
        -2.0 * y * y - x * x + 0.7 * x * y
    });
    let peak = find(&image, PeakParams::default())[0];
    assert!((peak.refined[0] - top[0]).abs() < 1e-10 && (peak.refined[1] - top[1]).abs() < 1e-10);
    let at_the_edge =
        find(&image.slice(ndarray::s![10.., ..]).to_owned(), PeakParams { border: 0, ..Default::default() });
    assert_eq!(at_the_edge[0].refined, [0.0, 12.0]);
}

#[test]
fn what_is_no_peak() {
    let none =
        |image: Array2<f64>| assert!(find(&image, PeakParams { border: 0, ..Default::default() }).is_empty());
    none(Array2::ones((5, 6)));
    none(Array2::from_elem((5, 6), f64::NAN));
    none(array![[3.0]]);
    none(Array2::from_elem((3, 3), f64::INFINITY));

    let mut image =
        Array2::from_shape_fn((9, 9), |(y, x)| -((y as f64 - 4.0).powi(2) + (x as f64 - 4.0).powi(2)));
    image[[1, 1]] = f64::NAN;
    image[[7, 1]] = f64::INFINITY;
    let peaks = find(&image, PeakParams::default());
    assert_eq!(places(&peaks), [[4.0, 4.0]]);
    assert!(peaks[0].elevation.is_finite());
    // Beside a NaN the greatest may be missing.
    image[[4, 4]] = f64::NAN;
    assert!(find(&image, PeakParams::default()).is_empty());
    let beside = find(&image, PeakParams { border: 0, ..pixels() });
    // The four pixels around the hole touch over their corners, and are one level.
    assert_eq!(places(&beside), [[4.0, 4.0]]);
    assert_eq!(beside[0].center, [3, 4]);
}

#[test]
fn parameters_outside_their_limits() {
    let fails = |params: PeakParams, field| match find_peaks(Array2::<f32>::zeros((3, 3)).view(), &params) {
        Err(Error::Parameter { name, .. }) => assert_eq!(name, field),
        other => panic!("{field}: {other:?}"),
    };
    let base = PeakParams::default;
    for min_distance in [-1.0, f64::NAN, f64::INFINITY] {
        fails(PeakParams { min_distance, ..base() }, "min_distance");
    }
    for threshold in [-0.1, 1.1, f64::NAN] {
        fails(PeakParams { threshold_rel: Some(threshold), ..base() }, "threshold_rel");
    }
    fails(PeakParams { threshold_abs: Some(f64::NAN), ..base() }, "threshold_abs");
    for elevation_radius in [0.0, 1.4, f64::NAN, f64::INFINITY] {
        fails(PeakParams { elevation_radius, ..base() }, "elevation_radius");
    }
    let empty = find_peaks(Array2::<f64>::zeros((0, 3)).view(), &base());
    assert!(matches!(empty, Err(Error::Empty { .. })));
    let read: PeakParams = serde_json::from_str(r#"{"n-peaks": 3, "plateau": "each-pixel"}"#).unwrap();
    assert_eq!(read, PeakParams { n_peaks: 3, plateau: Plateau::EachPixel, ..base() });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn peaks_follow_the_image(
        values in prop::collection::vec(0..40_u8, 12 * 14), min_distance in 0.0..4.0_f64, border in 0..3_usize,
    ) {
        let image = Array2::from_shape_fn((12, 14), |(y, x)| f64::from(values[y * 14 + x]));
        let params = PeakParams { n_peaks: 1000, min_distance, border, ..Default::default() };
        let peaks = find(&image, params.clone());
        // Heights fall, distances keep, and no neighbour is greater.
        prop_assert!(peaks.windows(2).all(|pair| pair[0].height >= pair[1].height));
        for (k, p) in peaks.iter().enumerate() {
            let (y, x) = (p.center[0] as usize, p.center[1] as usize);
            let around = image.slice(ndarray::s![y.saturating_sub(1)..(y + 2).min(12), x.saturating_sub(1)..(x + 2).min(14)]);
            prop_assert!(around.iter().all(|v| *v <= p.height));
            prop_assert!(p.elevation >= 0.0 && p.elevation.is_finite());
            prop_assert!(y >= border && y + border < 12 && x >= border && x + border < 14);
            for q in &peaks[..k] {
                let places = [p, q].map(|p| p.center.map(f64::from));
                let distance = (places[0][0] - places[1][0]).hypot(places[0][1] - places[1][1]);
                // The centre of a plateau is up to half a pixel or so from its pixel.
                prop_assert!(distance + 3.0 >= min_distance);
            }
        }
        // f32 holds these numbers, and a factor and an offset change nothing; 8 and 3 are exact.
        let single = find_peaks(image.mapv(|v| v as f32).view(), &params).unwrap();
        let scaled = find(&(&image * 8.0 + 3.0), params.clone());
        for (p, (q, r)) in peaks.iter().zip(single.iter().zip(&scaled)) {
            prop_assert!(p.center == q.center && p.refined == q.refined && p.center == r.center);
        }
        prop_assert!(peaks.len() == single.len() && peaks.len() == scaled.len());
        if min_distance == 0.0 {
            // Which of two equal ones goes first depends on the order of rows, so only sets compare.
            let mut turned = places(&find(&image.t().to_owned(), params));
            turned.iter_mut().for_each(|p| p.reverse());
            let mut places = places(&peaks);
            for list in [&mut places, &mut turned] {
                list.sort_by(|a, b| a.partial_cmp(b).unwrap());
            }
            prop_assert!(places.iter().zip(&turned).all(|(p, q)| (p[0] - q[0]).abs() + (p[1] - q[1]).abs() < 1e-9));
        }
    }
}

/// The disk in the window around an asked position, by correlation of the window alone.
fn found_at(frame: &Array2<f64>, asked: [f64; 2], template: &Template) -> [f64; 2] {
    let s = template.crop_size();
    let corner = asked.map(|c| c as isize - s as isize);
    let window = Array2::from_shape_fn((2 * s, 2 * s), |(y, x)| {
        let (y, x) = (corner[0] + y as isize, corner[1] + x as isize);
        let within = y >= 0 && x >= 0;
        within.then(|| frame.get((y as usize, x as usize))).flatten().copied().unwrap_or(0.0)
    });
    let map = correlated(&logarithm(&window), template);
    let peak = find_peaks(map.view(), &PeakParams { n_peaks: 1, ..Default::default() }).unwrap()[0];
    [0, 1].map(|axis| peak.refined[axis] + corner[axis] as f64)
}

/// Where the reference finds a disk off its place because its templates are (X1, X2), it stands where it is.
#[test]
fn templates_off_their_centre_are_mended() {
    let operations = ["correlate.fast with user template", "correlate.fast"];
    let mut mended = 0;
    cases::each_of(&operations, |case| {
        let displaced = case.id().starts_with("template/odd") || case.id().starts_with("template/rgbs");
        if !(displaced && case.is("defect")) {
            return;
        }
        let asked = case.input::<Ix2>("peaks");
        let (theirs, off) = (case.output::<Ix2>("refineds"), case.measured("error_px"));
        let truth = [0, 1].map(|axis| theirs[[0, axis]] - off[axis]);
        let place = found_at(&case.input("frame"), [asked[[0, 0]], asked[[0, 1]]], &template(case));
        let error = [0, 1].map(|axis| (place[axis] - truth[axis]).abs());
        assert!(error.iter().all(|e| *e < 0.3), "{}: off by {error:?}", case.id());
        mended += 1;
    });
    assert!(mended >= 6, "{mended}");
}

/// A convolution, as the reference has it, finds this template 4 px away (X4).
#[test]
fn an_asymmetric_template_is_found_where_it_is() {
    cases::each("correlate.fast with asymmetric template", |case| {
        let asked = case.input::<Ix2>("peaks");
        let place = found_at(&case.input("frame"), [asked[[0, 0]], asked[[0, 1]]], &template(case));
        assert!((place[0] - 32.0).abs() < 0.3 && (place[1] - 32.0).abs() < 0.3, "{place:?}");
    });
}
