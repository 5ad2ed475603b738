//! Diffraction patterns: disks, background, detector, scans.

use std::f64::consts::PI;

use ndarray::{Array2, Array3, s};
use nonius_core::{Error, FrameSource, PixelsMut, ReadFrames, center_of_mass};
use nonius_synthetic::{
    CbedParams, CentralBackground, DiffractionBackground, DiffractionParams, DiffractionScan,
    DiffractionScanParams, DiskShape, DiskTexture, NoiseParams,
};

use super::{difference, moments};

/// One disk of 1000 electrons without noise.
fn one_disk(zero: [f64; 2]) -> DiffractionParams {
    DiffractionParams {
        shape: [48, 50],
        zero,
        max_index: 0,
        noise: NoiseParams::default(),
        ..Default::default()
    }
}

fn clean(params: &DiffractionParams) -> Array2<f64> {
    params.generate().unwrap().truth.clean
}

#[test]
fn a_disk_has_its_electrons_and_its_centre() {
    for zero in [[24.0, 25.0], [23.5, 24.5], [22.13, 26.78]] {
        for radius in [0.4, 3.0, 7.3] {
            let made = DiffractionParams { radius, ..one_disk(zero) }.generate().unwrap();
            assert_eq!(made.frame, made.truth.clean);
            assert!((made.frame.sum() - 1000.0).abs() < 1e-8, "{}", made.frame.sum());
            let [y, x] = center_of_mass(made.frame.view()).unwrap();
            // Within each pixel of the edge the electrons' place is lost; over many pixels that averages out. A disk
            // smaller than a pixel has no others.
            assert!(
                radius < 1.0 || (y - zero[0]).abs() < 0.02 && (x - zero[1]).abs() < 0.02,
                "{zero:?} {radius}: {y} {x}"
            );
            assert_eq!((made.truth.indices, made.truth.positions), (vec![[0, 0]], vec![zero]));
            assert_eq!(made.truth.electrons, [1000.0]);
        }
    }
}

#[test]
fn an_edge_covers_pixels_by_area() {
    // A straight edge, nearly: a disk of 1e5 px whose edge is at x = 10.3, so that pixel 10 is covered to 0.8.
    let params = DiffractionParams { radius: 1e5, electrons: PI * 1e10, ..one_disk([24.0, 10.3 - 1e5]) };
    let row = clean(&params).row(24).to_owned();
    for (x, share) in [(9, 1.0), (10, 0.8), (11, 0.0)] {
        assert!((row[x] - share).abs() < 1e-6, "{row}");
    }
}

#[test]
fn ellipses_and_textures() {
    let shape = DiskShape { stretch: 1.5, angle: 0.7 };
    let frame = clean(&DiffractionParams { radius: 8.0, disk: shape, ..one_disk([24.0, 25.0]) });
    assert!((frame.sum() - 1000.0).abs() < 1e-8);
    let along = [0.7_f64.cos(), -0.7_f64.sin()];
    let half_axis = |axis: [f64; 2]| {
        let u2 = |y: usize, x: usize| ((y as f64 - 24.0) * axis[0] + (x as f64 - 25.0) * axis[1]).powi(2);
        2.0 * (frame.indexed_iter().map(|((y, x), v)| v * u2(y, x)).sum::<f64>() / 1000.0).sqrt()
    };
    // ⟨u²⟩ = R²/4 along a half axis R, and 1/12 for the pixels.
    assert!((half_axis(along) - 12.0).abs() < 0.05 && (half_axis([along[1], -along[0]]) - 8.0).abs() < 0.05);

    let texture = Some(DiskTexture { modulation: 0.8, period: 6.0, angle: 0.0 });
    let striped = clean(&DiffractionParams { radius: 10.0, texture, ..one_disk([24.0, 25.0]) });
    let level = 1000.0 / (PI * 100.0);
    let middle = striped.slice(s![20..29, 19..31]).mapv(|v| v / level - 1.0);
    // 12 columns are two whole periods along x; nothing changes along y.
    assert!(middle.row(0).sum().abs() < 1e-9);
    assert!((middle.row(0).mapv(|v| v * v).mean().unwrap() - 0.32).abs() < 1e-9);
    assert!(difference(&middle.slice(s![..8, ..]).to_owned(), &middle.slice(s![1.., ..]).to_owned()) < 1e-12);
}

