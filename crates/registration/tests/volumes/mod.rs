//! Registration of arrays with one and three axes: truth known by construction.

use ndarray::{Array1, Array3, s};
use nonius_core::{Error, fourier_shift};
use nonius_registration::{
    Method, NdRegistration, Refinement, RegistrationParams, Status, Weighting, register, register_nd,
};

/// Numbers that look random, the same in every run (splitmix64).
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

const SHAPE: (usize, usize, usize) = (14, 15, 12);

/// Waves of random phase, frequencies up to 3 periods: a scene that can be moved exactly. Their number
/// makes its variance 1.
fn scene(random: &mut Random, shift: [f64; 3]) -> [Array3<f64>; 2] {
    let n = [SHAPE.0, SHAPE.1, SHAPE.2].map(|n| n as f64);
    let waves: Vec<([f64; 3], f64)> = (0..50)
        .map(|_| {
            let k = n.map(|n| ((7.0 * random.uniform()).floor() - 3.0) / n);
            (k, random.uniform())
        })
        .collect();
    [[0.0; 3], shift].map(|d| {
        Array3::from_shape_fn(SHAPE, |(z, y, x)| {
            let r = [z as f64 - d[0], y as f64 - d[1], x as f64 - d[2]];
            let turns = |k: &[f64; 3]| (0..3).map(|a| k[a] * r[a]).sum::<f64>();
            0.2 * waves.iter().map(|(k, p)| (std::f64::consts::TAU * (turns(k) + p)).cos()).sum::<f64>()
        })
    })
}

fn noisy(image: &Array3<f64>, sigma: f64, random: &mut Random) -> Array3<f64> {
    image.mapv(|v| v + sigma * random.normal())
}

fn periodic(reference: &Array3<f64>, moving: &Array3<f64>) -> NdRegistration {
    register_nd(reference.view(), moving.view(), &RegistrationParams::periodic()).unwrap()
}

const SHIFT: [f64; 3] = [1.37, -2.62, 0.44];

#[test]
fn exact_without_noise_in_both_precisions() {
    let [f, g] = scene(&mut Random(1), SHIFT);
    let found = periodic(&f, &g);
    assert_eq!((found.status, found.overlap), (Status::Converged, f.len()));
    let (f32s, g32s) = (f.mapv(|v| v as f32), g.mapv(|v| v as f32));
    let single = register_nd(f32s.view(), g32s.view(), &RegistrationParams::periodic()).unwrap();
    for axis in 0..3 {
        // Rounding of Newton's last step; in single precision that of the images.
        assert!((found.shift[axis] - SHIFT[axis]).abs() < 1e-9, "{found:?}");
        assert!((single.shift[axis] - SHIFT[axis]).abs() < 1e-5, "{single:?}");
        assert!(found.errors()[axis] < 1e-9);
    }
    assert!((found.score - 1.0).abs() < 1e-9);
    let inverted = periodic(&f, &g.mapv(|v| 5.0 - 2.0 * v));
    assert!((inverted.score + 1.0).abs() < 1e-9 && (inverted.shift[0] - SHIFT[0]).abs() < 1e-9);
}

#[test]
fn grids_and_phase() {
    let [f, g] = scene(&mut Random(2), SHIFT);
    for (refinement, step) in [(Refinement::WholePixel, 1.0), (Refinement::Upsampled { factor: 20.0 }, 0.05)]
    {
        let params = RegistrationParams { refinement, ..RegistrationParams::periodic() };
        let found = register_nd(f.view(), g.view(), &params).unwrap();
        for axis in 0..3 {
            // The best point of the grid need not be the nearest: axes are correlated.
            assert!((found.shift[axis] - SHIFT[axis]).abs() <= 0.8 * step, "{found:?}");
            assert!(found.errors()[axis] >= step / 12.0_f64.sqrt());
        }
    }
    // Phase correlation of a scene with few frequencies sees mostly noise; on white noise it is sharp.
    let mut random = Random(3);
    let texture = noisy(&Array3::zeros((9, 15, 11)), 1.0, &mut random);
    let moved = fourier_shift(texture.view(), &SHIFT).unwrap();
    let params = RegistrationParams { method: Method::Phase, ..RegistrationParams::periodic() };
    let found = register_nd(texture.view(), moved.view(), &params).unwrap();
    assert!((0..3).all(|axis| (found.shift[axis] - SHIFT[axis]).abs() < 1e-6), "{found:?}");
}

