//! Dense flow: scikit-image's numbers, known displacements, symmetries, bad input.

mod bad_input;
mod golden;
mod known;
mod properties;

use ndarray::{Array2, Array3, ArrayView2, Axis, s};
use nonius_core::{NoProgress, Real, Result};
use nonius_registration::flow::{Flow, LucasKanadeParams, Tvl1Params, lucas_kanade, tvl1};

#[derive(Debug, Clone, Copy)]
enum Method {
    Tvl1(Tvl1Params),
    LucasKanade(LucasKanadeParams),
}

impl Method {
    fn both() -> [Method; 2] {
        [Method::Tvl1(Tvl1Params::default()), Method::LucasKanade(LucasKanadeParams::default())]
    }

    fn run<F: Real>(&self, reference: ArrayView2<'_, F>, moving: ArrayView2<'_, F>) -> Result<Flow<F>> {
        match self {
            Method::Tvl1(params) => tvl1(reference, moving, params, &NoProgress),
            Method::LucasKanade(params) => lucas_kanade(reference, moving, params, &NoProgress),
        }
    }
}

/// Mean length of the difference of two flows, px, leaving out `margin` px at the border.
fn end_point_error<F: Real>(a: &Array3<F>, b: &Array3<F>, margin: usize) -> f64 {
    let inner = |flow: &Array3<F>| {
        let (_, ny, nx) = flow.dim();
        flow.slice(s![.., margin..ny - margin, margin..nx - margin]).mapv(|v| v.f64())
    };
    (inner(a) - inner(b)).map_axis(Axis(0), |d| d[0].hypot(d[1])).mean().unwrap()
}

fn largest_difference<F: Real>(a: &Array3<F>, b: &Array3<F>) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| (a - b).abs().f64()).fold(0.0, f64::max)
}

/// A smooth random texture about 0.5, defined everywhere; wavelengths from 6 to 40 px.
fn texture(y: f64, x: f64) -> f64 {
    // Golden-ratio sequences: even, irregular, the same on every run.
    let spread = |k: usize, ratio: f64| (k as f64 * ratio).fract();
    let tau = std::f64::consts::TAU;
    let waves = (1..=40).map(|k| {
        let (angle, phase) = (tau * spread(k, 0.618_034), tau * spread(k, 0.754_878));
        let wavelength = 6.0 + 34.0 * spread(k, 0.569_840);
        (tau * (angle.sin() * y + angle.cos() * x) / wavelength + phase).cos()
    });
    0.5 + waves.sum::<f64>() / 60.0
}

/// The texture displaced by `field(y, x)`: reference, moving and the true flow.
///
/// `moving` is the texture itself and `reference[r]` the texture at `r + field(r)`, so that
/// `moving(r + field(r)) = reference(r)` without any interpolation.
fn displaced<F: Real>(
    shape: (usize, usize),
    field: impl Fn(f64, f64) -> [f64; 2],
) -> (Array2<F>, Array2<F>, Array3<F>) {
    let field = |y: usize, x: usize| field(y as f64, x as f64);
    let reference = Array2::from_shape_fn(shape, |(y, x)| {
        let [dy, dx] = field(y, x);
        F::of(texture(y as f64 + dy, x as f64 + dx))
    });
    let moving = Array2::from_shape_fn(shape, |(y, x)| F::of(texture(y as f64, x as f64)));
    let truth = Array3::from_shape_fn((2, shape.0, shape.1), |(c, y, x)| F::of(field(y, x)[c]));
    (reference, moving, truth)
}

fn rotation(degrees: f64, (cy, cx): (f64, f64)) -> impl Fn(f64, f64) -> [f64; 2] {
    let (sin, cos) = degrees.to_radians().sin_cos();
    move |y, x| {
        let (y, x) = (y - cy, x - cx);
        [cos * y - sin * x - y, sin * y + cos * x - x]
    }
}

fn wavy(y: f64, x: f64) -> [f64; 2] {
    [1.5 + (x / 20.0).sin(), -2.0 + (y / 25.0).cos()]
}