#[test]
fn brightness_of_disks() {
    let params = DiffractionParams {
        falloff: Some(25.0),
        factors: vec![([0, 1], 3.0), ([-1, 0], 0.0)],
        noise: NoiseParams::default(),
        ..Default::default()
    };
    let truth = params.generate().unwrap().truth;
    let of = |index: [i32; 2]| truth.electrons[truth.indices.iter().position(|i| *i == index).unwrap()];
    let next = 1000.0 * (-0.5 * 400.0 / 625.0_f64).exp();
    assert_eq!(of([0, 0]), 1000.0);
    assert!((of([1, 0]) - next).abs() < 1e-9 && (of([0, 1]) - 3.0 * next).abs() < 1e-9);
    assert_eq!(of([-1, 0]), 0.0);
    // Disks from beyond the edge: zero at 64 of 128 with 20 px leaves ±3 within, ±70 out of sight.
    assert_eq!(truth.indices.len(), 49);
    assert_eq!(truth.indices[..2], [[-3, -3], [-2, -3]]);
    let inner = DiffractionParams { margin: Some(5.0), ..params.clone() }.generate().unwrap().truth;
    // 4 and 124 are closer to an edge than 5.
    assert_eq!(inner.indices.len(), 25);

    let scattered =
        DiffractionParams { spread: 0.3, max_index: 60, a: [2.0, 0.0], b: [0.0, 2.0], ..Default::default() };
    let electrons = scattered.truth_electrons();
    let mean = electrons.mean().unwrap();
    let variance = electrons.mapv(|v| (v - mean).powi(2)).mean().unwrap();
    // 3 721 numbers: standard deviations are known to 1.2 %.
    assert!((variance.sqrt() - 0.3).abs() < 0.015 && mean.abs() < 0.02, "{mean} {variance}");
}

trait Electrons {
    /// Logarithms of the electrons of all disks over those of the central one.
    fn truth_electrons(&self) -> ndarray::Array1<f64>;
}

impl Electrons for DiffractionParams {
    fn truth_electrons(&self) -> ndarray::Array1<f64> {
        let params = DiffractionParams { noise: NoiseParams::default(), ..self.clone() };
        params.generate().unwrap().truth.electrons.iter().map(|e| (e / self.electrons).ln()).collect()
    }
}

#[test]
fn backgrounds() {
    let central = Some(CentralBackground { peak: 7.0, sigma: 6.0 });
    let background = DiffractionBackground { constant: 20.0, gradient: [0.1, -0.2], central };
    let frame = clean(&DiffractionParams { electrons: 0.0, background, ..one_disk([10.0, 12.0]) });
    let expected = |y: f64, x: f64| {
        let d2 = (y - 10.0).powi(2) + (x - 12.0).powi(2);
        20.0 + 0.1 * (y - 23.5) - 0.2 * (x - 24.5) + 7.0 * (-d2 / 72.0).exp()
    };
    assert!(frame.indexed_iter().all(|((y, x), v)| (v - expected(y as f64, x as f64)).abs() < 1e-12));
    let background = DiffractionBackground { constant: 1.0, gradient: [0.1, 0.0], central: None };
    let negative = DiffractionParams { background, ..one_disk([10.0, 12.0]) }.generate();
    assert!(matches!(negative, Err(Error::Parameter { name: "background", .. })));
}

#[test]
fn noise_counts_electrons_and_reads_them_out() {
    let background = DiffractionBackground { constant: 9.0, ..Default::default() };
    let noise = NoiseParams { sigma: 4.0, ..NoiseParams::poisson(1.0) };
    let params = DiffractionParams {
        shape: [200, 200],
        max_index: 0,
        electrons: 0.0,
        background,
        noise,
        ..Default::default()
    };
    let (mean, variance) = moments(&params.generate().unwrap().frame);
    // 40 000 pixels of variance 9 + 16: the mean is known to 0.025, the variance to 0.18.
    assert!((mean - 9.0).abs() < 0.1 && (variance - 25.0).abs() < 0.7, "{mean} {variance}");
    // Whole electrons without readout.
    let counted = DiffractionParams { noise: NoiseParams::poisson(1.0), ..params }.generate().unwrap();
    assert!(counted.frame.iter().all(|v| v.fract() == 0.0));
}

#[test]
fn bad_pixels_are_told() {
    let params =
        DiffractionParams { hot_pixels: 30, dead_pixels: 20, hot_value: 5e4, ..one_disk([24.0, 25.0]) };
    let params = DiffractionParams {
        background: DiffractionBackground { constant: 5.0, ..Default::default() },
        ..params
    };
    let made = params.generate().unwrap();
    let count = |value: f64| made.frame.iter().filter(|v| **v == value).count();
    assert_eq!((count(5e4), count(0.0)), (30, 20));
    assert_eq!(made.truth.bad.iter().filter(|b| **b).count(), 50);
    assert!(made.truth.bad.indexed_iter().all(|(p, bad)| *bad == (made.frame[p] != made.truth.clean[p])));
    let all = DiffractionParams { hot_pixels: 48 * 50, dead_pixels: 0, ..params };
    assert!(all.generate().unwrap().frame.iter().all(|v| *v == 5e4));
}