/// Scatter against the Cramér–Rao bound, and how often one standard error contains the truth.
#[track_caller]
fn check_errors(sigma: [f64; 2], most_over_bound: f64) {
    const DRAWS: usize = 80;
    let mut random = Random(4);
    let (mut inside, mut over_bound) = (0, 0.0);
    for _ in 0..DRAWS {
        let shift = [0; 3].map(|_| 6.0 * random.uniform() - 3.0);
        let [f, g] = scene(&mut random, shift);
        let found = periodic(&noisy(&f, sigma[0], &mut random), &noisy(&g, sigma[1], &mut random));
        for axis in 0..3 {
            let error = found.shift[axis] - shift[axis];
            inside += usize::from(error.abs() < found.errors()[axis]);
            // The bound for this axis if the others were known: near enough, the scene being isotropic.
            over_bound +=
                error * error * squared_derivative(&f, axis) / (sigma[0].powi(2) + sigma[1].powi(2));
        }
    }
    let share = inside as f64 / (3 * DRAWS) as f64;
    let over_bound = (over_bound / (3 * DRAWS) as f64).sqrt();
    // 240 answers: 68.3 ± 3 %, ± 4.6 % on the scatter.
    assert!((0.58..0.78).contains(&share), "inside one standard error: {share}");
    assert!(over_bound < most_over_bound, "RMS over bound: {over_bound}");
}

/// Σ (∂f/∂axis)², from a shift by a thousandth of a pixel.
fn squared_derivative(f: &Array3<f64>, axis: usize) -> f64 {
    let mut step = [0.0; 3];
    step[axis] = 1e-3;
    let moved = fourier_shift(f.view(), &step).unwrap();
    f.iter().zip(&moved).map(|(a, b)| ((a - b) / 1e-3).powi(2)).sum()
}

#[test]
fn errors_are_honest() {
    check_errors([0.0, 0.1], 1.15);
    check_errors([0.0, 1.0], 1.15);
    // Noise in the reference too, as strong as the scene: plain weights let the product of the noises in at
    // high frequencies. Measured 1.76; the standard errors say so.
    check_errors([1.0, 1.0], 2.0);
}

#[test]
fn swapped_rolled_and_laid_out_otherwise() {
    let mut random = Random(5);
    let [f, g] = scene(&mut random, SHIFT);
    let (f, g) = (noisy(&f, 0.3, &mut random), noisy(&g, 0.3, &mut random));
    let found = periodic(&f, &g);
    let swapped = periodic(&g, &f);
    let turned = register_nd(
        f.view().permuted_axes([2, 0, 1]),
        g.view().permuted_axes([2, 0, 1]),
        &RegistrationParams::periodic(),
    )
    .unwrap();
    let mut rolled = g.clone();
    rolled.slice_mut(s![.., 2.., ..]).assign(&g.slice(s![.., ..-2, ..]));
    rolled.slice_mut(s![.., ..2, ..]).assign(&g.slice(s![.., -2.., ..]));
    let rolled = periodic(&f, &rolled);
    for axis in 0..3 {
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-7, "axis {axis}: {a}, {b}");
        near(swapped.shift[axis], -found.shift[axis]);
        near(turned.shift[(axis + 1) % 3], found.shift[axis]);
        near(rolled.shift[axis], found.shift[axis] + if axis == 1 { 2.0 } else { 0.0 });
        near(swapped.covariance[[axis, axis]], found.covariance[[axis, axis]]);
    }
}

#[test]
fn limits_and_rivals() {
    let [f, g] = scene(&mut Random(6), SHIFT);
    let near = RegistrationParams { max_shift: Some(2.0), ..RegistrationParams::periodic() };
    assert_ne!(register_nd(f.view(), g.view(), &near).unwrap().status, Status::Converged);
    // The same block twice: half a period along y fits as well.
    let mut double = f.slice(s![.., ..14, ..]).to_owned();
    let half = double.slice(s![.., ..7, ..]).to_owned();
    double.slice_mut(s![.., 7.., ..]).assign(&half);
    assert_eq!(periodic(&double, &double).status, Status::Ambiguous);
}