#[test]
fn moving_by_whole_pixels_moves_the_image() {
    let here = clean(&one_disk([20.3, 21.8]));
    let there = clean(&one_disk([24.3, 18.8]));
    let moved = there.slice(s![4.., ..47]).to_owned();
    assert!(difference(&moved, &here.slice(s![..44, 3..]).to_owned()) < 1e-12);
}

#[test]
fn transposed_parameters_make_the_transposed_image() {
    let params = DiffractionParams {
        zero: [60.2, 67.7],
        a: [18.0, 2.0],
        b: [-3.0, 21.0],
        max_index: 2,
        noise: NoiseParams::default(),
        ..Default::default()
    };
    let turned = DiffractionParams { zero: [67.7, 60.2], a: [21.0, -3.0], b: [2.0, 18.0], ..params.clone() };
    assert!(difference(&clean(&params), &clean(&turned).reversed_axes()) < 1e-10);
}

#[test]
fn what_cannot_be_made() {
    let base = DiffractionParams::default;
    let fails = |params: DiffractionParams, field: &str| match params.generate() {
        Err(Error::Parameter { name, .. }) => assert_eq!(name, field),
        other => panic!("{field}: {:?}", other.map(|made| made.frame.dim())),
    };
    for bad in [f64::NAN, f64::INFINITY, -1.0] {
        fails(DiffractionParams { radius: bad, ..base() }, "radius");
        fails(DiffractionParams { electrons: bad, ..base() }, "electrons");
        fails(DiffractionParams { spread: bad, ..base() }, "spread");
        fails(DiffractionParams { falloff: Some(bad), ..base() }, "falloff");
        fails(DiffractionParams { factors: vec![([0, 0], bad)], ..base() }, "factors");
    }
    fails(DiffractionParams { zero: [f64::NAN, 0.0], ..base() }, "zero");
    fails(DiffractionParams { a: [0.0, 1e7], ..base() }, "a");
    fails(DiffractionParams { b: [0.0, f64::INFINITY], ..base() }, "b");
    fails(DiffractionParams { max_index: 201, ..base() }, "max_index");
    fails(DiffractionParams { margin: Some(f64::NAN), ..base() }, "margin");
    fails(DiffractionParams { hot_value: f64::NAN, ..base() }, "hot_value");
    let too_many = DiffractionParams { hot_pixels: 1, dead_pixels: usize::MAX, ..base() };
    fails(too_many, "hot_pixels and dead_pixels");
    fails(DiffractionParams { disk: DiskShape { stretch: 0.0, angle: 0.0 }, ..base() }, "disk stretch");
    fails(DiffractionParams { disk: DiskShape { stretch: 1.0, angle: f64::NAN }, ..base() }, "disk angle");
    let texture = |texture| DiffractionParams { texture: Some(texture), ..base() };
    fails(texture(DiskTexture { modulation: 1.1, ..Default::default() }), "texture modulation");
    fails(texture(DiskTexture { period: 0.5, ..Default::default() }), "texture period");
    assert!(matches!(DiffractionParams { shape: [0, 5], ..base() }.generate(), Err(Error::Empty { .. })));
    // More electrons than counting noise is made for.
    assert!(DiffractionParams { electrons: 1e14, ..base() }.generate().is_err());

    let cbed = |params: CbedParams, field: &str| match params.generate() {
        Err(Error::Parameter { name, .. }) => assert_eq!(name, field),
        other => panic!("{field}: {other:?}"),
    };
    cbed(CbedParams { radius: 0.0, ..Default::default() }, "radius");
    cbed(CbedParams { margin: Some(f64::NAN), ..Default::default() }, "margin");
    cbed(CbedParams { a: Some([f64::NAN, 0.0]), ..Default::default() }, "a");
    let none = CbedParams { indices: Some(Vec::new()), ..Default::default() }.generate().unwrap();
    assert!(none.positions.is_empty() && none.frame.iter().all(|v| *v == 0.0));
}

#[test]
fn parameters_are_read_from_files() {
    let text =
        "radius = 3.5\nfactors = [[[1, 0], 0.5]]\n[noise]\nsigma = 2.0\n[background]\nconstant = 3.0\n";
    let read: DiffractionParams = toml::from_str(text).unwrap();
    assert_eq!((read.radius, read.noise.sigma, read.background.constant), (3.5, 2.0, 3.0));
    let again: DiffractionParams = toml::from_str(&toml::to_string(&read).unwrap()).unwrap();
    assert_eq!(again, read);
    assert!(toml::from_str::<DiffractionScanParams>("strian = 0.1").is_err());
    assert!(toml::from_str::<CbedParams>("shape = [32, 32]\nall_equal = true").unwrap().all_equal);
}

fn scan() -> DiffractionScan {
    let frame = DiffractionParams {
        shape: [64, 60],
        zero: [31.0, 30.0],
        spread: 0.4,
        texture: Some(DiskTexture::default()),
        hot_pixels: 5,
        seed: 9,
        ..Default::default()
    };
    DiffractionScan::new(&DiffractionScanParams { scan: [4, 3], frame, ..Default::default() }).unwrap()
}

#[test]
fn scans_have_the_lattices_that_they_tell() {
    let scan = scan();
    assert_eq!((scan.n_frames(), scan.frame_shape(), scan.scan_shape()), (12, (64, 60), (4, 3)));
    for index in 0..12 {
        let made = scan.frame_with_truth(index).unwrap();
        let at = |field: ndarray::ArrayView3<'_, f64>, axis| field[[index / 3, index % 3, axis]];
        for (k, p) in made.truth.indices.iter().zip(&made.truth.positions) {
            for axis in 0..2 {
                let place = at(scan.zero(), axis)
                    + f64::from(k[0]) * at(scan.a(), axis)
                    + f64::from(k[1]) * at(scan.b(), axis);
                assert!((p[axis] - place).abs() < 1e-12);
            }
        }
        let read = scan.frame::<f64>(index).unwrap();
        assert_eq!(read, made.frame.mapv(|v| f64::from(v as f32)));
        // Disks and bad pixels stay, noise does not.
        let first = scan.frame_with_truth(0).unwrap();
        assert_eq!(made.truth.bad, first.truth.bad);
        assert_eq!(index == 0, made.frame == first.frame);
    }
    // s_y = 0, s_x = 0: E_yy = 0, E_xx = 0.02, rotation 0.01; zero is off by (0, 1).
    let at = |field: ndarray::ArrayView3<'_, f64>| [field[[0, 0, 0]], field[[0, 0, 1]]];
    assert_eq!(at(scan.zero()), [31.0, 31.0]);
    assert!((at(scan.a())[0] - 20.0).abs() < 1e-12 && (at(scan.a())[1] - 0.2).abs() < 1e-12);
    assert!((at(scan.b())[0] + 0.2).abs() < 1e-12 && (at(scan.b())[1] - 20.4).abs() < 1e-12);
}

#[test]
fn frames_of_scans_are_the_same_whoever_asks() {
    let scan = scan();
    let pixels = 64 * 60;
    let mut several = vec![0.0f32; 3 * pixels];
    scan.read(4..7, PixelsMut::F32(&mut several)).unwrap();
    for (k, frame) in several.chunks(pixels).enumerate() {
        assert_eq!(frame, scan.frame::<f32>(4 + k).unwrap().as_slice().unwrap());
    }
    assert!(matches!(scan.read(11..13, PixelsMut::F32(&mut several)), Err(Error::Frame { index: 12, .. })));
    assert!(matches!(scan.read(0..1, PixelsMut::F64(&mut [0.0])), Err(Error::Frame { .. })));
    assert!(matches!(scan.frame_with_truth(12), Err(Error::Frame { index: 12, .. })));
}

#[test]
fn scans_that_cannot_be_made() {
    let fails = |params: DiffractionScanParams, field: &str| match DiffractionScan::new(&params) {
        Err(Error::Parameter { name, .. }) => assert_eq!(name, field),
        other => panic!("{field}: {other:?}"),
    };
    fails(DiffractionScanParams { strain: 0.6, ..Default::default() }, "strain");
    fails(DiffractionScanParams { rotation: f64::NAN, ..Default::default() }, "rotation");
    fails(DiffractionScanParams { descan: -1.0, ..Default::default() }, "descan");
    let none = DiffractionScan::new(&DiffractionScanParams { scan: [0, 3], ..Default::default() });
    assert!(matches!(none, Err(Error::Empty { .. })));
    let field = |shape| Array3::<f64>::zeros(shape);
    let params = DiffractionParams::default();
    let with = DiffractionScan::with_lattices(&params, field((2, 3, 2)), field((2, 3, 2)), field((3, 2, 2)));
    assert!(matches!(with, Err(Error::Shape { .. })));
    let nan = field((2, 3, 2)) * f64::NAN;
    let with = DiffractionScan::with_lattices(&params, nan, field((2, 3, 2)), field((2, 3, 2)));
    assert!(matches!(with, Err(Error::Parameter { .. })));
}