#[test]
fn signals_are_rows() {
    let mut random = Random(7);
    let f = Array1::from_shape_fn(60, |x| {
        (0..12).map(|k| ((k * x) as f64 * std::f64::consts::TAU / 60.0 + (k * k) as f64).cos()).sum::<f64>()
    });
    let g = fourier_shift(f.view(), &[3.4]).unwrap().mapv(|v| v + 0.05 * random.normal());
    let found = register_nd(f.view(), g.view(), &RegistrationParams::periodic()).unwrap();
    assert!((found.shift[0] - 3.4).abs() < 4.0 * found.errors()[0] && found.errors()[0] < 0.02, "{found:?}");
    assert_eq!((found.shift.len(), found.covariance.dim()), (1, (1, 1)));
    let (f, g) = (f.insert_axis(ndarray::Axis(0)), g.insert_axis(ndarray::Axis(0)));
    let row = register(f.view(), g.view(), &RegistrationParams::periodic()).unwrap();
    assert_eq!(found.shift[0], row.shift[1]);
    let image = register_nd(f.view(), g.view(), &RegistrationParams::periodic()).unwrap();
    assert_eq!((image.shift.len(), image.shift[1]), (2, row.shift[1]));
}

#[test]
fn flat_volumes_and_thin_ones() {
    let [f, g] = scene(&mut Random(8), [0.0, 1.25, -0.5]);
    let constant = Array3::from_elem(SHAPE, 3.7);
    let stripes = Array3::from_shape_fn(SHAPE, |(z, y, _)| ((z * 3 + y * y) % 7) as f64);
    for (f, g) in [(&constant, &f), (&f, &constant), (&stripes, &stripes)] {
        let found = periodic(f, g);
        assert_eq!(found.status, Status::Undetermined);
        assert!(found.shift.iter().chain(&found.covariance).all(|v| v.is_nan()) && found.score.is_nan());
    }
    let [f, g] = [f, g].map(|v| v.slice(s![..1, .., ..]).to_owned());
    let thin = periodic(&f, &g);
    let plane = |v: &Array3<f64>| v.index_axis(ndarray::Axis(0), 0).to_owned();
    let params = RegistrationParams { weighting: Weighting::Plain, ..RegistrationParams::periodic() };
    let image = register(plane(&f).view(), plane(&g).view(), &params).unwrap();
    assert_eq!((thin.shift[0], thin.covariance[[0, 0]]), (0.0, 0.0));
    assert!((0..2).all(|axis| (thin.shift[axis + 1] - image.shift[axis]).abs() < 1e-6), "{thin:?}");
}

#[test]
fn what_is_refused() {
    let [f, g] = scene(&mut Random(9), SHIFT);
    let ask = |params: RegistrationParams| register_nd(f.view(), g.view(), &params).unwrap_err().to_string();
    let periodic = RegistrationParams::periodic();
    assert_eq!(
        ask(RegistrationParams::default()),
        "frame must be periodic for arrays of three axes, got overlap"
    );
    assert!(ask(RegistrationParams { disambiguate: true, ..periodic }).starts_with("disambiguate"));
    assert!(ask(RegistrationParams { weighting: Weighting::Coherence, ..periodic }).starts_with("weighting"));
    let four = f.view().insert_axis(ndarray::Axis(0));
    let error = register_nd(four, four, &periodic).unwrap_err();
    assert_eq!(error.to_string(), "number of axes must be 1, 2 or 3, got 4");
    let mut holed = g.clone();
    holed[[1, 2, 3]] = f64::NAN;
    let error = register_nd(f.view(), holed.view(), &periodic).unwrap_err();
    assert_eq!(error, Error::NotFinite { what: "moving", index: vec![1, 2, 3] });
    assert!(register_nd(f.view(), f.slice(s![1.., .., ..]), &periodic).is_err());
    let empty = Array3::<f64>::zeros((3, 0, 4));
    assert!(matches!(register_nd(empty.view(), empty.view(), &periodic), Err(Error::Empty { .. })));
}
